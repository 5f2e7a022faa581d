package pebble_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

const (
	anchorPath = "keys/anchor"
	slotBytes  = 16384
)

func save(t testing.TB, anchor *pebble.AnchorFile, data string) {
	t.Helper()
	if err := anchor.Save([]byte(data)); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

// fataler is what tests and rapid have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// load reads with a fresh AnchorFile, as a new process would.
func load(t fataler, disk vfs.FS) string {
	t.Helper()
	data, err := pebble.NewAnchorFile(disk, anchorPath).Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return string(data)
}

func TestAnchor(t *testing.T) {
	for name, at := range map[string]struct {
		disk vfs.FS
		path string
	}{"memory": {vfs.NewMem(), anchorPath}, "disk": {nil, filepath.Join(t.TempDir(), "new", "anchor")}} {
		t.Run(name, func(t *testing.T) {
			anchor := pebble.NewAnchorFile(at.disk, at.path)
			if data, err := anchor.Load(); data != nil || err != nil {
				t.Errorf("Load of nothing = %q, %v", data, err)
			}
			for i := range 7 {
				want := strings.Repeat(fmt.Sprint(i), 7-i)
				if i == 5 {
					want = "" // an empty anchor is an anchor
				}
				save(t, anchor, want)
				for who, reader := range map[string]*pebble.AnchorFile{"the same": anchor, "another": pebble.NewAnchorFile(at.disk, at.path)} {
					if data, err := reader.Load(); string(data) != want || data == nil || err != nil {
						t.Errorf("save %d: %s AnchorFile loads %q, %v, want %q", i, who, data, err, want)
					}
				}
				if i%3 == 2 { // begin anew in the middle
					if err := anchor.Close(); err != nil {
						t.Error(err)
					}
					anchor = pebble.NewAnchorFile(at.disk, at.path)
				}
			}
			largest := bytes.Repeat([]byte("x"), pebble.MaxAnchorBytes)
			if err := anchor.Save(append(largest, 'x')); err == nil {
				t.Error("Save took too much")
			}
			save(t, anchor, string(largest)) // the refusal was no failure
			if data, err := anchor.Load(); !bytes.Equal(data, largest) || err != nil {
				t.Errorf("the largest anchor: %d bytes, %v", len(data), err)
			}
			for range 2 {
				if err := anchor.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		})
	}
}

// TestAnchorLayout reads the file by the layout that anchor.go writes down.
func TestAnchorLayout(t *testing.T) {
	disk := vfs.NewMem()
	anchor := pebble.NewAnchorFile(disk, anchorPath)
	for _, data := range []string{"one", "two", "three!"} {
		save(t, anchor, data)
	}
	if err := anchor.Close(); err != nil {
		t.Fatal(err)
	}
	slot := func(sequence uint64, data string) []byte {
		b := binary.BigEndian.AppendUint64([]byte("CBANCHOR"), sequence)
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		sum := sha256.Sum256(append(bytes.Clone(b), data...))
		return append(append(b, sum[:]...), data...)
	}
	got := content(t, disk)
	if len(got) != 2*slotBytes {
		t.Errorf("%d bytes, want %d", len(got), 2*slotBytes)
	}
	for sequence, data := range map[uint64]string{2: "two", 3: "three!"} {
		want := slot(sequence, data)
		if at := sequence % 2 * slotBytes; !bytes.Equal(got[at:][:len(want)], want) {
			t.Errorf("at %d:\n%x, want\n%x", at, got[at:][:len(want)], want)
		}
	}
}

func content(t testing.TB, disk vfs.FS) []byte {
	t.Helper()
	file, err := disk.Open(anchorPath)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// overwrite replaces the file, as damage does.
func overwrite(t testing.TB, disk vfs.FS, content []byte) {
	t.Helper()
	file, err := disk.Create(anchorPath, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(bytes.Clone(content)); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAnchorTorn writes every possible beginning of a save, and some with holes, into the file of the save before.
func TestAnchorTorn(t *testing.T) {
	disk := vfs.NewMem()
	anchor := pebble.NewAnchorFile(disk, anchorPath)
	save(t, anchor, "first, the longest of them all")
	save(t, anchor, "second")
	before := content(t, disk)
	save(t, anchor, "third, which is torn")
	after := content(t, disk)
	if err := anchor.Close(); err != nil {
		t.Fatal(err)
	}
	const start, size = slotBytes, 52 + len("third, which is torn")
	for written := range size + 1 {
		torn := bytes.Clone(before)
		copy(torn[start:], after[start:start+written])
		want := "second"
		if written == size {
			want = "third, which is torn"
		}
		overwrite(t, disk, torn)
		if got := load(t, disk); got != want {
			t.Errorf("%d of %d bytes written: %q", written, size, got)
		}
		// Saving goes on from there, and the next tear is survived as well.
		next := pebble.NewAnchorFile(disk, anchorPath)
		save(t, next, "fourth")
		if got := load(t, disk); got != "fourth" {
			t.Errorf("%d of %d bytes written, then saved: %q", written, size, got)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for hole := range size {
		torn := bytes.Clone(after)
		torn[start+hole] ^= 1
		overwrite(t, disk, torn)
		if got := load(t, disk); got != "second" {
			t.Errorf("byte %d changed: %q", hole, got)
		}
	}
}

func TestAnchorCorrupt(t *testing.T) {
	disk := vfs.NewMem()
	anchor := pebble.NewAnchorFile(disk, anchorPath)
	save(t, anchor, "only")
	if err := anchor.Close(); err != nil {
		t.Fatal(err)
	}
	good := content(t, disk)
	moved := append(bytes.Clone(good[slotBytes:]), make([]byte, slotBytes)...)
	huge := bytes.Clone(good)
	binary.BigEndian.PutUint32(huge[slotBytes+16:], 1<<31)
	for name, damaged := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, 2*slotBytes), "half": good[:slotBytes], "cut": good[:slotBytes+54],
		"a slot in the other's place": moved, "absurd length": huge,
	} {
		overwrite(t, disk, damaged)
		anchor := pebble.NewAnchorFile(disk, anchorPath)
		if data, err := anchor.Load(); !errors.Is(err, pebble.ErrAnchorCorrupt) {
			t.Errorf("%s: Load = %q, %v, want ErrAnchorCorrupt", name, data, err)
		}
		if err := anchor.Save([]byte("new")); !errors.Is(err, pebble.ErrAnchorCorrupt) {
			t.Errorf("%s: Save = %v: it must not hide the damage", name, err)
		}
	}
	overwrite(t, disk, append(bytes.Clone(good), 0)) // a longer file has the same slots
	if got := load(t, disk); got != "only" {
		t.Errorf("a longer file: %q", got)
	}
}

// TestAnchorCrash saves at random, through several lives, and pulls the plug before random changes to the disk.
func TestAnchorCrash(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		disk := vfs.NewCrashableMem()
		acknowledged, attempted := "", ""
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		for range rapid.IntRange(1, 4).Draw(rt, "lives") {
			fuse, crashed := rapid.IntRange(0, 12).Draw(rt, "changes until the crash"), (*vfs.MemFS)(nil)
			percent := rapid.SampledFrom([]int{0, 50, 100}).Draw(rt, "kept")
			saved := acknowledged // what was acknowledged when the plug was pulled
			watched := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
					if fuse--; fuse == -1 {
						crashed = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
						return errors.New("the plug is pulled")
					}
				}
				return nil
			}))
			anchor := pebble.NewAnchorFile(watched, anchorPath)
			for crashed == nil {
				attempted = fmt.Sprint("checkpoint ", rng.Uint32())
				if err := anchor.Save([]byte(attempted)); err == nil {
					acknowledged, saved = attempted, attempted
				}
			}
			_ = anchor.Close() // the power is off
			disk = crashed
			if got := load(rt, disk); got != saved && got != attempted {
				rt.Fatalf("loaded %q, acknowledged %q, attempted %q", got, saved, attempted)
			} else {
				acknowledged = got
			}
		}
	})
}

