// Package ledger is the append-only, publicly verifiable record of a bank: propose → apply → commit → publish.
//
// One writer runs all proposals. For everything that waits it appends the entries, lets ledger/book add their deltas to
// the state, and writes entries, tiles and state in one atomic, durable commit, while the steps of the next batch run.
// Then it signs a checkpoint, makes the checkpoint durable at the anchor, and only then releases the receipts and lets
// readers see. Readers stand on a snapshot of what was published and never wait for the writer.
//
// The package judges nothing and knows no policy, no key of an organization and no transport. Its one invariant: what
// was published is a prefix of everything that will ever be published under the same origin. Where that is in doubt – a
// commit or an anchor that failed, a store that is behind its anchor – it stops writing and says so; reopening recovers.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// Format is the version of the format that this package writes and the newest that it reads (ledger/FORMAT.md).
const Format = 2

// Limits of the format and of the writer.
const (
	// MaxEntryBytes is the size of the largest entry.
	MaxEntryBytes = 65_535
	// DefaultQueue is how many proposals wait at most, unless Config says otherwise.
	DefaultQueue = 4096
	// maxBatchEntries ends a batch: a larger one makes nothing faster and the wait longer. Even of the largest entries, so
	// many stay within store.MaxBatchBytes.
	maxBatchEntries = 2048
	// gatherTime is how long the writer waits for more proposals when the newest batch had at least as many as crowded.
	gatherTime = 2 * time.Millisecond
	crowded    = 8
	// worthwhile is how many steps must wait to be run while a batch is being committed: fewer are left to gather, since what
	// they read is fetched together.
	worthwhile = 64
	// recentRows is how many decoded rows the writer keeps where others are in its cache: what a few batches use.
	recentRows = 8192
	// maxClockStep is how far the wall clock may leave the monotonic one.
	maxClockStep = 5 * time.Second
	// maxClockGap is how long after its newest entry a ledger is opened without asking.
	maxClockGap = 366 * 24 * time.Hour
)

// Errors that callers branch on.
var (
	// ErrBusy says that as many proposals wait as may. Nothing was done; try again a little later.
	ErrBusy = errors.New("ledger: too many proposals wait")
	// ErrHalted says that the ledger stopped writing, since it is unknown what is durable. Reopening recovers.
	ErrHalted = errors.New("ledger: stopped writing, reopen to recover")
	// ErrClosed says that the ledger was closed before the proposal began.
	ErrClosed = errors.New("ledger: closed")
	// ErrClock says that the clock of the machine cannot be trusted; see Config.AcceptTime.
	ErrClock = errors.New("ledger: the clock cannot be trusted")
	// ErrBehindAnchor says that the store lacks what was published: it is an older copy. Writing to it would sign a
	// second history.
	ErrBehindAnchor = errors.New("ledger: the store is behind its anchor")
	// ErrNoAnchor says that the anchor is empty although the log was published; see Config.AcceptAnchor.
	ErrNoAnchor = errors.New("ledger: the anchor is missing")
	// ErrEmpty says that no log was founded in the store; see Config.Existing and Survey.
	ErrEmpty = errors.New("ledger: the store is empty")
	// ErrForeign says that the store belongs to another bank or another log.
	ErrForeign = errors.New("ledger: the store is another bank's or another log's")
	// ErrFormat says that the store was written by a newer version.
	ErrFormat = errors.New("ledger: the store has a newer format")
	// ErrDamaged says that the store contradicts itself; fsck names the entry.
	ErrDamaged = errors.New("ledger: the store is damaged, run fsck")
	// ErrEntrySize says that an entry would be larger than MaxEntryBytes.
	ErrEntrySize = errors.New("ledger: the entry is too large")
	// ErrPanicked says that a step of a proposal panicked. Nothing of that step was kept.
	ErrPanicked = errors.New("ledger: a step of the proposal panicked")
	// ErrNotFound says that the log has no such entry or tile, or no such size.
	ErrNotFound = errors.New("ledger: not in the log")
)

// Anchor keeps the newest signed checkpoint outside the store, so that a store that was restored from a backup is
// recognized. Save returns nil only when the checkpoint would survive a loss of power; an interrupted Save leaves the
// old checkpoint or the new one. Load answers nil when nothing was saved yet. The ledger calls them one at a time.
type Anchor interface {
	Load() ([]byte, error)
	Save(checkpoint []byte) error
}

