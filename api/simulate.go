package api

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of simulations, unless Config says otherwise.
const (
	usualSimulations           = 1
	usualSimulationCompletions = 10_000_000

	usualTop = 10
	maxTop   = 100
	// maxPolicyErrors is how many completions with a condition that failed are named.
	maxPolicyErrors = 100
)

// Simulation asks what a draft would do to the recorded history.
type Simulation struct {
	// YAML is the draft, or Hash names a policy on the ledger: exactly one.
	YAML, Hash []byte
	// Organization narrows what is counted to the courses of its subtree; empty: the caller's subtree.
	Organization string
	// From and To narrow it to learning that ended on these days or between them: YYYY-MM-DD; empty: no bound.
	From, To string
	// AnyDay judges by the draft whenever the learning ended, as if it had no dates and its organization no other policy.
	AnyDay bool
	// Top is how many accounts are named that gain, and that lose: at most 100; 0: 10.
	Top int
}

// SimulationProgress is how far a simulation is, in completions. Total is an estimate, Remaining zero while nothing can
// be said.
type SimulationProgress struct {
	Done, Total int64
	Remaining   time.Duration
}

// SimulationTotals are sums of completions as they stand.
type SimulationTotals struct {
	Minutes            unit.Minutes
	Available, Pending unit.Credits
}

func (t *SimulationTotals) add(o SimulationTotals) {
	t.Minutes += o.Minutes
	t.Available += o.Available
	t.Pending += o.Pending
}

// SimulationChange is what was, and what would be.
type SimulationChange struct{ Before, After SimulationTotals }

// SimulationCategory is what changes in a category.
type SimulationCategory struct {
	Category string
	SimulationChange
}

// SimulationAccount is what changes for an account.
type SimulationAccount struct {
	Account unit.AccountID
	SimulationChange
}

// SimulationOutcomes counts completions by what became of them and what would.
type SimulationOutcomes struct {
	Before, After ledgerv1.Outcome
	Completions   int64
}

// SimulationCause counts cases by why they were and would be opened.
type SimulationCause struct {
	Cause         string
	Before, After int64
}

// SimulationResult is what a draft would do. It counts only the completions that were asked for; before and after are both
// as of the newest entry, with everything settled that is overdue then.
type SimulationResult struct {
	PolicyHash []byte
	LogSize    uint64
	// Completions are counted; Judged of them were decided anew, ByDraft of these by the draft. KeptDecided keep what an officer
	// decided, KeptErased are of people who were forgotten.
	Completions, Judged, ByDraft, KeptDecided, KeptErased int64
	SimulationChange
	// Categories are in the order of their names.
	Categories []SimulationCategory
	// Gaining have more credits, or where that is the same more available ones, or else more minutes; Losing have less.
	Gaining, Losing, Same int64
	// Gainers and Losers are those that gain and lose most.
	Gainers, Losers []SimulationAccount
	Outcomes        []SimulationOutcomes
	// CasesBefore and CasesAfter are how many were and would be opened; Causes are in the order of their names.
	CasesBefore, CasesAfter int64
	Causes                  []SimulationCause
	// PolicyErrors are completions of which a condition could not be worked out: some of them.
	PolicyErrors []uint64
}

// SimulatePolicy decides the recorded history anew as if a draft had been in force from the beginning, and answers who would
// gain and lose what. It writes nothing. It reports how far it is now and again, in the caller's goroutine; an error of progress ends
// it, and so does the end of ctx. What officers decided, and the accounts of people who were forgotten, stay as they are.
//
// It goes through the accounts one after the other, since no decision depends on another account but for its crowds, which are
// taken as they were counted, and holds in memory only
// those that it works on: some 10 kB a completion of theirs.
func (b *Bank) SimulatePolicy(
	ctx context.Context, caller access.Caller, s Simulation, progress func(SimulationProgress) error,
) (SimulationResult, error) {
	if err := caller.Holds(access.SimulatePolicy); err != nil {
		return SimulationResult{}, err
	}
	select {
	case b.simulations <- struct{}{}:
		defer func() { <-b.simulations }()
	default:
		return SimulationResult{}, faultf(Busy, ReasonSimulations, "",
			"%d simulations are under way, as many as may be; try again when one has ended", cap(b.simulations))
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return SimulationResult{}, err
	}
	defer view.Close()
	t, err := b.newTrial(caller, s, view, d)
	if err != nil {
		return SimulationResult{}, err
	}
	return t.run(ctx, progress)
}

