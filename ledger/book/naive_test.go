package book_test

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// naive is the state as ledger/FORMAT.md tells it, in plain maps and without a thought of speed. It takes nothing from the
// package under test; entries that do not fit are not its business.
type naive struct {
	organizations map[string]uint64
	accounts      map[string]*naiveAccount
	statements    map[naiveStatement]uint64
	cases         map[uint64]*naiveCase
	feeds         map[uint64]map[uint64]bool // organization → entries
	requests      map[string]uint64          // caller, method and id → entry
	crowds        map[uint64][]uint64        // key → entries
	imports       map[uint64]*naiveImport
	holds         map[uint64]*naiveHold
	merges        map[uint64]*naiveMerge
	consents      map[uint64]*naiveConsent
	agreements    map[string]*naiveAgreement // by hash
	clawbacks     map[uint64]*naiveClawback
	directory     uint64
}

type (
	naiveStatement struct {
		organization uint64
		id           string
	}
	naiveYear struct {
		year     int32
		category string
	}
	naiveDay struct {
		day  int32
		rule string
	}
)

// amounts are pending, available, reserved, transferred, expired and reversed, in this order.
type amounts [6]int64

func (a *amounts) add(b amounts) {
	for i := range a {
		a[i] += b[i]
	}
}

func (a *amounts) total() (sum int64) {
	for _, n := range a {
		sum += n
	}
	return sum
}

type naiveImport struct {
	organization, source string
	confirmed            uint64 // plus one
	by                   string
}

type naiveClawback struct {
	proposed                     *ledgerv1.ClawbackProposed
	state                        string
	proposer, decider            string
	completions, minutes, points int64
	reversed, unrecovered        int64
	unreached, held              int64
}

type naiveAccount struct {
	opened      uint64
	status      ledgerv1.AccountStatus
	home        string
	completions int64
	openings    int64
	claims      int64
	mergedInto  string
	merge       uint64 // plus one
	moving      bool
	minutes     map[string]int64 // by category
	credits     map[string]*amounts
	issued      map[string]int64
	hours       map[naiveYear]int64
	usage       map[string]int64
	remainders  map[uint64]int64
	points      map[int32]int64 // by the day on which they lapse
	groups      []*ledgerv1.GroupChange
	items       map[uint64]*naiveItem
	transfers   []uint64 // posted, in their order
	sessions    map[int32][]*ledgerv1.DaySession
	days        map[naiveDay]int64
}

type naiveItem struct {
	account              string
	source               string // of an opening balance
	kind                 ledgerv1.ItemKind
	index, changed       uint64
	organization, course uint64
	category             string
	outcome              ledgerv1.Outcome
	endDay               int32
	minutes, points      int64
	lots                 []*naiveLot
	open, decided, last  uint64 // plus one
	moved                uint64 // plus one
	clawback, held       uint64 // plus one
	effectsIn            []uint64
	contributed          *ledgerv1.Effects // everything it contributes, but for the lots; merged
	sessionsPut          []*ledgerv1.SessionTime
}

func (i *naiveItem) ref() *ledgerv1.CompletionRef {
	return &ledgerv1.CompletionRef{Index: i.index, EndDay: i.endDay}
}

type naiveLot struct {
	entry    uint64
	position uint32
	issued   int64
	expires  int32
	amounts  amounts
	// was is the lot that came over as this one, where institutions had something of its item.
	was *naiveLot
}

type naiveCase struct {
	status              ledgerv1.CaseStatus
	account             string
	completion, course  uint64
	organization        uint64 // that decides on a claim
	filedBy             string
	causes              []string
	risk                uint32
	opened, since       int64
	decided             uint64 // plus one
	ended               int64
	officer             string
	deadline, due       int64
	holder              string
	lease, notice       int64
	reviewers           []string // stage/officer
	steps               []uint64
	changed             uint64
	returns, objections uint32
	appeals             uint32
	clawback            uint64 // plus one
}

