package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/certificate"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/ledger"
)

type serveCommand struct {
	configured
	AcceptTime   bool `help:"Start although the clock is far from the newest entry. For one start, by whoever has checked the clock."`
	AcceptAnchor bool `help:"Start although the anchor is gone. For one start, by whoever knows that the data is the newest there is."`
}

// Run serves the bank until ctx ends.
func (c *serveCommand) Run(ctx context.Context, p *process) error {
	l, err := c.load(p.environ)
	if err != nil {
		return err
	}
	secrets, issuers := l.secrets(), l.issuers()
	l.certificate()
	if err := l.err(); err != nil {
		return err
	}
	log := newLog(p.stderr, l.config)
	return p.serve(ctx, service{
		opening: opening{
			config: l.config, secrets: secrets, issuers: issuers, log: log, acceptTime: c.AcceptTime, acceptAnchor: c.AcceptAnchor,
		},
		ready: func(ctx context.Context, at addresses) error {
			log.InfoContext(ctx, "serving", "bank", l.config.bank.id, "grpc", at.grpc, "http", at.http, "admin", at.admin, "version", version())
			if p.started != nil {
				p.started(at)
			}
			return nil
		},
	})
}

func newLog(w io.Writer, c *config) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	options := &slog.HandlerOptions{Level: level[c.log.level]}
	if c.log.format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// addresses are where the bank listens: what the configuration says, with the port that it got where it asked for any.
type addresses struct{ grpc, http, admin string }

// service is what is served.
type service struct {
	opening
	// people are those whom a demo signs in.
	people []web.Person
	// ready runs once the bank answers; when it fails, the service stops.
	ready func(context.Context, addresses) error
}

// serve opens the bank and answers until ctx ends, or something that it cannot do without does. Then what is in flight
// finishes, within the time that the configuration grants.
func (p *process) serve(ctx context.Context, s service) (err error) {
	if p.serving != nil {
		p.serving(s.config.heapBytes())
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.metrics, s.opening.witnesses = registry, true

	var shown *certificate.Certificate
	if s.config.withTLS() {
		shown, err = certificate.Open(certificate.Config{ //nolint:contextcheck // files change for all connections, not for one
			CertFile: s.config.tls.certificateFile, KeyFile: s.config.tls.keyFile, Now: p.now, Log: s.log, Metrics: registry,
		})
		if err != nil {
			return fmt.Errorf("tls.certificate_file and tls.key_file: %w", err)
		}
	}
	listeners, err := listen(ctx, s.config)
	if err != nil {
		return err
	}
	b, err := p.open(ctx, s.opening)
	if err != nil {
		return errors.Join(err, listeners.Close())
	}
	servers, err := p.servers(s, b, shown, registry) //nolint:contextcheck // servers live until they are stopped
	if err != nil {
		return errors.Join(err, listeners.Close(), b.Close())
	}
	return errors.Join(p.answer(ctx, s, b, servers, listeners), b.Close())
}

// listeners are the three places that the bank listens at.
type listeners struct{ grpc, http, admin net.Listener }

func listen(ctx context.Context, c *config) (l listeners, err error) {
	for _, place := range []struct {
		key, address string
		listener     *net.Listener
	}{
		{"listen.grpc", c.listen.grpc, &l.grpc}, {"listen.http", c.listen.http, &l.http}, {"listen.admin", c.listen.admin, &l.admin},
	} {
		*place.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", place.address)
		if err != nil {
			return l, errors.Join(fmt.Errorf("%s: %v: stop what listens there, or choose another address", place.key, err), l.Close())
		}
	}
	return l, nil
}

func (l listeners) addresses() addresses {
	return addresses{grpc: l.grpc.Addr().String(), http: l.http.Addr().String(), admin: l.admin.Addr().String()}
}

// Close closes what is open. A server closes its own.
func (l listeners) Close() error {
	var errs []error
	for _, listener := range []net.Listener{l.grpc, l.http, l.admin} {
		if listener != nil {
			errs = append(errs, listener.Close())
		}
	}
	return errors.Join(errs...)
}

// servers answer at the three places.
type servers struct {
	grpc        *rpc.Server
	http, admin *http.Server
	// stop makes readiness say no, while what is in flight finishes.
	stop context.CancelFunc
}

// stoppable is a bank that is no longer ready once its service stops.
type stoppable struct {
	*api.Bank
	stopping context.Context //nolint:containedctx // the life of the service
}

// Ready implements web.Bank.
func (b stoppable) Ready(ctx context.Context) error {
	if b.stopping.Err() != nil {
		return ledger.ErrClosed
	}
	return b.Bank.Ready(ctx)
}

func (p *process) servers(s service, b *bank, shown *certificate.Certificate, registry *prometheus.Registry) (_ *servers, err error) {
	limits := s.config.limits
	cfg := rpc.Config{
		Bank: b.Bank, Log: s.log, Metrics: registry, Now: p.now,
		Limits: rpc.Limits{
			MessageBytes: limits.messageBytes, StreamsPerCaller: limits.streamsPerCaller, BytesInFlight: int64(limits.bytesInFlight),
		},
	}
	if shown != nil {
		cfg.TLS = shown.TLS()
	}
	out := new(servers)
	if out.grpc, err = rpc.New(cfg); err != nil {
		return nil, err
	}
	stopping, stop := context.WithCancel(context.Background())
	out.stop = stop
	out.http, err = web.Server(web.Config{
		Bank: stoppable{b.Bank, stopping}, VerifierKey: s.secrets.log.vkey, Secure: shown != nil, People: s.people,
		Log: s.log, Metrics: registry, Now: p.now,
	})
	if err != nil {
		stop()
		return nil, err
	}
	var onRequest http.Handler
	if s.config.backup.dir != "" {
		onRequest = &backups{bank: b, config: s.config, now: p.now, log: s.log, stopping: stopping}
		if err := registerBackups(registry, s.config); err != nil {
			stop()
			return nil, err
		}
	}
	out.admin = adminServer(registry, s.config.listen.pprof, onRequest, s.log)
	if shown != nil {
		out.http.TLSConfig, out.admin.TLSConfig = shown.TLS(), shown.TLS()
	}
	return out, nil
}

// answer serves at the three places until ctx ends or one of them fails, and then stops all.
func (p *process) answer(ctx context.Context, s service, b *bank, servers *servers, l listeners) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var ending tasks
	serve := func(what string, run func() error) {
		ending.add(func() error {
			err := run()
			if err == nil || errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			cancel(errStopped)
			return fmt.Errorf("%s: %w", what, err)
		})
	}
	serve("gRPC", func() error { return servers.grpc.Serve(l.grpc) })
	serve("HTTP", func() error { return serveHTTP(servers.http, l.http) })
	serve("admin", func() error { return serveHTTP(servers.admin, l.admin) })
	ending.add(func() error {
		err := s.ready(ctx, l.addresses())
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whoever is told to stop in the middle has not failed
		}
		if err != nil {
			cancel(errStopped)
		}
		return err
	})
	ending.add(func() error {
		p.sweep(ctx, b, s.log)
		return nil
	})
	if b.witnesses != nil {
		ending.add(func() error {
			b.witnesses.Run(ctx)
			return nil
		})
	}

	<-ctx.Done()
	s.log.InfoContext(ctx, "stopping", "grace", s.config.shutdown.grace)
	servers.stop()
	grace, done := context.WithTimeoutCause(context.WithoutCancel(ctx), s.config.shutdown.grace, errGrace)
	defer done()
	err := errors.Join(servers.grpc.GracefulStop(grace), shutdown(grace, servers.http), shutdown(grace, servers.admin), ending.wait())
	if errors.Is(err, errGrace) {
		// Whoever got no answer asks again, and is told what was recorded: this is no failure of the bank.
		s.log.WarnContext(ctx, "some calls did not finish in time and were broken off", "grace", s.config.shutdown.grace)
		err = nil
	}
	s.log.InfoContext(ctx, "stopped")
	return err
}

