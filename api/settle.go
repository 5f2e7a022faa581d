package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// settle appends what is overdue on an account: steps of cases whose time has passed, holds that lapsed, credits that expired, and pending credits
// for which there is room since a new period began or a completion was taken back. Effects happen by entry, never by clock:
// until settle has written them, they have not happened.
func (b *Bank) settle(ctx context.Context, tx scribe, d *directory, id unit.AccountID) error {
	return b.settleSince(ctx, tx, d, id, 0)
}

// settleSince is settle where pending credits of entries before since are known to have no room.
func (b *Bank) settleSince(ctx context.Context, tx scribe, d *directory, id unit.AccountID, since uint64) error {
	account, err := tx.Account(id)
	if err != nil || !unsettled(account) {
		return err
	}
	next := tx.Next()
	if err := b.endCases(ctx, tx, d, id, account); err != nil {
		return err
	}
	if err := endHolds(tx, d, id, account); err != nil {
		return err
	}
	if tx.Next() != next {
		since = 0 // what has ended may have made room
	}
	if err := settleCredits(tx, d, id, account, since); err != nil {
		return err
	}
	b.full.settled(tx, d, id, account)
	return nil
}

// unsettled says whether something on an account can become overdue. What became part of another account waits there; what is on
// its way waits until it has arrived.
func unsettled(account *ledgerv1.AccountRow) bool {
	return len(account.GetPending())+len(account.GetExpiring())+len(account.GetDeadlines())+len(account.GetHolds()) > 0 &&
		account.GetStatus() != ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED && !account.GetMoving()
}

// settleCredits is the part of settle that is about credits which are there already.
func settleCredits(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow, since uint64) error {
	if err := expire(tx, d, id, account); err != nil {
		return err
	}
	pending := account.GetPending() // in the order of their entries
	known, _ := slices.BinarySearchFunc(pending, since, func(ref *ledgerv1.LotRef, since uint64) int { return cmp.Compare(ref.GetEntry(), since) })
	return release(tx, d, id, account, pending[known:])
}

// lotOf answers a lot as it stands, and the policy that its course is under today, or, where it has no course, the account
// at home: nil if there is none.
func lotOf(
	tx scribe, d *directory, id unit.AccountID, home string, ref *ledgerv1.LotRef,
) (*ledgerv1.LotState, *published, error) {
	item, err := completionItem(tx, id, ref.GetCompletion())
	if err != nil {
		return nil, nil, err
	}
	lot, err := lotIn(item, ref)
	return lot, d.itemPolicy(item, home, tx.Now()), err
}

// lotIn answers a lot of an item.
func lotIn(item *ledgerv1.CompletionItem, ref *ledgerv1.LotRef) (*ledgerv1.LotState, error) {
	for _, lot := range item.GetLots() {
		if lot.GetEntry() == ref.GetEntry() && lot.GetPosition() == ref.GetPosition() {
			return lot, nil
		}
	}
	return nil, fmt.Errorf("%w: lot %d/%d is missing", ledger.ErrDamaged, ref.GetEntry(), ref.GetPosition())
}

// issuedLot answers a lot as an entry issued it.
func issuedLot(tx scribe, entry uint64, position uint32) (*ledgerv1.Lot, error) {
	e, err := tx.Entry(entry)
	if err != nil {
		return nil, err
	}
	return effectsOf(e).GetLots()[position], nil
}

// itemPolicy is the policy under which the lots of an item of an account stand: that of its course's provider, or of the account's home.
func (d *directory) itemPolicy(item *ledgerv1.CompletionItem, home string, now time.Time) *published {
	under := home
	if item.GetKind() == ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED {
		under = d.byIndex[item.GetCourse()].fact.GetProvider()
	}
	return d.policyFor(under, now)
}

// endsBy says whether the last day of a lot has passed. Under no policy none passes.
func (p *published) endsBy(lot *ledgerv1.LotState, now time.Time) bool {
	return p != nil && lot.GetExpiresDay() != 0 && p.Day(now) >= policy.Day(lot.GetExpiresDay())
}

// latestDay is the day where it is latest: in no zone a later one has begun.
func latestDay(now time.Time) int32 { return int32(now.Unix()/secondsPerDay) + 1 }

// expire ends what is unused of lots whose last day has passed.
func expire(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow) error {
	latest := latestDay(tx.Now())
	for _, ref := range slices.Clone(account.GetExpiring()) {
		if ref.GetExpiresDay() > latest {
			continue
		}
		lot, p, err := lotOf(tx, d, id, account.GetHome(), ref)
		if err != nil {
			return err
		}
		if !p.endsBy(lot, tx.Now()) {
			continue
		}
		change := &ledgerv1.LotChange{
			Entry: ref.GetEntry(), Position: ref.GetPosition(), Completion: ref.GetCompletion(),
			Pending: -lot.GetPending(), Available: -lot.GetAvailable(), Expired: lot.GetPending() + lot.GetAvailable(),
		}
		fact := &ledgerv1.CreditsExpired{Account: id[:], Effects: &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{change}}}
		if _, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsExpired{CreditsExpired: fact}}); err != nil {
			return err
		}
	}
	return nil
}

