package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Limits of the files of an account.
const (
	// MaxEvidence is how many bytes a file has at most.
	MaxEvidence = 5 << 20
	// MaxPendingEvidence is how many files of an account wait at most for something that names them.
	MaxPendingEvidence = 20
	// DefaultEvidenceBytes is how many bytes the files of an account have together at most, unless [Config] says otherwise.
	DefaultEvidenceBytes = 200 << 20
)

// ErrEvidenceFull says that as many files of the account wait as may: what they are for has to come first, or be dropped.
var ErrEvidenceFull = errors.New("vault: too many files of the account wait")

// ErrEvidenceBytes says that the files of the account would have more bytes together than they may. There is room again once a
// file is destroyed, and only then.
var ErrEvidenceBytes = errors.New("vault: the files of the account have too many bytes together")

// ErrUnknownEvidence says that the account has no such file.
var ErrUnknownEvidence = errors.New("vault: no such file")

// EvidenceID names a file of an account: a keyed hash of account and content. The same file of two accounts has two names, and
// nobody without the keyset can test a guess by one.
type EvidenceID [hashBytes]byte

// Evidence is what is known of a file without opening it.
type Evidence struct {
	ID EvidenceID
	// Size is in bytes, of the content.
	Size int
	// MediaType is what the caller found it to be.
	MediaType string
	// Pending is since when it waits to be named; zero once it is kept.
	Pending time.Time
}

// EvidenceID answers the name that a content has on an account.
func (v *Vault) EvidenceID(id unit.AccountID, content []byte) (EvidenceID, error) {
	hash, err := v.KeyedHash("evidence", append([]byte(hex.EncodeToString(id[:])+"\n"), content...))
	return hash, err
}

// PutEvidence keeps a file of an account, encrypted under the account's key, durably. It is pending then: unless it is kept
// ([Vault.KeepEvidence]) it goes with the next sweep. What is there already is not written again, but waits from now on where
// it was pending. It answers [ErrUnknownAccount], [ErrErased], [ErrEvidenceFull], [ErrEvidenceBytes], or [ErrInvalid] for a file of no bytes or of more than
// [MaxEvidence], and for a media type that is no word.
func (v *Vault) PutEvidence(ctx context.Context, id unit.AccountID, mediaType string, content []byte) (Evidence, error) {
	if len(content) == 0 || len(content) > MaxEvidence || !isWord(mediaType) {
		return Evidence{}, fmt.Errorf("%w: evidence: 1 to %d bytes, and what they are", ErrInvalid, MaxEvidence)
	}
	name, err := v.EvidenceID(id, content)
	if err != nil {
		return Evidence{}, err
	}
	sealed, err := v.sealEvidence(ctx, id, name, content)
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{ID: name, Size: len(content), MediaType: mediaType}
	return e, v.writer.commit(ctx, func(d *draft) error {
		rows, err := d.get(ctx, accountKey(id), evidenceKey(id, name))
		if err != nil {
			return err
		}
		if _, err := decodeAccount(rows[0]); err != nil {
			return err
		}
		e.Pending = v.now().Truncate(time.Microsecond)
		if rows[1] != nil {
			return v.renew(d, id, name, rows[1], &e)
		}
		all, err := v.evidenceIn(ctx, d, id)
		if err != nil {
			return err
		}
		pending, size := 0, len(content)
		for _, other := range all {
			size += other.Size
			if !other.Pending.IsZero() {
				pending++
			}
		}
		if pending >= MaxPendingEvidence {
			return ErrEvidenceFull
		}
		if size > v.evidenceBytes {
			return ErrEvidenceBytes
		}
		d.set(evidenceKey(id, name), e.encode())
		d.set(pendingKey(e.Pending, id, name), []byte{})
		d.set(contentKey(id, name), sealed)
		return nil
	}, nil)
}

// renew has a file that waits wait from e.Pending on. One that is kept stays so; e says in the end what it is.
func (v *Vault) renew(d *draft, id unit.AccountID, name EvidenceID, row []byte, e *Evidence) error {
	known, err := decodeEvidence(name, row)
	if err != nil {
		return err
	}
	if known.Pending.IsZero() {
		*e = known
		return nil
	}
	d.delete(pendingKey(known.Pending, id, name))
	known.Pending = e.Pending
	d.set(evidenceKey(id, name), known.encode())
	d.set(pendingKey(known.Pending, id, name), []byte{})
	*e = known
	return nil
}

