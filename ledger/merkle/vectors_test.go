package merkle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// vectors is testdata/vectors.json, which testdata/vectors.py makes without any of our code.
type vectors struct {
	Size  int
	Roots []struct {
		Size uint64
		Root string
	}
	Tiles []struct {
		Path, SHA256 string
	}
	Inclusion []struct {
		Index, Size uint64
		Proof       []string
	}
	Consistency []struct {
		Old, New uint64
		Proof    []string
	}
	Checkpoint struct {
		Origin, Seed, VKey, Signed string
	}
}

func hexes(hashes []merkle.Hash) []string {
	s := make([]string, len(hashes))
	for i, h := range hashes {
		s[i] = hex.EncodeToString(h[:])
	}
	return s
}

func TestIndependentVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	dec := json.NewDecoder(bytes.NewReader(file))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Roots) == 0 || len(v.Tiles) == 0 || len(v.Inclusion) == 0 || len(v.Consistency) == 0 {
		t.Fatal("vectors are missing")
	}
	leaves := numbered(v.Size)
	edge, full := grow(leaves)
	tiles := edge.Reader(full, nil)

	for _, r := range v.Roots {
		if got, err := merkle.RootAt(t.Context(), r.Size, tiles); err != nil || hex.EncodeToString(got[:]) != r.Root {
			t.Errorf("RootAt(%d) = %x, %v, want %s", r.Size, got, err, r.Root)
		}
		if got := merkle.RootOf(leaves[:r.Size]); hex.EncodeToString(got[:]) != r.Root {
			t.Errorf("RootOf %d leaves = %x, want %s", r.Size, got, r.Root)
		}
	}
	for _, x := range v.Tiles {
		tile, err := merkle.ParseTilePath(x.Path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := tiles.ReadTiles(t.Context(), []merkle.Tile{tile})
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data[0]); hex.EncodeToString(sum[:]) != x.SHA256 {
			t.Errorf("%s has the hash %x, want %s", x.Path, sum, x.SHA256)
		}
	}
	for _, x := range v.Inclusion {
		if got, err := merkle.InclusionProof(t.Context(), x.Index, x.Size, tiles); err != nil || !slices.Equal(hexes(got), x.Proof) {
			t.Errorf("InclusionProof(%d, %d) = %x, %v, want %s", x.Index, x.Size, got, err, x.Proof)
		}
	}
	for _, x := range v.Consistency {
		if got, err := merkle.ConsistencyProof(t.Context(), x.Old, x.New, tiles); err != nil || !slices.Equal(hexes(got), x.Proof) {
			t.Errorf("ConsistencyProof(%d, %d) = %x, %v, want %s", x.Old, x.New, got, err, x.Proof)
		}
	}

	key := ed25519.NewKeyFromSeed(unhex(t, v.Checkpoint.Seed))
	if got := merkle.VerifierKey(v.Checkpoint.Origin, key.Public().(ed25519.PublicKey)); got != v.Checkpoint.VKey {
		t.Errorf("VerifierKey = %s, want %s", got, v.Checkpoint.VKey)
	}
	signer, err := note.NewSigner(merkle.SignerKey(v.Checkpoint.Origin, key))
	if err != nil {
		t.Fatal(err)
	}
	c := merkle.Checkpoint{Origin: v.Checkpoint.Origin, Size: edge.Size(), Root: edge.Root()}
	if got, err := merkle.Sign(c, signer); err != nil || string(got) != v.Checkpoint.Signed {
		t.Errorf("Sign = %q, %v, want %q", got, err, v.Checkpoint.Signed)
	}
}
