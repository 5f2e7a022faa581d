package api_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// A person has one account, whoever opens it.
func TestOpenAccount(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	opening := func(change func(o *api.Opening)) api.Opening {
		o := api.Opening{RequestID: b.RequestID(), Name: "李明", Document: b.Document(700), Home: apitest.Beishan}
		change(&o)
		return o
	}
	platform, registrar := b.Platform(apitest.Platform), b.Officer(apitest.Registrar)
	for name, c := range map[string]struct {
		caller access.Caller
		change func(o *api.Opening)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"anonymous":         {access.Caller{}, func(*api.Opening) {}, api.Unauthenticated, api.ReasonUnauthenticated, ""},
		"certification":     {b.Officer(apitest.Officer), func(*api.Opening) {}, api.Denied, api.ReasonDenied, ""},
		"platform checks":   {platform, func(o *api.Opening) { o.Checked = true }, api.Denied, api.ReasonDenied, ""},
		"check digit":       {platform, func(o *api.Opening) { o.Document.Number = o.Document.Number[:17] + "?" }, api.Invalid, api.ReasonDocument, "document"},
		"kind of document":  {platform, func(o *api.Opening) { o.Document.Kind = "library card" }, api.Invalid, api.ReasonDocument, "document"},
		"no name":           {platform, func(o *api.Opening) { o.Name = "" }, api.Invalid, api.ReasonField, "name"},
		"name of controls":  {platform, func(o *api.Opening) { o.Name = "a\x00b" }, api.Invalid, api.ReasonField, "name"},
		"contact":           {platform, func(o *api.Opening) { o.Contact = " 1" }, api.Invalid, api.ReasonField, "contact"},
		"home":              {registrar, func(o *api.Opening) { o.Home = "nobody" }, api.Invalid, api.ReasonUnknownOrganization, "home"},
		"malformed request": {platform, func(o *api.Opening) { o.RequestID = "1" }, api.Invalid, api.ReasonRequestID, "request_id"},
	} {
		_, _, err := b.OpenAccount(ctx(), c.caller, opening(c.change))
		t.Run(name, func(t *testing.T) { wants(t, err, c.kind, c.reason, c.field) })
	}
	_, err := b.ResolveAccount(ctx(), platform, b.Document(700), "import")
	wants(t, err, api.NotFound, api.ReasonUnknownAccount, "document")
	first, existed, err := b.OpenAccount(ctx(), platform, opening(func(*api.Opening) {}))
	if must(t, err); existed || first.Status != ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL || first.Home != apitest.Beishan {
		t.Errorf("%+v, %t", first, existed)
	}
	size := b.size()
	for name, caller := range map[string]access.Caller{"platform": platform, "other": b.Platform(apitest.OtherPlatform), "registrar": registrar} {
		again, existed, err := b.OpenAccount(ctx(), caller, opening(func(o *api.Opening) { o.Home = apitest.Sandun }))
		if must(t, err); !existed || again != first || b.size() != size {
			t.Errorf("%s: %+v, %t, %d new entries", name, again, existed, b.size()-size)
		}
	}
	// The looks of those who were told of an account that was there are in its journal.
	accesses, _, err := b.Vault.Accesses(ctx(), first.ID, vault.Page{Size: 10})
	if must(t, err); len(accesses) != 3 {
		t.Errorf("accesses %+v", accesses)
	}
	number, err := b.ResolveAccount(ctx(), platform, b.Document(700), "import")
	if must(t, err); number != first.Number {
		t.Errorf("number %s, not %s", number, first.Number)
	}
}

// An enrolment whose entry never came is found and used.
func TestEnrolledOnly(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	id, number := unit.AccountID{9, 9, 9}, nobody(t)
	must(t, b.Vault.Enroll(ctx(), id, vault.Person{Name: "李明", Document: b.Document(700), Number: number}))
	wants(t, b.post(apitest.Platform, b.Completion(number))[0].Fault, api.NotFound, api.ReasonUnknownAccount, "completion.account_number")
	_, err := b.ResolveAccount(ctx(), b.Platform(apitest.Platform), b.Document(700), "import")
	wants(t, err, api.NotFound, api.ReasonUnknownAccount, "document")
	account, existed, err := b.OpenAccount(ctx(), b.Officer(apitest.Registrar), api.Opening{
		RequestID: b.RequestID(), Name: "李明", Document: b.Document(700), Home: apitest.Beishan, Checked: true,
	})
	if must(t, err); existed || account.ID != id || account.Number != number || account.Status != ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED {
		t.Errorf("%+v, %t", account, existed)
	}
	b.one(b.Completion(number))
}

