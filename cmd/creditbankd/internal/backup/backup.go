// Package backup keeps copies of a store's files: complete ones, at a time each, of which every file lies there once,
// however many copies have it.
//
// It knows files only: neither what is in a store, nor how a copy of a living one is made, nor where a restored one
// belongs. Its one invariant: what it answers as a backup is whole. A backup counts when its COMPLETE is there, which is
// written and synced after everything else was synced, read again and found to be what was to be written; and nothing that a
// backup needs is ever removed or written over.
//
// A directory of backups is of one store of one bank. In it:
//
//	files/<sha256>                     content, named by its hash in hex
//	<time>/manifest.json               the store's files: name, size and hash of each
//	<time>/COMPLETE                    what the backup is of (Facts), and the hash of the manifest
//
// with times such as 20260102T030405.678Z, in UTC. What has no COMPLETE was interrupted; the next backup removes it. To
// give a backup up, remove its <time> directory: the next backup removes what only that one needed.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Errors that callers branch on.
var (
	// ErrNone says that there is no complete backup where one was looked for.
	ErrNone = errors.New("backup: there is no complete backup")
	// ErrDamaged says that a backup is not what was written.
	ErrDamaged = errors.New("backup: damaged")
	// ErrForeign says that the backups in a directory are of another store, or of another bank.
	ErrForeign = errors.New("backup: the directory holds backups of something else")
	// ErrVersion says that a newer program wrote the backup.
	ErrVersion = errors.New("backup: written by a newer version")
)

const (
	version      = 1
	filesName    = "files"
	manifestName = "manifest.json"
	completeName = "COMPLETE"
	// newSuffix ends the name of a file that is not there yet.
	newSuffix  = ".new"
	timeLayout = "20060102T150405.000Z"
	// maxListBytes is the size of the largest list of files: a million of them.
	maxListBytes = 256 << 20
)

// Facts are what a backup is of.
type Facts struct {
	// Store is what the store is to the bank, and BankID the bank.
	Store  string `json:"store"`
	BankID string `json:"bank_id"`
	// Of a ledger: name, format, size and root (in base64) of the log that the store holds, and a signed checkpoint that it covers.
	Origin     string `json:"origin,omitempty"`
	Format     uint64 `json:"format,omitempty"`
	Size       uint64 `json:"size,omitempty"`
	Root       string `json:"root,omitempty"`
	Checkpoint string `json:"checkpoint,omitempty"`
}

// Backup is a backup that is complete.
type Backup struct {
	Facts
	// Path is its directory.
	Path string
	// Taken is when it was begun.
	Taken time.Time
	// Files and Bytes are how much it is; NewFiles and NewBytes, of one that was just made, how much was not there before.
	Files, NewFiles int
	Bytes, NewBytes int64

	list []file
}

// file is a file of a store.
type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// manifest is what manifest.json holds.
type manifest struct {
	Files []file `json:"files"`
}

// complete is what COMPLETE holds.
type complete struct {
	Version int       `json:"version"`
	Taken   time.Time `json:"taken"`
	Facts
	ManifestSHA256 string `json:"manifest_sha256"`
}

// Find answers the backup at path, or the newest complete one in the directory of backups at path. It is not verified.
func Find(path string) (*Backup, error) {
	path, err := RealPath(path) // the content of a backup lies beside it, by its own name
	if err != nil {
		return nil, err
	}
	b, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	times, err := times(path)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Backward(times) {
		b, err := read(filepath.Join(path, name))
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, fmt.Errorf("%w in %s", ErrNone, path)
}

// RealPath is the absolute path of what may not be there, without symbolic links.
func RealPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("backup: %v", err)
	}
	resolved, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", fmt.Errorf("backup: %v", err)
	}
	return resolved, nil
}

// Newest answers when the newest complete backup in a directory of backups was begun. It reads nothing of it.
func Newest(dir string) (time.Time, error) {
	names, err := times(dir)
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range slices.Backward(names) {
		_, err := os.Stat(filepath.Join(dir, name, completeName))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("backup: %v", err)
		}
		return time.Parse(timeLayout, name)
	}
	return time.Time{}, fmt.Errorf("%w in %s", ErrNone, dir)
}

