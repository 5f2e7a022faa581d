package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A claim stands in the record with what is claimed, the files that show it, how far it is, and in the end with what it gives
// and why.
func TestClaimIsShown(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	file, err := b.UploadEvidence(context.Background(), resident, account.ID, "certificate.pdf", "application/pdf", []byte("%PDF-1.7\nstartxref\n9\n%%EOF\n"))
	if err != nil {
		t.Fatal(err)
	}
	claimed := api.NewClaim{
		RequestID: b.RequestID(), Account: account.ID, Kind: ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, Category: "arts",
		Title: "社区书法课助教", Issuer: "北山街道", To: "2026-05-04", Description: "每周六", Minutes: 900, Evidence: []api.ClaimFile{file.ClaimFile},
	}
	filed, err := b.SubmitClaim(context.Background(), resident, claimed)
	if err != nil {
		t.Fatal(err)
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	says := func(lang string, want ...string) {
		t.Helper()
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, words := range want {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q: %s", lang, words, page)
			}
		}
	}
	says("zh", "社区书法课助教", "北山街道", "先前学习认定", "类型志愿服务", "说明每周六", "证明材料certificate.pdf", "2026年5月4日")
	says("en", "Claim to prior learning", "KindVolunteering", "Filescertificate.pdf", "Claimed900 minutes")
	_, _, _, _, err = b.DecideCase(context.Background(), b.Officer(apitest.Officer), api.CaseDecision{
		RequestID: b.RequestID(), Case: filed.Index, Verdict: api.VerdictApprove, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: 450},
	})
	if err != nil {
		t.Fatal(err)
	}
	says("zh", "450 分钟", "志愿服务只计学时")
	says("en", "Volunteering counts hours only")
}

// What is claimed lies under a seal: the notice of a claim says what it is about, and no amount.
func TestNoticeOfClaim(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	file, err := b.UploadEvidence(context.Background(), resident, account.ID, "certificate.pdf", "application/pdf", []byte("%PDF-1.7\nstartxref\n9\n%%EOF\n"))
	if err != nil {
		t.Fatal(err)
	}
	filed, err := b.SubmitClaim(context.Background(), resident, api.NewClaim{
		RequestID: b.RequestID(), Account: account.ID, Kind: ledgerv1.ClaimKind_CLAIM_KIND_CERTIFICATE, Category: "vocational",
		Title: "茶艺师（四级）", Issuer: "浙江省职业技能鉴定中心", To: "2024-06-30", Minutes: 1440, Evidence: []api.ClaimFile{file.ClaimFile},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, officer := range []string{apitest.Officer, apitest.SecondOfficer} {
		if _, _, _, _, err := b.DecideCase(context.Background(), b.Officer(officer), api.CaseDecision{
			RequestID: b.RequestID(), Case: filed.Index, Verdict: api.VerdictApprove, ReasonCode: "EVIDENCE_SUFFICIENT",
		}); err != nil {
			t.Fatal(err)
		}
	}
	page := text(parse(t, newSite(t, b, nil).visitor().page("/notices?lang=zh")))
	if !strings.Contains(page, "证书与资格") || !strings.Contains(page, "2024年6月30日") || strings.Contains(page, "分钟") || strings.Contains(page, "茶艺师") {
		t.Errorf("the page says %s", page)
	}
}
