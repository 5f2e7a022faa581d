// Package apitest sets up banks for tests: a founded network with keys, officers, a published policy and courses, in
// memory, under a clock that stands until it is told to go on.
//
// It is for tests alone, and does nothing that a test could observe as the bank's own behaviour: everything in the
// network was written through the bank's own methods, by officers who may. Its one invariant: two banks made with the
// same options hold the same entries but for random salts, ids and keys.
package apitest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// Names of the bank.
const (
	BankID = "xihu.test"
	Origin = "log.xihu.test/2026"
	// Issuer is the sign-in service of officers and residents.
	Issuer = "https://sign-in.xihu.test"
)

// Start is the time of a new bank: a Monday morning in Hangzhou.
func Start() time.Time { return time.Date(2026, time.June, 15, 2, 0, 0, 0, time.UTC) }

// Options change what a bank stands on. The zero Options are a bank in memory.
type Options struct {
	// Engine keeps the ledger's rows, VaultEngine those of the vault; nil: memory. Whoever gives one closes it.
	Engine, VaultEngine store.Engine
	// ResolvePerMinute and Queue are as in api.Config and ledger.Config.
	ResolvePerMinute, Queue int
	// Metrics registers what the bank measures; nil for none.
	Metrics prometheus.Registerer
	// Policy is the YAML of the policy that is published; nil: that of [PolicyYAML].
	Policy []byte
	// Simulations and SimulationCompletions are as in api.Config.
	Simulations           int
	SimulationCompletions int64
	// Origin is that of the log; empty: [Origin]. TrustedLogs are as in api.Config.
	Origin      string
	TrustedLogs []api.TrustedLog
	// Empty leaves out everything but the founding: see [Bank.Settle].
	Empty bool
}

// Bank is a bank with what its callers would have: the keys that sign and the clock that everybody looks at. Its methods
// end the test when they fail, so they are called from the test's own goroutine.
type Bank struct {
	*api.Bank

	Ledger *ledger.Ledger
	Vault  *vault.Vault
	Clock  *Clock
	// Anchor holds the newest checkpoint, Verifier checks it.
	Anchor   *Anchor
	Verifier note.Verifier
	// IssuerKey signs the tokens of officers and residents.
	IssuerKey *keyring.PrivateKey
	// Policy is the hash of the published policy; nil in an empty bank.
	Policy []byte

	tb        testing.TB
	yaml      []byte
	random    *random
	platforms map[string]platformKeys
	requests  atomic.Int64
	people    atomic.Int64
}

// platformKeys are the two keys of an organization.
type platformKeys struct{ sign, authenticate *keyring.PrivateKey }

// NewBank makes a bank in memory with the network of this package. It is closed when the test ends.
func NewBank(tb testing.TB) *Bank {
	tb.Helper()
	return NewBankWith(tb, Options{})
}

// NewBankWith makes a bank that stands on something else.
func NewBankWith(tb testing.TB, options Options) *Bank {
	tb.Helper()
	b := &Bank{
		Clock: NewClock(Start()), Anchor: new(Anchor), tb: tb, random: newRandom(), platforms: make(map[string]platformKeys),
	}
	b.open(options)
	administrators := []string{Administrator, SecondAdministrator}
	b.must(b.Found(b.ctx(), api.Founding{Organization: root(tb), Administrators: administrators}))
	b.yaml = options.Policy
	if b.yaml == nil {
		b.yaml = PolicyYAML(tb)
	}
	if !options.Empty {
		b.Settle()
	}
	return b
}

func (b *Bank) open(options Options) {
	b.tb.Helper()
	engine := options.Engine
	if engine == nil {
		engine = b.memory()
	}
	seed := make([]byte, ed25519.SeedSize)
	_, _ = b.random.Read(seed)
	key := ed25519.NewKeyFromSeed(seed)
	origin := cmp.Or(options.Origin, Origin)
	signer, err := note.NewSigner(merkle.SignerKey(origin, key))
	b.must(err)
	b.Verifier, err = note.NewVerifier(merkle.VerifierKey(origin, key.Public().(ed25519.PublicKey)))
	b.must(err)
	b.Ledger, err = ledger.Open(b.ctx(), ledger.Config{
		Engine: engine, Anchor: b.Anchor, BankID: BankID, Origin: origin, Signer: signer, Verifier: b.Verifier,
		Now: b.Clock.Now, Rand: b.random, Log: slog.New(slog.DiscardHandler), Metrics: options.Metrics, Queue: options.Queue,
	})
	b.must(err)
	b.tb.Cleanup(func() { b.must(b.Ledger.Close()) })
	keys, err := vault.NewKeyset()
	b.must(err)
	people := options.VaultEngine
	if people == nil {
		people = b.memory()
	}
	b.Vault, err = vault.Open(b.ctx(), vault.Config{
		Engine: people, BankID: BankID, Keys: keys, Rand: b.random, Now: b.Clock.Now,
	})
	b.must(err)
	b.IssuerKey = b.NewKey()
	b.Bank, err = api.New(api.Config{
		Ledger: b.Ledger, Vault: b.Vault, Now: b.Clock.Now, Rand: b.random,
		Issuers:          []access.Issuer{{Name: Issuer, Key: b.IssuerKey.Public(), Officers: true, Residents: true}},
		ResolvePerMinute: options.ResolvePerMinute, Metrics: options.Metrics,
		TrustedLogs: options.TrustedLogs, Simulations: options.Simulations, SimulationCompletions: options.SimulationCompletions,
	})
	b.must(err)
}

// memory is an engine that lives as long as the test.
func (b *Bank) memory() store.Engine {
	engine := store.NewMemory()
	b.tb.Cleanup(func() { b.must(engine.Close()) })
	return engine
}

// ctx is the test's context without its end, so that cleaning up can still use it.
func (b *Bank) ctx() context.Context { return context.WithoutCancel(b.tb.Context()) }

func (b *Bank) must(err error) {
	b.tb.Helper()
	if err != nil {
		b.tb.Fatal(err)
	}
}

// Clock stands until it is told to go on. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that shows a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Anchor is a ledger.Anchor in memory. Its zero value is empty.
type Anchor struct {
	mu         sync.Mutex
	checkpoint []byte
	fault      error
}

// Load implements ledger.Anchor.
func (a *Anchor) Load() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.checkpoint, nil
}

// Save implements ledger.Anchor.
func (a *Anchor) Save(checkpoint []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault != nil {
		return a.fault
	}
	a.checkpoint = checkpoint
	return nil
}

// Fail makes every further Save answer err, upon which a ledger halts.
func (a *Anchor) Fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = err
}

// random is a seeded source: what fails once fails again.
type random struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func newRandom() *random { return &random{source: rand.NewChaCha8([32]byte{1})} }

// Read implements io.Reader.
func (r *random) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}

// PolicyYAML answers the bytes of deploy/policies/xihu-2026.yaml.
func PolicyYAML(tb testing.TB) []byte {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("apitest: the test does not run inside the module")
		}
		dir = filepath.Dir(dir)
	}
	yaml, err := os.ReadFile(filepath.Join(dir, "deploy", "policies", "xihu-2026.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	return yaml
}
