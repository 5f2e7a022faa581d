package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

// Config is how backups are written.
type Config struct {
	// Dir is the directory of backups; it is made if need be.
	Dir string
	// Keep is how long a backup is kept, unless it is the newest; 0: for ever.
	Keep time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Write makes a backup of the files in a directory, which must not change meanwhile, and answers it when it is complete
// and verified. Files whose content is there already are read and compared, not written. It begins by removing what is older
// than it may be, what was interrupted, and what no backup needs; where it can't tell, since a backup is damaged, it makes the
// new one all the same, and answers it with the error. One Write runs in a directory at a time. It answers ErrForeign where
// the backups in the directory are of something else; after any error the others that were complete still are.
func Write(ctx context.Context, cfg Config, source string, facts Facts) (*Backup, error) {
	taken := cfg.Now().UTC()
	if err := pebble.MakeDirectory(filepath.Join(cfg.Dir, filesName)); err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	doubt := clean(cfg, taken, facts)
	if errors.Is(doubt, ErrForeign) {
		return nil, doubt
	}
	b := &Backup{Facts: facts, Path: filepath.Join(cfg.Dir, taken.Format(timeLayout)), Taken: taken}
	if err := os.Mkdir(b.Path, 0o700); err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	if err := b.copyFrom(ctx, source); err != nil {
		return nil, err
	}
	list, err := json.MarshalIndent(manifest{b.list}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	if err := errors.Join(writeFile(filepath.Join(b.Path, manifestName), list), SyncDirectory(cfg.Dir)); err != nil {
		return nil, err
	}
	last, err := json.MarshalIndent(complete{Version: version, Taken: taken, Facts: facts, ManifestSHA256: hashOf(list)}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(b.Path, completeName), append(last, '\n')); err != nil {
		return nil, err
	}
	if doubt != nil {
		return b, fmt.Errorf("the new backup is complete, but nothing that is no longer needed was removed: %w", doubt)
	}
	return b, b.isNewest()
}

// isNewest finds a backup that seems to have been begun later, since one of the two was begun by a wrong clock: it would be
// taken for the newest, restored and kept.
func (b *Backup) isNewest() error {
	newest, err := Newest(filepath.Dir(b.Path))
	if err != nil || !newest.After(b.Taken) {
		return err
	}
	return fmt.Errorf("the new backup is complete, but %s is dated later than now, and would be restored instead: set the clock right, and "+
		"remove that directory if it was begun by a wrong one", filepath.Join(filepath.Dir(b.Path), newest.Format(timeLayout)))
}

// copyFrom brings the files of a directory into the backup, and verifies each.
func (b *Backup) copyFrom(ctx context.Context, source string) error {
	entries, err := os.ReadDir(source)
	if err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("backup: %s is no file, and a store has nothing else", filepath.Join(source, entry.Name()))
		}
		if err := b.add(ctx, source, entry.Name()); err != nil {
			return err
		}
	}
	return SyncDirectory(filepath.Join(filepath.Dir(b.Path), filesName))
}

// lockName is the file by which a process claims a store; it holds nothing.
const lockName = "LOCK"

func (b *Backup) add(ctx context.Context, source, name string) error {
	from := filepath.Join(source, name)
	size, hash, err := copyHashed(ctx, io.Discard, from)
	if err != nil {
		return err
	}
	f := file{Name: name, Size: size, SHA256: hash}
	content := b.content(f)
	switch err := check(ctx, content, f); {
	case err == nil:
	case errors.Is(err, ErrDamaged): // or not there
		if err := write(ctx, content, from, f); err != nil {
			return err
		}
		b.NewFiles, b.NewBytes = b.NewFiles+1, b.NewBytes+size
	default:
		return err
	}
	b.list = append(b.list, f)
	b.Files, b.Bytes = b.Files+1, b.Bytes+size
	return nil
}

// write writes content under its name, durable but for its directory, and reads it again.
func write(ctx context.Context, content, from string, want file) error {
	unfinished := content + newSuffix
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %v", err)
	}
	if _, _, err := copyFile(ctx, unfinished, from, 0o400); err != nil {
		return err
	}
	if err := check(ctx, unfinished, want); err != nil {
		return err
	}
	if err := os.Rename(unfinished, content); err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	return nil
}

// clean removes backups that were interrupted or are too old, and content that is in no backup. It answers ErrForeign, and
// has removed nothing, when there is a backup of something else.
func clean(cfg Config, now time.Time, facts Facts) error {
	names, err := times(cfg.Dir)
	if err != nil {
		return err
	}
	var (
		doubt  error
		remove []string
		newest = true
		needed = make(map[string]bool)
	)
	for _, name := range slices.Backward(names) {
		path := filepath.Join(cfg.Dir, name)
		b, err := read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			remove = append(remove, path)
			continue
		case err != nil:
			doubt = errors.Join(doubt, err)
			continue
		case b.Store != facts.Store || b.BankID != facts.BankID:
			return fmt.Errorf("%w: %s is of the %s of %s", ErrForeign, path, b.Store, b.BankID)
		case cfg.Keep > 0 && now.Sub(b.Taken) > cfg.Keep && !newest:
			remove = append(remove, path)
			continue
		}
		newest = false
		for _, f := range b.list {
			needed[f.SHA256] = true
		}
	}
	for _, path := range remove {
		if err := removeBackup(path); err != nil {
			return err
		}
	}
	if doubt != nil {
		return doubt
	}
	return removeContent(filepath.Join(cfg.Dir, filesName), needed)
}

// removeBackup takes COMPLETE away first: what is half removed must not look whole.
func removeBackup(path string) error {
	if err := os.Remove(filepath.Join(path, completeName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %v", err)
	}
	if err := SyncDirectory(path); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	return nil
}

// removeContent removes content that is not needed, and what is left of content that was being written.
func removeContent(dir string, needed map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	for _, entry := range entries {
		if needed[entry.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("backup: %v", err)
		}
	}
	return nil
}
