package simulation_test

import (
	"context"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// bug is a fault planted beneath the bank, at one of its seams. The zero bug is none.
type bug struct {
	// lies says of which files a sync does nothing.
	lies func(path string) bool
	// engine and anchor wrap those of the ledger.
	engine func(store.Engine) store.Engine
	anchor func(ledger.Anchor) ledger.Anchor
}

// omitting is an engine that forgets rows of its batches.
type omitting struct {
	store.Engine
	forgets func(key []byte) bool
}

// Commit implements store.Engine.
func (o omitting) Commit(ctx context.Context, batch *store.Batch, expected store.Head) error {
	var kept store.Batch
	for _, c := range batch.Changes() {
		switch {
		case c.Value == nil:
			kept.Delete(c.Key)
		case !o.forgets(c.Key):
			kept.Set(c.Key, c.Value)
		}
	}
	return o.Engine.Commit(ctx, &kept, expected)
}

func forgetting(forgets func(key []byte) bool) func(store.Engine) store.Engine {
	return func(engine store.Engine) store.Engine { return omitting{engine, forgets} }
}

// late is an anchor that is one checkpoint behind.
type late struct {
	ledger.Anchor
	next []byte
}

// Save implements ledger.Anchor.
func (l *late) Save(checkpoint []byte) error {
	last := l.next
	l.next = checkpoint
	if last == nil {
		return nil
	}
	return l.Anchor.Save(last)
}

// never is an anchor that is not saved but once.
type never struct{ ledger.Anchor }

// Save implements ledger.Anchor.
func (n never) Save(checkpoint []byte) error {
	if saved, err := n.Load(); err != nil || saved != nil {
		return err
	}
	return n.Anchor.Save(checkpoint)
}

// A simulation that catches nothing says nothing: each planted bug is caught, within a few seeds.
func TestPlantedBugsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("the bank is simulated without bugs in short mode")
	}
	const seeds = 30
	for name, planted := range map[string]bug{
		"acknowledge before sync":        {lies: func(path string) bool { return isLog(path, ledgerDir) }},
		"use a key before it is durable": {lies: func(path string) bool { return isLog(path, vaultDir) }},
		"publish before the anchor":      {anchor: func(a ledger.Anchor) ledger.Anchor { return &late{Anchor: a} }},
		"anchor once and never again":    {anchor: func(a ledger.Anchor) ledger.Anchor { return never{a} }},
		"an anchor that is not synced":   {lies: anchor.has},
		"skip a tile":                    {engine: forgetting(func(key []byte) bool { return key[0] == book.TableTiles && key[1] == 0 })},
		"forget an idempotency row": {engine: forgetting(func(key []byte) bool {
			return key[0] == book.TableStatements && key[len(key)-1]%8 == 0
		})},
		"forget what becomes of a transfer": {engine: forgetting(func(key []byte) bool { return key[0] == book.TableTransfers && key[len(key)-1]%2 == 0 })},
		"forget to list a transfer":         {engine: forgetting(func(key []byte) bool { return key[0] == book.TableTransferLists })},
		"forget a row of an account":        {engine: forgetting(func(key []byte) bool { return key[0] == book.TableWeeks && key[len(key)-1]%2 == 0 })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			for seed := range uint64(seeds) {
				if _, err := s.run(seed, planted); err != nil {
					t.Logf("caught with seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("%d seeds did not notice", seeds)
		})
	}
}
