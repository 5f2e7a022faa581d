// Package witnesstest is a witness in memory, for tests: it answers as C2SP tlog-witness describes, verifies with
// golang.org/x/mod/sumdb's note and tlog, and signs with torchwood's signer. It shares no code with the side that asks.
//
// It is for tests alone. Its one invariant: unless it is told to misbehave, it signs nothing that does not continue what it
// signed before.
package witnesstest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Witness is a witness of one log. It is an http.Handler, and its methods are safe for concurrent use.
type Witness struct {
	name string
	// Signer signs what it cosigns.
	Signer *torchwood.CosignatureSigner
	log    note.Verifier

	mu   sync.Mutex
	size int64
	root tlog.Hash
	// delay is how long an answer takes, and instead what it is, where it is not the one of a good witness.
	delay   time.Duration
	instead http.HandlerFunc
	asked   []time.Time
}

// New makes a witness that knows one log, by its verifier key. The seed makes its key.
func New(name string, seed byte, vkeyOfLog string) (*Witness, error) {
	signer, err := torchwood.NewCosignatureSigner(name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		return nil, fmt.Errorf("witnesstest: %v", err)
	}
	log, err := note.NewVerifier(vkeyOfLog)
	if err != nil {
		return nil, fmt.Errorf("witnesstest: %v", err)
	}
	return &Witness{name: name, Signer: signer, log: log}, nil
}

// Name is what it calls itself.
func (w *Witness) Name() string { return w.name }

// VKey is its public key, as a witness publishes it.
func (w *Witness) VKey() string { return w.Signer.Verifier().String() }

// Become changes how it answers: after a delay, and something else than a good witness does, unless that is nil.
func (w *Witness) Become(delay time.Duration, instead http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay, w.instead = delay, instead
}

// SignedLast says that it has signed a log of a size and a root.
func (w *Witness) SignedLast(size int64, root tlog.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size, w.root = size, root
}

// Asked is when it was asked.
func (w *Witness) Asked() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// ServeHTTP implements http.Handler. It answers nothing once the request is broken off.
func (w *Witness) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	delay, instead := w.delay, w.instead
	w.asked = append(w.asked, time.Now()) //nolint:forbidigo // a test's bubble has its own clock
	w.mu.Unlock()
	// Only a server that has read the body notices that the caller hangs up.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if delay > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(delay):
		}
	}
	if instead == nil {
		instead = w.AddCheckpoint
	}
	instead(answer, r)
}

// request is what add-checkpoint is asked.
type request struct {
	old    int64
	proof  tlog.TreeProof
	signed []byte
}

func parse(r *http.Request) (*request, error) {
	body, err := io.ReadAll(r.Body)
	head, signed, ok := bytes.Cut(body, []byte("\n\n"))
	if err != nil || !ok || r.Method != http.MethodPost || r.URL.Path != "/prefix/add-checkpoint" {
		return nil, fmt.Errorf("witnesstest: no such request")
	}
	lines := strings.Split(string(head), "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil || lines[0] != fmt.Sprintf("old %d", old) {
		return nil, fmt.Errorf("witnesstest: old size %q", lines[0])
	}
	parsed := &request{old: old, signed: signed}
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return nil, fmt.Errorf("witnesstest: proof %q", line)
		}
		parsed.proof = append(parsed.proof, tlog.Hash(hash))
	}
	return parsed, nil
}

// AddCheckpoint answers as a good witness does, at /prefix/add-checkpoint.
func (w *Witness) AddCheckpoint(answer http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked, err := parse(r)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	if !bytes.HasPrefix(asked.signed, []byte(w.log.Name()+"\n")) {
		http.Error(answer, "unknown log", http.StatusNotFound)
		return
	}
	opened, err := note.Open(asked.signed, note.VerifierList(w.log))
	if err != nil || len(opened.Sigs)+len(opened.UnverifiedSigs) != 1 {
		http.Error(answer, "signature", http.StatusForbidden)
		return
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil || asked.old > checkpoint.N {
		http.Error(answer, "checkpoint", http.StatusBadRequest)
		return
	}
	if asked.old != w.size || asked.old == checkpoint.N && w.root != checkpoint.Hash {
		answer.Header().Set("Content-Type", "text/x.tlog.size")
		answer.WriteHeader(http.StatusConflict)
		fmt.Fprintf(answer, "%d\n", w.size)
		return
	}
	if asked.old == 0 && len(asked.proof) > 0 ||
		asked.old > 0 && tlog.CheckTree(asked.proof, checkpoint.N, checkpoint.Hash, asked.old, w.root) != nil {
		http.Error(answer, "inconsistent", http.StatusUnprocessableEntity)
		return
	}
	w.size, w.root = checkpoint.N, checkpoint.Hash
	cosigned, err := note.Sign(&note.Note{Text: opened.Text}, w.Signer)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	_, line, _ := bytes.Cut(cosigned, []byte("\n\n"))
	_, _ = answer.Write(line)
}
