package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// agreements is the AgreementService.
type agreements struct {
	creditbankv1.UnsafeAgreementServiceServer
	bank *api.Bank
}

// PublishAgreement implements AgreementService.
func (a *agreements) PublishAgreement(
	ctx context.Context, r *creditbankv1.PublishAgreementRequest,
) (*creditbankv1.PublishAgreementResponse, error) {
	key, err := keyring.ParseKeyID(r.GetKeyId())
	if err != nil {
		return nil, invalid(api.ReasonField, "key_id", err.Error(), err)
	}
	known, err := a.bank.PublishAgreement(ctx, callerOf(ctx), api.NewAgreement{
		RequestID: r.GetRequestId(), YAML: r.GetYaml(), Key: key, Signature: r.GetSignature(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.PublishAgreementResponse{Agreement: agreementProto(known)}, nil
}

// EndAgreement implements AgreementService.
func (a *agreements) EndAgreement(
	ctx context.Context, r *creditbankv1.EndAgreementRequest,
) (*creditbankv1.EndAgreementResponse, error) {
	hash, err := agreementHash(r.GetAgreementHash())
	if err != nil {
		return nil, err
	}
	known, err := a.bank.EndAgreement(ctx, callerOf(ctx), r.GetRequestId(), hash, r.GetLastDate())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.EndAgreementResponse{Agreement: agreementProto(known)}, nil
}

// GetAgreement implements AgreementService.
func (a *agreements) GetAgreement(
	ctx context.Context, r *creditbankv1.GetAgreementRequest,
) (*creditbankv1.GetAgreementResponse, error) {
	hash, err := agreementHash(r.GetAgreementHash())
	if err != nil {
		return nil, err
	}
	known, err := a.bank.GetAgreement(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetAgreementResponse{
		Agreement: agreementProto(known.Agreement), Yaml: known.YAML, KeyId: hex.EncodeToString(known.Key), Signature: known.Signature,
	}, nil
}

// ListAgreements implements AgreementService.
func (a *agreements) ListAgreements(
	ctx context.Context, r *creditbankv1.ListAgreementsRequest,
) (*creditbankv1.ListAgreementsResponse, error) {
	listed, next, err := a.bank.ListAgreements(ctx, r.GetInstitution(), r.GetInForceOn(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListAgreementsResponse{Agreements: make([]*creditbankv1.Agreement, len(listed)), NextPageToken: next}
	for i, known := range listed {
		answer.Agreements[i] = agreementProto(known)
	}
	return answer, nil
}

func agreementHash(s string) ([]byte, error) {
	hash, err := hex.DecodeString(s)
	if err != nil || len(hash) != sha256.Size {
		return nil, invalid(api.ReasonField, "agreement_hash", "an agreement hash has 64 hexadecimal digits", nil)
	}
	return hash, nil
}

func agreementProto(a api.Agreement) *creditbankv1.Agreement {
	answer := &creditbankv1.Agreement{
		AgreementHash: hex.EncodeToString(a.Hash), AgreementId: a.ID, Version: a.Version, Institution: a.Institution,
		InstitutionName: a.InstitutionName, Title: textProto(a.Title), EffectiveFrom: a.EffectiveFrom, EffectiveUntil: a.EffectiveUntil,
		Ended: a.Ended, PublishTime: timestamp(a.Published), EntryIndex: a.Index, Consumes: a.Consumes,
		QuoteDays: int32(a.QuoteDays), HoldDays: int32(a.HoldDays), Programmes: make([]*creditbankv1.Programme, len(a.Programmes)),
	}
	for i, p := range a.Programmes {
		answer.Programmes[i] = programmeProto(p)
	}
	return answer
}

func programmeProto(p agreement.Programme) *creditbankv1.Programme {
	return &creditbankv1.Programme{Code: p.Code, Name: textProto(p.Name), MilliCredits: int64(p.Credits), Degree: p.Degree}
}
