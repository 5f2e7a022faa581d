package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
)

// A PublicKey verifies signatures of one algorithm. It is immutable and safe for concurrent use.
type PublicKey struct {
	algorithm Algorithm
	id        KeyID
	spki      []byte

	// Exactly one of these, by algorithm.
	ed25519 *edwards
	ecdsa   *ecdsa.PublicKey
}

// maxSPKI bounds what is looked at: the longest encoding of an implemented algorithm has 91 bytes.
const maxSPKI = 128

// ParsePublicKey reads a SubjectPublicKeyInfo in DER: Ed25519 by RFC 8410, or P-256 as an uncompressed point by RFC 5480.
// The algorithm is the registered one, and the encoding must be one of its keys and the only one of that key: trailing
// bytes, other encodings of the same key, points off the curve, and the Ed25519 points under which a signature proves
// nothing are [ErrPublicKey]; an algorithm that is not implemented is [ErrAlgorithm].
func ParsePublicKey(algorithm Algorithm, spki []byte) (*PublicKey, error) {
	if algorithm != Ed25519 && algorithm != ECDSAP256SHA256 {
		return nil, fmt.Errorf("%w: %v", ErrAlgorithm, algorithm)
	}
	if len(spki) > maxSPKI {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrPublicKey, len(spki), maxSPKI)
	}
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPublicKey, err)
	}
	public, err := newPublicKey(parsed)
	if err != nil {
		return nil, err
	}
	if public.algorithm != algorithm {
		return nil, fmt.Errorf("%w: a key of %v registered for %v", ErrPublicKey, public.algorithm, algorithm)
	}
	if !bytes.Equal(public.spki, spki) {
		return nil, fmt.Errorf("%w: not the canonical encoding", ErrPublicKey)
	}
	return public, nil
}

// Busy answers the same key, which verifies faster once it has verified often, for what is kept of it there.
func (k *PublicKey) Busy(keep *Busy) *PublicKey {
	busy := *k
	if k.ed25519 != nil {
		busy.ed25519 = &edwards{key: k.ed25519.key, busy: keep}
	}
	return &busy
}

// newPublicKey takes a key of any type and answers for those of an implemented algorithm.
func newPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	public := &PublicKey{}
	switch key := key.(type) {
	case ed25519.PublicKey:
		if !meaningful(key) {
			return nil, fmt.Errorf("%w: not a point whose signatures prove anything", ErrPublicKey)
		}
		public.algorithm, public.ed25519 = Ed25519, &edwards{key: slices.Clone(key)} // crypto/x509 leaves it inside the caller's bytes
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%w: not on the curve p-256", ErrPublicKey)
		}
		public.algorithm, public.ecdsa = ECDSAP256SHA256, key
	default:
		return nil, fmt.Errorf("%w: neither ed25519 nor ecdsa", ErrPublicKey)
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPublicKey, err)
	}
	public.spki, public.id = spki, sha256.Sum256(spki)
	return public, nil
}

// meaningful refuses the 32-byte strings that crypto/ed25519 takes for a key without being one: y not below p (a second
// encoding), y off the curve (nothing would ever verify), and the eight points of small order. Under those anybody can
// write a signature for any message (RFC 8032 verifies S·B = R + k·A, and k·A is then one of eight points), so their owner
// could disown whatever was signed.
func meaningful(key ed25519.PublicKey) bool {
	encoded := slices.Clone(key)
	slices.Reverse(encoded) // big-endian
	encoded[0] &= 0x7f      // the top bit is the sign of x
	var (
		one = big.NewInt(1)
		p   = new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
		y   = new(big.Int).SetBytes(encoded)
	)
	if y.Cmp(p) >= 0 {
		return false
	}
	// The curve is -x² + y² = 1 + d·x²·y² with d = -121665/121666, so x² = (y² - 1) / (d·y² + 1), and that must be a square.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	square := new(big.Int).Mul(y, y)
	above := new(big.Int).Sub(square, one)
	below := new(big.Int).Mul(square, d)
	below.Add(below, one).Mod(below, p) // never 0, since -1/d is no square
	if y.Sign() == 0 {
		return false // order 4
	}
	x2 := new(big.Int).ModInverse(below, p)
	x2.Mul(x2, above).Mod(x2, p)
	if big.Jacobi(x2, p) != 1 {
		return false // off the curve, or x is 0: order 1 or 2
	}
	// Doubling a point gives y = (y² + x²) / (1 - d·x²·y²): zero, that is order 4, exactly for the points of order 8.
	return x2.Add(x2, square).Mod(x2, p).Sign() != 0
}

// ID names the key.
func (k *PublicKey) ID() KeyID { return k.id }

// Algorithm is how the key signs.
func (k *PublicKey) Algorithm() Algorithm { return k.algorithm }

// SPKI is a copy of the encoding from which the key was parsed.
func (k *PublicKey) SPKI() []byte { return slices.Clone(k.spki) }

// Crypto is the key as ed25519.PublicKey or *ecdsa.PublicKey, for libraries that verify tokens. The caller must not
// change what it points to.
func (k *PublicKey) Crypto() crypto.PublicKey {
	if k.algorithm == Ed25519 {
		return k.ed25519.key
	}
	return k.ecdsa
}

// Verify answers nil when signature is one of this key over message, and [ErrSignature] for everything else. It keeps
// neither slice.
func (k *PublicKey) Verify(message, signature []byte) error {
	verified := false
	switch k.algorithm {
	case Ed25519:
		verified = k.ed25519.verify(message, signature)
	case ECDSAP256SHA256:
		digest := sha256.Sum256(message)
		verified = ecdsa.VerifyASN1(k.ecdsa, digest[:], signature)
	}
	if !verified {
		return ErrSignature
	}
	return nil
}

// String is the algorithm and the key id.
func (k *PublicKey) String() string { return k.algorithm.String() + ":" + k.id.String() }
