package api

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

const maxVersionBytes = 16

// unknown says whether a message has fields that are not known here. It looks at the message itself only.
func unknown(m proto.Message) bool { return len(m.ProtoReflect().GetUnknown()) > 0 }

func unknownField(field string) *Error {
	return invalid(ReasonUnknownField, field, "there is a field that is not known here; statements are signed, so nothing in them is overlooked")
}

// checkEnum refuses the zero value and those without a name.
func checkEnum[E ~int32](field string, value E, names map[int32]string) *Error {
	if _, ok := names[int32(value)]; !ok || value == 0 {
		return invalid(ReasonUnknownEnum, field, "the value %d has no meaning", value)
	}
	return nil
}

func indexed(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// isCode says whether s is 1 to most ASCII letters, digits and "-_.".
func isCode(s string, most int) bool { return s != "" && len(s) <= most && consists(s, "-_.") }

// isSite says whether s is a site's name.
func isSite(s string) bool { return len(s) <= maxSiteBytes && consists(s, "-_./:") }

func consists(s, others string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// checkText refuses text that is empty when it is needed, too long, or not for people.
func checkText(field, s string, least, most int) *Error {
	if !utf8.ValidString(s) {
		return invalid(ReasonField, field, "the text is not UTF-8")
	}
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return invalid(ReasonField, field, "the text has %d characters, %d to %d are taken", n, least, most)
	}
	if strings.TrimSpace(s) != s || strings.ContainsFunc(s, deceives) {
		return invalid(ReasonField, field, "the text begins or ends with white space, or holds characters that control how it is shown")
	}
	return nil
}

// deceives says whether a character makes a text read otherwise than it is: those that control, end a line, or turn the direction of
// all that follows. Marks beside single words, which Uyghur texts may have, do not.
func deceives(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// parseRequestID reads the id that makes a call idempotent (AIP-155).
func parseRequestID(s string) (uuid.UUID, *Error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id == uuid.Nil {
		return id, invalid(ReasonRequestID, "request_id", "a request id is a UUID such as %q, made by the caller and kept for retries",
			"0198f3c2-7c1e-7a52-9d0f-3a5b1c2d4e6f")
	}
	return id, nil
}

const dateLayout = "2006-01-02"

// parseDay reads a date as days since 1970-01-01. Empty is 0 where that is permitted.
func parseDay(field, s string, optional bool) (int32, *Error) {
	if s == "" && optional {
		return 0, nil
	}
	t, err := time.Parse(dateLayout, s)
	if err != nil || t.Year() < firstYear {
		return 0, invalid(ReasonField, field, "a date is YYYY-MM-DD, such as \"2026-03-01\"")
	}
	if t.Unix() == 0 {
		return 0, invalid(ReasonField, field, "1970-01-01 cannot be told from no date; take the day before or after")
	}
	return int32(t.Unix() / secondsPerDay), nil
}

const secondsPerDay = 86_400

// dayString is the inverse of parseDay.
func dayString(day int32) string {
	if day == 0 {
		return ""
	}
	return time.Unix(int64(day)*secondsPerDay, 0).UTC().Format(dateLayout)
}
