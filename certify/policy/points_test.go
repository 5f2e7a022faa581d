package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func born(t testing.TB, date string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// DOMAIN, rule 9: 养生保健 counts for points, not for conversion to a degree.
func TestRule9HealthGivesPoints(t *testing.T) {
	p := defaultPolicy(t)
	for _, category := range []string{"civic", "arts", "science", "vocational", "family", "health", "safety"} {
		f := minutes(t, classroom, 120)
		f.Category = category
		got := decide(p, f, empty(t))
		// 120 minutes are 1.6 steps of 72: 0.1 credit; and two hours by the clock: 2 points.
		if got.Outcome != awarded || got.Available != 100 || got.Points != 2000 {
			t.Errorf("%s: %+v", category, got)
		}
		if c, ok := p.Category(category); !ok || c.Transferable != (category != "health") {
			t.Errorf("%s towards a degree: %+v", category, c)
		}
	}
}

// DOMAIN, rule 10, the awarder's half: certificate X, level intermediate, is course Y of 3 credits; the source is at most 5
// years old; each lot once. Which share of a programme an institution takes is a matter of its agreement.
func TestRule10CertificateForCourse(t *testing.T) {
	p := compile(t, strings.Replace(minimal, "conversion:\n", `eligibility:
  - id: source-age
    when: mode == "achievement"
    require: posted_at < ended_at + duration("43824h") # 1,826 days: five years with their leap day
conversion:
  - id: chef-for-cooking
    when: mode == "achievement" && course == "CHEF" && level == 4
    fixed_milli_credits: 3000
  - id: other-certificates
    when: mode == "achievement"
    no_credit: true
`, 1)+"duplicates: {id: once, keep: KEEP_FIRST}\n")
	for _, c := range []struct {
		name    string
		course  string
		level   int
		posted  string
		prior   bool
		outcome ledgerv1.Outcome
		credits unit.Credits
	}{
		{name: "intermediate", course: "CHEF", level: 4, posted: "2026-03-05 09:00", outcome: awarded, credits: 3000},
		{name: "elementary", course: "CHEF", level: 5, posted: "2026-03-05 09:00", outcome: noCredit},
		{name: "another certificate", course: "TEA", level: 4, posted: "2026-03-05 09:00", outcome: noCredit},
		{name: "the last minute of five years", course: "CHEF", level: 4, posted: "2031-03-03 10:29", outcome: awarded, credits: 3000},
		{name: "five years", course: "CHEF", level: 4, posted: "2031-03-03 10:30", outcome: noCredit},
		{name: "a second time", course: "CHEF", level: 4, posted: "2026-03-05 09:00", prior: true, outcome: duplicate},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := class(t, achievement, session(t, "2026-03-03 09:00", 90)) // the day of the certificate
			f.Course, f.Level, f.EquivalenceGroup, f.PostedAt = c.course, c.level, "cooking", at(t, c.posted)
			a := empty(t)
			if c.prior {
				a.prior = &policy.Prior{Completion: 7, Replaceable: true}
			}
			got := decide(p, f, a)
			if got.Outcome != c.outcome || got.Available != c.credits || got.Pending != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// DOMAIN, rule 13: a point an hour; from sixty on 1.2 times as many; they lapse on 31 December; spending needs VERIFIED.
func TestRule13Points(t *testing.T) {
	p := defaultPolicy(t)
	if !p.AsksAge() || !p.VerifiedToSpend() {
		t.Error("the default policy asks neither for the age nor for a verified account")
	}
	const on = "2026-03-03"
	for _, c := range []struct {
		name   string
		born   string // empty: unknown
		learnt int
		points unit.Points
		added  int64 // by the age factor
	}{
		{"an hour", "1990-01-01", 60, 1000, 0},
		{"an hour and a half", "1990-01-01", 90, 1500, 0},
		{"six minutes are a tenth", "1990-01-01", 6, 100, 0},
		{"five are not", "1990-01-01", 5, 0, 0},
		{"100 minutes are 1.666", "1990-01-01", 100, 1600, 0},
		{"sixty today", "1966-03-03", 60, 1200, 200},
		{"sixty tomorrow", "1966-03-04", 60, 1000, 0},
		{"sixty since yesterday", "1966-03-02", 90, 1800, 300},
		{"rounded after the factor: 100 × 1.2 are 120 minutes", "1950-01-01", 100, 2000, 400},
		{"5 × 1.2 are 6", "1950-01-01", 5, 100, 100},
		{"born on 29 February", "1964-02-29", 60, 1200, 200},
		{"nobody knows", "", 60, 1000, 0},
		{"born after the class", "2026-03-04", 60, 1000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := minutes(t, classroom, c.learnt)
			if c.born != "" {
				f.Born = born(t, c.born)
			}
			got := decide(p, f, empty(t))
			lapses := ""
			if got.PointsLapseDay != 0 {
				lapses = got.PointsLapseDay.String()
			}
			// 31 December is the last day, 1 January the first on which they are gone.
			if got.Outcome != awarded || got.Points != c.points || (c.points > 0 && lapses != "2027-01-01") || (c.points == 0 && lapses != "") {
				t.Errorf("born %s on %s: %+v, lapses %q", c.born, on, got, lapses)
			}
			last := got.Reasons[len(got.Reasons)-1]
			want := policy.Reason{
				Stage: points, Rule: "point-an-hour", Before: int64(c.learnt), After: int64(c.points), Limit: 60, Carried: c.added,
			}
			if last != want {
				t.Errorf("%+v, want %+v", last, want)
			}
		})
	}

	t.Run("the year is that of the learning", func(t *testing.T) {
		// Half past midnight on 1 January in Hangzhou is still 31 December in UTC.
		for begin, want := range map[string]string{"2026-12-31 22:00": "2027-01-01", "2026-12-31 23:30": "2028-01-01"} {
			f := class(t, classroom, session(t, begin, 60))
			if got := decide(p, f, empty(t)); got.PointsLapseDay != day(t, want) {
				t.Errorf("%s: lapses %v, want %s", begin, got.PointsLapseDay, want)
			}
		}
	})
	t.Run("a leap day birthday comes on 1 March", func(t *testing.T) {
		for begin, want := range map[string]unit.Points{"2024-02-28 09:00": 1000, "2024-02-29 09:00": 1200} {
			f := class(t, classroom, session(t, begin, 60))
			f.Born = born(t, "1964-02-29")
			if got := decide(p, f, empty(t)); got.Points != want {
				t.Errorf("%s: %v", begin, got.Points)
			}
		}
		for begin, want := range map[string]unit.Points{"2026-02-28 09:00": 1000, "2026-03-01 09:00": 1200} {
			f := class(t, classroom, session(t, begin, 60))
			f.Born = born(t, "1964-02-29")
			q := compile(t, minimal+"points: [{id: p, minutes_per_point: 60, step_milli_points: 1, lapse: LAPSE_NEVER, age_factor: {from_age: 62, numerator: 6, denominator: 5}}]\n")
			if got := decide(q, f, empty(t)); got.Points != want || got.PointsLapseDay != 0 {
				t.Errorf("%s: %+v", begin, got)
			}
		}
	})
}

// Points follow the hours: what counts no hours gives none, and hours without credits do.
func TestPointsFollowTheHours(t *testing.T) {
	p := defaultPolicy(t)
	mode := func(m statementv1.Mode, change func(*policy.Fact)) policy.Fact {
		f := minutes(t, m, 120)
		if change != nil {
			change(&f)
		}
		return f
	}
	for _, c := range []struct {
		name    string
		fact    policy.Fact
		prior   *policy.Prior
		outcome ledgerv1.Outcome
		points  unit.Points
	}{
		{name: "failed", fact: mode(classroom, func(f *policy.Fact) { f.Score = new(int32(10)) }), outcome: noCredit, points: 2000},
		{name: "a day of 180 minutes", fact: minutes(t, online, 240), outcome: awarded, points: 3000},
		{name: "a degree", fact: mode(achievement, nil), outcome: awarded},
		{
			name: "a duplicate", fact: mode(classroom, func(f *policy.Fact) { f.EquivalenceGroup = "g" }),
			prior: &policy.Prior{Completion: 1}, outcome: duplicate,
		},
		{name: "in review", fact: mode(classroom, func(f *policy.Fact) { f.Suspect = true }), outcome: inReview},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := empty(t)
			a.prior = c.prior
			if got := decide(p, c.fact, a); got.Outcome != c.outcome || got.Points != c.points {
				t.Errorf("%+v", got)
			}
		})
	}

	suspect := mode(classroom, func(f *policy.Fact) { f.Suspect, f.Born = true, born(t, "1950-01-01") })
	pr := p.Prepare(suspect)
	for name, got := range map[string]policy.Assessment{"approved": pr.Approve(empty(t)), "hours only": pr.HoursOnly(empty(t))} {
		n := len(got.Reasons)
		if got.Points != 2400 || got.Reasons[n-2].Stage != decision || got.Reasons[n-1].Stage != points {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Conditions on points see the age; the first that holds is taken, and one that cannot be worked out gives none.
func TestPointsByConditions(t *testing.T) {
	p := compile(t, minimal+`points:
  - {id: unknown, when: '!age_known', minutes_per_point: 90, step_milli_points: 1000, lapse: LAPSE_NEVER}
  - {id: young, when: age < 18, minutes_per_point: 10, step_milli_points: 1, lapse: LAPSE_NEVER}
  - {id: broken, when: 100 / (age - 44) > 0 && age < 50, minutes_per_point: 1, step_milli_points: 1, lapse: LAPSE_NEVER}
  - {id: old, when: age >= 70, minutes_per_point: 45, step_milli_points: 1, lapse: LAPSE_NEVER}
`)
	for _, c := range []struct {
		born   string
		rule   string
		points unit.Points
	}{
		{"", "unknown", 1000},
		{"2010-01-01", "young", 10_000},
		{"1980-01-01", "broken", 100_000}, // 46
		{"1956-03-03", "old", 2222},       // 70 today: 100/45
		{"1956-03-04", "", 0},
	} {
		f := minutes(t, classroom, 100)
		if c.born != "" {
			f.Born = born(t, c.born)
		}
		got := decide(p, f, empty(t))
		last := got.Reasons[len(got.Reasons)-1]
		if got.Points != c.points || (c.rule != "") != (last.Stage == points) || (c.rule != "" && last.Rule != c.rule) {
			t.Errorf("born %s: %+v", c.born, got)
		}
	}

	f := minutes(t, classroom, 100)
	f.Born = born(t, "1982-01-01") // 44
	pr := p.Prepare(f)
	got := pr.Decide(empty(t))
	checkNothingMoves(t, got)
	if !slices.Equal(got.Causes, []string{policy.PolicyError}) || got.Reasons[0] != (policy.Reason{Stage: points, Rule: policy.PolicyError, Before: 100}) {
		t.Errorf("%+v", got)
	}
	// An officer gives the credits; points that cannot be worked out are not given.
	if got := pr.Approve(empty(t)); got.Outcome != awarded || got.Available != 100 || got.Points != 0 ||
		got.Reasons[len(got.Reasons)-1] != (policy.Reason{Stage: points, Rule: policy.PolicyError, Before: 100}) {
		t.Errorf("approved: %+v", got)
	}

	if p := compile(t, minimal); p.AsksAge() || p.VerifiedToSpend() {
		t.Error("a policy without points asks for the age")
	}
	if p := compile(t, minimal+"points: [{id: p, when: minutes > 1, minutes_per_point: 60, step_milli_points: 1, lapse: LAPSE_NEVER}]\n"); p.AsksAge() {
		t.Error("a policy that asks for no age does")
	}
}

func TestPointsInWords(t *testing.T) {
	p := defaultPolicy(t)
	for reason, want := range map[policy.Reason][2]string{
		{Stage: points, Rule: "point-an-hour", Before: 90, After: 1500, Limit: 60}: {
			"学习每 60 分钟得 1 积分：2 学时（90 分钟），得 1.5 积分。积分不是学分，年底未使用的失效。",
			"Sixty minutes of learning give one point: 2 learning hours (90 minutes) give 1.5 points. Points are no credits, and lapse at the end of the year.",
		},
		{Stage: points, Rule: "point-an-hour", Before: 90, After: 1800, Limit: 60, Carried: 300}: {
			"学习每 60 分钟得 1 积分，60 周岁及以上乘以 1.2：2 学时（90 分钟），得 1.8 积分（其中 0.3 积分 为长者优待）。积分不是学分，年底未使用的失效。",
			"Sixty minutes of learning give one point, times 1.2 from the age of 60: 2 learning hours (90 minutes) give 1.8 points, 0.3 points of them for age. Points are no credits, and lapse at the end of the year.",
		},
		{Stage: points, Rule: "another", Before: 60, After: 1000, Limit: 60}:               {"学习 1 学时 15 分钟（60 分钟） 得 1 积分。", "1 learning hour 15 minutes (60 minutes) of learning give 1 point."},
		{Stage: points, Rule: "another", Before: 60, After: 1200, Limit: 60, Carried: 200}: {"学习 1 学时 15 分钟（60 分钟） 得 1.2 积分，其中年龄优待 0.2 积分。", "1 learning hour 15 minutes (60 minutes) of learning give 1.2 points, 0.2 points of them for age."},
	} {
		if zh, en := p.Explain(reason, "zh"), p.Explain(reason, "en"); zh != want[0] || en != want[1] {
			t.Errorf("%+v:\n%s\n%s", reason, zh, en)
		}
	}
}
