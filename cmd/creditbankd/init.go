package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

type initCommand struct {
	configured
	OrganizationID    string   `name:"organization.id" required:"" placeholder:"ID" help:"Root of the network: 2 to 63 lower-case letters, digits and hyphens, such as xihu-cc."`
	OrganizationName  string   `name:"organization.name" required:"" placeholder:"NAME" help:"Its name for people."`
	OrganizationCode  string   `name:"organization.code" required:"" placeholder:"CODE" help:"Its unified social credit code, 18 characters."`
	OrganizationLevel string   `name:"organization.level" enum:"city,district,town,village" default:"district" help:"Its place: city, district, town or village (${default})."`
	Administrators    []string `required:"" placeholder:"ID,ID" help:"Opaque ids of the first administrators, at least two, as the sign-in service says them."`
}

// Help is shown below the flags.
func (*initCommand) Help() string {
	return `Makes the key of the log, the keys of the vault, the key with which "creditbankd token" signs, and the bank itself, with the
root of its network and its first administrators. Where there is no configuration file, it writes one, with everything below
the file's own directory unless flags say otherwise. It never writes over anything, and it founds a bank once.`
}

// Run founds a bank.
func (c *initCommand) Run(ctx context.Context, p *process) (err error) {
	if c.Config == "" {
		return usagef("--config is missing: name the configuration file of the bank, or the one that init should write")
	}
	if c.Config, err = filepath.Abs(c.Config); err != nil {
		return fmt.Errorf("%v", err)
	}
	founding, err := c.founding()
	if err != nil {
		return err
	}
	made := new(leftovers)
	defer func() {
		if err != nil {
			made.remove()
		}
	}()

	configuration, err := c.configuration()
	if err != nil {
		return err
	}
	if configuration != nil {
		if err := made.write(newFile{c.Config, configuration, 0o644}); err != nil {
			return err
		}
	}
	l, err := c.load(p.environ)
	if err != nil {
		return err
	}
	if err := l.err(); err != nil {
		return err
	}
	l.checkNew()
	if err := l.err(); err != nil {
		return fmt.Errorf("%w\ninit never writes over anything: if an earlier attempt left these, and nothing was served from them, remove them first", err)
	}
	files, err := newKeys(p.random, l.config)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := made.write(f); err != nil {
			return err
		}
	}
	if err := made.noteStores(l.config); err != nil {
		return err
	}
	secrets := l.secrets()
	if err := l.err(); err != nil {
		return err
	}
	if err := p.found(ctx, opening{config: l.config, secrets: secrets, log: slog.New(slog.DiscardHandler)}, founding); err != nil {
		return err
	}
	c.report(p.stdout, l.config, secrets, configuration != nil)
	return nil
}

// leftovers are what an attempt to found a bank has made so far.
type leftovers struct{ paths, directories, stores []string }

// write writes a file, and notes it.
func (m *leftovers) write(f newFile) error {
	if err := m.note(f.path); err != nil {
		return err
	}
	return f.write()
}

// note notes a file that is going to be made, and those directories above it that are not there yet.
func (m *leftovers) note(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already", path)
	}
	m.paths = append(m.paths, path)
	for above := filepath.Dir(path); ; above = filepath.Dir(above) {
		if _, err := os.Lstat(above); !errors.Is(err, fs.ErrNotExist) || above == filepath.Dir(above) {
			return nil
		}
		m.directories = append(m.directories, above)
	}
}

// noteStores notes what opening the bank is going to make. The directories of the stores are empty, or not there.
func (m *leftovers) noteStores(c *config) error {
	m.stores = append(m.stores, c.data.dir, c.data.vaultDir)
	m.paths = append(m.paths, c.data.anchorFile+".lock") // holds nothing, whosever it is
	return errors.Join(m.note(c.data.anchorFile), m.note(filepath.Join(c.data.dir, "LOCK")), m.note(filepath.Join(c.data.vaultDir, "LOCK")))
}

