package agreement

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Limits of an agreement.
const (
	MaxYAML       = rules.MaxYAML // bytes
	MaxRules      = 32            // of one kind
	MaxCourses    = 512           // rows of the course table
	MaxProgrammes = 64
	MaxCategories = 64
	MaxNames      = 64 // in a list of a rule
	MaxHoldDays   = 365
	MaxQuoteDays  = 365
	maxRatio      = 1_000
	maxStep       = 1_000_000
	maxAmount     = 1_000_000_000_000 // milli-credits
	maxLevel      = 100
	maxMonths     = 1_200
	maxYears      = 100
	maxCode       = 64
)

// Compile reads an agreement and checks all of it. The error joins one *[Error] for every fault, in the order of the text, each
// wrapping [ErrAgreement]; [Faults] takes them apart.
func Compile(text []byte) (*Agreement, error) { return compile(text, true) }

// Load reads an agreement that was checked by [Compile] before it was written down, be it by an older version of this package: rules
// that can never count, and what all conditions cost together, are not asked for again, so that a stricter check never keeps a bank
// from opening. Its errors are those of Compile.
func Load(text []byte) (*Agreement, error) { return compile(text, false) }

func compile(text []byte, fresh bool) (*Agreement, error) {
	message := new(policyv1.Agreement)
	kind := rules.Kind{Of: ErrAgreement, Name: "an agreement"}
	source, written := rules.Decode(kind, text, message)
	if source == nil {
		return nil, rules.Join(written, nil)
	}
	conditions, err := rules.NewConditions(kind, variables())
	if err != nil {
		return nil, &Error{Of: ErrAgreement, Message: err.Error()}
	}
	c := &compiler{Checker: &rules.Checker{Source: source}, conditions: conditions, names: make(map[string]bool), fresh: fresh}
	agreement := c.agreement(message)
	if len(written)+len(c.Faults) > 0 {
		return nil, rules.Join(written, c.Faults)
	}
	agreement.hash = sha256.Sum256(text)
	return agreement, nil
}

// A compiler collects the faults of one agreement.
type compiler struct {
	*rules.Checker
	conditions *rules.Conditions
	names      map[string]bool // of rules so far
	fresh      bool            // it has not been published yet: whatever can never count is a fault
}

func (c *compiler) agreement(m *policyv1.Agreement) *Agreement {
	a := &Agreement{
		message:    m,
		programmes: make(map[string]*policyv1.Agreement_Programme),
		categories: make(map[string]*policyv1.Agreement_Category),
		words:      make(map[string]*policyv1.Text),
	}
	c.header(a)
	c.programmes(a)
	c.categories(a)
	c.sources(a)
	c.requirements(a)
	c.scores(a)
	c.ages(a)
	c.courses(a)
	c.ratios(a)
	c.caps(a)
	c.rounding(a)
	if len(m.GetCourses())+len(m.GetRatios()) == 0 {
		c.Fault("has neither courses nor ratios, so it gives nothing", "ratios")
	}
	return a
}

func (c *compiler) header(a *Agreement) {
	m := a.message
	c.Slug(m.GetId(), "id")
	c.Version(m.GetVersion(), "version")
	c.organization(m.GetInstitution(), "institution")
	c.Text(m.GetTitle(), true, nil, "title")
	a.from = c.Day(m.GetEffectiveFrom(), false, "effective_from")
	a.until = c.Day(m.GetEffectiveUntil(), true, "effective_until")
	if a.until != 0 && a.until < a.from {
		c.Fault("lies before effective_from", "effective_until")
	}
	zone, ok := zoneOf(m.GetTimeZone())
	if !ok {
		c.Fault(`is the IANA name of a time zone, such as "Asia/Shanghai"`, "time_zone")
	}
	a.zone = zone
	switch m.GetUse() {
	case policyv1.Agreement_USE_CONSUMED, policyv1.Agreement_USE_RECOGNISED:
	case policyv1.Agreement_USE_UNSPECIFIED:
		fallthrough
	default:
		c.Fault("is USE_CONSUMED or USE_RECOGNISED", "use")
	}
	c.Between(int64(m.GetQuoteDays()), 0, MaxQuoteDays, "quote_days")
	c.Between(int64(m.GetHoldDays()), 1, MaxHoldDays, "hold_days")
}

