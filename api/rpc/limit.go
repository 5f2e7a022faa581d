package rpc

import (
	"fmt"
	"sync"

	"github.com/learning-credit-bank/creditbank/api"
)

// calls are the seats of the calls under way, and how much of the memory for requests each caller has. A caller is remembered only while
// they have a seat, so there are never more callers than seats.
type calls struct {
	limits Limits

	mu      sync.Mutex
	callers map[string]*share
	count   int
	// bytes are those of all callers, anonymous of them those of callers who say nothing about themselves.
	bytes, anonymous int64
}

// share is what one caller has.
type share struct {
	calls int
	bytes int64
}

func newCalls(limits Limits) *calls { return &calls{limits: limits, callers: make(map[string]*share)} }

// enter gives a call of a caller its seat, until it leaves.
func (c *calls) enter(caller string, anonymous bool) (*seat, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.callers[caller]
	switch {
	case of != nil && of.calls >= c.limits.StreamsPerCaller:
		return nil, &api.Error{
			Kind: api.Busy, Reason: reasonCallerCalls,
			Message: fmt.Sprintf("%d calls of this caller are under way, as many as may be; wait for their answers", c.limits.StreamsPerCaller),
		}
	case c.count >= c.limits.Calls:
		return nil, &api.Error{Kind: api.Busy, Reason: reasonCalls, Message: "as many calls are under way as may be; try again"}
	case of == nil:
		of = new(share)
		c.callers[caller] = of
	}
	of.calls++
	c.count++
	return &seat{calls: c, caller: caller, anonymous: anonymous, of: of}, nil
}

// open answers how many calls are under way, and the bytes of their requests.
func (c *calls) open() (count int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, c.bytes
}

// seat is that of one call, until that leaves. It is used by one goroutine at a time.
type seat struct {
	calls     *calls
	caller    string
	anonymous bool
	of        *share
	bytes     int64
}

// take takes bytes for the request of the call, until it gives them back or leaves.
func (s *seat) take(bytes int64) error {
	c := s.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.of.bytes+bytes > c.limits.bytesPerCaller():
		return &api.Error{
			Kind: api.Busy, Reason: reasonCallerBytes,
			Message: "the requests of this caller that are being worked on have as many bytes as may be; wait for their answers",
		}
	case c.bytes+bytes > c.limits.BytesInFlight, s.anonymous && c.anonymous+bytes > c.limits.bytesOfAnonymous():
		return &api.Error{
			Kind: api.Busy, Reason: reasonBytes, Message: "the requests that are being worked on have as many bytes as may be; try again",
		}
	}
	s.add(bytes)
	return nil
}

func (s *seat) add(bytes int64) {
	s.bytes += bytes
	s.of.bytes += bytes
	s.calls.bytes += bytes
	if s.anonymous {
		s.calls.anonymous += bytes
	}
}

// give gives back what the call has taken: its request is no longer in memory.
func (s *seat) give() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.add(-s.bytes)
}

// leave ends the call.
func (s *seat) leave() {
	c := s.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	s.add(-s.bytes)
	c.count--
	if s.of.calls--; s.of.calls == 0 {
		delete(c.callers, s.caller)
	}
}
