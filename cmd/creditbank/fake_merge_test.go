package main_test

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api/access"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// fakeMerges keeps one merge, and lets the same officer agree as often as it takes.
type fakeMerges struct {
	creditbankv1.UnimplementedMergeServiceServer
	bank *fakeBank

	mu    sync.Mutex
	merge *creditbankv1.Merge
}

// take moves the merge on for an officer.
func (f *fakeMerges) take(ctx context.Context, id uint64, change func(m *creditbankv1.Merge) error) (*creditbankv1.Merge, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.merge.GetMerge() != id {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "merge", "there is no such merge")
	}
	return f.merge, change(f.merge)
}

// ProposeMerge implements creditbankv1.MergeServiceServer.
func (f *fakeMerges) ProposeMerge(ctx context.Context, r *creditbankv1.ProposeMergeRequest) (*creditbankv1.ProposeMergeResponse, error) {
	f.mu.Lock()
	f.merge = &creditbankv1.Merge{
		Merge: 70, FromAccountId: r.GetFromAccountId(), IntoAccountId: r.GetIntoAccountId(), ReasonCode: r.GetReasonCode(), Etag: "70",
		Status: ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED, ProposedBy: "officer-1", Items: 2,
	}
	f.mu.Unlock()
	m, err := f.take(ctx, 70, func(*creditbankv1.Merge) error { return nil })
	return &creditbankv1.ProposeMergeResponse{Merge: m}, err
}

// DecideMerge implements creditbankv1.MergeServiceServer.
func (f *fakeMerges) DecideMerge(ctx context.Context, r *creditbankv1.DecideMergeRequest) (*creditbankv1.DecideMergeResponse, error) {
	m, err := f.take(ctx, r.GetMerge(), func(m *creditbankv1.Merge) error {
		switch {
		case r.GetEtag() != "" && r.GetEtag() != m.GetEtag():
			return refuse(codes.Aborted, "MERGE_CHANGED", "etag", "read it again")
		case r.GetDecision() == creditbankv1.MergeDecision_MERGE_DECISION_REFUSE:
			m.Status, m.RefusedBy = ledgerv1.MergeStatus_MERGE_STATUS_REFUSED, "officer-2"
		case m.GetStatus() == ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED:
			m.Status, m.ReviewedBy, m.Etag = ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED, "officer-2", "71"
		default:
			m.Status, m.MergedBy = ledgerv1.MergeStatus_MERGE_STATUS_MERGED, "officer-3"
		}
		return nil
	})
	return &creditbankv1.DecideMergeResponse{Merge: m, EntryIndex: 71}, err
}

// UndoMerge implements creditbankv1.MergeServiceServer.
func (f *fakeMerges) UndoMerge(ctx context.Context, r *creditbankv1.UndoMergeRequest) (*creditbankv1.UndoMergeResponse, error) {
	m, err := f.take(ctx, r.GetMerge(), func(m *creditbankv1.Merge) error {
		switch {
		case r.GetDecision() == creditbankv1.MergeDecision_MERGE_DECISION_REFUSE:
			m.Status = ledgerv1.MergeStatus_MERGE_STATUS_MERGED
		case m.GetStatus() == ledgerv1.MergeStatus_MERGE_STATUS_MERGED:
			m.Status, m.UndoProposedBy = ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED, "officer-1"
		default:
			m.Status, m.UndoneBy = ledgerv1.MergeStatus_MERGE_STATUS_UNDONE, "officer-2"
		}
		return nil
	})
	return &creditbankv1.UndoMergeResponse{Merge: m, EntryIndex: 72}, err
}

// GetMerge implements creditbankv1.MergeServiceServer.
func (f *fakeMerges) GetMerge(ctx context.Context, r *creditbankv1.GetMergeRequest) (*creditbankv1.GetMergeResponse, error) {
	m, err := f.take(ctx, r.GetMerge(), func(*creditbankv1.Merge) error { return nil })
	answer := &creditbankv1.GetMergeResponse{Merge: m}
	if m.GetStatus() == ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED {
		answer.Preview = &creditbankv1.MergePreview{
			FromBefore: &creditbankv1.Totals{Minutes: 90, AvailableMilliCredits: 100}, IntoBefore: &creditbankv1.Totals{Minutes: 45},
			IntoAfter: &creditbankv1.Totals{Minutes: 135, PendingMilliCredits: 200}, Items: 2, Duplicates: 1, OpenCases: 1, SameName: true,
		}
	}
	return answer, err
}

// ListMerges implements creditbankv1.MergeServiceServer.
func (f *fakeMerges) ListMerges(ctx context.Context, _ *creditbankv1.ListMergesRequest) (*creditbankv1.ListMergesResponse, error) {
	m, err := f.take(ctx, 70, func(*creditbankv1.Merge) error { return nil })
	return &creditbankv1.ListMergesResponse{Merges: []*creditbankv1.Merge{m}}, err
}
