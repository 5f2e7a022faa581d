package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// lie writes a bundle of a bank that has other entries in its log, of which only those of the bundle are known, and signs what it likes.
func lie(t *testing.T, b *ledgerv1.TransferBundle, change func(e *ledgerv1.Entry)) ([]byte, note.Verifier) {
	t.Helper()
	var leaves []merkle.Hash
	indexes := make([]int, len(b.GetEntries()))
	for i, one := range b.Entries {
		e := new(ledgerv1.Entry)
		must(t, proto.Unmarshal(one.GetEntry(), e))
		change(e)
		raw, err := proto.Marshal(e)
		must(t, err)
		one.Entry = raw
		for indexes[i] = int(e.GetIndex()); len(leaves) < indexes[i]; {
			leaves = append(leaves, merkle.Hash{})
		}
		leaves = append(leaves, merkle.LeafHash(raw))
	}
	for i, one := range b.Entries {
		one.Proof = nil
		for _, h := range merkle.LeafPath(leaves, indexes[i]) {
			one.Proof = append(one.Proof, h[:])
		}
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	signer, err := note.NewSigner(merkle.SignerKey(apitest.Origin, key))
	must(t, err)
	b.Checkpoint, err = merkle.Sign(merkle.Checkpoint{Origin: apitest.Origin, Size: uint64(len(leaves)), Root: merkle.RootOf(leaves)}, signer)
	must(t, err)
	verifier, err := note.NewVerifier(merkle.VerifierKey(apitest.Origin, key.Public().(ed25519.PublicKey)))
	must(t, err)
	return write(t, b), verifier
}

// A bank cannot say of a transfer what its own entries do not bear out, even where it signs all of them.
func TestLies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	placed := func(lie func(*ledgerv1.HoldPlaced)) func(*ledgerv1.Entry) {
		return func(e *ledgerv1.Entry) {
			if e.GetHoldPlaced() != nil {
				lie(e.GetHoldPlaced())
			}
		}
	}
	posted := func(lie func(*ledgerv1.Entry, []*ledgerv1.HoldTaken)) func(*ledgerv1.Entry) {
		return func(e *ledgerv1.Entry) {
			if e.GetHoldPosted() != nil {
				lie(e, e.GetHoldPosted().GetTaken())
			}
		}
	}
	if file, verifier := lie(t, read(t, w.file), func(*ledgerv1.Entry) {}); func() error { _, err := bundle.Verify(file, verifier, apitest.Origin); return err }() != nil {
		t.Fatal("the truth is refused")
	}
	var deadline int64
	_, hold := at(t, read(t, w.file), func(e *ledgerv1.Entry) bool { return e.GetHoldPlaced() != nil })
	deadline = hold.GetHoldPlaced().GetDeadline()
	_, platforms := at(t, read(t, w.file), func(e *ledgerv1.Entry) bool { return e.GetKeyAdded().GetOrganization() == apitest.Platform })
	for name, c := range map[string]struct {
		lie  func(*ledgerv1.Entry)
		want string
	}{
		"a lot twice": {func(e *ledgerv1.Entry) {
			if f := e.GetHoldPlaced(); f != nil {
				f.Items = append(f.Items, f.Items[0])
			}
			if f := e.GetHoldPosted(); f != nil {
				f.Taken = append(f.Taken, f.Taken[0])
			}
		}, "twice"},
		"less than nothing is given": {posted(func(_ *ledgerv1.Entry, taken []*ledgerv1.HoldTaken) { taken[0].Granted = -1_000_000 }), "or less than nothing"},
		"something for nothing":      {posted(func(_ *ledgerv1.Entry, taken []*ledgerv1.HoldTaken) { taken[0].MilliCredits = 0 }), "more of item 0 than was held"},
		"more than was held":         {posted(func(_ *ledgerv1.Entry, taken []*ledgerv1.HoldTaken) { taken[0].MilliCredits++ }), "more of item 0 than was held"},
		"less than nothing is held":  {placed(func(f *ledgerv1.HoldPlaced) { f.Items[0].MilliCredits = -1 }), "or less than nothing"},
		"amounts beyond all": {func(e *ledgerv1.Entry) {
			if f := e.GetHoldPlaced(); f != nil {
				f.Items[0].Granted = 1 << 62
			}
			if f := e.GetHoldPosted(); f != nil {
				f.Taken[0].Granted = 1 << 62
			}
		}, "are none that there are"},
		"accepted when it lapsed": {posted(func(e *ledgerv1.Entry, _ []*ledgerv1.HoldTaken) { e.Time = deadline }), "not open any more"},
		"learned on another day":  {placed(func(f *ledgerv1.HoldPlaced) { f.Items[0].Completion.EndDay += 400 }), "ended on another day"},
		"of another category":     {placed(func(f *ledgerv1.HoldPlaced) { f.Items[0].Category = "vocational2" }), "of category"},
		"of another institution":  {placed(func(f *ledgerv1.HoldPlaced) { f.Institution = "vocational-college" }), "publishes no agreement of"},
		"of another account":      {placed(func(f *ledgerv1.HoldPlaced) { f.Account[0] ^= 1 }), "of another account"},
		"of another lot":          {placed(func(f *ledgerv1.HoldPlaced) { f.Items[0].Position = 9 }), "it gives no lot 9"},
		"a lot of something else": {placed(func(f *ledgerv1.HoldPlaced) { f.Items[0].Entry = f.Items[1].Entry }), ""},
		"an agreement of other words": {func(e *ledgerv1.Entry) {
			if f := e.GetAgreementPublished(); f != nil {
				f.Yaml = append(f.Yaml, '#')
			}
		}, "another hash"},
		"an agreement of other words, with their hash": {func(e *ledgerv1.Entry) {
			if f := e.GetAgreementPublished(); f != nil {
				f.Yaml = append(f.Yaml, '#')
				hash := sha256.Sum256(f.Yaml)
				f.AgreementHash = hash[:]
			}
		}, "does not hold over the agreement"},
		"an agreement under another signature": {func(e *ledgerv1.Entry) {
			if f := e.GetAgreementPublished(); f != nil {
				f.Signature[7] ^= 1
			}
		}, "does not hold over the agreement"},
		"an agreement that a platform signed": {func(e *ledgerv1.Entry) {
			if f := e.GetAgreementPublished(); f != nil {
				f.KeyId = platforms.GetKeyAdded().GetKeyId()
			}
		}, "the key does not stand for entry"},
		"an agreement under a key that is not there": {func(e *ledgerv1.Entry) {
			if f := e.GetAgreementPublished(); f != nil {
				f.KeyId = make([]byte, 32)
			}
		}, "the transfer does not stand on it"},
		"an agreement signed before its key was known": {func(e *ledgerv1.Entry) {
			if f := e.GetKeyAdded(); f != nil && f.GetOrganization() == university {
				f.ValidFrom = 1 << 60
			}
		}, "the key does not stand for entry"},
		"a key of somebody else": {func(e *ledgerv1.Entry) {
			if f := e.GetKeyAdded(); f != nil {
				f.Organization = "vocational-college"
			}
		}, "possession"},
	} {
		file, verifier := lie(t, read(t, w.file), c.lie)
		_, err := bundle.Verify(file, verifier, apitest.Origin)
		fault := (*bundle.Error)(nil)
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", name, err, c.want)
		}
	}
}

// A file of a great many empty parts is refused before they take fifty times its size in memory.
func TestManyParts(t *testing.T) {
	hollow := func(part ...byte) []byte {
		content := bytes.Repeat(part, max(1, 8<<20/len(part)))
		return append([]byte("creditbank/v1 transfer bundle "+strconv.Itoa(len(content))+"\n"), content...)
	}
	inside := func(field byte, length int) []byte { // one entry, or statement, of many empty hashes
		hashes := bytes.Repeat([]byte{field, 0}, length/2)
		return slices.Concat([]byte{0x22, 0x80, 0x80, 0x80, 0x04}, hashes)
	}
	w := newWorld(t)
	for name, file := range map[string][]byte{
		"entries": hollow(0x22, 0), "statements": hollow(0x2a, 0), "hashes": hollow(inside(0x12, 8<<20)...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := bundle.Verify(file, w.Verifier, apitest.Origin)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > uint64(len(file)) {
			t.Errorf("%s: %d bytes for a file of %d: %v", name, took, len(file), err)
		}
	}
}
