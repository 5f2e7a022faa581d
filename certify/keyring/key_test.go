package keyring_test

import (
	"errors"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// day is midnight UTC of a day in May 2026, less or more some microseconds, the ledger's unit of time.
func day(number, microseconds int) time.Time {
	return time.Date(2026, time.May, number, 0, 0, 0, microseconds*1000, time.UTC)
}

func TestKeyCheck(t *testing.T) {
	open := keyring.Key{Organization: school, Purpose: keyring.Sign, ValidFrom: day(10, 0)}
	bounded := open
	bounded.ValidUntil = day(20, 0)
	revoked := bounded
	revoked.RevokedAt = day(15, 0)
	revokedEarly := bounded // before it ever became valid
	revokedEarly.RevokedAt = day(5, 0)
	always := keyring.Key{Organization: school, Purpose: keyring.Sign}

	for name, test := range map[string]struct {
		key          keyring.Key
		organization unit.OrganizationID
		purpose      keyring.Purpose
		at           time.Time
		want         error
	}{
		"first moment":           {open, school, keyring.Sign, day(10, 0), nil},
		"before the first":       {open, school, keyring.Sign, day(10, -1), keyring.ErrKeyNotYetValid},
		"without an end":         {open, school, keyring.Sign, day(10, 0).AddDate(100, 0, 0), nil},
		"without a beginning":    {always, school, keyring.Sign, time.Time{}, nil},
		"last moment":            {bounded, school, keyring.Sign, day(20, -1), nil},
		"end":                    {bounded, school, keyring.Sign, day(20, 0), keyring.ErrKeyExpired},
		"before the revocation":  {revoked, school, keyring.Sign, day(15, -1), nil},
		"at the revocation":      {revoked, school, keyring.Sign, day(15, 0), keyring.ErrKeyRevoked},
		"revoked and expired":    {revoked, school, keyring.Sign, day(25, 0), keyring.ErrKeyRevoked},
		"revoked before valid":   {revokedEarly, school, keyring.Sign, day(7, 0), keyring.ErrKeyRevoked},
		"neither revoked nor on": {revokedEarly, school, keyring.Sign, day(4, 0), keyring.ErrKeyNotYetValid},
		"another organization":   {open, "xihu-school", keyring.Sign, day(12, 0), keyring.ErrKeyOrganization},
		"no organization":        {open, "", keyring.Sign, day(12, 0), keyring.ErrKeyOrganization},
		"another purpose":        {open, school, keyring.Authenticate, day(12, 0), keyring.ErrKeyPurpose},
		"no purpose":             {open, school, 0, day(12, 0), keyring.ErrKeyPurpose},
		"organization first":     {revoked, "xihu-school", keyring.Authenticate, day(25, 0), keyring.ErrKeyOrganization},
		"purpose second":         {revoked, school, keyring.Authenticate, day(25, 0), keyring.ErrKeyPurpose},
		"in another zone":        {open, school, keyring.Sign, day(10, 0).In(time.FixedZone("CST", 8*60*60)), nil},
	} {
		if err := test.key.Check(test.organization, test.purpose, test.at); !errors.Is(err, test.want) || (test.want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestKeySuspect(t *testing.T) {
	trusted := keyring.Key{RevokedAt: day(15, 0)}
	window := keyring.Key{CompromisedSince: day(10, 0), RevokedAt: day(15, 0)}
	running := keyring.Key{CompromisedSince: day(10, 0)}
	for name, test := range map[string]struct {
		key  keyring.Key
		at   time.Time
		want bool
	}{
		"never compromised":       {trusted, day(12, 0), false},
		"before the window":       {window, day(10, -1), false},
		"first moment":            {window, day(10, 0), true},
		"last moment":             {window, day(15, -1), true},
		"revocation":              {window, day(15, 0), false},
		"not revoked yet":         {running, day(30, 0), true},
		"not revoked yet, before": {running, day(9, 0), false},
	} {
		if got := test.key.Suspect(test.at); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestVerifyPossession(t *testing.T) {
	for _, algorithm := range algorithms() {
		key, other := newKey(t, algorithm, 1), newKey(t, algorithm, 2)
		proof := sign(t, key, keyring.RegistrationText(bank, school, key.Public().ID(), keyring.Sign))
		if err := keyring.VerifyPossession(bank, school, key.Public(), keyring.Sign, proof); err != nil {
			t.Fatalf("%v: %v", algorithm, err)
		}
		submission := keyring.SubmissionText(bank, school, key.Public().ID(), 1, [32]byte{})
		for name, test := range map[string]struct {
			bank         string
			organization unit.OrganizationID
			public       *keyring.PublicKey
			purpose      keyring.Purpose
			proof        []byte
			want         error
		}{
			"another bank":         {"other.creditbank.example", school, key.Public(), keyring.Sign, proof, keyring.ErrSignature},
			"another organization": {bank, "xihu-school", key.Public(), keyring.Sign, proof, keyring.ErrSignature},
			"another key":          {bank, school, other.Public(), keyring.Sign, proof, keyring.ErrSignature},
			"another purpose":      {bank, school, key.Public(), keyring.Authenticate, proof, keyring.ErrSignature},
			"no proof":             {bank, school, key.Public(), keyring.Sign, nil, keyring.ErrSignature},
			"signed submission":    {bank, school, key.Public(), keyring.Sign, sign(t, key, submission), keyring.ErrSignature},
			"unknown purpose": {
				bank, school, key.Public(), 3,
				sign(t, key, keyring.RegistrationText(bank, school, key.Public().ID(), 3)), keyring.ErrPurpose,
			},
		} {
			err := keyring.VerifyPossession(test.bank, test.organization, test.public, test.purpose, test.proof)
			if !errors.Is(err, test.want) {
				t.Errorf("%v, %s: %v, want %v", algorithm, name, err, test.want)
			}
		}
	}
}
