package simulation_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// The institutions that take credits over, by the names that their agreements say.
const (
	university = "open-university"
	college    = "vocational-college"
)

func institutions() []string { return []string{university, college} }

// acceptors are the steps by which the institutions come to be, and publish what they take.
func acceptors(k *keys, add func(officer, name string, ask asked)) []change {
	var published []change
	for i, id := range institutions() {
		add(apitest.Administrator, "register "+id, func(w *world, by access.Caller, request string) (string, error) {
			o := organization(id, 9+i)
			o.Level, o.TrustTier, o.Roles = 0, 3, []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR}
			o, err := w.RegisterOrganization(ctx(), by, request, o)
			return entry(o.Index, err)
		})
		add(apitest.Administrator, "sign key of "+id, addKey(id, k.callers[id].sign, keyring.Sign))
		add(apitest.Administrator, "authenticate key of "+id, addKey(id, k.callers[id].authenticate, keyring.Authenticate))
		yaml, request := agreements.OpenUniversity2026(), requestID(1<<19+i)
		if id == college {
			yaml = agreements.VocationalCollege2026()
		}
		published = append(published, change{name: "publish the agreement of " + id, ask: func(w *world) (string, error) {
			institution, err := w.organization(id)
			if err != nil {
				return "", err
			}
			key := w.setting.callers[id].sign
			signature, err := key.Sign(keyring.AgreementText(apitest.BankID, unit.OrganizationID(id), key.Public().ID(), sha256.Sum256(yaml)))
			if err != nil {
				return "", err
			}
			a, err := w.PublishAgreement(ctx(), institution, api.NewAgreement{
				RequestID: request, YAML: yaml, Key: key.Public().ID(), Signature: signature,
			})
			return entry(a.Index, err)
		}})
	}
	return published
}

// transfer has somebody ask an institution to take over what it quotes, or end what was asked for, or withdraw a consent.
func (g *generator) transfer(w *world, m *model) (command, error) {
	living := m.living()
	account := m.accounts[living[g.random.IntN(len(living))]]
	if c, found, err := g.withdrawal(w, account); err != nil || found && g.chance(40) {
		return c, err
	}
	holder, err := w.resident(account.ID)
	if err != nil {
		return nil, err
	}
	open, _, err := w.ListTransfers(ctx(), holder, api.TransferFilter{
		Account: account.ID, Status: ledgerv1.HoldStatus_HOLD_STATUS_HELD,
	}, api.Page{})
	if fault, ok := errors.AsType[*api.Error](err); ok && isClosed(fault) {
		return g.submission(m, 1), nil
	}
	if err != nil {
		return nil, err
	}
	if len(open) > 0 && g.chance(60) {
		return g.ending(open[g.random.IntN(len(open))]), nil
	}
	ask := asking{n: g.number(), account: account, institution: university, programme: "social-work-ba", consented: g.chance(40)}
	if g.chance(50) {
		ask.institution, ask.programme = college, "elder-care-cert"
	}
	q, err := w.QuoteTransfer(ctx(), holder, api.QuoteRequest{Institution: ask.institution, Programme: ask.programme})
	if fault, ok := errors.AsType[*api.Error](err); ok && (isClosed(fault) || fault.Reason == api.ReasonRate) || err == nil && q.Takes == 0 {
		return g.submission(m, 1), nil
	}
	if err != nil {
		return nil, err
	}
	ask.quote = q
	return ask, nil
}

// isClosed says whether nothing can be asked of an account for now: it is part of another one, or about to be.
func isClosed(fault *api.Error) bool {
	return slices.Contains([]api.Reason{
		api.ReasonAccountNotOpen, api.ReasonAccountMerged, api.ReasonAccountMoving, api.ReasonNoConsent,
	}, fault.Reason)
}

