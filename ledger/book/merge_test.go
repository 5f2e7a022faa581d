package book_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type naiveMerge struct {
	from, into string
	status     ledgerv1.MergeStatus
	before     ledgerv1.AccountStatus
	items      int64
	left       int64
	changed    uint64
}

// mergeChanged is the part of the naive state that is about merges.
func (n *naive) mergeChanged(e *ledgerv1.Entry) {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AccountMergeProposed:
		f := fact.AccountMergeProposed
		n.merges[e.GetIndex()] = &naiveMerge{
			from: string(f.GetFrom()), into: string(f.GetInto()), status: ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED, changed: e.GetIndex(),
		}
		n.accounts[string(f.GetFrom())].merge, n.accounts[string(f.GetInto())].merge = e.GetIndex()+1, e.GetIndex()+1
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_AccountMergeStepTaken:
		f := fact.AccountMergeStepTaken
		m := n.merges[f.GetMerge()]
		m.changed = e.GetIndex()
		m.status = map[ledgerv1.MergeStep]ledgerv1.MergeStatus{
			ledgerv1.MergeStep_MERGE_STEP_REVIEWED:      ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED,
			ledgerv1.MergeStep_MERGE_STEP_REFUSED:       ledgerv1.MergeStatus_MERGE_STATUS_REFUSED,
			ledgerv1.MergeStep_MERGE_STEP_UNDO_PROPOSED: ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED,
			ledgerv1.MergeStep_MERGE_STEP_UNDO_REFUSED:  ledgerv1.MergeStatus_MERGE_STATUS_MERGED,
		}[f.GetStep()]
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_AccountsMerged:
		f := fact.AccountsMerged
		m := n.merges[f.GetMerge()]
		from, into := n.accounts[m.from], n.accounts[m.into]
		m.before, m.items, m.left, m.changed = from.status, f.GetItems(), f.GetItems(), e.GetIndex()
		from.status, from.mergedInto = ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED, m.into
		into.transfers = append(into.transfers, from.transfers...)
		m.status, into.moving = ledgerv1.MergeStatus_MERGE_STATUS_MOVING, true
		n.arrived(m)
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_AccountsUnmerged:
		f := fact.AccountsUnmerged
		m := n.merges[f.GetMerge()]
		from, into := n.accounts[m.from], n.accounts[m.into]
		from.status, from.mergedInto, from.moving, into.moving = m.before, "", true, true
		into.transfers = slices.DeleteFunc(into.transfers, func(hold uint64) bool { return slices.Contains(from.transfers, hold) })
		m.status, m.left, m.changed = ledgerv1.MergeStatus_MERGE_STATUS_RETURNING, m.items, e.GetIndex()
		n.arrived(m)
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_ItemMoved:
		n.itemMoved(e, fact.ItemMoved)
	case *ledgerv1.Entry_ItemReturned:
		n.itemReturned(e, fact.ItemReturned)
	}
}

// arrived ends a merge when nothing is left on its way.
func (n *naive) arrived(m *naiveMerge) {
	if m.left > 0 {
		return
	}
	n.accounts[m.from].moving, n.accounts[m.into].moving = false, false
	if m.status == ledgerv1.MergeStatus_MERGE_STATUS_MOVING {
		m.status = ledgerv1.MergeStatus_MERGE_STATUS_MERGED
	} else {
		m.status = ledgerv1.MergeStatus_MERGE_STATUS_UNDONE
	}
}

func (a *naiveAccount) count(item *naiveItem, by int64) {
	switch item.kind {
	case ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE:
		a.openings += by
	case ledgerv1.ItemKind_ITEM_KIND_CLAIM:
		a.claims += by
	default:
		a.completions += by
	}
}

