package vault_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

func sealer(t testing.TB, v *vault.Vault) *vault.Sealer {
	t.Helper()
	s, err := v.Sealer(context.Background(), account(1))
	if err != nil {
		t.Fatalf("Sealer: %v", err)
	}
	return s
}

func TestSeal(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	enroll(t, v, 1)
	enroll(t, v, 2)
	statement := [16]byte{7, 15: 9}
	s := sealer(t, v)
	for _, content := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("long"), 10_000)} {
		sealed, err := s.Seal("CompletionRecorded", statement, content)
		if err != nil || len(sealed) != len(content)+vault.SealBytes {
			t.Fatalf("Seal: %d bytes of %d, %v", len(sealed), len(content), err)
		}
		again, err := s.Seal("CompletionRecorded", statement, content)
		if err != nil || bytes.Equal(sealed[:12], again[:12]) {
			t.Errorf("two nonces are equal, or %v", err)
		}
		for name, unseal := range map[string]func() ([]byte, error){
			"sealer": func() ([]byte, error) { return s.Unseal("CompletionRecorded", statement, sealed) },
			"vault":  func() ([]byte, error) { return v.Unseal(ctx, account(1), "CompletionRecorded", statement, sealed) },
			"another life": func() ([]byte, error) {
				return open(t, engine, keys).Unseal(ctx, account(1), "CompletionRecorded", statement, sealed)
			},
		} {
			if got, err := unseal(); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(content))
			}
		}
	}
	for _, fact := range []string{"", "two\nlines", "a space", "事实", string(bytes.Repeat([]byte("f"), 129))} {
		if _, err := s.Seal(fact, statement, nil); !errors.Is(err, vault.ErrInvalid) {
			t.Errorf("Seal of the fact %q = %v, want ErrInvalid", fact, err)
		}
	}
}

// TestSealFormat unwraps the key and opens a payload with nothing but Tink, the standard library and the written layout.
func TestSealFormat(t *testing.T) {
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	enroll(t, v, 1)
	statement := [16]byte{0xab, 15: 0xcd}
	sealed, err := sealer(t, v).Seal("CompletionRecorded", statement, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}

	var file bytes.Buffer
	if err := keys.Write(&file); err != nil {
		t.Fatal(err)
	}
	var parts struct{ Wrapping json.RawMessage }
	if err := json.Unmarshal(file.Bytes(), &parts); err != nil {
		t.Fatal(err)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(parts.Wrapping)))
	if err != nil {
		t.Fatal(err)
	}
	wrapping, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := engine.Get(context.Background(), append([]byte{1}, idBytes(account(1))...))
	if err != nil {
		t.Fatal(err)
	}
	row := rows[0][1+32+1+32:]
	length := int(row[0])<<8 | int(row[1])
	id := hex.EncodeToString(idBytes(account(1)))
	key, err := wrapping.Decrypt(row[2:2+length], []byte("creditbank/v1 vault key\n"+bank+"\n"+id+"\n"))
	if err != nil || len(key) != 32 {
		t.Fatalf("a key of %d bytes, %v", len(key), err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		sealed []byte
		data   string
		want   string
	}{
		"payload": {sealed, "creditbank/v1 seal\n" + bank + "\n" + id + "\nCompletionRecorded\nab0000000000000000000000000000cd\n", "content"},
		"person": {row[2+length:], "creditbank/v1 vault person\n" + bank + "\n" + id + "\n", fmt.Sprintf(
			`{"number":"%s","name":"Secretname 王秀英 1","kind":"passport","document":"SECRETPASS00001","contact":"secretphone 13900000001","birth_date":"1950-01-02"}`,
			string(number(1)))},
	} {
		content, err := gcm.Open(nil, test.sealed[:12], test.sealed[12:], []byte(test.data))
		if err != nil || string(content) != test.want {
			t.Errorf("%s: %q, %v, want %q", name, content, err, test.want)
		}
	}
}

