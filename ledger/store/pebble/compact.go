package pebble

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// Compact rewrites the rows so that they take as little of the disk as they can: one table beside the other, compressed as
// the lowest level is, and nothing left of what was overwritten or deleted. It changes no row. Reads and commits go on
// meanwhile, slower. It takes up to as much free disk as there are rows, and about ten seconds a gigabyte. When ctx ends
// first, what was rewritten until then stays.
func (e *Engine) Compact(ctx context.Context) error {
	if e.readOnly {
		return store.ErrReadOnly
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.calls.Done()
	if e.watch.failure() != nil {
		return store.ErrHalted
	}
	last, err := e.last(ctx)
	if err != nil || last == nil {
		return err
	}
	e.watch.pace.waiting.Add(1)
	defer e.watch.pace.waiting.Add(-1)
	if err := e.db.Compact(ctx, headKey(), append(last, 0), false); err != nil {
		return fmt.Errorf("pebble: compact: %v", err)
	}
	return nil
}

// last answers the last key, nil if there is none.
func (e *Engine) last(ctx context.Context) ([]byte, error) {
	rows, err := e.db.NewIterWithContext(ctx, &pebble.IterOptions{KeyTypes: pebble.IterKeyTypePointsOnly})
	if err != nil {
		return nil, fmt.Errorf("pebble: compact: %v", err)
	}
	var last []byte
	if rows.Last() {
		last = bytes.Clone(rows.Key())
	}
	if err := rows.Close(); err != nil {
		return nil, fmt.Errorf("pebble: compact: %v", err)
	}
	return last, nil
}

// DiskBytes is how much of the disk the rows take that are no longer in the write-ahead log. The log itself, which takes
// up to some hundred megabytes of files that are used again, is left out, and so is what waits to be deleted.
func (e *Engine) DiskBytes() (int64, error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.calls.Done()
	m := e.db.Metrics()
	tables := m.Total()
	return tables.TablesSize + int64(m.BlobFiles.LiveSize), nil
}
