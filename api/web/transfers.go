package web

import (
	"fmt"

	"github.com/learning-credit-bank/creditbank/api"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// transferLine is a transfer as the template shows it.
type transferLine struct {
	Institution, Tag, Programme, ProgrammeTag string
	Class, Sign, Status                       string
	// Asked and Taken say how many credits, Until by when the institution answers; empty where there is no such thing to say.
	Asked, Taken, Until string
	// Back says that something of it was taken back later; empty: nothing was.
	Back  string
	Index uint64
}

// transfers are what institutions were asked to take over.
func (v recordView) transfers(all []api.Transfer) []transferLine {
	lines := make([]transferLine, len(all))
	for i, t := range all {
		line := transferLine{
			Institution: t.InstitutionName, Tag: v.foreign(t.InstitutionName), Programme: v.text(t.ProgrammeName), Index: t.Hold,
			Asked: fmt.Sprintf(v.say("申请转换 %s", "%s asked for"), v.credits(t.Held)),
		}
		line.ProgrammeTag = v.foreign(line.Programme)
		line.Class, line.Sign, line.Status = v.transferStatus(t.Status)
		if t.Status == ledgerv1.HoldStatus_HOLD_STATUS_HELD {
			deadline := t.Deadline
			if v.usual.zone != nil {
				deadline = deadline.In(v.usual.zone)
			}
			line.Until = fmt.Sprintf(v.say("院校应于%s前答复", "to be answered before %s"), v.date(deadline))
		}
		if t.Taken != 0 {
			line.Taken = fmt.Sprintf(v.say("接受 %s，院校计 %s", "%s taken; they give %s there"), v.credits(t.Taken), v.credits(t.TakenGranted))
		}
		for _, item := range t.Items {
			if item.IsClawedBack {
				line.Back = v.say("其中有学习记录后来被撤销，院校已获知。", "Some of it was taken back later, and the institution knows.")
			}
		}
		lines[i] = line
	}
	return lines
}

// transferStatus says where a transfer stands: for the stylesheet, as a sign and in words.
func (l language) transferStatus(status ledgerv1.HoldStatus) (class, sign, words string) {
	switch status {
	case ledgerv1.HoldStatus_HOLD_STATUS_HELD:
		return "review", "…", l.say("等待院校答复", "Waits for the institution")
	case ledgerv1.HoldStatus_HOLD_STATUS_POSTED:
		return "awarded", "✓", l.say("已接受", "Accepted")
	case ledgerv1.HoldStatus_HOLD_STATUS_DECLINED:
		return "refused", "✕", l.say("未接受", "Declined")
	case ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN:
		return "neutral", "–", l.say("已撤回", "Withdrawn")
	case ledgerv1.HoldStatus_HOLD_STATUS_REVERSED:
		return "neutral", "↩", l.say("因学分被撤销而取消", "Undone, since credits were taken back")
	case ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED:
		return "neutral", "○", l.say("逾期未答复", "Lapsed without an answer")
	default:
		return "neutral", "?", l.say("未知", "Unknown")
	}
}
