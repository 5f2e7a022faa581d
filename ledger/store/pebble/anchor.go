package pebble

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrAnchorCorrupt says that an anchor file exists and neither of its slots is whole. No loss of power does that.
var ErrAnchorCorrupt = errors.New("pebble: anchor file is corrupt")

// MaxAnchorBytes is the most that an [AnchorFile] holds.
const MaxAnchorBytes = slotBytes - slotHeaderBytes

// Layout of an anchor file: two slots of 16,384 bytes, and nothing else. Integers are big-endian. Offsets in a slot:
//
//	 0   8  magic: "CBANCHOR"
//	 8   8  sequence number: 1 for the first save, then one more each time; slot 0 holds the even ones, slot 1 the odd ones
//	16   4  length of the data
//	20  32  SHA-256 of bytes 0 to 19 and the data
//	52   …  the data; what follows it in the slot means nothing
//
// A slot whose magic, parity, length or hash is wrong is void. The anchor is the data of the valid slot with the greater
// sequence number.
//
// Save number n writes slot n mod 2 and syncs the file's data. The slot that holds save n-1 is not touched: whatever
// part of the write reaches the disk, at least one whole slot is left, and it holds save n-1 or save n. The slots are as
// large as the largest unit that drives are known to rewrite at once, so that a torn write can't reach into the
// neighbour. Because the file never changes its size, a sync writes one block and no metadata: it costs one fsync
// where writing a new file and renaming it costs two and a new inode.
//
// A file is born with a whole first save in it, under another name, and is renamed once it is durable: an
// anchor file in which nothing is valid was damaged, not interrupted.
const (
	slotBytes       = 16 << 10
	slotHeaderBytes = 8 + 8 + 4 + sha256.Size
	anchorMagic     = "CBANCHOR"
)

// AnchorFile keeps one small value, the last signed checkpoint, on another place than the store, durably and
// atomically: after a crash it holds the last value that was saved, or the one whose saving was interrupted. It is
// safe for concurrent use. Who saves has claimed it, unless it is sure that nobody else saves there.
type AnchorFile struct {
	disk vfs.FS
	path string

	mu       sync.Mutex
	file     vfs.File // nil until the first Save
	sequence uint64   // of the slot that holds the anchor, once file is open
	failed   error    // of the Save that left it unknown what the file holds
	claim    io.Closer
}

// NewAnchorFile names an anchor file; nothing is opened yet. A nil disk is the operating system's.
func NewAnchorFile(disk vfs.FS, path string) *AnchorFile {
	if disk == nil {
		disk = vfs.Default
	}
	return &AnchorFile{disk: disk, path: path}
}

// Claim makes sure, until Close, that no other process and no other AnchorFile claims the anchor, by a lock on a file beside it that
// holds nothing. Two logs that went on from one anchor would be two histories under one key, which each finds sound. It answers
// [ErrLocked] when somebody has claimed it.
func (a *AnchorFile) Claim() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claim != nil {
		return nil
	}
	path := a.path
	if a.disk == vfs.Default { // one name per file: the lock goes by names within a process
		var err error
		if path, err = filepath.Abs(path); err != nil {
			return fmt.Errorf("pebble: claim anchor: %v", err)
		}
	}
	if err := makeDirectory(a.disk, a.disk.PathDir(path)); err != nil {
		return fmt.Errorf("pebble: claim anchor: %w", err)
	}
	claim, err := a.disk.Lock(path + ".lock")
	switch {
	case err == nil:
		a.claim = claim
		return nil
	case held(err):
		return fmt.Errorf("%w: anchor %s: stop the process that goes on from it", ErrLocked, a.path)
	default:
		return fmt.Errorf("pebble: claim anchor: %w", err)
	}
}

// Load reads the anchor. It answers nil and no error when there is no such file, and [ErrAnchorCorrupt] when there is
// one without an anchor in it.
func (a *AnchorFile) Load() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != nil {
		return nil, a.failed
	}
	newest, err := a.read()
	if err != nil || newest == nil {
		return nil, err
	}
	return newest.data, nil
}

