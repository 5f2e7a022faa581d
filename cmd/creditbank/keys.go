package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
)

type keysCommand struct {
	New  keysNewCommand  `cmd:"" help:"Make a key. With --bank and --organization also prints what the bank's administrator needs to register it."`
	Show keysShowCommand `cmd:"" help:"Show the public half of a key, and with --bank, --organization and --purpose its proof of possession."`
}

// noPurpose is said where no proof of possession is wanted.
const noPurpose = "none"

type keysNewCommand struct {
	Purpose   string `required:"" enum:"sign,authenticate" help:"sign: signs submissions; authenticate: signs the tokens of calls."`
	Algorithm string `enum:"ed25519,ecdsa-p256-sha256" default:"ed25519" help:"ed25519 or ecdsa-p256-sha256 (${default})."`
	Out       string `required:"" placeholder:"FILE" help:"File for the private key; never overwritten, readable by you alone."`
}

// Run makes the key.
func (c *keysNewCommand) Run(g *globals, p *process) error {
	algorithm, err := keyring.ParseAlgorithm(c.Algorithm)
	if err != nil {
		return usagef("--algorithm: %v", err)
	}
	key, err := keyring.Generate(algorithm, p.random)
	if err != nil {
		return err
	}
	purpose := c.Purpose
	if g.Organization == "" {
		purpose = noPurpose // nobody to prove it for yet: "keys show" does that later
	}
	card, err := g.card(key, purpose)
	if err != nil {
		return err
	}
	text, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	if err := writeNew(c.Out, text); err != nil {
		return err
	}
	card.File = c.Out
	return card.print(g, p)
}

// writeNew writes a file that was not there, for its owner alone, and sees to it that it lasts.
func writeNew(name string, content []byte) (err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usagef("%s is there already, and what it holds may be needed: choose another name", name)
	}
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer func() {
		closing(&err, file)
		if err != nil {
			_ = os.Remove(name) // half a file helps nobody
		}
	}()
	if _, err := file.Write(content); err != nil {
		return fmt.Errorf("%v", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("%v", err)
	}
	return nil
}

type keysShowCommand struct {
	File    string `arg:"" help:"Private key (PEM)."`
	Purpose string `enum:"sign,authenticate,none" default:"none" help:"Purpose that the proof of possession is for: sign or authenticate."`
}

// Run shows the key.
func (c *keysShowCommand) Run(g *globals, p *process) error {
	key, err := readKey("FILE", c.File)
	if err != nil {
		return err
	}
	card, err := g.card(key, c.Purpose)
	if err != nil {
		return err
	}
	return card.print(g, p)
}

// keyCard is what others may know of a key.
type keyCard struct {
	File         string `json:"file,omitempty"`
	KeyID        string `json:"key_id"`
	Algorithm    string `json:"algorithm"`
	PublicKey    []byte `json:"public_key"` // SubjectPublicKeyInfo, DER
	Bank         string `json:"bank,omitempty"`
	Organization string `json:"organization,omitempty"`
	Purpose      string `json:"purpose,omitempty"`
	Proof        []byte `json:"proof,omitempty"`
}

// card describes a key, with a proof of possession for the organization that the flags name.
func (g *globals) card(key *keyring.PrivateKey, purposeWord string) (keyCard, error) {
	card := keyCard{
		KeyID: key.Public().ID().String(), Algorithm: key.Public().Algorithm().String(), PublicKey: key.Public().SPKI(),
	}
	if purposeWord == noPurpose {
		return card, nil
	}
	organization, err := g.names()
	if err != nil {
		return card, err
	}
	purpose, err := keyring.ParsePurpose(purposeWord)
	if err != nil {
		return card, usagef("--purpose: %v", err)
	}
	card.Bank, card.Organization, card.Purpose = g.Bank, string(organization), purpose.String()
	card.Proof, err = key.Sign(keyring.RegistrationText(g.Bank, organization, key.Public().ID(), purpose))
	return card, err
}

func (c keyCard) print(g *globals, p *process) error {
	if g.JSON {
		return writeJSON(p.stdout, c)
	}
	t := &table{}
	for _, line := range [][2]string{
		{"file", c.File},
		{"key id", c.KeyID},
		{"algorithm", c.Algorithm},
		{"public key", base64.StdEncoding.EncodeToString(c.PublicKey)},
		{"bank", c.Bank},
		{"organization", c.Organization},
		{"purpose", c.Purpose},
		{"proof", base64.StdEncoding.EncodeToString(c.Proof)},
	} {
		if line[1] != "" {
			t.row(line[0], line[1])
		}
	}
	t.write(p.stdout)
	if c.File != "" && c.Proof != nil {
		fmt.Fprintln(p.stdout, "Hand all lines but the first to the bank's administrator; keep the file to yourself.")
	}
	return nil
}
