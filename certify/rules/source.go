package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// MaxYAML is the most bytes of a text: with its entry it must fit a leaf of the ledger.
const MaxYAML = 60_000

// A Source is a text and where everything in it stands.
type Source struct {
	kind  Kind
	lines []string
	root  *yaml.Node // the top mapping; nil where the text is not one
}

// Decode reads the YAML into message as protoyaml does, and refuses more than that: what could be read in two ways (a field
// twice, by its number or by another spelling, an anchor, a second document) and numbers that are not plain digits.
func Decode(kind Kind, text []byte, message proto.Message) (*Source, []*Error) {
	if e := checkText(kind, text); e != nil {
		return nil, []*Error{e}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, []*Error{{Of: kind.Of, Message: "the text is empty"}}
		}
		return nil, []*Error{syntaxError(kind, err, text)}
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, []*Error{{Of: kind.Of, Line: second.Line, Column: second.Column, Message: kind.Name + " is one document"}}
	} else if !errors.Is(err, io.EOF) {
		return nil, []*Error{syntaxError(kind, err, text)}
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, []*Error{{Of: kind.Of, Line: 1, Column: 1, Message: kind.Name + " is a mapping of fields"}}
	}
	if node := alias(&document); node != nil {
		// Nothing else is said of the text: whoever follows an alias reads what it names once more, and what is named in that, too.
		return nil, []*Error{{Of: kind.Of, Line: node.Line, Column: node.Column, Message: aliasMessage(kind)}}
	}
	s := &Source{kind: kind, lines: strings.Split(string(text), "\n"), root: document.Content[0]}
	// protoyaml quotes the line of what it refuses, and panics where that is the line after the last.
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(bytes.Clone(text), '\n')
	}
	var faults []*Error
	s.strict(s.root, message.ProtoReflect().Descriptor(), "", &faults)
	// Whatever protoyaml would say of the same nodes is less exact, but the rest is worth reading at once.
	return s, append(faults, elsewhere(protoyamlErrors(kind, protoyaml.Unmarshal(text, message)), faults)...)
}

// alias finds the first alias in a node, nil if there is none.
func alias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node
	}
	for _, content := range node.Content {
		if found := alias(content); found != nil {
			return found
		}
	}
	return nil
}

func aliasMessage(kind Kind) string {
	return "anchors and aliases are refused: " + kind.Name + " says everything where it is read"
}

// checkText refuses what YAML would read differently than an editor shows it.
func checkText(kind Kind, text []byte) *Error {
	if len(text) > MaxYAML {
		return &Error{Of: kind.Of, Message: fmt.Sprintf("the text has %d bytes, more than %d", len(text), MaxYAML)}
	}
	line, column := 1, 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &Error{Of: kind.Of, Line: line, Column: column, Message: "the text is not UTF-8"}
		case r == '\r' && (i+1 == len(text) || text[i+1] != '\n'), r == '\u0085', r == '\u2028', r == '\u2029', r == '\ufeff':
			return &Error{Of: kind.Of, Line: line, Column: column, Message: fmt.Sprintf("the character U+%04X has no place in %s", r, kind.Name)}
		}
		i, column = i+size, column+1
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return nil
}

func elsewhere(errs, faults []*Error) []*Error {
	var others []*Error
	for _, e := range errs {
		found := false
		for _, f := range faults {
			found = found || f.Line == e.Line && f.Column == e.Column
		}
		if !found {
			others = append(others, e)
		}
	}
	return others
}

// syntaxError reads the line out of an error of the YAML parser, which says it in words only: from 1 where its scanner fails, from
// 0 where its grammar does.
func syntaxError(kind Kind, err error, text []byte) *Error {
	found := regexp.MustCompile(`^(?:line (\d+): )?(?s)((did not find expected (?:<|node content|key$|'-'|',' or))?.*)$`).
		FindStringSubmatch(strings.TrimPrefix(err.Error(), "yaml: "))
	if found == nil {
		return &Error{Of: kind.Of, Message: err.Error()}
	}
	line, _ := strconv.Atoi(found[1]) // none: 0, nowhere in particular
	if found[1] != "" && found[3] != "" {
		line = min(line+1, bytes.Count(bytes.TrimSpace(text), []byte("\n"))+1)
	}
	return &Error{Of: kind.Of, Line: line, Message: found[2]}
}

