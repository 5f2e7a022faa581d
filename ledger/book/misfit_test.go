package book_test

import (
	"errors"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// misfit applies an entry that does not fit, and undoes it: it is noticed, and nothing changes.
func (m *machine) misfit(t *rapid.T) {
	m.keep(t)
	before := changes(m.state)
	for name, e := range m.misfits(t) {
		e.Index, e.Time = uint64(len(m.entries)), m.time
		if err := m.state.Apply(proto.CloneOf(e)); !errors.Is(err, book.ErrInconsistent) {
			t.Fatalf("%s: %v\n%v", name, err, e)
		}
		m.state.Undo()
	}
	if after := changes(m.state); !slices.Equal(before, after) {
		t.Fatalf("a misfit left a trace:\n%q\n%q", before, after)
	}
}

// misfits are entries that fit nothing, whatever the state is, and those that do not fit a completion that was drawn.
func (m *machine) misfits(t *rapid.T) map[string]*ledgerv1.Entry {
	nobody := m.id()
	all := map[string]*ledgerv1.Entry{
		"no fact":               {},
		"founded twice":         {Fact: &ledgerv1.Entry_BankFounded{BankFounded: &ledgerv1.BankFounded{BankId: "b"}}},
		"organization twice":    {Fact: &ledgerv1.Entry_OrganizationRegistered{OrganizationRegistered: &ledgerv1.OrganizationRegistered{Organization: platformA}}},
		"organization nowhere":  {Fact: &ledgerv1.Entry_OrganizationRegistered{OrganizationRegistered: &ledgerv1.OrganizationRegistered{Organization: "x", Parent: "y"}}},
		"submission":            {Fact: &ledgerv1.Entry_SubmissionReceived{SubmissionReceived: &ledgerv1.SubmissionReceived{Organization: "nobody"}}},
		"key revoked":           {Fact: &ledgerv1.Entry_KeyRevoked{KeyRevoked: &ledgerv1.KeyRevoked{KeyId: nobody}}},
		"officer removed":       {Fact: &ledgerv1.Entry_OfficerRemoved{OfficerRemoved: &ledgerv1.OfficerRemoved{Officer: "nobody"}}},
		"policy published":      {Fact: &ledgerv1.Entry_PolicyPublished{PolicyPublished: &ledgerv1.PolicyPublished{PolicyHash: nobody}}},
		"course decided":        {Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: &ledgerv1.CourseDecided{Course: 1}}},
		"account of no id":      {Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: make([]byte, 16)}}},
		"account of half an id": {Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: nobody[:8]}}},
		"unknown account": {Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
			Origin: &ledgerv1.Origin{Organization: platformA, StatementId: m.id()}, Account: nobody,
		}}},
		"void of an unknown account": {Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: &ledgerv1.CompletionVoided{
			Origin: &ledgerv1.Origin{Organization: platformA, StatementId: m.id()}, Account: nobody, Completion: &ledgerv1.CompletionRef{Index: 1},
		}}},
		"release on an unknown account": released(nobody, &ledgerv1.Effects{}),
		"import of nobody": {Fact: &ledgerv1.Entry_OpeningBalancesProposed{
			OpeningBalancesProposed: &ledgerv1.OpeningBalancesProposed{Organization: "nobody"},
		}},
		"confirmed unproposed": {Fact: &ledgerv1.Entry_OpeningBalancesConfirmed{
			OpeningBalancesConfirmed: &ledgerv1.OpeningBalancesConfirmed{Import: 1 << 40},
		}},
		"case of an unknown account": {Fact: &ledgerv1.Entry_CaseOpened{CaseOpened: &ledgerv1.CaseOpened{Account: nobody}}},
	}
	if len(m.model.accounts) > 0 {
		m.accountMisfits(t, all)
	}
	return all
}

func released(account []byte, effects *ledgerv1.Effects) *ledgerv1.Entry {
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReleased{CreditsReleased: &ledgerv1.CreditsReleased{Account: account, Effects: effects}}}
}

