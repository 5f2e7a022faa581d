// Package web is everything that the bank says over plain HTTP: the resident's record, sign-in by token, the checkpoint and
// the tiles of the log, and whether the bank is alive.
//
// It decides nothing: who may see what is api's answer, and its own work ends at pages, headers and cookies. It keeps no
// session – the cookie holds the token of a sign-in service, which is verified on every request – and it runs no script:
// every page works in a browser without JavaScript, at any size of type, and on paper.
//
// Its one invariant: nothing that names a person or lets anyone act as one – account number, account id, token – is ever
// part of an address, of a log line or of an answer that may be stored.
//
// Pages have one small stylesheet of their own in place of Bootstrap: it is a fraction of the size, which counts on the old
// phones that many residents use, and a record is made of no more than headings, one table and one list.
package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Limits of what is served.
const (
	// requestTime is how long one answer may take.
	requestTime = 15 * time.Second
	// requestsAtOnce is how many are answered at the same time; /healthz is always answered.
	requestsAtOnce = 512
	// maxFormBytes is the size of the largest form.
	maxFormBytes = 16 << 10
	// maxHeaderBytes leaves room for a token in a cookie and another one in Authorization.
	maxHeaderBytes = 32 << 10
	// policiesKept is how many policy versions stay in memory; pages name the ones that decided.
	policiesKept = 64
)

// Bank is what pages ask of a bank; an [api.Bank] is one. Its methods are safe for concurrent use, and their errors are
// those that [api.AsError] knows.
type Bank interface {
	Record
	Looks
	Log
	// ListNotices answers what is under public notice, for everybody.
	ListNotices(ctx context.Context, within string, page api.Page) (notices []api.Notice, next string, err error)
	// ListCourses answers a page of the catalogue, for everybody.
	ListCourses(ctx context.Context, filter api.CourseFilter, page api.Page) (api.Catalogue, error)
	// Authenticate answers whose token it is; an empty token is nobody's.
	Authenticate(ctx context.Context, token string) (access.Caller, error)
	// Ready answers nil when the bank can read and write.
	Ready(ctx context.Context) error
}

// Record is what a resident's page is made of. Whether the caller may see it is for the bank to say.
type Record interface {
	GetAccount(ctx context.Context, caller access.Caller, id unit.AccountID) (api.Account, error)
	GetPortfolio(ctx context.Context, caller access.Caller, id unit.AccountID, limit int) (*api.Portfolio, error)
	ListPortfolioEntries(
		ctx context.Context, caller access.Caller, id unit.AccountID, category string, reasons bool, page api.Page,
	) (entries []api.PortfolioEntry, next string, err error)
	// ExportPortfolio writes a record to what begin answers, as [api.Bank.ExportPortfolio] does.
	ExportPortfolio(
		ctx context.Context, caller access.Caller, e api.Export, begin func(api.ExportedFile) (io.Writer, error),
	) error
	// ListTransfers answers what institutions were asked to take over, the newest first.
	ListTransfers(
		ctx context.Context, caller access.Caller, filter api.TransferFilter, page api.Page,
	) (transfers []api.Transfer, next string, err error)
	// GetPolicy answers a policy and its exact YAML by the SHA-256 of that YAML: what it answers for a hash never changes.
	GetPolicy(ctx context.Context, hash []byte) (api.Policy, []byte, error)
}

// Looks are who looked at a record, and who may.
type Looks interface {
	ListAccesses(ctx context.Context, caller access.Caller, id unit.AccountID, page api.Page) (accesses []api.Access, next string, err error)
	ListConsents(ctx context.Context, caller access.Caller, id unit.AccountID, page api.Page) (consents []api.Consent, next string, err error)
}

// Log is what anybody reads of the log. The answers are only read.
type Log interface {
	Checkpoint() (*cosignature.Checkpoint, error)
	Tile(ctx context.Context, tile merkle.Tile) ([]byte, error)
	// FormerLogs answers the logs that ended before this one, the oldest first.
	FormerLogs(ctx context.Context) ([]ledger.FormerLog, error)
}

