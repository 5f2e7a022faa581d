package main

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// What a running bank serves is read and verified here by other people's code, which knows nothing of the bank: the tile reader
// of golang.org/x/mod/sumdb/tlog, the client of filippo.io/torchwood, and the verifiers of github.com/transparency-dev/merkle.

// aLog runs a demo whose log has full and partial tiles, and answers it as everybody sees it.
func aLog(t *testing.T) (*public, addresses, tlog.Tree) {
	t.Helper()
	_, at, r := demo(t, "--accounts", "20", "--completions", "600")
	p := &public{t: t, address: at.http, log: verifier(t, r.LogVerifierKey, note.NewVerifier)}
	checkpoint, _ := p.checkpoint()
	if checkpoint.Origin != demoOrigin || checkpoint.N <= 2*torchwood.TileWidth || checkpoint.N%torchwood.TileWidth == 0 {
		t.Fatalf("the log is %s with %d entries: it has to have full tiles and a partial one", checkpoint.Origin, checkpoint.N)
	}
	return p, at, checkpoint.Tree
}

// sizes are some sizes of a log, old ones and the newest.
func sizes(newest int64) []int64 {
	return []int64{1, 2, 3, 5, 255, 256, 257, 300, 511, 512, 513, newest - 1, newest}
}

// tiles reads a log's tiles for tlog, which calls their paths otherwise than C2SP tlog-tiles does.
type tiles struct{ log *public }

// Height implements tlog.TileReader.
func (tiles) Height() int { return torchwood.TileHeight }

// ReadTiles implements tlog.TileReader.
func (r tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, tile := range wanted {
		code, content := r.log.get(torchwood.TilePath(tile))
		if code != http.StatusOK {
			return nil, fmt.Errorf("%s answers %d", torchwood.TilePath(tile), code)
		}
		all[i] = []byte(content)
	}
	return all, nil
}

// SaveTiles implements tlog.TileReader.
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func treeProof(hashes [][]byte) tlog.TreeProof {
	all := make(tlog.TreeProof, len(hashes))
	for i, hash := range hashes {
		all[i] = tlog.Hash(hash)
	}
	return all
}

