// Package witness has the log's checkpoints cosigned by witnesses (C2SP tlog-witness), in the background.
//
// A round takes the newest checkpoint that the log has published, asks every configured witness for its cosignature, and ends
// when enough of them have signed, or all that were asked have answered or run out of time. Then the checkpoint, with the
// cosignatures that it got, is what the bank shows to everyone; what comes in later is added. So what is shown follows the log
// at a distance of one round, whatever the witnesses do, and nobody who posts ever waits for one of them: receipts
// carry the log's own signature alone.
//
// [Witnesses.Run] is one goroutine, which owns all that is known of the witnesses, and one more for each question under way. It signs
// nothing, writes nothing to disk – after a restart the witnesses say what they have seen – and knows the log only by
// [Log]. What a witness answers is believed only as far as its signature verifies.
//
// Its one invariant: what is shown never becomes shorter.
package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

const (
	// DefaultInterval is Config's Interval, unless it says otherwise.
	DefaultInterval = time.Second
	// DefaultTimeout is Config's Timeout, unless it says otherwise.
	DefaultTimeout = 3 * time.Second
	// longestPause is how long a witness that keeps failing is left alone at most.
	longestPause = time.Minute
	// refreshAfter is how old a cosignature becomes before it is asked for anew although the log has not grown: its time tells
	// readers that they see the newest log there is.
	refreshAfter = 10 * time.Minute
)

// Log is the log whose checkpoints are witnessed. Its methods are safe for concurrent use.
type Log interface {
	// Newest answers the newest checkpoint, as the log has signed it, and its size. It must be one that the log will
	// continue whatever happens, a loss of power too: a witness never forgets.
	Newest() (signed []byte, size uint64, err error)
	// ConsistencyProof proves that the log of one size is the beginning of that of another, up to the newest.
	ConsistencyProof(ctx context.Context, older, newer uint64) ([]merkle.Hash, error)
}

// Witness is somebody who cosigns.
type Witness struct {
	// URL is its submission prefix, http or https, to which "/add-checkpoint" is appended.
	URL string
	// Key verifies what it signs, and names it.
	Key cosignature.Key
}

// Config is what the witnesses stand on.
type Config struct {
	Log       Log
	Witnesses []Witness
	// Quorum is how many of them make a checkpoint witnessed.
	Quorum int
	// Interval is the time from one round to the next at least; 0: DefaultInterval.
	Interval time.Duration
	// Timeout is how long a witness may take to answer, and with it a round; 0: DefaultTimeout.
	Timeout time.Duration
	// Transport carries the requests; nil: a transport of its own, through the proxy that the environment names.
	Transport http.RoundTripper
	// Now is the clock.
	Now func() time.Time
	// Logger hears when a witness begins to fail, and when it signs again.
	Logger *slog.Logger
	// Metrics registers creditbank_witness_…; nil for none.
	Metrics prometheus.Registerer
}

// Witnesses asks witnesses. Published is safe for concurrent use; Run runs once.
type Witnesses struct {
	config  Config
	policy  *cosignature.Policy
	client  client
	metrics *metrics

	// shown is what everyone sees, and newest when it was last known to be the newest, in Unix nanoseconds.
	shown  atomic.Pointer[cosignature.Checkpoint]
	newest atomic.Int64
	// shownSize is the size of the log that everyone sees.
	shownSize atomic.Uint64

	// What follows is Run's alone.
	witnesses []*member
	answers   chan answer
	asked     int // questions under way
	round     *round
}

// member is what is known of a witness.
type member struct {
	Witness

	// size is that of the log that it signed last, as far as is known.
	size uint64
	// busy while a question is under way.
	busy bool
	// failures is how often in a row it failed, as what, and pause until when it is left alone after that.
	failures int
	failing  outcome
	pause    time.Time
}

// round is the way of one checkpoint through the witnesses.
type round struct {
	signed []byte
	size   uint64
	began  time.Time
	// cosignatures and when they came, by witness; the zero time where there is none.
	cosignatures []cosignature.Cosignature
	came         []time.Time
	waiting      int // for so many answers
	shown        bool
}

// got are the cosignatures that the checkpoint has.
func (r *round) got() (all []cosignature.Cosignature) {
	for i, c := range r.cosignatures {
		if !r.came[i].IsZero() {
			all = append(all, c)
		}
	}
	return all
}

// New makes what asks the witnesses. Until Run has had its first round, the newest checkpoint is shown as the log signed it.
// It answers cosignature.ErrPolicy, and an error for an address that is none.
func New(cfg Config) (*Witnesses, error) {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	w := &Witnesses{
		config: cfg, client: newClient(cfg.Transport), answers: make(chan answer, len(cfg.Witnesses)),
	}
	keys := make([]cosignature.Key, len(cfg.Witnesses))
	for i, witness := range cfg.Witnesses {
		if err := CheckURL(witness.URL); err != nil {
			return nil, err
		}
		witness.URL = strings.TrimRight(witness.URL, "/")
		keys[i] = witness.Key
		w.witnesses = append(w.witnesses, &member{Witness: witness, failing: cosigned})
	}
	var err error
	if w.policy, err = cosignature.NewPolicy(keys, cfg.Quorum); err != nil {
		return nil, err
	}
	signed, size, err := cfg.Log.Newest()
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w.metrics = newMetrics(cfg.Metrics, w)
	w.newRound(signed, size, cfg.Now())
	w.store(w.round)
	w.upToDate(cfg.Now())
	return w, nil
}

// CheckURL says what is wrong with the address of a witness, or nil.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("witness: %q is no address of a witness, such as https://witness.example/prefix", address)
	}
	return nil
}

