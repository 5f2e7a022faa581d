package rpc_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	resident := creditbankv1.NewReviewServiceClient(s.resident(account))
	officer := creditbankv1.NewReviewServiceClient(s.officer(apitest.Officer))
	content := []byte("%PDF-1.7\nstartxref\n9\n%%EOF\n")
	_, err := resident.UploadEvidence(ctx, &creditbankv1.UploadEvidenceRequest{Name: "a.png", MediaType: "image/png", Content: content})
	refused(t, err, codes.InvalidArgument, api.ReasonEvidenceMismatch, "content")
	_, err = resident.UploadEvidence(ctx, &creditbankv1.UploadEvidenceRequest{Name: "a.exe", MediaType: "application/x-msdownload", Content: content})
	refused(t, err, codes.InvalidArgument, api.ReasonEvidenceType, "media_type")
	uploaded := ok[*creditbankv1.UploadEvidenceResponse](t)(resident.UploadEvidence(ctx, &creditbankv1.UploadEvidenceRequest{
		Name: "a.pdf", MediaType: "application/pdf", Content: content,
	}))
	request := &creditbankv1.SubmitClaimRequest{
		RequestId: s.RequestID(), Kind: ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, Category: "arts", Title: "助教", Issuer: "北山街道",
		EndDate: "2026-05-04", Minutes: 900,
		Files: []*creditbankv1.EvidenceRef{{EvidenceId: uploaded.GetFile().GetEvidenceId(), Name: "a.pdf"}},
	}
	filed := ok[*creditbankv1.SubmitClaimResponse](t)(resident.SubmitClaim(ctx, request))
	again, err := resident.SubmitClaim(ctx, request)
	if err != nil || again.GetCaseId() != filed.GetCaseId() {
		t.Errorf("asked again: %v, %v", again, err)
	}
	unforeseen := &creditbankv1.SubmitClaimRequest{
		RequestId: s.RequestID(), Kind: ledgerv1.ClaimKind_CLAIM_KIND_WORK, Category: "arts", Title: "助教", Issuer: "北山街道", EndDate: "2026-05-04",
		Minutes: 900, Files: request.GetFiles(),
	}
	_, err = resident.SubmitClaim(ctx, unforeseen)
	refused(t, err, codes.FailedPrecondition, api.ReasonClaimNotForeseen, "kind")
	unforeseen.Files = []*creditbankv1.EvidenceRef{{EvidenceId: "zz", Name: "a.pdf"}}
	_, err = resident.SubmitClaim(ctx, unforeseen)
	refused(t, err, codes.InvalidArgument, api.ReasonField, "files[0].evidence_id")

	shown := ok[*creditbankv1.GetCaseResponse](t)(officer.GetCase(ctx, &creditbankv1.GetCaseRequest{CaseId: filed.GetCaseId()}))
	if !shown.GetCase().GetClaim() || shown.GetClaim().GetTitle() != "助教" || shown.GetClaim().GetClaimed().GetMinutes() != 900 ||
		len(shown.GetClaim().GetFiles()) != 1 {
		t.Errorf("the case: %v", shown)
	}
	got, err := officer.GetEvidence(ctx, &creditbankv1.GetEvidenceRequest{
		CaseId: filed.GetCaseId(), EvidenceId: shown.GetClaim().GetFiles()[0].GetEvidenceId(),
	})
	if err != nil || !bytes.Equal(got.GetContent(), content) || got.GetFile().GetMediaType() != "application/pdf" {
		t.Errorf("the file: %v, %v", got, err)
	}
	decision := &creditbankv1.DecideCaseRequest{
		RequestId: s.RequestID(), CaseId: filed.GetCaseId(), Decision: creditbankv1.Decision_DECISION_APPROVE, ReasonCode: "EVIDENCE_SUFFICIENT",
		Grant: &creditbankv1.ClaimGrant{Minutes: 901},
	}
	_, err = officer.DecideCase(ctx, decision)
	refused(t, err, codes.InvalidArgument, api.ReasonGrant, "grant.minutes")
	decision.Grant.Minutes = 450
	decided, err := officer.DecideCase(ctx, decision)
	if err != nil || decided.GetAssessment().GetMinutes() != 450 {
		t.Errorf("decided: %v, %v", decided, err)
	}
	entries, err := creditbankv1.NewPortfolioServiceClient(s.resident(account)).ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
		View: creditbankv1.View_VIEW_FULL,
	})
	if err != nil || len(entries.GetEntries()) != 1 || entries.GetEntries()[0].GetClaim().GetTitle() != "助教" ||
		entries.GetEntries()[0].GetCase().GetSteps()[0].GetGrant().GetMinutes() != 450 {
		t.Errorf("the record: %v, %v", entries, err)
	}
}
