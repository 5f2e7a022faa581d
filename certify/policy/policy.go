// Package policy turns hours of learning into credits: it compiles a published policy, judges one completion under it, and
// says why.
//
// It never reads a clock, a file, the network or a random source; it knows no account, no ledger and no transport; and it
// never touches a floating-point number. Its one invariant: the same [Fact], the same policy bytes and the same [Standing]
// give the same [Assessment], on every machine.
//
// # Three steps
//
// [Compile] reads the YAML that officers wrote and finds all its faults at once; [Load] reads it again once it is on the ledger.
// [Policy.Prepare] runs every condition on one completion; it needs no state, so it runs in parallel. [Prepared.Decide] adds up
// integers against the standing of the account; it runs in the ledger's single writer, and whatever it decided is written
// down and never judged again.
//
// # The stages
//
// They run in this order. Each that changes a number, or refuses something, leaves a [Reason]; the After of one is the Before
// of the next, so that a resident can follow every step down to the number on the page.
//
//	eligibility   Each rule that is asked and does not hold refuses credit; the hours are kept.
//	hours         The first rule that holds says how many minutes count: a session counts on the day on which it began, up
//	              to what that day has left; all sessions together count up to the course's nominal minutes. Both limits
//	              fill in the order of time. Without a rule all posted minutes count.
//	duplicates    In an equivalence group one completion stands. Another one of the group counts neither hours nor credits,
//	              unless the policy keeps the best score, this score is better, this completion gives credits, and the lot
//	              of the one that stands is whole and available: then it takes its place, with the old expiry. A failed
//	              repetition is a duplicate too. No score is less than any score.
//	overlap       Minutes spent in two places at once, by the clock, beyond the tolerance: an officer decides. An achievement
//	              is not asked: its sessions are spans in which something was achieved.
//	conversion    The first rule that holds turns minutes, with those left over from earlier classes of the course, into
//	              milli-credits, rounded down only to say them.
//	caps          Every cap whose condition holds leaves some room, counted in whole steps of the rounding; what finds no
//	              room is given as pending. The Reason's Carried is what waits.
//	rounding      The first rule that holds. Exactly the minutes that make whole steps are spent, the rest is carried to
//	              the next class or dropped. The Reason's Carried is what is left over.
//	review        Every rule that holds, and the bank's own causes: an officer decides. So does one where more completions of
//	              the course, or on the site, ended within the hour than a rule on rates believes.
//	validity      The first rule that holds.
//	points        The first rule that holds gives reward points for the minutes that count, multiplied by its age factor and
//	              then rounded down. Points are a ledger of their own: their Reason has minutes before and milli-points
//	              after, stands beside the chain, and its Carried is what the age factor added.
//
// # Outcomes
//
//	AWARDED    Something counted. The credits may be zero while the first step is not filled: the minutes are then carried,
//	           and the rounding reason says so. There is no lot of zero credits.
//	NO_CREDIT  A rule refused credit, or a limit left no minute: the hours that remain count.
//	DUPLICATE  Counts neither hours nor credits.
//	IN_REVIEW  Moves nothing: no hours, no credits, no room under a cap, no remainder. The chain of reasons ends in zero.
//
// A condition that cannot be worked out (division by zero, overflow, cost) never awards: the completion goes to an officer with
// the cause [PolicyError]. So does a fact outside the limits of the statements. A duplicate stays a duplicate even so, because
// it moves nothing either.
//
// # Exact arithmetic
//
// Minutes and milli-credits are whole numbers of at most [MaxMinutes] and 10¹² respectively, so that no product leaves int64.
// Where a remainder is carried, Compile demands that one step is a whole number of minutes (step × minutes_per_credit is a
// multiple of 1,000): over all classes of a course, credits × minutes per credit + remainder = minutes counted, to the minute.
// A completion that stands for an equivalence group neither takes nor leaves a remainder: there is no next class of what is
// achieved once, and a better score could not take back what others have spent since. Credits fixed by a rule are
// not rounded.
//
// # Keys
//
// What counts towards a cap is kept under "<cap>/<period>" with "/<scope>" after it where the cap counts by scope, and without
// the period where it is for life: "half-year/2026-H1", "year/2026", "provider-lifetime/xihu-cc". The period is that of the last
// day of the learning. A later version that uses the same name for a cap goes on counting.
package policy

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// A Policy is a compiled policy. It is immutable and safe for concurrent use.
type Policy struct {
	message       *policyv1.Policy
	hash          [32]byte
	zone          *time.Location
	from          Day
	until         Day
	closedThrough Day
	places        map[string]rules.Place // of the fields at the top

	categories  map[string]*policyv1.Category
	eligibility []eligibilityRule
	hours       []hoursRule
	duplicates  *policyv1.DuplicateRule
	overlap     *overlapRule
	conversion  []conversionRule
	caps        []capRule
	rounding    []roundingRule
	review      []reviewRule
	rates       []rateRule
	validity    []validityRule
	points      []pointsRule

	words       map[string]*policyv1.Text // by the name of the rule; nil where the rule has none
	ageWords    map[string]*policyv1.Text // the same, of age factors
	coarsest    int64                     // largest step of all rounding rules, in milli-credits
	asksAge     bool
	learnedHour int64 // minutes of a learning hour
}

