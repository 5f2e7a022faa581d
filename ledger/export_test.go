package ledger

import (
	"context"

	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// EntryFlaw answers what the bytes of an entry hold that no entry may, as a check of a store finds it without decoding them.
func EntryFlaw(b []byte) error {
	s := newShapes()
	return s.entry.check(b)
}

// Upgrade does to a store of format 1 what opening it does, in commits of about so many bytes.
func Upgrade(ctx context.Context, engine store.Engine, head store.Head, atOnce int) error {
	_, err := upgrade(ctx, rewriting{engine: engine, head: head, atOnce: atOnce})
	return err
}
