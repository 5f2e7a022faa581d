package api_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Every changing method does the same request once, and notices another one under its id.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	admin, officer := b.Officer(apitest.Administrator), b.Officer(apitest.Officer)
	late := b.one(b.learned(b.Open(), apitest.Calligraphy, 100, 90))
	other := b.one(b.learned(b.Open(), apitest.Calligraphy, 101, 90))
	code, err := unit.OrganizationCodeFor("52330106000000777")
	must(t, err)
	key := b.NewKey()
	policies := [][]byte{beishanPolicy(t, "1", "2024-03-30", ""), beishanPolicy(t, "2", "2026-07-01", "")}
	var hashes [][]byte
	for _, yaml := range policies {
		p, err := b.ProposePolicy(ctx(), officer, b.RequestID(), yaml)
		must(t, err)
		hashes = append(hashes, p.Hash)
	}
	var applications []uint64
	for _, organization := range []string{apitest.Platform, apitest.OtherPlatform, apitest.Root, apitest.Beishan} {
		role := ledgerv1.Role_ROLE_PROVIDER
		if organization == apitest.Root || organization == apitest.Beishan {
			role = ledgerv1.Role_ROLE_PLATFORM
		}
		applied, err := b.Apply(ctx(), officer, api.NewApplication{
			RequestID: b.RequestID(), Organization: organization, Role: role, ValidFrom: "2026-07-01",
		})
		must(t, err)
		applications = append(applications, applied.Index)
	}
	doomed := []*keyring.PrivateKey{b.AddedKey(apitest.Platform, keyring.Sign), b.AddedKey(apitest.Platform, keyring.Sign)}
	// Each method is asked by n: 0 and 1 are two requests.
	for name, do := range map[string]func(id string, n int) error{
		"RegisterOrganization": func(id string, n int) error {
			_, err := b.RegisterOrganization(ctx(), admin, id, api.Organization{
				ID: fmt.Sprint("new-", n), Name: "新学校", Code: string(code), Parent: apitest.Root, TrustTier: 1,
			})
			return err
		},
		"AddKey": func(id string, n int) error {
			k := b.KeyRequest(key, apitest.Platform, keyring.Sign)
			k.ValidUntil = b.Clock.Now().Add(time.Duration(n+1) * time.Hour).UnixMicro()
			_, _, err := b.AddKey(ctx(), admin, id, k)
			return err
		},
		"RevokeKey": func(id string, n int) error {
			_, _, err := b.RevokeKey(ctx(), admin, id, api.Revocation{Key: doomed[n].Public().ID()})
			return err
		},
		"AppointOfficer": func(id string, n int) error {
			_, err := b.AppointOfficer(ctx(), admin, id, api.Appointment{
				Officer: fmt.Sprint("new-", n), Organization: apitest.Root, Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR},
			})
			return err
		},
		"RemoveOfficer": func(id string, n int) error {
			_, err := b.RemoveOfficer(ctx(), admin, id, []string{apitest.StreetOfficer, apitest.Registrar}[n], "")
			return err
		},
		"ProposeCourse": func(id string, n int) error {
			_, err := b.ProposeCourse(ctx(), officer, id, api.Course{
				Provider: apitest.Beishan, Code: "new", Version: fmt.Sprint(n), Title: "新课", Category: "arts", NominalMinutes: 90, ValidFrom: "2026-01-01",
			})
			return err
		},
		"DecideCourse": func(id string, n int) error {
			_, err := b.DecideCourse(ctx(), b.Officer(apitest.SecondOfficer), api.CourseVerdict{
				RequestID: id, Provider: apitest.Beishan, Code: apitest.Proposed, Version: apitest.CourseVersion,
				Decision: []ledgerv1.CourseDecision{ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED, ledgerv1.CourseDecision_COURSE_DECISION_REFUSED}[n],
			})
			return err
		},
		"ChangeCourse": func(id string, n int) error {
			_, err := b.ChangeCourse(ctx(), b.Officer(apitest.SecondOfficer), api.CourseChange{
				RequestID: id, Provider: apitest.Beishan, Code: []string{apitest.Calligraphy, apitest.FirstAid}[n], Version: apitest.CourseVersion,
				Change: ledgerv1.CourseChange_COURSE_CHANGE_RENEWED, From: "2030-01-01", ReasonCode: "STILL_MEETS_REQUIREMENTS",
			})
			return err
		},
		"Apply": func(id string, n int) error {
			_, err := b.Apply(ctx(), officer, api.NewApplication{
				RequestID: id, Organization: []string{apitest.Sandun, apitest.Cuiyuan}[n], Role: ledgerv1.Role_ROLE_PLATFORM, ValidFrom: "2026-07-01",
			})
			return err
		},
		"DecideApplication": func(id string, n int) error {
			_, _, err := b.StepApplication(ctx(), b.Officer(apitest.SecondOfficer), api.ApplicationStep{
				RequestID: id, Application: applications[n], Act: review.Reject, ReasonCode: "REQUIREMENTS_NOT_MET",
			})
			return err
		},
		"PursueApplication": func(id string, n int) error {
			_, _, err := b.StepApplication(ctx(), officer, api.ApplicationStep{RequestID: id, Application: applications[2+n], Act: review.Withdraw})
			return err
		},
		"ChangeOrganization": func(id string, n int) error {
			_, err := b.ChangeOrganization(ctx(), admin, api.OrganizationChange{
				RequestID: id, Organization: apitest.Beishan, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST, TrustTier: 2 + n,
				ReasonCode: "QUALITY",
			})
			return err
		},
		"ProposePolicy": func(id string, n int) error {
			_, err := b.ProposePolicy(ctx(), officer, id, beishanPolicy(t, []string{"8", "9"}[n], "2027-01-01", ""))
			return err
		},
		"PublishPolicy": func(id string, n int) error {
			_, err := b.PublishPolicy(ctx(), b.Officer(apitest.SecondOfficer), id, hashes[n])
			return err
		},
		"DecideCase": func(id string, n int) error {
			_, _, _, _, err := b.DecideCase(ctx(), officer, api.CaseDecision{
				RequestID: id, Case: []uint64{late.Index, other.Index}[n], Verdict: api.VerdictApprove, ReasonCode: "EVIDENCE_SUFFICIENT",
			})
			return err
		},
		"OpenAccount": func(id string, n int) error {
			_, _, err := b.OpenAccount(ctx(), b.Platform(apitest.Platform), api.Opening{
				RequestID: id, Name: "新人", Document: b.Document(500 + n), Home: apitest.Beishan,
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			id, before := b.RequestID(), b.size()
			must(t, do(id, 0))
			after := b.size()
			must(t, do(id, 0))
			if after == before || b.size() != after {
				t.Errorf("from %d entries to %d, then to %d", before, after, b.size())
			}
			wants(t, do(id, 1), api.Conflict, api.ReasonRequestReused, "request_id")
			for _, malformed := range []string{"", "1", "00000000-0000-0000-0000-000000000000", "{" + id[1:35] + "}", "urn:uuid:" + id} {
				wants(t, do(malformed, 1), api.Invalid, api.ReasonRequestID, "request_id")
			}
			if b.size() != after {
				t.Errorf("%d entries were written", b.size()-after)
			}
		})
	}
}

