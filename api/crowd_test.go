package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
)

// crowdPolicy is the default policy with a rule on crowds of its own.
func crowdPolicy(t testing.TB, rule string) []byte {
	t.Helper()
	before, after, ok := strings.Cut(string(apitest.PolicyYAML(t)), "\nrates:\n")
	if !ok {
		t.Fatal("the policy has no rates")
	}
	_, after, ok = strings.Cut(after, "# Credits are valid")
	if !ok {
		t.Fatal("the policy has no end of the rates")
	}
	yaml := before + "\nrates:\n  - {id: crowd, risk: 4, " + rule + "}\n# Credits are valid" + after
	yaml = strings.Replace(yaml, "organization: xihu-cc", "organization: "+apitest.Beishan, 1)
	return []byte(strings.Replace(yaml, "id: xihu\n", "id: beishan\n", 1))
}

// The first that is too many waits for an officer, and so do all after it; those before it become cases and keep what they
// have until an officer has decided.
func TestCrowd(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 3"))
	var accounts []api.Account
	for range 6 {
		accounts = append(accounts, b.Open())
	}
	var before []uint64
	for _, a := range accounts[:3] {
		r := b.one(b.learned(a, apitest.Calligraphy, 3, 90))
		became(t, r.Decision, awarded, 90, 100, 0)
		before = append(before, r.Index)
	}
	// One that was voided keeps its place in the crowd, but is no case.
	b.one(b.Void([]byte(b.statementOf(before[0]))))
	// Another hour and another course are no matter.
	became(t, b.one(b.learned(accounts[3], apitest.Calligraphy, 4, 90)).Decision, awarded, 90, 100, 0)
	became(t, b.one(b.learned(accounts[3], apitest.FirstAid, 3, 90)).Decision, awarded, 90, 100, 0)
	if cases := b.cases(); len(cases) != 0 {
		t.Fatalf("cases %+v", cases)
	}

	fourth := b.one(b.learned(accounts[4], apitest.Calligraphy, 3, 45))
	became(t, fourth.Decision, inReview, 0, 0, 0)
	if !slices.Equal(fourth.Decision.Causes, []string{"crowd"}) {
		t.Errorf("causes %v", fourth.Decision.Causes)
	}
	fifth := b.post(apitest.OtherPlatform, b.learned(accounts[5], apitest.Calligraphy, 3, 45))[0]
	became(t, fifth.Decision, inReview, 0, 0, 0)
	var held []uint64
	for _, c := range b.cases() {
		if !slices.Equal(c.Causes, []string{"crowd"}) || c.Risk != 4 {
			t.Errorf("case %+v", c)
		}
		held = append(held, c.Completion)
	}
	slices.Sort(held)
	if want := []uint64{before[1], before[2], fourth.Index, fifth.Index}; !slices.Equal(held, want) {
		t.Errorf("cases of %v, want %v", held, want)
	}
	b.has(accounts[1], 90, 100, 0, 0)
	// An officer lets one stand, takes another one away, and lets the one that waited count.
	b.decide(b.caseOf(before[1]), api.VerdictApprove)
	b.decide(b.caseOf(before[2]), api.VerdictReject)
	b.decide(b.caseOf(fourth.Index), api.VerdictApprove)
	b.has(accounts[1], 90, 100, 0, 0)
	b.has(accounts[2], 0, 0, 0, 100)
	b.has(accounts[4], 45, 0, 0, 0)
	// The crowd is reported once.
	sixth := b.one(b.learned(accounts[3], apitest.Calligraphy, 3, 45))
	became(t, sixth.Decision, inReview, 0, 0, 0)
	if cases := b.cases(); len(cases) != 2 {
		t.Errorf("cases %+v", cases)
	}
}

