package main

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
)

// numbered is how many of the demo's people have the same account numbers every time.
const numbered = 8

// draws is where the ids and numbers of the demo's accounts come from. For the first people of the district it is the
// seed, so that the samples of deploy/examples can name their accounts; for everybody else it is the bank's own source.
type draws struct {
	seed  uint64
	usual io.Reader

	mu     sync.Mutex
	source io.Reader
}

func newDraws(seed uint64, usual io.Reader) *draws {
	return &draws{seed: seed, usual: usual, source: usual}
}

// Read implements io.Reader.
func (d *draws) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return io.ReadFull(d.source, p)
}

// person makes what is drawn next that of one of the first people: it depends on nobody before, so that a demo that was
// interrupted goes on with the same numbers.
func (d *draws) person(i int) {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], d.seed)
	binary.BigEndian.PutUint64(key[8:], uint64(i))
	copy(key[16:], "account number")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.source = rand.NewChaCha8(key)
}

// anybody makes what is drawn next unpredictable.
func (d *draws) anybody() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.source = d.usual
}
