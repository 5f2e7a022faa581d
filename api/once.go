package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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
	indexes, errs, receipt, err := b.onceEach(ctx, []change{c})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return changed{}, err
	}
	return changed{Index: indexes[0], Receipt: receipt}, nil
}

// onceEach does changes of one caller within one commit, each unless it was done before and each for itself: it answers the
// entry or the error of each.
func (b *Bank) onceEach(ctx context.Context, changes []change) (indexes []uint64, errs []error, receipt ledger.Receipt, err error) {
	requests := make([]*ledgerv1.Request, len(changes))
	reads := [][]byte{book.DirectoryKey()}
	for i, c := range changes {
		request, err := c.request()
		if err != nil {
			return nil, nil, ledger.Receipt{}, err
		}
		requests[i] = request
		reads = append(append(reads, book.RequestKey(c.who(), string(c.method), request.GetRequestId())), c.reads...)
	}
	indexes = make([]uint64, len(changes))
	for range maxPrepare {
		d, err := b.newestDirectory(ctx)
		if err != nil {
			return nil, nil, ledger.Receipt{}, err
		}
		receipt, errs, err := b.ledger.ProposeEach(ctx, reads, len(changes), func(tx *ledger.Tx, i int) (err error) {
			indexes[i], err = changes[i].do(tx, d, requests[i])
			return err
		})
		if err != nil {
			return nil, nil, ledger.Receipt{}, err
		}
		if !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, errStale) }) {
			return indexes, errs, receipt, nil
		}
	}
	return nil, nil, ledger.Receipt{}, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}

// answered says whether a change was done before, so that it is answered again without a look at how things stand now: what
// refuses a request that comes for the first time does not refuse to say what became of it.
func (b *Bank) answered(ctx context.Context, c change) (bool, error) {
	_, same, err := b.earlier(ctx, c)
	return same, err
}

// repeated is answered for a change that leaves something elsewhere before it comes to the writer: it refuses, as the writer would, an
// id under which something else was asked.
func (b *Bank) repeated(ctx context.Context, c change) (bool, error) {
	known, same, err := b.earlier(ctx, c)
	if err == nil && known != nil && !same {
		err = reused(known)
	}
	return same, err
}

// earlier answers the request that came before under the id of a change, nil if none did, and whether it asked the same.
func (b *Bank) earlier(ctx context.Context, c change) (known *ledgerv1.RequestRow, same bool, err error) {
	request, err := c.request()
	if err != nil {
		return nil, false, err
	}
	view, err := b.ledger.View()
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	known, err = view.State(ctx).Request(c.who(), request.GetMethod(), request.GetRequestId())
	return known, known != nil && bytes.Equal(known.GetHash(), request.GetHash()), err
}

// reused is the fault of a request under an id that another one had.
func reused(known *ledgerv1.RequestRow) *Error {
	return faultf(Conflict, ReasonRequestReused, "request_id",
		"entry %d answered another request under this id; use a new id for a new request", known.GetIndex())
}

// who is the caller in the keys of requests.
func (c change) who() string { return book.Caller(c.caller.Actor()) }

// request is how the ledger remembers the call.
func (c change) request() (*ledgerv1.Request, error) {
	id, fault := parseRequestID(c.requestID)
	if fault != nil {
		return nil, fault
	}
	if c.caller.Kind == access.Resident {
		// Residents share the scope of their request ids: the account tells them apart, also when it has become part of another one since.
		c.asked = []any{c.caller.SignedIn.String(), c.asked}
	}
	asked, err := json.Marshal(c.asked)
	if err != nil {
		return nil, fmt.Errorf("api: request: %v", err)
	}
	hash := sha256.Sum256(asked)
	return &ledgerv1.Request{Method: string(c.method), RequestId: id[:], Hash: hash[:]}, nil
}

// do does the change in the writer, and answers its entry.
func (c change) do(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
	known, err := tx.Request(c.who(), request.GetMethod(), request.GetRequestId())
	if err != nil {
		return 0, err
	}
	if known != nil {
		if !bytes.Equal(known.GetHash(), request.GetHash()) {
			return 0, reused(known)
		}
		return known.GetIndex(), nil
	}
	version, err := tx.Directory()
	if err != nil {
		return 0, err
	}
	if version != d.version {
		return 0, errStale
	}
	if err := d.stands(c.caller); err != nil {
		return 0, err
	}
	return c.step(tx, d, request)
}
