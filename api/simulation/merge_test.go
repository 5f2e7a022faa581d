package simulation_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// merging makes one account part of another one, in three officers' hands, and may undo it at once. Wherever it is interrupted,
// asking for all of it once more leads to the same end.
type merging struct {
	n          int
	name       string // of the holder of from
	from, into api.Account
	undo       bool
}

func (g *generator) merge(m *model) command {
	living := m.living()
	if len(living) < 2 {
		return g.opening()
	}
	first := g.random.IntN(len(living))
	second := (first + 1 + g.random.IntN(len(living)-1)) % len(living)
	// Few stay merged: there is to be somebody left.
	return merging{
		n: g.number(), name: living[first], from: m.accounts[living[first]], into: m.accounts[living[second]],
		undo: len(living) < 4 || g.chance(60),
	}
}

// living are the holders of accounts that are not part of others.
func (m *model) living() []string {
	var names []string
	for _, h := range m.holders {
		if !m.gone[h.opening.Name] {
			names = append(names, h.opening.Name)
		}
	}
	return names
}

// merges says whether nobody knows whether an account is part of another one.
func (m *model) merges(account api.Account) bool {
	for _, doubt := range m.doubts {
		if one, ok := doubt.(merging); ok && (one.from.ID == account.ID || one.into.ID == account.ID) {
			return true
		}
	}
	return false
}

func (c merging) changes() bool { return true }

func (c merging) String() string {
	return fmt.Sprintf("merge %d: %v into %v, undone %t", c.n, c.from.ID, c.into.ID, c.undo)
}

// run does nothing where a hold or a transfer came first, and nothing more to accounts with which it left a merge unfinished.
func (c merging) run(w *world, m *model, again bool) error {
	err := ask(c, w, m, again)
	if fault, ok := errors.AsType[*api.Error](err); ok && slices.Contains([]api.Reason{api.ReasonMergeHeld, api.ReasonMergeReserved, api.ReasonMergeOpen}, fault.Reason) {
		return nil
	}
	return err
}

func (c merging) send(w *world) (answer, error) {
	merge, err := c.ask(w)
	return answer{keep: func(m *model, _ bool) error {
		switch merge.Status {
		case ledgerv1.MergeStatus_MERGE_STATUS_UNDONE:
		case ledgerv1.MergeStatus_MERGE_STATUS_MERGED, ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED:
			m.gone[c.name] = true
		default:
			return wrongf("%v: it is %v", c, merge.Status)
		}
		return nil
	}}, err
}

func (c merging) ask(w *world) (api.Merge, error) {
	request := func(step int) string { return requestID(1<<26 + 8*c.n + step) }
	registrar, err := w.officer(apitest.Registrar)
	if err != nil {
		return api.Merge{}, err
	}
	merge, err := w.ProposeMerge(ctx(), registrar, request(0), c.from.ID, c.into.ID, "SAME_PERSON")
	if err != nil {
		return merge, err
	}
	steps := []string{apitest.Officer, apitest.SecondOfficer}
	if c.undo {
		steps = append(steps, apitest.SecondOfficer, apitest.Officer)
	}
	id := merge.ID
	for i, officer := range steps {
		caller, err := w.officer(officer)
		if err != nil {
			return merge, err
		}
		step, take := api.MergeStep{RequestID: request(1 + i), Merge: id, Approve: true, ReasonCode: "IDENTITY_CHECKED"}, w.DecideMerge
		if i >= 2 {
			take = w.UndoMerge
		}
		taken, _, err := take(ctx(), caller, step)
		if fault, ok := errors.AsType[*api.Error](err); ok && fault.Reason == api.ReasonMergeUsed {
			return merge, nil // what is overdue on the account came first
		}
		if err != nil {
			return merge, err
		}
		merge = taken
	}
	return merge, nil
}

// bring adds what came over from another account, or went back. Nothing of an account that was merged changes.
func (h *history) bring(e *ledgerv1.Entry) error {
	if f := e.GetItemMoved(); f != nil {
		from, err := h.account(f.GetFrom())
		if err != nil {
			return err
		}
		into, err := h.account(f.GetInto())
		if err != nil {
			return err
		}
		index := f.GetItem().GetIndex()
		into.completions++
		into.of[index], into.course[index] = from.of[index], from.course[index]
		return into.take(e, f.GetEffects(), index)
	}
	f := e.GetItemReturned()
	if f == nil {
		return nil
	}
	into, err := h.account(f.GetInto())
	if err != nil {
		return err
	}
	index := f.GetItem().GetIndex()
	into.completions--
	total := into.category(into.of[index])
	for _, c := range f.GetLots() {
		lot := into.lots[lotName{c.GetEntry(), c.GetPosition()}]
		if lot == nil {
			return wrongf("it takes lot %d/%d away, which is not there", c.GetEntry(), c.GetPosition())
		}
		lot.move(c)
		total.move(c)
		total.issued -= lot.issued
		lot.issued = 0
		if !lot.sound() || !total.sound() {
			return wrongf("credits are made or lost: %+v of %+v", *lot, *total)
		}
	}
	if err := into.take(e, f.GetEffects(), index); err != nil {
		return err
	}
	return into.take(e, &ledgerv1.Effects{Replaces: f.GetRestores()}, index)
}
