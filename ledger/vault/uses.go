package vault

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// Thing is what counts once, whoever brings it: a hash of it under the vault's lookup key ([Vault.KeyedHash]).
type Thing [hashBytes]byte

// NoteUse notes, durably and for ever, in which case a thing was brought. It is in it once, however often it is noted. Nothing says
// whose the case is, so that the note outlives the person.
func (v *Vault) NoteUse(ctx context.Context, thing Thing, number uint64) error {
	return v.writer.commit(ctx, func(d *draft) error {
		key := useKey(thing, number)
		rows, err := d.get(ctx, key)
		if err == nil && rows[0] == nil {
			d.set(key, []byte{})
		}
		return err
	}, nil)
}

// Uses answers in which cases a thing was brought, the oldest first, up to limit of them.
func (v *Vault) Uses(ctx context.Context, thing Thing, limit int) (cases []uint64, err error) {
	prefix := append([]byte{tableUse}, thing[:]...)
	for row, err := range v.engine.Scan(ctx, store.Prefix(prefix)) {
		if err != nil {
			return nil, fmt.Errorf("vault: uses: %w", err)
		}
		if len(cases) == limit {
			break
		}
		if len(row.Key) != len(prefix)+8 {
			return nil, fmt.Errorf("%w: use", ErrDamaged)
		}
		cases = append(cases, binary.BigEndian.Uint64(row.Key[len(prefix):]))
	}
	return cases, nil
}

func useKey(thing Thing, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte{tableUse}, thing[:]...), number)
}
