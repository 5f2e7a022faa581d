package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/backup"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

type backupCommand struct{ configured }

// Help is shown below the flags.
func (*backupCommand) Help() string {
	return `Copies the ledger to backup.dir and, after it, the vault to backup.vault_dir, and reads again what it wrote. What is there from earlier
backups is not written once more. A bank that is being served makes the backup itself, and goes on serving; of one that is not, this
command does. Neither the anchor nor any key is in a backup.`
}

// Run makes a backup, or has it made by the process that serves the bank.
func (c *backupCommand) Run(ctx context.Context, p *process) error {
	l, err := c.load(p.environ)
	if err != nil {
		return err
	}
	l.needBackup()
	if err := l.err(); err != nil {
		return err
	}
	lock, err := pebble.Lock(l.config.data.dir)
	if errors.Is(err, pebble.ErrLocked) {
		return askForBackup(ctx, p, l.config)
	}
	if err != nil {
		return storeError(l.config.data.dir, err)
	}
	if err := lock.Close(); err != nil {
		return fmt.Errorf("%v", err)
	}
	s := l.secrets()
	if err := l.err(); err != nil {
		return err
	}
	return p.backUpStopped(ctx, l.config, s)
}

// backUpStopped makes a backup of a bank that is not served. It takes the stores as they are: nothing is brought to a newer format or
// signed before it is copied, since the backup may be there to go back to.
func (p *process) backUpStopped(ctx context.Context, c *config, s secrets) (err error) {
	stores, err := p.openStores(opening{config: c, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stores.Close()) }()
	if _, err := p.openVault(ctx, c, stores.vault, s.vault); err != nil {
		return err
	}
	signed, err := anchoredCheckpoint(c, s.log)
	if err != nil {
		return ledgerError(c, err)
	}
	report, err := stores.backUp(ctx, c, signed, p.now)
	fmt.Fprint(p.stdout, report)
	return err
}

// anchoredCheckpoint is the newest checkpoint that was signed, as the anchor keeps it.
func anchoredCheckpoint(c *config, key *logKey) (signed []byte, err error) {
	anchor := pebble.NewAnchorFile(nil, c.data.anchorFile)
	signed, err = anchor.Load()
	if err = errors.Join(err, anchor.Close()); err != nil {
		return nil, err
	}
	if signed == nil {
		return nil, ledger.ErrNoAnchor
	}
	if _, err := merkle.OpenCheckpoint(signed, c.bank.origin, key.verifier); err != nil {
		return nil, fmt.Errorf("%w: anchor: %w", ledger.ErrForeign, err)
	}
	return signed, nil
}

// needBackup adds to the faults that the configuration names no place for backups.
func (l *loading) needBackup() {
	if l.config.backup.dir == "" && !l.has("backup.dir") {
		l.fault("backup.dir", "is missing: name the directory for backups of the ledger, and in backup.vault_dir that for those of the vault")
	}
}

// The two stores in backups.
const (
	backupOfLedger = "ledger"
	backupOfVault  = "vault"
)

// backUp makes a backup of the ledger and, after it, one of the vault: a key is in the vault before an entry uses it, so that
// the later vault knows every account of the earlier ledger. One that fails does not keep the other from being made; the
// report is of what was made. Signed is a checkpoint that the ledger covers.
func (s stores) backUp(ctx context.Context, c *config, signed []byte, now func() time.Time) (report string, err error) {
	of, err := s.backUpLedger(ctx, c, signed, now)
	if of != nil {
		report = fmt.Sprintf("ledger  %s\n        %s\n        %d entries of %s, root %s\n", of.Path, amount(of), of.Size, of.Origin, of.Root)
	}
	if err != nil {
		err = fmt.Errorf("ledger in %s, to %s: %w", c.data.dir, c.backup.dir, err)
	}
	failure := s.vault.Checkpoint(func(dir string, _ store.Head) error {
		of, err := backup.Write(ctx, backup.Config{Dir: c.backup.vaultDir, Keep: c.backup.vaultKeep, Now: now}, dir,
			backup.Facts{Store: backupOfVault, BankID: c.bank.id})
		if of != nil {
			report += fmt.Sprintf("vault   %s\n        %s\n", of.Path, amount(of))
		}
		return err
	})
	if failure != nil {
		failure = fmt.Errorf("vault in %s, to %s: %w", c.data.vaultDir, c.backup.vaultDir, failure)
	}
	return report, errors.Join(err, failure)
}

func amount(b *backup.Backup) string {
	return fmt.Sprintf("%d files of %d bytes, of which %d of %d bytes are new", b.Files, b.Bytes, b.NewFiles, b.NewBytes)
}

// backUp makes a backup of a bank that is served.
func (b *bank) backUp(ctx context.Context, c *config, now func() time.Time) (report string, err error) {
	view, err := b.ledger.View()
	if err != nil {
		return "", err
	}
	signed := view.Checkpoint() // before the copy is made, which therefore has everything that it covers
	view.Close()
	return b.stores.backUp(ctx, c, signed, now)
}

