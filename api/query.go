package api

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// MaxQueries is the most questions of one call.
const MaxQueries = 1000

// Query asks how one subject stands on a date: a course, a provider, a platform or a certificate.
type Query struct {
	// Provider and Code name a course; an empty Version asks for the one that counts on the date, else the newest that was accredited.
	Provider, Code, Version string
	// Role asks about Provider or Platform as an organization, where it is not 0; Organization is its id.
	Role         ledgerv1.Role
	Organization string
	// Certificate asks about a certificate, where it is not nil.
	Certificate *CertificateName
	// Date is YYYY-MM-DD, on which the learning ends, or the certificate is issued; empty: today.
	Date string
	// Mode is how a course is learned; 0: as a class. A certificate is always an achievement.
	Mode statementv1.Mode
}

// Standing is how a subject stands on a date.
type Standing uint8

// The standings.
const (
	// StandingUnknown: there is none by this name.
	StandingUnknown Standing = iota + 1
	StandingAccredited
	// StandingPending waits for a decision.
	StandingPending
	// StandingNone was refused or given up, or never applied.
	StandingNone
	StandingNotYet
	StandingSuspended
	StandingEnded
)

// Accreditation answers a query.
type Accreditation struct {
	Accredited bool
	Standing   Standing
	// Reasons are codes, see AccreditationWords.
	Reasons []string
	Course  *Course
	// AccreditedCourses is how many courses of a provider count on the date.
	AccreditedCourses int
	// PolicyHash is that of the policy in force for a course on the date; nil: none is. Earning is what the course would give under
	// it; nil where it is not accredited.
	PolicyHash []byte
	Earning    *Earning
	// Claim is what a claim to a certificate would give; nil where something else was asked about.
	Claim *ClaimOutlook
}

// Earning is what somebody with an empty record gets who completes a course once: in full, with its nominal minutes in pieces of one
// and a half hours a day, with full marks, and posted at its end with the trust in its provider. It is only read.
type Earning struct {
	Outcome ledgerv1.Outcome
	Minutes unit.Minutes
	Credits unit.Credits
	Points  unit.Points
	// Reasons are the words of the policy, step by step.
	Reasons []Text
	// Equivalents are the courses of institutions for which a certificate stands with them.
	Equivalents []Equivalent

	// available can be used at once, until the day of expires; 0: for ever.
	available unit.Credits
	expires   policy.Day
}

// QueryAccreditation answers how a subject stands. It says nothing of any person, and is anyone's.
func (b *Bank) QueryAccreditation(ctx context.Context, q Query) (*Accreditation, error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, err
	}
	a, fault := b.query(d, q)
	if fault != nil {
		return nil, fault
	}
	return a, nil
}

// QueryAnswer answers one of many queries.
type QueryAnswer struct {
	*Accreditation
	// Fault is what was wrong with the question.
	Fault *Error
}

// QueryAccreditations answers up to MaxQueries queries as of one moment, each for itself.
func (b *Bank) QueryAccreditations(ctx context.Context, queries []Query) ([]QueryAnswer, error) {
	if n := len(queries); n < 1 || n > MaxQueries {
		return nil, invalid(ReasonBatchSize, "queries", "there are %d questions, 1 to %d are answered", n, MaxQueries)
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, err
	}
	answers := make([]QueryAnswer, len(queries))
	for i, q := range queries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		answers[i].Accreditation, answers[i].Fault = b.query(d, q)
	}
	return answers, nil
}

func (b *Bank) query(d *directory, q Query) (*Accreditation, *Error) {
	if q.Certificate != nil {
		return d.queryCertificate(q, b.config.Now())
	}
	subject := q.Provider
	if q.Role != 0 {
		subject = q.Organization
	}
	if subject == "" {
		return nil, invalid(ReasonField, "subject", "nothing is asked about: set course, provider, platform or certificate")
	}
	now := b.config.Now()
	day, fault := parseDay("date", q.Date, true)
	if fault != nil {
		return nil, fault
	}
	if day == 0 {
		day = d.today(subject, now)
	}
	if q.Mode != 0 {
		if fault := checkEnum("mode", q.Mode, statementv1.Mode_name); fault != nil {
			return nil, fault
		}
	}
	switch q.Role {
	case ledgerv1.Role_ROLE_UNSPECIFIED:
		return d.queryCourse(q, day, now), nil
	case ledgerv1.Role_ROLE_PLATFORM, ledgerv1.Role_ROLE_PROVIDER:
		return d.queryOrganization(q.Organization, q.Role, day), nil
	default:
		return nil, invalid(ReasonField, "subject", "nobody is accredited for this role")
	}
}

