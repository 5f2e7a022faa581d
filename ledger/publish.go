package ledger

import (
	"context"
	"errors"
	"fmt"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// tip is the newest durable state of the tree.
type tip struct {
	head      store.Head
	size      uint64
	time      int64  // of the newest entry, microseconds
	directory uint64 // version, see book.State.Directory
	edge      *merkle.Edge
}

func formatKey() []byte { return book.MetaKey("format") }

// parseFormat reads of which format a store is, and answers ErrFormat where this version does not know it.
func parseFormat(value []byte) (uint64, error) {
	format, ok := book.ParseUint(value)
	if !ok || format == 0 || format > Format {
		return format, fmt.Errorf("%w: %d, this version knows formats up to %d", ErrFormat, format, Format)
	}
	return format, nil
}

func treeKey() []byte { return book.MetaKey("tree") }

// save adds the tree's own row to a batch.
func (t *tip) save(batch *store.Batch) error {
	root := t.edge.Root()
	leaves, _ := t.edge.Partial(merkle.Tile{Level: 0, Index: t.size >> 8, Width: uint16(t.size & 0xff)})
	row, err := (&ledgerv1.TreeRow{Size: t.size, Time: t.time, Root: root[:], PartialLeaves: leaves}).MarshalVT()
	if err != nil {
		return fmt.Errorf("ledger: tree: %v", err)
	}
	batch.Set(treeKey(), row)
	return nil
}

// recover learns from the store and the anchor where the log stands, founds it when it is empty and may be, and publishes it. It
// is how a ledger starts, whatever ended the one before.
func (l *Ledger) recover(ctx context.Context) error {
	head := l.config.Engine.Head()
	l.forget(ctx)
	anchored, err := l.anchored()
	if err != nil {
		return err
	}
	values, err := l.config.Engine.Get(ctx, formatKey(), treeKey(), rebuildKey())
	if err != nil {
		return fmt.Errorf("ledger: read: %w", err)
	}
	if values[2] != nil {
		return ErrRebuilding
	}
	if values[1] == nil {
		if anchored.Size > 0 {
			return fmt.Errorf("%w: the store is empty, but a log of %d entries was published", ErrBehindAnchor, anchored.Size)
		}
		if l.config.Existing {
			return ErrEmpty
		}
		return l.found(ctx, head)
	}
	format, err := parseFormat(values[0])
	if err != nil {
		return err
	}
	loaded, err := loadTip(ctx, l.config.Engine, values[1])
	if err != nil {
		return err
	}
	if loaded.directory, err = l.state.Directory(); err != nil {
		return err
	}
	if err := l.checkIdentity(ctx); err != nil {
		return err
	}
	// A founding that was interrupted leaves one entry and no anchor: it was never published.
	if anchored.Size == 0 && loaded.size > 1 && !l.config.AcceptAnchor {
		return fmt.Errorf("%w: %d entries were published; put the anchor file back where the configuration says, or, if it is lost "+
			"and this store is the newest, start once with --accept-anchor", ErrNoAnchor, loaded.size)
	}
	if err := checkAnchor(ctx, l.config.Engine, loaded, anchored); err != nil {
		return err
	}
	if format < Format {
		l.config.Log.InfoContext(ctx, "the store is brought to a newer format, which older versions do not open", "from", format, "to", Format)
		if head, err = upgrade(ctx, rewriting{engine: l.config.Engine, head: head, atOnce: rewrittenAtOnce}); err != nil {
			return err
		}
		l.forget(ctx)
	}
	loaded.head = head
	return l.publish(loaded)
}

// forget makes the writer know nothing but what the engine has.
func (l *Ledger) forget(ctx context.Context) {
	l.cache.reset()
	below := rows{context.WithoutCancel(ctx), l.config.Engine}
	if l.cache.isThere() {
		l.state = book.NewState(cachedRows{below, l.cache})
		l.state.Limit(recentRows)
	} else {
		l.state = book.NewState(below)
	}
	l.state.InOrder(below.last)
}

// anchored answers the checkpoint at the anchor, of size 0 when there is none.
func (l *Ledger) anchored() (merkle.Checkpoint, error) {
	signed, err := l.config.Anchor.Load()
	if err != nil {
		return merkle.Checkpoint{}, fmt.Errorf("ledger: anchor: %w", err)
	}
	if signed == nil {
		return merkle.Checkpoint{}, nil
	}
	checkpoint, err := merkle.OpenCheckpoint(signed, l.config.Origin, l.config.Verifier)
	if err != nil {
		return merkle.Checkpoint{}, fmt.Errorf("%w: the anchor holds a checkpoint of %q, and none of %q under this log key: %w",
			ErrForeign, originOf(signed), l.config.Origin, err)
	}
	return checkpoint, nil
}

// found writes entry 0.
func (l *Ledger) found(ctx context.Context, head store.Head) error {
	l.tip = tip{head: head, edge: new(merkle.Edge)}
	now, err := l.now(0)
	if err != nil {
		return err
	}
	first := &batch{Tx: &Tx{State: l.state, ctx: ctx, ledger: l, time: now}}
	if _, err := first.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_BankFounded{BankFounded: &ledgerv1.BankFounded{
		BankId: l.config.BankID, Origin: l.config.Origin, Format: Format,
	}}}); err != nil {
		return err
	}
	if err := errors.Join(first.Keep(), first.seal()); err != nil {
		return err
	}
	if err := l.commit(first); err != nil {
		return l.halt(ctx, err)
	}
	l.state.Committed()
	return nil
}

