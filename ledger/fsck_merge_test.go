package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A merge that is not three officers', and an undoing that is not two officers', are found out.
func TestFsckOfMerges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		officers [5]string // who proposes, reviews, merges, proposes to undo, and unmerges
		want     string    // empty: it is sound
	}{
		"sound":             {[5]string{"chen", "zhou", "wang", "chen", "zhou"}, ""},
		"reviews the own":   {[5]string{"chen", "chen", "wang", "chen", "zhou"}, "entry 5: actor"},
		"merges the own":    {[5]string{"chen", "zhou", "chen", "chen", "zhou"}, "entry 6: actor"},
		"agrees twice":      {[5]string{"chen", "zhou", "zhou", "chen", "zhou"}, "entry 6: actor"},
		"undoes alone":      {[5]string{"chen", "zhou", "wang", "chen", "chen"}, "entry 8: actor"},
		"nobody's agreeing": {[5]string{"chen", "", "wang", "chen", "zhou"}, "entry 5: actor"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			from, into := unit.AccountID{1}, unit.AccountID{2}
			by := func(i int) *ledgerv1.Actor { return &ledgerv1.Actor{Officer: c.officers[i]} }
			opened := func(id unit.AccountID) *ledgerv1.Entry {
				return &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{
					Account: id[:], Home: "college", Status: ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED,
				}}}
			}
			step := func(i int, step ledgerv1.MergeStep) *ledgerv1.Entry {
				return &ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeStepTaken{AccountMergeStepTaken: &ledgerv1.AccountMergeStepTaken{
					Actor: by(i), Merge: 4, Step: step,
				}}}
			}
			for _, e := range []*ledgerv1.Entry{
				organization("college"), opened(from), opened(into),
				{Fact: &ledgerv1.Entry_AccountMergeProposed{AccountMergeProposed: &ledgerv1.AccountMergeProposed{Actor: by(0), From: from[:], Into: into[:]}}},
				step(1, ledgerv1.MergeStep_MERGE_STEP_REVIEWED),
				{Fact: &ledgerv1.Entry_AccountsMerged{AccountsMerged: &ledgerv1.AccountsMerged{Actor: by(2), Merge: 4, From: from[:], Into: into[:]}}},
				step(3, ledgerv1.MergeStep_MERGE_STEP_UNDO_PROPOSED),
				{Fact: &ledgerv1.Entry_AccountsUnmerged{AccountsUnmerged: &ledgerv1.AccountsUnmerged{Actor: by(4), Merge: 4, From: from[:], Into: into[:]}}},
			} {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{Engine: w.engine, BankID: bankID, Origin: origin})
			must(t, err)
			switch found := fmt.Sprint(report.Faults); {
			case c.want == "" && len(report.Faults) > 0:
				t.Errorf("found %v", found)
			case !strings.Contains(found, c.want):
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}
