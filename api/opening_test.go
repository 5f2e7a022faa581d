package api_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// recorded checks that every row is on the ledger now, and answers the entries.
func recorded(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, results []api.OpeningResult,
) (entries []uint64) {
	t.Helper()
	for i, r := range results {
		if r.Status != api.Recorded {
			t.Fatalf("row %d: %d, %v", i, r.Status, r.Fault)
		}
		entries = append(entries, r.Index)
	}
	return entries
}

// What was earned elsewhere is on the record beside what was learned here, with its source and both officers, and takes no
// room under a cap.
func TestOpeningBalances(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 3, 720)) // 1.000 credit
	usage := b.row(account).GetUsage()

	hours := apitest.OpeningRow(other.Number, "2")
	hours.MilliCredits, hours.EarnedOn, hours.Title = 0, "1949-12-31", ""
	if r := b.TakeOver(hours)[0]; r.Fault == nil || r.Fault.Field != "earned_on" {
		t.Errorf("a day before 1950: %+v", r)
	}
	hours.EarnedOn = "1969-12-31"
	credits := apitest.OpeningRow(account.Number, "3")
	credits.Minutes, credits.MilliCredits, credits.Category = 0, 10_000_000, "health" // far above the cap of a year
	entries := recorded(t, b.TakeOver(apitest.OpeningRow(account.Number, "1"), hours, credits))

	shown := b.has(account, 720+90, 1000+1500+10_000_000, 0, 0)
	first := shown[entries[0]]
	if first.Opening == nil || first.EndDate != "2019-05-04" || first.Course+first.Provider+first.Platform != "" {
		t.Fatalf("%+v", first)
	}
	b.has(other, 90, 0, 0, 0)
	if o := *first.Opening; o.Source != apitest.OpeningSource || o.Record != "1" || o.Title != "书法班" ||
		o.ProposedBy != apitest.Officer || o.ConfirmedBy != apitest.SecondOfficer || o.Import == 0 {
		t.Errorf("%+v", o)
	}
	became(t, first.Decision, awarded, 90, 1500, 0)
	row := b.row(account)
	if len(row.GetUsage()) != len(usage) || row.GetOpeningBalances() != 2 || row.GetCompletions() != 1 {
		t.Errorf("%+v", row)
	}
	for _, h := range row.GetHours() {
		if want := map[int32]int64{2019: 90, 2026: 720}[h.GetYear()]; h.GetMinutes() != want {
			t.Errorf("%d minutes in %d, want %d", h.GetMinutes(), h.GetYear(), want)
		}
	}
	// Nobody's feed tells of it, and it takes no part in what completions do to each other.
	posted, _, _, err := b.ListCompletions(ctx(), b.Platform(apitest.Platform), 0, api.Page{})
	if must(t, err); len(posted) != 1 {
		t.Errorf("the feed has %+v", posted)
	}
}

// A record of a source is recorded once, for ever: of whichever file, and however it names the learner.
func TestOpeningBalanceReplayed(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open() // the first and second made-up persons
	entry := recorded(t, b.TakeOver(apitest.OpeningRow(account.Number, "1")))[0]
	byDocument := apitest.OpeningRow("", "1")
	byDocument.DocumentKind, byDocument.DocumentNumber = "resident_identity", b.Document(1).Number
	changed, elsewhere := apitest.OpeningRow(account.Number, "1"), apitest.OpeningRow(other.Number, "1")
	changed.Minutes++
	size := b.size()
	results := b.TakeOver(apitest.OpeningRow(account.Number, "1"), byDocument, changed, elsewhere)
	for _, r := range results[:2] {
		if r.Status != api.Replayed || r.Index != entry {
			t.Errorf("%+v, not entry %d", r, entry)
		}
	}
	for _, r := range results[2:] {
		wants(t, r.Fault, api.Conflict, api.ReasonRecordConflict, "source_record")
	}
	if b.size() != size+2 {
		t.Errorf("%d entries for proposing and confirming", b.size()-size)
	}
	// Another system may use the same number.
	i := b.OpeningImport(apitest.OpeningRow(account.Number, "1"))
	i.Source = "elsewhere"
	again, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{
		Import: b.Confirmed(i).Index, Rows: b.RowBytes(apitest.OpeningRow(account.Number, "1")),
	})
	must(t, err)
	recorded(t, again)
	b.has(account, 180, 3000, 0, 0)
	// Who was asked for by an identity document was looked at.
	looks, _, err := b.Vault.Accesses(ctx(), account.ID, vault.Page{Size: 10})
	if must(t, err); len(looks) != 1 || looks[0].Action != string(access.RecordOpeningBalances) || looks[0].Purpose != apitest.OpeningSource {
		t.Errorf("looks %+v", looks)
	}
}

