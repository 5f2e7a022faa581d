package api

import (
	"context"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// scribe is where a decision reads how things stand, and where what it changes is written down: the ledger's writer, or a
// trial, which keeps nothing. What is decided on a scribe is decided by the same lines in both. Its readers see what was
// appended before, and what they answer must not be changed.
type scribe interface {
	// Now is the time of what is appended now.
	Now() time.Time
	// Next is the index of what is appended next.
	Next() uint64
	// Append gives an entry its index and time, and applies it.
	Append(e *ledgerv1.Entry) (index uint64, err error)
	Entry(index uint64) (*ledgerv1.Entry, error)

	Account(id unit.AccountID) (*ledgerv1.AccountRow, error)
	Week(id unit.AccountID, week int32) (*ledgerv1.WeekRow, error)
	// Weeks are the numbers of all weeks of an account in their order.
	Weeks(id unit.AccountID) ([]int32, error)
	Completion(id unit.AccountID, ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error)
	Course(index uint64) (*ledgerv1.CourseRow, error)
	Case(index uint64) (*ledgerv1.CaseRow, error)
	Crowd(key uint64) (*ledgerv1.CrowdRow, error)
	Transfer(index uint64) (*ledgerv1.TransferRow, error)
	Merge(index uint64) (*ledgerv1.MergeRow, error)
}

var _ scribe = (*ledger.Tx)(nil)

// born is when the holder of an account was born, where a policy asks for that: it is looked up for no other.
func born(ctx context.Context, p *published, sealer *vault.Sealer) (time.Time, error) {
	if !p.AsksAge() {
		return time.Time{}, nil
	}
	return sealer.BirthDate(ctx)
}

// ask runs the conditions of the statement's policy on a completion that an organization posted. Born is when its learner was,
// where the policy asks for that.
func (p *preparedStatement) ask(d *directory, organization string, posted, born time.Time) {
	fact := p.fact(p.course, p.policy.Day(p.ended()), unit.OrganizationID(organization), d.tier(organization), posted)
	fact.Born, fact.Held = born, p.held
	p.judged = p.policy.Prepare(fact)
}

// judge writes down what is overdue on the account, and then decides on the completion.
func (b *Bank) judge(
	ctx context.Context, tx scribe, d *directory, p *preparedStatement, account *ledgerv1.AccountRow,
) (*standing, policy.Assessment, error) {
	if err := b.settleSince(ctx, tx, d, p.account, b.full.since(tx, d, p.account, account)); err != nil {
		return nil, policy.Assessment{}, err
	}
	s := &standing{
		bank: b, tx: tx, directory: d, sealer: p.sealer, id: p.account, account: account, course: p.course,
		group: p.course.fact.GetEquivalenceGroup(),
	}
	a := p.judged.Decide(s)
	return s, a, s.err
}

// describe writes a decision as the fact that records it, whose effects are given: all but where the statement came from,
// and what is sealed. Index is that of the entry.
func (p *preparedStatement) describe(
	s *standing, a policy.Assessment, index uint64, recorded *ledgerv1.CompletionRecorded,
) error {
	if err := s.effects(a, p.judged, index, recorded.GetEffects()); err != nil {
		return err
	}
	setSessions(recorded.GetEffects(), p.judged.Sessions())
	recorded.Account, recorded.Course, recorded.Category = p.account[:], p.course.GetIndex(), p.course.fact.GetCategory()
	recorded.Outcome, recorded.Causes, recorded.Risk = a.Outcome, a.Causes, uint32(a.Risk)
	recorded.PolicyHash = p.policy.row.GetFact().GetPolicyHash()
	if a.Outcome == ledgerv1.Outcome_OUTCOME_IN_REVIEW {
		rule := s.directory.workflow(recorded.GetPolicyHash(), a.Risk, a.Causes)
		recorded.Due = micros(review.Opened(rule, s.tx.Now()))
	}
	recorded.Crowds = crowdKeys(p.judged.Crowds())
	recorded.Minutes, recorded.EndDay = p.minutes(), int32(p.judged.EndDay())
	return nil
}
