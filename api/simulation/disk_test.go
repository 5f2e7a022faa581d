package simulation_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Where the bank lies on its disk.
const (
	ledgerDir  = "bank/ledger"
	vaultDir   = "bank/vault"
	anchorPath = "bank/anchor/checkpoint"
)

// errInjected is what an operation answers that the plan lets fail.
var errInjected = errors.New("simulation: injected fault")

// fault is what goes wrong with an operation.
type fault int

const (
	// nothing goes wrong: the bank is closed in the end.
	nothing fault = iota
	// powerLoss pulls the plug before the operation.
	powerLoss
	// failsLost makes the operation answer an error and do nothing.
	failsLost
	// failsKept makes it answer an error although it was done.
	failsKept
)

func (f fault) String() string {
	return [...]string{"nothing", "power loss", "failure of what was not done", "failure of what was done"}[f]
}

// place is which operations a plan counts.
type place int

const (
	anywhere place = iota
	ledgerLog
	vaultLog
	anchor
)

func (p place) String() string {
	return [...]string{"anywhere", "the ledger's log", "the vault's log", "the anchor"}[p]
}

func (p place) has(path string) bool {
	switch p {
	case ledgerLog:
		return isLog(path, ledgerDir)
	case vaultLog:
		return isLog(path, vaultDir)
	case anchor:
		return strings.HasPrefix(path, anchorPath)
	default:
		return true
	}
}

func isLog(path, dir string) bool {
	return strings.HasPrefix(path, dir+"/") && strings.HasSuffix(path, ".log")
}

// plan is what goes wrong on a disk, and when: after so many changes at a place.
type plan struct {
	fault fault
	place place
	after int
}

func (p plan) String() string {
	if p.fault == nothing {
		return "nothing goes wrong"
	}
	return fmt.Sprintf("%v after %d changes %v", p.fault, p.after, p.place)
}

// image is what a power loss may leave of a disk.
type image struct {
	name string
	disk *vfs.MemFS
}

// disk is the one file system under ledger, vault and anchor. It counts every change to it and lets one go wrong, as its
// plan says. After a power loss it goes on as if nothing had happened, so that whatever still runs on it can end; what the
// power loss left are its images.
type disk struct {
	vfs.FS
	memory *vfs.MemFS
	plan   plan
	random *rand.Rand
	// lies says of which files a sync does nothing; nil: of none.
	lies func(path string) bool
	// look is called at the moment of the power loss: what anybody sees then has to be there afterwards.
	look func()

	mu       sync.Mutex
	changes  int // at the plan's place
	happened string
	lost     bool // the power
	images   []image
}

func newDisk(memory *vfs.MemFS, p plan, random *rand.Rand) *disk {
	return &disk{FS: memory, memory: memory, plan: p, random: random}
}

// watch has look called at the moment of the power loss.
func (d *disk) watch(look func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.look = look
}

// struck answers at which change the plan came true; it is empty before.
func (d *disk) struck() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.happened
}

// off says whether the power is lost.
func (d *disk) off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost
}

// remains answers what is left of the disk when the machine ends: at the power loss, or now.
func (d *disk) remains() []image {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.lost {
		d.takeImages()
	}
	return d.images
}

// takeImages makes what a loss of power may leave: only what was synced; everything, as when a process is killed and its
// machine goes on; and some of the blocks and names that were not synced. Which of them is the file system's own choice: it
// draws by the seed, but not always in the same order.
func (d *disk) takeImages() {
	share := 20 + d.random.IntN(60)
	for _, i := range []struct {
		name string
		kept int
	}{{"nothing unsynced kept", 0}, {"everything kept", 100}, {fmt.Sprintf("%d %% of what was unsynced kept", share), share}} {
		d.images = append(d.images, image{i.name, d.memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: i.kept, RNG: d.random})})
	}
}

// change is every change to the disk.
func (d *disk) change(kind, path string, do func() error) error {
	if d.lies != nil && strings.HasPrefix(kind, "sync") && d.lies(path) {
		do = func() error { return nil }
	}
	switch d.next(kind, path) {
	case failsLost:
		return errInjected
	case failsKept:
		return errors.Join(do(), errInjected)
	default:
		return do()
	}
}

