package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// machine does random things with a bank.
type machine struct {
	*acceptors
	accounts []api.Account
	posted   []sent
	// taken are rows that were taken over and not back, n numbers them.
	taken []*ledgerv1.OpeningBalanceRow
	n     int
	// merged are the merges that stand, the newest last.
	merged []api.Merge
	// asked are the transfers that were asked for, clawbacks what officers proposed.
	asked     []api.Transfer
	clawbacks []uint64
}

// living are the accounts that are not part of others.
func (m *machine) living() []api.Account {
	return slices.DeleteFunc(slices.Clone(m.accounts), func(a api.Account) bool {
		return slices.ContainsFunc(m.merged, func(merge api.Merge) bool { return merge.From == a.ID })
	})
}

// merge makes one of two living accounts part of the other, and opens another one.
func (m *machine) merge(t *rapid.T) {
	living := rapid.Permutation(m.living()).Draw(t, "accounts")
	merge := m.proposes(living[0], living[1])
	_, preview, err := m.GetMerge(ctx(), m.Officer(apitest.Officer), merge.ID)
	must(m.t, err)
	m.agrees(apitest.Officer, merge.ID)
	done, _, err := m.DecideMerge(ctx(), m.Officer(apitest.SecondOfficer), m.mergeStep(merge.ID, true))
	if e := api.AsError(err); e != nil { // it would not wait for ever: somebody turns it down
		if e.Reason != api.ReasonMergeReserved && e.Reason != api.ReasonMergeHeld || preview != nil {
			t.Fatalf("%v, the preview was %+v", err, preview)
		}
		_, _, err = m.DecideMerge(ctx(), m.Officer(apitest.SecondOfficer), m.mergeStep(merge.ID, false))
		must(m.t, err)
		return
	}
	m.merged = append(m.merged, done)
	if p, _ := m.portfolio(living[1]); preview.IntoAfter != p.Totals {
		t.Fatalf("the preview was %+v, it came to %+v", preview.IntoAfter, p.Totals)
	}
	m.accounts = append(m.accounts, m.Open())
}

// unmerge undoes the newest merge, where that is possible still.
func (m *machine) unmerge(t *rapid.T) {
	if len(m.merged) == 0 {
		t.Skip("no merge")
	}
	merge := m.merged[len(m.merged)-1]
	if merge.Status == ledgerv1.MergeStatus_MERGE_STATUS_MERGED {
		asked, _, err := m.UndoMerge(ctx(), m.Officer(apitest.Officer), m.mergeStep(merge.ID, true))
		if err != nil {
			wants(m.t, err, api.Precondition, api.ReasonMergeUsed, "merge")
			return
		}
		m.merged[len(m.merged)-1] = asked
	}
	if _, _, err := m.UndoMerge(ctx(), m.Officer(apitest.SecondOfficer), m.mergeStep(merge.ID, true)); err != nil {
		wants(m.t, err, api.Precondition, api.ReasonMergeUsed, "merge")
		return
	}
	m.merged = m.merged[:len(m.merged)-1]
}

// sent is a completion on the ledger.
type sent struct {
	platform  string
	statement *statementv1.Statement
	index     uint64
}

func (m *machine) draw(t *rapid.T) *statementv1.Statement {
	course := rapid.SampledFrom([]string{
		apitest.Calligraphy, apitest.Calligraphy, apitest.FirstAid, apitest.FirstAidOnline, apitest.Smartphone, apitest.Welding, apitest.Welding,
	}).Draw(t, "course")
	minutes := rapid.SampledFrom([]int64{30, 45, 90, 200, 1000, 7200}).Draw(t, "minutes")
	end := m.Clock.Now().Truncate(time.Hour).Add(-time.Duration(rapid.IntRange(0, 110*24).Draw(t, "hours ago")) * time.Hour)
	s := m.learnedUntil(rapid.SampledFrom(m.accounts).Draw(t, "account"), course, end, minutes)
	c := s.GetCompletion()
	c.Mode = rapid.SampledFrom([]statementv1.Mode{1, 1, 2, 3, 4}).Draw(t, "mode")
	if rapid.Bool().Draw(t, "scored") {
		withScore(s, rapid.Int32Range(50, 100).Draw(t, "score"))
	}
	if rapid.IntRange(0, 4).Draw(t, "attendance") == 0 {
		c.Attendance = &statementv1.Attendance{Held: 10, Attended: rapid.Int32Range(6, 10).Draw(t, "attended")}
	}
	return s
}

