package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// chunkEntries is how many entries are read in one go: some tiles of them.
const chunkEntries = 4 * merkle.TileWidth

// chunk is some entries on their way through the check: a worker reads them, one goroutine applies chunk after chunk, and a
// worker verifies the signatures under the keys that were found when they were applied.
type chunk struct {
	first   uint64
	entries []checkedEntry
	// tiles are what the entries hash to, and what the store has in their place.
	tiles []chunkTile
	// extra are keys among those of the tiles that are none.
	extra [][]byte
	// submissions are those that statements of the chunk are members of.
	submissions map[uint64]*ledgerv1.SubmissionReceived
	signatures  []signature
	faults      []Fault
	err         error
	// read and verified are closed when a worker is done with either.
	read, verified chan struct{}
}

// checkedEntry is one entry of a chunk.
type checkedEntry struct {
	// entry is nil where it is missing, or is none, or breaks a rule of its own: it then is not applied.
	entry *ledgerv1.Entry
	// present says that there are bytes, and hash is theirs.
	present bool
	hash    merkle.Hash
	// signed is what its author signed; nil: nobody signed it by itself.
	signed *Signed
}

// signature is one that waits to be verified.
type signature struct {
	index  uint64
	signed *Signed
	key    *ledgerv1.KeyRow
}

// chunkTile is a tile of level 0, or the beginning of one at the end of the log.
type chunkTile struct {
	// hashed are the hashes of the entries, stored those of the store, where it has them; they are the same bytes where they
	// are equal.
	hashed, stored []byte
	// roots are theirs, of full tiles.
	hashedRoot, storedRoot merkle.Hash
}

func (c *chunk) at(index uint64, field, format string, args ...any) {
	c.faults = append(c.faults, at(index, field, format, args...))
}

func (c *chunk) end() uint64 { return c.first + uint64(len(c.entries)) }

// checkEntries reads the entries, verifies them and adds them up.
func (f *fsck) checkEntries(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	// So many chunks are under way at once. Each queue has room for all of them, so that nobody waits for room.
	window := 2*f.Workers + 2
	reads, verifies := make(chan *chunk, window), make(chan *chunk, window)
	for range f.Workers {
		workers.Go(func() { f.work(ctx, reads, verifies) })
	}
	size := min(f.leaves.size, f.leaves.last)
	var reading, verifying []*chunk
	next := uint64(0)
	for next < size || len(reading)+len(verifying) > 0 {
		for next < size && len(reading)+len(verifying) < window {
			c := newChunk(next, min(size-next, chunkEntries))
			reading, next = append(reading, c), c.end()
			reads <- c
		}
		switch {
		case len(verifying) > 0 && (len(reading) == 0 || isClosed(verifying[0].verified)):
			c := verifying[0]
			verifying = verifying[1:]
			if err := f.settle(ctx, c); err != nil {
				return err
			}
		default:
			c := reading[0]
			reading = reading[1:]
			if err := f.apply(ctx, c); err != nil {
				return err
			}
			verifying = append(verifying, c)
			verifies <- c
		}
	}
	if missing := f.leaves.size - size; missing > 0 {
		f.order.stop(size)
		if err := f.add(at(size, "entry", "it is missing, and so are the %d after it", missing-1)); err != nil {
			return err
		}
	}
	faults, err := f.handOver(ctx)
	if err != nil {
		return err
	}
	again, err := f.replay.seal(ctx)
	if err != nil {
		return err
	}
	return f.add(append(faults, f.order.repeated(again)...)...)
}

