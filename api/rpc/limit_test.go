package rpc_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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

// What is in hand is bounded by its bytes, and by what is made of them: elements are large when their bytes are few. Alone a request is
// taken.
func TestBytesInFlight(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message int
		bytes   int64
		large   func(*testing.T, *grpc.ClientConn) error
		alone   codes.Code
	}{
		"bytes": {1000, 1000, func(t *testing.T, conn *grpc.ClientConn) error {
			_, err := creditbankv1.NewAccreditationServiceClient(conn).
				ListCourses(t.Context(), &creditbankv1.ListCoursesRequest{Category: string(make([]byte, 800))})
			return err
		}, codes.OK},
		"elements": {100_000, 1_000_000, func(t *testing.T, conn *grpc.ClientConn) error {
			_, err := creditbankv1.NewCompletionServiceClient(conn).
				RecordCompletions(t.Context(), &creditbankv1.RecordCompletionsRequest{Statements: make([][]byte, 1_000_000/rpc.ElementBytes)})
			return err
		}, codes.InvalidArgument}, // there are more than a submission has
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := newGate(t)
			s := serve(t, apitest.NewBankWith(t, apitest.Options{Engine: gate}), func(c *rpc.Config) {
				c.Limits.MessageBytes, c.Limits.BytesInFlight = test.message, test.bytes
			})
			account := s.Open()
			conn := s.platform(apitest.Platform)
			open := gate.close()
			defer open()
			done := s.hold(conn, s.Completion(account.Number))
			until(t, "a request is in hand", func() bool { return s.value("creditbank_rpc_in_flight_bytes") > 200 })
			refused(t, test.large(t, conn), codes.ResourceExhausted, "TOO_MANY_BYTES_IN_FLIGHT", "")
			open()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := test.large(t, conn); status.Code(err) != test.alone {
				t.Errorf("afterwards: %v", err)
			}
			if n := s.value("creditbank_rpc_in_flight_bytes"); n != 0 {
				t.Errorf("%v bytes are never given back", n)
			}
		})
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
