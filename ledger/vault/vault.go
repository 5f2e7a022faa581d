// Package vault keeps who people are, outside the log: names, identity documents and contacts, which account an account
// number or a document belongs to, the key under which an account's payloads are sealed in the log, the files that
// people bring as evidence, and who looked at whom.
//
// A person can be forgotten, history can't: the log refers to people by opaque account ids and seals what it says of
// them under a key per account. Destroying that key and the rows here erases the person, and leaves every proof in the
// log valid. The per-account keys are themselves wrapped by a key-encryption key that lies outside data and backups (see
// [Keyset]), so that a stolen disk or backup names nobody.
//
// The package never writes to the log, never decides who may look, never puts a name, a number or a key into an error
// or a log line, and takes no part of a person as a row's key other than through a keyed hash. Its one invariant: an
// account has a live row if and only if its number's row and its document's row lead to it, and then its key exists;
// the key is durable before Enroll returns, and gone when Erase returns.
//
// Whether an account exists is for the log to say. An account is enrolled here before its AccountOpened is appended, so
// a crash between the two leaves an enrolment that no entry knows. It needs no cleaning up: the next attempt to enrol
// the same document is told the id ([DocumentTakenError]), sees that the log doesn't know it, and goes on with that id,
// after [Vault.Person] for the number it was given, or [Vault.Amend] to correct what else differs.
package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Errors that callers branch on. None of them says anything about a person.
var (
	// ErrUnknownAccount says that no account has this id, number or document.
	ErrUnknownAccount = errors.New("vault: unknown account")
	// ErrErased says that the account was erased.
	ErrErased = errors.New("vault: account was erased")
	// ErrKeyGone says that nothing can be sealed or unsealed for the account any more. It comes with ErrErased.
	ErrKeyGone = errors.New("vault: key was destroyed")
	// ErrTampered says that a sealed payload is not what was sealed under this account, fact and statement.
	ErrTampered = errors.New("vault: sealed payload does not open")
	// ErrDocumentTaken says that the document belongs to another account; errors.As gives a [*DocumentTakenError].
	ErrDocumentTaken = errors.New("vault: document belongs to another account")
	// ErrNumberTaken says that the account number belongs to another account: draw another.
	ErrNumberTaken = errors.New("vault: account number belongs to another account")
	// ErrEnrolled says that the account is enrolled with other data: see [Vault.Amend].
	ErrEnrolled = errors.New("vault: account is enrolled with other data")
	// ErrInvalid says that an argument breaks a rule that the function or type it belongs to writes down.
	ErrInvalid = errors.New("vault: invalid")
	// ErrKeyset says that the keyset is not the one that the vault was written with.
	ErrKeyset = errors.New("vault: wrong keyset")
	// ErrEmpty says that no vault was begun in the store; see Config.Existing.
	ErrEmpty = errors.New("vault: the store is empty")
	// ErrFormat says that the store is not a vault of this bank, or one of a newer version.
	ErrFormat = errors.New("vault: not a vault of this bank that this version can read")
	// ErrDamaged says that a row can't be read.
	ErrDamaged = errors.New("vault: damaged row")
)

// DocumentTakenError is the [ErrDocumentTaken] that says whose the document is.
type DocumentTakenError struct {
	// Account is the account that has the document. The log may not know it yet.
	Account unit.AccountID
}

func (e *DocumentTakenError) Error() string { return ErrDocumentTaken.Error() }

// Unwrap answers [ErrDocumentTaken].
func (e *DocumentTakenError) Unwrap() error { return ErrDocumentTaken }

// DefaultCacheAccounts is how many accounts a vault keeps in memory if not told otherwise: some 200 MB once they are all used.
const DefaultCacheAccounts = 1 << 18

// Config is everything a vault stands on.
type Config struct {
	// Engine keeps the rows, and nothing else. The vault is its only writer; whoever opened it closes it after the vault.
	Engine store.Engine
	// BankID is the stable name of the bank: printable ASCII without spaces. It is part of everything that is sealed.
	BankID string
	// Keys are the keys that lie outside data and backups.
	Keys *Keyset
	// Rand is the source of account keys and nonces; it must be cryptographically secure.
	Rand io.Reader
	// Now is the clock.
	Now func() time.Time
	// CacheAccounts is how many numbers and how many keys, with the birth dates that were asked for, are kept in memory; 0 is
	// DefaultCacheAccounts.
	CacheAccounts int
	// EvidenceBytes is how many bytes the files of an account have together at most; 0 is DefaultEvidenceBytes.
	EvidenceBytes int
	// Existing opens a vault that was begun; none is begun. One that was lost, or is not mounted, looks like one that is yet to begin,
	// and an empty one in its place knows nobody.
	Existing bool
}

