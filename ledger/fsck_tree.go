package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// leaves is the tree over the entries, twice: hashed from their bytes, and from the leaves that the store has. When the two
// differ, the root that was signed says who is right.
type leaves struct {
	// size is how many entries there should be; last is one more than the index of the last that is there.
	size, last     uint64
	hashed, stored merkle.Edge
	// mismatched are the entries that do not hash to their leaves.
	mismatched []uint64
	// wrong are the full tiles that differ from those of the entries: what the entries make in their place. Extra are the keys
	// of tiles that do not belong to the log.
	wrong map[merkle.Tile][]byte
	extra [][]byte
	// proved says that the entries, as they hash, have the root of the signed checkpoint, and that nothing but that or the
	// tree's own row says how many they are.
	proved bool
}

// maxWrong is how many tiles that differ are remembered. In a log with more of them the entries are not the log's.
const maxWrong = MaxFaults

// compareTile compares the leaves of some entries with those of the store.
func (f *fsck) compareTile(c *chunk, first uint64, t chunkTile) error {
	tile := merkle.Tile{Index: first / merkle.TileWidth, Width: merkle.TileWidth}
	full := len(t.hashed) == merkle.TileBytes
	switch {
	case t.stored == nil && full:
		if !containsField(c.faults, tile.Path()) { // one that cannot be read has a fault already
			c.tileFault(first, tile, "it is missing, or has not 256 hashes")
		}
	case t.stored == nil, bytes.Equal(t.hashed, t.stored):
		return nil
	default:
		for i := 0; i < len(t.hashed); i += merkle.HashSize {
			if !bytes.Equal(t.hashed[i:i+merkle.HashSize], t.stored[i:i+merkle.HashSize]) && len(f.leaves.mismatched) < MaxFaults {
				f.leaves.mismatched = append(f.leaves.mismatched, first+uint64(i/merkle.HashSize))
			}
		}
	}
	if full {
		return f.remember(tile, t.hashed)
	}
	return nil
}

func (f *fsck) remember(tile merkle.Tile, data []byte) error {
	if len(f.leaves.wrong) >= maxWrong {
		return errors.Join(f.whole(byHand, "tiles", "more than %d of them are not those of the entries", maxWrong), errEnough)
	}
	f.leaves.wrong[tile] = data
	return nil
}

// compareAbove compares a tile above the leaves with that of the store. One that fits the store's own leaves has no fault of
// its own.
func (f *fsck) compareAbove(ctx context.Context, c *chunk, hashed, stored merkle.FullTile) error {
	values, err := f.Engine.Get(ctx, book.TileKey(hashed.Level, hashed.Index))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		c.faults = append(c.faults, Fault{Index: c.first, Field: hashed.Path(), Problem: fmt.Sprintf("it cannot be read: %v", err)})
	case bytes.Equal(values[0], hashed.Data):
		return nil
	case values[0] == nil:
		c.tileFault(c.first, hashed.Tile, "it is missing")
	case !bytes.Equal(values[0], stored.Data):
		c.tileFault(c.first, hashed.Tile, "its hashes are not those of the tiles below it")
	}
	return f.remember(hashed.Tile, hashed.Data)
}

// extraTile notes a tile that does not belong to the log.
func (f *fsck) extraTile(c *chunk, key []byte) {
	name, _ := book.RowName(key)
	f.leaves.extra = append(f.leaves.extra, key)
	c.faults = append(c.faults, Fault{
		Index: c.first, Field: name, Problem: fmt.Sprintf("no such tile belongs to a log of %d entries", f.leaves.size), heals: byTree,
	})
}

// checkTree compares the roots with the tree's own row and with what was published.
func (f *fsck) checkTree(ctx context.Context) error {
	f.report.Size, f.report.Root = f.leaves.size, f.leaves.stored.Root()
	hashed, stored := f.leaves.hashed.Root(), f.leaves.stored.Root()
	whole := f.leaves.hashed.Size() == f.leaves.size
	byRow := func(root merkle.Hash) bool {
		return whole && f.tree != nil && f.tree.GetSize() == f.leaves.size && bytes.Equal(root[:], f.tree.GetRoot())
	}
	published, err := f.holdsPublished(ctx, &f.leaves.hashed, f.leaves.wrong)
	if err != nil {
		return err
	}
	right := byRow(hashed) || published && !byRow(stored)
	if right || hashed == stored {
		f.report.Root = hashed
	}
	f.leaves.proved = f.published.Size > 0 && published && whole && (byRow(hashed) || f.published.Size == f.leaves.size)
	if err := f.settleLeaves(right); err != nil {
		return err
	}
	if err := f.checkTreeRow(hashed, byRow(hashed) || byRow(stored)); err != nil {
		return err
	}
	if n := len(f.order.origins); f.Origin != "" && n > 0 && f.order.stopped == nil && f.order.origins[n-1] != f.Origin {
		if err := f.whole(byHand, "origin", "the log is %q, the configuration says %q", f.order.origins[n-1], f.Origin); err != nil {
			return err
		}
	}
	return f.checkPublished(ctx, published, right)
}

