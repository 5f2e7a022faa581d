package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// writer runs the steps of all proposals, one after the other, and gathers them into batches. While a batch is being
// committed, by a goroutine of its own, the steps of the next one run on top of what it changed; nobody hears of them before
// both are durable. At most one batch is being committed. When that fails, the open one goes with it.
type writer struct {
	*Ledger
	// waiting was taken off the queue to be run next, with so many steps.
	waiting []*proposal
	steps   int
	// open takes proposals; nil while there are none.
	open *batch
	// flying is being committed, until it comes back on landed.
	flying *batch
	landed chan *batch
	// size and time are those of the log with everything that was handed over.
	size uint64
	time int64

	// crowd is how many proposals the newest batch had. While many callers post, a batch waits a moment for those who are about
	// to, since a commit costs the same for few as for many: until patience ends, or as many are there again.
	crowd    int
	patience *time.Timer
	waited   bool
}

// batch is what one commit makes durable: proposals, and what their steps did.
type batch struct {
	*Tx
	proposals []*proposal
	steps     int
	// rows are what changed in the state, and directory is its version with them.
	rows      store.Batch
	directory uint64
	err       error
}

// write is the writer's life: it ends when the ledger is closed and everybody who waited is answered.
func (l *Ledger) write() {
	defer close(l.done)
	w := &writer{
		Ledger: l, landed: make(chan *batch, 1), size: l.tip.size, time: l.tip.time, patience: time.NewTimer(gatherTime),
	}
	defer w.patience.Stop()
	closing := l.closing
	for {
		w.drain()
		switch {
		case w.isDue() || closing == nil && w.flying == nil && w.proposals() > 0:
			w.run()
			w.handOver()
			continue
		case w.steps >= worthwhile:
			w.run()
			continue
		case closing == nil && w.flying == nil:
			return
		}
		queue := w.queue
		if w.isFull() {
			queue = nil
		}
		select {
		case p := <-queue:
			w.wait(p)
		case b := <-w.landed:
			w.land(b)
		case <-w.patience.C:
			w.waited = true
		case <-closing:
			closing = nil
		}
	}
}

// drain takes what is in the queue, as far as there is room for it.
func (w *writer) drain() {
	for !w.isFull() {
		select {
		case p := <-w.queue:
			w.wait(p)
		default:
			return
		}
	}
}

// wait makes a proposal wait for its turn in the batch.
func (w *writer) wait(p *proposal) {
	if w.proposals() == 0 {
		if w.waited = w.crowd < crowded; !w.waited {
			w.patience.Reset(gatherTime)
		}
	}
	w.waiting, w.steps = append(w.waiting, p), w.steps+p.count
}

// proposals is how many there are for the next commit.
func (w *writer) proposals() int {
	if w.open == nil {
		return len(w.waiting)
	}
	return len(w.open.proposals) + len(w.waiting)
}

func (w *writer) isFull() bool {
	steps := w.steps
	if w.open != nil {
		steps += w.open.steps
	}
	return steps >= maxBatchEntries
}

// isDue says whether the next batch should be committed now.
func (w *writer) isDue() bool {
	if w.flying != nil || w.proposals() == 0 {
		return false
	}
	return w.waited || w.isFull() || w.proposals() >= 2*w.crowd
}

// run fetches what those who wait are going to read, all at once, and runs their steps in the open batch.
func (w *writer) run() {
	waiting := w.waiting
	w.waiting, w.steps = nil, 0
	if len(waiting) == 0 {
		return
	}
	tx, err := w.begin(waiting)
	if err != nil {
		for _, p := range waiting {
			p.answer(Receipt{}, err)
		}
		return
	}
	for _, p := range waiting {
		if err := p.ctx.Err(); err != nil {
			p.answer(Receipt{}, err)
			continue
		}
		if w.open == nil {
			w.open = &batch{Tx: tx}
		}
		tx.run(p)
		w.open.proposals, w.open.steps = append(w.open.proposals, p), w.open.steps+p.count
	}
}

// begin answers the transaction of the open batch, or of a new one, with the rows that proposals have named.
func (w *writer) begin(waiting []*proposal) (*Tx, error) {
	if err := w.Halted(); err != nil {
		return nil, err
	}
	var tx *Tx
	if w.open != nil {
		tx = w.open.Tx
	} else {
		now, err := w.now(w.time)
		if err != nil {
			return nil, err
		}
		tx = &Tx{State: w.state, ctx: context.WithoutCancel(waiting[0].ctx), ledger: w.Ledger, time: now, first: w.size}
		if w.flying != nil {
			tx.before = w.flying.Tx
		}
	}
	return tx, tx.Prefetch(func(yield func(key []byte) bool) {
		for _, p := range waiting {
			for _, key := range p.reads {
				if !yield(key) {
					return
				}
			}
		}
	}, cachedRows{rows{tx.ctx, w.config.Engine}, w.cache}.Rows)
}

