package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// rehearsal is a scribe that keeps nothing: what is appended is applied to a state in memory.
type rehearsal struct {
	*book.State
	// now is the time of what is appended, in microseconds since 1970; next is its index.
	now     int64
	next    uint64
	entries map[uint64]*ledgerv1.Entry
	// below reads entries that were not appended here; nil: there are none.
	below func(index uint64) (*ledgerv1.Entry, error)
	// crowd answers who was counted in a crowd when the entry that is being rehearsed was written; nil: whoever is here.
	crowd func(key uint64) (*ledgerv1.CrowdRow, error)
	// used says whether institutions had something of a completion when the entry that is being rehearsed was written; nil: what is
	// here says so.
	used func(completion uint64) bool
	// taken says how much of a completion institutions had taken over when the entry that is being rehearsed was written; nil: what is
	// here says so.
	taken func(completion uint64) int64
	// opened hears of every case; it may be nil.
	opened func(completion uint64, causes []string)
}

// Now implements scribe.
func (r *rehearsal) Now() time.Time { return timeOf(r.now) }

// Next implements scribe.
func (r *rehearsal) Next() uint64 { return r.next }

// Weeks implements scribe.
func (r *rehearsal) Weeks(id unit.AccountID) ([]int32, error) { return r.State.Weeks(id, nil), nil }

// Crowd implements scribe.
func (r *rehearsal) Crowd(key uint64) (*ledgerv1.CrowdRow, error) {
	if r.crowd == nil {
		return r.State.Crowd(key)
	}
	return r.crowd(key)
}

// Append implements scribe.
func (r *rehearsal) Append(e *ledgerv1.Entry) (uint64, error) {
	index := r.next
	r.next++
	return index, r.put(index, e)
}

// put appends an entry under an index of its own: one that the log has given it.
func (r *rehearsal) put(index uint64, e *ledgerv1.Entry) error {
	e.Index, e.Time = index, r.now
	if err := r.Apply(e); err != nil {
		return err
	}
	r.entries[index] = e
	if r.opened == nil {
		return nil
	}
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		if fact.CompletionRecorded.GetOutcome() == ledgerv1.Outcome_OUTCOME_IN_REVIEW {
			r.opened(index, fact.CompletionRecorded.GetCauses())
		}
	case *ledgerv1.Entry_CaseOpened:
		r.opened(fact.CaseOpened.GetCompletion().GetIndex(), fact.CaseOpened.GetCauses())
	}
	return nil
}

// Entry implements scribe.
func (r *rehearsal) Entry(index uint64) (*ledgerv1.Entry, error) {
	if e := r.entries[index]; e != nil {
		return e, nil
	}
	if r.below == nil {
		return nil, fmt.Errorf("%w: entry %d of a rehearsal", ledger.ErrNotFound, index)
	}
	return r.below(index)
}

// state is how a completion stands.
type state struct {
	outcome ledgerv1.Outcome
	SimulationTotals
}

// stateOf is how a completion stands when the view was newest, by the policy that is in force then. A rehearsal knows no transfers:
// what is held or was taken over counts as what the learner would have without.
func (t *trial) stateOf(d *directory, item *ledgerv1.CompletionItem) state {
	s := state{outcome: item.GetOutcome(), SimulationTotals: SimulationTotals{Minutes: unit.Minutes(item.GetMinutes())}}
	for _, lot := range item.GetLots() {
		s.Available += unit.Credits(lot.GetAvailable())
		s.Pending += unit.Credits(lot.GetPending())
		gone := unit.Credits(lot.GetReserved() + lot.GetTransferred())
		if gone == 0 || item.GetOutcome() != ledgerv1.Outcome_OUTCOME_AWARDED {
			continue
		}
		now := t.view.Time()
		if p := d.policyFor(d.byIndex[item.GetCourse()].fact.GetProvider(), now); !p.endsBy(lot, now) {
			s.Available += gone
		}
	}
	return s
}

