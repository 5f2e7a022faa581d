package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
)

const (
	maxName    = 64
	maxVersion = 32
	maxText    = 500
)

// A Checker collects the faults of one text. Paths are names of fields and positions in lists.
type Checker struct {
	Source *Source
	Faults []*Error
}

// InCondition reports a fault at its place in a condition.
func (c *Checker) InCondition(f ConditionFault, path ...any) {
	node, exact := c.Source.Find(path...)
	line, column := node.Line, node.Column
	if exact && node.Kind == yaml.ScalarNode {
		line, column = c.Source.In(node, f.Line, f.Column)
	}
	c.Faults = append(c.Faults, &Error{Of: c.Source.kind.Of, Line: line, Column: column, Field: field(path), Message: f.Message})
}

// Slug checks a name.
func (c *Checker) Slug(s string, path ...any) {
	valid := s != "" && len(s) <= maxName && s[0] != '-' && s[len(s)-1] != '-'
	for i := range len(s) {
		valid = valid && (s[i] == '-' || '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'z')
	}
	if !valid {
		c.Fault("is 1 to 64 lower-case letters, digits and hyphens, with no hyphen at an end", path...)
	}
}

// Day reads a day; 0 where it is left out or malformed.
func (c *Checker) Day(s string, optional bool, path ...any) Day {
	if s == "" && optional {
		return 0
	}
	day, err := ParseDay(s)
	if err != nil {
		c.Fault("is a day as YYYY-MM-DD, such as 2024-03-30", path...)
	}
	return day
}

// Version checks the name of a version.
func (c *Checker) Version(v string, path ...any) {
	if v == "" || utf8.RuneCountInString(v) > maxVersion || strings.ContainsFunc(v, notVisible) {
		c.Fault("is 1 to 32 visible characters without spaces", path...)
	}
}

// Text checks words: both languages, no control characters, and no placeholders but the known.
func (c *Checker) Text(t *policyv1.Text, needed bool, known []string, path ...any) {
	if t == nil && !needed {
		return
	}
	for _, side := range []struct{ name, words string }{{"zh", t.GetZh()}, {"en", t.GetEn()}} {
		at := slices.Concat(path, []any{side.name})
		switch n := utf8.RuneCountInString(side.words); {
		case strings.TrimSpace(side.words) == "":
			c.Fault("both languages are needed", at...)
		case n > maxText:
			c.Fault(fmt.Sprintf("has %d characters, more than %d", n, maxText), at...)
		case strings.ContainsFunc(strings.TrimRight(side.words, "\n"), unicode.IsControl):
			c.Fault("has control characters", at...)
		}
		if bad := strangePlaceholder(side.words, known); bad != "" {
			c.Fault(fmt.Sprintf("unknown placeholder %s, expected %s", bad, strings.Join(known, ", ")), at...)
		}
	}
}

// Between checks a number.
func (c *Checker) Between(n, least, most int64, path ...any) {
	if n < least || n > most {
		c.Fault(fmt.Sprintf("is %d, not %d to %d", n, least, most), path...)
	}
}

// Count checks how many there are.
func (c *Checker) Count(n, least, most int, path ...any) {
	if n < least || n > most {
		c.Fault(fmt.Sprintf("has %d, not %d to %d", n, least, most), path...)
	}
}

// Fault reports what is wrong with what stands at a path, or with its nearest surroundings.
func (c *Checker) Fault(message string, path ...any) {
	node, _ := c.Source.Find(path...)
	c.Faults = append(c.Faults, &Error{Of: c.Source.kind.Of, Line: node.Line, Column: node.Column, Field: field(path), Message: message})
}

// field writes a path as "conversion[1].when".
func field(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		}
	}
	return b.String()
}

func notVisible(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
