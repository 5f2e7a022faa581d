package book

import (
	"crypto/sha256"
	"fmt"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Selected says whether a completion is one of a selection. All that is asked of it never changes.
func Selected(s *ledgerv1.ClawbackSelection, item *ledgerv1.CompletionItem) bool {
	return item.GetIndex() < s.GetBefore() && Fits(s, item)
}

// Fits says whether a completion is one of a selection, or would be had it been recorded in time.
func Fits(s *ledgerv1.ClawbackSelection, item *ledgerv1.CompletionItem) bool {
	return item.GetKind() == ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED &&
		(s.GetCompletion() == 0 || item.GetIndex() == s.GetCompletion()) &&
		(s.GetCourse() == 0 || item.GetCourse() == s.GetCourse()) &&
		(s.GetOrganization() == 0 || item.GetOrganization() == s.GetOrganization()) &&
		(s.GetFromDay() == 0 || item.GetEndDay() >= s.GetFromDay()) && (s.GetToDay() == 0 || item.GetEndDay() <= s.GetToDay()) &&
		(s.GetRecordedFrom() == 0 || item.GetTime() >= s.GetRecordedFrom()) &&
		(s.GetRecordedUntil() == 0 || item.GetTime() < s.GetRecordedUntil())
}

// Reversible says whether a completion counts, or could come to count, so that there is something to take back.
func Reversible(item *ledgerv1.CompletionItem) bool {
	switch item.GetOutcome() {
	case ledgerv1.Outcome_OUTCOME_AWARDED, ledgerv1.Outcome_OUTCOME_IN_REVIEW, ledgerv1.Outcome_OUTCOME_NO_CREDIT,
		ledgerv1.Outcome_OUTCOME_DUPLICATE:
		return true
	default:
		return false
	}
}

// ClawbackDigest stands for a selection and what it comes to: whoever confirms the one has seen the other. FORMAT.md has the text.
func ClawbackDigest(s *ledgerv1.ClawbackSelection, t *ledgerv1.ClawbackTotals) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "creditbank/v1 clawback\n%d %d %d %d %d %d %d %d\n%d %d %d %d %d %d %d %d %d %d\n",
		s.GetCompletion(), s.GetCourse(), s.GetOrganization(), s.GetFromDay(), s.GetToDay(), s.GetRecordedFrom(), s.GetRecordedUntil(), s.GetBefore(),
		t.GetCompletions(), t.GetAccounts(), t.GetMinutes(), t.GetMilliPoints(),
		t.GetPending(), t.GetAvailable(), t.GetReserved(), t.GetTransferred(), t.GetExpired(), t.GetCases()))
}

