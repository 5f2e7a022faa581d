package vault

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keyset is the part of the vault that lies outside data and backups: the key-encryption keys, which wrap the keys of
// the accounts, and the lookup key, under which numbers and documents are hashed. Whoever has a vault's rows but not its
// keyset can read nothing in them; whoever loses the keyset has erased everyone.
//
// A Keyset never changes. The key-encryption key is changed in four steps, at any time and while the bank is open:
// write out what Rotate answers, open the vault with it, call [Vault.Rewrap], and, when the last backup under the old key
// has expired, write out what Retire answers. The lookup key stays: all rows would have to be written anew,
// and what the log holds under it (KeyedHash) can't be.
type Keyset struct {
	wrapping *keyset.Handle // AES-256-GCM: the primary wraps, all unwrap
	lookup   *keyset.Handle // HMAC-SHA-256
}

// keysetFormat names the file format of [Keyset.Write].
const keysetFormat = "creditbank/v1 vault keyset"

// maxKeysetBytes bounds what ReadKeyset reads; a key takes some 300 bytes.
const maxKeysetBytes = 1 << 20

// keysetFile is that format: JSON, with two keysets in the JSON format of Tink.
type keysetFile struct {
	Format   string          `json:"format"`
	Wrapping json.RawMessage `json:"wrapping"`
	Lookup   json.RawMessage `json:"lookup"`
}

// NewKeyset draws new keys from the system's random source.
func NewKeyset() (*Keyset, error) {
	wrapping, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("vault: new keyset: %v", err)
	}
	lookup, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("vault: new keyset: %v", err)
	}
	return &Keyset{wrapping: wrapping, lookup: lookup}, nil
}

// ReadKeyset reads what Write has written.
func ReadKeyset(r io.Reader) (*Keyset, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxKeysetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("vault: read keyset: %w", err)
	}
	defer clear(content)
	if len(content) > maxKeysetBytes {
		return nil, fmt.Errorf("%w: keyset of more than %d bytes", ErrInvalid, maxKeysetBytes)
	}
	var file keysetFile
	if err := json.Unmarshal(content, &file); err != nil || file.Format != keysetFormat {
		return nil, fmt.Errorf("%w: not a vault keyset", ErrInvalid) // the cause might quote a key
	}
	k := new(Keyset)
	for _, part := range []struct {
		name    string
		content []byte
		handle  **keyset.Handle
	}{{"wrapping", file.Wrapping, &k.wrapping}, {"lookup", file.Lookup, &k.lookup}} {
		if *part.handle, err = insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(part.content))); err != nil {
			return nil, fmt.Errorf("%w: keyset: %s keys can't be read", ErrInvalid, part.name)
		}
	}
	if _, err := k.primitives(); err != nil {
		return nil, err
	}
	return k, nil
}

// Write writes the keys in the clear: the file must be readable by the bank alone, and lie neither among the data nor in
// the backups of the data.
func (k *Keyset) Write(w io.Writer) error {
	file := keysetFile{Format: keysetFormat}
	for _, part := range []struct {
		handle  *keyset.Handle
		content *json.RawMessage
	}{{k.wrapping, &file.Wrapping}, {k.lookup, &file.Lookup}} {
		var b bytes.Buffer
		if err := insecurecleartextkeyset.Write(part.handle, keyset.NewJSONWriter(&b)); err != nil {
			return fmt.Errorf("vault: write keyset: %v", err)
		}
		*part.content = b.Bytes()
	}
	content, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("vault: write keyset: %v", err)
	}
	defer clear(content)
	if _, err := w.Write(append(content, '\n')); err != nil {
		return fmt.Errorf("vault: write keyset: %w", err)
	}
	return nil
}

// Rotate answers a keyset that wraps with a new key and still unwraps with the old ones.
func (k *Keyset) Rotate() (*Keyset, error) {
	manager := keyset.NewManagerFromHandle(k.wrapping)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("vault: rotate keyset: %v", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("vault: rotate keyset: %v", err)
	}
	wrapping, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("vault: rotate keyset: %v", err)
	}
	return &Keyset{wrapping: wrapping, lookup: k.lookup}, nil
}

