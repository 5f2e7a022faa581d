package vault

import "fmt"

// KeyedHash answers a hash of content that is the same for ever, and that nobody without the keyset can compute: what is
// known by it can be found again, and a guess can't be tested. It is HMAC-SHA-256 under the lookup key of
//
//	creditbank/v1 vault <purpose> LF <bank id> LF <content>
//
// The purpose is 1 to 128 characters of printable ASCII without spaces, and none of number, document and lookup, which the
// vault's own rows use; evidence is that of [Vault.EvidenceID].
func (v *Vault) KeyedHash(purpose string, content []byte) (hash [hashBytes]byte, err error) {
	switch purpose {
	case "number", "document", "lookup":
		return hash, fmt.Errorf("%w: purpose: it is the vault's own", ErrInvalid)
	}
	if !isWord(purpose) {
		return hash, fmt.Errorf("%w: purpose: 1 to %d characters of printable ascii", ErrInvalid, maxWordBytes)
	}
	sum, err := v.keys.hash("creditbank/v1 vault " + purpose + "\n" + v.bank + "\n" + string(content))
	if err != nil {
		return hash, err
	}
	copy(hash[:], sum)
	return hash, nil
}
