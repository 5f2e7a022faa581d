package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Who holds credits under terms that their institution did not publish, or without a quote, is found out.
func TestFsckOfHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *ledgerv1.HoldPlaced)
		want   string
	}{
		"of no call":        {func(f *ledgerv1.HoldPlaced) { f.Request = nil }, "entry 8: request.request_id"},
		"without a quote":   {func(f *ledgerv1.HoldPlaced) { f.QuoteDigest = nil }, "entry 8: quote_digest"},
		"under none":        {func(f *ledgerv1.HoldPlaced) { f.Agreement = 4 }, "entry 8: agreement"},
		"under one to come": {func(f *ledgerv1.HoldPlaced) { f.Agreement = 9 }, "entry 8: agreement"},
		"under another's":   {func(f *ledgerv1.HoldPlaced) { f.Institution = "college" }, "entry 8: agreement"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			account := unit.AccountID{1}
			ref := &ledgerv1.CompletionRef{Index: 7, EndDay: 18_020}
			placed := &ledgerv1.HoldPlaced{
				Actor: &ledgerv1.Actor{Resident: true}, Account: account[:], Institution: "university", Programme: "nursing", Agreement: 3,
				QuoteDigest: make([]byte, 32), Deadline: 1 << 60,
				Request: &ledgerv1.Request{Method: "RequestTransfer", RequestId: make([]byte, 16), Hash: make([]byte, 32)},
				Items:   []*ledgerv1.HoldItem{{Entry: 7, Completion: ref, MilliCredits: 500, Category: "arts"}},
				Effects: &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{Entry: 7, Completion: ref, Available: -500, Reserved: 500}}},
			}
			c.change(placed)
			proposed := &ledgerv1.OpeningBalancesProposed{Organization: "college", Source: "old", Rows: 1}
			source := make([]byte, 16)
			source[0], source[6], source[8] = 1, 0x80, 0x80
			for _, e := range []*ledgerv1.Entry{
				organization("college"), organization("university"),
				{Fact: &ledgerv1.Entry_AgreementPublished{AgreementPublished: &ledgerv1.AgreementPublished{
					AgreementHash: make([]byte, 32), Institution: "university",
				}}},
				{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: account[:], Home: "college"}}},
				{Fact: &ledgerv1.Entry_OpeningBalancesProposed{OpeningBalancesProposed: proposed}},
				{Fact: &ledgerv1.Entry_OpeningBalancesConfirmed{OpeningBalancesConfirmed: &ledgerv1.OpeningBalancesConfirmed{Import: 5}}},
				{Fact: &ledgerv1.Entry_OpeningBalanceRecorded{OpeningBalanceRecorded: &ledgerv1.OpeningBalanceRecorded{
					Origin: &ledgerv1.ImportOrigin{Import: 5, SourceId: source}, Account: account[:], Source: "old", Category: "arts", EarnedDay: 18_020,
					Effects: &ledgerv1.Effects{Lots: []*ledgerv1.Lot{{Category: "arts", Available: 900}}},
				}}},
				{Fact: &ledgerv1.Entry_HoldPlaced{HoldPlaced: placed}},
			} {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{Engine: w.engine, BankID: bankID, Origin: origin})
			must(t, err)
			if found := fmt.Sprint(report.Faults); !strings.Contains(found, c.want) || strings.Count(found, "entry 8: ") != 1 {
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}
