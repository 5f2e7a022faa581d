package api_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	submitted = ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED
	first     = ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW
	returned  = ledgerv1.CaseStatus_CASE_STATUS_RETURNED
	second    = ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW
	noticed   = ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
	objected  = ledgerv1.CaseStatus_CASE_STATUS_OBJECTED
	approved  = ledgerv1.CaseStatus_CASE_STATUS_APPROVED
	rejected  = ledgerv1.CaseStatus_CASE_STATUS_REJECTED
	appealed  = ledgerv1.CaseStatus_CASE_STATUS_APPEALED
	revoked   = ledgerv1.CaseStatus_CASE_STATUS_REVOKED
	givenUp   = ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN
)

// risky is an account with a case of risk 3, which takes two officers and five days: 90 minutes in two places at once.
func (b *bank) risky() (api.Account, uint64) {
	b.t.Helper()
	account := b.Open()
	b.one(b.learned(account, apitest.Welding, 3, 60))
	r := b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 3, 90))[0]
	return account, b.theCase("two-places", r.Index).ID
}

// late is an account with a case of risk 2, which takes one officer: 90 minutes, posted late.
func (b *bank) late(course string) (api.Account, uint64) {
	b.t.Helper()
	account := b.Open()
	return account, b.theCase("posted-late", b.one(b.learned(account, course, 100, 90)).Index).ID
}

// step takes a step and answers how the case stands then.
func (b *bank) step(by access.Caller, id uint64, act review.Act, words ...string) (api.Case, error) {
	b.t.Helper()
	s := api.Step{RequestID: b.RequestID(), Case: id, Act: act, Note: strings.Join(words, " ")}
	switch act {
	case review.Approve, review.Reject, review.HoursOnly, review.Return, review.Revoke:
		s.ReasonCode = "EVIDENCE_SUFFICIENT"
	default:
	}
	taken, err := b.TakeStep(ctx(), by, s)
	return taken.Case, err
}

// takes has a step lead to a state.
func (b *bank) takes(by access.Caller, id uint64, act review.Act, to ledgerv1.CaseStatus, words ...string) api.Case {
	b.t.Helper()
	c, err := b.step(by, id, act, words...)
	must(b.t, err)
	if c.Status != to {
		b.t.Fatalf("%v leads to %v, not %v", act, c.Status, to)
	}
	return c
}

// approvedByTwo has a case of risk 3 approved, so that it is open to objections.
func (b *bank) approvedByTwo(id uint64) api.Case {
	b.t.Helper()
	b.takes(b.Officer(apitest.Officer), id, review.Approve, second)
	return b.takes(b.Officer(apitest.SecondOfficer), id, review.Approve, noticed)
}

// read is a case as the first officer sees it.
func (b *bank) read(id uint64) api.Case {
	b.t.Helper()
	c, _, _, err := b.GetCase(ctx(), b.Officer(apitest.Officer), id)
	must(b.t, err)
	return c
}

// midnight is the end of so many whole days from now in Hangzhou.
func (b *bank) midnight(days int) time.Time {
	b.t.Helper()
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	must(b.t, err)
	y, m, d := b.Clock.Now().In(shanghai).Date()
	return time.Date(y, m, d+days+1, 0, 0, 0, 0, shanghai)
}

func (b *bank) until(at time.Time) { b.Clock.Advance(at.Sub(b.Clock.Now())) }

// ends has the bank look for what has ended.
func (b *bank) ends(entries uint64) {
	b.t.Helper()
	if n, err := b.EndCases(ctx()); err != nil || n != entries {
		b.t.Fatalf("%d entries, %v; not %d", n, err, entries)
	}
}

