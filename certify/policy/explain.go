package policy

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// Explain says a reason in words for a resident: those of the policy's rule, or this package's where the rule has none, where
// the reason is the bank's own, or where the rule took nothing, so that its words would not fit. Numbers have their units.
// Lang is "zh", or English for any other.
func (p *Policy) Explain(r Reason, lang string) string {
	words := p.ruleWords(r).In(lang)
	if words == "" {
		words = builtIn(r).In(lang)
	}
	minutes := func(n int64) string { return p.minutes(n, lang) }
	credits := func(n int64) string { return rules.CreditWords(n, lang) }
	points := func(n int64) string { return rules.PointWords(n, lang) }
	before, after, limit, carried := credits, credits, credits, credits
	switch r.Stage {
	case ledgerv1.Stage_STAGE_ELIGIBILITY, ledgerv1.Stage_STAGE_HOURS, ledgerv1.Stage_STAGE_DUPLICATES:
		before, after, limit, carried = minutes, minutes, minutes, minutes
	case ledgerv1.Stage_STAGE_CONVERSION:
		before, limit, carried = minutes, minutes, minutes
	case ledgerv1.Stage_STAGE_ROUNDING:
		carried = minutes
	case ledgerv1.Stage_STAGE_REVIEW:
		limit = func(n int64) string { return rules.CompletionWords(n, lang) }
		carried = limit
	case ledgerv1.Stage_STAGE_VALIDITY:
		limit = func(n int64) string { return rules.MonthWords(n, lang) }
	case ledgerv1.Stage_STAGE_POINTS:
		before, after, limit, carried = minutes, points, minutes, points
	case ledgerv1.Stage_STAGE_UNSPECIFIED, ledgerv1.Stage_STAGE_CAPS, ledgerv1.Stage_STAGE_DECISION:
	}
	return rules.Fill(words, before(r.Before), after(r.After), limit(r.Limit), carried(r.Carried))
}

// ruleWords are the words of the reason's rule, where they fit what happened.
func (p *Policy) ruleWords(r Reason) Text {
	switch r.Stage {
	case ledgerv1.Stage_STAGE_HOURS:
		if r.Before == r.After { // the words of a rule on hours say what it took away
			return Text{}
		}
	case ledgerv1.Stage_STAGE_DUPLICATES:
		if r.After > 0 { // the words of a rule on duplicates say that one does not count
			return Text{}
		}
	case ledgerv1.Stage_STAGE_ROUNDING:
		if r.Carried == 0 && p.carries(r.Rule) { // its words say what is carried
			return Text{}
		}
	case ledgerv1.Stage_STAGE_POINTS:
		if r.Carried > 0 {
			return text(p.ageWords[r.Rule])
		}
	default:
	}
	return text(p.words[r.Rule])
}

func (p *Policy) carries(rounding string) bool {
	for i := range p.rounding {
		if p.rounding[i].GetId() == rounding {
			return p.rounding[i].GetRemainder() == policyv1.RoundingRule_REMAINDER_CARRY
		}
	}
	return false
}

// builtIn are the words for a reason whose rule has none.
func builtIn(r Reason) Text {
	switch r.Rule {
	case PolicyError:
		return Text{
			ZH: "规则无法自动计算本次学习，未自动授予学分，由认证员人工处理。",
			EN: "The rules could not be worked out on this learning, so nothing was awarded automatically; an officer looks at it.",
		}
	case Held:
		return Text{
			ZH: "认证机构正在核查该课程或平台，新记录暂缓计入，由认证员决定。",
			EN: "The bank is looking into this course or platform: new completions wait, and an officer decides.",
		}
	case KeySuspect:
		return Text{
			ZH: "提交平台的签名密钥在此期间可能泄露，由认证员核实。",
			EN: "The platform's signing key may have been in other hands at that time; an officer checks it.",
		}
	case ClosedPeriod:
		return Text{
			ZH: "学习结束日期所在的统计期已经关闭，由认证员决定。",
			EN: "The learning ended in a reporting period that is closed; an officer decides.",
		}
	case UnknownCategory:
		return Text{
			ZH: "本规则中没有该课程的类别，由认证员决定。",
			EN: "The policy has no such category of course; an officer decides.",
		}
	case NoRule:
		return Text{
			ZH: "没有适用的学分换算规则：{before} 只计学时。",
			EN: "No rule turns this kind of learning into credits: {before} count as hours only.",
		}
	case Approved:
		return Text{ZH: "认证员已批准。", EN: "An officer has approved."}
	case HoursOnly:
		return Text{ZH: "认证员决定：只计学时，不计学分。", EN: "An officer decided: the hours count, without credits."}
	case Gone:
		return Text{
			ZH: "其中 {carried} 此前已转换或已过期，不再重复授予。",
			EN: "{carried} of these were transferred, or expired, when this counted before: they are not given again.",
		}
	}
	return builtInStage(r)
}

