package api_test

import (
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
)

// changesNothing simulates the policy that is in force.
func (b *bank) changesNothing(what string) {
	b.t.Helper()
	r := b.simulate(api.Simulation{Hash: b.Policy})
	if r.Before != r.After || r.Gaining+r.Losing != 0 || r.CasesBefore != r.CasesAfter {
		b.t.Errorf("%s: the policy in force would change something: %+v", what, r)
	}
}

// A notice that has ended, of which no entry says so yet, is not taken for credits that a draft would take away.
func TestSimulationAfterNotice(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.risky()
	b.approvedByTwo(id)
	// Above the cap of half a year: these wait, so that something is overdue on the account.
	for i := range 3 {
		b.one(b.learned(account, apitest.Calligraphy, 5+i*2, 14400))
	}
	b.changesNothing("before the end")
	b.until(b.read(id).Deadline.Add(time.Hour))
	other := b.Open()
	b.one(b.learned(other, apitest.Calligraphy, 2, 90))
	b.changesNothing("after the end")
}

// Claims and opening balances of an account are nothing that a policy would judge anew, whatever becomes of them.
func TestSimulationAmongClaims(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	resident := b.Resident(account.ID)
	b.one(b.learned(account, apitest.Calligraphy, 3, 720))
	recorded(t, b.TakeOver(apitest.OpeningRow(account.Number, "1")))
	row := apitest.OpeningRow(account.Number, "2")
	row.ExpiresOn = "2026-06-20"
	recorded(t, b.TakeOver(row))
	recorded(t, b.TakeOver(apitest.OpeningReversal(account.Number, "1")))
	id := b.files(resident, b.certificate(resident, account.ID))
	b.changesNothing("filed")
	b.approvedByTwo(id)
	b.changesNothing("noticed")
	b.until(b.read(id).Deadline.Add(time.Hour))
	b.one(b.learned(b.Open(), apitest.Calligraphy, 2, 90))
	b.changesNothing("ended, unsettled")
	b.ends(2)
	b.changesNothing("settled")
	b.takes(b.Officer(apitest.ThirdOfficer), id, review.Revoke, revoked)
	b.changesNothing("revoked")
	b.takes(b.Resident(account.ID), id, review.Appeal, appealed, "证书是真的")
	b.changesNothing("appealed")
	if r := b.fsck(); len(r.Faults) > 0 {
		t.Errorf("%v", r.Faults)
	}
}
