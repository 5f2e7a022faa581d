package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
)

// faultsOf are the faults of minimal with rules added, as "line:column field: message".
func faultsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := policy.Compile([]byte(text))
	var all []string
	for _, f := range policy.Faults(err) {
		all = append(all, fmt.Sprintf("%d:%d %s: %s", f.Line, f.Column, f.Field, f.Message))
	}
	return all
}

// validityOf is minimal with rules of validity, one in each line from 19 on: it has a stage that takes the first that holds.
func validityOf(conditions ...string) string {
	text := minimal + "validity:\n"
	for i, when := range conditions {
		text += fmt.Sprintf("  - {id: v%d, months: %d", i, i)
		if when != "" {
			text += ", when: '" + when + "'"
		}
		text += "}\n"
	}
	return text
}

// In a stage that takes the first that holds, a rule is refused when one before it always holds where it does.
func TestRulesThatAreNeverReached(t *testing.T) {
	for _, c := range []struct {
		name       string
		conditions []string
		want       string // of the one fault; empty: none
	}{
		{"after one without a condition", []string{"", "minutes > 1"}, "20:5 validity[1]: is never reached: validity[0] comes first and always holds"},
		{"after one that is true", []string{"true", "minutes > 1"}, "20:5 validity[1]: is never reached: validity[0] comes first and always holds"},
		{"after one that comes to true", []string{"1 < 2", "minutes > 1"}, "20:5 validity[1]: is never reached"},
		{"after one that is true whatever else", []string{"minutes > 5 || level == level || 2 > 1", "minutes > 1"}, "20:5 validity[1]: is never reached"},
		{"after every answer that there is", []string{"has_score || !has_score", "minutes > 1"}, "20:5 validity[1]: is never reached"},
		{"the same again", []string{"minutes > 1", "level > 1", "minutes > 1"}, "21:5 validity[2]: is never reached: validity[0] comes first and holds whenever this one does"},
		{"the same with other spaces and brackets", []string{"minutes > 1 && level == 2", "(minutes>1)&&(level==2)"}, "20:5 validity[1]: is never reached: validity[0]"},
		{"the same the other way round", []string{`minutes > 1 && course == "A"`, `"A" == course && minutes > 1`}, "20:5 validity[1]: is never reached: validity[0]"},
		{"narrower", []string{`course == "A"`, `level > 2 && course == "A"`}, "20:5 validity[1]: is never reached: validity[0]"},
		{"narrower by an expression with a variable of its own", []string{`["A", "B"].exists(c, course.startsWith(c))`, `level > 2 && ["A", "B"].exists(c, course.startsWith(c))`}, "20:5 validity[1]: is never reached: validity[0]"},
		{"narrower by its few cases", []string{`mode in ["online", "lecture"]`, `mode == "online" && passed`}, "20:5 validity[1]: is never reached: one of the rules before it"},
		{"taken by several", []string{`mode == "online"`, `mode == "lecture"`, `mode == "lecture" || mode == "online"`}, "21:5 validity[2]: is never reached: one of the rules before it"},

		{"wider", []string{`level > 2 && course == "A"`, `course == "A"`, ""}, ""},
		{"crossing", []string{`level > 2 && course == "A"`, `level > 2 && course == "B"`, "level > 1"}, ""},
		{"a case is left", []string{`mode == "online" && passed`, `mode == "online"`, `mode != "online"`}, ""},
		{"only one is always", []string{"true"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, validityOf(c.conditions...))
			if c.want == "" && len(got) == 0 || c.want != "" && len(got) == 1 && strings.HasPrefix(got[0], c.want) {
				return
			}
			t.Errorf("%q, want %q", got, c.want)
		})
	}
	for stage, rules := range map[string]string{
		"hours":      "hours:\n  - {id: a, when: level > 1}\n  - {id: b, when: level > 1}\n",
		"points":     "points:\n  - {id: a, when: age > 1, minutes_per_point: 1, step_milli_points: 1, lapse: LAPSE_NEVER}\n  - {id: b, when: age > 1, minutes_per_point: 1, step_milli_points: 1, lapse: LAPSE_NEVER}\n",
		"conversion": "",
		"rounding":   "",
	} {
		text := minimal + rules
		switch stage {
		case "conversion":
			text = strings.Replace(minimal, "  - id: class\n", "  - {id: a, when: level > 1, no_credit: true}\n  - {id: b, when: level > 1, no_credit: true}\n  - id: class\n", 1)
		case "rounding":
			text = strings.Replace(minimal, "  - id: tenths\n", strings.Repeat("  - {id: a, when: level > 1, step_milli_credits: 100, direction: DIRECTION_DOWN, remainder: REMAINDER_DROP}\n", 2)+"  - id: tenths\n", 1)
			text = strings.Replace(text, "id: a,", "id: b,", 1)
		}
		if got := faultsOf(t, text); len(got) != 1 || !strings.Contains(got[0], stage+"[1]: is never reached: "+stage+"[0]") {
			t.Errorf("%s: %q", stage, got)
		}
	}
}

