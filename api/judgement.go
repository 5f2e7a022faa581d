package api

import (
	"context"
	"fmt"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// judgement works out what the step of a case changes for its account.
type judgement struct {
	bank      *Bank
	tx        scribe
	directory *directory
	sealer    *vault.Sealer
	id        unit.AccountID
	account   *ledgerv1.AccountRow
	ref       *ledgerv1.CompletionRef

	item        *ledgerv1.CompletionItem
	outcome     ledgerv1.Outcome
	effects     *ledgerv1.Effects
	reasons     []policy.Reason
	shaken      []doubt
	unrecovered int64
	// going says of other completions that they are taken back as well, as in withdraw; nil: none is.
	going func(item *ledgerv1.CompletionItem) bool
	// recorded is the entry of the completion, claim that of the claim: one of them is nil.
	recorded *ledgerv1.CompletionRecorded
	claim    *ledgerv1.ClaimFiled
	// statement is under which id what is decided is sealed.
	statement unit.StatementID
	// grant and rule are what is granted of a claim.
	grant *Grant
	rule  policy.ClaimRule
}

// judging reads what a judgement is about. What is overdue on the account has been settled.
func (b *Bank) judging(tx scribe, d *directory, sealer *vault.Sealer, row *ledgerv1.CaseRow) (*judgement, error) {
	j := &judgement{bank: b, tx: tx, directory: d, sealer: sealer, id: unit.AccountID(row.GetAccount()), ref: row.GetCompletion()}
	var err error
	if j.account, err = tx.Account(j.id); err != nil {
		return nil, err
	}
	if j.item, err = completionItem(tx, j.id, j.ref); err != nil {
		return nil, err
	}
	e, err := tx.Entry(j.ref.GetIndex())
	if err != nil {
		return nil, err
	}
	j.recorded, j.claim, j.statement = e.GetCompletionRecorded(), e.GetClaimFiled(), statementOf(e)
	return j, nil
}

// statementOf is the id under which what is decided on a completion or a claim is sealed, by its entry.
func statementOf(e *ledgerv1.Entry) (id unit.StatementID) {
	if claim := e.GetClaimFiled(); claim != nil {
		copy(id[:], claim.GetRequest().GetRequestId())
		return id
	}
	copy(id[:], e.GetCompletionRecorded().GetOrigin().GetStatementId())
	return id
}

// policyHashOf is the policy that a completion or a claim is under, by its entry.
func policyHashOf(e *ledgerv1.Entry) []byte {
	if claim := e.GetClaimFiled(); claim != nil {
		return claim.GetPolicyHash()
	}
	return e.GetCompletionRecorded().GetPolicyHash()
}

// policyHash is the policy that the subject is under.
func (j *judgement) policyHash() []byte {
	if j.claim != nil {
		return j.claim.GetPolicyHash()
	}
	return j.recorded.GetPolicyHash()
}

// counted says whether the completion counts something already.
func (j *judgement) counted() bool {
	return counted(j.item)
}

// counted says whether a completion gave something and still does.
func counted(item *ledgerv1.CompletionItem) bool {
	return item.GetOutcome() == ledgerv1.Outcome_OUTCOME_AWARDED || item.GetOutcome() == ledgerv1.Outcome_OUTCOME_NO_CREDIT
}

// judge works out outcome and effects of a verdict. What the completion contributed so far stays when it is approved as
// it is, and is taken back otherwise.
func (j *judgement) judge(ctx context.Context, verdict Verdict) error {
	switch {
	case verdict == VerdictApprove && j.counted():
		j.outcome, j.effects = j.item.GetOutcome(), &ledgerv1.Effects{}
		return nil
	case verdict == VerdictReject:
		return j.takeBack(ctx, ledgerv1.Outcome_OUTCOME_REFUSED)
	case j.counted():
		return j.keepHours(ctx)
	case j.claim != nil:
		return j.judgeClaim(verdict)
	default:
		return j.judgeAgain(ctx, verdict)
	}
}

func (j *judgement) takeBack(ctx context.Context, outcome ledgerv1.Outcome) error {
	var err error
	if j.effects, j.unrecovered, err = reversal(j.tx, j.directory, j.id, j.account, j.item); err != nil {
		return err
	}
	j.outcome = outcome
	j.shaken, err = j.bank.shakenBy(ctx, j.tx, j.directory, j.sealer, j.id, j.item, j.effects, j.going)
	return err
}

// keepHours takes the credits of a completion back and leaves its hours, and the points that they give.
func (j *judgement) keepHours(ctx context.Context) error {
	if err := j.takeBack(ctx, ledgerv1.Outcome_OUTCOME_NO_CREDIT); err != nil {
		return err
	}
	j.effects.Hours, j.effects.Days, j.effects.SessionsRemoved, j.effects.Points = nil, nil, nil, nil
	return nil
}

// reopen has the completion wait again, as it did before it was decided: nothing of it counts, but its time is taken.
func (j *judgement) reopen(ctx context.Context) error {
	if err := j.takeBack(ctx, ledgerv1.Outcome_OUTCOME_IN_REVIEW); err != nil {
		return err
	}
	if len(j.effects.GetSessionsRemoved()) > 0 || j.claim != nil {
		j.effects.SessionsRemoved = nil
		return nil
	}
	judged, _, err := j.prepare(ctx)
	if err != nil {
		return err
	}
	setSessions(j.effects, judged.Sessions())
	return nil
}

// prepare has the policy that judged first read the completion once more.
func (j *judgement) prepare(ctx context.Context) (*policy.Prepared, *course, error) {
	recorded := j.recorded
	sealer, err := j.bank.unsealerOf(ctx, recorded.GetAccount(), j.id, j.sealer)
	if err != nil {
		return nil, nil, err
	}
	if sealer == nil {
		return nil, nil, faultf(Precondition, ReasonAccountErased, "", "the account on which it was recorded was erased")
	}
	// The statement was checked when it was recorded.
	completion, posted, err := statedCompletion(sealer, recorded)
	if err != nil {
		return nil, nil, err
	}
	p := preparedStatement{
		statement: statement{completion: completion},
		course:    j.directory.byIndex[recorded.GetCourse()], policy: j.directory.policyOf(recorded.GetPolicyHash()),
	}
	if len(completion.GetSessions()) == 0 || p.course == nil || p.policy == nil {
		return nil, nil, fmt.Errorf("%w: completion %d cannot be judged again", ledger.ErrDamaged, j.ref.GetIndex())
	}
	born, err := born(ctx, p.policy, j.sealer)
	if err != nil {
		return nil, nil, err
	}
	p.ask(j.directory, recorded.GetOrigin().GetOrganization(), posted, born)
	return p.judged, p.course, nil
}

// gone is what was given before and cannot be taken back: transferred, or expired. It is not given again.
func (j *judgement) gone() (credits unit.Credits) {
	for _, lot := range j.item.GetLots() {
		credits += unit.Credits(lot.GetTransferred() + lot.GetExpired())
	}
	return credits
}

// judgeAgain asks the policy that judged first, on the standing of this moment.
func (j *judgement) judgeAgain(ctx context.Context, verdict Verdict) error {
	judged, c, err := j.prepare(ctx)
	if err != nil {
		return err
	}
	part, err := contribution(j.tx, j.item)
	if err != nil {
		return err
	}
	standing := &standing{
		bank: j.bank, tx: j.tx, directory: j.directory, sealer: j.sealer, id: j.id, account: j.account, course: c,
		group: c.fact.GetEquivalenceGroup(), without: j.ref.GetIndex(), gone: j.gone(), counts: part.usage,
	}
	var assessment policy.Assessment
	if verdict == VerdictApprove {
		assessment = judged.Approve(standing)
	} else {
		assessment = judged.HoursOnly(standing)
	}
	if standing.err != nil {
		return standing.err
	}
	j.outcome, j.reasons = assessment.Outcome, assessment.Reasons
	j.effects = new(ledgerv1.Effects)
	if j.item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED {
		setSessions(j.effects, judged.Sessions()) // the void took them
	}
	return standing.effects(assessment, judged, j.ref.GetIndex(), j.effects)
}
