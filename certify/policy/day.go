package policy

import (
	"time"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// A Day is a calendar day in some policy's zone, as days since 1970-01-01. Where a day may be absent, 0 says so.
type Day = rules.Day

// Day is the calendar day of t in the policy's zone.
func (p *Policy) Day(t time.Time) Day { return rules.DayIn(t, p.zone) }
