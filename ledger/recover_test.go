package ledger_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// named is a key of a log of this origin.
func named(tb testing.TB, origin string) (signer note.Signer, verifier note.Verifier, vkey string) {
	tb.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(tb, err)
	vkey = merkle.VerifierKey(origin, public)
	signer, err = note.NewSigner(merkle.SignerKey(origin, key))
	must(tb, err)
	verifier, err = note.NewVerifier(vkey)
	must(tb, err)
	return signer, verifier, vkey
}

// lostLog is a log of which the newest entries are lost: an older copy of its store, with the anchor of the newest.
type lostLog struct {
	*world
	vkey string
	// newest is the store as it was when it was lost, as nobody has it any more.
	newest store.Engine
}

// copyOf is another engine with the same rows.
func copyOf(tb testing.TB, engine store.Reader) *store.Memory {
	tb.Helper()
	var batch store.Batch
	for row, err := range engine.Scan(tb.Context(), store.Range{}) {
		must(tb, err)
		batch.Set(slices.Clone(row.Key), slices.Clone(row.Value))
	}
	to := store.NewMemory()
	must(tb, to.Commit(tb.Context(), &batch, 0))
	return to
}

// lose makes a log of the founding and some entries, of which only the first kept are left.
func lose(t *testing.T, entries, kept int) *lostLog {
	t.Helper()
	w := &lostLog{world: newWorld(t)}
	w.signer, w.verifier, w.vkey = named(t, origin)
	l, err := ledger.Open(t.Context(), w.config())
	must(t, err)
	var backup *store.Memory
	for i := range entries {
		if i+1 == kept {
			backup = copyOf(t, w.engine)
		}
		_, _, err := register(t.Context(), l, fmt.Sprintf("org-%d", i))
		must(t, err)
	}
	must(t, l.Close())
	w.newest = w.engine
	w.engine = w.newest
	if backup != nil {
		w.engine = backup
	}
	return w
}

// as is the configuration of the log that goes on.
func (w *lostLog) as(t *testing.T, origin string) ledger.Config {
	t.Helper()
	cfg := w.config()
	cfg.Origin = origin
	cfg.Signer, cfg.Verifier, _ = named(t, origin)
	return cfg
}

func fsck(t *testing.T, cfg ledger.Config) ledger.FsckReport {
	t.Helper()
	report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{
		Engine: cfg.Engine, Anchor: cfg.Anchor, Verifier: cfg.Verifier, BankID: cfg.BankID, Origin: cfg.Origin,
	})
	must(t, err)
	return report
}

// openAs opens a ledger and closes it with the test.
func openAs(t *testing.T, cfg ledger.Config) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func refuses(t *testing.T, cfg ledger.Config, want error) {
	t.Helper()
	l, err := ledger.Open(t.Context(), cfg)
	if err == nil {
		must(t, l.Close())
	}
	if !errors.Is(err, want) {
		t.Fatalf("opened with %v, want %v", err, want)
	}
}

const continued = "log.bank.test/2"

// What is left of a log goes on under another origin: what was kept is known and not written twice, what was lost can be
// written again, and everybody can see where the one log ended and the other began.
func TestRecoverOlderCopy(t *testing.T) {
	const entries, kept = 300, 270
	w := lose(t, entries, kept)
	refuses(t, w.config(), ledger.ErrBehindAnchor)
	last := w.anchor.saved
	lastCheckpoint, err := merkle.OpenCheckpoint(last, origin, w.verifier)
	must(t, err)

	cfg := w.as(t, continued)
	refuses(t, cfg, ledger.ErrForeign)
	var aside []byte
	recovery, err := ledger.Recover(t.Context(), cfg, ledger.Lost{
		VerifierKey: w.vkey, Keep: func(b []byte) error { aside = b; return nil },
	})
	must(t, err)
	if recovery.Whole || recovery.Before || recovery.Former.Kept != kept || recovery.Former.Last != lastCheckpoint || string(aside) != string(last) {
		t.Errorf("recovered as %+v; kept aside:\n%s", recovery, aside)
	}
	first, err := merkle.OpenCheckpoint(recovery.Signed, continued, cfg.Verifier)
	must(t, err)
	if first.Size != kept+1 {
		t.Errorf("the first checkpoint is of %d entries", first.Size)
	}

	l := openAs(t, cfg)
	if _, _, err := register(t.Context(), l, "org-5"); !errors.Is(err, book.ErrInconsistent) {
		t.Errorf("what was kept is registered again: %v", err)
	}
	index, _, err := register(t.Context(), l, fmt.Sprintf("org-%d", entries-1))
	must(t, err)
	if index != kept+1 {
		t.Errorf("what was lost is registered by entry %d", index)
	}
	if _, _, err := register(t.Context(), l, fmt.Sprintf("org-%d", entries-1)); !errors.Is(err, book.ErrInconsistent) {
		t.Errorf("and once more: %v", err)
	}
	view, err := l.View()
	must(t, err)
	defer view.Close()
	former, err := view.FormerLogs(t.Context())
	must(t, err)
	if len(former) != 1 || former[0].VerifierKey != w.vkey || string(former[0].Signed) != string(last) || former[0].Kept != kept {
		t.Errorf("the logs before are %+v", former)
	}
	// Of the tree that the old log signed, the new one has what was kept.
	for _, size := range []uint64{1, 100, kept} {
		proof, err := view.ConsistencyProof(t.Context(), size, view.Size())
		must(t, err)
		now, err := merkle.OpenCheckpoint(view.Checkpoint(), continued, cfg.Verifier)
		must(t, err)
		must(t, merkle.VerifyConsistency(size, now.Size, proof, rootAt(t, w.newest, size), now.Root))
	}
	if report := fsck(t, cfg); len(report.Faults) > 0 {
		t.Error(report.Faults)
	}
	if report := w.fsck(t); len(report.Faults) == 0 {
		t.Error("under the old origin the store is sound too")
	}
	refuses(t, w.config(), ledger.ErrForeign) // as the log that it was
}

