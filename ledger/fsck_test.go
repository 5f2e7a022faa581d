package ledger_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// goldenWorld is the log of the vectors in a store: every fact occurs in it, with signatures that verify and seals that open,
// and two statements that were rejected.
type goldenWorld struct {
	*store.Memory
	config ledger.Config
	check  ledger.FsckConfig
}

func newGoldenWorld(t *testing.T) *goldenWorld {
	t.Helper()
	log, v := readGolden[goldenLog](t, "entries.json"), readGolden[goldenTree](t, "tree.json")
	var entries []*ledgerv1.Entry
	var source goldenSource
	for _, golden := range log.Entries {
		e := decodeGolden(t, golden.Bytes)
		entries, source.salts = append(entries, e), append(source.salts, e.GetSalt())
	}
	now := time.UnixMicro(entries[0].GetTime())
	w := &goldenWorld{Memory: store.NewMemory()}
	anchor := new(goldenMemory)
	configured := func(of goldenTreeOf) ledger.Config {
		signer, verifier := of.key(t)
		return ledger.Config{
			Engine: w.Memory, Anchor: anchor, BankID: log.BankID, Origin: of.Origin, Signer: signer, Verifier: verifier,
			Now: func() time.Time { return now }, Rand: &source, Log: slog.New(slog.DiscardHandler),
		}
	}
	l, err := ledger.Open(t.Context(), configured(v.first()))
	must(t, err)
	last := len(entries) - 1
	for _, e := range entries[1:last] {
		now = time.UnixMicro(e.GetTime())
		_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error { _, err := tx.Append(e); return err })
		must(t, err)
	}
	_, err = l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
		hash := merkle.LeafHash([]byte("a statement"))
		row := &ledgerv1.RejectRow{Time: tx.Now().UnixMicro(), StatementHash: hash[:], Reason: "COURSE_UNKNOWN"}
		return errors.Join(tx.Reject(3, row), tx.Reject(3, row))
	})
	must(t, err)
	must(t, l.Close())
	now, anchor.checkpoint = time.UnixMicro(entries[last].GetTime()), entries[last].GetLogContinued().GetLastCheckpoint()
	w.config = configured(v.Continued)
	_, err = ledger.Recover(t.Context(), w.config, ledger.Lost{VerifierKey: v.VKey})
	must(t, err)
	w.check = ledger.FsckConfig{
		Engine: w, Anchor: anchor, Verifier: w.config.Verifier, BankID: w.config.BankID, Origin: w.config.Origin,
		Author: goldenAuthor, Unseal: goldenUnsealer(t),
	}
	return w
}

// goldenAuthor verifies a signature as FORMAT.md says.
func goldenAuthor(s ledger.Signed, key *ledgerv1.KeyRow) error {
	public, err := x509.ParsePKIXPublicKey(key.GetFact().GetPublicKey())
	if err != nil {
		return err
	}
	text := []byte(strings.ReplaceAll(string(submissionText(s.Organization, s.KeyID, s.Statements, s.Root)), bankID, s.BankID))
	if s.Statements == 0 {
		text = fmt.Appendf(nil, "creditbank/v1 agreement\n%s\n%s\n%x\napplication/vnd.creditbank.agreement.v1+yaml\n%s\n",
			s.BankID, s.Organization, s.KeyID, base64.StdEncoding.EncodeToString(s.Root[:]))
	}
	digest, verifies := sha256.Sum256(text), false
	switch public := public.(type) {
	case ed25519.PublicKey:
		verifies = ed25519.Verify(public, text, s.Signature)
	case *ecdsa.PublicKey:
		verifies = ecdsa.VerifyASN1(public, digest[:], s.Signature)
	}
	if !verifies || key.GetFact().GetOrganization() != s.Organization {
		return errors.New("the signature does not verify")
	}
	return nil
}

