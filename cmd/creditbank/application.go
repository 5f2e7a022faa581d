package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type applicationCommand struct {
	List     applicationListCommand     `cmd:"" help:"List the applications of organizations, the newest first."`
	Apply    applicationApplyCommand    `cmd:"" help:"Apply for an organization's accreditation, or for its renewal."`
	Decide   applicationDecideCommand   `cmd:"" help:"Accredit, refuse or return an application."`
	Answer   applicationAnswerCommand   `cmd:"" help:"Answer what was asked."`
	Appeal   applicationAppealCommand   `cmd:"" help:"Appeal against a refusal: another officer decides."`
	Withdraw applicationWithdrawCommand `cmd:"" help:"Give an application up."`
}

type applicationListCommand struct {
	Within string `placeholder:"ID" help:"Only those of this organization and of those below it."`
	Status string `enum:"any,submitted,returned,accredited,refused,appealed,withdrawn" default:"any" help:"Only those in this status: submitted, returned, accredited, refused, appealed or withdrawn."`
}

// Run lists the applications.
func (c *applicationListCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	request := &creditbankv1.ListApplicationsRequest{
		PageSize: 1000, Within: c.Within,
		Status: creditbankv1.ApplicationStatus(creditbankv1.ApplicationStatus_value["APPLICATION_STATUS_"+strings.ToUpper(c.Status)]),
	}
	client := creditbankv1.NewApplicationServiceClient(conn)
	all, err := pages(func(token string) ([]*creditbankv1.Application, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		request.PageToken = token
		page, err := client.ListApplications(ctx, request)
		return page.GetApplications(), page.GetNextPageToken(), err
	}, 0)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, all)
	}
	l := g.language(p)
	t := &table{right: []int{0}}
	t.row(l.say("申请", "application"), l.say("机构", "organization"), l.say("角色", "role"), l.say("状态", "status"), l.say("期限", "valid"), l.say("申诉截止", "appeal until"))
	for _, a := range all {
		t.row(itoa(int64(a.GetApplication())), clean(a.GetOrganization()), l.applicationRole(a.GetRole()), l.applicationStatus(a.GetStatus()),
			clean(a.GetValidFrom())+" – "+clean(a.GetValidUntil()), clean(a.GetAppealUntil()))
	}
	t.write(p.stdout)
	return nil
}

type applicationApplyCommand struct {
	ID        string `arg:"" name:"organization" help:"Organization that applies."`
	Role      string `arg:"" enum:"provider,platform" help:"provider or platform."`
	From      string `required:"" placeholder:"DATE" help:"First day for which it is asked (YYYY-MM-DD)."`
	Until     string `placeholder:"DATE" help:"Last such day."`
	Statement string `placeholder:"TEXT" help:"What speaks for it; it names nobody."`
}

// Run applies.
func (c *applicationApplyCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := asked(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.ApplyResponse, error) {
		return creditbankv1.NewApplicationServiceClient(conn).Apply(ctx, &creditbankv1.ApplyRequest{
			RequestId: id, Organization: c.ID, Role: ledgerv1.Role(ledgerv1.Role_value["ROLE_"+strings.ToUpper(c.Role)]),
			ValidFrom: c.From, ValidUntil: c.Until, Statement: c.Statement,
		})
	})
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	fmt.Fprintf(p.stdout, g.language(p).say("已提交申请 %d。\n", "The application is filed: %d.\n"), answer.GetApplication().GetApplication())
	return nil
}

// applicationAnswer is what steps of an application are answered with.
type applicationAnswer interface {
	proto.Message
	GetStatus() creditbankv1.ApplicationStatus
	GetEntryIndex() uint64
}

type applicationDecideCommand struct {
	Application uint64 `arg:"" help:"Number of the application."`
	Decision    string `arg:"" enum:"accredit,refuse,return" help:"accredit, refuse, or return to ask for more."`
	From        string `placeholder:"DATE" help:"First day for which it is accredited; as it was asked without it."`
	Until       string `placeholder:"DATE" help:"Last such day; as it was asked without it."`
	Trust       int32  `placeholder:"N" help:"Trust in what the organization posts from now on, 1 to 5; as it was without it."`
	why         `embed:""`
}

// Run decides.
func (c *applicationDecideCommand) Run(ctx context.Context, g *globals, p *process) error {
	if err := c.check(); err != nil {
		return err
	}
	return stepApplication(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (applicationAnswer, error) {
		return creditbankv1.NewApplicationServiceClient(conn).DecideApplication(ctx, &creditbankv1.DecideApplicationRequest{
			RequestId: id, Application: c.Application, ReasonCode: c.Reason, Note: c.Note, ValidFrom: c.From, ValidUntil: c.Until, TrustTier: c.Trust,
			Decision: creditbankv1.ApplicationDecision(creditbankv1.ApplicationDecision_value["APPLICATION_DECISION_"+strings.ToUpper(c.Decision)]),
		})
	})
}

func stepApplication(
	ctx context.Context, g *globals, p *process, ask func(ctx context.Context, conn grpc.ClientConnInterface, id string) (applicationAnswer, error),
) error {
	answer, err := asked(ctx, g, p, ask)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	fmt.Fprintf(p.stdout, l.say("%s，已记入账本第 %d 条。\n", "%s, recorded by entry %d.\n"), l.applicationStatus(answer.GetStatus()), answer.GetEntryIndex())
	return nil
}

