package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// order is what the check knows of the entries so far, in their order.
type order struct {
	time   int64
	bankID string
	// origins are those that the log had, in their order.
	origins []string
	state   *book.State
	// keys are the keys of organizations as they stand, by id: those that verify a signature are not changed any more.
	keys map[string]*ledgerv1.KeyRow
	// agreements are the newest versions so far.
	agreements map[agreementName]*ledgerv1.AgreementRow
	// together are the entries that were applied since the state was kept last.
	together []*ledgerv1.Entry
	// stopped is the first entry that could not be added up: what follows from it would be found wrong, and is not.
	stopped *uint64
}

// keptAtOnce is how many entries are applied before what they changed becomes rows: a row that several of them change is
// encoded once, and those of accounts are long.
const keptAtOnce = 8 * chunkEntries

// stop notes that an entry could not be added up. The rest is added up all the same, as well as it can be, since keys are
// registered there.
func (o *order) stop(index uint64) {
	if o.stopped == nil || *o.stopped > index {
		o.stopped = &index
	}
}

// repeated are the faults of statements that were recorded twice.
func (o *order) repeated(again []repeated) []Fault {
	var faults []Fault
	for _, r := range again {
		o.stop(r.index)
		faults = append(faults, at(r.index, "origin.statement_id", "the statement is recorded already, by entry %d", r.first))
	}
	return faults
}

