package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	isPlatform = ledgerv1.Role_ROLE_PLATFORM
	isProvider = ledgerv1.Role_ROLE_PROVIDER

	courseSuspended  = ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED
	courseReinstated = ledgerv1.CourseChange_COURSE_CHANGE_REINSTATED
	courseRenewed    = ledgerv1.CourseChange_COURSE_CHANGE_RENEWED
)

// today is the day of a new bank.
const today = "2026-06-15"

// changeCourse changes calligraphy.
func (b *bank) changeCourse(officer string, change ledgerv1.CourseChange, from, until string) (api.Course, error) {
	b.t.Helper()
	code := "QUALITY"
	if change == courseRenewed {
		code = "STILL_MEETS_REQUIREMENTS"
	}
	return b.ChangeCourse(ctx(), b.Officer(officer), api.CourseChange{
		RequestID: b.RequestID(), Provider: apitest.Beishan, Code: apitest.Calligraphy, Version: apitest.CourseVersion, Change: change,
		From: from, Until: until, ReasonCode: code,
	})
}

func (b *bank) changeOrganization(c api.OrganizationChange) error {
	b.t.Helper()
	c.RequestID = b.RequestID()
	if c.ReasonCode == "" {
		c.ReasonCode = "QUALITY"
	}
	_, err := b.ChangeOrganization(ctx(), b.Officer(apitest.Administrator), c)
	return err
}

// ended is learning of calligraphy in the evening of a day.
func (b *bank) ended(account api.Account, date string) *statementv1.Statement {
	b.t.Helper()
	end, err := time.Parse(time.DateOnly, date)
	must(b.t, err)
	return b.learnedUntil(account, apitest.Calligraphy, end.Add(12*time.Hour), 90)
}

// stands checks how a subject stands on a date, and that there are words for why.
func (b *bank) stands(q api.Query, standing api.Standing, reason string) *api.Accreditation {
	b.t.Helper()
	a, err := b.QueryAccreditation(ctx(), q)
	must(b.t, err)
	if a.Standing != standing || len(a.Reasons) == 0 || a.Reasons[0] != reason || a.Accredited != (standing == api.StandingAccredited && len(a.Reasons) == 1) {
		b.t.Errorf("%+v: %+v, not %d for %s", q, a, standing, reason)
	}
	for _, r := range a.Reasons {
		if words := api.AccreditationWords(r); words.ZH == "" || words.EN == "" {
			b.t.Errorf("no words for %s", r)
		}
	}
	return a
}

// What is learned while a course is suspended gives no credit, whenever it is posted; all else does, also what is posted late.
func TestSuspendedCourse(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, calligraphy := b.Open(), api.Query{Provider: apitest.Beishan, Code: apitest.Calligraphy}
	on := func(date string) api.Query { calligraphy.Date = date; return calligraphy }
	became(t, b.one(b.ended(account, "2026-06-14")).Decision, awarded, 90, 100, 0)

	_, err := b.changeCourse(apitest.SecondOfficer, courseSuspended, "2026-06-14", "")
	wants(t, err, api.Invalid, api.ReasonSuspension, "from")
	course, err := b.changeCourse(apitest.SecondOfficer, courseSuspended, today, "")
	if must(t, err); len(course.Suspended) != 1 || course.Suspended[0] != (api.Days{From: today}) || course.Status != api.CourseAccredited {
		t.Errorf("suspended: %+v", course)
	}
	_, err = b.changeCourse(apitest.SecondOfficer, courseSuspended, "2026-07-01", "")
	wants(t, err, api.Precondition, api.ReasonSuspension, "from")
	b.stands(on("2026-06-14"), api.StandingAccredited, "COURSE_ACCREDITED")
	b.stands(on(today), api.StandingSuspended, "COURSE_SUSPENDED")
	b.stands(on("2031-01-01"), api.StandingSuspended, "COURSE_SUSPENDED")

	b.Clock.Advance(20 * 24 * time.Hour) // July 5
	became(t, b.one(b.ended(account, "2026-06-20")).Decision, noCredit, 90, 0, 0)
	became(t, b.one(b.ended(account, "2026-06-13")).Decision, awarded, 90, 100, 0) // late
	_, err = b.changeCourse(apitest.Officer, courseReinstated, "2026-07-03", "")
	wants(t, err, api.Denied, api.ReasonFourEyes, "change") // who proposed it
	_, err = b.changeCourse(apitest.StreetOfficer, courseReinstated, "2026-07-03", "")
	wants(t, err, api.Denied, api.ReasonOwnInstitution, "change")
	_, err = b.changeCourse(apitest.SecondOfficer, courseReinstated, "2026-07-03", "2026-07-04")
	wants(t, err, api.Invalid, api.ReasonField, "until")
	course, err = b.changeCourse(apitest.SecondOfficer, courseReinstated, "2026-07-03", "")
	if must(t, err); course.Suspended[0] != (api.Days{From: today, Until: "2026-07-02"}) {
		t.Errorf("reinstated: %+v", course)
	}
	_, err = b.changeCourse(apitest.SecondOfficer, courseReinstated, "2026-07-03", "")
	wants(t, err, api.Precondition, api.ReasonSuspension, "from")
	for date, outcome := range map[string]ledgerv1.Outcome{"2026-07-02": noCredit, "2026-07-03": awarded, "2026-07-04": awarded, "2026-06-12": awarded} {
		if d := b.one(b.ended(account, date)).Decision; d.Outcome != outcome || d.Minutes != 90 {
			t.Errorf("%s: %+v", date, d)
		}
	}
	if report := b.fsck(); len(report.Faults) > 0 {
		t.Error("after suspending")
	}
}

