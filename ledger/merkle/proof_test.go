package merkle_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// TestRFC6962Example is the tree of seven leaves of RFC 6962 section 2.1.3, with its names.
func TestRFC6962Example(t *testing.T) {
	leaves := numbered(7)
	a, b, c, d, e, f, j := leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], leaves[5], leaves[6]
	g, h, i := merkle.NodeHash(a, b), merkle.NodeHash(c, d), merkle.NodeHash(e, f)
	k, l := merkle.NodeHash(g, h), merkle.NodeHash(i, j)
	if merkle.RootOf(leaves) != merkle.NodeHash(k, l) {
		t.Fatal("wrong root")
	}
	edge, full := grow(leaves)
	tiles := edge.Reader(full, nil)
	for index, want := range map[uint64][]merkle.Hash{0: {b, h, l}, 3: {c, g, l}, 4: {f, j, k}, 6: {i, k}} {
		if got, err := merkle.InclusionProof(t.Context(), index, 7, tiles); err != nil || !slices.Equal(got, want) {
			t.Errorf("PATH(%d, D[7]) = %v, %v, want %v", index, got, err, want)
		}
	}
	for old, want := range map[uint64][]merkle.Hash{3: {c, d, g, l}, 4: {l}, 6: {i, j, k}} {
		if got, err := merkle.ConsistencyProof(t.Context(), old, 7, tiles); err != nil || !slices.Equal(got, want) {
			t.Errorf("PROOF(%d, D[7]) = %v, %v, want %v", old, got, err, want)
		}
	}
}

// checkInclusion takes a proof out of tiles and holds it against both oracles and our own verifier.
func checkInclusion(t testing.TB, index, size uint64, leaf, root merkle.Hash, tiles merkle.TileReader, oracle tlog.HashReader) {
	t.Helper()
	counted := &countingReader{TileReader: tiles}
	got, err := merkle.InclusionProof(t.Context(), index, size, counted)
	if err != nil {
		t.Fatalf("InclusionProof(%d, %d): %v", index, size, err)
	}
	if oracle != nil {
		want, err := tlog.ProveRecord(int64(size), int64(index), oracle)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, []merkle.Hash(want)) {
			t.Fatalf("InclusionProof(%d, %d) differs from tlog", index, size)
		}
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], byteSlices(got), root[:]); err != nil {
		t.Fatalf("transparency-dev: inclusion of %d in %d: %v", index, size, err)
	}
	if err := merkle.VerifyInclusion(leaf, index, size, got, root); err != nil {
		t.Fatalf("VerifyInclusion(%d, %d): %v", index, size, err)
	}
	checkReads(t, counted, size)
	// Not through the counter, the reader may know nodes by itself.
	if known, err := merkle.InclusionProof(t.Context(), index, size, tiles); err != nil || !slices.Equal(known, got) {
		t.Fatalf("InclusionProof(%d, %d) is another one out of nodes that are known (%v)", index, size, err)
	}
	if at, err := merkle.LeafAt(t.Context(), index, size, tiles); err != nil || at != leaf {
		t.Fatalf("LeafAt(%d, %d) = %v, %v, want %v", index, size, at, err, leaf)
	}
}

func checkConsistency(t testing.TB, from, to uint64, oldRoot, newRoot merkle.Hash, tiles merkle.TileReader, oracle tlog.HashReader) {
	t.Helper()
	counted := &countingReader{TileReader: tiles}
	got, err := merkle.ConsistencyProof(t.Context(), from, to, counted)
	if err != nil {
		t.Fatalf("ConsistencyProof(%d, %d): %v", from, to, err)
	}
	if oracle != nil && from > 0 {
		want, err := tlog.ProveTree(int64(to), int64(from), oracle)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, []merkle.Hash(want)) {
			t.Fatalf("ConsistencyProof(%d, %d) differs from tlog", from, to)
		}
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, from, to, byteSlices(got), oldRoot[:], newRoot[:]); err != nil {
		t.Fatalf("transparency-dev: consistency of %d and %d: %v", from, to, err)
	}
	if err := merkle.VerifyConsistency(from, to, got, oldRoot, newRoot); err != nil {
		t.Fatalf("VerifyConsistency(%d, %d): %v", from, to, err)
	}
	checkReads(t, counted, to)
	if known, err := merkle.ConsistencyProof(t.Context(), from, to, tiles); err != nil || !slices.Equal(known, got) {
		t.Fatalf("ConsistencyProof(%d, %d) is another one out of nodes that are known (%v)", from, to, err)
	}
}

