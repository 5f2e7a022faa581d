package ledger_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// agree holds the check of an entry's bytes to what reflection over the decoded entry finds.
func agree(t *testing.T, b []byte) {
	t.Helper()
	e := new(ledgerv1.Entry)
	decoded := proto.Unmarshal(b, e)
	if flaw := ledger.EntryFlaw(b); (flaw == nil) != (decoded == nil && !unknownAnywhere(e.ProtoReflect())) {
		t.Errorf("entry %x: found %v; it decodes with %v and holds unknown fields: %t", b, flaw, decoded, unknownAnywhere(e.ProtoReflect()))
	}
}

func TestEntryFlaw(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, golden := range readGolden[goldenLog](t, "entries.json").Entries {
		agree(t, golden.Bytes)
		if err := ledger.EntryFlaw(golden.Bytes); err != nil {
			t.Errorf("%s: %v", golden.Fact, err)
		}
		for range 40 {
			flipped := bytes.Clone(golden.Bytes)
			flipped[random.IntN(len(flipped))] ^= 1 << random.IntN(8)
			agree(t, flipped)
		}
		agree(t, golden.Bytes[:len(golden.Bytes)-1])
		agree(t, protowire.AppendVarint(protowire.AppendTag(bytes.Clone(golden.Bytes), 99, protowire.VarintType), 1))
		agree(t, protowire.AppendBytes(protowire.AppendTag(bytes.Clone(golden.Bytes), 1, protowire.BytesType), []byte("index")))
	}
}

func FuzzEntryFlaw(f *testing.F) {
	f.Add([]byte{8, 1, 0x1a, 1, 'x'})
	f.Add([]byte{0x42, 4, 0x0a, 2, 0xff, 0xfe})
	f.Add([]byte{0x0b, 0x0c})
	f.Fuzz(agree)
}
