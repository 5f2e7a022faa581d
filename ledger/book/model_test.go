package book_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// rows are committed rows in a map.
type rows map[string][]byte

func (r rows) Row(key []byte) ([]byte, error) { return r[string(key)], nil }

// machine applies random entries to a State and to the naive model.
type machine struct {
	below   rows
	state   *book.State
	entries []*ledgerv1.Entry
	kept    int // of entries
	model   *naive
	time    int64
	serial  uint64 // of statements, requests and accounts
}

const (
	platformA, platformB = "platform-a", "platform-b"
	firstDay             = int32(20_440) // late in a week, so that sessions and completions lie in different weeks
)

func categories() []string { return []string{"arts", "health", "science"} }

func newMachine(t *rapid.T) *machine {
	m := &machine{below: make(rows), model: newNaive()}
	m.state = book.NewState(m.below)
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_BankFounded{BankFounded: &ledgerv1.BankFounded{BankId: "b", Origin: "o", Format: 1}}})
	for _, o := range []string{platformA, platformB} {
		m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationRegistered{
			OrganizationRegistered: &ledgerv1.OrganizationRegistered{Organization: o},
		}})
	}
	m.keep(t)
	return m
}

// do applies an entry that fits.
func (m *machine) do(t *rapid.T, e *ledgerv1.Entry) {
	e.Index, e.Time = uint64(len(m.entries)), m.time
	m.time += 1000
	if err := m.state.Apply(proto.CloneOf(e)); err != nil {
		t.Fatalf("a fitting entry: %v\n%v", err, e)
	}
	m.entries = append(m.entries, e)
	m.model.apply(e)
}

func (m *machine) keep(t *rapid.T) {
	if err := m.state.Keep(); err != nil {
		t.Fatal(err)
	}
	m.kept = len(m.entries)
}

// undo drops what was not kept.
func (m *machine) undo(*rapid.T) {
	m.state.Undo()
	m.entries = m.entries[:m.kept]
	m.model = naiveOf(m.entries)
}

// commit makes the changes rows, as the ledger does with every batch.
func (m *machine) commit(t *rapid.T) {
	m.keep(t)
	for key, value := range m.state.Changes {
		if value == nil {
			delete(m.below, string(key))
		} else {
			m.below[string(key)] = value
		}
	}
	// The ledger goes on with the same state; one that is opened again begins with an empty one.
	if rapid.Bool().Draw(t, "go on") {
		m.state.HandedOver()
		m.state.Committed()
		return
	}
	m.state = book.NewState(m.below)
	m.state.Limit(rapid.IntRange(1, 100).Draw(t, "limit"))
	if len(m.below) > 0 && rapid.Bool().Draw(t, "prefetch") {
		m.prefetch(t)
	}
}

// prefetch has an empty state know all rows, and weeks before and after those of each account, which nobody is asked for.
func (m *machine) prefetch(t *rapid.T) {
	keys := slices.Sorted(maps.Keys(m.below))
	outside := make(map[string]bool)
	for _, key := range keys {
		account := new(ledgerv1.AccountRow)
		if key[0] != book.TableAccounts || account.UnmarshalVT(m.below[key]) != nil {
			continue
		}
		for _, week := range []int32{account.GetFirstWeek() - 1, account.GetEndWeek()} {
			outside[string(book.WeekKey(unit.AccountID([]byte(key[1:])), week))] = true
		}
	}
	keys = append(keys, slices.Collect(maps.Keys(outside))...)
	asked := 0
	err := m.state.Prefetch(func(yield func([]byte) bool) {
		for _, key := range keys {
			if !yield([]byte(key)) {
				return
			}
		}
	}, func(keys [][]byte) (values [][]byte, err error) {
		for _, key := range keys {
			if outside[string(key)] {
				t.Fatalf("asked for %x, where no week of its account lies", key)
			}
			values = append(values, m.below[string(key)])
		}
		asked += len(keys)
		return values, nil
	})
	if err != nil || asked != len(m.below) {
		t.Fatalf("asked for %d of %d rows, %v", asked, len(m.below), err)
	}
	for key := range outside {
		if !m.state.Knows([]byte(key)) {
			t.Fatalf("%x is not known not to be there", key)
		}
	}
}

func (m *machine) id() []byte {
	m.serial++
	id := make([]byte, 16)
	id[0], id[6], id[8] = 1, 0x70, 0x80 // a UUID of version 7
	binary.BigEndian.PutUint32(id[12:], uint32(m.serial))
	return id
}

