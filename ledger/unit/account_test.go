package unit_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func TestAccountID(t *testing.T) {
	const text = "00112233445566778899aabbccddeeff"
	raw, _ := hex.DecodeString(text)
	drawn, err := unit.NewAccountID(bytes.NewReader(raw))
	if err != nil || drawn.String() != text || drawn.IsZero() {
		t.Fatalf("NewAccountID = %v, %v", drawn, err)
	}
	if parsed, err := unit.ParseAccountID(text); err != nil || parsed != drawn {
		t.Errorf("ParseAccountID = %v, %v", parsed, err)
	}
	if copied, err := unit.AccountIDFromBytes(raw); err != nil || copied != drawn {
		t.Errorf("AccountIDFromBytes = %v, %v", copied, err)
	}
	if !(unit.AccountID{}).IsZero() {
		t.Error("the zero id isn't zero")
	}
}

func TestNewAccountIDNeedsRandomness(t *testing.T) {
	for name, source := range map[string]io.Reader{
		"failing": iotest.ErrReader(errors.New("no entropy")),
		"ending":  strings.NewReader("fifteen bytes.."),
		"zero":    bytes.NewReader(make([]byte, 16)),
	} {
		if id, err := unit.NewAccountID(source); !errors.Is(err, unit.ErrRandom) || !id.IsZero() {
			t.Errorf("%s source: %v, %v", name, id, err)
		}
	}
}

func TestAccountIDRefuses(t *testing.T) {
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 characters, not 32"},
		{"00112233445566778899aabbccddeef", unit.FlawLength, 0, "31 characters"},
		{"00112233445566778899AABBCCDDEEFF", unit.FlawCharacter, 21, "position 21"},
		{"0011223344556677-899aabbccddeeff", unit.FlawCharacter, 17, "position 17"},
		{"00000000000000000000000000000000", unit.FlawRange, 0, "zero"},
	} {
		_, err := unit.ParseAccountID(test.text)
		checkRefusal(t, err, unit.ErrAccountID, test)
	}
	for _, raw := range [][]byte{nil, make([]byte, 15), bytes.Repeat([]byte{1}, 17), make([]byte, 16)} {
		if id, err := unit.AccountIDFromBytes(raw); !errors.Is(err, unit.ErrAccountID) {
			t.Errorf("AccountIDFromBytes(%x) = %v, %v", raw, id, err)
		}
	}
}

// Published numbers of other registers that use Luhn with 16 digits.
var luhnNumbers = []string{"4111111111111111", "4539148803436467", "5500005555555559", "6011000990139424", "3530111333300000"}

func TestParseAccountNumber(t *testing.T) {
	for _, text := range luhnNumbers {
		if number, err := unit.ParseAccountNumber(text); err != nil || string(number) != text {
			t.Errorf("ParseAccountNumber(%q) = %q, %v", text, string(number), err)
		}
	}
}

func TestParseAccountNumberRefuses(t *testing.T) {
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 characters, not 16"},
		{"453914880343646", unit.FlawLength, 0, "15 characters"},
		{"45391488034364670", unit.FlawLength, 0, "17 characters"},
		{"4539 1488 0343 6467", unit.FlawLength, 0, "19 characters"},
		{"4539148803436468", unit.FlawCheck, 16, "wrong check digit"},
		{"5439148803436467", unit.FlawCheck, 16, "wrong check digit"},
		{"453914880343646X", unit.FlawCharacter, 16, "not a digit at position 16"},
		{"45391488０3436467", unit.FlawCharacter, 9, "position 9"},
		{"453914880343646\xff", unit.FlawCharacter, 16, "position 16"},
		{"4.53914880343E15", unit.FlawCharacter, 2, "position 2"}, // what a spreadsheet makes of it
		{"0000000000000000", unit.FlawRange, 1, "starts with 0"},
	} {
		_, err := unit.ParseAccountNumber(test.text)
		checkRefusal(t, err, unit.ErrAccountNumber, test)
	}
}