// checkReads bounds what a proof costs: one read, of one tile on the way and one on the edge for every level of tiles.
func checkReads(t testing.TB, r *countingReader, size uint64) {
	t.Helper()
	levels := 0
	for s := size; s > 0; s >>= 8 {
		levels++
	}
	if r.calls > 1 || len(r.tiles) > 2*levels {
		t.Fatalf("a proof at size %d takes %d reads of %d tiles", size, r.calls, len(r.tiles))
	}
}

// TestProofsOfSmallTrees proves at every size to 600, at all leaves and old sizes of the smallest and of those around the
// ends of tiles, at some of the others.
func TestProofsOfSmallTrees(t *testing.T) {
	const most = 600
	leaves := numbered(most)
	oracle := storedHashes(t, leaves)
	edge, full := grow(leaves)
	tiles := edge.Reader(full, newNodes(t))
	roots := make([]merkle.Hash, most+1)
	for size := range uint64(most + 1) {
		var err error
		if roots[size], err = tlog.TreeHash(int64(size), oracle); err != nil {
			t.Fatal(err)
		}
		if got, err := merkle.RootAt(t.Context(), size, tiles); err != nil || got != roots[size] {
			t.Fatalf("RootAt(%d) = %v, %v, want %v", size, got, err, roots[size])
		}
		step := uint64(61)
		if size <= 40 || size == 257 || size == 513 {
			step = 1
		}
		for i := size % step; i < size; i += step {
			checkInclusion(t, i, size, leaves[i], roots[size], tiles, oracle)
			checkConsistency(t, i, size, roots[i], roots[size], tiles, oracle)
		}
		checkConsistency(t, size, size, roots[size], roots[size], tiles, oracle)
		if size > 0 {
			checkInclusion(t, size-1, size, leaves[size-1], roots[size], tiles, oracle)
			checkConsistency(t, size-1, size, roots[size-1], roots[size], tiles, oracle)
		}
	}
}

func TestProofsOfLargerTrees(t *testing.T) {
	leaves := numbered(140_000)
	oracle := storedHashes(t, leaves)
	edge, full := grow(leaves)
	tiles := edge.Reader(full, newNodes(t))
	root := func(t testing.TB, size uint64) merkle.Hash {
		t.Helper()
		want, err := tlog.TreeHash(int64(size), oracle)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := merkle.RootAt(t.Context(), size, tiles); err != nil || got != want {
			t.Fatalf("RootAt(%d) = %v, %v, want %v", size, got, err, want)
		}
		return want
	}
	sizes := rapid.OneOf(
		rapid.Uint64Range(1, uint64(len(leaves))),
		rapid.SampledFrom([]uint64{65535, 65536, 65537, 65792, 131071, 131072, 131073, 140_000}),
	)
	rapid.Check(t, func(rt *rapid.T) {
		size := sizes.Draw(rt, "size")
		index := rapid.Uint64Range(0, size-1).Draw(rt, "index")
		checkInclusion(t, index, size, leaves[index], root(t, size), tiles, oracle)
		old := rapid.Uint64Range(0, size).Draw(rt, "old")
		checkConsistency(t, old, size, root(t, old), root(t, size), tiles, oracle)
	})
}

