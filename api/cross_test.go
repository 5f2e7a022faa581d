package api_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const policyHeld = policy.Held

// accepts has an institution take over what it was asked to: some of it, or all.
func (a *acceptors) accepts(t api.Transfer, some ...api.TransferTake) api.Transfer {
	a.t.Helper()
	done, err := a.AcceptTransfer(ctx(), a.institution(t.Institution), api.Acceptance{RequestID: a.RequestID(), Hold: t.Hold, Take: some}, false)
	must(a.t, err)
	return done.Transfer
}

// What institutions took of an account counts for them after a merge, is found by both, and is told when it is taken back.
func TestMergeBringsTransfers(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.Open(), a.Open()
	s := a.learned(from, apitest.Welding, 20, wholeCourse)
	first := a.one(s)
	recognised := a.accepts(a.requests(from, college, elderCare))
	waits := a.requests(from, university, socialWork)
	m := a.proposes(from, into)
	a.agrees(apitest.Officer, m.ID)
	_, _, err := a.DecideMerge(ctx(), a.Officer(apitest.SecondOfficer), a.mergeStep(m.ID, true))
	wants(t, err, api.Precondition, api.ReasonMergeReserved, "merge")
	if _, preview, err := a.GetMerge(ctx(), a.Officer(apitest.Officer), m.ID); err != nil || preview != nil {
		t.Errorf("a preview of what cannot be done: %+v, %v", preview, err)
	}
	spent := a.accepts(waits)
	a.grants(from)
	m = a.agrees(apitest.SecondOfficer, m.ID)
	if m.Status != merged || a.totals(into)[2] != spent.Taken {
		t.Errorf("merge %+v, %v of %s", m, a.totals(into), spent.Taken)
	}
	a.changesNothing("a merge with transfers")
	// The same credits are not recognised once more, and what was sealed for the old account is read.
	a.one(withScore(a.learned(into, apitest.Smartphone, 5, 900), 80))
	for _, d := range a.quoted(into, college, elderCare).Decisions {
		if entry, _ := a.quoted(into, college, elderCare).Entry(d.Item.Lot); entry == first.Index && d.Takes != 0 {
			t.Errorf("recognised twice: %+v", d)
		}
	}
	resident := a.Resident(from.ID)
	for _, filter := range []api.TransferFilter{{Account: into.ID}, {Account: from.ID}} {
		listed, _, err := a.ListTransfers(ctx(), resident, filter, api.Page{})
		if err != nil || len(listed) != 2 || listed[0].Hold != spent.Hold || listed[1].Hold != recognised.Hold {
			t.Errorf("listed %+v, %v", listed, err)
		}
	}
	for _, hold := range []uint64{spent.Hold, recognised.Hold} {
		a.stands(into, hold, posted)
		file, err := a.TransferBundle(ctx(), resident, hold)
		must(t, err)
		if _, err := bundle.Verify(file, a.Verifier, apitest.Origin); err != nil {
			t.Error(err)
		}
	}
	// The number of the old account leads on, and the consent on it does not.
	ask := api.QuoteRequest{Number: string(from.Number), Programme: socialWork}
	_, err = a.QuoteTransfer(ctx(), a.institution(university), ask)
	wants(t, err, api.Denied, api.ReasonNoConsent, "account_number")
	a.grants(into)
	q, err := a.QuoteTransfer(ctx(), a.institution(university), ask)
	must(t, err)
	if len(q.Decisions) == 0 {
		t.Error("nothing is quoted")
	}
	consents, _, err := a.ListConsents(ctx(), resident, from.ID, api.Page{})
	if err != nil || len(consents) != 1 || consents[0].Active {
		t.Errorf("consents %+v, %v", consents, err)
	}
	_, err = a.WithdrawConsent(ctx(), resident, a.RequestID(), from.ID, consents[0].Index)
	must(t, err)
	if _, _, err := a.ListAccesses(ctx(), resident, from.ID, api.Page{}); err != nil {
		t.Error(err)
	}
	for _, by := range []access.Caller{resident, a.Officer(apitest.Officer)} {
		err := a.ExportPortfolio(ctx(), by, api.Export{Account: from.ID, Format: export.JSON, Purpose: "job"}, nil)
		wants(t, err, api.Precondition, api.ReasonAccountMerged, "account_id")
	}
	// A transfer of what came over binds it.
	later := a.requests(into, university, socialWork)
	stuck := false
	for _, item := range later.Items {
		stuck = stuck || item.Completion == first.Index
	}
	if _, _, err = a.UndoMerge(ctx(), a.Officer(apitest.ThirdOfficer), a.mergeStep(m.ID, true)); stuck != (err != nil) {
		t.Errorf("undone although credits are held: %v, %v", stuck, err)
	}
	r := a.one(a.Void(s.GetId()))
	for _, hold := range []uint64{spent.Hold, recognised.Hold} {
		if told := a.stands(into, hold, posted); !told.Items[0].IsClawedBack || told.Items[0].ClawedBack != r.Index {
			t.Errorf("told %+v", told)
		}
	}
	if _, raw := a.entry(r.Index); raw.GetCompletionVoided().GetUnrecovered() != int64(spent.Taken) {
		t.Errorf("unrecovered %d", raw.GetCompletionVoided().GetUnrecovered())
	}
	a.changesNothing("a void after a merge")
}

