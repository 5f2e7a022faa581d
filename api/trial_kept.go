package api

import (
	"context"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// What officers decided is kept in a trial: the completion is recorded as it was, and each decision on it gives or takes what
// it gave or took, on the account as it stands in the rehearsal.

// keepRecorded records a completion as it was recorded.
func (a *tried) keepRecorded(ctx context.Context, index uint64, recorded *ledgerv1.CompletionRecorded) error {
	if err := a.bank.settle(ctx, a.book, a.directory, a.id); err != nil {
		return err
	}
	effects, err := a.adopt(index, recorded.GetCourse(), recorded.GetEffects())
	if err != nil {
		return err
	}
	if a.counts(a.items[index]) {
		a.sum.KeptDecided++
	}
	return a.record(index, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
		Origin: recorded.GetOrigin(), Account: recorded.GetAccount(), Course: recorded.GetCourse(), Category: recorded.GetCategory(),
		Outcome: recorded.GetOutcome(), Causes: recorded.GetCauses(), Risk: recorded.GetRisk(), PolicyHash: recorded.GetPolicyHash(),
		Minutes: recorded.GetMinutes(), EndDay: recorded.GetEndDay(), Sealed: recorded.GetSealed(), Effects: effects,
	}}})
}

// adopt is what an entry gave to a completion, as far as it depends on the rest of the account as the account stands now:
// the remainder of the course, and the completion whose place it takes.
func (a *tried) adopt(index, course uint64, given *ledgerv1.Effects) (*ledgerv1.Effects, error) {
	effects := &ledgerv1.Effects{
		Hours: given.GetHours(), Lots: given.GetLots(), Usage: given.GetUsage(), Days: given.GetDays(), Sessions: given.GetSessions(),
		Group: given.GetGroup(), Points: given.GetPoints(),
	}
	left := int64(0)
	for _, r := range a.account.GetRemainders() {
		if r.GetCourse() == course {
			left = r.GetMinutes()
		}
	}
	effects.Remainder = max(given.GetRemainder(), -left)
	if given.GetReplaces() == nil {
		return effects, nil
	}
	for _, stands := range a.account.GetGroups() {
		if stands.GetGroup() != given.GetGroup().GetGroup() || stands.GetCompletion().GetIndex() == index {
			continue
		}
		prior, err := a.item(stands.GetCompletion())
		if err != nil {
			return nil, err
		}
		s := &standing{tx: a.book, account: a.account, prior: prior}
		return effects, s.replace(effects)
	}
	return effects, nil
}

// keepAwarded approves what an officer approved.
func (a *tried) keepAwarded(ctx context.Context, index uint64, awarded *ledgerv1.CreditsAwarded) error {
	j, err := a.judgement(ctx, awarded.GetCase(), awarded.GetCompletion(), ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED)
	if err != nil {
		return err
	}
	switch {
	case awarded.GetOutcome() == ledgerv1.Outcome_OUTCOME_UNSPECIFIED:
		return nil
	case counted(j.item), j.item.GetOutcome() == ledgerv1.Outcome_OUTCOME_DUPLICATE && awarded.GetEffects().SizeVT() == 0: // approved as it is
		j.outcome, j.effects = j.item.GetOutcome(), new(ledgerv1.Effects)
	default:
		j.outcome = awarded.GetOutcome()
		if j.effects, err = a.adopt(j.item.GetIndex(), j.item.GetCourse(), awarded.GetEffects()); err != nil {
			return err
		}
		if j.outcome == ledgerv1.Outcome_OUTCOME_AWARDED {
			if err := a.giveGone(ctx, index, j); err != nil {
				return err
			}
		}
	}
	return a.decide(ctx, index, j, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CreditsAwarded{CreditsAwarded: &ledgerv1.CreditsAwarded{
		Actor: awarded.GetActor(), Case: caseOf(j.item), Completion: refOf(j.item), Account: a.id[:],
		Outcome: j.outcome, Effects: j.effects,
	}}})
}

// giveGone adds what an award did not give again since a transfer had taken it before: a rehearsal knows no transfers, so that it
// took that back, too. It went on counting towards the caps.
func (a *tried) giveGone(ctx context.Context, award uint64, j *judgement) error {
	for _, lot := range a.items[j.item.GetIndex()].GetLots() {
		if lot.GetEntry() >= award || lot.GetTransferred() == 0 {
			continue
		}
		e, err := entryOf(ctx, a.view, lot.GetEntry())
		if err != nil {
			return err
		}
		issued := effectsOf(e).GetLots()[lot.GetPosition()]
		j.effects.Lots = append(slices.Clip(j.effects.Lots), &ledgerv1.Lot{
			Category: issued.GetCategory(), Level: issued.GetLevel(), ExpiresDay: issued.GetExpiresDay(), Caps: issued.GetCaps(),
			Available: lot.GetTransferred(),
		})
	}
	return nil
}

