// Package merkle is the log's arithmetic: an RFC 6962 tree over SHA-256, its C2SP tiles, its proofs and its signed
// checkpoints. The writer grows an [Edge], readers take proofs out of tiles through a [TileReader], and relying parties
// verify them; all three share this code, and any of them can be replaced by another implementation of the standards.
//
// It never does I/O, never reads a clock and never sees an entry: it knows leaf hashes, and how many there are.
//
// Its one invariant: a hash enters a tile only once the subtree below it is complete. What is in a tile therefore never
// changes, and a tree of n leaves is a prefix of every later one.
//
// Standards: RFC 6962 section 2.1 (tree and proofs), RFC 9162 section 2.1 (verification), https://c2sp.org/tlog-tiles,
// https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note.
package merkle

import (
	"crypto/sha256"
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Errors that callers branch on.
var (
	// ErrRange says that an index or a size lies outside the tree: the question was wrong, not the answer.
	ErrRange = errors.New("merkle: outside the tree")
	// ErrProof says that a proof does not lead from what is known to the root it was offered for.
	ErrProof = errors.New("merkle: wrong proof")
	// ErrTile says that a reader handed out something that cannot be the tile or the leaves it was asked for.
	ErrTile = errors.New("merkle: malformed tile")
	// ErrTilePath says that a path names no hash tile.
	ErrTilePath = errors.New("merkle: not a tile path")
	// ErrCheckpoint says that a text is no checkpoint, or a checkpoint that this package does not write.
	ErrCheckpoint = errors.New("merkle: malformed checkpoint")
	// ErrSignature says that a checkpoint does not bear a valid signature of the expected key.
	ErrSignature = errors.New("merkle: checkpoint not signed by the expected key")
	// ErrOrigin says that a validly signed checkpoint belongs to another log.
	ErrOrigin = errors.New("merkle: checkpoint of another log")
)

// HashSize is the size of a [Hash] in bytes.
const HashSize = tlog.HashSize

// Hash is a SHA-256 hash of a leaf or of an interior node. Its String method is padded standard base64.
type Hash = tlog.Hash

// Prefixes that keep leaves and nodes apart (RFC 6962 section 2.1): without them a node could be passed off as a leaf.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// LeafHash is the hash of a leaf that holds data: SHA-256(0x00 || data).
func LeafHash(data []byte) Hash {
	// Most statements and entries fit a buffer on the stack, which spares them the allocation of a running hash.
	var buf [1 + 1023]byte
	if len(data) < len(buf) {
		buf[0] = leafPrefix
		return sha256.Sum256(buf[:1+copy(buf[1:], data)])
	}
	return tlog.RecordHash(data)
}

// NodeHash is the hash of an interior node: SHA-256(0x01 || left || right).
func NodeHash(left, right Hash) Hash { return tlog.NodeHash(left, right) }

// RootOf is the root of the tree over leaf hashes in order; the root of no leaves is SHA-256 of nothing. It allocates
// nothing and costs one [NodeHash] a leaf. A tree that grows, or is too large to hold, is an [Edge].
func RootOf(leaves []Hash) Hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		left := splitPoint(uint64(n))
		return NodeHash(RootOf(leaves[:left]), RootOf(leaves[left:]))
	}
}

// LeafPath is the audit path of leaf i (RFC 6962 section 2.1.1) in the tree over leaf hashes in order, from the leaf up:
// what [VerifyPath] needs to get from the leaf to RootOf(leaves). It panics if there is no leaf i.
func LeafPath(leaves []Hash, i int) []Hash {
	_ = leaves[i]
	spans := inclusionSpans(uint64(i), uint64(len(leaves)))
	path := make([]Hash, len(spans))
	for j, s := range spans {
		path[j] = RootOf(leaves[s.lo:s.hi])
	}
	return path
}

// splitPoint is the size of the left subtree of a tree of n leaves, n > 1: the largest power of two smaller than n.
func splitPoint(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// TileRoot is the root over the 256 hashes of a full tile. It panics if there are not so many.
func TileRoot(data []byte) Hash {
	if len(data) != TileBytes {
		panic("merkle: no full tile")
	}
	return subtreeRoot(data)
}

// subtreeRoot is the root of the perfect subtree over the concatenated hashes of data, a power of two of them.
func subtreeRoot(data []byte) Hash {
	switch len(data) {
	case HashSize:
		return Hash(data)
	case 2 * HashSize:
		var buf [1 + 2*HashSize]byte
		buf[0] = nodePrefix
		copy(buf[1:], data)
		return sha256.Sum256(buf[:])
	default:
		half := len(data) / 2
		return NodeHash(subtreeRoot(data[:half]), subtreeRoot(data[half:]))
	}
}
