package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Limits of courses and of lists of them.
const (
	maxTitleCharacters  = 100
	maxReasonCharacters = 500
	maxLevel            = 10
	maxCapacity         = 1_000_000
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
	// Decision is where it stands; unspecified while it waits for an officer. Index is the entry that proposed it. Neither
	// is read in requests.
	Decision ledgerv1.CourseDecision
	Index    uint64
}

func courseOf(c *course) Course {
	f := c.fact
	return Course{
		Provider: f.GetProvider(), Code: f.GetCode(), Version: f.GetVersion(), Title: f.GetTitle(), Category: f.GetCategory(),
		Level: int(f.GetLevel()), NominalMinutes: unit.Minutes(f.GetNominalMinutes()), EquivalenceGroup: f.GetEquivalenceGroup(),
		ValidFrom: dayString(f.GetValidFromDay()), ValidUntil: dayString(c.until()), Capacity: int(f.GetCapacity()),
		Decision: c.GetDecision(), Index: c.GetIndex(),
	}
}

// ProposeCourse brings a course for accreditation.
func (b *Bank) ProposeCourse(ctx context.Context, caller access.Caller, requestID string, c Course) (Course, error) {
	fact, fault := c.check()
	if fault != nil {
		return Course{}, fault
	}
	fact.Actor = caller.Actor()
	c.Decision, c.Index = 0, 0
	done, err := b.once(ctx, change{
		caller: caller, method: access.ProposeCourse, requestID: requestID, asked: c,
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
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: fact}})
		},
	})
	if err != nil {
		return Course{}, err
	}
	return b.courseAt(ctx, done.Index)
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
	if c.Level < 0 || c.Level > maxLevel {
		return nil, invalid(ReasonField, "course.level", "the level is %d, levels are 0 to %d", c.Level, maxLevel)
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

// checkProvider refuses a provider that is none, and a category that its policy does not know.
func (c Course) checkProvider(d *directory, now time.Time) *Error {
	if fault := checkIsProvider(d, "course.provider", c.Provider); fault != nil {
		return fault
	}
	p := d.policyFor(c.Provider, now)
	if p == nil {
		return faultf(Precondition, ReasonNoPolicy, "course.provider", "no policy is in force for provider %q", c.Provider)
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
	Reason  string
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
			if fault := v.checkCourse(c, caller); fault != nil {
				return 0, fault
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: &ledgerv1.CourseDecided{
				Actor: caller.Actor(), Request: request, Course: c.GetIndex(), Decision: v.Decision, LastDay: last, Reason: v.Reason,
			}}})
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
	retires := v.Decision == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED
	if !retires && v.LastDay != "" {
		return 0, invalid(ReasonField, "last_day", "a last day goes with a retirement only")
	}
	return parseDay("last_day", v.LastDay, !retires)
}

func (v CourseVerdict) checkCourse(c *course, caller access.Caller) *Error {
	if c == nil {
		return faultf(NotFound, ReasonUnknownCourse, "code", "there is no course %q in version %q of provider %q", v.Code, v.Version, v.Provider)
	}
	retires := v.Decision == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED
	from := ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED
	if retires {
		from = ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED
	}
	if c.GetDecision() != from {
		return faultf(Precondition, ReasonCourseDecided, "decision", "the course is %s; only a proposed course is accredited or refused, only an accredited one retired",
			courseWord(c.GetDecision()))
	}
	if !retires && caller.Officer != "" && c.fact.GetActor().GetOfficer() == caller.Officer {
		return faultf(Denied, ReasonFourEyes, "decision", "the officer who proposed a course does not decide it")
	}
	return nil
}

func courseWord(decision ledgerv1.CourseDecision) string {
	switch decision {
	case ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED:
		return "accredited"
	case ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		return "refused"
	case ledgerv1.CourseDecision_COURSE_DECISION_RETIRED:
		return "retired"
	default:
		return "proposed"
	}
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
	return courseOf(c), nil
}

