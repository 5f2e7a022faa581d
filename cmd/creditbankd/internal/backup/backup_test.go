package backup_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/backup"
)

// shelf is a directory of backups, and a clock that each backup moves on by a day.
type shelf struct {
	t    *testing.T
	dir  string
	now  time.Time
	keep time.Duration
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	return &shelf{t: t, dir: filepath.Join(t.TempDir(), "backups"), now: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}
}

func facts() backup.Facts {
	return backup.Facts{Store: "ledger", BankID: "bank.test", Size: 5, Root: "root"}
}

func (s *shelf) write(ctx context.Context, source string, of backup.Facts) (*backup.Backup, error) {
	s.now = s.now.AddDate(0, 0, 1)
	return backup.Write(ctx, backup.Config{Dir: s.dir, Keep: s.keep, Now: func() time.Time { return s.now }}, source, of)
}

func (s *shelf) mustWrite(source string) *backup.Backup {
	s.t.Helper()
	b, err := s.write(s.t.Context(), source, facts())
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// storeOf makes a store of files, given as name and content in turn.
func storeOf(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		overwrite(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return dir
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// list answers name=content of the files in a directory.
func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, entry.Name()+"="+string(content))
	}
	return strings.Join(files, " ")
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// The same content is written once, each backup is of its time, and the newest is found.
func TestBackupsShareWhatTheyHaveInCommon(t *testing.T) {
	s := newShelf(t)
	first := s.mustWrite(storeOf(t, "LOCK", "", "a", "same", "b", "old"))
	if first.Files != 2 || first.NewFiles != 2 || first.Bytes != 7 || first.NewBytes != 7 {
		t.Errorf("the first is %+v", first)
	}
	second := s.mustWrite(storeOf(t, "a", "same", "b", "new", "c", "same"))
	if second.Files != 3 || second.NewFiles != 1 || second.Bytes != 11 || second.NewBytes != 3 {
		t.Errorf("the second is %+v", second)
	}
	if n := count(t, filepath.Join(s.dir, "files")); n != 3 {
		t.Errorf("there are %d contents", n)
	}
	for path, want := range map[string]string{first.Path: "a=same b=old", second.Path: "a=same b=new c=same", s.dir: "a=same b=new c=same"} {
		b, err := backup.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		to := filepath.Join(t.TempDir(), "restored")
		if err := b.Restore(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		if got := list(t, to); got != want || b.Facts != facts() {
			t.Errorf("%s restores %s of %+v, want %s", path, got, b.Facts, want)
		}
		if err := b.Restore(t.Context(), to); err == nil {
			t.Error("it restores into what is there")
		}
	}
}

// ending is a context that ends after its Err was asked n times: a copy that is interrupted somewhere.
type ending struct {
	context.Context //nolint:containedctx // it is one
	n               int
}

func (e *ending) Err() error {
	if e.n--; e.n < 0 {
		return context.Canceled
	}
	return nil
}

// A backup that is interrupted, wherever, is none: the one before it is found, and the next one removes what is left.
func TestInterrupted(t *testing.T) {
	source := storeOf(t, "a", "1", "b", "2", "c", "3")
	for n := 0; ; n++ {
		s := newShelf(t)
		first := s.mustWrite(storeOf(t, "a", "1"))
		_, err := s.write(&ending{t.Context(), n}, source, facts())
		if err == nil {
			if n < 10 {
				t.Fatalf("it was not interrupted after %d steps", n)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		found, err := backup.Find(s.dir)
		if err != nil || found.Path != first.Path {
			t.Fatalf("after %d steps: found %+v, %v", n, found, err)
		}
		last := s.mustWrite(source)
		if err := last.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if times, contents := count(t, s.dir), count(t, filepath.Join(s.dir, "files")); times != 3 || contents != 3 {
			t.Errorf("after %d steps: %d names and %d contents are left", n, times, contents)
		}
	}
}

// What is too old goes, with the content that only it had, but the newest stays however old it is.
func TestKeep(t *testing.T) {
	s := newShelf(t)
	s.keep = 36 * time.Hour
	first := s.mustWrite(storeOf(t, "a", "1"))
	second := s.mustWrite(storeOf(t, "a", "2"))
	s.mustWrite(storeOf(t, "a", "3"))
	if _, err := os.Stat(first.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the first is there: %v", err)
	}
	if err := second.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	s.now = s.now.AddDate(1, 0, 0)
	s.mustWrite(storeOf(t, "a", "4"))
	if times, contents := count(t, s.dir), count(t, filepath.Join(s.dir, "files")); times != 3 || contents != 2 {
		t.Errorf("%d names and %d contents are left, want the newest two", times, contents)
	}
}

func TestDamaged(t *testing.T) {
	content := func(b *backup.Backup) string {
		paths, err := filepath.Glob(filepath.Join(b.Path, "../files/*"))
		if err != nil || len(paths) != 1 {
			panic(paths)
		}
		return paths[0]
	}
	for name, damage := range map[string]func(t *testing.T, b *backup.Backup){
		"content changed": func(t *testing.T, b *backup.Backup) { t.Helper(); overwrite(t, content(b), "x") },
		"content cut":     func(t *testing.T, b *backup.Backup) { t.Helper(); overwrite(t, content(b), "") },
		"content gone":    func(t *testing.T, b *backup.Backup) { t.Helper(); _ = os.Remove(content(b)) },
		"manifest changed": func(t *testing.T, b *backup.Backup) {
			t.Helper()
			overwrite(t, filepath.Join(b.Path, "manifest.json"), "{}")
		},
		"manifest gone": func(t *testing.T, b *backup.Backup) {
			t.Helper()
			_ = os.Remove(filepath.Join(b.Path, "manifest.json"))
		},
		"no JSON": func(t *testing.T, b *backup.Backup) { t.Helper(); overwrite(t, filepath.Join(b.Path, "COMPLETE"), "{") },
		"no version": func(t *testing.T, b *backup.Backup) {
			t.Helper()
			overwrite(t, filepath.Join(b.Path, "COMPLETE"), "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			damage(t, s.mustWrite(storeOf(t, "a", "1")))
			b, err := backup.Find(s.dir)
			if err == nil {
				if failure := b.Restore(t.Context(), filepath.Join(t.TempDir(), "restored")); !errors.Is(failure, backup.ErrDamaged) && !errors.Is(failure, os.ErrNotExist) {
					t.Errorf("Restore = %v", failure)
				}
				err = b.Verify(t.Context())
			}
			if !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("%v, want ErrDamaged", err)
			}
			// The next backup is whole; it mends content that it needs, and removes nothing while a backup can't be read.
			next, err := s.write(t.Context(), storeOf(t, "a", "1", "b", "2"), facts())
			if strings.HasPrefix(name, "content") != (err == nil) || err != nil && !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("Write = %v", err)
			}
			if err := next.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNotABackup(t *testing.T) {
	s := newShelf(t)
	if _, err := backup.Find(s.dir); !errors.Is(err, backup.ErrNone) {
		t.Errorf("Find where nothing is = %v", err)
	}
	first := s.mustWrite(storeOf(t, "a", "1"))
	for _, other := range []backup.Facts{{Store: "vault", BankID: facts().BankID}, {Store: facts().Store, BankID: "other"}} {
		if _, err := s.write(t.Context(), storeOf(t, "a", "2"), other); !errors.Is(err, backup.ErrForeign) {
			t.Errorf("Write of %+v = %v", other, err)
		}
	}
	if n := count(t, s.dir); n != 2 {
		t.Errorf("%d names are there after refusals", n)
	}
	odd := storeOf(t, "a", "1")
	if err := os.Mkdir(filepath.Join(odd, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write(t.Context(), odd, facts()); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("Write of a directory = %v", err)
	}
	newer := strings.Replace(list(t, first.Path), "\"version\": 1", "\"version\": 2", 1)
	newer, _, _ = strings.Cut(strings.TrimPrefix(newer, "COMPLETE="), " manifest.json=")
	overwrite(t, filepath.Join(first.Path, "COMPLETE"), newer)
	if _, err := backup.Find(first.Path); !errors.Is(err, backup.ErrVersion) {
		t.Errorf("Find of a newer version = %v", err)
	}
}

// A manifest can't lead out of the directory that is restored.
func TestNamesThatLeadElsewhere(t *testing.T) {
	for _, name := range []string{"../a", "/a", ".", "..", "", "x/a"} {
		s := newShelf(t)
		b := s.mustWrite(storeOf(t, "a", "1"))
		path := filepath.Join(b.Path, "manifest.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), `"name": "a"`, `"name": "`+name+`"`, 1)
		overwrite(t, path, changed)
		completePath := filepath.Join(b.Path, "COMPLETE")
		complete, err := os.ReadFile(completePath)
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, completePath, strings.Replace(string(complete), hashOf(text), hashOf([]byte(changed)), 1))
		if _, err := backup.Find(b.Path); !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "names no file") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The content of a backup lies beside it, by whatever name the backup is given.
func TestFindByOtherNames(t *testing.T) {
	s := newShelf(t)
	b := s.mustWrite(storeOf(t, "000001.sst", "one"))
	latest := filepath.Join(t.TempDir(), "latest")
	if err := os.Symlink(b.Path, latest); err != nil {
		t.Fatal(err)
	}
	t.Chdir(b.Path)
	for _, path := range []string{s.dir, s.dir + "/", b.Path, b.Path + "/", ".", latest, latest + "/"} {
		found, err := backup.Find(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := found.Verify(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A backup that was begun by a clock that was ahead stays the newest by name: whoever makes the next one is told.
func TestBackupFromTheFuture(t *testing.T) {
	s := newShelf(t)
	source := storeOf(t, "000001.sst", "one")
	now := s.now
	s.now = now.AddDate(4, 0, 0)
	ahead := s.mustWrite(source)
	s.now = now
	b, err := s.write(t.Context(), source, facts())
	if err == nil || !strings.Contains(err.Error(), ahead.Path) || b == nil || b.Verify(t.Context()) != nil {
		t.Fatalf("Write = %v, %v", b, err)
	}
	if err := os.RemoveAll(ahead.Path); err != nil {
		t.Fatal(err)
	}
	newest := s.mustWrite(source)
	if found, err := backup.Find(s.dir); err != nil || found.Path != newest.Path {
		t.Errorf("Find = %v, %v", found, err)
	}
}