// protoyamlErrors reads line and column out of the errors of protoyaml, which has them in an unexported type: each begins with
// ":<line>:<column> " and unwraps to its cause.
func protoyamlErrors(kind Kind, err error) []*Error {
	if err == nil {
		return nil
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	faults := make([]*Error, len(errs))
	for i, err := range errs {
		faults[i] = &Error{Of: kind.Of, Message: err.Error()}
		var line, column int
		if n, _ := fmt.Sscanf(err.Error(), ":%d:%d ", &line, &column); n == 2 && errors.Unwrap(err) != nil {
			faults[i] = &Error{Of: kind.Of, Line: line, Column: column, Message: errors.Unwrap(err).Error()}
		}
	}
	return faults
}

// strict walks a mapping beside the descriptor of its message.
func (s *Source) strict(node *yaml.Node, descriptor protoreflect.MessageDescriptor, path string, faults *[]*Error) {
	report := func(node *yaml.Node, field, format string, args ...any) {
		*faults = append(*faults, &Error{Of: s.kind.Of, Line: node.Line, Column: node.Column, Field: field, Message: fmt.Sprintf(format, args...)})
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field := descriptor.Fields().ByName(protoreflect.Name(key.Value))
		if key.Kind != yaml.ScalarNode || key.Anchor != "" || field == nil {
			report(key, path, "unknown field %q, expected one of %s", key.Value, fieldNames(descriptor))
			continue
		}
		if seen[key.Value] {
			report(key, within(path, key.Value), "the field is there twice")
			continue
		}
		seen[key.Value] = true
		values, name := []*yaml.Node{value}, func(int) string { return within(path, key.Value) }
		if field.IsList() && value.Kind == yaml.SequenceNode {
			values, name = value.Content, func(i int) string { return fmt.Sprintf("%s[%d]", within(path, key.Value), i) }
		}
		for i, value := range values {
			switch {
			case value.Anchor != "":
				report(value, name(i), "%s", aliasMessage(s.kind))
			case value.Kind == yaml.ScalarNode && value.Tag == "!!null" && value.Value != "", value.Kind == yaml.ScalarNode && value.Tag == "!!binary":
				report(value, name(i), "%s is refused: leave the field out or write text in quotes", value.Value)
			case field.Kind() == protoreflect.MessageKind && value.Kind == yaml.MappingNode:
				s.strict(value, field.Message(), name(i), faults)
			case isInteger(field.Kind()) && value.Kind == yaml.ScalarNode && !isPlainInteger(value.Value):
				report(value, name(i), "%q is not a whole number in digits", value.Value)
			}
		}
	}
}

func isInteger(kind protoreflect.Kind) bool {
	return kind == protoreflect.Int32Kind || kind == protoreflect.Int64Kind
}

func isPlainInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == "" && (digits == "0" || digits[0] != '0')
}

func fieldNames(descriptor protoreflect.MessageDescriptor) string {
	names := make([]string, descriptor.Fields().Len())
	for i := range names {
		names[i] = string(descriptor.Fields().Get(i).Name())
	}
	return strings.Join(names, ", ")
}

func within(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Find answers the node at a path of field names and positions, and of what is not there its nearest surroundings.
func (s *Source) Find(path ...any) (node *yaml.Node, exact bool) {
	node = s.root
	for _, step := range path {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
				if node.Content[i].Value == step {
					next = node.Content[i+1]
				}
			}
		case int:
			if node.Kind == yaml.SequenceNode && step < len(node.Content) {
				next = node.Content[step]
			}
		}
		if next == nil {
			return node, false
		}
		node = next
	}
	return node, true
}

// In answers line and column, both from 1, of a character of a scalar's value: line from 1 and column from 0 within the
// value. Escapes in double quotes shift what comes after them; everything else is exact.
func (s *Source) In(node *yaml.Node, line, column int) (int, int) {
	at, indent := node.Line, node.Column-1
	switch node.Style &^ yaml.TaggedStyle {
	case yaml.LiteralStyle:
		return node.Line + line, s.indent(node.Line+1) + column + 1
	case yaml.FoldedStyle:
		at, indent = node.Line+1, s.indent(node.Line+1)
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		indent++
	}
	// A line break in the text is one space in the value.
	for ; at < len(s.lines); at++ {
		length := max(0, utf8.RuneCountInString(strings.TrimRight(s.lines[at-1], " \t\r"))-indent)
		if column <= length {
			break
		}
		column -= length + 1
		indent = s.indent(at + 1)
	}
	return at, indent + column + 1
}

// indent counts the spaces that a line, from 1, begins with; of an empty line those of the next that is not.
func (s *Source) indent(line int) int {
	for ; line >= 1 && line <= len(s.lines); line++ {
		if text := strings.TrimRight(s.lines[line-1], "\r"); strings.TrimSpace(text) != "" {
			return len(text) - len(strings.TrimLeft(text, " "))
		}
	}
	return 0
}

// Top are the places of the fields at the top.
func (s *Source) Top() map[string]Place {
	places := make(map[string]Place)
	for i := 0; i+1 < len(s.root.Content); i += 2 {
		value := s.root.Content[i+1]
		places[s.root.Content[i].Value] = Place{value.Line, value.Column}
	}
	return places
}

// A Place is where something stands in a text, both from 1.
type Place struct{ Line, Column int }
