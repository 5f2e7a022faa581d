package rpc

import (
	"encoding/hex"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/learning-credit-bank/creditbank/api"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// SimulatePolicy implements PolicyService.
func (p *policies) SimulatePolicy(
	r *creditbankv1.SimulatePolicyRequest, stream grpc.ServerStreamingServer[creditbankv1.SimulatePolicyResponse],
) error {
	s := api.Simulation{
		YAML: r.GetYaml(), Organization: r.GetOrganization(), From: r.GetFromDate(), To: r.GetToDate(), AnyDay: r.GetAnyDay(),
		Top: int(r.GetTopN()),
	}
	if _, ok := r.GetDraft().(*creditbankv1.SimulatePolicyRequest_PolicyHash); ok {
		hash, err := policyHash(r.GetPolicyHash())
		if err != nil {
			return err
		}
		s.Hash = hash
	}
	ctx := stream.Context()
	result, err := p.bank.SimulatePolicy(ctx, callerOf(ctx), s, func(at api.SimulationProgress) error {
		progress := &creditbankv1.SimulationProgress{Done: at.Done, Total: at.Total}
		if at.Remaining > 0 {
			progress.Remaining = durationpb.New(at.Remaining)
		}
		return sendWithin(ctx, stream, &creditbankv1.SimulatePolicyResponse{
			Step: &creditbankv1.SimulatePolicyResponse_Progress{Progress: progress},
		})
	})
	if err != nil {
		return err
	}
	return stream.Send(&creditbankv1.SimulatePolicyResponse{
		Step: &creditbankv1.SimulatePolicyResponse_Result{Result: simulationProto(result)},
	})
}

func simulationProto(r api.SimulationResult) *creditbankv1.SimulationResult {
	result := &creditbankv1.SimulationResult{
		PolicyHash: hex.EncodeToString(r.PolicyHash), LogSize: r.LogSize,
		Completions: r.Completions, Judged: r.Judged, JudgedByDraft: r.ByDraft, KeptDecided: r.KeptDecided, KeptErased: r.KeptErased,
		Before: simulationTotals(r.Before), After: simulationTotals(r.After),
		AccountsGaining: r.Gaining, AccountsLosing: r.Losing, AccountsSame: r.Same,
		Gainers: simulationAccounts(r.Gainers), Losers: simulationAccounts(r.Losers),
		CasesBefore: r.CasesBefore, CasesAfter: r.CasesAfter, PolicyErrorIndexes: r.PolicyErrors,
	}
	for _, c := range r.Categories {
		result.Categories = append(result.Categories, &creditbankv1.SimulationCategory{
			Category: c.Category, Before: simulationTotals(c.Before), After: simulationTotals(c.After),
		})
	}
	for _, o := range r.Outcomes {
		result.Outcomes = append(result.Outcomes, &creditbankv1.SimulationOutcomes{
			Before: o.Before, After: o.After, Completions: o.Completions,
		})
	}
	for _, c := range r.Causes {
		result.Causes = append(result.Causes, &creditbankv1.SimulationCause{Cause: c.Cause, Before: c.Before, After: c.After})
	}
	return result
}

func simulationTotals(t api.SimulationTotals) *creditbankv1.SimulationTotals {
	return &creditbankv1.SimulationTotals{
		Minutes: int64(t.Minutes), AvailableMilliCredits: int64(t.Available), PendingMilliCredits: int64(t.Pending),
	}
}

func simulationAccounts(accounts []api.SimulationAccount) []*creditbankv1.SimulationAccount {
	all := make([]*creditbankv1.SimulationAccount, len(accounts))
	for i, a := range accounts {
		all[i] = &creditbankv1.SimulationAccount{
			AccountId: a.Account.String(), Before: simulationTotals(a.Before), After: simulationTotals(a.After),
		}
	}
	return all
}
