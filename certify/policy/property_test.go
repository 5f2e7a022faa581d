package policy_test

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// capLimits are those of the default policy, by the begin of their keys.
func capLimits() map[string]unit.Credits {
	return map[string]unit.Credits{"half-year/": 24000, "year/": 42000, "provider-lifetime/": 60000}
}

func anyFact(t *rapid.T) policy.Fact {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	mode := statementv1.Mode(rapid.Int32Range(1, 5).Draw(t, "mode"))
	f := policy.Fact{
		Mode: mode, Site: "a", Platform: rapid.SampledFrom([]unit.OrganizationID{"p1", "p2"}).Draw(t, "platform"),
		Provider: rapid.SampledFrom([]unit.OrganizationID{"p1", "p2"}).Draw(t, "provider"),
		Course:   "C", CourseVersion: "1", Category: rapid.SampledFrom([]string{"civic", "health", "vocational", "none"}).Draw(t, "category"),
		Level: rapid.IntRange(0, 8).Draw(t, "level"), NominalMinutes: unit.Minutes(rapid.Int64Range(0, 3000).Draw(t, "nominal")),
		EquivalenceGroup: rapid.SampledFrom([]string{"", "", "g"}).Draw(t, "group"),
		Suspect:          rapid.IntRange(0, 9).Draw(t, "suspect") == 0,
		Held:             rapid.IntRange(0, 9).Draw(t, "held") == 0,
	}
	start := base.Add(time.Duration(rapid.IntRange(0, 400*24*60).Draw(t, "start")) * time.Minute)
	for range rapid.IntRange(1, 4).Draw(t, "sessions") {
		length := rapid.IntRange(1, 24*60).Draw(t, "length")
		end := start.Add(time.Duration(length) * time.Minute)
		f.Sessions = append(f.Sessions, policy.Session{Start: start, End: end, Minutes: unit.Minutes(rapid.IntRange(0, length).Draw(t, "minutes"))})
		start = end.Add(time.Duration(rapid.IntRange(0, 24*60).Draw(t, "pause")) * time.Minute)
	}
	f.PostedAt = start.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "late")) * 24 * time.Hour)
	if rapid.Bool().Draw(t, "has birth date") {
		f.Born = time.Date(rapid.IntRange(1940, 1990).Draw(t, "born"), 3, 1, 0, 0, 0, 0, time.UTC)
	}
	if rapid.Bool().Draw(t, "has score") {
		f.Score = new(rapid.Int32Range(0, 100).Draw(t, "score"))
	}
	if rapid.Bool().Draw(t, "has passed") {
		f.Passed = new(rapid.Bool().Draw(t, "passed"))
	}
	if rapid.Bool().Draw(t, "has attendance") {
		held := rapid.Int32Range(1, 20).Draw(t, "held")
		attended := rapid.Int32Range(0, held).Draw(t, "attended")
		f.Attendance = &policy.Attendance{Held: held, Attended: attended, Late: rapid.Int32Range(0, held-attended).Draw(t, "late")}
	}
	return f
}

// anyStanding is one for a Prepared, now and then with amounts that no ledger would have.
func anyStanding(tb testing.TB, t *rapid.T, pr *policy.Prepared) *account {
	tb.Helper()
	amount := rapid.OneOf(rapid.Int64Range(0, 70_000), rapid.SampledFrom([]int64{math.MinInt64, -1, math.MaxInt64}))
	a := empty(tb)
	a.prepared = pr
	a.remainder = unit.Minutes(amount.Draw(t, "remainder"))
	if rapid.Bool().Draw(t, "counted before") {
		a.gone = unit.Credits(amount.Draw(t, "gone"))
	}
	for _, key := range pr.CapKeys() {
		a.usage[key] = unit.Credits(amount.Draw(t, "usage"))
	}
	for _, d := range pr.Days() {
		a.days[policy.DayMinutes{Rule: "online-hours", Day: d}] = unit.Minutes(rapid.OneOf(rapid.Int64Range(0, 200), amount).Draw(t, "day"))
		for range rapid.IntRange(0, 2).Draw(t, "busy") {
			a.busy[d] = append(a.busy[d], policy.Busy{
				Platform: rapid.SampledFrom([]unit.OrganizationID{"p1", "p2", "p3"}).Draw(t, "busy platform"),
				Start:    int64(d)*1440 + rapid.Int64Range(-480, 960).Draw(t, "busy start"), Length: rapid.Int32Range(0, 600).Draw(t, "busy length"),
			})
		}
	}
	if rapid.Bool().Draw(t, "prior") {
		a.prior = &policy.Prior{
			Completion: 1, HasScore: rapid.Bool().Draw(t, "prior has score"), Score: rapid.Int32Range(0, 100).Draw(t, "prior score"),
			Replaceable: rapid.Bool().Draw(t, "replaceable"),
		}
		for _, key := range pr.CapKeys() {
			a.prior.Usage = append(a.prior.Usage, policy.Usage{Key: key, Credits: 300})
		}
	}
	return a
}

