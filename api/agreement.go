package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// agreed is a version of an agreement on the ledger.
type agreed struct {
	*agreement.Agreement
	row *ledgerv1.AgreementRow
}

// until is the last day on which it is in force, as it says or as it was ended; 0: it has none.
func (a *agreed) until() agreement.Day {
	until := a.EffectiveUntil()
	if last := agreement.Day(a.row.GetLastDay()); a.row.GetEndedPlusOne() != 0 && (until == 0 || last < until) {
		return last
	}
	return until
}

// Agreement is one version of an agreement.
type Agreement struct {
	Hash                         []byte
	ID, Version                  string
	Institution, InstitutionName string
	Title                        Text
	EffectiveFrom                string
	// EffectiveUntil is empty when it is in force until the next version; Ended says that it was ended earlier than it says.
	EffectiveUntil      string
	Ended               bool
	Published           time.Time
	Index               uint64
	Programmes          []agreement.Programme
	Consumes            bool
	QuoteDays, HoldDays int
}

func (d *directory) agreementOf(a *agreed) Agreement {
	hash := a.Hash()
	return Agreement{
		Hash: hash[:], ID: a.ID(), Version: a.Version(), Institution: a.Institution(),
		InstitutionName: d.organizations[a.Institution()].GetFact().GetName(), Title: a.Title(),
		EffectiveFrom: dayString(int32(a.EffectiveFrom())), EffectiveUntil: dayString(int32(a.until())), Ended: a.row.GetEndedPlusOne() != 0,
		Published: timeOf(a.row.GetTime()), Index: a.row.GetIndex(), Programmes: a.Programmes(), Consumes: a.Consumes(),
		QuoteDays: a.QuoteDays(), HoldDays: a.HoldDays(),
	}
}

// NewAgreement asks to publish a version of an agreement.
type NewAgreement struct {
	RequestID string
	YAML      []byte
	// Key of the institution signed the text of the agreement ([keyring.AgreementText]).
	Key       keyring.KeyID
	Signature []byte
}

// PublishAgreement puts a version of an agreement into force, which its institution has signed. One that could not be published is
// refused with all its faults, each an [agreement.Error] with its place in the YAML: see [agreement.Faults].
func (b *Bank) PublishAgreement(ctx context.Context, caller access.Caller, n NewAgreement) (Agreement, error) {
	if err := caller.Holds(access.PublishAgreement); err != nil {
		return Agreement{}, err
	}
	a, err := agreement.Compile(n.YAML)
	if err != nil {
		return Agreement{}, invalid(ReasonAgreementInvalid, "yaml", "%w", err)
	}
	hash := a.Hash()
	_, err = b.once(ctx, change{
		caller: caller, method: access.PublishAgreement, requestID: n.RequestID,
		asked: []string{hex.EncodeToString(hash[:]), n.Key.String(), hex.EncodeToString(n.Signature)},
		reads: [][]byte{book.AgreementKey(hash[:])},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := caller.Check(access.PublishAgreement, access.Subject{Organization: a.Institution()}, d); err != nil {
				return 0, err
			}
			if fault := d.checkAgreement(a, tx.Now()); fault != nil {
				return 0, fault
			}
			if err := b.checkAgreementSignature(d, a, n, tx.Now()); err != nil {
				return 0, err
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AgreementPublished{AgreementPublished: &ledgerv1.AgreementPublished{
				Actor: caller.Actor(), Request: request, AgreementHash: hash[:], Yaml: n.YAML, Institution: a.Institution(), Agreement: a.ID(),
				Version: a.Version(), EffectiveFromDay: int32(a.EffectiveFrom()), EffectiveUntilDay: int32(a.EffectiveUntil()),
				KeyId: n.Key[:], Signature: n.Signature,
			}}})
		},
	})
	if err != nil {
		return Agreement{}, err
	}
	return b.publishedAgreement(ctx, hash[:])
}

// checkAgreement refuses a version that names what the bank does not know, that is there already, or that is not after the one before it.
func (d *directory) checkAgreement(a *agreement.Agreement, now time.Time) *Error {
	for _, id := range a.Organizations() {
		if _, ok := d.organizations[id]; !ok {
			return invalid(ReasonUnknownOrganization, "yaml", "there is no organization %q, which the agreement names as a source", id)
		}
	}
	for _, id := range a.Categories() {
		if !d.hasCategory(id) {
			return invalid(ReasonUnknownCategory, "yaml", "no policy of the bank has a category %q", id)
		}
	}
	var newest *agreed // begins last
	for _, other := range d.agreements[a.Institution()] {
		switch {
		case other.ID() != a.ID():
		case other.Version() == a.Version():
			return faultf(Conflict, ReasonAgreementKnown, "yaml", "entry %d published version %q of agreement %q; give this one another",
				other.row.GetIndex(), a.Version(), a.ID())
		case newest == nil || other.EffectiveFrom() > newest.EffectiveFrom():
			newest = other
		}
	}
	if newest == nil {
		return nil
	}
	switch end := newest.until(); {
	case a.EffectiveFrom() < a.Day(now):
		return faultf(Precondition, ReasonAgreementRetroactive, "yaml",
			"effective_from is %s, before today: only the first version of an agreement reaches back", a.EffectiveFrom())
	case a.EffectiveFrom() <= newest.EffectiveFrom():
		return faultf(Precondition, ReasonAgreementOverlap, "yaml", "effective_from is %s, but version %q begins on %s: a later version begins later",
			a.EffectiveFrom(), newest.Version(), newest.EffectiveFrom())
	case end != 0 && a.EffectiveFrom() <= end:
		return faultf(Precondition, ReasonAgreementOverlap, "yaml", "effective_from is %s, but version %q is in force until %s; begin after that, or end it",
			a.EffectiveFrom(), newest.Version(), end)
	}
	return nil
}