func (m *machine) post(t *rapid.T) {
	platform := rapid.SampledFrom([]string{apitest.Platform, apitest.OtherPlatform}).Draw(t, "platform")
	statements := make([]*statementv1.Statement, rapid.IntRange(1, 4).Draw(t, "statements"))
	for i := range statements {
		statements[i] = m.draw(t)
	}
	for i, r := range m.bank.post(platform, statements...) {
		if r.Status != api.Recorded {
			t.Fatalf("%v", r.Fault)
		}
		checkChain(m.t, r.Decision)
		m.posted = append(m.posted, sent{platform, statements[i], r.Index})
	}
}

func (m *machine) void(t *rapid.T) {
	if len(m.posted) == 0 {
		t.Skip("nothing was posted")
	}
	i := rapid.IntRange(0, len(m.posted)-1).Draw(t, "posted")
	s := m.posted[i]
	if r := m.bank.post(s.platform, m.Void(s.statement.GetId()))[0]; r.Status != api.Recorded {
		t.Fatalf("%v", r.Fault)
	}
	m.posted = slices.Delete(m.posted, i, i+1)
}

// again posts what is on the ledger: nothing happens.
func (m *machine) again(t *rapid.T) {
	if len(m.posted) == 0 {
		t.Skip("nothing was posted")
	}
	s, size := rapid.SampledFrom(m.posted).Draw(t, "posted"), m.size()
	if r := m.bank.post(s.platform, s.statement)[0]; r.Status != api.Replayed || r.Index != s.index || m.size() != size {
		t.Fatalf("%+v, not entry %d; %d new entries", r, s.index, m.size()-size)
	}
}

// takeOver takes something over, or back, or both once more.
func (m *machine) takeOver(t *rapid.T) {
	m.n++
	row := apitest.OpeningRow(rapid.SampledFrom(m.accounts).Draw(t, "account").Number, fmt.Sprint("record ", m.n))
	row.Minutes, row.MilliCredits = rapid.Int64Range(0, 1000).Draw(t, "minutes"), rapid.Int64Range(1, 50_000).Draw(t, "credits")
	rows := []*ledgerv1.OpeningBalanceRow{row}
	if len(m.taken) > 0 && rapid.Bool().Draw(t, "take back") {
		i := rapid.IntRange(0, len(m.taken)-1).Draw(t, "taken")
		rows = append(rows, apitest.OpeningReversal(unit.AccountNumber(m.taken[i].GetAccountNumber()), m.taken[i].GetSourceRecord()))
		m.taken = slices.Delete(m.taken, i, i+1)
	}
	recorded(t, m.TakeOver(rows...))
	m.taken = append(m.taken, row)
	for _, r := range m.TakeOver(rows...) {
		if r.Status != api.Replayed {
			t.Fatalf("taken over twice: %+v", r)
		}
	}
}

func (m *machine) judge(t *rapid.T) {
	cases := slices.DeleteFunc(m.cases(), func(c api.Case) bool {
		return c.Status != submitted || len(c.Reviewers) > 0
	})
	if len(cases) == 0 {
		t.Skip("no case")
	}
	c := rapid.SampledFrom(cases).Draw(t, "case")
	if len(m.clawbacks) > 0 {
		t.Skip("a clawback may hold it: then nobody decides")
	}
	m.decide(c.ID, api.Verdict(rapid.IntRange(1, 3).Draw(t, "verdict")))
}

