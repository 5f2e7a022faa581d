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

type courseCommand struct {
	List      courseListCommand      `cmd:"" help:"List the catalogue."`
	Search    courseSearchCommand    `cmd:"" help:"Search the catalogue for words in title, code and provider."`
	Show      courseShowCommand      `cmd:"" help:"Show one course."`
	Query     courseQueryCommand     `cmd:"" help:"Ask whether courses, providers and platforms are accredited, and what courses would earn."`
	Propose   courseProposeCommand   `cmd:"" help:"Propose a course, or a new version of one."`
	Decide    courseDecideCommand    `cmd:"" help:"Accredit, refuse or return a proposed course."`
	Answer    courseAnswerCommand    `cmd:"" help:"Answer what was asked about a proposed course."`
	Appeal    courseAppealCommand    `cmd:"" help:"Appeal against the refusal of a course."`
	Withdraw  courseWithdrawCommand  `cmd:"" help:"Give a proposed course up."`
	Suspend   courseSuspendCommand   `cmd:"" help:"Suspend an accredited course; what was learned before stays."`
	Reinstate courseReinstateCommand `cmd:"" help:"End the suspension of a course."`
	Renew     courseRenewCommand     `cmd:"" help:"Let a course count on further days."`
	Retire    courseRetireCommand    `cmd:"" help:"End the accreditation of a course."`
}

// courseArg names a course: PROVIDER/CODE/VERSION, of which the version may be left out where a date says which is meant.
type courseArg struct{ provider, code, version string }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *courseArg) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return fmt.Errorf("a course is PROVIDER/CODE/VERSION, not %q", clean(string(text)))
	}
	c.provider, c.code = parts[0], parts[1]
	if len(parts) == 3 {
		c.version = parts[2]
	}
	return nil
}

type courseFilter struct {
	Provider string `placeholder:"ID" help:"Only courses of this organization."`
	Within   string `placeholder:"ID" help:"Only courses of this organization and of those below it."`
	Category string `placeholder:"ID" help:"Only courses of this category."`
	Status   string `enum:"any,proposed,returned,accredited,refused,appealed,withdrawn,retired" default:"any" help:"Only courses in this status: proposed, returned, accredited, refused, appealed, withdrawn or retired."`
	Level    *int32 `placeholder:"N" help:"Only courses of this level."`
	ValidOn  string `placeholder:"DATE" help:"Only courses that count for learning that ends on this day (YYYY-MM-DD)."`
	Capacity bool   `help:"Only courses of which the capacity is known."`
}

func (f *courseFilter) request(words string) *creditbankv1.ListCoursesRequest {
	return &creditbankv1.ListCoursesRequest{
		Provider: f.Provider, Category: f.Category, Within: f.Within, Level: f.Level, ValidOn: f.ValidOn, HasCapacity: f.Capacity, Search: words,
		Status: creditbankv1.CourseStatus(creditbankv1.CourseStatus_value["COURSE_STATUS_"+strings.ToUpper(f.Status)]),
	}
}

type courseListCommand struct {
	courseFilter
}

// Run lists the courses.
func (c *courseListCommand) Run(ctx context.Context, g *globals, p *process) error {
	return showCourses(ctx, g, p, c.request(""))
}

type courseSearchCommand struct {
	Words []string `arg:"" help:"Words, all of which are to be found."`
	courseFilter
}

// Run searches the courses.
func (c *courseSearchCommand) Run(ctx context.Context, g *globals, p *process) error {
	return showCourses(ctx, g, p, c.request(strings.Join(c.Words, " ")))
}

func showCourses(ctx context.Context, g *globals, p *process, request *creditbankv1.ListCoursesRequest) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	courses, err := listCourses(ctx, g, creditbankv1.NewAccreditationServiceClient(conn), request)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeList(p.stdout, courses)
	}
	l := g.language(p)
	t := &table{right: []int{6, 7}}
	t.row(l.say("提供者", "provider"), l.say("课程", "course"), l.say("版本", "version"), l.say("名称", "title"),
		l.say("类别", "category"), l.say("状态", "status"), l.say("等级", "level"), l.say("时长", "minutes"), l.say("有效期", "valid"))
	for _, course := range courses {
		t.row(clean(course.GetProvider()), clean(course.GetCode()), clean(course.GetVersion()), clean(course.GetTitle()),
			clean(course.GetCategory()), l.courseStatus(course.GetStatus()), itoa(int64(course.GetLevel())),
			itoa(course.GetNominalMinutes()), clean(course.GetValidFrom())+" – "+clean(course.GetValidUntil()))
	}
	t.write(p.stdout)
	return nil
}

// listCourses reads all pages.
func listCourses(
	ctx context.Context, g *globals, client creditbankv1.AccreditationServiceClient, request *creditbankv1.ListCoursesRequest,
) ([]*creditbankv1.Course, error) {
	request.PageSize = 1000
	return pages(func(token string) ([]*creditbankv1.Course, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		request.PageToken = token
		page, err := client.ListCourses(ctx, request)
		return page.GetCourses(), page.GetNextPageToken(), err
	}, 0)
}

type courseShowCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION; without the version, the one that counts today."`
}

// Run shows the course.
func (c *courseShowCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	answer, err := queryCourse(ctx, g, conn, c.Course)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	printCourse(p, l, answer.GetCourse())
	for _, r := range answer.GetReasons() {
		fmt.Fprintln(p.stdout, l.text(r.GetWords()))
	}
	return nil
}

// queryCourse finds a course; that there is none is an error.
func queryCourse(ctx context.Context, g *globals, conn grpc.ClientConnInterface, c courseArg) (*creditbankv1.QueryAccreditationResponse, error) {
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewAccreditationServiceClient(conn).QueryAccreditation(ctx, courseQuestion(c))
	if err == nil && answer.GetCourse() == nil {
		err = usagef("the bank knows no course %s of %s", clean(c.code+" "+c.version), clean(c.provider))
	}
	return answer, err
}

func courseQuestion(c courseArg) *creditbankv1.QueryAccreditationRequest {
	return &creditbankv1.QueryAccreditationRequest{Subject: &creditbankv1.QueryAccreditationRequest_Course{
		Course: &creditbankv1.CourseName{Provider: c.provider, Code: c.code, Version: c.version},
	}}
}

// printCourse shows a course, one line for each thing that is known of it.
func printCourse(p *process, l language, c *creditbankv1.Course) {
	t := &table{}
	line := func(name, value string) {
		if value != "" {
			t.row(name, value)
		}
	}
	days := func(ranges []*creditbankv1.DayRange) string {
		var all []string
		for _, r := range ranges {
			all = append(all, clean(r.GetFrom())+" – "+clean(r.GetUntil()))
		}
		return strings.Join(all, ", ")
	}
	line(l.say("课程", "course"), clean(c.GetProvider()+"/"+c.GetCode()+"/"+c.GetVersion()))
	line(l.say("名称", "title"), clean(c.GetTitle()))
	line(l.say("状态", "status"), l.courseStatus(c.GetStatus()))
	line(l.say("申诉截止", "appeal until"), clean(c.GetAppealUntil()))
	line(l.say("类别", "category"), clean(c.GetCategory()))
	line(l.say("等级", "level"), strings.TrimSpace(itoa(int64(c.GetLevel()))+" "+l.text(c.GetLevelName())))
	line(l.say("时长", "minutes"), itoa(c.GetNominalMinutes()))
	line(l.say("等效组", "equivalence group"), clean(c.GetEquivalenceGroup()))
	if c.GetCapacity() > 0 {
		line(l.say("容量", "capacity"), itoa(int64(c.GetCapacity())))
	}
	line(l.say("有效期", "valid"), clean(c.GetValidFrom())+" – "+clean(c.GetValidUntil()))
	line(l.say("续认证", "renewed"), days(c.GetRenewed()))
	line(l.say("暂停", "suspended"), days(c.GetSuspended()))
	line(l.say("账本条目", "entry"), itoa(int64(c.GetEntryIndex())))
	t.write(p.stdout)
}

type courseProposeCommand struct {
	Course   courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	Title    string    `required:"" placeholder:"TEXT" help:"Title that people read."`
	Category string    `required:"" placeholder:"ID" help:"Category of learning, as the policy names it."`
	Level    int32     `placeholder:"N" help:"Level in the policy's framework; 0: none."`
	Minutes  int64     `required:"" placeholder:"N" help:"Minutes that it is meant to take."`
	Group    string    `placeholder:"NAME" help:"Equivalence group: courses of the same meaning count once."`
	From     string    `required:"" placeholder:"DATE" help:"First day on which learning may end to count (YYYY-MM-DD)."`
	Until    string    `placeholder:"DATE" help:"Last such day."`
	Capacity int32     `placeholder:"N" help:"Most learners at once; 0: not said."`
}

// Run proposes the course.
func (c *courseProposeCommand) Run(ctx context.Context, g *globals, p *process) error {
	answer, err := asked(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.ProposeCourseResponse, error) {
		return creditbankv1.NewAccreditationServiceClient(conn).ProposeCourse(ctx, &creditbankv1.ProposeCourseRequest{
			RequestId: id, Course: &creditbankv1.Course{
				Provider: c.Course.provider, Code: c.Course.code, Version: c.Course.version, Title: c.Title, Category: c.Category, Level: c.Level,
				NominalMinutes: c.Minutes, EquivalenceGroup: c.Group, ValidFrom: c.From, ValidUntil: c.Until, Capacity: c.Capacity,
			},
		})
	})
	if err != nil {
		return err
	}
	return tellCourse(g, p, answer, answer.GetCourse())
}

func tellCourse(g *globals, p *process, answer proto.Message, course *creditbankv1.Course) error {
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	printCourse(p, g.language(p), course)
	return nil
}