// hasCategory says whether a published policy has a category.
func (d *directory) hasCategory(id string) bool {
	for _, scope := range d.scopes {
		for _, p := range scope {
			if _, ok := p.Category(id); ok {
				return true
			}
		}
	}
	return false
}

func (b *Bank) checkAgreementSignature(d *directory, a *agreement.Agreement, n NewAgreement, now time.Time) error {
	key, ok := d.Key(n.Key)
	if !ok {
		return faultf(Denied, ReasonUnknownKey, "key_id", "no such key is registered")
	}
	institution := unit.OrganizationID(a.Institution())
	if err := key.Check(institution, keyring.Sign, now); err != nil {
		return err
	}
	return key.Public.Verify(keyring.AgreementText(b.ID(), institution, n.Key, a.Hash()), n.Signature)
}

// EndAgreement ends a version earlier than it says. What was quoted under it is honoured all the same.
func (b *Bank) EndAgreement(ctx context.Context, caller access.Caller, requestID string, hash []byte, lastDate string) (Agreement, error) {
	if err := caller.Holds(access.EndAgreement); err != nil {
		return Agreement{}, err
	}
	last, fault := parseDay("last_date", lastDate, false)
	if fault != nil {
		return Agreement{}, fault
	}
	_, err := b.once(ctx, change{
		caller: caller, method: access.EndAgreement, requestID: requestID, asked: []any{hex.EncodeToString(hash), last},
		reads: [][]byte{book.AgreementKey(hash)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			a := d.agreementNamed(hash)
			if a == nil {
				return 0, unknownAgreement()
			}
			if err := caller.Check(access.EndAgreement, access.Subject{Organization: a.Institution()}, d); err != nil {
				return 0, err
			}
			switch day, until := agreement.Day(last), a.EffectiveUntil(); {
			case a.row.GetEndedPlusOne() != 0:
				return 0, faultf(Precondition, ReasonAgreementEnded, "agreement_hash", "it was ended with %s", a.until())
			case day < a.Day(tx.Now()):
				return 0, invalid(ReasonTime, "last_date", "the last day is today or later")
			case until != 0 && day >= until:
				return 0, invalid(ReasonTime, "last_date", "it ends with %s by itself", until)
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AgreementEnded{AgreementEnded: &ledgerv1.AgreementEnded{
				Actor: caller.Actor(), Request: request, AgreementHash: hash, LastDay: last,
			}}})
		},
	})
	if err != nil {
		return Agreement{}, err
	}
	return b.publishedAgreement(ctx, hash)
}

func (b *Bank) publishedAgreement(ctx context.Context, hash []byte) (Agreement, error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Agreement{}, err
	}
	a := d.agreementNamed(hash)
	if a == nil {
		return Agreement{}, unknownAgreement()
	}
	return d.agreementOf(a), nil
}

func unknownAgreement() *Error {
	return faultf(NotFound, ReasonNotFound, "agreement_hash", "there is no agreement with this hash; see ListAgreements")
}

// SignedAgreement is an agreement with what was signed.
type SignedAgreement struct {
	Agreement
	YAML      []byte
	Key       []byte
	Signature []byte
}

// GetAgreement answers a version with its exact bytes and the signature. It is anyone's.
func (b *Bank) GetAgreement(ctx context.Context, hash []byte) (SignedAgreement, error) {
	if len(hash) != sha256.Size {
		return SignedAgreement{}, invalid(ReasonField, "agreement_hash", "an agreement hash has 64 hexadecimal digits")
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return SignedAgreement{}, err
	}
	defer view.Close()
	a := d.agreementNamed(hash)
	if a == nil {
		return SignedAgreement{}, unknownAgreement()
	}
	fact, err := agreementFact(ctx, view, a.row)
	return SignedAgreement{Agreement: d.agreementOf(a), YAML: fact.GetYaml(), Key: fact.GetKeyId(), Signature: fact.GetSignature()}, err
}

