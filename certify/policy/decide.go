package policy

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Decide judges the completion against the standing of the account.
func (pr *Prepared) Decide(s Standing) Assessment {
	r := newRun(pr, s)
	for _, rule := range pr.failed {
		r.say(Reason{Stage: ledgerv1.Stage_STAGE_ELIGIBILITY, Rule: rule.GetId(), Before: pr.minutes, After: pr.minutes})
	}
	eligible := len(pr.failed) == 0
	if r.duplicate(eligible) {
		return r.refuseDuplicate()
	}
	if stage, ok := pr.faults.first(); ok {
		r.fault(stage, pr.minutes)
		return r.hold(0)
	}
	r.countHours()
	r.sayReplaces()
	if r.overlap() {
		return r.hold(0)
	}
	if eligible {
		r.credit()
	}
	if r.replaces != nil && r.total == 0 {
		return newRun(pr, s).refuseDuplicate()
	}
	if r.crowded() {
		return r.hold(0)
	}
	if len(pr.causes) > 0 {
		return r.hold(r.available)
	}
	return r.settle(eligible)
}

// Approve judges after an officer has approved: eligibility, overlap and review are the officer's decision, and everything else
// is worked out on the standing of this moment. It answers AWARDED, DUPLICATE or NO_CREDIT, never IN_REVIEW. Where a
// condition that the numbers need cannot be worked out there is no credit, and hours that cannot be count as posted.
func (pr *Prepared) Approve(s Standing) Assessment {
	r := newRun(pr, s)
	if r.duplicate(true) {
		return r.refuseDuplicate()
	}
	r.countHours()
	r.sayReplaces()
	if stage, ok := (pr.faults & numbers()).first(); ok {
		r.fault(max(stage, ledgerv1.Stage_STAGE_CONVERSION), r.counted) // what the hours are has been said
	} else {
		r.credit()
	}
	if r.replaces != nil && r.total == 0 {
		return newRun(pr, s).refuseDuplicate()
	}
	return r.settle(true, Reason{Stage: ledgerv1.Stage_STAGE_DECISION, Rule: Approved, Before: r.available, After: r.available})
}

// HoursOnly judges after an officer has given the hours without credits. Nothing else is asked, and the completion does not
// stand for its equivalence group: another one may earn the credits.
func (pr *Prepared) HoursOnly(s Standing) Assessment {
	r := newRun(pr, s)
	r.countHours()
	return r.settle(false, Reason{Stage: ledgerv1.Stage_STAGE_DECISION, Rule: HoursOnly})
}

// A run is one judgement on its way through the stages. Amounts are plain integers here: minutes until the conversion,
// milli-credits after it, all of them within the limits of the package comment.
type run struct {
	*Prepared
	standing Standing
	replaces *Prior // whose place the completion takes
	reasons  []Reason
	found    []cause // beside those of the Prepared

	counted   int64        // minutes
	limited   []DayMinutes // of counted: towards daily limits
	converted bool         // a rule gives credits for them, be it none yet
	raw       int64        // before caps and rounding
	total     int64        // given, now or later
	gone      int64        // of total: before
	available int64        // of total: before or now
	remainder int64        // change, in minutes
}

func newRun(pr *Prepared, s Standing) *run {
	return &run{Prepared: pr, standing: s, reasons: make([]Reason, 0, 4)}
}

func (r *run) say(reason Reason) { r.reasons = append(r.reasons, reason) }

// fault ends the chain of numbers where a condition could not be worked out.
func (r *run) fault(stage ledgerv1.Stage, minutes int64) {
	if stage > ledgerv1.Stage_STAGE_CONVERSION && stage != ledgerv1.Stage_STAGE_POINTS {
		minutes = 0
	}
	r.say(Reason{Stage: stage, Rule: PolicyError, Before: minutes})
}

// duplicate says whether another completion stands for the equivalence group and this one does not take its place. If it does,
// it is judged from here on as if the other were not there.
func (r *run) duplicate(eligible bool) bool {
	if !r.grouped() {
		return false
	}
	prior, ok := r.standing.Prior()
	if !ok {
		return false
	}
	better := r.fact.Score != nil && (!prior.HasScore || *r.fact.Score > prior.Score)
	if r.policy.duplicates.GetKeep() != policyv1.DuplicateRule_KEEP_BEST_SCORE || !better || !prior.Replaceable || !eligible {
		return true
	}
	r.replaces = &prior
	r.standing = without{r.standing, &prior}
	return false
}

// grouped says whether only one completion of the group stands.
func (r *run) grouped() bool { return r.policy.duplicates != nil && r.fact.EquivalenceGroup != "" }

