package merkle

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
)

// Edge is the right edge of a growing tree: the partial tile of every level and the roots of the perfect subtrees, 66 KiB
// at most whatever the size of the tree. Full tiles leave it as they complete; keeping them is the caller's duty. The
// zero Edge is the empty tree.
//
// An Edge must not be copied, except by [Edge.Clone]. One goroutine may append to it, and nobody may use it meanwhile; an
// Edge that nobody appends to is safe for concurrent use.
type Edge struct {
	_    noCopy
	size uint64
	// roots holds the perfect subtrees that the tree falls apart into, largest first: bit k of size is set exactly when
	// roots[k], the root over 2^k leaves, is in use. It spares Root the hashing of the partial tiles.
	roots [64]Hash
	// partial[l] is the beginning of the tile of level l that is not full yet. Only ever appended to: clones share it.
	partial [tileLevels][]byte
}

// noCopy makes go vet report copies: two copies of an Edge would append into the same arrays.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// OpenEdge rebuilds the edge of a tree of size leaves from what a log keeps for good: its full tiles, and the leaf hashes
// [from, to) of the last, partial tile of level 0, fewer than 256 of them. It makes one read for every level of tiles, of
// at most 255 tiles each.
//
// The readers' errors come back as they are. What they read is trusted: a caller that knows the root, from its last
// checkpoint, compares it with [Edge.Root].
func OpenEdge(
	ctx context.Context, size uint64, tiles TileReader,
	leaves func(ctx context.Context, from, to uint64) ([]Hash, error),
) (*Edge, error) {
	e := new(Edge)
	for level := uint8(tileLevels - 1); level > 0; level-- {
		width := edgeWidth(size, level)
		if width == 0 {
			continue
		}
		// A hash of this level is the root of a full tile one below.
		below := make([]Tile, width)
		for i := range below {
			below[i] = Tile{Level: level - 1, Index: edgeIndex(e.size, level-1) + uint64(i), Width: TileWidth}
		}
		data, err := readTiles(ctx, tiles, below)
		if err != nil {
			return nil, err
		}
		for _, d := range data {
			e.add(nil, level, subtreeRoot(d))
		}
	}
	if e.size == size {
		return e, nil
	}
	hashes, err := leaves(ctx, e.size, size)
	if err != nil {
		return nil, err
	}
	if uint64(len(hashes)) != size-e.size {
		return nil, fmt.Errorf("%w: %d leaf hashes instead of %d", ErrTile, len(hashes), size-e.size)
	}
	for _, h := range hashes {
		e.add(nil, 0, h)
	}
	return e, nil
}

// Append adds leaves, and appends the tiles that this fills, of every level and lowest level first, to full, which it
// returns. The edge keeps no reference to those tiles' bytes; clones taken earlier may.
//
// The cost is one [NodeHash] a leaf, and an allocation of 8 KiB for every 255 leaves.
func (e *Edge) Append(full []FullTile, leaves ...Hash) []FullTile {
	for _, h := range leaves {
		full = e.add(full, 0, h)
	}
	return full
}

// add appends the perfect subtree below one hash of a tile of the given level. The size must be a multiple of its leaves.
func (e *Edge) add(full []FullTile, level uint8, h Hash) []FullTile {
	full = e.put(full, level, h)
	height := TileHeight * int(level)
	leaves := uint64(1) << height
	// Like a carry: every perfect subtree of the same height to the left makes one of twice the leaves.
	for e.size>>height&1 == 1 {
		h = NodeHash(e.roots[height], h)
		height++
		if height%TileHeight == 0 {
			full = e.put(full, uint8(height/TileHeight), h)
		}
	}
	e.roots[height] = h
	e.size += leaves
	return full
}

// put writes a hash into the partial tile of a level, and moves the tile to full when it was the last one.
func (e *Edge) put(full []FullTile, level uint8, h Hash) []FullTile {
	data := e.partial[level]
	if cap(data) < TileBytes {
		data = append(make([]byte, 0, TileBytes), data...)
	}
	data = append(data, h[:]...)
	if len(data) < TileBytes {
		e.partial[level] = data
		return full
	}
	e.partial[level] = nil
	return append(full, FullTile{Tile{Level: level, Index: edgeIndex(e.size, level), Width: TileWidth}, data})
}

// Size is the number of leaves.
func (e *Edge) Size() uint64 { return e.size }

// Root is the root of the tree, at the cost of at most 63 [NodeHash]es.
func (e *Edge) Root() Hash {
	if e.size == 0 {
		return RootOf(nil)
	}
	height := bits.TrailingZeros64(e.size)
	h := e.roots[height]
	for height++; e.size>>height != 0; height++ {
		if e.size>>height&1 == 1 {
			h = NodeHash(e.roots[height], h)
		}
	}
	return h
}

// Clone is an independent edge of the same tree: appending to either leaves the other as it is. A clone copies 2 KiB and
// shares the tiles, so that taking one for readers after every commit is cheap; appending to a clone copies the partial
// tiles it touches.
func (e *Edge) Clone() *Edge {
	c := &Edge{size: e.size, roots: e.roots}
	for level, data := range e.partial {
		// Without spare capacity the clone can't write behind what it shares. The original can: beyond what the clone sees.
		c.partial[level] = slices.Clip(data)
	}
	return c
}

// Partial is the bytes of the first t.Width hashes of a tile that is not full yet, which must not be modified. It is
// false for every other tile: full ones, and those that the tree does not have.
func (e *Edge) Partial(t Tile) ([]byte, bool) {
	if t.Level >= tileLevels || t.Index != edgeIndex(e.size, t.Level) || t.Width == 0 {
		return nil, false
	}
	data := e.partial[t.Level]
	if t.Bytes() > len(data) {
		return nil, false
	}
	return data[:t.Bytes():t.Bytes()], true
}

// Reader reads every tile of the tree, and of all trees that it grew from: partial tiles out of the edge, the others out
// of the full tiles that full keeps, which is asked for no other. A tile that the tree does not have is ErrRange. Nobody
// may append to the edge while the reader is in use: take it from a clone.
func (e *Edge) Reader(full TileReader) TileReader { return &edgeReader{edge: e, full: full} }

type edgeReader struct {
	edge *Edge
	full TileReader
}

func (r *edgeReader) ReadTiles(ctx context.Context, tiles []Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	var want []Tile // of full
	var at []int    // want[i] is for data[at[i]]
	for i, t := range tiles {
		if p, ok := r.edge.Partial(t); ok {
			data[i] = p
			continue
		}
		if t.Width == 0 || t.Width > TileWidth || t.Index >= edgeIndex(r.edge.size, t.Level) {
			return nil, fmt.Errorf("%w: %s in a tree of %d", ErrRange, t.Path(), r.edge.size)
		}
		want = append(want, Tile{Level: t.Level, Index: t.Index, Width: TileWidth})
		at = append(at, i)
	}
	if len(want) == 0 {
		return data, nil
	}
	got, err := readTiles(ctx, r.full, want)
	if err != nil {
		return nil, err
	}
	for i, d := range got {
		data[at[i]] = d[:tiles[at[i]].Bytes()]
	}
	return data, nil
}
