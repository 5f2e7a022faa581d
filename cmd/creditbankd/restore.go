package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/backup"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
)

type restoreCommand struct {
	configured
	From      string `placeholder:"DIR" help:"Backup of the ledger: a directory of backups, of which the newest is taken, or one of them."`
	VaultFrom string `placeholder:"DIR" help:"Backup of the vault, likewise."`
	Vkey      string `placeholder:"KEY" help:"Verifier key of the log, as it was published: <origin>+<id>+<key>. Without it the key is that in keys.log_signer_file."`
	MoveAside bool   `help:"Keep what lies in data.dir and data.vault_dir beside it, under another name."`
}

// Help is shown below the flags.
func (*restoreCommand) Help() string {
	return `Puts backups where the configuration says that ledger and vault lie. All that is to be restored is read and checked first; nothing is
changed before it lies beside its place, whole and durable. The backup of a ledger must hold a checkpoint that the log's key has signed. The anchor stays as it is: when the backup is older than what was
published, the bank refuses to write, and OPERATIONS.md says what to do.`
}

// restoring is one store on its way back.
type restoring struct {
	store, key, dir string
	from            *backup.Backup
	// signed is the checkpoint in the backup of a ledger, whose signature was verified.
	signed merkle.Checkpoint
	lock   io.Closer
	// aside is where what lies in dir goes; empty where nothing does.
	aside string
}

// beside is where the store is written before it takes its place.
func (r *restoring) beside() string { return r.dir + ".restoring" }

// Run restores a bank.
func (c *restoreCommand) Run(ctx context.Context, p *process) (err error) {
	l, err := c.load(p.environ)
	if err != nil {
		return err
	}
	if err := l.err(); err != nil {
		return err
	}
	stores, err := c.find(l)
	if err != nil {
		return err
	}
	defer func() {
		for _, r := range stores {
			if r.lock != nil {
				err = errors.Join(err, r.lock.Close())
			}
		}
	}()
	now := p.now()
	for _, r := range stores {
		if err := r.claim(c.MoveAside, now); err != nil {
			return err
		}
	}
	for _, r := range stores {
		if err := r.from.Verify(ctx); err != nil {
			return fmt.Errorf("nothing was restored: %w; take another backup", err)
		}
	}
	for _, r := range stores {
		if err := r.write(ctx); err != nil {
			for _, r := range stores {
				err = errors.Join(err, os.RemoveAll(r.beside()))
			}
			return fmt.Errorf("nothing was restored: %s: %w", r.key, err)
		}
	}
	for _, r := range stores {
		if err := r.place(); err != nil {
			return fmt.Errorf("%s: %w; run it again", r.key, err)
		}
	}
	c.report(p.stdout, stores)
	return nil
}

// find finds the backups, and sees to it that they are this bank's. The vault comes first: a vault knows every account of
// an earlier ledger, if only one of the two gets to its place.
func (c *restoreCommand) find(l *loading) (stores []*restoring, err error) {
	cfg := l.config
	for _, want := range []struct{ flag, path, store, key, dir string }{
		{"--vault-from", c.VaultFrom, backupOfVault, "data.vault_dir", cfg.data.vaultDir},
		{"--from", c.From, backupOfLedger, "data.dir", cfg.data.dir},
	} {
		if want.path == "" {
			continue
		}
		from, err := backup.Find(want.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", want.flag, err)
		}
		if from.Store != want.store || from.BankID != cfg.bank.id {
			return nil, fmt.Errorf("%s: %s is the %s of %s, and the %s of %s is to be restored: correct the path, or bank.id",
				want.flag, from.Path, from.Store, from.BankID, want.store, cfg.bank.id)
		}
		dir, err := backup.RealPath(want.dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", want.key, err)
		}
		r := &restoring{store: want.store, key: want.key, dir: dir, from: from}
		if want.store == backupOfLedger {
			if r.signed, err = c.verify(l, from); err != nil {
				return nil, err
			}
		}
		stores = append(stores, r)
	}
	switch {
	case len(stores) == 0:
		return nil, usagef("--from and --vault-from are missing: name the backup of the ledger, that of the vault, or both")
	case len(stores) == 2 && stores[0].from.Taken.Before(stores[1].from.Taken):
		return nil, olderVault(stores[0].from, stores[1].from)
	}
	return stores, nil
}

// olderVault refuses a vault that may lack accounts of the ledger: of two backups that were made together the vault's is the later one.
func olderVault(vault, ledger *backup.Backup) error {
	return fmt.Errorf("nothing was restored: the backup of the vault was begun before that of the ledger, and accounts that were opened "+
		"between the two would have neither their person nor their key:\n  %s\n  %s\n"+
		"name with --from a backup of the ledger that is no later, or with --vault-from one of the vault that is no earlier; "+
		"if there is none, restore the vault alone first, and then the ledger", vault.Path, ledger.Path)
}

