package policy_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	eligibility = ledgerv1.Stage_STAGE_ELIGIBILITY
	hours       = ledgerv1.Stage_STAGE_HOURS
	duplicates  = ledgerv1.Stage_STAGE_DUPLICATES
	conversion  = ledgerv1.Stage_STAGE_CONVERSION
	caps        = ledgerv1.Stage_STAGE_CAPS
	rounding    = ledgerv1.Stage_STAGE_ROUNDING
	review      = ledgerv1.Stage_STAGE_REVIEW
	validity    = ledgerv1.Stage_STAGE_VALIDITY
	decision    = ledgerv1.Stage_STAGE_DECISION
	points      = ledgerv1.Stage_STAGE_POINTS

	awarded   = ledgerv1.Outcome_OUTCOME_AWARDED
	noCredit  = ledgerv1.Outcome_OUTCOME_NO_CREDIT
	duplicate = ledgerv1.Outcome_OUTCOME_DUPLICATE
	inReview  = ledgerv1.Outcome_OUTCOME_IN_REVIEW

	classroom   = statementv1.Mode_MODE_CLASSROOM
	online      = statementv1.Mode_MODE_ONLINE
	practice    = statementv1.Mode_MODE_PRACTICE
	lecture     = statementv1.Mode_MODE_LECTURE
	achievement = statementv1.Mode_MODE_ACHIEVEMENT

	defaultFile = "../../deploy/policies/xihu-2026.yaml"
)

// minimal is a policy without ornaments: 720 minutes a credit, in tenths, carried. Its last line is line 17.
const minimal = `id: test
version: "1"
organization: xihu-cc
title: {zh: 规则, en: Rules}
effective_from: "2024-03-30"
time_zone: Asia/Shanghai
learning_hour_minutes: 45
categories:
  - {id: civic, name: {zh: 公民素养, en: Civic}}
conversion:
  - id: class
    minutes_per_credit: 720
rounding:
  - id: tenths
    step_milli_credits: 100
    direction: DIRECTION_DOWN
    remainder: REMAINDER_CARRY
`

func compile(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func defaultPolicy(t testing.TB) *policy.Policy {
	t.Helper()
	text, err := os.ReadFile(defaultFile)
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, string(text))
}

func day(t testing.TB, s string) policy.Day {
	t.Helper()
	d, err := rules.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	moment, err := time.Parse("2006-01-02 15:04 -0700", s+" +0800")
	if err != nil {
		t.Fatal(err)
	}
	return moment.UTC()
}

// session is one of so many minutes that begins at a time of Hangzhou, and takes exactly as long.
func session(t testing.TB, begin string, minutes int) policy.Session {
	t.Helper()
	start := at(t, begin)
	return policy.Session{Start: start, End: start.Add(time.Duration(minutes) * time.Minute), Minutes: unit.Minutes(minutes)}
}

// class is a completion of the street school's course on 3 March 2026, posted the day after.
func class(t testing.TB, mode statementv1.Mode, sessions ...policy.Session) policy.Fact {
	t.Helper()
	return policy.Fact{
		Mode: mode, Sessions: sessions, Site: "cuiyuan/3", Platform: "cuiyuan-school", TrustTier: 2,
		PostedAt: sessions[len(sessions)-1].End.Add(24 * time.Hour),
		Provider: "cuiyuan-school", Course: "CIV-1", CourseVersion: "1", Category: "civic", Level: 1, NominalMinutes: 1440,
	}
}

func minutes(t testing.TB, mode statementv1.Mode, n int) policy.Fact {
	t.Helper()
	return class(t, mode, session(t, "2026-03-03 09:00", n))
}

// account is a standing in memory. It complains when it is asked for what the Prepared did not name.
type account struct {
	t         testing.TB
	prepared  *policy.Prepared
	remainder unit.Minutes
	days      map[policy.DayMinutes]unit.Minutes
	usage     map[string]unit.Credits
	busy      map[policy.Day][]policy.Busy
	crowds    map[uint64]int
	prior     *policy.Prior
	gone      unit.Credits
}

func (a *account) Remainder() unit.Minutes { return a.remainder }

func (a *account) DayMinutes(rule string, day policy.Day) unit.Minutes {
	if a.prepared != nil && !slices.Contains(a.prepared.Days(), day) {
		a.t.Errorf("asked for %v, not among %v", day, a.prepared.Days())
	}
	return a.days[policy.DayMinutes{Rule: rule, Day: day}]
}

