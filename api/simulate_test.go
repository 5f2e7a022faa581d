package api_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// simulate runs a simulation as an officer of the district.
func (b *bank) simulate(s api.Simulation) api.SimulationResult {
	b.t.Helper()
	before := b.size()
	result, err := b.SimulatePolicy(ctx(), b.Officer(apitest.Officer), s, func(api.SimulationProgress) error { return nil })
	must(b.t, err)
	if b.size() != before || result.LogSize != before {
		b.t.Errorf("the log had %d entries, has %d, and the simulation saw %d", before, b.size(), result.LogSize)
	}
	checkSums(b.t, result)
	return result
}

// checkSums compares the parts of a result with its sums.
func checkSums(t testing.TB, r api.SimulationResult) {
	t.Helper()
	var sum api.SimulationChange
	for _, c := range r.Categories {
		sum.Before = added(sum.Before, c.Before)
		sum.After = added(sum.After, c.After)
	}
	completions := int64(0)
	for _, o := range r.Outcomes {
		completions += o.Completions
	}
	if sum != r.SimulationChange || completions != r.Completions || r.Judged+r.KeptDecided+r.KeptErased != r.Completions || r.ByDraft > r.Judged {
		t.Errorf("the parts do not add up: %+v", r)
	}
}

func added(a, b api.SimulationTotals) api.SimulationTotals {
	return api.SimulationTotals{Minutes: a.Minutes + b.Minutes, Available: a.Available + b.Available, Pending: a.Pending + b.Pending}
}

// A simulation knows no transfers: what institutions hold and took is no loss by the rules.
func TestSimulationIgnoresTransfers(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l, other := a.learner(), a.learner()
	spent := a.requests(l, university, socialWork)
	_, err := a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{RequestID: a.RequestID(), Hold: spent.Hold}, false)
	must(t, err)
	a.requests(other, university, socialWork)
	r := a.simulate(api.Simulation{Hash: a.Policy})
	if r.Before != r.After || r.Gaining+r.Losing != 0 || r.Before.Available == 0 {
		t.Errorf("the policy in force would change something: %+v", r.SimulationChange)
	}
}

// What institutions took expires in a simulation as it would have without them: on the days of the policy, which begin before those
// of UTC.
func TestSimulationExpiresTransfers(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	p := a.publish(beishanPolicy(t, "1", "2024-03-30", twoMonths))
	l, other := a.Open(), a.Open()
	a.learns(l)
	a.accepts(a.requests(l, university, socialWork))
	var held []unit.Credits
	for day := a.Clock.Now().Truncate(24 * time.Hour).Add(20 * time.Hour); len(held) < 62; day = day.AddDate(0, 0, 1) {
		a.Clock.Advance(day.Sub(a.Clock.Now()))
		a.one(a.learned(other, apitest.Smartphone, 1, 90))
		r := a.simulate(api.Simulation{Hash: p.Hash})
		if r.Before != r.After || r.Gaining+r.Losing != 0 {
			t.Errorf("on %s the policy in force would change something: %+v", day, r.SimulationChange)
		}
		held = append(held, r.Before.Available)
	}
	if slices.IsSorted(held) {
		t.Errorf("nothing expired: %v", held)
	}
}

// simulateSame tries the policy that is in force: nothing changes by it.
func (m *machine) simulateSame(t *rapid.T) {
	r := m.simulate(api.Simulation{Hash: m.Policy})
	if r.Before != r.After || r.Gaining+r.Losing != 0 || r.CasesBefore != r.CasesAfter {
		t.Fatalf("the policy in force would change something: %+v", r)
	}
	for _, c := range r.Categories {
		if c.Before != c.After {
			t.Fatalf("category %+v", c)
		}
	}
	for _, o := range r.Outcomes {
		if o.Before != o.After {
			t.Fatalf("outcomes %+v", o)
		}
	}
	for _, c := range r.Causes {
		if c.Before != c.After {
			t.Fatalf("causes %+v", c)
		}
	}
}