// refuseDuplicate is the end of a duplicate. It says how many hours would have counted.
func (r *run) refuseDuplicate() Assessment {
	r.countHours()
	r.say(Reason{Stage: ledgerv1.Stage_STAGE_DUPLICATES, Rule: r.policy.duplicates.GetId(), Before: r.counted})
	return Assessment{Outcome: ledgerv1.Outcome_OUTCOME_DUPLICATE, Reasons: r.reasons}
}

func (r *run) sayReplaces() {
	if r.replaces != nil {
		r.say(Reason{
			Stage: ledgerv1.Stage_STAGE_DUPLICATES, Rule: r.policy.duplicates.GetId(), Before: r.counted, After: r.counted,
		})
	}
}

// credit is the stages from conversion to rounding.
func (r *run) credit() {
	rule := r.conversion
	switch {
	case rule == nil:
		r.say(Reason{Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: NoRule, Before: r.counted})
	case rule.GetNoCredit():
		r.say(Reason{Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: rule.GetId(), Before: r.counted})
	case rule.GetFixedMilliCredits() > 0:
		r.converted = true
		r.raw, r.total = rule.GetFixedMilliCredits(), rule.GetFixedMilliCredits()
		r.say(Reason{Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: rule.GetId(), Before: r.counted, After: r.raw})
		r.cap()
	case r.counted > 0:
		r.converted = true
		left := r.convert(rule)
		chain := r.cap()
		if chain != r.available || left > 0 {
			r.say(Reason{
				Stage: ledgerv1.Stage_STAGE_ROUNDING, Rule: r.rounding.GetId(),
				Before: chain, After: r.available, Limit: r.rounding.GetStepMilliCredits(), Carried: left,
			})
		}
	}
}

// convert turns the minutes, with those left over from earlier classes, into whole steps. It answers the minutes that it leaves
// to the next class.
//
// n steps of s milli-credits at p minutes per credit spend n·s·p/1000 minutes. Where minutes are carried, Compile has made
// sure that s·p/1000 is whole, so that nothing is lost.
func (r *run) convert(rule *policyv1.ConversionRule) (left int64) {
	carries := r.carries()
	pool, carried := r.counted, int64(0)
	if carries {
		carried = min(max(0, int64(r.standing.Remainder())), maxAmount)
		pool += carried
	}
	rate, step := rule.GetMinutesPerCredit(), r.rounding.GetStepMilliCredits()
	r.raw = pool * 1000 / rate
	steps := pool * 1000 / (rate * step)
	if r.rounding.GetDirection() == policyv1.RoundingRule_DIRECTION_NEAREST {
		steps = (2*pool*1000 + rate*step) / (2 * rate * step)
	}
	r.total = steps * step
	r.say(Reason{
		Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: rule.GetId(), Before: r.counted, After: r.raw, Limit: rate, Carried: carried,
	})
	if !carries {
		return 0
	}
	left = pool - steps*(rate*step/1000)
	r.remainder = left - carried
	return left
}

// carries says whether minutes are carried from class to class. A group's achievement has no next class.
func (r *run) carries() bool {
	return r.rounding.GetRemainder() == policyv1.RoundingRule_REMAINDER_CARRY && !r.grouped()
}

// cap splits the total into what is available now and what waits, in whole steps; what is gone does not wait. It answers the
// number that the chain of reasons has come to: the raw credits less what waits.
func (r *run) cap() (chain int64) {
	chain, r.available = r.raw, r.total
	r.gone = min(max(0, int64(r.standing.Gone())), r.total)
	for i, rule := range r.caps {
		room := max(0, rule.GetMilliCredits()-max(0, int64(r.standing.Usage(r.capKeys[i]))))
		fits := r.total
		if room < fits {
			fits = max(r.gone, room-room%r.rounding.GetStepMilliCredits())
		}
		waits := r.available - fits
		if waits <= 0 {
			continue
		}
		r.available = fits
		before := chain
		chain = max(0, chain-waits)
		r.say(Reason{
			Stage: ledgerv1.Stage_STAGE_CAPS, Rule: rule.GetId(),
			Before: before, After: chain, Limit: rule.GetMilliCredits(), Carried: waits,
		})
	}
	return chain
}

// hold is the end of what an officer has to decide: it moves nothing.
func (r *run) hold(before int64) Assessment {
	for _, cause := range r.causes {
		if cause.name != PolicyError { // has its reason where it happened
			r.say(Reason{Stage: ledgerv1.Stage_STAGE_REVIEW, Rule: cause.name, Before: before})
			before = 0
		}
	}
	a := Assessment{Outcome: ledgerv1.Outcome_OUTCOME_IN_REVIEW, Reasons: r.reasons}
	for _, cause := range append(r.found, r.causes...) {
		a.Causes, a.Risk = append(a.Causes, cause.name), max(a.Risk, cause.risk)
	}
	return a
}