// Why a service ends.
var (
	errStopped = errors.New("the service stops")
	errGrace   = errors.New("the time of grace is up")
)

// tasks are goroutines that end when the service does.
type tasks struct {
	count int
	ended chan error
}

func (t *tasks) add(run func() error) {
	if t.ended == nil {
		t.ended = make(chan error, 8)
	}
	t.count++
	go func() { t.ended <- run() }()
}

func (t *tasks) wait() error {
	var errs []error
	for range t.count {
		errs = append(errs, <-t.ended)
	}
	return errors.Join(errs...)
}

func serveHTTP(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// shutdown lets requests finish, and breaks off those that don't in time.
func shutdown(ctx context.Context, server *http.Server) error {
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(context.Cause(ctx), server.Close())
	}
	return nil
}

// sweepHour is the hour of the night, by the machine's clock, in which overdue accounts are settled.
const sweepHour = 3

// caseInterval is how often the bank looks for cases and holds whose time has passed: a public notice that is over, evidence or
// an institution's answer that did not come. That looks at nothing else, so that it can be often.
const caseInterval = 10 * time.Minute

// sweep settles what is overdue on accounts that nobody uses, once at the start and then every night, ends the states of cases,
// and the holds, that end by themselves in between, and does what officers have decided of clawbacks, at once or where it stopped.
func (p *process) sweep(ctx context.Context, b *bank, log *slog.Logger) {
	for night := p.now(); ; {
		started, work, what := p.now(), b.EndDue, "cases and holds whose time has passed"
		if !started.Before(night) {
			night, work, what = started.Add(untilNight(started)), b.Sweep, "overdue accounts"
		}
		p.clawbacks(ctx, b, log)
		entries, err := work(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.ErrorContext(ctx, "what is overdue was not all settled; the next time tries again", "what", what, "cause", err)
		case entries > 0:
			log.InfoContext(ctx, "what was overdue was settled", "what", what, "entries", entries, "took", p.now().Sub(started))
		}
		timer := time.NewTimer(min(caseInterval, max(night.Sub(p.now()), time.Second)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-b.ClawbacksDue():
			timer.Stop()
		}
	}
}

// clawbacks holds completions, sets them free and takes them back, as officers have decided.
func (p *process) clawbacks(ctx context.Context, b *bank, log *slog.Logger) {
	started := p.now()
	entries, err := b.RunClawbacks(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.ErrorContext(ctx, "a clawback was not done whole; the next time tries again", "entries", entries, "cause", err)
	case entries > 0:
		log.InfoContext(ctx, "clawbacks and holds were done", "entries", entries, "took", p.now().Sub(started))
	}
}

// untilNight is how long it is until the next sweep.
func untilNight(now time.Time) time.Duration {
	year, month, day := now.Date()
	next := time.Date(year, month, day, sweepHour, 0, 0, 0, now.Location())
	if !next.After(now) {
		next = time.Date(year, month, day+1, sweepHour, 0, 0, 0, now.Location())
	}
	return next.Sub(now)
}
