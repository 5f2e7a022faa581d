package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type clawbackCommand struct {
	Preview clawbackPreviewCommand `cmd:"" help:"Say what taking completions back would reverse. Nothing is reversed."`
	Propose clawbackProposeCommand `cmd:"" help:"As the first officer: propose it, with the numbers that a preview shows now."`
	Confirm clawbackConfirmCommand `cmd:"" help:"As the second officer: see the numbers of now, and with --digest confirm them."`
	Decline clawbackDeclineCommand `cmd:"" help:"Turn a proposal down."`
	Status  clawbackStatusCommand  `cmd:"" help:"Show a clawback and how far it is."`
	List    clawbackListCommand    `cmd:"" help:"List the clawbacks and holds of an organization and of those below it."`
}

type holdCommand struct {
	Place   holdPlaceCommand   `cmd:"" help:"Hold completions: nothing of them can be used until another officer releases or confirms."`
	Release holdReleaseCommand `cmd:"" help:"As another officer: set what is held free."`
}

// chosenCompletions are the flags that say which completions.
type chosenCompletions struct {
	Completion uint64    `placeholder:"ENTRY" help:"One completion, by its entry."`
	Platform   string    `placeholder:"ID" help:"Those that this platform posted."`
	Course     string    `placeholder:"PROVIDER/CODE/VERSION" help:"Those of this course."`
	From       string    `placeholder:"DATE" help:"Only learning that ended on this day or later."`
	To         string    `placeholder:"DATE" help:"Only learning that ended on this day or earlier."`
	Since      time.Time `placeholder:"TIME" help:"Only what was recorded at this time (RFC 3339) or later."`
	Until      time.Time `placeholder:"TIME" help:"Only what was recorded before this time."`
	Before     uint64    `placeholder:"ENTRY" help:"Only what was recorded before this entry, as a preview said; left out: all of now."`
}

func (c *chosenCompletions) selection() (*creditbankv1.ClawbackSelection, error) {
	s := &creditbankv1.ClawbackSelection{Completion: c.Completion, Platform: c.Platform, FromDate: c.From, ToDate: c.To, Before: c.Before}
	if c.Course != "" {
		parts := strings.Split(c.Course, "/")
		if len(parts) != 3 {
			return nil, usagef("--course: it is PROVIDER/CODE/VERSION, such as xihu-cc/tai-chi/1")
		}
		s.Provider, s.Course, s.CourseVersion = parts[0], parts[1], parts[2]
	}
	if c.Completion == 0 && c.Course == "" && c.Platform == "" {
		return nil, usagef("say which completions: --completion, --course or --platform")
	}
	if !c.Since.IsZero() {
		s.RecordedFromTime = timestamppb.New(c.Since)
	}
	if !c.Until.IsZero() {
		s.RecordedUntilTime = timestamppb.New(c.Until)
	}
	return s, nil
}

// saidWhy are the flags with an officer's reason.
type saidWhy struct {
	Reason string `required:"" enum:"EVIDENCE_MISSING,NOT_ATTENDED,IMPLAUSIBLE,DECIDED_BY_MISTAKE,OTHER" placeholder:"CODE" help:"Why: ${enum}."`
	Words  string `required:"" placeholder:"TEXT" help:"Words for those whose completions they are; they stay on the ledger for ever, so that they must name nobody."`
}

// clawing is a connection for clawbacks.
type clawing struct {
	g      *globals
	p      *process
	client creditbankv1.ClawbackServiceClient
}

// withClawbacks connects, and hangs up afterwards.
func withClawbacks(g *globals, p *process, do func(c clawing) error) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	return do(clawing{g, p, creditbankv1.NewClawbackServiceClient(conn)})
}