// Vault is an open vault. Its methods are safe for concurrent use. It starts no goroutines and needs no closing.
type Vault struct {
	engine store.Engine
	keys   *primitives
	bank   string
	random *buffered
	now    func() time.Time
	writer writer
	// evidenceBytes is as in Config.
	evidenceBytes int

	// erased holds the accounts that this process has erased: a Sealer may outlive its place in the cache.
	erased sync.Map

	// cache guards nothing but the question whether what was read is still true when it is remembered: forgetting
	// takes it for writing and moves generation on, remembering takes it for reading and compares.
	cache      sync.RWMutex
	generation uint64
	numbers    *lru.Cache[unit.AccountNumber, *holder]
	sealers    *lru.Cache[unit.AccountID, *Sealer]
}

// holder is whose a number is.
type holder struct {
	account unit.AccountID
	sealer  atomic.Pointer[Sealer] // nil until it was asked for
}

// Open opens the vault in an engine; in an empty one it begins a new vault, unless it has to exist. It answers [ErrEmpty], and
// [ErrFormat] or [ErrKeyset] when engine, bank and keys don't belong together.
func Open(ctx context.Context, cfg Config) (*Vault, error) {
	switch {
	case cfg.Engine == nil, cfg.Keys == nil, cfg.Rand == nil, cfg.Now == nil:
		return nil, fmt.Errorf("%w: engine, keys, rand and now are needed", ErrInvalid)
	case !isPrintable(cfg.BankID) || len(cfg.BankID) > maxBankIDBytes:
		return nil, fmt.Errorf("%w: bank id: 1 to %d characters of printable ascii", ErrInvalid, maxWordBytes)
	case cfg.CacheAccounts < 0:
		return nil, fmt.Errorf("%w: cache", ErrInvalid)
	case cfg.EvidenceBytes < 0:
		return nil, fmt.Errorf("%w: evidence bytes", ErrInvalid)
	}
	if cfg.CacheAccounts == 0 {
		cfg.CacheAccounts = DefaultCacheAccounts
	}
	if cfg.EvidenceBytes == 0 {
		cfg.EvidenceBytes = DefaultEvidenceBytes
	}
	keys, err := cfg.Keys.primitives()
	if err != nil {
		return nil, err
	}
	numbers, err := lru.New[unit.AccountNumber, *holder](cfg.CacheAccounts)
	if err != nil {
		return nil, fmt.Errorf("vault: cache: %v", err)
	}
	sealers, err := lru.New[unit.AccountID, *Sealer](cfg.CacheAccounts)
	if err != nil {
		return nil, fmt.Errorf("vault: cache: %v", err)
	}
	v := &Vault{
		engine: cfg.Engine, keys: keys, bank: cfg.BankID, random: newBuffered(cfg.Rand), now: cfg.Now,
		evidenceBytes: cfg.EvidenceBytes,
		numbers:       numbers, sealers: sealers,
	}
	v.writer.init(cfg.Engine, v.forgetAll)
	if err := v.found(ctx, cfg.Existing); err != nil {
		return nil, err
	}
	return v, nil
}

