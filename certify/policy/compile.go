package policy

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Limits of a policy.
const (
	MaxRules      = 32 // of one kind
	MaxCategories = 64
	maxYears      = 10
	maxPart       = 10_000
	maxRate       = 1_000_000         // minutes per credit, and milli-credits of a step
	maxAmount     = 1_000_000_000_000 // milli-credits of a cap or a fixed award
	maxMonths     = 1_200
	maxNoticeDays = 90
	maxDays       = 365 // of any other time that the workflow gives
	maxLeaseHours = 720
	maxShare      = 1_000
	maxAge        = 120
)

// Compile reads a policy and checks all of it. The error joins one *[Error] for every fault, in the order of the text, each
// wrapping [ErrPolicy]; [Faults] takes them apart.
func Compile(text []byte) (*Policy, error) { return compile(text, true) }

// Load reads a policy that was checked by [Compile] before it was written down, be it by an older version of this package. What
// was published judges as it always did: rules that can never count, and what all conditions cost together, are not asked
// for again, so that a stricter check never keeps a bank from opening. Its errors are those of Compile.
func Load(text []byte) (*Policy, error) { return compile(text, false) }

func compile(text []byte, fresh bool) (*Policy, error) {
	message := new(policyv1.Policy)
	source, written := rules.Decode(kind(), text, message)
	if source == nil {
		return nil, rules.Join(written, nil)
	}
	c := &compiler{Checker: &rules.Checker{Source: source}, message: message, names: make(map[string]bool), fresh: fresh}
	var err error
	if c.conditions, err = newConditionCompiler(message.GetCategories()); err != nil {
		return nil, &Error{Of: ErrPolicy, Message: err.Error()}
	}
	policy := c.policy()
	if len(written)+len(c.Faults) > 0 {
		return nil, rules.Join(written, c.Faults)
	}
	policy.hash, policy.places = sha256.Sum256(text), source.Top()
	return policy, nil
}

// A compiler collects the faults of one policy.
type compiler struct {
	*rules.Checker
	message    *policyv1.Policy
	conditions *conditionCompiler
	names      map[string]bool // of rules so far
	fresh      bool            // it has not been published yet: whatever can never count is a fault
}

func (c *compiler) policy() *Policy {
	m := c.message
	p := &Policy{
		message:     m,
		categories:  make(map[string]*policyv1.Category),
		words:       make(map[string]*policyv1.Text),
		ageWords:    make(map[string]*policyv1.Text),
		learnedHour: int64(m.GetLearningHourMinutes()),
	}
	c.header(p)
	c.categories(p)
	c.eligibility(p)
	c.hours(p)
	c.duplicates(p)
	c.overlap(p)
	c.conversion(p)
	c.caps(p)
	c.rounding(p)
	c.review(p)
	c.rates(p)
	c.validity(p)
	c.points(p)
	c.requirements(p)
	c.workflow(p)
	c.claims(p)
	c.accreditation()
	return p
}

func (c *compiler) header(p *Policy) {
	m := c.message
	c.Slug(m.GetId(), "id")
	c.Version(m.GetVersion(), "version")
	if _, err := unit.ParseOrganizationID(m.GetOrganization()); err != nil {
		c.Fault(err.Error(), "organization")
	}
	c.Text(m.GetTitle(), true, nil, "title")
	p.from = c.Day(m.GetEffectiveFrom(), false, "effective_from")
	p.until = c.Day(m.GetEffectiveUntil(), true, "effective_until")
	p.closedThrough = c.Day(m.GetClosedThrough(), true, "closed_through")
	if p.until != 0 && p.until < p.from {
		c.Fault("lies before effective_from", "effective_until")
	}
	if c.fresh && p.closedThrough != 0 && p.closedThrough < p.from {
		c.Fault("lies before effective_from: no learning that ended then is judged by this version, so it closes nothing", "closed_through")
	}
	// "Local" is another zone on every machine, and "" would be UTC by accident.
	zone, err := time.LoadLocation(m.GetTimeZone())
	if err != nil || m.GetTimeZone() == "" || m.GetTimeZone() == "Local" {
		c.Fault(`is the IANA name of a time zone, such as "Asia/Shanghai"`, "time_zone")
		zone = time.UTC
	}
	p.zone = zone
	c.Between(int64(m.GetLearningHourMinutes()), 1, 120, "learning_hour_minutes")
}

