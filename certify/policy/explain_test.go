package policy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func TestExplain(t *testing.T) {
	p := defaultPolicy(t)
	for _, c := range []struct {
		reason policy.Reason
		zh, en string
	}{
		{
			policy.Reason{Stage: eligibility, Rule: "attendance", Before: 100, After: 100},
			"出勤不足 80%（迟到 3 次计缺勤 1 次）：2 学时 10 分钟（100 分钟） 计入学时，不计学分。",
			"Attendance is below 80 % (three times late is once absent). 2 learning hours 10 minutes (100 minutes) count as hours, without credits.",
		},
		{policy.Reason{Stage: hours, Rule: policy.AsPosted, Before: 90, After: 90}, "计入学时：2 学时（90 分钟）。", "Counted: 2 learning hours (90 minutes)."},
		{policy.Reason{Stage: hours, Rule: "online-hours", Before: 46, After: 46}, "计入学时：1 学时 1 分钟（46 分钟）。", "Counted: 1 learning hour 1 minute (46 minutes)."},
		{
			policy.Reason{Stage: hours, Rule: "online-hours", Before: 240, After: 180, Limit: 180},
			"线上学习登记 5 学时 15 分钟（240 分钟）；每日最多计 4 学时，且不超过课程核定学时，此处上限为 4 学时（180 分钟），计 4 学时（180 分钟）。",
			"5 learning hours 15 minutes (240 minutes) were posted online; at most 4 learning hours a day count, and never more than the course was approved for. The limit here is 4 learning hours (180 minutes): 4 learning hours (180 minutes) count.",
		},
		{policy.Reason{Stage: duplicates, Rule: "same-course", Before: 90, After: 90}, "本次成绩更好，取代此前的同类学习记录。", "The score is better: this takes the place of the earlier completion."},
		{policy.Reason{Stage: duplicates, Rule: "same-course", Before: 90}, "同类课程已经计入，本次 2 学时（90 分钟） 不重复计算。", "An equivalent course counts already, so these 2 learning hours (90 minutes) do not count again."},
		{policy.Reason{Stage: duplicates, Rule: "two-places", Before: 90, Limit: 10, Carried: 11}, "与其他平台的学习时间重叠 11 分钟（允许 10 分钟）：2 学时（90 分钟） 待认证员核实后决定。", "This overlaps with learning on another platform by 11 minutes (10 minutes are allowed). An officer decides on the 2 learning hours (90 minutes)."},
		{policy.Reason{Stage: conversion, Rule: "class-credits", Before: 90, After: 150, Limit: 720, Carried: 18}, "每 16 学时折合 1 学分：2 学时（90 分钟），加上此前结余 18 分钟，折合 0.15 学分。", "16 learning hours make one credit: 2 learning hours (90 minutes), with 18 minutes left over from earlier classes, make 0.15 credits."},
		{policy.Reason{Stage: caps, Rule: "half-year", Before: 1000, After: 0, Limit: 24000, Carried: 1000}, "每半年最多计入 24 学分：其中 1 学分 暂缓计入，有余量时自动转为可用。", "At most 24 credits count in a half-year. 1 credit wait, and become available when there is room."},
		{policy.Reason{Stage: rounding, Rule: "tenths", Before: 125, After: 100, Limit: 100, Carried: 1}, "学分以 0.1 学分 为一级：本次计 0.1 学分，余下 1 分钟 留待同一课程下次学习。", "Credits are given in steps of 0.1 credits. This time 0.1 credits count, and 1 minute stay for the next class of the course."},
		{policy.Reason{Stage: rounding, Rule: "tenths", Before: 125, After: 100, Limit: 100}, "按 0.1 学分 为一级取整：计 0.1 学分。", "Rounded to a step of 0.1 credits: 0.1 credits."},
		{policy.Reason{Stage: review, Rule: "posted-late", Before: 100}, "学习结束 90 天以后才登记，由认证员审核后决定。", "This was posted more than 90 days after the learning ended; an officer decides."},
		{policy.Reason{Stage: review, Rule: "site-crowd", Before: 100, Limit: 90, Carried: 91}, "该教学点一小时内结束的学习已有 91 人次，超过容量的三倍（90 人次），由认证员核实后决定。", "91 completions on this site ended within one hour, more than three times what it holds (90 completions); an officer decides."},
		{policy.Reason{Stage: review, Rule: "of another version", Limit: 1, Carried: 2}, "同一小时内的学习记录已达 2 人次，超过 1 人次，由认证员核实后决定。", "2 completions ended within the same hour, more than 1 completion; an officer looks at them and decides."},
		{policy.Reason{Stage: validity, Rule: "of another version", Before: 100, After: 100, Limit: 84}, "学分自学习结束之日起 84 个月内有效。", "The credits are valid for 84 months from the end of the learning."},
	} {
		if got := p.Explain(c.reason, "zh"); got != c.zh {
			t.Errorf("%+v\n%s, want\n%s", c.reason, got, c.zh)
		}
		if got := p.Explain(c.reason, "en"); got != c.en {
			t.Errorf("%+v\n%s, want\n%s", c.reason, got, c.en)
		}
	}
}