func (a *account) Usage(key string) unit.Credits {
	if a.prepared != nil && !slices.Contains(a.prepared.CapKeys(), key) {
		a.t.Errorf("asked for %q, not among %q", key, a.prepared.CapKeys())
	}
	return a.usage[key]
}

func (a *account) Busy(day policy.Day) []policy.Busy {
	if a.prepared != nil && !slices.Contains(a.prepared.Days(), day) {
		a.t.Errorf("asked for %v, not among %v", day, a.prepared.Days())
	}
	return a.busy[day]
}

func (a *account) Crowd(key uint64) int {
	if a.prepared != nil && !slices.ContainsFunc(a.prepared.Crowds(), func(c policy.Crowd) bool { return c.Key == key }) {
		a.t.Errorf("asked for crowd %d, not among %v", key, a.prepared.Crowds())
	}
	return a.crowds[key]
}

func (a *account) Prior() (policy.Prior, bool) {
	if a.prior == nil {
		return policy.Prior{}, false
	}
	return *a.prior, true
}

func (a *account) Gone() unit.Credits { return a.gone }

// apply adds what an assessment adds.
func (a *account) apply(as policy.Assessment) {
	a.remainder += as.Remainder
	for _, d := range as.Days {
		a.days[policy.DayMinutes{Rule: d.Rule, Day: d.Day}] += d.Minutes
	}
	for _, u := range as.Usage {
		a.usage[u.Key] += u.Credits
	}
}

func empty(t testing.TB) *account {
	t.Helper()
	return &account{
		t: t, days: make(map[policy.DayMinutes]unit.Minutes), usage: make(map[string]unit.Credits),
		busy: make(map[policy.Day][]policy.Busy),
	}
}

func decide(p *policy.Policy, f policy.Fact, a *account) policy.Assessment {
	pr := p.Prepare(f)
	a.prepared = pr
	return pr.Decide(a)
}

func TestDefaultPolicy(t *testing.T) {
	p := defaultPolicy(t)
	if p.ID() != "xihu" || p.Version() != "2026.1" || p.Organization() != "xihu-cc" || p.Zone().String() != "Asia/Shanghai" ||
		p.LearningHour() != 45 || p.EffectiveFrom() != day(t, "2024-03-30") || p.EffectiveUntil() != 0 || p.ClosedThrough() != 0 {
		t.Errorf("header: %v", p.Message())
	}
	if title := p.Title(); title.In("zh-CN") != "西湖区终身学习学分认定规则（2026 年第 1 版）" || title.In("en") == "" {
		t.Errorf("title: %v", title)
	}
	var ids []string
	for _, c := range p.Categories() {
		ids = append(ids, c.ID)
		if c.Professional != (c.ID == "vocational") || c.Transferable != (c.ID != "health") { // DOMAIN, rule 9
			t.Errorf("category %+v", c)
		}
	}
	if want := []string{"civic", "arts", "science", "vocational", "family", "health", "safety"}; !slices.Equal(ids, want) {
		t.Errorf("categories %q, want %q", ids, want)
	}
	if c, ok := p.Category("health"); !ok || c.Name.ZH != "养生保健" {
		t.Errorf("health: %+v", c)
	}
	if _, ok := p.Category("magic"); ok {
		t.Error("there is a category of magic")
	}
}

func TestHashIsOfTheBytes(t *testing.T) {
	a, b := compile(t, minimal), compile(t, minimal+"# the same in other bytes\n")
	if a.Hash() == b.Hash() || a.Hash() != compile(t, minimal).Hash() {
		t.Error("the hash is not one of the bytes")
	}
	a.Message().Id = "changed"
	if a.ID() != "test" {
		t.Error("a policy was changed through its message")
	}
}

func TestDay(t *testing.T) {
	p := compile(t, minimal)
	for moment, want := range map[string]string{
		"2026-03-01 23:59": "2026-03-01", "2026-03-02 00:00": "2026-03-02", "1969-12-31 23:00": "1969-12-31",
	} {
		if got := p.Day(at(t, moment)).String(); got != want {
			t.Errorf("%s is on %s, want %s", moment, got, want)
		}
	}
}