// TestTampering moves a payload to where it doesn't belong, and changes every bit of it.
func TestTampering(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	enroll(t, v, 1)
	enroll(t, v, 2)
	statement := [16]byte{1}
	s := sealer(t, v)
	sealed, err := s.Seal("Fact", statement, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	for name, unseal := range map[string]func() ([]byte, error){
		"another account":   func() ([]byte, error) { return v.Unseal(ctx, account(2), "Fact", statement, sealed) },
		"another fact":      func() ([]byte, error) { return s.Unseal("Factor", statement, sealed) },
		"another statement": func() ([]byte, error) { return s.Unseal("Fact", [16]byte{2}, sealed) },
		"no statement":      func() ([]byte, error) { return s.Unseal("Fact", [16]byte{}, sealed) },
		"nothing":           func() ([]byte, error) { return s.Unseal("Fact", statement, nil) },
		"nonce alone":       func() ([]byte, error) { return s.Unseal("Fact", statement, sealed[:12]) },
		"cut":               func() ([]byte, error) { return s.Unseal("Fact", statement, sealed[:len(sealed)-1]) },
		"longer":            func() ([]byte, error) { return s.Unseal("Fact", statement, append(bytes.Clone(sealed), 0)) },
	} {
		if content, err := unseal(); !errors.Is(err, vault.ErrTampered) || content != nil {
			t.Errorf("%s: %q, %v, want ErrTampered", name, content, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1 << (i % 8)
		if content, err := s.Unseal("Fact", statement, changed); !errors.Is(err, vault.ErrTampered) {
			t.Errorf("byte %d changed: %q, %v, want ErrTampered", i, content, err)
		}
	}
}

// TestSwappedRows gives one account the row of another, as somebody with access to the disk might.
func TestSwappedRows(t *testing.T) {
	ctx := context.Background()
	engine, keys := store.NewMemory(), newKeyset(t)
	v := open(t, engine, keys)
	enroll(t, v, 1)
	enroll(t, v, 2)
	rows, err := engine.Get(ctx, append([]byte{1}, idBytes(account(1))...))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string][]byte{
		"another's": rows[0], "empty": {}, "unknown state": {9}, "cut": rows[0][:70], "a bit of a tombstone": {2, 0},
	} {
		var b store.Batch
		b.Set(append([]byte{1}, idBytes(account(2))...), row)
		if err := engine.Commit(ctx, &b, engine.Head()); err != nil {
			t.Fatal(err)
		}
		for call, err := range map[string]error{
			"Person": second(v.Person(ctx, account(2))), "Sealer": second(v.Sealer(ctx, account(2))),
			"Sealers": second(v.Sealers(ctx, []unit.AccountID{account(2)})),
		} {
			if !errors.Is(err, vault.ErrDamaged) && !errors.Is(err, vault.ErrKeyset) {
				t.Errorf("%s row: %s = %v", name, call, err)
			}
		}
	}
}

func TestKeysetFile(t *testing.T) {
	keys := newKeyset(t)
	var file bytes.Buffer
	if err := keys.Write(&file); err != nil {
		t.Fatal(err)
	}
	engine := store.NewMemory()
	enroll(t, open(t, engine, keys), 1)
	read, err := vault.ReadKeyset(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatalf("ReadKeyset: %v", err)
	}
	if got, err := open(t, engine, read).Person(context.Background(), account(1)); err != nil || !same(got, person(1)) {
		t.Errorf("Person with the keyset that was read: %v", err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(file.Bytes(), &parts); err != nil {
		t.Fatal(err)
	}
	without := func(name, value string) []byte {
		changed := maps.Clone(parts)
		changed[name] = json.RawMessage(value)
		b, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, content := range map[string][]byte{
		"empty": nil, "not json": []byte("secret"), "cut": file.Bytes()[:file.Len()/2], "other format": without("format", `"creditbank/v2"`),
		"no wrapping keys": without("wrapping", `{}`), "no lookup key": without("lookup", `null`),
		"keys exchanged": bytes.ReplaceAll(bytes.ReplaceAll(bytes.ReplaceAll(file.Bytes(), []byte(`"wrapping"`), []byte(`"w"`)), []byte(`"lookup"`), []byte(`"wrapping"`)), []byte(`"w"`), []byte(`"lookup"`)),
		"too long":       append(bytes.Clone(file.Bytes()), bytes.Repeat([]byte(" "), 1<<20)...),
	} {
		if _, err := vault.ReadKeyset(bytes.NewReader(content)); !errors.Is(err, vault.ErrInvalid) {
			t.Errorf("%s: ReadKeyset = %v, want ErrInvalid", name, err)
		}
	}
	if text := fmt.Sprint(keys); text != "vault keyset of 1 wrapping keys" {
		t.Errorf("a keyset prints %q", text)
	}
}

func TestRotation(t *testing.T) {
	ctx := context.Background()
	engine, old := store.NewMemory(), newKeyset(t)
	v := open(t, engine, old)
	const people = 1200 // more than two pages
	var group sync.WaitGroup
	for n := range people {
		group.Go(func() {
			if err := v.Enroll(ctx, account(n), person(n)); err != nil {
				t.Errorf("Enroll: %v", err)
			}
		})
	}
	group.Wait()
	if err := v.Erase(ctx, account(5)); err != nil {
		t.Fatal(err)
	}
	sealed, err := v.Seal(ctx, account(1), "Fact", [16]byte{}, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := old.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	retired, err := rotated.Retire()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(ctx, config(engine, retired)); !errors.Is(err, vault.ErrKeyset) {
		t.Errorf("Open without the old key before rewrapping = %v, want ErrKeyset", err)
	}
	v = open(t, engine, rotated)
	if count, err := v.Rewrap(ctx); err != nil || count != people-1 {
		t.Errorf("Rewrap = %d, %v, want %d", count, err, people-1)
	}
	if count, err := v.Rewrap(ctx); err != nil || count != 0 {
		t.Errorf("Rewrap again = %d, %v, want 0", count, err)
	}
	enroll(t, v, people)
	if _, err := vault.Open(ctx, config(engine, old)); !errors.Is(err, vault.ErrKeyset) {
		t.Errorf("Open with the old keyset after rewrapping = %v, want ErrKeyset", err)
	}
	v = open(t, engine, retired)
	for _, n := range []int{0, 1, 499, 500, 999, 1000, people} {
		if got, err := v.Person(ctx, account(n)); err != nil || !same(got, person(n)) {
			t.Errorf("Person(%d) under the new key: %v", n, err)
		}
	}
	if content, err := v.Unseal(ctx, account(1), "Fact", [16]byte{}, sealed); err != nil || string(content) != "content" {
		t.Errorf("what was sealed before the rotation: %q, %v", content, err)
	}
	if _, err := v.Person(ctx, account(5)); !errors.Is(err, vault.ErrErased) {
		t.Errorf("an erased person after the rotation: %v", err)
	}
}

// TestSealWhileErasing holds that nothing is sealed once Erase has returned.
func TestSealWhileErasing(t *testing.T) {
	ctx := context.Background()
	v := open(t, store.NewMemory(), newKeyset(t))
	const people = 50
	for n := range people {
		enroll(t, v, n)
	}
	var group sync.WaitGroup
	var erased [people]sync.Map
	for n := range people {
		group.Go(func() {
			if err := v.Erase(ctx, account(n)); err != nil {
				t.Errorf("Erase: %v", err)
			}
			erased[n].Store("done", true)
		})
		for range 2 {
			group.Go(func() {
				for range 20 {
					_, done := erased[n].Load("done")
					_, err := v.Seal(ctx, account(n), "Fact", [16]byte{}, []byte("x"))
					if (err == nil && done) || (err != nil && !errors.Is(err, vault.ErrKeyGone)) {
						t.Errorf("Seal = %v, erased before: %t", err, done)
					}
					if _, err := v.Lookup(ctx, number(n)); (err == nil && done) || (err != nil && !errors.Is(err, vault.ErrUnknownAccount)) {
						t.Errorf("Lookup = %v, erased before: %t", err, done)
					}
				}
			})
		}
	}
	group.Wait()
}

func BenchmarkSeal(b *testing.B) {
	v := benchmarked(b)
	s, content := sealer(b, v), make([]byte, 250)
	for b.Loop() {
		if _, err := s.Seal("CompletionRecorded", [16]byte{1}, content); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	v := benchmarked(b)
	wanted := number(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Lookup(context.Background(), wanted); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkLookupUncached(b *testing.B) {
	v := benchmarked(b)
	for b.Loop() {
		if _, err := v.Lookup(context.Background(), number(2)); !errors.Is(err, vault.ErrUnknownAccount) {
			b.Fatal(err)
		}
	}
}

func benchmarked(b *testing.B) *vault.Vault {
	b.Helper()
	v, err := vault.Open(context.Background(), vault.Config{
		Engine: store.NewMemory(), BankID: bank, Keys: newKeyset(b), Rand: rand.Reader, Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	enroll(b, v, 1)
	return v
}