// run runs the steps of a proposal, each under a savepoint.
func (tx *Tx) run(p *proposal) {
	for i := range p.count {
		before := len(tx.entries)
		err := tx.try(p, i)
		if err == nil {
			err = tx.Keep()
		}
		if err != nil {
			tx.Undo()
			tx.entries = tx.entries[:before]
		}
		p.errs[i] = err
	}
}

func (tx *Tx) try(p *proposal, i int) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrPanicked, cause, debug.Stack())
		}
	}()
	return p.step(tx, i)
}

// handOver lets the open batch be committed.
func (w *writer) handOver() {
	b := w.open
	if b == nil {
		return // nobody who waited was still there
	}
	w.open, w.flying, w.crowd = nil, b, len(b.proposals)
	b.before = nil // it has landed
	if b.err = b.seal(); b.err != nil {
		w.landed <- b
		return
	}
	if len(b.entries) > 0 {
		w.size, w.time = b.Next(), b.time
	}
	go func() {
		if b.err = w.commit(b); b.err == nil {
			b.answer(w.receipt(), nil)
			w.cache.committed(&b.rows)
		}
		w.landed <- b
	}()
}

// seal fixes what the batch changes in the state, which goes on without it.
func (b *batch) seal() (err error) {
	b.rows.Grow(b.Changed() + len(b.entries) + len(b.entries)/128 + 8) // state, entries, tiles, the tree's own
	for key, value := range b.Changes {
		if value == nil {
			b.rows.Delete(key)
		} else {
			b.rows.Set(key, value)
		}
	}
	b.HandedOver()
	b.directory, err = b.Directory()
	return err
}

func (b *batch) answer(receipt Receipt, err error) {
	for _, p := range b.proposals {
		p.answer(receipt, err)
	}
}

// land takes a batch back. One that failed takes the open one with it, which stands on what it changed.
func (w *writer) land(b *batch) {
	w.flying = nil
	if b.err == nil {
		w.state.Committed()
		if w.open != nil {
			w.open.before = nil
		}
		return
	}
	err := b.err
	if !errors.Is(err, store.ErrHeadMoved) {
		err = w.halt(b.ctx, err)
	} else if failure := w.recover(b.ctx); failure != nil {
		err = w.halt(b.ctx, failure)
	} else {
		// Somebody else writes to this store. Nothing of the batch is there; go on from what they wrote.
		err = fmt.Errorf("%w: %w", ErrBusy, err)
		w.size, w.time = w.tip.size, w.tip.time
	}
	b.answer(Receipt{}, err)
	if w.open != nil {
		w.open.answer(Receipt{}, err)
		w.open = nil
	}
}

// commit makes a batch durable, signs and anchors its checkpoint, and publishes it: in this order.
func (l *Ledger) commit(b *batch) error {
	start := l.config.Now()
	if b.rows.Len() == 0 && len(b.entries) == 0 {
		return nil
	}
	if l.tip.size == 0 {
		b.rows.Set(formatKey(), book.Uint(Format))
	}
	// The edge is grown in place: whatever fails from here on, the writer stops or starts again from the store.
	next := l.tip
	next.head++
	next.size += uint64(len(b.entries))
	next.directory = b.directory
	if len(b.entries) > 0 {
		next.time = b.time
	}
	for i, e := range b.entries {
		b.rows.Set(book.EntryKey(l.tip.size+uint64(i)), e)
		for _, tile := range next.edge.Append(nil, merkle.LeafHash(e)) {
			b.rows.Set(book.TileKey(tile.Level, tile.Index), tile.Data)
		}
	}
	if err := next.save(&b.rows); err != nil {
		return err
	}
	if err := l.config.Engine.Commit(b.ctx, &b.rows, l.tip.head); err != nil {
		return err
	}
	if len(b.entries) == 0 { // a journal of rejects: the log is the same, and so is its checkpoint
		return l.show(next, l.receipt().Checkpoint)
	}
	if err := l.publish(next); err != nil {
		return err
	}
	l.metrics.committed(len(b.entries), l.config.Now().Sub(start))
	return nil
}