func (c *compiler) categories(p *Policy) {
	c.Count(len(c.message.GetCategories()), 1, MaxCategories, "categories")
	for i, category := range c.message.GetCategories() {
		c.Slug(category.GetId(), "categories", i, "id")
		if p.categories[category.GetId()] != nil {
			c.Fault(fmt.Sprintf("there are two categories %q", category.GetId()), "categories", i, "id")
		}
		p.categories[category.GetId()] = category
		c.Text(category.GetName(), true, nil, "categories", i, "name")
	}
}

func (c *compiler) eligibility(p *Policy) {
	rules := c.message.GetEligibility()
	c.Count(len(rules), 0, MaxRules, "eligibility")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "eligibility", i)
		p.eligibility = append(p.eligibility, eligibilityRule{
			rule, c.condition(rule.GetWhen(), true, "eligibility", i, "when"), c.condition(rule.GetRequire(), false, "eligibility", i, "require"),
		})
	}
	c.eachOnce("eligibility", len(rules), func(i, j int) bool {
		a, b := &p.eligibility[i], &p.eligibility[j]
		return a.when.same(&b.when) && a.require.same(&b.require)
	})
}

func (c *compiler) hours(p *Policy) {
	rules := c.message.GetHours()
	c.Count(len(rules), 0, MaxRules, "hours")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "hours", i)
		c.Between(rule.GetFixedMinutes(), 0, int64(MaxMinutes), "hours", i, "fixed_minutes")
		c.Between(rule.GetMinutesADay(), 0, int64(MaxMinutes), "hours", i, "minutes_a_day")
		if rule.GetFixedMinutes() > 0 && (rule.GetAtMostNominal() || rule.GetMinutesADay() > 0) {
			c.Fault("goes neither with at_most_nominal nor with minutes_a_day: it counts the same whatever was posted", "hours", i, "fixed_minutes")
		}
		c.Count(len(rule.GetYears()), 0, maxYears, "hours", i, "years")
		sum := int64(0)
		for year, part := range rule.GetYears() {
			c.Between(int64(part), 0, maxPart, "hours", i, "years", year)
			sum += int64(part)
		}
		if len(rule.GetYears()) > 0 && sum == 0 {
			c.Fault("the parts add up to nothing", "hours", i, "years")
		}
		p.hours = append(p.hours, hoursRule{rule, c.condition(rule.GetWhen(), true, "hours", i, "when")})
	}
	c.firstOf("hours", whens(p.hours, func(r hoursRule) condition { return r.when }))
}

func (c *compiler) duplicates(p *Policy) {
	rule := c.message.GetDuplicates()
	if rule == nil {
		return
	}
	c.rule(p, rule.GetId(), rule.GetWords(), "duplicates")
	switch rule.GetKeep() {
	case policyv1.DuplicateRule_KEEP_FIRST, policyv1.DuplicateRule_KEEP_BEST_SCORE:
	case policyv1.DuplicateRule_KEEP_UNSPECIFIED:
		fallthrough
	default:
		c.Fault("is KEEP_FIRST or KEEP_BEST_SCORE", "duplicates", "keep")
	}
	p.duplicates = rule
}

func (c *compiler) overlap(p *Policy) {
	rule := c.message.GetOverlap()
	if rule == nil {
		return
	}
	c.rule(p, rule.GetId(), rule.GetWords(), "overlap")
	c.Between(int64(rule.GetToleranceMinutes()), 0, int64(MaxMinutes), "overlap", "tolerance_minutes")
	p.overlap = &overlapRule{rule, c.condition(rule.GetWhen(), true, "overlap", "when")}
}

