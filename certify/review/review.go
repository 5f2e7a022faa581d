// Package review is the officers' workflow: where a case can stand, which step leads from there to where, and who may take it.
//
// All of it is one table, [Table]; WORKFLOW.md is drawn from it. [Decide] looks a step up in it, holds the rules that go
// across steps, and answers what follows: the step to be written down, where the case stands then, and until when. It reads
// no clock and no state, takes no step itself and judges no completion; the ledger records the step, and replay never asks
// this package again.
//
// Its one invariant: nobody judges the same case at two stages. Whoever reviewed it first does not review it second, and
// neither of them hears the objection or the appeal, or revokes what was approved.
//
// # Words
//
// A stage is what an officer's step belongs to: the state in which the case waits for it. A case that nobody has taken is at
// the stage of its first review too. A subject is what a case is about: a completion, or a claim to prior learning. The learner is
// the holder of the subject's account, its source whoever stated it: a platform, or the officer who filed a claim for them.
//
// # Time
//
// A state that ends by itself (RETURNED, PUBLIC_NOTICE) ends with an entry that the bank writes once its deadline has passed;
// until then it has not ended, but nobody can use it any more either. A lease ends without an entry: from its end on another
// officer may take the case, and does so in their own entry. The right to appeal ends with its deadline. The time in which
// officers should act (due) ends nothing: it is shown to them.
package review