func TestWhateverIsDecided(t *testing.T) {
	p := defaultPolicy(t)
	rapid.Check(t, func(rt *rapid.T) {
		f := anyFact(rt)
		pr := p.Prepare(f)
		a := anyStanding(t, rt, pr)

		got := pr.Decide(a)
		for range 3 { // maps of the standing iterate differently every time
			if again := p.Prepare(f).Decide(&account{
				t: t, remainder: a.remainder, days: maps.Clone(a.days), usage: maps.Clone(a.usage), busy: shuffled(rt, a.busy), prior: a.prior, gone: a.gone,
			}); !reflect.DeepEqual(again, got) {
				rt.Fatalf("decided differently:\n%+v\n%+v", got, again)
			}
		}
		check(rt, f, a, got)
		before := *a
		before.gone = 0
		if first, again := pr.Approve(&before), pr.Approve(a); again.Available+again.Pending != max(0, first.Available+first.Pending-max(0, a.gone)) {
			rt.Fatalf("%d are gone:\n%+v\n%+v", a.gone, first, again)
		}
		for _, decided := range []policy.Assessment{pr.Approve(a), pr.HoursOnly(a)} {
			if decided.Outcome == inReview || decided.Causes != nil || decided.Risk != 0 {
				rt.Fatalf("an officer's decision goes to an officer: %+v", decided)
			}
			check(rt, f, a, decided)
		}
		if again := pr.Decide(a); !reflect.DeepEqual(again, got) {
			rt.Fatalf("a Prepared was changed:\n%+v\n%+v", got, again)
		}
	})
}

func shuffled(t *rapid.T, busy map[policy.Day][]policy.Busy) map[policy.Day][]policy.Busy {
	other := make(map[policy.Day][]policy.Busy)
	for _, d := range slices.Sorted(maps.Keys(busy)) {
		other[d] = rapid.Permutation(busy[d]).Draw(t, "order")
	}
	return other
}

