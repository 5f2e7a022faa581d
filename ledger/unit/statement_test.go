package unit_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func TestParseStatementID(t *testing.T) {
	for _, text := range []string{
		"c232ab00-9414-11ec-b3c8-9f6bdeced846", // RFC 9562, appendix A: versions 1, 4, 6 and 7
		"919108f7-52d1-4320-9bac-f847db4148a8",
		"1ec9414c-232a-6b00-b3c8-9f6bdeced846",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
	} {
		want := uuid.MustParse(text)
		if got, err := unit.ParseStatementID(want[:]); err != nil || got != want {
			t.Errorf("ParseStatementID(%s) = %v, %v", text, got, err)
		}
	}
}

func TestParseStatementIDRefuses(t *testing.T) {
	microsoft := uuid.MustParse("017f22e2-79b0-7cc3-d8c4-dc0c0c07398f")
	ncs := uuid.MustParse("017f22e2-79b0-7cc3-08c4-dc0c0c07398f")
	for name, raw := range map[string][]byte{
		"nothing":   nil,
		"short":     make([]byte, 15),
		"text":      []byte("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
		"nil":       uuid.Nil[:],
		"max":       uuid.Max[:],
		"microsoft": microsoft[:],
		"ncs":       ncs[:],
	} {
		if id, err := unit.ParseStatementID(raw); !errors.Is(err, unit.ErrStatementID) || id != uuid.Nil {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

func FuzzParseStatementID(f *testing.F) {
	f.Add([]byte("0123456789abcdef"))
	f.Add(make([]byte, 16))
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, err := unit.ParseStatementID(raw)
		// The two top bits of octet 8 are 10 (RFC 9562, 4.1); nil and max have others.
		if valid := len(raw) == 16 && raw[8]>>6 == 0b10; valid != (err == nil) || (valid && !bytes.Equal(id[:], raw)) {
			t.Fatalf("ParseStatementID(%x) = %v, %v", raw, id, err)
		}
	})
}
