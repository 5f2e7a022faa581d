package api_test

import (
	"slices"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// entryLooks is who read entries about an account, as its journal says, the newest first.
func (b *bank) entryLooks(id unit.AccountID) []string {
	b.t.Helper()
	all, _, err := b.Vault.Accesses(ctx(), id, vault.Page{Size: 1000})
	must(b.t, err)
	var looks []string
	for _, a := range all {
		if a.Action == string(access.ReadEntry) {
			looks = append(looks, a.Caller+a.Purpose)
		}
	}
	return looks
}

// readsEntry has somebody read an entry.
func (b *bank) readsEntry(caller access.Caller, index uint64) {
	b.t.Helper()
	if e, _, err := b.GetEntry(ctx(), caller, index, false); err != nil || e.Bytes == nil {
		b.t.Errorf("%s reads entry %d: %+v, %v", caller, index, e, err)
	}
}

// The holder reads in the journal that an officer read an entry about the account, and nothing else: neither what was listed, nor what
// was refused, nor looks of the holder, of the platform that posted it, and at entries about nobody.
func TestEntryLooksAreJournalled(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, other := b.Open(), b.Open()
	recorded := b.one(b.learned(account, apitest.Calligraphy, 3, 60)).Index
	officer := b.Officer(apitest.Officer)
	for _, caller := range []access.Caller{b.Resident(account.ID), b.Platform(apitest.Platform)} {
		b.readsEntry(caller, recorded)
	}
	for _, caller := range []access.Caller{b.Officer(apitest.Administrator), b.Platform(apitest.OtherPlatform), b.Resident(other.ID), {}} {
		if _, _, err := b.GetEntry(ctx(), caller, recorded, true); err == nil {
			t.Errorf("%s reads it", caller)
		}
	}
	b.readsEntry(officer, 1) // an organization
	_, _, err := b.ListEntries(ctx(), officer, 0, api.Page{Size: 1000})
	must(t, err)
	if looks := b.entryLooks(account.ID); len(looks) != 0 {
		t.Errorf("looks %q", looks)
	}
	b.readsEntry(officer, recorded)
	b.readsEntry(b.Officer(apitest.StreetOfficer), recorded)
	if looks := b.entryLooks(account.ID); !slices.Equal(looks, []string{"officer:" + apitest.StreetOfficer, "officer:" + apitest.Officer}) {
		t.Errorf("looks %q", looks)
	}
	if looks := b.entryLooks(other.ID); len(looks) != 0 {
		t.Errorf("looks at another account %q", looks)
	}
	// Its holder is told, and that an officer did.
	all, _, err := b.ListAccesses(ctx(), b.Resident(account.ID), account.ID, api.Page{})
	if must(t, err); len(all) != 2 || all[1].Action != string(access.ReadEntry) || all[1].Officer != apitest.Officer || all[1].Organization != apitest.Root {
		t.Errorf("accesses %+v", all)
	}
}

// An entry that is kept from the holder is looked at all the same.
func TestObjectionLookIsJournalled(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, id := b.risky()
	b.approvedByTwo(id)
	b.takes(b.Platform(apitest.OtherPlatform), id, review.Object, objected, "签到有误")
	b.readsEntry(b.Officer(apitest.Officer), b.size()-1)
	if looks := b.entryLooks(account.ID); len(looks) != 1 {
		t.Errorf("looks %q", looks)
	}
}

// What concerns two accounts that are merged is journalled on both; what was recorded on the one that is part of the other now, where
// its holder looks.
func TestEntryLooksAtMergedAccounts(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	from, into := b.Open(), b.Open()
	recorded := b.one(b.learned(from, apitest.Calligraphy, 3, 60)).Index
	m := b.proposes(from, into)
	officer := b.Officer(apitest.Officer)
	look := func(index uint64, wantFrom, wantInto int) {
		t.Helper()
		b.readsEntry(officer, index)
		if f, i := len(b.entryLooks(from.ID)), len(b.entryLooks(into.ID)); f != wantFrom || i != wantInto {
			t.Errorf("%d and %d looks, not %d and %d", f, i, wantFrom, wantInto)
		}
	}
	look(m.ID, 1, 1)
	look(recorded, 2, 1)
	b.agrees(apitest.Officer, m.ID)
	b.agrees(apitest.SecondOfficer, m.ID)
	look(m.ID, 3, 2)
	look(recorded, 3, 3)
	b.undoes(m)
	look(m.ID, 4, 4)
	look(recorded, 5, 4)
}

// Where the look cannot be noted down, the officer is shown nothing; its holder still reads.
func TestEntryIsNotShownWithoutJournal(t *testing.T) {
	t.Parallel()
	engine := ledgertest.NewFaulty(store.NewMemory())
	t.Cleanup(func() { must(t, engine.Close()) })
	b := newBankWith(t, apitest.Options{VaultEngine: engine})
	account := b.Open()
	recorded := b.one(b.learned(account, apitest.Calligraphy, 3, 60)).Index
	engine.Fail(0, ledgertest.Lost)
	for _, want := range []api.Kind{api.Internal, api.Unavailable} {
		e, proof, err := b.GetEntry(ctx(), b.Officer(apitest.Officer), recorded, true)
		if fault := api.AsError(err); fault == nil || fault.Kind != want || e.Bytes != nil || e.Fact != "" || proof != nil {
			t.Errorf("it is shown %+v, %v: %v", e, proof, err)
		}
	}
	b.readsEntry(b.Resident(account.ID), recorded)
	must(t, engine.Recover())
}
