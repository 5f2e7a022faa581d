package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// checkNote asks for words where the bank would.
func checkNote(reason, note string) error {
	if reason == "OTHER" && strings.TrimSpace(note) == "" {
		return usagef("--note: with --reason OTHER say why, so that the resident can read it")
	}
	return nil
}

func decisionOf(word string) creditbankv1.Decision {
	return creditbankv1.Decision(creditbankv1.Decision_value["DECISION_"+strings.ToUpper(strings.ReplaceAll(word, "-", "_"))])
}

// step asks for a step of a case. The request id makes it one step, however often it has to be asked for.
func step[Answer proto.Message](
	ctx context.Context, g *globals, p *process, ask func(ctx context.Context, client creditbankv1.ReviewServiceClient, requestID string) (Answer, error),
) (answer Answer, err error) {
	id, err := uuid.NewRandomFromReader(p.random)
	if err != nil {
		return answer, fmt.Errorf("request id: %v", err)
	}
	conn, err := g.dial(p)
	if err != nil {
		return answer, err
	}
	defer hangUp(conn)
	client := creditbankv1.NewReviewServiceClient(conn)
	err = retry{p: p, limit: g.Timeout}.do(ctx, func() (err error) {
		ctx, done := g.call(ctx)
		defer done()
		answer, err = ask(ctx, client, id.String())
		return err
	})
	return answer, err
}

// tell shows how a case stands after a step.
func tell(g *globals, p *process, answer proto.Message, one *creditbankv1.Case, index uint64) error {
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	printCase(p, l, one, nil)
	fmt.Fprintf(p.stdout, l.say("已记入账本第 %d 条。\n", "Recorded by entry %d.\n"), index)
	return nil
}

// summarize is tell for those who do not review the case.
func summarize(g *globals, p *process, answer proto.Message, one *creditbankv1.CaseSummary, index uint64) error {
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	t := &table{}
	t.row(l.say("案件", "case"), fmt.Sprint(one.GetCaseId())+", "+l.caseState(one.GetState()))
	if one.GetDeadline() != nil {
		t.row(l.say("截止", "until"), when(one.GetDeadline()))
	}
	t.write(p.stdout)
	fmt.Fprintf(p.stdout, l.say("已记入账本第 %d 条。\n", "Recorded by entry %d.\n"), index)
	return nil
}

type reviewCountCommand struct {
	Within   string `placeholder:"ID" help:"Only cases of providers in this organization's subtree, such as a town's school."`
	Provider string `placeholder:"ID" help:"Only cases of this provider."`
	Category string `placeholder:"ID" help:"Only cases of courses in this category."`
}

// Run counts the cases.
func (c *reviewCountCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewReviewServiceClient(conn).CountCases(ctx, &creditbankv1.CountCasesRequest{
		Within: c.Within, Provider: c.Provider, Category: c.Category,
	})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	t := &table{right: []int{1, 2}}
	t.row(l.say("状态", "state"), l.say("风险", "risk"), l.say("案件", "cases"))
	for _, n := range answer.GetCounts() {
		t.row(l.caseState(n.GetState()), itoa(int64(n.GetRisk())), itoa(int64(n.GetCount())))
	}
	t.write(p.stdout)
	if answer.GetTruncated() {
		fmt.Fprintln(p.stdout, l.say("还有更多。", "There are more."))
	}
	return nil
}

type reviewTakeCommand struct {
	Case uint64 `arg:"" help:"Id of the case."`
	Etag string `placeholder:"TAG" help:"The case's etag as you have seen it."`
}

