package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A merge can be undone as long as
//
//   - the account that goes on is open, and has not become part of another one itself;
//   - nothing happened to an item that came over but that credits of it were released, or that another item of the same merge took
//     its place: no credits of it are held, or were transferred or expired since, its platform did not take it back, and no officer
//     took a step of a case on it;
//   - nothing happened to a completion of the account whose place one of them took;
//   - nothing that was recorded or decided on the account since is of the same course or equivalence group as an item that came over,
//     or has a day in common with one: it may have been judged on what would go away;
//   - nothing that was recorded on the account since, and not taken back, came under the number or the document of the one that would
//     be given back: it would stay where it may not belong.
//
// What waits since the caps were full needs no such rule: room that is made is used by itself, and what is given back to a completion
// waits where that room was used since.

// reversible says why a merge cannot be undone, if so.
func (b *Bank) reversible(ctx context.Context, tx scribe, merge uint64, row *ledgerv1.MergeRow) error {
	into := unit.AccountID(row.GetFact().GetInto())
	account, err := tx.Account(into)
	if err != nil {
		return err
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field = "merge"
		return fault
	}
	all, err := itemsOf(tx, into, func(*ledgerv1.CompletionItem) bool { return true })
	if err != nil {
		return err
	}
	u := undoing{
		bank: b, tx: tx, merge: merge, merged: row.GetMergedPlusOne(), from: unit.AccountID(row.GetFact().GetFrom()),
		ground: newGround(), replaced: make(map[uint64]uint64),
	}
	for _, item := range all {
		if item.GetMergePlusOne() == merge+1 {
			if err := u.came(item); err != nil {
				return err
			}
		}
	}
	for _, item := range all {
		if item.GetMergePlusOne() == merge+1 {
			continue
		}
		if err := u.own(ctx, item); err != nil {
			return err
		}
	}
	return nil
}

// undoing looks whether a merge can be undone.
type undoing struct {
	bank   *Bank
	tx     scribe
	merge  uint64
	merged uint64 // the entry that merged, plus one
	from   unit.AccountID
	ground ground // on which the items that came stand
	// replaced are completions of the account whose place one took that came, with the entry by which it did.
	replaced map[uint64]uint64
}

func used(format string, args ...any) *Error {
	return faultf(Precondition, ReasonMergeUsed, "merge", "the merge cannot be undone any more: "+format, args...)
}

// came looks at an item that came over.
func (u *undoing) came(item *ledgerv1.CompletionItem) error {
	for _, lot := range item.GetLots() {
		for _, use := range lot.GetUses() {
			if use.GetHold() >= u.merged {
				return used("transfer %d has credits of item %d that came over", use.GetHold(), item.GetIndex())
			}
		}
	}
	last := item.GetMovedPlusOne() - 1
	for _, index := range item.GetEffectsIn() {
		if index < item.GetMovedPlusOne() {
			continue
		}
		e, err := u.tx.Entry(index)
		if err != nil {
			return err
		}
		if e.GetCreditsReleased() == nil && e.GetItemMoved().GetMerge() != u.merge {
			return used("entry %d changed item %d that came over", index, item.GetIndex())
		}
		last = index
	}
	if item.GetChangedIndex() != last {
		return used("entry %d changed item %d that came over", item.GetChangedIndex(), item.GetIndex())
	}
	e, err := u.tx.Entry(item.GetMovedPlusOne() - 1)
	if err != nil {
		return err
	}
	if r := e.GetItemMoved().GetEffects().GetReplaces(); r != nil {
		u.replaced[r.GetCompletion().GetIndex()] = e.GetIndex()
	}
	return u.ground.add(u.tx, item)
}

// own looks at an item of the account that did not come over.
func (u *undoing) own(ctx context.Context, item *ledgerv1.CompletionItem) error {
	if by, ok := u.replaced[item.GetIndex()]; ok {
		if item.GetChangedIndex() != by {
			return used("entry %d changed completion %d, whose place one took that came over", item.GetChangedIndex(), item.GetIndex())
		}
		return nil
	}
	if item.GetChangedIndex() < u.merged || item.GetIndex() >= u.merged && item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED {
		return nil
	}
	if item.GetIndex() >= u.merged {
		theirs, err := u.addressed(ctx, item)
		if err != nil {
			return err
		}
		if theirs {
			return used("item %d came under the number or document of the account that was merged: have it taken back first", item.GetIndex())
		}
	}
	if item.GetIndex() < u.merged && item.GetMovedPlusOne() <= u.merged {
		since, err := u.decided(item)
		if err != nil || !since {
			return err
		}
	}
	own := newGround()
	if err := own.add(u.tx, item); err != nil {
		return err
	}
	if u.ground.meets(own) {
		return used("completion %d was judged since, and may have been on what came over", item.GetIndex())
	}
	return nil
}

