package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

const alivePath = "/healthz"

// ServeHTTP bounds a request, finds its route, and notes what became of it.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := s.config.Now()
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	r = r.WithContext(ctx)
	answer := &recorder{ResponseWriter: w}
	defer func() {
		if cause := recover(); cause != nil {
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				s.note(answer, r, s.config.Now().Sub(started))
				panic(cause)
			}
			s.fail(answer, r, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
		}
		s.note(answer, r, s.config.Now().Sub(started))
	}()

	s.protect(answer.Header())
	if r.URL.Path != alivePath {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			s.showFault(answer, r, busyFault())
			return
		}
	}
	if err := s.origins.Check(r); err != nil {
		s.showFault(answer, r, crossOriginFault())
		return
	}
	if handler, pattern := s.routes.Handler(r); pattern == "" {
		s.noRoute(answer, r, handler)
		return
	}
	s.routes.ServeHTTP(answer, r)
}

// noRoute answers what the mux answers, with a page: that there is nothing, or that it takes other methods.
func (s *site) noRoute(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	said := &recorder{ResponseWriter: discard{http.Header{}}}
	handler.ServeHTTP(said, r)
	if said.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", said.Header().Get("Allow"))
		s.showFault(w, r, methodFault())
		return
	}
	s.showFault(w, r, nothingFault())
}

// protect sets the headers that every answer has.
func (s *site) protect(h http.Header) {
	// Pages hold no script, and no style but the stylesheet: not even injected text could do anything.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "+
		"base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if s.config.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// private keeps an answer out of every cache, the browser's own included: phones are lent, and computers in schools shared.
func private(h http.Header) { h.Set("Cache-Control", "private, no-store") }

// note counts and logs a request that was answered. The route is logged, never the address that was asked for.
func (s *site) note(answer *recorder, r *http.Request, took time.Duration) {
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	s.metrics.answered(route, answer.code(), took)
	attrs := []slog.Attr{
		slog.String("method", method(r)), slog.String("route", route), slog.Int("status", answer.code()), slog.Duration("took", took),
	}
	level := slog.LevelInfo
	if r.URL.Path == alivePath {
		level = slog.LevelDebug
	}
	if answer.cause != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", answer.cause.Error()))
	}
	s.config.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// method is the method of a request, if it is one of HTTP's: callers choose the word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return r.Method
	default:
		return "other"
	}
}

// recorder remembers what was answered, and for the log why it was not what was asked for.
type recorder struct {
	http.ResponseWriter
	status int
	// cause is a fault of the bank.
	cause error
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// discard is a http.ResponseWriter that is only asked what was said.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