// What should not have been recorded is taken back by two officers in the same way, and recorded anew under another record.
func TestOpeningBalanceReversed(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	entry := recorded(t, b.TakeOver(apitest.OpeningRow(account.Number, "1")))[0]
	wants(t, b.TakeOver(apitest.OpeningReversal(account.Number, "9"))[0].Fault, api.NotFound, api.ReasonUnknownRecord, "source_record")
	wants(t, b.TakeOver(apitest.OpeningReversal(other.Number, "1"))[0].Fault, api.Precondition, api.ReasonRecordConflict, "account_number")
	reversal := apitest.OpeningReversal(account.Number, "1")
	reversed := recorded(t, b.TakeOver(reversal, apitest.OpeningRow(account.Number, "1-2")))
	shown := b.has(account, 90, 1500, 0, 1500)
	became(t, shown[entry].Decision, voided, 0, 0, 0)
	if shown[entry].Opening == nil || shown[entry].Opening.Record != "1" || len(shown) != 2 {
		t.Errorf("%+v", shown)
	}
	if r := b.TakeOver(reversal)[0]; r.Status != api.Replayed || r.Index != reversed[0] {
		t.Errorf("taken back again: %+v", r)
	}
	// What was taken back stays recorded: sending it again does not bring it back.
	if r := b.TakeOver(apitest.OpeningRow(account.Number, "1"))[0]; r.Status != api.Replayed || r.Index != entry {
		t.Errorf("%+v", r)
	}
	b.has(account, 90, 1500, 0, 1500)
}

// Credits that expire do so as any others, by the days of the account's home.
func TestOpeningBalanceExpires(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	row := apitest.OpeningRow(account.Number, "1")
	row.ExpiresOn = "2026-06-20"
	recorded(t, b.TakeOver(row))
	b.Clock.Advance(4*24*time.Hour + 13*time.Hour) // 2026-06-19T15:00Z, an hour before the day begins
	must(t, sweep(b))
	b.has(account, 90, 1500, 0, 0)
	b.Clock.Advance(time.Hour)
	must(t, sweep(b))
	p, _ := b.portfolio(account)
	if p.Totals.Available != 0 || p.Totals.Expired != 1500 || p.Totals.Minutes != 90 {
		t.Errorf("%+v", p.Totals)
	}
	// What has expired can't be taken back.
	recorded(t, b.TakeOver(apitest.OpeningReversal(account.Number, "1")))
	if p, _ = b.portfolio(account); p.Totals.Expired != 1500 || p.Totals.Reversed != 0 || p.Totals.Minutes != 0 {
		t.Errorf("%+v", p.Totals)
	}
}

func sweep(b *bank) error {
	_, err := b.Sweep(ctx())
	return err
}

