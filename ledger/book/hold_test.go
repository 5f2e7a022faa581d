package book_test

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// placeable draws what an institution can be asked to take: of no lot more than there is, with what it has of it.
func (m *machine) placeable(t *rapid.T, a *naiveAccount, institution string) (items []*ledgerv1.HoldItem) {
	for _, index := range slices.Sorted(maps.Keys(a.items)) {
		item := a.items[index]
		for _, lot := range item.lots {
			if lot.amounts[1] == 0 || !rapid.Bool().Draw(t, "of this lot") {
				continue
			}
			recognised, room := rapid.Bool().Draw(t, "recognised"), lot.issued
			for _, use := range m.model.uses(lot) {
				if h := m.model.holds[use.hold]; h.institution == institution {
					room -= h.outstanding(use.item)
				}
			}
			if room > 0 {
				n := rapid.Int64Range(1, min(room, lot.amounts[1])).Draw(t, "credits")
				items = append(items, &ledgerv1.HoldItem{
					Entry: lot.entry, Position: lot.position, Completion: item.ref(), MilliCredits: n, Granted: n / 2,
					Recognised: recognised, Category: item.category,
				})
			}
		}
	}
	return items
}

func reserve(items []*ledgerv1.HoldItem) *ledgerv1.Effects {
	f := new(ledgerv1.Effects)
	for _, i := range items {
		if !i.GetRecognised() {
			f.LotChanges = append(f.LotChanges, &ledgerv1.LotChange{
				Entry: i.GetEntry(), Position: i.GetPosition(), Completion: i.GetCompletion(),
				Available: -i.GetMilliCredits(), Reserved: i.GetMilliCredits(),
			})
		}
	}
	return f
}

func (m *machine) placeHold(t *rapid.T) {
	id, a := m.account(t)
	institution := rapid.SampledFrom([]string{platformA, platformB}).Draw(t, "institution")
	items := m.placeable(t, a, institution)
	if len(items) == 0 {
		t.Skip("nothing to hold")
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldPlaced{HoldPlaced: &ledgerv1.HoldPlaced{
		Actor: &ledgerv1.Actor{Resident: true}, Request: m.request("RequestTransfer"), Account: id, Institution: institution,
		Programme: "nursing", Agreement: 3, QuoteDigest: make([]byte, 32), Items: items, Effects: reserve(items),
		Deadline: m.time + rapid.Int64Range(1, 20_000).Draw(t, "deadline"),
	}}})
}

// held draws a hold that has not ended.
func (m *machine) held(t *rapid.T, fits func(h *naiveHold) bool) (uint64, *naiveHold) {
	var open []uint64
	for _, index := range slices.Sorted(maps.Keys(m.model.holds)) {
		if h := m.model.holds[index]; h.status == "HELD" && fits(h) {
			open = append(open, index)
		}
	}
	if len(open) == 0 {
		t.Skip("no such hold")
	}
	index := rapid.SampledFrom(open).Draw(t, "hold")
	return index, m.model.holds[index]
}

func anyHold(*naiveHold) bool { return true }

// free are the changes that end a hold of which some is taken; what is not lapses for some of the lots.
func free(t *rapid.T, h *naiveHold, taken []*ledgerv1.HoldTaken) *ledgerv1.Effects {
	f := new(ledgerv1.Effects)
	for i, item := range h.items {
		if item.GetRecognised() {
			continue
		}
		c := &ledgerv1.LotChange{
			Entry: item.GetEntry(), Position: item.GetPosition(), Completion: item.GetCompletion(), Reserved: -item.GetMilliCredits(),
		}
		if taken != nil {
			c.Transferred = taken[i].GetMilliCredits()
		}
		if rest := item.GetMilliCredits() - c.GetTransferred(); rapid.Bool().Draw(t, "expired meanwhile") {
			c.Expired = rest
		} else {
			c.Available = rest
		}
		f.LotChanges = append(f.LotChanges, c)
	}
	return f
}

