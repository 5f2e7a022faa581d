package review_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
)

const (
	submitted = ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED
	first     = ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW
	returned  = ledgerv1.CaseStatus_CASE_STATUS_RETURNED
	second    = ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW
	notice    = ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE
	objected  = ledgerv1.CaseStatus_CASE_STATUS_OBJECTED
	approved  = ledgerv1.CaseStatus_CASE_STATUS_APPROVED
	rejected  = ledgerv1.CaseStatus_CASE_STATUS_REJECTED
	appealed  = ledgerv1.CaseStatus_CASE_STATUS_APPEALED
	withdrawn = ledgerv1.CaseStatus_CASE_STATUS_WITHDRAWN
	revoked   = ledgerv1.CaseStatus_CASE_STATUS_REVOKED
)

func zone(t testing.TB) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// learner is the account of all cases here.
func learner() unit.AccountID { return unit.AccountID{1} }

func officer(id, organization string) review.Caller {
	return review.Caller{Role: review.Officer, Officer: id, Organization: organization, Within: true}
}

// two is a rule for two officers and a public notice of five days.
func two(t testing.TB) review.Rule {
	t.Helper()
	return review.RuleFor([]*policyv1.WorkflowRule{{Id: "two", SecondReview: true, SecondRefusal: true, NoticeDays: 5, ReviewDays: 3}}, zone(t), 4, nil)
}