// addressed says whether an item that was recorded since came under the number or the document of the account that was merged.
func (u *undoing) addressed(ctx context.Context, item *ledgerv1.CompletionItem) (bool, error) {
	e, err := u.tx.Entry(item.GetIndex())
	if err != nil {
		return false, err
	}
	recorded, opening := e.GetCompletionRecorded(), e.GetOpeningBalanceRecorded()
	switch {
	case recorded != nil:
		sealer, err := u.bank.accountSealer(ctx, unit.AccountID(recorded.GetAccount()))
		if err != nil || sealer == nil {
			return false, err
		}
		completion, _, err := statedCompletion(sealer, recorded)
		if err != nil {
			return false, err
		}
		return u.leads(u.bank.vault.Lookup(ctx, unit.AccountNumber(completion.GetAccountNumber())))
	case opening != nil:
		sealer, err := u.bank.accountSealer(ctx, unit.AccountID(opening.GetAccount()))
		if err != nil || sealer == nil {
			return false, err
		}
		said, err := statedOpening(sealer, opening)
		if err != nil {
			return false, err
		}
		if said.GetAccountNumber() != "" {
			return u.leads(u.bank.vault.Lookup(ctx, unit.AccountNumber(said.GetAccountNumber())))
		}
		return u.leads(u.bank.vault.FindByDocument(ctx, unit.Document{
			Kind: unit.DocumentKind(said.GetDocumentKind()), Number: said.GetDocumentNumber(),
		}))
	default:
		return false, nil // a claim is filed by the account itself
	}
}

// leads says whether an account that the vault found would live on in the one that is given back.
func (u *undoing) leads(id unit.AccountID, err error) (bool, error) {
	if errors.Is(err, vault.ErrUnknownAccount) { // its number was reissued since
		return false, nil
	}
	for err == nil && id != u.from {
		var row *ledgerv1.AccountRow
		if row, err = u.tx.Account(id); err != nil || !isMerged(row) {
			return false, err
		}
		id = unit.AccountID(row.GetMergedInto())
	}
	return err == nil, err
}

// decided says whether anything happened to an item since the merge but that its credits moved by themselves.
func (u *undoing) decided(item *ledgerv1.CompletionItem) (bool, error) {
	last := uint64(0)
	for _, index := range item.GetEffectsIn() {
		if index < u.merged {
			continue
		}
		e, err := u.tx.Entry(index)
		if err != nil {
			return false, err
		}
		if e.GetCreditsReleased() == nil && e.GetCreditsExpired() == nil {
			return true, nil
		}
		last = index
	}
	return item.GetChangedIndex() != last, nil
}

// ground is what the decision on a completion can stand on besides its own numbers.
type ground struct {
	courses map[uint64]bool
	groups  map[string]bool
	days    map[int32]bool
}

func newGround() ground {
	return ground{make(map[uint64]bool), make(map[string]bool), make(map[int32]bool)}
}

func (g ground) add(tx scribe, item *ledgerv1.CompletionItem) error {
	if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED {
		return nil // opening balances and claims stand on nothing, and nothing stands on them
	}
	g.courses[item.GetCourse()] = true
	course, err := tx.Course(item.GetCourse())
	if err != nil {
		return err
	}
	if course == nil {
		return fmt.Errorf("%w: course %d", ledger.ErrDamaged, item.GetCourse())
	}
	if group := course.GetFact().GetEquivalenceGroup(); group != "" {
		g.groups[group] = true
	}
	part, err := contribution(tx, item)
	if err != nil {
		return err
	}
	for key := range part.days {
		g.days[key.day] = true
	}
	for _, session := range part.sessions {
		for day := session.GetDay() - 1; day <= session.GetDay()+1; day++ { // a session may end on the day after
			g.days[day] = true
		}
	}
	return nil
}

func (g ground) meets(other ground) bool {
	return meet(g.courses, other.courses) || meet(g.groups, other.groups) || meet(g.days, other.days)
}

func meet[K comparable](a, b map[K]bool) bool {
	keys := make([]K, 0, len(a))
	for key := range a {
		keys = append(keys, key)
	}
	return slices.ContainsFunc(keys, func(key K) bool { return b[key] })
}
