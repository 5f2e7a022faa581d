package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	merged = ledgerv1.MergeStatus_MERGE_STATUS_MERGED
	undone = ledgerv1.MergeStatus_MERGE_STATUS_UNDONE
)

// proposes has the registrar propose a merge.
func (b *bank) proposes(from, into api.Account) api.Merge {
	b.t.Helper()
	m, err := b.ProposeMerge(ctx(), b.Officer(apitest.Registrar), b.RequestID(), from.ID, into.ID, "DOUBLE_ENROLMENT")
	must(b.t, err)
	return m
}

func (b *bank) mergeStep(m uint64, approve bool) api.MergeStep {
	return api.MergeStep{RequestID: b.RequestID(), Merge: m, Approve: approve, ReasonCode: "IDENTITY_CHECKED"}
}

// agrees has an officer agree to a merge.
func (b *bank) agrees(officer string, m uint64) api.Merge {
	b.t.Helper()
	merge, _, err := b.DecideMerge(ctx(), b.Officer(officer), b.mergeStep(m, true))
	must(b.t, err)
	return merge
}

// merges makes one account part of another, in three officers' hands.
func (b *bank) merges(from, into api.Account) api.Merge {
	b.t.Helper()
	m := b.proposes(from, into)
	b.agrees(apitest.Officer, m.ID)
	if m = b.agrees(apitest.SecondOfficer, m.ID); m.Status != merged {
		b.t.Fatalf("merge %+v", m)
	}
	return m
}

// undoes takes a merge back, in two officers' hands.
func (b *bank) undoes(m api.Merge) {
	b.t.Helper()
	_, _, err := b.UndoMerge(ctx(), b.Officer(apitest.ThirdOfficer), b.mergeStep(m.ID, true))
	must(b.t, err)
	back, _, err := b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	must(b.t, err)
	if back.Status != undone || back.UndoneBy != apitest.Officer {
		b.t.Fatalf("merge %+v", back)
	}
}

// looked is how an account stands.
type looked struct {
	totals    api.Totals
	points    unit.Points
	usage     map[string]int64
	remainder int64
	groups    []string
	outcomes  map[uint64]string
}

func (b *bank) look(a api.Account) looked {
	p, entries := b.portfolio(a)
	outcomes := make(map[uint64]string)
	for index, e := range entries {
		outcomes[index] = fmt.Sprint(e.Decision.Outcome, e.Decision.Minutes, e.Decision.Available, e.Decision.Pending, e.Merged)
	}
	var groups []string
	for _, g := range b.row(a).GetGroups() {
		groups = append(groups, fmt.Sprint(g.GetGroup(), g.GetCompletion().GetIndex()))
	}
	slices.Sort(groups)
	return looked{p.Totals, p.Points.Points, b.usage(a), b.remainder(a), groups, outcomes}
}

