package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// reviews is the ReviewService.
type reviews struct {
	creditbankv1.UnsafeReviewServiceServer
	bank *api.Bank
}

// ListCases implements ReviewService.
func (s *reviews) ListCases(
	ctx context.Context, r *creditbankv1.ListCasesRequest,
) (*creditbankv1.ListCasesResponse, error) {
	page := pageOf(r.GetPageSize(), r.GetPageToken())
	cases, next, err := s.bank.ListCases(ctx, callerOf(ctx), caseStatus(r.GetState()), page)
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListCasesResponse{Cases: make([]*creditbankv1.Case, len(cases)), NextPageToken: next}
	for i, c := range cases {
		answer.Cases[i] = caseProto(c)
	}
	return answer, nil
}

// GetCase implements ReviewService.
func (s *reviews) GetCase(
	ctx context.Context, r *creditbankv1.GetCaseRequest,
) (*creditbankv1.GetCaseResponse, error) {
	c, evidence, decision, err := s.bank.GetCase(ctx, callerOf(ctx), r.GetCaseId())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetCaseResponse{
		Case: caseProto(c), Evidence: evidenceProto(evidence), Assessment: assessmentProto(decision, creditbankv1.View_VIEW_FULL),
	}, nil
}

// DecideCase implements ReviewService.
func (s *reviews) DecideCase(
	ctx context.Context, r *creditbankv1.DecideCaseRequest,
) (*creditbankv1.DecideCaseResponse, error) {
	c, decision, index, receipt, err := s.bank.DecideCase(ctx, callerOf(ctx), api.CaseDecision{
		RequestID: r.GetRequestId(), Case: r.GetCaseId(), Verdict: verdict(r.GetDecision()),
		ReasonCode: r.GetReasonCode(), Note: r.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DecideCaseResponse{
		Case: caseProto(c), Assessment: assessmentProto(decision, creditbankv1.View_VIEW_FULL),
		EntryIndex: index, Checkpoint: string(receipt.Checkpoint),
	}, nil
}

// caseStatus and caseState are the table of states, in both directions.
func caseStatus(state creditbankv1.CaseState) ledgerv1.CaseStatus {
	switch state {
	case creditbankv1.CaseState_CASE_STATE_OPEN:
		return ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED
	case creditbankv1.CaseState_CASE_STATE_APPROVED:
		return ledgerv1.CaseStatus_CASE_STATUS_APPROVED
	case creditbankv1.CaseState_CASE_STATE_REJECTED:
		return ledgerv1.CaseStatus_CASE_STATUS_REJECTED
	case creditbankv1.CaseState_CASE_STATE_WITHDRAWN:
		return ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN
	default:
		return ledgerv1.CaseStatus_CASE_STATUS_UNSPECIFIED
	}
}

func caseState(status ledgerv1.CaseStatus) creditbankv1.CaseState {
	switch status {
	case ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED:
		return creditbankv1.CaseState_CASE_STATE_OPEN
	case ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return creditbankv1.CaseState_CASE_STATE_APPROVED
	case ledgerv1.CaseStatus_CASE_STATUS_REJECTED:
		return creditbankv1.CaseState_CASE_STATE_REJECTED
	case ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN:
		return creditbankv1.CaseState_CASE_STATE_WITHDRAWN
	default:
		return creditbankv1.CaseState_CASE_STATE_UNSPECIFIED
	}
}

// verdict is zero, which api refuses, for a decision that is none.
func verdict(d creditbankv1.Decision) api.Verdict {
	switch d {
	case creditbankv1.Decision_DECISION_APPROVE:
		return api.VerdictApprove
	case creditbankv1.Decision_DECISION_REJECT:
		return api.VerdictReject
	case creditbankv1.Decision_DECISION_HOURS_ONLY:
		return api.VerdictHoursOnly
	default:
		return 0
	}
}

func caseProto(c api.Case) *creditbankv1.Case {
	return &creditbankv1.Case{
		CaseId: c.ID, State: caseState(c.Status), Causes: c.Causes, Risk: int32(c.Risk),
		OpenTime: timestamp(c.Opened), CompletionIndex: c.Completion, AccountId: c.Account.String(),
		Course: c.Course, CourseTitle: c.Title, Provider: c.Provider, Platform: c.Platform, Category: c.Category,
		Minutes: int64(c.Minutes), EndDate: c.EndDate, DecidedBy: c.DecidedBy, DecideTime: timestamp(c.Decided),
	}
}

// evidenceProto leaves out who learned: the case says it by the opaque id.
func evidenceProto(e api.Evidence) *creditbankv1.Evidence {
	c := e.Completion
	evidence := &creditbankv1.Evidence{
		Sessions: make([]*creditbankv1.EvidenceSession, len(c.GetSessions())),
		Held:     c.GetAttendance().GetHeld(), Attended: c.GetAttendance().GetAttended(), Late: c.GetAttendance().GetLate(),
		Site: c.GetSite(), PostTime: timestamp(e.Posted),
	}
	if c != nil {
		evidence.Score, evidence.Passed = c.Score, c.Passed
	}
	for i, s := range c.GetSessions() {
		evidence.Sessions[i] = &creditbankv1.EvidenceSession{
			StartTime: s.GetStartTime(), EndTime: s.GetEndTime(), Minutes: s.GetMinutes(),
		}
	}
	return evidence
}