func (m *machine) request(method string) *ledgerv1.Request {
	return &ledgerv1.Request{Method: method, RequestId: m.id(), Hash: make([]byte, 32)}
}

func (m *machine) openAccount(t *rapid.T) {
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{
		Actor: &ledgerv1.Actor{Officer: "registrar"}, Request: m.request("OpenAccount"),
		Account: m.id(), Home: platformA, Status: ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED,
	}}})
}

// account draws one that is open.
func (m *machine) account(t *rapid.T) ([]byte, *naiveAccount) {
	var open []string
	for _, id := range slices.Sorted(maps.Keys(m.model.accounts)) {
		if m.model.accounts[id].mergedInto == "" {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		t.Skip("no account")
	}
	id := rapid.SampledFrom(open).Draw(t, "account")
	return []byte(id), m.model.accounts[id]
}

// item draws a completion of an account.
func (m *machine) item(t *rapid.T, fits func(*naiveItem) bool) (*naiveAccount, *naiveItem) {
	_, a := m.account(t)
	var items []*naiveItem
	for _, index := range slices.Sorted(maps.Keys(a.items)) {
		if fits(a.items[index]) {
			items = append(items, a.items[index])
		}
	}
	if len(items) == 0 {
		t.Skip("no such completion")
	}
	return a, rapid.SampledFrom(items).Draw(t, "completion")
}

func (m *machine) origin(t *rapid.T) *ledgerv1.Origin {
	return &ledgerv1.Origin{
		Organization: rapid.SampledFrom([]string{platformA, platformB}).Draw(t, "platform"), StatementId: m.id(),
	}
}

// gain draws what a completion adds to an account.
func gain(t *rapid.T, a *naiveAccount, course uint64, category string, endDay int32) *ledgerv1.Effects {
	f := new(ledgerv1.Effects)
	minutes := rapid.Int64Range(1, 500)
	for year := range int32(rapid.IntRange(0, 2).Draw(t, "years")) {
		f.Hours = append(f.Hours, &ledgerv1.YearMinutes{Year: 2025 + year, Category: category, Minutes: minutes.Draw(t, "minutes")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "lots") {
		lot := &ledgerv1.Lot{
			Category: category, Available: rapid.Int64Range(0, 900).Draw(t, "available"), Pending: rapid.Int64Range(0, 300).Draw(t, "pending"),
			ExpiresDay: rapid.SampledFrom([]int32{0, endDay + 700}).Draw(t, "expires"),
		}
		if lot.GetAvailable()+lot.GetPending() == 0 {
			lot.Pending = 1
		}
		f.Lots = append(f.Lots, lot)
		if n := lot.GetAvailable(); n > 0 {
			f.Usage = append(f.Usage, &ledgerv1.CapUsage{Key: rapid.SampledFrom([]string{"year/2026", "life"}).Draw(t, "cap"), MilliCredits: n})
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "points") {
		f.Points = append(f.Points, &ledgerv1.Points{
			LapsesDay: rapid.SampledFrom([]int32{0, 20454, 20819}).Draw(t, "lapses"), MilliPoints: rapid.Int64Range(1, 2000).Draw(t, "milli-points"),
		})
	}
	f.Remainder = rapid.Int64Range(-a.remainders[course], 80).Draw(t, "remainder")
	if rapid.Bool().Draw(t, "daily") {
		f.Days = append(f.Days, &ledgerv1.DayMinutes{Day: endDay - 1, Rule: "online", Minutes: minutes.Draw(t, "minutes")})
	}
	return f
}

func (m *machine) record(t *rapid.T) {
	id, a := m.account(t)
	course := rapid.Uint64Range(100, 102).Draw(t, "course")
	fact := &ledgerv1.CompletionRecorded{
		Origin: m.origin(t), Account: id, Course: course, Category: categories()[course-100],
		EndDay: firstDay + rapid.Int32Range(0, 70).Draw(t, "day"), Effects: new(ledgerv1.Effects),
		Outcome: rapid.SampledFrom([]ledgerv1.Outcome{
			ledgerv1.Outcome_OUTCOME_AWARDED, ledgerv1.Outcome_OUTCOME_AWARDED, ledgerv1.Outcome_OUTCOME_IN_REVIEW,
			ledgerv1.Outcome_OUTCOME_NO_CREDIT, ledgerv1.Outcome_OUTCOME_DUPLICATE,
		}).Draw(t, "outcome"),
	}
	switch fact.GetOutcome() {
	case ledgerv1.Outcome_OUTCOME_AWARDED:
		fact.Effects = gain(t, a, course, fact.GetCategory(), fact.GetEndDay())
		m.standFor(t, a, fact)
	case ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		gained := gain(t, a, course, fact.GetCategory(), fact.GetEndDay())
		fact.Effects = &ledgerv1.Effects{Hours: gained.GetHours(), Points: gained.GetPoints()}
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		fact.Causes, fact.Risk = []string{"posted-late"}, rapid.Uint32Range(1, 5).Draw(t, "risk")
		fact.Due = rapid.SampledFrom([]int64{0, m.time + 7}).Draw(t, "due")
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "sessions") {
		fact.Effects.Sessions = append(fact.Effects.Sessions, &ledgerv1.SessionTime{
			Day: fact.GetEndDay() - int32(i), Start: int64(fact.GetEndDay()-int32(i))*1440 + 600, Length: 90,
		})
	}
	fact.Crowds = rapid.SliceOfNDistinct(rapid.Uint64Range(1, 3), 0, 2, rapid.ID).Draw(t, "crowds")
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: fact}})
}

// standFor has a completion take the place of another one, or of nobody, in an equivalence group.
func (m *machine) standFor(t *rapid.T, a *naiveAccount, fact *ledgerv1.CompletionRecorded) {
	if !rapid.Bool().Draw(t, "grouped") {
		return
	}
	group := rapid.SampledFrom([]string{"first-aid", "swimming"}).Draw(t, "group")
	fact.Effects.Group = &ledgerv1.GroupChange{
		Group: group, Completion: &ledgerv1.CompletionRef{Index: uint64(len(m.entries)), EndDay: fact.GetEndDay()},
	}
	for _, g := range a.groups {
		prior := a.items[g.GetCompletion().GetIndex()]
		if g.GetGroup() != group || prior.outcome == ledgerv1.Outcome_OUTCOME_DUPLICATE || prior.course == fact.GetCourse() || m.onHold(prior) {
			continue
		}
		back := a.takeBack(prior)
		fact.Effects.Replaces = &ledgerv1.Reversal{
			Completion: prior.ref(), Hours: back.GetHours(), Usage: back.GetUsage(), Days: back.GetDays(), Remainder: back.GetRemainder(),
			Points: back.GetPoints(),
		}
		fact.Effects.LotChanges = prior.reversed()
	}
}

func (m *machine) void(t *rapid.T) {
	a, item := m.item(t, func(i *naiveItem) bool { return i.kind == 0 && i.outcome != ledgerv1.Outcome_OUTCOME_VOIDED })
	m.release(t, item)
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: &ledgerv1.CompletionVoided{
		Origin: m.origin(t), Account: []byte(item.account), Completion: item.ref(), Effects: m.reversal(a, item),
	}}})
}