func newNaive() *naive {
	return &naive{
		organizations: make(map[string]uint64), accounts: make(map[string]*naiveAccount),
		statements: make(map[naiveStatement]uint64), cases: make(map[uint64]*naiveCase),
		feeds: make(map[uint64]map[uint64]bool), requests: make(map[string]uint64), crowds: make(map[uint64][]uint64),
		imports: make(map[uint64]*naiveImport), holds: make(map[uint64]*naiveHold), merges: make(map[uint64]*naiveMerge),
		consents: make(map[uint64]*naiveConsent), agreements: make(map[string]*naiveAgreement),
		clawbacks: make(map[uint64]*naiveClawback),
	}
}

// naiveOf is the state after entries.
func naiveOf(entries []*ledgerv1.Entry) *naive {
	n := newNaive()
	for _, e := range entries {
		n.apply(e)
	}
	return n
}

func (n *naive) apply(e *ledgerv1.Entry) {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_OrganizationRegistered:
		n.organizations[fact.OrganizationRegistered.GetOrganization()] = e.GetIndex()
		n.directory = e.GetIndex() + 1
	case *ledgerv1.Entry_AccountOpened:
		n.accounts[string(fact.AccountOpened.GetAccount())] = &naiveAccount{
			opened: e.GetIndex(), status: fact.AccountOpened.GetStatus(), home: fact.AccountOpened.GetHome(),
			minutes: make(map[string]int64), credits: make(map[string]*amounts), issued: make(map[string]int64),
			hours: make(map[naiveYear]int64), usage: make(map[string]int64), remainders: make(map[uint64]int64), points: make(map[int32]int64),
			items: make(map[uint64]*naiveItem), sessions: make(map[int32][]*ledgerv1.DaySession), days: make(map[naiveDay]int64),
		}
		n.requested(e, fact.AccountOpened.GetActor(), fact.AccountOpened.GetRequest())
	case *ledgerv1.Entry_CompletionRecorded:
		n.recorded(e, fact.CompletionRecorded)
	case *ledgerv1.Entry_CompletionVoided:
		f := fact.CompletionVoided
		n.stated(e, f.GetOrigin())
		item := n.item(f.GetAccount(), f.GetCompletion())
		if item.open != 0 {
			n.cases[item.open-1].step(e, nil, ledgerv1.CaseStep_CASE_STEP_WITHDRAWN, &ledgerv1.CaseStepTaken{
				State: ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN,
			})
			item.open = 0
		}
		n.change(e, item, ledgerv1.Outcome_OUTCOME_VOIDED, f.GetEffects())
	case *ledgerv1.Entry_CaseOpened:
		f := fact.CaseOpened
		item := n.item(f.GetAccount(), f.GetCompletion())
		n.open(e, item, f.GetCauses(), f.GetRisk(), f.GetDue())
		item.changed = e.GetIndex()
		n.markItem(item, e.GetIndex())
	case *ledgerv1.Entry_CreditsAwarded:
		f := fact.CreditsAwarded
		n.step(e, f.GetActor(), f.GetRequest(), &ledgerv1.CaseStepTaken{
			Case: f.GetCase(), Completion: f.GetCompletion(), Account: f.GetAccount(), Outcome: f.GetOutcome(), Effects: f.GetEffects(),
			State: ledgerv1.CaseStatus_CASE_STATUS_APPROVED,
		})
	case *ledgerv1.Entry_CaseStepTaken:
		n.step(e, fact.CaseStepTaken.GetActor(), fact.CaseStepTaken.GetRequest(), fact.CaseStepTaken)
	case *ledgerv1.Entry_AgreementPublished, *ledgerv1.Entry_AgreementEnded, *ledgerv1.Entry_ConsentGranted, *ledgerv1.Entry_ConsentWithdrawn:
		n.agreed(e)
	case *ledgerv1.Entry_OpeningBalancesProposed:
		f := fact.OpeningBalancesProposed
		n.imports[e.GetIndex()] = &naiveImport{organization: f.GetOrganization(), source: f.GetSource()}
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_OpeningBalancesConfirmed:
		f := fact.OpeningBalancesConfirmed
		n.imports[f.GetImport()].confirmed, n.imports[f.GetImport()].by = e.GetIndex()+1, f.GetActor().GetOfficer()
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		f := fact.OpeningBalanceRecorded
		n.statements[naiveStatement{0, string(f.GetOrigin().GetSourceId())}] = e.GetIndex()
		a := n.accounts[string(f.GetAccount())]
		item := &naiveItem{
			account: string(f.GetAccount()), index: e.GetIndex(), source: f.GetSource(), category: f.GetCategory(), endDay: f.GetEarnedDay(),
			kind:         ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE,
			organization: n.organizations[n.imports[f.GetOrigin().GetImport()].organization], contributed: new(ledgerv1.Effects),
		}
		a.items[e.GetIndex()] = item
		a.openings++
		n.change(e, item, ledgerv1.Outcome_OUTCOME_AWARDED, f.GetEffects())
	case *ledgerv1.Entry_OpeningBalanceReversed:
		f := fact.OpeningBalanceReversed
		n.statements[naiveStatement{0, string(f.GetOrigin().GetSourceId())}] = e.GetIndex()
		n.change(e, n.item(f.GetAccount(), f.GetBalance()), ledgerv1.Outcome_OUTCOME_VOIDED, f.GetEffects())
	case *ledgerv1.Entry_ClaimFiled:
		f := fact.ClaimFiled
		a := n.accounts[string(f.GetAccount())]
		item := &naiveItem{
			account: string(f.GetAccount()), index: e.GetIndex(), kind: ledgerv1.ItemKind_ITEM_KIND_CLAIM, category: f.GetCategory(),
			endDay: f.GetEndDay(), organization: n.organizations[f.GetOrganization()], contributed: new(ledgerv1.Effects),
		}
		a.items[e.GetIndex()] = item
		a.claims++
		n.open(e, item, f.GetCauses(), f.GetRisk(), f.GetDue())
		n.cases[e.GetIndex()].organization, n.cases[e.GetIndex()].filedBy = item.organization, f.GetActor().GetOfficer()
		n.change(e, item, ledgerv1.Outcome_OUTCOME_IN_REVIEW, nil)
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_HoldPlaced:
		n.placeHold(e, fact.HoldPlaced)
	case *ledgerv1.Entry_HoldPosted:
		n.endHold(e, fact.HoldPosted.GetHold(), "POSTED", fact.HoldPosted.GetEffects()).taken = fact.HoldPosted.GetTaken()
		n.requested(e, fact.HoldPosted.GetActor(), fact.HoldPosted.GetRequest())
	case *ledgerv1.Entry_HoldVoided:
		f := fact.HoldVoided
		n.endHold(e, f.GetHold(), f.GetCause().String()[len("HOLD_VOID_"):], f.GetEffects())
		n.requested(e, f.GetActor(), f.GetRequest())
	case *ledgerv1.Entry_HoldExpired:
		n.endHold(e, fact.HoldExpired.GetHold(), "EXPIRED", fact.HoldExpired.GetEffects())
	case *ledgerv1.Entry_AccountMergeProposed, *ledgerv1.Entry_AccountMergeStepTaken, *ledgerv1.Entry_AccountsMerged,
		*ledgerv1.Entry_ItemMoved, *ledgerv1.Entry_AccountsUnmerged, *ledgerv1.Entry_ItemReturned:
		n.mergeChanged(e)
	case *ledgerv1.Entry_ClawbackProposed, *ledgerv1.Entry_ClawbackDecided, *ledgerv1.Entry_CreditsReversed, *ledgerv1.Entry_CompletionHeld:
		n.clawback(e)
	case *ledgerv1.Entry_CreditsReleased:
		n.effects(e, n.accounts[string(fact.CreditsReleased.GetAccount())], nil, fact.CreditsReleased.GetEffects())
	case *ledgerv1.Entry_CreditsExpired:
		n.effects(e, n.accounts[string(fact.CreditsExpired.GetAccount())], nil, fact.CreditsExpired.GetEffects())
	}
}