// verify answers the checkpoint that a backup of a ledger holds, when the log's own key has signed it: a list of hashes beside the
// files shows that they are what was written, and not by whom.
func (c *restoreCommand) verify(l *loading, from *backup.Backup) (merkle.Checkpoint, error) {
	verifier, err := c.verifier(l, from.Origin)
	if err != nil {
		return merkle.Checkpoint{}, err
	}
	if verifier.Name() != from.Origin {
		return merkle.Checkpoint{}, fmt.Errorf("nothing was restored: %s is of the log %q, and the key that is to verify it is of %q: take another backup, "+
			"or give the verifier key of that log with --vkey", from.Path, from.Origin, verifier.Name())
	}
	signed, err := merkle.OpenCheckpoint([]byte(from.Checkpoint), from.Origin, verifier)
	if err != nil {
		return signed, fmt.Errorf("nothing was restored: the checkpoint in %s is not one that the key of %q has signed (%w): take another backup, "+
			"or give the key that was the log's then with --vkey", from.Path, from.Origin, err)
	}
	return signed, nil
}

// verifier is the key that was given, or the public half of the bank's own.
func (c *restoreCommand) verifier(l *loading, origin string) (note.Verifier, error) {
	if c.Vkey != "" {
		verifier, err := note.NewVerifier(strings.TrimSpace(c.Vkey))
		if err != nil {
			return nil, usagef("--vkey: it is no key such as <origin>+<id>+<key>: %v", err)
		}
		return verifier, nil
	}
	key, err := readLogKey(l.config.keys.logSignerFile, l.config.bank.origin)
	if err != nil {
		return nil, fmt.Errorf("nothing was restored: who signed the backup cannot be checked: %w; or give the verifier key of %q, as it was published, "+
			"with --vkey", err, origin)
	}
	return key.verifier, nil
}

// claim makes sure that nobody uses the place, and that nothing in it would be lost.
func (r *restoring) claim(moveAside bool, now time.Time) error {
	there, err := content(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %v", r.key, err)
	}
	if len(there) == 0 {
		return nil
	}
	if r.lock, err = pebble.Lock(r.dir); err != nil {
		r.lock = nil
		return storeError(r.dir, err)
	}
	if slices.Equal(there, []string{"LOCK"}) { // an attempt to open it, or to restore it
		return nil
	}
	if !moveAside {
		return fmt.Errorf("%s: %s is not empty, and nothing is written over: move it away, or give --move-aside", r.key, r.dir)
	}
	r.aside = r.dir + "." + now.UTC().Format("20060102T150405Z")
	return nil
}

// write writes the store beside its place, and looks at it as the bank will.
func (r *restoring) write(ctx context.Context) error {
	if err := os.RemoveAll(r.beside()); err != nil { // of an attempt that was interrupted
		return fmt.Errorf("%v", err)
	}
	if err := pebble.MakeDirectory(filepath.Dir(r.dir)); err != nil {
		return fmt.Errorf("%v", err)
	}
	if err := r.from.Restore(ctx, r.beside()); err != nil {
		return err
	}
	if r.store == backupOfVault {
		engine, err := pebble.Open(r.beside(), pebble.Options{ReadOnly: true, Log: slog.New(slog.DiscardHandler), CacheBytes: surveyCacheBytes})
		if err != nil {
			return err
		}
		return engine.Close()
	}
	held, err := survey(ctx, r.beside(), r.signed)
	if errors.Is(err, ledger.ErrBehindAnchor) {
		return fmt.Errorf("%w: %s does not hold the %d entries that its checkpoint signs", backup.ErrDamaged, r.from.Path, r.signed.Size)
	}
	if err != nil {
		return err
	}
	if held.Size != r.from.Size || held.Root.String() != r.from.Root || held.BankID != r.from.BankID {
		return fmt.Errorf("%w: %s says %d entries of %s with the root %s, and holds %d of %s with the root %s", backup.ErrDamaged,
			r.from.Path, r.from.Size, r.from.BankID, r.from.Root, held.Size, held.BankID, held.Root)
	}
	return nil
}

// place puts the store where it belongs.
func (r *restoring) place() error {
	if r.aside != "" {
		if err := os.Rename(r.dir, r.aside); err != nil {
			return fmt.Errorf("%v: if it is a file system of its own, let the configuration name a directory in it", err)
		}
	} else if err := removeEmpty(r.dir); err != nil {
		return fmt.Errorf("%v: if it is a file system of its own, let the configuration name a directory in it", err)
	}
	if err := os.Rename(r.beside(), r.dir); err != nil {
		return fmt.Errorf("%v", err)
	}
	return backup.SyncDirectory(filepath.Dir(r.dir))
}

// removeEmpty removes a directory that holds nothing but a lock.
func removeEmpty(dir string) error {
	for _, path := range []string{filepath.Join(dir, "LOCK"), dir} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// report says what there is now, and what to do with it.
func (c *restoreCommand) report(w io.Writer, stores []*restoring) {
	for _, r := range stores {
		fmt.Fprintf(w, "%-7s %s\n        from %s\n", r.store, r.dir, r.from.Path)
		if r.store == backupOfLedger {
			fmt.Fprintf(w, "        %d entries of %s, root %s\n", r.from.Size, r.from.Origin, r.from.Root)
			fmt.Fprintf(w, "        a checkpoint that the log's key has signed covers %d of them\n", r.signed.Size)
		}
		if r.aside != "" {
			fmt.Fprintf(w, "        what was there is in %s\n", r.aside)
		}
	}
	fmt.Fprintf(w, `
Next:
  creditbankd fsck --config %[1]s
  creditbankd serve --config %[1]s
The bank does not start if more was published than this backup has: OPERATIONS.md, "Backup and restore".
`, c.Config)
}
