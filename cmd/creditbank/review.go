package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type reviewCommand struct {
	List     reviewListCommand     `cmd:"" help:"List cases, the riskiest and then the oldest first."`
	Count    reviewCountCommand    `cmd:"" help:"Count cases by state and risk."`
	Show     reviewShowCommand     `cmd:"" help:"Show a case with its evidence and its steps."`
	Take     reviewTakeCommand     `cmd:"" help:"Take a case, so that no other officer does for a time."`
	Release  reviewReleaseCommand  `cmd:"" help:"Give a case back."`
	Decide   reviewDecideCommand   `cmd:"" help:"Say what you think of a case; the policy says whether that is the last word."`
	Batch    reviewBatchCommand    `cmd:"" help:"Decide many cases alike, each on its own."`
	Return   reviewReturnCommand   `cmd:"" help:"Ask the learner and the platform for more evidence."`
	Revoke   reviewRevokeCommand   `cmd:"" help:"Take back what was approved."`
	Answer   reviewAnswerCommand   `cmd:"" help:"Bring more evidence, as the learner or as the officer who filed the claim."`
	Withdraw reviewWithdrawCommand `cmd:"" help:"Give a case up, as the learner."`
	Appeal   reviewAppealCommand   `cmd:"" help:"Appeal against a refusal or a revocation, as the learner."`
	Object   reviewObjectCommand   `cmd:"" help:"Object to a case under public notice, as a resident."`
	Notices  reviewNoticesCommand  `cmd:"" help:"List the cases under public notice, with masked names."`
}

type reviewListCommand struct {
	State string `enum:"waiting,submitted,first-review,returned,second-review,public-notice,objected,approved,rejected,withdrawn,appealed,revoked" default:"waiting" help:"Only cases in this state: ${enum}; waiting: whatever waits for an officer (${default})."`
	Limit int    `default:"100" help:"Most cases; 0: all (${default})."`

	MinRisk  int32         `placeholder:"N" help:"Only cases of at least this risk."`
	MaxRisk  int32         `placeholder:"N" help:"Only cases of at most this risk."`
	OlderBy  time.Duration `placeholder:"TIME" help:"Only cases that were opened at least so long ago, such as 72h."`
	Within   string        `placeholder:"ID" help:"Only cases of providers in this organization's subtree, such as a town's school."`
	Provider string        `placeholder:"ID" help:"Only cases of this provider."`
	Category string        `placeholder:"ID" help:"Only cases of courses in this category."`
	Mine     bool          `help:"Only cases that you have taken." xor:"holder"`
	Holder   string        `placeholder:"ID" help:"Only cases that this officer has taken." xor:"holder"`
	DueIn    time.Duration `placeholder:"TIME" help:"Only cases that are due within this time, such as 48h; those that are late are among them."`
	Due      bool          `help:"Those first that are due first."`
}

// request is what the flags ask for.
func (c *reviewListCommand) request(now time.Time) *creditbankv1.ListCasesRequest {
	r := &creditbankv1.ListCasesRequest{
		PageSize: 500, MinRisk: c.MinRisk, MaxRisk: c.MaxRisk, Within: c.Within, Provider: c.Provider, Category: c.Category, Holder: c.Holder,
		State: creditbankv1.CaseState(creditbankv1.CaseState_value["CASE_STATE_"+strings.ToUpper(strings.ReplaceAll(c.State, "-", "_"))]),
	}
	if c.Mine {
		r.Holder = "me"
	}
	if c.OlderBy > 0 {
		r.OpenBeforeTime = timestamppb.New(now.Add(-c.OlderBy))
	}
	if c.DueIn > 0 {
		r.DueBeforeTime = timestamppb.New(now.Add(c.DueIn))
	}
	if c.Due {
		r.Order = creditbankv1.CaseOrder_CASE_ORDER_DUE
	}
	return r
}

