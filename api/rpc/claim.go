package rpc

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// UploadEvidence implements ReviewService.
func (s *reviews) UploadEvidence(
	ctx context.Context, r *creditbankv1.UploadEvidenceRequest,
) (*creditbankv1.UploadEvidenceResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	file, err := s.bank.UploadEvidence(ctx, callerOf(ctx), id, r.GetName(), r.GetMediaType(), r.GetContent())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.UploadEvidenceResponse{File: evidenceFileProto(file)}, nil
}

// GetEvidence implements ReviewService.
func (s *reviews) GetEvidence(
	ctx context.Context, r *creditbankv1.GetEvidenceRequest,
) (*creditbankv1.GetEvidenceResponse, error) {
	id, err := evidenceID("evidence_id", r.GetEvidenceId())
	if err != nil {
		return nil, err
	}
	file, content, err := s.bank.GetEvidence(ctx, callerOf(ctx), r.GetCaseId(), id)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetEvidenceResponse{File: evidenceFileProto(file), Content: content}, nil
}

// SubmitClaim implements ReviewService.
func (s *reviews) SubmitClaim(
	ctx context.Context, r *creditbankv1.SubmitClaimRequest,
) (*creditbankv1.SubmitClaimResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	files, err := claimFiles(r.GetFiles())
	if err != nil {
		return nil, err
	}
	filed, err := s.bank.SubmitClaim(ctx, callerOf(ctx), api.NewClaim{
		RequestID: r.GetRequestId(), Account: id, Kind: r.GetKind(), Category: r.GetCategory(), Title: r.GetTitle(), Issuer: r.GetIssuer(),
		From: r.GetBeginDate(), To: r.GetEndDate(), Description: r.GetDescription(), Minutes: unit.Minutes(r.GetMinutes()),
		Credits: unit.Credits(r.GetMilliCredits()), Evidence: files,
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.SubmitClaimResponse{CaseId: filed.Index, Checkpoint: string(filed.Receipt.Checkpoint)}, nil
}

func claimFiles(refs []*creditbankv1.EvidenceRef) ([]api.ClaimFile, error) {
	if len(refs) > api.MaxClaimFiles {
		return nil, invalid(api.ReasonEvidenceCount, "files", fmt.Sprintf("there are %d files, at most %d are taken", len(refs), api.MaxClaimFiles), nil)
	}
	files := make([]api.ClaimFile, len(refs))
	for i, ref := range refs {
		id, err := evidenceID(fmt.Sprintf("files[%d].evidence_id", i), ref.GetEvidenceId())
		if err != nil {
			return nil, err
		}
		files[i] = api.ClaimFile{ID: id, Name: ref.GetName()}
	}
	return files, nil
}

func evidenceID(field, s string) (id vault.EvidenceID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, invalid(api.ReasonField, field, "the id of a file is the 64 hex digits that UploadEvidence answered", err)
	}
	return vault.EvidenceID(b), nil
}

func evidenceFileProto(f api.EvidenceFile) *creditbankv1.EvidenceFile {
	return &creditbankv1.EvidenceFile{
		EvidenceId: hex.EncodeToString(f.ID[:]), Name: f.Name, MediaType: f.MediaType, Size: int64(f.Size), Inbound: inboundProto(f.Inbound),
	}
}

// inboundProto is nil for nil. The number of the account is left out: it is for the other bank alone.
func inboundProto(in *api.Inbound) *creditbankv1.InboundBundle {
	if in == nil {
		return nil
	}
	answer := &creditbankv1.InboundBundle{
		Status: creditbankv1.InboundStatus(in.Status), Origin: in.Origin, Part: in.Part, Problem: in.Problem,
	}
	for _, use := range in.Uses {
		answer.Uses = append(answer.Uses, &creditbankv1.InboundUse{CaseId: use.Case, State: caseState(use.Status)})
	}
	if in.Shown == nil {
		return answer
	}
	answer.AgreementSigned = in.Shown.AgreementSigned
	answer.BankId, answer.LogSize, answer.AccountId = in.Shown.BankID, in.Shown.Size, in.Shown.AccountID
	answer.Institution, answer.Programme = in.Shown.Institution, in.Shown.Programme
	for _, item := range in.Shown.Items {
		one := &creditbankv1.InboundItem{
			EntryIndex: item.Recorded, Kind: item.KindName, CourseTitle: item.Title, Category: item.Category, EndDate: item.Ended,
			MilliCredits: int64(item.Credits), SignedBy: item.Platform,
		}
		if item.Code != "" {
			one.Course = item.Provider + "/" + item.Code
		}
		if item.HasScore {
			one.Score = &item.Score
		}
		answer.Items = append(answer.Items, one)
	}
	return answer
}

// claimProto is nil for nil.
func claimProto(c *api.Claim) *creditbankv1.Claim {
	if c == nil {
		return nil
	}
	claim := &creditbankv1.Claim{
		Rule: c.Rule, Name: textProto(c.Name), Kind: c.Kind, Title: c.Title, Issuer: c.Issuer, BeginDate: c.From, Description: c.Description,
		Claimed: grantProto(&c.Claimed), FiledBy: c.FiledBy, Files: make([]*creditbankv1.EvidenceFile, len(c.Evidence)),
	}
	for i, f := range c.Evidence {
		claim.Files[i] = evidenceFileProto(f)
	}
	return claim
}

// grantProto is nil for nil.
func grantProto(g *api.Grant) *creditbankv1.ClaimGrant {
	if g == nil {
		return nil
	}
	return &creditbankv1.ClaimGrant{Minutes: int64(g.Minutes), MilliCredits: int64(g.Credits)}
}

// grantOf is nil for nil.
func grantOf(g *creditbankv1.ClaimGrant) *api.Grant {
	if g == nil {
		return nil
	}
	return &api.Grant{Minutes: unit.Minutes(g.GetMinutes()), Credits: unit.Credits(g.GetMilliCredits())}
}
