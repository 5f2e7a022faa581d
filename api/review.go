package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Limits of the officers' queue.
const (
	maxCasePage   = 500
	usualCasePage = 50
	// maxCasesLooked is how many cases of other subtrees are passed over for one page.
	maxCasesLooked  = 10_000
	maxNoteLength   = 500
	otherReasonCode = "OTHER"
)

// decisionReasons are the codes with which an officer says why.
func decisionReasons() []string {
	return []string{
		"EVIDENCE_SUFFICIENT", "EVIDENCE_MISSING", "NOT_ATTENDED", "POSTED_TOO_LATE",
		"OVERLAP_EXPLAINED", "OVERLAP_UNEXPLAINED", "IMPLAUSIBLE", otherReasonCode,
	}
}

// Case is a completion that an officer decides.
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
}

// Evidence is what a case is about: the completion as posted, and when.
type Evidence struct {
	Completion *statementv1.Completion
	Posted     time.Time
}

// Verdict is what an officer decides on a case.
type Verdict uint8

// The verdicts.
const (
	// VerdictApprove: the completion counts, judged once more on the standing of this moment.
	VerdictApprove Verdict = iota + 1
	// VerdictReject: it counts nothing.
	VerdictReject
	// VerdictHoursOnly: it gives no credits, but its hours count.
	VerdictHoursOnly
)

// ListCases answers a page of cases in a state, the riskiest and then the oldest first.
func (b *Bank) ListCases(
	ctx context.Context, caller access.Caller, status ledgerv1.CaseStatus, page Page,
) (cases []Case, next string, err error) {
	if err := caller.Holds(access.ReadCases); err != nil {
		return nil, "", err
	}
	size, fault := page.size(usualCasePage, maxCasePage)
	if fault != nil {
		return nil, "", fault
	}
	if status == ledgerv1.CaseStatus_CASE_STATUS_UNSPECIFIED {
		status = ledgerv1.CaseStatus_CASE_STATUS_OPEN
	}
	if fault := checkEnum("state", status, ledgerv1.CaseStatus_name); fault != nil {
		return nil, "", fault
	}
	asked := []string{"ListCases", status.String(), caller.String()}
	prefix := book.QueuePrefix(uint8(status))
	// The place is a key. Whoever made the token up must not be led out of the queue by it.
	var after []byte
	if err := parsePageToken(page.Token, asked, &after); err != nil {
		return nil, "", err
	}
	if after != nil && (!bytes.HasPrefix(after, prefix) || len(after) != len(book.QueueKey(0, 0, 0))) {
		return nil, "", wrongPageToken()
	}
	view, err := b.ledger.View()
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	d, err := b.directoryOf(ctx, view)
	if err != nil {
		return nil, "", err
	}
	queue := store.Prefix(prefix)
	if after != nil {
		queue.Start = append(slices.Clone(after), 0)
	}
	looked := 0
	for row, err := range view.Scan(ctx, queue) {
		if err != nil {
			return nil, "", err
		}
		if len(cases) == size || looked == maxCasesLooked {
			next, err = pageToken(asked, after)
			return cases, next, err
		}
		looked++
		after = slices.Clone(row.Key)
		c, err := readCase(ctx, view, d, binary.BigEndian.Uint64(row.Key[len(row.Key)-8:]))
		if err != nil {
			return nil, "", err
		}
		if caller.Check(access.ReadCases, access.Subject{Organization: c.Provider}, d) == nil {
			cases = append(cases, c)
		}
	}
	return cases, "", nil
}

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
	}
	if course := d.byIndex[item.GetCourse()]; course != nil {
		c.Course, c.Title, c.Provider = course.fact.GetCode(), course.fact.GetTitle(), course.fact.GetProvider()
	}
	e, err := entryOf(ctx, view, c.Completion)
	if err != nil {
		return Case{}, err
	}
	c.Minutes = unit.Minutes(e.GetCompletionRecorded().GetMinutes())
	return c, nil
}

