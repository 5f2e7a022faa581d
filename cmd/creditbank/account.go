package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type accountCommand struct {
	Merge mergeCommand `cmd:"" help:"Merge two accounts of one person, or undo that."`
}

type mergeCommand struct {
	Propose mergeProposeCommand `cmd:"" help:"Propose that one account becomes part of another one."`
	Show    mergeShowCommand    `cmd:"" help:"Show a merge and what it would do."`
	Approve mergeApproveCommand `cmd:"" help:"As one of two further officers: agree. The second one's word merges."`
	Refuse  mergeRefuseCommand  `cmd:"" help:"Refuse a merge."`
	Undo    mergeUndoCommand    `cmd:"" help:"Propose to undo a merge or, where another officer did, agree to that."`
	Keep    mergeKeepCommand    `cmd:"" help:"Refuse to undo a merge."`
	List    mergeListCommand    `cmd:"" help:"List merges, newest first."`
}

// Help says what a merge is.
func (*mergeCommand) Help() string {
	return `Two accounts of one person (账户合并) become one in three officers' hands: one proposes, two agree. What was learned on either is judged
once more where the two meet: duplicates, daily limits and caps. Until credits that came over have moved on, two officers can undo it.`
}

type mergeProposeCommand struct {
	From   string `arg:"" help:"Account that would become part of the other: its id, 32 hexadecimal digits."`
	Into   string `arg:"" help:"Account that would go on: its id."`
	Reason string `required:"" placeholder:"CODE" help:"SAME_PERSON, NAME_MISMATCH, DOCUMENT_CHANGED, DOUBLE_ENROLMENT or OTHER."`
}

// Run proposes the merge.
func (c *mergeProposeCommand) Run(ctx context.Context, g *globals, p *process) error {
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.Merge, error) {
		answer, err := creditbankv1.NewMergeServiceClient(conn).ProposeMerge(ctx, &creditbankv1.ProposeMergeRequest{
			RequestId: id, FromAccountId: c.From, IntoAccountId: c.Into, ReasonCode: c.Reason,
		})
		return answer.GetMerge(), err
	}, printMerge)
}

// mergeStep is what a step of a merge says.
type mergeStep struct {
	Merge  uint64 `arg:"" help:"The merge: its number."`
	Reason string `required:"" placeholder:"CODE" help:"IDENTITY_CHECKED, DIFFERENT_PERSONS, EVIDENCE_MISSING, DECIDED_BY_MISTAKE or OTHER."`
	Etag   string `placeholder:"ETAG" help:"Only if the merge stands as it did when this etag was shown."`
}

type (
	mergeApproveCommand struct{ mergeStep }
	mergeRefuseCommand  struct{ mergeStep }
	mergeUndoCommand    struct{ mergeStep }
	mergeKeepCommand    struct{ mergeStep }
)

// Run agrees to the merge.
func (c *mergeApproveCommand) Run(ctx context.Context, g *globals, p *process) error {
	return c.decide(ctx, g, p, creditbankv1.MergeDecision_MERGE_DECISION_APPROVE)
}

// Run refuses the merge.
func (c *mergeRefuseCommand) Run(ctx context.Context, g *globals, p *process) error {
	return c.decide(ctx, g, p, creditbankv1.MergeDecision_MERGE_DECISION_REFUSE)
}

// Run proposes to undo the merge, or agrees to that.
func (c *mergeUndoCommand) Run(ctx context.Context, g *globals, p *process) error {
	return c.undo(ctx, g, p, creditbankv1.MergeDecision_MERGE_DECISION_APPROVE)
}

// Run refuses to undo the merge.
func (c *mergeKeepCommand) Run(ctx context.Context, g *globals, p *process) error {
	return c.undo(ctx, g, p, creditbankv1.MergeDecision_MERGE_DECISION_REFUSE)
}

func (c mergeStep) decide(ctx context.Context, g *globals, p *process, decision creditbankv1.MergeDecision) error {
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.Merge, error) {
		answer, err := creditbankv1.NewMergeServiceClient(conn).DecideMerge(ctx, &creditbankv1.DecideMergeRequest{
			RequestId: id, Merge: c.Merge, Decision: decision, ReasonCode: c.Reason, Etag: c.Etag,
		})
		return answer.GetMerge(), err
	}, printMerge)
}

func (c mergeStep) undo(ctx context.Context, g *globals, p *process, decision creditbankv1.MergeDecision) error {
	return change(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.Merge, error) {
		answer, err := creditbankv1.NewMergeServiceClient(conn).UndoMerge(ctx, &creditbankv1.UndoMergeRequest{
			RequestId: id, Merge: c.Merge, Decision: decision, ReasonCode: c.Reason, Etag: c.Etag,
		})
		return answer.GetMerge(), err
	}, printMerge)
}

type mergeShowCommand struct {
	Merge uint64 `arg:"" help:"The merge: its number."`
}

// Run shows the merge.
func (c *mergeShowCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewMergeServiceClient(conn).GetMerge(ctx, &creditbankv1.GetMergeRequest{Merge: c.Merge})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	printMerge(p, l, answer.GetMerge())
	printMergePreview(p, l, answer.GetPreview())
	return nil
}

