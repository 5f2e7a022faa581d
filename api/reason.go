package api

// decisionReason is a code with which an officer says why, and its words.
type decisionReason struct {
	code  string
	words Text
}

// decisionReasons is the table of the officers' codes. A code is never renamed: it lies in entries, sealed.
func decisionReasons() []decisionReason {
	return []decisionReason{
		{"EVIDENCE_SUFFICIENT", Text{ZH: "材料充分", EN: "The evidence is sufficient"}},
		{"EVIDENCE_MISSING", Text{ZH: "缺少证明材料", EN: "Evidence is missing"}},
		{"NOT_ATTENDED", Text{ZH: "未参加学习", EN: "Not attended"}},
		{"POSTED_TOO_LATE", Text{ZH: "登记过迟", EN: "Posted too late"}},
		{"OVERLAP_EXPLAINED", Text{ZH: "时间重叠已说明清楚", EN: "The overlap in time was explained"}},
		{"OVERLAP_UNEXPLAINED", Text{ZH: "时间重叠未能说明", EN: "The overlap in time was not explained"}},
		{"IMPLAUSIBLE", Text{ZH: "记录不合常理", EN: "The record is not plausible"}},
		{"OBJECTION_FOUNDED", Text{ZH: "异议成立", EN: "The objection is founded"}},
		{"OBJECTION_UNFOUNDED", Text{ZH: "异议不成立", EN: "The objection is unfounded"}},
		{"DECIDED_BY_MISTAKE", Text{ZH: "原决定有误", EN: "The decision was a mistake"}},
		{otherReasonCode, Text{ZH: "其他原因", EN: "Another reason"}},
	}
}

// DecisionReasonCodes are the codes with which an officer may say why.
func DecisionReasonCodes() []string {
	var codes []string
	for _, reason := range decisionReasons() {
		codes = append(codes, reason.code)
	}
	return codes
}

// DecisionReasonWords says an officer's reason; empty for a code that is none.
func DecisionReasonWords(code string) Text {
	for _, reason := range decisionReasons() {
		if reason.code == code {
			return reason.words
		}
	}
	return Text{}
}
