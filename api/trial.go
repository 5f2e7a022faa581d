package api

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// trial decides a history anew, on one view of the ledger, and writes nothing. One goroutine goes through the weeks of the
// accounts, in the order of their ids, and hands them to workers, which take whole accounts. Ids are random: how far the way
// has gone in their order is the share of the work that is done.
//
// There is one worker fewer than there are cores, and one at least. Were none left, nobody would look at the network but every ten
// milliseconds, and every call to the bank would wait for that.
type trial struct {
	bank *Bank
	view ledger.View
	// real is the directory of the view; directory is the same as if the draft was in force.
	real, directory *directory
	draft           *published
	// counted says of each course whether its completions are counted; from and to bound the days on which learning ended.
	counted  map[uint64]bool
	from, to int32
	top      int

	// rows are the organizations and courses, as a state reads them.
	rows map[string][]byte
	// cases are those that were not opened by the recording of their completion, by account.
	cases map[unit.AccountID][]openedCase
	// merged are accounts that became part of others, and of which.
	merged map[unit.AccountID]unit.AccountID

	// reported are, by the key of a crowd whose limit depends on courses, those of it that are too many; reporting guards it.
	reporting sync.Mutex
	reported  map[uint64][]uint64

	// looked is how many completions were seen, judged how many of accounts that were decided anew.
	looked, judged atomic.Int64
	// accounts is how many accounts are done; place is the beginning of the id of the newest of them.
	accounts atomic.Int64
	place    atomic.Uint64
	// ticks hears of every batch.
	ticks chan struct{}
}

// openedCase is a case with the entry that opened it.
type openedCase struct {
	index uint64
	row   *ledgerv1.CaseRow
}

const (
	// batchedRows is how many weeks are handed to a worker at once, and a few more where an account has them.
	batchedRows = 128
	// reportEvery is how often progress is told, and reportShares how many parts of the way are told even so.
	reportEvery  = 250 * time.Millisecond
	reportShares = 32
	// sampled is how many accounts must be done before they are believed to say how much there is to do.
	sampled = 2000
	// wholeShare is all of the way.
	wholeShare = 1 << 20
)

// weeks are the rows of an account.
type weeks struct {
	id   unit.AccountID
	rows [][]byte
}

// run goes through all accounts.
func (t *trial) run(parent context.Context, progress func(SimulationProgress) error) (SimulationResult, error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	if err := t.prepare(ctx); err != nil {
		return SimulationResult{}, err
	}
	t.ticks = make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []weeks)
	group.Go(func() error {
		defer close(batches)
		return t.scan(ctx, batches)
	})
	var mu sync.Mutex
	sum := newTally(t.top)
	for worker := range max(1, runtime.GOMAXPROCS(0)-1) {
		group.Go(func() error {
			own := newTally(t.top)
			for batch := range batches {
				if err := t.work(ctx, worker, batch, own); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			sum.merge(own)
			return nil
		})
	}
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed = group.Wait()
	}()
	if err := t.report(done, progress); err != nil {
		cancel()
		<-done
		return SimulationResult{}, err
	}
	switch {
	case errors.Is(failed, vault.ErrErased):
		return SimulationResult{}, faultf(Changed, ReasonAccountErased, "", "somebody was forgotten while the simulation ran; run it again")
	case failed != nil:
		return SimulationResult{}, failed
	}
	looked := t.looked.Load()
	if err := progress(SimulationProgress{Done: looked, Total: looked}); err != nil {
		return SimulationResult{}, err
	}
	result := sum.result()
	result.PolicyHash, result.LogSize = t.draft.row.GetFact().GetPolicyHash(), t.view.Size()
	return result, nil
}

// report tells how far the work is until it is done.
func (t *trial) report(done <-chan struct{}, progress func(SimulationProgress) error) error {
	now := t.bank.config.Now
	began := now()
	last, share := began, uint64(0)
	for {
		select {
		case <-done:
			return nil
		case <-t.ticks:
		}
		at := t.share()
		if now().Sub(last) < reportEvery && at-share < wholeShare/reportShares {
			continue
		}
		last, share = now(), at
		p := SimulationProgress{Done: t.looked.Load()}
		p.Total = p.Done * wholeShare / int64(at)
		p.Remaining = last.Sub(began) / time.Duration(at) * time.Duration(wholeShare-at)
		if err := progress(p); err != nil {
			return err
		}
	}
}

// share is how much of the way is done, out of wholeShare: never nothing.
func (t *trial) share() uint64 { return t.place.Load()>>44 + 1 }

// prepare reads what is needed for all accounts.
func (t *trial) prepare(ctx context.Context) error {
	t.rows, t.cases = make(map[string][]byte), make(map[unit.AccountID][]openedCase)
	t.reported = make(map[uint64][]uint64)
	if err := t.readMerges(ctx); err != nil {
		return err
	}
	for _, table := range []byte{book.TableOrganizations, book.TableCourses} {
		for row, err := range t.view.Scan(ctx, store.Prefix([]byte{table})) {
			if err != nil {
				return err
			}
			t.rows[string(row.Key)] = slices.Clone(row.Value)
		}
	}
	if err := t.prepareHolds(ctx); err != nil {
		return err
	}
	for row, err := range t.view.Scan(ctx, store.Prefix([]byte{book.TableCases})) {
		if err != nil {
			return err
		}
		opened := openedCase{binary.BigEndian.Uint64(row.Key[1:]), new(ledgerv1.CaseRow)}
		if err := opened.row.UnmarshalVT(row.Value); err != nil {
			return fmt.Errorf("%w: case %d: %v", ledger.ErrDamaged, opened.index, err)
		}
		if opened.index != opened.row.GetCompletion().GetIndex() {
			id := unit.AccountID(opened.row.GetAccount())
			for into, ok := t.merged[id]; ok; into, ok = t.merged[id] {
				id = into
			}
			t.cases[id] = append(t.cases[id], opened)
		}
	}
	return nil
}

