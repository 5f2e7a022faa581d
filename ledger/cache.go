package ledger

import (
	"github.com/VictoriaMetrics/fastcache"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// cache holds the bytes of accounts' rows, as the engine has them, in memory that the garbage collector does not look at. An
// account that learns is read again within days, and its rows lie far apart in the engine: reading and decompressing blocks for
// them costs more than all else that the writer does, and keeping them decoded takes a core from it whenever garbage is collected.
//
// It may lose any row at any time. What it has is what the engine has, since book.State asks below only for rows that it has not
// handed over or that are committed: a row changes here after its commit, and before the state hears of the commit and may forget it.
// Whatever else may have changed rows of the engine ends in Ledger.forget. That there is no such row is not remembered.
type cache struct {
	rows *fastcache.Cache // nil: there is none
}

// maxCachedBytes is the length of the longest key and value, together. What is longer than 64 KiB is not taken, and what was there
// stays.
const maxCachedBytes = 60_000

func newCache(size int) cache {
	if size == 0 {
		return cache{}
	}
	return cache{rows: fastcache.New(size)}
}

func (c cache) isThere() bool { return c.rows != nil }

// takes says whether rows of this key's table are held.
func (c cache) takes(key []byte) bool {
	return c.rows != nil && (key[0] == book.TableAccounts || key[0] == book.TableWeeks)
}

// row answers a row, nil when it is not held.
func (c cache) row(key []byte) []byte {
	if !c.takes(key) {
		return nil
	}
	return c.rows.Get(nil, key)
}

// hold takes a row as the engine has it; nil when it has none.
func (c cache) hold(key, value []byte) {
	switch {
	case !c.takes(key):
	case value == nil, len(key)+len(value) > maxCachedBytes:
		c.rows.Del(key)
	default:
		c.rows.Set(key, value)
	}
}

// committed takes what a commit has changed.
func (c cache) committed(batch *store.Batch) {
	if c.isThere() {
		for _, change := range batch.Changes() {
			c.hold(change.Key, change.Value)
		}
	}
}

// lookups is how many rows were found since the last reset, and how many were not.
func (c cache) lookups() (hits, misses uint64) {
	var s fastcache.Stats
	c.rows.UpdateStats(&s)
	return s.GetCalls - min(s.Misses, s.GetCalls), s.Misses
}

// reset forgets everything, and gives its memory back for other caches.
func (c cache) reset() {
	if c.isThere() {
		c.rows.Reset()
	}
}

// cachedRows reads rows, of the cache if it has them.
type cachedRows struct {
	rows
	cache cache
}

func (r cachedRows) Row(key []byte) ([]byte, error) {
	if value := r.cache.row(key); value != nil {
		return value, nil
	}
	value, err := r.rows.Row(key)
	if err == nil {
		r.cache.hold(key, value)
	}
	return value, err
}

// Rows reads many rows at once.
func (r cachedRows) Rows(keys [][]byte) ([][]byte, error) {
	values, missed, err := r.rows.many(keys, func(key []byte) ([]byte, bool) {
		value := r.cache.row(key)
		return value, value != nil
	})
	for _, i := range missed {
		r.cache.hold(keys[i], values[i])
	}
	return values, err
}