// apply adds the entries of a chunk to the tree and to the state, and finds the keys of what was signed.
func (f *fsck) apply(ctx context.Context, c *chunk) error {
	select {
	case <-c.read:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.err != nil {
		return c.err
	}
	if err := errors.Join(f.grow(ctx, c), f.prefetch(ctx, c)); err != nil {
		return err
	}
	// Entries are kept together, as nearly all fit. Where one does not, those before it are applied once more and kept, and so is
	// the rest of the chunk, one by one.
	careful := false
	for i := range c.entries {
		e := c.entries[i].entry
		if e == nil || !f.follows(c, e) {
			f.order.stop(c.first + uint64(i))
			continue
		}
		if err := errors.Join(
			f.findKey(c, &c.entries[i]), f.checkOpening(c, e), f.checkClaim(c, e.GetIndex(), e.GetClaimFiled()),
			f.checkAgreement(c, e), f.checkHold(ctx, c, e), f.checkMerge(c, e), f.checkAccreditation(c, e), f.checkClawback(c, e),
		); err != nil {
			return err
		}
		c.checkConsent(e)
		err := f.order.state.Apply(e)
		if err == nil && careful {
			err = f.order.state.Keep()
		}
		switch {
		case err == nil:
			f.forgetKey(e)
			if !careful {
				f.order.together = append(f.order.together, e)
			}
			continue
		case !errors.Is(err, book.ErrInconsistent):
			return err
		}
		f.order.state.Undo()
		if !careful {
			careful = true
			if err := f.again(); err != nil {
				return err
			}
		}
		if f.order.stopped == nil {
			c.at(e.GetIndex(), book.Fact(e), "%v", err)
		}
		f.order.stop(e.GetIndex())
	}
	c.tiles, c.extra, c.submissions = nil, nil, nil // the chunk is done with, but for its signatures
	clear(c.entries)
	if careful || len(f.order.together) >= keptAtOnce {
		faults, err := f.handOver(ctx)
		c.faults = append(c.faults, faults...)
		return err
	}
	return nil
}

// prefetch reads together what the entries of a chunk are going to read, of which the memory does not hold all any more.
func (f *fsck) prefetch(ctx context.Context, c *chunk) error {
	if f.replay.engine == nil {
		return nil
	}
	return f.order.state.Prefetch(func(yield func(key []byte) bool) {
		for i := range c.entries {
			for _, key := range readBy(c.entries[i].entry) {
				if !yield(key) {
					return
				}
			}
		}
	}, func(keys [][]byte) ([][]byte, error) {
		values, _, err := rows{ctx, f.replay.engine}.many(keys, func(key []byte) ([]byte, bool) {
			at, ok := f.replay.find(key)
			if !ok || at.length == gone {
				return nil, ok
			}
			return f.replay.value(at), true
		})
		return values, err
	})
}

// readBy names the rows of an account that most entries about one read. Others are read one by one.
func readBy(e *ledgerv1.Entry) [][]byte {
	var account []byte
	var day int32
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		account, day = fact.CompletionRecorded.GetAccount(), fact.CompletionRecorded.GetEndDay()
	case *ledgerv1.Entry_CompletionVoided:
		account, day = fact.CompletionVoided.GetAccount(), fact.CompletionVoided.GetCompletion().GetEndDay()
	case *ledgerv1.Entry_CreditsAwarded:
		account, day = fact.CreditsAwarded.GetAccount(), fact.CreditsAwarded.GetCompletion().GetEndDay()
	case *ledgerv1.Entry_CaseStepTaken:
		account, day = fact.CaseStepTaken.GetAccount(), fact.CaseStepTaken.GetCompletion().GetEndDay()
	case *ledgerv1.Entry_AccountOpened:
		account = fact.AccountOpened.GetAccount()
	case *ledgerv1.Entry_ConsentGranted:
		account = fact.ConsentGranted.GetAccount()
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		account, day = fact.OpeningBalanceRecorded.GetAccount(), fact.OpeningBalanceRecorded.GetEarnedDay()
	case *ledgerv1.Entry_OpeningBalanceReversed:
		account, day = fact.OpeningBalanceReversed.GetAccount(), fact.OpeningBalanceReversed.GetBalance().GetEndDay()
	case *ledgerv1.Entry_HoldPlaced:
		account = fact.HoldPlaced.GetAccount()
	case *ledgerv1.Entry_HoldPosted:
		account = fact.HoldPosted.GetAccount()
	case *ledgerv1.Entry_HoldVoided:
		account = fact.HoldVoided.GetAccount()
	case *ledgerv1.Entry_HoldExpired:
		account = fact.HoldExpired.GetAccount()
	case *ledgerv1.Entry_ItemMoved:
		account, day = fact.ItemMoved.GetInto(), fact.ItemMoved.GetItem().GetEndDay()
	case *ledgerv1.Entry_ItemReturned:
		account, day = fact.ItemReturned.GetInto(), fact.ItemReturned.GetItem().GetEndDay()
	case *ledgerv1.Entry_CompletionHeld:
		account, day = fact.CompletionHeld.GetAccount(), fact.CompletionHeld.GetCompletion().GetEndDay()
	case *ledgerv1.Entry_CreditsReversed:
		account, day = fact.CreditsReversed.GetAccount(), fact.CreditsReversed.GetCompletion().GetEndDay()
	}
	id, err := unit.AccountIDFromBytes(account)
	switch {
	case err != nil:
		return nil
	case day == 0:
		return [][]byte{book.AccountKey(id)}
	default:
		return [][]byte{book.AccountKey(id), book.WeekKey(id, book.WeekOf(day))}
	}
}

// again applies entries that fitted, and keeps them.
func (f *fsck) again() error {
	for _, e := range f.order.together {
		if err := f.order.state.Apply(e); err != nil {
			return err
		}
	}
	return f.order.state.Keep()
}

// handOver makes what was changed rows. Its faults are entries that turn out not to fit those before them.
func (f *fsck) handOver(ctx context.Context) ([]Fault, error) {
	if err := f.order.state.Keep(); err != nil {
		return nil, err
	}
	clear(f.order.together)
	f.order.together = f.order.together[:0]
	for key, value := range f.order.state.ChangesAsMade {
		f.replay.set(key, value)
	}
	f.order.state.HandedOver()
	again, err := f.replay.tidy(ctx)
	if err != nil {
		return nil, err
	}
	f.order.state.Committed()
	return f.order.repeated(again), nil
}

