package rules

import (
	"fmt"
	"math"
	"time"
	// Days must not depend on what time zones a machine happens to have.
	_ "time/tzdata"
)

// A Day is a calendar day in some text's zone, as days since 1970-01-01. Where a day may be absent, 0 says so.
type Day int32

// SecondsPerDay are the seconds of a day in Unix time.
const SecondsPerDay = 86_400

const dayLayout = time.DateOnly

// ParseDay reads YYYY-MM-DD between the years 1900 and 9999. 1970-01-01 is refused, because 0 means that there is no day.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(dayLayout, s)
	if err != nil || t.Year() < 1900 {
		return 0, fmt.Errorf("%w: a day is YYYY-MM-DD from the year 1900 on", ErrDay)
	}
	if t.Unix() == 0 {
		return 0, fmt.Errorf("%w: 1970-01-01 cannot be written", ErrDay)
	}
	return Day(t.Unix() / SecondsPerDay), nil
}

// String is YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(dayLayout) }

// Year is the calendar year.
func (d Day) Year() int { return d.Time().Year() }

// AddMonths is the same day of the month so many months on, or the last of that month where it has no such day:
// 31 January and one month is 28 or 29 February.
func (d Day) AddMonths(months int) Day {
	t := d.Time()
	sum := t.Year()*12 + int(t.Month()) - 1 + months
	year, month := sum/12, time.Month(sum%12+1)
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return Day(time.Date(year, month, min(t.Day(), last), 0, 0, 0, 0, time.UTC).Unix() / SecondsPerDay)
}

// NewYear is 1 January.
func NewYear(year int) Day {
	return Day(time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC).Unix() / SecondsPerDay)
}

// Time is the first instant of the day in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*SecondsPerDay, 0).UTC() }

// Start is the first instant of the day in zone.
func (d Day) Start(zone *time.Location) time.Time {
	year, month, day := d.Time().Date()
	start := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if DayIn(start, zone) < d { // clocks were put forward at midnight, and it has none
		_, start = start.ZoneBounds()
	}
	return start
}

// DayIn is the calendar day of t in a zone.
func DayIn(t time.Time, zone *time.Location) Day {
	_, offset := t.In(zone).Zone()
	return Day(min(max(FloorDiv(t.Unix()+int64(offset), SecondsPerDay), math.MinInt32), math.MaxInt32))
}

// FloorDiv is a/b rounded towards minus infinity, for b > 0.
func FloorDiv(a, b int64) int64 {
	quotient := a / b
	if a%b < 0 {
		quotient--
	}
	return quotient
}
