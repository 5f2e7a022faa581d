package book

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// claimFiled adds a claim to the record, which counts nothing until its case is decided.
func (s *State) claimFiled(e *ledgerv1.Entry, fact *ledgerv1.ClaimFiled) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	organization, err := s.organizationNumber(fact.GetOrganization())
	if err != nil {
		return err
	}
	week, tail, err := s.extendWeek(id, account, fact.GetEndDay())
	if err != nil {
		return err
	}
	item := &ledgerv1.CompletionItem{
		Index: e.GetIndex(), Time: e.GetTime(), Organization: organization, Category: fact.GetCategory(),
		EndDay: fact.GetEndDay(), Kind: ledgerv1.ItemKind_ITEM_KIND_CLAIM,
	}
	week.Items, tail.Items = append(week.Items, item), append(tail.Items, item)
	account.Claims++
	ref := &ledgerv1.CompletionRef{Index: e.GetIndex(), EndDay: fact.GetEndDay()}
	err = s.openCase(e, item, fact.GetAccount(), ref, opened{
		causes: fact.GetCauses(), risk: fact.GetRisk(), due: fact.GetDue(),
		organization: organization, filedBy: fact.GetActor().GetOfficer(),
	})
	if err != nil {
		return err
	}
	if err := s.changeCompletion(e, id, account, item, ledgerv1.Outcome_OUTCOME_IN_REVIEW, nil); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}
