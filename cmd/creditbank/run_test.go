package main_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	creditbank "github.com/learning-credit-bank/creditbank/cmd/creditbank"
)

// caller runs the command in this process against a bank, with a clock of its own that only sleeping moves.
type caller struct {
	dir            string
	now            time.Time
	slept          []time.Duration
	stdout, stderr bytes.Buffer
}

func newCaller(t *testing.T, b *fakeBank) *caller {
	t.Helper()
	c := &caller{dir: t.TempDir(), now: time.Now()}
	env, err := b.files(func(name string, content []byte) error {
		return os.WriteFile(filepath.Join(c.dir, name), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	return c
}

func (c *caller) run(ctx context.Context, args ...string) int {
	return creditbank.Run(ctx, creditbank.World{
		Stdin: strings.NewReader(""), Stdout: &c.stdout, Stderr: &c.stderr, Random: rand.Reader,
		Now: func() time.Time { return c.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			c.slept, c.now = append(c.slept, d), c.now.Add(d)
			return ctx.Err()
		},
	}, args...)
}

func (c *caller) file(name string) string { return filepath.Join(c.dir, name) }

func (c *caller) post(ctx context.Context, more ...string) int {
	return c.run(ctx, append([]string{
		"post", "--organization", "xihu-cc", "--sign-key", c.file("sign.pem"), "--auth-key", c.file("auth.pem"),
		"../../deploy/examples/completions.jsonl",
	}, more...)...)
}

func bank(t *testing.T, options ...grpc.ServerOption) *fakeBank {
	t.Helper()
	b, err := newFakeBank(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

func TestWaitsGrowAndHonourTheBank(t *testing.T) {
	b := bank(t)
	b.accountsToAnybody = true
	c := newCaller(t, b)
	b.busy = 4 // each asks for 300 ms at least
	if code := c.post(t.Context()); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &c.stderr)
	}
	least := []time.Duration{300 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}
	if len(c.slept) != len(least) {
		t.Fatalf("slept %v, want %d times", c.slept, len(least))
	}
	for i, want := range least {
		if c.slept[i] < want || c.slept[i] > want*3/2 {
			t.Errorf("wait %d was %s, want %s and up to half of it more", i, c.slept[i], want)
		}
	}
}

func TestPatienceEnds(t *testing.T) {
	b := bank(t)
	c := newCaller(t, b)
	b.busy = 1000
	began := c.now
	if code := c.post(t.Context(), "--retry-for", "1m"); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if waited := c.now.Sub(began); waited > time.Minute || waited < 10*time.Second {
		t.Errorf("waited %s, want at most the minute that was given, and most of it", waited)
	}
	if b.calls != len(c.slept)+1 {
		t.Errorf("%d calls and %d waits", b.calls, len(c.slept))
	}
}

func TestAnInterruptedRunSaysHowToGoOn(t *testing.T) {
	b := bank(t)
	b.accountsToAnybody = true
	c := newCaller(t, b)
	b.busy = 1
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := c.post(ctx); code != 1 || !strings.Contains(c.stderr.String(), "interrupted") {
		t.Errorf("exit code %d\n%s", code, &c.stderr)
	}
	if code := c.post(t.Context()); code != 0 {
		t.Errorf("going on: exit code %d\n%s", code, &c.stderr)
	}
	if len(b.entries) != 13 {
		t.Errorf("%d entries, want 13", len(b.entries))
	}
}

// A run may last longer than a token: five minutes.
func TestTokensAreRenewed(t *testing.T) {
	b := bank(t)
	b.accountsToAnybody = true
	c := newCaller(t, b)
	b.now = func() time.Time { return c.now }
	b.busy = 20
	began := c.now
	if code := c.post(t.Context(), "--retry-for", "1h"); code != 0 {
		t.Errorf("exit code %d\n%s", code, &c.stderr)
	}
	if waited := c.now.Sub(began); waited < 6*time.Minute {
		t.Errorf("waited only %s: a token would have lasted", waited)
	}
}

// A bank with witnesses shows everyone what it gave receipts for a little later: an audit waits for it, and not for ever.
func TestAuditWaitsForWitnesses(t *testing.T) {
	b := bank(t)
	b.accountsToAnybody = true
	c := newCaller(t, b)
	if code := c.post(t.Context(), "--receipts", c.file("receipts.jsonl")); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &c.stderr)
	}
	audit := func(more ...string) int {
		c.slept = nil
		c.stdout.Reset()
		c.stderr.Reset()
		return c.run(t.Context(), append([]string{
			"audit", "--vkey", b.VKey, "--receipts", c.file("receipts.jsonl"), "--quorum", "2",
			"--witness", b.witnesses[0].Verifier().String(), "--witness", b.witnesses[1].Verifier().String(), "--witness", b.witnesses[2].Verifier().String(),
		}, more...)...)
	}
	b.cosigned, b.hidden, b.readings = 2, 5, 7
	if code := audit(); code != 0 || len(c.slept) != 7 {
		t.Errorf("exit code %d after %d waits\n%s", code, len(c.slept), &c.stderr)
	}
	if !strings.Contains(c.stdout.String(), "2 of 3 signed it, 2 are wanted: w0.test at ") {
		t.Errorf("it says\n%s", &c.stdout)
	}
	b.readings = 1000
	if code := audit(); code != 3 || len(c.slept) != 30 || !strings.Contains(c.stderr.String(), "the receipts are not public yet") {
		t.Errorf("exit code %d after %d waits\n%s", code, len(c.slept), &c.stderr)
	}
	b.hidden = 0
	if code := audit("--wait", "2s"); code != 3 || len(c.slept) != 4 || !strings.Contains(c.stderr.String(), "signed by: nobody") {
		t.Errorf("exit code %d after %d waits\n%s", code, len(c.slept), &c.stderr)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if code := c.run(ctx, "audit", "--vkey", b.VKey, "--witness", b.witnesses[0].Verifier().String()); code != 1 {
		t.Errorf("interrupted: exit code %d\n%s", code, &c.stderr)
	}
}

func TestTLS(t *testing.T) {
	certificate, authority := certificate(t)
	b := bank(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	c := newCaller(t, b)
	if err := os.WriteFile(c.file("ca.pem"), authority, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := c.run(t.Context(), "course", "list", "--tls-ca", c.file("ca.pem"), "--token-file", c.file("officer.token")); code != 0 {
		t.Errorf("exit code %d\n%s", code, &c.stderr)
	}
	if code := c.run(t.Context(), "course", "list", "--tls-ca", "system"); code != 1 {
		t.Errorf("an authority that is not trusted: exit code %d", code)
	}
	if code := c.run(t.Context(), "course", "list"); code != 1 {
		t.Errorf("without TLS: exit code %d", code)
	}
}

func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:7461": true, "[::1]:7461": true, "localhost:7461": true, "127.8.8.8:1": true, "127.0.0.1": true, "[::1]": true,
		"10.0.0.1:7461": false, "localhost.example:7461": false, "127.0.0.1.example:7461": false, "": false, ":7461": false,
		"0.0.0.0:7461": false, "dns:///127.0.0.1:7461": false, "[::ffff:10.0.0.1]:1": false,
	} {
		if got := creditbank.IsLoopback(address); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"书法 入门": "书法 入门", "a\x1b[31mb": "a[31mb", "a\nb\tc\rd": "a b cd", "a\u202eb\u2066c\u009bd": "abcd", "a\xffb": "a\ufffdb",
	} {
		if got := creditbank.Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTableCountsWidth(t *testing.T) {
	var b strings.Builder
	creditbank.WriteTable(&b, []int{1}, []string{"类别", "学分", "x"}, []string{"arts", "12.500"}, []string{"养生保健", "0.1", "é"})
	want := "类别        学分  x\narts      12.500\n养生保健     0.1  é\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, test := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred[:1], 99, 1}, {hundred[:3], 50, 2}, {hundred[:2], 50, 1}, {hundred[:10], 99, 10},
	} {
		if got := creditbank.Percentile(test.sorted, test.p); got != test.want {
			t.Errorf("%d %% of %d: %d, want %d", test.p, len(test.sorted), got, test.want)
		}
	}
}