// What an institution took counts towards the caps of the account that goes on, also beyond them. What it did not take waits for room.
func TestMergeCountsWhatWasTaken(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.Open(), a.Open()
	came := a.one(a.learned(from, apitest.Welding, 20, wholeCourse)) // 10 credits
	a.accepts(a.requests(from, university, socialWork), api.TransferTake{Credits: 4_000})
	const left, taken = 6_000, 4_000
	before := a.totals(from)
	if before != [3]unit.Credits{left, 0, taken} {
		t.Errorf("taken in part: %v", before)
	}
	full := a.learned(into, apitest.Welding, 60, 2*wholeCourse) // 20
	a.one(full)
	a.one(a.learned(into, apitest.Welding, 50, wholeCourse)) // 4 of 10 fit the half-year
	counts := func(want unit.Credits) {
		t.Helper()
		if usage := a.usage(into); usage["half-year/2026-H1"] != int64(want) || usage["year/2026"] != int64(want) {
			t.Errorf("usage %v, not %d", usage, want)
		}
		a.fsck()
	}
	counts(24_000)
	m := a.merges(from, into)
	counts(24_000 + taken)
	if got := a.totals(into); got != [3]unit.Credits{24_000, 0, taken} {
		t.Errorf("merged %v", got)
	}
	_, entries := a.portfolio(into)
	if d := entries[came.Index].Decision; d.Available != 0 || d.Pending != left {
		t.Errorf("what came is %+v", d)
	}
	a.undoes(m)
	counts(24_000)
	if got := a.totals(from); got != before {
		t.Errorf("undone %v, not %v", got, before)
	}
	// Where there is room, nothing waits.
	a.one(a.Void(full.GetId()))
	a.merges(from, into)
	counts(20_000)
	if got := a.totals(into); got != [3]unit.Credits{10_000 + left, 0, taken} {
		t.Errorf("merged with room %v", got)
	}
}

// What was released in later periods than it was given in stays what it is where there is room in those.
func TestMergeKeepsPeriods(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.Open(), a.Open()
	for _, days := range []int{60, 30, 90} { // 60 credits in one half-year
		a.one(a.learned(from, apitest.Welding, days, 2*wholeCourse))
	}
	for range 6 {
		a.sweepsAfter(180)
	}
	h := a.requests(from, university, socialWork)
	var takes []api.TransferTake
	for i := range h.Items {
		takes = append(takes, api.TransferTake{Item: i, Credits: 1_000})
	}
	a.accepts(h, takes...)
	totals, usage := a.totals(from), a.usage(from)
	a.merges(from, into)
	if got := a.totals(into); got != totals || len(usage) < 5 || !maps.Equal(a.usage(into), usage) {
		t.Errorf("of %v in an empty account is %v; usage %v, and was %v", totals, got, a.usage(into), usage)
	}
	a.fsck()
}

