package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// admit has organizations apply and officers decide, and changes some courses. It comes when all is posted, so that it changes
// nothing that was learned.
func (s *show) admit(ctx context.Context) error {
	for i, a := range district.Applicants() {
		if err := s.admitOne(ctx, i, a); err != nil {
			return fmt.Errorf("applicant %s: %w", a.ID, err)
		}
	}
	codes := make(map[[2]string]district.Course)
	for _, c := range s.district.Courses() {
		codes[[2]string{c.Provider, c.Title}] = c
	}
	client := creditbankv1.NewAccreditationServiceClient(s.conn)
	for i, c := range district.Changes() {
		course := codes[[2]string{c.Provider, c.Title}]
		_, err := client.ChangeCourse(ctx, &creditbankv1.ChangeCourseRequest{
			RequestId: s.district.RequestID("course change", i), Provider: course.Provider, Code: course.Code, Version: course.Version, Change: c.Change,
			From: s.day(c.From), Until: s.day(c.Until), ReasonCode: c.ReasonCode, Reason: c.Reason,
		}, s.as("certifier-2"))
		if err != nil {
			return fmt.Errorf("course %s: %w", c.Title, err)
		}
	}
	return nil
}

// day is so many days after the district's.
func (s *show) day(after int) string { return s.district.Day.AddDate(0, 0, after).Format(dayLayout) }

func (s *show) admitOne(ctx context.Context, i int, a district.Applicant) error {
	id := func(step string) string { return s.district.RequestID("applicant "+step, i) }
	_, err := creditbankv1.NewAdminServiceClient(s.conn).RegisterOrganization(ctx, &creditbankv1.RegisterOrganizationRequest{
		RequestId: id("registered"), Organization: &creditbankv1.Organization{
			OrganizationId: a.ID, Name: a.Name, Code: a.Code, Level: a.Level, Parent: a.Parent, TrustTier: int32(a.TrustTier),
		},
	}, s.as("administrator-1"))
	if err != nil {
		return err
	}
	client, applicant := creditbankv1.NewApplicationServiceClient(s.conn), s.as("certifier-1")
	applied, err := client.Apply(ctx, &creditbankv1.ApplyRequest{
		RequestId: id("applied"), Organization: a.ID, Role: a.Role, ValidFrom: s.day(0), ValidUntil: s.day(3 * 365), Statement: a.Statement,
	}, applicant)
	if err != nil || a.Decision == "" {
		return err
	}
	decide := func(step string, decision creditbankv1.ApplicationDecision, code, note string, tier int, officer grpc.CallOption) error {
		_, err := client.DecideApplication(ctx, &creditbankv1.DecideApplicationRequest{
			RequestId: id(step), Application: applied.GetApplication().GetApplication(), Decision: decision, ReasonCode: code, Note: note, TrustTier: int32(tier),
		}, officer)
		return err
	}
	decision := map[district.Verdict]creditbankv1.ApplicationDecision{
		district.Accredited: creditbankv1.ApplicationDecision_APPLICATION_DECISION_ACCREDIT,
		district.Refused:    creditbankv1.ApplicationDecision_APPLICATION_DECISION_REFUSE,
		district.Returned:   creditbankv1.ApplicationDecision_APPLICATION_DECISION_RETURN,
	}[a.Decision]
	tier := a.Tier
	if a.Decision != district.Accredited {
		tier = 0
	}
	if err := decide("decided", decision, a.ReasonCode, a.Note, tier, s.as("certifier-2")); err != nil || a.Appeal == "" {
		return err
	}
	_, err = client.PursueApplication(ctx, &creditbankv1.PursueApplicationRequest{
		RequestId: id("appealed"), Application: applied.GetApplication().GetApplication(), Pursuit: creditbankv1.Pursuit_PURSUIT_APPEAL, Note: a.Appeal,
	}, applicant)
	if err != nil || !a.Heard {
		return err
	}
	return decide("heard", creditbankv1.ApplicationDecision_APPLICATION_DECISION_ACCREDIT, "MEETS_REQUIREMENTS", "", a.Tier, s.as("certifier-3"))
}