// next counts a change, and answers what goes wrong with it.
func (d *disk) next(kind, path string) fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan.fault == nothing || d.happened != "" || !d.plan.place.has(path) {
		return nothing
	}
	if d.changes++; d.changes <= d.plan.after {
		return nothing
	}
	d.happened = kind + " " + path
	if d.plan.fault != powerLoss && !d.ends(path) {
		return d.plan.fault
	}
	// A failure that ends the process is a loss of power as well, but for what is kept: one of the images.
	if d.look != nil {
		d.look()
	}
	d.takeImages()
	d.lost = true
	return nothing
}

// ends says whether a failure of the operation that is under way ends the process, as Pebble has it where it can't go on: in
// its own goroutines when it can't say in the manifest which tables there are, when it can't begin another log, and while
// it is being opened, when it compacts tables already. A test can't survive that.
func (d *disk) ends(path string) bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	own, _, _ := strings.Cut(string(stacks), "\n\n")
	switch {
	case strings.Contains(own, "pebble/v2.Open("):
		dir := vaultDir
		if strings.HasPrefix(path, ledgerDir) {
			dir = ledgerDir
		}
		names, err := d.memory.List(dir)
		return err != nil || slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".sst") })
	case strings.Contains(own, ".UpdateVersionLocked("):
		return true
	default:
		return strings.HasSuffix(path, ".log") && strings.Contains(string(stacks), ".rotateWAL(")
	}
}

func (d *disk) opened(path string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return diskFile{File: file, disk: d, path: path}, nil
}

// making is a change that makes a file or opens it for writing.
func (d *disk) making(kind, path string, do func() (vfs.File, error)) (file vfs.File, err error) {
	err = d.change(kind, path, func() (err error) {
		file, err = do()
		return err
	})
	if err != nil && file != nil {
		_ = file.Close() // nobody gets to know it
	}
	return d.opened(path, file, err)
}

// Create implements vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.making("create", name, func() (vfs.File, error) { return d.FS.Create(name, category) })
}

// OpenReadWrite implements vfs.FS. Opening changes nothing.
func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	file, err := d.FS.OpenReadWrite(name, category, options...)
	return d.opened(name, file, err)
}

// OpenDir implements vfs.FS. A directory is opened to be synced.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	file, err := d.FS.OpenDir(name)
	return d.opened(name, file, err)
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.making("reuse", name, func() (vfs.File, error) { return d.FS.ReuseForWrite(old, name, category) })
}

// Link implements vfs.FS.
func (d *disk) Link(old, name string) error {
	return d.change("link", name, func() error { return d.FS.Link(old, name) })
}

// Remove implements vfs.FS.
func (d *disk) Remove(name string) error {
	return d.change("remove", name, func() error { return d.FS.Remove(name) })
}

// Rename implements vfs.FS.
func (d *disk) Rename(old, name string) error {
	return d.change("rename", old, func() error { return d.FS.Rename(old, name) })
}

// MkdirAll implements vfs.FS.
func (d *disk) MkdirAll(name string, mode os.FileMode) error {
	return d.change("make directory", name, func() error { return d.FS.MkdirAll(name, mode) })
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file whose changes are counted.
type diskFile struct {
	vfs.File
	disk *disk
	path string
}

// Write implements vfs.File.
func (f diskFile) Write(p []byte) (n int, err error) {
	err = f.disk.change("write", f.path, func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

// WriteAt implements vfs.File.
func (f diskFile) WriteAt(p []byte, offset int64) (n int, err error) {
	err = f.disk.change("write", f.path, func() (err error) {
		n, err = f.File.WriteAt(p, offset)
		return err
	})
	return n, err
}

// Sync implements vfs.File.
func (f diskFile) Sync() error { return f.disk.change("sync", f.path, f.File.Sync) }

// SyncData implements vfs.File.
func (f diskFile) SyncData() error { return f.disk.change("sync data of", f.path, f.File.SyncData) }
