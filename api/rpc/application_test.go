package rpc_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// An application goes through all its states, and everybody sees where it stands.
func TestApplicationService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx := t.Context()
	anyone := creditbankv1.NewApplicationServiceClient(s.nobody())
	officer := creditbankv1.NewApplicationServiceClient(s.officer(apitest.Officer))
	second := creditbankv1.NewApplicationServiceClient(s.officer(apitest.SecondOfficer))
	third := creditbankv1.NewApplicationServiceClient(s.officer(apitest.ThirdOfficer))
	administrator := creditbankv1.NewApplicationServiceClient(s.officer(apitest.Administrator))

	apply := &creditbankv1.ApplyRequest{
		RequestId: s.RequestID(), Organization: apitest.Sandun, Role: ledgerv1.Role_ROLE_PLATFORM, ValidFrom: "2026-07-01", ValidUntil: "2027-06-30",
		Statement: "自建点名系统",
	}
	_, err := anyone.Apply(ctx, apply)
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	applied := ok[*creditbankv1.ApplyResponse](t)(officer.Apply(ctx, apply)).GetApplication()
	if applied.GetStatus() != creditbankv1.ApplicationStatus_APPLICATION_STATUS_SUBMITTED || applied.GetRole() != apply.GetRole() ||
		applied.GetValidFrom() != apply.GetValidFrom() || applied.GetValidUntil() != apply.GetValidUntil() || applied.GetStatement() != apply.GetStatement() ||
		applied.GetChangedIndex() != applied.GetApplication() || applied.GetChangedTime() == 0 {
		t.Errorf("applied %v", applied)
	}
	decide := func(by creditbankv1.ApplicationServiceClient, decision creditbankv1.ApplicationDecision, code, note string) (creditbankv1.ApplicationStatus, error) {
		answer, err := by.DecideApplication(ctx, &creditbankv1.DecideApplicationRequest{
			RequestId: s.RequestID(), Application: applied.GetApplication(), Decision: decision, ReasonCode: code, Note: note,
		})
		if err == nil && answer.GetEntryIndex() == 0 {
			t.Error("no entry")
		}
		return answer.GetStatus(), err
	}
	pursue := func(pursuit creditbankv1.Pursuit, note string) (creditbankv1.ApplicationStatus, error) {
		answer, err := officer.PursueApplication(ctx, &creditbankv1.PursueApplicationRequest{
			RequestId: s.RequestID(), Application: applied.GetApplication(), Pursuit: pursuit, Note: note,
		})
		return answer.GetStatus(), err
	}
	const accredit, refuse, sendBack = creditbankv1.ApplicationDecision_APPLICATION_DECISION_ACCREDIT,
		creditbankv1.ApplicationDecision_APPLICATION_DECISION_REFUSE, creditbankv1.ApplicationDecision_APPLICATION_DECISION_RETURN
	_, err = decide(second, 0, "", "")
	refused(t, err, codes.InvalidArgument, api.ReasonUnknownEnum, "decision")
	_, err = pursue(0, "")
	refused(t, err, codes.InvalidArgument, api.ReasonUnknownEnum, "pursuit")
	_, err = decide(officer, accredit, "MEETS_REQUIREMENTS", "")
	refused(t, err, codes.PermissionDenied, api.ReasonFourEyes, "application")
	for _, step := range []struct {
		take func() (creditbankv1.ApplicationStatus, error)
		want creditbankv1.ApplicationStatus
	}{
		{func() (creditbankv1.ApplicationStatus, error) {
			return decide(second, sendBack, "DOCUMENTS_MISSING", "请补充")
		}, creditbankv1.ApplicationStatus_APPLICATION_STATUS_RETURNED},
		{func() (creditbankv1.ApplicationStatus, error) {
			return pursue(creditbankv1.Pursuit_PURSUIT_ANSWER, "已补充")
		}, creditbankv1.ApplicationStatus_APPLICATION_STATUS_SUBMITTED},
		{func() (creditbankv1.ApplicationStatus, error) {
			return decide(second, refuse, "OTHER", "场地不足")
		}, creditbankv1.ApplicationStatus_APPLICATION_STATUS_REFUSED},
		{func() (creditbankv1.ApplicationStatus, error) {
			return pursue(creditbankv1.Pursuit_PURSUIT_APPEAL, "已有场地")
		}, creditbankv1.ApplicationStatus_APPLICATION_STATUS_APPEALED},
		{func() (creditbankv1.ApplicationStatus, error) {
			return decide(third, accredit, "MEETS_REQUIREMENTS", "")
		}, creditbankv1.ApplicationStatus_APPLICATION_STATUS_ACCREDITED},
	} {
		if got := ok[creditbankv1.ApplicationStatus](t)(step.take()); got != step.want {
			t.Errorf("%s, not %s", got, step.want)
		}
		list := ok[*creditbankv1.ListApplicationsResponse](t)(anyone.ListApplications(ctx, &creditbankv1.ListApplicationsRequest{Within: apitest.Root, Status: step.want}))
		if len(list.GetApplications()) != 1 || list.GetApplications()[0].GetStatus() != step.want {
			t.Errorf("%s: %v", step.want, list)
		}
	}
	applied = ok[*creditbankv1.ApplyResponse](t)(officer.Apply(ctx, &creditbankv1.ApplyRequest{
		RequestId: s.RequestID(), Organization: apitest.Cuiyuan, Role: ledgerv1.Role_ROLE_PLATFORM, ValidFrom: "2026-07-01",
	})).GetApplication()
	if got := ok[creditbankv1.ApplicationStatus](t)(pursue(creditbankv1.Pursuit_PURSUIT_WITHDRAW, "")); got != creditbankv1.ApplicationStatus_APPLICATION_STATUS_WITHDRAWN {
		t.Errorf("withdrawn: %s", got)
	}
	if list := ok[*creditbankv1.ListApplicationsResponse](t)(anyone.ListApplications(ctx, &creditbankv1.ListApplicationsRequest{Within: apitest.Beishan})); len(list.GetApplications()) != 0 {
		t.Errorf("beside: %v", list)
	}

	end := &creditbankv1.ChangeOrganizationRequest{
		RequestId: s.RequestID(), Organization: apitest.Sandun, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED, Until: "2026-12-31",
		ReasonCode: "OWN_WISH",
	}
	_, err = officer.ChangeOrganization(ctx, end)
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	if ended := ok[*creditbankv1.ChangeOrganizationResponse](t)(administrator.ChangeOrganization(ctx, end)); ended.GetEntryIndex() == 0 {
		t.Errorf("ended: %v", ended)
	}
	query := &creditbankv1.QueryAccreditationRequest{
		Subject: &creditbankv1.QueryAccreditationRequest_Platform{Platform: apitest.Sandun}, Date: "2027-01-01",
	}
	a := ok[*creditbankv1.QueryAccreditationResponse](t)(creditbankv1.NewAccreditationServiceClient(s.nobody()).QueryAccreditation(ctx, query))
	if a.GetStatus() != creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ENDED || a.GetReasons()[0].GetCode() != "PLATFORM_ENDED" {
		t.Errorf("after its end: %v", a)
	}
}
