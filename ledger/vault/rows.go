package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// The rows. Integers are big-endian, times are microseconds since 1970 UTC, id is an account id of 16 bytes.
//
//	key                                  value
//	01 id                                a live account: 01, hash of its number (32), 00 or 01 and hash of its document
//	                                     (32), length (2) and bytes of its wrapped key, the sealed person to the end
//	01 id                                an erased account: 02, time of erasure (8)
//	02 hash of a number (32)             id
//	03 hash of a document (32)           id
//	04 id, head (8), position (4)        one access: 01, time (8), then caller, action and purpose, each as length (2)
//	                                     and bytes; head and position are those of its commit and only number it
//	05                                   the format: 01, proof of the lookup key (32), length (2) and bytes of the
//	                                     wrapped proof, the bank id to the end
//	06 id, name (32)                     a file: 01, since when it is pending (8; 0: it is kept), size (4), media type
//	                                     to the end
//	07 since (8), id, name (32)          the same file, while it is pending: empty
//	08 id, name (32)                     its sealed content
//	09 thing (32), case (8)              a case in which somebody brought what counts once: empty. A thing is a keyed hash
//	                                     ([Vault.KeyedHash]), and these rows stay when a person is erased
//
// A hash is HMAC-SHA-256 under the lookup key of
//
//	creditbank/v1 vault number LF <bank id> LF <account number> LF
//	creditbank/v1 vault document LF <bank id> LF <document kind> LF <document number> LF
//
// so that neither a row nor a log line that quotes a key names anybody, and equal numbers can't be found by guessing. The
// proof of the lookup key is the hash of "creditbank/v1 vault lookup LF <bank id> LF"; the wrapped proof is the same text,
// wrapped. They only serve to recognize a wrong keyset.
//
// A wrapped key is a Tink AES-256-GCM ciphertext (its first five bytes name the key-encryption key) of the account's 32
// bytes, with the additional data
//
//	creditbank/v1 vault key LF <bank id> LF <account id, 32 hexadecimal digits> LF
//
// A sealed person is nonce (12), ciphertext and tag (16) of JSON under the account's key, with the additional data
//
//	creditbank/v1 vault person LF <bank id> LF <account id, 32 hexadecimal digits> LF
//
// The name of a file is the keyed hash ([Vault.KeyedHash]) with the purpose evidence of the account id, 32 hexadecimal digits, LF,
// and the content; that of a transfer of another bank is the one with the purpose transfer of the 32 bytes of the leaf hash of its
// HoldPosted. A sealed content is nonce, ciphertext and tag of it under the account's key, with the additional data
//
//	creditbank/v1 vault evidence LF <bank id> LF <account id, 32 hexadecimal digits> LF <name, 64 of them> LF
const (
	tableAccount  = 0x01
	tableNumber   = 0x02
	tableDocument = 0x03
	tableAccess   = 0x04
	tableFormat   = 0x05
	tableEvidence = 0x06
	tablePending  = 0x07
	tableContent  = 0x08
	tableUse      = 0x09

	formatVersion = 0x01
	stateLive     = 0x01
	stateErased   = 0x02
	accessVersion = 0x01

	evidenceVersion = 0x01

	hashBytes = sha256.Size
	keyBytes  = 32
)

func accountKey(id unit.AccountID) []byte { return append([]byte{tableAccount}, id[:]...) }
func numberKey(hash []byte) []byte        { return append([]byte{tableNumber}, hash...) }
func documentKey(hash []byte) []byte      { return append([]byte{tableDocument}, hash...) }
func formatKey() []byte                   { return []byte{tableFormat} }

func keyData(bank string, id unit.AccountID) []byte {
	return []byte("creditbank/v1 vault key\n" + bank + "\n" + hex.EncodeToString(id[:]) + "\n")
}

func personData(bank string, id unit.AccountID) []byte {
	return []byte("creditbank/v1 vault person\n" + bank + "\n" + hex.EncodeToString(id[:]) + "\n")
}

