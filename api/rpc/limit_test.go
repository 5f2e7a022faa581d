package rpc_test

import (
	"context"
	"net/netip"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func TestMessageSize(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	client := creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform))
	_, err := client.RecordCompletions(t.Context(), &creditbankv1.RecordCompletionsRequest{Signature: make([]byte, 5<<20)})
	refused(t, err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE", "")
	// It is counted and logged like any other call.
	if n := s.value("grpc_server_handled_total", "grpc_method=RecordCompletions", "grpc_code=ResourceExhausted"); n != 1 {
		t.Errorf("%v counted", n)
	}
	// What is much too large is not read at all: gRPC refuses it, in its own words.
	_, err = client.RecordCompletions(t.Context(), &creditbankv1.RecordCompletionsRequest{Signature: make([]byte, 9<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
	if n := s.value("grpc_server_handled_total", "grpc_method=RecordCompletions", "grpc_code=ResourceExhausted"); n != 2 {
		t.Errorf("%v counted", n)
	}
	// Just below the limit it is the submission that is judged.
	_, err = client.RecordCompletions(t.Context(), &creditbankv1.RecordCompletionsRequest{Signature: make([]byte, 4<<20-100)})
	refused(t, err, codes.InvalidArgument, api.ReasonSubmissionSize, "statements")
}

func TestSubmissionSize(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	client := creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform))
	account := s.Open()
	statements := make([]*statementv1.Statement, api.MaxStatements+1)
	for i := range statements {
		statements[i] = s.Completion(account.Number)
	}
	_, err := client.RecordCompletions(t.Context(), postProto(s.Submission(apitest.Platform, statements...), 0))
	refused(t, err, codes.InvalidArgument, api.ReasonSubmissionSize, "statements")
	_, err = client.RecordCompletions(t.Context(), &creditbankv1.RecordCompletionsRequest{Organization: apitest.Platform})
	refused(t, err, codes.InvalidArgument, api.ReasonSubmissionSize, "statements")
}

// hold makes a call that waits in the ledger until the gate opens. Its error comes out of the channel.
func (s *served) hold(conn *grpc.ClientConn, statement *statementv1.Statement) <-chan error {
	s.t.Helper()
	request := postProto(s.Submission(apitest.Platform, statement), 0)
	done := make(chan error, 1)
	go func() {
		_, err := creditbankv1.NewCompletionServiceClient(conn).RecordCompletions(context.WithoutCancel(s.t.Context()), request)
		done <- err
	}()
	return done
}

func (s *served) inFlight(calls float64) {
	s.t.Helper()
	until(s.t, "calls are under way", func() bool { return s.value("creditbank_rpc_in_flight_calls") == calls })
}

func TestCallsOfOneCaller(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate}), func(c *rpc.Config) { c.Limits.StreamsPerCaller = 2 })
	account := s.Open()
	open := gate.close()
	defer open()
	first, second, third := s.platform(apitest.Platform), s.platform(apitest.Platform), s.platform(apitest.Platform)
	one := s.hold(first, s.Completion(account.Number))
	two := s.hold(second, s.Completion(account.Number))
	s.inFlight(2)
	checkpoint := func(conn *grpc.ClientConn) error {
		_, err := creditbankv1.NewLedgerServiceClient(conn).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{})
		return err
	}
	refused(t, checkpoint(third), codes.ResourceExhausted, "TOO_MANY_CALLS_OF_CALLER", "")
	// Others are not in the way of each other.
	for name, conn := range map[string]*grpc.ClientConn{
		"another platform": s.platform(apitest.OtherPlatform), "an officer": s.officer(apitest.Officer), "nobody": s.nobody(),
	} {
		if err := checkpoint(conn); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	open()
	for _, done := range []<-chan error{one, two} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := checkpoint(third); err != nil {
		t.Errorf("after the others: %v", err)
	}
	s.inFlight(0)
}

func TestCallsOfAll(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate}), func(c *rpc.Config) { c.Limits.Calls = 1 })
	account := s.Open()
	open := gate.close()
	defer open()
	done := s.hold(s.platform(apitest.Platform), s.Completion(account.Number))
	s.inFlight(1)
	_, err := creditbankv1.NewLedgerServiceClient(s.nobody()).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{})
	refused(t, err, codes.ResourceExhausted, "TOO_MANY_CALLS", "")
	open()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What is in hand is bounded by its bytes, and by what is made of them: elements are large when their bytes are few. One caller has a
