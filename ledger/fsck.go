package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Fsck checks a store from its entries up: every entry against its leaf, the tiles and the root, the root against the
// anchored checkpoint, the statements against their signatures, and all derived tables against a replay. It only reads.

// MaxFaults is how many faults a report holds; a store that has more is beyond counting.
const MaxFaults = 1000

// maxSubmission is how many statements one submission holds at most (FORMAT.md, "Submission").
const maxSubmission = 1000

// replayedAtOnce is how many entries are applied between two commits of the replay.
const replayedAtOnce = 4096

// Signed is a submission as its organization signed it.
type Signed struct {
	BankID       string
	Organization string
	KeyID        []byte
	Statements   int
	Root         merkle.Hash
	Signature    []byte
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
	// Author answers nil when the key, as registered by then, made the signature. It is called by one goroutine.
	Author func(s Signed, key *ledgerv1.KeyRow) error
	// Unseal opens a sealed payload of an account; ok is false where the key is gone, which is no fault. Nil: what is sealed
	// is not opened.
	Unseal func(account unit.AccountID, fact string, statement, sealed []byte) (content []byte, ok bool, err error)
	// Progress hears now and again how far the check is; it may be nil.
	Progress func(done, total uint64)
}

// Fault is one thing that is wrong.
type Fault struct {
	// Index is the entry it concerns, when HasIndex; otherwise it concerns the log or a table as a whole.
	Index    uint64
	HasIndex bool
	// Field is the part of the entry, or the row.
	Field string
	// Problem says what is wrong.
	Problem string
}

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
}

// Fsck checks a store. It answers an error only when it could not check; what is wrong with the store is in the report.
func Fsck(ctx context.Context, cfg FsckConfig) (FsckReport, error) {
	f := &fsck{FsckConfig: cfg, replay: store.NewMemory(), submissions: make(map[uint64]*ledgerv1.SubmissionReceived)}
	f.state = book.NewState(rows{ctx, f.replay})
	defer f.replay.Close() //nolint:errcheck // it is in memory
	err := f.run(ctx)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return f.report, err
}

// errEnough ends a check that found MaxFaults.
var errEnough = errors.New("ledger: too many faults")

type fsck struct {
	FsckConfig
	report FsckReport
	tree   *ledgerv1.TreeRow
	// edge grows from the leaves that the tree has, hashed from those of the entries: when they differ, the root says who
	// is right.
	edge, hashed merkle.Edge
	mismatched   []uint64
	time         int64
	bankID       string
	// origins are those that the log had, in their order.
	origins []string

	replay *store.Memory
	state  *book.State
	// submissions are the newest ones, by index.
	submissions map[uint64]*ledgerv1.SubmissionReceived
	newest      []uint64
}

