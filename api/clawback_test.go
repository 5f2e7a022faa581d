package api_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	clawProposed  = ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED
	clawConfirmed = ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED
	clawDeclined  = ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED
	clawFinished  = ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED
	clawHeld      = ledgerv1.ClawbackState_CLAWBACK_STATE_HELD
	clawReleased  = ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED
)

func ofCourse(provider, course string) api.ClawbackSelection {
	return api.ClawbackSelection{Provider: provider, Course: course, Version: apitest.CourseVersion}
}

// previews is what a clawback would reverse, as the first officer sees it.
func (b *bank) previews(s api.ClawbackSelection) api.ClawbackPreview {
	b.t.Helper()
	p, err := b.PreviewClawback(ctx(), b.Officer(apitest.Officer), s, 0, nil)
	must(b.t, err)
	return p
}

// proposesClawback has the first officer propose what was previewed.
func (b *bank) proposesClawback(p api.ClawbackPreview) api.Clawback {
	b.t.Helper()
	c, err := b.ProposeClawback(ctx(), b.Officer(apitest.Officer), api.ClawbackProposal{
		RequestID: b.RequestID(), Selection: p.Selection, Digest: p.Digest, ReasonCode: "IMPLAUSIBLE", Reason: "签到表系伪造",
	})
	must(b.t, err)
	if c.State != clawProposed || c.Totals != p.Totals || c.Selection != p.Selection || c.ProposedBy != apitest.Officer || c.Left != p.Totals.Completions {
		b.t.Errorf("proposed %+v of %+v", c, p)
	}
	return c
}

// holds has the first officer propose to take a selection back, and hold it until then.
func (b *bank) holds(s api.ClawbackSelection) api.Clawback {
	b.t.Helper()
	c, err := b.ProposeClawback(ctx(), b.Officer(apitest.Officer), api.ClawbackProposal{
		RequestID: b.RequestID(), Selection: s, ReasonCode: "IMPLAUSIBLE", Reason: "核查中", Hold: true,
	})
	must(b.t, err)
	return b.runs(c.Index, clawHeld)
}

// confirms has an officer preview a clawback and confirm it.
func (b *bank) confirms(officer string, clawback uint64) (api.Clawback, error) {
	b.t.Helper()
	p, err := b.PreviewClawback(ctx(), b.Officer(officer), api.ClawbackSelection{}, clawback, nil)
	must(b.t, err)
	return b.ConfirmClawback(ctx(), b.Officer(officer), b.RequestID(), clawback, p.Digest)
}

// runs has the bank do what was decided, and finds nothing to do afterwards.
func (b *bank) runs(clawback uint64, to ledgerv1.ClawbackState) api.Clawback {
	b.t.Helper()
	_, err := b.RunClawbacks(ctx())
	must(b.t, err)
	c, err := b.GetClawback(ctx(), b.Officer(apitest.Officer), clawback)
	must(b.t, err)
	if c.State != to {
		b.t.Fatalf("clawback %+v, not %v", c, to)
	}
	if n, err := b.RunClawbacks(ctx()); err != nil || n != 0 {
		b.t.Errorf("%d entries more, %v", n, err)
	}
	return c
}

// claws takes all of a selection back.
func (b *bank) claws(s api.ClawbackSelection) api.Clawback {
	b.t.Helper()
	c := b.proposesClawback(b.previews(s))
	_, err := b.confirms(apitest.SecondOfficer, c.Index)
	must(b.t, err)
	return b.runs(c.Index, clawFinished)
}

// expires has milli-credits of the only lot of a completion pass their expiry.
func (b *bank) expires(account api.Account, index uint64, credits int64) {
	b.t.Helper()
	_, e := b.entry(index)
	_, err := b.Ledger.Propose(ctx(), nil, func(tx *ledger.Tx) error {
		_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReleased{CreditsReleased: &ledgerv1.CreditsReleased{
			Account: account.ID[:], Effects: &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{
				Entry: index, Completion: &ledgerv1.CompletionRef{Index: index, EndDay: e.GetCompletionRecorded().GetEndDay()},
				Available: -credits, Expired: credits,
			}}},
		}}})
		return err
	})
	must(b.t, err)
}

