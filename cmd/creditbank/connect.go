package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

const (
	// systemRoots is the value of --tls-ca for certificates of public authorities.
	systemRoots = "system"
	// maxTokenBytes is the longest token that the bank takes.
	maxTokenBytes = 4096
	// tokenMargin is how long before its end a token is replaced.
	tokenMargin = time.Minute
)

// globals are the flags of every command.
type globals struct {
	GRPC         string        `name:"grpc" env:"CREDITBANK_GRPC" default:"127.0.0.1:7461" placeholder:"HOST:PORT" group:"bank" help:"gRPC address of the bank (${default})."`
	HTTP         string        `name:"http" env:"CREDITBANK_HTTP" default:"http://127.0.0.1:7480" placeholder:"URL" group:"bank" help:"Address of its pages, checkpoint and tiles (${default})."`
	Bank         string        `env:"CREDITBANK_BANK" placeholder:"ID" group:"bank" help:"Id of the bank: what platforms sign for, and whom their tokens are for."`
	TLSCA        string        `name:"tls-ca" env:"CREDITBANK_TLS_CA" placeholder:"FILE" group:"bank" help:"Use TLS, and trust the authorities in this PEM file; \"system\": those of this machine. Without TLS only loopback addresses are called."`
	Timeout      time.Duration `env:"CREDITBANK_TIMEOUT" default:"1m" group:"bank" help:"Longest wait for one answer (${default})."`
	Organization string        `env:"CREDITBANK_ORGANIZATION" placeholder:"ID" group:"caller" help:"Organization that calls and signs."`
	SignKey      string        `env:"CREDITBANK_SIGN_KEY" placeholder:"FILE" group:"caller" help:"Its private key for signing submissions (PEM)."`
	AuthKey      string        `env:"CREDITBANK_AUTH_KEY" placeholder:"FILE" group:"caller" help:"Its private key for calling (PEM)."`
	TokenFile    string        `env:"CREDITBANK_TOKEN_FILE" placeholder:"FILE" group:"caller" help:"Token of an officer or a resident."`
	JSON         bool          `name:"json" help:"Print JSON for programs."`
	Lang         string        `env:"CREDITBANK_LANG" enum:"auto,zh,en" default:"auto" help:"Language for people: zh, en, or auto by LANG."`
}

// dial makes a connection for calls in the name of the caller whose credentials the flags give, or of nobody. It does
// not wait for the bank to answer.
func (g *globals) dial(p *process) (*grpc.ClientConn, error) {
	var options []grpc.DialOption
	config, err := g.tls(g.GRPC)
	if err != nil {
		return nil, err
	}
	if config != nil {
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	} else {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	caller, err := g.caller(p)
	if err != nil {
		return nil, err
	}
	if caller != nil {
		options = append(options, grpc.WithPerRPCCredentials(caller))
	}
	conn, err := grpc.NewClient(g.GRPC, options...)
	if err != nil {
		return nil, usagef("--grpc %s: %v", g.GRPC, err)
	}
	return conn, nil
}

// call bounds one call.
func (g *globals) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, g.Timeout)
}

// tls is how to speak TLS with an address; nil where nobody can listen on the way.
func (g *globals) tls(address string) (*tls.Config, error) {
	if g.TLSCA == "" {
		if !isLoopback(address) {
			return nil, usagef("%s is not on this machine, and without TLS everybody on the way could read and use your token: "+
				"give --tls-ca FILE with the authority of the bank's certificate, or --tls-ca %s for a public one", address, systemRoots)
		}
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if g.TLSCA == systemRoots {
		return config, nil
	}
	pem, err := os.ReadFile(g.TLSCA)
	if err != nil {
		return nil, usagef("--tls-ca: %v", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--tls-ca: there is no certificate in %s", g.TLSCA)
	}
	return config, nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// web is a client for the bank's plain HTTP, and its address without a slash at the end. Close its idle connections.
func (g *globals) web() (*http.Client, string, error) {
	address, err := url.Parse(g.HTTP)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, "", usagef("--http: %q is no address such as http://127.0.0.1:7480", g.HTTP)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: tilesAtOnce, ForceAttemptHTTP2: true}
	switch {
	case address.Scheme == "http" && !isLoopback(address.Host):
		return nil, "", usagef("--http: %s is not on this machine: use https", address.Host)
	case address.Scheme == "https" && g.TLSCA != "":
		if transport.TLSClientConfig, err = g.tls(address.Host); err != nil {
			return nil, "", err
		}
	}
	return &http.Client{Transport: transport, Timeout: g.Timeout}, strings.TrimRight(g.HTTP, "/"), nil
}

// caller is the credentials that the flags give; nil if they give none.
func (g *globals) caller(p *process) (credentials.PerRPCCredentials, error) {
	switch {
	case g.TokenFile != "":
		text, err := os.ReadFile(g.TokenFile)
		if err != nil {
			return nil, usagef("--token-file: %v", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" || len(token) > maxTokenBytes || strings.ContainsAny(token, " \r\n\t") {
			return nil, usagef("--token-file: there is no token in %s", g.TokenFile)
		}
		return &bearer{token: token, until: p.now().Add(access.MaxPersonToken), now: p.now, secure: g.TLSCA != ""}, nil
	case g.AuthKey != "":
		organization, err := g.names()
		if err != nil {
			return nil, err
		}
		key, err := readKey("--auth-key", g.AuthKey)
		if err != nil {
			return nil, err
		}
		return &bearer{now: p.now, secure: g.TLSCA != "", renew: func(now time.Time) (string, error) {
			return access.OrganizationToken(g.Bank, organization, key, now)
		}}, nil
	default:
		return nil, nil
	}
}

// names checks the names that an organization signs with.
func (g *globals) names() (unit.OrganizationID, error) {
	if err := keyring.CheckBankID(g.Bank); err != nil {
		return "", usagef("--bank: %v", err)
	}
	organization, err := unit.ParseOrganizationID(g.Organization)
	if err != nil {
		return "", usagef("--organization: %v", err)
	}
	return organization, nil
}

// readKey reads a private key that a flag names.
func readKey(flag, file string) (*keyring.PrivateKey, error) {
	if file == "" {
		return nil, usagef("%s is missing", flag)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("%s: %v", flag, err)
	}
	key, err := keyring.ParsePrivateKeyPEM(text)
	if err != nil {
		return nil, usagef("%s: %s: %v", flag, file, err)
	}
	return key, nil
}

// bearer sends a token with every call, and makes a new one in time where it can.
type bearer struct {
	now    func() time.Time
	secure bool
	renew  func(now time.Time) (string, error)

	mu    sync.Mutex
	token string
	until time.Time
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b *bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); b.renew != nil && !now.Before(b.until) {
		token, err := b.renew(now)
		if err != nil {
			return nil, fmt.Errorf("making a token: %w", err)
		}
		b.token, b.until = token, now.Add(access.MaxOrganizationToken-tokenMargin)
	}
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (b *bearer) RequireTransportSecurity() bool { return b.secure }

// hangUp closes what nothing was written to: its error has nothing to say.
func hangUp(c io.Closer) { _ = c.Close() }

// closing joins the error of closing a file that was written to.
func closing(err *error, file *os.File) {
	*err = errors.Join(*err, file.Close())
}