// Retire answers a keyset without the keys that no longer wrap. What they have wrapped, in a vault that was not rewrapped
// or in an old backup, is lost with them.
func (k *Keyset) Retire() (*Keyset, error) {
	primary, err := k.wrapping.Primary()
	if err != nil {
		return nil, fmt.Errorf("vault: retire keys: %v", err)
	}
	manager := keyset.NewManagerFromHandle(k.wrapping)
	for i := range k.wrapping.Len() {
		entry, err := k.wrapping.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("vault: retire keys: %v", err)
		}
		if entry.KeyID() == primary.KeyID() {
			continue
		}
		if err := manager.Delete(entry.KeyID()); err != nil {
			return nil, fmt.Errorf("vault: retire keys: %v", err)
		}
	}
	wrapping, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("vault: retire keys: %v", err)
	}
	return &Keyset{wrapping: wrapping, lookup: k.lookup}, nil
}

// Rotates says whether the keyset unwraps all that another one does, and wraps with another key: whether Rotate, some time ago, has
// made it of that one.
func (k *Keyset) Rotates(from *Keyset) bool {
	own, err := k.wrapping.Primary()
	if err != nil {
		return false
	}
	old, err := from.wrapping.Primary()
	if err != nil || own.KeyID() == old.KeyID() {
		return false
	}
	known := make(map[uint32]bool)
	for i := range k.wrapping.Len() {
		if entry, err := k.wrapping.Entry(i); err == nil {
			known[entry.KeyID()] = true
		}
	}
	for i := range from.wrapping.Len() {
		entry, err := from.wrapping.Entry(i)
		if err != nil || !known[entry.KeyID()] {
			return false
		}
	}
	return true
}

// Older says whether the keyset has keys that unwrap only: whether there is something to Retire.
func (k *Keyset) Older() bool { return k.wrapping.Len() > 1 }

// String tells how many keys there are, and nothing about them.
func (k *Keyset) String() string {
	return fmt.Sprintf("vault keyset of %d wrapping keys", k.wrapping.Len())
}

// primitives are a keyset ready for use.
type primitives struct {
	wrapping tink.AEAD
	lookup   *prf.Set
	primary  [5]byte // with which everything begins that the primary has wrapped
}

func (k *Keyset) primitives() (*primitives, error) {
	wrapping, err := aead.New(k.wrapping)
	if err != nil {
		return nil, fmt.Errorf("%w: wrapping keys: %v", ErrInvalid, err)
	}
	lookup, err := prf.NewPRFSet(k.lookup)
	if err != nil {
		return nil, fmt.Errorf("%w: lookup key: %v", ErrInvalid, err)
	}
	primary, err := k.wrapping.Primary()
	if err != nil {
		return nil, fmt.Errorf("%w: wrapping keys: %v", ErrInvalid, err)
	}
	p := &primitives{wrapping: wrapping, lookup: lookup}
	p.primary[0] = 1 // Tink's output prefix: a version, and the key's number
	binary.BigEndian.PutUint32(p.primary[1:], primary.KeyID())
	return p, nil
}

func (p *primitives) hash(text string) ([]byte, error) {
	hash, err := p.lookup.ComputePrimaryPRF([]byte(text), hashBytes)
	if err != nil {
		return nil, fmt.Errorf("vault: hash: %v", err)
	}
	return hash, nil
}

func (p *primitives) wrap(key, data []byte) ([]byte, error) {
	wrapped, err := p.wrapping.Encrypt(key, data)
	if err != nil {
		return nil, fmt.Errorf("vault: wrap key: %v", err)
	}
	return wrapped, nil
}

func (p *primitives) unwrap(wrapped, data []byte) ([]byte, error) {
	key, err := p.wrapping.Decrypt(wrapped, data)
	if err != nil {
		return nil, fmt.Errorf("%w: a key can't be unwrapped", ErrKeyset)
	}
	return key, nil
}

func (p *primitives) rewrap(wrapped, data []byte) ([]byte, error) {
	key, err := p.unwrap(wrapped, data)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return p.wrap(key, data)
}

func (p *primitives) isPrimary(wrapped []byte) bool { return bytes.HasPrefix(wrapped, p.primary[:]) }
