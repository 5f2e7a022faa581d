package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// imported are the entries of an import of one row, as a bank writes them but that nothing is sealed.
func imported(t *testing.T, account unit.AccountID) []*ledgerv1.Entry {
	t.Helper()
	row, err := proto.Marshal(&ledgerv1.OpeningBalanceRow{
		Action: ledgerv1.RowAction_ROW_ACTION_RECORD, AccountNumber: "8241685281720300", SourceRecord: "1", Category: "arts",
		Minutes: 90, MilliCredits: 1500, EarnedOn: "2019-05-04", ExpiresOn: "2030-01-01",
	})
	must(t, err)
	sealed, err := proto.Marshal(&ledgerv1.SealedOpeningBalance{Row: row})
	must(t, err)
	back, err := proto.Marshal(&ledgerv1.OpeningBalanceRow{Action: ledgerv1.RowAction_ROW_ACTION_REVERSE, SourceRecord: "1"})
	must(t, err)
	sealedBack, err := proto.Marshal(&ledgerv1.SealedOpeningBalance{Row: back})
	must(t, err)
	id := func(n byte) []byte { return []byte{n, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 0} }
	const earned, expires = 18_020, 21_915
	ref := &ledgerv1.CompletionRef{Index: 5, EndDay: earned}
	return []*ledgerv1.Entry{
		organization("college"),
		{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: account[:], Home: "college"}}},
		{Fact: &ledgerv1.Entry_OpeningBalancesProposed{OpeningBalancesProposed: &ledgerv1.OpeningBalancesProposed{
			Actor: &ledgerv1.Actor{Officer: "chen"}, Organization: "college", Source: "xihu-2019", FileHash: make([]byte, 32), Rows: 2, PartRoots: make([]byte, 32),
		}}},
		{Fact: &ledgerv1.Entry_OpeningBalancesConfirmed{OpeningBalancesConfirmed: &ledgerv1.OpeningBalancesConfirmed{
			Actor: &ledgerv1.Actor{Officer: "zhou"}, Import: 3, FileHash: make([]byte, 32),
		}}},
		{Fact: &ledgerv1.Entry_OpeningBalanceRecorded{OpeningBalanceRecorded: &ledgerv1.OpeningBalanceRecorded{
			Origin: &ledgerv1.ImportOrigin{Import: 3, SourceId: id(1)}, Account: account[:], Source: "xihu-2019", Category: "arts", EarnedDay: earned, Sealed: sealed,
			Effects: &ledgerv1.Effects{
				Hours: []*ledgerv1.YearMinutes{{Year: 2019, Category: "arts", Minutes: 90}},
				Lots:  []*ledgerv1.Lot{{Category: "arts", Available: 1500, ExpiresDay: expires}},
			},
		}}},
		{Fact: &ledgerv1.Entry_OpeningBalanceReversed{OpeningBalanceReversed: &ledgerv1.OpeningBalanceReversed{
			Origin: &ledgerv1.ImportOrigin{Import: 3, Position: 1, SourceId: id(2)}, Account: account[:], Balance: ref, Sealed: sealedBack,
			Effects: &ledgerv1.Effects{
				Hours:      []*ledgerv1.YearMinutes{{Year: 2019, Category: "arts", Minutes: -90}},
				LotChanges: []*ledgerv1.LotChange{{Entry: 5, Available: -1500, Reversed: 1500, Completion: ref}},
			},
		}}},
	}
}

// Who has written an import that no two officers stand behind, or an opening balance that says something else than its row,
// is found out.
func TestFsckOfOpeningBalances(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(entries []*ledgerv1.Entry)
		want   string // empty: it is sound
	}{
		"sound":    {func([]*ledgerv1.Entry) {}, ""},
		"no roots": {func(e []*ledgerv1.Entry) { e[2].GetOpeningBalancesProposed().PartRoots = nil }, "entry 3: part_roots"},
		"rows of more parts": {
			func(e []*ledgerv1.Entry) { e[2].GetOpeningBalancesProposed().Rows = 1001 }, "entry 3: part_roots",
		},
		"another file": {func(e []*ledgerv1.Entry) { e[3].GetOpeningBalancesConfirmed().FileHash[0] = 1 }, "entry 4: file_hash"},
		"one officer":  {func(e []*ledgerv1.Entry) { e[3].GetOpeningBalancesConfirmed().Actor.Officer = "chen" }, "entry 4: actor"},
		"no such row":  {func(e []*ledgerv1.Entry) { e[4].GetOpeningBalanceRecorded().Origin.Position = 2 }, "entry 5: origin"},
		"no such part": {func(e []*ledgerv1.Entry) { e[4].GetOpeningBalanceRecorded().Origin.Part = 1 }, "entry 5: origin"},
		"more minutes": {
			func(e []*ledgerv1.Entry) { e[4].GetOpeningBalanceRecorded().Effects.Hours[0].Minutes++ }, "entry 5: sealed",
		},
		"more credits": {
			func(e []*ledgerv1.Entry) { e[4].GetOpeningBalanceRecorded().Effects.Lots[0].Available++ }, "entry 5: sealed",
		},
		"later": {func(e []*ledgerv1.Entry) { e[4].GetOpeningBalanceRecorded().Effects.Lots[0].ExpiresDay = 0 }, "entry 5: sealed"},
		"no row": {
			func(e []*ledgerv1.Entry) { e[4].GetOpeningBalanceRecorded().Sealed = []byte{0xff} }, "entry 5: sealed: it holds no row",
		},
		"taken back by a row that records": {func(e []*ledgerv1.Entry) {
			e[5].GetOpeningBalanceReversed().Sealed = e[4].GetOpeningBalanceRecorded().GetSealed()
		}, "entry 6: sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			entries := imported(t, unit.AccountID{1})
			c.change(entries)
			for _, e := range entries {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{
				Engine: w.engine, BankID: bankID, Origin: origin,
				Unseal: func(_ unit.AccountID, _ string, _, sealed []byte) ([]byte, bool, error) { return sealed, true, nil },
			})
			must(t, err)
			switch found := fmt.Sprint(report.Faults); {
			case c.want == "" && len(report.Faults) > 0:
				t.Errorf("found %v", found)
			case !strings.Contains(found, c.want):
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}
