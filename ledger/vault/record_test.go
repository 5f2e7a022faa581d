package vault_test

import (
	"errors"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// A keyed hash is the same for ever, one for each purpose and bank, and nobody without the keyset has it.
func TestKeyedHash(t *testing.T) {
	keys := newKeyset(t)
	v := open(t, store.NewMemory(), keys)
	hash := func(v *vault.Vault, purpose, content string) [32]byte {
		t.Helper()
		h, err := v.KeyedHash(purpose, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := hash(v, "record", "a")
	rotated, err := keys.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*vault.Vault{"again": open(t, store.NewMemory(), keys), "rotated": open(t, store.NewMemory(), rotated)} {
		if hash(other, "record", "a") != first {
			t.Errorf("%s: another hash", name)
		}
	}
	for name, h := range map[string][32]byte{
		"content": hash(v, "record", "b"), "purpose": hash(v, "row", "a"), "keyset": hash(open(t, store.NewMemory(), newKeyset(t)), "record", "a"),
	} {
		if h == first {
			t.Errorf("another %s, and the same hash", name)
		}
	}
	for _, purpose := range []string{"", "two words", "number", "document", "lookup", "a\nb"} {
		if _, err := v.KeyedHash(purpose, nil); !errors.Is(err, vault.ErrInvalid) {
			t.Errorf("purpose %q: %v", purpose, err)
		}
	}
}
