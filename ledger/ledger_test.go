package ledger_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bankID = "bank.test"
	origin = "log.bank.test"
)

// world is what a ledger of a test stands on, and what survives when the ledger is closed.
type world struct {
	engine   store.Engine
	anchor   *anchor
	signer   note.Signer
	verifier note.Verifier
	now      func() time.Time
}

// anchor is an anchor in memory that fails when it is told to.
type anchor struct {
	mu    sync.Mutex
	saved []byte
	fail  error
}

func (a *anchor) Load() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.saved, nil
}

func (a *anchor) Save(b []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.saved = b
	return nil
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(tb, err)
	signer, err := note.NewSigner(merkle.SignerKey(origin, key))
	must(tb, err)
	verifier, err := note.NewVerifier(merkle.VerifierKey(origin, key.Public().(ed25519.PublicKey)))
	must(tb, err)
	return &world{engine: store.NewMemory(), anchor: &anchor{}, signer: signer, verifier: verifier, now: time.Now}
}

func (w *world) config() ledger.Config {
	return ledger.Config{
		Engine: w.engine, Anchor: w.anchor, BankID: bankID, Origin: origin, Signer: w.signer, Verifier: w.verifier,
		Now: w.now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), CacheBytes: 1 << 20,
	}
}

func (w *world) open(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), w.config())
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func (w *world) fsck(t *testing.T) ledger.FsckReport {
	t.Helper()
	report, err := ledger.Fsck(t.Context(), w.fsckConfig())
	must(t, err)
	return report
}

func (w *world) fsckConfig() ledger.FsckConfig {
	return ledger.FsckConfig{Engine: w.engine, Anchor: w.anchor, Verifier: w.verifier, BankID: bankID, Origin: origin}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func organization(id string) *ledgerv1.Entry {
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationRegistered{OrganizationRegistered: &ledgerv1.OrganizationRegistered{
		Organization: id, Name: id, TrustTier: 1,
	}}}
}

// register appends an organization, and answers its index and the receipt.
func register(ctx context.Context, l *ledger.Ledger, id string) (index uint64, receipt ledger.Receipt, err error) {
	receipt, err = l.Propose(ctx, nil, func(tx *ledger.Tx) error {
		index, err = tx.Append(organization(id))
		return err
	})
	return index, receipt, err
}

func TestReceiptProvesEntry(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	for i := range 600 {
		index, receipt, err := register(t.Context(), l, fmt.Sprintf("org-%d", i))
		must(t, err)
		if index != uint64(i+1) {
			t.Fatalf("entry %d has index %d: entry 0 is the founding", i, index)
		}
		if i%97 != 0 {
			continue
		}
		checkpoint, err := merkle.OpenCheckpoint(receipt.Checkpoint, origin, w.verifier)
		must(t, err)
		view, err := l.View()
		must(t, err)
		raw, err := view.Entry(t.Context(), index)
		must(t, err)
		proof, err := view.InclusionProof(t.Context(), index, checkpoint.Size)
		must(t, err)
		must(t, merkle.VerifyInclusion(merkle.LeafHash(raw), index, checkpoint.Size, proof, checkpoint.Root))
		view.Close()
	}
	if report := w.fsck(t); len(report.Faults) > 0 || report.Size != 601 {
		t.Fatalf("fsck of %d entries: %v", report.Size, report.Faults)
	}
}

func TestStepsStandForThemselves(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	wrong := errors.New("wrong")
	_, errs, err := l.ProposeEach(t.Context(), nil, 4, func(tx *ledger.Tx, i int) error {
		if _, err := tx.Append(organization(fmt.Sprintf("org-%d", i))); err != nil {
			return err
		}
		switch i {
		case 1:
			return wrong
		case 2:
			panic("a bug")
		}
		return nil
	})
	must(t, err)
	if errs[0] != nil || errs[3] != nil || !errors.Is(errs[1], wrong) || !errors.Is(errs[2], ledger.ErrPanicked) {
		t.Fatalf("steps answered %v", errs)
	}
	view, err := l.View()
	must(t, err)
	defer view.Close()
	if view.Size() != 3 {
		t.Fatalf("%d entries, want the founding and two", view.Size())
	}
	for i, want := range []bool{true, false, false, true} {
		row, err := view.State(t.Context()).Organization(fmt.Sprintf("org-%d", i))
		must(t, err)
		if (row != nil) != want {
			t.Errorf("org-%d is there: %v", i, row != nil)
		}
	}
	if report := w.fsck(t); len(report.Faults) > 0 {
		t.Fatal(report.Faults)
	}
}

