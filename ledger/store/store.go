// Package store is the seam between the ledger and whatever keeps its rows.
//
// A store is one ordered keyspace of opaque rows. It knows nothing of entries, accounts or trees: the tables, their
// prefixes and their encodings belong to the ledger (ledger/FORMAT.md). An [Engine] has exactly one writer, and moves
// from head to head: every commit is atomic, durable when it returns, and refused if somebody else has moved the head.
//
// The in-memory engine of this package is for tests and for simulations; ledger/store/pebble keeps rows on disk. Every
// engine passes the conformance suite of ledger/ledgertest.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Errors that callers branch on. Anything else that Commit returns leaves it unknown whether the batch is durable.
var (
	// ErrHeadMoved says that another writer has committed since the caller learned the head. Nothing was written.
	ErrHeadMoved = errors.New("store: the head has moved: another writer has committed")
	// ErrClosed says that the engine was closed. Nothing was read or written.
	ErrClosed = errors.New("store: closed")
	// ErrHalted says that a commit before this one, or the disk beneath it, left it unknown what is durable. Nothing
	// was written by this call, and nothing will be until the engine is opened again.
	ErrHalted = errors.New("store: halted, because it is unknown what is durable: reopen to recover")
	// ErrReadOnly says that the engine was opened for reading. Nothing was written.
	ErrReadOnly = errors.New("store: opened for reading only")
	// ErrBatch says that a batch breaks a rule of [Batch.Check]. Nothing was written.
	ErrBatch = errors.New("store: impossible batch")
)

// Limits of what an engine takes.
const (
	// MaxKeyBytes is the length of the longest key.
	MaxKeyBytes = 1 << 10
	// MaxBatchBytes is the greatest size of a batch, keys and values together.
	MaxBatchBytes = 256 << 20
	// Reserved is the first byte of the keys that an engine keeps for itself. Its callers can't write such keys and
	// don't see them.
	Reserved = 0x00
)

// Head counts the commits of an engine since it was created; an empty engine's head is zero.
type Head uint64

// Row is one key with its value. A reader may keep neither beyond the step that handed them out, unless it copies them.
type Row struct {
	Key, Value []byte
}

// Range is the half-open interval of keys [Start, End). A nil End has no upper bound; where End is not above Start the
// range is empty.
type Range struct {
	Start, End []byte
	// Reverse hands the rows out from the last to the first.
	Reverse bool
}

// Prefix is the range of all keys that begin with prefix.
func Prefix(prefix []byte) Range {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return Range{Start: prefix, End: end[:i+1]}
		}
	}
	return Range{Start: prefix}
}

// Reader reads rows, and only durable ones: a commit under way, or one that failed, is not seen. It is safe for
// concurrent use.
type Reader interface {
	// Get fetches many rows in one round trip and as of one head: values[i] belongs to keys[i] and is nil when there is
	// no such row (an empty value is not nil). The values are the caller's to keep and must not be changed.
	Get(ctx context.Context, keys ...[]byte) (values [][]byte, err error)

	// Scan yields the rows of a range in key order, as of the head at which the iteration begins. An error ends the
	// sequence and is its last pair. The sequence can be iterated again; the step of an iteration must not close the
	// reader.
	Scan(ctx context.Context, r Range) iter.Seq2[Row, error]
}

// Snapshot is a Reader of the rows as they stood at one head, whatever is committed afterwards. It must be closed.
type Snapshot interface {
	Reader
	// Head is the head at which the snapshot was taken.
	Head() Head
	// Close releases the snapshot, once the calls under way on it are done. A closed snapshot answers ErrClosed, and so
	// does one whose engine was closed.
	Close() error
}

// Engine keeps rows. Its methods are safe for concurrent use, but only one writer succeeds at a time.
type Engine interface {
	Reader

	// Head is the current head.
	Head() Head

	// Snapshot takes a snapshot of the current head, at a cost that does not depend on how many rows there are.
	Snapshot() (Snapshot, error)

	// Commit writes all of batch or nothing, and returns nil only when it would survive a loss of power. The head then
	// is expected+1, also when the batch is empty. It answers ErrHeadMoved, and writes nothing, when the head is not
	// expected. An error that is none of this package's leaves it unknown what was written: the engine itself then
	// refuses every further commit with ErrHalted, goes on showing the rows of the last durable head, and the caller
	// must reopen it to learn the outcome. A commit that has begun is not abandoned when ctx ends.
	Commit(ctx context.Context, batch *Batch, expected Head) error

	// Halted answers an error that wraps ErrHalted and says why, once the engine refuses every further commit; nil before that.
	Halted() error

	// Close waits for the calls under way and releases the engine with all of its snapshots. A second Close answers
	// ErrClosed.
	Close() error
}

// Batch is an ordered list of changes to rows; a later change of the same key wins. The zero Batch is empty and ready
// for use. It keeps the slices it is given: they must not change until the batch is committed.
type Batch struct {
	changes []Change
	bytes   int
}

// Change sets a row, or deletes it when Value is nil.
type Change struct {
	Key, Value []byte
}

// Set writes a row. A nil value writes an empty row.
func (b *Batch) Set(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	b.add(key, value)
}

// Delete removes a row; removing a row that is not there is no error.
func (b *Batch) Delete(key []byte) { b.add(key, nil) }

func (b *Batch) add(key, value []byte) {
	b.changes = append(b.changes, Change{Key: key, Value: value})
	b.bytes += len(key) + len(value)
}

// Grow makes room for n more changes.
func (b *Batch) Grow(n int) { b.changes = slices.Grow(b.changes, n) }

// Changes are the batch's changes in the order they were made. The slice must not be modified.
func (b *Batch) Changes() []Change { return b.changes }

// Len is the number of changes.
func (b *Batch) Len() int { return len(b.changes) }

// Bytes is the size of all keys and values together.
func (b *Batch) Bytes() int { return b.bytes }

// Check answers an error that wraps [ErrBatch] when the batch is larger than [MaxBatchBytes], or when one of its keys
// is empty, longer than [MaxKeyBytes] or begins with [Reserved]. Every engine calls it before it writes anything.
func (b *Batch) Check() error {
	if b.bytes > MaxBatchBytes {
		return fmt.Errorf("%w: %d bytes are more than %d", ErrBatch, b.bytes, MaxBatchBytes)
	}
	for i, change := range b.changes {
		switch {
		case len(change.Key) == 0:
			return fmt.Errorf("%w: the key of change %d is empty", ErrBatch, i)
		case len(change.Key) > MaxKeyBytes:
			return fmt.Errorf("%w: the key of change %d has %d bytes, more than %d", ErrBatch, i, len(change.Key), MaxKeyBytes)
		case change.Key[0] == Reserved:
			return fmt.Errorf("%w: the key of change %d begins with the engine's own byte %#02x", ErrBatch, i, Reserved)
		}
	}
	return nil
}
