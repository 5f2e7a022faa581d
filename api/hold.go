package api

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// freed answers what ends a hold: what is taken becomes transferred, and the rest free, or expired where the lot's last day has
// passed while it was held.
func freed(
	tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow, row *ledgerv1.TransferRow, taken []*ledgerv1.HoldTaken,
) (*ledgerv1.Effects, error) {
	effects := new(ledgerv1.Effects)
	for i, item := range row.GetItems() {
		if item.GetRecognised() {
			continue
		}
		ref := &ledgerv1.LotRef{Entry: item.GetEntry(), Position: item.GetPosition(), Completion: item.GetCompletion()}
		lot, p, err := lotOf(tx, d, id, account.GetHome(), ref)
		if err != nil {
			return nil, err
		}
		change := &ledgerv1.LotChange{
			Entry: item.GetEntry(), Position: item.GetPosition(), Completion: item.GetCompletion(), Reserved: -item.GetMilliCredits(),
		}
		if taken != nil {
			change.Transferred = taken[i].GetMilliCredits()
		}
		rest := item.GetMilliCredits() - change.GetTransferred()
		if p.endsBy(lot, tx.Now()) {
			change.Expired = rest
		} else {
			change.Available = rest
		}
		effects.LotChanges = append(effects.LotChanges, change)
	}
	return effects, nil
}

// endHolds writes down that holds of an account have lapsed, the earliest first.
func endHolds(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow) error {
	now := tx.Now().UnixMicro()
	due := slices.DeleteFunc(slices.Clone(account.GetHolds()), func(h *ledgerv1.AccountHold) bool { return h.GetDeadline() > now })
	if open := checkOpen(account) == nil; len(due) == 0 || !open {
		return nil // an account that is frozen keeps what it has: its holds go on when it does
	}
	slices.SortStableFunc(due, func(x, y *ledgerv1.AccountHold) int { return int(min(max(x.GetDeadline()-y.GetDeadline(), -1), 1)) })
	for _, h := range due {
		row, err := tx.Transfer(h.GetHold())
		if err != nil {
			return err
		}
		fact := &ledgerv1.HoldExpired{Hold: h.GetHold(), Account: id[:]}
		if fact.Effects, err = freed(tx, d, id, account, row, nil); err != nil {
			return err
		}
		if _, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldExpired{HoldExpired: fact}}); err != nil {
			return err
		}
	}
	return nil
}

// undoHolds voids the holds that stand on an item, since it is about to be taken back.
func undoHolds(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem) error {
	var holds []uint64
	for _, lot := range item.GetLots() {
		for _, use := range lot.GetUses() {
			if !slices.Contains(holds, use.GetHold()) {
				holds = append(holds, use.GetHold())
			}
		}
	}
	slices.Sort(holds)
	for _, hold := range holds {
		row, err := tx.Transfer(hold)
		if err != nil {
			return err
		}
		if row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD {
			continue // it was posted: the institution is told by the entry that takes the item back
		}
		fact := &ledgerv1.HoldVoided{
			Hold: hold, Account: id[:], Cause: ledgerv1.HoldVoid_HOLD_VOID_REVERSED, Completion: refOf(item),
		}
		if fact.Effects, err = freed(tx, d, id, account, row, nil); err != nil {
			return err
		}
		if _, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldVoided{HoldVoided: fact}}); err != nil {
			return err
		}
	}
	return nil
}

// EndDue ends what ends by itself and has by now: the states of cases, and holds. Both are tried.
func (b *Bank) EndDue(ctx context.Context) (entries uint64, err error) {
	cases, err := b.EndCases(ctx)
	holds, failed := b.EndHolds(ctx)
	return cases + holds, errors.Join(err, failed)
}

// EndHolds settles every account that has a hold which has lapsed by now, and answers how many entries that took. Accounts that
// are used are settled then; this is for the others, and for a bank that was away. It looks at nothing that is not due.
func (b *Bank) EndHolds(ctx context.Context) (entries uint64, err error) {
	view, err := b.ledger.View()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	lapsed := store.Prefix([]byte{book.TableHoldTimes})
	lapsed.End = book.HoldTimesUntil(b.config.Now().UnixMicro() + 1)
	state := view.State(ctx)
	var due []unit.AccountID
	var failed error // of some accounts; the others do not wait for them
	for row, err := range view.Scan(ctx, lapsed) {
		if err != nil {
			return entries, err
		}
		hold, err := state.Transfer(binary.BigEndian.Uint64(row.Key[len(row.Key)-8:]))
		if err != nil {
			return entries, err
		}
		if id := unit.AccountID(hold.GetAccount()); !slices.Contains(due, id) {
			due = append(due, id)
		}
		if len(due) == sweptAtOnce {
			n, err := b.settleAll(ctx, due)
			entries, failed = entries+n, errors.Join(failed, err)
			due, state = due[:0], view.State(ctx)
			if ctx.Err() != nil {
				return entries, failed
			}
		}
	}
	n, err := b.settleAll(ctx, due)
	return entries + n, errors.Join(failed, err)
}