// All of a course is taken back by two officers: what it gave, the case that was open on it, and nothing else; the learner reads
// why, appeals, and is heard by a third.
func TestClawbackOfCourse(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 3, 90)) // 18 minutes remain for the next
	second := b.one(b.learned(account, apitest.Calligraphy, 2, 60))
	kept := b.one(b.learned(account, apitest.Smartphone, 5, 90))
	late := b.one(b.learned(other, apitest.Calligraphy, 100, 90))
	gone := b.learned(other, apitest.Calligraphy, 4, 90)
	b.one(gone)
	b.one(b.Void(gone.GetId()))
	b.theCase("posted-late", late.Index)
	before := b.row(account).GetUsage()

	p := b.previews(ofCourse(apitest.Beishan, apitest.Calligraphy))
	if p.Totals != (api.ClawbackTotals{
		Completions: 3, Accounts: 2, Minutes: 150, Points: p.Totals.Points, Available: 200, Cases: 1,
	}) || p.Totals.Points == 0 || p.NotCounting != 1 || p.Unreachable != 0 || p.Organization != apitest.Beishan || p.Selection.Before != b.size() {
		t.Errorf("preview %+v", p)
	}
	if len(p.Accounts) != 2 || p.Accounts[0].Number != account.Number.Masked() || p.Accounts[0].Credits != 200 || p.Accounts[1].Completions != 1 {
		t.Errorf("accounts %+v", p.Accounts)
	}
	c := b.proposesClawback(p)
	if n, err := b.RunClawbacks(ctx()); err != nil || n != 0 {
		t.Errorf("%d entries before anybody has confirmed, %v", n, err)
	}
	_, err := b.confirms(apitest.Officer, c.Index)
	wants(t, err, api.Denied, api.ReasonFourEyes, "clawback")
	_, err = b.confirms(apitest.StreetOfficer, c.Index)
	wants(t, err, api.Denied, api.ReasonOwnInstitution, "clawback")
	// What is recorded meanwhile is not selected; what changes has to be seen.
	later := b.one(b.learned(other, apitest.Calligraphy, 1, 90))
	seen, err := b.PreviewClawback(ctx(), b.Officer(apitest.SecondOfficer), api.ClawbackSelection{}, c.Index, nil)
	if must(t, err); seen.Digest != p.Digest {
		t.Errorf("preview %+v changed from %+v", seen, p)
	}
	b.expires(account, second.Index, 100)
	_, err = b.ConfirmClawback(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), c.Index, seen.Digest)
	wants(t, err, api.Changed, api.ReasonClawbackChanged, "digest")
	c, err = b.confirms(apitest.SecondOfficer, c.Index)
	must(t, err)
	if c.State != clawConfirmed || c.Totals.Expired != 100 || c.DecidedBy != apitest.SecondOfficer || c.Left != 3 {
		t.Errorf("confirmed %+v", c)
	}
	_, err = b.confirms(apitest.ThirdOfficer, c.Index)
	wants(t, err, api.Changed, api.ReasonClawbackDecided, "clawback")
	c = b.runs(c.Index, clawFinished)
	if c.Done != 3 || c.Left != 0 || c.Minutes != 150 || c.Points != p.Totals.Points || c.Reversed != 100 || c.Unrecovered != 0 {
		t.Errorf("finished %+v", c)
	}
	if got := b.cases(); len(got) != 0 {
		t.Errorf("cases %+v are open", got)
	}
	was, _, _, steps, err := b.ReadCase(ctx(), b.Officer(apitest.Officer), late.Index)
	if must(t, err); was.Status != givenUp || len(steps) != 1 || steps[0].Step != ledgerv1.CaseStep_CASE_STEP_CLAWED_BACK || steps[0].State != givenUp ||
		steps[0].Officer != apitest.SecondOfficer || !steps[0].Deadline.IsZero() {
		t.Errorf("the case that was open: %+v, %+v", was, steps)
	}
	entries := b.has(account, 90, 100, 0, 100)
	if usage := b.usage(account); usage["year/2026"] != 100 || len(before) == 0 || b.remainder(account) != 18 {
		t.Errorf("usage %v, remainder %d", usage, b.remainder(account))
	}
	became(t, entries[kept.Index].Decision, awarded, 90, 100, 0)
	e := entries[second.Index]
	became(t, e.Decision, refused, 0, 0, 0)
	if words := e.Decision.Words(e.Decision.Reasons[len(e.Decision.Reasons)-1], "zh"); !strings.Contains(words, "追回") ||
		e.Note != "签到表系伪造" || e.ReasonCode != "IMPLAUSIBLE" {
		t.Errorf("the learner reads %q, %q (%s)", words, e.Note, e.ReasonCode)
	}
	if e.Case == nil || e.Case.Status != revoked || !e.Case.Deadline.Equal(b.midnight(30)) || len(e.Case.Steps) != 1 ||
		e.Case.Steps[0].Step != ledgerv1.CaseStep_CASE_STEP_CLAWED_BACK || e.Case.Steps[0].Note != "签到表系伪造" {
		t.Fatalf("case %+v", e.Case)
	}
	became(t, b.has(other, 90, 100, 0, 100)[later.Index].Decision, awarded, 90, 100, 0)
	// The platform hears of it.
	posted, _, _, err := b.ListCompletions(ctx(), b.Platform(apitest.Platform), c.Index+1, api.Page{})
	if must(t, err); !slices.ContainsFunc(posted, func(x api.Posted) bool { return x.Index == second.Index && x.Decision.Outcome == refused }) {
		t.Errorf("the feed has %+v", posted)
	}
	// Neither of the two officers hears the appeal.
	b.takes(b.Resident(account.ID), e.Case.ID, review.Appeal, appealed, "我去上了课")
	for _, officer := range []string{apitest.Officer, apitest.SecondOfficer} {
		_, err := b.step(b.Officer(officer), e.Case.ID, review.Approve)
		wants(t, err, api.Denied, api.ReasonFourEyes, "case_id")
	}
	b.until(b.takes(b.Officer(apitest.ThirdOfficer), e.Case.ID, review.Approve, noticed).Deadline)
	b.ends(1)
	// The minutes that the first one left are gone with it.
	became(t, b.has(account, 150, 100, 0, 100)[second.Index].Decision, awarded, 60, 0, 0)
	b.changesNothing("a clawback")
}

