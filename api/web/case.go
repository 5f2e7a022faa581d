package web

import (
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// What the record shows of a case.
type (
	caseShown struct {
		Number uint64
		// State says how it stands, and until when.
		State string
		// Words are the policy's on what such a case goes through.
		Words, WordsTag string
		Steps           []caseStep
	}
	caseStep struct {
		Date, Words, Note, NoteTag string
	}
)

// progress says how the review of a completion went; nil where there was none.
func (v recordView) progress(p *api.CaseProgress, zone *time.Location) *caseShown {
	if p == nil {
		return nil
	}
	shown := &caseShown{Number: p.ID, State: v.caseState(p.Status), Words: v.text(p.Words)}
	shown.WordsTag = v.foreign(shown.Words)
	if !p.Deadline.IsZero() {
		// A deadline is a midnight: what people want to know is the day before it.
		shown.State += fmt.Sprintf(v.until(p.Status), v.date(p.Deadline.Add(-time.Microsecond).In(zone)))
	}
	for _, s := range p.Steps {
		step := caseStep{Date: v.date(s.Time.In(zone)), Words: v.caseStep(s.Step), Note: s.Note, NoteTag: v.foreign(s.Note)}
		if s.ReasonCode != "" {
			step.Words += v.say("：", ": ") + v.decisionReason(s.ReasonCode)
		}
		shown.Steps = append(shown.Steps, step)
	}
	return shown
}

func (l language) caseState(s ledgerv1.CaseStatus) string {
	switch s {
	case ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED:
		return l.say("等待认证员审核", "Waits for an officer")
	case ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW:
		return l.say("初审中", "In its first review")
	case ledgerv1.CaseStatus_CASE_STATUS_RETURNED:
		return l.say("需要补充材料", "More evidence is needed")
	case ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW:
		return l.say("等待另一位认证员复审", "Waits for its second review, by another officer")
	case ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE:
		return l.say("审核通过，正在公示", "Approved, and under public notice")
	case ledgerv1.CaseStatus_CASE_STATUS_OBJECTED:
		return l.say("有人提出异议，正在核实", "Somebody objected; an officer looks into it")
	case ledgerv1.CaseStatus_CASE_STATUS_APPROVED:
		return l.say("审核通过", "Approved")
	case ledgerv1.CaseStatus_CASE_STATUS_REJECTED:
		return l.say("审核未通过", "Not approved")
	case ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN:
		return l.say("已撤回", "Withdrawn")
	case ledgerv1.CaseStatus_CASE_STATUS_APPEALED:
		return l.say("申诉已收到，由另一位认证员重新审核", "Your appeal is here; another officer looks at it again")
	case ledgerv1.CaseStatus_CASE_STATUS_REVOKED:
		return l.say("原认定已撤销", "The approval was taken back")
	default:
		return l.say("未知", "Unknown")
	}
}

// until says what a day ends, in each state that has one.
func (l language) until(s ledgerv1.CaseStatus) string {
	switch s {
	case ledgerv1.CaseStatus_CASE_STATUS_RETURNED:
		return l.say("，请在 %s（含）前提交", ": please bring it by %s")
	case ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE:
		return l.say("，至 %s（含）", " until the end of %s")
	default:
		return l.say("，可在 %s（含）前申诉", ": you can appeal until the end of %s")
	}
}

func (l language) caseStep(s ledgerv1.CaseStep) string {
	switch s {
	case ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED:
		return l.say("通过并计入", "Approved; it counts")
	case ledgerv1.CaseStep_CASE_STEP_REJECTED:
		return l.say("不予认定", "Refused")
	case ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY:
		return l.say("只计学时", "Hours only")
	case ledgerv1.CaseStep_CASE_STEP_RETURNED:
		return l.say("要求补充材料", "More evidence was asked for")
	case ledgerv1.CaseStep_CASE_STEP_RESUBMITTED:
		return l.say("已补充材料", "More evidence came")
	case ledgerv1.CaseStep_CASE_STEP_EVIDENCE_LAPSED:
		return l.say("逾期未补充材料", "No more evidence came in time")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED:
		return l.say("初审建议通过", "The first officer would approve")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_REJECTION:
		return l.say("初审建议不予认定", "The first officer would refuse")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_HOURS_ONLY:
		return l.say("初审建议只计学时", "The first officer would count the hours only")
	case ledgerv1.CaseStep_CASE_STEP_PUBLISHED:
		return l.say("审核通过，开始公示", "Approved, and made public")
	case ledgerv1.CaseStep_CASE_STEP_OBJECTED:
		return l.say("有人提出异议", "Somebody objected")
	case ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED:
		return l.say("异议不成立，继续公示", "The objection was dismissed; the notice goes on")
	case ledgerv1.CaseStep_CASE_STEP_APPEALED:
		return l.say("提出申诉", "Appealed")
	case ledgerv1.CaseStep_CASE_STEP_WITHDRAWN:
		return l.say("撤回", "Withdrawn")
	case ledgerv1.CaseStep_CASE_STEP_REVOKED:
		return l.say("撤销认定", "Revoked")
	case ledgerv1.CaseStep_CASE_STEP_CLAWED_BACK:
		return l.say("追回（两位认证员决定）", "Taken back, as two officers decided")
	default:
		return l.say("未知", "Unknown")
	}
}
