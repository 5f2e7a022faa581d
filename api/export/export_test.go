package export_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// record is that of an invented person.
func record() export.Record {
	return export.Record{
		Bank: export.Bank{ID: "xihu.test", Origin: "log.xihu.test/2026", Organization: "西湖区社区学院", Code: "52330106000000000K"},
		Learner: export.Learner{
			Name: "章小满", Document: "330106199001010014", DocumentKind: "resident_identity", Number: "1234567812345670",
			Account: "000102030405060708090a0b0c0d0e0f", BirthDate: "1990-01-01",
		},
		Generated: time.Date(2026, time.June, 15, 2, 0, 0, 0, time.UTC), LogSize: 99,
		Deposit: export.Deposit{
			StudentNumber: "20260001", Major: "工商管理", Year: "2026", Level: export.LevelUpgrade, Category: export.CategoryAdult,
			Graduation: export.Graduated, Season: export.Spring,
		},
	}
}

// results are one of each kind.
func results() []export.Result {
	arts := export.Text{ZH: "人文艺术", EN: "Humanities and arts"}
	return []export.Result{
		{
			Index: 40, Kind: export.Completion, Title: "书法入门", Course: "calligraphy", Version: "1", Provider: "beishan-school",
			ProviderName: "北山街道社区学校", Category: "arts", CategoryName: arts, Level: 1, From: "2026-06-13", To: "2026-06-14",
			Recorded: time.Date(2026, time.June, 15, 1, 0, 0, 5000, time.UTC), Mode: statementv1.Mode_MODE_CLASSROOM,
			Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Minutes: 100, Hour: 45,
			Credits: export.Credits{Available: 1500, Pending: 500, Transferred: 250}, Points: 2000, Score: new(int32(92)), Passed: new(true),
			PolicyHash: []byte{0xab, 0xcd}, Note: "第一行\n第二行",
			Reasons: []export.Reason{{Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: "offline", Before: 100, After: 2250}},
		},
		{
			Index: 31, Kind: export.Claim, Title: "茶艺师（四级）", ProviderName: "浙江省职业技能鉴定中心", Category: "vocational",
			CategoryName: export.Text{ZH: "职业技能", EN: "Vocational skills"}, From: "2024-03-01", To: "2024-06-30",
			Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Minutes: 1440, Hour: 45, Credits: export.Credits{Available: 2000},
		},
		{
			Index: 30, Kind: export.OpeningBalance, Title: "期初余额", ProviderName: "旧系统", SourceRecord: "A-17", Category: "arts",
			CategoryName: arts, To: "2020-12-31", Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Hour: 45, Credits: export.Credits{Available: 3000},
		},
		{
			Index: 29, Kind: export.Completion, Title: "家庭急救", Course: "first-aid", Version: "1", Provider: "beishan-school",
			ProviderName: "北山街道社区学校", Category: "health", To: "2020-06-30", Outcome: ledgerv1.Outcome_OUTCOME_NO_CREDIT,
			Minutes: 90, Hour: 45, Score: new(int32(40)), Passed: new(false),
		},
		{Index: 28, Kind: export.Completion, Title: "茶艺", Course: "tea", To: "2020-05-30", Outcome: ledgerv1.Outcome_OUTCOME_IN_REVIEW},
		{Index: 27, Kind: export.Completion, Title: "茶艺", Course: "tea", To: "2020-05-29", Outcome: ledgerv1.Outcome_OUTCOME_VOIDED},
		{
			Index: 26, Kind: export.Completion, Title: "书法", Course: "brush", To: "2020-05-28", Hour: 45, Minutes: 45,
			Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Credits: export.Credits{Transferred: 100},
		},
	}
}

func each[T any](all ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func written(t interface {
	Helper()
	Fatal(args ...any)
}, f export.Format, r export.Record, all ...export.Result,
) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := export.Write(&b, f, r, each(all...)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// golden compares a file with that of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is now\n%s\nand was\n%s", name, got, want)
	}
}

// depositHead has the fields of the profile in their order, by hand.
const depositHead = "学号,姓名,身份证号,专业名称,课程名称,教育层次代码,教育类别代码,学分,学时,成绩,获得时间,届别,毕业结业肄业,毕业季,备注"

