package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// accounts is the AccountService.
type accounts struct {
	creditbankv1.UnsafeAccountServiceServer
	bank *api.Bank
}

// OpenAccount implements AccountService.
func (a *accounts) OpenAccount(
	ctx context.Context, r *creditbankv1.OpenAccountRequest,
) (*creditbankv1.OpenAccountResponse, error) {
	document, err := documentOf(r.GetDocument())
	if err != nil {
		return nil, err
	}
	account, existed, err := a.bank.OpenAccount(ctx, callerOf(ctx), api.Opening{
		RequestID: r.GetRequestId(), Name: r.GetName(), Document: document, Home: r.GetHome(),
		Contact: r.GetContact(), Checked: r.GetDocumentChecked(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.OpenAccountResponse{Account: accountProto(account, string(account.Number)), Existed: existed}, nil
}

// ResolveAccount implements AccountService.
func (a *accounts) ResolveAccount(
	ctx context.Context, r *creditbankv1.ResolveAccountRequest,
) (*creditbankv1.ResolveAccountResponse, error) {
	document, err := documentOf(r.GetDocument())
	if err != nil {
		return nil, err
	}
	number, err := a.bank.ResolveAccount(ctx, callerOf(ctx), document, r.GetPurpose())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ResolveAccountResponse{AccountNumber: string(number)}, nil
}

// GetAccount implements AccountService.
func (a *accounts) GetAccount(
	ctx context.Context, r *creditbankv1.GetAccountRequest,
) (*creditbankv1.GetAccountResponse, error) {
	id, err := accountID("account_id", r.GetAccountId())
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	account, err := a.bank.GetAccount(ctx, caller, id)
	if err != nil {
		return nil, err
	}
	number := account.Number.Masked()
	if caller.Kind == access.Resident {
		number = string(account.Number)
	}
	return &creditbankv1.GetAccountResponse{Account: accountProto(account, number)}, nil
}

func accountProto(a api.Account, number string) *creditbankv1.Account {
	account := &creditbankv1.Account{
		AccountId: a.ID.String(), AccountNumber: number, Status: a.Status, Home: a.Home, OpenTime: timestamp(a.Opened),
	}
	if !a.MergedInto.IsZero() {
		account.MergedIntoAccountId = a.MergedInto.String()
	}
	return account
}

// documentOf reads a document. Its number is checked by api, which knows today's date.
func documentOf(d *creditbankv1.Document) (unit.Document, error) {
	if d == nil {
		return unit.Document{}, invalid(api.ReasonDocument, "document", "the document is missing", nil)
	}
	kind, ok := documentKind(d.GetKind())
	if !ok {
		return unit.Document{}, invalid(api.ReasonUnknownEnum, "document.kind", "the kind of the document is not said", nil)
	}
	return unit.Document{Kind: kind, Number: d.GetNumber()}, nil
}

// documentKind is the table of kinds of documents.
func documentKind(kind creditbankv1.DocumentKind) (known unit.DocumentKind, ok bool) {
	switch kind {
	case creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY:
		return unit.ResidentIdentity, true
	case creditbankv1.DocumentKind_DOCUMENT_KIND_HONGKONG_MACAO_PERMIT:
		return unit.HongKongMacaoPermit, true
	case creditbankv1.DocumentKind_DOCUMENT_KIND_TAIWAN_PERMIT:
		return unit.TaiwanPermit, true
	case creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENCE_PERMIT:
		return unit.ResidencePermit, true
	case creditbankv1.DocumentKind_DOCUMENT_KIND_PERMANENT_RESIDENCE:
		return unit.PermanentResidence, true
	case creditbankv1.DocumentKind_DOCUMENT_KIND_PASSPORT:
		return unit.Passport, true
	default:
		return "", false
	}
}