// asking asks for what an institution quotes, as the holder or as the institution under a consent that the holder grants it.
type asking struct {
	n                      int
	account                api.Account
	institution, programme string
	consented              bool
	quote                  *api.TransferQuote
}

func (a asking) changes() bool { return true }

func (a asking) String() string {
	return fmt.Sprintf("transfer %d: %v asks %s for %s, under a consent %t", a.n, a.account.ID, a.institution, a.quote.Takes, a.consented)
}

// run does nothing where the quote does not hold any more: what was overdue on the account came first, or another transfer.
func (a asking) run(w *world, m *model, again bool) error {
	return askInTime(a, w, m, again, api.ReasonQuoteChanged, api.ReasonQuoteExpired, api.ReasonNothingToTransfer, api.ReasonTransferLimit)
}

// askInTime is ask of what may come too late: then it is refused, for the account or for one of these reasons, and nothing is done.
func askInTime(c call, w *world, m *model, again bool, late ...api.Reason) error {
	err := ask(c, w, m, again)
	if fault, ok := errors.AsType[*api.Error](err); ok && (isClosed(fault) || slices.Contains(late, fault.Reason)) {
		return nil
	}
	return err
}

func (a asking) send(w *world) (answer, error) {
	done, err := a.ask(w)
	if err == nil { // a client that is impatient asks at once again
		var again api.TransferDone
		if again, err = a.ask(w); err == nil && again.Index != done.Index {
			err = wrongf("%v: it is entry %d, and at once again entry %d", a, done.Index, again.Index)
		}
	}
	return answer{keep: func(m *model, _ bool) error {
		if done.Index != done.Transfer.Hold || done.Index >= done.Receipt.Size || done.Transfer.Held != a.quote.Takes {
			return wrongf("%v: it is entry %d under a checkpoint of size %d, of %s", a, done.Index, done.Receipt.Size, done.Transfer.Held)
		}
		if _, known := m.transfers[done.Index]; !known {
			m.transfers[done.Index] = ledgerv1.HoldStatus_HOLD_STATUS_HELD
		}
		return nil
	}}, err
}

func (a asking) ask(w *world) (api.TransferDone, error) {
	by, err := w.resident(a.account.ID)
	if err != nil {
		return api.TransferDone{}, err
	}
	r := api.TransferRequest{
		RequestID: requestID(1<<25 + 2*a.n), Institution: a.institution, Programme: a.programme, Agreement: a.quote.Agreement.Hash,
		QuoteDate: a.quote.Day.String(), QuoteDigest: a.quote.Digest[:],
	}
	if a.consented {
		if _, err := w.GrantConsent(ctx(), by, api.NewConsent{
			RequestID: requestID(1<<25 + 2*a.n + 1), Account: a.account.ID, Institution: a.institution, Purpose: api.PurposeTransfer,
			Expires: apitest.Start().AddDate(2, 0, 0),
		}); err != nil {
			return api.TransferDone{}, err
		}
		r.Number = string(a.account.Number)
		if by, err = w.organization(a.institution); err != nil {
			return api.TransferDone{}, err
		}
	}
	return w.RequestTransfer(ctx(), by, r, false)
}

// ending ends a transfer: the holder withdraws it, or the institution declines it, takes it, or takes some of it.
type ending struct {
	n    int
	of   api.Transfer
	as   ledgerv1.HoldStatus
	take []api.TransferTake
}

func (g *generator) ending(t api.Transfer) ending {
	e := ending{n: g.number(), of: t, as: []ledgerv1.HoldStatus{
		ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN, ledgerv1.HoldStatus_HOLD_STATUS_DECLINED, ledgerv1.HoldStatus_HOLD_STATUS_POSTED,
		ledgerv1.HoldStatus_HOLD_STATUS_POSTED,
	}[g.random.IntN(4)]}
	if item := t.Items[0]; item.Course == "" && item.Granted > 1 && g.chance(50) {
		e.take = []api.TransferTake{{Item: 0, Credits: item.Credits - 1}}
	}
	return e
}

