package merkle

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
)

// InclusionProof is the audit path (RFC 6962 section 2.1.1) of leaf index in the tree of size leaves, from the leaf up:
// what [VerifyInclusion] needs. It makes one read: of the tiles above the leaf and of the partial tiles of the right
// edge, one of each for every eight levels of the tree. ErrRange if the tree of that size has no such leaf.
//
// The reader's errors come back as they are. The tiles are not checked against a root: a caller that does not trust them
// verifies the proof.
func InclusionProof(ctx context.Context, index, size uint64, tiles TileReader) ([]Hash, error) {
	if index >= size {
		return nil, fmt.Errorf("%w: leaf %d in a tree of %d", ErrRange, index, size)
	}
	return spanRoots(ctx, inclusionSpans(index, size), size, tiles)
}

// LeafAt is the hash of leaf index in the tree of size leaves, in one read of one tile, or of none right after a proof of it
// through a reader that remembers. ErrRange if the tree of that size has no such leaf.
func LeafAt(ctx context.Context, index, size uint64, tiles TileReader) (Hash, error) {
	if index >= size {
		return Hash{}, fmt.Errorf("%w: leaf %d in a tree of %d", ErrRange, index, size)
	}
	roots, err := spanRoots(ctx, []span{{index, index + 1}}, size, tiles)
	if err != nil {
		return Hash{}, err
	}
	return roots[0], nil
}

// ConsistencyProof proves that the tree of oldSize leaves is a prefix of the tree of newSize leaves (RFC 6962 section
// 2.1.2): what [VerifyConsistency] needs. The proof is empty, and nothing is read, when oldSize is zero or newSize.
// ErrRange if oldSize is greater than newSize. As with [InclusionProof], there is one read, of unchecked tiles.
func ConsistencyProof(ctx context.Context, oldSize, newSize uint64, tiles TileReader) ([]Hash, error) {
	if oldSize > newSize {
		return nil, fmt.Errorf("%w: from a tree of %d to one of %d", ErrRange, oldSize, newSize)
	}
	if oldSize == 0 {
		return nil, nil
	}
	return spanRoots(ctx, consistencySpans(oldSize, newSize), newSize, tiles)
}

// RootAt is the root of the tree of size leaves, out of the tiles that [TilesFor] lists, in one read.
func RootAt(ctx context.Context, size uint64, tiles TileReader) (Hash, error) {
	if size == 0 {
		return RootOf(nil), nil
	}
	roots, err := spanRoots(ctx, []span{{0, size}}, size, tiles)
	if err != nil {
		return Hash{}, err
	}
	return roots[0], nil
}

// VerifyInclusion verifies that leaf is the hash of leaf index in the tree of size leaves that has the given root (RFC
// 9162 section 2.1.3.2). ErrRange if such a tree has no such leaf, ErrProof if the proof does not show it.
func VerifyInclusion(leaf Hash, index, size uint64, proof []Hash, root Hash) error {
	h, err := PathRoot(leaf, index, size, proof)
	if err == nil && h != root {
		err = fmt.Errorf("%w: leads to another root", ErrProof)
	}
	return err
}

// PathRoot is the root of the tree of size leaves in which a proof shows that leaf is the hash of leaf index: for who learns the
// root from somewhere else, such as a signature over it. ErrRange if such a tree has no such leaf, ErrProof if the proof is none of
// such a leaf.
func PathRoot(leaf Hash, index, size uint64, proof []Hash) (Hash, error) {
	if index >= size {
		return leaf, fmt.Errorf("%w: leaf %d in a tree of %d", ErrRange, index, size)
	}
	h := leaf
	// node is where h stands in its level, last the last node of that level.
	node, last := index, size-1
	for _, p := range proof {
		if last == 0 {
			return leaf, fmt.Errorf("%w: too long", ErrProof)
		}
		if node%2 == 1 || node == last {
			h = NodeHash(p, h)
			// A last node without a sibling stands for itself in the levels above, until it is a right child.
			up := bits.TrailingZeros64(node)
			node, last = node>>up, last>>up
		} else {
			h = NodeHash(h, p)
		}
		node, last = node>>1, last>>1
	}
	if last != 0 {
		return leaf, fmt.Errorf("%w: too short", ErrProof)
	}
	return h, nil
}

