package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Receipt says that everything which a proposal wrote, or found written, is durable and proved by a checkpoint.
type Receipt struct {
	// Checkpoint is a signed checkpoint of a log that holds it.
	Checkpoint []byte
	// Size is the size of that log.
	Size uint64
}

// proposal is a call that waits for the writer.
type proposal struct {
	ctx   context.Context
	reads [][]byte
	count int
	step  func(tx *Tx, i int) error

	errs    []error
	receipt Receipt
	err     error // of the proposal as a whole
	done    chan struct{}
}

// Propose runs step in the writer, which alone sees the newest state, and waits until everything that it appended is
// durable and published. An error of step undoes everything it did and is answered as it is. Reads names the rows that
// step is going to read, so that they are fetched together; others are fetched one by one.
//
// It answers ErrBusy, ErrClosed, ErrClock or ErrHalted when nothing was done; after ErrHalted that wraps another error
// it is unknown whether it was.
func (l *Ledger) Propose(ctx context.Context, reads [][]byte, step func(tx *Tx) error) (Receipt, error) {
	receipt, errs, err := l.ProposeEach(ctx, reads, 1, func(tx *Tx, _ int) error { return step(tx) })
	if err != nil {
		return Receipt{}, err
	}
	return receipt, errs[0]
}

// ProposeEach runs step for each i below count, in their order, and within one commit. Each step stands for itself: the
// error of one is answered at its place, undoes what that step did, and leaves the others alone.
func (l *Ledger) ProposeEach(
	ctx context.Context, reads [][]byte, count int, step func(tx *Tx, i int) error,
) (Receipt, []error, error) {
	if err := l.Halted(); err != nil {
		return Receipt{}, nil, err
	}
	p := &proposal{ctx: ctx, reads: reads, count: count, step: step, errs: make([]error, count), done: make(chan struct{})}
	select {
	case <-l.closing:
		return Receipt{}, nil, ErrClosed
	default:
	}
	select {
	case l.queue <- p:
	default:
		return Receipt{}, nil, ErrBusy
	}
	select {
	case <-p.done:
	case <-l.done:
		// The writer has ended. It may have answered just before.
		select {
		case <-p.done:
		default:
			return Receipt{}, nil, ErrClosed
		}
	}
	return p.receipt, p.errs, p.err
}

// Tx is the writer's view of the ledger during one step. It must not be used afterwards.
type Tx struct {
	*book.State
	ctx     context.Context
	ledger  *Ledger
	time    int64
	entries [][]byte // of the batch
}

// Now is the time of the entries that are appended now.
func (tx *Tx) Now() time.Time { return time.UnixMicro(tx.time).UTC() }

// Next is the index of the entry that is appended next.
func (tx *Tx) Next() uint64 { return tx.ledger.tip.size + uint64(len(tx.entries)) }

// Append writes a fact down: it sets index, time and salt of e, fixes its bytes, and applies it to the state, which the
// following reads see.
func (tx *Tx) Append(e *ledgerv1.Entry) (index uint64, err error) {
	e.Index, e.Time = tx.Next(), tx.time
	e.Salt = make([]byte, 16)
	if _, err := io.ReadFull(tx.ledger.config.Rand, e.Salt); err != nil {
		return 0, fmt.Errorf("ledger: salt: %v", err)
	}
	b, err := e.MarshalVT()
	if err != nil {
		return 0, fmt.Errorf("ledger: entry: %v", err)
	}
	if len(b) > MaxEntryBytes {
		return 0, fmt.Errorf("%w: %s of %d bytes, the largest is %d", ErrEntrySize, book.Fact(e), len(b), MaxEntryBytes)
	}
	if err := tx.Apply(e); err != nil {
		return 0, err
	}
	tx.entries = append(tx.entries, b)
	return e.Index, nil
}

// Entry answers an entry as the step sees it, also one that is not committed yet.
func (tx *Tx) Entry(index uint64) (*ledgerv1.Entry, error) {
	var b []byte
	if base := tx.ledger.tip.size; index >= base && index-base < uint64(len(tx.entries)) {
		b = tx.entries[index-base]
	} else {
		var err error
		if b, err = tx.Row(book.EntryKey(index)); err != nil {
			return nil, err
		}
	}
	return decodeEntry(index, b)
}

func decodeEntry(index uint64, b []byte) (*ledgerv1.Entry, error) {
	if b == nil {
		return nil, fmt.Errorf("%w: entry %d", ErrNotFound, index)
	}
	e := new(ledgerv1.Entry)
	if err := e.UnmarshalVT(b); err != nil {
		return nil, fmt.Errorf("%w: entry %d cannot be read: %v", ErrDamaged, index, err)
	}
	return e, nil
}

// Months answers the numbers of all months of an account, for the rare step that cannot name the rows it needs.
func (tx *Tx) Months(id unit.AccountID) ([]int32, error) {
	var below [][]byte
	for row, err := range tx.ledger.config.Engine.Scan(tx.ctx, store.Prefix(book.MonthsPrefix(id))) {
		if err != nil {
			return nil, fmt.Errorf("ledger: read: %w", err)
		}
		below = append(below, slices.Clone(row.Key))
	}
	return tx.State.Months(id, below), nil
}

// write is the writer: it alone moves the tip.
func (l *Ledger) write() {
	defer close(l.done)
	for {
		select {
		case p := <-l.queue:
			l.runBatch(p)
		case <-l.closing:
			for {
				select {
				case p := <-l.queue:
					l.runBatch(p)
				default:
					return
				}
			}
		}
	}
}

