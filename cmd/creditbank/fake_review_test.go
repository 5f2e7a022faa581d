package main_test

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/api/access"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type fakeReview struct {
	creditbankv1.UnimplementedReviewServiceServer
	bank *fakeBank

	mu       sync.Mutex
	attempts int
	requests []string
}

func aCase(state creditbankv1.CaseState) *creditbankv1.Case {
	return &creditbankv1.Case{
		CaseId: 42, State: state, Causes: []string{"late", "OVERLAP"}, Risk: 3, CompletionIndex: 42, AccountId: residentID,
		Course: "tai-chi", CourseTitle: "太极拳", Provider: "school-sandun", Platform: "xihu-cc", Minutes: 60, EndDate: "2026-03-01",
	}
}

// ListCases implements creditbankv1.ReviewServiceServer.
func (f *fakeReview) ListCases(ctx context.Context, r *creditbankv1.ListCasesRequest) (*creditbankv1.ListCasesResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	state := r.GetState()
	if state == creditbankv1.CaseState_CASE_STATE_UNSPECIFIED {
		state = creditbankv1.CaseState_CASE_STATE_SUBMITTED
	}
	return &creditbankv1.ListCasesResponse{Cases: []*creditbankv1.Case{aCase(state)}}, nil
}

// GetCase implements creditbankv1.ReviewServiceServer.
func (f *fakeReview) GetCase(ctx context.Context, r *creditbankv1.GetCaseRequest) (*creditbankv1.GetCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	f.bank.mu.Lock()
	defer f.bank.mu.Unlock()
	if claim := f.bank.claim.entry; r.GetCaseId() == 44 && claim != nil {
		return &creditbankv1.GetCaseResponse{Claim: claim.GetClaim(), Case: &creditbankv1.Case{
			CaseId: 44, State: claim.GetCase().GetState(), Claim: true, CourseTitle: "证书与资格", Provider: "beishan-school", EndDate: claim.GetEndDate(),
		}, Steps: []*creditbankv1.CaseEvent{{
			State: creditbankv1.CaseState_CASE_STATE_SECOND_REVIEW, Step: ledgerv1.CaseStep_CASE_STEP_RECOMMENDED, Officer: "officer-chen", ReasonCode: "EVIDENCE_SUFFICIENT", Files: 2,
			ReasonWords: &creditbankv1.Text{Zh: "材料充分", En: "The evidence is sufficient"},
			Grant:       &creditbankv1.ClaimGrant{Minutes: 720, MilliCredits: 1000},
		}}}, nil
	}
	if r.GetCaseId() != 42 {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "case_id", "there is no such case")
	}
	score := int32(77)
	return &creditbankv1.GetCaseResponse{
		Case: aCase(creditbankv1.CaseState_CASE_STATE_SUBMITTED), Evidence: &creditbankv1.Evidence{Held: 4, Attended: 3, Late: 1, Score: &score},
		Assessment: &creditbankv1.Assessment{Outcome: ledgerv1.Outcome_OUTCOME_IN_REVIEW, Minutes: 60},
		Steps: []*creditbankv1.CaseEvent{
			{Step: ledgerv1.CaseStep_CASE_STEP_RETURNED, Officer: officerID, ReasonCode: "EVIDENCE_MISSING", Note: "请上传签到表"},
			{Step: ledgerv1.CaseStep_CASE_STEP_RESUBMITTED, Resident: true, Note: "已上传"},
		},
	}, nil
}

// DecideCase implements creditbankv1.ReviewServiceServer. It is away the first time it is asked.
func (f *fakeReview) DecideCase(ctx context.Context, r *creditbankv1.DecideCaseRequest) (*creditbankv1.DecideCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.GetRequestId())
	if f.attempts++; f.attempts == 1 {
		return nil, refuse(codes.Unavailable, "SHUTTING_DOWN", "", "the bank is being restarted")
	}
	if f.requests[0] != r.GetRequestId() {
		return nil, refuse(codes.Aborted, "CASE_CLOSED", "", "the case was decided in between")
	}
	states := map[creditbankv1.Decision]creditbankv1.CaseState{
		creditbankv1.Decision_DECISION_APPROVE:    creditbankv1.CaseState_CASE_STATE_APPROVED,
		creditbankv1.Decision_DECISION_HOURS_ONLY: creditbankv1.CaseState_CASE_STATE_APPROVED,
		creditbankv1.Decision_DECISION_REJECT:     creditbankv1.CaseState_CASE_STATE_REJECTED,
	}
	return &creditbankv1.DecideCaseResponse{
		Case: aCase(states[r.GetDecision()]), EntryIndex: 99,
		Assessment: &creditbankv1.Assessment{Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Minutes: 60, AvailableMilliCredits: 100},
	}, nil
}

// The other methods of creditbankv1.ReviewServiceServer lead where they lead.

func (f *fakeReview) TakeCase(ctx context.Context, r *creditbankv1.TakeCaseRequest) (*creditbankv1.TakeCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	if r.GetEtag() != "" && r.GetEtag() != "42" {
		return nil, refuse(codes.Aborted, "CASE_CHANGED", "etag", "entry 43 has changed the case since; read it again")
	}
	taken := aCase(creditbankv1.CaseState_CASE_STATE_FIRST_REVIEW)
	taken.Holder = officerID
	return &creditbankv1.TakeCaseResponse{Case: taken, EntryIndex: 100}, nil
}

