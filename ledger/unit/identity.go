package unit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// An IdentityNumber is a number of the form of GB 11643-1999: six digits of a division, eight of a birth date, three
// of a sequence, and a check character by ISO 7064 MOD 11-2, which catches every single wrong digit and every swap of
// neighbours. Resident identity cards, residence permits and the newer permanent residence cards all carry one; which
// divisions belong to which is for [ParseDocument] to say. The division is where the holder was first registered, not
// where the holder lives.
//
// It identifies a person, so it never prints itself: every fmt verb, slog and the encoders of JSON and text get asterisks
// or an error. Code that must have the digits says so by string(n).
type IdentityNumber string

// hidden stands for a number wherever one would be printed. Its length says nothing.
const hidden = "****"

// errMarshal keeps numbers out of documents that are encoded by reflection, where nobody meant to put them.
var errMarshal = errors.New("personal number is not marshalled: convert it to a string where it is meant to go out")

// oldestYears is how long ago a birth date may be. A limit against mistyped centuries, wider than any lifetime.
const oldestYears = 150

// ParseIdentityNumber checks form, birth date and check character; a lower-case x is folded. The birth date must
// exist, not lie after the calendar date of today in today's own location, and not more than 150 years before it.
// The 15 digits of before 1999 are refused: they have no check digit, and a person has only one valid number.
func ParseIdentityNumber(s string, today time.Time) (IdentityNumber, error) {
	if len(s) == 15 && firstNonDigit(s) == 0 {
		return "", flawed(ErrIdentityNumber, FlawOld, 0, "15 digits, as issued before 1999: the 18 digits of the current card are needed")
	}
	if err := checkLength(ErrIdentityNumber, s, 18); err != nil {
		return "", err
	}
	number, err := IdentityNumberFor(s[:17])
	if err != nil {
		return "", err
	}
	last := s[17]
	if last == 'x' {
		last = 'X'
	}
	if !isDigit(last) && last != 'X' {
		return "", flawed(ErrIdentityNumber, FlawCharacter, 18, "neither a digit nor x at position 18")
	}
	// The date goes first: of a number typed wrong, that is the part its holder can see to be wrong.
	birth := number.BirthDate()
	year, month, day := today.Date()
	switch now := time.Date(year, month, day, 0, 0, 0, 0, time.UTC); {
	case birth.After(now):
		return "", flawed(ErrIdentityNumber, FlawFuture, 7, "birth date after today")
	case birth.Before(now.AddDate(-oldestYears, 0, 0)):
		return "", flawed(ErrIdentityNumber, FlawDate, 7, "birth date more than %d years ago", oldestYears)
	case number[17] != last:
		return "", flawed(ErrIdentityNumber, FlawCheck, 18, "wrong check character")
	}
	return number, nil
}

// IdentityNumberFor completes 17 digits with their check character. It is for tests and demonstrations: real numbers
// come from a card.
func IdentityNumberFor(first17 string) (IdentityNumber, error) {
	if err := checkLength(ErrIdentityNumber, first17, 17); err != nil {
		return "", err
	}
	if position := firstNonDigit(first17); position > 0 {
		return "", flawed(ErrIdentityNumber, FlawCharacter, position, "not a digit at position %d", position)
	}
	if first17[0] == '0' {
		return "", flawed(ErrIdentityNumber, FlawRange, 1, "no division starts with 0")
	}
	if _, err := time.Parse("20060102", first17[6:14]); err != nil {
		return "", flawed(ErrIdentityNumber, FlawDate, 7, "birth date does not exist")
	}
	sum := 0
	for i, weight := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(first17[i]-'0') * weight
	}
	return IdentityNumber(first17 + "10X98765432"[sum%11:sum%11+1]), nil
}

// BirthDate is midnight UTC of the birth date; the zero time when n did not come from this package.
func (n IdentityNumber) BirthDate() time.Time {
	if len(n) != 18 {
		return time.Time{}
	}
	birth, err := time.Parse("20060102", string(n[6:14]))
	if err != nil {
		return time.Time{}
	}
	return birth
}

// Masked is the number as a page may show it to someone who knows it already: its first and last character.
func (n IdentityNumber) Masked() string { return masked(string(n)) }

// String hides the number.
func (n IdentityNumber) String() string { return hidden }

// GoString hides the number.
func (n IdentityNumber) GoString() string { return hidden }

// Format hides the number from every verb: without it a wrong verb such as %d would print it.
func (n IdentityNumber) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the number.
func (n IdentityNumber) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText always fails, and encoding/json with it.
func (n IdentityNumber) MarshalText() ([]byte, error) { return nil, errMarshal }

// masked leaves the first and the last character of an ASCII text.
func masked(s string) string {
	if len(s) < 5 {
		return hidden
	}
	return s[:1] + strings.Repeat("*", len(s)-2) + s[len(s)-1:]
}
