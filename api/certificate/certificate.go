// Package certificate keeps the certificate that the bank shows on its gRPC and HTTP addresses, and says where it may
// speak without one.
//
// The files are read again when they change, so that renewing a certificate needs no restart; the look happens while a
// connection is made, and no goroutine runs. It never checks whether anybody would trust the certificate, and never
// writes a file or a key anywhere.
//
// Its one invariant: once a certificate was loaded there always is one. A pair of files that does not fit, such as one
// that is half replaced, is logged and leaves the old certificate in place until it fits.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// DefaultEvery is how often the files are looked at, unless Config says otherwise.
const DefaultEvery = 10 * time.Second

// Errors that callers branch on.
var (
	// ErrLoad says that the files hold no certificate with its key.
	ErrLoad = errors.New("certificate: cannot be loaded")
	// ErrAddress says that an address is none, or is one to which the bank does not listen without a certificate.
	ErrAddress = errors.New("certificate: address")
)

// Config is what a certificate stands on.
type Config struct {
	// CertFile is PEM: the certificate, then the intermediate ones. KeyFile is its private key, PEM.
	CertFile, KeyFile string
	// Every is how long a look at the files is good for; 0: DefaultEvery.
	Every time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log hears when files cannot be loaded, and when they were.
	Log *slog.Logger
	// Metrics registers creditbank_tls_…; nil for none.
	Metrics prometheus.Registerer
}

// Certificate is a certificate that is renewed by renewing its files. It is safe for concurrent use.
type Certificate struct {
	config  Config
	current atomic.Pointer[tls.Certificate]
	// failing is 1 while the newest files cannot be loaded.
	failing prometheus.Gauge

	mu     sync.Mutex // guards the look at the files
	looked time.Time
	stamp  stamp
}

// stamp tells one state of the files from another.
type stamp struct {
	cert, key file
}

type file struct {
	modified time.Time
	size     int64
}

// Open loads a certificate; ErrLoad if it can't.
func Open(cfg Config) (*Certificate, error) {
	if cfg.Every == 0 {
		cfg.Every = DefaultEvery
	}
	c := &Certificate{config: cfg, looked: cfg.Now()}
	var err error
	// The stamp is taken before the files are read: what changes in between is read again.
	if c.stamp, err = c.stamps(); err != nil {
		return nil, err
	}
	certificate, err := c.load()
	if err != nil {
		return nil, err
	}
	c.current.Store(certificate)
	factory := promauto.With(cfg.Metrics)
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "creditbank_tls_certificate_expiry_time_seconds", Help: "When the certificate in use expires, in Unix seconds.",
	}, func() float64 { return float64(c.newest().Leaf.NotAfter.Unix()) })
	c.failing = factory.NewGauge(prometheus.GaugeOpts{
		Name: "creditbank_tls_certificate_failing", Help: "1 while the certificate's newest files cannot be loaded and an older one is in use.",
	})
	return c, nil
}

// TLS is how a server shows the certificate: TLS 1.2 and newer. The server adds the protocols that it speaks.
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.newest(), nil },
	}
}

// newest is the certificate, after a look at its files unless one was had a moment ago. Connections do not wait for each
// other's look.
func (c *Certificate) newest() *tls.Certificate {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		if now := c.config.Now(); now.Sub(c.looked) >= c.config.Every || now.Before(c.looked) {
			c.looked = now
			c.look()
		}
	}
	return c.current.Load()
}

func (c *Certificate) look() {
	ctx := context.Background()
	s, err := c.stamps()
	if err == nil && s == c.stamp {
		return
	}
	var certificate *tls.Certificate
	if err == nil {
		certificate, err = c.load()
	}
	if err != nil {
		c.failing.Set(1)
		c.config.Log.WarnContext(ctx, "the certificate cannot be loaded; the one before stays in use", "cause", err)
		return
	}
	c.stamp = s
	c.current.Store(certificate)
	c.failing.Set(0)
	c.config.Log.InfoContext(ctx, "the certificate was loaded", "expires", certificate.Leaf.NotAfter)
}

func (c *Certificate) stamps() (s stamp, err error) {
	if s.cert, err = stampOf(c.config.CertFile); err != nil {
		return stamp{}, err
	}
	s.key, err = stampOf(c.config.KeyFile)
	return s, err
}

func stampOf(name string) (file, error) {
	info, err := os.Stat(name)
	if err != nil {
		return file{}, fmt.Errorf("%w: %v", ErrLoad, err)
	}
	return file{info.ModTime(), info.Size()}, nil
}

func (c *Certificate) load() (*tls.Certificate, error) {
	certificate, err := tls.LoadX509KeyPair(c.config.CertFile, c.config.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrLoad, err)
	}
	if certificate.Leaf == nil {
		if certificate.Leaf, err = x509.ParseCertificate(certificate.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrLoad, err)
		}
	}
	return &certificate, nil
}

// CheckListen answers nil when the bank may listen at an address, host and port: with TLS anywhere, without it only
// where nobody else can read along, that is at a loopback address or "localhost". Other names and the empty host, which
// stands for every address of the machine, need TLS. Otherwise it answers ErrAddress.
func CheckListen(address string, tls bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return fmt.Errorf("%w: %q is no host and port, such as 127.0.0.1:7461", ErrAddress, address)
	}
	if tls || host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %q is not a loopback address, and without TLS everybody on the way could read along: "+
		"name a certificate, or listen at 127.0.0.1", ErrAddress, address)
}
