package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// clawed are the entries of a hold that becomes a clawback, and of one that comes free, as a bank writes them.
func clawed(account unit.AccountID) []*ledgerv1.Entry {
	statement := []byte{1, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0}
	ref := &ledgerv1.CompletionRef{Index: 3, EndDay: 20_440}
	lot := func(pending, available, reversed int64) *ledgerv1.Effects {
		return &ledgerv1.Effects{LotChanges: []*ledgerv1.LotChange{{Entry: 3, Completion: ref, Pending: pending, Available: available, Reversed: reversed}}}
	}
	selection, totals := &ledgerv1.ClawbackSelection{Course: 7, Before: 4}, &ledgerv1.ClawbackTotals{Completions: 1, Accounts: 1, Available: 100}
	digest := book.ClawbackDigest(selection, totals)
	propose := func() *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackProposed{ClawbackProposed: &ledgerv1.ClawbackProposed{
			Actor: &ledgerv1.Actor{Officer: "chen"}, Organization: "college", Selection: selection, Totals: totals, Digest: digest[:], Hold: true,
		}}}
	}
	decide := func(clawback uint64, to ledgerv1.ClawbackState, officer string) *ledgerv1.Entry {
		f := &ledgerv1.ClawbackDecided{Clawback: clawback, State: to}
		if officer != "" {
			f.Actor, f.Totals, f.Digest = &ledgerv1.Actor{Officer: officer}, totals, digest[:]
		}
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackDecided{ClawbackDecided: f}}
	}
	hold := func(clawback uint64, free bool, effects *ledgerv1.Effects) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionHeld{CompletionHeld: &ledgerv1.CompletionHeld{
			Account: account[:], Completion: ref, Clawback: clawback, Free: free, Effects: effects,
		}}}
	}
	return []*ledgerv1.Entry{
		1: organization("college"),
		2: {Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: account[:], Home: "college"}}},
		3: {Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
			Origin: &ledgerv1.Origin{Organization: "college", StatementId: statement, StatementHash: make([]byte, 32)}, Account: account[:],
			Course: 7, Category: "arts", EndDay: ref.GetEndDay(), Outcome: ledgerv1.Outcome_OUTCOME_AWARDED,
			Effects: &ledgerv1.Effects{Lots: []*ledgerv1.Lot{{Category: "arts", Available: 100}}},
		}}},
		4:  propose(),
		5:  hold(4, false, lot(100, -100, 0)),
		6:  decide(4, ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED, "zhou"),
		7:  hold(4, true, lot(-100, 100, 0)),
		8:  decide(4, ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED, ""),
		9:  propose(),
		10: decide(9, ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED, "zhou"),
		11: {Fact: &ledgerv1.Entry_CreditsReversed{CreditsReversed: &ledgerv1.CreditsReversed{
			Account: account[:], Completion: ref, Clawback: 9, Effects: lot(0, -100, 100), Causes: []string{"CLAWED_BACK"}, Risk: 4,
		}}},
		12: decide(9, ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED, ""),
	}
}

// Who has written a clawback that no two officers stand behind, or numbers that nobody was shown, is found out.
func TestFsckOfClawbacks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(e []*ledgerv1.Entry)
		want   string // empty: it is sound
	}{
		"sound":          {func([]*ledgerv1.Entry) {}, ""},
		"another digest": {func(e []*ledgerv1.Entry) { e[4].GetClawbackProposed().Digest = make([]byte, 32) }, "entry 4: digest"},
		"another selection": {func(e []*ledgerv1.Entry) {
			e[9].GetClawbackProposed().Selection = &ledgerv1.ClawbackSelection{Before: 9}
		}, "entry 9: digest"},
		"other totals": {func(e []*ledgerv1.Entry) {
			e[10].GetClawbackDecided().Totals = &ledgerv1.ClawbackTotals{Completions: 2}
		}, "entry 10: digest"},
		"one officer":         {func(e []*ledgerv1.Entry) { e[10].GetClawbackDecided().Actor.Officer = "chen" }, "entry 10: actor"},
		"no officer":          {func(e []*ledgerv1.Entry) { e[10].GetClawbackDecided().Actor = nil }, "entry 10: actor"},
		"released by oneself": {func(e []*ledgerv1.Entry) { e[6].GetClawbackDecided().Actor.Officer = "chen" }, "entry 6: actor"},
		"free undecided":      {func(e []*ledgerv1.Entry) { e[6], e[7] = e[7], e[6] }, "entry 6: free"},
		"released held":       {func(e []*ledgerv1.Entry) { e[7], e[8] = e[8], e[7] }, "entry 7: state"},
		"less than nothing":   {func(e []*ledgerv1.Entry) { e[11].GetCreditsReversed().Unrecovered = -1 }, "entry 11: unrecovered"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			entries := clawed(unit.AccountID{1})
			c.change(entries)
			for _, e := range entries[1:] {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{Engine: w.engine, BankID: bankID, Origin: origin})
			must(t, err)
			var faults []string
			for _, f := range report.Faults {
				if found := fmt.Sprint(f); !strings.HasPrefix(found, "entry 3: origin") { // nobody has signed the completion
					faults = append(faults, found)
				}
			}
			switch found := strings.Join(faults, "; "); {
			case c.want == "" && len(faults) > 0:
				t.Errorf("found %v", found)
			case !strings.Contains(found, c.want):
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}