// tried is an account on its way through its history.
type tried struct {
	*trial
	sum     *tally
	id      unit.AccountID
	sealer  *vault.Sealer
	book    *rehearsal
	account *ledgerv1.AccountRow
	// crowds are those that were asked for, as they are on the ledger.
	crowds map[uint64][]uint64
	// uses are what institutions had of completions, and current is the entry that is being rehearsed.
	uses    map[uint64][]pastUse
	current uint64
	// suspects are completions of crowds that have not been reported yet, on the way through the history.
	suspects []suspected
	// statement is the one that is being judged: its memory is used again.
	statement preparedStatement
	// items are the completions as they stand on the ledger, by index; refs are where they lie in the rehearsal.
	items map[uint64]*ledgerv1.CompletionItem
	refs  map[uint64]*ledgerv1.CompletionRef
}

// counts says whether a completion is one of those that were asked for.
func (t *trial) counts(item *ledgerv1.CompletionItem) bool {
	return t.counted[item.GetCourse()] && t.from <= item.GetEndDay() && item.GetEndDay() <= t.to
}

// account decides what an account learned anew, if anything of it is counted, and counts what changes by it.
func (t *trial) account(ctx context.Context, w *weeks, sealer *vault.Sealer, sum *tally) error {
	var items []*ledgerv1.CompletionItem
	for _, row := range w.rows {
		week := new(ledgerv1.WeekRow)
		if err := week.UnmarshalVT(row); err != nil {
			return fmt.Errorf("%w: a week of account %s: %v", ledger.ErrDamaged, w.id, err)
		}
		items = append(items, week.GetItems()...)
	}
	if _, elsewhere := t.merged[w.id]; elsewhere {
		return nil
	}
	t.looked.Add(int64(len(items)))
	if !slices.ContainsFunc(items, t.counts) {
		return nil
	}
	t.judged.Add(int64(len(items)))
	if err := t.enough(); err != nil {
		return err
	}
	slices.SortFunc(items, func(a, b *ledgerv1.CompletionItem) int { return cmp.Compare(a.GetIndex(), b.GetIndex()) })
	a := &tried{
		trial: t, sum: sum, id: w.id, sealer: sealer,
		items: make(map[uint64]*ledgerv1.CompletionItem, len(items)), refs: make(map[uint64]*ledgerv1.CompletionRef, len(items)),
	}
	for _, item := range items {
		a.items[item.GetIndex()] = item
	}
	entries, err := a.history(ctx, items)
	if err != nil {
		return err
	}
	a.countCases(entries, 0)
	before, err := a.before(ctx, items)
	if err != nil {
		return err
	}
	merged := slices.ContainsFunc(items, func(item *ledgerv1.CompletionItem) bool { return item.GetMergePlusOne() != 0 })
	if sealer == nil || merged {
		a.countCases(entries, 1)
		a.keep(items, before, sealer == nil)
		return nil
	}
	if err := a.readUses(ctx); err != nil {
		return err
	}
	if err := a.rehearse(ctx, entries); err != nil {
		return fmt.Errorf("account %s: %w", w.id, err)
	}
	return a.compare(items, before)
}

