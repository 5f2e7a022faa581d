package rpc

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/learning-credit-bank/creditbank/api"
)

// calls are the places of the calls under way. A caller is remembered only while they have one, so there are never more
// callers than places.
type calls struct {
	perCaller, most int

	mu      sync.Mutex
	callers map[string]int
	count   int
}

func newCalls(perCaller, most int) *calls {
	return &calls{perCaller: perCaller, most: most, callers: make(map[string]int)}
}

// enter gives a call of a caller its place, until leave.
func (c *calls) enter(caller string) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.callers[caller] >= c.perCaller:
		return nil, &api.Error{
			Kind: api.Busy, Reason: reasonCallerCalls,
			Message: fmt.Sprintf("%d calls of this caller are under way, as many as may be; wait for their answers", c.perCaller),
		}
	case c.count >= c.most:
		return nil, &api.Error{Kind: api.Busy, Reason: reasonCalls, Message: "as many calls are under way as may be; try again"}
	}
	c.callers[caller]++
	c.count++
	return func() { c.leave(caller) }, nil
}

func (c *calls) leave(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
	if c.callers[caller]--; c.callers[caller] == 0 {
		delete(c.callers, caller)
	}
}

func (c *calls) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// budget is a number of bytes that requests share.
type budget struct {
	limit int64
	taken atomic.Int64
}

// take takes bytes, until give, for a request that has taken some already. More than there may ever be is for a request that is alone.
func (b *budget) take(bytes, already int64) error {
	for {
		taken := b.taken.Load()
		if taken+bytes > b.limit && taken > already {
			return &api.Error{
				Kind: api.Busy, Reason: reasonBytes, Message: "the requests that are being worked on have as many bytes as may be; try again",
			}
		}
		if b.taken.CompareAndSwap(taken, taken+bytes) {
			return nil
		}
	}
}

// give gives bytes back.
func (b *budget) give(bytes int64) { b.taken.Add(-bytes) }
