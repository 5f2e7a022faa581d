package main

import (
	"maps"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// entries are all that is on a record, as its resident reads it.
func (d *day) entries(id unit.AccountID) []*creditbankv1.PortfolioEntry {
	d.t.Helper()
	client := creditbankv1.NewPortfolioServiceClient(d.conn)
	var all []*creditbankv1.PortfolioEntry
	for page := ""; ; {
		answer, err := client.ListPortfolioEntries(d.t.Context(), &creditbankv1.ListPortfolioEntriesRequest{
			PageSize: 500, PageToken: page, View: creditbankv1.View_VIEW_FULL,
		}, d.asResident(id))
		if err != nil {
			d.t.Fatal(err)
		}
		all = append(all, answer.GetEntries()...)
		if page = answer.GetNextPageToken(); page == "" {
			return all
		}
	}
}

// sum is what entries come to.
type sum struct{ minutes, available, pending int64 }

func sumOf(t *creditbankv1.Totals) sum {
	return sum{t.GetMinutes(), t.GetAvailableMilliCredits(), t.GetPendingMilliCredits()}
}

// checkAccounts looks whether the totals of every account are the sum of its entries, in each category, and whether nothing of
// what was ever issued is lost. It answers the totals.
func (d *day) checkAccounts() map[unit.AccountID]*creditbankv1.Totals {
	d.t.Helper()
	records := make(map[unit.AccountID]*creditbankv1.Totals)
	var reversed, available int64
	for _, id := range d.accounts {
		answer, err := creditbankv1.NewPortfolioServiceClient(d.conn).GetPortfolio(d.t.Context(), new(creditbankv1.GetPortfolioRequest), d.asResident(id))
		if err != nil {
			d.t.Fatal(err)
		}
		portfolio, entries := answer.GetPortfolio(), d.entries(id)
		if int64(len(entries)) != portfolio.GetEntryCount() {
			d.t.Errorf("account %s has %d entries, and is said to have %d", id, len(entries), portfolio.GetEntryCount())
		}
		want, shown := make(map[string]sum), make(map[string]sum)
		var all sum
		for _, entry := range entries {
			a := entry.GetAssessment()
			one := want[a.GetCategory()]
			one.minutes += a.GetMinutes()
			one.available += a.GetAvailableMilliCredits()
			one.pending += a.GetPendingMilliCredits()
			want[a.GetCategory()] = one
			all.minutes += a.GetMinutes()
			all.available += a.GetAvailableMilliCredits()
			all.pending += a.GetPendingMilliCredits()
		}
		maps.DeleteFunc(want, func(_ string, s sum) bool { return s == sum{} })
		totals := []*creditbankv1.Totals{portfolio.GetTotals()}
		for _, c := range portfolio.GetCategories() {
			totals = append(totals, c.GetTotals())
			if s := sumOf(c.GetTotals()); s != (sum{}) {
				shown[c.GetCategory()] = s
			}
		}
		if !maps.Equal(want, shown) || sumOf(portfolio.GetTotals()) != all {
			d.t.Errorf("account %s has %v, in all %v, and its entries come to %v, in all %v", id, shown, sumOf(portfolio.GetTotals()), want, all)
		}
		for _, t := range totals {
			if t.GetIssuedMilliCredits() != t.GetPendingMilliCredits()+t.GetAvailableMilliCredits()+t.GetReservedMilliCredits()+
				t.GetTransferredMilliCredits()+t.GetExpiredMilliCredits()+t.GetReversedMilliCredits() {
				d.t.Errorf("account %s does not keep what was issued: %v", id, t)
			}
		}
		records[id] = portfolio.GetTotals()
		reversed += portfolio.GetTotals().GetReversedMilliCredits()
		available += all.available
	}
	if reversed == 0 || available == 0 {
		d.t.Errorf("%d milli-credits are there and %d were taken back: too little happened", available, reversed)
	}
	return records
}

// checkEntries adds up what the entries of the ledger say, without the bank's own code, and compares it with the totals that
// the residents were shown.
func (d *day) checkEntries(records map[unit.AccountID]*creditbankv1.Totals) {
	d.t.Helper()
	engine, err := pebble.Open(filepath.Join(filepath.Dir(d.configuration), "data"), pebble.Options{ReadOnly: true})
	if err != nil {
		d.t.Fatal(err)
	}
	defer shutStore(d.t, engine)
	sums := make(map[unit.AccountID]*creditbankv1.Totals)
	for row, err := range engine.Scan(d.t.Context(), store.Prefix([]byte{book.TableEntries})) {
		if err != nil {
			d.t.Fatal(err)
		}
		e := new(ledgerv1.Entry)
		if err := proto.Unmarshal(row.Value, e); err != nil {
			d.t.Fatal(err)
		}
		m := e.ProtoReflect()
		fact := m.Get(m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))).Message().Interface()
		if changes, ok := fact.(interface{ GetEffects() *ledgerv1.Effects }); ok {
			id := unit.AccountID(fact.(interface{ GetAccount() []byte }).GetAccount())
			if sums[id] == nil {
				sums[id] = new(creditbankv1.Totals)
			}
			add(sums[id], changes.GetEffects())
		}
	}
	for id, shown := range records {
		if sum := sums[id]; !proto.Equal(sum, shown) && (sum != nil || proto.Size(shown) > 0) {
			d.t.Errorf("account %s is shown %v, and its entries come to %v", id, shown, sum)
		}
	}
	if len(sums) > len(records) {
		d.t.Errorf("the entries are about %d accounts, and there are %d", len(sums), len(records))
	}
}