// Identity documents are resolved by platforms alone, so many in a minute, and every time it is written down.
func TestResolveAccount(t *testing.T) {
	t.Parallel()
	b := newBankWith(t, apitest.Options{ResolvePerMinute: 3})
	account := b.Open() // of the first made-up person
	platform := b.Platform(apitest.Platform)
	_, err := b.ResolveAccount(ctx(), b.Officer(apitest.Registrar), b.Document(1), "import")
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, err = b.ResolveAccount(ctx(), platform, b.Document(1), "for fun")
	wants(t, err, api.Invalid, api.ReasonField, "purpose")
	for range 3 {
		number, err := b.ResolveAccount(ctx(), platform, b.Document(1), "import")
		if must(t, err); number != account.Number {
			t.Errorf("number %s", number)
		}
	}
	_, err = b.ResolveAccount(ctx(), platform, b.Document(1), "import")
	wants(t, err, api.Busy, api.ReasonRate, "")
	_, err = b.ResolveAccount(ctx(), b.Platform(apitest.OtherPlatform), b.Document(1), "import")
	must(t, err)
	b.Clock.Advance(20 * time.Second)
	_, err = b.ResolveAccount(ctx(), b.Platform(apitest.Platform), b.Document(1), "import")
	must(t, err)
	accesses, _, err := b.Vault.Accesses(ctx(), account.ID, vault.Page{Size: 100})
	if must(t, err); len(accesses) != 5 || accesses[0].Purpose != "import" || accesses[0].Action != "ResolveAccount" {
		t.Errorf("accesses %+v", accesses)
	}
}

// A record is its holder's and that of officers of the holder's home; nobody else learns whether there is one.
func TestWhoSeesAccounts(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account, stranger := b.Open(), b.Open()
	b.one(b.Completion(account.Number))
	for name, c := range map[string]struct {
		caller             access.Caller
		account, portfolio bool
	}{
		"holder":         {b.Resident(account.ID), true, true},
		"stranger":       {b.Resident(stranger.ID), false, false},
		"platform":       {b.Platform(apitest.Platform), false, false},
		"officer":        {b.Officer(apitest.Officer), true, true},
		"street officer": {b.Officer(apitest.StreetOfficer), true, true},
		"registrar":      {b.Officer(apitest.Registrar), true, false},
		"administrator":  {b.Officer(apitest.Administrator), false, false},
	} {
		for _, id := range []unit.AccountID{account.ID, {0xfe}} {
			_, aerr := b.GetAccount(ctx(), c.caller, id)
			_, perr := b.GetPortfolio(ctx(), c.caller, id, 10)
			_, _, lerr := b.ListPortfolioEntries(ctx(), c.caller, id, "", true, api.Page{})
			for i, err := range []error{aerr, perr, lerr} {
				may := []bool{c.account, c.portfolio, c.portfolio}[i] && id == account.ID
				if may {
					must(t, err)
					continue
				}
				if e := api.AsError(err); e == nil || e.Kind != api.Denied {
					t.Errorf("%s, call %d on %s: %v", name, i, id, err)
				}
			}
		}
	}
	_, err := b.GetPortfolio(ctx(), access.Caller{}, account.ID, 10)
	wants(t, err, api.Unauthenticated, api.ReasonUnauthenticated, "")
	_, err = b.GetPortfolio(ctx(), b.Resident(account.ID), account.ID, 1001)
	wants(t, err, api.Invalid, api.ReasonField, "entry_limit")
	accesses, _, err := b.Vault.Accesses(ctx(), account.ID, vault.Page{Size: 100})
	if must(t, err); len(accesses) != 3+3+1 {
		t.Errorf("%d looks are in the journal: %+v", len(accesses), accesses)
	}
}

