package rpc

import (
	"context"
	"encoding/hex"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// RequestTransfer implements TransferService.
func (s *transfers) RequestTransfer(
	ctx context.Context, r *creditbankv1.RequestTransferRequest,
) (*creditbankv1.RequestTransferResponse, error) {
	digest, err := hex.DecodeString(r.GetQuoteDigest())
	if err != nil {
		return nil, invalid(api.ReasonField, "quote_digest", "the digest of a quote has 64 hexadecimal digits", err)
	}
	hash, err := hex.DecodeString(r.GetAgreementHash())
	if err != nil {
		return nil, invalid(api.ReasonField, "agreement_hash", "the SHA-256 of an agreement has 64 hexadecimal digits", err)
	}
	asked := api.TransferRequest{
		RequestID: r.GetRequestId(), Number: r.GetAccountNumber(), Institution: r.GetInstitution(), Programme: r.GetProgramme(),
		Agreement: hash, QuoteDate: r.GetQuoteDate(), QuoteDigest: digest, Lots: make([]agreement.Lot, len(r.GetLots())),
	}
	for i, lot := range r.GetLots() {
		asked.Lots[i] = agreement.Lot{Entry: lot.GetEntryIndex(), Position: lot.GetPosition()}
	}
	done, err := s.bank.RequestTransfer(ctx, callerOf(ctx), asked, r.GetWithProof())
	if err != nil {
		return nil, err
	}
	transfer, balance, proof := transferDoneProto(done)
	return &creditbankv1.RequestTransferResponse{Transfer: transfer, Balance: balance, Proof: proof}, nil
}

// AcceptTransfer implements TransferService.
func (s *transfers) AcceptTransfer(
	ctx context.Context, r *creditbankv1.AcceptTransferRequest,
) (*creditbankv1.AcceptTransferResponse, error) {
	asked := api.Acceptance{RequestID: r.GetRequestId(), Hold: r.GetTransferId(), Note: r.GetNote(), Take: make([]api.TransferTake, len(r.GetTake()))}
	for i, take := range r.GetTake() {
		asked.Take[i] = api.TransferTake{Item: int(take.GetItem()), Credits: unit.Credits(take.GetMilliCredits())}
	}
	done, err := s.bank.AcceptTransfer(ctx, callerOf(ctx), asked, r.GetWithProof())
	if err != nil {
		return nil, err
	}
	transfer, balance, proof := transferDoneProto(done)
	return &creditbankv1.AcceptTransferResponse{Transfer: transfer, Balance: balance, Proof: proof}, nil
}

// DeclineTransfer implements TransferService.
func (s *transfers) DeclineTransfer(
	ctx context.Context, r *creditbankv1.DeclineTransferRequest,
) (*creditbankv1.DeclineTransferResponse, error) {
	done, err := s.bank.DeclineTransfer(
		ctx, callerOf(ctx), r.GetRequestId(), r.GetTransferId(), r.GetReasonCode(), r.GetNote(), r.GetWithProof(),
	)
	if err != nil {
		return nil, err
	}
	transfer, balance, proof := transferDoneProto(done)
	return &creditbankv1.DeclineTransferResponse{Transfer: transfer, Balance: balance, Proof: proof}, nil
}

// WithdrawTransfer implements TransferService.
func (s *transfers) WithdrawTransfer(
	ctx context.Context, r *creditbankv1.WithdrawTransferRequest,
) (*creditbankv1.WithdrawTransferResponse, error) {
	done, err := s.bank.WithdrawTransfer(ctx, callerOf(ctx), r.GetRequestId(), r.GetTransferId(), r.GetWithProof())
	if err != nil {
		return nil, err
	}
	transfer, balance, proof := transferDoneProto(done)
	return &creditbankv1.WithdrawTransferResponse{Transfer: transfer, Balance: balance, Proof: proof}, nil
}

// GetTransfer implements TransferService.
func (s *transfers) GetTransfer(
	ctx context.Context, r *creditbankv1.GetTransferRequest,
) (*creditbankv1.GetTransferResponse, error) {
	transfer, err := s.bank.GetTransfer(ctx, callerOf(ctx), r.GetTransferId())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetTransferResponse{Transfer: transferProto(transfer)}, nil
}

// ListTransfers implements TransferService.
func (s *transfers) ListTransfers(
	ctx context.Context, r *creditbankv1.ListTransfersRequest,
) (*creditbankv1.ListTransfersResponse, error) {
	page := pageOf(r.GetPageSize(), r.GetPageToken())
	answer := new(creditbankv1.ListTransfersResponse)
	var all []api.Transfer
	var err error
	if r.ChangedSinceIndex != nil {
		if r.GetStatus() != 0 || r.GetAccountId() != "" {
			return nil, invalid(api.ReasonField, "changed_since_index", "what has changed is answered of all; leave status and account out", nil)
		}
		all, answer.NextPageToken, answer.NextChangedSinceIndex, err = s.bank.ListChangedTransfers(ctx, callerOf(ctx), r.GetChangedSinceIndex(), page)
	} else {
		var filter api.TransferFilter
		if filter.Status = r.GetStatus(); r.GetAccountId() != "" || callerOf(ctx).Kind != access.Organization {
			if filter.Account, err = ownAccount(ctx, r.GetAccountId()); err != nil {
				return nil, err
			}
		}
		all, answer.NextPageToken, err = s.bank.ListTransfers(ctx, callerOf(ctx), filter, page)
	}
	if err != nil {
		return nil, err
	}
	answer.Transfers = make([]*creditbankv1.Transfer, len(all))
	for i, t := range all {
		answer.Transfers[i] = transferProto(t)
	}
	return answer, nil
}

// GetTransferBundle implements TransferService.
func (s *transfers) GetTransferBundle(
	ctx context.Context, r *creditbankv1.GetTransferBundleRequest,
) (*creditbankv1.GetTransferBundleResponse, error) {
	file, err := s.bank.TransferBundle(ctx, callerOf(ctx), r.GetTransferId())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetTransferBundleResponse{Bundle: file}, nil
}

func transferDoneProto(
	done api.TransferDone,
) (*creditbankv1.Transfer, *creditbankv1.TransferBalance, *creditbankv1.TransferProof) {
	balance := &creditbankv1.TransferBalance{ProgrammeMilliCredits: int64(done.Programme)}
	if done.Totals != nil {
		balance.Totals = totalsProto(*done.Totals)
	}
	proof := &creditbankv1.TransferProof{EntryIndex: done.Index, Checkpoint: string(done.Receipt.Checkpoint), LeafHash: done.LeafHash[:]}
	if done.Proof != nil {
		proof.InclusionProof, proof.Checkpoint = hashesProto(done.Proof.Hashes), string(done.Proof.Checkpoint)
	}
	return transferProto(done.Transfer), balance, proof
}

func transferProto(t api.Transfer) *creditbankv1.Transfer {
	transfer := &creditbankv1.Transfer{
		TransferId: t.Hold, AccountId: t.Account.String(), Institution: t.Institution, InstitutionName: t.InstitutionName,
		Programme: t.Programme, AgreementIndex: t.Agreement, Status: t.Status, RequestTime: timestamp(t.Placed),
		ExpireTime: timestamp(t.Deadline), EndTime: timestamp(t.Ended), EndedIndex: t.EndedIndex,
		Items:            make([]*creditbankv1.TransferItem, len(t.Items)),
		HeldMilliCredits: int64(t.Held), GrantedMilliCredits: int64(t.Granted), TakenMilliCredits: int64(t.Taken),
		TakenGrantedMilliCredits: int64(t.TakenGranted), ProgrammeName: textProto(t.ProgrammeName), ReasonCode: t.ReasonCode, Note: t.Note, ChangedIndex: t.Changed,
	}
	for i, item := range t.Items {
		transfer.Items[i] = &creditbankv1.TransferItem{
			LotIndex: item.Entry, LotPosition: item.Position, EntryIndex: item.Completion, Category: item.Category, Title: item.Title,
			MilliCredits: int64(item.Credits), GrantedMilliCredits: int64(item.Granted), Recognised: item.Recognised, Course: item.Course,
			TakenMilliCredits: int64(item.Taken), TakenGrantedMilliCredits: int64(item.TakenGranted), ClawedBack: item.IsClawedBack,
			ClawedBackIndex: item.ClawedBack,
		}
	}
	return transfer
}
