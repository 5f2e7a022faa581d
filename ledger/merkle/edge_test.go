package merkle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// tileOf is the bytes of a tile by its definition: each hash is the root over 256^level leaves.
func tileOf(leaves []merkle.Hash, tile merkle.Tile) []byte {
	var data []byte
	n := uint64(1) << (8 * tile.Level)
	for i := range uint64(tile.Width) {
		lo := (tile.Index<<8 + i) * n
		h := merkle.RootOf(leaves[lo : lo+n])
		data = append(data, h[:]...)
	}
	return data
}

// expectation is everything that an edge must say of its leaves, by definition.
type expectation struct {
	size    uint64
	root    merkle.Hash
	partial map[merkle.Tile][]byte
}

func expect(leaves []merkle.Hash) *expectation {
	x := &expectation{size: uint64(len(leaves)), root: merkle.RootOf(leaves), partial: map[merkle.Tile][]byte{}}
	for _, tile := range merkle.TilesFor(x.size) {
		x.partial[tile] = tileOf(leaves, tile)
	}
	return x
}

func (x *expectation) check(edge *merkle.Edge) error {
	if edge.Size() != x.size {
		return fmt.Errorf("size is %d, want %d", edge.Size(), x.size)
	}
	if edge.Root() != x.root {
		return fmt.Errorf("wrong root at size %d", x.size)
	}
	for tile, want := range x.partial {
		if data, ok := edge.Partial(tile); !ok || !bytes.Equal(data, want) {
			return fmt.Errorf("size %d: %s is missing or wrong", x.size, tile.Path())
		}
		narrow := merkle.Tile{Level: tile.Level, Index: tile.Index, Width: tile.Width/2 + 1}
		if data, ok := edge.Partial(narrow); !ok || !bytes.Equal(data, want[:narrow.Bytes()]) {
			return fmt.Errorf("size %d: %s is no prefix of %s", x.size, narrow.Path(), tile.Path())
		}
		tile.Width++
		if _, ok := edge.Partial(tile); ok {
			return fmt.Errorf("size %d: %s is there", x.size, tile.Path())
		}
	}
	return nil
}

func TestZeroEdge(t *testing.T) {
	var edge merkle.Edge
	if err := expect(nil).check(&edge); err != nil {
		t.Error(err)
	}
	if full := edge.Append(nil); full != nil || edge.Size() != 0 {
		t.Errorf("appending no leaves fills %v", full)
	}
	opened, err := merkle.OpenEdge(t.Context(), 0, nil, nil)
	if err != nil {
		t.Fatalf("OpenEdge of the empty tree: %v", err)
	}
	if err := expect(nil).check(opened); err != nil {
		t.Error(err)
	}
}

func TestPartialRefuses(t *testing.T) {
	edge, _ := grow(numbered(600)) // 2 full tiles, 88 leaves beyond; level 1 holds 2 hashes
	for name, tile := range map[string]merkle.Tile{
		"full tile":             {Level: 0, Index: 1, Width: 256},
		"part of a full tile":   {Level: 0, Index: 1, Width: 88},
		"full width":            {Level: 0, Index: 2, Width: 256},
		"too wide":              {Level: 0, Index: 2, Width: 89},
		"no width":              {Level: 0, Index: 2, Width: 0},
		"beyond the edge":       {Level: 0, Index: 3, Width: 1},
		"too wide at level 1":   {Level: 1, Index: 0, Width: 3},
		"level that is empty":   {Level: 2, Index: 0, Width: 1},
		"level beyond the last": {Level: 8, Index: 0, Width: 1},
		"highest level":         {Level: 255, Index: 0, Width: 1},
	} {
		if data, ok := edge.Partial(tile); ok || data != nil {
			t.Errorf("%s: Partial(%+v) has %d bytes", name, tile, len(data))
		}
	}
}

