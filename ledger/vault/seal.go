package vault

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// SealBytes is how much longer a sealed payload is than its content: a nonce and a tag.
const SealBytes = nonceBytes + tagBytes

const (
	nonceBytes = 12
	tagBytes   = 16
)

// Sealer seals and unseals the payloads of one account in memory alone: it is fetched ahead, in parallel, and used where
// nothing may wait. It is safe for concurrent use. Once its account is erased it answers [ErrKeyGone].
//
// A sealed payload is nonce (12 bytes), ciphertext and tag (16 bytes) of AES-256-GCM under the account's key. The nonce is
// random: one key is good for 2³² payloads (NIST SP 800-38D, 8.3), which no life of learning needs. The additional data is
//
//	creditbank/v1 seal LF <bank id> LF <account id> LF <fact> LF <statement id> LF
//
// with both ids as 32 lower-case hexadecimal digits, the statement id all zeros where there is no statement. None of the
// parts can contain a line feed.
type Sealer struct {
	vault  *Vault
	id     unit.AccountID
	cipher cipher.AEAD
	data   []byte // the additional data up to and with the account id
	birth  atomic.Pointer[time.Time]
}

// Sealer fetches the key of an account, most often from memory. It answers [ErrUnknownAccount], or [ErrErased] with
// [ErrKeyGone].
func (v *Vault) Sealer(ctx context.Context, id unit.AccountID) (*Sealer, error) {
	if s, found := v.sealers.Get(id); found {
		return s, nil
	}
	generation := v.currentGeneration()
	rows, err := v.engine.Get(ctx, accountKey(id))
	if err != nil {
		return nil, fmt.Errorf("vault: sealer: %w", err)
	}
	return v.sealer(generation, id, rows[0])
}

// SealerOf fetches the key of the account of a number, as Lookup and Sealer would, but with one look into memory where both
// are there: it is on the path of every completion.
func (v *Vault) SealerOf(ctx context.Context, number unit.AccountNumber) (*Sealer, error) {
	h, found := v.numbers.Get(number)
	if found {
		if s := h.sealer.Load(); s != nil {
			return s, nil
		}
	}
	generation := v.currentGeneration()
	id, err := v.Lookup(ctx, number)
	if err != nil {
		return nil, err
	}
	s, err := v.Sealer(ctx, id)
	if err != nil {
		return nil, err
	}
	v.remember(generation, func() {
		if h, found := v.numbers.Peek(number); found && h.account == id {
			h.sealer.Store(s)
		}
	})
	return s, nil
}

// Sealers fetches the keys of many accounts with at most one round trip to the store: sealers[i] belongs to ids[i], and is
// nil when that account is unknown or erased.
func (v *Vault) Sealers(ctx context.Context, ids []unit.AccountID) (sealers []*Sealer, err error) {
	return v.fetch(ctx, ids, v.sealers.Get, v.sealer)
}

// SealersInPassing is Sealers for whoever goes through all accounts once: nothing that it fetches is remembered, so that
// those who use the vault meanwhile still find in memory what they found there.
func (v *Vault) SealersInPassing(ctx context.Context, ids []unit.AccountID) (sealers []*Sealer, err error) {
	return v.fetch(ctx, ids, v.sealers.Peek, func(_ uint64, id unit.AccountID, row []byte) (*Sealer, error) {
		return v.newSealer(id, row)
	})
}

// fetch answers sealers that are known, and makes the others of their rows.
func (v *Vault) fetch(
	ctx context.Context, ids []unit.AccountID, known func(unit.AccountID) (*Sealer, bool),
	newOf func(generation uint64, id unit.AccountID, row []byte) (*Sealer, error),
) (sealers []*Sealer, err error) {
	generation := v.currentGeneration()
	sealers = make([]*Sealer, len(ids))
	var missing []int
	var keys [][]byte
	for i, id := range ids {
		s, found := known(id)
		if found {
			sealers[i] = s
			continue
		}
		missing, keys = append(missing, i), append(keys, accountKey(id))
	}
	if len(missing) == 0 {
		return sealers, nil
	}
	rows, err := v.engine.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("vault: sealers: %w", err)
	}
	for k, i := range missing {
		s, err := newOf(generation, ids[i], rows[k])
		if err != nil && !errors.Is(err, ErrUnknownAccount) && !errors.Is(err, ErrErased) {
			return nil, err
		}
		sealers[i] = s
	}
	return sealers, nil
}

// sealer makes a sealer from a row that was read at a generation, and remembers it.
func (v *Vault) sealer(generation uint64, id unit.AccountID, row []byte) (*Sealer, error) {
	s, err := v.newSealer(id, row)
	if err == nil {
		v.remember(generation, func() { v.sealers.Add(id, s) })
	}
	return s, err
}