// drafts are policies that differ from the one in force.
func drafts(t testing.TB) map[string][]byte {
	t.Helper()
	change := func(pairs ...string) []byte {
		return draft(t, pairs...)
	}
	return map[string][]byte{
		"ratio": change("minutes_per_credit: 900", "minutes_per_credit: 450", "minutes_per_credit: 720", "minutes_per_credit: 1440"),
		"caps":  change("milli_credits: 24000", "milli_credits: 1000", "milli_credits: 60000", "milli_credits: 2500"),
		"first": change("KEEP_BEST_SCORE", "KEEP_FIRST", "risk: 2", "risk: 4", "tolerance_minutes: 10", "tolerance_minutes: 0"),
		"short": change("requirements:", "validity:\n  - id: soon\n    when: mode != \"online\"\n    months: 2\n    words: { zh: 短, en: short }\nrequirements:"),
		"fails": change("\nreview:", "\nreview:\n  - id: odd\n    when: 100 / (level - 3) > 1000\n    risk: 1\n    words: { zh: 奇, en: odd }"),
	}
}

// draft is the policy in force with some of its text replaced.
func draft(t testing.TB, pairs ...string) []byte {
	t.Helper()
	changed := string(apitest.PolicyYAML(t))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(changed, pairs[i]) {
			t.Fatalf("the policy has no %q", pairs[i])
		}
		changed = strings.ReplaceAll(changed, pairs[i], pairs[i+1])
	}
	return []byte(strings.Replace(changed, `version: "2026.1"`, `version: "draft"`, 1))
}

// every counts every completion.
func every(*ledgerv1.CompletionItem) bool { return true }

// diary notes what platforms do, so that it can be done again in another bank.
type diary struct {
	machine
	pages []page
}

type page struct {
	at         time.Time
	platform   string
	statements []*statementv1.Statement
}

func (d *diary) write(p page) {
	p.at = d.Clock.Now()
	d.pages = append(d.pages, p)
}

func (d *diary) post(t *rapid.T) {
	p := page{platform: rapid.SampledFrom([]string{apitest.Platform, apitest.OtherPlatform}).Draw(t, "platform")}
	for range rapid.IntRange(1, 4).Draw(t, "statements") {
		p.statements = append(p.statements, d.draw(t))
	}
	d.write(p)
	for i, r := range d.bank.post(p.platform, p.statements...) {
		d.posted = append(d.posted, sent{p.platform, p.statements[i], r.Index})
	}
}

func (d *diary) void(t *rapid.T) {
	if len(d.posted) == 0 {
		t.Skip("nothing was posted")
	}
	i := rapid.IntRange(0, len(d.posted)-1).Draw(t, "posted")
	p := page{platform: d.posted[i].platform, statements: []*statementv1.Statement{d.Void(d.posted[i].statement.GetId())}}
	d.write(p)
	d.bank.post(p.platform, p.statements...)
	d.posted = slices.Delete(d.posted, i, i+1)
}

func (d *diary) wait(t *rapid.T) {
	d.Clock.Advance(time.Duration(rapid.IntRange(1, 100).Draw(t, "days")) * 24 * time.Hour)
}

// again does everything in a bank with another policy, and answers it with its accounts.
func (d *diary) again(yaml []byte) (*bank, []api.Account) {
	b := newBankWith(d.t, apitest.Options{Policy: yaml})
	var accounts []api.Account
	numbers := make(map[string]string)
	for _, a := range d.accounts {
		accounts = append(accounts, b.Open())
		numbers[string(a.Number)] = string(accounts[len(accounts)-1].Number)
	}
	for _, p := range d.pages {
		b.Clock.Advance(p.at.Sub(b.Clock.Now()))
		statements := make([]*statementv1.Statement, len(p.statements))
		for i, s := range p.statements {
			statements[i] = proto.CloneOf(s)
			if c := statements[i].GetCompletion(); c != nil {
				c.AccountNumber = numbers[c.GetAccountNumber()]
			}
		}
		for _, r := range b.post(p.platform, statements...) {
			if r.Status != api.Recorded {
				d.t.Fatalf("posted again: %v", r.Fault)
			}
		}
	}
	return b, accounts
}

