package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// ErrFault is what a [Faulty] engine's commit answers when it was told to fail. It wraps nothing: to its caller it is an
// error of unknown outcome.
var ErrFault = errors.New("ledgertest: injected fault")

// Outcome is what became of a commit that answered an error.
type Outcome bool

const (
	// Lost says that nothing was written.
	Lost Outcome = false
	// Persisted says that everything was written, and only the answer was lost.
	Persisted Outcome = true
)

// Faulty is an engine whose commits fail on demand. From a fault until [Faulty.Recover] it behaves as the contract of
// [store.Engine] demands: it refuses commits and shows the rows of the last head that was acknowledged.
type Faulty struct {
	store.Engine

	mu      sync.Mutex
	armed   bool
	left    int // commits that still succeed
	outcome Outcome
	frozen  store.Snapshot // what readers see after a fault; nil without one
}

// NewFaulty wraps an engine, which it closes when it is closed.
func NewFaulty(engine store.Engine) *Faulty { return &Faulty{Engine: engine} }

// Fail makes one commit fail, after so many others have succeeded: Fail(0, Lost) loses the very next one. Commits that
// the engine would refuse anyway don't count.
func (f *Faulty) Fail(after int, outcome Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.left, f.outcome = true, after, outcome
}

// Recover stands for opening the engine again: it shows what is really there.
func (f *Faulty) Recover() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen == nil {
		return nil
	}
	err := f.frozen.Close()
	f.frozen = nil
	if err != nil {
		return fmt.Errorf("ledgertest: recover: %w", err)
	}
	return nil
}

// Halted implements [store.Engine]: the fault has happened, and was not yet recovered from.
func (f *Faulty) Halted() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen != nil {
		return store.ErrHalted
	}
	return f.Engine.Halted()
}

// Commit implements [store.Engine].
func (f *Faulty) Commit(ctx context.Context, batch *store.Batch, expected store.Head) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.frozen != nil:
		return store.ErrHalted
	case !f.armed, batch.Check() != nil, f.Engine.Head() != expected:
		return f.Engine.Commit(ctx, batch, expected)
	case f.left > 0:
		f.left--
		return f.Engine.Commit(ctx, batch, expected)
	}
	before, err := f.Engine.Snapshot()
	if err != nil {
		return err
	}
	if f.outcome == Persisted {
		if err := f.Engine.Commit(ctx, batch, expected); err != nil {
			return errors.Join(err, before.Close())
		}
	}
	f.armed, f.frozen = false, before
	return ErrFault
}

// Head implements [store.Engine].
func (f *Faulty) Head() store.Head {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen != nil {
		return f.frozen.Head()
	}
	return f.Engine.Head()
}

// Get implements [store.Reader].
func (f *Faulty) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	return f.reader().Get(ctx, keys...)
}

// Scan implements [store.Reader].
func (f *Faulty) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) { f.reader().Scan(ctx, r)(yield) }
}

// Snapshot implements [store.Engine].
func (f *Faulty) Snapshot() (store.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen != nil {
		return borrowed{f.frozen}, nil
	}
	return f.Engine.Snapshot()
}

func (f *Faulty) reader() store.Reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen != nil {
		return f.frozen
	}
	return f.Engine
}

// borrowed is a snapshot that belongs to the engine: closing it does nothing.
type borrowed struct{ store.Snapshot }

func (borrowed) Close() error { return nil }
