package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Fsck checks a store from its entries up, and reads each of them once:
//
//	leaves       their bytes, hashes, authors and seals, in parallel           fsck_leaves.go
//	state        what they add up to, in their order                           fsck_replay.go, replay.go
//	tree         tiles, root and the signed checkpoint                         fsck_tree.go
//	tables       the derived rows against what the entries add up to           fsck_tables.go
//
// It only reads; Rebuild (rebuild.go) writes.

// MaxFaults is how many faults a report holds; a store that has more is beyond counting.
const MaxFaults = 1000

// DefaultFsckMemory is how much memory the rows of the replay take at most, unless FsckConfig says otherwise and there is
// somewhere else to put them.
const DefaultFsckMemory = 1 << 30

// maxSubmission is how many statements one submission holds at most (FORMAT.md, "Submission").
const maxSubmission = 1000

// Signed is a submission as its organization signed it.
type Signed struct {
	BankID       string
	Organization string
	KeyID        []byte
	// Statements is the number of statements of a submission, and Root the root over them. Of an agreement there are none, and
	// Root is the SHA-256 of its bytes.
	Statements int
	Root       merkle.Hash
	Signature  []byte
	// At is when the submission was written down.
	At int64
}

// FsckConfig says what is checked.
type FsckConfig struct {
	// Engine keeps the rows.
	Engine store.Reader
	// Anchor keeps the newest checkpoint, which Verifier checks; nil: the anchor is not compared.
	Anchor   Anchor
	Verifier note.Verifier
	// BankID is what entry 0 should say, and Origin what it or the newest LogContinued should say; empty: whatever they say.
	BankID, Origin string
	// Author answers nil when the key, as registered by then, made the signature. Several goroutines call it at once, with one
	// and the same key as long as nothing is entered about it.
	Author func(s Signed, key *ledgerv1.KeyRow) error
	// Unseal opens a sealed payload of an account; ok is false where the key is gone, which is no fault. Nil: what is sealed
	// is not opened. Several goroutines call it at once.
	Unseal func(account unit.AccountID, fact string, statement, sealed []byte) (content []byte, ok bool, err error)
	// Progress hears now and again how far the check is; it may be nil. One goroutine calls it.
	Progress func(Progress)
	// Workers is how many goroutines read and verify; 0: as many as there are processors.
	Workers int
	// Memory is how many bytes of the memory the rows of the replay may take before they go to Scratch, which opens an empty
	// engine that the check closes: 0: DefaultFsckMemory. Where Scratch is nil they take what they need, some 300 bytes an entry.
	Memory  int64
	Scratch func() (store.Engine, error)
}

// Progress is how far a check is.
type Progress struct {
	// Stage is what is being checked: "entries" first, then "tables".
	Stage string
	// Done of Total entries are checked, or about so many of so many rows.
	Done, Total uint64
}

// Fault is one thing that is wrong.
type Fault struct {
	// Index is the entry it concerns, when HasIndex; otherwise it concerns the log, a tile or a row.
	Index    uint64
	HasIndex bool
	// Field is the part of the entry, or the row in words.
	Field string
	// Problem says what is wrong.
	Problem string

	heals healing
}

// healing says who can mend a fault.
type healing uint8

const (
	// byHand is what a backup has to be restored for, or a setting corrected.
	byHand healing = iota
	// byRows is what a rebuild mends by writing derived rows.
	byRows
	// byTree is what a rebuild mends by writing tiles and the tree's row, once the entries prove the signed checkpoint.
	byTree
)

// Rebuilt says whether Rebuild mends this fault, provided that nothing else is wrong that it can't mend.
func (f Fault) Rebuilt() bool { return f.heals != byHand }

// String says the fault in one line.
func (f Fault) String() string {
	if f.HasIndex {
		return fmt.Sprintf("entry %d: %s: %s", f.Index, f.Field, f.Problem)
	}
	return fmt.Sprintf("%s: %s", f.Field, f.Problem)
}

// FsckReport is what was found.
type FsckReport struct {
	// Size is the number of entries, Root the root of their tree.
	Size uint64
	Root merkle.Hash
	// Faults are in the order in which they were found; none: the store is sound. More than MaxFaults are not looked for.
	Faults []Fault
	// Unchecked says what could not be checked since something before it is wrong; empty where all was.
	Unchecked string
}