func (c *compiler) conversion(p *Policy) {
	rules := c.message.GetConversion()
	c.Count(len(rules), 1, MaxRules, "conversion")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "conversion", i)
		c.Between(rule.GetMinutesPerCredit(), 0, maxRate, "conversion", i, "minutes_per_credit")
		c.Between(rule.GetFixedMilliCredits(), 0, maxAmount, "conversion", i, "fixed_milli_credits")
		ways := 0
		for _, way := range []bool{rule.GetMinutesPerCredit() != 0, rule.GetFixedMilliCredits() != 0, rule.GetNoCredit()} {
			if way {
				ways++
			}
		}
		if ways != 1 {
			c.Fault("has exactly one of minutes_per_credit, fixed_milli_credits and no_credit", "conversion", i)
		}
		p.conversion = append(p.conversion, conversionRule{rule, c.condition(rule.GetWhen(), true, "conversion", i, "when")})
	}
	c.firstOf("conversion", whens(p.conversion, func(r conversionRule) condition { return r.when }))
}

func (c *compiler) caps(p *Policy) {
	rules := c.message.GetCaps()
	c.Count(len(rules), 0, MaxRules, "caps")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "caps", i)
		c.Between(rule.GetMilliCredits(), 0, maxAmount, "caps", i, "milli_credits")
		if _, ok := policyv1.CapRule_Period_name[int32(rule.GetPeriod())]; !ok || rule.GetPeriod() == policyv1.CapRule_PERIOD_UNSPECIFIED {
			c.Fault("is PERIOD_HALF_YEAR, PERIOD_YEAR or PERIOD_LIFETIME", "caps", i, "period")
		}
		if _, ok := policyv1.CapRule_Scope_name[int32(rule.GetScope())]; !ok {
			c.Fault("is SCOPE_PROVIDER, SCOPE_CATEGORY or SCOPE_PLATFORM, or left out for the whole account", "caps", i, "scope")
		}
		p.caps = append(p.caps, capRule{rule, c.condition(rule.GetWhen(), true, "caps", i, "when")})
	}
	// Of two that count the same, the lower is all that limits.
	c.eachOnce("caps", len(rules), func(i, j int) bool {
		a, b := &p.caps[i], &p.caps[j]
		return a.GetPeriod() == b.GetPeriod() && a.GetScope() == b.GetScope() && a.when.same(&b.when)
	})
}

func (c *compiler) rounding(p *Policy) {
	rules := c.message.GetRounding()
	c.Count(len(rules), 1, MaxRules, "rounding")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "rounding", i)
		c.Between(rule.GetStepMilliCredits(), 1, maxRate, "rounding", i, "step_milli_credits")
		p.coarsest = max(p.coarsest, rule.GetStepMilliCredits())
		c.roundingWay(rule, i)
		p.rounding = append(p.rounding, roundingRule{rule, c.condition(rule.GetWhen(), true, "rounding", i, "when")})
	}
	c.firstOf("rounding", whens(p.rounding, func(r roundingRule) condition { return r.when }))
	if n := len(rules); n > 0 && strings.TrimSpace(rules[n-1].GetWhen()) != "" {
		c.Fault("the last rule has no condition, so that there is always one", "rounding", n-1, "when")
	}
}

func (c *compiler) roundingWay(rule *policyv1.RoundingRule, i int) {
	switch rule.GetDirection() {
	case policyv1.RoundingRule_DIRECTION_DOWN, policyv1.RoundingRule_DIRECTION_NEAREST:
	case policyv1.RoundingRule_DIRECTION_UNSPECIFIED:
		fallthrough
	default:
		c.Fault("is DIRECTION_DOWN or DIRECTION_NEAREST", "rounding", i, "direction")
	}
	switch rule.GetRemainder() {
	case policyv1.RoundingRule_REMAINDER_DROP:
	case policyv1.RoundingRule_REMAINDER_CARRY:
		if rule.GetDirection() == policyv1.RoundingRule_DIRECTION_NEAREST {
			c.Fault("DIRECTION_NEAREST goes only with REMAINDER_DROP: minutes that were rounded up have been given already", "rounding", i, "remainder")
		}
		for _, conversion := range c.message.GetConversion() {
			if spent := conversion.GetMinutesPerCredit() * rule.GetStepMilliCredits(); spent%1000 != 0 {
				c.Fault(fmt.Sprintf("a step of %d milli-credits is no whole number of minutes under conversion rule %q (%d × %d / 1000), so the remainder could not be carried exactly",
					rule.GetStepMilliCredits(), conversion.GetId(), conversion.GetMinutesPerCredit(), rule.GetStepMilliCredits()),
					"rounding", i, "step_milli_credits")
			}
		}
	case policyv1.RoundingRule_REMAINDER_UNSPECIFIED:
		fallthrough
	default:
		c.Fault("is REMAINDER_CARRY or REMAINDER_DROP", "rounding", i, "remainder")
	}
}