func (e ending) changes() bool { return true }

func (e ending) String() string {
	return fmt.Sprintf("transfer %d: hold %d of %v becomes %v, in part %t", e.n, e.of.Hold, e.of.Account, e.as, e.take != nil)
}

// run does nothing where the transfer has ended: it lapsed, or what it stands on was taken back.
func (e ending) run(w *world, m *model, again bool) error {
	return askInTime(e, w, m, again, api.ReasonTransferEnded)
}

func (e ending) send(w *world) (answer, error) {
	done, err := e.ask(w)
	return answer{keep: func(m *model, _ bool) error {
		before, known := m.transfers[e.of.Hold]
		another := known && before != ledgerv1.HoldStatus_HOLD_STATUS_HELD && before != e.as
		if another || done.Transfer.Status != e.as || done.Index >= done.Receipt.Size {
			return wrongf("%v: it is %v by entry %d, under a checkpoint of size %d, and was %v", e, done.Transfer.Status, done.Index, done.Receipt.Size, before)
		}
		m.transfers[e.of.Hold] = e.as
		return nil
	}}, err
}

func (e ending) ask(w *world) (done api.TransferDone, err error) {
	by, err := w.organization(e.of.Institution)
	if e.as == ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN {
		by, err = w.resident(e.of.Account)
	}
	if err != nil {
		return done, err
	}
	request := requestID(1<<25 + 2*e.n)
	switch e.as {
	case ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN:
		return w.WithdrawTransfer(ctx(), by, request, e.of.Hold, false)
	case ledgerv1.HoldStatus_HOLD_STATUS_DECLINED:
		return w.DeclineTransfer(ctx(), by, request, e.of.Hold, "PROGRAMME_FULL", "", false)
	default:
	}
	if done, err = w.AcceptTransfer(ctx(), by, api.Acceptance{RequestID: request, Hold: e.of.Hold, Take: e.take}, false); err != nil {
		return done, err
	}
	file, err := w.TransferBundle(ctx(), by, e.of.Hold)
	if err != nil {
		return done, err
	}
	if _, err := bundle.Verify(file, w.setting.verifier, apitest.Origin); err != nil {
		return done, wrongf("%v: %v", e, err)
	}
	return done, nil
}

// transfers compares what was acknowledged of transfers, and what their holders are shown, with what the log has.
func (c *check) transfers(h *history) error {
	for hold, as := range c.model.transfers {
		held := h.holds[hold]
		if held == nil || as != ledgerv1.HoldStatus_HOLD_STATUS_HELD && held.status != as {
			return wrongf("hold %d was acknowledged as %v, the log has %+v", hold, as, held)
		}
	}
	moving := false
	for _, account := range c.model.accounts {
		if c.model.merges(account) {
			moving = true
			continue
		}
		holder, err := c.resident(account.ID)
		if err != nil {
			return wrongf("%v", err)
		}
		shown, next, err := c.ListTransfers(ctx(), holder, api.TransferFilter{Account: account.ID}, api.Page{Size: 200})
		if err != nil || next != "" {
			return wrongf("no list of transfers: %v", err)
		}
		for _, t := range shown {
			if held := h.holds[t.Hold]; held == nil || held.status != t.Status {
				return wrongf("transfer %d is %v to its holder, the log has %+v", t.Hold, t.Status, held)
			}
			delete(h.unlisted, t.Hold)
		}
	}
	for hold := range h.unlisted {
		if !moving {
			return wrongf("hold %d is on nobody's list", hold)
		}
	}
	return nil
}

// held is a hold, and what it reserved of each lot.
type held struct {
	account  unit.AccountID
	deadline int64
	status   ledgerv1.HoldStatus
	reserved map[lotName]int64
}

