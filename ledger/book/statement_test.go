package book_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// last answers the last key with a prefix.
func (r rows) last(prefix []byte) ([]byte, error) {
	var last []byte
	for key := range r {
		if bytes.HasPrefix([]byte(key), prefix) && key > string(last) {
			last = []byte(key)
		}
	}
	return last, nil
}

// recorder records statements of two organizations batch by batch, as the ledger does: a batch is handed over while the one before it
// is committed.
type recorder struct {
	t       *rapid.T
	below   rows
	state   *book.State
	flying  rows // handed over, and not below yet
	account []byte
	entries uint64
	// known are the statements that were recorded, and asked those that were looked for below.
	known map[string]uint64
	asked map[string]bool
}

func newRecorder(t *rapid.T) *recorder {
	r := &recorder{t: t, below: make(rows), account: bytes.Repeat([]byte{1}, 16), known: make(map[string]uint64)}
	r.open()
	r.apply(&ledgerv1.Entry{Fact: &ledgerv1.Entry_BankFounded{BankFounded: &ledgerv1.BankFounded{BankId: "b", Origin: "o", Format: 1}}})
	for _, o := range []string{platformA, platformB} {
		r.apply(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationRegistered{
			OrganizationRegistered: &ledgerv1.OrganizationRegistered{Organization: o},
		}})
	}
	r.apply(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{
		Actor: &ledgerv1.Actor{Officer: "registrar"}, Account: r.account, Home: platformA, Status: ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED,
		Request: &ledgerv1.Request{Method: "OpenAccount", RequestId: statementID(0, 0), Hash: make([]byte, 32)},
	}}})
	r.handOver(r.t)
	return r
}

// open begins with a state that knows nothing.
func (r *recorder) open() {
	r.state = book.NewState(r.below)
	r.state.Limit(3)
	r.state.InOrder(r.below.last)
}

func (r *recorder) apply(e *ledgerv1.Entry) {
	e.Index, e.Time = r.entries, int64(r.entries)
	r.entries++
	if err := r.state.Apply(e); err != nil {
		r.t.Fatalf("%v: %v", e, err)
	}
	if err := r.state.Keep(); err != nil {
		r.t.Fatal(err)
	}
}

func statementID(high, low uint32) []byte {
	id := []byte{6: 0x70, 8: 0x80, 15: 0}
	binary.BigEndian.PutUint32(id, high)
	binary.BigEndian.PutUint32(id[12:], low)
	return id
}

// record looks for some statements, old or new, of an organization, and records those that are new.
func (r *recorder) record(t *rapid.T) {
	number := rapid.SampledFrom([]uint64{1, 2}).Draw(t, "organization")
	name := []string{platformA, platformB}[number-1]
	var keys [][]byte
	for range rapid.IntRange(1, 6).Draw(t, "statements") {
		high := rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Just(uint32(r.entries))).Draw(t, "high")
		keys = append(keys, book.StatementKey(number, unit.StatementID(statementID(high, rapid.Uint32Range(0, 3).Draw(t, "low")))))
	}
	r.prefetch(t, keys)
	for _, key := range keys {
		id := unit.StatementID(key[9:])
		want, known := r.known[string(key)]
		index, ok, err := r.state.Statement(number, id)
		if err != nil || ok != known || index != want {
			t.Fatalf("%x: entry %d, %t, %v, not %d, %t", key, index, ok, err, want, known)
		}
		if !known && rapid.Bool().Draw(t, "record") {
			r.known[string(key)] = r.entries
			r.apply(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
				Account: r.account, Origin: &ledgerv1.Origin{Organization: name, StatementId: id[:]},
				EndDay: firstDay, Outcome: ledgerv1.Outcome_OUTCOME_NO_CREDIT,
			}}})
		}
	}
}

func (r *recorder) prefetch(t *rapid.T, keys [][]byte) {
	r.asked = make(map[string]bool)
	err := r.state.Prefetch(slices.Values(keys), func(keys [][]byte) (values [][]byte, err error) {
		for _, key := range keys {
			r.asked[string(key)] = true
			values = append(values, r.below[string(key)])
		}
		return values, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// commit has what was handed over committed.
func (r *recorder) commit(*rapid.T) {
	if r.flying == nil {
		return
	}
	for key, value := range r.flying {
		if r.below[key] = value; value == nil {
			delete(r.below, key)
		}
	}
	r.flying = nil
	r.state.Committed()
}

func (r *recorder) handOver(t *rapid.T) {
	r.commit(t)
	r.flying = make(rows)
	for key, value := range r.state.Changes {
		r.flying[string(key)] = value
	}
	r.state.HandedOver()
}

func (r *recorder) reopen(t *rapid.T) {
	r.handOver(t)
	r.commit(t)
	r.open()
}

// A statement is known to have been recorded for ever, in whatever order ids come, and however much was forgotten since.
func TestStatementsAreKnownForEver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRecorder(t)
		t.Repeat(map[string]func(*rapid.T){
			"record": r.record, "record again": r.record, "hand over": r.handOver, "commit": r.commit, "reopen": r.reopen,
		})
	})
}

// Who numbers statements in order has none of the new ones looked for, also where four callers are a little apart; who
// does not has all of them looked for that are not beyond the greatest.
func TestNewStatementsAreNotLookedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ids   func(batch uint32) uint32
		asked bool
	}{
		"in order":     {func(batch uint32) uint32 { return batch }, false},
		"four callers": {func(batch uint32) uint32 { return batch ^ 3 }, false},
		"out of order": {func(batch uint32) uint32 { return 1000 - batch }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				r := newRecorder(t)
				reopened := rapid.Uint32Range(2, 20).Draw(t, "reopened") &^ 3
				for batch := range uint32(20) {
					if batch == reopened {
						r.reopen(t)
					}
					id := statementID(test.ids(batch), 0)
					key := book.StatementKey(1, unit.StatementID(id))
					r.prefetch(t, [][]byte{key})
					// The first ids of a state that knows nothing, or has forgotten nothing, are beyond those that it has forgotten.
					if early := batch < 10 || batch-reopened < 10; !early && r.asked[string(key)] != test.asked {
						t.Fatalf("batch %d: asked for it: %t", batch, !test.asked)
					}
					r.apply(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
						Account: r.account, Origin: &ledgerv1.Origin{Organization: platformA, StatementId: id},
						EndDay: firstDay, Outcome: ledgerv1.Outcome_OUTCOME_NO_CREDIT,
					}}})
					r.handOver(t)
				}
			})
		})
	}
}
