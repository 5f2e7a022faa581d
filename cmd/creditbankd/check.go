package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/rpc"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// maxBankIDBytes is the longest bank id that the vault takes.
const maxBankIDBytes = 128

// check finds what is wrong with a configuration without looking at anything else.
func (l *loading) check() {
	c := l.config
	for _, required := range []struct{ key, value, what string }{
		{"bank.id", c.bank.id, "give the bank a name, such as xihu.creditbank.example; it never changes"},
		{"bank.origin", c.bank.origin, "give the log a name, such as xihu.creditbank.example/log/2026"},
		{"data.dir", c.data.dir, "name the directory of the ledger"},
		{"data.vault_dir", c.data.vaultDir, "name the directory of the vault"},
		{"data.anchor_file", c.data.anchorFile, "name the file of the last checkpoint, off data.dir"},
		{"keys.log_signer_file", c.keys.logSignerFile, "name the file of the key that signs checkpoints"},
		{"keys.vault_keyset_file", c.keys.vaultKeysetFile, "name the file of the vault's keys"},
	} {
		if required.value == "" && !l.has(required.key) {
			l.fault(required.key, "is missing: %s", required.what)
		}
	}
	least := rpc.LargestRequest(c.limits.messageBytes)
	if int64(c.limits.bytesInFlight) < least && !l.has("limits.bytes_in_flight") {
		l.fault("limits.bytes_in_flight", "is %d: a request of limits.message_bytes could never be taken; give at least %d",
			c.limits.bytesInFlight, least)
	}
	l.checkNames()
	l.checkPlaces()
	l.checkListen()
	l.checkIssuers()
	l.checkWitnesses()
	l.checkTrustedLogs()
}

// has says whether a key has a fault already.
func (l *loading) has(key string) bool {
	for _, f := range l.faults {
		if f.key == key {
			return true
		}
	}
	return false
}

func (l *loading) checkNames() {
	if id := l.config.bank.id; id != "" {
		if err := keyring.CheckBankID(id); err != nil || len(id) > maxBankIDBytes {
			l.fault("bank.id", "%q can't be signed: give 1 to %d printable ASCII characters without spaces", id, maxBankIDBytes)
		}
	}
	if origin := l.config.bank.origin; origin != "" {
		bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }
		if !utf8.ValidString(origin) || len(origin) > merkle.MaxOriginBytes || strings.ContainsFunc(origin, bad) {
			l.fault("bank.origin", "%q can't name a log: give at most %d bytes without spaces and plus signs", origin, merkle.MaxOriginBytes)
		}
	}
}

// checkPlaces keeps apart what must not be lost, stolen or restored together.
func (l *loading) checkPlaces() {
	c := l.config
	apart := func(key, path, otherKey, other, why string) {
		if path != "" && other != "" && within(path, other) {
			l.fault(key, "%s lies in %s (%s): %s; choose another place", path, other, otherKey, why)
		}
	}
	const erased = "people are erased from the vault and never from the ledger, so the two are backed up apart"
	apart("data.vault_dir", c.data.vaultDir, "data.dir", c.data.dir, erased)
	if !within(c.data.vaultDir, c.data.dir) {
		apart("data.dir", c.data.dir, "data.vault_dir", c.data.vaultDir, erased)
	}
	l.checkBackupPlaces(apart)
	for _, store := range []struct{ key, dir string }{{"data.dir", c.data.dir}, {"data.vault_dir", c.data.vaultDir}} {
		apart("data.anchor_file", c.data.anchorFile, store.key, store.dir,
			"the anchor tells a restored old copy from the bank, so it is no part of a copy")
		for _, key := range []struct{ key, file string }{
			{"keys.log_signer_file", c.keys.logSignerFile},
			{"keys.vault_keyset_file", c.keys.vaultKeysetFile},
			{"sign_in.local.private_key_file", c.signIn.local.privateKeyFile},
		} {
			apart(key.key, key.file, store.key, store.dir, "a key protects nothing that it lies with")
		}
	}
}