// preview asks what a clawback would reverse, and shows how far the bank is. It can take as long as the bank needs.
func (c clawing) preview(ctx context.Context, r *creditbankv1.PreviewClawbackRequest) (*creditbankv1.ClawbackPreview, error) {
	stream, err := c.client.PreviewClawback(ctx, r)
	if err != nil {
		return nil, err
	}
	l := c.g.language(c.p)
	bar := newEstimate(c.p, l.say("查找", "looking"))
	defer bar.finish()
	for {
		answer, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("the bank ended its answer without a preview")
		case err != nil:
			return nil, err
		case answer.GetPreview() != nil:
			return answer.GetPreview(), nil
		}
		bar.at(int64(answer.GetEntriesDone()), int64(answer.GetEntriesTotal()))
	}
}

// change makes a changing call with a request id of its own, again until the bank answers.
func (c clawing) change(ctx context.Context, call func(ctx context.Context, id string) (*creditbankv1.Clawback, error)) error {
	id, err := uuid.NewRandomFromReader(c.p.random)
	if err != nil {
		return fmt.Errorf("request id: %v", err)
	}
	tell := func(f fault, wait time.Duration) {
		fmt.Fprintf(c.p.stderr, "creditbank: %s [%s]; again in %s\n", f.message, f.reason, wait.Round(100*time.Millisecond))
	}
	var changed *creditbankv1.Clawback
	err = retry{p: c.p, limit: c.g.Timeout, tell: tell}.do(ctx, func() error {
		ctx, done := c.g.call(ctx)
		defer done()
		changed, err = call(ctx, id.String())
		return err
	})
	if err != nil {
		return err
	}
	return c.print(changed)
}

type clawbackPreviewCommand struct {
	chosenCompletions
}

// Run previews.
func (c *clawbackPreviewCommand) Run(ctx context.Context, g *globals, p *process) error {
	selection, err := c.selection()
	if err != nil {
		return err
	}
	return withClawbacks(g, p, func(c clawing) error {
		preview, err := c.preview(ctx, &creditbankv1.PreviewClawbackRequest{Selection: selection})
		if err != nil {
			return err
		}
		return c.printPreview(preview)
	})
}

type clawbackProposeCommand struct {
	chosenCompletions
	saidWhy

	Digest string `placeholder:"HEX" help:"Digest of the preview that you have seen, with its --before: propose only if it is still the same."`
}

// Run proposes. It shows what it proposed.
func (c *clawbackProposeCommand) Run(ctx context.Context, g *globals, p *process) error {
	selection, err := c.selection()
	if err != nil {
		return err
	}
	said := c.saidWhy
	return withClawbacks(g, p, func(w clawing) error {
		preview, err := w.preview(ctx, &creditbankv1.PreviewClawbackRequest{Selection: selection})
		if err != nil {
			return err
		}
		if err := w.differs(c.Digest, preview); err != nil {
			return err
		}
		return w.change(ctx, func(ctx context.Context, id string) (*creditbankv1.Clawback, error) {
			answer, err := w.client.ProposeClawback(ctx, &creditbankv1.ProposeClawbackRequest{
				RequestId: id, Selection: preview.GetSelection(), Digest: preview.GetDigest(), ReasonCode: said.Reason, Reason: said.Words,
			})
			return answer.GetClawback(), err
		})
	})
}

// differs says that the bank shows other numbers than those of a digest, and which.
func (c clawing) differs(digest string, preview *creditbankv1.ClawbackPreview) error {
	if digest == "" || digest == preview.GetDigest() {
		return nil
	}
	if err := c.printPreview(preview); err != nil {
		return err
	}
	return fmt.Errorf("%s", c.g.language(c.p).say("内容已变化：以上是现在的数字，请用新的 --digest 重试", "it has changed: these are the numbers of now; try again with their --digest"))
}

type clawbackConfirmCommand struct {
	Clawback uint64 `arg:"" help:"The clawback."`
	Digest   string `placeholder:"HEX" help:"Digest of the numbers that you confirm; left out: they are only shown."`
}

