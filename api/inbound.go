package api

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/api/evidence"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// TrustedLog is the log of another bank, whose key the operator vouches for. A bank that has replaced its log has several.
type TrustedLog struct {
	// Origin is the first line of its checkpoints, Verifier the public key under which they hold.
	Origin   string
	Verifier note.Verifier
}

// InboundStatus is what a machine could say of another bank's bundle.
type InboundStatus uint8

// What it could say.
const (
	// InboundVerified: all that is shown holds under the key of a trusted log.
	InboundVerified InboundStatus = iota + 1
	// InboundUnknownBank: the log is none that is trusted, so that nothing of it was checked.
	InboundUnknownBank
	// InboundOwnBank: the log is that of this bank. What it holds is on somebody's record here already.
	InboundOwnBank
	// InboundRefused: it does not hold.
	InboundRefused
)

// Inbound is what a bundle shows that came in as evidence. Of whom it is, it does not show: the account in it is another bank's.
type Inbound struct {
	Status InboundStatus
	// Origin is the log that it says it is of; empty where it says none that can be read.
	Origin string
	// Part and Problem are what does not hold, of one that is refused.
	Part, Problem string
	// Shown is what holds, of one that is verified.
	Shown *bundle.Verified
}

// inbound checks a bundle offline. Everything that can be wrong with it is part of the answer.
func (b *Bank) inbound(content []byte) (*Inbound, error) {
	in := new(Inbound)
	opened, err := bundle.Open(content)
	if err != nil {
		return in, in.refused(err)
	}
	in.Origin = opened.Origin()
	if in.Origin == b.ledger.Origin() {
		in.Status = InboundOwnBank
		return in, nil
	}
	in.Status = InboundUnknownBank
	for _, log := range b.config.TrustedLogs {
		if log.Origin != in.Origin {
			continue
		}
		if in.Shown, err = opened.Verify(log.Verifier, log.Origin); err == nil {
			in.Status, in.Part, in.Problem = InboundVerified, "", ""
			return in, nil
		}
		if err := in.refused(err); err != nil {
			return in, err
		}
	}
	return in, nil
}

// refused notes why a bundle does not hold. Another error is not about the bundle, and comes back.
func (in *Inbound) refused(err error) error {
	fault, ok := errors.AsType[*bundle.Error](err)
	if !ok {
		return err
	}
	in.Status, in.Shown, in.Part, in.Problem = InboundRefused, nil, fault.Part, fault.Problem
	return nil
}

// checkInbound adds to the files of a claim what the bundles among them show.
func (b *Bank) checkInbound(ctx context.Context, view ledger.View, row *ledgerv1.CaseRow, files []EvidenceFile) error {
	for i, file := range files {
		if file.MediaType != evidence.Bundle {
			continue
		}
		content, err := b.readEvidence(ctx, view, row, file.ID)
		if errors.Is(err, vault.ErrUnknownEvidence) || errors.Is(err, vault.ErrErased) {
			continue
		}
		if err != nil {
			return err
		}
		if files[i].Inbound, err = b.inbound(content); err != nil {
			return fmt.Errorf("api: a bundle in a claim: %w", err)
		}
	}
	return nil
}
