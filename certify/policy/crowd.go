package policy

import (
	"crypto/sha256"
	"encoding/binary"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// MaxCrowd is the most completions that a rule on crowds may allow in an hour.
const MaxCrowd = 4_000

// A Crowd is what one rule counts a completion in: those of its course, or of its site, that ended in the same hour.
type Crowd struct {
	// Key names the crowd: each rule counts what it is asked for, and nothing else. A rule of the same name in another policy
	// goes on with what was counted.
	Key uint64
	// Rule is its name: the cause that officers see.
	Rule string
	// Risk is 1 to 5.
	Risk int
	// Limit is how many completions are believed.
	Limit int

	times int // the capacity of the course; 0: the limit is a number of its own
}

// Fixed says that the limit is the same whatever the capacity of the course.
func (c Crowd) Fixed() bool { return c.times == 0 }

// LimitAt is how many completions are believed where one comes of a course of another capacity; false where then the rule does
// not count it at all.
func (c Crowd) LimitAt(capacity int) (int, bool) {
	if c.times == 0 {
		return c.Limit, true
	}
	limit := timesCapacity(c.times, capacity)
	return limit, limit > 0
}

func timesCapacity(times, capacity int) int { return min(times*min(capacity, MaxCrowd), MaxCrowd) }

// askCrowds finds the crowds in which the completion is counted.
func (pr *Prepared) askCrowds(a *activation) {
	for i := range pr.policy.rates {
		r := &pr.policy.rates[i]
		limit, times := int(r.GetCompletions()), 0
		if limit == 0 {
			times = int(r.GetTimesCapacity())
			limit = timesCapacity(times, pr.fact.Capacity)
		}
		site := r.GetScope() == policyv1.RateRule_SCOPE_SITE
		if limit <= 0 || site && pr.fact.Site == "" || !pr.holds(ledgerv1.Stage_STAGE_REVIEW, &r.when, a) {
			continue
		}
		what := pr.fact.Course
		if site {
			what = pr.fact.Site
		}
		hour := rules.FloorDiv(pr.fact.ended().Unix(), 3600)
		pr.crowds = append(pr.crowds, Crowd{
			Key: crowdKey(r.GetId(), r.GetScope(), string(pr.fact.Provider), what, hour), Rule: r.GetId(), Risk: int(r.GetRisk()), Limit: limit,
			times: times,
		})
	}
}

// crowdKey is the beginning of a hash, since a key takes part in every entry. Two crowds that share one by chance, of which
// there is no hope below billions of crowds, would send too many completions to officers, never too few.
func crowdKey(rule string, scope policyv1.RateRule_Scope, provider, what string, hour int64) uint64 {
	text := make([]byte, 0, 256)
	text = append(text, "creditbank/v1 crowd\n"...)
	text = append(append(text, rule...), '\n', byte('0'+scope), '\n')
	text = append(append(text, provider...), '\n')
	text = append(append(text, what...), '\n')
	text = binary.BigEndian.AppendUint64(text, uint64(hour))
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])
}

// Crowds are those in which the completion is counted, whatever becomes of it; each key once for each rule. The caller must
// not change them.
func (pr *Prepared) Crowds() []Crowd { return pr.crowds }

// crowded says whether the completion is one too many of a crowd, and names the rules by which it is.
func (r *run) crowded() bool {
	before, found := r.available, false
	for _, crowd := range r.crowds {
		n := r.standing.Crowd(crowd.Key)
		if n < crowd.Limit {
			continue
		}
		r.say(Reason{
			Stage: ledgerv1.Stage_STAGE_REVIEW, Rule: crowd.Rule, Before: before, Limit: int64(crowd.Limit), Carried: int64(n) + 1,
		})
		r.found = append(r.found, cause{crowd.Rule, crowd.Risk})
		before, found = 0, true
	}
	return found
}
