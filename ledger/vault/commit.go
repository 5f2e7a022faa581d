package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

const (
	// maxGroup is how many changes share one commit.
	maxGroup = 256
	// maxAttempts is how often a commit is tried again because another process writes to the same store.
	maxAttempts = 8
)

// writer makes changes durable, one commit at a time. Those who wait for the commit under way share the next one: whoever
// gets the turn first does the work of all, and the others find theirs done. No goroutine is needed for it.
type writer struct {
	engine    store.Engine
	forgetAll func() // called when somebody else has written

	queueing sync.Mutex
	queue    []*change

	turn chan struct{} // holds one token; whoever has taken it commits, and owns what follows
	head store.Head
}

// change is one caller's wish.
type change struct {
	ctx    context.Context
	run    func(*draft) error // may be called more than once; its effect is what it sets in the draft
	after  func()             // called once the change is durable, before commit returns; nil for nothing
	done   bool               // the owner of writer.turn's
	result error
}

func (w *writer) init(engine store.Engine, forgetAll func()) {
	w.engine, w.forgetAll, w.head = engine, forgetAll, engine.Head()
	w.turn = make(chan struct{}, 1)
	w.turn <- struct{}{}
}

// commit runs a change and makes what it sets durable. An error of run undoes this change alone. After any other error
// than store.ErrHeadMoved the outcome is unknown, and the engine refuses to go on.
func (w *writer) commit(ctx context.Context, run func(*draft) error, after func()) error {
	c := &change{ctx: ctx, run: run, after: after}
	w.queueing.Lock()
	w.queue = append(w.queue, c)
	w.queueing.Unlock()

	<-w.turn // not given up when ctx ends: another may be committing this change already
	defer func() { w.turn <- struct{}{} }()
	for !c.done {
		w.commitGroup(w.next()) //nolint:contextcheck // a group runs for all of its callers
	}
	return c.result
}

// next takes the longest waiting changes off the queue.
func (w *writer) next() []*change {
	w.queueing.Lock()
	defer w.queueing.Unlock()
	n := min(len(w.queue), maxGroup)
	group := w.queue[:n:n]
	w.queue = append([]*change(nil), w.queue[n:]...)
	return group
}

func (w *writer) commitGroup(group []*change) {
	err := w.tryGroup(group)
	for attempt := 1; errors.Is(err, store.ErrHeadMoved) && attempt < maxAttempts; attempt++ {
		w.forgetAll()
		w.head = w.engine.Head()
		err = w.tryGroup(group)
	}
	for _, c := range group {
		c.done = true
		switch {
		case c.result != nil:
		case err != nil:
			c.result = fmt.Errorf("vault: commit: %w", err)
		case c.after != nil:
			c.after()
		}
	}
}

// tryGroup runs the changes in turn, each on top of those before it that succeeded.
func (w *writer) tryGroup(group []*change) error {
	d := &draft{reader: w.engine, head: w.head, rows: make(map[string][]byte)}
	for _, c := range group {
		if c.result = c.ctx.Err(); c.result == nil {
			c.result = d.try(c.run)
		}
	}
	if d.batch.Len() == 0 {
		return nil // nothing to write: everybody was refused or had what they wanted
	}
	if err := w.engine.Commit(context.Background(), &d.batch, w.head); err != nil {
		return err
	}
	w.head++
	return nil
}

// draft is a batch in the making, and the store as it will be after it.
type draft struct {
	reader store.Reader
	head   store.Head
	batch  store.Batch
	rows   map[string][]byte // what batch sets; nil for what it deletes

	own store.Batch // what the change being tried sets
}

// try runs a change, and keeps what it set if it succeeded. A change reads before it sets: it does not see its own rows.
func (d *draft) try(run func(*draft) error) error {
	d.own = store.Batch{}
	if err := run(d); err != nil {
		return err
	}
	for _, c := range d.own.Changes() {
		d.rows[string(c.Key)] = c.Value
		if c.Value == nil {
			d.batch.Delete(c.Key)
		} else {
			d.batch.Set(c.Key, c.Value)
		}
	}
	return nil
}

// get reads as [store.Reader.Get] does, on top of the draft.
func (d *draft) get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	values, err := d.reader.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("vault: read: %w", err)
	}
	for i, key := range keys {
		if value, changed := d.rows[string(key)]; changed {
			values[i] = value
		}
	}
	return values, nil
}

func (d *draft) set(key, value []byte) { d.own.Set(key, value) }

func (d *draft) delete(key []byte) { d.own.Delete(key) }

// sequence numbers the row that is set next: no two rows of a store ever get the same number.
func (d *draft) sequence() (head store.Head, position int) {
	return d.head + 1, d.batch.Len() + d.own.Len()
}
