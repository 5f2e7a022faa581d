package api

import (
	"context"
	"errors"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// RevocationPreview is what revoking a case would undo.
type RevocationPreview struct {
	// Minutes would count no more.
	Minutes unit.Minutes
	// Reversed milli-credits would be taken back; Unrecovered could not be, since they have been used.
	Reversed, Unrecovered unit.Credits
	// Cases would be opened on completions that the completion was the ground of.
	Cases int
}

// previewed undoes what was only worked out.
type previewed struct{}

func (previewed) Error() string { return "api: a preview" }

// PreviewRevocation answers what revoking a case would undo, and undoes nothing.
func (b *Bank) PreviewRevocation(ctx context.Context, caller access.Caller, id uint64) (RevocationPreview, error) {
	s := Step{Case: id, Act: review.Revoke}
	if _, err := b.mayStep(ctx, caller, access.RevokeCase, s); err != nil {
		return RevocationPreview{}, err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return RevocationPreview{}, err
	}
	var p RevocationPreview
	_, err = b.ledger.Propose(ctx, [][]byte{book.CaseKey(id)}, func(tx *ledger.Tx) error {
		j, _, err := b.workOut(ctx, tx, d, caller, s)
		if err != nil {
			return err
		}
		p.Unrecovered, p.Cases = unit.Credits(j.unrecovered), len(j.shaken)
		for _, hours := range j.effects.GetHours() {
			p.Minutes -= unit.Minutes(hours.GetMinutes())
		}
		for _, change := range j.effects.GetLotChanges() {
			p.Reversed += unit.Credits(change.GetReversed())
		}
		return previewed{}
	})
	if errors.Is(err, previewed{}) {
		return p, nil
	}
	return RevocationPreview{}, err
}
