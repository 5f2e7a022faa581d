package api_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func decoded(t testing.TB, raw []byte) *ledgerv1.Entry {
	t.Helper()
	e := new(ledgerv1.Entry)
	must(t, proto.Unmarshal(raw, e))
	return e
}

// What was posted late waits for an officer and moves nothing until then.
func TestLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verdict            api.Verdict
		outcome            ledgerv1.Outcome
		minutes, available int64
		left               int64
	}{
		"approve":    {api.VerdictApprove, awarded, 90, 100, 18},
		"reject":     {api.VerdictReject, refused, 0, 0, 0},
		"hours only": {api.VerdictHoursOnly, noCredit, 90, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			account := b.Open()
			r := b.one(b.learned(account, apitest.Calligraphy, 92, 90))
			became(t, r.Decision, inReview, 0, 0, 0)
			b.has(account, 0, 0, 0, 0)
			waiting := b.theCase("posted-late", r.Index)
			_, evidence, _, err := b.GetCase(ctx(), b.Officer(apitest.Officer), waiting.ID)
			must(t, err)
			if waiting.Risk != 2 || waiting.Minutes != 90 || waiting.Platform != apitest.Platform || waiting.Provider != apitest.Beishan ||
				waiting.EndDate != "2026-03-15" || evidence.Completion.GetAccountNumber() != string(account.Number) || !evidence.Posted.Equal(b.Clock.Now()) {
				t.Errorf("case %+v, evidence %+v", waiting, evidence)
			}
			decision := b.decide(waiting.ID, c.verdict)
			if decision.Outcome != c.outcome || int64(decision.Minutes) != c.minutes || int64(decision.Available) != c.available {
				t.Errorf("decision %+v", decision)
			}
			entries := b.has(account, decision.Minutes, decision.Available, 0, 0)
			if e := entries[r.Index]; e.ReasonCode != "EVIDENCE_SUFFICIENT" || b.remainder(account) != c.left {
				t.Errorf("entry %+v, %d minutes left", e, b.remainder(account))
			}
			if cases := b.cases(); len(cases) != 0 {
				t.Errorf("cases %+v", cases)
			}
			// A void afterwards leaves nothing.
			b.one(b.Void([]byte(b.statementOf(r.Index))))
			b.has(account, 0, 0, 0, decision.Available)
			if usage := b.usage(account); len(usage) != 0 || b.remainder(account) != 0 {
				t.Errorf("usage %v, %d minutes left", usage, b.remainder(account))
			}
		})
	}
}

// One learner in two places at once.
func TestOverlap(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 3, 90))
	// The same platform's own sessions are not compared.
	became(t, b.one(b.learned(account, apitest.Welding, 3, 60)).Decision, awarded, 60, 0, 0)
	r := b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 3, 90))[0]
	became(t, r.Decision, inReview, 0, 0, 0)
	c := b.theCase("two-places", r.Index)
	if c.Risk != 3 {
		t.Errorf("risk %d", c.Risk)
	}
	became(t, b.decide(c.ID, api.VerdictApprove), awarded, 90, 100, 0)
	b.has(account, 240, 200, 0, 0)
}

// A degree and a class of the same months are both awarded, whichever comes first, also where the rule on overlap has no condition.
func TestDegreeOverlapsNothing(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(string(apitest.PolicyYAML(t)), "  when: mode != \"achievement\"\n  tolerance_minutes", "  tolerance_minutes", 1)
	if yaml == string(apitest.PolicyYAML(t)) {
		t.Fatal("the rule on overlap is another one")
	}
	b := newBankWith(t, apitest.Options{Policy: []byte(yaml)})
	for _, first := range []string{"class", "degree"} {
		account := b.Open()
		degree := b.Completion(account.Number)
		degree.GetCompletion().Mode = statementv1.Mode_MODE_ACHIEVEMENT
		degree.GetCompletion().Sessions = []*statementv1.Session{apitest.Session(b.Clock.Now().Truncate(time.Hour).Add(-200*24*time.Hour), 190*24*60)}
		degree.GetCompletion().Sessions[0].Minutes = 4500
		post := map[string]func() api.StatementResult{
			"class":  func() api.StatementResult { return b.one(b.learned(account, apitest.Calligraphy, 30, 60)) },
			"degree": func() api.StatementResult { return b.post(apitest.OtherPlatform, degree)[0] },
		}
		results := []api.StatementResult{post[first]()}
		for name, other := range post {
			if name != first {
				results = append(results, other())
			}
		}
		for _, r := range results {
			if r.Fault != nil || r.Decision.Outcome != awarded {
				t.Errorf("%s first: %+v, %+v", first, r.Fault, r.Decision)
			}
		}
	}
}

