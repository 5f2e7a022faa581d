package keyring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"sync"
	"sync/atomic"

	"filippo.io/edwards25519"
)

// edwards verifies signatures of one Ed25519 key, and takes to exactly those that crypto/ed25519 takes to. A platform that posts
// many submissions is verified thousands of times a second with the same key, so that multiples of its point are worth keeping:
// adding some of them up is less than half of the work of multiplying the point anew for every signature.
type edwards struct {
	key ed25519.PublicKey
	// busy is where multiples are kept; nil: nowhere.
	busy     *Busy
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
	if e.busy != nil && e.verified.Add(1) == often {
		e.busy.keep(e)
	}
	return ed25519.Verify(e.key, message, signature)
}

// Busy keeps what makes verifying faster of the keys that verify often, 80 KiB for each, of so many keys at most: where one more
// becomes busy the one that became so first has to do so again. It is safe for concurrent use.
type Busy struct {
	mu   sync.Mutex
	keys []*edwards
	next int
}

// NewBusy has room for some keys.
func NewBusy(keys int) *Busy { return &Busy{keys: make([]*edwards, keys)} }

// Kept is the number of keys of which something is kept.
func (b *Busy) Kept() (keys int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.keys {
		if e != nil {
			keys++
		}
	}
	return keys
}

// keep makes the multiples of a key and gives up those of another one, if there is no room. A key that is no point has none.
func (b *Busy) keep(e *edwards) {
	made := newMultiples(e.key)
	if made == nil || len(b.keys) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.keys[b.next]; last != nil {
		last.multiples.Store(nil)
		last.verified.Store(0)
	}
	e.multiples.Store(made)
	b.keys[b.next] = e
	b.next = (b.next + 1) % len(b.keys)
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
