package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const stepHashPurpose = "step"

// Step asks to take a step of a case.
type Step struct {
	RequestID string
	Case      uint64
	Act       review.Act
	// Seen is the entry that took the newest step which the caller has seen, as in Case.Changed; 0: the caller does not say.
	Seen uint64
	// ReasonCode is an officer's; Note is words of the officer for the learner, or of whoever answers, objects or appeals.
	ReasonCode, Note string
	// Grant is what an officer who approves grants of a claim; nil: what was recommended, or claimed.
	Grant *Grant
	// Evidence are files that an answer brings, in a case about a claim.
	Evidence []ClaimFile
	// batch says that it is decided among many.
	batch bool
	// brought are the files of Evidence.
	brought []*ledgerv1.Evidence
}

// StepTaken is what a step led to.
type StepTaken struct {
	// Case is how the case stands then. For those who do not review it, nothing but its id and state is said.
	Case Case
	// Decision is what became of the completion; nil for those who do not review it.
	Decision *Decision
	// Index is the entry that says so.
	Index   uint64
	Receipt ledger.Receipt
}

// CaseDecision asks to decide a case.
type CaseDecision struct {
	RequestID  string
	Case       uint64
	Verdict    Verdict
	ReasonCode string
	Note       string
	// Seen and Grant are as in Step.
	Seen  uint64
	Grant *Grant
}

// step is the decision as a step; ok is false where the verdict is none.
func (c CaseDecision) step() (s Step, ok bool) {
	acts := map[Verdict]review.Act{
		VerdictApprove: review.Approve, VerdictReject: review.Reject, VerdictHoursOnly: review.HoursOnly,
	}
	act, ok := acts[c.Verdict]
	return Step{
		RequestID: c.RequestID, Case: c.Case, Act: act, Seen: c.Seen, ReasonCode: c.ReasonCode, Note: c.Note, Grant: c.Grant,
	}, ok
}

// DecideCase says what an officer thinks of a case, and answers how it stands then and the entry that says so. Whether that
// is the last word is the workflow's to say.
func (b *Bank) DecideCase(
	ctx context.Context, caller access.Caller, decision CaseDecision,
) (Case, *Decision, uint64, ledger.Receipt, error) {
	step, ok := decision.step()
	if !ok {
		return Case{}, nil, 0, ledger.Receipt{}, noVerdict()
	}
	taken, err := b.TakeStep(ctx, caller, step)
	return taken.Case, taken.Decision, taken.Index, taken.Receipt, err
}

func noVerdict() *Error {
	return invalid(ReasonUnknownEnum, "decision", "the decision is none of approve, reject and hours only")
}

// TakeStep takes a step of a case: an officer's, or that of a learner, a platform, or whoever objects.
func (b *Bank) TakeStep(ctx context.Context, caller access.Caller, s Step) (StepTaken, error) {
	action, fault := s.check()
	if fault != nil {
		return StepTaken{}, fault
	}
	if err := caller.Holds(action); err != nil {
		return StepTaken{}, err
	}
	c, err := b.stepChange(ctx, caller, action, &s)
	if err != nil {
		return StepTaken{}, err
	}
	again, err := b.answered(ctx, c)
	if err != nil {
		return StepTaken{}, err
	}
	if again {
		done, err := b.once(ctx, c)
		if err != nil {
			return StepTaken{}, err
		}
		return b.stepTaken(ctx, caller, s, done)
	}
	id, err := b.mayStep(ctx, caller, action, s)
	if err != nil {
		return StepTaken{}, err
	}
	if len(s.Evidence) > 0 {
		if s.brought, err = b.named(ctx, id, s.Evidence, 1); err != nil {
			return StepTaken{}, err
		}
	}
	done, err := b.once(ctx, c)
	if err != nil {
		return StepTaken{}, err
	}
	if len(s.Evidence) > 0 {
		if err := b.keepEvidence(ctx, s.Case, id, idsOf(s.Evidence)); err != nil {
			return StepTaken{}, err
		}
	}
	return b.stepTaken(ctx, caller, s, done)
}

// stepChange is the step as a change.
func (b *Bank) stepChange(ctx context.Context, caller access.Caller, action access.Action, s *Step) (change, error) {
	said, err := b.stepHash(*s)
	asked := struct {
		Case uint64
		Act  review.Act
		Said string
	}{s.Case, s.Act, said}
	return change{
		caller: caller, method: action, requestID: s.RequestID, asked: asked,
		reads: [][]byte{book.CaseKey(s.Case)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			return b.takeStep(ctx, tx, d, caller, *s, request)
		},
	}, err
}