// GetCase answers a case with its evidence and the decision that stands. The look is journalled on the account.
func (b *Bank) GetCase(ctx context.Context, caller access.Caller, id uint64) (Case, Evidence, *Decision, error) {
	view, err := b.ledger.View()
	if err != nil {
		return Case{}, Evidence{}, nil, err
	}
	defer view.Close()
	d, err := b.directoryOf(ctx, view)
	if err != nil {
		return Case{}, Evidence{}, nil, err
	}
	c, err := b.permittedCase(ctx, caller, access.ReadCases, view, d, id)
	if err != nil {
		return Case{}, Evidence{}, nil, err
	}
	if err := b.journal(ctx, caller, c.Account, access.ReadCases, ""); err != nil {
		return Case{}, Evidence{}, nil, err
	}
	e, err := entryOf(ctx, view, c.Completion)
	if err != nil {
		return Case{}, Evidence{}, nil, err
	}
	recorded := e.GetCompletionRecorded()
	opened, err := b.openCompletion(ctx, recorded)
	if err != nil {
		return Case{}, Evidence{}, nil, err
	}
	stated := new(statementv1.Statement)
	if err := stated.UnmarshalVT(opened.GetStatement()); err != nil {
		return Case{}, Evidence{}, nil, fmt.Errorf("%w: a recorded statement: %v", ledger.ErrDamaged, err)
	}
	item, err := view.State(ctx).Completion(c.Account, &ledgerv1.CompletionRef{Index: c.Completion, EndDay: recorded.GetEndDay()})
	if err != nil {
		return Case{}, Evidence{}, nil, err
	}
	entry := PortfolioEntry{}
	reader := entryReader{bank: b, view: view, directory: d}
	if err := reader.explain(ctx, item, recorded, &entry); err != nil {
		return Case{}, Evidence{}, nil, err
	}
	return c, Evidence{Completion: stated.GetCompletion(), Posted: optionalTime(opened.GetPostedAt())}, entry.Decision, nil
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

func unknownCase(id uint64) *Error {
	return faultf(NotFound, ReasonNotFound, "case_id", "there is no case %d", id)
}

// CaseDecision asks to decide a case.
type CaseDecision struct {
	RequestID  string
	Case       uint64
	Verdict    Verdict
	ReasonCode string
	Note       string
}

// DecideCase decides a case, and answers how it stands then and the entry that says so.
func (b *Bank) DecideCase(
	ctx context.Context, caller access.Caller, decision CaseDecision,
) (Case, *Decision, uint64, ledger.Receipt, error) {
	fail := func(err error) (Case, *Decision, uint64, ledger.Receipt, error) {
		return Case{}, nil, 0, ledger.Receipt{}, err
	}
	if fault := decision.check(); fault != nil {
		return fail(fault)
	}
	if err := b.mayDecide(ctx, caller, decision.Case); err != nil {
		return fail(err)
	}
	// The hash of what is asked lies in the clear: the officer's words, which could be guessed from it, stay out.
	asked := struct {
		Case    uint64
		Verdict Verdict
	}{decision.Case, decision.Verdict}
	done, err := b.once(ctx, change{
		caller: caller, method: access.DecideCase, requestID: decision.RequestID, asked: asked,
		reads: [][]byte{book.CaseKey(decision.Case)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			return b.decide(ctx, tx, d, caller, decision, request)
		},
	})
	if err != nil {
		return fail(err)
	}
	c, _, standing, err := b.GetCase(ctx, caller, decision.Case)
	if err != nil {
		return fail(err)
	}
	return c, standing, done.Index, done.Receipt, nil
}

func (c CaseDecision) check() *Error {
	if c.Verdict < VerdictApprove || c.Verdict > VerdictHoursOnly {
		return invalid(ReasonUnknownEnum, "decision", "the decision is none of approve, reject and hours only")
	}
	if !slices.Contains(decisionReasons(), c.ReasonCode) {
		return invalid(ReasonDecisionReason, "reason_code", "the reason code is none of %v", decisionReasons())
	}
	least := 0
	if c.ReasonCode == otherReasonCode {
		least = 1
	}
	return checkText("note", c.Note, least, maxNoteLength)
}

// mayDecide refuses callers who may not decide the case before anything is proposed.
func (b *Bank) mayDecide(ctx context.Context, caller access.Caller, id uint64) error {
	view, err := b.ledger.View()
	if err != nil {
		return err
	}
	defer view.Close()
	d, err := b.directoryOf(ctx, view)
	if err != nil {
		return err
	}
	_, err = b.permittedCase(ctx, caller, access.DecideCase, view, d, id)
	return err
}

// decide is the writer's step for a decision.
func (b *Bank) decide(
	ctx context.Context, tx *ledger.Tx, d *directory, caller access.Caller, decision CaseDecision, request *ledgerv1.Request,
) (uint64, error) {
	row, err := tx.Case(decision.Case)
	if err != nil {
		return 0, err
	}
	if row.GetStatus() != ledgerv1.CaseStatus_CASE_STATUS_OPEN {
		return 0, faultf(Changed, ReasonCaseClosed, "case_id", "the case is %s; read it again", caseWord(row.GetStatus()))
	}
	id := unit.AccountID(row.GetAccount())
	account, err := tx.Account(id)
	if err != nil {
		return 0, err
	}
	sealer, err := b.accountSealer(ctx, id)
	if err != nil {
		return 0, err
	}
	if sealer == nil || checkOpen(account) != nil {
		return 0, faultf(Precondition, ReasonAccountNotOpen, "case_id", "the account is frozen, merged, closed or erased")
	}
	if err := b.settle(tx, d, id); err != nil {
		return 0, err
	}
	j := &judgement{bank: b, tx: tx, directory: d, sealer: sealer, id: id, account: account, ref: row.GetCompletion()}
	if err := j.judge(decision.Verdict); err != nil {
		return 0, err
	}
	sealed := &ledgerv1.SealedDecision{ReasonCode: decision.ReasonCode, Note: decision.Note, Reasons: reasonsProto(j.reasons)}
	return j.append(caller.Actor(), request, decision, sealed)
}

func caseWord(status ledgerv1.CaseStatus) string {
	switch status {
	case ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return "approved"
	case ledgerv1.CaseStatus_CASE_STATUS_REJECTED:
		return "rejected"
	case ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN:
		return "withdrawn"
	default:
		return "not open"
	}
}

// judgement works out what an officer's decision changes.
type judgement struct {
	bank      *Bank
	tx        scribe
	directory *directory
	sealer    *vault.Sealer
	id        unit.AccountID
	account   *ledgerv1.AccountRow
	ref       *ledgerv1.CompletionRef

	item    *ledgerv1.CompletionItem
	outcome ledgerv1.Outcome
	effects *ledgerv1.Effects
	reasons []policy.Reason
	shaken  []doubt
	// recorded is the entry of the completion.
	recorded *ledgerv1.CompletionRecorded
}

// judge works out outcome and effects of a verdict. What the completion contributed so far stays when it is approved as
// it is, and is taken back otherwise.
func (j *judgement) judge(verdict Verdict) error {
	var err error
	if j.item, err = completionItem(j.tx, j.id, j.ref); err != nil {
		return err
	}
	e, err := j.tx.Entry(j.ref.GetIndex())
	if err != nil {
		return err
	}
	j.recorded = e.GetCompletionRecorded()
	counted := j.item.GetOutcome() == ledgerv1.Outcome_OUTCOME_AWARDED || j.item.GetOutcome() == ledgerv1.Outcome_OUTCOME_NO_CREDIT
	switch {
	case verdict == VerdictApprove && counted:
		j.outcome, j.effects = j.item.GetOutcome(), &ledgerv1.Effects{}
		return nil
	case verdict == VerdictReject:
		return j.takeBack(ledgerv1.Outcome_OUTCOME_REFUSED)
	case counted:
		return j.keepHours()
	default:
		return j.judgeAgain(verdict)
	}
}

func (j *judgement) takeBack(outcome ledgerv1.Outcome) error {
	var err error
	if j.effects, _, err = reversal(j.tx, j.id, j.account, j.item); err != nil {
		return err
	}
	j.outcome = outcome
	j.shaken, err = shakenBy(j.tx, j.id, j.item, j.effects)
	return err
}

// keepHours takes the credits of a completion back and leaves its hours.
func (j *judgement) keepHours() error {
	if err := j.takeBack(ledgerv1.Outcome_OUTCOME_NO_CREDIT); err != nil {
		return err
	}
	j.effects.Hours, j.effects.Days, j.effects.SessionsRemoved = nil, nil, nil
	return nil
}

// judgeAgain asks the policy that judged first, on the standing of this moment.
func (j *judgement) judgeAgain(verdict Verdict) error {
	recorded := j.recorded
	opened := new(ledgerv1.SealedCompletion)
	err := unseal(j.sealer, "CompletionRecorded", recorded.GetOrigin().GetStatementId(), recorded.GetSealed(), opened)
	if err != nil {
		return err
	}
	posted := timeOf(opened.GetPostedAt())
	s := readStatement(opened.GetStatement(), [32]byte{}, posted)
	c, p := j.directory.byIndex[recorded.GetCourse()], j.directory.policyOf(recorded.GetPolicyHash())
	if s.fault != nil || s.completion == nil || c == nil || p == nil {
		return fmt.Errorf("%w: completion %d cannot be judged again", ledger.ErrDamaged, j.ref.GetIndex())
	}
	platform := j.directory.organizations[recorded.GetOrigin().GetOrganization()].GetFact()
	judged := p.Prepare(s.fact(c, unit.OrganizationID(platform.GetOrganization()), int(platform.GetTrustTier()), posted))
	standing := &standing{
		tx: j.tx, directory: j.directory, sealer: j.sealer, id: j.id, account: j.account, course: c,
		group: c.fact.GetEquivalenceGroup(), without: j.ref.GetIndex(),
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
	return standing.effects(assessment, judged, j.ref.GetIndex(), j.effects)
}

// append writes the decision down.
func (j *judgement) append(
	actor *ledgerv1.Actor, request *ledgerv1.Request, decision CaseDecision, sealed *ledgerv1.SealedDecision,
) (uint64, error) {
	e := &ledgerv1.Entry{}
	var err error
	statement := unit.StatementID(j.recorded.GetOrigin().GetStatementId())
	if decision.Verdict == VerdictApprove {
		fact := &ledgerv1.CreditsAwarded{
			Actor: actor, Request: request, Case: decision.Case, Completion: j.ref, Account: j.id[:],
			Outcome: j.outcome, Effects: j.effects,
		}
		fact.Sealed, err = seal(j.sealer, "CreditsAwarded", statement, sealed)
		e.Fact = &ledgerv1.Entry_CreditsAwarded{CreditsAwarded: fact}
	} else {
		fact := &ledgerv1.CaseStepTaken{
			Actor: actor, Request: request, Case: decision.Case, Completion: j.ref, Account: j.id[:],
			Step: ledgerv1.CaseStep_CASE_STEP_REJECTED, Outcome: j.outcome, Effects: j.effects,
		}
		if decision.Verdict == VerdictHoursOnly {
			fact.Step = ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY
		}
		fact.Sealed, err = seal(j.sealer, "CaseStepTaken", statement, sealed)
		e.Fact = &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: fact}
	}
	if err != nil {
		return 0, err
	}
	index, err := j.tx.Append(e)
	if err != nil {
		return 0, err
	}
	if err := openCases(j.tx, j.id, j.shaken); err != nil {
		return 0, err
	}
	return index, j.bank.settle(j.tx, j.directory, j.id)
}
