package export

import (
	"cmp"
	"slices"
)

// PerCourse answers one result for each course, whatever its version: the one with the best score – among equals the newest, and
// any score is better than none – with the minutes, credits and points of all of them, so that nothing is lost. Results that
// are of no course stay as they are. Those that ended last come first.
func PerCourse(results Results) ([]Result, error) {
	type name struct{ provider, course string }
	places := make(map[name]int)
	var all []Result
	for r, err := range results {
		if err != nil {
			return nil, err
		}
		place, known := places[name{r.Provider, r.Course}]
		switch {
		case r.Kind != Completion:
			all = append(all, r)
		case known:
			all[place] = merged(all[place], r)
		default:
			places[name{r.Provider, r.Course}] = len(all)
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b Result) int { return cmp.Or(cmp.Compare(b.To, a.To), cmp.Compare(b.Index, a.Index)) })
	return all, nil
}

// merged is the better one of two results of a course, with what the other one gave.
func merged(a, b Result) Result {
	best, other := a, b
	if cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(b.To, a.To), cmp.Compare(b.Index, a.Index)) > 0 {
		best, other = b, a
	}
	best.Minutes += other.Minutes
	best.Points += other.Points
	best.Credits = best.Credits.Add(other.Credits)
	best.Merged = slices.Concat(best.Merged, other.Merged, []uint64{other.Index})
	slices.Sort(best.Merged)
	return best
}

// score is -1 where there is none.
func score(r Result) int32 {
	if r.Score == nil {
		return -1
	}
	return *r.Score
}
