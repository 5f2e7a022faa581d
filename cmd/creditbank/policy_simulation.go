package main

import (
	"fmt"
	"strings"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// printSimulation says what a draft would do.
func printSimulation(p *process, l language, r *creditbankv1.SimulationResult) {
	t := &table{}
	t.row(l.say("规则", "policy"), clean(r.GetPolicyHash()))
	t.row(l.say("账本", "log"), fmt.Sprintf(l.say("%d 条", "%d entries"), r.GetLogSize()))
	t.row(l.say("学习记录", "completions"), fmt.Sprintf(
		l.say("%d 条：重新认定 %d 条（其中适用本规则 %d 条），保留认证员决定 %d 条，已注销学员 %d 条",
			"%d: %d judged anew (%d by this policy), %d kept as an officer decided, %d of people who were forgotten"),
		r.GetCompletions(), r.GetJudged(), r.GetJudgedByDraft(), r.GetKeptDecided(), r.GetKeptErased()))
	t.row(l.say("账户", "accounts"), fmt.Sprintf(l.say("增加 %d 个，减少 %d 个，不变 %d 个", "%d gain, %d lose, %d have the same"),
		r.GetAccountsGaining(), r.GetAccountsLosing(), r.GetAccountsSame()))
	t.write(p.stdout)

	fmt.Fprintln(p.stdout)
	t = &table{right: []int{1, 2, 3}}
	change := func(name, before, after, difference string) {
		t.row(name, before, after, difference)
	}
	change("", l.say("现在", "before"), l.say("试算", "after"), l.say("变化", "change"))
	before, after := r.GetBefore(), r.GetAfter()
	change(l.say("学时（分钟）", "minutes"), itoa(before.GetMinutes()), itoa(after.GetMinutes()), signed(itoa(after.GetMinutes()-before.GetMinutes())))
	credits := func(name string, before, after int64) {
		change(name, l.credits(before), l.credits(after), signed(l.credits(after-before)))
	}
	credits(l.say("可用学分", "credits available"), before.GetAvailableMilliCredits(), after.GetAvailableMilliCredits())
	credits(l.say("待放学分", "credits that wait"), before.GetPendingMilliCredits(), after.GetPendingMilliCredits())
	for _, c := range r.GetCategories() {
		credits("  "+clean(c.GetCategory()), issued(c.GetBefore()), issued(c.GetAfter()))
	}
	change(l.say("认证员案件", "cases for officers"), itoa(r.GetCasesBefore()), itoa(r.GetCasesAfter()), signed(itoa(r.GetCasesAfter()-r.GetCasesBefore())))
	for _, c := range r.GetCauses() {
		change("  "+clean(c.GetCause()), itoa(c.GetBefore()), itoa(c.GetAfter()), signed(itoa(c.GetAfter()-c.GetBefore())))
	}
	t.write(p.stdout)

	printOutcomes(p, l, r.GetOutcomes())
	printAccounts(p, l, l.say("学分增加最多", "gain most"), r.GetGainers())
	printAccounts(p, l, l.say("学分减少最多", "lose most"), r.GetLosers())
	if indexes := r.GetPolicyErrorIndexes(); len(indexes) > 0 {
		fmt.Fprintf(p.stdout, l.say("\n条件无法计算的学习记录（账本编号）：%s\n", "\nA condition could not be worked out for the completions of entries %s.\n"),
			strings.Trim(fmt.Sprint(indexes), "[]"))
	}
	if r.GetCompletions() > 0 && r.GetJudgedByDraft() == 0 {
		fmt.Fprintln(p.stdout, l.say("\n没有学习记录适用本规则：结束日期都不在其生效期内。--any-day 不看生效期。",
			"\nNothing was judged by this policy: no learning ended on the days for which it is. --any-day tries it all the same."))
	}
}

// printOutcomes lists what becomes of completions, those of which nothing else becomes left out.
func printOutcomes(p *process, l language, outcomes []*creditbankv1.SimulationOutcomes) {
	t := &table{right: []int{2}}
	t.row(l.say("现在", "before"), l.say("试算", "after"), l.say("学习记录", "completions"))
	for _, o := range outcomes {
		if o.GetBefore() != o.GetAfter() {
			t.row(l.outcome(o.GetBefore()), l.outcome(o.GetAfter()), itoa(o.GetCompletions()))
		}
	}
	if len(t.rows) > 1 {
		fmt.Fprintln(p.stdout)
		t.write(p.stdout)
	}
}

func printAccounts(p *process, l language, title string, accounts []*creditbankv1.SimulationAccount) {
	if len(accounts) == 0 {
		return
	}
	fmt.Fprintln(p.stdout)
	t := &table{right: []int{1, 2, 3}}
	t.row(title, l.say("现在", "before"), l.say("试算", "after"), l.say("变化", "change"))
	for _, a := range accounts {
		before, after := issued(a.GetBefore()), issued(a.GetAfter())
		t.row(clean(a.GetAccountId()), l.credits(before), l.credits(after), signed(l.credits(after-before)))
	}
	t.write(p.stdout)
}

// issued are the credits that there are, those that wait included.
func issued(t *creditbankv1.SimulationTotals) int64 {
	return t.GetAvailableMilliCredits() + t.GetPendingMilliCredits()
}

// signed is a difference with its sign.
func signed(n string) string {
	if strings.HasPrefix(n, "-") || strings.Trim(n, "0.") == "" {
		return n
	}
	return "+" + n
}