// Run confirms, or shows what there is to confirm.
func (c *clawbackConfirmCommand) Run(ctx context.Context, g *globals, p *process) error {
	return withClawbacks(g, p, func(w clawing) error {
		if c.Digest == "" {
			preview, err := w.preview(ctx, &creditbankv1.PreviewClawbackRequest{Clawback: c.Clawback})
			if err != nil {
				return err
			}
			return w.printPreview(preview)
		}
		return w.change(ctx, func(ctx context.Context, id string) (*creditbankv1.Clawback, error) {
			answer, err := w.client.ConfirmClawback(ctx, &creditbankv1.ConfirmClawbackRequest{RequestId: id, Clawback: c.Clawback, Digest: c.Digest})
			return answer.GetClawback(), err
		})
	})
}

type clawbackDeclineCommand struct {
	Clawback uint64 `arg:"" help:"The clawback."`
}

// Run declines.
func (c *clawbackDeclineCommand) Run(ctx context.Context, g *globals, p *process) error {
	return declineClawback(ctx, g, p, c.Clawback)
}

func declineClawback(ctx context.Context, g *globals, p *process, clawback uint64) error {
	return withClawbacks(g, p, func(w clawing) error {
		return w.change(ctx, func(ctx context.Context, id string) (*creditbankv1.Clawback, error) {
			answer, err := w.client.DeclineClawback(ctx, &creditbankv1.DeclineClawbackRequest{RequestId: id, Clawback: clawback})
			return answer.GetClawback(), err
		})
	})
}

type clawbackStatusCommand struct {
	Clawback uint64 `arg:"" help:"The clawback."`
}

// Run shows it.
func (c *clawbackStatusCommand) Run(ctx context.Context, g *globals, p *process) error {
	return withClawbacks(g, p, func(w clawing) error {
		ctx, done := g.call(ctx)
		defer done()
		answer, err := w.client.GetClawback(ctx, &creditbankv1.GetClawbackRequest{Clawback: c.Clawback})
		if err != nil {
			return err
		}
		return w.print(answer.GetClawback())
	})
}

type clawbackListCommand struct {
	Scope string `required:"" placeholder:"ID" help:"Organization."`
	Limit int    `default:"100" help:"Most clawbacks; 0: all (${default})."`
}

// Run lists them.
func (c *clawbackListCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.Limit < 0 {
		return usagef("--limit: it is 0 or more")
	}
	return withClawbacks(g, p, func(w clawing) error {
		all, err := pages(func(token string) ([]*creditbankv1.Clawback, string, error) {
			ctx, done := g.call(ctx)
			defer done()
			page, err := w.client.ListClawbacks(ctx, &creditbankv1.ListClawbacksRequest{Organization: c.Scope, PageSize: 500, PageToken: token})
			return page.GetClawbacks(), page.GetNextPageToken(), err
		}, c.Limit)
		if err != nil {
			return err
		}
		if g.JSON {
			return writeList(p.stdout, all)
		}
		l := g.language(p)
		t := &table{right: []int{0, 4, 5}}
		t.row(l.say("追回", "clawback"), l.say("状态", "state"), l.say("机构", "organization"), l.say("提出", "proposed"), l.say("学习记录", "completions"), l.say("已追回", "done"), l.say("原因", "reason"))
		for _, one := range all {
			t.row(fmt.Sprint(one.GetClawback()), l.clawbackState(one.GetState()), clean(one.GetOrganization()), when(one.GetProposeTime()),
				itoa(one.GetTotals().GetCompletions()), itoa(one.GetCompletionsDone()), clean(one.GetReasonCode()))
		}
		t.write(p.stdout)
		return nil
	})
}

type holdPlaceCommand struct {
	chosenCompletions
	saidWhy

	Future bool `help:"Hold what is recorded from now on, too: it goes to officers, with the cause HELD."`
}

// Run places a hold.
func (c *holdPlaceCommand) Run(ctx context.Context, g *globals, p *process) error {
	selection, err := c.selection()
	if err != nil {
		return err
	}
	return withClawbacks(g, p, func(w clawing) error {
		return w.change(ctx, func(ctx context.Context, id string) (*creditbankv1.Clawback, error) {
			answer, err := w.client.ProposeClawback(ctx, &creditbankv1.ProposeClawbackRequest{
				RequestId: id, Selection: selection, ReasonCode: c.Reason, Reason: c.Words, Hold: true, HoldFuture: c.Future,
			})
			return answer.GetClawback(), err
		})
	})
}