func (m *machine) accountMisfits(t *rapid.T, all map[string]*ledgerv1.Entry) {
	id, a := m.account(t)
	m.openingMisfits(id, a, all)
	m.claimMisfits(id, a, all)
	m.agreementMisfits(id, all)
	m.holdMisfits(id, a, all)
	recorded := func(change func(f *ledgerv1.CompletionRecorded)) *ledgerv1.Entry {
		f := &ledgerv1.CompletionRecorded{
			Origin: &ledgerv1.Origin{Organization: platformA, StatementId: m.id()}, Account: id, Course: 100, Category: "arts",
			EndDay: firstDay, Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Effects: new(ledgerv1.Effects),
		}
		change(f)
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: f}}
	}
	effects := func(f *ledgerv1.Effects) *ledgerv1.Entry {
		return recorded(func(r *ledgerv1.CompletionRecorded) { r.Effects = f })
	}
	lots := func(l *ledgerv1.Lot) *ledgerv1.Entry { return effects(&ledgerv1.Effects{Lots: []*ledgerv1.Lot{l}}) }
	all["account twice"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: id}}}
	all["unknown platform"] = recorded(func(f *ledgerv1.CompletionRecorded) { f.Origin.Organization = "nobody" })
	all["no statement id"] = recorded(func(f *ledgerv1.CompletionRecorded) { f.Origin.StatementId = nil })
	all["statement of zeros"] = recorded(func(f *ledgerv1.CompletionRecorded) { f.Origin.StatementId = make([]byte, 16) })
	all["unknown completion"] = released(id, &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{Completion: &ledgerv1.CompletionRef{Index: 1, EndDay: 1}}}})
	all["lot of nothing"] = lots(&ledgerv1.Lot{Category: "arts"})
	all["lot below zero"] = lots(&ledgerv1.Lot{Category: "arts", Available: 5, Pending: -1})
	all["lot beyond all"] = lots(&ledgerv1.Lot{Category: "arts", Available: math.MaxInt64, Pending: math.MaxInt64})
	all["lot that bursts the sums"] = effects(&ledgerv1.Effects{Lots: []*ledgerv1.Lot{
		{Category: "arts", Available: math.MaxInt64}, {Category: "arts", Available: math.MaxInt64}, {Category: "arts", Available: 3},
	}})
	all["lot of another category"] = lots(&ledgerv1.Lot{Category: "health", Available: 5})
	all["lot of nobody"] = released(id, &ledgerv1.Effects{Lots: []*ledgerv1.Lot{{Category: "arts", Available: 5}}})
	all["points of nobody"] = released(id, &ledgerv1.Effects{Points: []*ledgerv1.Points{{MilliPoints: 1}}})
	all["points below zero"] = effects(&ledgerv1.Effects{Points: []*ledgerv1.Points{{LapsesDay: 7, MilliPoints: -1}}})
	all["points of another"] = effects(&ledgerv1.Effects{Points: []*ledgerv1.Points{
		{LapsesDay: 7, MilliPoints: 5}, {LapsesDay: 8, MilliPoints: 5}, {LapsesDay: 7, MilliPoints: -6},
	}})
	all["points beyond all"] = effects(&ledgerv1.Effects{Points: []*ledgerv1.Points{{MilliPoints: math.MaxInt64}}})
	all["points that burst the sum"] = effects(&ledgerv1.Effects{Points: []*ledgerv1.Points{{MilliPoints: 1 << 60}, {MilliPoints: 1 << 60}}})
	all["remainder of nobody"] = released(id, &ledgerv1.Effects{Remainder: 5})
	all["session of nobody"] = released(id, &ledgerv1.Effects{Sessions: []*ledgerv1.SessionTime{{Day: 1}}})
	all["daily minutes of nobody"] = released(id, &ledgerv1.Effects{Days: []*ledgerv1.DayMinutes{{Day: 1, Minutes: 1}}})
	all["hours below zero"] = effects(&ledgerv1.Effects{Hours: []*ledgerv1.YearMinutes{{Year: 1999, Category: "arts", Minutes: -1}}})
	all["hours of another"] = effects(&ledgerv1.Effects{Hours: []*ledgerv1.YearMinutes{
		{Year: 1999, Category: "arts", Minutes: 5}, {Year: 1999, Category: "arts", Minutes: -6},
	}})
	all["usage below zero"] = effects(&ledgerv1.Effects{Usage: []*ledgerv1.CapUsage{{Key: "life", MilliCredits: -a.usage["life"] - 1}}})
	all["daily minutes below zero"] = effects(&ledgerv1.Effects{Days: []*ledgerv1.DayMinutes{{Day: 7, Rule: "x", Minutes: -1}}})
	all["session that is not there"] = effects(&ledgerv1.Effects{SessionsRemoved: []*ledgerv1.SessionTime{{Day: firstDay, Start: 3}}})
	all["replaces nothing"] = effects(&ledgerv1.Effects{Replaces: &ledgerv1.Reversal{Completion: &ledgerv1.CompletionRef{Index: 1}}})
	for _, e := range m.entries {
		if f := e.GetAccountOpened(); f != nil {
			twice := &ledgerv1.AccountOpened{Actor: f.GetActor(), Request: f.GetRequest(), Account: m.id()}
			all["request twice"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: twice}}
		}
		if f := e.GetCompletionRecorded(); f != nil {
			all["statement twice"] = recorded(func(r *ledgerv1.CompletionRecorded) { r.Origin = f.GetOrigin() })
		}
	}
	for _, item := range a.items {
		m.itemMisfits(item, all)
		break
	}
}