func TestWho(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 15, 2, 0, 0, 0, time.UTC)
	base := review.Case{Subject: learner(), Provider: "beishan", Scope: "xihu", Deadline: now.Add(time.Hour), NoticeUntil: now.Add(time.Hour)}
	in := func(state review.State, change ...func(*review.Case)) review.Case {
		c := base
		c.State = state
		for _, f := range change {
			f(&c)
		}
		return c
	}
	judged := func(stage review.State, by string) func(*review.Case) {
		return func(c *review.Case) { c.Reviewers = append(c.Reviewers, review.Reviewer{Stage: stage, Officer: by}) }
	}
	held := func(by string, until time.Time) func(*review.Case) {
		return func(c *review.Case) { c.Holder, c.LeaseUntil = by, until }
	}
	late := func(c *review.Case) { c.Deadline = now }
	chen, school := officer("chen", "xihu"), officer("wu", "beishan")
	elsewhere, own := chen, chen
	elsewhere.Within, own.Account = false, learner()
	resident := review.Caller{Role: review.Learner, Account: learner()}
	other := review.Caller{Role: review.Learner, Account: unit.AccountID{2}}
	platform, stranger, bank := review.Caller{Role: review.Source}, review.Caller{Role: review.Anyone}, review.Caller{Role: review.Bank}
	for name, c := range map[string]struct {
		of   review.Case
		by   review.Caller
		act  review.Act
		want error
		to   review.State
	}{
		"first officer":                        {in(submitted), chen, review.Approve, nil, second},
		"who has it":                           {in(first, held("chen", now.Add(1))), chen, review.Approve, nil, second},
		"another has it":                       {in(first, held("zhou", now.Add(1))), chen, review.Approve, review.ErrHeld, 0},
		"another had it":                       {in(first, held("zhou", now)), chen, review.Take, nil, first},
		"another takes it":                     {in(second, held("zhou", now.Add(1))), chen, review.Take, review.ErrHeld, 0},
		"gives back what another has":          {in(first, held("zhou", now)), chen, review.Release, review.ErrHeld, 0},
		"gives back":                           {in(first, held("chen", now)), chen, review.Release, nil, submitted},
		"outside":                              {in(submitted), elsewhere, review.Approve, review.ErrJurisdiction, 0},
		"own case":                             {in(submitted), own, review.Approve, review.ErrOwnCase, 0},
		"filed it":                             {in(submitted, func(c *review.Case) { c.FiledBy = "chen" }), chen, review.Approve, review.ErrOwnCase, 0},
		"filed it and takes it":                {in(submitted, func(c *review.Case) { c.FiledBy = "chen" }), chen, review.Take, review.ErrOwnCase, 0},
		"filed it and revokes":                 {in(approved, func(c *review.Case) { c.FiledBy = "chen" }), chen, review.Revoke, review.ErrOwnCase, 0},
		"another filed it":                     {in(submitted, func(c *review.Case) { c.FiledBy = "zhou" }), chen, review.Approve, nil, second},
		"nobody's class":                       {in(second, func(c *review.Case) { c.Provider = "" }), school, review.Approve, nil, notice},
		"own school recommends":                {in(submitted), school, review.Approve, nil, second},
		"own school second":                    {in(second), school, review.Approve, review.ErrOwnInstitution, 0},
		"own school takes it second":           {in(second), school, review.Take, review.ErrOwnInstitution, 0},
		"own school on an objection":           {in(objected), school, review.Reject, review.ErrOwnInstitution, 0},
		"own school revokes":                   {in(approved), school, review.Revoke, nil, revoked},
		"the policy's own":                     {in(second, func(c *review.Case) { c.Provider = "xihu" }), chen, review.Approve, nil, notice},
		"the same twice":                       {in(second, judged(first, "chen")), chen, review.Approve, review.ErrFourEyes, 0},
		"the same takes it":                    {in(second, judged(first, "chen")), chen, review.Take, review.ErrFourEyes, 0},
		"another":                              {in(second, judged(first, "zhou")), chen, review.Approve, nil, notice},
		"the first again after a return":       {in(submitted, judged(first, "chen")), chen, review.Reject, nil, second},
		"the second first after a return":      {in(submitted, judged(second, "chen")), chen, review.Reject, review.ErrFourEyes, 0},
		"objection before the first":           {in(objected, judged(first, "chen"), judged(second, "zhou")), chen, review.Approve, review.ErrFourEyes, 0},
		"objection before another":             {in(objected, judged(first, "sun"), judged(second, "zhou")), chen, review.Approve, nil, notice},
		"objection when the notice is over":    {in(objected, func(c *review.Case) { c.NoticeUntil = now }), chen, review.Approve, nil, approved},
		"appeal before the second":             {in(appealed, judged(second, "chen")), chen, review.Reject, review.ErrFourEyes, 0},
		"revoked by who approved":              {in(approved, judged(second, "chen")), chen, review.Revoke, review.ErrFourEyes, 0},
		"a resident decides":                   {in(submitted), resident, review.Approve, review.ErrWho, 0},
		"an officer of no name":                {in(submitted), officer("", "xihu"), review.Approve, review.ErrWho, 0},
		"learner answers":                      {in(returned), resident, review.Answer, nil, submitted},
		"platform answers":                     {in(returned), platform, review.Answer, nil, submitted},
		"another resident answers":             {in(returned), other, review.Answer, review.ErrWho, 0},
		"answers late":                         {in(returned, late), resident, review.Answer, review.ErrDeadline, 0},
		"bank before the deadline":             {in(returned), bank, review.Expire, review.ErrDeadline, 0},
		"bank after the deadline":              {in(returned, late), bank, review.Expire, nil, submitted},
		"a resident expires":                   {in(notice, late), resident, review.Expire, review.ErrWho, 0},
		"the notice ends":                      {in(notice, late), bank, review.Expire, nil, approved},
		"object":                               {in(notice), other, review.Object, nil, objected},
		"an organization objects":              {in(notice), stranger, review.Object, nil, objected},
		"object to one's own":                  {in(notice), resident, review.Object, review.ErrOwnCase, 0},
		"an officer objects":                   {in(notice), chen, review.Object, review.ErrWho, 0},
		"object late":                          {in(notice, late), other, review.Object, review.ErrDeadline, 0},
		"object too often":                     {in(notice, func(c *review.Case) { c.Objections = review.MaxObjections }), other, review.Object, review.ErrLimit, 0},
		"one's last objection":                 {in(notice, func(c *review.Case) { c.OwnObjections = review.MaxOwnObjections - 1 }), other, review.Object, nil, objected},
		"object too often oneself":             {in(notice, func(c *review.Case) { c.OwnObjections = review.MaxOwnObjections }), other, review.Object, review.ErrObjected, 0},
		"return too often":                     {in(first, func(c *review.Case) { c.Returns = review.MaxReturns }), chen, review.Return, review.ErrLimit, 0},
		"object to what is approved":           {in(approved), other, review.Object, review.ErrClosed, 0},
		"appeal":                               {in(rejected), resident, review.Appeal, nil, appealed},
		"appeal against a revocation":          {in(revoked), resident, review.Appeal, nil, appealed},
		"appeal for another":                   {in(rejected), other, review.Appeal, review.ErrWho, 0},
		"appeal late":                          {in(rejected, late), resident, review.Appeal, review.ErrDeadline, 0},
		"appeal twice":                         {in(rejected, func(c *review.Case) { c.Appeals = 1 }), resident, review.Appeal, review.ErrClosed, 0},
		"withdraw":                             {in(second), resident, review.Withdraw, nil, withdrawn},
		"withdraw what counts":                 {in(submitted, func(c *review.Case) { c.Counted = true }), resident, review.Withdraw, review.ErrTurn, 0},
		"decide what is approved":              {in(approved), chen, review.Approve, review.ErrClosed, 0},
		"decide what was withdrawn":            {in(withdrawn), chen, review.Reject, review.ErrClosed, 0},
		"approve in the middle of the notice":  {in(notice), chen, review.Approve, review.ErrTurn, 0},
		"approve what waits for more evidence": {in(returned), chen, review.Approve, review.ErrTurn, 0},
		"an act that is none":                  {in(submitted), chen, 0, review.ErrTurn, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := review.Decide(two(t), c.of, c.by, c.act, now)
			if !errors.Is(err, c.want) || got.State != c.to {
				t.Errorf("%v, %v; not %v, %v", got.State, err, c.to, c.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 15, 15, 59, 0, 0, time.UTC) // a minute before midnight in Hangzhou
	midnight := func(day int) time.Time { return time.Date(2026, 6, day, 16, 0, 0, 0, time.UTC) }
	rule := review.RuleFor([]*policyv1.WorkflowRule{{
		Id: "r", NoticeDays: 5, ReturnDays: 7, AppealDays: 10, ReviewDays: 3, LeaseHours: 2,
	}}, zone(t), 1, nil)
	due := midnight(1)
	c := review.Case{State: submitted, Subject: learner(), Provider: "p", Scope: "s", Due: due}
	chen := officer("chen", "s")
	for name, x := range map[string]struct {
		state review.State
		by    review.Caller
		act   review.Act
		want  review.Following
	}{
		"take":    {submitted, chen, review.Take, review.Following{Step: ledgerv1.CaseStep_CASE_STEP_TAKEN, State: first, Due: due, LeaseUntil: now.Add(2 * time.Hour)}},
		"return":  {submitted, chen, review.Return, review.Following{Step: ledgerv1.CaseStep_CASE_STEP_RETURNED, State: returned, Deadline: midnight(22)}},
		"publish": {submitted, chen, review.Approve, review.Following{Step: ledgerv1.CaseStep_CASE_STEP_PUBLISHED, State: notice, Deadline: midnight(20)}},
		"reject":  {submitted, chen, review.Reject, review.Following{Step: ledgerv1.CaseStep_CASE_STEP_REJECTED, State: rejected, Deadline: midnight(25)}},
		"answer": {
			returned,
			review.Caller{Role: review.Source},
			review.Answer,
			review.Following{Step: ledgerv1.CaseStep_CASE_STEP_RESUBMITTED, State: submitted, Due: midnight(18)},
		},
	} {
		of := c
		of.State, of.Deadline = x.state, now.Add(1)
		if got, err := review.Decide(rule, of, x.by, x.act, now); err != nil || got != x.want {
			t.Errorf("%s: %+v, %v; not %+v", name, got, err, x.want)
		}
	}
	if got := review.Opened(rule, now); got != midnight(18) {
		t.Errorf("due %s", got)
	}
	// There is one appeal: a refusal after it is final.
	c.State, c.Appeals = appealed, 1
	if got, err := review.Decide(rule, c, chen, review.Reject, now); err != nil || !got.Deadline.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRuleFor(t *testing.T) {
	t.Parallel()
	rules := []*policyv1.WorkflowRule{
		{Id: "keys", Causes: []string{"KEY_COMPROMISED", "KEY_SUSPECT"}, SecondReview: true},
		{Id: "low", MaxRisk: 2, Batch: true},
		{Id: "high", NoticeDays: 5},
	}
	for _, c := range []struct {
		risk   int
		causes []string
		want   string
	}{
		{5, []string{"KEY_COMPROMISED"}, "keys"},
		{5, []string{"KEY_COMPROMISED", "late"}, "high"},
		{2, []string{"late"}, "low"},
		{3, []string{"late"}, "high"},
	} {
		if got := review.RuleFor(rules, time.UTC, c.risk, c.causes); got.ID != c.want {
			t.Errorf("risk %d, %v: %q, not %q", c.risk, c.causes, got.ID, c.want)
		}
	}
	// Without any rule one officer decides.
	for risk, batch := range map[int]error{1: nil, 2: nil, 3: review.ErrBatch, 5: review.ErrBatch} {
		rule := review.RuleFor(nil, time.UTC, risk, nil)
		c := review.Case{State: submitted, Provider: "p", Scope: "s"}
		if got, err := review.Decide(rule, c, officer("chen", "s"), review.Approve, time.Unix(0, 0)); err != nil || got.State != approved {
			t.Errorf("risk %d: %+v, %v", risk, got, err)
		}
		if err := rule.Batchable(c); !errors.Is(err, batch) {
			t.Errorf("risk %d: %v, not %v", risk, err, batch)
		}
	}
}

// Whatever people try, in whatever order: nobody judges at two stages, nothing is approved without the officers and the notice
// that the rule asks for, and every step is one of the table.
func TestWalk(t *testing.T) {
	t.Parallel()
	shanghai := zone(t)
	rapid.Check(t, func(t *rapid.T) {
		rule := review.RuleFor([]*policyv1.WorkflowRule{{
			Id: "w", SecondReview: rapid.Bool().Draw(t, "two"), NoticeDays: rapid.Int32Range(0, 3).Draw(t, "notice"), ReturnDays: 2, AppealDays: 4,
			ReviewDays: rapid.Int32Range(0, 2).Draw(t, "review"), LeaseHours: 5,
		}}, shanghai, 3, nil)
		if rule.SecondReview {
			rule.SecondRefusal = rapid.Bool().Draw(t, "two for a refusal")
		}
		w := &walk{rule: rule, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), c: review.Case{
			State: submitted, Subject: learner(), Provider: "school", Scope: "district", Counted: rapid.Bool().Draw(t, "counted"),
		}}
		t.Repeat(map[string]func(*rapid.T){"": w.check, "step": w.step, "try": w.step, "wait": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "hours")) * time.Hour)
		}})
	})
}