func (f *fakeReview) ReleaseCase(ctx context.Context, _ *creditbankv1.ReleaseCaseRequest) (*creditbankv1.ReleaseCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	return &creditbankv1.ReleaseCaseResponse{Case: aCase(creditbankv1.CaseState_CASE_STATE_SUBMITTED), EntryIndex: 101}, nil
}

func (f *fakeReview) CountCases(ctx context.Context, _ *creditbankv1.CountCasesRequest) (*creditbankv1.CountCasesResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	return &creditbankv1.CountCasesResponse{Counts: []*creditbankv1.CaseCount{{State: creditbankv1.CaseState_CASE_STATE_SUBMITTED, Risk: 3, Count: 17}}}, nil
}

func (f *fakeReview) BatchDecideCases(ctx context.Context, r *creditbankv1.BatchDecideCasesRequest) (*creditbankv1.BatchDecideCasesResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	answer := new(creditbankv1.BatchDecideCasesResponse)
	for _, item := range r.GetItems() {
		result := &creditbankv1.BatchResult{CaseId: item.GetCaseId(), State: creditbankv1.CaseState_CASE_STATE_APPROVED, EntryIndex: 99}
		if item.GetCaseId() != 42 {
			result.State, result.Error = 0, status.Convert(refuse(codes.FailedPrecondition, "BATCH_NOT_ALLOWED", "case_id", "one by one")).Proto()
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

func (f *fakeReview) ReturnCase(ctx context.Context, _ *creditbankv1.ReturnCaseRequest) (*creditbankv1.ReturnCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	return &creditbankv1.ReturnCaseResponse{Case: aCase(creditbankv1.CaseState_CASE_STATE_RETURNED), EntryIndex: 102}, nil
}

func (f *fakeReview) RevokeCase(ctx context.Context, r *creditbankv1.RevokeCaseRequest) (*creditbankv1.RevokeCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	if r.GetValidateOnly() {
		return &creditbankv1.RevokeCaseResponse{
			Case: aCase(creditbankv1.CaseState_CASE_STATE_APPROVED), Preview: &creditbankv1.RevocationPreview{Minutes: 60, ReversedMilliCredits: 100, Cases: 1},
		}, nil
	}
	return &creditbankv1.RevokeCaseResponse{Case: aCase(creditbankv1.CaseState_CASE_STATE_REVOKED), EntryIndex: 103}, nil
}

func summaryOf(id uint64, state creditbankv1.CaseState) *creditbankv1.CaseSummary {
	return &creditbankv1.CaseSummary{CaseId: id, State: state}
}

func (f *fakeReview) AnswerCase(ctx context.Context, r *creditbankv1.AnswerCaseRequest) (*creditbankv1.AnswerCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	if r.GetCaseId() != 42 {
		summary, err := f.moved(ctx, r.GetCaseId(), creditbankv1.CaseState_CASE_STATE_FIRST_REVIEW, r.GetFiles())
		return &creditbankv1.AnswerCaseResponse{Case: summary}, err
	}
	return &creditbankv1.AnswerCaseResponse{Case: summaryOf(r.GetCaseId(), creditbankv1.CaseState_CASE_STATE_SUBMITTED), EntryIndex: 104}, nil
}

func (f *fakeReview) WithdrawCase(ctx context.Context, r *creditbankv1.WithdrawCaseRequest) (*creditbankv1.WithdrawCaseResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	if r.GetCaseId() != 42 {
		summary, err := f.moved(ctx, r.GetCaseId(), creditbankv1.CaseState_CASE_STATE_WITHDRAWN, nil)
		return &creditbankv1.WithdrawCaseResponse{Case: summary}, err
	}
	return &creditbankv1.WithdrawCaseResponse{Case: summaryOf(r.GetCaseId(), creditbankv1.CaseState_CASE_STATE_WITHDRAWN), EntryIndex: 105}, nil
}

func (f *fakeReview) FileAppeal(ctx context.Context, r *creditbankv1.FileAppealRequest) (*creditbankv1.FileAppealResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	return &creditbankv1.FileAppealResponse{Case: summaryOf(r.GetCaseId(), creditbankv1.CaseState_CASE_STATE_APPEALED), EntryIndex: 106}, nil
}

func (f *fakeReview) FileObjection(ctx context.Context, r *creditbankv1.FileObjectionRequest) (*creditbankv1.FileObjectionResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	return &creditbankv1.FileObjectionResponse{Case: summaryOf(r.GetCaseId(), creditbankv1.CaseState_CASE_STATE_OBJECTED), EntryIndex: 107}, nil
}

func (f *fakeReview) ListNotices(context.Context, *creditbankv1.ListNoticesRequest) (*creditbankv1.ListNoticesResponse, error) {
	return &creditbankv1.ListNoticesResponse{Notices: []*creditbankv1.Notice{{
		CaseId: 42, MaskedName: "王*芳", CourseTitle: "太极拳", ProviderName: "三墩镇社区学校", Minutes: 60, EndDate: "2026-03-01",
	}}}, nil
}