// TestProofsAtAnySize proves in trees that fit no machine, to the end of the range of sizes.
func TestProofsAtAnySize(t *testing.T) {
	log := newUniformLog()
	sizes := rapid.OneOf(rapid.Uint64Min(1), rapid.SampledFrom([]uint64{
		100_000_000, 1<<24 + 1, 1<<56 - 1, 1 << 56, 1 << 63, 1<<63 + 1, math.MaxUint64,
	}))
	rapid.Check(t, func(rt *rapid.T) {
		size := sizes.Draw(rt, "size")
		tiles := log.at(size)
		if got, err := merkle.RootAt(t.Context(), size, tiles); err != nil || got != log.root(size) {
			t.Fatalf("RootAt(%d) = %v, %v", size, got, err)
		}
		index := rapid.Uint64Range(0, size-1).Draw(rt, "index")
		checkInclusion(t, index, size, log.roots[0], log.root(size), tiles, nil)
		old := rapid.Uint64Range(0, size).Draw(rt, "old")
		checkConsistency(t, old, size, log.root(old), log.root(size), tiles, nil)
	})
}

func TestProofAtOneHundredMillionReadsFewTiles(t *testing.T) {
	const size = 100_000_000
	tiles := &countingReader{TileReader: newUniformLog().at(size)}
	if _, err := merkle.InclusionProof(t.Context(), 12_345_678, size, tiles); err != nil {
		t.Fatal(err)
	}
	full := slices.DeleteFunc(tiles.tiles, func(t merkle.Tile) bool { return !t.Full() })
	if tiles.calls != 1 || len(full) != 3 {
		t.Errorf("%d reads, full tiles %v, want one read and a full tile in each of three levels", tiles.calls, full)
	}
}

// TestNodesRemember proves the same entries in trees that grow: what a proof led through is read once, and what lies on the
// edge never.
func TestNodesRemember(t *testing.T) {
	leaves := numbered(200_000)
	nodes := newNodes(t)
	var edge merkle.Edge
	full := fullTiles{}
	for _, step := range []struct {
		size  int
		index uint64
		reads int
		tiles []string
	}{
		{100_000, 1000, 1, []string{"tile/0/003", "tile/1/000"}},
		{100_000, 1001, 0, nil},                      // through the same tiles
		{100_000, 99_999, 0, nil},                    // on the edge
		{100_000, 99_000, 1, []string{"tile/0/386"}}, // level 1 is on the edge
		{140_000, 99_001, 1, []string{"tile/1/001"}}, // and now it is full
		{200_000, 99_002, 0, nil},                    // in a tree that has grown
		{200_000, 65_535, 1, []string{"tile/0/255"}}, // level 1 is remembered
		{200_000, 140_000, 1, []string{"tile/0/546", "tile/1/002"}},
	} {
		full.keep(edge.Append(nil, leaves[edge.Size():step.size]...))
		counted := &countingReader{TileReader: full}
		tiles := edge.Clone().Reader(counted, nodes)
		size := uint64(step.size)
		proof, err := merkle.InclusionProof(t.Context(), step.index, size, tiles)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := merkle.LeafAt(t.Context(), step.index, size, tiles)
		if err != nil || leaf != leaves[step.index] {
			t.Errorf("LeafAt(%d, %d) = %v, %v", step.index, size, leaf, err)
		}
		if err := merkle.VerifyInclusion(leaf, step.index, size, proof, edge.Root()); err != nil {
			t.Errorf("%d in %d: %v", step.index, size, err)
		}
		var read []string
		for _, tile := range counted.tiles {
			read = append(read, tile.Path())
		}
		slices.Sort(read)
		if counted.calls != step.reads || !slices.Equal(read, step.tiles) {
			t.Errorf("%d in %d takes %d reads of %v, want %d of %v", step.index, size, counted.calls, read, step.reads, step.tiles)
		}
	}
}

// TestNodesForManyReaders is for the race detector.
func TestNodesForManyReaders(t *testing.T) {
	leaves := numbered(3000)
	edge, full := grow(leaves)
	tiles, root := edge.Reader(full, newNodes(t)), edge.Root()
	var readers sync.WaitGroup
	for first := range uint64(4) {
		readers.Go(func() {
			for index := first; index < uint64(len(leaves)); index += 40 {
				proof, err := merkle.InclusionProof(t.Context(), index, uint64(len(leaves)), tiles)
				if err == nil {
					err = merkle.VerifyInclusion(leaves[index], index, uint64(len(leaves)), proof, root)
				}
				if err != nil {
					t.Errorf("%d: %v", index, err)
				}
			}
		})
	}
	readers.Wait()
}

