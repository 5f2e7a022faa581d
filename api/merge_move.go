package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// movedAtOnce is how many items come over, or go back, within one commit: most accounts have fewer. While more are on their way,
// both accounts answer that they are being merged.
const movedAtOnce = 64

// travel is a merge on its way.
type travel struct {
	bank       *Bank
	tx         scribe
	directory  *directory
	merge      uint64
	from, into unit.AccountID
	// sealer is that of the account that goes on.
	sealer *vault.Sealer
}

// finishMerge brings a merge to an end that was begun.
func (b *Bank) finishMerge(ctx context.Context, merge uint64) error {
	for {
		done, err := b.stepOn(ctx, merge)
		if err != nil || done {
			return err
		}
	}
}

// stepOn is one commit of a merge that is on its way.
func (b *Bank) stepOn(ctx context.Context, merge uint64) (done bool, err error) {
	row, err := b.readMerge(ctx, merge)
	if err != nil {
		return false, err
	}
	if !underWay(row.Status) {
		return true, nil
	}
	reads := [][]byte{book.DirectoryKey(), book.MergeKey(merge), book.AccountKey(row.From), book.AccountKey(row.Into)}
	for range maxPrepare {
		d, err := b.newestDirectory(ctx)
		if err != nil {
			return false, err
		}
		_, err = b.ledger.Propose(ctx, reads, func(tx *ledger.Tx) error {
			version, err := tx.Directory()
			if err != nil {
				return err
			}
			if version != d.version {
				return errStale
			}
			done, err = b.goOn(ctx, tx, d, merge)
			return err
		})
		if !errors.Is(err, errStale) {
			return done, err
		}
	}
	return false, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}

func underWay(status ledgerv1.MergeStatus) bool {
	return status == ledgerv1.MergeStatus_MERGE_STATUS_MOVING || status == ledgerv1.MergeStatus_MERGE_STATUS_RETURNING
}

// FinishMerges brings all merges to an end in which a bank was interrupted, and answers how many entries that took. One that cannot
// be brought to its end does not keep the others waiting.
func (b *Bank) FinishMerges(ctx context.Context) (entries uint64, err error) {
	view, err := b.ledger.View()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	var failed error
	for scanned, err := range view.Scan(ctx, store.Prefix([]byte{book.TableMerges})) {
		if err != nil {
			return entries, errors.Join(failed, err)
		}
		row := new(ledgerv1.MergeRow)
		if err := row.UnmarshalVT(scanned.Value); err != nil {
			return entries, errors.Join(failed, damagedRow(scanned.Key, err))
		}
		if !underWay(row.GetStatus()) {
			continue
		}
		index, _ := book.ParseUint(scanned.Key[1:])
		if err := b.finishMerge(ctx, index); err != nil {
			if failed = errors.Join(failed, err); ctx.Err() != nil {
				return entries, failed
			}
			continue
		}
		entries += uint64(row.GetLeft())
	}
	return entries, failed
}

// goOn brings as many items over, or back, as fit one commit, and says whether that was all.
func (b *Bank) goOn(ctx context.Context, tx scribe, d *directory, merge uint64) (done bool, err error) {
	row, err := tx.Merge(merge)
	if err != nil || !underWay(row.GetStatus()) {
		return true, err
	}
	t := travel{
		bank: b, tx: tx, directory: d, merge: merge,
		from: unit.AccountID(row.GetFact().GetFrom()), into: unit.AccountID(row.GetFact().GetInto()),
	}
	if t.sealer, err = b.accountSealer(ctx, t.into); err != nil {
		return false, err
	}
	if row.GetStatus() == ledgerv1.MergeStatus_MERGE_STATUS_MOVING {
		err = t.bring(ctx, row.GetThroughPlusOne())
	} else {
		err = t.takeHome()
	}
	if err != nil {
		return false, fmt.Errorf("merge %d: %w", merge, err)
	}
	if row, err = tx.Merge(merge); err != nil || underWay(row.GetStatus()) {
		return false, err
	}
	if row.GetStatus() == ledgerv1.MergeStatus_MERGE_STATUS_UNDONE {
		if err := t.releaseRestored(row.GetMergedPlusOne() - 1); err != nil {
			return false, fmt.Errorf("merge %d: %w", merge, err)
		}
	}
	for _, id := range []unit.AccountID{t.from, t.into} {
		if err := b.settle(ctx, tx, d, id); err != nil {
			return false, err
		}
	}
	return true, nil
}

// itemsOf answers the items of an account that are wanted, in the order of their entries.
func itemsOf(tx scribe, id unit.AccountID, wanted func(*ledgerv1.CompletionItem) bool) ([]*ledgerv1.CompletionItem, error) {
	items, err := collect(itemsIn(tx, id))
	items = slices.DeleteFunc(items, func(item *ledgerv1.CompletionItem) bool { return !wanted(item) })
	slices.SortFunc(items, func(a, b *ledgerv1.CompletionItem) int { return cmp.Compare(a.GetIndex(), b.GetIndex()) })
	return items, err
}