// Two officers for a policy; only the first one reaches back; no two from one day on; the nearest judges.
func TestPolicies(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	officer, second := b.Officer(apitest.Officer), b.Officer(apitest.SecondOfficer)
	propose := func(version, from, more string) api.Policy {
		t.Helper()
		p, err := b.ProposePolicy(ctx(), officer, b.RequestID(), beishanPolicy(t, version, from, more))
		must(t, err)
		return p
	}
	publish := func(caller access.Caller, p api.Policy) error {
		_, err := b.PublishPolicy(ctx(), caller, b.RequestID(), p.Hash)
		return err
	}
	first := propose("1", "2024-03-30", "")
	wants(t, publish(officer, first), api.Denied, api.ReasonFourEyes, "policy_hash")
	wants(t, publish(b.Officer(apitest.Administrator), first), api.Denied, api.ReasonDenied, "")
	wants(t, publish(b.Platform(apitest.Platform), first), api.Denied, api.ReasonDenied, "")
	wants(t, publish(second, api.Policy{Hash: bytes.Repeat([]byte{1}, 32)}), api.NotFound, api.ReasonNotFound, "policy_hash")
	_, err := b.ProposePolicy(ctx(), officer, b.RequestID(), beishanPolicy(t, "1", "2024-03-30", "# the same version, other bytes\n"))
	wants(t, err, api.Conflict, api.ReasonPolicyKnown, "yaml")
	_, err = b.ProposePolicy(ctx(), officer, b.RequestID(), []byte("id: 3"))
	wants(t, err, api.Invalid, api.ReasonPolicyInvalid, "yaml")
	_, err = b.ProposePolicy(ctx(), officer, b.RequestID(), make([]byte, api.MaxPolicyBytes+1))
	wants(t, err, api.Invalid, api.ReasonPolicyInvalid, "yaml")
	_, err = b.ProposePolicy(ctx(), b.Officer(apitest.StreetOfficer), b.RequestID(), bytes.Replace(apitest.PolicyYAML(t), []byte("2026.1"), []byte("2026.2"), 1))
	wants(t, err, api.Denied, api.ReasonDenied, "")
	// What begins in time when it is proposed can be too late, or overlap, when it is to be published.
	yesterday, twin, today := propose("2", "2026-06-14", ""), propose("3", "2024-03-30", "\n"), propose("4", "2026-06-15", "")
	// A street's own officer may propose for the street, and the first policy reaches back.
	must(t, publish(b.Officer(apitest.StreetOfficer), first))
	wants(t, publish(second, first), api.Precondition, api.ReasonPolicyPublished, "policy_hash")
	wants(t, publish(second, yesterday), api.Precondition, api.ReasonPolicyRetroactive, "policy_hash")
	wants(t, publish(second, twin), api.Precondition, api.ReasonPolicyRetroactive, "policy_hash")
	must(t, publish(second, today))

	account := b.Open()
	for course, want := range map[string][]byte{apitest.Calligraphy: first.Hash, apitest.Smartphone: b.Policy, apitest.Welding: b.Policy} {
		if d := b.one(b.learned(account, course, 5, 90)).Decision; !bytes.Equal(d.PolicyHash, want) {
			t.Errorf("%s was judged by %x, not %x", course, d.PolicyHash, want)
		}
	}
	var listed []string
	for page := (api.Page{Size: 2}); ; {
		list, next, err := b.ListPolicies(ctx(), page)
		must(t, err)
		for _, p := range list {
			listed = append(listed, fmt.Sprint(p.Version, p.Published))
		}
		if page.Token = next; next == "" {
			break
		}
	}
	if want := []string{"4true", "3false", "2false", "1true", "2026.1true"}; !slices.Equal(listed, want) {
		t.Errorf("policies %v, not %v", listed, want)
	}
	_, yaml, err := b.GetPolicy(ctx(), first.Hash)
	if must(t, err); !bytes.Equal(yaml, beishanPolicy(t, "1", "2024-03-30", "")) {
		t.Error("the policy's bytes are not those that were proposed")
	}
	_, _, err = b.GetPolicy(ctx(), first.Hash[:31])
	wants(t, err, api.Invalid, api.ReasonField, "policy_hash")
}

