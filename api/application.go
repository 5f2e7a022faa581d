package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Each application is public for ever and changes the directory, on which all that is being posted is prepared: an organization that
// applies and withdraws over and over would hold up everybody.
const (
	maxApplications   = 12
	applicationPeriod = 30 * 24 * time.Hour
)

// Application is an organization's application for its accreditation.
type Application struct {
	// Index is the entry that applied.
	Index        uint64
	Organization string
	Role         ledgerv1.Role
	// ValidFrom and ValidUntil are YYYY-MM-DD, the last one inclusive or empty.
	ValidFrom, ValidUntil string
	Statement             string
	State                 ledgerv1.ApplicationState
	// AppealUntil is the last day for an appeal against a refusal; empty: there is none.
	AppealUntil string
	// ChangedIndex is the newest entry of it, Changed when it came to where it stands.
	ChangedIndex uint64
	Changed      time.Time
}

func applicationOf(row *ledgerv1.ApplicationRow) Application {
	f, p := row.GetFact(), row.GetProgress()
	return Application{
		Index: row.GetIndex(), Organization: f.GetOrganization(), Role: f.GetRole(), Statement: f.GetStatement(),
		ValidFrom: dayString(f.GetValidFromDay()), ValidUntil: dayString(f.GetValidUntilDay()), State: p.GetState(),
		AppealUntil: dayString(p.GetAppealUntilDay()), ChangedIndex: p.GetChangedIndex(), Changed: timeOf(p.GetTime()),
	}
}

// today is the day at an organization: in the time zone of its policy, else in UTC.
func (d *directory) today(organization string, now time.Time) int32 {
	if p := d.policyFor(organization, now); p != nil {
		return int32(p.Day(now))
	}
	return int32(now.Unix() / secondsPerDay)
}

// timeOfDay is noon of a day, which lies in it in every time zone of a policy.
func timeOfDay(day int32) time.Time {
	return time.Unix(int64(day)*secondsPerDay+secondsPerDay/2, 0).UTC()
}

// scope is the organization above which there may be nobody: the one whose policy is in force for another, or the root.
func (d *directory) scope(organization string, now time.Time) string {
	if p := d.policyFor(organization, now); p != nil {
		return p.Organization()
	}
	for d.parent(organization) != "" {
		organization = d.parent(organization)
	}
	return organization
}

// appealUntil is the last day for an appeal against a refusal; 0: there was one already.
func (d *directory) appealUntil(organization string, progress *ledgerv1.Progress, now time.Time) int32 {
	if progress.GetAppeals() > 0 {
		return 0
	}
	days := review.DefaultAppealDays
	if p := d.policyFor(organization, now); p != nil && p.AppealDays() > 0 {
		days = p.AppealDays()
	}
	return d.today(organization, now) + int32(days)
}

// matter is what a step of an application depends on.
func (d *directory) matter(organization string, by *ledgerv1.Actor, p *ledgerv1.Progress, now time.Time) review.Application {
	return review.Application{
		State: p.GetState(), Organization: organization, Scope: d.scope(organization, now), Applicant: by.GetOfficer(),
		Deciders: p.GetDeciders(), Returns: int(p.GetReturns()), Appeals: int(p.GetAppeals()), AppealUntil: p.GetAppealUntilDay(),
	}
}

// proposal is what a step of a course that was proposed depends on.
func (d *directory) proposal(c *course, now time.Time) review.Application {
	return d.matter(c.fact.GetProvider(), c.fact.GetActor(), c.GetProgress(), now)
}

func partyOf(caller access.Caller) review.Party {
	return review.Party{Officer: caller.Officer, Organization: caller.Organization}
}

