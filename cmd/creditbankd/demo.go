package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/web"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

type demoCommand struct {
	GRPC        string  `name:"grpc" default:"127.0.0.1:7461" placeholder:"HOST:PORT" help:"Address of gRPC (${default}); port 0 takes a free one."`
	HTTP        string  `name:"http" default:"127.0.0.1:7480" placeholder:"HOST:PORT" help:"Address of pages, checkpoint and tiles (${default})."`
	Admin       string  `default:"127.0.0.1:7490" placeholder:"HOST:PORT" help:"Address of metrics (${default})."`
	Data        string  `placeholder:"DIR" help:"Directory to keep it in; started again, it goes on there. Without it a directory is made, and removed at the end."`
	Accounts    *int    `placeholder:"N" help:"People with an account (500)."`
	Completions *int    `placeholder:"N" help:"Completions that the platforms post (20000)."`
	Seed        *uint64 `placeholder:"N" help:"What everything follows from: the same seed and day make the same district (1)."`
	ReadyFile   string  `placeholder:"FILE" help:"File to write when everything is there: addresses, keys and tokens, as JSON for scripts."`
}

// Help is shown below the flags.
func (*demoCommand) Help() string {
	return `Makes up a district that learns, posts what its platforms have to say through gRPC as they would, decides some of the cases, and
keeps serving. Only this machine can connect: everybody who can may be any of its people, and its keys follow from the seed.`
}

// What a demo has if nothing else is said.
const (
	defaultAccounts    = 500
	defaultCompletions = 20_000
	defaultSeed        = 1
)

// The names of the bank of a demo.
const (
	demoBankID = "xihu.demo.creditbank.example"
	demoOrigin = demoBankID + "/log"
)

// Run shows a made-up bank until ctx ends.
func (c *demoCommand) Run(ctx context.Context, p *process) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	directory, remove, err := c.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	d, err := c.remember(directory, p)
	if err != nil {
		return err
	}
	l, err := demoConfiguration(directory)
	if err != nil {
		return err
	}
	l.config.listen.grpc, l.config.listen.http, l.config.listen.admin = c.GRPC, c.HTTP, c.Admin
	l.config.log.level, l.config.log.format = "warn", "text"
	if err := p.demoKeys(directory, l.config); err != nil {
		return err
	}
	draws := newDraws(d.Seed, p.random)
	opening := opening{
		config: l.config, secrets: l.secrets(), issuers: l.issuers(), log: newLog(p.stderr, l.config), accounts: draws,
	}
	if err := l.err(); err != nil {
		return err
	}
	show, err := c.newShow(p, d, directory, opening)
	if err != nil {
		return err
	}
	show.draws = draws
	fmt.Fprintf(p.stderr, "A made-up district is being built in %s\n", directory)
	if err := show.begin(ctx, opening); err != nil || ctx.Err() != nil {
		return err
	}
	return p.serve(ctx, service{opening: opening, people: show.people(), ready: show.run})
}

func (c *demoCommand) check() error {
	for _, listen := range []struct{ flag, address string }{{"grpc", c.GRPC}, {"http", c.HTTP}, {"admin", c.Admin}} {
		if err := checkAddress(listen.address, false); err != nil {
			return usagef("--%s: a demo never leaves this machine: %v", listen.flag, err)
		}
	}
	if n := c.Accounts; n != nil && (*n < district.MinAccounts || *n > district.MaxAccounts) {
		return usagef("--accounts: %d is not it: give %d to %d", *n, district.MinAccounts, district.MaxAccounts)
	}
	if n := c.Completions; n != nil && (*n < district.MinCompletions || *n > district.MaxCompletions) {
		return usagef("--completions: %d is not it: give %d to %d", *n, district.MinCompletions, district.MaxCompletions)
	}
	return nil
}

// directory is where the demo keeps everything; remove is what to do with it in the end.
func (c *demoCommand) directory() (directory string, remove func() error, err error) {
	if c.Data == "" {
		directory, err = os.MkdirTemp("", "creditbank-demo-")
		if err != nil {
			return "", nil, fmt.Errorf("--data: %v", err)
		}
		return directory, func() error { return os.RemoveAll(directory) }, nil
	}
	if directory, err = filepath.Abs(c.Data); err != nil {
		return "", nil, fmt.Errorf("--data: %v", err)
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return "", nil, fmt.Errorf("--data: %v", err)
	}
	return directory, func() error { return nil }, nil
}