// Config is everything a ledger stands on.
type Config struct {
	// Engine keeps the rows. The ledger is its only writer; whoever opened it closes it after the ledger.
	Engine store.Engine
	// Anchor keeps the newest checkpoint.
	Anchor Anchor
	// BankID is the stable name of the bank; Origin that of the log. Both are written into entry 0 and compared with it, Origin
	// with the newest LogContinued where there is one.
	BankID, Origin string
	// Signer signs checkpoints and Verifier checks them; both are named by Origin.
	Signer   note.Signer
	Verifier note.Verifier
	// Now is the clock, Rand the source of salts.
	Now  func() time.Time
	Rand io.Reader
	// Log hears what goes wrong outside any call, and of a store that is brought to a newer format.
	Log *slog.Logger
	// Metrics registers creditbank_ledger_…; nil for none.
	Metrics prometheus.Registerer
	// Queue is how many proposals wait at most; 0: DefaultQueue.
	Queue int
	// CacheBytes is the memory for rows of accounts that the writer will read again, outside of what Go collects: some 1,000 bytes hold
	// an account that is in use, and the least that is taken is 32 MiB. 0: no such rows are kept, and more of them decoded.
	CacheBytes int
	// Existing opens a log that was founded; none is founded. A store that was lost, or is not mounted, looks like one in which a log is
	// yet to be founded, and one that is founded anew is a second history under the same key.
	Existing bool
	// AcceptTime lets the ledger open although its newest entry is more than 366 days old or lies in the future.
	AcceptTime bool
	// AcceptAnchor lets the ledger open although nothing is at its anchor: only for whoever knows that the anchor was lost and
	// that the store is the newest there is.
	AcceptAnchor bool
}

// Ledger is an open ledger. Its methods are safe for concurrent use.
type Ledger struct {
	config  Config
	metrics *metrics

	queue   chan *proposal
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has ended
	once    sync.Once
	halted  atomic.Pointer[error]

	// started and startedWall are the clock when the ledger was opened, with and without its monotonic reading.
	started, startedWall time.Time

	// tip is the newest durable tree: the committed batch's to move while there is one, the writer's otherwise.
	tip tip
	// state is the writer's alone: everything that steps have done so far.
	state *book.State
	// cache lies between state and engine.
	cache cache

	// nodes are what the proofs of all views remember.
	nodes *merkle.Nodes
	// published is what readers see.
	mu        sync.Mutex
	published *view
}

// Open opens the ledger in cfg.Engine, founding it when the engine is empty and it need not exist, and starts its writer. It answers
// ErrEmpty, ErrForeign, ErrFormat, ErrBehindAnchor, ErrNoAnchor, ErrDamaged, ErrRebuilding or ErrClock when the store may not be
// written.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	if cfg.Signer.Name() != cfg.Origin || cfg.Verifier.Name() != cfg.Origin {
		return nil, fmt.Errorf("%w: the log key is named %q, not %q like the log", ErrForeign, cfg.Signer.Name(), cfg.Origin)
	}
	if cfg.Queue == 0 {
		cfg.Queue = DefaultQueue
	}
	nodes, err := merkle.NewNodes()
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		config:  cfg,
		nodes:   nodes,
		queue:   make(chan *proposal, cfg.Queue),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		started: cfg.Now(),
	}
	l.startedWall = l.started.Round(0)
	l.cache = newCache(cfg.CacheBytes)
	l.metrics = newMetrics(cfg.Metrics, l)
	if err := l.recover(ctx); err != nil {
		return nil, err
	}
	if err := l.checkGap(); err != nil {
		l.published.release()
		return nil, err
	}
	go l.write()
	return l, nil
}

// Close ends the ledger: proposals that wait are still written, later ones answer ErrClosed.
func (l *Ledger) Close() error {
	l.once.Do(func() { close(l.closing) })
	<-l.done
	l.cache.reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.published != nil {
		l.published.release()
		l.published = nil
	}
	return nil
}

// Halted answers why the ledger stopped writing, or nil while it writes.
func (l *Ledger) Halted() error {
	if cause := l.halted.Load(); cause != nil {
		return *cause
	}
	return nil
}

// BankID is the stable name of the bank.
func (l *Ledger) BankID() string { return l.config.BankID }

// Origin is the name of the log.
func (l *Ledger) Origin() string { return l.config.Origin }

func (l *Ledger) halt(ctx context.Context, cause error) error {
	err := fmt.Errorf("%w: %w", ErrHalted, cause)
	if l.halted.CompareAndSwap(nil, &err) {
		l.metrics.halted.Set(1)
		l.config.Log.ErrorContext(ctx, "the ledger stopped writing; it recovers when it is opened again", "cause", cause)
	}
	return err
}

// checkGap refuses a clock that is implausible when it is compared with the newest entry.
func (l *Ledger) checkGap() error {
	if l.config.AcceptTime || l.tip.time == 0 {
		return nil
	}
	newest := time.UnixMicro(l.tip.time)
	switch gap := l.started.Sub(newest); {
	case gap > maxClockGap:
		return fmt.Errorf("%w: it says %s, %d days after the newest entry; if that is right, start once with --accept-time",
			ErrClock, l.started.UTC().Format(time.RFC3339), int(gap.Hours()/24))
	case gap < -maxClockStep:
		return fmt.Errorf("%w: it says %s, but the newest entry is of %s; set the clock, or start once with --accept-time",
			ErrClock, l.started.UTC().Format(time.RFC3339), newest.UTC().Format(time.RFC3339))
	}
	return nil
}

// now is the time of the next entries: never before the newest one.
func (l *Ledger) now(newest int64) (int64, error) {
	now := l.config.Now()
	step := now.Round(0).Sub(l.startedWall) - now.Sub(l.started)
	if step.Abs() > maxClockStep {
		return 0, fmt.Errorf("%w: it was set by %s while the bank was running; check it and restart",
			ErrClock, step.Round(time.Second))
	}
	return max(newest, now.UnixMicro()), nil
}
