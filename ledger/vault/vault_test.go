package vault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

const bank = "xihu.example"

var started = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func newKeyset(t testing.TB) *vault.Keyset {
	t.Helper()
	keys, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func config(engine store.Engine, keys *vault.Keyset) vault.Config {
	return vault.Config{
		Engine: engine, BankID: bank, Keys: keys, Rand: rand.Reader, Now: func() time.Time { return started }, CacheAccounts: 8,
	}
}

func open(t testing.TB, engine store.Engine, keys *vault.Keyset) *vault.Vault {
	t.Helper()
	v, err := vault.Open(context.Background(), config(engine, keys))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return v
}

func account(n int) unit.AccountID { return unit.AccountID{0: 0xac, 14: byte(n >> 8), 15: byte(n)} }

// number makes the n-th account number: the check digit is found by trying.
func number(n int) unit.AccountNumber {
	for digit := range 10 {
		if number, err := unit.ParseAccountNumber(fmt.Sprintf("5%014d%d", n, digit)); err == nil {
			return number
		}
	}
	panic("no check digit fits")
}

func document(n int) unit.Document {
	return unit.Document{Kind: unit.Passport, Number: fmt.Sprintf("SECRETPASS%05d", n)}
}

func person(n int) vault.Person {
	return vault.Person{
		Number: number(n), Name: fmt.Sprintf("Secretname 王秀英 %d", n), Document: document(n), Contact: fmt.Sprintf("secretphone 139%08d", n),
		BirthDate: time.Date(1950, 1, 1+n%28, 0, 0, 0, 0, time.UTC),
	}
}

func enroll(t testing.TB, v *vault.Vault, n int) {
	t.Helper()
	if err := v.Enroll(context.Background(), account(n), person(n)); err != nil {
		t.Fatalf("Enroll: %v", err)
	}
}

// same compares persons without printing them.
func same(a, b vault.Person) bool {
	birth := a.BirthDate.Equal(b.BirthDate)
	a.BirthDate, b.BirthDate = time.Time{}, time.Time{}
	return birth && a == b
}

func TestBirthDate(t *testing.T) {
	ctx := context.Background()
	v := open(t, store.NewMemory(), newKeyset(t))
	enroll(t, v, 1)
	asked := func(n int, want time.Time, wantErr error) {
		t.Helper()
		for range 2 { // from the store, then from memory
			var got time.Time
			s, err := v.Sealer(ctx, account(n))
			if err == nil {
				got, err = s.BirthDate(ctx)
			}
			if !got.Equal(want) || !errors.Is(err, wantErr) {
				t.Errorf("born %v, %v; not %v, %v", got, err, want, wantErr)
			}
		}
	}
	asked(1, person(1).BirthDate, nil)
	asked(2, time.Time{}, vault.ErrUnknownAccount)
	amended := person(1)
	amended.BirthDate = time.Time{}
	if err := v.Amend(ctx, account(1), amended); err != nil {
		t.Fatal(err)
	}
	asked(1, time.Time{}, nil)
	held, err := v.Sealer(ctx, account(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Erase(ctx, account(1)); err != nil {
		t.Fatal(err)
	}
	asked(1, time.Time{}, vault.ErrErased)
	if _, err := held.BirthDate(ctx); !errors.Is(err, vault.ErrErased) {
		t.Errorf("a sealer that outlived its account says when its holder was born: %v", err)
	}
}

func TestEnroll(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	enroll(t, v, 1)
	enroll(t, v, 2)
	undocumented := person(3)
	undocumented.Document, undocumented.BirthDate, undocumented.Contact = unit.Document{}, time.Time{}, ""
	if err := v.Enroll(ctx, account(3), undocumented); err != nil {
		t.Fatal(err)
	}
	another := undocumented
	another.Number = number(4)
	if err := v.Enroll(ctx, account(4), another); err != nil {
		t.Errorf("a second account without a document: %v", err)
	}

	head := engine.Head()
	enroll(t, v, 1) // again
	if engine.Head() != head {
		t.Error("enrolling the same person again wrote something")
	}
	change := func(n int, change func(*vault.Person)) vault.Person {
		p := person(n)
		change(&p)
		return p
	}
	for name, test := range map[string]struct {
		id     unit.AccountID
		person vault.Person
		want   error
	}{
		"other name":      {account(1), change(1, func(p *vault.Person) { p.Name = "x" }), vault.ErrEnrolled},
		"other contact":   {account(1), change(1, func(p *vault.Person) { p.Contact = "" }), vault.ErrEnrolled},
		"other number":    {account(1), change(1, func(p *vault.Person) { p.Number = number(9) }), vault.ErrEnrolled},
		"other birth":     {account(1), change(1, func(p *vault.Person) { p.BirthDate = time.Time{} }), vault.ErrEnrolled},
		"number taken":    {account(5), change(5, func(p *vault.Person) { p.Number = number(1) }), vault.ErrNumberTaken},
		"document taken":  {account(5), change(5, func(p *vault.Person) { p.Document = document(2) }), vault.ErrDocumentTaken},
		"both taken":      {account(5), person(2), vault.ErrDocumentTaken},
		"zero id":         {unit.AccountID{}, person(5), vault.ErrInvalid},
		"bad number":      {account(5), change(5, func(p *vault.Person) { p.Number = "5" }), vault.ErrInvalid},
		"no name":         {account(5), change(5, func(p *vault.Person) { p.Name = "" }), vault.ErrInvalid},
		"long name":       {account(5), change(5, func(p *vault.Person) { p.Name = strings.Repeat("n", 201) }), vault.ErrInvalid},
		"name not utf-8":  {account(5), change(5, func(p *vault.Person) { p.Name = "\xff" }), vault.ErrInvalid},
		"long contact":    {account(5), change(5, func(p *vault.Person) { p.Contact = strings.Repeat("c", 501) }), vault.ErrInvalid},
		"odd document":    {account(5), change(5, func(p *vault.Person) { p.Document.Kind = "secret_kind" }), vault.ErrInvalid},
		"empty document":  {account(5), change(5, func(p *vault.Person) { p.Document.Number = "" }), vault.ErrInvalid},
		"birth of an age": {account(5), change(5, func(p *vault.Person) { p.BirthDate = started.AddDate(-300, 0, 0) }), vault.ErrInvalid},
		"birth hour":      {account(5), change(5, func(p *vault.Person) { p.BirthDate = started }), vault.ErrInvalid},
	} {
		err := v.Enroll(ctx, test.id, test.person)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: Enroll = %v, want %v", name, err, test.want)
		}
		if taken, is := errors.AsType[*vault.DocumentTakenError](err); is && taken.Account != account(2) {
			t.Errorf("%s: the document is said to be of %v", name, taken.Account)
		}
		if err != nil {
			wantNothingPersonal(t, name, err.Error())
		}
	}
	if engine.Head() != head {
		t.Error("a refused enrolment wrote something")
	}
	for range 2 { // with and without caches
		for n, want := range map[int]vault.Person{1: person(1), 2: person(2), 3: undocumented} {
			if got, err := v.Person(ctx, account(n)); err != nil || !same(got, want) {
				t.Errorf("Person(%d): %v, equal: %t", n, err, same(got, want))
			}
			if id, err := v.Lookup(ctx, number(n)); err != nil || id != account(n) {
				t.Errorf("Lookup(%d) = %v, %v", n, id, err)
			}
		}
		if id, err := v.FindByDocument(ctx, document(2)); err != nil || id != account(2) {
			t.Errorf("FindByDocument = %v, %v", id, err)
		}
		v = open(t, engine, keys)
	}
}

func TestUnknown(t *testing.T) {
	ctx := context.Background()
	v := open(t, store.NewMemory(), newKeyset(t))
	enroll(t, v, 1)
	for name, err := range map[string]error{
		"Lookup":                 second(v.Lookup(ctx, number(2))),
		"Lookup of nonsense":     second(v.Lookup(ctx, "\nnonsense")),
		"SealerOf":               second(v.SealerOf(ctx, number(2))),
		"FindByDocument":         second(v.FindByDocument(ctx, document(2))),
		"FindByDocument of none": second(v.FindByDocument(ctx, unit.Document{})),
		"Person":                 second(v.Person(ctx, account(2))),
		"Sealer":                 second(v.Sealer(ctx, account(2))),
		"Seal":                   second(v.Seal(ctx, account(2), "Fact", [16]byte{}, nil)),
		"Unseal":                 second(v.Unseal(ctx, account(2), "Fact", [16]byte{}, nil)),
		"Amend":                  v.Amend(ctx, account(2), person(2)),
	} {
		if !errors.Is(err, vault.ErrUnknownAccount) {
			t.Errorf("%s = %v, want ErrUnknownAccount", name, err)
		}
	}
	if _, err := v.FindByDocument(ctx, unit.Document{Kind: "kind\nof", Number: "secret"}); !errors.Is(err, vault.ErrInvalid) {
		t.Errorf("FindByDocument of an unknown kind = %v", err)
	}
	ids, err := v.LookupMany(ctx, []unit.AccountNumber{number(2), number(1), number(3), number(1)})
	if err != nil || len(ids) != 4 || !ids[0].IsZero() || ids[1] != account(1) || !ids[2].IsZero() || ids[3] != account(1) {
		t.Errorf("LookupMany = %v, %v", ids, err)
	}
	sealers, err := v.Sealers(ctx, []unit.AccountID{account(2), account(1), account(1)})
	if err != nil || len(sealers) != 3 || sealers[0] != nil || sealers[1].Account() != account(1) || sealers[2].Account() != account(1) {
		t.Errorf("Sealers = %v, %v", sealers, err)
	}
	passing, err := v.SealersInPassing(ctx, []unit.AccountID{account(2), account(1)})
	if err != nil || len(passing) != 2 || passing[0] != nil || passing[1].Account() != account(1) {
		t.Errorf("SealersInPassing = %v, %v", passing, err)
	}
}

// Whoever goes through all accounts does not push others out of memory.
func TestSealersInPassingAreNotRemembered(t *testing.T) {
	ctx := context.Background()
	engine := &counting{Engine: store.NewMemory()}
	v := open(t, engine, newKeyset(t))
	for n := 1; n <= 3; n++ {
		enroll(t, v, n)
	}
	reads := func(sealers ...func() error) int {
		before := engine.gets
		for _, sealer := range sealers {
			if err := sealer(); err != nil {
				t.Fatal(err)
			}
		}
		return engine.gets - before
	}
	used := func() error { return second(v.Sealer(ctx, account(1))) }
	passing := func() error {
		return second(v.SealersInPassing(ctx, []unit.AccountID{account(1), account(2), account(3)}))
	}
	if n := reads(used, passing, used, passing); n > 3 || n < 2 {
		t.Errorf("%d reads, of which those in passing are two", n)
	}
	if n := reads(used); n != 0 {
		t.Errorf("%d reads of what was in memory", n)
	}
}

// counting counts the reads of single rows.
type counting struct {
	store.Engine
	gets int
}

func (c *counting) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	c.gets++
	return c.Engine.Get(ctx, keys...)
}

func second[T any](_ T, err error) error { return err }

func TestAmend(t *testing.T) {
	ctx := context.Background()
	v := open(t, store.NewMemory(), newKeyset(t))
	enroll(t, v, 1)
	enroll(t, v, 2)
	sealed, err := v.Seal(ctx, account(1), "Fact", [16]byte{1}, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // from the store, then from memory
		if s, err := v.SealerOf(ctx, number(1)); err != nil || s.Account() != account(1) {
			t.Fatalf("SealerOf = %v, %v", s, err)
		}
	}
	p := person(3)
	if err := v.Amend(ctx, account(1), p); err != nil {
		t.Fatalf("Amend: %v", err)
	}
	if err := v.Amend(ctx, account(1), p); err != nil {
		t.Errorf("Amend again: %v", err)
	}
	if got, err := v.Person(ctx, account(1)); err != nil || !same(got, p) {
		t.Errorf("Person: %v, equal: %t", err, same(got, p))
	}
	if id, err := v.Lookup(ctx, number(1)); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("Lookup of the old number = %v, %v", id, err)
	}
	if _, err := v.SealerOf(ctx, number(1)); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("SealerOf the old number = %v", err)
	}
	if id, err := v.FindByDocument(ctx, document(1)); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("FindByDocument of the old one = %v, %v", id, err)
	}
	if id, err := v.Lookup(ctx, number(3)); err != nil || id != account(1) {
		t.Errorf("Lookup of the new number = %v, %v", id, err)
	}
	if content, err := v.Unseal(ctx, account(1), "Fact", [16]byte{1}, sealed); err != nil || string(content) != "content" {
		t.Errorf("what was sealed before: %q, %v", content, err)
	}
	q := p
	q.Number = number(2)
	if err := v.Amend(ctx, account(1), q); !errors.Is(err, vault.ErrNumberTaken) {
		t.Errorf("Amend to a taken number = %v", err)
	}
	q = p
	q.Document = document(2)
	if err := v.Amend(ctx, account(1), q); !errors.Is(err, vault.ErrDocumentTaken) {
		t.Errorf("Amend to a taken document = %v", err)
	}
	q.Document = unit.Document{}
	if err := v.Amend(ctx, account(1), q); err != nil {
		t.Errorf("Amend to no document = %v", err)
	}
	enroll(t, v, 1+100)
	r := person(1 + 100)
	r.Document, r.Number = document(1), number(1) // both are free now
	if err := v.Amend(ctx, account(101), r); err != nil {
		t.Errorf("Amend to what another gave up: %v", err)
	}
}

