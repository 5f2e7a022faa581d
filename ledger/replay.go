package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// replayed is the rows that entries add up to, while they are being added up and afterwards. It keeps them in memory, and
// when they are more than that may hold, the older ones in an engine, if there is one: it then keeps in memory what has
// changed since, as an engine's own table in memory would, but larger, so that a row that changes often is written seldom.
//
// Values lie one after the other in blocks, and keys of usual length in maps without pointers: the garbage collector has
// nothing to look for in the rows, however many they are. One goroutine fills it; once sealed, it is read by several.
type replayed struct {
	limit   int64
	scratch func() (store.Engine, error)
	engine  store.Engine // nil as long as memory is enough

	short map[shortKey]span
	long  map[string]span
	// blocks hold the values; garbage is how many bytes of them nobody refers to.
	blocks  [][]byte
	garbage int64
	bytes   int64
	// count is about how many rows there are, once they are sealed.
	count uint64

	// sorted are the keys of what is in memory, once it is sealed without an engine, table by table.
	sorted []sortedKeys
}

// shortKey is a key of a table whose keys all have one length, of at most 25 bytes: those of all large tables.
type shortKey [25]byte

// keyLength is how long all keys of a table are; 0 where they differ, or are no short keys.
func keyLength(table byte) int {
	switch table {
	case book.TableStatements:
		return 1 + 8 + 16
	case book.TableAccounts, book.TableFeeds:
		return 1 + 16
	case book.TableWeeks:
		return 1 + 16 + 4
	case book.TableCourses, book.TableCases:
		return 1 + 8
	case book.TableQueue:
		return 1 + 1 + 1 + 8
	default:
		return 0
	}
}

// span is where a value lies. A length of gone is a row that was deleted, while it may still be in the engine.
type span struct {
	block, offset, length uint32
}

const (
	gone       = ^uint32(0)
	blockBytes = 1 << 20
	// rowOverhead is what a row takes of the memory besides its value: its place in a map that is not full.
	rowOverhead = 96
	// spilledAtOnce is how many bytes go to the engine in one commit.
	spilledAtOnce = 32 << 20
)

func newReplayed(limit int64, scratch func() (store.Engine, error)) *replayed {
	r := &replayed{limit: limit, scratch: scratch}
	r.clear()
	return r
}

func (r *replayed) clear() {
	r.short, r.long, r.blocks, r.bytes, r.garbage = make(map[shortKey]span), make(map[string]span), nil, 0, 0
}

func short(key []byte) (s shortKey, ok bool) {
	copy(s[:], key)
	return s, len(key) == keyLength(key[0])
}

func (r *replayed) find(key []byte) (at span, ok bool) {
	if s, fits := short(key); fits {
		at, ok = r.short[s]
	} else {
		at, ok = r.long[string(key)]
	}
	return at, ok
}

func (r *replayed) value(at span) []byte {
	return r.blocks[at.block][at.offset : at.offset+at.length : at.offset+at.length]
}

// Row implements book.Rows. Statements that were spilled are not looked for: that a statement is new is found out when it is
// spilled itself, since looking for each would cost more than all else.
func (r *replayed) Row(key []byte) ([]byte, error) {
	if at, ok := r.find(key); ok {
		if at.length == gone {
			return nil, nil
		}
		return r.value(at), nil
	}
	if r.engine == nil || key[0] == book.TableStatements {
		return nil, nil
	}
	return rows{context.Background(), r.engine}.Row(key)
}

// set changes a row; nil deletes it.
func (r *replayed) set(key, value []byte) {
	old, had := r.find(key)
	if had && old.length != gone {
		r.garbage += int64(old.length)
	}
	if !had {
		r.bytes += rowOverhead
	}
	at := span{length: gone}
	switch {
	case value != nil:
		at = r.put(value)
	case r.engine == nil:
		if s, fits := short(key); fits {
			delete(r.short, s)
		} else {
			delete(r.long, string(key))
		}
		r.bytes -= rowOverhead
		return
	}
	if s, fits := short(key); fits {
		r.short[s] = at
	} else {
		r.long[string(key)] = at
	}
}

func (r *replayed) put(value []byte) span {
	last := len(r.blocks) - 1
	if last < 0 || cap(r.blocks[last])-len(r.blocks[last]) < len(value) {
		r.blocks = append(r.blocks, make([]byte, 0, max(blockBytes, len(value))))
		last++
	}
	at := span{block: uint32(last), offset: uint32(len(r.blocks[last])), length: uint32(len(value))}
	r.blocks[last] = append(r.blocks[last], value...)
	r.bytes += int64(len(value))
	return at
}

// tidy keeps the memory within its limit: it copies values together when half of them is garbage, and moves all rows to
// the engine when they are too many. It answers the statements that turn out to be in the engine already.
func (r *replayed) tidy(ctx context.Context) ([]repeated, error) {
	if r.garbage > r.bytes/2 && r.garbage > 16*blockBytes {
		r.compact()
	}
	if r.bytes <= r.limit || r.scratch == nil {
		return nil, nil
	}
	if r.engine == nil {
		engine, err := r.scratch()
		if err != nil {
			return nil, fmt.Errorf("ledger: a place for the rows of the replay: %w", err)
		}
		r.engine = engine
	}
	return r.spill(ctx)
}