func (d *directory) queryCourse(q Query, day int32, now time.Time) *Accreditation {
	c := d.byName[courseName{q.Provider, q.Code, q.Version}]
	if q.Version == "" {
		c = d.newest(q.Provider, q.Code, day)
	}
	if c == nil {
		return &Accreditation{Standing: StandingUnknown, Reasons: []string{"COURSE_UNKNOWN"}}
	}
	return d.accreditation(c, q.Mode, day, 0, now)
}

// accreditation is how a course stands for learning that ends on a day. On is the day on which institutions are asked what it stands
// for with them; 0: they are not.
func (d *directory) accreditation(c *course, mode statementv1.Mode, day, on int32, now time.Time) *Accreditation {
	provider := c.fact.GetProvider()
	p := d.policyFor(provider, timeOfDay(day))
	shown := d.courseOf(c, d.policyFor(provider, now))
	standing, reason := d.standing(c, day)
	a := &Accreditation{Standing: standing, Accredited: standing == StandingAccredited, Reasons: []string{reason}, Course: &shown}
	if p == nil {
		a.Accredited, a.Reasons = false, append(a.Reasons, "NO_POLICY")
		return a
	}
	hash := p.Hash()
	a.PolicyHash = hash[:]
	if a.Accredited {
		a.Earning = d.earnings.of(d, p, c, mode, day, on)
	}
	return a
}

// standing says how a course stands for learning that ends on a day, and why.
func (d *directory) standing(c *course, day int32) (standing Standing, reason string) {
	switch c.status() {
	case CourseProposed:
		return StandingPending, "COURSE_NOT_DECIDED"
	case CourseReturned:
		return StandingPending, "COURSE_RETURNED"
	case CourseAppealed:
		return StandingPending, "COURSE_APPEALED"
	case CourseRefused:
		return StandingNone, "COURSE_REFUSED"
	case CourseWithdrawn:
		return StandingNone, "COURSE_WITHDRAWN"
	case CourseAccredited, CourseRetired:
	}
	windows := union(append(rangesOf(c.GetRenewed()), rangeOf(c.fact.GetValidFromDay(), c.fact.GetValidUntilDay())))
	switch {
	case day < windows[0].from:
		return StandingNotYet, "BEFORE_VALIDITY"
	case day > c.end():
		return StandingEnded, "COURSE_RETIRED"
	case day > windows[len(windows)-1].until:
		return StandingEnded, "AFTER_VALIDITY"
	case !contains(windows, day):
		return StandingNotYet, "BETWEEN_VALIDITIES"
	case contains(rangesOf(c.GetSuspended()), day):
		return StandingSuspended, "COURSE_SUSPENDED"
	}
	if standing, reason := d.admissions[c.fact.GetProvider()].standing(ledgerv1.Role_ROLE_PROVIDER, day); standing != StandingAccredited {
		return standing, reason
	}
	return StandingAccredited, "COURSE_ACCREDITED"
}

func (d *directory) queryOrganization(organization string, role ledgerv1.Role, day int32) *Accreditation {
	a := new(Accreditation)
	var reason string
	a.Standing, reason = d.admissions[organization].standing(role, day)
	a.Accredited, a.Reasons = a.Standing == StandingAccredited, []string{reason}
	if role == ledgerv1.Role_ROLE_PROVIDER {
		for _, c := range d.provided[organization] {
			if c.counts() && contains(c.open, day) {
				a.AccreditedCourses++
			}
		}
	}
	return a
}

