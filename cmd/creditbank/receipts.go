package main

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// receiptsAtOnce is how many receipts are checked at the same time; the bank permits 64 open calls.
const receiptsAtOnce = 8

// auditedReceipt is what was checked about receipts.
type auditedReceipt struct {
	// Checkpoints is how many different signed checkpoints they carry; each is of this history.
	Checkpoints int `json:"checkpoints"`
	// Proved is how many name an entry that is in the log at its place.
	Proved int `json:"proved"`
	// Read is of how many of them the entry itself was read, and holds the statement.
	Read int `json:"read"`
}

// promises checks that the log's key signed the checkpoint of each receipt, and that it covers the entry.
func (a *audit) promises(receipts []receipt) error {
	if _, _, err := a.command.verifier(); err != nil {
		return err
	}
	a.promised = make(map[string]merkle.Checkpoint)
	for _, r := range receipts {
		checkpoint, ok := a.promised[r.Checkpoint]
		if !ok {
			var err error
			if checkpoint, err = a.command.open([]byte(r.Checkpoint), "the checkpoint in the receipt of statement "+r.StatementID); err != nil {
				return err
			}
			a.promised[r.Checkpoint] = checkpoint
			a.reach = max(a.reach, checkpoint.Size)
		}
		if r.EntryIndex >= checkpoint.Size {
			return refusef("the receipt of statement %s names entry %d, and its checkpoint covers only %d entries",
				r.StatementID, r.EntryIndex, checkpoint.Size)
		}
	}
	return nil
}

// receipts checks what each receipt promises: its checkpoint is of this history, its entry is in the log at its index, and
// it is the entry of its statement.
func (a *audit) receipts(ctx context.Context, g *globals, p *process, receipts []receipt) (*auditedReceipt, error) {
	done := &auditedReceipt{Checkpoints: len(a.promised)}
	checked := make(map[string]bool)
	for _, r := range receipts {
		if checked[r.Checkpoint] {
			continue
		}
		checked[r.Checkpoint] = true
		err := a.continues(ctx, a.promised[r.Checkpoint], []byte(r.Checkpoint), "in the receipt of statement "+r.StatementID)
		if err != nil {
			return nil, err
		}
	}

	conn, err := g.dial(p)
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	client := creditbankv1.NewLedgerServiceClient(conn)
	read := make([]bool, len(receipts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(receiptsAtOnce)
	for i, r := range receipts {
		group.Go(func() (err error) {
			read[i], err = a.receipt(ctx, g, client, r)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	done.Proved = len(receipts)
	for _, one := range read {
		if one {
			done.Read++
		}
	}
	return done, nil
}

// receipt checks one receipt, and says whether its entry could be read.
func (a *audit) receipt(ctx context.Context, g *globals, client creditbankv1.LedgerServiceClient, r receipt) (bool, error) {
	ctx, done := g.call(ctx)
	defer done()
	answer, err := client.GetInclusionProof(ctx, &creditbankv1.GetInclusionProofRequest{Index: r.EntryIndex, Size: a.now.Size})
	if status.Code(err) == codes.NotFound {
		return false, refusef("the bank does not know entry %d, which it promised for statement %s", r.EntryIndex, r.StatementID)
	}
	if err != nil {
		return false, err
	}
	leaf, hashes, err := proofHashes(answer)
	if err != nil {
		return false, err
	}
	if len(r.LeafHash) > 0 && !bytes.Equal(r.LeafHash, leaf[:]) {
		return false, refusef("entry %d is not the one of the receipt of statement %s: its leaf hash is another", r.EntryIndex, r.StatementID)
	}
	if err := merkle.VerifyInclusion(leaf, r.EntryIndex, a.now.Size, hashes, a.now.Root); err != nil {
		return false, refusef("the bank's proof of entry %d does not hold: %v", r.EntryIndex, err)
	}
	return a.entry(ctx, client, r, leaf)
}

// entry reads the entry of a receipt, where the caller may, and checks that it is the one that was proved, and of the
// statement.
func (a *audit) entry(ctx context.Context, client creditbankv1.LedgerServiceClient, r receipt, leaf merkle.Hash) (bool, error) {
	answer, err := client.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: r.EntryIndex})
	switch status.Code(err) {
	case codes.OK:
	case codes.PermissionDenied, codes.Unauthenticated:
		return false, nil
	default:
		return false, err
	}
	content := answer.GetEntry().GetEntry()
	if len(content) == 0 {
		return false, nil
	}
	if merkle.LeafHash(content) != leaf {
		return false, refusef("the bytes of entry %d are not those of its leaf in the log: the entry was changed", r.EntryIndex)
	}
	var entry ledgerv1.Entry
	if err := proto.Unmarshal(content, &entry); err != nil {
		return false, refusef("entry %d is no entry: %v", r.EntryIndex, err)
	}
	origin := entry.GetCompletionRecorded().GetOrigin()
	if origin == nil {
		origin = entry.GetCompletionVoided().GetOrigin()
	}
	id, err := uuid.FromBytes(origin.GetStatementId())
	switch {
	case err != nil || entry.GetIndex() != r.EntryIndex || id.String() != r.StatementID:
		return false, refusef("entry %d is not of statement %s", r.EntryIndex, r.StatementID)
	case !bytes.Equal(origin.GetStatementHash(), r.StatementHash):
		return false, refusef("entry %d records other bytes than those of statement %s", r.EntryIndex, r.StatementID)
	}
	return true, nil
}

// proofHashes reads the hashes of a proof.
func proofHashes(answer *creditbankv1.GetInclusionProofResponse) (leaf merkle.Hash, hashes []merkle.Hash, err error) {
	if len(answer.GetLeafHash()) != merkle.HashSize {
		return leaf, nil, refusef("the bank's proof has a leaf hash of %d bytes", len(answer.GetLeafHash()))
	}
	leaf = merkle.Hash(answer.GetLeafHash())
	for _, b := range answer.GetHashes() {
		if len(b) != merkle.HashSize {
			return leaf, nil, refusef("the bank's proof has a hash of %d bytes", len(b))
		}
		hashes = append(hashes, merkle.Hash(b))
	}
	return leaf, hashes, nil
}
