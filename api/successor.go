package api

import (
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// succession finds which of the duplicates of a completion that is gone would have stood in its place: of those that came in
// this order, the one that the policies would have kept.
type succession struct {
	directory *directory
	sealer    *vault.Sealer

	chosen   *ledgerv1.CompletionItem
	score    *int32
	eligible bool
}

// add takes the next duplicate in the order of the entries.
func (s *succession) add(tx scribe, item *ledgerv1.CompletionItem) error {
	e, err := tx.Entry(item.GetIndex())
	if err != nil {
		return err
	}
	recorded := e.GetCompletionRecorded()
	completion, opened, err := openStated(s.sealer, recorded)
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
