package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// loopback is a place to listen at that nobody is told.
const loopback = "127.0.0.1:0"

// begin opens the bank of a demo by the clock of some weeks ago, and has happen what needs time to have passed since: served like any
// bank, where nobody is told. A bank that has been served by today's clock knows that the earlier one is wrong; it has begun.
func (s *show) begin(ctx context.Context, o opening) error {
	today, config := s.process, *o.config
	past := *today
	past.now = func() time.Time { return today.now().Add(-district.EarlierDays * 24 * time.Hour) }
	config.listen.grpc, config.listen.http, config.listen.admin = loopback, loopback, loopback
	o.config = &config
	if err := past.foundDemo(ctx, o); errors.Is(err, ledger.ErrClock) {
		return nil
	} else if err != nil {
		return err
	}
	s.process = &past
	defer func() { s.process = today }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return past.serve(ctx, service{opening: o, ready: func(ctx context.Context, at addresses) error {
		err := s.steps(ctx, at, append(s.opening(), step{"asking for what will have lapsed", s.askEarlier}))
		if err == nil {
			stop()
		}
		return err
	}})
}

// askEarlier has a resident ask for a transfer of a certificate, which the institution never answers.
func (s *show) askEarlier(ctx context.Context) error {
	for _, plan := range transferPlans() {
		if plan.end != lapses || plan.resident >= s.district.Listed() {
			continue
		}
		submission, err := s.district.Earlier(s.numbers[plan.resident])
		if err != nil {
			return err
		}
		p := s.platforms[submission.Platform]
		request, err := p.submission(submission.Statements)
		if err != nil {
			return err
		}
		if _, err := creditbankv1.NewCompletionServiceClient(s.conn).RecordCompletions(ctx, request, s.asPlatform(p)); err != nil {
			return err
		}
	}
	return s.transfers(ctx, func(plan transferPlan) bool { return plan.end == lapses })
}

const (
	// lapseWait is how long the bank has to find out that a transfer has lapsed, lapseLook how often it is asked.
	lapseWait = 30 * time.Second
	lapseLook = 10 * time.Millisecond
)

// lapse waits until the bank has written down that what was asked for long ago was not answered in time.
func (s *show) lapse(ctx context.Context) error {
	client := creditbankv1.NewTransferServiceClient(s.conn)
	for _, plan := range transferPlans() {
		if plan.end != lapses || plan.resident >= s.district.Listed() {
			continue
		}
		token, err := s.token(&s.persons[plan.resident])
		if err != nil {
			return err
		}
		for begun := time.Now(); ; {
			waiting, err := client.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{Status: ledgerv1.HoldStatus_HOLD_STATUS_HELD},
				grpc.PerRPCCredentials(bearer(token)))
			if err != nil {
				return err
			}
			if len(waiting.GetTransfers()) == 0 {
				break
			}
			if time.Since(begun) > lapseWait {
				return fmt.Errorf("transfer %d did not lapse", waiting.GetTransfers()[0].GetTransferId())
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(lapseLook):
			}
		}
	}
	return nil
}