type walk struct {
	rule review.Rule
	now  time.Time
	c    review.Case
	// approvals are the officers who approved since the case last began anew; noticed since when it is public.
	approvals []string
	noticed   time.Time
	steps     int
}

func (w *walk) step(t *rapid.T) {
	by := rapid.SampledFrom([]review.Caller{
		officer("a", "district"), officer("b", "district"), officer("c", "district"), officer("d", "school"), officer("e", "district"),
		{Role: review.Officer, Officer: "f", Organization: "elsewhere"},
		{Role: review.Learner, Account: learner()},
		{Role: review.Learner, Account: unit.AccountID{2}},
		{Role: review.Source},
		{Role: review.Anyone},
		{Role: review.Bank},
	}).Draw(t, "by")
	act := review.Act(rapid.Uint8Range(1, uint8(review.Expire)).Draw(t, "act"))
	before := w.c
	f, err := review.Decide(w.rule, before, by, act, w.now)
	if err != nil {
		return
	}
	if !slices.ContainsFunc(review.Table(), func(x review.Transition) bool {
		return x.From == before.State && x.Act == act && x.To == f.State && x.Step == f.Step
	}) {
		t.Fatalf("%v from %v leads to %+v, which is not in the table", act, before.State, f)
	}
	w.steps++
	w.take(t, before, by, act, f)
}

