package api_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
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

// slowEngine commits when it is let, once it is held.
type slowEngine struct {
	store.Engine
	held atomic.Bool
	let  chan struct{}
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