// Of a platform's period only that is taken back. Where another completion loses its ground, an officer looks at it.
func TestClawbackOfPlatform(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	best := b.post(apitest.OtherPlatform, withScore(b.learned(account, apitest.FirstAid, 5, 90), 90))[0]
	lesser := b.one(withScore(b.learned(account, apitest.FirstAidOnline, 3, 90), 80))
	became(t, lesser.Decision, duplicate, 0, 0, 0)
	outside := b.post(apitest.OtherPlatform, b.learned(other, apitest.Welding, 20, 720))[0]
	course := api.ClawbackSelection{Platform: apitest.OtherPlatform, Provider: apitest.Root, Course: apitest.Welding, Version: apitest.CourseVersion}
	if p := b.previews(course); p.Totals.Completions != 1 || p.Organization != apitest.OtherPlatform {
		t.Errorf("preview %+v", p)
	}
	c := b.claws(api.ClawbackSelection{Platform: apitest.OtherPlatform, From: "2026-06-01", To: "2026-06-14"})
	if c.Done != 1 || c.Organization != apitest.OtherPlatform {
		t.Errorf("clawback %+v", c)
	}
	b.theCase(api.CausePriorVoided, lesser.Index)
	became(t, b.has(account, 0, 0, 0, 100)[best.Index].Decision, refused, 0, 0, 0)
	became(t, b.has(other, 720, 1000, 0, 0)[outside.Index].Decision, awarded, 720, 1000, 0)
	// By the time of posting: nothing before a time, everything since.
	recorded := api.ClawbackSelection{Platform: apitest.OtherPlatform, RecordedUntil: apitest.Start()}
	if p := b.previews(recorded); p.Totals.Completions != 0 {
		t.Errorf("preview %+v", p)
	}
	recorded = api.ClawbackSelection{Platform: apitest.OtherPlatform, RecordedFrom: apitest.Start(), RecordedUntil: b.Clock.Now().Add(time.Hour)}
	if p := b.previews(recorded); p.Totals.Completions != 1 || p.NotCounting != 1 {
		t.Errorf("preview %+v", p)
	}
}

