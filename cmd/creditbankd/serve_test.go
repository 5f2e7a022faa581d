package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

const requestID = "0198f3c2-7c1e-7a52-9d0f-3a5b1c2d4e6f"

// founded founds a bank in a directory of its own, and answers the directory and the configuration.
func founded(t *testing.T) (directory, configuration string) {
	t.Helper()
	directory = t.TempDir()
	configuration = filepath.Join(directory, "creditbank.yaml")
	c := once(t, founding(configuration,
		"--bank.id", "test.creditbank.example", "--bank.origin", "test.creditbank.example/log", "--shutdown.grace", "1s",
		"--listen.grpc", "127.0.0.1:0", "--listen.http", "127.0.0.1:0", "--listen.admin", "127.0.0.1:0")...).must()
	for _, words := range []string{"test.creditbank.example is founded", "test.creditbank.example/log+", "creditbankd serve --config"} {
		if !strings.Contains(c.stdout.String(), words) {
			t.Errorf("it does not say %q, but\n%s", words, c.stdout.String())
		}
	}
	return directory, configuration
}

// founding is the command line of init.
func founding(configuration string, flags ...string) []string {
	root := district.RootOrganization()
	return append([]string{
		"init", "--config", configuration, "--organization.id", root.ID, "--organization.name", root.Name, "--organization.code", root.Code,
		"--administrators", "admin-a,admin-b",
	}, flags...)
}

// dial calls a bank, with a token unless it is empty.
func dial(t *testing.T, address, token string) *grpc.ClientConn {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// get answers status and body of a page.
func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	return response.StatusCode, string(body)
}

func appointment() *creditbankv1.AppointOfficerRequest {
	return &creditbankv1.AppointOfficerRequest{
		RequestId: requestID, Officer: "certifier-c", Organization: district.Root,
		Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION},
	}
}

// The life of a bank: founded, served, called with a token that was made on this machine, stopped, and everything is
// there when it is served again.
func TestBankFromInitToStop(t *testing.T) {
	directory, configuration := founded(t)
	for name, mode := range map[string]fs.FileMode{
		"keys/log-signer": 0o600, "keys/vault-keyset": 0o600, "keys/token-signer": 0o600, "sign-in/local.pem": 0o644, "keys": 0o700,
		"data": 0o700, "vault": 0o700,
	} {
		info, err := os.Stat(filepath.Join(directory, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v (%v), want %v", name, info.Mode().Perm(), err, mode)
		}
	}

	server := start(t, time.Now, "serve", "--config", configuration)
	at := server.ready()
	token := strings.TrimSpace(once(t, "token", "--config", configuration, "--officer", "admin-a").must().stdout.String())
	admin := creditbankv1.NewAdminServiceClient(dial(t, at.grpc, token))
	first, err := admin.AppointOfficer(t.Context(), appointment())
	if err != nil {
		t.Fatal(err)
	}
	stranger := strings.TrimSpace(once(t, "token", "--config", configuration, "--officer", "nobody", "--lifetime", "1m").must().stdout.String())
	_, err = creditbankv1.NewAdminServiceClient(dial(t, at.grpc, stranger)).AppointOfficer(t.Context(), appointment())
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("somebody who holds no office gets %v", err)
	}
	for path, want := range map[string]string{
		"http://" + at.http + "/healthz":        "",
		"http://" + at.http + "/readyz":         "",
		"http://" + at.http + "/log/checkpoint": "test.creditbank.example/log\n",
	} {
		if code, body := get(t, new(http.Client), path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answers %d %s", path, code, body)
		}
	}
	code, metrics := get(t, new(http.Client), "http://"+at.admin+"/metrics")
	for _, want := range []string{
		"go_goroutines", "process_start_time_seconds", "creditbank_ledger_size_entries 5", "creditbank_ledger_cache_hits_total",
		`creditbank_store_head{store="ledger"}`,
		`creditbank_store_head{store="vault"}`, "grpc_server_handled_total", "creditbank_review_open_cases 0",
	} {
		if code != http.StatusOK || !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if code, _ := get(t, new(http.Client), "http://"+at.admin+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles answer %d without being asked for", code)
	}
	once(t, "fsck", "--config", configuration).refused(exitFailed, "is in use")
	once(t, "compact", "--config", configuration).refused(exitFailed, "is in use")
	once(t, "serve", "--config", configuration).refused(exitFailed, "is in use")
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}

	once(t, "fsck", "--config", configuration).must()
	if server.limit != 5<<29 {
		t.Errorf("the heap may have %d bytes", server.limit)
	}
	server = start(t, time.Now, "serve", "--config", configuration, "--listen.pprof", "true", "--memory.accounts", "1048576")
	at = server.ready()
	if server.limit != 4<<30 {
		t.Errorf("the heap may have %d bytes when the keys of a million accounts are kept", server.limit)
	}
	if code, _ := get(t, new(http.Client), "http://"+at.admin+"/debug/pprof/"); code != http.StatusOK {
		t.Errorf("profiles answer %d", code)
	}
	again, err := creditbankv1.NewAdminServiceClient(dial(t, at.grpc, token)).AppointOfficer(t.Context(), appointment())
	if err != nil || again.GetEntryIndex() != first.GetEntryIndex() {
		t.Errorf("the same request answers entry %d (%v), and was entry %d", again.GetEntryIndex(), err, first.GetEntryIndex())
	}
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, server.stderr.String())
	}
}

