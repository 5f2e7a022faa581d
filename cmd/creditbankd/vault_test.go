package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// The keyset is rotated and its old key retired, each into a file of its own; the old one opens the vault no more, and the
// bank goes on.
func TestVaultRotateAndRetire(t *testing.T) {
	directory, configuration := backedUp(t)
	path := func(name string) string { return filepath.Join(directory, name) }
	keys := func(file string) *vault.Keyset {
		t.Helper()
		k, err := readKeyset(file)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	do := func(verb, to string) *command {
		return once(t, "vault", verb, "--config", configuration, "--to", to)
	}
	place := func(from string) {
		t.Helper()
		if err := os.Rename(from, path("keys/vault-keyset")); err != nil {
			t.Fatal(err)
		}
	}
	before := rootOf(t, configuration)
	old := keys(path("keys/vault-keyset"))
	do("retire", path("keys/none")).refused(exitFailed, "none to retire")
	do("rotate", path("vault/keyset")).refused(exitUsage, "--to", "lies with")
	do("rotate", path("keys/vault-keyset")).refused(exitUsage, "no rotation")
	do("rotate", path("keys/log-signer")).refused(exitFailed, "nothing is written over")

	do("rotate", path("keys/rotated")).must()
	rotated := keys(path("keys/rotated"))
	if !rotated.Rotates(old) || old.Rotates(rotated) || !rotated.Older() {
		t.Error("the keyset is no rotation of the old one")
	}
	if info, err := os.Stat(path("keys/rotated")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it is written with %v, %v", info.Mode(), err)
	}
	once(t, "backup", "--config", configuration).refused(exitFailed, "vault rotate")
	do("rotate", path("keys/rotated")).must() // it was interrupted, for all it knows
	if again := keys(path("keys/rotated")); again.Rotates(rotated) {
		t.Error("another key was drawn for the same rotation")
	}
	place(path("keys/rotated"))
	once(t, "backup", "--config", configuration).must()
	if after := rootOf(t, configuration); after != before {
		t.Errorf("root %s, and it was %s", after, before)
	}

	do("retire", path("keys/retired")).must()
	if keys(path("keys/retired")).Older() {
		t.Error("an old key is left")
	}
	do("retire", path("keys/retired")).refused(exitFailed, "exists")
	place(path("keys/retired"))
	server := start(t, time.Now, "serve", "--config", configuration)
	server.ready()
	do("rotate", path("keys/while-served")).refused(exitFailed, "in use")
	if code := server.finish(); code != exitOK {
		t.Errorf("it ended with %d", code)
	}
}
