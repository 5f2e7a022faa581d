package rpc

import (
	"context"
	"encoding/hex"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// accreditations is the AccreditationService.
type accreditations struct {
	creditbankv1.UnsafeAccreditationServiceServer
	bank *api.Bank
}

// ProposeCourse implements AccreditationService.
func (a *accreditations) ProposeCourse(
	ctx context.Context, r *creditbankv1.ProposeCourseRequest,
) (*creditbankv1.ProposeCourseResponse, error) {
	c := r.GetCourse()
	course, err := a.bank.ProposeCourse(ctx, callerOf(ctx), r.GetRequestId(), api.Course{
		Provider: c.GetProvider(), Code: c.GetCode(), Version: c.GetVersion(), Title: c.GetTitle(), Category: c.GetCategory(),
		Level: int(c.GetLevel()), NominalMinutes: unit.Minutes(c.GetNominalMinutes()), EquivalenceGroup: c.GetEquivalenceGroup(),
		ValidFrom: c.GetValidFrom(), ValidUntil: c.GetValidUntil(), Capacity: int(c.GetCapacity()),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ProposeCourseResponse{Course: courseProto(course)}, nil
}

// DecideCourse implements AccreditationService.
func (a *accreditations) DecideCourse(
	ctx context.Context, r *creditbankv1.DecideCourseRequest,
) (*creditbankv1.DecideCourseResponse, error) {
	course, err := a.bank.DecideCourse(ctx, callerOf(ctx), api.CourseVerdict{
		RequestID: r.GetRequestId(), Provider: r.GetProvider(), Code: r.GetCode(), Version: r.GetVersion(),
		Decision: r.GetDecision(), LastDay: r.GetLastDay(), Reason: r.GetReason(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DecideCourseResponse{Course: courseProto(course)}, nil
}

// ListCourses implements AccreditationService.
func (a *accreditations) ListCourses(
	ctx context.Context, r *creditbankv1.ListCoursesRequest,
) (*creditbankv1.ListCoursesResponse, error) {
	filter := api.CourseFilter{Provider: r.GetProvider(), Category: r.GetCategory()}
	if r.GetStatus() != creditbankv1.CourseStatus_COURSE_STATUS_UNSPECIFIED {
		filter.Decided, filter.Decision = true, courseDecision(r.GetStatus())
	}
	courses, next, err := a.bank.ListCourses(ctx, filter, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListCoursesResponse{Courses: make([]*creditbankv1.Course, len(courses)), NextPageToken: next}
	for i, c := range courses {
		answer.Courses[i] = courseProto(c)
	}
	return answer, nil
}

// QueryAccreditation implements AccreditationService.
func (a *accreditations) QueryAccreditation(
	ctx context.Context, r *creditbankv1.QueryAccreditationRequest,
) (*creditbankv1.QueryAccreditationResponse, error) {
	var answer *api.Accreditation
	var err error
	switch subject := r.GetSubject().(type) {
	case *creditbankv1.QueryAccreditationRequest_Course:
		c := subject.Course
		answer, err = a.bank.QueryCourse(ctx, c.GetProvider(), c.GetCode(), c.GetVersion(), r.GetDate())
	case *creditbankv1.QueryAccreditationRequest_Provider:
		answer, err = a.bank.QueryProvider(ctx, subject.Provider, r.GetDate())
	default:
		return nil, invalid(api.ReasonField, "subject", "nothing is asked about: set course or provider", nil)
	}
	if err != nil {
		return nil, err
	}
	return accreditationProto(answer), nil
}

func accreditationProto(a *api.Accreditation) *creditbankv1.QueryAccreditationResponse {
	answer := &creditbankv1.QueryAccreditationResponse{
		Accredited: a.Accredited, AccreditedCourses: int64(a.AccreditedCourses),
		NominalMilliCredits: int64(a.NominalCredits), PolicyHash: hex.EncodeToString(a.PolicyHash),
		Reasons: make([]*creditbankv1.AccreditationReason, len(a.Reasons)),
	}
	if a.Course != nil {
		answer.Course = courseProto(*a.Course)
	}
	for i, code := range a.Reasons {
		answer.Reasons[i] = &creditbankv1.AccreditationReason{Code: code, Words: textProto(api.AccreditationWords(code))}
	}
	return answer
}

func courseProto(c api.Course) *creditbankv1.Course {
	return &creditbankv1.Course{
		Provider: c.Provider, Code: c.Code, Version: c.Version, Title: c.Title, Category: c.Category,
		Level: int32(c.Level), NominalMinutes: int64(c.NominalMinutes), EquivalenceGroup: c.EquivalenceGroup,
		ValidFrom: c.ValidFrom, ValidUntil: c.ValidUntil, Capacity: int32(c.Capacity),
		Status: courseStatus(c.Decision), EntryIndex: c.Index,
	}
}

// courseStatus and courseDecision are the table of statuses, in both directions: a course waits for an officer while
// nothing is decided.
func courseStatus(d ledgerv1.CourseDecision) creditbankv1.CourseStatus {
	switch d {
	case ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED:
		return creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED
	case ledgerv1.CourseDecision_COURSE_DECISION_REFUSED:
		return creditbankv1.CourseStatus_COURSE_STATUS_REFUSED
	case ledgerv1.CourseDecision_COURSE_DECISION_RETIRED:
		return creditbankv1.CourseStatus_COURSE_STATUS_RETIRED
	default:
		return creditbankv1.CourseStatus_COURSE_STATUS_PROPOSED
	}
}

func courseDecision(s creditbankv1.CourseStatus) ledgerv1.CourseDecision {
	switch s {
	case creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED:
		return ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED
	case creditbankv1.CourseStatus_COURSE_STATUS_REFUSED:
		return ledgerv1.CourseDecision_COURSE_DECISION_REFUSED
	case creditbankv1.CourseStatus_COURSE_STATUS_RETIRED:
		return ledgerv1.CourseDecision_COURSE_DECISION_RETIRED
	default:
		return ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED
	}
}
