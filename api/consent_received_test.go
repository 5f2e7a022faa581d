package api_test

import (
	"slices"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// received lists all consents of an institution, page by page.
func (a *acceptors) received(institution string, filter api.ConsentFilter, size int) (all []api.ReceivedConsent) {
	a.t.Helper()
	for page := (api.Page{Size: size}); ; {
		some, next, err := a.ListReceivedConsents(ctx(), a.institution(institution), filter, page)
		must(a.t, err)
		if all = append(all, some...); next == "" {
			return all
		}
		if page.Token = next; len(some) > size {
			a.t.Fatalf("a page has %d consents", len(some))
		}
	}
}

// shown is how often the holder finds in the journal that an institution was shown the number.
func (a *acceptors) shown(l api.Account, institution string) (times int) {
	a.t.Helper()
	all, _, err := a.ListAccesses(ctx(), a.Resident(l.ID), l.ID, api.Page{})
	must(a.t, err)
	for _, one := range all {
		if one.Action == string(access.ReadReceivedConsents) && one.Organization == institution {
			times++
		}
	}
	return times
}

// An institution lists what is granted to it, and nobody else's; it learns whose a consent is as long as that holds, and each time that
// is in the holder's journal.
func TestReceivedConsents(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	first, second, third := a.Open(), a.Open(), a.Open()
	ended := a.grants(first, func(n *api.NewConsent) { n.Expires = a.Clock.Now().Add(time.Hour) })
	withdrawn := a.grants(second)
	_, err := a.WithdrawConsent(ctx(), a.Resident(second.ID), a.RequestID(), second.ID, withdrawn.Index)
	must(t, err)
	a.grants(first, func(n *api.NewConsent) { n.Institution = college })
	study := a.grants(second, func(n *api.NewConsent) { n.Purpose = "study"; n.Categories = []string{"arts"} })
	granted, err := a.GrantConsent(ctx(), a.Officer(apitest.Registrar), api.NewConsent{
		RequestID: a.RequestID(), Account: third.ID, Institution: university, Purpose: "transfer", Expires: a.Clock.Now().AddDate(0, 1, 0),
	})
	must(t, err)
	a.Clock.Advance(time.Hour)

	type row struct {
		index  uint64
		number unit.AccountNumber
		active bool
	}
	rows := func(all []api.ReceivedConsent) (rows []row) {
		for _, c := range all {
			rows = append(rows, row{c.Index, c.Number, c.Active})
			if c.Institution != university || c.GrantedBy != "" || c.WithdrawnBy != "" {
				t.Errorf("consent %+v", c)
			}
		}
		return rows
	}
	want := []row{{granted.Index, third.Number, true}, {study.Index, second.Number, true}, {withdrawn.Index, "", false}, {ended.Index, "", false}}
	for times, size := range []int{1, 3, 4, 0} {
		if got := rows(a.received(university, api.ConsentFilter{}, size)); !slices.Equal(got, want) {
			t.Errorf("by %d: %v, not %v", size, got, want)
		}
		if a.shown(first, university) != 0 || a.shown(second, university) != times+1 || a.shown(third, university) != times+1 {
			t.Errorf("by %d: shown %d, %d and %d times", size, a.shown(first, university), a.shown(second, university), a.shown(third, university))
		}
	}
	if got := rows(a.received(university, api.ConsentFilter{ActiveOnly: true}, 1)); !slices.Equal(got, want[:2]) {
		t.Errorf("those that hold are %v", got)
	}
	if got := a.received(university, api.ConsentFilter{Purpose: "study"}, 1); len(got) != 1 || got[0].Index != study.Index || !slices.Equal(got[0].Categories, []string{"arts"}) {
		t.Errorf("for another purpose there is %+v", got)
	}
	if got := a.received(college, api.ConsentFilter{}, 0); len(got) != 1 || got[0].Number != first.Number || a.shown(first, college) != 1 {
		t.Errorf("the college has %+v", got)
	}

	// The record that was consented to goes on as another one, which was not; when that is undone, it is there again.
	m := a.merges(third, first)
	if got := rows(a.received(university, api.ConsentFilter{}, 1)); got[0] != (row{granted.Index, "", false}) {
		t.Errorf("of a merged account there is %v", got[0])
	}
	a.undoes(m)
	if got := rows(a.received(university, api.ConsentFilter{}, 1)); !slices.Equal(got, want) {
		t.Errorf("after the merge was undone there is %v", got)
	}

	for name, c := range map[string]access.Caller{"resident": a.Resident(first.ID), "officer": a.Officer(apitest.Registrar), "platform": a.Platform(apitest.Platform)} {
		_, _, err := a.ListReceivedConsents(ctx(), c, api.ConsentFilter{}, api.Page{})
		t.Log(name)
		wants(t, err, api.Denied, api.ReasonDenied, "")
	}
	_, _, err = a.ListReceivedConsents(ctx(), access.Caller{}, api.ConsentFilter{}, api.Page{})
	wants(t, err, api.Unauthenticated, api.ReasonUnauthenticated, "")
	_, _, err = a.ListReceivedConsents(ctx(), a.institution(university), api.ConsentFilter{Purpose: "a b"}, api.Page{})
	wants(t, err, api.Invalid, api.ReasonField, "purpose")
	_, _, err = a.ListReceivedConsents(ctx(), a.institution(university), api.ConsentFilter{}, api.Page{Size: -1})
	wants(t, err, api.Invalid, api.ReasonField, "page_size")
	_, token, err := a.ListReceivedConsents(ctx(), a.institution(university), api.ConsentFilter{}, api.Page{Size: 1})
	must(t, err)
	_, _, err = a.ListReceivedConsents(ctx(), a.institution(college), api.ConsentFilter{}, api.Page{Size: 1, Token: token})
	wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
}

// An institution that is suspended still lists what was granted to it, and is not shown whose it is.
func TestReceivedConsentsWhileSuspended(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	account := a.Open()
	consent := a.grants(account)
	must(t, a.changeOrganization(api.OrganizationChange{
		Organization: university, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED, From: "2026-06-16", Until: "2026-06-16",
	}))
	lists := func(number unit.AccountNumber, shown int) {
		t.Helper()
		got := a.received(university, api.ConsentFilter{ActiveOnly: true}, 0)
		if len(got) != 1 || got[0].Index != consent.Index || !got[0].Active || got[0].Number != number || a.shown(account, university) != shown {
			t.Errorf("%+v, shown %d times", got, a.shown(account, university))
		}
	}
	a.Clock.Advance(14*time.Hour - time.Second) // to the end of the day in Hangzhou
	lists(account.Number, 1)
	a.Clock.Advance(time.Second)
	lists("", 1)
	a.Clock.Advance(24 * time.Hour)
	lists(account.Number, 2)
}
