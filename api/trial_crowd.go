package api

import (
	"context"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A crowd is what an account alone does not know of: it is taken as it was counted on the ledger. A draft that counts what
// nobody has counted so far therefore finds nobody there.

// crowd is who was counted in a crowd before an entry.
func (a *tried) crowd(ctx context.Context, key, before uint64) (*ledgerv1.CrowdRow, error) {
	all, err := a.crowdOnLedger(ctx, key)
	if err != nil {
		return nil, err
	}
	n, _ := slices.BinarySearch(all, before)
	return &ledgerv1.CrowdRow{Completions: all[:n]}, nil
}

func (a *tried) crowdOnLedger(ctx context.Context, key uint64) ([]uint64, error) {
	if known, ok := a.crowds[key]; ok {
		return known, nil
	}
	row, err := a.view.State(ctx).Crowd(key)
	if err != nil {
		return nil, err
	}
	if a.crowds == nil {
		a.crowds = make(map[uint64][]uint64)
	}
	a.crowds[key] = row.GetCompletions()
	return row.GetCompletions(), nil
}

// suspect opens the case that a crowd made of a completion when it grew beyond its limit.
func (a *tried) suspect(ctx context.Context, index uint64) error {
	for _, crowd := range a.statement.judged.Crowds() {
		all, err := a.crowdOnLedger(ctx, crowd.Key)
		if err != nil {
			return err
		}
		if place, _ := slices.BinarySearch(all, index); place >= crowd.Limit || len(all) <= crowd.Limit {
			continue
		}
		item, err := a.item(&ledgerv1.CompletionRef{Index: index})
		if err != nil {
			return err
		}
		if !counted(item) || item.GetCasePlusOne() != 0 {
			continue
		}
		if err := openCases(a.book, a.directory, a.id, []doubt{{refOf(item), crowd.Rule, uint32(crowd.Risk)}}); err != nil {
			return err
		}
	}
	return nil
}
