package merkle_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// The example of C2SP tlog-checkpoint.
const (
	exampleText = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	exampleNote = exampleText + "\n— example.com/behind-the-sofa " +
		"Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)

func exampleCheckpoint(tb testing.TB) merkle.Checkpoint {
	tb.Helper()
	root, err := tlog.ParseHash("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
	if err != nil {
		tb.Fatal(err)
	}
	return merkle.Checkpoint{Origin: "example.com/behind-the-sofa", Size: 20852163, Root: root}
}

func TestCheckpointText(t *testing.T) {
	c := exampleCheckpoint(t)
	if got := string(c.Marshal()); got != exampleText {
		t.Errorf("Marshal = %q, want %q", got, exampleText)
	}
	if got, err := merkle.ParseCheckpoint(exampleText); err != nil || got != c {
		t.Errorf("ParseCheckpoint = %+v, %v, want %+v", got, err, c)
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	origins := rapid.OneOf(rapid.StringMatching(`[a-z0-9./-]{1,40}`), rapid.SampledFrom([]string{
		"学分银行", "with space", "with+plus", "— dash", strings.Repeat("x", merkle.MaxOriginBytes),
	}))
	rapid.Check(t, func(t *rapid.T) {
		want := merkle.Checkpoint{Origin: origins.Draw(t, "origin"), Size: rapid.Uint64().Draw(t, "size")}
		copy(want.Root[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root"))
		if got, err := merkle.ParseCheckpoint(string(want.Marshal())); err != nil || got != want {
			t.Fatalf("%+v comes back as %+v, %v", want, got, err)
		}
	})
}

func TestParseCheckpointRefuses(t *testing.T) {
	const origin, size, root = "log.example\n", "12\n", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	if _, err := merkle.ParseCheckpoint(origin + size + root); err != nil {
		t.Fatalf("the text that the cases depart from: %v", err)
	}
	for name, text := range map[string]string{
		"nothing":              "",
		"no lines":             "log.example",
		"two lines":            origin + size,
		"no last newline":      strings.TrimSuffix(origin+size+root, "\n"),
		"extension line":       origin + size + root + "more\n",
		"empty fourth line":    origin + size + root + "\n",
		"trailing bytes":       origin + size + root + "more",
		"signed note":          exampleNote,
		"leading newline":      "\n" + origin + size + root,
		"carriage returns":     strings.ReplaceAll(origin+size+root, "\n", "\r\n"),
		"empty origin":         "\n" + size + root,
		"long origin":          strings.Repeat("x", merkle.MaxOriginBytes+1) + "\n" + size + root,
		"control character":    "log\x01example\n" + size + root,
		"tab in origin":        "log\texample\n" + size + root,
		"origin not UTF-8":     "log\xff\n" + size + root,
		"empty size":           origin + "\n" + root,
		"leading zero":         origin + "012\n" + root,
		"double zero":          origin + "00\n" + root,
		"plus":                 origin + "+12\n" + root,
		"negative size":        origin + "-12\n" + root,
		"hexadecimal size":     origin + "0x12\n" + root,
		"underscore":           origin + "1_2\n" + root,
		"size with space":      origin + " 12\n" + root,
		"size above 2^64-1":    origin + "18446744073709551616\n" + root,
		"empty root":           origin + size + "\n",
		"root of 31 bytes":     origin + size + base64.StdEncoding.EncodeToString(make([]byte, 31)) + "\n",
		"root of 33 bytes":     origin + size + base64.StdEncoding.EncodeToString(make([]byte, 33)) + "\n",
		"root without padding": origin + size + strings.TrimSuffix(root, "=\n") + "\n",
		"URL base64":           origin + size + strings.ReplaceAll(root, "/", "_"),
		"loose base64 bits":    origin + size + strings.Replace(root, "q2I=", "q2J=", 1),
		"CR inside the base64": origin + size + root[:10] + "\r" + root[10:],
		"space after root":     origin + size + strings.TrimSuffix(root, "\n") + " \n",
		"hexadecimal root":     origin + size + strings.Repeat("00", 32) + "\n",
	} {
		if c, err := merkle.ParseCheckpoint(text); !errors.Is(err, merkle.ErrCheckpoint) || c != (merkle.Checkpoint{}) {
			t.Errorf("%s: ParseCheckpoint(%q) = %+v, %v, want ErrCheckpoint", name, text, c, err)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(exampleText)
	f.Add(exampleNote)
	f.Add("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("a\n18446744073709551615\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := merkle.ParseCheckpoint(text)
		if err != nil {
			if !errors.Is(err, merkle.ErrCheckpoint) || c != (merkle.Checkpoint{}) {
				t.Fatalf("ParseCheckpoint(%q) = %+v, %v", text, c, err)
			}
			return
		}
		if got := string(c.Marshal()); got != text {
			t.Fatalf("ParseCheckpoint(%q) is written %q", text, got)
		}
		// Whatever is accepted can be signed and opened again.
		signer, verifier := newKey(t, "log.example", 1)
		signed, err := merkle.Sign(c, signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := merkle.OpenCheckpoint(signed, c.Origin, verifier); err != nil || got != c {
			t.Fatalf("OpenCheckpoint(%q) = %+v, %v", signed, got, err)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	signer, verifier := newKey(f, "log.example", 1)
	c := merkle.Checkpoint{Origin: "log.example", Size: 5, Root: merkle.LeafHash(nil)}
	signed, err := merkle.Sign(c, signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte(exampleNote))
	f.Fuzz(func(t *testing.T, note []byte) {
		// Only one text was ever signed: whatever is made of its note, no other checkpoint may come out.
		got, err := merkle.OpenCheckpoint(note, "log.example", verifier)
		if err == nil && got != c {
			t.Fatalf("OpenCheckpoint(%q) = %+v, which nobody signed", note, got)
		}
	})
}

// newKey makes a signer out of a seed of equal bytes, and its verifier.
func newKey(t testing.TB, name string, seed byte) (note.Signer, note.Verifier) {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
	signer, err := note.NewSigner(merkle.SignerKey(name, key))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(merkle.VerifierKey(name, key.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

// TestKeys rebuilds the pair of keys in the documentation of the note package.
func TestKeys(t *testing.T) {
	const (
		skey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
		vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
	)
	seed, err := base64.StdEncoding.DecodeString(skey[strings.LastIndex(skey, "3+")+2:])
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(seed[1:])
	if got := merkle.SignerKey("PeterNeumann", key); got != skey {
		t.Errorf("SignerKey = %q, want %q", got, skey)
	}
	if got := merkle.VerifierKey("PeterNeumann", key.Public().(ed25519.PublicKey)); got != vkey {
		t.Errorf("VerifierKey = %q, want %q", got, vkey)
	}
	for _, name := range []string{"", "two words", "a+b"} {
		if _, err := note.NewSigner(merkle.SignerKey(name, key)); err == nil {
			t.Errorf("a signer named %q is accepted", name)
		}
	}
}

func TestKeysOfAnotherLengthPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"short public key":  func() { merkle.VerifierKey("log.example", make([]byte, 31)) },
		"short private key": func() { merkle.SignerKey("log.example", make([]byte, 63)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			f()
		}()
	}
}

func TestSignAndOpen(t *testing.T) {
	const origin = "log.example/1"
	signer, verifier := newKey(t, origin, 1)
	witness, witnessVerifier := newKey(t, "witness.example", 2)
	_, stranger := newKey(t, "stranger.example", 3)
	_, otherKey := newKey(t, origin, 4)
	for _, size := range []uint64{0, 1, 70000, math.MaxUint64} {
		c := merkle.Checkpoint{Origin: origin, Size: size, Root: merkle.LeafHash([]byte{1})}
		signed, err := merkle.Sign(c, signer, witness)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]note.Verifier{"log": verifier, "witness": witnessVerifier} {
			if got, err := merkle.OpenCheckpoint(signed, origin, v); err != nil || got != c {
				t.Errorf("opened with the %s's key: %+v, %v, want %+v", name, got, err, c)
			}
		}
		for name, v := range map[string]note.Verifier{"stranger's": stranger, "log's name, other": otherKey} {
			got, err := merkle.OpenCheckpoint(signed, origin, v)
			if !errors.Is(err, merkle.ErrSignature) || got != (merkle.Checkpoint{}) {
				t.Errorf("opened with the %s key: %+v, %v, want ErrSignature", name, got, err)
			}
		}
		got, err := merkle.OpenCheckpoint(signed, "log.example/2", verifier)
		if !errors.Is(err, merkle.ErrOrigin) || got != (merkle.Checkpoint{}) {
			t.Errorf("opened as another log's: %+v, %v, want ErrOrigin", got, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	signer, _ := newKey(t, "log.example", 1)
	for name, origin := range map[string]string{
		"empty":       "",
		"two lines":   "log.example\n5",
		"control":     "log\x00",
		"not UTF-8":   "\xff",
		"much of one": strings.Repeat("x", merkle.MaxOriginBytes+1),
	} {
		if signed, err := merkle.Sign(merkle.Checkpoint{Origin: origin}, signer); !errors.Is(err, merkle.ErrCheckpoint) {
			t.Errorf("origin %s: %q, %v, want ErrCheckpoint", name, signed, err)
		}
	}
	if signed, err := merkle.Sign(merkle.Checkpoint{Origin: "log.example"}); !errors.Is(err, merkle.ErrCheckpoint) {
		t.Errorf("no signer: %q, %v, want ErrCheckpoint", signed, err)
	}
	if signed, err := merkle.Sign(merkle.Checkpoint{Origin: "log.example"}, brokenSigner{signer}); err == nil {
		t.Errorf("broken signer: %q", signed)
	}
}

type brokenSigner struct{ note.Signer }

func (brokenSigner) Sign([]byte) ([]byte, error) { return nil, errors.New("the key is gone") }

func TestOpenCheckpointRefuses(t *testing.T) {
	const origin = "log.example"
	signer, verifier := newKey(t, origin, 1)
	c := merkle.Checkpoint{Origin: origin, Size: 42, Root: merkle.LeafHash(nil)}
	good, err := merkle.Sign(c, signer)
	if err != nil {
		t.Fatal(err)
	}
	text := string(c.Marshal())
	signature := strings.TrimPrefix(string(good), text+"\n")
	// One signature of a witness that is valid in all but its size, so that no other limit comes first.
	long := "— witness.example " + base64.StdEncoding.EncodeToString(make([]byte, merkle.MaxCheckpointBytes)) + "\n"
	// A note that the right key did sign, but whose text is no checkpoint of ours.
	sign := func(text string) string {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
	for name, x := range map[string]struct {
		signed string
		want   error
	}{
		"nothing":                {"", merkle.ErrCheckpoint},
		"text alone":             {text, merkle.ErrCheckpoint},
		"no signature":           {text + "\n", merkle.ErrCheckpoint},
		"no blank line":          {text + signature, merkle.ErrCheckpoint},
		"cut short":              {string(good[:len(good)-1]), merkle.ErrCheckpoint},
		"trailing text":          {string(good) + "more\n", merkle.ErrCheckpoint},
		"too long":               {string(good) + long, merkle.ErrCheckpoint},
		"another size":           {strings.Replace(string(good), "\n42\n", "\n43\n", 1), merkle.ErrSignature},
		"another origin":         {strings.Replace(string(good), "log.example\n", "log.examplf\n", 1), merkle.ErrSignature},
		"signature of another":   {text + "\n" + strings.TrimPrefix(sign("other\n"), "other\n\n"), merkle.ErrSignature},
		"signature renamed":      {text + "\n" + strings.Replace(signature, origin, "log.other", 1), merkle.ErrSignature},
		"somebody else's":        {exampleNote, merkle.ErrSignature},
		"signed, two lines":      {sign("log.example\n42\n"), merkle.ErrCheckpoint},
		"signed, extension line": {sign(text + "more\n"), merkle.ErrCheckpoint},
		"signed, leading zero":   {sign(strings.Replace(text, "\n42\n", "\n042\n", 1)), merkle.ErrCheckpoint},
		"signed, not a text":     {sign("hello\n"), merkle.ErrCheckpoint},
	} {
		got, err := merkle.OpenCheckpoint([]byte(x.signed), origin, verifier)
		if !errors.Is(err, x.want) || got != (merkle.Checkpoint{}) {
			t.Errorf("%s: %+v, %v, want %v", name, got, err, x.want)
		}
	}
}

// TestOpenCheckpointWithSixteenSignatures: every reader of signed notes has to accept that many, of any key.
func TestOpenCheckpointWithSixteenSignatures(t *testing.T) {
	signer, verifier := newKey(t, "log.example", 1)
	c := merkle.Checkpoint{Origin: "log.example", Size: 1, Root: merkle.LeafHash(nil)}
	signed, err := merkle.Sign(c, signer)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 15 {
		sig := append([]byte{byte(i), 0, 0, 0}, make([]byte, 5000)...)
		signed = append(signed, "— witness.example "+base64.StdEncoding.EncodeToString(sig)+"\n"...)
	}
	if got, err := merkle.OpenCheckpoint(signed, "log.example", verifier); err != nil || got != c {
		t.Errorf("OpenCheckpoint = %+v, %v", got, err)
	}
}