// What a decision reads is named once: the weeks of the days that it asks for and of the last one, however the weeks fall.
func TestStandingKeys(t *testing.T) {
	t.Parallel()
	p, err := policy.Compile(apitest.PolicyYAML(t))
	must(t, err)
	monday := time.Date(2026, 3, 9, 1, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		days  []int // on which sessions begin, from a Monday
		mode  statementv1.Mode
		weeks []int // of the keys, from that of the Monday
	}{
		"within a week":         {[]int{1, 2, 3}, statementv1.Mode_MODE_CLASSROOM, []int{0}},
		"the day before":        {[]int{0}, statementv1.Mode_MODE_CLASSROOM, []int{0, -1}},
		"three weeks":           {[]int{1, 3, 8, 10, 15, 17}, statementv1.Mode_MODE_CLASSROOM, []int{2, 0, 1}},
		"with a week between":   {[]int{2, 16}, statementv1.Mode_MODE_CLASSROOM, []int{2, 0}},
		"an achievement's last": {[]int{2, 16}, statementv1.Mode_MODE_ACHIEVEMENT, []int{2}},
	} {
		f := policy.Fact{Mode: c.mode, Category: "arts", PostedAt: monday.AddDate(0, 0, 20), Provider: apitest.Beishan, Platform: apitest.Platform}
		for _, day := range c.days {
			start := monday.AddDate(0, 0, day)
			f.Sessions = append(f.Sessions, policy.Session{Start: start, End: start.Add(time.Hour), Minutes: 60})
		}
		id := unit.AccountID{7}
		want := [][]byte{book.AccountKey(id)}
		for _, week := range c.weeks {
			want = append(want, book.WeekKey(id, book.WeekOf(int32(p.Day(monday)))+int32(week)))
		}
		judged := p.Prepare(f)
		got := api.StandingKeys(id, judged)
		if rest := len(got) - len(judged.Crowds()); !slices.EqualFunc(got[:rest], want, bytes.Equal) {
			t.Errorf("%s: %x, want %x", name, got[:rest], want)
		}
	}
}

// A void takes the case with it.
func TestVoidInReview(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	s := b.learned(account, apitest.Calligraphy, 100, 90)
	r := b.one(s)
	c := b.theCase("posted-late", r.Index)
	b.one(b.Void(s.GetId()))
	withdrawn, _, d, err := b.GetCase(ctx(), b.Officer(apitest.Officer), c.ID)
	must(t, err)
	if became(t, d, voided, 0, 0, 0); withdrawn.Status != ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN || len(b.cases()) != 0 {
		t.Errorf("case %+v", withdrawn)
	}
	_, _, _, _, err = b.DecideCase(ctx(), b.Officer(apitest.Officer), api.CaseDecision{
		RequestID: b.RequestID(), Case: c.ID, Verdict: api.VerdictApprove, ReasonCode: "EVIDENCE_SUFFICIENT",
	})
	wants(t, err, api.Changed, api.ReasonCaseClosed, "case_id")
}

// A case is decided once; the same request is answered again, and nobody outside the subtree decides.
func TestDecideOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	b.one(b.learned(account, apitest.Smartphone, 100, 90)) // Cuiyuan's
	c := b.cases()[0]
	asked := api.CaseDecision{RequestID: b.RequestID(), Case: c.ID, Verdict: api.VerdictApprove, ReasonCode: "OTHER", Note: "看过签到表"}
	for name, change := range map[string]struct {
		f      func(d *api.CaseDecision)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"no verdict":         {func(d *api.CaseDecision) { d.Verdict = 0 }, api.Invalid, api.ReasonUnknownEnum, "decision"},
		"unknown verdict":    {func(d *api.CaseDecision) { d.Verdict = 4 }, api.Invalid, api.ReasonUnknownEnum, "decision"},
		"no reason":          {func(d *api.CaseDecision) { d.ReasonCode = "" }, api.Invalid, api.ReasonDecisionReason, "reason_code"},
		"other without note": {func(d *api.CaseDecision) { d.Note = "" }, api.Invalid, api.ReasonNoteMissing, "note"},
		"no request id":      {func(d *api.CaseDecision) { d.RequestID = "" }, api.Invalid, api.ReasonRequestID, "request_id"},
		"unknown case":       {func(d *api.CaseDecision) { d.Case = 3 }, api.NotFound, api.ReasonNotFound, "case_id"},
	} {
		d := asked
		change.f(&d)
		_, _, _, _, err := b.DecideCase(ctx(), b.Officer(apitest.Officer), d)
		t.Run(name, func(t *testing.T) { wants(t, err, change.kind, change.reason, change.field) })
	}
	for _, officer := range []string{apitest.StreetOfficer, apitest.Registrar, apitest.Administrator} {
		_, _, _, _, err := b.DecideCase(ctx(), b.Officer(officer), asked)
		if officer == apitest.StreetOfficer { // could decide cases, so that this one is not there
			wants(t, err, api.NotFound, api.ReasonNotFound, "case_id")
			continue
		}
		wants(t, err, api.Denied, api.ReasonDenied, "")
	}
	if list, _, err := b.ListCases(ctx(), b.Officer(apitest.StreetOfficer), api.CaseFilter{}, api.Page{}); err != nil || len(list) != 0 {
		t.Errorf("another street's officer sees %+v, %v", list, err)
	}
	_, first, index, _, err := b.DecideCase(ctx(), b.Officer(apitest.Officer), asked)
	must(t, err)
	size := b.size()
	_, again, same, _, err := b.DecideCase(ctx(), b.Officer(apitest.Officer), asked)
	if must(t, err); same != index || again.Outcome != first.Outcome || b.size() != size {
		t.Errorf("entry %d, then %d, of %d", index, same, b.size())
	}
	reused := asked
	reused.Verdict = api.VerdictReject
	_, _, _, _, err = b.DecideCase(ctx(), b.Officer(apitest.Officer), reused)
	wants(t, err, api.Conflict, api.ReasonRequestReused, "request_id")
	// The second officer comes too late, also under a request id that the first one used.
	_, _, _, _, err = b.DecideCase(ctx(), b.Officer(apitest.SecondOfficer), asked)
	wants(t, err, api.Changed, api.ReasonCaseClosed, "case_id")
}

