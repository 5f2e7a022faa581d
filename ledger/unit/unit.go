// Package unit holds the small words everyone shares: amounts, identifiers and numbers with check digits.
//
// Every type here is a value. The package does no I/O, reads no clock (a caller passes today), owns no randomness
// (a caller passes a reader) and knows nothing of accounts, policies or storage. Its one invariant: a value that came
// out of a Parse, New or For function is well formed, and parsing its text again gives the same value.
//
// Errors never quote what was parsed, because what was parsed may be somebody's identity number: they name the flaw
// and its position. Every parse error is a *[FormError] wrapping the sentinel of its type, so that one caller can ask
// errors.Is(err, ErrIdentityNumber) and another can put the flaw into a resident's language.
package unit

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// One sentinel per type; errors of the Parse functions wrap them.
var (
	ErrCredits          = errors.New("credits")
	ErrAccountID        = errors.New("account id")
	ErrAccountNumber    = errors.New("account number")
	ErrStatementID      = errors.New("statement id")
	ErrOrganizationID   = errors.New("organization id")
	ErrOrganizationCode = errors.New("organization code")
	ErrIdentityNumber   = errors.New("identity number")
	ErrDocument         = errors.New("document")

	// ErrOverflow answers a sum that leaves the range of int64.
	ErrOverflow = errors.New("amount overflows")
	// ErrRandom answers a random source that fails, ends, or returns what no random source returns.
	ErrRandom = errors.New("random source")
)

// A Flaw is the way in which a text is not what it should be.
type Flaw uint8

const (
	// FlawLength: too short or too long.
	FlawLength Flaw = iota + 1
	// FlawCharacter: the character at FormError.Position cannot stand there.
	FlawCharacter
	// FlawCheck: the check digit doesn't fit the rest; most often one digit is mistyped or two are swapped.
	FlawCheck
	// FlawDate: the birth date inside does not exist or is more than 150 years ago.
	FlawDate
	// FlawFuture: the birth date inside is after today.
	FlawFuture
	// FlawRange: well formed, but outside what this type or kind may be.
	FlawRange
	// FlawOld: an identity number of the 15 digits that were issued until 1999 and withdrawn in 2013.
	FlawOld
)

// A FormError says what is wrong with a text without quoting any of it.
type FormError struct {
	// Of is the sentinel of the type that was parsed, or an error wrapping it.
	Of error
	// Flaw is what is wrong.
	Flaw Flaw
	// Position counts characters from 1; 0 when the flaw is not at one place.
	Position int

	detail string
}

// Error is the type and the detail, for example "account number: 15 characters, not 16".
func (e *FormError) Error() string { return e.Of.Error() + ": " + e.detail }

// Unwrap gives the sentinel.
func (e *FormError) Unwrap() error { return e.Of }

// checkLength asks for want ASCII characters. Whoever types eighteen characters, one of them full-width, must read that
// it cannot stand there, not that eighteen isn't eighteen.
func checkLength(of error, s string, want int) error {
	if count := utf8.RuneCountInString(s); count != want {
		return flawed(of, FlawLength, 0, "%d characters, not %d", count, want)
	}
	position := 0
	for _, r := range s {
		position++
		if r >= utf8.RuneSelf {
			return flawed(of, FlawCharacter, position, "not an ascii character at position %d", position)
		}
	}
	return nil
}

func flawed(of error, flaw Flaw, position int, format string, args ...any) *FormError {
	return &FormError{Of: of, Flaw: flaw, Position: position, detail: fmt.Sprintf(format, args...)}
}
