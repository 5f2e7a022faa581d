package api

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of consents.
const (
	maxConsentYears      = 3
	maxConsentCategories = 64
	maxConsentItems      = 500
	// maxConsents is how many consents of an account have not ended at most, maxConsentsEver how many it has in its life.
	maxConsents      = 100
	maxConsentsEver  = 5_000
	usualConsentPage = 50
	maxConsentPage   = 100
)

// PurposeTransfer is what quotes and transfers ask for.
const PurposeTransfer = "transfer"

// NewConsent asks to let an institution ask about an account.
type NewConsent struct {
	RequestID   string
	Account     unit.AccountID
	Institution string
	// Purpose is a code.
	Purpose string
	// Categories and Items (by the entries that recorded them) are what it may see; where both are empty, all.
	Categories []string
	Items      []uint64
	// Expires is when it ends by itself.
	Expires time.Time
}

// Consent is what a resident lets an institution ask.
type Consent struct {
	// Index is the entry that granted it.
	Index                        uint64
	Institution, InstitutionName string
	Purpose                      string
	Categories                   []string
	Items                        []uint64
	Granted, Expires             time.Time
	// Withdrawn is when it was; the zero time: it was not.
	Withdrawn time.Time
	// GrantedBy and WithdrawnBy are officers who did it for the resident; empty: no officer.
	GrantedBy, WithdrawnBy string
	// Active says that it holds now.
	Active bool
}

// GrantConsent lets an institution ask about the caller's own account or, by an officer at the counter, about somebody's in their
// subtree.
func (b *Bank) GrantConsent(ctx context.Context, caller access.Caller, n NewConsent) (Consent, error) {
	if err := caller.Holds(access.GrantConsent); err != nil {
		return Consent{}, err
	}
	if fault := n.check(); fault != nil {
		return Consent{}, fault
	}
	items := slices.Compact(slices.Sorted(slices.Values(n.Items)))
	grant := change{
		caller: caller, method: access.GrantConsent, requestID: n.RequestID,
		asked: []any{caller.AskedOf(n.Account).String(), n.Institution, n.Purpose, n.Categories, items, n.Expires.UnixMicro()},
		reads: [][]byte{book.AccountKey(n.Account)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			account, err := tx.Account(n.Account)
			if err != nil {
				return 0, err
			}
			if fault := checkOpen(account); fault != nil {
				fault.Field = "account_id"
				return 0, fault
			}
			if fault := d.checkConsent(n, tx.Now()); fault != nil {
				return 0, fault
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentGranted{ConsentGranted: &ledgerv1.ConsentGranted{
				Actor: caller.Actor(), Request: request, Account: n.Account[:], Institution: n.Institution, Purpose: n.Purpose,
				Categories: n.Categories, Items: items, Expires: n.Expires.UnixMicro(),
			}}})
		},
	}
	switch answered, err := b.answered(ctx, grant); {
	case err != nil:
		return Consent{}, err
	case !answered:
		if err := b.look(ctx, caller, access.GrantConsent, n.Account); err != nil {
			return Consent{}, err
		}
		if err := b.checkConsentItems(ctx, n.Account, n.Items); err != nil {
			return Consent{}, err
		}
	}
	done, err := b.once(ctx, grant)
	if err != nil {
		return Consent{}, err
	}
	return b.consent(ctx, done.Index)
}

func (n NewConsent) check() *Error {
	if !isCode(n.Purpose, maxPurposeBytes) {
		return invalid(ReasonField, "purpose", "a purpose is a code of 1 to %d letters, digits and \"-_.\"", maxPurposeBytes)
	}
	if len(n.Categories) > maxConsentCategories {
		return invalid(ReasonField, "categories", "there are %d, at most %d are taken", len(n.Categories), maxConsentCategories)
	}
	if len(n.Items) > maxConsentItems {
		return invalid(ReasonField, "entry_indexes", "there are %d, at most %d are taken", len(n.Items), maxConsentItems)
	}
	if n.Expires.IsZero() {
		return invalid(ReasonTime, "expire_time", "a consent says when it ends")
	}
	return nil
}