func newChunk(first, count uint64) *chunk {
	return &chunk{first: first, entries: make([]checkedEntry, count), read: make(chan struct{}), verified: make(chan struct{})}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// work reads and verifies chunks until ctx ends. What can be verified is near its end, so it comes first.
func (f *fsck) work(ctx context.Context, reads, verifies chan *chunk) {
	for {
		select {
		case c := <-verifies:
			f.verify(ctx, c)
			continue
		default:
		}
		select {
		case c := <-verifies:
			f.verify(ctx, c)
		case c := <-reads:
			c.err = f.read(ctx, c)
			close(c.read)
		case <-ctx.Done():
			return
		}
	}
}

func (f *fsck) verify(ctx context.Context, c *chunk) {
	defer close(c.verified)
	for _, s := range c.signatures {
		if ctx.Err() != nil {
			return
		}
		if err := f.Author(*s.signed, s.key); err != nil {
			c.at(s.index, "signature", "%v", err)
		}
	}
}

// settle takes a chunk over into the report.
func (f *fsck) settle(ctx context.Context, c *chunk) error {
	select {
	case <-c.verified:
	case <-ctx.Done():
		return ctx.Err()
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return cmp.Compare(a.Index, b.Index) })
	if err := f.add(c.faults...); err != nil {
		return err
	}
	f.progress("entries", c.end(), f.leaves.size)
	return ctx.Err()
}

// read checks everything about the entries of a chunk that does not depend on those before it.
func (f *fsck) read(ctx context.Context, c *chunk) error {
	next := c.first
	for row, err := range f.Engine.Scan(ctx, store.Range{Start: book.EntryKey(c.first), End: book.EntryKey(c.end())}) {
		if err != nil {
			if err := f.readEach(ctx, c, next); err != nil {
				return err
			}
			break
		}
		index, ok := entryIndex(row.Key)
		if !ok {
			name, _ := book.RowName(row.Key)
			c.faults = append(c.faults, Fault{Index: next, Field: name, Problem: "no entry has such a key"})
			continue
		}
		if err := f.readEntry(ctx, c, index, row.Value); err != nil {
			return err
		}
		next = index + 1
	}
	for i := range c.entries {
		if !c.entries[i].present && !c.named(c.first+uint64(i)) {
			c.at(c.first+uint64(i), "entry", "it is missing")
		}
	}
	return f.readTiles(ctx, c)
}

// named says whether an entry has a fault already.
func (c *chunk) named(index uint64) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool { return f.HasIndex && f.Index == index })
}

