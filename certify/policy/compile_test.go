package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
)

func TestCompileRefuses(t *testing.T) {
	replace := func(old, text string) string {
		if !strings.Contains(minimal, old) {
			t.Fatalf("%q is not there to be replaced", old)
		}
		return strings.Replace(minimal, old, text, 1)
	}
	withoutRounding, _, _ := strings.Cut(minimal, "rounding:")
	add := func(text string) string { return minimal + text } // from line 18 on
	for _, c := range []struct {
		name string
		text string
		want string // line:column field: part of the message
	}{
		// The text.
		{"empty", "", "0:0 : empty"},
		{"only a comment", "# nothing\n", "0:0 : empty"},
		{"a list", "- 1\n", "1:1 : mapping"},
		{"syntax", replace("title: {zh", "title: {zh: ["), "4:0 : did not find"},
		{"tab", "id: a\n\tversion: 1\n", "2:0 : "},
		{"two documents", add("---\nid: other\n"), "18:1 : one document"},
		{"not utf-8", "id: a\nversion: \"\xff\"\n", "2:11 : UTF-8"},
		{"a lone carriage return", "id: a\rversion: b\n", "1:6 : U+000D"},
		{"a line separator", "id: a\n#\u2028\n", "2:2 : U+2028"},
		{"too long", minimal + "#" + strings.Repeat("x", policy.MaxYAML), "0:0 : bytes"},

		// The fields.
		{"unknown field", add("colour: red\n"), `18:1 : unknown field "colour"`},
		{"unknown field inside", replace("    minutes_per_credit: 720", "    minutes_per_credits: 720\n    no_credit: true"), `12:5 conversion[0]: unknown field "minutes_per_credits"`},
		{"a field by its number", add("2: x\n"), `18:1 : unknown field "2"`},
		{"a field by its other spelling", add("closedThrough: 2020-01-01\n"), `18:1 : unknown field "closedThrough"`},
		{"a field twice", add("id: again\n"), "18:1 id: twice"},
		{"a list twice", add("rounding: []\n"), "18:1 rounding: twice"},
		{"wrong kind", replace("learning_hour_minutes: 45", "learning_hour_minutes: [45]"), "7:24 : expected"},
		{"text for a list", add("caps: many\n"), "18:7 : sequence"},
		{"a fraction", replace("minutes_per_credit: 720", "minutes_per_credit: 720.0"), `12:25 conversion[0].minutes_per_credit: "720.0" is not a whole number`},
		{"a power", replace("minutes_per_credit: 720", "minutes_per_credit: 72e1"), `12:25 conversion[0].minutes_per_credit: "72e1"`},
		{"a unit", replace("step_milli_credits: 100", "step_milli_credits: 1k"), `15:25 rounding[0].step_milli_credits: "1k"`},
		{"an octal", replace("learning_hour_minutes: 45", "learning_hour_minutes: 045"), `7:24 learning_hour_minutes: "045"`},
		{"too large", replace("minutes_per_credit: 720", "minutes_per_credit: 99999999999999999999"), "12:25 : invalid integer"},
		{"a bool in quotes", add("hours:\n  - {id: h, at_most_nominal: \"yes\"}\n"), "19:30 : expected bool"},
		{"unknown enum", replace("DIRECTION_DOWN", "SIDEWAYS"), "16:16 : unknown enum"},
		{"an anchor", replace("  - id: tenths", "  - &a\n    id: tenths"), "14:5 rounding[0]: anchors"},
		{"an alias", replace("title: {zh: 规则, en: Rules}", "title: &t {zh: 规则, en: Rules}"), "4:8 title: anchors"},
		{"null", replace("organization: xihu-cc", "organization: null"), "3:15 organization: null is refused"},

		// Claims.
		{"a claim of no kind", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, max_minutes: 90, no_credit: true, risk: 2}\n"), "19:5 claims[0].kinds: has 0"},
		{"a claim of an unknown kind", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, kinds: [KIND_UNSPECIFIED], max_minutes: 90, no_credit: true, risk: 2}\n"), "19:45 claims[0].kinds[0]: is KIND_CERTIFICATE"},
		{"a claim in no category", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, kinds: [KIND_WORK], categories: [cooking], max_minutes: 90, no_credit: true, risk: 2}\n"), `19:70 claims[0].categories[0]: there is no category "cooking"`},
		{"a claim that gives in two ways", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, kinds: [KIND_WORK], max_minutes: 90, no_credit: true, fixed_milli_credits: 5, risk: 2}\n"), "19:5 claims[0]: has exactly one of"},
		{"a claim without a title", add("claims:\n  - {id: c, kinds: [KIND_WORK], max_minutes: 90, no_credit: true, risk: 2}\n"), "19:5 claims[0].title.zh: both"},
		{"a claim without minutes", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, kinds: [KIND_WORK], no_credit: true, risk: 2}\n"), "19:5 claims[0].max_minutes: is 0"},
		{"a claim without risk", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, kinds: [KIND_WORK], max_minutes: 9, no_credit: true}\n"), "19:5 claims[0].risk: is 0"},
		{"a claim that is never reached", add("claims:\n  - {id: c, title: {zh: 证书, en: C}, kinds: [KIND_WORK], max_minutes: 9, no_credit: true, risk: 1}\n  - {id: d, title: {zh: 证书, en: C}, kinds: [KIND_WORK], max_minutes: 90, no_credit: true, risk: 1}\n"), "20:5 claims[1]: is never reached"},

		// The header.
		{"no id", replace("id: test\n", ""), "1:1 id: lower-case"},
		{"a bad id", replace("id: test", "id: Test"), "1:5 id: lower-case"},
		{"an id that ends in a hyphen", replace("id: test", "id: test-"), "1:5 id: lower-case"},
		{"no version", replace(`version: "1"`, `version: ""`), "2:10 version: visible"},
		{"a version with a space", replace(`version: "1"`, `version: "1 2"`), "2:10 version: visible"},
		{"a bad organization", replace("xihu-cc", "xihu--cc"), "3:15 organization: double hyphen"},
		{"a title in one language", replace("title: {zh: 规则, en: Rules}", "title: {zh: 规则}"), "4:8 title.en: both languages"},
		{"no title", replace("title: {zh: 规则, en: Rules}\n", ""), "1:1 title.zh: both languages"},
		{"a placeholder in a title", replace("en: Rules", `en: "{before}"`), "4:21 title.en: unknown placeholder {before}"},
		{"a day that is none", replace("2024-03-30", "2024-02-30"), "5:17 effective_from: YYYY-MM-DD"},
		{"no first day", replace("effective_from: \"2024-03-30\"\n", ""), "1:1 effective_from: YYYY-MM-DD"},
		{"the end before the beginning", add("effective_until: \"2024-03-29\"\n"), "18:18 effective_until: before effective_from"},
		{"a closed period", add("closed_through: yesterday\n"), "18:17 closed_through: YYYY-MM-DD"},
		{"a zone", replace("Asia/Shanghai", "Asia/Xihu"), "6:12 time_zone: IANA"},
		{"the zone of a machine", replace("Asia/Shanghai", "Local"), "6:12 time_zone: IANA"},
		{"no zone", replace("time_zone: Asia/Shanghai\n", ""), "1:1 time_zone: IANA"},
		{"a learning hour", replace("minutes: 45", "minutes: 121"), "7:24 learning_hour_minutes: 121"},

		// Categories.
		{"no category", replace("categories:\n  - {id: civic, name: {zh: 公民素养, en: Civic}}\n", "categories: []\n"), "8:13 categories: has 0"},
		{"a category twice", replace("conversion:", "  - {id: civic, name: {zh: 甲, en: A}}\nconversion:"), `10:10 categories[1].id: two categories "civic"`},
		{"a category without a name", replace("{id: civic, name: {zh: 公民素养, en: Civic}}", "{id: civic}"), "9:5 categories[0].name.zh: both languages"},

		// Rules of all kinds.
		{"a rule without a name", replace("  - id: class\n    minutes_per_credit", "  - minutes_per_credit"), "11:5 conversion[0].id: lower-case"},
		{"two rules of one name", replace("id: tenths", "id: class"), `14:9 rounding[0].id: two rules "class"`},
		{"words in one language", add("review:\n  - {id: r, when: 'true', risk: 1, words: {en: x}}\n"), "19:43 review[0].words.zh: both languages"},
		{"a strange placeholder", add("review:\n  - {id: r, when: 'true', risk: 1, words: {zh: '{now}', en: x}}\n"), "19:48 review[0].words.zh: unknown placeholder {now}"},
		{"an open brace", add("review:\n  - {id: r, when: 'true', risk: 1, words: {zh: 'a{', en: x}}\n"), "19:48 review[0].words.zh: unknown placeholder {"},
		{"long words", add("review:\n  - {id: r, when: 'true', risk: 1, words: {zh: " + strings.Repeat("长", 501) + ", en: x}}\n"), "19:48 review[0].words.zh: 501 characters"},
		{"too many rules", add("review:\n" + strings.Repeat("  - {id: r, when: 'true', risk: 1}\n", 33)), "19:3 review: has 33"},

		// Each kind.
		{"eligibility that requires nothing", add("eligibility:\n  - {id: e}\n"), "19:5 eligibility[0].require: a condition is needed"},
		{"hours fixed and limited", add("hours:\n  - {id: h, fixed_minutes: 1, minutes_a_day: 1}\n"), "19:28 hours[0].fixed_minutes: goes neither"},
		{"hours below zero", add("hours:\n  - {id: h, minutes_a_day: -1}\n"), "19:28 hours[0].minutes_a_day: is -1"},
		{"hours in no year", add("hours:\n  - {id: h, years: [0, 0]}\n"), "19:20 hours[0].years: nothing"},
		{"a year's part below zero", add("hours:\n  - {id: h, years: [1, -1]}\n"), "19:24 hours[0].years[1]: is -1"},
		{"hours never reached", add("hours:\n  - {id: h}\n  - {id: i}\n"), "20:5 hours[1]: never reached"},
		{"which duplicate", add("duplicates:\n  id: d\n"), "19:3 duplicates.keep: KEEP_FIRST"},
		{"a duplicate of a number", add("duplicates:\n  id: d\n  keep: 9\n"), "20:9 duplicates.keep: KEEP_FIRST"},
		{"tolerance", add("overlap:\n  id: o\n  tolerance_minutes: -1\n"), "20:22 overlap.tolerance_minutes: is -1"},
		{"no conversion", replace("conversion:\n  - id: class\n    minutes_per_credit: 720\n", ""), "1:1 conversion: has 0"},
		{"conversion of nothing", replace("    minutes_per_credit: 720\n", ""), "11:5 conversion[0]: exactly one"},
		{"conversion of two kinds", replace("minutes_per_credit: 720", "minutes_per_credit: 720\n    no_credit: true"), "11:5 conversion[0]: exactly one"},
		{"conversion never reached", replace("rounding:", "  - {id: late, no_credit: true}\nrounding:"), "13:5 conversion[1]: never reached"},
		{"no period", add("caps:\n  - {id: c, milli_credits: 1}\n"), "19:5 caps[0].period: PERIOD_HALF_YEAR"},
		{"a scope of a number", add("caps:\n  - {id: c, period: PERIOD_YEAR, scope: 9}\n"), "19:41 caps[0].scope: SCOPE_PROVIDER"},
		{"a cap below zero", add("caps:\n  - {id: c, period: PERIOD_YEAR, milli_credits: -1}\n"), "19:49 caps[0].milli_credits: is -1"},
		{"no rounding", withoutRounding, "1:1 rounding: has 0"},
		{"rounding that may not apply", replace("  - id: tenths", "  - id: tenths\n    when: minutes > 0"), "15:11 rounding[0].when: no condition"},
		{"no step", replace("step_milli_credits: 100", "step_milli_credits: 0"), "15:25 rounding[0].step_milli_credits: is 0"},
		{"no direction", replace("    direction: DIRECTION_DOWN\n", ""), "14:5 rounding[0].direction: DIRECTION_DOWN"},
		{"no remainder", replace("    remainder: REMAINDER_CARRY\n", ""), "14:5 rounding[0].remainder: REMAINDER_CARRY"},
		{"rounded up and carried", replace("DIRECTION_DOWN", "DIRECTION_NEAREST"), "17:16 rounding[0].remainder: only with REMAINDER_DROP"},
		{"carried in fractions", replace("step_milli_credits: 100", "step_milli_credits: 1"), "15:25 rounding[0].step_milli_credits: no whole number of minutes"},
		{"review of what", add("review:\n  - {id: r, risk: 1}\n"), "19:5 review[0].when: a condition is needed"},
		{"no risk", add("review:\n  - {id: r, when: 'true'}\n"), "19:5 review[0].risk: is 0"},
		{"months", add("validity:\n  - {id: v, months: 1201}\n"), "19:21 validity[0].months: is 1201"},
		{"validity never reached", add("validity:\n  - {id: v}\n  - {id: w}\n"), "20:5 validity[1]: never reached"},
		{"points for no minutes", add("points:\n  - {id: p, step_milli_points: 1, lapse: LAPSE_NEVER}\n"), "19:5 points[0].minutes_per_point: is 0"},
		{"points in no steps", add("points:\n  - {id: p, minutes_per_point: 60, lapse: LAPSE_NEVER}\n"), "19:5 points[0].step_milli_points: is 0"},
		{"points that lapse some time", add("points:\n  - {id: p, minutes_per_point: 60, step_milli_points: 1}\n"), "19:5 points[0].lapse: LAPSE_NEVER or"},
		{"points never reached", add("points:\n  - {id: p}\n  - {id: q}\n"), "20:5 points[1]: never reached"},
		{"an age of nobody", add("points:\n  - {id: p, age_factor: {from_age: 121}}\n"), "19:36 points[0].age_factor.from_age: is 121"},
		{"a factor of nothing", add("points:\n  - {id: p, age_factor: {from_age: 60, denominator: 10}}\n"), "19:25 points[0].age_factor.numerator: is 0"},
		{"a factor that takes away", add("points:\n  - {id: p, age_factor: {from_age: 60, numerator: 9, denominator: 10}}\n"), "19:67 points[0].age_factor.denominator: is 10"},
		{"the words of a factor", add("points:\n  - {id: p, age_factor: {words: {zh: '{age}', en: x}}}\n"), "19:38 points[0].age_factor.words.zh: unknown placeholder {age}"},
		{"the age in the log", add("review:\n  - id: r\n    risk: 1\n    when: minutes > 1 && age > 80\n"), "21:26 review[0].when: only the rules on points"},
		{"whether the age is known", add("caps:\n  - {id: c, period: PERIOD_YEAR, when: age_known}\n"), "19:40 caps[0].when: only the rules on points"},
		{"a requirement of nothing", add("requirements:\n  - {id: q}\n"), "19:5 requirements[0]: nothing"},
		{"more than all", add("requirements:\n  - {id: q, professional_numerator: 4, professional_denominator: 3}\n"), "19:37 requirements[0].professional_numerator: is 4"},

		// Conditions. Columns point into the expression.
		{"a risk of the workflow", add("workflow:\n  - {id: w, max_risk: 6}\n  - {id: all}\n"), "19:23 workflow[0].max_risk: is 6"},
		{"a long notice", add("workflow:\n  - {id: w, notice_days: 91}\n"), "19:26 workflow[0].notice_days: is 91"},
		{"a long lease", add("workflow:\n  - {id: w, lease_hours: 721}\n"), "19:26 workflow[0].lease_hours: is 721"},
		{"an appeal for years", add("workflow:\n  - {id: w, appeal_days: 366}\n"), "19:26 workflow[0].appeal_days: is 366"},
		{"a second refusal alone", add("workflow:\n  - {id: w, second_refusal: true}\n"), "19:29 workflow[0].second_refusal: goes only with second_review"},
		{"two officers for many", add("workflow:\n  - {id: w, second_review: true, batch: true}\n"), "19:41 workflow[0].batch: goes neither"},
		{"a notice for many", add("workflow:\n  - {id: w, notice_days: 7, batch: true}\n"), "19:36 workflow[0].batch: goes neither"},
		{"cases without a rule", add("workflow:\n  - {id: w, max_risk: 2}\n"), "19:5 workflow[0]: the last rule"},
		{"a rule that is never reached", add("workflow:\n  - {id: w}\n  - {id: v}\n"), "20:5 workflow[1]: is never reached"},
		{"a placeholder in the workflow", add("workflow:\n  - {id: w, words: {zh: '{before}', en: x}}\n"), "19:25 workflow[0].words.zh: unknown placeholder {before}"},
		{"a rule twice", add("workflow:\n  - {id: w, max_risk: 1}\n  - {id: w}\n"), "20:10 workflow[1].id: two rules"},
		{"syntax in a condition", add("review:\n  - id: r\n    risk: 1\n    when: minutes >\n"), "21:20 review[0].when: Syntax error"},
		{"an unknown name", add("review:\n  - id: r\n    risk: 1\n    when: minutes > 1 && minuets > 2\n"), "21:26 review[0].when: undeclared reference to 'minuets'"},
		{"a quoted condition", add("review:\n  - id: r\n    risk: 1\n    when: 'minutes > 1 && minuets > 2'\n"), "21:27 review[0].when: undeclared reference"},
		{"a condition as a block", add("review:\n  - id: r\n    risk: 1\n    when: |\n      minutes > 1 &&\n      minuets > 2\n"), "23:7 review[0].when: undeclared reference"},
		{"a folded condition", add("review:\n  - id: r\n    risk: 1\n    when: >-\n      minutes > 1 &&\n      (3 > 2 && minuets > 2)\n"), "23:17 review[0].when: undeclared reference"},
		{"a condition over two lines", add("review:\n  - id: r\n    risk: 1\n    when: minutes > 1 &&\n      (3 > 2 && minuets > 2)\n"), "22:17 review[0].when: undeclared reference"},
		{"in Chinese", add("review:\n  - id: r\n    risk: 1\n    when: site == '三号楼' && minuets > 2\n"), "21:28 review[0].when: undeclared reference"},
		{"not a bool", add("review:\n  - id: r\n    risk: 1\n    when: minutes + 1\n"), "21:11 review[0].when: yields int"},
		{"a type", add("review:\n  - id: r\n    risk: 1\n    when: minutes > '1'\n"), "21:19 review[0].when: no matching overload"},
		{"a double", add("review:\n  - id: r\n    risk: 1\n    when: score >= 59 && 0.5 < 0.8\n"), "21:26 review[0].when: decimal point"},
		{"a double by a function", add("review:\n  - id: r\n    risk: 1\n    when: double(score) > double(1)\n"), "21:17 review[0].when: decimal point"},
		{"a map", add("review:\n  - id: r\n    risk: 1\n    when: 'mode in {\"online\": 1}'\n"), "21:20 review[0].when: type map"},
		{"dyn", add("review:\n  - id: r\n    risk: 1\n    when: dyn(score) == dyn(1)\n"), "21:14 review[0].when: type dyn"},
		{"another time zone", add("review:\n  - id: r\n    risk: 1\n    when: ended_at.getHours('Europe/Berlin') > 22\n"), "21:28 review[0].when: takes no time zone"},
		{"a bad duration", add("review:\n  - id: r\n    risk: 1\n    when: ended_at - started_at > duration('2 weeks')\n"), "21:44 review[0].when: duration"},
		{"a bad pattern", add("review:\n  - id: r\n    risk: 1\n    when: course.matches('(')\n"), "21:26 review[0].when: invalid matches argument"},
		{"a rate of nothing", add("rates:\n  - {id: r, risk: 1}\n"), "19:5 rates[0]: exactly one of"},
		{"two rates in one", add("rates:\n  - {id: r, risk: 1, completions: 5, times_capacity: 2}\n"), "19:5 rates[0]: exactly one of"},
		{"a rate above all", add("rates:\n  - {id: r, risk: 1, completions: 4001}\n"), "19:35 rates[0].completions: is 4001, not 0 to 4000"},
		{"a rate twice", add("rates:\n  - {id: r, risk: 1, completions: 5}\n  - {id: s, risk: 1, completions: 6}\n"), "20:5 rates[1]: says the same as rates[0]"},
		{"a rate without risk", add("rates:\n  - {id: r, completions: 5}\n"), "19:5 rates[0].risk: is 0"},
		{"an unknown category", add("review:\n  - id: r\n    risk: 1\n    when: category == 'civics'\n"), `21:23 review[0].when: unknown category "civics"`},
		{"an unknown category in a list", add("review:\n  - id: r\n    risk: 1\n    when: category in ['civic', 'art']\n"), `21:33 review[0].when: unknown category "art"`},
		{"an unknown mode", add("review:\n  - id: r\n    risk: 1\n    when: 'true && \"class\" != mode'\n"), `21:20 review[0].when: unknown mode "class"`},
		{"too dear", add("review:\n  - id: r\n    risk: 1\n    when: '[1,2,3,4,5,6,7].all(a, [1,2,3,4,5,6,7].all(b, [1,2,3,4,5,6,7].all(c, a + b + c < minutes)))'\n"), "21:12 review[0].when: worst case"},
		{"too long a condition", add("review:\n  - id: r\n    risk: 1\n    when: 1 < " + strings.Repeat("1 + ", 600) + "1\n"), "21:10 review[0].when: limit 2000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := policy.Compile([]byte(c.text))
			if !errors.Is(err, policy.ErrPolicy) {
				t.Fatalf("%v, want ErrPolicy", err)
			}
			place, part, _ := strings.Cut(c.want, ": ")
			var all []string
			for _, f := range policy.Faults(err) {
				got := fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Field)
				if got == place && strings.Contains(f.Message, part) {
					return
				}
				all = append(all, got+": "+f.Message)
			}
			t.Errorf("want %q, got\n%s", c.want, strings.Join(all, "\n"))
		})
	}
}

