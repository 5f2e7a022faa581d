package simulation_test

import (
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/review"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// aCase is one of the cases in some states, and an officer who has not judged it; ok is false where there is none.
func (g *generator) aCase(w *world, states ...ledgerv1.CaseStatus) (c api.Case, officer string, ok bool, err error) {
	caller, err := w.officer(apitest.Officer)
	if err != nil {
		return c, "", false, err
	}
	cases, _, err := w.ListCases(ctx(), caller, api.CaseFilter{States: states}, api.Page{})
	if err != nil || len(cases) == 0 {
		return c, "", false, err
	}
	c = cases[g.random.IntN(len(cases))]
	fresh := slices.DeleteFunc(certifiers(), func(officer string) bool {
		return slices.ContainsFunc(c.Reviewers, func(r review.Reviewer) bool { return r.Officer == officer })
	})
	if len(fresh) == 0 {
		return c, "", false, nil
	}
	return c, fresh[0], true, nil
}

// decision decides an open case, if there is one: appeals, of which there are few, more often than others.
func (g *generator) decision(w *world, m *model) (command, error) {
	var states []ledgerv1.CaseStatus
	if g.chance(40) {
		states = append(states, ledgerv1.CaseStatus_CASE_STATUS_APPEALED)
	}
	c, decider, ok, err := g.aCase(w, states...)
	if err != nil || !ok {
		return g.submission(m, 1), err
	}
	verdict := api.Verdict(1 + g.random.IntN(3))
	officer, err := w.officer(decider)
	if err != nil {
		return nil, err
	}
	if held, err := anythingHeld(w, officer); err != nil {
		return nil, err
	} else if held && verdict == api.VerdictApprove { // nobody approves what is held
		verdict = api.VerdictReject
	}
	return g.verdict(c, decider, verdict), nil
}

// verdict is an officer's on a case.
func (g *generator) verdict(c api.Case, decider string, verdict api.Verdict) command {
	n := g.number()
	d := api.CaseDecision{
		RequestID: requestID(1<<20 + n), Case: c.ID, Seen: c.Changed, Verdict: verdict, ReasonCode: "EVIDENCE_SUFFICIENT",
	}
	decide := by(decider, fmt.Sprintf("decision %d: case %d, verdict %d", n, d.Case, d.Verdict), d.RequestID,
		func(w *world, by access.Caller, _ string) (string, error) {
			_, _, index, _, err := w.DecideCase(ctx(), by, d)
			return entry(index, err)
		})
	decide.overtaken = []api.Reason{api.ReasonCaseChanged}
	return decide
}

// spend has somebody learn what an officer has to approve, an officer approve it, and an institution take over what it takes of it.
func (g *generator) spend(w *world, m *model, account api.Account) error {
	welding := courses()[4]
	posted := submission{platform: apitest.Platform, statements: []statement{g.fixed(g.learned(account, welding, 1, int64(welding.NominalMinutes), 100*24))}}
	if err := posted.run(w, m, false); err != nil {
		return err
	}
	c, officer, ok, err := g.aCase(w)
	if err != nil || !ok {
		return fmt.Errorf("no case: %w", err)
	}
	if err := g.verdict(c, officer, api.VerdictApprove).run(w, m, false); err != nil {
		return err
	}
	holder, err := w.resident(account.ID)
	if err != nil {
		return err
	}
	ask := asking{n: g.number(), account: account, institution: university, programme: "social-work-ba"}
	if ask.quote, err = w.QuoteTransfer(ctx(), holder, api.QuoteRequest{Institution: ask.institution, Programme: ask.programme}); err != nil {
		return err
	}
	if err := ask.run(w, m, false); err != nil {
		return err
	}
	asked, _, err := w.ListTransfers(ctx(), holder, api.TransferFilter{Account: account.ID}, api.Page{})
	if err != nil || len(asked) != 1 {
		return fmt.Errorf("%d transfers: %w", len(asked), err)
	}
	return ending{n: g.number(), of: asked[0], as: ledgerv1.HoldStatus_HOLD_STATUS_POSTED}.run(w, m, false)
}

// secondThought has an officer revoke what was approved, or the learner appeal against what was refused or revoked.
func (g *generator) secondThought(w *world, m *model) (command, error) {
	c, officer, ok, err := g.aCase(w, ledgerv1.CaseStatus_CASE_STATUS_APPROVED, ledgerv1.CaseStatus_CASE_STATUS_REJECTED,
		ledgerv1.CaseStatus_CASE_STATUS_REVOKED)
	if err != nil || !ok {
		return g.submission(m, 1), err
	}
	n := g.number()
	s := api.Step{RequestID: requestID(1<<20 + n), Case: c.ID, Seen: c.Changed, Act: review.Revoke, ReasonCode: "DECIDED_BY_MISTAKE"}
	if c.Status == ledgerv1.CaseStatus_CASE_STATUS_APPROVED {
		return thought{by(officer, fmt.Sprintf("%d: revoke case %d", n, c.ID), s.RequestID, func(w *world, by access.Caller, _ string) (string, error) {
			taken, err := w.TakeStep(ctx(), by, s)
			return entry(taken.Index, err)
		})}, nil
	}
	living := m.living()
	here := slices.ContainsFunc(living, func(name string) bool { return m.accounts[name].ID == c.Account })
	if !here || !c.Deadline.After(g.clock.Now()) {
		return g.submission(m, 1), nil
	}
	s.Act, s.ReasonCode, s.Note = review.Appeal, "", "why"
	return thought{change{name: fmt.Sprintf("%d: appeal in case %d", n, c.ID), ask: func(w *world) (string, error) {
		holder, err := w.resident(c.Account)
		if err != nil {
			return "", err
		}
		taken, err := w.TakeStep(ctx(), holder, s)
		return entry(taken.Index, err)
	}}}, nil
}

// thought is a step of a case that was closed. It may come too late: a platform or an officer did something to the completion since.
type thought struct{ change }

func (t thought) run(w *world, m *model, again bool) error {
	return askInTime(t, w, m, again, api.ReasonCaseClosed, api.ReasonCaseChanged, api.ReasonDeadlinePassed)
}
