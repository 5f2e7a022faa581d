package ledger

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// FormerLog is a log that ended, since its newest entries or its key were lost, and whose other entries went on under
// another origin (see Recover).
type FormerLog struct {
	// VerifierKey is its public key, <origin>+<key id>+<key>, and Verifier that key.
	VerifierKey string
	Verifier    note.Verifier
	// Signed is the newest checkpoint of it that is known, and Last what it says; nil and zero where none is.
	Signed []byte
	Last   merkle.Checkpoint
	// Kept is how many entries went on.
	Kept uint64
}

// formerLog reads what an entry says of the log before it, and verifies it.
func formerLog(c *ledgerv1.LogContinued) (FormerLog, error) {
	former := FormerLog{VerifierKey: c.GetLastVerifierKey(), Signed: c.GetLastCheckpoint()}
	var err error
	if former.Verifier, err = note.NewVerifier(former.VerifierKey); err != nil {
		return FormerLog{}, fmt.Errorf("the log before it has no verifier key: %v", err)
	}
	if len(former.Signed) == 0 {
		return former, nil
	}
	former.Last, err = merkle.OpenCheckpoint(former.Signed, former.Verifier.Name(), former.Verifier)
	return former, err
}

// FormerLogs answers the logs before this one, the oldest first.
func (v View) FormerLogs(ctx context.Context) ([]FormerLog, error) {
	id, err := identify(ctx, v.snapshot)
	if err != nil {
		return nil, err
	}
	former := make([]FormerLog, len(id.continued))
	for i, e := range id.continued {
		if former[i], err = formerLog(e.GetLogContinued()); err != nil {
			return nil, fmt.Errorf("%w: entry %d: %w", ErrDamaged, e.GetIndex(), err)
		}
		former[i].Kept = e.GetIndex()
	}
	return former, nil
}

// identity is what the entries say of the bank and of the log that they are.
type identity struct {
	founded *ledgerv1.BankFounded
	// continued are the entries by which the log got another origin, in their order.
	continued []*ledgerv1.Entry
}

// origin is the name of the log.
func (id identity) origin() string {
	if n := len(id.continued); n > 0 {
		return id.continued[n-1].GetLogContinued().GetOrigin()
	}
	return id.founded.GetOrigin()
}

// origins are all names that the log ever had.
func (id identity) origins() []string {
	names := []string{id.founded.GetOrigin()}
	for _, e := range id.continued {
		names = append(names, e.GetLogContinued().GetOrigin())
	}
	return names
}

// identify reads whose log the entries are.
func identify(ctx context.Context, reader store.Reader) (id identity, err error) {
	if id.founded, err = founding(ctx, reader); err != nil {
		return id, err
	}
	indexes, err := book.NewState(rows{ctx, reader}).Origins()
	if err != nil {
		return id, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for _, index := range indexes {
		b, err := rows{ctx, reader}.Row(book.EntryKey(index))
		if err != nil {
			return id, err
		}
		e, err := decodeEntry(index, b)
		if err != nil {
			return id, err
		}
		if e.GetLogContinued() == nil {
			return id, fmt.Errorf("%w: entry %d names no origin", ErrDamaged, index)
		}
		id.continued = append(id.continued, e)
	}
	return id, nil
}