// application answers what has a number: an application, or a course that was proposed.
func (d *directory) application(index uint64, now time.Time) (review.Application, *ledgerv1.ApplicationRow, *ledgerv1.Progress, *Error) {
	i, found := slices.BinarySearchFunc(d.applications, index, func(row *ledgerv1.ApplicationRow, index uint64) int {
		return int(int64(row.GetIndex()) - int64(index))
	})
	if found {
		row := d.applications[i]
		return d.matter(row.GetFact().GetOrganization(), row.GetFact().GetActor(), row.GetProgress(), now), row, row.GetProgress(), nil
	}
	if c := d.byIndex[index]; c != nil {
		return d.proposal(c, now), nil, c.GetProgress(), nil
	}
	return review.Application{}, nil, nil, faultf(NotFound, ReasonUnknownApplication, "application", "entry %d applies for nothing, and proposes no course", index)
}

// applicationFault says why a step cannot be taken.
func applicationFault(err error, field string) *Error {
	e := AsError(err)
	e.Field = field
	switch {
	case errors.Is(err, review.ErrTurn):
		e.Kind, e.Reason = Precondition, ReasonApplicationTurn
		e.Message = "this does not lead on from where it stands; read it again"
	case errors.Is(err, review.ErrWho):
		e.Message = "this is for who applied, or for an officer"
	case errors.Is(err, review.ErrFourEyes):
		e.Message = "you brought this, or decided it before; another officer is needed"
	case errors.Is(err, review.ErrOwnInstitution):
		e.Message = "it concerns your own institution; an officer above it decides"
	case errors.Is(err, review.ErrDeadline):
		e.Message = "the time for an appeal has passed"
	case errors.Is(err, review.ErrLimit):
		e.Message = "it has been returned, or appealed, as often as it can be"
	}
	return e
}

// NewApplication asks for an accreditation.
type NewApplication struct {
	RequestID, Organization string
	Role                    ledgerv1.Role
	ValidFrom, ValidUntil   string
	Statement               string
}

// Apply brings an organization for its accreditation in a role, or for the renewal of one.
func (b *Bank) Apply(ctx context.Context, caller access.Caller, n NewApplication) (Application, error) {
	fact, fault := n.check()
	if fault != nil {
		return Application{}, fault
	}
	fact.Actor = caller.Actor()
	done, err := b.once(ctx, change{
		caller: caller, method: access.Apply, requestID: n.RequestID, asked: n,
		reads: [][]byte{book.OrganizationKey(n.Organization)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.Apply, "organization", n.Organization); err != nil {
				return 0, err
			}
			if fault := n.checkOrganization(d, tx.Now()); fault != nil {
				return 0, fault
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccreditationApplied{AccreditationApplied: fact}})
		},
	})
	if err != nil {
		return Application{}, err
	}
	return b.applicationAt(ctx, done.Index)
}

func (n NewApplication) check() (*ledgerv1.AccreditationApplied, *Error) {
	if n.Role != ledgerv1.Role_ROLE_PLATFORM && n.Role != ledgerv1.Role_ROLE_PROVIDER {
		return nil, invalid(ReasonField, "role", "an organization applies as PLATFORM or as PROVIDER")
	}
	if fault := checkText("statement", n.Statement, 0, maxReasonCharacters); fault != nil {
		return nil, fault
	}
	from, fault := parseDay("valid_from", n.ValidFrom, false)
	if fault != nil {
		return nil, fault
	}
	until, fault := parseDay("valid_until", n.ValidUntil, true)
	if fault != nil {
		return nil, fault
	}
	if until != 0 && until < from {
		return nil, invalid(ReasonField, "valid_until", "the accreditation would end before it begins")
	}
	return &ledgerv1.AccreditationApplied{
		Organization: n.Organization, Role: n.Role, ValidFromDay: from, ValidUntilDay: until, Statement: n.Statement,
	}, nil
}