func (m *machine) postHold(t *rapid.T) {
	index, h := m.held(t, func(h *naiveHold) bool { return h.lapses > m.time })
	taken := make([]*ledgerv1.HoldTaken, len(h.items))
	some := rapid.IntRange(0, len(h.items)-1).Draw(t, "surely taken")
	for i, item := range h.items {
		least := int64(0)
		if i == some {
			least = 1
		}
		n := rapid.Int64Range(least, item.GetMilliCredits()).Draw(t, "taken")
		taken[i] = &ledgerv1.HoldTaken{MilliCredits: n, Granted: min(n, item.GetGranted())}
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldPosted{HoldPosted: &ledgerv1.HoldPosted{
		Actor: &ledgerv1.Actor{Organization: h.institution}, Request: m.request("AcceptTransfer"), Hold: index, Account: []byte(h.account),
		Taken: taken, Effects: free(t, h, taken),
	}}})
}

func (m *machine) voidHold(t *rapid.T) {
	index, h := m.held(t, anyHold)
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldVoided{HoldVoided: &ledgerv1.HoldVoided{
		Actor: &ledgerv1.Actor{Organization: h.institution}, Request: m.request("DeclineTransfer"), Hold: index, Account: []byte(h.account),
		Cause: rapid.SampledFrom([]ledgerv1.HoldVoid{
			ledgerv1.HoldVoid_HOLD_VOID_DECLINED, ledgerv1.HoldVoid_HOLD_VOID_WITHDRAWN,
		}).Draw(t, "cause"), Effects: free(t, h, nil),
	}}})
}

func (m *machine) lapseHold(t *rapid.T) {
	index, h := m.held(t, func(h *naiveHold) bool { return h.lapses <= m.time })
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldExpired{HoldExpired: &ledgerv1.HoldExpired{
		Hold: index, Account: []byte(h.account), Effects: free(t, h, nil),
	}}})
}

// onHold says whether holds stand on an item.
func (m *machine) onHold(item *naiveItem) bool {
	return slices.ContainsFunc(item.lots, func(lot *naiveLot) bool {
		return slices.ContainsFunc(m.model.uses(lot), func(u naiveUse) bool { return m.model.holds[u.hold].status == "HELD" })
	})
}

// release voids the holds that stand on an item, before it is taken back.
func (m *machine) release(t *rapid.T, item *naiveItem) {
	for m.onHold(item) {
		for _, lot := range item.lots {
			for _, use := range m.model.uses(lot) {
				h := m.model.holds[use.hold]
				if h.status != "HELD" {
					continue
				}
				m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldVoided{HoldVoided: &ledgerv1.HoldVoided{
					Hold: use.hold, Account: []byte(h.account), Cause: ledgerv1.HoldVoid_HOLD_VOID_REVERSED, Completion: item.ref(),
					Effects: free(t, h, nil),
				}}})
			}
		}
	}
}

// endHolds has all holds of an account declined.
func (m *machine) endHolds(t *rapid.T, account []byte) {
	for _, index := range slices.Sorted(maps.Keys(m.model.holds)) {
		if h := m.model.holds[index]; h.account == string(account) && h.status == "HELD" {
			m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldVoided{HoldVoided: &ledgerv1.HoldVoided{
				Hold: index, Account: account, Cause: ledgerv1.HoldVoid_HOLD_VOID_DECLINED, Effects: free(t, h, nil),
			}}})
		}
	}
}

