package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// asking is a call that asks for a change.
type asking[Answer proto.Message] func(ctx context.Context, conn grpc.ClientConnInterface, requestID string) (Answer, error)

// asked asks for a change. The request id makes it one change, however often it has to be asked for; a command that lets people
// name an earlier try has one of its own.
func asked[Answer proto.Message](ctx context.Context, g *globals, p *process, ask asking[Answer]) (answer Answer, err error) {
	id, err := uuid.NewRandomFromReader(p.random)
	if err != nil {
		return answer, fmt.Errorf("request id: %v", err)
	}
	conn, err := g.dial(p)
	if err != nil {
		return answer, err
	}
	defer hangUp(conn)
	err = retry{p: p, limit: g.Timeout}.do(ctx, func() (err error) {
		ctx, done := g.call(ctx)
		defer done()
		answer, err = ask(ctx, conn, id.String())
		return err
	})
	return answer, err
}

// change asks for a change and prints what it answers, for people or for programs.
func change[Answer proto.Message](
	ctx context.Context, g *globals, p *process, ask asking[Answer], show func(p *process, l language, answer Answer),
) error {
	answer, err := asked(ctx, g, p, ask)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	show(p, g.language(p), answer)
	return nil
}