// VerifyPath is [VerifyInclusion] for a [LeafPath]: the tree of a submission is a tree like any other.
func VerifyPath(leaf Hash, index, size uint64, path []Hash, root Hash) error {
	return VerifyInclusion(leaf, index, size, path, root)
}

// VerifyConsistency verifies that the tree of oldSize leaves with root oldRoot is a prefix of the tree of newSize leaves
// with root newRoot (RFC 9162 section 2.1.4.2). Two trees of one size take an empty proof and equal roots; the empty tree
// takes an empty proof and the empty tree's root, and is a prefix of whatever newRoot stands for. ErrRange if oldSize is
// greater than newSize, ErrProof if the proof does not show it.
func VerifyConsistency(oldSize, newSize uint64, proof []Hash, oldRoot, newRoot Hash) error {
	if oldSize > newSize {
		return fmt.Errorf("%w: from a tree of %d to one of %d", ErrRange, oldSize, newSize)
	}
	if oldSize == 0 && oldRoot != RootOf(nil) {
		return fmt.Errorf("%w: not the root of the empty tree", ErrProof)
	}
	if oldSize == newSize && oldRoot != newRoot {
		return fmt.Errorf("%w: two roots of one size", ErrProof)
	}
	if oldSize == 0 || oldSize == newSize {
		if len(proof) != 0 {
			return fmt.Errorf("%w: too long", ErrProof)
		}
		return nil
	}
	// Both trees are rebuilt from their last common perfect subtree, which ends the old one: start at its level.
	up := bits.TrailingZeros64(oldSize)
	node, last := (oldSize-1)>>up, (newSize-1)>>up
	// When it is the whole of the old tree, the verifier knows it already, and the proof leaves it out.
	seed := oldRoot
	if node != 0 {
		if len(proof) == 0 {
			return fmt.Errorf("%w: too short", ErrProof)
		}
		seed, proof = proof[0], proof[1:]
	}
	before, after := seed, seed
	for _, p := range proof {
		if last == 0 {
			return fmt.Errorf("%w: too long", ErrProof)
		}
		if node%2 == 1 || node == last {
			before, after = NodeHash(p, before), NodeHash(p, after)
			up := bits.TrailingZeros64(node)
			node, last = node>>up, last>>up
		} else {
			after = NodeHash(after, p)
		}
		node, last = node>>1, last>>1
	}
	if last != 0 {
		return fmt.Errorf("%w: too short", ErrProof)
	}
	if before != oldRoot {
		return fmt.Errorf("%w: leads to another old root", ErrProof)
	}
	if after != newRoot {
		return fmt.Errorf("%w: leads to another new root", ErrProof)
	}
	return nil
}

// span is the half-open range [lo, hi) of leaves below one node of a tree; its length may be any when the node is on the
// right edge.
type span struct{ lo, hi uint64 }

// inclusionSpans lists the nodes of the audit path of a leaf, from the leaf up.
func inclusionSpans(index, size uint64) []span {
	spans := make([]span, 0, bits.Len64(size))
	at := span{0, size}
	for at.hi-at.lo > 1 {
		mid := at.lo + splitPoint(at.hi-at.lo)
		if index < mid {
			spans = append(spans, span{mid, at.hi})
			at.hi = mid
		} else {
			spans = append(spans, span{at.lo, mid})
			at.lo = mid
		}
	}
	slices.Reverse(spans)
	return spans
}