// remove removes what was not there before. Nobody has used it.
func (m *leftovers) remove() {
	for _, path := range m.paths {
		_ = os.Remove(path)
	}
	for _, store := range m.stores {
		entries, _ := content(store)
		for _, entry := range entries {
			_ = os.RemoveAll(filepath.Join(store, entry))
		}
	}
	// The deepest first; one that holds something else stays.
	slices.SortFunc(m.directories, func(a, b string) int { return len(b) - len(a) })
	for _, directory := range m.directories {
		_ = os.Remove(directory)
	}
}

// founding checks who the bank begins with, before anything is made.
func (c *initCommand) founding() (api.Founding, error) {
	levels := map[string]ledgerv1.OrganizationLevel{
		"city": ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_CITY, "district": ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_DISTRICT,
		"town": ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_TOWN, "village": ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_VILLAGE,
	}
	f := api.Founding{
		Organization: api.Organization{
			ID: c.OrganizationID, Name: c.OrganizationName, Code: c.OrganizationCode, Level: levels[c.OrganizationLevel],
			Roles:     []ledgerv1.Role{ledgerv1.Role_ROLE_PROVIDER, ledgerv1.Role_ROLE_CERTIFIER},
			TrustTier: maxTrustTier,
		},
		Administrators: c.Administrators,
	}
	for i, officer := range f.Administrators {
		if slices.Contains(f.Administrators[:i], officer) {
			return f, usagef("--administrators: %q is there twice: a bank begins with two different people", officer)
		}
	}
	return f, nil
}

// maxTrustTier is the highest tier: nobody stands above the root of the network.
const maxTrustTier = 5

// found opens a bank for the first time and founds it.
func (p *process) found(ctx context.Context, o opening, founding api.Founding) error {
	o.found = true
	b, err := p.open(ctx, o)
	if err != nil {
		return err
	}
	if err := b.Found(ctx, founding); err != nil {
		return errors.Join(foundingError(err), b.Close())
	}
	return b.Close()
}

// foundingError names the flag instead of the field.
func foundingError(err error) error {
	fault, ok := errors.AsType[*api.Error](err)
	if !ok || fault.Kind != api.Invalid {
		return err
	}
	flag := strings.Replace(fault.Field, "organization.organization_id", "organization.id", 1)
	if flag == "officer" {
		flag = "administrators"
	}
	return usagef("--%s: %s", flag, fault.Message)
}

// configuration is the file that init writes: what the flags say, and the rest below its own directory. It is nil where
// there is a file already.
func (c *initCommand) configuration() ([]byte, error) {
	given := c.set()
	if _, err := os.Stat(c.Config); !errors.Is(err, fs.ErrNotExist) {
		for key := range given {
			return nil, usagef("--%s: %s is there, and the bank will be served as it says: correct it there and leave the flag out", key, c.Config)
		}
		return nil, nil
	}
	here := func(parts ...string) string {
		return filepath.Join(append([]string{filepath.Dir(c.Config)}, parts...)...)
	}
	values := map[string]string{
		"data.dir":                       here("data"),
		"data.vault_dir":                 here("vault"),
		"data.anchor_file":               here("anchor", "checkpoint"),
		"keys.log_signer_file":           here("keys", "log-signer"),
		"keys.vault_keyset_file":         here("keys", "vault-keyset"),
		"sign_in.local.private_key_file": here("keys", "token-signer"),
		"sign_in.local.public_key_file":  here("sign-in", "local.pem"),
	}
	maps.Copy(values, given)
	nested := make(map[string]any)
	for key, value := range values {
		at, parts := nested, strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			below, ok := at[part].(map[string]any)
			if !ok {
				below = make(map[string]any)
				at[part] = below
			}
			at = below
		}
		at[parts[len(parts)-1]] = value
	}
	content, err := yaml.Parser().Marshal(nested)
	if err != nil {
		return nil, fmt.Errorf("the configuration: %v", err)
	}
	const head = "# Configuration of creditbankd. deploy/creditbank.example.yaml explains every key.\n"
	return append([]byte(head), content...), nil
}

