// Package pebble is the store engine that keeps rows on a disk, in a log-structured merge tree
// (github.com/cockroachdb/pebble). Next to it lives the [AnchorFile], the small file that remembers the last signed
// checkpoint.
//
// It never looks into a row, never shows one that is not yet durable, and never goes on after a failure that leaves it
// unknown what is durable: it halts, and recovers by being opened again. Its one invariant: what a reader sees is exactly
// the state that some successful Commit left behind.
//
// On disk, all rows are keys of one Pebble database, in the order of their bytes. The keys that begin with
// [store.Reserved] are the engine's own; so far there is one:
//
//	00 'h' 'e' 'a' 'd'   the head: 8 bytes, big-endian; absent in a store without commits
//
// It is written in the same Pebble batch as the rows of its commit, so that head and rows can't part.
package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// headKey is the row that holds the head.
func headKey() []byte { return []byte("\x00head") }

// Engine implements [store.Engine] on a directory, which no other process can open meanwhile.
type Engine struct {
	db       *pebble.DB
	watch    *watch // knows whether the engine has halted
	metrics  *metrics
	release  func() error // lets go of the directory's lock, the disk watchdog and the registered metrics
	readOnly bool
	sync     *pebble.WriteOptions // what makes a commit durable

	disk        vfs.FS
	checkpoint  string     // the directory that Checkpoint makes
	checkpoints sync.Mutex // held while there is one

	// writer serialises commits. It is held across a sync, so no reader ever takes it.
	writer sync.Mutex
	// batch is the one that every commit fills anew, under writer: fresh memory costs more than filling it.
	batch *pebble.Batch
	// wedged is set, under writer, when Pebble panicked in a commit: its locks are held for good.
	wedged bool

	mu      sync.Mutex // guards what follows, for a few instructions at a time
	closed  bool
	current *view              // what readers see; replaced after a commit is durable
	views   map[*view]struct{} // current, and those that snapshots and reads hold
	calls   sync.WaitGroup     // calls under way; grows only while closed is false
}

// view is the rows at one head. Pebble makes a batch visible before it is durable; reading through views hides it.
type view struct {
	snapshot *pebble.Snapshot
	head     store.Head
	refs     int // guarded by Engine.mu; the snapshot is closed when it reaches zero
}

// Head implements [store.Engine].
func (e *Engine) Head() store.Head {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current.head
}

// Get implements [store.Reader].
func (e *Engine) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	v, err := e.acquire(nil)
	if err != nil {
		return nil, err
	}
	defer e.letGo(v)
	return v.get(ctx, keys)
}

// Scan implements [store.Reader].
func (e *Engine) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Row, error] {
	return e.sequence(ctx, nil, r)
}

// Snapshot implements [store.Engine].
func (e *Engine) Snapshot() (store.Snapshot, error) {
	v, err := e.acquire(nil)
	if err != nil {
		return nil, err
	}
	defer e.letGo(v)
	e.mu.Lock()
	defer e.mu.Unlock()
	v.refs++ // the snapshot's own, until it is closed
	return &snapshot{engine: e, view: v}, nil
}

// Commit implements [store.Engine].
func (e *Engine) Commit(_ context.Context, batch *store.Batch, expected store.Head) error {
	if err := batch.Check(); err != nil {
		return err
	}
	if e.readOnly {
		return store.ErrReadOnly
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.calls.Done()
	e.writer.Lock()
	defer e.writer.Unlock()
	switch {
	case e.watch.failure() != nil:
		return store.ErrHalted
	case e.Head() != expected:
		return store.ErrHeadMoved
	}
	if err := e.write(batch, expected+1); err != nil {
		return fmt.Errorf("pebble: commit of unknown outcome: %w", err)
	}
	e.publish(expected + 1)
	return nil
}

// Halted implements [store.Engine].
func (e *Engine) Halted() error {
	if err := e.watch.failure(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrHalted, err)
	}
	return nil
}

