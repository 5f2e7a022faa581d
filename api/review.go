package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Limits of the officers' queue.
const (
	maxCasePage   = 500
	usualCasePage = 50
	// maxCasesLooked is how many cases of other subtrees are passed over for one page.
	maxCasesLooked = 10_000
	// maxNoteLength is of an officer's words, maxPleaLength of those of whoever answers, objects or appeals.
	maxNoteLength   = 500
	maxPleaLength   = 2_000
	otherReasonCode = "OTHER"
)

// Case is a completion or a claim that officers decide.
type Case struct {
	ID            uint64
	Status        ledgerv1.CaseStatus
	Causes        []string
	Risk          int
	Opened        time.Time
	Completion    uint64
	Account       unit.AccountID
	Course, Title string
	Provider      string
	Platform      string
	Category      string
	Minutes       unit.Minutes
	EndDate       string
	DecidedBy     string
	Decided       time.Time
	// Changed is the entry that took the newest step: what a caller names who has seen the case as it stands.
	Changed uint64
	// Since is when it came to its state.
	Since time.Time
	// Deadline is when the state ends by itself, or the right to appeal does; Due is by when an officer should act. Zero: never.
	Deadline, Due time.Time
	// Holder is the officer who has it until Lease, or had it then.
	Holder string
	Lease  time.Time
	// Reviewers are the officers who judged it, in their order.
	Reviewers []review.Reviewer
	// Rule is the policy's on what the case needs; empty: the usual. Batch says that it may be decided among many.
	Rule  string
	Batch bool
	// Claim says that it is about a claim to prior learning: Provider is the learner's home then, Title what the policy calls such
	// claims, and there are no course, platform and minutes. FiledBy is the officer who filed it, if one did.
	Claim   bool
	FiledBy string

	zone *time.Location // of the days of its deadlines
}

// Evidence is what a case is about: the completion as posted, and when, or the claim.
type Evidence struct {
	Completion *statementv1.Completion
	Posted     time.Time
	Claim      *Claim
}

// Verdict is what an officer decides on a case.
type Verdict uint8

// The verdicts.
const (
	// VerdictApprove: the completion counts, judged once more on the standing of the moment in which nobody can say no any more.
	VerdictApprove Verdict = iota + 1
	// VerdictReject: it counts nothing.
	VerdictReject
	// VerdictHoursOnly: it gives no credits, but its hours count.
	VerdictHoursOnly
)

// readCase answers a case, or NotFound.
func readCase(ctx context.Context, view ledger.View, d *directory, id uint64) (Case, error) {
	state := view.State(ctx)
	row, err := state.Case(id)
	if err != nil {
		return Case{}, err
	}
	if row == nil {
		return Case{}, unknownCase(id)
	}
	item, err := state.Completion(unit.AccountID(row.GetAccount()), row.GetCompletion())
	if err != nil {
		return Case{}, err
	}
	c := Case{
		ID: id, Status: row.GetStatus(), Causes: row.GetCauses(), Risk: int(row.GetRisk()),
		Opened: timeOf(row.GetTime()), Completion: row.GetCompletion().GetIndex(),
		Account: unit.AccountID(row.GetAccount()), Platform: d.numbers[item.GetOrganization()], Category: item.GetCategory(),
		EndDate: dayString(item.GetEndDay()), DecidedBy: row.GetOfficer(), Decided: optionalTime(row.GetDecidedTime()),
		Changed: row.GetChangedIndex(), Since: timeOf(row.GetStatusTime()), Deadline: optionalTime(row.GetDeadline()),
		Due: optionalTime(row.GetDue()), Holder: row.GetHolder(), Lease: optionalTime(row.GetLeaseUntil()), Reviewers: reviewersOf(row),
	}
	if course := d.byIndex[item.GetCourse()]; course != nil {
		c.Course, c.Title = course.fact.GetCode(), course.fact.GetTitle()
	}
	c.Provider = d.jurisdiction(row)
	e, err := entryOf(ctx, view, c.Completion)
	if err != nil {
		return Case{}, err
	}
	c.Minutes = unit.Minutes(e.GetCompletionRecorded().GetMinutes())
	if claim := e.GetClaimFiled(); claim != nil {
		c.Claim, c.FiledBy, c.Platform = true, row.GetFiledBy(), ""
		c.Title = d.claimName(claim.GetPolicyHash(), strings.Join(claim.GetCauses(), "")).ZH
	}
	rule := d.workflow(policyHashOf(e), c.Risk, c.Causes)
	c.zone = rule.Zone
	c.Rule, c.Batch = rule.ID, rule.Batchable(review.Case{State: c.Status}) == nil
	return c, nil
}