// Where every rule that holds counts, one that can say nothing new is refused, and so is a condition of which the answer is known.
func TestRulesThatSayNothing(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		want        string // of the one fault; empty: none
	}{
		{"review twice", "review:\n  - {id: a, when: level > 1, risk: 1}\n  - {id: b, when: (level>1), risk: 2}\n", "20:5 review[1]: says the same as review[0]"},
		{"eligibility twice", "eligibility:\n  - {id: a, require: level > 1}\n  - {id: b, require: level > 1}\n", "20:5 eligibility[1]: says the same as eligibility[0]"},
		{"eligibility of two kinds", "eligibility:\n  - {id: a, when: late > 1, require: level > 1}\n  - {id: b, require: level > 1}\n", ""},
		{"two caps on the same", "caps:\n  - {id: a, period: PERIOD_YEAR, milli_credits: 1}\n  - {id: b, period: PERIOD_YEAR, milli_credits: 2}\n", "20:5 caps[1]: says the same as caps[0]"},
		{"two caps on different", "caps:\n  - {id: a, period: PERIOD_YEAR, milli_credits: 1}\n  - {id: b, period: PERIOD_YEAR, scope: SCOPE_PROVIDER, milli_credits: 2}\n  - {id: c, period: PERIOD_YEAR, when: level > 1, milli_credits: 2}\n", ""},

		{"a contradiction", "review:\n  - id: a\n    risk: 1\n    when: mode == 'online' && mode == 'lecture'\n", "21:11 review[0].when: never holds"},
		{"passed without a result", "review:\n  - id: a\n    risk: 1\n    when: passed && !has_passed\n", "21:11 review[0].when: never holds"},
		{"false whatever else", "caps:\n  - id: a\n    period: PERIOD_YEAR\n    when: minutes > 5 && 1 > 2\n", "21:11 caps[0].when: never holds"},
		{"false, quoted", "overlap: {id: o, when: 'false'}\n", "18:25 overlap.when: never holds"},
		{"never worked out", "review:\n  - id: a\n    risk: 1\n    when: 1 / 0 == 1\n", "21:11 review[0].when: can never be worked out"},
		{"a review of everything", "review:\n  - {id: a, risk: 1, when: 'true'}\n", ""},
		{"a requirement that is always met", "eligibility:\n  - id: a\n    when: mode == 'online'\n    require: score >= 0 || true\n", "21:14 eligibility[0].require: always holds"},
		{"a requirement that is never met", "eligibility:\n  - {id: a, when: mode == 'online', require: 'false'}\n", ""},

		{"professional hours of nobody", "requirements:\n  - {id: a, professional_numerator: 2, professional_denominator: 3}\n", "19:37 requirements[0].professional_numerator: asks for professional hours, which no category has"},
		{"a closed period of another version", "closed_through: \"2024-03-29\"\n", "18:17 closed_through: lies before effective_from"},
		{"closed on the first day", "closed_through: \"2024-03-30\"\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, minimal+c.rules)
			if c.want == "" && len(got) == 0 || c.want != "" && len(got) == 1 && strings.HasPrefix(got[0], c.want) {
				return
			}
			t.Errorf("%q, want %q", got, c.want)
		})
	}
}

// Each condition may be affordable and all of them together not.
func TestAllConditionsTogetherCostTooMuch(t *testing.T) {
	rules := "review:\n"
	for i := range 20 {
		rules += fmt.Sprintf("  - {id: r%d, risk: 1, when: '[1,2,3,4,5,6,7].all(a, [1,2,3,4,5,6,7,8].all(b, a + b + %d < minutes))'}\n", i, i)
	}
	got := faultsOf(t, minimal+rules)
	if len(got) != 1 || !strings.Contains(got[0], "brings the conditions of the policy to") {
		t.Errorf("%q", got)
	}
}

// What was published before a check was there judges on.
func TestLoad(t *testing.T) {
	dear := "review:\n"
	for i := range 20 {
		dear += fmt.Sprintf("  - {id: r%d, risk: 1, when: '[1,2,3,4,5,6,7].all(a, [1,2,3,4,5,6,7,8].all(b, a + b + %d < minutes))'}\n", i, i)
	}
	for _, text := range []string{
		validityOf("", "minutes > 1"), validityOf("level > 1", "level > 1"), minimal + dear,
		minimal + "review:\n  - {id: a, when: level > 1, risk: 1}\n  - {id: b, when: level > 1, risk: 2}\n  - {id: c, when: 'false', risk: 2}\n",
		minimal + "closed_through: \"2024-03-29\"\nrequirements: [{id: q, professional_numerator: 2, professional_denominator: 3}]\n",
	} {
		if faultsOf(t, text) == nil {
			t.Errorf("Compile takes %s", text)
		}
		if p, err := policy.Load([]byte(text)); err != nil || len(decide(p, minutes(t, classroom, 90), empty(t)).Reasons) == 0 {
			t.Errorf("Load: %v", err)
		}
	}
	if _, err := policy.Load([]byte(minimal + "review: [{id: a, when: minuets > 1, risk: 1}]\n")); len(policy.Faults(err)) != 1 {
		t.Errorf("Load: %v", err)
	}
	text := []byte(minimal)
	compiled, err := policy.Compile(text)
	loaded, err2 := policy.Load(text)
	if err != nil || err2 != nil || compiled.Hash() != loaded.Hash() {
		t.Error("the same text is two policies")
	}
}
