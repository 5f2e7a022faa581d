package agreement_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

const today = "2026-11-26"

func compiled(tb testing.TB, text []byte) *agreement.Agreement {
	tb.Helper()
	a, err := agreement.Compile(text)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func day(tb testing.TB, s string) agreement.Day {
	tb.Helper()
	d, err := rules.ParseDay(s)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// lot is a completion of a course of the district, learned in June 2026, with so many milli-credits.
func lot(tb testing.TB, entry uint64, category string, credits unit.Credits, change ...func(*agreement.Item)) agreement.Item {
	tb.Helper()
	item := agreement.Item{
		Lot: agreement.Lot{Entry: entry}, Kind: agreement.Completion, Platform: "study-online", Provider: "xihu-cc",
		Above: []string{"xihu-cc", "hangzhou"}, Course: strings.ToUpper(category[:3]) + "-001", CourseVersion: "1", Category: category,
		Mode: statementv1.Mode_MODE_CLASSROOM, Minutes: 720, Learned: day(tb, "2026-06-15"), Available: credits,
		Transferable: category != "health",
	}
	for _, c := range change {
		c(&item)
	}
	return item
}

func level(n int32) func(*agreement.Item)   { return func(i *agreement.Item) { i.Level = n } }
func scored(n int32) func(*agreement.Item)  { return func(i *agreement.Item) { i.Score = &n } }
func course(s string) func(*agreement.Item) { return func(i *agreement.Item) { i.Course = s } }
func learned(tb testing.TB, s string) func(*agreement.Item) {
	tb.Helper()
	return func(i *agreement.Item) { i.Learned = day(tb, s) }
}

func expires(tb testing.TB, s string) func(*agreement.Item) {
	tb.Helper()
	return func(i *agreement.Item) { i.Expires = day(tb, s) }
}

// said writes a quote down: a line for each lot in the order in which they were served.
func said(q *agreement.Quote) string {
	var b strings.Builder
	for _, d := range q.Decisions {
		fmt.Fprintf(&b, "%d %s %d->%d", d.Item.Lot.Entry, d.Outcome, d.Takes, d.Gives)
		if d.Course != "" {
			fmt.Fprintf(&b, " as %s", d.Course)
		}
		if d.Until != 0 {
			fmt.Fprintf(&b, " until %s", d.Until)
		}
		for _, r := range d.Reasons {
			fmt.Fprintf(&b, "; %s %d->%d", r.Rule, r.Before, r.After)
			if r.Limit != 0 || r.Carried != 0 {
				fmt.Fprintf(&b, " (%d, %d)", r.Limit, r.Carried)
			}
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d: %d->%d", q.Available, q.Takes, q.Gives)
	return b.String()
}

func TestQuote(t *testing.T) {
	university, college := compiled(t, agreements.OpenUniversity2026()), compiled(t, agreements.VocationalCollege2026())
	certificate := []func(*agreement.Item){level(4), course("VOC-004")}
	for _, c := range []struct {
		name      string
		agreement *agreement.Agreement
		programme string
		items     []agreement.Item
		taken     agreement.Taken
		want      string
	}{
		{
			name: "DOMAIN rule 9: health does not count towards a degree", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{lot(t, 1, "health", 1000), lot(t, 2, "civic", 1000)},
			want: `2 ACCEPTED 1000->500 until 2031-06-15; general 1000->500
1 REFUSED 0->0; NOT_TRANSFERABLE 1000->0
2000: 1000->500`,
		},
		{
			name: "but towards a certificate it does, where the agreement says so", agreement: college, programme: "elder-care-cert",
			// 2/3 of 2.5 is 1.666, in tenths 1.6; the rest is given up.
			items: []agreement.Item{lot(t, 1, "health", 2500)},
			want: `1 ACCEPTED 2500->1600 until 2036-06-15; care-and-health 2500->1666; tenths 1666->1600 (100, 0)
2500: 2500->1600`,
		},
		{
			name: "DOMAIN rule 10: a certificate of intermediate level stands for a course of 3 credits, once", agreement: university,
			programme: "social-work-ba",
			items:     []agreement.Item{lot(t, 1, "vocational", 4000, certificate...), lot(t, 2, "vocational", 4000, certificate...)},
			want: `1 PARTIAL 2000->3000 as SW-204 until 2031-06-15; elder-care-certificate 2000->3000
2 REFUSED 0->0 until 2031-06-15; elder-care-certificate 2000->3000; COURSE_COUNTED_ALREADY 3000->0
8000: 2000->3000`,
		},
		{
			name: "a course that counts from an earlier transfer", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{lot(t, 1, "vocational", 2000, certificate...)},
			taken: agreement.Taken{Counts: map[string]unit.Credits{"social-work-ba/course:SW-204": 3000}},
			want: `1 REFUSED 0->0 until 2031-06-15; elder-care-certificate 2000->3000; COURSE_COUNTED_ALREADY 3000->0
2000: 0->0`,
		},
		{
			name: "of a lower level, or too small, it is converted", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{lot(t, 1, "vocational", 1999, certificate...), lot(t, 2, "vocational", 4000, level(3))},
			// Half of 1.999 is 0.999, in twentieths 0.95, which costs 1.9.
			want: `1 PARTIAL 1900->950 until 2031-06-15; general 1999->999; twentieths 999->950 (50, 0)
2 ACCEPTED 4000->2000 until 2031-06-15; general 4000->2000
5999: 5900->2950`,
		},
		{
			name: "DOMAIN rule 10: no more than half of the programme", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{lot(t, 1, "civic", 3000), lot(t, 2, "civic", 3000)},
			// Half of 71 is 35.5; 33 count already: 1.5 for the first, and 1 of 1.5 for the second, which costs 2.
			taken: agreement.Taken{Counts: map[string]unit.Credits{"social-work-ba/half-of-programme": 33000}},
			want: `1 ACCEPTED 3000->1500 until 2031-06-15; general 3000->1500
2 PARTIAL 2000->1000 until 2031-06-15; general 3000->1500; half-of-programme 1500->1000 (35500, 34500)
6000: 5000->2500`,
		},
		{
			name: "a course is taken whole or not at all", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{lot(t, 1, "civic", 3000), lot(t, 2, "vocational", 4000, certificate...)},
			// 2.5 are left: not enough for the course of 3, enough for the other lot.
			taken: agreement.Taken{Counts: map[string]unit.Credits{"social-work-ba/half-of-programme": 33000}},
			want: `2 REFUSED 0->0 until 2031-06-15; elder-care-certificate 2000->3000; half-of-programme 3000->0 (35500, 33000)
1 ACCEPTED 3000->1500 until 2031-06-15; general 3000->1500
7000: 3000->1500`,
		},
		{
			name: "DOMAIN rule 10: the source is at most five years old", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{
				lot(t, 1, "civic", 1000, learned(t, "2021-11-26")), lot(t, 2, "civic", 1000, learned(t, "2021-11-25")),
			},
			want: `1 ACCEPTED 1000->500 until 2026-11-26; general 1000->500
2 REFUSED 0->0; five-years 1000->0 (60, 60)
2000: 1000->500`,
		},
		{
			name: "DOMAIN rule 11: the shorter of the awarder's shelf life and the acceptor's maximum age", agreement: university,
			programme: "social-work-ba",
			items: []agreement.Item{
				lot(t, 1, "civic", 1000, expires(t, "2027-01-01")), lot(t, 2, "civic", 1000, expires(t, "2036-01-01")),
				lot(t, 3, "civic", 1000, expires(t, today)), lot(t, 4, "civic", 1000),
			},
			want: `1 ACCEPTED 1000->500 until 2026-12-31; general 1000->500
2 ACCEPTED 1000->500 until 2031-06-15; general 1000->500
4 ACCEPTED 1000->500 until 2031-06-15; general 1000->500
3 REFUSED 0->0; EXPIRED 1000->0
4000: 3000->1500`,
		},
		{
			name: "who is first served is whose time is up first", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{
				lot(t, 1, "arts", 4000, learned(t, "2026-06-01")), lot(t, 2, "arts", 4000, learned(t, "2024-06-01")),
				lot(t, 3, "arts", 4000, expires(t, "2026-12-01")),
			},
			// 6 of arts, 3 are used: 2 for the third lot, and 1 for the second.
			taken: agreement.Taken{Counts: map[string]unit.Credits{"social-work-ba/arts-at-most": 3000}},
			want: `3 ACCEPTED 4000->2000 until 2026-11-30; general 4000->2000
2 PARTIAL 2000->1000 until 2029-06-01; general 4000->2000; arts-at-most 2000->1000 (6000, 5000)
1 REFUSED 0->0 until 2031-06-01; general 4000->2000; arts-at-most 2000->0 (6000, 6000)
12000: 6000->3000`,
		},
		{
			name: "scores, sources and what is not there", agreement: university, programme: "social-work-ba",
			items: []agreement.Item{
				lot(t, 1, "civic", 1000, scored(59)), lot(t, 2, "civic", 1000, scored(60)), lot(t, 3, "civic", 0),
				lot(t, 4, "civic", 1000, func(i *agreement.Item) { i.Above = []string{"ningbo-cc"} }),
				lot(t, 5, "civic", 1000, func(i *agreement.Item) { i.Kind = agreement.OpeningBalance }),
				lot(t, 6, "cooking", 1000), lot(t, 7, "civic", 1),
			},
			want: `2 ACCEPTED 1000->500 until 2031-06-15; general 1000->500
7 REFUSED 0->0 until 2031-06-15; general 1->0
1 REFUSED 0->0; passing-score 1000->0 (60, 59)
3 REFUSED 0->0; NOTHING_AVAILABLE 0->0
4 REFUSED 0->0; NO_SOURCE 1000->0
5 REFUSED 0->0; NO_SOURCE 1000->0
6 REFUSED 0->0; CATEGORY_NOT_TAKEN 1000->0
5001: 1000->500`,
		},
		{
			name: "what was recognised is not recognised again", agreement: college, programme: "elder-care-cert",
			items: []agreement.Item{lot(t, 1, "vocational", 3000), lot(t, 2, "vocational", 2000)},
			taken: agreement.Taken{Recognised: map[agreement.Lot]unit.Credits{{Entry: 1}: 1000, {Entry: 2}: 2000}},
			want: `1 PARTIAL 2000->2000 until 2036-06-15; RECOGNISED_ALREADY 3000->2000 (0, 1000); same 2000->2000
2 REFUSED 0->0; RECOGNISED_ALREADY 2000->0 (0, 2000)
5000: 2000->2000`,
		},
		{
			name: "caps of every provider of its own, and requirements", agreement: college, programme: "housekeeping-cert",
			items: []agreement.Item{
				lot(t, 1, "vocational", 7000), lot(t, 2, "vocational", 7000, func(i *agreement.Item) { i.Provider = "sandun" }),
				lot(t, 3, "vocational", 1000, learned(t, "2023-10-26")), lot(t, 4, "family", 1000, learned(t, "2023-10-26")),
			},
			// 30 % of 20 is 6 for each; 60 % is 12: the eldest takes 1 of xihu-cc's 6.
			want: `4 ACCEPTED 1000->1000 until 2033-10-26; same 1000->1000
1 PARTIAL 5000->5000 until 2036-06-15; same 7000->7000; one-school 7000->5000 (6000, 1000)
2 PARTIAL 6000->6000 until 2036-06-15; same 7000->7000; one-school 7000->6000 (6000, 0)
3 REFUSED 0->0; recent-enough-to-practise 1000->0
16000: 12000->12000`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			quote, err := c.agreement.Quote(c.programme, c.items, c.taken, day(t, today))
			if err != nil {
				t.Fatal(err)
			}
			if got := said(quote); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			slices.Reverse(c.items)
			again, err := c.agreement.Quote(c.programme, c.items, c.taken, day(t, today))
			if err != nil || said(again) != c.want {
				t.Errorf("with the lots the other way round: %v\n%s", err, said(again))
			}
		})
	}
}

func TestQuoteErrors(t *testing.T) {
	a := compiled(t, agreements.VocationalCollege2026())
	many := make([]agreement.Item, agreement.MaxItems+1)
	for i := range many {
		many[i].Lot.Entry = uint64(i)
	}
	for _, c := range []struct {
		name, programme, day string
		items                []agreement.Item
		want                 error
	}{
		{"unknown programme", "law", today, nil, agreement.ErrProgramme},
		{"before its first day", "elder-care-cert", "2025-12-31", nil, agreement.ErrNotInForce},
		{"on its first day", "elder-care-cert", "2026-01-01", nil, nil},
		{"on its last day", "elder-care-cert", "2027-12-31", nil, nil},
		{"after its last day", "elder-care-cert", "2028-01-01", nil, agreement.ErrNotInForce},
		{"too many lots", "elder-care-cert", today, many, agreement.ErrItems},
		{"a lot twice", "elder-care-cert", today, []agreement.Item{lot(t, 1, "family", 1), lot(t, 1, "family", 1)}, agreement.ErrItems},
		{"less than nothing", "elder-care-cert", today, []agreement.Item{lot(t, 1, "family", -1)}, agreement.ErrItems},
	} {
		if _, err := a.Quote(c.programme, c.items, agreement.Taken{}, day(t, c.day)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// A condition that cannot be worked out refuses the lot that it was asked for, in whatever stage, and no other.
func TestConditionFailed(t *testing.T) {
	const failing = "'12 / level > 1'"
	for stage, rule := range map[string]string{
		"sources":      "[{id: s, when: " + failing + "}]",
		"requirements": "[{id: q, require: " + failing + "}]",
		"scores":       "[{id: q, when: " + failing + ", minimum: 60, unscored: true}]",
		"ages":         "[{id: q, when: " + failing + ", years: 3}]",
		"courses":      "[{id: q, when: " + failing + ", counts_as: X, name: {zh: x, en: x}, milli_credits: 1}]",
		"ratios":       "[{id: r, when: " + failing + ", numerator: 1, denominator: 1}]",
		"caps":         "[{id: q, when: " + failing + ", per_mille: 500}]",
	} {
		text := minimal
		if strings.Contains(text, "\n"+stage+":") {
			begin := strings.Index(text, "\n"+stage+":") + 1
			text = text[:begin] + text[begin+strings.IndexByte(text[begin:], '\n')+1:]
		}
		a := compiled(t, []byte(text+stage+": "+rule+"\n"))
		quote, err := a.Quote("p", []agreement.Item{lot(t, 1, "civic", 1000), lot(t, 2, "civic", 1000, level(3))}, agreement.Taken{}, day(t, today))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range quote.Decisions {
			last := d.Reasons[len(d.Reasons)-1]
			if failed := last.Rule == agreement.ConditionFailed; failed != (d.Item.Level == 0) || failed != (d.Outcome == agreement.Refused) {
				t.Errorf("%s: %s", stage, said(quote))
			}
		}
	}
}

func TestExplain(t *testing.T) {
	a := compiled(t, agreements.OpenUniversity2026())
	items := []agreement.Item{
		lot(t, 1, "civic", 1999), lot(t, 2, "health", 1000), lot(t, 3, "civic", 1000, scored(30)),
		lot(t, 4, "civic", 1000, learned(t, "2020-01-01")), lot(t, 5, "arts", 2000),
	}
	quote, err := a.Quote("social-work-ba", items, agreement.Taken{Counts: map[string]unit.Credits{"social-work-ba/arts-at-most": 5500}}, day(t, today))
	if err != nil {
		t.Fatal(err)
	}
	var zh, en []string
	for _, d := range quote.Decisions {
		for _, r := range d.Reasons {
			zh, en = append(zh, a.Explain(&d, r, "zh-CN")), append(en, a.Explain(&d, r, "en"))
			if again := a.ExplainReason(d.Item.Category, r.Written(), "en"); again != en[len(en)-1] {
				t.Errorf("written down it says %q", again)
			}
		}
	}
	wantZH := []string{
		"学分按 2:1 折算：1.999 学分 计 0.999 学分。", "按 0.05 学分 为一级向下取整：0.999 学分 计 0.95 学分。", "学分按 2:1 折算：2 学分 计 1 学分。",
		"受上限 6 学分 限制（已计 5.5 学分），本笔计 0.5 学分。", "学习结束已超过 60 个月，不再接受。", "按学分认定规则，这一类别不能计入学历教育。",
		"成绩 30 分，未达到 60 分的要求。",
	}
	wantEN := []string{
		"Credits count 2:1: 1.999 credits give 0.999 credits.", "Rounded down to steps of 0.05 credits: 0.999 credits count as 0.95 credits.",
		"Credits count 2:1: 2 credits give 1 credit.", "The limit of 6 credits, of which 5.5 credits are used, leaves room for 0.5 credits.",
		"The learning ended more than 60 months ago.", "By the rules that awarded them, credits of this category do not count towards a degree.",
		"A score of 30 is below the 60 that are asked for.",
	}
	if !slices.Equal(zh, wantZH) || !slices.Equal(en, wantEN) {
		t.Errorf("%q\n%q", zh, en)
	}
	// Whatever reason there is, it has words in both languages, and no braces are left in them.
	for stage := range policyStages() {
		for _, rule := range []string{
			"passing-score", "x", agreement.NothingAvailable, agreement.Expired, agreement.RecognisedAlready, agreement.NoSource,
			agreement.CategoryNotTaken, agreement.NotTransferable, agreement.LevelNotTaken, agreement.CourseCountedAlready, agreement.NoRatio,
			agreement.ConditionFailed,
		} {
			for _, after := range []int64{0, 1000} {
				for _, lang := range []string{"zh", "en"} {
					d := agreement.Decision{Item: &agreement.Item{Category: "civic"}}
					words := a.Explain(&d, agreement.Reason{Stage: stage, Rule: rule, Before: 2000, After: after, Limit: 3000, Carried: 1}, lang)
					if words == "" && stage > ledgerv1.TransferStage_TRANSFER_STAGE_CATEGORY || strings.ContainsAny(words, "{}") {
						t.Errorf("%v %s: %q", stage, rule, words)
					}
				}
			}
		}
	}
}

func TestRead(t *testing.T) {
	a := compiled(t, agreements.OpenUniversity2026())
	if a.ID() != "open-university" || a.Version() != "2026.1" || a.Institution() != "open-university" || !a.Consumes() || a.QuoteDays() != 14 ||
		a.HoldDays() != 30 || !a.AsksSealed() || a.EffectiveFrom() != day(t, "2026-01-01") || a.EffectiveUntil() != 0 || a.Title().EN == "" {
		t.Errorf("%+v", a)
	}
	if got := a.Categories(); !slices.Equal(got, []string{"arts", "civic", "family", "health", "safety", "science", "vocational"}) {
		t.Errorf("categories %q", got)
	}
	if got := a.Organizations(); !slices.Equal(got, []string{"xihu-cc"}) {
		t.Errorf("organizations %q", got)
	}
	if p, err := a.Programme("social-work-ba"); err != nil || p.Credits != 71*unit.Credit || !p.Degree || len(a.Programmes()) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if a.Message().GetUse() != policyv1.Agreement_USE_CONSUMED || compiled(t, agreements.VocationalCollege2026()).Consumes() {
		t.Error("who spends what is wrong")
	}
}
