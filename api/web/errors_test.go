package web_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// fake is a bank that answers what a test wants. Everybody is the same resident.
type fake struct {
	web.Bank

	account func(context.Context) (api.Account, error)
	tile    func(merkle.Tile) ([]byte, error)
	ready   func(context.Context) error
	former  func() ([]ledger.FormerLog, error)
}

func (f *fake) Authenticate(context.Context, string) (access.Caller, error) {
	return access.Caller{Kind: access.Resident, Account: unit.AccountID{1}}, nil
}

func (f *fake) GetAccount(ctx context.Context, _ access.Caller, _ unit.AccountID) (api.Account, error) {
	return f.account(ctx)
}

func (f *fake) Tile(_ context.Context, tile merkle.Tile) ([]byte, error) { return f.tile(tile) }
func (f *fake) FormerLogs(context.Context) ([]ledger.FormerLog, error)   { return f.former() }
func (f *fake) Ready(ctx context.Context) error                          { return f.ready(ctx) }

// Every kind of fault that the bank knows has a status and words in both languages.
func TestEveryKindIsSaid(t *testing.T) {
	t.Parallel()
	statuses := map[string]int{
		"Internal": 500, "Invalid": 400, "Unauthenticated": 401, "Denied": 403, "NotFound": 404, "Conflict": 409, "Precondition": 409,
		"Changed": 409, "Busy": 429, "Unavailable": 503, "Canceled": 503,
	}
	for kind, name := range kinds(t) {
		want, ok := statuses[name]
		if !ok {
			t.Errorf("kind %s has no status here: give it one in errors.go", name)
			continue
		}
		fault := &api.Error{Kind: api.Kind(kind), Reason: "TEST", Message: "inner words"}
		s := newSite(t, &fake{
			account: func(context.Context) (api.Account, error) { return api.Account{}, fault },
			tile:    func(merkle.Tile) ([]byte, error) { return nil, fault },
		}, nil)
		w := s.visitor().get("/portfolio")
		root := parse(t, w.Body.String())
		checkLanguage(t, root)
		if page := text(root); w.Code != want || strings.Contains(page, "inner") {
			t.Errorf("%s: %d, not %d: %s", name, w.Code, want, page)
		}
		var languages []string
		for _, section := range classed(root, "fault") {
			languages = append(languages, attribute(section, "lang"))
			if len(text(section)) < 30 {
				t.Errorf("%s says only %q", name, text(section))
			}
		}
		if !slices.Equal(languages, []string{"zh-CN", "en"}) {
			t.Errorf("%s is said in %q", name, languages)
		}
		if retry := w.Header().Get("Retry-After") != ""; retry != (want == 429 || want == 503) {
			t.Errorf("%s: Retry-After %q", name, w.Header().Get("Retry-After"))
		}
		if w := s.visitor().get("/log/tile/0/000"); w.Code != want || w.Body.String() != "TEST\n" {
			t.Errorf("%s, to a program: %d %q", name, w.Code, w.Body)
		}
		if logged := strings.Contains(s.log.String(), "level=ERROR"); logged != (name == "Internal") {
			t.Errorf("%s: the log says %s", name, s.log)
		}
	}
}

// kinds are the names of the kinds of faults, in the order of their values.
func kinds(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		group, ok := n.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			return true
		}
		first, ok := group.Specs[0].(*ast.ValueSpec)
		if !ok || fmt.Sprint(first.Type) != "Kind" {
			return false
		}
		for _, spec := range group.Specs {
			names = append(names, spec.(*ast.ValueSpec).Names[0].Name)
		}
		return false
	})
	if len(names) < 2 || names[0] != "Internal" {
		t.Fatalf("kinds: %q", names)
	}
	return names
}

// What goes wrong inside is for the log; readers learn nothing of it.
func TestInnerFaultsAreLogged(t *testing.T) {
	t.Parallel()
	for name, account := range map[string]func(context.Context) (api.Account, error){
		"error": func(context.Context) (api.Account, error) {
			return api.Account{}, fmt.Errorf("%w: entry 7", ledger.ErrDamaged)
		},
		"panic": func(context.Context) (api.Account, error) { panic(ledger.ErrDamaged) },
	} {
		s := newSite(t, &fake{account: account}, nil)
		w := s.visitor().get("/portfolio")
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "damaged") || !strings.Contains(w.Body.String(), "这是我们的问题") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if log := s.log.String(); !strings.Contains(log, "the store is damaged") || strings.Count(log, "\n") != 1 {
			t.Errorf("%s: the log says %q", name, log)
		}
	}

	abort := newSite(t, &fake{account: func(context.Context) (api.Account, error) { panic(http.ErrAbortHandler) }}, nil)
	defer func() {
		if cause, ok := recover().(error); !ok || !errors.Is(cause, http.ErrAbortHandler) {
			t.Errorf("net/http does not hear of it: %v", cause)
		}
	}()
	abort.visitor().get("/portfolio")
}

// broken is a connection that fails in the middle of an answer, in the rudest way.
type broken struct {
	http.ResponseWriter

	writes int
}

func (b *broken) Write([]byte) (int, error) {
	b.writes++
	panic("broken")
}

// What was begun is not followed by a page that says a fault: a reader could not tell them apart.
func TestNothingFollowsAnAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, new(fake), nil)
	w := &broken{ResponseWriter: httptest.NewRecorder()}
	s.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
	if w.writes != 1 || !strings.Contains(s.log.String(), "panic: broken") {
		t.Errorf("%d writes; the log says %s", w.writes, s.log)
	}
}

// When too many ask at once, the next one is told to come back; whether the process is alive is answered even then.
func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	var waiting, done sync.WaitGroup
	leave := make(chan struct{})
	s := newSite(t, &fake{account: func(context.Context) (api.Account, error) {
		waiting.Done()
		<-leave
		return api.Account{}, context.Canceled
	}}, nil)
	waiting.Add(web.RequestsAtOnce)
	for range web.RequestsAtOnce {
		done.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/portfolio", nil)
			s.handler.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	waiting.Wait()
	if w := s.visitor().get("/portfolio"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d", w.Code)
	}
	if w := s.visitor().get("/healthz"); w.Code != http.StatusOK {
		t.Errorf("/healthz: %d", w.Code)
	}
	close(leave)
	done.Wait()
	waiting.Add(1)
	if w := s.visitor().get("/portfolio"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("afterwards: %d", w.Code)
	}
}
