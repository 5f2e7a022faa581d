package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type portfolioCommand struct {
	Account  string `placeholder:"ID" help:"Opaque id of the account (32 hex digits); residents leave it out: their own."`
	Category string `placeholder:"ID" help:"Only entries of this category."`
	Limit    int    `default:"50" help:"Most entries, those that ended last first; 0: all (${default})."`
}

// Run shows the record.
func (c *portfolioCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.Limit < 0 {
		return usagef("--limit: it is 0 or more")
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewPortfolioServiceClient(conn)

	totalsContext, done := g.call(ctx)
	defer done()
	answer, err := client.GetPortfolio(totalsContext, &creditbankv1.GetPortfolioRequest{AccountId: c.Account})
	if err != nil {
		return err
	}
	portfolio := answer.GetPortfolio()
	portfolio.Entries, err = pages(func(token string) ([]*creditbankv1.PortfolioEntry, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
			AccountId: c.Account, PageToken: token, Category: c.Category, View: creditbankv1.View_VIEW_FULL,
		})
		return page.GetEntries(), page.GetNextPageToken(), err
	}, c.Limit)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, portfolio)
	}
	l := g.language(p)
	fmt.Fprintf(p.stdout, l.say("账户 %s，共 %d 条学习记录\n\n", "Account %s, %d entries\n\n"), clean(portfolio.GetAccountId()), portfolio.GetEntryCount())
	printTotals(p, l, portfolio)
	printPoints(p, l, portfolio.GetPoints())
	printRequirements(p, l, portfolio.GetRequirements())
	printEntries(p, l, portfolio)
	return nil
}

// printTotals shows what every resident has, and the rarer states where somebody is in them.
func printTotals(p *process, l language, portfolio *creditbankv1.Portfolio) {
	columns := []struct {
		name  string
		of    func(*creditbankv1.Totals) int64
		maybe bool
	}{
		{l.say("学分", "credits"), (*creditbankv1.Totals).GetIssuedMilliCredits, false},
		{l.say("可用", "available"), (*creditbankv1.Totals).GetAvailableMilliCredits, false},
		{l.say("待定", "pending"), (*creditbankv1.Totals).GetPendingMilliCredits, true},
		{l.say("预留", "reserved"), (*creditbankv1.Totals).GetReservedMilliCredits, true},
		{l.say("已转换", "transferred"), (*creditbankv1.Totals).GetTransferredMilliCredits, true},
		{l.say("已过期", "expired"), (*creditbankv1.Totals).GetExpiredMilliCredits, true},
		{l.say("已冲回", "reversed"), (*creditbankv1.Totals).GetReversedMilliCredits, true},
	}
	t, head := &table{}, []string{l.say("类别", "category"), l.say("学习时长", "learned")}
	shown := columns[:0]
	for _, column := range columns {
		if !column.maybe || column.of(portfolio.GetTotals()) != 0 {
			shown, head = append(shown, column), append(head, column.name)
		}
	}
	for i := range head[1:] {
		t.right = append(t.right, i+1)
	}
	t.row(head...)
	line := func(name string, totals *creditbankv1.Totals) {
		cells := []string{name, l.minutes(totals.GetMinutes())}
		for _, column := range shown {
			cells = append(cells, l.credits(column.of(totals)))
		}
		t.row(cells...)
	}
	for _, category := range portfolio.GetCategories() {
		name := l.text(category.GetName())
		if name == "" {
			name = clean(category.GetCategory())
		}
		line(name, category.GetTotals())
	}
	line(l.say("合计", "all"), portfolio.GetTotals())
	t.write(p.stdout)
}

// printPoints shows the reward points, apart from the credits: they are none.
func printPoints(p *process, l language, points *creditbankv1.PointTotals) {
	if points.GetMilliPoints() == 0 && points.GetLapsedMilliPoints() == 0 {
		return
	}
	fmt.Fprintf(p.stdout, l.say("\n积分（不是学分）：%v\n", "\nReward points, which are no credits: %v\n"), unit.Points(points.GetMilliPoints()))
	for _, lapse := range points.GetLapses() {
		if date := clean(lapse.GetLastDate()); date != "" {
			fmt.Fprintf(p.stdout, l.say("  %v 可用至 %s，逾期失效\n", "  %v until %s, then they lapse\n"), unit.Points(lapse.GetMilliPoints()), date)
		} else {
			fmt.Fprintf(p.stdout, l.say("  %v 长期有效\n", "  %v that do not lapse\n"), unit.Points(lapse.GetMilliPoints()))
		}
	}
	if lapsed := points.GetLapsedMilliPoints(); lapsed != 0 {
		fmt.Fprintf(p.stdout, l.say("  %v 已失效\n", "  %v have lapsed\n"), unit.Points(lapsed))
	}
	if points.GetWaitsForVerification() {
		fmt.Fprintln(p.stdout, l.say("  身份核验后方可使用", "  they can be spent once the account is verified"))
	}
}