// bring brings the oldest items over that have not come yet.
func (t travel) bring(ctx context.Context, through uint64) error {
	items, err := itemsOf(t.tx, t.from, func(item *ledgerv1.CompletionItem) bool { return item.GetIndex() >= through })
	if err != nil {
		return err
	}
	for _, item := range items[:min(movedAtOnce, len(items))] {
		fact := &ledgerv1.ItemMoved{
			Merge: t.merge, From: t.from[:], Into: t.into[:], Item: refOf(item), Outcome: item.GetOutcome(), Effects: new(ledgerv1.Effects),
		}
		if t.judgesAgain(item) {
			err = t.judge(ctx, item, fact)
		} else {
			err = t.carry(item, fact)
		}
		if err != nil {
			return fmt.Errorf("item %d: %w", item.GetIndex(), err)
		}
		if _, err := t.tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ItemMoved{ItemMoved: fact}}); err != nil {
			return err
		}
	}
	return nil
}

// judgesAgain says whether an item is judged once more where it comes to: a completion that counts, or would but for another one,
// unless its credits have gone their way, an institution has recognised them, or an officer has it before them.
func (t travel) judgesAgain(item *ledgerv1.CompletionItem) bool {
	if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED || item.GetCasePlusOne() != 0 {
		return false
	}
	if !counted(item) && item.GetOutcome() != ledgerv1.Outcome_OUTCOME_DUPLICATE {
		return false
	}
	return !slices.ContainsFunc(item.GetLots(), func(lot *ledgerv1.LotState) bool {
		return lot.GetReserved()+lot.GetTransferred()+lot.GetExpired() > 0 || len(lot.GetUses()) > 0
	})
}

// judge judges a completion once more, under the policy that judged it first and on the standing that it finds. What an officer
// decided stays decided: no rule sends it back to one.
func (t travel) judge(ctx context.Context, item *ledgerv1.CompletionItem, fact *ledgerv1.ItemMoved) error {
	account, err := t.tx.Account(t.into)
	if err != nil {
		return err
	}
	e, err := t.tx.Entry(item.GetIndex())
	if err != nil {
		return err
	}
	j := &judgement{
		bank: t.bank, tx: t.tx, directory: t.directory, sealer: t.sealer, id: t.into, account: account, ref: refOf(item), item: item,
		recorded: e.GetCompletionRecorded(), statement: statementOf(e),
	}
	judged, c, err := j.prepare(ctx)
	if err != nil {
		return err
	}
	s := &standing{
		bank: t.bank, tx: t.tx, directory: t.directory, sealer: t.sealer, id: t.into, account: account, course: c,
		group: c.fact.GetEquivalenceGroup(), without: item.GetIndex(), alone: true,
	}
	var a policy.Assessment
	switch {
	case item.GetDecidedPlusOne() == 0:
		a = judged.Decide(s)
	case item.GetOutcome() == ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		a = judged.HoursOnly(s)
	default:
		a = judged.Approve(s)
	}
	if s.err != nil {
		return s.err
	}
	if err := s.effects(a, judged, item.GetIndex(), fact.Effects); err != nil {
		return err
	}
	part, err := contribution(t.tx, item)
	if err != nil {
		return err
	}
	fact.Effects.Sessions = part.sessions
	if fact.Outcome = a.Outcome; a.Outcome == ledgerv1.Outcome_OUTCOME_IN_REVIEW {
		fact.Causes, fact.Risk = a.Causes, uint32(a.Risk)
		fact.Due = micros(review.Opened(t.directory.workflow(j.policyHash(), a.Risk, a.Causes), t.tx.Now()))
	}
	fact.Sealed, err = seal(t.sealer, "ItemMoved", j.statement, &ledgerv1.SealedDecision{Reasons: reasonsProto(a.Reasons)})
	return err
}

