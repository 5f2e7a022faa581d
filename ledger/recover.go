package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// ErrRecover says that a log cannot be recovered as it was asked for. Nothing was written.
var ErrRecover = errors.New("ledger: the log cannot go on like this")

// Lost is what is known of a log that nobody may go on with: the store lacks what it published, or somebody else may
// have its key, or nobody has.
type Lost struct {
	// VerifierKey is its public key, <origin>+<key id>+<key>.
	VerifierKey string
	// Checkpoint is a signed checkpoint of it that somebody else has kept; nil: nobody has. It counts where it is newer
	// than the one at the anchor.
	Checkpoint []byte
	// Keep makes what is at the anchor durable in another place, before the anchor becomes that of the log that goes on. It
	// may run again for the same checkpoint. Nil: the checkpoint is kept in the log alone.
	Keep func(checkpoint []byte) error
}

// Recovery is what came of Recover.
type Recovery struct {
	// Former is the log that was lost.
	Former FormerLog
	// Whole says that everything which the newest known checkpoint of it covers has been kept.
	Whole bool
	// Signed is the first checkpoint of the log that goes on, or its newest if it went on before.
	Signed []byte
	// Before says that there was nothing left to do: the log had gone on already.
	Before bool
}

// Recover makes what is left of a lost log go on as another one. It appends LogContinued, which names the origin in cfg and
// holds the newest known checkpoint of the lost log, signs a checkpoint with the key in cfg, and leaves it at the anchor.
// The log that goes on never signed anything before: it breaks no promise of the lost one, and whoever kept a checkpoint of
// that one sees what is missing. The bank and its state stay what they are: what was recorded and is left is never recorded
// twice.
//
// The caller has checked the store (see Fsck), and nobody else may use it meanwhile. An interruption leaves a store that
// Open refuses and that Recover, asked for the same again, takes to its end. Errors: ErrRecover, ErrForeign, ErrFormat,
// ErrDamaged, ErrRebuilding, ErrClock, and ErrNoAnchor where no checkpoint of the lost log is known and cfg.AcceptAnchor does not say that
// none is.
func Recover(ctx context.Context, cfg Config, lost Lost) (Recovery, error) {
	if cfg.Signer.Name() != cfg.Origin || cfg.Verifier.Name() != cfg.Origin {
		return Recovery{}, fmt.Errorf("%w: the new log key is named %q, not %q like the log that goes on", ErrForeign, cfg.Signer.Name(), cfg.Origin)
	}
	l := &Ledger{config: cfg, started: cfg.Now()}
	l.startedWall = l.started.Round(0)
	l.metrics = newMetrics(nil, l)
	defer func() {
		if l.published != nil {
			l.published.release()
		}
	}()
	values, err := cfg.Engine.Get(ctx, formatKey(), treeKey(), rebuildKey())
	if err != nil {
		return Recovery{}, fmt.Errorf("ledger: read: %w", err)
	}
	if values[2] != nil {
		return Recovery{}, ErrRebuilding
	}
	if values[1] == nil {
		return Recovery{}, fmt.Errorf("%w: the store is empty: restore a backup first", ErrRecover)
	}
	if _, err := parseFormat(values[0]); err != nil {
		return Recovery{}, err
	}
	head := cfg.Engine.Head()
	if l.tip, err = loadTip(ctx, cfg.Engine, values[1]); err != nil {
		return Recovery{}, err
	}
	l.tip.head = head
	l.state = book.NewState(rows{context.WithoutCancel(ctx), cfg.Engine})
	if err := l.checkGap(); err != nil {
		return Recovery{}, err
	}
	id, err := identify(ctx, cfg.Engine)
	switch {
	case err != nil:
		return Recovery{}, err
	case id.founded.GetBankId() != cfg.BankID:
		return Recovery{}, fmt.Errorf("%w: it was founded as bank %q, the configuration says %q", ErrForeign, id.founded.GetBankId(), cfg.BankID)
	case id.origin() == cfg.Origin && len(id.continued) > 0:
		return l.resume(ctx, id, lost)
	case slices.Contains(id.origins(), cfg.Origin):
		return Recovery{}, fmt.Errorf("%w: %q is the origin of a log that ended or should end: give the one that goes on a new origin, and a new key",
			ErrRecover, cfg.Origin)
	}
	return l.goOn(ctx, lost)
}

// goOn appends LogContinued and publishes the log that goes on.
func (l *Ledger) goOn(ctx context.Context, lost Lost) (Recovery, error) {
	former, err := l.former(lost)
	if err != nil {
		return Recovery{}, err
	}
	whole, err := l.holds(ctx, former.Last)
	if err != nil {
		return Recovery{}, err
	}
	if err := l.keep(lost); err != nil {
		return Recovery{}, err
	}
	now, err := l.now(l.tip.time)
	if err != nil {
		return Recovery{}, err
	}
	b := &batch{Tx: &Tx{State: l.state, ctx: ctx, ledger: l, time: now, first: l.tip.size}}
	former.Kept, err = b.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_LogContinued{LogContinued: &ledgerv1.LogContinued{
		Origin: l.config.Origin, LastVerifierKey: former.VerifierKey, LastCheckpoint: former.Signed,
	}}})
	if err != nil {
		return Recovery{}, err
	}
	if err := errors.Join(b.Keep(), b.seal()); err != nil {
		return Recovery{}, err
	}
	if err := l.commit(b); err != nil {
		return Recovery{}, err
	}
	return Recovery{Former: former, Whole: whole, Signed: l.receipt().Checkpoint}, nil
}

