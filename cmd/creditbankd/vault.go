package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// vaultCommand changes the key that wraps the keys of the accounts.
type vaultCommand struct {
	Rotate vaultRotateCommand `cmd:"" help:"Wrap the keys of all accounts with a new key, of a bank that is not being served."`
	Retire vaultRetireCommand `cmd:"" help:"Write the keyset without the keys that no longer wrap, once no backup needs them."`
}

// keysetPlace is where a changed keyset goes: a file of its own, since no key is written over.
type keysetPlace struct {
	To string `required:"" placeholder:"FILE" help:"Where the changed keyset is written; put it in the place of keys.vault_keyset_file afterwards."`
}

// check refuses a place with the data, where a keyset protects nothing.
func (k keysetPlace) check(c *config) error {
	for _, dir := range []string{c.data.dir, c.data.vaultDir, c.backup.dir, c.backup.vaultDir} {
		if within(k.To, dir) {
			return usagef("--to: %s lies in %s: a key protects nothing that it lies with; choose another place", k.To, dir)
		}
	}
	return nil
}

// write makes the keyset durable.
func (k keysetPlace) write(keys *vault.Keyset) error {
	var content bytes.Buffer
	if err := keys.Write(&content); err != nil {
		return err
	}
	defer clear(content.Bytes())
	return newFile{k.To, content.Bytes(), 0o600}.write()
}

type vaultRotateCommand struct {
	configured
	keysetPlace
}

// Help is shown below the flags.
func (*vaultRotateCommand) Help() string {
	return `For the day on which somebody may have read the keyset, or for every year. The new keyset has a new key, which wraps from now on, and the
old ones, which backups of the vault need. It is durable before anything in the vault is wrapped with it; when it is interrupted, run
it again with the same --to. The key by which documents and numbers are found stays: what the log holds under it cannot be changed.`
}

// Run rotates the keyset.
func (c *vaultRotateCommand) Run(ctx context.Context, p *process) (err error) {
	l, keys, err := loadKeyset(c.configured, c.keysetPlace, p.environ)
	if err != nil {
		return err
	}
	engine, err := openVaultStore(l.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	rotated, err := c.rotated(keys)
	if err != nil {
		return err
	}
	v, err := p.openVault(ctx, l.config, engine, rotated)
	if err != nil {
		return err
	}
	count, err := v.Rewrap(ctx)
	if err == nil {
		err = engine.Compact(ctx) // what the old key has wrapped goes from the disk
	}
	if err != nil {
		return fmt.Errorf("not all is wrapped anew: %w; run it again with the same --to, and keep both keysets until then", err)
	}
	fmt.Fprintf(p.stdout, `%d accounts are wrapped with the new key.

  the keyset now    %s
  its old keys      needed by the backups of the vault that were made before now

Put it in the place of %s before the bank is started: the one that is there opens this vault no more. Keep a copy off this machine.
When the last backup under the old keys is gone: creditbankd vault retire.
`, count, c.To, l.config.keys.vaultKeysetFile)
	return nil
}

// rotated is the keyset with a new key: one that an attempt before has written, or a new one.
func (c *vaultRotateCommand) rotated(keys *vault.Keyset) (*vault.Keyset, error) {
	if _, err := os.Lstat(c.To); !errors.Is(err, fs.ErrNotExist) {
		before, err := readKeyset(c.To)
		if err != nil {
			return nil, fmt.Errorf("--to: nothing is written over: %w", err)
		}
		if !before.Rotates(keys) {
			return nil, usagef("--to: nothing is written over, and %s holds no rotation of this keyset: choose another name", c.To)
		}
		return before, nil
	}
	rotated, err := keys.Rotate()
	if err != nil {
		return nil, err
	}
	return rotated, c.write(rotated)
}

type vaultRetireCommand struct {
	configured
	keysetPlace
}

// Help is shown below the flags.
func (*vaultRetireCommand) Help() string {
	return `Backups of the vault that were made before the last rotation cannot be read without the keys that this leaves out: wait until the last of
them is gone (backup.vault_keep). It sees to it that nothing in the vault itself needs them.`
}

// Run retires the keys that no longer wrap.
func (c *vaultRetireCommand) Run(ctx context.Context, p *process) (err error) {
	l, keys, err := loadKeyset(c.configured, c.keysetPlace, p.environ)
	if err != nil {
		return err
	}
	engine, err := openVaultStore(l.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	v, err := p.openVault(ctx, l.config, engine, keys)
	if err != nil {
		return err
	}
	if !keys.Older() {
		return fmt.Errorf("%s holds one key, and it wraps: there is none to retire", l.config.keys.vaultKeysetFile)
	}
	if _, err := v.Rewrap(ctx); err != nil {
		return err
	}
	retired, err := keys.Retire()
	if err != nil {
		return err
	}
	if _, err := vault.Open(ctx, vault.Config{Engine: engine, BankID: l.config.bank.id, Keys: retired, Rand: p.random, Now: p.now, Existing: true}); err != nil {
		return fmt.Errorf("the vault does not open without the older keys: %w", err)
	}
	if err := c.write(retired); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, `
  the keyset now    %s

Put it in the place of %s, and destroy all copies of the one that is there: nothing needs its older keys but backups of the vault
from before the last rotation, which nobody can read without them.
`, c.To, l.config.keys.vaultKeysetFile)
	return nil
}

// loadKeyset reads configuration and keyset.
func loadKeyset(c configured, to keysetPlace, environ []string) (*loading, *vault.Keyset, error) {
	l, err := c.load(environ)
	if err != nil {
		return nil, nil, err
	}
	if err := l.err(); err != nil {
		return nil, nil, err
	}
	if err := to.check(l.config); err != nil {
		return nil, nil, err
	}
	keys, err := readKeyset(l.config.keys.vaultKeysetFile)
	if err != nil {
		return nil, nil, fmt.Errorf("keys.vault_keyset_file: %w", err)
	}
	return l, keys, nil
}

// openVaultStore opens the vault's store, which must be there and used by nobody.
func openVaultStore(c *config) (*pebble.Engine, error) {
	engine, err := pebble.Open(c.data.vaultDir, pebble.Options{Log: slog.New(slog.DiscardHandler), Existing: true})
	if err != nil {
		return nil, storeError(c.data.vaultDir, err)
	}
	return engine, nil
}