// Save replaces the anchor with at most [MaxAnchorBytes] and returns when it would survive a loss of power. After an
// error it is unknown which of the two values the file holds; every later call answers that error, because a disk
// that failed to sync may say at the next attempt that all is well. A new AnchorFile recovers.
func (a *AnchorFile) Save(data []byte) error {
	if len(data) > MaxAnchorBytes {
		return fmt.Errorf("pebble: anchor of %d bytes, more than %d", len(data), MaxAnchorBytes)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != nil {
		return a.failed
	}
	if err := a.save(data); err != nil {
		a.failed = fmt.Errorf("pebble: save anchor %s: %w", a.path, err)
		return a.failed
	}
	return nil
}

// Close releases the file, and gives up the claim. What was saved stays, and a later Save opens it again.
func (a *AnchorFile) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	if a.file != nil {
		errs = append(errs, a.file.Close())
		a.file = nil
	}
	if a.claim != nil {
		errs = append(errs, a.claim.Close())
		a.claim = nil
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("pebble: close anchor %s: %v", a.path, err)
	}
	return nil
}

func (a *AnchorFile) save(data []byte) error {
	if a.file == nil {
		newest, err := a.read()
		if err != nil {
			return err
		}
		if newest == nil {
			return a.create(data)
		}
		if err := a.open(newest); err != nil {
			return err
		}
	}
	if err := a.write(slot{sequence: a.sequence + 1, data: data}); err != nil {
		return err
	}
	a.sequence++
	return nil
}

// open prepares an existing file for saving. The anchor that was read may be only in the system's memory, if the sync
// that should have made it durable failed; it is written once more, byte for byte, before its neighbour is given up.
func (a *AnchorFile) open(newest *slot) error {
	file, err := a.disk.OpenReadWrite(a.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	a.file, a.sequence = file, newest.sequence
	return a.write(*newest)
}

func (a *AnchorFile) write(s slot) error {
	if _, err := a.file.WriteAt(s.encode(), s.offset()); err != nil {
		return err
	}
	return a.file.SyncData()
}

// create makes the file under another name, and leaves it closed: the next Save opens it.
func (a *AnchorFile) create(data []byte) (err error) {
	dir := a.disk.PathDir(a.path)
	if err := makeDirectory(a.disk, dir); err != nil {
		return err
	}
	first, unfinished := slot{sequence: 1, data: data}, a.path+".new"
	content := make([]byte, 2*slotBytes)
	copy(content[first.offset():], first.encode())
	file, err := a.disk.Create(unfinished, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := a.disk.Rename(unfinished, a.path); err != nil {
		return err
	}
	return syncDirectory(a.disk, dir)
}

// read finds the newest valid slot; nil when there is no file.
func (a *AnchorFile) read() (*slot, error) {
	file, err := a.disk.Open(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("pebble: load anchor: %w", err)
	}
	defer func() { _ = file.Close() }()
	content := make([]byte, 2*slotBytes) // a file cut short reads as zeros
	if _, err := file.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("pebble: load anchor: %w", err)
	}
	var newest *slot
	for parity := range uint64(2) {
		s, valid := decodeSlot(content[parity*slotBytes:][:slotBytes])
		if valid && s.sequence%2 == parity && (newest == nil || s.sequence > newest.sequence) {
			newest = &s
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("%w: %s", ErrAnchorCorrupt, a.path)
	}
	return newest, nil
}

// slot is one half of the file.
type slot struct {
	sequence uint64
	data     []byte
}

func (s slot) offset() int64 { return int64(s.sequence%2) * slotBytes }

func (s slot) encode() []byte {
	b := make([]byte, 0, slotHeaderBytes+len(s.data))
	b = append(b, anchorMagic...)
	b = binary.BigEndian.AppendUint64(b, s.sequence)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.data)))
	hash := slotHash(b, s.data)
	return append(append(b, hash[:]...), s.data...)
}

func decodeSlot(b []byte) (slot, bool) {
	head, hash, data := b[:20], b[20:slotHeaderBytes], b[slotHeaderBytes:]
	length := binary.BigEndian.Uint32(head[16:])
	if string(head[:8]) != anchorMagic || int64(length) > int64(len(data)) {
		return slot{}, false
	}
	data = data[:length]
	if want := slotHash(head, data); !bytes.Equal(hash, want[:]) {
		return slot{}, false
	}
	return slot{sequence: binary.BigEndian.Uint64(head[8:]), data: bytes.Clone(data)}, true
}

func slotHash(head, data []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(head)
	h.Write(data)
	h.Sum(sum[:0])
	return sum
}