// parameters are what a demo was made with; a directory keeps them, so that going on makes the same district.
type parameters struct {
	Seed        uint64 `json:"seed"`
	Day         string `json:"day"`
	Accounts    int    `json:"accounts"`
	Completions int    `json:"completions"`
}

const parametersFile = "demo.json"

// remember reads what the directory's demo was made with, or writes it down.
func (c *demoCommand) remember(directory string, p *process) (*district.District, error) {
	name := filepath.Join(directory, parametersFile)
	content, err := os.ReadFile(name)
	var known parameters
	switch {
	case err == nil:
		if err := json.Unmarshal(content, &known); err != nil {
			return nil, fmt.Errorf("--data: %s can't be read: choose another directory", name)
		}
		if differs(c.Seed, known.Seed) || differs(c.Accounts, known.Accounts) || differs(c.Completions, known.Completions) {
			return nil, usagef("--data: %s was made with --seed %d --accounts %d --completions %d: give these, or none, or choose another directory",
				directory, known.Seed, known.Accounts, known.Completions)
		}
	case errors.Is(err, fs.ErrNotExist):
		if entries, err := os.ReadDir(directory); err != nil || len(entries) > 0 {
			return nil, usagef("--data: %s is neither empty nor the directory of a demo: choose another one", directory)
		}
		known = parameters{
			Seed: or(c.Seed, defaultSeed), Day: district.DayOf(p.now()).Format(dayLayout),
			Accounts: or(c.Accounts, defaultAccounts), Completions: or(c.Completions, defaultCompletions),
		}
		if content, err = json.Marshal(known); err != nil {
			return nil, fmt.Errorf("--data: %v", err)
		}
		if err := replaceFile(name, append(content, '\n')); err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
	default:
		return nil, fmt.Errorf("--data: %v", err)
	}
	return known.district(name)
}

func differs[T comparable](given *T, known T) bool { return given != nil && *given != known }

func or[T any](given *T, usual T) T {
	if given != nil {
		return *given
	}
	return usual
}

// demoConfiguration is the configuration of a demo's directory.
func demoConfiguration(directory string) (*loading, error) {
	directory, err := filepath.Abs(directory)
	if err != nil {
		return nil, fmt.Errorf("--data: %v", err)
	}
	if _, err := os.Stat(filepath.Join(directory, parametersFile)); err != nil {
		return nil, usagef("--data: %s is not the directory of a demo", directory)
	}
	l := &loading{config: defaults(), from: make(map[string]string)}
	c := l.config
	c.bank.id, c.bank.origin = demoBankID, demoOrigin
	c.data.dir, c.data.vaultDir = filepath.Join(directory, "data"), filepath.Join(directory, "vault")
	c.data.anchorFile = filepath.Join(directory, "anchor", "checkpoint")
	keys := filepath.Join(directory, "keys")
	c.keys.logSignerFile, c.keys.vaultKeysetFile = filepath.Join(keys, "log-signer"), filepath.Join(keys, "vault-keyset")
	c.signIn.local.privateKeyFile, c.signIn.local.publicKeyFile = filepath.Join(keys, "token-signer"), filepath.Join(keys, "token-signer.pub")
	l.check()
	return l, l.err()
}

// demoKeys makes the keys of the bank unless they are there: all or none of them, wherever it is interrupted.
func (p *process) demoKeys(directory string, c *config) error {
	keys := filepath.Dir(c.keys.logSignerFile)
	if _, err := os.Stat(keys); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	files, err := newKeys(p.random, c)
	if err != nil {
		return err
	}
	making, err := os.MkdirTemp(directory, "keys-")
	if err != nil {
		return fmt.Errorf("--data: %v", err)
	}
	for _, f := range files {
		f.path = filepath.Join(making, filepath.Base(f.path))
		if err := f.write(); err != nil {
			return fmt.Errorf("--data: %w", err)
		}
	}
	if err := os.Rename(making, keys); err != nil {
		return fmt.Errorf("--data: %v", err)
	}
	return syncDirectory(directory)
}

