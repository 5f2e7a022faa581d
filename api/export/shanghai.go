package export

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Codes of the profiles of the Shanghai credit bank. Empty: it is not known.
type (
	// Level is the level of a programme (教育层次).
	Level string
	// Category is the category of education (教育类别).
	Category string
	// Graduation is how somebody left a programme (毕业结业肄业).
	Graduation string
	// Season is in which half of the year that was (毕业季).
	Season string
	// Source is what was converted (原课程来源).
	Source string
)

// The codes.
const (
	LevelBachelor   Level = "20" // 本科
	LevelJunior     Level = "21" // 专科
	LevelUpgrade    Level = "22" // 专升本
	LevelFromSchool Level = "23" // 高起本

	CategoryAdult      Category = "30" // 成人
	CategoryRegular    Category = "31" // 普高
	CategoryNetwork    Category = "32" // 网络
	CategoryVocational Category = "33" // 中职
	CategorySelfTaught Category = "34" // 自考

	Graduated Graduation = "40" // 毕业
	Completed Graduation = "41" // 结业

	Spring Season = "50" // 春
	Autumn Season = "51" // 秋

	SourceCourse      Source = "01" // 课程
	SourceCertificate Source = "02" // 证书
)

// Deposit is what the deposit profile asks for and only the learner's school knows. Each field may be empty.
type Deposit struct {
	// StudentNumber (学号) and Major (专业) have at most 64 characters, Year (届别) is YYYY.
	StudentNumber, Major, Year string
	Level                      Level
	Category                   Category
	Graduation                 Graduation
	Season                     Season
}

const maxFieldCharacters = 64

// Check answers an error that wraps ErrCode and names the field.
func (d Deposit) Check() error {
	for _, field := range []struct {
		name string
		ok   bool
		want string
	}{
		{"student_number", fits(d.StudentNumber), "at most 64 characters on one line"},
		{"major", fits(d.Major), "at most 64 characters on one line"},
		{"graduation_year", d.Year == "" || isDigits(d.Year, len("2026")), "a year, YYYY"},
		{"level", d.Level == "" || slices.Contains([]Level{LevelBachelor, LevelJunior, LevelUpgrade, LevelFromSchool}, d.Level), "20, 21, 22 or 23"},
		{
			"category", d.Category == "" ||
				slices.Contains([]Category{CategoryAdult, CategoryRegular, CategoryNetwork, CategoryVocational, CategorySelfTaught}, d.Category), "30 to 34",
		},
		{"graduation", d.Graduation == "" || slices.Contains([]Graduation{Graduated, Completed}, d.Graduation), "40 or 41"},
		{"season", d.Season == "" || slices.Contains([]Season{Spring, Autumn}, d.Season), "50 or 51"},
	} {
		if !field.ok {
			return &CodeError{field.name, field.want}
		}
	}
	return nil
}

// CodeError names a field of a profile that has none of its values. It wraps [ErrCode].
type CodeError struct {
	// Field is the field, Want what it may be.
	Field, Want string
}

// Error implements error.
func (e *CodeError) Error() string { return fmt.Sprintf("%v: %s is %s", ErrCode, e.Field, e.Want) }

// Unwrap answers ErrCode.
func (*CodeError) Unwrap() error { return ErrCode }

func fits(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxFieldCharacters && clean(s) == s
}

func isDigits(s string, count int) bool {
	return len(s) == count && strings.Trim(s, "0123456789") == ""
}

// depositColumns are the columns of the deposit profile (成绩存入).
func depositColumns() []string {
	return []string{
		"学号", "姓名", "身份证号", "专业名称", "课程名称", "教育层次代码", "教育类别代码", "学分", "学时", "成绩", "获得时间",
		"届别", "毕业结业肄业", "毕业季", "备注",
	}
}

// deposits are the rows of the deposit profile: one for each result. It has no place for what is not to be used any more, or not
// yet, so that is not in it.
func (r Record) deposits(results Results) rows {
	return func(yield func([]string, error) bool) {
		d, l := r.Deposit, r.Learner
		for result, err := range results {
			if err != nil {
				yield(nil, err)
				return
			}
			if !result.Earned() || (result.Credits.Earned() > 0 && result.Credits.Available == 0) {
				continue
			}
			if !yield([]string{
				d.StudentNumber, l.Name, l.Document, d.Major, result.Title, string(d.Level), string(d.Category),
				credits(result.Credits.Available), result.learned(), grade(result), yearMonth(result.To),
				d.Year, string(d.Graduation), string(d.Season), result.remark(),
			}, nil) {
				return
			}
		}
	}
}

