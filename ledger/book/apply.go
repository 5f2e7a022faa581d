package book

import (
	"encoding/binary"
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Apply adds what an entry changed to the state. It answers ErrInconsistent when the entry does not fit the state, and
// the caller then undoes it.
func (s *State) Apply(e *ledgerv1.Entry) error {
	if err := s.apply(e); err != nil {
		return fmt.Errorf("entry %d (%s): %w", e.GetIndex(), Fact(e), err)
	}
	return nil
}

func (s *State) apply(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		return s.completionRecorded(e, fact.CompletionRecorded)
	case *ledgerv1.Entry_SubmissionReceived:
		_, err := s.organizationNumber(fact.SubmissionReceived.GetOrganization())
		return err // its statements say the rest
	case *ledgerv1.Entry_CompletionVoided:
		return s.completionVoided(e, fact.CompletionVoided)
	case *ledgerv1.Entry_CreditsAwarded:
		return s.creditsAwarded(e, fact.CreditsAwarded)
	case *ledgerv1.Entry_CaseStepTaken:
		return s.caseStepTaken(e, fact.CaseStepTaken)
	case *ledgerv1.Entry_CaseOpened:
		return s.caseOpened(e, fact.CaseOpened)
	case *ledgerv1.Entry_ClaimFiled:
		return s.claimFiled(e, fact.ClaimFiled)
	case *ledgerv1.Entry_CreditsReleased:
		return s.moved(e, fact.CreditsReleased.GetAccount(), fact.CreditsReleased.GetEffects())
	case *ledgerv1.Entry_CreditsExpired:
		return s.moved(e, fact.CreditsExpired.GetAccount(), fact.CreditsExpired.GetEffects())
	case *ledgerv1.Entry_AccountOpened:
		return s.accountOpened(e, fact.AccountOpened)
	case *ledgerv1.Entry_OpeningBalancesProposed:
		return s.openingBalancesProposed(e, fact.OpeningBalancesProposed)
	case *ledgerv1.Entry_OpeningBalancesConfirmed:
		return s.openingBalancesConfirmed(e, fact.OpeningBalancesConfirmed)
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		return s.openingBalanceRecorded(e, fact.OpeningBalanceRecorded)
	case *ledgerv1.Entry_OpeningBalanceReversed:
		return s.openingBalanceReversed(e, fact.OpeningBalanceReversed)
	case *ledgerv1.Entry_ConsentGranted:
		return s.consentGranted(e, fact.ConsentGranted)
	case *ledgerv1.Entry_ConsentWithdrawn:
		return s.consentWithdrawn(e, fact.ConsentWithdrawn)
	case *ledgerv1.Entry_HoldPlaced:
		return s.holdPlaced(e, fact.HoldPlaced)
	case *ledgerv1.Entry_HoldPosted:
		return s.holdPosted(e, fact.HoldPosted)
	case *ledgerv1.Entry_HoldVoided:
		return s.holdVoided(e, fact.HoldVoided)
	case *ledgerv1.Entry_HoldExpired:
		return s.holdExpired(e, fact.HoldExpired)
	case *ledgerv1.Entry_AccountMergeProposed, *ledgerv1.Entry_AccountMergeStepTaken, *ledgerv1.Entry_AccountsMerged,
		*ledgerv1.Entry_ItemMoved, *ledgerv1.Entry_AccountsUnmerged, *ledgerv1.Entry_ItemReturned:
		return s.mergeChanged(e)
	case *ledgerv1.Entry_ClawbackProposed:
		return s.clawbackProposed(e, fact.ClawbackProposed)
	case *ledgerv1.Entry_ClawbackDecided:
		return s.clawbackDecided(e, fact.ClawbackDecided)
	case *ledgerv1.Entry_CreditsReversed:
		return s.creditsReversed(e, fact.CreditsReversed)
	case *ledgerv1.Entry_CompletionHeld:
		return s.completionHeld(e, fact.CompletionHeld)
	case nil:
		return fmt.Errorf("%w: the entry holds no fact that is known here", ErrInconsistent)
	default:
		if err := s.set(DirectoryKey(), Uint(e.GetIndex()+1)); err != nil {
			return err
		}
		return s.directoryChanged(e)
	}
}