// What a simulation says is what a bank comes to in which the draft was published in the beginning, and everything posted again.
func TestSimulationIsWhatRepublishingGives(t *testing.T) {
	t.Parallel()
	all := drafts(t)
	names := slices.Sorted(maps.Keys(all))
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > 8 && !testing.Verbose() {
			return // two banks cost 40 ms: -v asks for all
		}
		d := &diary{machine: machine{acceptors: &acceptors{bank: newBank(t)}}}
		for range 3 {
			d.accounts = append(d.accounts, d.Open())
		}
		rt.Repeat(map[string]func(*rapid.T){"post": d.post, "post more": d.post, "and more": d.post, "void": d.void, "wait": d.wait})
		d.post(rt) // now: a simulation ends at the time of the newest entry
		name := rapid.SampledFrom(names).Draw(rt, "draft")
		fresh, accounts := d.again(all[name])
		same := func(id unit.AccountID) unit.AccountID {
			return accounts[slices.IndexFunc(d.accounts, func(a api.Account) bool { return a.ID == id })].ID
		}
		simulated := d.simulate(api.Simulation{YAML: all[name], Top: 100})
		for _, b := range []*bank{d.bank, fresh} {
			_, err := b.Sweep(ctx())
			must(t, err)
		}
		itself := func(id unit.AccountID) unit.AccountID { return id }
		wrong := append(d.Sums(every).CheckSimulation(simulated, false, itself), fresh.Sums(every).CheckSimulation(simulated, true, same)...)
		for _, w := range wrong {
			t.Errorf("%s: %s", name, w)
		}
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// learners opens accounts that learned something in two schools.
func learners(b *bank, people int) []api.Account {
	b.t.Helper()
	accounts := make([]api.Account, people)
	for i := range accounts {
		accounts[i] = b.Open()
		b.post(apitest.Platform,
			b.learned(accounts[i], apitest.Calligraphy, 3, 360), b.learned(accounts[i], apitest.Calligraphy, 40, 720),
			b.learned(accounts[i], apitest.Smartphone, 5, 720))
	}
	return accounts
}

// doubled is a draft in which learning in class gives twice the credits.
func doubled(t testing.TB) []byte {
	t.Helper()
	return draft(t, "minutes_per_credit: 720", "minutes_per_credit: 360")
}

func TestSimulationCountsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	accounts := learners(b, 3)
	yaml := doubled(t)
	for name, c := range map[string]struct {
		s           api.Simulation
		completions int64
		before      api.SimulationTotals
	}{
		"all":          {api.Simulation{}, 9, api.SimulationTotals{Minutes: 5400, Available: 7500}},
		"a school":     {api.Simulation{Organization: apitest.Beishan}, 6, api.SimulationTotals{Minutes: 3240, Available: 4500}},
		"a period":     {api.Simulation{From: "2026-06-01"}, 6, api.SimulationTotals{Minutes: 3240, Available: 4500}},
		"before it":    {api.Simulation{To: "2026-05-31"}, 3, api.SimulationTotals{Minutes: 2160, Available: 3000}},
		"a day":        {api.Simulation{From: "2026-06-12", To: "2026-06-12"}, 3, api.SimulationTotals{Minutes: 1080, Available: 1500}},
		"nothing":      {api.Simulation{Organization: apitest.Sandun}, 0, api.SimulationTotals{}},
		"two bounds":   {api.Simulation{Organization: apitest.Cuiyuan, From: "2026-06-10"}, 3, api.SimulationTotals{Minutes: 2160, Available: 3000}},
		"one is named": {api.Simulation{Top: 1}, 9, api.SimulationTotals{Minutes: 5400, Available: 7500}},
	} {
		c.s.YAML = yaml
		r := b.simulate(c.s)
		after := c.before
		after.Available *= 2
		if r.Completions != c.completions || r.Before != c.before || r.After != after || r.Losing != 0 || r.Same != 0 {
			t.Errorf("%s: %+v", name, r)
		}
		named := 3
		switch {
		case c.completions == 0:
			named = 0
		case c.s.Top == 1:
			named = 1
		}
		if len(r.Gainers) != named || len(r.Losers) != 0 {
			t.Errorf("%s: %d accounts are named", name, len(r.Gainers))
		}
		for _, a := range r.Gainers {
			if !slices.ContainsFunc(accounts, func(x api.Account) bool { return x.ID == a.Account }) {
				t.Errorf("%s: %s is nobody", name, a.Account)
			}
		}
	}
	// An officer of one school sees what is learned there.
	street := draft(t, "minutes_per_credit: 720", "minutes_per_credit: 360", "organization: xihu-cc", "organization: "+apitest.Beishan)
	r, err := b.SimulatePolicy(ctx(), b.Officer(apitest.StreetOfficer), api.Simulation{YAML: street}, ignore)
	must(t, err)
	if r.Completions != 6 || r.ByDraft != 6 || r.After.Available != 9000 {
		t.Errorf("the street: %+v", r)
	}
	// The district's own learning is judged by the draft of the school only where the school provides it.
	r = b.simulate(api.Simulation{YAML: street})
	if r.Completions != 9 || r.Judged != 9 || r.ByDraft != 6 || r.After.Available != 9000+3000 {
		t.Errorf("the district under the street's draft: %+v", r)
	}
}

