package api_test

import (
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
)

// A row that is on the ledger is known again wherever its account has gone, and nobody else's row is taken for it.
func TestTakeOverAgainAfterMerge(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into, last, other := b.Open(), b.Open(), b.Open(), b.Open()
	kept, gone := apitest.OpeningRow(from.Number, "kept"), apitest.OpeningRow(from.Number, "gone")
	back := apitest.OpeningReversal(from.Number, "gone")
	first := b.TakeOver(kept, gone, back)
	recorded(t, first)
	again := func(when string) {
		t.Helper()
		size := b.size()
		for i, r := range b.TakeOver(kept, gone, back) {
			if r.Status != api.Replayed || r.Index != first[i].Index {
				t.Errorf("%s: row %d of entry %d is %+v: %v", when, i, first[i].Index, r, r.Fault)
			}
		}
		if b.size() != size+2 { // the import and its confirmation
			t.Errorf("%s: %d entries more", when, b.size()-size)
		}
	}
	m := b.merges(from, into)
	again("merged")
	b.undoes(m)
	again("undone")
	b.merges(from, into)
	b.merges(into, last)
	again("merged twice")
	if r := b.TakeOver(apitest.OpeningRow(last.Number, "kept"))[0]; r.Status != api.Replayed || r.Index != first[0].Index {
		t.Errorf("said of the account where it counts now: %+v", r)
	}
	if r := b.TakeOver(apitest.OpeningRow(other.Number, "kept"))[0]; r.Status != api.Rejected || r.Fault.Reason != api.ReasonRecordConflict {
		t.Errorf("said of somebody else: %+v", r)
	}
	changed := apitest.OpeningRow(from.Number, "kept")
	changed.MilliCredits++
	if r := b.TakeOver(changed)[0]; r.Status != api.Rejected || r.Fault.Reason != api.ReasonRecordConflict {
		t.Errorf("with other credits: %+v", r)
	}
}
