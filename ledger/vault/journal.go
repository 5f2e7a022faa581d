package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Access says that somebody looked at an account. It survives the account's erasure, so nothing in it may be personal to
// the account's holder: the words are codes, not sentences.
type Access struct {
	// At is when; microseconds count. The zero time is now.
	At time.Time
	// Caller is who looked: an organization, an officer, or the holder. Caller, Action and Purpose are 1 to 128
	// characters of printable ASCII without spaces; Purpose may be empty.
	Caller string
	// Account is whom they looked at; zero when they asked for somebody who is not here.
	Account unit.AccountID
	// Action is what they did, such as the name of a method.
	Action string
	// Purpose is what they did it for.
	Purpose string
}

// AccessesKept is how long an access is kept at least: a year and a month, which is more than the six months that the law asks for.
const AccessesKept = 396 * 24 * time.Hour

// maxForgotten is how many accesses that are older one access takes with it: more than come in, so that a journal holds those of
// AccessesKept in the end, and no others.
const maxForgotten = 8

// MaxPage is the most accesses that a page holds.
const MaxPage = 1000

// Cursor is a place in an account's journal. The zero Cursor is before the newest access.
type Cursor [12]byte

// Page asks for a part of a journal.
type Page struct {
	// After is where to begin: the cursor that came with the page before.
	After Cursor
	// Size is how many accesses at most; 1 to MaxPage.
	Size int
}

// Journal writes an access down, durably, and forgets some of the same account that are older than [AccessesKept].
func (v *Vault) Journal(ctx context.Context, access Access) error {
	if !isWord(access.Caller) || !isWord(access.Action) || (access.Purpose != "" && !isWord(access.Purpose)) {
		return fmt.Errorf("%w: access: words of 1 to %d characters of printable ascii", ErrInvalid, maxWordBytes)
	}
	if access.At.IsZero() {
		access.At = v.now()
	}
	row := binary.BigEndian.AppendUint64([]byte{accessVersion}, uint64(access.At.UnixMicro()))
	for _, word := range []string{access.Caller, access.Action, access.Purpose} {
		row = appendBytes(row, []byte(word))
	}
	return v.writer.commit(ctx, func(d *draft) error {
		if err := v.forgetAccesses(ctx, d, access.Account); err != nil {
			return err
		}
		head, position := d.sequence()
		key := append([]byte{tableAccess}, access.Account[:]...)
		key = binary.BigEndian.AppendUint64(key, uint64(head))
		d.set(binary.BigEndian.AppendUint32(key, uint32(position)), row)
		return nil
	}, nil)
}

// forgetAccesses deletes the oldest accesses of an account, as far as their time is over.
func (v *Vault) forgetAccesses(ctx context.Context, d *draft, id unit.AccountID) error {
	before := v.now().Add(-AccessesKept)
	forgotten := 0
	for row, err := range d.reader.Scan(ctx, store.Prefix(append([]byte{tableAccess}, id[:]...))) {
		if err != nil {
			return fmt.Errorf("vault: accesses: %w", err)
		}
		access, err := decodeAccess(row.Value)
		if err != nil {
			return fmt.Errorf("%w: access", err)
		}
		if forgotten == maxForgotten || !access.At.Before(before) {
			return nil
		}
		d.delete(bytes.Clone(row.Key))
		forgotten++
	}
	return nil
}

// Accesses reads who looked at an account, the newest first. A next that is zero says that there is no more. An account
// without accesses, known or not, has an empty journal.
func (v *Vault) Accesses(ctx context.Context, id unit.AccountID, page Page) (accesses []Access, next Cursor, err error) {
	if page.Size < 1 || page.Size > MaxPage {
		return nil, Cursor{}, fmt.Errorf("%w: page: 1 to %d accesses", ErrInvalid, MaxPage)
	}
	prefix := append([]byte{tableAccess}, id[:]...)
	r := store.Prefix(prefix)
	r.Reverse = true
	if page.After != (Cursor{}) {
		r.End = append(bytes.Clone(prefix), page.After[:]...)
	}
	for row, err := range v.engine.Scan(ctx, r) {
		if err != nil {
			return nil, Cursor{}, fmt.Errorf("vault: accesses: %w", err)
		}
		if len(accesses) == page.Size {
			return accesses, next, nil
		}
		access, err := decodeAccess(row.Value)
		if err != nil || len(row.Key) != len(prefix)+len(next) {
			return nil, Cursor{}, fmt.Errorf("%w: access", ErrDamaged)
		}
		access.Account = id
		accesses = append(accesses, access)
		next = Cursor(row.Key[len(prefix):])
	}
	return accesses, Cursor{}, nil
}

func decodeAccess(row []byte) (Access, error) {
	if len(row) < 1+8 || row[0] != accessVersion {
		return Access{}, ErrDamaged
	}
	access := Access{At: time.UnixMicro(int64(binary.BigEndian.Uint64(row[1:]))).UTC()}
	row = row[1+8:]
	for _, word := range []*string{&access.Caller, &access.Action, &access.Purpose} {
		text, rest, found := cutBytes(row)
		if !found {
			return Access{}, ErrDamaged
		}
		*word, row = string(text), rest
	}
	if len(row) != 0 {
		return Access{}, ErrDamaged
	}
	return access, nil
}
