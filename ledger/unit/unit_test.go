package unit_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// refusal is what a parser has to say about a text.
type refusal struct {
	text     string
	flaw     unit.Flaw
	position int
	message  string
}

func checkRefusal(t *testing.T, err, sentinel error, want refusal) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("%q: error %v, want one wrapping %v", want.text, err, sentinel)
	}
	var form *unit.FormError
	if !errors.As(err, &form) {
		t.Fatalf("%q: error %v is no FormError", want.text, err)
	}
	if form.Flaw != want.flaw || form.Position != want.position {
		t.Errorf("%q: flaw %d at %d, want %d at %d (%v)", want.text, form.Flaw, form.Position, want.flaw, want.position, err)
	}
	if !strings.Contains(err.Error(), want.message) {
		t.Errorf("%q: %q doesn't say %q", want.text, err, want.message)
	}
	checkSilent(t, err, want.text)
}

// checkSilent fails when an error quotes what was parsed, or enough of it to matter.
func checkSilent(t *testing.T, err error, text string) {
	t.Helper()
	const telling = 5 // characters in a row
	message := err.Error()
	for start := 0; start+telling <= len(text); start++ {
		part := text[start : start+telling]
		if strings.ContainsAny(part, "0123456789") && utf8.ValidString(part) && strings.Contains(message, part) {
			t.Fatalf("error quotes its input: %q contains %q", message, part)
		}
	}
}

// today is the day on which the tests take place, by the clock of the first bank.
func today() time.Time {
	return time.Date(2026, time.May, 1, 0, 30, 0, 0, time.FixedZone("CST", 8*60*60))
}
