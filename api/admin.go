package api

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Organization takes part in the network.
type Organization struct {
	ID, Name, Code string
	Level          ledgerv1.OrganizationLevel
	Parent         string
	Roles          []ledgerv1.Role
	TrustTier      int
	// Index is the entry that registered it; not read in requests.
	Index uint64
}

const maxTrustTier = 5

// RegisterOrganization registers an organization below one in the administrator's subtree.
func (b *Bank) RegisterOrganization(
	ctx context.Context, caller access.Caller, requestID string, o Organization,
) (Organization, error) {
	fact, fault := o.check()
	if fault != nil {
		return Organization{}, fault
	}
	if o.Parent == "" {
		return Organization{}, invalid(ReasonUnknownOrganization, "organization.parent", "only the root of the network has nobody above it")
	}
	fact.Actor = caller.Actor()
	o.Index = 0
	done, err := b.once(ctx, change{
		caller: caller, method: access.RegisterOrganization, requestID: requestID, asked: o,
		reads: [][]byte{book.OrganizationKey(o.ID), book.OrganizationKey(o.Parent)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.RegisterOrganization, "organization.parent", o.Parent); err != nil {
				return 0, err
			}
			if known, ok := d.organizations[o.ID]; ok {
				return 0, faultf(Conflict, ReasonOrganizationKnown, "organization.organization_id", "entry %d registered this id", known.GetIndex())
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationRegistered{OrganizationRegistered: fact}})
		},
	})
	if err != nil {
		return Organization{}, err
	}
	o.Index = done.Index
	return o, nil
}

func (o Organization) check() (*ledgerv1.OrganizationRegistered, *Error) {
	const field = "organization."
	if _, err := unit.ParseOrganizationID(o.ID); err != nil {
		return nil, invalid(ReasonField, field+"organization_id", "%w", err)
	}
	if fault := checkText(field+"name", o.Name, 1, maxTitleCharacters); fault != nil {
		return nil, fault
	}
	code, err := unit.ParseOrganizationCode(o.Code)
	if err != nil {
		return nil, invalid(ReasonOrganizationCode, field+"code", "%w", err)
	}
	if _, ok := ledgerv1.OrganizationLevel_name[int32(o.Level)]; !ok {
		return nil, invalid(ReasonUnknownEnum, field+"level", "the value %d has no meaning", o.Level)
	}
	for i, role := range o.Roles {
		if fault := checkEnum(indexed(field+"roles", i), role, ledgerv1.Role_name); fault != nil {
			return nil, fault
		}
		if slices.Contains(o.Roles[:i], role) {
			return nil, invalid(ReasonField, indexed(field+"roles", i), "the role is said twice")
		}
	}
	if o.TrustTier < 1 || o.TrustTier > maxTrustTier {
		return nil, invalid(ReasonField, field+"trust_tier", "the trust tier is %d, tiers are 1 to %d", o.TrustTier, maxTrustTier)
	}
	return &ledgerv1.OrganizationRegistered{
		Organization: o.ID, Name: o.Name, Code: string(code), Level: o.Level, Parent: o.Parent,
		Roles: o.Roles, TrustTier: uint32(o.TrustTier),
	}, nil
}

// NewKey is a public key to be registered.
type NewKey struct {
	Organization string
	PublicKey    []byte
	Algorithm    ledgerv1.KeyAlgorithm
	Purpose      ledgerv1.KeyPurpose
	// ValidFrom and ValidUntil are in microseconds since 1970; 0 is now, and until revoked.
	ValidFrom, ValidUntil int64
	// Proof is the key's signature over the registration text.
	Proof []byte
}

// AddKey registers a key of an organization, and answers its id and the entry.
func (b *Bank) AddKey(ctx context.Context, caller access.Caller, requestID string, k NewKey) (keyring.KeyID, uint64, error) {
	fact, id, err := k.check(b.ID())
	if err != nil {
		return id, 0, err
	}
	fact.Actor = caller.Actor()
	done, err := b.once(ctx, change{
		caller: caller, method: access.AddKey, requestID: requestID, asked: k,
		reads: [][]byte{book.SigningKeyKey(id[:])},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.AddKey, "organization", k.Organization); err != nil {
				return 0, err
			}
			if _, ok := d.keys[id]; ok {
				return 0, faultf(Conflict, ReasonKeyKnown, "public_key", "the key is registered; a key has one owner and one purpose")
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_KeyAdded{KeyAdded: fact}})
		},
	})
	return id, done.Index, err
}

