package export

import (
	"strings"
	"unicode"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// clean is a text on one line, of characters that every format can hold: those that XML 1.0 has no place for become U+FFFD, and
// control characters and white space single spaces.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r):
			return ' '
		case r == '\uFFFE' || r == '\uFFFF':
			return unicode.ReplacementChar
		default:
			return r // bytes that are no UTF-8 are U+FFFD already
		}
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// quote is put before a cell that a spreadsheet would take for a formula: it then is a text, and shows as one.
const quote = "'"

// neutral is a cell of a CSV file that no spreadsheet takes for a formula: they do where it begins with = + - or @, also in
// their wide forms, and some look behind what cannot be seen.
func neutral(cell string) string {
	seen := strings.TrimLeftFunc(cell, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.In(r, unicode.Z, unicode.Mn, unicode.Me) })
	if seen != "" && strings.ContainsRune("=+-@＝＋－＠﹢﹣﹦﹫−", []rune(seen)[0]) {
		return quote + cell
	}
	return cell
}

// credits are an amount without zeros at its end: "1.5", "0".
func credits(c unit.Credits) string { return trimmed(c.String()) }

// hours are minutes in units of some minutes, to two decimals and rounded down: "2.22". It is empty where the unit is not known.
func hours(m, unitMinutes unit.Minutes) string {
	if unitMinutes <= 0 || m < 0 {
		return ""
	}
	const hundredths, tenfold = 100, 10 // written as thousandths, of which the last digit is 0
	whole, rest := m/unitMinutes, m%unitMinutes
	return trimmed(unit.Credits(int64(whole)*hundredths*tenfold + int64(rest*hundredths/unitMinutes)*tenfold).String())
}

func trimmed(decimal string) string { return strings.TrimRight(strings.TrimRight(decimal, "0"), ".") }
