package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// exports answers a file of a record.
func (b *bank) exports(by access.Caller, e api.Export) (string, api.ExportedFile, error) {
	var (
		content bytes.Buffer
		file    api.ExportedFile
	)
	err := b.ExportPortfolio(ctx(), by, e, func(f api.ExportedFile) (io.Writer, error) {
		file = f
		return &content, nil
	})
	return content.String(), file, err
}

// exported are the entries of a JSON file, and its learner.
type exported struct {
	LogSize uint64 `json:"log_size"`
	Learner map[string]any
	Entries []exportedEntry
}

type exportedEntry struct {
	Index   uint64 `json:"entry_index"`
	Kind    string
	Title   string
	Outcome string
	Minutes int64
	Score   *int32
	End     string                             `json:"end_date"`
	Begin   string                             `json:"begin_date"`
	Credits struct{ Pending, Available int64 } `json:"milli_credits"`
	Reasons []struct{ Stage string }
}

func (b *bank) json(by access.Caller, e api.Export) exported {
	b.t.Helper()
	e.Format = export.JSON
	content, file, err := b.exports(by, e)
	must(b.t, err)
	var read exported
	must(b.t, json.Unmarshal([]byte(content), &read))
	if file.MediaType != "application/json" || file.Name != "learning-record-2026-06-15.json" || file.LogSize != read.LogSize {
		b.t.Errorf("the file is %+v", file)
	}
	return read
}

// grown is an account with a completion of each kind, a claim and an opening balance.
func (b *bank) grown() api.Account {
	b.t.Helper()
	account := b.Open()
	b.TakeOver(apitest.OpeningRow(account.Number, "A-17"))
	b.one(withScore(b.learned(account, apitest.Calligraphy, 3, 90), 70))
	b.one(withScore(b.learned(account, apitest.Calligraphy, 5, 135), 95))
	taken := b.learned(account, apitest.Calligraphy, 9, 45)
	b.one(taken)
	b.one(b.Void(taken.GetId()))
	b.one(withScore(b.learned(account, apitest.FirstAid, 20, 90), 30)) // not enough
	b.files(b.Resident(account.ID), b.certificate(b.Resident(account.ID), account.ID))
	return account
}

// What a holder takes along is what the bank knows: the same results and sums as in the record.
func TestExportPortfolio(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.grown()
	holder := b.Resident(account.ID)
	read := b.json(holder, api.Export{Account: account.ID})
	shown, _, err := b.ListPortfolioEntries(ctx(), holder, account.ID, "", true, api.Page{})
	must(t, err)
	entries := make(map[uint64]api.PortfolioEntry)
	for _, e := range shown {
		entries[e.Index] = e
	}
	var available, pending int64
	for _, got := range read.Entries {
		want := entries[got.Index]
		available, pending = available+got.Credits.Available, pending+got.Credits.Pending
		if got.Outcome != strings.TrimPrefix(want.Decision.Outcome.String(), "OUTCOME_") || got.Minutes != int64(want.Decision.Minutes) ||
			got.End != want.EndDate || len(got.Reasons) != len(want.Decision.Reasons) {
			t.Errorf("%+v, and in the record %+v", got, want)
		}
		switch got.Kind {
		case "OPENING_BALANCE":
			if got.Title != "书法班" || got.Score != nil {
				t.Errorf("%+v", got)
			}
		case "CLAIM":
			if got.Title != "茶艺师（四级）" || got.Begin != "2024-03-01" {
				t.Errorf("%+v", got)
			}
		case "COMPLETION":
			if got.Title != want.Title || got.Begin == "" {
				t.Errorf("%+v", got)
			}
		default:
			t.Errorf("%+v", got)
		}
	}
	p, err := b.GetPortfolio(ctx(), holder, account.ID, 0)
	must(t, err)
	if len(read.Entries) != int(p.EntryCount) || unit.Credits(available) != p.Totals.Available || unit.Credits(pending) != p.Totals.Pending ||
		read.LogSize != p.LogSize {
		t.Errorf("%d of %d entries, %d and %d credits", len(read.Entries), p.EntryCount, available, pending)
	}
	if !slices.IsSortedFunc(read.Entries, func(a, b exportedEntry) int { return strings.Compare(b.End, a.End) }) {
		t.Error("they are not in their order")
	}
}