type holdReleaseCommand struct {
	Clawback uint64 `arg:"" help:"The hold."`
}

// Run releases it.
func (c *holdReleaseCommand) Run(ctx context.Context, g *globals, p *process) error {
	return declineClawback(ctx, g, p, c.Clawback)
}

// which says in words which completions.
func (l language) which(s *creditbankv1.ClawbackSelection) string {
	var parts []string
	if s.GetCompletion() != 0 {
		parts = append(parts, fmt.Sprintf(l.say("记录 %d", "completion %d"), s.GetCompletion()))
	}
	if s.GetCourse() != "" {
		parts = append(parts, l.say("课程 ", "course ")+clean(s.GetProvider()+"/"+s.GetCourse()+"/"+s.GetCourseVersion()))
	}
	if s.GetPlatform() != "" {
		parts = append(parts, l.say("平台 ", "platform ")+clean(s.GetPlatform()))
	}
	if s.GetFromDate() != "" || s.GetToDate() != "" {
		parts = append(parts, l.say("学习结束 ", "learned ")+clean(s.GetFromDate())+".."+clean(s.GetToDate()))
	}
	if s.GetRecordedFromTime() != nil || s.GetRecordedUntilTime() != nil {
		parts = append(parts, l.say("入账 ", "recorded ")+when(s.GetRecordedFromTime())+".."+when(s.GetRecordedUntilTime()))
	}
	return strings.Join(append(parts, fmt.Sprintf(l.say("账本 %d 之前", "before entry %d"), s.GetBefore())), ", ")
}

// printPreview says what a clawback would reverse.
func (c clawing) printPreview(v *creditbankv1.ClawbackPreview) error {
	if c.g.JSON {
		return writeMessage(c.p.stdout, v)
	}
	l, t := c.g.language(c.p), &table{}
	t.row(l.say("范围", "selection"), l.which(v.GetSelection()))
	c.totals(t, v.GetTotals())
	if n := v.GetNotCounting(); n > 0 {
		t.row(l.say("不计入的记录", "not counting"), fmt.Sprintf(l.say("%d 条（已撤回、未通过或已放弃），不再追回", "%d that were taken back, refused or given up"), n))
	}
	if n := v.GetUnreachable(); n > 0 {
		t.row(l.say("无法追回", "cannot be reached"), fmt.Sprintf(l.say("%d 条，学习者已注销", "%d, of people who were forgotten"), n))
	}
	if ended, told := v.GetTransfersEnded(), v.GetTransfersTold(); ended+told > 0 {
		t.row(l.say("转换申请", "transfers"), fmt.Sprintf(l.say("%d 项等待中的将终止，%d 项已接受的将通知接受机构", "%d that wait end, of %d accepted ones the institution is told"), ended, told))
	}
	t.row(l.say("摘要", "digest"), clean(v.GetDigest()))
	t.write(c.p.stdout)
	if len(v.GetAccounts()) > 0 {
		fmt.Fprintln(c.p.stdout)
		t = &table{right: []int{1, 2, 3}}
		t.row(l.say("失去最多的账户", "lose most"), l.say("记录", "completions"), l.say("学分", "credits"), l.say("不能追回", "unrecovered"))
		for _, a := range v.GetAccounts() {
			t.row(clean(a.GetMaskedNumber()), itoa(a.GetCompletions()), l.credits(a.GetMilliCredits()), l.credits(a.GetUnrecovered()))
		}
		t.write(c.p.stdout)
	}
	return nil
}