// Run lists the cases.
func (c *reviewListCommand) Run(ctx context.Context, g *globals, p *process) error {
	request := c.request(p.now())
	return list(ctx, g, p, c.Limit, func(ctx context.Context, conn *grpc.ClientConn, token string) ([]*creditbankv1.Case, string, error) {
		request.PageToken = token
		page, err := creditbankv1.NewReviewServiceClient(conn).ListCases(ctx, request)
		return page.GetCases(), page.GetNextPageToken(), err
	}, func(l language, cases []*creditbankv1.Case) {
		t := &table{right: []int{0, 1, 9}}
		t.row(l.say("案件", "case"), l.say("风险", "risk"), l.say("状态", "state"), l.say("立案", "opened"), l.say("期限", "due"),
			l.say("经办", "holder"), l.say("课程", "course"), l.say("提供者", "provider"), l.say("平台", "platform"), l.say("时长", "learned"),
			l.say("原因", "causes"))
		for _, one := range cases {
			t.row(fmt.Sprint(one.GetCaseId()), itoa(int64(one.GetRisk())), l.caseState(one.GetState()), when(one.GetOpenTime()),
				when(one.GetDueTime()), clean(one.GetHolder()), clean(one.GetCourseTitle()), clean(one.GetProvider()), clean(one.GetPlatform()), l.posted(one.GetMinutes()),
				clean(strings.Join(one.GetCauses(), ", ")))
		}
		t.write(p.stdout)
	})
}

type reviewShowCommand struct {
	Case uint64 `arg:"" help:"Id of the case."`
	Save string `placeholder:"DIR" type:"existingdir" help:"Save the files of a claim in this directory."`
}