// The Shanghai profile has what was earned, one row for each course.
func TestExportDeposit(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.grown()
	content, file, err := b.exports(b.Resident(account.ID), api.Export{
		Account: account.ID, Format: export.ShanghaiCSV, Deposit: export.Deposit{Level: export.LevelUpgrade, Year: "2026"},
	})
	must(t, err)
	if file.Name != "learning-record-shanghai-2026-06-15.csv" || !strings.HasPrefix(file.MediaType, "text/csv") {
		t.Errorf("the file is %+v", file)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(content, "\uFEFF"))).ReadAll()
	must(t, err)
	if len(rows) != 3 {
		t.Fatalf("%d rows: %q", len(rows), rows)
	}
	person, err := b.Vault.Person(ctx(), account.ID)
	must(t, err)
	// Both classes: 90 and 135 minutes, with the better score and when it was reached.
	if got := rows[1]; got[1] != api.MaskedName(person.Name) || got[4] != "书法入门" || got[5] != "22" || got[6] != "" || got[7] != "0.3" ||
		got[8] != "5" || got[9] != "95" || got[10] != "202606" || got[11] != "2026" {
		t.Errorf("the course is %q", got)
	}
	if got := rows[2]; got[4] != "书法班" || got[7] != "1.5" || got[10] != "201905" || got[14] != "期初余额：xihu-2019" {
		t.Errorf("the opening balance is %q", got)
	}
	if number := person.Document.Number; strings.Contains(content, number) || strings.Contains(content, person.Name) || !strings.HasSuffix(rows[1][2], number[14:]) {
		t.Errorf("the learner is %q", rows[1])
	}
}

func TestExportChoices(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.grown()
	holder := b.Resident(account.ID)
	for name, test := range map[string]struct {
		choice export.Choice
		want   int
	}{
		"all":           {export.Choice{}, 6},
		"from":          {export.Choice{From: "2026-06-10"}, 2},
		"until":         {export.Choice{To: "2024-06-30"}, 2},
		"the day":       {export.Choice{From: "2024-06-30", To: "2024-06-30"}, 1},
		"nothing":       {export.Choice{From: "2023-01-01", To: "2023-12-31"}, 0},
		"health":        {export.Choice{Categories: []string{"health"}}, 1},
		"two":           {export.Choice{Categories: []string{"health", "vocational"}}, 2},
		"earned":        {export.Choice{EarnedOnly: true}, 3},
		"by course":     {export.Choice{BestPerCourse: true}, 4},
		"earned course": {export.Choice{EarnedOnly: true, BestPerCourse: true, Categories: []string{"arts"}, From: "2020-01-01"}, 1},
	} {
		if read := b.json(holder, api.Export{Account: account.ID, Choice: test.choice}); len(read.Entries) != test.want {
			t.Errorf("%s: %d entries, want %d", name, len(read.Entries), test.want)
		}
	}
}

