package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// list answers all pages of a list, two cases at a time.
func (b *bank) list(officer string, filter api.CaseFilter) []uint64 {
	b.t.Helper()
	var ids []uint64
	for page := (api.Page{Size: 2}); ; {
		cases, next, err := b.ListCases(ctx(), b.Officer(officer), filter, page)
		must(b.t, err)
		for _, c := range cases {
			ids = append(ids, c.ID)
		}
		if page.Token = next; next == "" {
			return ids
		}
	}
}

func TestCaseFilters(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	post := func(course string, daysAgo int) uint64 {
		b.Clock.Advance(time.Hour)
		return b.one(b.learned(account, course, daysAgo, 90)).Index
	}
	calligraphy, smartphone, welding := post(apitest.Calligraphy, 100), post(apitest.Smartphone, 101), post(apitest.Welding, 102)
	risky := b.risky2()
	afterwards := b.Clock.Now().Add(time.Microsecond)
	b.Clock.Advance(72 * time.Hour)
	last := b.one(b.learned(b.Open(), apitest.Calligraphy, 103, 90)).Index
	officer := b.Officer(apitest.Officer)
	b.takes(officer, smartphone, review.Take, first)
	b.takes(b.Officer(apitest.SecondOfficer), welding, review.Take, first)
	b.takes(officer, risky, review.Approve, second)
	b.takes(officer, last, review.Return, returned, "请补充")
	risk, all := []uint64{risky, calligraphy, smartphone, welding}, []uint64{risky, calligraphy, smartphone, welding, last}
	slices.Sort(all)
	for name, c := range map[string]struct {
		officer string
		filter  api.CaseFilter
		want    []uint64
	}{
		"waiting":          {apitest.Officer, api.CaseFilter{}, risk},
		"one state":        {apitest.Officer, api.CaseFilter{States: []ledgerv1.CaseStatus{first}}, []uint64{smartphone, welding}},
		"two states":       {apitest.Officer, api.CaseFilter{States: []ledgerv1.CaseStatus{second, submitted, second}}, []uint64{risky, calligraphy}},
		"returned":         {apitest.Officer, api.CaseFilter{States: []ledgerv1.CaseStatus{returned}}, []uint64{last}},
		"risky":            {apitest.Officer, api.CaseFilter{MinRisk: 3}, []uint64{risky}},
		"harmless":         {apitest.Officer, api.CaseFilter{MaxRisk: 2}, []uint64{calligraphy, smartphone, welding}},
		"a town":           {apitest.Officer, api.CaseFilter{Within: apitest.Beishan}, []uint64{calligraphy}},
		"the district":     {apitest.Officer, api.CaseFilter{Within: apitest.Root}, risk},
		"a provider":       {apitest.Officer, api.CaseFilter{Provider: apitest.Root}, []uint64{welding}},
		"a category":       {apitest.Officer, api.CaseFilter{Category: "science"}, []uint64{risky, smartphone}},
		"old":              {apitest.Officer, api.CaseFilter{OpenedBefore: afterwards}, risk},
		"young":            {apitest.Officer, api.CaseFilter{OpenedFrom: afterwards}, nil},
		"mine":             {apitest.Officer, api.CaseFilter{Holder: apitest.Officer}, []uint64{smartphone}},
		"another's":        {apitest.Officer, api.CaseFilter{Holder: apitest.SecondOfficer}, []uint64{welding}},
		"nobody's":         {apitest.Officer, api.CaseFilter{Holder: apitest.ThirdOfficer}, nil},
		"by due":           {apitest.Officer, api.CaseFilter{Order: api.ByDue}, []uint64{calligraphy, smartphone, welding, risky}},
		"due soon":         {apitest.Officer, api.CaseFilter{DueBefore: apitest.Start().Add(11 * 24 * time.Hour)}, []uint64{calligraphy, smartphone, welding}},
		"due before that":  {apitest.Officer, api.CaseFilter{DueBefore: apitest.Start()}, nil},
		"the street's own": {apitest.StreetOfficer, api.CaseFilter{}, []uint64{calligraphy}},
		"the street's due": {apitest.StreetOfficer, api.CaseFilter{Order: api.ByDue}, []uint64{calligraphy}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.list(c.officer, c.filter); !slices.Equal(got, c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		filter api.CaseFilter
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"nowhere":       {api.CaseFilter{Within: "nowhere"}, api.NotFound, api.ReasonUnknownOrganization, "within"},
		"nobody":        {api.CaseFilter{Provider: "nobody"}, api.NotFound, api.ReasonUnknownOrganization, "provider"},
		"no risk":       {api.CaseFilter{MinRisk: -1}, api.Invalid, api.ReasonField, "min_risk"},
		"no order":      {api.CaseFilter{Order: 9}, api.Invalid, api.ReasonUnknownEnum, "order"},
		"no such state": {api.CaseFilter{States: []ledgerv1.CaseStatus{99}}, api.Invalid, api.ReasonUnknownEnum, "state"},
	} {
		_, _, err := b.ListCases(ctx(), officer, c.filter, api.Page{})
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
		_, _, err = b.CountCases(ctx(), officer, c.filter)
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	counts, complete, err := b.CountCases(ctx(), officer, api.CaseFilter{})
	want := []api.CaseCount{{submitted, 2, 1}, {first, 2, 2}, {returned, 2, 1}, {second, 3, 1}}
	if must(t, err); !complete || !slices.Equal(counts, want) {
		t.Errorf("%v, %t, not %v", counts, complete, want)
	}
	counts, _, err = b.CountCases(ctx(), b.Officer(apitest.StreetOfficer), api.CaseFilter{})
	if must(t, err); !slices.Equal(counts, []api.CaseCount{{submitted, 2, 1}, {returned, 2, 1}}) {
		t.Errorf("%v", counts)
	}
	if _, _, err = b.CountCases(ctx(), b.Platform(apitest.Platform), api.CaseFilter{}); err == nil {
		t.Error("a platform counts cases")
	}
}

// risky2 is risky where other cases wait too.
func (b *bank) risky2() uint64 {
	b.t.Helper()
	account := b.Open()
	b.one(b.learned(account, apitest.Welding, 3, 60))
	return b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 3, 90))[0].Index
}

// Many cases are decided alike, each on its own, and each once.
func TestDecideCases(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	var ids []uint64
	var accounts []api.Account
	for i := range 5 {
		accounts = append(accounts, b.Open())
		ids = append(ids, b.one(b.learned(accounts[i], apitest.Smartphone, 100+i, 90)).Index)
	}
	risky := b.risky2()
	officer, another := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	b.takes(another, ids[3], review.Take, first)
	b.takes(officer, ids[4], review.Reject, rejected)
	batch := api.BatchDecision{RequestID: b.RequestID(), Verdict: api.VerdictApprove, ReasonCode: "EVIDENCE_SUFFICIENT"}
	for _, id := range append(slices.Clone(ids), risky, 1<<40) {
		batch.Items = append(batch.Items, api.BatchItem{Case: id})
	}
	batch.Items[1].Seen, batch.Items[2].Seen = ids[1], ids[2]+77
	check := func(results []api.BatchResult) {
		t.Helper()
		reasons := []api.Reason{"", "", api.ReasonCaseChanged, api.ReasonCaseHeld, api.ReasonCaseClosed, api.ReasonBatchNotAllowed, api.ReasonNotFound}
		for i, r := range results {
			if r.Case != batch.Items[i].Case || (r.Fault == nil) != (reasons[i] == "") || (r.Fault != nil && r.Fault.Reason != reasons[i]) {
				t.Errorf("case %d: %+v, not %q", i, r, reasons[i])
			}
			if r.Fault == nil && (r.Status != approved || r.Index == 0) {
				t.Errorf("case %d: %+v", i, r)
			}
		}
	}
	results, receipt, err := b.DecideCases(ctx(), officer, batch)
	if must(t, err); len(results) != len(batch.Items) || len(receipt.Checkpoint) == 0 {
		t.Fatalf("%+v", results)
	}
	check(results)
	size := b.size()
	again, _, err := b.DecideCases(ctx(), officer, batch)
	if must(t, err); b.size() != size || again[0].Index != results[0].Index || again[1].Index != results[1].Index {
		t.Errorf("again %+v, %d entries more", again, b.size()-size)
	}
	check(again)
	b.has(accounts[0], 90, 100, 0, 0)
	b.has(accounts[2], 0, 0, 0, 0)
	for name, c := range map[string]struct {
		change func(d *api.BatchDecision)
		reason api.Reason
		field  string
	}{
		"none":       {func(d *api.BatchDecision) { d.Items = nil }, api.ReasonField, "items"},
		"too many":   {func(d *api.BatchDecision) { d.Items = make([]api.BatchItem, api.MaxBatch+1) }, api.ReasonField, "items"},
		"twice":      {func(d *api.BatchDecision) { d.Items = []api.BatchItem{{Case: ids[0]}, {Case: ids[0]}} }, api.ReasonField, "items[1].case_id"},
		"no verdict": {func(d *api.BatchDecision) { d.Verdict = 0 }, api.ReasonUnknownEnum, "decision"},
		"no reason":  {func(d *api.BatchDecision) { d.ReasonCode = "" }, api.ReasonDecisionReason, "reason_code"},
		"no id":      {func(d *api.BatchDecision) { d.RequestID = "x" }, api.ReasonRequestID, "request_id"},
	} {
		d := batch
		c.change(&d)
		_, _, err := b.DecideCases(ctx(), officer, d)
		t.Run(name, func(t *testing.T) { wants(t, err, api.Invalid, c.reason, c.field) })
	}
	_, _, err = b.DecideCases(ctx(), b.Platform(apitest.Platform), batch)
	wants(t, err, api.Denied, api.ReasonDenied, "")
}

// What a revocation would undo is said before, and nothing is done.
func TestPreviewRevocation(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.late(apitest.Calligraphy)
	another := b.Officer(apitest.SecondOfficer)
	_, err := b.PreviewRevocation(ctx(), another, id)
	wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "case_id")
	b.takes(b.Officer(apitest.Officer), id, review.Approve, approved)
	// What was left of it has been spent on the next class since.
	b.one(b.learned(account, apitest.Calligraphy, 3, 54))
	b.has(account, 144, 200, 0, 0)
	size := b.size()
	p, err := b.PreviewRevocation(ctx(), another, id)
	if must(t, err); p != (api.RevocationPreview{Minutes: 90, Reversed: 100, Cases: 1}) || b.size() != size {
		t.Errorf("preview %+v, %d entries more", p, b.size()-size)
	}
	_, err = b.PreviewRevocation(ctx(), b.Officer(apitest.Officer), id)
	wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
	b.takes(another, id, review.Revoke, revoked)
	b.has(account, 54, 100, 0, 100)
	if cases := b.cases(); len(cases) != 1 || cases[0].Causes[0] != api.CauseRemainderVoided || cases[0].Due.IsZero() {
		t.Errorf("cases %+v", cases)
	}
}

