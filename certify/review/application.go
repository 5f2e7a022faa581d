package review

import (
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// An application brings an organization for its accreditation; a course that is proposed goes the same way. It is a workflow of
// its own, beside that of cases: it concerns no account, nobody keeps it for a time, and its steps are public.

// MaxApplicationReturns is how often more may be asked of an applicant.
const MaxApplicationReturns = 5

// ApplicationState is where an application stands.
type ApplicationState = ledgerv1.ApplicationState

// Application is what a step of one depends on.
type Application struct {
	State ApplicationState
	// Organization that applies, or provides the course; Scope the one that published the policy for it, above which there may be
	// nobody.
	Organization, Scope string
	// Applicant is the officer who brought it; empty where the organization did by itself.
	Applicant string
	// Deciders are the officers who accredited or refused it.
	Deciders         []string
	Returns, Appeals int
	// AppealUntil is the last day for an appeal; 0: there is none.
	AppealUntil int32
}

// ApplicationStep leads from a state to another.
type ApplicationStep struct {
	From ApplicationState
	Act  Act
	To   ApplicationState
	// Role is Officer, or Source for whoever applied.
	Role Role
}

// ApplicationTable is the workflow of applications. Return, Answer, Approve, Reject, Appeal and Withdraw are what can be done.
func ApplicationTable() []ApplicationStep {
	const waits, returned, accredited, refused, appealed, withdrawn = ledgerv1.ApplicationState_APPLICATION_STATE_UNSPECIFIED,
		ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED, ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED,
		ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED, ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED,
		ledgerv1.ApplicationState_APPLICATION_STATE_WITHDRAWN
	return []ApplicationStep{
		{waits, Approve, accredited, Officer},
		{waits, Reject, refused, Officer},
		{waits, Return, returned, Officer},
		{waits, Withdraw, withdrawn, Source},
		{returned, Answer, waits, Source},
		{returned, Reject, refused, Officer},
		{returned, Withdraw, withdrawn, Source},
		{refused, Appeal, appealed, Source},
		{appealed, Approve, accredited, Officer},
		{appealed, Reject, refused, Officer},
		{appealed, Withdraw, withdrawn, Source},
	}
}

// Party is who takes a step of an application: an officer, in whose subtree its organization is, with the organization in which
// they act, or the organization itself.
type Party struct{ Officer, Organization string }

// Advance answers where an application stands after a step, or why it cannot be taken: nobody decides on what they brought, nor on
// their own institution, unless there may be nobody above it; and after an appeal another officer decides. Today is a day of the policy's
// time zone.
func Advance(a Application, act Act, by Party, today int32) (ApplicationState, error) {
	table := ApplicationTable()
	i := slices.IndexFunc(table, func(s ApplicationStep) bool { return s.From == a.State && s.Act == act })
	if i < 0 {
		return a.State, ErrTurn
	}
	switch s := table[i]; {
	case s.Role == Source && !a.brought(by):
		return a.State, ErrWho
	case s.Role == Officer && by.Officer == "":
		return a.State, ErrWho
	case s.Role == Officer && by.Officer == a.Applicant, s.Role == Officer && slices.Contains(a.Deciders, by.Officer):
		return a.State, ErrFourEyes
	case s.Role == Officer && by.Organization == a.Organization && a.Organization != a.Scope:
		return a.State, ErrOwnInstitution
	case act == Return && a.Returns >= MaxApplicationReturns, act == Appeal && a.Appeals >= maxAppeals:
		return a.State, ErrLimit
	case act == Appeal && (a.AppealUntil == 0 || today > a.AppealUntil):
		return a.State, ErrDeadline
	default:
		return s.To, nil
	}
}

// brought says whether somebody brought the application.
func (a Application) brought(by Party) bool {
	if by.Officer == "" {
		return by.Organization == a.Organization
	}
	return by.Officer == a.Applicant
}
