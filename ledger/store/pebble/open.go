package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// ErrLocked says that another process, or another engine of this one, has the directory open, or has claimed the anchor.
var ErrLocked = errors.New("pebble: in use")

// Options of [Open]. The zero Options are good for a server.
type Options struct {
	// FS is the file system that the directory is on; nil is the operating system's.
	FS vfs.FS
	// Log receives what the engine and Pebble have to say; nil discards it. Keys and values never appear in it, only
	// the first byte of a key and its length.
	Log *slog.Logger
	// Registerer receives the engine's metrics until it is closed; nil keeps none. To tell two engines apart, give each
	// a registerer with a label of its own ([prometheus.WrapRegistererWith]).
	Registerer prometheus.Registerer
	// CacheBytes is the size of the cache of uncompressed blocks, out of which Pebble also takes the memory of the tables that
	// wait to be flushed, up to 256 MiB; 0 is DefaultCacheBytes.
	CacheBytes int64
	// ReadOnly opens an existing directory without changing its rows. The directory is locked all the same.
	ReadOnly bool
	// Existing opens an existing directory only; it is never made.
	Existing bool
	// Now is the clock of a server: by it, compactions pause, so that whoever is served has the cores. Nil: they take what they can get.
	Now func() time.Time
	// Scratch is for rows that nobody needs once the process has ended: commits are not made durable, and cost less.
	Scratch bool
}

const (
	// format is the version of Pebble's files. It is only ever raised, deliberately: Pebble can't go back.
	format = pebble.FormatValueSeparation

	memTableBytes    = 32 << 20
	blockBytes       = 8 << 10 // small, because the ledger reads single rows; a cached block is 8 KiB for one of them
	lowestBlockBytes = 16 << 10
	filterBits       = 10 // per key: one look-up of an absent key in a hundred reads a block in vain
	slowDisk         = 5 * time.Second
)

// DefaultCacheBytes is the size of the cache of blocks if not told otherwise: 512 MiB.
const DefaultCacheBytes = 512 << 20

// Open opens the store in dir, which it creates, with its parents, if need be. It answers [ErrLocked] when the
// directory is in use, and an error that wraps [fs.ErrNotExist] when it isn't there and must not be made.
func Open(dir string, options Options) (_ *Engine, err error) {
	log := options.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var closers []io.Closer
	release := func() error {
		var failures []error
		for _, closer := range slices.Backward(closers) {
			failures = append(failures, closer.Close())
		}
		return errors.Join(failures...)
	}
	defer func() {
		if err != nil {
			_ = release() // what went wrong first is what counts
		}
	}()

	if options.Now == nil {
		options.Now = func() time.Time { return time.Time{} } // by a clock that stands still no work is long enough for a pause
	}
	metrics := newMetrics()
	watch := &watch{log: log, metrics: metrics, pace: pace{now: options.Now, sleep: time.Sleep, yield: runtime.Gosched}}
	disk := options.FS
	if disk == nil {
		if dir, err = filepath.Abs(dir); err != nil { // one name per directory: the lock goes by names within a process
			return nil, fmt.Errorf("pebble: open: %v", err)
		}
		health, closer := vfs.WithDiskHealthChecks(vfs.Default, slowDisk, nil, watch.events().DiskSlow)
		disk, closers = health, append(closers, closer)
	}
	lock, err := lockDirectory(disk, dir, options.ReadOnly || options.Existing)
	if err != nil {
		return nil, err
	}
	closers = append(closers, lock)
	checkpoint := disk.PathJoin(dir, checkpointName)
	if _, err := disk.Stat(checkpoint); err == nil && !options.ReadOnly {
		if err := disk.RemoveAll(checkpoint); err != nil { // of a process that was ended while it made a backup
			return nil, fmt.Errorf("pebble: open %s: %v", dir, err)
		}
	}

	var opened atomic.Bool
	settings := tune(options, watch, &opened)
	settings.FS = watchedFS{FS: disk, watch: watch, checkpoint: checkpoint}
	settings.Lock = lock
	db, err := openDatabase(dir, settings)
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("pebble: open %s: %w", dir, err)
	}
	opened.Store(true)
	watch.pace.watches(func() int { return int(db.Metrics().Levels[0].Sublevels) })
	e := &Engine{
		db: db, disk: disk, checkpoint: checkpoint, watch: watch, metrics: metrics, readOnly: options.ReadOnly, sync: pebble.Sync,
		views: make(map[*view]struct{}),
	}
	if options.Scratch {
		e.sync = pebble.NoSync
	}
	head, err := readHead(db)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("pebble: open %s: %w", dir, err)
	}
	e.publish(head)
	if options.Registerer != nil {
		c := collector{engine: e}
		if err := options.Registerer.Register(c); err != nil {
			_ = e.current.snapshot.Close()
			_ = db.Close()
			return nil, fmt.Errorf("pebble: register metrics: %v", err)
		}
		closers = append(closers, closerFunc(func() { options.Registerer.Unregister(c) }))
	}
	e.release = release
	return e, nil
}

