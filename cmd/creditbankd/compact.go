package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

type compactCommand struct {
	configured
	Data string `placeholder:"DIR" help:"Compact the directory of a demo instead of a configured bank."`
	JSON bool   `name:"json" help:"Print what was freed as JSON."`
}

// Help is shown below the flags.
func (*compactCommand) Help() string {
	return `Rewrites the stores of a bank that is not being served, so that they take as little of the disk as they can. It changes no row. A
bank that is served does most of this by itself; it pays before a copy is taken, or to see what the entries take. It needs as
much free disk as the larger store takes.`
}

// compacted is what became of a store.
type compacted struct {
	Store  string `json:"store"`
	Before int64  `json:"bytes_before"`
	After  int64  `json:"bytes_after"`
}

// Run compacts both stores.
func (c *compactCommand) Run(ctx context.Context, p *process) error {
	l, err := c.loadOrDemo(c.Data, p.environ)
	if err != nil {
		return err
	}
	if err := l.err(); err != nil {
		return err
	}
	var all []compacted
	for _, place := range []struct{ store, dir string }{{"ledger", l.config.data.dir}, {"vault", l.config.data.vaultDir}} {
		one, err := compact(ctx, place.store, place.dir)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	if c.JSON {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(all); err != nil {
			return fmt.Errorf("%v", err)
		}
		return nil
	}
	for _, one := range all {
		fmt.Fprintf(p.stdout, "%-6s  %d bytes, %d before\n", one.Store, one.After, one.Before)
	}
	return nil
}

// compact compacts the store in a directory.
func compact(ctx context.Context, store, dir string) (one compacted, err error) {
	engine, err := pebble.Open(dir, pebble.Options{Existing: true})
	if err != nil {
		return one, storeError(dir, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	one.Store = store
	if one.Before, err = engine.DiskBytes(); err != nil {
		return one, err
	}
	if err := engine.Compact(ctx); err != nil {
		return one, fmt.Errorf("the store in %s was not compacted to the end, and is as good as before: %w", dir, err)
	}
	one.After, err = engine.DiskBytes()
	return one, err
}
