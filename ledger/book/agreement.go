package book

import (
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func (s *State) agreementPublished(e *ledgerv1.Entry, fact *ledgerv1.AgreementPublished) error {
	row, err := create[ledgerv1.AgreementRow](s, AgreementKey(fact.GetAgreementHash()), "the agreement")
	if err != nil {
		return err
	}
	if _, err := s.organizationNumber(fact.GetInstitution()); err != nil {
		return err
	}
	row.Index, row.Time = e.GetIndex(), e.GetTime()
	row.Fact = &ledgerv1.AgreementPublished{
		Actor: fact.GetActor(), AgreementHash: fact.GetAgreementHash(), Institution: fact.GetInstitution(), Agreement: fact.GetAgreement(),
		Version: fact.GetVersion(), EffectiveFromDay: fact.GetEffectiveFromDay(), EffectiveUntilDay: fact.GetEffectiveUntilDay(),
		KeyId: fact.GetKeyId(),
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) agreementEnded(e *ledgerv1.Entry, fact *ledgerv1.AgreementEnded) error {
	row, err := must[ledgerv1.AgreementRow](s, AgreementKey(fact.GetAgreementHash()), "such agreement")
	if err != nil {
		return err
	}
	if row.GetEndedPlusOne() != 0 {
		return fmt.Errorf("%w: the agreement was ended already", ErrInconsistent)
	}
	row.EndedPlusOne, row.LastDay = e.GetIndex()+1, fact.GetLastDay()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) consentGranted(e *ledgerv1.Entry, fact *ledgerv1.ConsentGranted) error {
	id, _, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	institution, err := s.organizationNumber(fact.GetInstitution())
	if err != nil {
		return err
	}
	if fact.GetExpires() <= e.GetTime() || !slices.IsSorted(fact.GetItems()) {
		return fmt.Errorf("%w: the consent ends before it begins, or its items are in no order", ErrInconsistent)
	}
	row, err := create[ledgerv1.ConsentRow](s, ConsentKey(id, e.GetIndex()), "the consent")
	if err != nil {
		return err
	}
	row.Time = e.GetTime()
	row.Fact = &ledgerv1.ConsentGranted{
		Actor: fact.GetActor(), Institution: fact.GetInstitution(), Purpose: fact.GetPurpose(), Categories: fact.GetCategories(),
		Items: fact.GetItems(), Expires: fact.GetExpires(),
	}
	if err := s.set(ConsentListKey(institution, e.GetIndex()), id[:]); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) consentWithdrawn(e *ledgerv1.Entry, fact *ledgerv1.ConsentWithdrawn) error {
	id, err := unit.AccountIDFromBytes(fact.GetAccount())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInconsistent, err)
	}
	row, err := must[ledgerv1.ConsentRow](s, ConsentKey(id, fact.GetConsent()), "such consent")
	if err != nil {
		return err
	}
	if row.GetWithdrawnPlusOne() != 0 {
		return fmt.Errorf("%w: the consent was withdrawn already", ErrInconsistent)
	}
	row.WithdrawnPlusOne, row.WithdrawnTime, row.WithdrawnBy = e.GetIndex()+1, e.GetTime(), fact.GetActor().GetOfficer()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// Agreement answers a version of an agreement.
func (s *State) Agreement(hash []byte) (*ledgerv1.AgreementRow, error) {
	return view[ledgerv1.AgreementRow](s, AgreementKey(hash))
}

// Consent answers a consent of an account.
func (s *State) Consent(id unit.AccountID, index uint64) (*ledgerv1.ConsentRow, error) {
	return view[ledgerv1.ConsentRow](s, ConsentKey(id, index))
}
