package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

const (
	// pageEntries is how many entries a page shows.
	pageEntries = 50
	// mixHolders is how many holders read their records in the mix, at most; each brings a token of their own.
	mixHolders = 10_000
	// The mix, in shares of its twenty calls.
	mixShares, mixRecording, mixReading = 20, 16, 3
	// readCallers is how many read at the same time: one, so that the latency is that of reading, and not of waiting.
	readCallers = 1
)

// preload posts the first classes, which are made and signed on the way.
func (b *bench) preload(ctx context.Context) ([]benchResult, error) {
	var (
		total     = b.classes.preload
		blocks    = (total + b.command.Batch - 1) / b.command.Batch
		callers   = b.command.BatchCallers + 1 // one makes the next while the others wait for the bank
		latencies = make([]time.Duration, blocks)
		next      atomic.Int64
		busy      atomic.Int64
		counted   = outcome{tally: newTally()}
		counter   = newCounter(b.p, "preload", total)
		group, c  = errgroup.WithContext(ctx)
		begin     = b.p.now()
	)
	defer counter.finish()
	for i := range callers {
		group.Go(func() error {
			for {
				block := int(next.Add(1) - 1)
				if block >= blocks {
					return nil
				}
				first := block * b.command.Batch
				end := min(first+b.command.Batch, total)
				made, err := b.submission(b.senders[i%len(b.senders)], first, end)
				if err != nil {
					return err
				}
				one, err := b.driver().make(c, made, b.p.now(), &busy)
				if err != nil {
					return err
				}
				latencies[block] = one.latency
				if err := counted.add(one.answer); err != nil {
					return err
				}
				counter.add(end - first)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	took := b.p.now().Sub(begin)
	if err := counted.tell(b, "preload", busy.Load()); err != nil {
		return nil, err
	}
	result := resultOf("preload", latencies, took)
	result.Count, result.PerSecond = counted.Recorded, new(float64(counted.Recorded)/max(took, time.Microsecond).Seconds())
	return []benchResult{result}, nil
}

// submissions makes and signs so many classes that were not posted yet, a lane for each sender.
func (b *bench) submissions(ctx context.Context, count, size int) ([][]call, error) {
	lanes := make([][]call, len(b.senders))
	first := b.classes.take(count)
	blocks := (count + size - 1) / size
	for lane := range lanes {
		lanes[lane] = make([]call, (blocks-lane+len(lanes)-1)/len(lanes))
	}
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() error {
			for block := w; block < blocks && ctx.Err() == nil; block += workers {
				begin := first + block*size
				made, err := b.submission(b.senders[block%len(lanes)], begin, min(begin+size, first+count))
				if err != nil {
					return err
				}
				lanes[block%len(lanes)][block/len(lanes)] = made
			}
			return ctx.Err()
		})
	}
	return lanes, group.Wait()
}

func (b *bench) recordBatch(ctx context.Context) ([]benchResult, error) {
	return b.record(ctx, "record_batch", b.command.BatchCallers, 0, b.enough(batchEnough), b.command.Batch)
}

func (b *bench) recordSingle(ctx context.Context) ([]benchResult, error) {
	return b.record(ctx, "record_single", b.command.Callers, 0, b.enough(singleEnough), 1)
}

// recordHalf posts at half of the rate that was found, or at the one that was asked for.
func (b *bench) recordHalf(ctx context.Context, found float64) ([]benchResult, error) {
	rate := b.command.Rate
	if rate == 0 {
		rate = found / 2
	}
	return b.record(ctx, "record_single_half_load", b.command.Callers, rate, int(rate*b.command.Duration.Seconds())+1, 1)
}

func (b *bench) record(ctx context.Context, name string, callers int, rate float64, count, size int) ([]benchResult, error) {
	lanes, err := b.submissions(ctx, count, size)
	if err != nil {
		return nil, err
	}
	d, err := b.drive(ctx, max(callers, len(lanes)), rate, lanes)
	if err != nil {
		return nil, err
	}
	result, err := b.recorded(name, d)
	return []benchResult{result}, err
}

// readRecords reads the records of keen people: whole, and a page of them with all reasons.
func (b *bench) readRecords(ctx context.Context) ([]benchResult, error) {
	if b.issuer == nil {
		return nil, nil
	}
	holders := make([]*bearer, len(b.classes.keen))
	for i, one := range b.classes.keen {
		var err error
		if holders[i], err = b.holder(one.id); err != nil {
			return nil, err
		}
	}
	if err := b.checkRecord(ctx, holders[0]); err != nil {
		return nil, err
	}
	var results []benchResult
	for _, read := range []struct {
		name    string
		kind    kind
		request proto.Message
	}{
		{"portfolio_500", readingRecord, &creditbankv1.GetPortfolioRequest{EntryLimit: keenClasses}},
		{"portfolio_page", readingPage, &creditbankv1.ListPortfolioEntriesRequest{PageSize: pageEntries, View: creditbankv1.View_VIEW_FULL}},
	} {
		result, err := b.read(ctx, read.name, read.kind, func(random *rand.Rand) (proto.Message, *bearer) {
			return read.request, holders[random.IntN(len(holders))]
		})
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// checkRecord makes sure that a record that is read whole has what it should have.
func (b *bench) checkRecord(ctx context.Context, holder *bearer) error {
	request, err := proto.Marshal(&creditbankv1.GetPortfolioRequest{EntryLimit: keenClasses})
	if err != nil {
		return fmt.Errorf("portfolio_500: %v", err)
	}
	raw, err := b.once(ctx, call{kind: readingRecord, conn: b.reader, token: holder, request: request})
	if err != nil {
		return err
	}
	answer := new(creditbankv1.GetPortfolioResponse)
	if err := proto.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("the bank's answer cannot be read: %v", err)
	}
	if got := len(answer.GetPortfolio().GetEntries()); got != keenClasses {
		return fmt.Errorf("portfolio_500: %d completions of one person were posted, and the bank answers %d", keenClasses, got)
	}
	return nil
}

// readProofs asks for the proofs of entries from all over the log.
func (b *bench) readProofs(ctx context.Context) ([]benchResult, error) {
	size, err := b.size(ctx)
	if err != nil {
		return nil, err
	}
	result, err := b.read(ctx, "inclusion_proof", proving, func(random *rand.Rand) (proto.Message, *bearer) {
		return &creditbankv1.GetInclusionProofRequest{Index: random.Uint64N(size)}, nil
	})
	return []benchResult{result}, err
}

// size is how many entries the log has.
func (b *bench) size(ctx context.Context) (uint64, error) {
	ctx, done := b.g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewLedgerServiceClient(b.reader).GetInclusionProof(ctx, new(creditbankv1.GetInclusionProofRequest))
	return answer.GetSize(), err
}

// read measures one kind of reading.
func (b *bench) read(ctx context.Context, name string, k kind, ask func(*rand.Rand) (proto.Message, *bearer)) (benchResult, error) {
	random, err := b.random()
	if err != nil {
		return benchResult{}, err
	}
	lane := make([]call, b.enough(readEnough))
	for i := range lane {
		message, token := ask(random)
		request, err := proto.Marshal(message)
		if err != nil {
			return benchResult{}, fmt.Errorf("%s: %v", name, err)
		}
		lane[i] = call{kind: k, conn: b.reader, token: token, request: request}
	}
	d, err := b.drive(ctx, readCallers, 0, [][]call{lane})
	if err != nil {
		return benchResult{}, err
	}
	return d.result(name, k)
}

// random chooses whom and what is asked for.
func (b *bench) random() (*rand.Rand, error) {
	var seed [16]byte
	if _, err := io.ReadFull(b.p.random, seed[:]); err != nil {
		return nil, fmt.Errorf("seed: %v", err)
	}
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:]), binary.LittleEndian.Uint64(seed[8:]))), nil //nolint:gosec // nothing here is secret
}