// check holds an assessment against what must be true of every one.
func check(t *rapid.T, f policy.Fact, a *account, got policy.Assessment) {
	if got.Available < 0 || got.Pending < 0 {
		t.Fatalf("credits below zero: %+v", got)
	}
	var posted unit.Minutes
	for _, s := range f.Sessions {
		posted += s.Minutes
	}
	for _, y := range got.Hours {
		if y.Minutes <= 0 {
			t.Fatalf("hours: %+v", got)
		}
	}
	if f.Mode != achievement && counted(got) > posted {
		t.Fatalf("%d minutes count of %d", counted(got), posted)
	}
	if before := max(0, a.remainder); before < 1<<40 && before+got.Remainder < 0 {
		t.Fatalf("less than no minutes are left: %+v", got)
	}
	for _, d := range got.Days {
		if d.Minutes <= 0 || max(0, a.days[policy.DayMinutes{Rule: d.Rule, Day: d.Day}])+d.Minutes > 180 {
			t.Fatalf("a day has too much: %+v", got)
		}
	}
	var gone unit.Credits
	for _, r := range got.Reasons {
		if r.Rule == policy.Gone {
			gone = unit.Credits(r.Carried)
		}
	}
	if (got.Available+gone > 0) != (len(got.Usage) > 0) || (got.Available+got.Pending > 0) != (len(got.Caps) > 0) || gone > max(0, a.gone) {
		t.Fatalf("usage and caps: %+v", got)
	}
	for _, u := range got.Usage {
		used := max(0, a.usage[u.Key])
		if got.Replaces {
			used = max(0, a.usage[u.Key]-300)
		}
		for prefix, limit := range capLimits() {
			if strings.HasPrefix(u.Key, prefix) && used+u.Credits > limit && u.Credits > gone {
				t.Fatalf("%s has %v of %v: %+v", u.Key, used+u.Credits, limit, got)
			}
		}
		if u.Credits != got.Available+gone {
			t.Fatalf("usage: %+v", got)
		}
	}
	checkChain(t, got)
	// The default policy: a point an hour, a fifth more from sixty on, and none for certificates and degrees.
	points := int64(counted(got)) * 1000 / 6000 * 100
	if age := f.Sessions[len(f.Sessions)-1].End.In(time.FixedZone("", 8*3600)).AddDate(0, -2, 0).Year() - f.Born.Year(); age >= 60 && age < 120 {
		points = int64(counted(got)) * 20 / 100 * 100
	}
	if f.Mode == achievement {
		points = 0
	}
	if int64(got.Points) != points || (points > 0) != (got.PointsLapseDay != 0) {
		t.Fatalf("%d milli-points for %d minutes, born %v: %+v", got.Points, counted(got), f.Born, got)
	}
	switch got.Outcome {
	case inReview:
		rest := got
		rest.Reasons, rest.Causes, rest.Risk = nil, nil, 0
		if !reflect.DeepEqual(rest, policy.Assessment{Outcome: inReview}) || len(got.Causes) == 0 || got.Risk < 1 || got.Risk > 5 {
			t.Fatalf("in review moves something: %+v", got)
		}
	case duplicate:
		if !reflect.DeepEqual(policy.Assessment{Outcome: duplicate, Reasons: got.Reasons}, got) {
			t.Fatalf("a duplicate moves something: %+v", got)
		}
	case noCredit:
		if got.Available+got.Pending != 0 || got.Remainder != 0 || got.Replaces {
			t.Fatalf("no credit, but: %+v", got)
		}
	case awarded:
		if got.Available+got.Pending == 0 && counted(got) == 0 && gone == 0 {
			t.Fatalf("nothing was awarded: %+v", got)
		}
	default:
		t.Fatalf("outcome %v", got.Outcome)
	}
}

// checkChain follows the reasons: the numbers join up, in minutes and in milli-credits.
func checkChain(t *rapid.T, got policy.Assessment) {
	if len(got.Reasons) == 0 {
		t.Fatal("no reason")
	}
	for i, r := range got.Reasons {
		if r.Before < 0 || r.After < 0 || r.Limit < 0 || r.Carried < 0 {
			t.Fatalf("a number below zero: %+v", got)
		}
		if i == 0 {
			continue
		}
		last := got.Reasons[i-1]
		if r.Stage < last.Stage {
			t.Fatalf("stages out of order: %+v", got)
		}
		if r.Stage == points { // beside the chain
			if i != len(got.Reasons)-1 || r.Before != int64(counted(got)) || r.After != int64(got.Points) {
				t.Fatalf("points beside the others: %+v", got)
			}
			continue
		}
		inMinutes := last.Stage < conversion
		if (inMinutes == (r.Stage <= conversion)) && r.Before != last.After {
			t.Fatalf("%+v does not follow %+v in %+v", r, last, got.Reasons)
		}
	}
	last := got.Reasons[len(got.Reasons)-1]
	if last.Stage == points && len(got.Reasons) > 1 {
		last = got.Reasons[len(got.Reasons)-2]
	}
	if last.Stage > conversion && last.After != int64(got.Available) {
		t.Fatalf("the chain ends in %d, not in %v: %+v", last.After, got.Available, got.Reasons)
	}
}