// A step sees what the steps before it did, in its own proposal and in those that were committed together with it.
func TestStepsSeeEachOther(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	var group sync.WaitGroup
	var wins sync.Map
	for range 50 {
		group.Go(func() {
			index, _, err := register(context.Background(), l, "same")
			if err == nil {
				wins.Store(index, true)
			} else if !errors.Is(err, book.ErrInconsistent) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	count := 0
	wins.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Fatalf("%d of 50 registered the same organization", count)
	}
}

func TestReopen(t *testing.T) {
	w := newWorld(t)
	for round := range 5 {
		l, err := ledger.Open(t.Context(), w.config())
		must(t, err)
		for i := range 150 {
			_, _, err := register(t.Context(), l, fmt.Sprintf("org-%d-%d", round, i))
			must(t, err)
		}
		must(t, l.Close())
		if _, _, err := register(t.Context(), l, "late"); !errors.Is(err, ledger.ErrClosed) {
			t.Fatalf("a closed ledger answered %v", err)
		}
	}
	if report := w.fsck(t); len(report.Faults) > 0 || report.Size != 751 {
		t.Fatalf("%d entries, %v", report.Size, report.Faults)
	}
}

func TestRefusesToOpen(t *testing.T) {
	full := func(t *testing.T) *world {
		w := newWorld(t)
		l, err := ledger.Open(t.Context(), w.config())
		must(t, err)
		for i := range 300 {
			_, _, err := register(t.Context(), l, fmt.Sprintf("org-%d", i))
			must(t, err)
		}
		must(t, l.Close())
		return w
	}
	other := newWorld(t)
	for _, test := range []struct {
		name   string
		change func(t *testing.T, w *world, cfg *ledger.Config)
		want   error
	}{
		{"an older copy", func(t *testing.T, w *world, cfg *ledger.Config) { cfg.Engine = store.NewMemory() }, ledger.ErrBehindAnchor},
		{"a shorter copy", func(t *testing.T, w *world, cfg *ledger.Config) {
			short := full(t) // another history of the same size
			cfg.Engine = short.engine
		}, ledger.ErrBehindAnchor},
		{"no anchor", func(t *testing.T, w *world, cfg *ledger.Config) { cfg.Anchor = &anchor{} }, ledger.ErrNoAnchor},
		{"nothing, and it has to be there", func(t *testing.T, w *world, cfg *ledger.Config) {
			cfg.Engine, cfg.Anchor, cfg.Existing = store.NewMemory(), &anchor{}, true
		}, ledger.ErrEmpty},
		{"it has to be there, and is", func(t *testing.T, w *world, cfg *ledger.Config) { cfg.Existing = true }, nil},
		{"another bank", func(t *testing.T, w *world, cfg *ledger.Config) { cfg.BankID = "other.test" }, ledger.ErrForeign},
		{"another log key", func(t *testing.T, w *world, cfg *ledger.Config) { cfg.Verifier = other.verifier }, ledger.ErrForeign},
		{"a clock years ahead", func(t *testing.T, w *world, cfg *ledger.Config) {
			cfg.Now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
		}, ledger.ErrClock},
		{"a clock behind the entries", func(t *testing.T, w *world, cfg *ledger.Config) {
			cfg.Now = func() time.Time { return time.Now().AddDate(0, 0, -1) }
		}, ledger.ErrClock},
		{"a newer format", func(t *testing.T, w *world, cfg *ledger.Config) {
			var b store.Batch
			b.Set(book.MetaKey("format"), book.Uint(ledger.Format+1))
			must(t, w.engine.Commit(t.Context(), &b, w.engine.Head()))
		}, ledger.ErrFormat},
		{"a damaged tile", func(t *testing.T, w *world, cfg *ledger.Config) {
			var b store.Batch
			b.Set(book.TileKey(0, 0), make([]byte, 8192))
			must(t, w.engine.Commit(t.Context(), &b, w.engine.Head()))
		}, ledger.ErrDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := full(t)
			cfg := w.config()
			test.change(t, w, &cfg)
			l, err := ledger.Open(t.Context(), cfg)
			if err == nil {
				must(t, l.Close())
			}
			if !errors.Is(err, test.want) {
				t.Fatalf("opened with %v, want %v", err, test.want)
			}
		})
	}
}

func TestAcceptsWhatItIsToldTo(t *testing.T) {
	w := newWorld(t)
	l, err := ledger.Open(t.Context(), w.config())
	must(t, err)
	_, _, err = register(t.Context(), l, "org")
	must(t, err)
	must(t, l.Close())
	cfg := w.config()
	cfg.Now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
	cfg.AcceptTime, cfg.AcceptAnchor, cfg.Anchor = true, true, &anchor{}
	l, err = ledger.Open(t.Context(), cfg)
	must(t, err)
	must(t, l.Close())
}

// A commit that fails leaves the ledger halted; opened again, it has the batch whole or not at all, and goes on.
func TestCommitFails(t *testing.T) {
	for _, mode := range []ledgertest.Outcome{ledgertest.Lost, ledgertest.Persisted} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			w := newWorld(t)
			faulty := ledgertest.NewFaulty(w.engine)
			w.engine = faulty
			l, err := ledger.Open(t.Context(), w.config())
			must(t, err)
			_, _, err = register(t.Context(), l, "before")
			must(t, err)
			faulty.Fail(0, mode)
			if _, _, err = register(t.Context(), l, "during"); !errors.Is(err, ledger.ErrHalted) {
				t.Fatalf("a failed commit answered %v", err)
			}
			if _, _, err = register(t.Context(), l, "after"); !errors.Is(err, ledger.ErrHalted) {
				t.Fatalf("a halted ledger answered %v", err)
			}
			view, err := l.View()
			must(t, err)
			if view.Size() != 2 {
				t.Errorf("readers see %d entries, 2 were published", view.Size())
			}
			view.Close()
			must(t, l.Close())
			must(t, faulty.Recover())

			l = w.open(t)
			want := map[ledgertest.Outcome]uint64{ledgertest.Lost: 2, ledgertest.Persisted: 3}[mode]
			index, _, err := register(t.Context(), l, "again")
			must(t, err)
			if index != want {
				t.Errorf("the next entry is %d, want %d", index, want)
			}
			if report := w.fsck(t); len(report.Faults) > 0 {
				t.Error(report.Faults)
			}
		})
	}
}