// goldenUnsealer opens what is sealed under the keys of the vectors.
func goldenUnsealer(t *testing.T) func(unit.AccountID, string, []byte, []byte) ([]byte, bool, error) {
	t.Helper()
	keys := make(map[unit.AccountID][]byte)
	for _, s := range readGolden[struct {
		Sealed  []map[string]json.RawMessage
		Refused json.RawMessage
	}](t, "sealed.json").Sealed {
		var account, key goldenBytes
		must(t, errors.Join(json.Unmarshal(s["account"], &account), json.Unmarshal(s["key"], &key)))
		keys[unit.AccountID(account)] = key
	}
	return func(account unit.AccountID, fact string, statement, sealed []byte) ([]byte, bool, error) {
		data := fmt.Sprintf("creditbank/v1 seal\n%s\n%x\n%s\n%x\n", goldenBank, account[:], fact, statement)
		content, err := unseal(t, keys[account], sealed, data)
		return content, err == nil, err
	}
}

// rows are all rows of the store.
func (w *goldenWorld) rows(t *testing.T) []store.Row {
	t.Helper()
	var all []store.Row
	for row, err := range w.Scan(t.Context(), store.Range{}) {
		must(t, err)
		all = append(all, store.Row{Key: bytes.Clone(row.Key), Value: append([]byte{}, row.Value...)})
	}
	return all
}