func TestErase(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	enroll(t, v, 1)
	enroll(t, v, 2)
	sealer, err := v.Sealer(ctx, account(1))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sealer.Seal("Fact", [16]byte{}, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.SealerOf(ctx, number(1)); err != nil { // remembered
		t.Fatal(err)
	}
	if err := v.Journal(ctx, vault.Access{Caller: "officer-7", Account: account(1), Action: "Read"}); err != nil {
		t.Fatal(err)
	}
	if err := v.Erase(ctx, account(1)); err != nil {
		t.Fatalf("Erase: %v", err)
	}
	for range 2 { // with and without caches
		for name, err := range map[string]error{
			"Person": second(v.Person(ctx, account(1))),
			"Sealer": second(v.Sealer(ctx, account(1))),
			"Seal":   second(v.Seal(ctx, account(1), "Fact", [16]byte{}, nil)),
			"Unseal": second(v.Unseal(ctx, account(1), "Fact", [16]byte{}, sealed)),
			"Enroll": v.Enroll(ctx, account(1), person(1)),
			"Amend":  v.Amend(ctx, account(1), person(1)),
		} {
			if !errors.Is(err, vault.ErrErased) {
				t.Errorf("%s = %v, want ErrErased", name, err)
			}
			if key := strings.HasPrefix(name, "Seal") || name == "Unseal"; key != errors.Is(err, vault.ErrKeyGone) {
				t.Errorf("%s = %v: ErrKeyGone should be there: %t", name, err, key)
			}
		}
		if id, err := v.Lookup(ctx, number(1)); !errors.Is(err, vault.ErrUnknownAccount) {
			t.Errorf("Lookup = %v, %v", id, err)
		}
		if _, err := v.SealerOf(ctx, number(1)); !errors.Is(err, vault.ErrUnknownAccount) {
			t.Errorf("SealerOf = %v", err)
		}
		if id, err := v.FindByDocument(ctx, document(1)); !errors.Is(err, vault.ErrUnknownAccount) {
			t.Errorf("FindByDocument = %v, %v", id, err)
		}
		if sealers, err := v.Sealers(ctx, []unit.AccountID{account(1)}); err != nil || sealers[0] != nil {
			t.Errorf("Sealers = %v, %v", sealers, err)
		}
		if sealers, err := v.SealersInPassing(ctx, []unit.AccountID{account(1)}); err != nil || sealers[0] != nil {
			t.Errorf("SealersInPassing = %v, %v", sealers, err)
		}
		if got, _, err := v.Accesses(ctx, account(1), vault.Page{Size: 10}); err != nil || len(got) != 1 {
			t.Errorf("the journal has %d accesses, %v", len(got), err)
		}
		v = open(t, engine, keys)
	}
	if _, err := sealer.Seal("Fact", [16]byte{}, nil); !errors.Is(err, vault.ErrKeyGone) {
		t.Errorf("Seal with an old sealer = %v, want ErrKeyGone", err)
	}
	if _, err := sealer.Unseal("Fact", [16]byte{}, sealed); !errors.Is(err, vault.ErrKeyGone) {
		t.Errorf("Unseal with an old sealer = %v, want ErrKeyGone", err)
	}
	head := engine.Head()
	if err := v.Erase(ctx, account(1)); err != nil || engine.Head() != head {
		t.Errorf("Erase again = %v, at head %d of %d", err, engine.Head(), head)
	}
	if err := v.Erase(ctx, account(9)); err != nil {
		t.Errorf("Erase of an unknown account = %v", err)
	}
	if err := v.Enroll(ctx, account(9), person(9)); !errors.Is(err, vault.ErrErased) {
		t.Errorf("Enroll of an account erased elsewhere = %v", err)
	}
	if err := v.Enroll(ctx, account(10), person(1)); err != nil {
		t.Errorf("the person can't come back under a new id: %v", err)
	}
	if got, err := v.Person(ctx, account(2)); err != nil || !same(got, person(2)) {
		t.Errorf("a bystander: %v", err)
	}
	// Nothing of the erased row is left but its tombstone.
	rows, err := engine.Get(ctx, append([]byte{1}, idBytes(account(1))...))
	if err != nil || len(rows[0]) != 9 {
		t.Errorf("tombstone of %d bytes, %v", len(rows[0]), err)
	}
}

func idBytes(id unit.AccountID) []byte { return id[:] }

// TestNothingReadable looks for names, numbers and keys in every row.
func TestNothingReadable(t *testing.T) {
	ctx := context.Background()
	engine := store.NewMemory()
	v := open(t, engine, newKeyset(t))
	for n := range 5 {
		enroll(t, v, n)
	}
	rows := 0
	for row, err := range engine.Scan(ctx, store.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		wantNothingPersonal(t, "key", string(row.Key))
		wantNothingPersonal(t, "value", string(row.Value))
	}
	if rows != 1+3*5 {
		t.Errorf("%d rows, want the format and three for each account", rows)
	}
}

func wantNothingPersonal(t testing.TB, where, text string) {
	t.Helper()
	for _, word := range []string{"secret", "Secret", "SECRET", "秀", "139", "50000000", "1950"} {
		if strings.Contains(text, word) {
			t.Errorf("%s contains %q", where, word)
		}
	}
}

func TestPersonHidesItself(t *testing.T) {
	p := person(1)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("who", "person", p)
	for _, text := range []string{
		fmt.Sprint(p), fmt.Sprintf("%v %+v %#v %s %d %x", p, p, p, p, p, p), fmt.Sprint(&p), fmt.Sprint([]vault.Person{p}),
		fmt.Sprintf("%+v", struct{ Who vault.Person }{p}), log.String(),
	} {
		wantNothingPersonal(t, "text", text)
	}
	if b, err := json.Marshal(p); err == nil {
		t.Errorf("marshalled to %d bytes", len(b))
	}
}

func TestOpen(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	enroll(t, open(t, engine, keys), 1)
	with := func(change func(*vault.Config)) error {
		c := config(engine, keys)
		change(&c)
		return second(vault.Open(ctx, c))
	}
	strange := store.NewMemory()
	var b store.Batch
	b.Set([]byte("somebody's"), []byte("row"))
	if err := strange.Commit(ctx, &b, 0); err != nil {
		t.Fatal(err)
	}
	newer := store.NewMemory()
	var n store.Batch
	n.Set([]byte{5}, bytes.Repeat([]byte{2}, 200))
	if err := newer.Commit(ctx, &n, 0); err != nil {
		t.Fatal(err)
	}
	rotated, err := newKeyset(t).Rotate()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*vault.Config)
		want   error
	}{
		"same":              {func(*vault.Config) {}, nil},
		"has to be there":   {func(c *vault.Config) { c.Existing = true }, nil},
		"is not there":      {func(c *vault.Config) { c.Engine, c.Existing = store.NewMemory(), true }, vault.ErrEmpty},
		"strange and there": {func(c *vault.Config) { c.Engine, c.Existing = strange, true }, vault.ErrFormat},
		"wrong keyset":      {func(c *vault.Config) { c.Keys = newKeyset(t) }, vault.ErrKeyset},
		"wrong and rotated": {func(c *vault.Config) { c.Keys = rotated }, vault.ErrKeyset},
		"another bank":      {func(c *vault.Config) { c.BankID = "binjiang.example" }, vault.ErrFormat},
		"not a vault":       {func(c *vault.Config) { c.Engine = strange }, vault.ErrFormat},
		"newer":             {func(c *vault.Config) { c.Engine = newer }, vault.ErrFormat},
		"no bank":           {func(c *vault.Config) { c.BankID = "" }, vault.ErrInvalid},
		"bank of two lines": {func(c *vault.Config) { c.BankID = "a\nb" }, vault.ErrInvalid},
		"no keys":           {func(c *vault.Config) { c.Keys = nil }, vault.ErrInvalid},
		"no clock":          {func(c *vault.Config) { c.Now = nil }, vault.ErrInvalid},
		"no randomness":     {func(c *vault.Config) { c.Rand = nil }, vault.ErrInvalid},
		"no engine":         {func(c *vault.Config) { c.Engine = nil }, vault.ErrInvalid},
		"negative cache":    {func(c *vault.Config) { c.CacheAccounts = -1 }, vault.ErrInvalid},
		"default cache":     {func(c *vault.Config) { c.CacheAccounts = 0 }, nil},
	} {
		if err := with(test.change); !errors.Is(err, test.want) {
			t.Errorf("%s: Open = %v, want %v", name, err, test.want)
		}
	}
}

