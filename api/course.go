package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of courses and of lists of them.
const (
	maxTitleCharacters  = 100
	maxReasonCharacters = 500
	maxLevel            = 10 // where the policy has no framework of levels
	maxCapacity         = 1_000_000
	maxOpenCourses      = 1_000 // of a provider: what waits lies in everybody's memory, and officers read all of it
	maxDirectoryPage    = 1000
	usualDirectoryPage  = 100
)

// Course is a course with one provider, in one version.
type Course struct {
	Provider, Code, Version string
	Title                   string
	Category                string
	Level                   int
	NominalMinutes          unit.Minutes
	EquivalenceGroup        string
	// ValidFrom and ValidUntil are YYYY-MM-DD, the last one inclusive or empty.
	ValidFrom, ValidUntil string
	Capacity              int

	// What follows is not read in requests. Status is where it stands, Index the entry that proposed it.
	Status CourseStatus
	Index  uint64
	// LevelName and CategoryName are what the policy in force calls them; no words where it does not.
	LevelName, CategoryName Text
	ProviderName            string
	// Renewed and Suspended are days beside ValidFrom to ValidUntil on which it counts, and on which it does not.
	Renewed, Suspended []Days
	// AppealUntil is the last day for an appeal against a refusal; empty: there is none.
	AppealUntil string
}

// Days are a run of days as YYYY-MM-DD, both inclusive; the last one may be empty.
type Days struct{ From, Until string }

func daysOf(rows []*ledgerv1.DayRange) []Days {
	var days []Days
	for _, r := range rows {
		days = append(days, Days{dayString(r.GetFromDay()), dayString(r.GetUntilDay())})
	}
	return days
}

// CourseStatus is where a course stands.
type CourseStatus uint8

// The statuses of courses.
const (
	// CourseProposed waits for an officer, CourseReturned for its proposer.
	CourseProposed CourseStatus = iota + 1
	CourseReturned
	CourseAccredited
	CourseRefused
	// CourseAppealed was refused, and waits for another officer.
	CourseAppealed
	CourseWithdrawn
	CourseRetired
)

// String says a status in words.
func (s CourseStatus) String() string {
	words := [...]string{"unknown", "proposed", "returned", "accredited", "refused", "appealed", "withdrawn", "retired"}
	if int(s) < len(words) {
		return words[s]
	}
	return words[0]
}

// status is where the course stands.
func (c *course) status() CourseStatus {
	switch c.GetDecision() {
	case ledgerv1.CourseDecision_COURSE_DECISION_RETIRED:
		return CourseRetired
	case ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED:
		return CourseAccredited
	case ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		return CourseRefused
	default:
	}
	switch c.GetProgress().GetState() {
	case ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED:
		return CourseReturned
	case ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED:
		return CourseAppealed
	case ledgerv1.ApplicationState_APPLICATION_STATE_WITHDRAWN:
		return CourseWithdrawn
	default:
		return CourseProposed
	}
}

// courseOf is a course as it is shown. The policy is the one in force at its provider; nil: there is none.
func (d *directory) courseOf(c *course, p *published) Course {
	f := c.fact
	shown := Course{
		Provider: f.GetProvider(), Code: f.GetCode(), Version: f.GetVersion(), Title: f.GetTitle(), Category: f.GetCategory(),
		Level: int(f.GetLevel()), NominalMinutes: unit.Minutes(f.GetNominalMinutes()), EquivalenceGroup: f.GetEquivalenceGroup(),
		ValidFrom: dayString(f.GetValidFromDay()), ValidUntil: dayString(c.until()), Capacity: int(f.GetCapacity()),
		Status: c.status(), Index: c.GetIndex(), Renewed: daysOf(c.GetRenewed()), Suspended: daysOf(c.GetSuspended()),
		AppealUntil: dayString(c.GetProgress().GetAppealUntilDay()),
	}
	shown.ProviderName = d.organizations[shown.Provider].GetFact().GetName()
	if p != nil {
		category, _ := p.Category(shown.Category)
		shown.LevelName, shown.CategoryName = p.Level(shown.Level), category.Name
	}
	return shown
}

// ProposeCourse brings a course for accreditation.
func (b *Bank) ProposeCourse(ctx context.Context, caller access.Caller, requestID string, c Course) (Course, error) {
	fact, fault := c.check()
	if fault != nil {
		return Course{}, fault
	}
	fact.Actor = caller.Actor()
	asked := Course{
		Provider: c.Provider, Code: c.Code, Version: c.Version, Title: c.Title, Category: c.Category, Level: c.Level, Capacity: c.Capacity,
		NominalMinutes: c.NominalMinutes, EquivalenceGroup: c.EquivalenceGroup, ValidFrom: c.ValidFrom, ValidUntil: c.ValidUntil,
	}
	done, err := b.once(ctx, change{
		caller: caller, method: access.ProposeCourse, requestID: requestID, asked: asked,
		reads: [][]byte{book.CourseNameKey(c.Provider, c.Code, c.Version)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.ProposeCourse, "course.provider", c.Provider); err != nil {
				return 0, err
			}
			if fault := c.checkProvider(d, b.config.Now()); fault != nil {
				return 0, fault
			}
			if known, ok, err := tx.CourseNamed(c.Provider, c.Code, c.Version); err != nil {
				return 0, err
			} else if ok {
				return 0, faultf(Conflict, ReasonCourseKnown, "course.version", "entry %d proposed this version; a change is a new version", known)
			}
			if fault := d.checkOpenCourses(c.Provider); fault != nil {
				return 0, fault
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: fact}})
		},
	})
	if err != nil {
		return Course{}, err
	}
	return b.courseAt(ctx, done.Index)
}

