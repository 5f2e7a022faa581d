package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"
)

// rows are the rows of a table: as many cells each as it has columns.
type rows = iter.Seq2[[]string, error]

// byteOrderMark tells a spreadsheet program that a CSV file is UTF-8; without it those in China take it for GB 18030.
const byteOrderMark = "\uFEFF"

// writeCSV writes a table as RFC 4180 has it, in UTF-8.
func writeCSV(w io.Writer, columns []string, all rows) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	to := csv.NewWriter(w)
	to.UseCRLF = true
	if err := to.Write(columns); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	line := make([]string, len(columns))
	for cells, err := range all {
		if err != nil {
			return err
		}
		for i, cell := range cells {
			line[i] = neutral(clean(cell))
		}
		if err := to.Write(line); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	to.Flush()
	if err := to.Error(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// Limits of a workbook, which is made in memory: what is larger would be put into files on the way, and it is about a person.
const (
	// MaxSheetRows is how many rows a workbook has at most, without its head.
	MaxSheetRows = 10_000
	// MaxSheetBytes is how many bytes all cells have at most, with what surrounds them.
	MaxSheetBytes = excelize.StreamChunkSize - 1<<20
	// cellBytes is what surrounds a cell: <c r="XFD1048576" s="10" t="inlineStr"><is><t xml:space="preserve"></t></is></c>.
	cellBytes = 96
)

// sheet is what is said of a workbook.
type sheet struct {
	name, creator string
	made          time.Time
}

// writeXLSX writes a table as a workbook with one sheet. Every cell is a text: a number of eighteen digits stays what it is.
func writeXLSX(w io.Writer, s sheet, columns []string, all rows) (err error) {
	f := excelize.NewFile()
	defer func() {
		if closing := f.Close(); err == nil && closing != nil {
			err = fmt.Errorf("export: %v", closing)
		}
	}()
	fail := func(err error) error { return fmt.Errorf("export: workbook: %v", err) }
	made := s.made.UTC().Format(time.RFC3339)
	if err := f.SetDocProps(&excelize.DocProperties{Creator: clean(s.creator), Title: s.name, Created: made, Modified: made}); err != nil {
		return fail(err)
	}
	if err := f.SetSheetName("Sheet1", s.name); err != nil {
		return fail(err)
	}
	const textFormat = 49 // "@", of ECMA-376 part 1, 18.8.30
	plain, err := f.NewStyle(&excelize.Style{NumFmt: textFormat})
	if err != nil {
		return fail(err)
	}
	head, err := f.NewStyle(&excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Bold: true}})
	if err != nil {
		return fail(err)
	}
	to, err := f.NewStreamWriter(s.name)
	if err != nil {
		return fail(err)
	}
	const width = 18 // of an identity number
	if err := to.SetColWidth(1, len(columns), width); err != nil {
		return fail(err)
	}
	if err := to.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return fail(err)
	}
	row, size := 0, 0
	write := func(style int, cells []string) error {
		row++
		values := make([]any, len(cells))
		for i, cell := range cells {
			cell = clean(cell)
			if size += cellBytes + len(cell) + 5*strings.Count(cell, "&") + 5*strings.Count(cell, "<") + 5*strings.Count(cell, ">") +
				5*strings.Count(cell, `"`) + 5*strings.Count(cell, quote); size > MaxSheetBytes || row > MaxSheetRows+1 {
				return fmt.Errorf("%w: at most %d rows and %d bytes", ErrSize, MaxSheetRows, MaxSheetBytes)
			}
			if len(utf16.Encode([]rune(cell))) > excelize.TotalCellChars {
				return fmt.Errorf("%w: a cell holds %d characters", ErrSize, excelize.TotalCellChars)
			}
			values[i] = excelize.Cell{StyleID: style, Value: cell}
		}
		if err := to.SetRow(fmt.Sprintf("A%d", row), values); err != nil {
			return fail(err)
		}
		return nil
	}
	if err := write(head, columns); err != nil {
		return err
	}
	for cells, err := range all {
		if err == nil {
			err = write(plain, cells)
		}
		if err != nil {
			return err
		}
	}
	if err := to.Flush(); err != nil {
		return fail(err)
	}
	if _, err := f.WriteTo(w); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
