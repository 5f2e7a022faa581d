package keyring_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"math/big"
	"slices"
	"sync"
	"testing"

	"filippo.io/edwards25519"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
)

// busyKey is a key that has verified so much that it works with its multiples.
func busyKey(t testing.TB, raw []byte) *keyring.PublicKey {
	t.Helper()
	return busyKeyOf(t, raw, keyring.NewBusy(1))
}

func busyKeyOf(t testing.TB, raw []byte, busy *keyring.Busy) *keyring.PublicKey {
	t.Helper()
	public, err := keyring.ParsePublicKey(keyring.Ed25519, ed25519SPKI(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	public = public.Busy(busy)
	for range 100 {
		if public.Verify(nil, make([]byte, ed25519.SignatureSize)) == nil {
			t.Fatal("zeros verify")
		}
	}
	if busy.Kept() == 0 {
		t.Fatal("nothing is kept of a busy key")
	}
	return public
}

// However many keys are busy, what is kept of them has its bound, and each verifies what it signs, also while others push it out.
func TestBusyKeysAreBounded(t *testing.T) {
	busy := keyring.NewBusy(4)
	var all sync.WaitGroup
	for seed := range byte(12) {
		private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
		raw := []byte(private.Public().(ed25519.PublicKey))
		public := busyKeyOf(t, raw, busy)
		for range 2 {
			all.Go(func() {
				for n := range byte(60) {
					message := []byte{n}
					signature := ed25519.Sign(private, message)
					if !agree(t, "a signature", public, raw, message, signature) || agree(t, "another message", public, raw, nil, signature) {
						t.Error("it does not verify what it should")
					}
				}
			})
		}
		if kept := busy.Kept(); kept != min(int(seed)+1, 4) && kept != 4 {
			t.Errorf("%d keys are kept", kept)
		}
	}
	all.Wait()
	if kept := busy.Kept(); kept != 4 {
		t.Errorf("%d keys are kept", kept)
	}
	if none := keyring.NewBusy(0); none.Kept() != 0 {
		t.Error("something is kept where there is no room")
	}
}

// agree compares what a busy key takes with what crypto/ed25519 takes.
func agree(t testing.TB, what string, public *keyring.PublicKey, raw, message, signature []byte) (verified bool) {
	t.Helper()
	verified = public.Verify(message, signature) == nil
	if want := ed25519.Verify(raw, message, signature); verified != want {
		t.Errorf("%s: verified is %t, and %t with crypto/ed25519", what, verified, want)
	}
	return verified
}

func TestBusyKeysTakeTheSameSignatures(t *testing.T) {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	for seed := range byte(3) {
		private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
		raw := []byte(private.Public().(ed25519.PublicKey))
		public := busyKey(t, raw)
		for n := range byte(4) {
			message := bytes.Repeat([]byte{n}, int(n))
			signature := ed25519.Sign(private, message)
			if !agree(t, "a signature", public, raw, message, signature) {
				t.Fatal("a signature does not verify")
			}
			agree(t, "another message", public, raw, append(message, 0), signature)
			agree(t, "a short one", public, raw, message, signature[:63])
			agree(t, "a long one", public, raw, message, append(slices.Clone(signature), 0))
			for bit := range 8 * len(signature) {
				flipped := slices.Clone(signature)
				flipped[bit/8] ^= 1 << (bit % 8)
				if agree(t, "a flipped bit", public, raw, message, flipped) {
					t.Errorf("bit %d of a signature does not matter", bit)
				}
			}
			slices.Reverse(signature[32:])
			above := new(big.Int).Add(new(big.Int).SetBytes(signature[32:]), order)
			above.FillBytes(signature[32:])
			slices.Reverse(signature[32:])
			if agree(t, "S + L", public, raw, message, signature) {
				t.Error("S + L verifies")
			}
		}
	}
}

// Whoever makes a key may add a point of small order to it. Equations with and without the cofactor differ for such a key,
// and so do libraries, but a busy key and one that is not must not.
func TestBusyKeysOfMixedOrder(t *testing.T) {
	torsion, err := new(edwards25519.Point).SetBytes(unhex(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
	if err != nil {
		t.Fatal(err)
	}
	secret, nonce := scalar(t, "secret"), scalar(t, "nonce")
	point := new(edwards25519.Point).ScalarBaseMult(secret)
	raw := point.Add(point, torsion).Bytes()
	public := busyKey(t, raw)
	r := new(edwards25519.Point).ScalarBaseMult(nonce)
	taken, tried := 0, 0
	for _, first := range []*edwards25519.Point{r, new(edwards25519.Point).Add(r, torsion)} {
		for n := range uint32(200) {
			message := binary.BigEndian.AppendUint32(nil, n)
			k := scalar(t, string(first.Bytes())+string(raw)+string(message))
			s := edwards25519.NewScalar().MultiplyAdd(k, secret, nonce)
			if agree(t, "a signature of a key of mixed order", public, raw, message, append(first.Bytes(), s.Bytes()...)) {
				taken++
			}
			tried++
		}
	}
	if taken == 0 || taken == tried {
		t.Errorf("%d of %d verify: some should, for which the small order makes no difference", taken, tried)
	}
}

func scalar(t *testing.T, text string) *edwards25519.Scalar {
	t.Helper()
	sum := sha512.Sum512([]byte(text))
	s, err := edwards25519.NewScalar().SetUniformBytes(sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func FuzzBusyKey(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	raw := []byte(private.Public().(ed25519.PublicKey))
	public := busyKey(f, raw)
	f.Add([]byte("message"), ed25519.Sign(private, []byte("message")))
	f.Fuzz(func(t *testing.T, message, signature []byte) {
		agree(t, "fuzzed", public, raw, message, signature)
	})
}

func BenchmarkBusyKey(b *testing.B) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	raw := []byte(private.Public().(ed25519.PublicKey))
	message := make([]byte, 250)
	signature := ed25519.Sign(private, message)
	public := busyKey(b, raw)
	b.Run("busy", func(b *testing.B) {
		for b.Loop() {
			if public.Verify(message, signature) != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("crypto", func(b *testing.B) {
		for b.Loop() {
			if !ed25519.Verify(raw, message, signature) {
				b.Fatal("refused")
			}
		}
	})
}
