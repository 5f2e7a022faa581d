package web

import (
	"io"
	"mime"
	"net/http"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/export"
)

const (
	exportPath = "/portfolio/export"
	// exportBuffer is how much of a file waits before anything of it is sent: until then, what goes wrong is said on a page.
	exportBuffer = 256 << 10
)

// exportForm is the form with which a record is taken along.
type exportForm struct {
	Address string
	Formats []exportChoice
	Codes   []exportCodes
}

// exportChoice is a form of a file.
type exportChoice struct {
	Value, Label string
	// Form is what programs call it.
	Form, Words string
	Usual       bool
}

// exportForm offers the formats, the one for people first.
func (v recordView) exportForm(institutions []exportOption) exportForm {
	return exportForm{exportPath, []exportChoice{
		{
			string(export.ShanghaiXLSX), v.say("电子表格", "Workbook"), "Excel",
			v.say("按上海学分银行的存入格式：只含已认定、可以使用的学分，每门课程一行。", "The deposit profile of the Shanghai credit bank: credits that can be used, one row for each course."), true,
		},
		{
			string(export.ShanghaiCSV), v.say("文本表格", "Table"), "CSV",
			v.say("内容同上，供其他系统导入。", "The same, for other systems to read."), false,
		},
		{
			string(export.ConversionXLSX), v.say("转换表格", "Conversions"), "Excel",
			v.say("按上海学分银行的转换格式：其他院校已接收的学分。", "The conversion profile of the Shanghai credit bank: credits that institutions took over."), false,
		},
		{
			string(export.ConversionCSV), v.say("转换文本表格", "Table of conversions"), "CSV",
			v.say("内容同上，供其他系统导入。", "The same, for other systems to read."), false,
		},
		{
			string(export.ELMO), v.say("国际成绩单", "International transcript"), "ELMO XML",
			v.say("其他国家和地区的院校能够读取的格式。", "A form that institutions in other countries read."), false,
		},
		{
			string(export.JSON), v.say("完整数据", "Complete data"), "JSON",
			v.say("本行掌握的全部学习记录和理由，供您留存或用程序读取。", "Everything that the bank knows of your learning, with the reasons, to keep or for programs."), false,
		},
	}, v.codes(institutions)}
}

// export answers the record of whoever is signed in as a file. It is asked for by POST: nothing about it is part of an address.
func (s *site) export(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.caller(r)
	switch {
	case err != nil:
		return err
	case caller.Kind == access.Anonymous:
		return &api.Error{Kind: api.Unauthenticated, Reason: api.ReasonUnauthenticated, Message: "sign in to take a record along"}
	case caller.Kind != access.Resident:
		s.showFault(w, r, holdersFault())
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return &api.Error{Kind: api.Invalid, Reason: api.ReasonField, Message: "the form cannot be read", Cause: err}
	}
	form := r.PostForm
	file := &fileWriter{response: w}
	asked := api.Export{
		Account: caller.Account, Format: export.Format(form.Get("format")),
		Choice: export.Choice{
			From: form.Get("from"), To: form.Get("to"), EarnedOnly: form.Has("earned"), BestPerCourse: form.Has("best"),
		},
		Identity: form.Has("identity"),
	}
	readCodes(form, &asked)
	err = s.config.Bank.ExportPortfolio(r.Context(), caller, asked, func(f api.ExportedFile) (io.Writer, error) {
		file.file = f
		return file, nil
	})
	if err == nil {
		return file.flush()
	}
	if !file.begun {
		s.showFault(w, r, exportFault(known(w, err)))
		return nil
	}
	_ = known(w, err)           // for the log
	panic(http.ErrAbortHandler) // a browser then does not take the part for the whole
}

// exportFault is what a resident reads of an export that cannot be.
func exportFault(e *api.Error) fault {
	f := faultOf(e.Kind)
	if told, ok := codeFault(e, f); ok {
		return told
	}
	switch {
	case e.Reason == api.ReasonExportSize:
		f.title = phrase{"记录太多，一个表格放不下", "There is too much for one workbook"}
		f.text = phrase{"请返回后选择较短的时间段，或改选“文本表格”“完整数据”。", "Please go back and choose a shorter period, or the form CSV or JSON."}
	case e.Reason == api.ReasonExports:
		f.title = phrase{"另一个文件正在生成", "Another file is being made"}
		f.text = phrase{"请等它下载完成，或过一会儿再试。", "Please wait until it has arrived, or try again in a moment."}
	case e.Field == "from_date" || e.Field == "to_date":
		f.title = phrase{"日期有误", "A date is not right"}
		f.text = phrase{
			"请返回检查“开始日期”和“结束日期”：要写成 2026-03-01 这样，并且结束日期不能早于开始日期。",
			"Please go back and check the first and the last day: they are written 2026-03-01, and the last is not before the first.",
		}
	case e.Field == "format":
		f.title = phrase{"没有选择文件格式", "No form of file was chosen"}
		f.text = phrase{"请返回选择一种文件格式。", "Please go back and choose one."}
	}
	return f
}

// fileWriter is a file on its way to a browser.
type fileWriter struct {
	response http.ResponseWriter
	file     api.ExportedFile
	waiting  []byte
	begun    bool
}

// Write implements io.Writer.
func (f *fileWriter) Write(b []byte) (int, error) {
	f.waiting = append(f.waiting, b...)
	if len(f.waiting) < exportBuffer {
		return len(b), nil
	}
	return len(b), f.flush()
}

func (f *fileWriter) flush() error {
	if !f.begun {
		f.begun = true
		h := f.response.Header()
		h.Set("Content-Type", f.file.MediaType)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.file.Name}))
	}
	_, err := f.response.Write(f.waiting)
	f.waiting = f.waiting[:0]
	if err != nil {
		return &api.Error{Kind: api.Canceled, Reason: api.ReasonCanceled, Message: "whoever asked has gone away", Cause: err}
	}
	return nil
}
