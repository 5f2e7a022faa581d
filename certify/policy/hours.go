package policy

import (
	"cmp"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// countHours is the stage of the hours.
func (r *run) countHours() {
	const stage = ledgerv1.Stage_STAGE_HOURS
	switch rule := r.hours; {
	case r.faults.has(stage): // nobody can say better how much was learned than who posted it
		r.counted = r.minutes
		r.say(Reason{Stage: stage, Rule: PolicyError, Before: r.minutes, After: r.counted})
	case rule == nil:
		r.counted = r.minutes
		r.say(Reason{Stage: stage, Rule: AsPosted, Before: r.minutes, After: r.counted})
	case rule.GetFixedMinutes() > 0:
		r.counted = rule.GetFixedMinutes()
		r.say(Reason{Stage: stage, Rule: rule.GetId(), Before: r.minutes, After: r.counted, Limit: r.counted})
	default:
		r.countSessions(rule)
	}
}

// countSessions counts each session up to what its day has left, and of that, in order, up to the nominal minutes.
func (r *run) countSessions(rule *policyv1.HoursRule) {
	perDay, nominal := rule.GetMinutesADay(), int64(r.fact.NominalMinutes)
	if !rule.GetAtMostNominal() || nominal == 0 {
		nominal = int64(MaxMinutes)
	}
	var rooms [MaxSessions]int64 // of the days in r.limited, before the nominal minutes
	within := int64(0)           // minutes that the days have room for
	for i := range r.fact.Sessions {
		minutes := int64(r.fact.Sessions[i].Minutes)
		if perDay == 0 {
			within += minutes
			r.counted += min(minutes, nominal-r.counted)
			continue
		}
		day := r.sessions[i].Day
		at := slices.IndexFunc(r.limited, func(d DayMinutes) bool { return d.Day == day })
		if at < 0 {
			at = len(r.limited)
			r.limited = append(r.limited, DayMinutes{Rule: rule.GetId(), Day: day})
			rooms[at] = max(0, perDay-max(0, int64(r.standing.DayMinutes(rule.GetId(), day))))
		}
		minutes = min(minutes, rooms[at])
		rooms[at] -= minutes
		within += minutes
		minutes = min(minutes, nominal-r.counted)
		r.limited[at].Minutes += unit.Minutes(minutes)
		r.counted += minutes
	}
	r.limited = slices.DeleteFunc(r.limited, func(d DayMinutes) bool { return d.Minutes == 0 })
	r.sayHours(rule, within, nominal)
}

// sayHours leaves a reason for each limit that took something, or one for none.
func (r *run) sayHours(rule *policyv1.HoursRule, within, nominal int64) {
	reason := Reason{Stage: ledgerv1.Stage_STAGE_HOURS, Rule: rule.GetId(), Before: r.minutes, After: within}
	if within < r.minutes {
		reason.Limit = rule.GetMinutesADay()
		r.say(reason)
	}
	if r.counted < within {
		reason.Before, reason.After, reason.Limit = within, r.counted, nominal
		r.say(reason)
	}
	if r.counted == r.minutes {
		r.say(reason)
	}
}

// years spreads the counted minutes. Each year gets what its part and those before it make, less what those before it got, so
// that the years add up to the minute.
func (r *run) years() []YearMinutes {
	if r.counted == 0 {
		return nil
	}
	parts, year := r.hours.GetYears(), r.endDay.Year()
	if len(parts) == 0 || r.faults.has(ledgerv1.Stage_STAGE_HOURS) {
		return []YearMinutes{{year, unit.Minutes(r.counted)}}
	}
	whole := int64(0)
	for _, part := range parts {
		whole += int64(part)
	}
	var years []YearMinutes
	upTo, given := int64(0), int64(0)
	for i, part := range parts {
		upTo += int64(part)
		if minutes := r.counted*upTo/whole - given; minutes > 0 {
			years = append(years, YearMinutes{year + i, unit.Minutes(minutes)})
			given += minutes
		}
	}
	return years
}

// overlap says whether an officer has to look at minutes spent in two places at once.
func (r *run) overlap() bool {
	if !r.overlaps {
		return false
	}
	rule := r.policy.overlap
	minutes := r.overlapMinutes()
	if minutes <= int64(rule.GetToleranceMinutes()) {
		return false
	}
	r.say(Reason{
		Stage: ledgerv1.Stage_STAGE_DUPLICATES, Rule: rule.GetId(),
		Before: r.counted, Limit: int64(rule.GetToleranceMinutes()), Carried: minutes,
	})
	r.found = append(r.found, cause{rule.GetId(), riskOverlap})
	return true
}

// overlapMinutes are the minutes of the sessions during which other platforms say that the learner was with them; a minute
// that two of them claim counts once.
func (r *run) overlapMinutes() int64 {
	type span struct{ start, end int64 }
	var spans []span
	for _, day := range r.days {
		for _, busy := range r.standing.Busy(day) {
			if busy.Platform == r.fact.Platform {
				continue
			}
			for _, s := range r.sessions {
				start, end := max(s.Start, busy.Start), min(s.Start+int64(s.Length), busy.Start+int64(busy.Length))
				if start < end {
					spans = append(spans, span{start, end})
				}
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var minutes, reached int64
	for i, s := range spans {
		if i == 0 || s.start > reached {
			reached = s.start
		}
		minutes += max(0, s.end-reached)
		reached = max(reached, s.end)
	}
	return minutes
}
