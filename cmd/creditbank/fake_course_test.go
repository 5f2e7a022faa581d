package main_test

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/api/access"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type fakeCourses struct {
	creditbankv1.UnimplementedAccreditationServiceServer
}

// courses are the two of the catalogue.
func courses() []*creditbankv1.Course {
	all := []*creditbankv1.Course{
		{Provider: "school-cuiyuan", Code: "calligraphy-1", Version: "1", Title: "书法入门", Category: "arts", Level: 1, NominalMinutes: 720, ValidFrom: "2020-01-01", EntryIndex: 7},
		{Provider: "school-sandun", Code: "tai-chi", Version: "1", Title: "太极拳", Category: "wellness", NominalMinutes: 60, ValidFrom: "2020-01-01", EntryIndex: 8},
	}
	for _, c := range all {
		c.Status = creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED
	}
	return all
}

// ListCourses implements creditbankv1.AccreditationServiceServer: one course a page.
func (fakeCourses) ListCourses(_ context.Context, r *creditbankv1.ListCoursesRequest) (*creditbankv1.ListCoursesResponse, error) {
	all := courses()
	page := len(r.GetPageToken())
	course := all[page]
	answer := &creditbankv1.ListCoursesResponse{}
	if (r.GetProvider() == "" || r.GetProvider() == course.GetProvider()) && (r.GetStatus() == 0 || r.GetStatus() == course.GetStatus()) &&
		(r.Level == nil || r.GetLevel() == course.GetLevel()) && strings.Contains(course.GetTitle(), r.GetSearch()) {
		answer.Courses = []*creditbankv1.Course{course}
	}
	if page+1 < len(all) {
		answer.NextPageToken = r.GetPageToken() + "x"
	}
	return answer, nil
}

// find answers a course of the catalogue.
func find(provider, code string) *creditbankv1.Course {
	for _, c := range courses() {
		if c.GetProvider() == provider && c.GetCode() == code {
			return c
		}
	}
	return nil
}

// QueryAccreditation implements creditbankv1.AccreditationServiceServer.
func (fakeCourses) QueryAccreditation(
	_ context.Context, r *creditbankv1.QueryAccreditationRequest,
) (*creditbankv1.QueryAccreditationResponse, error) {
	course := find(r.GetCourse().GetProvider(), r.GetCourse().GetCode())
	switch {
	case r.GetCertificate() != nil:
		return certified(r), nil
	case r.GetProvider() != "" || r.GetPlatform() != "":
		return &creditbankv1.QueryAccreditationResponse{
			Status:  creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_SUSPENDED,
			Reasons: []*creditbankv1.AccreditationReason{{Words: &creditbankv1.Text{Zh: "机构暂停。", En: "The organization is suspended on " + r.GetDate() + "."}}},
		}, nil
	case course == nil:
		return &creditbankv1.QueryAccreditationResponse{Status: creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_UNKNOWN}, nil
	default:
		return &creditbankv1.QueryAccreditationResponse{
			Accredited: true, Status: creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED, Course: course,
			Reasons: []*creditbankv1.AccreditationReason{{Words: &creditbankv1.Text{Zh: "课程已认证。", En: "It counts."}}},
			Earning: &creditbankv1.Earning{MilliCredits: 1000, Reasons: []*creditbankv1.Text{{Zh: "每 16 学时 1 学分", En: "as " + r.GetMode().String()}}},
		}, nil
	}
}

