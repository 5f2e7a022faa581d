package unit

import (
	"fmt"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"
)

// A DocumentKind is a kind of paper that says who somebody is.
type DocumentKind string

const (
	// ResidentIdentity is the resident identity card (居民身份证).
	ResidentIdentity DocumentKind = "resident_identity"
	// HongKongMacaoPermit is the travel permit of Hong Kong and Macao residents (港澳居民来往内地通行证).
	HongKongMacaoPermit DocumentKind = "hongkong_macao_permit"
	// TaiwanPermit is the travel permit of Taiwan residents (台湾居民来往大陆通行证).
	TaiwanPermit DocumentKind = "taiwan_permit"
	// ResidencePermit is the residence permit of Hong Kong, Macao and Taiwan residents (港澳台居民居住证).
	ResidencePermit DocumentKind = "residence_permit"
	// PermanentResidence is the foreign permanent resident card (外国人永久居留身份证).
	PermanentResidence DocumentKind = "permanent_residence"
	// Passport is a passport of any country.
	Passport DocumentKind = "passport"
)

// DocumentKinds lists all kinds, the most frequent first.
func DocumentKinds() []DocumentKind {
	return []DocumentKind{ResidentIdentity, ResidencePermit, HongKongMacaoPermit, TaiwanPermit, PermanentResidence, Passport}
}

// ParseDocumentKind reads the name of a kind.
func ParseDocumentKind(s string) (DocumentKind, error) {
	for _, kind := range DocumentKinds() {
		if s == string(kind) {
			return kind, nil
		}
	}
	return "", flawed(ErrDocument, FlawRange, 0, "unknown kind")
}

// A Document is a kind of paper and its number. Two papers with equal documents are the same person's.
//
// It never prints its number: every fmt verb, slog and the encoders of JSON and text get the kind alone or an error. (In an
// unexported field of another struct fmt cannot call its methods: don't print such a struct.)
type Document struct {
	Kind   DocumentKind
	Number string
}

// ParseDocument checks number as its kind demands, and answers it in the one form under which it is stored and found:
// upper case, and without the two digits of a Hong Kong and Macao permit that only count its renewals. Birth dates
// are held against today as in [ParseIdentityNumber]. Errors wrap [ErrDocument], and [ErrIdentityNumber] where the
// number is one.
//
//   - resident identity: GB 11643, outside the divisions of the next two
//   - residence permit: GB 11643 with division 810000, 820000 or 830000
//   - permanent residence: GB 11643 with a division from 9 on, or three letters and twelve digits (until 2023)
//   - Hong Kong and Macao permit: H or M, eight digits, and perhaps two more
//   - Taiwan permit: eight digits
//   - passport: 5 to 15 letters and digits
func ParseDocument(kind DocumentKind, number string, today time.Time) (Document, error) {
	if _, err := ParseDocumentKind(string(kind)); err != nil {
		return Document{}, err
	}
	const longest = 32 // no kind comes near it; bounds what is looked at
	if len(number) > longest {
		return Document{}, flawed(ErrDocument, FlawLength, 0, "more than %d bytes", longest)
	}
	upper := make([]byte, len(number))
	for i := range len(number) {
		c := number[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if !isDigit(c) && !isUpper(c) {
			position := utf8.RuneCountInString(number[:i]) + 1
			return Document{}, flawed(ErrDocument, FlawCharacter, position, "neither a letter nor a digit at position %d", position)
		}
		upper[i] = c
	}
	number = string(upper)

	var err error
	switch kind {
	case ResidentIdentity:
		err = checkIdentity(number, today, func(division string) bool { return division[0] != '9' && !isPermitDivision(division) })
	case ResidencePermit:
		err = checkIdentity(number, today, isPermitDivision)
	case PermanentResidence:
		if len(number) == 15 {
			err = checkShape(number, "AAA000000000000")
		} else {
			err = checkIdentity(number, today, func(division string) bool { return division[0] == '9' })
		}
	case HongKongMacaoPermit:
		if len(number) == len("H0000000000") {
			err = checkShape(number, "H0000000000")
			number = number[:len("H00000000")]
		} else {
			err = checkShape(number, "H00000000")
		}
	case TaiwanPermit:
		err = checkShape(number, "00000000")
	case Passport:
		if len(number) < 5 || len(number) > 15 {
			err = flawed(ErrDocument, FlawLength, 0, "%d characters, not 5 to 15", len(number))
		}
	}
	if err != nil {
		return Document{}, err
	}
	return Document{Kind: kind, Number: number}, nil
}

// checkIdentity asks for a number of GB 11643 in a division that belongs.
func checkIdentity(number string, today time.Time, belongs func(division string) bool) error {
	if _, err := ParseIdentityNumber(number, today); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if !belongs(number[:6]) {
		return flawed(ErrDocument, FlawRange, 1, "the number is one of another kind of document")
	}
	return nil
}

func isPermitDivision(division string) bool {
	return division == "810000" || division == "820000" || division == "830000"
}

// checkShape compares number with a pattern in which A is any letter, H is H or M, and 0 any digit.
func checkShape(number, pattern string) error {
	if len(number) != len(pattern) {
		return flawed(ErrDocument, FlawLength, 0, "%d characters, not %d", len(number), len(pattern))
	}
	for i := range len(number) {
		c := number[i]
		switch pattern[i] {
		case 'A':
			if !isUpper(c) {
				return flawed(ErrDocument, FlawCharacter, i+1, "not a letter at position %d", i+1)
			}
		case 'H':
			if c != 'H' && c != 'M' {
				return flawed(ErrDocument, FlawCharacter, i+1, "neither h nor m at position %d", i+1)
			}
		default:
			if !isDigit(c) {
				return flawed(ErrDocument, FlawCharacter, i+1, "not a digit at position %d", i+1)
			}
		}
	}
	return nil
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// BirthDate is midnight UTC of the birth date that a number of GB 11643 holds; the zero time for every other document.
func (d Document) BirthDate() time.Time {
	switch d.Kind {
	case ResidentIdentity, ResidencePermit, PermanentResidence:
		return IdentityNumber(d.Number).BirthDate()
	case HongKongMacaoPermit, TaiwanPermit, Passport:
	}
	return time.Time{}
}

// Masked is the number as a page may show it to someone who knows it already: its first and last character.
func (d Document) Masked() string { return masked(d.Number) }

// String is the kind alone.
func (d Document) String() string { return string(d.Kind) + " " + hidden }

// GoString is the kind alone.
func (d Document) GoString() string { return d.String() }

// Format writes String for every verb: without it a wrong verb such as %d would print the number.
func (d Document) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue is the kind alone.
func (d Document) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText always fails, and encoding/json with it.
func (d Document) MarshalText() ([]byte, error) { return nil, errMarshal }
