package review_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/certify/review"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	applied    = ledgerv1.ApplicationState_APPLICATION_STATE_UNSPECIFIED
	sentBack   = ledgerv1.ApplicationState_APPLICATION_STATE_RETURNED
	accredited = ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED
	turnedDown = ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED
	contested  = ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED
	givenUp    = ledgerv1.ApplicationState_APPLICATION_STATE_WITHDRAWN
)

func TestApplication(t *testing.T) {
	t.Parallel()
	school := review.Application{Organization: "school", Scope: "college", Applicant: "li", AppealUntil: 100}
	in := func(state review.ApplicationState, change ...func(a *review.Application)) review.Application {
		a := school
		a.State = state
		for _, c := range change {
			c(&a)
		}
		return a
	}
	decided := func(a *review.Application) { a.Deciders = []string{"wu"} }
	alone := func(a *review.Application) { a.Applicant = "" }
	top := func(a *review.Application) { a.Organization = "college" }
	li, wu, qian := review.Party{"li", "college"}, review.Party{"wu", "college"}, review.Party{"qian", "college"}
	own, itself, other := review.Party{"zhao", "school"}, review.Party{"", "school"}, review.Party{"", "platform"}
	for name, c := range map[string]struct {
		a    review.Application
		act  review.Act
		by   review.Party
		want review.ApplicationState
		err  error
	}{
		"accredited":                   {in(applied), review.Approve, wu, accredited, nil},
		"refused":                      {in(applied), review.Reject, wu, turnedDown, nil},
		"returned":                     {in(applied), review.Return, wu, sentBack, nil},
		"answered":                     {in(sentBack), review.Answer, li, applied, nil},
		"answered by the organization": {in(sentBack), review.Answer, itself, applied, nil},
		"answered by another one":      {in(sentBack), review.Answer, other, 0, review.ErrWho},
		"answered by another officer":  {in(sentBack), review.Answer, wu, 0, review.ErrWho},
		"refused without an answer":    {in(sentBack), review.Reject, wu, turnedDown, nil},
		"accredited without an answer": {in(sentBack), review.Approve, wu, 0, review.ErrTurn},
		"own application":              {in(applied), review.Approve, li, 0, review.ErrFourEyes},
		"own return":                   {in(applied), review.Return, li, 0, review.ErrFourEyes},
		"own institution":              {in(applied), review.Approve, own, 0, review.ErrOwnInstitution},
		"nobody above":                 {in(applied, top), review.Approve, wu, accredited, nil},
		"by no officer":                {in(applied), review.Approve, itself, 0, review.ErrWho},
		"asked too often":              {in(applied, func(a *review.Application) { a.Returns = 5 }), review.Return, wu, 0, review.ErrLimit},
		"appealed":                     {in(turnedDown, decided), review.Appeal, li, contested, nil},
		"appealed by itself":           {in(turnedDown, decided, alone), review.Appeal, itself, contested, nil},
		"appealed twice":               {in(turnedDown, func(a *review.Application) { a.Appeals = 1 }), review.Appeal, li, 0, review.ErrLimit},
		"appealed on the last day":     {in(turnedDown, func(a *review.Application) { a.AppealUntil = 50 }), review.Appeal, li, contested, nil},
		"appealed late":                {in(turnedDown, func(a *review.Application) { a.AppealUntil = 49 }), review.Appeal, li, 0, review.ErrDeadline},
		"heard by the same":            {in(contested, decided), review.Approve, wu, 0, review.ErrFourEyes},
		"heard by another":             {in(contested, decided), review.Approve, qian, accredited, nil},
		"refused again":                {in(contested, decided), review.Reject, qian, turnedDown, nil},
		"withdrawn":                    {in(contested), review.Withdraw, li, givenUp, nil},
		"withdrawn too late":           {in(accredited), review.Withdraw, li, 0, review.ErrTurn},
		"accredited twice":             {in(accredited), review.Approve, wu, 0, review.ErrTurn},
		"taken":                        {in(applied), review.Take, wu, 0, review.ErrTurn},
	} {
		got, err := review.Advance(c.a, c.act, c.by, 50)
		if !errors.Is(err, c.err) || err == nil && got != c.want || err != nil && got != c.a.State {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Whatever is tried, what ended stays, nobody decides twice or on what they brought, and no application goes on for ever.
func TestApplicationModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		officers := []string{"", "li", "wu", "qian", "sun"}
		a := review.Application{Organization: "school", Scope: "college", Applicant: rapid.SampledFrom(officers).Draw(t, "applicant")}
		steps := 0
		for range rapid.IntRange(1, 60).Draw(t, "tries") {
			act := review.Act(rapid.IntRange(int(review.Take), int(review.Expire)).Draw(t, "act"))
			by := review.Party{Officer: rapid.SampledFrom(officers).Draw(t, "officer"), Organization: rapid.SampledFrom([]string{"college", "school"}).Draw(t, "organization")}
			to, err := review.Advance(a, act, by, 1)
			if err != nil {
				continue
			}
			steps++
			if a.State == accredited || a.State == givenUp {
				t.Fatalf("%v leads on to %v", a.State, to)
			}
			switch to {
			case accredited, turnedDown:
				for _, officer := range append(a.Deciders, a.Applicant, "") {
					if officer == by.Officer {
						t.Fatalf("%q decides on %+v", by.Officer, a)
					}
				}
				a.Deciders, a.AppealUntil = append(a.Deciders, by.Officer), 1
			case sentBack:
				a.Returns++
			case contested:
				a.Appeals++
			}
			a.State = to
		}
		if steps > 2*review.MaxApplicationReturns+4 {
			t.Fatalf("%d steps", steps)
		}
	})
}