// certified answers a certificate that is accredited, unless another level of it is asked for.
func certified(r *creditbankv1.QueryAccreditationRequest) *creditbankv1.QueryAccreditationResponse {
	c := r.GetCertificate()
	answer := &creditbankv1.QueryAccreditationResponse{
		Status:  creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_UNKNOWN,
		Reasons: []*creditbankv1.AccreditationReason{{Words: &creditbankv1.Text{Zh: "没有这种证书。", En: "There is no " + c.GetName() + " of " + c.GetIssuer() + "."}}},
		Claim: &creditbankv1.ClaimOutlook{
			Possible: true, Category: c.GetCategory(), Minutes: 2880, MilliCredits: 4000, Name: &creditbankv1.Text{Zh: "证书与资格", En: "Certificates"},
			Reason: &creditbankv1.AccreditationReason{Words: &creditbankv1.Text{Zh: "可以申请。", En: "It can be claimed at " + c.GetHome() + "."}},
		},
	}
	if c.GetLevel() != 4 || r.GetMode() != 0 {
		return answer
	}
	answer.Status, answer.Reasons[0].Words.En = creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED, "It counts on "+r.GetDate()+"."
	answer.Course = &creditbankv1.Course{Category: "vocational", Level: 4, NominalMinutes: 2880}
	answer.Earning = &creditbankv1.Earning{MilliCredits: 4000, Equivalents: []*creditbankv1.Equivalent{{
		InstitutionName: "开放大学", ProgrammeName: &creditbankv1.Text{Zh: "社会工作", En: "Social work"}, Course: "SW-204",
		CourseName: &creditbankv1.Text{Zh: "老年社会工作", En: "Older people"}, TakesMilliCredits: 2000, GivesMilliCredits: 3000, Until: "2031-06-14",
	}}}
	answer.Claim.Possible, answer.Claim.Reason.Words.En = false, "It is too old to be claimed."
	return answer
}

// BatchQueryAccreditation implements creditbankv1.AccreditationServiceServer. Code "wrong" is no question.
func (f fakeCourses) BatchQueryAccreditation(
	ctx context.Context, r *creditbankv1.BatchQueryAccreditationRequest,
) (*creditbankv1.BatchQueryAccreditationResponse, error) {
	answer := new(creditbankv1.BatchQueryAccreditationResponse)
	for _, q := range r.GetQueries() {
		one := &creditbankv1.QueryAnswer{FaultReason: "FIELD_INVALID", FaultField: "date", FaultMessage: "a date is YYYY-MM-DD"}
		if q.GetCourse().GetCode() != "wrong" {
			a, err := f.QueryAccreditation(ctx, q)
			if err != nil {
				return nil, err
			}
			one = &creditbankv1.QueryAnswer{Answer: a}
		}
		answer.Answers = append(answer.Answers, one)
	}
	return answer, nil
}

// ProposeCourse implements creditbankv1.AccreditationServiceServer.
func (fakeCourses) ProposeCourse(_ context.Context, r *creditbankv1.ProposeCourseRequest) (*creditbankv1.ProposeCourseResponse, error) {
	r.GetCourse().Status = creditbankv1.CourseStatus_COURSE_STATUS_PROPOSED
	r.GetCourse().LevelName = &creditbankv1.Text{Zh: "二级", En: "Level 2"}
	return &creditbankv1.ProposeCourseResponse{Course: r.GetCourse()}, nil
}

// DecideCourse implements creditbankv1.AccreditationServiceServer.
func (fakeCourses) DecideCourse(_ context.Context, r *creditbankv1.DecideCourseRequest) (*creditbankv1.DecideCourseResponse, error) {
	course := find(r.GetProvider(), r.GetCode())
	if course == nil || r.GetVersion() != course.GetVersion() {
		return nil, status.Error(codes.NotFound, "there is no such course")
	}
	switch r.GetDecision() {
	case ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		course.Status, course.AppealUntil = creditbankv1.CourseStatus_COURSE_STATUS_REFUSED, "2026-06-30"
	case ledgerv1.CourseDecision_COURSE_DECISION_RETIRED:
		course.Status, course.ValidUntil = creditbankv1.CourseStatus_COURSE_STATUS_RETIRED, r.GetLastDay()
	default:
	}
	return &creditbankv1.DecideCourseResponse{Course: course}, nil
}

// ChangeCourse implements creditbankv1.AccreditationServiceServer.
func (fakeCourses) ChangeCourse(_ context.Context, r *creditbankv1.ChangeCourseRequest) (*creditbankv1.ChangeCourseResponse, error) {
	course := find(r.GetProvider(), r.GetCode())
	days := []*creditbankv1.DayRange{{From: r.GetFrom(), Until: r.GetUntil()}}
	switch r.GetChange() {
	case ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED:
		course.Suspended = days
	case ledgerv1.CourseChange_COURSE_CHANGE_RENEWED:
		course.Renewed = days
	default:
	}
	return &creditbankv1.ChangeCourseResponse{Course: course}, nil
}

type fakeApplications struct {
	creditbankv1.UnimplementedApplicationServiceServer
	bank *fakeBank
}