// TestAppendFillsTiles appends one leaf at a time and many at once, across the first tiles of levels 0 and 1.
func TestAppendFillsTiles(t *testing.T) {
	leaves := numbered(66_000)
	var one, many merkle.Edge
	var oneFull []merkle.FullTile
	for i, h := range leaves {
		before := len(oneFull)
		oneFull = one.Append(oneFull, h)
		want := 0
		for size := i + 1; size%256 == 0; size /= 256 {
			want++
		}
		if got := len(oneFull) - before; got != want {
			t.Fatalf("leaf %d fills %d tiles, want %d", i, got, want)
		}
	}
	manyFull := many.Append(nil, leaves...)
	if !slices.EqualFunc(oneFull, manyFull, func(a, b merkle.FullTile) bool {
		return a.Tile == b.Tile && bytes.Equal(a.Data, b.Data)
	}) {
		t.Error("one by one fills other tiles than all at once")
	}
	if len(manyFull) != 257+1 {
		t.Fatalf("%d tiles are full, want 258", len(manyFull))
	}
	next := map[uint8]uint64{}
	for _, f := range manyFull {
		if !f.Full() || f.Index != next[f.Level] {
			t.Fatalf("%+v follows tile %d of its level", f.Tile, next[f.Level])
		}
		next[f.Level]++
		if !bytes.Equal(f.Data, tileOf(leaves, f.Tile)) {
			t.Fatalf("%s is wrong", f.Path())
		}
	}
	for _, e := range []*merkle.Edge{&one, &many} {
		if err := expect(leaves).check(e); err != nil {
			t.Error(err)
		}
	}
}

// edgeModel is one edge with the leaves and full tiles that it must have.
type edgeModel struct {
	edge   *merkle.Edge
	leaves []merkle.Hash
	full   fullTiles
	want   *expectation // of leaves
}

// TestEdgeModel appends to, clones and reopens several edges of one ancestry in any order; after every step all of them,
// not only the one that was touched, must be what the definition says.
func TestEdgeModel(t *testing.T) {
	base := numbered(500)
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom([]int{0, 1, 250, len(base)}).Draw(t, "start")
		edge, full := grow(base[:start])
		models := []*edgeModel{{edge, slices.Clip(base[:start]), full, expect(base[:start])}}
		salt := uint64(0)
		pick := func(t *rapid.T) int { return rapid.IntRange(0, len(models)-1).Draw(t, "edge") }
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				m := models[pick(t)]
				n := rapid.SampledFrom([]int{1, 2, 30, 255, 256, 300}).Draw(t, "leaves")
				fresh := make([]merkle.Hash, n)
				for i := range fresh {
					salt++
					fresh[i] = merkle.LeafHash(fmt.Append(nil, "fresh ", salt))
				}
				m.leaves = append(slices.Clip(m.leaves), fresh...)
				m.want = expect(m.leaves)
				filled := m.edge.Append(nil, fresh...)
				for _, f := range filled {
					if !bytes.Equal(f.Data, tileOf(m.leaves, f.Tile)) {
						t.Fatalf("%s is wrong", f.Path())
					}
				}
				m.full.keep(filled)
				if got, want := len(m.full), len(m.leaves)/256+len(m.leaves)/65536; got != want {
					t.Fatalf("%d tiles are full at size %d, want %d", got, len(m.leaves), want)
				}
			},
			"clone": func(t *rapid.T) {
				if len(models) == 4 {
					i := pick(t)
					models = slices.Delete(models, i, i+1)
				}
				m := models[pick(t)]
				models = append(models, &edgeModel{m.edge.Clone(), m.leaves, maps.Clone(m.full), m.want})
			},
			"reopen": func(t *rapid.T) {
				m := models[pick(t)]
				edge, err := merkle.OpenEdge(context.Background(), uint64(len(m.leaves)), m.full, leavesOf(m.leaves))
				if err != nil {
					t.Fatal(err)
				}
				m.edge = edge
			},
			"": func(t *rapid.T) {
				for _, m := range models {
					if err := m.want.check(m.edge); err != nil {
						t.Fatal(err)
					}
				}
			},
		})
	})
}

// TestClonesPartAtALevel lets two clones and their original go different ways where tiles of two levels become full.
func TestClonesPartAtALevel(t *testing.T) {
	leaves := numbered(65_500)
	edge, _ := grow(leaves)
	models := []*edgeModel{{edge: edge}, {edge: edge.Clone()}, {edge: edge.Clone()}, {edge: edge.Clone()}}
	for i, m := range models[:3] {
		for n := range 60 {
			h := merkle.LeafHash(fmt.Append(nil, "edge ", i, " leaf ", n))
			m.leaves = append(m.leaves, h)
			m.edge.Append(nil, h)
		}
	}
	for _, m := range models {
		if err := expect(slices.Concat(leaves, m.leaves)).check(m.edge); err != nil {
			t.Error(err)
		}
	}
}

// leavesOf reads leaf hashes as a log does, and refuses more than a partial tile of them.
func leavesOf(leaves []merkle.Hash) func(context.Context, uint64, uint64) ([]merkle.Hash, error) {
	return func(_ context.Context, from, to uint64) ([]merkle.Hash, error) {
		if from%256 != 0 || to <= from || to-from > 255 || to != uint64(len(leaves)) {
			return nil, fmt.Errorf("leaves [%d, %d) asked for", from, to)
		}
		return leaves[from:to], nil
	}
}