// What was learned on two accounts is what it would have been on one: remainders, caps and duplicates.
func TestMerge(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	b.one(b.learned(into, apitest.Calligraphy, 30, 90))                             // 0.1 credits and 18 minutes
	worse := b.one(withScore(b.learned(into, apitest.FirstAid, 29, 90), 70))        // goes
	b.one(b.learned(into, apitest.Welding, 60, 7200))                               // 10 credits
	b.one(b.learned(into, apitest.Welding, 50, 7200))                               // 10 credits
	last := b.one(b.learned(from, apitest.Calligraphy, 20, 117))                    // 0.1 and 45: 63 together, still 0.1
	better := b.one(withScore(b.learned(from, apitest.FirstAidOnline, 19, 90), 80)) // stays
	capped := b.one(b.learned(from, apitest.Welding, 40, 7200))                     // 4 of 10 fit
	statement := withScore(b.learned(from, apitest.FirstAid, 18, 90), 60)           // a duplicate of another one now
	dup := b.one(statement)
	became(t, dup.Decision, duplicate, 0, 0, 0)
	recorded(t, b.TakeOver(apitest.OpeningRow(from.Number, "old record")))
	b.has(into, 14_580, 20_200, 0, 0)
	before := proto.CloneOf(b.row(from))
	_, preview, err := b.GetMerge(ctx(), b.Officer(apitest.Officer), b.proposes(from, into).ID)
	must(t, err)
	old, _ := b.portfolio(from)
	m := b.row(from).GetMergePlusOne() - 1
	b.agrees(apitest.Officer, m)
	merge := b.agrees(apitest.SecondOfficer, m)
	p, entries := b.portfolio(into)
	if preview.IntoAfter != p.Totals || preview.FromBefore != old.Totals || preview.Items != 5 || preview.Duplicates != 1 || preview.Cases != 0 {
		t.Errorf("the preview %+v, the account %+v", preview, p.Totals)
	}
	if len(entries) != 9 || p.Totals.Minutes != 14_580-90+117+90+7200+old.Totals.Minutes-117-90-7200 {
		t.Errorf("%d entries, %+v", len(entries), p.Totals)
	}
	became(t, entries[worse.Index].Decision, duplicate, 0, 0, 0)
	became(t, entries[better.Index].Decision, awarded, 90, 100, 0)
	became(t, entries[dup.Index].Decision, duplicate, 0, 0, 0)
	became(t, entries[last.Index].Decision, awarded, 117, 100, 0)
	became(t, entries[capped.Index].Decision, awarded, 7200, 3700, 6300) // 24 a half-year, less the 20.3 before it
	if left := b.remainder(into); left != 18+117-72-0 {
		t.Errorf("%d minutes are left", left)
	}
	if usage := b.usage(into); usage["half-year/2026-H1"] != 24_000 {
		t.Errorf("usage %v", usage)
	}
	// The platform hears of it, and can take back what it posted to a number that is gone.
	if r := b.one(b.Void(statement.GetId())); r.Status != api.Recorded {
		t.Errorf("%+v", r)
	}
	if _, _, err := b.UndoMerge(ctx(), b.Officer(apitest.ThirdOfficer), b.mergeStep(merge.ID, true)); err == nil {
		t.Error("a merge is undone although one of its completions was taken back")
	} else {
		wants(t, err, api.Precondition, api.ReasonMergeUsed, "merge")
	}
	after := proto.CloneOf(b.row(from))
	after.Status, after.MergedInto, after.MergePlusOne = before.GetStatus(), nil, 0
	if before.MergePlusOne = 0; !proto.Equal(before, after) {
		t.Errorf("the account that was merged is not what it was:\n%v\n%v", before, after)
	}
}

// The number, the document and the sign-in of the account that was merged lead to the other one.
func TestMergedAccountLeadsOn(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	b.one(b.learned(from, apitest.Calligraphy, 20, 90))
	document := b.Document(1)
	b.merges(from, into)
	r := b.one(b.learned(from, apitest.Calligraphy, 10, 90))
	if entries := b.has(into, 180, 200, 0, 0); entries[r.Index].Merged || len(entries) != 2 {
		t.Errorf("%+v", entries)
	}
	number, err := b.ResolveAccount(ctx(), b.Platform(apitest.Platform), document, "posting")
	must(t, err)
	account, existed, err := b.OpenAccount(ctx(), b.Officer(apitest.Registrar), api.Opening{
		RequestID: b.RequestID(), Name: "某人", Document: document, Home: apitest.Beishan,
	})
	must(t, err)
	if number != into.Number || account.ID != into.ID || !existed {
		t.Errorf("number %s, account %+v", number, account)
	}
	resident := b.Resident(from.ID)
	if resident.Account != into.ID {
		t.Errorf("%+v", resident)
	}
	gone, err := b.GetAccount(ctx(), resident, from.ID)
	must(t, err)
	if gone.Status != ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED || gone.MergedInto != into.ID || gone.Number != from.Number {
		t.Errorf("%+v", gone)
	}
	for _, who := range []access.Caller{resident, b.Officer(apitest.Officer)} {
		_, err = b.GetPortfolio(ctx(), who, from.ID, 0)
		wants(t, err, api.Precondition, api.ReasonAccountMerged, "account_id")
	}
	_, err = b.GetAccount(ctx(), b.Resident(b.Open().ID), from.ID)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	recorded(t, b.TakeOver(apitest.OpeningRow(from.Number, "late record")))
	if p, _ := b.portfolio(into); p.EntryCount != 3 {
		t.Errorf("%+v", p)
	}
}

