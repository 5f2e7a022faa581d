package rpc_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// An institution publishes what it takes over, a resident lets it ask, it gets a quote, and the resident sees that it asked.
func TestQuoteOverRPC(t *testing.T) {
	t.Parallel()
	const university = "open-university"
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	s.Record(s.Completion(account.Number))
	code, err := unit.OrganizationCodeFor("12330000000000007")
	if err != nil {
		t.Fatal(err)
	}
	ok[*creditbankv1.RegisterOrganizationResponse](t)(creditbankv1.NewAdminServiceClient(s.officer(apitest.Administrator)).RegisterOrganization(
		ctx, &creditbankv1.RegisterOrganizationRequest{RequestId: s.RequestID(), Organization: &creditbankv1.Organization{
			OrganizationId: university, Name: "开放大学", Code: string(code), Parent: apitest.Root, TrustTier: 3,
			Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR},
		}}))
	sign, call := s.AddedKey(university, keyring.Sign), s.AddedKey(university, keyring.Authenticate)
	token, err := access.OrganizationToken(apitest.BankID, university, call, s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	conn := s.connect("Bearer " + token)
	client := creditbankv1.NewAgreementServiceClient(conn)
	yaml := agreements.OpenUniversity2026()
	signature, err := sign.Sign(keyring.AgreementText(apitest.BankID, university, sign.Public().ID(), sha256.Sum256(yaml)))
	if err != nil {
		t.Fatal(err)
	}
	publish := &creditbankv1.PublishAgreementRequest{RequestId: s.RequestID(), Yaml: yaml, KeyId: sign.Public().ID().String(), Signature: signature}
	published := ok[*creditbankv1.PublishAgreementResponse](t)(client.PublishAgreement(ctx, publish)).GetAgreement()
	if published.GetAgreementId() != university || published.GetInstitutionName() != "开放大学" || len(published.GetProgrammes()) != 2 ||
		published.GetProgrammes()[0].GetMilliCredits() != 71_000 || !published.GetConsumes() || published.GetQuoteDays() != 14 {
		t.Errorf("published %v", published)
	}
	again := ok[*creditbankv1.PublishAgreementResponse](t)(client.PublishAgreement(ctx, publish)).GetAgreement()
	if !proto.Equal(again, published) {
		t.Errorf("published again %v", again)
	}
	public := creditbankv1.NewAgreementServiceClient(s.nobody())
	read := ok[*creditbankv1.GetAgreementResponse](t)(public.GetAgreement(ctx, &creditbankv1.GetAgreementRequest{AgreementHash: published.GetAgreementHash()}))
	listed := ok[*creditbankv1.ListAgreementsResponse](t)(public.ListAgreements(ctx, &creditbankv1.ListAgreementsRequest{Institution: university})).GetAgreements()
	if string(read.GetYaml()) != string(yaml) || string(read.GetSignature()) != string(signature) || len(listed) != 1 || !proto.Equal(listed[0], published) {
		t.Errorf("read %v, listed %v", read, listed)
	}
	_, err = public.GetAgreement(ctx, &creditbankv1.GetAgreementRequest{AgreementHash: "12"})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "agreement_hash")
	_, err = client.PublishAgreement(ctx, &creditbankv1.PublishAgreementRequest{RequestId: s.RequestID(), Yaml: []byte("id: 1\n"), KeyId: publish.GetKeyId()})
	refused(t, err, codes.InvalidArgument, api.ReasonAgreementInvalid, "yaml")
	_, err = client.PublishAgreement(ctx, &creditbankv1.PublishAgreementRequest{RequestId: s.RequestID(), Yaml: yaml, KeyId: "x"})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "key_id")

	transfers := creditbankv1.NewTransferServiceClient(conn)
	asked := &creditbankv1.QuoteTransferRequest{AccountNumber: account.Number.Grouped(), Programme: "social-work-ba"}
	_, err = transfers.QuoteTransfer(ctx, asked)
	refused(t, err, codes.PermissionDenied, api.ReasonNoConsent, "account_number")
	consents := creditbankv1.NewConsentServiceClient(s.resident(account))
	consent := ok[*creditbankv1.GrantConsentResponse](t)(consents.GrantConsent(ctx, &creditbankv1.GrantConsentRequest{
		RequestId: s.RequestID(), Institution: university, Purpose: "transfer", ExpireTime: timestamppb.New(s.Clock.Now().Add(time.Hour)),
	})).GetConsent()
	quote := ok[*creditbankv1.QuoteTransferResponse](t)(transfers.QuoteTransfer(ctx, asked)).GetQuote()
	// 90 minutes are a tenth of a credit, which is a twentieth with the university.
	if quote.GetAvailableMilliCredits() != 100 || quote.GetTakenMilliCredits() != 100 || quote.GetGivenMilliCredits() != 50 || len(quote.GetDigest()) != 64 ||
		quote.GetAgreementHash() != published.GetAgreementHash() || quote.GetValidUntilTime().AsTime().Before(s.Clock.Now().AddDate(0, 0, 14)) ||
		quote.GetLogSize() == 0 || len(quote.GetItems()) != 1 {
		t.Errorf("quote %v", quote)
	}
	item := quote.GetItems()[0]
	if item.GetOutcome() != creditbankv1.QuoteOutcome_QUOTE_OUTCOME_ACCEPTED || item.GetCourseTitle() != "书法入门" || item.GetEndDate() != "2026-06-14" ||
		item.GetUsableUntil() == "" || len(item.GetReasons()) != 1 || item.GetReasons()[0].GetWords().GetZh() != "学分按 2:1 折算：0.1 学分 计 0.05 学分。" {
		t.Errorf("item %v", item)
	}
	one := proto.CloneOf(asked)
	one.Lots = []*creditbankv1.LotName{item.GetLot()}
	if narrowed := ok[*creditbankv1.QuoteTransferResponse](t)(transfers.QuoteTransfer(ctx, one)).GetQuote(); narrowed.GetDigest() != quote.GetDigest() {
		t.Errorf("all lots by their names are another quote: %v", narrowed)
	}
	accesses := ok[*creditbankv1.ListAccessesResponse](t)(creditbankv1.NewPortfolioServiceClient(s.resident(account)).ListAccesses(
		ctx, &creditbankv1.ListAccessesRequest{})).GetAccesses()
	if len(accesses) != 2 || accesses[0].GetOrganization() != university || accesses[0].GetAction() != "QuoteTransfer" || accesses[0].GetPurpose() != "transfer" {
		t.Errorf("accesses %v", accesses)
	}
	received := ok[*creditbankv1.ListReceivedConsentsResponse](t)(creditbankv1.NewConsentServiceClient(conn).ListReceivedConsents(
		ctx, &creditbankv1.ListReceivedConsentsRequest{PageSize: 10, Purpose: "transfer", ActiveOnly: true}))
	if got := received.GetConsents(); len(got) != 1 || got[0].GetAccountNumber() != string(account.Number) || !proto.Equal(got[0].GetConsent(), consent) || received.GetNextPageToken() != "" {
		t.Errorf("received %v, granted %v", received, consent)
	}
	_, err = consents.ListReceivedConsents(ctx, new(creditbankv1.ListReceivedConsentsRequest))
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	withdrawn := ok[*creditbankv1.WithdrawConsentResponse](t)(consents.WithdrawConsent(ctx, &creditbankv1.WithdrawConsentRequest{
		RequestId: s.RequestID(), ConsentId: consent.GetConsentId(),
	})).GetConsent()
	list := ok[*creditbankv1.ListConsentsResponse](t)(consents.ListConsents(ctx, &creditbankv1.ListConsentsRequest{})).GetConsents()
	if withdrawn.GetState() != creditbankv1.ConsentState_CONSENT_STATE_WITHDRAWN || len(list) != 1 || !proto.Equal(list[0], withdrawn) {
		t.Errorf("withdrawn %v, listed %v", withdrawn, list)
	}
	_, err = transfers.QuoteTransfer(ctx, asked)
	refused(t, err, codes.PermissionDenied, api.ReasonNoConsent, "account_number")
	ended := ok[*creditbankv1.EndAgreementResponse](t)(client.EndAgreement(ctx, &creditbankv1.EndAgreementRequest{
		RequestId: s.RequestID(), AgreementHash: published.GetAgreementHash(), LastDate: s.Clock.Now().AddDate(0, 0, 5).Format(time.DateOnly),
	})).GetAgreement()
	if !ended.GetEnded() || ended.GetEffectiveUntil() == "" {
		t.Errorf("ended %v", ended)
	}
}
