package main_test

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api/access"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// fakeClaim is case 44 of the fake bank.
type fakeClaim struct {
	uploaded map[string]*creditbankv1.UploadEvidenceRequest // by id
	entry    *creditbankv1.PortfolioEntry
	request  string
}

// UploadEvidence implements creditbankv1.ReviewServiceServer.
func (f *fakeReview) UploadEvidence(
	ctx context.Context, r *creditbankv1.UploadEvidenceRequest,
) (*creditbankv1.UploadEvidenceResponse, error) {
	if err := f.bank.caller(ctx, access.Resident, access.Officer); err != nil {
		return nil, err
	}
	if c := string(r.GetContent()); !strings.HasPrefix(c, "%PDF") && !strings.HasPrefix(c, "creditbank/v1 transfer bundle") {
		return nil, refuse(codes.InvalidArgument, "EVIDENCE_TYPE_MISMATCH", "content", "the file is not what it says it is")
	}
	f.bank.mu.Lock()
	defer f.bank.mu.Unlock()
	if f.bank.claim.uploaded == nil {
		f.bank.claim.uploaded = make(map[string]*creditbankv1.UploadEvidenceRequest)
	}
	id := fmt.Sprintf("%064x", len(r.GetContent()))
	f.bank.claim.uploaded[id] = r
	return &creditbankv1.UploadEvidenceResponse{File: f.bank.claim.file(id)}, nil
}

func (c *fakeClaim) file(id string) *creditbankv1.EvidenceFile {
	r := c.uploaded[id]
	answer := &creditbankv1.EvidenceFile{EvidenceId: id, Name: r.GetName(), MediaType: r.GetMediaType(), Size: int64(len(r.GetContent()))}
	if strings.HasSuffix(answer.GetName(), ".bundle") {
		answer.Inbound = inboundBundle(answer.GetName())
	}
	return answer
}

// SubmitClaim implements creditbankv1.ReviewServiceServer.
func (f *fakeReview) SubmitClaim(ctx context.Context, r *creditbankv1.SubmitClaimRequest) (*creditbankv1.SubmitClaimResponse, error) {
	if err := f.bank.caller(ctx, access.Resident, access.Officer); err != nil {
		return nil, err
	}
	f.bank.mu.Lock()
	defer f.bank.mu.Unlock()
	c := &f.bank.claim
	if c.request != "" && c.request != r.GetRequestId() {
		return nil, refuse(codes.FailedPrecondition, "CLAIM_NOT_FORESEEN", "kind", "the policy foresees no such claim")
	}
	c.request = r.GetRequestId()
	c.entry = &creditbankv1.PortfolioEntry{
		EntryIndex: 44, EndDate: r.GetEndDate(), Assessment: &creditbankv1.Assessment{},
		Case: &creditbankv1.CaseProgress{CaseId: 44, State: creditbankv1.CaseState_CASE_STATE_SUBMITTED},
		Claim: &creditbankv1.Claim{
			Kind: r.GetKind(), Name: &creditbankv1.Text{Zh: "证书", En: strings.ToLower(r.GetKind().String()[len("CLAIM_KIND_"):])}, Title: r.GetTitle(),
			Issuer: r.GetIssuer(), BeginDate: r.GetBeginDate(), Description: r.GetDescription(),
			Claimed: &creditbankv1.ClaimGrant{Minutes: r.GetMinutes(), MilliCredits: r.GetMilliCredits()},
		},
	}
	for _, ref := range r.GetFiles() {
		c.entry.Claim.Files = append(c.entry.Claim.Files, c.file(ref.GetEvidenceId()))
	}
	return &creditbankv1.SubmitClaimResponse{CaseId: 44}, nil
}

// GetEvidence implements creditbankv1.ReviewServiceServer.
func (f *fakeReview) GetEvidence(ctx context.Context, r *creditbankv1.GetEvidenceRequest) (*creditbankv1.GetEvidenceResponse, error) {
	if err := f.bank.caller(ctx, access.Resident, access.Officer); err != nil {
		return nil, err
	}
	f.bank.mu.Lock()
	defer f.bank.mu.Unlock()
	return &creditbankv1.GetEvidenceResponse{
		File: f.bank.claim.file(r.GetEvidenceId()), Content: f.bank.claim.uploaded[r.GetEvidenceId()].GetContent(),
	}, nil
}

// moved has the claim's case be in another state, where there is one.
func (f *fakeReview) moved(
	ctx context.Context, id uint64, state creditbankv1.CaseState, files []*creditbankv1.EvidenceRef,
) (*creditbankv1.CaseSummary, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	f.bank.mu.Lock()
	defer f.bank.mu.Unlock()
	c := &f.bank.claim
	if id != 44 || c.entry == nil {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "case_id", "there is no such case")
	}
	for _, ref := range files {
		c.entry.Claim.Files = append(c.entry.Claim.Files, c.file(ref.GetEvidenceId()))
	}
	c.entry.Case.State = state
	return &creditbankv1.CaseSummary{CaseId: id, State: state}, nil
}

// inboundBundle is what a bundle shows, by its name.
func inboundBundle(name string) *creditbankv1.InboundBundle {
	switch name {
	case "broken.bundle":
		return &creditbankv1.InboundBundle{
			Status: creditbankv1.InboundStatus_INBOUND_STATUS_REFUSED, Part: "entry 7", Problem: "it is not shown to be in the log",
		}
	case "strange.bundle":
		return &creditbankv1.InboundBundle{Status: creditbankv1.InboundStatus_INBOUND_STATUS_UNKNOWN_BANK, Origin: "a.test/log"}
	case "own.bundle":
		return &creditbankv1.InboundBundle{Status: creditbankv1.InboundStatus_INBOUND_STATUS_OWN_BANK}
	case "older.bundle":
		return &creditbankv1.InboundBundle{
			Status: creditbankv1.InboundStatus_INBOUND_STATUS_VERIFIED, Origin: "b.test/log", BankId: "b.test", LogSize: 99, AccountId: "0a",
			Institution: "college", Uses: []*creditbankv1.InboundUse{{CaseId: 40, State: creditbankv1.CaseState_CASE_STATE_APPROVED}},
		}
	default:
		return &creditbankv1.InboundBundle{
			Status: creditbankv1.InboundStatus_INBOUND_STATUS_VERIFIED, Origin: "b.test/log", BankId: "b.test", LogSize: 99, AccountId: "0a",
			Institution: "university", AgreementSigned: true,
			Items: []*creditbankv1.InboundItem{
				{EntryIndex: 41, Kind: "completion", CourseTitle: "焊工技能", Category: "vocational", EndDate: "2026-05-26", MilliCredits: 5000, SignedBy: "p-1"},
				{EntryIndex: 42, Kind: "claim", Category: "arts", EndDate: "2024-06-30", MilliCredits: 1000},
			},
			Uses: []*creditbankv1.InboundUse{{CaseId: 17, State: creditbankv1.CaseState_CASE_STATE_APPROVED}},
		}
	}
}
