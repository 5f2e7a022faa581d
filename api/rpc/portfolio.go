package rpc

import (
	"context"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// portfolios is the PortfolioService.
type portfolios struct {
	creditbankv1.UnsafePortfolioServiceServer
	bank *api.Bank
}

// GetPortfolio implements PortfolioService.
func (p *portfolios) GetPortfolio(
	ctx context.Context, r *creditbankv1.GetPortfolioRequest,
) (*creditbankv1.GetPortfolioResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	portfolio, err := p.bank.GetPortfolio(ctx, callerOf(ctx), id, int(r.GetEntryLimit()))
	if err != nil {
		return nil, err
	}
	return &creditbankv1.GetPortfolioResponse{Portfolio: portfolioProto(portfolio)}, nil
}

// ListPortfolioEntries implements PortfolioService.
func (p *portfolios) ListPortfolioEntries(
	ctx context.Context, r *creditbankv1.ListPortfolioEntriesRequest,
) (*creditbankv1.ListPortfolioEntriesResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	entries, next, err := p.bank.ListPortfolioEntries(
		ctx, callerOf(ctx), id, r.GetCategory(), full(r.GetView()), pageOf(r.GetPageSize(), r.GetPageToken()),
	)
	if err != nil {
		return nil, err
	}
	return &creditbankv1.ListPortfolioEntriesResponse{
		Entries: portfolioEntriesProto(entries, r.GetView()), NextPageToken: next,
	}, nil
}

// ListAccesses implements PortfolioService.
func (p *portfolios) ListAccesses(
	ctx context.Context, r *creditbankv1.ListAccessesRequest,
) (*creditbankv1.ListAccessesResponse, error) {
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	listed, next, err := p.bank.ListAccesses(ctx, callerOf(ctx), id, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	answer := &creditbankv1.ListAccessesResponse{Accesses: make([]*creditbankv1.Access, len(listed)), NextPageToken: next}
	for i, a := range listed {
		answer.Accesses[i] = &creditbankv1.Access{
			Time: timestamp(a.Time), Organization: a.Organization, OrganizationName: a.OrganizationName, Officer: a.Officer,
			Action: a.Action, Purpose: a.Purpose,
		}
	}
	return answer, nil
}

// ownAccount reads the id of an account, which a resident may leave empty.
func ownAccount(ctx context.Context, id string) (unit.AccountID, error) {
	if caller := callerOf(ctx); id == "" && caller.Kind == access.Resident {
		return caller.Account, nil
	}
	return accountID("account_id", id)
}

func portfolioProto(p *api.Portfolio) *creditbankv1.Portfolio {
	portfolio := &creditbankv1.Portfolio{
		AccountId: p.Account.String(), Totals: totalsProto(p.Totals),
		Categories:   make([]*creditbankv1.CategoryTotals, len(p.Categories)),
		Requirements: make([]*creditbankv1.RequirementProgress, len(p.Requirements)),
		Entries:      portfolioEntriesProto(p.Entries, creditbankv1.View_VIEW_BASIC),
		EntryCount:   p.EntryCount, LogSize: p.LogSize,
		Points: pointsProto(p.Points),
	}
	for i, c := range p.Categories {
		portfolio.Categories[i] = &creditbankv1.CategoryTotals{
			Category: c.Category, Name: textProto(c.Name), Totals: totalsProto(c.Totals),
		}
	}
	for i, r := range p.Requirements {
		portfolio.Requirements[i] = &creditbankv1.RequirementProgress{
			Year: int32(r.Year), Rule: r.Rule,
			Minutes: int64(r.Minutes), RequiredMinutes: int64(r.Required),
			ProfessionalMinutes: int64(r.Professional), RequiredProfessionalMinutes: int64(r.RequiredProfessional),
			Met: r.Met, Words: textProto(r.Words),
		}
	}
	return portfolio
}

func pointsProto(t api.PointTotals) *creditbankv1.PointTotals {
	points := &creditbankv1.PointTotals{
		MilliPoints: int64(t.Points), LapsedMilliPoints: int64(t.Lapsed), WaitsForVerification: t.WaitsForVerification,
	}
	for _, l := range t.Lapses {
		points.Lapses = append(points.Lapses, &creditbankv1.PointLapse{LastDate: l.LastDate, MilliPoints: int64(l.Points)})
	}
	return points
}

func totalsProto(t api.Totals) *creditbankv1.Totals {
	return &creditbankv1.Totals{
		Minutes: int64(t.Minutes), IssuedMilliCredits: int64(t.Issued), PendingMilliCredits: int64(t.Pending),
		AvailableMilliCredits: int64(t.Available), ReservedMilliCredits: int64(t.Reserved),
		TransferredMilliCredits: int64(t.Transferred), ExpiredMilliCredits: int64(t.Expired),
		ReversedMilliCredits: int64(t.Reversed),
	}
}

func portfolioEntriesProto(entries []api.PortfolioEntry, view creditbankv1.View) []*creditbankv1.PortfolioEntry {
	// One array for all: a record has hundreds of them.
	values, all := make([]creditbankv1.PortfolioEntry, len(entries)), make([]*creditbankv1.PortfolioEntry, len(entries))
	for i, e := range entries {
		v := &values[i]
		v.EntryIndex, v.Course, v.CourseTitle, v.Provider, v.ProviderName = e.Index, e.Course, e.Title, e.Provider, e.ProviderName
		v.Platform, v.EndDate, v.RecordTime = e.Platform, e.EndDate, timestamp(e.Recorded)
		v.Merged = e.Merged
		v.Assessment, v.DecisionReasonCode, v.DecisionNote = assessmentProto(e.Decision, view), e.ReasonCode, e.Note
		v.DecisionReasonWords = reasonWordsProto(e.ReasonCode)
		if full(view) {
			v.Case = progressProto(e.Case)
		}
		v.OpeningBalance, v.Claim = openingBalanceProto(e.Opening), claimProto(e.Claim)
		all[i] = v
	}
	return all
}