func (v *Vault) lookupText() []byte { return []byte("creditbank/v1 vault lookup\n" + v.bank + "\n") }

func (v *Vault) numberMAC(number unit.AccountNumber) ([]byte, error) {
	return v.keys.hash("creditbank/v1 vault number\n" + v.bank + "\n" + string(number) + "\n")
}

func (v *Vault) documentMAC(document unit.Document) ([]byte, error) {
	return v.keys.hash("creditbank/v1 vault document\n" + v.bank + "\n" + string(document.Kind) + "\n" + document.Number + "\n")
}

// account is a live row. Number and document are hashes; document is nil where there is none.
type account struct {
	number, document []byte
	wrapped, person  []byte
}

func (a account) encode() []byte {
	b := append([]byte{stateLive}, a.number...)
	if a.document == nil {
		b = append(b, 0)
	} else {
		b = append(append(b, 1), a.document...)
	}
	b = appendBytes(b, a.wrapped)
	return append(b, a.person...)
}

// decodeAccount answers ErrUnknownAccount for no row and ErrErased for a tombstone.
func decodeAccount(row []byte) (account, error) {
	damaged := fmt.Errorf("%w: account", ErrDamaged)
	switch {
	case row == nil:
		return account{}, ErrUnknownAccount
	case len(row) == 1+8 && row[0] == stateErased:
		return account{}, ErrErased
	case len(row) < 1+hashBytes+1 || row[0] != stateLive:
		return account{}, damaged
	}
	var a account
	a.number, row = row[1:1+hashBytes], row[1+hashBytes:]
	switch has := row[0]; {
	case has == 0:
		row = row[1:]
	case has == 1 && len(row) > hashBytes:
		a.document, row = row[1:1+hashBytes], row[1+hashBytes:]
	default:
		return account{}, damaged
	}
	wrapped, person, found := cutBytes(row)
	if !found {
		return account{}, damaged
	}
	a.wrapped, a.person = wrapped, person
	return a, nil
}

func encodeTombstone(at time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte{stateErased}, uint64(at.UnixMicro()))
}

// newFormat makes the row that recognizes keyset and bank.
func (v *Vault) newFormat() ([]byte, error) {
	proof, err := v.keys.hash(string(v.lookupText()))
	if err != nil {
		return nil, err
	}
	wrapped, err := v.keys.wrap(v.lookupText(), nil)
	if err != nil {
		return nil, err
	}
	return v.encodeFormat(proof, wrapped), nil
}

func (v *Vault) encodeFormat(proof, wrapped []byte) []byte {
	b := append([]byte{formatVersion}, proof...)
	return append(appendBytes(b, wrapped), v.bank...)
}

func cutFormat(row []byte) (proof, wrapped, bank []byte, err error) {
	if len(row) < 1+hashBytes || row[0] != formatVersion {
		return nil, nil, nil, fmt.Errorf("%w: version", ErrFormat)
	}
	wrapped, bank, found := cutBytes(row[1+hashBytes:])
	if !found {
		return nil, nil, nil, fmt.Errorf("%w: format", ErrDamaged)
	}
	return row[1 : 1+hashBytes], wrapped, bank, nil
}

func (v *Vault) checkFormat(row []byte) error {
	proof, wrapped, bank, err := cutFormat(row)
	if err != nil {
		return err
	}
	if string(bank) != v.bank {
		return fmt.Errorf("%w: another bank's", ErrFormat)
	}
	want, err := v.keys.hash(string(v.lookupText()))
	if err != nil {
		return err
	}
	if !bytes.Equal(proof, want) {
		return fmt.Errorf("%w: the lookup key is another", ErrKeyset)
	}
	text, err := v.keys.unwrap(wrapped, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, v.lookupText()) {
		return fmt.Errorf("%w: format", ErrDamaged)
	}
	return nil
}

func appendBytes(b, s []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func cutBytes(b []byte) (s, rest []byte, found bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return slices.Clip(b[2 : 2+n]), b[2+n:], true
}
