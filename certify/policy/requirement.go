package policy

import (
	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A RequirementStatus is how much of what a year should contain there is.
type RequirementStatus struct {
	Rule string
	Year int
	// Minutes of all categories, and the least that there should be.
	Minutes, Required unit.Minutes
	// Professional minutes, and the least that there should be among so many minutes, rounded up.
	Professional, RequiredProfessional unit.Minutes
	Met                                bool
}

// Requirements are the policy's requirements of a calendar year, in its order. Minutes answers the hours of that year in a
// category; less than none counts as none.
func (p *Policy) Requirements(year int, minutes func(category string) unit.Minutes) []RequirementStatus {
	var all, professional unit.Minutes
	for _, c := range p.message.GetCategories() {
		m := min(max(0, minutes(c.GetId())), maxAmount) // 64 categories of 10¹² times a share of 1,000 stay within int64
		all += m
		if c.GetProfessional() {
			professional += m
		}
	}
	statuses := make([]RequirementStatus, len(p.message.GetRequirements()))
	for i, rule := range p.message.GetRequirements() {
		s := RequirementStatus{
			Rule: rule.GetId(), Year: year, Minutes: all, Required: unit.Minutes(rule.GetMinutes()), Professional: professional,
		}
		numerator, denominator := unit.Minutes(rule.GetProfessionalNumerator()), unit.Minutes(rule.GetProfessionalDenominator())
		if denominator > 0 {
			s.RequiredProfessional = (all*numerator + denominator - 1) / denominator
		}
		s.Met = s.Minutes >= s.Required && s.Professional >= s.RequiredProfessional
		statuses[i] = s
	}
	return statuses
}

// ExplainRequirement says a status in the words of its rule, with the minutes of the year as {before}, the professional ones as
// {after} and the least minutes as {limit}; without words of its own in those of this package.
func (p *Policy) ExplainRequirement(s RequirementStatus, lang string) string {
	words := text(p.words[s.Rule]).In(lang)
	if words == "" {
		words = Text{
			ZH: "本年度已学 {before}，其中专业类 {after}；要求不少于 {limit}。",
			EN: "This year has {before}, {after} of them professional; {limit} are asked for.",
		}.In(lang)
	}
	say := func(m unit.Minutes) string { return p.minutes(int64(m), lang) }
	return rules.Fill(words, say(s.Minutes), say(s.Professional), say(s.Required), "")
}
