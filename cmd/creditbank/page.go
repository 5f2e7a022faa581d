package main

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// list is what a command does that lists: it asks for the pages, and prints what they have as JSON, or as show does.
func list[M proto.Message](
	ctx context.Context, g *globals, p *process, most int,
	read func(ctx context.Context, conn *grpc.ClientConn, token string) (page []M, next string, err error), show func(l language, all []M),
) error {
	if most < 0 {
		return usagef("--limit: it is 0 or more")
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	all, err := readAll(ctx, g, conn, most, read)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, all)
	}
	show(g.language(p), all)
	return nil
}

// readAll asks for the pages of a list, each in a call of its own, until it ends or has most elements; 0: to its end.
func readAll[T any](
	ctx context.Context, g *globals, conn *grpc.ClientConn, most int,
	read func(ctx context.Context, conn *grpc.ClientConn, token string) (page []T, next string, err error),
) ([]T, error) {
	return pages(func(token string) ([]T, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		return read(ctx, conn, token)
	}, most)
}

// pages reads a list page by page until it ends or has most elements; 0: to its end.
func pages[T any](read func(token string) (page []T, next string, err error), most int) ([]T, error) {
	var (
		all   []T
		token string
	)
	for {
		page, next, err := read(token)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		switch {
		case most > 0 && len(all) >= most:
			return all[:most], nil
		case next == "":
			return all, nil
		case next == token:
			return nil, errors.New("the bank answers the same page for ever")
		}
		token = next
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