// rootAt is the root over the first size entries of a store.
func rootAt(t *testing.T, reader store.Reader, size uint64) merkle.Hash {
	t.Helper()
	var leaves []merkle.Hash
	for row, err := range reader.Scan(t.Context(), store.Prefix([]byte{book.TableEntries})) {
		must(t, err)
		if uint64(len(leaves)) < size {
			leaves = append(leaves, merkle.LeafHash(row.Value))
		}
	}
	return merkle.RootOf(leaves)
}

// A log of which the key was lost or stolen goes on whole, as often as that happens.
func TestRecoverAgainAndAgain(t *testing.T) {
	w := lose(t, 3, 0)
	cfg, vkey := w.config(), w.vkey
	for i := range 3 {
		next := w.config()
		var nextKey string
		next.Origin = fmt.Sprintf("log.bank.test/%d", i)
		next.Signer, next.Verifier, nextKey = named(t, next.Origin)
		recovery, err := ledger.Recover(t.Context(), next, ledger.Lost{VerifierKey: vkey})
		must(t, err)
		if !recovery.Whole {
			t.Errorf("round %d: something is missing: %+v", i, recovery)
		}
		refuses(t, cfg, ledger.ErrForeign)
		cfg, vkey = next, nextKey
		l, err := ledger.Open(t.Context(), cfg)
		must(t, err)
		_, _, err = register(t.Context(), l, fmt.Sprintf("round-%d", i))
		must(t, err)
		must(t, l.Close())
		again, err := ledger.Recover(t.Context(), cfg, ledger.Lost{VerifierKey: vkey})
		must(t, err)
		if !again.Before {
			t.Errorf("round %d: it went on twice", i)
		}
	}
	view, err := openAs(t, cfg).View()
	must(t, err)
	defer view.Close()
	former, err := view.FormerLogs(t.Context())
	must(t, err)
	if len(former) != 3 || former[0].VerifierKey != w.vkey || former[2].Verifier.Name() != "log.bank.test/1" || former[2].Kept != 8 {
		t.Errorf("the logs before are %+v", former)
	}
	if report := fsck(t, cfg); len(report.Faults) > 0 {
		t.Error(report.Faults)
	}
}

// Two recoveries of one copy are two logs: neither takes the other's place.
func TestRecoverTwice(t *testing.T) {
	w := lose(t, 9, 5)
	before := w.anchor.saved
	one, other := w.as(t, "log.bank.test/one"), w.as(t, "log.bank.test/other")
	one.Engine, other.Engine = copyOf(t, w.engine), copyOf(t, w.engine)
	one.Anchor, other.Anchor = &anchor{saved: before}, &anchor{saved: before}
	for _, cfg := range []ledger.Config{one, other} {
		_, err := ledger.Recover(t.Context(), cfg, ledger.Lost{VerifierKey: w.vkey})
		must(t, err)
	}
	one.Engine, other.Engine = other.Engine, one.Engine
	refuses(t, one, ledger.ErrForeign)
	refuses(t, other, ledger.ErrForeign)
}