func (n *naive) requested(e *ledgerv1.Entry, actor *ledgerv1.Actor, request *ledgerv1.Request) {
	if request != nil {
		n.requests[actor.GetOfficer()+"/"+request.GetMethod()+"/"+string(request.GetRequestId())] = e.GetIndex()
	}
}

func (n *naive) stated(e *ledgerv1.Entry, o *ledgerv1.Origin) {
	n.statements[naiveStatement{n.organizations[o.GetOrganization()], string(o.GetStatementId())}] = e.GetIndex()
}

func (n *naive) markItem(item *naiveItem, index uint64) {
	if item.kind == 0 {
		n.mark(item.organization, index)
	}
}

func (n *naive) mark(organization, index uint64) {
	if n.feeds[organization] == nil {
		n.feeds[organization] = make(map[uint64]bool)
	}
	n.feeds[organization][index] = true
}

func (n *naive) item(account []byte, ref *ledgerv1.CompletionRef) *naiveItem {
	return n.accounts[string(account)].items[ref.GetIndex()]
}

func (n *naive) recorded(e *ledgerv1.Entry, f *ledgerv1.CompletionRecorded) {
	n.stated(e, f.GetOrigin())
	a := n.accounts[string(f.GetAccount())]
	item := &naiveItem{
		account: string(f.GetAccount()), index: e.GetIndex(), organization: n.organizations[f.GetOrigin().GetOrganization()],
		course: f.GetCourse(), category: f.GetCategory(), endDay: f.GetEndDay(), contributed: new(ledgerv1.Effects),
	}
	a.items[e.GetIndex()] = item
	a.completions++
	if f.GetOutcome() == ledgerv1.Outcome_OUTCOME_IN_REVIEW {
		n.open(e, item, f.GetCauses(), f.GetRisk(), f.GetDue())
	}
	for _, crowd := range f.GetCrowds() {
		n.crowds[crowd] = append(n.crowds[crowd], e.GetIndex())
	}
	n.change(e, item, f.GetOutcome(), f.GetEffects())
}

