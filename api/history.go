package api

import (
	"context"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// CaseEvent is a step that was taken of a case.
type CaseEvent struct {
	Index uint64
	Time  time.Time
	// Step is unspecified where the credits were awarded.
	Step  ledgerv1.CaseStep
	State ledgerv1.CaseStatus
	// Deadline is as in Case.
	Deadline time.Time
	// Officer or Organization took it, or a resident; where nobody did, a deadline had passed or the platform had taken the
	// completion back.
	Officer, Organization string
	Resident              bool
	// Objector is the account of a resident who objected, for officers.
	Objector unit.AccountID
	// ReasonCode and Note are what was said. They are empty when the person was forgotten.
	ReasonCode, Note string
	// Grant is what an officer would grant, or granted, of a claim; nil where nothing was said of it. Files is how many an answer
	// brought.
	Grant *Grant
	Files int
}

// CaseProgress is a case as its learner sees it.
type CaseProgress struct {
	ID     uint64
	Status ledgerv1.CaseStatus
	// Changed is as in Case.
	Changed  uint64
	Deadline time.Time
	// Causes are why an officer decides, Words what the policy has such a case go through; empty: it does not say.
	Causes []string
	Words  Text
	Steps  []CaseEvent

	risk int
}

// history answers the steps of a case, in their order, with what was said.
func (r entryReader) history(ctx context.Context, id uint64) ([]CaseEvent, error) {
	row, err := r.view.State(ctx).Case(id)
	if err != nil || len(row.GetSteps()) == 0 {
		return nil, err
	}
	raw, err := r.view.Entries(ctx, append(row.GetSteps()[:len(row.GetSteps()):len(row.GetSteps())], row.GetCompletion().GetIndex())...)
	if err != nil {
		return nil, err
	}
	recorded, err := decodedEntry(row.GetCompletion().GetIndex(), raw[len(raw)-1])
	if err != nil {
		return nil, err
	}
	account := unit.AccountID(row.GetAccount())
	own, err := r.bank.accountSealer(ctx, account)
	if err != nil {
		return nil, err
	}
	events := make([]CaseEvent, len(row.GetSteps()))
	for i, index := range row.GetSteps() {
		e, err := decodedEntry(index, raw[i])
		if err != nil {
			return nil, err
		}
		var sealed []byte
		events[i], sealed = eventOf(e)
		if reversed := e.GetCreditsReversed(); reversed != nil {
			clawback, err := r.view.State(ctx).Clawback(reversed.GetClawback())
			if err != nil {
				return nil, err
			}
			if index != id { // the case that was open when the completion was taken back ended with it
				events[i].State, events[i].Deadline = ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN, time.Time{}
			}
			events[i].Officer = clawback.GetDecidedBy()
			events[i].ReasonCode, events[i].Note = clawback.GetFact().GetReasonCode(), clawback.GetFact().GetReason()
		}
		if len(sealed) == 0 {
			continue
		}
		sealer, err := r.bank.unsealerOf(ctx, accountOf(e), account, own)
		if err != nil {
			return nil, err
		}
		if sealer == nil {
			continue
		}
		opened := new(ledgerv1.SealedDecision)
		statement := statementOf(recorded)
		if err := unseal(sealer, book.Fact(e), statement[:], sealed, opened); err != nil {
			return nil, err
		}
		events[i].ReasonCode, events[i].Note, events[i].Files = opened.GetReasonCode(), opened.GetNote(), len(opened.GetEvidence())
		if opened.GetGrant() != nil {
			grant := grantFrom(opened.GetGrant())
			events[i].Grant = &grant
		}
		copy(events[i].Objector[:], opened.GetObjector())
	}
	return events, nil
}

// accountOf is the account of a step of a case, as it was then.
func accountOf(e *ledgerv1.Entry) []byte {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CreditsAwarded:
		return fact.CreditsAwarded.GetAccount()
	case *ledgerv1.Entry_CaseStepTaken:
		return fact.CaseStepTaken.GetAccount()
	case *ledgerv1.Entry_ItemReturned:
		return fact.ItemReturned.GetFrom()
	default:
		return e.GetCompletionVoided().GetAccount()
	}
}

// eventOf reads a step of a case out of its entry, and what is sealed of it.
func eventOf(e *ledgerv1.Entry) (CaseEvent, []byte) {
	event := CaseEvent{Index: e.GetIndex(), Time: timeOf(e.GetTime())}
	var (
		actor  *ledgerv1.Actor
		sealed []byte
	)
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CreditsAwarded:
		actor, sealed = fact.CreditsAwarded.GetActor(), fact.CreditsAwarded.GetSealed()
		event.State = ledgerv1.CaseStatus_CASE_STATUS_APPROVED
	case *ledgerv1.Entry_CaseStepTaken:
		f := fact.CaseStepTaken
		actor, sealed = f.GetActor(), f.GetSealed()
		event.Step, event.State, event.Deadline = f.GetStep(), f.GetState(), optionalTime(f.GetDeadline())
	case *ledgerv1.Entry_CreditsReversed:
		event.Step, event.State = ledgerv1.CaseStep_CASE_STEP_CLAWED_BACK, ledgerv1.CaseStatus_CASE_STATUS_REVOKED
		event.Deadline = optionalTime(fact.CreditsReversed.GetDeadline())
	default: // a void, or a merge that was undone
		event.Step, event.State = ledgerv1.CaseStep_CASE_STEP_WITHDRAWN, ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN
	}
	event.Officer, event.Organization, event.Resident = actor.GetOfficer(), actor.GetOrganization(), actor.GetResident()
	return event, sealed
}

// progress answers a case as its learner sees it: who objected, and what they wrote, stays with the officers, who answer it.
func (r entryReader) progress(ctx context.Context, id uint64) (*CaseProgress, error) {
	row, err := r.view.State(ctx).Case(id)
	if err != nil || row == nil {
		return nil, err
	}
	events, err := r.history(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].Objector = unit.AccountID{}
		if events[i].Step == ledgerv1.CaseStep_CASE_STEP_OBJECTED {
			events[i].Note, events[i].Organization = "", ""
		}
	}
	return &CaseProgress{
		ID: id, Status: row.GetStatus(), Changed: row.GetChangedIndex(), Deadline: optionalTime(row.GetDeadline()),
		Causes: row.GetCauses(), Steps: events, risk: int(row.GetRisk()),
	}, nil
}