// directoryChanged applies what concerns nobody's account: the log itself, organizations, keys, officers, policies,
// courses and agreements.
func (s *State) directoryChanged(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_BankFounded:
		if e.GetIndex() != 0 {
			return fmt.Errorf("%w: a bank is founded by entry 0 alone", ErrInconsistent)
		}
		return nil
	case *ledgerv1.Entry_LogContinued:
		return s.logContinued(e)
	case *ledgerv1.Entry_OrganizationRegistered:
		return s.organizationRegistered(e, fact.OrganizationRegistered)
	case *ledgerv1.Entry_KeyAdded:
		return s.keyAdded(e, fact.KeyAdded)
	case *ledgerv1.Entry_KeyRevoked:
		return s.keyRevoked(e, fact.KeyRevoked)
	case *ledgerv1.Entry_OfficerAppointed:
		return s.officerAppointed(e, fact.OfficerAppointed)
	case *ledgerv1.Entry_OfficerRemoved:
		return s.officerRemoved(e, fact.OfficerRemoved)
	case *ledgerv1.Entry_PolicyProposed:
		return s.policyProposed(e, fact.PolicyProposed)
	case *ledgerv1.Entry_PolicyPublished:
		return s.policyPublished(e, fact.PolicyPublished)
	case *ledgerv1.Entry_CourseProposed:
		return s.courseProposed(e, fact.CourseProposed)
	case *ledgerv1.Entry_CourseDecided:
		return s.courseDecided(e, fact.CourseDecided)
	case *ledgerv1.Entry_AgreementPublished:
		return s.agreementPublished(e, fact.AgreementPublished)
	case *ledgerv1.Entry_AgreementEnded:
		return s.agreementEnded(e, fact.AgreementEnded)
	case *ledgerv1.Entry_OrganizationChanged:
		return s.organizationChanged(e, fact.OrganizationChanged)
	case *ledgerv1.Entry_CourseChanged:
		return s.courseChanged(e, fact.CourseChanged)
	case *ledgerv1.Entry_AccreditationApplied:
		return s.accreditationApplied(e, fact.AccreditationApplied)
	case *ledgerv1.Entry_ApplicationStepTaken:
		return s.applicationStepTaken(e, fact.ApplicationStepTaken)
	default:
		return fmt.Errorf("%w: no rule applies to this fact", ErrInconsistent)
	}
}

// logContinued notes which entry names the log from now on.
func (s *State) logContinued(e *ledgerv1.Entry) error {
	if e.GetIndex() == 0 {
		return fmt.Errorf("%w: entry 0 founds the bank, there is no log before it", ErrInconsistent)
	}
	known, err := s.Row(OriginsKey())
	if err != nil {
		return err
	}
	return s.set(OriginsKey(), binary.BigEndian.AppendUint64(slices.Clone(known), e.GetIndex()))
}

// requested remembers the call that led to an entry, so that it is answered once.
func (s *State) requested(e *ledgerv1.Entry, actor *ledgerv1.Actor, request *ledgerv1.Request) error {
	if request == nil {
		return nil // entries of the founding have no call
	}
	key := RequestKey(Caller(actor), request.GetMethod(), request.GetRequestId())
	known, err := create[ledgerv1.RequestRow](s, key, "a request under this id")
	if err != nil {
		return err
	}
	known.Hash, known.Index = request.GetHash(), e.GetIndex()
	return nil
}

// Caller names an actor in the keys of requests: officers and organizations cannot be mistaken for each other. Residents are
// not told apart; the hash of what they ask tells them apart.
func Caller(actor *ledgerv1.Actor) string {
	if officer := actor.GetOfficer(); officer != "" {
		return "officer:" + officer
	}
	if actor.GetResident() {
		return "resident"
	}
	return "organization:" + actor.GetOrganization()
}

