package unit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// The two examples of GB 11643-1999.
var identityNumbers = []string{"11010519491231002X", "440524188001010014"}

func TestParseIdentityNumber(t *testing.T) {
	for i, text := range identityNumbers {
		number, err := unit.ParseIdentityNumber(strings.ToLower(text), today())
		if err != nil || string(number) != text {
			t.Fatalf("example %d: %q, %v", i, string(number), err)
		}
		if made, err := unit.IdentityNumberFor(text[:17]); err != nil || made != number {
			t.Errorf("example %d made anew: %q, %v", i, string(made), err)
		}
	}
	if got, want := unit.IdentityNumber(identityNumbers[0]).BirthDate(), time.Date(1949, 12, 31, 0, 0, 0, 0, time.UTC); got != want {
		t.Errorf("BirthDate = %v, want %v", got, want)
	}
	for _, foreign := range []unit.IdentityNumber{"", "1", "110105194913310021"} {
		if got := foreign.BirthDate(); !got.IsZero() {
			t.Errorf("BirthDate of what is no number = %v", got)
		}
	}
}

func TestParseIdentityNumberRefuses(t *testing.T) {
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 characters, not 18"},
		{"110105491231002", unit.FlawOld, 0, "15 digits"},
		{"11010549123100X", unit.FlawLength, 0, "15 characters"},
		{"11010519491231002", unit.FlawLength, 0, "17 characters"},
		{"11010519491231002XX", unit.FlawLength, 0, "19 characters"},
		{"110105194912310021", unit.FlawCheck, 18, "wrong check"},
		{"11010519491231002Y", unit.FlawCharacter, 18, "position 18"},
		{"11010519491231X02X", unit.FlawCharacter, 15, "position 15"},
		{"11010519491231002Ｘ", unit.FlawCharacter, 18, "position 18"},
		{"01010519491231002X", unit.FlawRange, 1, "starts with 0"},
		{"110105194902290027", unit.FlawDate, 7, "does not exist"},
		{"110105190002290021", unit.FlawDate, 7, "does not exist"}, // 1900 was no leap year
		{"110105194900310020", unit.FlawDate, 7, "does not exist"},
		{"110105194913310020", unit.FlawDate, 7, "does not exist"},
		{"1.10105194912E+17 ", unit.FlawCharacter, 2, "position 2"}, // what a spreadsheet makes of it
	} {
		_, err := unit.ParseIdentityNumber(test.text, today())
		checkRefusal(t, err, unit.ErrIdentityNumber, test)
	}
}

// Today is the calendar date where the caller is: at half past midnight in Hangzhou it is still yesterday in UTC.
func TestParseIdentityNumberKnowsToday(t *testing.T) {
	for _, test := range []struct {
		birth string
		flaw  unit.Flaw
	}{
		{"20260430", 0},
		{"20260501", 0},
		{"20260502", unit.FlawFuture},
		{"20270101", unit.FlawFuture},
		{"18760501", 0},
		{"18760430", unit.FlawDate},
		{"00010101", unit.FlawDate},
		{"20000229", 0},
	} {
		number, err := unit.IdentityNumberFor("330106" + test.birth + "001")
		if err != nil {
			t.Fatal(err)
		}
		_, err = unit.ParseIdentityNumber(string(number), today())
		var form *unit.FormError
		if errors.As(err, &form) != (test.flaw != 0) || (form != nil && form.Flaw != test.flaw) {
			t.Errorf("born %s: %v, want flaw %d", test.birth, err, test.flaw)
		}
	}
}

func TestIdentityNumberForRefuses(t *testing.T) {
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "not 17"},
		{"11010519491231002X", unit.FlawLength, 0, "18 characters, not 17"},
		{"1101051949123100X", unit.FlawCharacter, 17, "position 17"},
		{"11010519490229002", unit.FlawDate, 7, "does not exist"},
	} {
		_, err := unit.IdentityNumberFor(test.text)
		checkRefusal(t, err, unit.ErrIdentityNumber, test)
	}
}

func drawIdentityNumber(t *rapid.T) string {
	days := rapid.IntRange(0, 140*365).Draw(t, "days")
	division := rapid.IntRange(100000, 999999).Draw(t, "division")
	sequence := rapid.IntRange(0, 999).Draw(t, "sequence")
	number, err := unit.IdentityNumberFor(fmt.Sprintf("%d%s%03d", division, today().AddDate(0, 0, -days).Format("20060102"), sequence))
	if err != nil {
		t.Fatal(err)
	}
	return string(number)
}

func TestIdentityNumberCatchesMistakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := drawIdentityNumber(t)
		if _, err := unit.ParseIdentityNumber(number, today()); err != nil {
			t.Fatalf("%s: %v", number, err)
		}
		wrong := drawMistake(t, number, "0123456789X", "")
		_, err := unit.ParseIdentityNumber(wrong, today())
		if !errors.Is(err, unit.ErrIdentityNumber) {
			t.Fatalf("%s passes for %s: %v", wrong, number, err)
		}
	})
}

func FuzzParseIdentityNumber(f *testing.F) {
	for _, seed := range append(identityNumbers, "", "11010519491231002x", "110105491231002", "110105194902290027", "330106202701010019") {
		f.Add(seed)
	}
	form := regexp.MustCompile(`\A[1-9][0-9]{16}[0-9xX]\z`)
	f.Fuzz(func(t *testing.T, text string) {
		number, err := unit.ParseIdentityNumber(text, today())
		valid := form.MatchString(text) && mod11_2Holds(text)
		if valid {
			birth, dateErr := time.Parse(time.DateOnly, text[6:10]+"-"+text[10:12]+"-"+text[12:14])
			valid = dateErr == nil && birth.Format("20060102") >= "18760501" && birth.Format("20060102") <= "20260501"
		}
		if valid != (err == nil) || (valid && string(number) != strings.ToUpper(text)) {
			t.Fatalf("ParseIdentityNumber(%q) = %q, %v", text, string(number), err)
		}
		if err != nil {
			checkSilent(t, err, text)
		}
	})
}

// mod11_2Holds is the recursive method of ISO/IEC 7064 for MOD 11-2, which needs no table of weights.
func mod11_2Holds(text string) bool {
	product := 0
	for i := range len(text) - 1 {
		product = (product + int(text[i]-'0')) * 2 % 11
	}
	check := 10
	if last := text[len(text)-1]; last != 'x' && last != 'X' {
		check = int(last - '0')
	}
	return (product+check)%11 == 1
}

// No way of writing a value out may show the number in it.
func TestNumbersOfPersonsAreNeverPrinted(t *testing.T) {
	const digits = "11010519491231002X"
	number, err := unit.ParseIdentityNumber(digits, today())
	if err != nil {
		t.Fatal(err)
	}
	document, err := unit.ParseDocument(unit.ResidentIdentity, digits, today())
	if err != nil {
		t.Fatal(err)
	}
	type form struct {
		Number   unit.IdentityNumber
		Document unit.Document
		Others   []unit.Document
		ByNumber map[unit.IdentityNumber]int
	}
	whole := form{number, document, []unit.Document{document}, map[unit.IdentityNumber]int{number: 1}}

	telling := []string{digits, "1949", fmt.Sprintf("%x", digits), fmt.Sprintf("%X", digits), fmt.Sprintf("%d", []byte(digits))}
	check := func(how, written string) {
		t.Helper()
		for _, part := range telling {
			if strings.Contains(written, part) {
				t.Errorf("%s shows the number: %s", how, written)
			}
		}
	}
	for _, value := range []any{number, &number, document, &document, whole, &whole} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%U", "%10.3s", "%T"} {
			check(fmt.Sprintf("%s of %T", verb, value), fmt.Sprintf(verb, value))
		}
		var text, line bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("seen", "value", value)
		slog.New(slog.NewJSONHandler(&line, nil)).Info("seen", "value", value)
		if _, isDocument := value.(unit.Document); isDocument && !strings.Contains(line.String(), `"value":"resident_identity ****"`) {
			t.Errorf("a document is logged as %s", &line)
		}
		if _, isNumber := value.(unit.IdentityNumber); isNumber && !strings.Contains(line.String(), `"value":"****"`) {
			t.Errorf("a number is logged as %s", &line)
		}
		check(fmt.Sprintf("slog text of %T", value), text.String())
		check(fmt.Sprintf("slog json of %T", value), line.String())
		if written, err := json.Marshal(value); err == nil {
			t.Errorf("json of %T is no error but %s", value, written)
		} else {
			check(fmt.Sprintf("json error of %T", value), err.Error())
		}
	}
	if got := document.String(); got != "resident_identity ****" {
		t.Errorf("String = %q", got)
	}
	if got, want := document.Masked(), "1****************X"; got != want || number.Masked() != want {
		t.Errorf("Masked = %q and %q, want %q", got, number.Masked(), want)
	}
	if got := (unit.Document{Number: "H12"}).Masked(); got != "****" {
		t.Errorf("Masked of a short number = %q", got)
	}
}