// take notes a step as the ledger does.
func (w *walk) take(t *rapid.T, before review.Case, by review.Caller, act review.Act, f review.Following) {
	c := &w.c
	c.State, c.Deadline, c.Due, c.Holder, c.LeaseUntil = f.State, f.Deadline, f.Due, "", time.Time{}
	switch act {
	case review.Take:
		c.Holder, c.LeaseUntil = by.Officer, f.LeaseUntil
	case review.Return:
		c.Returns++
	case review.Object:
		c.Objections++
	case review.Appeal:
		c.Appeals++
		c.Counted = false
		w.approvals = nil
	case review.Answer:
		w.approvals = nil
	case review.Approve, review.Reject, review.HoursOnly, review.Revoke:
		for _, r := range c.Reviewers {
			if r.Officer == by.Officer && r.Stage != review.Stage(before.State) {
				t.Fatalf("%s judges at %v and at %v", by.Officer, r.Stage, before.State)
			}
		}
		if by.Organization == "school" && act == review.Approve && f.State != second {
			t.Fatalf("the school's own officer leads to %v", f.State)
		}
		if before.Holder != "" && before.Holder != by.Officer && w.now.Before(before.LeaseUntil) {
			t.Fatalf("%s has it, and %s judges", before.Holder, by.Officer)
		}
		c.Reviewers = append(slices.Clone(c.Reviewers), review.Reviewer{Stage: review.Stage(before.State), Officer: by.Officer})
		if act == review.Approve {
			w.approvals = append(w.approvals, by.Officer)
		}
	}
	if f.State == notice {
		c.NoticeUntil = f.Deadline
		if before.State != objected {
			w.noticed = w.now
		}
	}
	if f.Awards() {
		w.awarded(t, before)
	}
}