// What was released in later periods, and waits again after a merge, finds the room that there is in those.
func TestMergeReleasesInPeriodsThatPassed(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.Open(), a.Open()
	for _, days := range []int{60, 30, 90} { // 60 credits in one half-year: all that one institution gives in a lifetime
		a.one(a.learned(from, apitest.Welding, days, 2*wholeCourse))
	}
	a.one(a.learned(into, apitest.Welding, 60, 2*wholeCourse))
	for range 6 {
		a.sweepsAfter(180)
	}
	if got := a.totals(from); got != [3]unit.Credits{60_000, 0, 0} {
		t.Errorf("before: %v", got)
	}
	m := a.merges(from, into)
	if p, _ := a.portfolio(into); p.Totals.Available != 60_000 || p.Totals.Pending != 20_000 || p.Totals.Reserved+p.Totals.Transferred != 0 {
		t.Errorf("merged: %+v", p.Totals)
	}
	a.fsck()
	a.undoes(m)
	if got := a.totals(from); got != [3]unit.Credits{60_000, 0, 0} {
		t.Errorf("undone: %v", got)
	}
}

// What is gone of credits that were released in two periods goes on counting in the older one: when the rest is taken back, and when it
// waits after a merge.
func TestGoneCountsInTheOldestPeriod(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	counts := func(of api.Account, first, second int64) {
		t.Helper()
		if usage := a.usage(of); usage["half-year/2026-H1"] != first || usage["half-year/2026-H2"] != second {
			t.Errorf("usage %v, not %d and %d", usage, first, second)
		}
		a.fsck()
	}
	learner := func() (l api.Account, statement []byte) {
		l = a.Open()
		a.one(a.learned(l, apitest.Welding, 60, 2*wholeCourse))
		s := a.learned(l, apitest.Welding, 30, 2*wholeCourse) // 4 of 20 in the first half-year, 16 in the second
		index := a.one(s).Index
		a.sweepsAfter(20)
		h := a.requests(l, university, socialWork)
		for i, item := range h.Items {
			if item.Completion == index {
				a.accepts(h, api.TransferTake{Item: i, Credits: 1_000})
			}
		}
		return l, s.GetId()
	}
	l, statement := learner()
	counts(l, 24_000, 16_000)
	a.one(a.Void(statement))
	counts(l, 21_000, 0)
	a.Clock.Advance(-20 * 24 * time.Hour)
	from, _ := learner()
	into := a.Open()
	a.one(a.learned(into, apitest.Welding, 60, 24*720))
	a.merges(from, into)
	counts(into, 25_000, 17_000) // as many as the year has room for
}

// spends has somebody learn what an officer has to approve, which gives 10 credits, and an institution take some of them. It answers the
// case.
func (a *acceptors) spends(l api.Account, part unit.Credits) (id uint64) {
	a.t.Helper()
	id = a.theCase("posted-late", a.one(a.learned(l, apitest.Welding, 100, wholeCourse)).Index).ID
	a.takes(a.Officer(apitest.ThirdOfficer), id, review.Approve, approved)
	a.accepts(a.requests(l, university, socialWork), api.TransferTake{Credits: part})
	return id
}

// What a transfer took of a completion goes on counting when the rest is taken back, and is not given again when it is approved again:
// before a merge as after it.
func TestGoneIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	for _, part := range []unit.Credits{4_000, 10_000} {
		a := newTransfers(t)
		from, into := a.Open(), a.Open()
		has := func(of api.Account, available, counts unit.Credits) {
			t.Helper()
			if got, usage := a.totals(of), a.usage(of)["half-year/2026-H1"]; got != [3]unit.Credits{available, 0, part} || usage != int64(counts) {
				t.Errorf("%d were transferred: %v, %d count", part, got, usage)
			}
			a.fsck()
		}
		id := a.spends(from, part)
		has(from, 10_000-part, 10_000)
		a.changesNothing("spent")
		a.takes(a.Officer(apitest.SecondOfficer), id, review.Revoke, revoked)
		has(from, 0, part)
		a.takes(a.Resident(from.ID), id, review.Appeal, appealed, "证书有效")
		has(from, 0, part)
		a.takes(a.Officer(apitest.Officer), id, review.Approve, approved)
		has(from, 10_000-part, 10_000)
		a.changesNothing("approved again")
		a.merges(from, into)
		has(into, 10_000-part, 10_000)
	}
}