func (m *machine) reversal(a *naiveAccount, item *naiveItem) *ledgerv1.Effects {
	f := a.takeBack(item)
	f.LotChanges, f.SessionsRemoved = item.reversed(), slices.Clone(item.sessionsPut)
	for _, g := range a.groups {
		if g.GetCompletion().GetIndex() == item.index {
			f.Group = &ledgerv1.GroupChange{Group: g.GetGroup()}
		}
	}
	return f
}

func (m *machine) openCase(t *rapid.T) {
	_, item := m.item(t, func(i *naiveItem) bool { return i.kind == 0 && i.open == 0 })
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseOpened{CaseOpened: &ledgerv1.CaseOpened{
		Account: []byte(item.account), Completion: item.ref(), Causes: []string{"KEY_COMPROMISED"}, Risk: 5,
		Due: rapid.SampledFrom([]int64{0, m.time + 7}).Draw(t, "due"),
	}}})
}

// award approves an open case, as an officer or as the bank when a notice has ended.
func (m *machine) award(t *rapid.T) {
	a, item := m.item(t, func(i *naiveItem) bool { return i.open != 0 })
	fact := &ledgerv1.CreditsAwarded{
		Case: item.open - 1, Completion: item.ref(),
		Account: []byte(item.account), Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Effects: gain(t, a, item.course, item.category, item.endDay),
	}
	if rapid.Bool().Draw(t, "by an officer") {
		fact.Actor, fact.Request = &ledgerv1.Actor{Officer: "chen"}, m.request("DecideCase")
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsAwarded{CreditsAwarded: fact}})
}