func TestRandomFails(t *testing.T) {
	c := config(store.NewMemory(), newKeyset(t))
	c.Rand = io.LimitReader(rand.Reader, 10)
	v, err := vault.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Enroll(context.Background(), account(1), person(1)); err == nil {
		t.Error("enrolled with a key of ten random bytes")
	}
	if _, err := v.Person(context.Background(), account(1)); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("Person = %v", err)
	}
}

func TestJournal(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	var want []vault.Access
	for i := range 7 {
		access := vault.Access{
			At: started.Add(time.Duration(i) * time.Microsecond), Caller: fmt.Sprint("officer-", i), Account: account(1),
			Action: "ResolveAccount", Purpose: "transfer",
		}
		if i%2 == 0 {
			access.At, access.Purpose = time.Time{}, ""
		}
		if err := v.Journal(ctx, access); err != nil {
			t.Fatalf("Journal: %v", err)
		}
		if i%2 == 0 {
			access.At = started // the clock's
		}
		want = append([]vault.Access{access}, want...)
	}
	for _, other := range []unit.AccountID{{}, account(0), account(2)} {
		if err := v.Journal(ctx, vault.Access{Caller: "c", Account: other, Action: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	v = open(t, engine, keys)
	for size := 1; size <= 8; size++ {
		var got []vault.Access
		page, pages := vault.Page{Size: size}, 0
		for {
			accesses, next, err := v.Accesses(ctx, account(1), page)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, accesses...)
			if pages++; next == (vault.Cursor{}) {
				break
			}
			page.After = next
		}
		if wantPages := (len(want) + size - 1) / size; fmt.Sprint(got) != fmt.Sprint(want) || pages != wantPages {
			t.Errorf("pages of %d: %d pages, want %d:\n%v, want\n%v", size, pages, wantPages, got, want)
		}
	}
	for name, access := range map[string]vault.Access{
		"no caller": {Action: "a"}, "no action": {Caller: "c"}, "a sentence": {Caller: "c", Action: "a", Purpose: "for his mother"},
		"two lines": {Caller: "c\nd", Action: "a"}, "long": {Caller: strings.Repeat("c", 129), Action: "a"},
	} {
		if err := v.Journal(ctx, access); !errors.Is(err, vault.ErrInvalid) {
			t.Errorf("%s: Journal = %v, want ErrInvalid", name, err)
		}
	}
	for _, size := range []int{0, -1, vault.MaxPage + 1} {
		if _, _, err := v.Accesses(ctx, account(1), vault.Page{Size: size}); !errors.Is(err, vault.ErrInvalid) {
			t.Errorf("a page of %d = %v, want ErrInvalid", size, err)
		}
	}
}

// slow is an engine whose next commit, or the next answer of Get, waits.
type slow struct {
	store.Engine
	commit, get atomic.Pointer[gate]
}

// gate tells that somebody has arrived, and lets them go on.
type gate struct{ arrived, proceed chan struct{} }

func (g *gate) pass() {
	if g != nil {
		close(g.arrived)
		<-g.proceed
	}
}

func shut(at *atomic.Pointer[gate]) *gate {
	g := &gate{arrived: make(chan struct{}), proceed: make(chan struct{})}
	at.Store(g)
	return g
}

func (s *slow) Commit(ctx context.Context, batch *store.Batch, expected store.Head) error {
	s.commit.Swap(nil).pass()
	return s.Engine.Commit(ctx, batch, expected)
}

func (s *slow) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	values, err := s.Engine.Get(ctx, keys...)
	s.get.Swap(nil).pass()
	return values, err
}

// TestCompetition lets many callers enrol the same documents and numbers under different ids.
func TestCompetition(t *testing.T) {
	ctx := context.Background()
	engine := store.NewMemory()
	v := open(t, engine, newKeyset(t))
	const people, callers = 10, 8
	var group sync.WaitGroup
	results := make([][callers]error, people)
	for n := range people {
		for c := range callers {
			group.Go(func() {
				p := person(n)
				if c%2 == 1 {
					p.Number = number(1000 + n*callers + c) // the same document alone
				}
				results[n][c] = v.Enroll(ctx, account(n*callers+c), p)
				if _, err := v.Lookup(ctx, p.Number); err != nil && !errors.Is(err, vault.ErrUnknownAccount) {
					t.Errorf("Lookup: %v", err)
				}
			})
		}
	}
	group.Wait()
	for n := range people {
		winner, err := v.FindByDocument(ctx, document(n))
		if err != nil {
			t.Fatal(err)
		}
		wins := 0
		for c, err := range results[n] {
			if err == nil {
				wins++
				if winner != account(n*callers+c) {
					t.Errorf("person %d: caller %d was told it won, but the document is of %v", n, c, winner)
				}
				continue
			}
			if taken, is := errors.AsType[*vault.DocumentTakenError](err); !is || taken.Account != winner {
				t.Errorf("person %d: caller %d lost with %v", n, c, err)
			}
		}
		if wins != 1 {
			t.Errorf("person %d: %d winners", n, wins)
		}
	}
}

// TestGroup holds that those who wait for a commit share the next one, and see each other's changes in it.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		engine := &slow{Engine: store.NewMemory()}
		v := open(t, engine, newKeyset(t))
		first := shut(&engine.commit)
		const people = 20
		results := make(chan error)
		go func() { results <- v.Enroll(ctx, account(0), person(0)) }()
		<-first.arrived
		for n := 1; n <= people; n++ {
			for _, id := range []unit.AccountID{account(n), account(n), account(100 + n)} { // twice the same, and a rival
				go func() { results <- v.Enroll(ctx, id, person(n)) }()
			}
		}
		canceled, cancel := context.WithCancel(ctx)
		go func() { results <- v.Journal(canceled, vault.Access{Caller: "c", Action: "a"}) }()
		synctest.Wait() // all of them are waiting
		cancel()
		close(first.proceed)
		taken, refused := 0, 0
		for range 1 + 3*people + 1 {
			switch err := <-results; {
			case errors.Is(err, vault.ErrDocumentTaken):
				taken++
			case errors.Is(err, context.Canceled):
				refused++
			case err != nil:
				t.Errorf("Enroll = %v", err)
			}
		}
		// Where the rival came first, both of the others lost.
		if engine.Head() != 3 || taken < people || taken > 2*people || refused != 1 {
			t.Errorf("%d commits, want 3; %d documents taken, %d canceled", engine.Head(), taken, refused)
		}
		for n := range people + 1 {
			id, err := v.Lookup(ctx, number(n))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := v.Person(ctx, id); err != nil || !same(got, person(n)) {
				t.Errorf("Person(%d): %v", n, err)
			}
		}
		rows := 0
		for _, err := range engine.Scan(ctx, store.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			rows++
		}
		if rows != 1+3*(1+people) {
			t.Errorf("%d rows: somebody is enrolled twice", rows)
		}
	})
}