// standing says how an organization stands in a role on a day, and why.
func (a *admission) standing(role ledgerv1.Role, day int32) (standing Standing, reason string) {
	name := "PROVIDER"
	if role == ledgerv1.Role_ROLE_PLATFORM {
		name = "PLATFORM"
	}
	if a == nil {
		return StandingUnknown, name + "_UNKNOWN"
	}
	granted := a.granted(role)
	switch {
	case len(granted) == 0:
		for _, row := range a.applications {
			if row.GetFact().GetRole() == role && pending(row.GetProgress().GetState()) {
				return StandingPending, "APPLICATION_PENDING"
			}
		}
		return StandingNone, "NOT_A_" + name
	case day > a.until || day > granted[len(granted)-1].until:
		return StandingEnded, name + "_ENDED"
	case !contains(granted, day):
		return StandingNotYet, name + "_NOT_YET"
	case contains(a.suspended, day):
		return StandingSuspended, name + "_SUSPENDED"
	default:
		return StandingAccredited, name + "_ADMITTED"
	}
}

// AccreditationWords says the reasons of an accreditation.
func AccreditationWords(code string) Text {
	switch code {
	case "COURSE_ACCREDITED":
		return Text{ZH: "课程已认证，在该日期计入学分。", EN: "The course is accredited and counts on this date."}
	case "COURSE_NOT_DECIDED":
		return Text{ZH: "课程已申报，尚待认证员审定。", EN: "The course was proposed and waits for an officer."}
	case "COURSE_RETURNED":
		return Text{ZH: "课程申报已退回，等待补充材料。", EN: "More was asked of who proposed the course."}
	case "COURSE_REFUSED":
		return Text{ZH: "课程未通过认证。", EN: "The course was refused."}
	case "COURSE_APPEALED":
		return Text{ZH: "课程未通过认证，申诉由另一位认证员审理中。", EN: "The course was refused, and another officer hears the appeal."}
	case "COURSE_WITHDRAWN":
		return Text{ZH: "课程申报已撤回。", EN: "The proposal of the course was given up."}
	case "COURSE_SUSPENDED":
		return Text{ZH: "该日期课程认证暂停，学习不计入学分。", EN: "The course was suspended on this date."}
	case "COURSE_RETIRED":
		return Text{ZH: "课程已停止认证，该日期之后的学习不再计入。", EN: "The course was retired before this date."}
	case "BEFORE_VALIDITY":
		return Text{ZH: "该日期早于认证的有效期。", EN: "The date is before its validity."}
	case "AFTER_VALIDITY":
		return Text{ZH: "该日期晚于认证的有效期。", EN: "The date is after its validity."}
	case "BETWEEN_VALIDITIES":
		return Text{ZH: "该日期在两个认证有效期之间。", EN: "The date is between two of its validities."}
	case "COURSE_UNKNOWN":
		return Text{ZH: "没有这门课程。", EN: "There is no such course."}
	case "APPLICATION_PENDING":
		return Text{ZH: "该机构的认证申请正在处理。", EN: "The organization has applied, and waits for a decision."}
	case "NO_POLICY":
		return Text{ZH: "该日期没有适用的认定办法。", EN: "No policy is in force on this date."}
	default:
		return cmp.Or(organizationWords(code), certificateWords(code))
	}
}

func organizationWords(code string) Text {
	switch code {
	case "PROVIDER_ADMITTED":
		return Text{ZH: "该机构是已登记的课程提供者。", EN: "The organization is a registered provider."}
	case "PROVIDER_UNKNOWN", "PLATFORM_UNKNOWN":
		return Text{ZH: "没有登记这个机构。", EN: "There is no such organization."}
	case "NOT_A_PROVIDER":
		return Text{ZH: "该机构已登记，但不是课程提供者。", EN: "The organization is registered, but not as a provider."}
	case "PROVIDER_SUSPENDED":
		return Text{ZH: "该日期课程提供者的认证暂停。", EN: "The provider was suspended on this date."}
	case "PROVIDER_ENDED":
		return Text{ZH: "课程提供者的认证在该日期之前已结束。", EN: "The provider's accreditation ended before this date."}
	case "PROVIDER_NOT_YET":
		return Text{ZH: "课程提供者的认证在该日期尚未生效。", EN: "The provider is not accredited on this date, but later."}
	case "PLATFORM_ADMITTED":
		return Text{ZH: "该机构是已认证的学习平台。", EN: "The organization is an accredited platform."}
	case "NOT_A_PLATFORM":
		return Text{ZH: "该机构已登记，但不是学习平台。", EN: "The organization is registered, but not as a platform."}
	case "PLATFORM_SUSPENDED":
		return Text{ZH: "该日期学习平台的认证暂停。", EN: "The platform was suspended on this date."}
	case "PLATFORM_ENDED":
		return Text{ZH: "学习平台的认证在该日期之前已结束。", EN: "The platform's accreditation ended before this date."}
	case "PLATFORM_NOT_YET":
		return Text{ZH: "学习平台的认证在该日期尚未生效。", EN: "The platform is not accredited on this date, but later."}
	default:
		return Text{}
	}
}