func (s *State) clawbackProposed(e *ledgerv1.Entry, fact *ledgerv1.ClawbackProposed) error {
	row, err := create[ledgerv1.ClawbackRow](s, ClawbackKey(e.GetIndex()), "the clawback")
	if err != nil {
		return err
	}
	if _, err := s.organizationNumber(fact.GetOrganization()); err != nil {
		return err
	}
	if fact.GetSelection().GetBefore() > e.GetIndex() {
		return fmt.Errorf("%w: it selects completions that are recorded after it", ErrInconsistent)
	}
	row.Time, row.State, row.StateTime = e.GetTime(), ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED, e.GetTime()
	row.Fact = &ledgerv1.ClawbackProposed{
		Actor: fact.GetActor(), Organization: fact.GetOrganization(), Selection: fact.GetSelection(), Totals: fact.GetTotals(),
		Digest: fact.GetDigest(), ReasonCode: fact.GetReasonCode(), Reason: fact.GetReason(), Hold: fact.GetHold(), HoldFuture: fact.GetHoldFuture(),
	}
	if err := s.heldFuture(e, row); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// heldFuture notes that what is held of completions to come has changed: whoever prepares them has to know.
func (s *State) heldFuture(e *ledgerv1.Entry, row *ledgerv1.ClawbackRow) error {
	if !row.GetFact().GetHoldFuture() {
		return nil
	}
	return s.set(DirectoryKey(), Uint(e.GetIndex()+1))
}

// Undecided says whether a clawback in this state waits for a second officer.
func Undecided(s ledgerv1.ClawbackState) bool {
	return s == ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED || s == ledgerv1.ClawbackState_CLAWBACK_STATE_HELD
}

// leads says whether a clawback goes from one state to another.
func leads(from, to ledgerv1.ClawbackState, hold bool) bool {
	switch to {
	case ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED, ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED:
		return Undecided(from)
	case ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED:
		return from == ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED
	case ledgerv1.ClawbackState_CLAWBACK_STATE_HELD:
		return hold && from == ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED
	case ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED:
		return hold && from == ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED
	default:
		return false
	}
}

func (s *State) clawbackDecided(e *ledgerv1.Entry, fact *ledgerv1.ClawbackDecided) error {
	row, err := must[ledgerv1.ClawbackRow](s, ClawbackKey(fact.GetClawback()), "such clawback")
	if err != nil {
		return err
	}
	from, to := row.GetState(), fact.GetState()
	if !leads(from, to, row.GetFact().GetHold()) {
		return fmt.Errorf("%w: clawback %d does not go from state %d to %d", ErrInconsistent, fact.GetClawback(), from, to)
	}
	row.State, row.StateTime = to, e.GetTime()
	switch to {
	case ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED, ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED:
		row.DecidedBy, row.Confirmed = fact.GetActor().GetOfficer(), fact.GetTotals()
		if err := s.heldFuture(e, row); err != nil {
			return err
		}
	case ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED:
		row.Unreached = fact.GetUnreached()
	default:
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// completionHeld has a clawback hold a completion, also one that another one held, or sets it free.
func (s *State) completionHeld(e *ledgerv1.Entry, fact *ledgerv1.CompletionHeld) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	item, err := s.completion(id, fact.GetCompletion())
	if err != nil {
		return err
	}
	clawback, err := must[ledgerv1.ClawbackRow](s, ClawbackKey(fact.GetClawback()), "such clawback")
	if err != nil {
		return err
	}
	if !fact.GetFree() {
		switch {
		case !clawback.GetFact().GetHold() || !Undecided(clawback.GetState()):
			return fmt.Errorf("%w: clawback %d holds nothing, or is decided", ErrInconsistent, fact.GetClawback())
		case !Selected(clawback.GetFact().GetSelection(), item) || !Reversible(item):
			return fmt.Errorf("%w: clawback %d does not select completion %d, or there is nothing of it to hold", ErrInconsistent, fact.GetClawback(), item.GetIndex())
		case item.GetHeldPlusOne() == fact.GetClawback()+1:
			return fmt.Errorf("%w: clawback %d holds completion %d already", ErrInconsistent, fact.GetClawback(), item.GetIndex())
		}
	} else if item.GetHeldPlusOne() != fact.GetClawback()+1 {
		return fmt.Errorf("%w: clawback %d does not hold completion %d", ErrInconsistent, fact.GetClawback(), item.GetIndex())
	}
	if err := s.free(item); err != nil {
		return err
	}
	if !fact.GetFree() {
		item.HeldPlusOne = fact.GetClawback() + 1
		clawback.Held++
	}
	return s.changeCompletion(e, id, account, item, item.GetOutcome(), fact.GetEffects())
}

// free ends that a completion is held, if it is.
func (s *State) free(item *ledgerv1.CompletionItem) error {
	if item.GetHeldPlusOne() == 0 {
		return nil
	}
	row, err := must[ledgerv1.ClawbackRow](s, ClawbackKey(item.GetHeldPlusOne()-1), "such clawback")
	if err != nil {
		return err
	}
	row.Held--
	item.HeldPlusOne = 0
	return nil
}

func (s *State) creditsReversed(e *ledgerv1.Entry, fact *ledgerv1.CreditsReversed) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	item, err := s.completion(id, fact.GetCompletion())
	if err != nil {
		return err
	}
	clawback, err := must[ledgerv1.ClawbackRow](s, ClawbackKey(fact.GetClawback()), "such clawback")
	if err != nil {
		return err
	}
	switch {
	case clawback.GetState() != ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED:
		return fmt.Errorf("%w: clawback %d is not confirmed, or finished", ErrInconsistent, fact.GetClawback())
	case !Selected(clawback.GetFact().GetSelection(), item):
		return fmt.Errorf("%w: clawback %d does not select completion %d", ErrInconsistent, fact.GetClawback(), item.GetIndex())
	case !Reversible(item) || item.GetClawbackPlusOne() == fact.GetClawback()+1:
		return fmt.Errorf("%w: there is nothing of completion %d to take back, or clawback %d has done so", ErrInconsistent, item.GetIndex(), fact.GetClawback())
	}
	if item.GetCasePlusOne() != 0 {
		if err := s.withdrawCase(e, account, item); err != nil {
			return err
		}
	}
	if err := s.openRevoked(e, item, clawback, fact); err != nil {
		return err
	}
	minutes, points := item.GetMinutes(), item.GetMilliPoints()
	if err := s.changeCompletion(e, id, account, item, ledgerv1.Outcome_OUTCOME_REFUSED, fact.GetEffects()); err != nil {
		return err
	}
	item.ClawbackPlusOne = fact.GetClawback() + 1
	clawback.Completions++
	clawback.Minutes += minutes - item.GetMinutes()
	clawback.MilliPoints += points - item.GetMilliPoints()
	for _, change := range fact.GetEffects().GetLotChanges() {
		clawback.Reversed += change.GetReversed()
	}
	clawback.Unrecovered += fact.GetUnrecovered()
	return nil
}

// openRevoked makes the case of a completion that a clawback takes back: it was never open, and its learner can appeal. The two
// officers of the clawback have judged it, and do not hear the appeal.
func (s *State) openRevoked(
	e *ledgerv1.Entry, item *ledgerv1.CompletionItem, clawback *ledgerv1.ClawbackRow, fact *ledgerv1.CreditsReversed,
) error {
	row, err := create[ledgerv1.CaseRow](s, CaseKey(e.GetIndex()), "the case")
	if err != nil {
		return err
	}
	row.Status, row.Time, row.StatusTime = ledgerv1.CaseStatus_CASE_STATUS_REVOKED, e.GetTime(), e.GetTime()
	row.Account, row.Completion, row.Causes, row.Risk = fact.GetAccount(), fact.GetCompletion(), fact.GetCauses(), fact.GetRisk()
	row.Course, row.Deadline, row.ChangedIndex = item.GetCourse(), fact.GetDeadline(), e.GetIndex()
	row.ClawbackPlusOne, row.Steps = fact.GetClawback()+1, []uint64{e.GetIndex()}
	row.DecidedPlusOne, row.DecidedTime, row.Officer = e.GetIndex()+1, e.GetTime(), clawback.GetDecidedBy()
	for _, officer := range []string{clawback.GetFact().GetActor().GetOfficer(), clawback.GetDecidedBy()} {
		row.Reviewers = append(row.Reviewers, &ledgerv1.CaseReviewer{Stage: ledgerv1.CaseStatus_CASE_STATUS_APPROVED, Officer: officer})
	}
	item.CasePlusOne, item.LastCasePlusOne, item.DecidedPlusOne = 0, e.GetIndex()+1, e.GetIndex()+1
	return s.list(row, e.GetIndex(), true)
}
