package rpc

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// completions is the CompletionService.
type completions struct {
	creditbankv1.UnsafeCompletionServiceServer
	bank *api.Bank
	// log hears of statements that the bank could not record through a fault of its own.
	log *slog.Logger
}

// RecordCompletions implements CompletionService.
func (c *completions) RecordCompletions(
	ctx context.Context, r *creditbankv1.RecordCompletionsRequest,
) (*creditbankv1.RecordCompletionsResponse, error) {
	results, receipt, err := c.bank.RecordCompletions(ctx, callerOf(ctx), api.Submission{
		Organization: r.GetOrganization(), KeyID: r.GetKeyId(), Signature: r.GetSignature(), Statements: r.GetStatements(),
		BankID: r.GetBankId(), Root: r.GetRoot(),
	}, full(r.GetView()))
	if err != nil {
		return nil, err
	}
	c.report(ctx, results)
	answer := &creditbankv1.RecordCompletionsResponse{
		Results: make([]*creditbankv1.StatementResult, len(results)), Checkpoint: string(receipt.Checkpoint),
	}
	for i, result := range results {
		answer.Results[i] = statementResultProto(result, r.GetView())
	}
	return answer, nil
}

// report logs what was the bank's own fault: the first of its kind in a submission, and how many there were.
func (c *completions) report(ctx context.Context, results []api.StatementResult) {
	count := 0
	var first error
	for _, result := range results {
		if result.Fault == nil || result.Fault.Kind != api.Internal {
			continue
		}
		if count++; count == 1 {
			first = result.Fault
		}
	}
	if count > 0 {
		c.log.ErrorContext(ctx, "statements could not be recorded", "count", count, "caller", callerOf(ctx).String(), "cause", causeOf(first))
	}
}

func statementResultProto(r api.StatementResult, view creditbankv1.View) *creditbankv1.StatementResult {
	switch r.Status {
	case api.Recorded, api.Replayed:
		status := creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED
		if r.Status == api.Replayed {
			status = creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED
		}
		return &creditbankv1.StatementResult{
			Status: status, EntryIndex: r.Index, Assessment: assessmentProto(r.Decision, view),
		}
	default:
		return &creditbankv1.StatementResult{
			Status: creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED, Error: statusOf(r.Fault).Proto(),
		}
	}
}

// GetCompletion implements CompletionService.
func (c *completions) GetCompletion(
	ctx context.Context, r *creditbankv1.GetCompletionRequest,
) (*creditbankv1.GetCompletionResponse, error) {
	id, err := uuid.Parse(r.GetStatementId())
	if err != nil || len(r.GetStatementId()) != len(uuid.Nil.String()) {
		return nil, invalid(api.ReasonStatementID, "statement_id", "a statement id is a UUID of 36 characters", nil)
	}
	posted, err := c.bank.GetCompletion(ctx, callerOf(ctx), id, full(r.GetView()))
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetCompletionResponse{Completion: postedProto(posted, r.GetView())}, nil
}

// ListCompletions implements CompletionService.
func (c *completions) ListCompletions(
	ctx context.Context, r *creditbankv1.ListCompletionsRequest,
) (*creditbankv1.ListCompletionsResponse, error) {
	page := pageOf(r.GetPageSize(), r.GetPageToken())
	posted, next, since, err := c.bank.ListCompletions(ctx, callerOf(ctx), r.GetChangedSinceIndex(), page)
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListCompletionsResponse{
		Completions: make([]*creditbankv1.PostedCompletion, len(posted)), NextPageToken: next, NextChangedSinceIndex: since,
	}
	for i, p := range posted {
		answer.Completions[i] = postedProto(p, creditbankv1.View_VIEW_BASIC)
	}
	return answer, nil
}

func postedProto(p api.Posted, view creditbankv1.View) *creditbankv1.PostedCompletion {
	posted := &creditbankv1.PostedCompletion{
		StatementId: p.Statement.String(), EntryIndex: p.Index, ChangedIndex: p.Changed, RecordTime: timestamp(p.Recorded),
		Assessment: assessmentProto(p.Decision, view),
	}
	if p.HasCase {
		posted.Case = &p.Case
	}
	return posted
}

// ListRejects implements CompletionService.
func (c *completions) ListRejects(
	ctx context.Context, r *creditbankv1.ListRejectsRequest,
) (*creditbankv1.ListRejectsResponse, error) {
	page := pageOf(r.GetPageSize(), r.GetPageToken())
	rejects, next, err := c.bank.ListRejects(ctx, callerOf(ctx), r.GetOrganization(), page)
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListRejectsResponse{Rejects: make([]*creditbankv1.Reject, len(rejects)), NextPageToken: next}
	for i, reject := range rejects {
		answer.Rejects[i] = rejectProto(reject)
	}
	return answer, nil
}

func rejectProto(r api.Reject) *creditbankv1.Reject {
	reject := &creditbankv1.Reject{
		RejectTime: timestamp(r.Time), StatementHash: r.Hash, Reason: string(r.Reason), Field: r.Field, Message: r.Message,
	}
	if r.Statement != (unit.StatementID{}) {
		reject.StatementId = r.Statement.String()
	}
	return reject
}