type mergeListCommand struct {
	Scope string `required:"" placeholder:"ID" help:"Organization at which, or below which, both accounts are at home."`
	Open  bool   `help:"Only those that wait for an officer."`
	Limit int    `default:"100" help:"At most so many; 0: all (${default})."`
}

// Run lists the merges.
func (c *mergeListCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	client := creditbankv1.NewMergeServiceClient(conn)
	merges, err := pages(func(token string) ([]*creditbankv1.Merge, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		page, err := client.ListMerges(ctx, &creditbankv1.ListMergesRequest{Organization: c.Scope, OpenOnly: c.Open, PageSize: 500, PageToken: token})
		return page.GetMerges(), page.GetNextPageToken(), err
	}, c.Limit)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, merges)
	}
	l := g.language(p)
	t := &table{right: []int{0, 5}}
	t.row(l.say("合并", "merge"), l.say("并入方", "from"), l.say("保留方", "into"), l.say("状态", "status"), l.say("提出人", "proposed by"), l.say("条目", "items"))
	for _, m := range merges {
		t.row(itoa(int64(m.GetMerge())), clean(m.GetFromAccountId()), clean(m.GetIntoAccountId()), l.mergeStatus(m.GetStatus()),
			clean(m.GetProposedBy()), itoa(m.GetItems()))
	}
	t.write(p.stdout)
	return nil
}

func printMerge(p *process, l language, m *creditbankv1.Merge) {
	t := new(table)
	line := func(zh, en, value string) {
		if value != "" {
			t.row(l.say(zh, en), clean(value))
		}
	}
	line("合并", "merge", itoa(int64(m.GetMerge())))
	line("状态", "status", l.mergeStatus(m.GetStatus()))
	line("并入的账户", "from account", m.GetFromAccountId())
	line("保留的账户", "into account", m.GetIntoAccountId())
	line("原因", "reason", m.GetReasonCode())
	line("提出人", "proposed by", m.GetProposedBy())
	line("初审", "first review", m.GetReviewedBy())
	line("复审", "second review", m.GetMergedBy())
	line("退回人", "refused by", m.GetRefusedBy())
	line("提出撤销", "undoing proposed by", m.GetUndoProposedBy())
	line("同意撤销", "undone by", m.GetUndoneBy())
	line("版本", "etag", m.GetEtag())
	t.write(p.stdout)
}

func printMergePreview(p *process, l language, preview *creditbankv1.MergePreview) {
	if preview == nil {
		return
	}
	fmt.Fprintf(p.stdout, "\n%s\n", l.say("如现在合并：", "If it were done now:"))
	t := &table{right: []int{1, 2, 3}}
	t.row("", l.say("学时（分钟）", "minutes"), l.say("可用学分", "available"), l.say("待释放学分", "waiting"))
	for _, row := range []struct {
		zh, en string
		totals *creditbankv1.Totals
	}{
		{"并入的账户", "from account", preview.GetFromBefore()},
		{"保留的账户", "into account", preview.GetIntoBefore()},
		{"合并之后", "afterwards", preview.GetIntoAfter()},
	} {
		t.row(l.say(row.zh, row.en), itoa(row.totals.GetMinutes()), l.credits(row.totals.GetAvailableMilliCredits()), l.credits(row.totals.GetPendingMilliCredits()))
	}
	t.write(p.stdout)
	yes := func(same bool) string {
		if same {
			return l.say("一致", "the same")
		}
		return l.say("不一致或不详", "not the same, or not known")
	}
	fmt.Fprintf(p.stdout, l.say("并入 %d 条，其中重复 %d 条；新增待审 %d 件，随并入待审 %d 件\n", "%d items come over, %d become duplicates; %d cases are opened, %d come over\n"),
		preview.GetItems(), preview.GetDuplicates(), preview.GetCases(), preview.GetOpenCases())
	fmt.Fprintf(p.stdout, l.say("姓名：%s；出生日期：%s\n", "names: %s; birth dates: %s\n"), yes(preview.GetSameName()), yes(preview.GetSameBirthDate()))
}

func (l language) mergeStatus(s ledgerv1.MergeStatus) string {
	switch s {
	case ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED:
		return l.say("待初审", "waits for the first review")
	case ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED:
		return l.say("待复审", "waits for the second review")
	case ledgerv1.MergeStatus_MERGE_STATUS_REFUSED:
		return l.say("已退回", "refused")
	case ledgerv1.MergeStatus_MERGE_STATUS_MOVING:
		return l.say("合并中", "on its way")
	case ledgerv1.MergeStatus_MERGE_STATUS_MERGED:
		return l.say("已合并", "merged")
	case ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED:
		return l.say("已合并，待确认撤销", "merged; undoing it waits for another officer")
	case ledgerv1.MergeStatus_MERGE_STATUS_RETURNING:
		return l.say("撤销中", "on its way back")
	case ledgerv1.MergeStatus_MERGE_STATUS_UNDONE:
		return l.say("已撤销", "undone")
	default:
		return s.String()
	}
}
