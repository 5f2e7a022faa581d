package pebble_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

// TestCheckpoint takes checkpoints while somebody commits: each opens, and holds the rows of the head that it is said to be
// of, all of them and no more.
func TestCheckpoint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	engine := open(t, dir, pebble.Options{})
	defer shut(t, engine)
	var (
		stop   = make(chan struct{})
		writer sync.WaitGroup
	)
	writer.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := put(engine, fmt.Sprintf("k%08d", i), strings.Repeat("v", 1000)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	var last store.Head
	for range 8 {
		var at string
		err := engine.Checkpoint(func(dir string, head store.Head) error {
			at = dir
			copied := open(t, dir, pebble.Options{ReadOnly: true})
			defer shut(t, copied)
			rows := 0
			for _, err := range copied.Scan(t.Context(), store.Prefix([]byte("k"))) {
				if err != nil {
					return err
				}
				rows++
			}
			if copied.Head() != head || rows != int(head) || head < last {
				t.Errorf("a checkpoint of head %d, after one of %d, has head %d and %d rows", head, last, copied.Head(), rows)
			}
			last = head
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", at, err)
		}
	}
	close(stop)
	writer.Wait()
	if last == 0 {
		t.Error("nothing was committed meanwhile")
	}
}

// A checkpoint that fails, or whose use does, is removed, and the store goes on: a full disk stops a backup and not the bank.
func TestCheckpointThatFails(t *testing.T) {
	disk := vfs.NewMem()
	var full errorfs.InjectorFunc = func(op errorfs.Op) error {
		if strings.Contains(op.Path, "checkpoint/") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("no space left on device")
		}
		return nil
	}
	engine := open(t, "data", pebble.Options{FS: errorfs.Wrap(disk, full)})
	defer shut(t, engine)
	mustPut(t, engine, "k", "1")
	err := engine.Checkpoint(func(string, store.Head) error { return errors.New("it was used") })
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Checkpoint = %v", err)
	}
	if _, err := disk.Stat("data/checkpoint"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	mustPut(t, engine, "k", "2")

	sound := open(t, "sound", pebble.Options{FS: disk})
	defer shut(t, sound)
	cause := errors.New("cause")
	if err := sound.Checkpoint(func(string, store.Head) error { return cause }); !errors.Is(err, cause) {
		t.Errorf("Checkpoint = %v", err)
	}
	if _, err := disk.Stat("sound/checkpoint"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

// What a process leaves that was ended while it made a checkpoint is removed by the next one.
func TestCheckpointLeftOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	left := filepath.Join(dir, "checkpoint")
	for _, when := range []string{"open", "checkpoint"} {
		engine := open(t, dir, pebble.Options{})
		if when == "open" {
			shut(t, engine)
		}
		if err := errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "CURRENT"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if when == "open" {
			engine = open(t, dir, pebble.Options{})
		} else if err := engine.Checkpoint(func(string, store.Head) error { return nil }); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it is left: %v", when, err)
		}
		shut(t, engine)
	}
}

func TestCheckpointOfWhatCannotBeCopied(t *testing.T) {
	disk := vfs.NewMem()
	engine := open(t, "data", pebble.Options{FS: disk})
	shut(t, engine)
	use := func(string, store.Head) error { t.Error("it was used"); return nil }
	if err := engine.Checkpoint(use); !errors.Is(err, store.ErrClosed) {
		t.Errorf("of a closed engine: %v", err)
	}
	engine = open(t, "data", pebble.Options{FS: disk, ReadOnly: true})
	defer shut(t, engine)
	if err := engine.Checkpoint(use); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("of an engine for reading: %v", err)
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := pebble.Lock(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lock of nothing = %v", err)
	}
	engine := open(t, dir, pebble.Options{})
	if _, err := pebble.Lock(dir); !errors.Is(err, pebble.ErrLocked) {
		t.Errorf("Lock of an open store = %v", err)
	}
	shut(t, engine)
	lock, err := pebble.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, pebble.ErrLocked) {
		t.Errorf("Open of a locked store = %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, dir, pebble.Options{Existing: true}))
	for _, nothing := range []string{dir + "2", t.TempDir()} {
		if _, err := pebble.Open(nothing, pebble.Options{Existing: true}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of nothing that must exist = %v", err)
		}
	}
}