// hold adds the entries of a transfer. A hold ends once, and then nothing of it stays reserved.
func (h *history) hold(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_HoldPlaced:
		f := fact.HoldPlaced
		placed := &held{
			account: unit.AccountID(f.GetAccount()), deadline: f.GetDeadline(), status: ledgerv1.HoldStatus_HOLD_STATUS_HELD,
			reserved: make(map[lotName]int64),
		}
		for _, item := range f.GetItems() {
			if !item.GetRecognised() {
				placed.reserved[lotName{item.GetEntry(), item.GetPosition()}] = item.GetMilliCredits()
			}
		}
		if err := placed.moves(f.GetEffects(), 1); err != nil {
			return err
		}
		h.holds[e.GetIndex()], h.unlisted[e.GetIndex()] = placed, true
		return h.take(e, f.GetAccount(), f.GetEffects(), nil)
	case *ledgerv1.Entry_HoldPosted:
		f := fact.HoldPosted
		if ended := h.holds[f.GetHold()]; ended != nil && e.GetTime() >= ended.deadline {
			return wrongf("hold %d is taken when it has lapsed", f.GetHold())
		}
		return h.end(e, f.GetHold(), f.GetAccount(), f.GetEffects(), ledgerv1.HoldStatus_HOLD_STATUS_POSTED)
	case *ledgerv1.Entry_HoldVoided:
		f := fact.HoldVoided
		as, known := map[ledgerv1.HoldVoid]ledgerv1.HoldStatus{
			ledgerv1.HoldVoid_HOLD_VOID_DECLINED:  ledgerv1.HoldStatus_HOLD_STATUS_DECLINED,
			ledgerv1.HoldVoid_HOLD_VOID_WITHDRAWN: ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN,
			ledgerv1.HoldVoid_HOLD_VOID_REVERSED:  ledgerv1.HoldStatus_HOLD_STATUS_REVERSED,
		}[f.GetCause()]
		if !known {
			return wrongf("hold %d is voided for cause %v", f.GetHold(), f.GetCause())
		}
		return h.end(e, f.GetHold(), f.GetAccount(), f.GetEffects(), as)
	case *ledgerv1.Entry_HoldExpired:
		f := fact.HoldExpired
		if ended := h.holds[f.GetHold()]; ended != nil && e.GetTime() < ended.deadline {
			return wrongf("hold %d lapses early", f.GetHold())
		}
		return h.end(e, f.GetHold(), f.GetAccount(), f.GetEffects(), ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED)
	default:
		return nil
	}
}

func (h *history) end(e *ledgerv1.Entry, hold uint64, account []byte, effects *ledgerv1.Effects, as ledgerv1.HoldStatus) error {
	ended := h.holds[hold]
	if ended == nil || ended.status != ledgerv1.HoldStatus_HOLD_STATUS_HELD || ended.account != unit.AccountID(account) {
		return wrongf("hold %d ends as %v: it is %+v", hold, as, ended)
	}
	ended.status = as
	for _, c := range effects.GetLotChanges() {
		if c.GetTransferred() != 0 && as != ledgerv1.HoldStatus_HOLD_STATUS_POSTED {
			return wrongf("hold %d transfers something as %v", hold, as)
		}
	}
	if err := ended.moves(effects, -1); err != nil {
		return err
	}
	return h.take(e, account, effects, nil)
}

// moves says whether effects reserve what is held, or free it, and nothing else.
func (h *held) moves(effects *ledgerv1.Effects, sign int64) error {
	left := maps.Clone(h.reserved)
	for _, c := range effects.GetLotChanges() {
		lot := lotName{c.GetEntry(), c.GetPosition()}
		if n, known := left[lot]; !known || c.GetReserved() != sign*n {
			return wrongf("%d of lot %v are reserved or freed of a hold of %v", c.GetReserved(), lot, h.reserved)
		}
		delete(left, lot)
	}
	if len(left) > 0 {
		return wrongf("lots %v of the hold are not touched", left)
	}
	return nil
}
