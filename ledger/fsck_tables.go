package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// part is a range of one derived table, which is compared in one go.
type part struct {
	table  byte
	within store.Range
}

// parts are all derived rows. The tables that grow with the accounts are cut into sixteen, so that there is something to do
// for every worker.
func parts() []part {
	all := []part{
		{book.TableMeta, store.Prefix(book.DirectoryKey())},
		{book.TableMeta, store.Prefix(book.OriginsKey())},
	}
	for table := book.TableStatements; table != 0; table++ {
		if !book.Derived(table) {
			continue
		}
		if table != book.TableAccounts && table != book.TableWeeks {
			all = append(all, part{table, store.Prefix([]byte{table})})
			continue
		}
		start := []byte{table}
		for cut := 0x10; cut <= 0x100; cut += 0x10 {
			end := []byte{table, byte(cut)}
			if cut == 0x100 {
				end = []byte{table + 1}
			}
			all = append(all, part{table, store.Range{Start: start, End: end}})
			start = end
		}
	}
	return all
}

// checkTables compares the derived tables with what the entries add up to, row by row.
func (f *fsck) checkTables(ctx context.Context) error {
	if f.order.stopped != nil {
		f.report.Unchecked = fmt.Sprintf("the state from entry %d on and the derived tables: they follow from it", *f.order.stopped)
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	all := parts()
	type result struct {
		faults []Fault
		err    error
	}
	results := make([]result, len(all))
	// Compared hears of rows; ended of parts, of which each has room.
	compared, ended := make(chan int, f.Workers), make(chan int, len(all))
	var next atomic.Int64
	for range f.Workers {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				results[i].faults, results[i].err = f.comparePart(ctx, all[i], compared)
				ended <- i
			}
		})
	}
	done := make([]bool, len(all))
	rows := 0
	for i := range all {
		for !done[i] {
			select {
			case n := <-compared:
				rows += n
				f.progress("tables", uint64(rows), f.replay.count)
			case ended := <-ended:
				done[ended] = true
			}
		}
		if err := results[i].err; err != nil {
			return err
		}
		if err := f.add(results[i].faults...); err != nil {
			return err
		}
	}
	f.progress("tables", f.replay.count, f.replay.count)
	return nil
}

// reportedRows is after how many rows it is told how far a comparison is.
const reportedRows = 1 << 14

func (f *fsck) comparePart(ctx context.Context, p part, compared chan<- int) (faults []Fault, err error) {
	rows := 0
	err = f.compare(ctx, p, func() {
		if rows++; rows%reportedRows == 0 {
			select {
			case compared <- reportedRows:
			case <-ctx.Done():
			}
		}
	}, func(key, stored, replayed []byte) error {
		if f.format < Format && toCome(p.table, stored, replayed) {
			return nil
		}
		name, _ := book.RowName(key)
		fault := Fault{Field: name, heals: byRows}
		switch {
		case replayed == nil:
			fault.Problem = "no entry leads to this row"
		case stored == nil:
			fault.Problem = "the row is missing"
		default:
			fault.Problem = book.Difference(key, stored, replayed)
		}
		faults = append(faults, fault)
		if len(faults) >= MaxFaults {
			return errEnough
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !errors.Is(err, errEnough):
		fault := Fault{Field: fmt.Sprintf("table %02x", p.table), Problem: fmt.Sprintf("its rows cannot be read: %v", err)}
		return append(faults, fault), nil
	}
	return faults, nil
}

// compare finds the rows of a part that differ: differ hears the two values, of which one is nil where there is no such row.
// What it hears is valid until it returns. Seen is told of each row that the store has.
func (f *fsck) compare(ctx context.Context, p part, seen func(), differ func(key, stored, replayed []byte) error) error {
	next, stop := iter.Pull2(f.replay.scan(ctx, p.table, p.within))
	defer stop()
	replayed, err, more := next()
	for row, failure := range f.Engine.Scan(ctx, p.within) {
		if failure != nil {
			return failure
		}
		seen()
		for more && err == nil && bytes.Compare(replayed.Key, row.Key) < 0 {
			if err := differ(replayed.Key, nil, replayed.Value); err != nil {
				return err
			}
			replayed, err, more = next()
		}
		if err != nil {
			return err
		}
		if !more || !bytes.Equal(replayed.Key, row.Key) {
			if err := differ(row.Key, row.Value, nil); err != nil {
				return err
			}
			continue
		}
		if !book.SameRow(p.table, row.Value, replayed.Value) {
			if err := differ(row.Key, row.Value, replayed.Value); err != nil {
				return err
			}
		}
		replayed, err, more = next()
	}
	for ; more && err == nil; replayed, err, more = next() {
		if err := differ(replayed.Key, nil, replayed.Value); err != nil {
			return err
		}
	}
	return err
}

// checkOthers looks at what is not derived: the journal of rejects, as far as its rows can say what is wrong with them, and
// tables that nobody knows.
func (f *fsck) checkOthers(ctx context.Context) error {
	for table := book.TableStatements; table != 0; table++ {
		if book.Derived(table) {
			continue
		}
		if err := f.checkUnderived(ctx, store.Prefix([]byte{table})); err != nil {
			return err
		}
	}
	return nil
}

func (f *fsck) checkUnderived(ctx context.Context, within store.Range) error {
	for row, err := range f.Engine.Scan(ctx, within) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return f.whole(byHand, "rejects", "they cannot be read: %v", err)
		}
		name, known := book.RowName(row.Key)
		problem := "nothing writes such a row"
		if known {
			problem = book.RejectFault(row.Key, row.Value)
		}
		if problem != "" {
			if err := f.whole(byHand, name, "%s", problem); err != nil {
				return err
			}
		}
	}
	return nil
}
