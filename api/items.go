package api

import (
	"context"
	"iter"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// itemsIn walks through all that is recorded on an account as a step sees it, in the order of the weeks in which the learning ended.
// An error ends the walk.
func itemsIn(tx scribe, id unit.AccountID) iter.Seq2[*ledgerv1.CompletionItem, error] {
	return func(yield func(*ledgerv1.CompletionItem, error) bool) {
		weeks, err := tx.Weeks(id)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, number := range weeks {
			week, err := tx.Week(id, number)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range week.GetItems() {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// itemsShown walks through the same as readers see it.
func itemsShown(ctx context.Context, view ledger.View, id unit.AccountID) iter.Seq2[*ledgerv1.CompletionItem, error] {
	return func(yield func(*ledgerv1.CompletionItem, error) bool) {
		for week, err := range weeksShown(ctx, view, store.Prefix(book.WeeksPrefix(id))) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range week.GetItems() {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// weeksShown walks through the rows of weeks in a range as readers see them. An error ends the walk.
func weeksShown(ctx context.Context, view ledger.View, within store.Range) iter.Seq2[*ledgerv1.WeekRow, error] {
	return func(yield func(*ledgerv1.WeekRow, error) bool) {
		for row, err := range view.Scan(ctx, within) {
			week := new(ledgerv1.WeekRow)
			if err == nil {
				if failed := week.UnmarshalVT(row.Value); failed != nil {
					err = damagedRow(row.Key, failed)
				}
			}
			if !yield(week, err) || err != nil {
				return
			}
		}
	}
}

// collect answers all that a walk goes through, or the error that ended it.
func collect[T any](walk iter.Seq2[T, error]) (all []T, err error) {
	for one, err := range walk {
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