// checkOpenCourses refuses a provider that has as many courses as may wait for officers.
func (d *directory) checkOpenCourses(provider string) *Error {
	open := 0
	for _, c := range d.provided[provider] {
		switch c.status() {
		case CourseProposed, CourseReturned, CourseAppealed:
			open++
		default:
		}
	}
	if open < maxOpenCourses {
		return nil
	}
	return faultf(Precondition, ReasonCourseLimit, "course.provider",
		"%d courses of the provider wait for a decision, as many as may be; withdraw some, or wait until officers have decided", open)
}

// check reads a course that is proposed.
func (c Course) check() (*ledgerv1.CourseProposed, *Error) {
	if !isCode(c.Code, maxNameBytes) {
		return nil, invalid(ReasonField, "course.code", "a course code has 1 to %d letters, digits and \"-_.\"", maxNameBytes)
	}
	if !isCode(c.Version, maxVersionBytes) {
		return nil, invalid(ReasonField, "course.version", "a version has 1 to %d letters, digits and \"-_.\"", maxVersionBytes)
	}
	if fault := checkText("course.title", c.Title, 1, maxTitleCharacters); fault != nil {
		return nil, fault
	}
	if c.Level < 0 || c.Level > policy.MaxLevels {
		return nil, invalid(ReasonField, "course.level", "the level is %d, levels are 0 to %d", c.Level, policy.MaxLevels)
	}
	if c.NominalMinutes < 1 || c.NominalMinutes > policy.MaxMinutes {
		return nil, invalid(ReasonMinutes, "course.nominal_minutes", "the course takes %d minutes, 1 to %d are taken", c.NominalMinutes, policy.MaxMinutes)
	}
	if c.EquivalenceGroup != "" && !isCode(c.EquivalenceGroup, maxNameBytes) {
		return nil, invalid(ReasonField, "course.equivalence_group", "a group has at most %d letters, digits and \"-_.\"", maxNameBytes)
	}
	if c.Capacity < 0 || c.Capacity > maxCapacity {
		return nil, invalid(ReasonField, "course.capacity", "the capacity is %d, 0 to %d are taken", c.Capacity, maxCapacity)
	}
	from, fault := parseDay("course.valid_from", c.ValidFrom, false)
	if fault != nil {
		return nil, fault
	}
	until, fault := parseDay("course.valid_until", c.ValidUntil, true)
	if fault != nil {
		return nil, fault
	}
	if until != 0 && until < from {
		return nil, invalid(ReasonField, "course.valid_until", "the course ends before it begins")
	}
	return &ledgerv1.CourseProposed{
		Provider: c.Provider, Code: c.Code, Version: c.Version, Title: c.Title, Category: c.Category,
		Level: uint32(c.Level), NominalMinutes: int64(c.NominalMinutes), EquivalenceGroup: c.EquivalenceGroup,
		ValidFromDay: from, ValidUntilDay: until, Capacity: uint32(c.Capacity),
	}, nil
}

// checkProvider refuses a provider that is none, and a category or a level that its policy does not know.
func (c Course) checkProvider(d *directory, now time.Time) *Error {
	if fault := checkIsProvider(d, "course.provider", c.Provider); fault != nil {
		return fault
	}
	if a := d.admissions[c.Provider]; a.until < d.today(c.Provider, now) {
		return faultf(Precondition, ReasonOrganizationEnded, "course.provider", "organization %q has ended", c.Provider)
	}
	p := d.policyFor(c.Provider, now)
	if p == nil {
		return faultf(Precondition, ReasonNoPolicy, "course.provider", "no policy is in force for provider %q", c.Provider)
	}
	if most := cmp.Or(p.Levels(), maxLevel); c.Level > most {
		return invalid(ReasonUnknownLevel, "course.level", "the level is %d; the framework of policy %q has levels 1 to %d, and 0 is for none",
			c.Level, p.ID(), most)
	}
	var categories []string
	for _, category := range p.Categories() {
		if category.ID == c.Category {
			return nil
		}
		categories = append(categories, category.ID)
	}
	return invalid(ReasonUnknownCategory, "course.category", "the category is none of %v", categories)
}