func (c *compiler) review(p *Policy) {
	rules := c.message.GetReview()
	c.Count(len(rules), 0, MaxRules, "review")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "review", i)
		c.Between(int64(rule.GetRisk()), 1, 5, "review", i, "risk")
		p.review = append(p.review, reviewRule{rule, c.condition(rule.GetWhen(), false, "review", i, "when")})
	}
	c.eachOnce("review", len(rules), func(i, j int) bool { return p.review[i].when.same(&p.review[j].when) })
}

func (c *compiler) rates(p *Policy) {
	rules := c.message.GetRates()
	c.Count(len(rules), 0, MaxRules, "rates")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "rates", i)
		c.Between(int64(rule.GetRisk()), 1, 5, "rates", i, "risk")
		c.Between(int64(rule.GetCompletions()), 0, MaxCrowd, "rates", i, "completions")
		c.Between(int64(rule.GetTimesCapacity()), 0, 100, "rates", i, "times_capacity")
		if (rule.GetCompletions() == 0) == (rule.GetTimesCapacity() == 0) {
			c.Fault("has exactly one of completions and times_capacity", "rates", i)
		}
		if _, ok := policyv1.RateRule_Scope_name[int32(rule.GetScope())]; !ok {
			c.Fault("is SCOPE_SITE, or left out for the course", "rates", i, "scope")
		}
		p.rates = append(p.rates, rateRule{rule, c.condition(rule.GetWhen(), true, "rates", i, "when")})
	}
	// Of two that count the same completions, the lower is all that limits.
	c.eachOnce("rates", len(rules), func(i, j int) bool {
		a, b := &p.rates[i], &p.rates[j]
		return a.GetScope() == b.GetScope() && (a.GetCompletions() == 0) == (b.GetCompletions() == 0) && a.when.same(&b.when)
	})
}

func (c *compiler) validity(p *Policy) {
	rules := c.message.GetValidity()
	c.Count(len(rules), 0, MaxRules, "validity")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "validity", i)
		c.Between(int64(rule.GetMonths()), 0, maxMonths, "validity", i, "months")
		p.validity = append(p.validity, validityRule{rule, c.condition(rule.GetWhen(), true, "validity", i, "when")})
	}
	c.firstOf("validity", whens(p.validity, func(r validityRule) condition { return r.when }))
}

func (c *compiler) points(p *Policy) {
	rules := c.message.GetPoints()
	c.Count(len(rules), 0, MaxRules, "points")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "points", i)
		c.Between(rule.GetMinutesPerPoint(), 1, maxRate, "points", i, "minutes_per_point")
		c.Between(rule.GetStepMilliPoints(), 1, maxRate, "points", i, "step_milli_points")
		switch rule.GetLapse() {
		case policyv1.PointsRule_LAPSE_NEVER, policyv1.PointsRule_LAPSE_YEAR_END:
		case policyv1.PointsRule_LAPSE_UNSPECIFIED:
			fallthrough
		default:
			c.Fault("is LAPSE_NEVER or LAPSE_YEAR_END", "points", i, "lapse")
		}
		if factor := rule.GetAgeFactor(); factor != nil {
			c.Between(int64(factor.GetFromAge()), 1, maxAge, "points", i, "age_factor", "from_age")
			c.Between(int64(factor.GetNumerator()), 1, maxShare, "points", i, "age_factor", "numerator")
			c.Between(int64(factor.GetDenominator()), 1, int64(max(1, factor.GetNumerator())), "points", i, "age_factor", "denominator")
			c.Text(factor.GetWords(), false, placeholders(), "points", i, "age_factor", "words")
			p.ageWords[rule.GetId()] = factor.GetWords()
		}
		compiled := pointsRule{rule, c.condition(rule.GetWhen(), true, "points", i, "when")}
		p.points, p.asksAge = append(p.points, compiled), p.asksAge || compiled.when.asksAge || rule.GetAgeFactor() != nil
	}
	c.firstOf("points", whens(p.points, func(r pointsRule) condition { return r.when }))
}