// Nothing is released when the anchor fails, although the entries are durable; reopening publishes them.
func TestAnchorFails(t *testing.T) {
	w := newWorld(t)
	l, err := ledger.Open(t.Context(), w.config())
	must(t, err)
	w.anchor.fail = errors.New("no space")
	if _, _, err := register(t.Context(), l, "org"); !errors.Is(err, ledger.ErrHalted) {
		t.Fatalf("a failed anchor answered %v", err)
	}
	view, err := l.View()
	must(t, err)
	if view.Size() != 1 {
		t.Errorf("readers see %d entries, 1 was anchored", view.Size())
	}
	view.Close()
	must(t, l.Close())
	w.anchor.fail = nil
	l = w.open(t)
	view, err = l.View()
	must(t, err)
	defer view.Close()
	if view.Size() != 2 {
		t.Errorf("%d entries after reopening, want 2", view.Size())
	}
}

func TestQueueIsBounded(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.Queue = 2
	l, err := ledger.Open(t.Context(), cfg)
	must(t, err)
	defer func() { must(t, l.Close()) }()
	running, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_, err := l.Propose(context.Background(), nil, func(*ledger.Tx) error { close(running); <-release; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	<-running
	var busy int
	var mu sync.Mutex
	results := make(chan error, 10)
	for range 10 {
		group.Go(func() {
			_, err := l.Propose(context.Background(), nil, func(*ledger.Tx) error { return nil })
			results <- err
		})
	}
	for range 8 { // two wait, eight are turned away at once
		if err := <-results; !errors.Is(err, ledger.ErrBusy) {
			t.Errorf("answered %v", err)
		}
		mu.Lock()
		busy++
		mu.Unlock()
	}
	close(release)
	group.Wait()
}

func TestClockIsSetBack(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	now := time.Now().Round(0)
	w.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	l := w.open(t)
	_, _, err := register(t.Context(), l, "one")
	must(t, err)
	mu.Lock()
	now = now.Add(-time.Hour)
	mu.Unlock()
	_, _, err = register(t.Context(), l, "two")
	must(t, err)
	view, err := l.View()
	must(t, err)
	defer view.Close()
	var last int64
	for i := range view.Size() {
		raw, err := view.Entry(t.Context(), i)
		must(t, err)
		e := new(ledgerv1.Entry)
		must(t, proto.Unmarshal(raw, e))
		if e.GetTime() < last {
			t.Errorf("entry %d is before the one before it", i)
		}
		last = e.GetTime()
	}
}

func TestEntryTooLarge(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
		e := organization("org")
		e.GetOrganizationRegistered().Name = strings.Repeat("x", ledger.MaxEntryBytes)
		_, err := tx.Append(e)
		return err
	})
	if !errors.Is(err, ledger.ErrEntrySize) {
		t.Fatalf("answered %v", err)
	}
}