// A course that ended counts again in its new days, and not between the old ones and these.
func TestRenewedCourse(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	course := api.Course{
		Provider: apitest.Beishan, Code: "tea", Version: "2", Title: "茶艺", Category: "arts", NominalMinutes: 720, ValidFrom: "2026-01-01", ValidUntil: "2026-05-31",
	}
	_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), course)
	must(t, err)
	change := func(officer string, kind ledgerv1.CourseChange, from, until, code, reason string) error {
		_, err := b.ChangeCourse(ctx(), b.Officer(officer), api.CourseChange{
			RequestID: b.RequestID(), Provider: course.Provider, Code: course.Code, Version: course.Version, Change: kind, From: from, Until: until,
			ReasonCode: code, Reason: reason,
		})
		return err
	}
	const still = "STILL_MEETS_REQUIREMENTS"
	wants(t, change(apitest.SecondOfficer, courseRenewed, today, "", still, ""), api.Precondition, api.ReasonCourseDecided, "change")
	_, err = b.DecideCourse(ctx(), b.Officer(apitest.SecondOfficer), api.CourseVerdict{
		RequestID: b.RequestID(), Provider: course.Provider, Code: course.Code, Version: course.Version,
		Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED, ReasonCode: "MEETS_REQUIREMENTS",
	})
	must(t, err)
	wants(t, change(apitest.SecondOfficer, courseRenewed, today, "", "", ""), api.Invalid, api.ReasonDecisionReason, "reason_code")
	wants(t, change(apitest.SecondOfficer, courseRenewed, today, "", "OTHER", ""), api.Invalid, api.ReasonNoteMissing, "reason")
	wants(t, change(apitest.SecondOfficer, 9, today, "", still, ""), api.Invalid, api.ReasonUnknownEnum, "change")
	wants(t, change(apitest.SecondOfficer, courseRenewed, "", "", still, ""), api.Invalid, api.ReasonField, "from")
	wants(t, change(apitest.SecondOfficer, courseRenewed, today, "2026-06-14", still, ""), api.Invalid, api.ReasonField, "until")
	wants(t, change(apitest.SecondOfficer, courseRenewed, "2025-12-31", "", still, ""), api.Invalid, api.ReasonField, "from")
	wants(t, change(apitest.Officer, courseRenewed, today, "", still, ""), api.Denied, api.ReasonFourEyes, "change")
	wants(t, change(apitest.Administrator, courseRenewed, today, "", still, ""), api.Denied, api.ReasonDenied, "")
	must(t, change(apitest.SecondOfficer, courseRenewed, "2026-06-10", "2026-12-31", still, ""))
	on := func(date string) api.Query {
		return api.Query{Provider: course.Provider, Code: course.Code, Version: course.Version, Date: date}
	}
	b.stands(on("2025-12-31"), api.StandingNotYet, "BEFORE_VALIDITY")
	b.stands(on("2026-05-31"), api.StandingAccredited, "COURSE_ACCREDITED")
	b.stands(on("2026-06-01"), api.StandingNotYet, "BETWEEN_VALIDITIES")
	b.stands(on("2026-06-10"), api.StandingAccredited, "COURSE_ACCREDITED")
	b.stands(on("2027-01-01"), api.StandingEnded, "AFTER_VALIDITY")
	account := b.Open()
	for date, outcome := range map[string]ledgerv1.Outcome{"2026-05-31": awarded, "2026-06-09": noCredit, "2026-06-10": awarded} {
		s := b.ended(account, date)
		s.GetCompletion().Course, s.GetCompletion().CourseVersion = course.Code, course.Version
		if d := b.one(s).Decision; d.Outcome != outcome {
			t.Errorf("%s: %+v", date, d)
		}
	}
	// It is retired before the new days end.
	_, err = b.DecideCourse(ctx(), b.Officer(apitest.SecondOfficer), api.CourseVerdict{
		RequestID: b.RequestID(), Provider: course.Provider, Code: course.Code, Version: course.Version,
		Decision: ledgerv1.CourseDecision_COURSE_DECISION_RETIRED, LastDay: "2026-07-31", ReasonCode: "OWN_WISH",
	})
	must(t, err)
	b.stands(on("2026-08-01"), api.StandingEnded, "COURSE_RETIRED")
	wants(t, change(apitest.SecondOfficer, courseSuspended, today, "", "QUALITY", ""), api.Precondition, api.ReasonCourseDecided, "change")
}