func builtInStage(r Reason) Text {
	switch r.Stage {
	case ledgerv1.Stage_STAGE_ELIGIBILITY:
		return Text{ZH: "未满足学分条件：只计学时。", EN: "A condition for credit is not met: only the hours count."}
	case ledgerv1.Stage_STAGE_HOURS:
		if r.Before == r.After {
			return Text{ZH: "计入学时：{after}。", EN: "Counted: {after}."}
		}
		return Text{ZH: "登记 {before}，计入 {after}。", EN: "{before} were posted, {after} count."}
	case ledgerv1.Stage_STAGE_DUPLICATES:
		if r.After > 0 {
			return Text{ZH: "本次成绩更好，取代此前的同类学习记录。", EN: "The score is better: this takes the place of the earlier completion."}
		}
		return Text{ZH: "同类课程已有记录，本次不再计入。", EN: "The same course counts already, so this completion does not."}
	case ledgerv1.Stage_STAGE_CONVERSION:
		switch {
		case r.After == 0 && r.Limit == 0:
			return Text{ZH: "{before} 只计学时，不计学分。", EN: "{before} count as hours only, without credits."}
		case r.Carried > 0:
			return Text{
				ZH: "{before}，加上此前结余 {carried}，折合 {after}。",
				EN: "{before}, with {carried} left over from earlier classes, make {after}.",
			}
		default:
			return Text{ZH: "{before} 折合 {after}。", EN: "{before} make {after}."}
		}
	case ledgerv1.Stage_STAGE_CAPS:
		return Text{
			ZH: "超出上限 {limit}：其中 {carried} 暂缓计入，有余量时自动转为可用。",
			EN: "This exceeds the limit of {limit}: {carried} wait, and become available when there is room.",
		}
	case ledgerv1.Stage_STAGE_ROUNDING:
		if r.Carried > 0 {
			return Text{
				ZH: "按 {limit} 为一级：本次计 {after}，余下 {carried} 留待同一课程下次学习。",
				EN: "Credits are given in steps of {limit}: {after} now, and {carried} stay for the next class of the course.",
			}
		}
		return Text{ZH: "按 {limit} 为一级取整：计 {after}。", EN: "Rounded to a step of {limit}: {after}."}
	case ledgerv1.Stage_STAGE_REVIEW:
		if r.Limit > 0 {
			return Text{
				ZH: "同一小时内的学习记录已达 {carried}，超过 {limit}，由认证员核实后决定。",
				EN: "{carried} ended within the same hour, more than {limit}; an officer looks at them and decides.",
			}
		}
		return Text{ZH: "由认证员审核后决定。", EN: "An officer looks at this and decides."}
	case ledgerv1.Stage_STAGE_VALIDITY:
		if r.Limit == 0 {
			return Text{ZH: "学分终身有效。", EN: "The credits are valid for life."}
		}
		return Text{ZH: "学分自学习结束之日起 {limit}内有效。", EN: "The credits are valid for {limit} from the end of the learning."}
	case ledgerv1.Stage_STAGE_DECISION:
		return Text{ZH: "认证员的决定。", EN: "The decision of an officer."}
	case ledgerv1.Stage_STAGE_POINTS:
		if r.Carried > 0 {
			return Text{
				ZH: "学习 {before} 得 {after}，其中年龄优待 {carried}。", EN: "{before} of learning give {after}, {carried} of them for age.",
			}
		}
		return Text{ZH: "学习 {before} 得 {after}。", EN: "{before} of learning give {after}."}
	case ledgerv1.Stage_STAGE_UNSPECIFIED:
		return Text{}
	default:
		return Text{}
	}
}

// minutes says minutes in learning hours as far as they make whole ones: "30 分钟", "2 学时（90 分钟）", "2 学时 10 分钟（100 分钟）".
func (p *Policy) minutes(n int64, lang string) string {
	hours, rest := n/p.learnedHour, n%p.learnedHour
	if rules.IsChinese(lang) {
		switch {
		case hours <= 0:
			return rules.Count(n) + " 分钟"
		case rest == 0:
			return rules.Count(hours) + " 学时（" + rules.Count(n) + " 分钟）"
		default:
			return rules.Count(hours) + " 学时 " + rules.Count(rest) + " 分钟（" + rules.Count(n) + " 分钟）"
		}
	}
	switch {
	case hours <= 0:
		return rules.Plural(n, "minute")
	case rest == 0:
		return rules.Plural(hours, "learning hour") + " (" + rules.Plural(n, "minute") + ")"
	default:
		return rules.Plural(hours, "learning hour") + " " + rules.Plural(rest, "minute") + " (" + rules.Plural(n, "minute") + ")"
	}
}

func placeholders() []string { return rules.Placeholders() }