const conversionHead = "姓名,身份证号,转换学校代码,原课程来源代码,原专业名称,原课程名称,原办学机构,原教育层次代码,原教育类别代码,原学分,原学时,原成绩," +
	"获得时间,转换后教育层次代码,转换后课程代码,转换后课程名称,转换后学分,转换时间,转换后专业名称"

func TestDeposit(t *testing.T) {
	t.Parallel()
	got := written(t, export.ShanghaiCSV, record(), results()...)
	want := "\uFEFF" + strings.Join([]string{
		depositHead,
		"20260001,章小满,330106199001010014,工商管理,书法入门,22,30,1.5,2.22,92,202606,2026,40,50,",
		"20260001,章小满,330106199001010014,工商管理,茶艺师（四级）,22,30,2,32,,202406,2026,40,50,先前学习认定：浙江省职业技能鉴定中心",
		"20260001,章小满,330106199001010014,工商管理,期初余额,22,30,3,,,202012,2026,40,50,期初余额：旧系统",
		"",
	}, "\r\n")
	if string(got) != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
	empty := record()
	empty.Deposit, empty.Learner = export.Deposit{}, export.Learner{Masked: true, Name: "章*满", Document: "**************0014"}
	got = written(t, export.ShanghaiCSV, empty, results()[0])
	if want := ",章*满,**************0014,,书法入门,,,1.5,2.22,92,202606,,,,\r\n"; !strings.HasSuffix(string(got), want) {
		t.Errorf("what is not known is not empty:\n%s", got)
	}
	passed := results()[0]
	passed.Score = nil
	if got := written(t, export.ShanghaiCSV, record(), passed); !strings.Contains(string(got), ",2.22,合格,202606,") {
		t.Errorf("passed without a score:\n%s", got)
	}
}

func conversion() export.Conversion {
	return export.Conversion{
		School: "10250", Source: export.SourceCertificate, Major: "茶艺", Course: "茶艺师（四级）", Institution: "浙江省职业技能鉴定中心",
		Level: export.LevelJunior, Category: export.CategoryVocational, Credits: 3500, Minutes: 1440, Hour: 45, Score: new(int32(88)),
		Earned: "2024-06-30", Converted: "2026-06-15",
		To: export.ConvertedCourse{Level: export.LevelBachelor, Code: "GS101", Course: "茶文化", Credits: 3000, Major: "工商管理"},
	}
}