// Fsck checks a store. It answers an error only when it could not check; what is wrong with the store is in the report.
func Fsck(ctx context.Context, cfg FsckConfig) (FsckReport, error) {
	f := newFsck(cfg)
	err := f.run(ctx)
	if err == nil {
		err = f.checkTables(ctx)
	}
	if err == nil {
		err = f.checkOthers(ctx)
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return f.report, errors.Join(err, f.replay.close())
}

// errEnough ends a check that found MaxFaults, or that cannot go on.
var errEnough = errors.New("ledger: too many faults")

type fsck struct {
	FsckConfig
	report FsckReport
	// format is that of the store.
	format uint64
	// tree is the tree's own row; nil where it cannot be read. published is the signed checkpoint, of size 0 if there is none.
	tree      *ledgerv1.TreeRow
	published merkle.Checkpoint
	shapes    shapes

	leaves leaves
	order  order
	replay *replayed
}

func newFsck(cfg FsckConfig) *fsck {
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultFsckMemory
	}
	f := &fsck{
		FsckConfig: cfg, shapes: newShapes(), replay: newReplayed(cfg.Memory, cfg.Scratch),
	}
	f.leaves.wrong = make(map[merkle.Tile][]byte)
	f.order.state, f.order.keys = book.NewState(f.replay), make(map[string]*ledgerv1.KeyRow)
	return f
}

// whole notes a fault of the log, or of a row, as a whole.
func (f *fsck) whole(heals healing, field, format string, args ...any) error {
	return f.add(Fault{Field: field, Problem: fmt.Sprintf(format, args...), heals: heals})
}

func (f *fsck) add(faults ...Fault) error {
	for _, fault := range faults {
		f.report.Faults = append(f.report.Faults, fault)
		if len(f.report.Faults) >= MaxFaults {
			return errEnough
		}
	}
	return nil
}

// at is a fault of an entry.
func at(index uint64, field, format string, args ...any) Fault {
	return Fault{Index: index, HasIndex: true, Field: field, Problem: fmt.Sprintf(format, args...)}
}

func (f *fsck) progress(stage string, done, total uint64) {
	if f.Progress != nil {
		f.Progress(Progress{Stage: stage, Done: min(done, total), Total: total})
	}
}

// run checks everything up to the tree, and leaves the state that the entries add up to.
func (f *fsck) run(ctx context.Context) error {
	if err := f.checkMeta(ctx); err != nil {
		return err
	}
	if err := f.checkAnchor(); err != nil {
		return err
	}
	if err := f.measure(ctx); err != nil {
		return err
	}
	if err := f.checkEntries(ctx); err != nil {
		return err
	}
	if err := f.checkBeyond(ctx); err != nil {
		return err
	}
	return f.checkTree(ctx)
}

