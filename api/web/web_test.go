package web_test

import (
	"bytes"
	"crypto/ed25519"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is the pages under test with what they leave behind.
type site struct {
	t       *testing.T
	handler http.Handler
	log     *lines
	metrics *prometheus.Registry
}

// lines collects a log. Handlers run at the same time.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func verifierKey() string {
	return merkle.VerifierKey(apitest.Origin, make(ed25519.PublicKey, ed25519.PublicKeySize))
}

// newSite serves a bank; change may change what the pages stand on.
func newSite(t *testing.T, bank web.Bank, change func(*web.Config)) *site {
	t.Helper()
	s := &site{t: t, log: new(lines), metrics: prometheus.NewRegistry()}
	cfg := web.Config{
		Bank: bank, VerifierKey: verifierKey(), Metrics: s.metrics, Now: apitest.Start,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.handler, err = web.New(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

// visitor is a browser: it keeps cookies, and follows nothing by itself.
type visitor struct {
	*site

	cookies map[string]*http.Cookie
	header  http.Header
}

func (s *site) visitor() *visitor {
	return &visitor{site: s, cookies: make(map[string]*http.Cookie), header: make(http.Header)}
}

func (v *visitor) do(method, target string, form url.Values) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(r.Header, v.header)
	for _, c := range v.cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
			continue
		}
		v.cookies[c.Name] = c
	}
	return w
}

func (v *visitor) get(target string) *httptest.ResponseRecorder {
	v.t.Helper()
	return v.do(http.MethodGet, target, nil)
}

// page gets a page that has to be there.
func (v *visitor) page(target string) string {
	v.t.Helper()
	w := v.get(target)
	if w.Code != http.StatusOK {
		v.t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

func (v *visitor) signIn(token string) *httptest.ResponseRecorder {
	v.t.Helper()
	return v.do(http.MethodPost, "/sign-in", url.Values{"token": {token}})
}

// signedIn is a browser of somebody who has signed in.
func (s *site) signedIn(token string) *visitor {
	s.t.Helper()
	v := s.visitor()
	if w := v.signIn(token); w.Code != http.StatusSeeOther {
		s.t.Fatalf("signing in: %d %s", w.Code, w.Body)
	}
	return v
}

func TestVerifierKeyIsChecked(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "log.example", "log.example+00000000+AAAA"} {
		if _, err := web.New(web.Config{VerifierKey: key, Log: slog.New(slog.DiscardHandler), Now: apitest.Start}); err == nil {
			t.Errorf("the verifier key %q is taken", key)
		}
	}
}

func TestServerHasLimits(t *testing.T) {
	t.Parallel()
	s, err := web.Server(web.Config{
		Bank: apitest.NewBank(t), VerifierKey: verifierKey(), Log: slog.New(slog.DiscardHandler), Now: apitest.Start,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("a limit is missing: %+v", s)
	}
}

// Whatever is asked, the answer forbids scripts, framing and guessing of types, and only what is public may be stored.
func TestHeaders(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	s := newSite(t, b, func(c *web.Config) { c.Secure = true })
	resident := s.signedIn(b.ResidentToken(b.Open().ID))
	for _, test := range []struct {
		target, cache string
		status        int
	}{
		{"/", "private, no-store", 303},
		{"/portfolio", "private, no-store", 200},
		{"/portfolio?page=x", "private, no-store", 400},
		{"/sign-in", "private, no-store", 200},
		{"/nothing", "private, no-store", 404},
		{"/assets/nothing.css", "private, no-store", 404},
		{"/log/checkpoint", "no-store", 200},
		{"/log/key", "public, max-age=300", 200},
		{"/healthz", "no-store", 200},
		{"/readyz", "no-store", 200},
	} {
		w := resident.get(test.target)
		if w.Code != test.status {
			t.Errorf("%s: status %d, not %d", test.target, w.Code, test.status)
		}
		for name, want := range map[string]string{
			"Cache-Control": test.cache, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, not %q", test.target, name, got, want)
			}
		}
	}
	if w := newSite(t, b, nil).visitor().get("/healthz"); w.Header().Get("Strict-Transport-Security") != "" {
		t.Error("a site that is not secure says that it is")
	}
}

// The files beside the pages have addresses that change with them, so they may be stored for ever.
func TestAssets(t *testing.T) {
	t.Parallel()
	v := newSite(t, apitest.NewBank(t), nil).visitor()
	addresses := attributes(parse(t, v.page("/sign-in")), "href", "src")
	for suffix, contentType := range map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"} {
		i := -1
		for at, address := range addresses {
			if strings.HasPrefix(address, "/assets/") && strings.HasSuffix(address, suffix) {
				i = at
			}
		}
		if i < 0 {
			t.Fatalf("the page has no %s file: %q", suffix, addresses)
		}
		w := v.get(addresses[i])
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != contentType || w.Body.Len() == 0 ||
			w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", addresses[i], w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "://") && suffix == ".css" {
			t.Errorf("%s loads something from elsewhere", addresses[i])
		}
	}
}

func TestNoSuchRoute(t *testing.T) {
	t.Parallel()
	v := newSite(t, apitest.NewBank(t), nil).visitor()
	for _, target := range []string{"/nothing", "/portfolio/1", "//elsewhere.example/x", "/demo/sign-in/0", "/log/tile/entries/000"} {
		w := v.get(target)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, w.Code)
		}
		if strings.Contains(w.Body.String(), "elsewhere") {
			t.Errorf("%s: the page repeats the address", target)
		}
	}
	w := v.do(http.MethodDelete, "/portfolio", nil)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("DELETE: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := v.do(http.MethodHead, "/healthz", nil); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// Requests are counted and logged by route. No line holds what was asked for, or by whom.
func TestRequestsAreNoted(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	b.Record(b.Completion(account.Number))
	s := newSite(t, b, nil)
	token := b.ResidentToken(account.ID)
	v := s.signedIn(token)
	v.page("/portfolio?lang=en&secret=1")
	v.get("/nobody/" + string(account.Number))
	v.do("SECRET", "/portfolio", nil)

	log := s.log.String()
	for _, line := range []string{
		"method=POST route=\"POST /sign-in\" status=303", "method=GET route=\"GET /portfolio\" status=200", "method=GET route=none status=404",
	} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %q:\n%s", line, log)
		}
	}
	for _, private := range []string{token, string(account.Number), account.Number.Grouped(), account.ID.String(), "secret", "SECRET", "nobody"} {
		if strings.Contains(log, private) {
			t.Errorf("the log holds %q", private)
		}
	}

	counted := make(map[string]float64)
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			key := family.GetName()
			for _, label := range metric.GetLabel() {
				key += " " + label.GetValue()
			}
			counted[key] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	for key, want := range map[string]float64{
		"creditbank_web_requests_total POST /sign-in 303": 1, "creditbank_web_requests_total GET /portfolio 200": 1,
		"creditbank_web_requests_total none 404": 1, "creditbank_web_request_seconds GET /portfolio": 1,
	} {
		if counted[key] != want {
			t.Errorf("%s is %v, not %v", key, counted[key], want)
		}
	}
}

func person(label string, token func() (string, error)) web.Person {
	return web.Person{Label: api.Text{ZH: label}, Token: token}
}
