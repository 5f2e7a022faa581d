package agreement

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// Explain says a reason in words for a resident: those of the agreement's rule, or this package's where the rule has none, or the
// reason is the bank's own. Numbers have their units. Lang is "zh", or English for any other.
func (a *Agreement) Explain(d *Decision, r Reason, lang string) string {
	category := ""
	if d != nil && d.Item != nil {
		category = d.Item.Category
	}
	return a.explain(category, r, lang)
}

// ExplainReason says a reason that was written down, of a lot of a category.
func (a *Agreement) ExplainReason(category string, r *ledgerv1.TransferReason, lang string) string {
	return a.explain(category, Reason{
		Stage: r.GetStage(), Rule: r.GetRule(), Before: r.GetBefore(), After: r.GetAfter(), Limit: r.GetLimit(), Carried: r.GetCarried(),
	}, lang)
}

// Written is a reason as entries seal it.
func (r Reason) Written() *ledgerv1.TransferReason {
	return &ledgerv1.TransferReason{Stage: r.Stage, Rule: r.Rule, Before: r.Before, After: r.After, Limit: r.Limit, Carried: r.Carried}
}

func (a *Agreement) explain(category string, r Reason, lang string) string {
	name := r.Rule
	if name == LevelNotTaken {
		name = categoryRule(category)
	}
	words := rules.TextOf(a.words[name]).In(lang)
	if words == "" {
		words = builtIn(r).In(lang)
	}
	credits := func(n int64) string { return rules.CreditWords(n, lang) }
	limit, carried := credits, credits
	switch r.Stage {
	case ledgerv1.TransferStage_TRANSFER_STAGE_CATEGORY, ledgerv1.TransferStage_TRANSFER_STAGE_SCORE:
		limit, carried = rules.Count, rules.Count
	case ledgerv1.TransferStage_TRANSFER_STAGE_AGE:
		limit = func(n int64) string { return rules.MonthWords(n, lang) }
		carried = limit
	default:
	}
	return rules.Fill(words, credits(r.Before), credits(r.After), limit(r.Limit), carried(r.Carried))
}

// builtIn are the words for a reason whose rule has none.
func builtIn(r Reason) Text {
	switch r.Rule {
	case NothingAvailable:
		return Text{ZH: "这笔学分目前没有可用的部分。", EN: "Nothing of these credits can be used at present."}
	case Expired:
		return Text{ZH: "这笔学分已过有效期，不能再转换。", EN: "These credits have expired and can't be transferred any more."}
	case RecognisedAlready:
		if r.After > 0 {
			return Text{
				ZH: "该机构此前已认可其中 {carried}，余下 {after}。",
				EN: "The institution has recognised {carried} of these before; {after} are left.",
			}
		}
		return Text{ZH: "该机构此前已认可这笔学分。", EN: "The institution has recognised these credits before."}
	case NoSource:
		return Text{ZH: "互认协议不接受这一来源的学分。", EN: "The agreement does not take credits from this source."}
	case CategoryNotTaken:
		return Text{ZH: "互认协议不接受这一类别的学分。", EN: "The agreement does not take credits of this category."}
	case NotTransferable:
		return Text{ZH: "按学分认定规则，这一类别不能计入学历教育。", EN: "By the rules that awarded them, credits of this category do not count towards a degree."}
	case LevelNotTaken:
		if r.Carried < r.Limit {
			return Text{ZH: "等级为 {carried}，低于要求的 {limit}。", EN: "The level is {carried}, below the {limit} that is asked for."}
		}
		return Text{ZH: "等级为 {carried}，高于可接受的 {limit}。", EN: "The level is {carried}, above the {limit} that is taken."}
	case CourseCountedAlready:
		return Text{ZH: "对应的课程已经计入过一次，不再重复计入。", EN: "The course that it stands for counts already, and counts once."}
	case NoRatio:
		return Text{ZH: "互认协议没有适用于这笔学分的折算比例。", EN: "The agreement has no ratio for these credits."}
	case ConditionFailed:
		return Text{ZH: "协议条款无法应用于这笔学分，因此不予接受。", EN: "A condition of the agreement can't be worked out on these credits, so they are refused."}
	}
	return builtInStage(r)
}

func builtInStage(r Reason) Text {
	switch r.Stage {
	case ledgerv1.TransferStage_TRANSFER_STAGE_REQUIREMENT:
		return Text{ZH: "未满足互认协议的一项条件。", EN: "A condition of the agreement is not met."}
	case ledgerv1.TransferStage_TRANSFER_STAGE_SCORE:
		return Text{ZH: "成绩未达到要求的 {limit} 分。", EN: "The score is not the {limit} that is asked for."}
	case ledgerv1.TransferStage_TRANSFER_STAGE_AGE:
		return Text{ZH: "学习结束已满 {carried}，超过 {limit}的期限。", EN: "The learning ended {carried} ago or more, longer than the {limit} that are allowed."}
	case ledgerv1.TransferStage_TRANSFER_STAGE_COURSE:
		return Text{ZH: "{before} 对应该机构的一门课程，计 {after}。", EN: "{before} stand for a course of the institution, which gives {after}."}
	case ledgerv1.TransferStage_TRANSFER_STAGE_RATIO:
		if r.After == 0 {
			return Text{ZH: "{before} 按比例折算不足该机构的最小学分。", EN: "{before} come to less than the institution counts."}
		}
		return Text{ZH: "{before} 折合该机构 {after}。", EN: "{before} are worth {after} with the institution."}
	case ledgerv1.TransferStage_TRANSFER_STAGE_ROUNDING:
		return Text{ZH: "按 {limit} 为一级向下取整：{before} 计 {after}。", EN: "Rounded down to steps of {limit}: {before} count as {after}."}
	case ledgerv1.TransferStage_TRANSFER_STAGE_CAPS:
		if r.After == 0 {
			return Text{
				ZH: "超出上限 {limit}（已计 {carried}），不再接受。",
				EN: "The limit of {limit} leaves no room for this: {carried} count already.",
			}
		}
		return Text{
			ZH: "受上限 {limit} 限制（已计 {carried}），本笔计 {after}。",
			EN: "The limit of {limit}, of which {carried} are used, leaves room for {after}.",
		}
	default:
		return Text{}
	}
}
