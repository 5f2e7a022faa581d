package cosignature_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// The example of C2SP tlog-cosignature says which bytes are signed; its keys are not published. These are made here.
const origin = "log.test/2026"

func privateKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func vkeyOfLog() string {
	return merkle.VerifierKey(origin, privateKey(1).Public().(ed25519.PublicKey))
}

// signed is the checkpoint of a log of a size, under the log's own signature.
func signed(tb testing.TB, size uint64) []byte {
	tb.Helper()
	signer, err := note.NewSigner(merkle.SignerKey(origin, privateKey(1)))
	if err != nil {
		tb.Fatal(err)
	}
	b, err := merkle.Sign(merkle.Checkpoint{Origin: origin, Size: size, Root: merkle.Hash{byte(size)}}, signer)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// witness is the signer of a witness, and its key.
func witness(tb testing.TB, name string, seed byte) (*torchwood.CosignatureSigner, cosignature.Key) {
	tb.Helper()
	signer, err := torchwood.NewCosignatureSigner(name, privateKey(seed))
	if err != nil {
		tb.Fatal(err)
	}
	key, err := cosignature.ParseKey(signer.Verifier().String())
	if err != nil {
		tb.Fatal(err)
	}
	return signer, key
}

// line is what a witness answers for a checkpoint.
func line(tb testing.TB, signer note.Signer, checkpoint []byte) []byte {
	tb.Helper()
	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	cosigned, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
	if err != nil {
		tb.Fatal(err)
	}
	_, lines, _ := bytes.Cut(cosigned, []byte("\n\n"))
	return lines
}

// byDefinition is a cosignature of a time (C2SP tlog-cosignature, "Ed25519 signed message"), under the key that a seed makes.
func byDefinition(checkpoint []byte, signer note.Signer, seed byte, seconds uint64) []byte {
	text, _, _ := strings.Cut(string(checkpoint), "\n\n")
	signature := ed25519.Sign(privateKey(seed), fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", seconds, text))
	b := binary.BigEndian.AppendUint32(nil, signer.KeyHash())
	b = append(binary.BigEndian.AppendUint64(b, seconds), signature...)
	return fmt.Appendf(nil, "— %s %s\n", signer.Name(), base64.StdEncoding.EncodeToString(b))
}

func TestAccept(t *testing.T) {
	t.Parallel()
	checkpoint := signed(t, 7)
	signer, key := witness(t, "w.test/1", 2)
	stranger, _ := witness(t, "stranger.test", 3)
	impostor, _ := witness(t, "w.test/1", 4)
	good := line(t, signer, checkpoint)

	for name, lines := range map[string][]byte{
		"its own":            good,
		"after a stranger's": slices.Concat(line(t, stranger, checkpoint), good),
		"before an impostor": slices.Concat(good, line(t, impostor, checkpoint)), // another key id
		"twice":              slices.Concat(good, good),
	} {
		c, err := key.Accept(checkpoint, lines)
		if err != nil || c.Witness != "w.test/1" || c.Line+"\n" != string(good) || time.Since(c.Time) > time.Minute || time.Since(c.Time) < -time.Second {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}

	at := func(seconds uint64) []byte { return byDefinition(checkpoint, signer, 2, seconds) }
	if c, err := key.Accept(checkpoint, at(1679315147)); err != nil || c.Time.Unix() != 1679315147 {
		t.Errorf("a cosignature by the definition: %+v, %v", c, err)
	}
	changed := bytes.Clone(good)
	changed[len(changed)-10] ^= 1
	for name, test := range map[string]struct {
		lines []byte
		err   error // nil: any
	}{
		"a stranger's":             {line(t, stranger, checkpoint), cosignature.ErrNone},
		"an impostor's":            {line(t, impostor, checkpoint), cosignature.ErrNone},
		"of another checkpoint":    {line(t, signer, signed(t, 8)), cosignature.ErrForged},
		"the log's signature":      {checkpoint[bytes.Index(checkpoint, []byte("\n\n"))+2:], cosignature.ErrNone},
		"a time that is none":      {at(1 << 63), cosignature.ErrForged},
		"nothing":                  {nil, nil},
		"no end of line":           {bytes.TrimSuffix(good, []byte("\n")), nil},
		"words":                    {[]byte("cosigned\n"), nil},
		"a whole note":             {slices.Concat(checkpoint, good), nil},
		"another text before it":   {slices.Concat([]byte("— x AAAAAAAA\n\n"), good), nil},
		"more than a hundred":      {bytes.Repeat(line(t, stranger, checkpoint), 101), nil},
		"one bit of it is another": {changed, nil},
	} {
		c, err := key.Accept(checkpoint, test.lines)
		if err == nil || test.err != nil && !errors.Is(err, test.err) {
			t.Errorf("%s: %+v, %v, want %v", name, c, err, test.err)
		}
	}
	if _, err := key.Accept([]byte("no note"), good); err == nil {
		t.Error("a checkpoint without a signature is taken")
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	signer, key := witness(t, "w.test/1", 2)
	vkey := signer.Verifier().String()
	if key.Name() != "w.test/1" || key.String() != vkey {
		t.Errorf("%s is %s of %s", vkey, key, key.Name())
	}
	for name, text := range map[string]string{
		"nothing":      "",
		"a log's key":  vkeyOfLog(),
		"another name": "x" + vkey,
		"no key":       "w.test/1+00000000+",
		"cut short":    vkey[:len(vkey)-4],
		"a space":      " " + vkey,
	} {
		if _, err := cosignature.ParseKey(text); !errors.Is(err, cosignature.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	var (
		signers []*torchwood.CosignatureSigner
		keys    []cosignature.Key
	)
	for i := range 3 {
		signer, key := witness(t, fmt.Sprintf("w%d.test", i), byte(10+i))
		signers, keys = append(signers, signer), append(keys, key)
	}
	policy, err := cosignature.NewPolicy(keys, 2)
	if err != nil || policy.Quorum() != 2 || policy.Witnesses() != 3 {
		t.Fatalf("%+v, %v", policy, err)
	}
	checkpoint := signed(t, 7)
	stranger, _ := witness(t, "stranger.test", 3)
	lines := func(of ...note.Signer) []byte {
		b := bytes.Clone(checkpoint)
		for _, signer := range of {
			b = append(b, line(t, signer, checkpoint)...)
		}
		return b
	}
	for _, test := range []struct {
		note      []byte
		names     []string
		witnessed bool
	}{
		{checkpoint, nil, false},
		{lines(stranger), nil, false},
		{lines(signers[1]), []string{"w1.test"}, false},
		{lines(signers[1], signers[1], signers[1]), []string{"w1.test"}, false},
		{lines(signers[2], stranger, signers[0]), []string{"w0.test", "w2.test"}, true},
		{lines(signers[2], signers[1], signers[0]), []string{"w0.test", "w1.test", "w2.test"}, true},
	} {
		c, err := policy.Read(test.note)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range c.Cosignatures {
			names = append(names, one.Witness)
		}
		if !slices.Equal(names, test.names) || c.Witnessed() != test.witnessed || c.Quorum != 2 || !bytes.Equal(c.Signed, test.note) {
			t.Errorf("%q: %v, witnessed %t, want %v and %t", test.note, names, c.Witnessed(), test.names, test.witnessed)
		}
		// What is put together is what was read.
		again, err := policy.Read(policy.With(checkpoint, c.Cosignatures).Signed)
		if err != nil || !slices.Equal(again.Cosignatures, c.Cosignatures) || again.Witnessed() != test.witnessed {
			t.Errorf("put together: %+v, %v", again, err)
		}
		of, err := note.NewVerifier(vkeyOfLog())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := merkle.OpenCheckpoint(again.Signed, origin, of); err != nil {
			t.Errorf("put together: %v", err)
		}
	}
	forged := slices.Concat(checkpoint, line(t, signers[0], signed(t, 8)))
	if c, err := policy.Read(forged); !errors.Is(err, cosignature.ErrForged) {
		t.Errorf("a signature of another checkpoint: %+v, %v", c, err)
	}
	timeless := slices.Concat(checkpoint, byDefinition(checkpoint, signers[1], 11, 1<<63))
	if c, err := policy.Read(timeless); !errors.Is(err, cosignature.ErrForged) {
		t.Errorf("a signature of a time that is none: %+v, %v", c, err)
	}
	if c, err := policy.Read([]byte("no note\n")); err == nil {
		t.Errorf("no note: %+v", c)
	}
	if (&cosignature.Checkpoint{Signed: checkpoint}).Witnessed() {
		t.Error("a log without witnesses is witnessed")
	}

	_, sameName := witness(t, "w0.test", 20)
	_, sameKey := witness(t, "w9.test", 10)
	many := make([]cosignature.Key, cosignature.MaxWitnesses+1)
	for i := range many {
		_, many[i] = witness(t, fmt.Sprintf("many%d.test", i), byte(100+i))
	}
	for name, test := range map[string]struct {
		keys   []cosignature.Key
		quorum int
	}{
		"nobody":                   {nil, 0},
		"none has to sign":         {keys, 0},
		"fewer than none":          {keys, -1},
		"more than all":            {keys, 4},
		"one twice":                {[]cosignature.Key{keys[0], keys[0]}, 1},
		"two keys of one name":     {[]cosignature.Key{keys[0], sameName}, 1},
		"one key under two names":  {[]cosignature.Key{keys[0], sameKey}, 1},
		"more than readers accept": {many, 1},
	} {
		if _, err := cosignature.NewPolicy(test.keys, test.quorum); !errors.Is(err, cosignature.ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cosignature.NewPolicy(many[1:], cosignature.MaxWitnesses); err != nil {
		t.Error(err)
	}
}

// Whatever a witness answers, what is taken of it is a line that note readers verify, and nothing else gets into the note.
func FuzzAccept(f *testing.F) {
	checkpoint := signed(f, 7)
	signer, key := witness(f, "w.test/1", 2)
	stranger, _ := witness(f, "stranger.test", 3)
	good := line(f, signer, checkpoint)
	f.Add(good)
	f.Add(slices.Concat(line(f, stranger, checkpoint), good))
	f.Add([]byte("— w.test/1 AAAA\n\n"))
	policy, err := cosignature.NewPolicy([]cosignature.Key{key}, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		c, err := key.Accept(checkpoint, lines)
		if err != nil {
			return
		}
		if !bytes.Contains(lines, []byte(c.Line+"\n")) {
			t.Fatalf("%q is not in %q", c.Line, lines)
		}
		whole := policy.With(checkpoint, []cosignature.Cosignature{c})
		opened, err := note.Open(whole.Signed, note.VerifierList(signer.Verifier()))
		if err != nil || len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 1 || !strings.HasPrefix(string(checkpoint), opened.Text) {
			t.Fatalf("%q: %v", whole.Signed, err)
		}
	})
}
