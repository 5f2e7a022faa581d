package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// fakeTransfers keeps agreements and consents, checks signatures as a bank does, and quotes from a can.
type fakeTransfers struct {
	creditbankv1.UnimplementedAgreementServiceServer
	creditbankv1.UnimplementedConsentServiceServer
	creditbankv1.UnimplementedTransferServiceServer
	bank *fakeBank

	mu         sync.Mutex
	agreements []*creditbankv1.GetAgreementResponse
	consents   []*creditbankv1.Consent
}

// PublishAgreement implements creditbankv1.AgreementServiceServer.
func (f *fakeTransfers) PublishAgreement(ctx context.Context, r *creditbankv1.PublishAgreementRequest) (*creditbankv1.PublishAgreementResponse, error) {
	if err := f.bank.caller(ctx, access.Organization); err != nil {
		return nil, err
	}
	a, err := agreement.Compile(r.GetYaml())
	if err != nil {
		return nil, refuse(codes.InvalidArgument, "AGREEMENT_INVALID", "yaml", err.Error())
	}
	hash := a.Hash()
	key := f.bank.signKey.Public()
	if r.GetKeyId() != key.ID().String() ||
		key.Verify(keyring.AgreementText(bankID, "xihu-cc", key.ID(), hash), r.GetSignature()) != nil {
		return nil, refuse(codes.Unauthenticated, "WRONG_SIGNATURE", "", "signature does not verify")
	}
	published := &creditbankv1.Agreement{
		AgreementHash: hex.EncodeToString(hash[:]), AgreementId: a.ID(), Version: a.Version(), Institution: a.Institution(),
		EffectiveFrom: a.EffectiveFrom().String(), Title: &creditbankv1.Text{Zh: a.Title().ZH, En: a.Title().EN},
		Programmes: []*creditbankv1.Programme{{Code: "social-work-ba", Name: &creditbankv1.Text{Zh: "社会工作", En: "Social work"}, MilliCredits: 71_000}},
		Consumes:   true, QuoteDays: 14, HoldDays: 30,
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.agreements = append(f.agreements, &creditbankv1.GetAgreementResponse{Agreement: published, Yaml: r.GetYaml()})
	return &creditbankv1.PublishAgreementResponse{Agreement: published}, nil
}

// EndAgreement implements creditbankv1.AgreementServiceServer.
func (f *fakeTransfers) EndAgreement(ctx context.Context, r *creditbankv1.EndAgreementRequest) (*creditbankv1.EndAgreementResponse, error) {
	if err := f.bank.caller(ctx, access.Organization); err != nil {
		return nil, err
	}
	known, err := f.GetAgreement(ctx, &creditbankv1.GetAgreementRequest{AgreementHash: r.GetAgreementHash()})
	if err != nil {
		return nil, err
	}
	known.Agreement.EffectiveUntil, known.Agreement.Ended = r.GetLastDate(), true
	return &creditbankv1.EndAgreementResponse{Agreement: known.GetAgreement()}, nil
}

// GetAgreement implements creditbankv1.AgreementServiceServer. It answers something else for the hash of nothing.
func (f *fakeTransfers) GetAgreement(_ context.Context, r *creditbankv1.GetAgreementRequest) (*creditbankv1.GetAgreementResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, known := range f.agreements {
		if nothing := sha256.Sum256(nil); known.GetAgreement().GetAgreementHash() == r.GetAgreementHash() || r.GetAgreementHash() == hex.EncodeToString(nothing[:]) {
			return known, nil
		}
	}
	return nil, refuse(codes.NotFound, "NOT_FOUND", "agreement_hash", "there is no agreement with this hash; see ListAgreements")
}

// ListAgreements implements creditbankv1.AgreementServiceServer.
func (f *fakeTransfers) ListAgreements(context.Context, *creditbankv1.ListAgreementsRequest) (*creditbankv1.ListAgreementsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := new(creditbankv1.ListAgreementsResponse)
	for _, known := range f.agreements {
		answer.Agreements = append(answer.Agreements, known.GetAgreement())
	}
	return answer, nil
}

// GrantConsent implements creditbankv1.ConsentServiceServer.
func (f *fakeTransfers) GrantConsent(ctx context.Context, r *creditbankv1.GrantConsentRequest) (*creditbankv1.GrantConsentResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	granted := &creditbankv1.Consent{
		ConsentId: 70 + uint64(len(f.consents)), Institution: r.GetInstitution(), Purpose: r.GetPurpose(), Categories: r.GetCategories(),
		EntryIndexes: r.GetEntryIndexes(), ExpireTime: r.GetExpireTime(), State: creditbankv1.ConsentState_CONSENT_STATE_ACTIVE,
	}
	f.consents = append(f.consents, granted)
	return &creditbankv1.GrantConsentResponse{Consent: granted}, nil
}

// WithdrawConsent implements creditbankv1.ConsentServiceServer.
func (f *fakeTransfers) WithdrawConsent(ctx context.Context, r *creditbankv1.WithdrawConsentRequest) (*creditbankv1.WithdrawConsentResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, known := range f.consents {
		if known.GetConsentId() == r.GetConsentId() {
			known.State = creditbankv1.ConsentState_CONSENT_STATE_WITHDRAWN
			return &creditbankv1.WithdrawConsentResponse{Consent: known}, nil
		}
	}
	return nil, refuse(codes.NotFound, "NOT_FOUND", "consent_id", "the account has no such consent; see ListConsents")
}

// ListReceivedConsents implements creditbankv1.ConsentServiceServer: one of them a page. Who has withdrawn is not named.
func (f *fakeTransfers) ListReceivedConsents(
	ctx context.Context, r *creditbankv1.ListReceivedConsentsRequest,
) (*creditbankv1.ListReceivedConsentsResponse, error) {
	if err := f.bank.caller(ctx, access.Organization); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	place := len(r.GetPageToken())
	if place >= len(f.consents) {
		return new(creditbankv1.ListReceivedConsentsResponse), nil
	}
	answer := &creditbankv1.ListReceivedConsentsResponse{NextPageToken: r.GetPageToken() + "x"}
	one := &creditbankv1.ReceivedConsent{Consent: f.consents[place]}
	active := one.GetConsent().GetState() == creditbankv1.ConsentState_CONSENT_STATE_ACTIVE
	if active {
		one.AccountNumber = "6225880100000014"
	}
	if (active || !r.GetActiveOnly()) && (r.GetPurpose() == "" || r.GetPurpose() == one.GetConsent().GetPurpose()) {
		answer.Consents = []*creditbankv1.ReceivedConsent{one}
	}
	return answer, nil
}

// ListConsents implements creditbankv1.ConsentServiceServer.
func (f *fakeTransfers) ListConsents(ctx context.Context, _ *creditbankv1.ListConsentsRequest) (*creditbankv1.ListConsentsResponse, error) {
	if err := f.bank.caller(ctx, access.Resident); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &creditbankv1.ListConsentsResponse{Consents: f.consents}, nil
}

// QuoteTransfer implements creditbankv1.TransferServiceServer.
func (f *fakeTransfers) QuoteTransfer(ctx context.Context, r *creditbankv1.QuoteTransferRequest) (*creditbankv1.QuoteTransferResponse, error) {
	if err := f.bank.caller(ctx, access.Resident, access.Organization); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.consents) == 0 {
		return nil, refuse(codes.PermissionDenied, "NO_CONSENT", "account_number", "nobody with this account number lets the institution ask")
	}
	lot := &creditbankv1.LotName{EntryIndex: 12}
	if len(r.GetLots()) > 0 {
		lot = r.GetLots()[0]
	}
	return &creditbankv1.QuoteTransferResponse{Quote: &creditbankv1.TransferQuote{
		Digest: "d1", AgreementId: "open-university", Version: "2026.1", ValidUntil: "2026-07-01", Consumes: true,
		Programme:             &creditbankv1.Programme{Code: r.GetProgramme(), Name: &creditbankv1.Text{Zh: "社会工作", En: "Social work"}},
		AvailableMilliCredits: 1300, TakenMilliCredits: 1000, GivenMilliCredits: 500,
		Items: []*creditbankv1.QuoteItem{
			{
				Lot: lot, CourseTitle: "茶艺", Outcome: creditbankv1.QuoteOutcome_QUOTE_OUTCOME_PARTIAL, AvailableMilliCredits: 1200,
				TakenMilliCredits: 1000, GivenMilliCredits: 500, UsableUntil: "2031-01-01", CountsAs: "SW-1", CountsAsName: &creditbankv1.Text{Zh: "实务", En: "Practice"},
				Reasons: []*creditbankv1.QuoteReason{{Rule: "general", Words: &creditbankv1.Text{Zh: "折半", En: "Half of it"}}},
			},
			{
				Lot: &creditbankv1.LotName{EntryIndex: 13, Position: 1}, Category: "health", Outcome: creditbankv1.QuoteOutcome_QUOTE_OUTCOME_REFUSED,
				AvailableMilliCredits: 100,
			},
		},
	}}, nil
}