// settle is the end of what counts. Credited says whether nobody has refused credit before the conversion; decided is what an
// officer decided, if one did.
func (r *run) settle(credited bool, decided ...Reason) Assessment {
	a := Assessment{Outcome: ledgerv1.Outcome_OUTCOME_NO_CREDIT, Hours: r.years(), Days: r.limited}
	something := r.counted > 0 || r.total > 0
	now := r.available - r.gone
	a.GroupStands = credited && something && r.grouped()
	if r.converted && something {
		a.Outcome = ledgerv1.Outcome_OUTCOME_AWARDED
		a.Remainder = unit.Minutes(r.remainder)
		a.Available, a.Pending = unit.Credits(now), unit.Credits(r.total-r.available)
		a.Replaces = r.replaces != nil
	}
	if r.total > r.gone {
		a.ExpiresDay = r.expires()
		a.Caps = r.capKeys
	}
	if r.available > 0 {
		a.Usage = make([]Usage, len(r.capKeys))
		for i, key := range r.capKeys {
			a.Usage[i] = Usage{key, unit.Credits(r.available)}
		}
	}
	r.reasons = append(r.reasons, decided...)
	if r.gone > 0 {
		r.say(GoneReason(unit.Credits(r.available), unit.Credits(r.gone)))
	}
	a.Points, a.PointsLapseDay = r.reward()
	a.Reasons = r.reasons
	return a
}

// GoneReason says that some of the credits were given before and are gone.
func GoneReason(credits, gone unit.Credits) Reason {
	return Reason{
		Stage: ledgerv1.Stage_STAGE_DECISION, Rule: Gone, Before: int64(credits), After: int64(credits - gone), Carried: int64(gone),
	}
}

// reward is the stage of points: so many for the minutes that count, and the day on which they lapse.
func (r *run) reward() (unit.Points, Day) {
	rule := r.points
	if r.faults.has(ledgerv1.Stage_STAGE_POINTS) {
		r.fault(ledgerv1.Stage_STAGE_POINTS, r.counted)
		return 0, 0
	}
	if rule == nil || r.counted == 0 {
		return 0, 0
	}
	// At most 10⁵ minutes × 10³ × 10³ over 10⁶ × 10³ × 10⁶: all within int64.
	step := rule.GetStepMilliPoints()
	points := r.counted * 1000 / (rule.GetMinutesPerPoint() * step) * step
	reason := Reason{Stage: ledgerv1.Stage_STAGE_POINTS, Rule: rule.GetId(), Before: r.counted, Limit: rule.GetMinutesPerPoint()}
	if r.older {
		plain, factor := points, rule.GetAgeFactor()
		points = r.counted * 1000 * int64(factor.GetNumerator()) / (rule.GetMinutesPerPoint() * int64(factor.GetDenominator()) * step) * step
		reason.Carried = points - plain
	}
	reason.After = points
	r.say(reason)
	if points == 0 || rule.GetLapse() != policyv1.PointsRule_LAPSE_YEAR_END {
		return unit.Points(points), 0
	}
	return unit.Points(points), rules.NewYear(r.endDay.Year() + 1)
}

// expires is the stage of validity.
func (r *run) expires() Day {
	if r.replaces != nil {
		return r.replaces.ExpiresDay
	}
	if r.validity == nil {
		return 0
	}
	months := int64(r.validity.GetMonths())
	r.say(Reason{
		Stage: ledgerv1.Stage_STAGE_VALIDITY, Rule: r.validity.GetId(), Before: r.available, After: r.available, Limit: months,
	})
	if months == 0 {
		return 0
	}
	return r.endDay.AddMonths(int(months))
}

// without is a standing as if a completion were not there.
type without struct {
	Standing
	prior *Prior
}

// DayMinutes implements Standing.
func (w without) DayMinutes(rule string, day Day) unit.Minutes {
	minutes := w.Standing.DayMinutes(rule, day)
	for _, d := range w.prior.Days {
		if d.Rule == rule && d.Day == day {
			minutes -= d.Minutes
		}
	}
	return minutes
}

// Usage implements Standing.
func (w without) Usage(key string) unit.Credits {
	credits := w.Standing.Usage(key)
	for _, u := range w.prior.Usage {
		if u.Key == key {
			credits -= u.Credits
		}
	}
	return credits
}