// sample picks rows of every table: the same ones each time.
func (w *goldenWorld) sample(t *testing.T, most int) []store.Row {
	t.Helper()
	tables := make(map[byte][]store.Row)
	for _, row := range w.rows(t) {
		tables[row.Key[0]] = append(tables[row.Key[0]], row)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var picked []store.Row
	for table := range byte(0xff) {
		rows := tables[table]
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if table != book.TableMeta && len(rows) > most {
			rows = rows[:most]
		}
		picked = append(picked, rows...)
	}
	return picked
}

func (w *goldenWorld) fsck(t *testing.T) ledger.FsckReport {
	t.Helper()
	report, err := ledger.Fsck(t.Context(), w.check)
	must(t, err)
	return report
}

func TestFsckOfEveryFact(t *testing.T) {
	w := newGoldenWorld(t)
	if report := w.fsck(t); len(report.Faults) > 0 || report.Size != 260 || report.Unchecked != "" {
		t.Errorf("%d entries, %v, unchecked: %q", report.Size, report.Faults, report.Unchecked)
	}
}

// nameOf is what a fault of a row is called.
func nameOf(key []byte) string {
	if key[0] == book.TableTiles {
		return merkle.Tile{Level: key[1], Index: binary.BigEndian.Uint64(key[2:]), Width: merkle.TileWidth}.Path()
	}
	name, _ := book.RowName(key)
	return name
}

// wants holds a report to name what was done to a row, and a rebuild to mend what can be mended.
func (w *goldenWorld) wants(t *testing.T, what string, key []byte, before []store.Row) {
	t.Helper()
	report := w.fsck(t)
	if len(report.Faults) == 0 {
		t.Errorf("%s of %s is not found", what, nameOf(key))
		return
	}
	first := report.Faults[0]
	switch {
	case key[0] == book.TableEntries && len(key) == 9:
		if !first.HasIndex || first.Index != binary.BigEndian.Uint64(key[1:]) {
			t.Errorf("%s of %s: found as %v", what, nameOf(key), report.Faults)
		}
	case first.HasIndex || first.Field != nameOf(key):
		t.Errorf("%s of %s: found as %v", what, nameOf(key), report.Faults)
	case book.Derived(key[0]) && len(report.Faults) > 1:
		t.Errorf("%s of %s: found as %v", what, nameOf(key), report.Faults)
	}
	format := bytes.Equal(key, book.MetaKey("format"))
	mended := book.Derived(key[0]) || key[0] == book.TableTiles || key[0] == book.TableMeta && !format
	if first.Rebuilt() != mended {
		t.Errorf("%s of %s: a rebuild mends it: %t", what, nameOf(key), first.Rebuilt())
	}
	head := w.Head()
	_, err := ledger.Rebuild(t.Context(), w, w.check)
	switch {
	case !mended && key[0] != book.TableRejects:
		if !errors.Is(err, ledger.ErrRebuild) || w.Head() != head {
			t.Errorf("%s of %s: a rebuild answers %v, and wrote %d times", what, nameOf(key), err, w.Head()-head)
		}
	case err != nil:
		t.Errorf("%s of %s: a rebuild answers %v", what, nameOf(key), err)
	case mended:
		after := w.rows(t)
		if len(after) != len(before) {
			t.Errorf("%s of %s: %d rows after a rebuild, %d before", what, nameOf(key), len(after), len(before))
		}
		for i := range min(len(after), len(before)) {
			if !bytes.Equal(after[i].Key, before[i].Key) || !book.SameRow(after[i].Key[0], after[i].Value, before[i].Value) &&
				!bytes.Equal(after[i].Key, book.MetaKey("tree")) {
				t.Errorf("%s of %s: %s is another after a rebuild", what, nameOf(key), nameOf(before[i].Key))
			}
		}
		if report := w.fsck(t); len(report.Faults) > 0 {
			t.Errorf("%s of %s: after a rebuild, %v", what, nameOf(key), report.Faults)
		}
	}
}

// In every table a byte of a value is flipped, the value is cut short, and the row is deleted: what was done is named, and
// mended where it is derived.
func TestFsckOfDamagedRows(t *testing.T) {
	w := newGoldenWorld(t)
	before := w.rows(t)
	random := rand.New(rand.NewPCG(3, 4))
	for _, row := range w.sample(t, 6) {
		damages := map[string][]byte{"deleting": nil}
		if len(row.Value) > 0 {
			damages["cutting"] = row.Value[:len(row.Value)-1]
			flipped := bytes.Clone(row.Value)
			for book.SameRow(row.Key[0], row.Value, flipped) { // as do the upper bits of a negative day
				copy(flipped, row.Value)
				flipped[random.IntN(len(flipped))] ^= 1 << random.IntN(8)
			}
			damages["flipping"] = flipped
		}
		damages["growing"] = append(bytes.Clone(row.Value), 7)
		for what, value := range damages {
			if row.Key[0] == book.TableRejects && what != "cutting" && what != "growing" {
				continue // the journal is not derived: nothing says what should be in it
			}
			set(t, w, row.Key, value)
			w.wants(t, what, row.Key, before)
			set(t, w, row.Key, row.Value)
		}
	}
}

// A row under a key that no entry leads to.
func TestFsckOfInventedRows(t *testing.T) {
	w := newGoldenWorld(t)
	before := w.rows(t)
	for _, row := range w.sample(t, 2) {
		if row.Key[0] == book.TableMeta || row.Key[0] == book.TableRejects {
			continue
		}
		other := bytes.Clone(row.Key)
		other[len(other)-1] ^= 0x40
		if row.Key[0] == book.TableEntries || row.Key[0] == book.TableTiles {
			other[len(other)-2] ^= 0x40
		}
		longer := append(bytes.Clone(row.Key), 1)
		for _, key := range [][]byte{other, longer} {
			set(t, w, key, row.Value)
			if row.Key[0] == book.TableTiles {
				report := w.fsck(t)
				if len(report.Faults) != 1 || !strings.Contains(report.Faults[0].Problem, "no such tile") {
					t.Errorf("a tile that does not belong to the log: %v", report.Faults)
				}
				if _, err := ledger.Rebuild(t.Context(), w, w.check); err != nil || len(w.fsck(t).Faults) > 0 {
					t.Errorf("a tile that does not belong to the log: %v, after a rebuild %v", err, w.fsck(t).Faults)
				}
			} else {
				w.wants(t, "inventing", key, before)
			}
			set(t, w, key, nil)
		}
	}
	for _, key := range [][]byte{
		book.MetaKey("other"), {book.TableConsents + 1, 1}, {book.TableHoldTimes + 1, 1}, {0xff},
	} {
		set(t, w, key, []byte("?"))
		if report := w.fsck(t); len(report.Faults) != 1 || report.Faults[0].Rebuilt() {
			t.Errorf("row %x: %v", key, report.Faults)
		}
		set(t, w, key, nil)
	}
}

// All derived rows are gone, and are made again.
func TestRebuildFromEntries(t *testing.T) {
	w := newGoldenWorld(t)
	before := w.rows(t)
	var batch store.Batch
	derived := uint64(0)
	for _, row := range before {
		if book.Derived(row.Key[0]) || bytes.Equal(row.Key, book.DirectoryKey()) || bytes.Equal(row.Key, book.OriginsKey()) {
			batch.Delete(row.Key)
			derived++
		}
	}
	must(t, w.Commit(t.Context(), &batch, w.Head()))
	rebuilt, err := ledger.Rebuild(t.Context(), w, w.check)
	must(t, err)
	if rebuilt.Rows != derived || rebuilt.Deleted != 0 || rebuilt.Tree {
		t.Errorf("rebuilt %d rows and deleted %d, want %d and 0", rebuilt.Rows, rebuilt.Deleted, derived)
	}
	if report := w.fsck(t); len(report.Faults) > 0 {
		t.Error(report.Faults)
	}
	openAs(t, w.config)
}

// Wherever a rebuild is interrupted, the store is not opened before another one has ended well.
func TestRebuildInterrupted(t *testing.T) {
	for at := range 2 {
		for _, mode := range []ledgertest.Outcome{ledgertest.Lost, ledgertest.Persisted} {
			w := newGoldenWorld(t)
			set(t, w, book.DirectoryKey(), book.Uint(7))
			faulty := ledgertest.NewFaulty(w.Memory)
			faulty.Fail(at, mode)
			if _, err := ledger.Rebuild(t.Context(), faulty, w.check); err == nil || errors.Is(err, ledger.ErrRebuild) {
				t.Fatalf("commit %d failed, and the rebuild answers %v", at, err)
			}
			must(t, faulty.Recover())
			cfg, check := w.config, w.check
			cfg.Engine, check.Engine = faulty, faulty
			report, err := ledger.Fsck(t.Context(), check)
			must(t, err)
			var want error
			switch {
			case at == 1 && mode == ledgertest.Persisted: // the last one was there
				if len(report.Faults) > 0 {
					t.Error(report.Faults)
				}
			case at == 0 && mode == ledgertest.Lost: // nothing was
				if len(report.Faults) != 1 || report.Faults[0].Field != "directory" {
					t.Error(report.Faults)
				}
			default:
				want = ledger.ErrRebuilding
				if !slices.ContainsFunc(report.Faults, func(f ledger.Fault) bool { return f.Field == "rebuild" && f.Rebuilt() }) {
					t.Error(report.Faults)
				}
				_, err := ledger.Survey(t.Context(), faulty, merkle.Checkpoint{})
				_, recovered := ledger.Recover(t.Context(), cfg, ledger.Lost{})
				if !errors.Is(err, want) || !errors.Is(recovered, want) {
					t.Errorf("a half rebuilt store is copied with %v and recovered with %v", err, recovered)
				}
			}
			if want != nil {
				refuses(t, cfg, want)
			}
			_, err = ledger.Rebuild(t.Context(), faulty, check)
			must(t, err)
			if report, err := ledger.Fsck(t.Context(), check); err != nil || len(report.Faults) > 0 {
				t.Error(report.Faults, err)
			}
			openAs(t, cfg)
		}
	}
}

func TestRebuildRefuses(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, w *goldenWorld){
		"no anchor":    func(_ *testing.T, w *goldenWorld) { w.check.Anchor = new(goldenMemory) },
		"no proof":     func(_ *testing.T, w *goldenWorld) { w.check.Anchor = nil },
		"another's":    func(t *testing.T, w *goldenWorld) { _, w.check.Verifier, _ = named(t, w.config.Origin) },
		"another bank": func(_ *testing.T, w *goldenWorld) { w.check.BankID = "other.test" },
		"a signature": func(_ *testing.T, w *goldenWorld) {
			w.check.Author = func(ledger.Signed, *ledgerv1.KeyRow) error { return errors.New("no") }
		},
		"an older copy": func(t *testing.T, w *goldenWorld) {
			anchor := &goldenMemory{}
			checkpoint, err := merkle.Sign(merkle.Checkpoint{Origin: w.config.Origin, Size: 300}, w.config.Signer)
			must(t, err)
			anchor.checkpoint, w.check.Anchor = checkpoint, anchor
		},
		"another history": func(t *testing.T, w *goldenWorld) {
			anchor := &goldenMemory{}
			checkpoint, err := merkle.Sign(merkle.Checkpoint{Origin: w.config.Origin, Size: 260}, w.config.Signer)
			must(t, err)
			anchor.checkpoint, w.check.Anchor = checkpoint, anchor
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGoldenWorld(t)
			change(t, w)
			set(t, w, book.DirectoryKey(), nil)
			head := w.Head()
			if _, err := ledger.Rebuild(t.Context(), w, w.check); !errors.Is(err, ledger.ErrRebuild) || w.Head() != head {
				t.Errorf("it answers %v, and wrote %d times", err, w.Head()-head)
			}
		})
	}
}