// why are the flags with which somebody says why.
type why struct {
	Reason string `placeholder:"CODE" help:"Why, as a code; with OTHER say more in --note."`
	Note   string `placeholder:"TEXT" help:"Why, in words that everybody reads; they name nobody."`
}

func (w why) check() error {
	if w.Reason == "OTHER" && strings.TrimSpace(w.Note) == "" {
		return usagef("--note: with --reason OTHER say why")
	}
	return nil
}

type courseDecideCommand struct {
	Course   courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	Decision string    `arg:"" enum:"accredit,refuse,return" help:"accredit, refuse, or return to ask for more."`
	why      `embed:""`
}

// Run decides the course.
func (c *courseDecideCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.Decision == "return" {
		return pursueCourse(ctx, g, p, c.Course, func(ctx context.Context, conn grpc.ClientConnInterface, id string, course uint64) (applicationAnswer, error) {
			return creditbankv1.NewApplicationServiceClient(conn).DecideApplication(ctx, &creditbankv1.DecideApplicationRequest{
				RequestId: id, Application: course, Decision: creditbankv1.ApplicationDecision_APPLICATION_DECISION_RETURN, ReasonCode: c.Reason, Note: c.Note,
			})
		})
	}
	decision := ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED
	if c.Decision == "refuse" {
		decision = ledgerv1.CourseDecision_COURSE_DECISION_REFUSED
	}
	return decideCourse(ctx, g, p, c.Course, decision, "", c.why)
}

func decideCourse(ctx context.Context, g *globals, p *process, c courseArg, decision ledgerv1.CourseDecision, last string, w why) error {
	if err := w.check(); err != nil {
		return err
	}
	answer, err := asked(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.DecideCourseResponse, error) {
		return creditbankv1.NewAccreditationServiceClient(conn).DecideCourse(ctx, &creditbankv1.DecideCourseRequest{
			RequestId: id, Provider: c.provider, Code: c.code, Version: c.version, Decision: decision, LastDay: last, ReasonCode: w.Reason, Reason: w.Note,
		})
	})
	if err != nil {
		return err
	}
	return tellCourse(g, p, answer, answer.GetCourse())
}

type courseRetireCommand struct {
	Course  courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	LastDay string    `required:"" placeholder:"DATE" help:"Last day on which learning may end to count (YYYY-MM-DD)."`
	why     `embed:""`
}

// Run retires the course.
func (c *courseRetireCommand) Run(ctx context.Context, g *globals, p *process) error {
	return decideCourse(ctx, g, p, c.Course, ledgerv1.CourseDecision_COURSE_DECISION_RETIRED, c.LastDay, c.why)
}

type courseSuspendCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	From   string    `required:"" placeholder:"DATE" help:"First day, today or later (YYYY-MM-DD)."`
	Until  string    `placeholder:"DATE" help:"Last day."`
	why    `embed:""`
}

// Run suspends the course.
func (c *courseSuspendCommand) Run(ctx context.Context, g *globals, p *process) error {
	return changeCourse(ctx, g, p, c.Course, ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED, c.From, c.Until, c.why)
}

type courseReinstateCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	From   string    `required:"" placeholder:"DATE" help:"First day on which it counts again (YYYY-MM-DD)."`
	why    `embed:""`
}

// Run reinstates the course.
func (c *courseReinstateCommand) Run(ctx context.Context, g *globals, p *process) error {
	return changeCourse(ctx, g, p, c.Course, ledgerv1.CourseChange_COURSE_CHANGE_REINSTATED, c.From, "", c.why)
}

type courseRenewCommand struct {
	Course courseArg `arg:"" placeholder:"COURSE" help:"PROVIDER/CODE/VERSION."`
	From   string    `required:"" placeholder:"DATE" help:"First further day (YYYY-MM-DD)."`
	Until  string    `placeholder:"DATE" help:"Last one."`
	why    `embed:""`
}

// Run renews the course.
func (c *courseRenewCommand) Run(ctx context.Context, g *globals, p *process) error {
	return changeCourse(ctx, g, p, c.Course, ledgerv1.CourseChange_COURSE_CHANGE_RENEWED, c.From, c.Until, c.why)
}

func changeCourse(
	ctx context.Context, g *globals, p *process, c courseArg, change ledgerv1.CourseChange, from, until string, w why,
) error {
	if err := w.check(); err != nil {
		return err
	}
	answer, err := asked(ctx, g, p, func(ctx context.Context, conn grpc.ClientConnInterface, id string) (*creditbankv1.ChangeCourseResponse, error) {
		return creditbankv1.NewAccreditationServiceClient(conn).ChangeCourse(ctx, &creditbankv1.ChangeCourseRequest{
			RequestId: id, Provider: c.provider, Code: c.code, Version: c.version, Change: change, From: from, Until: until,
			ReasonCode: w.Reason, Reason: w.Note,
		})
	})
	if err != nil {
		return err
	}
	return tellCourse(g, p, answer, answer.GetCourse())
}