// Halted answers why the vault writes nothing any more, or nil while it does. Opening it again recovers.
func (v *Vault) Halted() error {
	if err := v.engine.Halted(); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// found checks that the store is this vault, and makes it so if the store is empty and need not exist.
func (v *Vault) found(ctx context.Context, existing bool) error {
	row, err := v.engine.Get(ctx, formatKey())
	if err != nil {
		return fmt.Errorf("vault: open: %w", err)
	}
	if row[0] != nil {
		return v.checkFormat(row[0])
	}
	if existing && v.engine.Head() == 0 {
		return ErrEmpty
	}
	fresh, err := v.newFormat()
	if err != nil {
		return err
	}
	return v.writer.commit(ctx, func(d *draft) error {
		row, err := d.get(ctx, formatKey())
		switch {
		case err != nil:
			return err
		case row[0] != nil: // somebody else was quicker
			return v.checkFormat(row[0])
		case d.head != 0:
			return fmt.Errorf("%w: there are rows, but no format", ErrFormat)
		}
		d.set(formatKey(), fresh)
		return nil
	}, nil)
}

// Enroll gives an account its person and a key. All of it is one durable commit: when Enroll returns nil, the key may be
// used in the log. It is idempotent for the same account and person. It answers [ErrDocumentTaken] with the other
// account's id, [ErrNumberTaken], [ErrEnrolled] when the account has another person, [ErrErased], or [ErrInvalid]
// wrapping what [Person.Check] found. Of several at once with the same document or number, one succeeds.
func (v *Vault) Enroll(ctx context.Context, id unit.AccountID, person Person) error {
	if id.IsZero() {
		return fmt.Errorf("%w: zero account id", ErrInvalid)
	}
	if err := person.Check(); err != nil {
		return err
	}
	live, err := v.newAccount(id, person)
	if err != nil {
		return err
	}
	return v.writer.commit(ctx, func(d *draft) error {
		current, err := v.claim(ctx, d, id, live)
		switch {
		case errors.Is(err, ErrUnknownAccount):
		case err != nil:
			return err
		default:
			enrolled, err := v.openPerson(id, current)
			if err != nil {
				return err
			}
			if !enrolled.equal(person) {
				return ErrEnrolled
			}
			return nil
		}
		d.set(accountKey(id), live.encode())
		v.point(d, id, live)
		return nil
	}, nil)
}

// Amend replaces the person of an enrolled account: a new name, a reissued number, another document. The key stays. Its
// errors are those of Enroll, and [ErrUnknownAccount]. The old number and document are free afterwards.
func (v *Vault) Amend(ctx context.Context, id unit.AccountID, person Person) error {
	if err := person.Check(); err != nil {
		return err
	}
	amended, err := v.indexed(person)
	if err != nil {
		return err
	}
	return v.writer.commit(ctx, func(d *draft) error {
		current, err := v.claim(ctx, d, id, amended)
		if err != nil {
			return err
		}
		next := amended
		next.wrapped = current.wrapped
		if next.person, err = v.sealPerson(id, current.wrapped, person); err != nil {
			return err
		}
		v.unpoint(d, current)
		d.set(accountKey(id), next.encode())
		v.point(d, id, next)
		return nil
	}, func() { v.forget(id) })
}

// claim reads the live row of an account, having made sure that number and document of next belong to nobody else. It
// answers ErrUnknownAccount when there is no row and nothing is in the way of one.
func (v *Vault) claim(ctx context.Context, d *draft, id unit.AccountID, next account) (account, error) {
	rows, err := d.get(ctx, accountKey(id), numberKey(next.number), documentKey(next.document))
	if err != nil {
		return account{}, err
	}
	current, err := decodeAccount(rows[0])
	if errors.Is(err, ErrErased) || errors.Is(err, ErrDamaged) {
		return account{}, err
	}
	if holder := rows[2]; holder != nil && next.document != nil && !bytes.Equal(holder, id[:]) {
		other, err := unit.AccountIDFromBytes(holder)
		if err != nil {
			return account{}, fmt.Errorf("%w: document", ErrDamaged)
		}
		return account{}, &DocumentTakenError{Account: other}
	}
	if holder := rows[1]; holder != nil && !bytes.Equal(holder, id[:]) {
		return account{}, ErrNumberTaken
	}
	return current, err
}

// point makes number and document lead to an account; unpoint frees them.
func (v *Vault) point(d *draft, id unit.AccountID, a account) {
	d.set(numberKey(a.number), id[:])
	if a.document != nil {
		d.set(documentKey(a.document), id[:])
	}
}

func (v *Vault) unpoint(d *draft, a account) {
	d.delete(numberKey(a.number))
	if a.document != nil {
		d.delete(documentKey(a.document))
	}
}

// Erase destroys the account's key, person, number, document and files. What is left is a tombstone: the id and the time, and
// the journal of who looked, which names the lookers. From then on every call that needs what was destroyed answers
// [ErrErased], and so do the [Sealer]s that are still around. Erasing an erased account changes nothing, and one that is
// not here gets its tombstone too: a restored vault is told again of everyone who was erased.
//
// The bytes leave the disk when the engine has compacted them away.
func (v *Vault) Erase(ctx context.Context, id unit.AccountID) error {
	if id.IsZero() {
		return fmt.Errorf("%w: zero account id", ErrInvalid)
	}
	var live bool
	return v.writer.commit(ctx, func(d *draft) error {
		live = false
		rows, err := d.get(ctx, accountKey(id))
		if err != nil {
			return err
		}
		current, err := decodeAccount(rows[0])
		switch {
		case errors.Is(err, ErrErased):
			return nil
		case errors.Is(err, ErrUnknownAccount):
		case err != nil:
			return err
		default:
			live = true
			v.unpoint(d, current)
			if err := v.forgetEvidence(ctx, d, id); err != nil {
				return err
			}
		}
		d.set(accountKey(id), encodeTombstone(v.now()))
		return nil
	}, func() {
		if live {
			v.erased.Store(id, struct{}{})
			v.forget(id)
		}
	})
}

// Lookup finds the account of a number, most often in memory. It answers [ErrUnknownAccount].
func (v *Vault) Lookup(ctx context.Context, number unit.AccountNumber) (unit.AccountID, error) {
	if h, found := v.numbers.Get(number); found {
		return h.account, nil
	}
	ids, err := v.LookupMany(ctx, []unit.AccountNumber{number})
	if err != nil {
		return unit.AccountID{}, err
	}
	if ids[0].IsZero() {
		return unit.AccountID{}, ErrUnknownAccount
	}
	return ids[0], nil
}

// LookupMany finds the accounts of many numbers with at most one round trip to the store: ids[i] belongs to numbers[i] and
// is zero when no account has that number.
func (v *Vault) LookupMany(ctx context.Context, numbers []unit.AccountNumber) (ids []unit.AccountID, err error) {
	generation := v.currentGeneration()
	ids = make([]unit.AccountID, len(numbers))
	var missing []int
	var keys [][]byte
	for i, number := range numbers {
		h, found := v.numbers.Get(number)
		if found {
			ids[i] = h.account
			continue
		}
		mac, err := v.numberMAC(number)
		if err != nil {
			return nil, err
		}
		missing, keys = append(missing, i), append(keys, numberKey(mac))
	}
	if len(missing) == 0 {
		return ids, nil
	}
	rows, err := v.engine.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("vault: lookup: %w", err)
	}
	for k, i := range missing {
		if rows[k] == nil {
			continue
		}
		if ids[i], err = unit.AccountIDFromBytes(rows[k]); err != nil {
			return nil, fmt.Errorf("%w: number", ErrDamaged)
		}
	}
	v.remember(generation, func() {
		for _, i := range missing {
			if !ids[i].IsZero() {
				v.numbers.Add(numbers[i], &holder{account: ids[i]})
			}
		}
	})
	return ids, nil
}