// newTrial checks what is asked.
func (b *Bank) newTrial(caller access.Caller, s Simulation, view ledger.View, d *directory) (*trial, error) {
	draft, err := s.draft(d)
	if err != nil {
		return nil, err
	}
	if err := caller.Check(access.SimulatePolicy, access.Subject{Organization: draft.Organization()}, d); err != nil {
		return nil, err
	}
	organization := cmp.Or(s.Organization, caller.Organization)
	if err := d.permit(caller, access.SimulatePolicy, "organization", organization); err != nil {
		return nil, err
	}
	t := &trial{bank: b, view: view, real: d, directory: d.with(draft), draft: draft, counted: make(map[uint64]bool), top: cmp.Or(s.Top, usualTop)}
	var fault *Error
	if t.from, fault = parseDay("from_date", s.From, true); fault != nil {
		return nil, fault
	}
	if t.to, fault = parseDay("to_date", s.To, true); fault != nil {
		return nil, fault
	}
	if s.From == "" {
		t.from = math.MinInt32
	}
	if s.To == "" {
		t.to = math.MaxInt32
	}
	switch {
	case t.to < t.from:
		return nil, invalid(ReasonField, "to_date", "the period ends on %s, before it begins on %s", s.To, s.From)
	case s.Top < 0 || s.Top > maxTop:
		return nil, invalid(ReasonField, "top_n", "%d accounts are asked for, 1 to %d are named", s.Top, maxTop)
	}
	for _, c := range d.courses {
		t.counted[c.GetIndex()] = d.Within(c.fact.GetProvider(), organization)
	}
	return t, nil
}

// draft is the policy that is tried.
func (s Simulation) draft(d *directory) (*published, error) {
	if (len(s.YAML) == 0) == (len(s.Hash) == 0) {
		return nil, invalid(ReasonField, "draft", "give the draft's YAML, or the hash of a policy: one of them")
	}
	if len(s.Hash) > 0 {
		known := d.policyOf(s.Hash)
		if known == nil {
			return nil, unknownPolicy()
		}
		return &published{Policy: known.Policy, row: known.row, anyDay: s.AnyDay}, nil
	}
	p, err := compilePolicy(s.YAML)
	if err != nil {
		return nil, err
	}
	if _, ok := d.organizations[p.Organization()]; !ok {
		return nil, invalid(ReasonUnknownOrganization, "yaml", "organization: there is no organization %q", p.Organization())
	}
	hash := p.Hash()
	row := &ledgerv1.PolicyRow{Fact: &ledgerv1.PolicyProposed{PolicyHash: hash[:]}}
	return &published{Policy: p, row: row, anyDay: s.AnyDay}, nil
}

// with is the directory as if a policy were in force: instead of one of the same organization that begins on the same day,
// and of all of them where it is tried on any day.
func (d *directory) with(draft *published) *directory {
	tried := *d
	tried.scopes = maps.Clone(d.scopes)
	scope := []*published{draft}
	if !draft.anyDay {
		for _, p := range d.scopes[draft.Organization()] {
			if p.EffectiveFrom() != draft.EffectiveFrom() {
				scope = append(scope, p)
			}
		}
	}
	slices.SortStableFunc(scope, func(a, b *published) int { return cmp.Compare(b.EffectiveFrom(), a.EffectiveFrom()) })
	tried.scopes[draft.Organization()] = scope
	return &tried
}

// A tally adds up what a trial comes to. It grows with the categories, rules and outcomes, not with the history.
type tally struct {
	SimulationResult
	top        int
	categories map[string]*SimulationChange
	outcomes   map[[2]ledgerv1.Outcome]int64
	causes     map[string]*[2]int64
}

func newTally(top int) *tally {
	return &tally{
		top: top, categories: make(map[string]*SimulationChange),
		outcomes: make(map[[2]ledgerv1.Outcome]int64), causes: make(map[string]*[2]int64),
	}
}

// completion counts one as it stands and as it would.
func (t *tally) completion(category string, before, after state, account *SimulationChange) {
	t.Completions++
	t.outcomes[[2]ledgerv1.Outcome{before.outcome, after.outcome}]++
	change := SimulationChange{before.SimulationTotals, after.SimulationTotals}
	t.category(category, change)
	account.Before.add(change.Before)
	account.After.add(change.After)
}

func (t *tally) category(category string, change SimulationChange) {
	sum := t.categories[category]
	if sum == nil {
		sum = new(SimulationChange)
		t.categories[category] = sum
	}
	sum.Before.add(change.Before)
	sum.After.add(change.After)
}

// opened counts a case, before (0) or after (1).
func (t *tally) opened(when int, causes []string) {
	if when == 0 {
		t.CasesBefore++
	} else {
		t.CasesAfter++
	}
	for _, cause := range causes {
		t.cause(cause, when, 1)
	}
}

func (t *tally) cause(cause string, when int, cases int64) {
	sum := t.causes[cause]
	if sum == nil {
		sum = new([2]int64)
		t.causes[cause] = sum
	}
	sum[when] += cases
}

