package main

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// What becomes of a transfer of the demo.
type transferEnd uint8

const (
	waits transferEnd = iota
	acceptedInPart
	acceptedWhole
	isDeclined
	isWithdrawn
	// lapses was asked for when the bank was opened, and never answered.
	lapses
)

// transferPlan is a transfer of the demo: of one of the listed residents, to one of the institutions.
type transferPlan struct {
	resident, institution int
	programme             string
	end                   transferEnd
}

// transferPlans are some transfers in each state.
func transferPlans() []transferPlan {
	return []transferPlan{
		{1, 0, "social-work-ba", acceptedInPart},
		{1, 1, "housekeeping-cert", acceptedWhole},
		{2, 1, "housekeeping-cert", isDeclined},
		{2, 0, "early-childhood-dip", isWithdrawn},
		{2, 0, "social-work-ba", waits},
		{3, 0, "social-work-ba", lapses},
	}
}

// transfer has residents ask institutions to take credits over, and the institutions answer. A demo that goes on with its data has
// done so already.
func (s *show) transfer(ctx context.Context) error {
	return s.transfers(ctx, func(plan transferPlan) bool { return plan.end != lapses })
}

// transfers does so for some of the plans.
func (s *show) transfers(ctx context.Context, wanted func(transferPlan) bool) error {
	client := creditbankv1.NewTransferServiceClient(s.conn)
	for i, plan := range transferPlans() {
		if !wanted(plan) || plan.resident >= s.district.Listed() {
			continue
		}
		token, err := s.token(&s.persons[plan.resident])
		if err != nil {
			return err
		}
		resident, asked := grpc.PerRPCCredentials(bearer(token)), s.institutions[plan.institution]
		known, err := client.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{}, resident)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(known.GetTransfers(), func(t *creditbankv1.Transfer) bool {
			return t.GetInstitution() == asked.ID && t.GetProgramme() == plan.programme
		}) {
			continue
		}
		quoted, err := client.QuoteTransfer(ctx, &creditbankv1.QuoteTransferRequest{Institution: asked.ID, Programme: plan.programme}, resident)
		if plan.end == lapses && status.Code(err) == codes.FailedPrecondition {
			continue // the agreement had not begun then
		}
		if err != nil {
			return err
		}
		q := quoted.GetQuote()
		if q.GetTakenMilliCredits() == 0 {
			continue // the seed gave them nothing that the institution takes
		}
		held, err := client.RequestTransfer(ctx, &creditbankv1.RequestTransferRequest{
			RequestId: s.district.RequestID("transfer", 2*i), Institution: asked.ID, Programme: plan.programme,
			AgreementHash: q.GetAgreementHash(), QuoteDate: q.GetQuoteDate(), QuoteDigest: q.GetDigest(),
		}, resident)
		if err != nil {
			return err
		}
		if err := s.answer(ctx, client, plan, held.GetTransfer(), s.district.RequestID("transfer", 2*i+1), resident); err != nil {
			return err
		}
	}
	return nil
}

// answer ends a transfer as it is planned.
func (s *show) answer(
	ctx context.Context, client creditbankv1.TransferServiceClient, plan transferPlan, t *creditbankv1.Transfer, request string, resident grpc.CallOption,
) (err error) {
	by := s.asOrganization(s.institutions[plan.institution].ID, s.institutions[plan.institution].authenticate)
	switch plan.end {
	case acceptedInPart:
		_, err = client.AcceptTransfer(ctx, &creditbankv1.AcceptTransferRequest{
			RequestId: request, TransferId: t.GetTransferId(), Note: "其余学分与本专业无关，已退回。",
			Take: []*creditbankv1.TransferTake{{Item: 0, MilliCredits: t.GetItems()[0].GetMilliCredits()}},
		}, by)
	case acceptedWhole:
		_, err = client.AcceptTransfer(ctx, &creditbankv1.AcceptTransferRequest{RequestId: request, TransferId: t.GetTransferId()}, by)
	case isDeclined:
		_, err = client.DeclineTransfer(ctx, &creditbankv1.DeclineTransferRequest{
			RequestId: request, TransferId: t.GetTransferId(), ReasonCode: "PROGRAMME_FULL", Note: "本期名额已满，欢迎下学期再申请。",
		}, by)
	case isWithdrawn:
		_, err = client.WithdrawTransfer(ctx, &creditbankv1.WithdrawTransferRequest{RequestId: request, TransferId: t.GetTransferId()}, resident)
	case waits, lapses:
	}
	return err
}
