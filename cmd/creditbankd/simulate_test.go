package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/deploy/policies"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// districtBank is a bank in memory with the district of the demo, under a policy that was published in the beginning.
type districtBank struct {
	*apitest.Bank
	t        testing.TB
	district *district.District
	// accounts are in the order of the people.
	accounts []api.Account
}

func newDistrictBank(t testing.TB, d *district.District, yaml []byte) *districtBank {
	t.Helper()
	b := &districtBank{Bank: apitest.NewBankWith(t, apitest.Options{Empty: true}), t: t, district: d}
	b.Clock.Advance(d.Day.Add(12 * time.Hour).Sub(b.Clock.Now()))
	b.register()
	b.publish(yaml)
	b.open()
	b.post()
	return b
}

func (b *districtBank) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *districtBank) register() {
	b.t.Helper()
	ctx := context.Background()
	by := b.Officer(apitest.Administrator)
	for _, o := range district.Organizations() {
		_, err := b.RegisterOrganization(ctx, by, b.RequestID(), api.Organization{
			ID: o.ID, Name: o.Name, Code: o.Code, Level: o.Level, Parent: o.Parent, Roles: o.Roles, TrustTier: o.TrustTier,
		})
		b.must(err)
	}
	for _, p := range district.Platforms() {
		for _, purpose := range []keyring.Purpose{keyring.Sign, keyring.Authenticate} {
			key, err := b.district.Key(p, purpose)
			b.must(err)
			_, _, err = b.AddKey(ctx, by, b.RequestID(), b.KeyRequest(key, p.ID, purpose))
			b.must(err)
		}
	}
	for _, o := range district.Officers() {
		_, err := b.AppointOfficer(ctx, by, b.RequestID(), api.Appointment{
			Officer: o.ID, Organization: district.Root, Roles: []ledgerv1.OfficerRole{o.Role},
		})
		b.must(err)
	}
}

func (b *districtBank) publish(yaml []byte) {
	b.t.Helper()
	ctx := context.Background()
	p, err := b.ProposePolicy(ctx, b.Officer("certifier-1"), b.RequestID(), yaml)
	b.must(err)
	_, err = b.PublishPolicy(ctx, b.Officer("certifier-2"), b.RequestID(), p.Hash)
	b.must(err)
	for _, c := range b.district.Courses() {
		_, err := b.ProposeCourse(ctx, b.Officer("certifier-1"), b.RequestID(), api.Course{
			Provider: c.Provider, Code: c.Code, Version: c.Version, Title: c.Title, Category: c.Category, Level: c.Level,
			NominalMinutes: unit.Minutes(c.Minutes), EquivalenceGroup: c.Group, ValidFrom: c.From, ValidUntil: c.Until, Capacity: c.Capacity,
		})
		b.must(err)
		if c.Decision != ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED {
			b.decide(c, ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED, "")
		}
		if c.LastDay != "" {
			b.decide(c, c.Decision, c.LastDay)
		}
	}
}

func (b *districtBank) decide(c district.Course, decision ledgerv1.CourseDecision, lastDay string) {
	b.t.Helper()
	_, err := b.DecideCourse(context.Background(), b.Officer("certifier-2"), api.CourseVerdict{
		RequestID: b.RequestID(), Provider: c.Provider, Code: c.Code, Version: c.Version, Decision: decision, LastDay: lastDay,
	})
	b.must(err)
}

func (b *districtBank) open() {
	b.t.Helper()
	people, err := b.district.People()
	b.must(err)
	for _, p := range people {
		account, _, err := b.OpenAccount(context.Background(), b.Officer("registrar-1"), api.Opening{
			RequestID: b.RequestID(), Name: p.Name, Document: unit.Document{Kind: unit.ResidentIdentity, Number: p.Identity},
			Home: p.Home, Contact: p.Contact, Checked: true,
		})
		b.must(err)
		b.accounts = append(b.accounts, account)
	}
}