// A row that is wrong is refused by its field, and the rows around it go in.
func TestOpeningBalanceRows(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	erased := b.Open()
	must(t, b.Vault.Erase(ctx(), erased.ID))
	long := strings.Repeat("字", 201)
	for name, c := range map[string]struct {
		change func(r *ledgerv1.OpeningBalanceRow)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"no action":   {func(r *ledgerv1.OpeningBalanceRow) { r.Action = 0 }, api.Invalid, api.ReasonUnknownEnum, "action"},
		"nobody":      {func(r *ledgerv1.OpeningBalanceRow) { r.AccountNumber = string(nobody(t)) }, api.NotFound, api.ReasonUnknownAccount, "account_number"},
		"erased":      {func(r *ledgerv1.OpeningBalanceRow) { r.AccountNumber = string(erased.Number) }, api.NotFound, api.ReasonUnknownAccount, "account_number"},
		"no number":   {func(r *ledgerv1.OpeningBalanceRow) { r.AccountNumber = "" }, api.Invalid, api.ReasonAccountNumber, "account_number"},
		"check digit": {func(r *ledgerv1.OpeningBalanceRow) { r.AccountNumber = "1234567812345678" }, api.Invalid, api.ReasonAccountNumber, "account_number"},
		"both":        {func(r *ledgerv1.OpeningBalanceRow) { r.DocumentKind = "passport" }, api.Invalid, api.ReasonDocument, "document_number"},
		"document": {func(r *ledgerv1.OpeningBalanceRow) {
			r.AccountNumber, r.DocumentKind, r.DocumentNumber = "", "passport", "1"
		}, api.Invalid, api.ReasonDocument, "document_number"},
		"document of nobody": {func(r *ledgerv1.OpeningBalanceRow) {
			r.AccountNumber, r.DocumentKind, r.DocumentNumber = "", "passport", "E12345678"
		}, api.NotFound, api.ReasonUnknownAccount, "document_number"},
		"lower case": {func(r *ledgerv1.OpeningBalanceRow) {
			r.AccountNumber, r.DocumentKind, r.DocumentNumber = "", "passport", "e12345678"
		}, api.Invalid, api.ReasonDocument, "document_number"},
		"no record":           {func(r *ledgerv1.OpeningBalanceRow) { r.SourceRecord = "" }, api.Invalid, api.ReasonField, "source_record"},
		"long record":         {func(r *ledgerv1.OpeningBalanceRow) { r.SourceRecord = long }, api.Invalid, api.ReasonField, "source_record"},
		"category":            {func(r *ledgerv1.OpeningBalanceRow) { r.Category = "magic" }, api.Invalid, api.ReasonUnknownCategory, "category"},
		"no category":         {func(r *ledgerv1.OpeningBalanceRow) { r.Category = "" }, api.Invalid, api.ReasonUnknownCategory, "category"},
		"negative minutes":    {func(r *ledgerv1.OpeningBalanceRow) { r.Minutes = -1 }, api.Invalid, api.ReasonMinutes, "minutes"},
		"absurd minutes":      {func(r *ledgerv1.OpeningBalanceRow) { r.Minutes = 1_000_001 }, api.Invalid, api.ReasonMinutes, "minutes"},
		"negative credits":    {func(r *ledgerv1.OpeningBalanceRow) { r.MilliCredits = -1 }, api.Invalid, api.ReasonCredits, "milli_credits"},
		"absurd credits":      {func(r *ledgerv1.OpeningBalanceRow) { r.MilliCredits = 10_000_001 }, api.Invalid, api.ReasonCredits, "milli_credits"},
		"nothing":             {func(r *ledgerv1.OpeningBalanceRow) { r.Minutes, r.MilliCredits = 0, 0 }, api.Invalid, api.ReasonCredits, "milli_credits"},
		"no day":              {func(r *ledgerv1.OpeningBalanceRow) { r.EarnedOn = "" }, api.Invalid, api.ReasonField, "earned_on"},
		"day":                 {func(r *ledgerv1.OpeningBalanceRow) { r.EarnedOn = "04/05/2019" }, api.Invalid, api.ReasonField, "earned_on"},
		"tomorrow":            {func(r *ledgerv1.OpeningBalanceRow) { r.EarnedOn = "2026-06-16" }, api.Invalid, api.ReasonFuture, "earned_on"},
		"expired":             {func(r *ledgerv1.OpeningBalanceRow) { r.ExpiresOn = "2026-06-15" }, api.Invalid, api.ReasonTime, "expires_on"},
		"expires before":      {func(r *ledgerv1.OpeningBalanceRow) { r.ExpiresOn = "2019-05-04" }, api.Invalid, api.ReasonTime, "expires_on"},
		"nothing expires":     {func(r *ledgerv1.OpeningBalanceRow) { r.MilliCredits, r.ExpiresOn = 0, "2030-01-01" }, api.Invalid, api.ReasonTime, "expires_on"},
		"long title":          {func(r *ledgerv1.OpeningBalanceRow) { r.Title = long }, api.Invalid, api.ReasonField, "title"},
		"lines":               {func(r *ledgerv1.OpeningBalanceRow) { r.Title = "a\nb" }, api.Invalid, api.ReasonField, "title"},
		"reverse with amount": {func(r *ledgerv1.OpeningBalanceRow) { r.Action = ledgerv1.RowAction_ROW_ACTION_REVERSE }, api.Invalid, api.ReasonField, "category"},
		"unknown field":       {func(r *ledgerv1.OpeningBalanceRow) { r.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) }, api.Invalid, api.ReasonUnknownField, ""},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := apitest.OpeningRow(account.Number, "wrong")
			c.change(wrong)
			good := apitest.OpeningRow(account.Number, "good "+name)
			rows := b.RowBytes(wrong, good)
			checked, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{
				Rows: rows, ValidateOnly: true, Organization: apitest.Root, Source: apitest.OpeningSource,
			})
			must(t, err)
			wants(t, checked[0].Fault, c.kind, c.reason, c.field)
			if checked[1].Status != api.Valid {
				t.Errorf("the good row: %+v", checked[1])
			}
			results := b.TakeOver(wrong, good)
			wants(t, results[0].Fault, c.kind, c.reason, c.field)
			recorded(t, results[1:])
			if checked, _, err = b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{
				Rows: rows, ValidateOnly: true, Organization: apitest.Root, Source: apitest.OpeningSource,
			}); err != nil || checked[1].Status != api.Replayed || checked[1].Index != results[1].Index {
				t.Errorf("checked again: %+v, %v", checked, err)
			}
		})
	}
	malformed := [][]byte{{0xff}, make([]byte, api.MaxImportRowBytes+1)}
	results, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{
		Rows: malformed, ValidateOnly: true, Organization: apitest.Root, Source: apitest.OpeningSource,
	})
	must(t, err)
	for _, r := range results {
		wants(t, r.Fault, api.Invalid, api.ReasonRowMalformed, "")
	}
}

