package sheet_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests need the history of one zone

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbank/internal/sheet"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const examples = "../../../../deploy/examples"

func options() sheet.Options {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	return sheet.Options{Zone: zone, Now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
}

// read answers everything that comes of a file: rows, wrong rows, and what ended it.
func read(format sheet.Format, text string) (rows []sheet.Row, wrong []*sheet.RowError, end error) {
	for row, err := range sheet.Rows(strings.NewReader(text), format, options()) {
		switch e := err.(type) { //nolint:errorlint // Rows answers it as it is
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

// cells are the columns of a good row; change replaces some of them.
func cells(change map[string]string) (header, row []string) {
	good := map[string]string{
		"account_number": "8241685281720300", "provider": "school-cuiyuan", "course": "calligraphy-1", "course_version": "1",
		"mode": "classroom", "start": "2026-03-01 09:00", "end": "2026-03-01 10:30", "minutes": "90",
	}
	maps.Copy(good, change)
	for _, column := range sheet.Columns() {
		if value, ok := good[column.Name]; ok {
			header, row = append(header, column.Name), append(row, `"`+strings.ReplaceAll(value, `"`, `""`)+`"`)
		}
	}
	return header, row
}

func csvOf(change map[string]string) string {
	header, row := cells(change)
	return strings.Join(header, ",") + "\n" + strings.Join(row, ",") + "\n"
}

func TestARowBecomesACompletion(t *testing.T) {
	tests := []struct {
		name   string
		change map[string]string
		want   string
	}{
		{
			"plain", nil,
			`account_number: "8241685281720300" provider: "school-cuiyuan" course: "calligraphy-1" course_version: "1" mode: MODE_CLASSROOM
			sessions { start_time { seconds: 1772326800 } end_time { seconds: 1772332200 } minutes: 90 }`,
		},
		{
			"typed number, Chinese words, dates of a spreadsheet",
			map[string]string{"account_number": "８２４１ 6852-8172 0300", "mode": "面授", "start": "2026/3/1 9:00", "end": "2026/3/1 10:30:00", "passed": "否"},
			`account_number: "8241685281720300" provider: "school-cuiyuan" course: "calligraphy-1" course_version: "1" mode: MODE_CLASSROOM
			sessions { start_time { seconds: 1772326800 } end_time { seconds: 1772332200 } minutes: 90 } passed: false`,
		},
		{
			"everything, two sessions, another zone",
			map[string]string{
				"start": "2026-03-01T01:00:00Z;2026-03-02 09:00", "end": "2026-03-01T03:30:00+01:00; 2026-03-02T10:30", "minutes": "90;45",
				"held": "2", "attended": "1", "late": "1", "score": "0", "passed": "yes", "site": "cuiyuan/room-201",
			},
			`account_number: "8241685281720300" provider: "school-cuiyuan" course: "calligraphy-1" course_version: "1" mode: MODE_CLASSROOM
			sessions { start_time { seconds: 1772326800 } end_time { seconds: 1772332200 } minutes: 90 }
			sessions { start_time { seconds: 1772413200 } end_time { seconds: 1772418600 } minutes: 45 }
			attendance { held: 2 attended: 1 late: 1 } score: 0 passed: true site: "cuiyuan/room-201"`,
		},
		{
			"an achievement may be long and without minutes",
			map[string]string{"mode": "achievement", "start": "2025-09-01 00:00", "end": "2026-06-30 00:00", "minutes": "0"},
			`account_number: "8241685281720300" provider: "school-cuiyuan" course: "calligraphy-1" course_version: "1" mode: MODE_ACHIEVEMENT
			sessions { start_time { seconds: 1756656000 } end_time { seconds: 1782748800 } }`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rows, wrong, err := read(sheet.CSV, csvOf(test.change))
			if err != nil || len(wrong) > 0 || len(rows) != 1 {
				t.Fatalf("rows %d, wrong %v, end %v", len(rows), wrong, err)
			}
			want := new(statementv1.Completion)
			if err := prototext.Unmarshal([]byte(test.want), want); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(rows[0].Completion, want) {
				t.Errorf("got  %s\nwant %s", prototext.Format(rows[0].Completion), prototext.Format(want))
			}
			if rows[0].Line != 2 {
				t.Errorf("line %d, want 2", rows[0].Line)
			}
		})
	}
}

func TestAWrongCellIsNamed(t *testing.T) {
	tests := []struct {
		column, value  string
		reason, atCell string // atCell: the column that is named, where it is another
	}{
		{"account_number", "8241685281720301", "ACCOUNT_NUMBER_INVALID", ""},
		{"account_number", "8.24E+15", "ROUNDED_BY_SPREADSHEET", ""},
		{"account_number", "8,24e15", "ROUNDED_BY_SPREADSHEET", ""},
		{"account_number", "", "CELL_MISSING", ""},
		{"provider", "School Cuiyuan", "FIELD_INVALID", ""},
		{"course", "书法", "FIELD_INVALID", ""},
		{"course", "4.4E+17", "ROUNDED_BY_SPREADSHEET", ""},
		{"course_version", "12345678901234567", "FIELD_INVALID", ""},
		{"mode", "class", "UNKNOWN_ENUM", ""},
		{"start", "01/03/2026 09:00", "TIME_INVALID", ""},
		{"start", "2026-02-29 09:00", "TIME_INVALID", ""},
		{"start", "2026-03-01T09:00:00.5+08:00", "TIME_INVALID", ""},
		{"start", "1949-10-01 15:00", "TIME_INVALID", ""},
		{"start", "1986-05-04 02:30", "TIME_INVALID", ""}, // China put its clocks forward
		{"start", "2026-03-01 09:00;2026-03-02 09:00", "SESSIONS_INVALID", ""},
		{"end", "2026-03-01 09:00", "TIME_INVALID", ""},
		{"end", "2026-03-02 09:01", "TIME_INVALID", ""},
		{"end", "2027-03-01 10:30", "TIME_INVALID", ""},
		{"minutes", "91", "MINUTES_INVALID", ""},
		{"minutes", "0", "MINUTES_INVALID", ""},
		{"minutes", "-5", "MINUTES_INVALID", ""},
		{"minutes", "45.0", "MINUTES_INVALID", ""},
		{"minutes", "9E+01", "ROUNDED_BY_SPREADSHEET", ""},
		{"held", "3", "CELL_MISSING", "attended"},
		{"late", "1", "CELL_MISSING", "held"},
		{"score", "100.5", "SCORE_INVALID", ""},
		{"score", "101", "SCORE_INVALID", ""},
		{"passed", "maybe", "FIELD_INVALID", ""},
		{"site", "房间", "SITE_INVALID", ""},
		{"id", "not-a-uuid", "STATEMENT_ID_INVALID", ""},
		{"id", "00000000-0000-0000-0000-000000000000", "STATEMENT_ID_INVALID", ""},
		{"id", "{0198f3c2-7c1e-7a52-9d0f-3a5b1c2d4e6f}", "STATEMENT_ID_INVALID", ""},
	}
	for _, test := range tests {
		t.Run(test.column+"="+test.value, func(t *testing.T) {
			text := csvOf(map[string]string{test.column: test.value})
			good := csvOf(nil)
			rows, wrong, err := read(sheet.CSV, text)
			if err != nil || len(rows) != 0 || len(wrong) != 1 {
				t.Fatalf("rows %d, wrong %d, end %v\n%s%s", len(rows), len(wrong), err, text, good)
			}
			at := test.atCell
			if at == "" {
				at = test.column
			}
			if !slices.ContainsFunc(wrong[0].Flaws, func(f sheet.Flaw) bool { return f.Column == at && f.Reason == test.reason }) {
				t.Errorf("flaws %+v, want %s at %s", wrong[0].Flaws, test.reason, at)
			}
			for _, flaw := range wrong[0].Flaws {
				if strings.Contains(flaw.Message, "8241685281720301") {
					t.Errorf("%q quotes the number", flaw.Message)
				}
			}
		})
	}
}

func TestAttendanceAddsUp(t *testing.T) {
	for _, test := range []struct {
		held, attended, late, wrong string // wrong: the column that is named
	}{
		{"1", "1", "", ""},
		{"3", "1", "2", ""},
		{"1000", "0", "0", ""},
		{"0", "0", "0", "held"},
		{"1001", "1", "0", "held"},
		{"3", "4", "0", "attended"},
		{"3", "2", "2", "late"},
		{"3", "2", "-1", "late"},
	} {
		rows, wrong, _ := read(sheet.CSV, csvOf(map[string]string{"held": test.held, "attended": test.attended, "late": test.late}))
		if test.wrong == "" && len(rows) != 1 {
			t.Errorf("%+v: %v", test, wrong)
		}
		if test.wrong != "" && (len(wrong) != 1 || wrong[0].Flaws[0] != (sheet.Flaw{
			Column: test.wrong, Reason: "ATTENDANCE_INVALID", Message: wrong[0].Flaws[0].Message,
		})) {
			t.Errorf("%+v: rows %d, wrong %+v", test, len(rows), wrong)
		}
	}
}

func TestTheFutureIsRefused(t *testing.T) {
	text := csvOf(map[string]string{"start": "2026-12-01 07:00", "end": "2026-12-01 08:06"})
	_, wrong, _ := read(sheet.CSV, text)
	if len(wrong) != 1 || wrong[0].Flaws[0].Reason != "TIME_IN_FUTURE" {
		t.Errorf("six minutes ahead: %v", wrong)
	}
	rows, wrong, _ := read(sheet.CSV, csvOf(map[string]string{"start": "2026-12-01 07:00", "end": "2026-12-01 08:05", "minutes": "60"}))
	if len(rows) != 1 || len(wrong) != 0 {
		t.Errorf("five minutes ahead, as far as clocks may differ: %v", wrong)
	}
}

func TestARowGivesAllOfItsFlaws(t *testing.T) {
	_, wrong, _ := read(sheet.CSV, csvOf(map[string]string{"account_number": "1", "mode": "x", "minutes": "x", "score": "x"}))
	if len(wrong) != 1 || len(wrong[0].Flaws) != 4 {
		t.Errorf("%+v", wrong)
	}
}

func TestWrongRowsDoNotStopOthers(t *testing.T) {
	header, row := cells(nil)
	line := strings.Join(row, ",")
	text := "\xef\xbb\xbf" + strings.Join(header, ",") + "\r\n" +
		line + "\r\n" + // 2
		"one,cell,missing\r\n" + // 3
		",,,,,,,\r\n" + // 4: as spreadsheets leave them
		"a \"bare\" quotation mark,,,,,,,\r\n" + // 5
		"\r\n" + // 6
		line + "\r\n" + // 7
		"\xff\xfe,,,,,,,\r\n" // 8
	rows, wrong, err := read(sheet.CSV, text)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, fmt.Sprint("good ", row.Line))
	}
	for _, e := range wrong {
		lines = append(lines, fmt.Sprint("wrong ", e.Line))
	}
	if got, want := strings.Join(lines, ", "), "good 2, good 7, wrong 3, wrong 5, wrong 8"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFileThatIsNotUnderstoodIsNotRead(t *testing.T) {
	good := csvOf(nil)
	tests := []struct{ name, text, words string }{
		{"empty", "", "empty"},
		{"no header", strings.SplitN(good, "\n", 2)[1], "none of"},
		{"unknown column", "colour," + good, "colour"},
		{"double column", "mode," + good, "two columns"},
		{"missing column", strings.Replace(good, "minutes", "held", 1), `"minutes" is missing`},
		{"semicolons", strings.ReplaceAll(strings.SplitN(good, "\n", 2)[0], ",", ";"), "commas"},
		{"UTF-16", "\xff\xfea\x00", "UTF-8"},
		{"GBK", "\xd5\xcb\xba\xc5," + good, "UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rows, wrong, err := read(sheet.CSV, test.text)
			if err == nil || len(rows)+len(wrong) > 0 || !strings.Contains(err.Error(), test.words) {
				t.Errorf("rows %d, wrong %d, end %v", len(rows), len(wrong), err)
			}
		})
	}
}

func TestJSONLines(t *testing.T) {
	const head = `{"account_number":"8241685281720300","provider":"school-cuiyuan","course":"calligraphy-1","course_version":"1","mode":"classroom",`
	one := head + `"start":"2026-03-01 09:00","end":"2026-03-01 10:30","minutes":90`
	tests := []struct {
		name, line, column, reason string // no reason: it is good
	}{
		{"good", one + `}`, "", ""},
		{"null is nothing", one + `,"score":null,"passed":true}`, "", ""},
		{"sessions", head + `"sessions":[{"start":"2026-03-01 09:00","end":"2026-03-01 10:30","minutes":90}]}`, "", ""},
		{"number as a number", strings.Replace(one, `"8241685281720300"`, `8241685281720300`, 1) + `}`, "account_number", "ACCOUNT_NUMBER_INVALID"},
		{"float", strings.Replace(one, `:90`, `:9e1`, 1) + `}`, "minutes", "ROUNDED_BY_SPREADSHEET"},
		{"unknown key", one + `,"teacher":"x"}`, "teacher", "COLUMN_UNKNOWN"},
		{"key twice", one + `,"minutes":80}`, "", "ROW_MALFORMED"},
		{"key in capitals", one + `,"Score":80}`, "Score", "COLUMN_UNKNOWN"},
		{"both ways", one + `,"sessions":[{"start":"2026-03-01 09:00","end":"2026-03-01 10:30","minutes":90}]}`, "sessions", "SESSIONS_INVALID"},
		{"no sessions", head + `"sessions":[]}`, "sessions", "SESSIONS_INVALID"},
		{"wrong second session", head + `"sessions":[{"start":"2026-03-01 09:00","end":"2026-03-01 10:30","minutes":90},
			{"start":"2026-03-01 10:00","end":"2026-03-01 10:30","minutes":30}]}`, "sessions[1].start", "SESSIONS_INVALID"},
		{"missing in a session", head + `"sessions":[{"start":"2026-03-01 09:00","minutes":90}]}`, "sessions[0].end", "CELL_MISSING"},
		{"unknown in a session", head + `"sessions":[{"start":"2026-03-01 09:00","end":"2026-03-01 10:30","minutes":90,"x":1}]}`, "sessions[0].x", "COLUMN_UNKNOWN"},
		{"a list", `[1]`, "", "ROW_MALFORMED"},
		{"two objects", one + `}{}`, "", "ROW_MALFORMED"},
		{"half an object", one, "", "ROW_MALFORMED"},
		{"object as a value", strings.Replace(one, `"classroom"`, `{}`, 1) + `}`, "mode", "ROW_MALFORMED"},
		{"too long", one + strings.Repeat(" ", 1<<16) + `}`, "", "ROW_MALFORMED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line := strings.ReplaceAll(strings.ReplaceAll(test.line, "\n", ""), "\t", "")
			rows, wrong, err := read(sheet.JSONL, "\n"+line+"\n"+one+"}")
			if err != nil {
				t.Fatal(err)
			}
			last := rows[len(rows)-1]
			if last.Line != 3 {
				t.Errorf("the row after it is on line %d, want 3", last.Line)
			}
			if test.reason == "" {
				if len(rows) != 2 || len(wrong) > 0 || !proto.Equal(rows[0].Completion.GetSessions()[0], last.Completion.GetSessions()[0]) {
					t.Errorf("rows %d, wrong %v", len(rows), wrong)
				}
				return
			}
			if len(rows) != 1 || len(wrong) != 1 || wrong[0].Line != 2 || len(wrong[0].Flaws) != 1 ||
				wrong[0].Flaws[0].Column != test.column || wrong[0].Flaws[0].Reason != test.reason {
				t.Errorf("rows %d, wrong %+v, want only %s at %q", len(rows), wrong, test.reason, test.column)
			}
		})
	}
}

