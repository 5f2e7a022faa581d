package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
)

// Inner functions whose tables the tests go through.
var (
	StatusOf     = statusOf
	CodeOf       = codeOf
	RetryAfter   = retryAfter
	DocumentKind = documentKind
	CaseStatus   = caseStatus
	CaseState    = caseState
	SendWithin   = sendWithin
	Fits         = fits
	Network      = network
	NewCodec     = newCodec

	ClawbackState = clawbackState
)

// MaxElements is how many a request has at most, ElementBytes what each is reckoned at.
const (
	MaxElements  = maxElements
	ElementBytes = elementBytes
)

// Seat is that of one call.
type Seat = seat

// NewCalls, Enter, Open, Take, Give and Leave are for tests of what seats have.
func NewCalls(limits Limits) *calls { return newCalls(limits) }

func (c *calls) Enter(caller string) (*Seat, error) {
	return c.enter(caller, strings.HasPrefix(caller, "anonymous:"))
}

func (c *calls) Open() (count int, bytes int64) { return c.open() }

func (s *seat) Take(bytes int64) error { return s.take(bytes) }

func (s *seat) Give() { s.give() }

func (s *seat) Leave() { s.leave() }

// NewEnding is a stream as a method of the bank has it.
func NewEnding(ctx context.Context, stream grpc.ServerStream, of *Seat) grpc.ServerStream {
	return ending{stream, ctx, of}
}