// Everybody reads what is under public notice, and whose it is only as far as they know already.
func TestListNotices(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	var ids []uint64
	for range 3 {
		id := b.risky2()
		b.approvedByTwo(id)
		b.Clock.Advance(24 * time.Hour)
		ids = append(ids, id)
	}
	_, waiting := b.late(apitest.Calligraphy)
	b.takes(b.Officer(apitest.Officer), waiting, review.Return, returned, "请补充")
	read := func(within string) []uint64 {
		var got []uint64
		for page := (api.Page{Size: 1}); ; {
			notices, next, err := b.ListNotices(ctx(), within, page)
			must(t, err)
			for _, n := range notices {
				got = append(got, n.Case)
				if n.Title != "智能手机应用" || n.Minutes != 90 || n.Provider != apitest.Cuiyuan || !n.Ends.After(b.Clock.Now()) || n.Published.IsZero() {
					t.Errorf("notice %+v", n)
				}
				if !strings.Contains(n.Name, "*") {
					t.Errorf("the name %q is not masked", n.Name)
				}
			}
			if page.Token = next; next == "" {
				return got
			}
		}
	}
	if got := read(""); !slices.Equal(got, ids) {
		t.Errorf("%v, not %v", got, ids)
	}
	if got := read(apitest.Beishan); len(got) != 0 {
		t.Errorf("%v", got)
	}
	_, _, err := b.ListNotices(ctx(), "nowhere", api.Page{})
	wants(t, err, api.NotFound, api.ReasonUnknownOrganization, "within")
	b.until(b.midnight(2)) // the first has ended, and only waits for its entry
	if got := read(""); !slices.Equal(got, ids[1:]) {
		t.Errorf("%v, not %v", got, ids[1:])
	}
	_, next, err := b.ListNotices(ctx(), "", api.Page{Size: 1})
	must(t, err)
	for _, token := range forged(t, next) {
		// One of them is a place, behind all notices.
		if notices, _, err := b.ListNotices(ctx(), "", api.Page{Token: token}); len(notices) > 0 || (err != nil && api.AsError(err).Reason != api.ReasonPageToken) {
			t.Errorf("%+v, %v", notices, err)
		}
	}
}