// FindByDocument finds the account of a document, which must be in the form that [unit.ParseDocument] answers. It
// answers [ErrUnknownAccount], or [ErrInvalid] for a kind of document that there isn't.
func (v *Vault) FindByDocument(ctx context.Context, document unit.Document) (unit.AccountID, error) {
	if document == (unit.Document{}) {
		return unit.AccountID{}, ErrUnknownAccount
	}
	if _, err := unit.ParseDocumentKind(string(document.Kind)); err != nil {
		return unit.AccountID{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	mac, err := v.documentMAC(document)
	if err != nil {
		return unit.AccountID{}, err
	}
	rows, err := v.engine.Get(ctx, documentKey(mac))
	switch {
	case err != nil:
		return unit.AccountID{}, fmt.Errorf("vault: find: %w", err)
	case rows[0] == nil:
		return unit.AccountID{}, ErrUnknownAccount
	}
	id, err := unit.AccountIDFromBytes(rows[0])
	if err != nil {
		return unit.AccountID{}, fmt.Errorf("%w: document", ErrDamaged)
	}
	return id, nil
}

// Person reads who an account belongs to. It answers [ErrUnknownAccount] or [ErrErased].
func (v *Vault) Person(ctx context.Context, id unit.AccountID) (Person, error) {
	rows, err := v.engine.Get(ctx, accountKey(id))
	if err != nil {
		return Person{}, fmt.Errorf("vault: person: %w", err)
	}
	row, err := decodeAccount(rows[0])
	if err != nil {
		return Person{}, err
	}
	return v.openPerson(id, row)
}

func (v *Vault) currentGeneration() uint64 {
	v.cache.RLock()
	defer v.cache.RUnlock()
	return v.generation
}

// remember puts what was read at a generation into the caches, unless something was forgotten since.
func (v *Vault) remember(generation uint64, add func()) {
	v.cache.RLock()
	defer v.cache.RUnlock()
	if v.generation == generation {
		add()
	}
}

// forget drops an account from the caches. Its numbers are found by looking at all of them: it happens when somebody is
// erased or gets a new number, and takes milliseconds.
func (v *Vault) forget(id unit.AccountID) {
	v.cache.Lock()
	defer v.cache.Unlock()
	v.generation++
	v.sealers.Remove(id)
	for _, number := range v.numbers.Keys() {
		if h, found := v.numbers.Peek(number); found && h.account == id {
			v.numbers.Remove(number)
		}
	}
}

func (v *Vault) forgetAll() {
	v.cache.Lock()
	defer v.cache.Unlock()
	v.generation++
	v.sealers.Purge()
	v.numbers.Purge()
}

const (
	// maxBankIDBytes bounds bank ids, as ledger/FORMAT.md does.
	maxBankIDBytes = 255
	// maxWordBytes bounds facts and the words of the access journal.
	maxWordBytes = 128
)

func isWord(s string) bool { return isPrintable(s) && len(s) <= maxWordBytes }

// isPrintable allows printable ASCII without spaces. A line feed in particular would make additional data ambiguous.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
