package merkle_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// numbered returns n leaf hashes; leaf i is the decimal number i, as in testdata/vectors.py.
func numbered(n int) []merkle.Hash {
	leaves := make([]merkle.Hash, n)
	for i := range leaves {
		leaves[i] = merkle.LeafHash(strconv.AppendInt(nil, int64(i), 10))
	}
	return leaves
}

// fullTiles is what a log keeps: full tiles by path. It has nothing else, and refuses to be asked twice for one tile.
type fullTiles map[string][]byte

func (f fullTiles) keep(tiles []merkle.FullTile) {
	for _, t := range tiles {
		f[t.Path()] = t.Data
	}
}

func (f fullTiles) ReadTiles(_ context.Context, tiles []merkle.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		d, ok := f[t.Path()]
		if !ok {
			return nil, fmt.Errorf("no tile %s", t.Path())
		}
		if slices.Contains(tiles[:i], t) {
			return nil, fmt.Errorf("tile %s asked for twice", t.Path())
		}
		data[i] = d
	}
	return data, nil
}

// grow makes an edge with its full tiles out of leaves.
func grow(leaves []merkle.Hash) (*merkle.Edge, fullTiles) {
	edge, full := new(merkle.Edge), fullTiles{}
	full.keep(edge.Append(nil, leaves...))
	return edge, full
}

func newNodes(t testing.TB) *merkle.Nodes {
	t.Helper()
	nodes, err := merkle.NewNodes()
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// countingReader counts the calls that one question makes, and notes the tiles.
type countingReader struct {
	merkle.TileReader
	calls int
	tiles []merkle.Tile
}

func (r *countingReader) ReadTiles(ctx context.Context, tiles []merkle.Tile) ([][]byte, error) {
	r.calls++
	r.tiles = append(r.tiles, tiles...)
	return r.TileReader.ReadTiles(ctx, tiles)
}

// storedHashes makes tlog's own storage of a tree: the oracle for roots and proofs.
func storedHashes(t testing.TB, leaves []merkle.Hash) tlog.HashReader {
	t.Helper()
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			hashes[i] = stored[x]
		}
		return hashes, nil
	})
	for i, h := range leaves {
		hashes, err := tlog.StoredHashesForRecordHash(int64(i), h, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
	}
	return reader
}

// byteSlices is hashes in the form that transparency-dev/merkle takes.
func byteSlices(hashes []merkle.Hash) [][]byte {
	b := make([][]byte, len(hashes))
	for i := range hashes {
		b[i] = hashes[i][:]
	}
	return b
}

// uniformLog is the log of 2^64-1 leaves that are all the same, so that any of its tiles can be made up: a tree of every
// size that there is.
type uniformLog struct {
	roots [64]merkle.Hash // roots[k] is the root over 2^k leaves
}

func newUniformLog() *uniformLog {
	l := &uniformLog{}
	l.roots[0] = merkle.LeafHash([]byte("leaf"))
	for k := 1; k < len(l.roots); k++ {
		l.roots[k] = merkle.NodeHash(l.roots[k-1], l.roots[k-1])
	}
	return l
}

// at returns a reader that has the tiles of the tree of one size, no wider and no narrower ones.
func (l *uniformLog) at(size uint64) merkle.TileReader { return &uniformTree{l, size} }

type uniformTree struct {
	log  *uniformLog
	size uint64
}

func (u *uniformTree) ReadTiles(_ context.Context, tiles []merkle.Tile) ([][]byte, error) {
	partial := merkle.TilesFor(u.size)
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		if slices.Contains(tiles[:i], t) {
			return nil, fmt.Errorf("tile %s asked for twice", t.Path())
		}
		full := t.Full() && t.Index < u.size>>(8*(uint(t.Level)+1))
		if !full && !slices.Contains(partial, t) {
			return nil, fmt.Errorf("no tile %s in a tree of %d", t.Path(), u.size)
		}
		for range t.Width {
			data[i] = append(data[i], u.log.roots[8*t.Level][:]...)
		}
	}
	return data, nil
}

// root is the root of the uniform tree of a size, by the definition of RFC 6962.
func (l *uniformLog) root(size uint64) merkle.Hash {
	if size == 0 {
		return merkle.RootOf(nil)
	}
	k := 63
	for uint64(1)<<k > size {
		k--
	}
	if uint64(1)<<k == size {
		return l.roots[k]
	}
	return merkle.NodeHash(l.roots[k], l.root(size-1<<k))
}
