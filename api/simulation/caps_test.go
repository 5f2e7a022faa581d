package simulation_test

import (
	"slices"
	"strings"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// The caps of the policy: what nobody ever has more of in a period, whatever was decided at the same time.
func caps() map[string]int64 {
	return map[string]int64{"half-year": 24_000, "year": 42_000, "provider-lifetime": 60_000}
}

// limited is a lot under caps.
type limited struct {
	keys []string
	// held is what of it a clawback has wait: it counts all the same.
	held int64
}

// limit adds what counts towards caps and what is left over, and says whether both are in their bounds. What is gone of an item that
// comes over with an account cannot wait: it counts beyond a cap, and nothing else does until there is room.
func (a *holding) limit(e *ledgerv1.Entry, effects *ledgerv1.Effects, completion uint64) error {
	replaces := effects.GetReplaces()
	a.remainders[a.course[completion]] += effects.GetRemainder()
	a.remainders[a.course[replaces.GetCompletion().GetIndex()]] += replaces.GetRemainder()
	for course, left := range a.remainders {
		if left < 0 {
			return wrongf("%d minutes are left over of course %d", left, course)
		}
	}
	usage := slices.Concat(effects.GetUsage(), replaces.GetUsage())
	for _, u := range usage {
		a.usage[u.GetKey()] += u.GetMilliCredits()
	}
	gone := int64(0)
	for _, c := range effects.GetLotChanges() {
		if e.GetItemMoved() != nil && c.GetEntry() == e.GetIndex() {
			gone += c.GetReserved() + c.GetTransferred() + c.GetExpired()
		}
	}
	for _, u := range usage {
		name, _, _ := strings.Cut(u.GetKey(), "/")
		most, known := caps()[name]
		if used := a.usage[u.GetKey()]; !known || used < 0 || used > most && u.GetMilliCredits() > gone {
			return wrongf("%d milli-credits count towards %s, of at most %d", used, u.GetKey(), most)
		}
	}
	a.note(e, effects)
	return a.counts()
}

// note notes what an entry does to lots under caps.
func (a *holding) note(e *ledgerv1.Entry, effects *ledgerv1.Effects) {
	for position, lot := range effects.GetLots() {
		if keys := lot.GetCaps(); len(keys) > 0 {
			a.limited[lotName{e.GetIndex(), uint32(position)}] = &limited{keys: keys}
		}
	}
	for _, c := range effects.GetLotChanges() {
		of := lotName{c.GetEntry(), c.GetPosition()}
		under := a.limited[of]
		if under == nil {
			continue
		}
		if e.GetCompletionHeld() != nil {
			under.held += c.GetPending()
		}
		under.held = min(under.held, a.lots[of].pending)
	}
}

// counts says whether towards each cap counts what was given under it and does not wait.
func (a *holding) counts() error {
	counted := make(map[string]int64)
	for key, used := range a.usage {
		name, _, _ := strings.Cut(key, "/")
		counted[name] -= used
	}
	for of, under := range a.limited {
		lot := a.lots[of]
		for _, key := range under.keys {
			name, _, _ := strings.Cut(key, "/")
			counted[name] += lot.issued - lot.pending + under.held - lot.reversed
		}
	}
	for name, left := range counted {
		if left != 0 {
			return wrongf("%d milli-credits are given under %s and do not count, or the other way round", left, name)
		}
	}
	return nil
}
