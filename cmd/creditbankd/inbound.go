package main

import (
	"cmp"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api"
)

// maxTrustedLogs is how many logs of other banks are trusted at most.
const maxTrustedLogs = 256

// trustedLogConfig says which log of another bank is trusted, under which public key.
type trustedLogConfig struct {
	origin   string
	verifier note.Verifier
}

func (t *trustedLogConfig) read(key string, value any) (err error) {
	switch key {
	case "origin":
		return text(&t.origin)(value)
	case "vkey":
		var vkey string
		if err := text(&vkey)(value); err != nil {
			return err
		}
		if t.verifier, err = note.NewVerifier(vkey); err != nil {
			return fmt.Errorf("%q is no key of a log: give <origin>+<id>+<key> as the other bank publishes it", vkey)
		}
		return nil
	default:
		return fmt.Errorf("is not known; a bank has vkey and origin")
	}
}

// checkTrustedLogs refuses logs without a key, and too many of them.
func (l *loading) checkTrustedLogs() {
	for i, t := range l.config.inbound.banks {
		at := fmt.Sprintf("%s[%d].vkey", banksKey, i)
		if t.verifier == nil && !l.has(at) {
			l.from[at] = l.from[banksKey]
			l.fault(at, "is missing: give the public key of the other bank's log")
		}
	}
	if n := len(l.config.inbound.banks); n > maxTrustedLogs {
		l.fault(banksKey, "has %d: give at most %d", n, maxTrustedLogs)
	}
}

// trustedLogs are the logs of other banks whose bundles can be checked.
func (c *config) trustedLogs() (logs []api.TrustedLog) {
	for _, t := range c.inbound.banks {
		logs = append(logs, api.TrustedLog{Origin: cmp.Or(t.origin, t.verifier.Name()), Verifier: t.verifier})
	}
	return logs
}