func ignore(api.SimulationProgress) error { return nil }

func TestSimulationOfADraftForLater(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	learners(b, 1)
	later := []byte(strings.Replace(string(doubled(t)), `effective_from: "2024-03-30"`, `effective_from: "2027-01-01"`, 1))
	proposed, err := b.ProposePolicy(ctx(), b.Officer(apitest.Officer), b.RequestID(), later)
	must(t, err)
	if r := b.simulate(api.Simulation{Hash: proposed.Hash}); r.ByDraft != 0 || r.Before != r.After || r.Judged != 3 {
		t.Errorf("nobody has learned anything yet when the draft begins: %+v", r)
	}
	if r := b.simulate(api.Simulation{Hash: proposed.Hash, AnyDay: true}); r.ByDraft != 3 || r.After.Available != 2*r.Before.Available ||
		string(r.PolicyHash) != string(proposed.Hash) {
		t.Errorf("on any day: %+v", r)
	}
	// In force for some days, it judges the learning of these days.
	some := []byte(strings.Replace(string(doubled(t)), `effective_from: "2024-03-30"`, "effective_from: \"2026-05-01\"\neffective_until: \"2026-05-31\"", 1))
	if r := b.simulate(api.Simulation{YAML: some}); r.ByDraft != 1 || r.After.Available != r.Before.Available+1000 {
		t.Errorf("for a month: %+v", r)
	}
}

// What officers decided, and what people learned who were forgotten, stays.
func TestSimulationKeeps(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	late, gone := b.Open(), b.Open()
	b.post(apitest.Platform, b.learned(late, apitest.Calligraphy, 100, 720), b.learned(late, apitest.Calligraphy, 99, 720),
		b.learned(late, apitest.Calligraphy, 98, 720), b.learned(late, apitest.Calligraphy, 97, 720), b.learned(gone, apitest.Calligraphy, 3, 720),
		b.learned(gone, apitest.Calligraphy, 101, 720))
	cases := b.cases()
	if len(cases) != 5 {
		t.Fatalf("%d cases", len(cases))
	}
	b.decide(cases[0].ID, api.VerdictApprove)
	b.decide(cases[1].ID, api.VerdictHoursOnly)
	b.decide(cases[2].ID, api.VerdictReject)
	must(t, b.Vault.Erase(ctx(), gone.ID))
	yaml := draft(t, "minutes_per_credit: 720", "minutes_per_credit: 360", "days_late > 90", "days_late > 365")
	r := b.simulate(api.Simulation{YAML: yaml})
	want := api.SimulationTotals{Minutes: 4 * 720, Available: 1000 + 2000 + 1000}
	if r.KeptDecided != 3 || r.KeptErased != 2 || r.Judged != 1 || r.ByDraft != 1 || r.After != want || r.Before.Available != 2000 {
		t.Errorf("%+v", r)
	}
	if r.CasesBefore != 5 || r.CasesAfter != 4 || r.Gaining != 1 || r.Same != 1 {
		t.Errorf("%+v", r)
	}
	moved := []api.SimulationOutcomes{
		{Before: awarded, After: awarded, Completions: 2},
		{Before: inReview, After: awarded, Completions: 1},
		{Before: inReview, After: inReview, Completions: 1},
		{Before: noCredit, After: noCredit, Completions: 1},
		{Before: refused, After: refused, Completions: 1},
	}
	if !slices.Equal(r.Outcomes, moved) {
		t.Errorf("outcomes %+v", r.Outcomes)
	}
}

