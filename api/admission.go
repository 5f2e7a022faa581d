package api

import (
	"math"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// dayRange is a run of days, both inclusive; without an end it goes on to forever.
type dayRange struct{ from, until int32 }

const forever = math.MaxInt32

func rangeOf(from, until int32) dayRange {
	if until == 0 {
		until = forever
	}
	return dayRange{from, until}
}

func rangeOfRow(r *ledgerv1.DayRange) dayRange { return rangeOf(r.GetFromDay(), r.GetUntilDay()) }

func rangesOf(rows []*ledgerv1.DayRange) []dayRange {
	ranges := make([]dayRange, len(rows))
	for i, r := range rows {
		ranges[i] = rangeOfRow(r)
	}
	return ranges
}

// union answers ranges in order, joined where they touch.
func union(ranges []dayRange) []dayRange {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b dayRange) int { return int(int64(a.from) - int64(b.from)) })
	var joined []dayRange
	for _, r := range sorted {
		if n := len(joined); n > 0 && int64(r.from) <= int64(joined[n-1].until)+1 {
			joined[n-1].until = max(joined[n-1].until, r.until)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// without answers what is left of ranges, which are in order, once others are taken from them.
func without(ranges, others []dayRange) []dayRange {
	for _, o := range others {
		var left []dayRange
		for _, r := range ranges {
			if o.until < r.from || r.until < o.from {
				left = append(left, r)
				continue
			}
			if r.from < o.from {
				left = append(left, dayRange{r.from, o.from - 1})
			}
			if o.until < r.until {
				left = append(left, dayRange{o.until + 1, r.until})
			}
		}
		ranges = left
	}
	return ranges
}

// common answers the days of both, which are in order.
func common(a, b []dayRange) []dayRange {
	var both []dayRange
	for _, x := range a {
		for _, y := range b {
			if from, until := max(x.from, y.from), min(x.until, y.until); from <= until {
				both = append(both, dayRange{from, until})
			}
		}
	}
	return both
}

func contains(ranges []dayRange, day int32) bool {
	return slices.ContainsFunc(ranges, func(r dayRange) bool { return r.from <= day && day <= r.until })
}

// admission is what an organization may do, and when.
type admission struct {
	// roles are those that it has or had, at whatever time.
	roles []ledgerv1.Role
	// windows are the days of each role that has an end or a beginning; the others are held without.
	windows   map[ledgerv1.Role][]dayRange
	suspended []dayRange
	// until is its last day; forever: none.
	until int32
	tier  int
	// applications are its own, in their order.
	applications []*ledgerv1.ApplicationRow
}

func admissionOf(row *ledgerv1.OrganizationRow) *admission {
	a := &admission{
		roles: slices.Clip(rolesOf(row)), suspended: rangesOf(row.GetSuspended()), until: rangeOf(0, row.GetLastDay()).until,
		tier: tierOf(row),
	}
	held := a.roles
	for _, w := range row.GetAccredited() {
		if slices.Contains(held, w.GetRole()) {
			continue // for longer than that
		}
		if a.windows == nil {
			a.windows = make(map[ledgerv1.Role][]dayRange)
		}
		a.windows[w.GetRole()] = append(a.windows[w.GetRole()], rangeOfRow(w.GetDays()))
		if !slices.Contains(a.roles, w.GetRole()) {
			a.roles = append(a.roles, w.GetRole())
		}
	}
	return a
}

// rolesOf are the roles of an organization that it was given without an end.
func rolesOf(row *ledgerv1.OrganizationRow) []ledgerv1.Role {
	if row.GetRolesPlusOne() != 0 {
		return row.GetRoles()
	}
	return row.GetFact().GetRoles()
}

func tierOf(row *ledgerv1.OrganizationRow) int {
	if row.GetTrustTier() != 0 {
		return int(row.GetTrustTier())
	}
	return int(row.GetFact().GetTrustTier())
}

// granted are the days for which it was accredited for a role, whatever came between.
func (a *admission) granted(role ledgerv1.Role) []dayRange {
	switch {
	case a == nil || !slices.Contains(a.roles, role):
		return nil
	case a.windows[role] != nil:
		return union(a.windows[role])
	default:
		return []dayRange{{math.MinInt32, forever}}
	}
}

// days are those on which learning may end to count, as far as the organization has a role in it.
func (a *admission) days(role ledgerv1.Role) []dayRange {
	if a == nil {
		return nil
	}
	return common(without(a.granted(role), a.suspended), []dayRange{{math.MinInt32, a.until}})
}

// admits says whether learning that ends on a day counts.
func (a *admission) admits(role ledgerv1.Role, day int32) bool {
	return a != nil && day <= a.until && !a.isSuspended(day) && contains(a.granted(role), day)
}

// isSuspended says whether the organization is suspended on a day, whatever else keeps it from being admitted.
func (a *admission) isSuspended(day int32) bool { return a != nil && contains(a.suspended, day) }

// checkPlatform refuses an organization that is no platform today: it is suspended or has ended, or is not accredited as one now.
func (d *directory) checkPlatform(organization string, now time.Time) *Error {
	if d.admissions[organization].admits(ledgerv1.Role_ROLE_PLATFORM, d.today(organization, now)) {
		return nil
	}
	return faultf(Precondition, ReasonPlatformNotAccredited, "", "platform %q is suspended or has ended, or is not accredited today", organization)
}

// tier is the trust in what an organization posts.
func (d *directory) tier(organization string) int {
	if a := d.admissions[organization]; a != nil {
		return a.tier
	}
	return 0
}

// days are those on which learning may end for the course to count, were it accredited; those of its provider are given.
func (c *course) days(provider []dayRange) []dayRange {
	proposed := rangeOf(c.fact.GetValidFromDay(), c.fact.GetValidUntilDay())
	if len(c.GetRenewed()) == 0 && len(c.GetSuspended()) == 0 && len(provider) == 1 {
		// Most courses are like this.
		one := dayRange{max(proposed.from, provider[0].from), min(proposed.until, provider[0].until, c.end())}
		if one.from > one.until {
			return nil
		}
		return []dayRange{one}
	}
	all := union(append(rangesOf(c.GetRenewed()), proposed))
	return common(common(without(all, rangesOf(c.GetSuspended())), provider), []dayRange{{math.MinInt32, c.end()}})
}

// end is the last day on which a retired course counts.
func (c *course) end() int32 {
	if c.GetDecision() == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED {
		return c.GetLastDay()
	}
	return forever
}

// window are the days of the course that a policy sees for learning that ended on one: those around it, or some that it lies outside
// of, where the course does not count then. The last day is 0 where there is none.
func (c *course) window(day policy.Day) (from, until policy.Day) {
	end := int32(day)
	last := dayRange{end - 1, end - 1} // on no day at all
	if last.from == 0 {
		last = dayRange{-1, -1}
	}
	for i, r := range c.open {
		if end < r.from {
			if i == 0 {
				last = r
			}
			break
		}
		if last = r; end <= r.until {
			break
		}
	}
	from, until = policy.Day(last.from), policy.Day(last.until)
	if last.until == forever {
		until = 0
	}
	if last.from == math.MinInt32 {
		from = 0
	}
	return from, until
}
