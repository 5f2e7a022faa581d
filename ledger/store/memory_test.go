package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

func TestMemory(t *testing.T) {
	ledgertest.TestEngine(t, func(*testing.T) store.Engine { return store.NewMemory() }, nil)
}

func TestPrefix(t *testing.T) {
	for _, test := range []struct{ prefix, end string }{
		{"a", "b"},
		{"a\xff", "b"},
		{"a\x00", "a\x01"},
		{"\xfe\xff\xff", "\xff"},
		{"\xff", ""},
		{"\xff\xff", ""},
		{"", ""},
	} {
		prefix := []byte(test.prefix)
		r := store.Prefix(prefix)
		if string(r.Start) != test.prefix || string(r.End) != test.end || (r.End == nil) != (test.end == "") {
			t.Errorf("Prefix(%q) = [%q, %q), want the end %q", test.prefix, r.Start, r.End, test.end)
		}
		if string(prefix) != test.prefix {
			t.Errorf("Prefix changed its argument %q to %q", test.prefix, prefix)
		}
	}
}

func TestBatchTooLarge(t *testing.T) {
	var b store.Batch
	value := make([]byte, store.MaxBatchBytes-1)
	b.Set([]byte("k"), value)
	if err := b.Check(); err != nil || b.Bytes() != store.MaxBatchBytes {
		t.Errorf("a batch of %d bytes: %v", b.Bytes(), err)
	}
	b.Delete([]byte("k"))
	if err := b.Check(); !errors.Is(err, store.ErrBatch) {
		t.Errorf("a batch of %d bytes: %v, want ErrBatch", b.Bytes(), err)
	}
}

// TestSnapshotCost holds that a snapshot costs the same however many rows there are.
func TestSnapshotCost(t *testing.T) {
	cost := func(rows int) float64 {
		engine, b := store.NewMemory(), new(store.Batch)
		for i := range rows {
			b.Set(binary.BigEndian.AppendUint32([]byte{1}, uint32(i)), nil)
		}
		if err := engine.Commit(context.Background(), b, 0); err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(10, func() {
			s, err := engine.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := cost(1), cost(50_000); few != many {
		t.Errorf("%v allocations with one row, %v with many", few, many)
	}
}
