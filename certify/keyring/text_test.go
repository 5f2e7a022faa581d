package keyring_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

const (
	bank   = "xihu.creditbank.example"
	school = unit.OrganizationID("xihu-college")
)

// The text of three statements under the RFC 6962 root of the empty tree, key id 00 01 02 …, written by hand from the design.
const goldenSubmission = `creditbank/v1 submission
xihu.creditbank.example
xihu-college
000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
application/vnd.creditbank.statement.v1+protobuf
3
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
`

const goldenRegistration = `creditbank/v1 key registration
xihu.creditbank.example
xihu-college
000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
authenticate
`

func golden(t testing.TB) keyring.Submission {
	t.Helper()
	submission := keyring.Submission{
		BankID: bank, Organization: school, Statements: 3,
		Root: [32]byte(unhex(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
	}
	for i := range submission.Key {
		submission.Key[i] = byte(i)
	}
	return submission
}

func TestGoldenTexts(t *testing.T) {
	want := golden(t)
	if got := keyring.SubmissionText(want.BankID, want.Organization, want.Key, want.Statements, want.Root); string(got) != goldenSubmission {
		t.Errorf("SubmissionText:\n%s", got)
	}
	if got, err := keyring.ParseSubmissionText([]byte(goldenSubmission)); err != nil || got != want {
		t.Errorf("ParseSubmissionText = %+v, %v", got, err)
	}
	if got := keyring.RegistrationText(bank, school, want.Key, keyring.Authenticate); string(got) != goldenRegistration {
		t.Errorf("RegistrationText:\n%s", got)
	}
}

func TestParseSubmissionTextRefuses(t *testing.T) {
	const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for name, change := range map[string][2]string{
		"another title":          {"creditbank/v1", "creditbank/v2"},
		"title in upper case":    {"submission", "Submission"},
		"no bank":                {bank, ""},
		"space in the bank":      {bank, "the bank"},
		"bank in chinese":        {bank, "西湖"},
		"control in the bank":    {bank, "xihu\x7f"},
		"endless bank":           {bank, strings.Repeat("x", 256)},
		"no organization":        {string(school), ""},
		"bad organization":       {string(school), "Xihu"},
		"short key":              {"0001", "01"},
		"key in upper case":      {"0a0b", "0A0B"},
		"another type":           {"v1+protobuf", "v1+json"},
		"no statements":          {"\n3\n", "\n0\n"},
		"too many statements":    {"\n3\n", "\n1001\n"},
		"negative":               {"\n3\n", "\n-3\n"},
		"plus":                   {"\n3\n", "\n+3\n"},
		"leading zero":           {"\n3\n", "\n03\n"},
		"space":                  {"\n3\n", "\n3 \n"},
		"endless number":         {"\n3\n", "\n99999999999999999999\n"},
		"not a number":           {"\n3\n", "\nthree\n"},
		"unpadded":               {root, root[:43]},
		"url alphabet":           {root, strings.NewReplacer("+", "-", "/", "_").Replace(root)},
		"loose final bits":       {root, root[:42] + "V="},
		"31 bytes":               {root, base64.StdEncoding.EncodeToString(make([]byte, 31))},
		"33 bytes":               {root, base64.StdEncoding.EncodeToString(make([]byte, 33))},
		"carriage return":        {"\n", "\r\n"},
		"carriage return inside": {"47DE", "47DE\r"},
		"no final line feed":     {"=\n", "="},
		"two final line feeds":   {"=\n", "=\n\n"},
		"an eighth line":         {"=\n", "=\nmore\n"},
		"line missing":           {"\n3\n", "\n"},
	} {
		text := strings.ReplaceAll(goldenSubmission, change[0], change[1])
		if text == goldenSubmission {
			t.Fatalf("%s: changes nothing", name)
		}
		if got, err := keyring.ParseSubmissionText([]byte(text)); !errors.Is(err, keyring.ErrText) || got != (keyring.Submission{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "\n", "\n\n\n\n\n\n\n", goldenRegistration, strings.Repeat("x\n", 1<<16)} {
		if _, err := keyring.ParseSubmissionText([]byte(text)); !errors.Is(err, keyring.ErrText) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// Whatever the arguments, the text either parses to them or not at all: no text can be mistaken for another.
func TestSubmissionTextIsUnambiguous(t *testing.T) {
	for name, change := range map[string]func(*keyring.Submission){
		"line feed in the bank":         func(s *keyring.Submission) { s.BankID = "a\nb" },
		"line feed in the organization": func(s *keyring.Submission) { s.Organization = "ab\ncd" },
		"no statements":                 func(s *keyring.Submission) { s.Statements = 0 },
		"too many statements":           func(s *keyring.Submission) { s.Statements = keyring.MaxStatements + 1 },
	} {
		submission := golden(t)
		change(&submission)
		if got, err := keyring.ParseSubmissionText(submission.Text()); !errors.Is(err, keyring.ErrText) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	visible := rapid.StringMatching(`[!-~]{1,255}`)
	slug := rapid.StringMatching(`[a-z0-9]{1,20}(-[a-z0-9]{1,20}){1,2}`)
	bytes32 := rapid.SliceOfN(rapid.Byte(), 32, 32)
	rapid.Check(t, func(t *rapid.T) {
		want := keyring.Submission{
			BankID:       visible.Draw(t, "bank"),
			Organization: unit.OrganizationID(slug.Draw(t, "organization")),
			Key:          keyring.KeyID(bytes32.Draw(t, "key")),
			Statements:   rapid.IntRange(1, keyring.MaxStatements).Draw(t, "statements"),
			Root:         [32]byte(bytes32.Draw(t, "root")),
		}
		if got, err := keyring.ParseSubmissionText(want.Text()); err != nil || got != want {
			t.Fatalf("%+v reads back as %+v, %v", want, got, err)
		}
	})
}

func TestLongestSubmissionText(t *testing.T) {
	longest := golden(t)
	longest.BankID = strings.Repeat("b", 255)
	longest.Organization = unit.OrganizationID(strings.Repeat("o", 63))
	longest.Statements = keyring.MaxStatements
	if got, err := keyring.ParseSubmissionText(longest.Text()); err != nil || got != longest {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCheckBankID(t *testing.T) {
	for _, id := range []string{"b", bank, "https://bank.example/xihu", strings.Repeat("b", 255)} {
		if err := keyring.CheckBankID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", " ", "a b", "a\n", "a\x00", "\x7f", "西湖", strings.Repeat("b", 256)} {
		if err := keyring.CheckBankID(id); !errors.Is(err, keyring.ErrBankID) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// A signature is good for one bank, organization, key, number and root.
func TestSubmissionSignatureCoversEverything(t *testing.T) {
	for _, algorithm := range algorithms() {
		key := newKey(t, algorithm, 1)
		signed := golden(t)
		signed.Key = key.Public().ID()
		signature := sign(t, key, signed.Text())
		if err := key.Public().Verify(signed.Text(), signature); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*keyring.Submission){
			"bank":         func(s *keyring.Submission) { s.BankID = "other.creditbank.example" },
			"organization": func(s *keyring.Submission) { s.Organization = "xihu-school" },
			"key":          func(s *keyring.Submission) { s.Key = newKey(t, algorithm, 2).Public().ID() },
			"statements":   func(s *keyring.Submission) { s.Statements++ },
			"root":         func(s *keyring.Submission) { s.Root[31] ^= 1 },
		} {
			other := signed
			change(&other)
			if err := key.Public().Verify(other.Text(), signature); !errors.Is(err, keyring.ErrSignature) {
				t.Errorf("%v with another %s: %v", algorithm, name, err)
			}
		}
	}
}

func FuzzParseSubmissionText(f *testing.F) {
	f.Add([]byte(goldenSubmission))
	f.Add([]byte(goldenRegistration))
	f.Add([]byte(strings.Replace(goldenSubmission, "\n3\n", "\n03\n", 1)))
	f.Add([]byte(strings.Replace(goldenSubmission, "uFU=", "uFV=", 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		submission, err := keyring.ParseSubmissionText(text)
		if err != nil {
			if !errors.Is(err, keyring.ErrText) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if !bytes.Equal(submission.Text(), text) {
			t.Fatalf("%q is %+v, which is written %q", text, submission, submission.Text())
		}
		if submission.Statements < 1 || submission.Statements > keyring.MaxStatements || keyring.CheckBankID(submission.BankID) != nil {
			t.Fatalf("accepted %+v", submission)
		}
	})
}
