package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/status"
)

// Waits between attempts double from the first to the longest.
const (
	firstWait   = 200 * time.Millisecond
	longestWait = 30 * time.Second
)

// retry repeats an idempotent call while the bank is away or too busy.
type retry struct {
	p *process
	// limit is how long to go on after the first failure.
	limit time.Duration
	// tell hears of each wait; it may be nil.
	tell func(f fault, wait time.Duration)
}

// do calls until it succeeds, fails for good, or the limit is over; then it answers the last error. The bank's own
// RetryInfo is a lower bound of each wait. Waits are spread, so that callers that were turned away together do not come
// back together.
func (r retry) do(ctx context.Context, call func() error) error {
	var began time.Time
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := call()
		if err == nil || ctx.Err() != nil {
			return err
		}
		s, ok := status.FromError(err)
		if !ok {
			return err
		}
		f := faultOf(s)
		now := r.p.now()
		if began.IsZero() {
			began = now
		}
		pause, random := wait, r.spread(wait)
		if f.after > pause {
			pause = f.after
		}
		pause += random
		if !f.passing() || now.Add(pause).Sub(began) > r.limit {
			return err
		}
		if r.tell != nil {
			r.tell(f, pause)
		}
		if err := r.p.sleep(ctx, pause); err != nil {
			return fmt.Errorf("waiting: %w", err)
		}
	}
}

// spread draws up to half of a wait.
func (r retry) spread(wait time.Duration) time.Duration {
	var b [1]byte
	if _, err := r.p.random.Read(b[:]); err != nil {
		return 0
	}
	return wait / 2 * time.Duration(b[0]) / 256
}
