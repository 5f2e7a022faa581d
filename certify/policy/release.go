package policy

import (
	"slices"
	"strconv"
	"strings"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A PendingLot is a lot some of which waits.
type PendingLot struct {
	Pending unit.Credits
	Caps    []string // as its [Assessment] said
}

// A Released is what of a lot becomes available.
type Released struct {
	Lot     int // position in what was given to Release
	Credits unit.Credits
	Usage   []Usage // what it counts towards caps from now on
}

// Release answers what of the pending lots, the oldest first, finds room now. A lot is first held against the caps that it was
// given under, where a void may have made room, and what still waits against the same caps in each later period, until that of
// today: in periods that passed there is room since a void, or where credits wait again after a merge. Room is counted in
// whole steps of the policy's coarsest rounding, unless it takes all that waits. A cap that this version of the policy no
// longer has no longer limits. Usage is what counts towards a cap already, as in [Standing].
func (p *Policy) Release(lots []PendingLot, usage func(key string) unit.Credits, today Day) []Released {
	used := make(map[string]unit.Credits)
	var all []Released
	for i, lot := range lots {
		one := Released{Lot: i}
		take := func(keys []string) {
			fits := p.room(keys, lot.Pending-one.Credits, func(key string) unit.Credits { return max(0, usage(key)) + used[key] })
			if fits <= 0 {
				return
			}
			one.Credits += fits
			for _, key := range keys {
				if _, ok := p.capOf(key); ok {
					used[key] += fits
					one.Usage = append(one.Usage, Usage{key, fits})
				}
			}
		}
		take(lot.Caps)
		last := lot.Caps
		for _, day := range append(p.periodsAfter(lot.Caps, today), today) {
			if keys := p.CapKeysOn(lot.Caps, day); !slices.Equal(keys, last) {
				take(keys)
				last = keys
			}
		}
		if one.Credits > 0 {
			one.Usage = merged(one.Usage)
			all = append(all, one)
		}
	}
	return all
}

// periodsAfter are the first days of the half-years that began after the period of keys, until today.
func (p *Policy) periodsAfter(keys []string, today Day) (days []Day) {
	var begin Day
	for _, key := range keys {
		rule, _ := p.capOf(key)
		if period := rule.GetPeriod(); period != policyv1.CapRule_PERIOD_HALF_YEAR && period != policyv1.CapRule_PERIOD_YEAR {
			continue
		}
		_, period, _ := strings.Cut(key, "/")
		period, _, _ = strings.Cut(period, "/") // from the scope
		year, half, _ := strings.Cut(period, "-H")
		if number, err := strconv.Atoi(year); err == nil {
			begin = max(begin, rules.NewYear(number))
			if half == "2" {
				begin = max(begin, rules.NewYear(number).AddMonths(6))
			}
		}
	}
	if begin == 0 {
		return nil
	}
	for day := begin.AddMonths(6); day <= today; day = day.AddMonths(6) {
		days = append(days, day)
	}
	return days
}

// room is how much of credits the caps of all keys leave room for.
func (p *Policy) room(keys []string, credits unit.Credits, used func(key string) unit.Credits) unit.Credits {
	fits := credits
	for _, key := range keys {
		rule, ok := p.capOf(key)
		if !ok {
			continue
		}
		if room := max(0, unit.Credits(rule.GetMilliCredits())-used(key)); room < fits {
			fits = room - room%unit.Credits(p.coarsest)
		}
	}
	return fits
}

// CapKeysOn is keys with the period of another day. Keys of caps that this version does not have, or that it counts by a scope
// that they do not name, stay as they are.
func (p *Policy) CapKeysOn(keys []string, day Day) []string {
	moved := slices.Clone(keys)
	year, month, _ := day.Time().Date()
	for i, key := range keys {
		rule, ok := p.capOf(key)
		if !ok {
			continue
		}
		_, rest, _ := strings.Cut(key, "/")
		scope := rest[strings.LastIndexByte(rest, '/')+1:]
		if now := string(appendCapKey(nil, rule, year, month, scope)); strings.Count(now, "/") == strings.Count(key, "/") {
			moved[i] = now
		}
	}
	return moved
}

// capOf is the cap that a key is of.
func (p *Policy) capOf(key string) (*policyv1.CapRule, bool) {
	id, _, _ := strings.Cut(key, "/")
	for i := range p.caps {
		if p.caps[i].GetId() == id {
			return p.caps[i].CapRule, true
		}
	}
	return nil, false
}

// merged adds up what counts towards the same key.
func merged(all []Usage) []Usage {
	var sums []Usage
	for _, u := range all {
		if i := slices.IndexFunc(sums, func(s Usage) bool { return s.Key == u.Key }); i >= 0 {
			sums[i].Credits += u.Credits
		} else {
			sums = append(sums, u)
		}
	}
	return sums
}

// HasRoom says whether so many credits more may count towards a cap.
func (p *Policy) HasRoom(key string, credits, used unit.Credits) bool {
	return p.room([]string{key}, credits, func(string) unit.Credits { return used }) == credits
}