// A backup from before a recovery can be gone on with as well: the log that is lost then is the one of the anchor.
func TestRecoverCopyFromBeforeARecovery(t *testing.T) {
	w := lose(t, 9, 5)
	backup := copyOf(t, w.engine)
	second := w.as(t, continued)
	var secondKey string
	second.Signer, second.Verifier, secondKey = named(t, continued)
	_, err := ledger.Recover(t.Context(), second, ledger.Lost{VerifierKey: w.vkey})
	must(t, err)

	third := w.as(t, "log.bank.test/3")
	third.Engine = backup
	_, err = ledger.Recover(t.Context(), third, ledger.Lost{VerifierKey: w.vkey})
	if !errors.Is(err, ledger.ErrForeign) {
		t.Errorf("the anchor is of another log, and it answers %v", err)
	}
	recovery, err := ledger.Recover(t.Context(), third, ledger.Lost{VerifierKey: secondKey})
	must(t, err)
	if recovery.Former.Last.Origin != continued || recovery.Former.Kept != 5 {
		t.Errorf("recovered as %+v", recovery)
	}
	if report := fsck(t, third); len(report.Faults) > 0 {
		t.Error(report.Faults)
	}
}

// Wherever a recovery is interrupted, asking for it again takes it to its end.
func TestRecoverInterrupted(t *testing.T) {
	broken := errors.New("broken")
	for name, breakIt := range map[string]func(t *testing.T, w *lostLog, faulty *ledgertest.Faulty, lost *ledger.Lost){
		"before anything": func(_ *testing.T, _ *lostLog, _ *ledgertest.Faulty, lost *ledger.Lost) {
			lost.Keep = func([]byte) error { return broken }
		},
		"commit lost": func(_ *testing.T, _ *lostLog, faulty *ledgertest.Faulty, _ *ledger.Lost) {
			faulty.Fail(0, ledgertest.Lost)
		},
		"commit kept": func(_ *testing.T, _ *lostLog, faulty *ledgertest.Faulty, _ *ledger.Lost) {
			faulty.Fail(0, ledgertest.Persisted)
		},
		"anchor": func(_ *testing.T, w *lostLog, _ *ledgertest.Faulty, _ *ledger.Lost) { w.anchor.fail = broken },
	} {
		t.Run(name, func(t *testing.T) {
			w := lose(t, 9, 5)
			last := string(w.anchor.saved)
			faulty := ledgertest.NewFaulty(w.engine)
			w.engine = faulty
			cfg := w.as(t, continued)
			lost := ledger.Lost{VerifierKey: w.vkey}
			breakIt(t, w, faulty, &lost)
			if _, err := ledger.Recover(t.Context(), cfg, lost); err == nil {
				t.Fatal("it did not notice")
			}
			if string(w.anchor.saved) != last {
				t.Error("the anchor is another, and the log was not published")
			}
			w.anchor.fail = nil
			if faulty.Halted() != nil {
				must(t, faulty.Recover())
			}
			refuses(t, cfg, ledger.ErrForeign)
			// Perhaps with another key: nobody has seen the first.
			cfg.Signer, cfg.Verifier, _ = named(t, continued)
			var aside []byte
			lost.Keep = func(b []byte) error { aside = b; return nil }
			recovery, err := ledger.Recover(t.Context(), cfg, lost)
			must(t, err)
			if recovery.Before || recovery.Former.Kept != 5 || string(recovery.Former.Signed) != last || string(aside) != last {
				t.Errorf("recovered as %+v", recovery)
			}
			if report := fsck(t, cfg); len(report.Faults) > 0 || report.Size != 6 {
				t.Errorf("%d entries, %v", report.Size, report.Faults)
			}
			openAs(t, cfg)
		})
	}
}

func TestRecoverRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, w *lostLog, cfg *ledger.Config, lost *ledger.Lost)
		want   error
	}{
		"nothing there": {func(_ *testing.T, _ *lostLog, cfg *ledger.Config, _ *ledger.Lost) { cfg.Engine = store.NewMemory() }, ledger.ErrRecover},
		"the same origin": {func(_ *testing.T, w *lostLog, cfg *ledger.Config, _ *ledger.Lost) {
			cfg.Origin, cfg.Signer, cfg.Verifier = origin, w.signer, w.verifier
		}, ledger.ErrRecover},
		"no origin of the key": {func(_ *testing.T, w *lostLog, cfg *ledger.Config, _ *ledger.Lost) {
			cfg.Signer, cfg.Verifier = w.signer, w.verifier
		}, ledger.ErrForeign},
		"another bank": {func(_ *testing.T, _ *lostLog, cfg *ledger.Config, _ *ledger.Lost) { cfg.BankID = "other.test" }, ledger.ErrForeign},
		"no key":       {func(_ *testing.T, _ *lostLog, _ *ledger.Config, lost *ledger.Lost) { lost.VerifierKey = "" }, ledger.ErrRecover},
		"another's key": {func(t *testing.T, _ *lostLog, _ *ledger.Config, lost *ledger.Lost) {
			_, _, lost.VerifierKey = named(t, origin)
		}, ledger.ErrForeign},
		"the new key as the old one": {func(t *testing.T, _ *lostLog, _ *ledger.Config, lost *ledger.Lost) {
			_, _, lost.VerifierKey = named(t, continued)
		}, ledger.ErrRecover},
		"no anchor": {func(_ *testing.T, _ *lostLog, cfg *ledger.Config, _ *ledger.Lost) { cfg.Anchor = &anchor{} }, ledger.ErrNoAnchor},
		"a checkpoint of another": {func(_ *testing.T, _ *lostLog, _ *ledger.Config, lost *ledger.Lost) {
			lost.Checkpoint = []byte("other\n1\n\n")
		}, ledger.ErrRecover},
		"a newer format": {func(t *testing.T, w *lostLog, _ *ledger.Config, _ *ledger.Lost) {
			set(t, w.engine, book.MetaKey("format"), book.Uint(ledger.Format+1))
		}, ledger.ErrFormat},
		"damaged": {func(t *testing.T, w *lostLog, _ *ledger.Config, _ *ledger.Lost) {
			set(t, w.engine, book.MetaKey("tree"), []byte("nonsense"))
		}, ledger.ErrDamaged},
		"a row of another": {func(t *testing.T, w *lostLog, _ *ledger.Config, _ *ledger.Lost) {
			set(t, w.engine, book.OriginsKey(), book.Uint(2))
		}, ledger.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			w := lose(t, 9, 5)
			cfg, lost := w.as(t, continued), ledger.Lost{VerifierKey: w.vkey}
			test.change(t, w, &cfg, &lost)
			before := cfg.Engine.Head()
			if _, err := ledger.Recover(t.Context(), cfg, lost); !errors.Is(err, test.want) {
				t.Errorf("it answers %v, want %v", err, test.want)
			}
			if cfg.Engine.Head() != before {
				t.Error("something was written")
			}
		})
	}
}

// Without its anchor a log goes on from the newest checkpoint that anybody kept, or from none if nobody did.
func TestRecoverWithoutAnchor(t *testing.T) {
	w := lose(t, 9, 5)
	kept := w.anchor.saved
	for _, checkpoint := range [][]byte{kept, nil} {
		cfg := w.as(t, continued)
		cfg.Engine, cfg.Anchor, cfg.AcceptAnchor = copyOf(t, w.engine), &anchor{}, checkpoint == nil
		recovery, err := ledger.Recover(t.Context(), cfg, ledger.Lost{VerifierKey: w.vkey, Checkpoint: checkpoint})
		must(t, err)
		if string(recovery.Former.Signed) != string(checkpoint) || recovery.Whole {
			t.Errorf("recovered as %+v", recovery)
		}
		if report := fsck(t, cfg); len(report.Faults) > 0 {
			t.Error(report.Faults)
		}
	}
}

// A check names what is wrong with the entry by which a log goes on.
func TestFsckOfLogContinued(t *testing.T) {
	_, _, vkey := named(t, origin)
	signer, _, otherKey := named(t, "other")
	signed, err := merkle.Sign(merkle.Checkpoint{Origin: "other", Size: 1}, signer)
	must(t, err)
	for name, test := range map[string]struct {
		fact  *ledgerv1.LogContinued
		field string
	}{
		"the same origin":      {&ledgerv1.LogContinued{Origin: origin, LastVerifierKey: vkey}, "origin"},
		"no key":               {&ledgerv1.LogContinued{Origin: continued}, "last_checkpoint"},
		"another's checkpoint": {&ledgerv1.LogContinued{Origin: continued, LastVerifierKey: vkey, LastCheckpoint: signed}, "last_checkpoint"},
		"the key of the next":  {&ledgerv1.LogContinued{Origin: "other", LastVerifierKey: otherKey, LastCheckpoint: signed}, "origin"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
				_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_LogContinued{LogContinued: test.fact}})
				return err
			})
			must(t, err)
			if faults := w.fsck(t).Faults; !slices.ContainsFunc(faults, func(f ledger.Fault) bool {
				return f.HasIndex && f.Index == 1 && f.Field == test.field
			}) {
				t.Errorf("the faults are %v", faults)
			}
		})
	}
}