func TestParseTypedAccountNumber(t *testing.T) {
	for _, text := range []string{
		"4539148803436467",
		"4539 1488 0343 6467",
		" 4539-1488-0343-6467\r\n",
		"4539 – 1488 — 0343 ‐ 6467",
		"４５３９　１４８８　０３４３　６４６７",
		"４５３９－1488-０３４３－6467",
		"4539\u00a01488\u202f0343\t6467",
		"4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7",
	} {
		if number, err := unit.ParseTypedAccountNumber(text); err != nil || number != "4539148803436467" {
			t.Errorf("ParseTypedAccountNumber(%q) = %q, %v", text, string(number), err)
		}
	}
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 characters, not 16"},
		{" - ", unit.FlawLength, 0, "0 characters, not 16"},
		{"4539 1488 0343 646", unit.FlawLength, 0, "15 characters"},
		{"4539 1488 0343 6468", unit.FlawCheck, 16, "wrong check digit"},
		{"４５３９　１４８８　Ｏ343 6467", unit.FlawCharacter, 11, "position 11"},
		{"4539_1488_0343_6467", unit.FlawCharacter, 5, "position 5"},
		{"4539 1488 0343 ٦467", unit.FlawCharacter, 16, "position 16"}, // a digit, but of another script
		{"4539 1488 0343 6467\x00", unit.FlawCharacter, 20, "position 20"},
		{strings.Repeat(" ", 257), unit.FlawLength, 0, "more than 256 bytes"},
	} {
		_, err := unit.ParseTypedAccountNumber(test.text)
		checkRefusal(t, err, unit.ErrAccountNumber, test)
	}
}

func TestNewAccountNumber(t *testing.T) {
	for _, test := range []struct {
		draw uint64
		want unit.AccountNumber
	}{
		{0, "1000000000000008"},
		{899_999_999_999_999, "9999999999999995"}, // nine 9s stay 9 when doubled, so 15 × 9 = 135
		{900_000_000_000_000, "1000000000000008"},
		{353_914_880_343_646, "4539148803436467"},
	} {
		got, err := unit.NewAccountNumber(bytes.NewReader(binary.BigEndian.AppendUint64(nil, test.draw)))
		if err != nil || got != test.want {
			t.Errorf("NewAccountNumber of %d = %q, %v, want %q", test.draw, string(got), err, string(test.want))
		}
	}
}

// A draw that would make some numbers likelier than others is drawn again.
func TestNewAccountNumberIsUnbiased(t *testing.T) {
	const choices = 900_000_000_000_000
	fair := uint64(math.MaxUint64 - math.MaxUint64%choices)
	draws := binary.BigEndian.AppendUint64(nil, fair)
	draws = binary.BigEndian.AppendUint64(draws, math.MaxUint64)
	draws = binary.BigEndian.AppendUint64(draws, fair-1)
	source := bytes.NewReader(draws)
	if got, err := unit.NewAccountNumber(source); err != nil || got != "9999999999999995" || source.Len() != 0 {
		t.Errorf("NewAccountNumber = %q, %v with %d bytes left", string(got), err, source.Len())
	}
}

func TestNewAccountNumberNeedsRandomness(t *testing.T) {
	for name, source := range map[string]io.Reader{
		"failing": iotest.ErrReader(errors.New("no entropy")),
		"ending":  strings.NewReader("7 bytes"),
		"stuck":   bytes.NewReader(bytes.Repeat([]byte{0xff}, 1024)),
	} {
		if number, err := unit.NewAccountNumber(source); !errors.Is(err, unit.ErrRandom) || number != "" {
			t.Errorf("%s source: %q, %v", name, string(number), err)
		}
	}
}

func TestAccountNumberShown(t *testing.T) {
	number := unit.AccountNumber("4539148803436467")
	if got := number.Grouped(); got != "4539 1488 0343 6467" {
		t.Errorf("Grouped = %q", got)
	}
	if got := number.Masked(); got != "4539 **** **** 6467" {
		t.Errorf("Masked = %q", got)
	}
	if got := unit.AccountNumber("12").Masked(); got != "****" {
		t.Errorf("Masked of what is no number = %q", got)
	}
	var line bytes.Buffer
	slog.New(slog.NewTextHandler(&line, nil)).Info("opened", "account", number)
	if strings.Contains(line.String(), "1488") || !strings.Contains(line.String(), "6467") {
		t.Errorf("logged as %s", &line)
	}
}