func (n *naive) itemMoved(e *ledgerv1.Entry, f *ledgerv1.ItemMoved) {
	into := n.accounts[string(f.GetInto())]
	old := n.item(f.GetFrom(), f.GetItem())
	item := *old
	item.account, item.minutes, item.points, item.lots, item.sessionsPut = string(f.GetInto()), 0, 0, nil, nil
	item.contributed, item.effectsIn, item.moved = new(ledgerv1.Effects), slices.Clone(item.effectsIn), e.GetIndex()+1
	into.items[item.index] = &item
	into.count(&item, 1)
	if item.last != 0 {
		n.cases[item.last-1].account = item.account
	}
	if len(f.GetCauses()) > 0 {
		n.open(e, &item, f.GetCauses(), f.GetRisk(), f.GetDue())
	}
	n.change(e, &item, f.GetOutcome(), f.GetEffects())
	if n.used(old) {
		for i, lot := range item.lots {
			lot.was = old.lots[i]
		}
	}
	m := n.merges[f.GetMerge()]
	m.left, m.changed = m.left-1, e.GetIndex()
	n.arrived(m)
}

func (n *naive) itemReturned(e *ledgerv1.Entry, f *ledgerv1.ItemReturned) {
	from, into := n.accounts[string(f.GetFrom())], n.accounts[string(f.GetInto())]
	item, old := into.items[f.GetItem().GetIndex()], from.items[f.GetItem().GetIndex()]
	n.effects(e, into, item, f.GetEffects())
	if r := f.GetRestores(); r != nil {
		prior := into.items[r.GetCompletion().GetIndex()]
		prior.outcome = ledgerv1.Outcome_OUTCOME_AWARDED
		into.addHours(prior, r.GetHours())
		into.addUsage(prior, r.GetUsage())
		into.addDays(prior, r.GetDays())
		into.addRemainder(prior, r.GetRemainder())
		into.addPoints(prior, r.GetPoints())
	}
	for _, lot := range item.lots {
		for i, n := range lot.amounts {
			into.category(item.category)[i] -= n
		}
		into.issued[item.category] -= lot.issued
	}
	if item.open != 0 && item.open == item.moved {
		n.cases[item.open-1].step(e, nil, ledgerv1.CaseStep_CASE_STEP_WITHDRAWN, &ledgerv1.CaseStepTaken{
			State: ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN,
		})
	}
	for _, last := range []uint64{item.last, old.last} {
		if last != 0 {
			n.cases[last-1].account = string(f.GetFrom())
		}
	}
	delete(into.items, item.index)
	into.count(item, -1)
	old.changed = e.GetIndex()
	n.markItem(old, e.GetIndex())
	m := n.merges[f.GetMerge()]
	m.left, m.changed = m.left-1, e.GetIndex()
	n.arrived(m)
}

// merge makes an account part of another one, or does not, and may undo it at once. Where a part of it was kept in between, all of
// it is: what is undone afterwards never leaves half of a merge, upon which other actions would not fit.
func (m *machine) merge(t *rapid.T) {
	kept := m.kept
	m.mergeAtOnce(t)
	if m.kept != kept {
		m.keep(t)
	}
}

func (m *machine) mergeAtOnce(t *rapid.T) {
	from, a := m.account(t)
	into, b := m.account(t)
	if string(from) == string(into) {
		t.Skip("one account")
	}
	for _, item := range a.items {
		if item.held != 0 {
			t.Skip("something of it is held")
		}
	}
	m.endHolds(t, from)
	officer := func(id string) *ledgerv1.Actor { return &ledgerv1.Actor{Officer: id} }
	id := uint64(len(m.entries))
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeProposed{AccountMergeProposed: &ledgerv1.AccountMergeProposed{
		Actor: officer("registrar"), Request: m.request("ProposeMerge"), From: from, Into: into, ReasonCode: "SAME_PERSON",
	}}})
	step := func(by string, step ledgerv1.MergeStep) {
		m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeStepTaken{AccountMergeStepTaken: &ledgerv1.AccountMergeStepTaken{
			Actor: officer(by), Request: m.request("DecideMerge"), Merge: id, Step: step,
		}}})
	}
	step("chen", ledgerv1.MergeStep_MERGE_STEP_REVIEWED)
	if rapid.IntRange(0, 3).Draw(t, "refused") == 0 {
		step("zhou", ledgerv1.MergeStep_MERGE_STEP_REFUSED)
		return
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsMerged{AccountsMerged: &ledgerv1.AccountsMerged{
		Actor: officer("zhou"), Request: m.request("DecideMerge"), Merge: id, From: from, Into: into,
		Items: a.completions + a.openings + a.claims,
	}}})
	order := slices.Sorted(maps.Keys(a.items))
	for _, index := range order {
		m.moveItem(t, id, from, into, a.items[index], b)
		m.between(t)
	}
	if rapid.Bool().Draw(t, "stays") {
		return
	}
	step("chen", ledgerv1.MergeStep_MERGE_STEP_UNDO_PROPOSED)
	if rapid.IntRange(0, 3).Draw(t, "kept") == 0 {
		step("zhou", ledgerv1.MergeStep_MERGE_STEP_UNDO_REFUSED)
		return
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsUnmerged{AccountsUnmerged: &ledgerv1.AccountsUnmerged{
		Actor: officer("zhou"), Request: m.request("UndoMerge"), Merge: id, From: from, Into: into,
	}}})
	for _, index := range slices.Backward(order) {
		m.returnItem(t, id, from, into, m.model.accounts[string(into)].items[index])
		m.between(t)
	}
}

