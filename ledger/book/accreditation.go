package book

import (
	"fmt"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func (s *State) courseProposed(e *ledgerv1.Entry, fact *ledgerv1.CourseProposed) error {
	row, err := create[ledgerv1.CourseRow](s, CourseKey(e.GetIndex()), "the course")
	if err != nil {
		return err
	}
	row.Index, row.Fact, row.Progress = e.GetIndex(), fact, begun(e)
	name := CourseNameKey(fact.GetProvider(), fact.GetCode(), fact.GetVersion())
	if known, err := s.Row(name); err != nil {
		return err
	} else if known != nil {
		return fmt.Errorf("%w: this version of the course is there already", ErrInconsistent)
	}
	if err := s.set(name, Uint(e.GetIndex())); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) courseDecided(e *ledgerv1.Entry, fact *ledgerv1.CourseDecided) error {
	row, err := must[ledgerv1.CourseRow](s, CourseKey(fact.GetCourse()), "such course")
	if err != nil {
		return err
	}
	row.Decision, row.LastDay = fact.GetDecision(), fact.GetLastDay()
	if row.GetProgress() == nil {
		return fmt.Errorf("%w: the row of the course was made by software that knew less; make the derived rows again", ErrInconsistent)
	}
	state := row.GetProgress().GetState()
	switch fact.GetDecision() {
	case ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED:
		state = ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED
	case ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		state = ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED
	default:
	}
	advance(e, row.Progress, state, fact.GetActor(), fact.GetAppealUntilDay())
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// courseChanged suspends, reinstates or renews a course.
func (s *State) courseChanged(e *ledgerv1.Entry, fact *ledgerv1.CourseChanged) error {
	row, err := must[ledgerv1.CourseRow](s, CourseKey(fact.GetCourse()), "such course")
	if err != nil {
		return err
	}
	if row.GetDecision() != ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED {
		return fmt.Errorf("%w: the course is not accredited", ErrInconsistent)
	}
	days := &ledgerv1.DayRange{FromDay: fact.GetFromDay(), UntilDay: fact.GetUntilDay()}
	switch fact.GetChange() {
	case ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED:
		row.Suspended, err = suspend(row.Suspended, days)
	case ledgerv1.CourseChange_COURSE_CHANGE_REINSTATED:
		row.Suspended, err = reinstate(row.Suspended, fact.GetFromDay())
	case ledgerv1.CourseChange_COURSE_CHANGE_RENEWED:
		err = checkDays(days)
		row.Renewed = append(row.Renewed, days)
	default:
		err = fmt.Errorf("%w: nothing happened to the course", ErrInconsistent)
	}
	if err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// organizationChanged changes what an organization may do, and when.
func (s *State) organizationChanged(e *ledgerv1.Entry, fact *ledgerv1.OrganizationChanged) error {
	row, err := must[ledgerv1.OrganizationRow](s, OrganizationKey(fact.GetOrganization()), "such organization")
	if err != nil {
		return err
	}
	switch fact.GetChange() {
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST:
		if row.TrustTier = fact.GetTrustTier(); row.GetTrustTier() == 0 {
			err = fmt.Errorf("%w: there is no such trust", ErrInconsistent)
		}
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ROLES:
		row.RolesPlusOne, row.Roles = e.GetIndex()+1, fact.GetRoles()
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED:
		row.Suspended, err = suspend(row.Suspended, &ledgerv1.DayRange{FromDay: fact.GetFromDay(), UntilDay: fact.GetUntilDay()})
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_REINSTATED:
		row.Suspended, err = reinstate(row.Suspended, fact.GetFromDay())
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED:
		if row.LastDay = fact.GetUntilDay(); row.GetLastDay() == 0 {
			err = fmt.Errorf("%w: there is no last day", ErrInconsistent)
		}
	default:
		err = fmt.Errorf("%w: nothing happened to the organization", ErrInconsistent)
	}
	if err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// suspend adds a suspension after those that there are.
func suspend(all []*ledgerv1.DayRange, days *ledgerv1.DayRange) ([]*ledgerv1.DayRange, error) {
	if err := checkDays(days); err != nil {
		return nil, err
	}
	if n := len(all); n > 0 && (all[n-1].GetUntilDay() == 0 || days.GetFromDay() <= all[n-1].GetUntilDay()) {
		return nil, fmt.Errorf("%w: the suspension before has not ended by then", ErrInconsistent)
	}
	return append(all, days), nil
}

// reinstate ends the newest suspension before a day; one that would not have begun by then is gone.
func reinstate(all []*ledgerv1.DayRange, from int32) ([]*ledgerv1.DayRange, error) {
	n := len(all)
	if n == 0 || all[n-1].GetUntilDay() != 0 && all[n-1].GetUntilDay() < from {
		return nil, fmt.Errorf("%w: there is no suspension to be ended", ErrInconsistent)
	}
	if from <= all[n-1].GetFromDay() {
		return all[:n-1], nil
	}
	// All days before it: that of 1970-01-01 cannot be told from none.
	if from == 1 {
		return nil, fmt.Errorf("%w: no suspension ends on 1970-01-01", ErrInconsistent)
	}
	all[n-1].UntilDay = from - 1
	return all, nil
}

func checkDays(days *ledgerv1.DayRange) error {
	if days.GetFromDay() == 0 || days.GetUntilDay() != 0 && days.GetUntilDay() < days.GetFromDay() {
		return fmt.Errorf("%w: the days end before they begin", ErrInconsistent)
	}
	return nil
}

func (s *State) accreditationApplied(e *ledgerv1.Entry, fact *ledgerv1.AccreditationApplied) error {
	if _, err := s.organizationNumber(fact.GetOrganization()); err != nil {
		return err
	}
	row, err := create[ledgerv1.ApplicationRow](s, ApplicationKey(e.GetIndex()), "the application")
	if err != nil {
		return err
	}
	row.Index, row.Time, row.Fact, row.Progress = e.GetIndex(), e.GetTime(), fact, begun(e)
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// applicationStepTaken moves on an application, or a course that was proposed.
func (s *State) applicationStepTaken(e *ledgerv1.Entry, fact *ledgerv1.ApplicationStepTaken) error {
	if _, ok := ledgerv1.ApplicationState_name[int32(fact.GetState())]; !ok {
		return fmt.Errorf("%w: an application stands nowhere like that", ErrInconsistent)
	}
	known, err := s.Application(fact.GetApplication())
	if err != nil {
		return err
	}
	var progress *ledgerv1.Progress
	if known == nil {
		row, err := must[ledgerv1.CourseRow](s, CourseKey(fact.GetApplication()), "such application")
		if err != nil {
			return err
		}
		if decides(fact.GetState()) {
			return fmt.Errorf("%w: a course is decided by its own fact", ErrInconsistent)
		}
		if progress = row.GetProgress(); progress == nil {
			return fmt.Errorf("%w: the row of the course was made by software that knew less; make the derived rows again", ErrInconsistent)
		}
		// A refusal that is appealed against is no decision any more.
		row.Decision = ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED
	} else {
		row, err := edit[ledgerv1.ApplicationRow](s, ApplicationKey(fact.GetApplication()))
		if err != nil {
			return err
		}
		progress = row.GetProgress()
		if fact.GetState() == ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED {
			if err := s.admit(row, fact); err != nil {
				return err
			}
		}
	}
	if progress.GetState() == ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED {
		return fmt.Errorf("%w: it is accredited already", ErrInconsistent)
	}
	advance(e, progress, fact.GetState(), fact.GetActor(), fact.GetAppealUntilDay())
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// admit accredits an organization as it applied.
func (s *State) admit(application *ledgerv1.ApplicationRow, fact *ledgerv1.ApplicationStepTaken) error {
	days := &ledgerv1.DayRange{FromDay: fact.GetValidFromDay(), UntilDay: fact.GetValidUntilDay()}
	if err := checkDays(days); err != nil {
		return err
	}
	row, err := must[ledgerv1.OrganizationRow](s, OrganizationKey(application.GetFact().GetOrganization()), "such organization")
	if err != nil {
		return err
	}
	row.Accredited = append(row.Accredited, &ledgerv1.RoleWindow{
		Role: application.GetFact().GetRole(), Days: days, Application: application.GetIndex(),
	})
	if tier := fact.GetTrustTier(); tier != 0 {
		row.TrustTier = tier
	}
	return nil
}

// begun is the progress of what has just been brought.
func begun(e *ledgerv1.Entry) *ledgerv1.Progress {
	return &ledgerv1.Progress{Time: e.GetTime(), ChangedIndex: e.GetIndex()}
}

// advance moves something on to a state.
func advance(e *ledgerv1.Entry, p *ledgerv1.Progress, state ledgerv1.ApplicationState, actor *ledgerv1.Actor, appealUntil int32) {
	if decides(state) && p.GetState() != state {
		p.Deciders = append(p.Deciders, actor.GetOfficer())
	}
	switch state {
	case ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED:
		p.Returns++
	case ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED:
		p.Appeals++
	default:
	}
	if p.GetState() != state {
		p.State, p.Time = state, e.GetTime()
	}
	p.AppealUntilDay, p.ChangedIndex = appealUntil, e.GetIndex()
	p.Steps = append(p.Steps, e.GetIndex())
}

func decides(state ledgerv1.ApplicationState) bool {
	return state == ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED || state == ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED
}