// Room that a clawback leaves under a cap goes to what waits.
func TestClawbackOfOne(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	big := b.one(b.learned(account, apitest.Welding, 30, 7200))
	p, _ := b.portfolio(account)
	first := p.Totals
	var last api.StatementResult
	for days := 3; p.Totals.Pending == 0; days += 6 {
		last = b.one(b.learnedUntil(account, apitest.Welding, apitest.Start().AddDate(0, 0, -30-days), 7200))
		p, _ = b.portfolio(account)
	}
	waits := p.Totals.Pending
	c := b.claws(api.ClawbackSelection{Completion: big.Index})
	if c.Done != 1 || c.Selection.Completion != big.Index || c.Organization != apitest.Root {
		t.Errorf("clawback %+v", c)
	}
	after, entries := b.portfolio(account)
	if after.Totals.Pending != 0 || after.Totals.Available != p.Totals.Available-first.Available+waits {
		t.Errorf("totals %+v, before %+v, and %+v of the one", after.Totals, p.Totals, first)
	}
	became(t, entries[big.Index].Decision, refused, 0, 0, 0)
	if entries[last.Index].Decision.Outcome != awarded {
		t.Errorf("%+v", entries[last.Index].Decision)
	}
	_, err := b.ProposeClawback(ctx(), b.Officer(apitest.Officer), api.ClawbackProposal{
		RequestID: b.RequestID(), Selection: c.Selection, Digest: b.previews(c.Selection).Digest, ReasonCode: "OTHER", Reason: "再来一次",
	})
	wants(t, err, api.Precondition, api.ReasonClawbackEmpty, "selection")
}

// What is held cannot be used, also what comes later; it comes free by another officer, or is taken back.
func TestHold(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	held := b.one(b.learned(account, apitest.Calligraphy, 3, 90))
	kept := b.one(b.learned(account, apitest.Smartphone, 5, 90))
	late := b.one(b.learned(other, apitest.Calligraphy, 100, 90))
	id := b.theCase("posted-late", late.Index).ID
	hold := api.ClawbackProposal{
		RequestID: b.RequestID(), Selection: ofCourse(apitest.Beishan, apitest.Calligraphy), ReasonCode: "IMPLAUSIBLE", Reason: "核查中",
		Hold: true, HoldFuture: true,
	}
	c, err := b.ProposeClawback(ctx(), b.Officer(apitest.Officer), hold)
	must(t, err)
	again, err := b.ProposeClawback(ctx(), b.Officer(apitest.Officer), hold)
	if must(t, err); again.Index != c.Index {
		t.Errorf("asked twice: %d and %d", c.Index, again.Index)
	}
	if c = b.runs(c.Index, clawHeld); c.Held != 2 || c.Left != 2 {
		t.Errorf("hold %+v", c)
	}
	usage := b.usage(account)
	entries := b.has(account, 180, 100, 100, 0)
	became(t, entries[held.Index].Decision, awarded, 90, 0, 100)
	became(t, entries[kept.Index].Decision, awarded, 90, 100, 0)
	reasons := entries[held.Index].Decision.Reasons
	if last := reasons[len(reasons)-1]; last.Rule != policy.Held || !strings.Contains(entries[held.Index].Decision.Words(last, "en"), "held") {
		t.Errorf("reasons %+v", reasons)
	}
	if n, err := b.Sweep(ctx()); err != nil || n != 0 {
		t.Errorf("the night sets free what is held: %d entries, %v", n, err)
	}
	_, err = b.step(b.Officer(apitest.Officer), id, review.Approve)
	wants(t, err, api.Precondition, api.ReasonCompletionHeld, "case_id")
	coming := b.one(b.learned(other, apitest.Calligraphy, 1, 90))
	if coming.Decision.Outcome != inReview || !slices.Contains(coming.Decision.Causes, policy.Held) {
		t.Errorf("%+v", coming.Decision)
	}
	became(t, b.one(b.learned(other, apitest.Smartphone, 2, 90)).Decision, awarded, 90, 100, 0)
	b.changesNothing("a hold")

	_, err = b.DeclineClawback(ctx(), b.Officer(apitest.Officer), b.RequestID(), c.Index)
	wants(t, err, api.Denied, api.ReasonFourEyes, "clawback")
	_, err = b.DeclineClawback(ctx(), b.Officer(apitest.StreetOfficer), b.RequestID(), c.Index)
	wants(t, err, api.Denied, api.ReasonOwnInstitution, "clawback")
	c, err = b.DeclineClawback(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), c.Index)
	if must(t, err); c.State != clawDeclined {
		t.Errorf("released %+v", c)
	}
	became(t, b.one(b.learned(account, apitest.Calligraphy, 1, 90)).Decision, awarded, 90, 100, 0)
	if c = b.runs(c.Index, clawReleased); c.Held != 0 {
		t.Errorf("released %+v", c)
	}
	entries = b.has(account, 270, 300, 0, 0)
	became(t, entries[held.Index].Decision, awarded, 90, 100, 0)
	if now := b.usage(account); now["year/2026"] != usage["year/2026"]+100 {
		t.Errorf("usage %v, it was %v", now, usage)
	}
	b.takes(b.Officer(apitest.Officer), id, review.Approve, approved)
	b.changesNothing("a hold that was released")

	// A hold goes over into a clawback.
	hold.RequestID, hold.HoldFuture, hold.Selection = b.RequestID(), false, api.ClawbackSelection{Platform: apitest.Platform}
	c, err = b.ProposeClawback(ctx(), b.Officer(apitest.Officer), hold)
	must(t, err)
	c = b.runs(c.Index, clawHeld)
	// Another hold wants some of them as well.
	hold.RequestID, hold.Selection = b.RequestID(), ofCourse(apitest.Cuiyuan, apitest.Smartphone)
	narrow, err := b.ProposeClawback(ctx(), b.Officer(apitest.ThirdOfficer), hold)
	must(t, err)
	narrow = b.runs(narrow.Index, clawHeld)
	_, err = b.DeclineClawback(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), c.Index)
	must(t, err)
	b.runs(c.Index, clawReleased)
	b.has(account, 270, 200, 100, 0) // the narrow one holds on
	_, err = b.confirms(apitest.SecondOfficer, narrow.Index)
	must(t, err)
	if narrow = b.runs(narrow.Index, clawFinished); narrow.Done != 2 || narrow.Held != 0 || narrow.Reversed != 200 {
		t.Errorf("clawback %+v", narrow)
	}
	b.has(account, 180, 200, 0, 100)
}

