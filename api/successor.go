package api

import (
	"context"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// succession finds which of the duplicates of a completion that is gone would have stood in its place: of those that came in
// this order, the one that the policies would have kept.
type succession struct {
	bank      *Bank
	directory *directory
	// id is the account, sealer its own: what came over from another account is under that one's seal.
	id     unit.AccountID
	sealer *vault.Sealer

	chosen   *ledgerv1.CompletionItem
	score    *int32
	eligible bool
}

// add takes the next duplicate in the order of the entries.
func (s *succession) add(ctx context.Context, tx scribe, item *ledgerv1.CompletionItem) error {
	e, err := tx.Entry(item.GetIndex())
	if err != nil {
		return err
	}
	recorded := e.GetCompletionRecorded()
	sealer, err := s.bank.unsealerOf(ctx, recorded.GetAccount(), s.id, s.sealer)
	if err != nil || sealer == nil {
		return err // nobody can decide anew what was forgotten
	}
	completion, opened, err := openStated(sealer, recorded)
	if err != nil {
		return err
	}
	eligible := !slices.ContainsFunc(opened.GetReasons(), func(r *ledgerv1.Reason) bool {
		return r.GetStage() == ledgerv1.Stage_STAGE_ELIGIBILITY
	})
	p := s.directory.policyOf(recorded.GetPolicyHash())
	better := completion.Score != nil && (s.score == nil || *completion.Score > *s.score) && p != nil && p.KeepsBestScore()
	if s.chosen == nil || eligible && (!s.eligible || better) {
		s.chosen, s.score, s.eligible = item, completion.Score, eligible
	}
	return nil
}
