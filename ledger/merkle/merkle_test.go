package merkle_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLeafHash(t *testing.T) {
	// Lengths on both sides of every internal boundary, up to the longest entry.
	for _, n := range []int{0, 1, 31, 32, 55, 63, 64, 1022, 1023, 1024, 1025, 65535} {
		data := bytes.Repeat([]byte{0xa5}, n)
		if got, want := merkle.LeafHash(data), rfc6962.DefaultHasher.HashLeaf(data); !bytes.Equal(got[:], want) {
			t.Errorf("LeafHash of %d bytes = %x, want %x", n, got, want)
		}
	}
}

func TestNodeHash(t *testing.T) {
	l, r := merkle.LeafHash([]byte("l")), merkle.LeafHash([]byte("r"))
	if got, want := merkle.NodeHash(l, r), rfc6962.DefaultHasher.HashChildren(l[:], r[:]); !bytes.Equal(got[:], want) {
		t.Errorf("NodeHash = %x, want %x", got, want)
	}
	if merkle.NodeHash(l, r) == merkle.NodeHash(r, l) {
		t.Error("NodeHash ignores the order of its children")
	}
}

// The eight leaves, and the roots of the trees over the first n of them, that Certificate Transparency logs are tested with.
var (
	ctLeaves = []string{
		"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
	}
	ctRoots = []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
)

func TestCertificateTransparencyVectors(t *testing.T) {
	var leaves []merkle.Hash
	var edge merkle.Edge
	for size, want := range ctRoots {
		if got := merkle.RootOf(leaves); !bytes.Equal(got[:], unhex(t, want)) {
			t.Errorf("RootOf %d leaves = %x, want %s", size, got, want)
		}
		if got := edge.Root(); !bytes.Equal(got[:], unhex(t, want)) {
			t.Errorf("Edge.Root of %d leaves = %x, want %s", size, got, want)
		}
		if size < len(ctLeaves) {
			h := merkle.LeafHash(unhex(t, ctLeaves[size]))
			leaves = append(leaves, h)
			edge.Append(nil, h)
		}
	}
}

// TestSmallTree goes through the submission side of the package at every size to 70 and at every leaf, and at some sizes
// up to the limit of a submission.
func TestSmallTree(t *testing.T) {
	leaves := numbered(1000)
	oracle := storedHashes(t, leaves)
	for size := range len(leaves) + 1 {
		root, err := tlog.TreeHash(int64(size), oracle)
		if err != nil {
			t.Fatal(err)
		}
		if got := merkle.RootOf(leaves[:size]); got != root {
			t.Fatalf("RootOf %d leaves = %v, want %v", size, got, root)
		}
		if size > 70 && size%111 != 0 && size != len(leaves) {
			continue
		}
		for i := 0; i < size; i += 1 + size/71*7 {
			path := merkle.LeafPath(leaves[:size], i)
			want, err := tlog.ProveRecord(int64(size), int64(i), oracle)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(path, []merkle.Hash(want)) {
				t.Fatalf("LeafPath of leaf %d of %d differs from tlog", i, size)
			}
			if err := merkle.VerifyPath(leaves[i], uint64(i), uint64(size), path, root); err != nil {
				t.Fatalf("VerifyPath of leaf %d of %d: %v", i, size, err)
			}
		}
	}
}

func TestLeafPathPanicsOutOfRange(t *testing.T) {
	for _, i := range []int{-1, 3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("LeafPath of leaf %d of 3 returned", i)
				}
			}()
			merkle.LeafPath(numbered(3), i)
		}()
	}
}

func TestHashingAllocatesNothing(t *testing.T) {
	leaves, data := numbered(1000), make([]byte, 600)
	edge, _ := grow(leaves)
	for name, f := range map[string]func(){
		"LeafHash":  func() { merkle.LeafHash(data) },
		"RootOf":    func() { merkle.RootOf(leaves) },
		"Edge.Root": func() { edge.Root() },
	} {
		if n := testing.AllocsPerRun(10, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
