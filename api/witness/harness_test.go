package witness_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/torchwood"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/api/witness"
	"github.com/learning-credit-bank/creditbank/api/witness/witnesstest"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

const origin = "log.test/2026"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func privateKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// log is a log in memory; its proofs are those of golang.org/x/mod/sumdb/tlog.
type log struct {
	tb     testing.TB
	signer note.Signer

	mu     sync.Mutex
	hashes []tlog.Hash // as tlog stores them
	size   int64
	signed []byte
	fault  error
	// proof is answered in place of the true one, and unproved in place of any.
	proof    []merkle.Hash
	unproved error
}

func newLog(tb testing.TB, seed byte) *log {
	tb.Helper()
	signer, err := note.NewSigner(merkle.SignerKey(origin, privateKey(seed)))
	if err != nil {
		tb.Fatal(err)
	}
	l := &log{tb: tb, signer: signer}
	l.grow("founding")
	return l
}

func vkeyOfLog(seed byte) string {
	return merkle.VerifierKey(origin, privateKey(seed).Public().(ed25519.PublicKey))
}

// ReadHashes implements tlog.HashReader.
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = l.hashes[index]
	}
	return hashes, nil
}

func (l *log) grow(entries ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entry := range entries {
		hashes, err := tlog.StoredHashes(l.size, []byte(entry), l)
		if err != nil {
			l.tb.Error(err)
		}
		l.hashes = append(l.hashes, hashes...)
		l.size++
	}
	root, err := tlog.TreeHash(l.size, l)
	if err != nil {
		l.tb.Error(err)
	}
	if l.signed, err = merkle.Sign(merkle.Checkpoint{Origin: origin, Size: uint64(l.size), Root: root}, l.signer); err != nil {
		l.tb.Error(err)
	}
}

func (l *log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = err
}

// prove changes what the log answers as proofs.
func (l *log) prove(proof []merkle.Hash, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proof, l.unproved = proof, err
}

// Newest implements witness.Log.
func (l *log) Newest() ([]byte, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signed, uint64(l.size), l.fault
}

// ConsistencyProof implements witness.Log.
func (l *log) ConsistencyProof(_ context.Context, older, newer uint64) ([]merkle.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.fault, l.unproved); err != nil || l.proof != nil {
		return l.proof, err
	}
	return tlog.ProveTree(int64(newer), int64(older), l)
}

// fake is a witness in memory.
type fake struct{ *witnesstest.Witness }

func newFake(tb testing.TB, name string, seed byte) *fake {
	tb.Helper()
	w, err := witnesstest.New(name, seed, vkeyOfLog(1))
	if err != nil {
		tb.Fatal(err)
	}
	return &fake{w}
}

func (f *fake) witness(tb testing.TB) witness.Witness {
	tb.Helper()
	key, err := cosignature.ParseKey(f.VKey())
	if err != nil {
		tb.Fatal(err)
	}
	return witness.Witness{URL: "https://" + f.Name() + "/prefix/", Key: key}
}

// cutShort is the header of an answer after which the connection breaks.
const cutShort = "X-Cut-Short"

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response := w.Result()
	if response.Header.Get(cutShort) != "" {
		response.Body = io.NopCloser(io.MultiReader(response.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	return response, nil
}

// network brings each request to the witness that its host names.
type network []*fake

// RoundTrip implements http.RoundTripper.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, f := range n {
		if r.URL.Host == f.Name() {
			return f.RoundTrip(r)
		}
	}
	return nil, errors.New("no such host")
}

// running are witnesses that are asked until the test ends.
type running struct {
	*witness.Witnesses

	tb       testing.TB
	log      *bytes.Buffer
	registry *prometheus.Registry
	stop     context.CancelFunc
	ended    chan struct{}
}

// run asks witnesses in the background; the test is in a bubble, and synctest.Wait orders it with them.
func run(tb testing.TB, l *log, quorum int, witnesses ...*fake) *running {
	tb.Helper()
	r := &running{tb: tb, log: new(bytes.Buffer), registry: prometheus.NewRegistry(), ended: make(chan struct{})}
	cfg := witness.Config{
		Log: l, Quorum: quorum, Transport: network(witnesses), Now: time.Now, Logger: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: r.registry,
	}
	for _, f := range witnesses {
		cfg.Witnesses = append(cfg.Witnesses, f.witness(tb))
	}
	var err error
	if r.Witnesses, err = witness.New(cfg); err != nil {
		tb.Fatal(err)
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		defer close(r.ended)
		r.Run(ctx)
	}()
	tb.Cleanup(r.end)
	return r
}

func (r *running) end() {
	r.stop()
	<-r.ended
}

// shows fails the test unless everyone is shown a log of a size under the signatures of the log and of certain witnesses, in
// their order, as golang.org/x/mod/sumdb/note verifies them.
func (r *running) shows(size int64, cosigners ...*fake) {
	r.tb.Helper()
	verifiers := []note.Verifier{}
	of, err := note.NewVerifier(vkeyOfLog(1))
	if err != nil {
		r.tb.Fatal(err)
	}
	verifiers = append(verifiers, of)
	want := []string{origin}
	for _, f := range cosigners {
		verifiers = append(verifiers, f.Signer.Verifier())
		want = append(want, f.Name())
	}
	published := r.Published()
	opened, err := note.Open(published.Signed, note.VerifierList(verifiers...))
	if err != nil {
		r.tb.Fatalf("it shows %q: %v", published.Signed, err)
	}
	var got []string
	for _, signature := range slices.Concat(opened.Sigs, opened.UnverifiedSigs) {
		got = append(got, signature.Name)
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil || checkpoint.N != size || !slices.Equal(got, want) || len(opened.UnverifiedSigs) > 0 {
		r.tb.Fatalf("it shows %d entries signed by %v (%v), want %d by %v", checkpoint.N, got, err, size, want)
	}
	if len(published.Cosignatures) != len(cosigners) {
		r.tb.Errorf("it names the cosignatures %v, want those of %v", published.Cosignatures, want[1:])
	}
}

// metric is the value of a series.
func (r *running) metric(series string) float64 {
	r.tb.Helper()
	name, _, _ := strings.Cut(series, "{")
	expected, err := r.registry.Gather()
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, family := range expected {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := make([]string, 0, len(m.GetLabel()))
			for _, label := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
			}
			full := name
			if len(labels) > 0 {
				full += "{" + strings.Join(labels, ",") + "}"
			}
			if full == series {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	r.tb.Fatalf("there is no %s", series)
	return 0
}

// outcome is how often questions to a witness ended as something.
func (r *running) outcome(f *fake, outcome string) float64 {
	r.tb.Helper()
	return r.metric(fmt.Sprintf("creditbank_witness_requests_total{outcome=%q,witness=%q}", outcome, f.Name()))
}
