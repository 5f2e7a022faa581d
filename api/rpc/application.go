package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/certify/review"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// applications is the ApplicationService.
type applications struct {
	creditbankv1.UnsafeApplicationServiceServer
	bank *api.Bank
}

// Apply implements ApplicationService.
func (a *applications) Apply(ctx context.Context, r *creditbankv1.ApplyRequest) (*creditbankv1.ApplyResponse, error) {
	applied, err := a.bank.Apply(ctx, callerOf(ctx), api.NewApplication{
		RequestID: r.GetRequestId(), Organization: r.GetOrganization(), Role: r.GetRole(), ValidFrom: r.GetValidFrom(),
		ValidUntil: r.GetValidUntil(), Statement: r.GetStatement(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ApplyResponse{Application: applicationProto(applied)}, nil
}

// DecideApplication implements ApplicationService.
func (a *applications) DecideApplication(
	ctx context.Context, r *creditbankv1.DecideApplicationRequest,
) (*creditbankv1.DecideApplicationResponse, error) {
	acts := map[creditbankv1.ApplicationDecision]review.Act{
		creditbankv1.ApplicationDecision_APPLICATION_DECISION_ACCREDIT: review.Approve,
		creditbankv1.ApplicationDecision_APPLICATION_DECISION_REFUSE:   review.Reject,
		creditbankv1.ApplicationDecision_APPLICATION_DECISION_RETURN:   review.Return,
	}
	state, index, err := a.bank.StepApplication(ctx, callerOf(ctx), api.ApplicationStep{
		RequestID: r.GetRequestId(), Application: r.GetApplication(), Act: acts[r.GetDecision()], ReasonCode: r.GetReasonCode(),
		Note: r.GetNote(), ValidFrom: r.GetValidFrom(), ValidUntil: r.GetValidUntil(), TrustTier: int(r.GetTrustTier()),
		ChangedIndex: r.GetChangedIndex(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.DecideApplicationResponse{Status: applicationStatus(state), EntryIndex: index}, nil
}

// PursueApplication implements ApplicationService.
func (a *applications) PursueApplication(
	ctx context.Context, r *creditbankv1.PursueApplicationRequest,
) (*creditbankv1.PursueApplicationResponse, error) {
	acts := map[creditbankv1.Pursuit]review.Act{
		creditbankv1.Pursuit_PURSUIT_ANSWER:   review.Answer,
		creditbankv1.Pursuit_PURSUIT_APPEAL:   review.Appeal,
		creditbankv1.Pursuit_PURSUIT_WITHDRAW: review.Withdraw,
	}
	act, known := acts[r.GetPursuit()]
	if !known {
		return nil, invalid(api.ReasonUnknownEnum, "pursuit", "nothing is to be done: answer, appeal or withdraw", nil)
	}
	state, index, err := a.bank.StepApplication(ctx, callerOf(ctx), api.ApplicationStep{
		RequestID: r.GetRequestId(), Application: r.GetApplication(), Act: act, Note: r.GetNote(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.PursueApplicationResponse{Status: applicationStatus(state), EntryIndex: index}, nil
}

// ListApplications implements ApplicationService.
func (a *applications) ListApplications(
	ctx context.Context, r *creditbankv1.ListApplicationsRequest,
) (*creditbankv1.ListApplicationsResponse, error) {
	filter := api.ApplicationFilter{Within: r.GetWithin()}
	if status := r.GetStatus(); status != creditbankv1.ApplicationStatus_APPLICATION_STATUS_UNSPECIFIED {
		filter.Stated, filter.State = true, ledgerv1.ApplicationState(status-1)
	}
	list, next, err := a.bank.ListApplications(ctx, filter, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListApplicationsResponse{Applications: make([]*creditbankv1.Application, len(list)), NextPageToken: next}
	for i, application := range list {
		answer.Applications[i] = applicationProto(application)
	}
	return answer, nil
}

// ChangeOrganization implements ApplicationService.
func (a *applications) ChangeOrganization(
	ctx context.Context, r *creditbankv1.ChangeOrganizationRequest,
) (*creditbankv1.ChangeOrganizationResponse, error) {
	index, err := a.bank.ChangeOrganization(ctx, callerOf(ctx), api.OrganizationChange{
		RequestID: r.GetRequestId(), Organization: r.GetOrganization(), Change: r.GetChange(), TrustTier: int(r.GetTrustTier()),
		Roles: r.GetRoles(), From: r.GetFrom(), Until: r.GetUntil(), ReasonCode: r.GetReasonCode(), Reason: r.GetReason(),
	})
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ChangeOrganizationResponse{EntryIndex: index}, nil
}

func applicationProto(a api.Application) *creditbankv1.Application {
	return &creditbankv1.Application{
		Application: a.Index, Organization: a.Organization, Role: a.Role, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil,
		Statement: a.Statement, Status: applicationStatus(a.State), AppealUntil: a.AppealUntil, ChangedIndex: a.ChangedIndex,
		ChangedTime: a.Changed.UnixMicro(),
	}
}

// applicationStatus is a state as callers see it: one more, since that of a new application is none in the ledger. A test holds them
// together.
func applicationStatus(state ledgerv1.ApplicationState) creditbankv1.ApplicationStatus {
	return creditbankv1.ApplicationStatus(state + 1)
}
