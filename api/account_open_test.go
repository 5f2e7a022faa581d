package api_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// said fails the test unless the vault says that of an account's holder.
func said(t *testing.T, b *apitest.Bank, id unit.AccountID, name, contact string) {
	t.Helper()
	person, err := b.Vault.Person(ctx(), id)
	if must(t, err); person.Name != name || person.Contact != contact {
		t.Errorf("the vault says %q, %q, not %q, %q", person.Name, person.Contact, name, contact)
	}
}

// What came with a call that was refused is not what the account bears that somebody else opens.
func TestRefusedOpening(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	platform, registrar := b.Platform(apitest.Platform), b.Officer(apitest.Registrar)
	used := api.Opening{RequestID: b.RequestID(), Name: "甲", Document: b.Document(700), Home: apitest.Beishan}
	_, _, err := b.OpenAccount(ctx(), platform, used)
	must(t, err)

	// A request id that was used is noticed before the person is put anywhere.
	other := used
	other.Document, other.Name, other.Contact = b.Document(701), "冒名者", "13800000000"
	_, _, err = b.OpenAccount(ctx(), platform, other)
	wants(t, err, api.Conflict, api.ReasonRequestReused, "request_id")
	if id, err := b.Vault.FindByDocument(ctx(), other.Document); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("the vault has %s, %v", id, err)
	}

	// Nor does it change what an enrolment says whose entry never came; who opens the account does.
	id, number := unit.AccountID{9, 9, 9}, nobody(t)
	must(t, b.Vault.Enroll(ctx(), id, vault.Person{Name: "王方", Contact: "1", Document: other.Document, Number: number}))
	_, _, err = b.OpenAccount(ctx(), platform, other)
	wants(t, err, api.Conflict, api.ReasonRequestReused, "request_id")
	said(t, b.Bank, id, "王方", "1")
	opening := api.Opening{
		RequestID: b.RequestID(), Name: "王芳", Contact: "0571-2", Document: other.Document, Home: apitest.Beishan, Checked: true,
	}
	account, existed, err := b.OpenAccount(ctx(), registrar, opening)
	if must(t, err); existed || account.ID != id || account.Number != number || account.Status != ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED {
		t.Errorf("%+v, %t", account, existed)
	}
	said(t, b.Bank, id, "王芳", "0571-2")

	// An open account is renamed by nobody: not by the same request with another name, nor by another one.
	opening.Name = "王芳芳"
	if again, existed, err := b.OpenAccount(ctx(), registrar, opening); err != nil || existed || again != account {
		t.Errorf("again %+v, %t, %v", again, existed, err)
	}
	other.RequestID = b.RequestID()
	if again, existed, err := b.OpenAccount(ctx(), platform, other); err != nil || !existed || again != account {
		t.Errorf("for another %+v, %t, %v", again, existed, err)
	}
	said(t, b.Bank, id, "王芳", "0571-2")
}

// slowEngine commits, and reads accounts, when it is let, once it is held.
type slowEngine struct {
	store.Engine
	held atomic.Bool
	let  chan struct{}
}

type slowSnapshot struct {
	store.Snapshot
	engine *slowEngine
}

func (s *slowEngine) Snapshot() (store.Snapshot, error) {
	snapshot, err := s.Engine.Snapshot()
	return slowSnapshot{snapshot, s}, err
}

func (s slowSnapshot) Get(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	if s.engine.held.Load() && keys[0][0] == book.TableAccounts {
		<-s.engine.let
	}
	return s.Snapshot.Get(ctx, keys...)
}

func (s *slowEngine) Commit(ctx context.Context, batch *store.Batch, head store.Head) error {
	if s.held.Load() {
		<-s.let
	}
	return s.Engine.Commit(ctx, batch, head)
}