// A case that was opened since a key was compromised stays open.
func TestSimulationDoubtsWhatWasDoubted(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	learners(b, 2)
	_, cases, err := b.RevokeKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Revocation{
		Key: b.SignKey(apitest.Platform).Public().ID(), CompromisedSince: apitest.Start().Add(-time.Hour).UnixMicro(), Reason: "lost",
	})
	must(t, err)
	if cases != 6 {
		t.Fatalf("%d cases", cases)
	}
	s := b.simulate(api.Simulation{YAML: doubled(t)})
	if len(s.Causes) != 1 || s.Causes[0] != (api.SimulationCause{Cause: api.CauseKeyCompromised, Before: 6, After: 6}) || s.CasesAfter != 6 {
		t.Errorf("%+v", s.Causes)
	}
}

func TestSimulationNamesWhereConditionsFail(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	r := b.one(b.learned(account, apitest.Welding, 3, 720)) // of level 3
	b.one(b.learned(account, apitest.Calligraphy, 5, 720))
	s := b.simulate(api.Simulation{YAML: drafts(t)["fails"]})
	if !slices.Equal(s.PolicyErrors, []uint64{r.Index}) || s.CasesAfter != 1 || s.CasesBefore != 0 ||
		!slices.Contains(s.Causes, api.SimulationCause{Cause: "POLICY_ERROR", After: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestSimulationRefuses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	learners(b, 1)
	size, yaml := b.size(), doubled(t)
	officer := b.Officer(apitest.Officer)
	elsewhere := draft(t, "organization: xihu-cc", "organization: nowhere")
	for name, c := range map[string]struct {
		caller access.Caller
		s      api.Simulation
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"nobody":          {access.Caller{}, api.Simulation{YAML: yaml}, api.Unauthenticated, api.ReasonUnauthenticated, ""},
		"a platform":      {b.Platform(apitest.Platform), api.Simulation{YAML: yaml}, api.Denied, api.ReasonDenied, ""},
		"a registrar":     {b.Officer(apitest.Registrar), api.Simulation{YAML: yaml}, api.Denied, api.ReasonDenied, ""},
		"below the draft": {b.Officer(apitest.StreetOfficer), api.Simulation{YAML: yaml}, api.Denied, api.ReasonDenied, ""},
		"beside the officer": {
			b.Officer(apitest.StreetOfficer),
			api.Simulation{YAML: draft(t, "organization: xihu-cc", "organization: "+apitest.Beishan), Organization: apitest.Cuiyuan},
			api.Denied, api.ReasonDenied, "",
		},
		"no draft":             {officer, api.Simulation{}, api.Invalid, api.ReasonField, "draft"},
		"two drafts":           {officer, api.Simulation{YAML: yaml, Hash: b.Policy}, api.Invalid, api.ReasonField, "draft"},
		"no policy":            {officer, api.Simulation{Hash: make([]byte, 32)}, api.NotFound, api.ReasonNotFound, "policy_hash"},
		"does not compile":     {officer, api.Simulation{YAML: draft(t, "minutes_per_credit: 720", "minutes_per_credit: 0")}, api.Invalid, api.ReasonPolicyInvalid, "yaml"},
		"too long":             {officer, api.Simulation{YAML: make([]byte, api.MaxPolicyBytes+1)}, api.Invalid, api.ReasonPolicyInvalid, "yaml"},
		"of nobody":            {officer, api.Simulation{YAML: elsewhere}, api.Invalid, api.ReasonUnknownOrganization, "yaml"},
		"unknown organization": {officer, api.Simulation{YAML: yaml, Organization: "nowhere"}, api.NotFound, api.ReasonUnknownOrganization, "organization"},
		"no date":              {officer, api.Simulation{YAML: yaml, From: "yesterday"}, api.Invalid, api.ReasonField, "from_date"},
		"no date either":       {officer, api.Simulation{YAML: yaml, To: "2026-13-01"}, api.Invalid, api.ReasonField, "to_date"},
		"backwards":            {officer, api.Simulation{YAML: yaml, From: "2026-06-02", To: "2026-06-01"}, api.Invalid, api.ReasonField, "to_date"},
		"too many":             {officer, api.Simulation{YAML: yaml, Top: 101}, api.Invalid, api.ReasonField, "top_n"},
		"too few":              {officer, api.Simulation{YAML: yaml, Top: -1}, api.Invalid, api.ReasonField, "top_n"},
	} {
		_, err := b.SimulatePolicy(ctx(), c.caller, c.s, ignore)
		t.Log(name)
		wants(t, err, c.kind, c.reason, c.field)
	}
	if b.size() != size {
		t.Error("something was written")
	}
}

func TestSimulationsAreLimited(t *testing.T) {
	t.Parallel()
	b := newBankWith(t, apitest.Options{SimulationCompletions: 7})
	learners(b, 2)
	officer, s := b.Officer(apitest.Officer), api.Simulation{YAML: doubled(t)}
	asked := false
	_, err := b.SimulatePolicy(ctx(), officer, s, func(api.SimulationProgress) error {
		if asked = true; asked {
			_, err := b.SimulatePolicy(ctx(), officer, s, ignore)
			wants(t, err, api.Busy, api.ReasonSimulations, "")
		}
		return nil
	})
	must(t, err)
	if !asked {
		t.Error("nobody was told how far it is")
	}
	learners(b, 1)
	_, err = b.SimulatePolicy(ctx(), officer, s, ignore)
	wants(t, err, api.Precondition, api.ReasonSimulationSize, "")
	// Accounts of which nothing is counted are not decided anew.
	b.one(b.learned(b.Open(), apitest.Welding, 3, 720))
	s.From, s.To = "2026-06-12", "2026-06-12"
	s.Organization = apitest.Root
	_, err = b.SimulatePolicy(ctx(), officer, s, ignore)
	wants(t, err, api.Precondition, api.ReasonSimulationSize, "")
	s.From, s.To = "2026-01-01", "2026-01-02"
	if r, err := b.SimulatePolicy(ctx(), officer, s, ignore); err != nil || r.Completions != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// stuck is an engine whose snapshots stop reading entries until whoever reads goes away.
type stuck struct {
	store.Engine
	on      atomic.Bool
	waiting chan struct{}
}

func (s *stuck) Snapshot() (store.Snapshot, error) {
	snapshot, err := s.Engine.Snapshot()
	return stuckSnapshot{snapshot, s}, err
}

type stuckSnapshot struct {
	store.Snapshot
	engine *stuck
}

func (s stuckSnapshot) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	if s.engine.on.Load() && len(keys) > 0 && keys[0][0] == book.TableEntries {
		s.engine.waiting <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Snapshot.Get(ctx, keys...)
}

func TestSimulationEndsWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	engine := &stuck{Engine: store.NewMemory(), waiting: make(chan struct{})}
	t.Cleanup(func() { must(t, engine.Close()) })
	b := &bank{t: t, engine: engine, Bank: apitest.NewBankWith(t, apitest.Options{Engine: engine})}
	learners(b, 2)
	officer, s := b.Officer(apitest.Officer), api.Simulation{YAML: doubled(t)}
	gone := errors.New("gone")
	if _, err := b.SimulatePolicy(ctx(), officer, s, func(api.SimulationProgress) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("progress failed: %v", err)
	}
	engine.on.Store(true)
	canceled, cancel := context.WithCancel(ctx())
	done := make(chan error, 1)
	go func() {
		_, err := b.SimulatePolicy(canceled, officer, s, ignore)
		done <- err
	}()
	<-engine.waiting
	cancel()
	wants(t, <-done, api.Canceled, api.ReasonCanceled, "")
	engine.on.Store(false)
	if _, err := b.SimulatePolicy(ctx(), officer, s, ignore); err != nil {
		t.Errorf("the place was not given back: %v", err)
	}
}