func naiveEnded(status ledgerv1.CaseStatus) bool {
	return slices.Contains([]string{"APPROVED", "REJECTED", "WITHDRAWN", "REVOKED"}, status.String()[len("CASE_STATUS_"):])
}

func (n *naive) step(e *ledgerv1.Entry, actor *ledgerv1.Actor, request *ledgerv1.Request, f *ledgerv1.CaseStepTaken) {
	item, c := n.item(f.GetAccount(), f.GetCompletion()), n.cases[f.GetCase()]
	c.step(e, actor, f.GetStep(), f)
	item.open = f.GetCase() + 1
	if naiveEnded(f.GetState()) {
		item.open = 0
		if f.GetState() != ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN {
			item.decided = e.GetIndex() + 1
		}
	}
	if f.GetOutcome() != 0 {
		n.change(e, item, f.GetOutcome(), f.GetEffects())
	} else if f.GetStep() != ledgerv1.CaseStep_CASE_STEP_TAKEN && f.GetStep() != ledgerv1.CaseStep_CASE_STEP_RELEASED {
		item.changed = e.GetIndex()
		n.markItem(item, e.GetIndex())
	}
	n.requested(e, actor, request)
}

func (c *naiveCase) step(e *ledgerv1.Entry, actor *ledgerv1.Actor, kind ledgerv1.CaseStep, f *ledgerv1.CaseStepTaken) {
	judging := []string{
		"UNSPECIFIED", "REJECTED", "HOURS_ONLY", "RECOMMENDED", "RECOMMENDED_REJECTION", "RECOMMENDED_HOURS_ONLY", "PUBLISHED",
		"OBJECTION_DISMISSED", "REVOKED",
	}
	if name := kind.String()[len("CASE_STEP_"):]; actor.GetOfficer() != "" && slices.Contains(judging, name) {
		stage := c.status
		if c.status == ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED {
			stage = ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW
		}
		c.reviewers = append(c.reviewers, stage.String()+"/"+actor.GetOfficer())
	}
	if c.status != f.GetState() {
		c.status, c.since = f.GetState(), e.GetTime()
	}
	c.deadline, c.due, c.holder, c.lease, c.changed = f.GetDeadline(), f.GetDue(), "", 0, e.GetIndex()
	switch kind {
	case ledgerv1.CaseStep_CASE_STEP_TAKEN:
		c.holder, c.lease = actor.GetOfficer(), f.GetLeaseUntil()
	case ledgerv1.CaseStep_CASE_STEP_RETURNED:
		c.returns++
	case ledgerv1.CaseStep_CASE_STEP_OBJECTED:
		c.objections++
	case ledgerv1.CaseStep_CASE_STEP_APPEALED:
		c.appeals++
	}
	if kind != ledgerv1.CaseStep_CASE_STEP_TAKEN && kind != ledgerv1.CaseStep_CASE_STEP_RELEASED {
		c.steps = append(c.steps, e.GetIndex())
	}
	if c.status == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE {
		c.notice = c.deadline
	}
	c.decided, c.ended, c.officer = 0, 0, ""
	if naiveEnded(c.status) {
		c.decided, c.ended, c.officer = e.GetIndex()+1, e.GetTime(), actor.GetOfficer()
	}
}