// earnings remembers what courses give: nothing in it depends on anything but the directory that it belongs to.
type earnings struct {
	mu    sync.Mutex
	known map[earningKey]*Earning
}

type earningKey struct {
	course uint64
	mode   statementv1.Mode
	day    int32
	on     int32
}

// maxEarnings is how many are remembered, some 30 MB at most.
const maxEarnings = 1 << 14

// of answers what a course gives under a policy, which is the one of the day, and what institutions make of that on another day, where
// that is not 0. It works it out where nobody has asked lately.
func (e *earnings) of(d *directory, p *published, c *course, mode statementv1.Mode, day, on int32) *Earning {
	if mode == statementv1.Mode_MODE_UNSPECIFIED {
		mode = statementv1.Mode_MODE_CLASSROOM
	}
	key := earningKey{c.GetIndex(), mode, day, on}
	e.mu.Lock()
	known := e.known[key]
	e.mu.Unlock()
	if known != nil {
		return known
	}
	earned := earning(d, p, c, mode, day)
	if on != 0 {
		earned.Equivalents = d.equivalents(c, earned, day, on)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil || len(e.known) >= maxEarnings {
		e.known = make(map[earningKey]*Earning)
	}
	e.known[key] = earned
	return earned
}

// pieceMinutes is how much is learned on a day of the example.
const pieceMinutes unit.Minutes = 90

func earning(d *directory, p *published, c *course, mode statementv1.Mode, day int32) *Earning {
	score, passed := int32(maxScore), true
	year, month, date := timeOfDay(day).Date()
	end := time.Date(year, month, date, 12, 0, 0, 0, p.Zone())
	s := statement{completion: &statementv1.Completion{Mode: mode, Score: &score, Passed: &passed}}
	provider := c.fact.GetProvider()
	fact := s.fact(c, policy.Day(day), unit.OrganizationID(provider), d.tier(provider), end)
	fact.Sessions = pieces(unit.Minutes(c.fact.GetNominalMinutes()), end)
	a := p.Prepare(fact).Decide(blank{})
	earned := &Earning{Outcome: a.Outcome, Credits: a.Available + a.Pending, Points: a.Points, available: a.Available, expires: a.ExpiresDay}
	for _, hours := range a.Hours {
		earned.Minutes += hours.Minutes
	}
	for _, r := range a.Reasons {
		earned.Reasons = append(earned.Reasons, Text{ZH: p.Explain(r, "zh"), EN: p.Explain(r, "en")})
	}
	return earned
}

// pieces spreads minutes over as many days as it takes, the last of which ends at a time.
func pieces(minutes unit.Minutes, end time.Time) []policy.Session {
	n := min((minutes+pieceMinutes-1)/pieceMinutes, policy.MaxSessions)
	sessions := make([]policy.Session, n)
	for i := range n {
		length := minutes*(i+1)/n - minutes*i/n
		ended := end.AddDate(0, 0, int(i+1-n))
		sessions[i] = policy.Session{Start: ended.Add(-time.Duration(length) * time.Minute), End: ended, Minutes: length}
	}
	return sessions
}

// blank is the standing of an account without a past.
type blank struct{}

func (blank) Remainder() unit.Minutes                    { return 0 }
func (blank) DayMinutes(string, policy.Day) unit.Minutes { return 0 }
func (blank) Usage(string) unit.Credits                  { return 0 }
func (blank) Busy(policy.Day) []policy.Busy              { return nil }
func (blank) Crowd(uint64) int                           { return 0 }
func (blank) Prior() (policy.Prior, bool)                { return policy.Prior{}, false }
func (blank) Gone() unit.Credits                         { return 0 }