func (c *compiler) programmes(a *Agreement) {
	all := a.message.GetProgrammes()
	c.Count(len(all), 1, MaxProgrammes, "programmes")
	for i, p := range all {
		c.Slug(p.GetCode(), "programmes", i, "code")
		if a.programmes[p.GetCode()] != nil {
			c.Fault(fmt.Sprintf("there are two programmes %q", p.GetCode()), "programmes", i, "code")
		}
		a.programmes[p.GetCode()] = p
		c.Text(p.GetName(), true, nil, "programmes", i, "name")
		c.Between(p.GetMilliCredits(), 1, maxAmount, "programmes", i, "milli_credits")
	}
}

func (c *compiler) categories(a *Agreement) {
	all := a.message.GetCategories()
	c.Count(len(all), 0, MaxCategories, "categories")
	for i, category := range all {
		id := category.GetId()
		c.Slug(id, "categories", i, "id")
		if a.categories[id] != nil {
			c.Fault(fmt.Sprintf("there are two categories %q", id), "categories", i, "id")
		}
		a.categories[id], a.words[categoryRule(id)] = category, category.GetWords()
		c.levels(category.GetMinLevel(), category.GetMaxLevel(), "categories", i)
		c.Text(category.GetWords(), false, rules.Placeholders(), "categories", i, "words")
	}
}

// categoryRule names a category among the rules: no rule has a space in its name.
func categoryRule(id string) string { return "category " + id }

func (c *compiler) levels(least, most int32, path ...any) {
	c.Between(int64(least), 0, maxLevel, append(slices.Clip(path), "min_level")...)
	c.Between(int64(most), 0, maxLevel, append(slices.Clip(path), "max_level")...)
	if most != 0 && most < least {
		c.Fault("lies below min_level", append(slices.Clip(path), "max_level")...)
	}
}

func (c *compiler) sources(a *Agreement) {
	all := a.message.GetSources()
	c.Count(len(all), 1, MaxRules, "sources")
	var always onceAlways
	for i, rule := range all {
		c.rule(a, rule.GetId(), nil, "sources", i)
		c.Count(len(rule.GetKinds()), 0, MaxNames, "sources", i, "kinds")
		for j, kind := range rule.GetKinds() {
			if kindName(kind) == "" {
				c.Fault("is KIND_COMPLETION, KIND_OPENING_BALANCE or KIND_CLAIM", "sources", i, "kinds", j)
			}
		}
		for _, list := range []struct {
			name string
			ids  []string
		}{{"within", rule.GetWithin()}, {"providers", rule.GetProviders()}, {"platforms", rule.GetPlatforms()}} {
			c.Count(len(list.ids), 0, MaxNames, "sources", i, list.name)
			for j, id := range list.ids {
				c.organization(id, "sources", i, list.name, j)
			}
		}
		when := c.condition(a, rule.GetWhen(), true, "sources", i, "when")
		narrow := len(rule.GetKinds())+len(rule.GetWithin())+len(rule.GetProviders())+len(rule.GetPlatforms()) > 0
		c.first(&always, !narrow && when.program == nil && len(all) > 1 && rule.GetWhen() == "", "sources", i)
		a.sources = append(a.sources, sourceRule{rule, when})
	}
}

func (c *compiler) requirements(a *Agreement) {
	all := a.message.GetRequirements()
	c.Count(len(all), 0, MaxRules, "requirements")
	for i, rule := range all {
		c.rule(a, rule.GetId(), rule.GetWords(), "requirements", i)
		a.requirements = append(a.requirements, requirementRule{
			rule, c.condition(a, rule.GetWhen(), true, "requirements", i, "when"),
			c.condition(a, rule.GetRequire(), false, "requirements", i, "require"),
		})
	}
}

func (c *compiler) scores(a *Agreement) {
	all := a.message.GetScores()
	c.Count(len(all), 0, MaxRules, "scores")
	var always onceAlways
	for i, rule := range all {
		c.rule(a, rule.GetId(), rule.GetWords(), "scores", i)
		c.Between(int64(rule.GetMinimum()), 0, 100, "scores", i, "minimum")
		when := c.condition(a, rule.GetWhen(), true, "scores", i, "when")
		c.first(&always, rule.GetWhen() == "", "scores", i)
		a.scores = append(a.scores, scoreRule{rule, when})
		a.asked.sealed = true
	}
}