// rows are the keys by which a case is found.
func (c *naiveCase) rows(index uint64) []string {
	number := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
	keys := []string{"\x0e" + string([]byte{byte(c.status), byte(255 - c.risk)}) + number(index)}
	ends := c.status == ledgerv1.CaseStatus_CASE_STATUS_RETURNED || c.status == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
	if ends && c.deadline != 0 {
		keys = append(keys, "\x12\x01"+number(uint64(c.deadline))+number(index))
	}
	if !naiveEnded(c.status) && c.due != 0 {
		keys = append(keys, "\x12\x02"+number(uint64(c.due))+number(index))
	}
	if c.holder != "" {
		keys = append(keys, "\x13"+c.holder+"\x00"+number(index))
	}
	return keys
}

func (n *naive) open(e *ledgerv1.Entry, item *naiveItem, causes []string, risk uint32, due int64) {
	n.cases[e.GetIndex()] = &naiveCase{
		status: ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED, account: item.account, completion: item.index, course: item.course,
		causes: causes, risk: risk, due: due, opened: e.GetTime(), since: e.GetTime(), changed: e.GetIndex(),
	}
	item.open, item.last = e.GetIndex()+1, e.GetIndex()+1
}

func (n *naive) change(e *ledgerv1.Entry, item *naiveItem, outcome ledgerv1.Outcome, effects *ledgerv1.Effects) {
	item.outcome, item.changed = outcome, e.GetIndex()
	if item.held != 0 && slices.Contains([]string{"OUTCOME_VOIDED", "OUTCOME_REFUSED", "OUTCOME_WITHDRAWN"}, outcome.String()) {
		n.clawbacks[item.held-1].held--
		item.held = 0
	}
	if item.index != e.GetIndex() {
		item.effectsIn = append(item.effectsIn, e.GetIndex())
	}
	n.markItem(item, e.GetIndex())
	if outcome != ledgerv1.Outcome_OUTCOME_AWARDED {
		n.tell(e, item)
	}
	n.effects(e, n.accounts[item.account], item, effects)
}

