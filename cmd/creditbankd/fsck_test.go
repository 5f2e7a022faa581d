package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func TestFsckNamesWhatIsWrong(t *testing.T) {
	directory, configuration := founded(t)
	flip(t, filepath.Join(directory, "data"), book.EntryKey(2))
	c := once(t, "fsck", "--config", configuration)
	if c.code != exitFailed || !strings.Contains(c.stdout.String(), "entry 2:") || !strings.Contains(c.stdout.String(), "NOT SOUND") ||
		!strings.Contains(c.stdout.String(), "not checked: the state from entry 2 on") {
		t.Errorf("it ends with %d and says\n%s%s", c.code, c.stdout.String(), c.stderr.String())
	}
	c = once(t, "fsck", "--config", configuration, "--json")
	if c.code != exitFailed || !strings.Contains(c.stdout.String(), `"entry": 2`) || !strings.Contains(c.stdout.String(), `"sound": false`) {
		t.Errorf("it ends with %d and says\n%s%s", c.code, c.stdout.String(), c.stderr.String())
	}
	c = once(t, "fsck", "--config", configuration, "--rebuild")
	if c.code != exitFailed || !strings.Contains(c.stdout.String(), "entry 2:") || !strings.Contains(c.stderr.String(), "Nothing was written") {
		t.Errorf("a rebuild ends with %d and says\n%s%s", c.code, c.stdout.String(), c.stderr.String())
	}
	once(t, "fsck", "--data", directory).refused(exitUsage, "not the directory of a demo")
	once(t, "fsck", "--data", directory, "--config", configuration).refused(exitUsage, "leave the other flags out")
	once(t, "fsck", "--config", configuration, "--memory", "1").refused(exitUsage, "give at least 16")
	once(t, "fsck", "--config", configuration, "--data.dir", filepath.Join(directory, "none")).refused(exitFailed, "there is no store in")
	once(t, "fsck", "--config", configuration, "--data.dir", filepath.Join(directory, "none"), "--rebuild").refused(exitFailed, "there is no store in")
}

func TestFsckRebuilds(t *testing.T) {
	directory, configuration := founded(t)
	data := filepath.Join(directory, "data")
	flip(t, data, book.OfficerKey("admin-a"))
	c := once(t, "fsck", "--config", configuration, "--json")
	if c.code != exitFailed || !strings.Contains(c.stdout.String(), `"field": "officer admin-a"`) ||
		!strings.Contains(c.stdout.String(), `"rebuilt": true`) {
		t.Errorf("it ends with %d and says\n%s%s", c.code, c.stdout.String(), c.stderr.String())
	}
	said := once(t, "fsck", "--config", configuration, "--rebuild").must().stdout.String()
	if !strings.Contains(said, "rebuilt: 1 derived rows written, 0 deleted\nsound: ") {
		t.Errorf("it says\n%s", said)
	}

	// What a rebuild leaves that was interrupted.
	put(t, data, book.MetaKey("rebuild"), book.Uint(4))
	put(t, data, book.OfficerKey("admin-a"), nil)
	once(t, "serve", "--config", configuration).refused(exitFailed, "a rebuild was interrupted", "creditbankd fsck --rebuild")
	said = once(t, "fsck", "--config", configuration, "--rebuild").must().stdout.String()
	if !strings.Contains(said, "rebuild: it was interrupted: run it again\nrebuilt: 1 derived rows written, 0 deleted\nsound: ") {
		t.Errorf("it says\n%s", said)
	}
	served(t, configuration, func(_ addresses, admin creditbankv1.AdminServiceClient) { appoint(t, admin, 0, 1) })
}

// put changes a row of a store; nil deletes it.
func put(t *testing.T, dir string, key, value []byte) {
	t.Helper()
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var batch store.Batch
	if value == nil {
		batch.Delete(key)
	} else {
		batch.Set(key, value)
	}
	if err := errors.Join(engine.Commit(t.Context(), &batch, engine.Head()), engine.Close()); err != nil {
		t.Fatal(err)
	}
}

// The scratch is empty each time, and what lies beside it stays as it was.
func TestScratch(t *testing.T) {
	cfg := defaults()
	cfg.data.dir = filepath.Join(t.TempDir(), "data") + "/"
	s := scratchOf(cfg, "")
	if want := filepath.Clean(cfg.data.dir) + ".fsck"; s.dir != want {
		t.Errorf("it is %s, want %s", s.dir, want)
	}
	for range 2 {
		engine, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		var batch store.Batch
		batch.Set([]byte{1}, []byte("one"))
		if err := errors.Join(engine.Commit(t.Context(), &batch, 0), engine.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if err := s.remove(); err != nil {
		t.Error(err)
	}
	other := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = scratchOf(cfg, filepath.Dir(other))
	engine, err := s.open()
	if err := errors.Join(err, engine.Close(), s.remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// Where no terminal shows how far a check is, a line says it now and then.
func TestCheckProgressWithoutTerminal(t *testing.T) {
	now := time.Date(2026, time.June, 15, 0, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	bar := (&process{stderr: &out, now: func() time.Time { return now }}).newCheckProgress("checking")
	for _, step := range []struct {
		after time.Duration
		ledger.Progress
	}{
		{0, ledger.Progress{Stage: "entries", Done: 0, Total: 1000}},
		{10 * time.Second, ledger.Progress{Stage: "entries", Done: 100, Total: 1000}},
		{20 * time.Second, ledger.Progress{Stage: "entries", Done: 250, Total: 1000}},
		{20 * time.Second, ledger.Progress{Stage: "entries", Done: 400, Total: 1000}},
		{20 * time.Second, ledger.Progress{Stage: "tables", Done: 1, Total: 50}},
		{40 * time.Second, ledger.Progress{Stage: "tables", Done: 40, Total: 50}},
	} {
		now = now.Add(step.after)
		bar.at(step.Progress)
	}
	bar.finish()
	const want = "checking entries: 250 of 1000, about 1m30s left\nchecking tables: 40 of 50, about 10s left\n"
	if out.String() != want {
		t.Errorf("it says\n%swant\n%s", out.String(), want)
	}
}
