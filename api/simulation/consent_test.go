package simulation_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// withdrawal has a holder take a consent back, if there is one to take back.
func (g *generator) withdrawal(w *world, account api.Account) (c withdrawing, found bool, err error) {
	holder, err := w.resident(account.ID)
	if err != nil {
		return c, false, err
	}
	consents, _, err := w.ListConsents(ctx(), holder, account.ID, api.Page{})
	if fault, ok := errors.AsType[*api.Error](err); ok && isClosed(fault) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	consents = slices.DeleteFunc(consents, func(c api.Consent) bool { return !c.Withdrawn.IsZero() })
	if len(consents) == 0 {
		return c, false, nil
	}
	return withdrawing{n: g.number(), account: account.ID, consent: consents[g.random.IntN(len(consents))].Index}, true, nil
}

// withdrawing takes a consent back.
type withdrawing struct {
	n       int
	account unit.AccountID
	consent uint64
}

func (c withdrawing) changes() bool { return true }

func (c withdrawing) String() string {
	return fmt.Sprintf("consent %d: %v withdraws entry %d", c.n, c.account, c.consent)
}

// run does nothing where another one was first, or the account is part of another by now.
func (c withdrawing) run(w *world, m *model, again bool) error {
	return askInTime(c, w, m, again, api.ReasonConsentWithdrawn)
}

func (c withdrawing) send(w *world) (answer, error) {
	by, err := w.resident(c.account)
	if err != nil {
		return answer{}, err
	}
	done, err := w.WithdrawConsent(ctx(), by, requestID(1<<25+2*c.n), c.account, c.consent)
	return answer{keep: func(m *model, _ bool) error {
		if done.Index != c.consent || done.Withdrawn.IsZero() || done.Active {
			return wrongf("%v: it is %+v", c, done)
		}
		m.withdrawn[c.consent] = true
		return nil
	}}, err
}

// consents compares what was acknowledged of consents, and what their holders are shown, with what the log has.
func (c *check) consents(h *history) error {
	for consent := range c.model.withdrawn {
		if granted := h.consents[consent]; granted == nil || !granted.withdrawn {
			return wrongf("the withdrawal of consent %d was acknowledged, the log has %+v", consent, granted)
		}
	}
	for _, account := range c.model.accounts {
		if c.model.merges(account) {
			continue
		}
		holder, err := c.resident(account.ID)
		if err != nil {
			return wrongf("%v", err)
		}
		shown, next, err := c.ListConsents(ctx(), holder, account.ID, api.Page{Size: 100})
		if err != nil || next != "" {
			return wrongf("no list of consents: %v", err)
		}
		listed := make(map[uint64]bool)
		for _, s := range shown {
			listed[s.Index] = true
			granted := h.consents[s.Index]
			if granted == nil || granted.institution != s.Institution || granted.withdrawn == s.Withdrawn.IsZero() {
				return wrongf("consent %d is %+v to its holder, the log has %+v", s.Index, s, granted)
			}
		}
		for index, granted := range h.consents {
			if granted.account == account.ID && !listed[index] {
				return wrongf("consent %d is not on the list of its holder", index)
			}
		}
	}
	return nil
}

// consented is what a resident let an institution ask.
type consented struct {
	account     unit.AccountID
	institution string
	expires     int64
	withdrawn   bool
}

// consent adds the entries of consents. One is withdrawn at most once, and an institution asks for a transfer only while one holds.
func (h *history) consent(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_ConsentGranted:
		f := fact.ConsentGranted
		h.consents[e.GetIndex()] = &consented{account: unit.AccountID(f.GetAccount()), institution: f.GetInstitution(), expires: f.GetExpires()}
	case *ledgerv1.Entry_ConsentWithdrawn:
		f := fact.ConsentWithdrawn
		granted := h.consents[f.GetConsent()]
		if granted == nil || granted.withdrawn || granted.account != unit.AccountID(f.GetAccount()) {
			return wrongf("consent %d is withdrawn: it is %+v", f.GetConsent(), granted)
		}
		granted.withdrawn = true
	case *ledgerv1.Entry_HoldPlaced:
		f := fact.HoldPlaced
		if f.GetActor().GetResident() {
			return nil
		}
		for _, granted := range h.consents {
			if granted.account == unit.AccountID(f.GetAccount()) && granted.institution == f.GetInstitution() &&
				!granted.withdrawn && e.GetTime() < granted.expires {
				return nil
			}
		}
		return wrongf("%s asks for a transfer of %x without a consent that holds", f.GetInstitution(), f.GetAccount())
	default:
	}
	return nil
}