// Close implements [store.Engine].
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return store.ErrClosed
	}
	e.closed = true
	e.mu.Unlock()
	e.calls.Wait()
	if e.wedged {
		return errors.New("pebble: close: left open, because a failed commit holds its locks: end the process to recover")
	}
	var failures []error
	for v := range e.views { // nobody else can reach them any more
		failures = append(failures, v.snapshot.Close())
	}
	halted := e.watch.failure() != nil
	e.watch.pace.waiting.Add(1)
	if err := e.db.Close(); err != nil && !halted { // a halted database always complains
		failures = append(failures, fmt.Errorf("pebble: close: %v", err))
	}
	return errors.Join(append(failures, e.release())...)
}

// recordBytes is the most that Pebble's batch adds to a key and its value: a kind and two lengths.
const recordBytes = 1 + 2*binary.MaxVarintLen32

// retainedBytes is the size up to which the memory of a batch is used again.
const retainedBytes = 16 << 20

// write makes the batch and its head durable, or halts the engine.
func (e *Engine) write(batch *store.Batch, head store.Head) (err error) {
	b := e.batch
	if b == nil {
		b = e.db.NewBatchWithSize(64+batch.Bytes()+batch.Len()*recordBytes, pebble.WithMaxRetainedSizeBytes(retainedBytes))
		e.batch = b
	}
	defer func() {
		// Pebble panics, with its own locks held, when it can't write its log.
		switch p := recover().(type) {
		case nil:
		case *fatalError:
			err = p
		default:
			e.wedged = true
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			e.watch.halt("commit", err)
		}
	}()
	for _, change := range batch.Changes() {
		if change.Value == nil {
			err = b.Delete(change.Key, nil)
		} else {
			err = b.Set(change.Key, change.Value, nil)
		}
		if err != nil {
			return fmt.Errorf("batch: %v", err)
		}
	}
	if err := b.Set(headKey(), binary.BigEndian.AppendUint64(nil, uint64(head)), nil); err != nil {
		return fmt.Errorf("batch: %v", err)
	}
	if err := e.db.Apply(b, e.sync); err != nil {
		return fmt.Errorf("apply: %v", err)
	}
	// The manifest may have failed meanwhile beneath a flush, which is none of Apply's business but all of ours.
	if err := e.watch.failure(); err != nil {
		return err
	}
	b.Reset()
	return nil
}

// publish shows readers the rows of a head that has become durable.
func (e *Engine) publish(head store.Head) {
	next := &view{snapshot: e.db.NewSnapshot(), head: head, refs: 1}
	e.mu.Lock()
	last := e.current
	e.current = next
	e.views[next] = struct{}{}
	e.mu.Unlock()
	if last != nil {
		e.unref(last)
	}
}

// enter begins a call; calls.Done ends it.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return store.ErrClosed
	}
	e.calls.Add(1)
	return nil
}

// acquire begins a call that reads the view of s, or the current one when s is nil; letGo ends it.
func (e *Engine) acquire(s *snapshot) (*view, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.current
	if s != nil {
		v = s.view
	}
	if e.closed || (s != nil && s.closed) {
		return nil, store.ErrClosed
	}
	e.calls.Add(1)
	v.refs++
	return v, nil
}

func (e *Engine) letGo(v *view) {
	e.unref(v)
	e.calls.Done()
}

func (e *Engine) unref(v *view) {
	e.mu.Lock()
	v.refs--
	unused := v.refs == 0
	if unused {
		delete(e.views, v)
	}
	e.mu.Unlock()
	if unused {
		_ = v.snapshot.Close() // can't fail
	}
}

// snapshot implements [store.Snapshot]: a name for a view, which it holds until it is closed.
type snapshot struct {
	engine *Engine
	view   *view
	closed bool // guarded by Engine.mu
}

func (s *snapshot) Head() store.Head { return s.view.head }

func (s *snapshot) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	v, err := s.engine.acquire(s)
	if err != nil {
		return nil, err
	}
	defer s.engine.letGo(v)
	return v.get(ctx, keys)
}