// checkHolds compares the holds of an account, and what its lots say of them, with the model.
func (m *machine) checkHolds(t *rapid.T, id unit.AccountID, a *ledgerv1.AccountRow, want *naiveAccount) {
	var open, posted []string
	for _, index := range slices.Sorted(maps.Keys(m.model.holds)) {
		h := m.model.holds[index]
		if h.account != string(id[:]) {
			continue
		}
		m.checkHold(t, index, h)
		if h.status == "HELD" {
			open = append(open, fmt.Sprintf("%d until %d", index, h.lapses))
		}
	}
	for _, hold := range want.transfers {
		posted = append(posted, fmt.Sprint(hold))
	}
	for _, key := range want.merged(string(id[:]), m.model.holds) {
		if value, err := m.state.Row([]byte(key)); err != nil || len(value) != 1 || ledgerv1.HoldStatus(value[0]) != ledgerv1.HoldStatus_HOLD_STATUS_POSTED {
			t.Fatalf("a transfer that came with another account has no row %x, or another: %x, %v", key, value, err)
		}
	}
	var gotOpen, gotPosted []string
	for _, h := range a.GetHolds() {
		gotOpen = append(gotOpen, fmt.Sprintf("%d until %d", h.GetHold(), h.GetDeadline()))
	}
	for _, h := range a.GetTransfers() {
		gotPosted = append(gotPosted, fmt.Sprint(h))
	}
	if !slices.Equal(gotOpen, open) || !slices.Equal(gotPosted, posted) {
		t.Fatalf("holds %v, transfers %v, not %v, %v", gotOpen, gotPosted, open, posted)
	}
	for _, w := range want.items {
		item, err := m.state.Completion(id, w.ref())
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range item.GetLots() {
			m.checkUses(t, l, w.lots[i])
		}
	}
}

// checkUses has what is reserved and transferred of a lot be what holds have of it.
func (m *machine) checkUses(t *rapid.T, l *ledgerv1.LotState, lot *naiveLot) {
	var reserved, transferred int64
	var want []*ledgerv1.LotUse
	for _, use := range m.model.uses(lot) {
		h := m.model.holds[use.hold]
		u := &ledgerv1.LotUse{
			Hold: use.hold, Organization: h.organization, MilliCredits: h.outstanding(use.item), Recognised: h.items[use.item].GetRecognised(),
			Item: uint32(use.item),
		}
		want = append(want, u)
		switch {
		case u.GetRecognised():
		case h.status == "HELD":
			reserved += u.GetMilliCredits()
		default:
			transferred += u.GetMilliCredits()
		}
	}
	same := slices.EqualFunc(l.GetUses(), want, func(x, y *ledgerv1.LotUse) bool { return proto.Equal(x, y) })
	if !same || l.GetReserved() != reserved || l.GetTransferred() != transferred {
		t.Fatalf("lot %v, not used as %v: %d reserved, %d transferred", l, want, reserved, transferred)
	}
}

func (m *machine) checkHold(t *rapid.T, index uint64, want *naiveHold) {
	row, err := m.state.Transfer(index)
	if err != nil || row.GetStatus().String() != "HOLD_STATUS_"+want.status || string(row.GetAccount()) != want.account ||
		row.GetOrganization() != want.organization || row.GetProgramme() != want.programme || row.GetTime() != want.placed ||
		row.GetDeadline() != want.lapses || row.GetEndedPlusOne() != want.ended || row.GetEndedTime() != want.endedAt ||
		row.GetChangedIndex() != want.changed || len(row.GetClawbacks()) != len(want.clawedBack) ||
		!slices.EqualFunc(row.GetItems(), want.items, func(x, y *ledgerv1.HoldItem) bool { return proto.Equal(x, y) }) ||
		!slices.EqualFunc(row.GetTaken(), want.taken, func(x, y *ledgerv1.HoldTaken) bool { return proto.Equal(x, y) }) {
		t.Fatalf("hold %d: %v, %v, not %+v", index, row, err, want)
	}
	for _, c := range row.GetClawbacks() {
		if want.clawedBack[int(c.GetItem())] != c.GetEntry() {
			t.Fatalf("hold %d: clawback %v, not %v", index, c, want.clawedBack)
		}
	}
	for _, key := range want.rows(index) {
		if key[0] == book.TableTransfers {
			continue
		}
		if value, err := m.state.Row([]byte(key)); err != nil || value == nil ||
			key[0] == book.TableTransferLists && ledgerv1.HoldStatus(value[0]).String() != "HOLD_STATUS_"+want.status {
			t.Fatalf("hold %d, which is %s, has no row %x, or another: %x, %v", index, want.status, key, value, err)
		}
	}
}