// checkConsent refuses what does not fit the bank at the moment.
func (d *directory) checkConsent(n NewConsent, now time.Time) *Error {
	_, ok := d.organizations[n.Institution]
	switch {
	case !ok:
		return faultf(NotFound, ReasonUnknownOrganization, "institution", "there is no organization %q", n.Institution)
	case d.admissions[n.Institution].granted(ledgerv1.Role_ROLE_ACCEPTOR) == nil:
		return faultf(Precondition, ReasonNotAnAcceptor, "institution", "%q is no accepting institution", n.Institution)
	case !n.Expires.After(now), n.Expires.After(now.AddDate(maxConsentYears, 0, 1)):
		return invalid(ReasonTime, "expire_time", "a consent ends after now, and at most %d years from now", maxConsentYears)
	}
	for i, id := range n.Categories {
		if !d.hasCategory(id) {
			return invalid(ReasonUnknownCategory, indexed("categories", i), "no policy of the bank has a category %q", id)
		}
	}
	return nil
}

// checkConsentItems refuses entries that are no items of the record, and more consents than an account may have. Nobody grants consents of one
// account so fast that the number matters.
func (b *Bank) checkConsentItems(ctx context.Context, id unit.AccountID, items []uint64) error {
	view, err := b.ledger.View()
	if err != nil {
		return err
	}
	defer view.Close()
	consents, err := consentsOf(ctx, view, id)
	if err != nil {
		return err
	}
	active, now := 0, b.config.Now()
	for _, c := range consents {
		if consentHolds(c.ConsentRow, now) {
			active++
		}
	}
	switch {
	case len(consents) >= maxConsentsEver:
		return faultf(Precondition, ReasonConsentLimit, "", "the account has granted %d consents, as many as it can in its life", len(consents))
	case active >= maxConsents:
		return faultf(Precondition, ReasonConsentLimit, "", "the account has %d consents that have not ended, %d are permitted; withdraw some", active, maxConsents)
	}
	if len(items) == 0 {
		return nil
	}
	known := make(map[uint64]bool)
	for item, err := range itemsShown(ctx, view, id) {
		if err != nil {
			return err
		}
		known[item.GetIndex()] = true
	}
	for i, index := range items {
		if !known[index] {
			return faultf(NotFound, ReasonUnknownEntry, indexed("entry_indexes", i), "entry %d is no item of the record", index)
		}
	}
	return nil
}

// WithdrawConsent takes a consent back, at once.
func (b *Bank) WithdrawConsent(ctx context.Context, caller access.Caller, requestID string, id unit.AccountID, consent uint64) (Consent, error) {
	if err := b.look(ctx, caller, access.WithdrawConsent, id); err != nil {
		return Consent{}, err
	}
	_, err := b.once(ctx, change{
		caller: caller, method: access.WithdrawConsent, requestID: requestID, asked: []any{caller.AskedOf(id).String(), consent},
		reads: [][]byte{book.ConsentKey(id, consent)},
		step: func(tx *ledger.Tx, _ *directory, request *ledgerv1.Request) (uint64, error) {
			row, err := tx.Consent(id, consent)
			if err != nil {
				return 0, err
			}
			if row == nil {
				return 0, unknownConsent()
			}
			if row.GetWithdrawnPlusOne() != 0 {
				return 0, faultf(Precondition, ReasonConsentWithdrawn, "consent_id", "it was withdrawn by entry %d", row.GetWithdrawnPlusOne()-1)
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentWithdrawn{ConsentWithdrawn: &ledgerv1.ConsentWithdrawn{
				Actor: caller.Actor(), Request: request, Account: id[:], Consent: consent,
			}}})
		},
	})
	if err != nil {
		return Consent{}, err
	}
	return b.consent(ctx, consent)
}

func unknownConsent() *Error {
	return faultf(NotFound, ReasonNotFound, "consent_id", "the account has no such consent; see ListConsents")
}

// ListConsents answers a page of the consents of an account, those that were granted last first. Those of an account that became part
// of another one let nobody ask as long as it is: what is consented to is the record that there was, and not the other one.
func (b *Bank) ListConsents(ctx context.Context, caller access.Caller, id unit.AccountID, page Page) (consents []Consent, next string, err error) {
	list, err := page.newestFirst(usualConsentPage, maxConsentPage, []any{"ListConsents", id.String()})
	if err != nil {
		return nil, "", err
	}
	if err := b.look(ctx, caller, access.ReadConsents, id); err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	all, err := consentsOf(ctx, view, id)
	if err != nil {
		return nil, "", err
	}
	account, err := view.State(ctx).Account(id)
	if err != nil {
		return nil, "", err
	}
	merged := isMerged(account)
	all, next, err = pageOfItems(list, all, func(c consentRow) uint64 { return c.index })
	for _, c := range all {
		consent := d.consentOf(c, b.config.Now())
		consent.Active = consent.Active && !merged
		consents = append(consents, consent)
	}
	return consents, next, err
}

