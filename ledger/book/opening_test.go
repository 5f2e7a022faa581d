package book_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func (m *machine) proposeImport(t *rapid.T) {
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalancesProposed{OpeningBalancesProposed: &ledgerv1.OpeningBalancesProposed{
		Actor: &ledgerv1.Actor{Officer: "chen"}, Request: m.request("ProposeOpeningBalances"), Organization: platformB, Rows: 1000,
		Source: rapid.SampledFrom([]string{"xihu-2019", "xihu-2008"}).Draw(t, "source"), PartRoots: make([]byte, 32),
	}}})
}

// imported draws an import that is confirmed, or not.
func (m *machine) imported(t *rapid.T, confirmed bool) uint64 {
	var all []uint64
	for _, index := range slices.Sorted(maps.Keys(m.model.imports)) {
		if (m.model.imports[index].confirmed != 0) == confirmed {
			all = append(all, index)
		}
	}
	if len(all) == 0 {
		t.Skip("no such import")
	}
	return rapid.SampledFrom(all).Draw(t, "import")
}

func (m *machine) confirmImport(t *rapid.T) {
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalancesConfirmed{OpeningBalancesConfirmed: &ledgerv1.OpeningBalancesConfirmed{
		Actor: &ledgerv1.Actor{Officer: "zhou"}, Request: m.request("ConfirmOpeningBalances"), Import: m.imported(t, false),
	}}})
}

func (m *machine) takeOver(t *rapid.T) {
	from := m.imported(t, true)
	id, _ := m.account(t)
	category := rapid.SampledFrom(categories()).Draw(t, "category")
	day := firstDay - rapid.Int32Range(-7, 9000).Draw(t, "days ago")
	effects := new(ledgerv1.Effects)
	if minutes := rapid.Int64Range(0, 500).Draw(t, "minutes"); minutes > 0 {
		effects.Hours = []*ledgerv1.YearMinutes{{Year: 2019, Category: category, Minutes: minutes}}
	}
	if credits := rapid.Int64Range(0, 900).Draw(t, "credits"); credits > 0 {
		effects.Lots = []*ledgerv1.Lot{{
			Category: category, Available: credits, ExpiresDay: rapid.SampledFrom([]int32{0, firstDay + 700}).Draw(t, "expires"),
		}}
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalanceRecorded{OpeningBalanceRecorded: &ledgerv1.OpeningBalanceRecorded{
		Actor: &ledgerv1.Actor{Officer: "zhou"}, Origin: &ledgerv1.ImportOrigin{Import: from, SourceId: m.id()}, Account: id,
		Source: m.model.imports[from].source, Category: category, EarnedDay: day, Effects: effects,
	}}})
}

func (m *machine) takeBack(t *rapid.T) {
	from := m.imported(t, true)
	a, item := m.item(t, func(i *naiveItem) bool {
		return i.kind == ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE && i.outcome != ledgerv1.Outcome_OUTCOME_VOIDED
	})
	m.release(t, item)
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalanceReversed{OpeningBalanceReversed: &ledgerv1.OpeningBalanceReversed{
		Actor: &ledgerv1.Actor{Officer: "chen"}, Origin: &ledgerv1.ImportOrigin{Import: from, SourceId: m.id()},
		Account: []byte(item.account), Balance: item.ref(), Effects: m.reversal(a, item),
	}}})
}

// openingMisfits are opening balances that do not fit: of no import or of one that waits, of a record that is known, of a
// completion.
func (m *machine) openingMisfits(id []byte, a *naiveAccount, all map[string]*ledgerv1.Entry) {
	record := func(from uint64, sourceID []byte) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalanceRecorded{OpeningBalanceRecorded: &ledgerv1.OpeningBalanceRecorded{
			Origin: &ledgerv1.ImportOrigin{Import: from, SourceId: sourceID}, Account: id, Category: "arts", EarnedDay: firstDay,
		}}}
	}
	all["balance of no import"] = record(1<<40, m.id())
	for index, i := range m.model.imports {
		switch {
		case i.confirmed == 0:
			all["balance of an import that waits"] = record(index, m.id())
		default:
			all["confirmed twice"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalancesConfirmed{
				OpeningBalancesConfirmed: &ledgerv1.OpeningBalancesConfirmed{Import: index},
			}}
			all["balance without a record"] = record(index, nil)
			for s := range m.model.statements {
				if s.organization == 0 {
					all["record twice"] = record(index, []byte(s.id))
				}
			}
			for _, item := range a.items {
				if item.kind == ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE && item.outcome != ledgerv1.Outcome_OUTCOME_VOIDED {
					continue
				}
				all["taken back, and no balance"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalanceReversed{
					OpeningBalanceReversed: &ledgerv1.OpeningBalanceReversed{
						Origin: &ledgerv1.ImportOrigin{Import: index, SourceId: m.id()}, Account: id, Balance: item.ref(),
					},
				}}
			}
		}
	}
}