// holdMisfits are holds that hold nothing, too much or twice, ends of holds that have ended or do not add up, and credits that
// are reserved without a hold.
func (m *machine) holdMisfits(id []byte, a *naiveAccount, all map[string]*ledgerv1.Entry) {
	placed := func(change func(f *ledgerv1.HoldPlaced)) *ledgerv1.Entry {
		f := &ledgerv1.HoldPlaced{Account: id, Institution: platformA, Deadline: m.time + 1}
		change(f)
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldPlaced{HoldPlaced: f}}
	}
	all["hold of nothing"] = placed(func(*ledgerv1.HoldPlaced) {})
	all["end of no hold"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldExpired{HoldExpired: &ledgerv1.HoldExpired{Account: id, Hold: 1 << 40}}}
	for _, item := range a.items {
		for _, lot := range item.lots {
			n := lot.amounts[1]
			if n == 0 || len(m.model.uses(lot)) > 0 {
				continue
			}
			hold := func(name string, change func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced)) {
				all[name] = placed(func(f *ledgerv1.HoldPlaced) {
					i := &ledgerv1.HoldItem{
						Entry: lot.entry, Position: lot.position, Completion: item.ref(), MilliCredits: n, Category: item.category,
					}
					f.Items = []*ledgerv1.HoldItem{i}
					f.Effects = reserve(f.GetItems())
					change(i, f)
				})
			}
			again := func(_ *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { f.Effects = reserve(f.GetItems()) }
			hold("hold for nobody", func(_ *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { f.Institution = "nobody" })
			hold("hold that has lapsed", func(_ *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { f.Deadline = m.time })
			hold("hold of too much", func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { i.MilliCredits++; again(i, f) })
			hold("hold of less than nothing", func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { i.MilliCredits = -1; again(i, f) })
			hold("recognises too much", func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) {
				i.Recognised, i.MilliCredits, f.Effects = true, n+1, nil
			})
			hold("recognises and reserves", func(i *ledgerv1.HoldItem, _ *ledgerv1.HoldPlaced) { i.Recognised = true })
			hold("gives less than nothing", func(i *ledgerv1.HoldItem, _ *ledgerv1.HoldPlaced) { i.Granted = -1 })
			hold("hold of another category", func(i *ledgerv1.HoldItem, _ *ledgerv1.HoldPlaced) { i.Category = "other" })
			hold("hold that reserves nothing", func(_ *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { f.Effects = nil })
			hold("hold that transfers", func(_ *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) {
				f.Effects.LotChanges[0].Reserved, f.Effects.LotChanges[0].Transferred = 0, n
			})
			hold("hold that counts hours", func(_ *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) {
				f.Effects.Hours = []*ledgerv1.YearMinutes{{Year: 2026, Category: "arts", Minutes: 1}}
			})
			hold("hold of an unknown lot", func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) { i.Position = 77; again(i, f) })
			hold("hold twice of a lot", func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) {
				i.Recognised, f.Effects, f.Items = true, nil, append(f.GetItems(), i)
			})
			hold("hold that changes another lot", func(i *ledgerv1.HoldItem, f *ledgerv1.HoldPlaced) {
				f.Effects.LotChanges = append(f.Effects.LotChanges, &ledgerv1.LotChange{Entry: i.GetEntry(), Completion: item.ref()})
			})
			all["reserved without a hold"] = released(id, reserve([]*ledgerv1.HoldItem{{
				Entry: lot.entry, Position: lot.position, Completion: item.ref(), MilliCredits: 1,
			}}))
		}
	}
	for index, h := range m.model.holds {
		m.againMisfit(id, index, h, all)
		m.endMisfits(index, h, all)
	}
}

// againMisfit has an institution recognise once more what it has.
func (m *machine) againMisfit(id []byte, index uint64, h *naiveHold, all map[string]*ledgerv1.Entry) {
	item := h.items[0]
	if h.account != string(id) || h.outstanding(0) == 0 {
		return
	}
	lot := m.model.item(id, item.GetCompletion()).lot(item.GetEntry(), item.GetPosition())
	if n := lot.issued - h.outstanding(0) + 1; n <= lot.amounts[1] {
		again := proto.CloneOf(item)
		again.MilliCredits, again.Granted, again.Recognised = n, 0, true
		all[fmt.Sprintf("more than there is, after hold %d", index)] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldPlaced{HoldPlaced: &ledgerv1.HoldPlaced{
			Account: id, Institution: h.institution, Deadline: m.time + 1, Items: []*ledgerv1.HoldItem{again},
		}}}
	}
}

