// Package cosignature reads what witnesses sign under the checkpoint of a log (C2SP tlog-cosignature), and says whether
// that is enough: a witness signs only what continues everything that it signed before, so that a log which shows
// different histories to different people cannot have them all cosigned.
//
// It asks nobody for a signature: api/witness does. It never looks at the log's own signature: ledger/merkle does. Its one
// invariant: a witness counts once, and only under its own key; lines of anybody else are passed over.
//
// Keys and signatures are torchwood's (filippo.io/torchwood), the library behind the witness litewitness: of it, this package
// takes what does no I/O. Cosignatures are Ed25519 (cosignature/v1).
package cosignature

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// MaxWitnesses is how many witnesses there may be: with the log's own, sixteen signatures, as many as every reader of signed
// notes has to accept (C2SP signed-note).
const MaxWitnesses = 15

// Errors that callers branch on.
var (
	// ErrKey says that a text is no public key of a witness.
	ErrKey = errors.New("cosignature: no key of a witness")
	// ErrPolicy says that no checkpoint could be witnessed, or that one witness would count twice.
	ErrPolicy = errors.New("cosignature: policy")
	// ErrForged says that a line has the name and the id of a witness, and is not its signature of this checkpoint.
	ErrForged = errors.New("cosignature: not signed by the witness that it names")
	// ErrNone says that there is no cosignature of the witness.
	ErrNone = errors.New("cosignature: none of this witness")
)

// Key is the public key of a witness. Its zero value is none.
type Key struct {
	verifier *torchwood.CosignatureVerifier
}

// ParseKey reads a key in the form in which witnesses publish it (C2SP signed-note, "vkey"): <name>+<key id, hex>+<base64 of
// 04 ‖ Ed25519 public key>. A key of another kind, such as that of a log, is ErrKey.
func ParseKey(vkey string) (Key, error) {
	verifier, err := torchwood.NewCosignatureVerifier(vkey)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %v", ErrKey, err)
	}
	return Key{verifier}, nil
}

// Name is what the witness calls itself.
func (k Key) Name() string { return k.verifier.Name() }

// String is the key as it is published.
func (k Key) String() string { return k.verifier.String() }

// Clashes says whether two keys cannot stand for two witnesses: they have the same name, or are the same key under two names.
func (k Key) Clashes(other Key) bool {
	return k.Name() == other.Name() || k.public() == other.public()
}

func (k Key) public() string { return strings.SplitN(k.String(), "+", 3)[2] }

// Cosignature is a signature of a witness that was verified.
type Cosignature struct {
	// Witness is the name of the witness.
	Witness string
	// Time is when it signed, by its own clock: then it knew no larger log than the one that it signed.
	Time time.Time
	// Line is the signature as it stands under the checkpoint, without its end of line.
	Line string
}

// Accept takes the cosignature of a witness out of the lines that it answered for a signed checkpoint. Lines of other keys
// are passed over. It answers ErrNone, ErrForged, or that what was answered is no lines of signatures.
func (k Key) Accept(signed, lines []byte) (Cosignature, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Cosignature{}, errors.New("cosignature: the checkpoint is not signed")
	}
	text += "\n"
	opened, err := note.Open([]byte(text+"\n"+string(lines)), note.VerifierList(k.verifier))
	switch {
	case isUnverified(err):
		return Cosignature{}, fmt.Errorf("%w: %s", ErrNone, k.Name())
	case isForged(err):
		return Cosignature{}, fmt.Errorf("%w: %s", ErrForged, k.Name())
	case err != nil || opened.Text != text:
		return Cosignature{}, errors.New("cosignature: these are no lines of signatures")
	}
	return read(opened.Sigs[0])
}

func isUnverified(err error) bool {
	_, ok := errors.AsType[*note.UnverifiedNoteError](err)
	return ok
}

func isForged(err error) bool {
	_, ok := errors.AsType[*note.InvalidSignatureError](err)
	return ok
}