// pursued asks for a step of who applied.
func pursued(application uint64, pursuit creditbankv1.Pursuit, note string) func(context.Context, grpc.ClientConnInterface, string) (applicationAnswer, error) {
	return func(ctx context.Context, conn grpc.ClientConnInterface, id string) (applicationAnswer, error) {
		return creditbankv1.NewApplicationServiceClient(conn).PursueApplication(ctx, &creditbankv1.PursueApplicationRequest{
			RequestId: id, Application: application, Pursuit: pursuit, Note: note,
		})
	}
}

type applicationAnswerCommand struct {
	Application uint64 `arg:"" help:"Number of the application."`
	Note        string `required:"" placeholder:"TEXT" help:"The answer; it names nobody."`
}

// Run answers.
func (c *applicationAnswerCommand) Run(ctx context.Context, g *globals, p *process) error {
	return stepApplication(ctx, g, p, pursued(c.Application, creditbankv1.Pursuit_PURSUIT_ANSWER, c.Note))
}

type applicationAppealCommand struct {
	Application uint64 `arg:"" help:"Number of the application."`
	Note        string `required:"" placeholder:"TEXT" help:"Why it should not have been refused; it names nobody."`
}

// Run appeals.
func (c *applicationAppealCommand) Run(ctx context.Context, g *globals, p *process) error {
	return stepApplication(ctx, g, p, pursued(c.Application, creditbankv1.Pursuit_PURSUIT_APPEAL, c.Note))
}

type applicationWithdrawCommand struct {
	Application uint64 `arg:"" help:"Number of the application."`
}

// Run gives it up.
func (c *applicationWithdrawCommand) Run(ctx context.Context, g *globals, p *process) error {
	return stepApplication(ctx, g, p, pursued(c.Application, creditbankv1.Pursuit_PURSUIT_WITHDRAW, ""))
}

type courseAnswerCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	Note   string    `required:"" placeholder:"TEXT" help:"The answer; it names nobody."`
}

// Run answers.
func (c *courseAnswerCommand) Run(ctx context.Context, g *globals, p *process) error {
	return pursueCourse(ctx, g, p, c.Course, pursuedCourse(creditbankv1.Pursuit_PURSUIT_ANSWER, c.Note))
}

type courseAppealCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	Note   string    `required:"" placeholder:"TEXT" help:"Why it should not have been refused; it names nobody."`
}

// Run appeals.
func (c *courseAppealCommand) Run(ctx context.Context, g *globals, p *process) error {
	return pursueCourse(ctx, g, p, c.Course, pursuedCourse(creditbankv1.Pursuit_PURSUIT_APPEAL, c.Note))
}

type courseWithdrawCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
}

// Run gives it up.
func (c *courseWithdrawCommand) Run(ctx context.Context, g *globals, p *process) error {
	return pursueCourse(ctx, g, p, c.Course, pursuedCourse(creditbankv1.Pursuit_PURSUIT_WITHDRAW, ""))
}

// courseStep asks for a step of a proposed course, which its entry names.
type courseStep func(ctx context.Context, conn grpc.ClientConnInterface, id string, course uint64) (applicationAnswer, error)

func pursuedCourse(pursuit creditbankv1.Pursuit, note string) courseStep {
	return func(ctx context.Context, conn grpc.ClientConnInterface, id string, course uint64) (applicationAnswer, error) {
		return pursued(course, pursuit, note)(ctx, conn, id)
	}
}

// pursueCourse takes a step of a proposed course, after looking up which entry proposed it.
func pursueCourse(ctx context.Context, g *globals, p *process, c courseArg, step courseStep) error {
	if c.version == "" {
		return usagef("the course's version is needed: PROVIDER/CODE/VERSION")
	}
	return stepApplication(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (applicationAnswer, error) {
		found, err := queryCourse(ctx, g, conn, c)
		if err != nil {
			return nil, err
		}
		return step(ctx, conn, id, found.GetCourse().GetEntryIndex())
	})
}

func (l language) applicationRole(r ledgerv1.Role) string {
	switch r {
	case ledgerv1.Role_ROLE_PLATFORM:
		return l.say("学习平台", "platform")
	case ledgerv1.Role_ROLE_PROVIDER:
		return l.say("课程提供者", "provider")
	default:
		return r.String()
	}
}

func (l language) applicationStatus(s creditbankv1.ApplicationStatus) string {
	switch s {
	case creditbankv1.ApplicationStatus_APPLICATION_STATUS_SUBMITTED:
		return l.say("待审定", "submitted")
	case creditbankv1.ApplicationStatus_APPLICATION_STATUS_RETURNED:
		return l.say("待补充材料", "returned")
	case creditbankv1.ApplicationStatus_APPLICATION_STATUS_ACCREDITED:
		return l.say("已认证", "accredited")
	case creditbankv1.ApplicationStatus_APPLICATION_STATUS_REFUSED:
		return l.say("未通过", "refused")
	case creditbankv1.ApplicationStatus_APPLICATION_STATUS_APPEALED:
		return l.say("申诉中", "appealed")
	case creditbankv1.ApplicationStatus_APPLICATION_STATUS_WITHDRAWN:
		return l.say("已撤回", "withdrawn")
	default:
		return s.String()
	}
}