// The feed tells a platform what became of its cases, and nothing of anybody else's.
func TestFeed(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	caller := b.Platform(apitest.Platform)
	late := b.one(b.learned(account, apitest.Calligraphy, 100, 90))
	b.one(b.learned(account, apitest.Calligraphy, 9, 90))
	b.post(apitest.OtherPlatform, b.learned(account, apitest.Smartphone, 50, 90))
	list, next, since, err := b.ListCompletions(ctx(), caller, 0, api.Page{})
	if must(t, err); len(list) != 2 || next != "" || since != b.size() || !list[0].HasCase {
		t.Fatalf("%+v, %q, %d", list, next, since)
	}
	if list, _, _, err := b.ListCompletions(ctx(), caller, since, api.Page{}); err != nil || len(list) != 0 {
		t.Errorf("nothing happened, but %+v, %v", list, err)
	}
	b.decide(b.cases()[0].ID, api.VerdictApprove)
	list, _, _, err = b.ListCompletions(ctx(), caller, since, api.Page{})
	if must(t, err); len(list) != 1 || list[0].Index != late.Index || list[0].Changed != since || list[0].HasCase {
		t.Fatalf("after the decision: %+v", list)
	}
	became(t, list[0].Decision, awarded, 90, 100, 0)
	got, err := b.GetCompletion(ctx(), caller, list[0].Statement, true)
	if must(t, err); got.Index != late.Index {
		t.Errorf("%+v", got)
	}
	checkChain(t, got.Decision)
	_, err = b.GetCompletion(ctx(), b.Platform(apitest.OtherPlatform), list[0].Statement, true)
	wants(t, err, api.NotFound, api.ReasonUnknownStatement, "statement_id")
	_, err = b.GetCompletion(ctx(), b.Officer(apitest.Officer), list[0].Statement, true)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, next, _, err = b.ListCompletions(ctx(), caller, 0, api.Page{Size: 1})
	must(t, err)
	_, _, _, err = b.ListCompletions(ctx(), caller, 1, api.Page{Token: next})
	wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
	_, _, _, err = b.ListCompletions(ctx(), b.Platform(apitest.OtherPlatform), 0, api.Page{Token: next})
	wants(t, err, api.Invalid, api.ReasonPageToken, "page_token")
}

// Many post to the same accounts at once: every sum is exact, and no cap is passed.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	accounts := []api.Account{b.Open(), b.Open(), b.Open()}
	const callers, rounds = 16, 6
	caller, officer := b.Platform(apitest.Platform), b.Officer(apitest.Officer)
	var submissions [callers][]api.Submission
	for c := range callers {
		for r := range rounds {
			var statements []*statementv1.Statement
			for i, account := range accounts {
				statements = append(statements, b.learned(account, apitest.Welding, 1+(c*rounds+r+i)%80, 720), b.learned(account, apitest.Calligraphy, 1+(c*rounds+r)%80, 90))
			}
			submissions[c] = append(submissions[c], b.Submission(apitest.Platform, statements...))
		}
	}
	var group sync.WaitGroup
	faults := make(chan error, 2*callers*rounds)
	for c := range callers {
		group.Go(func() {
			for _, s := range submissions[c] {
				for range 2 { // and once more, as after a lost answer
					results, _, err := b.RecordCompletions(ctx(), caller, s, false)
					for err != nil && api.AsError(err).Kind == api.Busy { // the directory changed again and again
						results, _, err = b.RecordCompletions(ctx(), caller, s, false)
					}
					if err != nil {
						faults <- err
					}
					for _, r := range results {
						if r.Fault != nil {
							faults <- r.Fault
						}
					}
				}
				// Readers do not wait, and the directory changes under those who prepare.
				if _, err := b.GetPortfolio(ctx(), officer, accounts[0].ID, 5); err != nil {
					faults <- err
				}
			}
			_, err := b.ProposeCourse(ctx(), officer, fmt.Sprintf("00000000-0000-7000-8000-%012d", c+1), api.Course{
				Provider: apitest.Sandun, Code: fmt.Sprint("c", c), Version: "1", Title: "课", Category: "arts", NominalMinutes: 1, ValidFrom: "2026-01-01",
			})
			if err != nil && api.AsError(err).Kind != api.Busy {
				faults <- err
			}
		})
	}
	group.Wait()
	close(faults)
	for err := range faults {
		t.Errorf("%v", err)
	}
	for _, account := range accounts {
		// 96 × 720 minutes are 96 credits, 96 × 90 minutes 12: 108 in all, of which the caps let 24 through.
		b.has(account, callers*rounds*810, 24_000, 84_000, 0)
		if usage := b.usage(account); usage["half-year/2026-H1"] != 24_000 || usage["provider-lifetime/xihu-cc"]+usage["provider-lifetime/beishan-school"] != 24_000 {
			t.Errorf("usage %v", usage)
		}
	}
}