// former finds the newest checkpoint of the lost log: the anchor's, unless a newer one is known.
func (l *Ledger) former(lost Lost) (former FormerLog, err error) {
	anchored, err := l.config.Anchor.Load()
	if err != nil {
		return former, fmt.Errorf("ledger: anchor: %w", err)
	}
	former.VerifierKey = strings.TrimSpace(lost.VerifierKey)
	if former.Verifier, err = note.NewVerifier(former.VerifierKey); err != nil {
		return former, fmt.Errorf("%w: the verifier key of the lost log is none: %v", ErrRecover, err)
	}
	name := former.Verifier.Name()
	if name == l.config.Origin {
		return former, fmt.Errorf("%w: the lost log has the origin %q too: give the one that goes on a new origin, and a new key",
			ErrRecover, name)
	}
	if anchored != nil {
		if former.Last, err = merkle.OpenCheckpoint(anchored, name, former.Verifier); err != nil {
			return former, fmt.Errorf("%w: the anchor holds a checkpoint of %q, not of the lost log %q under its verifier key: %w",
				ErrForeign, originOf(anchored), name, err)
		}
		former.Signed = anchored
	}
	if lost.Checkpoint != nil {
		given, err := merkle.OpenCheckpoint(lost.Checkpoint, name, former.Verifier)
		if err != nil {
			return former, fmt.Errorf("%w: the checkpoint that was given is not of the lost log %q under its verifier key: %w", ErrRecover, name, err)
		}
		if given.Size > former.Last.Size {
			former.Last, former.Signed = given, lost.Checkpoint
		}
	}
	if former.Signed == nil && !l.config.AcceptAnchor {
		return former, fmt.Errorf("%w: it is not known how far the lost log was published", ErrNoAnchor)
	}
	return former, nil
}

// holds says whether the tree has everything that a checkpoint covers.
func (l *Ledger) holds(ctx context.Context, last merkle.Checkpoint) (bool, error) {
	if last.Size == 0 {
		return false, nil // nothing is known
	}
	err := checkAnchor(ctx, l.config.Engine, l.tip, last)
	if errors.Is(err, ErrBehindAnchor) {
		return false, nil
	}
	return err == nil, err
}

// keep hands on what is at the anchor before something else takes its place.
func (l *Ledger) keep(lost Lost) error {
	anchored, err := l.config.Anchor.Load()
	if err != nil {
		return fmt.Errorf("ledger: anchor: %w", err)
	}
	if anchored == nil || lost.Keep == nil {
		return nil
	}
	if err := lost.Keep(anchored); err != nil {
		return fmt.Errorf("ledger: keep the anchor of the lost log: %w", err)
	}
	return nil
}

// resume finishes what was interrupted after LogContinued became durable.
func (l *Ledger) resume(ctx context.Context, id identity, lost Lost) (Recovery, error) {
	newest := id.continued[len(id.continued)-1]
	former, err := formerLog(newest.GetLogContinued())
	if err != nil {
		return Recovery{}, fmt.Errorf("%w: entry %d: %w", ErrDamaged, newest.GetIndex(), err)
	}
	former.Kept = newest.GetIndex()
	anchored, err := l.config.Anchor.Load()
	if err != nil {
		return Recovery{}, fmt.Errorf("ledger: anchor: %w", err)
	}
	checkpoint, err := merkle.OpenCheckpoint(anchored, l.config.Origin, l.config.Verifier)
	before := err == nil
	switch {
	case before:
		err = checkAnchor(ctx, l.config.Engine, l.tip, checkpoint)
	case l.tip.size != former.Kept+1:
		// Entries follow LogContinued only when it has been published.
		err = fmt.Errorf("%w: the log goes on as %q already, and the anchor holds a checkpoint of %q", ErrForeign, l.config.Origin, originOf(anchored))
	case anchored != nil && !bytes.Equal(anchored, former.Signed):
		// A newer checkpoint than the anchor's may be in the entry, but not another log's.
		_, err = merkle.OpenCheckpoint(anchored, former.Verifier.Name(), former.Verifier)
		if err != nil {
			err = fmt.Errorf("%w: the anchor holds a checkpoint of %q, not of the lost log %q: %w",
				ErrForeign, originOf(anchored), former.Verifier.Name(), err)
		}
	default:
		err = nil
	}
	if err != nil {
		return Recovery{}, err
	}
	whole, err := l.holds(ctx, former.Last)
	if err != nil {
		return Recovery{}, err
	}
	if !before {
		if err := l.keep(lost); err != nil {
			return Recovery{}, err
		}
	}
	if err := l.publish(l.tip); err != nil {
		return Recovery{}, err
	}
	return Recovery{Former: former, Whole: whole, Signed: l.receipt().Checkpoint, Before: before}, nil
}

// originOf is what a checkpoint calls its log, whoever signed it.
func originOf(signed []byte) string {
	origin, _, _ := bytes.Cut(signed, []byte("\n"))
	return string(origin)
}
