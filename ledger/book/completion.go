package book

import (
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func (s *State) completionRecorded(e *ledgerv1.Entry, fact *ledgerv1.CompletionRecorded) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	organization, err := s.stated(e, fact.GetOrigin())
	if err != nil {
		return err
	}
	week, tail, err := s.extendWeek(id, account, fact.GetEndDay())
	if err != nil {
		return err
	}
	item := &ledgerv1.CompletionItem{
		Index:        e.GetIndex(),
		Time:         e.GetTime(),
		Organization: organization,
		Course:       fact.GetCourse(),
		Category:     fact.GetCategory(),
		EndDay:       fact.GetEndDay(),
	}
	week.Items, tail.Items = append(week.Items, item), append(tail.Items, item)
	account.Completions++
	if fact.GetOutcome() == ledgerv1.Outcome_OUTCOME_IN_REVIEW {
		ref := &ledgerv1.CompletionRef{Index: e.GetIndex(), EndDay: fact.GetEndDay()}
		if err := s.openCase(e, item, fact.GetAccount(), ref, opened{causes: fact.GetCauses(), risk: fact.GetRisk(), due: fact.GetDue()}); err != nil {
			return err
		}
	}
	if err := s.count(e.GetIndex(), fact.GetCrowds()); err != nil {
		return err
	}
	return s.changeCompletion(e, id, account, item, fact.GetOutcome(), fact.GetEffects())
}

// crowded is how many completions of a crowd are remembered: more than any policy allows in one.
const crowded = 4_096

// count counts a completion in crowds.
func (s *State) count(index uint64, crowds []uint64) error {
	for _, crowd := range crowds {
		known, err := s.Crowd(crowd)
		if err != nil {
			return err
		}
		if len(known.GetCompletions()) >= crowded {
			continue
		}
		row, tail, err := extend[ledgerv1.CrowdRow](s, CrowdKey(crowd))
		if err != nil {
			return err
		}
		row.Completions, tail.Completions = append(row.Completions, index), append(tail.Completions, index)
	}
	return nil
}

func (s *State) completionVoided(e *ledgerv1.Entry, fact *ledgerv1.CompletionVoided) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	if _, err := s.stated(e, fact.GetOrigin()); err != nil {
		return err
	}
	item, err := s.completion(id, fact.GetCompletion())
	if err != nil {
		return err
	}
	if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED || item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED {
		return fmt.Errorf("%w: item %d is no completion, or is voided already", ErrInconsistent, item.GetIndex())
	}
	if item.GetCasePlusOne() != 0 {
		if err := s.withdrawCase(e, account, item); err != nil {
			return err
		}
	}
	return s.changeCompletion(e, id, account, item, ledgerv1.Outcome_OUTCOME_VOIDED, fact.GetEffects())
}

// moved applies what happens to lots without a decision on a completion.
func (s *State) moved(e *ledgerv1.Entry, account []byte, effects *ledgerv1.Effects) error {
	id, row, err := s.account(account)
	if err != nil {
		return err
	}
	return s.addEffects(e, id, row, nil, effects)
}

// changeCompletion gives a completion its new outcome and adds the effects of the entry.
func (s *State) changeCompletion(
	e *ledgerv1.Entry, id unit.AccountID, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem,
	outcome ledgerv1.Outcome, effects *ledgerv1.Effects,
) error {
	item.Outcome, item.ChangedIndex = outcome, e.GetIndex()
	if !Reversible(item) {
		if err := s.free(item); err != nil {
			return err
		}
	}
	if e.GetIndex() != item.GetIndex() {
		item.EffectsIn = append(item.EffectsIn, e.GetIndex())
	}
	if err := s.markItem(item, e.GetIndex()); err != nil {
		return err
	}
	if outcome != ledgerv1.Outcome_OUTCOME_AWARDED {
		if err := s.clawBack(e, item); err != nil {
			return err
		}
	}
	return s.addEffects(e, id, account, item, effects)
}

// stated makes a statement known for ever, and answers the number of its organization.
func (s *State) stated(e *ledgerv1.Entry, origin *ledgerv1.Origin) (organization uint64, err error) {
	organization, err = s.organizationNumber(origin.GetOrganization())
	if err != nil {
		return 0, err
	}
	return organization, s.know(e, organization, origin.GetStatementId())
}

// know makes a statement known for ever, or what is known in the same way.
func (s *State) know(e *ledgerv1.Entry, organization uint64, id []byte) error {
	statement, err := unit.ParseStatementID(id)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInconsistent, err)
	}
	key := StatementKey(organization, statement)
	if known, err := s.Row(key); err != nil {
		return err
	} else if known != nil {
		return fmt.Errorf("%w: the statement is recorded already", ErrInconsistent)
	}
	return s.set(key, Uint(e.GetIndex()))
}

// account answers the standing of an account to be changed.
func (s *State) account(b []byte) (unit.AccountID, *ledgerv1.AccountRow, error) {
	id, err := unit.AccountIDFromBytes(b)
	if err != nil {
		return id, nil, fmt.Errorf("%w: %w", ErrInconsistent, err)
	}
	row, err := must[ledgerv1.AccountRow](s, AccountKey(id), "such account")
	return id, row, err
}

// completion answers a completion of an account to be changed.
func (s *State) completion(id unit.AccountID, ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error) {
	week, err := must[ledgerv1.WeekRow](s, WeekKey(id, WeekOf(ref.GetEndDay())), "such completion")
	if err != nil {
		return nil, err
	}
	if item := find(week, ref.GetIndex()); item != nil {
		return item, nil
	}
	return nil, fmt.Errorf("%w: there is no completion %d on the account", ErrInconsistent, ref.GetIndex())
}

func find(week *ledgerv1.WeekRow, index uint64) *ledgerv1.CompletionItem {
	items := week.GetItems()
	i, ok := slices.BinarySearchFunc(items, index, func(item *ledgerv1.CompletionItem, index uint64) int {
		return compare(item.GetIndex(), index)
	})
	if !ok {
		return nil
	}
	return items[i]
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}
