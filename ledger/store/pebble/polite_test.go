package pebble_test

import (
	"context"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

// categories is a file system that counts the files that were made, by what they are for.
type categories struct {
	vfs.FS
	mu   sync.Mutex
	made map[vfs.DiskWriteCategory]int
}

// Create implements vfs.FS.
func (c *categories) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[category]++
	return c.FS.Create(name, category)
}

// compacted is how many tables compactions made.
func (c *categories) compacted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made["pebble-compaction"]
}

// Compactions and flushes step back for those who answer calls: the engine knows their tables by words of Pebble's.
func TestPoliteTablesAreKnown(t *testing.T) {
	disk := &categories{FS: vfs.NewMem(), made: make(map[vfs.DiskWriteCategory]int)}
	engine, err := pebble.Open("dir", pebble.Options{FS: disk, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var batch store.Batch
		for key := range byte(200) {
			batch.Set([]byte{1, key}, make([]byte, 1000))
		}
		if err := engine.Commit(context.Background(), &batch, engine.Head()); err != nil {
			t.Fatal(err)
		}
		if err := engine.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if disk.compacted() == 0 || disk.made["pebble-memtable-flush"] == 0 {
		t.Errorf("files were made for %v", disk.made)
	}
}
