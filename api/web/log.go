package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

const (
	plainText = "text/plain; charset=utf-8"
	bytesType = "application/octet-stream"
	// readyTime is how long the bank may take to say whether it is ready.
	readyTime = 2 * time.Second
)

// public lets any website read an answer.
func public(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// checkpoint answers the signed checkpoint that everyone is shown (C2SP tlog-checkpoint), with its cosignatures.
func (s *site) checkpoint(w http.ResponseWriter, _ *http.Request) {
	public(w.Header())
	checkpoint, err := s.config.Bank.Checkpoint()
	if err != nil {
		s.failPlainly(w, err)
		return
	}
	send(w, plainText, "no-store", checkpoint.Signed)
}

// key answers the log's verifier key. It is here for convenience: whoever does not trust the bank has it from elsewhere.
func (s *site) key(w http.ResponseWriter, _ *http.Request) {
	public(w.Header())
	send(w, plainText, "public, max-age=300", []byte(s.config.VerifierKey+"\n"))
}

// tile answers a tile of hashes (C2SP tlog-tiles). Entries concern people: there are no entry bundles.
func (s *site) tile(w http.ResponseWriter, r *http.Request) {
	public(w.Header())
	path := r.PathValue("path")
	if strings.HasPrefix(path, "entries/") {
		s.failPlainly(w, ledger.ErrNotFound)
		return
	}
	tile, err := merkle.ParseTilePath("tile/" + path)
	if err != nil {
		s.failPlainly(w, &api.Error{Kind: api.Invalid, Reason: api.ReasonField, Field: "path", Message: err.Error(), Cause: err})
		return
	}
	data, err := s.config.Bank.Tile(r.Context(), tile)
	if err != nil {
		s.failPlainly(w, err)
		return
	}
	// A partial tile never changes either, but soon nobody asks for it any more.
	cache := "public, max-age=60"
	if tile.Full() {
		cache = immutable
	}
	send(w, bytesType, cache, data)
}

// alive says that the process answers.
func (s *site) alive(w http.ResponseWriter, _ *http.Request) {
	send(w, plainText, "no-store", []byte("ok\n"))
}

// ready says whether the bank reads and writes, and if not why, as a reason of the API.
func (s *site) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := s.config.Bank.Ready(ctx); err != nil {
		w.Header().Set("Retry-After", retryAfter)
		w.Header().Set("Content-Type", plainText)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready: " + string(known(w, err).Reason) + "\n"))
		return
	}
	send(w, plainText, "no-store", []byte("ready\n"))
}

// send answers bytes. Those who ask went away when it fails.
func send(w http.ResponseWriter, contentType, cache string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) //nolint:gosec // nothing that was asked for, and browsers do not guess types
}
