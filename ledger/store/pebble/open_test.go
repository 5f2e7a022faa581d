package pebble_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

// Whoever may not use a directory is told so in a way that its caller can tell from other faults.
func TestOpenWithoutPermission(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpLock, errorfs.OpOpen} {
		disk := vfs.NewMem()
		shut(t, open(t, "data", pebble.Options{FS: disk}))
		refusing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == kind && strings.HasPrefix(op.Path, "data/") {
				return &fs.PathError{Op: "open", Path: op.Path, Err: fs.ErrPermission}
			}
			return nil
		}))
		if _, err := pebble.Open("data", pebble.Options{FS: refusing}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open = %v", err)
		}
	}
}

// Opening flushes what the log has, and each flush of the same rows makes L0 deeper. However deep it is, nobody waits for its
// compaction before the store is open; it comes with the first flush afterwards.
func TestOpenWaitsForNoCompaction(t *testing.T) {
	disk := &categories{FS: vfs.NewMem(), made: make(map[vfs.DiskWriteCategory]int)}
	var engine *pebble.Engine
	reopen := func() {
		t.Helper()
		if engine != nil {
			if err := engine.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if engine, err = pebble.Open("dir", pebble.Options{FS: disk, CacheBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(rows, bytes int) {
		t.Helper()
		var batch store.Batch
		for i := range rows {
			batch.Set(binary.BigEndian.AppendUint32([]byte{1}, uint32(i)), make([]byte, bytes))
		}
		if err := engine.Commit(context.Background(), &batch, engine.Head()); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 { // deeper than compactions begin
		reopen()
		commit(10, 10)
	}
	reopen()
	if n := disk.compacted(); n > 0 {
		t.Errorf("compactions made %d tables while nothing but opening flushed", n)
	}
	for round := 0; disk.compacted() == 0; round++ {
		if round == 100 {
			t.Fatal("no compaction came after 100 tables in memory were full")
		}
		commit(1024, 64<<10) // as much as one holds
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}