// Two officers, then five days in which nothing counts, then an entry of the bank's own, whoever looks for it first.
func TestTwoOfficersAndNotice(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bank, account api.Account){
		"the bank looks": func(b *bank, _ api.Account) { b.ends(1); b.ends(0) },
		"the night does": func(b *bank, _ api.Account) {
			if n, err := b.Sweep(ctx()); err != nil || n != 1 {
				b.t.Errorf("%d entries, %v", n, err)
			}
		},
		// What is overdue on an account comes before what is done with it.
		"the account is used": func(b *bank, account api.Account) {
			s := b.learnedUntil(account, apitest.Calligraphy, b.Clock.Now().Add(-time.Hour), 45)
			b.one(s)
			b.one(b.Void(s.GetId()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			account, id := b.risky()
			officer, another := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
			c := b.read(id)
			if c.Rule != "two-officers" || c.Batch || c.Due != b.midnight(10).UTC() || c.Status != submitted {
				t.Errorf("case %+v", c)
			}
			c = b.takes(officer, id, review.Approve, second)
			if c.Due != b.midnight(10).UTC() || len(c.Reviewers) != 1 || !c.Decided.IsZero() {
				t.Errorf("case %+v", c)
			}
			_, err := b.step(officer, id, review.Approve)
			wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
			c = b.takes(another, id, review.Approve, noticed, "看过签到表")
			if c.Deadline != b.midnight(5).UTC() || !c.Due.IsZero() || len(b.cases()) != 0 {
				t.Errorf("case %+v", c)
			}
			_, err = b.step(b.Officer(apitest.ThirdOfficer), id, review.Approve)
			wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "case_id")
			b.until(c.Deadline.Add(-time.Microsecond))
			b.ends(0)
			b.has(account, 60, 0, 0, 0)
			b.until(c.Deadline)
			end(b, account)
			entries := b.has(account, 150, 100, 0, 0)
			c = b.read(id)
			e := entries[c.Completion]
			if c.Status != approved || c.DecidedBy != "" || c.Decided.IsZero() || e.ReasonCode != "EVIDENCE_SUFFICIENT" || e.Note != "看过签到表" {
				t.Errorf("case %+v, entry %+v", c, e)
			}
			if p := e.Case; p == nil || p.ID != id || p.Status != approved || len(p.Steps) != 3 || p.Steps[1].Step != ledgerv1.CaseStep_CASE_STEP_PUBLISHED ||
				p.Steps[1].Officer != apitest.SecondOfficer || p.Steps[1].Note != "看过签到表" || p.Steps[2].Officer != "" {
				t.Errorf("progress %+v", p)
			}
		})
	}
}

// A bank that was away for a month catches up with the steps of that time, in one go, and each once.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	var accounts []api.Account
	for range 3 {
		account, id := b.risky()
		accounts = append(accounts, account)
		b.approvedByTwo(id)
	}
	b.Clock.Advance(30 * 24 * time.Hour)
	b.ends(3)
	b.ends(0)
	for _, account := range accounts {
		b.has(account, 150, 100, 0, 0)
	}
}

// Anyone but the learner may object, and a third officer hears it.
func TestObjection(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.risky()
	other := b.Resident(b.Open().ID)
	third := b.Officer(apitest.ThirdOfficer)
	// Nobody hears of a case that is not public.
	_, err := b.step(other, id, review.Object, "他那天在别处")
	wants(t, err, api.NotFound, api.ReasonNotFound, "case_id")
	until := b.approvedByTwo(id).Deadline
	for name, c := range map[string]struct {
		by     access.Caller
		words  string
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"the learner":   {b.Resident(account.ID), "x", api.Denied, api.ReasonOwnCase, "case_id"},
		"an officer":    {third, "x", api.Denied, api.ReasonDenied, ""},
		"nobody":        {access.Caller{}, "x", api.Unauthenticated, api.ReasonUnauthenticated, ""},
		"without words": {other, "", api.Invalid, api.ReasonNoteMissing, "note"},
		"many words":    {other, strings.Repeat("长", 2001), api.Invalid, api.ReasonField, "note"},
	} {
		_, err := b.step(c.by, id, review.Object, c.words)
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	c := b.takes(other, id, review.Object, objected, "他那天在别处")
	if c.Account != (api.Case{}).Account || c.Course != "" {
		t.Errorf("whoever objects is told %+v", c)
	}
	_, err = b.step(b.Platform(apitest.Platform), id, review.Object, "我们也这样认为")
	wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "case_id")
	for _, reviewer := range []string{apitest.Officer, apitest.SecondOfficer} {
		_, err = b.step(b.Officer(reviewer), id, review.Approve)
		wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
	}
	// The notice does not end while the objection is heard.
	b.until(until.Add(time.Hour))
	b.ends(0)
	_, _, _, events, err := b.ReadCase(ctx(), third, id)
	if must(t, err); len(events) != 3 || events[2].Note != "他那天在别处" || events[2].Objector != other.Account || !events[2].Resident {
		t.Errorf("events %+v", events)
	}
	b.takes(third, id, review.Approve, approved)
	entries := b.has(account, 150, 100, 0, 0)
	for _, e := range entries {
		if e.Case != nil && (e.Case.Steps[2].Note != "" || !e.Case.Steps[2].Objector.IsZero()) {
			t.Errorf("the learner is told who objected, or how: %+v", e.Case.Steps[2])
		}
	}
}

