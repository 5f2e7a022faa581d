package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/witness"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// storeLabel tells the metrics of the two stores apart.
const storeLabel = "store"

// What the memory of a bank is reckoned with.
const (
	// accountBytes is how much the ledger gets for the rows of each account that is kept: its standing and the weeks in which it
	// learns. They lie outside of the heap.
	accountBytes = 1 << 10
	// keyBytes is for the keys of each of these accounts, and for as much garbage.
	keyBytes = 2 << 10
	// workBytes is for everything else, requests in flight among it.
	workBytes = 1 << 30
)

// heapBytes is how much memory the heap of a bank should take at the most. The caches of blocks are counted, since they lie in it
// where the program is built without cgo.
func (c *config) heapBytes() int64 {
	return workBytes + int64(c.memory.accounts)*keyBytes + int64(c.memory.ledgerBytes) + pebble.DefaultCacheBytes
}

// opening is how a bank is opened.
type opening struct {
	config  *config
	secrets secrets
	// issuers sign people in.
	issuers []access.Issuer
	log     *slog.Logger
	// metrics registers what the rooms measure; nil for none.
	metrics prometheus.Registerer
	// accounts is where the ids and numbers of accounts come from; nil: where everything random does.
	accounts io.Reader
	// witnesses says that the checkpoint which everyone is shown goes to the configured witnesses first, if there are any: for
	// whoever then runs them.
	witnesses bool
	// found has the bank begin where there is none; otherwise it has to be there.
	found bool
	// acceptTime and acceptAnchor are the operator's word that clock and store are right.
	acceptTime, acceptAnchor bool
}

// bank is an open bank, and what has to be closed after it.
type bank struct {
	*api.Bank
	ledger *ledger.Ledger
	vault  *vault.Vault
	stores stores
	// witnesses cosign checkpoints while somebody runs them; nil: there are none.
	witnesses *witness.Witnesses
	closers   []io.Closer
}

// stores are where a bank keeps everything.
type stores struct{ ledger, vault *pebble.Engine }

// Close closes those that were opened.
func (s stores) Close() error {
	var errs []error
	for _, engine := range []*pebble.Engine{s.ledger, s.vault} {
		if engine != nil {
			errs = append(errs, engine.Close())
		}
	}
	return errors.Join(errs...)
}

// Close closes the bank: what waits for the writer is committed first.
func (b *bank) Close() error {
	var errs []error
	for _, closer := range slices.Backward(b.closers) {
		errs = append(errs, closer.Close())
	}
	return errors.Join(errs...)
}

// openStores opens both stores at the same time: after a crash each has a log of tens of megabytes to read and to flush.
func (p *process) openStores(o opening) (s stores, err error) {
	open := func(dir, label string, cacheBytes int) (*pebble.Engine, error) {
		var metrics prometheus.Registerer
		if o.metrics != nil {
			metrics = prometheus.WrapRegistererWith(prometheus.Labels{storeLabel: label}, o.metrics)
		}
		engine, err := pebble.Open(dir, pebble.Options{
			Log: o.log.With(storeLabel, label), Registerer: metrics, CacheBytes: int64(cacheBytes), Now: p.now, Existing: !o.found,
		})
		if err != nil {
			return nil, storeError(dir, err)
		}
		return engine, nil
	}
	var both sync.WaitGroup
	var ofVault, ofLedger error
	both.Go(func() { s.vault, ofVault = open(o.config.data.vaultDir, "vault", 0) })
	both.Go(func() { s.ledger, ofLedger = open(o.config.data.dir, "ledger", o.config.memory.ledgerBytes) })
	both.Wait()
	if err = cmp.Or(ofVault, ofLedger); err != nil {
		_ = s.Close()
	}
	return s, err
}

// open opens vault and ledger, each in its own place, and the bank that stands on them.
func (p *process) open(ctx context.Context, o opening) (_ *bank, err error) {
	b := new(bank)
	defer func() {
		if err != nil {
			_ = b.Close() // what went wrong first is what counts
		}
	}()
	if b.stores, err = p.openStores(o); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, b.stores)
	b.vault, err = vault.Open(ctx, vault.Config{
		Engine: b.stores.vault, BankID: o.config.bank.id, Keys: o.secrets.vault, Rand: p.random, Now: p.now,
		EvidenceBytes: o.config.limits.evidenceBytes, CacheAccounts: o.config.memory.accounts, Existing: !o.found,
	})
	if err != nil {
		return nil, vaultError(o.config, err)
	}
	anchor := pebble.NewAnchorFile(nil, o.config.data.anchorFile)
	b.closers = append(b.closers, anchor)
	if err := anchor.Claim(); err != nil {
		return nil, anchorError(o.config, err)
	}
	b.ledger, err = ledger.Open(ctx, ledger.Config{
		Engine: b.stores.ledger, Anchor: anchor, BankID: o.config.bank.id, Origin: o.config.bank.origin,
		Signer: o.secrets.log.signer, Verifier: o.secrets.log.verifier,
		Now: p.now, Rand: p.random, Log: o.log, Metrics: o.metrics, Queue: o.config.limits.queue,
		CacheBytes: o.config.memory.accounts * accountBytes, Existing: !o.found,
		AcceptTime: o.acceptTime, AcceptAnchor: o.acceptAnchor,
	})
	if err != nil {
		return nil, ledgerError(o.config, err)
	}
	b.closers = append(b.closers, b.ledger)
	accounts := o.accounts
	if accounts == nil {
		accounts = p.random
	}
	cfg := api.Config{
		Ledger: b.ledger, Vault: b.vault, Issuers: o.issuers, Now: p.now, Rand: accounts,
		ResolvePerMinute: o.config.limits.resolvePerMinute, Metrics: o.metrics,
		TrustedLogs: o.config.trustedLogs(),
	}
	if o.witnesses && len(o.config.witness.witnesses) > 0 {
		if b.witnesses, err = p.witnesses(o, b.ledger); err != nil {
			return nil, err
		}
		cfg.Published = b.witnesses.Published
	}
	b.Bank, err = api.New(cfg)
	return b, err
}