// What is gone of a completion that is approved again takes its room under the caps; what else is given waits where there is none.
func TestGoneUnderCaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		other              int64 // minutes of what was learned since
		available, pending unit.Credits
	}{
		"no room": {20 * 720, 0, 6_000}, "some": {17 * 720, 3_000, 3_000}, "enough": {14 * 720, 6_000, 0}, "less than is gone": {2 * 24 * 720, 0, 6_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTransfers(t)
			l := a.Open()
			id := a.spends(l, 4_000)
			a.takes(a.Officer(apitest.SecondOfficer), id, review.Revoke, revoked)
			for left := c.other; left > 0; left -= 24 * 720 {
				a.one(a.learned(l, apitest.Welding, 60-int(left/720), min(left, 24*720)))
			}
			a.changesNothing("taken back")
			a.takes(a.Resident(l.ID), id, review.Appeal, appealed, "证书有效")
			a.takes(a.Officer(apitest.Officer), id, review.Approve, approved)
			_, entries := a.portfolio(l)
			d := entries[a.read(id).Completion].Decision
			var waits int64 // by the decision, before anything is released
			for _, r := range d.Reasons {
				if r.Stage == ledgerv1.Stage_STAGE_CAPS {
					waits += r.Carried
				}
			}
			if d.Available != c.available || d.Pending != c.pending || waits != int64(c.pending) {
				t.Errorf("approved again: %+v", d)
			}
			if usage := a.usage(l)["half-year/2026-H1"]; usage > 24_000 {
				t.Errorf("%d count towards the half-year", usage)
			}
			a.changesNothing("approved again")
			a.fsck()
		})
	}
}

// What a transfer took goes on counting when the platform takes the completion back, and when an officer leaves it its hours.
func TestGoneGoesOnCounting(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l := a.Open()
	s := a.learned(l, apitest.Welding, 20, wholeCourse)
	a.one(s)
	a.accepts(a.requests(l, university, socialWork), api.TransferTake{Credits: 4_000})
	a.one(a.Void(s.GetId()))
	a.one(a.learned(l, apitest.Welding, 60, 2*wholeCourse))
	a.one(a.learned(l, apitest.Welding, 40, wholeCourse))
	if got := a.totals(l); got != [3]unit.Credits{20_000, 0, 4_000} {
		t.Errorf("voided: %v", got)
	}
	a.changesNothing("voided")
	l = a.Open()
	id := a.spends(l, 4_000)
	a.takes(a.Officer(apitest.SecondOfficer), id, review.Revoke, revoked)
	a.takes(a.Resident(l.ID), id, review.Appeal, appealed, "证书有效")
	a.takes(a.Officer(apitest.Officer), id, review.HoursOnly, rejected)
	if got, usage := a.totals(l), a.usage(l)["half-year/2026-H1"]; got != [3]unit.Credits{0, 0, 4_000} || usage != 4_000 {
		t.Errorf("hours only: %v, %d count", got, usage)
	}
	a.changesNothing("hours only")
}

// What expired before a completion was taken back is not given again either, and counts again when it is approved again.
func TestExpiredIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	a.publish(beishanPolicy(t, "1", "2024-03-30", strings.Replace(twoMonths, "months: 2", "months: 5", 1)))
	l := a.Open()
	id := a.theCase("posted-late", a.one(a.learned(l, apitest.Calligraphy, 100, wholeCourse)).Index).ID
	a.takes(a.Officer(apitest.ThirdOfficer), id, review.Approve, approved)
	a.sweepsAfter(70)
	has := func(what string, counts int64) {
		t.Helper()
		p, err := a.GetPortfolio(ctx(), a.Resident(l.ID), l.ID, 0)
		must(t, err)
		if usage := a.usage(l)["half-year/2026-H1"]; usage != counts || p.Totals.Expired != 10_000 || p.Totals.Issued != 10_000 {
			t.Errorf("%s: %d count, %+v", what, usage, p.Totals)
		}
		a.changesNothing(what)
	}
	has("expired", 10_000)
	a.takes(a.Officer(apitest.SecondOfficer), id, review.Revoke, revoked)
	has("revoked", 0)
	a.takes(a.Resident(l.ID), id, review.Appeal, appealed, "证书有效")
	a.takes(a.Officer(apitest.Officer), id, review.Approve, approved)
	has("approved again", 10_000)
	a.fsck()
}

