package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

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

// step asks for a step of a case.
func step[Answer proto.Message](
	ctx context.Context, g *globals, p *process, ask func(ctx context.Context, client creditbankv1.ReviewServiceClient, requestID string) (Answer, error),
) (Answer, error) {
	return asked(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (Answer, error) {
		return ask(ctx, creditbankv1.NewReviewServiceClient(conn), id)
	})
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
	Case    uint64   `arg:"" help:"Id of the case, as your record shows it."`
	Note    string   `arg:"" help:"What the evidence is."`
	File    []string `placeholder:"PATH" help:"For a claim: a PDF, JPEG or PNG, at most 3 MiB; up to ten."`
	Account string   `placeholder:"ID" help:"With --file: opaque id of the account (32 hex digits); residents leave it out: their own."`
}

// Run brings more evidence.
func (c *reviewAnswerCommand) Run(ctx context.Context, g *globals, p *process) error {
	files, err := readFiles(c.File)
	if err != nil {
		return err
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	refs, err := upload(ctx, g, p, creditbankv1.NewReviewServiceClient(conn), c.Account, files)
	if err != nil {
		return err
	}
	answer, err := step(ctx, g, p, func(ctx context.Context, client creditbankv1.ReviewServiceClient, id string) (*creditbankv1.AnswerCaseResponse, error) {
		return client.AnswerCase(ctx, &creditbankv1.AnswerCaseRequest{RequestId: id, CaseId: c.Case, Note: c.Note, Files: refs})
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
	return list(ctx, g, p, c.Limit, func(ctx context.Context, conn *grpc.ClientConn, token string) ([]*creditbankv1.Notice, string, error) {
		request := &creditbankv1.ListNoticesRequest{PageSize: 100, PageToken: token, Within: c.Within}
		page, err := creditbankv1.NewReviewServiceClient(conn).ListNotices(ctx, request)
		return page.GetNotices(), page.GetNextPageToken(), err
	}, func(l language, notices []*creditbankv1.Notice) {
		t := &table{right: []int{0, 4}}
		t.row(l.say("案件", "case"), l.say("学习者", "learner"), l.say("课程", "course"), l.say("提供者", "provider"), l.say("时长", "learned"),
			l.say("学习结束", "ended"), l.say("公示至", "until"))
		for _, n := range notices {
			t.row(fmt.Sprint(n.GetCaseId()), clean(n.GetMaskedName()), clean(n.GetCourseTitle()), clean(n.GetProviderName()), l.posted(n.GetMinutes()),
				clean(n.GetEndDate()), when(n.GetEndTime()))
		}
		t.write(p.stdout)
	})
}