// What is in flight when the bank is told to stop is answered or refused, and what was answered is there afterwards.
func TestStopLosesNothing(t *testing.T) {
	_, configuration := founded(t)
	server := start(t, time.Now, "serve", "--config", configuration)
	at := server.ready()
	token := strings.TrimSpace(once(t, "token", "--config", configuration, "--officer", "admin-a").must().stdout.String())
	request := func(i int) *creditbankv1.AppointOfficerRequest {
		r := appointment()
		r.RequestId, r.Officer = fmt.Sprintf("0198f3c2-7c1e-7a52-9d0f-%012d", i), fmt.Sprintf("certifier-%d", i)
		return r
	}
	const calls = 48
	var (
		client   = creditbankv1.NewAdminServiceClient(dial(t, at.grpc, token))
		group    sync.WaitGroup
		answered = make(chan struct{}, calls)
		index    [calls]uint64
	)
	for i := range calls {
		group.Go(func() {
			response, err := client.AppointOfficer(t.Context(), request(i))
			// Exhausted: so many appointments at once get in each other's way.
			if code := status.Code(err); code != codes.OK && code != codes.Unavailable && code != codes.ResourceExhausted {
				t.Errorf("call %d: %v", i, err)
			}
			if index[i] = response.GetEntryIndex(); err == nil {
				answered <- struct{}{}
			}
		})
	}
	<-answered
	if code := server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, server.stderr.String())
	}
	group.Wait()

	once(t, "fsck", "--config", configuration).must()
	server = start(t, time.Now, "serve", "--config", configuration)
	client = creditbankv1.NewAdminServiceClient(dial(t, server.ready().grpc, token))
	if slices.Max(index[:]) == 0 {
		t.Error("no call was answered")
	}
	for i := range calls {
		response, err := client.AppointOfficer(t.Context(), request(i))
		if err != nil || (index[i] != 0 && response.GetEntryIndex() != index[i]) {
			t.Errorf("call %d was entry %d and now is %d, %v", i, index[i], response.GetEntryIndex(), err)
		}
	}
}

// A request that does not end is broken off when the grace is up, and the bank still ends well.
func TestStopWaitsNoLongerThanTheGrace(t *testing.T) {
	_, configuration := founded(t)
	server := start(t, time.Now, "serve", "--config", configuration)
	conn, err := net.Dial("tcp", server.ready().http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	// The server says "100 Continue" once the handler asks for the form, of which half never comes.
	_, err = io.WriteString(conn, "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the server says %q, %v", line, err)
	}
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, server.stderr.String())
	}
	if !strings.Contains(server.stderr.String(), "broken off") {
		t.Errorf("the log does not tell:\n%s", server.stderr.String())
	}
}

func TestInitRefuses(t *testing.T) {
	directory, configuration := founded(t)
	before := tree(t, directory)
	once(t, founding(configuration)...).refused(exitUsage,
		"data.dir", "is not empty", "keys.log_signer_file", "keys.vault_keyset_file", "data.anchor_file", "never writes over anything")
	once(t, founding(configuration, "--bank.id", "other")...).refused(exitUsage, "--bank.id", "correct it there")
	if after := tree(t, directory); after != before {
		t.Errorf("there was\n%s\nand now is\n%s", before, after)
	}

	for name, test := range map[string]struct {
		args  []string
		words string
	}{
		"no configuration":  {[]string{"--config", ""}, "--config"},
		"no bank id":        {nil, "bank.id: is missing"},
		"bad code":          {[]string{"--bank.id", "b", "--bank.origin", "o", "--organization.code", "1"}, "--organization.code"},
		"bad organization":  {[]string{"--bank.id", "b", "--bank.origin", "o", "--organization.id", "X"}, "--organization.id"},
		"one administrator": {[]string{"--bank.id", "b", "--bank.origin", "o", "--administrators", "a1"}, "--administrators"},
		"one twice":         {[]string{"--bank.id", "b", "--bank.origin", "o", "--administrators", "a1,a1"}, "there twice"},
		"named by name":     {[]string{"--bank.id", "b", "--bank.origin", "o", "--administrators", "a1,Li Lei"}, "--administrators"},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			args := founding(filepath.Join(directory, "etc", "creditbank.yaml"))
			if len(test.args) > 0 {
				args = replaceFlags(args, test.args)
			}
			once(t, args...).refused(exitUsage, test.words)
			if left := tree(t, directory); left != "" {
				t.Errorf("it leaves\n%s", left)
			}
		})
	}
}