func whens[R any](rules []R, when func(R) condition) []condition {
	all := make([]condition, len(rules))
	for i, rule := range rules {
		all[i] = when(rule)
	}
	return all
}

func (c *compiler) requirements(p *Policy) {
	rules := c.message.GetRequirements()
	c.Count(len(rules), 0, MaxRules, "requirements")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "requirements", i)
		c.Between(rule.GetMinutes(), 0, 366*24*60, "requirements", i, "minutes")
		c.Between(int64(rule.GetProfessionalDenominator()), 0, maxShare, "requirements", i, "professional_denominator")
		c.Between(int64(rule.GetProfessionalNumerator()), 0, int64(max(0, rule.GetProfessionalDenominator())), "requirements", i, "professional_numerator")
		if rule.GetMinutes() == 0 && rule.GetProfessionalNumerator() == 0 {
			c.Fault("asks for nothing", "requirements", i)
		}
		if c.fresh && rule.GetProfessionalNumerator() > 0 && !slices.ContainsFunc(c.message.GetCategories(), (*policyv1.Category).GetProfessional) {
			c.Fault("asks for professional hours, which no category has: mark a category as professional", "requirements", i, "professional_numerator")
		}
	}
}

func (c *compiler) workflow(p *Policy) {
	rules := c.message.GetWorkflow()
	c.Count(len(rules), 0, MaxRules, "workflow")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), nil, "workflow", i)
		c.Text(rule.GetWords(), false, nil, "workflow", i, "words") // there is no number to put in
		c.Between(int64(rule.GetMaxRisk()), 0, 5, "workflow", i, "max_risk")
		c.Count(len(rule.GetCauses()), 0, MaxRules, "workflow", i, "causes")
		c.Between(int64(rule.GetNoticeDays()), 0, maxNoticeDays, "workflow", i, "notice_days")
		c.Between(int64(rule.GetReturnDays()), 0, maxDays, "workflow", i, "return_days")
		c.Between(int64(rule.GetAppealDays()), 0, maxDays, "workflow", i, "appeal_days")
		c.Between(int64(rule.GetReviewDays()), 0, maxDays, "workflow", i, "review_days")
		c.Between(int64(rule.GetLeaseHours()), 0, maxLeaseHours, "workflow", i, "lease_hours")
		if rule.GetSecondRefusal() && !rule.GetSecondReview() {
			c.Fault("goes only with second_review: a refusal never takes more officers than an approval", "workflow", i, "second_refusal")
		}
		if rule.GetBatch() && (rule.GetSecondReview() || rule.GetNoticeDays() > 0) {
			c.Fault("goes neither with second_review nor with notice_days: what needs them is looked at one by one", "workflow", i, "batch")
		}
		all := rule.GetMaxRisk() == 0 && len(rule.GetCauses()) == 0
		switch last := i == len(rules)-1; {
		case last && !all:
			c.Fault("the last rule has neither max_risk nor causes, so that there is one for every case", "workflow", i)
		case !last && all:
			c.Fault("is never reached: the rule before it fits every case", "workflow", i+1)
		}
	}
}

// rule checks what all rules have: a name that no other has, and words.
func (c *compiler) rule(p *Policy, id string, words *policyv1.Text, path ...any) {
	c.Slug(id, append(path, "id")...)
	if id != "" && c.names[id] {
		c.Fault(fmt.Sprintf("there are two rules %q: reasons and causes name a rule by its id alone", id), append(path, "id")...)
	}
	c.names[id] = true
	if words != nil {
		c.Text(words, false, placeholders(), append(path, "words")...)
	}
	p.words[id] = words
}

func (c *compiler) condition(expression string, optional bool, path ...any) condition {
	if strings.TrimSpace(expression) == "" {
		if !optional {
			c.Fault("a condition is needed", path...)
		}
		return condition{}
	}
	compiled, faults := c.conditions.compile(expression, path[0] == "points", c.fresh)
	for _, f := range faults {
		c.InCondition(f, path...)
	}
	if len(faults) > 0 {
		return condition{meaning: new(meaning)}
	}
	if c.fresh {
		c.decided(compiled.meaning, path...)
	}
	return compiled
}