// It takes two officers who say the same of the same file.
func TestConfirmOpeningBalances(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	row := apitest.OpeningRow(account.Number, "1")
	i := b.OpeningImport(row)
	chen, zhou := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	request := b.RequestID()
	proposed, err := b.ProposeOpeningBalances(ctx(), chen, request, i)
	must(t, err)
	again, err := b.ProposeOpeningBalances(ctx(), chen, request, i)
	if must(t, err); again.Index != proposed.Index || proposed.ProposedBy != apitest.Officer || proposed.ConfirmedBy != "" {
		t.Errorf("%+v, and again %+v", proposed, again)
	}
	i.Index = proposed.Index
	part := api.OpeningPart{Import: i.Index, Rows: b.RowBytes(row)}
	_, _, err = b.RecordOpeningBalances(ctx(), zhou, part)
	wants(t, err, api.Precondition, api.ReasonImportNotConfirmed, "import")
	confirm := func(caller access.Caller, change func(i *api.OpeningImport)) error {
		said := i
		said.PartRoots = append([][]byte(nil), i.PartRoots...)
		said.Totals = append([]api.CategoryAmount(nil), i.Totals...)
		change(&said)
		_, _, err := b.ConfirmOpeningBalances(ctx(), caller, b.RequestID(), said)
		return err
	}
	same := func(*api.OpeningImport) {}
	wants(t, confirm(chen, same), api.Denied, api.ReasonFourEyes, "import.import")
	wants(t, confirm(b.Officer(apitest.StreetOfficer), same), api.NotFound, api.ReasonNotFound, "import")
	wants(t, confirm(zhou, func(i *api.OpeningImport) { i.Index++ }), api.NotFound, api.ReasonNotFound, "import")
	for _, caller := range []access.Caller{b.Officer(apitest.Administrator), b.Officer(apitest.Registrar), b.Platform(apitest.Platform), b.Resident(account.ID)} {
		wants(t, confirm(caller, same), api.Denied, api.ReasonDenied, "")
	}
	other := make([]byte, 32)
	wants(t, confirm(zhou, func(i *api.OpeningImport) { i.FileHash = other }), api.Precondition, api.ReasonImportMismatch, "import.file_hash")
	wants(t, confirm(zhou, func(i *api.OpeningImport) { i.PartRoots[0] = other }), api.Precondition, api.ReasonImportMismatch, "import")
	wants(t, confirm(zhou, func(i *api.OpeningImport) { i.Source = "xihu-2020" }), api.Precondition, api.ReasonImportMismatch, "import")
	wants(t, confirm(zhou, func(i *api.OpeningImport) { i.Totals[0].Minutes-- }), api.Precondition, api.ReasonImportMismatch, "import")
	must(t, confirm(zhou, same))
	wants(t, confirm(zhou, same), api.Precondition, api.ReasonImportConfirmed, "import.import")

	changed := apitest.OpeningRow(account.Number, "1")
	changed.MilliCredits++
	for name, rows := range map[string][][]byte{"other": b.RowBytes(changed), "more": b.RowBytes(row, row)} {
		_, _, err = b.RecordOpeningBalances(ctx(), zhou, api.OpeningPart{Import: i.Index, Rows: rows})
		t.Run(name, func(t *testing.T) { wants(t, err, api.Precondition, api.ReasonImportMismatch, "rows") })
	}
	part.Part = 1
	_, _, err = b.RecordOpeningBalances(ctx(), zhou, part)
	wants(t, err, api.Invalid, api.ReasonField, "part")
	part.Part, part.Source = 0, "x"
	_, _, err = b.RecordOpeningBalances(ctx(), zhou, part)
	wants(t, err, api.Invalid, api.ReasonField, "organization")
	part.Source = ""
	_, _, err = b.RecordOpeningBalances(ctx(), b.Officer(apitest.Administrator), part)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, _, err = b.RecordOpeningBalances(ctx(), b.Officer(apitest.StreetOfficer), part)
	wants(t, err, api.NotFound, api.ReasonNotFound, "import")
	results, receipt, err := b.RecordOpeningBalances(ctx(), chen, part)
	if must(t, err); len(receipt.Checkpoint) == 0 {
		t.Error("no receipt")
	}
	recorded(t, results)
}