// Everything is as it was when a merge is undone.
func TestUndoMerge(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	b.one(withScore(b.learned(into, apitest.FirstAid, 29, 90), 70))
	b.one(b.learned(into, apitest.Welding, 60, 14_400))
	b.one(b.learned(into, apitest.Calligraphy, 28, 90))
	own := b.one(withScore(b.learned(from, apitest.FirstAidOnline, 19, 90), 80))
	b.one(withScore(b.learned(from, apitest.FirstAid, 18, 90), 90))
	b.one(b.learned(from, apitest.Welding, 40, 7200))
	b.one(b.learned(from, apitest.Calligraphy, 27, 50))
	recorded(t, b.TakeOver(apitest.OpeningRow(from.Number, "old record")))
	before := []looked{b.look(from), b.look(into)}
	m := b.merges(from, into)
	became(t, b.has(into, 14_400+90+90+7200+50+90, 24_000+1500, 6200, 200)[own.Index].Decision, duplicate, 0, 0, 0)
	b.undoes(m)
	for i, a := range []api.Account{from, into} {
		if after := b.look(a); fmt.Sprint(after) != fmt.Sprint(before[i]) {
			t.Errorf("account %d was\n%+v\nand is\n%+v", i, before[i], after)
		}
	}
	// Two people may have been taken for one: the one who did not lose anything reads nothing of the other's.
	_, _, err := b.GetEntry(ctx(), b.Resident(into.ID), m.ID, false)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, _, err = b.GetEntry(ctx(), b.Resident(from.ID), m.ID, false)
	must(t, err)
	// Both live on, and can be merged once more.
	b.one(b.learned(from, apitest.Smartphone, 3, 90))
	b.one(b.learned(into, apitest.Smartphone, 3, 90))
	b.merges(into, from)
}

// Room under a cap that a merge made, and that was used since, is not there any more when the merge is undone: what is given back
// waits for it, and what there is room for is available again.
func TestUndoMergeKeepsCaps(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	replaced := b.one(withScore(b.learned(into, apitest.FirstAid, 29, 7200), 70)) // 10 credits
	b.one(b.learned(into, apitest.Welding, 60, 7200))                             // 10
	waiting := b.one(b.learned(into, apitest.Welding, 50, 14_400))                // 4 of 20 fit the half-year
	b.one(withScore(b.learned(from, apitest.FirstAidOnline, 19, 90), 80))         // a better score, and 0.1
	before := b.look(into)
	m := b.merges(from, into)
	entries := b.has(into, 28_800-7200+90, 24_000, 6100, 10_000)
	became(t, entries[replaced.Index].Decision, duplicate, 0, 0, 0)
	became(t, entries[waiting.Index].Decision, awarded, 14_400, 13_900, 6100)
	b.undoes(m)
	after := b.look(into)
	if after.totals != before.totals || after.points != before.points || !slices.Equal(after.groups, before.groups) {
		t.Errorf("it was\n%+v\nand is\n%+v", before, after)
	}
	if after.usage["half-year/2026-H1"] != 24_000 || after.usage["year/2026"] != 24_000 {
		t.Errorf("usage %v", after.usage)
	}
	entries = b.has(into, 28_800, 24_000, 16_000, 0)
	became(t, entries[replaced.Index].Decision, awarded, 7200, 100, 9900)
	became(t, entries[waiting.Index].Decision, awarded, 14_400, 13_900, 6100)
	b.fsck()
}

