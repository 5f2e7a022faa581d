package rpc_test

import (
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// Two accounts become one, and two again, through gRPC.
func TestMergeService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	registrar := creditbankv1.NewMergeServiceClient(s.officer(apitest.Registrar))
	first := creditbankv1.NewMergeServiceClient(s.officer(apitest.Officer))
	second := creditbankv1.NewMergeServiceClient(s.officer(apitest.SecondOfficer))
	from, into := s.Open(), s.Open()
	id := uuid.NewString
	_, err := registrar.ProposeMerge(t.Context(), &creditbankv1.ProposeMergeRequest{RequestId: id(), FromAccountId: "x", IntoAccountId: into.ID.String()})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "from_account_id")
	proposed, err := registrar.ProposeMerge(t.Context(), &creditbankv1.ProposeMergeRequest{
		RequestId: id(), FromAccountId: from.ID.String(), IntoAccountId: into.ID.String(), ReasonCode: "SAME_PERSON",
	})
	must(t, err)
	merge := proposed.GetMerge().GetMerge()
	shown, err := first.GetMerge(t.Context(), &creditbankv1.GetMergeRequest{Merge: merge})
	must(t, err)
	if p := shown.GetPreview(); p == nil || p.GetSameName() || p.GetItems() != 0 || p.GetIntoAfter().GetMinutes() != 0 {
		t.Errorf("%v", shown)
	}
	decide := func(client creditbankv1.MergeServiceClient, decision creditbankv1.MergeDecision, etag string) error {
		_, err := client.DecideMerge(t.Context(), &creditbankv1.DecideMergeRequest{
			RequestId: id(), Merge: merge, Decision: decision, ReasonCode: "IDENTITY_CHECKED", Etag: etag,
		})
		return err
	}
	refused(t, decide(first, 0, ""), codes.InvalidArgument, api.ReasonUnknownEnum, "decision")
	refused(t, decide(first, 1, "new"), codes.InvalidArgument, api.ReasonField, "etag")
	must(t, decide(first, 1, shown.GetMerge().GetEtag()))
	refused(t, decide(second, 1, shown.GetMerge().GetEtag()), codes.Aborted, api.ReasonMergeChanged, "etag")
	refused(t, decide(first, 1, ""), codes.PermissionDenied, api.ReasonFourEyes, "merge")
	must(t, decide(second, 1, ""))
	account, err := creditbankv1.NewAccountServiceClient(s.officer(apitest.Registrar)).GetAccount(t.Context(), &creditbankv1.GetAccountRequest{AccountId: from.ID.String()})
	must(t, err)
	if account.GetAccount().GetMergedIntoAccountId() != into.ID.String() {
		t.Errorf("%v", account)
	}
	for _, client := range []creditbankv1.MergeServiceClient{first, second} {
		_, err := client.UndoMerge(t.Context(), &creditbankv1.UndoMergeRequest{RequestId: id(), Merge: merge, Decision: 1, ReasonCode: "DIFFERENT_PERSONS"})
		must(t, err)
	}
	list, err := registrar.ListMerges(t.Context(), &creditbankv1.ListMergesRequest{Organization: apitest.Root})
	must(t, err)
	if m := list.GetMerges(); len(m) != 1 || m[0].GetStatus() != ledgerv1.MergeStatus_MERGE_STATUS_UNDONE || m[0].GetUndoneBy() != apitest.SecondOfficer {
		t.Errorf("%v", m)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
