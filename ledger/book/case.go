package book

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// step is what the facts that take a case further have in common.
type step struct {
	actor      *ledgerv1.Actor
	request    *ledgerv1.Request
	caseID     uint64
	completion *ledgerv1.CompletionRef
	account    []byte
	kind       ledgerv1.CaseStep // unspecified: the credits are awarded
	outcome    ledgerv1.Outcome
	effects    *ledgerv1.Effects
	state      ledgerv1.CaseStatus
	deadline   int64
	due        int64
	lease      int64
}

func (s *State) creditsAwarded(e *ledgerv1.Entry, fact *ledgerv1.CreditsAwarded) error {
	return s.stepTaken(e, step{
		actor: fact.GetActor(), request: fact.GetRequest(), caseID: fact.GetCase(), completion: fact.GetCompletion(),
		account: fact.GetAccount(), outcome: fact.GetOutcome(), effects: fact.GetEffects(),
		state: ledgerv1.CaseStatus_CASE_STATUS_APPROVED,
	})
}

func (s *State) caseStepTaken(e *ledgerv1.Entry, fact *ledgerv1.CaseStepTaken) error {
	_, knownStep := ledgerv1.CaseStep_name[int32(fact.GetStep())]
	_, knownState := ledgerv1.CaseStatus_name[int32(fact.GetState())]
	switch {
	case !knownStep || fact.GetStep() == ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED:
		return fmt.Errorf("%w: step %d is not known", ErrInconsistent, fact.GetStep())
	case !knownState || fact.GetState() == ledgerv1.CaseStatus_CASE_STATUS_UNSPECIFIED:
		return fmt.Errorf("%w: a step to state %d, which is not known", ErrInconsistent, fact.GetState())
	case fact.GetState() == ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return fmt.Errorf("%w: a case is approved by CreditsAwarded alone", ErrInconsistent)
	case fact.GetOutcome() == ledgerv1.Outcome_OUTCOME_UNSPECIFIED && fact.GetEffects().SizeVT() > 0:
		return fmt.Errorf("%w: a step without outcome has effects", ErrInconsistent)
	}
	return s.stepTaken(e, step{
		actor: fact.GetActor(), request: fact.GetRequest(), caseID: fact.GetCase(), completion: fact.GetCompletion(),
		account: fact.GetAccount(), kind: fact.GetStep(), outcome: fact.GetOutcome(), effects: fact.GetEffects(),
		state: fact.GetState(), deadline: fact.GetDeadline(), due: fact.GetDue(), lease: fact.GetLeaseUntil(),
	})
}

func (s *State) stepTaken(e *ledgerv1.Entry, t step) error {
	id, account, err := s.account(t.account)
	if err != nil {
		return err
	}
	item, err := s.completion(id, t.completion)
	if err != nil {
		return err
	}
	row, err := must[ledgerv1.CaseRow](s, CaseKey(t.caseID), "such case")
	if err != nil {
		return err
	}
	if err := t.fits(row, item); err != nil {
		return err
	}
	err = s.moveCase(account, row, t.caseID, func() { t.apply(e, row) })
	if err != nil {
		return err
	}
	item.CasePlusOne = t.caseID + 1
	if ended(t.state) {
		item.CasePlusOne = 0
	}
	if ended(t.state) && t.state != ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN {
		item.DecidedPlusOne = e.GetIndex() + 1
	}
	switch {
	case t.outcome != ledgerv1.Outcome_OUTCOME_UNSPECIFIED || t.kind == ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED:
		err = s.changeCompletion(e, id, account, item, t.outcome, t.effects)
	case !isLease(t.kind):
		item.ChangedIndex = e.GetIndex()
		err = s.markItem(item, e.GetIndex())
	}
	if err != nil {
		return err
	}
	return s.requested(e, t.actor, t.request)
}