// TestAnchorHalts holds that a failed save is the last: a disk that lost a sync may claim the next one.
func TestAnchorHalts(t *testing.T) {
	disk, broken := vfs.NewCrashableMem(), new(atomic.Bool)
	anchor := pebble.NewAnchorFile(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && broken.Load() {
			return errors.New("disk on fire")
		}
		return nil
	})), anchorPath)
	save(t, anchor, "1")
	save(t, anchor, "2")
	broken.Store(true)
	if err := anchor.Save([]byte("3")); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Fatalf("Save = %v", err)
	}
	broken.Store(false)
	if err := anchor.Save([]byte("4")); err == nil {
		t.Error("saved again after a failure")
	}
	if data, err := anchor.Load(); err == nil {
		t.Errorf("loaded %q after a failure", data)
	}
	if err := anchor.Close(); err != nil {
		t.Error(err)
	}
	// The file shows 3, but the disk has only 2: the next life must make 3 durable before it gives up the slot of 2.
	if got := load(t, disk); got != "3" {
		t.Fatalf("the next life loads %q", got)
	}
	syncs := 0
	next := pebble.NewAnchorFile(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			if syncs++; syncs == 2 {
				if got := load(t, disk.CrashClone(vfs.CrashCloneCfg{})); got != "3" {
					t.Errorf("while 5 is being saved, the disk holds %q", got)
				}
			}
		}
		return nil
	})), anchorPath)
	save(t, next, "5")
	if syncs != 2 {
		t.Errorf("%d syncs, want 2 in the first save of a life", syncs)
	}
	save(t, next, "6")
	if syncs != 3 {
		t.Errorf("%d syncs, want 1 in every other", syncs-2)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkAnchorSave(b *testing.B) {
	anchor := pebble.NewAnchorFile(nil, filepath.Join(b.TempDir(), "anchor"))
	data := bytes.Repeat([]byte("x"), 300)
	for b.Loop() {
		save(b, anchor, string(data))
	}
	_ = anchor.Close()
}

func TestAnchorIsClaimedByOne(t *testing.T) {
	for name, at := range map[string]struct {
		disk vfs.FS
		path string
	}{
		"disk":   {nil, filepath.Join(t.TempDir(), "not", "there yet", "checkpoint")},
		"memory": {vfs.NewMem(), anchorPath},
	} {
		t.Run(name, func(t *testing.T) {
			one, other := pebble.NewAnchorFile(at.disk, at.path), pebble.NewAnchorFile(at.disk, at.path)
			for range 2 { // it is the same claim
				if err := one.Claim(); err != nil {
					t.Fatal(err)
				}
			}
			if err := other.Claim(); !errors.Is(err, pebble.ErrLocked) || !strings.Contains(err.Error(), at.path) {
				t.Errorf("a second claim answers %v", err)
			}
			if saved, err := other.Load(); err != nil || saved != nil {
				t.Errorf("who claims nothing reads %q, %v", saved, err)
			}
			if err := errors.Join(one.Save([]byte("one")), one.Close()); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(other.Claim(), other.Save([]byte("other")), other.Close()); err != nil {
				t.Errorf("once it is given up: %v", err)
			}
		})
	}
}
