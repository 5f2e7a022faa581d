package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// View reads the ledger as it stood at one checkpoint, whatever is written afterwards. Its methods are safe for
// concurrent use. It must be closed.
type View struct{ *view }

// view is shared by all readers of one checkpoint.
type view struct {
	snapshot   store.Snapshot
	checkpoint []byte
	size       uint64
	directory  uint64
	time       int64
	tiles      merkle.TileReader
	references atomic.Int64
}

func newView(snapshot store.Snapshot, checkpoint []byte, t tip, nodes *merkle.Nodes) *view {
	v := &view{
		snapshot: snapshot, checkpoint: checkpoint, size: t.size, directory: t.directory, time: t.time,
		tiles: t.edge.Clone().Reader(tiles{snapshot}, nodes),
	}
	v.references.Store(1)
	return v
}

func (v *view) release() {
	if v.references.Add(-1) == 0 {
		_ = v.snapshot.Close() // nothing is written through it: there is nothing to lose
	}
}

// View opens the newest published state. It answers ErrClosed when the ledger is closed.
func (l *Ledger) View() (View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.published == nil {
		return View{}, ErrClosed
	}
	l.published.references.Add(1)
	return View{l.published}, nil
}

// Close releases the view.
func (v View) Close() { v.release() }

// Checkpoint is the signed checkpoint that the view stands on.
func (v View) Checkpoint() []byte { return v.checkpoint }

// Size is the number of entries.
func (v View) Size() uint64 { return v.size }

// Directory says how new the view is in what concerns organizations, keys, officers, courses and policies, as
// book.State.Directory does, but from memory.
func (v View) Directory() uint64 { return v.directory }

// Time is when the newest entry was written.
func (v View) Time() time.Time { return time.UnixMicro(v.time).UTC() }

// State reads the derived tables. Each call answers a state of its own, for one goroutine.
func (v View) State(ctx context.Context) *book.State { return book.NewState(rows{ctx, v.snapshot}) }

// Scan yields the rows of a range.
func (v View) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Row, error] {
	return v.snapshot.Scan(ctx, r)
}

// Get fetches many rows at once.
func (v View) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	return v.snapshot.Get(ctx, keys...)
}

// Entry answers the exact bytes of an entry, or ErrNotFound.
func (v View) Entry(ctx context.Context, index uint64) ([]byte, error) {
	entries, err := v.Entries(ctx, index)
	if err != nil {
		return nil, err
	}
	return entries[0], nil
}

// Entries answers the exact bytes of many entries in one read, or ErrNotFound if one of them is none.
func (v View) Entries(ctx context.Context, indexes ...uint64) ([][]byte, error) {
	keys := make([][]byte, len(indexes))
	for i, index := range indexes {
		if index >= v.size {
			return nil, fmt.Errorf("%w: entry %d of %d", ErrNotFound, index, v.size)
		}
		keys[i] = book.EntryKey(index)
	}
	values, err := v.snapshot.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	for i, index := range indexes {
		if values[i] == nil {
			return nil, fmt.Errorf("%w: entry %d is missing", ErrDamaged, index)
		}
	}
	return values, nil
}

// Tile answers the bytes of a tile of hashes, or ErrNotFound.
func (v View) Tile(ctx context.Context, tile merkle.Tile) ([]byte, error) {
	data, err := v.tiles.ReadTiles(ctx, []merkle.Tile{tile})
	if errors.Is(err, merkle.ErrRange) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, tile.Path())
	}
	if err != nil {
		return nil, err
	}
	return data[0], nil
}

// InclusionProof proves that an entry is in the log of a size up to that of the view.
func (v View) InclusionProof(ctx context.Context, index, size uint64) ([]merkle.Hash, error) {
	if size > v.size || index >= size {
		return nil, fmt.Errorf("%w: entry %d in a log of %d, of which %d are published", ErrNotFound, index, size, v.size)
	}
	return merkle.InclusionProof(ctx, index, size, v.tiles)
}

// LeafHash answers the hash of an entry, out of the tree: the entry itself is not read.
func (v View) LeafHash(ctx context.Context, index uint64) (merkle.Hash, error) {
	if index >= v.size {
		return merkle.Hash{}, fmt.Errorf("%w: entry %d of %d", ErrNotFound, index, v.size)
	}
	return merkle.LeafAt(ctx, index, v.size, v.tiles)
}

// ConsistencyProof proves that the log of one size is the beginning of the log of another, up to that of the view.
func (v View) ConsistencyProof(ctx context.Context, older, newer uint64) ([]merkle.Hash, error) {
	if newer > v.size || older > newer {
		return nil, fmt.Errorf("%w: sizes %d and %d, of which %d are published", ErrNotFound, older, newer, v.size)
	}
	return merkle.ConsistencyProof(ctx, older, newer, v.tiles)
}

// tiles reads the full tiles of the tree.
type tiles struct{ reader store.Reader }

// ReadTiles implements merkle.TileReader.
func (t tiles) ReadTiles(ctx context.Context, wanted []merkle.Tile) ([][]byte, error) {
	keys := make([][]byte, len(wanted))
	for i, tile := range wanted {
		keys[i] = book.TileKey(tile.Level, tile.Index)
	}
	values, err := t.reader.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	for i, tile := range wanted {
		if values[i] == nil {
			return nil, fmt.Errorf("%w: tile %s is missing", ErrDamaged, tile.Path())
		}
		values[i] = values[i][:min(tile.Bytes(), len(values[i]))]
	}
	return values, nil
}
