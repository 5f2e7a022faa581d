// Package rpc serves the bank over gRPC: it converts, authenticates, limits and maps errors, and nothing else.
//
// A call goes through [Server.call] before its request is even read: who calls is found out, and the call gets its place
// among those under way. Then the request is decoded, if there is room for it, and checked for anything that is not known
// here, and only then does a method of api.Bank run. What the methods answer is converted file by file, one for each service. Roles are not
// checked here: that is the matter of api/access, behind the methods.
//
// This is an edge: it writes the log. A line says method, code, reason, duration and kind of caller, and for a fault of the
// bank its cause; never what was asked or answered, and never a token.
//
// Its one invariant: every error of the bank leaves through the one table of errors.go, so that it has a code, a reason
// and, where it concerns one, the field. Only what gRPC refuses before it reads it is answered in gRPC's own words.
package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/certificate"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// Limits of what callers may do to the server. A field that is zero has its default.
type Limits struct {
	// MessageBytes is the size of the largest request; default 4 MiB. One of more than twice that is not even read, and
	// refused by gRPC itself.
	MessageBytes int
	// StreamsPerCaller is how many calls one caller, and one connection, may have open at once; default 64. Callers who say
	// nothing about themselves are told apart by their address.
	StreamsPerCaller int
	// Calls is how many calls all callers together may have open; default 8,192.
	Calls int
	// BytesInFlight is how many bytes of requests, and of what is made of them, are worked on at once, all callers together;
	// default 256 MiB, and at least what [LargestRequest] says. One caller has a quarter of it at most, or that one request, and all who say
	// nothing about themselves together a half.
	BytesInFlight int64
}

// LargestRequest is how many bytes the largest request has, and what is made of it, where a message has so many bytes at most.
func LargestRequest(messageBytes int) int64 { return int64(messageBytes) + maxElements*elementBytes }

// bytesPerCaller is how many of BytesInFlight one caller has at most: no caller keeps all others from being heard.
func (l *Limits) bytesPerCaller() int64 {
	return max(l.BytesInFlight/4, LargestRequest(l.MessageBytes))
}

// bytesOfAnonymous is how many of them all have who say nothing about themselves: anybody can be as many of those as they have addresses.
func (l *Limits) bytesOfAnonymous() int64 {
	return max(l.BytesInFlight/2, LargestRequest(l.MessageBytes))
}

// Bounds of connections.
const (
	maxHeaderBytes    = 16 << 10 // a token has at most 4 KiB
	streamWorkers     = 256      // goroutines for calls; more calls than that start their own
	handshakeTimeout  = 10 * time.Second
	maxIdle           = 15 * time.Minute
	maxAge            = 30 * time.Minute // then connections are spread anew over the servers
	maxAgeGrace       = time.Minute
	pingAfter         = time.Minute
	pingTimeout       = 20 * time.Second
	minClientPing     = 20 * time.Second
	defaultReadyEvery = time.Second
)

// Config is what a server stands on.
type Config struct {
	Bank *api.Bank
	// Log hears of every call: OK at debug, refusals at info, overload at warn, faults of the bank at error.
	Log *slog.Logger
	// Metrics registers grpc_server_… and creditbank_rpc_…; nil for none.
	Metrics prometheus.Registerer
	// TLS is the server's side of TLS; nil: plaintext, on loopback addresses only.
	TLS *tls.Config
	// Now is the clock that measures calls.
	Now    func() time.Time
	Limits Limits
	// ReadyEvery is how often the health service asks the bank whether it is ready; 0: one second.
	ReadyEvery time.Duration
}

// Server serves the bank. Its methods are safe for concurrent use.
type Server struct {
	config Config
	grpc   *grpc.Server
	health *health.Server
	calls  *calls
	// services are the names that health answers for.
	services []string

	// closing ends when the server stops taking calls; mu orders that with the start of looking.
	mu      sync.Mutex
	closing context.Context
	close   context.CancelFunc
	looking bool
	watched sync.WaitGroup
}

// New makes a server of all services of the bank, health (grpc.health.v1) and reflection. It does not listen yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.Limits.complete(); err != nil {
		return nil, err
	}
	if cfg.ReadyEvery == 0 {
		cfg.ReadyEvery = defaultReadyEvery
	}
	s := &Server{
		config: cfg, health: health.NewServer(), calls: newCalls(cfg.Limits),
	}
	s.closing, s.close = context.WithCancel(context.Background())
	measured := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram(grpcprom.WithHistogramBuckets(
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	)))
	s.grpc = grpc.NewServer(s.options(measured)...)
	s.register()
	if cfg.Metrics != nil {
		measured.InitializeMetrics(s.grpc)
		if err := s.measure(cfg.Metrics, measured); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (l *Limits) complete() error {
	for _, field := range []struct {
		name    string
		value   *int
		usually int
	}{
		{"MessageBytes", &l.MessageBytes, 4 << 20},
		{"StreamsPerCaller", &l.StreamsPerCaller, 64},
		{"Calls", &l.Calls, 8192},
	} {
		if *field.value == 0 {
			*field.value = field.usually
		}
		if *field.value < 0 {
			return fmt.Errorf("rpc: limit %s is %d", field.name, *field.value)
		}
	}
	largest := LargestRequest(l.MessageBytes)
	if l.BytesInFlight == 0 {
		l.BytesInFlight = max(256<<20, largest)
	}
	if l.BytesInFlight < largest {
		return fmt.Errorf("rpc: limit BytesInFlight is %d: a request that takes %d could never be taken", l.BytesInFlight, largest)
	}
	return nil
}

func (s *Server) options(measured *grpcprom.ServerMetrics) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		// What is a little too large is read, so that it can be refused with its reason; see request.
		grpc.MaxRecvMsgSize(2 * s.config.Limits.MessageBytes),
		grpc.MaxConcurrentStreams(uint32(s.config.Limits.StreamsPerCaller)),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: maxIdle, MaxConnectionAge: maxAge, MaxConnectionAgeGrace: maxAgeGrace,
			Time: pingAfter, Timeout: pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
		// Goroutines that stay keep the stacks that verifying a signature takes: growing a new one for each call is a
		// tenth of its CPU.
		grpc.NumStreamWorkers(streamWorkers),
		// A handler may be waiting for the ledger: whoever stops the server closes the ledger next.
		grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(measured.UnaryServerInterceptor()),
		grpc.ChainStreamInterceptor(measured.StreamServerInterceptor(), s.stream),
	}
	if s.config.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.config.TLS)))
	}
	return options
}