func (s stores) backUpLedger(ctx context.Context, c *config, signed []byte, now func() time.Time) (of *backup.Backup, err error) {
	err = s.ledger.Checkpoint(func(dir string, _ store.Head) error {
		text, _, _ := strings.Cut(string(signed), "\n\n")
		known, err := merkle.ParseCheckpoint(text + "\n")
		if err != nil {
			return err
		}
		held, err := survey(ctx, dir, known)
		if err == nil && (held.BankID != c.bank.id || held.Origin != c.bank.origin) {
			err = fmt.Errorf("%w: it holds %s of %s", ledger.ErrForeign, held.Origin, held.BankID)
		}
		if err != nil {
			return ledgerError(c, err)
		}
		of, err = backup.Write(ctx, backup.Config{Dir: c.backup.dir, Now: now}, dir, backup.Facts{
			Store: backupOfLedger, BankID: held.BankID, Origin: held.Origin, Format: held.Format, Size: held.Size,
			Root: held.Root.String(), Checkpoint: string(signed),
		})
		return err
	})
	return of, err
}

// survey learns what a copy of a ledger holds.
func survey(ctx context.Context, dir string, known merkle.Checkpoint) (held ledger.Holding, err error) {
	engine, err := pebble.Open(dir, pebble.Options{ReadOnly: true, Log: slog.New(slog.DiscardHandler), CacheBytes: surveyCacheBytes})
	if err != nil {
		return held, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return ledger.Survey(ctx, engine, known)
}

// surveyCacheBytes is enough for the few rows that are looked at.
const surveyCacheBytes = 8 << 20

// backups answers POST /backup at the admin address.
type backups struct {
	bank   *bank
	config *config
	now    func() time.Time
	log    *slog.Logger
	// stopping ends a backup that is being made.
	stopping context.Context //nolint:containedctx // the life of the service

	running sync.Mutex
}

const backupPath = "/backup"

// ServeHTTP makes a backup and answers when it is complete.
func (b *backups) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err != nil || !isLoopback(host) {
		http.Error(w, "only this machine may ask for a backup", http.StatusForbidden)
		return
	}
	if !b.running.TryLock() {
		http.Error(w, "a backup is being made already: wait for its end", http.StatusConflict)
		return
	}
	defer b.running.Unlock()
	// It takes as long as it takes; the server's limits are for pages.
	connection := http.NewResponseController(w)
	if err := errors.Join(connection.SetReadDeadline(time.Time{}), connection.SetWriteDeadline(time.Time{})); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(b.stopping, cancel)() //nolint:contextcheck // the backup ends with whichever ends first

	started := b.now()
	report, err := b.bank.backUp(ctx, b.config, b.now)
	if err != nil {
		b.log.ErrorContext(ctx, "the backup failed", "cause", err)
		http.Error(w, report+err.Error(), http.StatusInternalServerError)
		return
	}
	b.log.InfoContext(ctx, "a backup was made", "ledger", b.config.backup.dir, "vault", b.config.backup.vaultDir, "took", b.now().Sub(started))
	fmt.Fprint(w, report)
}

// askForBackup has the process that serves the bank make a backup.
func askForBackup(ctx context.Context, p *process, c *config) error {
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	scheme := "http"
	if c.withTLS() {
		trust, err := ownCertificate(c.tls.certificateFile)
		if err != nil {
			return fmt.Errorf("tls.certificate_file: %w", err)
		}
		scheme, transport.TLSClientConfig = "https", trust
	}
	address, err := onThisMachine(c.listen.admin)
	if err != nil {
		return fmt.Errorf("listen.admin: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+address+backupPath, http.NoBody)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("%s is in use, but whoever has it does not answer at %s (listen.admin): %v; if it is an fsck, wait for its end",
			c.data.dir, address, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxKeyFileBytes))
	if err != nil {
		return fmt.Errorf("%s: %v", address, err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		_, err = p.stdout.Write(answer)
		return err
	case http.StatusNotFound:
		return fmt.Errorf("the bank was started without a place for backups: set backup.dir and backup.vault_dir, and restart it")
	default:
		return fmt.Errorf("the bank did not make the backup:\n%s", strings.TrimSpace(string(answer)))
	}
}

// onThisMachine is where this machine reaches an address that a server listens on.
func onThisMachine(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("%v", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

// ownCertificate trusts the server's own certificate alone, by whatever name it has.
func ownCertificate(file string) (*tls.Config, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM", file)
	}
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", file, err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	trust.RootCAs.AddCert(own)
	switch {
	case len(own.DNSNames) > 0:
		trust.ServerName = strings.Replace(own.DNSNames[0], "*", "any", 1)
	case len(own.IPAddresses) > 0:
		trust.ServerName = own.IPAddresses[0].String()
	}
	return trust, nil
}
