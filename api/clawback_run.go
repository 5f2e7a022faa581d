package api

import (
	"context"
	"errors"
	"slices"

	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// ClawbacksDue tells that an officer has decided something that RunClawbacks is to do. A bank that was away finds that without being
// told.
func (b *Bank) ClawbacksDue() <-chan struct{} { return b.clawbacks }

func (b *Bank) wakeClawbacks() {
	select {
	case b.clawbacks <- struct{}{}:
	default:
	}
}

// RunClawbacks does what officers have decided: it holds completions, sets them free, and takes them back, each by an entry, and
// answers how many entries that took. It goes on where it stopped, also where the bank was killed in the middle: what is done is
// written in the completions themselves. One clawback that cannot be done does not keep the others waiting.
func (b *Bank) RunClawbacks(ctx context.Context) (entries uint64, err error) {
	view, err := b.ledger.View()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	var failed error
	err = eachClawback(ctx, view, func(index uint64, row *ledgerv1.ClawbackRow) error {
		r := &clawbackRun{bank: b, view: view, index: index, selection: row.GetFact().GetSelection()}
		if !r.prepare(row) {
			return nil
		}
		failed = errors.Join(failed, r.run(ctx))
		entries += r.entries
		return ctx.Err()
	})
	return entries, errors.Join(failed, err)
}

// clawbackRun is a clawback at work.
type clawbackRun struct {
	bank      *Bank
	view      ledger.View
	index     uint64
	selection *ledgerv1.ClawbackSelection
	// from is where it stands, and to where it comes when all is done; step does it for one completion.
	from, to ledgerv1.ClawbackState
	step     func(ctx context.Context, tx *ledger.Tx, d *directory, one chosenOne) error
	entries  uint64
	// unreached are completions of people who were forgotten.
	unreached int64
	// others are the clawbacks of the view that may hold what this one sets free; nil: nobody has looked for them.
	others []heldBy
}

// heldBy is a clawback that holds a selection.
type heldBy struct {
	clawback  uint64
	selection *ledgerv1.ClawbackSelection
}

// prepare says whether there is anything to do.
func (r *clawbackRun) prepare(row *ledgerv1.ClawbackRow) bool {
	r.from = row.GetState()
	hold := row.GetFact().GetHold()
	switch {
	case r.from == ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED:
		r.to, r.step = ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED, r.reverse
	case r.from == ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED && hold:
		r.to, r.step = ledgerv1.ClawbackState_CLAWBACK_STATE_HELD, r.hold
	case r.from == ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED && hold:
		r.to, r.step = ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED, r.free
	default:
		return false
	}
	return true
}

// clawedAtOnce is how many completions one proposal is about: those who post wait for no more than that.
const clawedAtOnce = 64

// run does the step for every completion, and then says that it is done.
func (r *clawbackRun) run(ctx context.Context) error {
	var failed error
	for some, err := range chosen(ctx, r.view, r.selection, func(uint64, uint64) error { return ctx.Err() }) {
		if err != nil {
			return errors.Join(failed, err)
		}
		for part := range slices.Chunk(some, clawedAtOnce) {
			over, err := r.propose(ctx, part, func(tx *ledger.Tx, d *directory, i int) error { return r.step(ctx, tx, d, part[i]) })
			if failed = errors.Join(failed, err); over || ctx.Err() != nil {
				return failed
			}
		}
	}
	if failed != nil {
		return failed // the next run tries those again that could not be done
	}
	unreached := r.unreached
	_, err := r.propose(ctx, make([]chosenOne, 1), func(tx *ledger.Tx, _ *directory, _ int) error {
		_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackDecided{ClawbackDecided: &ledgerv1.ClawbackDecided{
			Clawback: r.index, State: r.to, Unreached: unreached,
		}}})
		return err
	})
	return err
}

// errOver says that the clawback does not stand any more where it stood.
var errOver = errors.New("api: the clawback has gone on")