// A merge waits for three officers who may, and says why it does not go on.
func TestMergeRefused(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into, other := b.Open(), b.Open(), b.Open()
	registrar := b.Officer(apitest.Registrar)
	propose := func(by access.Caller, from, into unit.AccountID, reason string) error {
		_, err := b.ProposeMerge(ctx(), by, b.RequestID(), from, into, reason)
		return err
	}
	wants(t, propose(registrar, from.ID, from.ID, "SAME_PERSON"), api.Invalid, api.ReasonMergeSame, "into_account_id")
	wants(t, propose(registrar, from.ID, into.ID, "WHY_NOT"), api.Invalid, api.ReasonDecisionReason, "reason_code")
	wants(t, propose(registrar, from.ID, unit.AccountID{1}, "SAME_PERSON"), api.NotFound, api.ReasonUnknownAccount, "")
	wants(t, propose(b.Platform(apitest.Platform), from.ID, into.ID, "SAME_PERSON"), api.Denied, api.ReasonDenied, "")
	wants(t, propose(b.Resident(from.ID), from.ID, into.ID, "SAME_PERSON"), api.Denied, api.ReasonDenied, "")
	own := registrar
	own.Account = into.ID
	wants(t, propose(own, from.ID, into.ID, "SAME_PERSON"), api.Denied, api.ReasonOwnCase, "")
	unchecked, _, err := b.OpenAccount(ctx(), registrar, api.Opening{
		RequestID: b.RequestID(), Name: "某人", Document: b.Document(99), Home: apitest.Beishan,
	})
	must(t, err)
	wants(t, propose(registrar, from.ID, unchecked.ID, "SAME_PERSON"), api.Precondition, api.ReasonMergeDirection, "into_account_id")
	m := b.proposes(from, into)
	wants(t, propose(registrar, other.ID, into.ID, "SAME_PERSON"), api.Precondition, api.ReasonMergeOpen, "into_account_id")
	decide := func(by string, s api.MergeStep) error {
		_, _, err := b.DecideMerge(ctx(), b.Officer(by), s)
		return err
	}
	wants(t, decide(apitest.Registrar, b.mergeStep(m.ID, true)), api.Denied, api.ReasonFourEyes, "merge")
	wants(t, decide(apitest.Officer, b.mergeStep(m.ID+1, true)), api.NotFound, api.ReasonNotFound, "merge")
	b.agrees(apitest.Officer, m.ID)
	wants(t, decide(apitest.Officer, b.mergeStep(m.ID, true)), api.Denied, api.ReasonFourEyes, "merge")
	wants(t, decide(apitest.Registrar, b.mergeStep(m.ID, true)), api.Denied, api.ReasonFourEyes, "merge")
	stale := b.mergeStep(m.ID, true)
	stale.Seen = m.Changed
	wants(t, decide(apitest.SecondOfficer, stale), api.Changed, api.ReasonMergeChanged, "etag")
	_, _, err = b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "merge")
	refused, _, err := b.DecideMerge(ctx(), b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, false))
	must(t, err)
	if refused.RefusedBy != apitest.SecondOfficer {
		t.Errorf("%+v", refused)
	}
	wants(t, decide(apitest.ThirdOfficer, b.mergeStep(m.ID, true)), api.Changed, api.ReasonStepOutOfTurn, "merge")
	m = b.merges(from, into)
	wants(t, propose(registrar, from.ID, other.ID, "SAME_PERSON"), api.Precondition, api.ReasonAccountNotOpen, "from_account_id")
	_, _, err = b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	must(t, err)
	_, _, err = b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	wants(t, err, api.Denied, api.ReasonFourEyes, "merge")
	kept, _, err := b.UndoMerge(ctx(), b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, false))
	must(t, err)
	if kept.Status != merged || kept.UndoProposedBy != "" {
		t.Errorf("%+v", kept)
	}
	list, _, err := b.ListMerges(ctx(), registrar, apitest.Root, false, api.Page{})
	must(t, err)
	if len(list) != 2 || list[0].ID != m.ID {
		t.Errorf("%+v", list)
	}
	open, _, err := b.ListMerges(ctx(), registrar, apitest.Root, true, api.Page{})
	if must(t, err); len(open) != 0 {
		t.Errorf("%+v", open)
	}
}

// What is judged on what came over stands in the way of undoing it; what has nothing in common with it does not.
func TestUndoMergeTooLate(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	b.one(b.learned(from, apitest.Calligraphy, 20, 90))
	m := b.merges(from, into)
	b.one(b.learned(into, apitest.Smartphone, 10, 90))
	theirs := b.learned(from, apitest.Smartphone, 12, 90) // under the number of the account that was merged
	b.one(theirs)
	_, _, err := b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	wants(t, err, api.Precondition, api.ReasonMergeUsed, "merge")
	b.one(b.Void(theirs.GetId()))
	_, _, err = b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	must(t, err)
	b.one(b.learned(into, apitest.Calligraphy, 5, 90))
	_, _, err = b.UndoMerge(ctx(), b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, true))
	wants(t, err, api.Precondition, api.ReasonMergeUsed, "merge")
}

