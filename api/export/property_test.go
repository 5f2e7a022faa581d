package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// hostile are texts that files have trouble with.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOfN(rapid.RuneFrom([]rune("=+-@＝＋－＠'\"\t\r\n\x00\x0b\x7f\u0085\u200b\u202e\ufeff\ufffe\uffff|&<>]];,💥é 学1")), 0, 12, -1),
		rapid.SampledFrom([]string{
			"", "=1+1", " =1+1", "\t=cmd|'/c calc'!A1", "@SUM(A1)", "-2+3", "+8613800000000", "\ufeff=1", "'=1", "=\"a\"", "a\r\nb,c", "\xff\xfe",
			"]]>", "<script>", "&amp;", "_x0041_", "330106199001010014", "1e5", "TRUE", "\u0301=1", "\U0010ffff", strings.Repeat("长", 300),
		}),
	)
}

func drawnResult(t *rapid.T) export.Result {
	amount := rapid.Int64Range(0, 1_000_000)
	r := export.Result{
		Index:        rapid.Uint64().Draw(t, "index"),
		Kind:         rapid.SampledFrom([]export.Kind{export.Completion, export.OpeningBalance, export.Claim}).Draw(t, "kind"),
		Title:        hostile().Draw(t, "title"),
		Course:       rapid.SampledFrom([]string{"a", "b"}).Draw(t, "course"),
		Provider:     rapid.SampledFrom([]string{"p", "q"}).Draw(t, "provider"),
		ProviderName: hostile().Draw(t, "provider name"),
		Category:     "arts",
		CategoryName: export.Text{ZH: hostile().Draw(t, "zh"), EN: hostile().Draw(t, "en")},
		Level:        rapid.IntRange(0, 10).Draw(t, "level"),
		To:           rapid.SampledFrom([]string{"2026-01-31", "2026-02-01", "1999-12-31"}).Draw(t, "to"),
		Outcome:      ledgerv1.Outcome(rapid.Int32Range(0, 8).Draw(t, "outcome")),
		Minutes:      unit.Minutes(amount.Draw(t, "minutes")),
		Hour:         unit.Minutes(rapid.SampledFrom([]int64{0, 45, 50, 60}).Draw(t, "hour")),
		Credits: export.Credits{
			Pending: unit.Credits(amount.Draw(t, "pending")), Available: unit.Credits(amount.Draw(t, "available")),
			Transferred: unit.Credits(amount.Draw(t, "transferred")), Reversed: unit.Credits(amount.Draw(t, "reversed")),
		},
		Score: rapid.Ptr(rapid.Int32Range(0, 100), true).Draw(t, "score"), Passed: rapid.Ptr(rapid.Bool(), true).Draw(t, "passed"),
		Note: hostile().Draw(t, "note"), SourceRecord: hostile().Draw(t, "record"),
	}
	return r
}

func drawnRecord(t *rapid.T) (export.Record, []export.Result) {
	r := record()
	r.Learner.Name = hostile().Draw(t, "name")
	r.Bank.Organization = hostile().Draw(t, "organization")
	return r, rapid.SliceOfN(rapid.Custom(drawnResult), 0, 4).Draw(t, "results")
}

// startsFormula says whether a spreadsheet could take a cell for a formula.
func startsFormula(cell string) bool {
	seen := strings.TrimFunc(cell, func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Mn, unicode.Me)
	})
	return seen != "" && strings.ContainsAny(seen[:1], "=+-@") || strings.ContainsAny(firstRune(seen), "＝＋－＠")
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// Whatever its texts hold, a file is well formed, has its columns, starts no formula, and is the same each time.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, all := drawnRecord(t)
		files := make(map[export.Format][]byte)
		for _, f := range ofResults() {
			files[f] = written(t, f, r, all...)
			if again := written(t, f, r, all...); !bytes.Equal(files[f], again) {
				t.Errorf("%s is another file the second time", f)
			}
		}
		deposited := 0
		for _, result := range all {
			if result.Earned() && (result.Credits.Earned() == 0 || result.Credits.Available > 0) {
				deposited++
			}
		}
		rows := checkCSV(t, files[export.ShanghaiCSV], deposited)
		checkWorkbook(t, files[export.ShanghaiXLSX], rows)
		checkELMO(t, files[export.ELMO])
		checkJSON(t, files[export.JSON], all)
	})
}

