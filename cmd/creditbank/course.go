package main

import (
	"context"
	"strings"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type courseCommand struct {
	List courseListCommand `cmd:"" help:"List the catalogue."`
}

type courseListCommand struct {
	Provider string `placeholder:"ID" help:"Only courses of this organization."`
	Category string `placeholder:"ID" help:"Only courses of this category."`
	Status   string `enum:"any,proposed,accredited,retired,refused" default:"any" help:"Only courses in this status: proposed, accredited, retired or refused."`
}

// Run lists the courses.
func (c *courseListCommand) Run(ctx context.Context, g *globals, p *process) error {
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	courses, err := listCourses(ctx, g, creditbankv1.NewAccreditationServiceClient(conn), &creditbankv1.ListCoursesRequest{
		Provider: c.Provider, Category: c.Category,
		Status: creditbankv1.CourseStatus(creditbankv1.CourseStatus_value["COURSE_STATUS_"+strings.ToUpper(c.Status)]),
	})
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