// foundDemo founds the bank unless it is.
func (p *process) foundDemo(ctx context.Context, o opening) error {
	root := district.RootOrganization()
	founding := api.Founding{Organization: api.Organization{
		ID: root.ID, Name: root.Name, Code: root.Code, Level: root.Level, Roles: root.Roles, TrustTier: root.TrustTier,
	}}
	for _, officer := range district.Officers() {
		if officer.Role == administrator {
			founding.Administrators = append(founding.Administrators, officer.ID)
		}
	}
	err := p.found(ctx, o, founding)
	if fault, ok := errors.AsType[*api.Error](err); ok && fault.Reason == api.ReasonOrganizationKnown {
		return nil
	}
	return err
}

// person is somebody whom the demo signs in.
type person struct {
	label     api.Text
	officer   string // id; empty for residents
	account   unit.AccountID
	number    unit.AccountNumber
	tokenFile string
}

// token makes a token for somebody, and keeps it in their file too, so that scripts have the newest.
func (s *show) token(of *person) (string, error) {
	var (
		token string
		err   error
		now   = s.process.now()
	)
	if of.officer != "" {
		token, err = access.OfficerToken(demoBankID, access.LocalIssuer, of.officer, s.issuer, now, access.MaxPersonToken)
	} else {
		token, err = access.ResidentToken(demoBankID, access.LocalIssuer, of.account, s.issuer, now, access.MaxPersonToken)
	}
	if err != nil {
		return "", err
	}
	return token, replaceFile(of.tokenFile, []byte(token+"\n"))
}

// people are those whom the pages offer to sign in: residents first, then officers.
func (s *show) people() []web.Person {
	var all []web.Person
	for i := range s.persons {
		one := &s.persons[i]
		all = append(all, web.Person{Label: one.label, Token: func() (string, error) {
			select {
			case <-s.peopled:
				return s.token(one)
			default:
				return "", &api.Error{Kind: api.Unavailable, Reason: api.ReasonBusy, Message: "the district is still being made; try again in a few seconds"}
			}
		}})
	}
	return all
}

// newShow is everything that the demo is going to show.
func (c *demoCommand) newShow(p *process, d *district.District, directory string, o opening) (*show, error) {
	issuer, err := readPrivateKey(o.config.signIn.local.privateKeyFile)
	if err != nil {
		return nil, err
	}
	s := &show{
		process: p, district: d, directory: directory, readyFile: c.ReadyFile, temporary: c.Data == "",
		issuer: issuer, issuerFile: o.config.signIn.local.privateKeyFile, vkey: o.secrets.log.vkey, peopled: make(chan struct{}),
	}
	if s.residents, err = d.People(); err != nil {
		return nil, err
	}
	tokens := filepath.Join(directory, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return nil, fmt.Errorf("--data: %v", err)
	}
	for i, r := range s.residents[:d.Listed()] {
		s.persons = append(s.persons, person{
			label:     api.Text{ZH: r.Name, EN: r.Name},
			tokenFile: filepath.Join(tokens, fmt.Sprintf("resident-%d.token", i+1)),
		})
	}
	for _, officer := range district.Officers() {
		s.persons = append(s.persons, person{
			label: api.Text{ZH: officer.Name, EN: officer.Name}, officer: officer.ID,
			tokenFile: filepath.Join(tokens, officer.ID+".token"),
		})
	}
	return s, errors.Join(s.platformKeys(), s.institutionKeys())
}

// platformKeys writes the keys of the platforms to files, for scripts that post in their name.
func (s *show) platformKeys() error {
	directory := filepath.Join(s.directory, "platforms")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("--data: %v", err)
	}
	for _, p := range district.Platforms() {
		var keys [2]keyFile
		for i, purpose := range []keyring.Purpose{keyring.Sign, keyring.Authenticate} {
			key, err := s.district.Key(p, purpose)
			if err != nil {
				return err
			}
			text, err := key.MarshalPEM()
			if err != nil {
				return err
			}
			keys[i] = keyFile{key, filepath.Join(directory, p.ID+"."+purpose.String()+".pem")}
			if err := replaceFile(keys[i].file, text); err != nil {
				return err
			}
		}
		s.platforms = append(s.platforms, platform{Platform: p, sign: keys[0], authenticate: keys[1]})
	}
	return nil
}

// keyFile is a key, and the file that has it.
type keyFile struct {
	*keyring.PrivateKey
	file string
}

// replaceFile writes a file for its owner alone, whole or not at all.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-") // mode 0600
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("%v", err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("%v", err)
	}
	return nil
}
