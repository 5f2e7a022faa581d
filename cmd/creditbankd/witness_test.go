package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/learning-credit-bank/creditbank/api/witness/witnesstest"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// The bank that founded makes.
const testOrigin = "test.creditbank.example/log"

// patience is how long a condition may take until it holds.
const patience = 30 * time.Second

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("after %s it does not hold: %s", patience, what)
		}
	}
}

// logVKey is the verifier key of a bank that was founded.
func logVKey(t *testing.T, directory string) string {
	t.Helper()
	key, err := readLogKey(filepath.Join(directory, "keys/log-signer"), testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	return key.vkey
}

// cosigner is a witness as a configuration knows it.
type cosigner struct {
	URL  string `json:"url"`
	VKey string `json:"vkey"`
}

// witnessedBy adds witnesses to a configuration, and answers the new one.
func witnessedBy(t *testing.T, configuration string, quorum int, witnesses ...cosigner) string {
	t.Helper()
	content, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	section := fmt.Sprintf("\nwitness:\n  quorum: %d\n  interval: 100ms\n  timeout: 3s\n  witnesses:\n", quorum)
	for _, w := range witnesses {
		section += fmt.Sprintf("    - {url: %q, vkey: %q}\n", w.URL, w.VKey)
	}
	name := filepath.Join(t.TempDir(), "witnessed.yaml")
	if err := os.WriteFile(name, append(content, section...), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// public is a log as everybody sees it, under keys that do not come from it.
type public struct {
	t         *testing.T
	address   string
	log       note.Verifier
	witnesses []note.Verifier
}

func (p *public) get(path string) (int, string) {
	p.t.Helper()
	return get(p.t, new(http.Client), "http://"+p.address+"/log/"+path)
}

// checkpoint answers the checkpoint that everyone is shown, and who signed it.
func (p *public) checkpoint() (torchwood.Checkpoint, []string) {
	p.t.Helper()
	code, signed := p.get("checkpoint")
	if code != http.StatusOK {
		p.t.Fatalf("the checkpoint answers %d %s", code, signed)
	}
	return p.open(signed)
}

func (p *public) open(signed string) (torchwood.Checkpoint, []string) {
	p.t.Helper()
	opened, err := note.Open([]byte(signed), note.VerifierList(append([]note.Verifier{p.log}, p.witnesses...)...))
	if err != nil {
		p.t.Fatalf("%v:\n%s", err, signed)
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil || len(opened.UnverifiedSigs) > 0 {
		p.t.Fatalf("%v, by others %v:\n%s", err, opened.UnverifiedSigs, signed)
	}
	var by []string
	for _, signature := range opened.Sigs {
		by = append(by, signature.Name)
	}
	return checkpoint, by
}

// shows waits until everyone is shown a log of a size at least, signed by a number of keys.
func (p *public) shows(size int64, signatures int) (checkpoint torchwood.Checkpoint, by []string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d entries under %d signatures", size, signatures), func() bool {
		checkpoint, by = p.checkpoint()
		return checkpoint.N >= size && len(by) == signatures
	})
	return checkpoint, by
}

func verifier(t *testing.T, vkey string, of func(string) (note.Verifier, error)) note.Verifier {
	t.Helper()
	v, err := of(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func cosignatures(vkey string) (note.Verifier, error) { return torchwood.NewCosignatureVerifier(vkey) }

// appointed appoints one more officer, so that the log grows, and answers the entry's index.
func appointed(t *testing.T, configuration string, at addresses, i int) int64 {
	t.Helper()
	token := strings.TrimSpace(once(t, "token", "--config", configuration, "--officer", "admin-a").must().stdout.String())
	r := appointment()
	r.RequestId, r.Officer = fmt.Sprintf("0198f3c2-7c1e-7a52-9d0f-%012d", i), fmt.Sprintf("certifier-%d", i)
	answer, err := creditbankv1.NewAdminServiceClient(dial(t, at.grpc, token)).AppointOfficer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return int64(answer.GetEntryIndex())
}

// metric is the line of a series.
func metric(t *testing.T, at addresses, series string) string {
	t.Helper()
	_, metrics := get(t, new(http.Client), "http://"+at.admin+"/metrics")
	_, rest, found := strings.Cut(metrics, "\n"+series+" ")
	if !found {
		t.Fatalf("the metrics have no %s", series)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// A bank with witnesses: what everyone is shown is cosigned; what the bank answers to callers waits for no witness.
func TestServeWithWitnesses(t *testing.T) {
	directory, plain := founded(t)
	var (
		fakes    []*witnesstest.Witness
		listed   []cosigner
		everyone = &public{t: t, log: verifier(t, logVKey(t, directory), note.NewVerifier)}
	)
	for i, name := range []string{"a.test", "b.test"} {
		w, err := witnesstest.New(name, byte(i+2), logVKey(t, directory))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(w)
		t.Cleanup(server.Close)
		fakes, listed = append(fakes, w), append(listed, cosigner{URL: server.URL + "/prefix", VKey: w.VKey()})
		everyone.witnesses = append(everyone.witnesses, w.Signer.Verifier())
	}
	configuration := witnessedBy(t, plain, 2, listed...)
	server := start(t, time.Now, "serve", "--config", configuration)
	at := server.ready()
	everyone.address = at.http
	checkpoint, _ := everyone.shows(1, 3)

	index := appointed(t, plain, at, 1)
	if index < checkpoint.N {
		t.Fatalf("entry %d is not new in a log of %d", index, checkpoint.N)
	}
	_, by := everyone.shows(index+1, 3)
	if got := strings.Join(by, " "); got != testOrigin+" a.test b.test" {
		t.Errorf("it is signed by %s", got)
	}
	log := creditbankv1.NewLedgerServiceClient(dial(t, at.grpc, ""))
	answer, err := log.GetCheckpoint(t.Context(), new(creditbankv1.GetCheckpointRequest))
	if err != nil {
		t.Fatal(err)
	}
	// What a relying party would demand, in torchwood's words.
	demand := torchwood.ThresholdPolicy(4, torchwood.OriginPolicy(testOrigin), torchwood.SingleVerifierPolicy(everyone.log),
		torchwood.SingleVerifierPolicy(everyone.witnesses[0]), torchwood.SingleVerifierPolicy(everyone.witnesses[1]))
	if _, _, err := torchwood.VerifyCheckpoint([]byte(answer.GetCheckpoint()), demand); err != nil {
		t.Error(err)
	}
	if c := answer.GetCosignatures(); !answer.GetWitnessed() || answer.GetQuorum() != 2 || len(c) != 2 || c[0].GetWitness() != "a.test" ||
		time.Since(c[0].GetCosignTime().AsTime()) > time.Minute {
		t.Errorf("it answers %v", answer)
	}

	// Both hang: callers are answered as fast as ever, under the log's own signature, and everyone sees the entry a timeout later.
	for _, w := range fakes {
		w.Become(time.Hour, nil)
	}
	began := time.Now()
	index = appointed(t, plain, at, 2)
	proof, err := log.GetInclusionProof(t.Context(), &creditbankv1.GetInclusionProofRequest{Index: uint64(index)})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2900*time.Millisecond {
		t.Errorf("it took %s: it waited for a witness", took)
	}
	if checkpoint, by := everyone.open(proof.GetCheckpoint()); checkpoint.N <= index || len(by) != 1 {
		t.Errorf("entry %d is proved under %d entries signed by %v", index, checkpoint.N, by)
	}
	everyone.shows(index+1, 1)
	if answer, err = log.GetCheckpoint(t.Context(), new(creditbankv1.GetCheckpointRequest)); err != nil || answer.GetWitnessed() || answer.GetQuorum() != 2 {
		t.Errorf("it answers %v, %v", answer, err)
	}
	if n := metric(t, at, `creditbank_witness_cosignatures`); n != "0" {
		t.Errorf("the metrics say that it has %s cosignatures", n)
	}
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}

	// Started again, it learns from the witnesses where they are. The operator's other commands ask nobody.
	once(t, "fsck", "--config", configuration).must()
	for _, w := range fakes {
		w.Become(0, nil)
	}
	server = start(t, time.Now, "serve", "--config", configuration)
	everyone.address = server.ready().http
	everyone.shows(index+1, 3)
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, server.stderr.String())
	}
}

// A checkpoint without witnesses says so.
func TestServeWithoutWitnesses(t *testing.T) {
	directory, configuration := founded(t)
	server := start(t, time.Now, "serve", "--config", configuration)
	at := server.ready()
	everyone := &public{t: t, address: at.http, log: verifier(t, logVKey(t, directory), note.NewVerifier)}
	everyone.shows(1, 1)
	answer, err := creditbankv1.NewLedgerServiceClient(dial(t, at.grpc, "")).GetCheckpoint(t.Context(), new(creditbankv1.GetCheckpointRequest))
	if err != nil || answer.GetWitnessed() || answer.GetQuorum() != 0 || len(answer.GetCosignatures()) > 0 {
		t.Errorf("it answers %v, %v", answer, err)
	}
}

// litewitness runs the witness of filippo.io/torchwood, which .ci/run builds into the directory that the environment names:
// see deploy/tools/witness.
func litewitness(t *testing.T, directory, vkeyOfLog string) (cosigner, func()) {
	t.Helper()
	programs := os.Getenv("CREDITBANK_TEST_WITNESS")
	if programs == "" {
		t.Skip("CREDITBANK_TEST_WITNESS names no directory with litewitness: deploy/tools/witness says how it is built")
	}
	command := exec.Command(filepath.Join(programs, "witness"),
		"-litewitness", filepath.Join(programs, "litewitness"), "-dir", directory, "-name", "lite.test/w1", "-log", vkeyOfLog)
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop := func() {
		if !ended {
			ended = true
			if err := errors.Join(command.Process.Signal(syscall.SIGTERM), command.Wait()); err != nil {
				t.Errorf("litewitness: %v\n%s", err, &said)
			}
		}
	}
	t.Cleanup(stop)
	var w cosigner
	if err := json.NewDecoder(output).Decode(&w); err != nil {
		stop()
		t.Fatalf("litewitness is not ready: %v\n%s", err, &said)
	}
	return w, stop
}

// A litewitness cosigns the bank's checkpoints, over restarts of either, and does not cosign a second history.
func TestLitewitness(t *testing.T) {
	directory, plain := founded(t)
	vkey, memory := logVKey(t, directory), t.TempDir()
	w, stop := litewitness(t, memory, vkey)
	everyone := &public{
		t: t, log: verifier(t, vkey, note.NewVerifier), witnesses: []note.Verifier{verifier(t, w.VKey, cosignatures)},
	}
	serve := func() (*command, addresses) {
		server := start(t, time.Now, "serve", "--config", witnessedBy(t, plain, 1, w))
		at := server.ready()
		everyone.address = at.http
		return server, at
	}
	server, at := serve()
	everyone.shows(1, 2)
	var index int64
	for i := range 20 {
		index = appointed(t, plain, at, i)
		if i%5 == 0 {
			everyone.shows(index+1, 2)
		}
	}
	before, by := everyone.shows(index+1, 2)
	if got := strings.Join(by, " "); got != testOrigin+" lite.test/w1" {
		t.Errorf("it is signed by %s", got)
	}
	// A copy of the bank as it is now will go on in another way than the bank itself.
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}
	other := t.TempDir()
	err := os.CopyFS(other, os.DirFS(directory))
	for _, key := range []string{"log-signer", "vault-keyset", "token-signer"} {
		err = errors.Join(err, os.Chmod(filepath.Join(other, "keys", key), 0o400))
	}
	if err != nil {
		t.Fatal(err)
	}

	// While the witness is away, and after it has come back.
	stop()
	server, at = serve()
	index = appointed(t, plain, at, 100)
	after, _ := everyone.shows(index+1, 1)
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}
	w, stop = litewitness(t, memory, vkey)
	server, at = serve()
	everyone.shows(after.N, 2)
	index = appointed(t, plain, at, 101)
	after, _ = everyone.shows(index+1, 2)
	proof, err := creditbankv1.NewLedgerServiceClient(dial(t, at.grpc, "")).GetConsistencyProof(t.Context(),
		&creditbankv1.GetConsistencyProofRequest{OldSize: uint64(before.N), NewSize: uint64(after.N)})
	if err != nil || tlog.CheckTree(treeProof(proof.GetHashes()), after.N, after.Hash, before.N, before.Hash) != nil {
		t.Errorf("the cosigned logs of %d and %d entries are not one: %v", before.N, after.N, err)
	}
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}

	// The copy signs another history under the same key: the witness refuses it, and the bank says so.
	content, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	plain = filepath.Join(other, "creditbank.yaml")
	if err := os.WriteFile(plain, bytes.ReplaceAll(content, []byte(directory), []byte(other)), 0o600); err != nil {
		t.Fatal(err)
	}
	server, at = serve()
	for i := range 4 {
		index = appointed(t, plain, at, 200+i)
	}
	if index < after.N {
		t.Fatalf("the copy has %d entries, and the bank %d", index+1, after.N)
	}
	const disagrees = `creditbank_witness_requests_total{outcome="disagrees",witness="lite.test/w1"}`
	eventually(t, "the witness disagrees", func() bool { return metric(t, at, disagrees) != "0" })
	everyone.shows(index+1, 1)
	if !strings.Contains(server.stderr.String(), "has seen another history of this log") {
		t.Errorf("the log has\n%s", server.stderr.String())
	}
	stop()
}
