package rpc_test

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// A case goes all the way through the service: taken, returned, answered, recommended, approved, objected to, dismissed, and
// revoked, refused and appealed for.
func TestReviewWorkflow(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	welding := s.Completion(account.Number)
	welding.GetCompletion().Provider, welding.GetCompletion().Course = apitest.Root, apitest.Welding
	s.Record(welding)
	other := s.Completion(account.Number) // at the same time, through another platform
	signed := s.Submission(apitest.OtherPlatform, other)
	if _, _, err := s.Bank.RecordCompletions(ctx, s.Platform(apitest.OtherPlatform), signed, false); err != nil {
		t.Fatal(err)
	}
	officer := creditbankv1.NewReviewServiceClient(s.officer(apitest.Officer))
	another := creditbankv1.NewReviewServiceClient(s.officer(apitest.SecondOfficer))
	third := creditbankv1.NewReviewServiceClient(s.officer(apitest.ThirdOfficer))
	resident := creditbankv1.NewReviewServiceClient(s.resident(account))
	c := ok[*creditbankv1.ListCasesResponse](t)(officer.ListCases(ctx, &creditbankv1.ListCasesRequest{
		MinRisk: 3, Within: apitest.Root, Order: creditbankv1.CaseOrder_CASE_ORDER_DUE,
	})).GetCases()[0]
	id := c.GetCaseId()
	if c.GetEtag() == "" || c.GetDueTime() == nil || c.GetWorkflowRule() != "two-officers" || c.GetBatch() {
		t.Errorf("case %v", c)
	}
	taken := ok[*creditbankv1.TakeCaseResponse](t)(officer.TakeCase(ctx, &creditbankv1.TakeCaseRequest{RequestId: s.RequestID(), CaseId: id, Etag: c.GetEtag()})).GetCase()
	if taken.GetState() != creditbankv1.CaseState_CASE_STATE_FIRST_REVIEW || taken.GetHolder() != apitest.Officer || taken.GetLeaseEndTime() == nil {
		t.Errorf("case %v", taken)
	}
	_, err := another.TakeCase(ctx, &creditbankv1.TakeCaseRequest{RequestId: s.RequestID(), CaseId: id})
	refused(t, err, codes.Aborted, api.ReasonCaseHeld, "case_id")
	_, err = officer.ReleaseCase(ctx, &creditbankv1.ReleaseCaseRequest{RequestId: s.RequestID(), CaseId: id, Etag: c.GetEtag()})
	refused(t, err, codes.Aborted, api.ReasonCaseChanged, "etag")
	metadata := map[string]string{}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			metadata = info.GetMetadata()
		}
	}
	if metadata["state"] != "FIRST_REVIEW" || metadata["etag"] != taken.GetEtag() {
		t.Errorf("metadata %v", metadata)
	}
	_, err = officer.ReleaseCase(ctx, &creditbankv1.ReleaseCaseRequest{RequestId: s.RequestID(), CaseId: id, Etag: "x"})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "etag")
	if mine := ok[*creditbankv1.ListCasesResponse](t)(officer.ListCases(ctx, &creditbankv1.ListCasesRequest{Holder: "me"})).GetCases(); len(mine) != 1 {
		t.Errorf("mine %v", mine)
	}
	counts := ok[*creditbankv1.CountCasesResponse](t)(officer.CountCases(ctx, &creditbankv1.CountCasesRequest{}))
	if len(counts.GetCounts()) != 1 || counts.GetCounts()[0].GetCount() != 1 || counts.GetCounts()[0].GetRisk() != 3 || counts.GetTruncated() {
		t.Errorf("counts %v", counts)
	}

	ok[*creditbankv1.ReleaseCaseResponse](t)(officer.ReleaseCase(ctx, &creditbankv1.ReleaseCaseRequest{RequestId: s.RequestID(), CaseId: id, Etag: taken.GetEtag()}))
	back := ok[*creditbankv1.ReturnCaseResponse](t)(officer.ReturnCase(ctx, &creditbankv1.ReturnCaseRequest{
		RequestId: s.RequestID(), CaseId: id, ReasonCode: "EVIDENCE_MISSING", Note: "请上传签到表",
	})).GetCase()
	if back.GetState() != creditbankv1.CaseState_CASE_STATE_RETURNED || back.GetDeadline() == nil {
		t.Errorf("case %v", back)
	}
	answered := ok[*creditbankv1.AnswerCaseResponse](t)(resident.AnswerCase(ctx, &creditbankv1.AnswerCaseRequest{RequestId: s.RequestID(), CaseId: id, Note: "补交签到表"}))
	if answered.GetCase().GetState() != creditbankv1.CaseState_CASE_STATE_SUBMITTED || answered.GetCase().GetCaseId() != id || answered.GetEntryIndex() == 0 {
		t.Errorf("answered %v", answered)
	}
	decide := func(by creditbankv1.ReviewServiceClient, decision creditbankv1.Decision, want creditbankv1.CaseState) {
		t.Helper()
		done := ok[*creditbankv1.DecideCaseResponse](t)(by.DecideCase(ctx, &creditbankv1.DecideCaseRequest{
			RequestId: s.RequestID(), CaseId: id, Decision: decision, ReasonCode: "OVERLAP_EXPLAINED",
		}))
		if done.GetCase().GetState() != want {
			t.Fatalf("case %v, not %v", done.GetCase(), want)
		}
	}
	decide(officer, creditbankv1.Decision_DECISION_APPROVE, creditbankv1.CaseState_CASE_STATE_SECOND_REVIEW)
	decide(another, creditbankv1.Decision_DECISION_APPROVE, creditbankv1.CaseState_CASE_STATE_PUBLIC_NOTICE)

	neighbour := creditbankv1.NewReviewServiceClient(s.resident(s.Open()))
	nobody := creditbankv1.NewReviewServiceClient(s.nobody())
	notices := ok[*creditbankv1.ListNoticesResponse](t)(nobody.ListNotices(ctx, &creditbankv1.ListNoticesRequest{Within: apitest.Root})).GetNotices()
	if len(notices) != 1 || notices[0].GetCaseId() != id || notices[0].GetEndTime() == nil || notices[0].GetProviderName() == "" {
		t.Fatalf("notices %v", notices)
	}
	_, err = nobody.FileObjection(ctx, &creditbankv1.FileObjectionRequest{RequestId: s.RequestID(), CaseId: id, Note: "x"})
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	_, err = resident.FileObjection(ctx, &creditbankv1.FileObjectionRequest{RequestId: s.RequestID(), CaseId: id, Note: "x"})
	refused(t, err, codes.PermissionDenied, api.ReasonOwnCase, "case_id")
	ok[*creditbankv1.FileObjectionResponse](t)(neighbour.FileObjection(ctx, &creditbankv1.FileObjectionRequest{RequestId: s.RequestID(), CaseId: id, Note: "他在别处"}))
	decide(third, creditbankv1.Decision_DECISION_APPROVE, creditbankv1.CaseState_CASE_STATE_PUBLIC_NOTICE)
	s.Clock.Advance(7 * 24 * time.Hour)
	if n, err := s.EndCases(ctx); err != nil || n != 1 {
		t.Fatalf("%d entries, %v", n, err)
	}

	// Whoever has judged it cannot revoke it; a fourth officer says what that would undo, and does it.
	_, err = s.AppointOfficer(ctx, s.Officer(apitest.Administrator), s.RequestID(), api.Appointment{
		Officer: "officer-he", Organization: apitest.Root, Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The tokens of a week ago are too old.
	fourth, officer := creditbankv1.NewReviewServiceClient(s.officer("officer-he")), creditbankv1.NewReviewServiceClient(s.officer(apitest.Officer))
	resident = creditbankv1.NewReviewServiceClient(s.resident(account))
	_, err = officer.RevokeCase(ctx, &creditbankv1.RevokeCaseRequest{CaseId: id, ValidateOnly: true})
	refused(t, err, codes.PermissionDenied, api.ReasonFourEyes, "case_id")
	preview := ok[*creditbankv1.RevokeCaseResponse](t)(fourth.RevokeCase(ctx, &creditbankv1.RevokeCaseRequest{CaseId: id, ValidateOnly: true}))
	if p := preview.GetPreview(); p.GetMinutes() != 90 || p.GetReversedMilliCredits() != 100 || preview.GetCase().GetState() != creditbankv1.CaseState_CASE_STATE_APPROVED {
		t.Errorf("preview %v", preview)
	}
	revoked := ok[*creditbankv1.RevokeCaseResponse](t)(fourth.RevokeCase(ctx, &creditbankv1.RevokeCaseRequest{
		RequestId: s.RequestID(), CaseId: id, ReasonCode: "DECIDED_BY_MISTAKE", Note: "签到表是伪造的",
	}))
	if revoked.GetCase().GetState() != creditbankv1.CaseState_CASE_STATE_REVOKED || revoked.GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_REFUSED {
		t.Errorf("revoked %v", revoked)
	}
	ok[*creditbankv1.FileAppealResponse](t)(resident.FileAppeal(ctx, &creditbankv1.FileAppealRequest{RequestId: s.RequestID(), CaseId: id, Note: "不是伪造的"}))
	given := ok[*creditbankv1.WithdrawCaseResponse](t)(resident.WithdrawCase(ctx, &creditbankv1.WithdrawCaseRequest{RequestId: s.RequestID(), CaseId: id}))
	if given.GetCase().GetState() != creditbankv1.CaseState_CASE_STATE_WITHDRAWN {
		t.Errorf("given up %v", given)
	}

	// The officers see every step and who objected; the learner sees every step.
	steps := ok[*creditbankv1.GetCaseResponse](t)(officer.GetCase(ctx, &creditbankv1.GetCaseRequest{CaseId: id})).GetSteps()
	entries := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(creditbankv1.NewPortfolioServiceClient(s.resident(account)).ListPortfolioEntries(ctx,
		&creditbankv1.ListPortfolioEntriesRequest{View: creditbankv1.View_VIEW_FULL})).GetEntries()
	var progress *creditbankv1.CaseProgress
	for _, e := range entries {
		if e.GetCase() != nil {
			progress = e.GetCase()
		}
	}
	if len(steps) != 10 || len(progress.GetSteps()) != len(steps) || progress.GetCaseId() != id || progress.GetState() != creditbankv1.CaseState_CASE_STATE_WITHDRAWN {
		t.Fatalf("steps %v, progress %v", steps, progress)
	}
	for i, step := range steps {
		objection := step.GetStep() == ledgerv1.CaseStep_CASE_STEP_OBJECTED
		if objection != (step.GetObjectorAccountId() != "") || objection && (step.GetNote() != "他在别处" || progress.GetSteps()[i].GetNote() != "") ||
			progress.GetSteps()[i].GetObjectorAccountId() != "" {
			t.Errorf("step %v, as the learner sees it %v", step, progress.GetSteps()[i])
		}
	}
}

func TestBatchDecideCases(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx := t.Context()
	request := &creditbankv1.BatchDecideCasesRequest{
		RequestId: s.RequestID(), Decision: creditbankv1.Decision_DECISION_HOURS_ONLY, ReasonCode: "POSTED_TOO_LATE",
	}
	for range 3 {
		late := s.Completion(s.Open().Number)
		late.GetCompletion().GetSessions()[0].StartTime.Seconds -= 100 * 86400
		late.GetCompletion().GetSessions()[0].EndTime.Seconds -= 100 * 86400
		request.Items = append(request.Items, &creditbankv1.BatchItem{CaseId: s.Record(late)[0].Index})
	}
	request.Items[1].Etag = "7"
	officer := creditbankv1.NewReviewServiceClient(s.officer(apitest.Officer))
	done := ok[*creditbankv1.BatchDecideCasesResponse](t)(officer.BatchDecideCases(ctx, request))
	for i, r := range done.GetResults() {
		if decided := i != 1; r.GetCaseId() != request.GetItems()[i].GetCaseId() || decided != (r.GetError() == nil) ||
			decided != (r.GetState() == creditbankv1.CaseState_CASE_STATE_REJECTED) || decided != (r.GetEntryIndex() > 0) {
			t.Errorf("result %d: %v", i, r)
		}
	}
	if code := done.GetResults()[1].GetError().GetCode(); codes.Code(code) != codes.Aborted || done.GetCheckpoint() == "" {
		t.Errorf("code %d, checkpoint %q", code, done.GetCheckpoint())
	}
	request.Items[0].Etag = "0"
	_, err := officer.BatchDecideCases(ctx, request)
	refused(t, err, codes.InvalidArgument, api.ReasonField, "items[0].etag")
}
