package main

import (
	"fmt"
	"slices"
	"strings"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// stepRows says what happened to a case, below a row of its own.
func stepRows(t *table, l language, steps []*creditbankv1.CaseEvent) {
	if len(steps) > 0 {
		t.row(l.say("经过", "steps"))
		noteSteps(t, l, steps)
	}
}

// noteSteps notes what happened to a case, a line for each step, below the last row of a table.
func noteSteps(t *table, l language, steps []*creditbankv1.CaseEvent) {
	for _, step := range steps {
		t.note("  " + l.caseEvent(step))
	}
}

// caseEvent is one line of what happened to a case: when, what, by whom, what was granted and brought, and what was said.
func (l language) caseEvent(step *creditbankv1.CaseEvent) string {
	parts := []string{when(step.GetTime()), l.caseStep(step.GetStep()), l.steppedBy(step)}
	if grant := step.GetGrant(); grant != nil {
		parts = append(parts, fmt.Sprintf(l.say("认可 %s，%s 学分", "grants %s, %s credits"), l.minutes(grant.GetMinutes()), l.credits(grant.GetMilliCredits())))
	}
	if n := step.GetFiles(); n > 0 {
		parts = append(parts, fmt.Sprintf(l.say("材料 %d 份", "%d files"), n))
	}
	parts = append(parts, l.reasonWords(step.GetReasonCode(), step.GetReasonWords()), clean(step.GetNote()))
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}

// steppedBy is who took a step.
func (l language) steppedBy(step *creditbankv1.CaseEvent) string {
	switch {
	case step.GetOfficer() != "":
		return clean(step.GetOfficer())
	case step.GetOrganization() != "":
		return clean(step.GetOrganization())
	case step.GetResident():
		return strings.TrimSpace(l.say("居民 ", "resident ") + clean(step.GetObjectorAccountId()))
	default:
		return l.say("本行", "the bank")
	}
}

func (l language) caseStep(s ledgerv1.CaseStep) string {
	switch s {
	case ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED:
		return l.say("通过并计入", "approved")
	case ledgerv1.CaseStep_CASE_STEP_REJECTED:
		return l.say("不予认定", "refused")
	case ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY:
		return l.say("仅计学时", "hours only")
	case ledgerv1.CaseStep_CASE_STEP_TAKEN:
		return l.say("领取", "taken")
	case ledgerv1.CaseStep_CASE_STEP_RELEASED:
		return l.say("放回", "given back")
	case ledgerv1.CaseStep_CASE_STEP_RETURNED:
		return l.say("要求补充材料", "returned")
	case ledgerv1.CaseStep_CASE_STEP_RESUBMITTED:
		return l.say("已补充材料", "answered")
	case ledgerv1.CaseStep_CASE_STEP_EVIDENCE_LAPSED:
		return l.say("逾期未补充", "not answered in time")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED:
		return l.say("初审建议通过", "approval recommended")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_REJECTION:
		return l.say("初审建议不通过", "refusal recommended")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_HOURS_ONLY:
		return l.say("初审建议仅计学时", "hours only recommended")
	case ledgerv1.CaseStep_CASE_STEP_PUBLISHED:
		return l.say("通过并公示", "made public")
	case ledgerv1.CaseStep_CASE_STEP_OBJECTED:
		return l.say("提出异议", "objected to")
	case ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED:
		return l.say("异议不成立，继续公示", "objection dismissed")
	case ledgerv1.CaseStep_CASE_STEP_APPEALED:
		return l.say("申诉", "appealed")
	case ledgerv1.CaseStep_CASE_STEP_WITHDRAWN:
		return l.say("撤回", "withdrawn")
	case ledgerv1.CaseStep_CASE_STEP_REVOKED:
		return l.say("撤销", "revoked")
	case ledgerv1.CaseStep_CASE_STEP_CLAWED_BACK:
		return l.say("追回", "clawed back")
	default:
		return s.String()
	}
}
