package unit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func identityNumberFor(t *testing.T, first17 string) string {
	t.Helper()
	number, err := unit.IdentityNumberFor(first17)
	if err != nil {
		t.Fatal(err)
	}
	return string(number)
}

func TestParseDocument(t *testing.T) {
	for _, test := range []struct {
		kind        unit.DocumentKind
		typed, want string
	}{
		{unit.ResidentIdentity, "11010519491231002x", "11010519491231002X"},
		{unit.ResidencePermit, "810000199408230021", "810000199408230021"}, // published specimens
		{unit.ResidencePermit, "830000199201300022", "830000199201300022"},
		{unit.ResidencePermit, identityNumberFor(t, "82000019900101001"), identityNumberFor(t, "82000019900101001")},
		{unit.PermanentResidence, identityNumberFor(t, "91112419810803002"), identityNumberFor(t, "91112419810803002")},
		{unit.PermanentResidence, "usa310083010101", "USA310083010101"},
		{unit.HongKongMacaoPermit, "h12345678", "H12345678"},
		{unit.HongKongMacaoPermit, "M12345678", "M12345678"},
		{unit.HongKongMacaoPermit, "H1234567803", "H12345678"}, // the third card of the same holder
		{unit.TaiwanPermit, "01234567", "01234567"},
		{unit.Passport, "e12345678", "E12345678"},
		{unit.Passport, "12345", "12345"},
		{unit.Passport, strings.Repeat("A1", 7) + "B", strings.Repeat("A1", 7) + "B"},
	} {
		document, err := unit.ParseDocument(test.kind, test.typed, today())
		if err != nil || document.Kind != test.kind || document.Number != test.want {
			t.Errorf("%s %q: %q, %v", test.kind, test.typed, document.Number, err)
			continue
		}
		if again, err := unit.ParseDocument(document.Kind, document.Number, today()); err != nil || again != document {
			t.Errorf("%s %q reads back as %q, %v", test.kind, document.Number, again.Number, err)
		}
	}
}

func TestDocumentBirthDate(t *testing.T) {
	for _, test := range []struct {
		kind   unit.DocumentKind
		number string
		want   string // empty: it holds none
	}{
		{unit.ResidentIdentity, "11010519491231002X", "1949-12-31"},
		{unit.ResidencePermit, "810000199408230021", "1994-08-23"},
		{unit.PermanentResidence, identityNumberFor(t, "91112419810803002"), "1981-08-03"},
		{unit.PermanentResidence, "USA310083010101", ""},
		{unit.HongKongMacaoPermit, "H12345678", ""},
		{unit.TaiwanPermit, "12345678", ""},
		{unit.Passport, "110105194912310", ""},
	} {
		got := ""
		if birth := (unit.Document{Kind: test.kind, Number: test.number}).BirthDate(); !birth.IsZero() {
			got = birth.Format("2006-01-02")
		}
		if got != test.want {
			t.Errorf("%s: born %q, want %q", test.kind, got, test.want)
		}
	}
}

