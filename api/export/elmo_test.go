package export_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The part of the schema that the exports keep within: which elements an element has, in their order. "?" may be left out, "*" may be
// there any number of times, "+" at least once.
func elmoSequences() map[string][]string {
	return map[string][]string{
		"elmo":    {"generatedDate", "learner", "report+"},
		"learner": {"identifier*", "givenNames", "familyName", "bday?"},
		"report":  {"issuer", "learningOpportunitySpecification*", "issueDate", "gradingScheme*"},
		"issuer":  {"country?", "identifier+", "title+", "url"},
		"learningOpportunitySpecification": {
			"identifier*", "title+", "type?", "description*", "specifies",
		},
		"specifies": {"learningOpportunityInstance"},
		"learningOpportunityInstance": {
			"identifier*", "start?", "date?", "status?", "gradingSchemeLocalId?", "resultLabel?", "credit*", "level*", "engagementHours?",
		},
		"credit":        {"scheme", "value?"},
		"level":         {"type", "value?"},
		"gradingScheme": {"description*"},
	}
}

// elmoValues are the forms of the elements that are not any text.
func elmoValues() map[string]*regexp.Regexp {
	date := regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	moment := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	return map[string]*regexp.Regexp{
		"generatedDate": moment, "issueDate": moment, "bday": date, "start": date, "date": date, "country": regexp.MustCompile(`^CN$`),
		"status": regexp.MustCompile(`^(passed|failed|in-progress)$`), "engagementHours": regexp.MustCompile(`^\d+(\.\d+)?$`),
		"learningOpportunitySpecification/type": regexp.MustCompile(`^Course$`), "credit/value": regexp.MustCompile(`^\d+(\.\d+)?$`),
	}
}

// elmoElement is an element as it stands in a file.
type elmoElement struct {
	XMLName  xml.Name
	Attrs    []xml.Attr    `xml:",any,attr"`
	Children []elmoElement `xml:",any"`
	Text     string        `xml:",chardata"`
}

// checkELMO checks a file without the schema: against the sequences above.
func checkELMO(t interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
}, file []byte,
) {
	t.Helper()
	var root elmoElement
	decoder := xml.NewDecoder(bytes.NewReader(file))
	if err := decoder.Decode(&root); err != nil {
		t.Fatal(err)
	}
	if _, err := decoder.Token(); err == nil {
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("something follows the end: %v", err)
		}
	}
	if root.XMLName.Local != "elmo" {
		t.Errorf("the root is %v", root.XMLName)
	}
	var walk func(parent string, e elmoElement)
	walk = func(parent string, e elmoElement) {
		name := e.XMLName.Local
		if e.XMLName.Space != "https://github.com/emrex-eu/elmo-schemas/tree/v1" {
			t.Errorf("%s is in the namespace %q", name, e.XMLName.Space)
		}
		sequence, whole := elmoSequences()[name]
		if !whole && len(e.Children) > 0 {
			t.Errorf("%s has elements", name)
		}
		for _, form := range []string{name, parent + "/" + name} {
			if value := elmoValues()[form]; value != nil && !value.MatchString(e.Text) {
				t.Errorf("%s is %q", form, e.Text)
			}
		}
		children := make([]string, len(e.Children))
		for i, child := range e.Children {
			children[i] = child.XMLName.Local
			walk(name, child)
		}
		left := children
		for _, one := range sequence {
			want := strings.TrimRight(one, "?*+")
			n := 0
			for n < len(left) && left[n] == want {
				n++
			}
			least, most := 1, 1
			switch one[len(one)-1] {
			case '?':
				least = 0
			case '*':
				least, most = 0, len(children)
			case '+':
				most = len(children)
			}
			if n < least || n > most {
				t.Errorf("%s has %d of %s", name, n, one)
			}
			left = left[n:]
		}
		if whole && len(left) > 0 {
			t.Errorf("%s has %v where it may not", name, left)
		}
		if name == "identifier" && !slices.ContainsFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == "type" && a.Value != "" }) {
			t.Errorf("an identifier has no type")
		}
	}
	walk("", root)
}

// TestSchema has xmllint hold exports against the published schema: of the record here, and of hostile ones.
func TestSchema(t *testing.T) {
	t.Parallel()
	schema, err := filepath.Abs("testdata/elmo/schema.xsd")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	var files []string
	add := func(name string, content []byte) {
		file := filepath.Join(directory, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	masked := record()
	masked.Learner.Masked, masked.Bank.Organization = true, "\x00\u202e<&]]>💥\ufffe"
	passport := record()
	passport.Learner.DocumentKind, passport.Learner.BirthDate = "passport", ""
	for name, content := range map[string][]byte{
		"all": written(t, "elmo", record(), results()...), "masked": written(t, "elmo", masked, results()...),
		"passport": written(t, "elmo", passport, results()...), "empty": written(t, "elmo", record()),
	} {
		checkELMO(t, content)
		add(name+".xml", content)
	}
	if content := string(written(t, "elmo", masked, results()...)); strings.Contains(content, record().Learner.Document) ||
		strings.Contains(content, record().Learner.BirthDate) || strings.Contains(content, record().Learner.Number) {
		t.Error("a masked record has more than the masked name")
	}
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("no xmllint on this machine (Debian: libxml2-utils): held against the sequences alone")
	}
	lint := func(files ...string) ([]byte, error) {
		command := exec.CommandContext(t.Context(), xmllint, append([]string{"--nonet", "--noout", "--schema", schema}, files...)...)
		command.Env = append(os.Environ(), "XML_CATALOG_FILES="+filepath.Join(filepath.Dir(schema), "catalog.xml"))
		return command.CombinedOutput()
	}
	if said, err := lint(files...); err != nil {
		t.Errorf("xmllint: %v\n%s", err, said)
	}
	// A check that takes everything would hold nothing.
	add("wrong.xml", bytes.Replace(written(t, "elmo", record(), results()...), []byte("<status>passed"), []byte("<status>perhaps"), 1))
	if said, err := lint(files[len(files)-1]); err == nil {
		t.Errorf("xmllint takes a status that is none:\n%s", said)
	}
}
