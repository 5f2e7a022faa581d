package web_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A resident reads who looked at the record and who may, in both languages, and nothing of their own looks.
func TestPortfolioShowsWhoLooked(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	code, err := unit.OrganizationCodeFor("12330000000000007")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.RegisterOrganization(context.Background(), b.Officer(apitest.Administrator), b.RequestID(), api.Organization{
		ID: "open-university", Name: "开放大学", Code: string(code), Parent: apitest.Root, TrustTier: 3,
		Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	says := func(lang string, want ...string) string {
		t.Helper()
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, words := range want {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q: %s", lang, words, page)
			}
		}
		return page
	}
	if page := says("zh", "谁看过我的档案", "还没有人查看过"); strings.Contains(page, "目前有效的授权") {
		t.Error("there are consents that nobody granted")
	}
	consent, err := b.GrantConsent(context.Background(), b.Officer(apitest.Registrar), api.NewConsent{
		RequestID: b.RequestID(), Account: account.ID, Institution: "open-university", Purpose: api.PurposeTransfer,
		Categories: []string{"arts"}, Expires: b.Clock.Now().AddDate(0, 0, 10),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.GetPortfolio(context.Background(), b.Officer(apitest.Officer), account.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.GetEntry(context.Background(), b.Officer(apitest.Officer), consent.Index, false); err != nil {
		t.Fatal(err)
	}
	for _, by := range []access.Caller{b.Officer(apitest.Registrar), b.Resident(account.ID)} {
		err = b.ExportPortfolio(context.Background(), by, api.Export{
			Account: account.ID, Format: export.JSON, Purpose: "counter",
		}, func(api.ExportedFile) (io.Writer, error) { return io.Discard, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if page := says("zh", "工作人员：导出学习档案"); strings.Count(page, "导出学习档案") != 1 || !strings.Contains(page, "counter") {
		t.Error("it is not there once")
	}
	says("zh", "开放大学", "学分转换，可见部分记录，有效至", "西湖区社区学院", "工作人员：查看学习档案", "工作人员：代为授权",
		"工作人员：查看账本中的一条记录")
	says("en", "may see a part of the record", "an officer: looked at the record", "granted a consent for you",
		"an officer: looked at an entry of the log")
	if _, err := b.WithdrawConsent(context.Background(), b.Resident(account.ID), b.RequestID(), account.ID, consent.Index); err != nil {
		t.Fatal(err)
	}
	if page := says("zh", "代为授权"); strings.Contains(page, "学分转换") {
		t.Error("a consent that was withdrawn is shown")
	}
}