// checkBackupPlaces keeps backups apart from what they are of, and from each other.
func (l *loading) checkBackupPlaces(apart func(key, path, otherKey, other, why string)) {
	c := l.config
	switch {
	case c.backup.dir != "" && c.backup.vaultDir == "" && !l.has("backup.vault_dir"):
		l.fault("backup.vault_dir", "is missing: a ledger without its vault names nobody; name both directories, or none")
	case c.backup.dir == "" && c.backup.vaultDir != "" && !l.has("backup.dir"):
		l.fault("backup.dir", "is missing: name both directories, or none")
	}
	const erased = "people are erased from the vault and never from the ledger, so their backups have different lifetimes"
	apart("backup.vault_dir", c.backup.vaultDir, "backup.dir", c.backup.dir, erased)
	if !within(c.backup.vaultDir, c.backup.dir) {
		apart("backup.dir", c.backup.dir, "backup.vault_dir", c.backup.vaultDir, erased)
	}
	for _, kept := range []struct{ key, dir string }{{"backup.dir", c.backup.dir}, {"backup.vault_dir", c.backup.vaultDir}} {
		for _, store := range []struct{ key, dir string }{{"data.dir", c.data.dir}, {"data.vault_dir", c.data.vaultDir}} {
			apart(kept.key, kept.dir, store.key, store.dir, "what takes the store takes the backup too")
		}
		for _, key := range []struct{ key, file string }{
			{"keys.log_signer_file", c.keys.logSignerFile},
			{"keys.vault_keyset_file", c.keys.vaultKeysetFile},
			{"sign_in.local.private_key_file", c.signIn.local.privateKeyFile},
		} {
			apart(key.key, key.file, kept.key, kept.dir, "a key protects nothing that it lies with")
		}
	}
}

// within says whether path is dir, or lies below it.
func within(path, dir string) bool {
	if path == "" || dir == "" {
		return false
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	relative, err := filepath.Rel(dir, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

func (l *loading) checkListen() {
	c := l.config
	switch certificate, key := c.tls.certificateFile, c.tls.keyFile; {
	case certificate != "" && key == "":
		l.fault("tls.key_file", "is missing: tls.certificate_file has a private key; name both files, or none")
	case certificate == "" && key != "":
		l.fault("tls.certificate_file", "is missing: tls.key_file has a certificate; name both files, or none")
	}
	seen := make(map[string]string)
	for _, listen := range []struct{ key, address string }{
		{"listen.grpc", c.listen.grpc}, {"listen.http", c.listen.http}, {"listen.admin", c.listen.admin},
	} {
		if err := checkAddress(listen.address, c.withTLS()); err != nil {
			l.fault(listen.key, "%v", err)
			continue
		}
		if other, ok := seen[listen.address]; ok && !strings.HasSuffix(listen.address, ":0") {
			l.fault(listen.key, "%s is also %s: give each an address of its own", listen.address, other)
		}
		seen[listen.address] = listen.key
	}
}

// checkAddress refuses what is no address to listen on, and without TLS what others can reach.
func checkAddress(address string, withTLS bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address: write host:port, such as 127.0.0.1:7461 or [::1]:7461", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q has no port: give a number from 0 to 65535 after the colon", address)
	}
	if !withTLS && !isLoopback(host) {
		return fmt.Errorf("without TLS only this machine itself may connect, and %q is open to others: "+
			"set tls.certificate_file and tls.key_file, or listen on 127.0.0.1", address)
	}
	return nil
}

// isLoopback says whether only this machine reaches host. Names are not looked up: what they mean can change.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (l *loading) checkIssuers() {
	if l.config.signIn.local.privateKeyFile != "" && l.config.signIn.local.publicKeyFile == "" {
		l.fault("sign_in.local.public_key_file",
			"is missing: without it the bank does not accept what sign_in.local.private_key_file signs")
	}
	names := map[string]bool{access.LocalIssuer: true}
	for i, issuer := range l.config.signIn.issuers {
		at := fmt.Sprintf("%s[%d].", issuersKey, i)
		fault := func(field, format string, args ...any) {
			if !l.has(at + field) {
				l.from[at+field] = l.from[issuersKey]
				l.fault(at+field, format, args...)
			}
		}
		switch {
		case issuer.name == "":
			fault("name", "is missing: give what its tokens say in \"iss\"")
		case issuer.name == access.LocalIssuer:
			fault("name", "%q is the name of the tokens that are made on this machine: the service must have another", access.LocalIssuer)
		case names[issuer.name]:
			fault("name", "%q is there twice: give each issuer once", issuer.name)
		}
		names[issuer.name] = true
		if issuer.publicKeyFile == "" {
			fault("public_key_file", "is missing: name the file of the public key that verifies its tokens")
		}
		if !issuer.officers && !issuer.residents {
			fault("kinds", "is missing: say whom it may vouch for, officer, resident, or both")
		}
	}
}