// CourseFilter says which courses are listed; what is empty does not filter.
type CourseFilter struct {
	Provider, Category string
	// Decision filters when Decided is set; unspecified stands for courses that wait for an officer.
	Decided  bool
	Decision ledgerv1.CourseDecision
}

// ListCourses answers a page of the public catalogue, in the order in which the courses were proposed.
func (b *Bank) ListCourses(ctx context.Context, filter CourseFilter, page Page) (courses []Course, next string, err error) {
	size, fault := page.size(usualDirectoryPage, maxDirectoryPage)
	if fault != nil {
		return nil, "", fault
	}
	var after int
	if err := parsePageToken(page.Token, filter, &after); err != nil {
		return nil, "", err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, "", err
	}
	for i := max(after, 0); i < len(d.courses); i++ {
		if !filter.takes(d.courses[i]) {
			continue
		}
		if len(courses) == size {
			next, err = pageToken(filter, i)
			return courses, next, err
		}
		courses = append(courses, courseOf(d.courses[i]))
	}
	return courses, "", nil
}

func (f CourseFilter) takes(c *course) bool {
	return (f.Provider == "" || f.Provider == c.fact.GetProvider()) &&
		(f.Category == "" || f.Category == c.fact.GetCategory()) &&
		(!f.Decided || f.Decision == c.GetDecision())
}

// Accreditation is the answer to a query.
type Accreditation struct {
	Accredited bool
	// Reasons are codes, see AccreditationWords.
	Reasons []string
	Course  *Course
	// AccreditedCourses is how many courses of a provider count on the date.
	AccreditedCourses int
	// NominalCredits is what the course's nominal minutes give before caps, under the policy with this hash.
	NominalCredits unit.Credits
	PolicyHash     []byte
}

// AccreditationWords says the reasons of an accreditation.
func AccreditationWords(code string) Text {
	switch code {
	case "COURSE_ACCREDITED":
		return Text{ZH: "课程已认证，在该日期计入学分。", EN: "The course is accredited and counts on this date."}
	case "COURSE_NOT_DECIDED":
		return Text{ZH: "课程已申报，尚待认证员审定。", EN: "The course was proposed and waits for an officer."}
	case "COURSE_REFUSED":
		return Text{ZH: "课程未通过认证。", EN: "The course was refused."}
	case "COURSE_RETIRED":
		return Text{ZH: "课程已停止认证，该日期之后的学习不再计入。", EN: "The course was retired before this date."}
	case "BEFORE_VALIDITY":
		return Text{ZH: "该日期早于课程认证的有效期。", EN: "The date is before the course's validity."}
	case "AFTER_VALIDITY":
		return Text{ZH: "该日期晚于课程认证的有效期。", EN: "The date is after the course's validity."}
	case "COURSE_UNKNOWN":
		return Text{ZH: "没有这门课程。", EN: "There is no such course."}
	case "PROVIDER_ADMITTED":
		return Text{ZH: "该机构是已登记的课程提供者。", EN: "The organization is a registered provider."}
	case "PROVIDER_UNKNOWN":
		return Text{ZH: "没有登记这个机构。", EN: "There is no such organization."}
	case "NOT_A_PROVIDER":
		return Text{ZH: "该机构已登记，但不是课程提供者。", EN: "The organization is registered, but not as a provider."}
	case "NO_POLICY":
		return Text{ZH: "该日期没有适用的认定办法。", EN: "No policy is in force on this date."}
	default:
		return Text{}
	}
}

