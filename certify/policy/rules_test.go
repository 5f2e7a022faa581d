package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func checkReasons(t *testing.T, got policy.Assessment, want ...policy.Reason) {
	t.Helper()
	if !slices.Equal(chain(got), want) {
		t.Errorf("reasons\n%+v, want\n%+v", got.Reasons, want)
	}
}

// chain is the reasons but for that of the points, which stands beside the others: see points_test.go.
func chain(a policy.Assessment) []policy.Reason {
	reasons := a.Reasons
	if n := len(reasons); n > 0 && reasons[n-1].Stage == points {
		reasons = reasons[:n-1]
	}
	return reasons
}

func counted(a policy.Assessment) unit.Minutes {
	var sum unit.Minutes
	for _, y := range a.Hours {
		sum += y.Minutes
	}
	return sum
}

// DOMAIN, rule 1: minutes/45 are 学时, 16 学时 = 720 minutes are a credit, rounded down to 0.1 = 72 minutes; the rest goes to the
// next class of the same course.
func TestRule1ClassesCarryTheirRemainder(t *testing.T) {
	p, a := defaultPolicy(t), empty(t)
	for i, c := range []struct {
		minutes   int
		raw       int64 // pool × 1000 / 720, rounded down
		available unit.Credits
		left      unit.Minutes
	}{
		{90, 125, 100, 18},    // 90 = 72 + 18
		{90, 150, 100, 36},    // 90 + 18 = 108 = 72 + 36
		{90, 175, 100, 54},    // 90 + 36 = 126 = 72 + 54
		{90, 200, 200, 0},     // 90 + 54 = 144 = 2 × 72: four classes of 90 are half a credit
		{30, 41, 0, 30},       // does not fill the first step: counted, nothing given yet
		{41, 98, 0, 71},       // 71
		{1, 100, 100, 0},      // 72
		{720, 1000, 1000, 0},  // 16 学时
		{1440, 2000, 2000, 0}, // 32 学时
	} {
		before := a.remainder
		got := decide(p, minutes(t, classroom, c.minutes), a)
		a.apply(got)
		if got.Outcome != awarded || got.Available != c.available || got.Pending != 0 || a.remainder != c.left || counted(got) != unit.Minutes(c.minutes) {
			t.Errorf("class %d: %+v, %d minutes left, want %v and %d", i, got, a.remainder, c.available, c.left)
		}
		want := []policy.Reason{
			{Stage: hours, Rule: policy.AsPosted, Before: int64(c.minutes), After: int64(c.minutes)},
			{Stage: conversion, Rule: "class-credits", Before: int64(c.minutes), After: c.raw, Limit: 720, Carried: int64(before)},
		}
		if c.raw != int64(c.available) {
			want = append(want, policy.Reason{Stage: rounding, Rule: "tenths", Before: c.raw, After: int64(c.available), Limit: 100, Carried: int64(c.left)})
		}
		checkReasons(t, got, want...)
		if got.ExpiresDay != 0 {
			t.Errorf("class %d expires on %v, want never", i, got.ExpiresDay)
		}
	}
}

// DOMAIN, rule 2: online 20 学时 = 900 minutes are a credit; at most 4 学时 = 180 minutes a day of Asia/Shanghai; never more than
// the course's nominal hours.
func TestRule2OnlineDaysAndNominalHours(t *testing.T) {
	p := defaultPolicy(t)
	for _, c := range []struct {
		name     string
		sessions []policy.Session
		nominal  unit.Minutes
		used     map[string]unit.Minutes // by day
		days     map[string]unit.Minutes
		credits  unit.Credits
		left     unit.Minutes
		reasons  []policy.Reason
	}{
		{
			name: "within", sessions: []policy.Session{session(t, "2026-03-03 09:00", 180)}, nominal: 900,
			days: map[string]unit.Minutes{"2026-03-03": 180}, credits: 200, // 180/900
			reasons: []policy.Reason{{Stage: hours, Rule: "online-hours", Before: 180, After: 180}},
		},
		{
			name: "one day is full", sessions: []policy.Session{session(t, "2026-03-03 09:00", 240)}, nominal: 900,
			days: map[string]unit.Minutes{"2026-03-03": 180}, credits: 200,
			reasons: []policy.Reason{{Stage: hours, Rule: "online-hours", Before: 240, After: 180, Limit: 180}},
		},
		{
			name: "something counts already", sessions: []policy.Session{session(t, "2026-03-03 09:00", 120)}, nominal: 900,
			used: map[string]unit.Minutes{"2026-03-03": 90},
			days: map[string]unit.Minutes{"2026-03-03": 90}, credits: 100, // 90/900
			reasons: []policy.Reason{{Stage: hours, Rule: "online-hours", Before: 120, After: 90, Limit: 180}},
		},
		{
			// 23:30 in Hangzhou is 15:30 UTC: 100 of the 100 minutes belong to the 3rd, on which they began.
			name:     "two sessions about midnight",
			sessions: []policy.Session{session(t, "2026-03-03 23:30", 100), session(t, "2026-03-04 07:00", 200)}, nominal: 900,
			days: map[string]unit.Minutes{"2026-03-03": 100, "2026-03-04": 180}, credits: 300, left: 10, // 280 = 3 × 90 + 10
			reasons: []policy.Reason{{Stage: hours, Rule: "online-hours", Before: 300, After: 280, Limit: 180}},
		},
		{
			name: "nominal hours", sessions: []policy.Session{session(t, "2026-03-03 09:00", 150)}, nominal: 135,
			days: map[string]unit.Minutes{"2026-03-03": 135}, credits: 100, left: 45,
			reasons: []policy.Reason{{Stage: hours, Rule: "online-hours", Before: 150, After: 135, Limit: 135}},
		},
		{
			// The days leave 80 + 100 = 180, of which the course has 90: 80 of the first session, 10 of the second.
			name:     "both limits",
			sessions: []policy.Session{session(t, "2026-03-03 09:00", 80), session(t, "2026-03-03 12:00", 120)}, nominal: 90,
			days: map[string]unit.Minutes{"2026-03-03": 90}, credits: 100,
			reasons: []policy.Reason{
				{Stage: hours, Rule: "online-hours", Before: 200, After: 180, Limit: 180},
				{Stage: hours, Rule: "online-hours", Before: 180, After: 90, Limit: 90},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := empty(t)
			for d, m := range c.used {
				a.days[policy.DayMinutes{Rule: "online-hours", Day: day(t, d)}] = m
			}
			f := class(t, online, c.sessions...)
			f.NominalMinutes = c.nominal
			got := decide(p, f, a)
			days := make(map[string]unit.Minutes)
			for _, d := range got.Days {
				days[d.Day.String()] += d.Minutes
			}
			if got.Outcome != awarded || !reflect.DeepEqual(days, c.days) || got.Available != c.credits || got.Remainder != c.left {
				t.Errorf("%+v on days %v", got, days)
			}
			checkReasons(t, policy.Assessment{Reasons: got.Reasons[:len(c.reasons)]}, c.reasons...)
		})
	}

	a := empty(t)
	a.days[policy.DayMinutes{Rule: "online-hours", Day: day(t, "2026-03-03")}] = 180
	if got := decide(p, minutes(t, online, 60), a); got.Outcome != noCredit || counted(got) != 0 || len(got.Days) != 0 || got.Available != 0 {
		t.Errorf("a full day leaves %+v", got)
	}
}

