package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// Errors of rebuilding.
var (
	// ErrRebuild says that something is wrong which a rebuild can't mend. Nothing was written.
	ErrRebuild = errors.New("ledger: this cannot be rebuilt")
	// ErrRebuilding says that a rebuild of the derived rows was interrupted; Rebuild, run again, takes it to its end.
	ErrRebuilding = errors.New("ledger: a rebuild was interrupted, run it again")
)

// rewrittenAtOnce is how many bytes of rows are written in one commit.
const rewrittenAtOnce = 1 << 20

// rebuildKey is the row that says that derived rows are being made again.
func rebuildKey() []byte { return book.MetaKey("rebuild") }

// Rebuilding is what came of a rebuild.
type Rebuilding struct {
	// Before is what was wrong, but for the derived rows, of which Rows were written and Deleted deleted.
	Before        FsckReport
	Rows, Deleted uint64
	// Tree says that tiles or the tree's row were written.
	Tree bool
}

// Rebuild makes the derived rows of a store again out of its entries, and writes those that differ. Entries, rejects and the
// anchor stay as they are. So do tiles and the tree's row, unless they contradict the entries and these prove the signed
// checkpoint. A store of an older format has this one afterwards.
//
// It first checks everything that Fsck checks, and answers ErrRebuild without writing anything when an entry is wrong, or when
// the entries do not prove the checkpoint at the anchor. Nobody else may use the store meanwhile. While it writes, a row of the
// store says so: interrupted, it leaves a store that Open refuses with ErrRebuilding until another rebuild ends well. Its
// caller checks the store once more afterwards (see Fsck): what is outside the derived rows may still be wrong.
func Rebuild(ctx context.Context, engine store.Engine, cfg FsckConfig) (Rebuilding, error) {
	cfg.Engine = engine
	f := newFsck(cfg)
	r, err := f.rebuild(ctx, engine)
	r.Before = f.report
	return r, errors.Join(err, f.replay.close())
}

func (f *fsck) rebuild(ctx context.Context, engine store.Engine) (r Rebuilding, err error) {
	if err := f.run(ctx); err != nil && !errors.Is(err, errEnough) {
		return r, err
	} else if err != nil {
		return r, fmt.Errorf("%w: the store is not whole", ErrRebuild)
	}
	for _, fault := range f.report.Faults {
		if fault.HasIndex || fault.heals == byHand {
			return r, fmt.Errorf("%w: %s", ErrRebuild, fault)
		}
		r.Tree = r.Tree || fault.heals == byTree
	}
	switch {
	case f.order.stopped != nil:
		return r, fmt.Errorf("%w: entry %d cannot be added up", ErrRebuild, *f.order.stopped)
	case !f.leaves.proved:
		return r, fmt.Errorf("%w: the entries do not prove a signed checkpoint", ErrRebuild)
	}
	w := rewriting{engine: engine, head: engine.Head(), atOnce: rewrittenAtOnce}
	w.Set(rebuildKey(), book.Uint(f.leaves.size))
	if err := w.commit(ctx); err != nil {
		return r, err
	}
	if err := f.rewrite(ctx, &w, &r); err != nil {
		return r, err
	}
	if r.Tree {
		if err := f.fixTree(&w.Batch); err != nil {
			return r, err
		}
	}
	w.Set(formatKey(), book.Uint(Format))
	w.Delete(rebuildKey())
	return r, w.commit(ctx)
}

// rewriting writes rows, about atOnce bytes of them at a time. Nobody else may write from head on.
type rewriting struct {
	store.Batch
	engine store.Engine
	head   store.Head
	atOnce int
}

func (w *rewriting) commit(ctx context.Context) error {
	if err := w.engine.Commit(ctx, &w.Batch, w.head); err != nil {
		return fmt.Errorf("ledger: rewrite rows: %w", err)
	}
	w.Batch, w.head = store.Batch{}, w.head+1
	return nil
}

// commitFull commits what there is when it is enough for one commit.
func (w *rewriting) commitFull(ctx context.Context) error {
	if w.Bytes() < w.atOnce {
		return nil
	}
	return w.commit(ctx)
}

// rewrite writes the derived rows that differ from what the entries add up to.
func (f *fsck) rewrite(ctx context.Context, w *rewriting, r *Rebuilding) error {
	rows := uint64(0)
	for _, p := range parts() {
		err := f.compare(ctx, p, func() {
			if rows++; rows%reportedRows == 0 {
				f.progress("tables", rows, f.replay.count)
			}
		}, func(key, _, replayed []byte) error {
			if replayed == nil {
				w.Delete(bytes.Clone(key))
				r.Deleted++
			} else {
				w.Set(bytes.Clone(key), bytes.Clone(replayed))
				r.Rows++
			}
			return w.commitFull(ctx)
		})
		if err != nil {
			return fmt.Errorf("ledger: rebuild: table %02x: %w", p.table, err)
		}
	}
	return nil
}
