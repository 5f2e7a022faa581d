package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

type recoverCommand struct {
	configured
	OldVkey        string `required:"" placeholder:"KEY" help:"Verifier key of the log that was lost, as it was published: <origin>+<id>+<key>."`
	LastCheckpoint string `placeholder:"FILE" help:"A checkpoint of it that somebody else has kept, such as \"creditbank audit --state\" does; it counts where it is newer than the anchor's."`
	AcceptAnchor   bool   `help:"Go on although the anchor is gone, and nobody has kept a checkpoint."`
	AcceptTime     bool   `help:"Go on although the clock is far from the newest entry. By whoever has checked the clock."`
}

// Help is shown below the flags.
func (*recoverCommand) Help() string {
	return `For the day on which entries that were published are lost, or the log key is stolen or lost. Nothing may be signed under the old origin
any more: what is left goes on as another log. Give bank.origin a new name and keys.log_signer_file the name of a new file, which is
made if it is not there; everything else in the configuration stays. The store is checked first, and not touched if it is damaged.
Accounts, credits and what was posted stay as they are; what was lost can be posted again. Afterwards publish the new verifier key.`
}

// Run makes a lost log go on.
func (c *recoverCommand) Run(ctx context.Context, p *process) (err error) {
	old, err := note.NewVerifier(strings.TrimSpace(c.OldVkey))
	if err != nil {
		return usagef("--old-vkey: it is no key such as <origin>+<id>+<key>: %v", err)
	}
	var known []byte
	if c.LastCheckpoint != "" {
		if known, err = readFile(c.LastCheckpoint); err != nil {
			return usagef("--last-checkpoint: %v", err)
		}
	}
	l, err := c.load(p.environ)
	if err != nil {
		return err
	}
	if err := l.err(); err != nil {
		return err
	}
	engine, err := pebble.Open(l.config.data.dir, pebble.Options{Log: slog.New(slog.DiscardHandler), Existing: true})
	if err != nil {
		return storeError(l.config.data.dir, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if err := c.check(ctx, p, engine, l.config); err != nil {
		return err
	}
	if err := l.newLogKey(p.random, old.Name()); err != nil {
		return err
	}
	key := l.logKey()
	if err := l.err(); err != nil {
		return err
	}
	if sameKey(c.OldVkey, key.vkey) {
		return fmt.Errorf("keys.log_signer_file: %s holds the key of the lost log under another name: whoever has that one could sign for the new log "+
			"as well; name a new file", l.config.keys.logSignerFile)
	}

	anchor := pebble.NewAnchorFile(nil, l.config.data.anchorFile)
	defer func() { err = errors.Join(err, anchor.Close()) }()
	if err := anchor.Claim(); err != nil {
		return anchorError(l.config, err)
	}
	aside := fmt.Sprintf("%s.%08x", l.config.data.anchorFile, old.KeyHash())
	recovery, err := ledger.Recover(ctx, ledger.Config{
		Engine: engine, Anchor: anchor, BankID: l.config.bank.id, Origin: l.config.bank.origin,
		Signer: key.signer, Verifier: key.verifier, Now: p.now, Rand: p.random, Log: slog.New(slog.DiscardHandler),
		AcceptTime: c.AcceptTime, AcceptAnchor: c.AcceptAnchor,
	}, ledger.Lost{
		VerifierKey: c.OldVkey, Checkpoint: known,
		Keep: func(checkpoint []byte) error { return keepAnchor(aside, checkpoint) },
	})
	if err != nil {
		return recoverError(l.config, err)
	}
	c.report(p.stdout, l.config, key, recovery, aside)
	return nil
}

// check refuses a store that is damaged: what is signed once more must be right.
func (c *recoverCommand) check(ctx context.Context, p *process, engine *pebble.Engine, cfg *config) error {
	bar := p.newCheckProgress("checking")
	scratch := scratchOf(cfg, "")
	report, err := ledger.Fsck(ctx, ledger.FsckConfig{
		Engine: engine, BankID: cfg.bank.id, Author: newAuthors().check, Progress: bar.at, Scratch: scratch.open,
	})
	bar.finish()
	err = errors.Join(err, scratch.remove())
	if err != nil {
		return fmt.Errorf("the store in %s could not be checked: %w", cfg.data.dir, err)
	}
	if len(report.Faults) == 0 {
		return nil
	}
	for _, f := range report.Faults {
		fmt.Fprintln(p.stderr, f)
	}
	return fmt.Errorf("the store in %s is damaged, and nothing was changed: restore a backup that is whole first", cfg.data.dir)
}

// newLogKey makes the key of the log that goes on, unless it is there: an attempt before may have made it.
func (l *loading) newLogKey(random io.Reader, old string) error {
	file, origin := l.config.keys.logSignerFile, l.config.bank.origin
	if origin == old {
		l.fault("bank.origin", "is still that of the log that was lost: give the one that goes on a new name")
		return l.err()
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil // whatever is there, it is not written over
	}
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	return newFile{file, []byte(merkle.SignerKey(origin, private) + "\n"), 0o600}.write()
}

// sameKey says whether two verifier keys differ in nothing but the name.
func sameKey(a, b string) bool {
	public := func(vkey string) string {
		parts := strings.SplitN(strings.TrimSpace(vkey), "+", 3)
		return parts[len(parts)-1]
	}
	return public(a) == public(b)
}

// keepAnchor makes the checkpoint of the lost log durable beside the anchor, as an anchor file of its own.
func keepAnchor(file string, checkpoint []byte) error {
	aside := pebble.NewAnchorFile(nil, file)
	kept, err := aside.Load()
	if err == nil && string(kept) != string(checkpoint) {
		err = aside.Save(checkpoint)
	}
	return errors.Join(err, aside.Close())
}

// recoverError says how to mend a recovery that was refused.
func recoverError(c *config, err error) error {
	switch {
	case errors.Is(err, ledger.ErrNoAnchor):
		return fmt.Errorf("%w: there is nothing at %s; correct data.anchor_file, or give the newest checkpoint that anybody has kept with "+
			"--last-checkpoint, or, if nobody has, --accept-anchor", err, c.data.anchorFile)
	case errors.Is(err, ledger.ErrForeign):
		return fmt.Errorf("%w: correct --old-vkey, bank.id, data.anchor_file or data.dir", err)
	case errors.Is(err, ledger.ErrBehindAnchor):
		return fmt.Errorf("%w: the log that went on was lost as well: give it a third origin and key, and the verifier key of the second with --old-vkey", err)
	default:
		return ledgerError(c, err)
	}
}

// report says what there is now, and what to do with it.
func (c *recoverCommand) report(w io.Writer, cfg *config, key *logKey, r ledger.Recovery, aside string) {
	if r.Before {
		fmt.Fprintf(w, "The log went on as %s before: there was nothing left to do.\n", cfg.bank.origin)
	} else {
		fmt.Fprintf(w, "The log goes on as %s.\n", cfg.bank.origin)
	}
	last := r.Former.Last
	fmt.Fprintf(w, "\n  entries kept      %d of %s\n", r.Former.Kept, r.Former.Verifier.Name())
	switch {
	case r.Former.Signed == nil:
		fmt.Fprint(w, "  entries lost      not known: no checkpoint of the old log is\n")
	case r.Whole:
		fmt.Fprintf(w, "  entries lost      none of the %d that were published\n", last.Size)
	case last.Size > r.Former.Kept:
		fmt.Fprintf(w, "  entries lost      at least %d of the %d that were published\n", last.Size-r.Former.Kept, last.Size)
	default:
		fmt.Fprintf(w, "  entries lost      some of the %d that were published: the store holds others in their places\n", last.Size)
	}
	if r.Former.Signed != nil {
		fmt.Fprintf(w, "  last checkpoint   /log/former/%08x, in entry %d, and in %s\n", r.Former.Verifier.KeyHash(), r.Former.Kept, aside)
	}
	fmt.Fprintf(w, "  log key           %s\n  verifier key      %s\n", cfg.keys.logSignerFile, key.vkey)
	fmt.Fprint(w, `
Publish the new verifier key where the old one was, with the reason, and copy the log key to where it survives this machine.
Ask platforms to post once more what they posted since the entries that were kept: nothing is doubled.
`)
}