// replaceFlags sets flags of a command line, in place of those that are there.
func replaceFlags(args, flags []string) []string {
	out := append([]string(nil), args...)
	for i := 0; i < len(flags); i += 2 {
		replaced := false
		for k := range out {
			if out[k] == flags[i] {
				out[k+1], replaced = flags[i+1], true
			}
		}
		if !replaced {
			out = append(out, flags[i], flags[i+1])
		}
	}
	return out
}

// tree lists what is in a directory.
func tree(t *testing.T, directory string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if path != directory && entry != nil {
			names = append(names, strings.TrimPrefix(path, directory))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

func TestKeysThatDoNotFit(t *testing.T) {
	directory, configuration := founded(t)
	other, _ := founded(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	for name, test := range map[string]struct {
		args  []string
		code  int
		words string
	}{
		"no log key":        {[]string{"--keys.log_signer_file", path("none")}, exitUsage, "creditbankd init"},
		"no key at all":     {[]string{"--keys.log_signer_file", path("sign-in/local.pem")}, exitUsage, "open to every user"},
		"key of a person":   {[]string{"--keys.log_signer_file", path("keys/token-signer")}, exitUsage, "no signed-note key"},
		"another origin":    {[]string{"--bank.origin", "other"}, exitUsage, "correct bank.origin"},
		"no keyset":         {[]string{"--keys.vault_keyset_file", path("keys/log-signer")}, exitUsage, "no keys of a vault"},
		"another keyset":    {[]string{"--keys.vault_keyset_file", filepath.Join(other, "keys/vault-keyset")}, exitFailed, "put back the keyset"},
		"another log key":   {[]string{"--keys.log_signer_file", filepath.Join(other, "keys/log-signer")}, exitFailed, "another"},
		"another bank":      {[]string{"--bank.id", "other"}, exitFailed, "correct data.vault_dir or bank.id"},
		"no anchor":         {[]string{"--data.anchor_file", path("anchor/none")}, exitFailed, "--accept-anchor"},
		"another's anchor":  {[]string{"--data.anchor_file", filepath.Join(other, "anchor/checkpoint")}, exitFailed, "correct bank.id, bank.origin"},
		"no issuer's key":   {[]string{"--sign_in.local.public_key_file", path("none")}, exitUsage, "there is no file"},
		"a secret as issue": {[]string{"--sign_in.local.public_key_file", path("keys/token-signer")}, exitUsage, "PUBLIC KEY"},
		"no certificate":    {[]string{"--tls.certificate_file", path("none"), "--tls.key_file", path("none")}, exitUsage, "there is no file"},
		"bad certificate":   {[]string{"--tls.certificate_file", path("sign-in/local.pem"), "--tls.key_file", path("keys/token-signer")}, exitUsage, "does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			once(t, append([]string{"serve", "--config", configuration}, test.args...)...).refused(test.code, test.words)
		})
	}
	server := start(t, time.Now, "serve", "--config", configuration, "--data.anchor_file", path("anchor/new"), "--accept-anchor")
	server.ready()
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, server.stderr.String())
	}
}

func TestPortInUse(t *testing.T) {
	_, configuration := founded(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	once(t, "serve", "--config", configuration, "--listen.http", l.Addr().String()).refused(exitFailed, "listen.http", "choose another address")
}

func TestClockFarFromTheNewestEntry(t *testing.T) {
	_, configuration := founded(t)
	later := func() time.Time { return time.Now().AddDate(2, 0, 0) }
	c := start(t, later, "serve", "--config", configuration)
	<-c.ended
	c.refused(exitFailed, "--accept-time")
	c = start(t, later, "serve", "--config", configuration, "--accept-time")
	c.ready()
	if code := c.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, c.stderr.String())
	}
}

// A disk that is not mounted, or was lost, leaves an empty directory or none. No other bank begins in its place.
func TestNothingIsBegunAnew(t *testing.T) {
	for name, lose := range map[string]func(dir string) error{
		"gone":  os.RemoveAll,
		"empty": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, lost := range [][]string{{"vault"}, {"data"}, {"data", "vault", "anchor"}} {
				directory, configuration := backedUp(t)
				once(t, "backup", "--config", configuration).must()
				for _, part := range lost {
					if err := lose(filepath.Join(directory, part)); err != nil {
						t.Fatal(err)
					}
				}
				for _, command := range []string{"serve", "backup", "compact"} {
					once(t, command, "--config", configuration).refused(exitFailed, "there is no store in", "creditbankd restore")
				}
				for _, part := range lost {
					begun, err := content(filepath.Join(directory, part))
					if err != nil && !errors.Is(err, fs.ErrNotExist) || len(begun) > 0 && !slices.Equal(begun, []string{"LOCK"}) {
						t.Errorf("%v: in %s is %q, %v", lost, part, begun, err)
					}
				}
			}
		})
	}
}