// propose runs a step of the writer for some completions, on the newest directory. Over says that an officer has decided meanwhile
// that something else is to be done.
func (r *clawbackRun) propose(
	ctx context.Context, some []chosenOne, step func(tx *ledger.Tx, d *directory, i int) error,
) (over bool, err error) {
	reads := [][]byte{book.DirectoryKey(), book.ClawbackKey(r.index)}
	for _, one := range some {
		if one.item != nil {
			reads = append(reads, book.AccountKey(one.account), book.WeekKey(one.account, book.WeekOf(one.item.GetEndDay())))
		}
	}
	unreached := r.unreached
	for range maxPrepare {
		d, err := r.bank.newestDirectory(ctx)
		if err != nil {
			return false, err
		}
		r.unreached = unreached
		var entries uint64
		_, errs, err := r.bank.ledger.ProposeEach(ctx, reads, len(some), func(tx *ledger.Tx, i int) error {
			if version, err := tx.Directory(); err != nil {
				return err
			} else if version != d.version {
				return errStale
			}
			if row, err := tx.Clawback(r.index); err != nil {
				return err
			} else if row.GetState() != r.from {
				return errOver
			}
			before := tx.Next()
			err := step(tx, d, i)
			if err == nil {
				entries += tx.Next() - before
			}
			return err
		})
		r.entries += entries
		if slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, errOver) }) {
			return true, nil
		}
		if err := errors.Join(err, errors.Join(errs...)); !errors.Is(err, errStale) {
			return false, err
		}
	}
	return false, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}

// reverse takes a completion back, and what follows from that. It re-decides no other completion: where the ground of one is gone
// it opens a case, unless that one is going to be taken back too.
func (r *clawbackRun) reverse(ctx context.Context, tx *ledger.Tx, d *directory, one chosenOne) error {
	ref := refOf(one.item)
	id, item, err := where(tx, one)
	if err != nil || !book.Reversible(item) || item.GetClawbackPlusOne() == r.index+1 {
		return err
	}
	sealer, err := r.bank.accountSealer(ctx, id)
	if err != nil {
		return err
	}
	if sealer == nil {
		r.unreached++
		return nil
	}
	account, err := tx.Account(id)
	if err != nil {
		return err
	}
	gone, err := r.bank.withdraw(ctx, tx, d, sealer, id, account, item, func(other *ledgerv1.CompletionItem) bool {
		return other.GetIndex() > item.GetIndex() && book.Selected(r.selection, other)
	})
	if err != nil {
		return err
	}
	e, err := tx.Entry(item.GetIndex())
	if err != nil {
		return err
	}
	causes := []string{CauseClawedBack}
	rule := d.workflow(policyHashOf(e), clawbackRisk, causes)
	return gone.write(ctx, tx, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReversed{CreditsReversed: &ledgerv1.CreditsReversed{
		Account: id[:], Completion: ref, Clawback: r.index, Effects: gone.effects, Unrecovered: gone.unrecovered,
		Causes: causes, Risk: clawbackRisk, Deadline: micros(review.AppealUntil(rule, tx.Now())),
	}}})
}

// hold has nothing of a completion be used until the clawback is decided: transfers that wait for an answer end. What another
// clawback holds already stays with that.
func (r *clawbackRun) hold(ctx context.Context, tx *ledger.Tx, d *directory, one chosenOne) error {
	id, item, err := r.settled(ctx, tx, d, one)
	if err != nil || !book.Reversible(item) || item.GetHeldPlusOne() != 0 {
		return err
	}
	account, err := tx.Account(id)
	if err != nil {
		return err
	}
	if err := undoHolds(tx, d, id, account, item); err != nil {
		return err
	}
	if item, err = completionItem(tx, id, refOf(item)); err != nil {
		return err
	}
	return r.appendHeld(tx, id, item, r.index, false, heldBack(item))
}

// settled answers a completion, and its account, after what is overdue on that.
func (r *clawbackRun) settled(
	ctx context.Context, tx *ledger.Tx, d *directory, one chosenOne,
) (unit.AccountID, *ledgerv1.CompletionItem, error) {
	id, _, err := where(tx, one)
	if err != nil {
		return id, nil, err
	}
	if err := r.bank.settle(ctx, tx, d, id); err != nil {
		return id, nil, err
	}
	item, err := completionItem(tx, id, refOf(one.item))
	return id, item, err
}

// where answers the account on which a completion counts by now. It waits while that one is on its way to another.
func where(tx *ledger.Tx, one chosenOne) (unit.AccountID, *ledgerv1.CompletionItem, error) {
	id, item, err := located(tx, one.account[:], refOf(one.item))
	if err != nil {
		return id, nil, err
	}
	account, err := tx.Account(id)
	if err == nil && (account.GetMoving() || isMerged(account)) {
		err = arriving("")
	}
	return id, item, err
}