// What an institution recognised of a completion it recognises once, also when that is approved again.
func TestRecognisedOnce(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l := a.Open()
	id := a.theCase("posted-late", a.one(a.learned(l, apitest.Welding, 100, 2160)).Index).ID
	a.takes(a.Officer(apitest.ThirdOfficer), id, review.Approve, approved)
	if done := a.accepts(a.requests(l, college, elderCare)); done.Taken != 3_000 {
		t.Errorf("recognised %+v", done)
	}
	a.takes(a.Officer(apitest.SecondOfficer), id, review.Revoke, revoked)
	a.takes(a.Resident(l.ID), id, review.Appeal, appealed, "证书有效")
	a.takes(a.Officer(apitest.Officer), id, review.Approve, approved)
	if q := a.quoted(l, college, elderCare); q.Takes != 0 || q.Available != 3_000 {
		t.Errorf("the college takes %s of %s once more", q.Takes, q.Available)
	}
}

// What is gone of a claim that is granted again is not given again, though less be granted.
func TestGoneOfClaim(t *testing.T) {
	t.Parallel()
	for granted, left := range map[unit.Credits]unit.Credits{1000: 600, 500: 100, 400: 0, 300: 0} {
		goneOfClaim(t, granted, left)
	}
}

func goneOfClaim(t *testing.T, granted, left unit.Credits) {
	t.Helper()
	a := newTransfers(t)
	l := a.Open()
	id := a.claimed(l)
	a.accepts(a.requests(l, university, socialWork), api.TransferTake{Credits: 400})
	a.takes(a.Officer(apitest.ThirdOfficer), id, review.Revoke, revoked)
	a.takes(a.Resident(l.ID), id, review.Appeal, appealed, "证书有效")
	_, err := a.TakeStep(ctx(), a.Officer(apitest.StreetOfficer), api.Step{
		RequestID: a.RequestID(), Case: id, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: 720, Credits: granted},
	})
	must(t, err)
	a.Clock.Advance(30 * 24 * time.Hour) // its notice ends
	_, err = a.EndDue(ctx())
	must(t, err)
	if p, err := a.GetPortfolio(ctx(), a.Resident(l.ID), l.ID, 0); err != nil || p.Totals.Available != left || p.Totals.Transferred != 400 {
		t.Errorf("granted %s again: %+v, %v", granted, p.Totals, err)
	}
	if reasons := a.onlyEntry(l.ID).Decision.Reasons; reasons[len(reasons)-1].After != int64(left) {
		t.Errorf("granted %s again: %+v", granted, reasons)
	}
	if granted >= 400 { // what is worth less than is gone has no chain that comes to it
		a.portfolio(l)
	}
	a.fsck()
}

