package api

import (
	"context"
	"fmt"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// ReceivedConsent is a consent as the institution sees it to which it is granted. It names no officer.
type ReceivedConsent struct {
	Consent
	// Number is that of the account as long as the consent holds and the institution accepts; empty: it does not, and nothing more is
	// said of whose it is.
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
// That somebody's account number was shown is journalled where they see it. An institution that was suspended or has ended, or is no
// acceptor any more, is shown none: there is nothing that it could do with it. A page may be short, or empty, and still have another one
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
	list, err := page.newestFirst(usualConsentPage, maxConsentPage, []any{"ListReceivedConsents", caller.Organization, filter})
	if err != nil {
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
	accepts := d.checkAcceptor(caller.Organization, agreement.Day(d.today(caller.Organization, b.config.Now()))) == nil
	prefix := book.ConsentListPrefix(d.organizations[caller.Organization].GetIndex())
	return pageOfRows(ctx, view, list, prefix, maxFollowedLooked, func(index uint64, row store.Row) (ReceivedConsent, bool, error) {
		id, err := unit.AccountIDFromBytes(row.Value)
		if err != nil {
			return ReceivedConsent{}, false, fmt.Errorf("%w: consent list of %q: %v", ledger.ErrDamaged, caller.Organization, err)
		}
		c, err := b.receivedConsent(ctx, view, d, id, index)
		if err != nil || filter.Purpose != "" && filter.Purpose != c.Purpose || filter.ActiveOnly && !c.Active {
			return ReceivedConsent{}, false, err
		}
		if c.Active && accepts {
			if err := b.journal(ctx, caller, id, access.ReadReceivedConsents, c.Purpose); err != nil {
				return ReceivedConsent{}, false, err
			}
			person, err := b.vault.Person(ctx, id)
			if err != nil {
				return ReceivedConsent{}, false, err
			}
			c.Number = person.Number
		}
		return c, true, nil
	})
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