func TestExamples(t *testing.T) {
	accounts, err := os.ReadFile(filepath.Join(examples, "accounts.txt"))
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(accounts))
	for _, name := range []string{"completions.csv", "completions.jsonl"} {
		text, err := os.ReadFile(filepath.Join(examples, name))
		if err != nil {
			t.Fatal(err)
		}
		format, _ := sheet.FormatOf(name)
		rows, wrong, err := read(format, string(text))
		if err != nil || len(wrong) > 0 || len(rows) != 12 {
			t.Errorf("%s: %d rows, wrong %v, end %v", name, len(rows), wrong, err)
		}
		for _, row := range rows {
			if !slices.Contains(known, row.Completion.GetAccountNumber()) {
				t.Errorf("%s:%d: the account is not in accounts.txt", name, row.Line)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(examples, "opening-balances.csv"))
	if err != nil {
		t.Fatal(err)
	}
	opening, wrong, err := balances(string(text), 45)
	if err != nil || len(wrong) > 0 || len(opening) != 8 {
		t.Errorf("opening-balances.csv: %d rows, wrong %v, end %v", len(opening), wrong, err)
	}
	for _, row := range opening {
		if !slices.Contains(known, row.Row.GetAccountNumber()) {
			t.Errorf("opening-balances.csv:%d: the account is not in accounts.txt", row.Line)
		}
	}
}

func TestColumnOf(t *testing.T) {
	for field, want := range map[string]string{
		"id": "id", "salt": "", "completion.account_number": "account_number", "completion.course_version": "course_version",
		"completion.sessions": "start", "completion.sessions[0].end_time": "end", "completion.sessions[0].minutes": "minutes",
		"completion.sessions[2].start_time": "sessions[2].start", "completion.attendance.held": "held", "completion.attendance": "",
		"": "", "completion": "",
	} {
		if got := sheet.ColumnOf(field); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
}

// key is the same in every run.
func key(t testing.TB, algorithm keyring.Algorithm, seed byte) *keyring.PrivateKey {
	t.Helper()
	private, err := keyring.Generate(algorithm, bytes.NewReader(bytes.Repeat([]byte{seed}, 256)))
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func secret(t testing.TB, seed byte) sheet.Secret {
	t.Helper()
	s, err := sheet.NewSecret(bytes.Repeat([]byte{seed}, sheet.MinSecretBytes))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The bytes come from testdata/statement.py: if they ever change, rows that were posted before come back as conflicts.
func TestStatementsNeverChange(t *testing.T) {
	rows, _, _ := read(sheet.CSV, csvOf(map[string]string{"held": "2", "attended": "1", "late": "1", "score": "88", "passed": "yes", "site": "a/b"}))
	s := secret(t, 7)
	id, err := s.ID(rows[0].Completion, 0)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := s.Statement(id, rows[0].Completion)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/statement.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := id.String()+"\n"+hex.EncodeToString(statement)+"\n", string(golden); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestSecretOfKey(t *testing.T) {
	completion := &statementv1.Completion{AccountNumber: "8241685281720300"}
	seen := make(map[unit.StatementID]string)
	for _, algorithm := range []keyring.Algorithm{keyring.Ed25519, keyring.ECDSAP256SHA256} {
		for _, seed := range []byte{byte(algorithm), 10 + byte(algorithm)} {
			name := fmt.Sprint(algorithm, " ", seed)
			var ids [2]unit.StatementID
			for i := range ids {
				private := key(t, algorithm, seed)
				text, err := private.MarshalPEM()
				if err != nil {
					t.Fatal(err)
				}
				if private, err = keyring.ParsePrivateKeyPEM(text); err != nil { // as another run reads it
					t.Fatal(err)
				}
				s, err := sheet.SecretOfKey(private)
				if err != nil {
					t.Fatal(err)
				}
				if ids[i], err = s.ID(completion, 0); err != nil {
					t.Fatal(err)
				}
			}
			if ids[0] != ids[1] {
				t.Errorf("%s: two ids for one row", name)
			}
			if other, ok := seen[ids[0]]; ok {
				t.Errorf("%s and %s give one id", name, other)
			}
			seen[ids[0]] = name
		}
	}
	if _, err := sheet.NewSecret(make([]byte, sheet.MinSecretBytes-1)); err == nil {
		t.Error("a short secret was taken")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if got := fmt.Sprintf(verb, secret(t, 1)); got != "secret" {
			t.Errorf("the secret prints as %q", got)
		}
	}
}

// Ids are the same for the same content and occurrence, and different for any other; statements follow from them.
func TestIDsAreStableAndDistinct(t *testing.T) {
	s, other := secret(t, 1), secret(t, 2)
	type content struct {
		account, course string
		minutes         int
		before          uint64
	}
	seen, drawn := make(map[unit.StatementID]content), make(map[content]bool)
	rapid.Check(t, func(t *rapid.T) {
		c := content{
			account: rapid.SampledFrom([]string{"8241685281720300", "8319828543671302", "1604142860506094"}).Draw(t, "account"),
			course:  rapid.StringMatching(`[a-c]{1,2}`).Draw(t, "course"),
			minutes: rapid.IntRange(1, 90).Draw(t, "minutes"),
			before:  rapid.Uint64Range(0, 2).Draw(t, "before"),
		}
		text := csvOf(map[string]string{"account_number": c.account, "course": c.course, "minutes": fmt.Sprint(c.minutes)})
		rows, _, err := read(sheet.CSV, text)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v", err)
		}
		id, err := s.ID(rows[0].Completion, c.before)
		if err != nil {
			t.Fatal(err)
		}
		if known, ok := seen[id]; ok && known != c {
			t.Fatalf("%+v and %+v share an id", known, c)
		}
		seen[id], drawn[c] = c, true
		if id.Version() != 8 || id.Variant().String() != "RFC4122" {
			t.Fatalf("%s is version %d, variant %s", id, id.Version(), id.Variant())
		}
		if again, _ := s.ID(proto.Clone(rows[0].Completion).(*statementv1.Completion), c.before); again != id {
			t.Fatalf("two ids for %+v", c)
		}
		if foreign, _ := other.ID(rows[0].Completion, c.before); foreign == id {
			t.Fatalf("another secret gives the same id")
		}
		first, err := s.Statement(id, rows[0].Completion)
		if err != nil {
			t.Fatal(err)
		}
		second, _ := s.Statement(id, rows[0].Completion)
		if !bytes.Equal(first, second) {
			t.Fatal("two statements for one row")
		}
		var statement statementv1.Statement
		if err := proto.Unmarshal(first, &statement); err != nil || len(statement.GetSalt()) != 16 || !bytes.Equal(statement.GetId(), id[:]) {
			t.Fatalf("statement %v: %v", &statement, err)
		}
	})
	if len(seen) != len(drawn) || len(seen) < 2 {
		t.Errorf("%d contents have %d ids", len(drawn), len(seen))
	}
}

func FuzzCSV(f *testing.F) {
	f.Add(csvOf(nil))
	f.Add(csvOf(map[string]string{"start": "a;b", "account_number": "4.4E+17"}))
	f.Fuzz(func(t *testing.T, text string) { holds(t, sheet.CSV, text) })
}

func FuzzJSONL(f *testing.F) {
	f.Add(`{"account_number":"8241685281720300","provider":"xx","course":"c","course_version":"1","mode":"online","sessions":[{"start":"2026-03-01 09:00","end":"2026-03-01 10:30","minutes":90}]}`)
	f.Add(`{"a":{"b":[1,2`)
	f.Fuzz(func(t *testing.T, text string) { holds(t, sheet.JSONL, text) })
}

// holds checks what the bank would: a row that was read is a completion that it takes.
func holds(t *testing.T, format sheet.Format, text string) {
	t.Helper()
	rows, wrong, _ := read(format, text)
	for _, e := range wrong {
		if len(e.Flaws) == 0 || e.Line < 1 || e.Error() == "" {
			t.Errorf("a wrong row without a flaw or a line: %+v", e)
		}
	}
	for _, row := range rows {
		c := row.Completion
		if _, err := unit.ParseAccountNumber(c.GetAccountNumber()); err != nil {
			t.Error(err)
		}
		if c.GetMode() == 0 || c.GetCourse() == "" || c.GetCourseVersion() == "" || len(c.GetSessions()) == 0 {
			t.Errorf("something is missing: %v", c)
		}
		var last time.Time
		for _, session := range c.GetSessions() {
			start, end := session.GetStartTime().AsTime(), session.GetEndTime().AsTime()
			if !end.After(start) || start.Before(last) || end.Nanosecond() != 0 || session.GetMinutes() < 0 {
				t.Errorf("session %v after %v", session, last)
			}
			last = end
		}
		if a := c.GetAttendance(); a != nil && (a.GetHeld() < 1 || a.GetAttended()+a.GetLate() > a.GetHeld()) {
			t.Errorf("attendance %v", a)
		}
	}
}