// A learner reads that credits are held, or taken back and appealed, also where a cap had all of them wait at first.
func TestHoldOfReleased(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	welding := b.learned(account, apitest.Welding, 60, 7200) // 10 credits
	b.one(welding)
	b.one(b.learned(account, apitest.Welding, 50, 10_080))        // 14: the half-year is full
	late := b.one(b.learned(account, apitest.Welding, 100, 7200)) // would wait, but never counted
	if d := b.has(account, 17_280, 24_000, 0, 0)[late.Index].Decision; d.Outcome != inReview || d.Reasons[len(d.Reasons)-1].Stage != ledgerv1.Stage_STAGE_REVIEW {
		t.Errorf("%+v", d)
	}
	waits := b.one(b.learned(account, apitest.Calligraphy, 3, 90))
	became(t, waits.Decision, awarded, 90, 0, 100)
	b.one(b.Void(welding.GetId()))
	became(t, b.has(account, 10_170, 14_100, 0, 10_000)[waits.Index].Decision, awarded, 90, 100, 0)
	c := b.holds(api.ClawbackSelection{Completion: waits.Index})
	d := b.has(account, 10_170, 14_000, 100, 10_000)[waits.Index].Decision
	if last := d.Reasons[len(d.Reasons)-1]; last.Rule != policy.Held {
		t.Errorf("reasons %+v", d.Reasons)
	}
	_, err := b.confirms(apitest.SecondOfficer, c.Index)
	must(t, err)
	b.runs(c.Index, clawFinished)
	e := b.has(account, 10_080, 14_000, 0, 10_100)[waits.Index]
	b.takes(b.Resident(account.ID), e.Case.ID, review.Appeal, appealed, "我去上了课")
	d = b.has(account, 10_080, 14_000, 0, 10_100)[waits.Index].Decision
	if last := d.Reasons[len(d.Reasons)-1]; last.Rule != "APPEALED" {
		t.Errorf("reasons %+v", d.Reasons)
	}
	b.fsck()
}

