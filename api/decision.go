package api

import (
	"slices"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Decision is what was decided on a completion, with its reasons.
type Decision struct {
	Outcome  ledgerv1.Outcome
	Category string
	// Minutes count; Available can be used, Pending waits.
	Minutes            unit.Minutes
	Available, Pending unit.Credits
	// Points are reward points, which are no credits. Platforms are not told: see withoutPoints.
	Points unit.Points
	// Causes are why an officer decides.
	Causes []string
	// Reasons are there only when they were asked for.
	Reasons    []policy.Reason
	PolicyHash []byte

	policy *published
	// clawedBack: a clawback took the completion back; held: one holds it.
	clawedBack, held bool
}

// Words says a reason in a language, "zh" or "en".
func (d *Decision) Words(reason policy.Reason, language string) string {
	if reason.Rule == ruleHeld && reason.Stage == ledgerv1.Stage_STAGE_DECISION {
		return Text{
			ZH: "认证机构正在核查该课程或平台，本条记录的学分暂时冻结，核查结束前不能使用。",
			EN: "The bank is looking into this course or platform: the credits are held, and cannot be used until that has ended.",
		}.In(language)
	}
	if words := endWords(reason.Rule); words != (Text{}) {
		return words.In(language)
	}
	if d.policy == nil {
		return ""
	}
	return d.policy.Explain(reason, language)
}

// Rules of the bank's own in reasons: how a completion that was judged came to count no longer.
const (
	ruleVoided   = "VOIDED"
	ruleReplaced = "REPLACED"
	ruleRefused  = "REFUSED"
	ruleGivenUp  = "GIVEN_UP"
	ruleAppealed = "APPEALED"

	ruleClawedBack = "CLAWED_BACK"
	ruleHeld       = policy.Held
)

func endWords(rule string) Text {
	switch rule {
	case ruleVoided:
		return Text{ZH: "学习平台已撤回本条记录，不再计入。", EN: "The platform has taken this completion back; it no longer counts."}
	case ruleReplaced:
		return Text{ZH: "同类课程已有更好的成绩，本条记录不再计入。", EN: "A better score of an equivalent course has taken its place; it no longer counts."}
	case ruleGivenUp:
		return Text{ZH: "学习者已放弃认定，不再计入。", EN: "The learner has given this up; it does not count."}
	case ruleAppealed:
		return Text{ZH: "学习者已申诉，由另一位认证员重新审核，此前不计入。", EN: "The learner has appealed: another officer looks at it again, and until then it does not count."}
	case ruleClawedBack:
		return Text{
			ZH: "经两位认证员决定，本条记录已被追回，不再计入；如有异议，可在期限内申诉。",
			EN: "Two officers decided to take this back; it no longer counts. You can appeal in time.",
		}
	case ruleRefused:
		return Text{ZH: "认证员决定：不予认定。", EN: "An officer decided: this does not count."}
	default:
		return Text{}
	}
}

// end closes the chain of reasons where what was given was taken back later, so that it ends in what there is now. That can
// be all there is to say of a claim: until an officer grants something, nothing is worked out.
func (d *Decision) end(claim bool) {
	var last, given int64
	for _, r := range d.Reasons {
		if r.Stage >= ledgerv1.Stage_STAGE_CONVERSION && r.Stage != ledgerv1.Stage_STAGE_POINTS {
			last = r.After
		}
		switch r.Stage {
		case ledgerv1.Stage_STAGE_CAPS:
			given += r.Carried
		case ledgerv1.Stage_STAGE_REVIEW: // what was worked out before did not come to count
			given = 0
		default:
		}
	}
	given += last
	rule := ""
	switch d.Outcome {
	case ledgerv1.Outcome_OUTCOME_VOIDED:
		rule = ruleVoided
	case ledgerv1.Outcome_OUTCOME_REFUSED:
		rule = ruleRefused
		if d.clawedBack {
			rule = ruleClawedBack
		}
	case ledgerv1.Outcome_OUTCOME_WITHDRAWN:
		rule = ruleGivenUp
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		if given > 0 { // a chain that never counted ends in nothing by itself
			rule = ruleAppealed
		}
	case ledgerv1.Outcome_OUTCOME_DUPLICATE:
		if given > 0 {
			rule = ruleReplaced
		}
	case ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		if given > 0 {
			rule = policy.HoursOnly
		}
	}
	if rule != "" && (claim || len(d.Reasons) > 0) {
		d.Reasons = append(d.Reasons, policy.Reason{Stage: ledgerv1.Stage_STAGE_DECISION, Rule: rule, Before: last})
	}
	if d.held && d.Outcome == ledgerv1.Outcome_OUTCOME_AWARDED && given > 0 {
		// All that could be used, also what a cap had wait at first, waits: it comes free, or is taken back, when officers have decided.
		d.Reasons = append(d.Reasons, policy.Reason{Stage: ledgerv1.Stage_STAGE_DECISION, Rule: ruleHeld, Before: last, After: last})
	}
}

// withoutPoints leaves the points out, for platforms: how many there are, and why, can tell the learner's age.
func (d *Decision) withoutPoints() {
	d.Points = 0
	d.Reasons = slices.DeleteFunc(d.Reasons, func(r policy.Reason) bool { return r.Stage == ledgerv1.Stage_STAGE_POINTS })
}

// recordedDecision is the decision as it was recorded, without its reasons.
func recordedDecision(recorded *ledgerv1.CompletionRecorded) *Decision {
	d := &Decision{
		Outcome: recorded.GetOutcome(), Category: recorded.GetCategory(),
		Causes: recorded.GetCauses(), PolicyHash: recorded.GetPolicyHash(),
	}
	for _, hours := range recorded.GetEffects().GetHours() {
		d.Minutes += unit.Minutes(hours.GetMinutes())
	}
	for _, points := range recorded.GetEffects().GetPoints() {
		d.Points += unit.Points(points.GetMilliPoints())
	}
	for _, lot := range recorded.GetEffects().GetLots() {
		d.Available += unit.Credits(lot.GetAvailable())
		d.Pending += unit.Credits(lot.GetPending())
	}
	return d
}

// standingDecision is the decision as it stands now, without its reasons.
func standingDecision(item *ledgerv1.CompletionItem, recorded *ledgerv1.CompletionRecorded) *Decision {
	d := &Decision{
		Outcome: item.GetOutcome(), Category: item.GetCategory(), Minutes: unit.Minutes(item.GetMinutes()),
		Points: unit.Points(item.GetMilliPoints()), clawedBack: item.GetClawbackPlusOne() != 0, held: item.GetHeldPlusOne() != 0, Causes: recorded.GetCauses(), PolicyHash: recorded.GetPolicyHash(),
	}
	for _, lot := range item.GetLots() {
		d.Available += unit.Credits(lot.GetAvailable())
		d.Pending += unit.Credits(lot.GetPending())
	}
	return d
}

func reasonsProto(reasons []policy.Reason) []*ledgerv1.Reason {
	// One array for all: this is on the path of every completion.
	values, pointers := make([]ledgerv1.Reason, len(reasons)), make([]*ledgerv1.Reason, len(reasons))
	for i, r := range reasons {
		pointers[i] = &values[i]
		writeReason(pointers[i], r)
	}
	return pointers
}

func writeReason(to *ledgerv1.Reason, r policy.Reason) {
	to.Stage, to.Rule, to.Before, to.After, to.Limit, to.Carried = r.Stage, r.Rule, r.Before, r.After, r.Limit, r.Carried
}

func reasonsFrom(reasons []*ledgerv1.Reason) []policy.Reason {
	values := make([]policy.Reason, len(reasons))
	for i, r := range reasons {
		values[i] = policy.Reason{
			Stage: r.GetStage(), Rule: r.GetRule(), Before: r.GetBefore(), After: r.GetAfter(),
			Limit: r.GetLimit(), Carried: r.GetCarried(),
		}
	}
	return values
}
