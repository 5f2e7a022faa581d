package ledger

import (
	"bytes"
	"crypto/sha256"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// agreementName is what all versions of an agreement share.
type agreementName struct{ institution, agreement string }

// readAgreement checks that an agreement is its bytes, and says what was signed.
func (c *chunk) readAgreement(at *checkedEntry, a *ledgerv1.AgreementPublished) {
	hash := sha256.Sum256(a.GetYaml())
	if !bytes.Equal(hash[:], a.GetAgreementHash()) {
		c.at(at.entry.GetIndex(), "agreement_hash", "it is not that of the bytes")
		return
	}
	at.signed = &Signed{
		Organization: a.GetInstitution(), KeyID: a.GetKeyId(), Root: hash, Signature: a.GetSignature(), At: at.entry.GetTime(),
	}
}

// checkAgreement checks that the versions of an agreement follow each other, and that none of them is in force with another.
func (f *fsck) checkAgreement(c *chunk, e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AgreementPublished:
		p := fact.AgreementPublished
		name := agreementName{p.GetInstitution(), p.GetAgreement()}
		before := f.order.agreements[name]
		switch from, end := p.GetEffectiveFromDay(), endOfAgreement(before); {
		case p.GetEffectiveUntilDay() != 0 && p.GetEffectiveUntilDay() < from:
			c.at(e.GetIndex(), "effective_until_day", "it lies before the first day")
		case p.GetActor().GetOrganization() != p.GetInstitution():
			c.at(e.GetIndex(), "actor", "another organization published it")
		case before != nil && from <= before.GetFact().GetEffectiveFromDay():
			c.at(e.GetIndex(), "effective_from_day", "entry %d, the version before it, begins no earlier", before.GetIndex())
		case before != nil && end != 0 && from <= end:
			c.at(e.GetIndex(), "effective_from_day", "entry %d, the version before it, is in force then", before.GetIndex())
		}
		if f.order.agreements == nil {
			f.order.agreements = make(map[agreementName]*ledgerv1.AgreementRow)
		}
		f.order.agreements[name] = &ledgerv1.AgreementRow{Index: e.GetIndex(), Fact: &ledgerv1.AgreementPublished{
			AgreementHash: p.GetAgreementHash(), EffectiveFromDay: p.GetEffectiveFromDay(), EffectiveUntilDay: p.GetEffectiveUntilDay(),
		}}
	case *ledgerv1.Entry_AgreementEnded:
		row, err := f.order.state.Agreement(fact.AgreementEnded.GetAgreementHash())
		if err != nil || row == nil {
			return err // applying it says that there is none
		}
		if fact.AgreementEnded.GetActor().GetOrganization() != row.GetFact().GetInstitution() {
			c.at(e.GetIndex(), "actor", "another organization ended it")
		}
		newest := f.order.agreements[agreementName{row.GetFact().GetInstitution(), row.GetFact().GetAgreement()}]
		if newest != nil && bytes.Equal(newest.GetFact().GetAgreementHash(), row.GetFact().GetAgreementHash()) {
			newest.LastDay, newest.EndedPlusOne = fact.AgreementEnded.GetLastDay(), e.GetIndex()+1
		}
	}
	return nil
}

// endOfAgreement is the last day of a version; 0: it has none.
func endOfAgreement(row *ledgerv1.AgreementRow) int32 {
	until := row.GetFact().GetEffectiveUntilDay()
	if row.GetEndedPlusOne() != 0 && (until == 0 || row.GetLastDay() < until) {
		return row.GetLastDay()
	}
	return until
}

// checkConsent checks that a consent was granted and withdrawn by its resident, or by an officer.
func (c *chunk) checkConsent(e *ledgerv1.Entry) {
	actor, account := e.GetConsentGranted().GetActor(), e.GetConsentGranted().GetAccount()
	if withdrawn := e.GetConsentWithdrawn(); withdrawn != nil {
		actor, account = withdrawn.GetActor(), withdrawn.GetAccount()
	}
	if account == nil {
		return
	}
	if _, err := unit.AccountIDFromBytes(account); err == nil && !actor.GetResident() && actor.GetOfficer() == "" {
		c.at(e.GetIndex(), "actor", "it is neither the resident nor an officer")
	}
}
