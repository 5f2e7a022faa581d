package api_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/api"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Runs of days are what the sets of their days are, day by day, whatever is joined, taken away and cut.
func TestDayRanges(t *testing.T) {
	t.Parallel()
	const last = 40
	drawn := rapid.Custom(func(t *rapid.T) api.DayRange {
		from := rapid.Int32Range(1, last).Draw(t, "from")
		until := rapid.Int32Range(from, last+2).Draw(t, "until")
		if until > last {
			until = 0
		}
		return api.NewDayRange(from, until)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(drawn, 0, 4).Draw(t, "a"), rapid.SliceOfN(drawn, 0, 4).Draw(t, "b")
		joined := api.Union(a)
		before := int64(math.MinInt32)
		for _, r := range joined {
			from, until := r.Ends()
			if from > until || before+1 >= int64(from) {
				t.Fatalf("%v makes %v", a, joined)
			}
			before = int64(until)
		}
		left, both := api.Without(joined, b), api.Common(joined, api.Union(b))
		for day := int32(0); day <= last+1; day++ {
			if api.Contains(joined, day) != api.Contains(a, day) || api.Contains(left, day) != (api.Contains(a, day) && !api.Contains(b, day)) ||
				api.Contains(both, day) != (api.Contains(a, day) && api.Contains(b, day)) {
				t.Fatalf("day %d of %v and %v: %v, %v, %v", day, a, b, joined, left, both)
			}
		}
	})
}

// The window that a policy sees for a day has the day in it if and only if the course counts on it.
func TestWindow(t *testing.T) {
	t.Parallel()
	day := rapid.Int32Range(-5, 40)
	rapid.Check(t, func(t *rapid.T) {
		ranges := func(name string) (rows []*ledgerv1.DayRange) {
			for range rapid.IntRange(0, 3).Draw(t, name) {
				from := rapid.Int32Range(1, 38).Draw(t, name)
				rows = append(rows, &ledgerv1.DayRange{FromDay: from, UntilDay: rapid.SampledFrom([]int32{0, from, from + 3}).Draw(t, name)})
			}
			return rows
		}
		row := &ledgerv1.CourseRow{
			Fact:    &ledgerv1.CourseProposed{ValidFromDay: 5, ValidUntilDay: rapid.SampledFrom([]int32{0, 5, 20}).Draw(t, "until")},
			Renewed: ranges("renewed"), Suspended: ranges("suspended"), Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
		}
		provider := [][]api.DayRange{
			{api.NewDayRange(math.MinInt32, 0)}, {api.NewDayRange(3, 10), api.NewDayRange(12, 0)}, nil,
		}[rapid.IntRange(0, 2).Draw(t, "provider")]
		if rapid.Bool().Draw(t, "retired") {
			row.Decision, row.LastDay = ledgerv1.CourseDecision_COURSE_DECISION_RETIRED, 15
		}
		end := day.Draw(t, "day")
		counts := (api.Contains(rangesOf(row.GetRenewed()), end) || api.Contains([]api.DayRange{api.NewDayRange(5, row.GetFact().GetValidUntilDay())}, end)) &&
			!api.Contains(rangesOf(row.GetSuspended()), end) && api.Contains(provider, end) &&
			(row.GetDecision() != ledgerv1.CourseDecision_COURSE_DECISION_RETIRED || end <= 15)
		from, until, open := api.CourseWindow(row, provider, end)
		seen := (from == 0 || int32(from) <= end) && (until == 0 || end <= int32(until))
		if seen != counts || open != counts {
			t.Fatalf("day %d of %v: %v to %v, counts %t", end, row, from, until, counts)
		}
	})
}

func rangesOf(rows []*ledgerv1.DayRange) (ranges []api.DayRange) {
	for _, r := range rows {
		ranges = append(ranges, api.NewDayRange(r.GetFromDay(), r.GetUntilDay()))
	}
	return ranges
}