// The rules with their conditions compiled.
type (
	eligibilityRule struct {
		*policyv1.EligibilityRule
		when, require condition
	}
	hoursRule struct {
		*policyv1.HoursRule
		when condition
	}
	overlapRule struct {
		*policyv1.OverlapRule
		when condition
	}
	conversionRule struct {
		*policyv1.ConversionRule
		when condition
	}
	capRule struct {
		*policyv1.CapRule
		when condition
	}
	roundingRule struct {
		*policyv1.RoundingRule
		when condition
	}
	reviewRule struct {
		*policyv1.ReviewRule
		when condition
	}
	rateRule struct {
		*policyv1.RateRule
		when condition
	}
	validityRule struct {
		*policyv1.ValidityRule
		when condition
	}
	pointsRule struct {
		*policyv1.PointsRule
		when condition
	}
)

// Text is said in the languages of the pages.
type Text = rules.Text

// A Category is one kind of learning.
type Category struct {
	ID           string
	Name         Text
	Professional bool // its hours are professional ones, for requirements that ask for a share of them
	Transferable bool // its credits may later be transferred towards a degree
}

// Hash is the SHA-256 of the YAML bytes: the identity of a published policy.
func (p *Policy) Hash() [32]byte { return p.hash }

// ID is the name that all versions of the policy share.
func (p *Policy) ID() string { return p.message.GetId() }

// Version is the name of this version, unique within the policy.
func (p *Policy) Version() string { return p.message.GetVersion() }

// Organization is whose courses, and whose descendants' courses, the policy is for.
func (p *Policy) Organization() string { return p.message.GetOrganization() }

// Title is what residents read.
func (p *Policy) Title() Text { return text(p.message.GetTitle()) }

// Categories are the categories in the order of the policy.
func (p *Policy) Categories() []Category {
	categories := make([]Category, len(p.message.GetCategories()))
	for i, c := range p.message.GetCategories() {
		categories[i] = Category{
			ID: c.GetId(), Name: text(c.GetName()), Professional: c.GetProfessional(), Transferable: c.GetTransferable(),
		}
	}
	return categories
}

// Category answers one category, and whether the policy has it.
func (p *Policy) Category(id string) (Category, bool) {
	c, ok := p.categories[id]
	return Category{
		ID: c.GetId(), Name: text(c.GetName()), Professional: c.GetProfessional(), Transferable: c.GetTransferable(),
	}, ok
}

// EffectiveFrom is the first day on which learning may end to be judged by this version.
func (p *Policy) EffectiveFrom() Day { return p.from }

// EffectiveUntil is the last such day, inclusive; 0: until the next version.
func (p *Policy) EffectiveUntil() Day { return p.until }

// ClosedThrough is the last day of the closed reporting periods; 0: none is closed.
func (p *Policy) ClosedThrough() Day { return p.closedThrough }

// Workflow are the rules on what a case needs, in the order of the policy; there may be none.
func (p *Policy) Workflow() []*policyv1.WorkflowRule { return p.message.GetWorkflow() }

// WorkflowWords are the words of one of them for a resident; none where it has none, or there is no such rule.
func (p *Policy) WorkflowWords(id string) Text {
	for _, rule := range p.message.GetWorkflow() {
		if rule.GetId() == id {
			return text(rule.GetWords())
		}
	}
	return Text{}
}

// Zone is the time zone in which days and periods are counted.
func (p *Policy) Zone() *time.Location { return p.zone }

// LearningHour is the minutes of one learning hour (学时).
func (p *Policy) LearningHour() int { return int(p.learnedHour) }

// KeepsBestScore says whether of equivalent completions the one with the best score counts, and not the first.
func (p *Policy) KeepsBestScore() bool {
	return p.duplicates.GetKeep() == policyv1.DuplicateRule_KEEP_BEST_SCORE
}

// AsksAge says whether a rule on points asks for the learner's age, so that a [Fact] needs the birth date.
func (p *Policy) AsksAge() bool { return p.asksAge }

// VerifiedToSpend says whether points under some rule can be spent from a verified account alone.
func (p *Policy) VerifiedToSpend() bool {
	return slices.ContainsFunc(p.points, func(r pointsRule) bool { return r.GetVerifiedToSpend() })
}

// Message is a copy of what the YAML says.
func (p *Policy) Message() *policyv1.Policy { return proto.CloneOf(p.message) }

func text(t *policyv1.Text) Text { return rules.TextOf(t) }

// kind is what faults say that the text is.
func kind() rules.Kind { return rules.Kind{Of: ErrPolicy, Name: "a policy"} }