// checkNew refuses places that are in use: init makes what is new and never overwrites.
func (l *loading) checkNew() {
	c := l.config
	for _, f := range []struct{ key, path string }{
		{"keys.log_signer_file", c.keys.logSignerFile},
		{"keys.vault_keyset_file", c.keys.vaultKeysetFile},
		{"sign_in.local.private_key_file", c.signIn.local.privateKeyFile},
		{"sign_in.local.public_key_file", c.signIn.local.publicKeyFile},
		{"data.anchor_file", c.data.anchorFile},
	} {
		if _, err := os.Lstat(f.path); f.path != "" && !errors.Is(err, fs.ErrNotExist) {
			l.fault(f.key, "%s is there already", f.path)
		}
	}
	for _, d := range []struct{ key, path string }{{"data.dir", c.data.dir}, {"data.vault_dir", c.data.vaultDir}} {
		switch entries, err := content(d.path); {
		case d.path == "" || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			l.fault(d.key, "%v", err)
		case len(entries) > 0:
			l.fault(d.key, "%s is not empty", d.path)
		}
	}
}

// content lists what is in a directory, but for what a file system of its own begins with.
func content(directory string) (names []string, err error) {
	entries, err := os.ReadDir(directory)
	for _, entry := range entries {
		if entry.Name() != "lost+found" {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// newKeys draws the keys of a bank.
func newKeys(random io.Reader, c *config) ([]newFile, error) {
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	keys, err := vault.NewKeyset()
	if err != nil {
		return nil, err
	}
	var keyset bytes.Buffer
	if err := keys.Write(&keyset); err != nil {
		return nil, err
	}
	files := []newFile{
		{c.keys.logSignerFile, []byte(merkle.SignerKey(c.bank.origin, private) + "\n"), 0o600},
		{c.keys.vaultKeysetFile, keyset.Bytes(), 0o600},
	}
	if c.signIn.local.privateKeyFile == "" {
		return files, nil
	}
	token, err := keyring.Generate(keyring.Ed25519, random)
	if err != nil {
		return nil, err
	}
	text, err := token.MarshalPEM()
	if err != nil {
		return nil, err
	}
	return append(files,
		newFile{c.signIn.local.privateKeyFile, text, 0o600},
		newFile{c.signIn.local.publicKeyFile, marshalPublicKey(token.Public()), 0o644},
	), nil
}

// report says what there is now, and what to do with it.
func (c *initCommand) report(w io.Writer, made *config, s secrets, wrote bool) {
	fmt.Fprintf(w, "The bank %s is founded, with %s as its root and %d administrators.\n\n",
		made.bank.id, c.OrganizationID, len(c.Administrators))
	if wrote {
		fmt.Fprintf(w, "  configuration     %s\n", c.Config)
	}
	fmt.Fprintf(w, "  bank id           %s\n", made.bank.id)
	fmt.Fprintf(w, "  verifier key      %s\n", s.log.vkey)
	fmt.Fprintf(w, "  log key           %s\n", made.keys.logSignerFile)
	fmt.Fprintf(w, "  vault keyset      %s\n", made.keys.vaultKeysetFile)
	if file := made.signIn.local.privateKeyFile; file != "" {
		fmt.Fprintf(w, "  token key         %s\n", file)
	}
	fmt.Fprintf(w, `
Publish the verifier key: with it anybody can audit the log. Copy the log key and the vault keyset to where they survive this
machine, apart from each other and from every copy of the data, before the first entry: neither can be made again. Whoever
reads the token key can sign in as any officer; without it nobody signs in until a sign-in service is named.

Next:
  creditbankd serve --config %[1]s
  creditbankd token --config %[1]s --officer %[2]s
`, c.Config, c.Administrators[0])
}
