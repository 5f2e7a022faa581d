package rpc

import (
	"context"
	"encoding/hex"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
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
		Decision: r.GetDecision(), LastDay: r.GetLastDay(), Reason: r.GetReason(), ReasonCode: r.GetReasonCode(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DecideCourseResponse{Course: courseProto(course)}, nil
}

// ChangeCourse implements AccreditationService.
func (a *accreditations) ChangeCourse(
	ctx context.Context, r *creditbankv1.ChangeCourseRequest,
) (*creditbankv1.ChangeCourseResponse, error) {
	course, err := a.bank.ChangeCourse(ctx, callerOf(ctx), api.CourseChange{
		RequestID: r.GetRequestId(), Provider: r.GetProvider(), Code: r.GetCode(), Version: r.GetVersion(), Change: r.GetChange(),
		From: r.GetFrom(), Until: r.GetUntil(), ReasonCode: r.GetReasonCode(), Reason: r.GetReason(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ChangeCourseResponse{Course: courseProto(course)}, nil
}

// ListCourses implements AccreditationService.
func (a *accreditations) ListCourses(
	ctx context.Context, r *creditbankv1.ListCoursesRequest,
) (*creditbankv1.ListCoursesResponse, error) {
	filter := api.CourseFilter{
		Provider: r.GetProvider(), Category: r.GetCategory(), Status: courseStatusFrom(r.GetStatus()), Search: r.GetSearch(),
		Within: r.GetWithin(), ValidOn: r.GetValidOn(), HasCapacity: r.GetHasCapacity(),
	}
	if r.Level != nil {
		level := int(r.GetLevel())
		filter.Level = &level
	}
	found, err := a.bank.ListCourses(ctx, filter, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListCoursesResponse{
		Courses: make([]*creditbankv1.Course, len(found.Courses)), NextPageToken: found.Next, TotalSize: int64(found.Total),
	}
	for i, c := range found.Courses {
		answer.Courses[i] = courseProto(c)
	}
	return answer, nil
}

// QueryAccreditation implements AccreditationService.
func (a *accreditations) QueryAccreditation(
	ctx context.Context, r *creditbankv1.QueryAccreditationRequest,
) (*creditbankv1.QueryAccreditationResponse, error) {
	answer, err := a.bank.QueryAccreditation(ctx, queryFrom(r))
	if err != nil {
		return nil, err
	}
	return accreditationProto(answer, true), nil
}

// BatchQueryAccreditation implements AccreditationService.
func (a *accreditations) BatchQueryAccreditation(
	ctx context.Context, r *creditbankv1.BatchQueryAccreditationRequest,
) (*creditbankv1.BatchQueryAccreditationResponse, error) {
	queries := make([]api.Query, len(r.GetQueries()))
	for i, asked := range r.GetQueries() {
		queries[i] = queryFrom(asked)
	}
	answers, err := a.bank.QueryAccreditations(ctx, queries)
	if err != nil {
		return nil, err
	}
	response := &creditbankv1.BatchQueryAccreditationResponse{Answers: make([]*creditbankv1.QueryAnswer, len(answers))}
	for i, answered := range answers {
		if fault := answered.Fault; fault != nil {
			response.Answers[i] = &creditbankv1.QueryAnswer{
				FaultReason: string(fault.Reason), FaultField: fault.Field, FaultMessage: fault.Message,
			}
			continue
		}
		response.Answers[i] = &creditbankv1.QueryAnswer{Answer: accreditationProto(answered.Accreditation, !r.GetWithoutWords())}
	}
	return response, nil
}

func queryFrom(r *creditbankv1.QueryAccreditationRequest) api.Query {
	query := api.Query{Date: r.GetDate(), Mode: statementv1.Mode(r.GetMode())}
	switch subject := r.GetSubject().(type) {
	case *creditbankv1.QueryAccreditationRequest_Course:
		query.Provider, query.Code, query.Version = subject.Course.GetProvider(), subject.Course.GetCode(), subject.Course.GetVersion()
	case *creditbankv1.QueryAccreditationRequest_Provider:
		query.Role, query.Organization = ledgerv1.Role_ROLE_PROVIDER, subject.Provider
	case *creditbankv1.QueryAccreditationRequest_Platform:
		query.Role, query.Organization = ledgerv1.Role_ROLE_PLATFORM, subject.Platform
	case *creditbankv1.QueryAccreditationRequest_Certificate:
		c := subject.Certificate
		query.Certificate = &api.CertificateName{Issuer: c.GetIssuer(), Name: c.GetName(), Category: c.GetCategory(), Home: c.GetHome()}
		if c.Level != nil {
			level := int(c.GetLevel())
			query.Certificate.Level = &level
		}
	}
	return query
}

func accreditationProto(a *api.Accreditation, words bool) *creditbankv1.QueryAccreditationResponse {
	answer := &creditbankv1.QueryAccreditationResponse{
		Accredited: a.Accredited, AccreditedCourses: int64(a.AccreditedCourses), PolicyHash: hex.EncodeToString(a.PolicyHash),
		Reasons: make([]*creditbankv1.AccreditationReason, len(a.Reasons)), Status: standingProto(a.Standing),
	}
	if a.Course != nil {
		answer.Course = courseProto(*a.Course)
		if !words {
			answer.Course.LevelName = nil
		}
	}
	for i, code := range a.Reasons {
		answer.Reasons[i] = accreditationReason(code, words)
	}
	if a.Claim != nil {
		answer.Claim = claimOutlookProto(a.Claim, words)
	}
	if e := a.Earning; e != nil {
		answer.NominalMilliCredits = int64(e.Credits)
		answer.Earning = &creditbankv1.Earning{
			Outcome: e.Outcome, Minutes: int64(e.Minutes), MilliCredits: int64(e.Credits), MilliPoints: int64(e.Points),
		}
		for _, reason := range e.Reasons {
			if words {
				answer.Earning.Reasons = append(answer.Earning.Reasons, textProto(reason))
			}
		}
		for _, e := range e.Equivalents {
			answer.Earning.Equivalents = append(answer.Earning.Equivalents, equivalentProto(e, words))
		}
	}
	return answer
}

func accreditationReason(code string, words bool) *creditbankv1.AccreditationReason {
	reason := &creditbankv1.AccreditationReason{Code: code}
	if words {
		reason.Words = textProto(api.AccreditationWords(code))
	}
	return reason
}

func claimOutlookProto(c *api.ClaimOutlook, words bool) *creditbankv1.ClaimOutlook {
	answer := &creditbankv1.ClaimOutlook{
		Possible: c.Possible, Reason: accreditationReason(c.Reason, words), Rule: c.Rule, Category: c.Category, Minutes: int64(c.Minutes),
		MilliCredits: int64(c.Credits), PolicyHash: hex.EncodeToString(c.PolicyHash),
	}
	if words && c.Rule != "" {
		answer.Name = textProto(c.Name)
	}
	if words && c.Possible {
		answer.Words = textProto(c.Words)
	}
	return answer
}

func equivalentProto(e api.Equivalent, words bool) *creditbankv1.Equivalent {
	answer := &creditbankv1.Equivalent{
		Institution: e.Institution, InstitutionName: e.InstitutionName, AgreementHash: hex.EncodeToString(e.AgreementHash), Programme: e.Programme,
		Course: e.Course, TakesMilliCredits: int64(e.Takes), GivesMilliCredits: int64(e.Gives), Until: e.Until,
	}
	if words {
		answer.ProgrammeName, answer.CourseName = textProto(e.ProgrammeName), textProto(e.CourseName)
	}
	return answer
}

// standingProto is the table of standings.
func standingProto(s api.Standing) creditbankv1.AccreditationStatus {
	switch s {
	case api.StandingUnknown:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_UNKNOWN
	case api.StandingAccredited:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED
	case api.StandingPending:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_PENDING
	case api.StandingNone:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_NOT_ACCREDITED
	case api.StandingNotYet:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_NOT_YET
	case api.StandingSuspended:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_SUSPENDED
	case api.StandingEnded:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ENDED
	default:
		return creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_UNSPECIFIED
	}
}

func courseProto(c api.Course) *creditbankv1.Course {
	shown := &creditbankv1.Course{
		Provider: c.Provider, Code: c.Code, Version: c.Version, Title: c.Title, Category: c.Category,
		Level: int32(c.Level), NominalMinutes: int64(c.NominalMinutes), EquivalenceGroup: c.EquivalenceGroup,
		ValidFrom: c.ValidFrom, ValidUntil: c.ValidUntil, Capacity: int32(c.Capacity),
		Status: courseStatusProto(c.Status), EntryIndex: c.Index, AppealUntil: c.AppealUntil,
		Renewed: dayRanges(c.Renewed), Suspended: dayRanges(c.Suspended),
	}
	if c.LevelName != (api.Text{}) {
		shown.LevelName = textProto(c.LevelName)
	}
	return shown
}

func dayRanges(days []api.Days) []*creditbankv1.DayRange {
	var ranges []*creditbankv1.DayRange
	for _, d := range days {
		ranges = append(ranges, &creditbankv1.DayRange{From: d.From, Until: d.Until})
	}
	return ranges
}

// courseStatuses is the table of statuses.
func courseStatuses() []struct {
	is    api.CourseStatus
	shown creditbankv1.CourseStatus
} {
	return []struct {
		is    api.CourseStatus
		shown creditbankv1.CourseStatus
	}{
		{api.CourseProposed, creditbankv1.CourseStatus_COURSE_STATUS_PROPOSED},
		{api.CourseReturned, creditbankv1.CourseStatus_COURSE_STATUS_RETURNED},
		{api.CourseAccredited, creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED},
		{api.CourseRefused, creditbankv1.CourseStatus_COURSE_STATUS_REFUSED},
		{api.CourseAppealed, creditbankv1.CourseStatus_COURSE_STATUS_APPEALED},
		{api.CourseWithdrawn, creditbankv1.CourseStatus_COURSE_STATUS_WITHDRAWN},
		{api.CourseRetired, creditbankv1.CourseStatus_COURSE_STATUS_RETIRED},
	}
}

func courseStatusProto(s api.CourseStatus) creditbankv1.CourseStatus {
	for _, row := range courseStatuses() {
		if row.is == s {
			return row.shown
		}
	}
	return creditbankv1.CourseStatus_COURSE_STATUS_UNSPECIFIED
}

func courseStatusFrom(s creditbankv1.CourseStatus) api.CourseStatus {
	for _, row := range courseStatuses() {
		if row.shown == s {
			return row.is
		}
	}
	return 0
}