func (m *machine) endMisfits(index uint64, h *naiveHold, all map[string]*ledgerv1.Entry) {
	account, everything := []byte(h.account), new(ledgerv1.Effects)
	taken := make([]*ledgerv1.HoldTaken, len(h.items))
	for i, item := range h.items {
		taken[i] = &ledgerv1.HoldTaken{MilliCredits: item.GetMilliCredits()}
		if !item.GetRecognised() {
			everything.LotChanges = append(everything.LotChanges, &ledgerv1.LotChange{
				Entry: item.GetEntry(), Position: item.GetPosition(), Completion: item.GetCompletion(),
				Reserved: -item.GetMilliCredits(), Available: item.GetMilliCredits(),
			})
		}
	}
	end := func(cause ledgerv1.HoldVoid, of []byte, on *ledgerv1.CompletionRef, effects *ledgerv1.Effects) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldVoided{HoldVoided: &ledgerv1.HoldVoided{
			Hold: index, Account: of, Cause: cause, Completion: on, Effects: effects,
		}}}
	}
	post := func(taken []*ledgerv1.HoldTaken) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldPosted{HoldPosted: &ledgerv1.HoldPosted{
			Hold: index, Account: account, Taken: taken, Effects: everything,
		}}}
	}
	if h.status != "HELD" {
		all["hold ended twice"] = end(ledgerv1.HoldVoid_HOLD_VOID_DECLINED, account, nil, everything)
		all["hold posted after its end"] = post(taken)
		return
	}
	for id := range m.model.accounts {
		if id != h.account {
			all["hold of another account"] = end(ledgerv1.HoldVoid_HOLD_VOID_DECLINED, []byte(id), nil, everything)
		}
	}
	if h.lapses > m.time {
		all["hold lapses early"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldExpired{HoldExpired: &ledgerv1.HoldExpired{
			Hold: index, Account: account, Effects: everything,
		}}}
	}
	if h.lapses <= m.time {
		all["hold posted when it has lapsed"] = post(taken)
	}
	all["hold voided for nothing"] = end(0, account, nil, everything)
	all["hold voided for another completion"] = end(ledgerv1.HoldVoid_HOLD_VOID_REVERSED, account, &ledgerv1.CompletionRef{Index: 1 << 40}, everything)
	all["hold declined for a completion"] = end(ledgerv1.HoldVoid_HOLD_VOID_DECLINED, account, h.items[0].GetCompletion(), everything)
	all["hold posted in part of its items"] = post(taken[1:])
	all["hold of which nothing is taken"] = post(make([]*ledgerv1.HoldTaken, len(taken)))
	all["more taken than held"] = post(append([]*ledgerv1.HoldTaken{{MilliCredits: h.items[0].GetMilliCredits() + 1}}, taken[1:]...))
	all["more given than quoted"] = post(append([]*ledgerv1.HoldTaken{{MilliCredits: 1, Granted: h.items[0].GetGranted() + 1}}, taken[1:]...))
	if len(everything.GetLotChanges()) == 0 {
		return
	}
	all["taken and freed"] = post(taken)
	all["hold ended without its lots"] = end(ledgerv1.HoldVoid_HOLD_VOID_DECLINED, account, nil, nil)
	all["hold voided by a transfer"] = func() *ledgerv1.Entry {
		moved := proto.CloneOf(everything)
		moved.LotChanges[0].Transferred, moved.LotChanges[0].Available = moved.LotChanges[0].GetAvailable(), 0
		return end(ledgerv1.HoldVoid_HOLD_VOID_DECLINED, account, nil, moved)
	}()
	of := m.model.item(account, h.items[0].GetCompletion())
	if of.kind == 0 && of.outcome != ledgerv1.Outcome_OUTCOME_VOIDED {
		all["taken back under a hold"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: &ledgerv1.CompletionVoided{
			Origin: &ledgerv1.Origin{Organization: platformA, StatementId: m.id()}, Account: account, Completion: of.ref(),
		}}}
	}
}
