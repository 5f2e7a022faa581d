package api

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// maxConsentsLooked is how many consents are looked at for one page: a filter may fit few of them.
const maxConsentsLooked = 5_000

// ReceivedConsent is a consent as the institution sees it to which it is granted. It names no officer.
type ReceivedConsent struct {
	Consent
	// Number is that of the account as long as the consent holds; empty: it does not, and nothing more is said of whose it is.
	Number unit.AccountNumber
}

// ConsentFilter says which consents are listed; what is empty does not filter.
type ConsentFilter struct {
	// Purpose is a code.
	Purpose string
	// ActiveOnly leaves out those that have ended.
	ActiveOnly bool
}

// ListReceivedConsents answers a page of the consents that are granted to the calling institution, those that were granted last first.
// That somebody's account number was shown is journalled where they see it. A page may be short, or empty, and still have another one
// after it.
func (b *Bank) ListReceivedConsents(
	ctx context.Context, caller access.Caller, filter ConsentFilter, page Page,
) (consents []ReceivedConsent, next string, err error) {
	if err := caller.Holds(access.ReadReceivedConsents); err != nil {
		return nil, "", err
	}
	if filter.Purpose != "" && !isCode(filter.Purpose, maxPurposeBytes) {
		return nil, "", invalid(ReasonField, "purpose", "a purpose is a code of 1 to %d letters, digits and \"-_.\"", maxPurposeBytes)
	}
	size, fault := page.size(usualConsentPage, maxConsentPage)
	if fault != nil {
		return nil, "", fault
	}
	asked := []any{"ListReceivedConsents", caller.Organization, filter}
	var before uint64
	if err := parsePageToken(page.Token, asked, &before); err != nil {
		return nil, "", err
	}
	if err := b.allowLook(caller, "consents"); err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	prefix := book.ConsentListPrefix(d.organizations[caller.Organization].GetIndex())
	within := store.Prefix(prefix)
	within.Reverse = true
	if before != 0 {
		within.End = binary.BigEndian.AppendUint64(slices.Clone(prefix), before)
	}
	looked, last := 0, uint64(0)
	for row, err := range view.Scan(ctx, within) {
		if err != nil {
			return nil, "", err
		}
		if len(consents) == size || looked == maxConsentsLooked {
			next, err = pageToken(asked, last)
			return consents, next, err
		}
		looked++
		last = binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])
		id, err := unit.AccountIDFromBytes(row.Value)
		if err != nil {
			return nil, "", fmt.Errorf("%w: consent list of %q: %v", ledger.ErrDamaged, caller.Organization, err)
		}
		c, err := b.receivedConsent(ctx, view, d, id, last)
		if err != nil {
			return nil, "", err
		}
		if filter.Purpose != "" && filter.Purpose != c.Purpose || filter.ActiveOnly && !c.Active {
			continue
		}
		if c.Active {
			if err := b.journal(ctx, caller, id, access.ReadReceivedConsents, c.Purpose); err != nil {
				return nil, "", err
			}
			person, err := b.vault.Person(ctx, id)
			if err != nil {
				return nil, "", err
			}
			c.Number = person.Number
		}
		consents = append(consents, c)
	}
	return consents, "", nil
}

// receivedConsent is a consent without whose it is.
func (b *Bank) receivedConsent(ctx context.Context, view ledger.View, d *directory, id unit.AccountID, index uint64) (ReceivedConsent, error) {
	row, err := view.State(ctx).Consent(id, index)
	if err != nil {
		return ReceivedConsent{}, err
	}
	if row == nil {
		return ReceivedConsent{}, fmt.Errorf("%w: consent %d is missing", ledger.ErrDamaged, index)
	}
	c := ReceivedConsent{Consent: d.consentOf(consentRow{row, index}, b.config.Now())}
	c.GrantedBy, c.WithdrawnBy = "", ""
	if !c.Active {
		return c, nil
	}
	account, err := view.State(ctx).Account(id)
	if err != nil {
		return ReceivedConsent{}, err
	}
	c.Active = !isMerged(account)
	return c, nil
}