func (n *naive) note(e *ledgerv1.Entry, item *naiveItem) {
	if item.changed != e.GetIndex() {
		item.changed = e.GetIndex()
		item.effectsIn = append(item.effectsIn, e.GetIndex())
		n.markItem(item, e.GetIndex())
	}
}

func (n *naive) effects(e *ledgerv1.Entry, a *naiveAccount, item *naiveItem, f *ledgerv1.Effects) {
	a.addHours(item, f.GetHours())
	for position, lot := range f.GetLots() {
		fresh := &naiveLot{
			entry: e.GetIndex(), position: uint32(position), issued: lot.GetPending() + lot.GetAvailable(),
			expires: lot.GetExpiresDay(), amounts: amounts{lot.GetPending(), lot.GetAvailable()},
		}
		item.lots = append(item.lots, fresh)
		a.issued[item.category] += fresh.issued
		a.category(item.category).add(fresh.amounts)
	}
	for _, c := range f.GetLotChanges() {
		of := a.items[c.GetCompletion().GetIndex()]
		for _, lot := range of.lots {
			if lot.entry == c.GetEntry() && lot.position == c.GetPosition() {
				delta := amounts{c.GetPending(), c.GetAvailable(), c.GetReserved(), c.GetTransferred(), c.GetExpired(), c.GetReversed()}
				lot.amounts.add(delta)
				a.category(of.category).add(delta)
			}
		}
		n.note(e, of)
	}
	a.addUsage(item, f.GetUsage())
	if item != nil {
		a.addRemainder(item, f.GetRemainder())
		a.addPoints(item, f.GetPoints())
	}
	if g := f.GetGroup(); g != nil {
		a.groups = slices.DeleteFunc(a.groups, func(o *ledgerv1.GroupChange) bool { return o.GetGroup() == g.GetGroup() })
		if g.GetCompletion() != nil {
			a.groups = append(a.groups, g)
		}
	}
	if r := f.GetReplaces(); r != nil {
		prior := a.items[r.GetCompletion().GetIndex()]
		prior.outcome = ledgerv1.Outcome_OUTCOME_DUPLICATE
		n.tell(e, prior)
		a.addHours(prior, r.GetHours())
		a.addUsage(prior, r.GetUsage())
		a.addDays(prior, r.GetDays())
		a.addRemainder(prior, r.GetRemainder())
		a.addPoints(prior, r.GetPoints())
		n.note(e, prior)
	}
	for _, s := range f.GetSessions() {
		a.sessions[s.GetDay()] = append(a.sessions[s.GetDay()], &ledgerv1.DaySession{
			Completion: item.index, Organization: item.organization, Start: s.GetStart(), Length: s.GetLength(),
		})
		item.sessionsPut = append(item.sessionsPut, s)
	}
	for _, s := range f.GetSessionsRemoved() {
		day := a.sessions[s.GetDay()]
		i := slices.IndexFunc(day, func(d *ledgerv1.DaySession) bool {
			return d.GetCompletion() == item.index && d.GetStart() == s.GetStart()
		})
		a.sessions[s.GetDay()] = slices.Delete(day, i, i+1)
		item.sessionsPut = slices.DeleteFunc(item.sessionsPut, func(p *ledgerv1.SessionTime) bool { return proto.Equal(p, s) })
	}
	a.addDays(item, f.GetDays())
}

func (a *naiveAccount) category(category string) *amounts {
	if a.credits[category] == nil {
		a.credits[category] = new(amounts)
	}
	return a.credits[category]
}

func (a *naiveAccount) addHours(item *naiveItem, hours []*ledgerv1.YearMinutes) {
	for _, h := range hours {
		a.minutes[h.GetCategory()] += h.GetMinutes()
		a.hours[naiveYear{h.GetYear(), h.GetCategory()}] += h.GetMinutes()
		if item != nil {
			item.minutes += h.GetMinutes()
			item.contributed.Hours = append(item.contributed.Hours, h)
		}
	}
}