// Config is what the pages stand on.
type Config struct {
	Bank Bank
	// Name is what the bank calls itself on its pages; empty: 学分银行, Learning Credit Bank.
	Name api.Text
	// VerifierKey is the log's public key as a signed-note verifier key (C2SP signed-note), answered at /log/key.
	VerifierKey string
	// Secure says that browsers reach the bank through TLS only: cookies are then never sent without it.
	Secure bool
	// People are those whom a demo signs in by a click. Anybody who reaches the server becomes any of them: only for a bank
	// whose people are invented and that listens on loopback.
	People []Person
	// Log hears one line for each request: method, route, status and time, never an address that was asked for.
	Log *slog.Logger
	// Metrics registers creditbank_web_…; nil for none.
	Metrics prometheus.Registerer
	// Now is the clock.
	Now func() time.Time
}

// Person is somebody whom a demo signs in.
type Person struct {
	Label api.Text
	// Token makes a token for the person.
	Token func() (string, error)
}

// site answers requests. All of it but the policies that it remembers stays as New made it.
type site struct {
	config   Config
	routes   *http.ServeMux
	origins  *http.CrossOriginProtection
	metrics  *metrics
	assets   assets
	pages    pages
	slots    chan struct{} // one for each request that is being answered
	policies *lru.Cache[policyHash, rules]
}

// New makes the handler of everything that is served over plain HTTP.
func New(cfg Config) (http.Handler, error) {
	if _, err := note.NewVerifier(cfg.VerifierKey); err != nil {
		return nil, fmt.Errorf("web: verifier key of the log: %v", err)
	}
	policies, err := lru.New[policyHash, rules](policiesKept)
	if err != nil {
		return nil, fmt.Errorf("web: %v", err)
	}
	s := &site{
		config: cfg, routes: http.NewServeMux(), origins: http.NewCrossOriginProtection(), metrics: newMetrics(cfg.Metrics),
		slots: make(chan struct{}, requestsAtOnce), policies: policies,
	}
	if s.config.Name == (api.Text{}) {
		s.config.Name = api.Text{ZH: "学分银行", EN: "Learning Credit Bank"}
	}
	if s.assets, err = readAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = readPages(phrases()); err != nil {
		return nil, err
	}
	s.route()
	return s, nil
}

// Server is the handler of New in a server with limits of time and size. Its owner gives it an address and TLS.
func Server(cfg Config) (*http.Server, error) {
	handler, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       requestTime,
		WriteTimeout:      2 * requestTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		// What net/http itself complains about are peers that break off, with their addresses in the line.
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}, nil
}

// route is the table of everything there is.
func (s *site) route() {
	page := func(pattern string, answer func(http.ResponseWriter, *http.Request) error) {
		s.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			private(w.Header())
			if err := answer(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	page("GET /{$}", s.home)
	page("GET /portfolio", s.portfolio)
	page("POST "+exportPath, s.export)
	page("GET "+noticesPath, s.notices)
	page("GET "+coursesPath, s.courses)
	page("GET /sign-in", s.signInPage)
	page("POST /sign-in", s.signIn)
	page("POST /sign-out", s.signOut)
	if len(s.config.People) > 0 {
		page("GET "+personPrefix+"{person}", s.signInPerson)
	}
	s.routes.HandleFunc("GET "+assetPrefix+"{name}", s.asset)
	s.routes.HandleFunc("GET /log/checkpoint", s.checkpoint)
	s.routes.HandleFunc("GET /log/key", s.key)
	s.routes.HandleFunc("GET /log/tile/{path...}", s.tile)
	s.routes.HandleFunc("GET /log/former", s.formerLogs)
	s.routes.HandleFunc("GET /log/former/{key}", s.formerLog)
	s.routes.HandleFunc("GET "+alivePath, s.alive)
	s.routes.HandleFunc("GET /readyz", s.ready)
}
