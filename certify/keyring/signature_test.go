package keyring_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
)

// ed25519SPKI puts raw key bytes into the frame of RFC 8410.
func ed25519SPKI(t testing.TB, raw []byte) []byte {
	t.Helper()
	return append(unhex(t, "302a300506032b6570032100"), raw...)
}

// RFC 8032, 7.1: tests 1 to 3.
func TestEd25519Vectors(t *testing.T) {
	for i, vector := range []struct{ secret, public, message, signature string }{
		{
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		{
			"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		},
	} {
		public, err := keyring.ParsePublicKey(keyring.Ed25519, ed25519SPKI(t, unhex(t, vector.public)))
		if err != nil {
			t.Fatalf("vector %d: %v", i+1, err)
		}
		message, signature := unhex(t, vector.message), unhex(t, vector.signature)
		if err := public.Verify(message, signature); err != nil {
			t.Errorf("vector %d: %v", i+1, err)
		}
		private, err := keyring.Generate(keyring.Ed25519, bytes.NewReader(unhex(t, vector.secret)))
		if err != nil || private.Public().ID() != public.ID() {
			t.Fatalf("vector %d: generated %v, %v, want %v", i+1, private, err, public)
		}
		if got := sign(t, private, message); !bytes.Equal(got, signature) {
			t.Errorf("vector %d: signature %x", i+1, got)
		}
	}
}

type ecdsaSignature struct{ R, S *big.Int }

// RFC 6979, A.2.5: P-256 with SHA-256.
func TestECDSAVectors(t *testing.T) {
	private, err := keyring.Generate(keyring.ECDSAP256SHA256,
		bytes.NewReader(unhex(t, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")))
	if err != nil {
		t.Fatal(err)
	}
	point := append([]byte{4}, unhex(t, "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"+
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")...)
	spki := append(unhex(t, "3059301306072a8648ce3d020106082a8648ce3d030107034200"), point...)
	public, err := keyring.ParsePublicKey(keyring.ECDSAP256SHA256, spki)
	if err != nil {
		t.Fatal(err)
	}
	if private.Public().ID() != public.ID() || !bytes.Equal(public.SPKI(), spki) || public.ID() != sha256.Sum256(spki) {
		t.Fatalf("generated %v, want %v", private, public)
	}
	for message, rs := range map[string][2]string{
		"sample": {
			"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
			"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		},
		"test": {
			"f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
			"019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
		},
	} {
		want, err := asn1.Marshal(ecdsaSignature{new(big.Int).SetBytes(unhex(t, rs[0])), new(big.Int).SetBytes(unhex(t, rs[1]))})
		if err != nil {
			t.Fatal(err)
		}
		if err := public.Verify([]byte(message), want); err != nil {
			t.Errorf("%s: %v", message, err)
		}
		if got := sign(t, private, []byte(message)); !bytes.Equal(got, want) {
			t.Errorf("%s: signature %x, want %x", message, got, want)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	message := []byte("creditbank/v1 submission\n")
	for _, algorithm := range algorithms() {
		key := newKey(t, algorithm, 1)
		good := sign(t, key, message)
		if err := key.Public().Verify(message, good); err != nil {
			t.Fatalf("%v: %v", algorithm, err)
		}
		for name, refused := range map[string]struct {
			public             *keyring.PublicKey
			message, signature []byte
		}{
			"another key":       {newKey(t, algorithm, 2).Public(), message, good},
			"another message":   {key.Public(), message[1:], good},
			"no message":        {key.Public(), nil, good},
			"no signature":      {key.Public(), message, nil},
			"cut signature":     {key.Public(), message, good[:len(good)-1]},
			"longer signature":  {key.Public(), message, append(bytes.Clone(good), 0)},
			"zero signature":    {key.Public(), message, make([]byte, len(good))},
			"signature in hex":  {key.Public(), message, []byte(hex.EncodeToString(good))},
			"another algorithm": {newKey(t, 3-algorithm, 1).Public(), message, good},
		} {
			if err := refused.public.Verify(refused.message, refused.signature); !errors.Is(err, keyring.ErrSignature) {
				t.Errorf("%v, %s: %v", algorithm, name, err)
			}
		}
	}
}

func TestVerifyCatchesEveryFlippedBit(t *testing.T) {
	message := []byte("seven statements")
	for _, algorithm := range algorithms() {
		key := newKey(t, algorithm, 3)
		signature := sign(t, key, message)
		rapid.Check(t, func(t *rapid.T) {
			changed := bytes.Clone(signature)
			bit := rapid.IntRange(0, 8*len(changed)-1).Draw(t, "bit")
			changed[bit/8] ^= 1 << (bit % 8)
			if err := key.Public().Verify(message, changed); !errors.Is(err, keyring.ErrSignature) {
				t.Fatalf("%v with bit %d flipped: %v", algorithm, bit, err)
			}
		})
	}
}

// Both (r, s) and (r, n-s) verify: which is why signature bytes are never an identity.
func TestECDSAHasTwoSignatures(t *testing.T) {
	key := newKey(t, keyring.ECDSAP256SHA256, 1)
	message := []byte("one message")
	var signature ecdsaSignature
	if _, err := asn1.Unmarshal(sign(t, key, message), &signature); err != nil {
		t.Fatal(err)
	}
	signature.S.Sub(elliptic.P256().Params().N, signature.S)
	other, err := asn1.Marshal(signature)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Public().Verify(message, other); err != nil {
		t.Error(err)
	}
}

func TestSPKIRoundTrip(t *testing.T) {
	for _, algorithm := range algorithms() {
		public := newKey(t, algorithm, 5).Public()
		spki := public.SPKI()
		parsed, err := keyring.ParsePublicKey(algorithm, spki)
		if err != nil {
			t.Fatalf("%v: %v", algorithm, err)
		}
		if parsed.ID() != public.ID() || parsed.ID() != sha256.Sum256(spki) || parsed.Algorithm() != algorithm {
			t.Errorf("%v: parsed as %v", public, parsed)
		}
		if got, want := public.String(), algorithm.String()+":"+public.ID().String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
		// The key is the parser's own: what the caller does to its bytes afterwards changes nothing.
		message := []byte("message")
		signature := sign(t, newKey(t, algorithm, 5), message)
		clear(spki)
		clear(parsed.SPKI())
		if err := parsed.Verify(message, signature); err != nil || sha256.Sum256(parsed.SPKI()) != parsed.ID() {
			t.Errorf("%v: changed by its caller: %v", algorithm, err)
		}
	}
}

func TestCryptoKeys(t *testing.T) {
	message := []byte("a token")
	digest := sha256.Sum256(message)

	private := newKey(t, keyring.Ed25519, 1)
	signature, err := private.Crypto().Sign(nil, message, crypto.Hash(0))
	if public, ok := private.Public().Crypto().(ed25519.PublicKey); !ok || err != nil || !ed25519.Verify(public, message, signature) {
		t.Errorf("ed25519: %T, %v", private.Public().Crypto(), err)
	}
	private = newKey(t, keyring.ECDSAP256SHA256, 1)
	signature, err = private.Crypto().Sign(rand.Reader, digest[:], crypto.SHA256)
	if public, ok := private.Public().Crypto().(*ecdsa.PublicKey); !ok || err != nil || !ecdsa.VerifyASN1(public, digest[:], signature) {
		t.Errorf("ecdsa: %T, %v", private.Public().Crypto(), err)
	}
}

// shiftedSPKI encodes an Ed25519 key as a bit string with one unused bit: crypto/x509 shifts it back and finds the key.
func shiftedSPKI(t *testing.T) []byte {
	t.Helper()
	for seed := byte(1); seed != 0; seed++ {
		spki := newKey(t, keyring.Ed25519, seed).Public().SPKI()
		if spki[12]&0x80 != 0 {
			continue
		}
		shifted := new(big.Int).Lsh(new(big.Int).SetBytes(spki[12:]), 1).FillBytes(make([]byte, 32))
		shifted = append(append(bytes.Clone(spki[:11]), 1), shifted...)
		if key, err := x509.ParsePKIXPublicKey(shifted); err != nil || !bytes.Equal(key.(ed25519.PublicKey), spki[12:]) {
			t.Fatalf("crypto/x509 refuses unused bits by itself: %v", err)
		}
		return shifted
	}
	t.Fatal("no key starts with a zero bit")
	return nil
}

func TestParsePublicKeyRefuses(t *testing.T) {
	ed := newKey(t, keyring.Ed25519, 1).Public().SPKI()
	ec := newKey(t, keyring.ECDSAP256SHA256, 1).Public().SPKI()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384SPKI, err := x509.MarshalPKIXPublicKey(&p384.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaSPKI, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 600), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	const header = 26 // bytes before the 65 of the point
	offCurve := bytes.Clone(ec)
	offCurve[len(offCurve)-1] ^= 1
	infinity := unhex(t, "3019301306072a8648ce3d020106082a8648ce3d03010703020000")
	compressed := append(unhex(t, "3039301306072a8648ce3d020106082a8648ce3d030107032200"), 2+ec[len(ec)-1]&1)
	compressed = append(compressed, ec[header+1:header+33]...)
	hybrid := bytes.Clone(ec)
	hybrid[header] = 6 + ec[len(ec)-1]&1
	longForm := append([]byte{0x30, 0x81}, ed[1:]...) // a length in two bytes where one does
	shifted := shiftedSPKI(t)
	withNull := append(unhex(t, "302c300706032b65700500032100"), ed[12:]...)
	for name, refused := range map[string]struct {
		algorithm keyring.Algorithm
		spki      []byte
	}{
		"nothing":                 {keyring.Ed25519, nil},
		"the raw key":             {keyring.Ed25519, ed[12:]},
		"p-256 as ed25519":        {keyring.Ed25519, ec},
		"ed25519 as p-256":        {keyring.ECDSAP256SHA256, ed},
		"p-384":                   {keyring.ECDSAP256SHA256, p384SPKI},
		"rsa":                     {keyring.ECDSAP256SHA256, rsaSPKI},
		"trailing byte":           {keyring.Ed25519, append(bytes.Clone(ed), 0)},
		"trailing byte, p-256":    {keyring.ECDSAP256SHA256, append(bytes.Clone(ec), 0)},
		"cut":                     {keyring.Ed25519, ed[:len(ed)-1]},
		"long form of the length": {keyring.Ed25519, longForm},
		"unused bits":             {keyring.Ed25519, shifted},
		"null parameters":         {keyring.Ed25519, withNull},
		"off the curve, p-256":    {keyring.ECDSAP256SHA256, offCurve},
		"at infinity, p-256":      {keyring.ECDSAP256SHA256, infinity},
		"compressed point":        {keyring.ECDSAP256SHA256, compressed},
		"hybrid point":            {keyring.ECDSAP256SHA256, hybrid},
		"far too long":            {keyring.Ed25519, append(bytes.Clone(ed), make([]byte, 1<<16)...)},
		"off the curve, ed25519":  {keyring.Ed25519, ed25519SPKI(t, append([]byte{2}, make([]byte, 31)...))},
	} {
		if key, err := keyring.ParsePublicKey(refused.algorithm, refused.spki); !errors.Is(err, keyring.ErrPublicKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

// The points of small order, and second encodings of points: crypto/ed25519 takes all of them, and under the identity a
// signature of nobody verifies for every message.
func TestParsePublicKeyRefusesMeaninglessPoints(t *testing.T) {
	identity := append([]byte{1}, make([]byte, 31)...)
	if nobodys := append(bytes.Clone(identity), make([]byte, 32)...); !ed25519.Verify(identity, []byte("anything"), nobodys) {
		t.Fatal("crypto/ed25519 refuses the identity by itself: the check here can go")
	}
	zeros, ffs := strings.Repeat("00", 30), strings.Repeat("ff", 30)
	for _, y := range []string{
		"00" + zeros + "00", // order 4
		"01" + zeros + "00", // order 1
		"ec" + ffs + "7f",   // order 2
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
		"ed" + ffs + "7f", // p, that is 0 again
		"ee" + ffs + "7f", // p + 1
		"f1" + ffs + "7f", // p + 4, a point like any other but for its encoding
		"ff" + ffs + "7f", // 2²⁵⁵ - 1
	} {
		raw := unhex(t, y)
		for _, sign := range []byte{0, 0x80} {
			raw[31] = raw[31]&0x7f | sign
			if _, err := keyring.ParsePublicKey(keyring.Ed25519, ed25519SPKI(t, raw)); !errors.Is(err, keyring.ErrPublicKey) {
				t.Errorf("%x: %v", raw, err)
			}
		}
	}
}

// Every key that is generated parses: the check for meaningless points refuses no other.
func TestGeneratedKeysParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		algorithm := rapid.SampledFrom(algorithms()).Draw(t, "algorithm")
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32).Filter(func(seed []byte) bool {
			return !bytes.Equal(seed, make([]byte, 32)) && seed[0] != 0xff
		}).Draw(t, "seed")
		private, err := keyring.Generate(algorithm, bytes.NewReader(seed))
		if err != nil {
			t.Fatal(err)
		}
		public, err := keyring.ParsePublicKey(algorithm, private.Public().SPKI())
		if err != nil {
			t.Fatal(err)
		}
		message := rapid.SliceOf(rapid.Byte()).Draw(t, "message")
		signature, err := private.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		again, err := private.Sign(message)
		if err != nil || !bytes.Equal(signature, again) {
			t.Fatalf("signed %x, then %x, %v", signature, again, err)
		}
		if err := public.Verify(message, signature); err != nil {
			t.Fatal(err)
		}
	})
}

func TestGenerateNeedsRandomness(t *testing.T) {
	for _, algorithm := range algorithms() {
		for name, source := range map[string]io.Reader{
			"failing": iotest.ErrReader(errors.New("no entropy")),
			"ending":  strings.NewReader("31 bytes, which is one too few."),
		} {
			if key, err := keyring.Generate(algorithm, source); err == nil || key != nil {
				t.Errorf("%v from a %s source: %v, %v", algorithm, name, key, err)
			}
		}
	}
	stuck := bytes.NewReader(make([]byte, 4096)) // zero is no scalar
	if key, err := keyring.Generate(keyring.ECDSAP256SHA256, stuck); err == nil || key != nil {
		t.Errorf("from a stuck source: %v, %v", key, err)
	}
	// A scalar of n or more is drawn again.
	draws := append(bytes.Repeat([]byte{0xff}, 32), bytes.Repeat([]byte{1}, 32)...)
	key, err := keyring.Generate(keyring.ECDSAP256SHA256, bytes.NewReader(draws))
	if err != nil || key.Public().ID() != newKey(t, keyring.ECDSAP256SHA256, 1).Public().ID() {
		t.Errorf("second draw: %v, %v", key, err)
	}
}

// The secret key of RFC 8410, 10.3, as other tools write it.
const rfc8410PEM = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`

func TestPEM(t *testing.T) {
	for _, algorithm := range algorithms() {
		key := newKey(t, algorithm, 7)
		text, err := key.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := keyring.ParsePrivateKeyPEM(append([]byte("\r\n"), append(text, " \n"...)...))
		if err != nil || parsed.Public().ID() != key.Public().ID() || parsed.Public().Algorithm() != algorithm {
			t.Errorf("%v reads back as %v, %v", key, parsed, err)
		}
	}
	key, err := keyring.ParsePrivateKeyPEM([]byte(rfc8410PEM))
	if err != nil {
		t.Fatal(err)
	}
	// The public key that RFC 8410, 10.1, gives for it.
	if got := hex.EncodeToString(key.Public().SPKI()[12:]); got != "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1" {
		t.Errorf("public key %s", got)
	}
	if text, err := key.MarshalPEM(); err != nil || string(text) != rfc8410PEM {
		t.Errorf("written as %s, %v", text, err)
	}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParsePrivateKeyPEMRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pemText("PRIVATE KEY", der)
	}
	sec1, err := x509.MarshalECPrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "1O5y2" // of the key above
	for name, text := range map[string]string{
		"nothing":         "",
		"words":           "the key is under the mat",
		"p-384":           pkcs8(p384),
		"key agreement":   pkcs8(agreement),
		"sec 1":           pemText("EC PRIVATE KEY", sec1),
		"public":          pemText("PUBLIC KEY", newKey(t, keyring.Ed25519, 1).Public().SPKI()),
		"not der":         pemText("PRIVATE KEY", []byte("1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=")),
		"two keys":        rfc8410PEM + rfc8410PEM,
		"words before it": "my key:\n" + rfc8410PEM,
		"words after it":  rfc8410PEM + "that was my key\n",
		"cut":             rfc8410PEM[:60],
		"far too long":    rfc8410PEM + strings.Repeat(" ", 1<<16),
	} {
		key, err := keyring.ParsePrivateKeyPEM([]byte(text))
		if !errors.Is(err, keyring.ErrPrivateKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error shows the key: %v", name, err)
		}
	}
}

func TestPrivateKeyIsNeverPrinted(t *testing.T) {
	for _, algorithm := range algorithms() {
		key := newKey(t, algorithm, 0x5a)
		seed := bytes.Repeat([]byte{0x5a}, 6)
		want := "private key of " + key.Public().String()
		for _, value := range []any{key, *key, struct{ Key keyring.PrivateKey }{*key}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				written := fmt.Sprintf(verb, value)
				for _, secret := range []string{fmt.Sprintf("%x", seed), fmt.Sprintf("%X", seed), fmt.Sprint(seed)[1:17], string(seed)} {
					if strings.Contains(written, secret) {
						t.Errorf("%v with %s: %s", algorithm, verb, written)
					}
				}
				if !strings.Contains(written, want) {
					t.Errorf("%v with %s doesn't name the key: %s", algorithm, verb, written)
				}
			}
		}
		var line bytes.Buffer
		slog.New(slog.NewJSONHandler(&line, nil)).Info("loaded", "key", key)
		if !strings.Contains(line.String(), want) {
			t.Errorf("logged as %s", &line)
		}
	}
	if got := (keyring.PrivateKey{}).String(); got != "private key" {
		t.Errorf("no key prints as %q", got)
	}
}

func FuzzParsePublicKey(f *testing.F) {
	for _, algorithm := range algorithms() {
		spki := newKey(f, algorithm, 1).Public().SPKI()
		f.Add(uint8(algorithm), spki)
		f.Add(uint8(3-algorithm), spki)
		f.Add(uint8(algorithm), append(bytes.Clone(spki), 0))
	}
	f.Add(uint8(1), ed25519SPKI(f, append([]byte{1}, make([]byte, 31)...)))
	f.Add(uint8(3), []byte{0x30})
	f.Fuzz(func(t *testing.T, algorithm uint8, spki []byte) {
		key, err := keyring.ParsePublicKey(keyring.Algorithm(algorithm), spki)
		if err != nil {
			if !errors.Is(err, keyring.ErrPublicKey) && !errors.Is(err, keyring.ErrAlgorithm) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if uint8(key.Algorithm()) != algorithm || key.ID() != sha256.Sum256(spki) || !bytes.Equal(key.SPKI(), spki) {
			t.Fatalf("%x parsed as %v", spki, key)
		}
		// Nobody can have signed with a key of which only the public half was made up.
		if err := key.Verify([]byte("anything"), append(spki[len(spki)-32:len(spki):len(spki)], make([]byte, 32)...)); err == nil {
			t.Fatalf("%x verifies a signature of nobody", spki)
		}
	})
}

func FuzzParsePrivateKeyPEM(f *testing.F) {
	f.Add([]byte(rfc8410PEM))
	text, err := newKey(f, keyring.ECDSAP256SHA256, 1).MarshalPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := keyring.ParsePrivateKeyPEM(text)
		if err != nil {
			if !errors.Is(err, keyring.ErrPrivateKey) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if err := key.Public().Verify(text, sign(t, key, text)); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	message := bytes.Repeat([]byte("x"), 250) // about a submission text
	for _, algorithm := range algorithms() {
		b.Run(algorithm.String(), func(b *testing.B) {
			key := newKey(b, algorithm, 1)
			signature := sign(b, key, message)
			b.ReportAllocs()
			for b.Loop() {
				if err := key.Public().Verify(message, signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParsePublicKey(b *testing.B) {
	for _, algorithm := range algorithms() {
		b.Run(algorithm.String(), func(b *testing.B) {
			spki := newKey(b, algorithm, 1).Public().SPKI()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keyring.ParsePublicKey(algorithm, spki); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
