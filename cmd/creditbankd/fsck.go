package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type fsckCommand struct {
	configured
	Data string `placeholder:"DIR" help:"Check the directory of a demo instead of a configured bank."`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

// Help is shown below the flags.
func (*fsckCommand) Help() string {
	return `Reads every entry of a bank that is not being served, and checks that they make the tree that was signed, that what queries see is
what the entries add up to, and that every statement was signed by whom it is ascribed to. It changes nothing.`
}

// Run checks a store.
func (c *fsckCommand) Run(ctx context.Context, p *process) (err error) {
	cfg, s, err := c.open(p)
	if err != nil {
		return err
	}
	engine, err := pebble.Open(cfg.data.dir, pebble.Options{ReadOnly: true})
	if err != nil {
		return storeError(cfg.data.dir, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	unseal, closeVault, err := p.unsealer(ctx, cfg, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeVault()) }()

	anchor := pebble.NewAnchorFile(nil, cfg.data.anchorFile)
	bar := newProgress(p.stderr, "checking")
	report, err := ledger.Fsck(ctx, ledger.FsckConfig{
		Engine: engine, Anchor: anchor, Verifier: s.log.verifier, BankID: cfg.bank.id, Origin: cfg.bank.origin,
		Author: author, Unseal: unseal, Progress: bar.at,
	})
	bar.finish()
	if err := errors.Join(err, anchor.Close()); err != nil {
		return fmt.Errorf("the check could not be finished: %w", err)
	}
	if err := c.report(p, report); err != nil {
		return err
	}
	if len(report.Faults) > 0 {
		return errReported
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
	v, err := vault.Open(ctx, vault.Config{Engine: engine, BankID: cfg.bank.id, Keys: s.vault, Rand: p.random, Now: p.now})
	if err != nil {
		return nil, nil, errors.Join(vaultError(cfg, err), engine.Close())
	}
	return func(account unit.AccountID, fact string, statement, sealed []byte) ([]byte, bool, error) {
		var id unit.StatementID
		if len(statement) != 0 {
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

// author says whether a key, as it was registered by then, made a signature: the text is written anew from what the ledger
// says of the submission.
func author(s ledger.Signed, key *ledgerv1.KeyRow) error {
	fact := key.GetFact()
	public, err := keyring.ParsePublicKey(keyring.Algorithm(fact.GetAlgorithm()), fact.GetPublicKey())
	if err != nil {
		return err
	}
	organization, err := unit.ParseOrganizationID(s.Organization)
	if err != nil {
		return err
	}
	registered := keyring.Key{
		Public: public, Organization: unit.OrganizationID(fact.GetOrganization()),
		Purpose:   keyring.Purpose(fact.GetPurpose()),
		ValidFrom: timeOr(fact.GetValidFrom(), key.GetTime()), ValidUntil: timeOr(fact.GetValidUntil(), 0),
		RevokedAt: timeOr(key.GetRevokedTime(), 0),
	}
	// Whether the key was valid was decided by the clock at posting, a moment before the entry's time.
	err = registered.Check(organization, keyring.Sign, time.UnixMicro(s.At))
	if err != nil && !errors.Is(err, keyring.ErrKeyExpired) && !errors.Is(err, keyring.ErrKeyRevoked) {
		return err
	}
	return public.Verify(keyring.SubmissionText(s.BankID, organization, public.ID(), s.Statements, s.Root), s.Signature)
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
}

type fsckReport struct {
	Sound  bool        `json:"sound"`
	Size   uint64      `json:"size"`
	Root   []byte      `json:"root"`
	Faults []fsckFault `json:"faults"`
}

func (c *fsckCommand) report(p *process, r ledger.FsckReport) error {
	if c.JSON {
		out := fsckReport{Sound: len(r.Faults) == 0, Size: r.Size, Root: r.Root[:], Faults: []fsckFault{}}
		for _, f := range r.Faults {
			fault := fsckFault{Field: f.Field, Problem: f.Problem}
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