// The learner can prove that the step is in the log, and reads it nowhere: it says in the clear which organization objected.
func TestObjectionEntryIsForOfficers(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.risky()
	holder := b.Resident(account.ID)
	b.approvedByTwo(id)
	b.takes(b.Platform(apitest.OtherPlatform), id, review.Object, objected, "签到有误")
	b.takes(b.Officer(apitest.ThirdOfficer), id, review.Approve, noticed)
	objections := 0
	_, entries := b.portfolio(account)
	for _, e := range entries {
		if e.Case == nil {
			continue
		}
		for _, step := range e.Case.Steps {
			raw, fact := b.entry(step.Index)
			got, _, err := b.GetEntry(ctx(), holder, step.Index, true)
			list, _, lerr := b.ListEntries(ctx(), holder, step.Index, api.Page{Size: 1})
			must(t, lerr)
			if step.Step != ledgerv1.CaseStep_CASE_STEP_OBJECTED {
				if err != nil || !bytes.Equal(got.Bytes, raw) || !bytes.Equal(list[0].Bytes, raw) {
					t.Errorf("the learner reads step %s: %+v, %v, listed %+v", step.Step, got, err, list)
				}
				continue
			}
			objections++
			wants(t, err, api.Denied, api.ReasonDenied, "")
			if got.Bytes != nil || list[0].Fact != "" || list[0].Bytes != nil || list[0].LeafHash != merkle.LeafHash(raw) {
				t.Errorf("the learner is shown the objection: %+v, listed %+v", got, list)
			}
			proof, err := b.InclusionProof(ctx(), step.Index, 0)
			must(t, err)
			must(t, merkle.VerifyInclusion(list[0].LeafHash, step.Index, proof.Size, proof.Hashes, root(t, b, proof.Checkpoint)))
			_, _, err = b.GetEntry(ctx(), b.Platform(apitest.OtherPlatform), step.Index, false)
			wants(t, err, api.Denied, api.ReasonDenied, "")
			got, _, err = b.GetEntry(ctx(), b.Officer(apitest.Officer), step.Index, false)
			if must(t, err); !bytes.Equal(got.Bytes, raw) || fact.GetCaseStepTaken().GetActor().GetOrganization() != apitest.OtherPlatform {
				t.Errorf("the officer reads %+v of %+v", got, fact)
			}
		}
	}
	if objections != 1 {
		t.Errorf("%d objections", objections)
	}
}

// An objection without ground: the notice goes on to the day that was said. One with ground: a refusal.
func TestObjectionDismissedAndFounded(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.risky()
	until := b.approvedByTwo(id).Deadline
	b.Clock.Advance(24 * time.Hour)
	b.takes(b.Platform(apitest.OtherPlatform), id, review.Object, objected, "签到有误")
	if c := b.takes(b.Officer(apitest.ThirdOfficer), id, review.Approve, noticed); c.Deadline != until {
		t.Errorf("the notice ends at %s, not %s", c.Deadline, until)
	}
	b.takes(b.Resident(b.Open().ID), id, review.Object, objected, "我也在场")
	b.takes(b.Officer(apitest.ThirdOfficer), id, review.Reject, rejected)
	b.has(account, 60, 0, 0, 0)
	b.until(until)
	b.ends(0)
}

