package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// upgrade adds to a store of format 1 what format 2 has besides: consent lists, which the first stores of that format have not, and
// in the rows of accounts between which weeks theirs lie. Other rows say all that is in them. The number of the format comes last, so
// that an interruption leaves a store of format 1, of which everything is written once more. It answers the head that the store then has.
func upgrade(ctx context.Context, w rewriting) (store.Head, error) {
	if err := listConsents(ctx, &w); err != nil {
		return w.head, err
	}
	if err := spanWeeks(ctx, &w); err != nil {
		return w.head, err
	}
	w.Set(formatKey(), book.Uint(Format))
	err := w.commit(ctx)
	return w.head, err
}

// toCome says that a row is only what a store of format 1 has, while its entries add up to what opening it makes of it.
func toCome(table byte, stored, replayed []byte) bool {
	switch table {
	case book.TableConsentLists:
		return stored == nil
	case book.TableAccounts:
		return stored != nil && replayed != nil && book.SameButWeeks(stored, replayed)
	default:
		return false
	}
}

// listConsents writes the consent lists.
func listConsents(ctx context.Context, w *rewriting) error {
	numbers := make(map[string]uint64)
	for row, err := range w.engine.Scan(ctx, store.Prefix([]byte{book.TableConsents})) {
		if err != nil {
			return fmt.Errorf("ledger: consents: %w", err)
		}
		consent := new(ledgerv1.ConsentRow)
		if err := consent.UnmarshalVT(row.Value); err != nil || len(row.Key) < 1+8 {
			return fmt.Errorf("%w: consent %x: %v", ErrDamaged, row.Key, err)
		}
		institution := consent.GetFact().GetInstitution()
		if _, known := numbers[institution]; !known {
			if numbers[institution], err = organizationNumber(ctx, w.engine, institution); err != nil {
				return err
			}
		}
		account, index := row.Key[1:len(row.Key)-8], binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])
		w.Set(book.ConsentListKey(numbers[institution], index), bytes.Clone(account))
		if err := w.commitFull(ctx); err != nil {
			return err
		}
	}
	return nil
}

func organizationNumber(ctx context.Context, engine store.Engine, name string) (uint64, error) {
	values, err := engine.Get(ctx, book.OrganizationKey(name))
	if err != nil {
		return 0, fmt.Errorf("ledger: organization: %w", err)
	}
	row := new(ledgerv1.OrganizationRow)
	if err := row.UnmarshalVT(values[0]); err != nil || values[0] == nil {
		return 0, fmt.Errorf("%w: there is no organization %q, to which a consent is granted", ErrDamaged, name)
	}
	return row.GetIndex(), nil
}

// accountsAtOnce is how many rows of accounts are read together.
const accountsAtOnce = 1 << 10

// spanWeeks has the rows of accounts say between which weeks theirs lie.
func spanWeeks(ctx context.Context, w *rewriting) error {
	var keys [][]byte
	var spans []*ledgerv1.AccountRow // of each, with nothing but its weeks
	for row, err := range w.engine.Scan(ctx, store.Prefix([]byte{book.TableWeeks})) {
		if err != nil {
			return fmt.Errorf("ledger: weeks: %w", err)
		}
		id, number, ok := book.ParseWeekKey(row.Key)
		if !ok {
			return fmt.Errorf("%w: %x is no week", ErrDamaged, row.Key)
		}
		key := book.AccountKey(id)
		if last := len(keys) - 1; last < 0 || !bytes.Equal(keys[last], key) {
			if len(keys) == accountsAtOnce {
				if err := spanAccounts(ctx, w, keys, spans); err != nil {
					return err
				}
				keys, spans = keys[:0], spans[:0]
			}
			keys, spans = append(keys, key), append(spans, new(ledgerv1.AccountRow))
		}
		book.SpanWeek(spans[len(spans)-1], number)
	}
	return spanAccounts(ctx, w, keys, spans)
}

// spanAccounts does so for some of them.
func spanAccounts(ctx context.Context, w *rewriting, keys [][]byte, spans []*ledgerv1.AccountRow) error {
	values, err := w.engine.Get(ctx, keys...)
	if err != nil {
		return fmt.Errorf("ledger: accounts: %w", err)
	}
	for i, key := range keys {
		account := new(ledgerv1.AccountRow)
		if err := account.UnmarshalVT(values[i]); err != nil || values[i] == nil {
			return fmt.Errorf("%w: account %x has weeks, but no row: %v", ErrDamaged, key[1:], err)
		}
		account.FirstWeek, account.EndWeek = spans[i].GetFirstWeek(), spans[i].GetEndWeek()
		value, err := account.MarshalVT()
		if err != nil {
			return fmt.Errorf("ledger: account: %v", err)
		}
		w.Set(key, value)
	}
	return w.commitFull(ctx)
}