func checkIsProvider(d *directory, field, organization string) *Error {
	roles, ok := d.Roles(organization)
	if !ok {
		return faultf(NotFound, ReasonUnknownOrganization, field, "there is no organization %q", organization)
	}
	if slices.Contains(roles, ledgerv1.Role_ROLE_PROVIDER) {
		return nil
	}
	return faultf(Precondition, ReasonNotAProvider, field, "organization %q is no provider", organization)
}

// CourseVerdict asks to decide a course.
type CourseVerdict struct {
	RequestID               string
	Provider, Code, Version string
	Decision                ledgerv1.CourseDecision
	// LastDay is YYYY-MM-DD, for a retirement.
	LastDay string
	// ReasonCode says why, see AccreditationReason; it may be empty. Reason says it in words.
	ReasonCode, Reason string
}

// DecideCourse accredits, refuses or retires a course.
func (b *Bank) DecideCourse(ctx context.Context, caller access.Caller, v CourseVerdict) (Course, error) {
	last, fault := v.check()
	if fault != nil {
		return Course{}, fault
	}
	done, err := b.once(ctx, change{
		caller: caller, method: access.DecideCourse, requestID: v.RequestID, asked: v,
		reads: [][]byte{book.CourseNameKey(v.Provider, v.Code, v.Version)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := caller.Check(access.DecideCourse, access.Subject{Organization: v.Provider}, d); err != nil {
				return 0, err
			}
			c := d.byName[courseName{v.Provider, v.Code, v.Version}]
			if fault := v.checkCourse(d, c, caller, b.config.Now()); fault != nil {
				return 0, fault
			}
			fact := &ledgerv1.CourseDecided{
				Actor: caller.Actor(), Request: request, Course: c.GetIndex(), Decision: v.Decision, LastDay: last, Reason: v.Reason,
				ReasonCode: v.ReasonCode,
			}
			if v.Decision == ledgerv1.CourseDecision_COURSE_DECISION_REFUSED {
				fact.AppealUntilDay = d.appealUntil(v.Provider, c.GetProgress(), tx.Now())
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: fact}})
		},
	})
	if err != nil {
		return Course{}, err
	}
	view, err := b.ledger.View()
	if err != nil {
		return Course{}, err
	}
	defer view.Close()
	e, err := entryOf(ctx, view, done.Index)
	if err != nil {
		return Course{}, err
	}
	return b.courseAt(ctx, e.GetCourseDecided().GetCourse())
}

func (v CourseVerdict) check() (lastDay int32, fault *Error) {
	if fault := checkEnum("decision", v.Decision, ledgerv1.CourseDecision_name); fault != nil {
		return 0, fault
	}
	if fault := checkText("reason", v.Reason, 0, maxReasonCharacters); fault != nil {
		return 0, fault
	}
	if v.ReasonCode != "" {
		if fault := checkAccreditationReason(v.ReasonCode, v.Reason, courseReasons(v.Decision), "reason"); fault != nil {
			return 0, fault
		}
	}
	retires := v.Decision == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED
	if !retires && v.LastDay != "" {
		return 0, invalid(ReasonField, "last_day", "a last day goes with a retirement only")
	}
	return parseDay("last_day", v.LastDay, !retires)
}

// courseReasons are the codes that go with a decision.
func courseReasons(decision ledgerv1.CourseDecision) []string {
	switch decision {
	case ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED:
		return accreditReasons()
	case ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		return refuseReasons()
	default:
		return changeReasons()
	}
}

func (v CourseVerdict) checkCourse(d *directory, c *course, caller access.Caller, now time.Time) *Error {
	if c == nil {
		return faultf(NotFound, ReasonUnknownCourse, "code", "there is no course %q in version %q of provider %q", v.Code, v.Version, v.Provider)
	}
	if v.Decision == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED {
		if c.status() != CourseAccredited {
			return faultf(Precondition, ReasonCourseDecided, "decision", "the course is %s; only an accredited one is retired", c.status())
		}
		return nil
	}
	act := review.Approve
	if v.Decision == ledgerv1.CourseDecision_COURSE_DECISION_REFUSED {
		act = review.Reject
	}
	switch _, err := review.Advance(d.proposal(c, now), act, partyOf(caller), d.today(v.Provider, now)); {
	case errors.Is(err, review.ErrTurn):
		return faultf(Precondition, ReasonCourseDecided, "decision", "the course is %s; only a proposed course is accredited or refused", c.status())
	case errors.Is(err, review.ErrFourEyes):
		return faultf(Denied, ReasonFourEyes, "decision", "the officer who proposed a course does not decide it, nor one who refused it")
	case err != nil:
		return applicationFault(err, "decision")
	}
	return nil
}

func (b *Bank) courseAt(ctx context.Context, index uint64) (Course, error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Course{}, err
	}
	c := d.byIndex[index]
	if c == nil {
		return Course{}, fmt.Errorf("%w: there is no course %d", ledger.ErrDamaged, index)
	}
	return d.courseOf(c, d.policyFor(c.fact.GetProvider(), b.config.Now())), nil
}