// fits says whether the case is the completion's, and the step one that leads on.
func (t step) fits(row *ledgerv1.CaseRow, item *ledgerv1.CompletionItem) error {
	switch {
	case row.GetCompletion().GetIndex() != item.GetIndex() || !bytes.Equal(row.GetAccount(), t.account):
		return fmt.Errorf("%w: case %d is not about completion %d", ErrInconsistent, t.caseID, item.GetIndex())
	case item.GetCasePlusOne() != 0 && item.GetCasePlusOne()-1 != t.caseID:
		return fmt.Errorf("%w: another case than %d is open on completion %d", ErrInconsistent, t.caseID, item.GetIndex())
	case !ended(row.GetStatus()):
		return nil
	case t.kind == ledgerv1.CaseStep_CASE_STEP_APPEALED && row.GetStatus() == ledgerv1.CaseStatus_CASE_STATUS_REJECTED,
		t.kind == ledgerv1.CaseStep_CASE_STEP_APPEALED && row.GetStatus() == ledgerv1.CaseStatus_CASE_STATUS_REVOKED,
		t.kind == ledgerv1.CaseStep_CASE_STEP_REVOKED && row.GetStatus() == ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return nil
	default:
		return fmt.Errorf("%w: case %d has ended", ErrInconsistent, t.caseID)
	}
}

// apply changes the row of the case.
func (t step) apply(e *ledgerv1.Entry, row *ledgerv1.CaseRow) {
	if officer := t.actor.GetOfficer(); officer != "" && t.judges() {
		stage := row.GetStatus()
		if stage == ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED {
			stage = ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW
		}
		row.Reviewers = append(row.Reviewers, &ledgerv1.CaseReviewer{Stage: stage, Officer: officer})
	}
	if row.GetStatus() != t.state {
		row.Status, row.StatusTime = t.state, e.GetTime()
	}
	row.Deadline, row.Due, row.Holder, row.LeaseUntil = t.deadline, t.due, "", 0
	row.ChangedIndex = e.GetIndex()
	switch t.kind {
	case ledgerv1.CaseStep_CASE_STEP_TAKEN:
		row.Holder, row.LeaseUntil = t.actor.GetOfficer(), t.lease
	case ledgerv1.CaseStep_CASE_STEP_RETURNED:
		row.Returns++
	case ledgerv1.CaseStep_CASE_STEP_OBJECTED:
		row.Objections++
	case ledgerv1.CaseStep_CASE_STEP_APPEALED:
		row.Appeals++
	default:
	}
	if t.state == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE {
		row.NoticeUntil = t.deadline
	}
	if !isLease(t.kind) {
		row.Steps = append(row.Steps, e.GetIndex())
	}
	row.DecidedPlusOne, row.DecidedTime, row.Officer = 0, 0, ""
	if ended(t.state) {
		row.DecidedPlusOne, row.DecidedTime, row.Officer = e.GetIndex()+1, e.GetTime(), t.actor.GetOfficer()
	}
}

// judges says whether the step is an officer's word on the case.
func (t step) judges() bool {
	switch t.kind {
	case ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED, ledgerv1.CaseStep_CASE_STEP_REJECTED, ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY,
		ledgerv1.CaseStep_CASE_STEP_RECOMMENDED, ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_REJECTION,
		ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_HOURS_ONLY, ledgerv1.CaseStep_CASE_STEP_PUBLISHED,
		ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED, ledgerv1.CaseStep_CASE_STEP_REVOKED:
		return true
	default:
		return false
	}
}

// isLease says whether a step says only who works on the case.
func isLease(kind ledgerv1.CaseStep) bool {
	return kind == ledgerv1.CaseStep_CASE_STEP_TAKEN || kind == ledgerv1.CaseStep_CASE_STEP_RELEASED
}

func ended(status ledgerv1.CaseStatus) bool {
	switch status {
	case ledgerv1.CaseStatus_CASE_STATUS_APPROVED, ledgerv1.CaseStatus_CASE_STATUS_REJECTED,
		ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN, ledgerv1.CaseStatus_CASE_STATUS_REVOKED:
		return true
	default:
		return false
	}
}

// endsByItself says whether the deadline of a case in this status is one after which the bank takes a step.
func endsByItself(status ledgerv1.CaseStatus) bool {
	return status == ledgerv1.CaseStatus_CASE_STATUS_RETURNED || status == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
}

func (s *State) caseOpened(e *ledgerv1.Entry, fact *ledgerv1.CaseOpened) error {
	id, _, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	item, err := s.completion(id, fact.GetCompletion())
	if err != nil {
		return err
	}
	if item.GetCasePlusOne() != 0 {
		return fmt.Errorf("%w: completion %d has an open case", ErrInconsistent, item.GetIndex())
	}
	if item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED {
		return fmt.Errorf("%w: item %d is no completion", ErrInconsistent, item.GetIndex())
	}
	err = s.openCase(e, item, fact.GetAccount(), fact.GetCompletion(), opened{causes: fact.GetCauses(), risk: fact.GetRisk(), due: fact.GetDue()})
	if err != nil {
		return err
	}
	item.ChangedIndex = e.GetIndex()
	return s.markItem(item, e.GetIndex())
}

