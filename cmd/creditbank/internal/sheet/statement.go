package sheet

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// MinSecretBytes is the shortest secret from which ids may be derived.
const MinSecretBytes = 32

// Secret derives the ids and salts of statements, so that a row becomes the same statement on every run. Whoever knows it
// can find out whose completion a statement's hash stands for: it is as secret as the key it comes from. It does not
// print itself.
type Secret struct {
	ids, salts [sha256.Size]byte
}

// SecretOfKey derives the secret from a signing key. With another key the same rows become other statements.
func SecretOfKey(key *keyring.PrivateKey) (Secret, error) {
	switch private := key.Crypto().(type) {
	case ed25519.PrivateKey:
		return NewSecret(private.Seed())
	case *ecdsa.PrivateKey:
		scalar, err := private.Bytes()
		if err != nil {
			return Secret{}, fmt.Errorf("signing key: %v", err)
		}
		return NewSecret(scalar)
	default:
		return Secret{}, fmt.Errorf("no ids can be derived from a key of algorithm %s", key.Public().Algorithm())
	}
}

// NewSecret derives the secret from at least MinSecretBytes bytes that nobody can guess, by HKDF (RFC 5869) with SHA-256.
func NewSecret(material []byte) (Secret, error) {
	if len(material) < MinSecretBytes {
		return Secret{}, fmt.Errorf("a secret has at least %d bytes, not %d", MinSecretBytes, len(material))
	}
	var s Secret
	for info, out := range map[string]*[sha256.Size]byte{
		"creditbank/v1 statement id":   &s.ids,
		"creditbank/v1 statement salt": &s.salts,
	} {
		derived, err := hkdf.Key(sha256.New, material, nil, info, len(out))
		if err != nil {
			return Secret{}, fmt.Errorf("deriving: %v", err)
		}
		copy(out[:], derived)
	}
	return s, nil
}

// Format hides the secret from every verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "secret") }

// ID derives the id of a statement from everything that it says and from how many rows of the same content stand before
// it in its file.
//
// It is a UUID of version 8 (RFC 9562, section 5.8) in the order of version 7: the first 48 bits are milliseconds since
// 1970, here of the midnight (UTC) before the learning ended, so that what is posted together lies together in the bank's
// store; the rest is the beginning of an HMAC. The day is no secret: the bank's entries show it too.
func (s Secret) ID(c *statementv1.Completion, before uint64) (unit.StatementID, error) {
	content, err := marshal(c)
	if err != nil {
		return unit.StatementID{}, err
	}
	mac := hmac.New(sha256.New, s.ids[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, before))
	mac.Write(content)

	var id unit.StatementID
	copy(id[:], mac.Sum(nil))
	if n := len(c.GetSessions()); n > 0 {
		day := c.GetSessions()[n-1].GetEndTime().AsTime().Truncate(24 * time.Hour)
		var milliseconds [8]byte
		binary.BigEndian.PutUint64(milliseconds[:], uint64(max(0, day.UnixMilli())))
		copy(id[:6], milliseconds[2:])
	}
	id[6] = 0x80 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return id, nil
}

// Statement is the statement with this id, as the bytes that are signed and sent.
func (s Secret) Statement(id unit.StatementID, c *statementv1.Completion) ([]byte, error) {
	mac := hmac.New(sha256.New, s.salts[:])
	mac.Write(id[:])
	return marshal(&statementv1.Statement{
		Id: id[:], Salt: mac.Sum(nil)[:16],
		Assertion: &statementv1.Statement_Completion{Completion: c},
	})
}

// marshal writes a message in the order of its field numbers. The golden test of this package notices if a version of
// the library should ever write other bytes, which would turn a replay into a conflict.
func marshal(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("statement: %v", err)
	}
	return b, nil
}
