package rpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/api"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// clawbacks is the ClawbackService.
type clawbacks struct {
	creditbankv1.UnsafeClawbackServiceServer
	bank *api.Bank
}

// PreviewClawback implements ClawbackService.
func (c *clawbacks) PreviewClawback(
	r *creditbankv1.PreviewClawbackRequest, stream grpc.ServerStreamingServer[creditbankv1.PreviewClawbackResponse],
) error {
	ctx := stream.Context()
	p, err := c.bank.PreviewClawback(ctx, callerOf(ctx), selectionOf(r.GetSelection()), r.GetClawback(), func(at api.ClawbackProgress) error {
		return sendWithin(ctx, stream, &creditbankv1.PreviewClawbackResponse{EntriesDone: at.Done, EntriesTotal: at.Total, Completions: at.Completions})
	})
	if err != nil {
		return err
	}
	preview := &creditbankv1.ClawbackPreview{
		TransfersEnded: p.TransfersEnded, TransfersTold: p.TransfersTold,
		Selection: selectionProto(p.Selection), Organization: p.Organization, Totals: clawbackTotalsProto(p.Totals),
		NotCounting: p.NotCounting, Unreachable: p.Unreachable, Digest: p.Digest,
	}
	for _, a := range p.Accounts {
		preview.Accounts = append(preview.Accounts, &creditbankv1.ClawbackAccount{
			MaskedNumber: a.Number, Completions: a.Completions, Minutes: int64(a.Minutes),
			MilliCredits: int64(a.Credits), Unrecovered: int64(a.Unrecovered),
		})
	}
	return stream.Send(&creditbankv1.PreviewClawbackResponse{Completions: p.Totals.Completions, Preview: preview})
}

// ProposeClawback implements ClawbackService.
func (c *clawbacks) ProposeClawback(
	ctx context.Context, r *creditbankv1.ProposeClawbackRequest,
) (*creditbankv1.ProposeClawbackResponse, error) {
	clawback, err := c.bank.ProposeClawback(ctx, callerOf(ctx), api.ClawbackProposal{
		RequestID: r.GetRequestId(), Selection: selectionOf(r.GetSelection()), Digest: r.GetDigest(),
		ReasonCode: r.GetReasonCode(), Reason: r.GetReason(), Hold: r.GetHold(), HoldFuture: r.GetHoldFuture(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ProposeClawbackResponse{Clawback: clawbackProto(clawback)}, nil
}

// ConfirmClawback implements ClawbackService.
func (c *clawbacks) ConfirmClawback(
	ctx context.Context, r *creditbankv1.ConfirmClawbackRequest,
) (*creditbankv1.ConfirmClawbackResponse, error) {
	clawback, err := c.bank.ConfirmClawback(ctx, callerOf(ctx), r.GetRequestId(), r.GetClawback(), r.GetDigest())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ConfirmClawbackResponse{Clawback: clawbackProto(clawback)}, nil
}

// DeclineClawback implements ClawbackService.
func (c *clawbacks) DeclineClawback(
	ctx context.Context, r *creditbankv1.DeclineClawbackRequest,
) (*creditbankv1.DeclineClawbackResponse, error) {
	clawback, err := c.bank.DeclineClawback(ctx, callerOf(ctx), r.GetRequestId(), r.GetClawback())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DeclineClawbackResponse{Clawback: clawbackProto(clawback)}, nil
}

// GetClawback implements ClawbackService.
func (c *clawbacks) GetClawback(
	ctx context.Context, r *creditbankv1.GetClawbackRequest,
) (*creditbankv1.GetClawbackResponse, error) {
	clawback, err := c.bank.GetClawback(ctx, callerOf(ctx), r.GetClawback())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetClawbackResponse{Clawback: clawbackProto(clawback)}, nil
}

// ListClawbacks implements ClawbackService.
func (c *clawbacks) ListClawbacks(
	ctx context.Context, r *creditbankv1.ListClawbacksRequest,
) (*creditbankv1.ListClawbacksResponse, error) {
	all, next, err := c.bank.ListClawbacks(ctx, callerOf(ctx), r.GetOrganization(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListClawbacksResponse{Clawbacks: make([]*creditbankv1.Clawback, len(all)), NextPageToken: next}
	for i, one := range all {
		answer.Clawbacks[i] = clawbackProto(one)
	}
	return answer, nil
}

func selectionOf(s *creditbankv1.ClawbackSelection) api.ClawbackSelection {
	return api.ClawbackSelection{
		Completion: s.GetCompletion(), Provider: s.GetProvider(), Course: s.GetCourse(), Version: s.GetCourseVersion(), Platform: s.GetPlatform(),
		From: s.GetFromDate(), To: s.GetToDate(), RecordedFrom: timeOf(s.GetRecordedFromTime()), RecordedUntil: timeOf(s.GetRecordedUntilTime()),
		Before: s.GetBefore(),
	}
}

func selectionProto(s api.ClawbackSelection) *creditbankv1.ClawbackSelection {
	return &creditbankv1.ClawbackSelection{
		Completion: s.Completion, Provider: s.Provider, Course: s.Course, CourseVersion: s.Version, Platform: s.Platform,
		FromDate: s.From, ToDate: s.To, RecordedFromTime: timestamp(s.RecordedFrom), RecordedUntilTime: timestamp(s.RecordedUntil), Before: s.Before,
	}
}

func clawbackTotalsProto(t api.ClawbackTotals) *creditbankv1.ClawbackTotals {
	return &creditbankv1.ClawbackTotals{
		Completions: t.Completions, Accounts: t.Accounts, Minutes: int64(t.Minutes), MilliPoints: int64(t.Points),
		Pending: int64(t.Pending), Available: int64(t.Available), Reserved: int64(t.Reserved), Transferred: int64(t.Transferred),
		Expired: int64(t.Expired), OpenCases: t.Cases,
	}
}

// clawbackState is the table of the states of clawbacks.
func clawbackState(s ledgerv1.ClawbackState) creditbankv1.ClawbackState {
	switch s {
	case ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_PROPOSED
	case ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_CONFIRMED
	case ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_DECLINED
	case ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_FINISHED
	case ledgerv1.ClawbackState_CLAWBACK_STATE_HELD:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_HELD
	case ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_RELEASED
	default:
		return creditbankv1.ClawbackState_CLAWBACK_STATE_UNSPECIFIED
	}
}

func clawbackProto(c api.Clawback) *creditbankv1.Clawback {
	return &creditbankv1.Clawback{
		Clawback: c.Index, Organization: c.Organization, Selection: selectionProto(c.Selection), State: clawbackState(c.State),
		Totals: clawbackTotalsProto(c.Totals), ReasonCode: c.ReasonCode, Reason: c.Reason, ProposedBy: c.ProposedBy, ProposeTime: timestamp(c.Proposed),
		DecidedBy: c.DecidedBy, StateTime: timestamp(c.Since), CompletionsDone: c.Done, CompletionsLeft: c.Left,
		Minutes: int64(c.Minutes), MilliPoints: int64(c.Points), Reversed: int64(c.Reversed), Unrecovered: int64(c.Unrecovered),
		Unreached: c.Unreached, Hold: c.Hold, HoldFuture: c.HoldFuture, CompletionsHeld: c.Held,
	}
}
