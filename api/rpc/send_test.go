package rpc_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/api/rpc"
)

// unread is a stream whose caller reads nothing until the stream ends.
type unread struct {
	grpc.ServerStream
	ended chan struct{}
}

func (u unread) SendMsg(any) error {
	<-u.ended
	return errors.New("the stream has ended")
}

// A caller that does not read is not waited for: not longer than the call may take, and not longer than half a minute for a message.
func TestUnreadMessages(t *testing.T) {
	for name, test := range map[string]struct {
		within time.Duration
		want   error
		after  time.Duration
	}{
		"the call ends":   {time.Second, context.DeadlineExceeded, time.Second},
		"nothing is read": {time.Hour, context.DeadlineExceeded, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := unread{ended: make(chan struct{})}
				defer close(stream.ended)
				ctx, cancel := context.WithTimeout(t.Context(), test.within)
				defer cancel()
				began := time.Now()
				if err := rpc.SendWithin(ctx, stream, nil); !errors.Is(err, test.want) || time.Since(began) != test.after {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}
