package api_test

import (
	"slices"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// hall is what a completion on one site is asked with: a course of its own for each capacity.
type hall struct{ *bank }

func (b *bank) hall(codes map[string]int) hall {
	b.t.Helper()
	for code, capacity := range codes {
		c := api.Course{
			Provider: apitest.Beishan, Code: code, Version: apitest.CourseVersion, Title: code, Category: "arts", Level: 1,
			NominalMinutes: 720, ValidFrom: "2025-01-01", Capacity: capacity,
		}
		_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), c)
		must(b.t, err)
		_, err = b.DecideCourse(ctx(), b.Officer(apitest.SecondOfficer), api.CourseVerdict{
			RequestID: b.RequestID(), Provider: c.Provider, Code: c.Code, Version: c.Version,
			Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
		})
		must(b.t, err)
	}
	return hall{b}
}

// class posts a class on the site, of a new account, in one hour.
func (h hall) class(course string) api.StatementResult {
	h.t.Helper()
	s := h.learned(h.Open(), apitest.Calligraphy, 3, 90)
	s.GetCompletion().Course, s.GetCompletion().Site = course, "hall-2"
	return h.one(s)
}

// held are the completions with an open case for the crowd.
func (h hall) held() []uint64 {
	h.t.Helper()
	var held []uint64
	for _, c := range h.cases() {
		if !slices.Equal(c.Causes, []string{"crowd"}) {
			h.t.Errorf("case %+v", c)
		}
		held = append(held, c.Completion)
	}
	slices.Sort(held)
	return held
}

func (h hall) holds(want ...uint64) {
	h.t.Helper()
	if held := h.held(); !slices.Equal(held, want) {
		h.t.Errorf("cases of %v, want %v", held, want)
	}
}

// On one site courses that hold more can carry a crowd past what another one holds. The first that is too many by its own limit
// reports all before it, and each of them once.
func TestCrowdOfCourses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "scope: SCOPE_SITE, times_capacity: 1"))
	h := b.hall(map[string]int{"small": 2, "large": 6})
	var all []uint64
	for range 4 {
		r := h.class("large")
		became(t, r.Decision, awarded, 90, 100, 0)
		all = append(all, r.Index)
	}
	h.holds()
	small := h.class("small") // the fifth, where two are believed
	became(t, small.Decision, inReview, 0, 0, 0)
	all = append(all, small.Index)
	h.holds(all...)
	// What an officer has decided is not asked again; what came since is.
	b.decide(b.caseOf(all[0]), api.VerdictApprove)
	sixth := h.class("large")
	became(t, sixth.Decision, awarded, 90, 100, 0)
	h.holds(all[1:]...)
	seventh := h.class("small")
	became(t, seventh.Decision, inReview, 0, 0, 0)
	h.holds(append(slices.Clone(all[1:]), sixth.Index, seventh.Index)...)
	b.decide(b.caseOf(sixth.Index), api.VerdictApprove)
	eighth := h.class("large") // the eighth, where six are believed
	became(t, eighth.Decision, inReview, 0, 0, 0)
	h.holds(append(slices.Clone(all[1:]), seventh.Index, eighth.Index)...)
	same := b.simulate(api.Simulation{YAML: crowdPolicy(t, "scope: SCOPE_SITE, times_capacity: 1")})
	if same.CasesBefore != same.CasesAfter || same.Before != same.After {
		t.Errorf("the same policy: %+v", same)
	}
}

// One that is too many, and would not have counted, reports the others all the same, once.
func TestCrowdReportedByDuplicate(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 2"))
	twice := b.Open()
	first := b.one(b.learned(twice, apitest.FirstAid, 3, 90))
	second := b.one(b.learned(b.Open(), apitest.FirstAid, 3, 90))
	for range 2 {
		became(t, b.one(b.learned(twice, apitest.FirstAid, 3, 90)).Decision, duplicate, 0, 0, 0)
	}
	h := hall{b}
	h.holds(first.Index, second.Index)
	b.decide(b.caseOf(first.Index), api.VerdictApprove)
	last := b.one(b.learned(b.Open(), apitest.FirstAid, 3, 90))
	h.holds(second.Index, last.Index)
	same := b.simulate(api.Simulation{YAML: crowdPolicy(t, "completions: 2")})
	if same.CasesBefore != same.CasesAfter || same.Before != same.After {
		t.Errorf("the same policy: %+v", same)
	}
}

// What another rule held at the limit, and an officer let count since, is not asked again by those that come after it, on the ledger
// and in a simulation.
func TestCrowdAndAnotherRule(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 1"))
	h := hall{b}
	first := b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	twice := b.Open()
	b.post(apitest.OtherPlatform, b.learned(twice, apitest.Smartphone, 3, 90))
	both := b.one(b.learned(twice, apitest.Calligraphy, 3, 90)) // in two places at once
	if !slices.Equal(both.Decision.Causes, []string{"two-places"}) {
		t.Fatalf("causes %v", both.Decision.Causes)
	}
	b.decide(b.caseOf(both.Index), api.VerdictApprove)
	last := b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	h.holds(first.Index, last.Index)
	same := b.simulate(api.Simulation{YAML: crowdPolicy(t, "completions: 1")})
	if same.CasesBefore != same.CasesAfter || same.Before != same.After {
		t.Errorf("the same policy: %+v", same)
	}
}

// A case moves nothing: what was frozen when its crowd was reported waits for its officer, and does not escape.
func TestHeard(t *testing.T) {
	t.Parallel()
	for status, want := range map[ledgerv1.AccountStatus]bool{
		ledgerv1.AccountStatus_ACCOUNT_STATUS_UNSPECIFIED: false,
		ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL: true,
		ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED:    true,
		ledgerv1.AccountStatus_ACCOUNT_STATUS_FROZEN:      true,
		ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED:      false,
		ledgerv1.AccountStatus_ACCOUNT_STATUS_CLOSED:      false,
		ledgerv1.AccountStatus_ACCOUNT_STATUS_ERASED:      false,
	} {
		if got := api.Heard(status); got != want {
			t.Errorf("%v: %v", status, got)
		}
	}
}
