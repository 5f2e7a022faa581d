package rules_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

func TestParseDay(t *testing.T) {
	for text, want := range map[string]rules.Day{
		"1900-01-01": -25_567, "1969-12-31": -1, "1970-01-02": 1, "2024-02-29": 19_782, "9999-12-31": 2_932_896,
	} {
		if got, err := rules.ParseDay(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s is %d (%s), %v, want %d", text, got, got, err, want)
		}
	}
	for _, text := range []string{
		"", "1970-01-01", "1899-12-31", "2023-02-29", "2024-13-01", "2024-2-9", "2024-02-29T00:00:00Z", "20260301", " 2024-02-29", "10000-01-01",
		"2026-3-1", "2026-02-29", "2026-03-01T00:00:00Z",
	} {
		if got, err := rules.ParseDay(text); !errors.Is(err, rules.ErrDay) || got != 0 {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
}

func TestAddMonths(t *testing.T) {
	for _, test := range []struct {
		from   string
		months int
		want   string
	}{
		{"2024-01-31", 1, "2024-02-29"},
		{"2023-01-31", 1, "2023-02-28"},
		{"2024-02-29", 12, "2025-02-28"},
		{"2024-02-29", 48, "2028-02-29"},
		{"2024-12-31", 2, "2025-02-28"},
		{"2024-03-31", -1, "2024-02-29"},
		{"2024-01-15", -1, "2023-12-15"},
		{"2024-01-15", 0, "2024-01-15"},
		{"2026-03-03", 84, "2033-03-03"},
		{"2025-12-31", 2, "2026-02-28"},
		{"2025-12-31", 12, "2026-12-31"},
	} {
		from, err := rules.ParseDay(test.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := from.AddMonths(test.months); got.String() != test.want {
			t.Errorf("%s and %d months is %s, want %s", test.from, test.months, got, test.want)
		}
	}
}

// A day is what calendars of its zone say, and begins with the first second of it, also where clocks are put forward at midnight.
func TestDaysOfZones(t *testing.T) {
	for _, name := range []string{"Asia/Shanghai", "UTC", "America/Sao_Paulo", "Asia/Beirut"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for day := rules.NewYear(1910); day < rules.NewYear(2100); day++ {
			start := day.Start(zone)
			year, month, date := start.Date()
			if time.Date(year, month, date, 0, 0, 0, 0, time.UTC) != day.Time() || rules.DayIn(start, zone) != day ||
				rules.DayIn(start.Add(-time.Second), zone) != day-1 {
				t.Errorf("%s begins at %s", day, start)
			}
		}
	}
}

func TestFloorDiv(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64Range(1, 1<<40).Draw(t, "b")
		if rest := a - rules.FloorDiv(a, b)*b; rest < 0 || rest >= b {
			t.Fatalf("%d/%d leaves %d", a, b, rest)
		}
	})
}