func (a *naiveAccount) addUsage(item *naiveItem, usage []*ledgerv1.CapUsage) {
	for _, u := range usage {
		if a.usage[u.GetKey()] += u.GetMilliCredits(); a.usage[u.GetKey()] == 0 {
			delete(a.usage, u.GetKey())
		}
		if item != nil {
			item.contributed.Usage = append(item.contributed.Usage, u)
		}
	}
}

func (a *naiveAccount) addDays(item *naiveItem, days []*ledgerv1.DayMinutes) {
	for _, d := range days {
		a.days[naiveDay{d.GetDay(), d.GetRule()}] += d.GetMinutes()
		item.contributed.Days = append(item.contributed.Days, d)
	}
}

func (a *naiveAccount) addRemainder(item *naiveItem, minutes int64) {
	if a.remainders[item.course] += minutes; a.remainders[item.course] == 0 {
		delete(a.remainders, item.course)
	}
	item.contributed.Remainder += minutes
}

func (a *naiveAccount) addPoints(item *naiveItem, points []*ledgerv1.Points) {
	for _, p := range points {
		if a.points[p.GetLapsesDay()] += p.GetMilliPoints(); a.points[p.GetLapsesDay()] == 0 {
			delete(a.points, p.GetLapsesDay())
		}
		item.points += p.GetMilliPoints()
		item.contributed.Points = append(item.contributed.Points, p)
	}
}

// takeBack is what undoes all that an item contributes, the remainder as far as it is there.
func (a *naiveAccount) takeBack(item *naiveItem) *ledgerv1.Effects {
	back := new(ledgerv1.Effects)
	hours, usage, days := make(map[naiveYear]int64), make(map[string]int64), make(map[naiveDay]int64)
	for _, h := range item.contributed.GetHours() {
		hours[naiveYear{h.GetYear(), h.GetCategory()}] -= h.GetMinutes()
	}
	for _, u := range item.contributed.GetUsage() {
		usage[u.GetKey()] -= u.GetMilliCredits()
	}
	for _, d := range item.contributed.GetDays() {
		days[naiveDay{d.GetDay(), d.GetRule()}] -= d.GetMinutes()
	}
	for _, k := range slices.SortedFunc(maps.Keys(hours), func(x, y naiveYear) int { return int(x.year - y.year) }) {
		back.Hours = append(back.Hours, &ledgerv1.YearMinutes{Year: k.year, Category: k.category, Minutes: hours[k]})
	}
	for _, k := range slices.Sorted(maps.Keys(usage)) {
		back.Usage = append(back.Usage, &ledgerv1.CapUsage{Key: k, MilliCredits: usage[k]})
	}
	for _, k := range slices.SortedFunc(maps.Keys(days), func(x, y naiveDay) int {
		return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(x.rule, y.rule))
	}) {
		back.Days = append(back.Days, &ledgerv1.DayMinutes{Day: k.day, Rule: k.rule, Minutes: days[k]})
	}
	points := make(map[int32]int64)
	for _, p := range item.contributed.GetPoints() {
		points[p.GetLapsesDay()] -= p.GetMilliPoints()
	}
	for _, day := range slices.Sorted(maps.Keys(points)) {
		back.Points = append(back.Points, &ledgerv1.Points{LapsesDay: day, MilliPoints: points[day]})
	}
	back.Remainder = max(-item.contributed.GetRemainder(), -a.remainders[item.course])
	return back
}

// reversed are the changes that reverse what is unused of an item's lots.
func (i *naiveItem) reversed() []*ledgerv1.LotChange {
	var changes []*ledgerv1.LotChange
	for _, lot := range i.lots {
		if pending, available := lot.amounts[0], lot.amounts[1]; pending+available > 0 {
			changes = append(changes, &ledgerv1.LotChange{
				Entry: lot.entry, Position: lot.position, Completion: i.ref(),
				Pending: -pending, Available: -available, Reversed: pending + available,
			})
		}
	}
	return changes
}