// However many workers there are, and whether the rows fit the memory or not, a check finds the same in the same order.
func TestFsckIsTheSame(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 300)
	s.teach(t, 3000, 500)
	s.teach(t, 1000, 1)
	for i, row := range []struct{ key, value []byte }{
		{book.AccountKey(s.accounts[7]), []byte{8, 1}},
		{book.AccountKey(s.accounts[9]), nil},
		{book.WeekKey(s.accounts[11], 1), []byte{8, 1}},
		{book.CourseKey(99), []byte{8, 1}},
	} {
		if i < 2 {
			values, err := s.engine.Get(t.Context(), row.key)
			if err != nil || values[0] == nil {
				t.Fatal(err, values)
			}
		}
		set(t, s.engine, row.key, row.value)
	}
	cfg := s.check()
	cfg.Author = func(signed ledger.Signed, _ *ledgerv1.KeyRow) error { // many faults, all over the log
		if signed.Statements == 1 && signed.Root[0] < 16 {
			return errors.New("no")
		}
		return nil
	}
	var want string
	for _, workers := range []int{1, 2, 7} {
		for _, memory := range []int64{0, 1, 200 << 10} {
			cfg.Workers, cfg.Memory, cfg.Scratch = workers, memory, nil
			var scratch *store.Memory
			if memory > 0 {
				cfg.Scratch = func() (store.Engine, error) { scratch = store.NewMemory(); return scratch, nil }
			}
			report, err := ledger.Fsck(t.Context(), cfg)
			must(t, err)
			got := fmt.Sprint(report.Size, report.Root, report.Faults)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%d workers, memory of %d:\n%s\nwant\n%s", workers, memory, got, want)
			}
			if memory > 0 && (scratch == nil || scratch.Head() < 2 || scratch.Close() == nil) {
				t.Errorf("memory of %d: the scratch was not used, or not closed", memory)
			}
		}
	}
	if !strings.Contains(want, "signature: no") || strings.Count(want, "account") != 3 || !strings.Contains(want, "course 99") {
		t.Errorf("found %s", want)
	}
}