func (c *compiler) ages(a *Agreement) {
	all := a.message.GetAges()
	c.Count(len(all), 0, MaxRules, "ages")
	var always onceAlways
	for i, rule := range all {
		c.rule(a, rule.GetId(), rule.GetWords(), "ages", i)
		c.Between(int64(rule.GetMonths()), 0, maxMonths, "ages", i, "months")
		c.Between(int64(rule.GetYears()), 0, maxYears, "ages", i, "years")
		when := c.condition(a, rule.GetWhen(), true, "ages", i, "when")
		c.first(&always, rule.GetWhen() == "", "ages", i)
		a.ages = append(a.ages, ageRule{rule, when, int(rule.GetMonths()) + 12*int(rule.GetYears())})
	}
}

func (c *compiler) courses(a *Agreement) {
	all := a.message.GetCourses()
	c.Count(len(all), 0, MaxCourses, "courses")
	for i, rule := range all {
		c.rule(a, rule.GetId(), rule.GetWords(), "courses", i)
		c.known(a, rule.GetProgrammes(), nil, "courses", i)
		if rule.GetProvider() != "" {
			c.organization(rule.GetProvider(), "courses", i, "provider")
		}
		if rule.GetCourse() != "" {
			c.code(rule.GetCourse(), "courses", i, "course")
		}
		if category := rule.GetCategory(); category != "" && !c.taken(a, category) {
			c.Fault(fmt.Sprintf("unknown category %q", category), "courses", i, "category")
		}
		c.levels(rule.GetMinLevel(), rule.GetMaxLevel(), "courses", i)
		if rule.GetCourse() == "" && rule.GetCategory() == "" && strings.TrimSpace(rule.GetWhen()) == "" {
			c.Fault("has one of course, category and when: anything would stand for this course otherwise", "courses", i)
		}
		c.Between(rule.GetLeastMilliCredits(), 0, maxAmount, "courses", i, "least_milli_credits")
		c.code(rule.GetCountsAs(), "courses", i, "counts_as")
		c.Text(rule.GetName(), true, nil, "courses", i, "name")
		c.Between(rule.GetMilliCredits(), 1, maxAmount, "courses", i, "milli_credits")
		a.courses = append(a.courses, courseRule{rule, c.condition(a, rule.GetWhen(), true, "courses", i, "when")})
	}
}

func (c *compiler) ratios(a *Agreement) {
	all := a.message.GetRatios()
	c.Count(len(all), 0, MaxRules, "ratios")
	var always onceAlways
	for i, rule := range all {
		c.rule(a, rule.GetId(), rule.GetWords(), "ratios", i)
		c.known(a, rule.GetProgrammes(), rule.GetCategories(), "ratios", i)
		c.Between(int64(rule.GetNumerator()), 1, maxRatio, "ratios", i, "numerator")
		c.Between(int64(rule.GetDenominator()), 1, maxRatio, "ratios", i, "denominator")
		when := c.condition(a, rule.GetWhen(), true, "ratios", i, "when")
		c.first(&always, rule.GetWhen() == "" && len(rule.GetCategories())+len(rule.GetProgrammes()) == 0, "ratios", i)
		a.ratios = append(a.ratios, ratioRule{rule, when})
	}
}

func (c *compiler) caps(a *Agreement) {
	all := a.message.GetCaps()
	c.Count(len(all), 0, MaxRules, "caps")
	for i, rule := range all {
		c.rule(a, rule.GetId(), rule.GetWords(), "caps", i)
		c.known(a, rule.GetProgrammes(), rule.GetCategories(), "caps", i)
		if _, ok := policyv1.Agreement_Cap_Scope_name[int32(rule.GetScope())]; !ok {
			c.Fault("is SCOPE_CATEGORY, SCOPE_PROVIDER or SCOPE_PLATFORM, or left out for everything together", "caps", i, "scope")
		}
		c.Between(int64(rule.GetPerMille()), 0, 1000, "caps", i, "per_mille")
		c.Between(rule.GetMilliCredits(), 0, maxAmount, "caps", i, "milli_credits")
		if (rule.GetPerMille() == 0) == (rule.GetMilliCredits() == 0) {
			c.Fault("has exactly one of per_mille and milli_credits", "caps", i)
		}
		a.caps = append(a.caps, capRule{rule, c.condition(a, rule.GetWhen(), true, "caps", i, "when")})
	}
}

