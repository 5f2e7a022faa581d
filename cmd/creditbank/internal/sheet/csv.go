package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// separator stands between the values of several sessions in one cell.
const separator = ";"

// Byte order marks at the beginning of a file.
const (
	markUTF8     = "\xef\xbb\xbf"
	markUTF16LE  = "\xff\xfe"
	markUTF16BE  = "\xfe\xff"
	longestMark  = len(markUTF8)
	notUTF8Words = "the file is not UTF-8: save it from the spreadsheet as \"CSV UTF-8\""
)

// readCSV reads the records of a CSV file (RFC 4180) with a header row that names some of the columns.
func readCSV(r io.Reader, columns []Column) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		buffered, err := skipMark(r)
		if err != nil {
			yield(record{}, err)
			return
		}
		reader := csv.NewReader(buffered)
		reader.FieldsPerRecord = -1
		header, err := readHeader(reader, columns)
		if err != nil {
			yield(record{}, err)
			return
		}
		for {
			cells, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			next := record{}
			if malformed, ok := errors.AsType[*csv.ParseError](err); ok {
				next.line = malformed.StartLine
				next.flaw("", ReasonRow, "the quotation marks do not fit together; a cell with a comma or a quotation mark stands "+
					"in quotation marks, and those inside are doubled (what follows up to the next one may be unread)")
			} else if err != nil {
				yield(record{}, fmt.Errorf("reading: %v", err))
				return
			} else {
				next.line, _ = reader.FieldPos(0)
				next.fill(header, cells)
				if len(next.values) == 0 && len(next.flaws) == 0 {
					continue // the empty rows that spreadsheets leave below a table
				}
			}
			if !yield(next, nil) {
				return
			}
		}
	}
}

// skipMark drops the byte order mark that spreadsheets write, and refuses other encodings by theirs.
func skipMark(r io.Reader) (*bufio.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	start, err := buffered.Peek(longestMark)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading: %v", err)
	}
	switch {
	case bytes.HasPrefix(start, []byte(markUTF16LE)), bytes.HasPrefix(start, []byte(markUTF16BE)):
		return nil, errors.New(notUTF8Words)
	case bytes.HasPrefix(start, []byte(markUTF8)):
		if _, err := buffered.Discard(longestMark); err != nil {
			return nil, fmt.Errorf("reading: %v", err)
		}
	}
	return buffered, nil
}

// readHeader reads the names of the columns. A file whose columns are not understood is not read at all.
func readHeader(reader *csv.Reader, columns []Column) ([]string, error) {
	cells, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: its first row names the columns")
	}
	if err != nil {
		return nil, fmt.Errorf("the first row names the columns, and cannot be read: %v", err)
	}
	header := make([]string, len(cells))
	for i, cell := range cells {
		if !utf8.ValidString(cell) {
			return nil, errors.New(notUTF8Words)
		}
		name := strings.ToLower(strings.TrimSpace(cell))
		switch {
		case len(cells) == 1 && strings.ContainsAny(name, ";\t"):
			return nil, errors.New("the columns are not separated by commas: save the file as comma-separated values")
		case !slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name }):
			return nil, fmt.Errorf("column %d is called %q, which is none of: %s", i+1, cell, columnNames(columns))
		case slices.Contains(header[:i], name):
			return nil, fmt.Errorf("there are two columns %q", name)
		}
		header[i] = name
	}
	for _, column := range columns {
		if column.Required && !slices.Contains(header, column.Name) {
			return nil, fmt.Errorf("the column %q is missing", column.Name)
		}
	}
	return header, nil
}

func columnNames(columns []Column) string {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.Name
	}
	return strings.Join(names, ", ")
}

// fill takes the cells of a row.
func (r *record) fill(header, cells []string) {
	if len(cells) != len(header) {
		r.flaw("", ReasonRow, "the row has %d cells, and the header %d", len(cells), len(header))
		return
	}
	r.values = make(map[string]string, len(header))
	for i, name := range header {
		if !utf8.ValidString(cells[i]) {
			r.flaw(name, ReasonRow, notUTF8Words)
			continue
		}
		if cell := strings.TrimSpace(cells[i]); cell != "" {
			r.values[name] = cell
		}
	}
	r.split()
}

// split makes the sessions out of the cells in which they stand side by side.
func (r *record) split() {
	starts, ends, minutes := r.list(ColumnStart), r.list(ColumnEnd), r.list(ColumnMinutes)
	if len(starts) == 0 || len(ends) == 0 || len(minutes) == 0 {
		return // the cells that are missing are reported with the others
	}
	if len(starts) != len(ends) || len(starts) != len(minutes) {
		r.flaw(ColumnStart, "SESSIONS_INVALID", "there are %d begins, %d ends and %d times minutes: each session needs one of each",
			len(starts), len(ends), len(minutes))
		return
	}
	for i := range starts {
		r.sessions = append(r.sessions, session{start: starts[i], end: ends[i], minutes: minutes[i]})
	}
}

func (r *record) list(column string) []string {
	cell, ok := r.values[column]
	if !ok {
		return nil
	}
	values := strings.Split(cell, separator)
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}
