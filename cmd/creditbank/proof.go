package main

import (
	"context"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type proofCommand struct {
	logKey

	Index uint64 `arg:"" help:"Index of the entry."`
	Out   string `placeholder:"FILE" help:"Write the proof to this file instead of standard output."`
}

// inclusion is a proof that anyone can check: RFC 6962, section 2.1.1.
type inclusion struct {
	Origin     string        `json:"origin"`
	Index      uint64        `json:"index"`
	Size       uint64        `json:"size"`
	LeafHash   merkle.Hash   `json:"leaf_hash"`
	Hashes     []merkle.Hash `json:"hashes"`
	Root       merkle.Hash   `json:"root"`
	Checkpoint string        `json:"checkpoint"`
}

// Run fetches the proof and verifies it before it prints anything.
func (c *proofCommand) Run(ctx context.Context, g *globals, p *process) error {
	if _, _, err := c.verifier(); err != nil {
		return err
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewLedgerServiceClient(conn).GetInclusionProof(ctx, &creditbankv1.GetInclusionProofRequest{Index: c.Index})
	if err != nil {
		return err
	}
	checkpoint, err := c.open([]byte(answer.GetCheckpoint()), "the checkpoint of the proof")
	if err != nil {
		return err
	}
	leaf, hashes, err := proofHashes(answer)
	if err != nil {
		return err
	}
	if answer.GetSize() != checkpoint.Size {
		return refusef("the proof is for %d entries, and its checkpoint for %d", answer.GetSize(), checkpoint.Size)
	}
	if err := merkle.VerifyInclusion(leaf, c.Index, checkpoint.Size, hashes, checkpoint.Root); err != nil {
		return refusef("the bank's proof of entry %d does not hold: %v", c.Index, err)
	}
	proof := inclusion{
		Origin: checkpoint.Origin, Index: c.Index, Size: checkpoint.Size, LeafHash: leaf, Hashes: hashes, Root: checkpoint.Root,
		Checkpoint: answer.GetCheckpoint(),
	}
	if c.Out == "" {
		return writeJSON(p.stdout, proof)
	}
	return writeJSONFile(c.Out, proof)
}