func drawAccountNumber(t *rapid.T) string {
	draw := rapid.Uint64Max(math.MaxInt64).Draw(t, "draw")
	number, err := unit.NewAccountNumber(bytes.NewReader(binary.BigEndian.AppendUint64(nil, draw)))
	if err != nil {
		t.Fatal(err)
	}
	return string(number)
}

func TestAccountNumberCatchesMistakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := drawAccountNumber(t)
		if _, err := unit.ParseAccountNumber(number); err != nil {
			t.Fatalf("%s: %v", number, err)
		}
		if grouped := unit.AccountNumber(number).Grouped(); len(grouped) != 19 {
			t.Fatalf("%s grouped is %q", number, grouped)
		} else if again, err := unit.ParseTypedAccountNumber(grouped); err != nil || string(again) != number {
			t.Fatalf("%q reads back as %q, %v", grouped, string(again), err)
		}
		wrong := drawMistake(t, number, "0123456789", "09")
		if _, err := unit.ParseAccountNumber(wrong); !errors.Is(err, unit.ErrAccountNumber) {
			t.Fatalf("%s passes for %s: %v", wrong, number, err)
		}
	})
}

// drawMistake changes one character of number to another of alphabet, or swaps two neighbours; two neighbours that are
// the pair blind, in any order, are left alone.
func drawMistake(t *rapid.T, number, alphabet, blind string) string {
	wrong := []byte(number)
	i := rapid.IntRange(0, len(wrong)-1).Draw(t, "position")
	if swap := i > 0 && wrong[i-1] != wrong[i] && !(blind != "" && strings.IndexByte(blind, wrong[i-1]) >= 0 &&
		strings.IndexByte(blind, wrong[i]) >= 0); swap && rapid.Bool().Draw(t, "swap") {
		wrong[i-1], wrong[i] = wrong[i], wrong[i-1]
		return string(wrong)
	}
	others := strings.ReplaceAll(alphabet, string(wrong[i]), "")
	wrong[i] = others[rapid.IntRange(0, len(others)-1).Draw(t, "other")]
	return string(wrong)
}

func FuzzParseAccountNumber(f *testing.F) {
	for _, seed := range append(luhnNumbers, "", "0000000000000000", "4539 1488 0343 6467", "４５３９１４８８０３４３６４６７", "453914880343646\xff") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, err := unit.ParseAccountNumber(text)
		if valid := len(text) == 16 && text[0] != '0' && luhnHolds(text); valid != (err == nil) {
			t.Fatalf("ParseAccountNumber(%q): %v", text, err)
		}
		typed, typedErr := unit.ParseTypedAccountNumber(text)
		if err != nil {
			checkSilent(t, err, text)
		} else if string(number) != text || typedErr != nil || typed != number {
			t.Fatalf("%q parses as %q, typed as %q, %v", text, string(number), string(typed), typedErr)
		}
		if typedErr != nil {
			checkSilent(t, typedErr, text)
		} else if again, err := unit.ParseAccountNumber(string(typed)); err != nil || again != typed {
			t.Fatalf("typed %q gives %q: %v", text, string(typed), err)
		}
	})
}

// luhnHolds is ISO/IEC 7812-1 with the table of doubled digits, from the right.
func luhnHolds(digits string) bool {
	const doubled = "0246813579"
	sum := 0
	for i := len(digits) - 1; i >= 0; i-- {
		digit := digits[i]
		if digit < '0' || digit > '9' {
			return false
		}
		if (len(digits)-1-i)%2 == 1 {
			digit = doubled[digit-'0']
		}
		sum += int(digit - '0')
	}
	return sum%10 == 0
}

func FuzzParseAccountID(f *testing.F) {
	f.Add("00112233445566778899aabbccddeeff")
	f.Add("00000000000000000000000000000000")
	f.Add("00112233445566778899AABBCCDDEEFF")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := unit.ParseAccountID(text)
		raw, hexErr := hex.DecodeString(text)
		valid := hexErr == nil && len(raw) == 16 && hex.EncodeToString(raw) == text && !bytes.Equal(raw, make([]byte, 16))
		if valid != (err == nil) || (valid && id.String() != text) {
			t.Fatalf("ParseAccountID(%q) = %v, %v", text, id, err)
		}
	})
}
