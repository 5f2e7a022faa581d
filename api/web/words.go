package web

import (
	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// phrases are the words of the templates, by name: all of them are here, and a template that names another one is found
// when pages are read. Words that depend on a value are in the methods of language below and in errors.go.
func phrases() map[string]phrase {
	return map[string]phrase{
		// On every page
		"colon":     {"：", ": "},
		"dash":      {"——", " – "},
		"skip":      {"跳到正文", "Skip to the content"},
		"size":      {"字号", "Text"},
		"language":  {"语言", "Language"},
		"sign-out":  {"退出登录", "Sign out"},
		"log":       {"公开账本", "The public log"},
		"log-head":  {"最新签名", "newest signed checkpoint"},
		"log-key":   {"验证公钥", "verifier key"},
		"log-words": {"每条记录都在公开账本中留有“指纹”，其中不含姓名、证件和账号；任何人都可以验证记录没有被改动过。", "Every entry leaves a fingerprint in a public log. It holds no name, document or account number, and lets anybody check that nothing was rewritten."},

		// Sign-in
		"sign-in":         {"登录", "Sign in"},
		"sign-in-ended":   {"登录已过期，请重新登录。", "Your sign-in has ended. Please sign in again."},
		"sign-in-refused": {"这个登录凭证无效或已过期。请检查是否完整复制，或重新获取一个。", "This token is not valid, or no longer. Please check that you copied all of it, or get a new one."},
		"sign-in-lead":    {"登录后可以查看自己的终身学习档案。", "Sign in to see your lifelong learning record."},
		"sign-in-how":     {"目前登录需要一个“登录凭证”：由本行的登录服务发给您的一长串字符。请把它完整复制，粘贴到下面的框里。", "For now you sign in with a token: a long string of characters that the bank's sign-in service gave you. Please copy all of it into the field below."},
		"sign-in-care":    {"凭证只在短时间内有效，相当于您的钥匙，请不要发给别人。在公用电脑上用完后，请退出登录。", "A token is valid for a short time only. It is your key: send it to nobody. On a shared computer, sign out when you are done."},
		"token":           {"登录凭证", "Sign-in token"},
		"demo":            {"演示：选择一位人物", "Demonstration: choose a person"},
		"demo-words":      {"这是演示系统，以下人物和记录都是虚构的。点选一位即可登录。", "This is a demonstration: the people below and their records are invented. Choose one to sign in."},

		// The record
		"portfolio":          {"我的终身学习档案", "My lifelong learning record"},
		"account":            {"学分银行账号", "Account number"},
		"status":             {"账户状态", "Status"},
		"totals":             {"总览", "At a glance"},
		"points":             {"积分", "Reward points"},
		"points-words":       {"鼓励学习的积分，按学习时长记录；兑换功能尚未开通。积分不是学分，也不能换成学分。", "An encouragement, counted by the time learned; they cannot be spent yet. Points are no credits, and never become any."},
		"categories":         {"分类学分", "By category"},
		"categories-words":   {"横条表示各类学分的多少：实色为可用，虚线框为待计入。", "The bars compare the credits: solid for available, dashed for pending."},
		"category":           {"类别和学习时间", "Category and time learned"},
		"credits":            {"可用学分", "Credits"},
		"sum":                {"合计", "All"},
		"and-pending":        {"另有 %s 待计入", "and %s pending"},
		"requirements":       {"年度学习要求", "What a year asks for"},
		"requirements-words": {"对照本区规则。是否达到要求，不影响已经获得的学分。", "By the rules of the district. Met or not, the credits that you have stay yours."},
		"requirements-older": {"更早的年份", "Earlier years"},
		"met":                {"已达到", "Met"},
		"not-met":            {"尚未达到", "Not met yet"},
		"transfers":          {"学分转换", "Transfers"},
		"transfers-words":    {"院校接受的学分用于其专业，不能收回；等待答复期间学分为您预留，未被接受的会退回。", "What an institution takes counts towards its programme, for good. While it decides, the credits are reserved; what it does not take comes back to you."},
		"jump":               {"本页内容", "On this page"},
		"timeline":           {"学习记录", "What I learned"},
		"timeline-words":     {"最近的排在最前。点开“为什么是这个结果”，可以看到每个数字是怎么来的。", "The newest comes first. Open “Why this result” to see where each number comes from."},
		"timeline-empty":     {"还没有学习记录。在合作平台或社区学校学习以后，记录会出现在这里。", "Nothing yet. What you learn on a partner platform or at a community school will appear here."},
		"why":                {"为什么是这个结果", "Why this result"},
		"why-none":           {"没有留下说明。", "No reasons were recorded."},
		"rules":              {"依据", "Decided under"},
		"case":               {"审核", "Review"},
		"case-steps":         {"审核经过", "How the review went"},
		"case-number":        {"案件 %d", "case %d"},
		"officer":            {"认证员说明", "From the officer"},
		"opening":            {"期初余额", "Opening balance"},
		"claim":              {"先前学习认定", "Claim to prior learning"},
		"merged":             {"并入", "From your other account"},
		"merged-words":       {"本条原在您的另一个账户中，账户合并时由三名工作人员经办并入，按合并后的学习情况重新查重并核算上限。", "This was on another account of yours. Three officers made one of the two, and duplicates and caps were worked out anew for both together."},
		"source":             {"来源", "Source"},
		"opening-source":     {"来自哪里", "Where it comes from"},
		"opening-words":      {"这是在本行启用之前取得的，由两名认证员核对后转入；不受现行上限和登记期限的限制。", "This was earned before the bank began, and taken over after two officers had checked it. Today's limits and deadlines do not apply to it."},
		"older":              {"更早的记录", "Earlier entries"},
		"newest":             {"回到最新的记录", "Back to the newest entries"},
		"entry":              {"账本编号", "Log entry"},
		"recorded":           {"%s登记", "recorded on %s"},
		"version":            {"（版本 %s）", " (version %s)"},
		"pages":              {"翻页", "Pages"},
		"log-size":           {"本页依据公开账本的前 %d 条记录。", "This page follows the first %d entries of the public log."},

		// Taking the record along
		"export":                {"带走我的档案", "Take my record along"},
		"export-words":          {"把学习记录下载成一个文件，可以留存，也可以交给其他学校或单位。", "Download what you learned as a file, to keep, or to hand to a school or an employer."},
		"export-format":         {"文件格式", "Form of the file"},
		"export-less":           {"只要一部分记录", "Only a part of it"},
		"export-period":         {"按学习结束的日期选择", "By the day on which the learning ended"},
		"export-from":           {"开始日期", "First day"},
		"export-to":             {"结束日期", "Last day"},
		"export-earned":         {"只要已认定的记录", "Only what was awarded"},
		"export-best":           {"同一门课程合并为一条，取最好成绩", "One entry for each course, with its best score"},
		"export-codes":          {"学校要求填写的代码", "Codes that schools ask for"},
		"export-codes-words":    {"只用于电子表格、文本表格和转换表格，只有学校知道。可以全部不填，不填的在表格里留空。", "For the tables of deposits and of conversions: what only a school knows. All of it may be left empty, and stays empty then."},
		"export-identity":       {"写入我的姓名和证件号码", "Include my name and document number"},
		"export-identity-words": {"不勾选时，姓名和证件号码会隐去大部分。勾选后，还会写入账号和出生日期，请只交给您信任的单位。", "Otherwise most of both is masked. With it, account number and birth date are in the file, too: hand it only to those whom you trust."},
		"export-submit":         {"下载文件", "Download the file"},
		// Who looked
		"looks":          {"谁看过我的档案", "Who looked at my record"},
		"looks-words":    {"除您本人以外，每次查看都会记录在这里，至少保留一年。没有您的授权，任何机构都得不到您的学习记录。", "Every look but your own is noted here, and kept for at least a year. Without your consent no institution is told anything of your record."},
		"consents":       {"目前有效的授权", "Who may ask at present"},
		"accesses":       {"最近的查看", "Who looked last"},
		"accesses-empty": {"还没有人查看过。", "Nobody has looked yet."},
		"accesses-more":  {"这里只列出最近的查看；更早的可向社区学校的工作人员查询。", "Only the newest are listed; ask at a community school for those before them."},
		// Catalogue
		"courses":         {"课程目录", "Courses"},
		"courses-words":   {"这里的课程都经过认证，按规则学完可以计入学分。", "All courses here are accredited: whoever completes one by the rules earns credits."},
		"courses-search":  {"课程、机构或编号", "Title, school or code"},
		"courses-find":    {"查找", "Search"},
		"courses-all":     {"全部课程", "All courses"},
		"courses-none":    {"没有找到这样的课程，请换个词再试。", "No such course was found. Try another word."},
		"courses-more":    {"后面的课程", "More courses"},
		"course-level":    {"等级", "Level"},
		"course-code":     {"课程编号", "Code"},
		"course-days":     {"有效期", "Counts"},
		"course-paused":   {"暂停", "Suspended"},
		"course-capacity": {"每班最多 %d 人", "at most %d at once"},

		// Public notices
		"notices":       {"公示", "Public notices"},
		"notices-words": {"下列学习记录已经审核通过，公示期满无异议后计入学分。姓名已隐去部分文字。有异议的，请在公示期内凭案件编号提出，由没有参与审核的认证员核实。", "These completions were approved, and count when nobody has objected in time. Names are masked. Whoever objects names the case in time; an officer who has not judged it looks into it."},
		"notices-empty": {"目前没有公示。", "Nothing is under public notice at the moment."},
		"notices-more":  {"后面的公示", "More notices"},
		"notice-ended":  {"学习结束于 %s", "ended on %s"},
		"notice-until":  {"公示至 %s（含）", "until the end of %s"},

		// Plain words
		"legend":             {"这些词是什么意思", "What these words mean"},
		"legend-hours":       {"学时", "Learning hour"},
		"legend-hours-words": {"计算学习时间的单位，1 学时为 %d 分钟。学了多久，就记多少学时。", "The unit in which time spent learning is counted: one is %d minutes."},
		"legend-hours-plain": {"计算学习时间的单位。学了多久，就记多少学时。", "The unit in which time spent learning is counted."},
		"legend-credits":     {"学分", "Credit"},
		"legend-credits-words": {
			"学时按公布的规则认定后得到学分。学分可以一直积累。",
			"What certified learning hours become under the published rules. Credits add up over a lifetime.",
		},
		"legend-pending": {"待计入", "Pending"},
		"legend-pending-words": {
			"已经认定，但超出了一段时间内的上限。它不会丢失，有余量时会自动变为可用。",
			"Certified, but above what counts in one period. It is not lost: it becomes available when there is room.",
		},
		"legend-review": {"待审核", "In review"},
		"legend-review-words": {
			"规则要求由认证员看过再决定。决定之前，暂不计学时和学分。",
			"The rules want an officer to look first. Until the decision it counts neither hours nor credits.",
		},
		"legend-duplicate": {"重复", "Duplicate"},
		"legend-duplicate-words": {
			"同样的内容已经计过一次，不再重复计算。",
			"The same learning counts already, so it does not count again.",
		},
		"legend-entry": {"账本编号", "Log entry"},
		"legend-entry-words": {
			"这条记录在公开账本中的位置。凭它可以证明记录确实存在，而且没有被改过。",
			"The place of an entry in the public log. With it you can prove that it exists and was never changed.",
		},
	}
}

// outcome is a result as its badge says it: a sign, for those who do not see colours, and a word.
func (l language) outcome(o ledgerv1.Outcome) (sign, word string) {
	switch o {
	case ledgerv1.Outcome_OUTCOME_AWARDED:
		return "✓", l.say("已认定", "Awarded")
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		return "…", l.say("待审核", "In review")
	case ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		return "○", l.say("仅计学时", "Hours only")
	case ledgerv1.Outcome_OUTCOME_DUPLICATE:
		return "＝", l.say("重复", "Duplicate")
	case ledgerv1.Outcome_OUTCOME_VOIDED:
		return "↩", l.say("已撤回", "Withdrawn")
	case ledgerv1.Outcome_OUTCOME_REFUSED:
		return "✕", l.say("不予认定", "Refused")
	case ledgerv1.Outcome_OUTCOME_WITHDRAWN:
		return "–", l.say("已放弃", "Given up")
	default:
		return "?", l.say("未知", "Unknown")
	}
}

// nothing says why an outcome counts neither hours nor credits; empty where it counts some.
func (l language) nothing(o ledgerv1.Outcome) string {
	switch o {
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		return l.say("等待认证员决定，暂不计学时和学分", "An officer decides; until then nothing counts")
	case ledgerv1.Outcome_OUTCOME_DUPLICATE:
		return l.say("不重复计算学时和学分", "Does not count again")
	case ledgerv1.Outcome_OUTCOME_VOIDED:
		return l.say("已由提交平台撤回，不再计算", "Taken back by its platform; it counts no more")
	case ledgerv1.Outcome_OUTCOME_REFUSED:
		return l.say("不计学时和学分", "Counts neither hours nor credits")
	case ledgerv1.Outcome_OUTCOME_WITHDRAWN:
		return l.say("学习者已放弃认定，不计学时和学分", "Given up by its learner; it counts neither hours nor credits")
	default:
		return ""
	}
}

// outcomeClass is the outcome for the stylesheet.
func outcomeClass(o ledgerv1.Outcome) string {
	switch o {
	case ledgerv1.Outcome_OUTCOME_AWARDED:
		return "awarded"
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		return "review"
	case ledgerv1.Outcome_OUTCOME_REFUSED:
		return "refused"
	default:
		return "neutral"
	}
}

// stage is a step of judging.
func (l language) stage(s ledgerv1.Stage) string {
	switch s {
	case ledgerv1.Stage_STAGE_ELIGIBILITY:
		return l.say("资格", "Eligibility")
	case ledgerv1.Stage_STAGE_HOURS:
		return l.say("学时", "Hours")
	case ledgerv1.Stage_STAGE_DUPLICATES:
		return l.say("查重", "Duplicates")
	case ledgerv1.Stage_STAGE_CONVERSION:
		return l.say("折算", "Conversion")
	case ledgerv1.Stage_STAGE_CAPS:
		return l.say("上限", "Limit")
	case ledgerv1.Stage_STAGE_ROUNDING:
		return l.say("取整", "Rounding")
	case ledgerv1.Stage_STAGE_REVIEW:
		return l.say("审核", "Review")
	case ledgerv1.Stage_STAGE_VALIDITY:
		return l.say("有效期", "Validity")
	case ledgerv1.Stage_STAGE_DECISION:
		return l.say("认证员决定", "Decision")
	case ledgerv1.Stage_STAGE_POINTS:
		return l.say("积分", "Points")
	default:
		return l.say("说明", "Note")
	}
}

// chain is the number before a step and after it. Minutes become credits in conversion, and points in theirs.
func (l language) chain(s ledgerv1.Stage, before, after int64) string {
	minutes := func(n int64) string { return l.minutes(unit.Minutes(n)) }
	credits := func(n int64) string { return l.credits(unit.Credits(n)) }
	from, to := credits, credits
	switch s {
	case ledgerv1.Stage_STAGE_ELIGIBILITY, ledgerv1.Stage_STAGE_HOURS, ledgerv1.Stage_STAGE_DUPLICATES:
		from, to = minutes, minutes
	case ledgerv1.Stage_STAGE_CONVERSION:
		from = minutes
	case ledgerv1.Stage_STAGE_POINTS:
		from, to = minutes, func(n int64) string { return l.points(unit.Points(n)) }
	default:
	}
	return from(before) + " → " + to(after)
}

// accountStatus says how an account stands.
func (l language) accountStatus(s ledgerv1.AccountStatus) string {
	switch s {
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL:
		return l.say("临时账户，身份证件尚未核验", "Provisional: no identity document was checked yet")
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED:
		return l.say("身份已核验", "Identity verified")
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_FROZEN:
		return l.say("暂时冻结", "Frozen for the time being")
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED:
		return l.say("已并入另一账户", "Merged into another account")
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_CLOSED:
		return l.say("已注销", "Closed")
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_ERASED:
		return l.say("已删除", "Erased")
	default:
		return l.say("未知", "Unknown")
	}
}

// decisionReason says an officer's reason; a code that is not known here is shown as it is.
func (l language) decisionReason(code string) string {
	if words := l.text(api.DecisionReasonWords(code)); words != "" {
		return words
	}
	return code
}