// TestCloneIsReadWhileTheOriginalGrows is for the race detector: readers of a clone share its tiles with the writer.
func TestCloneIsReadWhileTheOriginalGrows(t *testing.T) {
	leaves := numbered(700)
	edge, _ := grow(leaves[:100])
	var readers sync.WaitGroup
	for size := 100; size < len(leaves); size += 20 {
		snapshot := edge.Clone()
		readers.Go(func() {
			if err := expect(leaves[:size]).check(snapshot); err != nil {
				t.Error(err)
			}
		})
		edge.Append(nil, leaves[size:size+20]...)
	}
	readers.Wait()
}

func TestOpenEdge(t *testing.T) {
	leaves := numbered(66_100)
	_, full := grow(leaves)
	for _, size := range []int{1, 2, 255, 256, 257, 511, 512, 600, 65535, 65536, 65537, 65792, 65793, 66100} {
		edge, err := merkle.OpenEdge(t.Context(), uint64(size), full, leavesOf(leaves[:size]))
		if err != nil {
			t.Fatalf("OpenEdge at %d: %v", size, err)
		}
		if err := expect(leaves[:size]).check(edge); err != nil {
			t.Errorf("OpenEdge at %d: %v", size, err)
		}
	}
}

func TestOpenEdgeAtAnySize(t *testing.T) {
	log := newUniformLog()
	for _, size := range []uint64{100_000_000, 1<<24 - 1, 1 << 32, 1<<56 - 1, math.MaxInt64, math.MaxUint64 - 1} {
		tiles := &countingReader{TileReader: log.at(size)}
		edge, err := merkle.OpenEdge(t.Context(), size, tiles, func(_ context.Context, from, to uint64) ([]merkle.Hash, error) {
			return slices.Repeat([]merkle.Hash{log.roots[0]}, int(to-from)), nil
		})
		if err != nil {
			t.Fatalf("OpenEdge at %d: %v", size, err)
		}
		if edge.Root() != log.root(size) {
			t.Errorf("OpenEdge at %d: wrong root", size)
		}
		if tiles.calls > 7 {
			t.Errorf("OpenEdge at %d makes %d reads", size, tiles.calls)
		}
		full := edge.Append(nil, log.roots[0])
		if edge.Size() != size+1 || edge.Root() != log.root(size+1) {
			t.Errorf("one leaf after %d: size %d or its root is wrong", size, edge.Size())
		}
		want := 0
		for s := size + 1; s%256 == 0; s /= 256 {
			if want < len(full) && full[want].Tile != (merkle.Tile{Level: uint8(want), Index: s/256 - 1, Width: 256}) {
				t.Errorf("one leaf after %d fills %+v", size, full[want].Tile)
			}
			want++
		}
		if len(full) != want {
			t.Errorf("one leaf after %d fills %d tiles, want %d", size, len(full), want)
		}
	}
}

// readerFunc is a reader that does whatever a test wants.
type readerFunc func([]merkle.Tile) ([][]byte, error)

func (f readerFunc) ReadTiles(_ context.Context, tiles []merkle.Tile) ([][]byte, error) {
	return f(tiles)
}

var errReader = errors.New("the disk is gone")

// badReaders break the contract of TileReader in every way that can be noticed.
func badReaders() map[string]merkle.TileReader {
	answer := func(edit func([][]byte) [][]byte) merkle.TileReader {
		return readerFunc(func(tiles []merkle.Tile) ([][]byte, error) {
			data := make([][]byte, len(tiles))
			for i, t := range tiles {
				data[i] = make([]byte, t.Bytes())
			}
			return edit(data), nil
		})
	}
	return map[string]merkle.TileReader{
		"nothing":        answer(func([][]byte) [][]byte { return nil }),
		"one missing":    answer(func(d [][]byte) [][]byte { return d[1:] }),
		"one too many":   answer(func(d [][]byte) [][]byte { return append(d, d[0]) }),
		"nil tile":       answer(func(d [][]byte) [][]byte { d[0] = nil; return d }),
		"a byte missing": answer(func(d [][]byte) [][]byte { d[0] = d[0][1:]; return d }),
		"a byte more":    answer(func(d [][]byte) [][]byte { d[len(d)-1] = append(d[len(d)-1], 0); return d }),
	}
}