func (s *Server) register() {
	guarded, bank := guarded{s}, s.config.Bank
	creditbankv1.RegisterCompletionServiceServer(guarded, &completions{bank: bank, log: s.config.Log})
	creditbankv1.RegisterAccountServiceServer(guarded, &accounts{bank: bank})
	creditbankv1.RegisterPortfolioServiceServer(guarded, &portfolios{bank: bank})
	creditbankv1.RegisterReviewServiceServer(guarded, &reviews{bank: bank})
	creditbankv1.RegisterAccreditationServiceServer(guarded, &accreditations{bank: bank})
	creditbankv1.RegisterApplicationServiceServer(guarded, &applications{bank: bank})
	creditbankv1.RegisterPolicyServiceServer(guarded, &policies{bank: bank})
	creditbankv1.RegisterLedgerServiceServer(guarded, &entries{bank: bank})
	creditbankv1.RegisterAdminServiceServer(guarded, &administration{bank: bank})
	creditbankv1.RegisterOpeningBalanceServiceServer(guarded, &openings{bank: bank, log: s.config.Log})
	creditbankv1.RegisterAgreementServiceServer(guarded, &agreements{bank: bank})
	creditbankv1.RegisterConsentServiceServer(guarded, &consents{bank: bank})
	creditbankv1.RegisterTransferServiceServer(guarded, &transfers{bank: bank})
	creditbankv1.RegisterMergeServiceServer(guarded, &merges{bank: bank})
	creditbankv1.RegisterClawbackServiceServer(guarded, &clawbacks{bank: bank})
	healthpb.RegisterHealthServer(guarded, s.health)
	reflection.Register(s.grpc)
	s.services = slices.Sorted(maps.Keys(s.grpc.GetServiceInfo()))
}

// measure registers what the server is measured by.
func (s *Server) measure(registerer prometheus.Registerer, measured prometheus.Collector) error {
	for _, collector := range []prometheus.Collector{
		measured,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "creditbank_rpc_in_flight_calls", Help: "Calls that are open.",
		}, func() float64 { count, _ := s.calls.open(); return float64(count) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "creditbank_rpc_in_flight_bytes", Help: "Bytes of the requests that are being worked on, and of what is made of them.",
		}, func() float64 { _, bytes := s.calls.open(); return float64(bytes) }),
	} {
		if err := registerer.Register(collector); err != nil {
			return fmt.Errorf("rpc: metrics: %v", err)
		}
	}
	return nil
}

// Serve answers calls on a listener, which it closes in the end. It returns nil when the server is stopped, or was before.
// Without TLS it refuses addresses that others can reach with certificate.ErrAddress.
func (s *Server) Serve(l net.Listener) error {
	if address, ok := l.Addr().(*net.TCPAddr); ok {
		if err := certificate.CheckListen(address.String(), s.config.TLS != nil); err != nil {
			return errors.Join(fmt.Errorf("rpc: %w", err), l.Close())
		}
	}
	s.startLooking()
	if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("rpc: serve: %v", err)
	}
	return nil
}

// GracefulStop takes no more calls and waits until those under way are answered. When ctx ends first it breaks them off,
// waits for their handlers to notice, and answers the cause of ctx. After it nothing of the server runs any more.
func (s *Server) GracefulStop(ctx context.Context) error {
	s.health.Shutdown()
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("rpc: calls under way were broken off: %w", context.Cause(ctx))
		s.grpc.Stop()
		<-done
	}
	s.watched.Wait()
	return err
}

// startLooking begins to keep health up to date, unless that has begun, or the server is stopped.
func (s *Server) startLooking() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looking || s.closing.Err() != nil {
		return
	}
	s.looking = true
	s.look()
	s.watched.Go(s.keepLooking)
}

// keepLooking keeps health up to date until the server stops.
func (s *Server) keepLooking() {
	ticker := time.NewTicker(s.config.ReadyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.look()
		case <-s.closing.Done():
			return
		}
	}
}

// look asks the bank whether it is ready, and says so of the server and of each service.
func (s *Server) look() {
	serving := healthpb.HealthCheckResponse_SERVING
	if err := s.config.Bank.Ready(s.closing); err != nil {
		serving = healthpb.HealthCheckResponse_NOT_SERVING
	}
	s.health.SetServingStatus("", serving)
	for _, service := range s.services {
		s.health.SetServingStatus(service, serving)
	}
}