// Of those who open an account for one person at once one does, and it bears what that one said.
func TestOpenersAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &slowEngine{Engine: store.NewMemory(), let: make(chan struct{})}
		b := apitest.NewBankWith(t, apitest.Options{Engine: engine})
		type answer struct {
			account api.Account
			existed bool
			err     error
		}
		open := func(ctx context.Context, n int, name string) chan answer {
			opening := api.Opening{RequestID: b.RequestID(), Name: name, Document: b.Document(n), Home: apitest.Beishan}
			caller, answers := b.Platform(apitest.Platform), make(chan answer, 1)
			go func() {
				account, existed, err := b.OpenAccount(ctx, caller, opening)
				answers <- answer{account, existed, err}
			}()
			synctest.Wait()
			return answers
		}
		engine.held.Store(true)
		first := open(ctx(), 700, "甲")
		second := open(ctx(), 700, "乙")
		waiting, leave := context.WithCancel(ctx())
		third := open(waiting, 700, "丙")
		leave()
		wants(t, (<-third).err, api.Canceled, api.ReasonCanceled, "")
		select {
		case a := <-second:
			t.Errorf("the second did not wait: %+v", a)
		default:
		}
		engine.held.Store(false)
		close(engine.let)
		one, other := <-first, <-second
		if one.err != nil || one.existed || other.err != nil || !other.existed || other.account != one.account {
			t.Errorf("%+v and %+v", one, other)
		}
		said(t, b, one.account.ID, "甲", "")
		// Nobody is waited for who has been answered.
		if a := <-open(ctx(), 700, "丁"); a.err != nil || !a.existed {
			t.Errorf("afterwards %+v", a)
		}
	})
}

// doubtfulEngine says of what it did that it is unknown, once it is in doubt.
type doubtfulEngine struct {
	store.Engine
	doubt atomic.Bool
}

func (d *doubtfulEngine) Commit(ctx context.Context, batch *store.Batch, head store.Head) error {
	err := d.Engine.Commit(ctx, batch, head)
	if d.doubt.Load() {
		return errors.New("the disk is gone")
	}
	return err
}

// Where it is unknown whether an account was opened, nobody changes what its opener said.
func TestOpeningInDoubt(t *testing.T) {
	t.Parallel()
	engine := &doubtfulEngine{Engine: store.NewMemory()}
	b := apitest.NewBankWith(t, apitest.Options{Engine: engine})
	opening := api.Opening{RequestID: b.RequestID(), Name: "甲", Document: b.Document(700), Home: apitest.Beishan}
	engine.doubt.Store(true)
	_, _, err := b.OpenAccount(ctx(), b.Platform(apitest.Platform), opening)
	wants(t, err, api.Unavailable, api.ReasonHalted, "")
	opening.RequestID, opening.Name = b.RequestID(), "乙"
	_, _, err = b.OpenAccount(ctx(), b.Officer(apitest.Registrar), opening)
	wants(t, err, api.Unavailable, api.ReasonHalted, "")
	id, err := b.Vault.FindByDocument(ctx(), opening.Document)
	must(t, err)
	said(t, b, id, "甲", "")
}

// opens asks for an account by the document of the n-th person.
func opens(b *apitest.Bank, caller access.Caller, n int) (existed bool, err error) {
	_, existed, err = b.OpenAccount(ctx(), caller, api.Opening{
		RequestID: b.RequestID(), Name: "学员", Document: b.Document(n), Home: apitest.Beishan,
	})
	return existed, err
}

// A platform opens as many accounts as it has learners without one. Of those who have one it finds as many in a minute as it resolves
// documents; then it is told of nobody whether they have an account, and every look is in the journal.
func TestOpeningLimit(t *testing.T) {
	t.Parallel()
	b := newBankWith(t, apitest.Options{ResolvePerMinute: 2})
	account, platform := b.Open(), b.Platform(apitest.Platform) // of the first made-up person
	first := api.Opening{RequestID: b.RequestID(), Name: "甲", Document: b.Document(700), Home: apitest.Beishan}
	_, _, err := b.OpenAccount(ctx(), platform, first)
	must(t, err)
	finds := func(caller access.Caller, n int, want bool) {
		t.Helper()
		if existed, err := opens(b.Bank, caller, n); err != nil || existed != want {
			t.Errorf("person %d: %t, %v", n, existed, err)
		}
	}
	looks := func(want int) {
		t.Helper()
		accesses, _, err := b.Vault.Accesses(ctx(), account.ID, vault.Page{Size: 100})
		if must(t, err); len(accesses) != want {
			t.Errorf("%d looks are in the journal, not %d", len(accesses), want)
		}
	}
	refuses := func(n int) {
		t.Helper()
		_, err := opens(b.Bank, platform, n)
		wants(t, err, api.Busy, api.ReasonRate, "")
	}
	for n := range 5 {
		finds(platform, 701+n, false)
	}
	finds(platform, 1, true)
	finds(platform, 1, true)
	looks(2)
	refuses(1)
	refuses(900)
	_, err = b.ResolveAccount(ctx(), platform, b.Document(1), "import")
	wants(t, err, api.Busy, api.ReasonRate, "")
	looks(2)
	if id, err := b.Vault.FindByDocument(ctx(), b.Document(900)); !errors.Is(err, vault.ErrUnknownAccount) {
		t.Errorf("the vault has %s, %v", id, err)
	}
	// What it opened before it can still hear of, and others are not held up.
	if _, existed, err := b.OpenAccount(ctx(), platform, first); err != nil || existed {
		t.Errorf("again %t, %v", existed, err)
	}
	finds(b.Platform(apitest.OtherPlatform), 1, true)
	for range 3 {
		finds(b.Officer(apitest.Registrar), 1, true)
	}
	looks(6)
	// Half a minute later it may find one more, whomever it opens accounts for before.
	b.Clock.Advance(30 * time.Second)
	platform = b.Platform(apitest.Platform)
	finds(platform, 900, false)
	finds(platform, 901, false)
	finds(platform, 1, true)
	refuses(902)
	looks(7)
}

