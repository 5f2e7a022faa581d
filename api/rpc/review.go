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
	filter := api.CaseFilter{}
	if state := caseStatus(r.GetState()); state != ledgerv1.CaseStatus_CASE_STATUS_UNSPECIFIED {
		filter.States = append(filter.States, state)
	}
	cases, next, err := s.bank.ListCases(ctx, callerOf(ctx), filter, page)
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

// caseStates is the table of states.
func caseStates() map[creditbankv1.CaseState]ledgerv1.CaseStatus {
	return map[creditbankv1.CaseState]ledgerv1.CaseStatus{
		creditbankv1.CaseState_CASE_STATE_SUBMITTED:     ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED,
		creditbankv1.CaseState_CASE_STATE_APPROVED:      ledgerv1.CaseStatus_CASE_STATUS_APPROVED,
		creditbankv1.CaseState_CASE_STATE_REJECTED:      ledgerv1.CaseStatus_CASE_STATUS_REJECTED,
		creditbankv1.CaseState_CASE_STATE_WITHDRAWN:     ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN,
		creditbankv1.CaseState_CASE_STATE_FIRST_REVIEW:  ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW,
		creditbankv1.CaseState_CASE_STATE_RETURNED:      ledgerv1.CaseStatus_CASE_STATUS_RETURNED,
		creditbankv1.CaseState_CASE_STATE_SECOND_REVIEW: ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW,
		creditbankv1.CaseState_CASE_STATE_PUBLIC_NOTICE: ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE,
		creditbankv1.CaseState_CASE_STATE_OBJECTED:      ledgerv1.CaseStatus_CASE_STATUS_OBJECTED,
		creditbankv1.CaseState_CASE_STATE_APPEALED:      ledgerv1.CaseStatus_CASE_STATUS_APPEALED,
		creditbankv1.CaseState_CASE_STATE_REVOKED:       ledgerv1.CaseStatus_CASE_STATUS_REVOKED,
	}
}

// caseStatus is the state in the ledger's words. One that is none keeps its number, so that the bank refuses it.
func caseStatus(state creditbankv1.CaseState) ledgerv1.CaseStatus {
	if status, ok := caseStates()[state]; ok || state == creditbankv1.CaseState_CASE_STATE_UNSPECIFIED {
		return status
	}
	return ledgerv1.CaseStatus(state)
}

func caseState(status ledgerv1.CaseStatus) creditbankv1.CaseState {
	for state, s := range caseStates() {
		if s == status {
			return state
		}
	}
	return creditbankv1.CaseState_CASE_STATE_UNSPECIFIED
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