// carry brings an item over as it stands. Where the caps leave no room for all of it, what of it is available waits, as far as it is under
// caps. What is gone cannot wait: as far as it counted it goes on counting, also beyond the caps, and nothing else is released there until
// there is room.
func (t travel) carry(item *ledgerv1.CompletionItem, fact *ledgerv1.ItemMoved) error {
	account, err := t.tx.Account(t.into)
	if err != nil {
		return err
	}
	part, err := contribution(t.tx, item)
	if err != nil {
		return err
	}
	fact.Effects = part.given()
	if item.GetOutcome() == ledgerv1.Outcome_OUTCOME_AWARDED && part.remainder != 0 {
		fact.Effects.Remainder = max(part.remainder, -remainderOf(account, item.GetCourse()))
	}
	if fact.Effects.Group, err = t.stands(item, account); err != nil {
		return err
	}
	fits := t.fits(item, account, fact.Effects.GetUsage())
	var waits int64
	for position, lot := range item.GetLots() {
		issued, err := issuedLot(t.tx, lot.GetEntry(), lot.GetPosition())
		if err != nil {
			return err
		}
		gone, stays := goneOf(lot), lot.GetAvailable()
		if len(issued.GetCaps()) > 0 && !fits {
			stays = 0
		}
		waits += lot.GetAvailable() - stays
		fact.Effects.Lots = append(fact.Effects.Lots, &ledgerv1.Lot{
			Category: item.GetCategory(), Level: issued.GetLevel(), ExpiresDay: lot.GetExpiresDay(), Caps: issued.GetCaps(),
			Available: stays + gone, Pending: lot.GetPending() + lot.GetAvailable() - stays,
		})
		if gone != 0 {
			fact.Effects.LotChanges = append(fact.Effects.LotChanges, &ledgerv1.LotChange{
				Entry: t.tx.Next(), Position: uint32(position), Completion: refOf(item), Available: -gone, Reserved: lot.GetReserved(),
				Transferred: lot.GetTransferred(), Expired: lot.GetExpired(), Reversed: lot.GetReversed(),
			})
		}
	}
	caps := part.caps()
	slices.Reverse(caps) // what was released last waits
	part.uncount(waits, caps)
	fact.Effects.Usage = part.given().GetUsage()
	return nil
}

// fits says whether the caps of the account leave room for all that an item counts towards them, in the periods in which it does.
func (t travel) fits(item *ledgerv1.CompletionItem, into *ledgerv1.AccountRow, usage []*ledgerv1.CapUsage) bool {
	p := t.directory.itemPolicy(item, into.GetHome(), t.tx.Now())
	return p == nil || !slices.ContainsFunc(usage, func(u *ledgerv1.CapUsage) bool {
		return !p.HasRoom(u.GetKey(), unit.Credits(u.GetMilliCredits()), usageOf(into, u.GetKey()))
	})
}

// goneOf is what of a lot cannot be used any more.
func goneOf(lot *ledgerv1.LotState) int64 {
	return lot.GetReserved() + lot.GetTransferred() + lot.GetExpired() + lot.GetReversed()
}

func remainderOf(account *ledgerv1.AccountRow, course uint64) int64 {
	for _, r := range account.GetRemainders() {
		if r.GetCourse() == course {
			return r.GetMinutes()
		}
	}
	return 0
}

// given is what an item contributed, as what it brings.
func (p *part) given() *ledgerv1.Effects {
	whole := *p
	whole.remainder = 0
	given := whole.negated(nil, nil)
	for _, h := range given.GetHours() {
		h.Minutes = -h.Minutes
	}
	for _, u := range given.GetUsage() {
		u.MilliCredits = -u.MilliCredits
	}
	for _, d := range given.GetDays() {
		d.Minutes = -d.Minutes
	}
	for _, points := range given.GetPoints() {
		points.MilliPoints = -points.MilliPoints
	}
	given.Sessions, given.SessionsRemoved = given.SessionsRemoved, nil
	return given
}

// stands has an item stand for the equivalence group for which it stood, where nothing does yet.
func (t travel) stands(item *ledgerv1.CompletionItem, into *ledgerv1.AccountRow) (*ledgerv1.GroupChange, error) {
	from, err := t.tx.Account(t.from)
	if err != nil {
		return nil, err
	}
	for _, group := range from.GetGroups() {
		taken := slices.ContainsFunc(into.GetGroups(), func(g *ledgerv1.GroupChange) bool { return g.GetGroup() == group.GetGroup() })
		if group.GetCompletion().GetIndex() == item.GetIndex() && !taken {
			return &ledgerv1.GroupChange{Group: group.GetGroup(), Completion: refOf(item)}, nil
		}
	}
	return nil, nil
}

// came says whether an item came by this merge.
func (t travel) came(item *ledgerv1.CompletionItem) bool { return item.GetMergePlusOne() == t.merge+1 }

// takeHome takes the newest items off the account to which they had come.
func (t travel) takeHome() error {
	items, err := itemsOf(t.tx, t.into, t.came)
	if err != nil {
		return err
	}
	slices.Reverse(items)
	for _, item := range items[:min(movedAtOnce, len(items))] {
		if err := t.takeBack(item); err != nil {
			return fmt.Errorf("item %d: %w", item.GetIndex(), err)
		}
	}
	return nil
}