// release makes credits of lots that wait available, the oldest first, as far as the caps leave room.
func release(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow, pending []*ledgerv1.LotRef) error {
	// Lots of one policy are released together, since they share its caps.
	var policies []*published
	waiting := make(map[*published][]*ledgerv1.LotRef)
	lots := make(map[*published][]policy.PendingLot)
	for _, ref := range pending {
		item, err := completionItem(tx, id, ref.GetCompletion())
		if err != nil {
			return err
		}
		lot, err := lotIn(item, ref)
		if err != nil {
			return err
		}
		p := d.itemPolicy(item, account.GetHome(), tx.Now())
		if p == nil || item.GetHeldPlusOne() != 0 {
			continue
		}
		if lots[p] == nil {
			policies = append(policies, p)
		}
		waiting[p] = append(waiting[p], ref)
		issued, err := issuedLot(tx, ref.GetEntry(), ref.GetPosition())
		if err != nil {
			return err
		}
		lots[p] = append(lots[p], policy.PendingLot{Pending: unit.Credits(lot.GetPending()), Caps: issued.GetCaps()})
	}
	for _, p := range policies {
		usage := func(key string) unit.Credits { return usageOf(account, key) }
		for _, released := range p.Release(lots[p], usage, p.Day(tx.Now())) {
			if err := appendRelease(tx, id, waiting[p][released.Lot], released); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendRelease(tx scribe, id unit.AccountID, ref *ledgerv1.LotRef, released policy.Released) error {
	effects := &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{
		Entry: ref.GetEntry(), Position: ref.GetPosition(), Completion: ref.GetCompletion(),
		Pending: -int64(released.Credits), Available: int64(released.Credits),
	}}}
	for _, u := range released.Usage {
		effects.Usage = append(effects.Usage, &ledgerv1.CapUsage{Key: u.Key, MilliCredits: int64(u.Credits)})
	}
	fact := &ledgerv1.CreditsReleased{Account: id[:], Effects: effects}
	_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReleased{CreditsReleased: fact}})
	return err
}

// sweptAtOnce is how many accounts one proposal of the sweeper settles.
const sweptAtOnce = 256

// Sweep settles every account that has something overdue, and answers how many entries that took. Accounts that are used
// are settled then; the sweeper is for the others. It is run now and again, such as once a night, and destroys files that
// nothing names, too.
func (b *Bank) Sweep(ctx context.Context) (entries uint64, err error) {
	entries, failed := b.FinishMerges(ctx)
	if ctx.Err() != nil {
		return entries, failed
	}
	view, err := b.ledger.View()
	if err != nil {
		return entries, errors.Join(failed, err)
	}
	defer view.Close()
	var due []unit.AccountID
	for row, err := range view.Scan(ctx, store.Prefix([]byte{book.TableAccounts})) {
		if err != nil {
			return entries, errors.Join(failed, err)
		}
		account := new(ledgerv1.AccountRow)
		if err := account.UnmarshalVT(row.Value); err != nil {
			return entries, errors.Join(failed, fmt.Errorf("%w: account: %v", ledger.ErrDamaged, err))
		}
		if !unsettled(account) {
			continue
		}
		if due = append(due, unit.AccountID(row.Key[1:])); len(due) == sweptAtOnce {
			n, err := b.settleAll(ctx, due)
			entries, failed = entries+n, errors.Join(failed, err)
			if ctx.Err() != nil {
				return entries, failed
			}
			due = due[:0]
		}
	}
	n, err := b.settleAll(ctx, due)
	entries, failed = entries+n, errors.Join(failed, err)
	_, err = b.SweepEvidence(ctx)
	return entries, errors.Join(failed, err)
}

func (b *Bank) settleAll(ctx context.Context, due []unit.AccountID) (entries uint64, err error) {
	if len(due) == 0 {
		return 0, nil
	}
	reads := make([][]byte, len(due), len(due)+1)
	for i, id := range due {
		reads[i] = book.AccountKey(id)
	}
	reads = append(reads, book.DirectoryKey())
	for range maxPrepare {
		d, err := b.newestDirectory(ctx)
		if err != nil {
			return entries, err
		}
		_, errs, err := b.ledger.ProposeEach(ctx, reads, len(due), func(tx *ledger.Tx, i int) error {
			if version, err := tx.Directory(); err != nil {
				return err
			} else if version != d.version {
				return errStale
			}
			before := tx.Next()
			err := b.settle(ctx, tx, d, due[i])
			if err == nil {
				entries += tx.Next() - before
			}
			return err
		})
		if err := errors.Join(err, errors.Join(errs...)); !errors.Is(err, errStale) {
			return entries, err
		}
	}
	return entries, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}