func (m *machine) take(t *rapid.T, item *naiveItem, of uint64, step ledgerv1.CaseStep, state ledgerv1.CaseStatus, change func(f *ledgerv1.CaseStepTaken)) {
	fact := &ledgerv1.CaseStepTaken{
		Actor: &ledgerv1.Actor{Officer: rapid.SampledFrom([]string{"chen", "zhou"}).Draw(t, "officer")}, Request: m.request("DecideCase"),
		Case: of, Completion: item.ref(), Account: []byte(item.account), Step: step, State: state,
	}
	if rapid.Bool().Draw(t, "until") {
		fact.Deadline = m.time + rapid.Int64Range(1, 9).Draw(t, "deadline")
	}
	if rapid.Bool().Draw(t, "due") {
		fact.Due = m.time + rapid.Int64Range(1, 9).Draw(t, "due")
	}
	if change != nil {
		change(fact)
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: fact}})
}

// step takes a case further without an end.
func (m *machine) step(t *rapid.T) {
	_, item := m.item(t, func(i *naiveItem) bool { return i.open != 0 })
	step := ledgerv1.CaseStep(rapid.Int32Range(int32(ledgerv1.CaseStep_CASE_STEP_TAKEN), int32(ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED)).Draw(t, "step"))
	state := ledgerv1.CaseStatus(rapid.Int32Range(int32(ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW), int32(ledgerv1.CaseStatus_CASE_STATUS_APPEALED)).Draw(t, "state"))
	m.take(t, item, item.open-1, step, state, func(f *ledgerv1.CaseStepTaken) {
		switch step {
		case ledgerv1.CaseStep_CASE_STEP_TAKEN:
			f.LeaseUntil = m.time + 5
		case ledgerv1.CaseStep_CASE_STEP_RESUBMITTED, ledgerv1.CaseStep_CASE_STEP_OBJECTED:
			f.Actor = &ledgerv1.Actor{Resident: true}
		case ledgerv1.CaseStep_CASE_STEP_EVIDENCE_LAPSED:
			f.Actor, f.Request = nil, nil
		}
	})
}

func (m *machine) refuse(t *rapid.T) {
	a, item := m.item(t, func(i *naiveItem) bool { return i.open != 0 })
	m.release(t, item)
	step, state := ledgerv1.CaseStep_CASE_STEP_REJECTED, ledgerv1.CaseStatus_CASE_STATUS_REJECTED
	outcome := ledgerv1.Outcome_OUTCOME_REFUSED
	if rapid.Bool().Draw(t, "withdrawn") {
		step, state, outcome = ledgerv1.CaseStep_CASE_STEP_WITHDRAWN, ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN, ledgerv1.Outcome_OUTCOME_WITHDRAWN
	}
	m.take(t, item, item.open-1, step, state, func(f *ledgerv1.CaseStepTaken) {
		f.Outcome, f.Effects = outcome, m.reversal(a, item)
	})
}

// reopen has a learner appeal, or an officer revoke.
func (m *machine) reopen(t *rapid.T) {
	again := func(i *naiveItem) bool {
		return i.open == 0 && i.last != 0 && m.model.cases[i.last-1].status != ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN
	}
	a, item := m.item(t, again)
	m.release(t, item)
	if m.model.cases[item.last-1].status == ledgerv1.CaseStatus_CASE_STATUS_APPROVED {
		m.take(t, item, item.last-1, ledgerv1.CaseStep_CASE_STEP_REVOKED, ledgerv1.CaseStatus_CASE_STATUS_REVOKED, func(f *ledgerv1.CaseStepTaken) {
			f.Outcome, f.Effects = ledgerv1.Outcome_OUTCOME_REFUSED, m.reversal(a, item)
		})
		return
	}
	m.take(t, item, item.last-1, ledgerv1.CaseStep_CASE_STEP_APPEALED, ledgerv1.CaseStatus_CASE_STATUS_APPEALED, func(f *ledgerv1.CaseStepTaken) {
		f.Actor = &ledgerv1.Actor{Resident: true}
		f.Outcome, f.Effects = ledgerv1.Outcome_OUTCOME_IN_REVIEW, m.reversal(a, item)
	})
}

// move takes credits of a lot from one state to another, without a hold.
func (m *machine) move(t *rapid.T) {
	from := rapid.IntRange(0, 1).Draw(t, "from")
	_, item := m.item(t, func(i *naiveItem) bool {
		return slices.ContainsFunc(i.lots, func(l *naiveLot) bool { return l.amounts[from] > 0 })
	})
	i := slices.IndexFunc(item.lots, func(l *naiveLot) bool { return l.amounts[from] > 0 })
	lot := item.lots[i]
	var delta amounts
	n := rapid.Int64Range(1, lot.amounts[from]).Draw(t, "credits")
	delta[from] -= n
	delta[rapid.SampledFrom([]int{0, 1, 4, 5}).Draw(t, "to")] += n
	effects := &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{
		Entry: lot.entry, Position: lot.position, Completion: item.ref(), Pending: delta[0], Available: delta[1],
		Reserved: delta[2], Transferred: delta[3], Expired: delta[4], Reversed: delta[5],
	}}}
	if delta[4] > 0 {
		m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsExpired{CreditsExpired: &ledgerv1.CreditsExpired{
			Account: []byte(item.account), Effects: effects,
		}}})
		return
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsReleased{CreditsReleased: &ledgerv1.CreditsReleased{
		Account: []byte(item.account), Effects: effects,
	}}})
}