// A compromised key: everything it signed since becomes a case; one that is refused gives its credits back.
func TestCompromisedKey(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 20, 90))
	b.Clock.Advance(1e9)
	since := b.Clock.Now().UnixMicro()
	first := b.one(b.learned(account, apitest.Smartphone, 10, 90))
	rs := b.Record(b.learned(account, apitest.Smartphone, 9, 90), b.learned(account, apitest.Smartphone, 120, 90), b.learned(account, apitest.Smartphone, 7, 90))
	b.one(b.Void([]byte(b.statementOf(rs[2].Index))))
	request, revocation := b.RequestID(), api.Revocation{Key: b.SignKey(apitest.Platform).Public().ID(), CompromisedSince: since}
	_, n, err := b.RevokeKey(ctx(), b.Officer(apitest.Administrator), request, revocation)
	if must(t, err); n != 3 {
		t.Errorf("%d cases, not 3: the one that is late has one", n)
	}
	cases := b.cases()
	if len(cases) == 4 && cases[2].Completion == rs[2].Index && slices.Equal(cases[2].Causes, []string{api.CauseVoidCompromised}) {
		cases = slices.Delete(cases, 2, 3)
	}
	if len(cases) != 3 || cases[0].Risk != 5 || cases[0].Completion != first.Index || cases[1].Completion != rs[0].Index || cases[2].Completion != rs[1].Index {
		t.Fatalf("cases %+v", cases)
	}
	b.has(account, 270, 300, 0, 100)
	became(t, b.decide(cases[0].ID, api.VerdictReject), refused, 0, 0, 0)
	b.has(account, 180, 200, 0, 200)
	if left := b.remainder(account); left != 36 {
		t.Errorf("%d minutes left", left)
	}
	became(t, b.decide(cases[1].ID, api.VerdictHoursOnly), noCredit, 90, 0, 0)
	b.has(account, 180, 100, 0, 300)
	// Asked again, it opens no case on what officers have decided since.
	size := b.size()
	if _, _, err = b.RevokeKey(ctx(), b.Officer(apitest.Administrator), request, revocation); err != nil || b.size() != size {
		t.Errorf("%d entries were written, %v", b.size()-size, err)
	}
	_, _, err = b.RecordCompletions(ctx(), b.Platform(apitest.Platform), b.Submission(apitest.Platform, b.Completion(account.Number)), false)
	wants(t, err, api.Denied, api.ReasonKeyRevoked, "key_id")
}