func (k NewKey) check(bankID string) (*ledgerv1.KeyAdded, keyring.KeyID, error) {
	organization, err := unit.ParseOrganizationID(k.Organization)
	if err != nil {
		return nil, keyring.KeyID{}, invalid(ReasonField, "organization", "%w", err)
	}
	if fault := checkEnum("algorithm", k.Algorithm, ledgerv1.KeyAlgorithm_name); fault != nil {
		return nil, keyring.KeyID{}, fault
	}
	if fault := checkEnum("purpose", k.Purpose, ledgerv1.KeyPurpose_name); fault != nil {
		return nil, keyring.KeyID{}, fault
	}
	public, err := keyring.ParsePublicKey(keyring.Algorithm(k.Algorithm), k.PublicKey)
	if err != nil {
		return nil, keyring.KeyID{}, invalid(ReasonKeyMalformed, "public_key", "%w", err)
	}
	id := public.ID()
	if err := keyring.VerifyPossession(bankID, organization, public, keyring.Purpose(k.Purpose), k.Proof); err != nil {
		return nil, id, invalid(ReasonKeyProof, "proof", "the proof of possession does not hold: %w", err)
	}
	if k.ValidFrom < 0 || k.ValidUntil < 0 || (k.ValidUntil != 0 && k.ValidUntil <= k.ValidFrom) {
		return nil, id, invalid(ReasonTime, "valid_until", "the validity ends before it begins")
	}
	return &ledgerv1.KeyAdded{
		Organization: k.Organization, KeyId: id[:], PublicKey: k.PublicKey, Algorithm: k.Algorithm, Purpose: k.Purpose,
		ValidFrom: k.ValidFrom, ValidUntil: k.ValidUntil, Proof: k.Proof,
	}, id, nil
}

// Revocation ends a key.
type Revocation struct {
	Key keyring.KeyID
	// CompromisedSince is in microseconds since 1970; 0: it was not compromised.
	CompromisedSince int64
	Reason           string
}

// RevokeKey revokes a key, and opens a case on everything that it signed since it was compromised. It answers the entry
// and the number of cases.
func (b *Bank) RevokeKey(ctx context.Context, caller access.Caller, requestID string, r Revocation) (index uint64, cases int, err error) {
	if fault := checkText("reason", r.Reason, 0, maxReasonCharacters); fault != nil {
		return 0, 0, fault
	}
	if r.CompromisedSince < 0 || r.CompromisedSince > b.config.Now().UnixMicro() {
		return 0, 0, invalid(ReasonTime, "compromised_since", "the time is negative or in the future")
	}
	var organization unit.OrganizationID
	done, err := b.once(ctx, change{
		caller: caller, method: access.RevokeKey, requestID: requestID, asked: r,
		reads: [][]byte{book.SigningKeyKey(r.Key[:])},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			key, ok := d.keys[r.Key]
			if !ok {
				return 0, faultf(NotFound, ReasonUnknownKey, "key_id", "the key is not registered")
			}
			if err := caller.Check(access.RevokeKey, access.Subject{Organization: string(key.Organization)}, d); err != nil {
				return 0, err
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_KeyRevoked{KeyRevoked: &ledgerv1.KeyRevoked{
				Actor: caller.Actor(), Request: request, KeyId: r.Key[:], CompromisedSince: r.CompromisedSince, Reason: r.Reason,
			}}})
		},
	})
	if err != nil || r.CompromisedSince == 0 {
		return done.Index, 0, err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return done.Index, 0, err
	}
	organization = d.keys[r.Key].Organization
	cases, err = b.doubtKey(ctx, d, string(organization), r, done.Index)
	return done.Index, cases, err
}

// doubtedAtOnce is how many completions one proposal opens cases on.
const doubtedAtOnce = 500