func (s *State) accountOpened(e *ledgerv1.Entry, fact *ledgerv1.AccountOpened) error {
	id, err := unit.AccountIDFromBytes(fact.GetAccount())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInconsistent, err)
	}
	account, err := create[ledgerv1.AccountRow](s, AccountKey(id), "the account")
	if err != nil {
		return err
	}
	account.OpenedIndex, account.OpenedTime = e.GetIndex(), e.GetTime()
	account.Status, account.Home = fact.GetStatus(), fact.GetHome()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) organizationRegistered(e *ledgerv1.Entry, fact *ledgerv1.OrganizationRegistered) error {
	row, err := create[ledgerv1.OrganizationRow](s, OrganizationKey(fact.GetOrganization()), "the organization")
	if err != nil {
		return err
	}
	if parent := fact.GetParent(); parent != "" {
		if above, err := s.Organization(parent); err != nil {
			return err
		} else if above == nil {
			return fmt.Errorf("%w: there is no organization above it", ErrInconsistent)
		}
	}
	row.Index, row.Fact = e.GetIndex(), fact
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) keyAdded(e *ledgerv1.Entry, fact *ledgerv1.KeyAdded) error {
	row, err := create[ledgerv1.KeyRow](s, SigningKeyKey(fact.GetKeyId()), "the key")
	if err != nil {
		return err
	}
	row.Index, row.Time, row.Fact = e.GetIndex(), e.GetTime(), fact
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) keyRevoked(e *ledgerv1.Entry, fact *ledgerv1.KeyRevoked) error {
	row, err := must[ledgerv1.KeyRow](s, SigningKeyKey(fact.GetKeyId()), "such key")
	if err != nil {
		return err
	}
	if row.GetRevokedTime() == 0 {
		row.RevokedTime = e.GetTime()
	}
	if since := fact.GetCompromisedSince(); since != 0 && (row.GetCompromisedSince() == 0 || since < row.GetCompromisedSince()) {
		row.CompromisedSince = since
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) officerAppointed(e *ledgerv1.Entry, fact *ledgerv1.OfficerAppointed) error {
	row, err := edit[ledgerv1.OfficerRow](s, OfficerKey(fact.GetOfficer()))
	if err != nil {
		return err
	}
	row.Index, row.Fact, row.RemovedPlusOne = e.GetIndex(), fact, 0
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) officerRemoved(e *ledgerv1.Entry, fact *ledgerv1.OfficerRemoved) error {
	row, err := must[ledgerv1.OfficerRow](s, OfficerKey(fact.GetOfficer()), "such officer")
	if err != nil {
		return err
	}
	row.RemovedPlusOne = e.GetIndex() + 1
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) policyProposed(e *ledgerv1.Entry, fact *ledgerv1.PolicyProposed) error {
	row, err := create[ledgerv1.PolicyRow](s, PolicyKey(fact.GetPolicyHash()), "the policy")
	if err != nil {
		return err
	}
	row.Index, row.Time = e.GetIndex(), e.GetTime()
	row.Fact = &ledgerv1.PolicyProposed{
		Actor:             fact.GetActor(),
		PolicyHash:        fact.GetPolicyHash(),
		Organization:      fact.GetOrganization(),
		Policy:            fact.GetPolicy(),
		Version:           fact.GetVersion(),
		EffectiveFromDay:  fact.GetEffectiveFromDay(),
		EffectiveUntilDay: fact.GetEffectiveUntilDay(),
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) policyPublished(e *ledgerv1.Entry, fact *ledgerv1.PolicyPublished) error {
	row, err := must[ledgerv1.PolicyRow](s, PolicyKey(fact.GetPolicyHash()), "such policy")
	if err != nil {
		return err
	}
	if row.GetPublishedPlusOne() != 0 {
		return fmt.Errorf("%w: the policy is published already", ErrInconsistent)
	}
	row.PublishedPlusOne, row.PublishedTime = e.GetIndex()+1, e.GetTime()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// markItem notes that an entry changed an item, for the feed of whoever posted it. Nobody posted an opening balance or a claim.
func (s *State) markItem(item *ledgerv1.CompletionItem, index uint64) error {
	if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED {
		return nil
	}
	return s.mark(item.GetOrganization(), index)
}

// mark notes that an entry concerns an organization, for the organization's feed.
func (s *State) mark(organization, index uint64) error {
	key := FeedKey(organization, index>>8)
	old, err := s.Row(key)
	if err != nil {
		return err
	}
	marks := make([]byte, 32)
	copy(marks, old)
	marks[index>>3&31] |= 1 << (index & 7)
	return s.set(key, marks)
}

// organizationNumber is how keys and rows name an organization: by the index of its registration.
func (s *State) organizationNumber(organization string) (uint64, error) {
	row, err := s.Organization(organization)
	if err != nil {
		return 0, err
	}
	if row == nil {
		return 0, fmt.Errorf("%w: there is no organization %q", ErrInconsistent, organization)
	}
	return row.GetIndex(), nil
}