// GetCase answers a case with its evidence and the decision that stands. The look is journalled on the account.
func (b *Bank) GetCase(ctx context.Context, caller access.Caller, id uint64) (Case, Evidence, *Decision, error) {
	c, evidence, decision, _, err := b.ReadCase(ctx, caller, id)
	return c, evidence, decision, err
}

// ReadCase is GetCase with the steps of the case, as officers see them.
func (b *Bank) ReadCase(ctx context.Context, caller access.Caller, id uint64) (Case, Evidence, *Decision, []CaseEvent, error) {
	fail := func(err error) (Case, Evidence, *Decision, []CaseEvent, error) {
		return Case{}, Evidence{}, nil, nil, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return fail(err)
	}
	defer view.Close()
	c, err := b.permittedCase(ctx, caller, access.ReadCases, view, d, id)
	if err != nil {
		return fail(err)
	}
	if err := b.journal(ctx, caller, c.Account, access.ReadCases, ""); err != nil {
		return fail(err)
	}
	e, err := entryOf(ctx, view, c.Completion)
	if err != nil {
		return fail(err)
	}
	row, err := view.State(ctx).Case(id)
	if err != nil {
		return fail(err)
	}
	item, err := view.State(ctx).Completion(c.Account, row.GetCompletion())
	if err != nil {
		return fail(err)
	}
	reader, entry, evidence := entryReader{bank: b, view: view, directory: d}, PortfolioEntry{}, Evidence{}
	if filed := e.GetClaimFiled(); filed != nil {
		if evidence.Claim, err = reader.openClaim(ctx, filed, row); err != nil {
			return fail(err)
		}
		if err := b.checkInbound(ctx, view, row, evidence.Claim.Evidence); err != nil {
			return fail(err)
		}
		c.Minutes = evidence.Claim.Claimed.Minutes
	} else if evidence, err = b.asPosted(ctx, e.GetCompletionRecorded()); err != nil {
		return fail(err)
	}
	if err := reader.explain(ctx, item, e, &entry); err != nil {
		return fail(err)
	}
	events, err := reader.history(ctx, id)
	if err != nil {
		return fail(err)
	}
	return c, evidence, entry.Decision, events, nil
}

// asPosted opens what a platform posted. It is empty when the person was forgotten.
func (b *Bank) asPosted(ctx context.Context, recorded *ledgerv1.CompletionRecorded) (Evidence, error) {
	opened, err := b.openCompletion(ctx, recorded)
	if err != nil {
		return Evidence{}, err
	}
	stated := new(statementv1.Statement)
	if err := stated.UnmarshalVT(opened.GetStatement()); err != nil {
		return Evidence{}, fmt.Errorf("%w: a recorded statement: %v", ledger.ErrDamaged, err)
	}
	return Evidence{Completion: stated.GetCompletion(), Posted: optionalTime(opened.GetPostedAt())}, nil
}

// permittedCase answers a case that the caller may see; to others it is not there.
func (b *Bank) permittedCase(
	ctx context.Context, caller access.Caller, action access.Action, view ledger.View, d *directory, id uint64,
) (Case, error) {
	if err := caller.Holds(action); err != nil {
		return Case{}, err
	}
	c, err := readCase(ctx, view, d, id)
	if err != nil {
		return Case{}, err
	}
	if caller.Check(action, access.Subject{Organization: c.Provider}, d) != nil {
		return Case{}, unknownCase(id)
	}
	return c, nil
}

func reviewersOf(row *ledgerv1.CaseRow) []review.Reviewer {
	reviewers := make([]review.Reviewer, len(row.GetReviewers()))
	for i, r := range row.GetReviewers() {
		reviewers[i] = review.Reviewer{Stage: r.GetStage(), Officer: r.GetOfficer()}
	}
	return reviewers
}

func unknownCase(id uint64) *Error {
	return faultf(NotFound, ReasonNotFound, "case_id", "there is no case %d", id)
}