// hiding is an engine that forgets which statements are known, so that a ledger on it records one twice.
type hiding struct{ store.Engine }

// Get implements store.Reader.
func (h hiding) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	values, err := h.Engine.Get(ctx, keys...)
	for i, key := range keys {
		if err == nil && key[0] == book.TableStatements {
			values[i] = nil
		}
	}
	return values, err
}

func TestFsckFindsStatementsRecordedTwice(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 10)
	s.teach(t, 2000, 1000)
	first := s.size
	twice := s.submission(t, first, 2)
	s.append(t, func(*ledger.Tx) []*ledgerv1.Entry { return twice[:2] })
	s.teach(t, 2000, 1000)
	twice[1].GetCompletionRecorded().Origin.Submission = first
	hidden := s.engine
	s.engine = hiding{hidden}
	s.append(t, func(*ledger.Tx) []*ledgerv1.Entry { return twice[1:2] })
	s.engine = hidden
	for _, memory := range []int64{0, 1, 300 << 10} {
		cfg := s.check()
		cfg.Memory = memory
		if memory > 0 {
			cfg.Scratch = func() (store.Engine, error) { return store.NewMemory(), nil }
		}
		report, err := ledger.Fsck(t.Context(), cfg)
		must(t, err)
		if len(report.Faults) != 1 || report.Faults[0].Index != s.size-1 || !strings.Contains(report.Faults[0].Problem, "is recorded already") ||
			!strings.Contains(report.Unchecked, fmt.Sprintf("from entry %d on", s.size-1)) {
			t.Errorf("memory of %d: %v, unchecked: %q", memory, report.Faults, report.Unchecked)
		}
	}
}

