package book_test

import (
	"encoding/binary"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type naiveHold struct {
	account        string
	institution    string
	organization   uint64
	programme      string
	status         string
	placed, lapses int64
	items          []*ledgerv1.HoldItem
	taken          []*ledgerv1.HoldTaken
	ended          uint64 // plus one
	endedAt        int64
	changed        uint64
	clawedBack     map[int]uint64 // item → entry
}

// outstanding is how much of an item is held, or was taken.
func (h *naiveHold) outstanding(item int) int64 {
	switch {
	case h.status == "HELD":
		return h.items[item].GetMilliCredits()
	case h.status == "POSTED":
		return h.taken[item].GetMilliCredits()
	default:
		return 0
	}
}

func (n *naive) placeHold(e *ledgerv1.Entry, f *ledgerv1.HoldPlaced) {
	n.holds[e.GetIndex()] = &naiveHold{
		account: string(f.GetAccount()), institution: f.GetInstitution(), organization: n.organizations[f.GetInstitution()],
		programme: f.GetProgramme(), status: "HELD", placed: e.GetTime(), lapses: f.GetDeadline(), items: f.GetItems(),
		changed: e.GetIndex(), clawedBack: make(map[int]uint64),
	}
	n.moveLots(n.accounts[string(f.GetAccount())], f.GetEffects())
	n.mark(n.organizations[f.GetInstitution()], e.GetIndex())
	n.requested(e, f.GetActor(), f.GetRequest())
}

func (n *naive) endHold(e *ledgerv1.Entry, hold uint64, status string, effects *ledgerv1.Effects) *naiveHold {
	h := n.holds[hold]
	h.status, h.ended, h.endedAt, h.changed = status, e.GetIndex()+1, e.GetTime(), e.GetIndex()
	if a := n.accounts[h.account]; status == "POSTED" {
		a.transfers = append(a.transfers, hold)
	}
	n.moveLots(n.accounts[h.account], effects)
	n.mark(h.organization, e.GetIndex())
	return h
}

// moveLots moves credits without a word to who posted their completions.
func (n *naive) moveLots(a *naiveAccount, f *ledgerv1.Effects) {
	for _, c := range f.GetLotChanges() {
		of := a.items[c.GetCompletion().GetIndex()]
		lot := of.lot(c.GetEntry(), c.GetPosition())
		delta := amounts{c.GetPending(), c.GetAvailable(), c.GetReserved(), c.GetTransferred(), c.GetExpired(), c.GetReversed()}
		lot.amounts.add(delta)
		a.category(of.category).add(delta)
	}
}

func (i *naiveItem) lot(entry uint64, position uint32) *naiveLot {
	j := slices.IndexFunc(i.lots, func(l *naiveLot) bool { return l.entry == entry && l.position == position })
	return i.lots[j]
}

// use is a hold that has something of a lot.
type naiveUse struct {
	hold uint64
	item int
}

// uses are the holds that have something of a lot, oldest first.
func (n *naive) uses(lot *naiveLot) []naiveUse {
	var all []naiveUse
	for hold, h := range n.holds {
		for i, item := range h.items {
			for of := lot; of != nil; of = of.was {
				if item.GetEntry() == of.entry && item.GetPosition() == of.position && h.outstanding(i) > 0 {
					all = append(all, naiveUse{hold, i})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b naiveUse) int { return int(a.hold) - int(b.hold) })
	return all
}

// used says whether institutions have something of an item.
func (n *naive) used(item *naiveItem) bool {
	return slices.ContainsFunc(item.lots, func(lot *naiveLot) bool { return len(n.uses(lot)) > 0 })
}

// tell tells those who have something of an item that it gives no credits any more.
func (n *naive) tell(e *ledgerv1.Entry, item *naiveItem) {
	for _, lot := range item.lots {
		for _, use := range n.uses(lot) {
			h := n.holds[use.hold]
			if h.clawedBack[use.item] == 0 {
				h.clawedBack[use.item], h.changed = e.GetIndex(), e.GetIndex()
				n.mark(h.organization, e.GetIndex())
			}
		}
	}
}

// merged are the keys by which transfers are found that came with another account.
func (a *naiveAccount) merged(id string, holds map[uint64]*naiveHold) (keys []string) {
	for _, hold := range a.transfers {
		if holds[hold].account != id {
			keys = append(keys, "\x1e\x01"+id+string(binary.BigEndian.AppendUint64(nil, hold)))
		}
	}
	return keys
}

// rows are the keys by which a hold is found.
func (h *naiveHold) rows(index uint64) []string {
	number := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
	keys := []string{
		"\x1d" + number(index), "\x1e\x01" + h.account + number(index), "\x1e\x02" + number(h.organization) + number(index),
	}
	if h.status == "HELD" {
		keys = append(keys, "\x1f"+number(uint64(h.lapses))+number(index))
	}
	return keys
}
