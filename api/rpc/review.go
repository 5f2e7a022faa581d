package rpc

import (
	"context"
	"fmt"
	"strconv"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/review"
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
	filter := api.CaseFilter{
		MinRisk: int(r.GetMinRisk()), MaxRisk: int(r.GetMaxRisk()), OpenedFrom: timeOf(r.GetOpenFromTime()),
		OpenedBefore: timeOf(r.GetOpenBeforeTime()), Within: r.GetWithin(), Provider: r.GetProvider(), Category: r.GetCategory(),
		Holder: r.GetHolder(), DueBefore: timeOf(r.GetDueBeforeTime()),
	}
	if filter.Holder == "me" {
		filter.Holder = callerOf(ctx).Officer
	}
	if r.GetOrder() == creditbankv1.CaseOrder_CASE_ORDER_DUE {
		filter.Order = api.ByDue
	}
	if r.GetState() != creditbankv1.CaseState_CASE_STATE_UNSPECIFIED {
		filter.States = append(filter.States, caseStatus(r.GetState()))
	}
	cases, next, err := s.bank.ListCases(ctx, callerOf(ctx), filter, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListCasesResponse{Cases: make([]*creditbankv1.Case, len(cases)), NextPageToken: next}
	for i, c := range cases {
		answer.Cases[i] = caseProto(c)
	}
	return answer, nil
}

// CountCases implements ReviewService.
func (s *reviews) CountCases(
	ctx context.Context, r *creditbankv1.CountCasesRequest,
) (*creditbankv1.CountCasesResponse, error) {
	filter := api.CaseFilter{
		Within: r.GetWithin(), Provider: r.GetProvider(), Category: r.GetCategory(), OpenedBefore: timeOf(r.GetOpenBeforeTime()),
	}
	if r.GetState() != creditbankv1.CaseState_CASE_STATE_UNSPECIFIED {
		filter.States = append(filter.States, caseStatus(r.GetState()))
	}
	counts, all, err := s.bank.CountCases(ctx, callerOf(ctx), filter)
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.CountCasesResponse{Counts: make([]*creditbankv1.CaseCount, len(counts)), Truncated: !all}
	for i, c := range counts {
		answer.Counts[i] = &creditbankv1.CaseCount{State: caseState(c.Status), Risk: int32(c.Risk), Count: int32(c.Count)}
	}
	return answer, nil
}

// GetCase implements ReviewService.
func (s *reviews) GetCase(
	ctx context.Context, r *creditbankv1.GetCaseRequest,
) (*creditbankv1.GetCaseResponse, error) {
	c, evidence, decision, steps, err := s.bank.ReadCase(ctx, callerOf(ctx), r.GetCaseId())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetCaseResponse{
		Case: caseProto(c), Evidence: evidenceProto(evidence), Assessment: assessmentProto(decision, creditbankv1.View_VIEW_FULL),
		Steps: caseEventsProto(steps), Claim: claimProto(evidence.Claim),
	}, nil
}

// take takes a step of a case.
func (s *reviews) take(ctx context.Context, act review.Act, r interface {
	GetRequestId() string
	GetCaseId() uint64
}, reasonCode, note, etag string,
) (api.StepTaken, error) {
	seen, err := seenOf("etag", etag)
	if err != nil {
		return api.StepTaken{}, err
	}
	return s.bank.TakeStep(ctx, callerOf(ctx), api.Step{
		RequestID: r.GetRequestId(), Case: r.GetCaseId(), Act: act, Seen: seen, ReasonCode: reasonCode, Note: note,
	})
}

// TakeCase implements ReviewService.
func (s *reviews) TakeCase(ctx context.Context, r *creditbankv1.TakeCaseRequest) (*creditbankv1.TakeCaseResponse, error) {
	taken, err := s.take(ctx, review.Take, r, "", "", r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.TakeCaseResponse{Case: caseProto(taken.Case), EntryIndex: taken.Index}, nil
}

// ReleaseCase implements ReviewService.
func (s *reviews) ReleaseCase(
	ctx context.Context, r *creditbankv1.ReleaseCaseRequest,
) (*creditbankv1.ReleaseCaseResponse, error) {
	taken, err := s.take(ctx, review.Release, r, "", "", r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ReleaseCaseResponse{Case: caseProto(taken.Case), EntryIndex: taken.Index}, nil
}

// DecideCase implements ReviewService.
func (s *reviews) DecideCase(
	ctx context.Context, r *creditbankv1.DecideCaseRequest,
) (*creditbankv1.DecideCaseResponse, error) {
	seen, err := seenOf("etag", r.GetEtag())
	if err != nil {
		return nil, err
	}
	c, decision, index, receipt, err := s.bank.DecideCase(ctx, callerOf(ctx), api.CaseDecision{
		RequestID: r.GetRequestId(), Case: r.GetCaseId(), Verdict: verdict(r.GetDecision()),
		ReasonCode: r.GetReasonCode(), Note: r.GetNote(), Seen: seen, Grant: grantOf(r.GetGrant()),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DecideCaseResponse{
		Case: caseProto(c), Assessment: assessmentProto(decision, creditbankv1.View_VIEW_FULL),
		EntryIndex: index, Checkpoint: string(receipt.Checkpoint),
	}, nil
}

// BatchDecideCases implements ReviewService.
func (s *reviews) BatchDecideCases(
	ctx context.Context, r *creditbankv1.BatchDecideCasesRequest,
) (*creditbankv1.BatchDecideCasesResponse, error) {
	batch := api.BatchDecision{
		RequestID: r.GetRequestId(), Verdict: verdict(r.GetDecision()), ReasonCode: r.GetReasonCode(), Note: r.GetNote(),
		Items: make([]api.BatchItem, len(r.GetItems())),
	}
	for i, item := range r.GetItems() {
		seen, err := seenOf(fmt.Sprintf("items[%d].etag", i), item.GetEtag())
		if err != nil {
			return nil, err
		}
		batch.Items[i] = api.BatchItem{Case: item.GetCaseId(), Seen: seen}
	}
	results, receipt, err := s.bank.DecideCases(ctx, callerOf(ctx), batch)
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.BatchDecideCasesResponse{
		Results: make([]*creditbankv1.BatchResult, len(results)), Checkpoint: string(receipt.Checkpoint),
	}
	for i, result := range results {
		answer.Results[i] = &creditbankv1.BatchResult{CaseId: result.Case, State: caseState(result.Status), EntryIndex: result.Index}
		if result.Fault != nil {
			answer.Results[i].Error = statusOf(result.Fault).Proto()
		}
	}
	return answer, nil
}

// ReturnCase implements ReviewService.
func (s *reviews) ReturnCase(ctx context.Context, r *creditbankv1.ReturnCaseRequest) (*creditbankv1.ReturnCaseResponse, error) {
	taken, err := s.take(ctx, review.Return, r, r.GetReasonCode(), r.GetNote(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ReturnCaseResponse{Case: caseProto(taken.Case), EntryIndex: taken.Index}, nil
}

// RevokeCase implements ReviewService.
func (s *reviews) RevokeCase(ctx context.Context, r *creditbankv1.RevokeCaseRequest) (*creditbankv1.RevokeCaseResponse, error) {
	if r.GetValidateOnly() {
		preview, err := s.bank.PreviewRevocation(ctx, callerOf(ctx), r.GetCaseId())
		if err != nil {
			return nil, err
		}
		c, _, _, err := s.bank.GetCase(ctx, callerOf(ctx), r.GetCaseId())
		if err != nil {
			return nil, err
		}
		return &creditbankv1.RevokeCaseResponse{Case: caseProto(c), Preview: &creditbankv1.RevocationPreview{
			Minutes: int64(preview.Minutes), ReversedMilliCredits: int64(preview.Reversed),
			UnrecoveredMilliCredits: int64(preview.Unrecovered), Cases: int32(preview.Cases),
		}}, nil
	}
	taken, err := s.take(ctx, review.Revoke, r, r.GetReasonCode(), r.GetNote(), r.GetEtag())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.RevokeCaseResponse{
		Case: caseProto(taken.Case), Assessment: assessmentProto(taken.Decision, creditbankv1.View_VIEW_FULL), EntryIndex: taken.Index,
	}, nil
}

// AnswerCase implements ReviewService.
func (s *reviews) AnswerCase(ctx context.Context, r *creditbankv1.AnswerCaseRequest) (*creditbankv1.AnswerCaseResponse, error) {
	files, err := claimFiles(r.GetFiles())
	if err != nil {
		return nil, err
	}
	taken, err := s.bank.TakeStep(ctx, callerOf(ctx), api.Step{
		RequestID: r.GetRequestId(), Case: r.GetCaseId(), Act: review.Answer, Note: r.GetNote(), Evidence: files,
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.AnswerCaseResponse{Case: summaryProto(taken.Case), EntryIndex: taken.Index}, nil
}

// WithdrawCase implements ReviewService.
func (s *reviews) WithdrawCase(
	ctx context.Context, r *creditbankv1.WithdrawCaseRequest,
) (*creditbankv1.WithdrawCaseResponse, error) {
	taken, err := s.take(ctx, review.Withdraw, r, "", "", "")
	if err != nil {
		return nil, err
	}
	return &creditbankv1.WithdrawCaseResponse{Case: summaryProto(taken.Case), EntryIndex: taken.Index}, nil
}

// FileAppeal implements ReviewService.
func (s *reviews) FileAppeal(ctx context.Context, r *creditbankv1.FileAppealRequest) (*creditbankv1.FileAppealResponse, error) {
	taken, err := s.take(ctx, review.Appeal, r, "", r.GetNote(), "")
	if err != nil {
		return nil, err
	}
	return &creditbankv1.FileAppealResponse{Case: summaryProto(taken.Case), EntryIndex: taken.Index}, nil
}

// FileObjection implements ReviewService.
func (s *reviews) FileObjection(
	ctx context.Context, r *creditbankv1.FileObjectionRequest,
) (*creditbankv1.FileObjectionResponse, error) {
	taken, err := s.take(ctx, review.Object, r, "", r.GetNote(), "")
	if err != nil {
		return nil, err
	}
	return &creditbankv1.FileObjectionResponse{Case: summaryProto(taken.Case), EntryIndex: taken.Index}, nil
}

// ListNotices implements ReviewService.
func (s *reviews) ListNotices(
	ctx context.Context, r *creditbankv1.ListNoticesRequest,
) (*creditbankv1.ListNoticesResponse, error) {
	notices, next, err := s.bank.ListNotices(ctx, r.GetWithin(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListNoticesResponse{Notices: make([]*creditbankv1.Notice, len(notices)), NextPageToken: next}
	for i, n := range notices {
		answer.Notices[i] = &creditbankv1.Notice{
			CaseId: n.Case, MaskedName: n.Name, CourseTitle: n.Title, Provider: n.Provider, ProviderName: n.ProviderName,
			Category: n.Category, Minutes: int64(n.Minutes), EndDate: n.EndDate, PublishTime: timestamp(n.Published), EndTime: timestamp(n.Ends),
		}
	}
	return answer, nil
}

// etagOf names the newest step of a case.
func etagOf(changed uint64) string { return strconv.FormatUint(changed, 10) }

// seenOf reads what etagOf wrote; 0 is none.
func seenOf(field, etag string) (uint64, error) {
	if etag == "" {
		return 0, nil
	}
	seen, err := strconv.ParseUint(etag, 10, 64)
	if err != nil || seen == 0 || etagOf(seen) != etag {
		return 0, invalid(api.ReasonField, field, "the etag is none that a case was answered with", err)
	}
	return seen, nil
}

func caseEventsProto(events []api.CaseEvent) []*creditbankv1.CaseEvent {
	all := make([]*creditbankv1.CaseEvent, len(events))
	for i, e := range events {
		all[i] = &creditbankv1.CaseEvent{
			EntryIndex: e.Index, Time: timestamp(e.Time), Step: e.Step, State: caseState(e.State), Deadline: timestamp(e.Deadline),
			Officer: e.Officer, Organization: e.Organization, Resident: e.Resident, ReasonCode: e.ReasonCode, ReasonWords: reasonWordsProto(e.ReasonCode), Note: e.Note,
			Grant: grantProto(e.Grant), Files: int32(e.Files),
		}
		if !e.Objector.IsZero() {
			all[i].ObjectorAccountId = e.Objector.String()
		}
	}
	return all
}

// reasonWordsProto says an officer's reason; nil for none.
func reasonWordsProto(code string) *creditbankv1.Text {
	if words := api.DecisionReasonWords(code); words != (api.Text{}) {
		return textProto(words)
	}
	return nil
}

// progressProto is nil for nil.
func progressProto(p *api.CaseProgress) *creditbankv1.CaseProgress {
	if p == nil {
		return nil
	}
	return &creditbankv1.CaseProgress{
		CaseId: p.ID, State: caseState(p.Status), Deadline: timestamp(p.Deadline), Causes: p.Causes, Steps: caseEventsProto(p.Steps), Words: textProto(p.Words),
	}
}

func summaryProto(c api.Case) *creditbankv1.CaseSummary {
	return &creditbankv1.CaseSummary{
		CaseId: c.ID, State: caseState(c.Status), StateTime: timestamp(c.Since), Deadline: timestamp(c.Deadline),
	}
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
		Etag: etagOf(c.Changed), StateTime: timestamp(c.Since), Deadline: timestamp(c.Deadline), DueTime: timestamp(c.Due),
		Holder: c.Holder, LeaseEndTime: timestamp(c.Lease), Reviewers: reviewersProto(c.Reviewers), WorkflowRule: c.Rule, Batch: c.Batch,
		Claim: c.Claim, FiledBy: c.FiledBy,
	}
}

func reviewersProto(reviewers []review.Reviewer) []*creditbankv1.CaseReviewer {
	all := make([]*creditbankv1.CaseReviewer, len(reviewers))
	for i, r := range reviewers {
		all[i] = &creditbankv1.CaseReviewer{Stage: caseState(r.Stage), Officer: r.Officer}
	}
	return all
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