func TestConversion(t *testing.T) {
	t.Parallel()
	const row = "章小满,330106199001010014,10250,02,茶艺,茶艺师（四级）,浙江省职业技能鉴定中心,21,33,3.5,32,88,202406,20,GS101,茶文化,3,202606,工商管理"
	if n := len(strings.Split(conversionHead, ",")); n != 19 {
		t.Fatalf("the profile has %d fields", n)
	}
	var b bytes.Buffer
	if err := export.WriteConversions(&b, export.ConversionCSV, record(), each(conversion())); err != nil {
		t.Fatal(err)
	}
	if want := "\uFEFF" + conversionHead + "\r\n" + row + "\r\n"; b.String() != want {
		t.Errorf("it is\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := export.WriteConversions(&b, export.ConversionXLSX, record(), each(conversion())); err != nil {
		t.Fatal(err)
	}
	if got := opened(t, b.Bytes(), "学分转换"); !slices.Equal(got[0], strings.Split(conversionHead, ",")) || !slices.Equal(got[1], strings.Split(row, ",")) {
		t.Errorf("the workbook has %q", got)
	}
	for _, wrong := range []func(*export.Conversion){
		func(c *export.Conversion) { c.Source = "" },
		func(c *export.Conversion) { c.Level = "24" },
		func(c *export.Conversion) { c.To.Level = "19" },
		func(c *export.Conversion) { c.Category = "29" },
	} {
		c := conversion()
		wrong(&c)
		if err := export.WriteConversions(io.Discard, export.ConversionCSV, record(), each(c)); !errors.Is(err, export.ErrCode) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, f := range export.Formats() {
		conversions := export.WriteConversions(io.Discard, f, record(), each(conversion()))
		results := export.Write(io.Discard, f, record(), each(results()...))
		if errors.Is(conversions, export.ErrFormat) == f.OfConversions() || errors.Is(results, export.ErrFormat) != f.OfConversions() {
			t.Errorf("%s: %v, %v", f, conversions, results)
		}
	}
}

// What the school says that took credits over has its limits, too.
func TestConverted(t *testing.T) {
	t.Parallel()
	for c, field := range map[export.Converted]string{
		{}: "", {School: "10250", Level: export.LevelBachelor}: "", {School: "1\n2"}: "school_code",
		{School: strings.Repeat("9", 65)}: "school_code", {Level: "40"}: "converted_level",
	} {
		wrong := new(export.CodeError)
		if err := c.Check(); errors.As(err, &wrong) != (field != "") || wrong.Field != field {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Every code of the profile is taken, and nothing else.
func TestCodes(t *testing.T) {
	t.Parallel()
	for field, test := range map[string]struct {
		set   func(d *export.Deposit, code string)
		codes []string
	}{
		"level":           {func(d *export.Deposit, c string) { d.Level = export.Level(c) }, []string{"", "20", "21", "22", "23"}},
		"category":        {func(d *export.Deposit, c string) { d.Category = export.Category(c) }, []string{"", "30", "31", "32", "33", "34"}},
		"graduation":      {func(d *export.Deposit, c string) { d.Graduation = export.Graduation(c) }, []string{"", "40", "41"}},
		"season":          {func(d *export.Deposit, c string) { d.Season = export.Season(c) }, []string{"", "50", "51"}},
		"graduation_year": {func(d *export.Deposit, c string) { d.Year = c }, []string{"", "2026", "1999"}},
		"student_number":  {func(d *export.Deposit, c string) { d.StudentNumber = c }, []string{"", "A-1", strings.Repeat("学", 64)}},
		"major":           {func(d *export.Deposit, c string) { d.Major = c }, []string{"", "工商管理"}},
	} {
		for _, code := range test.codes {
			var d export.Deposit
			if test.set(&d, code); d.Check() != nil {
				t.Errorf("%s %q: %v", field, code, d.Check())
			}
		}
		for _, code := range []string{"42x", strings.Repeat("9", 65), "2 \n", "\xff"} {
			var d export.Deposit
			test.set(&d, code)
			wrong := new(export.CodeError)
			if err := d.Check(); !errors.As(err, &wrong) || wrong.Field != field || !errors.Is(err, export.ErrCode) {
				if code != "42x" || field != "student_number" && field != "major" {
					t.Errorf("%s %q: %v", field, code, err)
				}
			}
		}
	}
}

// opened are the cells of a workbook as a program reads them, every one of which is a text.
func opened(t interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
}, workbook []byte, name string,
) [][]string {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(workbook))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := f.GetRows(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		for j := range row {
			cell, err := excelize.CoordinatesToCellName(j+1, i+1)
			if err != nil {
				t.Fatal(err)
			}
			if kind, err := f.GetCellType(name, cell); err != nil || kind != excelize.CellTypeInlineString {
				t.Errorf("%s is of type %v, %v", cell, kind, err)
			}
			if formula, err := f.GetCellFormula(name, cell); err != nil || formula != "" {
				t.Errorf("%s has the formula %q, %v", cell, formula, err)
			}
		}
	}
	return rows
}

// A workbook opened again has the same cells as the CSV file, and a number of eighteen digits is one.
func TestWorkbook(t *testing.T) {
	t.Parallel()
	text := written(t, export.ShanghaiCSV, record(), results()...)
	want, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\uFEFF")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := opened(t, written(t, export.ShanghaiXLSX, record(), results()...), "学分存入")
	for i := range want {
		for len(got[i]) < len(want[i]) { // empty cells at the end are not answered
			got[i] = append(got[i], "")
		}
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("row %d is %q, want %q", i, got[i], want[i])
		}
	}
	if len(got) != len(want) || got[1][2] != "330106199001010014" {
		t.Errorf("the workbook has %q", got)
	}
}

func TestWorkbookLimits(t *testing.T) {
	t.Parallel()
	row := results()[0]
	many := slices.Repeat([]export.Result{row}, export.MaxSheetRows)
	if got := opened(t, written(t, export.ShanghaiXLSX, record(), many[:200]...), "学分存入"); len(got) != 201 {
		t.Errorf("%d rows", len(got))
	}
	for name, all := range map[string][]export.Result{
		"rows":   append(slices.Clone(many), row),
		"a cell": {{Title: strings.Repeat("长", 40_000), Outcome: ledgerv1.Outcome_OUTCOME_AWARDED}},
		"bytes":  slices.Repeat([]export.Result{{Title: strings.Repeat("&", 4_000), Outcome: ledgerv1.Outcome_OUTCOME_AWARDED}}, 1_000),
	} {
		if err := export.Write(io.Discard, export.ShanghaiXLSX, record(), each(all...)); !errors.Is(err, export.ErrSize) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := export.Write(io.Discard, export.ShanghaiXLSX, record(), each(many...)); err != nil {
		t.Errorf("%d rows: %v", len(many), err)
	}
}

// ofResults are the formats that have the results of a record.
func ofResults() []export.Format {
	return slices.DeleteFunc(export.Formats(), export.Format.OfConversions)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	r := record()
	r.Choice = export.Choice{From: "2020-01-01", Categories: []string{"arts", "vocational", "health"}}
	golden(t, "record.json", written(t, export.JSON, r, results()...))
	golden(t, "record.xml", written(t, export.ELMO, r, results()...))
}

// Errors of whoever reads and of whoever is written to come through, in every format.
func TestErrors(t *testing.T) {
	t.Parallel()
	fault := errors.New("some fault")
	for _, f := range ofResults() {
		err := export.Write(io.Discard, f, record(), func(yield func(export.Result, error) bool) {
			if yield(results()[0], nil) {
				yield(export.Result{}, fault)
			}
		})
		if !errors.Is(err, fault) {
			t.Errorf("%s: %v", f, err)
		}
		if err := export.Write(failing{fault}, f, record(), each(results()...)); !errors.Is(err, fault) {
			t.Errorf("%s, written: %v", f, err)
		}
		if f.MediaType() == "" || !strings.HasPrefix(f.FileName(record().Generated), "learning-record-") {
			t.Errorf("%s is called %q", f, f.FileName(record().Generated))
		}
	}
	if err := export.Write(io.Discard, "pdf", record(), each(results()...)); !errors.Is(err, export.ErrFormat) {
		t.Error(err)
	}
	if _, err := export.PerCourse(func(yield func(export.Result, error) bool) { yield(export.Result{}, fault) }); !errors.Is(err, fault) {
		t.Error(err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

// Of a course there is the best score, with what all of them gave.
func TestPerCourse(t *testing.T) {
	t.Parallel()
	course := func(index uint64, to string, score *int32) export.Result {
		return export.Result{
			Index: index, Kind: export.Completion, Provider: "p", Course: "c", To: to, Score: score, Minutes: unit.Minutes(index),
			Credits: export.Credits{Available: unit.Credits(index)}, Points: 1, Version: to,
		}
	}
	other := export.Result{Index: 9, Kind: export.Completion, Provider: "q", Course: "c", To: "2026-01-09"}
	claims := []export.Result{{Index: 5, Kind: export.Claim, To: "2026-01-05"}, {Index: 4, Kind: export.Claim, To: "2026-01-04"}}
	got, err := export.PerCourse(each(
		course(8, "2026-01-08", nil), course(7, "2026-01-07", new(int32(70))), claims[0], course(6, "2026-01-06", new(int32(90))),
		course(3, "2026-01-03", new(int32(90))), claims[1], other,
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0].Index != 9 || got[1].Index != 6 || got[2].Index != 5 || got[3].Index != 4 {
		t.Fatalf("%+v", got)
	}
	if best := got[1]; *best.Score != 90 || best.To != "2026-01-06" || best.Minutes != 24 || best.Credits.Available != 24 || best.Points != 4 ||
		!slices.Equal(best.Merged, []uint64{3, 7, 8}) {
		t.Errorf("%+v", best)
	}
}
