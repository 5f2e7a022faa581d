// Package keyring says who may sign what, and checks signatures: the keys of organizations, the texts they sign, and
// the times within which they may.
//
// It holds no keys and looks none up: the ledger's state does, and hands one in. It never reads a clock (the time of the
// entry is passed), never draws randomness by itself, does no I/O, and starts no goroutine; whoever has many
// signatures to check spreads them over cores.
//
// Its one invariant: the algorithm of a signature comes from the registration of its key and never from a message. A
// *[PublicKey] therefore exists only together with its algorithm, and only for an encoding that is the only one of its
// key, so that a key has one [KeyID]. Signature bytes are never an identity: ECDSA has two for every message.
package keyring

import (
	"encoding/hex"
	"errors"
	"fmt"
)

var (
	// ErrAlgorithm answers an algorithm that is unknown or not implemented.
	ErrAlgorithm = errors.New("signature algorithm not supported")
	// ErrPurpose answers a purpose that is unknown.
	ErrPurpose = errors.New("unknown key purpose")
	// ErrKeyID answers a malformed key id.
	ErrKeyID = errors.New("malformed key id")
	// ErrPublicKey answers an encoding that is malformed, not the only one of its key, or of a key nobody should use.
	ErrPublicKey = errors.New("malformed public key")
	// ErrPrivateKey answers a malformed or unsupported private key.
	ErrPrivateKey = errors.New("malformed private key")
	// ErrSignature answers a signature that is not one of this key over this message.
	ErrSignature = errors.New("signature does not verify")
	// ErrText answers a text that is not exactly what its writer would have written.
	ErrText = errors.New("malformed text to sign")
	// ErrBankID answers a bank id that cannot stand in a signed text.
	ErrBankID = errors.New("malformed bank id")

	// The answers of [Key.Check].

	// ErrKeyOrganization: the key is registered for another organization.
	ErrKeyOrganization = errors.New("key belongs to another organization")
	// ErrKeyPurpose: the key is registered for another purpose.
	ErrKeyPurpose = errors.New("key has another purpose")
	// ErrKeyNotYetValid: before the key's validity.
	ErrKeyNotYetValid = errors.New("key not yet valid")
	// ErrKeyExpired: after the key's validity.
	ErrKeyExpired = errors.New("key expired")
	// ErrKeyRevoked: after the key's revocation.
	ErrKeyRevoked = errors.New("key revoked")
)

// An Algorithm is how a key signs. The numbers are written into the ledger and never reused.
type Algorithm uint8

const (
	// Ed25519 is pure Ed25519 (RFC 8032); a signature has 64 bytes.
	Ed25519 Algorithm = 1
	// ECDSAP256SHA256 is ECDSA on P-256 over the SHA-256 of the message (FIPS 186-5); a signature is the DER of
	// Ecdsa-Sig-Value (RFC 3279).
	ECDSAP256SHA256 Algorithm = 2
	// SM2SM3 is kept for SM2 with SM3 (GB/T 32918). It is not implemented: whatever takes an algorithm answers
	// [ErrAlgorithm].
	SM2SM3 Algorithm = 3
)

// String is the name in configuration and on the command line.
func (a Algorithm) String() string {
	switch a {
	case Ed25519:
		return "ed25519"
	case ECDSAP256SHA256:
		return "ecdsa-p256-sha256"
	case SM2SM3:
		return "sm2-sm3"
	default:
		return fmt.Sprintf("algorithm-%d", uint8(a))
	}
}

// ParseAlgorithm reads the name of an implemented algorithm, or answers [ErrAlgorithm].
func ParseAlgorithm(name string) (Algorithm, error) {
	for _, a := range []Algorithm{Ed25519, ECDSAP256SHA256} {
		if name == a.String() {
			return a, nil
		}
	}
	return 0, ErrAlgorithm
}

// A Purpose is what a key is for; each key has one. The numbers are written into the ledger and never reused.
type Purpose uint8

const (
	// Sign keys sign submissions: what an organization answers for, for ever.
	Sign Purpose = 1
	// Authenticate keys sign the short-lived tokens with which an organization calls the bank.
	Authenticate Purpose = 2
)

// String is the word of the purpose, as it stands in registration texts.
func (p Purpose) String() string {
	switch p {
	case Sign:
		return "sign"
	case Authenticate:
		return "authenticate"
	default:
		return fmt.Sprintf("purpose-%d", uint8(p))
	}
}

// ParsePurpose reads the word of a purpose, or answers [ErrPurpose].
func ParsePurpose(word string) (Purpose, error) {
	for _, p := range []Purpose{Sign, Authenticate} {
		if word == p.String() {
			return p, nil
		}
	}
	return 0, ErrPurpose
}

// A KeyID names a public key: the SHA-256 of its SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7).
type KeyID [32]byte

// ParseKeyID reads the 64 lower-case hexadecimal digits that String writes.
func ParseKeyID(s string) (KeyID, error) {
	var id KeyID
	if len(s) != 2*len(id) {
		return KeyID{}, fmt.Errorf("%w: %d characters, not %d", ErrKeyID, len(s), 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return KeyID{}, fmt.Errorf("%w: not lower-case hexadecimal", ErrKeyID)
	}
	return id, nil
}

// KeyIDFromBytes copies 32 bytes.
func KeyIDFromBytes(b []byte) (KeyID, error) {
	if len(b) != len(KeyID{}) {
		return KeyID{}, fmt.Errorf("%w: %d bytes, not %d", ErrKeyID, len(b), len(KeyID{}))
	}
	return KeyID(b), nil
}

// String is 64 lower-case hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }
