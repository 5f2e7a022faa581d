package main_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	creditbank "github.com/learning-credit-bank/creditbank/cmd/creditbank"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// leakFree fails when tests leave goroutines behind.
type leakFree struct{ m *testing.M }

func (l leakFree) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){
		"creditbank":  creditbank.Main,
		"creditbankd": fakeDaemon,
	})
}

// fakeDaemon stands in for "creditbankd demo": it writes its ready file, and ends when it is told to. It forgets everything.
// And for "creditbankd compact".
func fakeDaemon() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	diary(strings.Join(os.Args[1:2], " "))
	if os.Args[1] == "compact" {
		fmt.Println(`[{"store": "ledger", "bytes_before": 900000, "bytes_after": 500000}, {"store": "vault", "bytes_after": 1}]`)
		return
	}
	flags := make(map[string]string)
	for i, arg := range os.Args[:len(os.Args)-1] {
		flags[arg] = os.Args[i+1]
	}
	if os.Getenv("FAKE_DAEMON_FAILS") != "" {
		fmt.Println("no room on this disk")
		return
	}
	b, err := newFakeBankAt(flags["--grpc"])
	check(err)
	defer b.close()
	ready := flags["--ready-file"]
	_, err = b.files(func(name string, content []byte) error {
		return os.WriteFile(filepath.Join(filepath.Dir(ready), name), content, 0o600)
	})
	check(err)
	content, err := json.Marshal(map[string]any{
		"grpc": b.GRPC, "http": b.HTTP, "bank_id": bankID, "token_key_file": "token.pem",
		"platforms": []map[string]string{
			{"id": "xihu-cc", "key_file": "sign.pem", "auth_key_file": "auth.pem"},
		},
	})
	check(err)
	check(os.WriteFile(ready, content, 0o600))
	<-ctx.Done()
	diary("ended")
}

// diary adds a line to the diary of fake daemons.
func diary(line string) {
	file, err := os.OpenFile(os.Getenv("FAKE_DAEMON_DIARY"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(err)
	_, err = fmt.Fprintln(file, line)
	check(errors.Join(err, file.Close()))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type bankKey struct{}

func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../deploy/examples")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := filepath.Abs("../../deploy/policies/xihu-2026.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(policy)
	if err != nil {
		t.Fatal(err)
	}
	agreement, err := filepath.Abs("../../deploy/agreements/open-university-2026.yaml")
	if err != nil {
		t.Fatal(err)
	}
	terms, err := os.ReadFile(agreement)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			b, err := newFakeBank()
			if err != nil {
				return err
			}
			env.Defer(b.close)
			vars, err := b.files(func(name string, content []byte) error {
				return os.WriteFile(filepath.Join(env.WorkDir, name), content, 0o600)
			})
			env.Vars = append(env.Vars, vars...)
			env.Vars = append(env.Vars, "EXAMPLES="+examples, "POLICY="+policy, "AGREEMENT="+agreement, fmt.Sprintf("AGREED=%x", sha256.Sum256(terms)), fmt.Sprintf("HASH=%x", sha256.Sum256(text)), "FAKE_DAEMON_DIARY="+filepath.Join(env.WorkDir, "diary"), "OTHER_VKEY="+merkle.VerifierKey(logName, make([]byte, ed25519.PublicKeySize)))
			for i, witness := range b.witnesses {
				env.Vars = append(env.Vars, fmt.Sprintf("WITNESS_%d=%s", i, witness.Verifier()))
			}
			env.Values[bankKey{}] = b
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "bank": control, "entries": entries},
	})
}

// exits runs a command that ends with a certain code: exits 2 creditbank …
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func bankOf(ts *testscript.TestScript) *fakeBank {
	b, ok := ts.Value(bankKey{}).(*fakeBank)
	if !ok {
		ts.Fatalf("there is no bank")
	}
	return b
}

// entries checks how many entries the bank has, its founding included.
func entries(ts *testscript.TestScript, _ bool, args []string) {
	b := bankOf(ts)
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := strconv.Itoa(len(b.entries)); got != args[0] {
		ts.Fatalf("the bank has %s entries, want %s", got, args[0])
	}
}

// control makes the bank behave: grow N, rewrite INDEX, shrink SIZE, busy CALLS, simulating CALLS, late STATEMENTS, tamper TILE, honest; cosign
// WITNESSES, forge WITNESSES, hide ENTRIES.
func control(ts *testscript.TestScript, _ bool, args []string) {
	b, n := bankOf(ts), 0
	if len(args) > 1 && args[0] != "tamper" {
		var err error
		n, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	switch args[0] {
	case "grow":
		b.grow(n)
		return
	case "rewrite":
		b.rewrite(n)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch args[0] {
	case "shrink":
		b.entries, b.leaves, b.signed = b.entries[:n], b.leaves[:n], ""
	case "busy":
		b.busy = n
	case "simulating":
		b.policies.mu.Lock()
		b.policies.busy = n
		b.policies.mu.Unlock()
	case "late":
		b.late = n
	case "cosign", "forge":
		b.cosigned, b.forged = n, args[0] == "forge"
	case "hide": // for as long as anybody looks
		b.hidden, b.readings = n, 1<<30
	case "edit": // the bytes, and not the leaf
		b.entries[n] = append([]byte{}, b.entries[n]...)
		b.entries[n][len(b.entries[n])-1] ^= 1
	case "tamper":
		tile, err := merkle.ParseTilePath(args[1])
		ts.Check(err)
		content, ok := b.tile(tile)
		if !ok {
			ts.Fatalf("there is no such tile")
		}
		content[0] ^= 1
		b.tamper[args[1]] = content
	case "honest":
		clear(b.tamper)
		b.hidden, b.readings = 0, 0
	default:
		ts.Fatalf("the bank cannot %s", strings.Join(args, " "))
	}
}