// mix does at the same time what a day brings.
func (b *bench) mix(ctx context.Context) ([]benchResult, error) {
	lanes, err := b.submissions(ctx, b.enough(mixEnough)*mixRecording/mixShares+1, 1)
	if err != nil {
		return nil, err
	}
	if err := b.interleave(ctx, lanes); err != nil {
		return nil, err
	}
	d, err := b.drive(ctx, max(b.command.Callers, len(lanes)), 0, lanes)
	if err != nil {
		return nil, err
	}
	result, err := b.recorded("mix_record", d)
	if err != nil {
		return nil, err
	}
	results := []benchResult{result}
	for _, reading := range []struct {
		name string
		kind kind
	}{{"mix_portfolio", readingRecord}, {"mix_proof", proving}} {
		if reading.kind == readingRecord && b.issuer == nil {
			continue
		}
		result, err := d.result(reading.name, reading.kind)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// interleave puts readings among the recordings of each lane.
func (b *bench) interleave(ctx context.Context, lanes [][]call) error {
	random, err := b.random()
	if err != nil {
		return err
	}
	size, err := b.size(ctx)
	if err != nil {
		return err
	}
	var holders []*bearer
	if b.issuer != nil {
		for range min(mixHolders, len(b.classes.learners)) {
			one, err := b.holder(b.classes.learners[random.IntN(len(b.classes.learners))].id)
			if err != nil {
				return err
			}
			holders = append(holders, one)
		}
	}
	record, err := proto.Marshal(&creditbankv1.GetPortfolioRequest{EntryLimit: pageEntries})
	if err != nil {
		return fmt.Errorf("mix: %v", err)
	}
	for lane, recordings := range lanes {
		var mixed []call
		for len(recordings) > 0 {
			n := len(mixed) + lane // lanes begin at different places of the mix
			switch place := n % mixShares; {
			case place < mixReading && len(holders) > 0:
				mixed = append(mixed, call{kind: readingRecord, conn: b.reader, token: holders[random.IntN(len(holders))], request: record})
			case place == mixReading:
				request, err := proto.Marshal(&creditbankv1.GetInclusionProofRequest{Index: random.Uint64N(size)})
				if err != nil {
					return fmt.Errorf("mix: %v", err)
				}
				mixed = append(mixed, call{kind: proving, conn: b.reader, request: request})
			default:
				mixed, recordings = append(mixed, recordings[0]), recordings[1:]
			}
		}
		lanes[lane] = mixed
	}
	return nil
}