// Every rule of the default policy and everything of the bank's own is said in both languages, with every placeholder filled.
func TestExplainLeavesNothingOut(t *testing.T) {
	p := defaultPolicy(t)
	m := p.Message()
	var reasons []policy.Reason
	add := func(stage ledgerv1.Stage, rule string) {
		for _, r := range []policy.Reason{{Before: 90, After: 30, Limit: 60, Carried: 10}, {Before: 90, After: 90}, {Before: 90}, {}} {
			r.Stage, r.Rule = stage, rule
			reasons = append(reasons, r)
		}
	}
	for _, r := range m.GetEligibility() {
		add(eligibility, r.GetId())
	}
	for _, r := range m.GetHours() {
		add(hours, r.GetId())
	}
	add(duplicates, m.GetDuplicates().GetId())
	add(duplicates, m.GetOverlap().GetId())
	for _, r := range m.GetConversion() {
		add(conversion, r.GetId())
	}
	for _, r := range m.GetCaps() {
		add(caps, r.GetId())
	}
	for _, r := range m.GetRounding() {
		add(rounding, r.GetId())
	}
	for _, r := range m.GetReview() {
		add(review, r.GetId())
	}
	for _, r := range m.GetRates() {
		add(review, r.GetId())
	}
	for _, r := range m.GetValidity() {
		add(validity, r.GetId())
	}
	if rules := len(reasons) / 4; rules != 20 {
		t.Errorf("the default policy has %d rules that leave reasons, want 20", rules)
	}
	for stage := eligibility; stage <= decision; stage++ {
		for _, own := range []string{
			"", policy.PolicyError, policy.KeySuspect, policy.Held, policy.ClosedPeriod, policy.UnknownCategory, policy.AsPosted, policy.NoRule,
			policy.Approved, policy.HoursOnly,
		} {
			add(stage, own)
		}
	}
	han := regexp.MustCompile(`\p{Han}`)
	for _, r := range reasons {
		zh, en := p.Explain(r, "zh"), p.Explain(r, "en")
		if !han.MatchString(zh) || han.MatchString(en) || en == "" || strings.ContainsAny(zh+en, "{}") {
			t.Errorf("%+v: %q, %q", r, zh, en)
		}
	}
	for _, lang := range []string{"zh", "en"} {
		for _, s := range p.Requirements(2026, nobody) {
			if words := p.ExplainRequirement(s, lang); words == "" || strings.ContainsAny(words, "{}") {
				t.Errorf("%+v: %q", s, words)
			}
			s.Rule = "of another version"
			if words := p.ExplainRequirement(s, lang); words == "" || strings.ContainsAny(words, "{}") {
				t.Errorf("%+v: %q", s, words)
			}
		}
	}
}
