package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// table prints columns of text side by side. A Chinese character is two columns of a terminal wide, and counts so.
type table struct {
	// right are the columns of numbers.
	right []int
	rows  []tableRow
}

type tableRow struct {
	cells []string
	notes []string
}

// row adds a row.
func (t *table) row(cells ...string) { t.rows = append(t.rows, tableRow{cells: cells}) }

// note adds a line below the last row.
func (t *table) note(line string) {
	last := &t.rows[len(t.rows)-1]
	last.notes = append(last.notes, line)
}

// write prints the table, two spaces between columns and none at the end of a line.
func (t *table) write(w io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row.cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row.cells {
			if i > 0 {
				line.WriteString("  ")
			}
			space := strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell))
			if slices.Contains(t.right, i) {
				line.WriteString(space + cell)
			} else {
				line.WriteString(cell + space)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
		for _, note := range row.notes {
			fmt.Fprintln(w, "    "+note)
		}
	}
}

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing: %v", err)
	}
	return nil
}

// writeMessage prints one message as an object, in the JSON of protobuf (64-bit integers are strings there).
func writeMessage(w io.Writer, m proto.Message) error {
	raw, err := messageJSON(m)
	if err != nil {
		return err
	}
	return writeJSON(w, raw)
}

// messageJSON is a message as JSON. protojson varies its white space on purpose; what it writes is made compact here.
func messageJSON(m proto.Message) (json.RawMessage, error) {
	raw, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing: %v", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, fmt.Errorf("writing: %v", err)
	}
	return compact.Bytes(), nil
}

// writeList prints messages as an array.
func writeList[M proto.Message](w io.Writer, messages []M) error {
	list := make([]json.RawMessage, len(messages))
	for i, m := range messages {
		raw, err := messageJSON(m)
		if err != nil {
			return err
		}
		list[i] = raw
	}
	return writeJSON(w, list)
}