// openVault opens the vault alone, to look after it.
func (p *process) openVault(ctx context.Context, c *config, engine *pebble.Engine, keys *vault.Keyset) (*vault.Vault, error) {
	v, err := vault.Open(ctx, vault.Config{Engine: engine, BankID: c.bank.id, Keys: keys, Rand: p.random, Now: p.now, Existing: true})
	if err != nil {
		return nil, vaultError(c, err)
	}
	return v, nil
}

// storeError says how to mend a store that does not open.
func storeError(dir string, err error) error {
	switch {
	case errors.Is(err, pebble.ErrLocked):
		return fmt.Errorf("%s is in use: another creditbankd serves or checks it; stop that one first", dir)
	case errors.Is(err, fs.ErrNotExist):
		return noStore(dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not use the store in %s: run this as the user of the service, or correct the owner of what is there (%w)", dir, err)
	default:
		return fmt.Errorf("the store in %s does not open: %w", dir, err)
	}
}

// noStore says what to do where a store should be and is none. None is begun there: if a disk is missing, or was lost, an empty bank
// would take the place of the bank.
func noStore(dir string) error {
	return fmt.Errorf("there is no store in %s: correct its path, or mount its disk; if it was lost, restore it from a backup "+
		"(creditbankd restore); a new bank begins with \"creditbankd init\"", dir)
}

// anchorError says how to mend an anchor that cannot be claimed.
func anchorError(c *config, err error) error {
	if errors.Is(err, pebble.ErrLocked) {
		return fmt.Errorf("%s is in use: another creditbankd goes on from this anchor, and two would sign two histories; stop that one first, "+
			"or, if this is to be another bank, give it an anchor, an origin and a log key of its own", c.data.anchorFile)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("this user may not use the anchor %s: run this as the user of the service, or correct its owner and that of its "+
			"directory (%w)", c.data.anchorFile, err)
	}
	return fmt.Errorf("data.anchor_file: %w", err)
}

func vaultError(c *config, err error) error {
	switch {
	case errors.Is(err, vault.ErrEmpty):
		return noStore(c.data.vaultDir)
	case errors.Is(err, vault.ErrKeyset):
		return fmt.Errorf("%s does not hold the keys of the vault in %s: put back the keyset that it was made with, or that \"creditbankd vault rotate\" wrote last (keys.vault_keyset_file)",
			c.keys.vaultKeysetFile, c.data.vaultDir)
	case errors.Is(err, vault.ErrFormat):
		return fmt.Errorf("what is in %s is no vault of %s that this version can read: correct data.vault_dir or bank.id, or install the version that wrote it",
			c.data.vaultDir, c.bank.id)
	default:
		return fmt.Errorf("the vault in %s does not open: %w", c.data.vaultDir, err)
	}
}

// ledgerError says how to mend a ledger that does not open. deploy/OPERATIONS.md has a line for each.
func ledgerError(c *config, err error) error {
	switch {
	case errors.Is(err, ledger.ErrEmpty):
		return noStore(c.data.dir)
	case errors.Is(err, ledger.ErrBehindAnchor):
		return fmt.Errorf("%w: %s is an older copy of the bank than %s knows; find the newer one. If there is none, see \"When entries are lost\" "+
			"in OPERATIONS.md (creditbankd recover)", err, c.data.dir, c.data.anchorFile)
	case errors.Is(err, ledger.ErrNoAnchor):
		return fmt.Errorf("%w: there is nothing at %s, but the log was published; correct data.anchor_file, or, if the anchor was lost and the data is the newest there is, start once with --accept-anchor",
			err, c.data.anchorFile)
	case errors.Is(err, ledger.ErrForeign):
		return fmt.Errorf("%w: correct bank.id, bank.origin, keys.log_signer_file, data.anchor_file or data.dir; if \"creditbankd recover\" was "+
			"interrupted, run it again", err)
	case errors.Is(err, ledger.ErrFormat):
		return fmt.Errorf("%w: install the version that wrote it, or a newer one", err)
	case errors.Is(err, ledger.ErrRebuilding):
		return fmt.Errorf("%w: creditbankd fsck --rebuild", err)
	case errors.Is(err, ledger.ErrDamaged):
		return fmt.Errorf("%w (creditbankd fsck)", err)
	case errors.Is(err, pebble.ErrAnchorCorrupt):
		return fmt.Errorf("%w: check the disk of %s; then as for a lost anchor, see OPERATIONS.md", err, c.data.anchorFile)
	default:
		return err
	}
}
