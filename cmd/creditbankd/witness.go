package main

import (
	"context"
	"fmt"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/api/witness"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// witnessConfig says where a witness is, and what its public key is. The key holds its name.
type witnessConfig struct {
	url string
	key cosignature.Key
	// keyed says that key is one.
	keyed bool
}

func (w *witnessConfig) read(key string, value any) (err error) {
	switch key {
	case "url":
		if err := text(&w.url)(value); err != nil {
			return err
		}
		if witness.CheckURL(w.url) != nil {
			return fmt.Errorf("%q is not it: give the submission prefix of the witness, such as https://witness.example/prefix", w.url)
		}
		return nil
	case "vkey":
		var vkey string
		if err := text(&vkey)(value); err != nil {
			return err
		}
		if w.key, err = cosignature.ParseKey(vkey); err != nil {
			return fmt.Errorf("%q is no key of a witness: give <name>+<id>+<key> as the witness publishes it, of the type Ed25519 cosignature (04)", vkey)
		}
		w.keyed = true
		return nil
	default:
		return fmt.Errorf("is not known; a witness has url and vkey")
	}
}

// checkWitnesses refuses witnesses that could not be asked or would count twice, and a quorum that could not be reached.
func (l *loading) checkWitnesses() {
	c := &l.config.witness
	for i, w := range c.witnesses {
		at := fmt.Sprintf("%s[%d].", witnessesKey, i)
		fault := func(field, format string, args ...any) {
			if !l.has(at + field) {
				l.from[at+field] = l.from[witnessesKey]
				l.fault(at+field, format, args...)
			}
		}
		if w.url == "" {
			fault("url", "is missing: give the submission prefix of the witness")
		}
		if !w.keyed {
			fault("vkey", "is missing: give the public key of the witness")
			continue
		}
		for _, other := range c.witnesses[:i] {
			if other.keyed && w.key.Clashes(other.key) {
				fault("vkey", "%s has the name or the key of another witness of the list: each counts once", w.key)
			}
		}
	}
	switch {
	case len(c.witnesses) > cosignature.MaxWitnesses:
		l.fault(witnessesKey, "has %d: give at most %d, since readers need not take more signatures", len(c.witnesses), cosignature.MaxWitnesses)
	case c.quorum > len(c.witnesses) && !l.has(witnessesKey):
		l.fault("witness.quorum", "is %d, and there are %d witnesses (%s): no checkpoint could ever have so many cosignatures",
			c.quorum, len(c.witnesses), witnessesKey)
	case c.quorum == 0 && len(c.witnesses) > 0:
		c.quorum = len(c.witnesses)/2 + 1
	}
}

// witnesses are those who cosign the checkpoints of a ledger.
func (p *process) witnesses(o opening, l *ledger.Ledger) (*witness.Witnesses, error) {
	c := o.config.witness
	cfg := witness.Config{
		Log: witnessed{l}, Quorum: c.quorum, Interval: c.interval, Timeout: c.timeout, Now: p.now, Logger: o.log, Metrics: o.metrics,
	}
	for _, w := range c.witnesses {
		cfg.Witnesses = append(cfg.Witnesses, witness.Witness{URL: w.url, Key: w.key})
	}
	return witness.New(cfg)
}

// witnessed is a ledger as its witnesses see it.
type witnessed struct{ ledger *ledger.Ledger }

// Newest implements witness.Log: a ledger publishes nothing before it is anchored.
func (w witnessed) Newest() (signed []byte, size uint64, err error) {
	view, err := w.ledger.View()
	if err != nil {
		return nil, 0, err
	}
	defer view.Close()
	return view.Checkpoint(), view.Size(), nil
}

// ConsistencyProof implements witness.Log.
func (w witnessed) ConsistencyProof(ctx context.Context, older, newer uint64) ([]merkle.Hash, error) {
	view, err := w.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return view.ConsistencyProof(ctx, older, newer)
}