// runBatch runs a proposal and those that wait behind it, commits them together, and answers them.
func (l *Ledger) runBatch(first *proposal) {
	ctx := context.WithoutCancel(first.ctx)
	batch := l.gather(first)
	tx, err := l.begin(ctx, batch)
	for _, p := range batch {
		switch {
		case err != nil:
			p.err = err
		case p.ctx.Err() != nil:
			p.err = p.ctx.Err()
		default:
			tx.run(p)
		}
	}
	if err == nil {
		err = l.commit(ctx, tx)
	}
	receipt := l.receipt()
	for _, p := range batch {
		if p.err == nil {
			p.err, p.receipt = err, receipt
		}
		close(p.done)
	}
}

// gather takes what waits, up to about maxBatchEntries of steps. While many callers post, it waits a moment for those who
// are about to: a commit costs the same for few as for many.
func (l *Ledger) gather(first *proposal) []*proposal {
	batch, steps := []*proposal{first}, first.count
	var patience <-chan time.Time // nil: nobody is waited for
	if l.crowd >= crowded {
		patience = time.After(gatherTime)
	}
	enough := 2 * l.crowd
	defer func() { l.crowd = len(batch) }()
	for steps < maxBatchEntries {
		select {
		case p := <-l.queue:
			batch, steps = append(batch, p), steps+p.count
			continue
		default:
		}
		if patience == nil || len(batch) >= enough {
			return batch
		}
		select {
		case p := <-l.queue:
			batch, steps = append(batch, p), steps+p.count
		case <-patience:
			patience = nil
		}
	}
	return batch
}

// begin prepares a batch: its time, and the rows that its proposals named.
func (l *Ledger) begin(ctx context.Context, batch []*proposal) (*Tx, error) {
	if err := l.Halted(); err != nil {
		return nil, err
	}
	now, err := l.now()
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for _, p := range batch {
		for _, key := range p.reads {
			if !l.state.Knows(key) {
				keys = append(keys, key)
			}
		}
	}
	values, err := l.config.Engine.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	tx := &Tx{State: l.state, ctx: ctx, ledger: l, time: now}
	for i, key := range keys {
		tx.Prefetched(key, values[i])
	}
	return tx, nil
}

// run runs the steps of a proposal, each under a savepoint.
func (tx *Tx) run(p *proposal) {
	for i := range p.count {
		before := len(tx.entries)
		err := tx.try(p, i)
		if err == nil {
			err = tx.Keep()
		}
		if err != nil {
			tx.Undo()
			tx.entries = tx.entries[:before]
		}
		p.errs[i] = err
	}
}

func (tx *Tx) try(p *proposal, i int) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrPanicked, cause, debug.Stack())
		}
	}()
	return p.step(tx, i)
}

// commit makes a batch durable, signs and anchors its checkpoint, and publishes it: in this order.
func (l *Ledger) commit(ctx context.Context, tx *Tx) error {
	start := l.config.Now()
	var batch store.Batch
	for key, value := range tx.Changes {
		if value == nil {
			batch.Delete(key)
		} else {
			batch.Set(key, value)
		}
	}
	if batch.Len() == 0 && len(tx.entries) == 0 {
		return nil
	}
	if l.tip.size == 0 {
		batch.Set(formatKey(), book.Uint(Format))
	}
	// The edge is grown in place: whatever fails from here on, the writer stops or starts again from the store.
	next := l.tip
	next.head++
	next.size += uint64(len(tx.entries))
	if len(tx.entries) > 0 {
		next.time = tx.time
	}
	for i, e := range tx.entries {
		batch.Set(book.EntryKey(l.tip.size+uint64(i)), e)
		for _, tile := range next.edge.Append(nil, merkle.LeafHash(e)) {
			batch.Set(book.TileKey(tile.Level, tile.Index), tile.Data)
		}
	}
	if err := next.save(&batch); err != nil {
		return l.halt(ctx, err)
	}
	if err := l.config.Engine.Commit(ctx, &batch, l.tip.head); err != nil {
		return l.commitFailed(ctx, err)
	}
	tx.Committed()
	if len(tx.entries) == 0 { // a journal of rejects: the log is the same, and so is its checkpoint
		if err := l.show(next, l.receipt().Checkpoint); err != nil {
			return l.halt(ctx, err)
		}
		return nil
	}
	if err := l.publish(next); err != nil {
		return l.halt(ctx, err)
	}
	l.metrics.committed(len(tx.entries), l.config.Now().Sub(start))
	return nil
}

// commitFailed decides what an error of Commit means.
func (l *Ledger) commitFailed(ctx context.Context, cause error) error {
	if !errors.Is(cause, store.ErrHeadMoved) {
		return l.halt(ctx, cause)
	}
	// Somebody else writes to this store. Nothing of the batch is there; go on from what they wrote.
	if err := l.recover(ctx); err != nil {
		return l.halt(ctx, err)
	}
	return fmt.Errorf("%w: %w", ErrBusy, cause)
}

// rows reads single rows of an engine or a snapshot for the state.
type rows struct {
	ctx    context.Context
	reader store.Reader
}

func (r rows) Row(key []byte) ([]byte, error) {
	values, err := r.reader.Get(r.ctx, key)
	if err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	return values[0], nil
}
