package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/api/evidence"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
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
	// Uses are other cases in which somebody brought a bundle of the same transfer, those that were approved first, then those that are
	// open: to officers, in the case. Each item of it counts once. Nothing refuses a second case by itself, since a claim is of one
	// category, and a transfer may have items of several.
	Uses []InboundUse
}

// InboundUse is another case in which the same transfer was brought.
type InboundUse struct {
	Case   uint64
	Status ledgerv1.CaseStatus
}

const (
	// transferPurpose makes the keyed hash of a transfer of another bank.
	transferPurpose = "transfer"
	// maxUses is how many other cases an officer is told of, and maxUsesRead of how many they are chosen: an approved one is not to be hidden
	// behind many that were withdrawn, and these are more than four accounts can have in their lives.
	maxUses     = 20
	maxUsesRead = 1_000
)

// inbound checks a bundle offline. Everything that can be wrong with it is part of the answer. The bundle comes with it; nil where it is
// not well-formed.
func (b *Bank) inbound(content []byte) (*Inbound, *bundle.Bundle, error) {
	in := new(Inbound)
	opened, err := bundle.Open(content)
	if err != nil {
		return in, nil, in.refused(err)
	}
	in.Origin = opened.Origin()
	if in.Origin == b.ledger.Origin() {
		in.Status = InboundOwnBank
		return in, opened, nil
	}
	in.Status = InboundUnknownBank
	for _, log := range b.config.TrustedLogs {
		if log.Origin != in.Origin {
			continue
		}
		if in.Shown, err = opened.Verify(log.Verifier, log.Origin); err == nil {
			in.Status, in.Part, in.Problem = InboundVerified, "", ""
			return in, opened, nil
		}
		if err := in.refused(err); err != nil {
			return in, nil, err
		}
	}
	return in, opened, nil
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

// transferOf is what another bank's bundle says it is of: the same for every bundle of a transfer. What has no such entry is of none, and
// those of this bank count nowhere.
func (b *Bank) transferOf(opened *bundle.Bundle) (thing vault.Thing, ok bool, err error) {
	if opened.Origin() == b.ledger.Origin() {
		return thing, false, nil
	}
	leaf, ok := opened.Transfer()
	if !ok {
		return thing, false, nil
	}
	thing, err = b.vault.KeyedHash(transferPurpose, leaf[:])
	return thing, err == nil, err
}

// noteTransfer notes that a file was brought in a case, where it is another bank's bundle.
func (b *Bank) noteTransfer(ctx context.Context, id uint64, account unit.AccountID, file vault.EvidenceID) error {
	known, err := b.vault.Evidence(ctx, account, file)
	var content []byte
	if err == nil && known.MediaType == evidence.Bundle {
		_, content, err = b.vault.ReadEvidence(ctx, account, file)
	}
	if errors.Is(err, vault.ErrUnknownEvidence) || errors.Is(err, vault.ErrErased) {
		return nil
	}
	if err != nil || content == nil {
		return err
	}
	opened, err := bundle.Open(content)
	if _, refused := errors.AsType[*bundle.Error](err); refused {
		return nil
	}
	if err != nil {
		return err
	}
	thing, ok, err := b.transferOf(opened)
	if err != nil || !ok {
		return err
	}
	return b.vault.NoteUse(ctx, thing, id)
}

// usesOf answers in which other cases the transfer of a bundle was brought. That it was in this one is noted, should that not have been
// done when it was.
func (b *Bank) usesOf(ctx context.Context, view ledger.View, id uint64, opened *bundle.Bundle) (uses []InboundUse, err error) {
	thing, ok, err := b.transferOf(opened)
	if err != nil || !ok {
		return nil, err
	}
	if err := b.vault.NoteUse(ctx, thing, id); err != nil {
		return nil, err
	}
	cases, err := b.vault.Uses(ctx, thing, maxUsesRead)
	if err != nil {
		return nil, err
	}
	state := view.State(ctx)
	for _, other := range cases {
		row, err := state.Case(other)
		if err != nil {
			return nil, err
		}
		if other != id && row != nil { // a case that was filed since lies beyond the view
			uses = append(uses, InboundUse{Case: other, Status: row.GetStatus()})
		}
	}
	slices.SortStableFunc(uses, func(x, y InboundUse) int { return cmp.Compare(x.weight(), y.weight()) })
	return uses[:min(len(uses), maxUses)], nil
}

// weight orders cases by how much they speak against another one: what counts already, what may come to count, what does not.
func (u InboundUse) weight() int {
	switch {
	case u.Status == ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return 0
	case review.Ended(u.Status):
		return 2
	default:
		return 1
	}
}

// checkInbound adds to the files of a claim what the bundles among them show, and where else they were brought.
func (b *Bank) checkInbound(ctx context.Context, view ledger.View, row *ledgerv1.CaseRow, files []EvidenceFile) error {
	id := row.GetCompletion().GetIndex()
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
		in, opened, err := b.inbound(content)
		if err != nil {
			return fmt.Errorf("api: a bundle in a claim: %w", err)
		}
		if files[i].Inbound = in; opened == nil {
			continue
		}
		if in.Uses, err = b.usesOf(ctx, view, id, opened); err != nil {
			return err
		}
	}
	return nil
}
