package keyring_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
)

func algorithms() []keyring.Algorithm {
	return []keyring.Algorithm{keyring.Ed25519, keyring.ECDSAP256SHA256}
}

// newKey is a key that depends on seed alone.
func newKey(t testing.TB, algorithm keyring.Algorithm, seed byte) *keyring.PrivateKey {
	t.Helper()
	key, err := keyring.Generate(algorithm, bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, key *keyring.PrivateKey, message []byte) []byte {
	t.Helper()
	signature, err := key.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The numbers and words stand in the ledger and in signed texts: they must not move.
func TestNamesAreFrozen(t *testing.T) {
	for _, test := range []struct {
		algorithm keyring.Algorithm
		number    uint8
		name      string
		supported bool
	}{
		{keyring.Ed25519, 1, "ed25519", true},
		{keyring.ECDSAP256SHA256, 2, "ecdsa-p256-sha256", true},
		{keyring.SM2SM3, 3, "sm2-sm3", false},
		{0, 0, "algorithm-0", false},
		{200, 200, "algorithm-200", false},
	} {
		if uint8(test.algorithm) != test.number || test.algorithm.String() != test.name {
			t.Errorf("algorithm %d is %q, want %d and %q", test.algorithm, test.algorithm, test.number, test.name)
		}
		parsed, err := keyring.ParseAlgorithm(test.name)
		if test.supported && (err != nil || parsed != test.algorithm) {
			t.Errorf("ParseAlgorithm(%q) = %v, %v", test.name, parsed, err)
		}
		if !test.supported {
			spki := newKey(t, keyring.Ed25519, 1).Public().SPKI()
			_, publicErr := keyring.ParsePublicKey(test.algorithm, spki)
			_, generateErr := keyring.Generate(test.algorithm, strings.NewReader("0123456789abcdef0123456789abcdef"))
			for _, err := range []error{err, publicErr, generateErr} {
				if !errors.Is(err, keyring.ErrAlgorithm) {
					t.Errorf("%s: %v, want ErrAlgorithm", test.name, err)
				}
			}
		}
	}
	for _, test := range []struct {
		purpose keyring.Purpose
		number  uint8
		word    string
		known   bool
	}{
		{keyring.Sign, 1, "sign", true},
		{keyring.Authenticate, 2, "authenticate", true},
		{0, 0, "purpose-0", false},
		{3, 3, "purpose-3", false},
	} {
		if uint8(test.purpose) != test.number || test.purpose.String() != test.word {
			t.Errorf("purpose %d is %q, want %d and %q", test.purpose, test.purpose, test.number, test.word)
		}
		parsed, err := keyring.ParsePurpose(test.word)
		if test.known != (err == nil) || (test.known && parsed != test.purpose) || (!test.known && !errors.Is(err, keyring.ErrPurpose)) {
			t.Errorf("ParsePurpose(%q) = %v, %v", test.word, parsed, err)
		}
	}
}

func TestKeyIDText(t *testing.T) {
	id := newKey(t, keyring.Ed25519, 1).Public().ID()
	if parsed, err := keyring.ParseKeyID(id.String()); err != nil || parsed != id {
		t.Errorf("ParseKeyID(%v) = %v, %v", id, parsed, err)
	}
	if copied, err := keyring.KeyIDFromBytes(id[:]); err != nil || copied != id {
		t.Errorf("KeyIDFromBytes(%v) = %v, %v", id, copied, err)
	}
	good := strings.Repeat("0a", 32)
	for _, text := range []string{"", good[1:], good + "0", strings.ToUpper(good), "g" + good[1:], " " + good[1:], good[1:] + "\n"} {
		if got, err := keyring.ParseKeyID(text); !errors.Is(err, keyring.ErrKeyID) || got != (keyring.KeyID{}) {
			t.Errorf("ParseKeyID(%q) = %v, %v", text, got, err)
		}
	}
	for _, size := range []int{0, 31, 33} {
		if _, err := keyring.KeyIDFromBytes(make([]byte, size)); !errors.Is(err, keyring.ErrKeyID) {
			t.Errorf("KeyIDFromBytes of %d bytes: %v", size, err)
		}
	}
}
