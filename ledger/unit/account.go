package unit

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
)

// An AccountID names a learning account inside the bank: 128 random bits that say nothing about their holder and
// never change. The zero id names no account.
type AccountID [16]byte

// NewAccountID draws an id from random, which must be cryptographically secure.
func NewAccountID(random io.Reader) (AccountID, error) {
	var id AccountID
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return AccountID{}, fmt.Errorf("%w: %v", ErrRandom, err)
	}
	if id.IsZero() {
		return AccountID{}, fmt.Errorf("%w: 16 zero bytes", ErrRandom)
	}
	return id, nil
}

// ParseAccountID reads what String writes. The zero id is refused.
func ParseAccountID(s string) (AccountID, error) {
	if err := checkLength(ErrAccountID, s, 2*len(AccountID{})); err != nil {
		return AccountID{}, err
	}
	for i := range len(s) {
		if !isDigit(s[i]) && (s[i] < 'a' || s[i] > 'f') {
			return AccountID{}, flawed(ErrAccountID, FlawCharacter, i+1, "not a lower-case hexadecimal digit at position %d", i+1)
		}
	}
	var id AccountID
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return AccountID{}, flawed(ErrAccountID, FlawCharacter, 0, "%v", err)
	}
	if id.IsZero() {
		return AccountID{}, flawed(ErrAccountID, FlawRange, 0, "zero")
	}
	return id, nil
}

// AccountIDFromBytes copies 16 bytes. The zero id is refused.
func AccountIDFromBytes(b []byte) (AccountID, error) {
	if len(b) != len(AccountID{}) {
		return AccountID{}, flawed(ErrAccountID, FlawLength, 0, "%d bytes, not 16", len(b))
	}
	id := AccountID(b)
	if id.IsZero() {
		return AccountID{}, flawed(ErrAccountID, FlawRange, 0, "zero")
	}
	return id, nil
}

// String is 32 lower-case hexadecimal digits.
func (id AccountID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names no account.
func (id AccountID) IsZero() bool { return id == AccountID{} }

// An AccountNumber (账号) is what a resident knows an account by: 16 digits, the first not 0, the last by Luhn
// (ISO/IEC 7812-1, annex B). It is random, so it tells nothing about its holder, and it can be reissued. Which
// account it belongs to only the vault knows. Luhn catches every single wrong digit and every swap of neighbours
// except 09 and 90.
type AccountNumber string

const accountNumberLength = 16

// NewAccountNumber draws a number from random, which must be cryptographically secure: each of the 9 × 10¹⁴ numbers
// is equally likely. Uniqueness is the caller's matter.
func NewAccountNumber(random io.Reader) (AccountNumber, error) {
	const (
		smallest = 100_000_000_000_000 // of 15 digits: with it added no number starts with 0
		choices  = 9 * smallest
		fair     = math.MaxUint64 - math.MaxUint64%choices // below it every remainder is equally frequent
		attempts = 8                                       // a fair source is refused once in 20,000: eight in a row is a fault
	)
	for range attempts {
		var draw [8]byte
		if _, err := io.ReadFull(random, draw[:]); err != nil {
			return "", fmt.Errorf("%w: %v", ErrRandom, err)
		}
		if n := binary.BigEndian.Uint64(draw[:]); n < fair {
			digits := strconv.FormatUint(smallest+n%choices, 10)
			return AccountNumber(digits + string(luhn(digits))), nil
		}
	}
	return "", fmt.Errorf("%w: %d unusable numbers in a row", ErrRandom, attempts)
}

// ParseAccountNumber accepts exactly 16 ASCII digits with a correct check digit, as they stand in a statement or a
// request. What people type goes through [ParseTypedAccountNumber].
func ParseAccountNumber(s string) (AccountNumber, error) {
	if err := checkLength(ErrAccountNumber, s, accountNumberLength); err != nil {
		return "", err
	}
	if position := firstNonDigit(s); position > 0 {
		return "", flawed(ErrAccountNumber, FlawCharacter, position, "not a digit at position %d", position)
	}
	if s[0] == '0' {
		return "", flawed(ErrAccountNumber, FlawRange, 1, "no account number starts with 0")
	}
	if luhn(s[:accountNumberLength-1]) != s[accountNumberLength-1] {
		return "", flawed(ErrAccountNumber, FlawCheck, accountNumberLength, "wrong check digit")
	}
	return AccountNumber(s), nil
}

// ParseTypedAccountNumber accepts a number the way people type or paste it: with spaces and hyphens anywhere, and in
// the full-width digits, spaces and hyphens of a Chinese keyboard. A wrong character is
// reported at its position among the characters typed.
func ParseTypedAccountNumber(s string) (AccountNumber, error) {
	const longest = 256 // bytes; enough for full-width digits with separators between all of them
	if len(s) > longest {
		return "", flawed(ErrAccountNumber, FlawLength, 0, "more than %d bytes", longest)
	}
	digits, position := make([]byte, 0, accountNumberLength), 0
	for _, r := range s {
		position++
		switch {
		case '0' <= r && r <= '9':
			digits = append(digits, byte(r))
		case '０' <= r && r <= '９':
			digits = append(digits, byte('0'+r-'０'))
		case isSeparator(r):
		default:
			return "", flawed(ErrAccountNumber, FlawCharacter, position, "not a digit at position %d", position)
		}
	}
	return ParseAccountNumber(string(digits))
}

// isSeparator knows the spaces and hyphens that keyboards, spreadsheets and word processors put between digits.
func isSeparator(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n', '\u00a0', '\u2002', '\u2003', '\u2009', '\u202f', '\u3000',
		'-', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212', '\ufe63', '\uff0d':
		return true
	}
	return false
}

// Grouped is the number as it is shown and printed: "1234 5678 9012 3456".
func (n AccountNumber) Grouped() string {
	if len(n) != accountNumberLength {
		return string(n)
	}
	return string(n[:4] + " " + n[4:8] + " " + n[8:12] + " " + n[12:])
}

// Masked is the number as others may see it: "1234 **** **** 5678".
func (n AccountNumber) Masked() string {
	if len(n) != accountNumberLength {
		return "****"
	}
	return string(n[:4] + " **** **** " + n[12:])
}

// LogValue keeps the whole number out of log lines.
func (n AccountNumber) LogValue() slog.Value { return slog.StringValue(n.Masked()) }

// luhn is the check digit that belongs after digits.
func luhn(digits string) byte {
	sum := 0
	for i := range len(digits) {
		value := int(digits[i] - '0')
		if (len(digits)-i)%2 == 1 { // the last digit before the check digit counts double, then every other one
			value *= 2
			if value > 9 {
				value -= 9
			}
		}
		sum += value
	}
	return byte('0' + (10-sum%10)%10)
}