func (s *snapshot) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Row, error] {
	return s.engine.sequence(ctx, s, r)
}

func (s *snapshot) Close() error {
	v, err := s.engine.acquire(s)
	if err != nil {
		return err
	}
	defer s.engine.letGo(v)
	s.engine.mu.Lock()
	if s.closed { // by another goroutine, since acquire
		s.engine.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	s.engine.mu.Unlock()
	s.engine.unref(v)
	return nil
}

// get reads in key order, which lets the iterator walk forward within a block instead of searching anew.
//
// It doesn't use Pebble's Get, because that never looks at the filters of the lowest level, where nine of ten rows are:
// most keys that the ledger asks for are new, and each would cost a block.
func (v *view) get(ctx context.Context, keys [][]byte) (_ [][]byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := v.snapshot.NewIterWithContext(ctx, &pebble.IterOptions{KeyTypes: pebble.IterKeyTypePointsOnly, UseL6Filters: true})
	if err != nil {
		return nil, fmt.Errorf("pebble: get: %v", err)
	}
	defer func() {
		if failure := rows.Close(); failure != nil && err == nil {
			err = fmt.Errorf("pebble: get: %v", failure)
		}
	}()
	values := make([][]byte, len(keys))
	for _, i := range inOrder(keys) {
		key := keys[i]
		if len(key) == 0 || key[0] == store.Reserved || !rows.SeekPrefixGE(key) {
			continue // an error, if there is one, stays with the iterator and comes out of Close
		}
		value, err := rows.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("pebble: get: %v", err)
		}
		values[i] = append(make([]byte, 0, len(value)), value...) // not nil, even when empty
	}
	return values, nil
}

// inOrder gives the positions of keys in the order of the keys.
func inOrder(keys [][]byte) []int {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	byKey := func(a, b int) int { return bytes.Compare(keys[a], keys[b]) }
	if !slices.IsSortedFunc(order, byKey) {
		slices.SortFunc(order, byKey)
	}
	return order
}

// sequence iterates over the view of s, or the current one when s is nil.
func (e *Engine) sequence(ctx context.Context, s *snapshot, r store.Range) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		v, err := e.acquire(s)
		if err != nil {
			yield(store.Row{}, err)
			return
		}
		defer e.letGo(v)
		if err := v.scan(ctx, r, yield); err != nil {
			yield(store.Row{}, err)
		}
	}
}

// firstKey is where the callers' keys begin.
func firstKey() []byte { return []byte{store.Reserved + 1} }

// scan yields rows until yield has enough, and answers what ended it early.
func (v *view) scan(ctx context.Context, r store.Range, yield func(store.Row, error) bool) (err error) {
	if bytes.Compare(r.Start, firstKey()) < 0 {
		r.Start = firstKey()
	}
	if r.End != nil && bytes.Compare(r.Start, r.End) >= 0 {
		return ctx.Err()
	}
	rows, err := v.snapshot.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: r.Start, UpperBound: r.End, KeyTypes: pebble.IterKeyTypePointsOnly,
	})
	if err != nil {
		return fmt.Errorf("pebble: scan: %v", err)
	}
	enough := false
	defer func() {
		if failure := rows.Close(); failure != nil && err == nil && !enough {
			err = fmt.Errorf("pebble: scan: %v", failure)
		}
	}()
	first, next := rows.First, rows.Next
	if r.Reverse {
		first, next = rows.Last, rows.Prev
	}
	for valid := first(); valid; valid = next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := rows.ValueAndErr()
		if err != nil {
			return fmt.Errorf("pebble: scan: %v", err)
		}
		if enough = !yield(store.Row{Key: rows.Key(), Value: value}, nil); enough {
			return nil
		}
	}
	return nil
}

// failureOf is a place for the first failure. The zero value holds none.
type failureOf struct{ first atomic.Pointer[error] }

// set keeps err if it is the first, and says whether it was.
func (f *failureOf) set(err error) bool { return f.first.CompareAndSwap(nil, &err) }

func (f *failureOf) get() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}