// doubtKey opens a case on every completion that a compromised key signed in doubt, or took back, and that has none. It can be
// repeated: what has a case, or was decided on since the entry that revoked the key, is passed over.
func (b *Bank) doubtKey(
	ctx context.Context, d *directory, organization string, r Revocation, revoked uint64,
) (cases int, err error) {
	view, err := b.ledger.View()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	var found []doubted
	for index, err := range feed(ctx, view, d.organizations[organization].GetIndex(), 0) {
		if err != nil {
			return cases, err
		}
		x, ok, err := r.doubts(ctx, view, index)
		if err != nil {
			return cases, err
		}
		if !ok {
			continue
		}
		if found = append(found, x); len(found) == doubtedAtOnce {
			opened, err := b.openDoubts(ctx, d, found, revoked)
			if cases += opened; err != nil {
				return cases, err
			}
			found = found[:0]
		}
	}
	opened, err := b.openDoubts(ctx, d, found, revoked)
	return cases + opened, err
}

// doubted is a completion that a compromised key signed, or whose void it signed.
type doubted struct {
	account []byte
	ref     *ledgerv1.CompletionRef
	cause   string
}

// doubts says whether an entry is a statement that the key signed since it was compromised.
func (r Revocation) doubts(ctx context.Context, view ledger.View, index uint64) (doubted, bool, error) {
	e, err := entryOf(ctx, view, index)
	if err != nil {
		return doubted{}, false, err
	}
	var origin *ledgerv1.Origin
	x := doubted{}
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		recorded := fact.CompletionRecorded
		ref := &ledgerv1.CompletionRef{Index: index, EndDay: recorded.GetEndDay()}
		origin, x = recorded.GetOrigin(), doubted{recorded.GetAccount(), ref, CauseKeyCompromised}
	case *ledgerv1.Entry_CompletionVoided:
		voided := fact.CompletionVoided
		origin, x = voided.GetOrigin(), doubted{voided.GetAccount(), voided.GetCompletion(), CauseVoidCompromised}
	default:
	}
	if origin == nil || e.GetTime() < r.CompromisedSince {
		return doubted{}, false, nil
	}
	signer := origin.GetKeyId()
	if len(signer) == 0 {
		submission, err := entryOf(ctx, view, origin.GetSubmission())
		if err != nil {
			return doubted{}, false, err
		}
		signer = submission.GetSubmissionReceived().GetKeyId()
	}
	return x, bytes.Equal(signer, r.Key[:]), nil
}

func (b *Bank) openDoubts(ctx context.Context, d *directory, found []doubted, revoked uint64) (opened int, err error) {
	if len(found) == 0 {
		return 0, nil
	}
	ids := make([]unit.AccountID, len(found))
	for i := range found {
		ids[i] = unit.AccountID(found[i].account)
	}
	sealers, err := b.vault.SealersInPassing(ctx, ids)
	if err != nil {
		return 0, err
	}
	_, errs, err := b.ledger.ProposeEach(ctx, nil, len(found), func(tx *ledger.Tx, i int) error {
		id, item, err := located(tx, found[i].account, found[i].ref)
		if err != nil {
			return err
		}
		if sealers[i] == nil {
			return nil // of a person who was forgotten nobody can decide anything any more
		}
		gone := item.GetOutcome() == ledgerv1.Outcome_OUTCOME_REFUSED || item.GetOutcome() == ledgerv1.Outcome_OUTCOME_WITHDRAWN
		// A void is in doubt where it stands, a completion where none does.
		other := (item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED) != (found[i].cause == CauseVoidCompromised)
		if gone || other || item.GetCasePlusOne() != 0 || item.GetDecidedPlusOne() > revoked {
			return nil
		}
		opened++
		return openCases(tx, d, id, []doubt{{found[i].ref, found[i].cause, compromiseRisk}})
	})
	return opened, errors.Join(err, errors.Join(errs...))
}

// Appointment gives somebody an office.
type Appointment struct {
	Officer, Organization string
	Roles                 []ledgerv1.OfficerRole
}