// Officers see and do what concerns their own subtree: what an import of a street says of others is as if they were not there.
func TestOpeningBalanceSubtree(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	street := b.Open() // at home in Beishan
	sandun, _, err := b.OpenAccount(ctx(), b.Officer(apitest.Registrar), api.Opening{
		RequestID: b.RequestID(), Name: "李明", Document: b.Document(700), Home: apitest.Sandun, Checked: true,
	})
	must(t, err)
	rows := []*ledgerv1.OpeningBalanceRow{apitest.OpeningRow(street.Number, "1"), apitest.OpeningRow(sandun.Number, "2")}
	i := b.OpeningImport(rows...)
	_, err = b.ProposeOpeningBalances(ctx(), b.Officer(apitest.StreetOfficer), b.RequestID(), i)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	i.Organization = "nowhere"
	_, err = b.ProposeOpeningBalances(ctx(), b.Officer(apitest.StreetOfficer), b.RequestID(), i)
	wants(t, err, api.NotFound, api.ReasonUnknownOrganization, "import.organization")
	i.Organization = apitest.Beishan
	proposed, err := b.ProposeOpeningBalances(ctx(), b.Officer(apitest.StreetOfficer), b.RequestID(), i)
	must(t, err)
	i.Index = proposed.Index
	_, confirmed, err := b.ConfirmOpeningBalances(ctx(), b.Officer(apitest.Officer), b.RequestID(), i)
	must(t, err)
	results, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.StreetOfficer), api.OpeningPart{Import: i.Index, Rows: b.RowBytes(rows...)})
	must(t, err)
	recorded(t, results[:1])
	wants(t, results[1].Fault, api.NotFound, api.ReasonUnknownAccount, "account_number")

	for organization, want := range map[string]int{apitest.Root: 1, apitest.Beishan: 1, apitest.Sandun: 0} {
		imports, next, err := b.ListOpeningBalanceImports(ctx(), b.Officer(apitest.Officer), organization, api.Page{Size: 1})
		if must(t, err); len(imports) != want || next != "" || want == 1 && (imports[0].Index != i.Index || imports[0].ConfirmedBy != apitest.Officer) {
			t.Errorf("%s: %+v, %q", organization, imports, next)
		}
	}
	_, _, err = b.ListOpeningBalanceImports(ctx(), b.Officer(apitest.StreetOfficer), apitest.Root, api.Page{})
	wants(t, err, api.Denied, api.ReasonDenied, "")

	// Entries: the import is its officers' to read, the balance its holder's and theirs.
	for name, c := range map[string]struct {
		caller            access.Caller
		imported, balance bool
	}{
		"anonymous":     {access.Caller{}, false, false},
		"holder":        {b.Resident(street.ID), false, true},
		"stranger":      {b.Resident(sandun.ID), false, false},
		"platform":      {b.Platform(apitest.Platform), false, false},
		"officer":       {b.Officer(apitest.StreetOfficer), true, true},
		"administrator": {b.Officer(apitest.Administrator), false, false},
	} {
		for index, want := range map[uint64]bool{i.Index: c.imported, confirmed: c.imported, results[0].Index: c.balance} {
			if _, _, err := b.GetEntry(ctx(), c.caller, index, false); (err == nil) != want {
				t.Errorf("%s reads entry %d: %v", name, index, err)
			}
			list, _, err := b.ListEntries(ctx(), c.caller, index, api.Page{Size: 1})
			listed := want && !(c.caller.Kind == access.Officer && index == results[0].Index)
			if must(t, err); (list[0].Bytes != nil) != listed {
				t.Errorf("%s lists entry %d: %+v", name, index, list)
			}
		}
	}
}