// checkOrganization refuses an application for what the organization has, that waits already, or of one that has ended or has applied too
// often.
func (n NewApplication) checkOrganization(d *directory, now time.Time) *Error {
	a := d.admissions[n.Organization]
	if a.until < d.today(n.Organization, now) {
		return faultf(Precondition, ReasonOrganizationEnded, "organization", "organization %q has ended", n.Organization)
	}
	if slices.Contains(a.roles, n.Role) && a.windows[n.Role] == nil {
		return faultf(Precondition, ReasonAccredited, "role", "organization %q is accredited for this, without an end", n.Organization)
	}
	lately := 0
	for _, row := range a.applications {
		if open := pending(row.GetProgress().GetState()); open && row.GetFact().GetRole() == n.Role {
			return faultf(Precondition, ReasonApplicationPending, "role", "application %d for the same waits; withdraw it first", row.GetIndex())
		}
		if now.Sub(timeOf(row.GetTime())) < applicationPeriod {
			lately++
		}
	}
	if lately >= maxApplications {
		return faultf(Precondition, ReasonStepLimit, "organization", "organization %q has applied %d times within 30 days, as often as it may: wait, or answer what was returned",
			n.Organization, lately)
	}
	return nil
}

// pending says whether something waits for an officer, or for who brought it.
func pending(state ledgerv1.ApplicationState) bool {
	return state == ledgerv1.ApplicationState_APPLICATION_STATE_UNSPECIFIED ||
		state == ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED || state == ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED
}

// ApplicationStep is a step of an application, or of a proposed course.
type ApplicationStep struct {
	RequestID   string
	Application uint64
	// Act is Approve, Reject or Return for officers, Answer, Appeal or Withdraw for who applied. Courses are approved and rejected by
	// DecideCourse.
	Act review.Act
	// ReasonCode is needed of officers, see AccreditationReason.
	ReasonCode, Note string
	// ValidFrom and ValidUntil are YYYY-MM-DD, for an approval; empty: as it was asked. TrustTier goes with them; 0: as it was.
	ValidFrom, ValidUntil string
	TrustTier             int
	// ChangedIndex is the newest entry of what was looked at; 0: it does not matter.
	ChangedIndex uint64
}

// StepApplication takes a step, and answers where the application stands and the entry.
func (b *Bank) StepApplication(
	ctx context.Context, caller access.Caller, s ApplicationStep,
) (state ledgerv1.ApplicationState, index uint64, err error) {
	fact, action, fault := s.check()
	if fault != nil {
		return 0, 0, fault
	}
	fact.Actor = caller.Actor()
	done, err := b.once(ctx, change{
		caller: caller, method: action, requestID: s.RequestID, asked: s,
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := caller.Holds(action); err != nil {
				return 0, err
			}
			matter, row, progress, fault := d.application(s.Application, tx.Now())
			if fault != nil {
				return 0, fault
			}
			if err := caller.Check(action, access.Subject{Organization: matter.Organization}, d); err != nil {
				return 0, err
			}
			if s.ChangedIndex != 0 && s.ChangedIndex != progress.GetChangedIndex() {
				return 0, faultf(Changed, ReasonApplicationChanged, "changed_index", "entry %d has changed it meanwhile; read it again", progress.GetChangedIndex())
			}
			if fact.State, err = review.Advance(matter, s.Act, partyOf(caller), d.today(matter.Organization, tx.Now())); err != nil {
				return 0, applicationFault(err, "application")
			}
			if fault := s.complete(fact, row); fault != nil {
				return 0, fault
			}
			if fact.GetState() == ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED {
				fact.AppealUntilDay = d.appealUntil(matter.Organization, progress, tx.Now())
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ApplicationStepTaken{ApplicationStepTaken: fact}})
		},
	})
	if err != nil {
		return 0, 0, err
	}
	view, err := b.ledger.View()
	if err != nil {
		return 0, 0, err
	}
	defer view.Close()
	e, err := entryOf(ctx, view, done.Index)
	return e.GetApplicationStepTaken().GetState(), done.Index, err
}

