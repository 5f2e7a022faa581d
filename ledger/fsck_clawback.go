package ledger

import (
	"bytes"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkClawback checks that a clawback is confirmed by a second officer who saw the numbers of that moment, that a hold is
// released by another one than placed it, and that what is held or taken back is the completion's own.
func (f *fsck) checkClawback(c *chunk, e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_ClawbackProposed:
		p := fact.ClawbackProposed
		if digest := book.ClawbackDigest(p.GetSelection(), p.GetTotals()); !bytes.Equal(p.GetDigest(), digest[:]) {
			c.at(e.GetIndex(), "digest", "it is not that of the selection and its totals")
		}
	case *ledgerv1.Entry_ClawbackDecided:
		return f.checkClawbackDecided(c, e, fact.ClawbackDecided)
	case *ledgerv1.Entry_CreditsReversed:
		r := fact.CreditsReversed
		if r.GetUnrecovered() < 0 {
			c.at(e.GetIndex(), "unrecovered", "it is less than nothing")
		}
		checkOwnLots(c, e.GetIndex(), r.GetCompletion(), r.GetEffects())
	case *ledgerv1.Entry_CompletionHeld:
		held := fact.CompletionHeld
		checkOwnLots(c, e.GetIndex(), held.GetCompletion(), held.GetEffects())
		row, err := f.order.state.Clawback(held.GetClawback())
		if err != nil || row == nil {
			return err // applying it says that there is none
		}
		if held.GetFree() && book.Undecided(row.GetState()) {
			c.at(e.GetIndex(), "free", "clawback %d is not decided", held.GetClawback())
		}
	}
	return nil
}

func (f *fsck) checkClawbackDecided(c *chunk, e *ledgerv1.Entry, decided *ledgerv1.ClawbackDecided) error {
	row, err := f.order.state.Clawback(decided.GetClawback())
	if err != nil || row == nil {
		return err // applying it says that there is none
	}
	officer, proposer := decided.GetActor().GetOfficer(), row.GetFact().GetActor().GetOfficer()
	switch decided.GetState() {
	case ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED:
		if officer == "" || officer == proposer {
			c.at(e.GetIndex(), "actor", "no second officer confirms clawback %d", decided.GetClawback())
		}
		if digest := book.ClawbackDigest(row.GetFact().GetSelection(), decided.GetTotals()); !bytes.Equal(decided.GetDigest(), digest[:]) {
			c.at(e.GetIndex(), "digest", "it is not that of the selection and its totals")
		}
	case ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED:
		if officer == "" || row.GetFact().GetHold() && officer == proposer {
			c.at(e.GetIndex(), "actor", "no second officer releases hold %d", decided.GetClawback())
		}
	case ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED:
		if row.GetHeld() != 0 {
			c.at(e.GetIndex(), "state", "hold %d still holds %d completions", decided.GetClawback(), row.GetHeld())
		}
	default:
	}
	return nil
}

func checkOwnLots(c *chunk, index uint64, ref *ledgerv1.CompletionRef, effects *ledgerv1.Effects) {
	for _, change := range effects.GetLotChanges() {
		if change.GetCompletion().GetIndex() != ref.GetIndex() {
			c.at(index, "effects.lot_changes", "they are of another completion than %d", ref.GetIndex())
			return
		}
	}
}
