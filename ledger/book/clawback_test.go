package book_test

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func naiveState(s ledgerv1.ClawbackState) string {
	return strings.TrimPrefix(s.String(), "CLAWBACK_STATE_")
}

// counts says whether there is something of an item to take back.
func (i *naiveItem) counts() bool {
	return i.kind == 0 && slices.Contains([]string{"OUTCOME_AWARDED", "OUTCOME_IN_REVIEW", "OUTCOME_NO_CREDIT", "OUTCOME_DUPLICATE"}, i.outcome.String())
}

// selects says whether an item is one of those that a clawback is about.
func (c *naiveClawback) selects(i *naiveItem, recorded int64) bool {
	s := c.proposed.GetSelection()
	return i.kind == 0 && i.index < s.GetBefore() && (s.GetCompletion() == 0 || s.GetCompletion() == i.index) &&
		(s.GetCourse() == 0 || s.GetCourse() == i.course) && (s.GetOrganization() == 0 || s.GetOrganization() == i.organization) &&
		(s.GetFromDay() == 0 || s.GetFromDay() <= i.endDay) && (s.GetToDay() == 0 || i.endDay <= s.GetToDay()) &&
		(s.GetRecordedFrom() == 0 || s.GetRecordedFrom() <= recorded) && (s.GetRecordedUntil() == 0 || recorded < s.GetRecordedUntil())
}

func (n *naive) clawback(e *ledgerv1.Entry) {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_ClawbackProposed:
		f := fact.ClawbackProposed
		n.clawbacks[e.GetIndex()] = &naiveClawback{proposed: f, state: "PROPOSED", proposer: f.GetActor().GetOfficer()}
		if f.GetHoldFuture() {
			n.directory = e.GetIndex() + 1
		}
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_ClawbackDecided:
		f := fact.ClawbackDecided
		c := n.clawbacks[f.GetClawback()]
		c.state = naiveState(f.GetState())
		switch c.state {
		case "CONFIRMED", "DECLINED":
			c.decider = f.GetActor().GetOfficer()
			if c.proposed.GetHoldFuture() {
				n.directory = e.GetIndex() + 1
			}
		case "FINISHED":
			c.unreached = f.GetUnreached()
		}
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_CreditsReversed:
		n.reversed(e, fact.CreditsReversed)
	case *ledgerv1.Entry_CompletionHeld:
		f := fact.CompletionHeld
		item := n.item(f.GetAccount(), f.GetCompletion())
		if item.held != 0 {
			n.clawbacks[item.held-1].held--
			item.held = 0
		}
		if !f.GetFree() {
			n.clawbacks[f.GetClawback()].held++
			item.held = f.GetClawback() + 1
		}
		n.change(e, item, item.outcome, f.GetEffects())
	}
}

func (n *naive) reversed(e *ledgerv1.Entry, f *ledgerv1.CreditsReversed) {
	item, c := n.item(f.GetAccount(), f.GetCompletion()), n.clawbacks[f.GetClawback()]
	if item.open != 0 {
		n.cases[item.open-1].step(e, nil, ledgerv1.CaseStep_CASE_STEP_WITHDRAWN, &ledgerv1.CaseStepTaken{
			State: ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN,
		})
	}
	n.open(e, item, f.GetCauses(), f.GetRisk(), 0)
	opened := n.cases[e.GetIndex()]
	opened.status, opened.deadline, opened.clawback = ledgerv1.CaseStatus_CASE_STATUS_REVOKED, f.GetDeadline(), f.GetClawback()+1
	opened.steps = []uint64{e.GetIndex()}
	opened.reviewers = []string{"CASE_STATUS_APPROVED/" + c.proposer, "CASE_STATUS_APPROVED/" + c.decider}
	opened.decided, opened.ended, opened.officer = e.GetIndex()+1, e.GetTime(), c.decider
	item.open, item.decided, item.clawback = 0, e.GetIndex()+1, f.GetClawback()+1
	minutes, points := item.minutes, item.points
	n.change(e, item, ledgerv1.Outcome_OUTCOME_REFUSED, f.GetEffects())
	c.completions++
	c.minutes += minutes - item.minutes
	c.points += points - item.points
	for _, change := range f.GetEffects().GetLotChanges() {
		c.reversed += change.GetReversed()
	}
	c.unrecovered += f.GetUnrecovered()
}

