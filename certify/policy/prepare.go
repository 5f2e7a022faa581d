package policy

import (
	"math/bits"
	"slices"
	"strconv"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A Prepared is one completion with every condition answered: what remains is to add up. It is immutable and safe for
// concurrent use.
type Prepared struct {
	policy   *Policy
	fact     Fact
	minutes  int64 // posted
	endDay   Day
	sessions []SessionTime
	days     []Day
	faults   stages // in which a condition could not be worked out
	causes   []cause

	failed     []*policyv1.EligibilityRule
	hours      *policyv1.HoursRule
	overlaps   bool // the rule on overlap is asked
	conversion *policyv1.ConversionRule
	caps       []*policyv1.CapRule
	capKeys    []string // of caps
	rounding   *policyv1.RoundingRule
	validity   *policyv1.ValidityRule
	crowds     []Crowd
	points     *policyv1.PointsRule
	older      bool // the age factor of points applies

	sessionBuffer [2]SessionTime // most completions have no more
	dayBuffer     [4]Day
}

// A cause is why an officer has to decide.
type cause struct {
	name string
	risk int
}

// stages is a set of stages.
type stages uint16

// numbers are the stages whose conditions the numbers depend on.
func numbers() stages {
	return 1<<ledgerv1.Stage_STAGE_HOURS | 1<<ledgerv1.Stage_STAGE_CONVERSION | 1<<ledgerv1.Stage_STAGE_CAPS |
		1<<ledgerv1.Stage_STAGE_ROUNDING | 1<<ledgerv1.Stage_STAGE_VALIDITY
}

func (s stages) first() (ledgerv1.Stage, bool) {
	return ledgerv1.Stage(bits.TrailingZeros16(uint16(s))), s != 0
}

func (s stages) has(stage ledgerv1.Stage) bool { return s&(1<<stage) != 0 }

// Prepare runs the conditions on a completion, in a stage that takes the first rule that holds only up to that. It needs no
// state. It never fails: what cannot be worked out goes to an officer.
func (p *Policy) Prepare(f Fact) *Prepared {
	pr := &Prepared{policy: p, fact: f, endDay: p.Day(f.ended())}
	minutes, ok := f.minutes()
	if !ok {
		pr.faults |= 1 << ledgerv1.Stage_STAGE_HOURS
		pr.causes = pr.ownCauses()
		return pr
	}
	pr.minutes = minutes
	pr.sessions = pr.sessionTimes()
	pr.ask()
	pr.days = pr.daysAsked()
	return pr
}

// ownCauses are the causes that no rule of the policy names.
func (pr *Prepared) ownCauses() []cause {
	var causes []cause
	if pr.faults != 0 {
		causes = append(causes, cause{PolicyError, riskPolicyError})
	}
	if pr.policy.categories[pr.fact.Category] == nil {
		causes = append(causes, cause{UnknownCategory, riskUnknownCategory})
	}
	if pr.fact.Suspect {
		causes = append(causes, cause{KeySuspect, riskKeySuspect})
	}
	if pr.fact.Held {
		causes = append(causes, cause{Held, riskHeld})
	}
	if pr.endDay <= pr.policy.closedThrough && pr.policy.closedThrough != 0 {
		causes = append(causes, cause{ClosedPeriod, riskClosedPeriod})
	}
	return causes
}

// ask runs the conditions.
func (pr *Prepared) ask() {
	p, a := pr.policy, (*activation)(pr)
	for i := range p.eligibility {
		r := &p.eligibility[i]
		if pr.holds(ledgerv1.Stage_STAGE_ELIGIBILITY, &r.when, a) && !pr.mayHold(ledgerv1.Stage_STAGE_ELIGIBILITY, &r.require, a) {
			pr.failed = append(pr.failed, r.EligibilityRule)
		}
	}
	for i := range p.hours {
		if r := &p.hours[i]; pr.mayHold(ledgerv1.Stage_STAGE_HOURS, &r.when, a) {
			pr.hours = r.HoursRule
			break
		}
	}
	pr.overlaps = p.overlap != nil && !pr.placeless() && pr.holds(ledgerv1.Stage_STAGE_DUPLICATES, &p.overlap.when, a)
	for i := range p.conversion {
		if r := &p.conversion[i]; pr.mayHold(ledgerv1.Stage_STAGE_CONVERSION, &r.when, a) {
			pr.conversion = r.ConversionRule
			break
		}
	}
	pr.askCaps(a)
	for i := range p.rounding {
		if r := &p.rounding[i]; pr.mayHold(ledgerv1.Stage_STAGE_ROUNDING, &r.when, a) {
			pr.rounding = r.RoundingRule
			break
		}
	}
	for i := range p.validity {
		if r := &p.validity[i]; pr.mayHold(ledgerv1.Stage_STAGE_VALIDITY, &r.when, a) {
			pr.validity = r.ValidityRule
			break
		}
	}
	pr.askCrowds(a)
	pr.askPoints(a)
	var asked []cause
	for i := range p.review {
		if r := &p.review[i]; pr.holds(ledgerv1.Stage_STAGE_REVIEW, &r.when, a) {
			asked = append(asked, cause{r.GetId(), int(r.GetRisk())})
		}
	}
	pr.causes = append(pr.ownCauses(), asked...)
}

func (pr *Prepared) askPoints(a *activation) {
	for i := range pr.policy.points {
		r := &pr.policy.points[i]
		if !pr.mayHold(ledgerv1.Stage_STAGE_POINTS, &r.when, a) {
			continue
		}
		pr.points = r.PointsRule
		if factor := r.GetAgeFactor(); factor != nil {
			age, known := pr.fact.age(pr.endDay)
			pr.older = known && age >= int(factor.GetFromAge())
		}
		return
	}
}

// askCaps writes the keys of all caps into one string: there are several for every completion.
func (pr *Prepared) askCaps(a *activation) {
	p := pr.policy
	if len(p.caps) == 0 {
		return
	}
	var buffer [128]byte
	var ends [MaxRules]int
	all := buffer[:0]
	year, month, _ := pr.endDay.Time().Date()
	pr.caps, pr.capKeys = make([]*policyv1.CapRule, 0, len(p.caps)), make([]string, 0, len(p.caps))
	for i := range p.caps {
		if r := &p.caps[i]; pr.holds(ledgerv1.Stage_STAGE_CAPS, &r.when, a) {
			all = appendCapKey(all, r.CapRule, year, month, pr.scope(r.CapRule))
			ends[len(pr.caps)] = len(all)
			pr.caps = append(pr.caps, r.CapRule)
		}
	}
	text, start := string(all), 0
	for _, end := range ends[:len(pr.caps)] {
		pr.capKeys = append(pr.capKeys, text[start:end])
		start = end
	}
}

// holds asks a condition; one that cannot be worked out does not hold, and is noted.
func (pr *Prepared) holds(stage ledgerv1.Stage, c *condition, a *activation) bool {
	answer := c.ask(a)
	if answer == fault {
		pr.faults |= 1 << stage
	}
	return answer == yes
}

// mayHold is holds where a fault ends the search: a later rule must not apply because an earlier one could not be worked out.
func (pr *Prepared) mayHold(stage ledgerv1.Stage, c *condition, a *activation) bool {
	answer := c.ask(a)
	if answer == fault {
		pr.faults |= 1 << stage
	}
	return answer != no
}

func (pr *Prepared) sessionTimes() []SessionTime {
	times := pr.sessionBuffer[:0]
	for i := range pr.fact.Sessions {
		s := &pr.fact.Sessions[i]
		start := rules.FloorDiv(s.Start.Unix(), 60)
		length := -rules.FloorDiv(-s.End.Unix(), 60) - start
		times = append(times, SessionTime{Day: pr.policy.Day(s.Start), Start: start, Length: int32(length)})
	}
	return times
}

// daysAsked are the days of the sessions, where there is a daily limit, and with their neighbours, where overlap is asked: what
// overlaps a session began on the day before it at the earliest, and when it ends at the latest.
func (pr *Prepared) daysAsked() []Day {
	limited := pr.hours.GetMinutesADay() > 0
	days := pr.dayBuffer[:0]
	for i := range pr.sessions {
		first, last := pr.sessions[i].Day, pr.sessions[i].Day
		if pr.overlaps {
			first, last = first-1, pr.policy.Day(pr.fact.Sessions[i].End)
		} else if !limited {
			continue
		}
		for day := first; day <= last; day++ {
			if at, found := slices.BinarySearch(days, day); !found {
				days = slices.Insert(days, at, day)
			}
		}
	}
	return days
}

// EndDay is the day on which the learning ended, in the policy's zone.
func (pr *Prepared) EndDay() Day { return pr.endDay }

// Minutes are the minutes as posted.
func (pr *Prepared) Minutes() unit.Minutes { return unit.Minutes(pr.minutes) }

// Sessions are the sessions that other completions are compared with from now on. An achievement has none.
func (pr *Prepared) Sessions() []SessionTime {
	if pr.placeless() {
		return nil
	}
	return pr.sessions
}

// placeless says that the times are not those at which the learner was somewhere: a degree is not in one place at one time. So it
// overlaps with nothing, whichever of the two comes first and whatever the policy says.
func (pr *Prepared) placeless() bool { return pr.fact.Mode == statementv1.Mode_MODE_ACHIEVEMENT }

// Days are the days that a [Standing] will be asked for, each once and in order. Where the sessions are in order, none is after
// EndDay.
func (pr *Prepared) Days() []Day { return pr.days }

// CapKeys are the keys that a [Standing] will be asked for. The caller must not change them.
func (pr *Prepared) CapKeys() []string { return pr.capKeys }

// scope is what a cap counts apart.
func (pr *Prepared) scope(r *policyv1.CapRule) string {
	switch r.GetScope() {
	case policyv1.CapRule_SCOPE_PROVIDER:
		return string(pr.fact.Provider)
	case policyv1.CapRule_SCOPE_CATEGORY:
		return pr.fact.Category
	case policyv1.CapRule_SCOPE_PLATFORM:
		return string(pr.fact.Platform)
	case policyv1.CapRule_SCOPE_UNSPECIFIED:
		return ""
	default:
		return ""
	}
}

// appendCapKey writes the key under which a cap counts what ended in a month.
func appendCapKey(key []byte, r *policyv1.CapRule, year int, month time.Month, scope string) []byte {
	key = append(key, r.GetId()...)
	switch r.GetPeriod() {
	case policyv1.CapRule_PERIOD_HALF_YEAR:
		key = append(strconv.AppendInt(append(key, '/'), int64(year), 10), "-H1"...)
		if month > time.June {
			key[len(key)-1] = '2'
		}
	case policyv1.CapRule_PERIOD_YEAR:
		key = strconv.AppendInt(append(key, '/'), int64(year), 10)
	case policyv1.CapRule_PERIOD_LIFETIME, policyv1.CapRule_PERIOD_UNSPECIFIED:
	}
	if r.GetScope() != policyv1.CapRule_SCOPE_UNSPECIFIED {
		key = append(append(key, '/'), scope...)
	}
	return key
}
