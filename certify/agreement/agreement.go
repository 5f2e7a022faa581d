// Package agreement says what an institution makes of a learning record: it compiles an agreement (互认协议) and asks it, lot by lot,
// what is taken over, what it is worth with the institution, and why.
//
// It never reads a clock, a file, the network or a random source; it knows no account, no ledger and no transport; and it never
// touches a floating-point number. Its one invariant: the same agreement bytes, programme, [Item]s, [Taken] and day give the same
// [Quote], on every machine and in whatever order the items come.
//
// # The stages
//
// They run in this order for every lot. Each that changes a number, or refuses the lot, leaves a [Reason]; the After of one is
// the Before of the next.
//
//	available    A lot with nothing available, or past its expiry, is refused.
//	source       The first source that fits lets it in.
//	category     The category is taken, its level within bounds, and its awarder lets it count towards a degree, if that is
//	             what the programme leads to.
//	requirement  Every requirement that is asked holds.
//	score        The first rule that fits says the least score.
//	age          The first rule that fits says how old the learning may be. A lot can be taken over until the earlier of that
//	             and its own expiry: [Decision.Until].
//	course       The first course that fits gives a fixed amount, once for each course of the institution, for the whole lot.
//	ratio        Otherwise the first ratio that fits multiplies what is available, rounded down to the milli-credit.
//	rounding     Down to whole steps, each lot for itself.
//	caps         Every cap that fits leaves some room, in whole steps. A course finds room whole, or is refused.
//
// # The order of lots
//
// Where caps leave too little room for all, lots are served in one order, whatever order they come in: what counts as a course
// before what is converted (it can't be cut), then those whose time is up first (those whose time is never up last), then those
// that were learned first, then by lot.
//
// # Exact arithmetic
//
// What is taken of a lot is the least that gives the result: a result of r milli-credits at numerator/denominator costs
// r × denominator / numerator, rounded up; so no more is ever taken than is available. Where the agreement drops remainders, a lot
// that no cap has cut short is taken whole. Amounts are at most 10¹² and ratios at most 1,000, so that no product leaves int64.
//
// # Keys
//
// What counts towards a cap is kept under "<programme>/<cap>" with "/<scope>" after it where the cap counts by scope. Whoever keeps
// what was taken over adds the [Count]s of each [Quote] that was accepted up, and hands the sums back as [Taken].
package agreement

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

var (
	// ErrAgreement answers an agreement that cannot be published; the [Error]s inside say what is wrong with it.
	ErrAgreement = errors.New("agreement")
	// ErrProgramme answers a programme that the agreement does not have.
	ErrProgramme = errors.New("unknown programme")
	// ErrNotInForce answers a day on which the agreement is not in force.
	ErrNotInForce = errors.New("agreement not in force")
	// ErrItems answers items that cannot be quoted: too many, one of them twice, or with amounts out of bounds.
	ErrItems = errors.New("items to quote")
)

// An Error is one fault of an agreement and where it is. It wraps [ErrAgreement].
type Error = rules.Error

// Faults are the faults inside what [Compile] answered, in the order of the text, however deep they are wrapped.
func Faults(err error) []*Error { return rules.Faults(err) }

// A Day is a calendar day in the agreement's zone, as days since 1970-01-01. Where a day may be absent, 0 says so.
type Day = rules.Day

// Text is said in the languages of the pages.
type Text = rules.Text

// An Agreement is a compiled agreement. It is immutable and safe for concurrent use.
type Agreement struct {
	message    *policyv1.Agreement
	hash       [sha256.Size]byte
	zone       *time.Location
	from       Day
	until      Day
	programmes map[string]*policyv1.Agreement_Programme
	categories map[string]*policyv1.Agreement_Category

	sources      []sourceRule
	requirements []requirementRule
	scores       []scoreRule
	ages         []ageRule
	courses      []courseRule
	ratios       []ratioRule
	caps         []capRule

	words map[string]*policyv1.Text // by the name of the rule, or of the category after "category "; nil where there are none
	asked asked
}

// The rules with their conditions compiled.
type (
	sourceRule struct {
		*policyv1.Agreement_Source
		when condition
	}
	requirementRule struct {
		*policyv1.Agreement_Requirement
		when, require condition
	}
	scoreRule struct {
		*policyv1.Agreement_Score
		when condition
	}
	ageRule struct {
		*policyv1.Agreement_Age
		when   condition
		months int
	}
	courseRule struct {
		*policyv1.Agreement_Course
		when condition
	}
	ratioRule struct {
		*policyv1.Agreement_Ratio
		when condition
	}
	capRule struct {
		*policyv1.Agreement_Cap
		when condition
	}
)

