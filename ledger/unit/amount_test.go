package unit_test

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func TestCreditsText(t *testing.T) {
	for want, credits := range map[string]unit.Credits{
		"0.000":                 0,
		"0.001":                 1,
		"-0.001":                -1,
		"0.050":                 50,
		"1.000":                 unit.Credit,
		"1.250":                 1250,
		"-12.345":               -12345,
		"9223372036854775.807":  math.MaxInt64,
		"-9223372036854775.808": math.MinInt64,
		"-9223372036854775.807": -math.MaxInt64,
		"1000000000000000.000":  1_000_000_000_000_000_000,
		"-1000000000000000.000": -1_000_000_000_000_000_000,
		"9223372036854775.000":  9_223_372_036_854_775_000,
		"-9223372036854775.000": -9_223_372_036_854_775_000,
		"42.000":                42 * unit.Credit,
		"100000000000000.099":   100_000_000_000_000_099,
		"-100000000000000.100":  -100_000_000_000_000_100,
		"7.007":                 7007,
		"922337203685477.580":   922_337_203_685_477_580,
		"-922337203685477.580":  -922_337_203_685_477_580,
		"1234567890123456.789":  1_234_567_890_123_456_789,
		"-1234567890123456.789": -1_234_567_890_123_456_789,
	} {
		if got := credits.String(); got != want {
			t.Errorf("Credits(%d) = %q, want %q", int64(credits), got, want)
		}
		if got := unit.Points(credits).String(); got != want {
			t.Errorf("Points(%d) = %q, want %q", int64(credits), got, want)
		}
		if got, err := unit.ParseCredits(want); err != nil || got != credits {
			t.Errorf("ParseCredits(%q) = %d, %v, want %d", want, int64(got), err, int64(credits))
		}
	}
	for short, want := range map[string]unit.Credits{"3": 3000, "1.5": 1500, "0.25": 250, "-2": -2000, "0": 0, "10": 10000} {
		if got, err := unit.ParseCredits(short); err != nil || got != want {
			t.Errorf("ParseCredits(%q) = %d, %v, want %d", short, int64(got), err, int64(want))
		}
	}
}

func TestParseCreditsRefuses(t *testing.T) {
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 characters"},
		{"-", unit.FlawLength, 0, "before the decimal point"},
		{".5", unit.FlawLength, 0, "before the decimal point"},
		{"1.", unit.FlawLength, 0, "0 decimals"},
		{"1.2345", unit.FlawLength, 0, "4 decimals"},
		{"+1", unit.FlawCharacter, 1, "position 1"},
		{" 1", unit.FlawCharacter, 1, "position 1"},
		{"1 ", unit.FlawCharacter, 2, "position 2"},
		{"-1x", unit.FlawCharacter, 3, "position 3"},
		{"--1", unit.FlawCharacter, 2, "position 2"},
		{"1.2.3", unit.FlawCharacter, 4, "position 4"},
		{"1.-2", unit.FlawCharacter, 3, "position 3"},
		{"1e3", unit.FlawCharacter, 2, "position 2"},
		{"1,5", unit.FlawCharacter, 2, "position 2"},
		{"１", unit.FlawCharacter, 1, "position 1"},
		{"01", unit.FlawRange, 0, "leading zero"},
		{"00.5", unit.FlawRange, 0, "leading zero"},
		{"-0", unit.FlawRange, 0, "no sign"},
		{"-0.000", unit.FlawRange, 0, "no sign"},
		{"9223372036854775.808", unit.FlawRange, 0, "counted"},
		{"-9223372036854775.809", unit.FlawRange, 0, "counted"},
		{"18446744073709551.616", unit.FlawRange, 0, "counted"},
		{"999999999999999999999", unit.FlawRange, 0, "counted"},
		{"1000000000000000000000", unit.FlawLength, 0, "22 characters"},
	} {
		_, err := unit.ParseCredits(test.text)
		checkRefusal(t, err, unit.ErrCredits, test)
	}
}

func TestAddIsCheckedAddition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		credits, err := unit.Credits(a).Add(unit.Credits(b))
		if fits := want.IsInt64(); fits != (err == nil) || (fits && int64(credits) != want.Int64()) {
			t.Fatalf("%d + %d credits = %d, %v", a, b, int64(credits), err)
		}
		if err != nil && !errors.Is(err, unit.ErrOverflow) {
			t.Fatalf("%v is not ErrOverflow", err)
		}
		minutes, minutesErr := unit.Minutes(a).Add(unit.Minutes(b))
		if int64(minutes) != int64(credits) || !errors.Is(minutesErr, err) {
			t.Fatalf("%d + %d minutes = %d, %v; credits %d, %v", a, b, minutes, minutesErr, int64(credits), err)
		}
	})
}

func TestAddAtTheEdges(t *testing.T) {
	for _, test := range []struct {
		a, b unit.Credits
		fits bool
	}{
		{math.MaxInt64, 0, true},
		{math.MaxInt64, 1, false},
		{math.MaxInt64, math.MinInt64, true},
		{math.MinInt64, 0, true},
		{math.MinInt64, -1, false},
		{math.MinInt64, math.MinInt64, false},
		{math.MaxInt64, math.MaxInt64, false},
		{0, math.MinInt64, true},
		{-1, math.MinInt64, false},
	} {
		for _, sum := range [][2]unit.Credits{{test.a, test.b}, {test.b, test.a}} {
			if got, err := sum[0].Add(sum[1]); (err == nil) != test.fits || (test.fits && got != test.a+test.b) {
				t.Errorf("%d + %d = %d, %v", int64(sum[0]), int64(sum[1]), int64(got), err)
			}
		}
	}
}

func FuzzParseCredits(f *testing.F) {
	for _, seed := range []string{"0", "1.250", "-0.001", "9223372036854775.807", "-9223372036854775.808", "01", "1.", "-0", "1e3"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]{1,3})?$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := unit.ParseCredits(text)
		var want *big.Int
		if form.MatchString(text) {
			rational, _ := new(big.Rat).SetString(text)
			rational.Mul(rational, big.NewRat(1000, 1))
			if rational.Num().IsInt64() && (rational.Sign() != 0 || text[0] != '-') {
				want = rational.Num()
			}
		}
		if (want != nil) != (err == nil) || (err == nil && int64(got) != want.Int64()) {
			t.Fatalf("ParseCredits(%q) = %d, %v, want %v", text, int64(got), err, want)
		}
		if err != nil {
			checkSilent(t, err, text)
			return
		}
		if again, err := unit.ParseCredits(got.String()); err != nil || again != got {
			t.Fatalf("%q reads back as %d, %v", got, int64(again), err)
		}
	})
}