// between looks at everything while items are on their way, now and then.
func (m *machine) between(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "look") == 0 {
		m.keep(t)
		m.check(t)
	}
}

func (m *machine) moveItem(t *rapid.T, id uint64, from, into []byte, item *naiveItem, a *naiveAccount) {
	fact := &ledgerv1.ItemMoved{Merge: id, From: from, Into: into, Item: item.ref(), Outcome: item.outcome, Effects: new(ledgerv1.Effects)}
	switch {
	case m.model.used(item):
		fact.Effects = bringUsed(item, uint64(len(m.entries)))
	case item.open == 0 && item.kind == 0 && rapid.IntRange(0, 4).Draw(t, "overlaps") == 0:
		fact.Outcome, fact.Causes, fact.Risk = ledgerv1.Outcome_OUTCOME_IN_REVIEW, []string{"OVERLAP"}, 3
	case item.outcome == ledgerv1.Outcome_OUTCOME_AWARDED:
		fact.Effects = gain(t, a, item.course, item.category, item.endDay)
		m.takePlace(t, item, a, fact)
	}
	fact.Effects.Sessions = append(fact.Effects.Sessions, item.sessionsPut...)
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ItemMoved{ItemMoved: fact}})
}

// bringUsed brings the lots of an item of which institutions have something, one for one: what was transferred stays that.
func bringUsed(item *naiveItem, entry uint64) *ledgerv1.Effects {
	f := new(ledgerv1.Effects)
	for i, lot := range item.lots {
		f.Lots = append(f.Lots, &ledgerv1.Lot{Category: item.category, Available: lot.issued, ExpiresDay: lot.expires})
		if n := lot.amounts[3]; n != 0 {
			f.LotChanges = append(f.LotChanges, &ledgerv1.LotChange{
				Entry: entry, Position: uint32(i), Completion: item.ref(), Available: -n, Transferred: n,
			})
		}
	}
	return f
}

// takePlace has an item that comes over take the place of one that is there.
func (m *machine) takePlace(t *rapid.T, item *naiveItem, a *naiveAccount, fact *ledgerv1.ItemMoved) {
	for _, g := range a.groups {
		prior := a.items[g.GetCompletion().GetIndex()]
		fits := prior != nil && prior.outcome == ledgerv1.Outcome_OUTCOME_AWARDED && prior.course != item.course && len(prior.reversed()) > 0 && !m.onHold(prior)
		if !fits || item.kind != 0 || rapid.Bool().Draw(t, "beside it") {
			continue
		}
		back := a.takeBack(prior)
		fact.Effects.Group = &ledgerv1.GroupChange{Group: g.GetGroup(), Completion: item.ref()}
		fact.Effects.Replaces = &ledgerv1.Reversal{
			Completion: prior.ref(), Hours: back.GetHours(), Usage: back.GetUsage(), Days: back.GetDays(), Remainder: back.GetRemainder(),
			Points: back.GetPoints(),
		}
		fact.Effects.LotChanges = prior.reversed()
		return
	}
}