func TestCompileFindsAllFaultsAtOnce(t *testing.T) {
	text := strings.NewReplacer("id: test", "id: Test", "Asia/Shanghai", "Mars", "minutes_per_credit: 720", "minutes_per_credit: many", "DIRECTION_DOWN", "DOWN").
		Replace(minimal) + "review:\n  - {id: r, when: 'x > y', risk: 9}\nunknown: 1\n"
	_, err := policy.Compile([]byte(text))
	var got []string
	for _, f := range policy.Faults(err) {
		got = append(got, fmt.Sprintf("%d:%d", f.Line, f.Column))
		var typed *policy.Error
		if !errors.As(f, &typed) || !strings.HasPrefix(f.Error(), fmt.Sprintf("policy: %d:%d: ", f.Line, f.Column)) {
			t.Errorf("%v", f)
		}
	}
	// x and y are two faults, and so is a conversion that has nothing left.
	want := "1:5 6:12 11:5 12:25 16:16 19:20 19:24 19:34 20:1"
	if strings.Join(got, " ") != want {
		t.Errorf("faults at %v, want %v:\n%v", got, want, err)
	}
}

func TestFaultsOfOtherErrors(t *testing.T) {
	if policy.Faults(nil) != nil || policy.Faults(errors.New("other")) != nil {
		t.Error("faults out of nothing")
	}
	_, err := policy.Compile([]byte("id: 3\n"))
	if all := policy.Faults(err); len(all) < 5 || len(policy.Faults(fmt.Errorf("yaml: %w", err))) != len(all) {
		t.Errorf("of %d faults %d are left when they are wrapped", len(all), len(policy.Faults(fmt.Errorf("yaml: %w", err))))
	}
	for want, e := range map[string]*policy.Error{
		"policy: 3:4: a.b: bad": {Of: policy.ErrPolicy, Line: 3, Column: 4, Field: "a.b", Message: "bad"},
		"policy: 3: bad":        {Of: policy.ErrPolicy, Line: 3, Message: "bad"},
		"policy: bad":           {Of: policy.ErrPolicy, Message: "bad"},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

// What a policy may say of time, text and lists, beside what the default policy does.
func TestConditionsThatAreTaken(t *testing.T) {
	f := minutes(t, classroom, 90) // 9:00 to 10:30 in Hangzhou on Tuesday 3 March 2026, posted a day later
	f.Score, f.EquivalenceGroup, f.CourseFrom, f.CourseUntil = new(int32(70)), "g", day(t, "2026-01-01"), day(t, "2026-03-03")
	f.Attendance = &policy.Attendance{Held: 5, Attended: 4, Late: 1}
	for _, when := range []string{
		`started_at.getHours() == 9 && ended_at.getMinutes() == 30 && started_at.getDayOfWeek() == 2`,
		`ended_at - started_at == duration("90m")`,
		`posted_at > timestamp("2026-03-04T02:00:00Z") && days_late == 1`,
		`course_from == timestamp("2025-12-31T16:00:00Z") && course_until == timestamp("2026-03-03T16:00:00Z")`,
		`["CIV-", "ART-"].exists(p, course.startsWith(p)) && course_version == "1"`,
		`mode in ["classroom", "lecture"] && category == "civic" && level == 1`,
		`site == "cuiyuan/3" && platform == "cuiyuan-school" && provider == platform && trust_tier == 2`,
		`has_score && score == 70 && !has_passed && !passed`,
		`minutes == 90 && sessions == 1 && nominal_minutes == 1440 && equivalence_group == "g"`,
		`held == 5 && attended == 4 && late == 1`,
		`course.matches("^CIV-[0-9]+$") && size(course) == 5`,
		`true`,
		`mode == "classroom" && has_score && !has_passed`,
		`mode != "online" && !passed`,
	} {
		p, err := policy.Compile([]byte(minimal + "review:\n  - id: r\n    risk: 1\n    when: |\n      " + when + "\n"))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if got := decide(p, f, empty(t)); len(got.Causes) != 1 || got.Causes[0] != "r" {
			t.Errorf("%s does not hold: %+v", when, got)
		}
	}
	// Without a window the course is open; posted before the end is late by less than nothing.
	f.CourseFrom, f.CourseUntil, f.PostedAt = 0, 0, f.Sessions[0].Start
	p := compile(t, minimal+"review: [{id: r, risk: 1, when: 'course_from < started_at && ended_at < course_until && days_late == -1'}]\n")
	if got := decide(p, f, empty(t)); len(got.Causes) != 1 {
		t.Errorf("%+v", got)
	}
}

func FuzzCompile(f *testing.F) {
	text, err := os.ReadFile(defaultFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "review:\n  - id: r\n    risk: 1\n    when: >-\n      minutes > 1 &&\n      minuets > 2\n"))
	f.Add([]byte("id: a\r\nversion: |\r\n  x\r\n"))
	f.Add([]byte("? 9"))
	f.Add([]byte("? [a]\n: {b: !!int c, 3: &x [*x]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Compile(text)
		if err != nil {
			faults := policy.Faults(err)
			if p != nil || len(faults) == 0 || !errors.Is(err, policy.ErrPolicy) {
				t.Fatalf("%v, %v", p, err)
			}
			lines := strings.Count(string(text), "\n") + 1
			for _, e := range faults {
				if e.Line < 0 || e.Line > lines+1 || e.Column < 0 || e.Message == "" {
					t.Fatalf("a fault in line %d of %d: %v", e.Line, lines, e)
				}
			}
			return
		}
		// Whatever compiles judges without a panic, and not below zero.
		fact := minutes(t, online, 120)
		pr := p.Prepare(fact)
		for _, a := range []policy.Assessment{pr.Decide(empty(t)), pr.Approve(empty(t)), pr.HoursOnly(empty(t))} {
			if a.Available < 0 || a.Pending < 0 || a.Remainder < 0 || counted(a) < 0 {
				t.Fatalf("%+v", a)
			}
			for _, r := range a.Reasons {
				if p.Explain(r, "zh") == "" || p.Explain(r, "en") == "" {
					t.Fatalf("no words for %+v", r)
				}
			}
		}
	})
}

func FuzzCondition(f *testing.F) {
	for _, when := range []string{
		`["a","b"].exists(p, course.startsWith(p)) && minutes / late > 1`, `ended_at - started_at == duration("90m")`,
		`course.matches("^(a|b)+$") || int(site) > 1`, `[1, 2][held] == 1`, `1.5 > 1.0 || mode == "on"`, "size(site\n+ 'x') <", `{"a": b"\xff"}`,
	} {
		f.Add(when)
	}
	f.Fuzz(func(t *testing.T, when string) {
		quoted, err := json.Marshal(when) // JSON is YAML
		if err != nil {
			t.Skip()
		}
		p, err := policy.Compile([]byte(minimal + "review: [{id: r, risk: 1, when: " + string(quoted) + "}]\n"))
		if err != nil {
			if len(policy.Faults(err)) == 0 {
				t.Fatal(err)
			}
			return
		}
		got := decide(p, minutes(t, classroom, 90), empty(t))
		if got.Outcome != awarded {
			checkNothingMoves(t, got)
		}
	})
}