// TestStaleAnswer changes an account while the store's answer about it is on its way: it may be given, not remembered.
func TestStaleAnswer(t *testing.T) {
	ctx := context.Background()
	engine, keys := &slow{Engine: store.NewMemory()}, newKeyset(t)
	for name, test := range map[string]struct {
		look, change func(*vault.Vault) error
		want         error
	}{
		"number": {
			func(v *vault.Vault) error { return second(v.Lookup(ctx, number(1))) },
			func(v *vault.Vault) error { return v.Amend(ctx, account(1), person(2)) }, vault.ErrUnknownAccount,
		},
		"key": {
			func(v *vault.Vault) error { return second(v.Sealer(ctx, account(1))) },
			func(v *vault.Vault) error { return v.Erase(ctx, account(1)) }, vault.ErrKeyGone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := open(t, engine, keys)
			enroll(t, v, 1)
			late, answer := shut(&engine.get), make(chan error)
			go func() { answer <- test.look(v) }()
			<-late.arrived
			if err := test.change(v); err != nil {
				t.Fatal(err)
			}
			close(late.proceed)
			if err := <-answer; err != nil {
				t.Errorf("the answer that was on its way = %v", err)
			}
			if err := test.look(v); !errors.Is(err, test.want) {
				t.Errorf("looking again = %v, want %v", err, test.want)
			}
		})
		engine = &slow{Engine: store.NewMemory()}
	}
}

