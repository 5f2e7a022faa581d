package unit_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func TestParseOrganizationID(t *testing.T) {
	for _, text := range []string{"ab", "a1", "11", "xihu-college", "a-b-c", strings.Repeat("x", 63)} {
		if id, err := unit.ParseOrganizationID(text); err != nil || string(id) != text {
			t.Errorf("ParseOrganizationID(%q) = %q, %v", text, id, err)
		}
	}
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 bytes"},
		{"a", unit.FlawLength, 0, "1 bytes"},
		{strings.Repeat("x", 64), unit.FlawLength, 0, "64 bytes"},
		{"-a", unit.FlawCharacter, 1, "hyphen at an end"},
		{"a-", unit.FlawCharacter, 2, "hyphen at an end"},
		{"--", unit.FlawCharacter, 1, "hyphen at an end"},
		{"a--b", unit.FlawCharacter, 3, "double hyphen"},
		{"Xihu", unit.FlawCharacter, 1, "position 1"},
		{"xi_hu", unit.FlawCharacter, 3, "position 3"},
		{"xihu\n", unit.FlawCharacter, 5, "position 5"},
		{"西湖", unit.FlawCharacter, 1, "position 1"},
	} {
		_, err := unit.ParseOrganizationID(test.text)
		checkRefusal(t, err, unit.ErrOrganizationID, test)
	}
}

func FuzzParseOrganizationID(f *testing.F) {
	for _, seed := range []string{"ab", "xihu-college", "a--b", "-a", "a-", "A1", "西湖"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\z`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := unit.ParseOrganizationID(text)
		valid := form.MatchString(text) && len(text) >= 2 && len(text) <= 63 && !strings.Contains(text, "--")
		if valid != (err == nil) || (valid && string(id) != text) {
			t.Fatalf("ParseOrganizationID(%q) = %q, %v", text, id, err)
		}
	})
}

const organizationAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// The example of GB 32100-2015 and published codes of large companies.
var organizationCodes = []string{"91350100M000100Y43", "91330100799655058B", "9144030071526726XG", "914403001922038216"}

func TestParseOrganizationCode(t *testing.T) {
	for _, text := range organizationCodes {
		for _, typed := range []string{text, strings.ToLower(text)} {
			if code, err := unit.ParseOrganizationCode(typed); err != nil || string(code) != text {
				t.Errorf("ParseOrganizationCode(%q) = %q, %v", typed, code, err)
			}
		}
		if code, err := unit.OrganizationCodeFor(text[:17]); err != nil || string(code) != text {
			t.Errorf("OrganizationCodeFor(%q) = %q, %v", text[:17], code, err)
		}
	}
}

func TestParseOrganizationCodeRefuses(t *testing.T) {
	for _, test := range []refusal{
		{"", unit.FlawLength, 0, "0 characters, not 18"},
		{"91350100M000100Y4", unit.FlawLength, 0, "17 characters"},
		{"91350100M000100Y433", unit.FlawLength, 0, "19 characters"},
		{"91350100M000100Y44", unit.FlawCheck, 18, "wrong check character"},
		{"91350100M000100Y4I", unit.FlawCharacter, 18, "position 18"},
		{"9135010OM000100Y43", unit.FlawCharacter, 8, "position 8"},
		{"91A50100M000100Y43", unit.FlawCharacter, 3, "not a digit at position 3"},
		{"91350100M000100S43", unit.FlawCharacter, 16, "position 16"},
		{"91350100Ｍ000100Y43", unit.FlawCharacter, 9, "position 9"},
		{"91350100M000100Y4Ａ", unit.FlawCharacter, 18, "position 18"},
	} {
		_, err := unit.ParseOrganizationCode(test.text)
		checkRefusal(t, err, unit.ErrOrganizationCode, test)
	}
	if _, err := unit.OrganizationCodeFor("91350100M000100Y43"); !errors.Is(err, unit.ErrOrganizationCode) {
		t.Errorf("OrganizationCodeFor of 18 characters: %v", err)
	}
}

func TestOrganizationCodeCatchesMistakes(t *testing.T) {
	character := rapid.SampledFrom([]rune(organizationAlphabet))
	digit := rapid.RuneFrom([]rune("0123456789"))
	rapid.Check(t, func(t *rapid.T) {
		first17 := rapid.StringOfN(character, 2, 2, -1).Draw(t, "authority") +
			rapid.StringOfN(digit, 6, 6, -1).Draw(t, "division") +
			rapid.StringOfN(character, 9, 9, -1).Draw(t, "organization")
		code, err := unit.OrganizationCodeFor(first17)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := unit.ParseOrganizationCode(string(code)); err != nil || again != code {
			t.Fatalf("%q reads back as %q, %v", code, again, err)
		}
		wrong := drawMistake(t, string(code), organizationAlphabet, "")
		if _, err := unit.ParseOrganizationCode(wrong); !errors.Is(err, unit.ErrOrganizationCode) {
			t.Fatalf("%s passes for %s: %v", wrong, code, err)
		}
	})
}

func FuzzParseOrganizationCode(f *testing.F) {
	for _, seed := range append(organizationCodes, "", "91350100m000100y43", "91350100M000100Y44") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, err := unit.ParseOrganizationCode(text)
		upper := strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' {
				return r - 'a' + 'A'
			}
			return r
		}, text)
		if valid := organizationCodeHolds(upper); valid != (err == nil) || (valid && string(code) != upper) {
			t.Fatalf("ParseOrganizationCode(%q) = %q, %v", text, code, err)
		}
	})
}

// organizationCodeHolds is GB 32100 with its printed table of weights; that of the check character is 1.
func organizationCodeHolds(text string) bool {
	if !regexp.MustCompile(`\A[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}\z`).MatchString(text) {
		return false
	}
	sum := 0
	for i, weight := range [18]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28, 1} {
		sum += strings.IndexByte(organizationAlphabet, text[i]) * weight
	}
	return sum%31 == 0
}