func TestProofsOutOfRange(t *testing.T) {
	edge, full := grow(numbered(10))
	tiles := edge.Reader(full, nil)
	root := edge.Root()
	for name, f := range map[string]func() error{
		"leaf of the empty tree": func() error { _, err := merkle.InclusionProof(t.Context(), 0, 0, tiles); return err },
		"leaf at the size":       func() error { _, err := merkle.InclusionProof(t.Context(), 10, 10, tiles); return err },
		"size beyond the log":    func() error { _, err := merkle.InclusionProof(t.Context(), 3, 11, tiles); return err },
		"no such leaf":           func() error { _, err := merkle.LeafAt(t.Context(), 10, 10, tiles); return err },
		"leaf beyond the log":    func() error { _, err := merkle.LeafAt(t.Context(), 10, 11, tiles); return err },
		"shrinking tree":         func() error { _, err := merkle.ConsistencyProof(t.Context(), 6, 5, tiles); return err },
		"new size beyond":        func() error { _, err := merkle.ConsistencyProof(t.Context(), 5, 11, tiles); return err },
		"root beyond":            func() error { _, err := merkle.RootAt(t.Context(), 11, tiles); return err },
		"verify in empty tree":   func() error { return merkle.VerifyInclusion(root, 0, 0, nil, root) },
		"verify at the size":     func() error { return merkle.VerifyInclusion(root, 10, 10, nil, root) },
		"verify path":            func() error { return merkle.VerifyPath(root, 1, 1, nil, root) },
		"verify shrinking":       func() error { return merkle.VerifyConsistency(6, 5, nil, root, root) },
	} {
		if err := f(); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("%s: %v, want ErrRange", name, err)
		}
	}
}

func TestProofsRefuseBadReaders(t *testing.T) {
	for name, tiles := range badReaders() {
		if _, err := merkle.InclusionProof(t.Context(), 3, 600, tiles); !errors.Is(err, merkle.ErrTile) {
			t.Errorf("%s: %v, want ErrTile", name, err)
		}
	}
	failing := readerFunc(func([]merkle.Tile) ([][]byte, error) { return nil, errReader })
	if _, err := merkle.ConsistencyProof(t.Context(), 3, 600, failing); !errors.Is(err, errReader) {
		t.Errorf("failing reader: %v", err)
	}
}