// learned are the learning hours (学时); empty where credits were taken over without the hours that had led to them.
func (r Result) learned() string {
	if r.Kind == OpeningBalance && r.Minutes == 0 {
		return ""
	}
	return hours(r.Minutes, r.Hour)
}

// grade is a score, or that it was passed where nothing more is known.
func grade(r Result) string {
	switch {
	case r.Score != nil:
		return strconv.Itoa(int(*r.Score))
	case r.Passed != nil && *r.Passed:
		return "合格"
	default:
		return ""
	}
}

// yearMonth is YYYYMM of YYYY-MM-DD; empty if that is none.
func yearMonth(date string) string {
	if len(date) != len("2006-01-02") {
		return ""
	}
	return date[:4] + date[5:7]
}

// remark says what is no course of a platform.
func (r Result) remark() string {
	switch r.Kind {
	case OpeningBalance:
		return "期初余额：" + r.ProviderName
	case Claim:
		return "先前学习认定：" + r.ProviderName
	default:
		return ""
	}
}

// Converted is what the conversion profile asks for and only the school that took credits over knows. Each field may be empty.
type Converted struct {
	// School is the code that the credit bank gave the school (转换学校代码): at most 64 characters.
	School string
	// Level is the level of its programme (转换后教育层次).
	Level Level
}

// Check answers an error that wraps ErrCode and names the field.
func (c Converted) Check() error {
	switch {
	case !fits(c.School):
		return &CodeError{"school_code", "at most 64 characters on one line"}
	case (Deposit{Level: c.Level}).Check() != nil:
		return &CodeError{"converted_level", "20, 21, 22 or 23"}
	default:
		return nil
	}
}

// Conversion is one course of a programme for which credits of a learner were taken over.
type Conversion struct {
	// School is the code that the credit bank gave the school that took them over.
	School string
	// Source is what they were for, with the name of its programme (empty: none), its own name and that of the institution.
	Source                     Source
	Major, Course, Institution string
	Level                      Level
	Category                   Category
	Credits                    unit.Credits
	Minutes, Hour              unit.Minutes
	Score                      *int32
	Passed                     *bool
	// Earned is when, Converted when they were taken over: YYYY-MM-DD.
	Earned, Converted string
	// To is what they became.
	To ConvertedCourse
}

// ConvertedCourse is a course of the programme of the school that took credits over.
type ConvertedCourse struct {
	Level        Level
	Code, Course string
	Credits      unit.Credits
	Major        string
}

// conversionColumns are the nineteen columns of the conversion profile (成绩转换).
func conversionColumns() []string {
	return []string{
		"姓名", "身份证号", "转换学校代码", "原课程来源代码", "原专业名称", "原课程名称", "原办学机构", "原教育层次代码", "原教育类别代码",
		"原学分", "原学时", "原成绩", "获得时间", "转换后教育层次代码", "转换后课程代码", "转换后课程名称", "转换后学分", "转换时间",
		"转换后专业名称",
	}
}

// WriteConversions writes what of a learner's credits was taken over, in the conversion profile: as [ConversionCSV] or
// [ConversionXLSX].
func WriteConversions(w io.Writer, f Format, r Record, conversions iter.Seq2[Conversion, error]) error {
	all := func(yield func([]string, error) bool) {
		for c, err := range conversions {
			if err == nil {
				err = c.check()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(c.cells(r.Learner), nil) {
				return
			}
		}
	}
	switch f {
	case ConversionCSV:
		return writeCSV(w, conversionColumns(), all)
	case ConversionXLSX:
		return writeXLSX(w, sheet{"学分转换", r.Bank.Organization, r.Generated}, conversionColumns(), all)
	default:
		return fmt.Errorf("%w: %q has no conversion profile", ErrFormat, string(f))
	}
}

func (c Conversion) check() error {
	if !slices.Contains([]Source{SourceCourse, SourceCertificate}, c.Source) {
		return &CodeError{"source", "01 or 02"}
	}
	for _, d := range []Deposit{{Level: c.Level, Category: c.Category}, {Level: c.To.Level}} {
		if err := d.Check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Conversion) cells(l Learner) []string {
	original := Result{Score: c.Score, Passed: c.Passed, Outcome: ledgerv1.Outcome_OUTCOME_AWARDED}
	return []string{
		l.Name, l.Document, c.School, string(c.Source), c.Major, c.Course, c.Institution, string(c.Level), string(c.Category),
		credits(c.Credits), hours(c.Minutes, c.Hour), grade(original), yearMonth(c.Earned), string(c.To.Level), c.To.Code, c.To.Course,
		credits(c.To.Credits), yearMonth(c.Converted), c.To.Major,
	}
}
