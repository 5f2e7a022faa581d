package ledger

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkMerge checks that a merge is three officers' and its undoing two officers'.
func (f *fsck) checkMerge(c *chunk, e *ledgerv1.Entry) error {
	var (
		merge   uint64
		by      string
		undoing bool
	)
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AccountMergeStepTaken:
		if fact.AccountMergeStepTaken.GetStep() != ledgerv1.MergeStep_MERGE_STEP_REVIEWED {
			return nil
		}
		merge, by = fact.AccountMergeStepTaken.GetMerge(), fact.AccountMergeStepTaken.GetActor().GetOfficer()
	case *ledgerv1.Entry_AccountsMerged:
		merge, by = fact.AccountsMerged.GetMerge(), fact.AccountsMerged.GetActor().GetOfficer()
	case *ledgerv1.Entry_AccountsUnmerged:
		merge, by, undoing = fact.AccountsUnmerged.GetMerge(), fact.AccountsUnmerged.GetActor().GetOfficer(), true
	default:
		return nil
	}
	row, err := f.order.state.Merge(merge)
	if err != nil || row == nil {
		return err // applying it says that there is none
	}
	switch {
	case by == "":
		c.at(e.GetIndex(), "actor", "no officer agrees to merge %d", merge)
	case undoing && by == row.GetUndoProposedBy():
		c.at(e.GetIndex(), "actor", "the officer who proposed to undo merge %d agrees to it", merge)
	case !undoing && by == row.GetFact().GetActor().GetOfficer():
		c.at(e.GetIndex(), "actor", "the officer who proposed merge %d agrees to it", merge)
	case !undoing && by == row.GetReviewedBy():
		c.at(e.GetIndex(), "actor", "one officer agrees to merge %d twice", merge)
	}
	return nil
}