// Nothing that names a person, or a record of the other system, is in an entry in the clear.
func TestOpeningBalanceHidesPeople(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	before := b.size()
	row := apitest.OpeningRow("", "330106195001010013")
	row.DocumentKind, row.DocumentNumber, row.Title = "resident_identity", b.Document(1).Number, "王秀英的证书"
	recorded(t, b.TakeOver(row))
	view, err := b.Ledger.View()
	must(t, err)
	defer view.Close()
	for index := before; index < view.Size(); index++ {
		raw, err := view.Entry(ctx(), index)
		must(t, err)
		for _, secret := range []string{row.GetSourceRecord(), row.GetDocumentNumber(), row.GetTitle(), string(account.Number)} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("entry %d holds %q", index, secret)
			}
		}
		e := new(ledgerv1.Entry)
		must(t, proto.Unmarshal(raw, e))
	}
}

// An import out of its limits is refused before anything is written.
func TestOpeningImportLimits(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	row := apitest.OpeningRow(b.Open().Number, "1")
	for name, c := range map[string]struct {
		change func(i *api.OpeningImport)
		field  string
	}{
		"source":           {func(i *api.OpeningImport) { i.Source = "西湖" }, "import.source"},
		"file hash":        {func(i *api.OpeningImport) { i.FileHash = i.FileHash[1:] }, "import.file_hash"},
		"no rows":          {func(i *api.OpeningImport) { i.Rows = 0 }, "import.rows"},
		"too many rows":    {func(i *api.OpeningImport) { i.Rows = api.MaxImportRows + 1 }, "import.rows"},
		"reversals":        {func(i *api.OpeningImport) { i.Reversals = 2 }, "import.reversals"},
		"parts":            {func(i *api.OpeningImport) { i.Rows = 1001 }, "import.part_roots"},
		"root":             {func(i *api.OpeningImport) { i.PartRoots = [][]byte{{1}} }, "import.part_roots[0]"},
		"categories":       {func(i *api.OpeningImport) { i.Totals = append(i.Totals, i.Totals[0]) }, "import.totals[1]"},
		"negative total":   {func(i *api.OpeningImport) { i.Totals[0].Minutes = -1 }, "import.totals[0]"},
		"impossible total": {func(i *api.OpeningImport) { i.Totals[0].MilliCredits = 10_000_001 }, "import.totals[0]"},
		"many categories":  {func(i *api.OpeningImport) { i.Totals = make([]api.CategoryAmount, 65) }, "import.totals"},
	} {
		i := b.OpeningImport(row)
		c.change(&i)
		_, err := b.ProposeOpeningBalances(ctx(), b.Officer(apitest.Officer), b.RequestID(), i)
		t.Run(name, func(t *testing.T) { wants(t, err, api.Invalid, api.ReasonField, c.field) })
	}
	for _, n := range []int{0, api.ImportPartRows + 1} {
		_, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{
			Rows: make([][]byte, n), ValidateOnly: true, Organization: apitest.Root, Source: apitest.OpeningSource,
		})
		wants(t, err, api.Invalid, api.ReasonSubmissionSize, "rows")
	}
	_, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{
		Rows: b.RowBytes(row), ValidateOnly: true, Organization: apitest.Root, Source: "西湖",
	})
	wants(t, err, api.Invalid, api.ReasonField, "source")
	_, _, err = b.RecordOpeningBalances(ctx(), b.Officer(apitest.Officer), api.OpeningPart{Rows: b.RowBytes(row)})
	wants(t, err, api.NotFound, api.ReasonNotFound, "import")
}