// A copy of the data that goes on from the same anchor would sign a second history.
func TestTwoCopiesOnOneAnchor(t *testing.T) {
	directory, configuration := founded(t)
	for _, part := range []string{"data", "vault"} {
		copyTree(t, filepath.Join(directory, part), filepath.Join(directory, "copy", part))
	}
	ofCopy := []string{
		"--config", configuration, "--data.dir", filepath.Join(directory, "copy", "data"), "--data.vault_dir", filepath.Join(directory, "copy", "vault"),
	}
	served(t, configuration, func(addresses, creditbankv1.AdminServiceClient) {
		once(t, append([]string{"serve"}, ofCopy...)...).refused(exitFailed, "is in use", "two histories")
	})
	server := start(t, time.Now, append([]string{"serve"}, ofCopy...)...)
	server.ready()
	if code := server.finish(); code != exitOK {
		t.Errorf("once the other has stopped, it ends with %d\n%s", code, server.stderr.String())
	}
}

func TestTokenRefuses(t *testing.T) {
	directory, configuration := founded(t)
	other, _ := founded(t)
	once(t, "token", "--config", configuration).refused(exitUsage, "--officer")
	once(t, "token", "--config", configuration, "--officer", "Li Lei").refused(exitUsage, "--officer")
	once(t, "token", "--config", configuration, "--resident", "6887660908958024").refused(exitUsage, "--resident")
	once(t, "token", "--config", configuration, "--officer", "a1", "--lifetime", "13h").refused(exitUsage, "--lifetime", "12h")
	once(t, "token", "--config", configuration, "--officer", "a1", "--sign_in.local.private_key_file",
		filepath.Join(other, "keys/token-signer")).refused(exitUsage, "is not the public half")
	once(t, "token", "--config", configuration, "--officer", "a1", "--sign_in.local.private_key_file",
		filepath.Join(directory, "none")).refused(exitUsage, "there is no file")
	once(t, "token", "--config", write(t, sound), "--officer", "a1").refused(exitUsage, "sign_in.local.private_key_file: is missing")
	once(t, "token", "--config", configuration, "--resident", strings.Repeat("0a", 16)).must()
}

// With TLS all three addresses speak it, and others may connect.
func TestTLS(t *testing.T) {
	directory, configuration := founded(t)
	roots := selfSigned(t, directory)
	server := start(t, time.Now, "serve", "--config", configuration, "--listen.grpc", "0.0.0.0:0",
		"--tls.certificate_file", filepath.Join(directory, "cert.pem"), "--tls.key_file", filepath.Join(directory, "key.pem"))
	at := server.ready()
	_, port, err := net.SplitHostPort(at.grpc)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	answer, err := healthpb.NewHealthClient(conn).Check(t.Context(), new(healthpb.HealthCheckRequest))
	if err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health answers %v, %v", answer, err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	for _, url := range []string{"https://" + at.http + "/readyz", "https://" + at.admin + "/metrics"} {
		if code, _ := get(t, client, url); code != http.StatusOK {
			t.Errorf("%s answers %d", url, code)
		}
	}
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d\n%s", code, server.stderr.String())
	}
}

// selfSigned writes a certificate for localhost and its key, and answers who trusts it.
func selfSigned(t *testing.T, directory string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(directory, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// flip changes one bit of a row of a store that nobody has open.
func flip(t *testing.T, directory string, key []byte) {
	t.Helper()
	engine, err := pebble.Open(directory, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rows, err := engine.Get(ctx, key)
	if err != nil || rows[0] == nil {
		t.Fatalf("the row is %v, %v", rows, err)
	}
	changed := append([]byte(nil), rows[0]...)
	changed[len(changed)-1] ^= 1
	var batch store.Batch
	batch.Set(key, changed)
	if err := errors.Join(engine.Commit(ctx, &batch, engine.Head()), engine.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestCompactRefuses(t *testing.T) {
	directory, configuration := founded(t)
	once(t, "compact", "--data", directory).refused(exitUsage, "not the directory of a demo")
	none := filepath.Join(directory, "none")
	once(t, "compact", "--config", configuration, "--data.dir", none).refused(exitFailed, "there is no store in")
	if _, err := os.Stat(none); !os.IsNotExist(err) {
		t.Errorf("it made %s (%v)", none, err)
	}
}
