package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/learning-credit-bank/creditbank/api"
)

// Domain is the domain of the reasons in google.rpc.ErrorInfo.
const Domain = "creditbank"

// Reasons of the transport's own. Like those of api they are part of the API and never renamed.
const (
	reasonMessageSize api.Reason = "MESSAGE_TOO_LARGE"
	reasonMalformed   api.Reason = "MESSAGE_MALFORMED"
	reasonCallerCalls api.Reason = "TOO_MANY_CALLS_OF_CALLER"
	reasonCalls       api.Reason = "TOO_MANY_CALLS"
	reasonCallerBytes api.Reason = "TOO_MANY_BYTES_OF_CALLER"
	reasonBytes       api.Reason = "TOO_MANY_BYTES_IN_FLIGHT"
)

// codeOf is the table of kinds and codes.
func codeOf(e *api.Error) (code codes.Code, known bool) {
	switch e.Kind {
	case api.Internal:
		return codes.Internal, true
	case api.Invalid:
		return codes.InvalidArgument, true
	case api.Unauthenticated:
		return codes.Unauthenticated, true
	case api.Denied:
		return codes.PermissionDenied, true
	case api.NotFound:
		return codes.NotFound, true
	case api.Conflict:
		return codes.AlreadyExists, true
	case api.Precondition:
		return codes.FailedPrecondition, true
	case api.Changed:
		return codes.Aborted, true
	case api.Busy:
		return codes.ResourceExhausted, true
	case api.Unavailable:
		return codes.Unavailable, true
	case api.Canceled:
		if errors.Is(e.Cause, context.DeadlineExceeded) {
			return codes.DeadlineExceeded, true
		}
		return codes.Canceled, true
	default:
		return codes.Internal, false
	}
}

// retryAfter is when to come back, where the same call can succeed later without anybody changing anything. A bank that
// stopped writing waits for its operator.
func retryAfter(e *api.Error) (after time.Duration, useful bool) {
	switch {
	case e.Reason == reasonMessageSize:
		return 0, false
	case e.Reason == api.ReasonSimulations:
		return 5 * time.Second, true
	case e.Reason == api.ReasonHalted, e.Reason == api.ReasonClock:
		return 30 * time.Second, true
	case e.Reason == api.ReasonRate, e.Kind == api.Unavailable:
		return time.Second, true
	case e.Kind == api.Busy:
		return 100 * time.Millisecond, true
	default:
		return 0, false
	}
}

// statusOf is the status of an error (AIP-193): its code, its words, and as details ErrorInfo with the reason and what it says
// for programs, BadRequest
// with the field where it concerns one, and RetryInfo where trying again helps. It is OK for nil. A status that gRPC or
// one of its own services made stays as it is.
func statusOf(err error) *status.Status {
	if err == nil {
		return nil
	}
	e, ours := errors.AsType[*api.Error](err)
	if !ours {
		if made, ok := status.FromError(err); ok {
			return made
		}
		e = api.AsError(err)
	}
	code, _ := codeOf(e)
	s := status.New(code, e.Message)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: string(e.Reason), Domain: Domain, Metadata: e.Metadata}}
	if e.Field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: e.Field, Description: e.Message, Reason: string(e.Reason)},
		}})
	}
	if after, ok := retryAfter(e); ok {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	detailed, err := s.WithDetails(details...)
	if err != nil {
		return s // only for OK, or for details that cannot be encoded
	}
	return detailed
}

// reasonOf is the reason in a status.
func reasonOf(s *status.Status) string {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
