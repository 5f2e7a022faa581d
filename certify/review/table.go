package review

import (
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// When is a condition on the policy's rule and the case, beside the state.
type When uint8

// The conditions.
const (
	// Always holds.
	Always When = iota
	// TwoReviews: an approval takes a second officer.
	TwoReviews
	// TwoRefusals: a refusal does too.
	TwoRefusals
	// Notice: an approval is made public first.
	Notice
	// NoticeRuns: the time of the public notice has not passed.
	NoticeRuns
	// InTime: the deadline has not passed.
	InTime
	// Overdue: it has.
	Overdue
	// Appealable: the deadline has not passed, and nobody appealed before.
	Appealable
	// Objectionable: the deadline has not passed, and there were not too many objections, of all and of the caller.
	Objectionable
	// Returnable: it was not returned too often.
	Returnable
	// NotCounted: the subject counts nothing yet.
	NotCounted
)

// String says a condition in words; empty for none.
func (w When) String() string {
	switch w {
	case TwoReviews:
		return "a second officer is needed"
	case TwoRefusals:
		return "a refusal needs a second officer"
	case Notice:
		return "a public notice is needed"
	case NoticeRuns:
		return "the notice still runs"
	case InTime:
		return "in time"
	case Overdue:
		return "the deadline has passed"
	case Appealable:
		return "in time, once"
	case Objectionable:
		return "in time, not too often"
	case Returnable:
		return "not too often"
	case NotCounted:
		return "nothing of it counts yet"
	default:
		return ""
	}
}

func (w When) holds(r Rule, c Case, now time.Time) bool {
	switch w {
	case Always:
		return true
	case TwoReviews:
		return r.SecondReview
	case TwoRefusals:
		return r.SecondRefusal
	case Notice:
		return r.NoticeDays > 0
	case NoticeRuns:
		return now.Before(c.NoticeUntil)
	case InTime:
		return now.Before(c.Deadline)
	case Overdue:
		return !now.Before(c.Deadline)
	case Appealable:
		return c.Appeals < maxAppeals && now.Before(c.Deadline)
	case Objectionable:
		return c.Objections < MaxObjections && c.OwnObjections < MaxOwnObjections && now.Before(c.Deadline)
	case Returnable:
		return c.Returns < MaxReturns
	case NotCounted:
		return !c.Counted
	default:
		return false
	}
}

// Transition is one line of the table.
type Transition struct {
	From State
	Act  Act
	By   Role
	// When has to hold; of the lines with the same From and Act the first of which it does is taken.
	When When
	To   State
	// Step is what is written down; unspecified: the credits are awarded.
	Step ledgerv1.CaseStep
}

// Table is the workflow, whole. What is not in it is not possible.
func Table() []Transition {
	const (
		submitted = ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED
		first     = ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW
		returned  = ledgerv1.CaseStatus_CASE_STATUS_RETURNED
		second    = ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW
		notice    = ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
		objected  = ledgerv1.CaseStatus_CASE_STATUS_OBJECTED
		approved  = ledgerv1.CaseStatus_CASE_STATUS_APPROVED
		rejected  = ledgerv1.CaseStatus_CASE_STATUS_REJECTED
		appealed  = ledgerv1.CaseStatus_CASE_STATUS_APPEALED
		withdrawn = ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN
		revoked   = ledgerv1.CaseStatus_CASE_STATUS_REVOKED

		taken         = ledgerv1.CaseStep_CASE_STEP_TAKEN
		released      = ledgerv1.CaseStep_CASE_STEP_RELEASED
		giveBack      = ledgerv1.CaseStep_CASE_STEP_RETURNED
		resubmitted   = ledgerv1.CaseStep_CASE_STEP_RESUBMITTED
		lapsed        = ledgerv1.CaseStep_CASE_STEP_EVIDENCE_LAPSED
		recommended   = ledgerv1.CaseStep_CASE_STEP_RECOMMENDED
		wouldReject   = ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_REJECTION
		wouldKeep     = ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_HOURS_ONLY
		published     = ledgerv1.CaseStep_CASE_STEP_PUBLISHED
		objection     = ledgerv1.CaseStep_CASE_STEP_OBJECTED
		dismissed     = ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED
		appeal        = ledgerv1.CaseStep_CASE_STEP_APPEALED
		givenUp       = ledgerv1.CaseStep_CASE_STEP_WITHDRAWN
		takenBack     = ledgerv1.CaseStep_CASE_STEP_REVOKED
		refused       = ledgerv1.CaseStep_CASE_STEP_REJECTED
		hoursOnly     = ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY
		creditsAwards = ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED // CreditsAwarded is no step
	)
	return []Transition{
		// First review. Nobody has to take a case before judging it.
		{submitted, Take, Officer, Always, first, taken},
		{submitted, Return, Officer, Returnable, returned, giveBack},
		{submitted, Approve, Officer, TwoReviews, second, recommended},
		{submitted, Approve, Officer, Notice, notice, published},
		{submitted, Approve, Officer, Always, approved, creditsAwards},
		{submitted, HoursOnly, Officer, TwoRefusals, second, wouldKeep},
		{submitted, HoursOnly, Officer, Always, rejected, hoursOnly},
		{submitted, Reject, Officer, TwoRefusals, second, wouldReject},
		{submitted, Reject, Officer, Always, rejected, refused},
		{submitted, Withdraw, Learner, NotCounted, withdrawn, givenUp},

		{first, Take, Officer, Always, first, taken},
		{first, Release, Officer, Always, submitted, released},
		{first, Return, Officer, Returnable, returned, giveBack},
		{first, Approve, Officer, TwoReviews, second, recommended},
		{first, Approve, Officer, Notice, notice, published},
		{first, Approve, Officer, Always, approved, creditsAwards},
		{first, HoursOnly, Officer, TwoRefusals, second, wouldKeep},
		{first, HoursOnly, Officer, Always, rejected, hoursOnly},
		{first, Reject, Officer, TwoRefusals, second, wouldReject},
		{first, Reject, Officer, Always, rejected, refused},
		{first, Withdraw, Learner, NotCounted, withdrawn, givenUp},

		// More evidence. Where none comes, an officer decides on what there is: nobody loses anything by silence.
		{returned, Answer, Source, InTime, submitted, resubmitted},
		{returned, Expire, Bank, Overdue, submitted, lapsed},
		{returned, Withdraw, Learner, NotCounted, withdrawn, givenUp},

		// Second review, by another officer, who is free to decide otherwise.
		{second, Take, Officer, Always, second, taken},
		{second, Release, Officer, Always, second, released},
		{second, Approve, Officer, Notice, notice, published},
		{second, Approve, Officer, Always, approved, creditsAwards},
		{second, HoursOnly, Officer, Always, rejected, hoursOnly},
		{second, Reject, Officer, Always, rejected, refused},
		{second, Withdraw, Learner, NotCounted, withdrawn, givenUp},

		// Public notice, and objections to it. An officer who finds one without ground approves.
		{notice, Object, Anyone, Objectionable, objected, objection},
		{notice, Expire, Bank, Overdue, approved, creditsAwards},
		{notice, Withdraw, Learner, NotCounted, withdrawn, givenUp},
		{objected, Take, Officer, Always, objected, taken},
		{objected, Release, Officer, Always, objected, released},
		{objected, Approve, Officer, NoticeRuns, notice, dismissed},
		{objected, Approve, Officer, Always, approved, creditsAwards},
		{objected, HoursOnly, Officer, Always, rejected, hoursOnly},
		{objected, Reject, Officer, Always, rejected, refused},
		{objected, Withdraw, Learner, NotCounted, withdrawn, givenUp},

		// Appeal, once, to an officer who has not judged the case.
		{rejected, Appeal, Learner, Appealable, appealed, appeal},
		{revoked, Appeal, Learner, Appealable, appealed, appeal},
		{appealed, Take, Officer, Always, appealed, taken},
		{appealed, Release, Officer, Always, appealed, released},
		{appealed, Approve, Officer, Notice, notice, published},
		{appealed, Approve, Officer, Always, approved, creditsAwards},
		{appealed, HoursOnly, Officer, Always, rejected, hoursOnly},
		{appealed, Reject, Officer, Always, rejected, refused},
		{appealed, Withdraw, Learner, NotCounted, withdrawn, givenUp},

		// What was approved can be taken back, by an officer who has not judged it.
		{approved, Revoke, Officer, Always, revoked, takenBack},
	}
}