func (c *compiler) rounding(a *Agreement) {
	rule := a.message.GetRounding()
	if rule == nil {
		c.Fault("rounding is needed: no source says how to round, so every agreement does", "rounding")
		return
	}
	c.rule(a, rule.GetId(), rule.GetWords(), "rounding")
	c.Between(rule.GetStepMilliCredits(), 1, maxStep, "rounding", "step_milli_credits")
	switch rule.GetRemainder() {
	case policyv1.Agreement_Rounding_REMAINDER_KEEP, policyv1.Agreement_Rounding_REMAINDER_DROP:
	case policyv1.Agreement_Rounding_REMAINDER_UNSPECIFIED:
		fallthrough
	default:
		c.Fault("is REMAINDER_KEEP or REMAINDER_DROP", "rounding", "remainder")
	}
}

// rule checks what all rules have: a name that no other has, and words.
func (c *compiler) rule(a *Agreement, id string, words *policyv1.Text, path ...any) {
	at := slices.Concat(path, []any{"id"})
	c.Slug(id, at...)
	if id != "" && c.names[id] {
		c.Fault(fmt.Sprintf("there are two rules %q: reasons name a rule by its id alone", id), at...)
	}
	c.names[id], a.words[id] = true, words
	c.Text(words, false, rules.Placeholders(), append(slices.Clip(path), "words")...)
}

// known checks the programmes and categories that a rule names.
func (c *compiler) known(a *Agreement, programmes, categories []string, path ...any) {
	c.Count(len(programmes), 0, MaxNames, append(slices.Clip(path), "programmes")...)
	c.Count(len(categories), 0, MaxNames, append(slices.Clip(path), "categories")...)
	for i, code := range programmes {
		if a.programmes[code] == nil {
			c.Fault(fmt.Sprintf("unknown programme %q", code), append(slices.Clip(path), "programmes", i)...)
		}
	}
	for i, id := range categories {
		if !c.taken(a, id) {
			c.Fault(fmt.Sprintf("unknown category %q", id), append(slices.Clip(path), "categories", i)...)
		}
	}
}

// taken says whether the agreement takes a category: without a list it takes them all.
func (*compiler) taken(a *Agreement, id string) bool {
	return len(a.categories) == 0 || a.categories[id] != nil
}

func (c *compiler) organization(id string, path ...any) {
	if _, err := unit.ParseOrganizationID(id); err != nil {
		c.Fault(err.Error(), path...)
	}
}

func (c *compiler) code(code string, path ...any) {
	if n := utf8.RuneCountInString(code); n < 1 || n > maxCode || strings.ContainsFunc(code, func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r)
	}) {
		c.Fault(fmt.Sprintf("is 1 to %d visible characters without spaces", maxCode), path...)
	}
}

// onceAlways is the position, from 1, of the first rule of a stage that fits everything.
type onceAlways int

// first refuses rules that are never reached in a stage that takes the first that fits.
func (c *compiler) first(always *onceAlways, fitsAll bool, stage string, i int) {
	switch {
	case *always > 0 && c.fresh:
		c.Fault(fmt.Sprintf("is never reached: %s[%d] comes first and always fits; give that one a condition, or put it last", stage, *always-1), stage, i)
	case fitsAll && *always == 0:
		*always = onceAlways(i + 1)
	}
}

func (c *compiler) condition(a *Agreement, expression string, optional bool, path ...any) condition {
	if strings.TrimSpace(expression) == "" {
		if !optional {
			c.Fault("a condition is needed", path...)
		}
		return condition{}
	}
	compiled, faults := c.conditions.Compile(expression, c.fresh, c.look(a))
	for _, f := range faults {
		c.InCondition(f, path...)
	}
	if len(faults) > 0 {
		return condition{}
	}
	if c.fresh {
		c.decided(compiled, path...)
	}
	return condition{compiled.Program}
}

// decided refuses conditions of which the answer is known before anything is quoted.
func (c *compiler) decided(compiled rules.Condition, path ...any) {
	value, known, failure := c.conditions.Constant(compiled)
	required := path[len(path)-1] == "require"
	at := func(message string) { c.InCondition(rules.ConditionFault{Line: 1, Message: message}, path...) }
	switch {
	case failure != nil:
		at("can never be worked out: every lot would be refused")
	case !known:
	case !value:
		at("never holds, whatever the lot is; mend the condition, or leave the rule out")
	case required:
		at("always holds, so the rule refuses nothing; mend the condition, or leave the rule out")
	}
}