func printRequirements(p *process, l language, requirements []*creditbankv1.RequirementProgress) {
	if len(requirements) == 0 {
		return
	}
	fmt.Fprintln(p.stdout)
	t := &table{right: []int{2, 3}}
	t.row(l.say("年度", "year"), l.say("达到要求", "met"), l.say("学习时长", "learned"), l.say("其中专业", "professional"), l.say("说明", ""))
	for _, r := range requirements {
		professional := ""
		if r.GetRequiredProfessionalMinutes() > 0 {
			professional = fmt.Sprintf("%d / %d", r.GetProfessionalMinutes(), r.GetRequiredProfessionalMinutes())
		}
		words := l.text(r.GetWords())
		if words == "" {
			words = clean(r.GetRule())
		}
		t.row(itoa(int64(r.GetYear())), l.yes(r.GetMet()), fmt.Sprintf("%d / %d", r.GetMinutes(), r.GetRequiredMinutes()), professional, words)
	}
	t.write(p.stdout)
}

func printEntries(p *process, l language, portfolio *creditbankv1.Portfolio) {
	if len(portfolio.GetEntries()) == 0 {
		return
	}
	fmt.Fprintln(p.stdout)
	t := &table{right: []int{0, 5, 6}}
	t.row(l.say("编号", "entry"), l.say("结束日期", "ended"), l.say("课程", "course"), l.say("提供者", "provider"), l.say("结果", "outcome"),
		l.say("时长", "learned"), l.say("学分", "credits"))
	for _, entry := range portfolio.GetEntries() {
		a := entry.GetAssessment()
		title, provider := clean(entry.GetCourseTitle()), clean(entry.GetProviderName())
		if title == "" {
			title = clean(entry.GetCourse())
		}
		if provider == "" {
			provider = clean(entry.GetProvider())
		}
		if opening := entry.GetOpeningBalance(); opening != nil {
			title, provider = clean(opening.GetTitle()), l.say("期初余额", "opening balance")
		}
		if claim := entry.GetClaim(); claim != nil {
			title, provider = clean(claim.GetTitle()), l.say("先前学习认定", "claim")
		}
		t.row(fmt.Sprint(entry.GetEntryIndex()), clean(entry.GetEndDate()), title, provider, l.outcome(a.GetOutcome()),
			l.minutes(a.GetMinutes()), l.credits(a.GetAvailableMilliCredits()+a.GetPendingMilliCredits()))
		printAssessment(t, l, a)
		if entry.GetMerged() {
			t.note(l.say("来自合并的另一账户", "came with another account of the same person"))
		}
		if opening := entry.GetOpeningBalance(); opening != nil {
			t.note(l.opening(opening))
		}
		if why := l.reasonWords(entry.GetDecisionReasonCode(), entry.GetDecisionReasonWords()); why != "" {
			t.note(l.say("认证员说明  ", "officer's reason  ") + why + "  " + clean(entry.GetDecisionNote()))
		}
		printProgress(t, l, entry.GetCase())
	}
	t.write(p.stdout)
	if more := portfolio.GetEntryCount() - int64(len(portfolio.GetEntries())); more > 0 {
		fmt.Fprintf(p.stdout, l.say("\n还有 %d 条记录未显示；--limit 0 显示全部。\n", "\n%d more; --limit 0 shows them all.\n"), more)
	}
}

// printProgress notes how the case on an entry stands, and what was said on the way there.
func printProgress(t *table, l language, progress *creditbankv1.CaseProgress) {
	if progress == nil {
		return
	}
	words := fmt.Sprintf(l.say("案件 %d  %s", "case %d  %s"), progress.GetCaseId(), l.caseState(progress.GetState()))
	if progress.GetDeadline() != nil {
		words += l.say("，至 ", ", until ") + when(progress.GetDeadline())
	}
	t.note(words)
	noteSteps(t, l, progress.GetSteps())
}

// printAssessment notes the reasons below the last row of a table.
func printAssessment(t *table, l language, a *creditbankv1.Assessment) {
	for _, reason := range a.GetReasons() {
		t.note(l.reason(reason))
	}
	if pending := a.GetPendingMilliCredits(); pending != 0 {
		t.note(fmt.Sprintf(l.say("其中 %s 学分待定", "%s credits of it are pending"), l.credits(pending)))
	}
	if causes := slices.Clone(a.GetCauses()); len(causes) > 0 {
		t.note(l.say("交认证员审核：", "an officer decides: ") + clean(fmt.Sprint(causes)))
	}
}
