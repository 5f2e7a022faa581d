package web_test

import (
	"crypto/sha256"
	"encoding/csv"
	"maps"
	"net/http"
	"net/url"
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
	if page := v.page("/portfolio?lang=en"); strings.Contains(page, `name="school_code"`) || !strings.Contains(page, `name="student_number"`) {
		t.Error("codes of conversions are asked for before there are any, or others are not")
	}
	_, err = b.DeclineTransfer(ctx, institution, b.RequestID(), hold, "PROGRAMME_FULL", "", false)
	must(err)
	says("zh", "未接受")
	_, err = b.AcceptTransfer(ctx, institution, api.Acceptance{RequestID: b.RequestID(), Hold: ask()}, false)
	must(err)
	says("zh", "未接受", "已接受", "接受 0.1 学分，院校计 0.05 学分", "另有 0.1 学分已转换")
	says("en", "Declined", "Accepted", "0.1 credits taken; they give 0.05 credits there", "another 0.1 credits transferred")
	says("zh", "学校要求填写的代码", "仅转换表格", "接收学分的院校全部院校开放大学", "转换学校代码", "转换后教育层次不填20 本科21 专科")
	says("en", "Codes that schools ask for", "Conversions only", "Institution that took credits overAll institutions开放大学", "Level of its programmeLeave empty20 Bachelor")
	b.Record(b.Completion(account.Number)) // something that can still be deposited
	checkCodes(t, v, university)
}

// checkCodes fills in what only schools know: it is in the tables that ask for it, and what cannot be is said by the name of its field.
func checkCodes(t *testing.T, v *visitor, university string) {
	t.Helper()
	codes := url.Values{
		"institution": {university}, "school_code": {" 10250 "}, "converted_level": {"20"}, "major": {"社会工作"}, "level": {"21"}, "category": {"30"},
		"student_number": {"S-1"}, "graduation_year": {"2026"}, "graduation": {"40"}, "season": {"51"},
	}
	with := func(format string, changes ...string) url.Values {
		form := maps.Clone(codes)
		form.Set("format", format)
		for i := 0; i < len(changes); i += 2 {
			form.Set(changes[i], changes[i+1])
		}
		return form
	}
	row := func(format string) []string {
		t.Helper()
		w := v.do(http.MethodPost, "/portfolio/export", with(format))
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(w.Body.String(), "\uFEFF"))).ReadAll()
		if err != nil || w.Code != http.StatusOK || len(rows) != 2 {
			t.Fatalf("%s: %d, %v, %q", format, w.Code, err, rows)
		}
		return rows[1]
	}
	if r := row("shanghai-conversion-csv"); r[2] != "10250" || r[4] != "社会工作" || r[7] != "21" || r[8] != "30" || r[13] != "20" {
		t.Errorf("conversion %q", r)
	}
	if r := row("shanghai-csv"); r[0] != "S-1" || r[3] != "社会工作" || r[5] != "21" || r[6] != "30" || r[11] != "2026" || r[12] != "40" || r[13] != "51" {
		t.Errorf("deposit %q", r)
	}
	if w := v.do(http.MethodPost, "/portfolio/export", with("json")); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "10250") {
		t.Errorf("json: %d", w.Code)
	}
	long := strings.Repeat("学", 65)
	for _, c := range []struct{ format, field, value, zh, en string }{
		{"shanghai-conversion-csv", "school_code", long, "“转换学校代码”填写有误", "“School code of that institution” is not right"},
		{"shanghai-conversion-csv", "converted_level", "9", "“转换后教育层次”填写有误", "“Level of its programme” is not right"},
		{"shanghai-conversion-csv", "institution", "", "请选择是哪一所院校的", "choose whose they are"},
		{"shanghai-conversion-csv", "institution", "nobody", "“接收学分的院校”填写有误", "“Institution that took credits over” is not right"},
		{"shanghai-conversion-xlsx", "major", long, "“专业名称”填写有误", "“Programme (major)” is not right"},
		{"shanghai-csv", "student_number", "a\tb", "“学号”填写有误", "“Student number” is not right"},
		{"shanghai-csv", "graduation_year", "26", "四位年份", "Four digits"},
		{"shanghai-csv", "level", "9", "“教育层次”填写有误", "“Level of education” is not right"},
		{"shanghai-csv", "category", "9", "“教育类别”填写有误", "“Category of education” is not right"},
		{"shanghai-csv", "graduation", "9", "“毕业或结业”填写有误", "“Graduated or completed” is not right"},
		{"shanghai-csv", "season", "9", "“毕业季”填写有误", "“Season of graduation” is not right"},
	} {
		w := v.do(http.MethodPost, "/portfolio/export", with(c.format, c.field, c.value))
		if page := w.Body.String(); w.Code < 400 || w.Code >= 500 || !strings.Contains(page, c.zh) || !strings.Contains(page, c.en) || w.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s %q: %d\n%s", c.field, c.value, w.Code, page)
		}
	}
}
