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
	// multiples are made for keys that verify often: they take 130 KiB, and as long as some ten signatures.
	multiples atomic.Pointer[multiples]
}

// keyWindow and baseWindow are how many bits of a scalar choose one multiple. Each bit more makes fewer of them to add, and twice as
// many to keep: of the base point they are kept once.
const (
	keyWindow  = 5
	baseWindow = 8
)

// often is how many signatures a key verifies before its multiples are made.
const often = 16

func (e *edwards) verify(message, signature []byte) bool {
	if m := e.multiples.Load(); m != nil {
		return m.verify(e.busy.base, e.key, message, signature)
	}
	if e.busy != nil && e.verified.Add(1) == often {
		e.busy.keep(e)
	}
	return ed25519.Verify(e.key, message, signature)
}

// Busy keeps what makes verifying faster of the keys that verify often, 130 KiB for each, of so many keys at most: where one more
// becomes busy the one that became so first has to do so again. It is safe for concurrent use.
type Busy struct {
	// base are the multiples of the base point, 640 KiB.
	base *multiples

	mu   sync.Mutex
	keys []*edwards
	next int
}

// NewBusy has room for some keys.
func NewBusy(keys int) *Busy {
	b := &Busy{keys: make([]*edwards, keys)}
	if keys > 0 {
		b.base = newMultiples(edwards25519.NewGeneratorPoint(), baseWindow)
	}
	return b
}

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
	if len(b.keys) == 0 {
		return
	}
	point, err := new(edwards25519.Point).SetBytes(e.key)
	if err != nil {
		return
	}
	made := newMultiples(point.Negate(point), keyWindow)
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

// multiples are those of a point: rows[i][j] is it times (j+1)·2^(window·i).
type multiples struct {
	window int
	rows   [][]edwards25519.Point
}

func newMultiples(point *edwards25519.Point, window int) *multiples {
	const scalarBits = 253 // of a reduced one
	m := &multiples{window: window, rows: make([][]edwards25519.Point, scalarBits/window+1)}
	step := new(edwards25519.Point).Set(point)
	for i := range m.rows {
		row := make([]edwards25519.Point, 1<<(window-1))
		row[0].Set(step)
		for j := 1; j < len(row); j++ {
			row[j].Add(&row[j-1], step)
		}
		step.Double(&row[len(row)-1])
		m.rows[i] = row
	}
	return m
}

// add adds the point times a reduced scalar.
func (m *multiples) add(sum *edwards25519.Point, scalar *edwards25519.Scalar) {
	var (
		bits  = scalar.Bytes()
		half  = 1 << (m.window - 1)
		carry = 0
	)
	for i, row := range m.rows {
		// To base 2^window with digits from -half to half, so that half as many multiples are enough.
		digit := window(bits, i*m.window, m.window) + carry
		carry = (digit + half) >> m.window
		switch digit -= carry << m.window; {
		case digit > 0:
			sum.Add(sum, &row[digit-1])
		case digit < 0:
			sum.Subtract(sum, &row[-digit-1])
		}
	}
}

// window is a number of so many bits, at most eight, that begins at a bit of a little-endian one.
func window(number []byte, bit, bits int) int {
	at := bit / 8
	b := int(number[at])
	if at+1 < len(number) {
		b |= int(number[at+1]) << 8
	}
	return b >> (bit % 8) & (1<<bits - 1)
}

// verify checks R = S·B - k·A as RFC 8032, 5.1.7, has it, with the multiples of B and of -A, without the cofactor, and by comparing
// encodings: what crypto/ed25519 refuses is refused here, and nothing else. All of it is public, so its time may tell anything.
func (m *multiples) verify(base *multiples, key ed25519.PublicKey, message, signature []byte) bool {
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
	sum := edwards25519.NewIdentityPoint()
	base.add(sum, s)
	m.add(sum, k)
	return bytes.Equal(signature[:32], sum.Bytes())
}
