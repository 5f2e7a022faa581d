package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
)

// A PrivateKey signs with one algorithm. It is immutable, safe for concurrent use, and prints as the id of its public key.
type PrivateKey struct {
	public *PublicKey
	signer crypto.Signer
}

// Generate draws a key from random, which must be cryptographically secure. The same bytes give the same key.
func Generate(algorithm Algorithm, random io.Reader) (*PrivateKey, error) {
	switch algorithm {
	case Ed25519:
		seed := make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(random, seed); err != nil {
			return nil, fmt.Errorf("random source: %v", err)
		}
		return newPrivateKey(ed25519.NewKeyFromSeed(seed))
	case ECDSAP256SHA256:
		// ecdsa.GenerateKey ignores its reader since Go 1.26. A scalar drawn until it lies in [1, n-1] is as good (FIPS 186-5,
		// A.2.2); one draw in 2³² fails, so that several in a row are a fault of the source.
		const attempts = 8
		scalar := make([]byte, 32)
		for range attempts {
			if _, err := io.ReadFull(random, scalar); err != nil {
				return nil, fmt.Errorf("random source: %v", err)
			}
			if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar); err == nil {
				return newPrivateKey(key)
			}
		}
		return nil, fmt.Errorf("random source: %d unusable scalars in a row", attempts)
	default:
		return nil, fmt.Errorf("%w: %v", ErrAlgorithm, algorithm)
	}
}

// pemType is the label of an unencrypted PKCS #8 key (RFC 7468, 10).
const pemType = "PRIVATE KEY"

// maxPEM bounds what is looked at: the longest file of an implemented algorithm has about 250 bytes.
const maxPEM = 4096

// ParsePrivateKeyPEM reads one unencrypted PKCS #8 "PRIVATE KEY" block of an implemented algorithm and nothing but white
// space around it. Its errors say nothing about the key.
func ParsePrivateKeyPEM(text []byte) (*PrivateKey, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrPrivateKey, len(text), maxPEM)
	}
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, fmt.Errorf("%w: does not start with a pem block", ErrPrivateKey)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("%w: not a pem block", ErrPrivateKey)
	case block.Type != pemType:
		return nil, fmt.Errorf("%w: pem block is not a %s (pkcs #8, unencrypted)", ErrPrivateKey, pemType)
	case len(rest) > 0:
		return nil, fmt.Errorf("%w: something follows the pem block", ErrPrivateKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: not pkcs #8", ErrPrivateKey)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: neither ed25519 nor ecdsa", ErrPrivateKey)
	}
	return newPrivateKey(signer)
}

func newPrivateKey(signer crypto.Signer) (*PrivateKey, error) {
	public, err := newPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPrivateKey, err)
	}
	return &PrivateKey{public: public, signer: signer}, nil
}

// Public is the key that verifies what this one signs.
func (k PrivateKey) Public() *PublicKey { return k.public }

// Crypto is the key as ed25519.PrivateKey or *ecdsa.PrivateKey, for libraries that sign tokens. The caller must not
// change what it points to.
func (k PrivateKey) Crypto() crypto.Signer { return k.signer }

// Sign signs message. Both algorithms are deterministic here (ECDSA by RFC 6979): no randomness is needed, and signing the
// same bytes again gives the same signature.
func (k PrivateKey) Sign(message []byte) ([]byte, error) {
	signed, hash := message, crypto.Hash(0) // pure Ed25519 signs the message itself
	if k.public.algorithm == ECDSAP256SHA256 {
		digest := sha256.Sum256(message)
		signed, hash = digest[:], crypto.SHA256
	}
	signature, err := k.signer.Sign(nil, signed, hash)
	if err != nil {
		return nil, fmt.Errorf("sign with %v: %v", k.public.algorithm, err)
	}
	return signature, nil
}

// MarshalPEM writes the key as an unencrypted PKCS #8 "PRIVATE KEY" block (RFC 5958, RFC 8410). The result is secret.
func (k PrivateKey) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPrivateKey, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// String names the key without showing it.
func (k PrivateKey) String() string {
	if k.public == nil {
		return "private key"
	}
	return "private key of " + k.public.String()
}

// GoString is String.
func (k PrivateKey) GoString() string { return k.String() }

// Format writes String for every verb: without it, a verb such as %x would print the key.
func (k PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