// stepHash stands for what is said with a step in the hash of its request, which lies in the clear for ever: nobody without the
// key can test what they guess of it.
func (b *Bank) stepHash(s Step) (string, error) {
	parts := []string{s.ReasonCode}
	if s.Grant != nil {
		parts = append(parts, fmt.Sprintf("%d %d", int64(s.Grant.Minutes), int64(s.Grant.Credits)))
	}
	for _, file := range s.Evidence {
		parts = append(parts, hex.EncodeToString(file.ID[:])+" "+file.Name)
	}
	// None of them has a line feed, and the note is the last.
	hash, err := b.vault.KeyedHash(stepHashPurpose, []byte(strings.Join(append(parts, s.Note), "\n")))
	return hex.EncodeToString(hash[:]), err
}

// stepTaken answers what a step led to.
func (b *Bank) stepTaken(ctx context.Context, caller access.Caller, s Step, done changed) (StepTaken, error) {
	taken := StepTaken{Index: done.Index, Receipt: done.Receipt}
	if caller.Kind == access.Officer && s.Act != review.Answer { // who filed a claim may not be one who reviews cases
		var err error
		taken.Case, _, taken.Decision, err = b.GetCase(ctx, caller, s.Case)
		return taken, err
	}
	view, err := b.ledger.View()
	if err != nil {
		return StepTaken{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Case(s.Case)
	taken.Case = Case{
		ID: s.Case, Status: row.GetStatus(), Changed: row.GetChangedIndex(), Since: timeOf(row.GetStatusTime()),
		Deadline: optionalTime(row.GetDeadline()),
	}
	return taken, err
}

// actions is the table of acts and what access calls them.
func stepAction(act review.Act) (action access.Action, ok bool) {
	switch act {
	case review.Take:
		return access.TakeCase, true
	case review.Release:
		return access.ReleaseCase, true
	case review.Return:
		return access.ReturnCase, true
	case review.Approve, review.HoursOnly, review.Reject:
		return access.DecideCase, true
	case review.Revoke:
		return access.RevokeCase, true
	case review.Answer:
		return access.AnswerCase, true
	case review.Object:
		return access.FileObjection, true
	case review.Appeal:
		return access.FileAppeal, true
	case review.Withdraw:
		return access.WithdrawCase, true
	default:
		return "", false
	}
}

// check refuses what is wrong with the words of a step whatever the case is.
func (s Step) check() (access.Action, *Error) {
	action, ok := stepAction(s.Act)
	if !ok {
		return "", noVerdict()
	}
	most, needed := maxNoteLength, false
	switch s.Act {
	case review.Approve, review.HoursOnly, review.Reject, review.Revoke, review.Return:
		if !slices.Contains(DecisionReasonCodes(), s.ReasonCode) {
			return action, invalid(ReasonDecisionReason, "reason_code", "the reason code is none of %v", DecisionReasonCodes())
		}
		needed = s.ReasonCode == otherReasonCode || s.Act == review.Return
	case review.Answer, review.Object, review.Appeal:
		most, needed = maxPleaLength, true
	default:
		most = 0
	}
	if s.Grant != nil && s.Act != review.Approve && s.Act != review.HoursOnly {
		return action, invalid(ReasonGrant, "grant", "only who approves grants something")
	}
	if len(s.Evidence) > 0 && s.Act != review.Answer {
		return action, invalid(ReasonEvidenceCount, "evidence", "only an answer brings files")
	}
	if needed && s.Note == "" {
		return action, invalid(ReasonNoteMissing, "note", "say why: with the reason OTHER, a return, an answer, an objection or an appeal words are needed")
	}
	return action, checkText("note", s.Note, 0, most)
}

// mayStep refuses callers who may not take the step before anything is proposed. To those who may not know of the case it
// is not there. It answers the account that the case is about.
func (b *Bank) mayStep(ctx context.Context, caller access.Caller, action access.Action, s Step) (id unit.AccountID, err error) {
	if err := caller.Holds(action); err != nil {
		return id, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return id, err
	}
	defer view.Close()
	row, err := view.State(ctx).Case(s.Case)
	if err != nil {
		return id, err
	}
	if row == nil {
		return id, hiddenCase(action, s.Case)
	}
	platform := ""
	if caller.Kind == access.Organization && s.Act == review.Answer {
		e, err := entryOf(ctx, view, row.GetCompletion().GetIndex())
		if err != nil {
			return id, err
		}
		platform = e.GetCompletionRecorded().GetOrigin().GetOrganization()
	}
	if err := permitStep(caller, action, s.Case, row, platform, d); err != nil {
		return id, err
	}
	if len(s.Evidence) > 0 && row.GetOrganization() == 0 {
		return id, invalid(ReasonEvidenceCount, "evidence", "only a claim is shown by files; say in words what speaks for a completion")
	}
	return unit.AccountID(row.GetAccount()), nil
}

// hiddenCase is what is answered on a case that is not there, and on one of which the caller may not know.
func hiddenCase(action access.Action, id uint64) *Error {
	if action == access.FileObjection {
		return faultf(NotFound, ReasonNotFound, "case_id", "there is no case %d under public notice", id)
	}
	return unknownCase(id)
}

// permitStep says whether the caller may take such a step of the case at all.
func permitStep(
	caller access.Caller, action access.Action, id uint64, row *ledgerv1.CaseRow, platform string, d *directory,
) error {
	subject := access.Subject{Account: unit.AccountID(row.GetAccount())}
	switch caller.Kind {
	case access.Officer:
		subject.Organization = d.jurisdiction(row)
	case access.Organization:
		subject.Organization = platform
	default:
	}
	if action == access.FileObjection {
		if err := caller.Check(action, access.Subject{}, d); err != nil {
			return err
		}
		if s := row.GetStatus(); s != ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE && s != ledgerv1.CaseStatus_CASE_STATUS_OBJECTED {
			return hiddenCase(action, id)
		}
		return nil
	}
	if caller.Check(action, subject, d) != nil {
		return hiddenCase(action, id)
	}
	return nil
}

// workOut works out in the writer what a step of a case leads to and changes.
func (b *Bank) workOut(
	ctx context.Context, tx *ledger.Tx, d *directory, caller access.Caller, s Step,
) (j *judgement, following review.Following, err error) {
	row, err := tx.Case(s.Case)
	if err != nil {
		return nil, following, err
	}
	if row == nil {
		return nil, following, unknownCase(s.Case)
	}
	id := unit.AccountID(row.GetAccount())
	account, err := tx.Account(id)
	if err != nil {
		return nil, following, err
	}
	sealer, err := b.accountSealer(ctx, id)
	if err != nil {
		return nil, following, err
	}
	if account.GetMoving() || isMerged(account) {
		return nil, following, arriving("case_id")
	}
	if sealer == nil || checkOpen(account) != nil {
		return nil, following, faultf(Precondition, ReasonAccountNotOpen, "case_id", "the account is frozen, merged, closed or erased")
	}
	// What is overdue comes first: a state that has ended is not the state of the case any more.
	if err := b.settle(ctx, tx, d, id); err != nil {
		return nil, following, err
	}
	if row, err = tx.Case(s.Case); err != nil {
		return nil, following, err
	}
	if j, err = b.judging(tx, d, sealer, row); err != nil {
		return nil, following, err
	}
	if following, err = j.decide(ctx, row, caller, s); err != nil {
		return nil, following, err
	}
	if following.Awards() && j.item.GetHeldPlusOne() != 0 {
		return nil, following, stepFault(faultf(Precondition, ReasonCompletionHeld, "case_id",
			"clawback %d holds the completion; release it first", j.item.GetHeldPlusOne()-1), row)
	}
	if err := j.grantOf(ctx, row, s.Grant); err != nil {
		return nil, following, err
	}
	return j, following, j.work(ctx, s.Act, following)
}

// takeStep is the writer's step for a step of a case.
func (b *Bank) takeStep(
	ctx context.Context, tx *ledger.Tx, d *directory, caller access.Caller, s Step, request *ledgerv1.Request,
) (uint64, error) {
	j, following, err := b.workOut(ctx, tx, d, caller, s)
	if err != nil {
		return 0, err
	}
	sealed := &ledgerv1.SealedDecision{ReasonCode: s.ReasonCode, Note: s.Note, Reasons: reasonsProto(j.reasons)}
	if s.Act == review.Approve || s.Act == review.HoursOnly {
		sealed.Grant = j.grant.proto()
	}
	sealed.Evidence = s.brought
	if s.Act == review.Object && caller.Kind == access.Resident {
		sealed.Objector = caller.Account[:]
	}
	index, err := j.append(s.Case, caller.Actor(), request, following, sealed)
	if err != nil {
		return 0, err
	}
	return index, b.settle(ctx, tx, d, j.id)
}

// decide asks the workflow what the step leads to.
func (j *judgement) decide(ctx context.Context, row *ledgerv1.CaseRow, caller access.Caller, s Step) (review.Following, error) {
	if s.Seen != 0 && s.Seen != row.GetChangedIndex() {
		return review.Following{}, stepFault(faultf(Changed, ReasonCaseChanged, "etag",
			"entry %d has changed the case since; read it again", row.GetChangedIndex()), row)
	}
	later := j.item.GetLastCasePlusOne() != s.Case+1
	gone := j.item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED
	if (s.Act == review.Appeal || s.Act == review.Revoke) && (later || gone) {
		return review.Following{}, stepFault(faultf(Changed, ReasonCaseClosed, "case_id",
			"the platform took the completion back, or a later case decided on it"), row)
	}
	rule, c, err := j.subject(row)
	if err != nil {
		return review.Following{}, err
	}
	if s.batch {
		if err := rule.Batchable(c); err != nil {
			return review.Following{}, stepFault(AsError(err), row)
		}
	}
	if s.Act == review.Object {
		if c.OwnObjections, err = j.objectionsOf(ctx, row, caller); err != nil {
			return review.Following{}, err
		}
	}
	by := reviewCaller(caller, s.Act, c, j.directory.jurisdiction(row), j.recorded.GetOrigin().GetOrganization(), j.directory)
	following, err := review.Decide(rule, c, by, s.Act, j.tx.Now())
	if err != nil {
		return review.Following{}, stepFault(AsError(err), row)
	}
	return following, nil
}

// subject is the case as the workflow knows it, and the rule that it is under.
func (j *judgement) subject(row *ledgerv1.CaseRow) (review.Rule, review.Case, error) {
	p, organization := j.directory.policyOf(j.policyHash()), j.directory.jurisdiction(row)
	if p == nil || organization == "" {
		return review.Rule{}, review.Case{}, fmt.Errorf("%w: the case of item %d has no policy, course or organization", ledger.ErrDamaged, j.ref.GetIndex())
	}
	provider := organization
	if j.claim != nil {
		provider = "" // nobody's class: the school at home has no interest of its own in it
	}
	return j.directory.workflow(j.policyHash(), int(row.GetRisk()), row.GetCauses()), review.Case{
		State: row.GetStatus(), Subject: j.id, Provider: provider, FiledBy: row.GetFiledBy(), Scope: p.Organization(), Counted: j.counted(),
		Holder: row.GetHolder(), LeaseUntil: optionalTime(row.GetLeaseUntil()),
		Deadline: optionalTime(row.GetDeadline()), Due: optionalTime(row.GetDue()), NoticeUntil: optionalTime(row.GetNoticeUntil()),
		Reviewers: reviewersOf(row), Returns: int(row.GetReturns()), Objections: int(row.GetObjections()), Appeals: int(row.GetAppeals()),
	}, nil
}

// workflow is the rule that a case is under: that of the policy which judged its completion.
func (d *directory) workflow(policyHash []byte, risk int, causes []string) review.Rule {
	p := d.policyOf(policyHash)
	if p == nil {
		return review.RuleFor(nil, time.UTC, risk, causes)
	}
	return review.RuleFor(p.Workflow(), p.Zone(), risk, causes)
}

// reviewCaller is the caller as the workflow knows them.
func reviewCaller(
	caller access.Caller, act review.Act, c review.Case, organization, platform string, d *directory,
) review.Caller {
	switch caller.Kind {
	case access.Officer:
		if act == review.Answer && caller.Officer == c.FiledBy {
			return review.Caller{Role: review.Source} // for a learner who cannot do so themselves
		}
		// The sign-in of an officer does not say which account is theirs, if any: that one decides on one's own learning is
		// noticed only where it does.
		return review.Caller{
			Role: review.Officer, Officer: caller.Officer, Organization: caller.Organization,
			Within: d.Within(organization, caller.Organization), Account: caller.Account,
		}
	case access.Resident:
		return review.Caller{Role: review.Learner, Account: caller.Account}
	case access.Organization:
		if caller.Organization == platform {
			return review.Caller{Role: review.Source}
		}
		return review.Caller{Role: review.Anyone}
	default:
		return review.Caller{}
	}
}

// work works out what the step changes for the account.
func (j *judgement) work(ctx context.Context, act review.Act, following review.Following) error {
	switch {
	case following.Awards():
		return j.judge(ctx, VerdictApprove)
	case following.Step == ledgerv1.CaseStep_CASE_STEP_REJECTED:
		return j.judge(ctx, VerdictReject)
	case following.Step == ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY:
		return j.judge(ctx, VerdictHoursOnly)
	case act == review.Revoke:
		return j.takeBack(ctx, ledgerv1.Outcome_OUTCOME_REFUSED)
	case act == review.Withdraw:
		return j.takeBack(ctx, ledgerv1.Outcome_OUTCOME_WITHDRAWN)
	case act == review.Appeal:
		return j.reopen(ctx)
	default:
		return nil
	}
}

// append writes the step down.
func (j *judgement) append(
	id uint64, actor *ledgerv1.Actor, request *ledgerv1.Request, following review.Following, sealed *ledgerv1.SealedDecision,
) (uint64, error) {
	e := &ledgerv1.Entry{}
	var err error
	statement := j.statement
	if following.Awards() {
		fact := &ledgerv1.CreditsAwarded{
			Actor: actor, Request: request, Case: id, Completion: j.ref, Account: j.id[:], Outcome: j.outcome, Effects: j.effects,
		}
		fact.Sealed, err = seal(j.sealer, "CreditsAwarded", statement, sealed)
		e.Fact = &ledgerv1.Entry_CreditsAwarded{CreditsAwarded: fact}
	} else {
		fact := &ledgerv1.CaseStepTaken{
			Actor: actor, Request: request, Case: id, Completion: j.ref, Account: j.id[:],
			Step: following.Step, State: following.State, Outcome: j.outcome, Effects: j.effects, Unrecovered: j.unrecovered,
			Deadline: micros(following.Deadline), Due: micros(following.Due), LeaseUntil: micros(following.LeaseUntil),
		}
		if sealed.SizeVT() > 0 {
			fact.Sealed, err = seal(j.sealer, "CaseStepTaken", statement, sealed)
		}
		e.Fact = &ledgerv1.Entry_CaseStepTaken{CaseStepTaken: fact}
	}
	if err != nil {
		return 0, err
	}
	index, err := j.tx.Append(e)
	if err != nil {
		return 0, err
	}
	return index, openCases(j.tx, j.directory, j.id, j.shaken)
}

// micros is a time as the ledger keeps it; 0 where there is none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// stepFault says how the case stands, for programs too, and what to do, where the workflow's own words do not.
func stepFault(e *Error, row *ledgerv1.CaseRow) *Error {
	e.Metadata = map[string]string{"state": row.GetStatus().String()[len("CASE_STATUS_"):], "etag": etag(row.GetChangedIndex())}
	e.Field = "case_id"
	word := caseWord(row.GetStatus())
	switch e.Reason {
	case ReasonCaseClosed:
		if errors.Is(e.Cause, review.ErrClosed) {
			e.Message = fmt.Sprintf("the case is %s; read it again", word)
		}
	case ReasonCaseChanged:
		e.Field = "etag"
	case ReasonStepOutOfTurn:
		e.Message = fmt.Sprintf("the case is %s, from where this step does not lead on; read it again", word)
	case ReasonCaseHeld:
		e.Message = "another officer has the case"
		if row.GetHolder() != "" {
			e.Message += fmt.Sprintf(", until %s; take another one", timeOf(row.GetLeaseUntil()).Format(time.RFC3339))
		} else {
			e.Message = "nobody has the case, so that nobody can give it back"
		}
	case ReasonFourEyes:
		e.Message = "you have judged this case at another stage; another officer is needed"
	case ReasonOwnInstitution:
		e.Message = "the class is one of your own institution; the last word is another one's"
	case ReasonOwnCase:
		e.Message = "the case is about your own learning"
	case ReasonDeadlinePassed:
		e.Message = "the time for this has passed"
	case ReasonStepLimit:
		e.Message = "the case has been returned, or objected to, as often as it can be"
		if errors.Is(e.Cause, review.ErrObjected) {
			e.Message = fmt.Sprintf("you have objected to this case %d times, as often as one may; an officer has heard it", review.MaxOwnObjections)
		}
	case ReasonBatchNotAllowed:
		e.Message = "the policy has such cases decided one by one"
	default:
	}
	return e
}

// etag names the state of a case: the entry that took its newest step.
func etag(changed uint64) string { return strconv.FormatUint(changed, 10) }

func caseWord(status ledgerv1.CaseStatus) string {
	switch status {
	case ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED:
		return "waiting for an officer"
	case ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return "approved"
	case ledgerv1.CaseStatus_CASE_STATUS_REJECTED:
		return "rejected"
	case ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN:
		return "withdrawn"
	case ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW:
		return "in its first review"
	case ledgerv1.CaseStatus_CASE_STATUS_RETURNED:
		return "waiting for more evidence"
	case ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW:
		return "in its second review"
	case ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE:
		return "under public notice"
	case ledgerv1.CaseStatus_CASE_STATUS_OBJECTED:
		return "objected to"
	case ledgerv1.CaseStatus_CASE_STATUS_APPEALED:
		return "appealed for"
	case ledgerv1.CaseStatus_CASE_STATUS_REVOKED:
		return "revoked"
	default:
		return "not open"
	}
}
