package api_test

import (
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
)

// A step that is asked again is answered with its own entry, wherever the case has come to since: whoever did not hear the first
// answer must not be told that there was nothing.
func TestStepAgain(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	type asked struct {
		by   access.Caller
		step api.Step
		want uint64
	}
	var all []asked
	take := func(by access.Caller, id uint64, act review.Act, code string) {
		t.Helper()
		s := api.Step{RequestID: b.RequestID(), Case: id, Act: act, ReasonCode: code}
		if act != review.Take && act != review.Withdraw {
			s.Note = "说明"
		}
		taken, err := b.TakeStep(ctx(), by, s)
		must(t, err)
		all = append(all, asked{by, s, taken.Index})
	}
	const sufficient = "EVIDENCE_SUFFICIENT"
	officer, another, third := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer), b.Officer(apitest.ThirdOfficer)
	account, id := b.risky()
	learner, other := b.Resident(account.ID), b.Resident(b.Open().ID)
	take(officer, id, review.Take, "")
	take(officer, id, review.Return, sufficient)
	take(learner, id, review.Answer, "")
	take(officer, id, review.Approve, sufficient)
	take(another, id, review.Approve, sufficient)
	take(other, id, review.Object, "")
	take(third, id, review.Reject, sufficient)
	take(learner, id, review.Appeal, "")
	take(learner, id, review.Withdraw, "")
	b.Clock.Advance(400 * 24 * time.Hour)
	before := b.size()
	for _, a := range all {
		taken, err := b.TakeStep(ctx(), a.by, a.step)
		if err != nil || taken.Index != a.want || taken.Case.Status != givenUp {
			t.Errorf("%v: entry %d, not %d; %v; %v", a.step.Act, taken.Index, a.want, taken.Case.Status, err)
		}
		// Another request under the same id is still another one.
		if a.step.Note != "" {
			a.step.Note += "!"
			if _, err := b.TakeStep(ctx(), a.by, a.step); err == nil {
				t.Errorf("%v: another step under the same request id was taken", a.step.Act)
			}
		}
	}
	// Nobody is answered with what another resident did.
	if _, err := b.TakeStep(ctx(), b.Resident(b.Open().ID), all[5].step); err == nil {
		t.Error("a stranger was answered with somebody's objection")
	}
	if b.size() != before+1 { // the account of the stranger
		t.Errorf("%d entries were written", b.size()-before)
	}
}

// So is a claim, when its account has as many as it may have.
func TestClaimAgain(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	first := b.certificate(resident, account.ID)
	id := b.files(resident, first)
	for range 9 {
		b.files(resident, b.certificate(resident, account.ID))
	}
	_, err := b.SubmitClaim(ctx(), resident, b.certificate(resident, account.ID))
	b.refused(err, api.ReasonClaimLimit)
	b.Clock.Advance(20 * 366 * 24 * time.Hour) // too old to be claimed now
	if again := b.files(resident, first); again != id {
		t.Errorf("claim %d, not %d", again, id)
	}
}