// Run takes the case.
func (c *reviewTakeCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.TakeCaseResponse, error) {
		return client.TakeCase(ctx, &creditbankv1.TakeCaseRequest{RequestId: id, CaseId: c.Case, Etag: c.Etag})
	})
	if err != nil {
		return err
	}
	return tell(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

type reviewReleaseCommand struct {
	Case uint64 `arg:"" help:"Id of the case."`
}

// Run gives the case back.
func (c *reviewReleaseCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.ReleaseCaseResponse, error) {
		return client.ReleaseCase(ctx, &creditbankv1.ReleaseCaseRequest{RequestId: id, CaseId: c.Case})
	})
	if err != nil {
		return err
	}
	return tell(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

// reason is why an officer does something.
type reason struct {
	Reason string `required:"" placeholder:"CODE" enum:"EVIDENCE_SUFFICIENT,EVIDENCE_MISSING,NOT_ATTENDED,POSTED_TOO_LATE,OVERLAP_EXPLAINED,OVERLAP_UNEXPLAINED,IMPLAUSIBLE,OBJECTION_FOUNDED,OBJECTION_UNFOUNDED,DECIDED_BY_MISTAKE,OTHER" help:"Why: ${enum}."`
	Note   string `placeholder:"TEXT" help:"Words for the resident; needed with OTHER."`
}

type reviewBatchCommand struct {
	Decision string   `arg:"" enum:"approve,reject,hours-only" help:"approve, reject or hours-only, as with decide."`
	Cases    []uint64 `arg:"" help:"Ids of the cases: up to 500."`
	reason
}

// Run decides the cases.
func (c *reviewBatchCommand) Run(ctx context.Context, g *globals, p *process) error {
	if err := checkNote(c.Reason, c.Note); err != nil {
		return err
	}
	request := &creditbankv1.BatchDecideCasesRequest{Decision: decisionOf(c.Decision), ReasonCode: c.Reason, Note: c.Note}
	for _, id := range c.Cases {
		request.Items = append(request.Items, &creditbankv1.BatchItem{CaseId: id})
	}
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.BatchDecideCasesResponse, error) {
		request.RequestId = id
		return client.BatchDecideCases(ctx, request)
	})
	if err != nil {
		return err
	}
	if g.JSON {
		if err := writeMessage(p.stdout, answer); err != nil {
			return err
		}
	}
	l, failed := g.language(p), 0
	t := &table{right: []int{0}}
	t.row(l.say("案件", "case"), l.say("结果", "result"))
	for _, r := range answer.GetResults() {
		words := l.caseState(r.GetState())
		if r.GetError() != nil {
			f := faultOf(status.FromProto(r.GetError()))
			words, failed = f.message+" ["+f.reason+"]", failed+1
		}
		t.row(fmt.Sprint(r.GetCaseId()), words)
	}
	if !g.JSON {
		t.write(p.stdout)
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

type reviewReturnCommand struct {
	Case   uint64 `arg:"" help:"Id of the case."`
	Note   string `arg:"" help:"What is missing: words for the learner and the platform."`
	Reason string `default:"EVIDENCE_MISSING" placeholder:"CODE" help:"Why, as with decide (${default})."`
}

// Run asks for more evidence.
func (c *reviewReturnCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.ReturnCaseResponse, error) {
		return client.ReturnCase(ctx, &creditbankv1.ReturnCaseRequest{RequestId: id, CaseId: c.Case, ReasonCode: c.Reason, Note: c.Note})
	})
	if err != nil {
		return err
	}
	return tell(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

type reviewRevokeCommand struct {
	Case   uint64 `arg:"" help:"Id of the case."`
	DryRun bool   `help:"Only say what it would undo."`
	Reason string `default:"DECIDED_BY_MISTAKE" placeholder:"CODE" help:"Why, as with decide (${default})."`
	Note   string `placeholder:"TEXT" help:"Words for the resident; needed with OTHER."`
}

// Run revokes the case, or says what that would undo.
func (c *reviewRevokeCommand) Run(ctx context.Context, g *globals, p *process) error {
	if err := checkNote(c.Reason, c.Note); err != nil {
		return err
	}
	request := &creditbankv1.RevokeCaseRequest{CaseId: c.Case, ReasonCode: c.Reason, Note: c.Note, ValidateOnly: c.DryRun}
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.RevokeCaseResponse, error) {
		request.RequestId = id
		return client.RevokeCase(ctx, request)
	})
	switch {
	case err != nil:
		return err
	case g.JSON:
		return writeMessage(p.stdout, answer)
	case !c.DryRun:
		return tell(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
	}
	l, preview := g.language(p), answer.GetPreview()
	printCase(p, l, answer.GetCase(), nil)
	fmt.Fprintf(p.stdout, l.say("撤销将减少 %s、%s 学分；%s 学分已被使用，无法收回；将有 %d 条其他记录重新审核。\n",
		"This would take back %s and %s credits; %s credits have been used and stay; %d other completions would be looked at again.\n"),
		l.minutes(preview.GetMinutes()), l.credits(preview.GetReversedMilliCredits()), l.credits(preview.GetUnrecoveredMilliCredits()), preview.GetCases())
	return nil
}

type reviewAnswerCommand struct {
	Case uint64 `arg:"" help:"Id of the case, as your record shows it."`
	Note string `arg:"" help:"What the evidence is."`
}

// Run brings more evidence.
func (c *reviewAnswerCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.AnswerCaseResponse, error) {
		return client.AnswerCase(ctx, &creditbankv1.AnswerCaseRequest{RequestId: id, CaseId: c.Case, Note: c.Note})
	})
	if err != nil {
		return err
	}
	return summarize(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

type reviewWithdrawCommand struct {
	Case uint64 `arg:"" help:"Id of the case, as your record shows it."`
}

// Run gives the case up.
func (c *reviewWithdrawCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.WithdrawCaseResponse, error) {
		return client.WithdrawCase(ctx, &creditbankv1.WithdrawCaseRequest{RequestId: id, CaseId: c.Case})
	})
	if err != nil {
		return err
	}
	return summarize(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

type reviewAppealCommand struct {
	Case uint64 `arg:"" help:"Id of the case, as your record shows it."`
	Note string `arg:"" help:"Why."`
}

// Run appeals.
func (c *reviewAppealCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.FileAppealResponse, error) {
		return client.FileAppeal(ctx, &creditbankv1.FileAppealRequest{RequestId: id, CaseId: c.Case, Note: c.Note})
	})
	if err != nil {
		return err
	}
	return summarize(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

type reviewObjectCommand struct {
	Case uint64 `arg:"" help:"Id of the case, as the notices show it."`
	Note string `arg:"" help:"Why. Officers read it, and who wrote it; the learner is told neither."`
}

// Run objects.
func (c *reviewObjectCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.FileObjectionResponse, error) {
		return client.FileObjection(ctx, &creditbankv1.FileObjectionRequest{RequestId: id, CaseId: c.Case, Note: c.Note})
	})
	if err != nil {
		return err
	}
	return summarize(g, p, answer, answer.GetCase(), answer.GetEntryIndex())
}

