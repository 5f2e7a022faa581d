package agreement_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
)

type ledgerKind = policyv1.Agreement_Kind

// minimal is the least that an agreement has.
const minimal = `id: a
version: "1"
institution: college
title: {zh: 协议, en: Agreement}
effective_from: "2026-01-01"
time_zone: Asia/Shanghai
programmes: [{code: p, name: {zh: 专业, en: Programme}, milli_credits: 10000}]
sources: [{id: s}]
ratios: [{id: r, numerator: 1, denominator: 1}]
rounding: {id: step, step_milli_credits: 1, remainder: REMAINDER_KEEP}
use: USE_CONSUMED
hold_days: 30
`

func TestCompile(t *testing.T) {
	for _, text := range [][]byte{[]byte(minimal), agreements.OpenUniversity2026(), agreements.VocationalCollege2026()} {
		a, err := agreement.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if loaded, err := agreement.Load(text); err != nil || loaded.Hash() != a.Hash() {
			t.Errorf("loaded: %v", err)
		}
	}
}

// Every fault is found at once, at its line and column.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown field", "hold_days: 30", "hold_day: 30", `12:1: unknown field "hold_day"`},
		{"a fraction", "numerator: 1,", "numerator: 1.5,", `9:29: ratios[0].numerator: "1.5" is not a whole number`},
		{"no ratio of nothing", "denominator: 1", "denominator: 0", "9:45: ratios[0].denominator: is 0, not 1 to 1000"},
		{"institution", "institution: college", "institution: The College", "3:14: institution: organization id"},
		{"version", `version: "1"`, `version: "a b"`, "2:10: version: is 1 to 32 visible"},
		{"one language", "en: Agreement", "en: ''", "4:21: title.en: both languages are needed"},
		{"no such day", "2026-01-01", "2026-02-30", "5:17: effective_from: is a day"},
		{"ends before it begins", "time_zone", "effective_until: '2025-01-01'\ntime_zone", "6:18: effective_until: lies before effective_from"},
		{"zone", "Asia/Shanghai", "Local", "6:12: time_zone: is the IANA name"},
		{"no programme", "programmes: [{code: p, name: {zh: 专业, en: Programme}, milli_credits: 10000}]\n", "", "1:1: programmes: has 0, not 1 to 64"},
		{"two of a name", "sources: [{id: s}]", "sources: [{id: s, kinds: [KIND_CLAIM]}, {id: s}]", `8:46: sources[1].id: there are two rules "s"`},
		{"never reached", "sources: [{id: s}]", "sources: [{id: s}, {id: u}]", "8:20: sources[1]: is never reached: sources[0] comes first"},
		{"kind", "{id: s}", "{id: s, kinds: [KIND_UNSPECIFIED]}", "8:27: sources[0].kinds[0]: is KIND_COMPLETION"},
		{"condition of another type", "{id: s}", "{id: s, when: level}", "8:25: sources[0].when: yields int, not bool"},
		{"condition on what is not there", "{id: s}", "{id: s, when: lvl > 1}", "8:25: sources[0].when: undeclared reference to 'lvl'"},
		{"double", "{id: s}", "{id: s, when: level > 1.5}", "8:31: sources[0].when: found no matching overload"},
		{"a double that fits its type", "{id: s}", "{id: s, when: 1.5 > 1.0}", "8:25: sources[0].when: a number with a decimal point is refused"},
		{"unknown kind in a condition", "{id: s}", `{id: s, when: kind == "opned"}`, `8:33: sources[0].when: unknown kind "opned"`},
		{"unknown programme in a condition", "{id: s}", `{id: s, when: 'programme in ["p", "q"]'}`, `8:45: sources[0].when: unknown programme "q"`},
		{"too dear", "{id: s}", `{id: s, when: '[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, a + b + c + level > 0)))'}`, "8:26: sources[0].when: may cost"},
		{"never holds", "{id: s}", "{id: s, when: level > 1 && false}", "8:25: sources[0].when: never holds"},
		{"cap without a limit", "use:", "caps: [{id: c}]\nuse:", "11:8: caps[0]: has exactly one of per_mille and milli_credits"},
		{"cap of an unknown category", "use:", "categories: [{id: civic}]\ncaps: [{id: c, per_mille: 5, categories: [arts]}]\nuse:", `12:43: caps[0].categories[0]: unknown category "arts"`},
		{"course that anything is", "use:", "courses: [{id: c, counts_as: X, name: {zh: a, en: a}, milli_credits: 5}]\nuse:", "11:11: courses[0]: has one of course, category and when"},
		{"levels", "use:", "categories: [{id: civic, min_level: 4, max_level: 3}]\nuse:", "11:51: categories[0].max_level: lies below min_level"},
		{"placeholder", "{id: r,", "{id: r, words: {zh: '{x}', en: a},", "9:30: ratios[0].words.zh: unknown placeholder {x}"},
		{"use", "use: USE_CONSUMED", "use: USE_UNSPECIFIED", "11:6: use: is USE_CONSUMED or USE_RECOGNISED"},
		{"nothing held", "hold_days: 30", "hold_days: 0", "12:12: hold_days: is 0, not 1 to 365"},
		{"no rounding", "rounding: {id: step, step_milli_credits: 1, remainder: REMAINDER_KEEP}\n", "", "1:1: rounding: rounding is needed"},
		{"what is given up", "REMAINDER_KEEP", "REMAINDER_UNSPECIFIED", "10:56: rounding.remainder: is REMAINDER_KEEP"},
		{"nothing given", "ratios: [{id: r, numerator: 1, denominator: 1}]\n", "", "1:1: ratios: has neither courses nor ratios"},
		{"two documents", "hold_days: 30", "hold_days: 30\n---\na: 1", "an agreement is one document"},
		{"empty", minimal, "", "the text is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(minimal, c.old, c.new, 1)
			if text == minimal {
				t.Fatal("nothing was replaced")
			}
			_, err := agreement.Compile([]byte(text))
			if !errors.Is(err, agreement.ErrAgreement) {
				t.Fatal(err)
			}
			var got []string
			for _, f := range agreement.Faults(err) {
				got = append(got, f.Error())
			}
			if !slices.ContainsFunc(got, func(s string) bool {
				return strings.HasPrefix(s, "agreement: "+c.want) || strings.Contains(s, c.want) && !strings.Contains(c.want, ":")
			}) {
				t.Errorf("got\n%s\nwant %s", strings.Join(got, "\n"), c.want)
			}
		})
	}
	text := strings.NewReplacer("denominator: 1", "denominator: 0", "hold_days: 30", "hold_days: 900", "{id: s}", "{id: s, when: level}").Replace(minimal)
	_, err := agreement.Compile([]byte(text))
	if got := fmt.Sprint(len(agreement.Faults(err))); got != "3" {
		t.Errorf("%s faults of 3: %v", got, err)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add(agreements.OpenUniversity2026())
	f.Add(agreements.VocationalCollege2026())
	f.Add([]byte(minimal + "requirements:\n  - id: q\n    require: >-\n      level > 1 &&\n      lvl > 2\n"))
	f.Add([]byte("? [a]\n: {b: !!int c, 3: &x [*x]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := agreement.Compile(text)
		if err != nil {
			faults := agreement.Faults(err)
			if a != nil || len(faults) == 0 || !errors.Is(err, agreement.ErrAgreement) {
				t.Fatalf("%v, %v", a, err)
			}
			lines := strings.Count(string(text), "\n") + 1
			for _, e := range faults {
				if e.Line < 0 || e.Line > lines+1 || e.Column < 0 || e.Message == "" {
					t.Fatalf("a fault in line %d of %d: %v", e.Line, lines, e)
				}
			}
			return
		}
		// Whatever compiles quotes without a panic, and no more than there is.
		for _, p := range a.Programmes() {
			quote, err := a.Quote(p.Code, []agreement.Item{lot(t, 1, "civic", 1000), lot(t, 2, "vocational", 1_000_000_000_000, level(4))}, agreement.Taken{}, a.EffectiveFrom())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range quote.Decisions {
				if d.Takes < 0 || d.Takes > d.Item.Available || d.Gives < 0 {
					t.Fatal(said(quote))
				}
			}
		}
	})
}
