package sheet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLineBytes is the longest line of a JSON file: four times the largest statement.
const maxLineBytes = 64 << 10

// readJSONL reads the records of a file with one JSON object (RFC 8259) a line. Empty lines are skipped.
func readJSONL(r io.Reader) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		buffered, err := skipMark(r)
		if err != nil {
			yield(record{}, err)
			return
		}
		for number := 1; ; number++ {
			line, tooLong, err := readLine(buffered)
			if err != nil && !errors.Is(err, io.EOF) {
				yield(record{}, fmt.Errorf("reading: %v", err))
				return
			}
			if text := bytes.TrimSpace(line); len(text) > 0 || tooLong {
				next := record{line: number}
				if tooLong {
					next.flaw("", ReasonRow, "the line is longer than %d bytes; each line holds one completion", maxLineBytes)
				} else {
					next.decode(text)
				}
				if !yield(next, nil) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// readLine reads a line of any length, and keeps no more than maxLineBytes of it.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLineBytes {
			tooLong, line = true, nil
		} else if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// decode takes the values of a line.
func (r *record) decode(line []byte) {
	if !utf8.Valid(line) {
		r.flaw("", ReasonRow, "the line is not UTF-8")
		return
	}
	object, err := readObject(line)
	if err != nil {
		r.flaw("", ReasonRow, "the line is not a JSON object: %v", err)
		return
	}
	r.values = make(map[string]string, len(object))
	for _, m := range object {
		switch {
		case m.key == keySessions:
			r.decodeSessions(m.value)
		case !slices.ContainsFunc(Columns(), func(c Column) bool { return c.Name == m.key }):
			r.flaw(m.key, ReasonColumn, "the key is none of: %s, %s", columnNames(Columns()), keySessions)
		default:
			if text := r.text(m.key, m.value); text != "" {
				r.values[m.key] = text
			}
		}
	}
	switch {
	case !r.has(keySessions):
		r.split()
	case r.has(ColumnStart), r.has(ColumnEnd), r.has(ColumnMinutes):
		r.flaw(keySessions, "SESSIONS_INVALID", "give either sessions, or start, end and minutes")
	}
}

func (r *record) decodeSessions(value json.RawMessage) {
	r.values[keySessions] = keySessions
	var sessions []json.RawMessage
	if err := json.Unmarshal(value, &sessions); err != nil || len(sessions) == 0 {
		r.flaw(keySessions, "SESSIONS_INVALID", `sessions is a list such as [{"start": "…", "end": "…", "minutes": 90}]`)
		return
	}
	for i, raw := range sessions {
		object, err := readObject(raw)
		if err != nil {
			r.flaw(sessionKey(i, ""), ReasonRow, "the session is not a JSON object: %v", err)
			continue
		}
		var s session
		for _, m := range object {
			label := sessionKey(i, m.key)
			switch m.key {
			case ColumnStart:
				s.start = r.text(label, m.value)
			case ColumnEnd:
				s.end = r.text(label, m.value)
			case ColumnMinutes:
				s.minutes = r.text(label, m.value)
			default:
				r.flaw(label, ReasonColumn, "a session has start, end and minutes")
			}
		}
		r.sessions = append(r.sessions, s)
	}
}

func sessionKey(i int, name string) string {
	return strings.TrimSuffix(fmt.Sprintf("%s[%d].%s", keySessions, i, name), ".")
}

// text is a value as it would stand in a cell. An account number written as a number is refused: many programs round such.
func (r *record) text(key string, value json.RawMessage) string {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		r.flaw(key, ReasonRow, "the value cannot be read")
		return ""
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		if key == ColumnAccountNumber {
			r.flaw(key, "ACCOUNT_NUMBER_INVALID", "write the number in quotation marks: programs round numbers of 16 digits")
			return ""
		}
		return v.String()
	default:
		r.flaw(key, ReasonRow, "the value is a list or an object; it should be text or a number")
		return ""
	}
}

type member struct {
	key   string
	value json.RawMessage
}

// readObject reads one JSON object in the order in which it is written, and refuses a key that stands there twice:
// readers differ in which of the two they take.
func readObject(text []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("it does not begin with {")
	}
	var members []member
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("%v", err)
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("a key is missing")
		}
		if slices.ContainsFunc(members, func(m member) bool { return m.key == key }) {
			return nil, fmt.Errorf("the key %q stands there twice", key)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("after the key %q: %v", key, err)
		}
		members = append(members, member{key, value})
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("it does not end with }")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return members, nil
}
