package simulation_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

func ctx() context.Context { return context.Background() }

// keys are what lies outside the disk: the keys of the bank, of its sign-in service, and of the organizations that call.
type keys struct {
	signer   note.Signer
	verifier note.Verifier
	vault    *vault.Keyset
	issuer   *keyring.PrivateKey
	callers  map[string]callerKeys
}

// callerKeys are the two keys of a platform or an institution.
type callerKeys struct{ sign, authenticate *keyring.PrivateKey }

func newKeys() (*keys, error) {
	random := rand.NewChaCha8([32]byte{1})
	seed := make([]byte, ed25519.SeedSize)
	_, _ = random.Read(seed)
	key := ed25519.NewKeyFromSeed(seed)
	k := &keys{callers: make(map[string]callerKeys)}
	var errs [4]error
	k.signer, errs[0] = note.NewSigner(merkle.SignerKey(apitest.Origin, key))
	k.verifier, errs[1] = note.NewVerifier(merkle.VerifierKey(apitest.Origin, key.Public().(ed25519.PublicKey)))
	k.vault, errs[2] = vault.NewKeyset()
	k.issuer, errs[3] = keyring.Generate(keyring.Ed25519, random)
	all := errs[:]
	for _, organization := range slices.Concat(platforms(), institutions()) {
		sign, failed := keyring.Generate(keyring.Ed25519, random)
		authenticate, again := keyring.Generate(keyring.Ed25519, random)
		k.callers[organization], all = callerKeys{sign, authenticate}, append(all, failed, again)
	}
	return k, errors.Join(all...)
}

func platforms() []string { return []string{apitest.Platform, apitest.OtherPlatform} }

// stream is a source of randomness that several may draw from.
type stream struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

// newStream makes a source that follows from the seed and from what it is for.
func newStream(seed uint64, purpose byte, life int) *stream {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	key[8], key[9], key[10] = purpose, byte(life), byte(life>>8)
	return &stream{source: rand.NewChaCha8(key)}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Read(p)
}

// setting is everything about a bank but its disk.
type setting struct {
	*keys
	clock *apitest.Clock
	bug   bug
	seed  uint64
	// life counts how often the bank was opened: each draws salts and ids of its own.
	life int
}

// world is an open bank on a disk.
type world struct {
	*api.Bank
	setting setting
	ledger  *ledger.Ledger
	vault   *vault.Vault
	// engines and anchor are what a check reads.
	rows, people store.Engine
	anchor       ledger.Anchor
	closers      []io.Closer
	// off says whether the power is lost: what is answered from then on reaches nobody.
	off func() bool
}

// open opens a bank on a file system, as cmd/creditbankd does.
func open(s setting, disk vfs.FS) (_ *world, err error) {
	w := &world{setting: s, off: func() bool { return false }}
	defer func() {
		if err != nil {
			_ = w.close() // what went wrong first is what counts
		}
	}()
	engine := func(dir string) (store.Engine, error) {
		e, err := pebble.Open(dir, pebble.Options{FS: disk, CacheBytes: 1 << 20})
		if err != nil {
			return nil, err
		}
		w.closers = append(w.closers, e)
		return e, nil
	}
	if w.people, err = engine(vaultDir); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	w.vault, err = vault.Open(ctx(), vault.Config{
		Engine: w.people, BankID: apitest.BankID, Keys: s.vault, Rand: newStream(s.seed, 'v', s.life), Now: s.clock.Now,
	})
	if err != nil {
		return nil, err
	}
	if w.rows, err = engine(ledgerDir); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if s.bug.engine != nil {
		w.rows = s.bug.engine(w.rows)
	}
	file := pebble.NewAnchorFile(disk, anchorPath)
	w.closers = append(w.closers, file)
	w.anchor = file
	if s.bug.anchor != nil {
		w.anchor = s.bug.anchor(file)
	}
	w.ledger, err = ledger.Open(ctx(), ledger.Config{
		Engine: w.rows, Anchor: w.anchor, BankID: apitest.BankID, Origin: apitest.Origin, Signer: s.signer, Verifier: s.verifier,
		Now: s.clock.Now, Rand: newStream(s.seed, 'l', s.life), Log: slog.New(slog.DiscardHandler),
		CacheBytes: 1 << 20,
	})
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, w.ledger)
	w.Bank, err = api.New(api.Config{
		Ledger: w.ledger, Vault: w.vault, Now: s.clock.Now, Rand: newStream(s.seed, 'b', s.life),
		Issuers: []access.Issuer{{Name: apitest.Issuer, Key: s.issuer.Public(), Officers: true, Residents: true}},
	})
	return w, err
}

// close closes a bank.
func (w *world) close() error {
	var errs []error
	for _, closer := range slices.Backward(w.closers) {
		errs = append(errs, closer.Close())
	}
	return errors.Join(errs...)
}

// patience is how long a reader is waited for.
const patience = 30 * time.Second

var errReaderWaits = errors.New("a reader waits for the writer")

// published answers the checkpoint that readers stand on. Readers never wait, whatever the writer waits for.
func (w *world) published() (merkle.Checkpoint, error) {
	type answer struct {
		signed []byte
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		shown, err := w.Checkpoint()
		if err != nil {
			answered <- answer{err: err}
			return
		}
		answered <- answer{signed: shown.Signed}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-answered:
		if a.err != nil {
			return merkle.Checkpoint{}, a.err
		}
		return merkle.OpenCheckpoint(a.signed, apitest.Origin, w.setting.verifier)
	case <-late.C:
		return merkle.Checkpoint{}, errReaderWaits
	}
}

// organization is a platform or an institution that calls.
func (w *world) organization(id string) (access.Caller, error) {
	token, err := access.OrganizationToken(apitest.BankID, unit.OrganizationID(id), w.setting.callers[id].authenticate, w.setting.clock.Now())
	return w.as(token, err)
}

// officer is an officer who calls.
func (w *world) officer(id string) (access.Caller, error) {
	token, err := access.OfficerToken(apitest.BankID, apitest.Issuer, id, w.setting.issuer, w.setting.clock.Now(), access.MaxPersonToken)
	return w.as(token, err)
}

// resident is the holder of an account who calls.
func (w *world) resident(account unit.AccountID) (access.Caller, error) {
	token, err := access.ResidentToken(apitest.BankID, apitest.Issuer, account, w.setting.issuer, w.setting.clock.Now(), access.MaxPersonToken)
	return w.as(token, err)
}

func (w *world) as(token string, err error) (access.Caller, error) {
	if err != nil {
		return access.Caller{}, err
	}
	return w.Authenticate(ctx(), token)
}

// sign makes a submission of statements.
func (k *keys) sign(platform string, statements [][]byte) (api.Submission, error) {
	hashes := make([]merkle.Hash, len(statements))
	for i, s := range statements {
		hashes[i] = merkle.LeafHash(s)
	}
	key := k.callers[platform].sign
	id := key.Public().ID()
	signature, err := key.Sign(keyring.SubmissionText(apitest.BankID, unit.OrganizationID(platform), id, len(hashes), merkle.RootOf(hashes)))
	return api.Submission{Organization: platform, KeyID: id.String(), Signature: signature, Statements: statements}, err
}
