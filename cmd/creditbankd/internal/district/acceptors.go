package district

import (
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// An Acceptor is an institution that takes credits over, under an agreement.
type Acceptor struct {
	Organization
	// Agreement is what it publishes.
	Agreement []byte
	// Consents are so many of the listed residents who let it ask.
	Consents int
}

// Acceptors are the accepting institutions. They lie outside the district's network of schools, and are registered by it.
func Acceptors() []Acceptor {
	all := []Acceptor{
		{Organization{ID: "open-university", Name: "开放大学", TrustTier: trustSchool}, agreements.OpenUniversity2026(), 3},
		{Organization{ID: "vocational-college", Name: "职业学院", TrustTier: trustSchool}, agreements.VocationalCollege2026(), 2},
	}
	for i := range all {
		all[i].Code, all[i].Parent = code(950+i), Root
		all[i].Roles = []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR}
	}
	return all
}

// AcceptorKey is a key of an accepting institution: it follows from the seed.
func (d *District) AcceptorKey(a Acceptor, purpose keyring.Purpose) (*keyring.PrivateKey, error) {
	return d.Key(Platform{Organization: a.Organization, Algorithm: keyring.Ed25519}, purpose)
}