// post posts everything, two minutes after each other, and after half of it the next half-year has begun.
func (b *districtBank) post() {
	b.t.Helper()
	numbers := make([]unit.AccountNumber, len(b.accounts))
	for i, a := range b.accounts {
		numbers[i] = a.Number
	}
	posted, waited := 0, false
	for s, err := range b.district.Submissions(numbers) {
		b.must(err)
		p := district.Platforms()[s.Platform]
		sign, err := b.district.Key(p, keyring.Sign)
		b.must(err)
		authenticate, err := b.district.Key(p, keyring.Authenticate)
		b.must(err)
		token, err := access.OrganizationToken(apitest.BankID, unit.OrganizationID(p.ID), authenticate, b.Clock.Now())
		b.must(err)
		_, _, err = b.RecordCompletions(context.Background(), b.As(token), b.Sign(p.ID, sign, s.Statements...), false)
		b.must(err)
		b.Clock.Advance(2 * time.Minute)
		if posted += s.New; !waited && posted > b.district.Completions/2 {
			b.Clock.Advance(20 * 24 * time.Hour)
			waited = true
		}
	}
	_, err := b.Sweep(context.Background())
	b.must(err)
}

// districtDrafts are the policy of the demo with other numbers.
func districtDrafts(t testing.TB) map[string][]byte {
	t.Helper()
	change := func(pairs ...string) []byte {
		yaml := string(policies.Xihu2026())
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(yaml, pairs[i]) {
				t.Fatalf("the policy has no %q", pairs[i])
			}
			yaml = strings.ReplaceAll(yaml, pairs[i], pairs[i+1])
		}
		return []byte(strings.Replace(yaml, `version: "2026.1"`, `version: "2026.2"`, 1))
	}
	return map[string][]byte{
		"ratio": change("minutes_per_credit: 720", "minutes_per_credit: 600"),
		"caps":  change("minutes_per_credit: 900", "minutes_per_credit: 300", "milli_credits: 24000", "milli_credits: 1500"),
		"rules": change("KEEP_BEST_SCORE", "KEEP_FIRST", "days_late > 90", "days_late > 20", "tolerance_minutes: 10", "tolerance_minutes: 0",
			"requirements:", "validity:\n  - id: soon\n    months: 1\n    words: { zh: 短, en: short }\nrequirements:"),
	}
}

// What a simulation of the district says is what a fresh bank comes to in which the draft was published in the beginning, and
// the same was posted at the same times.
func TestSimulationOfTheDistrict(t *testing.T) {
	d := &district.District{
		Seed: 7, Day: time.Date(2026, time.June, 20, 0, 0, 0, 0, district.Zone()), Accounts: 40, Completions: 1500,
	}
	old := newDistrictBank(t, d, policies.Xihu2026())
	size := old.size()
	every := func(*ledgerv1.CompletionItem) bool { return true }
	for name, yaml := range districtDrafts(t) {
		t.Run(name, func(t *testing.T) {
			fresh := newDistrictBank(t, d, yaml)
			result, err := old.SimulatePolicy(t.Context(), old.Officer("certifier-1"), api.Simulation{YAML: yaml, Top: 100},
				func(api.SimulationProgress) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			person := make(map[unit.AccountID]unit.AccountID)
			for i, a := range old.accounts {
				person[a.ID] = fresh.accounts[i].ID
			}
			for _, wrong := range old.Sums(every).CheckSimulation(result, false, func(id unit.AccountID) unit.AccountID { return id }) {
				t.Errorf("before: %s", wrong)
			}
			for _, wrong := range fresh.Sums(every).CheckSimulation(result, true, func(id unit.AccountID) unit.AccountID { return person[id] }) {
				t.Errorf("after: %s", wrong)
			}
			if result.Gaining+result.Losing < int64(d.Accounts)/2 || result.ByDraft != result.Completions || result.Before == result.After {
				t.Errorf("the draft changes too little to be seen: %+v", result)
			}
			if name == "caps" && result.After.Pending == 0 {
				t.Errorf("nothing waits: %+v", result.After)
			}
			if old.size() != size {
				t.Error("the simulation wrote something")
			}
		})
	}
}

func (b *districtBank) size() uint64 {
	b.t.Helper()
	view, err := b.Ledger.View()
	b.must(err)
	defer view.Close()
	return view.Size()
}