// account counts one with the sums of its completions.
func (t *tally) account(a SimulationAccount) {
	t.Before.add(a.Before)
	t.After.add(a.After)
	switch order := a.gain(SimulationAccount{}); {
	case order > 0:
		t.Gaining++
		t.Gainers = t.best(t.Gainers, a, 1)
	case order < 0:
		t.Losing++
		t.Losers = t.best(t.Losers, a, -1)
	default:
		t.Same++
	}
}

// gain compares what two accounts gain: credits, then available ones, then minutes.
func (a *SimulationAccount) gain(than SimulationAccount) int {
	diff := func(c *SimulationChange) (all, available unit.Credits, minutes unit.Minutes) {
		available = c.After.Available - c.Before.Available
		return available + c.After.Pending - c.Before.Pending, available, c.After.Minutes - c.Before.Minutes
	}
	all, available, minutes := diff(&a.SimulationChange)
	otherAll, otherAvailable, otherMinutes := diff(&than.SimulationChange)
	return cmp.Or(cmp.Compare(all, otherAll), cmp.Compare(available, otherAvailable), cmp.Compare(minutes, otherMinutes))
}

// best is a list of those that gain most (sign 1) or lose most (sign -1), with one more considered for it.
func (t *tally) best(list []SimulationAccount, a SimulationAccount, sign int) []SimulationAccount {
	i, _ := slices.BinarySearchFunc(list, a, func(x, a SimulationAccount) int {
		return cmp.Or(-sign*x.gain(a), bytes.Compare(x.Account[:], a.Account[:]))
	})
	if i >= t.top {
		return list
	}
	list = slices.Insert(list, i, a)
	return list[:min(len(list), t.top)]
}

// merge adds another tally.
func (t *tally) merge(o *tally) {
	t.Completions += o.Completions
	t.Judged += o.Judged
	t.ByDraft += o.ByDraft
	t.KeptDecided += o.KeptDecided
	t.KeptErased += o.KeptErased
	t.Before.add(o.Before)
	t.After.add(o.After)
	for category, change := range o.categories {
		t.category(category, *change)
	}
	t.Gaining += o.Gaining
	t.Losing += o.Losing
	t.Same += o.Same
	for _, a := range o.Gainers {
		t.Gainers = t.best(t.Gainers, a, 1)
	}
	for _, a := range o.Losers {
		t.Losers = t.best(t.Losers, a, -1)
	}
	for outcomes, n := range o.outcomes {
		t.outcomes[outcomes] += n
	}
	t.CasesBefore += o.CasesBefore
	t.CasesAfter += o.CasesAfter
	for cause, cases := range o.causes {
		t.cause(cause, 0, cases[0])
		t.cause(cause, 1, cases[1])
	}
	t.PolicyErrors = append(t.PolicyErrors, o.PolicyErrors...)
}

// result is the tally in order.
func (t *tally) result() SimulationResult {
	r := t.SimulationResult
	for category, change := range t.categories {
		r.Categories = append(r.Categories, SimulationCategory{category, *change})
	}
	for outcomes, n := range t.outcomes {
		r.Outcomes = append(r.Outcomes, SimulationOutcomes{outcomes[0], outcomes[1], n})
	}
	for cause, cases := range t.causes {
		r.Causes = append(r.Causes, SimulationCause{cause, cases[0], cases[1]})
	}
	slices.SortFunc(r.Categories, func(a, b SimulationCategory) int { return cmp.Compare(a.Category, b.Category) })
	slices.SortFunc(r.Outcomes, func(a, b SimulationOutcomes) int {
		return cmp.Or(cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	slices.SortFunc(r.Causes, func(a, b SimulationCause) int { return cmp.Compare(a.Cause, b.Cause) })
	slices.Sort(r.PolicyErrors)
	r.PolicyErrors = r.PolicyErrors[:min(len(r.PolicyErrors), maxPolicyErrors)]
	return r
}

// failed notes a completion of which a condition could not be worked out.
func (t *tally) failed(index uint64) {
	if len(t.PolicyErrors) < maxPolicyErrors {
		t.PolicyErrors = append(t.PolicyErrors, index)
	}
}

// compilePolicy reads a policy that somebody proposes.
func compilePolicy(yaml []byte) (*policy.Policy, error) {
	if n := len(yaml); n == 0 || n > MaxPolicyBytes {
		return nil, invalid(ReasonPolicyInvalid, "yaml", "the policy has %d bytes, 1 to %d are taken", n, MaxPolicyBytes)
	}
	p, err := policy.Compile(yaml)
	if err != nil {
		return nil, invalid(ReasonPolicyInvalid, "yaml", "%w", err)
	}
	return p, nil
}