// Apply implements creditbankv1.ApplicationServiceServer.
func (f fakeApplications) Apply(ctx context.Context, r *creditbankv1.ApplyRequest) (*creditbankv1.ApplyResponse, error) {
	if err := f.bank.caller(ctx, access.Officer, access.Organization); err != nil {
		return nil, err
	}
	return &creditbankv1.ApplyResponse{Application: &creditbankv1.Application{Application: 91, Organization: r.GetOrganization(), Role: r.GetRole()}}, nil
}

// ChangeOrganization implements creditbankv1.ApplicationServiceServer: only what it says of one suspension is right.
func (f fakeApplications) ChangeOrganization(
	ctx context.Context, r *creditbankv1.ChangeOrganizationRequest,
) (*creditbankv1.ChangeOrganizationResponse, error) {
	if err := f.bank.caller(ctx, access.Officer); err != nil {
		return nil, err
	}
	switch {
	case r.GetChange() == ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED && r.GetFrom() == "2026-07-01" && r.GetReasonCode() == "QUALITY" &&
		r.GetOrganization() == "study-xihu" && r.GetUntil() == "2026-08-01" && r.GetReason() == "late" && r.GetRequestId() != "":
		return &creditbankv1.ChangeOrganizationResponse{EntryIndex: 77}, nil
	case r.GetChange() == ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ROLES && len(r.GetRoles()) == 2 && r.GetRoles()[1] == ledgerv1.Role_ROLE_PROVIDER:
		return &creditbankv1.ChangeOrganizationResponse{EntryIndex: 78}, nil
	default:
		return nil, refuse(codes.InvalidArgument, "FIELD_INVALID", "change", "it is not that")
	}
}

// ListApplications implements creditbankv1.ApplicationServiceServer.
func (fakeApplications) ListApplications(_ context.Context, r *creditbankv1.ListApplicationsRequest) (*creditbankv1.ListApplicationsResponse, error) {
	answer := new(creditbankv1.ListApplicationsResponse)
	for status := creditbankv1.ApplicationStatus_APPLICATION_STATUS_WITHDRAWN; status > 0; status-- {
		if r.GetStatus() == 0 || r.GetStatus() == status {
			answer.Applications = append(answer.Applications, &creditbankv1.Application{
				Application: uint64(90 + status), Organization: "school-sandun", Role: ledgerv1.Role_ROLE_PLATFORM, ValidFrom: "2026-07-01", Status: status,
			})
		}
	}
	return answer, nil
}

// DecideApplication implements creditbankv1.ApplicationServiceServer.
func (fakeApplications) DecideApplication(
	_ context.Context, r *creditbankv1.DecideApplicationRequest,
) (*creditbankv1.DecideApplicationResponse, error) {
	answer := &creditbankv1.DecideApplicationResponse{EntryIndex: r.GetApplication() + 100, Status: creditbankv1.ApplicationStatus_APPLICATION_STATUS_RETURNED}
	switch r.GetDecision() {
	case creditbankv1.ApplicationDecision_APPLICATION_DECISION_ACCREDIT:
		answer.Status = creditbankv1.ApplicationStatus_APPLICATION_STATUS_ACCREDITED
	case creditbankv1.ApplicationDecision_APPLICATION_DECISION_REFUSE:
		answer.Status = creditbankv1.ApplicationStatus_APPLICATION_STATUS_REFUSED
	default:
	}
	return answer, nil
}

// PursueApplication implements creditbankv1.ApplicationServiceServer.
func (fakeApplications) PursueApplication(
	_ context.Context, r *creditbankv1.PursueApplicationRequest,
) (*creditbankv1.PursueApplicationResponse, error) {
	return &creditbankv1.PursueApplicationResponse{
		EntryIndex: r.GetApplication() + 100,
		Status: map[creditbankv1.Pursuit]creditbankv1.ApplicationStatus{
			creditbankv1.Pursuit_PURSUIT_ANSWER:   creditbankv1.ApplicationStatus_APPLICATION_STATUS_SUBMITTED,
			creditbankv1.Pursuit_PURSUIT_APPEAL:   creditbankv1.ApplicationStatus_APPLICATION_STATUS_APPEALED,
			creditbankv1.Pursuit_PURSUIT_WITHDRAW: creditbankv1.ApplicationStatus_APPLICATION_STATUS_WITHDRAWN,
		}[r.GetPursuit()],
	}, nil
}