// undoWhole applies a few steps and undoes them: nothing of them is left.
func (m *machine) undoWhole(t *rapid.T) {
	m.keep(t)
	before := changes(m.state)
	for range rapid.IntRange(1, 3).Draw(t, "steps") {
		if len(m.model.accounts) == 0 {
			m.openAccount(t)
			continue
		}
		rapid.SampledFrom([]func(*rapid.T){m.record, m.openAccount}).Draw(t, "step")(t)
	}
	m.undo(t)
	if after := changes(m.state); !slices.Equal(before, after) {
		t.Fatalf("Undo left a trace:\n%q\n%q", before, after)
	}
}

// change is a row that changed.
func changes(s *book.State) []string {
	var all []string
	for key, value := range s.Changes {
		all = append(all, fmt.Sprintf("%x=%x,%t", key, value, value == nil))
	}
	return all
}

func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"open account": m.openAccount, "record": m.record, "record again": m.record, "and again": m.record, "void": m.void,
			"open case": m.openCase, "award": m.award, "refuse": m.refuse, "step": m.step, "another step": m.step, "reopen": m.reopen, "move": m.move,
			"import": m.proposeImport, "confirm": m.confirmImport, "take over": m.takeOver, "take back": m.takeBack, "claim": m.claim,
			"place hold": m.placeHold, "place another": m.placeHold, "post hold": m.postHold, "void hold": m.voidHold, "lapse": m.lapseHold,
			"merge":             m.merge,
			"publish agreement": m.publishAgreement, "end agreement": m.endAgreement, "grant consent": m.grantConsent, "withdraw consent": m.withdrawConsent,
			"propose clawback": m.proposeClawback, "decide clawback": m.decideClawback, "reverse": m.reverse, "hold": m.hold,
			"misfit": m.misfit, "keep": m.keep, "undo": m.undo, "undo whole": m.undoWhole, "commit": m.commit,
			"": func(t *rapid.T) { m.check(t) },
		})
		m.replay(t)
	})
}

// replay applies the kept entries to an empty state: the rows are the same.
func (m *machine) replay(t *rapid.T) {
	m.commit(t)
	m.checkLists(t)
	again := book.NewState(make(rows))
	for _, e := range m.entries {
		if err := errors.Join(again.Apply(e), again.Keep()); err != nil {
			t.Fatal(err)
		}
	}
	replayed := make(rows)
	for key, value := range again.Changes {
		if value != nil {
			replayed[string(key)] = value
		}
	}
	for key, value := range m.below {
		if other, ok := replayed[key]; !ok || !book.SameRow(key[0], value, other) {
			t.Fatalf("row %x is not the same when replayed", key)
		}
	}
	if len(replayed) != len(m.below) {
		t.Fatalf("replayed to %d rows, not %d", len(replayed), len(m.below))
	}
}