// add adds what an entry changed.
func add(t *creditbankv1.Totals, e *ledgerv1.Effects) {
	for _, hours := range slices.Concat(e.GetHours(), e.GetReplaces().GetHours()) {
		t.Minutes += hours.GetMinutes()
	}
	for _, lot := range e.GetLots() {
		t.AvailableMilliCredits += lot.GetAvailable()
		t.PendingMilliCredits += lot.GetPending()
		t.IssuedMilliCredits += lot.GetAvailable() + lot.GetPending()
	}
	for _, change := range e.GetLotChanges() {
		t.PendingMilliCredits += change.GetPending()
		t.AvailableMilliCredits += change.GetAvailable()
		t.ReservedMilliCredits += change.GetReserved()
		t.TransferredMilliCredits += change.GetTransferred()
		t.ExpiredMilliCredits += change.GetExpired()
		t.ReversedMilliCredits += change.GetReversed()
	}
}

// checkCases looks whether nothing is open, and whether the residents can read, in both languages, what became of their
// cases and why.
func (d *day) checkCases() {
	d.t.Helper()
	found, seen := make(map[creditbankv1.CaseState]int), make(map[uint64]bool)
	for _, id := range d.accounts {
		for _, entry := range d.entries(id) {
			progress := entry.GetCase()
			if progress == nil {
				continue
			}
			if !seen[progress.GetCaseId()] {
				found[progress.GetState()]++
			}
			seen[progress.GetCaseId()] = true
			if wrong := unexplained(entry); wrong != "" {
				d.t.Errorf("case %d, %s: %s", progress.GetCaseId(), progress.GetState(), wrong)
			}
		}
	}
	listed := 0
	for _, number := range slices.Sorted(maps.Keys(creditbankv1.CaseState_name)) {
		state := creditbankv1.CaseState(number)
		if state == creditbankv1.CaseState_CASE_STATE_UNSPECIFIED {
			continue
		}
		answer, err := creditbankv1.NewReviewServiceClient(d.conn).ListCases(d.t.Context(),
			&creditbankv1.ListCasesRequest{PageSize: 500, State: state}, d.as("certifier-1"))
		if err != nil {
			d.t.Fatal(err)
		}
		for _, c := range answer.GetCases() {
			listed++
			if !seen[c.GetCaseId()] {
				d.t.Errorf("no resident reads of case %d, %s", c.GetCaseId(), state)
			}
		}
		switch state {
		case creditbankv1.CaseState_CASE_STATE_APPROVED, creditbankv1.CaseState_CASE_STATE_REJECTED,
			creditbankv1.CaseState_CASE_STATE_WITHDRAWN, creditbankv1.CaseState_CASE_STATE_REVOKED:
			if found[state] == 0 {
				d.t.Errorf("no case is %s", state)
			}
		default:
			if len(answer.GetCases()) > 0 || found[state] > 0 {
				d.t.Errorf("%d cases are %s still", len(answer.GetCases()), state)
			}
		}
	}
	if listed != len(seen) || listed < 2*dayClaims-20 {
		d.t.Errorf("officers see %d cases, residents %d", listed, len(seen))
	}
	d.t.Logf("%d statements, %d claims, %d cases: %v", d.tally.statements, dayClaims, listed, found)
}

// unexplained says what a resident cannot read of a case that is decided; empty: nothing.
func unexplained(entry *creditbankv1.PortfolioEntry) string {
	said := func(t *creditbankv1.Text) bool { return t.GetZh() != "" && t.GetEn() != "" }
	progress, steps := entry.GetCase(), entry.GetCase().GetSteps()
	if !said(progress.GetWords()) {
		return "what it goes through is not said"
	}
	if len(steps) == 0 {
		return "no step is shown"
	}
	for _, r := range entry.GetAssessment().GetReasons() {
		if !said(r.GetWords()) {
			return "the reason " + r.GetRule() + " has no words"
		}
	}
	if len(entry.GetAssessment().GetReasons()) == 0 {
		return "it has no reasons"
	}
	if progress.GetState() == creditbankv1.CaseState_CASE_STATE_WITHDRAWN {
		return "" // no officer decided
	}
	if entry.GetDecisionReasonCode() == "" {
		return "the officer's reason is not said"
	}
	for _, step := range steps {
		if step.GetOfficer() != "" && step.GetReasonCode() == "" && step.GetStep() != ledgerv1.CaseStep_CASE_STEP_TAKEN &&
			step.GetStep() != ledgerv1.CaseStep_CASE_STEP_RELEASED {
			return "an officer's step has no reason: " + step.GetStep().String()
		}
	}
	return ""
}