// What was asked of an account before it became part of another one is answered as it was then.
func TestMergeAnswersWhatWasAsked(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.Open(), a.Open()
	a.learns(from)
	officer := a.Officer(apitest.Registrar)
	consent := api.NewConsent{
		RequestID: a.RequestID(), Account: from.ID, Institution: university, Purpose: api.PurposeTransfer, Expires: a.Clock.Now().AddDate(0, 1, 0),
	}
	granted, err := a.GrantConsent(ctx(), officer, consent)
	must(t, err)
	q, err := a.QuoteTransfer(ctx(), a.institution(university), api.QuoteRequest{Number: string(from.Number), Programme: socialWork})
	must(t, err)
	asked := a.asked(q)
	asked.Number = string(from.Number)
	done, err := a.RequestTransfer(ctx(), a.institution(university), asked, false)
	must(t, err)
	a.accepts(done.Transfer)
	id := a.theCase("posted-late", a.one(a.learned(from, apitest.Calligraphy, 100, 90)).Index).ID
	a.takes(a.Officer(apitest.ThirdOfficer), id, review.Reject, rejected)
	appeal := api.Step{RequestID: a.RequestID(), Case: id, Act: review.Appeal, Note: "我有签到表"}
	heard, err := a.TakeStep(ctx(), a.Resident(from.ID), appeal)
	must(t, err)
	resident := a.Resident(from.ID)
	a.one(a.learned(from, apitest.Welding, 20, 2160))
	mine := a.asked(a.quoted(from, college, elderCare))
	placed, err := a.RequestTransfer(ctx(), resident, mine, false)
	must(t, err)
	a.accepts(placed.Transfer)
	own := consent
	own.RequestID = a.RequestID()
	given, err := a.GrantConsent(ctx(), resident, own)
	must(t, err)
	claim := a.certificate(resident, from.ID)
	filed, err := a.SubmitClaim(ctx(), resident, claim)
	must(t, err)
	a.merges(from, into)
	repeated, err := a.TakeStep(ctx(), a.Resident(from.ID), appeal)
	if must(t, err); repeated.Index != heard.Index {
		t.Errorf("appealed again: %+v, not %+v", repeated, heard)
	}
	replaced, err := a.RequestTransfer(ctx(), a.Resident(from.ID), mine, false)
	if must(t, err); replaced.Index != placed.Index {
		t.Errorf("asked again: %+v, not %+v", replaced, placed)
	}
	own.Account = into.ID // they name no account: it is the one that goes on
	regiven, err := a.GrantConsent(ctx(), a.Resident(from.ID), own)
	if must(t, err); regiven.Index != given.Index {
		t.Errorf("granted again: %+v, not %+v", regiven, given)
	}
	claim.Account = into.ID
	refiled, err := a.SubmitClaim(ctx(), a.Resident(from.ID), claim)
	if must(t, err); refiled.Index != filed.Index {
		t.Errorf("claimed again: %+v, not %+v", refiled, filed)
	}
	again, err := a.RequestTransfer(ctx(), a.institution(university), asked, false)
	if must(t, err); again.Index != done.Index || again.Transfer.Status != posted {
		t.Errorf("asked again: %+v, not %+v", again, done)
	}
	same, err := a.GrantConsent(ctx(), officer, consent)
	if must(t, err); same.Index != granted.Index {
		t.Errorf("granted again: %+v, not %+v", same, granted)
	}
	consent.RequestID = a.RequestID()
	_, err = a.GrantConsent(ctx(), officer, consent)
	wants(t, err, api.Precondition, api.ReasonAccountMerged, "account_id")
}

// A merge that is undone gives the transfers back.
func TestUndoMergeOfTransfers(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.learner(), a.Open()
	spent := a.accepts(a.requests(from, university, socialWork))
	before, row := a.totals(from), a.row(from)
	a.undoes(a.merges(from, into))
	if got := a.totals(from); got != before || a.totals(into) != [3]unit.Credits{} {
		t.Errorf("%v, not %v; %v", got, before, a.totals(into))
	}
	if now := a.row(from); fmt.Sprint(now.GetTransfers()) != fmt.Sprint(row.GetTransfers()) || len(a.row(into).GetTransfers()) != 0 {
		t.Errorf("transfers %v, %v", now.GetTransfers(), a.row(into).GetTransfers())
	}
	if listed, _, err := a.ListTransfers(ctx(), a.Resident(into.ID), api.TransferFilter{Account: into.ID}, api.Page{}); err != nil || len(listed) != 0 {
		t.Errorf("listed %+v, %v", listed, err)
	}
	a.stands(from, spent.Hold, posted)
}

// What a clawback holds is not judged anew by a merge, which would set it free.
func TestMergeWaitsForHolds(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	b.one(b.learned(from, apitest.Calligraphy, 3, 90))
	c := b.holds(ofCourse(apitest.Beishan, apitest.Calligraphy))
	m := b.proposes(from, into)
	b.agrees(apitest.Officer, m.ID)
	_, _, err := b.DecideMerge(ctx(), b.Officer(apitest.SecondOfficer), b.mergeStep(m.ID, true))
	wants(t, err, api.Precondition, api.ReasonMergeHeld, "merge")
	_, err = b.DeclineClawback(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), c.Index)
	must(t, err)
	b.runs(c.Index, clawReleased)
	b.agrees(apitest.SecondOfficer, m.ID)
	b.has(into, 90, 100, 0, 0)
	// A clawback finds what came over.
	if c := b.claws(ofCourse(apitest.Beishan, apitest.Calligraphy)); c.Done != 1 || c.Reversed != 100 {
		t.Errorf("clawback %+v", c)
	}
	b.changesNothing("a clawback after a merge")
}