// readMerges reads which accounts became part of others: what they had counts there, as officers decided.
func (t *trial) readMerges(ctx context.Context) error {
	t.merged = make(map[unit.AccountID]unit.AccountID)
	for row, err := range t.view.Scan(ctx, store.Prefix([]byte{book.TableMerges})) {
		if err != nil {
			return err
		}
		merge := new(ledgerv1.MergeRow)
		if err := merge.UnmarshalVT(row.Value); err != nil {
			return damagedRow(row.Key, err)
		}
		switch merge.GetStatus() {
		case ledgerv1.MergeStatus_MERGE_STATUS_MOVING, ledgerv1.MergeStatus_MERGE_STATUS_RETURNING:
			return faultf(Unavailable, ReasonAccountMoving, "", "two accounts are being merged; try again in a moment")
		case ledgerv1.MergeStatus_MERGE_STATUS_MERGED, ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED:
			t.merged[unit.AccountID(merge.GetFact().GetFrom())] = unit.AccountID(merge.GetFact().GetInto())
		default:
		}
	}
	return nil
}

// prepareHolds reads the holds as they were placed: what they held, and when it came free, the history of each account says.
func (t *trial) prepareHolds(ctx context.Context) error {
	for scanned, err := range t.view.Scan(ctx, store.Prefix([]byte{book.TableClawbacks})) {
		if err != nil {
			return err
		}
		row := new(ledgerv1.ClawbackRow)
		if err := row.UnmarshalVT(scanned.Value); err != nil {
			return damagedRow(scanned.Key, err)
		}
		row.State = ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED
		value, err := row.MarshalVT()
		if err != nil {
			return fmt.Errorf("api: a hold: %v", err)
		}
		t.rows[string(scanned.Key)] = value
	}
	return nil
}

// scan hands out the accounts with everything that they learned.
func (t *trial) scan(ctx context.Context, batches chan<- []weeks) error {
	var batch []weeks
	rows := 0
	send := func() error {
		select {
		case batches <- batch:
			batch, rows = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for row, err := range t.view.Scan(ctx, store.Prefix([]byte{book.TableWeeks})) {
		if err != nil {
			return err
		}
		id := unit.AccountID(row.Key[1 : 1+len(unit.AccountID{})])
		if len(batch) == 0 || batch[len(batch)-1].id != id {
			if rows >= batchedRows {
				if err := send(); err != nil {
					return err
				}
			}
			batch = append(batch, weeks{id: id})
		}
		of := &batch[len(batch)-1]
		of.rows = append(of.rows, slices.Clone(row.Value))
		rows++
	}
	if len(batch) == 0 {
		return nil
	}
	return send()
}

// work decides a batch of accounts anew.
func (t *trial) work(ctx context.Context, worker int, batch []weeks, sum *tally) error {
	ids := make([]unit.AccountID, len(batch))
	for i := range batch {
		ids[i] = batch[i].id
	}
	sealers, err := t.bank.vault.SealersInPassing(ctx, ids)
	if err != nil {
		return err
	}
	for i := range batch {
		began := t.bank.config.Now()
		if err := t.account(ctx, &batch[i], sealers[i], sum); err != nil {
			return err
		}
		if err := t.giveWay(ctx, worker, t.bank.config.Now().Sub(began)); err != nil {
			return err
		}
	}
	t.accounts.Add(int64(len(batch)))
	t.place.Store(binary.BigEndian.Uint64(ids[len(ids)-1][:8]))
	select {
	case t.ticks <- struct{}{}:
	default:
	}
	return nil
}

// enough refuses to go on where there is too much to do: early, where that is as good as certain.
func (t *trial) enough() error {
	judged, most := t.judged.Load(), t.bank.config.SimulationCompletions
	if judged <= most && (t.accounts.Load() < sampled || judged*wholeShare <= 2*most*int64(t.share())) {
		return nil
	}
	return faultf(Precondition, ReasonSimulationSize, "",
		"there are more than %d completions to decide anew, as many as one simulation takes: "+
			"ask for an organization, or for a period in which fewer people learned", most)
}

// A worker rests at least for patience before it looks again whether somebody posts, and for longestRest at most.
const (
	patience    = 2 * time.Millisecond
	longestRest = 50 * time.Millisecond
)

// giveWay lets those who post go first. While somebody does, all workers rest but the first, which rests as long as it has
// worked.
func (t *trial) giveWay(ctx context.Context, worker int, worked time.Duration) error {
	for t.bank.posting.Load() > 0 {
		timer := time.NewTimer(min(max(patience, worked), longestRest))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if worker == 0 {
			return nil
		}
	}
	return ctx.Err()
}