func (c clawing) totals(t *table, v *creditbankv1.ClawbackTotals) {
	l := c.g.language(c.p)
	t.row(l.say("学习记录", "completions"), fmt.Sprintf(l.say("%d 条，%d 个账户，%d 分钟，%d 个未结案件", "%d of %d accounts: %d minutes, %d open cases"),
		v.GetCompletions(), v.GetAccounts(), v.GetMinutes(), v.GetOpenCases()))
	t.row(l.say("可追回学分", "credits to take back"), fmt.Sprintf(l.say("%s（可用 %s，待放 %s，转换中 %s）", "%s (%s available, %s waiting, %s held for transfers)"),
		l.credits(v.GetAvailable()+v.GetPending()+v.GetReserved()), l.credits(v.GetAvailable()), l.credits(v.GetPending()), l.credits(v.GetReserved())))
	t.row(l.say("不能追回学分", "credits out of reach"), fmt.Sprintf(l.say("已转出 %s，已过期 %s", "%s transferred, %s expired"),
		l.credits(v.GetTransferred()), l.credits(v.GetExpired())))
	t.row(l.say("积分", "points"), l.credits(v.GetMilliPoints()))
}

// print shows a clawback.
func (c clawing) print(v *creditbankv1.Clawback) error {
	if c.g.JSON {
		return writeMessage(c.p.stdout, v)
	}
	l, t := c.g.language(c.p), &table{}
	name := l.say("追回", "clawback")
	if v.GetHold() {
		name = l.say("冻结", "hold")
	}
	state := l.clawbackState(v.GetState())
	if v.GetHold() && v.GetState() == creditbankv1.ClawbackState_CLAWBACK_STATE_DECLINED {
		state = l.say("解冻中", "comes free")
	}
	t.row(name, fmt.Sprintf("%d: %s", v.GetClawback(), state))
	t.row(l.say("范围", "selection"), l.which(v.GetSelection()))
	t.row(l.say("原因", "reason"), clean(v.GetReasonCode()+" "+v.GetReason()))
	t.row(l.say("提出", "proposed"), clean(v.GetProposedBy())+" "+when(v.GetProposeTime()))
	if v.GetDecidedBy() != "" {
		t.row(l.say("决定", "decided"), clean(v.GetDecidedBy()))
	}
	c.totals(t, v.GetTotals())
	if v.GetHold() {
		held := itoa(v.GetCompletionsHeld())
		if v.GetHoldFuture() {
			held += l.say("，以及新记录", ", and what is still to come")
		}
		t.row(l.say("冻结中", "held"), held)
	}
	t.row(l.say("进度", "progress"), fmt.Sprintf(l.say("已追回 %d 条，剩余 %d 条", "%d taken back, %d left"), v.GetCompletionsDone(), v.GetCompletionsLeft()))
	if v.GetCompletionsDone() > 0 {
		t.row(l.say("已追回学分", "credits taken back"), fmt.Sprintf(l.say("%s；已转出 %s", "%s; not %s transferred"),
			l.credits(v.GetReversed()), l.credits(v.GetUnrecovered())))
	}
	if n := v.GetUnreached(); n > 0 {
		t.row(l.say("无法追回", "not reached"), fmt.Sprintf(l.say("%d 条，学习者已注销", "%d, of people who were forgotten"), n))
	}
	t.write(c.p.stdout)
	return nil
}

func (l language) clawbackState(s creditbankv1.ClawbackState) string {
	switch s {
	case creditbankv1.ClawbackState_CLAWBACK_STATE_PROPOSED:
		return l.say("等待另一位认证员", "waits for another officer")
	case creditbankv1.ClawbackState_CLAWBACK_STATE_CONFIRMED:
		return l.say("追回中", "being done")
	case creditbankv1.ClawbackState_CLAWBACK_STATE_DECLINED:
		return l.say("未获同意", "declined")
	case creditbankv1.ClawbackState_CLAWBACK_STATE_FINISHED:
		return l.say("已完成", "done")
	case creditbankv1.ClawbackState_CLAWBACK_STATE_HELD:
		return l.say("已冻结，等待另一位认证员", "held, waits for another officer")
	case creditbankv1.ClawbackState_CLAWBACK_STATE_RELEASED:
		return l.say("已解冻", "released")
	default:
		return l.say("未知", "unknown")
	}
}