// readEach reads entry by entry, since reading them together broke off: the store itself says that it cannot read one.
func (f *fsck) readEach(ctx context.Context, c *chunk, from uint64) error {
	for index := from; index < c.end(); index++ {
		values, err := f.Engine.Get(ctx, book.EntryKey(index))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.at(index, "entry", "it cannot be read: %v", err)
		case values[0] != nil:
			if err := f.readEntry(ctx, c, index, values[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readEntry checks one entry by itself. Its bytes are not kept.
func (f *fsck) readEntry(ctx context.Context, c *chunk, index uint64, raw []byte) error {
	at := &c.entries[index-c.first]
	at.present, at.hash = true, merkle.LeafHash(raw)
	if len(raw) > MaxEntryBytes {
		c.at(index, "bytes", "there are %d, the most are %d", len(raw), MaxEntryBytes)
		return nil
	}
	if err := f.shapes.entry.check(raw); err != nil {
		c.at(index, "bytes", "%v", err)
		return nil
	}
	e := new(ledgerv1.Entry)
	if err := e.UnmarshalVT(raw); err != nil {
		c.at(index, "bytes", "they are no entry: %v", err)
		return nil
	}
	switch {
	case e.GetIndex() != index:
		c.at(index, "index", "the entry says %d", e.GetIndex())
	case len(e.GetSalt()) != 16:
		c.at(index, "salt", "it has %d bytes", len(e.GetSalt()))
	default:
		at.entry = e
		return f.readFact(ctx, c, at)
	}
	return nil
}

// readFact finds out what was signed, and checks what is sealed.
func (f *fsck) readFact(ctx context.Context, c *chunk, at *checkedEntry) error {
	switch fact := at.entry.GetFact().(type) {
	case *ledgerv1.Entry_SubmissionReceived:
		c.readSubmission(at, fact.SubmissionReceived)
		return nil
	case *ledgerv1.Entry_CompletionRecorded:
		r := fact.CompletionRecorded
		return f.readStatement(ctx, c, at, r.GetOrigin(), r.GetAccount(), r.GetSealed())
	case *ledgerv1.Entry_CompletionVoided:
		v := fact.CompletionVoided
		return f.readStatement(ctx, c, at, v.GetOrigin(), v.GetAccount(), v.GetSealed())
	case *ledgerv1.Entry_AgreementPublished:
		c.readAgreement(at, fact.AgreementPublished)
		return nil
	default:
		return nil
	}
}

func (c *chunk) readSubmission(at *checkedEntry, s *ledgerv1.SubmissionReceived) {
	c.keep(at.entry.GetIndex(), s)
	b := s.GetStatementHashes()
	if len(b)%merkle.HashSize != 0 || len(b) < 2*merkle.HashSize || len(b) > maxSubmission*merkle.HashSize {
		c.at(at.entry.GetIndex(), "statement_hashes", "they are %d bytes", len(b))
		return
	}
	hashes := make([]merkle.Hash, len(b)/merkle.HashSize)
	for i := range hashes {
		copy(hashes[i][:], b[i*merkle.HashSize:])
	}
	at.signed = &Signed{
		Organization: s.GetOrganization(), KeyID: s.GetKeyId(), Statements: len(hashes), Root: merkle.RootOf(hashes),
		Signature: s.GetSignature(), At: at.entry.GetTime(),
	}
}

func (c *chunk) keep(index uint64, s *ledgerv1.SubmissionReceived) {
	if c.submissions == nil {
		c.submissions = make(map[uint64]*ledgerv1.SubmissionReceived)
	}
	c.submissions[index] = s
}

// readStatement checks that a statement is its signer's, and that what is sealed is that statement.
func (f *fsck) readStatement(
	ctx context.Context, c *chunk, at *checkedEntry, origin *ledgerv1.Origin, account, sealed []byte,
) error {
	index := at.entry.GetIndex()
	alone := len(origin.GetSignature()) > 0
	switch {
	case len(origin.GetStatementHash()) != merkle.HashSize:
		c.at(index, "origin.statement_hash", "it has %d bytes", len(origin.GetStatementHash()))
		return nil
	case alone && (origin.GetSubmission() != 0 || origin.GetPosition() != 0), !alone && len(origin.GetKeyId()) > 0:
		c.at(index, "origin", "it is signed by itself and part of a submission")
	case alone:
		at.signed = &Signed{
			Organization: origin.GetOrganization(), KeyID: origin.GetKeyId(), Statements: 1,
			Root: merkle.Hash(origin.GetStatementHash()), Signature: origin.GetSignature(), At: at.entry.GetTime(),
		}
	default:
		if err := f.readMember(ctx, c, index, origin); err != nil {
			return err
		}
	}
	if f.Unseal != nil {
		f.readSealed(c, at.entry, origin, account, sealed)
	}
	return nil
}

// readMember checks that a statement is one of the submission that it names.
func (f *fsck) readMember(ctx context.Context, c *chunk, index uint64, origin *ledgerv1.Origin) error {
	s, known := c.submissions[origin.GetSubmission()]
	if !known && origin.GetSubmission() < index {
		values, err := f.Engine.Get(ctx, book.EntryKey(origin.GetSubmission()))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil { // one that cannot be read has a fault of its own
			if e, err := decodeEntry(origin.GetSubmission(), values[0]); err == nil {
				s = e.GetSubmissionReceived()
			}
		}
		c.keep(origin.GetSubmission(), s)
	}
	if s == nil || s.GetOrganization() != origin.GetOrganization() {
		c.at(index, "origin.submission", "entry %d is no submission of %q", origin.GetSubmission(), origin.GetOrganization())
		return nil
	}
	from := int(origin.GetPosition()) * merkle.HashSize
	if hashes := s.GetStatementHashes(); from+merkle.HashSize > len(hashes) ||
		!bytes.Equal(hashes[from:from+merkle.HashSize], origin.GetStatementHash()) {
		c.at(index, "origin.statement_hash", "it is not at position %d of submission %d", origin.GetPosition(), origin.GetSubmission())
	}
	return nil
}

// readSealed checks that what is sealed is the statement that the entry says.
func (f *fsck) readSealed(c *chunk, e *ledgerv1.Entry, origin *ledgerv1.Origin, account, sealed []byte) {
	id, err := unit.AccountIDFromBytes(account)
	if err != nil {
		c.at(e.GetIndex(), "account", "%v", err)
		return
	}
	voids := e.GetCompletionVoided() != nil
	fact := "CompletionRecorded"
	if voids {
		fact = "CompletionVoided"
	}
	opened, ok, err := f.Unseal(id, fact, origin.GetStatementId(), sealed)
	if err != nil {
		c.at(e.GetIndex(), "sealed", "%v", err)
		return
	}
	if !ok {
		return // the person was forgotten; the signature over the hash still stands
	}
	stated, ok := f.shapes.statement(opened, voids)
	if !ok {
		c.at(e.GetIndex(), "sealed", "it holds no statement")
		return
	}
	hash := merkle.LeafHash(stated)
	switch {
	case !bytes.Equal(hash[:], origin.GetStatementHash()):
		c.at(e.GetIndex(), "sealed", "it is another statement than the one that was signed")
	case !bytes.Equal(content(stated, statementID), origin.GetStatementId()):
		c.at(e.GetIndex(), "origin.statement_id", "the signed statement has another id")
	case voids != (assertion(stated) == statementVoid):
		c.at(e.GetIndex(), "sealed", "the signed statement asserts something else")
	}
}

// readTiles fetches the tiles over the entries of a chunk, and hashes both.
func (f *fsck) readTiles(ctx context.Context, c *chunk) error {
	first := c.first / merkle.TileWidth
	values := make([][]byte, (len(c.entries)+merkle.TileWidth-1)/merkle.TileWidth)
	full := first + uint64(len(c.entries)/merkle.TileWidth)
	for row, err := range f.Engine.Scan(ctx, store.Range{Start: book.TileKey(0, first), End: book.TileKey(0, full)}) {
		if err != nil {
			if err := f.readEachTile(ctx, c, values); err != nil {
				return err
			}
			break
		}
		if index, ok := tileIndex(row.Key); ok {
			values[index-first] = bytes.Clone(row.Value)
		} else {
			c.extra = append(c.extra, bytes.Clone(row.Key))
		}
	}
	for i, stored := range values {
		from := i * merkle.TileWidth
		entries := c.entries[from:min(from+merkle.TileWidth, len(c.entries))]
		c.tiles = append(c.tiles, f.hash(entries, stored))
	}
	return nil
}

// tileIndex is the index in the key of a tile.
func tileIndex(key []byte) (uint64, bool) {
	if len(key) != 10 || key[0] != book.TableTiles {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[2:]), true
}

// readEachTile fetches tile by tile, since one cannot be read.
func (f *fsck) readEachTile(ctx context.Context, c *chunk, values [][]byte) error {
	for i := range len(c.entries) / merkle.TileWidth {
		tile := merkle.Tile{Index: c.first/merkle.TileWidth + uint64(i), Width: merkle.TileWidth}
		value, err := f.Engine.Get(ctx, book.TileKey(0, tile.Index))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.faults = append(c.faults, Fault{Index: c.first, Field: tile.Path(), Problem: fmt.Sprintf("it cannot be read: %v", err)})
		default:
			values[i] = value[0]
		}
	}
	return nil
}

// hash compares the hashes of entries with those that the store has of them. A missing entry has the hash of the store.
func (f *fsck) hash(entries []checkedEntry, stored []byte) chunkTile {
	full := len(entries) == merkle.TileWidth
	if !full {
		stored = nil
		if f.tree != nil && f.tree.GetSize() == f.leaves.size {
			stored = f.tree.GetPartialLeaves()
		}
	}
	if len(stored) != len(entries)*merkle.HashSize {
		stored = nil
	}
	t := chunkTile{hashed: make([]byte, 0, len(entries)*merkle.HashSize), stored: stored}
	for i, e := range entries {
		if !e.present && stored != nil {
			e.hash = merkle.Hash(stored[i*merkle.HashSize:])
		}
		t.hashed = append(t.hashed, e.hash[:]...)
	}
	same := bytes.Equal(t.hashed, stored)
	if same {
		t.hashed = stored
	}
	if full {
		t.hashedRoot = merkle.TileRoot(t.hashed)
		t.storedRoot = t.hashedRoot
		if !same && stored != nil {
			t.storedRoot = merkle.TileRoot(stored)
		}
	}
	return t
}