// tlog reads and verifies all tiles, and makes of them the proofs that the bank answers.
func TestTlogReadsTheTiles(t *testing.T) {
	everyone, at, newest := aLog(t)
	reader := tlog.TileHashReader(newest, tiles{everyone})
	ledger := creditbankv1.NewLedgerServiceClient(dial(t, at.grpc, ""))
	indexes := make([]int64, newest.N)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, int64(i))
	}
	leaves, err := reader.ReadHashes(indexes)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes(newest.N) {
		root, err := tlog.TreeHash(size, reader)
		if err != nil {
			t.Fatal(err)
		}
		// As a reader who saw the log when it had this size: its right edge is served still.
		old := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{everyone})
		if _, err := old.ReadHashes(indexes[:size]); err != nil {
			t.Errorf("the tiles of the log when it had %d entries: %v", size, err)
		}
		want, err := tlog.ProveTree(newest.N, size, reader)
		if err != nil {
			t.Fatal(err)
		}
		consistency, err := ledger.GetConsistencyProof(t.Context(), &creditbankv1.GetConsistencyProofRequest{OldSize: uint64(size)})
		if err != nil || int64(consistency.GetNewSize()) != newest.N {
			t.Fatalf("consistency of %d: %d, %v", size, consistency.GetNewSize(), err)
		}
		if got := treeProof(consistency.GetHashes()); !slices.Equal(got, want) || tlog.CheckTree(got, newest.N, newest.Hash, size, root) != nil {
			t.Errorf("consistency of %d entries: the bank answers %v, tlog makes %v", size, got, want)
		}
		inclusion, err := ledger.GetInclusionProof(t.Context(), &creditbankv1.GetInclusionProofRequest{Index: uint64(size - 1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(tlog.RecordProof(treeProof(inclusion.GetHashes())), newest.N, newest.Hash, size-1, leaves[size-1]); err != nil {
			t.Errorf("inclusion of entry %d: %v", size-1, err)
		}
	}
	// A root that is not the log's is not proved by its tiles.
	other := newest
	other.Hash[0] ^= 1
	if _, err := tlog.TileHashReader(other, tiles{everyone}).ReadHashes(indexes[:1]); err == nil {
		t.Error("tiles prove another root")
	}
}

// leafTiles is the path of tiles for a client that expects entries: the bank serves none, since they concern people, and so
// the client reads the leaf hashes in their place.
func leafTiles(tile tlog.Tile) string {
	if tile.L == -1 {
		tile.L = 0
	}
	return torchwood.TilePath(tile)
}

func cutLeaf(tile []byte) (entry []byte, hash tlog.Hash, rest []byte, err error) {
	if len(tile) < tlog.HashSize {
		return nil, hash, nil, fmt.Errorf("%d bytes are no leaf hash", len(tile))
	}
	entry, rest = tile[:tlog.HashSize], tile[tlog.HashSize:]
	return entry, tlog.Hash(entry), rest, nil
}

// torchwood's client opens the checkpoint and goes through all leaves; those of the entries that anybody may read are the
// hashes of the bytes that the bank answers for them.
func TestTorchwoodReadsTheLog(t *testing.T) {
	everyone, at, newest := aLog(t)
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	fetcher, err := torchwood.NewTileFetcher("http://"+at.http+"/log/",
		torchwood.WithHTTPClient(&http.Client{Transport: transport}), torchwood.WithTilePath(leafTiles))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := fetcher.ReadEndpoint(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(demoOrigin), torchwood.SingleVerifierPolicy(everyone.log))
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil || checkpoint.Tree != newest {
		t.Fatalf("it reads %+v, %v", checkpoint, err)
	}
	client, err := torchwood.NewClient(fetcher, torchwood.WithCutEntry(cutLeaf))
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for index, leaf := range client.AllEntries(t.Context(), checkpoint.Tree, 0) {
		if index != int64(len(leaves)) {
			t.Fatalf("leaf %d comes after %d", index, len(leaves))
		}
		leaves = append(leaves, bytes.Clone(leaf))
	}
	if err := client.Err(); err != nil || int64(len(leaves)) != newest.N {
		t.Fatalf("it reads %d of %d leaves, %v", len(leaves), newest.N, err)
	}
	for _, size := range sizes(newest.N) {
		leaf, proved, err := client.Entry(t.Context(), checkpoint.Tree, size-1)
		if err != nil || !bytes.Equal(leaf, leaves[size-1]) || tlog.CheckRecord(proved, newest.N, newest.Hash, size-1, tlog.Hash(leaf)) != nil {
			t.Errorf("leaf %d: %x, %v", size-1, leaf, err)
		}
	}

	ledger := creditbankv1.NewLedgerServiceClient(dial(t, at.grpc, ""))
	listed, public := 0, 0
	for request := new(creditbankv1.ListEntriesRequest); ; {
		answer, err := ledger.ListEntries(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range answer.GetEntries() {
			listed++
			if !bytes.Equal(entry.GetLeafHash(), leaves[entry.GetIndex()]) {
				t.Errorf("entry %d is listed with another leaf than the tiles have", entry.GetIndex())
			}
			if len(entry.GetEntry()) == 0 {
				continue // it concerns a person
			}
			public++
			if hash := tlog.RecordHash(entry.GetEntry()); !bytes.Equal(hash[:], leaves[entry.GetIndex()]) {
				t.Errorf("the bytes of entry %d are not those of its leaf", entry.GetIndex())
			}
		}
		if request.PageToken = answer.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if int64(listed) != newest.N || public < 30 || public == listed {
		t.Errorf("of %d entries %d were listed, and %d are anybody's", newest.N, listed, public)
	}
}

// transparency-dev's verifiers take every proof that the bank answers, and none that was changed.
func TestTransparencyDevVerifiesTheProofs(t *testing.T) {
	_, at, newest := aLog(t)
	ledger := creditbankv1.NewLedgerServiceClient(dial(t, at.grpc, ""))
	size := uint64(newest.N)
	var leaves [][]byte
	for index := range size {
		answer, err := ledger.GetInclusionProof(t.Context(), &creditbankv1.GetInclusionProofRequest{Index: index})
		if err != nil || answer.GetSize() != size {
			t.Fatalf("entry %d: of %d entries, %v", index, answer.GetSize(), err)
		}
		leaves = append(leaves, answer.GetLeafHash())
		err = proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, answer.GetLeafHash(), answer.GetHashes(), newest.Hash[:])
		if err != nil {
			t.Errorf("inclusion of entry %d: %v", index, err)
		}
		changed := slices.Clone(answer.GetHashes())
		changed[index%uint64(len(changed))] = answer.GetLeafHash()
		if proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, answer.GetLeafHash(), changed, newest.Hash[:]) == nil {
			t.Errorf("inclusion of entry %d is proved by other hashes too", index)
		}
	}
	var grown []byte
	for _, old := range sizes(newest.N) {
		inclusion, err := ledger.GetInclusionProof(t.Context(), &creditbankv1.GetInclusionProofRequest{Index: 0, Size: uint64(old)})
		if err != nil {
			t.Fatal(err)
		}
		root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, 0, uint64(old), leaves[0], inclusion.GetHashes())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := ledger.GetConsistencyProof(t.Context(), &creditbankv1.GetConsistencyProofRequest{OldSize: uint64(old), NewSize: size})
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), size, answer.GetHashes(), root, newest.Hash[:]); err != nil {
			t.Errorf("consistency of %d entries: %v", old, err)
		}
		if grown != nil && proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), size, answer.GetHashes(), grown, newest.Hash[:]) == nil {
			t.Errorf("consistency of %d entries is proved for another root too", old)
		}
		grown = root
	}
}
