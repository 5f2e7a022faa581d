package sheet_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/cmd/creditbank/internal/sheet"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// balances answers everything that comes of a file of opening balances.
func balances(text string, hour int) (rows []sheet.Balance, wrong []*sheet.RowError, end error) {
	options := sheet.BalanceOptions{HourMinutes: hour, Now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	for row, err := range sheet.Balances(strings.NewReader(text), options) {
		switch e := err.(type) { //nolint:errorlint // Balances answers it as it is
		case nil:
			rows = append(rows, row)
		case *sheet.RowError:
			wrong = append(wrong, e)
		default:
			return rows, wrong, err
		}
	}
	return rows, wrong, nil
}

// balanceOf is a file of one good row in which some cells are others; an empty cell is left out.
func balanceOf(change map[string]string) string {
	good := map[string]string{
		"source_record": "B-1", "account_number": "8241685281720300", "category": "arts", "minutes": "90", "credits": "1.5",
		"earned_on": "2019-05-04", "title": "书法班",
	}
	maps.Copy(good, change)
	var header, row []string
	for _, column := range sheet.BalanceColumns() {
		if value, ok := good[column.Name]; ok {
			header, row = append(header, column.Name), append(row, `"`+strings.ReplaceAll(value, `"`, `""`)+`"`)
		}
	}
	return strings.Join(header, ",") + "\n" + strings.Join(row, ",") + "\n"
}

func TestARowBecomesAnOpeningBalance(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]string
		want   string
	}{
		"plain": {nil, `action: ROW_ACTION_RECORD account_number: "8241685281720300" source_record: "B-1" category: "arts" minutes: 90
			milli_credits: 1500 earned_on: "2019-05-04" title: "书法班"`},
		"typed number, date of a spreadsheet, Chinese words": {
			map[string]string{"action": "登记", "account_number": "８２４１ 6852-8172 0300", "earned_on": "2019/5/4", "title": ""},
			`action: ROW_ACTION_RECORD account_number: "8241685281720300" source_record: "B-1" category: "arts" minutes: 90
			milli_credits: 1500 earned_on: "2019-05-04"`,
		},
		"hours and no credits": {
			map[string]string{"minutes": "", "hours": "2.2", "credits": ""},
			`action: ROW_ACTION_RECORD account_number: "8241685281720300" source_record: "B-1" category: "arts" minutes: 99
			earned_on: "2019-05-04" title: "书法班"`,
		},
		"credits alone, that expire": {
			map[string]string{"minutes": "", "credits": "0.001", "expires_on": "2030-1-1", "earned_on": "1950-01-01"}, "",
		},
		"credits that expire": {
			map[string]string{"minutes": "", "credits": "10000.000", "expires_on": "2030/1/1"},
			`action: ROW_ACTION_RECORD account_number: "8241685281720300" source_record: "B-1" category: "arts" milli_credits: 10000000
			earned_on: "2019-05-04" expires_on: "2030-01-01" title: "书法班"`,
		},
		"document": {
			map[string]string{"account_number": "", "document_type": "护照", "document_number": "e12345678"},
			`action: ROW_ACTION_RECORD document_kind: "passport" document_number: "E12345678" source_record: "B-1" category: "arts" minutes: 90
			milli_credits: 1500 earned_on: "2019-05-04" title: "书法班"`,
		},
		"identity card, unsaid": {
			map[string]string{"account_number": "", "document_number": "11010519491231002x"},
			`action: ROW_ACTION_RECORD document_kind: "resident_identity" document_number: "11010519491231002X" source_record: "B-1"
			category: "arts" minutes: 90 milli_credits: 1500 earned_on: "2019-05-04" title: "书法班"`,
		},
		"taken back": {
			map[string]string{"action": "冲回", "category": "", "minutes": "", "credits": "", "earned_on": "", "title": ""},
			`action: ROW_ACTION_REVERSE account_number: "8241685281720300" source_record: "B-1"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows, wrong, end := balances(balanceOf(c.change), 45)
			if c.want == "" {
				if len(wrong) != 1 || wrong[0].Flaws[0].Column != "expires_on" {
					t.Errorf("%v, %v, %v", rows, wrong, end)
				}
				return
			}
			if len(rows) != 1 || len(wrong) > 0 || end != nil {
				t.Fatalf("%v, %v, %v", rows, wrong, end)
			}
			want := new(ledgerv1.OpeningBalanceRow)
			if err := prototext.Unmarshal([]byte(c.want), want); err != nil {
				t.Fatal(err)
			}
			read := new(ledgerv1.OpeningBalanceRow)
			if err := proto.Unmarshal(rows[0].Bytes, read); err != nil || !proto.Equal(read, want) || !proto.Equal(rows[0].Row, want) || rows[0].Line != 2 {
				t.Errorf("%v, %v, line %d, want %v", read, err, rows[0].Line, want)
			}
		})
	}
}

func TestWrongOpeningBalances(t *testing.T) {
	for name, c := range map[string]struct {
		change         map[string]string
		column, reason string
		says           string
	}{
		"no record":             {map[string]string{"source_record": ""}, "source_record", "CELL_MISSING", ""},
		"long record":           {map[string]string{"source_record": strings.Repeat("字", 129)}, "source_record", "FIELD_INVALID", "128"},
		"rounded record":        {map[string]string{"source_record": "3.30106E+17"}, "source_record", "ROUNDED_BY_SPREADSHEET", ""},
		"action":                {map[string]string{"action": "delete"}, "action", "UNKNOWN_ENUM", "冲回"},
		"nobody":                {map[string]string{"account_number": ""}, "account_number", "CELL_MISSING", ""},
		"rounded number":        {map[string]string{"account_number": "8.24169E+15"}, "account_number", "ROUNDED_BY_SPREADSHEET", "text"},
		"check digit":           {map[string]string{"account_number": "8241685281720301"}, "account_number", "ACCOUNT_NUMBER_INVALID", "card"},
		"both":                  {map[string]string{"document_number": "11010519491231002X"}, "document_number", "DOCUMENT_INVALID", "empty"},
		"rounded document":      {map[string]string{"account_number": "", "document_number": "1.10105E+17"}, "document_number", "ROUNDED_BY_SPREADSHEET", "text"},
		"document":              {map[string]string{"account_number": "", "document_number": "110105194912310021"}, "document_number", "DOCUMENT_INVALID", "document"},
		"type of document":      {map[string]string{"account_number": "", "document_type": "library card", "document_number": "1"}, "document_type", "UNKNOWN_ENUM", "护照"},
		"type alone":            {map[string]string{"account_number": "", "document_type": "passport"}, "document_number", "CELL_MISSING", ""},
		"no category":           {map[string]string{"category": ""}, "category", "CELL_MISSING", ""},
		"category of words":     {map[string]string{"category": "人文艺术"}, "category", "FIELD_INVALID", "Latin"},
		"formula":               {map[string]string{"title": `=HYPERLINK("x")`}, "title", "FORMULA", "formula"},
		"plus":                  {map[string]string{"minutes": "+90"}, "minutes", "FORMULA", ""},
		"at":                    {map[string]string{"category": "@arts"}, "category", "FORMULA", ""},
		"negative minutes":      {map[string]string{"minutes": "-90"}, "minutes", "FORMULA", "negative"},
		"negative credits":      {map[string]string{"credits": "-1"}, "credits", "FORMULA", "negative"},
		"absurd minutes":        {map[string]string{"minutes": "1000001"}, "minutes", "MINUTES_INVALID", "1000000"},
		"half minutes":          {map[string]string{"minutes": "90.5"}, "minutes", "MINUTES_INVALID", "whole"},
		"minutes and hours":     {map[string]string{"hours": "2"}, "hours", "MINUTES_INVALID", "empty"},
		"hours of half minutes": {map[string]string{"minutes": "", "hours": "0.5"}, "hours", "MINUTES_INVALID", "give minutes"},
		"absurd hours":          {map[string]string{"minutes": "", "hours": "22223"}, "hours", "MINUTES_INVALID", "1000000"},
		"four decimals":         {map[string]string{"credits": "1.2345"}, "credits", "CREDITS_INVALID", "three decimals"},
		"absurd credits":        {map[string]string{"credits": "10000.001"}, "credits", "CREDITS_INVALID", "10000"},
		"thousands":             {map[string]string{"credits": "1,500"}, "credits", "CREDITS_INVALID", "1.5"},
		"rounded credits":       {map[string]string{"credits": "1E+3"}, "credits", "ROUNDED_BY_SPREADSHEET", ""},
		"nothing":               {map[string]string{"minutes": "", "credits": ""}, "credits", "CREDITS_INVALID", "nothing"},
		"zeros":                 {map[string]string{"minutes": "0", "credits": "0"}, "credits", "CREDITS_INVALID", "nothing"},
		"no day":                {map[string]string{"earned_on": ""}, "earned_on", "CELL_MISSING", ""},
		"day first":             {map[string]string{"earned_on": "04/05/2019"}, "earned_on", "TIME_INVALID", "2019-05-04"},
		"no such day":           {map[string]string{"earned_on": "2019-02-29"}, "earned_on", "TIME_INVALID", ""},
		"long ago":              {map[string]string{"earned_on": "1949-12-31"}, "earned_on", "TIME_INVALID", "1950"},
		"expires before":        {map[string]string{"expires_on": "2019-05-04"}, "expires_on", "TIME_INVALID", "after"},
		"nothing expires":       {map[string]string{"credits": "", "expires_on": "2030-01-01"}, "expires_on", "TIME_INVALID", "credits"},
		"long title":            {map[string]string{"title": strings.Repeat("字", 201)}, "title", "FIELD_INVALID", "200"},
		"lines":                 {map[string]string{"title": "a\nb"}, "title", "FIELD_INVALID", "one line"},
		"back with amount":      {map[string]string{"action": "reverse", "category": "", "minutes": "", "earned_on": "", "title": ""}, "credits", "FIELD_INVALID", "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, wrong, end := balances(balanceOf(c.change), 45)
			if len(rows) > 0 || len(wrong) != 1 || end != nil || wrong[0].Line != 2 {
				t.Fatalf("%v, %v, %v", rows, wrong, end)
			}
			if f := wrong[0].Flaws; len(f) != 1 || f[0].Column != c.column || f[0].Reason != c.reason || !strings.Contains(f[0].Message, c.says) {
				t.Errorf("%+v, want one of %s in %s that says %q", f, c.reason, c.column, c.says)
			}
		})
	}
}

// Rows stand for themselves, a record is taken once, and a file whose columns are not understood is not read.
func TestOpeningBalanceFiles(t *testing.T) {
	rows, wrong, end := balances("\ufeffsource_record,account_number,category,minutes,earned_on,action\r\n"+
		"1,8241685281720300,arts,90,2019-05-04,\r\n1,8241685281720300,arts,90,2019-05-04,\r\n1,8241685281720300,,,,reverse\r\n"+
		"2,8241685281720300,arts\r\n,,,,,\r\n3,8241685281720300,arts,90,2019-05-04,record\r\n", 45)
	if len(rows) != 3 || len(wrong) != 2 || end != nil || rows[2].Line != 7 {
		t.Fatalf("%v, %v, %v", rows, wrong, end)
	}
	if wrong[0].Flaws[0].Reason != sheet.ReasonRepeated || wrong[0].Line != 3 || wrong[1].Flaws[0].Reason != sheet.ReasonRow {
		t.Errorf("%v", wrong)
	}
	for text, says := range map[string]string{
		"": "empty", "colour\n1\n": `"colour"`, "category\narts\n": `"source_record"`, "source_record;category\n": "commas",
		"\xd5\xcb\xba\xc5\n": "CSV UTF-8", "\xff\xfes\x00": "CSV UTF-8", "source_record,source_record\n": "two columns",
	} {
		if _, _, end := balances(text, 45); end == nil || !strings.Contains(end.Error(), says) {
			t.Errorf("%q: %v, want %q", text, end, says)
		}
	}
	for field, want := range map[string]string{
		"milli_credits": "credits", "document_kind": "document_type", "earned_on": "earned_on", "source_record": "source_record", "rows": "",
	} {
		if got := sheet.BalanceColumnOf(field); got != want {
			t.Errorf("%s is of column %q, want %q", field, got, want)
		}
	}
}

// What is read is what the bank takes, and the same bytes every time.
func FuzzBalances(f *testing.F) {
	f.Add(balanceOf(nil), 45)
	f.Add(balanceOf(map[string]string{"minutes": "", "hours": "1.25", "account_number": "", "document_number": "11010519491231002X"}), 60)
	f.Add(balanceOf(map[string]string{"action": "reverse", "category": "", "minutes": "", "credits": "", "earned_on": "", "title": ""}), 1)
	f.Fuzz(func(t *testing.T, text string, hour int) {
		if hour < 1 || hour > 1440 {
			return
		}
		rows, wrong, _ := balances(text, hour)
		for _, e := range wrong {
			if len(e.Flaws) == 0 || e.Line < 1 || e.Error() == "" {
				t.Errorf("a wrong row without a flaw or a line: %+v", e)
			}
		}
		again, _, _ := balances(text, hour)
		for i, row := range rows {
			if !bytes.Equal(row.Bytes, again[i].Bytes) {
				t.Errorf("line %d is read in two ways", row.Line)
			}
			r := row.Row
			byNumber := r.GetAccountNumber() != ""
			if byNumber == (r.GetDocumentNumber() != "") || r.GetSourceRecord() == "" || len(row.Bytes) > 4096 {
				t.Errorf("%v", r)
			}
			if byNumber {
				if _, err := unit.ParseAccountNumber(r.GetAccountNumber()); err != nil {
					t.Error(err)
				}
			}
			if r.GetAction() == ledgerv1.RowAction_ROW_ACTION_REVERSE {
				continue
			}
			if r.GetMinutes() < 0 || r.GetMinutes() > 1_000_000 || r.GetMilliCredits() < 0 || r.GetMilliCredits() > 10_000_000 ||
				r.GetMinutes()+r.GetMilliCredits() == 0 || r.GetCategory() == "" {
				t.Errorf("%v", r)
			}
			if _, err := time.Parse(time.DateOnly, r.GetEarnedOn()); err != nil {
				t.Error(err)
			}
		}
	})
}