// Published answers the checkpoint that everyone is shown. It is only read.
func (w *Witnesses) Published() *cosignature.Checkpoint { return w.shown.Load() }

// Run has checkpoints witnessed until ctx ends; then it waits for the questions that are under way, which ctx breaks off.
func (w *Witnesses) Run(ctx context.Context) {
	ticker := time.NewTicker(w.config.Interval)
	defer ticker.Stop()
	defer w.client.close()
	w.turn(ctx)
	for {
		select {
		case <-ctx.Done():
			for ; w.asked > 0; w.asked-- {
				<-w.answers
			}
			return
		case <-ticker.C:
			w.turn(ctx)
		case a := <-w.answers:
			w.take(ctx, a)
		}
	}
}

// turn begins the round of a new checkpoint, or asks for what the shown one still lacks. While a round is under way it does
// nothing.
func (w *Witnesses) turn(ctx context.Context) {
	if !w.round.shown {
		return
	}
	signed, size, err := w.config.Log.Newest()
	if err != nil {
		return // the log is closed: what is shown stays
	}
	now := w.config.Now()
	if size > w.round.size {
		w.newRound(signed, size, now)
	} else {
		w.upToDate(now)
	}
	for i, m := range w.witnesses {
		if m.busy || now.Before(m.pause) || now.Sub(w.round.came[i]) < refreshAfter {
			continue
		}
		w.ask(ctx, i, m)
	}
	if !w.round.shown && w.round.waiting == 0 {
		w.show()
	}
}

func (w *Witnesses) newRound(signed []byte, size uint64, now time.Time) {
	w.round = &round{
		signed: signed, size: size, began: now,
		cosignatures: make([]cosignature.Cosignature, len(w.witnesses)), came: make([]time.Time, len(w.witnesses)),
	}
}

// answer is how a question ended.
type answer struct {
	round       *round
	witness     int
	cosignature cosignature.Cosignature
	// size is that of the log that the witness signed last, as it is known now.
	size    uint64
	outcome outcome
	err     error
	took    time.Duration
}

// ask asks a witness for its cosignature under the checkpoint of the round.
func (w *Witnesses) ask(ctx context.Context, i int, m *member) {
	q := question{log: w.config.Log, url: m.URL, key: m.Key, signed: w.round.signed, size: w.round.size, old: m.size}
	a := answer{round: w.round, witness: i}
	m.busy = true
	w.round.waiting++
	w.asked++
	go func() {
		began := w.config.Now()
		asking, done := context.WithTimeout(ctx, w.config.Timeout)
		defer done()
		a.cosignature, a.err = w.client.ask(asking, &q)
		a.size, a.outcome, a.took = q.old, outcomeOf(a.err), w.config.Now().Sub(began)
		w.answers <- a
	}()
}

// take takes an answer in.
func (w *Witnesses) take(ctx context.Context, a answer) {
	w.asked--
	a.round.waiting--
	m := w.witnesses[a.witness]
	m.busy, m.size = false, a.size
	if ctx.Err() != nil {
		return
	}
	w.metrics.answered(m.Key.Name(), a.outcome, a.took)
	w.tell(ctx, m, a)
	now := w.config.Now()
	if a.outcome == cosigned {
		m.failures, m.pause = 0, time.Time{}
		a.round.cosignatures[a.witness], a.round.came[a.witness] = a.cosignature, now
	} else {
		m.failures++
		m.pause = now.Add(min(w.config.Interval<<min(m.failures, 16), max(longestPause, w.config.Interval)))
	}
	switch {
	case a.round != w.round: // another checkpoint is on its way, or shown
	case w.round.shown:
		if a.outcome == cosigned {
			w.store(w.round)
		}
	case w.round.waiting == 0 || len(w.round.got()) >= w.policy.Quorum():
		w.show()
	}
}

// tell writes to the log what has changed with a witness.
func (w *Witnesses) tell(ctx context.Context, m *member, a answer) {
	if a.outcome == m.failing {
		return
	}
	m.failing = a.outcome
	log := w.config.Logger.With("witness", m.Key.Name(), "entries", a.round.size)
	switch a.outcome {
	case cosigned:
		log.InfoContext(ctx, "the witness cosigns again")
	case disagrees:
		log.ErrorContext(ctx, "the witness has seen another history of this log; see \"Witnesses\" in OPERATIONS.md", "cause", a.err)
	default:
		log.WarnContext(ctx, "the witness does not cosign; it is asked again and again, less and less often", "cause", a.err)
	}
}

// show ends the round: everyone is shown its checkpoint.
func (w *Witnesses) show() {
	w.store(w.round)
	w.metrics.ended(w.round, w.shown.Load().Witnessed(), w.config.Now())
	w.upToDate(w.round.began)
}

// store shows the checkpoint of a round with the cosignatures that it has.
func (w *Witnesses) store(r *round) {
	r.shown = true
	c := w.policy.With(r.signed, r.got())
	w.shown.Store(c)
	w.shownSize.Store(r.size)
	w.metrics.stored(w.witnesses, r, c)
}

// upToDate remembers a time at which the newest checkpoint was the shown one.
func (w *Witnesses) upToDate(at time.Time) { w.newest.Store(at.UnixNano()) }

// lag is for how long there may have been entries that are not shown to everyone yet; 0 while there are none.
func (w *Witnesses) lag() time.Duration {
	_, size, err := w.config.Log.Newest()
	if err != nil || size == w.shownSize.Load() {
		return 0
	}
	return w.config.Now().Sub(time.Unix(0, w.newest.Load()))
}

// outcomeOf names how a question ended.
func outcomeOf(err error) outcome {
	if err == nil {
		return cosigned
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.outcome
	}
	return failed
}
