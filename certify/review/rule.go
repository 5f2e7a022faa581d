package review

import (
	"cmp"
	"slices"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
)

// What a rule has where it does not say.
const (
	DefaultReturnDays = 30
	DefaultAppealDays = 30
	DefaultLeaseHours = 24
	// DefaultBatchRisk is the greatest risk of cases that are decided many at a time where a policy has no rule.
	DefaultBatchRisk = 2
)

// Rule is what a policy asks of a case.
type Rule struct {
	// ID names the policy's rule; empty where the policy has none.
	ID string
	// SecondReview and SecondRefusal say that an approval and a refusal take a second officer.
	SecondReview, SecondRefusal bool
	// NoticeDays are those of the public notice; 0: there is none.
	NoticeDays int
	// Batch says that such cases may be decided many at a time.
	Batch bool
	// ReturnDays and AppealDays are those for more evidence and for an appeal; ReviewDays those in which an officer should
	// act, 0 where nobody said.
	ReturnDays, AppealDays, ReviewDays int
	// Lease is for how long a case is its officer's.
	Lease time.Duration
	// Zone is where days begin and end.
	Zone *time.Location
}

// RuleFor answers the first of a policy's rules that fits a case, or what holds where a policy has none.
func RuleFor(rules []*policyv1.WorkflowRule, zone *time.Location, risk int, causes []string) Rule {
	for _, m := range rules {
		if (m.GetMaxRisk() != 0 && risk > int(m.GetMaxRisk())) || !covers(m.GetCauses(), causes) {
			continue
		}
		return Rule{
			ID: m.GetId(), SecondReview: m.GetSecondReview(), SecondRefusal: m.GetSecondRefusal(), NoticeDays: int(m.GetNoticeDays()),
			Batch: m.GetBatch(), ReturnDays: int(cmp.Or(m.GetReturnDays(), DefaultReturnDays)),
			AppealDays: int(cmp.Or(m.GetAppealDays(), DefaultAppealDays)), ReviewDays: int(m.GetReviewDays()),
			Lease: time.Duration(cmp.Or(m.GetLeaseHours(), DefaultLeaseHours)) * time.Hour, Zone: zone,
		}
	}
	return Rule{
		Batch: risk <= DefaultBatchRisk, ReturnDays: DefaultReturnDays, AppealDays: DefaultAppealDays,
		Lease: DefaultLeaseHours * time.Hour, Zone: zone,
	}
}

// covers says whether a rule for these causes is for a case of those.
func covers(rule, causes []string) bool {
	return len(rule) == 0 || !slices.ContainsFunc(causes, func(cause string) bool { return !slices.Contains(rule, cause) })
}

// Batchable answers ErrBatch for a case that is not decided among many: its rule says so, or its first review is over.
func (r Rule) Batchable(c Case) error {
	if !r.Batch || (!Ended(c.State) && Stage(c.State) != ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW) {
		return ErrBatch
	}
	return nil
}

// end is the midnight after so many whole days.
func (r Rule) end(now time.Time, days int) time.Time {
	year, month, day := now.In(r.Zone).Date()
	return time.Date(year, month, day+days+1, 0, 0, 0, 0, r.Zone).UTC()
}

// due is by when an officer should act; zero where nobody said.
func (r Rule) due(now time.Time) time.Time {
	if r.ReviewDays == 0 {
		return time.Time{}
	}
	return r.end(now, r.ReviewDays)
}
