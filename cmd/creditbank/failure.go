package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errReported ends a command that has already said what is wrong.
var errReported = errors.New("reported")

// usageError is a command line that cannot be done.
type usageError struct{ words string }

func (e *usageError) Error() string { return e.words }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// refusedError is something that the bank showed and that does not hold.
type refusedError struct{ words string }

func (e *refusedError) Error() string { return e.words }

func refusef(format string, args ...any) error { return &refusedError{fmt.Sprintf(format, args...)} }

// fault is what a status says to people and programs.
type fault struct {
	code    codes.Code
	reason  string // of ErrorInfo; the name of the code where there is none
	message string
	fields  []*errdetails.BadRequest_FieldViolation
	// after is how long the bank wants to be left alone; zero if it does not say.
	after time.Duration
}

func faultOf(s *status.Status) fault {
	f := fault{code: s.Code(), message: clean(s.Message())}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			f.reason = clean(d.GetReason())
		case *errdetails.BadRequest:
			f.fields = d.GetFieldViolations()
		case *errdetails.RetryInfo:
			f.after = d.GetRetryDelay().AsDuration()
		}
	}
	if f.reason == "" {
		f.reason = f.code.String()
	}
	return f
}

// field is the first field at fault.
func (f fault) field() string {
	if len(f.fields) == 0 {
		return ""
	}
	return clean(f.fields[0].GetField())
}

// passing says whether the same call may succeed later. A bank that is busy says when; a call that is too large is refused
// with the same code, for good.
func (f fault) passing() bool {
	return f.code == codes.Unavailable || f.code == codes.DeadlineExceeded || (f.code == codes.ResourceExhausted && f.after > 0)
}

// explain says an error in one or a few lines.
func explain(err error) []string {
	if errors.Is(err, context.Canceled) {
		return []string{"interrupted; the same command goes on from here"}
	}
	answered, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err)
	if !ok {
		return strings.Split(err.Error(), "\n")
	}
	f := faultOf(answered.GRPCStatus())
	if f.code == codes.Canceled {
		return []string{"interrupted; the same command goes on from here"}
	}
	lines := []string{fmt.Sprintf("%s [%s]", f.message, f.reason)}
	for _, violation := range f.fields {
		if words := clean(violation.GetDescription()); words != f.message || violation.GetField() == "" {
			lines = append(lines, fmt.Sprintf("  %s: %s", clean(violation.GetField()), words))
		} else {
			lines[0] = fmt.Sprintf("%s: %s", clean(violation.GetField()), lines[0])
		}
	}
	switch {
	case f.code == codes.Unauthenticated:
		lines = append(lines, "  platforms call with --organization and --auth-key, officers and residents with --token-file")
	case f.code == codes.Unavailable && f.reason == f.code.String():
		lines = append(lines, "  nobody answers there: is the bank running, and --grpc its address?")
	}
	return lines
}

// clean makes text of others safe for a terminal: control characters could move the cursor and rewrite what was printed.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || 0x7f <= r && r < 0xa0 || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069:
			return -1 // C0 and C1 controls, and overrides of the direction of writing
		default:
			return r
		}
	}, strings.ToValidUTF8(s, "\ufffd"))
}