// check compares all that the state says with the model.
func (m *machine) check(t *rapid.T) {
	if version, err := m.state.Directory(); err != nil || version != m.model.directory {
		t.Fatalf("directory %d, %v, not %d", version, err, m.model.directory)
	}
	for id, a := range m.model.accounts {
		m.checkAccount(t, unit.AccountID([]byte(id)), a)
	}
	for s, want := range m.model.statements {
		if index, ok, err := m.state.Statement(s.organization, unit.StatementID([]byte(s.id))); err != nil || !ok || index != want {
			t.Fatalf("statement: entry %d, %t, %v, not %d", index, ok, err, want)
		}
	}
	for id, want := range m.model.imports {
		row, err := m.state.Import(id)
		if err != nil || row.GetFact().GetOrganization() != want.organization || row.GetFact().GetSource() != want.source ||
			row.GetConfirmedPlusOne() != want.confirmed || row.GetConfirmedBy() != want.by {
			t.Fatalf("import %d: %v, %v, not %+v", id, row, err, want)
		}
	}
	m.checkAgreed(t)
	m.checkClawbacks(t)
	for id, want := range m.model.cases {
		m.checkCase(t, id, want)
	}
	for id, want := range m.model.merges {
		row, err := m.state.Merge(id)
		if err != nil || row.GetStatus() != want.status || row.GetLeft() != want.left || row.GetChangedIndex() != want.changed {
			t.Fatalf("merge %d: %v, %v, not %+v", id, row, err, want)
		}
	}
	for organization, marked := range m.model.feeds {
		for index := range uint64(len(m.entries)) {
			row, err := m.state.Row(book.FeedKey(organization, index/256))
			if err != nil {
				t.Fatal(err)
			}
			if got := row != nil && row[index%256/8]&(1<<(index%8)) != 0; got != marked[index] {
				t.Fatalf("entry %d in the feed of %d: %t, not %t", index, organization, got, marked[index])
			}
		}
	}
	for key := range uint64(4) {
		if row, err := m.state.Crowd(key); err != nil || !slices.Equal(row.GetCompletions(), m.model.crowds[key]) {
			t.Fatalf("crowd %d: %v, %v, not %v", key, row, err, m.model.crowds[key])
		}
	}
	for _, e := range m.entries {
		if f := e.GetAccountOpened(); f != nil {
			row, err := m.state.Request(book.Caller(f.GetActor()), f.GetRequest().GetMethod(), f.GetRequest().GetRequestId())
			if err != nil || row.GetIndex() != e.GetIndex() || !bytes.Equal(row.GetHash(), f.GetRequest().GetHash()) {
				t.Fatalf("request of entry %d: %v, %v", e.GetIndex(), row, err)
			}
		}
	}
}

func (m *machine) checkCase(t *rapid.T, id uint64, want *naiveCase) {
	c, err := m.state.Case(id)
	var reviewers []string
	for _, r := range c.GetReviewers() {
		reviewers = append(reviewers, r.GetStage().String()+"/"+r.GetOfficer())
	}
	if err != nil || c.GetStatus() != want.status || string(c.GetAccount()) != want.account || c.GetCompletion().GetIndex() != want.completion ||
		c.GetCourse() != want.course || c.GetRisk() != want.risk || !slices.Equal(c.GetCauses(), want.causes) || c.GetTime() != want.opened ||
		c.GetDecidedPlusOne() != want.decided || c.GetDecidedTime() != want.ended || c.GetOfficer() != want.officer ||
		c.GetStatusTime() != want.since || c.GetDeadline() != want.deadline || c.GetDue() != want.due || c.GetHolder() != want.holder ||
		c.GetLeaseUntil() != want.lease || c.GetNoticeUntil() != want.notice || !slices.Equal(reviewers, want.reviewers) ||
		!slices.Equal(c.GetSteps(), want.steps) || c.GetChangedIndex() != want.changed || c.GetReturns() != want.returns ||
		c.GetObjections() != want.objections || c.GetAppeals() != want.appeals || c.GetOrganization() != want.organization ||
		c.GetFiledBy() != want.filedBy || c.GetClawbackPlusOne() != want.clawback {
		t.Fatalf("case %d: %v, %v, not %+v", id, c, err, want)
	}
	for _, key := range want.rows(id) {
		row, err := m.state.Row([]byte(key))
		if err != nil || row == nil {
			t.Fatalf("case %d, which is %s, has no row %x: %v", id, want.status, key, err)
		}
		if course, opened, ok := book.ParseQueueValue(row); key[0] == book.TableQueue && (!ok || course != want.course || opened != want.opened) {
			t.Fatalf("case %d is in the queue with %x", id, row)
		}
	}
}

// checkLists finds no other rows of cases and holds than those of the model, in what is committed.
func (m *machine) checkLists(t *rapid.T) {
	wanted := 0
	for id, c := range m.model.cases {
		wanted += len(c.rows(id))
	}
	for id, h := range m.model.holds {
		wanted += len(h.rows(id))
	}
	for id, a := range m.model.accounts {
		wanted += len(a.merged(id, m.model.holds))
	}
	for key := range m.below {
		switch key[0] {
		case book.TableQueue, book.TableCaseTimes, book.TableHeld, book.TableTransfers, book.TableTransferLists, book.TableHoldTimes:
			wanted--
		}
	}
	if wanted != 0 {
		t.Fatalf("%d rows are missing by which cases and holds are found (below zero: too many)", wanted)
	}
}

