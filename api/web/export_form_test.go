package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger"
)

// A resident takes the record along in every format that the page offers, and nothing about it is part of an address.
func TestExport(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := lived(t, b)
	person, err := b.Vault.Person(t.Context(), account.ID)
	if err != nil {
		t.Fatal(err)
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(account.ID))
	var offered []string
	for _, lang := range []string{"zh", "en"} {
		root := parse(t, v.page("/portfolio?lang="+lang))
		if !slices.Contains(attributes(root, "action"), "/portfolio/export") {
			t.Fatal("the page offers no export")
		}
		offered = nil
		for _, input := range elements(root, "input") {
			if attribute(input, "name") == "format" {
				offered = append(offered, attribute(input, "value"))
			}
		}
	}
	if want := []string{"shanghai-xlsx", "shanghai-csv", "shanghai-conversion-xlsx", "shanghai-conversion-csv", "elmo", "json"}; !slices.Equal(offered, want) {
		t.Errorf("it offers %q", offered)
	}
	for _, format := range offered {
		for _, identity := range []bool{false, true} {
			form := url.Values{"format": {format}, "from": {""}, "to": {""}}
			if identity {
				form.Set("identity", "on")
			}
			w := v.do(http.MethodPost, "/portfolio/export", form)
			content := w.Body.String()
			if strings.HasSuffix(format, "xlsx") {
				content = workbookText(t, w.Body.Bytes())
			}
			h := w.Header()
			disposition, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
			if w.Code != http.StatusOK || err != nil || disposition != "attachment" || !strings.HasPrefix(params["filename"], "learning-record-") ||
				h.Get("Content-Type") != export.Format(format).MediaType() || h.Get("Cache-Control") != "private, no-store" ||
				h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") == "" {
				t.Errorf("%s: %d, %v", format, w.Code, h)
			}
			if export.Format(format).OfConversions() { // nothing was taken over
				if !strings.Contains(content, "转换学校代码") || strings.Contains(content, "书法入门") {
					t.Errorf("%s:\n%s", format, content)
				}
				continue
			}
			if !strings.Contains(content, "书法入门") || strings.Contains(content, person.Document.Number) != identity ||
				strings.Contains(content, person.Name) != identity || strings.Contains(params["filename"], person.Name) {
				t.Errorf("%s, identity %v:\n%s", format, identity, content)
			}
		}
	}
	if log := v.log.String(); strings.Contains(log, person.Document.Number) || !strings.Contains(log, `route="POST /portfolio/export" status=200`) {
		t.Errorf("the log says\n%s", log)
	}
	w := v.do(http.MethodPost, "/portfolio/export", url.Values{
		"format": {"json"}, "from": {"2026-06-01"}, "to": {"2026-06-14"}, "earned": {"on"}, "best": {"on"},
	})
	var read struct{ Entries []any }
	if err := json.Unmarshal(w.Body.Bytes(), &read); err != nil || len(read.Entries) != 2 {
		t.Errorf("a part of it has %d entries, %v", len(read.Entries), err)
	}
}

func workbookText(t *testing.T, workbook []byte) string {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(workbook))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := f.GetRows(f.GetSheetName(0))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(strings.Join(row, "\t") + "\n")
	}
	return text.String()
}

// What can't be is said on a page, with what to do about it, in both languages.
func TestExportRefuses(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	s := newSite(t, b, nil)
	for name, test := range map[string]struct {
		token string
		form  url.Values
		code  int
		says  string
	}{
		"nobody":     {"", url.Values{"format": {"json"}}, http.StatusUnauthorized, "请先登录"},
		"an officer": {b.OfficerToken(apitest.Registrar), url.Values{"format": {"json"}}, http.StatusForbidden, "本页面供账户持有人使用"},
		"no format":  {b.ResidentToken(account.ID), url.Values{}, http.StatusBadRequest, "请返回选择一种文件格式"},
		"no date":    {b.ResidentToken(account.ID), url.Values{"format": {"json"}, "from": {"1.3.2026"}}, http.StatusBadRequest, "开始日期"},
		"backwards":  {b.ResidentToken(account.ID), url.Values{"format": {"json"}, "from": {"2026-03-02"}, "to": {"2026-03-01"}}, http.StatusBadRequest, "the last is not before the first"},
	} {
		v := s.visitor()
		if test.token != "" {
			v = s.signedIn(test.token)
		}
		w := v.do(http.MethodPost, "/portfolio/export", test.form)
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.says) || w.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s: %d\n%s", name, w.Code, w.Body)
		}
	}
	v := s.signedIn(b.ResidentToken(account.ID))
	if w := v.get("/portfolio/export"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
	v.header.Set("Sec-Fetch-Site", "cross-site")
	if w := v.do(http.MethodPost, "/portfolio/export", url.Values{"format": {"json"}}); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
}

// exporting is a bank whose exports write some bytes and then fail.
type exporting struct {
	fake

	bytes int
	err   error
}

func (exporting) Authenticate(context.Context, string) (access.Caller, error) {
	return access.Caller{Kind: access.Resident}, nil
}

func (e exporting) ExportPortfolio(_ context.Context, _ access.Caller, _ api.Export, begin func(api.ExportedFile) (io.Writer, error)) error {
	w, err := begin(api.ExportedFile{Name: "a.json", MediaType: "application/json"})
	if err != nil {
		return err
	}
	if _, err := w.Write(make([]byte, e.bytes)); err != nil {
		return err
	}
	return e.err
}

// A file that fails is a page, or a connection that breaks: never a file that looks whole.
func TestExportFails(t *testing.T) {
	t.Parallel()
	post := func(e exporting) (w *httptest.ResponseRecorder, broke bool, log string) {
		s := newSite(t, &e, nil)
		w = httptest.NewRecorder()
		defer func() {
			if cause, ok := recover().(error); ok {
				broke = errors.Is(cause, http.ErrAbortHandler)
			}
			log = s.log.String()
		}()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/portfolio/export", strings.NewReader("format=json"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.handler.ServeHTTP(w, r)
		return w, false, ""
	}
	damaged := ledger.ErrDamaged
	if w, broke, log := post(exporting{bytes: 1000, err: damaged}); broke || w.Code != http.StatusInternalServerError ||
		w.Header().Get("Content-Disposition") != "" || !strings.Contains(log, damaged.Error()) {
		t.Errorf("early: %v, %d, %s", broke, w.Code, log)
	}
	if w, broke, log := post(exporting{bytes: 1 << 20, err: damaged}); !broke || w.Code != http.StatusOK || !strings.Contains(log, damaged.Error()) {
		t.Errorf("late: %v, %d, %s", broke, w.Code, log)
	}
	for reason, says := range map[api.Reason]string{api.ReasonExportSize: "请返回后选择较短的时间段", api.ReasonExports: "Please wait until it has arrived"} {
		if w, _, _ := post(exporting{err: &api.Error{Kind: api.Invalid, Reason: reason}}); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", reason, w.Code, w.Body)
		}
	}
}