// Cases go with their completions, and sessions of both accounts at the same time are one.
func TestMergeCases(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	end := apitest.Start().Add(-48 * time.Hour)
	late := b.one(b.learned(from, apitest.Calligraphy, 200, 90))
	became(t, late.Decision, inReview, 0, 0, 0)
	b.one(b.learnedUntil(into, apitest.Smartphone, end, 90))
	clash := b.post(apitest.OtherPlatform, b.learnedUntil(from, apitest.Welding, end, 1440))[0]
	became(t, clash.Decision, awarded, 1440, 2000, 0)
	_, preview, err := b.GetMerge(ctx(), b.Officer(apitest.Officer), b.proposes(from, into).ID)
	must(t, err)
	if preview.Cases != 1 || preview.OpenCases != 1 {
		t.Errorf("%+v", preview)
	}
	m := b.row(from).GetMergePlusOne() - 1
	b.agrees(apitest.Officer, m)
	merge := b.agrees(apitest.SecondOfficer, m)
	cases := b.cases()
	if len(cases) != 2 || cases[0].Account != into.ID || cases[1].Account != into.ID {
		t.Fatalf("%+v", cases)
	}
	b.undoes(merge)
	if cases = b.cases(); len(cases) != 1 || cases[0].Account != from.ID || cases[0].Completion != late.Index {
		t.Fatalf("%+v", cases)
	}
	b.has(from, 1440, 2000, 0, 0)
	merge = b.merges(from, into)
	for _, c := range b.cases() {
		b.decide(c.ID, api.VerdictApprove)
	}
	entries := b.has(into, 1440+90+90, 2200, 0, 0)
	became(t, entries[late.Index].Decision, awarded, 90, 100, 0)
	became(t, entries[clash.Index].Decision, awarded, 1440, 2000, 0)
	_, _, err = b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(merge.ID, true))
	wants(t, err, api.Precondition, api.ReasonMergeUsed, "merge")
	// What officers decided comes over once more, with its reasons.
	third := b.Open()
	b.merges(into, third)
	if again := b.has(third, 1440+90+90, 2200, 0, 0); again[late.Index].ReasonCode != "EVIDENCE_SUFFICIENT" {
		t.Errorf("%+v", again[late.Index])
	}
}

// A merge that a bank was interrupted in goes on; nobody sees half of it.
func TestMergeInterrupted(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	var statements []*statementv1.Statement
	for i := range 150 {
		statements = append(statements, b.learned(from, apitest.Calligraphy, 5+i%80, 20))
	}
	for _, r := range b.post(apitest.Platform, statements...) {
		if r.Status != api.Recorded {
			t.Fatal(r.Fault)
		}
	}
	halfway := func() {
		t.Helper()
		r := b.post(apitest.Platform, b.learned(into, apitest.Smartphone, 1, 90), b.learned(from, apitest.Smartphone, 1, 90), b.Void(statements[149].GetId()))
		for _, r := range r {
			wants(t, r.Fault, api.Unavailable, api.ReasonAccountMoving, r.Fault.Field)
		}
		_, err := b.GetPortfolio(ctx(), b.Resident(into.ID), into.ID, 0)
		wants(t, err, api.Unavailable, api.ReasonAccountMoving, "account_id")
	}
	old, _ := b.portfolio(from)
	m := b.proposes(from, into)
	b.agrees(apitest.Officer, m.ID)
	must(t, api.DecideMergeAndStop(ctx(), b.Bank.Bank, b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, true)))
	halfway()
	b.ends(150 - 64)
	if p, _ := b.portfolio(into); p.Totals != old.Totals {
		t.Errorf("%+v, not %+v", p.Totals, old.Totals)
	}
	_, _, err := b.UndoMerge(ctx(), b.Officer(apitest.Officer), b.mergeStep(m.ID, true))
	must(t, err)
	must(t, api.UndoMergeAndStop(ctx(), b.Bank.Bank, b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, true)))
	halfway()
	b.ends(150 - 64)
	b.has(into, 0, 0, 0, 0)
	if p, _ := b.portfolio(from); p.Totals != old.Totals {
		t.Errorf("%+v, not %+v", p.Totals, old.Totals)
	}
	if len(b.cases()) != 0 {
		t.Errorf("%+v", b.cases())
	}
}