func (m *machine) checkAccount(t *rapid.T, id unit.AccountID, want *naiveAccount) {
	a, err := m.state.Account(id)
	if err != nil || a.GetOpenedIndex() != want.opened || a.GetStatus() != want.status || a.GetHome() != want.home ||
		a.GetCompletions() != want.completions || a.GetOpeningBalances() != want.openings || a.GetClaims() != want.claims ||
		string(a.GetMergedInto()) != want.mergedInto || a.GetMergePlusOne() != want.merge || a.GetMoving() != want.moving {
		t.Fatalf("account %v, %v, not %+v", a, err, want)
	}
	// The sums, each with its conservation.
	credits, minutes, issued := make(map[string]amounts), make(map[string]int64), make(map[string]int64)
	for _, s := range a.GetSums() {
		sum := amounts{s.GetPending(), s.GetAvailable(), s.GetReserved(), s.GetTransferred(), s.GetExpired(), s.GetReversed()}
		if sum.total() != s.GetIssued() || slices.Min(sum[:]) < 0 {
			t.Fatalf("category %s: issued is not the sum of its parts: %v", s.GetCategory(), s)
		}
		credits[s.GetCategory()], minutes[s.GetCategory()], issued[s.GetCategory()] = sum, s.GetMinutes(), s.GetIssued()
	}
	for _, category := range categories() {
		if wanted := want.credits[category]; wanted != nil && credits[category] != *wanted || wanted == nil && credits[category] != (amounts{}) ||
			minutes[category] != want.minutes[category] || issued[category] != want.issued[category] {
			t.Fatalf("category %s: %v, %d minutes, %d issued; not %v, %d, %d", category,
				credits[category], minutes[category], issued[category], wanted, want.minutes[category], want.issued[category])
		}
	}
	hours := make(map[naiveYear]int64)
	for _, h := range a.GetHours() {
		hours[naiveYear{h.GetYear(), h.GetCategory()}] += h.GetMinutes()
	}
	usage, remainders := make(map[string]int64), make(map[uint64]int64)
	for _, u := range a.GetUsage() {
		usage[u.GetKey()] += u.GetMilliCredits()
	}
	for _, r := range a.GetRemainders() {
		remainders[r.GetCourse()] += r.GetMinutes()
	}
	if !maps.Equal(hours, want.hours) || !maps.Equal(usage, want.usage) || !maps.Equal(remainders, want.remainders) {
		t.Fatalf("hours %v, usage %v, remainders %v; not %v, %v, %v", hours, usage, remainders, want.hours, want.usage, want.remainders)
	}
	points, given := make(map[int32]int64), int64(0)
	for _, p := range a.GetPoints() {
		points[p.GetLapsesDay()] += p.GetMilliPoints()
		given -= p.GetMilliPoints()
	}
	for _, item := range want.items {
		given += item.points
	}
	if !maps.Equal(points, want.points) || given != 0 || len(points) != len(a.GetPoints()) {
		t.Fatalf("points %v, not %v; the completions have %d more", a.GetPoints(), want.points, given)
	}
	if !slices.EqualFunc(a.GetGroups(), want.groups, func(x, y *ledgerv1.GroupChange) bool { return proto.Equal(x, y) }) {
		t.Fatalf("groups %v, not %v", a.GetGroups(), want.groups)
	}
	var deadlines []string
	for _, item := range want.items {
		if item.open == 0 {
			continue
		}
		c := m.model.cases[item.open-1]
		if c.account != string(id[:]) {
			continue // it went with its item
		}
		ends := c.status == ledgerv1.CaseStatus_CASE_STATUS_RETURNED || c.status == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
		if ends && c.deadline != 0 {
			deadlines = append(deadlines, fmt.Sprintf("%08d until %d", item.open-1, c.deadline))
		}
	}
	slices.Sort(deadlines)
	var got []string
	for _, d := range a.GetDeadlines() {
		got = append(got, fmt.Sprintf("%08d until %d", d.GetCase(), d.GetTime()))
	}
	if !slices.Equal(got, deadlines) {
		t.Fatalf("deadlines %v, not %v", got, deadlines)
	}
	m.checkItems(t, id, a, want)
	m.checkHolds(t, id, a, want)
}