// Nobody uses up the objections of others: each resident and each organization has two, and is told when they are spent.
func TestOwnObjections(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, id := b.risky()
	b.approvedByTwo(id)
	everybody := []access.Caller{
		b.Resident(b.Open().ID), b.Platform(apitest.Platform), b.Resident(b.Open().ID), b.Platform(apitest.OtherPlatform),
	}
	for _, by := range everybody {
		for range review.MaxOwnObjections {
			b.takes(by, id, review.Object, objected, "我不同意")
			b.takes(b.Officer(apitest.ThirdOfficer), id, review.Approve, noticed)
		}
		_, err := b.step(by, id, review.Object, "还是不同意")
		wants(t, err, api.Precondition, api.ReasonStepLimit, "case_id")
		if !strings.Contains(err.Error(), "you have objected to this case 2 times") {
			t.Errorf("%v", err)
		}
	}
}

// Objections are counted across merges: of the account that has the case, and of the one that objected.
func TestOwnObjectionsAfterMerges(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.risky()
	b.approvedByTwo(id)
	first, other := b.Open(), b.Open()
	object := func(by api.Account) {
		b.takes(b.Resident(by.ID), id, review.Object, objected, "我不同意")
		b.takes(b.Officer(apitest.ThirdOfficer), id, review.Approve, noticed)
	}
	object(first)
	b.merges(account, b.Open())
	object(other)
	b.merges(first, other)
	for _, by := range []api.Account{first, other} { // both are one person by now
		_, err := b.step(b.Resident(by.ID), id, review.Object, "还是不同意")
		wants(t, err, api.Precondition, api.ReasonStepLimit, "case_id")
	}
	object(b.Open())
}

// More evidence comes, or does not: an officer decides either way, and nobody loses anything by silence.
func TestReturn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by func(b *bank, account api.Account) access.Caller // who answers
	}{
		"the learner answers":  {func(b *bank, account api.Account) access.Caller { return b.Resident(account.ID) }},
		"the platform answers": {func(b *bank, _ api.Account) access.Caller { return b.Platform(apitest.Platform) }},
		"nobody answers":       {nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			account, id := b.late(apitest.Calligraphy)
			officer := b.Officer(apitest.Officer)
			_, err := b.step(officer, id, review.Return)
			wants(t, err, api.Invalid, api.ReasonNoteMissing, "note")
			asked := b.takes(officer, id, review.Return, returned, "请上传签到表")
			if asked.Deadline != b.midnight(30).UTC() || !asked.Due.IsZero() || len(b.cases()) != 0 {
				t.Errorf("case %+v", asked)
			}
			for _, stranger := range []access.Caller{b.Platform(apitest.OtherPlatform), b.Resident(b.Open().ID)} {
				_, err = b.step(stranger, id, review.Answer, "x")
				wants(t, err, api.NotFound, api.ReasonNotFound, "case_id")
			}
			if c.by == nil {
				b.until(asked.Deadline)
				_, err = b.step(b.Resident(account.ID), id, review.Answer, "太晚了")
				wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "case_id")
				b.ends(1)
			} else {
				b.takes(c.by(b, account), id, review.Answer, submitted, "签到表已补交")
			}
			waiting := b.read(id)
			if waiting.Status != submitted || waiting.Due != b.midnight(10).UTC() || !waiting.Deadline.IsZero() {
				t.Errorf("case %+v", waiting)
			}
			b.takes(officer, id, review.Approve, approved)
			b.has(account, 90, 100, 0, 0)
		})
	}
}

