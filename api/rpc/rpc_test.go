package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a bank behind a server.
type served struct {
	*apitest.Bank
	t        *testing.T
	server   *rpc.Server
	listener *bufconn.Listener
	log      *lines
	metrics  *prometheus.Registry
}

// serve serves a bank until the test ends.
func serve(t *testing.T, bank *apitest.Bank, change ...func(*rpc.Config)) *served {
	t.Helper()
	s := &served{Bank: bank, t: t, listener: bufconn.Listen(1 << 20), log: new(lines), metrics: prometheus.NewRegistry()}
	cfg := rpc.Config{
		Bank: bank.Bank, Metrics: s.metrics, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if s.server, err = rpc.New(cfg); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(s.listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.server.GracefulStop(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// connect makes a connection of its own. Values are sent as "authorization" with each call.
func (s *served) connect(values ...string) *grpc.ClientConn {
	s.t.Helper()
	authorize := func(ctx context.Context) context.Context {
		return metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": values})
	}
	conn, err := grpc.NewClient("passthrough:///bank",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) }),
		grpc.WithUnaryInterceptor(func(
			ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
		) error {
			return invoke(authorize(ctx), method, request, answer, conn, options...)
		}),
	)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() }) // some tests close it themselves
	return conn
}

// The callers of most tests.
func (s *served) nobody() *grpc.ClientConn { return s.connect() }

func (s *served) platform(id string) *grpc.ClientConn {
	return s.connect("Bearer " + s.PlatformToken(id))
}

func (s *served) officer(id string) *grpc.ClientConn {
	return s.connect("Bearer " + s.OfficerToken(id))
}

func (s *served) resident(a api.Account) *grpc.ClientConn {
	return s.connect("Bearer " + s.ResidentToken(a.ID))
}

// lines is a log. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

// value is what a metric has, summed over the labels that are not given; labels are "name=value".
func (s *served) value(name string, labels ...string) float64 {
	s.t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	var sum float64
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && has(m, labels) {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func has(m *dto.Metric, labels []string) bool {
	for _, want := range labels {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName()+"="+l.GetValue() == want }) {
			return false
		}
	}
	return true
}

// until waits for a condition that others bring about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

// refused fails the test unless err has the code, the reason and the field; an empty field stands for none.
func refused(t *testing.T, err error, code codes.Code, reason api.Reason, field string) {
	t.Helper()
	refusedStatus(t, status.Convert(err), code, reason, field)
}

func refusedStatus(t *testing.T, s *status.Status, code codes.Code, reason api.Reason, field string) {
	t.Helper()
	var gotReason, gotField string
	var retry bool
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			gotReason = d.GetReason()
			if d.GetDomain() != rpc.Domain {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.BadRequest:
			gotField = d.GetFieldViolations()[0].GetField()
			if d.GetFieldViolations()[0].GetDescription() == "" {
				t.Error("the violation says nothing")
			}
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration() > 0
		default:
			t.Errorf("detail %v", detail)
		}
	}
	if s.Code() != code || gotReason != string(reason) || gotField != field {
		t.Errorf("got %s %s %q (%s), want %s %s %q", s.Code(), gotReason, gotField, s.Message(), code, reason, field)
	}
	wantRetry := (code == codes.ResourceExhausted && reason != "MESSAGE_TOO_LARGE") || code == codes.Unavailable
	if retry != wantRetry {
		t.Errorf("%s: RetryInfo %v, want %v", reason, retry, wantRetry)
	}
}

