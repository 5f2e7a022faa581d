package web_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/web"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	token := b.ResidentToken(account.ID)
	for _, secure := range []bool{false, true} {
		s := newSite(t, b, func(c *web.Config) { c.Secure = secure })
		v := s.visitor()
		if w := v.get("/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sign-in" {
			t.Errorf("nobody at /: %d %s", w.Code, w.Header().Get("Location"))
		}
		// As it comes out of a letter: with line breaks.
		w := v.signIn("  " + token[:40] + "\r\n" + token[40:] + "\n")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/portfolio" {
			t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
		}
		c := v.cookies["creditbank_session"]
		if c == nil || c.Value != token || c.Path != "/" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != secure ||
			c.Domain != "" || c.MaxAge != int(access.MaxPersonToken/time.Second) {
			t.Errorf("secure %t: the cookie is %+v", secure, c)
		}
		if w := v.get("/"); w.Header().Get("Location") != "/portfolio" {
			t.Errorf("at / after signing in: %s", w.Header().Get("Location"))
		}
		v.page("/portfolio")
		if w := v.do(http.MethodPost, "/sign-out", url.Values{}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sign-in" {
			t.Errorf("signing out: %d %s", w.Code, w.Header().Get("Location"))
		}
		if w := v.get("/portfolio"); w.Code != http.StatusSeeOther {
			t.Errorf("after signing out: %d", w.Code)
		}
	}
}

func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	token := b.ResidentToken(account.ID)
	s := newSite(t, b, nil)
	for name, wrong := range map[string]string{
		"nothing":   "",
		"words":     "let me in",
		"cut short": token[:len(token)-8],
		"too long":  token + strings.Repeat("x", 4000),
		"markup":    `"><b>x`,
	} {
		v := s.visitor()
		w := v.signIn(wrong)
		root := parse(t, w.Body.String())
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != "Bearer" || len(v.cookies) != 0 {
			t.Errorf("%s: %d, cookies %v", name, w.Code, v.cookies)
		}
		if !strings.Contains(text(root), "无效或已过期") || text(elements(root, "textarea")[0]) != "" {
			t.Errorf("%s: %s", name, text(root))
		}
	}
	if w := s.visitor().signIn(strings.Repeat("x", 20_000)); w.Code != http.StatusBadRequest {
		t.Errorf("a form without an end: %d", w.Code)
	}

	// In the half minute in which a token still holds after its end, a browser would drop the cookie at once.
	b.Clock.Advance(access.MaxPersonToken)
	late := newSite(t, b, func(c *web.Config) { c.Now = b.Clock.Now })
	if w := late.visitor().signIn(token); w.Code != http.StatusUnauthorized {
		t.Errorf("a token that ends now: %d", w.Code)
	}
}

// A token that a browser would not keep is refused, instead of signing in only to be sent back.
func TestSignInRefusesWhatCookiesCannotHold(t *testing.T) {
	t.Parallel()
	s := newSite(t, new(fake), nil)
	for filling, want := range map[int]int{100: http.StatusSeeOther, 2900: http.StatusUnauthorized} {
		claims := fmt.Sprintf(`{"exp":%d,"pad":"%s"}`, apitest.Start().Add(time.Hour).Unix(), strings.Repeat("x", filling))
		encode := base64.RawURLEncoding.EncodeToString
		token := encode([]byte(`{"alg":"EdDSA"}`)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, 64))
		v := s.visitor()
		if w := v.signIn(token); w.Code != want {
			t.Errorf("%d bytes: %d", len(token), w.Code)
		}
		if c := v.cookies["creditbank_session"]; (c != nil) != (want == http.StatusSeeOther) || (c != nil && c.MaxAge != 3600) {
			t.Errorf("%d bytes: the cookie is %+v", len(token), c)
		}
	}
}

// What another website makes a browser send is refused.
func TestOtherSitesCannotPost(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	s := newSite(t, b, nil)
	for name, header := range map[string]http.Header{
		"fetch metadata": {"Sec-Fetch-Site": {"cross-site"}},
		"same site":      {"Sec-Fetch-Site": {"same-site"}},
		"origin":         {"Origin": {"https://elsewhere.example"}},
	} {
		v := s.signedIn(b.ResidentToken(b.Open().ID))
		v.header = header
		for _, target := range []string{"/sign-out", "/sign-in"} {
			w := v.do(http.MethodPost, target, url.Values{"token": {"x"}})
			if page := w.Body.String(); w.Code != http.StatusForbidden || !strings.Contains(page, "其他网站") || !strings.Contains(page, "another website") {
				t.Errorf("%s, %s: %d", name, target, w.Code)
			}
		}
		if v.cookies["creditbank_session"] == nil {
			t.Errorf("%s: the session ended", name)
		}
	}
	v := s.visitor()
	v.header = http.Header{"Sec-Fetch-Site": {"same-origin"}}
	if w := v.do(http.MethodPost, "/sign-out", url.Values{}); w.Code != http.StatusSeeOther {
		t.Errorf("from a page of this site: %d", w.Code)
	}
}

func TestPeopleOfDemo(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	account := b.Open()
	s := newSite(t, b, func(c *web.Config) {
		c.People = []web.Person{
			person("王阿姨", func() (string, error) { return b.ResidentToken(account.ID), nil }),
			person("陈老师", func() (string, error) { return b.OfficerToken(apitest.Officer), nil }),
			person("没有人", func() (string, error) { return "", errors.New("the key of the demo is gone") }),
		}
	})
	for _, lang := range []string{"zh", "en"} {
		root := parse(t, s.visitor().page("/sign-in?lang="+lang))
		checkLanguage(t, root)
		if page := text(root); !strings.Contains(page, "王阿姨") || !strings.Contains(page, "陈老师") {
			t.Errorf("%s: %s", lang, page)
		}
	}
	for place, want := range []int{http.StatusOK, http.StatusForbidden} {
		v := s.visitor()
		if w := v.get(web.PersonPath(place)); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/portfolio" {
			t.Errorf("person %d: %d", place, w.Code)
		}
		if w := v.get("/portfolio"); w.Code != want {
			t.Errorf("person %d: the record answers %d", place, w.Code)
		}
	}
	for target, want := range map[string]int{
		web.PersonPath(2): http.StatusInternalServerError, web.PersonPath(3): http.StatusNotFound, web.PersonPath(-1): http.StatusNotFound,
		"/demo/sign-in/x": http.StatusNotFound,
	} {
		if w := s.visitor().get(target); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if log := s.log.String(); !strings.Contains(log, "the key of the demo is gone") {
		t.Errorf("the log does not say why: %s", log)
	}
}
