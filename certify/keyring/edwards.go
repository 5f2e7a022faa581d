package keyring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"sync/atomic"

	"filippo.io/edwards25519"
)

// edwards verifies signatures of one Ed25519 key, and takes to exactly those that crypto/ed25519 takes to. A platform that posts
// many submissions is verified thousands of times a second with the same key, so that multiples of its point are worth keeping:
// adding some of them up is less than half of the work of multiplying the point anew for every signature.
type edwards struct {
	key      ed25519.PublicKey
	verified atomic.Uint32
	// multiples are made for keys that verify often: they take 80 KiB, and as long as three signatures.
	multiples atomic.Pointer[multiples]
}

// often is how many signatures a key verifies before its multiples are made.
const often = 16

func (e *edwards) verify(message, signature []byte) bool {
	if m := e.multiples.Load(); m != nil {
		return m.verify(e.key, message, signature)
	}
	if e.verified.Add(1) == often {
		e.multiples.Store(newMultiples(e.key)) // nil, and so nothing new, where the key is no point
	}
	return ed25519.Verify(e.key, message, signature)
}

// multiples are those of the negated point of a key: [i][j] is it times (j+1)·16^i.
type multiples [64][8]edwards25519.Point

func newMultiples(key ed25519.PublicKey) *multiples {
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return nil
	}
	m := new(multiples)
	for i, step := 0, point.Negate(point); i < len(m); i++ {
		row := &m[i]
		row[0].Set(step)
		for j := 1; j < len(row); j++ {
			row[j].Add(&row[j-1], step)
		}
		step.Add(&row[7], &row[7])
	}
	return m
}

// verify checks R = S·B - k·A as RFC 8032, 5.1.7, has it, without the cofactor, and by comparing encodings: what crypto/ed25519
// refuses is refused here, and nothing else. All of it is public, so its time may tell anything.
func (m *multiples) verify(key ed25519.PublicKey, message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize {
		return false
	}
	hash := sha512.New()
	hash.Write(signature[:32])
	hash.Write(key)
	hash.Write(message)
	k, err := edwards25519.NewScalar().SetUniformBytes(hash.Sum(make([]byte, 0, sha512.Size)))
	if err != nil {
		return false
	}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(signature[32:])
	if err != nil {
		return false
	}
	sum := new(edwards25519.Point).ScalarBaseMult(s)
	for i, digit := range digits(k.Bytes()) {
		switch {
		case digit > 0:
			sum.Add(sum, &m[i][digit-1])
		case digit < 0:
			sum.Subtract(sum, &m[i][-digit-1])
		}
	}
	return bytes.Equal(signature[:32], sum.Bytes())
}

// digits writes a reduced scalar to base 16 with digits from -8 to 8, the least first.
func digits(scalar []byte) (digits [64]int8) {
	carry := int8(0)
	for i := range digits {
		digit := int8(scalar[i/2]>>(4*(i&1))&15) + carry
		carry = (digit + 8) >> 4
		digits[i] = digit - carry<<4
	}
	return digits // a reduced scalar is below 2^253: nothing is carried beyond the last
}
