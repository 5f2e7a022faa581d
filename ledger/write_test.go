package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// stalling is an engine whose next commit, once it is told so, waits until it hears what becomes of it.
type stalling struct {
	store.Engine
	stall   bool
	entered chan struct{}
	fate    chan error // nil: it is committed
}

// Commit implements store.Engine.
func (s *stalling) Commit(ctx context.Context, batch *store.Batch, expected store.Head) error {
	if s.stall {
		s.stall = false
		s.entered <- struct{}{}
		if err := <-s.fate; err != nil {
			return err
		}
	}
	return s.Engine.Commit(ctx, batch, expected)
}

// answered is how a proposal ended.
type answered struct {
	index   uint64
	receipt ledger.Receipt
	err     error
}

// overlap proposes "first", whose commit stalls, and "second", whose step runs meanwhile. The channels answer when the proposals
// do.
func overlap(t *testing.T, l *ledger.Ledger, engine *stalling) (first, second chan answered) {
	t.Helper()
	first, second = make(chan answered, 1), make(chan answered, 1)
	engine.stall = true
	go func() {
		index, receipt, err := register(context.Background(), l, "first")
		first <- answered{index, receipt, err}
	}()
	<-engine.entered
	ran := make(chan error, 1)
	go func() {
		var index uint64
		// So many steps that they are worth being run at once.
		receipt, errs, err := l.ProposeEach(context.Background(), nil, 100, func(tx *ledger.Tx, i int) error {
			if i > 0 {
				return nil
			}
			seen, err := tx.Organization("first")
			if err == nil && seen == nil {
				err = errors.New("the step does not see what the batch before it changed")
			}
			if err == nil {
				_, err = tx.Entry(tx.Next() - 1)
			}
			if err == nil {
				index, err = tx.Append(organization("second"))
			}
			ran <- err
			return err
		})
		second <- answered{index, receipt, errors.Join(append(errs, err)...)}
	}()
	must(t, <-ran)
	view, err := l.View()
	must(t, err)
	defer view.Close()
	if view.Size() != 1 || len(first)+len(second) != 0 {
		t.Fatalf("%d entries are shown and %d proposals answered while the first is not durable", view.Size(), len(first)+len(second))
	}
	return first, second
}

func TestStepsRunDuringACommit(t *testing.T) {
	w := newWorld(t)
	engine := &stalling{Engine: w.engine, entered: make(chan struct{}), fate: make(chan error)}
	w.engine = engine
	l := w.open(t)
	first, second := overlap(t, l, engine)
	engine.fate <- nil
	a, b := <-first, <-second
	must(t, errors.Join(a.err, b.err))
	if a.index != 1 || a.receipt.Size != 2 || b.index != 2 || b.receipt.Size != 3 {
		t.Errorf("entries %d and %d under sizes %d and %d", a.index, b.index, a.receipt.Size, b.receipt.Size)
	}
	if report := w.fsck(t); len(report.Faults) > 0 || report.Size != 3 {
		t.Error(report)
	}
}

// What stands on a commit that failed goes with it.
func TestSecondBatchFailsWithTheFirst(t *testing.T) {
	for name, test := range map[string]struct {
		fate, want error
		goesOn     bool
	}{
		"unknown outcome": {errors.New("no space"), ledger.ErrHalted, false},
		"head moved":      {store.ErrHeadMoved, ledger.ErrBusy, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			engine := &stalling{Engine: w.engine, entered: make(chan struct{}), fate: make(chan error)}
			w.engine = engine
			l, err := ledger.Open(t.Context(), w.config())
			must(t, err)
			first, second := overlap(t, l, engine)
			engine.fate <- test.fate
			if a, b := <-first, <-second; !errors.Is(a.err, test.want) || !errors.Is(b.err, test.want) {
				t.Errorf("the proposals answered %v and %v, want %v", a.err, b.err, test.want)
			}
			if !test.goesOn {
				must(t, l.Close())
				l, err = ledger.Open(t.Context(), w.config())
				must(t, err)
			}
			defer func() { must(t, l.Close()) }()
			index, _, err := register(t.Context(), l, "second")
			must(t, err)
			if index != 1 {
				t.Errorf("the next entry is %d, want 1: something of the failed batches is left", index)
			}
			if report := w.fsck(t); len(report.Faults) > 0 {
				t.Error(report.Faults)
			}
		})
	}
}
