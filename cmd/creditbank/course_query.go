package main

import (
	"context"
	"strings"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type courseQueryCommand struct {
	Subjects []string `arg:"" help:"Courses as PROVIDER/CODE or PROVIDER/CODE/VERSION, and provider:ID and platform:ID; at most 1,000."`
	Date     string   `placeholder:"DATE" help:"Day on which the learning ends (YYYY-MM-DD); today without it."`
	Mode     string   `enum:"classroom,online,practice,lecture,achievement" default:"classroom" help:"How it is learned: classroom, online, practice, lecture or achievement."`
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
	default:
		var course courseArg
		if err := course.UnmarshalText([]byte(subject)); err != nil {
			return nil, usagef("%v; or provider:ID, or platform:ID", err)
		}
		question = courseQuestion(course)
	}
	question.Date = c.Date
	question.Mode = creditbankv1.LearningMode(creditbankv1.LearningMode_value["LEARNING_MODE_"+strings.ToUpper(c.Mode)])
	return question, nil
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