func TestTrivialConsistency(t *testing.T) {
	leaves := numbered(5)
	empty, three, five := merkle.RootOf(nil), merkle.RootOf(leaves[:3]), merkle.RootOf(leaves)
	for name, c := range map[string]struct {
		old, new         uint64
		proof            []merkle.Hash
		oldRoot, newRoot merkle.Hash
		want             error
	}{
		"empty to empty":              {0, 0, nil, empty, empty, nil},
		"empty to five":               {0, 5, nil, empty, five, nil},
		"five to five":                {5, 5, nil, five, five, nil},
		"empty with another root":     {0, 5, nil, three, five, merkle.ErrProof},
		"both empty, other roots":     {0, 0, nil, three, three, merkle.ErrProof},
		"empty to empty, other root":  {0, 0, nil, empty, three, merkle.ErrProof},
		"empty to five with a proof":  {0, 5, leaves[:1], empty, five, merkle.ErrProof},
		"five to five, other root":    {5, 5, nil, five, three, merkle.ErrProof},
		"five to five with a proof":   {5, 5, leaves[:1], five, five, merkle.ErrProof},
		"three to five with no proof": {3, 5, nil, three, five, merkle.ErrProof},
	} {
		if err := merkle.VerifyConsistency(c.old, c.new, c.proof, c.oldRoot, c.newRoot); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// mutations of a proof, each of which must make it wrong; none applies to an empty proof but the first two.
var mutations = map[string]func([]merkle.Hash) []merkle.Hash{
	"hash appended":  func(p []merkle.Hash) []merkle.Hash { return append(p, merkle.Hash{1}) },
	"hash prepended": func(p []merkle.Hash) []merkle.Hash { return slices.Insert(p, 0, merkle.Hash{1}) },
	"emptied":        func(p []merkle.Hash) []merkle.Hash { return p[:0] },
	"first dropped":  func(p []merkle.Hash) []merkle.Hash { return p[1:] },
	"last dropped":   func(p []merkle.Hash) []merkle.Hash { return p[:len(p)-1] },
	"first doubled":  func(p []merkle.Hash) []merkle.Hash { return slices.Insert(p, 0, p[0]) },
	"last doubled":   func(p []merkle.Hash) []merkle.Hash { return append(p, p[len(p)-1]) },
	"first bit":      func(p []merkle.Hash) []merkle.Hash { p[0][0] ^= 0x80; return p },
	"last bit":       func(p []merkle.Hash) []merkle.Hash { p[len(p)-1][31] ^= 1; return p },
	"reversed": func(p []merkle.Hash) []merkle.Hash {
		if slices.Reverse(p); len(p) == 1 {
			p[0][7] ^= 1 // reversing one hash changes nothing
		}
		return p
	},
}

func TestMutatedProofsAreRefused(t *testing.T) {
	leaves := numbered(301)
	edge, full := grow(leaves)
	tiles := edge.Reader(full, nil)
	for _, size := range []uint64{1, 2, 3, 4, 7, 8, 9, 255, 256, 257, 300} {
		root := merkle.RootOf(leaves[:size])
		for _, index := range []uint64{0, 1, 2, size / 2, size - 2, size - 1} {
			if index >= size {
				continue
			}
			good, err := merkle.InclusionProof(t.Context(), index, size, tiles)
			if err != nil {
				t.Fatal(err)
			}
			refuse := func(name string, leaf merkle.Hash, index uint64, proof []merkle.Hash, root merkle.Hash) {
				t.Helper()
				if err := merkle.VerifyInclusion(leaf, index, size, proof, root); !errors.Is(err, merkle.ErrProof) {
					t.Errorf("inclusion of %d in %d, %s: %v, want ErrProof", index, size, name, err)
				}
			}
			for name, mutate := range mutations {
				if len(good) > 0 || name == "hash appended" || name == "hash prepended" {
					refuse(name, leaves[index], index, mutate(slices.Clone(good)), root)
				}
			}
			refuse("another root", leaves[index], index, good, merkle.RootOf(leaves[1:size+1]))
			refuse("the empty tree's root", leaves[index], index, good, merkle.RootOf(nil))
			refuse("another leaf", merkle.LeafHash([]byte("other")), index, good, root)
			if size > 1 {
				refuse("root as leaf", root, index, good, root)
			}
			if index^1 < size {
				refuse("neighbour's index", leaves[index], index^1, good, root)
			}
		}
		for _, old := range []uint64{1, 2, 3, size / 2, size - 1} {
			if old == 0 || old >= size {
				continue
			}
			oldRoot := merkle.RootOf(leaves[:old])
			good, err := merkle.ConsistencyProof(t.Context(), old, size, tiles)
			if err != nil {
				t.Fatal(err)
			}
			refuse := func(name string, proof []merkle.Hash, oldRoot, root merkle.Hash) {
				t.Helper()
				if err := merkle.VerifyConsistency(old, size, proof, oldRoot, root); !errors.Is(err, merkle.ErrProof) {
					t.Errorf("consistency of %d and %d, %s: %v, want ErrProof", old, size, name, err)
				}
			}
			for name, mutate := range mutations {
				refuse(name, mutate(slices.Clone(good)), oldRoot, root)
			}
			refuse("another old root", good, merkle.RootOf(leaves[1:old+1]), root)
			refuse("another new root", good, oldRoot, merkle.RootOf(leaves[1:size+1]))
			refuse("roots exchanged", good, root, oldRoot)
			refuse("rewritten history", good, merkle.RootOf(append(numbered(int(old)-1), merkle.Hash{1})), root)
		}
	}
}

// hashesOf cuts fuzzer bytes into hashes.
func hashesOf(b []byte) []merkle.Hash {
	var hashes []merkle.Hash
	for ; len(b) >= merkle.HashSize; b = b[merkle.HashSize:] {
		hashes = append(hashes, merkle.Hash(b))
	}
	return hashes
}

func join(hashes ...merkle.Hash) []byte { return slices.Concat(byteSlices(hashes)...) }

func FuzzVerifyInclusion(f *testing.F) {
	leaves := numbered(20)
	for _, size := range []int{1, 2, 5, 8, 20} {
		for _, i := range []int{0, size / 2, size - 1} {
			root := merkle.RootOf(leaves[:size])
			f.Add(uint64(i), uint64(size), leaves[i][:], join(merkle.LeafPath(leaves[:size], i)...), root[:])
		}
	}
	f.Add(uint64(math.MaxUint64-1), uint64(math.MaxUint64), leaves[0][:], make([]byte, 64*32), leaves[0][:])
	f.Fuzz(func(t *testing.T, index, size uint64, leafBytes, path, rootBytes []byte) {
		if len(leafBytes) != 32 || len(rootBytes) != 32 {
			return
		}
		leaf, root, hashes := merkle.Hash(leafBytes), merkle.Hash(rootBytes), hashesOf(path)
		want, wantErr := proof.RootFromInclusionProof(rfc6962.DefaultHasher, index, size, leaf[:], byteSlices(hashes))
		agree(t, merkle.VerifyInclusion(leaf, index, size, hashes, root),
			proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], byteSlices(hashes), root[:]))
		if wantErr == nil { // the root that this proof does lead to
			agree(t, merkle.VerifyInclusion(leaf, index, size, hashes, merkle.Hash(want)), nil)
		}
	})
}