// DOMAIN, rule 3: practice 30 h = 1800 minutes are a credit, lectures 15 h = 900.
func TestRule3PracticeAndLectures(t *testing.T) {
	p := defaultPolicy(t)
	for _, c := range []struct {
		mode    statementv1.Mode
		minutes int
		credits unit.Credits
		left    unit.Minutes
	}{
		{practice, 1440, 800, 0}, // 1440 = 8 × 180
		{practice, 179, 0, 179},
		{practice, 181, 100, 1},
		{lecture, 900, 1000, 0},
		{lecture, 95, 100, 5}, // 90 + 5
	} {
		got := decide(p, minutes(t, c.mode, c.minutes), empty(t))
		if got.Outcome != awarded || got.Available != c.credits || got.Remainder != c.left {
			t.Errorf("%v of %d: %+v", c.mode, c.minutes, got)
		}
	}
}

// DOMAIN, rule 4: attendance ≥ 80 % and (score ≥ 60 or passed); 3 late = 1 absence; otherwise no credit, hours kept.
func TestRule4AttendanceAndScore(t *testing.T) {
	p := defaultPolicy(t)
	for _, c := range []struct {
		name       string
		attendance *policy.Attendance
		score      *int32
		passed     *bool
		refusedBy  []string
	}{
		{name: "nothing was taken"},
		{name: "8 of 10", attendance: &policy.Attendance{Held: 10, Attended: 8}},
		{name: "7 of 10", attendance: &policy.Attendance{Held: 10, Attended: 7}, refusedBy: []string{"attendance"}},
		{name: "late twice is no absence", attendance: &policy.Attendance{Held: 10, Attended: 6, Late: 2}},
		{name: "late thrice is one: 5 + 3 - 1 = 7", attendance: &policy.Attendance{Held: 10, Attended: 5, Late: 3}, refusedBy: []string{"attendance"}},
		{name: "6 + 3 - 1 = 8", attendance: &policy.Attendance{Held: 10, Attended: 6, Late: 3}},
		{name: "10 late are 3 absences: 7", attendance: &policy.Attendance{Held: 10, Late: 10}, refusedBy: []string{"attendance"}},
		{name: "60", score: new(int32(60))},
		{name: "59", score: new(int32(59)), refusedBy: []string{"assessment"}},
		{name: "59 but passed", score: new(int32(59)), passed: new(true)},
		{name: "passed", passed: new(true)},
		{name: "failed", passed: new(false), refusedBy: []string{"assessment"}},
		{name: "both", attendance: &policy.Attendance{Held: 3, Attended: 1}, score: new(int32(0)), refusedBy: []string{"attendance", "assessment"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := minutes(t, classroom, 720)
			f.Attendance, f.Score, f.Passed = c.attendance, c.score, c.passed
			got := decide(p, f, empty(t))
			if counted(got) != 720 {
				t.Errorf("%d minutes count, want 720", counted(got))
			}
			if len(c.refusedBy) == 0 {
				if got.Outcome != awarded || got.Available != 1000 {
					t.Errorf("%+v", got)
				}
				return
			}
			var want []policy.Reason
			for _, rule := range c.refusedBy {
				want = append(want, policy.Reason{Stage: eligibility, Rule: rule, Before: 720, After: 720})
			}
			checkReasons(t, got, append(want, policy.Reason{Stage: hours, Rule: policy.AsPosted, Before: 720, After: 720})...)
			if got.Outcome != noCredit || got.Available+got.Pending != 0 || got.Remainder != 0 || got.Usage != nil || got.Caps != nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

// DOMAIN, rule 5: ≤ 24 a half-year, ≤ 42 a year, ≤ 60 of one institution in a lifetime; what exceeds waits.
func TestRule5Caps(t *testing.T) {
	p := defaultPolicy(t)
	keys := []string{"half-year/2026-H1", "year/2026", "provider-lifetime/cuiyuan-school"}
	for _, c := range []struct {
		name               string
		minutes            int
		usage              [3]unit.Credits // of keys
		available, pending unit.Credits
		left               unit.Minutes
		reasons            []policy.Reason
	}{
		{
			// Exactly the room.
			name: "fits", minutes: 720, usage: [3]unit.Credits{23000, 41000, 59000}, available: 1000,
		},
		{
			// 820 minutes are 1138 milli-credits: 11 steps = 792 minutes, 28 left. 600 of the 1100 fit.
			name: "half-year", minutes: 820, usage: [3]unit.Credits{23400, 23400, 0}, available: 600, pending: 500, left: 28,
			reasons: []policy.Reason{
				{Stage: caps, Rule: "half-year", Before: 1138, After: 638, Limit: 24000, Carried: 500},
				{Stage: rounding, Rule: "tenths", Before: 638, After: 600, Limit: 100, Carried: 28},
			},
		},
		{
			// A room of 50 is no step.
			name: "less than a step", minutes: 720, usage: [3]unit.Credits{23950, 0, 0}, pending: 1000,
			reasons: []policy.Reason{{Stage: caps, Rule: "half-year", Before: 1000, After: 0, Limit: 24000, Carried: 1000}},
		},
		{
			// 900 under the half-year, 300 of it under the year, 0 of it under the institution.
			name: "one after the other", minutes: 720, usage: [3]unit.Credits{23100, 41700, 60000}, pending: 1000,
			reasons: []policy.Reason{
				{Stage: caps, Rule: "half-year", Before: 1000, After: 900, Limit: 24000, Carried: 100},
				{Stage: caps, Rule: "year", Before: 900, After: 300, Limit: 42000, Carried: 600},
				{Stage: caps, Rule: "provider-lifetime", Before: 300, After: 0, Limit: 60000, Carried: 300},
			},
		},
		{
			// A later version may have lowered a cap.
			name: "beyond the cap already", minutes: 720, usage: [3]unit.Credits{30000, 0, 0}, pending: 1000,
			reasons: []policy.Reason{{Stage: caps, Rule: "half-year", Before: 1000, After: 0, Limit: 24000, Carried: 1000}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := empty(t)
			for i, key := range keys {
				a.usage[key] = c.usage[i]
			}
			got := decide(p, minutes(t, classroom, c.minutes), a)
			if got.Outcome != awarded || got.Available != c.available || got.Pending != c.pending || got.Remainder != c.left ||
				!slices.Equal(got.Caps, keys) {
				t.Errorf("%+v", got)
			}
			var usage []policy.Usage
			if c.available > 0 {
				for _, key := range keys {
					usage = append(usage, policy.Usage{Key: key, Credits: c.available})
				}
			}
			if !slices.Equal(got.Usage, usage) {
				t.Errorf("usage %v, want %v", got.Usage, usage)
			}
			checkReasons(t, policy.Assessment{Reasons: got.Reasons[2:]}, c.reasons...)
		})
	}

	f := class(t, classroom, session(t, "2026-07-01 00:00", 90))
	if got := p.Prepare(f).CapKeys(); got[0] != "half-year/2026-H2" {
		t.Errorf("1 July is in %q", got[0])
	}
}

func TestCapsByScope(t *testing.T) {
	p := compile(t, minimal+`caps:
  - {id: kind, period: PERIOD_YEAR, scope: SCOPE_CATEGORY, milli_credits: 1000}
  - {id: poster, period: PERIOD_HALF_YEAR, scope: SCOPE_PLATFORM, milli_credits: 1000}
  - {id: all, period: PERIOD_LIFETIME, milli_credits: 1000}
  - {id: online-only, when: 'mode == "online"', period: PERIOD_LIFETIME, milli_credits: 1}
`)
	want := []string{"kind/2026/civic", "poster/2026-H1/cuiyuan-school", "all"}
	if got := p.Prepare(minutes(t, classroom, 90)).CapKeys(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// DOMAIN, rule 6, first half: of one equivalence group the best score counts.
func TestRule6BestScore(t *testing.T) {
	best := defaultPolicy(t)
	first := compile(t, minimal+"duplicates: {id: once, keep: KEEP_FIRST}\n")
	expiry := day(t, "2033-01-01")
	prior := policy.Prior{Completion: 7, HasScore: true, Score: 70, Replaceable: true, ExpiresDay: expiry}
	with := func(change func(*policy.Prior)) policy.Prior {
		p := prior
		change(&p)
		return p
	}
	for _, c := range []struct {
		name     string
		policy   *policy.Policy
		prior    policy.Prior
		score    *int32
		replaces bool
	}{
		{name: "better", policy: best, prior: prior, score: new(int32(71)), replaces: true},
		{name: "equal", policy: best, prior: prior, score: new(int32(70))},
		{name: "worse", policy: best, prior: prior, score: new(int32(69))},
		{name: "without a score", policy: best, prior: prior},
		{name: "the first has none", policy: best, prior: with(func(p *policy.Prior) { p.HasScore = false }), score: new(int32(60)), replaces: true},
		{name: "used already", policy: best, prior: with(func(p *policy.Prior) { p.Replaceable = false }), score: new(int32(99))},
		{name: "better but failed", policy: best, prior: with(func(p *policy.Prior) { p.Score = 10 }), score: new(int32(59))},
		{name: "the first is kept", policy: first, prior: prior, score: new(int32(99))},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := empty(t)
			a.prior = &c.prior
			f := minutes(t, classroom, 800) // 11 steps of 72, 8 minutes that have no next class
			f.EquivalenceGroup, f.Score = "tai-chi", c.score
			got := decide(c.policy, f, a)
			if !c.replaces {
				if got.Outcome != duplicate || got.Hours != nil || got.Days != nil || got.Available+got.Pending != 0 || got.GroupStands || got.Replaces {
					t.Errorf("%+v", got)
				}
				last := got.Reasons[len(got.Reasons)-1]
				if last.Stage != duplicates || last.Before != 800 || last.After != 0 {
					t.Errorf("%+v", last)
				}
				return
			}
			if got.Outcome != awarded || !got.Replaces || !got.GroupStands || got.Available != 1100 || got.ExpiresDay != expiry ||
				got.Remainder != 0 || counted(got) != 800 {
				t.Errorf("%+v", got)
			}
			checkReasons(t, got,
				policy.Reason{Stage: hours, Rule: policy.AsPosted, Before: 800, After: 800},
				policy.Reason{Stage: duplicates, Rule: "same-course", Before: 800, After: 800},
				policy.Reason{Stage: conversion, Rule: "class-credits", Before: 800, After: 1111, Limit: 720},
				policy.Reason{Stage: rounding, Rule: "tenths", Before: 1111, After: 1100, Limit: 100},
			)
		})
	}

	t.Run("judged as if the other were not there", func(t *testing.T) {
		// The half-year is full, and 500 of it are the prior's; so is the day, and 100 minutes of it are.
		a, p := empty(t), prior
		p.Usage = []policy.Usage{{Key: "half-year/2026-H1", Credits: 500}}
		p.Days = []policy.DayMinutes{{Rule: "online-hours", Day: day(t, "2026-03-03"), Minutes: 100}}
		a.usage["half-year/2026-H1"] = 24000
		a.days[policy.DayMinutes{Rule: "online-hours", Day: day(t, "2026-03-03")}] = 180
		a.prior = &p
		f := minutes(t, online, 120)
		f.EquivalenceGroup, f.Score = "tai-chi", new(int32(80))
		if got := decide(best, f, a); counted(got) != 100 || got.Available != 100 || got.Pending != 0 { // 100/900 is 0.1
			t.Errorf("%+v", got)
		}
	})
	t.Run("the first of a group", func(t *testing.T) {
		f := minutes(t, classroom, 90)
		f.EquivalenceGroup = "tai-chi"
		a := empty(t)
		a.remainder = 60 // of a time when the course had no group
		if got := decide(best, f, a); got.Outcome != awarded || !got.GroupStands || got.Replaces || got.Remainder != 0 || got.Available != 100 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a failed one does not stand", func(t *testing.T) {
		f := minutes(t, classroom, 90)
		f.EquivalenceGroup, f.Score = "tai-chi", new(int32(1))
		if got := decide(best, f, empty(t)); got.Outcome != noCredit || got.GroupStands || counted(got) != 90 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("nothing takes the place of something", func(t *testing.T) {
		a, p := empty(t), prior
		a.prior = &p
		f := minutes(t, classroom, 30) // does not fill a step
		f.EquivalenceGroup, f.Score = "tai-chi", new(int32(100))
		got := decide(best, f, a)
		if got.Outcome != duplicate {
			t.Errorf("%+v", got)
		}
		checkReasons(t, got,
			policy.Reason{Stage: hours, Rule: policy.AsPosted, Before: 30, After: 30},
			policy.Reason{Stage: duplicates, Rule: "same-course", Before: 30})
	})
	t.Run("without a rule a group means nothing", func(t *testing.T) {
		a, p := empty(t), prior
		a.prior = &p
		f := minutes(t, classroom, 90)
		f.EquivalenceGroup = "tai-chi"
		if got := decide(compile(t, minimal), f, a); got.Outcome != awarded || got.GroupStands || got.Remainder != 18 {
			t.Errorf("%+v", got)
		}
	})
}

// DOMAIN, rule 6, second half: overlap with another platform > 10 minutes goes to an officer.
func TestRule6Overlap(t *testing.T) {
	p := defaultPolicy(t)
	unixMinutes := func(s string) int64 { return at(t, s).Unix() / 60 }
	busy := func(platform, begin string, length int32) policy.Busy {
		return policy.Busy{Platform: unit.OrganizationID(platform), Start: unixMinutes(begin), Length: length}
	}
	for _, c := range []struct {
		name    string
		session policy.Session
		mode    statementv1.Mode
		busy    map[string][]policy.Busy
		overlap int64 // 0: none that counts
	}{
		{name: "10 minutes are an inexact clock", session: session(t, "2026-03-03 09:00", 90), busy: map[string][]policy.Busy{
			"2026-03-03": {busy("other", "2026-03-03 10:20", 60)}, // 10:20 to 10:30
		}},
		{name: "11 minutes are not", session: session(t, "2026-03-03 09:00", 90), busy: map[string][]policy.Busy{
			"2026-03-03": {busy("other", "2026-03-03 10:19", 60)},
		}, overlap: 11},
		{name: "its own platform", session: session(t, "2026-03-03 09:00", 90), busy: map[string][]policy.Busy{
			"2026-03-03": {busy("cuiyuan-school", "2026-03-03 09:00", 90)},
		}},
		{name: "a minute that two claim counts once", session: session(t, "2026-03-03 09:00", 90), busy: map[string][]policy.Busy{
			// 9:10–9:20 and 9:15–9:30 are 20 minutes; 10:00–10:05 are 5 more.
			"2026-03-03": {busy("b", "2026-03-03 10:00", 5), busy("a", "2026-03-03 09:15", 15), busy("b", "2026-03-03 09:10", 10)},
		}, overlap: 25},
		{name: "across midnight, from the day before", session: session(t, "2026-03-03 00:10", 60), busy: map[string][]policy.Busy{
			"2026-03-02": {busy("other", "2026-03-02 23:30", 120)}, // until 1:30
		}, overlap: 60},
		{name: "across midnight, into the day after", session: session(t, "2026-03-03 23:30", 90), busy: map[string][]policy.Busy{
			"2026-03-04": {busy("other", "2026-03-04 00:10", 60)}, // 0:10 to 1:00
		}, overlap: 50},
		{name: "a degree is nowhere", session: session(t, "2026-03-03 09:00", 90), mode: achievement, busy: map[string][]policy.Busy{
			"2026-03-03": {busy("other", "2026-03-03 09:00", 90)},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := empty(t)
			for d, b := range c.busy {
				a.busy[day(t, d)] = b
			}
			mode := classroom
			if c.mode != 0 {
				mode = c.mode
			}
			f := class(t, mode, c.session)
			got := decide(p, f, a)
			if c.overlap == 0 {
				if got.Outcome != awarded {
					t.Errorf("%+v", got)
				}
				return
			}
			if !slices.Equal(got.Causes, []string{"two-places"}) || got.Risk != 3 {
				t.Errorf("%+v", got)
			}
			checkNothingMoves(t, got)
			posted := int64(c.session.Minutes)
			checkReasons(t, got,
				policy.Reason{Stage: hours, Rule: policy.AsPosted, Before: posted, After: posted},
				policy.Reason{Stage: duplicates, Rule: "two-places", Before: posted, Limit: 10, Carried: c.overlap})
			if approved := p.Prepare(f).Approve(a); approved.Outcome != awarded || counted(approved) != c.session.Minutes {
				t.Errorf("approved: %+v", approved)
			}
		})
	}
}

// An achievement is nowhere whatever the rule on overlap says: its spans are compared with nothing, as nothing is compared with them.
func TestAchievementIsNowhere(t *testing.T) {
	for name, overlap := range map[string]string{
		"no condition":                      "overlap: {id: two-places, tolerance_minutes: 10}\n",
		"one that holds for it":             "overlap: {id: two-places, tolerance_minutes: 10, when: 'minutes > 1'}\n",
		"one that cannot be worked out":     "overlap: {id: two-places, tolerance_minutes: 10, when: '1 / (level - 1) > 0'}\n",
		"a daily limit, for which a day is": "overlap: {id: two-places, tolerance_minutes: 10}\nhours: [{id: day, minutes_a_day: 480}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := compile(t, minimal+overlap)
			span := policy.Session{Start: at(t, "2025-03-03 08:00"), End: at(t, "2026-03-03 12:00"), Minutes: 100}
			asked := 0
			if strings.Contains(overlap, "minutes_a_day") {
				asked = 1
			}
			for mode, want := range map[statementv1.Mode]ledgerv1.Outcome{achievement: awarded, classroom: inReview} {
				a := empty(t)
				for d := day(t, "2025-03-01"); d <= day(t, "2026-03-05"); d++ {
					a.busy[d] = []policy.Busy{{Platform: "other", Start: int64(d)*1440 + 60, Length: 90}}
				}
				f := class(t, mode, span)
				if got := decide(p, f, a); got.Outcome != want {
					t.Errorf("%s: %+v", mode, got)
				}
				if days := a.prepared.Days(); mode == achievement && len(days) != asked {
					t.Errorf("%d days are asked for", len(days))
				}
			}
		})
	}
}

func checkNothingMoves(t testing.TB, a policy.Assessment) {
	t.Helper()
	rest := a
	rest.Reasons, rest.Causes, rest.Risk = nil, nil, 0
	if !reflect.DeepEqual(rest, policy.Assessment{Outcome: inReview}) || len(a.Causes) == 0 || a.Risk < 1 || a.Risk > 5 ||
		len(a.Reasons) == 0 || a.Reasons[len(a.Reasons)-1].After != 0 {
		t.Errorf("in review moves something: %+v", a)
	}
}

// DOMAIN, rule 7: at least 90 学时 = 4050 minutes a year, at least 2/3 of all professional.
func TestRule7YearlyRequirement(t *testing.T) {
	p := defaultPolicy(t)
	for _, c := range []struct {
		vocational, arts, health unit.Minutes
		required                 unit.Minutes // professional: two thirds, rounded up
		met                      bool
	}{
		{vocational: 2700, arts: 1000, health: 350, required: 2700, met: true}, // 4050 × 2/3
		{vocational: 2699, arts: 1351, required: 2700},
		{vocational: 4050, required: 2700, met: true},
		{vocational: 4049, required: 2700},             // 4049 × 2/3 = 2699.3
		{vocational: 2800, arts: 1401, required: 2801}, // 4201 × 2/3 = 2800.7
		{vocational: 2801, arts: 1400, required: 2801, met: true},
		{},
		{vocational: -5, required: 0},
	} {
		got := p.Requirements(2026, func(category string) unit.Minutes {
			return map[string]unit.Minutes{"vocational": c.vocational, "arts": c.arts, "health": c.health}[category]
		})
		all := max(0, c.vocational) + c.arts + c.health
		want := policy.RequirementStatus{
			Rule: "yearly-hours", Year: 2026, Minutes: all, Required: 4050,
			Professional: max(0, c.vocational), RequiredProfessional: c.required, Met: c.met,
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	status := policy.RequirementStatus{Rule: "yearly-hours", Year: 2026, Minutes: 90, Required: 4050, Professional: 45, RequiredProfessional: 60}
	if got := p.ExplainRequirement(status, "zh"); !strings.Contains(got, "90 学时（4050 分钟）") || !strings.Contains(got, "1 学时（45 分钟）") {
		t.Error(got)
	}
}

// DOMAIN, rule 8: a degree = 100 学时 = 4500 minutes, 50 in the first year, 50 in the second.
func TestRule8Degree(t *testing.T) {
	f := policy.Fact{
		Mode:     achievement,
		Sessions: []policy.Session{{Start: at(t, "2025-09-01 08:00"), End: at(t, "2026-06-30 12:00"), Minutes: 100_000}},
		PostedAt: at(t, "2026-07-01 09:00"), Platform: "zju", Provider: "zju", Course: "BA", Category: "vocational", Level: 6,
	}
	got := decide(defaultPolicy(t), f, empty(t))
	if want := []policy.YearMinutes{{Year: 2026, Minutes: 2250}, {Year: 2027, Minutes: 2250}}; got.Outcome != awarded || !slices.Equal(got.Hours, want) {
		t.Errorf("%+v", got)
	}
	checkReasons(t, policy.Assessment{Reasons: got.Reasons[:1]},
		policy.Reason{Stage: hours, Rule: "degree", Before: 100_000, After: 4500, Limit: 4500})
	if len(defaultPolicy(t).Prepare(f).Sessions()) != 0 {
		t.Error("a degree keeps its holder from learning elsewhere")
	}

	uneven := compile(t, minimal+"hours: [{id: thirds, years: [1, 0, 1, 1]}]\n")
	got = decide(uneven, minutes(t, classroom, 100), empty(t))
	// 100 × 1/3 = 33, 100 × 2/3 = 66, 100: 33 + 33 + 34
	if want := []policy.YearMinutes{{Year: 2026, Minutes: 33}, {Year: 2028, Minutes: 33}, {Year: 2029, Minutes: 34}}; !slices.Equal(got.Hours, want) {
		t.Errorf("%+v, want %+v", got.Hours, want)
	}
}

// DOMAIN, rule 11, the awarder's half: credits can be used for so many months from the end of the learning.
func TestRule11Validity(t *testing.T) {
	p := compile(t, minimal+`validity:
  - {id: skills-age, when: 'mode == "online"', months: 84}
  - {id: month, when: 'mode == "practice"', months: 1}
  - {id: for-life, months: 0}
`)
	for _, c := range []struct {
		mode  statementv1.Mode
		begin string
		want  string // empty: never
		rule  string
		limit int64
	}{
		{online, "2026-03-03 09:00", "2033-03-03", "skills-age", 84},
		{online, "2026-03-03 23:30", "2033-03-04", "skills-age", 84}, // ends at one in the morning
		{practice, "2026-01-31 09:00", "2026-02-28", "month", 1},
		{classroom, "2026-03-03 09:00", "", "for-life", 0},
	} {
		got := decide(p, class(t, c.mode, session(t, c.begin, 90)), empty(t))
		expires := ""
		if got.ExpiresDay != 0 {
			expires = got.ExpiresDay.String()
		}
		last := got.Reasons[len(got.Reasons)-1]
		if expires != c.want || last != (policy.Reason{Stage: validity, Rule: c.rule, Before: 100, After: 100, Limit: c.limit}) {
			t.Errorf("%v: expires %s, %+v", c.mode, expires, last)
		}
	}
}

// DOMAIN, rule 12: a course counts only when completed inside the window of its approved version.
func TestRule12Window(t *testing.T) {
	p := defaultPolicy(t)
	for _, c := range []struct {
		begin       string
		from, until string
		want        ledgerv1.Outcome
	}{
		{"2026-03-03 09:00", "2026-03-03", "2026-03-03", awarded},
		{"2026-03-03 09:00", "2026-03-04", "", noCredit},
		{"2026-03-03 09:00", "", "2026-03-02", noCredit},
		{"2026-03-03 23:00", "2026-03-04", "", awarded},  // ends at 0:30 on the 4th
		{"2026-03-03 23:00", "", "2026-03-03", noCredit}, // the same
		{"2026-03-03 22:29", "", "2026-03-03", awarded},  // ends at 23:59
		{"2026-03-03 09:00", "2025-01-01", "2026-12-31", awarded},
		{"2026-03-03 09:00", "", "", awarded},
	} {
		f := class(t, classroom, session(t, c.begin, 90))
		if c.from != "" {
			f.CourseFrom = day(t, c.from)
		}
		if c.until != "" {
			f.CourseUntil = day(t, c.until)
		}
		if got := decide(p, f, empty(t)); got.Outcome != c.want || counted(got) != 90 {
			t.Errorf("%s within %s to %s: %+v", c.begin, c.from, c.until, got)
		}
	}
}

// DOMAIN, rule 14: more than N completions of one course in an hour, or three times what its site holds, wait for an officer.
func TestRule14Crowds(t *testing.T) {
	p := defaultPolicy(t)
	onlineAt := func(clock string) policy.Fact { return class(t, online, session(t, "2026-03-03 "+clock, 90)) }
	trusted, elsewhere := onlineAt("09:00"), onlineAt("09:00")
	trusted.TrustTier, elsewhere.Site = 4, "another site"
	held := func(capacity int, site string) policy.Fact {
		f := minutes(t, classroom, 90)
		f.Capacity, f.Site = capacity, site
		return f
	}
	degree := minutes(t, achievement, 45)
	degree.Capacity = 30
	for _, c := range []struct {
		name   string
		fact   policy.Fact
		before int // completions that the crowd has
		rule   string
		limit  int
	}{
		{"the last that is believed", onlineAt("09:00"), 299, "", 300},
		{"one too many", onlineAt("09:00"), 300, "online-crowd", 300},
		{"and all after it", onlineAt("09:00"), 4095, "online-crowd", 300},
		{"the course counts, not the site", elsewhere, 300, "online-crowd", 300},
		{"who is trusted may more", trusted, 1499, "", 1500},
		{"but not all", trusted, 1500, "online-crowd-trusted", 1500},
		{"three times 30 are 90", held(30, "cuiyuan/3"), 89, "", 90},
		{"and 91 are too many", held(30, "cuiyuan/3"), 90, "site-crowd", 90},
		{"without a capacity nobody counts", held(0, "cuiyuan/3"), 4096, "", 0},
		{"without a site neither", held(30, ""), 4096, "", 0},
		{"a capacity beyond all", held(1<<40, "cuiyuan/3"), policy.MaxCrowd, "site-crowd", policy.MaxCrowd},
		{"an achievement has no hour", degree, 4096, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			crowds := p.Prepare(c.fact).Crowds()
			if c.limit == 0 {
				if len(crowds) != 0 {
					t.Errorf("it counts in %+v", crowds)
				}
				return
			}
			if len(crowds) != 1 || crowds[0].Limit != c.limit {
				t.Fatalf("crowds %+v, want one with limit %d", crowds, c.limit)
			}
			a := empty(t)
			a.crowds = map[uint64]int{crowds[0].Key: c.before}
			got := decide(p, c.fact, a)
			if c.rule == "" {
				if got.Outcome != awarded {
					t.Errorf("%+v", got)
				}
				return
			}
			checkNothingMoves(t, got)
			if !slices.Equal(got.Causes, []string{c.rule}) || got.Risk != crowds[0].Risk || got.Risk < 3 {
				t.Errorf("%+v", got)
			}
			last := got.Reasons[len(got.Reasons)-1]
			if last.Rule != c.rule || last.Limit != int64(c.limit) || last.Carried != int64(c.before)+1 || last.Before == 0 || last.After != 0 {
				t.Errorf("reason %+v", last)
			}
		})
	}
	key := func(f policy.Fact) uint64 { return p.Prepare(f).Crowds()[0].Key }
	same := onlineAt("09:00") // ends at 10:30
	version := onlineAt("09:00")
	version.CourseVersion, version.Platform = "2", "another-platform"
	if key(same) != key(version) || key(same) != key(onlineAt("08:30")) || key(same) != key(onlineAt("09:29")) {
		t.Error("completions of one course that end from 10:00 to 10:59 are no crowd")
	}
	other := onlineAt("09:00")
	other.Course = "CIV-2"
	school := onlineAt("09:00")
	school.Provider = "gudang-school"
	if key(same) == key(onlineAt("09:30")) || key(same) == key(onlineAt("08:29")) || key(same) == key(other) || key(same) == key(school) {
		t.Error("completions of another hour, course or provider are in the crowd")
	}
	if key(same) == key(trusted) {
		t.Error("those who are trusted take the room of the others")
	}
}

// DOMAIN, rule 15: posted more than 90 days after the class goes to an officer; nothing goes into a closed period.
func TestRule15LateAndClosed(t *testing.T) {
	p := defaultPolicy(t)
	f := minutes(t, classroom, 90)
	f.PostedAt = f.Sessions[0].End.Add(91*24*time.Hour - time.Second) // 90 whole days
	if got := decide(p, f, empty(t)); got.Outcome != awarded {
		t.Errorf("after 90 days: %+v", got)
	}
	f.PostedAt = f.PostedAt.Add(time.Second)
	got := decide(p, f, empty(t))
	checkNothingMoves(t, got)
	if !slices.Equal(got.Causes, []string{"posted-late"}) || got.Risk != 2 {
		t.Errorf("after 91 days: %+v", got)
	}
	checkReasons(t, got,
		policy.Reason{Stage: hours, Rule: policy.AsPosted, Before: 90, After: 90},
		policy.Reason{Stage: conversion, Rule: "class-credits", Before: 90, After: 125, Limit: 720},
		policy.Reason{Stage: rounding, Rule: "tenths", Before: 125, After: 100, Limit: 100, Carried: 18},
		policy.Reason{Stage: review, Rule: "posted-late", Before: 100})

	closed := compile(t, minimal+"closed_through: \"2026-03-03\"\n")
	if got := decide(closed, minutes(t, classroom, 90), empty(t)); !slices.Equal(got.Causes, []string{policy.ClosedPeriod}) {
		t.Errorf("on the last closed day: %+v", got)
	}
	if got := decide(closed, class(t, classroom, session(t, "2026-03-04 09:00", 90)), empty(t)); got.Outcome != awarded {
		t.Errorf("on the first open day: %+v", got)
	}
	// Hours must not slip into a closed period either.
	refused := compile(t, minimal+"closed_through: \"2026-03-03\"\neligibility: [{id: never, require: 'false'}]\n")
	got = decide(refused, minutes(t, classroom, 90), empty(t))
	checkNothingMoves(t, got)
}

func TestOwnCauses(t *testing.T) {
	p := defaultPolicy(t)
	f := minutes(t, classroom, 90)
	f.Suspect, f.Category = true, "magic"
	f.PostedAt = f.PostedAt.Add(100 * 24 * time.Hour)
	got := decide(p, f, empty(t))
	checkNothingMoves(t, got)
	if want := []string{policy.UnknownCategory, policy.KeySuspect, "posted-late"}; !slices.Equal(got.Causes, want) || got.Risk != 5 {
		t.Errorf("%+v", got)
	}
}

func TestConditionsThatCannotBeWorkedOut(t *testing.T) {
	const zero = `{id: broken, when: '100 / held > 1', `
	for _, c := range []struct {
		name     string
		text     string
		change   func(*policy.Fact)
		stage    ledgerv1.Stage
		approved ledgerv1.Outcome
	}{
		{name: "eligibility", text: "eligibility: [" + zero + "require: minutes > 0}]\n", stage: eligibility, approved: awarded},
		{name: "require", text: "eligibility: [{id: broken, require: '100 / held > 1'}]\n", stage: eligibility, approved: awarded},
		{name: "hours", text: "hours: [" + zero + "minutes_a_day: 1}, {id: other}]\n", stage: hours, approved: noCredit},
		{name: "overlap", text: "overlap: " + zero + "tolerance_minutes: 1}\n", stage: duplicates, approved: awarded},
		{name: "caps", text: "caps: [" + zero + "period: PERIOD_YEAR, milli_credits: 1}]\n", stage: caps, approved: noCredit},
		{name: "review", text: "review: [" + zero + "risk: 1}]\n", stage: review, approved: awarded},
		{name: "validity", text: "validity: [" + zero + "months: 1}, {id: other}]\n", stage: validity, approved: noCredit},
		{name: "overflow", text: "review: [{id: broken, when: 'minutes * 9223372036854775807 > 1', risk: 1}]\n", stage: review, approved: awarded},
		{
			name: "cost", text: "review: [{id: broken, when: '(course + course).contains(course)', risk: 1}]\n",
			change: func(f *policy.Fact) { f.Course = strings.Repeat("a", 100_000) }, stage: review, approved: awarded,
		},
		{name: "no session", change: func(f *policy.Fact) { f.Sessions = nil }, stage: hours, approved: noCredit},
		{name: "no mode", change: func(f *policy.Fact) { f.Mode = 0 }, stage: hours, approved: noCredit},
		{name: "unknown mode", change: func(f *policy.Fact) { f.Mode = 99 }, stage: hours, approved: noCredit},
		{name: "too long", change: func(f *policy.Fact) { f.Sessions[0].Minutes = policy.MaxMinutes + 1 }, stage: hours, approved: noCredit},
		{name: "negative", change: func(f *policy.Fact) { f.Sessions[0].Minutes = -1 }, stage: hours, approved: noCredit},
		{name: "backwards", change: func(f *policy.Fact) { f.Sessions[0].End = f.Sessions[0].Start.Add(-1) }, stage: hours, approved: noCredit},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := compile(t, minimal+c.text)
			f := minutes(t, classroom, 90)
			if c.change != nil {
				c.change(&f)
			}
			pr := p.Prepare(f)
			got := pr.Decide(empty(t))
			checkNothingMoves(t, got)
			if !slices.Equal(got.Causes, []string{policy.PolicyError}) || got.Risk != 3 || got.Reasons[0].Stage != c.stage ||
				got.Reasons[0].Rule != policy.PolicyError {
				t.Errorf("%+v", got)
			}
			if approved := pr.Approve(empty(t)); approved.Outcome != c.approved || c.approved == noCredit && approved.Available+approved.Pending != 0 {
				t.Errorf("approved: %+v", approved)
			}
			if pr.Approve(empty(t)).Causes != nil || pr.HoursOnly(empty(t)).Outcome != noCredit {
				t.Error("an officer's decision went to an officer")
			}
		})
	}
}

func TestOfficerDecides(t *testing.T) {
	p := defaultPolicy(t)
	f := minutes(t, online, 120)
	f.PostedAt = f.PostedAt.Add(365 * 24 * time.Hour)
	f.Score = new(int32(0))
	a := empty(t)
	a.days[policy.DayMinutes{Rule: "online-hours", Day: day(t, "2026-03-03")}] = 80
	pr := p.Prepare(f)

	got := pr.Approve(a)
	if got.Outcome != awarded || got.Available != 100 || got.Remainder != 10 || counted(got) != 100 { // 100 of the day are left
		t.Errorf("approved: %+v", got)
	}
	if last := chain(got)[len(chain(got))-1]; last != (policy.Reason{Stage: decision, Rule: policy.Approved, Before: 100, After: 100}) {
		t.Errorf("approved: %+v", last)
	}

	a.gone = 40
	got = pr.Approve(a)
	if last := chain(got)[len(chain(got))-1]; got.Available != 60 || got.Pending != 0 || got.Usage[0].Credits != 100 ||
		last != (policy.Reason{Stage: decision, Rule: policy.Gone, Before: 100, After: 60, Carried: 40}) {
		t.Errorf("approved again: %+v", got)
	}
	a.gone = 0

	f.EquivalenceGroup = "g"
	a.prior = &policy.Prior{Completion: 1, HasScore: true, Score: 50}
	if got := p.Prepare(f).Approve(a); got.Outcome != duplicate {
		t.Errorf("approved beside another: %+v", got)
	}
	a.prior = nil

	got = p.Prepare(f).HoursOnly(a)
	if got.Outcome != noCredit || got.Available+got.Pending != 0 || got.Remainder != 0 || counted(got) != 100 || len(got.Days) != 1 || got.GroupStands {
		t.Errorf("hours only: %+v", got)
	}
}

func TestConversionWithoutMinutes(t *testing.T) {
	text := strings.Replace(minimal, "  - id: class\n    minutes_per_credit: 720\n", `  - {id: prize, when: 'mode == "achievement"', fixed_milli_credits: 3050}
  - {id: fun, when: 'category == "civic" && mode == "lecture"', no_credit: true}
  - {id: class, when: 'mode == "classroom"', minutes_per_credit: 720}
`, 1) + "caps: [{id: year, period: PERIOD_YEAR, milli_credits: 3020}]\nduplicates: {id: once, keep: KEEP_FIRST}\n"
	p := compile(t, text)

	a := empty(t)
	a.remainder = 50
	got := decide(p, minutes(t, achievement, 0), a)
	// 3020 are no whole steps: 3000 now, 50 wait. The remainder of classes is not touched.
	if got.Outcome != awarded || got.Available != 3000 || got.Pending != 50 || got.Remainder != 0 || got.Hours != nil {
		t.Errorf("fixed: %+v", got)
	}
	checkReasons(t, got,
		policy.Reason{Stage: hours, Rule: policy.AsPosted},
		policy.Reason{Stage: conversion, Rule: "prize", After: 3050},
		policy.Reason{Stage: caps, Rule: "year", Before: 3050, After: 3000, Limit: 3020, Carried: 50})

	f := minutes(t, lecture, 90)
	f.EquivalenceGroup = "g"
	got = decide(p, f, empty(t))
	if got.Outcome != noCredit || counted(got) != 90 || !got.GroupStands {
		t.Errorf("no credit: %+v", got)
	}
	checkReasons(t, policy.Assessment{Reasons: got.Reasons[1:]}, policy.Reason{Stage: conversion, Rule: "fun", Before: 90})

	got = decide(p, minutes(t, online, 90), empty(t))
	if got.Outcome != noCredit || counted(got) != 90 {
		t.Errorf("no rule: %+v", got)
	}
	checkReasons(t, policy.Assessment{Reasons: got.Reasons[1:]}, policy.Reason{Stage: conversion, Rule: policy.NoRule, Before: 90})
}

func TestRoundingToTheNearest(t *testing.T) {
	p := compile(t, strings.NewReplacer("DIRECTION_DOWN", "DIRECTION_NEAREST", "REMAINDER_CARRY", "REMAINDER_DROP").Replace(minimal)+
		"caps: [{id: year, period: PERIOD_YEAR, milli_credits: 1000}]\n")
	for _, c := range []struct {
		minutes            int
		available, pending unit.Credits
	}{
		{35, 0, 0}, // 48 milli-credits
		{36, 100, 0},
		{107, 100, 0}, // 148
		{108, 200, 0}, // 150
		{720, 1000, 0},
		{1000, 1000, 400}, // 1388
		{684, 1000, 0},    // 950
	} {
		a := empty(t)
		a.remainder = 71 // left by another version; this one does not carry
		got := decide(p, minutes(t, classroom, c.minutes), a)
		if got.Outcome != awarded || got.Available != c.available || got.Pending != c.pending || got.Remainder != 0 {
			t.Errorf("%d minutes: %+v", c.minutes, got)
		}
	}
}

func TestRelease(t *testing.T) {
	p := defaultPolicy(t)
	lot := func(pending unit.Credits, half, provider string) policy.PendingLot {
		return policy.PendingLot{Pending: pending, Caps: []string{"half-year/" + half, "year/2026", "provider-lifetime/" + provider}}
	}
	for _, c := range []struct {
		name  string
		lots  []policy.PendingLot
		usage map[string]unit.Credits
		today string
		want  []policy.Released
	}{
		{
			name: "still full", today: "2026-06-30", lots: []policy.PendingLot{lot(500, "2026-H1", "a")},
			usage: map[string]unit.Credits{"half-year/2026-H1": 24000, "year/2026": 24000},
		},
		{
			name: "a void has made room for some", today: "2026-06-30", lots: []policy.PendingLot{lot(500, "2026-H1", "a"), lot(500, "2026-H1", "a")},
			usage: map[string]unit.Credits{"half-year/2026-H1": 23250, "year/2026": 23250}, // 750: 500 of the oldest, 200 in whole steps of the next
			want: []policy.Released{
				{Lot: 0, Credits: 500, Usage: []policy.Usage{{Key: "half-year/2026-H1", Credits: 500}, {Key: "year/2026", Credits: 500}, {Key: "provider-lifetime/a", Credits: 500}}},
				{Lot: 1, Credits: 200, Usage: []policy.Usage{{Key: "half-year/2026-H1", Credits: 200}, {Key: "year/2026", Credits: 200}, {Key: "provider-lifetime/a", Credits: 200}}},
			},
		},
		{
			name: "a new half-year", today: "2026-07-01", lots: []policy.PendingLot{lot(500, "2026-H1", "a")},
			usage: map[string]unit.Credits{"half-year/2026-H1": 24000, "year/2026": 24000},
			want: []policy.Released{
				{Lot: 0, Credits: 500, Usage: []policy.Usage{{Key: "half-year/2026-H2", Credits: 500}, {Key: "year/2026", Credits: 500}, {Key: "provider-lifetime/a", Credits: 500}}},
			},
		},
		{
			name: "the old period first, then the new", today: "2027-01-01", lots: []policy.PendingLot{lot(500, "2026-H2", "a")},
			usage: map[string]unit.Credits{"half-year/2026-H2": 23800, "year/2026": 41800, "provider-lifetime/a": 59600},
			// 200 in 2026; of the 300 that wait 200 more, since the institution has room for 400.
			want: []policy.Released{
				{Lot: 0, Credits: 400, Usage: []policy.Usage{
					{Key: "half-year/2026-H2", Credits: 200},
					{Key: "year/2026", Credits: 200},
					{Key: "provider-lifetime/a", Credits: 400},
					{Key: "half-year/2027-H1", Credits: 200},
					{Key: "year/2027", Credits: 200},
				}},
			},
		},
		{
			name: "the periods between", today: "2027-08-01", lots: []policy.PendingLot{lot(900, "2026-H1", "a")},
			usage: map[string]unit.Credits{
				"half-year/2026-H1": 24000, "half-year/2026-H2": 23900, "year/2026": 41900, "half-year/2027-H1": 23700, "year/2027": 41800,
			}, // 100 in the second half of 2026; of the 200 for which 2027 has room all in its first half
			want: []policy.Released{
				{Lot: 0, Credits: 300, Usage: []policy.Usage{
					{Key: "half-year/2026-H2", Credits: 100},
					{Key: "year/2026", Credits: 100},
					{Key: "provider-lifetime/a", Credits: 300},
					{Key: "half-year/2027-H1", Credits: 200},
					{Key: "year/2027", Credits: 200},
				}},
			},
		},
		{
			name: "a year without halves", today: "2028-03-01", lots: []policy.PendingLot{{Pending: 500, Caps: []string{"year/2026"}}},
			usage: map[string]unit.Credits{"year/2026": 42000, "year/2027": 41800, "year/2028": 41900},
			want: []policy.Released{
				{Lot: 0, Credits: 300, Usage: []policy.Usage{{Key: "year/2027", Credits: 200}, {Key: "year/2028", Credits: 100}}},
			},
		},
		{
			name: "a lot of a period to come", today: "2026-03-01", lots: []policy.PendingLot{lot(500, "2027-H1", "a")},
			usage: map[string]unit.Credits{"half-year/2027-H1": 24000},
			want: []policy.Released{
				{Lot: 0, Credits: 500, Usage: []policy.Usage{
					{Key: "half-year/2026-H1", Credits: 500}, {Key: "year/2026", Credits: 500}, {Key: "provider-lifetime/a", Credits: 500},
				}},
			},
		},
		{
			name: "an older lot without room does not keep back a younger one", today: "2026-07-01",
			lots:  []policy.PendingLot{lot(500, "2026-H1", "full"), lot(100, "2026-H1", "b")},
			usage: map[string]unit.Credits{"half-year/2026-H1": 24000, "provider-lifetime/full": 60000},
			want: []policy.Released{
				{Lot: 1, Credits: 100, Usage: []policy.Usage{{Key: "half-year/2026-H2", Credits: 100}, {Key: "year/2026", Credits: 100}, {Key: "provider-lifetime/b", Credits: 100}}},
			},
		},
		{
			name: "a cap that is no more", today: "2026-07-01", lots: []policy.PendingLot{{Pending: 123, Caps: []string{"gone/2025"}}},
			want: []policy.Released{{Lot: 0, Credits: 123}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := p.Release(c.lots, func(key string) unit.Credits { return c.usage[key] }, day(t, c.today))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