func TestOpenEdgeRefusesBadReaders(t *testing.T) {
	leaves := numbered(600)
	_, full := grow(leaves)
	for name, tiles := range badReaders() {
		if _, err := merkle.OpenEdge(t.Context(), 600, tiles, leavesOf(leaves)); !errors.Is(err, merkle.ErrTile) {
			t.Errorf("%s: %v, want ErrTile", name, err)
		}
	}
	for name, n := range map[string]int{"no leaves": 0, "a leaf missing": 87, "a leaf more": 89} {
		_, err := merkle.OpenEdge(t.Context(), 600, full, func(context.Context, uint64, uint64) ([]merkle.Hash, error) {
			return numbered(n), nil
		})
		if !errors.Is(err, merkle.ErrTile) {
			t.Errorf("%s: %v, want ErrTile", name, err)
		}
	}
	failing := readerFunc(func([]merkle.Tile) ([][]byte, error) { return nil, errReader })
	if _, err := merkle.OpenEdge(t.Context(), 600, failing, leavesOf(leaves)); !errors.Is(err, errReader) {
		t.Errorf("failing tiles: %v", err)
	}
	_, err := merkle.OpenEdge(t.Context(), 600, full, func(context.Context, uint64, uint64) ([]merkle.Hash, error) {
		return nil, errReader
	})
	if !errors.Is(err, errReader) {
		t.Errorf("failing leaves: %v", err)
	}
}

func TestEdgeReader(t *testing.T) {
	leaves := numbered(600)
	edge, full := grow(leaves)
	reader := edge.Reader(full, nil)
	// Tiles of this tree and of those it grew from, in one read.
	tiles := []merkle.Tile{
		{Level: 0, Index: 2, Width: 88},
		{Level: 0, Index: 0, Width: 256},
		{Level: 1, Index: 0, Width: 2},
		{Level: 0, Index: 1, Width: 17},
		{Level: 1, Index: 0, Width: 1},
	}
	data, err := reader.ReadTiles(t.Context(), tiles)
	if err != nil {
		t.Fatal(err)
	}
	for i, tile := range tiles {
		if !bytes.Equal(data[i], tileOf(leaves, tile)) {
			t.Errorf("%s is wrong", tile.Path())
		}
	}
	for name, tile := range map[string]merkle.Tile{
		"too wide":        {Level: 0, Index: 2, Width: 89},
		"full at edge":    {Level: 0, Index: 2, Width: 256},
		"beyond":          {Level: 0, Index: 3, Width: 1},
		"empty level":     {Level: 2, Index: 0, Width: 1},
		"highest level":   {Level: 255, Index: 0, Width: 256},
		"no width":        {Level: 0, Index: 0, Width: 0},
		"width above 256": {Level: 0, Index: 0, Width: 257},
	} {
		if _, err := reader.ReadTiles(t.Context(), []merkle.Tile{tile}); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("%s: %v, want ErrRange", name, err)
		}
	}
	for name, bad := range badReaders() {
		if _, err := edge.Reader(bad, nil).ReadTiles(t.Context(), tiles); !errors.Is(err, merkle.ErrTile) {
			t.Errorf("%s: %v, want ErrTile", name, err)
		}
	}
}

// A tile that is appended by its root makes the same tree as its leaves do.
func TestAppendTile(t *testing.T) {
	var byLeaf, byTile merkle.Edge
	for tile := range 300 {
		leaves := make([]merkle.Hash, merkle.TileWidth)
		var data []byte
		for i := range leaves {
			leaves[i] = merkle.LeafHash([]byte{byte(tile), byte(tile >> 8), byte(i)})
			data = append(data, leaves[i][:]...)
		}
		full := byLeaf.Append(nil, leaves...)
		above := byTile.AppendTile(nil, merkle.TileRoot(data))
		if byTile.Size() != byLeaf.Size() || byTile.Root() != byLeaf.Root() || len(above) != len(full)-1 {
			t.Fatalf("after %d tiles, %d leaves and %d tiles above, want %d and %d", tile+1, byTile.Size(), len(above), byLeaf.Size(), len(full)-1)
		}
		for i := range above {
			if above[i].Tile != full[i+1].Tile || !bytes.Equal(above[i].Data, full[i+1].Data) {
				t.Fatalf("%s is another", above[i].Path())
			}
		}
	}
	byTile.Append(nil, merkle.Hash{})
	for name, wrong := range map[string]func(){
		"within a tile": func() { byTile.AppendTile(nil, merkle.Hash{}) },
		"half a tile":   func() { merkle.TileRoot(make([]byte, merkle.TileBytes/2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", name)
				}
			}()
			wrong()
		}()
	}
}