// A proposal that is turned down takes nothing back, and lists say so. The proposer may do that.
func TestClawbackDeclined(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 3, 90))
	c := b.proposesClawback(b.previews(ofCourse(apitest.Beishan, apitest.Calligraphy)))
	_, err := b.DeclineClawback(ctx(), b.Officer(apitest.StreetOfficer), b.RequestID(), c.Index)
	wants(t, err, api.Denied, api.ReasonOwnInstitution, "clawback")
	c, err = b.DeclineClawback(ctx(), b.Officer(apitest.Officer), b.RequestID(), c.Index)
	if must(t, err); c.State != clawDeclined || c.Left != 0 {
		t.Errorf("declined %+v", c)
	}
	b.runs(c.Index, clawDeclined)
	b.has(account, 90, 100, 0, 0)
	for organization, count := range map[string]int{apitest.Root: 1, apitest.Beishan: 1, apitest.Cuiyuan: 0} {
		list, _, err := b.ListClawbacks(ctx(), b.Officer(apitest.ThirdOfficer), organization, api.Page{})
		if must(t, err); len(list) != count {
			t.Errorf("%s has %+v", organization, list)
		}
	}
}

// dying is a context that ends after it was asked a number of times.
type dying struct {
	context.Context
	left atomic.Int64
}

func (d *dying) Err() error {
	if d.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// Wherever the bank stops in the middle, it goes on there.
func TestClawbackGoesOn(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	accounts := make([]api.Account, 10)
	statements := make([]*statementv1.Statement, 0, 700)
	for i := range accounts {
		accounts[i] = b.Open()
		for day := range 70 {
			statements = append(statements, b.learned(accounts[i], apitest.Calligraphy, day+1, 45))
		}
	}
	b.post(apitest.Platform, statements...)
	p := b.previews(ofCourse(apitest.Beishan, apitest.Calligraphy))
	c := b.proposesClawback(p)
	_, err := b.confirms(apitest.SecondOfficer, c.Index)
	must(t, err)
	parts := 0
	for calls := int64(1); c.State != clawFinished; calls *= 2 {
		d := &dying{Context: ctx()}
		d.left.Store(calls)
		n, err := b.RunClawbacks(d)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if n > 0 {
			parts++
		}
		before := c.Done
		c, err = b.GetClawback(ctx(), b.Officer(apitest.Officer), c.Index)
		must(t, err)
		if c.Done < before || c.Done+c.Left != p.Totals.Completions {
			t.Fatalf("%+v of %+v", c, p.Totals)
		}
	}
	if parts < 2 || c.Done != 700 || c.Reversed != p.Totals.Available+p.Totals.Pending || c.Minutes != p.Totals.Minutes {
		t.Errorf("in %d parts: %+v of %+v", parts, c, p.Totals)
	}
	for _, account := range accounts {
		row := b.row(account)
		if len(row.GetUsage())+len(row.GetRemainders())+len(row.GetPoints())+len(row.GetPending()) != 0 {
			t.Errorf("account %+v", row)
		}
	}
}

// Who was forgotten is not reached, and it is said.
func TestClawbackOfForgotten(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, gone := b.Open(), b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 3, 90))
	b.one(b.learned(gone, apitest.Calligraphy, 3, 90))
	must(t, b.Vault.Erase(ctx(), gone.ID))
	p := b.previews(ofCourse(apitest.Beishan, apitest.Calligraphy))
	if p.Totals.Completions != 1 || p.Unreachable != 1 {
		t.Errorf("preview %+v", p)
	}
	if c := b.claws(p.Selection); c.Done != 1 || c.Unreached != 1 || c.Left != 0 {
		t.Errorf("clawback %+v", c)
	}
}

