package rpc_test

import (
	"encoding/hex"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// importProto describes an import as a client does.
func importProto(i api.OpeningImport) *creditbankv1.OpeningBalanceImport {
	asked := &creditbankv1.OpeningBalanceImport{
		Import: i.Index, Organization: i.Organization, Source: i.Source, FileHash: hex.EncodeToString(i.FileHash),
		Rows: int32(i.Rows), Reversals: int32(i.Reversals), PartRoots: i.PartRoots,
	}
	for _, t := range i.Totals {
		asked.Totals = append(asked.Totals, &creditbankv1.CategoryAmount{Category: t.Category, Minutes: t.Minutes, MilliCredits: t.MilliCredits})
	}
	return asked
}

func TestOpeningBalanceService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	first := creditbankv1.NewOpeningBalanceServiceClient(s.officer(apitest.Officer))
	second := creditbankv1.NewOpeningBalanceServiceClient(s.officer(apitest.SecondOfficer))
	row, wrong := apitest.OpeningRow(account.Number, "1"), apitest.OpeningRow(account.Number, "2")
	wrong.Category = "magic"
	rows := s.RowBytes(row, wrong)
	asked := importProto(s.OpeningImport(row, wrong))

	answers := func(answer *creditbankv1.RecordOpeningBalancesResponse, good creditbankv1.OpeningBalanceStatus) uint64 {
		t.Helper()
		results := answer.GetResults()
		if len(results) != 2 || results[0].GetStatus() != good || results[1].GetStatus() != creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_REJECTED {
			t.Fatalf("%v", results)
		}
		refusedStatus(t, status.FromProto(results[1].GetError()), codes.InvalidArgument, api.ReasonUnknownCategory, "category")
		return results[0].GetEntryIndex()
	}
	checked := ok[*creditbankv1.RecordOpeningBalancesResponse](t)(first.RecordOpeningBalances(ctx, &creditbankv1.RecordOpeningBalancesRequest{
		Rows: rows, ValidateOnly: true, Organization: apitest.Root, Source: apitest.OpeningSource,
	}))
	answers(checked, creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_VALID)
	if checked.GetCheckpoint() != "" {
		t.Error("a receipt of nothing")
	}

	proposed := ok[*creditbankv1.ProposeOpeningBalancesResponse](t)(first.ProposeOpeningBalances(ctx, &creditbankv1.ProposeOpeningBalancesRequest{
		RequestId: s.RequestID(), Import: asked,
	})).GetImport()
	if proposed.GetImport() == 0 || proposed.GetFileHash() != asked.GetFileHash() || proposed.GetProposedBy() != apitest.Officer ||
		proposed.GetConfirmedBy() != "" || !proposed.GetProposeTime().AsTime().Equal(s.Clock.Now()) {
		t.Errorf("proposed %v", proposed)
	}
	asked.Import = proposed.GetImport()
	record := &creditbankv1.RecordOpeningBalancesRequest{Import: asked.GetImport(), Rows: rows}
	_, err := second.RecordOpeningBalances(ctx, record)
	refused(t, err, codes.FailedPrecondition, api.ReasonImportNotConfirmed, "import")
	_, err = first.ConfirmOpeningBalances(ctx, &creditbankv1.ConfirmOpeningBalancesRequest{RequestId: s.RequestID(), Import: asked})
	refused(t, err, codes.PermissionDenied, api.ReasonFourEyes, "import.import")
	asked.FileHash = "xyz"
	_, err = second.ConfirmOpeningBalances(ctx, &creditbankv1.ConfirmOpeningBalancesRequest{RequestId: s.RequestID(), Import: asked})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "import.file_hash")
	_, err = first.ProposeOpeningBalances(ctx, &creditbankv1.ProposeOpeningBalancesRequest{RequestId: s.RequestID(), Import: asked})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "import.file_hash")
	asked.FileHash = proposed.GetFileHash()
	confirmed := ok[*creditbankv1.ConfirmOpeningBalancesResponse](t)(second.ConfirmOpeningBalances(ctx, &creditbankv1.ConfirmOpeningBalancesRequest{
		RequestId: s.RequestID(), Import: asked,
	}))
	if confirmed.GetImport().GetConfirmedBy() != apitest.SecondOfficer || confirmed.GetEntryIndex() != proposed.GetImport()+1 {
		t.Errorf("confirmed %v", confirmed)
	}
	list := ok[*creditbankv1.ListOpeningBalanceImportsResponse](t)(first.ListOpeningBalanceImports(ctx, &creditbankv1.ListOpeningBalanceImportsRequest{Organization: apitest.Root}))
	if len(list.GetImports()) != 1 || list.GetImports()[0].GetConfirmedBy() != apitest.SecondOfficer || list.GetImports()[0].GetTotals()[0].GetMilliCredits() != 1500 {
		t.Errorf("list %v", list)
	}

	answer := ok[*creditbankv1.RecordOpeningBalancesResponse](t)(second.RecordOpeningBalances(ctx, record))
	entry := answers(answer, creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_RECORDED)
	checkpoint, err := merkle.OpenCheckpoint([]byte(answer.GetCheckpoint()), apitest.Origin, s.Verifier)
	if err != nil || checkpoint.Size <= entry {
		t.Errorf("entry %d is not covered: %v, %v", entry, checkpoint, err)
	}
	again := ok[*creditbankv1.RecordOpeningBalancesResponse](t)(first.RecordOpeningBalances(ctx, record))
	if answers(again, creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_REPLAYED) != entry {
		t.Errorf("again %v", again)
	}

	holder := creditbankv1.NewPortfolioServiceClient(s.resident(account))
	shown := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(holder.ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
		View: creditbankv1.View_VIEW_FULL,
	})).GetEntries()
	if len(shown) != 1 || shown[0].GetEntryIndex() != entry || shown[0].GetEndDate() != "2019-05-04" ||
		shown[0].GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_AWARDED || shown[0].GetAssessment().GetAvailableMilliCredits() != 1500 {
		t.Fatalf("shown %v", shown)
	}
	if o := shown[0].GetOpeningBalance(); o.GetSource() != apitest.OpeningSource || o.GetSourceRecord() != "1" || o.GetTitle() == "" ||
		o.GetImport() != asked.GetImport() || o.GetProposedBy() != apitest.Officer || o.GetConfirmedBy() != apitest.SecondOfficer {
		t.Errorf("source %v", o)
	}
	total := ok[*creditbankv1.GetPortfolioResponse](t)(holder.GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{EntryLimit: 10})).GetPortfolio()
	if total.GetEntryCount() != 1 || total.GetTotals().GetMinutes() != 90 || total.GetEntries()[0].GetOpeningBalance().GetSource() != apitest.OpeningSource {
		t.Errorf("total %v", total)
	}
}
