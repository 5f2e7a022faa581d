package api

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// CourseChange suspends, reinstates or renews an accredited course.
type CourseChange struct {
	RequestID               string
	Provider, Code, Version string
	Change                  ledgerv1.CourseChange
	// From and Until are YYYY-MM-DD. Until is for suspensions and renewals, and may be empty.
	From, Until string
	// ReasonCode is needed, see AccreditationReason; Reason says it in words.
	ReasonCode, Reason string
}

// ChangeCourse suspends, reinstates or renews a course. What was learned on other days, and what was recorded, stays as it is. Whether
// days matter at all is for the policy to say: one that has no condition on the course's window counts whatever is learned.
func (b *Bank) ChangeCourse(ctx context.Context, caller access.Caller, c CourseChange) (Course, error) {
	fact, fault := c.check()
	if fault != nil {
		return Course{}, fault
	}
	fact.Actor = caller.Actor()
	var index uint64
	_, err := b.once(ctx, change{
		caller: caller, method: access.ChangeCourse, requestID: c.RequestID, asked: c,
		reads: [][]byte{book.CourseNameKey(c.Provider, c.Code, c.Version)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := caller.Check(access.ChangeCourse, access.Subject{Organization: c.Provider}, d); err != nil {
				return 0, err
			}
			known := d.byName[courseName{c.Provider, c.Code, c.Version}]
			if known == nil {
				return 0, faultf(NotFound, ReasonUnknownCourse, "code", "there is no course %q in version %q of provider %q", c.Code, c.Version, c.Provider)
			}
			if fault := c.checkCourse(d, known, caller, d.today(c.Provider, tx.Now()), fact); fault != nil {
				return 0, fault
			}
			fact.Request, fact.Course = request, known.GetIndex()
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseChanged{CourseChanged: fact}})
		},
	})
	if err != nil {
		return Course{}, err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Course{}, err
	}
	if known := d.byName[courseName{c.Provider, c.Code, c.Version}]; known != nil {
		index = known.GetIndex()
	}
	return b.courseAt(ctx, index)
}

func (c CourseChange) check() (*ledgerv1.CourseChanged, *Error) {
	if fault := checkEnum("change", c.Change, ledgerv1.CourseChange_name); fault != nil {
		return nil, fault
	}
	renews := c.Change == ledgerv1.CourseChange_COURSE_CHANGE_RENEWED
	codes := changeReasons()
	if renews {
		codes = renewReasons()
	}
	if fault := checkAccreditationReason(c.ReasonCode, c.Reason, codes, "reason"); fault != nil {
		return nil, fault
	}
	from, until, fault := checkDays(c.From, c.Until, c.Change != ledgerv1.CourseChange_COURSE_CHANGE_REINSTATED)
	if fault != nil {
		return nil, fault
	}
	return &ledgerv1.CourseChanged{Change: c.Change, FromDay: from, UntilDay: until, ReasonCode: c.ReasonCode, Reason: c.Reason}, nil
}

// checkDays reads the days of a change. Where there is no last one, none may be said.
func checkDays(first, last string, ends bool) (from, until int32, fault *Error) {
	if from, fault = parseDay("from", first, false); fault != nil {
		return 0, 0, fault
	}
	if until, fault = parseDay("until", last, true); fault != nil {
		return 0, 0, fault
	}
	switch {
	case until != 0 && !ends:
		return 0, 0, invalid(ReasonField, "until", "a last day goes with a suspension or a renewal only")
	case until != 0 && until < from:
		return 0, 0, invalid(ReasonField, "until", "the days end before they begin")
	default:
		return from, until, nil
	}
}

func (c CourseChange) checkCourse(d *directory, known *course, caller access.Caller, today int32, fact *ledgerv1.CourseChanged) *Error {
	if status := known.status(); status != CourseAccredited {
		return faultf(Precondition, ReasonCourseDecided, "change", "the course is %s; only an accredited one is suspended, reinstated or renewed", status)
	}
	if c.Change == ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED {
		return checkSuspension(known.GetSuspended(), fact.GetFromDay(), today)
	}
	// What makes more count is decided by another officer than who proposed it, and not by the institution itself.
	switch p := d.proposal(known, timeOfDay(today)); {
	case caller.Officer == p.Applicant:
		return faultf(Denied, ReasonFourEyes, "change", "the officer who proposed a course neither renews nor reinstates it")
	case caller.Organization == p.Organization && p.Organization != p.Scope:
		return faultf(Denied, ReasonOwnInstitution, "change", "it is a course of your own institution; an officer above it decides")
	case c.Change == ledgerv1.CourseChange_COURSE_CHANGE_REINSTATED:
		return checkReinstatement(known.GetSuspended(), fact.GetFromDay())
	case fact.GetFromDay() < known.fact.GetValidFromDay():
		return invalid(ReasonField, "from", "the course was proposed for days from %s on", dayString(known.fact.GetValidFromDay()))
	}
	return nil
}

// checkSuspension refuses a suspension that would take back what may have been learned and recorded already, or that another one
// leaves no room for.
func checkSuspension(all []*ledgerv1.DayRange, from, today int32) *Error {
	if from < today {
		return invalid(ReasonSuspension, "from", "a suspension begins today, %s, or later: what was earned in good time stays", dayString(today))
	}
	if n := len(all); n > 0 {
		if last := rangeOfRow(all[n-1]); from <= last.until {
			return faultf(Precondition, ReasonSuspension, "from", "the suspension that begins on %s has not ended by then; reinstate first", dayString(last.from))
		}
	}
	return nil
}

// checkReinstatement refuses to end a suspension that there is not.
func checkReinstatement(all []*ledgerv1.DayRange, from int32) *Error {
	n := len(all)
	if n == 0 || rangeOfRow(all[n-1]).until < from {
		return faultf(Precondition, ReasonSuspension, "from", "there is no suspension that would still last on %s", dayString(from))
	}
	if from <= 1 {
		return invalid(ReasonField, "from", "no suspension ends so long ago")
	}
	return nil
}
