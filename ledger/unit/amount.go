package unit

import (
	"math"
	"strconv"
	"strings"
)

// Credits is an amount of learning credit (学分) in thousandths: 1.000 credit is Credits(1000). It may be negative in
// a delta.
type Credits int64

// Credit is one whole credit.
const Credit Credits = 1000

// Points is an amount of reward points (积分) in thousandths: one point is Points(1000). Points are no credits, and neither
// ever becomes the other. It may be negative in a delta.
type Points int64

// Minutes is learned time in minutes. How many make one learning hour (学时) is a matter of policy, never of this type.
type Minutes int64

// String writes c with exactly three decimals: "1.250", "-0.001".
func (c Credits) String() string { return thousandths(int64(c)) }

// String writes p with exactly three decimals: "1.800".
func (p Points) String() string { return thousandths(int64(p)) }

func thousandths(n int64) string {
	sign, magnitude := "", uint64(n)
	if n < 0 {
		sign, magnitude = "-", -magnitude // two's complement: right for the smallest int64 as well
	}
	rest := strconv.FormatUint(magnitude%1000, 10)
	return sign + strconv.FormatUint(magnitude/1000, 10) + "." + "000"[len(rest):] + rest
}

// ParseCredits reads a decimal number of credits with at most three decimals and an optional minus: "3", "1.5",
// "-0.125". Leading zeros, a plus, a bare point, an exponent, spaces and "-0" are refused, and so is an amount beyond
// int64 thousandths. It never rounds.
func ParseCredits(s string) (Credits, error) {
	const longest = len("-9223372036854775.808")
	if s == "" || len(s) > longest {
		return 0, flawed(ErrCredits, FlawLength, 0, "%d characters, not 1 to %d", len(s), longest)
	}
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if position := firstNonDigit(whole); position > 0 {
		return 0, flawed(ErrCredits, FlawCharacter, position+len(s)-len(unsigned), "not a digit at position %d",
			position+len(s)-len(unsigned))
	}
	if position := firstNonDigit(fraction); position > 0 {
		position += len(s) - len(fraction)
		return 0, flawed(ErrCredits, FlawCharacter, position, "not a digit at position %d", position)
	}
	switch {
	case whole == "":
		return 0, flawed(ErrCredits, FlawLength, 0, "no digit before the decimal point")
	case point && (fraction == "" || len(fraction) > 3):
		return 0, flawed(ErrCredits, FlawLength, 0, "%d decimals, not 1 to 3", len(fraction))
	case len(whole) > 1 && whole[0] == '0':
		return 0, flawed(ErrCredits, FlawRange, 0, "leading zero")
	}
	// At most 20 digits remain, and more than 19 cannot fit: ParseUint says so.
	magnitude, err := strconv.ParseUint(whole+fraction+"000"[len(fraction):], 10, 64)
	switch {
	case err != nil || (magnitude > math.MaxInt64 && (!negative || magnitude > math.MaxInt64+1)):
		return 0, flawed(ErrCredits, FlawRange, 0, "more than can be counted")
	case negative && magnitude == 0:
		return 0, flawed(ErrCredits, FlawRange, 0, "zero has no sign")
	case negative:
		return Credits(-magnitude), nil
	}
	return Credits(magnitude), nil
}

// Add is c + d, or [ErrOverflow].
func (c Credits) Add(d Credits) (Credits, error) {
	sum := c + d
	if (d > 0) != (sum > c) && d != 0 {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Add is m + n, or [ErrOverflow].
func (m Minutes) Add(n Minutes) (Minutes, error) {
	sum := m + n
	if (n > 0) != (sum > m) && n != 0 {
		return 0, ErrOverflow
	}
	return sum, nil
}

// firstNonDigit is the position, from 1, of the first byte that is no ASCII digit; 0 when all are.
func firstNonDigit(s string) int {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return i + 1
		}
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