// QueryCourse answers whether a course counts for learning that ends on a date; an empty version asks for the one that
// does, an empty date for today.
func (b *Bank) QueryCourse(ctx context.Context, provider, code, version, date string) (*Accreditation, error) {
	d, day, err := b.queried(ctx, date)
	if err != nil {
		return nil, err
	}
	c := d.byName[courseName{provider, code, version}]
	if version == "" {
		c = d.accredited(provider, code, day)
	}
	a := new(Accreditation)
	if c == nil {
		a.Reasons = []string{"COURSE_UNKNOWN"}
		return a, nil
	}
	known := courseOf(c)
	a.Course = &known
	a.Reasons = []string{c.status(day)}
	a.Accredited = a.Reasons[0] == "COURSE_ACCREDITED"
	p := d.policyFor(provider, time.Unix(int64(day)*secondsPerDay, 0).UTC())
	if p == nil {
		a.Accredited, a.Reasons = false, append(a.Reasons, "NO_POLICY")
		return a, nil
	}
	hash := p.Hash()
	a.PolicyHash = hash[:]
	if a.Accredited {
		a.NominalCredits = nominalCredits(p, c, day)
	}
	return a, nil
}

// nominalCredits is what somebody gets who attends the course once, in full, as a class, and passes with full marks.
func nominalCredits(p *published, c *course, day int32) unit.Credits {
	score, passed := int32(maxScore), true
	// Noon keeps the learning within the day in every time zone of a policy.
	end := time.Unix(int64(day)*secondsPerDay, 0).UTC().Add(maxSession / 2)
	minutes := unit.Minutes(c.fact.GetNominalMinutes())
	s := statement{completion: &statementv1.Completion{Mode: statementv1.Mode_MODE_CLASSROOM, Score: &score, Passed: &passed}}
	fact := s.fact(c, unit.OrganizationID(c.fact.GetProvider()), 1, end)
	fact.Sessions = []policy.Session{{Start: end.Add(-time.Duration(minutes) * time.Minute), End: end, Minutes: minutes}}
	assessment := p.Prepare(fact).Decide(blank{})
	return assessment.Available + assessment.Pending
}

// blank is the standing of an account without a past.
type blank struct{}

func (blank) Remainder() unit.Minutes                    { return 0 }
func (blank) DayMinutes(string, policy.Day) unit.Minutes { return 0 }
func (blank) Usage(string) unit.Credits                  { return 0 }
func (blank) Busy(policy.Day) []policy.Busy              { return nil }
func (blank) Crowd(uint64) int                           { return 0 }
func (blank) Prior() (policy.Prior, bool)                { return policy.Prior{}, false }

// status says how a course stands for learning that ends on a day.
func (c *course) status(day int32) string {
	switch {
	case c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED:
		return "COURSE_NOT_DECIDED"
	case c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		return "COURSE_REFUSED"
	case day < c.fact.GetValidFromDay():
		return "BEFORE_VALIDITY"
	case c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED && day > c.GetLastDay():
		return "COURSE_RETIRED"
	case c.fact.GetValidUntilDay() != 0 && day > c.fact.GetValidUntilDay():
		return "AFTER_VALIDITY"
	default:
		return "COURSE_ACCREDITED"
	}
}

// QueryProvider answers whether an organization is a provider, and how many of its courses count on a date.
func (b *Bank) QueryProvider(ctx context.Context, provider, date string) (*Accreditation, error) {
	d, day, err := b.queried(ctx, date)
	if err != nil {
		return nil, err
	}
	a := new(Accreditation)
	switch fault := checkIsProvider(d, "provider", provider); {
	case fault == nil:
		a.Accredited, a.Reasons = true, []string{"PROVIDER_ADMITTED"}
	case fault.Reason == ReasonNotAProvider:
		a.Reasons = []string{"NOT_A_PROVIDER"}
	default:
		a.Reasons = []string{"PROVIDER_UNKNOWN"}
	}
	for _, c := range d.courses {
		if c.fact.GetProvider() == provider && c.status(day) == "COURSE_ACCREDITED" {
			a.AccreditedCourses++
		}
	}
	return a, nil
}

func (b *Bank) queried(ctx context.Context, date string) (*directory, int32, error) {
	day := int32(b.config.Now().Unix() / secondsPerDay)
	if date != "" {
		var fault *Error
		if day, fault = parseDay("date", date, false); fault != nil {
			return nil, 0, fault
		}
	}
	d, err := b.newestDirectory(ctx)
	return d, day, err
}