func TestMaskedName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "*", "王": "*", "王芳": "王*", "王小芳": "王*芳", "欧阳小芳": "欧**芳", "Ann Lee": "A* L*", "Ann": "A*", "买买提·艾力": "买****力",
		"A B": "A* B*", "王 芳": "王*", "王\u3000芳": "王*", " 王 小 芳 ": "王*芳", "王 Fang": "王* F*", " ": "*",
	} {
		if got := api.MaskedName(name); got != want {
			t.Errorf("%q is %q, not %q", name, got, want)
		}
	}
}

// BenchmarkListCases lists the queue of an officer with 100,000 waiting cases, and of one who sees few of them.
func BenchmarkListCases(b *testing.B) {
	bk := newBank(b)
	const cases, at = 100_000, 500
	accounts := make([]api.Account, at)
	for i := range accounts {
		accounts[i] = bk.Open()
	}
	for i := 0; i < cases; i += at {
		statements := make([][]byte, at)
		for k := range statements {
			statements[k] = bk.Marshal(bk.learned(accounts[k], apitest.Smartphone, 100, 90))
		}
		bk.postRaw(bk.Sign(apitest.Platform, bk.SignKey(apitest.Platform), statements...))
	}
	for name, c := range map[string]struct {
		officer string
		filter  api.CaseFilter
	}{
		"by risk":     {apitest.Officer, api.CaseFilter{}},
		"due soon":    {apitest.Officer, api.CaseFilter{Order: api.ByDue}},
		"mine":        {apitest.Officer, api.CaseFilter{Holder: apitest.Officer}},
		"of a street": {apitest.StreetOfficer, api.CaseFilter{}},
	} {
		b.Run(fmt.Sprintf("%s of %d", name, cases), func(b *testing.B) {
			for b.Loop() {
				if _, _, err := bk.ListCases(ctx(), bk.Officer(c.officer), c.filter, api.Page{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := bk.CountCases(ctx(), bk.Officer(apitest.Officer), api.CaseFilter{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