// Nobody applies and withdraws over and over; a month later one may again.
func TestApplicationsWithoutEnd(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	apply := func() (api.Application, error) {
		return b.Apply(ctx(), b.Platform(apitest.Platform), api.NewApplication{
			RequestID: b.RequestID(), Organization: apitest.Platform, Role: ledgerv1.Role_ROLE_PROVIDER, ValidFrom: "2026-06-10",
		})
	}
	for range 12 {
		applied, err := apply()
		must(t, err)
		_, _, err = b.StepApplication(ctx(), b.Platform(apitest.Platform), api.ApplicationStep{
			RequestID: b.RequestID(), Application: applied.Index, Act: review.Withdraw,
		})
		must(t, err)
	}
	_, err := apply()
	wants(t, err, api.Precondition, api.ReasonStepLimit, "organization")
	b.Clock.Advance(31 * 24 * time.Hour)
	_, err = apply()
	must(t, err)
}

// A platform that lost its role applies, is asked for more, refused, heard by another officer and admitted; it posts what was learned
// within its days. Who decides has neither applied nor decided before.
func TestApplication(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	must(t, b.changeOrganization(api.OrganizationChange{Organization: apitest.Platform, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ROLES}))
	itself := b.Platform(apitest.Platform)
	_, _, err := b.RecordCompletions(ctx(), itself, b.Submission(apitest.Platform, b.ended(account, "2026-06-14")), false)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	query := api.Query{Role: isPlatform, Organization: apitest.Platform}
	b.stands(query, api.StandingNone, "NOT_A_PLATFORM")

	apply := func(caller access.Caller, change func(n *api.NewApplication)) (api.Application, error) {
		n := api.NewApplication{
			RequestID: b.RequestID(), Organization: apitest.Platform, Role: isPlatform, ValidFrom: "2026-06-10", ValidUntil: "2026-12-31", Statement: "三级等保",
		}
		change(&n)
		return b.Apply(ctx(), caller, n)
	}
	for name, c := range map[string]struct {
		caller access.Caller
		change func(n *api.NewApplication)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"another":    {b.Platform(apitest.OtherPlatform), func(*api.NewApplication) {}, api.Denied, api.ReasonDenied, ""},
		"nobody":     {access.Caller{}, func(*api.NewApplication) {}, api.Unauthenticated, api.ReasonUnauthenticated, ""},
		"street":     {b.Officer(apitest.StreetOfficer), func(*api.NewApplication) {}, api.Denied, api.ReasonDenied, ""},
		"unknown":    {b.Officer(apitest.Officer), func(n *api.NewApplication) { n.Organization = "nobody" }, api.NotFound, api.ReasonUnknownOrganization, "organization"},
		"as auditor": {itself, func(n *api.NewApplication) { n.Role = ledgerv1.Role_ROLE_AUDITOR }, api.Invalid, api.ReasonField, "role"},
		"no day":     {itself, func(n *api.NewApplication) { n.ValidFrom = "" }, api.Invalid, api.ReasonField, "valid_from"},
		"ends first": {itself, func(n *api.NewApplication) { n.ValidUntil = "2026-06-09" }, api.Invalid, api.ReasonField, "valid_until"},
		"too much":   {itself, func(n *api.NewApplication) { n.Statement = strings.Repeat("字", 501) }, api.Invalid, api.ReasonField, "statement"},
		"has it all": {b.Officer(apitest.Officer), func(n *api.NewApplication) { n.Organization, n.Role = apitest.Beishan, isProvider }, api.Precondition, api.ReasonAccredited, "role"},
	} {
		_, err := apply(c.caller, c.change)
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	applied, err := apply(itself, func(*api.NewApplication) {})
	if must(t, err); applied.Index == 0 || applied.Role != isPlatform || applied.ValidUntil != "2026-12-31" || applied.ChangedIndex != applied.Index {
		t.Errorf("applied %+v", applied)
	}
	_, err = apply(itself, func(*api.NewApplication) {})
	wants(t, err, api.Precondition, api.ReasonApplicationPending, "role")
	b.stands(query, api.StandingPending, "APPLICATION_PENDING")

	step := func(caller access.Caller, act review.Act, code, note string, more ...func(s *api.ApplicationStep)) (ledgerv1.ApplicationState, error) {
		s := api.ApplicationStep{RequestID: b.RequestID(), Application: applied.Index, Act: act, ReasonCode: code, Note: note}
		for _, change := range more {
			change(&s)
		}
		state, _, err := b.StepApplication(ctx(), caller, s)
		return state, err
	}
	must2 := func(want ledgerv1.ApplicationState) func(state ledgerv1.ApplicationState, err error) {
		return func(state ledgerv1.ApplicationState, err error) {
			t.Helper()
			if must(t, err); state != want {
				t.Errorf("%s, not %s", state, want)
			}
		}
	}
	second, third := b.Officer(apitest.SecondOfficer), b.Officer(apitest.ThirdOfficer)
	_, err = step(second, review.Return, "DOCUMENTS_MISSING", "")
	wants(t, err, api.Invalid, api.ReasonNoteMissing, "note")
	_, err = step(second, review.Return, "QUALITY", "?")
	wants(t, err, api.Invalid, api.ReasonDecisionReason, "reason_code")
	_, err = step(second, review.Take, "", "")
	wants(t, err, api.Invalid, api.ReasonUnknownEnum, "decision")
	_, err = step(itself, review.Approve, "MEETS_REQUIREMENTS", "")
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, err = step(second, review.Reject, "REQUIREMENTS_NOT_MET", "", func(s *api.ApplicationStep) { s.TrustTier = 3 })
	wants(t, err, api.Invalid, api.ReasonField, "valid_from")
	_, err = step(second, review.Approve, "MEETS_REQUIREMENTS", "", func(s *api.ApplicationStep) { s.Application = 1 << 40 })
	wants(t, err, api.NotFound, api.ReasonUnknownApplication, "application")
	_, err = step(itself, review.Answer, "", "已补充")
	wants(t, err, api.Precondition, api.ReasonApplicationTurn, "application")
	must2(ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED)(step(second, review.Return, "DOCUMENTS_MISSING", "请补充备案证明"))
	_, err = step(b.Officer(apitest.Officer), review.Answer, "", "已补充")
	wants(t, err, api.Denied, api.ReasonDenied, "application") // another than who applied
	must2(ledgerv1.ApplicationState_APPLICATION_STATE_UNSPECIFIED)(step(itself, review.Answer, "", "已补充"))
	_, err = step(second, review.Reject, "REQUIREMENTS_NOT_MET", "", func(s *api.ApplicationStep) { s.ChangedIndex = applied.ChangedIndex })
	wants(t, err, api.Changed, api.ReasonApplicationChanged, "changed_index")
	must2(ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED)(step(second, review.Reject, "REQUIREMENTS_NOT_MET", ""))
	b.stands(query, api.StandingNone, "NOT_A_PLATFORM")
	list, next, err := b.ListApplications(ctx(), api.ApplicationFilter{Within: apitest.Root, Stated: true, State: ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED}, api.Page{})
	// The policy gives fifteen days.
	if must(t, err); len(list) != 1 || next != "" || list[0].AppealUntil != "2026-06-30" {
		t.Errorf("refused %+v", list)
	}
	must2(ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED)(step(itself, review.Appeal, "", "证明在第三页"))
	_, err = step(second, review.Approve, "MEETS_REQUIREMENTS", "")
	wants(t, err, api.Denied, api.ReasonFourEyes, "application")
	must2(ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED)(step(third, review.Approve, "MEETS_REQUIREMENTS", "", func(s *api.ApplicationStep) {
		s.ValidFrom, s.TrustTier = "2026-06-12", 1
	}))
	_, err = step(itself, review.Withdraw, "", "")
	wants(t, err, api.Precondition, api.ReasonApplicationTurn, "application")

	query.Date = "2026-06-11"
	b.stands(query, api.StandingNotYet, "PLATFORM_NOT_YET")
	query.Date = "2026-12-31"
	b.stands(query, api.StandingAccredited, "PLATFORM_ADMITTED")
	query.Date = "2027-01-01"
	b.stands(query, api.StandingEnded, "PLATFORM_ENDED")
	early := b.ended(account, "2026-06-11")
	results := b.post(apitest.Platform, early, b.ended(account, "2026-06-12"))
	if results[0].Fault == nil || results[0].Fault.Reason != api.ReasonPlatformNotAccredited || results[1].Status != api.Recorded {
		t.Errorf("posted %+v", results)
	}
	// Renewed for earlier days, it posts the rest too.
	renewal, err := apply(b.Officer(apitest.Officer), func(n *api.NewApplication) { n.ValidFrom, n.ValidUntil = "2026-06-01", "2026-06-11" })
	must(t, err)
	applied = renewal
	_, err = step(b.Officer(apitest.Officer), review.Approve, "MEETS_REQUIREMENTS", "")
	wants(t, err, api.Denied, api.ReasonFourEyes, "application")
	must2(ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED)(step(second, review.Approve, "MEETS_REQUIREMENTS", ""))
	if r := b.post(apitest.Platform, early)[0]; r.Status != api.Recorded || r.Decision.Outcome == noCredit {
		t.Errorf("posted again %+v", r)
	}
	list, next, err = b.ListApplications(ctx(), api.ApplicationFilter{}, api.Page{Size: 1})
	if must(t, err); len(list) != 1 || list[0].Index != renewal.Index || next == "" {
		t.Errorf("listed %+v", list)
	}
	list, next, err = b.ListApplications(ctx(), api.ApplicationFilter{}, api.Page{Size: 1, Token: next})
	if must(t, err); len(list) != 1 || list[0].Index == renewal.Index || next != "" {
		t.Errorf("listed %+v", list)
	}
	b.fsck()
}

// Courses go the same way as applications.
func TestCourseAppeal(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	officer, second := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	waiting, err := b.ListCourses(ctx(), api.CourseFilter{Status: api.CourseProposed}, api.Page{})
	must(t, err)
	course := waiting.Courses[0]
	step := func(caller access.Caller, act review.Act, code, note string) error {
		_, _, err := b.StepApplication(ctx(), caller, api.ApplicationStep{
			RequestID: b.RequestID(), Application: course.Index, Act: act, ReasonCode: code, Note: note,
		})
		return err
	}
	decide := func(caller access.Caller, decision ledgerv1.CourseDecision, code string) error {
		_, err := b.DecideCourse(ctx(), caller, api.CourseVerdict{
			RequestID: b.RequestID(), Provider: course.Provider, Code: course.Code, Version: course.Version, Decision: decision, ReasonCode: code,
		})
		return err
	}
	const accredit, refuse = ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED, ledgerv1.CourseDecision_COURSE_DECISION_REFUSED
	query := api.Query{Provider: course.Provider, Code: course.Code, Version: course.Version}
	wants(t, decide(b.Officer(apitest.StreetOfficer), accredit, ""), api.Denied, api.ReasonOwnInstitution, "decision")
	wants(t, step(second, review.Approve, "MEETS_REQUIREMENTS", ""), api.Invalid, api.ReasonField, "application")
	must(t, step(second, review.Return, "DOCUMENTS_UNCLEAR", "请补充大纲"))
	b.stands(query, api.StandingPending, "COURSE_RETURNED")
	wants(t, decide(second, accredit, ""), api.Precondition, api.ReasonCourseDecided, "decision")
	must(t, step(officer, review.Answer, "", "大纲已附"))
	wants(t, decide(second, refuse, "QUALITY"), api.Invalid, api.ReasonDecisionReason, "reason_code")
	wants(t, decide(second, refuse, "OTHER"), api.Invalid, api.ReasonNoteMissing, "reason")
	must(t, decide(second, refuse, "CONTENT_UNSUITABLE"))
	b.stands(query, api.StandingNone, "COURSE_REFUSED")
	b.Clock.Advance(16 * 24 * time.Hour)
	officer, second = b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	third := b.Officer(apitest.ThirdOfficer)
	wants(t, step(officer, review.Appeal, "", "内容已修改"), api.Precondition, api.ReasonDeadlinePassed, "application")

	// Another version is refused, and heard in time.
	course.Version = "2"
	course, err = b.ProposeCourse(ctx(), officer, b.RequestID(), course)
	must(t, err)
	query.Version = "2"
	must(t, decide(second, refuse, "CONTENT_UNSUITABLE"))
	must(t, step(officer, review.Appeal, "", "内容已修改"))
	b.stands(query, api.StandingPending, "COURSE_APPEALED")
	wants(t, decide(second, accredit, ""), api.Denied, api.ReasonFourEyes, "decision")
	must(t, decide(third, accredit, "MEETS_REQUIREMENTS"))
	b.stands(query, api.StandingAccredited, "COURSE_ACCREDITED")

	course.Version = "3"
	course, err = b.ProposeCourse(ctx(), officer, b.RequestID(), course)
	must(t, err)
	query.Version = "3"
	must(t, step(officer, review.Withdraw, "", ""))
	b.stands(query, api.StandingNone, "COURSE_WITHDRAWN")
	statuses := make(map[api.CourseStatus]int)
	all, err := b.ListCourses(ctx(), api.CourseFilter{Provider: apitest.Beishan}, api.Page{})
	must(t, err)
	for _, c := range all.Courses {
		statuses[c.Status]++
	}
	if statuses[api.CourseAccredited] != 3 || statuses[api.CourseRefused] != 1 || statuses[api.CourseWithdrawn] != 1 {
		t.Errorf("%v", statuses)
	}
	b.fsck()
}

// A provider's suspension is that of its courses; a platform's rejects what was learned in it; an end keeps what was before.
func TestOrganizationChanges(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	const trust, suspended, reinstated, ended = ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST,
		ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED, ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_REINSTATED,
		ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED
	for name, c := range map[string]struct {
		change api.OrganizationChange
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"nothing":         {api.OrganizationChange{}, api.Invalid, api.ReasonUnknownEnum, "change"},
		"no reason":       {api.OrganizationChange{Change: suspended, From: today, ReasonCode: "?"}, api.Invalid, api.ReasonDecisionReason, "reason_code"},
		"no trust":        {api.OrganizationChange{Change: trust}, api.Invalid, api.ReasonField, "trust_tier"},
		"trust and more":  {api.OrganizationChange{Change: suspended, From: today, TrustTier: 1}, api.Invalid, api.ReasonField, "trust_tier"},
		"roles and more":  {api.OrganizationChange{Change: suspended, From: today, Roles: []ledgerv1.Role{isPlatform}}, api.Invalid, api.ReasonField, "roles"},
		"no day":          {api.OrganizationChange{Change: suspended}, api.Invalid, api.ReasonField, "from"},
		"from and an end": {api.OrganizationChange{Change: ended, From: today, Until: today}, api.Invalid, api.ReasonField, "from"},
		"until and trust": {api.OrganizationChange{Change: trust, TrustTier: 1, Until: today}, api.Invalid, api.ReasonField, "until"},
		"in the past":     {api.OrganizationChange{Change: suspended, From: "2026-06-14"}, api.Invalid, api.ReasonSuspension, "from"},
		"ended long ago":  {api.OrganizationChange{Change: ended, Until: "2026-06-13"}, api.Invalid, api.ReasonField, "until"},
		"not suspended":   {api.OrganizationChange{Change: reinstated, From: today}, api.Precondition, api.ReasonSuspension, "from"},
		"unknown":         {api.OrganizationChange{Organization: "nobody", Change: ended, Until: today}, api.NotFound, api.ReasonUnknownOrganization, "organization"},
		"itself":          {api.OrganizationChange{Organization: apitest.Root, Change: ended, Until: today}, api.Denied, api.ReasonOwnInstitution, "organization"},
		"role of none": {
			api.OrganizationChange{Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ROLES, Roles: []ledgerv1.Role{99}}, api.Invalid, api.ReasonUnknownEnum, "roles[0]",
		},
	} {
		if c.change.Organization == "" {
			c.change.Organization = apitest.Beishan
		}
		err := b.changeOrganization(c.change)
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	provider := api.Query{Role: isProvider, Organization: apitest.Beishan}
	if a := b.stands(provider, api.StandingAccredited, "PROVIDER_ADMITTED"); a.AccreditedCourses != 2 {
		t.Errorf("%d courses", a.AccreditedCourses)
	}
	must(t, b.changeOrganization(api.OrganizationChange{Organization: apitest.Beishan, Change: suspended, From: "2026-06-16", Until: "2026-06-20"}))
	must(t, b.changeOrganization(api.OrganizationChange{Organization: apitest.Platform, Change: suspended, From: "2026-06-25", ReasonCode: "FRAUD"}))
	must(t, b.changeOrganization(api.OrganizationChange{Organization: apitest.Platform, Change: trust, TrustTier: 1}))
	b.Clock.Advance(20 * 24 * time.Hour) // July 5
	must(t, b.changeOrganization(api.OrganizationChange{Organization: apitest.Platform, Change: reinstated, From: "2026-07-01"}))
	provider.Date = "2026-06-20"
	if a := b.stands(provider, api.StandingSuspended, "PROVIDER_SUSPENDED"); a.AccreditedCourses != 0 {
		t.Errorf("%d courses", a.AccreditedCourses)
	}
	b.stands(api.Query{Provider: apitest.Beishan, Code: apitest.Calligraphy, Version: "1", Date: "2026-06-16"}, api.StandingSuspended, "PROVIDER_SUSPENDED")
	b.stands(api.Query{Role: isPlatform, Organization: apitest.Platform, Date: "2026-06-30"}, api.StandingSuspended, "PLATFORM_SUSPENDED")
	for date, want := range map[string]any{
		"2026-06-15": awarded, "2026-06-16": noCredit, "2026-06-20": noCredit, "2026-06-21": awarded, "2026-06-24": awarded,
		"2026-06-25": api.ReasonPlatformNotAccredited, "2026-06-30": api.ReasonPlatformNotAccredited, "2026-07-01": awarded,
	} {
		switch r := b.post(apitest.Platform, b.ended(account, date))[0]; {
		case r.Decision != nil && r.Decision.Outcome == want:
		case r.Fault != nil && r.Fault.Reason == want:
		default:
			t.Errorf("%s: %+v, %v, not %v", date, r.Decision, r.Fault, want)
		}
	}
	must(t, b.changeOrganization(api.OrganizationChange{Organization: apitest.Beishan, Change: ended, Until: "2026-07-04"}))
	provider.Date = ""
	b.stands(provider, api.StandingEnded, "PROVIDER_ENDED")
	became(t, b.one(b.ended(account, "2026-07-03")).Decision, awarded, 90, 100, 0)
	_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), api.Course{
		Provider: apitest.Beishan, Code: "late", Version: "1", Title: "新课", Category: "arts", NominalMinutes: 90, ValidFrom: "2026-01-01",
	})
	wants(t, err, api.Precondition, api.ReasonOrganizationEnded, "course.provider")
	_, err = b.Apply(ctx(), b.Officer(apitest.Officer), api.NewApplication{
		RequestID: b.RequestID(), Organization: apitest.Beishan, Role: isPlatform, ValidFrom: today,
	})
	wants(t, err, api.Precondition, api.ReasonOrganizationEnded, "organization")
	b.fsck()
}

