package simulation_test

import (
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// clawback has an officer hold completions, the bank do what was decided, and another officer decide what becomes of them. Wherever
// the bank stops in the middle of that, it goes on.
func (g *generator) clawback(w *world) (command, error) {
	officer, err := w.officer(apitest.SecondOfficer)
	if err != nil {
		return nil, err
	}
	all, _, err := w.ListClawbacks(ctx(), officer, apitest.Root, api.Page{Size: 1})
	if err != nil {
		return nil, err
	}
	const (
		finished = ledgerv1.ClawbackState_CLAWBACK_STATE_FINISHED
		released = ledgerv1.ClawbackState_CLAWBACK_STATE_RELEASED
	)
	switch {
	case len(all) == 0 || all[0].State == finished || all[0].State == released || g.chance(10):
		return g.hold(), nil
	case book.Undecided(all[0].State) && g.chance(50):
		return g.clawbackDecision(w, all[0])
	default:
		return look{name: "clawbacks are done", writes: true, ask: func(w *world, _ *model) error {
			_, err := w.RunClawbacks(ctx())
			return err
		}}, nil
	}
}

func (g *generator) hold() command {
	n := g.number()
	course := courses()[g.random.IntN(5)]
	p := api.ClawbackProposal{
		RequestID: requestID(1<<20 + n), ReasonCode: "IMPLAUSIBLE", Reason: "why", Hold: true, HoldFuture: true,
		Selection: api.ClawbackSelection{Provider: course.Provider, Course: course.Code, Version: course.Version},
	}
	if g.chance(50) {
		p.Selection = api.ClawbackSelection{Platform: platforms()[g.random.IntN(2)], To: g.clock.Now().AddDate(0, 0, -g.random.IntN(60)).Format("2006-01-02")}
	}
	return by(apitest.Officer, fmt.Sprintf("hold %d of %s%s", n, p.Selection.Course, p.Selection.Platform), p.RequestID,
		func(w *world, by access.Caller, _ string) (string, error) {
			c, err := w.ProposeClawback(ctx(), by, p)
			return entry(c.Index, err)
		})
}

func (g *generator) clawbackDecision(w *world, c api.Clawback) (command, error) {
	officer, err := w.officer(apitest.SecondOfficer)
	if err != nil {
		return nil, err
	}
	n := g.number()
	if g.chance(50) {
		release := by(apitest.SecondOfficer, fmt.Sprintf("%d: release hold %d", n, c.Index), requestID(1<<20+n),
			func(w *world, by access.Caller, request string) (string, error) {
				c, err := w.DeclineClawback(ctx(), by, request, c.Index)
				return entry(c.Index, err)
			})
		release.overtaken = []api.Reason{api.ReasonClawbackDecided}
		return release, nil
	}
	p, err := w.PreviewClawback(ctx(), officer, api.ClawbackSelection{}, c.Index, nil)
	if err != nil {
		return nil, err
	}
	confirm := by(apitest.SecondOfficer, fmt.Sprintf("%d: confirm clawback %d", n, c.Index), requestID(1<<20+n),
		func(w *world, by access.Caller, request string) (string, error) {
			c, err := w.ConfirmClawback(ctx(), by, request, c.Index, p.Digest)
			return entry(c.Index, err)
		})
	confirm.overtaken = []api.Reason{api.ReasonClawbackChanged, api.ReasonClawbackDecided}
	return confirm, nil
}

// anythingHeld says whether completions are held, or may be.
func anythingHeld(w *world, officer access.Caller) (bool, error) {
	all, _, err := w.ListClawbacks(ctx(), officer, apitest.Root, api.Page{Size: 500})
	held := slices.ContainsFunc(all, func(c api.Clawback) bool { return c.Held > 0 || book.Undecided(c.State) })
	return held, err
}