// checkTreeRow compares the tree's own row with the entries.
func (f *fsck) checkTreeRow(hashed merkle.Hash, rooted bool) error {
	if f.tree == nil || f.tree.GetSize() != f.leaves.size || f.leaves.hashed.Size() != f.leaves.size {
		return nil // it has a fault already, or entries are missing at the end
	}
	if !rooted {
		if err := f.whole(byTree, "tree", "root is %x, the leaves add up to %x", f.tree.GetRoot(), hashed[:]); err != nil {
			return err
		}
	}
	if f.order.time != f.tree.GetTime() && f.order.stopped == nil {
		return f.whole(byTree, "tree", "time is %d, that of the newest entry is %d", f.tree.GetTime(), f.order.time)
	}
	if len(f.tree.ProtoReflect().GetUnknown()) > 0 {
		return f.whole(byTree, "tree", "it holds a field that is not known")
	}
	return nil
}

// holdsPublished says whether a tree begins with what was published.
func (f *fsck) holdsPublished(ctx context.Context, edge *merkle.Edge, instead map[merkle.Tile][]byte) (bool, error) {
	if f.published.Size == 0 || f.published.Size > edge.Size() {
		return false, nil
	}
	root, err := merkle.RootAt(ctx, f.published.Size, edge.Clone().Reader(patched{tiles{f.Engine}, instead}, nil))
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil && root == f.published.Root, nil
}

// patched reads tiles, some of which are not those of the store.
type patched struct {
	merkle.TileReader
	instead map[merkle.Tile][]byte
}

// ReadTiles implements merkle.TileReader.
func (p patched) ReadTiles(ctx context.Context, wanted []merkle.Tile) ([][]byte, error) {
	data := make([][]byte, len(wanted))
	for i, tile := range wanted {
		if b, ok := p.instead[merkle.Tile{Level: tile.Level, Index: tile.Index, Width: merkle.TileWidth}]; ok {
			data[i] = b[:tile.Bytes()]
			continue
		}
		read, err := p.TileReader.ReadTiles(ctx, []merkle.Tile{tile})
		if err != nil {
			return nil, err
		}
		data[i] = read[0]
	}
	return data, nil
}

// checkPublished compares the log with the signed checkpoint.
func (f *fsck) checkPublished(ctx context.Context, published, right bool) error {
	if f.published.Size == 0 || published && right {
		return nil
	}
	if f.published.Size > f.leaves.hashed.Size() {
		return f.whole(byHand, "anchor", "%d entries were published, the store has %d", f.published.Size, f.leaves.hashed.Size())
	}
	if !published {
		var err error
		if published, err = f.holdsPublished(ctx, &f.leaves.stored, nil); err != nil {
			return err
		}
	}
	if !published {
		return f.whole(byHand, "anchor", "the first %d entries are not those that were published", f.published.Size)
	}
	return nil
}

// settleLeaves says of each entry that does not hash to its leaf which of the two was changed: the entry, unless it leads
// to the root. These faults come first, since others follow from them.
func (f *fsck) settleLeaves(right bool) error {
	others := f.report.Faults
	f.report.Faults = nil
	for i, index := range f.leaves.mismatched {
		tile := merkle.Tile{Level: 0, Index: index >> 8, Width: merkle.TileWidth}
		var err error
		switch {
		case !right:
			f.order.stop(index)
			err = f.add(at(index, "bytes", "they do not hash to the leaf of the tree: the entry was changed"))
		case i > 0 && f.leaves.mismatched[i-1]>>8 == tile.Index:
		case index >= f.leaves.size&^(merkle.TileWidth-1):
			err = f.whole(byTree, "tree", "partial_leaves lack the hash of entry %d", index)
		default:
			err = f.whole(byTree, tile.Path(), "it lacks the hash of entry %d", index)
		}
		if err != nil {
			return err
		}
	}
	if right && len(f.leaves.mismatched) > 0 {
		for _, tile := range f.wrongAbove() { // those that fit the wrong leaves
			if !containsField(others, tile.Path()) {
				others = append(others, Fault{Field: tile.Path(), Problem: "it is not of the hashes of the entries", heals: byTree})
			}
		}
	}
	return f.add(others...)
}

// wrongAbove are the tiles above the leaves that differ from those of the entries, in their order.
func (f *fsck) wrongAbove() []merkle.Tile {
	var above []merkle.Tile
	for tile := range f.leaves.wrong {
		if tile.Level > 0 {
			above = append(above, tile)
		}
	}
	slices.SortFunc(above, func(a, b merkle.Tile) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Index, b.Index))
	})
	return above
}

func containsField(faults []Fault, field string) bool {
	return slices.ContainsFunc(faults, func(fault Fault) bool { return fault.Field == field })
}

// fixTree adds what the tiles and the tree's row should be to a batch.
func (f *fsck) fixTree(batch *store.Batch) error {
	if !f.leaves.proved {
		return fmt.Errorf("%w: the entries do not prove the signed checkpoint", ErrRebuild)
	}
	for tile, data := range f.leaves.wrong {
		batch.Set(book.TileKey(tile.Level, tile.Index), data)
	}
	for _, key := range f.leaves.extra {
		batch.Delete(key)
	}
	t := tip{size: f.leaves.size, time: f.order.time, edge: &f.leaves.hashed}
	return t.save(batch)
}