// Tiles above the leaves are checked and mended as those of the leaves are.
func TestFsckOfUpperTiles(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 66_000)
	cfg := s.check()
	check := func() []ledger.Fault {
		report, err := ledger.Fsck(t.Context(), cfg)
		must(t, err)
		return report.Faults
	}
	engine := s.engine
	get := func(level uint8, index uint64) []byte {
		values, err := engine.Get(t.Context(), book.TileKey(level, index))
		must(t, err)
		return bytes.Clone(values[0])
	}
	flipped := func(b []byte) []byte { b[5] ^= 1; return b }
	leaves := flipped(get(0, 3))
	root := merkle.TileRoot(leaves)
	fitting := get(1, 0)
	copy(fitting[3*merkle.HashSize:], root[:])
	for _, test := range []struct {
		tiles map[[2]uint64][]byte
		want  []string
	}{
		{
			map[[2]uint64][]byte{{0, 3}: leaves, {0, 255}: get(0, 255)[:100], {0, 256}: nil, {1, 0}: flipped(get(1, 0))},
			[]string{
				"tile/0/003: it lacks the hash of entry 768", "tile/0/255: it is missing, or has not 256 hashes",
				"tile/1/000: its hashes are not those of the tiles below it", "tile/0/256: it is missing, or has not 256 hashes",
			},
		},
		{ // they agree with each other, and not with the entries
			map[[2]uint64][]byte{{0, 3}: leaves, {1, 0}: fitting},
			[]string{"tile/0/003: it lacks the hash of entry 768", "tile/1/000: it is not of the hashes of the entries"},
		},
	} {
		for tile, damaged := range test.tiles {
			set(t, engine, book.TileKey(uint8(tile[0]), tile[1]), damaged)
		}
		var found []string
		for _, fault := range check() {
			found = append(found, fault.String())
		}
		slices.Sort(found)
		slices.Sort(test.want)
		if !slices.Equal(found, test.want) {
			t.Errorf("found %q, want %q", found, test.want)
		}
		rebuilt, err := ledger.Rebuild(t.Context(), engine, cfg)
		must(t, err)
		if faults := check(); len(faults) > 0 || !rebuilt.Tree || rebuilt.Rows+rebuilt.Deleted > 0 {
			t.Errorf("after a rebuild, %v, %+v", faults, rebuilt)
		}
	}
}

// A rebuild of more rows than one commit takes may be interrupted between them.
func TestRebuildOfManyRows(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 30_000)
	var batch store.Batch
	for _, id := range s.accounts {
		batch.Delete(book.AccountKey(id))
	}
	must(t, s.engine.Commit(t.Context(), &batch, s.engine.Head()))
	cfg := s.check()
	if report, err := ledger.Fsck(t.Context(), cfg); err != nil || len(report.Faults) != ledger.MaxFaults {
		t.Fatalf("%d faults, %v", len(report.Faults), err)
	}
	faulty := ledgertest.NewFaulty(s.engine)
	faulty.Fail(2, ledgertest.Lost) // the first says that a rebuild begins
	if _, err := ledger.Rebuild(t.Context(), faulty, cfg); err == nil {
		t.Fatal("it did not notice that a commit failed")
	}
	must(t, faulty.Recover())
	open := s.config()
	refuses(t, open, ledger.ErrRebuilding)
	rebuilt, err := ledger.Rebuild(t.Context(), faulty, cfg)
	must(t, err)
	if rebuilt.Rows == 0 || rebuilt.Rows >= 30_000 || rebuilt.Deleted > 0 {
		t.Errorf("the second rebuild wrote %d rows and deleted %d", rebuilt.Rows, rebuilt.Deleted)
	}
	if report, err := ledger.Fsck(t.Context(), cfg); err != nil || len(report.Faults) > 0 {
		t.Error(report.Faults, err)
	}
	openAs(t, open)
}

