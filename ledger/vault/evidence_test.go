package vault_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// rowsWith counts the rows of an engine that have some bytes in key or value.
func rowsWith(t *testing.T, engine store.Engine, b []byte) (n int) {
	t.Helper()
	for row, err := range engine.Scan(context.Background(), store.Range{Start: []byte{1}, End: []byte{0xff}}) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(row.Key, b) || bytes.Contains(row.Value, b) {
			n++
		}
	}
	return n
}

func TestEvidence(t *testing.T) {
	ctx, engine, keys := context.Background(), store.NewMemory(), newKeyset(t)
	now := started
	cfg := config(engine, keys)
	cfg.Now = func() time.Time { return now }
	v, err := vault.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	enroll(t, v, 1)
	enroll(t, v, 2)
	content := []byte("%PDF-1.7 SECRETCONTENT")
	put := func(n int, content []byte) vault.Evidence {
		t.Helper()
		e, err := v.PutEvidence(ctx, account(n), "application/pdf", content)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	mine, other := put(1, content), put(2, content)
	if mine.ID == other.ID || rowsWith(t, engine, []byte("SECRETCONTENT")) != 0 {
		t.Error("a file can be recognized without the keys")
	}
	again, got, err := v.ReadEvidence(ctx, account(1), mine.ID)
	if err != nil || !bytes.Equal(got, content) || again != mine || again.Size != len(content) || again.MediaType != "application/pdf" {
		t.Fatalf("read %v, %q, %v", again, got, err)
	}
	if known, err := v.Evidence(ctx, account(1), mine.ID); err != nil || known != again {
		t.Errorf("known of it is %v, %v", known, err)
	}
	if _, err := v.Evidence(ctx, account(1), other.ID); !errors.Is(err, vault.ErrUnknownEvidence) {
		t.Errorf("known of another's: %v", err)
	}
	if _, _, err := v.ReadEvidence(ctx, account(1), other.ID); !errors.Is(err, vault.ErrUnknownEvidence) {
		t.Errorf("another's: %v", err)
	}

	// What waits goes, what was touched since stays, and so does what is kept.
	waiting := func(want int) []vault.WaitingEvidence {
		t.Helper()
		all, err := v.PendingEvidence(ctx, now.Add(-time.Hour), 10)
		if err != nil || len(all) != want {
			t.Fatalf("%d files wait, %v; not %d", len(all), err, want)
		}
		return all
	}
	waiting(0)
	now = now.Add(2 * time.Hour)
	old := waiting(2)
	if _, err := v.TouchEvidence(ctx, account(1), []vault.EvidenceID{mine.ID, other.ID}); !errors.Is(err, vault.ErrUnknownEvidence) {
		t.Errorf("touched another's: %v", err)
	}
	waiting(2)
	if files, err := v.TouchEvidence(ctx, account(1), []vault.EvidenceID{mine.ID}); err != nil || !files[0].Pending.Equal(now) {
		t.Fatal(files, err)
	}
	for _, w := range old {
		if err := v.DropEvidence(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := v.ReadEvidence(ctx, account(2), other.ID); !errors.Is(err, vault.ErrUnknownEvidence) || rowsWith(t, engine, other.ID[:]) != 0 {
		t.Errorf("what was dropped is there: %v", err)
	}
	if _, _, err := v.ReadEvidence(ctx, account(1), mine.ID); err != nil {
		t.Errorf("what was touched is gone: %v", err)
	}
	if err := v.KeepEvidence(ctx, account(1), []vault.EvidenceID{mine.ID, other.ID}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	waiting(0)
	if e := put(1, content); !e.Pending.IsZero() {
		t.Error("what is kept waits when it comes again")
	}

	// Only so many wait on an account.
	for i := range vault.MaxPendingEvidence {
		put(1, []byte(strings.Repeat("x", i+1)))
	}
	if _, err := v.PutEvidence(ctx, account(1), "image/png", []byte("one more")); !errors.Is(err, vault.ErrEvidenceFull) {
		t.Errorf("one too many: %v", err)
	}
	put(1, []byte("x")) // it waits already

	// A person who is forgotten leaves no file.
	if err := v.Erase(ctx, account(1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.ReadEvidence(ctx, account(1), mine.ID); !errors.Is(err, vault.ErrErased) {
		t.Errorf("after erasing: %v", err)
	}
	if _, err := v.PutEvidence(ctx, account(1), "image/png", content); !errors.Is(err, vault.ErrErased) {
		t.Errorf("put after erasing: %v", err)
	}
	id := account(1)
	if n := rowsWith(t, engine, id[:]); n != 1 { // the tombstone
		t.Errorf("%d rows are left", n)
	}
}

// What the files of an account have together is bounded, whatever they are for; a file that was destroyed leaves room, and one that
// is kept does not.
func TestEvidenceBytes(t *testing.T) {
	ctx, now := context.Background(), started
	cfg := config(store.NewMemory(), newKeyset(t))
	cfg.Now, cfg.EvidenceBytes = func() time.Time { return now }, 100
	v, err := vault.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	enroll(t, v, 1)
	enroll(t, v, 2)
	put := func(n int, letter string, size int) (vault.Evidence, error) {
		return v.PutEvidence(ctx, account(n), "image/png", []byte(strings.Repeat(letter, size)))
	}
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
	}
	kept, err := put(1, "a", 60)
	is(err, nil)
	is(v.KeepEvidence(ctx, account(1), []vault.EvidenceID{kept.ID}), nil)
	_, err = put(1, "b", 41)
	is(err, vault.ErrEvidenceBytes)
	_, err = put(1, "b", 40)
	is(err, nil)
	_, err = put(1, "a", 60) // it is there
	is(err, nil)
	_, err = put(1, "c", 1)
	is(err, vault.ErrEvidenceBytes)
	_, err = put(2, "c", 100) // another's
	is(err, nil)
	now = now.Add(time.Hour)
	waiting, err := v.PendingEvidence(ctx, now, 10)
	if err != nil || len(waiting) != 2 {
		t.Fatal(waiting, err)
	}
	for _, w := range waiting {
		is(v.DropEvidence(ctx, w), nil)
	}
	_, err = put(1, "d", 41)
	is(err, vault.ErrEvidenceBytes)
	_, err = put(1, "d", 40)
	is(err, nil)
}

func TestEvidenceRefused(t *testing.T) {
	ctx := context.Background()
	v := open(t, store.NewMemory(), newKeyset(t))
	enroll(t, v, 1)
	for name, c := range map[string]struct {
		n       int
		kind    string
		content []byte
		want    error
	}{
		"empty":      {1, "image/png", nil, vault.ErrInvalid},
		"too large":  {1, "image/png", make([]byte, vault.MaxEvidence+1), vault.ErrInvalid},
		"no type":    {1, "", []byte("x"), vault.ErrInvalid},
		"not a word": {1, "image/png\n", []byte("x"), vault.ErrInvalid},
		"of nobody":  {2, "image/png", []byte("x"), vault.ErrUnknownAccount},
	} {
		if _, err := v.PutEvidence(ctx, account(c.n), c.kind, c.content); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
