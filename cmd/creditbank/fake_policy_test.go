package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// fakePolicies keeps policies, compiles them as a bank does, and answers simulations from a can.
type fakePolicies struct {
	creditbankv1.UnimplementedPolicyServiceServer
	bank *fakeBank

	mu       sync.Mutex
	policies []*creditbankv1.GetPolicyResponse
	// busy is how many simulations are turned away.
	busy int
}

// ProposePolicy implements creditbankv1.PolicyServiceServer.
func (f *fakePolicies) ProposePolicy(ctx context.Context, r *creditbankv1.ProposePolicyRequest) (*creditbankv1.ProposePolicyResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	p, err := policy.Compile(r.GetYaml())
	if err != nil {
		return nil, refuse(codes.InvalidArgument, "POLICY_INVALID", "yaml", err.Error())
	}
	hash := sha256.Sum256(r.GetYaml())
	proposed := &creditbankv1.Policy{
		PolicyHash: hex.EncodeToString(hash[:]), PolicyId: p.ID(), Version: p.Version(), Organization: p.Organization(),
		EffectiveFrom: p.EffectiveFrom().String(), Status: creditbankv1.PolicyStatus_POLICY_STATUS_PROPOSED,
		Title: &creditbankv1.Text{Zh: p.Title().ZH, En: p.Title().EN},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policies = append(f.policies, &creditbankv1.GetPolicyResponse{Policy: proposed, Yaml: r.GetYaml()})
	return &creditbankv1.ProposePolicyResponse{Policy: proposed}, nil
}

// find answers a policy by its hash.
func (f *fakePolicies) find(hash string) (*creditbankv1.GetPolicyResponse, error) {
	for _, known := range f.policies {
		if known.GetPolicy().GetPolicyHash() == hash {
			return known, nil
		}
	}
	return nil, refuse(codes.NotFound, "NOT_FOUND", "policy_hash", "there is no policy with this hash; see ListPolicies")
}

// PublishPolicy implements creditbankv1.PolicyServiceServer.
func (f *fakePolicies) PublishPolicy(ctx context.Context, r *creditbankv1.PublishPolicyRequest) (*creditbankv1.PublishPolicyResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	known, err := f.find(r.GetPolicyHash())
	if err != nil {
		return nil, err
	}
	known.Policy.Status = creditbankv1.PolicyStatus_POLICY_STATUS_PUBLISHED
	return &creditbankv1.PublishPolicyResponse{Policy: known.GetPolicy()}, nil
}

// GetPolicy implements creditbankv1.PolicyServiceServer.
func (f *fakePolicies) GetPolicy(_ context.Context, r *creditbankv1.GetPolicyRequest) (*creditbankv1.GetPolicyResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(r.GetPolicyHash())
}

// ListPolicies implements creditbankv1.PolicyServiceServer.
func (f *fakePolicies) ListPolicies(context.Context, *creditbankv1.ListPoliciesRequest) (*creditbankv1.ListPoliciesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := new(creditbankv1.ListPoliciesResponse)
	for _, known := range f.policies {
		answer.Policies = append(answer.Policies, known.GetPolicy())
	}
	return answer, nil
}

// SimulatePolicy implements creditbankv1.PolicyServiceServer. It is busy the first time it is asked.
func (f *fakePolicies) SimulatePolicy(
	r *creditbankv1.SimulatePolicyRequest, stream grpc.ServerStreamingServer[creditbankv1.SimulatePolicyResponse],
) error {
	if err := f.bank.caller(stream.Context(), access.Officer); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy > 0 {
		f.busy--
		return refuse(codes.ResourceExhausted, "TOO_MANY_SIMULATIONS", "", "1 simulations are under way",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
	}
	hash := r.GetPolicyHash()
	if text := r.GetYaml(); text != nil {
		if _, err := policy.Compile(text); err != nil {
			return refuse(codes.InvalidArgument, "POLICY_INVALID", "yaml", err.Error())
		}
		sum := sha256.Sum256(text)
		hash = hex.EncodeToString(sum[:])
	} else if _, err := f.find(hash); err != nil {
		return err
	}
	if r.GetFromDate() > r.GetToDate() && r.GetToDate() != "" {
		return refuse(codes.InvalidArgument, "FIELD_INVALID", "to_date", "the period ends before it begins")
	}
	for done := range int64(3) {
		step := &creditbankv1.SimulatePolicyResponse_Progress{Progress: &creditbankv1.SimulationProgress{Done: done, Total: 3}}
		if err := stream.Send(&creditbankv1.SimulatePolicyResponse{Step: step}); err != nil {
			return err
		}
	}
	return stream.Send(&creditbankv1.SimulatePolicyResponse{Step: &creditbankv1.SimulatePolicyResponse_Result{Result: canned(hash, r)}})
}

// canned is a result of three completions, or of none by the draft where it is to be tried on its own days.
func canned(hash string, r *creditbankv1.SimulatePolicyRequest) *creditbankv1.SimulationResult {
	before := &creditbankv1.SimulationTotals{Minutes: 4320, AvailableMilliCredits: 3000}
	after := &creditbankv1.SimulationTotals{Minutes: 4320, AvailableMilliCredits: 2500, PendingMilliCredits: 1500}
	result := &creditbankv1.SimulationResult{
		PolicyHash: hash, LogSize: 99, Completions: 5, Judged: 3, KeptDecided: 1, KeptErased: 1,
		Before: before, After: after,
		Categories:     []*creditbankv1.SimulationCategory{{Category: "arts\x1b[2J", Before: before, After: after}},
		AccountsLosing: 1, AccountsGaining: 1, AccountsSame: 2,
		Gainers: []*creditbankv1.SimulationAccount{{AccountId: residentID, Before: before, After: after}},
		Losers: []*creditbankv1.SimulationAccount{{
			AccountId: "ffffffffffffffffffffffffffffffff", Before: before, After: &creditbankv1.SimulationTotals{Minutes: 4320},
		}},
		Outcomes: []*creditbankv1.SimulationOutcomes{
			{Before: ledgerv1.Outcome_OUTCOME_AWARDED, After: ledgerv1.Outcome_OUTCOME_AWARDED, Completions: 3},
			{Before: ledgerv1.Outcome_OUTCOME_AWARDED, After: ledgerv1.Outcome_OUTCOME_IN_REVIEW, Completions: 2},
		},
		CasesBefore: 1, CasesAfter: 3, Causes: []*creditbankv1.SimulationCause{{Cause: "posted-late", Before: 1, After: 3}},
		PolicyErrorIndexes: []uint64{7, 12},
	}
	if r.GetAnyDay() || r.GetOrganization() != "" {
		result.JudgedByDraft = 3
	}
	return result
}