type reviewNoticesCommand struct {
	Within string `placeholder:"ID" help:"Only cases of providers in this organization's subtree, such as a town's school."`
	Limit  int    `default:"100" help:"Most notices; 0: all (${default})."`
}

// Run lists the notices.
func (c *reviewNoticesCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.Limit < 0 {
		return usagef("--limit: it is 0 or more")
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewReviewServiceClient(conn)
	notices, err := pages(func(token string) ([]*creditbankv1.Notice, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListNotices(ctx, &creditbankv1.ListNoticesRequest{PageSize: 100, PageToken: token, Within: c.Within})
		return page.GetNotices(), page.GetNextPageToken(), err
	}, c.Limit)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, notices)
	}
	l := g.language(p)
	t := &table{right: []int{0, 4}}
	t.row(l.say("案件", "case"), l.say("学习者", "learner"), l.say("课程", "course"), l.say("提供者", "provider"), l.say("时长", "learned"),
		l.say("学习结束", "ended"), l.say("公示至", "until"))
	for _, n := range notices {
		t.row(fmt.Sprint(n.GetCaseId()), clean(n.GetMaskedName()), clean(n.GetCourseTitle()), clean(n.GetProviderName()), l.posted(n.GetMinutes()),
			clean(n.GetEndDate()), when(n.GetEndTime()))
	}
	t.write(p.stdout)
	return nil
}

// printSteps shows what happened to a case.
func printSteps(p *process, l language, steps []*creditbankv1.CaseEvent) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintln(p.stdout)
	t := &table{}
	t.row(l.say("时间", "time"), l.say("步骤", "step"), l.say("经办", "by"), l.say("说明", "said"))
	for _, s := range steps {
		by := clean(s.GetOfficer())
		switch {
		case by != "":
		case s.GetOrganization() != "":
			by = clean(s.GetOrganization())
		case s.GetResident():
			by = strings.TrimSpace(l.say("居民 ", "resident ") + clean(s.GetObjectorAccountId()))
		default:
			by = l.say("本行", "the bank")
		}
		t.row(when(s.GetTime()), l.caseStep(s.GetStep()), by, strings.TrimSpace(clean(s.GetReasonCode())+" "+clean(s.GetNote())))
	}
	t.write(p.stdout)
}

func (l language) caseStep(s ledgerv1.CaseStep) string {
	switch s {
	case ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED:
		return l.say("通过并计入", "approved")
	case ledgerv1.CaseStep_CASE_STEP_REJECTED:
		return l.say("不予认定", "refused")
	case ledgerv1.CaseStep_CASE_STEP_HOURS_ONLY:
		return l.say("仅计学时", "hours only")
	case ledgerv1.CaseStep_CASE_STEP_TAKEN:
		return l.say("领取", "taken")
	case ledgerv1.CaseStep_CASE_STEP_RELEASED:
		return l.say("放回", "given back")
	case ledgerv1.CaseStep_CASE_STEP_RETURNED:
		return l.say("要求补充材料", "returned")
	case ledgerv1.CaseStep_CASE_STEP_RESUBMITTED:
		return l.say("已补充材料", "answered")
	case ledgerv1.CaseStep_CASE_STEP_EVIDENCE_LAPSED:
		return l.say("逾期未补充", "not answered in time")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED:
		return l.say("初审建议通过", "approval recommended")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_REJECTION:
		return l.say("初审建议不通过", "refusal recommended")
	case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED_HOURS_ONLY:
		return l.say("初审建议仅计学时", "hours only recommended")
	case ledgerv1.CaseStep_CASE_STEP_PUBLISHED:
		return l.say("通过并公示", "made public")
	case ledgerv1.CaseStep_CASE_STEP_OBJECTED:
		return l.say("提出异议", "objected to")
	case ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED:
		return l.say("异议不成立，继续公示", "objection dismissed")
	case ledgerv1.CaseStep_CASE_STEP_APPEALED:
		return l.say("申诉", "appealed")
	case ledgerv1.CaseStep_CASE_STEP_WITHDRAWN:
		return l.say("撤回", "withdrawn")
	case ledgerv1.CaseStep_CASE_STEP_REVOKED:
		return l.say("撤销", "revoked")
	case ledgerv1.CaseStep_CASE_STEP_CLAWED_BACK:
		return l.say("追回", "clawed back")
	default:
		return s.String()
	}
}