// awarded holds what has to be before an approval.
func (w *walk) awarded(t *rapid.T, before review.Case) {
	slices.Sort(w.approvals)
	officers := len(slices.Compact(slices.Clone(w.approvals)))
	if officers == 0 || (w.rule.SecondReview && officers < 2 && w.c.Appeals == 0 && before.State != second && !hasStage(w.c, second)) {
		t.Fatalf("approved by %v", w.approvals)
	}
	if w.rule.NoticeDays > 0 && (w.noticed.IsZero() || w.now.Sub(w.noticed) < time.Duration(w.rule.NoticeDays)*24*time.Hour) {
		t.Fatalf("approved %s after it was made public", w.now.Sub(w.noticed))
	}
	if before.State == notice && w.now.Before(before.Deadline) {
		t.Fatal("approved before the notice had ended")
	}
}

func hasStage(c review.Case, stage review.State) bool {
	return slices.ContainsFunc(c.Reviewers, func(r review.Reviewer) bool { return r.Stage == stage })
}

func (w *walk) check(t *rapid.T) {
	if w.c.Returns > review.MaxReturns || w.c.Objections > review.MaxObjections || w.c.Appeals > 1 {
		t.Fatalf("without end: %+v", w.c)
	}
	for _, state := range []review.State{submitted, first, second, objected, appealed} {
		if w.c.State == state && !review.Waiting(state) || w.c.State == state && review.Ended(state) {
			t.Fatalf("%v waits for no officer", state)
		}
	}
}