// In one submission the crowd grows from statement to statement; what is rejected or replayed is not in it.
func TestCrowdWithin(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 2"))
	account, other := b.Open(), b.Open()
	first := b.learned(account, apitest.Calligraphy, 3, 90)
	b.one(first)
	absurd := b.learned(other, apitest.Calligraphy, 3, 90)
	absurd.GetCompletion().Course = "no-such-course"
	second, third := b.learned(other, apitest.Calligraphy, 3, 90), b.learned(other, apitest.Calligraphy, 3, 45)
	results := b.post(apitest.Platform, first, absurd, second, third)
	if results[0].Status != api.Replayed || results[1].Status != api.Rejected {
		t.Fatalf("%+v", results)
	}
	became(t, results[2].Decision, awarded, 90, 100, 0)
	became(t, results[3].Decision, inReview, 0, 0, 0)
	if cases := b.cases(); len(cases) != 3 {
		t.Errorf("cases %+v", cases)
	}
}

// Each rule counts what it is asked for: those who are trusted more neither use up what others may, nor hide them.
func TestCrowdsOfTwoRules(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 2, when: trust_tier <= 2, words: {zh: 一, en: one}}\n  - {id: trusted, risk: 3, completions: 5, when: trust_tier >= 3"))
	class := func(platform string) api.StatementResult {
		return b.post(platform, b.learned(b.Open(), apitest.Calligraphy, 3, 90))[0]
	}
	few, many := apitest.OtherPlatform, apitest.Platform
	suspect := class(few)
	for range 3 {
		became(t, class(many).Decision, awarded, 90, 100, 0)
	}
	second := class(few)
	became(t, second.Decision, awarded, 90, 100, 0)
	third := class(few)
	became(t, third.Decision, inReview, 0, 0, 0)
	var held []uint64
	for _, c := range b.cases() {
		held = append(held, c.Completion)
	}
	slices.Sort(held)
	if want := []uint64{suspect.Index, second.Index, third.Index}; !slices.Equal(held, want) {
		t.Errorf("cases of %v, want %v", held, want)
	}
	became(t, class(many).Decision, awarded, 90, 100, 0)
}

// caseOf answers the open case on a completion.
func (b *bank) caseOf(completion uint64) uint64 {
	b.t.Helper()
	for _, c := range b.cases() {
		if c.Completion == completion {
			return c.ID
		}
	}
	b.t.Fatalf("there is no open case on completion %d", completion)
	return 0
}

// A simulation knows the crowds as they were counted, of all accounts.
func TestSimulationKnowsCrowds(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 3"))
	for range 5 {
		b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	}
	same := b.simulate(api.Simulation{YAML: crowdPolicy(t, "completions: 3")})
	if same.Before != same.After || same.CasesBefore != 5 || same.CasesAfter != 5 || same.After.Available != 300 {
		t.Errorf("the same policy: %+v", same)
	}
	fewer := b.simulate(api.Simulation{YAML: crowdPolicy(t, "completions: 1")})
	if fewer.CasesAfter != 5 || fewer.After.Available != 100 || fewer.Losing != 2 {
		t.Errorf("fewer are believed: %+v", fewer)
	}
	more := b.simulate(api.Simulation{YAML: crowdPolicy(t, "completions: 5")})
	if more.CasesAfter != 0 || more.After.Available != 500 || more.Gaining != 2 {
		t.Errorf("more are believed: %+v", more)
	}
}

// What was taken back before a crowd was reported is no case in a simulation either, and what was approved before is one.
func TestSimulationKnowsWhenCrowdsWereReported(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(crowdPolicy(t, "completions: 2"))
	voided := b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	b.one(b.Void([]byte(b.statementOf(voided.Index))))
	b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90))
	became(t, b.one(b.learned(b.Open(), apitest.Calligraphy, 3, 90)).Decision, inReview, 0, 0, 0)
	for range 3 {
		late := b.one(b.learned(b.Open(), apitest.Calligraphy, 100, 90))
		if cases := b.cases(); len(cases) < 5 {
			b.decide(b.caseOf(late.Index), api.VerdictApprove)
		}
	}
	if cases := b.cases(); len(cases) != 5 {
		t.Errorf("cases %+v", cases)
	}
	b.changesNothing("crowds")
}
