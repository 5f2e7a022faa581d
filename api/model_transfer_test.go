package api_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// request asks an institution to take over what it quotes: by the holder, or by itself under a consent.
func (m *machine) request(t *rapid.T) {
	l := rapid.SampledFrom(m.living()).Draw(t, "account")
	ask := rapid.SampledFrom([]struct{ institution, programme string }{
		{university, socialWork}, {university, "early-childhood-dip"}, {college, elderCare},
	}).Draw(t, "programme")
	by, number := m.Resident(l.ID), ""
	if rapid.Bool().Draw(t, "under a consent") {
		m.grants(l, func(n *api.NewConsent) { n.Institution = ask.institution })
		by, number = m.institution(ask.institution), string(l.Number)
	}
	q, err := m.QuoteTransfer(ctx(), by, api.QuoteRequest{Number: number, Institution: ask.institution, Programme: ask.programme})
	if e := api.AsError(err); e != nil && e.Reason == api.ReasonAgreementNotInForce {
		t.Skip("the agreements have ended")
	}
	must(m.t, err)
	asked := m.acceptors.asked(q)
	asked.Number = number
	size := m.size()
	done, err := m.RequestTransfer(ctx(), by, asked, false)
	if e := api.AsError(err); e != nil {
		// What was overdue is written down first: it can be that the quote did not know.
		if e.Reason != api.ReasonNothingToTransfer && e.Reason != api.ReasonTransferLimit && e.Reason != api.ReasonQuoteChanged || m.size() != size {
			t.Fatalf("%v, %d entries more", err, m.size()-size)
		}
		return
	}
	if done.Transfer.Held != q.Takes || done.Transfer.Granted != q.Gives {
		t.Fatalf("asked for %+v, quoted %s for %s", done.Transfer, q.Takes, q.Gives)
	}
	m.asked = append(m.asked, done.Transfer)
}

// end has somebody end a transfer, which may have ended.
func (m *machine) end(t *rapid.T) {
	if len(m.asked) == 0 {
		t.Skip("no transfer")
	}
	asked := rapid.SampledFrom(m.asked).Draw(t, "transfer")
	institution := m.institution(asked.Institution)
	var err error
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		_, err = m.WithdrawTransfer(ctx(), m.Resident(asked.Account), m.RequestID(), asked.Hold, false)
	case 1:
		_, err = m.DeclineTransfer(ctx(), institution, m.RequestID(), asked.Hold, decline, "", false)
	default:
		accept := api.Acceptance{RequestID: m.RequestID(), Hold: asked.Hold}
		if item := asked.Items[0]; item.Course == "" && item.Granted > 1 && rapid.Bool().Draw(t, "in part") {
			accept.Take = []api.TransferTake{{Item: 0, Credits: item.Credits - 1}}
		}
		if _, err = m.AcceptTransfer(ctx(), institution, accept, false); err != nil {
			break
		}
		file, err := m.TransferBundle(ctx(), institution, asked.Hold)
		must(m.t, err)
		if _, err := bundle.Verify(file, m.Verifier, apitest.Origin); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		wants(m.t, err, api.Precondition, api.ReasonTransferEnded, "transfer_id")
	}
}

// clawBack proposes to take one or a course back, or holds it.
func (m *machine) clawBack(t *rapid.T) {
	if len(m.posted) == 0 {
		t.Skip("nothing was posted")
	}
	s := api.ClawbackSelection{Completion: rapid.SampledFrom(m.posted).Draw(t, "completion").index}
	if rapid.IntRange(0, 2).Draw(t, "course") == 0 {
		s = ofCourse(apitest.Root, apitest.Welding)
	}
	p := m.previews(s)
	if p.Totals.Completions == 0 {
		t.Skip("nothing to take back")
	}
	c, err := m.ProposeClawback(ctx(), m.Officer(apitest.Officer), api.ClawbackProposal{
		RequestID: m.RequestID(), Selection: p.Selection, Digest: p.Digest, ReasonCode: "IMPLAUSIBLE", Reason: "核查",
		Hold: rapid.Bool().Draw(t, "hold"),
	})
	must(m.t, err)
	m.clawbacks = append(m.clawbacks, c.Index)
	_, err = m.RunClawbacks(ctx())
	must(m.t, err)
}

// decideClawback has another officer confirm one, or turn it down.
func (m *machine) decideClawback(t *rapid.T) {
	if len(m.clawbacks) == 0 {
		t.Skip("no clawback")
	}
	i := rapid.IntRange(0, len(m.clawbacks)-1).Draw(t, "clawback")
	index := m.clawbacks[i]
	m.clawbacks = slices.Delete(m.clawbacks, i, i+1)
	var err error
	if rapid.Bool().Draw(t, "confirmed") {
		_, err = m.confirms(apitest.SecondOfficer, index)
	} else {
		_, err = m.DeclineClawback(ctx(), m.Officer(apitest.SecondOfficer), m.RequestID(), index)
	}
	must(m.t, err)
	_, err = m.RunClawbacks(ctx())
	must(m.t, err)
	c, err := m.GetClawback(ctx(), m.Officer(apitest.Officer), index)
	must(m.t, err)
	switch c.State {
	case ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED, ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED, ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED:
	default:
		t.Fatalf("it stands at %s", c.State)
	}
}

// anythingHeld says whether a clawback holds something of an account.
func (m *machine) anythingHeld(l api.Account) bool {
	_, entries := m.portfolio(l)
	for _, e := range entries {
		if reasons := e.Decision.Reasons; len(reasons) > 0 && reasons[len(reasons)-1].Rule == policyHeld {
			return true
		}
	}
	return false
}
