package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
)

const (
	sessionCookie = "creditbank_session"
	// maxCookieToken is the longest token that a browser keeps in a cookie: RFC 6265 lets it drop larger cookies than 4,096
	// bytes with their name and attributes.
	maxCookieToken = 3800
	tokenField     = "token"
	endedParam     = "ended"

	homePath     = "/portfolio"
	signInPath   = "/sign-in"
	personPrefix = "/demo/sign-in/"
)

// PersonPath is the path that signs in the person at a place of Config.People, counted from 0.
func PersonPath(place int) string { return personPrefix + strconv.Itoa(place) }

// bearer is the token of the Authorization header (RFC 6750 §2.1); empty if there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// caller answers who asks: whose token the request brings, in Authorization or else in the session cookie.
func (s *site) caller(r *http.Request) (access.Caller, error) {
	token := bearer(r)
	if token == "" {
		token = cookieValue(r, sessionCookie)
	}
	return s.config.Bank.Authenticate(r.Context(), token)
}

// home goes on to the record, or to signing in.
func (s *site) home(w http.ResponseWriter, r *http.Request) error {
	s.tasteOf(w, r)
	next := homePath
	if bearer(r) == "" && cookieValue(r, sessionCookie) == "" {
		next = signInPath
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// signInContent is what the page for signing in shows.
type signInContent struct {
	Ended, Refused bool
	People         []choice
}

func (s *site) signInPage(w http.ResponseWriter, r *http.Request) error {
	return s.showSignIn(w, r, http.StatusOK, signInContent{Ended: r.URL.Query().Has(endedParam)})
}

func (s *site) showSignIn(w http.ResponseWriter, r *http.Request, status int, content signInContent) error {
	t := s.tasteOf(w, r)
	for i, person := range s.config.People {
		label := t.language.text(person.Label)
		content.People = append(content.People, choice{Label: label, Address: PersonPath(i), Tag: t.language.foreign(label)})
	}
	p := s.pageFor(t, r, t.language.say("登录", "Sign in"))
	p.Content = content
	return s.show(w, signInName, status, p)
}

// signIn takes a token from the form. What is wrong with it is not told: that helps only those who make tokens up.
func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return &api.Error{Kind: api.Invalid, Reason: api.ReasonField, Message: "the form cannot be read", Cause: err}
	}
	// A token that was copied from a letter or a message comes with its line breaks.
	token := strings.Join(strings.Fields(r.PostForm.Get(tokenField)), "")
	err := s.enter(w, r, token)
	if e := api.AsError(err); e != nil && e.Kind == api.Unauthenticated {
		f := faultOf(e.Kind)
		f.headers(w.Header())
		return s.showSignIn(w, r, f.status, signInContent{Refused: true})
	}
	return err
}

// enter keeps a token that holds in the browser's session cookie, and goes on to the record.
func (s *site) enter(w http.ResponseWriter, r *http.Request, token string) error {
	if token == "" || len(token) > maxCookieToken {
		return fmt.Errorf("%w: a token has 1 to %d characters", access.ErrUnauthenticated, maxCookieToken)
	}
	if _, err := s.config.Bank.Authenticate(r.Context(), token); err != nil {
		return err
	}
	lifetime := expiry(token).Sub(s.config.Now())
	if lifetime < time.Second {
		return fmt.Errorf("%w: the token ends now", access.ErrUnauthenticated)
	}
	s.setSession(w, token, int(lifetime/time.Second))
	http.Redirect(w, r, homePath, http.StatusSeeOther)
	return nil
}

// expiry is when a token ends, as it says itself: the bank has verified it. The zero time if it does not say.
func expiry(token string) time.Time {
	var claims jwt.Claims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil || parsed.UnsafeClaimsWithoutVerification(&claims) != nil {
		return time.Time{}
	}
	return claims.Expiry.Time()
}

// setSession keeps a token for some seconds, or drops it when they are negative.
func (s *site) setSession(w http.ResponseWriter, token string, seconds int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is for the operator to say: a demo has no TLS
		Name: sessionCookie, Value: token, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: s.config.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// signOut makes the browser forget the token. The token itself holds until it ends: nothing here could revoke it.
func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	s.setSession(w, "", -1)
	http.Redirect(w, r, signInPath, http.StatusSeeOther)
	return nil
}

// signInPerson signs in one of the people of a demo.
func (s *site) signInPerson(w http.ResponseWriter, r *http.Request) error {
	place, err := strconv.Atoi(r.PathValue("person"))
	if err != nil || place < 0 || place >= len(s.config.People) {
		return &api.Error{Kind: api.NotFound, Reason: api.ReasonNotFound, Message: "nobody stands at this place"}
	}
	token, err := s.config.People[place].Token()
	if err != nil {
		return fmt.Errorf("web: token of a person of the demo: %w", err)
	}
	return s.enter(w, r, token)
}
