package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/learning-credit-bank/creditbank/api/certificate"
)

var start = time.Date(2026, time.June, 15, 2, 0, 0, 0, time.UTC)

// pair is a certificate that was made up, with its key, as PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, serial int64, expires time.Time) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: start.Add(-time.Hour), NotAfter: expires, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
}

// files are the two files and the clock of one test.
type files struct {
	t         *testing.T
	cert, key string
	now       time.Time
	log       bytes.Buffer
	metrics   *prometheus.Registry
}

func newFiles(t *testing.T) *files {
	t.Helper()
	dir := t.TempDir()
	return &files{
		t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		now: start, metrics: prometheus.NewRegistry(),
	}
}

// write replaces a file and moves its time on, as a clock of a file system that counts seconds would.
func (f *files) write(name string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chtimes(name, f.now, f.now); err != nil {
		f.t.Fatal(err)
	}
}

func (f *files) put(p pair) {
	f.t.Helper()
	f.write(f.cert, p.cert)
	f.write(f.key, p.key)
}

func (f *files) open() (*certificate.Certificate, error) {
	return certificate.Open(certificate.Config{
		CertFile: f.cert, KeyFile: f.key, Now: func() time.Time { return f.now },
		Log: slog.New(slog.NewTextHandler(&f.log, nil)), Metrics: f.metrics,
	})
}

// shown is the serial number of the certificate that a connection would get.
func (f *files) shown(c *certificate.Certificate) int64 {
	f.t.Helper()
	got, err := c.TLS().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		f.t.Fatal(err)
	}
	return got.Leaf.SerialNumber.Int64()
}

func (f *files) measured(expires time.Time, failing float64) {
	f.t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		got[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
	}
	want := map[string]float64{
		"creditbank_tls_certificate_expiry_time_seconds": float64(expires.Unix()),
		"creditbank_tls_certificate_failing":             failing,
	}
	if !maps.Equal(got, want) {
		f.t.Errorf("measured %v, not %v", got, want)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	first, second := start.Add(90*24*time.Hour), start.Add(180*24*time.Hour)
	f.put(newPair(t, 1, first))
	c, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	f.measured(first, 0)

	// Within the interval nobody looks; after it the new pair is there.
	renewed := newPair(t, 2, second)
	f.now = f.now.Add(certificate.DefaultEvery - time.Second)
	f.put(renewed)
	if got := f.shown(c); got != 1 {
		t.Errorf("serial %d before it is time to look", got)
	}
	f.now = f.now.Add(time.Second)
	if got := f.shown(c); got != 2 {
		t.Errorf("serial %d after the files were replaced", got)
	}
	f.measured(second, 0)

	// Half of a pair leaves the old one in use; the other half mends it.
	third := newPair(t, 3, second)
	f.now = f.now.Add(certificate.DefaultEvery)
	f.write(f.cert, third.cert)
	if got := f.shown(c); got != 2 {
		t.Errorf("serial %d while the key does not fit", got)
	}
	f.measured(second, 1)
	if !strings.Contains(f.log.String(), "cannot be loaded") {
		t.Errorf("the log says nothing: %s", &f.log)
	}
	f.now = f.now.Add(certificate.DefaultEvery)
	f.write(f.key, third.key)
	if got := f.shown(c); got != 3 {
		t.Errorf("serial %d after the key came", got)
	}
	f.measured(second, 0)

	// So does a file that is gone.
	f.now = f.now.Add(certificate.DefaultEvery)
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	if got := f.shown(c); got != 3 {
		t.Errorf("serial %d while the key is gone", got)
	}
	f.measured(second, 1)
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	f.put(newPair(t, 1, start.Add(time.Hour)))
	c, err := certificate.Open(certificate.Config{
		CertFile: f.cert, KeyFile: f.key, Now: time.Now, Every: time.Nanosecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if _, err := c.TLS().GetCertificate(&tls.ClientHelloInfo{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	f.now = f.now.Add(time.Minute)
	f.put(newPair(t, 2, start.Add(time.Hour)))
	group.Wait()
	if got := f.shown(c); got != 2 {
		t.Errorf("serial %d", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	one, two := newPair(t, 1, start.Add(time.Hour)), newPair(t, 2, start.Add(time.Hour))
	for name, files := range map[string]pair{
		"no files":           {},
		"no key":             {cert: one.cert},
		"key of another one": {one.cert, two.key},
		"no PEM":             {[]byte("hello"), one.key},
		"key as certificate": {one.key, one.cert},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t)
			if files.cert != nil {
				f.write(f.cert, files.cert)
			}
			if files.key != nil {
				f.write(f.key, files.key)
			}
			if _, err := f.open(); !errors.Is(err, certificate.ErrLoad) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestCheckListen(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct{ plain, tls bool }{
		"127.0.0.1:7461":          {true, true},
		"127.255.0.3:0":           {true, true},
		"[::1]:7461":              {true, true},
		"[::ffff:127.0.0.1]:7461": {true, true},
		"localhost:7461":          {true, true},
		":7461":                   {false, true},
		"0.0.0.0:7461":            {false, true},
		"[::]:7461":               {false, true},
		"192.0.2.1:7461":          {false, true},
		"localhost.example:7461":  {false, true},
		"127.0.0.1.example:7461":  {false, true},
		"bank.example:7461":       {false, true},
		"127.0.0.1":               {false, false},
		"127.0.0.1:":              {false, false},
		"::1:7461":                {false, false},
		"":                        {false, false},
	} {
		for tls, may := range map[bool]bool{false: want.plain, true: want.tls} {
			err := certificate.CheckListen(address, tls)
			if (err == nil) != may || (err != nil && !errors.Is(err, certificate.ErrAddress)) {
				t.Errorf("%q, TLS %v: %v", address, tls, err)
			}
		}
	}
}
