package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

// TestCompact overwrites rows many times: afterwards the newest of each is there, and nothing else takes room.
func TestCompact(t *testing.T) {
	const rows, rowBytes, rounds = 200, 1000, 20
	disk := vfs.NewMem()
	engine := open(t, "data", pebble.Options{FS: disk})
	if err := engine.Compact(t.Context()); err != nil {
		t.Fatalf("Compact of nothing = %v", err)
	}
	random := rand.NewChaCha8([32]byte{}) // what it gives does not shrink
	newest := make(map[string]string)
	for range rounds {
		var b store.Batch
		for i := range rows {
			key := fmt.Sprintf("row %03d", i)
			content := make([]byte, rowBytes)
			_, _ = random.Read(content)
			newest[key] = string(content)
			b.Set([]byte(key), content)
		}
		if err := engine.Commit(t.Context(), &b, engine.Head()); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, engine, "\xff\xff", "last")
	if err := engine.Compact(t.Context()); err != nil {
		t.Fatalf("Compact = %v", err)
	}
	bytes, err := engine.DiskBytes()
	if err != nil || bytes < rows*rowBytes || bytes > rows*rowBytes*5/4 {
		t.Errorf("%d bytes (%v) for %d rows of %d that don't shrink", bytes, err, rows, rowBytes)
	}
	shut(t, engine)
	engine = open(t, "data", pebble.Options{FS: disk})
	for key, want := range newest {
		if value(t, engine, key) != want {
			t.Errorf("%s has changed", key)
		}
	}
	if value(t, engine, "\xff\xff") != "last" {
		t.Error("the last row is gone")
	}
	shut(t, engine)
}

func TestCompactRefuses(t *testing.T) {
	disk := vfs.NewMem()
	engine := open(t, "data", pebble.Options{FS: disk})
	mustPut(t, engine, "k", strings.Repeat("v", 100))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := engine.Compact(canceled); err == nil {
		t.Error("Compact goes on although nobody waits for it")
	}
	shut(t, engine)
	if err := engine.Compact(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Compact of a closed engine = %v", err)
	}
	if _, err := engine.DiskBytes(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("DiskBytes of a closed engine = %v", err)
	}
	engine = open(t, "data", pebble.Options{FS: disk, ReadOnly: true})
	if err := engine.Compact(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("Compact of an engine that is only read = %v", err)
	}
	shut(t, engine)
}