func (m *machine) proposeClawback(t *rapid.T) {
	draw := func(name string, of ...uint64) uint64 { return rapid.SampledFrom(append(of, 0)).Draw(t, name) }
	f := &ledgerv1.ClawbackProposed{
		Actor: &ledgerv1.Actor{Officer: "chen"}, Request: m.request("ProposeClawback"), Organization: platformB,
		Selection: &ledgerv1.ClawbackSelection{
			Course: draw("course", 100, 101), Organization: draw("platform", 1, 2), FromDay: int32(draw("from", uint64(firstDay+10))),
			ToDay: int32(draw("to", uint64(firstDay+60))), RecordedFrom: int64(draw("recorded from", 9000)),
			RecordedUntil: int64(draw("recorded until", uint64(m.time))), Before: uint64(len(m.entries)),
		},
		ReasonCode: "IMPLAUSIBLE", Reason: "why", Hold: rapid.Bool().Draw(t, "hold"),
	}
	f.HoldFuture = f.GetHold() && rapid.Bool().Draw(t, "future")
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackProposed{ClawbackProposed: f}})
}

// clawback draws one in a state.
func (m *machine) clawback(t *rapid.T, states ...string) (uint64, *naiveClawback) {
	var all []uint64
	for _, index := range slices.Sorted(maps.Keys(m.model.clawbacks)) {
		if slices.Contains(states, m.model.clawbacks[index].state) {
			all = append(all, index)
		}
	}
	if len(all) == 0 {
		t.Skip("no such clawback")
	}
	index := rapid.SampledFrom(all).Draw(t, "clawback")
	return index, m.model.clawbacks[index]
}

func (m *machine) decideClawback(t *rapid.T) {
	index, c := m.clawback(t, "PROPOSED", "HELD", "CONFIRMED", "DECLINED")
	to := map[string][]ledgerv1.ClawbackState{
		"PROPOSED":  {ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED, ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED},
		"HELD":      {ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED, ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED},
		"CONFIRMED": {ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED},
	}[c.state]
	switch {
	case c.proposed.GetHold() && c.state == "PROPOSED":
		to = append(to, ledgerv1.ClawbackState_CLAWBACK_STATE_HELD)
	case c.proposed.GetHold() && c.state == "DECLINED":
		to = append(to, ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED)
	case c.state == "DECLINED":
		t.Skip("it is over")
	}
	f := &ledgerv1.ClawbackDecided{Clawback: index, State: rapid.SampledFrom(to).Draw(t, "to")}
	if name := naiveState(f.GetState()); name == "CONFIRMED" || name == "DECLINED" {
		f.Actor, f.Request = &ledgerv1.Actor{Officer: "zhou"}, m.request("ConfirmClawback")
	} else {
		f.Unreached = rapid.Int64Range(0, 3).Draw(t, "unreached")
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackDecided{ClawbackDecided: f}})
}

// chosen draws a completion that a clawback is about.
func (m *machine) chosen(t *rapid.T, c *naiveClawback, fits func(i *naiveItem) bool) (*naiveAccount, *naiveItem) {
	return m.item(t, func(i *naiveItem) bool {
		return i.counts() && c.selects(i, m.entries[i.index].GetTime()) && fits(i)
	})
}

func (m *machine) reverse(t *rapid.T) {
	index, c := m.clawback(t, "CONFIRMED")
	a, item := m.chosen(t, c, func(i *naiveItem) bool { return i.clawback != index+1 })
	m.release(t, item)
	f := &ledgerv1.CreditsReversed{
		Account: []byte(item.account), Completion: item.ref(), Clawback: index, Effects: m.reversal(a, item),
		Causes: []string{"CLAWED_BACK"}, Risk: 4, Deadline: m.time + 9,
	}
	for _, lot := range item.lots {
		f.Unrecovered += lot.amounts[3]
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReversed{CreditsReversed: f}})
}