// compact leaves out values that were replaced.
func (r *replayed) compact() {
	old := r.blocks
	r.bytes -= r.garbage
	r.blocks, r.garbage = nil, 0
	size := r.bytes
	for key, at := range r.short {
		if at.length != gone {
			r.short[key] = r.put(old[at.block][at.offset : at.offset+at.length])
		}
	}
	for key, at := range r.long {
		if at.length != gone {
			r.long[key] = r.put(old[at.block][at.offset : at.offset+at.length])
		}
	}
	r.bytes = size
}

// repeated is a statement that two entries record.
type repeated struct{ index, first uint64 }

// spill moves all rows to the engine, in the order of their keys.
func (r *replayed) spill(ctx context.Context) (again []repeated, err error) {
	var batch store.Batch
	commit := func() error {
		if err := r.engine.Commit(ctx, &batch, r.engine.Head()); err != nil {
			return fmt.Errorf("ledger: rows of the replay: %w", err)
		}
		batch = store.Batch{}
		return nil
	}
	keys := r.keys()
	for table := range keys {
		for from := 0; from < keys[table].count(); from += 4096 {
			part := keys[table].part(from, 4096)
			if byte(table) == book.TableStatements {
				found, err := r.repeatedIn(ctx, part)
				if err != nil {
					return nil, err
				}
				again = append(again, found...)
			}
			for _, key := range part {
				if at, _ := r.find(key); at.length == gone {
					batch.Delete(key)
				} else {
					batch.Set(key, r.value(at))
				}
			}
			if batch.Bytes() > spilledAtOnce {
				if err := commit(); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := commit(); err != nil {
		return nil, err
	}
	r.count += uint64(len(r.short) + len(r.long))
	r.clear()
	return again, nil
}

// repeatedIn finds those statements that are in the engine already.
func (r *replayed) repeatedIn(ctx context.Context, keys [][]byte) (again []repeated, err error) {
	values, err := r.engine.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("ledger: rows of the replay: %w", err)
	}
	for i, value := range values {
		first, known := book.ParseUint(value)
		if !known {
			continue
		}
		at, _ := r.find(keys[i])
		index, _ := book.ParseUint(r.value(at))
		again = append(again, repeated{index, first})
	}
	return again, nil
}

// sortedKeys are the keys of the rows of one table: short ones or others.
type sortedKeys struct {
	length int
	short  []shortKey
	long   []string
}

func (k sortedKeys) count() int { return len(k.short) + len(k.long) }

func (k sortedKeys) at(i int) []byte {
	if k.length > 0 {
		return k.short[i][:k.length]
	}
	return []byte(k.long[i])
}

// part is at most count keys from one on.
func (k sortedKeys) part(from, count int) [][]byte {
	keys := make([][]byte, min(count, k.count()-from))
	for i := range keys {
		keys[i] = k.at(from + i)
	}
	return keys
}

// keys are those of the rows in memory, in their order, by table.
func (r *replayed) keys() []sortedKeys {
	var counts [1 << 8]int
	for s := range r.short {
		counts[s[0]]++
	}
	keys := make([]sortedKeys, len(counts))
	for table, count := range counts {
		keys[table] = sortedKeys{length: keyLength(byte(table)), short: make([]shortKey, 0, count)}
	}
	for s := range r.short {
		keys[s[0]].short = append(keys[s[0]].short, s)
	}
	for key := range r.long {
		keys[key[0]].long = append(keys[key[0]].long, key)
	}
	var sorting sync.WaitGroup
	for _, k := range keys {
		sorting.Go(func() {
			slices.SortFunc(k.short, func(a, b shortKey) int { return bytes.Compare(a[:], b[:]) })
			slices.Sort(k.long)
		})
	}
	sorting.Wait()
	return keys
}

// seal ends the filling: from here on the rows can be read in order, by several goroutines.
func (r *replayed) seal(ctx context.Context) ([]repeated, error) {
	if r.engine != nil {
		return r.spill(ctx)
	}
	r.sorted, r.count = r.keys(), uint64(len(r.short)+len(r.long))
	return nil, nil
}

// scan yields the rows of one table between two keys, of which the last may be nil.
func (r *replayed) scan(ctx context.Context, table byte, within store.Range) iter.Seq2[store.Row, error] {
	if r.engine != nil {
		return r.engine.Scan(ctx, within)
	}
	return func(yield func(store.Row, error) bool) {
		keys := r.sorted[table]
		from := sort.Search(keys.count(), func(i int) bool { return bytes.Compare(keys.at(i), within.Start) >= 0 })
		for i := from; i < keys.count(); i++ {
			row := store.Row{Key: keys.at(i)}
			if within.End != nil && bytes.Compare(row.Key, within.End) >= 0 {
				return
			}
			at, _ := r.find(row.Key)
			row.Value = r.value(at)
			if !yield(row, ctx.Err()) || ctx.Err() != nil {
				return
			}
		}
	}
}

// close lets go of the engine.
func (r *replayed) close() error {
	if r.engine == nil {
		return nil
	}
	return r.engine.Close()
}
