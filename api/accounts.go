package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of what is told about a person.
const (
	maxNameCharacters    = 64
	maxContactCharacters = 128
	maxPurposeBytes      = 64
	// maxEnroll is how often an account is enrolled again since its random number was taken.
	maxEnroll = 8
)

// Opening asks for an account.
type Opening struct {
	RequestID string
	Name      string
	Document  unit.Document
	Home      string
	Contact   string
	// Checked says that the document was seen and compared with the person.
	Checked bool
}

// Account is a learning account. It names nobody.
type Account struct {
	ID     unit.AccountID
	Number unit.AccountNumber
	Status ledgerv1.AccountStatus
	Home   string
	Opened time.Time
	// MergedInto is the account that it became part of; zero: it is one of its own.
	MergedInto unit.AccountID
}

// OpenAccount opens an account for a person, or answers the one that the person has. Existed says which. An account bears what the
// caller said who opened it: nothing that came with a call that was refused. A platform opens accounts as long as it is admitted.
func (b *Bank) OpenAccount(ctx context.Context, caller access.Caller, o Opening) (account Account, existed bool, err error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Account{}, false, err
	}
	person, err := b.checkOpening(caller, o, d)
	if err != nil {
		return Account{}, false, err
	}
	end, err := b.openings.begin(ctx, person.Document)
	if err != nil {
		return Account{}, false, err
	}
	defer end()
	id, err := b.vault.FindByDocument(ctx, person.Document)
	if err != nil && !errors.Is(err, vault.ErrUnknownAccount) {
		return Account{}, false, err
	}
	again, err := b.repeated(ctx, o.change(caller, id))
	if err != nil {
		return Account{}, false, err
	}
	if !again {
		if caller.Kind == access.Organization {
			if fault := d.checkPlatform(caller.Organization, b.config.Now()); fault != nil {
				return Account{}, false, fault
			}
		}
		if err := b.mayResolve(caller); err != nil {
			return Account{}, false, err
		}
		if id, existed, err = b.open(ctx, caller, o, id, person); err != nil {
			return Account{}, false, err
		}
	}
	if id, err = b.livingAccount(ctx, id); err != nil {
		return Account{}, false, err
	}
	account, err = b.readAccount(ctx, id)
	return account, existed, err
}

// open opens the account of a person, whose document has known in the vault; zero: it has none. Only one call at a time does this for a
// document.
func (b *Bank) open(
	ctx context.Context, caller access.Caller, o Opening, known unit.AccountID, person vault.Person,
) (id unit.AccountID, existed bool, err error) {
	row, err := b.openedAccount(ctx, known)
	if err != nil {
		return known, false, err
	}
	if row != nil {
		// It resolves a document, and is counted as one.
		b.countResolve(caller)
		// Whoever hears of an account by its holder's document looks at it.
		return known, true, b.journal(ctx, caller, known, access.OpenAccount, "")
	}
	if id, err = b.enroll(ctx, known, person); err != nil {
		return id, false, err
	}
	_, err = b.once(ctx, o.change(caller, id))
	return id, false, err
}

// change opens the account with an id. What is asked names a person only by that.
func (o Opening) change(caller access.Caller, id unit.AccountID) change {
	status := ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL
	if o.Checked {
		status = ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED
	}
	asked := struct {
		Account, Home string
		Checked       bool
	}{id.String(), o.Home, o.Checked}
	return change{
		caller: caller, method: access.OpenAccount, requestID: o.RequestID, asked: asked,
		reads: [][]byte{book.AccountKey(id)},
		step: func(tx *ledger.Tx, _ *directory, request *ledgerv1.Request) (uint64, error) {
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{
				Actor: caller.Actor(), Request: request, Account: id[:], Home: o.Home, Status: status,
			}}})
		},
	}
}

// openings are the documents for which an account is being opened, each by one call at a time: a second one neither changes what the
// first said of the person nor opens an account beside it. Its zero value is empty.
type openings struct {
	mu   sync.Mutex
	ends map[unit.Document]chan struct{}
}

