package book_test

import (
	"pgregory.net/rapid"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// claim has a resident, or an officer for them, claim prior learning.
func (m *machine) claim(t *rapid.T) {
	id, _ := m.account(t)
	fact := &ledgerv1.ClaimFiled{
		Actor: &ledgerv1.Actor{Resident: true}, Request: m.request("SubmitClaim"), Account: id, Organization: platformB,
		Category: rapid.SampledFrom(categories()).Draw(t, "category"), EndDay: firstDay - rapid.Int32Range(-7, 3000).Draw(t, "days ago"),
		Causes: []string{"certificate"}, Risk: rapid.Uint32Range(1, 5).Draw(t, "risk"),
		Due: rapid.SampledFrom([]int64{0, m.time + 7}).Draw(t, "due"),
	}
	if rapid.Bool().Draw(t, "by an officer") {
		fact.Actor = &ledgerv1.Actor{Officer: "registrar"}
	}
	m.do(t, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClaimFiled{ClaimFiled: fact}})
}

// claimMisfits are claims of no account or organization, claims under a request that is known, and what happens to
// completions alone.
func (m *machine) claimMisfits(id []byte, a *naiveAccount, all map[string]*ledgerv1.Entry) {
	filed := func(account []byte, organization string, request *ledgerv1.Request) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ClaimFiled{ClaimFiled: &ledgerv1.ClaimFiled{
			Actor: &ledgerv1.Actor{Resident: true}, Request: request, Account: account, Organization: organization, Category: "arts", EndDay: firstDay,
		}}}
	}
	all["claim of nobody"] = filed(m.id(), platformA, m.request("SubmitClaim"))
	all["claim to nobody"] = filed(id, "nobody", m.request("SubmitClaim"))
	for _, e := range m.entries {
		if f := e.GetClaimFiled(); f.GetActor().GetResident() {
			all["claim twice"] = filed(id, platformA, f.GetRequest())
		}
	}
	for _, item := range a.items {
		if item.kind == 0 {
			continue
		}
		all["void of no completion"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: &ledgerv1.CompletionVoided{
			Origin: &ledgerv1.Origin{Organization: platformA, StatementId: m.id()}, Account: id, Completion: item.ref(),
		}}}
		if item.open == 0 {
			all["case on no completion"] = &ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseOpened{CaseOpened: &ledgerv1.CaseOpened{
				Account: id, Completion: item.ref(),
			}}}
		}
	}
}
