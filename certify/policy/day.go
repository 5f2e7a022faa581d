package policy

import (
	"time"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// A Day is a calendar day in some policy's zone, as days since 1970-01-01. Where a day may be absent, 0 says so.
type Day = rules.Day

// ParseDay reads YYYY-MM-DD between the years 1900 and 9999. 1970-01-01 is refused, because 0 means that there is no day.
func ParseDay(s string) (Day, error) { return rules.ParseDay(s) }

// Day is the calendar day of t in the policy's zone.
func (p *Policy) Day(t time.Time) Day { return rules.DayIn(t, p.zone) }