// begin waits until nobody else opens an account for a document. The caller then does, until it calls end.
func (o *openings) begin(ctx context.Context, document unit.Document) (end func(), err error) {
	for {
		o.mu.Lock()
		other, taken := o.ends[document]
		if !taken {
			if o.ends == nil {
				o.ends = make(map[unit.Document]chan struct{})
			}
			mine := make(chan struct{})
			o.ends[document] = mine
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				delete(o.ends, document)
				o.mu.Unlock()
				close(mine)
			}, nil
		}
		o.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *Bank) checkOpening(caller access.Caller, o Opening, d *directory) (vault.Person, error) {
	if err := caller.Holds(access.OpenAccount); err != nil {
		return vault.Person{}, err
	}
	if _, fault := parseRequestID(o.RequestID); fault != nil {
		return vault.Person{}, fault
	}
	if fault := checkText("name", o.Name, 1, maxNameCharacters); fault != nil {
		return vault.Person{}, fault
	}
	if fault := checkText("contact", o.Contact, 0, maxContactCharacters); fault != nil {
		return vault.Person{}, fault
	}
	document, err := unit.ParseDocument(o.Document.Kind, o.Document.Number, b.config.Now())
	if err != nil {
		return vault.Person{}, invalid(ReasonDocument, "document", "%w", err)
	}
	if _, ok := d.organizations[o.Home]; !ok {
		return vault.Person{}, invalid(ReasonUnknownOrganization, "home", "there is no organization %q", o.Home)
	}
	// A platform opens accounts wherever its learners live; an officer in their own subtree.
	if caller.Kind == access.Officer {
		if err := caller.Check(access.OpenAccount, access.Subject{Organization: o.Home}, d); err != nil {
			return vault.Person{}, err
		}
	}
	if o.Checked {
		if err := caller.Holds(access.CheckDocument); err != nil {
			return vault.Person{}, err
		}
	}
	return vault.Person{Name: o.Name, Document: document, Contact: o.Contact, BirthDate: document.BirthDate()}, nil
}

// enroll gives a person a place in the vault: that of an enrolment whose entry never came, which then says of them what is said now, or
// a new one. The key of the account is durable when it returns, before any entry uses it.
func (b *Bank) enroll(ctx context.Context, known unit.AccountID, person vault.Person) (unit.AccountID, error) {
	if !known.IsZero() {
		return known, b.enrollAgain(ctx, known, person)
	}
	for range maxEnroll {
		id, err := unit.NewAccountID(b.config.Rand)
		if err != nil {
			return id, fmt.Errorf("api: %w", err)
		}
		if person.Number, err = unit.NewAccountNumber(b.config.Rand); err != nil {
			return id, fmt.Errorf("api: %w", err)
		}
		if err = b.vault.Enroll(ctx, id, person); !errors.Is(err, vault.ErrNumberTaken) {
			return id, err
		}
	}
	return unit.AccountID{}, fmt.Errorf("api: no account number was free in %d tries", maxEnroll)
}

// enrollAgain has the vault say of a person without an account what is said now. The number and the key stay.
func (b *Bank) enrollAgain(ctx context.Context, id unit.AccountID, person vault.Person) error {
	// Where writing has stopped, an entry that nobody sees may open the account when the bank starts again.
	if err := b.ledger.Halted(); err != nil {
		return err
	}
	said, err := b.vault.Person(ctx, id)
	if err != nil {
		return err
	}
	person.Number = said.Number
	return b.vault.Amend(ctx, id, person)
}

// ResolveAccount answers the account number of the person with a document. Every use is journalled, also those that find
// nobody, and each caller's are limited. A platform that is suspended resolves none. One that has ended still does: what was learned in
// its time may be posted later, and needs the number.
func (b *Bank) ResolveAccount(
	ctx context.Context, caller access.Caller, document unit.Document, purpose string,
) (unit.AccountNumber, error) {
	if err := caller.Holds(access.ResolveAccount); err != nil {
		return "", err
	}
	if !isCode(purpose, maxPurposeBytes) {
		return "", invalid(ReasonField, "purpose", "a purpose is a code of 1 to %d letters, digits and \"-_.\"", maxPurposeBytes)
	}
	document, err := unit.ParseDocument(document.Kind, document.Number, b.config.Now())
	if err != nil {
		return "", invalid(ReasonDocument, "document", "%w", err)
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return "", err
	}
	if d.admissions[caller.Organization].isSuspended(d.today(caller.Organization, b.config.Now())) {
		return "", faultf(Precondition, ReasonPlatformNotAccredited, "", "platform %q is suspended", caller.Organization)
	}
	if err := b.allowResolve(caller); err != nil {
		return "", err
	}
	id, err := b.vault.FindByDocument(ctx, document)
	if err != nil && !errors.Is(err, vault.ErrUnknownAccount) {
		return "", err
	}
	if err := b.journal(ctx, caller, id, access.ResolveAccount, purpose); err != nil {
		return "", err
	}
	if id, err = b.livingAccount(ctx, id); err != nil {
		return "", err
	}
	account, err := b.openedAccount(ctx, id)
	if err != nil {
		return "", err
	}
	if account == nil {
		return "", faultf(NotFound, ReasonUnknownAccount, "document", "nobody with this document has an account; OpenAccount opens one")
	}
	person, err := b.vault.Person(ctx, id)
	return person.Number, err
}

// openedAccount answers an account's row, nil when the log does not know it.
func (b *Bank) openedAccount(ctx context.Context, id unit.AccountID) (*ledgerv1.AccountRow, error) {
	if id.IsZero() {
		return nil, nil
	}
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return view.State(ctx).Account(id)
}

// allowResolve counts one identity document that an organization asks for. Officers have people before them.
func (b *Bank) allowResolve(caller access.Caller) error {
	if caller.Kind != access.Organization {
		return nil
	}
	return b.allow(caller.String(), documentsAsked, b.config.ResolvePerMinute)
}