// An appeal is heard once, in time, by somebody else; what was refused counts then as if it had not been.
func TestAppeal(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]review.Act{"refused": review.Reject, "hours only": review.HoursOnly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			account, id := b.late(apitest.Calligraphy)
			resident := b.Resident(account.ID)
			_, err := b.step(resident, id, review.Appeal, "还没有决定")
			wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "case_id")
			c := b.takes(b.Officer(apitest.Officer), id, refusal, rejected)
			if c.Deadline != b.midnight(30).UTC() {
				t.Errorf("case %+v", c)
			}
			_, err = b.step(b.Resident(b.Open().ID), id, review.Appeal, "x")
			wants(t, err, api.NotFound, api.ReasonNotFound, "case_id")
			b.until(c.Deadline.Add(-time.Second))
			b.takes(resident, id, review.Appeal, appealed, "我有签到表")
			b.has(account, 0, 0, 0, 0)
			_, err = b.step(b.Officer(apitest.Officer), id, review.Approve)
			wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
			if waiting := b.cases(); len(waiting) != 1 || waiting[0].Status != appealed {
				t.Errorf("cases %+v", waiting)
			}
			b.takes(b.Officer(apitest.SecondOfficer), id, review.Approve, approved)
			b.has(account, 90, 100, 0, 0)
			// Its time is taken: the same hours elsewhere are noticed.
			r := b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 100, 90))[0]
			if len(r.Decision.Causes) != 2 {
				t.Errorf("causes %v", r.Decision.Causes)
			}
		})
	}
}

func TestAppealTooLateAndTwice(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.late(apitest.Calligraphy)
	resident := b.Resident(account.ID)
	b.takes(b.Officer(apitest.Officer), id, review.Reject, rejected)
	b.takes(resident, id, review.Appeal, appealed, "我有签到表")
	if c := b.takes(b.Officer(apitest.SecondOfficer), id, review.Reject, rejected); !c.Deadline.IsZero() {
		t.Errorf("case %+v", c)
	}
	_, err := b.step(resident, id, review.Appeal, "再来")
	wants(t, err, api.Changed, api.ReasonCaseClosed, "case_id")
	account, id = b.late(apitest.Calligraphy)
	c := b.takes(b.Officer(apitest.Officer), id, review.Reject, rejected)
	b.until(c.Deadline)
	_, err = b.step(b.Resident(account.ID), id, review.Appeal, "太晚了")
	wants(t, err, api.Precondition, api.ReasonDeadlinePassed, "case_id")
	// What the platform took back nobody appeals for.
	account, id = b.late(apitest.Calligraphy)
	b.takes(b.Officer(apitest.Officer), id, review.Reject, rejected)
	b.one(b.Void([]byte(b.statementOf(b.read(id).Completion))))
	_, err = b.step(b.Resident(account.ID), id, review.Appeal, "x")
	wants(t, err, api.Changed, api.ReasonCaseClosed, "case_id")
}

// A learner gives up what has not been decided, and nothing that counts.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.late(apitest.Calligraphy)
	b.takes(b.Resident(account.ID), id, review.Withdraw, givenUp)
	became(t, b.has(account, 0, 0, 0, 0)[b.read(id).Completion].Decision, ledgerv1.Outcome_OUTCOME_WITHDRAWN, 0, 0, 0)
	_, err := b.step(b.Officer(apitest.Officer), id, review.Approve)
	wants(t, err, api.Changed, api.ReasonCaseClosed, "case_id")
	// A case on what counts is no way around it.
	account = b.Open()
	r := b.one(b.learned(account, apitest.Calligraphy, 3, 90))
	_, _, err = b.RevokeKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Revocation{
		Key: b.SignKey(apitest.Platform).Public().ID(), CompromisedSince: b.Clock.Now().UnixMicro(),
	})
	must(t, err)
	_, err = b.step(b.Resident(account.ID), b.theCase(api.CauseKeyCompromised, r.Index).ID, review.Withdraw)
	wants(t, err, api.Changed, api.ReasonStepOutOfTurn, "case_id")
}

