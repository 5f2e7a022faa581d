package ledger_test

import (
	"bytes"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A store of before there were consent lists is sound, and has them once it was opened; one that lost a part of them is not.
func TestConsentListsOfAnOlderStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open(t)
	add := func(l *ledger.Ledger, e *ledgerv1.Entry) (index uint64) {
		t.Helper()
		_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) (err error) {
			index, err = tx.Append(e)
			return err
		})
		must(t, err)
		return index
	}
	grant := func(l *ledger.Ledger, id unit.AccountID, institution string) uint64 {
		return add(l, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentGranted{ConsentGranted: &ledgerv1.ConsentGranted{
			Actor: &ledgerv1.Actor{Resident: true}, Account: id[:], Institution: institution, Purpose: "transfer", Expires: 1 << 60,
		}}})
	}
	accounts := []unit.AccountID{{1}, {2}}
	numbers := map[string]uint64{}
	for _, id := range []string{"college", "university"} {
		numbers[id] = add(l, organization(id))
	}
	listed := make(map[string]unit.AccountID)
	for _, id := range accounts {
		add(l, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: id[:], Home: "college"}}})
	}
	for _, id := range accounts {
		for institution, number := range numbers {
			listed[string(book.ConsentListKey(number, grant(l, id, institution)))] = id
		}
	}
	must(t, l.Close())
	rows := func() (keys [][]byte) {
		t.Helper()
		for row, err := range w.engine.Scan(t.Context(), store.Prefix([]byte{book.TableConsentLists})) {
			must(t, err)
			if id, ok := listed[string(row.Key)]; !ok || !bytes.Equal(id[:], row.Value) {
				t.Errorf("row %x has %x", row.Key, row.Value)
			}
			keys = append(keys, bytes.Clone(row.Key))
		}
		return keys
	}
	remove := func(keys ...[]byte) {
		t.Helper()
		var batch store.Batch
		for _, key := range keys {
			batch.Delete(key)
		}
		must(t, w.engine.Commit(t.Context(), &batch, w.engine.Head()))
	}
	all := rows()
	if len(all) != len(listed) {
		t.Fatalf("%d consents are listed, not %d", len(all), len(listed))
	}
	remove(all[0])
	if report := w.fsck(t); len(report.Faults) != 1 || !report.Faults[0].Rebuilt() {
		t.Errorf("where one is missing, fsck says %v", report.Faults)
	}
	remove(all[1:]...)
	if report := w.fsck(t); len(report.Faults) != 0 {
		t.Errorf("before it is opened, fsck says %v", report.Faults)
	}
	again := w.open(t)
	if got := rows(); len(got) != len(all) {
		t.Errorf("%d consents are listed, not %d", len(got), len(all))
	}
	listed[string(book.ConsentListKey(numbers["college"], grant(again, accounts[0], "college")))] = accounts[0]
	if report := w.fsck(t); len(report.Faults) != 0 || len(rows()) != len(listed) {
		t.Errorf("afterwards there are %d, and fsck says %v", len(rows()), report.Faults)
	}
}
