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

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type benchCommand struct {
	Entries       int           `default:"100000" help:"Statements to post in submissions of --batch (${default})."`
	SingleEntries int           `default:"20000" help:"Statements to post in submissions of one (${default})."`
	Duration      time.Duration `default:"1m" help:"Longest time for each measurement (${default})."`
	Callers       int           `default:"64" help:"Calls at the same time with submissions of one (${default})."`
	BatchCallers  int           `default:"4" help:"Calls at the same time with submissions of --batch (${default})."`
	Batch         int           `default:"1000" help:"Statements in a large submission (${default})."`
	Connections   int           `default:"2" help:"Connections that the calls share (${default})."`
	Home          string        `placeholder:"ID" help:"Organization at home of the accounts that are opened; left out: the provider of the first course."`
	ReadyFile     string        `xor:"bank" placeholder:"FILE" help:"Take addresses, names and keys from this file, as \"creditbankd demo\" writes it."`
	Start         bool          `xor:"bank" help:"Start a bank with \"creditbankd demo\" in a temporary directory, and end it afterwards."`
	Creditbankd   string        `default:"creditbankd" placeholder:"PATH" help:"Program that --start starts (${default})."`
}

// Help says what is measured.
func (c *benchCommand) Help() string {
	return `Opens accounts of its own for people who do not exist, and posts classes for them that the policy mostly awards. What is
posted is made and signed beforehand, so that the client takes little of the machine while it measures. Nothing can be taken
back: measure banks that are there for it.

    record_batch   submissions of --batch statements, --batch-callers at the same time
    record_single  submissions of one statement, --callers at the same time

A latency is that of a whole submission, a count that of statements on the ledger.`
}

// benchmark is what was measured.
type benchmark struct {
	Cores   int           `json:"cores"`
	Results []benchResult `json:"results"`
}

type benchResult struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Count     int     `json:"count"`
}

// Run measures.
func (c *benchCommand) Run(ctx context.Context, g *globals, p *process) error {
	for _, n := range []int{c.Entries, c.SingleEntries, c.Callers, c.BatchCallers, c.Connections, c.Batch} {
		if n < 1 {
			return usagef("every number is 1 or more")
		}
	}
	if c.Batch > keyring.MaxStatements {
		return usagef("--batch: it is at most %d", keyring.MaxStatements)
	}
	ready := c.ReadyFile
	if c.Start {
		demo, err := startDemo(ctx, p, c.Creditbankd)
		if err != nil {
			return err
		}
		defer demo.end(p)
		ready = demo.ready
	}
	if ready != "" {
		if err := g.useReadyFile(ready); err != nil {
			return err
		}
	}
	b, err := c.connect(g, p)
	if err != nil {
		return err
	}
	defer b.close()
	batches, singles, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	done := benchmark{Cores: runtime.NumCPU()}
	for _, phase := range []struct {
		name    string
		callers int
		work    []submission
	}{
		{"record_batch", c.BatchCallers, batches},
		{"record_single", c.Callers, singles},
	} {
		result, err := b.measure(ctx, phase.name, phase.callers, phase.work)
		if err != nil {
			return err
		}
		done.Results = append(done.Results, result)
	}
	return done.print(g, p)
}

func (d benchmark) print(g *globals, p *process) error {
	if g.JSON {
		return writeJSON(p.stdout, d)
	}
	t := &table{right: []int{1, 2, 3, 4}}
	t.row(fmt.Sprintf("%d cores", d.Cores), "per second", "p50 ms", "p99 ms", "count")
	for _, r := range d.Results {
		t.row(r.Name, fmt.Sprintf("%.0f", r.PerSecond), fmt.Sprintf("%.2f", r.P50), fmt.Sprintf("%.2f", r.P99), itoa(int64(r.Count)))
	}
	t.write(p.stdout)
	return nil
}

// submission is a request as it goes over the wire.
type submission []byte

// bench is one run of the command.
type bench struct {
	command *benchCommand
	g       *globals
	p       *process
	key     *keyring.PrivateKey
	conns   []*grpc.ClientConn
}

func (c *benchCommand) connect(g *globals, p *process) (*bench, error) {
	if _, err := g.names(); err != nil {
		return nil, err
	}
	if g.AuthKey == "" {
		return nil, usagef("--auth-key is missing")
	}
	b := &bench{command: c, g: g, p: p}
	var err error
	if b.key, err = readKey("--sign-key", g.SignKey); err != nil {
		return nil, err
	}
	for range c.Connections {
		conn, err := g.dial(p)
		if err != nil {
			b.close()
			return nil, err
		}
		b.conns = append(b.conns, conn)
	}
	return b, nil
}

