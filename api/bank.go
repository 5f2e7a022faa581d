// Package api is the bank: one method for each thing that a user does, and no transport in it.
//
// A method checks who calls (api/access), reads the ledger on a snapshot or proposes to its writer, has certify judge,
// and answers plain values or an *[Error]. It decides what happens; it does not judge, does not store, and does not log:
// what a caller did wrong is answered, what the bank did wrong is answered as an internal fault with its cause, and only
// the transports write logs.
//
// Its files are named by topic: what platforms post (completions, record, statement, void), accounts and their merges (accounts,
// merge), records (portfolio), cases and claims (queue, review, steps, claim), what is taken back or held (clawback),
// accreditation (catalogue, course, application, query), rules (policies, simulate), institutions (agreement, consent, quote,
// transfer), opening balances (opening), what becomes due by itself (overdue, settle), and the log (log, history).
//
// Its one invariant: nothing is answered as done before it is durable and covered by a checkpoint that the log has signed
// and anchored. (Where the log has witnesses, everyone is shown that checkpoint, or a newer one, a little later.)
package api

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// Config is what a bank stands on.
type Config struct {
	Ledger *ledger.Ledger
	Vault  *vault.Vault
	// Issuers are the sign-in services that say who officers and residents are.
	Issuers []access.Issuer
	// Now is the clock, Rand the source of account ids and numbers.
	Now  func() time.Time
	Rand io.Reader
	// ResolvePerMinute is how many identity documents one caller may resolve in a minute, also by opening accounts for people who have
	// one; 0: 600.
	ResolvePerMinute int
	// Simulations is how many simulations of policies run at once; 0: 1. SimulationCompletions is how many completions one
	// of them decides anew at most; 0: 10,000,000.
	Simulations           int
	SimulationCompletions int64
	// Published answers the checkpoint that everyone is shown, which may be older than the newest; nil: the newest, without
	// cosignatures.
	Published func() *cosignature.Checkpoint
	// TrustedLogs are those of other banks whose bundles can be checked.
	TrustedLogs []TrustedLog
	// Metrics registers creditbank_api_… and creditbank_review_…; nil for none.
	Metrics prometheus.Registerer
}

// Bank does what users ask. Its methods are safe for concurrent use.
type Bank struct {
	config        Config
	ledger        *ledger.Ledger
	vault         *vault.Vault
	authenticator *access.Authenticator
	metrics       *metrics

	directory   atomic.Pointer[directory]
	directoryMu sync.Mutex
	// busy keeps what makes the keys of those who post most verify faster.
	busy *keyring.Busy

	// resolvers limits ResolveAccount and OpenAccount, and quotes of transfers, by caller.
	resolveMu sync.Mutex
	resolvers *lru.Cache[string, *rate.Limiter]
	full      full

	// posting is how many submissions are being recorded: simulations give way to them.
	posting atomic.Int64
	// simulations are the places of those that run.
	simulations chan struct{}
	// openings are the documents for which accounts are being opened.
	openings openings
	// exporting are the accounts of which exports are being written.
	exporting exporting
	// previews are those of previews of clawbacks; clawbacks tells that there is something for RunClawbacks to do.
	previews  chan struct{}
	clawbacks chan struct{}
	// imagining are the places of previews of merges.
	imagining chan struct{}
}

// resolversKept is how many callers of ResolveAccount are remembered; one that was forgotten starts with a full allowance.
const resolversKept = 4096

// busyKeys is of how many keys something is kept, 34 MiB at most.
const busyKeys = 256

// New makes a bank of an open ledger and an open vault, which stay their owners' to close.
func New(cfg Config) (*Bank, error) {
	if cfg.ResolvePerMinute == 0 {
		cfg.ResolvePerMinute = 600
	}
	if cfg.Simulations == 0 {
		cfg.Simulations = usualSimulations
	}
	if cfg.SimulationCompletions == 0 {
		cfg.SimulationCompletions = usualSimulationCompletions
	}
	authenticator, err := access.NewAuthenticator(cfg.Ledger.BankID(), cfg.Issuers, cfg.Now)
	if err != nil {
		return nil, err
	}
	full, err := newFull()
	if err != nil {
		return nil, fmt.Errorf("api: %v", err)
	}
	resolvers, err := lru.New[string, *rate.Limiter](resolversKept)
	if err != nil {
		return nil, fmt.Errorf("api: %v", err)
	}
	b := &Bank{
		config: cfg, ledger: cfg.Ledger, vault: cfg.Vault, authenticator: authenticator, resolvers: resolvers, full: full,
		simulations: make(chan struct{}, cfg.Simulations), busy: keyring.NewBusy(busyKeys),
		previews: make(chan struct{}, previewsAtOnce), clawbacks: make(chan struct{}, 1), imagining: make(chan struct{}, imaginedAtOnce),
	}
	b.metrics = newMetrics(cfg.Metrics, b)
	return b, nil
}

// ID is the stable name of the bank.
func (b *Bank) ID() string { return b.ledger.BankID() }

// Authenticate answers whose token it is. An empty token is nobody's: the anonymous caller.
func (b *Bank) Authenticate(ctx context.Context, token string) (access.Caller, error) {
	if token == "" {
		return access.Caller{}, nil
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return access.Caller{}, err
	}
	caller, err := b.authenticator.Caller(token, d)
	if err != nil || caller.Kind != access.Resident {
		return caller, err
	}
	// Whoever signs in by an account that was merged is the holder of the one that goes on.
	caller.SignedIn = caller.Account
	caller.Account, err = b.livingAccount(ctx, caller.SignedIn)
	return caller, err
}

// Ready answers nil when the bank can read and write.
func (b *Bank) Ready(ctx context.Context) error {
	if err := cmp.Or(b.ledger.Halted(), b.vault.Halted()); err != nil {
		return err
	}
	_, err := b.newestDirectory(ctx)
	return err
}