// checkItems compares weeks, completions, lots and days.
func (m *machine) checkItems(t *rapid.T, id unit.AccountID, a *ledgerv1.AccountRow, want *naiveAccount) {
	var pending, expiring []string
	sums := make(map[string]amounts)
	for _, index := range slices.Sorted(maps.Keys(want.items)) {
		w := want.items[index]
		item, err := m.state.Completion(id, w.ref())
		if err != nil || item.GetChangedIndex() != w.changed || item.GetOrganization() != w.organization || item.GetCourse() != w.course ||
			item.GetCategory() != w.category || item.GetOutcome() != w.outcome || item.GetSource() != w.source || item.GetKind() != w.kind || item.GetMinutes() != w.minutes || item.GetMilliPoints() != w.points || item.GetEndDay() != w.endDay ||
			item.GetCasePlusOne() != w.open || item.GetLastCasePlusOne() != w.last || item.GetDecidedPlusOne() != w.decided || item.GetMovedPlusOne() != w.moved || item.GetClawbackPlusOne() != w.clawback || item.GetHeldPlusOne() != w.held || !slices.Equal(item.GetEffectsIn(), w.effectsIn) ||
			len(item.GetLots()) != len(w.lots) {
			t.Fatalf("completion %v, %v, not %+v", item, err, w)
		}
		for i, l := range item.GetLots() {
			lot := w.lots[i]
			got := amounts{l.GetPending(), l.GetAvailable(), l.GetReserved(), l.GetTransferred(), l.GetExpired(), l.GetReversed()}
			if got != lot.amounts || got.total() != lot.issued || slices.Min(got[:]) < 0 || l.GetEntry() != lot.entry ||
				l.GetPosition() != lot.position || l.GetExpiresDay() != lot.expires {
				t.Fatalf("lot %v, not %+v", l, lot)
			}
			sum := sums[w.category]
			sum.add(got)
			sums[w.category] = sum
			name := fmt.Sprintf("%08d/%d of %d", lot.entry, lot.position, w.index)
			if got[0] > 0 {
				pending = append(pending, name)
			}
			if lot.expires != 0 && got[0]+got[1] > 0 {
				expiring = append(expiring, name)
			}
		}
	}
	for category, sum := range want.credits {
		if sums[category] != *sum {
			t.Fatalf("the lots of category %s add up to %v, the category to %v", category, sums[category], *sum)
		}
	}
	slices.Sort(pending)
	slices.Sort(expiring)
	if !slices.Equal(lotNames(a.GetPending()), pending) || !slices.Equal(lotNames(a.GetExpiring()), expiring) {
		t.Fatalf("pending %v, expiring %v, not %v, %v", lotNames(a.GetPending()), lotNames(a.GetExpiring()), pending, expiring)
	}
	m.checkDays(t, id, want)
}

func lotNames(refs []*ledgerv1.LotRef) []string {
	var names []string
	for _, r := range refs {
		names = append(names, fmt.Sprintf("%08d/%d of %d", r.GetEntry(), r.GetPosition(), r.GetCompletion().GetIndex()))
	}
	return names
}

func (m *machine) checkDays(t *rapid.T, id unit.AccountID, want *naiveAccount) {
	var keys [][]byte
	for key := range m.below {
		if bytes.HasPrefix([]byte(key), book.WeeksPrefix(id)) {
			keys = append(keys, []byte(key))
		}
	}
	sessions, days, items := 0, make(map[naiveDay]int64), 0
	weeks := m.state.Weeks(id, keys)
	account, err := m.state.Account(id)
	if err != nil {
		t.Fatal(err)
	}
	if span := [2]int32{account.GetFirstWeek(), account.GetEndWeek()}; len(weeks) == 0 && span != [2]int32{} ||
		len(weeks) > 0 && span != [2]int32{weeks[0], weeks[len(weeks)-1] + 1} {
		t.Fatalf("the weeks %v lie between %v", weeks, span)
	}
	for _, number := range weeks {
		week, err := m.state.Week(id, number)
		if err != nil {
			t.Fatal(err)
		}
		items += len(week.GetItems())
		for _, day := range week.GetDays() {
			if book.WeekOf(day.GetDay()) != number {
				t.Fatalf("day %d lies in week %d", day.GetDay(), number)
			}
			sessions += len(day.GetSessions())
			for _, d := range day.GetMinutes() {
				days[naiveDay{day.GetDay(), d.GetRule()}] += d.GetMinutes()
			}
			for _, s := range day.GetSessions() {
				if !slices.ContainsFunc(want.sessions[day.GetDay()], func(w *ledgerv1.DaySession) bool { return proto.Equal(s, w) }) {
					t.Fatalf("session %v is not the model's", s)
				}
			}
		}
	}
	wanted := 0
	for _, day := range want.sessions {
		wanted += len(day)
	}
	if sessions != wanted || items != len(want.items) || !maps.Equal(days, want.days) {
		t.Fatalf("weeks %v hold %d sessions, %d completions, days %v; not %d, %d, %v", weeks, sessions, items, days, wanted, len(want.items), want.days)
	}
}