// TestTwoWriters opens one store twice, which nobody should: each must notice the other, and neither may lose anything.
func TestTwoWriters(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	a, b := open(t, engine, keys), open(t, engine, keys)
	enroll(t, a, 1)
	enroll(t, b, 2)
	enroll(t, a, 3)
	if err := b.Enroll(ctx, account(4), person(1)); !errors.Is(err, vault.ErrDocumentTaken) {
		t.Errorf("Enroll = %v", err)
	}
	if _, err := a.Lookup(ctx, number(1)); err != nil {
		t.Fatal(err)
	}
	if err := b.Amend(ctx, account(1), person(5)); err != nil {
		t.Fatal(err)
	}
	enroll(t, a, 6) // now a notices, and must forget what it knew
	if id, err := a.Lookup(ctx, number(1)); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("Lookup of a number that the other has taken away = %v, %v", id, err)
	}
}

func TestOnPebble(t *testing.T) {
	ctx := context.Background()
	disk, keys := vfs.NewCrashableMem(), newKeyset(t)
	engine, err := pebble.Open("vault", pebble.Options{FS: disk, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, engine, keys)
	enroll(t, v, 1)
	sealed, err := v.Seal(ctx, account(1), "Fact", [16]byte{}, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	after := disk.CrashClone(vfs.CrashCloneCfg{}) // the plug is pulled
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if engine, err = pebble.Open("vault", pebble.Options{FS: after, CacheBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	v = open(t, engine, keys)
	if content, err := v.Unseal(ctx, account(1), "Fact", [16]byte{}, sealed); err != nil || string(content) != "content" {
		t.Errorf("Unseal = %q, %v: the key was not durable", content, err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Person": second(v.Person(ctx, account(1))), "Journal": v.Journal(ctx, vault.Access{Caller: "c", Action: "a"}),
		"Accesses": func() error { _, _, err := v.Accesses(ctx, account(1), vault.Page{Size: 1}); return err }(),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s on a closed engine = %v", name, err)
		}
	}
}

// naive is the model of a vault.
type naive struct {
	people map[unit.AccountID]vault.Person
	erased map[unit.AccountID]bool
	looks  map[unit.AccountID]int
}

func (m naive) holder(number unit.AccountNumber, document unit.Document) (byNumber, byDocument unit.AccountID) {
	for id, p := range m.people {
		if p.Number == number {
			byNumber = id
		}
		if p.Document == document && document != (unit.Document{}) {
			byDocument = id
		}
	}
	return byNumber, byDocument
}

// expect is what Enroll or Amend should answer.
func (m naive) expect(id unit.AccountID, p vault.Person, amend bool) error {
	byNumber, byDocument := m.holder(p.Number, p.Document)
	current, live := m.people[id]
	switch {
	case m.erased[id]:
		return vault.ErrErased
	case !byDocument.IsZero() && byDocument != id:
		return vault.ErrDocumentTaken
	case !byNumber.IsZero() && byNumber != id:
		return vault.ErrNumberTaken
	case amend && !live:
		return vault.ErrUnknownAccount
	case !amend && live && !same(current, p):
		return vault.ErrEnrolled
	}
	return nil
}

// TestModel does random things to a vault and to the model, among them commits that fail, persisted or not.
func TestModel(t *testing.T) {
	ctx := context.Background()
	keys := newKeyset(t)
	small := rapid.IntRange(1, 4)
	somebody := rapid.Custom(func(rt *rapid.T) vault.Person {
		p := person(small.Draw(rt, "number"))
		p.Document = document(small.Draw(rt, "document"))
		if rapid.IntRange(0, 4).Draw(rt, "none") == 0 {
			p.Document = unit.Document{}
		}
		p.Name = rapid.SampledFrom([]string{"甲", "乙"}).Draw(rt, "name")
		return p
	})
	rapid.Check(t, func(rt *rapid.T) {
		engine := ledgertest.NewFaulty(store.NewMemory())
		v := open(t, engine, keys)
		m := naive{people: map[unit.AccountID]vault.Person{}, erased: map[unit.AccountID]bool{}, looks: map[unit.AccountID]int{}}
		outcome := ledgertest.Lost

		// did applies a change to the model if the vault did it, and recovers from a fault.
		did := func(rt *rapid.T, what string, got, want error, apply func()) {
			switch {
			case errors.Is(got, ledgertest.ErrFault):
				if want != nil {
					rt.Fatalf("%s was committed, want %v", what, want)
				}
				if again := v.Erase(ctx, account(99)); !errors.Is(again, store.ErrHalted) {
					rt.Fatalf("after the fault: %v, want ErrHalted", again)
				}
				if err := engine.Recover(); err != nil {
					rt.Fatal(err)
				}
				v = open(t, engine, keys)
				if outcome == ledgertest.Persisted {
					apply()
				}
			case !errors.Is(got, want) || (want == nil && got != nil):
				rt.Fatalf("%s = %v, want %v", what, got, want)
			case want == nil:
				apply()
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"enroll": func(rt *rapid.T) {
				id, p := account(small.Draw(rt, "id")), somebody.Draw(rt, "person")
				did(rt, "Enroll", v.Enroll(ctx, id, p), m.expect(id, p, false), func() { m.people[id] = p })
			},
			"amend": func(rt *rapid.T) {
				id, p := account(small.Draw(rt, "id")), somebody.Draw(rt, "person")
				did(rt, "Amend", v.Amend(ctx, id, p), m.expect(id, p, true), func() { m.people[id] = p })
			},
			"erase": func(rt *rapid.T) {
				if rapid.IntRange(0, 3).Draw(rt, "rarely") != 0 {
					rt.Skip("not now")
				}
				id := account(small.Draw(rt, "id"))
				did(rt, "Erase", v.Erase(ctx, id), nil, func() {
					delete(m.people, id)
					m.erased[id] = true
				})
			},
			"journal": func(rt *rapid.T) {
				id := account(small.Draw(rt, "id"))
				did(rt, "Journal", v.Journal(ctx, vault.Access{Caller: "c", Account: id, Action: "a"}), nil, func() { m.looks[id]++ })
			},
			"fault": func(rt *rapid.T) {
				outcome = ledgertest.Outcome(rapid.Bool().Draw(rt, "persisted"))
				engine.Fail(rapid.IntRange(0, 3).Draw(rt, "after"), outcome)
			},
			"reopen": func(*rapid.T) { v = open(t, engine, keys) },
			"": func(rt *rapid.T) {
				n := small.Draw(rt, "look at")
				id := account(n)
				got, err := v.Person(ctx, id)
				want, live := m.people[id]
				wantErr := error(nil)
				if m.erased[id] {
					wantErr = vault.ErrErased
				} else if !live {
					wantErr = vault.ErrUnknownAccount
				}
				if !errors.Is(err, wantErr) || !same(got, want) {
					rt.Fatalf("Person = %v, want %v; equal: %t", err, wantErr, same(got, want))
				}
				byNumber, byDocument := m.holder(number(n), document(n))
				if found, err := v.Lookup(ctx, number(n)); found != byNumber || (err == nil) == byNumber.IsZero() {
					rt.Fatalf("Lookup = %v, %v, want %v", found, err, byNumber)
				}
				if found, err := v.FindByDocument(ctx, document(n)); found != byDocument || (err == nil) == byDocument.IsZero() {
					rt.Fatalf("FindByDocument = %v, %v, want %v", found, err, byDocument)
				}
				if _, err := v.Seal(ctx, id, "Fact", [16]byte{}, nil); !errors.Is(err, wantErr) {
					rt.Fatalf("Seal = %v, want %v", err, wantErr)
				}
				if looks, _, err := v.Accesses(ctx, id, vault.Page{Size: vault.MaxPage}); err != nil || len(looks) != m.looks[id] {
					rt.Fatalf("%d accesses, %v, want %d", len(looks), err, m.looks[id])
				}
			},
		})
	})
}
