package store

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/google/btree"
)

// degree of the B-tree: a commit copies the nodes on the path to each row that it changes, so small nodes are better
// than the large ones that suit a tree changed in place.
const degree = 16

// Memory is an [Engine] that keeps its rows in memory and forgets them when the process ends. The rows of each head are
// one immutable tree; a commit copies what it changes, so readers take no lock and a snapshot costs one pointer.
type Memory struct {
	current atomic.Pointer[generation] // what readers see; replaced whole, under writer
	closed  atomic.Bool
	writer  sync.Mutex // one commit at a time
}

// generation is the rows at one head. Nothing changes it once it is published.
type generation struct {
	rows *btree.BTreeG[Row]
	head Head
}

// NewMemory makes an empty engine.
func NewMemory() *Memory {
	m := new(Memory)
	m.current.Store(&generation{rows: btree.NewG(degree, func(a, b Row) bool { return bytes.Compare(a.Key, b.Key) < 0 })})
	return m
}

// Head implements [Engine].
func (m *Memory) Head() Head { return m.current.Load().head }

// Get implements [Reader].
func (m *Memory) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	return m.current.Load().get(ctx, &m.closed, keys)
}

// Scan implements [Reader].
func (m *Memory) Scan(ctx context.Context, r Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { m.current.Load().scan(ctx, r, yield, &m.closed) }
}

// Snapshot implements [Engine].
func (m *Memory) Snapshot() (Snapshot, error) {
	if m.closed.Load() {
		return nil, ErrClosed
	}
	return &memorySnapshot{generation: m.current.Load(), engine: m}, nil
}

// Commit implements [Engine]. What it calls durable lasts as long as the engine.
func (m *Memory) Commit(_ context.Context, batch *Batch, expected Head) error {
	if err := batch.Check(); err != nil {
		return err
	}
	m.writer.Lock()
	defer m.writer.Unlock()
	current := m.current.Load()
	switch {
	case m.closed.Load():
		return ErrClosed
	case current.head != expected:
		return ErrHeadMoved
	}
	// Clone marks both trees copy-on-write. Readers of the published one don't look at the mark.
	rows := current.rows.Clone()
	for _, change := range batch.Changes() {
		if change.Value == nil {
			rows.Delete(Row{Key: change.Key})
			continue
		}
		rows.ReplaceOrInsert(Row{Key: bytes.Clone(change.Key), Value: bytes.Clone(change.Value)})
	}
	m.current.Store(&generation{rows: rows, head: expected + 1})
	return nil
}

// Halted implements [Engine]: memory does not fail.
func (m *Memory) Halted() error { return nil }

// Close implements [Engine]. Calls under way hold rows that nothing changes, so there is no need to wait for them.
func (m *Memory) Close() error {
	m.writer.Lock() // a commit under way is finished first
	defer m.writer.Unlock()
	if m.closed.Swap(true) {
		return ErrClosed
	}
	return nil
}

// memorySnapshot keeps one generation.
type memorySnapshot struct {
	*generation
	engine *Memory
	closed atomic.Bool
}

func (s *memorySnapshot) Head() Head { return s.head }

func (s *memorySnapshot) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	return s.get(ctx, &s.engine.closed, keys)
}

func (s *memorySnapshot) Scan(ctx context.Context, r Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { s.scan(ctx, r, yield, &s.closed, &s.engine.closed) }
}

func (s *memorySnapshot) Close() error {
	if s.engine.closed.Load() || s.closed.Swap(true) {
		return ErrClosed
	}
	return nil
}

func (g *generation) get(ctx context.Context, closed *atomic.Bool, keys [][]byte) ([][]byte, error) {
	if err := ready(ctx, closed); err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if row, found := g.rows.Get(Row{Key: key}); found {
			values[i] = row.Value
		}
	}
	return values, nil
}

// scan looks at ctx and closed before every row, because a step may take any time.
func (g *generation) scan(ctx context.Context, r Range, yield func(Row, error) bool, closed ...*atomic.Bool) {
	if err := ready(ctx, closed...); err != nil {
		yield(Row{}, err)
		return
	}
	step := func(row Row) bool {
		if err := ready(ctx, closed...); err != nil {
			yield(Row{}, err)
			return false
		}
		return yield(row, nil)
	}
	start, end := Row{Key: r.Start}, Row{Key: r.End}
	switch {
	case !r.Reverse && r.End == nil:
		g.rows.AscendGreaterOrEqual(start, step)
	case !r.Reverse:
		g.rows.AscendRange(start, end, step)
	default:
		down := func(row Row) bool {
			if r.End != nil && bytes.Compare(row.Key, r.End) >= 0 {
				return true // the tree descends from End itself, which is no part of the range
			}
			return bytes.Compare(row.Key, r.Start) >= 0 && step(row)
		}
		if r.End == nil {
			g.rows.Descend(down)
		} else {
			g.rows.DescendLessOrEqual(end, down)
		}
	}
}

func ready(ctx context.Context, closed ...*atomic.Bool) error {
	for _, flag := range closed {
		if flag.Load() {
			return ErrClosed
		}
	}
	return ctx.Err()
}