// consent answers one that an entry granted, as it stands now.
func (b *Bank) consent(ctx context.Context, index uint64) (Consent, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return Consent{}, err
	}
	defer view.Close()
	e, err := entryOf(ctx, view, index)
	if err != nil {
		return Consent{}, err
	}
	row, err := view.State(ctx).Consent(unit.AccountID(e.GetConsentGranted().GetAccount()), index)
	if err != nil {
		return Consent{}, err
	}
	if row == nil {
		return Consent{}, unknownConsent()
	}
	return d.consentOf(consentRow{row, index}, b.config.Now()), nil
}

// consentRow is a consent with the entry that granted it.
type consentRow struct {
	*ledgerv1.ConsentRow
	index uint64
}

func (d *directory) consentOf(c consentRow, now time.Time) Consent {
	f := c.GetFact()
	return Consent{
		Index: c.index, Institution: f.GetInstitution(), InstitutionName: d.organizations[f.GetInstitution()].GetFact().GetName(),
		Purpose: f.GetPurpose(), Categories: f.GetCategories(), Items: f.GetItems(), Granted: timeOf(c.GetTime()), Expires: timeOf(f.GetExpires()),
		Withdrawn: optionalTime(c.GetWithdrawnTime()), GrantedBy: f.GetActor().GetOfficer(), WithdrawnBy: c.GetWithdrawnBy(),
		Active: consentHolds(c.ConsentRow, now),
	}
}

// consentsOf answers all consents of an account, in the order in which they were granted.
func consentsOf(ctx context.Context, view ledger.View, id unit.AccountID) (consents []consentRow, err error) {
	for row, err := range view.Scan(ctx, store.Prefix(book.ConsentsPrefix(id))) {
		if err != nil {
			return nil, err
		}
		c := consentRow{new(ledgerv1.ConsentRow), binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])}
		if err := c.UnmarshalVT(row.Value); err != nil {
			return nil, fmt.Errorf("%w: consent %x: %v", ledger.ErrDamaged, row.Key, err)
		}
		consents = append(consents, c)
	}
	return consents, nil
}

// consentHolds says whether a consent holds at a time.
func consentHolds(c *ledgerv1.ConsentRow, now time.Time) bool {
	return c.GetWithdrawnPlusOne() == 0 && now.UnixMicro() < c.GetFact().GetExpires()
}

// consentScope is what an institution may see: what any of its consents permits.
type consentScope struct {
	all        bool
	categories map[string]bool
	items      map[uint64]bool
}

// permits says whether an item of the record may be seen.
func (s *consentScope) permits(item *ledgerv1.CompletionItem) bool {
	return s.all || s.categories[item.GetCategory()] || s.items[item.GetIndex()]
}

// consentedTo answers what an institution may see for a purpose at a time. Where it may see nothing, the answer does not say whether
// there is such an account; only who once was let in is told that the time is over.
func consentedTo(ctx context.Context, view ledger.View, id unit.AccountID, institution, purpose string, now time.Time) (*consentScope, error) {
	consents, err := consentsOf(ctx, view, id)
	if err != nil {
		return nil, err
	}
	scope := &consentScope{categories: make(map[string]bool), items: make(map[uint64]bool)}
	found, expired := false, false
	for _, c := range consents {
		f := c.GetFact()
		if f.GetInstitution() != institution || f.GetPurpose() != purpose || c.GetWithdrawnPlusOne() != 0 {
			continue
		}
		if !consentHolds(c.ConsentRow, now) {
			expired = true
			continue
		}
		found = true
		scope.all = scope.all || len(f.GetCategories())+len(f.GetItems()) == 0
		for _, category := range f.GetCategories() {
			scope.categories[category] = true
		}
		for _, item := range f.GetItems() {
			scope.items[item] = true
		}
	}
	switch {
	case found:
		return scope, nil
	case expired:
		return nil, faultf(Denied, ReasonConsentExpired, "account_number", "the consent of the account's holder has ended; they can grant another one")
	default:
		return nil, noConsent()
	}
}

// noConsent is what an institution is answered, whether there is such an account or not.
func noConsent() *Error {
	return faultf(Denied, ReasonNoConsent, "account_number",
		"nobody with this account number lets the institution ask for this purpose; a resident grants a consent with GrantConsent")
}
