package simulation_test

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// takeOver has two officers take over what people had earned elsewhere, and now and again take some of it back. Wherever it
// is interrupted, asking for all of it once more leads to the same entries.
func (g *generator) takeOver(m *model) change {
	n := g.number()
	var rows []*ledgerv1.OpeningBalanceRow
	for i := range 1 + g.random.IntN(4) {
		number := m.accounts[m.holders[g.random.IntN(len(m.holders))].opening.Name].Number
		record := fmt.Sprintf("%d/%d", n, i)
		row := apitest.OpeningRow(number, record)
		row.Category = []string{"arts", "health", "vocational"}[g.random.IntN(3)]
		row.Minutes, row.MilliCredits = int64(g.random.IntN(900)), 1+int64(g.random.IntN(60_000))
		if g.chance(30) {
			row.ExpiresOn = g.clock.Now().AddDate(0, 0, 2+g.random.IntN(60)).Format("2006-01-02")
		}
		rows = append(rows, row)
		if g.chance(25) {
			rows = append(rows, apitest.OpeningReversal(number, record))
		}
	}
	// What nobody has heard of may have expired when it is asked for once more.
	return change{name: fmt.Sprintf("take over %d: %d rows", n, len(rows)), overtaken: []api.Reason{api.ReasonTime}, ask: func(w *world) (string, error) {
		return takenOver(w, n, rows)
	}}
}

func takenOver(w *world, n int, rows []*ledgerv1.OpeningBalanceRow) (string, error) {
	i, sent, err := apitest.Opening(rows...)
	if err != nil {
		return "", err
	}
	first, err := w.officer(apitest.Officer)
	if err != nil {
		return "", err
	}
	second, err := w.officer(apitest.SecondOfficer)
	if err != nil {
		return "", err
	}
	proposed, err := w.ProposeOpeningBalances(ctx(), first, requestID(1<<24+2*n), i)
	if err != nil {
		return "", err
	}
	i.Index = proposed.Index
	if _, _, err := w.ConfirmOpeningBalances(ctx(), second, requestID(1<<24+2*n+1), i); err != nil {
		return "", err
	}
	results, receipt, err := w.RecordOpeningBalances(ctx(), second, api.OpeningPart{Import: i.Index, Rows: sent})
	if err != nil {
		return "", err
	}
	answer := []string{fmt.Sprint("import ", i.Index)}
	for _, r := range results {
		if r.Fault != nil {
			return "", cmp.Or(r.Fault.Cause, error(r.Fault))
		}
		if r.Index >= receipt.Size {
			return "", wrongf("entry %d is under a checkpoint of size %d", r.Index, receipt.Size)
		}
		answer = append(answer, fmt.Sprint(r.Index))
	}
	return strings.Join(answer, " "), nil
}

// takeOver adds what was earned elsewhere. No record is there twice, and none without two officers.
func (h *history) takeOver(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_OpeningBalancesProposed:
		h.imports[e.GetIndex()] = fact.OpeningBalancesProposed.GetActor().GetOfficer()
	case *ledgerv1.Entry_OpeningBalancesConfirmed:
		f := fact.OpeningBalancesConfirmed
		if by := h.imports[f.GetImport()]; by == "" || by == f.GetActor().GetOfficer() || h.confirmed[f.GetImport()] {
			return wrongf("import %d of %q is confirmed by %q", f.GetImport(), by, f.GetActor().GetOfficer())
		}
		h.confirmed[f.GetImport()] = true
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		f := fact.OpeningBalanceRecorded
		a, err := h.record(e, f.GetOrigin(), f.GetAccount())
		if err != nil {
			return err
		}
		a.completions++
		a.of[e.GetIndex()] = f.GetCategory()
		return a.take(e, f.GetEffects(), e.GetIndex())
	case *ledgerv1.Entry_OpeningBalanceReversed:
		f := fact.OpeningBalanceReversed
		a, err := h.record(e, f.GetOrigin(), f.GetAccount())
		if err != nil {
			return err
		}
		return a.take(e, f.GetEffects(), f.GetBalance().GetIndex())
	}
	return nil
}

func (h *history) record(e *ledgerv1.Entry, origin *ledgerv1.ImportOrigin, account []byte) (*holding, error) {
	id := unit.StatementID(origin.GetSourceId())
	if first, known := h.records[id]; known {
		return nil, wrongf("a record is entry %d already: it was doubled", first)
	}
	if !h.confirmed[origin.GetImport()] {
		return nil, wrongf("import %d is not confirmed", origin.GetImport())
	}
	h.records[id] = e.GetIndex()
	return h.account(account)
}
