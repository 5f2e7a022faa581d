package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// maxKeyFileBytes bounds what is read of a key file.
const maxKeyFileBytes = 1 << 20

// logKey is the key that signs checkpoints.
type logKey struct {
	signer   note.Signer
	verifier note.Verifier
	// vkey is the public half, as logs publish it.
	vkey string
}

// readLogKey reads the key that signs the checkpoints of an origin.
func readLogKey(file, origin string) (*logKey, error) {
	text, err := readSecret(file)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key := strings.TrimSpace(string(text))
	signer, err := note.NewSigner(key)
	if err != nil {
		return nil, fmt.Errorf("%s holds no signed-note key (PRIVATE+KEY+…); \"creditbankd init\" makes one", file)
	}
	if signer.Name() != origin {
		return nil, fmt.Errorf("%s is the key of the log %q, not of %q: name the right file, or correct bank.origin", file, signer.Name(), origin)
	}
	private, err := notePrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	vkey := merkle.VerifierKey(origin, private.Public().(ed25519.PublicKey))
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", file, err)
	}
	return &logKey{signer: signer, verifier: verifier, vkey: vkey}, nil
}

// notePrivateKey is the Ed25519 key in a key that note.NewSigner takes: PRIVATE+KEY+<name>+<key id>+<key>.
func notePrivateKey(key string) (ed25519.PrivateKey, error) {
	const algorithm = 1
	parts := strings.SplitN(key, "+", 5) // base64 can hold plus signs too
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != algorithm {
		return nil, errors.New("the key is no Ed25519 key")
	}
	return ed25519.NewKeyFromSeed(raw[1:]), nil
}

// readKeyset reads the keys of the vault.
func readKeyset(file string) (*vault.Keyset, error) {
	text, err := readSecret(file)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	keys, err := vault.ReadKeyset(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s holds no keys of a vault; \"creditbankd init\" makes them", file)
	}
	return keys, nil
}

// readPrivateKey reads a key that signs tokens.
func readPrivateKey(file string) (*keyring.PrivateKey, error) {
	text, err := readSecret(file)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key, err := keyring.ParsePrivateKeyPEM(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// readPublicKey reads the key that verifies the tokens of a sign-in service.
func readPublicKey(file string) (*keyring.PublicKey, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(bytes.TrimSpace(text))
	if block == nil || block.Type != publicKeyPEM || len(rest) > 0 {
		return nil, fmt.Errorf("%s is not one PEM block of the type %s", file, publicKeyPEM)
	}
	key, err := keyring.ParsePublicKey(keyring.Ed25519, block.Bytes)
	if err != nil {
		key, err = keyring.ParsePublicKey(keyring.ECDSAP256SHA256, block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no Ed25519 key, and none of P-256 as an uncompressed point", file)
	}
	return key, nil
}

// publicKeyPEM is the label of a SubjectPublicKeyInfo (RFC 7468, 13).
const publicKeyPEM = "PUBLIC KEY"

func marshalPublicKey(key *keyring.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicKeyPEM, Bytes: key.SPKI()})
}

// readSecret reads a key file that must not be everybody's to read. (A group may: systemd hands credentials over with an
// access list, which shows as one.)
func readSecret(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w, or run \"creditbankd init\" if the bank is new", unreadable(file, err))
	}
	if err != nil {
		return nil, unreadable(file, err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, fmt.Errorf("%s is open to every user of this machine (mode %#o): chmod 0400 it, and replace the key if others may have read it", file, mode)
	}
	return readFile(file)
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes))
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	return text, nil
}

// unreadable says how to mend a file that can't be opened.
func unreadable(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s: correct the path", file)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not read %s: correct its owner or mode", file)
	default:
		return fmt.Errorf("%v", err)
	}
}

// secrets are the keys with which a bank is opened.
type secrets struct {
	log   *logKey
	vault *vault.Keyset
}

// secrets reads the bank's own keys, and adds what is wrong with them to the faults.
func (l *loading) secrets() secrets {
	s := secrets{log: l.logKey()}
	if file := l.config.keys.vaultKeysetFile; file != "" {
		var err error
		if s.vault, err = readKeyset(file); err != nil {
			l.fault("keys.vault_keyset_file", "%v", err)
		}
	}
	return s
}

// logKey reads the key that signs checkpoints, and adds what is wrong with it to the faults.
func (l *loading) logKey() *logKey {
	file, origin := l.config.keys.logSignerFile, l.config.bank.origin
	if file == "" || origin == "" {
		return nil
	}
	key, err := readLogKey(file, origin)
	if err != nil {
		l.fault("keys.log_signer_file", "%v", err)
	}
	return key
}

// issuers reads the keys of those who sign people in, and adds what is wrong with them to the faults.
func (l *loading) issuers() (trusted []access.Issuer) {
	c := l.config
	issuers := make(map[keyring.KeyID]string)
	add := func(at, name, file string, officers, residents bool) {
		if file == "" {
			return
		}
		key, err := readPublicKey(file)
		if err != nil {
			l.fault(at, "%v", err)
			return
		}
		if other, ok := issuers[key.ID()]; ok {
			l.fault(at, "%s holds the key of %q too: each issuer has its own", file, other)
			return
		}
		issuers[key.ID()] = name
		trusted = append(trusted, access.Issuer{Name: name, Key: key, Officers: officers, Residents: residents})
	}
	add("sign_in.local.public_key_file", access.LocalIssuer, c.signIn.local.publicKeyFile, true, true)
	for i, issuer := range c.signIn.issuers {
		at := fmt.Sprintf("%s[%d].public_key_file", issuersKey, i)
		l.from[at] = l.from[issuersKey]
		add(at, issuer.name, issuer.publicKeyFile, issuer.officers, issuer.residents)
	}
	return trusted
}

// certificate finds out whether the certificate can be shown, and adds what is wrong with it to the faults.
func (l *loading) certificate() {
	c := l.config.tls
	if c.certificateFile == "" || c.keyFile == "" {
		return
	}
	readable := true
	for _, f := range []struct{ key, file string }{{"tls.certificate_file", c.certificateFile}, {"tls.key_file", c.keyFile}} {
		if _, err := readFile(f.file); err != nil {
			l.fault(f.key, "%v", err)
			readable = false
		}
	}
	if !readable {
		return
	}
	if _, err := tls.LoadX509KeyPair(c.certificateFile, c.keyFile); err != nil {
		l.fault("tls.certificate_file", "it does not fit tls.key_file (%v): give a certificate in PEM and the private key that it was made for", err)
	}
}

// newFile is a file that init is going to write: it must not be there yet.
type newFile struct {
	path    string
	content []byte
	mode    fs.FileMode
}

// write creates the file, its directory if need be, and makes both durable. It never overwrites.
func (n newFile) write() (err error) {
	directoryMode := fs.FileMode(0o700)
	if n.mode&0o044 != 0 {
		directoryMode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(n.path), directoryMode); err != nil {
		return fmt.Errorf("%v", err)
	}
	f, err := os.OpenFile(n.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, n.mode)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(n.path) // half a key helps nobody
		}
	}()
	if _, err := f.Write(n.content); err != nil {
		return fmt.Errorf("%v", err)
	}
	if err := errors.Join(f.Chmod(n.mode), f.Sync()); err != nil { // whatever the umask says
		return fmt.Errorf("%v", err)
	}
	return syncDirectory(filepath.Dir(n.path))
}

func syncDirectory(directory string) error {
	d, err := os.Open(directory)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer d.Close() //nolint:errcheck // nothing is written through it
	if err := d.Sync(); err != nil {
		return fmt.Errorf("%v", err)
	}
	return nil
}
