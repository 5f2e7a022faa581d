package keyring

import (
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A Key is a registered public key and the bounds within which the bank accepts it. All times are entry times.
type Key struct {
	Public       *PublicKey
	Organization unit.OrganizationID
	Purpose      Purpose
	// ValidFrom is the first moment at which the key may be used.
	ValidFrom time.Time
	// ValidUntil is the first moment at which it may no longer be used; zero if there is none.
	ValidUntil time.Time
	// RevokedAt is when it was revoked; zero if it wasn't.
	RevokedAt time.Time
	// CompromisedSince is the moment from which others may have had it, as told on revocation; zero if it isn't suspected.
	CompromisedSince time.Time
}

// Check answers nil when organization may use the key for purpose at a moment, otherwise, in this order,
// [ErrKeyOrganization], [ErrKeyPurpose], [ErrKeyRevoked], [ErrKeyNotYetValid] or [ErrKeyExpired]. What was accepted before a
// revocation stays accepted: whether it is to be doubted is for [Key.Suspect] to say.
func (k Key) Check(organization unit.OrganizationID, purpose Purpose, at time.Time) error {
	switch {
	case k.Organization != organization:
		return ErrKeyOrganization
	case k.Purpose != purpose:
		return ErrKeyPurpose
	case !k.RevokedAt.IsZero() && !at.Before(k.RevokedAt):
		return ErrKeyRevoked
	case at.Before(k.ValidFrom):
		return ErrKeyNotYetValid
	case !k.ValidUntil.IsZero() && !at.Before(k.ValidUntil):
		return ErrKeyExpired
	}
	return nil
}

// Suspect reports whether what the key signed at a moment may be someone else's work: from CompromisedSince until the
// revocation. Such work isn't undone by itself; it goes to officers.
func (k Key) Suspect(at time.Time) bool {
	if k.CompromisedSince.IsZero() || at.Before(k.CompromisedSince) {
		return false
	}
	return k.RevokedAt.IsZero() || at.Before(k.RevokedAt)
}

// VerifyPossession answers nil when signature, made with public over the [RegistrationText], shows that who registers the key
// for organization and purpose holds its private half; [ErrPurpose] for an unknown purpose, else [ErrSignature].
func VerifyPossession(
	bankID string, organization unit.OrganizationID, public *PublicKey, purpose Purpose, signature []byte,
) error {
	if purpose != Sign && purpose != Authenticate {
		return fmt.Errorf("%w: %v", ErrPurpose, purpose)
	}
	return public.Verify(RegistrationText(bankID, organization, public.ID(), purpose), signature)
}
