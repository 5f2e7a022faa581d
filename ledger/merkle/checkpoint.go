package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Limits on checkpoints, far above any that this log signs.
const (
	// MaxOriginBytes is the longest origin of a checkpoint.
	MaxOriginBytes = 255
	// MaxCheckpointBytes is the longest signed checkpoint that is opened. It leaves room for the sixteen signatures,
	// post-quantum ones among them, that every reader of signed notes has to accept.
	MaxCheckpointBytes = 128 << 10
)

// Checkpoint is what a log says of itself at one moment: the size and the root of its tree. It is the text of a signed
// note (C2SP tlog-checkpoint). Extension lines, which C2SP permits and advises against because nobody can audit them, are
// refused: the text is a function of these three values, and two checkpoints are equal when they are ==.
type Checkpoint struct {
	Origin string // identifies the log; not empty, no control characters, at most MaxOriginBytes of UTF-8
	Size   uint64 // leaves
	Root   Hash   // over the first Size leaves
}

// Marshal is the text that is signed: origin, size in decimal, and root in base64, each ended by one LF. It is a
// checkpoint only if the origin is valid; [Sign] checks that.
func (c Checkpoint) Marshal() []byte {
	b := make([]byte, 0, len(c.Origin)+1+20+1+base64.StdEncoding.EncodedLen(HashSize)+1)
	b = append(append(b, c.Origin...), '\n')
	b = append(strconv.AppendUint(b, c.Size, 10), '\n')
	return append(base64.StdEncoding.AppendEncode(b, c.Root[:]), '\n')
}

// ParseCheckpoint is the strict inverse of [Checkpoint.Marshal]: it accepts exactly the texts that Marshal writes for
// checkpoints with a valid origin and answers anything else with ErrCheckpoint. It does not know who wrote the text: see
// [OpenCheckpoint].
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("%w: not three lines", ErrCheckpoint)
	}
	c := Checkpoint{Origin: lines[0]}
	if !validOrigin(c.Origin) {
		return Checkpoint{}, fmt.Errorf("%w: origin", ErrCheckpoint)
	}
	var err error
	if c.Size, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: size", ErrCheckpoint)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != HashSize {
		return Checkpoint{}, fmt.Errorf("%w: root", ErrCheckpoint)
	}
	c.Root = Hash(root)
	// Comparing with the canonical form refuses leading zeros and the loose ends of base64 without a rule for each.
	if string(c.Marshal()) != text {
		return Checkpoint{}, fmt.Errorf("%w: not in canonical form", ErrCheckpoint)
	}
	return c, nil
}

// validOrigin holds an origin to what a signed note can carry in one line.
func validOrigin(origin string) bool {
	return origin != "" && len(origin) <= MaxOriginBytes && utf8.ValidString(origin) &&
		!strings.ContainsFunc(origin, func(r rune) bool { return r < ' ' })
}

// Sign is the checkpoint as a note signed by each of signers, at least one, in their order. ErrCheckpoint if the origin
// is invalid or nobody signs. With one Ed25519 key it costs little more than the signature.
//
// Whoever signs a checkpoint promises never to sign one that is inconsistent with it; that promise is the caller's.
func Sign(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	if !validOrigin(c.Origin) {
		return nil, fmt.Errorf("%w: origin", ErrCheckpoint)
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("%w: no signer", ErrCheckpoint)
	}
	signed, err := note.Sign(&note.Note{Text: string(c.Marshal())}, signers...)
	if err != nil {
		return nil, fmt.Errorf("merkle: sign checkpoint: %v", err)
	}
	return signed, nil
}

// OpenCheckpoint returns the checkpoint in a signed note after verifying that it bears a signature of v's key and that it
// belongs to the log origin. Signatures of other keys are ignored. Errors: ErrSignature, ErrOrigin, and ErrCheckpoint for
// what is no signed checkpoint or longer than MaxCheckpointBytes.
func OpenCheckpoint(signed []byte, origin string, v note.Verifier) (Checkpoint, error) {
	if len(signed) > MaxCheckpointBytes {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(signed))
	}
	n, err := note.Open(signed, note.VerifierList(v))
	var unsigned *note.UnverifiedNoteError
	var forged *note.InvalidSignatureError
	switch {
	case errors.As(err, &unsigned), errors.As(err, &forged):
		return Checkpoint{}, fmt.Errorf("%w: %v", ErrSignature, err)
	case err != nil:
		return Checkpoint{}, fmt.Errorf("%w: %v", ErrCheckpoint, err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("%w: %q", ErrOrigin, c.Origin)
	}
	return c, nil
}

// noteEd25519 is the signature type of Ed25519 in keys of signed notes.
const noteEd25519 = 0x01

// SignerKey is an Ed25519 private key in the form that note.NewSigner reads, PRIVATE+KEY+<name>+<key id>+<key>. It is as
// secret as the key. The name should be the log's origin; NewSigner refuses one with a plus or a space in it. SignerKey
// panics if the key has the wrong length.
func SignerKey(name string, key ed25519.PrivateKey) string {
	// Of a key that is cut short, crypto/ed25519 would make another one.
	if len(key) != ed25519.PrivateKeySize {
		panic("merkle: wrong length of an Ed25519 private key")
	}
	vkey := VerifierKey(name, key.Public().(ed25519.PublicKey))
	id := vkey[len(name)+len("+"):][:8]
	secret := append([]byte{noteEd25519}, key.Seed()...)
	return "PRIVATE+KEY+" + name + "+" + id + "+" + base64.StdEncoding.EncodeToString(secret)
}

// VerifierKey is an Ed25519 public key in the form that note.NewVerifier reads and that logs publish:
// <name>+<key id>+<key>. The name must be that of the signer. VerifierKey panics if the key has the wrong length.
func VerifierKey(name string, pub ed25519.PublicKey) string {
	vkey, err := note.NewEd25519VerifierKey(name, pub)
	if err != nil {
		panic("merkle: " + err.Error())
	}
	return vkey
}