// free sets a completion free that the clawback held, unless another one wants it held.
func (r *clawbackRun) free(ctx context.Context, tx *ledger.Tx, d *directory, one chosenOne) error {
	id, item, err := r.settled(ctx, tx, d, one)
	if err != nil || item.GetHeldPlusOne() != r.index+1 {
		return err
	}
	other, held, err := r.otherHold(ctx, tx, item)
	if err != nil {
		return err
	}
	if held {
		return r.appendHeld(tx, id, item, other, false, nil)
	}
	effects, err := setFree(tx, item)
	if err != nil {
		return err
	}
	if err := r.appendHeld(tx, id, item, r.index, true, effects); err != nil {
		return err
	}
	return r.bank.settle(ctx, tx, d, id)
}

// otherHold is another clawback that holds what it selects, the completion among that.
func (r *clawbackRun) otherHold(ctx context.Context, tx *ledger.Tx, item *ledgerv1.CompletionItem) (other uint64, held bool, err error) {
	if r.others == nil {
		if err := r.findOthers(ctx); err != nil {
			return 0, false, err
		}
	}
	for _, o := range r.others {
		if !book.Selected(o.selection, item) {
			continue
		}
		if now, err := tx.Clawback(o.clawback); err != nil || book.Undecided(now.GetState()) {
			return o.clawback, err == nil, err
		}
	}
	return 0, false, nil
}

// findOthers looks for the other clawbacks that hold something once for the whole run: there may be far more that were decided long
// ago.
func (r *clawbackRun) findOthers(ctx context.Context) error {
	others := []heldBy{}
	err := eachClawback(ctx, r.view, func(index uint64, row *ledgerv1.ClawbackRow) error {
		if index != r.index && row.GetFact().GetHold() && book.Undecided(row.GetState()) {
			others = append(others, heldBy{index, row.GetFact().GetSelection()})
		}
		return nil
	})
	if err == nil {
		r.others = others
	}
	return err
}

func (r *clawbackRun) appendHeld(
	tx *ledger.Tx, id unit.AccountID, item *ledgerv1.CompletionItem, clawback uint64, free bool, effects *ledgerv1.Effects,
) error {
	_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionHeld{CompletionHeld: &ledgerv1.CompletionHeld{
		Account: id[:], Completion: refOf(item), Clawback: clawback, Free: free, Effects: effects,
	}}})
	return err
}

// heldBack has everything available of a completion wait.
func heldBack(item *ledgerv1.CompletionItem) *ledgerv1.Effects {
	effects := new(ledgerv1.Effects)
	for _, lot := range item.GetLots() {
		if available := lot.GetAvailable(); available > 0 {
			effects.LotChanges = append(effects.LotChanges, &ledgerv1.LotChange{
				Entry: lot.GetEntry(), Position: lot.GetPosition(), Completion: refOf(item), Pending: available, Available: -available,
			})
		}
	}
	return effects
}

// setFree gives back what holds have waiting, as far as it has not expired. What waits for room under a cap goes on waiting.
func setFree(tx scribe, item *ledgerv1.CompletionItem) (*ledgerv1.Effects, error) {
	type key struct {
		entry    uint64
		position uint32
	}
	held := make(map[key]int64)
	for _, index := range item.GetEffectsIn() {
		e, err := tx.Entry(index)
		if err != nil {
			return nil, err
		}
		if e.GetCompletionHeld() == nil {
			continue
		}
		for _, change := range e.GetCompletionHeld().GetEffects().GetLotChanges() {
			held[key{change.GetEntry(), change.GetPosition()}] += change.GetPending()
		}
	}
	effects := new(ledgerv1.Effects)
	for _, lot := range item.GetLots() {
		if n := min(held[key{lot.GetEntry(), lot.GetPosition()}], lot.GetPending()); n > 0 {
			effects.LotChanges = append(effects.LotChanges, &ledgerv1.LotChange{
				Entry: lot.GetEntry(), Position: lot.GetPosition(), Completion: refOf(item), Pending: -n, Available: n,
			})
		}
	}
	return effects, nil
}
