package api

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// How many rows are looked at for one page of a list: few of them may be wanted. Such a page is short, or empty, and still has another
// one after it.
const (
	maxRowsLooked = 10_000
	// maxFollowedLooked is of lists that read a second row for each of theirs.
	maxFollowedLooked = 5_000
)

// newestFirst is a page of a list whose items are numbered by the index of an entry, the newest first.
type newestFirst struct {
	// asked is what the list is of, which its page tokens are bound to.
	asked any
	// size is how many items the page has at most.
	size int
	// before is the index of the last item of the page before; 0 begins with the newest.
	before uint64
}

// newestFirst checks which page of a list is asked for.
func (p Page) newestFirst(usual, most int, asked any) (newestFirst, error) {
	size, fault := p.size(usual, most)
	if fault != nil {
		return newestFirst{}, fault
	}
	l := newestFirst{asked: asked, size: size}
	return l, parsePageToken(p.Token, asked, &l.before)
}

// next is the token of the page that follows the one whose last item this is.
func (l newestFirst) next(last uint64) (string, error) { return pageToken(l.asked, last) }

// pageOfRows answers a page of the rows below a prefix whose keys end in the index of an entry, of which it looks at so many at most.
// Read makes an item of a row, and says whether it is wanted.
func pageOfRows[T any](
	ctx context.Context, view ledger.View, l newestFirst, prefix []byte, most int, read func(index uint64, row store.Row) (T, bool, error),
) (items []T, next string, err error) {
	within := store.Prefix(prefix)
	within.Reverse = true
	if l.before != 0 {
		within.End = binary.BigEndian.AppendUint64(slices.Clone(prefix), l.before)
	}
	looked, last := 0, uint64(0)
	for row, err := range view.Scan(ctx, within) {
		if err != nil {
			return nil, "", err
		}
		if len(items) == l.size || looked == most {
			next, err = l.next(last)
			return items, next, err
		}
		looked++
		last = binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])
		item, wanted, err := read(last, row)
		if err != nil {
			return nil, "", err
		}
		if wanted {
			items = append(items, item)
		}
	}
	return items, "", nil
}

// pageOfItems answers a page of what lies in memory in any order, in a slice that is its to change.
func pageOfItems[T any](l newestFirst, all []T, index func(T) uint64) (items []T, next string, err error) {
	items = slices.DeleteFunc(all, func(item T) bool { return l.before != 0 && index(item) >= l.before })
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(index(b), index(a)) })
	if len(items) <= l.size {
		return items, "", nil
	}
	items = items[:l.size]
	next, err = l.next(index(items[l.size-1]))
	return items, next, err
}