// read is a signature that was verified.
func read(signature note.Signature) (Cosignature, error) {
	seconds, err := torchwood.CosignatureTimestamp(signature)
	if err != nil {
		return Cosignature{}, fmt.Errorf("%w: %s: its time: %v", ErrForged, signature.Name, err)
	}
	return Cosignature{
		Witness: signature.Name, Time: time.Unix(seconds, 0).UTC(), Line: "— " + signature.Name + " " + signature.Base64,
	}, nil
}

// Policy says whose cosignatures count, and how many of them make a checkpoint witnessed.
type Policy struct {
	keys   []Key
	quorum int
}

// NewPolicy makes a policy. It answers ErrPolicy unless there are 1 to MaxWitnesses keys of different witnesses, of which
// quorum, at least one and at most all, have to sign.
func NewPolicy(keys []Key, quorum int) (*Policy, error) {
	if len(keys) == 0 || len(keys) > MaxWitnesses {
		return nil, fmt.Errorf("%w: %d witnesses: give 1 to %d", ErrPolicy, len(keys), MaxWitnesses)
	}
	if quorum < 1 || quorum > len(keys) {
		return nil, fmt.Errorf("%w: %d of %d witnesses: give 1 to %d", ErrPolicy, quorum, len(keys), len(keys))
	}
	for i, key := range keys {
		for _, other := range keys[:i] {
			if key.Clashes(other) {
				return nil, fmt.Errorf("%w: %s and %s are one witness: give each once", ErrPolicy, other, key)
			}
		}
	}
	return &Policy{keys: keys, quorum: quorum}, nil
}

// Quorum is how many witnesses have to sign.
func (p *Policy) Quorum() int { return p.quorum }

// Witnesses is how many may.
func (p *Policy) Witnesses() int { return len(p.keys) }

// Read answers the cosignatures of the policy's witnesses under a signed checkpoint, in the order of the policy; ErrForged if
// a line claims to be one and is not. Other lines are passed over.
func (p *Policy) Read(signed []byte) (*Checkpoint, error) {
	verifiers := make([]note.Verifier, len(p.keys))
	for i, key := range p.keys {
		verifiers[i] = key.verifier
	}
	c := &Checkpoint{Signed: signed, Quorum: p.quorum}
	opened, err := note.Open(signed, note.VerifierList(verifiers...))
	switch {
	case isUnverified(err):
		return c, nil
	case isForged(err):
		return nil, fmt.Errorf("%w: %v", ErrForged, err)
	case err != nil:
		return nil, fmt.Errorf("cosignature: the checkpoint is no signed note: %v", err)
	}
	for _, key := range p.keys {
		for _, signature := range opened.Sigs {
			if signature.Name != key.verifier.Name() || signature.Hash != key.verifier.KeyHash() {
				continue
			}
			cosignature, err := read(signature)
			if err != nil {
				return nil, err
			}
			c.Cosignatures = append(c.Cosignatures, cosignature)
		}
	}
	return c, nil
}

// Checkpoint is a signed checkpoint with the cosignatures that it bears.
type Checkpoint struct {
	// Signed is the signed note, with the lines of the cosignatures.
	Signed []byte
	// Cosignatures are those that count, at most one of each witness.
	Cosignatures []Cosignature
	// Quorum is how many make it witnessed; 0: the log has no witnesses.
	Quorum int
}

// With is the checkpoint that a log has signed, with cosignatures that were verified.
func (p *Policy) With(signed []byte, cosignatures []Cosignature) *Checkpoint {
	c := &Checkpoint{Signed: append([]byte(nil), signed...), Cosignatures: cosignatures, Quorum: p.quorum}
	for _, cosignature := range cosignatures {
		c.Signed = append(append(c.Signed, cosignature.Line...), '\n')
	}
	return c
}

// Witnessed says whether as many witnesses signed as the policy wants. Without witnesses, nothing is.
func (c *Checkpoint) Witnessed() bool { return c.Quorum > 0 && len(c.Cosignatures) >= c.Quorum }
