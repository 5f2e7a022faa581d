package web_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// What institutions were asked to take over stands on the first page, in words, with what became of it.
func TestTransfersAreShown(t *testing.T) {
	t.Parallel()
	const university = "open-university"
	b, ctx := apitest.NewBank(t), t.Context()
	account := b.Open()
	b.Record(b.Completion(account.Number))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	code, err := unit.OrganizationCodeFor("12330000000000007")
	must(err)
	_, err = b.RegisterOrganization(ctx, b.Officer(apitest.Administrator), b.RequestID(), api.Organization{
		ID: university, Name: "开放大学", Code: string(code), Parent: apitest.Root, TrustTier: 3, Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR},
	})
	must(err)
	sign, call := b.AddedKey(university, keyring.Sign), b.AddedKey(university, keyring.Authenticate)
	token, err := access.OrganizationToken(apitest.BankID, university, call, b.Clock.Now())
	must(err)
	institution, yaml := b.As(token), agreements.OpenUniversity2026()
	signature, err := sign.Sign(keyring.AgreementText(apitest.BankID, university, sign.Public().ID(), sha256.Sum256(yaml)))
	must(err)
	_, err = b.PublishAgreement(ctx, institution, api.NewAgreement{RequestID: b.RequestID(), YAML: yaml, Key: sign.Public().ID(), Signature: signature})
	must(err)
	resident := b.Resident(account.ID)
	ask := func() uint64 {
		t.Helper()
		q, err := b.QuoteTransfer(ctx, resident, api.QuoteRequest{Institution: university, Programme: "social-work-ba"})
		must(err)
		done, err := b.RequestTransfer(ctx, resident, api.TransferRequest{
			RequestID: b.RequestID(), Institution: university, Programme: "social-work-ba", Agreement: q.Agreement.Hash,
			QuoteDate: q.Day.String(), QuoteDigest: q.Digest[:],
		}, false)
		must(err)
		return done.Transfer.Hold
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	says := func(lang string, words ...string) {
		t.Helper()
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, one := range words {
			if !strings.Contains(page, one) {
				t.Errorf("%s: the page does not say %q: %s", lang, one, page)
			}
		}
	}
	if page := text(parse(t, v.page("/portfolio?lang=zh"))); strings.Contains(page, "学分转换") {
		t.Errorf("there is nothing to show yet: %s", page)
	}
	hold := ask()
	says("zh", "学分转换", "开放大学", "等待院校答复", "社会工作（专升本）", "申请转换 0.1 学分", "院校应于2026年7月16日前答复", "另有 0.1 学分已预留")
	says("en", "Transfers", "Waits for the institution", "Social work (bachelor)", "0.1 credits asked for", "to be answered before 16 July 2026", "another 0.1 credits reserved")
	_, err = b.DeclineTransfer(ctx, institution, b.RequestID(), hold, "PROGRAMME_FULL", "", false)
	must(err)
	says("zh", "未接受")
	_, err = b.AcceptTransfer(ctx, institution, api.Acceptance{RequestID: b.RequestID(), Hold: ask()}, false)
	must(err)
	says("zh", "未接受", "已接受", "接受 0.1 学分，院校计 0.05 学分", "另有 0.1 学分已转换")
	says("en", "Declined", "Accepted", "0.1 credits taken; they give 0.05 credits there", "another 0.1 credits transferred")
}