// AppointOfficer gives somebody an office, or another one than before, and answers the entry.
func (b *Bank) AppointOfficer(ctx context.Context, caller access.Caller, requestID string, a Appointment) (uint64, error) {
	fact, fault := a.check()
	if fault != nil {
		return 0, fault
	}
	fact.Actor = caller.Actor()
	done, err := b.once(ctx, change{
		caller: caller, method: access.AppointOfficer, requestID: requestID, asked: a,
		reads: [][]byte{book.OfficerKey(a.Officer)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.AppointOfficer, "organization", a.Organization); err != nil {
				return 0, err
			}
			if known, ok := d.officers[a.Officer]; ok {
				// Nobody takes an officer over from another subtree, or changes their own office.
				if err := checkOffice(caller, known, d); err != nil {
					return 0, err
				}
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OfficerAppointed{OfficerAppointed: fact}})
		},
	})
	return done.Index, err
}

func (a Appointment) check() (*ledgerv1.OfficerAppointed, *Error) {
	if _, err := unit.ParseOrganizationID(a.Officer); err != nil {
		return nil, invalid(ReasonField, "officer", "an officer's id has 2 to 63 lower-case letters, digits and hyphens, and names no person")
	}
	if len(a.Roles) == 0 {
		return nil, invalid(ReasonField, "roles", "an officer has at least one role")
	}
	for i, role := range a.Roles {
		if fault := checkEnum(indexed("roles", i), role, ledgerv1.OfficerRole_name); fault != nil {
			return nil, fault
		}
	}
	return &ledgerv1.OfficerAppointed{Officer: a.Officer, Organization: a.Organization, Roles: a.Roles}, nil
}

func checkOffice(caller access.Caller, known *ledgerv1.OfficerRow, d *directory) error {
	if known.GetFact().GetOfficer() == caller.Officer {
		return faultf(Denied, ReasonOwnOffice, "officer", "nobody changes their own office")
	}
	return caller.Check(access.RemoveOfficer, access.Subject{Organization: known.GetFact().GetOrganization()}, d)
}

// RemoveOfficer ends an office, and answers the entry.
func (b *Bank) RemoveOfficer(ctx context.Context, caller access.Caller, requestID, officer, reason string) (uint64, error) {
	if fault := checkText("reason", reason, 0, maxReasonCharacters); fault != nil {
		return 0, fault
	}
	done, err := b.once(ctx, change{
		caller: caller, method: access.RemoveOfficer, requestID: requestID, asked: []string{officer, reason},
		reads: [][]byte{book.OfficerKey(officer)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := caller.Holds(access.RemoveOfficer); err != nil {
				return 0, err
			}
			known, ok := d.officers[officer]
			if !ok || known.GetRemovedPlusOne() != 0 {
				return 0, faultf(NotFound, ReasonUnknownOfficer, "officer", "nobody is in office under this id")
			}
			if err := checkOffice(caller, known, d); err != nil {
				return 0, err
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OfficerRemoved{OfficerRemoved: &ledgerv1.OfficerRemoved{
				Actor: caller.Actor(), Request: request, Officer: officer, Reason: reason,
			}}})
		},
	})
	return done.Index, err
}

// Founding is who a new bank begins with: the root of its network and its first administrators.
type Founding struct {
	Organization   Organization
	Administrators []string
}

// minAdministrators is how many people a bank begins with: one alone could never be checked.
const minAdministrators = 2

// Found registers the root organization and appoints the first administrators of a bank that has none yet. It is for
// whoever sets the bank up, before it serves anybody.
func (b *Bank) Found(ctx context.Context, f Founding) error {
	fact, fault := f.Organization.check()
	if fault != nil {
		return fault
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(f.Administrators))); len(distinct) < minAdministrators {
		return invalid(ReasonField, "administrators", "a bank begins with at least %d administrators", minAdministrators)
	}
	_, err := b.ledger.Propose(ctx, nil, func(tx *ledger.Tx) error {
		if tx.Next() != 1 {
			return faultf(Precondition, ReasonOrganizationKnown, "", "the bank was founded before")
		}
		if _, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationRegistered{OrganizationRegistered: fact}}); err != nil {
			return err
		}
		for _, officer := range f.Administrators {
			appointed, fault := Appointment{
				officer, f.Organization.ID, []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR},
			}.check()
			if fault != nil {
				return fault
			}
			if _, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OfficerAppointed{OfficerAppointed: appointed}}); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
