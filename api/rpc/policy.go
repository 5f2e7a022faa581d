package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// policies is the PolicyService.
type policies struct {
	creditbankv1.UnsafePolicyServiceServer
	bank *api.Bank
}

// ProposePolicy implements PolicyService.
func (p *policies) ProposePolicy(
	ctx context.Context, r *creditbankv1.ProposePolicyRequest,
) (*creditbankv1.ProposePolicyResponse, error) {
	known, err := p.bank.ProposePolicy(ctx, callerOf(ctx), r.GetRequestId(), r.GetYaml())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ProposePolicyResponse{Policy: policyProto(known), Warnings: warningsProto(known.Warnings)}, nil
}

// PublishPolicy implements PolicyService.
func (p *policies) PublishPolicy(
	ctx context.Context, r *creditbankv1.PublishPolicyRequest,
) (*creditbankv1.PublishPolicyResponse, error) {
	hash, err := policyHash(r.GetPolicyHash())
	if err != nil {
		return nil, err
	}
	known, err := p.bank.PublishPolicy(ctx, callerOf(ctx), r.GetRequestId(), hash)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.PublishPolicyResponse{Policy: policyProto(known), Warnings: warningsProto(known.Warnings)}, nil
}

// GetPolicy implements PolicyService.
func (p *policies) GetPolicy(
	ctx context.Context, r *creditbankv1.GetPolicyRequest,
) (*creditbankv1.GetPolicyResponse, error) {
	hash, err := policyHash(r.GetPolicyHash())
	if err != nil {
		return nil, err
	}
	known, yaml, err := p.bank.GetPolicy(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetPolicyResponse{Policy: policyProto(known), Yaml: yaml}, nil
}

// ListPolicies implements PolicyService.
func (p *policies) ListPolicies(
	ctx context.Context, r *creditbankv1.ListPoliciesRequest,
) (*creditbankv1.ListPoliciesResponse, error) {
	listed, next, err := p.bank.ListPolicies(ctx, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListPoliciesResponse{Policies: make([]*creditbankv1.Policy, len(listed)), NextPageToken: next}
	for i, known := range listed {
		answer.Policies[i] = policyProto(known)
	}
	return answer, nil
}

func warningsProto(warnings []*policy.Error) []*creditbankv1.PolicyWarning {
	all := make([]*creditbankv1.PolicyWarning, len(warnings))
	for i, w := range warnings {
		all[i] = &creditbankv1.PolicyWarning{Line: int32(w.Line), Column: int32(w.Column), Field: w.Field, Message: w.Message}
	}
	return all
}

func policyHash(s string) ([]byte, error) {
	hash, err := hex.DecodeString(s)
	if err != nil || len(hash) != sha256.Size {
		return nil, invalid(api.ReasonField, "policy_hash", "a policy hash has 64 hexadecimal digits", nil)
	}
	return hash, nil
}

func policyProto(p api.Policy) *creditbankv1.Policy {
	policy := &creditbankv1.Policy{
		PolicyHash: hex.EncodeToString(p.Hash), PolicyId: p.ID, Version: p.Version, Organization: p.Organization,
		Title: textProto(p.Title), EffectiveFrom: p.EffectiveFrom, EffectiveUntil: p.EffectiveUntil,
		Status:      creditbankv1.PolicyStatus_POLICY_STATUS_PROPOSED,
		ProposeTime: timestamp(p.ProposedTime), PublishTime: timestamp(p.PublishedTime),
	}
	if p.Published {
		policy.Status = creditbankv1.PolicyStatus_POLICY_STATUS_PUBLISHED
	}
	return policy
}