// ListAgreements answers a page of the versions, those that were published last first: of an institution, and in force on a day, where
// these are not empty. They are anyone's.
func (b *Bank) ListAgreements(ctx context.Context, institution, inForceOn string, page Page) (agreements []Agreement, next string, err error) {
	on, fault := parseDay("in_force_on", inForceOn, true)
	if fault != nil {
		return nil, "", fault
	}
	list, err := page.newestFirst(usualDirectoryPage, maxDirectoryPage, []any{"ListAgreements", institution, on})
	if err != nil {
		return nil, "", err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, "", err
	}
	var all []*agreed
	for id, versions := range d.agreements {
		for _, a := range versions {
			if (institution == "" || institution == id) &&
				(on == 0 || d.agreementInForce(id, a.ID(), agreement.Day(on)) == a) {
				all = append(all, a)
			}
		}
	}
	all, next, err = pageOfItems(list, all, func(a *agreed) uint64 { return a.row.GetIndex() })
	for _, a := range all {
		agreements = append(agreements, d.agreementOf(a))
	}
	return agreements, next, err
}

// agreementNamed answers the version with a hash, nil if there is none.
func (d *directory) agreementNamed(hash []byte) *agreed {
	if len(hash) != sha256.Size {
		return nil
	}
	return d.agreedHashes[policyHash(hash)]
}

// agreementInForce answers the version of an agreement that is in force on a day: the one that began last by then, unless it has
// ended. One that was superseded does not come back. Nil: there is none.
func (d *directory) agreementInForce(institution, id string, day agreement.Day) *agreed {
	var newest *agreed
	for _, a := range d.agreements[institution] {
		if a.ID() == id && a.EffectiveFrom() <= day && (newest == nil || a.EffectiveFrom() > newest.EffectiveFrom()) {
			newest = a
		}
	}
	if newest == nil || newest.until() != 0 && day > newest.until() {
		return nil
	}
	return newest
}

// quotableOn says whether something can have been quoted under a version on a day: it was published by then and in force, and no
// later version had taken its place when the day began. One that was published in the course of the day takes its place as well, but
// what was quoted before that is honoured.
func (d *directory) quotableOn(a *agreed, day agreement.Day) bool {
	published := func(a *agreed) agreement.Day { return a.Day(timeOf(a.row.GetTime())) }
	if until := a.until(); day < a.EffectiveFrom() || until != 0 && day > until || day < published(a) {
		return false
	}
	return !slices.ContainsFunc(d.agreements[a.Institution()], func(other *agreed) bool {
		return other.ID() == a.ID() && other.EffectiveFrom() > a.EffectiveFrom() && other.EffectiveFrom() <= day && published(other) < day
	})
}

// agreementFor answers the agreement of an institution that is in force now and has a programme; id is its name where several might.
func (d *directory) agreementFor(institution, id, programme string, now time.Time) (*agreed, error) {
	var found *agreed
	has, named := false, id == ""
	looked := make(map[string]bool)
	for _, a := range d.agreements[institution] {
		if id != "" && a.ID() != id {
			continue
		}
		named = true
		if _, err := a.Programme(programme); err == nil {
			has = true
		}
		if looked[a.ID()] {
			continue
		}
		looked[a.ID()] = true
		current := d.agreementInForce(institution, a.ID(), a.Day(now))
		if current == nil {
			continue
		}
		if _, err := current.Programme(programme); err != nil {
			continue
		}
		if found != nil {
			return nil, invalid(ReasonAgreementAmbiguous, "agreement_id", "agreements %q and %q have the programme; name one", found.ID(), current.ID())
		}
		found = current
	}
	switch {
	case found != nil:
		return found, nil
	case !named:
		return nil, faultf(NotFound, ReasonNotFound, "agreement_id", "the institution has no agreement %q", id)
	case has:
		return nil, faultf(Precondition, ReasonAgreementNotInForce, "programme", "no agreement with this programme is in force today; see ListAgreements")
	default:
		return nil, faultf(NotFound, ReasonUnknownProgramme, "programme", "no agreement of the institution has programme %q; see ListAgreements", programme)
	}
}

func (d *directory) readAgreement(ctx context.Context, view ledger.View, value []byte, last *directory) error {
	row := new(ledgerv1.AgreementRow)
	if err := row.UnmarshalVT(value); err != nil {
		return err
	}
	hash := policyHash(row.GetFact().GetAgreementHash())
	a := &agreed{row: row}
	if last != nil && last.agreedHashes[hash] != nil {
		a.Agreement = last.agreedHashes[hash].Agreement
	} else {
		fact, err := agreementFact(ctx, view, row)
		if err != nil {
			return err
		}
		if a.Agreement, err = agreement.Load(fact.GetYaml()); err != nil {
			return fmt.Errorf("agreement %x: %w", hash, err)
		}
	}
	d.agreedHashes[hash] = a
	d.agreements[a.Institution()] = append(d.agreements[a.Institution()], a)
	return nil
}

// agreementFact answers the fact by which an agreement was published.
func agreementFact(ctx context.Context, view ledger.View, row *ledgerv1.AgreementRow) (*ledgerv1.AgreementPublished, error) {
	e, err := entryOf(ctx, view, row.GetIndex())
	if err != nil {
		return nil, err
	}
	if e.GetAgreementPublished() == nil {
		return nil, fmt.Errorf("%w: entry %d publishes no agreement", ledger.ErrDamaged, row.GetIndex())
	}
	return e.GetAgreementPublished(), nil
}