func checkCSV(t *rapid.T, file []byte, count int) [][]string {
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\uFEFF")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != count+1 || !utf8.Valid(file) || strings.Join(rows[0], ",") != depositHead {
		t.Errorf("%d rows for %d results", len(rows), count)
	}
	for _, row := range rows {
		if len(row) != 15 {
			t.Errorf("a row has %d cells", len(row))
		}
		for _, cell := range row {
			if startsFormula(cell) || strings.ContainsFunc(cell, unicode.IsControl) {
				t.Errorf("the cell %q", cell)
			}
		}
	}
	return rows
}

func checkWorkbook(t *rapid.T, file []byte, rows [][]string) {
	got := opened(t, file, "学分存入")
	if len(got) != len(rows) {
		t.Fatalf("the workbook has %d rows, and the CSV file %d", len(got), len(rows))
	}
	for i, want := range rows {
		for j, cell := range want {
			have := ""
			if j < len(got[i]) {
				have = got[i][j]
			}
			if have != cell && "'"+have != cell { // what was made harmless for CSV stands as it is
				t.Errorf("row %d, column %d is %q, not %q", i, j, have, cell)
			}
		}
	}
}

func checkJSON(t *rapid.T, file []byte, all []export.Result) {
	var read struct {
		Shape   string
		Entries []struct {
			Index uint64 `json:"entry_index"`
			Title string
		}
	}
	if err := json.Unmarshal(file, &read); err != nil {
		t.Fatal(err)
	}
	if read.Shape != "creditbank-record/1" || len(read.Entries) != len(all) {
		t.Errorf("%s with %d of %d entries", read.Shape, len(read.Entries), len(all))
	}
	for i, entry := range read.Entries {
		if entry.Index != all[i].Index || entry.Title != strings.ToValidUTF8(all[i].Title, "\ufffd") && utf8.ValidString(all[i].Title) {
			t.Errorf("entry %d is %q", i, entry.Title)
		}
	}
}

// Whatever is merged, nothing is lost, and no course is there twice.
func TestPerCourseKeepsSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		_, all := drawnRecord(t)
		best, err := export.PerCourse(each(all...))
		if err != nil {
			t.Fatal(err)
		}
		var before, after export.Credits
		var minutes unit.Minutes
		entries := 0
		for _, r := range all {
			before = before.Add(r.Credits)
			minutes += r.Minutes
		}
		courses := make(map[[2]string]bool)
		for i, r := range best {
			after = after.Add(r.Credits)
			minutes -= r.Minutes
			entries += 1 + len(r.Merged)
			if course := [2]string{r.Provider, r.Course}; r.Kind == export.Completion {
				if courses[course] {
					t.Errorf("%v is there twice", course)
				}
				courses[course] = true
			}
			if i > 0 && best[i-1].To < r.To {
				t.Error("they are not in their order")
			}
			for _, other := range all {
				if other.Kind == export.Completion && r.Kind == other.Kind && other.Course == r.Course && other.Provider == r.Provider &&
					other.Score != nil && (r.Score == nil || *other.Score > *r.Score) {
					t.Errorf("there is the better score %d", *other.Score)
				}
			}
		}
		if before != after || minutes != 0 || entries != len(all) {
			t.Errorf("%+v became %+v, %d minutes are missing, and there are %d entries for %d", before, after, minutes, entries, len(all))
		}
	})
}

// FuzzCSV looks for a title that leaves its cell, or starts a formula.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"=1+1", "\t=1", "a\r\nb", "\"", "'", "\ufeff@x", "\xff", "－1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, title string) {
		r := export.Result{Title: title, Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, To: "2026-01-01"}
		rows, err := csv.NewReader(bytes.NewReader(written(t, export.ShanghaiCSV, record(), r))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 2 || len(rows[1]) != 15 || startsFormula(rows[1][4]) || rows[1][5] != "22" {
			t.Errorf("%q became %q", title, rows)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	all := slices.Repeat([]export.Result{results()[0]}, 10_000)
	for _, f := range ofResults() {
		b.Run(string(f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := export.Write(io.Discard, f, record(), each(all...)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/result")
		})
	}
}
