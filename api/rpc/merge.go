package rpc

import (
	"context"
	"strconv"

	"github.com/learning-credit-bank/creditbank/api"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// merges is the MergeService.
type merges struct {
	creditbankv1.UnsafeMergeServiceServer
	bank *api.Bank
}

// ProposeMerge implements MergeService.
func (m *merges) ProposeMerge(ctx context.Context, r *creditbankv1.ProposeMergeRequest) (*creditbankv1.ProposeMergeResponse, error) {
	from, err := accountID("from_account_id", r.GetFromAccountId())
	if err != nil {
		return nil, err
	}
	into, err := accountID("into_account_id", r.GetIntoAccountId())
	if err != nil {
		return nil, err
	}
	merge, err := m.bank.ProposeMerge(ctx, callerOf(ctx), r.GetRequestId(), from, into, r.GetReasonCode())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ProposeMergeResponse{Merge: mergeProto(merge)}, nil
}

// DecideMerge implements MergeService.
func (m *merges) DecideMerge(ctx context.Context, r *creditbankv1.DecideMergeRequest) (*creditbankv1.DecideMergeResponse, error) {
	step, err := mergeStep(r.GetRequestId(), r.GetMerge(), r.GetDecision(), r.GetReasonCode(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	merge, index, err := m.bank.DecideMerge(ctx, callerOf(ctx), step)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DecideMergeResponse{Merge: mergeProto(merge), EntryIndex: index}, nil
}

// UndoMerge implements MergeService.
func (m *merges) UndoMerge(ctx context.Context, r *creditbankv1.UndoMergeRequest) (*creditbankv1.UndoMergeResponse, error) {
	step, err := mergeStep(r.GetRequestId(), r.GetMerge(), r.GetDecision(), r.GetReasonCode(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	merge, index, err := m.bank.UndoMerge(ctx, callerOf(ctx), step)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.UndoMergeResponse{Merge: mergeProto(merge), EntryIndex: index}, nil
}

// GetMerge implements MergeService.
func (m *merges) GetMerge(ctx context.Context, r *creditbankv1.GetMergeRequest) (*creditbankv1.GetMergeResponse, error) {
	merge, preview, err := m.bank.GetMerge(ctx, callerOf(ctx), r.GetMerge())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetMergeResponse{Merge: mergeProto(merge), Preview: previewProto(preview)}, nil
}

// ListMerges implements MergeService.
func (m *merges) ListMerges(ctx context.Context, r *creditbankv1.ListMergesRequest) (*creditbankv1.ListMergesResponse, error) {
	list, next, err := m.bank.ListMerges(ctx, callerOf(ctx), r.GetOrganization(), r.GetOpenOnly(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListMergesResponse{Merges: make([]*creditbankv1.Merge, len(list)), NextPageToken: next}
	for i, merge := range list {
		answer.Merges[i] = mergeProto(merge)
	}
	return answer, nil
}

// mergeStep reads what is said to a merge.
func mergeStep(requestID string, merge uint64, decision creditbankv1.MergeDecision, reason, etag string) (api.MergeStep, error) {
	step := api.MergeStep{RequestID: requestID, Merge: merge, ReasonCode: reason}
	switch decision {
	case creditbankv1.MergeDecision_MERGE_DECISION_APPROVE:
		step.Approve = true
	case creditbankv1.MergeDecision_MERGE_DECISION_REFUSE:
	default:
		return step, invalid(api.ReasonUnknownEnum, "decision", "the decision is neither APPROVE nor REFUSE", nil)
	}
	if etag == "" {
		return step, nil
	}
	seen, err := strconv.ParseUint(etag, 10, 64)
	if err != nil || seen == 0 {
		return step, invalid(api.ReasonField, "etag", "the etag is none that GetMerge answers", err)
	}
	step.Seen = seen
	return step, nil
}

func mergeProto(m api.Merge) *creditbankv1.Merge {
	return &creditbankv1.Merge{
		Merge: m.ID, FromAccountId: m.From.String(), IntoAccountId: m.Into.String(), ReasonCode: m.ReasonCode, Status: m.Status,
		Etag: strconv.FormatUint(m.Changed, 10), ProposedBy: m.ProposedBy, ProposeTime: timestamp(m.Proposed), ReviewedBy: m.ReviewedBy,
		MergedBy: m.MergedBy, RefusedBy: m.RefusedBy, UndoProposedBy: m.UndoProposedBy, UndoneBy: m.UndoneBy, Items: m.Items,
	}
}

// previewProto is nil for nil.
func previewProto(p *api.MergePreview) *creditbankv1.MergePreview {
	if p == nil {
		return nil
	}
	return &creditbankv1.MergePreview{
		FromBefore: totalsProto(p.FromBefore), IntoBefore: totalsProto(p.IntoBefore), IntoAfter: totalsProto(p.IntoAfter),
		MilliPointsBefore: int64(p.PointsBefore), MilliPointsAfter: int64(p.PointsAfter), Items: p.Items, Duplicates: p.Duplicates,
		Cases: p.Cases, OpenCases: p.OpenCases, SameName: p.SameName, SameBirthDate: p.SameBirthDate,
	}
}