// tune chooses Pebble's settings. Compactions begin once the database is opened.
func tune(options Options, watch *watch, opened *atomic.Bool) *pebble.Options {
	if options.CacheBytes == 0 {
		options.CacheBytes = DefaultCacheBytes
	}
	comparer := *pebble.DefaultComparer
	comparer.FormatKey = formatKey
	settings := &pebble.Options{
		Comparer:           &comparer,
		FormatMajorVersion: format,
		ReadOnly:           options.ReadOnly,
		ErrorIfNotExists:   options.Existing,
		DisableWAL:         options.Scratch,
		CacheSize:          options.CacheBytes,
		Logger:             watch,
		EventListener:      watch.events(),

		// Every commit is synced, so the log needs no syncs in between; its files are recycled, so that a sync writes
		// no metadata. Eight tables in memory let a burst of 256 MiB go on while the first is being flushed. They are small, since after
		// a crash the one that was being filled, and the one that was being flushed, are read from the log and flushed before anybody
		// is answered.
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 8,

		// L0 is split finely and compacted before it is deep: every sublevel is one more place to look. But looking there costs
		// no more than its filter, and compacting it rewrites the base level, since the rows of accounts lie all over it: the more
		// there is to merge, the less often. So it is compacted from half of this threshold on, but slowly until it is deep; see
		// pace. Writes are stopped only where reading would become hopeless. A wide base level is rewritten less often.
		//
		// L0 may be wide: most of its files hold entries, each file beside the one before. When there were more files than it may have,
		// Pebble would compact after every flush, and take the accounts first, which lie deepest, but not deep: for each byte that left
		// L0 it rewrote fifteen. To keep twenty thousand in order takes it some milliseconds a flush.
		L0CompactionThreshold:     16,
		L0CompactionFileThreshold: 20_000,
		L0StopWritesThreshold:     100,
		LBaseMaxBytes:             256 << 20,
		FlushSplitBytes:           2 << 20,
		// A server's compaction takes a quarter of a core until L0 is deep, and a second one starts only when the first falls behind, see
		// below: the cores are the ledger's. And none starts while the database is being opened, unless they have fallen behind: Pebble
		// flushes what the log has, and would not be open before the compaction ends that follows a flush. It follows the next one.
		CompactionConcurrencyRange: func() (lower, upper int) {
			if opened.Load() {
				lower = 1
			}
			return lower, max(2, runtime.NumCPU()/2)
		},
		MaxOpenFiles: 4096,
	}
	// It has fallen behind when L0 is deep. That lower levels are larger than they should be slows nobody down, and what a second
	// compaction of L0 finds beside the first is little that overlaps much.
	settings.Experimental.L0CompactionConcurrency = 80
	settings.Experimental.CompactionDebtConcurrency = 1 << 40
	settings.Experimental.EnableColumnarBlocks = func() bool { return true }
	for i := range settings.Levels {
		settings.Levels[i].BlockSize = blockBytes
		settings.Levels[i].IndexBlockSize = 256 << 10 // one index block per table
		settings.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
	}
	// The lowest level has nine of ten rows. Larger blocks of it shrink more: what is in the clear of an entry is much like the
	// ones before.
	settings.Levels[len(settings.Levels)-1].BlockSize = lowestBlockBytes
	// Fast above, Zstandard in the lowest level, and none where it doesn't pay: sealed payloads don't shrink.
	settings.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	return settings
}