// The tree's row is wrong about how many entries there are, in every way that a flipped bit can make it.
func TestFsckOfTheSize(t *testing.T) {
	w := newGoldenWorld(t)
	before := w.rows(t)
	key := book.MetaKey("tree")
	values, err := w.Get(t.Context(), key)
	must(t, err)
	for bit := range 16 {
		flipped := bytes.Clone(values[0])
		flipped[1+bit/8] ^= 1 << (bit % 8) // after the tag
		set(t, w, key, flipped)
		w.wants(t, fmt.Sprintf("flipping bit %d of the size", bit), key, before)
		set(t, w, key, values[0])
	}
}

// A store that cannot read some of its rows says which.
func TestFsckNamesWhatCannotBeRead(t *testing.T) {
	w := newGoldenWorld(t)
	for _, key := range [][]byte{book.EntryKey(7), book.EntryKey(259), book.TileKey(0, 0)} {
		cfg := w.check
		cfg.Engine = unreadable{w, key}
		report, err := ledger.Fsck(t.Context(), cfg)
		must(t, err)
		if len(report.Faults) == 0 || !strings.Contains(report.Faults[0].String(), "cannot be read: bad block") ||
			report.Faults[0].HasIndex != (key[0] == book.TableEntries) || len(report.Faults) > 1 {
			t.Errorf("%s: %v", nameOf(key), report.Faults)
		}
	}
}

// unreadable is a reader that fails where it comes upon a key.
type unreadable struct {
	store.Reader
	key []byte
}

var errBadBlock = errors.New("bad block")

// Get implements store.Reader.
func (u unreadable) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	if slices.ContainsFunc(keys, func(key []byte) bool { return bytes.Equal(key, u.key) }) {
		return nil, errBadBlock
	}
	return u.Reader.Get(ctx, keys...)
}

// Scan implements store.Reader.
func (u unreadable) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for row, err := range u.Reader.Scan(ctx, r) {
			if bytes.Equal(row.Key, u.key) {
				yield(store.Row{}, errBadBlock)
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func TestFsckEndsWithItsContext(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 10)
	s.teach(t, 4000, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := s.check()
	cfg.Progress = func(ledger.Progress) { cancel() }
	if report, err := ledger.Fsck(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("it answers %v with %v", err, report)
	}
}

func TestFsckTellsHowFarItIs(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 10)
	s.teach(t, 3000, 1000)
	cfg := s.check()
	var stages []string
	last := ledger.Progress{}
	cfg.Progress = func(p ledger.Progress) {
		if p.Stage != last.Stage {
			stages, last = append(stages, p.Stage), ledger.Progress{Stage: p.Stage}
		}
		if p.Done < last.Done || p.Done > p.Total {
			t.Errorf("%v after %v", p, last)
		}
		last = p
	}
	report, err := ledger.Fsck(t.Context(), cfg)
	must(t, err)
	if fmt.Sprint(stages) != "[entries tables]" || last.Done != last.Total || len(report.Faults) > 0 {
		t.Errorf("stages %v, at last %v, %v", stages, last, report.Faults)
	}
}

// More faults than a report holds end the check.
func TestFsckEndsWithTooManyFaults(t *testing.T) {
	s := newSchoolIn(t, store.NewMemory(), 10)
	s.teach(t, 2000, 1)
	cfg := s.check()
	cfg.Author = func(s ledger.Signed, _ *ledgerv1.KeyRow) error {
		return fmt.Errorf("not by %s", hex.EncodeToString(s.KeyID))
	}
	report, err := ledger.Fsck(t.Context(), cfg)
	must(t, err)
	if len(report.Faults) != ledger.MaxFaults {
		t.Errorf("%d faults", len(report.Faults))
	}
}