// What is wrong with a selection or a proposal is said, and changes nothing.
func TestClawbackRefused(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	completion := b.one(b.learned(account, apitest.Calligraphy, 3, 90)).Index
	officer := b.Officer(apitest.Officer)
	course := ofCourse(apitest.Beishan, apitest.Calligraphy)
	with := func(change func(s *api.ClawbackSelection)) api.ClawbackSelection {
		s := course
		change(&s)
		return s
	}
	size := b.size()
	for name, c := range map[string]struct {
		by        access.Caller
		selection api.ClawbackSelection
		kind      api.Kind
		reason    api.Reason
		field     string
	}{
		"nothing":              {officer, api.ClawbackSelection{}, api.Invalid, api.ReasonClawbackSelection, "selection"},
		"only days":            {officer, api.ClawbackSelection{From: "2026-01-01"}, api.Invalid, api.ReasonClawbackSelection, "selection"},
		"completion and more":  {officer, with(func(s *api.ClawbackSelection) { s.Completion = completion }), api.Invalid, api.ReasonClawbackSelection, "selection"},
		"no completion":        {officer, api.ClawbackSelection{Completion: 1}, api.NotFound, api.ReasonNotFound, "selection.completion"},
		"no entry":             {officer, api.ClawbackSelection{Completion: 1 << 40}, api.NotFound, api.ReasonNotFound, "selection.completion"},
		"unknown course":       {officer, ofCourse(apitest.Beishan, "chess"), api.NotFound, api.ReasonUnknownCourse, "selection.course"},
		"unknown platform":     {officer, api.ClawbackSelection{Platform: "nobody"}, api.NotFound, api.ReasonUnknownOrganization, "selection.platform"},
		"no date":              {officer, with(func(s *api.ClawbackSelection) { s.From = "June" }), api.Invalid, api.ReasonField, "selection.from_date"},
		"days backwards":       {officer, with(func(s *api.ClawbackSelection) { s.From, s.To = "2026-02-02", "2026-02-01" }), api.Invalid, api.ReasonClawbackSelection, "selection.to_date"},
		"time backwards":       {officer, with(func(s *api.ClawbackSelection) { s.RecordedFrom, s.RecordedUntil = apitest.Start(), apitest.Start() }), api.Invalid, api.ReasonClawbackSelection, "selection.recorded_until_time"},
		"after the end":        {officer, with(func(s *api.ClawbackSelection) { s.Before = 1 << 40 }), api.Invalid, api.ReasonClawbackSelection, "selection.before"},
		"another part":         {b.Officer(apitest.StreetOfficer), ofCourse(apitest.Cuiyuan, apitest.Smartphone), api.Denied, api.ReasonDenied, ""},
		"a platform's own":     {b.Platform(apitest.Platform), api.ClawbackSelection{Platform: apitest.Platform}, api.Denied, api.ReasonDenied, ""},
		"a resident":           {b.Resident(account.ID), course, api.Denied, api.ReasonDenied, ""},
		"nobody":               {access.Caller{}, course, api.Unauthenticated, api.ReasonUnauthenticated, ""},
		"another's completion": {b.Officer(apitest.StreetOfficer), api.ClawbackSelection{Completion: 3}, api.NotFound, api.ReasonNotFound, "selection.completion"},
	} {
		_, err := b.PreviewClawback(ctx(), c.by, c.selection, 0, nil)
		if e := api.AsError(err); e == nil || e.Kind != c.kind || e.Reason != c.reason || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := b.previews(course)
	for name, c := range map[string]struct {
		change func(p *api.ClawbackProposal)
		reason api.Reason
		field  string
	}{
		"no words":            {func(p *api.ClawbackProposal) { p.Reason = "" }, api.ReasonNoteMissing, "reason"},
		"too many words":      {func(p *api.ClawbackProposal) { p.Reason = strings.Repeat("长", 501) }, api.ReasonField, "reason"},
		"no reason":           {func(p *api.ClawbackProposal) { p.ReasonCode = "EVIDENCE_SUFFICIENT" }, api.ReasonDecisionReason, "reason_code"},
		"no digest":           {func(p *api.ClawbackProposal) { p.Digest = "" }, api.ReasonField, "digest"},
		"half a digest":       {func(p *api.ClawbackProposal) { p.Digest = p.Digest[:32] }, api.ReasonField, "digest"},
		"another digest":      {func(p *api.ClawbackProposal) { p.Digest = strings.Repeat("0", 64) }, api.ReasonClawbackChanged, "digest"},
		"no end":              {func(p *api.ClawbackProposal) { p.Selection.Before = 0 }, api.ReasonField, "selection.before"},
		"future without hold": {func(p *api.ClawbackProposal) { p.HoldFuture = true }, api.ReasonClawbackSelection, "hold_future"},
		"future of one": {func(p *api.ClawbackProposal) {
			p.Hold, p.HoldFuture, p.Selection = true, true, api.ClawbackSelection{Completion: completion, Before: size}
		}, api.ReasonClawbackSelection, "hold_future"},
		"no request id": {func(p *api.ClawbackProposal) { p.RequestID = "" }, api.ReasonRequestID, "request_id"},
	} {
		proposal := api.ClawbackProposal{RequestID: b.RequestID(), Selection: p.Selection, Digest: p.Digest, ReasonCode: "OTHER", Reason: "理由"}
		c.change(&proposal)
		_, err := b.ProposeClawback(ctx(), officer, proposal)
		if e := api.AsError(err); e == nil || e.Reason != c.reason || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := b.GetClawback(ctx(), officer, 1)
	wants(t, err, api.NotFound, api.ReasonNotFound, "clawback")
	_, err = b.PreviewClawback(ctx(), officer, course, 1, nil)
	wants(t, err, api.Invalid, api.ReasonClawbackSelection, "selection")
	if b.size() != size {
		t.Errorf("%d entries were written", b.size()-size)
	}
	var looked []api.ClawbackProgress
	_, err = b.PreviewClawback(ctx(), officer, api.ClawbackSelection{Platform: apitest.Platform}, 0, func(at api.ClawbackProgress) error {
		looked = append(looked, at)
		return nil
	})
	must(t, err)
	for _, at := range looked {
		if at.Done > at.Total {
			t.Errorf("progress %+v", at)
		}
	}
}

// What was proposed is answered again, also where nothing could be proposed any more.
func TestClawbackProposedTwice(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	proposal := api.ClawbackProposal{Selection: ofCourse(apitest.Beishan, apitest.Calligraphy), ReasonCode: "OTHER", Reason: "核查", Hold: true}
	officer := b.Officer(apitest.Officer)
	var first api.Clawback
	var last api.ClawbackProposal
	for n := 0; ; n++ {
		proposal.RequestID = b.RequestID()
		c, err := b.ProposeClawback(ctx(), officer, proposal)
		if e := api.AsError(err); e != nil && e.Reason == api.ReasonClawbackLimit && n > 100 {
			break
		}
		must(t, err)
		first = c
		if n == 0 {
			_, err = b.DeclineClawback(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), c.Index)
			must(t, err)
			_, err = b.RunClawbacks(ctx())
			must(t, err)
			again, err := b.ProposeClawback(ctx(), officer, proposal)
			if must(t, err); again.Index != c.Index || again.State != clawReleased {
				t.Errorf("again %+v, first %+v", again, c)
			}
		}
		last = proposal
	}
	size := b.size()
	again, err := b.ProposeClawback(ctx(), officer, last)
	if must(t, err); again.Index != first.Index || b.size() != size {
		t.Errorf("again %+v, first %+v", again, first)
	}
	last.Reason = "另一个理由"
	_, err = b.ProposeClawback(ctx(), officer, last)
	wants(t, err, api.Precondition, api.ReasonClawbackLimit, "")
}

// A page looks at no more than ten thousand, and the next one goes on there.
func TestClawbacksOfOthers(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	own := b.proposesClawback(b.previews(ofCourse(apitest.Beishan, apitest.Calligraphy)))
	const others = 10_000
	selection, totals := &ledgerv1.ClawbackSelection{Course: 1}, new(ledgerv1.ClawbackTotals)
	digest := book.ClawbackDigest(selection, totals)
	_, errs, err := b.Ledger.ProposeEach(ctx(), nil, others, func(tx *ledger.Tx, _ int) error {
		_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackProposed{ClawbackProposed: &ledgerv1.ClawbackProposed{
			Actor: &ledgerv1.Actor{Organization: apitest.Root, Officer: apitest.Officer}, Organization: apitest.Cuiyuan,
			Selection: selection, Totals: totals, Digest: digest[:], ReasonCode: "OTHER", Reason: "核查",
		}}})
		return err
	})
	must(t, errors.Join(append(errs, err)...))
	officer := b.Officer(apitest.Officer)
	none, next, err := b.ListClawbacks(ctx(), officer, apitest.Beishan, api.Page{})
	if must(t, err); len(none) != 0 || next == "" {
		t.Errorf("%d clawbacks, then %q", len(none), next)
	}
	list, next, err := b.ListClawbacks(ctx(), officer, apitest.Beishan, api.Page{Token: next})
	if must(t, err); len(list) != 1 || list[0].Index != own.Index || next != "" {
		t.Errorf("%+v, then %q", list, next)
	}
	all, token := 0, ""
	for more := true; more; more = token != "" {
		if list, token, err = b.ListClawbacks(ctx(), officer, apitest.Root, api.Page{Size: 500, Token: token}); err != nil {
			t.Fatal(err)
		}
		all += len(list)
	}
	if all != others+1 {
		t.Errorf("%d of %d clawbacks are listed", all, others+1)
	}
}
