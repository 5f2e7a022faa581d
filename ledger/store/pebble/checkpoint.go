package pebble

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// checkpointName is the directory, within a store's own, that [Engine.Checkpoint] makes: there files can be linked, also
// where the store is a file system of its own.
const checkpointName = "checkpoint"

// Checkpoint makes a directory in which the store lies as it is at one head, calls use with it and the head, and removes
// it. The directory opens like any store, and nobody writes to it but whoever opens it. Most of it are links to files that
// never change, so it costs little; commits wait while it is being made, some tenths of a second, and go on while it is
// used. It is of the operating system's file system only if the store is. One is made at a time.
func (e *Engine) Checkpoint(use func(dir string, head store.Head) error) (err error) {
	if e.readOnly {
		return store.ErrReadOnly
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.calls.Done()
	e.checkpoints.Lock()
	defer e.checkpoints.Unlock()
	if err := e.removeCheckpoint(); err != nil { // of a process that was ended meanwhile
		return err
	}
	defer func() { err = errors.Join(err, e.removeCheckpoint()) }()
	// What lies in tables need not be copied out of the log while commits wait.
	if err := e.db.Flush(); err != nil {
		return fmt.Errorf("pebble: checkpoint: %v", err)
	}
	head, err := e.makeCheckpoint()
	if err != nil {
		return err
	}
	return use(e.checkpoint, head)
}

// makeCheckpoint copies while nothing is written: the log would change under the copying hands otherwise, and a copy of
// which the end is newer than the middle looks corrupt.
func (e *Engine) makeCheckpoint() (store.Head, error) {
	e.writer.Lock()
	defer e.writer.Unlock()
	if e.watch.failure() != nil {
		return 0, store.ErrHalted
	}
	// Every commit is synced: there is nothing that the log would have to be flushed for.
	if err := e.db.Checkpoint(e.checkpoint); err != nil {
		return 0, fmt.Errorf("pebble: checkpoint: %v", err)
	}
	return e.Head(), nil
}

func (e *Engine) removeCheckpoint() error {
	if err := e.disk.RemoveAll(e.checkpoint); err != nil {
		return fmt.Errorf("pebble: remove %s: %v", e.checkpoint, err)
	}
	return nil
}

// Lock claims an existing directory for this process without opening the store in it, until it is closed. It answers
// [ErrLocked] when the directory is in use, and an error that wraps [fs.ErrNotExist] when it isn't there.
func Lock(dir string) (io.Closer, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("pebble: lock: %v", err)
	}
	return lockDirectory(vfs.Default, dir, true)
}
