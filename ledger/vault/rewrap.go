package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// rewrapPage is how many accounts Rewrap takes into one commit.
const rewrapPage = 500

// Rewrap wraps the keys of all accounts anew where they are not under the keyset's primary key, and answers how many it
// wrapped. It may be interrupted and repeated. Once it has succeeded, the keyset's older keys are of no use any more
// ([Keyset.Retire]), except for backups.
func (v *Vault) Rewrap(ctx context.Context) (rewrapped int, err error) {
	if err := v.rewrapFormat(ctx); err != nil {
		return 0, err
	}
	from := []byte{tableAccount}
	for from != nil {
		var ids []unit.AccountID
		if ids, from, err = v.accountsFrom(ctx, from, rewrapPage); err != nil {
			return rewrapped, err
		}
		count := 0
		err := v.writer.commit(ctx, func(d *draft) (err error) {
			count, err = v.rewrapIn(ctx, d, ids)
			return err
		}, nil)
		if err != nil {
			return rewrapped, err
		}
		rewrapped += count
	}
	return rewrapped, nil
}

// accountsFrom reads the ids of at most limit accounts; next is where to go on, or nil.
func (v *Vault) accountsFrom(ctx context.Context, from []byte, limit int) (ids []unit.AccountID, next []byte, err error) {
	for row, err := range v.engine.Scan(ctx, store.Range{Start: from, End: []byte{tableAccount + 1}}) {
		if err != nil {
			return nil, nil, fmt.Errorf("vault: rewrap: %w", err)
		}
		if len(ids) == limit {
			return ids, bytes.Clone(row.Key), nil
		}
		id, err := unit.AccountIDFromBytes(row.Key[1:])
		if err != nil {
			return nil, nil, fmt.Errorf("%w: account", ErrDamaged)
		}
		ids = append(ids, id)
	}
	return ids, nil, nil
}

func (v *Vault) rewrapIn(ctx context.Context, d *draft, ids []unit.AccountID) (count int, err error) {
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = accountKey(id)
	}
	rows, err := d.get(ctx, keys...)
	if err != nil {
		return 0, err
	}
	for i, id := range ids {
		row, err := decodeAccount(rows[i])
		switch {
		case errors.Is(err, ErrErased), errors.Is(err, ErrUnknownAccount):
			continue
		case err != nil:
			return 0, err
		case v.keys.isPrimary(row.wrapped):
			continue
		}
		if row.wrapped, err = v.keys.rewrap(row.wrapped, keyData(v.bank, id)); err != nil {
			return 0, err
		}
		d.set(keys[i], row.encode())
		count++
	}
	return count, nil
}

// rewrapFormat wraps the proof of the format row anew.
func (v *Vault) rewrapFormat(ctx context.Context) error {
	return v.writer.commit(ctx, func(d *draft) error {
		rows, err := d.get(ctx, formatKey())
		if err != nil {
			return err
		}
		proof, wrapped, _, err := cutFormat(rows[0])
		if err != nil || v.keys.isPrimary(wrapped) {
			return err
		}
		if wrapped, err = v.keys.rewrap(wrapped, nil); err != nil {
			return err
		}
		d.set(formatKey(), v.encodeFormat(bytes.Clone(proof), wrapped))
		return nil
	}, nil)
}
