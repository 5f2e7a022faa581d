package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Person is what the vault knows of the holder of an account.
//
// It never prints itself: every fmt verb, slog and the encoders of JSON and text get asterisks or an error. (In an
// unexported field of another struct fmt cannot call its methods: don't print such a struct.)
type Person struct {
	// Number is the account number, as it is printed on the holder's card.
	Number unit.AccountNumber
	// Name is the name as the document has it: 1 to 200 bytes.
	Name string
	// Document is what the holder showed, in the form that unit.ParseDocument answers. The zero Document stands for
	// someone who showed none; no two accounts have the same document.
	Document unit.Document
	// Contact is a telephone number or an address; at most 500 bytes.
	Contact string
	// BirthDate is midnight UTC of the birth date, from 1800 on; the zero time when it is unknown.
	BirthDate time.Time
}

// Limits of a person's fields, in bytes.
const (
	maxNameBytes     = 200
	maxContactBytes  = 500
	maxDocumentBytes = 64
)

// Check answers an error that wraps [ErrInvalid] and names the field, never its content.
func (p Person) Check() error {
	wrong := func(field, rule string) error { return fmt.Errorf("%w: %s: %s", ErrInvalid, field, rule) }
	if _, err := unit.ParseAccountNumber(string(p.Number)); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := unit.ParseDocumentKind(string(p.Document.Kind)); err != nil && p.Document != (unit.Document{}) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	birth := p.BirthDate
	switch {
	case p.Name == "" || len(p.Name) > maxNameBytes || !utf8.ValidString(p.Name):
		return wrong("name", fmt.Sprintf("1 to %d bytes of utf-8", maxNameBytes))
	case len(p.Contact) > maxContactBytes || !utf8.ValidString(p.Contact):
		return wrong("contact", fmt.Sprintf("at most %d bytes of utf-8", maxContactBytes))
	case p.Document != unit.Document{} && (p.Document.Number == "" || len(p.Document.Number) > maxDocumentBytes):
		return wrong("document", fmt.Sprintf("1 to %d bytes", maxDocumentBytes))
	case !utf8.ValidString(p.Document.Number):
		return wrong("document", "not utf-8")
	case !birth.IsZero() && (!birth.Equal(birth.UTC().Truncate(24*time.Hour)) || birth.Year() < 1800 || birth.Year() > 9999):
		return wrong("birth date", "midnight utc of a day from 1800 on")
	}
	return nil
}

func (p Person) equal(q Person) bool {
	same := p.BirthDate.Equal(q.BirthDate)
	p.BirthDate, q.BirthDate = time.Time{}, time.Time{}
	return same && p == q
}

const hidden = "person ****"

// String hides the person.
func (p Person) String() string { return hidden }

// GoString hides the person.
func (p Person) GoString() string { return hidden }

// Format hides the person from every verb.
func (p Person) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the person.
func (p Person) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText always fails, and encoding/json with it.
func (p Person) MarshalText() ([]byte, error) {
	return nil, errors.New("vault: a person is not marshalled: take the fields that are meant to go out")
}

// personRow is how a person is written, before it is sealed. Fields may be added; none may change its meaning.
type personRow struct {
	Number    string `json:"number"`
	Name      string `json:"name"`
	Kind      string `json:"kind,omitempty"`
	Document  string `json:"document,omitempty"`
	Contact   string `json:"contact,omitempty"`
	BirthDate string `json:"birth_date,omitempty"`
}

func encodePerson(p Person) ([]byte, error) {
	row := personRow{
		Number: string(p.Number), Name: p.Name, Kind: string(p.Document.Kind), Document: p.Document.Number, Contact: p.Contact,
	}
	if !p.BirthDate.IsZero() {
		row.BirthDate = p.BirthDate.UTC().Format(time.DateOnly)
	}
	b, err := json.Marshal(row)
	if err != nil {
		return nil, errors.New("vault: person can't be encoded") // the cause might quote it
	}
	return b, nil
}

func decodePerson(b []byte) (Person, error) {
	var row personRow
	if err := json.Unmarshal(b, &row); err != nil {
		return Person{}, fmt.Errorf("%w: person", ErrDamaged)
	}
	p := Person{
		Number: unit.AccountNumber(row.Number), Name: row.Name, Contact: row.Contact,
		Document: unit.Document{Kind: unit.DocumentKind(row.Kind), Number: row.Document},
	}
	if row.BirthDate != "" {
		birth, err := time.Parse(time.DateOnly, row.BirthDate)
		if err != nil {
			return Person{}, fmt.Errorf("%w: person", ErrDamaged)
		}
		p.BirthDate = birth
	}
	return p, nil
}

// newAccount makes the row of a new account, with a fresh key.
func (v *Vault) newAccount(id unit.AccountID, person Person) (account, error) {
	a, err := v.indexed(person)
	if err != nil {
		return account{}, err
	}
	key := make([]byte, keyBytes)
	defer clear(key)
	if err := v.random.secret(key); err != nil {
		return account{}, err
	}
	if a.wrapped, err = v.keys.wrap(key, keyData(v.bank, id)); err != nil {
		return account{}, err
	}
	a.person, err = v.sealPerson(id, a.wrapped, person)
	return a, err
}

// indexed makes the part of a row by which an account is found.
func (v *Vault) indexed(person Person) (a account, err error) {
	if a.number, err = v.numberMAC(person.Number); err != nil {
		return account{}, err
	}
	if person.Document != (unit.Document{}) {
		a.document, err = v.documentMAC(person.Document)
	}
	return a, err
}

func (v *Vault) sealPerson(id unit.AccountID, wrapped []byte, person Person) ([]byte, error) {
	content, err := encodePerson(person)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	aead, err := v.cipherOf(id, wrapped)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, nonceBytes, SealBytes+len(content))
	if err := v.random.fill(sealed); err != nil {
		return nil, err
	}
	return aead.Seal(sealed, sealed, content, personData(v.bank, id)), nil
}

func (v *Vault) openPerson(id unit.AccountID, a account) (Person, error) {
	aead, err := v.cipherOf(id, a.wrapped)
	if err != nil {
		return Person{}, err
	}
	content, err := open(aead, a.person, personData(v.bank, id))
	if err != nil {
		return Person{}, fmt.Errorf("%w: person", ErrDamaged)
	}
	defer clear(content)
	return decodePerson(content)
}
