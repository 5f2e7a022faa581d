package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// benchHeapGrowth is GOGC while it measures: the client shares the machine with the bank, and lets garbage lie.
const benchHeapGrowth = 800

// kind is what a call is for.
type kind uint8

const (
	recording kind = iota
	readingRecord
	readingPage
	proving
)

func (k kind) method() string {
	switch k {
	case readingRecord:
		return creditbankv1.PortfolioService_GetPortfolio_FullMethodName
	case readingPage:
		return creditbankv1.PortfolioService_ListPortfolioEntries_FullMethodName
	case proving:
		return creditbankv1.LedgerService_GetInclusionProof_FullMethodName
	default:
		return creditbankv1.CompletionService_RecordCompletions_FullMethodName
	}
}

// call is a call that is going to be made, its request as it goes over the wire.
type call struct {
	kind    kind
	conn    *grpc.ClientConn
	token   *bearer // nil: the connection has its own, or none is needed
	request []byte
}

// sample is an answered call.
type sample struct {
	kind    kind
	latency time.Duration
	end     time.Time
	answer  []byte // of recording
}

// driven is a measurement.
type driven struct {
	begin   time.Time
	samples []sample
	busy    int64
}

// driver makes calls.
type driver struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	// duration is when no more calls are begun.
	duration time.Duration
	// attempt makes a call once.
	attempt func(context.Context, call) (answer []byte, err error)
}

// drive makes the calls of all lanes as a measurement.
func (b *bench) drive(ctx context.Context, callers int, rate float64, lanes [][]call) (*driven, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(benchHeapGrowth))
	runtime.GC() // what preparing left behind is none of the bank's business
	return b.driver().drive(ctx, callers, rate, lanes)
}

func (b *bench) driver() driver {
	return driver{now: b.p.now, sleep: b.p.sleep, duration: b.command.Duration, attempt: b.once}
}