// A file of more than one part is recorded part by part, in any order, and once.
func TestOpeningParts(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	rows := make([]*ledgerv1.OpeningBalanceRow, api.ImportPartRows+7)
	for i := range rows {
		rows[i] = apitest.OpeningRow(account.Number, "r"+strings.Repeat("x", i%5)+string(rune('一'+i)))
		rows[i].Minutes, rows[i].MilliCredits = 1, 1
	}
	i := b.Confirmed(b.OpeningImport(rows...))
	size := b.size()
	for _, part := range []int{1, 0, 1} {
		from := part * api.ImportPartRows
		results, _, err := b.RecordOpeningBalances(ctx(), b.Officer(apitest.SecondOfficer), api.OpeningPart{
			Import: i.Index, Part: part, Rows: b.RowBytes(rows[from:min(from+api.ImportPartRows, len(rows))]...),
		})
		must(t, err)
		if b.size() == size+uint64(len(rows)) && part == 1 {
			for _, r := range results {
				if r.Status != api.Replayed {
					t.Fatalf("%+v", r)
				}
			}
			continue
		}
		recorded(t, results)
	}
	if b.size() != size+uint64(len(rows)) {
		t.Errorf("%d entries of %d rows", b.size()-size, len(rows))
	}
	b.has(account, 1007, 1007, 0, 0)
}

// Whatever bytes are sent: a row that is taken is within its limits and names its learner in one way.
func FuzzOpeningRow(f *testing.F) {
	number := nobody(f)
	for _, row := range []*ledgerv1.OpeningBalanceRow{apitest.OpeningRow(number, "1"), apitest.OpeningReversal(number, "1")} {
		raw, err := proto.Marshal(row)
		must(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		row, fault := api.CheckOpeningRow(raw, apitest.Start())
		if fault != nil {
			if fault.Kind != api.Invalid || fault.Message == "" {
				t.Errorf("%+v", fault)
			}
			return
		}
		record := row.GetAction() == ledgerv1.RowAction_ROW_ACTION_RECORD
		if (row.GetAccountNumber() == "") == (row.GetDocumentNumber() == "") || row.GetSourceRecord() == "" ||
			row.GetMinutes() < 0 || row.GetMinutes() > 1_000_000 || row.GetMilliCredits() < 0 || row.GetMilliCredits() > 10_000_000 ||
			record != (row.GetMinutes()+row.GetMilliCredits() > 0) || record != (row.GetEarnedOn() != "") {
			t.Errorf("%v", row)
		}
	})
}