// Words are found in title, code and provider, however they are written; filters narrow, and pages add up.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), api.Course{
		Provider: apitest.Sandun, Code: "AI-Basics", Version: "1", Title: "人工智能 ＡＩ 入门 Strasse ΣΑΣ", Category: "science", Level: 2, NominalMinutes: 90,
		ValidFrom: "2026-01-01", Capacity: 30,
	})
	must(t, err)
	level := 3
	for name, c := range map[string]struct {
		filter api.CourseFilter
		want   []string
	}{
		"all":              {api.CourseFilter{}, []string{"calligraphy", "first-aid", "first-aid-online", "smartphone", "welding", "tea", "AI-Basics"}},
		"title":            {api.CourseFilter{Search: "急救"}, []string{"first-aid", "first-aid-online"}},
		"two words":        {api.CourseFilter{Search: "急救　线上"}, []string{"first-aid-online"}},
		"code":             {api.CourseFilter{Search: "ai-BASICS"}, []string{"AI-Basics"}},
		"full width":       {api.CourseFilter{Search: "ai 入门"}, []string{"AI-Basics"}},
		"other full width": {api.CourseFilter{Search: "ａｉ－ｂ"}, []string{"AI-Basics"}},
		"final sigma":      {api.CourseFilter{Search: "σας"}, []string{"AI-Basics"}},
		"name of provider": {api.CourseFilter{Search: "翠苑街道"}, []string{"first-aid-online", "smartphone"}},
		"id of provider":   {api.CourseFilter{Search: "SANDUN"}, []string{"AI-Basics"}},
		"across two":       {api.CourseFilter{Search: "入门calligraphy"}, nil},
		"nothing":          {api.CourseFilter{Search: "游泳"}, nil},
		"provider":         {api.CourseFilter{Provider: apitest.Root}, []string{"welding"}},
		"nobody's":         {api.CourseFilter{Provider: "nobody"}, nil},
		"below":            {api.CourseFilter{Within: apitest.Beishan}, []string{"calligraphy", "first-aid", "tea"}},
		"category":         {api.CourseFilter{Category: "health"}, []string{"first-aid", "first-aid-online"}},
		"level":            {api.CourseFilter{Level: &level}, []string{"welding"}},
		"capacity":         {api.CourseFilter{HasCapacity: true}, []string{"AI-Basics"}},
		"status":           {api.CourseFilter{Status: api.CourseProposed}, []string{"tea", "AI-Basics"}},
		"on a day":         {api.CourseFilter{ValidOn: today, Within: apitest.Beishan}, []string{"calligraphy", "first-aid"}},
		"too early":        {api.CourseFilter{ValidOn: "2024-12-31"}, nil},
	} {
		var got []string
		for page := (api.Page{Size: 2}); ; {
			found, err := b.ListCourses(ctx(), c.filter, page)
			must(t, err)
			for _, course := range found.Courses {
				got = append(got, course.Code)
			}
			if found.Total != len(c.want) {
				t.Errorf("%s: %d in all", name, found.Total)
			}
			if page.Token = found.Next; found.Next == "" {
				break
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
	_, err = b.ListCourses(ctx(), api.CourseFilter{Search: strings.Repeat("a", 101)}, api.Page{})
	wants(t, err, api.Invalid, api.ReasonField, "search")
	_, err = b.ListCourses(ctx(), api.CourseFilter{ValidOn: "tomorrow"}, api.Page{})
	wants(t, err, api.Invalid, api.ReasonField, "valid_on")
}

// A course says what it would give in each form of learning, and why; what is asked wrong is answered for itself.
func TestQueries(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	smartphone := api.Query{Provider: apitest.Cuiyuan, Code: apitest.Smartphone, Version: "1", Date: "2026-07-01"}
	for mode, credits := range map[statementv1.Mode]unit.Credits{
		// 900 minutes: of 720 each as a class, of 900 on the net, of 30 and of 15 hours.
		0: 1200, statementv1.Mode_MODE_CLASSROOM: 1200, statementv1.Mode_MODE_ONLINE: 1000, statementv1.Mode_MODE_PRACTICE: 500, statementv1.Mode_MODE_LECTURE: 1000,
	} {
		q := smartphone
		q.Mode = mode
		for range 2 { // worked out, and remembered
			e := b.stands(q, api.StandingAccredited, "COURSE_ACCREDITED").Earning
			if e.Credits != credits || e.Minutes != 900 || e.Outcome != awarded || e.Points != 15_000 {
				t.Errorf("mode %v: %+v", mode, e)
			}
			for _, words := range e.Reasons {
				if words.ZH == "" || words.EN == "" {
					t.Errorf("mode %v: %+v", mode, e.Reasons)
				}
			}
		}
	}
	queries := []api.Query{
		smartphone,
		{},
		{Provider: apitest.Cuiyuan, Code: "nothing"},
		{Role: isProvider, Organization: "nobody"},
		{Role: ledgerv1.Role_ROLE_AUDITOR, Organization: apitest.Root},
		{Role: isPlatform, Organization: apitest.Platform, Date: "1.1.2026"},
		{Provider: apitest.Cuiyuan, Code: apitest.Smartphone, Mode: 77},
	}
	answers, err := b.QueryAccreditations(ctx(), queries)
	if must(t, err); len(answers) != len(queries) {
		t.Fatalf("%d answers", len(answers))
	}
	for i, want := range []string{"COURSE_ACCREDITED", "subject", "COURSE_UNKNOWN", "PROVIDER_UNKNOWN", "subject", "date", "mode"} {
		switch a := answers[i]; {
		case a.Fault != nil && a.Fault.Field == want && a.Accreditation == nil:
		case a.Fault == nil && a.Reasons[0] == want:
		default:
			t.Errorf("question %d: %+v, not %s", i, a, want)
		}
	}
	for _, n := range []int{0, api.MaxQueries + 1} {
		_, err := b.QueryAccreditations(ctx(), make([]api.Query, n))
		wants(t, err, api.Invalid, api.ReasonBatchSize, "queries")
	}
}

// Every code of a decision has words.
func TestAccreditationReasons(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"MEETS_REQUIREMENTS", "STILL_MEETS_REQUIREMENTS", "DOCUMENTS_MISSING", "DOCUMENTS_UNCLEAR", "REQUIREMENTS_NOT_MET", "STAFF_NOT_QUALIFIED",
		"CONTENT_UNSUITABLE", "DUPLICATE", "QUALITY", "FRAUD", "OWN_WISH", "CORRECTED", "OTHER",
	} {
		if words := api.AccreditationReason(code); words.ZH == "" || words.EN == "" {
			t.Errorf("no words for %s", code)
		}
	}
	if api.AccreditationReason("WHATEVER") != (api.Text{}) {
		t.Error("words for a code that there is not")
	}
}

// An organization without any role calls with its key, and applies.
func TestApplyWithoutRole(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	code, err := unit.OrganizationCodeFor("52330106000000777")
	must(t, err)
	_, err = b.RegisterOrganization(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Organization{
		ID: "new-school", Name: "新学校", Code: string(code), Parent: apitest.Beishan, TrustTier: 1,
	})
	must(t, err)
	key := b.AddedKey("new-school", keyring.Authenticate)
	token, err := access.OrganizationToken(apitest.BankID, "new-school", key, b.Clock.Now())
	must(t, err)
	applied, err := b.Apply(ctx(), b.As(token), api.NewApplication{
		RequestID: b.RequestID(), Organization: "new-school", Role: isProvider, ValidFrom: "2026-07-01",
	})
	must(t, err)
	course := api.Course{Provider: "new-school", Code: "go", Version: "1", Title: "围棋", Category: "arts", NominalMinutes: 90, ValidFrom: "2026-01-01"}
	_, err = b.ProposeCourse(ctx(), b.As(token), b.RequestID(), course)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	// The street's officer is above it.
	_, _, err = b.StepApplication(ctx(), b.Officer(apitest.StreetOfficer), api.ApplicationStep{
		RequestID: b.RequestID(), Application: applied.Index, Act: review.Approve, ReasonCode: "MEETS_REQUIREMENTS",
	})
	must(t, err)
	proposed, err := b.ProposeCourse(ctx(), b.As(token), b.RequestID(), course)
	must(t, err)
	_, err = b.DecideCourse(ctx(), b.Officer(apitest.StreetOfficer), api.CourseVerdict{
		RequestID: b.RequestID(), Provider: course.Provider, Code: course.Code, Version: course.Version,
		Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
	})
	must(t, err)
	query := api.Query{Provider: "new-school", Code: "go", Version: "1", Date: "2026-06-30"}
	b.stands(query, api.StandingNotYet, "PROVIDER_NOT_YET")
	query.Date = "2026-07-01"
	b.stands(query, api.StandingAccredited, "COURSE_ACCREDITED")
	found, err := b.ListCourses(ctx(), api.CourseFilter{Search: "新学校", ValidOn: "2026-07-01"}, api.Page{})
	if must(t, err); len(found.Courses) != 1 || found.Courses[0].Index != proposed.Index {
		t.Errorf("found %+v", found)
	}
}

// A provider has at most as many courses waiting as officers can read, and may go on when one of them is withdrawn.
func TestOpenCoursesAreLimited(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	propose := func(provider string, n int) (api.Course, error) {
		return b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), api.Course{
			Provider: provider, Code: fmt.Sprint("c", n), Version: "1", Title: "书法", Category: "arts", NominalMinutes: 100, ValidFrom: "2026-01-01",
		})
	}
	waiting, err := b.ListCourses(ctx(), api.CourseFilter{Provider: apitest.Sandun, Status: api.CourseProposed}, api.Page{})
	must(t, err)
	var last api.Course
	for n := range 1000 - len(waiting.Courses) {
		last, err = propose(apitest.Sandun, n)
		must(t, err)
	}
	_, err = propose(apitest.Sandun, 1000)
	wants(t, err, api.Precondition, api.ReasonCourseLimit, "course.provider")
	_, err = propose(apitest.Beishan, 1000)
	must(t, err)
	_, _, err = b.StepApplication(ctx(), b.Officer(apitest.Officer), api.ApplicationStep{
		RequestID: b.RequestID(), Application: last.Index, Act: review.Withdraw,
	})
	must(t, err)
	_, err = propose(apitest.Sandun, 1001)
	must(t, err)
}