// drive makes the calls of all lanes, so many at the same time, until there are none left or the time is over. Callers are
// spread over the lanes, and each has one call under way. Calls are made one after the other; or, if a rate is given, when
// they are due by it, and a call for which no caller was free waits, and its latency counts from when it was due.
func (d driver) drive(ctx context.Context, callers int, rate float64, lanes [][]call) (*driven, error) {
	var (
		next     = make([]atomic.Int64, len(lanes))
		busy     atomic.Int64
		samples  = make([][]sample, callers)
		group, c = errgroup.WithContext(ctx)
		begin    = d.now()
	)
	for i := range callers {
		lane := i % len(lanes)
		group.Go(func() error {
			for {
				at := int(next[lane].Add(1) - 1)
				due := d.now()
				if rate > 0 {
					due = begin.Add(time.Duration(float64(at*len(lanes)+lane) / rate * float64(time.Second)))
				}
				if at >= len(lanes[lane]) || due.Sub(begin) > d.duration {
					return nil
				}
				if wait := due.Sub(d.now()); wait > 0 {
					if err := d.sleep(c, wait); err != nil {
						return err
					}
				}
				one, err := d.make(c, lanes[lane][at], due, &busy)
				if err != nil {
					return err
				}
				samples[i] = append(samples[i], one)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return &driven{begin: begin, samples: slices.Concat(samples...), busy: busy.Load()}, nil
}

// make makes a call that is due, and makes it again when the bank is busy.
func (d driver) make(ctx context.Context, c call, due time.Time, busy *atomic.Int64) (sample, error) {
	for {
		answer, err := d.attempt(ctx, c)
		if err == nil {
			one := sample{kind: c.kind, end: d.now()}
			one.latency = one.end.Sub(due)
			if c.kind == recording {
				one.answer = answer
			}
			return one, nil
		}
		f := faultOf(status.Convert(err))
		if f.code != codes.ResourceExhausted {
			return sample{}, err
		}
		busy.Add(1)
		if err := d.sleep(ctx, max(f.after, firstWait/10)); err != nil {
			return sample{}, err
		}
	}
}

// once makes a call.
func (b *bench) once(ctx context.Context, c call) (answer []byte, err error) {
	ctx, done := b.g.call(ctx)
	defer done()
	options := []grpc.CallOption{grpc.ForceCodecV2(wire{}), grpc.MaxCallRecvMsgSize(maxAnswerBytes)}
	if c.token != nil {
		options = append(options, grpc.PerRPCCredentials(c.token))
	}
	err = c.conn.Invoke(ctx, c.kind.method(), c.request, &answer, options...)
	return answer, err
}

// maxAnswerBytes is the largest answer: that to a record of many entries with all words is.
const maxAnswerBytes = 16 << 20

// wire sends and keeps messages as they are on the wire: they are made before the measurement, and read after it.
type wire struct{}

// Marshal implements encoding.CodecV2.
func (wire) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("bench: cannot send a %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (wire) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("bench: cannot receive a %T", v)
	}
	*b = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2.
func (wire) Name() string { return "proto" }

// outcome counts what became of statements; several goroutines may add to it.
type outcome struct {
	mu sync.Mutex
	*tally
}

func (o *outcome) add(raw []byte) error {
	answer := new(creditbankv1.RecordCompletionsResponse)
	if err := proto.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("the bank's answer cannot be read: %v", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, result := range answer.GetResults() {
		if result.GetStatus() == creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED {
			f := faultOf(status.FromProto(result.GetError()))
			o.Rejected++
			o.problem(problem{Reason: f.reason, Message: f.message})
			continue
		}
		o.take(result)
	}
	return nil
}

// tell says what was counted, and fails when nothing was recorded.
func (o *outcome) tell(b *bench, name string, busy int64) error {
	fmt.Fprintf(b.p.stderr, "%s: %d recorded (%s), %d replayed, %d rejected, %d times busy\n",
		name, o.Recorded, o.outcomeWords(english), o.Replayed, o.Rejected, busy)
	for reason, r := range o.reasons {
		fmt.Fprintf(b.p.stderr, "  rejected: %s × %d: %s\n", reason, r.Count, r.First[0].Message)
	}
	if o.Recorded == 0 {
		return fmt.Errorf("%s: nothing was recorded", name)
	}
	return nil
}

// recorded is the result of the recordings among the samples. What was not recorded does not count.
func (b *bench) recorded(name string, d *driven) (benchResult, error) {
	counted := outcome{tally: newTally()}
	for _, one := range d.samples {
		if one.kind != recording {
			continue
		}
		if err := counted.add(one.answer); err != nil {
			return benchResult{}, err
		}
	}
	if err := counted.tell(b, name, d.busy); err != nil {
		return benchResult{}, err
	}
	result, err := d.result(name, recording)
	if err != nil {
		return benchResult{}, err
	}
	result.PerSecond = new(*result.PerSecond * float64(counted.Recorded) / float64(result.Count))
	result.Count = counted.Recorded
	return result, nil
}

// result is that of the calls of a kind: their number, by the time that the whole measurement took.
func (d *driven) result(name string, k kind) (benchResult, error) {
	var latencies []time.Duration
	end := d.begin
	for _, one := range d.samples {
		if one.kind == k {
			latencies = append(latencies, one.latency)
		}
		if one.end.After(end) {
			end = one.end
		}
	}
	if len(latencies) == 0 {
		return benchResult{}, errors.New(name + ": the time was over before the first call")
	}
	return resultOf(name, latencies, end.Sub(d.begin)), nil
}

func resultOf(name string, latencies []time.Duration, took time.Duration) benchResult {
	slices.Sort(latencies)
	return benchResult{
		Name: name, Count: len(latencies), PerSecond: new(float64(len(latencies)) / max(took, time.Microsecond).Seconds()),
		P50: milliseconds(percentile(latencies, 50)), P99: milliseconds(percentile(latencies, 99)),
	}
}

// percentile is the least of sorted values that p percent of them do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