// formatKey shows of a key its table and its length: keys may hold what must not be logged.
func formatKey(key []byte) fmt.Formatter { return shownKey(key) }

type shownKey []byte

// Format implements [fmt.Formatter].
func (k shownKey) Format(f fmt.State, _ rune) {
	if len(k) == 0 {
		_, _ = io.WriteString(f, "empty key")
		return
	}
	fmt.Fprintf(f, "%02x…(%d bytes)", k[0], len(k))
}

// openDatabase turns a Fatalf while opening into an error, and so the errors of the disk with which Pebble panics, such as
// that of the sync which makes a new marker durable.
func openDatabase(dir string, settings *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error: // a fault of the program, not of the disk
			panic(p)
		case error:
			db, err = nil, p
		default:
			panic(p)
		}
	}()
	return pebble.Open(dir, settings)
}

func readHead(db *pebble.DB) (store.Head, error) {
	value, closer, err := db.Get(headKey())
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("head: %v", err)
	}
	defer func() { _ = closer.Close() }()
	if len(value) != 8 {
		return 0, fmt.Errorf("head: %d bytes, not 8", len(value))
	}
	return store.Head(binary.BigEndian.Uint64(value)), nil
}

// lockDirectory makes dir unless it has to exist, and claims it for this process.
func lockDirectory(disk vfs.FS, dir string, existing bool) (*pebble.Lock, error) {
	if existing {
		if _, err := disk.Stat(dir); err != nil {
			return nil, fmt.Errorf("pebble: open: %w", err)
		}
	} else if err := makeDirectory(disk, dir); err != nil {
		return nil, fmt.Errorf("pebble: open: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, disk)
	switch {
	case err == nil:
		return lock, nil
	case held(err):
		return nil, fmt.Errorf("%w: %s: stop the process that has it open (a server, a backup, an fsck), "+
			"or choose another directory", ErrLocked, dir)
	default:
		return nil, fmt.Errorf("pebble: lock %s: %w", dir, err)
	}
}

// held tells a lock that somebody has from a lock file that can't be made.
func held(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	switch {
	case errors.As(err, &path):
		return false
	case errors.As(err, &number):
		return number == syscall.EAGAIN || number == syscall.EACCES // POSIX allows either for fcntl(F_SETLK)
	default:
		return true // within one process it isn't the system that refuses
	}
}

// MakeDirectory makes a directory of the operating system as the engine makes its own: with its parents, for the owner's eyes only, and
// durably.
func MakeDirectory(dir string) error { return makeDirectory(vfs.Default, dir) }

// makeDirectory makes dir and its parents, for the owner's eyes only, and syncs every directory that got a new entry:
// otherwise a loss of power could take the store with it, commits and all.
func makeDirectory(disk vfs.FS, dir string) error {
	parents := []string{disk.PathDir(dir)}
	for {
		last := parents[len(parents)-1]
		above := disk.PathDir(last)
		if _, err := disk.Stat(last); err == nil || above == last {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		parents = append(parents, above)
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := syncDirectory(disk, parent); err != nil {
			return err
		}
	}
	return nil
}

func syncDirectory(disk vfs.FS, dir string) error {
	d, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type closerFunc func()

func (f closerFunc) Close() error {
	f()
	return nil
}
