package rpc

import (
	"context"
	"encoding/hex"
	"log/slog"

	"github.com/learning-credit-bank/creditbank/api"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// openings is the OpeningBalanceService.
type openings struct {
	creditbankv1.UnsafeOpeningBalanceServiceServer
	bank *api.Bank
	// log hears of rows that the bank could not record through a fault of its own.
	log *slog.Logger
}

// ProposeOpeningBalances implements OpeningBalanceService.
func (o *openings) ProposeOpeningBalances(
	ctx context.Context, r *creditbankv1.ProposeOpeningBalancesRequest,
) (*creditbankv1.ProposeOpeningBalancesResponse, error) {
	asked, err := importOf(r.GetImport())
	if err != nil {
		return nil, err
	}
	asked.Index = 0
	proposed, err := o.bank.ProposeOpeningBalances(ctx, callerOf(ctx), r.GetRequestId(), asked)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ProposeOpeningBalancesResponse{Import: importProto(proposed)}, nil
}

// ConfirmOpeningBalances implements OpeningBalanceService.
func (o *openings) ConfirmOpeningBalances(
	ctx context.Context, r *creditbankv1.ConfirmOpeningBalancesRequest,
) (*creditbankv1.ConfirmOpeningBalancesResponse, error) {
	asked, err := importOf(r.GetImport())
	if err != nil {
		return nil, err
	}
	confirmed, index, err := o.bank.ConfirmOpeningBalances(ctx, callerOf(ctx), r.GetRequestId(), asked)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ConfirmOpeningBalancesResponse{Import: importProto(confirmed), EntryIndex: index}, nil
}

// ListOpeningBalanceImports implements OpeningBalanceService.
func (o *openings) ListOpeningBalanceImports(
	ctx context.Context, r *creditbankv1.ListOpeningBalanceImportsRequest,
) (*creditbankv1.ListOpeningBalanceImportsResponse, error) {
	imports, next, err := o.bank.ListOpeningBalanceImports(ctx, callerOf(ctx), r.GetOrganization(), pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListOpeningBalanceImportsResponse{
		Imports: make([]*creditbankv1.OpeningBalanceImport, len(imports)), NextPageToken: next,
	}
	for i, one := range imports {
		answer.Imports[i] = importProto(one)
	}
	return answer, nil
}

// RecordOpeningBalances implements OpeningBalanceService.
func (o *openings) RecordOpeningBalances(
	ctx context.Context, r *creditbankv1.RecordOpeningBalancesRequest,
) (*creditbankv1.RecordOpeningBalancesResponse, error) {
	results, receipt, err := o.bank.RecordOpeningBalances(ctx, callerOf(ctx), api.OpeningPart{
		Import: r.GetImport(), Part: int(r.GetPart()), Rows: r.GetRows(), ValidateOnly: r.GetValidateOnly(),
		Organization: r.GetOrganization(), Source: r.GetSource(),
	})
	if err != nil {
		return nil, err
	}
	o.report(ctx, results)
	answer := &creditbankv1.RecordOpeningBalancesResponse{
		Results: make([]*creditbankv1.OpeningBalanceResult, len(results)), Checkpoint: string(receipt.Checkpoint),
	}
	for i, result := range results {
		answer.Results[i] = &creditbankv1.OpeningBalanceResult{Status: openingStatus(result.Status), EntryIndex: result.Index}
		if result.Fault != nil {
			answer.Results[i].Error = statusOf(result.Fault).Proto()
		}
	}
	return answer, nil
}

// report logs the first row that the bank itself could not record.
func (o *openings) report(ctx context.Context, results []api.OpeningResult) {
	for _, result := range results {
		if result.Fault != nil && result.Fault.Kind == api.Internal {
			o.log.ErrorContext(ctx, "opening balances could not be recorded", "caller", callerOf(ctx).String(), "cause", causeOf(result.Fault))
			return
		}
	}
}

// openingStatus is the table of the statuses of rows.
func openingStatus(s api.Status) creditbankv1.OpeningBalanceStatus {
	switch s {
	case api.Recorded:
		return creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_RECORDED
	case api.Replayed:
		return creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_REPLAYED
	case api.Valid:
		return creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_VALID
	default:
		return creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_REJECTED
	}
}

func importOf(i *creditbankv1.OpeningBalanceImport) (api.OpeningImport, error) {
	hash, err := hex.DecodeString(i.GetFileHash())
	if err != nil {
		return api.OpeningImport{}, invalid(api.ReasonField, "import.file_hash", "the SHA-256 of a file has 64 hexadecimal digits", nil)
	}
	asked := api.OpeningImport{
		Index: i.GetImport(), Organization: i.GetOrganization(), Source: i.GetSource(), FileHash: hash,
		Rows: int(i.GetRows()), Reversals: int(i.GetReversals()), PartRoots: i.GetPartRoots(),
	}
	for _, t := range i.GetTotals() {
		asked.Totals = append(asked.Totals, api.CategoryAmount{Category: t.GetCategory(), Minutes: t.GetMinutes(), MilliCredits: t.GetMilliCredits()})
	}
	return asked, nil
}

func importProto(i api.OpeningImport) *creditbankv1.OpeningBalanceImport {
	answer := &creditbankv1.OpeningBalanceImport{
		Import: i.Index, Organization: i.Organization, Source: i.Source, FileHash: hex.EncodeToString(i.FileHash),
		Rows: int32(i.Rows), Reversals: int32(i.Reversals), PartRoots: i.PartRoots,
		ProposedBy: i.ProposedBy, ProposeTime: timestamp(i.Proposed), ConfirmedBy: i.ConfirmedBy, ConfirmTime: timestamp(i.Confirmed),
	}
	for _, t := range i.Totals {
		answer.Totals = append(answer.Totals, &creditbankv1.CategoryAmount{Category: t.Category, Minutes: t.Minutes, MilliCredits: t.MilliCredits})
	}
	return answer
}

// openingBalanceProto is nil for nil.
func openingBalanceProto(o *api.OpeningBalance) *creditbankv1.OpeningBalance {
	if o == nil {
		return nil
	}
	return &creditbankv1.OpeningBalance{
		Source: o.Source, SourceRecord: o.Record, Title: o.Title, Import: o.Import, ProposedBy: o.ProposedBy, ConfirmedBy: o.ConfirmedBy,
	}
}
