package vault_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// Where a thing was brought is known for ever and in order, whoever notes it at the same time, and what becomes of the people.
func TestUses(t *testing.T) {
	t.Parallel()
	ctx, engine, keys := context.Background(), store.NewMemory(), newKeyset(t)
	v, err := vault.Open(ctx, config(engine, keys))
	if err != nil {
		t.Fatal(err)
	}
	enroll(t, v, 1)
	thing, err := v.KeyedHash("transfer", []byte("log.example\n7"))
	if err != nil {
		t.Fatal(err)
	}
	another, err := v.KeyedHash("transfer", []byte("log.example\n8"))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			if err := v.NoteUse(ctx, thing, uint64(300-i%20)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := v.NoteUse(ctx, another, 5); err != nil {
		t.Fatal(err)
	}
	head := engine.Head()
	if err := v.NoteUse(ctx, thing, 300); err != nil || engine.Head() != head {
		t.Errorf("what is noted already is written again: %v", err)
	}
	if err := v.Erase(ctx, account(1)); err != nil {
		t.Fatal(err)
	}
	if v, err = vault.Open(ctx, config(engine, keys)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		thing vault.Thing
		limit int
		want  []uint64
	}{
		{thing, 3, []uint64{281, 282, 283}},
		{another, 10, []uint64{5}},
		{vault.Thing{}, 10, nil},
	} {
		if got, err := v.Uses(ctx, c.thing, c.limit); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("brought in %d, not %d: %v", got, c.want, err)
		}
	}
	if got, err := v.Uses(ctx, thing, 100); err != nil || len(got) != 20 {
		t.Errorf("%d cases, %v", len(got), err)
	}
}