// Run shows the case.
func (c *reviewShowCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewReviewServiceClient(conn)
	one, done := g.call(ctx)
	defer done()
	answer, err := client.GetCase(one, &creditbankv1.GetCaseRequest{CaseId: c.Case})
	if err != nil {
		return err
	}
	if c.Save != "" {
		if err := saveEvidence(ctx, g, p, client, c.Case, answer.GetClaim().GetFiles(), c.Save); err != nil {
			return err
		}
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	printCase(p, l, answer.GetCase(), answer.GetAssessment())
	if claim := answer.GetClaim(); claim != nil {
		t := &table{}
		claimRows(t, l, claim)
		t.write(p.stdout)
	} else {
		printEvidence(p, l, answer.GetEvidence())
	}
	t := &table{}
	stepRows(t, l, answer.GetSteps())
	t.write(p.stdout)
	return nil
}

func printCase(p *process, l language, one *creditbankv1.Case, a *creditbankv1.Assessment) {
	t := &table{}
	t.row(l.say("案件", "case"), fmt.Sprint(one.GetCaseId())+", "+l.caseState(one.GetState()))
	t.row(l.say("原因", "causes"), clean(strings.Join(one.GetCauses(), ", ")))
	t.row(l.say("风险", "risk"), itoa(int64(one.GetRisk())))
	t.row(l.say("账户", "account"), clean(one.GetAccountId()))
	if one.GetClaim() {
		t.row(l.say("先前学习认定", "claim"), clean(one.GetCourseTitle())+" ("+clean(one.GetProvider())+")")
	} else {
		t.row(l.say("课程", "course"), clean(one.GetCourseTitle())+" ("+clean(one.GetCourse())+", "+clean(one.GetProvider())+")")
		t.row(l.say("平台", "platform"), clean(one.GetPlatform()))
	}
	t.row(l.say("学习结束", "learning ended"), clean(one.GetEndDate())+", "+l.minutes(one.GetMinutes()))
	if one.GetDeadline() != nil {
		t.row(l.say("截止", "until"), when(one.GetDeadline()))
	}
	if one.GetDueTime() != nil {
		t.row(l.say("办理期限", "due"), when(one.GetDueTime()))
	}
	if one.GetHolder() != "" {
		t.row(l.say("经办", "taken"), clean(one.GetHolder())+l.say("，至 ", ", until ")+when(one.GetLeaseEndTime()))
	}
	for _, r := range one.GetReviewers() {
		t.row(l.say("审核", "judged"), clean(r.GetOfficer())+", "+l.caseState(r.GetStage()))
	}
	if one.GetDecidedBy() != "" {
		t.row(l.say("决定", "decided"), clean(one.GetDecidedBy())+", "+when(one.GetDecideTime()))
	}
	if a != nil {
		t.row(l.say("结果", "outcome"), fmt.Sprintf("%s, %s, %s", l.outcome(a.GetOutcome()), l.minutes(a.GetMinutes()),
			l.credits(a.GetAvailableMilliCredits()+a.GetPendingMilliCredits())))
		printAssessment(t, l, a)
	}
	t.write(p.stdout)
}

func printEvidence(p *process, l language, e *creditbankv1.Evidence) {
	if e == nil {
		return
	}
	t := &table{}
	for _, session := range e.GetSessions() {
		t.row(l.say("学习", "session"), when(session.GetStartTime())+" – "+when(session.GetEndTime())+", "+l.minutes(session.GetMinutes()))
	}
	if e.GetHeld() > 0 {
		t.row(l.say("出勤", "attendance"), fmt.Sprintf(l.say("共 %d 次，准时 %d 次，迟到 %d 次", "%d held, %d in time, %d late"),
			e.GetHeld(), e.GetAttended(), e.GetLate()))
	}
	if e.Score != nil {
		t.row(l.say("成绩", "score"), itoa(int64(e.GetScore())))
	}
	if e.Passed != nil {
		t.row(l.say("合格", "passed"), l.yes(e.GetPassed()))
	}
	if e.GetSite() != "" {
		t.row(l.say("地点", "site"), clean(e.GetSite()))
	}
	t.row(l.say("提交", "posted"), when(e.GetPostTime()))
	t.write(p.stdout)
}

type reviewDecideCommand struct {
	Case     uint64 `arg:"" help:"Id of the case."`
	Decision string `arg:"" enum:"approve,reject,hours-only" help:"approve: the policy judges it once more; reject: it counts nothing; hours-only: no credits, but its hours count."`
	Reason   string `required:"" placeholder:"CODE" enum:"EVIDENCE_SUFFICIENT,EVIDENCE_MISSING,NOT_ATTENDED,POSTED_TOO_LATE,OVERLAP_EXPLAINED,OVERLAP_UNEXPLAINED,IMPLAUSIBLE,OBJECTION_FOUNDED,OBJECTION_UNFOUNDED,DECIDED_BY_MISTAKE,OTHER" help:"Why: ${enum}."`
	Note     string `placeholder:"TEXT" help:"Words for the resident; needed with OTHER."`
	Etag     string `placeholder:"TAG" help:"The case's etag as you have seen it (show --json): refused when somebody has changed it since."`
	Minutes  int64  `placeholder:"N" help:"Minutes that are granted of a claim; left out: what was granted before, else all that is claimed."`
	Credits  int64  `name:"milli-credits" placeholder:"N" help:"Thousandths of a credit that are granted of a claim, with --minutes; left out: as many as those give."`
}

// Run decides the case.
func (c *reviewDecideCommand) Run(ctx context.Context, g *globals, p *process) error {
	if err := checkNote(c.Reason, c.Note); err != nil {
		return err
	}
	if c.Credits != 0 && c.Minutes == 0 {
		return usagef("--milli-credits: say the --minutes that are granted, too")
	}
	id, err := uuid.NewRandomFromReader(p.random)
	if err != nil {
		return fmt.Errorf("request id: %v", err)
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewReviewServiceClient(conn)
	request := &creditbankv1.DecideCaseRequest{
		RequestId: id.String(), CaseId: c.Case, ReasonCode: c.Reason, Note: c.Note,
		Decision: decisionOf(c.Decision), Etag: c.Etag,
	}
	if c.Minutes != 0 {
		request.Grant = &creditbankv1.ClaimGrant{Minutes: c.Minutes, MilliCredits: c.Credits}
	}
	var answer *creditbankv1.DecideCaseResponse
	// The request id makes it one decision, however often it has to be asked for.
	err = retry{p: p, limit: g.Timeout}.do(ctx, func() (err error) {
		ctx, done := g.call(ctx)
		defer done()
		answer, err = client.DecideCase(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	printCase(p, l, answer.GetCase(), answer.GetAssessment())
	fmt.Fprintf(p.stdout, l.say("已记入账本第 %d 条。\n", "Recorded by entry %d.\n"), answer.GetEntryIndex())
	return nil
}

// posted is how long somebody learned; nothing of a claim, where lists answer 0: it lies under a seal.
func (l language) posted(minutes int64) string {
	if minutes == 0 {
		return ""
	}
	return l.minutes(minutes)
}

// when is a time as people at this machine read it.
func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format(time.DateOnly + " 15:04")
}