func (s ApplicationStep) check() (*ledgerv1.ApplicationStepTaken, access.Action, *Error) {
	action, least, codes := access.PursueApplication, 0, []string(nil)
	switch s.Act {
	case review.Approve:
		action, codes = access.DecideApplication, accreditReasons()
	case review.Reject:
		action, codes = access.DecideApplication, refuseReasons()
	case review.Return:
		action, codes, least = access.DecideApplication, returnReasons(), 1
	case review.Answer, review.Appeal:
		least = 1
	case review.Withdraw:
	default:
		return nil, "", invalid(ReasonUnknownEnum, "decision", "there is no such step of an application")
	}
	if fault := checkText("note", s.Note, least, maxReasonCharacters); fault != nil {
		if s.Note == "" {
			return nil, "", invalid(ReasonNoteMissing, "note", "words are needed for the other side")
		}
		return nil, "", fault
	}
	if codes != nil {
		if fault := checkAccreditationReason(s.ReasonCode, s.Note, codes, "note"); fault != nil {
			return nil, "", fault
		}
	} else if s.ReasonCode != "" {
		return nil, "", invalid(ReasonField, "reason_code", "a reason code is an officer's")
	}
	approves := s.Act == review.Approve
	if !approves && (s.ValidFrom != "" || s.ValidUntil != "" || s.TrustTier != 0) {
		return nil, "", invalid(ReasonField, "valid_from", "days and trust go with an accreditation only")
	}
	if s.TrustTier < 0 || s.TrustTier > maxTrustTier {
		return nil, "", invalid(ReasonField, "trust_tier", "the trust tier is %d, tiers are 1 to %d, and 0 for as it was", s.TrustTier, maxTrustTier)
	}
	from, fault := parseDay("valid_from", s.ValidFrom, true)
	if fault != nil {
		return nil, "", fault
	}
	until, fault := parseDay("valid_until", s.ValidUntil, true)
	if fault != nil {
		return nil, "", fault
	}
	return &ledgerv1.ApplicationStepTaken{
		Application: s.Application, ValidFromDay: from, ValidUntilDay: until, TrustTier: uint32(s.TrustTier), ReasonCode: s.ReasonCode, Note: s.Note,
	}, action, nil
}

// complete fills in the days that were asked for. A proposed course has no row, and is decided elsewhere.
func (s ApplicationStep) complete(fact *ledgerv1.ApplicationStepTaken, row *ledgerv1.ApplicationRow) *Error {
	if row == nil && (s.Act == review.Approve || s.Act == review.Reject) {
		return invalid(ReasonField, "application", "entry %d proposes a course; DecideCourse decides it", s.Application)
	}
	if s.Act != review.Approve {
		return nil
	}
	if fact.GetValidFromDay() == 0 {
		fact.ValidFromDay = row.GetFact().GetValidFromDay()
	}
	if fact.GetValidUntilDay() == 0 {
		fact.ValidUntilDay = row.GetFact().GetValidUntilDay()
	}
	if until := fact.GetValidUntilDay(); until != 0 && until < fact.GetValidFromDay() {
		return invalid(ReasonField, "valid_until", "the accreditation would end before it begins")
	}
	return nil
}

func (b *Bank) applicationAt(ctx context.Context, index uint64) (Application, error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Application{}, err
	}
	_, row, _, fault := d.application(index, b.config.Now())
	if fault != nil || row == nil {
		return Application{}, fmt.Errorf("%w: there is no application %d", ledger.ErrDamaged, index)
	}
	return applicationOf(row), nil
}

// ApplicationFilter says which applications are listed; what is empty does not filter.
type ApplicationFilter struct {
	// Within is an organization, whose own and whose descendants' are listed.
	Within string
	// State filters where Stated is set.
	Stated bool
	State  ledgerv1.ApplicationState
}

// ListApplications answers a page of the applications, the newest first. They are anyone's.
func (b *Bank) ListApplications(ctx context.Context, filter ApplicationFilter, page Page) (list []Application, next string, err error) {
	asked, err := page.newestFirst(usualDirectoryPage, maxDirectoryPage, filter)
	if err != nil {
		return nil, "", err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, "", err
	}
	var rows []*ledgerv1.ApplicationRow
	for _, row := range d.applications {
		if (!filter.Stated || row.GetProgress().GetState() == filter.State) &&
			(filter.Within == "" || d.Within(row.GetFact().GetOrganization(), filter.Within)) {
			rows = append(rows, row)
		}
	}
	rows, next, err = pageOfItems(asked, rows, (*ledgerv1.ApplicationRow).GetIndex)
	for _, row := range rows {
		list = append(list, applicationOf(row))
	}
	return list, next, err
}
