package rpc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/certificate"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// services are all that a server of this version has.
func services() []string {
	return []string{
		"creditbank.v1.AccountService", "creditbank.v1.AccreditationService", "creditbank.v1.AdminService", "creditbank.v1.AgreementService",
		"creditbank.v1.ApplicationService", "creditbank.v1.ClawbackService", "creditbank.v1.CompletionService", "creditbank.v1.ConsentService",
		"creditbank.v1.LedgerService", "creditbank.v1.MergeService", "creditbank.v1.OpeningBalanceService", "creditbank.v1.PolicyService",
		"creditbank.v1.PortfolioService", "creditbank.v1.ReviewService", "creditbank.v1.TransferService",
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
	}
}

func TestReflection(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(s.nobody()).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	if slices.Sort(names); !slices.Equal(names, services()) {
		t.Errorf("services %v", names)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t), func(c *rpc.Config) { c.ReadyEvery = time.Millisecond })
	client := healthpb.NewHealthClient(s.nobody())
	check := func(service string) healthpb.HealthCheckResponse_ServingStatus {
		t.Helper()
		return ok[*healthpb.HealthCheckResponse](t)(client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})).GetStatus()
	}
	for _, service := range append(services(), "") {
		if got := check(service); got != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q is %s", service, got)
		}
	}
	if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "no.such.Service"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown service: %v", err)
	}
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ok[*healthpb.HealthCheckResponse](t)(watch.Recv()).GetStatus(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("watched %s", got)
	}
	// A bank that halted is not ready, until it is opened again.
	s.Anchor.Fail(errors.New("no anchor"))
	if _, err := s.RemoveOfficer(t.Context(), s.Officer(apitest.Administrator), s.RequestID(), apitest.StreetOfficer, ""); err == nil {
		t.Fatal("the anchor did not fail")
	}
	if got := ok[*healthpb.HealthCheckResponse](t)(watch.Recv()).GetStatus(); got != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watched %s", got)
	}
	for _, service := range append(services(), "") {
		if got := check(service); got != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("%q is %s", service, got)
		}
	}
}

// Who watches does not keep the server from stopping.
func TestStopEndsWatching(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	watch, err := healthpb.NewHealthClient(s.nobody()).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ok[*healthpb.HealthCheckResponse](t)(watch.Recv())
	if err := s.server.GracefulStop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = watch.Recv()
	}
}

func TestGracefulStop(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate}))
	account := s.Open()
	conn, other := s.platform(apitest.Platform), s.nobody()
	ok[*creditbankv1.GetCheckpointResponse](t)(creditbankv1.NewLedgerServiceClient(other).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{}))
	open := gate.close()
	defer open()
	done := s.hold(conn, s.Completion(account.Number))
	s.inFlight(1)
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.GracefulStop(context.Background()) }()
	// No new calls are taken, while the one under way goes on.
	until(t, "new calls are refused", func() bool {
		_, err := creditbankv1.NewLedgerServiceClient(other).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{})
		return status.Code(err) == codes.Unavailable
	})
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a call under way: %v", err)
	default:
	}
	open()
	if err := <-done; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	// What was answered is on the ledger.
	portfolio, err := s.GetPortfolio(t.Context(), s.Resident(account.ID), account.ID, 1)
	if err != nil || portfolio.EntryCount != 1 {
		t.Errorf("portfolio %+v, %v", portfolio, err)
	}
}

func TestHardStop(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate}))
	account := s.Open()
	open := gate.close()
	defer open()
	done := s.hold(s.platform(apitest.Platform), s.Completion(account.Number))
	s.inFlight(1)
	ctx, cancel := context.WithCancelCause(t.Context())
	impatient := errors.New("impatient")
	cancel(impatient)
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.GracefulStop(ctx) }()
	if err := <-done; status.Code(err) != codes.Unavailable {
		t.Errorf("the call under way: %v", err)
	}
	// The handler still waits for the ledger; nothing may close that before it is done.
	select {
	case err := <-stopped:
		t.Errorf("stopped before the handler was done: %v", err)
	default:
	}
	open()
	if err := <-stopped; !errors.Is(err, impatient) {
		t.Errorf("stopped with %v", err)
	}
}

func TestServeAfterStop(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	if err := s.server.GracefulStop(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Serve(l); err != nil {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was left open: %v", err)
	}
}

func TestPlaintextStaysAtHome(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Serve(l); !errors.Is(err, certificate.ErrAddress) {
		t.Errorf("served %s: %v", l.Addr(), err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was left open: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"bank.test"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, apitest.NewBank(t), func(c *rpc.Config) {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	})
	l, err := net.Listen("tcp", ":0") // with TLS anywhere
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.server.GracefulStop(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for name, c := range map[string]credentials.TransportCredentials{
		"trusted": credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "bank.test"}),
		"unknown": credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), ServerName: "bank.test"}),
		"plain":   insecure.NewCredentials(),
	} {
		conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		if (err == nil) != (name == "trusted") {
			t.Errorf("%s: %v", name, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Before anybody called, every method is there to be watched.
func TestMetricsFromTheStart(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]int)
	for _, family := range families {
		names[family.GetName()] = len(family.GetMetric())
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if !strings.HasPrefix(label.GetName(), "grpc_") {
					t.Errorf("%s has the label %s", family.GetName(), label.GetName())
				}
			}
		}
	}
	for _, name := range []string{
		"grpc_server_handled_total", "grpc_server_handling_seconds", "creditbank_rpc_in_flight_calls", "creditbank_rpc_in_flight_bytes",
	} {
		if names[name] == 0 {
			t.Errorf("%s is missing", name)
		}
	}
}
