package apitest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The fixture itself has to work: a completion on a new account is awarded under the published policy.
func TestBank(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	results := b.Record(b.Completion(account.Number))
	if r := results[0]; r.Status != api.Recorded || r.Decision.Outcome != ledgerv1.Outcome_OUTCOME_AWARDED || r.Decision.Minutes != 90 {
		t.Fatalf("status %d, decision %+v", r.Status, r.Decision)
	}
	portfolio, err := b.GetPortfolio(t.Context(), b.Resident(account.ID), account.ID, 10)
	if err != nil {
		t.Fatal(err)
	}
	// 90 minutes of 720 make 0.125 credits; 0.1 are given and the rest is carried.
	if portfolio.EntryCount != 1 || portfolio.Totals.Available != 100 {
		t.Fatalf("entries %d, totals %+v", portfolio.EntryCount, portfolio.Totals)
	}
}
