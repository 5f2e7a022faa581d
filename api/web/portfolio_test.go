package web_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// learned is a completion that ended some days ago, in sessions of at most six hours on consecutive days.
type learned struct {
	provider, course string
	mode             statementv1.Mode
	daysAgo          int
	minutes          int64
	score            int32 // below 0: none
}

func (l learned) statement(b *apitest.Bank, account unit.AccountNumber) *statementv1.Statement {
	s := b.Completion(account)
	c := s.GetCompletion()
	c.Provider, c.Course, c.Mode, c.Sessions = l.provider, l.course, l.mode, nil
	end := b.Clock.Now().AddDate(0, 0, -l.daysAgo)
	const longest = 360
	for left := l.minutes; left > 0; left -= longest {
		minutes := min(left, longest)
		session := apitest.Session(end.Add(-time.Duration(minutes)*time.Minute), minutes)
		c.Sessions = append([]*statementv1.Session{session}, c.Sessions...)
		end = end.AddDate(0, 0, -1)
	}
	if l.score >= 0 {
		c.Score = &l.score
	}
	return s
}

// lived is an account with every outcome that a completion can have.
func lived(t *testing.T, b *apitest.Bank) api.Account {
	t.Helper()
	const room, online = statementv1.Mode_MODE_CLASSROOM, statementv1.Mode_MODE_ONLINE
	account := b.Open()
	post := func(l learned) *statementv1.Statement {
		s := l.statement(b, account.Number)
		b.Record(s)
		return s
	}
	decide := func(verdict api.Verdict, code, note string) {
		cases, _, err := b.ListCases(t.Context(), b.Officer(apitest.Officer), api.CaseFilter{}, api.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if len(cases) != 1 {
			t.Fatalf("%d cases wait", len(cases))
		}
		_, _, _, _, err = b.DecideCase(t.Context(), b.Officer(apitest.Officer), api.CaseDecision{
			RequestID: b.RequestID(), Case: cases[0].ID, Verdict: verdict, ReasonCode: code, Note: note,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	post(learned{apitest.Beishan, apitest.Calligraphy, room, 1, 90, -1})
	post(learned{apitest.Beishan, apitest.Calligraphy, room, 8, 100, -1})
	post(learned{apitest.Root, apitest.Welding, room, 10, 18_000, 90}) // 25 credits, of which 24 count in a half-year
	post(learned{apitest.Beishan, apitest.FirstAid, room, 60, 90, 80})
	post(learned{apitest.Cuiyuan, apitest.FirstAidOnline, online, 55, 90, 70})
	post(learned{apitest.Cuiyuan, apitest.Smartphone, room, 70, 450, 50})
	taken := post(learned{apitest.Beishan, apitest.Calligraphy, room, 15, 90, -1})
	b.Record(b.Void(taken.GetId()))
	post(learned{apitest.Cuiyuan, apitest.Smartphone, room, 200, 90, -1})
	decide(api.VerdictApprove, "EVIDENCE_SUFFICIENT", "已核对签到表 <b>&")
	post(learned{apitest.Cuiyuan, apitest.Smartphone, room, 210, 90, -1})
	decide(api.VerdictReject, "NOT_ATTENDED", "")
	post(learned{apitest.Beishan, apitest.Calligraphy, room, 220, 90, -1})
	return account
}

// Both languages say everything, and nothing in the other one.
func TestPortfolioIsComplete(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := lived(t, b)
	portfolio, err := b.GetPortfolio(t.Context(), b.Resident(account.ID), account.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	for lang, want := range map[string]struct {
		tag, title string
		badges     []string // newest entry first
		says       []string
	}{
		"zh": {"zh-CN", "我的终身学习档案 · 学分银行", []string{"✓ 已认定", "✓ 已认定", "✓ 已认定", "↩ 已撤回", "＝ 重复", "✓ 已认定", "○ 仅计学时", "✓ 已认定", "✕ 不予认定", "… 待审核"}, []string{
			account.Number.Grouped(), "身份已核验", "书法入门", "北山街道社区学校", "2026年6月14日", "2 学时（90 分钟） → 0.1 学分",
			"已达到", "人文艺术", "认证员说明：材料充分——已核对签到表 <b>&", "认证员说明：未参加学习", "版本 2026.1", "1 学时为 45 分钟",
			// 1.2 times 90, 100, 18,000, 90 and 450 minutes; an hour and a half of last year has lapsed.
			"374.6 积分", "有效期至2026年12月31日，逾期失效", "1.8 积分 已失效", "另得 1.8 积分",
			fmt.Sprintf("本页依据公开账本的前 %d 条记录", portfolio.LogSize),
		}},
		"en": {"en", "My lifelong learning record · Learning Credit Bank", []string{"✓ Awarded", "✓ Awarded", "✓ Awarded", "↩ Withdrawn", "＝ Duplicate", "✓ Awarded", "○ Hours only", "✓ Awarded", "✕ Refused", "… In review"}, []string{
			account.Number.Grouped(), "Identity verified", "书法入门", "北山街道社区学校", "14 June 2026", "2 learning hours (90 minutes) → 0.1 credits",
			"Met", "Humanities and arts", "From the officer: The evidence is sufficient – 已核对签到表 <b>&", "From the officer: Not attended", "version 2026.1",
			"374.6 points", "Valid until 31 December 2026; after that they lapse", "1.8 points have lapsed", "and 1.8 points",
			"one is 45 minutes", fmt.Sprintf("the first %d entries of the public log", portfolio.LogSize),
		}},
	} {
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		if tag := attribute(elements(root, "html")[0], "lang"); tag != want.tag {
			t.Errorf("%s: the page says that it is in %q", lang, tag)
		}
		if title := text(elements(root, "title")[0]); title != want.title {
			t.Errorf("%s: the title is %q", lang, title)
		}
		var badges []string
		for _, entry := range classed(root, "entry") {
			badges = append(badges, text(classed(entry, "badge")[0]))
		}
		if !slices.Equal(badges, want.badges) {
			t.Errorf("%s: the outcomes are %q", lang, badges)
		}
		page := text(root)
		for _, words := range want.says {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q", lang, words)
			}
		}
	}
}

// What a resident reads adds up: the categories to the totals, and the reasons of each entry to its credits.
func TestPortfolioAddsUp(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := lived(t, b)
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	root := parse(t, v.page("/portfolio?lang=en"))

	total := text(elements(classed(root, "totals")[0], "strong")[0])
	var sum unit.Credits
	for _, row := range elements(elements(root, "tbody")[0], "tr") {
		credits, err := unit.ParseCredits(text(elements(elements(row, "td")[0], "strong")[0]))
		if err != nil {
			t.Fatal(err)
		}
		sum += credits
	}
	// 24 are all that count in this half-year; 0.1 is of the one before.
	if sum.String() != "24.100" || total != "24.1" {
		t.Errorf("the categories make %s, the total is %s", sum, total)
	}

	chains := 0
	for _, entry := range classed(root, "entry") {
		var last string
		for _, chain := range classed(entry, "chain") {
			before, after, _ := strings.Cut(text(chain), " → ")
			if strings.HasSuffix(after, "points") { // beside the others
				continue
			}
			if last != "" && before != last {
				t.Errorf("%s: after %q comes %q", text(elements(entry, "h4")[0]), last, text(chain))
			}
			last = after
			chains++
		}
		if got := text(classed(entry, "badge")[0]); got != "✓ Awarded" {
			continue
		}
		gives := strings.TrimPrefix(text(classed(entry, "gives")[0]), "→ ")
		if pending := classed(entry, "result")[0]; strings.Contains(text(pending), "pending") {
			continue // the chain ends in what is available, and what waits has its own reason
		}
		if last != gives {
			t.Errorf("%s: the reasons end in %q, the entry gives %q", text(elements(entry, "h4")[0]), last, gives)
		}
	}
	if chains < 15 {
		t.Errorf("only %d steps are shown", chains)
	}
}

func TestPortfolioOfNothing(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	v := newSite(t, b, nil).signedIn(b.ResidentToken(b.Open().ID))
	for lang, words := range map[string]string{"zh": "还没有学习记录", "en": "Nothing yet."} {
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		if !strings.Contains(text(root), words) || len(classed(root, "entry"))+len(elements(root, "table")) > 0 {
			t.Errorf("%s: %s", lang, text(root))
		}
	}
}

func TestPortfolioIsPaged(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	statements := make([]*statementv1.Statement, 45)
	for i := range statements {
		statements[i] = learned{apitest.Beishan, apitest.Calligraphy, statementv1.Mode_MODE_CLASSROOM, i + 1, 90, -1}.statement(b, account.Number)
	}
	b.Record(statements...)
	s := newSite(t, b, nil)
	v := s.signedIn(b.ResidentToken(account.ID))

	var dates, sizes []string
	pages, second := 0, ""
	for next := "/portfolio?lang=en&size=large"; next != "" && pages < 10; pages++ {
		root := parse(t, v.page(next))
		if pages == 1 {
			second = next
		}
		next = ""
		for _, entry := range classed(root, "entry") {
			dates = append(dates, attribute(elements(entry, "time")[0], "datetime"))
		}
		sizes = append(sizes, attribute(elements(root, "html")[0], "class"))
		for _, link := range elements(root, "a") {
			switch attribute(link, "rel") {
			case "next":
				next = attribute(link, "href")
			case "first":
				if pages == 0 {
					t.Error("the first page leads to itself")
				}
			}
		}
		if totals := len(classed(root, "totals")); (pages == 0) != (totals == 1) {
			t.Errorf("page %d has the totals %d times", pages, totals)
		}
	}
	if pages != 3 || len(dates) != 45 || !slices.IsSortedFunc(dates, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("%d pages with %d entries: %q", pages, len(dates), dates)
	}
	if unique := slices.Compact(slices.Clone(dates)); len(unique) != 45 {
		t.Errorf("entries are there twice: %q", dates)
	}
	if !slices.Equal(sizes, []string{"large", "large", "large"}) {
		t.Errorf("the size of type is lost on the way: %q", sizes)
	}
	for _, secret := range []string{string(account.Number), account.ID.String(), v.cookies["creditbank_session"].Value} {
		if strings.Contains(second, secret) {
			t.Errorf("the address %q names the account", second)
		}
	}

	// The choices of a page lead to the same page.
	for _, address := range attributes(parse(t, v.page(second)), "href") {
		if strings.Contains(address, "size=") && !strings.Contains(address, "page=") {
			t.Errorf("%q leads to another page", address)
		}
	}
	other := s.signedIn(b.ResidentToken(b.Open().ID))
	if w := other.get(second); w.Code != http.StatusBadRequest {
		t.Errorf("the page of another record: %d", w.Code)
	}
}

// Those who hold no account are told so; those who are nobody are sent to sign in.
func TestPortfolioIsForHolders(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	s := newSite(t, b, nil)
	for name, token := range map[string]string{"officer": b.OfficerToken(apitest.Officer), "platform": b.PlatformToken(apitest.Platform)} {
		v := s.signedIn(token)
		w := v.get("/portfolio")
		root := parse(t, w.Body.String())
		if page := text(root); w.Code != http.StatusForbidden || !strings.Contains(page, "本页面供账户持有人使用") || !strings.Contains(page, "for account holders") {
			t.Errorf("%s: %d %s", name, w.Code, page)
		}
		checkLanguage(t, root)
		if !slices.Contains(attributes(root, "action"), "/sign-out") {
			t.Errorf("%s: there is no way out", name)
		}
	}

	if w := s.visitor().get("/portfolio"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sign-in" {
		t.Errorf("nobody: %d %s", w.Code, w.Header().Get("Location"))
	}
	program := s.visitor()
	program.header.Set("Authorization", "bearer "+b.ResidentToken(account.ID))
	program.page("/portfolio")
	program.header.Set("Authorization", "Bearer wrong")
	if w := program.get("/portfolio"); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("a wrong token: %d %v", w.Code, w.Header())
	}

	late := s.signedIn(b.ResidentToken(account.ID))
	b.Clock.Advance(13 * time.Hour)
	if w := late.get("/portfolio"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sign-in?ended" {
		t.Errorf("an old session: %d %s", w.Code, w.Header().Get("Location"))
	}
	if page := late.page("/sign-in?ended"); !strings.Contains(page, "登录已过期") || late.cookies["creditbank_session"] != nil {
		t.Errorf("after an old session: %s", page)
	}
}

func TestTaste(t *testing.T) {
	t.Parallel()
	s := newSite(t, apitest.NewBank(t), nil)
	for _, test := range []struct{ accept, query, tag, size string }{
		{"", "", "zh-CN", "standard"},
		{"en-US,en;q=0.9,zh;q=0.8", "", "en", "standard"},
		{"de, EN;q=0.5", "", "en", "standard"},
		{"zh-TW", "", "zh-CN", "standard"},
		{"fr", "", "zh-CN", "standard"},
		{"en", "?lang=zh", "zh-CN", "standard"},
		{"", "?lang=en&size=largest", "en", "largest"},
		{"", "?lang=fr&size=huge", "zh-CN", "standard"},
	} {
		v := s.visitor()
		v.header.Set("Accept-Language", test.accept)
		for _, target := range []string{"/sign-in" + test.query, "/sign-in"} { // the second time by cookie
			page := elements(parse(t, v.page(target)), "html")[0]
			if attribute(page, "lang") != test.tag || attribute(page, "class") != test.size {
				t.Errorf("%+v: %s is in %q, %q", test, target, attribute(page, "lang"), attribute(page, "class"))
			}
		}
	}
}

// Every phrase is there in both languages and is used, and every phrase that is used is there.
func TestPhrases(t *testing.T) {
	t.Parallel()
	phrases := web.Phrases()
	for name, p := range phrases {
		if p[0] == "" || p[1] == "" || !speaks(p[0], "zh-CN") || !speaks(p[1], "en") {
			t.Errorf("%s: %q", name, p)
		}
		if a, b := strings.Count(p[0], "%"), strings.Count(p[1], "%"); a != b {
			t.Errorf("%s takes %d and %d values: %q", name, a, b, p)
		}
	}
	used := make(map[string]bool)
	files, err := filepath.Glob("pages/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\bt "([^"]+)"`).FindAllStringSubmatch(string(b), -1) {
			used[match[1]] = true
			if _, ok := phrases[match[1]]; !ok {
				t.Errorf("%s uses the phrase %q, which is not there", file, match[1])
			}
		}
		if han := regexp.MustCompile(`\p{Han}`).Find(b); han != nil {
			t.Errorf("%s says something by itself: %q", file, han)
		}
	}
	for name := range phrases {
		if !used[name] {
			t.Errorf("nothing uses the phrase %q", name)
		}
	}
}

// The learner reads how the review of a completion stands, until when, and everything that was said on the way, but neither who
// objected nor how.
func TestPortfolioShowsReview(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account, neighbour := b.Open(), b.Open()
	const room = statementv1.Mode_MODE_CLASSROOM
	b.Record(learned{apitest.Root, apitest.Welding, room, 3, 60, -1}.statement(b, account.Number))
	overlap := b.Submission(apitest.OtherPlatform, learned{apitest.Cuiyuan, apitest.Smartphone, room, 3, 90, -1}.statement(b, account.Number))
	results, _, err := b.RecordCompletions(t.Context(), b.Platform(apitest.OtherPlatform), overlap, false)
	if err != nil {
		t.Fatal(err)
	}
	step := func(by access.Caller, act review.Act, reason, note string) {
		t.Helper()
		_, err := b.TakeStep(t.Context(), by, api.Step{
			RequestID: b.RequestID(), Case: results[0].Index, Act: act, ReasonCode: reason, Note: note,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	step(b.Officer(apitest.Officer), review.Approve, "OVERLAP_EXPLAINED", "初审意见")
	step(b.Officer(apitest.SecondOfficer), review.Approve, "EVIDENCE_SUFFICIENT", "<复审>意见")
	step(b.Resident(neighbour.ID), review.Object, "", "他那天在别处")
	step(b.Officer(apitest.ThirdOfficer), review.Approve, "OBJECTION_UNFOUNDED", "已向教师核实")
	for lang, want := range map[string][]string{
		"zh": {
			"审核通过，正在公示，至 2026年6月20日（含）", "初审建议通过：时间重叠已说明清楚", "初审意见", "<复审>意见", "有人提出异议",
			"异议不成立，继续公示：异议不成立", "已向教师核实", "由两名认证员先后审核，通过后公示 5 天",
		},
		"en": {"Approved, and under public notice until the end of", "The first officer would approve: The overlap in time was explained", "The objection was dismissed"},
	} {
		root := parse(t, newSite(t, b, nil).signedIn(b.ResidentToken(account.ID)).page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, words := range want {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q", lang, words)
			}
		}
		if strings.Contains(page, "他那天在别处") {
			t.Errorf("%s: the page says how somebody objected", lang)
		}
	}
}

// Everybody reads the public notices, in both languages and without a name that is not masked.
func TestNotices(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	v := newSite(t, b, nil).visitor()
	if page := text(parse(t, v.page("/notices?lang=zh"))); !strings.Contains(page, "目前没有公示") {
		t.Errorf("the page of no notices says %q", page)
	}
	account := b.Open()
	const room = statementv1.Mode_MODE_CLASSROOM
	b.Record(learned{apitest.Root, apitest.Welding, room, 3, 60, -1}.statement(b, account.Number))
	overlap := b.Submission(apitest.OtherPlatform, learned{apitest.Cuiyuan, apitest.Smartphone, room, 3, 90, -1}.statement(b, account.Number))
	results, _, err := b.RecordCompletions(t.Context(), b.Platform(apitest.OtherPlatform), overlap, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, officer := range []string{apitest.Officer, apitest.SecondOfficer} {
		_, _, _, _, err := b.DecideCase(t.Context(), b.Officer(officer), api.CaseDecision{
			RequestID: b.RequestID(), Case: results[0].Index, Verdict: api.VerdictApprove, ReasonCode: "OVERLAP_EXPLAINED",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	person, err := b.Vault.Person(t.Context(), account.ID)
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string][]string{
		"zh": {"智能手机应用", "翠苑街道社区学校", "90 分钟", "公示至 2026年6月20日（含）", fmt.Sprintf("案件 %d", results[0].Index), api.MaskedName(person.Name)},
		"en": {"智能手机应用", "90 minutes", "until the end of 20 June 2026", fmt.Sprintf("case %d", results[0].Index), api.MaskedName(person.Name)},
	} {
		root := parse(t, v.page("/notices?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, words := range want {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q: %s", lang, words, page)
			}
		}
		if strings.Contains(page, person.Name) {
			t.Errorf("%s: the page says %q", lang, person.Name)
		}
	}
}
