package main

import (
	"context"
	"fmt"
	"strings"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type courseQueryCommand struct {
	Subjects []string `arg:"" help:"Courses as PROVIDER/CODE or PROVIDER/CODE/VERSION, provider:ID, platform:ID, and certificate:ISSUER/NAME by id or name of the issuer and code or title; at most 1,000."`
	Date     string   `placeholder:"DATE" help:"Day on which the learning ends, or the certificate is issued (YYYY-MM-DD); today without it."`
	Mode     string   `enum:"classroom,online,practice,lecture,achievement" default:"classroom" help:"How courses are learned: classroom, online, practice, lecture or achievement."`
	Level    *int32   `placeholder:"N" help:"Level of the certificates; whichever they have without it."`
	Category string   `placeholder:"ID" help:"Category in which certificates would be claimed; without it the one in which they are accredited."`
	Home     string   `placeholder:"ID" help:"Organization where the learner is at home, whose policy says what can be claimed."`
	Why      bool     `help:"Also show how the credits come about."`
}

// Run asks about all of them at once.
func (c *courseQueryCommand) Run(ctx context.Context, g *globals, p *process) error {
	request := new(creditbankv1.BatchQueryAccreditationRequest)
	for _, subject := range c.Subjects {
		question, err := c.question(subject)
		if err != nil {
			return err
		}
		request.Queries = append(request.Queries, question)
	}
	conn, err := g.dial(p)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	ctx, done := g.call(ctx)
	defer done()
	answer, err := creditbankv1.NewAccreditationServiceClient(conn).BatchQueryAccreditation(ctx, request)
	if err != nil {
		return err
	}
	if g.JSON {
		return writeMessage(p.stdout, answer)
	}
	l := g.language(p)
	t := &table{right: []int{3, 4, 5}}
	t.row(l.say("对象", "subject"), l.say("状态", "status"), l.say("类别", "category"), l.say("等级", "level"), l.say("时长", "minutes"), l.say("学分", "credits"))
	for i, one := range answer.GetAnswers() {
		a, subject := one.GetAnswer(), clean(c.Subjects[i])
		if a == nil {
			t.row(subject, clean(one.GetFaultReason()))
			t.note(clean(one.GetFaultMessage()))
			continue
		}
		level, minutes, credits := "", "", ""
		if course := a.GetCourse(); course != nil {
			level, minutes = itoa(int64(course.GetLevel())), itoa(course.GetNominalMinutes())
		}
		if a.GetEarning() != nil {
			credits = l.credits(a.GetEarning().GetMilliCredits())
		}
		t.row(subject, l.standing(a.GetStatus()), clean(a.GetCourse().GetCategory()), level, minutes, credits)
		for _, r := range a.GetReasons() {
			t.note(l.text(r.GetWords()))
		}
		for _, words := range a.GetEarning().GetReasons() {
			if c.Why {
				t.note(l.text(words))
			}
		}
		for _, e := range a.GetEarning().GetEquivalents() {
			t.note(l.equivalent(e))
		}
		if claim := a.GetClaim(); claim != nil {
			t.note(l.text(claim.GetReason().GetWords()))
			if claim.GetPossible() {
				t.note(l.claimable(claim))
			}
		}
	}
	t.write(p.stdout)
	return nil
}

func (c *courseQueryCommand) question(subject string) (*creditbankv1.QueryAccreditationRequest, error) {
	question := new(creditbankv1.QueryAccreditationRequest)
	switch kind, id, named := strings.Cut(subject, ":"); {
	case named && kind == "provider":
		question.Subject = &creditbankv1.QueryAccreditationRequest_Provider{Provider: id}
	case named && kind == "platform":
		question.Subject = &creditbankv1.QueryAccreditationRequest_Platform{Platform: id}
	case named && kind == "certificate":
		issuer, name, ok := strings.Cut(id, "/")
		if !ok || issuer == "" || name == "" {
			return nil, usagef("a certificate is certificate:ISSUER/NAME, not %q", clean(subject))
		}
		question.Subject = &creditbankv1.QueryAccreditationRequest_Certificate{Certificate: &creditbankv1.CertificateName{
			Issuer: issuer, Name: name, Level: c.Level, Category: c.Category, Home: c.Home,
		}}
		question.Date = c.Date
		return question, nil
	default:
		var course courseArg
		if err := course.UnmarshalText([]byte(subject)); err != nil {
			return nil, usagef("%v; or provider:ID, platform:ID or certificate:ISSUER/NAME", err)
		}
		question = courseQuestion(course)
	}
	question.Date = c.Date
	question.Mode = creditbankv1.LearningMode(creditbankv1.LearningMode_value["LEARNING_MODE_"+strings.ToUpper(c.Mode)])
	return question, nil
}

// equivalent says for which course of an institution a certificate stands.
func (l language) equivalent(e *creditbankv1.Equivalent) string {
	institution, programme, course := clean(e.GetInstitutionName()), l.text(e.GetProgrammeName()), l.text(e.GetCourseName())
	takes, gives := l.credits(e.GetTakesMilliCredits()), l.credits(e.GetGivesMilliCredits())
	said := l.say(
		fmt.Sprintf("在%s“%s”专业对应课程“%s”（%s）：用 %s 学分，计 %s 学分", institution, programme, course, clean(e.GetCourse()), takes, gives),
		fmt.Sprintf("At %s, in %s, it stands for %s (%s): it takes %s credits and gives %s", institution, programme, course, clean(e.GetCourse()), takes, gives),
	)
	if until := clean(e.GetUntil()); until != "" {
		return said + l.say("，可在 "+until+" 之前（含当日）转换。", ", until "+until+".")
	}
	return said + l.say("。", ".")
}

// claimable says what a claim gives at most.
func (l language) claimable(c *creditbankv1.ClaimOutlook) string {
	name, minutes, credits := l.text(c.GetName()), itoa(c.GetMinutes()), l.credits(c.GetMilliCredits())
	return l.say(
		fmt.Sprintf("按“%s”（%s 类）申请，最多 %s 分钟，合 %s 学分。", name, clean(c.GetCategory()), minutes, credits),
		fmt.Sprintf("Claimed as %s in category %s, it gives at most %s minutes and %s credits.", name, clean(c.GetCategory()), minutes, credits),
	)
}

// standing says how a subject stands on a date.
func (l language) standing(s creditbankv1.AccreditationStatus) string {
	switch s {
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_UNKNOWN:
		return l.say("未登记", "unknown")
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED:
		return l.say("已认证", "accredited")
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_PENDING:
		return l.say("待审定", "pending")
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_NOT_ACCREDITED:
		return l.say("未认证", "not accredited")
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_NOT_YET:
		return l.say("未生效", "not yet")
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_SUSPENDED:
		return l.say("暂停", "suspended")
	case creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ENDED:
		return l.say("已结束", "ended")
	default:
		return s.String()
	}
}
