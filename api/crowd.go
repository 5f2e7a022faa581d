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
// written down. Each is reported once by a rule, and not at all where the rule held it itself. What a crowd holds differs from one completion to the next where the courses of a site do, so that one may be too
// many by its own limit after others were not by theirs.
func suspects(tx scribe, d *directory, crowds []policy.Crowd) ([]suspicion, error) {
	var found []suspicion
	for _, crowd := range crowds {
		row, err := tx.Crowd(crowd.Key)
		if err != nil {
			return nil, err
		}
		if len(row.GetCompletions()) < crowd.Limit {
			continue
		}
		unreported, err := unreported(tx, d, crowd, row.GetCompletions())
		if err != nil {
			return nil, err
		}
		if len(unreported) > 0 {
			found = append(found, suspicion{crowd, unreported})
		}
	}
	return found, nil
}

// unreported are those of a crowd, in their order, that came after the newest with which it was reported: all before that one
// have been looked at. It looks at each completion for one of those that come after it, and at one more.
func unreported(tx scribe, d *directory, crowd policy.Crowd, completions []uint64) ([]uint64, error) {
	for place, index := range slices.Backward(completions) {
		known, err := reported(tx, d, crowd, place, index)
		if err != nil {
			return nil, err
		}
		if known {
			return slices.Clone(completions[place+1:]), nil
		}
	}
	return slices.Clone(completions), nil
}

// reported says whether everything before a completion of a crowd was reported: the rule has sent it to an officer, when it was
// recorded or in its newest case, or it was one too many itself and something else became of it before that mattered.
func reported(tx scribe, d *directory, crowd policy.Crowd, place int, index uint64) (bool, error) {
	e, err := tx.Entry(index)
	if err != nil {
		return false, err
	}
	recorded := e.GetCompletionRecorded()
	if slices.Contains(recorded.GetCauses(), crowd.Rule) {
		return true, nil
	}
	switch recorded.GetOutcome() {
	case ledgerv1.Outcome_OUTCOME_DUPLICATE, ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		limit, ok := crowd.LimitAt(int(d.byIndex[recorded.GetCourse()].fact.GetCapacity()))
		if ok && place >= limit {
			return true, nil
		}
	default:
	}
	ref := &ledgerv1.CompletionRef{Index: index, EndDay: recorded.GetEndDay()}
	_, item, err := located(tx, recorded.GetAccount(), ref)
	if err != nil || item.GetLastCasePlusOne() == 0 {
		return false, err
	}
	newest, err := tx.Case(item.GetLastCasePlusOne() - 1)
	return slices.Contains(newest.GetCauses(), crowd.Rule), err
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
		if !counted(item) || item.GetCasePlusOne() != 0 || !heard(account) && !onItsWay {
			continue // it moved nothing, an officer looks at it already, or nobody will ever decide on it
		}
		if err := openCases(tx, d, id, []doubt{{ref, s.Rule, uint32(s.Risk)}}); err != nil {
			return err
		}
	}
	return nil
}

// heard says whether a case on an account is ever decided. Where it is frozen the case waits as everything does, and no
// completion escapes an officer for having been frozen when its crowd was reported: a case moves nothing.
func heard(account *ledgerv1.AccountRow) bool {
	return account.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_FROZEN || checkOpen(account) == nil
}
