package book_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func applied(organization string) *ledgerv1.Entry {
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccreditationApplied{AccreditationApplied: &ledgerv1.AccreditationApplied{
		Organization: organization, Role: ledgerv1.Role_ROLE_PLATFORM, ValidFromDay: 100,
	}}}
}

func stepped(application uint64, state ledgerv1.ApplicationState, officer string) *ledgerv1.Entry {
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ApplicationStepTaken{ApplicationStepTaken: &ledgerv1.ApplicationStepTaken{
		Actor: &ledgerv1.Actor{Officer: officer}, Application: application, State: state, ValidFromDay: 100, ValidUntilDay: 200, TrustTier: 2,
	}}}
}

const (
	waits      = ledgerv1.ApplicationState_APPLICATION_STATE_UNSPECIFIED
	returned   = ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED
	admitted   = ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED
	refusedNow = ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED
	appealed   = ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED
)

func TestApplications(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	d.misfits(applied("nobody"))
	application := d.fits(applied("root"))
	d.misfits(stepped(application+1, returned, "li"))
	d.misfits(stepped(application, 99, "li"))
	for _, s := range []ledgerv1.ApplicationState{returned, waits, refusedNow, appealed} {
		d.fits(stepped(application, s, "li"))
	}
	backwards := stepped(application, admitted, "wu")
	backwards.GetApplicationStepTaken().ValidUntilDay = 99
	d.misfits(backwards)
	last := d.fits(stepped(application, admitted, "wu"))
	d.misfits(stepped(application, admitted, "wu"))
	row, err := d.state.Application(application)
	p := row.GetProgress()
	if err != nil || p.GetState() != admitted || !slices.Equal(p.GetDeciders(), []string{"li", "wu"}) || p.GetReturns() != 1 ||
		p.GetAppeals() != 1 || len(p.GetSteps()) != 5 || p.GetChangedIndex() != last || p.GetTime() != int64(last)*10 {
		t.Errorf("%v, %v", row, err)
	}
	root, err := d.state.Organization("root")
	if err != nil || root.GetTrustTier() != 2 || len(root.GetAccredited()) != 1 || root.GetAccredited()[0].GetApplication() != application ||
		root.GetAccredited()[0].GetDays().GetUntilDay() != 200 {
		t.Errorf("%v, %v", root, err)
	}
	if version, err := d.state.Directory(); err != nil || version != d.next {
		t.Errorf("directory %d, %v, not %d", version, err, d.next)
	}
}

// A suspension ends where it is said to, is cut short, or never begins.
func TestSuspensions(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	course := d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: &ledgerv1.CourseProposed{Provider: "root", Code: "tea"}}})
	change := func(c ledgerv1.CourseChange, from, until int32) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseChanged{CourseChanged: &ledgerv1.CourseChanged{
			Course: course, Change: c, FromDay: from, UntilDay: until,
		}}}
	}
	const suspended, reinstated, renewed = ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED, ledgerv1.CourseChange_COURSE_CHANGE_REINSTATED,
		ledgerv1.CourseChange_COURSE_CHANGE_RENEWED
	d.misfits(change(suspended, 10, 0)) // it is not accredited
	d.misfits(stepped(course, admitted, "li"))
	d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: &ledgerv1.CourseDecided{
		Course: course, Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
	}}})
	d.misfits(change(0, 10, 0))
	d.misfits(change(suspended, 0, 10))
	d.misfits(change(suspended, 10, 9))
	d.misfits(change(renewed, 10, 9))
	d.misfits(change(reinstated, 10, 0))
	want := func(ranges ...*ledgerv1.DayRange) {
		t.Helper()
		row, err := d.state.Course(course)
		if err != nil || !slices.EqualFunc(row.GetSuspended(), ranges, func(a, b *ledgerv1.DayRange) bool { return proto.Equal(a, b) }) {
			t.Errorf("%v, %v, not %v", row.GetSuspended(), err, ranges)
		}
	}
	d.fits(change(suspended, 10, 0))
	d.misfits(change(suspended, 20, 0)) // there is one without an end
	d.fits(change(reinstated, 15, 0))
	want(&ledgerv1.DayRange{FromDay: 10, UntilDay: 14})
	d.misfits(change(reinstated, 15, 0)) // it has ended
	d.misfits(change(suspended, 14, 0))
	d.fits(change(suspended, 15, 30))
	d.fits(change(reinstated, 15, 0))
	want(&ledgerv1.DayRange{FromDay: 10, UntilDay: 14})
	d.fits(change(renewed, 100, 0))
	if row, err := d.state.Course(course); err != nil || len(row.GetRenewed()) != 1 {
		t.Errorf("%v, %v", row, err)
	}
}

func TestOrganizationChanges(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	change := func(fact *ledgerv1.OrganizationChanged) *ledgerv1.Entry {
		if fact.GetOrganization() == "" {
			fact.Organization = "root"
		}
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationChanged{OrganizationChanged: fact}}
	}
	const trust, roles, suspended, reinstated, ended = ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST,
		ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ROLES, ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED,
		ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_REINSTATED, ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED
	d.misfits(change(&ledgerv1.OrganizationChanged{Organization: "nobody", Change: trust, TrustTier: 1}))
	d.misfits(change(&ledgerv1.OrganizationChanged{}))
	d.misfits(change(&ledgerv1.OrganizationChanged{Change: trust}))
	d.misfits(change(&ledgerv1.OrganizationChanged{Change: ended}))
	d.misfits(change(&ledgerv1.OrganizationChanged{Change: reinstated, FromDay: 5}))
	d.fits(change(&ledgerv1.OrganizationChanged{Change: trust, TrustTier: 4}))
	given := d.fits(change(&ledgerv1.OrganizationChanged{Change: roles, Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR}}))
	d.fits(change(&ledgerv1.OrganizationChanged{Change: suspended, FromDay: 5, UntilDay: 9}))
	d.fits(change(&ledgerv1.OrganizationChanged{Change: reinstated, FromDay: 7}))
	d.fits(change(&ledgerv1.OrganizationChanged{Change: ended, UntilDay: 50}))
	row, err := d.state.Organization("root")
	if err != nil || row.GetTrustTier() != 4 || row.GetRolesPlusOne() != given+1 || len(row.GetRoles()) != 1 || len(row.GetSuspended()) != 1 ||
		row.GetSuspended()[0].GetUntilDay() != 6 || row.GetLastDay() != 50 {
		t.Errorf("%v, %v", row, err)
	}
}