// What calls at once find beyond the limit is missing from the next minute.
func TestOpeningLimitAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &slowEngine{Engine: store.NewMemory(), let: make(chan struct{})}
		b := apitest.NewBankWith(t, apitest.Options{Engine: engine, ResolvePerMinute: 1})
		b.Open()
		b.Open()
		platform, errs := b.Platform(apitest.Platform), make(chan error, 2)
		engine.held.Store(true)
		for n := range 2 {
			go func() {
				existed, err := opens(b, platform, 1+n)
				if err == nil && !existed {
					err = errors.New("nobody was found")
				}
				errs <- err
			}()
		}
		synctest.Wait()
		engine.held.Store(false)
		close(engine.let)
		must(t, errors.Join(<-errs, <-errs))
		b.Clock.Advance(time.Minute)
		_, err := opens(b, b.Platform(apitest.Platform), 1)
		wants(t, err, api.Busy, api.ReasonRate, "")
		b.Clock.Advance(time.Minute)
		_, err = opens(b, b.Platform(apitest.Platform), 1)
		must(t, err)
	})
}

// A platform opens accounts as long as it is admitted, and resolves documents as long as it is not suspended: what was learned before
// its end is posted after it. What it opened it can still hear of.
func TestPlatformsThatMayNot(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.Open() // the first made-up person
	platform := b.Platform(apitest.Platform)
	first := api.Opening{RequestID: b.RequestID(), Name: "甲", Document: b.Document(700), Home: apitest.Beishan}
	_, _, err := b.OpenAccount(ctx(), platform, first)
	must(t, err)
	next := 701
	may := func(when string, opening, resolving bool) {
		t.Helper()
		next++
		for _, n := range []int{1, next} {
			existed, err := opens(b.Bank, platform, n)
			if opening && (err != nil || existed != (n == 1)) {
				t.Errorf("%s: opening for person %d: %t, %v", when, n, existed, err)
			} else if !opening {
				wants(t, err, api.Precondition, api.ReasonPlatformNotAccredited, "")
			}
		}
		if id, err := b.Vault.FindByDocument(ctx(), b.Document(next)); errors.Is(err, vault.ErrUnknownAccount) == opening {
			t.Errorf("%s: the vault has %s, %v", when, id, err)
		}
		if _, err := b.ResolveAccount(ctx(), platform, b.Document(1), "import"); resolving {
			must(t, err)
		} else {
			wants(t, err, api.Precondition, api.ReasonPlatformNotAccredited, "")
		}
		if again, existed, err := b.OpenAccount(ctx(), platform, first); err != nil || existed || again.ID.IsZero() {
			t.Errorf("%s: again %+v, %t, %v", when, again, existed, err)
		}
		if existed, err := opens(b.Bank, b.Officer(apitest.Registrar), 1); err != nil || !existed {
			t.Errorf("%s: the registrar: %t, %v", when, existed, err)
		}
	}
	// Days are those of Hangzhou, where it is ten in the morning.
	must(t, b.changeOrganization(api.OrganizationChange{
		Organization: apitest.Platform, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED, From: "2026-06-16", Until: "2026-06-16",
	}))
	b.Clock.Advance(14*time.Hour - time.Second)
	may("before the suspension", true, true)
	b.Clock.Advance(time.Second)
	may("suspended", false, false)
	b.Clock.Advance(24 * time.Hour)
	may("after the suspension", true, true)
	must(t, b.changeOrganization(api.OrganizationChange{
		Organization: apitest.Platform, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED, Until: "2026-06-17",
	}))
	may("on its last day", true, true)
	b.Clock.Advance(24 * time.Hour)
	may("ended", false, true)
}