// opened is what a case begins with.
type opened struct {
	causes []string
	risk   uint32
	due    int64
	// organization decides on a claim, filedBy filed it.
	organization uint64
	filedBy      string
}

func (s *State) openCase(
	e *ledgerv1.Entry, item *ledgerv1.CompletionItem, account []byte, completion *ledgerv1.CompletionRef, o opened,
) error {
	row, err := create[ledgerv1.CaseRow](s, CaseKey(e.GetIndex()), "the case")
	if err != nil {
		return err
	}
	row.Status, row.Time, row.StatusTime = ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED, e.GetTime(), e.GetTime()
	row.Account, row.Completion, row.Causes, row.Risk = account, completion, o.causes, o.risk
	row.Course, row.Due, row.ChangedIndex = item.GetCourse(), o.due, e.GetIndex()
	row.Organization, row.FiledBy = o.organization, o.filedBy
	item.CasePlusOne, item.LastCasePlusOne = e.GetIndex()+1, e.GetIndex()+1
	return s.list(row, e.GetIndex(), true)
}

// withdrawCase ends the open case of a completion that its platform takes back.
func (s *State) withdrawCase(e *ledgerv1.Entry, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem) error {
	index := item.GetCasePlusOne() - 1
	row, err := must[ledgerv1.CaseRow](s, CaseKey(index), "such case")
	if err != nil {
		return err
	}
	item.CasePlusOne = 0
	withdrawn := step{kind: ledgerv1.CaseStep_CASE_STEP_WITHDRAWN, state: ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN}
	return s.moveCase(account, row, index, func() { withdrawn.apply(e, row) })
}

// moveCase changes a case, and the rows by which it is found.
func (s *State) moveCase(account *ledgerv1.AccountRow, row *ledgerv1.CaseRow, index uint64, change func()) error {
	if err := s.list(row, index, false); err != nil {
		return err
	}
	change()
	if err := s.list(row, index, true); err != nil {
		return err
	}
	account.Deadlines = slices.DeleteFunc(account.Deadlines, func(d *ledgerv1.CaseDeadline) bool { return d.GetCase() == index })
	if endsByItself(row.GetStatus()) && row.GetDeadline() != 0 {
		account.Deadlines = append(account.Deadlines, &ledgerv1.CaseDeadline{Case: index, Time: row.GetDeadline()})
		slices.SortFunc(account.Deadlines, func(a, b *ledgerv1.CaseDeadline) int { return compare(a.GetCase(), b.GetCase()) })
	}
	return nil
}

// list writes the rows by which a case is found, or removes them.
func (s *State) list(row *ledgerv1.CaseRow, index uint64, listed bool) error {
	put := func(key, value []byte) error {
		if !listed {
			value = nil
		}
		return s.set(key, value)
	}
	queue := QueueKey(uint8(row.GetStatus()), uint8(min(row.GetRisk(), 0xff)), index)
	if err := put(queue, QueueValue(row.GetCourse(), row.GetTime())); err != nil {
		return err
	}
	if endsByItself(row.GetStatus()) && row.GetDeadline() != 0 {
		if err := put(CaseTimeKey(CaseEnds, row.GetDeadline(), index), []byte{}); err != nil {
			return err
		}
	}
	if !ended(row.GetStatus()) && row.GetDue() != 0 {
		if err := put(CaseTimeKey(CaseDue, row.GetDue(), index), []byte{}); err != nil {
			return err
		}
	}
	if row.GetHolder() != "" {
		return put(HeldKey(row.GetHolder(), index), []byte{})
	}
	return nil
}

// QueueValue is what a row of the queue says of its case: its course, 0 where it is about a claim, and when it was opened.
func QueueValue(course uint64, opened int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, 16), course), uint64(opened))
}

// ParseQueueValue reads what QueueValue wrote.
func ParseQueueValue(value []byte) (course uint64, opened int64, ok bool) {
	if len(value) != 16 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(value), int64(binary.BigEndian.Uint64(value[8:])), true
}
