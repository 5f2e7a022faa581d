package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/book"
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

// answer ends the wait of whoever proposed.
func (p *proposal) answer(receipt Receipt, err error) {
	p.receipt, p.err = receipt, err
	close(p.done)
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
	first   uint64   // index of the first of entries
	entries [][]byte // of the batch
	before  *Tx      // of the batch that is being committed; nil: none is
}

// Now is the time of the entries that are appended now.
func (tx *Tx) Now() time.Time { return time.UnixMicro(tx.time).UTC() }

// Next is the index of the entry that is appended next.
func (tx *Tx) Next() uint64 { return tx.first + uint64(len(tx.entries)) }

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
	for batch := tx; batch != nil; batch = batch.before {
		if index >= batch.first && index < batch.Next() {
			return decodeEntry(index, batch.entries[index-batch.first])
		}
	}
	b, err := tx.Row(book.EntryKey(index))
	if err != nil {
		return nil, err
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

// Weeks answers the numbers of all weeks of an account, for the rare step that cannot name the rows it needs.
func (tx *Tx) Weeks(id unit.AccountID) ([]int32, error) {
	var below [][]byte
	for row, err := range tx.ledger.config.Engine.Scan(tx.ctx, store.Prefix(book.WeeksPrefix(id))) {
		if err != nil {
			return nil, fmt.Errorf("ledger: read: %w", err)
		}
		below = append(below, slices.Clone(row.Key))
	}
	return tx.State.Weeks(id, below), nil
}

// rows reads rows of an engine or a snapshot for the state.
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

// last answers the last key with a prefix, nil when there is none.
func (r rows) last(prefix []byte) ([]byte, error) {
	within := store.Prefix(prefix)
	within.Reverse = true
	for row, err := range r.reader.Scan(r.ctx, within) {
		if err != nil {
			return nil, fmt.Errorf("ledger: read: %w", err)
		}
		return bytes.Clone(row.Key), nil
	}
	return nil, nil
}

// many answers many rows: those that are near, which known says, and the others together. Missed are the places of these.
func (r rows) many(keys [][]byte, near func(key []byte) (value []byte, known bool)) (values [][]byte, missed []int, err error) {
	values = make([][]byte, len(keys))
	var far [][]byte
	for i, key := range keys {
		value, known := near(key)
		if values[i] = value; !known {
			far, missed = append(far, key), append(missed, i)
		}
	}
	if len(far) == 0 {
		return values, nil, nil
	}
	read, err := r.reader.Get(r.ctx, far...)
	if err != nil {
		return nil, nil, fmt.Errorf("ledger: read: %w", err)
	}
	for i, value := range read {
		values[missed[i]] = value
	}
	return values, missed, nil
}
