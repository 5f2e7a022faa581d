package api

import "slices"

// Codes with which officers and administrators say why.
const (
	reasonOther = "OTHER"
)

func accreditReasons() []string { return []string{"MEETS_REQUIREMENTS", reasonOther} }

func returnReasons() []string {
	return []string{"DOCUMENTS_MISSING", "DOCUMENTS_UNCLEAR", reasonOther}
}

func refuseReasons() []string {
	return []string{"REQUIREMENTS_NOT_MET", "STAFF_NOT_QUALIFIED", "CONTENT_UNSUITABLE", "DUPLICATE", reasonOther}
}

func changeReasons() []string {
	return []string{"QUALITY", "FRAUD", "OWN_WISH", "CORRECTED", reasonOther}
}

func renewReasons() []string { return []string{"STILL_MEETS_REQUIREMENTS", reasonOther} }

// checkAccreditationReason refuses a code that does not go with a decision, and another reason that nobody says.
func checkAccreditationReason(code, words string, codes []string, field string) *Error {
	if !slices.Contains(codes, code) {
		return invalid(ReasonDecisionReason, "reason_code", "the reason code is none of %v", codes)
	}
	if code == reasonOther && words == "" {
		return invalid(ReasonNoteMissing, field, "another reason is said in words")
	}
	return checkText(field, words, 0, maxReasonCharacters)
}

// AccreditationReason says the code of a decision in words; no words for one that there is not.
func AccreditationReason(code string) Text {
	switch code {
	case "MEETS_REQUIREMENTS":
		return Text{ZH: "符合认证要求。", EN: "It meets the requirements."}
	case "STILL_MEETS_REQUIREMENTS":
		return Text{ZH: "复审后仍符合认证要求。", EN: "It still meets the requirements."}
	case "DOCUMENTS_MISSING":
		return Text{ZH: "申请材料不全。", EN: "Documents are missing."}
	case "DOCUMENTS_UNCLEAR":
		return Text{ZH: "申请材料不清楚，需要说明。", EN: "The documents are not clear and need to be explained."}
	case "REQUIREMENTS_NOT_MET":
		return Text{ZH: "不符合认证要求。", EN: "It does not meet the requirements."}
	case "STAFF_NOT_QUALIFIED":
		return Text{ZH: "师资不符合要求。", EN: "The teachers are not qualified for it."}
	case "CONTENT_UNSUITABLE":
		return Text{ZH: "内容不适合认证。", EN: "The content is not suitable."}
	case "DUPLICATE":
		return Text{ZH: "与已认证的课程或机构重复。", EN: "It doubles what is accredited already."}
	case "QUALITY":
		return Text{ZH: "教学质量问题。", EN: "The quality of teaching."}
	case "FRAUD":
		return Text{ZH: "涉嫌弄虚作假。", EN: "Suspicion of fraud."}
	case "OWN_WISH":
		return Text{ZH: "机构自行提出。", EN: "The organization wished so."}
	case "CORRECTED":
		return Text{ZH: "问题已整改。", EN: "What was wrong has been mended."}
	case reasonOther:
		return Text{ZH: "其他原因，见说明。", EN: "Another reason, see the words."}
	default:
		return Text{}
	}
}