// checkIdentity compares what the entries say of the bank and the log with the configuration.
func (l *Ledger) checkIdentity(ctx context.Context) error {
	id, err := identify(ctx, l.config.Engine)
	if err != nil {
		return err
	}
	if id.founded.GetBankId() != l.config.BankID || id.origin() != l.config.Origin {
		return fmt.Errorf("%w: it is the log %q of bank %q, the configuration says %q and %q",
			ErrForeign, id.origin(), id.founded.GetBankId(), l.config.Origin, l.config.BankID)
	}
	return nil
}

func founding(ctx context.Context, reader store.Reader) (*ledgerv1.BankFounded, error) {
	b, err := rows{ctx, reader}.Row(book.EntryKey(0))
	if err != nil {
		return nil, err
	}
	e, err := decodeEntry(0, b)
	if err != nil {
		return nil, err
	}
	if e.GetBankFounded() == nil {
		return nil, fmt.Errorf("%w: entry 0 founds no bank", ErrDamaged)
	}
	return e.GetBankFounded(), nil
}

// loadTip rebuilds the right edge of the tree from its row and its tiles.
func loadTip(ctx context.Context, reader store.Reader, row []byte) (tip, error) {
	tree := new(ledgerv1.TreeRow)
	if err := tree.UnmarshalVT(row); err != nil {
		return tip{}, fmt.Errorf("%w: the tree's row cannot be read: %v", ErrDamaged, err)
	}
	leaves := func(_ context.Context, from, to uint64) ([]merkle.Hash, error) {
		b := tree.GetPartialLeaves()
		if from != tree.GetSize()&^0xff || uint64(len(b)) != (to-from)*merkle.HashSize {
			return nil, fmt.Errorf("%w: the tree's row lacks leaf hashes", ErrDamaged)
		}
		hashes := make([]merkle.Hash, to-from)
		for i := range hashes {
			copy(hashes[i][:], b[i*merkle.HashSize:])
		}
		return hashes, nil
	}
	edge, err := merkle.OpenEdge(ctx, tree.GetSize(), tiles{reader}, leaves)
	if err != nil {
		return tip{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if root := edge.Root(); string(root[:]) != string(tree.GetRoot()) {
		return tip{}, fmt.Errorf("%w: the tiles of the tree do not add up to its root", ErrDamaged)
	}
	return tip{size: tree.GetSize(), time: tree.GetTime(), edge: edge}, nil
}

// checkAnchor answers ErrBehindAnchor unless the tree contains what was published.
func checkAnchor(ctx context.Context, reader store.Reader, t tip, anchored merkle.Checkpoint) error {
	if anchored.Size == 0 {
		return nil
	}
	if t.size < anchored.Size {
		return fmt.Errorf("%w: it holds %d entries, %d were published: it is an older copy", ErrBehindAnchor, t.size, anchored.Size)
	}
	root, err := merkle.RootAt(ctx, anchored.Size, t.edge.Reader(tiles{reader}, nil))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if root != anchored.Root {
		return fmt.Errorf("%w: its first %d entries are not those that were published", ErrBehindAnchor, anchored.Size)
	}
	return nil
}

// publish signs a checkpoint of a durable tree, anchors it, and lets readers see the tree.
func (l *Ledger) publish(next tip) error {
	checkpoint := merkle.Checkpoint{Origin: l.config.Origin, Size: next.size, Root: next.edge.Root()}
	signed, err := merkle.Sign(checkpoint, l.config.Signer)
	if err != nil {
		return fmt.Errorf("ledger: sign: %w", err)
	}
	if err := l.config.Anchor.Save(signed); err != nil {
		return fmt.Errorf("ledger: anchor: %w", err)
	}
	return l.show(next, signed)
}

// show lets readers see the rows of the newest commit under a checkpoint that is anchored.
func (l *Ledger) show(next tip, checkpoint []byte) error {
	snapshot, err := l.config.Engine.Snapshot()
	if err != nil {
		return fmt.Errorf("ledger: snapshot: %w", err)
	}
	l.tip = next
	published := newView(snapshot, checkpoint, next, l.nodes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.published != nil {
		l.published.release()
	}
	l.published = published
	l.metrics.published(next)
	return nil
}

// receipt is of what is published now.
func (l *Ledger) receipt() Receipt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Receipt{Checkpoint: l.published.checkpoint, Size: l.published.size}
}