// asked is what conditions ask for that not everyone may see.
type asked struct {
	sealed bool // what stands in sealed statements alone: score and mode
}

// Hash is the SHA-256 of the YAML bytes: the identity of a published agreement.
func (a *Agreement) Hash() [sha256.Size]byte { return a.hash }

// ID is the name that all versions of the agreement share.
func (a *Agreement) ID() string { return a.message.GetId() }

// Version is the name of this version, unique within the agreement.
func (a *Agreement) Version() string { return a.message.GetVersion() }

// Institution is the organization that accepts.
func (a *Agreement) Institution() string { return a.message.GetInstitution() }

// Title is what residents read.
func (a *Agreement) Title() Text { return rules.TextOf(a.message.GetTitle()) }

// EffectiveFrom is the first day on which it is in force.
func (a *Agreement) EffectiveFrom() Day { return a.from }

// EffectiveUntil is the last such day, inclusive; 0: until the next version begins.
func (a *Agreement) EffectiveUntil() Day { return a.until }

// InForce says whether its dates cover a day.
func (a *Agreement) InForce(day Day) bool { return a.from <= day && (a.until == 0 || day <= a.until) }

// Zone is the time zone in which days are counted.
func (a *Agreement) Zone() *time.Location { return a.zone }

// Day is the calendar day of t in the agreement's zone.
func (a *Agreement) Day(t time.Time) Day { return rules.DayIn(t, a.zone) }

// Consumes says whether what is taken over is spent; otherwise it is recognised only.
func (a *Agreement) Consumes() bool { return a.message.GetUse() == policyv1.Agreement_USE_CONSUMED }

// QuoteDays are the days for which a quote is honoured after the day on which it was made.
func (a *Agreement) QuoteDays() int { return int(a.message.GetQuoteDays()) }

// HoldDays are the days for which credits are held until the institution has answered.
func (a *Agreement) HoldDays() int { return int(a.message.GetHoldDays()) }

// AsksSealed says whether it asks for what only the sealed statements say, score and mode, so that an [Item] needs them.
func (a *Agreement) AsksSealed() bool { return a.asked.sealed }

// Categories are the names of the categories that the agreement takes or speaks of, sorted: what the bank must know.
func (a *Agreement) Categories() []string {
	var all []string
	for id := range a.categories {
		all = append(all, id)
	}
	for _, rule := range a.courses {
		if rule.GetCategory() != "" {
			all = append(all, rule.GetCategory())
		}
	}
	for _, rule := range a.ratios {
		all = append(all, rule.GetCategories()...)
	}
	for _, rule := range a.caps {
		all = append(all, rule.GetCategories()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Organizations are those that the agreement names as sources, sorted: what the bank must know.
func (a *Agreement) Organizations() []string {
	var all []string
	for _, rule := range a.sources {
		all = slices.Concat(all, rule.GetWithin(), rule.GetProviders(), rule.GetPlatforms())
	}
	for _, rule := range a.courses {
		if rule.GetProvider() != "" {
			all = append(all, rule.GetProvider())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A Programme is what credits are taken over towards.
type Programme struct {
	Code    string
	Name    Text
	Credits unit.Credits // of the whole programme
	Degree  bool
}

// Programmes are the programmes in the order of the agreement.
func (a *Agreement) Programmes() []Programme {
	all := make([]Programme, len(a.message.GetProgrammes()))
	for i, p := range a.message.GetProgrammes() {
		all[i] = programmeOf(p)
	}
	return all
}

// Programme answers one of them, or [ErrProgramme].
func (a *Agreement) Programme(code string) (Programme, error) {
	p := a.programmes[code]
	if p == nil {
		return Programme{}, fmt.Errorf("%w: %q", ErrProgramme, code)
	}
	return programmeOf(p), nil
}

func programmeOf(p *policyv1.Agreement_Programme) Programme {
	return Programme{Code: p.GetCode(), Name: rules.TextOf(p.GetName()), Credits: unit.Credits(p.GetMilliCredits()), Degree: p.GetDegree()}
}

// CourseName is what residents read of a course of the institution.
func (a *Agreement) CourseName(code string) Text {
	for _, rule := range a.courses {
		if rule.GetCountsAs() == code {
			return rules.TextOf(rule.GetName())
		}
	}
	return Text{}
}

// Message is a copy of what the YAML says.
func (a *Agreement) Message() *policyv1.Agreement { return proto.CloneOf(a.message) }
