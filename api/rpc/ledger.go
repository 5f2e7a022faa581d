package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// entries is the LedgerService.
type entries struct {
	creditbankv1.UnsafeLedgerServiceServer
	bank *api.Bank
}

// GetCheckpoint implements LedgerService.
func (e *entries) GetCheckpoint(
	context.Context, *creditbankv1.GetCheckpointRequest,
) (*creditbankv1.GetCheckpointResponse, error) {
	checkpoint, err := e.bank.Checkpoint()
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.GetCheckpointResponse{
		Checkpoint: string(checkpoint.Signed), Witnessed: checkpoint.Witnessed(), Quorum: uint32(checkpoint.Quorum),
	}
	for _, c := range checkpoint.Cosignatures {
		answer.Cosignatures = append(answer.Cosignatures, &creditbankv1.Cosignature{Witness: c.Witness, CosignTime: timestamp(c.Time)})
	}
	return answer, nil
}

// GetEntry implements LedgerService.
func (e *entries) GetEntry(
	ctx context.Context, r *creditbankv1.GetEntryRequest,
) (*creditbankv1.GetEntryResponse, error) {
	entry, proof, err := e.bank.GetEntry(ctx, callerOf(ctx), r.GetIndex(), r.GetWithProof())
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.GetEntryResponse{Entry: entryProto(entry)}
	if proof != nil {
		answer.InclusionProof, answer.Checkpoint = hashesProto(proof.Hashes), string(proof.Checkpoint)
	}
	return answer, nil
}

// ListEntries implements LedgerService.
func (e *entries) ListEntries(
	ctx context.Context, r *creditbankv1.ListEntriesRequest,
) (*creditbankv1.ListEntriesResponse, error) {
	page := pageOf(r.GetPageSize(), r.GetPageToken())
	listed, next, err := e.bank.ListEntries(ctx, callerOf(ctx), r.GetStartIndex(), page)
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListEntriesResponse{Entries: make([]*creditbankv1.LedgerEntry, len(listed)), NextPageToken: next}
	for i, entry := range listed {
		answer.Entries[i] = entryProto(entry)
	}
	return answer, nil
}

// GetInclusionProof implements LedgerService.
func (e *entries) GetInclusionProof(
	ctx context.Context, r *creditbankv1.GetInclusionProofRequest,
) (*creditbankv1.GetInclusionProofResponse, error) {
	proof, err := e.bank.InclusionProof(ctx, r.GetIndex(), r.GetSize())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetInclusionProofResponse{
		LeafHash: proof.LeafHash[:], Hashes: hashesProto(proof.Hashes), Size: proof.Size, Checkpoint: string(proof.Checkpoint),
	}, nil
}

// GetConsistencyProof implements LedgerService.
func (e *entries) GetConsistencyProof(
	ctx context.Context, r *creditbankv1.GetConsistencyProofRequest,
) (*creditbankv1.GetConsistencyProofResponse, error) {
	proof, err := e.bank.ConsistencyProof(ctx, r.GetOldSize(), r.GetNewSize())
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetConsistencyProofResponse{
		Hashes: hashesProto(proof.Hashes), NewSize: proof.Size, Checkpoint: string(proof.Checkpoint),
	}, nil
}

func entryProto(e api.LogEntry) *creditbankv1.LedgerEntry {
	return &creditbankv1.LedgerEntry{
		Index: e.Index, EntryTime: timestamp(e.Time), Fact: e.Fact, Entry: e.Bytes, LeafHash: e.LeafHash[:],
	}
}