func (m *machine) itemMisfits(item *naiveItem, all map[string]*ledgerv1.Entry) {
	account := []byte(item.account)
	void := &ledgerv1.CompletionVoided{
		Origin: &ledgerv1.Origin{Organization: platformA, StatementId: m.id()}, Account: account, Completion: item.ref(),
	}
	if item.outcome == ledgerv1.Outcome_OUTCOME_VOIDED {
		all["void twice"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: void}}
	}
	if item.open != 0 {
		all["second case"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseOpened{CaseOpened: &ledgerv1.CaseOpened{Account: account, Completion: item.ref()}}}
	}
	all["another case"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsAwarded{CreditsAwarded: &ledgerv1.CreditsAwarded{
		Case: item.open + 7, Completion: item.ref(), Account: account,
	}}}
	if item.open == 0 {
		all["case that ended"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: &ledgerv1.CaseStepTaken{
			Case: item.index, Completion: item.ref(), Account: account,
		}}}
		// No case has this number: its successor is zero, which is how completions without a case are marked.
		all["case of no number"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsAwarded{CreditsAwarded: &ledgerv1.CreditsAwarded{
			Case: math.MaxUint64, Completion: item.ref(), Account: account,
		}}}
	}
	if item.last != 0 {
		m.stepMisfits(item, all)
	}
	elsewhere := item.ref()
	elsewhere.EndDay += 40
	all["completion in another week"] = released(account, &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{Completion: elsewhere}}})
	change := func(c *ledgerv1.LotChange) *ledgerv1.Entry {
		c.Completion = item.ref()
		return released(account, &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{c}})
	}
	all["unknown lot"] = change(&ledgerv1.LotChange{Entry: math.MaxUint64})
	for _, lot := range item.lots {
		e, p, have := lot.entry, lot.position, lot.amounts
		all["credits made"] = change(&ledgerv1.LotChange{Entry: e, Position: p, Available: 1})
		all["credits lost"] = change(&ledgerv1.LotChange{Entry: e, Position: p, Pending: -1})
		all["lot overdrawn"] = change(&ledgerv1.LotChange{Entry: e, Position: p, Available: -have[1] - 1, Expired: have[1] + 1})
		all["transferred without a hold"] = change(&ledgerv1.LotChange{Entry: e, Position: p, Transferred: 1, Available: -1})
		if have[2] > 0 {
			all["freed without an end"] = change(&ledgerv1.LotChange{Entry: e, Position: p, Reserved: -have[2], Available: have[2]})
		}
		// Four times 2^62 is nothing in 64 bits.
		all["credits out of overflow"] = change(&ledgerv1.LotChange{
			Entry: e, Position: p, Available: 1 << 62, Pending: 1 << 62, Reversed: 1 << 62, Expired: 1 << 62,
		})
	}
}

// stepMisfits are steps that lead nowhere.
func (m *machine) stepMisfits(item *naiveItem, all map[string]*ledgerv1.Entry) {
	stepped := func(change func(f *ledgerv1.CaseStepTaken)) *ledgerv1.Entry {
		f := &ledgerv1.CaseStepTaken{
			Case: item.last - 1, Completion: item.ref(), Account: []byte(item.account), Step: ledgerv1.CaseStep_CASE_STEP_RECOMMENDED,
			State: ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW,
		}
		change(f)
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: f}}
	}
	all["step of no kind"] = stepped(func(f *ledgerv1.CaseStepTaken) { f.Step = 0 })
	all["step of an unknown kind"] = stepped(func(f *ledgerv1.CaseStepTaken) { f.Step = 99 })
	all["step to nowhere"] = stepped(func(f *ledgerv1.CaseStepTaken) { f.State = 0 })
	all["step to an unknown state"] = stepped(func(f *ledgerv1.CaseStepTaken) { f.State = 99 })
	all["step that approves"] = stepped(func(f *ledgerv1.CaseStepTaken) { f.State = ledgerv1.CaseStatus_CASE_STATUS_APPROVED })
	all["effects without an outcome"] = stepped(func(f *ledgerv1.CaseStepTaken) { f.Effects = &ledgerv1.Effects{Remainder: 1} })
	switch status := m.model.cases[item.last-1].status; {
	case !naiveEnded(status):
		return
	case status != ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		all["revoked without approval"] = stepped(func(f *ledgerv1.CaseStepTaken) {
			f.Step, f.State = ledgerv1.CaseStep_CASE_STEP_REVOKED, ledgerv1.CaseStatus_CASE_STATUS_REVOKED
		})
	default:
		all["appeal against an approval"] = stepped(func(f *ledgerv1.CaseStepTaken) {
			f.Step, f.State = ledgerv1.CaseStep_CASE_STEP_APPEALED, ledgerv1.CaseStatus_CASE_STATUS_APPEALED
		})
	}
	all["step of a case that ended"] = stepped(func(*ledgerv1.CaseStepTaken) {})
}