func (v *Vault) newSealer(id unit.AccountID, row []byte) (*Sealer, error) {
	a, err := decodeAccount(row)
	switch {
	case errors.Is(err, ErrErased):
		return nil, gone()
	case err != nil:
		return nil, err
	}
	aead, err := v.cipherOf(id, a.wrapped)
	if err != nil {
		return nil, err
	}
	return &Sealer{
		vault: v, id: id, cipher: aead,
		data: []byte("creditbank/v1 seal\n" + v.bank + "\n" + hex.EncodeToString(id[:]) + "\n"),
	}, nil
}

// Seal seals a payload for [Sealer.Seal], after fetching the account's key.
func (v *Vault) Seal(ctx context.Context, id unit.AccountID, fact string, statement [16]byte, content []byte) ([]byte, error) {
	s, err := v.Sealer(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.Seal(fact, statement, content)
}

// Unseal opens a payload with [Sealer.Unseal], after fetching the account's key.
func (v *Vault) Unseal(ctx context.Context, id unit.AccountID, fact string, statement [16]byte, sealed []byte) ([]byte, error) {
	s, err := v.Sealer(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.Unseal(fact, statement, sealed)
}

// BirthDate is [Person.BirthDate] of the holder of the account, in memory once it was asked for: rules that ask for an age ask
// for every completion. It answers [ErrUnknownAccount] or [ErrErased].
func (s *Sealer) BirthDate(ctx context.Context) (time.Time, error) {
	if birth := s.birth.Load(); birth != nil && !s.erased() {
		return *birth, nil
	}
	person, err := s.vault.Person(ctx, s.id)
	if err != nil {
		return time.Time{}, err
	}
	s.birth.Store(&person.BirthDate)
	return person.BirthDate, nil
}

func (s *Sealer) erased() bool {
	_, erased := s.vault.erased.Load(s.id)
	return erased
}

// Account is the account that the sealer is for.
func (s *Sealer) Account() unit.AccountID { return s.id }

// Seal seals a payload of a fact, such as CompletionRecorded, and of a statement, or of none when its id is zero. The
// fact is 1 to 128 characters of printable ASCII without spaces.
func (s *Sealer) Seal(fact string, statement [16]byte, content []byte) ([]byte, error) {
	data, err := s.additionalData(fact, statement)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, nonceBytes, SealBytes+len(content))
	if err := s.vault.random.fill(sealed); err != nil {
		return nil, err
	}
	return s.cipher.Seal(sealed, sealed, content, data), nil
}

// Unseal opens what Seal has sealed for the same account, fact and statement; anything else is [ErrTampered].
func (s *Sealer) Unseal(fact string, statement [16]byte, sealed []byte) ([]byte, error) {
	data, err := s.additionalData(fact, statement)
	if err != nil {
		return nil, err
	}
	return open(s.cipher, sealed, data)
}

func (s *Sealer) additionalData(fact string, statement [16]byte) ([]byte, error) {
	if s.erased() {
		return nil, gone()
	}
	if !isWord(fact) {
		return nil, fmt.Errorf("%w: fact: 1 to %d characters of printable ascii", ErrInvalid, maxWordBytes)
	}
	data := make([]byte, 0, len(s.data)+len(fact)+1+2*len(statement)+1)
	data = append(append(append(data, s.data...), fact...), '\n')
	return append(hex.AppendEncode(data, statement[:]), '\n'), nil
}

func gone() error { return fmt.Errorf("%w: %w", ErrKeyGone, ErrErased) }

// cipherOf unwraps an account's key.
func (v *Vault) cipherOf(id unit.AccountID, wrapped []byte) (cipher.AEAD, error) {
	key, err := v.keys.unwrap(wrapped, keyData(v.bank, id))
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return newCipher(key)
}

func newCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: key", ErrDamaged)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("vault: cipher: %v", err)
	}
	return aead, nil
}

func open(aead cipher.AEAD, sealed, data []byte) ([]byte, error) {
	if len(sealed) < SealBytes {
		return nil, ErrTampered
	}
	content, err := aead.Open(nil, sealed[:nonceBytes], sealed[nonceBytes:], data)
	if err != nil {
		return nil, ErrTampered
	}
	return content, nil
}

// buffered draws from a random source in large gulps: a nonce costs a copy, not a system call.
type buffered struct {
	mu     sync.Mutex
	source io.Reader
	buffer *bufio.Reader
}

func newBuffered(source io.Reader) *buffered {
	return &buffered{source: source, buffer: bufio.NewReaderSize(source, 4096)}
}

// fill draws what will be seen by everyone, such as a nonce.
func (b *buffered) fill(p []byte) error { return b.read(b.buffer, p) }

// secret draws a key, past the buffer, where it would stay for a while.
func (b *buffered) secret(p []byte) error { return b.read(b.source, p) }

func (b *buffered) read(from io.Reader, p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := io.ReadFull(from, p); err != nil {
		return fmt.Errorf("vault: random source: %v", err)
	}
	return nil
}