// takeBack takes an item off, and gives back what it took from another one. What other lots found room for under the caps since is
// theirs: credits that are given back wait until it is found out what room is left.
func (t travel) takeBack(item *ledgerv1.CompletionItem) error {
	account, err := t.tx.Account(t.into)
	if err != nil {
		return err
	}
	part, err := contribution(t.tx, item)
	if err != nil {
		return err
	}
	fact := &ledgerv1.ItemReturned{
		Merge: t.merge, From: t.from[:], Into: t.into[:], Item: refOf(item), Effects: part.negated(item, account),
	}
	for _, lot := range item.GetLots() {
		fact.Lots = append(fact.Lots, &ledgerv1.LotChange{
			Entry: lot.GetEntry(), Position: lot.GetPosition(), Completion: refOf(item), Pending: -lot.GetPending(), Available: -lot.GetAvailable(),
			Reserved: -lot.GetReserved(), Transferred: -lot.GetTransferred(), Expired: -lot.GetExpired(), Reversed: -lot.GetReversed(),
		})
	}
	moved, err := t.tx.Entry(item.GetMovedPlusOne() - 1)
	if err != nil {
		return err
	}
	for _, group := range account.GetGroups() {
		if group.GetCompletion().GetIndex() == item.GetIndex() {
			fact.Effects.Group = &ledgerv1.GroupChange{Group: group.GetGroup()}
		}
	}
	if taken := moved.GetItemMoved().GetEffects(); taken.GetReplaces() != nil {
		fact.Restores = restoring(taken.GetReplaces())
		fact.Effects.Group = &ledgerv1.GroupChange{Group: taken.GetGroup().GetGroup(), Completion: taken.GetReplaces().GetCompletion()}
		for _, change := range taken.GetLotChanges() {
			if change.GetCompletion().GetIndex() != taken.GetReplaces().GetCompletion().GetIndex() {
				continue
			}
			given := &ledgerv1.LotChange{
				Entry: change.GetEntry(), Position: change.GetPosition(), Completion: change.GetCompletion(),
				Pending: -change.GetPending(), Available: -change.GetAvailable(), Reversed: -change.GetReversed(),
			}
			if fact.Restores.Usage != nil {
				given.Pending, given.Available = given.GetPending()+given.GetAvailable(), 0
			}
			fact.Effects.LotChanges = append(fact.Effects.LotChanges, given)
		}
		fact.Restores.Usage = nil
	}
	_, err = t.tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ItemReturned{ItemReturned: fact}})
	return err
}

// releaseRestored releases what was given back when the merge was undone, as far as the caps leave room, before what else waits: that
// waited before, too.
func (t travel) releaseRestored(merged uint64) error {
	account, err := t.tx.Account(t.into)
	if err != nil {
		return err
	}
	if err := expire(t.tx, t.directory, t.into, account); err != nil {
		return err
	}
	var refs []*ledgerv1.LotRef
	for _, ref := range account.GetPending() {
		restored, err := t.restored(ref.GetCompletion(), merged)
		if err != nil {
			return err
		}
		if restored {
			refs = append(refs, ref)
		}
	}
	return release(t.tx, t.directory, t.into, account, refs)
}

// restored says whether a completion of the account was given back what an item of the merge had taken from it.
func (t travel) restored(ref *ledgerv1.CompletionRef, merged uint64) (bool, error) {
	item, err := completionItem(t.tx, t.into, ref)
	if err != nil {
		return false, err
	}
	for _, index := range slices.Backward(item.GetEffectsIn()) {
		if index < merged {
			break
		}
		e, err := t.tx.Entry(index)
		if err != nil {
			return false, err
		}
		returned := e.GetItemReturned()
		if returned.GetMerge() == t.merge && returned.GetRestores().GetCompletion().GetIndex() == ref.GetIndex() {
			return true, nil
		}
	}
	return false, nil
}

// restoring is what a completion gains again that another one had taken the place of.
func restoring(r *ledgerv1.Reversal) *ledgerv1.Reversal {
	back := &ledgerv1.Reversal{Completion: r.GetCompletion(), Remainder: -r.GetRemainder()}
	for _, h := range r.GetHours() {
		back.Hours = append(back.Hours, &ledgerv1.YearMinutes{Year: h.GetYear(), Category: h.GetCategory(), Minutes: -h.GetMinutes()})
	}
	for _, u := range r.GetUsage() {
		back.Usage = append(back.Usage, &ledgerv1.CapUsage{Key: u.GetKey(), MilliCredits: -u.GetMilliCredits()})
	}
	for _, d := range r.GetDays() {
		back.Days = append(back.Days, &ledgerv1.DayMinutes{Day: d.GetDay(), Rule: d.GetRule(), Minutes: -d.GetMinutes()})
	}
	for _, p := range r.GetPoints() {
		back.Points = append(back.Points, &ledgerv1.Points{LapsesDay: p.GetLapsesDay(), MilliPoints: -p.GetMilliPoints()})
	}
	return back
}