// A policy that is in force until the next version does not come back when that one has ended.
func TestPolicySuperseded(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(beishanPolicy(t, "1", "2024-03-30", ""))
	until := bytes.Replace(beishanPolicy(t, "2", "2026-07-01", ""), []byte("time_zone:"), []byte("effective_until: \"2026-07-31\"\ntime_zone:"), 1)
	second := b.publish(until)
	b.Clock.Advance(60 * 24 * time.Hour) // August
	account := b.Open()
	for date, want := range map[string][]byte{"2026-07-20": second.Hash, "2026-08-05": b.Policy} {
		end, err := time.Parse(time.DateOnly, date)
		must(t, err)
		if d := b.one(b.learnedUntil(account, apitest.Calligraphy, end, 90)).Decision; !bytes.Equal(d.PolicyHash, want) {
			t.Errorf("%s was judged by %x, not %x", date, d.PolicyHash, want)
		}
	}
}

// A course is proposed, decided by another officer, counts in its window, and is retired.
func TestCourses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	const accredited, refusal, retired = ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
		ledgerv1.CourseDecision_COURSE_DECISION_REFUSED, ledgerv1.CourseDecision_COURSE_DECISION_RETIRED
	course := api.Course{
		Provider: apitest.Cuiyuan, Code: "tea", Version: "1", Title: "茶艺", Category: "arts", Level: 1, NominalMinutes: 720,
		ValidFrom: "2026-01-01", ValidUntil: "2026-12-31",
	}
	decide := func(officer, version string, decision ledgerv1.CourseDecision, last string) error {
		_, err := b.DecideCourse(ctx(), b.Officer(officer), api.CourseVerdict{
			RequestID: b.RequestID(), Provider: course.Provider, Code: course.Code, Version: version, Decision: decision, LastDay: last,
		})
		return err
	}
	query := func(version, date string, accredited bool, credits unit.Credits, reasons ...string) {
		t.Helper()
		a, err := b.QueryAccreditation(ctx(), api.Query{Provider: course.Provider, Code: course.Code, Version: version, Date: date})
		must(t, err)
		var earned unit.Credits
		if a.Earning != nil {
			earned = a.Earning.Credits
		}
		if a.Accredited != accredited || !slices.Equal(a.Reasons, reasons) || earned != credits {
			t.Errorf("version %q on %s: %+v", version, date, a)
		}
		for _, r := range a.Reasons {
			if api.AccreditationWords(r) == (api.Text{}) {
				t.Errorf("no words for %s", r)
			}
		}
	}
	query("1", "", false, 0, "COURSE_UNKNOWN")
	for name, c := range map[string]struct {
		change func(c *api.Course)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"unknown provider": {func(c *api.Course) { c.Provider = "nobody" }, api.NotFound, api.ReasonUnknownOrganization, "course.provider"},
		"no provider":      {func(c *api.Course) { c.Provider = apitest.Platform }, api.Precondition, api.ReasonNotAProvider, "course.provider"},
		"no code":          {func(c *api.Course) { c.Code = "" }, api.Invalid, api.ReasonField, "course.code"},
		"category":         {func(c *api.Course) { c.Category = "magic" }, api.Invalid, api.ReasonUnknownCategory, "course.category"},
		"no minutes":       {func(c *api.Course) { c.NominalMinutes = 0 }, api.Invalid, api.ReasonMinutes, "course.nominal_minutes"},
		"title of a line":  {func(c *api.Course) { c.Title = "a\nb" }, api.Invalid, api.ReasonField, "course.title"},
		"title turned":     {func(c *api.Course) { c.Title = "a\u202eb" }, api.Invalid, api.ReasonField, "course.title"},
		"no date":          {func(c *api.Course) { c.ValidFrom = "2026-02-30" }, api.Invalid, api.ReasonField, "course.valid_from"},
		"ends first":       {func(c *api.Course) { c.ValidUntil = "2025-12-31" }, api.Invalid, api.ReasonField, "course.valid_until"},
		"day zero":         {func(c *api.Course) { c.ValidFrom, c.ValidUntil = "1960-01-01", "1970-01-01" }, api.Invalid, api.ReasonField, "course.valid_until"},
		"level":            {func(c *api.Course) { c.Level = 21 }, api.Invalid, api.ReasonField, "course.level"},
		"no such level":    {func(c *api.Course) { c.Level = 11 }, api.Invalid, api.ReasonUnknownLevel, "course.level"},
		"capacity":         {func(c *api.Course) { c.Capacity = -1 }, api.Invalid, api.ReasonField, "course.capacity"},
	} {
		wrong := course
		c.change(&wrong)
		_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), wrong)
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	for _, version := range []string{"1", "2", "3"} {
		c := course
		c.Version = version
		_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), c)
		must(t, err)
	}
	_, err := b.ProposeCourse(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), course)
	wants(t, err, api.Conflict, api.ReasonCourseKnown, "course.version")
	query("1", "2026-06-01", false, 0, "COURSE_NOT_DECIDED")
	query("", "2026-06-01", false, 0, "COURSE_UNKNOWN")
	wants(t, decide(apitest.Officer, "1", accredited, ""), api.Denied, api.ReasonFourEyes, "decision")
	wants(t, decide(apitest.StreetOfficer, "1", accredited, ""), api.Denied, api.ReasonDenied, "")
	wants(t, decide(apitest.SecondOfficer, "9", accredited, ""), api.NotFound, api.ReasonUnknownCourse, "code")
	wants(t, decide(apitest.SecondOfficer, "1", retired, "2026-06-10"), api.Precondition, api.ReasonCourseDecided, "decision")
	wants(t, decide(apitest.SecondOfficer, "1", accredited, "2026-06-10"), api.Invalid, api.ReasonField, "last_day")
	wants(t, decide(apitest.SecondOfficer, "1", 0, ""), api.Invalid, api.ReasonUnknownEnum, "decision")
	must(t, decide(apitest.SecondOfficer, "1", accredited, ""))
	must(t, decide(apitest.SecondOfficer, "2", refusal, ""))
	wants(t, decide(apitest.SecondOfficer, "1", refusal, ""), api.Precondition, api.ReasonCourseDecided, "decision")
	wants(t, decide(apitest.SecondOfficer, "2", accredited, ""), api.Precondition, api.ReasonCourseDecided, "decision")
	query("1", "2026-06-01", true, 1000, "COURSE_ACCREDITED")
	query("", "2026-06-01", true, 1000, "COURSE_ACCREDITED")
	query("1", "2025-12-31", false, 0, "BEFORE_VALIDITY")
	query("1", "2027-01-01", false, 0, "AFTER_VALIDITY")
	query("1", "2024-01-01", false, 0, "BEFORE_VALIDITY", "NO_POLICY")
	query("2", "2026-06-01", false, 0, "COURSE_REFUSED")
	wants(t, decide(apitest.SecondOfficer, "1", retired, ""), api.Invalid, api.ReasonField, "last_day")
	must(t, decide(apitest.Officer, "1", retired, "2026-06-10"))
	query("1", "2026-06-10", true, 1000, "COURSE_ACCREDITED")
	query("1", "2026-06-11", false, 0, "COURSE_RETIRED")
	_, err = b.QueryAccreditation(ctx(), api.Query{Provider: course.Provider, Code: course.Code, Version: "1", Date: "11.6.2026"})
	wants(t, err, api.Invalid, api.ReasonField, "date")

	// What was learned by its last day still counts; afterwards the hours are kept.
	account := b.Open()
	for daysAgo, want := range map[int]ledgerv1.Outcome{5: awarded, 4: noCredit} {
		s := b.learned(account, apitest.Smartphone, daysAgo, 90)
		s.GetCompletion().Course = course.Code
		if d := b.one(s).Decision; d.Outcome != want || d.Minutes != 90 {
			t.Errorf("%d days ago: %+v", daysAgo, d)
		}
	}
	for provider, c := range map[string]struct {
		reason string
		count  int
	}{apitest.Cuiyuan: {"PROVIDER_ADMITTED", 2}, apitest.Sandun: {"PROVIDER_ADMITTED", 0}, apitest.Platform: {"NOT_A_PROVIDER", 0}, "nobody": {"PROVIDER_UNKNOWN", 0}} {
		a, err := b.QueryAccreditation(ctx(), api.Query{Role: ledgerv1.Role_ROLE_PROVIDER, Organization: provider, Date: "2026-06-15"})
		if must(t, err); !slices.Equal(a.Reasons, []string{c.reason}) || a.AccreditedCourses != c.count || a.Accredited != (c.reason == "PROVIDER_ADMITTED") {
			t.Errorf("%s: %+v", provider, a)
		}
	}
	filter := api.CourseFilter{Provider: apitest.Cuiyuan, Status: api.CourseProposed}
	list, err := b.ListCourses(ctx(), filter, api.Page{})
	if must(t, err); len(list.Courses) != 1 || list.Total != 1 || list.Courses[0].Version != "3" {
		t.Errorf("courses that wait: %+v", list)
	}
	list, err = b.ListCourses(ctx(), api.CourseFilter{Category: "arts"}, api.Page{Size: 2})
	must(t, err)
	_, err = b.ListCourses(ctx(), filter, api.Page{Token: list.Next})
	wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
	rest, err := b.ListCourses(ctx(), api.CourseFilter{Category: "arts"}, api.Page{Size: 1000, Token: list.Next})
	if must(t, err); len(list.Courses) != 2 || len(rest.Courses) != 3 || rest.Next != "" || list.Total != 5 || rest.Total != 5 {
		t.Errorf("%d and %d courses", len(list.Courses), len(rest.Courses))
	}
	for _, size := range []int{-1, 1001} {
		_, err = b.ListCourses(ctx(), filter, api.Page{Size: size})
		wants(t, err, api.Invalid, api.ReasonField, "page_size")
	}
}