func TestParseDocumentRefuses(t *testing.T) {
	permit := identityNumberFor(t, "81000019940823002")
	permanent := identityNumberFor(t, "91112419810803002")
	for _, test := range []struct {
		kind unit.DocumentKind
		refusal
	}{
		{"driving_licence", refusal{"12345678", unit.FlawRange, 0, "unknown kind"}},
		{"", refusal{"12345678", unit.FlawRange, 0, "unknown kind"}},
		{unit.ResidentIdentity, refusal{"110105194912310021", unit.FlawCheck, 18, "wrong check"}},
		{unit.ResidentIdentity, refusal{"110105491231002", unit.FlawOld, 0, "15 digits"}},
		{unit.ResidentIdentity, refusal{permit, unit.FlawRange, 1, "another kind"}},
		{unit.ResidentIdentity, refusal{permanent, unit.FlawRange, 1, "another kind"}},
		{unit.ResidencePermit, refusal{"11010519491231002X", unit.FlawRange, 1, "another kind"}},
		{unit.ResidencePermit, refusal{identityNumberFor(t, "81000119940823002"), unit.FlawRange, 1, "another kind"}},
		{unit.PermanentResidence, refusal{"11010519491231002X", unit.FlawRange, 1, "another kind"}},
		{unit.PermanentResidence, refusal{"US1310083010101", unit.FlawCharacter, 3, "not a letter at position 3"}},
		{unit.PermanentResidence, refusal{"USA31008301010A", unit.FlawCharacter, 15, "not a digit at position 15"}},
		{unit.PermanentResidence, refusal{"USA31008301010", unit.FlawLength, 0, "14 characters"}},
		{unit.HongKongMacaoPermit, refusal{"K12345678", unit.FlawCharacter, 1, "neither h nor m"}},
		{unit.HongKongMacaoPermit, refusal{"H1234567", unit.FlawLength, 0, "8 characters, not 9"}},
		{unit.HongKongMacaoPermit, refusal{"H123456780", unit.FlawLength, 0, "10 characters, not 9"}},
		{unit.HongKongMacaoPermit, refusal{"H123456780A", unit.FlawCharacter, 11, "position 11"}},
		{unit.TaiwanPermit, refusal{"1234567", unit.FlawLength, 0, "7 characters, not 8"}},
		{unit.TaiwanPermit, refusal{"1234567A", unit.FlawCharacter, 8, "position 8"}},
		{unit.Passport, refusal{"E123", unit.FlawLength, 0, "4 characters"}},
		{unit.Passport, refusal{"E123456789012345", unit.FlawLength, 0, "16 characters"}},
		{unit.Passport, refusal{"E1234-5678", unit.FlawCharacter, 6, "position 6"}},
		{unit.Passport, refusal{"Ｅ12345678", unit.FlawCharacter, 1, "position 1"}},
		{unit.Passport, refusal{strings.Repeat("1", 33), unit.FlawLength, 0, "more than 32"}},
		{unit.Passport, refusal{"", unit.FlawLength, 0, "0 characters"}},
	} {
		document, err := unit.ParseDocument(test.kind, test.text, today())
		checkRefusal(t, err, unit.ErrDocument, test.refusal)
		if document != (unit.Document{}) {
			t.Errorf("%s: a document in spite of %v", test.kind, err)
		}
	}
	if _, err := unit.ParseDocument(unit.ResidentIdentity, "110105194912310021", today()); !errors.Is(err, unit.ErrIdentityNumber) {
		t.Errorf("%v doesn't wrap ErrIdentityNumber", err)
	}
}

func TestParseDocumentKind(t *testing.T) {
	if got := len(unit.DocumentKinds()); got != 6 {
		t.Errorf("%d kinds", got)
	}
	for _, kind := range unit.DocumentKinds() {
		if parsed, err := unit.ParseDocumentKind(string(kind)); err != nil || parsed != kind {
			t.Errorf("ParseDocumentKind(%q) = %q, %v", kind, parsed, err)
		}
	}
	if kind, err := unit.ParseDocumentKind("Passport"); !errors.Is(err, unit.ErrDocument) || kind != "" {
		t.Errorf("ParseDocumentKind folds case: %q, %v", kind, err)
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, number := range []string{"11010519491231002x", "810000199408230021", "h1234567801", "01234567", "usa310083010101", "e12345678"} {
		for _, kind := range unit.DocumentKinds() {
			f.Add(string(kind), number)
		}
	}
	f.Fuzz(func(t *testing.T, kind, number string) {
		document, err := unit.ParseDocument(unit.DocumentKind(kind), number, today())
		if err != nil {
			if !errors.Is(err, unit.ErrDocument) || document != (unit.Document{}) {
				t.Fatalf("%s: %v with %v", kind, err, document)
			}
			checkSilent(t, err, number)
			return
		}
		if upper := strings.ToUpper(number); string(document.Kind) != kind || !strings.HasPrefix(upper, document.Number) {
			t.Fatalf("%s %q became %s %q", kind, number, string(document.Kind), document.Number)
		}
		if again, err := unit.ParseDocument(document.Kind, document.Number, today()); err != nil || again != document {
			t.Fatalf("%s %q reads back as %q, %v", kind, document.Number, again.Number, err)
		}
		// One number is never good for two of the kinds that are told apart by their division.
		for _, other := range []unit.DocumentKind{unit.ResidentIdentity, unit.ResidencePermit, unit.PermanentResidence} {
			if document.Kind == other || len(document.Number) != 18 {
				continue
			}
			if _, err := unit.ParseDocument(other, number, today()); err == nil {
				t.Fatalf("%q is a %s and a %s", number, kind, string(other))
			}
		}
	})
}
