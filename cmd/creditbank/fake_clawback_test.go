package main_test

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api/access"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// fakeClawbacks knows clawback 77, of three completions of two accounts.
type fakeClawbacks struct {
	creditbankv1.UnimplementedClawbackServiceServer
	bank *fakeBank

	mu       sync.Mutex
	attempts int
	requests []string
	clawback *creditbankv1.Clawback
}

func clawbackTotals() *creditbankv1.ClawbackTotals {
	return &creditbankv1.ClawbackTotals{
		Completions: 3, Accounts: 2, Minutes: 270, MilliPoints: 4500, Pending: 100, Available: 300, Reserved: 20, Transferred: 30, OpenCases: 1,
	}
}

// PreviewClawback implements creditbankv1.ClawbackServiceServer.
func (f *fakeClawbacks) PreviewClawback(
	r *creditbankv1.PreviewClawbackRequest, stream grpc.ServerStreamingServer[creditbankv1.PreviewClawbackResponse],
) error {
	if err := f.bank.caller(stream.Context(), access.Officer); err != nil {
		return err
	}
	selection := r.GetSelection()
	f.mu.Lock()
	if r.GetClawback() != 0 {
		selection = f.clawback.GetSelection()
	}
	f.mu.Unlock()
	if selection.GetBefore() == 0 {
		selection.Before = 50
	}
	if err := stream.Send(&creditbankv1.PreviewClawbackResponse{EntriesDone: 25, EntriesTotal: 50}); err != nil {
		return err
	}
	return stream.Send(&creditbankv1.PreviewClawbackResponse{Preview: &creditbankv1.ClawbackPreview{
		Selection: selection, Organization: "xihu-cc", Totals: clawbackTotals(), NotCounting: 2, Unreachable: 1, TransfersEnded: 2, TransfersTold: 1, Digest: strings.Repeat("ab", 32),
		Accounts: []*creditbankv1.ClawbackAccount{{MaskedNumber: "1234 **** **** 5678", Completions: 2, Minutes: 180, MilliCredits: 300, Unrecovered: 50}},
	}})
}

// ProposeClawback implements creditbankv1.ClawbackServiceServer. It is away the first time it is asked.
func (f *fakeClawbacks) ProposeClawback(
	ctx context.Context, r *creditbankv1.ProposeClawbackRequest,
) (*creditbankv1.ProposeClawbackResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.GetRequestId())
	if f.attempts++; f.attempts == 1 {
		return nil, refuse(codes.Unavailable, "SHUTTING_DOWN", "", "the bank is stopping")
	}
	if len(f.requests) == 2 && f.requests[0] != f.requests[1] {
		return nil, refuse(codes.Internal, "INTERNAL", "", "another request id")
	}
	f.clawback = &creditbankv1.Clawback{
		Clawback: 77, Organization: "xihu-cc", Selection: r.GetSelection(), State: creditbankv1.ClawbackState_CLAWBACK_STATE_PROPOSED,
		Totals: clawbackTotals(), ReasonCode: r.GetReasonCode(), Reason: r.GetReason(), ProposedBy: officerID, CompletionsLeft: 3,
		Hold: r.GetHold(), HoldFuture: r.GetHoldFuture(),
	}
	return &creditbankv1.ProposeClawbackResponse{Clawback: f.clawback}, nil
}

// ConfirmClawback implements creditbankv1.ClawbackServiceServer.
func (f *fakeClawbacks) ConfirmClawback(
	_ context.Context, r *creditbankv1.ConfirmClawbackRequest,
) (*creditbankv1.ConfirmClawbackResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.GetDigest() != strings.Repeat("ab", 32) {
		return nil, refuse(codes.Aborted, "CLAWBACK_CHANGED", "digest", "preview it again")
	}
	f.clawback.State, f.clawback.DecidedBy = creditbankv1.ClawbackState_CLAWBACK_STATE_FINISHED, "certifier-9"
	f.clawback.CompletionsDone, f.clawback.CompletionsLeft, f.clawback.Reversed, f.clawback.Unrecovered, f.clawback.Unreached = 3, 0, 400, 30, 1
	return &creditbankv1.ConfirmClawbackResponse{Clawback: f.clawback}, nil
}

// DeclineClawback implements creditbankv1.ClawbackServiceServer.
func (f *fakeClawbacks) DeclineClawback(
	context.Context, *creditbankv1.DeclineClawbackRequest,
) (*creditbankv1.DeclineClawbackResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clawback.State, f.clawback.DecidedBy, f.clawback.CompletionsLeft = creditbankv1.ClawbackState_CLAWBACK_STATE_DECLINED, "certifier-9", 0
	return &creditbankv1.DeclineClawbackResponse{Clawback: f.clawback}, nil
}

// GetClawback implements creditbankv1.ClawbackServiceServer.
func (f *fakeClawbacks) GetClawback(
	_ context.Context, r *creditbankv1.GetClawbackRequest,
) (*creditbankv1.GetClawbackResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.GetClawback() != 77 {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "clawback", "there is no such clawback")
	}
	return &creditbankv1.GetClawbackResponse{Clawback: f.clawback}, nil
}

// ListClawbacks implements creditbankv1.ClawbackServiceServer.
func (f *fakeClawbacks) ListClawbacks(context.Context, *creditbankv1.ListClawbacksRequest) (*creditbankv1.ListClawbacksResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &creditbankv1.ListClawbacksResponse{Clawbacks: []*creditbankv1.Clawback{f.clawback}}, nil
}