// follows checks what an entry owes to those before it, besides that it fits the state.
func (f *fsck) follows(c *chunk, e *ledgerv1.Entry) bool {
	found := len(c.faults)
	switch {
	case e.GetTime() < f.order.time:
		c.at(e.GetIndex(), "time", "it is before the entry before it")
	case e.GetIndex() == 0 && !f.founds(e.GetBankFounded()):
		c.at(e.GetIndex(), "fact", "it does not found the bank that the configuration names")
	case e.GetLogContinued() != nil:
		f.checkContinued(c, e.GetIndex(), e.GetLogContinued())
	}
	if len(c.faults) > found {
		return false
	}
	f.order.time = e.GetTime()
	return true
}

func (f *fsck) founds(founded *ledgerv1.BankFounded) bool {
	f.order.bankID = founded.GetBankId()
	f.order.origins = []string{founded.GetOrigin()}
	return founded != nil && (f.BankID == "" || f.BankID == founded.GetBankId())
}

// checkContinued checks that a log goes on under an origin of its own, and that what is said of the log before it was signed.
func (f *fsck) checkContinued(c *chunk, index uint64, continued *ledgerv1.LogContinued) {
	if slices.Contains(f.order.origins, continued.GetOrigin()) {
		c.at(index, "origin", "%q names a log before it", continued.GetOrigin())
		return
	}
	f.order.origins = append(f.order.origins, continued.GetOrigin())
	former, err := formerLog(continued)
	switch {
	case err != nil:
		c.at(index, "last_checkpoint", "%v", err)
	case former.Verifier.Name() == continued.GetOrigin():
		c.at(index, "origin", "%q names the log before it too", continued.GetOrigin())
	}
}

// findKey finds the key under which an entry was signed, as it stands at that entry.
func (f *fsck) findKey(c *chunk, at *checkedEntry) error {
	if at.signed == nil {
		return nil
	}
	id := at.signed.KeyID
	key, ok := f.order.keys[string(id)]
	if !ok {
		row, err := f.order.state.Key(id)
		if err != nil && !errors.Is(err, book.ErrInconsistent) {
			return err
		}
		if row != nil {
			key = proto.Clone(row).(*ledgerv1.KeyRow)
			f.order.keys[string(id)] = key
		}
	}
	switch {
	case key == nil && f.order.stopped == nil:
		c.at(at.entry.GetIndex(), "key_id", "the key was not registered by then")
	case key != nil && f.Author != nil:
		at.signed.BankID = f.order.bankID
		c.signatures = append(c.signatures, signature{at.entry.GetIndex(), at.signed, key})
	}
	return nil
}

// forgetKey looks a key up anew after an entry about it.
func (f *fsck) forgetKey(e *ledgerv1.Entry) {
	delete(f.order.keys, string(e.GetKeyAdded().GetKeyId()))
	delete(f.order.keys, string(e.GetKeyRevoked().GetKeyId()))
}

// grow adds the tiles of a chunk to the tree of the entries and to that of the store, and compares the tiles above them.
func (f *fsck) grow(ctx context.Context, c *chunk) error {
	for _, key := range c.extra {
		f.extraTile(c, key)
	}
	for i, t := range c.tiles {
		first := c.first + uint64(i)*merkle.TileWidth
		if err := f.compareTile(c, first, t); err != nil {
			return err
		}
		stored := t.stored
		if stored == nil {
			stored = t.hashed
		}
		if len(t.hashed) < merkle.TileBytes {
			appendLeaves(&f.leaves.hashed, t.hashed)
			appendLeaves(&f.leaves.stored, stored)
			continue
		}
		above := f.leaves.hashed.AppendTile(nil, t.hashedRoot)
		aboveStored := f.leaves.stored.AppendTile(nil, t.storedRoot)
		for j, tile := range above {
			if err := f.compareAbove(ctx, c, tile, aboveStored[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendLeaves(edge *merkle.Edge, hashes []byte) {
	for leaf := range slices.Chunk(hashes, merkle.HashSize) {
		edge.Append(nil, merkle.Hash(leaf))
	}
}

// tileFault is a fault of a tile over entries of a chunk.
func (c *chunk) tileFault(index uint64, tile merkle.Tile, format string, args ...any) {
	c.faults = append(c.faults, Fault{Index: index, Field: tile.Path(), Problem: fmt.Sprintf(format, args...), heals: byTree})
}
