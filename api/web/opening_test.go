package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
)

// What was earned under another system stands beside what was learned here, says where it comes from and who answers for it, and
// never pretends that a rule judged it.
func TestOpeningBalanceIsShown(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	untitled, mistaken := apitest.OpeningRow(account.Number, "B-2"), apitest.OpeningRow(account.Number, "B-3")
	untitled.Title, untitled.Minutes, untitled.EarnedOn = "", 0, "2018-05-04"
	mistaken.EarnedOn = "2017-05-04"
	for i, r := range b.TakeOver(apitest.OpeningRow(account.Number, "B-1"), untitled, mistaken, apitest.OpeningReversal(account.Number, "B-3")) {
		if r.Status != api.Recorded {
			t.Fatalf("row %d: %v", i, r.Fault)
		}
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	for lang, want := range map[string]struct {
		titles, says []string
	}{
		"zh": {[]string{"书法班", "期初余额", "书法班"}, []string{
			"期初余额", "来源：" + apitest.OpeningSource, "2019年5月4日", "90 分钟 → 1.5 学分", "期初余额 1.5 学分", "原系统编号B-1",
			"提出" + apitest.Officer, "复核" + apitest.SecondOfficer, "两名认证员", "登记有误，已由两名认证员更正",
		}},
		"en": {[]string{"书法班", "Opening balance", "书法班"}, []string{
			"Opening balance", "Source: " + apitest.OpeningSource, "4 May 2019", "90 minutes → 1.5 credits", "Record thereB-1",
			"Proposed by" + apitest.Officer, "Confirmed by" + apitest.SecondOfficer, "Recorded in error and taken back by two officers",
		}},
	} {
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		var titles []string
		for _, title := range elements(root, "h4") {
			titles = append(titles, text(title))
		}
		if !slices.Equal(titles, want.titles) {
			t.Errorf("%s: titles %q", lang, titles)
		}
		page := text(root)
		for _, words := range want.says {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q: %s", lang, words, page)
			}
		}
		if reasons := classed(root, "reasons"); len(reasons) > 0 {
			t.Errorf("%s: %s", lang, fmt.Sprint(len(reasons), " lists of reasons"))
		}
	}
}
