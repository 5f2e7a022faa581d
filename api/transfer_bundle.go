package api

import (
	"cmp"
	"context"
	"slices"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// TransferBundle answers what was taken over as one file, to the institution that took it and to the resident. Whoever has the
// public key of the log can verify it without the bank: see package bundle. It opens the platforms' statements of what was taken, and
// nothing else that is sealed; of what was held and not taken it has nothing.
func (b *Bank) TransferBundle(ctx context.Context, caller access.Caller, hold uint64) ([]byte, error) {
	if err := caller.Holds(access.GetTransferBundle); err != nil {
		return nil, err
	}
	if err := b.allowLook(caller, "transfers"); err != nil {
		return nil, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	row, err := view.State(ctx).Transfer(hold)
	if err != nil {
		return nil, err
	}
	subject := access.Subject{Organization: d.numbers[row.GetOrganization()]}
	if row != nil {
		if subject.Account, _, err = living(view.State(ctx), learnerOf(row)); err != nil {
			return nil, err
		}
	}
	if row == nil || caller.Check(access.GetTransferBundle, subject, d) != nil {
		return nil, unknownTransfer(hold)
	}
	if caller.Kind != access.Resident {
		if err := b.journal(ctx, caller, subject.Account, access.GetTransferBundle, ""); err != nil {
			return nil, err
		}
	}
	if row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_POSTED {
		e := faultf(Precondition, ReasonTransferNotAccepted, "transfer_id", "transfer %d %s: there is a bundle of what was accepted",
			hold, transferWord(row.GetStatus()))
		e.Metadata = map[string]string{"status": row.GetStatus().String()[len("HOLD_STATUS_"):]}
		return nil, e
	}
	bundled := &bundling{bank: b, view: view, bundle: &ledgerv1.TransferBundle{
		Checkpoint: view.Checkpoint(), Hold: hold, Posted: row.GetEndedPlusOne() - 1,
	}}
	if err := bundled.collect(ctx, row); err != nil {
		return nil, err
	}
	if err := bundled.prove(ctx); err != nil {
		return nil, err
	}
	return bundle.Marshal(bundled.bundle)
}

// bundling is a bundle that is being made.
type bundling struct {
	bank   *Bank
	view   ledger.View
	bundle *ledgerv1.TransferBundle
	// entries are those that the transfer stands on.
	entries []uint64
}

// collect finds what the transfer stands on.
func (b *bundling) collect(ctx context.Context, row *ledgerv1.TransferRow) error {
	b.entries = []uint64{0, row.GetAgreement(), b.bundle.GetHold(), b.bundle.GetPosted()}
	published, err := entryOf(ctx, b.view, row.GetAgreement())
	if err != nil {
		return err
	}
	if err := b.addKey(ctx, published.GetAgreementPublished().GetKeyId()); err != nil {
		return err
	}
	recorded := make(map[uint64]bool)
	for i, item := range row.GetItems() {
		if row.GetTaken()[i].GetMilliCredits() == 0 {
			continue
		}
		index := item.GetCompletion().GetIndex()
		b.entries = append(b.entries, index, item.GetEntry())
		if recorded[index] {
			continue
		}
		recorded[index] = true
		e, err := entryOf(ctx, b.view, index)
		if err != nil {
			return err
		}
		if e.GetCompletionRecorded() == nil {
			continue
		}
		if err := b.state(ctx, e); err != nil {
			return err
		}
	}
	slices.SortFunc(b.bundle.Statements, func(x, y *ledgerv1.BundleStatement) int { return cmp.Compare(x.GetRecorded(), y.GetRecorded()) })
	return nil
}

// state adds the statement of a completion, with the way to its platform's signature.
func (b *bundling) state(ctx context.Context, e *ledgerv1.Entry) error {
	fact := e.GetCompletionRecorded()
	origin := fact.GetOrigin()
	b.entries = append(b.entries, fact.GetCourse())
	sealer, err := b.bank.accountSealer(ctx, unit.AccountID(fact.GetAccount()))
	if err != nil {
		return err
	}
	if sealer == nil {
		return faultf(Precondition, ReasonAccountErased, "transfer_id", "the person was forgotten, and the statements with them")
	}
	opened := new(ledgerv1.SealedCompletion)
	if err := unseal(sealer, "CompletionRecorded", origin.GetStatementId(), fact.GetSealed(), opened); err != nil {
		return err
	}
	s := &ledgerv1.BundleStatement{
		Recorded: e.GetIndex(), Statement: opened.GetStatement(), Statements: 1, KeyId: origin.GetKeyId(), Signature: origin.GetSignature(),
	}
	if len(origin.GetSignature()) == 0 {
		received, err := entryOf(ctx, b.view, origin.GetSubmission())
		if err != nil {
			return err
		}
		submission := received.GetSubmissionReceived()
		var leaves []merkle.Hash
		for hash := range slices.Chunk(submission.GetStatementHashes(), merkle.HashSize) {
			leaves = append(leaves, merkle.Hash(hash))
		}
		s.Statements, s.KeyId, s.Signature = uint32(len(leaves)), submission.GetKeyId(), submission.GetSignature()
		for _, hash := range merkle.LeafPath(leaves, int(origin.GetPosition())) {
			s.Path = append(s.Path, hash[:])
		}
	}
	b.bundle.Statements = append(b.bundle.Statements, s)
	return b.addKey(ctx, s.GetKeyId())
}

// addKey adds the entry that registered a key.
func (b *bundling) addKey(ctx context.Context, id []byte) error {
	key, err := b.view.State(ctx).Key(id)
	b.entries = append(b.entries, key.GetIndex())
	return err
}

// prove adds the entries with their proofs.
func (b *bundling) prove(ctx context.Context) error {
	slices.Sort(b.entries)
	b.entries = slices.Compact(b.entries)
	raw, err := b.view.Entries(ctx, b.entries...)
	if err != nil {
		return err
	}
	for i, index := range b.entries {
		proof, err := b.view.InclusionProof(ctx, index, b.view.Size())
		if err != nil {
			return err
		}
		one := &ledgerv1.BundleEntry{Entry: slices.Clone(raw[i])}
		for _, hash := range proof {
			one.Proof = append(one.Proof, hash[:])
		}
		b.bundle.Entries = append(b.bundle.Entries, one)
	}
	return nil
}