// walk has anybody try anything with a case: what is done is an entry, what is refused leaves nothing, and nobody judges a case
// at two stages.
func (m *machine) walk(t *rapid.T) {
	states := make([]ledgerv1.CaseStatus, 0, len(ledgerv1.CaseStatus_name)-1)
	for s := submitted; int(s) < len(ledgerv1.CaseStatus_name); s++ {
		states = append(states, s)
	}
	officer := m.Officer(apitest.Officer)
	cases, _, err := m.ListCases(ctx(), officer, api.CaseFilter{States: states}, api.Page{Size: 500})
	must(m.t, err)
	if len(cases) == 0 {
		t.Skip("no case")
	}
	c := rapid.SampledFrom(cases).Draw(t, "case")
	by := officer
	switch who := rapid.IntRange(0, 9).Draw(t, "by"); who {
	case 0, 1, 2, 3:
		by = m.Officer([]string{apitest.SecondOfficer, apitest.ThirdOfficer, apitest.StreetOfficer, apitest.Registrar}[who])
	case 4, 5:
		by = m.Resident(c.Account)
	case 6:
		by = m.Resident(m.accounts[1].ID)
	case 7:
		by = m.Platform(c.Platform)
	}
	act := review.Act(rapid.Uint8Range(uint8(review.Take), uint8(review.Expire)).Draw(t, "act"))
	m.ended()
	size := m.size()
	taken, err := m.TakeStep(ctx(), by, api.Step{
		RequestID: m.RequestID(), Case: c.ID, Act: act, ReasonCode: "EVIDENCE_SUFFICIENT", Note: map[bool]string{true: "说明"}[act != review.Take &&
			act != review.Release && act != review.Withdraw],
	})
	if err != nil {
		if e := api.AsError(err); e.Kind == api.Internal || m.size() != size {
			t.Fatalf("%v of case %d in %v by %v: %v, %d entries more", act, c.ID, c.Status, by, err, m.size()-size)
		}
		return
	}
	if taken.Index < size || taken.Index >= m.size() {
		t.Fatalf("%v of case %d is entry %d, of %d to %d", act, c.ID, taken.Index, size, m.size())
	}
	stages := make(map[string]ledgerv1.CaseStatus)
	for _, r := range m.read(c.ID).Reviewers {
		if stage, known := stages[r.Officer]; known && stage != r.Stage {
			t.Fatalf("%s judged case %d at %v and at %v", r.Officer, c.ID, stage, r.Stage)
		}
		stages[r.Officer] = r.Stage
	}
}

// ended has the bank take the steps that are its own.
func (m *machine) ended() {
	_, err := m.EndCases(ctx())
	must(m.t, err)
}

func (m *machine) wait(t *rapid.T) {
	m.sweepsAfter(rapid.IntRange(1, 100).Draw(t, "days"))
}

// caps are the limits of the policy, by the name before the first slash.
func caps() map[string]int64 {
	return map[string]int64{"half-year": 24_000, "year": 42_000, "provider-lifetime": 60_000}
}

