package ledger

import (
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkAccreditation checks that no officer decides on what they brought themselves, and that another one decides after an appeal.
func (f *fsck) checkAccreditation(c *chunk, e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AccreditationApplied:
		switch fact.AccreditationApplied.GetRole() {
		case ledgerv1.Role_ROLE_PLATFORM, ledgerv1.Role_ROLE_PROVIDER:
		default:
			c.at(e.GetIndex(), "role", "nobody applies for it")
		}
	case *ledgerv1.Entry_CourseDecided:
		if fact.CourseDecided.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED {
			return nil
		}
		row, err := f.order.state.Course(fact.CourseDecided.GetCourse())
		if err != nil || row == nil {
			return err // applying it says that there is none
		}
		checkDecider(c, e.GetIndex(), fact.CourseDecided.GetActor(), row.GetFact().GetActor(), row.GetProgress())
	case *ledgerv1.Entry_ApplicationStepTaken:
		step := fact.ApplicationStepTaken
		switch step.GetState() {
		case ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED, ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED:
		default:
			return nil
		}
		row, err := f.order.state.Application(step.GetApplication())
		if err != nil || row == nil {
			return err // applying it says that there is none
		}
		checkDecider(c, e.GetIndex(), step.GetActor(), row.GetFact().GetActor(), row.GetProgress())
	}
	return nil
}

func checkDecider(c *chunk, index uint64, by, applicant *ledgerv1.Actor, progress *ledgerv1.Progress) {
	switch officer := by.GetOfficer(); {
	case officer == "":
		c.at(index, "actor", "no officer decides")
	case officer == applicant.GetOfficer():
		c.at(index, "actor", "the officer who brought it decides")
	case slices.Contains(progress.GetDeciders(), officer):
		c.at(index, "actor", "the officer decided it before the appeal")
	}
}
