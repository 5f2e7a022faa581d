package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
)

// Who loses a completion to a clawback, or cannot use it, reads why, and until when they can appeal, in their language.
func TestPortfolioShowsClawback(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	b.Record(b.Completion(account.Number))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hold, err := b.ProposeClawback(t.Context(), b.Officer(apitest.Officer), api.ClawbackProposal{
		RequestID: b.RequestID(), Selection: api.ClawbackSelection{Platform: apitest.Platform},
		ReasonCode: "IMPLAUSIBLE", Reason: "签到表系伪造 <b>&", Hold: true,
	})
	must(err)
	_, err = b.RunClawbacks(t.Context())
	must(err)
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	shows := func(lang string, words ...string) {
		t.Helper()
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		shown := text(root)
		for _, w := range words {
			if !strings.Contains(shown, w) {
				t.Errorf("%s: the page does not say %q:\n%s", lang, w, shown)
			}
		}
	}
	shows("zh", "学分暂时冻结")
	shows("en", "the credits are held")
	p, err := b.PreviewClawback(t.Context(), b.Officer(apitest.SecondOfficer), api.ClawbackSelection{}, hold.Index, nil)
	must(err)
	_, err = b.ConfirmClawback(t.Context(), b.Officer(apitest.SecondOfficer), b.RequestID(), hold.Index, p.Digest)
	must(err)
	_, err = b.RunClawbacks(t.Context())
	must(err)
	b.Clock.Advance(time.Hour)
	shows("zh", "已被追回", "签到表系伪造 <b>&", "追回（两位认证员决定）", "可在 2026年7月15日（含）前申诉", "✕ 不予认定")
	shows("en", "Two officers decided to take this back", "签到表系伪造 <b>&", "Taken back, as two officers decided", "you can appeal until the end of 15 July 2026", "✕ Refused")
}