// Over all classes of a course nothing is lost and nothing invented: minutes counted = credits × 720/1000 + remainder.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// In milli-credits so that a step is whole minutes: rate × step / 1000.
		step := rapid.SampledFrom([]int64{50, 100, 125, 250, 500, 1000}).Draw(rt, "step")
		rates := make(map[statementv1.Mode]int64)
		text := strings.Replace(minimal, "step_milli_credits: 100", fmt.Sprintf("step_milli_credits: %d", step), 1)
		rules := ""
		for i, mode := range []string{"classroom", "online", "practice"} {
			rate := rapid.Int64Range(1, 50).Draw(rt, "rate") * 40
			if rate*step%1000 != 0 {
				rt.Skip("no whole minutes")
			}
			rates[statementv1.Mode(i+1)] = rate
			rules += fmt.Sprintf("  - {id: %s, when: 'mode == %q', minutes_per_credit: %d}\n", mode, mode, rate)
		}
		text = strings.Replace(text, "  - id: class\n    minutes_per_credit: 720\n", rules, 1)
		p := compile(t, text+"caps: [{id: year, period: PERIOD_YEAR, milli_credits: 5000}]\n")

		a := empty(t)
		var all, spent unit.Minutes
		for range rapid.IntRange(1, 30).Draw(rt, "classes") {
			mode := statementv1.Mode(rapid.Int32Range(1, 3).Draw(rt, "mode"))
			got := decide(p, minutes(t, mode, rapid.IntRange(1, 1000).Draw(rt, "minutes")), a)
			if got.Outcome != awarded {
				rt.Fatalf("%+v", got)
			}
			all += counted(got)
			spent += unit.Minutes(int64(got.Available+got.Pending) * rates[mode] / 1000)
			a.apply(got)
			if a.usage["year/2026"] > 5000 {
				rt.Fatalf("the year has %v", a.usage["year/2026"])
			}
			if int64(got.Available+got.Pending)*rates[mode]%1000 != 0 || spent+a.remainder != all || a.remainder < 0 {
				rt.Fatalf("%d minutes counted, %d spent, %d left", all, spent, a.remainder)
			}
			// What is left does not fill a step, or it would have been given.
			if int64(a.remainder) >= rates[mode]*step/1000 {
				rt.Fatalf("%d minutes are left at %d a step", a.remainder, rates[mode]*step/1000)
			}
		}
	})
}

// Release gives no more than waits and never more than the caps, and a second time nothing.
func TestReleaseIsBounded(t *testing.T) {
	p := defaultPolicy(t)
	rapid.Check(t, func(rt *rapid.T) {
		usage := make(map[string]unit.Credits)
		var lots []policy.PendingLot
		today := policy.Day(rapid.Int32Range(20454, 21184).Draw(rt, "today")) // 2026 and 2027
		for range rapid.IntRange(1, 6).Draw(rt, "lots") {
			half := rapid.SampledFrom([]string{"2026-H1", "2026-H2", "2027-H1"}).Draw(rt, "half")
			lots = append(lots, policy.PendingLot{
				Pending: unit.Credits(rapid.Int64Range(1, 30_000).Draw(rt, "pending")),
				Caps:    []string{"half-year/" + half, "year/" + half[:4], "provider-lifetime/" + rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "provider")},
			})
		}
		for _, lot := range lots {
			for _, key := range append(slices.Clone(lot.Caps), p.CapKeysOn(lot.Caps, today)...) {
				usage[key] = unit.Credits(rapid.Int64Range(0, 65_000).Draw(rt, "usage"))
			}
		}
		before := maps.Clone(usage)
		for _, r := range p.Release(lots, func(key string) unit.Credits { return usage[key] }, today) {
			if r.Credits <= 0 || r.Credits > lots[r.Lot].Pending || len(r.Usage) == 0 {
				rt.Fatalf("%+v of %+v", r, lots[r.Lot])
			}
			lots[r.Lot].Pending -= r.Credits
			for _, u := range r.Usage {
				usage[u.Key] += u.Credits
			}
		}
		for key, used := range usage {
			for prefix, limit := range capLimits() {
				if strings.HasPrefix(key, prefix) && used > limit && used != before[key] {
					rt.Fatalf("%s has %v of %v", key, used, limit)
				}
			}
		}
		lots = slices.DeleteFunc(lots, func(lot policy.PendingLot) bool { return lot.Pending == 0 })
		if again := p.Release(lots, func(key string) unit.Credits { return usage[key] }, today); len(again) > 0 {
			rt.Fatalf("released at a second look: %+v", again)
		}
	})
}
