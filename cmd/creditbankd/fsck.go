package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type fsckCommand struct {
	configured
	Data    string `placeholder:"DIR" help:"Check the directory of a demo instead of a configured bank."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
	Rebuild bool   `help:"Write the derived rows that are not what the entries add up to, and check again."`
	Memory  int    `default:"1024" placeholder:"MIB" help:"Memory, in MiB, that what the entries add up to may take; what is more goes to --scratch."`
	Scratch string `placeholder:"DIR" help:"Directory to make and remove again for what is more; by default beside data.dir."`
}

// minMemory is the least memory for the rows of a replay that still makes sense, in MiB.
const minMemory = 16

// Help is shown below the flags.
func (*fsckCommand) Help() string {
	return `Reads every entry of a bank that is not being served, and checks that they make the tree that was signed, that what queries see is
what the entries add up to, and that every statement was signed by whom it is ascribed to. It changes nothing.

With --rebuild it then writes those derived rows that are not what the entries add up to, and checks everything again. Entries are
never written. It refuses when an entry is wrong, or when the entries do not prove the checkpoint at the anchor: then a backup has
to be restored. If it is interrupted, the bank does not start before it was run again.`
}

// Run checks a store.
func (c *fsckCommand) Run(ctx context.Context, p *process) (err error) {
	if c.Memory < minMemory {
		return usagef("--memory: %d MiB are too little, give at least %d", c.Memory, minMemory)
	}
	cfg, s, err := c.open(p)
	if err != nil {
		return err
	}
	unseal, closeVault, err := p.unsealer(ctx, cfg, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeVault()) }()
	anchor := pebble.NewAnchorFile(nil, cfg.data.anchorFile)
	defer func() { err = errors.Join(err, anchor.Close()) }()
	scratch := scratchOf(cfg, c.Scratch)
	checked := ledger.FsckConfig{
		Anchor: anchor, Verifier: s.log.verifier, BankID: cfg.bank.id, Origin: cfg.bank.origin,
		Author: newAuthors().check, Unseal: unseal, Memory: int64(c.Memory) << 20, Scratch: scratch.open,
	}
	if c.Rebuild {
		if err := c.rebuild(ctx, p, cfg.data.dir, scratch, checked); err != nil {
			return err
		}
	}
	report, err := c.check(ctx, p, cfg.data.dir, scratch, checked)
	if err != nil {
		return err
	}
	if err := c.report(p, report); err != nil {
		return err
	}
	if len(report.Faults) > 0 {
		return errReported
	}
	return nil
}

// check checks the store in a directory.
func (c *fsckCommand) check(
	ctx context.Context, p *process, dir string, scratch *scratch, cfg ledger.FsckConfig,
) (report ledger.FsckReport, err error) {
	engine, err := pebble.Open(dir, pebble.Options{ReadOnly: true})
	if err != nil {
		return report, storeError(dir, err)
	}
	defer func() { err = errors.Join(err, scratch.remove(), engine.Close()) }()
	bar := p.newCheckProgress("checking")
	cfg.Engine, cfg.Progress = engine, bar.at
	report, err = ledger.Fsck(ctx, cfg)
	bar.finish()
	if err != nil {
		return report, fmt.Errorf("the check could not be finished: %w", err)
	}
	return report, nil
}

// rebuild writes the derived rows of the store in a directory.
func (c *fsckCommand) rebuild(ctx context.Context, p *process, dir string, scratch *scratch, cfg ledger.FsckConfig) (err error) {
	engine, err := pebble.Open(dir, pebble.Options{Existing: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return storeError(dir, err)
	}
	defer func() { err = errors.Join(err, scratch.remove(), engine.Close()) }()
	bar := p.newCheckProgress("rebuilding")
	cfg.Progress = bar.at
	rebuilt, err := ledger.Rebuild(ctx, engine, cfg)
	bar.finish()
	if errors.Is(err, ledger.ErrRebuild) {
		if failure := c.report(p, rebuilt.Before); failure != nil {
			return failure
		}
		fmt.Fprintf(p.stderr, "creditbankd: %v\nNothing was written. See \"fsck\" in OPERATIONS.md.\n", err)
		return errReported
	}
	if err != nil {
		return fmt.Errorf("the rebuild could not be finished, run it again: %w", err)
	}
	if !c.JSON {
		for _, f := range rebuilt.Before.Faults {
			fmt.Fprintln(p.stdout, f)
		}
		fmt.Fprintf(p.stdout, "rebuilt: %d derived rows written, %d deleted", rebuilt.Rows, rebuilt.Deleted)
		if rebuilt.Tree {
			fmt.Fprint(p.stdout, ", and the tree made anew from the entries, which the anchor proves")
		}
		fmt.Fprintln(p.stdout)
	}
	return nil
}

// scratch is a place for the rows of a check that are too many for the memory. Only whoever has the store open, which nobody
// else can have then, makes and removes it.
type scratch struct{ dir string }

func scratchOf(cfg *config, dir string) *scratch {
	if dir == "" {
		dir = filepath.Clean(cfg.data.dir) + ".fsck"
	}
	return &scratch{dir}
}

// open makes the directory anew: what lies there is of a check that was ended. It answers an error rather than remove
// something else.
func (s *scratch) open() (store.Engine, error) {
	if err := s.remove(); err != nil {
		return nil, err
	}
	return pebble.Open(filepath.Join(s.dir, scratchName), pebble.Options{
		Scratch: true, CacheBytes: 128 << 20, Log: slog.New(slog.DiscardHandler),
	})
}

// scratchName is the directory in that of the scratch that the check owns.
const scratchName = "creditbank-fsck-scratch"

// remove takes away what open made, and nothing else that may lie there.
func (s *scratch) remove() error {
	if err := os.RemoveAll(filepath.Join(s.dir, scratchName)); err != nil {
		return fmt.Errorf("%s: %v", s.dir, err)
	}
	if err := os.Remove(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("%v", err)
	}
	return nil
}

// open reads the configuration, or makes up the one of a demo's directory, and the keys.
func (c *fsckCommand) open(p *process) (*config, secrets, error) {
	l, err := c.loadOrDemo(c.Data, p.environ)
	if err != nil {
		return nil, secrets{}, err
	}
	s := l.secrets()
	return l.config, s, l.err()
}

// loadOrDemo reads the configuration, or makes up the one of a demo's directory where that is named.
func (c configured) loadOrDemo(demo string, environ []string) (*loading, error) {
	switch {
	case demo == "":
		return c.load(environ)
	case c.Config != "" || len(c.set()) > 0:
		return nil, usagef("--data names the directory of a demo, which needs no configuration: leave the other flags out")
	default:
		return demoConfiguration(demo)
	}
}

// unsealer opens the vault, so that what is sealed is checked against what was signed. Nothing is written to it.
func (p *process) unsealer(
	ctx context.Context, cfg *config, s secrets,
) (_ func(unit.AccountID, string, []byte, []byte) ([]byte, bool, error), closeVault func() error, err error) {
	engine, err := pebble.Open(cfg.data.vaultDir, pebble.Options{ReadOnly: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, storeError(cfg.data.vaultDir, err)
	}
	v, err := p.openVault(ctx, cfg, engine, s.vault)
	if err != nil {
		return nil, nil, errors.Join(err, engine.Close())
	}
	return func(account unit.AccountID, fact string, statement, sealed []byte) ([]byte, bool, error) {
		var id unit.StatementID
		if len(statement) != 0 {
			var err error
			if id, err = unit.ParseStatementID(statement); err != nil {
				return nil, false, err
			}
		}
		content, err := v.Unseal(ctx, account, fact, id, sealed)
		if errors.Is(err, vault.ErrKeyGone) {
			return nil, false, nil
		}
		return content, err == nil, err
	}, engine.Close, nil
}

// authors says who signed what, and remembers the keys that it has read. It is safe for concurrent use.
type authors struct {
	keys sync.Map
	busy *keyring.Busy
}

// busyKeys is of how many keys something is kept that makes verifying faster.
const busyKeys = 256

func newAuthors() *authors { return &authors{busy: keyring.NewBusy(busyKeys)} }

// registered is a key of an organization, or why it is none.
type registered struct {
	key keyring.Key
	err error
}

// check says whether a key, as it was registered by then, made a signature: the text is written anew from what the ledger
// says of the submission or the agreement.
func (a *authors) check(s ledger.Signed, row *ledgerv1.KeyRow) error {
	known, ok := a.keys.Load(row)
	if !ok {
		key, err := registeredKey(row)
		if err == nil {
			key.Public = key.Public.Busy(a.busy)
		}
		known, _ = a.keys.LoadOrStore(row, registered{key, err})
	}
	r := known.(registered)
	if r.err != nil {
		return r.err
	}
	organization, err := unit.ParseOrganizationID(s.Organization)
	if err != nil {
		return err
	}
	// Whether the key was valid was decided by the clock at posting, a moment before the entry's time.
	err = r.key.Check(organization, keyring.Sign, time.UnixMicro(s.At))
	if err != nil && !errors.Is(err, keyring.ErrKeyExpired) && !errors.Is(err, keyring.ErrKeyRevoked) {
		return err
	}
	public := r.key.Public
	if s.Statements == 0 {
		return public.Verify(keyring.AgreementText(s.BankID, organization, public.ID(), s.Root), s.Signature)
	}
	return public.Verify(keyring.SubmissionText(s.BankID, organization, public.ID(), s.Statements, s.Root), s.Signature)
}

// registeredKey reads a key as the ledger has it.
func registeredKey(row *ledgerv1.KeyRow) (keyring.Key, error) {
	fact := row.GetFact()
	public, err := keyring.ParsePublicKey(keyring.Algorithm(fact.GetAlgorithm()), fact.GetPublicKey())
	return keyring.Key{
		Public: public, Organization: unit.OrganizationID(fact.GetOrganization()),
		Purpose:   keyring.Purpose(fact.GetPurpose()),
		ValidFrom: timeOr(fact.GetValidFrom(), row.GetTime()), ValidUntil: timeOr(fact.GetValidUntil(), 0),
		RevokedAt: timeOr(row.GetRevokedTime(), 0),
	}, err
}

// timeOr is a time in microseconds since 1970, or another one where there is none; the zero time if there is neither.
func timeOr(micros, other int64) time.Time {
	if micros == 0 {
		micros = other
	}
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros)
}

// fsckFault and fsckReport are the report for programs.
type fsckFault struct {
	Entry   *uint64 `json:"entry,omitempty"`
	Field   string  `json:"field"`
	Problem string  `json:"problem"`
	// Rebuilt says that --rebuild mends it, unless another fault keeps it from that.
	Rebuilt bool `json:"rebuilt"`
}

type fsckReport struct {
	Sound  bool        `json:"sound"`
	Size   uint64      `json:"size"`
	Root   []byte      `json:"root"`
	Faults []fsckFault `json:"faults"`
	// Unchecked says what could not be checked, since something before it is wrong.
	Unchecked string `json:"unchecked,omitempty"`
}

func (c *fsckCommand) report(p *process, r ledger.FsckReport) error {
	if c.JSON {
		out := fsckReport{Sound: len(r.Faults) == 0, Size: r.Size, Root: r.Root[:], Faults: []fsckFault{}, Unchecked: r.Unchecked}
		for _, f := range r.Faults {
			fault := fsckFault{Field: f.Field, Problem: f.Problem, Rebuilt: f.Rebuilt()}
			if f.HasIndex {
				fault.Entry = &f.Index
			}
			out.Faults = append(out.Faults, fault)
		}
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(out); err != nil {
			return fmt.Errorf("%v", err)
		}
		return nil
	}
	for _, f := range r.Faults {
		fmt.Fprintln(p.stdout, f)
	}
	if r.Unchecked != "" {
		fmt.Fprintf(p.stdout, "not checked: %s\n", r.Unchecked)
	}
	switch n := len(r.Faults); {
	case n == 0:
		fmt.Fprintf(p.stdout, "sound: %d entries make the tree that was signed, the state, and each has its author\nroot %v\n", r.Size, r.Root)
	case n >= ledger.MaxFaults:
		fmt.Fprintf(p.stdout, "NOT SOUND: %d faults, and no more were looked for\n", n)
	default:
		fmt.Fprintf(p.stdout, "NOT SOUND: %d faults in %d entries\n", n, r.Size)
	}
	return nil
}