// whole notes a fault of the log, or of a row, as a whole.
func (f *fsck) whole(field, format string, args ...any) error {
	return f.add(Fault{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (f *fsck) add(fault Fault) error {
	f.report.Faults = append(f.report.Faults, fault)
	if len(f.report.Faults) >= MaxFaults {
		return errEnough
	}
	return nil
}

// at notes a fault of an entry.
func (f *fsck) at(index uint64, field, format string, args ...any) error {
	return f.add(Fault{Index: index, HasIndex: true, Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (f *fsck) run(ctx context.Context) error {
	values, err := f.Engine.Get(ctx, formatKey(), treeKey())
	if err != nil {
		return fmt.Errorf("ledger: read: %w", err)
	}
	if format, ok := book.ParseUint(values[0]); !ok || format != Format {
		return f.whole("format", "it is not %d", Format)
	}
	f.tree = new(ledgerv1.TreeRow)
	if values[1] == nil || proto.Unmarshal(values[1], f.tree) != nil {
		return f.whole("tree", "the row is missing or cannot be read")
	}
	if err := f.checkEntries(ctx); err != nil {
		return err
	}
	if err := f.checkTree(ctx); err != nil {
		return err
	}
	return f.checkTables(ctx)
}

// checkEntries goes through the entries in their order.
func (f *fsck) checkEntries(ctx context.Context) error {
	next := uint64(0)
	for row, err := range f.Engine.Scan(ctx, store.Prefix([]byte{book.TableEntries})) {
		if err != nil {
			return f.unreadable(ctx, next, err)
		}
		index := binary.BigEndian.Uint64(row.Key[1:])
		for ; next < index && next < f.tree.GetSize(); next++ {
			if err := f.missing(ctx, next); err != nil {
				return err
			}
		}
		if index >= f.tree.GetSize() {
			if err := f.at(index, "index", "it lies beyond the end of the log, which has %d entries", f.tree.GetSize()); err != nil {
				return err
			}
			continue
		}
		if err := f.checkEntry(ctx, index, row.Value); err != nil {
			return err
		}
		next = index + 1
		if next%replayedAtOnce == 0 {
			if err := f.flush(ctx); err != nil {
				return err
			}
		}
	}
	for ; next < f.tree.GetSize(); next++ {
		if err := f.missing(ctx, next); err != nil {
			return err
		}
	}
	return f.flush(ctx)
}

func (f *fsck) missing(ctx context.Context, index uint64) error {
	leaf, err := f.leaf(ctx, index)
	if err != nil {
		return err
	}
	f.hashed.Append(nil, leaf)
	if err := f.grow(ctx, leaf); err != nil {
		return err
	}
	return f.at(index, "entry", "it is missing")
}

// unreadable names the entry at which a scan broke off: the store itself says that it cannot be read.
func (f *fsck) unreadable(ctx context.Context, from uint64, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for index := from; index < f.tree.GetSize(); index++ {
		if _, err := f.Engine.Get(ctx, book.EntryKey(index)); err != nil {
			return errors.Join(f.at(index, "entry", "it cannot be read: %v", err), errEnough)
		}
	}
	return errors.Join(f.whole("entries", "the rows after entry %d cannot be read: %v", from, cause), errEnough)
}

// flush makes the replay's changes rows, so that its memory does not grow with the log twice.
func (f *fsck) flush(ctx context.Context) error {
	var batch store.Batch
	for key, value := range f.state.Changes {
		if value == nil {
			batch.Delete(key)
		} else {
			batch.Set(key, value)
		}
	}
	if err := f.replay.Commit(ctx, &batch, f.replay.Head()); err != nil {
		return fmt.Errorf("ledger: replay: %w", err)
	}
	f.state = book.NewState(rows{ctx, f.replay})
	if f.Progress != nil {
		f.Progress(f.edge.Size(), f.tree.GetSize())
	}
	return nil
}

// leaf is the leaf hash that the tree has for an entry.
func (f *fsck) leaf(ctx context.Context, index uint64) (leaf merkle.Hash, err error) {
	first, hashes := f.tree.GetSize()&^0xff, f.tree.GetPartialLeaves()
	if index < first {
		first = index &^ 0xff
		tile, err := rows{ctx, f.Engine}.Row(book.TileKey(0, index>>8))
		if err != nil {
			return leaf, err
		}
		hashes = tile
	}
	if offset := int(index-first) * merkle.HashSize; offset+merkle.HashSize <= len(hashes) {
		copy(leaf[:], hashes[offset:])
	}
	return leaf, nil
}

// grow adds a leaf, and compares the tiles that it fills with those of the store.
func (f *fsck) grow(ctx context.Context, leaf merkle.Hash) error {
	for _, tile := range f.edge.Append(nil, leaf) {
		stored, err := rows{ctx, f.Engine}.Row(book.TileKey(tile.Level, tile.Index))
		if err != nil {
			return err
		}
		if !bytes.Equal(stored, tile.Data) {
			if err := f.whole(tile.Path(), "its hashes are not those of the entries"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fsck) checkEntry(ctx context.Context, index uint64, raw []byte) error {
	leaf, err := f.leaf(ctx, index)
	if err != nil {
		return err
	}
	if err := f.grow(ctx, leaf); err != nil {
		return err
	}
	hash := merkle.LeafHash(raw)
	f.hashed.Append(nil, hash)
	if hash != leaf && len(f.mismatched) < MaxFaults {
		f.mismatched = append(f.mismatched, index)
	}
	e := new(ledgerv1.Entry)
	if err := proto.Unmarshal(raw, e); err != nil {
		return f.at(index, "bytes", "they are no entry: %v", err)
	}
	switch {
	case len(raw) > MaxEntryBytes:
		err = f.at(index, "bytes", "there are %d, the most are %d", len(raw), MaxEntryBytes)
	case e.GetIndex() != index:
		err = f.at(index, "index", "the entry says %d", e.GetIndex())
	case e.GetTime() < f.time:
		err = f.at(index, "time", "it is before the entry before it")
	case len(e.GetSalt()) != 16:
		err = f.at(index, "salt", "it has %d bytes", len(e.GetSalt()))
	case hasUnknown(e.ProtoReflect()):
		err = f.at(index, "bytes", "they hold a field that is not known")
	case index == 0 && !f.founds(e.GetBankFounded()):
		err = f.at(index, "fact", "it does not found the bank that the configuration names")
	case e.GetLogContinued() != nil:
		err = f.checkContinued(index, e.GetLogContinued())
	}
	if err != nil {
		return err
	}
	f.time = e.GetTime()
	if err := f.checkFact(ctx, e); err != nil {
		return err
	}
	err = f.state.Apply(e)
	if err == nil {
		return f.state.Keep()
	}
	f.state.Undo()
	return f.at(index, book.Fact(e), "%v", err)
}

func (f *fsck) founds(founded *ledgerv1.BankFounded) bool {
	f.bankID = founded.GetBankId()
	f.origins = []string{founded.GetOrigin()}
	return founded != nil && (f.BankID == "" || f.BankID == founded.GetBankId())
}

// checkContinued checks that a log goes on under an origin of its own, and that what is said of the log before it was signed.
func (f *fsck) checkContinued(index uint64, c *ledgerv1.LogContinued) error {
	if slices.Contains(f.origins, c.GetOrigin()) {
		return f.at(index, "origin", "%q names a log before it", c.GetOrigin())
	}
	f.origins = append(f.origins, c.GetOrigin())
	former, err := formerLog(c)
	switch {
	case err != nil:
		return f.at(index, "last_checkpoint", "%v", err)
	case former.Verifier.Name() == c.GetOrigin():
		return f.at(index, "origin", "%q names the log before it too", c.GetOrigin())
	}
	return nil
}

// checkFact checks authorship and what is sealed.
func (f *fsck) checkFact(ctx context.Context, e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_SubmissionReceived:
		return f.checkSubmission(e.GetIndex(), e.GetTime(), fact.SubmissionReceived)
	case *ledgerv1.Entry_CompletionRecorded:
		r := fact.CompletionRecorded
		return f.checkStatement(ctx, e, r.GetOrigin(), r.GetAccount(), r.GetSealed())
	case *ledgerv1.Entry_CompletionVoided:
		v := fact.CompletionVoided
		return f.checkStatement(ctx, e, v.GetOrigin(), v.GetAccount(), v.GetSealed())
	case *ledgerv1.Entry_OpeningBalancesProposed, *ledgerv1.Entry_OpeningBalancesConfirmed,
		*ledgerv1.Entry_OpeningBalanceRecorded, *ledgerv1.Entry_OpeningBalanceReversed:
		return f.checkOpening(e)
	case *ledgerv1.Entry_ClaimFiled:
		return f.checkClaim(e.GetIndex(), fact.ClaimFiled)
	default:
		return nil
	}
}

func (f *fsck) checkSubmission(index uint64, at int64, s *ledgerv1.SubmissionReceived) error {
	f.submissions[index] = s
	f.newest = append(f.newest, index)
	// The statements of a submission follow it at once.
	if len(f.newest) > 64 {
		delete(f.submissions, f.newest[0])
		f.newest = f.newest[1:]
	}
	b := s.GetStatementHashes()
	if len(b)%merkle.HashSize != 0 || len(b) < 2*merkle.HashSize || len(b) > maxSubmission*merkle.HashSize {
		return f.at(index, "statement_hashes", "they are %d bytes", len(b))
	}
	hashes := make([]merkle.Hash, len(b)/merkle.HashSize)
	for i := range hashes {
		copy(hashes[i][:], b[i*merkle.HashSize:])
	}
	return f.checkSigned(index, Signed{
		BankID: f.bankID, Organization: s.GetOrganization(), KeyID: s.GetKeyId(),
		Statements: len(hashes), Root: merkle.RootOf(hashes), Signature: s.GetSignature(), At: at,
	})
}

func (f *fsck) checkSigned(index uint64, s Signed) error {
	key, err := f.state.Key(s.KeyID)
	if err != nil {
		return err
	}
	if key == nil {
		return f.at(index, "key_id", "the key was not registered by then")
	}
	if f.Author == nil {
		return nil
	}
	if err := f.Author(s, key); err != nil {
		return f.at(index, "signature", "%v", err)
	}
	return nil
}

// checkStatement checks that a statement is its signer's, and that what is sealed is that statement.
func (f *fsck) checkStatement(
	ctx context.Context, e *ledgerv1.Entry, origin *ledgerv1.Origin, account, sealed []byte,
) error {
	if len(origin.GetStatementHash()) != merkle.HashSize {
		return f.at(e.GetIndex(), "origin.statement_hash", "it has %d bytes", len(origin.GetStatementHash()))
	}
	var err error
	alone := len(origin.GetSignature()) > 0
	switch {
	case alone && (origin.GetSubmission() != 0 || origin.GetPosition() != 0), !alone && len(origin.GetKeyId()) > 0:
		err = f.at(e.GetIndex(), "origin", "it is signed by itself and part of a submission")
	case alone:
		err = f.checkSigned(e.GetIndex(), Signed{
			BankID: f.bankID, Organization: origin.GetOrganization(), KeyID: origin.GetKeyId(),
			Statements: 1, Root: merkle.Hash(origin.GetStatementHash()), Signature: origin.GetSignature(), At: e.GetTime(),
		})
	default:
		err = f.checkMember(ctx, e.GetIndex(), origin)
	}
	if err != nil || f.Unseal == nil {
		return err
	}
	return f.checkSealed(e, origin, account, sealed)
}

// checkSealed checks that what is sealed is the statement that the entry says.
func (f *fsck) checkSealed(e *ledgerv1.Entry, origin *ledgerv1.Origin, account, sealed []byte) error {
	id, err := unit.AccountIDFromBytes(account)
	if err != nil {
		return f.at(e.GetIndex(), "account", "%v", err)
	}
	content, ok, err := f.Unseal(id, book.Fact(e), origin.GetStatementId(), sealed)
	if err != nil {
		return f.at(e.GetIndex(), "sealed", "%v", err)
	}
	if !ok {
		return nil // the person was forgotten; the signature over the hash still stands
	}
	voids := e.GetCompletionVoided() != nil
	b, err := sealedStatement(content, voids)
	stated := new(statementv1.Statement)
	if err != nil || proto.Unmarshal(b, stated) != nil {
		return f.at(e.GetIndex(), "sealed", "it holds no statement")
	}
	hash := merkle.LeafHash(b)
	switch {
	case !bytes.Equal(hash[:], origin.GetStatementHash()):
		return f.at(e.GetIndex(), "sealed", "it is another statement than the one that was signed")
	case !bytes.Equal(stated.GetId(), origin.GetStatementId()):
		return f.at(e.GetIndex(), "origin.statement_id", "the signed statement has another id")
	case voids != (stated.GetCompletionVoid() != nil):
		return f.at(e.GetIndex(), "sealed", "the signed statement asserts something else")
	}
	return nil
}

func sealedStatement(content []byte, voids bool) ([]byte, error) {
	if voids {
		opened := new(ledgerv1.SealedVoid)
		err := proto.Unmarshal(content, opened)
		return opened.GetStatement(), err
	}
	opened := new(ledgerv1.SealedCompletion)
	err := proto.Unmarshal(content, opened)
	return opened.GetStatement(), err
}

// hasUnknown says whether a message has fields that are not known, at any depth.
func hasUnknown(m protoreflect.Message) bool {
	found := len(m.GetUnknown()) > 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				found = found || hasUnknown(value.List().Get(i).Message())
			}
		default:
			found = found || hasUnknown(value.Message())
		}
		return !found
	})
	return found
}

// checkMember checks that a statement is one of the submission that it names.
func (f *fsck) checkMember(ctx context.Context, index uint64, origin *ledgerv1.Origin) error {
	s := f.submissions[origin.GetSubmission()]
	if s == nil && origin.GetSubmission() < index {
		b, err := rows{ctx, f.Engine}.Row(book.EntryKey(origin.GetSubmission()))
		if err != nil {
			return err
		}
		if e, err := decodeEntry(origin.GetSubmission(), b); err == nil {
			s = e.GetSubmissionReceived()
		}
	}
	if s == nil || s.GetOrganization() != origin.GetOrganization() {
		return f.at(index, "origin.submission", "entry %d is no submission of %q", origin.GetSubmission(), origin.GetOrganization())
	}
	from := int(origin.GetPosition()) * merkle.HashSize
	if hashes := s.GetStatementHashes(); from+merkle.HashSize > len(hashes) ||
		!bytes.Equal(hashes[from:from+merkle.HashSize], origin.GetStatementHash()) {
		return f.at(index, "origin.statement_hash", "it is not at position %d of submission %d", origin.GetPosition(), origin.GetSubmission())
	}
	return nil
}

// checkTree compares the root with the tree's own row and with the anchor.
func (f *fsck) checkTree(ctx context.Context) error {
	f.report.Size, f.report.Root = f.edge.Size(), f.edge.Root()
	if err := f.settleLeaves(); err != nil {
		return err
	}
	if !bytes.Equal(f.report.Root[:], f.tree.GetRoot()) {
		if err := f.whole("tree", "the leaves do not add up to its root"); err != nil {
			return err
		}
	}
	if f.time != f.tree.GetTime() {
		if err := f.whole("tree", "its time is not that of the newest entry"); err != nil {
			return err
		}
	}
	if n := len(f.origins); f.Origin != "" && n > 0 && f.origins[n-1] != f.Origin {
		return f.whole("origin", "the log is %q, the configuration says %q", f.origins[n-1], f.Origin)
	}
	if f.Anchor == nil {
		return nil
	}
	signed, err := f.Anchor.Load()
	if err != nil {
		return fmt.Errorf("ledger: anchor: %w", err)
	}
	if signed == nil {
		return f.whole("anchor", "nothing is there")
	}
	checkpoint, err := merkle.OpenCheckpoint(signed, f.Origin, f.Verifier)
	if err != nil {
		return f.whole("anchor", "%v", err)
	}
	if checkpoint.Size > f.report.Size {
		return f.whole("anchor", "%d entries were published, the store has %d", checkpoint.Size, f.report.Size)
	}
	root, err := merkle.RootAt(ctx, checkpoint.Size, f.edge.Clone().Reader(tiles{f.Engine}, nil))
	if err != nil {
		return f.whole("anchor", "%v", err)
	}
	if root != checkpoint.Root {
		return f.whole("anchor", "the first %d entries are not those that were published", checkpoint.Size)
	}
	return nil
}

// settleLeaves says of each entry that does not hash to its leaf which of the two was changed: the one that does not lead
// to the root. These faults come first, since others follow from them.
func (f *fsck) settleLeaves() error {
	if len(f.mismatched) == 0 {
		return nil
	}
	others := f.report.Faults
	f.report.Faults = nil
	hashed := f.hashed.Root()
	if f.report.Root != hashed && bytes.Equal(hashed[:], f.tree.GetRoot()) {
		f.report.Root = hashed
		for i, index := range f.mismatched {
			if i > 0 && f.mismatched[i-1]>>8 == index>>8 {
				continue
			}
			tile := merkle.Tile{Level: 0, Index: index >> 8, Width: merkle.TileWidth}
			if err := f.whole(tile.Path(), "it lacks the hash of entry %d", index); err != nil {
				return err
			}
		}
	} else {
		for _, index := range f.mismatched {
			if err := f.at(index, "bytes", "they do not hash to the leaf of the tree: the entry was changed"); err != nil {
				return err
			}
		}
	}
	for _, fault := range others {
		if err := f.add(fault); err != nil {
			return err
		}
	}
	return nil
}

// checkTables compares the derived tables with the replay, row by row.
func (f *fsck) checkTables(ctx context.Context) error {
	for _, row := range [][]byte{book.DirectoryKey(), book.OriginsKey()} {
		if err := f.compare(ctx, store.Prefix(row)); err != nil {
			return err
		}
	}
	for _, tables := range [][2]byte{{book.TableStatements, book.TableRequests}, {book.TableCaseTimes, book.TableImports}} {
		if err := f.compare(ctx, store.Range{Start: []byte{tables[0]}, End: []byte{tables[1] + 1}}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fsck) compare(ctx context.Context, r store.Range) error {
	stored, stop := iter.Pull2(f.Engine.Scan(ctx, r))
	defer stop()
	replayed, stopReplay := iter.Pull2(f.replay.Scan(ctx, r))
	defer stopReplay()
	a, aErr, aOK := stored()
	b, bErr, bOK := replayed()
	for aOK || bOK {
		if err := errors.Join(aErr, bErr); err != nil {
			return errors.Join(f.whole("derived rows", "they cannot be read: %v", err), errEnough)
		}
		order := bytes.Compare(a.Key, b.Key)
		var err error
		switch {
		case !bOK || (aOK && order < 0):
			err = f.whole(rowName(a.Key), "no entry leads to this row")
		case !aOK || order > 0:
			err = f.whole(rowName(b.Key), "the row is missing")
		case !book.SameRow(a.Key[0], a.Value, b.Value):
			err = f.whole(rowName(a.Key), "the row is not what the entries add up to")
		}
		if err != nil {
			return err
		}
		advanceA, advanceB := aOK && (!bOK || order <= 0), bOK && (!aOK || order >= 0)
		if advanceA {
			a, aErr, aOK = stored()
		}
		if advanceB {
			b, bErr, bOK = replayed()
		}
	}
	return nil
}

func rowName(key []byte) string { return fmt.Sprintf("row %x", key) }