// check compares what each account says with what its completions say, and what counts towards caps with the caps.
func (m *machine) check(t *rapid.T) {
	for _, account := range m.living() {
		_, entries := m.portfolio(account)
		row := m.row(account)
		for _, u := range row.GetUsage() {
			name, _, _ := strings.Cut(u.GetKey(), "/")
			if most, ok := caps()[name]; !ok || u.GetMilliCredits() > most && len(row.GetTransfers()) == 0 || u.GetMilliCredits() <= 0 {
				t.Fatalf("%s: %d of %d", u.GetKey(), u.GetMilliCredits(), most)
			}
		}
		var counted, lifetime unit.Credits
		for _, e := range entries {
			d := e.Decision
			switch d.Outcome {
			case awarded:
			case noCredit:
				if d.Available+d.Pending != 0 {
					t.Fatalf("no credit, but %+v", d)
				}
			default:
				if d.Available+d.Pending != 0 || d.Minutes != 0 {
					t.Fatalf("it counts nothing, but %+v", d)
				}
			}
			if e.Opening == nil { // what was earned elsewhere takes no room under the caps
				counted += e.Transferred
				if d.Outcome == awarded {
					counted += d.Available + e.Reserved
				}
			}
		}
		for _, u := range row.GetUsage() {
			if name, _, _ := strings.Cut(u.GetKey(), "/"); name == "provider-lifetime" {
				lifetime += unit.Credits(u.GetMilliCredits())
			}
		}
		// Nothing expires under this policy: what is available is what counts towards the lifetime caps.
		if counted != lifetime && !m.anythingHeld(account) { // what is held waits, and has its room
			t.Fatalf("%d milli-credits are available, %d count towards lifetime caps", counted, lifetime)
		}
		groups := make(map[string]int)
		for _, g := range row.GetGroups() {
			if e := entries[g.GetCompletion().GetIndex()]; e.Decision == nil || e.Decision.Outcome != awarded && e.Decision.Outcome != noCredit {
				t.Fatalf("completion %d stands for group %s, and is %+v", g.GetCompletion().GetIndex(), g.GetGroup(), e.Decision)
			}
			groups[g.GetGroup()]++
		}
		for group, n := range groups {
			if n != 1 {
				t.Fatalf("%d completions stand for group %s", n, group)
			}
		}
	}
}

func TestHistories(t *testing.T) {
	t.Parallel()
	checks, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > 8 && !failed && !testing.Verbose() {
			return // a bank costs 20 ms: -v asks for all
		}
		defer func() { failed = failed || rt.Failed() }() // then it is made smaller
		m := &machine{acceptors: newTransfers(t)}
		m.accounts = []api.Account{m.Open(), m.Open()}
		ops := map[string]func(*rapid.T){
			"post": m.post, "post more": m.post, "and more": m.post, "void": m.void, "again": m.again, "judge": m.judge, "wait": m.wait,
			"walk": m.walk, "walk on": m.walk, "and on": m.walk, "take over": m.takeOver, "merge": m.merge, "unmerge": m.unmerge,
			"request": m.request, "request more": m.request, "end": m.end, "claw back": m.clawBack, "decide clawback": m.decideClawback,
			"": m.check,
		}
		rt.Repeat(ops)
		if t.Failed() {
			rt.Fatal("see above")
		}
		m.simulateSame(rt)
		if report := m.fsck(); report.Size != m.size() {
			rt.Fatalf("fsck saw %d entries of %d", report.Size, m.size())
		}
		m.checkFeeds(rt)
	})
}

// checkFeeds reads the feeds of the platforms from the beginning, and each completion in them as it stands.
func (m *machine) checkFeeds(t *rapid.T) {
	for _, platform := range []string{apitest.Platform, apitest.OtherPlatform} {
		caller := m.Platform(platform)
		seen := make(map[uint64]api.Posted)
		for page := (api.Page{Size: 3}); ; {
			list, next, _, err := m.ListCompletions(ctx(), caller, 0, page)
			must(m.t, err)
			if len(list) > 3 {
				t.Fatalf("%d completions on a page of 3", len(list))
			}
			for _, p := range list {
				if _, twice := seen[p.Index]; twice {
					t.Fatalf("completion %d is listed twice", p.Index)
				}
				seen[p.Index] = p
			}
			if page.Token = next; next == "" {
				break
			}
		}
		want := make(map[uint64]ledgerv1.Outcome)
		for _, account := range m.living() {
			_, entries := m.portfolio(account)
			for index, e := range entries {
				if e.Platform == platform {
					want[index] = e.Decision.Outcome
				}
			}
		}
		got := make(map[uint64]ledgerv1.Outcome)
		for index, p := range seen {
			got[index] = p.Decision.Outcome
		}
		if !maps.Equal(got, want) {
			t.Fatalf("%s: the feed has %v, the portfolios %v", platform, fmt.Sprint(got), fmt.Sprint(want))
		}
	}
}
