package main

import (
	"fmt"
	"strings"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// language is what people read; JSON is the same in all of them.
type language string

const (
	chinese language = "zh"
	english language = "en"
)

// language answers the one that was asked for, or that of the environment.
func (g *globals) language(p *process) language {
	if g.Lang != "auto" {
		return language(g.Lang)
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := p.getenv(name); value != "" {
			if strings.HasPrefix(value, string(chinese)) {
				return chinese
			}
			break
		}
	}
	return english
}

func (l language) say(zh, en string) string {
	if l == chinese {
		return zh
	}
	return en
}

// text is the bank's own words in this language, or in the other one where it has none.
func (l language) text(t *creditbankv1.Text) string {
	words, other := t.GetZh(), t.GetEn()
	if l == english {
		words, other = other, words
	}
	if words == "" {
		words = other
	}
	return clean(words)
}

// reasonWords is why an officer decided as they did: in the bank's own words, or the code where it has none for it.
func (l language) reasonWords(code string, words *creditbankv1.Text) string {
	if said := l.text(words); said != "" {
		return said
	}
	return clean(code)
}

func (l language) outcome(o ledgerv1.Outcome) string {
	switch o {
	case ledgerv1.Outcome_OUTCOME_AWARDED:
		return l.say("已认定", "awarded")
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		return l.say("待审核", "in review")
	case ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		return l.say("仅计学时", "hours only")
	case ledgerv1.Outcome_OUTCOME_DUPLICATE:
		return l.say("重复", "duplicate")
	case ledgerv1.Outcome_OUTCOME_VOIDED:
		return l.say("已撤回", "voided")
	case ledgerv1.Outcome_OUTCOME_REFUSED:
		return l.say("不予认定", "refused")
	case ledgerv1.Outcome_OUTCOME_WITHDRAWN:
		return l.say("已放弃", "given up")
	default:
		return o.String()
	}
}

// opening is one line of where an opening balance comes from.
func (l language) opening(o *creditbankv1.OpeningBalance) string {
	line := l.say("来源 ", "from ") + clean(o.GetSource())
	if record := clean(o.GetSourceRecord()); record != "" {
		line += l.say("，编号 ", ", record ") + record
	}
	if by := clean(o.GetProposedBy()); by != "" {
		line += fmt.Sprintf(l.say("；%s 提出，%s 复核（批次 %d）", "; proposed by %s, confirmed by %s (import %d)"), by, clean(o.GetConfirmedBy()), o.GetImport())
	}
	return line
}

func (l language) stage(s ledgerv1.Stage) string {
	switch s {
	case ledgerv1.Stage_STAGE_ELIGIBILITY:
		return l.say("资格", "eligibility")
	case ledgerv1.Stage_STAGE_HOURS:
		return l.say("学时", "hours")
	case ledgerv1.Stage_STAGE_DUPLICATES:
		return l.say("查重", "duplicates")
	case ledgerv1.Stage_STAGE_CONVERSION:
		return l.say("折算", "conversion")
	case ledgerv1.Stage_STAGE_CAPS:
		return l.say("上限", "caps")
	case ledgerv1.Stage_STAGE_ROUNDING:
		return l.say("取整", "rounding")
	case ledgerv1.Stage_STAGE_REVIEW:
		return l.say("审核", "review")
	case ledgerv1.Stage_STAGE_VALIDITY:
		return l.say("有效期", "validity")
	case ledgerv1.Stage_STAGE_DECISION:
		return l.say("认证员决定", "decision")
	case ledgerv1.Stage_STAGE_POINTS:
		return l.say("积分", "points")
	default:
		return s.String()
	}
}

func (l language) caseState(s creditbankv1.CaseState) string {
	switch s {
	case creditbankv1.CaseState_CASE_STATE_SUBMITTED:
		return l.say("待审核", "submitted")
	case creditbankv1.CaseState_CASE_STATE_FIRST_REVIEW:
		return l.say("初审中", "first review")
	case creditbankv1.CaseState_CASE_STATE_RETURNED:
		return l.say("待补充材料", "returned")
	case creditbankv1.CaseState_CASE_STATE_SECOND_REVIEW:
		return l.say("待复审", "second review")
	case creditbankv1.CaseState_CASE_STATE_PUBLIC_NOTICE:
		return l.say("公示中", "public notice")
	case creditbankv1.CaseState_CASE_STATE_OBJECTED:
		return l.say("有异议", "objected")
	case creditbankv1.CaseState_CASE_STATE_APPEALED:
		return l.say("申诉中", "appealed")
	case creditbankv1.CaseState_CASE_STATE_REVOKED:
		return l.say("已撤销", "revoked")
	case creditbankv1.CaseState_CASE_STATE_APPROVED:
		return l.say("通过", "approved")
	case creditbankv1.CaseState_CASE_STATE_REJECTED:
		return l.say("不通过", "rejected")
	case creditbankv1.CaseState_CASE_STATE_WITHDRAWN:
		return l.say("已撤回", "withdrawn")
	default:
		return s.String()
	}
}

func (l language) policyStatus(s creditbankv1.PolicyStatus) string {
	switch s {
	case creditbankv1.PolicyStatus_POLICY_STATUS_PROPOSED:
		return l.say("待发布", "proposed")
	case creditbankv1.PolicyStatus_POLICY_STATUS_PUBLISHED:
		return l.say("已发布", "published")
	default:
		return s.String()
	}
}

func (l language) courseStatus(s creditbankv1.CourseStatus) string {
	switch s {
	case creditbankv1.CourseStatus_COURSE_STATUS_PROPOSED:
		return l.say("待认证", "proposed")
	case creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED:
		return l.say("已认证", "accredited")
	case creditbankv1.CourseStatus_COURSE_STATUS_RETIRED:
		return l.say("已停用", "retired")
	case creditbankv1.CourseStatus_COURSE_STATUS_REFUSED:
		return l.say("未通过", "refused")
	case creditbankv1.CourseStatus_COURSE_STATUS_RETURNED:
		return l.say("待补充材料", "returned")
	case creditbankv1.CourseStatus_COURSE_STATUS_APPEALED:
		return l.say("申诉中", "appealed")
	case creditbankv1.CourseStatus_COURSE_STATUS_WITHDRAWN:
		return l.say("已撤回", "withdrawn")
	default:
		return s.String()
	}
}

// minutes are said in minutes: how many make a learning hour is a matter of each policy.
func (l language) minutes(n int64) string { return fmt.Sprintf(l.say("%d 分钟", "%d min"), n) }

func (l language) credits(milli int64) string { return unit.Credits(milli).String() }

func (l language) points(milli int64) string {
	return fmt.Sprintf(l.say("%v 积分", "%v points"), unit.Points(milli))
}

func (l language) yes(b bool) string {
	if b {
		return l.say("是", "yes")
	}
	return l.say("否", "no")
}

// reason is one line of why a number is what it is. The unit changes from minutes to credits in conversion, and from minutes to
// points in that stage.
func (l language) reason(r *creditbankv1.Reason) string {
	before, after := l.minutes(r.GetBefore()), l.minutes(r.GetAfter())
	switch {
	case r.GetStage() == ledgerv1.Stage_STAGE_POINTS:
		after = l.points(r.GetAfter())
	case r.GetStage() > ledgerv1.Stage_STAGE_CONVERSION:
		before, after = l.credits(r.GetBefore()), l.credits(r.GetAfter())
	case r.GetStage() == ledgerv1.Stage_STAGE_CONVERSION:
		after = l.credits(r.GetAfter())
	}
	line := l.stage(r.GetStage()) + "  " + before + " → " + after
	if words := l.text(r.GetWords()); words != "" {
		return line + "  " + words
	}
	return line + "  " + clean(r.GetRule())
}
