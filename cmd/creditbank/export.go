package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// standardOutput is the value of --out for a file that goes on through a pipe.
const standardOutput = "-"

type exportCommand struct {
	Format   string   `required:"" enum:"shanghai-csv,shanghai-xlsx,shanghai-conversion-csv,shanghai-conversion-xlsx,elmo,json" help:"Form of the file: ${enum}. The Shanghai deposit profile has what was earned and can be used, one row for each course; its conversion profile what institutions took over."`
	Output   string   `name:"out" aliases:"output" short:"o" required:"" placeholder:"FILE" help:"File to write; \"-\": standard output."`
	Account  string   `placeholder:"ID" help:"Opaque id of the account (32 hex digits); residents leave it out: their own."`
	From     string   `placeholder:"DATE" help:"First day on which learning ended, YYYY-MM-DD."`
	To       string   `placeholder:"DATE" help:"Last such day, inclusive."`
	Category []string `placeholder:"ID" help:"Only these categories."`
	Earned   bool     `name:"earned-only" help:"Only what was passed and counts."`
	Best     bool     `name:"best-per-course" help:"One result for each course: the best score, with the minutes and credits of all."`
	Identity bool     `help:"Name and number of the identity document, account number and birth date are in the file; otherwise the first two are masked and the others left out."`
	Purpose  string   `placeholder:"CODE" help:"What the holder wants it for; officers have to say it, and the holder sees it."`

	Institution string `placeholder:"ID" help:"In the conversion profile: only what this institution took over."`

	Student    string `name:"student-number" group:"shanghai" placeholder:"TEXT" help:"学号"`
	Major      string `group:"shanghai" placeholder:"TEXT" help:"专业"`
	Year       string `name:"graduation-year" group:"shanghai" placeholder:"YYYY" help:"届别"`
	Level      string `group:"shanghai" enum:",20,21,22,23" default:"" placeholder:"CODE" help:"教育层次: 20 本科, 21 专科, 22 专升本, 23 高起本"`
	Education  string `name:"education" group:"shanghai" enum:",30,31,32,33,34" default:"" placeholder:"CODE" help:"教育类别: 30 成人, 31 普高, 32 网络, 33 中职, 34 自考"`
	Graduation string `group:"shanghai" enum:",40,41" default:"" placeholder:"CODE" help:"毕业结业肄业: 40 毕业, 41 结业"`
	Season     string `group:"shanghai" enum:",50,51" default:"" placeholder:"CODE" help:"毕业季: 50 春, 51 秋"`
	School     string `name:"school-code" group:"shanghai" placeholder:"CODE" help:"转换学校代码, of --institution"`
	Converted  string `name:"converted-level" group:"shanghai" enum:",20,21,22,23" default:"" placeholder:"CODE" help:"转换后教育层次, of --institution, as --level"`
}

// Run writes the record into a file, whole or not at all.
func (c *exportCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	stream, err := creditbankv1.NewPortfolioServiceClient(conn).ExportPortfolio(ctx, c.request())
	if err != nil {
		return err
	}
	// What is wrong with the request is said before a file is touched.
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	next := func() ([]byte, error) {
		part, err := stream.Recv()
		return part.GetChunk(), err
	}
	var size int64
	if c.Output == standardOutput {
		_, err = copyChunks(p.stdout, next)
		return err
	}
	if size, err = writeChunks(c.Output, next); err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, first.GetFile())
	}
	fmt.Fprintf(p.stdout, g.language(p).say("已写入 %s：%d 字节，依据账本前 %d 条记录。\n", "%s: %d bytes, from the first %d entries of the log\n"),
		c.Output, size, first.GetFile().GetLogSize())
	return nil
}

func (c *exportCommand) request() *creditbankv1.ExportPortfolioRequest {
	format := "EXPORT_FORMAT_" + strings.ToUpper(strings.ReplaceAll(c.Format, "-", "_"))
	return &creditbankv1.ExportPortfolioRequest{
		AccountId: c.Account, Format: creditbankv1.ExportFormat(creditbankv1.ExportFormat_value[format]),
		FromDate: c.From, ToDate: c.To, Categories: c.Category, EarnedOnly: c.Earned, BestPerCourse: c.Best,
		IncludeIdentity: c.Identity, Purpose: c.Purpose, Institution: c.Institution,
		Shanghai: &creditbankv1.ShanghaiFields{
			StudentNumber: c.Student, Major: c.Major, GraduationYear: c.Year,
			Level:      creditbankv1.EducationLevel(placeOf(c.Level, 20)),
			Category:   creditbankv1.EducationCategory(placeOf(c.Education, 30)),
			Graduation: creditbankv1.GraduationResult(placeOf(c.Graduation, 40)),
			Season:     creditbankv1.GraduationSeason(placeOf(c.Season, 50)),
			SchoolCode: c.School, ConvertedLevel: creditbankv1.EducationLevel(placeOf(c.Converted, 20)),
		},
	}
}

// placeOf is the place of a code, counted from 1, where the first one is known; 0 where there is none.
func placeOf(code string, first int) int32 {
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0
	}
	return int32(n - first + 1)
}

// writeChunks writes a file that only its owner reads: it is about a person. It is there when it is whole.
func writeChunks(name string, next func() ([]byte, error)) (size int64, err error) {
	file, err := os.CreateTemp(filepath.Dir(name), ".creditbank-*")
	if err != nil {
		return 0, usagef("--out: %v", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	size, err = copyChunks(file, next)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return 0, usagef("--out: %v", err)
	}
	return size, nil
}

// copyChunks writes chunks until their end.
func copyChunks(w io.Writer, next func() ([]byte, error)) (size int64, err error) {
	for {
		chunk, err := next()
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		n, err := w.Write(chunk)
		size += int64(n)
		if err != nil {
			return size, fmt.Errorf("writing: %v", err)
		}
	}
}
