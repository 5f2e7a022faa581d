package api

import (
	"context"
	"fmt"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// objectionsOf is how often the caller has objected to the case, also by an account that became part of theirs. Which resident did
// is sealed, for the officers alone.
func (j *judgement) objectionsOf(ctx context.Context, row *ledgerv1.CaseRow, caller access.Caller) (n int, err error) {
	for _, index := range row.GetSteps() {
		e, err := j.tx.Entry(index)
		if err != nil {
			return 0, err
		}
		step := e.GetCaseStepTaken()
		switch {
		case step.GetStep() != ledgerv1.CaseStep_CASE_STEP_OBJECTED:
		case !step.GetActor().GetResident():
			if caller.Kind == access.Organization && step.GetActor().GetOrganization() == caller.Organization {
				n++
			}
		case caller.Kind == access.Resident:
			own, err := j.objected(ctx, step, caller.Account)
			if err != nil {
				return 0, err
			}
			if own {
				n++
			}
		}
	}
	return n, nil
}

// objected says whether an objection is of the holder of an account. It was sealed under the key of the account on which the case was
// then, and may name one that became part of another since.
func (j *judgement) objected(ctx context.Context, step *ledgerv1.CaseStepTaken, holder unit.AccountID) (bool, error) {
	sealer, err := j.bank.unsealerOf(ctx, step.GetAccount(), j.id, j.sealer)
	if err != nil || sealer == nil {
		return false, err
	}
	opened := new(ledgerv1.SealedDecision)
	if err := unseal(sealer, "CaseStepTaken", j.statement[:], step.GetSealed(), opened); err != nil {
		return false, err
	}
	objector, err := unit.AccountIDFromBytes(opened.GetObjector())
	if err != nil {
		return false, fmt.Errorf("%w: an objection of nobody: %v", ledger.ErrDamaged, err)
	}
	objector, _, err = living(j.tx, objector)
	return objector == holder, err
}
