package api

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A trial transfers nothing: what institutions hold or took stays with the learner in it, and is counted so (stateOf). But what they
// had of a completion at the time decided what could be done with that, and does so in a trial, too.

// pastUse is what an institution had of a completion.
type pastUse struct {
	// placed and ended are entries; ended 0: it still has it.
	placed, ended uint64
	// transferred are the milli-credits that it took for good, since posted.
	transferred int64
	posted      uint64
}

// readUses reads what institutions had of the account's completions.
func (a *tried) readUses(ctx context.Context) error {
	a.uses = make(map[uint64][]pastUse)
	for scanned, err := range a.view.Scan(ctx, store.Prefix(book.AccountTransfersPrefix(a.id))) {
		if err != nil {
			return err
		}
		hold := binary.BigEndian.Uint64(scanned.Key[len(scanned.Key)-8:])
		row, err := a.view.State(ctx).Transfer(hold)
		if err != nil {
			return err
		}
		if row == nil {
			return fmt.Errorf("%w: transfer %d is missing", ledger.ErrDamaged, hold)
		}
		for i, item := range row.GetItems() {
			use := pastUse{placed: hold}
			switch row.GetStatus() {
			case ledgerv1.HoldStatus_HOLD_STATUS_HELD:
			case ledgerv1.HoldStatus_HOLD_STATUS_POSTED:
				taken := row.GetTaken()[i].GetMilliCredits()
				if taken == 0 {
					use.ended = row.GetEndedPlusOne() - 1
				} else if !item.GetRecognised() {
					use.transferred, use.posted = taken, row.GetEndedPlusOne()-1
				}
			default:
				use.ended = row.GetEndedPlusOne() - 1
			}
			index := item.GetCompletion().GetIndex()
			a.uses[index] = append(a.uses[index], use)
		}
	}
	return nil
}

// used says whether an institution had something of a completion when the entry that is being rehearsed was written.
func (a *tried) used(completion uint64) bool {
	for _, use := range a.uses[completion] {
		if use.placed < a.current && (use.ended == 0 || a.current < use.ended) {
			return true
		}
	}
	return false
}

// taken is what institutions had taken over of a completion when the entry that is being rehearsed was written.
func (a *tried) taken(completion uint64) (credits int64) {
	for _, use := range a.uses[completion] {
		if use.transferred > 0 && use.posted < a.current {
			credits += use.transferred
		}
	}
	return credits
}

// heldBack has everything available of a completion wait but for what institutions had taken over by then.
func (a *tried) heldBack(item *ledgerv1.CompletionItem) *ledgerv1.Effects {
	taken := a.taken(item.GetIndex())
	effects := new(ledgerv1.Effects)
	for _, change := range heldBack(item).GetLotChanges() {
		kept := min(taken, change.GetPending())
		taken -= kept
		if change.Pending, change.Available = change.GetPending()-kept, change.GetAvailable()+kept; change.GetPending() > 0 {
			effects.LotChanges = append(effects.LotChanges, change)
		}
	}
	return effects
}
