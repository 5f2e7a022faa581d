package policy

import (
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A ClaimRule says what may be claimed of prior learning, and what it gives.
type ClaimRule struct {
	rule *policyv1.ClaimRule
}

// ClaimRule is the first rule of the policy for claims of a kind in a category; ok is false where such claims are not foreseen.
func (p *Policy) ClaimRule(kind ledgerv1.ClaimKind, category string) (rule ClaimRule, ok bool) {
	for _, r := range p.message.GetClaims() {
		if !slices.Contains(r.GetKinds(), policyv1.ClaimRule_Kind(kind)) {
			continue
		}
		if len(r.GetCategories()) == 0 || slices.Contains(r.GetCategories(), category) {
			return ClaimRule{r}, true
		}
	}
	return ClaimRule{}, false
}

// ClaimRuleNamed is the rule of a claim that is filed already.
func (p *Policy) ClaimRuleNamed(id string) (rule ClaimRule, ok bool) {
	for _, r := range p.message.GetClaims() {
		if r.GetId() == id {
			return ClaimRule{r}, true
		}
	}
	return ClaimRule{}, false
}

// ID is its name.
func (r ClaimRule) ID() string { return r.rule.GetId() }

// Title is what residents read.
func (r ClaimRule) Title() Text { return text(r.rule.GetTitle()) }

// Risk is that of the case, 1 to 5.
func (r ClaimRule) Risk() int { return int(r.rule.GetRisk()) }

// MaxMinutes is the most of one claim.
func (r ClaimRule) MaxMinutes() unit.Minutes { return unit.Minutes(r.rule.GetMaxMinutes()) }

// Credits is the most that minutes give.
func (r ClaimRule) Credits(minutes unit.Minutes) unit.Credits {
	switch {
	case r.rule.GetNoCredit() || minutes <= 0:
		return 0
	case r.rule.GetFixedMilliCredits() > 0:
		return unit.Credits(r.rule.GetFixedMilliCredits())
	default:
		return unit.Credits(int64(minutes) * 1000 / r.rule.GetMinutesPerCredit())
	}
}

// TooOld says whether learning that ended on a day is too long ago to be claimed today, and the months that the rule allows.
func (r ClaimRule) TooOld(ended, today Day) (months int, old bool) {
	months = int(r.rule.GetMaxAgeMonths())
	return months, months != 0 && ended.AddMonths(months) < today
}

// Expires is the first day on which its credits cannot be used any more; 0: never.
func (r ClaimRule) Expires(ended Day) Day {
	if r.rule.GetValidMonths() == 0 {
		return 0
	}
	return ended.AddMonths(int(r.rule.GetValidMonths()))
}

// Reason says what was granted: minutes before, and milli-credits after.
func (r ClaimRule) Reason(minutes unit.Minutes, credits unit.Credits) Reason {
	return Reason{
		Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: r.ID(), Before: int64(minutes), After: int64(credits), Limit: int64(r.MaxMinutes()),
	}
}

func (c *compiler) claims(p *Policy) {
	rules := c.message.GetClaims()
	c.Count(len(rules), 0, MaxRules, "claims")
	for i, rule := range rules {
		c.rule(p, rule.GetId(), rule.GetWords(), "claims", i)
		c.Text(rule.GetTitle(), true, nil, "claims", i, "title")
		c.Count(len(rule.GetKinds()), 1, len(policyv1.ClaimRule_Kind_name)-1, "claims", i, "kinds")
		for k, kind := range rule.GetKinds() {
			if _, ok := policyv1.ClaimRule_Kind_name[int32(kind)]; !ok || kind == policyv1.ClaimRule_KIND_UNSPECIFIED {
				c.Fault("is KIND_CERTIFICATE, KIND_WORK, KIND_VOLUNTEERING or KIND_TEACHING", "claims", i, "kinds", k)
			}
			if slices.Contains(rule.GetKinds()[:k], kind) {
				c.Fault("is there twice", "claims", i, "kinds", k)
			}
		}
		c.Count(len(rule.GetCategories()), 0, MaxCategories, "claims", i, "categories")
		for k, category := range rule.GetCategories() {
			if p.categories[category] == nil {
				c.Fault(fmt.Sprintf("there is no category %q", category), "claims", i, "categories", k)
			}
		}
		c.Between(rule.GetMaxMinutes(), 1, int64(MaxMinutes), "claims", i, "max_minutes")
		c.Between(rule.GetMinutesPerCredit(), 0, maxRate, "claims", i, "minutes_per_credit")
		c.Between(rule.GetFixedMilliCredits(), 0, maxAmount, "claims", i, "fixed_milli_credits")
		ways := 0
		for _, way := range []bool{rule.GetMinutesPerCredit() != 0, rule.GetFixedMilliCredits() != 0, rule.GetNoCredit()} {
			if way {
				ways++
			}
		}
		if ways != 1 {
			c.Fault("has exactly one of minutes_per_credit, fixed_milli_credits and no_credit", "claims", i)
		}
		c.Between(int64(rule.GetRisk()), 1, 5, "claims", i, "risk")
		c.Between(int64(rule.GetMaxAgeMonths()), 0, maxMonths, "claims", i, "max_age_months")
		c.Between(int64(rule.GetValidMonths()), 0, maxMonths, "claims", i, "valid_months")
		c.claimReached(i)
	}
}

// claimReached refuses a rule that is never the first for any claim.
func (c *compiler) claimReached(i int) {
	rule := c.message.GetClaims()[i]
	categories := rule.GetCategories()
	if len(categories) == 0 {
		for _, category := range c.message.GetCategories() {
			categories = append(categories, category.GetId())
		}
	}
	for _, kind := range rule.GetKinds() {
		for _, category := range categories {
			earlier := slices.ContainsFunc(c.message.GetClaims()[:i], func(r *policyv1.ClaimRule) bool {
				return slices.Contains(r.GetKinds(), kind) && (len(r.GetCategories()) == 0 || slices.Contains(r.GetCategories(), category))
			})
			if !earlier {
				return
			}
		}
	}
	if len(rule.GetKinds()) > 0 {
		c.Fault("is never reached: the rules before it are for all that it is for", "claims", i)
	}
}