// Administrators act in their subtree, on what is there, and not on themselves.
func TestAdministration(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	admin := b.Officer(apitest.Administrator)
	appoint := func(caller access.Caller, officer, organization string, roles ...ledgerv1.OfficerRole) error {
		_, err := b.AppointOfficer(ctx(), caller, b.RequestID(), api.Appointment{Officer: officer, Organization: organization, Roles: roles})
		return err
	}
	const administrator = ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR
	must(t, appoint(admin, "admin-street", apitest.Beishan, administrator))
	street := b.Officer("admin-street")
	wants(t, appoint(street, "x1", apitest.Root, administrator), api.Denied, api.ReasonDenied, "")
	wants(t, appoint(street, "x1", apitest.Cuiyuan, administrator), api.Denied, api.ReasonDenied, "")
	must(t, appoint(street, "x1", apitest.Beishan, administrator))
	wants(t, appoint(street, apitest.Officer, apitest.Beishan, administrator), api.Denied, api.ReasonDenied, "")
	wants(t, appoint(street, "admin-street", apitest.Beishan, ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION), api.Denied, api.ReasonOwnOffice, "officer")
	wants(t, appoint(admin, "x2", "nobody", administrator), api.NotFound, api.ReasonUnknownOrganization, "organization")
	wants(t, appoint(admin, "x2", apitest.Root), api.Invalid, api.ReasonField, "roles")
	wants(t, appoint(admin, "X 2", apitest.Root, administrator), api.Invalid, api.ReasonField, "officer")
	wants(t, appoint(admin, "x2", apitest.Root, 9), api.Invalid, api.ReasonUnknownEnum, "roles[0]")
	wants(t, appoint(b.Officer(apitest.Officer), "x2", apitest.Root, administrator), api.Denied, api.ReasonDenied, "")

	remove := func(caller access.Caller, officer string) error {
		_, err := b.RemoveOfficer(ctx(), caller, b.RequestID(), officer, "")
		return err
	}
	wants(t, remove(street, apitest.Administrator), api.Denied, api.ReasonDenied, "")
	wants(t, remove(admin, apitest.Administrator), api.Denied, api.ReasonOwnOffice, "officer")
	wants(t, remove(admin, "nobody"), api.NotFound, api.ReasonUnknownOfficer, "officer")
	// Whoever was removed does nothing more, also with a call that had begun.
	second := b.Officer(apitest.SecondAdministrator)
	token := b.OfficerToken(apitest.SecondAdministrator)
	must(t, remove(admin, apitest.SecondAdministrator))
	wants(t, remove(admin, apitest.SecondAdministrator), api.NotFound, api.ReasonUnknownOfficer, "officer")
	wants(t, remove(second, apitest.Administrator), api.Denied, api.ReasonDenied, "")
	_, err := b.Authenticate(ctx(), token)
	wants(t, err, api.Unauthenticated, api.ReasonUnauthenticated, "")

	code, err := unit.OrganizationCodeFor("52330106000000777")
	must(t, err)
	o := api.Organization{ID: "new-school", Name: "新学校", Code: string(code), Parent: apitest.Beishan, TrustTier: 1}
	for name, c := range map[string]struct {
		change func(o *api.Organization)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"id":             {func(o *api.Organization) { o.ID = "A" }, api.Invalid, api.ReasonField, "organization.organization_id"},
		"code":           {func(o *api.Organization) { o.Code = o.Code[:17] + "?" }, api.Invalid, api.ReasonOrganizationCode, "organization.code"},
		"no parent":      {func(o *api.Organization) { o.Parent = "" }, api.Invalid, api.ReasonUnknownOrganization, "organization.parent"},
		"unknown parent": {func(o *api.Organization) { o.Parent = "nobody" }, api.NotFound, api.ReasonUnknownOrganization, "organization.parent"},
		"elsewhere":      {func(o *api.Organization) { o.Parent = apitest.Cuiyuan }, api.Denied, api.ReasonDenied, ""},
		"known":          {func(o *api.Organization) { o.ID = apitest.Beishan }, api.Conflict, api.ReasonOrganizationKnown, "organization.organization_id"},
		"level":          {func(o *api.Organization) { o.Level = 77 }, api.Invalid, api.ReasonUnknownEnum, "organization.level"},
		"role twice":     {func(o *api.Organization) { o.Roles = []ledgerv1.Role{1, 1} }, api.Invalid, api.ReasonField, "organization.roles[1]"},
		"trust":          {func(o *api.Organization) { o.TrustTier = 6 }, api.Invalid, api.ReasonField, "organization.trust_tier"},
	} {
		wrong := o
		c.change(&wrong)
		_, err := b.RegisterOrganization(ctx(), street, b.RequestID(), wrong)
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}

	key := b.NewKey()
	for name, c := range map[string]struct {
		change func(k *api.NewKey)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"unknown organization": {func(k *api.NewKey) { *k = b.KeyRequest(key, "nobody", keyring.Sign) }, api.NotFound, api.ReasonUnknownOrganization, "organization"},
		"proof for another":    {func(k *api.NewKey) { k.Organization = apitest.OtherPlatform }, api.Invalid, api.ReasonKeyProof, "proof"},
		"proof of a purpose":   {func(k *api.NewKey) { k.Purpose = ledgerv1.KeyPurpose_KEY_PURPOSE_AUTHENTICATE }, api.Invalid, api.ReasonKeyProof, "proof"},
		"algorithm":            {func(k *api.NewKey) { k.Algorithm = 0 }, api.Invalid, api.ReasonUnknownEnum, "algorithm"},
		"another algorithm":    {func(k *api.NewKey) { k.Algorithm = 2 }, api.Invalid, api.ReasonKeyMalformed, "public_key"},
		"SM2":                  {func(k *api.NewKey) { k.Algorithm = 3 }, api.Invalid, api.ReasonKeyMalformed, "public_key"},
		"no key":               {func(k *api.NewKey) { k.PublicKey = nil }, api.Invalid, api.ReasonKeyMalformed, "public_key"},
		"ends first":           {func(k *api.NewKey) { k.ValidFrom, k.ValidUntil = 9, 8 }, api.Invalid, api.ReasonTime, "valid_until"},
		"known": {
			func(k *api.NewKey) {
				*k = b.KeyRequest(b.SignKey(apitest.Platform), apitest.OtherPlatform, keyring.Authenticate)
			},
			api.Conflict, api.ReasonKeyKnown, "public_key",
		},
	} {
		k := b.KeyRequest(key, apitest.Platform, keyring.Sign)
		c.change(&k)
		_, _, err := b.AddKey(ctx(), admin, b.RequestID(), k)
		t.Run("key "+name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	for _, since := range []int64{-1, b.Clock.Now().UnixMicro() + 1} {
		_, _, err := b.RevokeKey(ctx(), admin, b.RequestID(), api.Revocation{Key: key.Public().ID(), CompromisedSince: since})
		wants(t, err, api.Invalid, api.ReasonTime, "compromised_since")
	}
	_, _, err = b.RevokeKey(ctx(), admin, b.RequestID(), api.Revocation{Key: key.Public().ID()})
	wants(t, err, api.NotFound, api.ReasonUnknownKey, "key_id")
	_, _, err = b.RevokeKey(ctx(), street, b.RequestID(), api.Revocation{Key: b.SignKey(apitest.Platform).Public().ID()})
	wants(t, err, api.Denied, api.ReasonDenied, "")
}

// A bank is founded once, by two people.
func TestFound(t *testing.T) {
	t.Parallel()
	b := newBankWith(t, apitest.Options{Empty: true}) // founded, but empty
	code, err := unit.OrganizationCodeFor("52330106000000777")
	must(t, err)
	f := api.Founding{Organization: api.Organization{ID: "root", Name: "根", Code: string(code), TrustTier: 1}}
	wants(t, b.Found(ctx(), f), api.Invalid, api.ReasonField, "administrators")
	f.Administrators = []string{"li", "li"}
	wants(t, b.Found(ctx(), f), api.Invalid, api.ReasonField, "administrators")
	f.Administrators = []string{"li", "wang"}
	wants(t, b.Found(ctx(), f), api.Precondition, api.ReasonOrganizationKnown, "")
}

// Entries about nobody are anyone's; those about people are for the few, and all have proofs.
func TestEntries(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	single := b.one(b.learned(account, apitest.Smartphone, 100, 90)).Index
	b.Record(b.learned(account, apitest.Calligraphy, 8, 90), b.learned(account, apitest.Calligraphy, 7, 90))
	b.decide(b.cases()[0].ID, api.VerdictApprove)
	stranger := b.Open()
	callers := map[string]access.Caller{
		"anonymous": {}, "platform": b.Platform(apitest.Platform), "other platform": b.Platform(apitest.OtherPlatform),
		"resident": b.Resident(account.ID), "other resident": b.Resident(stranger.ID), "officer": b.Officer(apitest.Officer),
		"street officer": b.Officer(apitest.StreetOfficer), "administrator": b.Officer(apitest.Administrator),
	}
	// The account is at home in Beishan: the street's officer sees it.
	want := map[string][]string{
		"CompletionRecorded": {"officer", "platform", "resident", "street officer"},
		"SubmissionReceived": {"platform"},
		"CreditsAwarded":     {"officer", "resident", "street officer"},
	}
	view, err := b.Ledger.View()
	must(t, err)
	defer view.Close()
	for index := range b.size() {
		raw, e := b.entry(index)
		fact := factOf(e)
		for name, caller := range callers {
			readable, personal := want[fact]
			may := !personal || slices.Contains(readable, name)
			if fact == "AccountOpened" {
				mine := bytes.Equal(e.GetAccountOpened().GetAccount(), account.ID[:])
				may = name == "officer" || name == "street officer" || (name == "resident") == mine && (name == "resident" || name == "other resident") && (name == "other resident") != mine
			}
			// Officers are answered what concerns an account one by one, and not in a list.
			listed := may && !(caller.Kind == access.Officer && (personal || fact == "AccountOpened"))
			entry, proof, err := b.GetEntry(ctx(), caller, index, true)
			list, _, lerr := b.ListEntries(ctx(), caller, index, api.Page{Size: 1})
			if must(t, lerr); len(list) != 1 || list[0].LeafHash != merkle.LeafHash(raw) || !list[0].Time.Equal(time.UnixMicro(e.GetTime())) ||
				(list[0].Bytes != nil) != listed || (list[0].Fact != "") != listed {
				t.Errorf("%s lists entry %d (%s): %+v", name, index, fact, list)
			}
			if !may {
				kind, reason := api.Denied, api.ReasonDenied
				if name == "anonymous" {
					kind, reason = api.Unauthenticated, api.ReasonUnauthenticated
				}
				wants(t, err, kind, reason, "")
				continue
			}
			if err != nil || !bytes.Equal(entry.Bytes, raw) || merkle.VerifyInclusion(merkle.LeafHash(raw), index, proof.Size, proof.Hashes, root(t, b, proof.Checkpoint)) != nil {
				t.Errorf("%s reads entry %d (%s): %+v, %v", name, index, fact, entry, err)
			}
		}
	}
	_, _, err = b.GetEntry(ctx(), access.Caller{}, b.size(), false)
	wants(t, err, api.NotFound, api.ReasonNotFound, "")
	_, err = b.InclusionProof(ctx(), single, b.size()+1)
	wants(t, err, api.NotFound, api.ReasonNotFound, "")
	_, err = b.ConsistencyProof(ctx(), 5, 4)
	wants(t, err, api.NotFound, api.ReasonNotFound, "")
	n := 0
	for page := (api.Page{Size: 7}); ; {
		list, next, err := b.ListEntries(ctx(), access.Caller{}, 3, page)
		must(t, err)
		for _, e := range list {
			if e.Index != uint64(n+3) {
				t.Fatalf("entry %d at place %d", e.Index, n+3)
			}
			n++
		}
		if n == 7 {
			b.one(b.learned(account, apitest.Calligraphy, 5, 90)) // the log grows meanwhile
		}
		if page.Token = next; next == "" {
			break
		}
	}
	if uint64(n+3) != b.size() {
		t.Errorf("%d entries are listed of %d", n+3, b.size())
	}
}

func factOf(e *ledgerv1.Entry) string {
	fact := e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().ByName("fact"))
	return string(fact.Message().Name())
}

func root(t testing.TB, b *bank, checkpoint []byte) merkle.Hash {
	t.Helper()
	c, err := merkle.OpenCheckpoint(checkpoint, apitest.Origin, b.Verifier)
	must(t, err)
	return c.Root
}

// What is kept of a busy key stays when something else of the directory changes, and does not keep a key that is revoked.
func TestBusyKeys(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	for day := range 20 {
		b.one(b.learned(account, apitest.Calligraphy, day+1, 45))
	}
	id := b.SignKey(apitest.Platform).Public().ID()
	before, err := api.PublicKey(ctx(), b.Bank.Bank, id)
	must(t, err)
	if api.BusyKeys(b.Bank.Bank) != 1 {
		t.Errorf("something is kept of %d keys", api.BusyKeys(b.Bank.Bank))
	}
	doomed := b.AddedKey(apitest.Platform, keyring.Sign)
	after, err := api.PublicKey(ctx(), b.Bank.Bank, id)
	if must(t, err); after != before {
		t.Error("the key was read again since another one was added")
	}
	for _, key := range []keyring.KeyID{doomed.Public().ID(), id} {
		_, _, err = b.RevokeKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Revocation{Key: key})
		must(t, err)
	}
	_, _, err = b.RecordCompletions(ctx(), b.Platform(apitest.Platform), b.Submission(apitest.Platform, b.learned(account, apitest.Calligraphy, 40, 45)), false)
	wants(t, err, api.Denied, api.ReasonKeyRevoked, "key_id")
}