func (b *bench) close() {
	for _, conn := range b.conns {
		_ = conn.Close()
	}
}

// sample is one answered call.
type sample struct {
	latency time.Duration
	end     time.Time
	answer  []byte
}

// measure posts submissions until there are none left or the time is over.
func (b *bench) measure(ctx context.Context, name string, callers int, work []submission) (benchResult, error) {
	// The client shares the machine with the bank: let it collect its garbage seldom while it measures.
	defer debug.SetGCPercent(debug.SetGCPercent(benchHeapGrowth))
	runtime.GC() // what preparing left behind is none of the bank's business
	var (
		next    atomic.Int64
		busy    atomic.Int64
		group   sync.WaitGroup
		samples = make([][]sample, callers)
		failed  = make([]error, callers)
		begin   = b.p.now()
	)
	for i := range callers {
		group.Go(func() {
			for {
				at := next.Add(1) - 1
				if at >= int64(len(work)) || b.p.now().Sub(begin) > b.command.Duration {
					return
				}
				one, err := b.post(ctx, b.conns[i%len(b.conns)], work[at], &busy)
				if err != nil {
					failed[i] = err
					next.Store(int64(len(work))) // the others need not go on
					return
				}
				samples[i] = append(samples[i], one)
			}
		})
	}
	group.Wait()
	if err := errors.Join(failed...); err != nil {
		return benchResult{}, err
	}
	return b.sum(name, begin, slices.Concat(samples...), busy.Load())
}

// post makes one call, and makes it again when the bank is busy.
func (b *bench) post(ctx context.Context, conn *grpc.ClientConn, work submission, busy *atomic.Int64) (sample, error) {
	begin := b.p.now()
	for {
		answer, err := b.once(ctx, conn, work)
		if err == nil {
			end := b.p.now()
			return sample{latency: end.Sub(begin), end: end, answer: answer}, nil
		}
		f := faultOf(status.Convert(err))
		if f.code != codes.ResourceExhausted {
			return sample{}, err
		}
		busy.Add(1)
		if err := b.p.sleep(ctx, max(f.after, firstWait/10)); err != nil {
			return sample{}, err
		}
	}
}

func (b *bench) once(ctx context.Context, conn *grpc.ClientConn, work submission) (answer []byte, err error) {
	ctx, done := b.g.call(ctx)
	defer done()
	err = conn.Invoke(ctx, creditbankv1.CompletionService_RecordCompletions_FullMethodName, []byte(work), &answer, grpc.ForceCodecV2(wire{}))
	return answer, err
}

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

// sum reads the answers and makes the result of the samples. What was not recorded does not count.
func (b *bench) sum(name string, begin time.Time, samples []sample, busy int64) (benchResult, error) {
	counted, end := newTally(), begin
	for _, one := range samples {
		answer := new(creditbankv1.RecordCompletionsResponse)
		if err := proto.Unmarshal(one.answer, answer); err != nil {
			return benchResult{}, fmt.Errorf("the bank's answer cannot be read: %v", err)
		}
		for _, result := range answer.GetResults() {
			if result.GetStatus() == creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED {
				f := faultOf(status.FromProto(result.GetError()))
				counted.Rejected++
				counted.problem(problem{Reason: f.reason, Message: f.message})
				continue
			}
			counted.take(result)
		}
		if one.end.After(end) {
			end = one.end
		}
	}
	fmt.Fprintf(b.p.stderr, "%s: %d recorded (%s), %d replayed, %d rejected, %d times busy\n",
		name, counted.Recorded, counted.outcomeWords(english), counted.Replayed, counted.Rejected, busy)
	for reason, r := range counted.reasons {
		fmt.Fprintf(b.p.stderr, "  rejected: %s × %d: %s\n", reason, r.Count, r.First[0].Message)
	}
	if counted.Recorded == 0 {
		return benchResult{}, fmt.Errorf("%s: nothing was recorded", name)
	}
	latencies := make([]time.Duration, len(samples))
	for i, one := range samples {
		latencies[i] = one.latency
	}
	slices.Sort(latencies)
	return benchResult{
		Name: name, Count: counted.Recorded, PerSecond: float64(counted.Recorded) / max(end.Sub(begin), time.Microsecond).Seconds(),
		P50: milliseconds(percentile(latencies, 50)), P99: milliseconds(percentile(latencies, 99)),
	}, nil
}

// percentile is the least of sorted values that p percent of them do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