// mayResolve refuses an organization of which allowResolve would refuse a document now, and counts none: opening accounts for people who
// have none is not limited, and those who have one are counted by countResolve when they are found. That it refuses says something of what
// was asked before, and nothing of the document that is asked for now.
func (b *Bank) mayResolve(caller access.Caller) error {
	if caller.Kind != access.Organization || b.documentsOf(caller).TokensAt(b.config.Now()) >= 1 {
		return nil
	}
	return tooMany(documentsAsked, b.config.ResolvePerMinute)
}

// countResolve counts one document as allowResolve does, and refuses none. What several calls at once, each of which mayResolve let
// pass, have beyond the limit is missing afterwards.
func (b *Bank) countResolve(caller access.Caller) {
	if caller.Kind == access.Organization {
		b.documentsOf(caller).ReserveN(b.config.Now(), 1)
	}
}

// documentsAsked is what allowResolve counts.
const documentsAsked = "identity documents"

func (b *Bank) documentsOf(caller access.Caller) *rate.Limiter {
	return b.limiter(documentsAsked+" of "+caller.String(), b.config.ResolvePerMinute)
}

// allow counts one thing that somebody asks for, and refuses it above so many a minute.
func (b *Bank) allow(who, what string, perMinute int) error {
	if b.limiter(what+" of "+who, perMinute).AllowN(b.config.Now(), 1) {
		return nil
	}
	return tooMany(what, perMinute)
}

func tooMany(what string, perMinute int) *Error {
	return faultf(Busy, ReasonRate, "", "more than %d %s were asked for in a minute", perMinute, what)
}

func (b *Bank) limiter(key string, perMinute int) *rate.Limiter {
	b.resolveMu.Lock()
	defer b.resolveMu.Unlock()
	limiter, ok := b.resolvers.Get(key)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(time.Minute/time.Duration(perMinute)), perMinute)
		b.resolvers.Add(key, limiter)
	}
	return limiter
}

// journal notes who looked at whom, before they see anything.
func (b *Bank) journal(ctx context.Context, caller access.Caller, id unit.AccountID, action access.Action, purpose string) error {
	return b.vault.Journal(ctx, vault.Access{
		At: b.config.Now(), Caller: caller.String(), Account: id, Action: string(action), Purpose: purpose,
	})
}

// GetAccount answers an account to its holder, with its number, and to officers, who see the number masked.
func (b *Bank) GetAccount(ctx context.Context, caller access.Caller, id unit.AccountID) (Account, error) {
	if err := b.look(ctx, caller, access.ReadAccount, id); err != nil {
		return Account{}, err
	}
	return b.readAccount(ctx, id)
}

// look answers nil when the caller may look at an account, and journals the look unless it is the holder's own. Whoever
// may not look is not told whether there is such an account.
func (b *Bank) look(
	ctx context.Context, caller access.Caller, action access.Action, id unit.AccountID,
) error {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return err
	}
	account, err := b.openedAccount(ctx, id)
	if err != nil {
		return err
	}
	// The holder of the account that goes on is that of the one which became part of it.
	holder, goesOn, err := b.livingRow(ctx, id)
	if err != nil {
		return err
	}
	if err := caller.Check(action, access.Subject{Organization: account.GetHome(), Account: holder}, d); err != nil {
		return err
	}
	if account == nil {
		return faultf(NotFound, ReasonUnknownAccount, "account_id", "there is no such account")
	}
	if caller.Kind != access.Resident {
		if err := b.journal(ctx, caller, id, action, ""); err != nil {
			return err
		}
	}
	switch {
	case action == access.ReadAccount, holder != id && staysReadable(action):
		return nil
	case goesOn.GetMoving():
		return arriving("account_id")
	case holder == id:
		return nil
	}
	return goneOn(holder)
}

// goneOn is the fault of asking for an account that became part of another one.
func goneOn(holder unit.AccountID) *Error {
	fault := faultf(Precondition, ReasonAccountMerged, "account_id", "the account became part of another one of the same person: ask for account %s", holder)
	fault.Metadata = map[string]string{"merged_into": holder.String()}
	return fault
}

// staysReadable says whether something can be asked about an account that became part of another one: what did not go over to that.
func staysReadable(action access.Action) bool {
	switch action {
	case access.ReadAccesses, access.ReadTransfers, access.ReadConsents, access.WithdrawConsent:
		return true
	default:
		return false
	}
}

func (b *Bank) readAccount(ctx context.Context, id unit.AccountID) (Account, error) {
	row, err := b.openedAccount(ctx, id)
	if err != nil {
		return Account{}, err
	}
	person, err := b.vault.Person(ctx, id)
	if err != nil {
		return Account{}, err
	}
	account := Account{
		ID: id, Number: person.Number, Status: row.GetStatus(), Home: row.GetHome(),
		Opened: timeOf(row.GetOpenedTime()),
	}
	if isMerged(row) {
		account.MergedInto = unit.AccountID(row.GetMergedInto())
	}
	return account, nil
}