// history is every entry that concerns the account and is not about opening it, in its order.
func (a *tried) history(ctx context.Context, items []*ledgerv1.CompletionItem) ([]*ledgerv1.Entry, error) {
	indexes := make([]uint64, 0, 2*len(items))
	for _, item := range items {
		indexes = append(append(indexes, item.GetIndex()), item.GetEffectsIn()...)
	}
	for _, opened := range a.cases[a.id] {
		indexes = append(indexes, opened.index)
	}
	slices.Sort(indexes)
	indexes = slices.Compact(indexes)
	raw, err := a.view.Entries(ctx, indexes...)
	if err != nil {
		return nil, err
	}
	entries := make([]*ledgerv1.Entry, len(raw))
	for i := range raw {
		if entries[i], err = decodedEntry(indexes[i], raw[i]); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// countCases counts the cases that were opened, as before (0) or after (1).
func (a *tried) countCases(entries []*ledgerv1.Entry, when int) {
	opened := func(completion uint64, causes []string) {
		if item := a.items[completion]; item != nil && a.counts(item) {
			a.sum.opened(when, causes)
		}
	}
	for _, e := range entries {
		switch fact := e.GetFact().(type) {
		case *ledgerv1.Entry_CompletionRecorded:
			if fact.CompletionRecorded.GetOutcome() == ledgerv1.Outcome_OUTCOME_IN_REVIEW {
				opened(e.GetIndex(), fact.CompletionRecorded.GetCauses())
			}
		case *ledgerv1.Entry_CaseOpened:
			opened(fact.CaseOpened.GetCompletion().GetIndex(), fact.CaseOpened.GetCauses())
		case *ledgerv1.Entry_ItemMoved:
			if len(fact.ItemMoved.GetCauses()) > 0 {
				opened(fact.ItemMoved.GetItem().GetIndex(), fact.ItemMoved.GetCauses())
			}
		}
	}
}

// before is how the completions that are counted stand, in the order of items, when the credits that are overdue have expired or been
// released: only then are they compared with what a rehearsal ends in. A case of which the public notice has ended still waits, here
// and there: no entry says yet that it was approved.
func (a *tried) before(ctx context.Context, items []*ledgerv1.CompletionItem) ([]state, error) {
	states := make([]state, len(items))
	overdue, latest := false, latestDay(a.view.Time())
	for i, item := range items {
		if a.counts(item) {
			states[i] = a.stateOf(a.real, item)
		}
		for _, lot := range item.GetLots() {
			unused := lot.GetPending()+lot.GetAvailable() > 0
			overdue = overdue || lot.GetPending() > 0 || unused && lot.GetExpiresDay() != 0 && lot.GetExpiresDay() <= latest
		}
	}
	if !overdue {
		return states, nil
	}
	now := &rehearsal{
		State: a.view.State(ctx), now: a.view.Time().UnixMicro(), next: a.view.Size(), entries: make(map[uint64]*ledgerv1.Entry),
		below: func(index uint64) (*ledgerv1.Entry, error) { return entryOf(ctx, a.view, index) },
	}
	account, err := now.Account(a.id)
	if err != nil {
		return nil, err
	}
	if err := settleCredits(now, a.real, a.id, account, 0); err != nil {
		return nil, err
	}
	for i, item := range items {
		if !a.counts(item) {
			continue
		}
		settled, err := completionItem(now, a.id, refOf(item))
		if err != nil {
			return nil, err
		}
		states[i] = a.stateOf(a.real, settled)
	}
	return states, nil
}

// keep counts an account that stays as it is: nobody can read its statements any more, or officers made one of two.
func (a *tried) keep(items []*ledgerv1.CompletionItem, before []state, erased bool) {
	account := SimulationAccount{Account: a.id}
	for i, item := range items {
		if a.counts(item) {
			if erased {
				a.sum.KeptErased++
			} else {
				a.sum.KeptDecided++
			}
			a.sum.completion(item.GetCategory(), before[i], before[i], &account.SimulationChange)
		}
	}
	a.sum.account(account)
}

// compare counts what the completions were and what the rehearsal has made of them.
func (a *tried) compare(items []*ledgerv1.CompletionItem, before []state) error {
	account := SimulationAccount{Account: a.id}
	for i, item := range items {
		if !a.counts(item) {
			continue
		}
		after, err := completionItem(a.book, a.id, a.refs[item.GetIndex()])
		if err != nil {
			return err
		}
		a.sum.completion(item.GetCategory(), before[i], a.stateOf(a.directory, after), &account.SimulationChange)
	}
	a.sum.account(account)
	return nil
}

// Row implements book.Rows: a rehearsal begins with organizations and courses, and with an account that has nothing.
func (a *tried) Row(key []byte) ([]byte, error) {
	switch key[0] {
	case book.TableAccounts:
		return []byte{}, nil
	case book.TableOrganizations, book.TableCourses, book.TableClawbacks:
		return a.rows[string(key)], nil
	default:
		return nil, nil
	}
}

// rehearse goes through the history of the account, as if the draft had been in force.
func (a *tried) rehearse(ctx context.Context, entries []*ledgerv1.Entry) error {
	a.book = &rehearsal{
		State: book.NewState(a), next: a.view.Size(), entries: make(map[uint64]*ledgerv1.Entry, len(entries)),
		opened: func(completion uint64, causes []string) {
			if a.counts(a.items[completion]) {
				a.sum.opened(1, causes)
			}
		},
		used: a.used, taken: a.taken,
	}
	var err error
	if a.account, err = a.book.Account(a.id); err != nil {
		return err
	}
	for _, e := range entries {
		a.book.now, a.current = e.GetTime(), e.GetIndex()
		if err := a.reportUntil(e.GetIndex()); err != nil {
			return err
		}
		if err := a.step(ctx, e); err != nil {
			return fmt.Errorf("entry %d: %w", e.GetIndex(), err)
		}
	}
	a.book.now, a.current = a.view.Time().UnixMicro(), a.view.Size()
	if err := a.reportUntil(a.view.Size()); err != nil {
		return err
	}
	return a.bank.settle(ctx, a.book, a.directory, a.id)
}

// step does anew what an entry says was done.
func (a *tried) step(ctx context.Context, e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		if a.items[e.GetIndex()].GetDecidedPlusOne() != 0 {
			return a.keepRecorded(ctx, e.GetIndex(), fact.CompletionRecorded)
		}
		return a.judge(ctx, e.GetIndex(), fact.CompletionRecorded)
	case *ledgerv1.Entry_CompletionVoided:
		return a.void(ctx, fact.CompletionVoided)
	case *ledgerv1.Entry_CreditsAwarded:
		if a.refs[fact.CreditsAwarded.GetCompletion().GetIndex()] == nil {
			return nil // a claim, which no policy judges anew
		}
		return a.keepAwarded(ctx, e.GetIndex(), fact.CreditsAwarded)
	case *ledgerv1.Entry_CaseStepTaken:
		if a.refs[fact.CaseStepTaken.GetCompletion().GetIndex()] == nil {
			return nil
		}
		return a.keepStep(ctx, e.GetIndex(), fact.CaseStepTaken)
	case *ledgerv1.Entry_CaseOpened:
		return a.doubt(fact.CaseOpened)
	case *ledgerv1.Entry_ItemMoved: // and back again: the case that it opened was there, whatever the rules are
		if len(fact.ItemMoved.GetCauses()) > 0 && a.counts(a.items[fact.ItemMoved.GetItem().GetIndex()]) {
			a.sum.opened(1, fact.ItemMoved.GetCauses())
		}
		return nil
	case *ledgerv1.Entry_CreditsReversed:
		return a.keepReversed(ctx, e.GetIndex(), fact.CreditsReversed)
	case *ledgerv1.Entry_CompletionHeld:
		return a.keepHeld(ctx, e.GetIndex(), fact.CompletionHeld)
	case *ledgerv1.Entry_CreditsReleased, *ledgerv1.Entry_CreditsExpired:
		// These follow from what the account has: there may be others now.
		return a.bank.settle(ctx, a.book, a.directory, a.id)
	default:
		return nil
	}
}

// judge decides on a completion anew: under the draft where it applies, and otherwise under the policy that judged it.
func (a *tried) judge(ctx context.Context, index uint64, recorded *ledgerv1.CompletionRecorded) error {
	// The statement was checked when it was recorded.
	completion, posted, err := statedCompletion(a.sealer, recorded)
	if err != nil {
		return err
	}
	p := &a.statement
	*p = preparedStatement{
		statement: statement{completion: completion}, account: a.id, sealer: a.sealer,
		course: a.directory.byIndex[recorded.GetCourse()], policy: a.directory.policyOf(recorded.GetPolicyHash()),
	}
	if len(completion.GetSessions()) == 0 || p.course == nil || p.policy == nil {
		return fmt.Errorf("%w: completion %d cannot be judged again", ledger.ErrDamaged, index)
	}
	byDraft := a.directory.policyFor(p.course.fact.GetProvider(), p.ended()) == a.draft
	if byDraft {
		p.policy = a.draft
	}
	born, err := born(ctx, p.policy, a.sealer)
	if err != nil {
		return err
	}
	p.held = slices.Contains(recorded.GetCauses(), policy.Held) // as officers had it then
	p.ask(a.directory, recorded.GetOrigin().GetOrganization(), posted, born)
	a.book.crowd = func(key uint64) (*ledgerv1.CrowdRow, error) { return a.crowd(ctx, key, index) }
	s, assessment, err := a.bank.judge(ctx, a.book, a.directory, p, a.account)
	if err != nil {
		return err
	}
	// One piece of memory for the messages of the entry, as on intake.
	made := new(struct {
		entry    ledgerv1.Entry
		fact     ledgerv1.Entry_CompletionRecorded
		recorded ledgerv1.CompletionRecorded
		effects  ledgerv1.Effects
	})
	again := &made.recorded
	again.Origin, again.Sealed, again.Effects = recorded.GetOrigin(), recorded.GetSealed(), &made.effects
	if err := p.describe(s, assessment, index, again); err != nil {
		return err
	}
	made.fact.CompletionRecorded, made.entry.Fact = again, &made.fact
	if item := a.items[index]; a.counts(item) {
		a.sum.Judged++
		if byDraft {
			a.sum.ByDraft++
		}
		if slices.Contains(assessment.Causes, policy.PolicyError) {
			a.sum.failed(index)
		}
	}
	if err := a.record(index, &made.entry); err != nil {
		return err
	}
	return a.suspect(ctx, index)
}

// record writes a completion down.
func (a *tried) record(index uint64, e *ledgerv1.Entry) error {
	a.refs[index] = &ledgerv1.CompletionRef{Index: index, EndDay: e.GetCompletionRecorded().GetEndDay()}
	return a.book.put(index, e)
}

// void takes a completion back, as its platform did.
func (a *tried) void(ctx context.Context, voided *ledgerv1.CompletionVoided) error {
	item, err := a.item(voided.GetCompletion())
	if err != nil {
		return err
	}
	w, err := a.bank.withdraw(ctx, a.book, a.directory, a.sealer, a.id, a.account, item, nil)
	if err != nil {
		return err
	}
	return w.write(ctx, a.book, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: &ledgerv1.CompletionVoided{
		Origin: voided.GetOrigin(), Account: a.id[:], Completion: refOf(item), Effects: w.effects, Unrecovered: w.unrecovered,
		Sealed: voided.GetSealed(),
	}}})
}

// doubt opens a case that was opened since a key was compromised, or since a crowd was reported in which a completion was that
// stays as officers decided on it. All others follow from what is judged anew and from what is taken back.
func (a *tried) doubt(opened *ledgerv1.CaseOpened) error {
	causes, kept := opened.GetCauses(), a.items[opened.GetCompletion().GetIndex()].GetDecidedPlusOne() != 0
	follows := slices.Contains(causes, CausePriorVoided) || slices.Contains(causes, CauseRemainderVoided)
	if len(causes) == 0 || follows || !kept && !slices.Contains(causes, CauseKeyCompromised) && !slices.Contains(causes, CauseVoidCompromised) {
		return nil
	}
	item, err := a.item(opened.GetCompletion())
	if err != nil || item.GetCasePlusOne() != 0 {
		return err
	}
	return openCases(a.book, a.directory, a.id, []doubt{{refOf(item), causes[0], opened.GetRisk()}})
}

// item is a completion as it stands in the rehearsal.
func (a *tried) item(ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error) {
	return completionItem(a.book, a.id, a.refs[ref.GetIndex()])
}
