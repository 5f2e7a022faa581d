package rpc_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// simulated reads a simulation to its end: how often it told how far it is, and what it came to.
func simulated(t *testing.T, s *served, token string, r *creditbankv1.SimulatePolicyRequest) (told int, _ *creditbankv1.SimulationResult, _ error) {
	t.Helper()
	ctx := t.Context()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	stream, err := creditbankv1.NewPolicyServiceClient(s.nobody()).SimulatePolicy(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	var result *creditbankv1.SimulationResult
	for {
		step, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return told, result, nil
		case err != nil:
			return told, nil, err
		case result != nil:
			t.Errorf("after the result came %v", step)
		}
		if p := step.GetProgress(); p != nil {
			told++
			if p.GetDone() < 0 || p.GetTotal() < p.GetDone() {
				t.Errorf("progress %v", p)
			}
		}
		result = step.GetResult()
	}
}

func yamlDraft(yaml []byte) *creditbankv1.SimulatePolicyRequest {
	return &creditbankv1.SimulatePolicyRequest{Draft: &creditbankv1.SimulatePolicyRequest_Yaml{Yaml: yaml}}
}

func hashDraft(hash string) *creditbankv1.SimulatePolicyRequest {
	return &creditbankv1.SimulatePolicyRequest{Draft: &creditbankv1.SimulatePolicyRequest_PolicyHash{PolicyHash: hash}}
}

func TestSimulatePolicy(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	s.Record(s.Completion(account.Number)) // 90 minutes: 0.1 credits
	officer := s.OfficerToken(apitest.Officer)
	draft := []byte(strings.Replace(string(apitest.PolicyYAML(t)), "minutes_per_credit: 720", "minutes_per_credit: 360", 1))
	told, r, err := simulated(t, s, officer, yamlDraft(draft))
	if err != nil {
		t.Fatal(err)
	}
	if told == 0 || r.GetCompletions() != 1 || r.GetJudged() != 1 || r.GetJudgedByDraft() != 1 || r.GetLogSize() == 0 || len(r.GetPolicyHash()) != 64 ||
		r.GetBefore().GetAvailableMilliCredits() != 100 || r.GetAfter().GetAvailableMilliCredits() != 200 || r.GetAfter().GetMinutes() != 90 ||
		r.GetAccountsGaining() != 1 || len(r.GetGainers()) != 1 || r.GetGainers()[0].GetAccountId() != account.ID.String() ||
		r.GetGainers()[0].GetAfter().GetAvailableMilliCredits() != 200 || len(r.GetLosers()) != 0 {
		t.Errorf("told %d times, %v", told, r)
	}
	if c, o := r.GetCategories(), r.GetOutcomes(); len(c) != 1 || c[0].GetCategory() != "arts" || c[0].GetBefore().GetMinutes() != 90 ||
		len(o) != 1 || o[0].GetCompletions() != 1 || o[0].GetBefore() != o[0].GetAfter() {
		t.Errorf("categories %v, outcomes %v", c, o)
	}
	late := yamlDraft([]byte(strings.Replace(string(draft), "days_late > 90", "days_late > 0", 1)))
	late.Organization, late.FromDate, late.ToDate, late.TopN = apitest.Beishan, "2026-01-01", "2026-12-31", 1
	if _, r, err = simulated(t, s, officer, late); err != nil || r.GetCasesAfter() != 1 || len(r.GetCauses()) != 1 ||
		r.GetCauses()[0].GetCause() != "posted-late" || r.GetCauses()[0].GetAfter() != 1 || len(r.GetLosers()) != 1 {
		t.Errorf("%v, %v", r, err)
	}

	_, _, err = simulated(t, s, "", yamlDraft(draft))
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	_, _, err = simulated(t, s, s.OfficerToken(apitest.StreetOfficer), yamlDraft(draft))
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	_, _, err = simulated(t, s, officer, &creditbankv1.SimulatePolicyRequest{})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "draft")
	_, _, err = simulated(t, s, officer, yamlDraft([]byte("id: [")))
	refused(t, err, codes.InvalidArgument, api.ReasonPolicyInvalid, "yaml")
	_, _, err = simulated(t, s, officer, hashDraft("xyz"))
	refused(t, err, codes.InvalidArgument, api.ReasonField, "policy_hash")
	_, _, err = simulated(t, s, officer, hashDraft(strings.Repeat("0", 64)))
	refused(t, err, codes.NotFound, api.ReasonNotFound, "policy_hash")
	backwards := yamlDraft(draft)
	backwards.FromDate, backwards.ToDate = "2026-02-01", "2026-01-01"
	_, _, err = simulated(t, s, officer, backwards)
	refused(t, err, codes.InvalidArgument, api.ReasonField, "to_date")
	unknown := yamlDraft(draft)
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	_, _, err = simulated(t, s, officer, unknown)
	refused(t, err, codes.InvalidArgument, api.ReasonUnknownField, "99")
}

// The request of a stream is bounded as all requests are.
func TestSimulatePolicyRequestIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t), func(c *rpc.Config) { c.Limits.MessageBytes = 4096 })
	_, _, err := simulated(t, s, s.OfficerToken(apitest.Officer), yamlDraft(make([]byte, 5000)))
	refused(t, err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE", "")
}

// A simulation that has to wait is told for how long.
func TestSimulatePolicyIsBusy(t *testing.T) {
	t.Parallel()
	s := rpc.StatusOf(&api.Error{Kind: api.Busy, Reason: api.ReasonSimulations, Message: "as many as may be"})
	var delay int64
	for _, detail := range s.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			delay = retry.GetRetryDelay().GetSeconds()
		}
	}
	if s.Code() != codes.ResourceExhausted || delay != 5 {
		t.Errorf("%v, in %d s", s, delay)
	}
}