// hold holds a completion, has another clawback hold it, or sets it free.
func (m *machine) hold(t *rapid.T) {
	index, c := m.clawback(t, "PROPOSED", "HELD", "DECLINED", "CONFIRMED", "FINISHED", "RELEASED")
	free := c.state != "PROPOSED" && c.state != "HELD"
	if !c.proposed.GetHold() {
		t.Skip("it holds nothing")
	}
	_, item := m.chosen(t, c, func(i *naiveItem) bool { return (i.held == index+1) == free })
	f := &ledgerv1.CompletionHeld{Account: []byte(item.account), Completion: item.ref(), Clawback: index, Free: free, Effects: new(ledgerv1.Effects)}
	for _, lot := range item.lots {
		n := lot.amounts[1]
		if free {
			n = -lot.amounts[0]
		}
		if n != 0 {
			f.Effects.LotChanges = append(f.Effects.LotChanges, &ledgerv1.LotChange{
				Entry: lot.entry, Position: lot.position, Completion: item.ref(), Pending: n, Available: -n,
			})
		}
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionHeld{CompletionHeld: f}})
}

func (m *machine) checkClawbacks(t *rapid.T) {
	for index, want := range m.model.clawbacks {
		row, err := m.state.Clawback(index)
		kept := proto.CloneOf(want.proposed)
		kept.Request = nil
		if err != nil || naiveState(row.GetState()) != want.state || row.GetDecidedBy() != want.decider || !proto.Equal(row.GetFact(), kept) ||
			row.GetCompletions() != want.completions || row.GetMinutes() != want.minutes || row.GetMilliPoints() != want.points ||
			row.GetReversed() != want.reversed || row.GetUnrecovered() != want.unrecovered ||
			row.GetUnreached() != want.unreached || row.GetHeld() != want.held {
			t.Fatalf("clawback %d: %v, %v, not %+v", index, row, err, want)
		}
		held := int64(0)
		for _, a := range m.model.accounts {
			for _, item := range a.items {
				if item.held == index+1 {
					held++
				}
			}
		}
		if held != want.held {
			t.Fatalf("clawback %d holds %d completions, and says %d", index, held, want.held)
		}
	}
}

// clawbackMisfits are steps that do not lead on, and completions that are taken back, held or free out of turn.
func (m *machine) clawbackMisfits(id []byte, a *naiveAccount, all map[string]*ledgerv1.Entry) {
	decided := func(index uint64, to ledgerv1.ClawbackState) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackDecided{ClawbackDecided: &ledgerv1.ClawbackDecided{Clawback: index, State: to}}}
	}
	reversed := func(index uint64, i *naiveItem) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReversed{CreditsReversed: &ledgerv1.CreditsReversed{Account: id, Completion: i.ref(), Clawback: index}}}
	}
	held := func(index uint64, i *naiveItem, free bool) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionHeld{CompletionHeld: &ledgerv1.CompletionHeld{Account: id, Completion: i.ref(), Clawback: index, Free: free}}}
	}
	for index, c := range m.model.clawbacks {
		all["clawback to nowhere"] = decided(index, ledgerv1.ClawbackState_CLAWBACK_STATE_UNSPECIFIED)
		all["clawback proposed again"] = decided(index, ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED)
		if c.state != "CONFIRMED" {
			all["clawback finished unconfirmed"] = decided(index, ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED)
		}
		if c.state != "PROPOSED" && c.state != "HELD" {
			all["clawback confirmed twice"] = decided(index, ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED)
		}
		if c.state != "DECLINED" || !c.proposed.GetHold() {
			all["hold released undecided"] = decided(index, ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED)
		}
		for _, i := range a.items {
			selected := i.counts() && c.selects(i, m.entries[i.index].GetTime())
			undecided := c.state == "PROPOSED" || c.state == "HELD"
			if c.state != "CONFIRMED" || !selected || i.clawback == index+1 {
				all["reversed out of turn"] = reversed(index, i)
			}
			if !undecided || !c.proposed.GetHold() || !selected || i.held == index+1 {
				all["held out of turn"] = held(index, i, false)
			}
			if i.held != index+1 {
				all["free that was not held"] = held(index, i, true)
			}
		}
	}
	for _, i := range a.items {
		all["reversed by nothing"], all["held by nothing"] = reversed(1<<40, i), held(1<<40, i, false)
	}
}
