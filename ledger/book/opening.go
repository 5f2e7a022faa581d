package book

import (
	"fmt"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// SourceRecords stands in the table of statements where an organization's number does: records of other systems are known
// there by their keyed ids. It is nobody's number, since entry 0 registers no organization.
const SourceRecords uint64 = 0

func (s *State) openingBalancesProposed(e *ledgerv1.Entry, fact *ledgerv1.OpeningBalancesProposed) error {
	row, err := create[ledgerv1.ImportRow](s, ImportKey(e.GetIndex()), "the import")
	if err != nil {
		return err
	}
	if _, err := s.organizationNumber(fact.GetOrganization()); err != nil {
		return err
	}
	row.Time = e.GetTime()
	row.Fact = &ledgerv1.OpeningBalancesProposed{
		Actor: fact.GetActor(), Organization: fact.GetOrganization(), Source: fact.GetSource(), FileHash: fact.GetFileHash(),
		Rows: fact.GetRows(), Reversals: fact.GetReversals(), Totals: fact.GetTotals(),
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) openingBalancesConfirmed(e *ledgerv1.Entry, fact *ledgerv1.OpeningBalancesConfirmed) error {
	row, err := must[ledgerv1.ImportRow](s, ImportKey(fact.GetImport()), "such import")
	if err != nil {
		return err
	}
	if row.GetConfirmedPlusOne() != 0 {
		return fmt.Errorf("%w: import %d is confirmed already", ErrInconsistent, fact.GetImport())
	}
	row.ConfirmedPlusOne, row.ConfirmedTime, row.ConfirmedBy = e.GetIndex()+1, e.GetTime(), fact.GetActor().GetOfficer()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) openingBalanceRecorded(e *ledgerv1.Entry, fact *ledgerv1.OpeningBalanceRecorded) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	organization, err := s.imported(e, fact.GetOrigin())
	if err != nil {
		return err
	}
	week, tail, err := s.extendWeek(id, account, fact.GetEarnedDay())
	if err != nil {
		return err
	}
	item := &ledgerv1.CompletionItem{
		Index: e.GetIndex(), Time: e.GetTime(), Organization: organization, Category: fact.GetCategory(),
		EndDay: fact.GetEarnedDay(), Kind: ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE, Source: fact.GetSource(),
	}
	week.Items, tail.Items = append(week.Items, item), append(tail.Items, item)
	account.OpeningBalances++
	return s.changeCompletion(e, id, account, item, ledgerv1.Outcome_OUTCOME_AWARDED, fact.GetEffects())
}

func (s *State) openingBalanceReversed(e *ledgerv1.Entry, fact *ledgerv1.OpeningBalanceReversed) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	if _, err := s.imported(e, fact.GetOrigin()); err != nil {
		return err
	}
	item, err := s.completion(id, fact.GetBalance())
	if err != nil {
		return err
	}
	if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE || item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED {
		return fmt.Errorf("%w: item %d is no opening balance, or was taken back", ErrInconsistent, item.GetIndex())
	}
	return s.changeCompletion(e, id, account, item, ledgerv1.Outcome_OUTCOME_VOIDED, fact.GetEffects())
}

// imported makes a record of another system known for ever, and answers the number of the organization of its import.
func (s *State) imported(e *ledgerv1.Entry, origin *ledgerv1.ImportOrigin) (organization uint64, err error) {
	row, err := s.Import(origin.GetImport())
	if err != nil {
		return 0, err
	}
	if row.GetConfirmedPlusOne() == 0 {
		return 0, fmt.Errorf("%w: import %d is not confirmed", ErrInconsistent, origin.GetImport())
	}
	if err := s.know(e, SourceRecords, origin.GetSourceId()); err != nil {
		return 0, err
	}
	return s.organizationNumber(row.GetFact().GetOrganization())
}