// What a stolen key took back goes to officers as what it signed does: one that approves undoes the void, one that does not leaves
// it, and the platform can take the completion back again.
func TestVoidByCompromisedKey(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	first := b.one(b.learned(account, apitest.Calligraphy, 20, 90))
	second := b.one(b.learned(account, apitest.Smartphone, 19, 90))
	third := b.one(b.learned(account, apitest.FirstAid, 18, 90))
	b.one(b.Void([]byte(b.statementOf(third.Index)))) // before
	b.Clock.Advance(1e9)
	since := b.Clock.Now().UnixMicro()
	b.Record(b.Void([]byte(b.statementOf(first.Index))), b.Void([]byte(b.statementOf(second.Index))))
	b.has(account, 0, 0, 0, 300)
	stolen := b.SignKey(apitest.Platform).Public().ID()
	request, revocation := b.RequestID(), api.Revocation{Key: stolen, CompromisedSince: since}
	_, n, err := b.RevokeKey(ctx(), b.Officer(apitest.Administrator), request, revocation)
	if must(t, err); n != 2 {
		t.Errorf("%d cases, not 2", n)
	}
	for _, c := range b.cases() {
		if !slices.Equal(c.Causes, []string{api.CauseVoidCompromised}) || c.Risk != 5 {
			t.Errorf("case %+v", c)
		}
	}
	b.has(account, 0, 0, 0, 300)
	became(t, b.decide(b.caseOf(first.Index), api.VerdictApprove), awarded, 90, 100, 0)
	became(t, b.decide(b.caseOf(second.Index), api.VerdictReject), refused, 0, 0, 0)
	b.has(account, 90, 100, 0, 300)
	if _, n, err = b.RevokeKey(ctx(), b.Officer(apitest.Administrator), request, revocation); err != nil || n != 0 || len(b.cases()) != 0 {
		t.Errorf("asked again: %d cases, %v", n, err)
	}
	// Its sessions are taken again, once: another platform was not there at that hour, and a void gives them free.
	clash := b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 20, 90))[0]
	became(t, clash.Decision, inReview, 0, 0, 0)
	b.changesNothing("a void that was undone")
	key := b.AddedKey(apitest.Platform, keyring.Sign)
	again := b.postRaw(b.Sign(apitest.Platform, key, b.Marshal(b.Void([]byte(b.statementOf(first.Index))))))
	if again[0].Status != api.Recorded {
		t.Errorf("taken back again: %+v", again[0])
	}
	b.has(account, 0, 0, 0, 400)
}

// A decision that worked the numbers out stays the reason for them when a later one left them as they were.
func TestReasonsOfTwoDecisions(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	r := b.one(b.learned(account, apitest.Calligraphy, 100, 90))
	b.decide(b.cases()[0].ID, api.VerdictApprove)
	_, _, err := b.RevokeKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Revocation{
		Key: b.SignKey(apitest.Platform).Public().ID(), CompromisedSince: b.Clock.Now().UnixMicro(),
	})
	must(t, err)
	became(t, b.decide(b.theCase(api.CauseKeyCompromised, r.Index).ID, api.VerdictApprove), awarded, 90, 100, 0)
	b.has(account, 90, 100, 0, 0)
}

// The riskiest case comes first, then the oldest; pages join without a seam while cases come and go.
func TestListCases(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	var late []uint64
	for i := range 5 {
		late = append(late, b.one(b.learned(account, apitest.Calligraphy, 100+i, 90)).Index)
	}
	b.one(b.learned(account, apitest.Welding, 3, 90))
	risky := b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 3, 90))[0].Index
	officer := b.Officer(apitest.Officer)
	var listed []uint64
	for page := (api.Page{Size: 2}); ; {
		cases, next, err := b.ListCases(ctx(), officer, api.CaseFilter{}, page)
		must(t, err)
		for _, c := range cases {
			listed = append(listed, c.Completion)
		}
		if len(listed) == 2 { // what was shown goes, and more comes behind
			b.decide(risky, api.VerdictReject)
			late = append(late, b.one(b.learned(account, apitest.Calligraphy, 130, 90)).Index)
		}
		if page.Token = next; next == "" {
			break
		}
	}
	want := append([]uint64{risky}, late...)
	if len(listed) != len(want) {
		t.Fatalf("listed %v, not %v", listed, want)
	}
	for i := range want {
		if listed[i] != want[i] {
			t.Fatalf("listed %v, not %v", listed, want)
		}
	}
	_, next, err := b.ListCases(ctx(), officer, api.CaseFilter{}, api.Page{Size: 2})
	must(t, err)
	_, _, err = b.ListCases(ctx(), officer, api.CaseFilter{States: []ledgerv1.CaseStatus{ledgerv1.CaseStatus_CASE_STATUS_APPROVED}}, api.Page{Token: next})
	wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
	_, _, err = b.ListCases(ctx(), b.Officer(apitest.SecondOfficer), api.CaseFilter{}, api.Page{Token: next})
	wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
	_, _, err = b.ListCases(ctx(), officer, api.CaseFilter{States: []ledgerv1.CaseStatus{257}}, api.Page{})
	wants(t, err, api.Invalid, api.ReasonUnknownEnum, "state")
	for _, token := range forged(t, next) {
		_, _, err = b.ListCases(ctx(), officer, api.CaseFilter{}, api.Page{Token: token})
		wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
	}
}
