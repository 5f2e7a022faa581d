package district

import (
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Applicant is an organization without a role that applies for one.
type Applicant struct {
	Organization
	// Role is what it applies for, Statement what it says for itself.
	Role      ledgerv1.Role
	Statement string
	// Decision is what an officer decides, with reason and note; empty: it still waits.
	Decision   Verdict
	ReasonCode string
	Note       string
	// Appeal is what it says against a refusal; empty: it does not appeal. Heard says that another officer accredits it.
	Appeal string
	Heard  bool
	// Tier is the trust with which it is accredited.
	Tier int
}

// Verdict is a decision on an applicant.
type Verdict string

// The verdicts; none while it waits.
const (
	Accredited Verdict = "accredit"
	Refused    Verdict = "refuse"
	Returned   Verdict = "return"
)

// Applicants are organizations below the root that want to take part, one in each state of an application.
func Applicants() []Applicant {
	const platform, provider = ledgerv1.Role_ROLE_PLATFORM, ledgerv1.Role_ROLE_PROVIDER
	applicants := []Applicant{
		{
			Organization: Organization{ID: "reading-room", Name: "悦读公益书房"}, Role: provider, Statement: "每周两次亲子阅读，有固定教师",
			Decision: Accredited, ReasonCode: "MEETS_REQUIREMENTS", Tier: 2,
		},
		{
			Organization: Organization{ID: "sports-hall", Name: "文体中心预约平台"}, Role: platform, Statement: "线下课程签到",
			Decision: Returned, ReasonCode: "DOCUMENTS_MISSING", Note: "请补充等级保护备案证明",
		},
		{
			Organization: Organization{ID: "tea-museum", Name: "龙井茶文化馆"}, Role: provider, Statement: "茶文化体验课程",
			Decision: Refused, ReasonCode: "STAFF_NOT_QUALIFIED", Note: "授课人员没有资格证明", Appeal: "资格证明已补办", Heard: true, Tier: 1,
		},
		{
			Organization: Organization{ID: "quick-credits", Name: "速学在线"}, Role: platform, Statement: "海量视频课程",
			Decision: Refused, ReasonCode: "REQUIREMENTS_NOT_MET", Note: "无法证明学习者本人在学", Appeal: "已上线抽查拍照",
		},
		{Organization: Organization{ID: "garden-club", Name: "花友园艺社"}, Role: provider, Statement: "社区园艺课程"},
	}
	for i := range applicants {
		applicants[i].Code, applicants[i].Parent, applicants[i].TrustTier = code(950+i), Root, 1
	}
	return applicants
}

// Change is what happens to a course after it was accredited.
type Change struct {
	Provider, Title string
	Change          ledgerv1.CourseChange
	// From and Until are days after the district's day.
	From, Until        int
	ReasonCode, Reason string
}

// Changes are what happens to courses: one is suspended for a month, and one whose time was over is renewed for a year.
func Changes() []Change {
	return []Change{
		{"school-zhuantang", "青瓷手作", ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED, 1, 30, "QUALITY", "电窑检修"},
		{Root, "文明礼仪线上课", ledgerv1.CourseChange_COURSE_CHANGE_RENEWED, 0, 365, "STILL_MEETS_REQUIREMENTS", ""},
	}
}
