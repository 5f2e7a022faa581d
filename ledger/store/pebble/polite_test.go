package pebble_test

import (
	"context"
	"sync"
	"testing"
	"time"

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

// slowFile takes its time for every write.
type slowFile struct {
	vfs.File
	write func()
}

// Write implements vfs.File.
func (f slowFile) Write(p []byte) (int, error) {
	f.write()
	return len(p), nil
}

// A compaction takes a quarter of a core while nobody waits for it, and L0 is not deep, and steps back after every block until it is very
// deep.
func TestCompactionsPause(t *testing.T) {
	now, took, slept := time.Unix(0, 0), time.Duration(0), time.Duration(0)
	depth, asked, stepped := 16, 0, 0
	table, wait := pebble.Compacted(slowFile{write: func() { now = now.Add(took) }}, func() time.Time { return now }, func(d time.Duration) {
		now, slept = now.Add(d), slept+d
	}, func() { stepped++ }, func() int {
		asked++
		return depth
	})
	write := func(each time.Duration, times int) time.Duration {
		t.Helper()
		took, slept, stepped = each, 0, 0
		for range times {
			if n, err := table.Write(make([]byte, 100)); n != 100 || err != nil {
				t.Fatalf("wrote %d bytes, %v", n, err)
			}
		}
		return slept
	}
	if got := write(100*time.Microsecond, 1000); got != 300*time.Millisecond || asked != 1 {
		t.Errorf("of 100 ms of work it rested %s, and asked %d times how deep L0 is", got, asked)
	}
	if got := write(time.Minute, 1); got != 20*time.Millisecond {
		t.Errorf("once it rested %s", got)
	}
	depth = 32
	if got := write(10*time.Millisecond, 100); got >= time.Second || asked < 3 {
		t.Errorf("when L0 became deep, it rested %s", got)
	}
	if got := write(10*time.Millisecond, 1000); got != 0 {
		t.Errorf("when L0 was deep, it rested %s", got)
	}
	if stepped != 1000 {
		t.Errorf("it stepped back %d times", stepped)
	}
	depth = 48
	write(time.Second, 1)
	if write(10*time.Millisecond, 1000); stepped != 0 {
		t.Errorf("when L0 was very deep, it stepped back %d times", stepped)
	}
	depth = 31
	write(time.Second, 1)
	if got := write(10*time.Millisecond, 10); got != 200*time.Millisecond {
		t.Errorf("when L0 was not deep any more, it rested %s", got)
	}
	wait()
	if got := write(10*time.Millisecond, 100); got != 0 {
		t.Errorf("when somebody waited, it rested %s", got)
	}
	if stepped != 100 {
		t.Errorf("when somebody waited, it stepped back %d times", stepped)
	}
}