// A clawback ends the transfers that wait on what it takes back or holds, and says so before; of what was transferred the
// institution is told.
func TestClawbackAmongTransfers(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l := a.Open()
	index := a.one(a.learned(l, apitest.Welding, 20, wholeCourse)).Index
	s := api.ClawbackSelection{Completion: index}
	recognised := a.accepts(a.requests(l, college, elderCare))
	waits := a.requests(l, university, socialWork)
	p := a.previews(s)
	if p.TransfersEnded != 1 || p.TransfersTold != 1 || p.Totals.Reserved != waits.Held || p.Totals.Transferred != 0 {
		t.Errorf("preview %+v", p)
	}
	hold := a.holds(s)
	a.stands(l, waits.Hold, takenBack)
	if got := a.totals(l); got != [3]unit.Credits{} {
		t.Errorf("held, %v", got)
	}
	if q := a.quoted(l, university, socialWork); q.Takes != 0 {
		t.Errorf("what is held is quoted: %+v", q.Quote)
	}
	_, err := a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(a.quoted(l, university, socialWork)), false)
	wants(t, err, api.Precondition, api.ReasonNothingToTransfer, "lots")
	_, err = a.DeclineClawback(ctx(), a.Officer(apitest.SecondOfficer), a.RequestID(), hold.Index)
	must(t, err)
	a.runs(hold.Index, clawReleased)
	a.changesNothing("a hold that ended a transfer")
	half := a.requests(l, university, socialWork)
	_, err = a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{
		RequestID: a.RequestID(), Hold: half.Hold, Take: []api.TransferTake{{Item: 0, Credits: half.Items[0].Credits / 2}},
	}, false)
	must(t, err)
	took := half.Items[0].Credits / 2
	open := a.requests(l, university, socialWork)
	since := a.size()
	c := a.claws(s)
	if c.Totals.Transferred != took || c.Unrecovered != took || c.Totals.Reserved != open.Held || c.Reversed != c.Totals.Available+c.Totals.Pending+open.Held {
		t.Errorf("clawback %+v, of which %s were taken", c, took)
	}
	a.stands(l, open.Hold, takenBack)
	listed, _, err := a.ListTransfers(ctx(), a.institution(university), api.TransferFilter{Status: ledgerv1.HoldStatus_HOLD_STATUS_REVERSED}, api.Page{})
	if err != nil || len(listed) != 2 {
		t.Errorf("the university lists %+v, %v", listed, err)
	}
	for _, of := range []api.Transfer{half, recognised} {
		if told := a.stands(l, of.Hold, posted); !told.Items[0].IsClawedBack || told.Items[0].ClawedBack < since {
			t.Errorf("told %+v", told)
		}
	}
	a.changesNothing("a clawback of what was transferred")
}

// An institution that is suspended is quoted nothing, asked for nothing and takes nothing; what waits for it can end.
func TestSuspendedAcceptor(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l := a.learner()
	q := a.quoted(l, university, socialWork)
	waits := a.requests(l, university, socialWork)
	today := a.Clock.Now().Format(time.DateOnly)
	must(t, a.changeOrganization(api.OrganizationChange{
		Organization: university, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED, From: today,
	}))
	resident := a.Resident(l.ID)
	_, err := a.QuoteTransfer(ctx(), resident, api.QuoteRequest{Institution: university, Programme: socialWork})
	wants(t, err, api.Precondition, api.ReasonNotAnAcceptor, "institution")
	_, err = a.RequestTransfer(ctx(), resident, a.asked(q), false)
	wants(t, err, api.Precondition, api.ReasonNotAnAcceptor, "institution")
	_, err = a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{RequestID: a.RequestID(), Hold: waits.Hold}, false)
	wants(t, err, api.Precondition, api.ReasonNotAnAcceptor, "institution")
	_, err = a.WithdrawTransfer(ctx(), resident, a.RequestID(), waits.Hold, false)
	must(t, err)
}
