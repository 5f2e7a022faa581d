package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// administration is the AdminService.
type administration struct {
	creditbankv1.UnsafeAdminServiceServer
	bank *api.Bank
}

// RegisterOrganization implements AdminService.
func (a *administration) RegisterOrganization(
	ctx context.Context, r *creditbankv1.RegisterOrganizationRequest,
) (*creditbankv1.RegisterOrganizationResponse, error) {
	o := r.GetOrganization()
	registered, err := a.bank.RegisterOrganization(ctx, callerOf(ctx), r.GetRequestId(), api.Organization{
		ID: o.GetOrganizationId(), Name: o.GetName(), Code: o.GetCode(), Level: o.GetLevel(), Parent: o.GetParent(),
		Roles: o.GetRoles(), TrustTier: int(o.GetTrustTier()),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.RegisterOrganizationResponse{Organization: &creditbankv1.Organization{
		OrganizationId: registered.ID, Name: registered.Name, Code: registered.Code, Level: registered.Level,
		Parent: registered.Parent, Roles: registered.Roles, TrustTier: int32(registered.TrustTier),
		EntryIndex: registered.Index,
	}}, nil
}

// AddKey implements AdminService.
func (a *administration) AddKey(
	ctx context.Context, r *creditbankv1.AddKeyRequest,
) (*creditbankv1.AddKeyResponse, error) {
	id, index, err := a.bank.AddKey(ctx, callerOf(ctx), r.GetRequestId(), api.NewKey{
		Organization: r.GetOrganization(), PublicKey: r.GetPublicKey(), Algorithm: r.GetAlgorithm(), Purpose: r.GetPurpose(),
		ValidFrom: r.GetValidFrom(), ValidUntil: r.GetValidUntil(), Proof: r.GetProof(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.AddKeyResponse{KeyId: id.String(), EntryIndex: index}, nil
}

// RevokeKey implements AdminService.
func (a *administration) RevokeKey(
	ctx context.Context, r *creditbankv1.RevokeKeyRequest,
) (*creditbankv1.RevokeKeyResponse, error) {
	id, err := keyring.ParseKeyID(r.GetKeyId())
	if err != nil {
		return nil, invalid(api.ReasonUnknownKey, "key_id", err.Error(), err)
	}
	index, cases, err := a.bank.RevokeKey(ctx, callerOf(ctx), r.GetRequestId(), api.Revocation{
		Key: id, CompromisedSince: r.GetCompromisedSince(), Reason: r.GetReason(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.RevokeKeyResponse{EntryIndex: index, CasesOpened: int64(cases)}, nil
}

// AppointOfficer implements AdminService.
func (a *administration) AppointOfficer(
	ctx context.Context, r *creditbankv1.AppointOfficerRequest,
) (*creditbankv1.AppointOfficerResponse, error) {
	index, err := a.bank.AppointOfficer(ctx, callerOf(ctx), r.GetRequestId(), api.Appointment{
		Officer: r.GetOfficer(), Organization: r.GetOrganization(), Roles: r.GetRoles(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.AppointOfficerResponse{EntryIndex: index}, nil
}

// RemoveOfficer implements AdminService.
func (a *administration) RemoveOfficer(
	ctx context.Context, r *creditbankv1.RemoveOfficerRequest,
) (*creditbankv1.RemoveOfficerResponse, error) {
	index, err := a.bank.RemoveOfficer(ctx, callerOf(ctx), r.GetRequestId(), r.GetOfficer(), r.GetReason())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.RemoveOfficerResponse{EntryIndex: index}, nil
}
