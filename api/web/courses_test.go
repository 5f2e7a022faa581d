package web_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Everybody reads the catalogue, in both languages, and finds courses by words.
func TestCourses(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	v := newSite(t, b, nil).visitor()
	_, err := b.ChangeCourse(t.Context(), b.Officer(apitest.SecondOfficer), api.CourseChange{
		RequestID: b.RequestID(), Provider: apitest.Beishan, Code: apitest.Calligraphy, Version: apitest.CourseVersion,
		Change: ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED, From: "2026-07-01", Until: "2026-07-31", ReasonCode: "QUALITY",
	})
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string][]string{
		"zh": {"5 门课程", "书法入门", "北山街道社区学校", "人文艺术", "720 分钟", "等级：一级（入门）", "暂停：2026年7月1日至2026年7月31日", "有效期：2025年1月1日起"},
		"en": {"5 courses", "书法入门", "Humanities and arts", "720 minutes", "Level: Level 1 (entry)", "Suspended: from 1 July 2026 to 31 July 2026", "from 1 January 2025"},
	} {
		root := parse(t, v.page("/courses?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, words := range want {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q: %s", lang, words, page)
			}
		}
		if strings.Contains(page, "茶艺") {
			t.Errorf("%s: a course is shown that nobody has accredited", lang)
		}
	}
	found := v.page("/courses?lang=zh&q=" + url.QueryEscape("急救 线上"))
	if page := text(parse(t, found)); !strings.Contains(page, "1 门课程") || !strings.Contains(page, "家庭急救（线上）") || strings.Contains(page, "书法入门") {
		t.Errorf("found: %s", page)
	}
	// The same words are asked for in the other language, and stand in the field.
	if !strings.Contains(found, `value="急救 线上"`) || !strings.Contains(found, "lang=en&amp;q=") {
		t.Errorf("the words are lost: %s", found)
	}
	if page := text(parse(t, v.page("/courses?lang=zh&q="+url.QueryEscape(`"><b>`)))); !strings.Contains(page, "没有找到") {
		t.Errorf("nothing found: %s", page)
	}
}
