package merkle

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
)

// Edge is the right edge of a growing tree: the partial tile of every level with the nodes between its hashes, 128 KiB at
// most whatever the size of the tree. Full tiles leave it as they complete; keeping them is the caller's duty. The zero Edge
// is the empty tree.
//
// An Edge must not be copied, except by [Edge.Clone]. One goroutine may append to it, and nobody may use it meanwhile; an
// Edge that nobody appends to is safe for concurrent use.
type Edge struct {
	_    noCopy
	size uint64
	// rows[k] holds, in order, the roots of those perfect subtrees of 2^k leaves that lie in the partial tile of level
	// k/TileHeight. So rows[TileHeight*l] is the beginning of that tile itself, the others spare Root and proofs its hashing;
	// and when bit k of size is set, the last of rows[k] is one of the perfect subtrees that the tree falls apart into. Only ever
	// appended to: clones share them.
	rows [64][]byte
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
// The cost is one [NodeHash] a leaf, and allocations of 16 KiB for every 256 leaves.
func (e *Edge) Append(full []FullTile, leaves ...Hash) []FullTile {
	for _, h := range leaves {
		full = e.add(full, 0, h)
	}
	return full
}

// AppendTile appends the 256 leaves of a full tile of level 0 by what [TileRoot] makes of it, and appends the tiles of higher
// levels that this fills to full, which it returns. It spares whoever has hashed the tile already, perhaps beside others, to
// do it again. It panics unless the tree's size is a multiple of 256.
func (e *Edge) AppendTile(full []FullTile, root Hash) []FullTile {
	if e.size%TileWidth != 0 {
		panic("merkle: a tile is appended within another")
	}
	return e.add(full, 1, root)
}

// add appends the perfect subtree below one hash of a tile of the given level. The size must be a multiple of its leaves.
func (e *Edge) add(full []FullTile, level uint8, h Hash) []FullTile {
	height := TileHeight * int(level)
	leaves := uint64(1) << height
	e.put(height, h)
	// Like a carry: every perfect subtree of the same height to the left makes one of twice the leaves.
	for e.size>>height&1 == 1 {
		row := e.rows[height]
		h = NodeHash(Hash(row[len(row)-2*HashSize:]), h)
		height++
		if height%TileHeight == 0 { // the last node of a tile: it is full
			full = append(full, e.take(uint8(height/TileHeight-1)))
		}
		e.put(height, h)
	}
	e.size += leaves
	return full
}

// put writes a node into the partial tile that it lies in.
func (e *Edge) put(height int, h Hash) {
	row := e.rows[height]
	if most := TileBytes >> (height % TileHeight); cap(row) < most { // a new tile, or a clone's
		row = append(make([]byte, 0, most), row...)
	}
	e.rows[height] = append(row, h[:]...)
}

// take removes the partial tile of a level, which has become full.
func (e *Edge) take(level uint8) FullTile {
	height := TileHeight * int(level)
	taken := FullTile{Tile{Level: level, Index: edgeIndex(e.size, level), Width: TileWidth}, e.rows[height]}
	clear(e.rows[height : height+TileHeight])
	return taken
}

// Size is the number of leaves.
func (e *Edge) Size() uint64 { return e.size }

// Root is the root of the tree, at the cost of at most 63 [NodeHash]es.
func (e *Edge) Root() Hash {
	if e.size == 0 {
		return RootOf(nil)
	}
	height := bits.TrailingZeros64(e.size)
	h := e.last(height)
	for height++; e.size>>height != 0; height++ {
		if e.size>>height&1 == 1 {
			h = NodeHash(e.last(height), h)
		}
	}
	return h
}

// last is the last perfect subtree of a height in the partial tile that it lies in.
func (e *Edge) last(height int) Hash {
	row := e.rows[height]
	return Hash(row[len(row)-HashSize:])
}

// Clone is an independent edge of the same tree: appending to either leaves the other as it is. A clone copies 2 KiB and
// shares the tiles, so that taking one for readers after every commit is cheap; appending to a clone copies the partial
// tiles it touches.
func (e *Edge) Clone() *Edge {
	c := &Edge{size: e.size}
	for height, row := range e.rows[:bits.Len64(e.size)] {
		// Without spare capacity the clone can't write behind what it shares. The original can: beyond what the clone sees.
		c.rows[height] = slices.Clip(row)
	}
	return c
}

// Partial is the bytes of the first t.Width hashes of a tile that is not full yet, which must not be modified. It is
// false for every other tile: full ones, and those that the tree does not have.
func (e *Edge) Partial(t Tile) ([]byte, bool) {
	if t.Level >= tileLevels || t.Index != edgeIndex(e.size, t.Level) || t.Width == 0 {
		return nil, false
	}
	data := e.rows[TileHeight*int(t.Level)]
	if t.Bytes() > len(data) {
		return nil, false
	}
	return data[:t.Bytes():t.Bytes()], true
}

// Reader reads every tile of the tree, and of all trees that it grew from: partial tiles out of the edge, the others out
// of the full tiles that full keeps, which is asked for no other. A tile that the tree does not have is ErrRange. Nobody
// may append to the edge while the reader is in use: take it from a clone.
//
// Proofs that are made through the reader hash nothing on the edge. With nodes, which may be nil, they remember the full
// tiles that they lead through.
func (e *Edge) Reader(full TileReader, nodes *Nodes) TileReader {
	return &edgeReader{edge: e, full: full, nodes: nodes}
}

type edgeReader struct {
	edge  *Edge
	full  TileReader
	nodes *Nodes
}

// root implements rooter.
func (r *edgeReader) root(s subtree) (Hash, bool) {
	if s.tile.Index != edgeIndex(r.edge.size, s.tile.Level) {
		return r.nodes.root(s)
	}
	row, from := r.edge.rows[s.height], s.number()*HashSize
	if from+HashSize > len(row) {
		return Hash{}, false
	}
	return Hash(row[from:]), true
}

// keep implements rooter.
func (r *edgeReader) keep(t Tile, data []byte) { r.nodes.keep(t, data) }

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