// A flipped byte of any entry is found, and the entry is named.
func TestFsckNamesTheEntry(t *testing.T) {
	w := newWorld(t)
	l, err := ledger.Open(t.Context(), w.config())
	must(t, err)
	for i := range 400 {
		_, _, err := register(t.Context(), l, fmt.Sprintf("org-%d", i))
		must(t, err)
	}
	must(t, l.Close())
	for _, index := range []uint64{0, 1, 255, 256, 300, 400} { // in full tiles and at the edge
		values, err := w.engine.Get(t.Context(), book.EntryKey(index))
		must(t, err)
		for _, at := range []int{0, len(values[0]) / 2, len(values[0]) - 1} {
			damaged := append([]byte(nil), values[0]...)
			damaged[at] ^= 0x10
			set(t, w.engine, book.EntryKey(index), damaged)
			report := w.fsck(t)
			if len(report.Faults) == 0 || !report.Faults[0].HasIndex || report.Faults[0].Index != index {
				t.Errorf("byte %d of entry %d flipped: %v", at, index, report.Faults)
			}
			set(t, w.engine, book.EntryKey(index), values[0])
		}
	}
	if report := w.fsck(t); len(report.Faults) > 0 {
		t.Fatal(report.Faults)
	}
}

func TestFsckFindsWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	l, err := ledger.Open(t.Context(), w.config())
	must(t, err)
	for i := range 300 {
		_, _, err := register(t.Context(), l, fmt.Sprintf("org-%d", i))
		must(t, err)
	}
	must(t, l.Close())
	for _, test := range []struct {
		name  string
		key   []byte
		value []byte
		want  string
	}{
		{"a missing entry", book.EntryKey(7), nil, "entry 7: entry: it is missing"},
		{"an entry beyond the end", book.EntryKey(900), []byte("x"), "entry 900: index"},
		{"a changed tile", book.TileKey(0, 0), make([]byte, 8192), "tile/0/000"},
		{"a missing derived row", book.OrganizationKey("org-5"), nil, "the row is missing"},
		{"a changed derived row", book.OrganizationKey("org-5"), []byte{8, 1}, "organization org-5: index is 1, the entries add up to 6"},
		{"an invented derived row", book.OrganizationKey("org-x"), []byte{8, 1}, "no entry leads to this row"},
	} {
		t.Run(test.name, func(t *testing.T) {
			values, err := w.engine.Get(t.Context(), test.key)
			must(t, err)
			set(t, w.engine, test.key, test.value)
			defer set(t, w.engine, test.key, values[0])
			if report := w.fsck(t); !strings.Contains(fmt.Sprint(report.Faults), test.want) {
				t.Errorf("found %.500v, want %q", report.Faults, test.want)
			}
		})
	}
}

func set(t *testing.T, engine store.Engine, key, value []byte) {
	t.Helper()
	var b store.Batch
	if value == nil {
		b.Delete(key)
	} else {
		b.Set(key, value)
	}
	must(t, engine.Commit(t.Context(), &b, engine.Head()))
}

func TestWeeksSeesTheBatch(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	id := unit.AccountID{1}
	_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
		weeks, err := tx.Weeks(id)
		if len(weeks) != 0 {
			t.Errorf("a new account has weeks %v", weeks)
		}
		return err
	})
	must(t, err)
}
