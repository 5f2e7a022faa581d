package rpc_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// preview reads the stream to its end.
func preview(t *testing.T, s *served, token string, r *creditbankv1.PreviewClawbackRequest) (*creditbankv1.ClawbackPreview, error) {
	t.Helper()
	ctx := t.Context()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	stream, err := creditbankv1.NewClawbackServiceClient(s.nobody()).PreviewClawback(ctx, r)
	if err != nil {
		return nil, err
	}
	var last *creditbankv1.ClawbackPreview
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		last = answer.GetPreview()
	}
}

func TestClawbackService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	first := creditbankv1.NewClawbackServiceClient(s.officer(apitest.Officer))
	second := creditbankv1.NewClawbackServiceClient(s.officer(apitest.SecondOfficer))
	recorded := s.Record(s.Completion(account.Number))[0]
	end := s.Clock.Now().Add(time.Hour)
	asked := &creditbankv1.ClawbackSelection{
		Platform: apitest.Platform, FromDate: "2026-01-01", ToDate: "2026-12-31",
		RecordedFromTime: timestamppb.New(apitest.Start()), RecordedUntilTime: timestamppb.New(end),
	}
	_, err := preview(t, s, s.OfficerToken(apitest.Officer), &creditbankv1.PreviewClawbackRequest{})
	refused(t, err, codes.InvalidArgument, api.ReasonClawbackSelection, "selection")
	_, err = preview(t, s, "", &creditbankv1.PreviewClawbackRequest{Selection: asked})
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	seen, err := preview(t, s, s.OfficerToken(apitest.Officer), &creditbankv1.PreviewClawbackRequest{Selection: asked})
	if err != nil {
		t.Fatal(err)
	}
	d := recorded.Decision
	if seen.GetTotals().GetCompletions() != 1 || seen.GetTotals().GetAvailable() != int64(d.Available) || seen.GetTotals().GetMinutes() != int64(d.Minutes) ||
		len(seen.GetAccounts()) != 1 || seen.GetAccounts()[0].GetMaskedNumber() != account.Number.Masked() || len(seen.GetDigest()) != 64 ||
		seen.GetSelection().GetBefore() == 0 || !seen.GetSelection().GetRecordedUntilTime().AsTime().Equal(end) {
		t.Errorf("preview %v", seen)
	}
	proposed := ok[*creditbankv1.ProposeClawbackResponse](t)(first.ProposeClawback(ctx, &creditbankv1.ProposeClawbackRequest{
		RequestId: s.RequestID(), Selection: seen.GetSelection(), Digest: seen.GetDigest(), ReasonCode: "IMPLAUSIBLE", Reason: "刷课", Hold: true,
	})).GetClawback()
	if proposed.GetState() != creditbankv1.ClawbackState_CLAWBACK_STATE_PROPOSED || !proposed.GetHold() || proposed.GetProposedBy() != apitest.Officer ||
		proposed.GetCompletionsLeft() != 1 || proposed.GetReason() != "刷课" {
		t.Errorf("proposed %v", proposed)
	}
	id := proposed.GetClawback()
	if _, err := s.RunClawbacks(ctx); err != nil {
		t.Fatal(err)
	}
	get := func() *creditbankv1.Clawback {
		t.Helper()
		return ok[*creditbankv1.GetClawbackResponse](t)(second.GetClawback(ctx, &creditbankv1.GetClawbackRequest{Clawback: id})).GetClawback()
	}
	if held := get(); held.GetState() != creditbankv1.ClawbackState_CLAWBACK_STATE_HELD || held.GetCompletionsHeld() != 1 {
		t.Errorf("held %v", held)
	}
	_, err = second.ConfirmClawback(ctx, &creditbankv1.ConfirmClawbackRequest{RequestId: s.RequestID(), Clawback: id, Digest: seen.GetDigest()})
	refused(t, err, codes.Aborted, api.ReasonClawbackChanged, "digest")
	_, err = second.ConfirmClawback(ctx, &creditbankv1.ConfirmClawbackRequest{RequestId: s.RequestID(), Clawback: id, Digest: strings.Repeat("x", 64)})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "digest")
	_, err = first.DeclineClawback(ctx, &creditbankv1.DeclineClawbackRequest{RequestId: s.RequestID(), Clawback: id})
	refused(t, err, codes.PermissionDenied, api.ReasonFourEyes, "clawback")
	again, err := preview(t, s, s.OfficerToken(apitest.SecondOfficer), &creditbankv1.PreviewClawbackRequest{Clawback: id})
	if err != nil || again.GetTotals().GetPending() != int64(d.Available) {
		t.Fatalf("preview %v, %v", again, err)
	}
	confirmed := ok[*creditbankv1.ConfirmClawbackResponse](t)(second.ConfirmClawback(ctx, &creditbankv1.ConfirmClawbackRequest{
		RequestId: s.RequestID(), Clawback: id, Digest: again.GetDigest(),
	})).GetClawback()
	if confirmed.GetState() != creditbankv1.ClawbackState_CLAWBACK_STATE_CONFIRMED || confirmed.GetDecidedBy() != apitest.SecondOfficer {
		t.Errorf("confirmed %v", confirmed)
	}
	_, err = second.DeclineClawback(ctx, &creditbankv1.DeclineClawbackRequest{RequestId: s.RequestID(), Clawback: id})
	refused(t, err, codes.Aborted, api.ReasonClawbackDecided, "clawback")
	if _, err := s.RunClawbacks(ctx); err != nil {
		t.Fatal(err)
	}
	done := get()
	if done.GetState() != creditbankv1.ClawbackState_CLAWBACK_STATE_FINISHED || done.GetCompletionsDone() != 1 || done.GetReversed() != int64(d.Available) {
		t.Errorf("done %v", done)
	}
	list := ok[*creditbankv1.ListClawbacksResponse](t)(first.ListClawbacks(ctx, &creditbankv1.ListClawbacksRequest{Organization: apitest.Root})).GetClawbacks()
	if len(list) != 1 || list[0].GetClawback() != id || list[0].GetState() != done.GetState() {
		t.Errorf("list %v", list)
	}
	shown := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(creditbankv1.NewPortfolioServiceClient(s.resident(account)).ListPortfolioEntries(
		ctx, &creditbankv1.ListPortfolioEntriesRequest{View: creditbankv1.View_VIEW_FULL})).GetEntries()
	if len(shown) != 1 || shown[0].GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_REFUSED || shown[0].GetCase().GetSteps()[0].GetNote() != "刷课" {
		t.Errorf("shown %v", shown)
	}
	for number := range ledgerv1.ClawbackState_name {
		if state := rpc.ClawbackState(ledgerv1.ClawbackState(number)); int32(state) != number {
			t.Errorf("state %d is answered as %v", number, state)
		}
	}
}