// keepStep refuses what an officer refused, or leaves it the hours that an officer left.
func (a *tried) keepStep(ctx context.Context, index uint64, taken *ledgerv1.CaseStepTaken) error {
	j, err := a.judgement(ctx, taken.GetCase(), taken.GetCompletion(), taken.GetStep())
	if err != nil {
		return err
	}
	switch {
	case taken.GetOutcome() == ledgerv1.Outcome_OUTCOME_UNSPECIFIED:
		return nil
	case taken.GetOutcome() == ledgerv1.Outcome_OUTCOME_REFUSED, taken.GetOutcome() == ledgerv1.Outcome_OUTCOME_WITHDRAWN:
		err = j.takeBack(ctx, taken.GetOutcome())
	case taken.GetOutcome() == ledgerv1.Outcome_OUTCOME_IN_REVIEW: // the learner appealed
		err = j.reopen(ctx)
	case counted(j.item):
		err = j.keepHours(ctx)
	default:
		j.outcome = taken.GetOutcome()
		j.effects, err = a.adopt(j.item.GetIndex(), j.item.GetCourse(), taken.GetEffects())
	}
	if err != nil {
		return err
	}
	return a.decide(ctx, index, j, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: &ledgerv1.CaseStepTaken{
		Actor: taken.GetActor(), Case: caseOf(j.item), Completion: refOf(j.item), Account: a.id[:],
		Step: taken.GetStep(), State: taken.GetState(), Outcome: j.outcome, Effects: j.effects,
	}}})
}

// judgement is a decision of an officer that is about to be kept. Where the case that it ended is not open in the rehearsal, it is
// opened: an officer decided on the completion.
func (a *tried) judgement(
	ctx context.Context, ended uint64, completion *ledgerv1.CompletionRef, step ledgerv1.CaseStep,
) (*judgement, error) {
	if err := a.bank.settle(ctx, a.book, a.directory, a.id); err != nil {
		return nil, err
	}
	item, err := a.item(completion)
	if err != nil {
		return nil, err
	}
	// An appeal, and a revocation, are steps of the case that has ended.
	again := item.GetLastCasePlusOne() != 0 && (step == ledgerv1.CaseStep_CASE_STEP_APPEALED || step == ledgerv1.CaseStep_CASE_STEP_REVOKED)
	if item.GetCasePlusOne() == 0 && !again {
		opened := &ledgerv1.CaseOpened{Account: a.id[:], Completion: refOf(item)}
		for _, c := range a.cases[a.id] {
			if c.index == ended {
				opened.Causes, opened.Risk = c.row.GetCauses(), c.row.GetRisk()
			}
		}
		if _, err := a.book.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseOpened{CaseOpened: opened}}); err != nil {
			return nil, err
		}
	}
	recorded, err := a.book.Entry(item.GetIndex())
	if err != nil {
		return nil, err
	}
	return &judgement{
		bank: a.bank, tx: a.book, directory: a.directory, sealer: a.sealer, id: a.id, account: a.account, ref: refOf(item), item: item,
		recorded: recorded.GetCompletionRecorded(),
	}, nil
}

// caseOf is the case that is open on a completion, or the one that was last.
func caseOf(item *ledgerv1.CompletionItem) uint64 {
	if item.GetCasePlusOne() != 0 {
		return item.GetCasePlusOne() - 1
	}
	return item.GetLastCasePlusOne() - 1
}

// decide writes a decision down, and what follows from it.
func (a *tried) decide(ctx context.Context, index uint64, j *judgement, e *ledgerv1.Entry) error {
	if err := a.book.put(index, e); err != nil {
		return err
	}
	if err := openCases(a.book, a.directory, a.id, j.shaken); err != nil {
		return err
	}
	return a.bank.settle(ctx, a.book, a.directory, a.id)
}

// keepReversed takes back what a clawback took back: as an officer's refusal, since the rehearsal has no clawbacks.
func (a *tried) keepReversed(ctx context.Context, index uint64, r *ledgerv1.CreditsReversed) error {
	const step = ledgerv1.CaseStep_CASE_STEP_REJECTED
	opened := a.book.opened
	a.book.opened = nil // the case is not one that officers were asked to decide
	j, err := a.judgement(ctx, index, r.GetCompletion(), step)
	a.book.opened = opened
	if err != nil {
		return err
	}
	j.going = func(item *ledgerv1.CompletionItem) bool {
		return item.GetIndex() > j.item.GetIndex() && a.items[item.GetIndex()].GetClawbackPlusOne() == r.GetClawback()+1
	}
	if err := j.takeBack(ctx, ledgerv1.Outcome_OUTCOME_REFUSED); err != nil {
		return err
	}
	return a.decide(ctx, index, j, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: &ledgerv1.CaseStepTaken{
		Case: caseOf(j.item), Completion: refOf(j.item), Account: a.id[:], Step: step,
		State: ledgerv1.CaseStatus_CASE_STATUS_REJECTED, Outcome: j.outcome, Effects: j.effects,
	}}})
}

// keepHeld holds what was held, as far as it gives something here, or sets it free.
func (a *tried) keepHeld(ctx context.Context, index uint64, held *ledgerv1.CompletionHeld) error {
	if err := a.bank.settle(ctx, a.book, a.directory, a.id); err != nil {
		return err
	}
	item, err := a.item(held.GetCompletion())
	if err != nil {
		return err
	}
	fact := &ledgerv1.CompletionHeld{Account: a.id[:], Completion: refOf(item), Clawback: held.GetClawback(), Free: held.GetFree()}
	switch {
	case !held.GetFree() && (!book.Reversible(item) || item.GetHeldPlusOne() == held.GetClawback()+1):
		return nil
	case held.GetFree() && item.GetHeldPlusOne() != held.GetClawback()+1:
		return nil
	case held.GetFree():
		if fact.Effects, err = setFree(a.book, item); err != nil {
			return err
		}
	default:
		fact.Effects = a.heldBack(item)
	}
	if err := a.book.put(index, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionHeld{CompletionHeld: fact}}); err != nil {
		return err
	}
	return a.bank.settle(ctx, a.book, a.directory, a.id)
}
