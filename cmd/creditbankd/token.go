package main

import (
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

type tokenCommand struct {
	configured
	Officer  string        `xor:"who" required:"" placeholder:"ID" help:"Officer to sign in."`
	Resident string        `xor:"who" required:"" placeholder:"ACCOUNT" help:"Account id (32 hex digits) of the resident to sign in."`
	Lifetime time.Duration `default:"1h" help:"How long it is valid, at most 12h (${default})."`
}

// Help is shown below the flags.
func (*tokenCommand) Help() string {
	return `Prints a token, signed with the key in sign_in.local.private_key_file. It is for the time until a sign-in service is connected,
and for the day on which that one is down: whoever may read the key can sign in as anybody.`
}

// Run signs a token.
func (c *tokenCommand) Run(p *process) error {
	if c.Lifetime < time.Minute || c.Lifetime > access.MaxPersonToken {
		return usagef("--lifetime: %s is not it: give 1m to %s", c.Lifetime, access.MaxPersonToken)
	}
	l, err := c.load(p.environ)
	if err != nil {
		return err
	}
	file := l.config.signIn.local.privateKeyFile
	if file == "" {
		l.fault("sign_in.local.private_key_file", "is missing: name the key that signs tokens on this machine, as \"creditbankd init\" makes it")
	}
	if err := l.err(); err != nil {
		return err
	}
	key, err := readPrivateKey(file)
	if err != nil {
		l.fault("sign_in.local.private_key_file", "%v", err)
		return l.err()
	}
	public, err := readPublicKey(l.config.signIn.local.publicKeyFile)
	if err != nil {
		l.fault("sign_in.local.public_key_file", "%v", err)
		return l.err()
	}
	if public.ID() != key.Public().ID() {
		l.fault("sign_in.local.public_key_file", "is not the public half of sign_in.local.private_key_file: the bank would refuse the token")
		return l.err()
	}
	var token string
	if c.Officer != "" {
		if _, err := unit.ParseOrganizationID(c.Officer); err != nil {
			return usagef("--officer: an officer's id has 2 to 63 lower-case letters, digits and hyphens")
		}
		token, err = access.OfficerToken(l.config.bank.id, access.LocalIssuer, c.Officer, key, p.now(), c.Lifetime)
	} else {
		account, parseErr := unit.ParseAccountID(c.Resident)
		if parseErr != nil {
			return usagef("--resident: %v", parseErr)
		}
		token, err = access.ResidentToken(l.config.bank.id, access.LocalIssuer, account, key, p.now(), c.Lifetime)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, token)
	return nil
}