// Name and document go out only to the holder and to registrars, and only when they are asked for.
func TestExportIdentity(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	person, err := b.Vault.Person(ctx(), account.ID)
	must(t, err)
	for name, by := range map[string]access.Caller{"holder": b.Resident(account.ID), "registrar": b.Officer(apitest.Registrar)} {
		l := b.json(by, api.Export{Account: account.ID, Identity: true, Purpose: "enrolment"}).Learner
		if l["masked"] != false || l["name"] != person.Name || l["document"] != person.Document.Number || l["account_number"] != string(person.Number) ||
			l["birth_date"] != person.BirthDate.Format("2006-01-02") || l["account_id"] != account.ID.String() {
			t.Errorf("%s: %v", name, l)
		}
	}
	for name, by := range map[string]access.Caller{
		"holder": b.Resident(account.ID), "registrar": b.Officer(apitest.Registrar), "officer": b.Officer(apitest.Officer),
	} {
		l := b.json(by, api.Export{Account: account.ID, Purpose: "counter"}).Learner
		if len(l) != 3 || l["masked"] != true || l["name"] == person.Name || l["document"] == person.Document.Number {
			t.Errorf("%s, masked: %v", name, l)
		}
	}
	page, _, err := b.Vault.Accesses(ctx(), account.ID, vault.Page{Size: 10})
	must(t, err)
	words := make([]string, len(page))
	for i, a := range page {
		words[i] = a.Caller + " " + a.Action + " " + a.Purpose
	}
	slices.Sort(words)
	if want := []string{
		"officer:officer-chen ExportPortfolio json:counter", "officer:registrar-lin ExportIdentity json:enrolment",
		"officer:registrar-lin ExportPortfolio json:counter",
	}; !slices.Equal(words, want) {
		t.Errorf("the journal has %q", words)
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	holder := b.Resident(account.ID)
	for name, test := range map[string]struct {
		by     access.Caller
		change func(e *api.Export)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"anonymous":       {access.Caller{}, nil, api.Unauthenticated, api.ReasonUnauthenticated, ""},
		"somebody else":   {b.Resident(other.ID), nil, api.Denied, api.ReasonDenied, ""},
		"a platform":      {b.Platform(apitest.Platform), nil, api.Denied, api.ReasonDenied, ""},
		"without purpose": {b.Officer(apitest.Registrar), nil, api.Invalid, api.ReasonField, "purpose"},
		"not a code":      {holder, func(e *api.Export) { e.Purpose = "for my boss" }, api.Invalid, api.ReasonField, "purpose"},
		"identity, by an officer": {
			b.Officer(apitest.Officer), func(e *api.Export) { e.Identity, e.Purpose = true, "counter" }, api.Denied, api.ReasonDenied, "",
		},
		"nobody": {
			b.Officer(apitest.Registrar), func(e *api.Export) { e.Account, e.Purpose = unit.AccountID{1}, "counter" }, api.Denied, api.ReasonDenied, "",
		},
		"no format":  {holder, func(e *api.Export) { e.Format = "pdf" }, api.Invalid, api.ReasonExportFormat, "format"},
		"no date":    {holder, func(e *api.Export) { e.Choice.From = "2026-6-1" }, api.Invalid, api.ReasonField, "from_date"},
		"no day":     {holder, func(e *api.Export) { e.Choice.To = "2026-02-30" }, api.Invalid, api.ReasonField, "to_date"},
		"backwards":  {holder, func(e *api.Export) { e.Choice.From, e.Choice.To = "2026-02-02", "2026-02-01" }, api.Invalid, api.ReasonField, "to_date"},
		"categories": {holder, func(e *api.Export) { e.Choice.Categories = make([]string, 33) }, api.Invalid, api.ReasonField, "categories"},
		"category":   {holder, func(e *api.Export) { e.Choice.Categories = []string{"a", "b c"} }, api.Invalid, api.ReasonField, "categories[1]"},
		"level":      {holder, func(e *api.Export) { e.Deposit.Level = "99" }, api.Invalid, api.ReasonExportCode, "shanghai.level"},
		"major":      {holder, func(e *api.Export) { e.Deposit.Major = "a\nb" }, api.Invalid, api.ReasonExportCode, "shanghai.major"},
	} {
		e := api.Export{Account: account.ID, Format: export.ELMO}
		if test.change != nil {
			test.change(&e)
		}
		content, file, err := b.exports(test.by, e)
		t.Log(name)
		wants(t, err, test.kind, test.reason, test.field)
		if content != "" || file != (api.ExportedFile{}) {
			t.Errorf("%s: %q, %v", name, content, file)
		}
	}
	street := b.Officer(apitest.StreetOfficer)
	far, err := b.somewhereElse()
	must(t, err)
	_, _, err = b.exports(street, api.Export{Account: far.ID, Format: export.ELMO, Purpose: "counter"})
	wants(t, err, api.Denied, api.ReasonDenied, "")
	must(t, b.Vault.Erase(ctx(), account.ID))
	_, _, err = b.exports(holder, api.Export{Account: account.ID, Format: export.ELMO})
	wants(t, err, api.Precondition, api.ReasonAccountErased, "")
}

// somewhereElse is an account at home in Sandun.
func (b *bank) somewhereElse() (api.Account, error) {
	account, _, err := b.OpenAccount(ctx(), b.Officer(apitest.Registrar), api.Opening{
		RequestID: b.RequestID(), Name: "李明", Document: b.Document(900), Home: apitest.Sandun, Checked: true,
	})
	return account, err
}

// One export of an account is written at a time, and whoever can't be written to ends it.
func TestExportsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	holder := b.Resident(account.ID)
	fault := errors.New("gone")
	err := b.ExportPortfolio(ctx(), holder, api.Export{Account: account.ID, Format: export.JSON}, func(api.ExportedFile) (io.Writer, error) {
		_, _, err := b.exports(holder, api.Export{Account: account.ID, Format: export.JSON})
		wants(t, err, api.Busy, api.ReasonExports, "")
		_, _, err = b.exports(b.Resident(other.ID), api.Export{Account: other.ID, Format: export.JSON})
		must(t, err)
		return nil, fault
	})
	if !errors.Is(err, fault) {
		t.Error(err)
	}
	b.json(holder, api.Export{Account: account.ID})
}

// Results come in batches, and none is lost or doubled between them.
func TestExportManyEntries(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	const count = 600
	for part := range count / 100 {
		statements := make([]*statementv1.Statement, 100)
		for i := range statements {
			statements[i] = b.learned(account, apitest.Smartphone, 1+part*100+i, 45)
		}
		b.post(apitest.Platform, statements...)
	}
	read := b.json(b.Resident(account.ID), api.Export{Account: account.ID})
	seen := make(map[uint64]bool)
	for _, e := range read.Entries {
		seen[e.Index] = true
	}
	if len(read.Entries) != count || len(seen) != count {
		t.Errorf("%d entries, %d of them different", len(read.Entries), len(seen))
	}
	best := b.json(b.Resident(account.ID), api.Export{Account: account.ID, Choice: export.Choice{BestPerCourse: true}})
	if len(best.Entries) != 1 {
		t.Errorf("%d courses", len(best.Entries))
	}
}

func BenchmarkExportPortfolio(b *testing.B) {
	bank := newBank(b)
	account := bank.Open()
	const count = 500
	statements := make([]*statementv1.Statement, count)
	for i := range statements {
		statements[i] = bank.learned(account, apitest.Smartphone, 1+i, 45)
	}
	bank.post(apitest.Platform, statements...)
	holder := bank.Resident(account.ID)
	for _, f := range export.Formats() {
		b.Run(string(f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := bank.exports(holder, api.Export{Account: account.ID, Format: f})
				must(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/entry")
		})
	}
}
