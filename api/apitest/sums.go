package apitest

import (
	"fmt"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Sums are what a bank's rows add up to.
type Sums struct {
	All        api.SimulationTotals
	Accounts   map[unit.AccountID]api.SimulationTotals
	Categories map[string]api.SimulationTotals
	// Outcomes are of completions as they stand; Causes and Cases are of all cases that were ever opened.
	Outcomes map[ledgerv1.Outcome]int64
	Causes   map[string]int64
	Cases    int64
}

// Sums adds up the rows of the newest state, or those of them that concern completions that count says yes to.
func (b *Bank) Sums(count func(*ledgerv1.CompletionItem) bool) Sums {
	b.tb.Helper()
	sums := Sums{
		Accounts: make(map[unit.AccountID]api.SimulationTotals), Categories: make(map[string]api.SimulationTotals),
		Outcomes: make(map[ledgerv1.Outcome]int64), Causes: make(map[string]int64),
	}
	counted := make(map[uint64]bool)
	view, err := b.Ledger.View()
	b.must(err)
	defer view.Close()
	for row, err := range view.Scan(b.ctx(), store.Prefix([]byte{book.TableWeeks})) {
		b.must(err)
		week := new(ledgerv1.WeekRow)
		b.must(week.UnmarshalVT(row.Value))
		account, err := view.State(b.ctx()).Account(unit.AccountID(row.Key[1:17]))
		b.must(err)
		if account.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED {
			continue // what it had counts on another account
		}
		for _, item := range week.GetItems() {
			if !count(item) {
				continue
			}
			counted[item.GetIndex()] = true
			totals := api.SimulationTotals{Minutes: unit.Minutes(item.GetMinutes())}
			for _, lot := range item.GetLots() {
				totals.Available += unit.Credits(lot.GetAvailable())
				totals.Pending += unit.Credits(lot.GetPending())
			}
			id := unit.AccountID(row.Key[1:17])
			sums.All = plus(sums.All, totals)
			sums.Accounts[id] = plus(sums.Accounts[id], totals)
			sums.Categories[item.GetCategory()] = plus(sums.Categories[item.GetCategory()], totals)
			sums.Outcomes[item.GetOutcome()]++
		}
	}
	for row, err := range view.Scan(b.ctx(), store.Prefix([]byte{book.TableCases})) {
		b.must(err)
		c := new(ledgerv1.CaseRow)
		b.must(c.UnmarshalVT(row.Value))
		if !counted[c.GetCompletion().GetIndex()] {
			continue
		}
		sums.Cases++
		for _, cause := range c.GetCauses() {
			sums.Causes[cause]++
		}
	}
	return sums
}

func plus(a, b api.SimulationTotals) api.SimulationTotals {
	return api.SimulationTotals{Minutes: a.Minutes + b.Minutes, Available: a.Available + b.Available, Pending: a.Pending + b.Pending}
}

// CheckSimulation compares a simulation with what a bank came to, the one in which it ran (after is false: what was before)
// or one in which the draft was published and everything posted again. Same answers which account of the simulation is one of the
// bank's.
func (s Sums) CheckSimulation(r api.SimulationResult, after bool, same func(unit.AccountID) unit.AccountID) []string {
	var wrong []string
	check := func(what string, got, want any) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s: the simulation has %v, the bank %v", what, got, want))
		}
	}
	of := func(c api.SimulationChange) api.SimulationTotals {
		if after {
			return c.After
		}
		return c.Before
	}
	check("all", of(r.SimulationChange), s.All)
	categories := make(map[string]api.SimulationTotals)
	for _, c := range r.Categories {
		categories[c.Category] = of(c.SimulationChange)
	}
	for category, totals := range s.Categories {
		check(category, categories[category], totals)
	}
	check("categories", len(categories), len(s.Categories))
	outcomes, causes := make(map[ledgerv1.Outcome]int64), make(map[string]int64)
	for _, o := range r.Outcomes {
		if after {
			outcomes[o.After] += o.Completions
		} else {
			outcomes[o.Before] += o.Completions
		}
	}
	for outcome := range ledgerv1.Outcome_name {
		check(ledgerv1.Outcome(outcome).String(), outcomes[ledgerv1.Outcome(outcome)], s.Outcomes[ledgerv1.Outcome(outcome)])
	}
	cases := r.CasesBefore
	if after {
		cases = r.CasesAfter
	}
	check("cases", cases, s.Cases)
	for _, c := range r.Causes {
		n := c.Before
		if after {
			n = c.After
		}
		causes[c.Cause] = n
		check("cases for "+c.Cause, n, s.Causes[c.Cause])
	}
	for cause, n := range s.Causes {
		check("cases for "+cause, causes[cause], n)
	}
	for _, list := range [][]api.SimulationAccount{r.Gainers, r.Losers} {
		for _, a := range list {
			check("account "+a.Account.String(), of(a.SimulationChange), s.Accounts[same(a.Account)])
		}
	}
	check("accounts", r.Gaining+r.Losing+r.Same, int64(len(s.Accounts)))
	return wrong
}
