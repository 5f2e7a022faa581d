package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// watch is where everything comes together that Pebble has to say about its health: its log lines, its events, and the
// errors of the file system beneath it. It decides when the engine halts.
//
// It watches the files itself because Pebble does not always report: after a failed sync of the log it calls Fatalf and
// then answers success, and where it can't close one log to begin the next it dies of an unlocked mutex, with the cause
// unsaid.
type watch struct {
	log     *slog.Logger
	halted  failureOf
	metrics *metrics
	// hurry says that more tables in memory wait to be flushed than the one that is.
	hurry atomic.Bool
	pace  pace

	mu   sync.Mutex // guards last
	last string     // the last background error that was logged
}

// halt forbids all further commits. Only the first failure is kept, and logged as the cause.
func (w *watch) halt(during string, err error) {
	if w.halted.set(fmt.Errorf("%s: %w", during, err)) {
		w.log.Error("store halted: it is unknown what is durable", "during", during, "error", err)
	}
}

// failure is what halted the engine; nil when nothing did.
func (w *watch) failure() error { return w.halted.get() }

// fatalError is what Fatalf panics with.
type fatalError struct{ message string }

func (e *fatalError) Error() string { return e.message }

// Infof implements [pebble.Logger].
func (w *watch) Infof(format string, args ...any) {
	if w.log.Enabled(context.Background(), slog.LevelDebug) {
		w.log.Debug("pebble", "message", fmt.Sprintf(format, args...))
	}
}

// Errorf implements [pebble.Logger].
func (w *watch) Errorf(format string, args ...any) {
	w.log.Error("pebble", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements [pebble.Logger]. Pebble must not go on after it: in a commit the panic becomes the commit's error; in
// Pebble's own goroutines it ends the process, after the cause was logged.
func (w *watch) Fatalf(format string, args ...any) {
	err := &fatalError{fmt.Sprintf(format, args...)}
	w.log.Error("pebble cannot go on", "error", err)
	w.halt("pebble", err)
	panic(err)
}

// events are those of Pebble's events that an operator must hear of.
func (w *watch) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: w.backgroundError,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			w.log.Error("pebble found a corrupt file: restore it from a backup or another copy", "file", info.Path, "error", info.Details)
			w.halt("corruption", fmt.Errorf("%s: %w", info.Path, info.Details))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			w.log.Warn("disk is slow", "file", info.Path, "operation", info.OpType.String(), "duration", info.Duration)
		},
		LowDiskSpace: func(info pebble.LowDiskSpaceInfo) {
			w.log.Warn("disk is nearly full", "available_bytes", info.AvailBytes, "total_bytes", info.TotalBytes)
		},
		FlushBegin: func(info pebble.FlushInfo) { w.hurry.Store(info.Input > 1) },
		WALCreated: func(pebble.WALCreateInfo) { w.hurry.Store(true) }, // the table of the log before is full
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			w.metrics.stalls.Add(1)
			w.log.Warn("writes are held up until compactions catch up", "reason", info.Reason)
		},
		FormatUpgrade: func(version pebble.FormatMajorVersion) {
			w.log.Debug("pebble raised its format", "version", version.String())
		},
	}
}

// backgroundError reports a failed flush or compaction. Pebble tries again at once, so the same error comes thousands of
// times a second while a disk is full: it is logged the first, second, fourth, eighth … time.
func (w *watch) backgroundError(err error) {
	count := w.metrics.failures.Add(1)
	w.mu.Lock()
	fresh := err.Error() != w.last
	w.last = err.Error()
	w.mu.Unlock()
	if fresh || bits.OnesCount64(count) == 1 {
		w.log.Error("pebble: background work failed", "error", err, "count", count)
	}
}

// watchedFS reports failures to write the log and the manifest, the two files that say what is durable. Those of a checkpoint
// are copies: the store is none the worse when they fail.
type watchedFS struct {
	vfs.FS
	watch      *watch
	checkpoint string
}

// Unwrap implements [vfs.FS].
func (f watchedFS) Unwrap() vfs.FS { return f.FS }

// Create implements [vfs.FS]. It makes the name of a new manifest durable at once: Pebble syncs the directory only after
// it has also made the marker that points to the manifest, and a loss of power between the two may keep the marker alone
// (POSIX promises no order), after which the store can't be opened.
func (f watchedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err == nil && isManifest(f.PathBase(name)) {
		if err = syncDirectory(f.FS, f.PathDir(name)); err != nil {
			_ = file.Close()
		}
	}
	switch {
	case err == nil && category == flushing:
		return flushedFile{File: file, hurry: &f.watch.hurry}, nil
	case err == nil && category == compacting:
		return newCompactedFile(file, &f.watch.pace), nil
	}
	return f.watched(name, "create", file, err)
}

// ReuseForWrite implements [vfs.FS].
func (f watchedFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, category)
	return f.watched(name, "reuse", file, err)
}

func (f watchedFS) watched(name, operation string, file vfs.File, err error) (vfs.File, error) {
	base := f.PathBase(name)
	if !strings.HasSuffix(base, ".log") && !isManifest(base) || f.PathDir(name) == f.checkpoint {
		return file, err
	}
	watched := watchedFile{File: file, name: base, watch: f.watch}
	if err := watched.report(operation, err); err != nil {
		return nil, err
	}
	return watched, nil
}

func isManifest(base string) bool { return strings.HasPrefix(base, "MANIFEST-") }

type watchedFile struct {
	vfs.File
	name  string
	watch *watch
}

func (f watchedFile) report(operation string, err error) error {
	if err != nil {
		f.watch.halt(operation+" "+f.name, err)
	}
	return err
}

func (f watchedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.report("write", err)
}

func (f watchedFile) Sync() error { return f.report("sync", f.File.Sync()) }

func (f watchedFile) SyncData() error { return f.report("sync", f.File.SyncData()) }

func (f watchedFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.report("sync", err)
}

func (f watchedFile) Close() error { return f.report("close", f.File.Close()) }