// What was approved is taken back whole, by somebody else, and can be given again on appeal.
func TestRevoke(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.late(apitest.Calligraphy)
	b.takes(b.Officer(apitest.Officer), id, review.Approve, approved)
	b.has(account, 90, 100, 0, 0)
	_, err := b.step(b.Officer(apitest.Officer), id, review.Revoke)
	wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
	c := b.takes(b.Officer(apitest.SecondOfficer), id, review.Revoke, revoked)
	became(t, b.has(account, 0, 0, 0, 100)[c.Completion].Decision, refused, 0, 0, 0)
	if len(b.usage(account)) != 0 || b.remainder(account) != 0 {
		t.Errorf("usage %v, %d minutes left", b.usage(account), b.remainder(account))
	}
	b.takes(b.Resident(account.ID), id, review.Appeal, appealed, "没有理由")
	b.takes(b.Officer(apitest.ThirdOfficer), id, review.Approve, approved)
	b.has(account, 90, 100, 0, 100)
}

// One officer has a case for a time; another one takes it in their own entry when that is over.
func TestLease(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, id := b.late(apitest.Smartphone)
	officer, another := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	c := b.takes(officer, id, review.Take, first)
	if c.Holder != apitest.Officer || !c.Lease.Equal(b.Clock.Now().Add(24*time.Hour)) {
		t.Errorf("case %+v", c)
	}
	for _, act := range []review.Act{review.Take, review.Approve, review.Release} {
		_, err := b.step(another, id, act)
		wants(t, err, api.Changed, api.ReasonCaseHeld, "case_id")
		if e := api.AsError(err); e.Metadata["state"] != "FIRST_REVIEW" {
			t.Errorf("metadata %v", e.Metadata)
		}
	}
	b.takes(officer, id, review.Release, submitted)
	b.takes(another, id, review.Take, first)
	b.Clock.Advance(24 * time.Hour)
	b.takes(officer, id, review.Take, first)
	_, err := b.step(another, id, review.Approve)
	wants(t, err, api.Changed, api.ReasonCaseHeld, "case_id")
	b.takes(officer, id, review.Approve, approved)
}

// A school's officers do not have the last word on its own classes.
func TestOwnInstitution(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	street := b.Officer(apitest.StreetOfficer)
	account, id := b.late(apitest.Calligraphy)
	_, err := b.step(street, id, review.Approve)
	wants(t, err, api.Denied, api.ReasonOwnInstitution, "case_id")
	b.takes(street, id, review.Reject, rejected)
	b.takes(b.Resident(account.ID), id, review.Appeal, appealed, "x")
	_, err = b.step(street, id, review.Take)
	wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
	b.takes(b.Officer(apitest.SecondOfficer), id, review.Reject, rejected)
	// The district publishes the policy and answers for its own classes.
	_, id = b.late(apitest.Welding)
	b.takes(b.Officer(apitest.ThirdOfficer), id, review.Approve, approved)
}

// Of many officers at once, one takes the step; the others hear how the case stands.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, id := b.late(apitest.Smartphone)
	seen := b.read(id).Changed
	officers := []string{apitest.Officer, apitest.SecondOfficer, apitest.ThirdOfficer}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		done  int
		errs  []error
	)
	for i := range 9 {
		by, request := b.Officer(officers[i%3]), b.RequestID()
		group.Go(func() {
			_, _, _, _, err := b.DecideCase(ctx(), by, api.CaseDecision{
				RequestID: request, Case: id, Verdict: api.VerdictApprove, ReasonCode: "EVIDENCE_SUFFICIENT",
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else {
				errs = append(errs, err)
			}
		})
	}
	group.Wait()
	if done != 1 || len(errs) != 8 {
		t.Fatalf("%d decided, %v", done, errs)
	}
	for _, err := range errs {
		wants(t, err, api.Changed, api.ReasonCaseClosed, "case_id")
		if e := api.AsError(err); e.Metadata["state"] != "APPROVED" || e.Metadata["etag"] == "" {
			t.Errorf("metadata %v", e.Metadata)
		}
	}
	// Whoever says what they have seen is told that it has changed, whatever they wanted.
	_, err := b.TakeStep(ctx(), b.Officer(apitest.SecondOfficer), api.Step{
		RequestID: b.RequestID(), Case: id, Act: review.Revoke, Seen: seen, ReasonCode: "DECIDED_BY_MISTAKE",
	})
	wants(t, err, api.Changed, api.ReasonCaseChanged, "etag")
}