// share of that, in which the largest request has room.
func TestBytesInFlight(t *testing.T) {
	t.Parallel()
	const message = 4 << 20
	gate := newGate(t)
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate}), func(c *rpc.Config) {
		c.Limits.MessageBytes, c.Limits.BytesInFlight = message, rpc.LargestRequest(message)
	})
	account := s.Open()
	one, another := s.platform(apitest.Platform), s.platform(apitest.OtherPlatform)
	largest := func(conn *grpc.ClientConn) error {
		const statements = rpc.MaxElements - 4
		_, err := creditbankv1.NewCompletionServiceClient(conn).RecordCompletions(t.Context(), &creditbankv1.RecordCompletionsRequest{
			Statements: make([][]byte, statements), Signature: make([]byte, message-2*statements-10),
		})
		return err
	}
	open := gate.close()
	defer open()
	done := s.hold(one, s.Completion(account.Number))
	until(t, "a request is in hand", func() bool { return s.value("creditbank_rpc_in_flight_bytes") > 2*rpc.ElementBytes })
	refused(t, largest(one), codes.ResourceExhausted, "TOO_MANY_BYTES_OF_CALLER", "")
	refused(t, largest(another), codes.ResourceExhausted, "TOO_MANY_BYTES_IN_FLIGHT", "")
	open()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, conn := range []*grpc.ClientConn{one, another} {
		refused(t, largest(conn), codes.InvalidArgument, api.ReasonSubmissionSize, "statements")
	}
	if n := s.value("creditbank_rpc_in_flight_bytes"); n != 0 {
		t.Errorf("%v bytes are never given back", n)
	}
}

// A quarter of the bytes is the most that one caller has, and all of it is given back.
func TestBytesOfOneCaller(t *testing.T) {
	t.Parallel()
	const message = 1 << 10
	limits := rpc.Limits{MessageBytes: message, StreamsPerCaller: 2, Calls: 8, BytesInFlight: 16 * rpc.LargestRequest(message)}
	calls, quarter := rpc.NewCalls(limits), limits.BytesInFlight/4
	take := func(caller string, bytes int64, reason api.Reason) *rpc.Seat {
		t.Helper()
		seat, err := calls.Enter(caller)
		if err != nil {
			t.Fatal(err)
		}
		if err := seat.Take(bytes); reason == "" && err != nil || reason != "" && (err == nil || api.AsError(err).Reason != reason) {
			t.Errorf("%s takes %d: %v, not %s", caller, bytes, err, reason)
		}
		return seat
	}
	first, refused := take("a", quarter-1, ""), take("a", 2, "TOO_MANY_BYTES_OF_CALLER")
	refused.Leave()
	seats := []*rpc.Seat{first, take("a", 1, ""), take("b", quarter, ""), take("c", quarter, ""), take("d", quarter-1, "")}
	seats = append(seats, take("e", 2, "TOO_MANY_BYTES_IN_FLIGHT"))
	first.Give()
	seats = append(seats, take("e", 2, ""))
	for _, seat := range seats {
		seat.Leave()
	}
	if count, bytes := calls.Open(); count != 0 || bytes != 0 {
		t.Errorf("%d calls and %d bytes are left", count, bytes)
	}
	take("a", quarter, "").Leave()
	// Callers who say nothing have a half, however many they are.
	take("anonymous:1", quarter, "")
	take("anonymous:2", quarter, "")
	take("anonymous:3", 1, "TOO_MANY_BYTES_IN_FLIGHT")
	take("a", quarter, "")
}

func TestNetworkOfAnAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := rpc.Network(netip.MustParseAddr(address).Unmap()).String(); got != want {
			t.Errorf("%s is %s, not %s", address, got, want)
		}
	}
}

// sending is a stream whose caller sends the same request over and over.
type sending struct {
	grpc.ServerStream
	request []byte
}

func (s sending) RecvMsg(into any) error {
	return rpc.NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(s.request)}, into)
}

// What is read of a stream has its bytes until something else is read, or the stream ends.
func TestBytesOfStream(t *testing.T) {
	t.Parallel()
	request, err := proto.Marshal(yamlDraft(make([]byte, 1000)))
	if err != nil {
		t.Fatal(err)
	}
	limits := rpc.Limits{MessageBytes: 2000, StreamsPerCaller: 1, Calls: 1, BytesInFlight: rpc.LargestRequest(2000)}
	calls := rpc.NewCalls(limits)
	seat, err := calls.Enter("a")
	if err != nil {
		t.Fatal(err)
	}
	stream := rpc.NewEnding(t.Context(), sending{request: request}, seat)
	for range 2 {
		read := new(creditbankv1.SimulatePolicyRequest)
		if err := stream.RecvMsg(read); err != nil || len(read.GetYaml()) != 1000 {
			t.Errorf("read %v, %v", read, err)
		}
		if _, bytes := calls.Open(); bytes != int64(len(request))+rpc.ElementBytes {
			t.Errorf("it has %d bytes", bytes)
		}
	}
	seat.Leave()
	if count, bytes := calls.Open(); count != 0 || bytes != 0 {
		t.Errorf("%d calls and %d bytes are left", count, bytes)
	}
}

// A queue that is full says so, and when to come back.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate, Queue: 1}))
	account := s.Open()
	open := gate.close()
	defer open()
	conn := s.platform(apitest.Platform)
	// Of four at once the writer has one or two, and the queue one.
	ends := make(chan error, 4)
	for range cap(ends) {
		done := s.hold(conn, s.Completion(account.Number))
		go func() { ends <- <-done }()
	}
	refused(t, <-ends, codes.ResourceExhausted, api.ReasonBusy, "")
	open()
	for range cap(ends) - 1 {
		if err := <-ends; status.Code(err) == codes.ResourceExhausted {
			refused(t, err, codes.ResourceExhausted, api.ReasonBusy, "")
		} else if err != nil {
			t.Error(err)
		}
	}
}