func FuzzVerifyConsistency(f *testing.F) {
	leaves := numbered(20)
	edge, full := grow(leaves)
	for _, c := range [][2]uint64{{0, 0}, {0, 3}, {1, 2}, {3, 7}, {4, 8}, {6, 8}, {8, 20}, {19, 20}, {20, 20}} {
		p, err := merkle.ConsistencyProof(f.Context(), c[0], c[1], edge.Reader(full, nil))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c[0], c[1], join(p...), join(merkle.RootOf(leaves[:c[0]]), merkle.RootOf(leaves[:c[1]])))
	}
	f.Add(uint64(1)<<63, uint64(math.MaxUint64), make([]byte, 64*32), make([]byte, 64))
	f.Fuzz(func(t *testing.T, from, to uint64, path, roots []byte) {
		if len(roots) != 64 {
			return
		}
		oldRoot, newRoot, hashes := merkle.Hash(roots), merkle.Hash(roots[32:]), hashesOf(path)
		if from == 0 && oldRoot != merkle.RootOf(nil) {
			// We are stricter: transparency-dev does not look at the root of an empty tree.
			if merkle.VerifyConsistency(from, to, hashes, oldRoot, newRoot) == nil {
				t.Fatal("an empty tree has another root")
			}
			return
		}
		agree(t, merkle.VerifyConsistency(from, to, hashes, oldRoot, newRoot),
			proof.VerifyConsistency(rfc6962.DefaultHasher, from, to, byteSlices(hashes), oldRoot[:], newRoot[:]))
	})
}

// agree fails when two verifiers come to different verdicts, and when ours gives a reason of no kind.
func agree(t testing.TB, got, want error) {
	t.Helper()
	if (got == nil) != (want == nil) {
		t.Fatalf("verdict %v, oracle %v", got, want)
	}
	if got != nil && !errors.Is(got, merkle.ErrProof) && !errors.Is(got, merkle.ErrRange) {
		t.Fatal(fmt.Errorf("neither ErrProof nor ErrRange: %w", got))
	}
}