// checkMeta reads the rows that say what the store is.
func (f *fsck) checkMeta(ctx context.Context) error {
	values, err := f.Engine.Get(ctx, formatKey(), treeKey(), rebuildKey())
	if err != nil {
		return fmt.Errorf("ledger: read: %w", err)
	}
	if f.format, err = parseFormat(values[0]); err != nil {
		return errors.Join(f.whole(byHand, "format", "it is none of 1 to %d", Format), errEnough)
	}
	if values[2] != nil {
		if err := f.whole(byRows, "rebuild", "it was interrupted: run it again"); err != nil {
			return err
		}
	}
	tree := new(ledgerv1.TreeRow)
	if values[1] != nil && proto.Unmarshal(values[1], tree) == nil {
		f.tree = tree
	}
	for row, err := range f.Engine.Scan(ctx, store.Prefix([]byte{book.TableMeta})) {
		if err != nil {
			return errors.Join(f.whole(byHand, "meta rows", "they cannot be read: %v", err), errEnough)
		}
		if name, ok := book.RowName(row.Key); !ok {
			if err := f.whole(byHand, name, "nothing writes such a row"); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkAnchor learns what was published.
func (f *fsck) checkAnchor() error {
	if f.Anchor == nil {
		return nil
	}
	signed, err := f.Anchor.Load()
	if err != nil {
		return fmt.Errorf("ledger: anchor: %w", err)
	}
	if signed == nil {
		return f.whole(byHand, "anchor", "nothing is there")
	}
	checkpoint, err := merkle.OpenCheckpoint(signed, f.Origin, f.Verifier)
	if err != nil {
		return f.whole(byHand, "anchor", "%v", err)
	}
	f.published = checkpoint
	return nil
}

// measure learns how many entries there should be. The tree's row says it, unless it is wrong.
func (f *fsck) measure(ctx context.Context) error {
	last := uint64(0) // number of entries by the last of them
	for row, err := range f.Engine.Scan(ctx, store.Range{Start: book.EntryKey(0), End: []byte{book.TableEntries + 1}, Reverse: true}) {
		if err != nil { // the check itself will say which one cannot be read
			last = max(f.tree.GetSize(), f.published.Size)
			break
		}
		if index, ok := entryIndex(row.Key); ok {
			last = index + 1
			break
		}
	}
	f.leaves.last = last
	switch {
	case f.tree == nil && f.published.Size > 0:
		f.leaves.size = f.published.Size
		if last > f.leaves.size && last-f.leaves.size < maxBatchEntries { // a commit that was not published any more
			f.leaves.size = last
		}
		return f.whole(byTree, "tree", "the row is missing or cannot be read")
	case f.tree == nil:
		f.leaves.size = last
		return f.whole(byHand, "tree", "the row is missing or cannot be read")
	}
	f.leaves.size = f.tree.GetSize()
	partial := int(f.tree.GetSize()%merkle.TileWidth) * merkle.HashSize
	whole := len(f.tree.GetPartialLeaves()) == partial
	wrong, err := f.isSizeWrong(ctx, whole)
	if err != nil {
		return err
	}
	if wrong {
		f.leaves.size = last
		return f.whole(byTree, "tree", "size is %d, but there are %d entries", f.tree.GetSize(), last)
	}
	if !whole {
		return f.whole(byTree, "tree", "partial_leaves are %d bytes, %d entries need %d",
			len(f.tree.GetPartialLeaves()), f.tree.GetSize(), partial)
	}
	return nil
}

// isSizeWrong says whether the tree's row is wrong about the number of entries, rather than that entries are missing or too many:
// its parts contradict each other, or more was published, or exactly what is there was published and the row counts on tiles
// that are not there either. All of these come with entries in one commit.
func (f *fsck) isSizeWrong(ctx context.Context, whole bool) (bool, error) {
	size, last := f.tree.GetSize(), f.leaves.last
	switch {
	case size == last || last == 0:
		return false, nil
	case !whole:
		return true, nil
	case last != f.published.Size:
		return false, nil
	case size < last:
		return true, nil
	case size/merkle.TileWidth == last/merkle.TileWidth:
		return false, nil
	}
	values, err := f.Engine.Get(ctx, book.TileKey(0, size/merkle.TileWidth-1))
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil && values[0] == nil, nil
}

// entryIndex is the index in the key of an entry.
func entryIndex(key []byte) (uint64, bool) {
	if len(key) != 9 || key[0] != book.TableEntries {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), true
}

// checkBeyond finds rows where no entry and no tile should be.
func (f *fsck) checkBeyond(ctx context.Context) error {
	ends := []store.Range{
		{Start: []byte{book.TableEntries}, End: book.EntryKey(0)},
		{Start: book.EntryKey(f.leaves.size), End: []byte{book.TableEntries + 1}},
		{Start: []byte{book.TableTiles}, End: book.TileKey(0, 0)},
	}
	// Those of level 0 that belong to the log have been looked at. There are few of the levels above it.
	ends = append(ends, store.Range{Start: book.TileKey(0, f.leaves.size/merkle.TileWidth), End: []byte{book.TableTiles + 1}})
	for _, end := range ends {
		for row, err := range f.Engine.Scan(ctx, end) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return errors.Join(f.whole(byHand, "rows beyond the log", "they cannot be read: %v", err), errEnough)
			}
			if err := f.beyond(row.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fsck) beyond(key []byte) error {
	name, _ := book.RowName(key)
	if index, ok := entryIndex(key); ok {
		return f.add(at(index, "index", "it lies beyond the end of the log, which has %d entries", f.leaves.size))
	}
	if key[0] == book.TableTiles {
		if index, ok := tileIndex(key); ok && key[1] < 8 && index < f.leaves.size>>(8*(uint(key[1])+1)) {
			return nil
		}
		f.leaves.extra = append(f.leaves.extra, bytes.Clone(key))
		return f.whole(byTree, name, "no such tile belongs to a log of %d entries", f.leaves.size)
	}
	return f.whole(byHand, name, "no entry has such a key")
}