// ok is for calls that have to succeed.
func ok[T any](t *testing.T) func(T, error) T {
	return func(answer T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

func postProto(s api.Submission, view creditbankv1.View) *creditbankv1.RecordCompletionsRequest {
	return &creditbankv1.RecordCompletionsRequest{
		Organization: s.Organization, KeyId: s.KeyID, Signature: s.Signature, Statements: s.Statements, View: view,
	}
}

// gate is an engine on which the writer waits while it is shut, for what it reads and for what it commits. Others read
// snapshots.
type gate struct {
	store.Engine
	mu   sync.Mutex
	shut chan struct{} // nil while open
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{Engine: store.NewMemory()}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// close shuts the gate until open.
func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut = shut
	return sync.OnceFunc(func() {
		g.mu.Lock()
		g.shut = nil
		g.mu.Unlock()
		close(shut)
	})
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

// Get implements store.Engine.
func (g *gate) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	g.pass()
	return g.Engine.Get(ctx, keys...)
}

// Commit implements store.Engine.
func (g *gate) Commit(ctx context.Context, batch *store.Batch, expected store.Head) error {
	g.pass()
	return g.Engine.Commit(ctx, batch, expected)
}

func TestNewRefusesLimits(t *testing.T) {
	t.Parallel()
	bank := apitest.NewBank(t)
	for name, limits := range map[string]rpc.Limits{
		"negative size":          {MessageBytes: -1},
		"negative streams":       {StreamsPerCaller: -1},
		"less than one message":  {MessageBytes: 1 << 20, BytesInFlight: 1 << 10},
		"and what it becomes":    {MessageBytes: 1 << 20, BytesInFlight: rpc.LargestRequest(1<<20) - 1},
		"negative calls":         {Calls: -1},
		"negative bytes in hand": {BytesInFlight: -1},
	} {
		if _, err := rpc.New(rpc.Config{Bank: bank.Bank, Log: slog.New(slog.DiscardHandler), Now: time.Now, Limits: limits}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, limits := range []rpc.Limits{{MessageBytes: 1 << 20, BytesInFlight: rpc.LargestRequest(1 << 20)}, {MessageBytes: 1 << 30}} {
		server, err := rpc.New(rpc.Config{Bank: bank.Bank, Log: slog.New(slog.DiscardHandler), Now: time.Now, Limits: limits})
		if err != nil {
			t.Errorf("%+v: %v", limits, err)
			continue
		}
		if err := server.GracefulStop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A request never shows in the log, and neither does a token.
func TestLog(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	token := s.ResidentToken(account.ID)
	document := s.Document(1)
	ctx := t.Context()
	_, err := creditbankv1.NewAccountServiceClient(s.platform(apitest.Platform)).ResolveAccount(ctx, &creditbankv1.ResolveAccountRequest{
		Document: &creditbankv1.Document{Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: document.Number}, Purpose: "posting",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = creditbankv1.NewAccountServiceClient(s.connect("Bearer "+token)).GetAccount(ctx, &creditbankv1.GetAccountRequest{AccountId: account.ID.String()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = creditbankv1.NewAccountServiceClient(s.connect("Bearer "+token)).GetAccount(ctx, &creditbankv1.GetAccountRequest{AccountId: "secret-word"})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "account_id")

	log := s.log.String()
	for _, line := range []string{
		"level=DEBUG msg=call method=/creditbank.v1.AccountService/ResolveAccount code=OK duration=",
		"caller=organization:hangxue",
		"level=INFO msg=call method=/creditbank.v1.AccountService/GetAccount code=InvalidArgument duration=",
		"caller=resident reason=FIELD_INVALID",
	} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %q:\n%s", line, log)
		}
	}
	for _, secret := range []string{token, document.Number, string(account.Number), account.ID.String(), "secret-word"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	labels := []string{"grpc_service=creditbank.v1.AccountService", "grpc_method=GetAccount", "grpc_type=unary"}
	if n := s.value("grpc_server_handled_total", append(labels, "grpc_code=OK")...); n != 1 {
		t.Errorf("%v handled well", n)
	}
	if n := s.value("grpc_server_handled_total", append(labels, "grpc_code=InvalidArgument")...); n != 1 {
		t.Errorf("%v refused", n)
	}
}

// What the bank cannot do through its own fault is answered without its cause, and logged with it.
func TestInternal(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	conn := s.officer(apitest.Administrator)
	s.Anchor.Fail(errors.New("the disk of the anchor is gone"))
	_, err := creditbankv1.NewAdminServiceClient(conn).RemoveOfficer(t.Context(), &creditbankv1.RemoveOfficerRequest{
		RequestId: s.RequestID(), Officer: apitest.StreetOfficer,
	})
	// The ledger halts: what the caller can do about it is to come back.
	refused(t, err, codes.Unavailable, api.ReasonHalted, "")
	_, err = creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform)).RecordCompletions(t.Context(), postProto(
		s.Submission(apitest.Platform, s.Completion("1000000000000008")), 0,
	))
	refused(t, err, codes.Unavailable, api.ReasonHalted, "")
	if log := s.log.String(); !strings.Contains(log, "level=WARN msg=call method=/creditbank.v1.AdminService/RemoveOfficer code=Unavailable") {
		t.Errorf("log:\n%s", log)
	}
}

// fragile is an engine that panics when an entry is read from a snapshot.
type fragile struct{ *gate }

// Snapshot implements store.Engine.
func (f fragile) Snapshot() (store.Snapshot, error) {
	snapshot, err := f.gate.Snapshot()
	return fragileSnapshot{snapshot}, err
}

type fragileSnapshot struct{ store.Snapshot }

// Get implements store.Reader.
func (f fragileSnapshot) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	if keys[0][0] == book.TableEntries {
		panic("entries cannot be read")
	}
	return f.Snapshot.Get(ctx, keys...)
}

// A panic is answered as an internal fault that says nothing, and logged with its stack.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: fragile{newGate(t)}, Empty: true}))
	_, err := creditbankv1.NewLedgerServiceClient(s.nobody()).GetEntry(t.Context(), &creditbankv1.GetEntryRequest{Index: 1})
	refused(t, err, codes.Internal, api.ReasonInternal, "")
	if strings.Contains(err.Error(), "entries cannot be read") {
		t.Errorf("the answer says %v", err)
	}
	if log := s.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "entries cannot be read") || !strings.Contains(log, "log.go") {
		t.Errorf("the log lacks the stack:\n%s", log)
	}
	if n := s.value("grpc_server_handled_total", "grpc_code=Internal"); n != 1 {
		t.Errorf("%v counted", n)
	}
	// The place of the call is free again.
	s.inFlight(0)
}