func (m *machine) returnItem(t *rapid.T, id uint64, from, into []byte, item *naiveItem) {
	a := m.model.accounts[string(into)]
	fact := &ledgerv1.ItemReturned{Merge: id, From: from, Into: into, Item: item.ref(), Effects: m.reversal(a, item)}
	fact.Effects.LotChanges = nil
	for _, lot := range item.lots {
		n := lot.amounts
		fact.Lots = append(fact.Lots, &ledgerv1.LotChange{
			Entry: lot.entry, Position: lot.position, Completion: item.ref(), Pending: -n[0], Available: -n[1],
			Reserved: -n[2], Transferred: -n[3], Expired: -n[4], Reversed: -n[5],
		})
	}
	taken := m.entries[item.moved-1].GetItemMoved().GetEffects()
	if r := taken.GetReplaces(); r != nil {
		fact.Restores = &ledgerv1.Reversal{Completion: r.GetCompletion(), Remainder: -r.GetRemainder()}
		for _, h := range r.GetHours() {
			fact.Restores.Hours = append(fact.Restores.Hours, &ledgerv1.YearMinutes{Year: h.GetYear(), Category: h.GetCategory(), Minutes: -h.GetMinutes()})
		}
		for _, u := range r.GetUsage() {
			fact.Restores.Usage = append(fact.Restores.Usage, &ledgerv1.CapUsage{Key: u.GetKey(), MilliCredits: -u.GetMilliCredits()})
		}
		for _, d := range r.GetDays() {
			fact.Restores.Days = append(fact.Restores.Days, &ledgerv1.DayMinutes{Day: d.GetDay(), Rule: d.GetRule(), Minutes: -d.GetMinutes()})
		}
		for _, p := range r.GetPoints() {
			fact.Restores.Points = append(fact.Restores.Points, &ledgerv1.Points{LapsesDay: p.GetLapsesDay(), MilliPoints: -p.GetMilliPoints()})
		}
		fact.Effects.Group = &ledgerv1.GroupChange{Group: taken.GetGroup().GetGroup(), Completion: r.GetCompletion()}
		for _, c := range taken.GetLotChanges() {
			fact.Effects.LotChanges = append(fact.Effects.LotChanges, &ledgerv1.LotChange{
				Entry: c.GetEntry(), Position: c.GetPosition(), Completion: c.GetCompletion(),
				Pending: -c.GetPending(), Available: -c.GetAvailable(), Reversed: -c.GetReversed(),
			})
		}
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ItemReturned{ItemReturned: fact}})
}

// mergeMisfits are facts of merges that do not lead on.
func (m *machine) mergeMisfits(account []byte, all map[string]*ledgerv1.Entry) {
	all["merge with itself"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeProposed{
		AccountMergeProposed: &ledgerv1.AccountMergeProposed{From: account, Into: account},
	}}
	for id, merge := range m.model.merges {
		from, into := []byte(merge.from), []byte(merge.into)
		step := func(s ledgerv1.MergeStep) *ledgerv1.Entry {
			return &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeStepTaken{AccountMergeStepTaken: &ledgerv1.AccountMergeStepTaken{Merge: id, Step: s}}}
		}
		all["merge step of no kind"] = step(0)
		all["reviewed twice"] = step(ledgerv1.MergeStep_MERGE_STEP_REVIEWED)
		all["merged unreviewed"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsMerged{AccountsMerged: &ledgerv1.AccountsMerged{Merge: id, From: from, Into: into}}}
		all["unmerged unasked"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsUnmerged{AccountsUnmerged: &ledgerv1.AccountsUnmerged{Merge: id, From: from, Into: into}}}
		all["moved without a merge"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_ItemMoved{ItemMoved: &ledgerv1.ItemMoved{Merge: id, From: from, Into: into}}}
		all["returned without a merge"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_ItemReturned{ItemReturned: &ledgerv1.ItemReturned{Merge: id, From: from, Into: into}}}
		return
	}
}