// consistencySpans lists the nodes of a consistency proof, 0 < oldSize <= newSize, from the last node of the old tree up.
func consistencySpans(oldSize, newSize uint64) []span {
	spans := make([]span, 0, 1+bits.Len64(newSize))
	at := span{0, newSize}
	for at.hi != oldSize {
		mid := at.lo + splitPoint(at.hi-at.lo)
		if oldSize <= mid {
			spans = append(spans, span{mid, at.hi})
			at.hi = mid
		} else {
			spans = append(spans, span{at.lo, mid})
			at.lo = mid
		}
	}
	if at.lo != 0 { // otherwise it is the whole old tree, whose root the verifier knows
		spans = append(spans, at)
	}
	slices.Reverse(spans)
	return spans
}

// subtree is a perfect subtree of 2^height leaves, and the tile that its nodes lie in.
type subtree struct {
	tile   Tile
	height int
	first  int // hash of the tile that it begins with
}

// number is its place among the subtrees of its height in the tile.
func (s subtree) number() int { return s.first >> (s.height % TileHeight) }

// of hashes the subtree out of the bytes of its tile.
func (s subtree) of(data []byte) Hash {
	from := s.first * HashSize
	return subtreeRoot(data[from : from+HashSize<<(s.height%TileHeight)])
}

// last is the last of the perfect subtrees that a span falls apart into, in a tree of size leaves, and the rest.
func (s span) last(size uint64) (subtree, span) {
	height := bits.TrailingZeros64(s.hi - s.lo)
	lo := s.hi - 1<<height
	level := uint8(height / TileHeight)
	first := lo >> (TileHeight * uint(level)) // hash of that level
	t := Tile{Level: level, Index: first / TileWidth, Width: TileWidth}
	if t.Index == edgeIndex(size, level) {
		t.Width = edgeWidth(size, level)
	}
	return subtree{tile: t, height: height, first: int(first % TileWidth)}, span{s.lo, lo}
}

// rooter is a TileReader that knows some subtrees without reading their tiles, or remembers them from tiles that were read.
type rooter interface {
	// root answers the root of a subtree if it is known.
	root(s subtree) (Hash, bool)
	// keep hands over a tile that had to be read.
	keep(t Tile, data []byte)
}

// spanRoots computes the root of every span, nodes of the tree of size leaves, after one read of the tiles it takes, and of
// none where the reader knows all that it takes.
func spanRoots(ctx context.Context, spans []span, size uint64, tiles TileReader) ([]Hash, error) {
	known, remembers := tiles.(rooter)
	var (
		subtrees = make([]subtree, 0, 64)
		hashes   = make([]Hash, 0, 64) // of those subtrees that are known
		want     []Tile
	)
	for _, s := range spans {
		for s.lo < s.hi {
			var sub subtree
			sub, s = s.last(size)
			var h Hash
			found := false
			if remembers {
				h, found = known.root(sub)
			}
			if !found && !slices.Contains(want, sub.tile) {
				want = append(want, sub.tile)
			}
			subtrees, hashes = append(subtrees, sub), append(hashes, h)
		}
	}
	if len(want) > 0 {
		if err := readRoots(ctx, subtrees, hashes, want, tiles); err != nil {
			return nil, err
		}
	}
	roots := make([]Hash, len(spans))
	for i, s := range spans {
		for right := false; s.lo < s.hi; right = true {
			_, s = s.last(size)
			h := hashes[0]
			hashes = hashes[1:]
			if right {
				h = NodeHash(h, roots[i])
			}
			roots[i] = h
		}
	}
	return roots, nil
}

// readRoots fills in the hashes of the subtrees that lie in the tiles that are wanted.
func readRoots(ctx context.Context, subtrees []subtree, hashes []Hash, want []Tile, tiles TileReader) error {
	data, err := readTiles(ctx, tiles, want)
	if err != nil {
		return err
	}
	known, remembers := tiles.(rooter)
	if remembers {
		for i, t := range want {
			known.keep(t, data[i])
		}
	}
	for i, sub := range subtrees {
		at := slices.Index(want, sub.tile)
		if at < 0 {
			continue
		}
		found := false
		if remembers { // by now
			hashes[i], found = known.root(sub)
		}
		if !found {
			hashes[i] = sub.of(data[at])
		}
	}
	return nil
}
