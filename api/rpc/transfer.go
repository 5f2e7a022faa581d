package rpc

import (
	"context"
	"encoding/hex"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// transfers is the TransferService.
type transfers struct {
	creditbankv1.UnsafeTransferServiceServer
	bank *api.Bank
}

// QuoteTransfer implements TransferService.
func (t *transfers) QuoteTransfer(
	ctx context.Context, r *creditbankv1.QuoteTransferRequest,
) (*creditbankv1.QuoteTransferResponse, error) {
	asked := api.QuoteRequest{
		Number: r.GetAccountNumber(), Institution: r.GetInstitution(), Programme: r.GetProgramme(), Agreement: r.GetAgreementId(),
		Lots: make([]agreement.Lot, len(r.GetLots())),
	}
	for i, lot := range r.GetLots() {
		asked.Lots[i] = agreement.Lot{Entry: lot.GetEntryIndex(), Position: lot.GetPosition()}
	}
	quote, err := t.bank.QuoteTransfer(ctx, callerOf(ctx), asked)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.QuoteTransferResponse{Quote: quoteProto(quote)}, nil
}

func quoteProto(q *api.TransferQuote) *creditbankv1.TransferQuote {
	answer := &creditbankv1.TransferQuote{
		Digest: hex.EncodeToString(q.Digest[:]), Institution: q.Agreement.Institution, AgreementHash: hex.EncodeToString(q.Agreement.Hash),
		AgreementId: q.Agreement.ID, Version: q.Agreement.Version, Programme: programmeProto(q.Programme), QuoteDate: q.Day.String(),
		ValidUntil: q.Until.String(), ValidUntilTime: timestamp(q.ValidUntil), LogSize: q.LogSize, Consumes: q.Agreement.Consumes,
		AvailableMilliCredits: int64(q.Available), TakenMilliCredits: int64(q.Takes), GivenMilliCredits: int64(q.Gives),
		Items: make([]*creditbankv1.QuoteItem, len(q.Decisions)),
	}
	for i := range q.Decisions {
		answer.Items[i] = quoteItemProto(q, &q.Decisions[i])
	}
	return answer
}

func quoteItemProto(q *api.TransferQuote, d *agreement.Decision) *creditbankv1.QuoteItem {
	item := d.Item
	entry, title := q.Entry(item.Lot)
	answer := &creditbankv1.QuoteItem{
		Lot:        &creditbankv1.LotName{EntryIndex: item.Lot.Entry, Position: item.Lot.Position},
		EntryIndex: entry, Course: item.Course, CourseTitle: title, Provider: item.Provider, Category: item.Category, Level: item.Level,
		EndDate: item.Learned.String(), AvailableMilliCredits: int64(item.Available), TakenMilliCredits: int64(d.Takes),
		GivenMilliCredits: int64(d.Gives), CountsAs: d.Course, Reasons: make([]*creditbankv1.QuoteReason, len(d.Reasons)),
	}
	switch d.Outcome {
	case agreement.Accepted:
		answer.Outcome = creditbankv1.QuoteOutcome_QUOTE_OUTCOME_ACCEPTED
	case agreement.Partial:
		answer.Outcome = creditbankv1.QuoteOutcome_QUOTE_OUTCOME_PARTIAL
	case agreement.Refused:
		answer.Outcome = creditbankv1.QuoteOutcome_QUOTE_OUTCOME_REFUSED
	}
	if d.Course != "" {
		answer.CountsAsName = textProto(q.CourseName(d.Course))
	}
	if d.Until != 0 && d.Outcome != agreement.Refused {
		answer.UsableUntil = d.Until.String()
	}
	for i, r := range d.Reasons {
		answer.Reasons[i] = &creditbankv1.QuoteReason{
			Stage: r.Stage, Rule: r.Rule, Before: r.Before, After: r.After, Limit: r.Limit, Carried: r.Carried,
			Words: &creditbankv1.Text{Zh: q.Words(d, r, "zh"), En: q.Words(d, r, "en")},
		}
	}
	return answer
}