// TouchEvidence answers files of an account, and has those that are pending wait from now on, durably: no sweep takes one that
// is about to be named. It answers [ErrUnknownEvidence] when one is not there, and then touches none.
func (v *Vault) TouchEvidence(ctx context.Context, id unit.AccountID, names []EvidenceID) (files []Evidence, err error) {
	err = v.writer.commit(ctx, func(d *draft) error {
		files = make([]Evidence, len(names))
		for i, name := range names {
			rows, err := d.get(ctx, evidenceKey(id, name))
			if err != nil {
				return err
			}
			if rows[0] == nil {
				return ErrUnknownEvidence
			}
			files[i].Pending = v.now().Truncate(time.Microsecond)
			if err := v.renew(d, id, name, rows[0], &files[i]); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	return files, err
}

// KeepEvidence has files stay for as long as the account's key does. Those that are not there, or kept already, are passed over.
func (v *Vault) KeepEvidence(ctx context.Context, id unit.AccountID, names []EvidenceID) error {
	return v.writer.commit(ctx, func(d *draft) error {
		for _, name := range names {
			rows, err := d.get(ctx, evidenceKey(id, name))
			if err != nil {
				return err
			}
			if rows[0] == nil {
				continue
			}
			e, err := decodeEvidence(name, rows[0])
			if err != nil {
				return err
			}
			if e.Pending.IsZero() {
				continue
			}
			d.delete(pendingKey(e.Pending, id, name))
			e.Pending = time.Time{}
			d.set(evidenceKey(id, name), e.encode())
		}
		return nil
	}, nil)
}

// Evidence answers what is known of a file of an account, without opening it. It answers [ErrUnknownEvidence].
func (v *Vault) Evidence(ctx context.Context, id unit.AccountID, name EvidenceID) (Evidence, error) {
	rows, err := v.engine.Get(ctx, evidenceKey(id, name))
	if err != nil {
		return Evidence{}, fmt.Errorf("vault: evidence: %w", err)
	}
	if rows[0] == nil {
		return Evidence{}, ErrUnknownEvidence
	}
	return decodeEvidence(name, rows[0])
}

// ReadEvidence opens a file of an account. It answers [ErrUnknownEvidence], or [ErrErased] with [ErrKeyGone].
func (v *Vault) ReadEvidence(ctx context.Context, id unit.AccountID, name EvidenceID) (Evidence, []byte, error) {
	sealer, err := v.Sealer(ctx, id)
	if err != nil {
		return Evidence{}, nil, err
	}
	rows, err := v.engine.Get(ctx, evidenceKey(id, name), contentKey(id, name))
	if err != nil {
		return Evidence{}, nil, fmt.Errorf("vault: evidence: %w", err)
	}
	if rows[0] == nil || rows[1] == nil {
		return Evidence{}, nil, ErrUnknownEvidence
	}
	e, err := decodeEvidence(name, rows[0])
	if err != nil {
		return Evidence{}, nil, err
	}
	content, err := open(sealer.cipher, rows[1], evidenceData(v.bank, id, name))
	if err != nil {
		return Evidence{}, nil, err
	}
	return e, content, nil
}

// PendingEvidence answers up to limit files that have waited since before a time, the longest waiting first, by account.
func (v *Vault) PendingEvidence(ctx context.Context, before time.Time, limit int) (waiting []WaitingEvidence, err error) {
	r := store.Range{Start: []byte{tablePending}, End: binary.BigEndian.AppendUint64([]byte{tablePending}, uint64(before.UnixMicro()))}
	for row, err := range v.engine.Scan(ctx, r) {
		if err != nil {
			return nil, fmt.Errorf("vault: evidence: %w", err)
		}
		if len(waiting) == limit {
			break
		}
		w, err := parsePending(row.Key)
		if err != nil {
			return nil, err
		}
		waiting = append(waiting, w)
	}
	return waiting, nil
}

// WaitingEvidence is a file that waits to be named.
type WaitingEvidence struct {
	Account unit.AccountID
	ID      EvidenceID
	Since   time.Time
}

// DropEvidence destroys a file that still waits as it did; one that was named, kept or touched since stays.
func (v *Vault) DropEvidence(ctx context.Context, w WaitingEvidence) error {
	return v.writer.commit(ctx, func(d *draft) error {
		rows, err := d.get(ctx, pendingKey(w.Since, w.Account, w.ID))
		if err != nil || rows[0] == nil {
			return err
		}
		d.delete(pendingKey(w.Since, w.Account, w.ID))
		d.delete(evidenceKey(w.Account, w.ID))
		d.delete(contentKey(w.Account, w.ID))
		return nil
	}, nil)
}

// forgetEvidence destroys all files of an account, those of the draft too.
func (v *Vault) forgetEvidence(ctx context.Context, d *draft, id unit.AccountID) error {
	all, err := v.evidenceIn(ctx, d, id)
	if err != nil {
		return err
	}
	for _, e := range all {
		d.delete(evidenceKey(id, e.ID))
		d.delete(contentKey(id, e.ID))
		if !e.Pending.IsZero() {
			d.delete(pendingKey(e.Pending, id, e.ID))
		}
	}
	return nil
}

// evidenceIn answers the files of an account as they are with the draft.
func (v *Vault) evidenceIn(ctx context.Context, d *draft, id unit.AccountID) ([]Evidence, error) {
	prefix := append([]byte{tableEvidence}, id[:]...)
	rows := make(map[string][]byte)
	for row, err := range v.engine.Scan(ctx, store.Prefix(prefix)) {
		if err != nil {
			return nil, fmt.Errorf("vault: evidence: %w", err)
		}
		rows[string(row.Key)] = bytes.Clone(row.Value)
	}
	for key, value := range d.rows {
		if bytes.HasPrefix([]byte(key), prefix) {
			rows[key] = value
		}
	}
	var all []Evidence
	for key, value := range rows {
		if value == nil {
			continue
		}
		e, err := decodeEvidence(EvidenceID([]byte(key)[len(prefix):]), value)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (v *Vault) sealEvidence(ctx context.Context, id unit.AccountID, name EvidenceID, content []byte) ([]byte, error) {
	sealer, err := v.Sealer(ctx, id)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, nonceBytes, SealBytes+len(content))
	if err := v.random.fill(sealed); err != nil {
		return nil, err
	}
	return sealer.cipher.Seal(sealed, sealed, content, evidenceData(v.bank, id, name)), nil
}

func (e Evidence) encode() []byte {
	pending := int64(0)
	if !e.Pending.IsZero() {
		pending = e.Pending.UnixMicro()
	}
	row := binary.BigEndian.AppendUint64([]byte{evidenceVersion}, uint64(pending))
	return append(binary.BigEndian.AppendUint32(row, uint32(e.Size)), e.MediaType...)
}

func decodeEvidence(name EvidenceID, row []byte) (Evidence, error) {
	if len(row) < 1+8+4 || row[0] != evidenceVersion {
		return Evidence{}, fmt.Errorf("%w: evidence", ErrDamaged)
	}
	e := Evidence{ID: name, Size: int(binary.BigEndian.Uint32(row[9:])), MediaType: string(row[13:])}
	if pending := int64(binary.BigEndian.Uint64(row[1:])); pending != 0 {
		e.Pending = time.UnixMicro(pending).UTC()
	}
	return e, nil
}

func evidenceKey(id unit.AccountID, name EvidenceID) []byte {
	return append(append([]byte{tableEvidence}, id[:]...), name[:]...)
}

func contentKey(id unit.AccountID, name EvidenceID) []byte {
	return append(append([]byte{tableContent}, id[:]...), name[:]...)
}

func pendingKey(since time.Time, id unit.AccountID, name EvidenceID) []byte {
	key := binary.BigEndian.AppendUint64([]byte{tablePending}, uint64(since.UnixMicro()))
	return append(append(key, id[:]...), name[:]...)
}

func parsePending(key []byte) (w WaitingEvidence, err error) {
	if len(key) != 1+8+len(w.Account)+len(w.ID) {
		return w, fmt.Errorf("%w: evidence", ErrDamaged)
	}
	w.Since = time.UnixMicro(int64(binary.BigEndian.Uint64(key[1:]))).UTC()
	copy(w.Account[:], key[9:])
	copy(w.ID[:], key[9+len(w.Account):])
	return w, nil
}

func evidenceData(bank string, id unit.AccountID, name EvidenceID) []byte {
	return []byte("creditbank/v1 vault evidence\n" + bank + "\n" + hex.EncodeToString(id[:]) + "\n" + hex.EncodeToString(name[:]) + "\n")
}
