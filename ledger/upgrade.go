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

// listConsents writes the consent lists of a store that has none though it has consents: it was last written by a version that knew no
// such lists. The consents say all that is in them, and nothing but such a version writes a consent without its place in a list. It
// answers the head that the store then has.
func listConsents(ctx context.Context, engine store.Engine, head store.Head) (store.Head, error) {
	if listed, err := hasRows(ctx, engine, book.TableConsentLists); listed || err != nil {
		return head, err
	}
	var batch store.Batch
	numbers := make(map[string]uint64)
	for row, err := range engine.Scan(ctx, store.Prefix([]byte{book.TableConsents})) {
		if err != nil {
			return head, fmt.Errorf("ledger: consents: %w", err)
		}
		consent := new(ledgerv1.ConsentRow)
		if err := consent.UnmarshalVT(row.Value); err != nil || len(row.Key) < 1+8 {
			return head, fmt.Errorf("%w: consent %x: %v", ErrDamaged, row.Key, err)
		}
		institution := consent.GetFact().GetInstitution()
		if _, known := numbers[institution]; !known {
			if numbers[institution], err = organizationNumber(ctx, engine, institution); err != nil {
				return head, err
			}
		}
		account, index := row.Key[1:len(row.Key)-8], binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])
		batch.Set(book.ConsentListKey(numbers[institution], index), bytes.Clone(account))
	}
	if batch.Bytes() == 0 {
		return head, nil
	}
	if err := engine.Commit(ctx, &batch, head); err != nil {
		return head, fmt.Errorf("ledger: consent lists: %w", err)
	}
	return head + 1, nil
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

// hasRows says whether a table has any row.
func hasRows(ctx context.Context, reader store.Reader, table byte) (bool, error) {
	for _, err := range reader.Scan(ctx, store.Prefix([]byte{table})) {
		if err != nil {
			return false, fmt.Errorf("ledger: table %02x: %w", table, err)
		}
		return true, nil
	}
	return false, nil
}
