package rpc

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
)

// unreadTime is how long a caller may leave a message of a stream unread.
const unreadTime = 30 * time.Second

// sendWithin sends a message of a stream. A caller that does not read would keep the place of its call, and a view of the ledger, for
// as long as the connection stands: where the message cannot be sent before ctx ends, or within unreadTime, the error is that of ctx or
// context.DeadlineExceeded. The stream is then to be ended without another message, which gives up what is still being sent.
func sendWithin(ctx context.Context, stream grpc.ServerStream, message any) error {
	sent := make(chan error, 1)
	go func() { sent <- stream.SendMsg(message) }()
	ctx, cancel := context.WithTimeout(ctx, unreadTime)
	defer cancel()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return fmt.Errorf("rpc: a message was not read in time: %w", ctx.Err())
	}
}
