package api

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// endCases appends the steps to which deadlines of an account's cases have led, the earliest first.
func (b *Bank) endCases(
	ctx context.Context, tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow,
) error {
	now := tx.Now().UnixMicro()
	due := slices.DeleteFunc(slices.Clone(account.GetDeadlines()), func(x *ledgerv1.CaseDeadline) bool { return x.GetTime() > now })
	if open := checkOpen(account) == nil; len(due) == 0 || !open {
		return nil // an account that is frozen keeps what it has: its cases go on when it does
	}
	sealer, err := b.accountSealer(ctx, id)
	if err != nil || sealer == nil {
		return err
	}
	slices.SortStableFunc(due, func(x, y *ledgerv1.CaseDeadline) int { return int(min(max(x.GetTime()-y.GetTime(), -1), 1)) })
	for _, x := range due {
		row, err := tx.Case(x.GetCase())
		if err != nil {
			return err
		}
		j, err := b.judging(tx, d, sealer, row)
		if err != nil {
			return err
		}
		rule, c, err := j.subject(row)
		if err != nil {
			return err
		}
		following, err := review.Decide(rule, c, review.Caller{Role: review.Bank}, review.Expire, tx.Now())
		if err != nil {
			return err
		}
		if following.Awards() && j.item.GetHeldPlusOne() != 0 {
			continue // it goes on when it comes free
		}
		if err := j.grantOf(ctx, row, nil); err != nil {
			return err
		}
		if err := j.work(ctx, review.Expire, following); err != nil {
			return err
		}
		sealed := &ledgerv1.SealedDecision{Reasons: reasonsProto(j.reasons)}
		if following.Awards() {
			sealed.Grant = j.grant.proto()
			// What the officers said is why it counts now.
			if err := j.lastWord(ctx, row, sealed); err != nil {
				return err
			}
		}
		if _, err := j.append(x.GetCase(), nil, nil, following, sealed); err != nil {
			return err
		}
	}
	return nil
}

// lastWord adds what the last officer said who judged the case.
func (j *judgement) lastWord(ctx context.Context, row *ledgerv1.CaseRow, sealed *ledgerv1.SealedDecision) error {
	for _, index := range slices.Backward(row.GetSteps()) {
		e, err := j.tx.Entry(index)
		if err != nil {
			return err
		}
		step := e.GetCaseStepTaken()
		said := step.GetStep() == ledgerv1.CaseStep_CASE_STEP_PUBLISHED || step.GetStep() == ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED
		if !said {
			continue
		}
		opened := new(ledgerv1.SealedDecision)
		sealer, err := j.bank.unsealerOf(ctx, step.GetAccount(), j.id, j.sealer)
		if err != nil || sealer == nil {
			return err
		}
		err = unseal(sealer, "CaseStepTaken", j.statement[:], step.GetSealed(), opened)
		sealed.ReasonCode, sealed.Note = opened.GetReasonCode(), opened.GetNote()
		return err
	}
	return nil
}

// EndCases settles every account that has a case whose state has ended by now, and answers how many entries that took.
// Accounts that are used are settled then; this is for the others, and for a bank that was away. It looks at nothing that is
// not due, and brings merges to an end in which a bank was interrupted.
func (b *Bank) EndCases(ctx context.Context) (entries uint64, err error) {
	entries, failed := b.FinishMerges(ctx) // what fails of some accounts does not keep the others waiting
	if ctx.Err() != nil {
		return entries, failed
	}
	view, err := b.ledger.View()
	if err != nil {
		return entries, errors.Join(failed, err)
	}
	defer view.Close()
	ended := store.Prefix(book.CaseTimesPrefix(book.CaseEnds))
	ended.End = book.CaseTimesUntil(book.CaseEnds, b.config.Now().UnixMicro()+1)
	state := view.State(ctx)
	var due []unit.AccountID
	for row, err := range view.Scan(ctx, ended) {
		if err != nil {
			return entries, errors.Join(failed, err)
		}
		c, err := state.Case(binary.BigEndian.Uint64(row.Key[len(row.Key)-8:]))
		if err != nil {
			return entries, errors.Join(failed, err)
		}
		if id := unit.AccountID(c.GetAccount()); !slices.Contains(due, id) {
			due = append(due, id)
		}
		if len(due) == sweptAtOnce {
			n, err := b.settleAll(ctx, due)
			entries, failed = entries+n, errors.Join(failed, err)
			due, state = due[:0], view.State(ctx)
			if ctx.Err() != nil {
				return entries, failed
			}
		}
	}
	n, err := b.settleAll(ctx, due)
	return entries + n, errors.Join(failed, err)
}