// times are the names of a directory's backups, complete or not, the oldest first. A directory that isn't there has none.
func times(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	for _, entry := range entries {
		if _, err := time.Parse(timeLayout, entry.Name()); err == nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// read reads what a complete backup says of itself. It wraps fs.ErrNotExist where there is no COMPLETE.
func read(path string) (*Backup, error) {
	text, err := readList(filepath.Join(path, completeName))
	if err != nil {
		return nil, err
	}
	var c complete
	if err := json.Unmarshal(text, &c); err != nil || c.Version < 1 {
		return nil, fmt.Errorf("%w: %s cannot be read", ErrDamaged, filepath.Join(path, completeName))
	}
	if c.Version > version {
		return nil, fmt.Errorf("%w: %s has version %d, this program knows %d", ErrVersion, path, c.Version, version)
	}
	text, err = readList(filepath.Join(path, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no %s", ErrDamaged, path, manifestName)
	}
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil || hashOf(text) != c.ManifestSHA256 {
		return nil, fmt.Errorf("%w: %s is not what was written", ErrDamaged, filepath.Join(path, manifestName))
	}
	b := &Backup{Facts: c.Facts, Path: path, Taken: c.Taken, Files: len(m.Files), list: m.Files}
	for _, f := range m.Files {
		if hash, err := hex.DecodeString(f.SHA256); err != nil || len(hash) != sha256.Size || !isName(f.Name) {
			return nil, fmt.Errorf("%w: %s names no file of a store: %q", ErrDamaged, filepath.Join(path, manifestName), f.Name)
		}
		b.Bytes += f.Size
	}
	return b, nil
}

// isName says whether a name is that of a file in a directory.
func isName(name string) bool {
	return name == filepath.Base(name) && filepath.IsLocal(name) && name != "."
}

func readList(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxListBytes))
	if err != nil {
		return nil, fmt.Errorf("backup: %v", err)
	}
	return text, nil
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Verify reads all files of the backup again. It answers ErrDamaged when one is not what was written.
func (b *Backup) Verify(ctx context.Context) error {
	for _, f := range b.list {
		if err := check(ctx, b.content(f), f); err != nil {
			return err
		}
	}
	return nil
}

// content is where the content of a file lies.
func (b *Backup) content(f file) string {
	return filepath.Join(filepath.Dir(b.Path), filesName, f.SHA256)
}

// check answers ErrDamaged unless a file has the content that it should.
func check(ctx context.Context, path string, want file) error {
	size, hash, err := copyHashed(ctx, io.Discard, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is missing (%s)", ErrDamaged, path, want.Name)
	case err != nil:
		return err
	case size != want.Size || hash != want.SHA256:
		return fmt.Errorf("%w: %s is not what was written (%s)", ErrDamaged, path, want.Name)
	}
	return nil
}

// Restore writes the store into a directory that is not there yet, durably, for its owner's eyes only. Every file is
// checked on the way.
func (b *Backup) Restore(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	for _, f := range b.list {
		size, hash, err := copyFile(ctx, filepath.Join(dir, f.Name), b.content(f), 0o600)
		if err != nil {
			return err
		}
		if size != f.Size || hash != f.SHA256 {
			return fmt.Errorf("%w: %s is not what was written (%s)", ErrDamaged, b.content(f), f.Name)
		}
	}
	return SyncDirectory(dir)
}

// copyFile writes a new file durably, and answers size and hash of what was copied. Its directory is the caller's to sync.
func copyFile(ctx context.Context, to, from string, mode fs.FileMode) (size int64, hash string, err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return 0, "", fmt.Errorf("backup: %v", err)
	}
	size, hash, err = copyHashed(ctx, f, from)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, "", fmt.Errorf("backup: write %s: %w", to, err)
	}
	return size, hash, nil
}

// copyHashed copies a file, and answers its size and its hash.
func copyHashed(ctx context.Context, to io.Writer, from string) (int64, string, error) {
	f, err := os.Open(from)
	if err != nil {
		return 0, "", fmt.Errorf("backup: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, h), reader{ctx, f})
	if err != nil {
		return 0, "", fmt.Errorf("backup: copy %s: %w", from, err)
	}
	return size, hex.EncodeToString(h.Sum(nil)), nil
}

// reader reads until ctx ends.
type reader struct {
	ctx context.Context //nolint:containedctx // the life of one copy
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// writeFile writes a small file whole or not at all, and durably.
func writeFile(path string, content []byte) error {
	unfinished := path + newSuffix
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %v", err)
	}
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	return SyncDirectory(filepath.Dir(path))
}

// SyncDirectory makes durable which files are in a directory.
func SyncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("backup: %v", err)
	}
	return nil
}