// A merge that cannot be brought to its end keeps neither another one waiting, nor what is overdue on other accounts.
func TestMergeThatCannotEnd(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	merge := func() (api.Account, api.Merge) {
		from, into := b.Open(), b.Open()
		statements := make([]*statementv1.Statement, 70)
		for day := range statements {
			statements[day] = b.learned(from, apitest.Calligraphy, day+1, 45)
		}
		b.post(apitest.Platform, statements...)
		m := b.proposes(from, into)
		b.agrees(apitest.Officer, m.ID)
		must(t, api.DecideMergeAndStop(ctx(), b.Bank.Bank, b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, true)))
		return from, m
	}
	gone, stuck := merge()
	_, whole := merge()
	must(t, b.Vault.Erase(ctx(), gone.ID))
	for _, sweep := range []func(context.Context) (uint64, error){b.EndCases, b.Sweep} {
		_, err := sweep(ctx())
		wants(t, err, api.Precondition, api.ReasonAccountErased, "")
	}
	for id, want := range map[uint64]ledgerv1.MergeStatus{
		stuck.ID: ledgerv1.MergeStatus_MERGE_STATUS_MOVING, whole.ID: ledgerv1.MergeStatus_MERGE_STATUS_MERGED,
	} {
		if m, _, err := b.GetMerge(ctx(), b.Officer(apitest.Officer), id); err != nil || m.Status != want {
			t.Errorf("%+v, %v, not %v", m, err, want)
		}
	}
}

// Where no officer decided anything, two accounts that are merged are what one would have been, had all been posted to it: first
// what one account had, then what the other had.
func TestMergeIsOneAccount(t *testing.T) {
	t.Parallel()
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > 8 && !testing.Verbose() {
			return // a bank costs 20 ms: -v asks for all
		}
		b := newBank(t)
		from, into, one := b.Open(), b.Open(), b.Open()
		indexes := make(map[uint64]uint64) // of one, by those of the two
		for _, account := range []api.Account{into, from} {
			m := &machine{acceptors: &acceptors{bank: b}, accounts: []api.Account{account}}
			for range rapid.IntRange(0, 12).Draw(rt, "completions") {
				platform := rapid.SampledFrom([]string{apitest.Platform, apitest.OtherPlatform}).Draw(rt, "platform")
				s := m.draw(rt)
				twin := proto.CloneOf(s)
				twin.Id, twin.GetCompletion().AccountNumber = b.Completion(one.Number).GetId(), string(one.Number)
				indexes[b.post(platform, s)[0].Index] = b.post(platform, twin)[0].Index
			}
		}
		before := []string{fmt.Sprint(b.look(from)), fmt.Sprint(b.look(into))}
		merge := b.merges(from, into)
		_, got := b.portfolio(into)
		_, want := b.portfolio(one)
		for index, e := range got {
			w := want[indexes[index]].Decision
			if e.Decision.Outcome == inReview && w.Outcome == duplicate {
				continue // a case that is open stays one: whoever approves it finds that it is a duplicate
			}
			if d := e.Decision; d.Outcome != w.Outcome || d.Minutes != w.Minutes || d.Available != w.Available || d.Pending != w.Pending {
				rt.Errorf("completion %d is %+v, not %+v", index, d, w)
			}
		}
		if !maps.Equal(b.usage(into), b.usage(one)) || b.remainder(into) != b.remainder(one) || len(got) != len(want) {
			rt.Errorf("usage %v, not %v; %d minutes left, not %d", b.usage(into), b.usage(one), b.remainder(into), b.remainder(one))
		}
		b.undoes(merge)
		if after := []string{fmt.Sprint(b.look(from)), fmt.Sprint(b.look(into))}; !slices.Equal(before, after) {
			rt.Errorf("undone, it was\n%v\nand is\n%v", before, after)
		}
		b.fsck()
	})
}