import (
	"errors"
	"fmt"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Limits of one case, so that nobody can make it grow for ever.
const (
	MaxReturns = 5
	// MaxObjections are everybody's together, MaxOwnObjections those of one account or organization: it takes thirty of them to leave
	// nothing for anybody else.
	MaxObjections    = 60
	MaxOwnObjections = 2
	maxAppeals       = 1
)

// Why a step is refused.
var (
	// ErrTurn says that the step does not lead on from where the case stands.
	ErrTurn = errors.New("review: the step does not lead on from here")
	// ErrClosed says that the case has been decided, and that no such step leads out of that.
	ErrClosed = errors.New("review: the case is decided")
	// ErrWho says that the step is not this caller's to take.
	ErrWho = errors.New("review: the step is for somebody else")
	// ErrJurisdiction says that the officer acts in another part of the network.
	ErrJurisdiction = errors.New("review: outside the officer's jurisdiction")
	// ErrFourEyes says that the officer judged the case at another stage.
	ErrFourEyes = errors.New("review: another officer is needed")
	// ErrOwnCase says that the caller decides on their own learning, or on a claim that they filed, or objects to their own.
	ErrOwnCase = errors.New("review: it is the caller's own case")
	// ErrOwnInstitution says that the officer is of the institution whose class it is.
	ErrOwnInstitution = errors.New("review: it is the officer's own institution")
	// ErrHeld says that another officer has the case.
	ErrHeld = errors.New("review: another officer has the case")
	// ErrDeadline says that the time for the step has passed, or has not come.
	ErrDeadline = errors.New("review: not in time")
	// ErrLimit says that the case has had as many steps of this kind as it can have.
	ErrLimit = errors.New("review: too many steps of this kind")
	// ErrObjected says that the caller has objected to the case as often as one may.
	ErrObjected = errors.New("review: too many objections of the caller")
	// ErrBatch says that such a case is not decided among many.
	ErrBatch = errors.New("review: not to be decided among many")
)

// State is where a case stands.
type State = ledgerv1.CaseStatus

// Act is what somebody wants to do with a case.
type Act uint8

// The acts.
const (
	// Take has an officer keep the case for a time in which no other one takes it, or prolongs that time.
	Take Act = iota + 1
	// Release gives it back.
	Release
	// Return asks the learner and the source for more evidence.
	Return
	// Answer brings it.
	Answer
	// Approve says that the subject counts, or that an objection has no ground.
	Approve
	// HoursOnly says that its hours count, without credits.
	HoursOnly
	// Reject says that it counts nothing.
	Reject
	// Object says why it should not be approved.
	Object
	// Appeal asks another officer to look at a refusal, or at a revocation.
	Appeal
	// Withdraw gives the case up.
	Withdraw
	// Revoke takes back what was approved.
	Revoke
	// Expire is the bank's own: the deadline of a state has passed.
	Expire
)

// String names an act.
func (a Act) String() string {
	names := [...]string{
		"none", "take", "release", "return", "answer", "approve", "hours only", "reject", "object", "appeal", "withdraw", "revoke", "expire",
	}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("act %d", uint8(a))
}

// Role is who may take a step.
type Role uint8

// The roles.
const (
	// Officer is a certification officer in whose subtree the provider is.
	Officer Role = iota + 1
	// Learner is the holder of the subject's account.
	Learner
	// Source is whoever stated the subject: its platform, or the officer who filed a claim. What it may do the learner may too.
	Source
	// Anyone is a resident or an organization, whoever it is.
	Anyone
	// Bank is the bank itself, when a deadline has passed.
	Bank
)

// String names a role.
func (r Role) String() string {
	switch r {
	case Officer:
		return "officer"
	case Learner:
		return "learner"
	case Source:
		return "learner, platform or officer who filed it"
	case Anyone:
		return "anyone signed in"
	case Bank:
		return "bank"
	default:
		return "nobody"
	}
}

// Case is a case as it stands.
type Case struct {
	State State
	// Subject is the learner's account.
	Subject unit.AccountID
	// Provider is the institution whose class the subject is, empty where it is nobody's; Scope the organization that published the policy it is under.
	Provider, Scope string
	// FiledBy is the officer who filed the subject for its learner, and does not review it; empty where none did.
	FiledBy string
	// Counted says that the subject counts already, as it does when it is looked at again.
	Counted bool
	// Holder is the officer who has the case, until LeaseUntil.
	Holder     string
	LeaseUntil time.Time
	// Deadline is when the state ends by itself, or the right to appeal does; Due is by when an officer should act;
	// NoticeUntil is when the newest public notice ends. Zero where there is none.
	Deadline, Due, NoticeUntil time.Time
	// Reviewers are those who judged it, and at which stage.
	Reviewers []Reviewer
	// Returns, Objections and Appeals are how often each has happened.
	Returns, Objections, Appeals int
	// OwnObjections are those of the caller.
	OwnObjections int
}

// Reviewer is an officer who judged a case at a stage.
type Reviewer struct {
	Stage   State
	Officer string
}

// Caller is whoever wants to take a step. A role alone is not enough for an officer.
type Caller struct {
	Role Role
	// Officer is the officer's id, and Organization in whose subtree they act; Within says that the provider lies in it.
	Officer, Organization string
	Within                bool
	// Account is the caller's own account, zero where that is not known: officers' sign-ins do not say it.
	Account unit.AccountID
}

// Following is what a step leads to.
type Following struct {
	// Step is what is written down; unspecified: the credits are awarded.
	Step ledgerv1.CaseStep
	// State is where the case stands then.
	State State
	// Deadline, Due and LeaseUntil are as in Case; zero where there is none.
	Deadline, Due, LeaseUntil time.Time
}

// Awards says that the subject is approved with it.
func (f Following) Awards() bool { return f.State == ledgerv1.CaseStatus_CASE_STATUS_APPROVED }

// Stage is the stage that an officer's step belongs to.
func Stage(s State) State {
	if s == ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED {
		return ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW
	}
	return s
}

// Waiting says whether a case in this state waits for an officer.
func Waiting(s State) bool {
	switch s {
	case ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED, ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW, ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW,
		ledgerv1.CaseStatus_CASE_STATUS_OBJECTED, ledgerv1.CaseStatus_CASE_STATUS_APPEALED:
		return true
	default:
		return false
	}
}

// Ended says whether a case in this state is decided.
func Ended(s State) bool {
	switch s {
	case ledgerv1.CaseStatus_CASE_STATUS_APPROVED, ledgerv1.CaseStatus_CASE_STATUS_REJECTED,
		ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN, ledgerv1.CaseStatus_CASE_STATUS_REVOKED:
		return true
	default:
		return false
	}
}

// Opened is when an officer should first have acted on a case that is opened now; zero: nobody said.
func Opened(r Rule, now time.Time) time.Time { return r.due(now) }

// AppealUntil is until when the learner may appeal where a completion is taken back now by no step of a case: by a clawback.
func AppealUntil(r Rule, now time.Time) time.Time { return r.end(now, r.AppealDays) }

// Decide answers what an act leads to, under a rule and at a time, or which of the errors above forbids it.
func Decide(r Rule, c Case, by Caller, act Act, now time.Time) (Following, error) {
	t, err := find(r, c, act, now)
	if err != nil {
		return Following{}, err
	}
	if err := t.permits(c, by, now); err != nil {
		return Following{}, err
	}
	return t.follow(r, c, now), nil
}

// find looks the step up in the table.
func find(r Rule, c Case, act Act, now time.Time) (Transition, error) {
	known := false
	for _, t := range Table() {
		if t.From != c.State || t.Act != act {
			continue
		}
		known = true
		if t.When.holds(r, c, now) {
			return t, nil
		}
	}
	switch {
	case !known && Ended(c.State):
		return Transition{}, ErrClosed
	case !known:
		return Transition{}, ErrTurn
	case act == Object && c.OwnObjections >= MaxOwnObjections:
		return Transition{}, ErrObjected
	case act == Return && c.Returns >= MaxReturns, act == Object && c.Objections >= MaxObjections:
		return Transition{}, ErrLimit
	case act == Appeal && c.Appeals >= maxAppeals:
		return Transition{}, fmt.Errorf("%w: one appeal was heard", ErrClosed)
	case act == Withdraw:
		return Transition{}, fmt.Errorf("%w: what counts already is not given up by its learner", ErrTurn)
	default:
		return Transition{}, ErrDeadline
	}
}

// permits holds what the table says of who may take the step.
func (t Transition) permits(c Case, by Caller, now time.Time) error {
	switch t.By {
	case Officer:
		return t.permitsOfficer(c, by, now)
	case Learner:
		if by.Role != Learner || by.Account != c.Subject || by.Account.IsZero() {
			return ErrWho
		}
	case Source:
		if by.Role != Source && (by.Role != Learner || by.Account != c.Subject || by.Account.IsZero()) {
			return ErrWho
		}
	case Anyone:
		if by.Role != Learner && by.Role != Source && by.Role != Anyone {
			return ErrWho
		}
		if !by.Account.IsZero() && by.Account == c.Subject {
			return ErrOwnCase
		}
	case Bank:
		if by.Role != Bank {
			return ErrWho
		}
	}
	return nil
}

func (t Transition) permitsOfficer(c Case, by Caller, now time.Time) error {
	if by.Role != Officer || by.Officer == "" {
		return ErrWho
	}
	if !by.Within {
		return ErrJurisdiction
	}
	if by.Officer == c.FiledBy || (!by.Account.IsZero() && by.Account == c.Subject) {
		return ErrOwnCase
	}
	if t.Act == Release {
		if c.Holder != by.Officer {
			return ErrHeld
		}
		return nil
	}
	if c.Holder != "" && c.Holder != by.Officer && now.Before(c.LeaseUntil) {
		return ErrHeld
	}
	for _, r := range c.Reviewers {
		if r.Officer == by.Officer && r.Stage != Stage(c.State) {
			return ErrFourEyes
		}
	}
	// A school's officers may say what they think of its classes, but the word that makes them count is another's. Who
	// published the policy answers for it: there may be nobody above.
	if t.own(c) && by.Organization == c.Provider && c.Provider != c.Scope {
		return ErrOwnInstitution
	}
	return nil
}

// own says whether the step is one that officers of the provider do not take.
func (t Transition) own(c Case) bool {
	if Stage(c.State) != ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW && t.From != ledgerv1.CaseStatus_CASE_STATUS_APPROVED {
		return true
	}
	return t.To == ledgerv1.CaseStatus_CASE_STATUS_APPROVED || t.To == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
}

// follow works out what the step leads to.
func (t Transition) follow(r Rule, c Case, now time.Time) Following {
	f := Following{Step: t.Step, State: t.To}
	switch t.To {
	case ledgerv1.CaseStatus_CASE_STATUS_RETURNED:
		f.Deadline = r.end(now, r.ReturnDays)
	case ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE:
		f.Deadline = r.end(now, r.NoticeDays)
		if t.From == ledgerv1.CaseStatus_CASE_STATUS_OBJECTED {
			f.Deadline = c.NoticeUntil
		}
	case ledgerv1.CaseStatus_CASE_STATUS_REJECTED, ledgerv1.CaseStatus_CASE_STATUS_REVOKED:
		if c.Appeals < maxAppeals {
			f.Deadline = r.end(now, r.AppealDays)
		}
	default:
	}
	switch {
	case t.Act == Take:
		f.Due, f.LeaseUntil = c.Due, now.Add(r.Lease)
	case t.Act == Release:
		f.Due = c.Due
	case Waiting(t.To):
		f.Due = r.due(now)
	}
	return f
}
