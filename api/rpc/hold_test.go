package rpc_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// A resident asks for what was quoted, the institution takes it over, and both have the proof; what ends otherwise says how.
func TestTransferOverRPC(t *testing.T) {
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
	yaml := agreements.OpenUniversity2026()
	signature, err := sign.Sign(keyring.AgreementText(apitest.BankID, university, sign.Public().ID(), sha256.Sum256(yaml)))
	if err != nil {
		t.Fatal(err)
	}
	ok[*creditbankv1.PublishAgreementResponse](t)(creditbankv1.NewAgreementServiceClient(conn).PublishAgreement(ctx, &creditbankv1.PublishAgreementRequest{
		RequestId: s.RequestID(), Yaml: yaml, KeyId: sign.Public().ID().String(), Signature: signature,
	}))
	institution, resident := creditbankv1.NewTransferServiceClient(conn), creditbankv1.NewTransferServiceClient(s.resident(account))
	request := func() *creditbankv1.RequestTransferRequest {
		q := ok[*creditbankv1.QuoteTransferResponse](t)(resident.QuoteTransfer(ctx, &creditbankv1.QuoteTransferRequest{
			Institution: university, Programme: "social-work-ba",
		})).GetQuote()
		return &creditbankv1.RequestTransferRequest{
			RequestId: s.RequestID(), Institution: university, Programme: "social-work-ba", AgreementHash: q.GetAgreementHash(),
			QuoteDate: q.GetQuoteDate(), QuoteDigest: q.GetDigest(), WithProof: true,
		}
	}
	for field, change := range map[string]func(r *creditbankv1.RequestTransferRequest){
		"quote_digest":   func(r *creditbankv1.RequestTransferRequest) { r.QuoteDigest = "zz" },
		"agreement_hash": func(r *creditbankv1.RequestTransferRequest) { r.AgreementHash = "zz" },
		"quote_date":     func(r *creditbankv1.RequestTransferRequest) { r.QuoteDate = "2026" },
	} {
		wrong := request()
		change(wrong)
		_, err := resident.RequestTransfer(ctx, wrong)
		refused(t, err, codes.InvalidArgument, api.ReasonField, field)
	}
	changed := request()
	changed.QuoteDigest = strings.Repeat("00", 32)
	_, err = resident.RequestTransfer(ctx, changed)
	refused(t, err, codes.Aborted, api.ReasonQuoteChanged, "quote_digest")

	asked := request()
	held := ok[*creditbankv1.RequestTransferResponse](t)(resident.RequestTransfer(ctx, asked))
	transfer, proof := held.GetTransfer(), held.GetProof()
	if transfer.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD || transfer.GetHeldMilliCredits() != 100 || transfer.GetGrantedMilliCredits() != 50 ||
		held.GetBalance().GetTotals().GetReservedMilliCredits() != 100 || transfer.GetItems()[0].GetTitle() != "书法入门" {
		t.Errorf("held %v", held)
	}
	checkpoint, err := merkle.OpenCheckpoint([]byte(proof.GetCheckpoint()), apitest.Origin, s.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []merkle.Hash
	for _, h := range proof.GetInclusionProof() {
		hashes = append(hashes, merkle.Hash(h))
	}
	if err := merkle.VerifyInclusion(merkle.Hash(proof.GetLeafHash()), proof.GetEntryIndex(), checkpoint.Size, hashes, checkpoint.Root); err != nil {
		t.Error(err)
	}
	id := transfer.GetTransferId()
	_, err = institution.AcceptTransfer(ctx, &creditbankv1.AcceptTransferRequest{
		RequestId: s.RequestID(), TransferId: id, Take: []*creditbankv1.TransferTake{{Item: 0, MilliCredits: 101}},
	})
	refused(t, err, codes.InvalidArgument, api.ReasonTransferAmount, "take[0].milli_credits")
	_, err = resident.GetTransferBundle(ctx, &creditbankv1.GetTransferBundleRequest{TransferId: id})
	refused(t, err, codes.FailedPrecondition, api.ReasonTransferNotAccepted, "transfer_id")
	declined := ok[*creditbankv1.DeclineTransferResponse](t)(institution.DeclineTransfer(ctx, &creditbankv1.DeclineTransferRequest{
		RequestId: s.RequestID(), TransferId: id, ReasonCode: "OTHER", Note: "请补交材料",
	})).GetTransfer()
	shown := ok[*creditbankv1.GetTransferResponse](t)(resident.GetTransfer(ctx, &creditbankv1.GetTransferRequest{TransferId: id})).GetTransfer()
	if declined.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_DECLINED || shown.GetNote() != "请补交材料" || !proto.Equal(declined, shown) {
		t.Errorf("declined %v, shown %v", declined, shown)
	}
	second := ok[*creditbankv1.RequestTransferResponse](t)(resident.RequestTransfer(ctx, request())).GetTransfer()
	ok[*creditbankv1.WithdrawTransferResponse](t)(resident.WithdrawTransfer(ctx, &creditbankv1.WithdrawTransferRequest{
		RequestId: s.RequestID(), TransferId: second.GetTransferId(),
	}))
	_, err = institution.AcceptTransfer(ctx, &creditbankv1.AcceptTransferRequest{RequestId: s.RequestID(), TransferId: second.GetTransferId()})
	refused(t, err, codes.FailedPrecondition, api.ReasonTransferEnded, "transfer_id")
	third := ok[*creditbankv1.RequestTransferResponse](t)(resident.RequestTransfer(ctx, request())).GetTransfer()
	taken := ok[*creditbankv1.AcceptTransferResponse](t)(institution.AcceptTransfer(ctx, &creditbankv1.AcceptTransferRequest{
		RequestId: s.RequestID(), TransferId: third.GetTransferId(),
	}))
	if taken.GetBalance().GetProgrammeMilliCredits() != 50 || taken.GetBalance().GetTotals() != nil || taken.GetTransfer().GetTakenMilliCredits() != 100 {
		t.Errorf("taken %v", taken)
	}
	file := ok[*creditbankv1.GetTransferBundleResponse](t)(institution.GetTransferBundle(ctx, &creditbankv1.GetTransferBundleRequest{
		TransferId: third.GetTransferId(),
	})).GetBundle()
	if v, err := bundle.Verify(file, s.Verifier, apitest.Origin); err != nil || v.Credits != 100 {
		t.Errorf("bundle %+v, %v", v, err)
	}
	listed := ok[*creditbankv1.ListTransfersResponse](t)(institution.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{})).GetTransfers()
	if len(listed) != 3 || listed[0].GetTransferId() != third.GetTransferId() {
		t.Errorf("listed %v", listed)
	}
	news := ok[*creditbankv1.ListTransfersResponse](t)(institution.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{
		ChangedSinceIndex: new(taken.GetProof().GetEntryIndex()),
	}))
	if len(news.GetTransfers()) != 1 || news.GetNextChangedSinceIndex() <= taken.GetProof().GetEntryIndex() {
		t.Errorf("news %v", news)
	}
	_, err = resident.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{ChangedSinceIndex: new(uint64(1))})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "changed_since_index")
	_, err = institution.ListTransfers(ctx, &creditbankv1.ListTransfersRequest{AccountId: account.ID.String()})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "account_id")
}
