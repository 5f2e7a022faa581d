package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// consents is the ConsentService.
type consents struct {
	creditbankv1.UnsafeConsentServiceServer
	bank *api.Bank
}

// GrantConsent implements ConsentService.
func (c *consents) GrantConsent(
	ctx context.Context, r *creditbankv1.GrantConsentRequest,
) (*creditbankv1.GrantConsentResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	granted, err := c.bank.GrantConsent(ctx, callerOf(ctx), api.NewConsent{
		RequestID: r.GetRequestId(), Account: id, Institution: r.GetInstitution(), Purpose: r.GetPurpose(),
		Categories: r.GetCategories(), Items: r.GetEntryIndexes(), Expires: timeOf(r.GetExpireTime()),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GrantConsentResponse{Consent: consentProto(granted)}, nil
}

// WithdrawConsent implements ConsentService.
func (c *consents) WithdrawConsent(
	ctx context.Context, r *creditbankv1.WithdrawConsentRequest,
) (*creditbankv1.WithdrawConsentResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	withdrawn, err := c.bank.WithdrawConsent(ctx, callerOf(ctx), r.GetRequestId(), id, r.GetConsentId())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.WithdrawConsentResponse{Consent: consentProto(withdrawn)}, nil
}

// ListConsents implements ConsentService.
func (c *consents) ListConsents(
	ctx context.Context, r *creditbankv1.ListConsentsRequest,
) (*creditbankv1.ListConsentsResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	listed, next, err := c.bank.ListConsents(ctx, callerOf(ctx), id, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListConsentsResponse{Consents: make([]*creditbankv1.Consent, len(listed)), NextPageToken: next}
	for i, consent := range listed {
		answer.Consents[i] = consentProto(consent)
	}
	return answer, nil
}

// ListReceivedConsents implements ConsentService.
func (c *consents) ListReceivedConsents(
	ctx context.Context, r *creditbankv1.ListReceivedConsentsRequest,
) (*creditbankv1.ListReceivedConsentsResponse, error) {
	filter := api.ConsentFilter{Purpose: r.GetPurpose(), ActiveOnly: r.GetActiveOnly()}
	listed, next, err := c.bank.ListReceivedConsents(ctx, callerOf(ctx), filter, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListReceivedConsentsResponse{Consents: make([]*creditbankv1.ReceivedConsent, len(listed)), NextPageToken: next}
	for i, consent := range listed {
		answer.Consents[i] = &creditbankv1.ReceivedConsent{Consent: consentProto(consent.Consent), AccountNumber: string(consent.Number)}
	}
	return answer, nil
}

func consentProto(c api.Consent) *creditbankv1.Consent {
	state := creditbankv1.ConsentState_CONSENT_STATE_EXPIRED
	switch {
	case !c.Withdrawn.IsZero():
		state = creditbankv1.ConsentState_CONSENT_STATE_WITHDRAWN
	case c.Active:
		state = creditbankv1.ConsentState_CONSENT_STATE_ACTIVE
	}
	return &creditbankv1.Consent{
		ConsentId: c.Index, Institution: c.Institution, InstitutionName: c.InstitutionName, Purpose: c.Purpose, Categories: c.Categories,
		EntryIndexes: c.Items, GrantTime: timestamp(c.Granted), ExpireTime: timestamp(c.Expires), State: state,
		WithdrawTime: timestamp(c.Withdrawn), GrantedBy: c.GrantedBy, WithdrawnBy: c.WithdrawnBy,
	}
}
