package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
)

// witnessKeys are whose cosignatures a checkpoint has to bear.
type witnessKeys struct {
	Witness []string `placeholder:"KEY" sep:"none" help:"Public key of a witness, from its operator and not from the bank: <name>+<id>+<key>. Repeat it for each. Cosignatures of others are passed over."`
	Quorum  *int     `placeholder:"N" help:"How many of these witnesses must have signed (all)."`
}

// policy is what the flags demand; nil if they demand nothing.
func (k *witnessKeys) policy() (*cosignature.Policy, error) {
	if len(k.Witness) == 0 {
		if k.Quorum != nil {
			return nil, usagef("--quorum: name the witnesses with --witness")
		}
		return nil, nil
	}
	keys := make([]cosignature.Key, len(k.Witness))
	for i, vkey := range k.Witness {
		var err error
		if keys[i], err = cosignature.ParseKey(strings.TrimSpace(vkey)); err != nil {
			return nil, usagef("--witness %s: it is no key such as <name>+<id>+<key>, of the type Ed25519 cosignature: %v", vkey, err)
		}
	}
	quorum := len(keys)
	if k.Quorum != nil {
		quorum = *k.Quorum
	}
	policy, err := cosignature.NewPolicy(keys, quorum)
	if err != nil {
		return nil, usagef("--witness, --quorum: %v", err)
	}
	return policy, nil
}

// auditedWitnesses is what was checked about witnesses.
type auditedWitnesses struct {
	// Witnesses is how many were named, and Quorum how many had to sign.
	Witnesses    int                  `json:"witnesses"`
	Quorum       int                  `json:"quorum"`
	Cosignatures []auditedCosignature `json:"cosignatures"`
}

type auditedCosignature struct {
	Witness string    `json:"witness"`
	Time    time.Time `json:"time"`
}

// String lists who signed, and when.
func (w *auditedWitnesses) String() string {
	words := make([]string, len(w.Cosignatures))
	for i, c := range w.Cosignatures {
		words[i] = fmt.Sprintf("%s at %s", c.Witness, c.Time.Format(time.RFC3339))
	}
	return strings.Join(words, ", ")
}

// cosigned verifies the cosignatures of the checkpoint. missing says that too few witnesses have signed it yet, or nil.
func (a *audit) cosigned() (missing, err error) {
	if a.witnesses == nil {
		return nil, nil
	}
	checkpoint, err := a.witnesses.Read(a.signed)
	if err != nil {
		return nil, refusef("the checkpoint that the bank serves does not hold: %v", err)
	}
	a.done.Witnesses = &auditedWitnesses{Witnesses: a.witnesses.Witnesses(), Quorum: checkpoint.Quorum, Cosignatures: []auditedCosignature{}}
	for _, c := range checkpoint.Cosignatures {
		a.done.Witnesses.Cosignatures = append(a.done.Witnesses.Cosignatures, auditedCosignature{Witness: c.Witness, Time: c.Time})
	}
	if checkpoint.Witnessed() {
		return nil, nil
	}
	return refusef("the checkpoint that the bank serves (%d entries) is signed by %d of %d witnesses, and %d are wanted; signed by: %s",
		a.now.Size, len(checkpoint.Cosignatures), a.witnesses.Witnesses(), checkpoint.Quorum, orNobody(a.done.Witnesses.String())), nil
}

func orNobody(words string) string {
	if words == "" {
		return "nobody"
	}
	return words
}
