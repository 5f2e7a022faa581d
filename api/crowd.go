package api

import (
	"slices"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// crowdKeys are the keys of the crowds in which a completion is counted, each once.
func crowdKeys(crowds []policy.Crowd) []uint64 {
	var keys []uint64
	for _, crowd := range crowds {
		if !slices.Contains(keys, crowd.Key) {
			keys = append(keys, crowd.Key)
		}
	}
	return keys
}

// suspects are the completions that have counted before one came that is too many: they are asked for before that one is
// written down. A crowd is reported once, by the first completion above its limit; those after it are held one by one.
func suspects(tx scribe, crowds []policy.Crowd) ([]suspicion, error) {
	var found []suspicion
	for _, crowd := range crowds {
		row, err := tx.Crowd(crowd.Key)
		if err != nil {
			return nil, err
		}
		if len(row.GetCompletions()) == crowd.Limit {
			found = append(found, suspicion{crowd, slices.Clone(row.GetCompletions())})
		}
	}
	return found, nil
}

// suspicion is a crowd with the completions that an officer has to look at again.
type suspicion struct {
	policy.Crowd
	completions []uint64
}

// open makes cases of the completions that count, unless they are cases already.
func (s suspicion) open(tx scribe, d *directory) error {
	for _, index := range s.completions {
		e, err := tx.Entry(index)
		if err != nil {
			return err
		}
		recorded := e.GetCompletionRecorded()
		ref := &ledgerv1.CompletionRef{Index: index, EndDay: recorded.GetEndDay()}
		id, item, err := located(tx, recorded.GetAccount(), ref)
		if err != nil {
			return err
		}
		account, err := tx.Account(id)
		if err != nil {
			return err
		}
		onItsWay := account.GetMoving() || isMerged(account) // the case goes with it
		if !counted(item) || item.GetCasePlusOne() != 0 || checkOpen(account) != nil && !onItsWay {
			continue // it moved nothing, an officer looks at it already, or nothing moves on the account
		}
		if err := openCases(tx, d, id, []doubt{{ref, s.Rule, uint32(s.Risk)}}); err != nil {
			return err
		}
	}
	return nil
}
