package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// change is a call that writes at most once: (caller, method, request id) is answered with the same entry for ever.
type change struct {
	caller access.Caller
	method access.Action
	// requestID is the caller's; asked is everything else that was asked, for noticing another request under the same id.
	requestID string
	asked     any
	// reads names the rows that step reads.
	reads [][]byte
	// step runs in the writer, on the newest directory, and appends the entry.
	step func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (index uint64, err error)
}

// changed is what a change led to.
type changed struct {
	// Index is the entry that did it, now or when the request came first.
	Index   uint64
	Receipt ledger.Receipt
}

// once does a change, unless it was done before.
func (b *Bank) once(ctx context.Context, c change) (changed, error) {
	id, fault := parseRequestID(c.requestID)
	if fault != nil {
		return changed{}, fault
	}
	if c.caller.Kind == access.Resident {
		// Residents share the scope of their request ids: the account tells them apart.
		c.asked = []any{c.caller.Account.String(), c.asked}
	}
	asked, err := json.Marshal(c.asked)
	if err != nil {
		return changed{}, fmt.Errorf("api: request: %v", err)
	}
	hash := sha256.Sum256(asked)
	request := &ledgerv1.Request{Method: string(c.method), RequestId: id[:], Hash: hash[:]}
	who := book.Caller(c.caller.Actor())
	reads := append([][]byte{book.DirectoryKey(), book.RequestKey(who, string(c.method), id[:])}, c.reads...)
	for range maxPrepare {
		d, err := b.newestDirectory(ctx)
		if err != nil {
			return changed{}, err
		}
		var index uint64
		receipt, err := b.ledger.Propose(ctx, reads, func(tx *ledger.Tx) error {
			known, err := tx.Request(who, string(c.method), id[:])
			if err != nil {
				return err
			}
			if known != nil {
				if !bytes.Equal(known.GetHash(), hash[:]) {
					return faultf(Conflict, ReasonRequestReused, "request_id",
						"entry %d answered another request under this id; use a new id for a new request", known.GetIndex())
				}
				index = known.GetIndex()
				return nil
			}
			version, err := tx.Directory()
			if err != nil {
				return err
			}
			if version != d.version {
				return errStale
			}
			if err := d.stands(c.caller); err != nil {
				return err
			}
			index, err = c.step(tx, d, request)
			return err
		})
		if errors.Is(err, errStale) {
			continue
		}
		if err != nil {
			return changed{}, err
		}
		return changed{Index: index, Receipt: receipt}, nil
	}
	return changed{}, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}
