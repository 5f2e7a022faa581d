// Package sheet reads completions that people and systems keep in files, and makes the statements of them that a platform
// signs. It reads opening balances, too, and makes the rows of them that two officers confirm.
//
// A file is CSV with a header row, or, of completions, JSON lines; Columns and BalanceColumns say what may stand in it. Each row is read by itself: a wrong one
// comes back as a *RowError that names its line, its columns and how to mend them, and the rows after it go on. Nothing is
// guessed: a number that a spreadsheet has rounded, a date that could be read in two ways and a column that is not known
// are refused.
//
// The package talks to nobody and reads no clock. It quotes nothing that could be somebody's number in an error.
//
// Its one invariant: the same row gives the same statement, byte for byte, whenever and from whichever file it is read, as
// long as the secret is the same. Posting a file again therefore changes nothing.
package sheet

import (
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Names of the columns; the keys of JSON lines are the same.
const (
	ColumnID            = "id"
	ColumnAccountNumber = "account_number"
	ColumnProvider      = "provider"
	ColumnCourse        = "course"
	ColumnCourseVersion = "course_version"
	ColumnMode          = "mode"
	ColumnStart         = "start"
	ColumnEnd           = "end"
	ColumnMinutes       = "minutes"
	ColumnHeld          = "held"
	ColumnAttended      = "attended"
	ColumnLate          = "late"
	ColumnScore         = "score"
	ColumnPassed        = "passed"
	ColumnSite          = "site"

	// keySessions is the key of JSON lines that stands for start, end and minutes of several sessions.
	keySessions = "sessions"
)

// Reasons of flaws that only a file can have. The others are those of the bank.
const (
	ReasonRow         = "ROW_MALFORMED"
	ReasonColumn      = "COLUMN_UNKNOWN"
	ReasonMissing     = "CELL_MISSING"
	ReasonSpreadsheet = "ROUNDED_BY_SPREADSHEET"
)

// Column is what may stand in a column of a file.
type Column struct {
	Name     string
	Required bool
	// Help says in one line what stands in it.
	Help string
}

// Columns lists all columns in the order of the examples.
func Columns() []Column {
	return []Column{
		{ColumnID, false, "UUID of the statement; left out: derived from the row, the same on every run"},
		{ColumnAccountNumber, true, "16 digits, spaces and hyphens permitted; in JSON in quotes"},
		{ColumnProvider, true, "organization that provides the course, such as school-cuiyuan"},
		{ColumnCourse, true, "code of the course with its provider"},
		{ColumnCourseVersion, true, "version of the course"},
		{ColumnMode, true, "classroom 面授, online 远程, practice 实践, lecture 讲座 or achievement 成果"},
		{ColumnStart, true, "begin: 2026-03-01 09:00, or RFC 3339; several sessions: separated by semicolons"},
		{ColumnEnd, true, "end, in the same way"},
		{ColumnMinutes, true, "minutes learned, in the same way"},
		{ColumnHeld, false, "class meetings that were held; left out where attendance is not taken"},
		{ColumnAttended, false, "meetings attended in time"},
		{ColumnLate, false, "meetings attended late; left out: 0"},
		{ColumnScore, false, "0 to 100, whole points rounded down"},
		{ColumnPassed, false, "yes or no, 是 or 否"},
		{ColumnSite, false, "where: letters, digits and -_./:"},
	}
}

// Format is how a file is written.
type Format string

// The formats.
const (
	CSV   Format = "csv"
	JSONL Format = "jsonl"
)

// FormatOf answers the format that the name of a file promises.
func FormatOf(name string) (Format, bool) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return CSV, true
	case ".jsonl", ".ndjson", ".json":
		return JSONL, true
	default:
		return "", false
	}
}

// Options say how cells are to be understood.
type Options struct {
	// Zone is the time zone of times that name none.
	Zone *time.Location
	// Now is held against the times in the rows: learning cannot have ended after it.
	Now time.Time
}

// Row is one completion.
type Row struct {
	// Line in the file, from 1, on which the row begins.
	Line int
	// ID is the statement's own id; zero where the file names none.
	ID unit.StatementID
	// Completion is well formed; whether account and course exist is for the bank to say.
	Completion *statementv1.Completion
}

// Flaw is one thing that is wrong with a row.
type Flaw struct {
	// Column that it concerns; empty where it is the row as a whole.
	Column string
	// Reason for programs.
	Reason string
	// Message says what is wrong and how to mend it.
	Message string
}

// RowError is a row that cannot be read, with everything that is wrong with it.
type RowError struct {
	Line  int
	Flaws []Flaw
}

// Error names the line and the first flaw.
func (e *RowError) Error() string {
	if len(e.Flaws) == 0 {
		return fmt.Sprintf("line %d", e.Line)
	}
	return fmt.Sprintf("line %d: %s: %s", e.Line, e.Flaws[0].Column, e.Flaws[0].Message)
}

// Rows reads a file row by row. A *RowError concerns one row, and those after it follow; any other error ends the
// sequence: the file as a whole cannot be read.
func Rows(r io.Reader, format Format, options Options) iter.Seq2[Row, error] {
	records := func(r io.Reader) iter.Seq2[record, error] { return readCSV(r, Columns()) }
	if format == JSONL {
		records = readJSONL
	}
	return func(yield func(Row, error) bool) {
		for record, err := range records(r) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			row, flaws := record.row(options)
			if len(flaws) > 0 {
				if !yield(Row{}, &RowError{Line: record.line, Flaws: flaws}) {
					return
				}
				continue
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// ColumnOf answers the column from which a field of a statement was made, as the bank names fields in its errors; empty
// for fields that come from no column.
func ColumnOf(field string) string {
	field = strings.TrimPrefix(field, "completion.")
	field = strings.TrimPrefix(field, "attendance.")
	session, isSession := strings.CutPrefix(field, "sessions")
	if !isSession {
		for _, column := range Columns() {
			if column.Name == field {
				return field
			}
		}
		return ""
	}
	_, part, _ := strings.Cut(session, ".")
	name := ColumnStart
	switch part {
	case "end_time":
		name = ColumnEnd
	case "minutes":
		name = ColumnMinutes
	}
	if index, _, found := strings.Cut(strings.TrimPrefix(session, "["), "]"); found && index != "0" {
		return "sessions[" + index + "]." + name
	}
	return name
}
