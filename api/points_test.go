package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// opened opens an account with a document of one's own.
func (b *bank) opened(document unit.Document, checked bool) api.Account {
	b.t.Helper()
	account, _, err := b.OpenAccount(ctx(), b.Officer(apitest.Registrar), api.Opening{
		RequestID: b.RequestID(), Name: "陈", Document: document, Home: apitest.Beishan, Checked: checked,
	})
	must(b.t, err)
	return account
}

// identity is a document of a kind with a number of GB 11643.
func identity(t testing.TB, kind unit.DocumentKind, first17 string) unit.Document {
	t.Helper()
	number, err := unit.IdentityNumberFor(first17)
	must(t, err)
	return unit.Document{Kind: kind, Number: string(number)}
}

// The age comes from the document: that of whoever showed one without a birth date is unknown, and multiplies nothing.
func TestPointsByAge(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	for _, c := range []struct {
		name     string
		document unit.Document
		points   unit.Points // for 90 minutes on 14 June 2026
	}{
		{"sixty on the day", identity(t, unit.ResidentIdentity, "33010619660614101"), 1800},
		{"sixty the day after", identity(t, unit.ResidentIdentity, "33010619660615101"), 1500},
		{"from Taiwan, 70", identity(t, unit.ResidencePermit, "83000019560101101"), 1800},
		{"a permanent resident of 30", identity(t, unit.PermanentResidence, "91100019960101101"), 1500},
		{"a passport", unit.Document{Kind: unit.Passport, Number: "E12345678"}, 1500},
	} {
		account := b.opened(c.document, true)
		became(t, b.one(b.learned(account, apitest.Calligraphy, 1, 90)).Decision, awarded, 90, 100, 0)
		p, entries := b.portfolio(account)
		want := api.PointTotals{Points: c.points, Lapses: []api.PointLapse{{LastDate: "2026-12-31", Points: c.points}}}
		if p.Points.Points != want.Points || !slices.Equal(p.Points.Lapses, want.Lapses) || p.Points.Lapsed != 0 || p.Points.WaitsForVerification {
			t.Errorf("%s: %+v, not %+v", c.name, p.Points, want)
		}
		for _, e := range entries {
			last := e.Decision.Reasons[len(e.Decision.Reasons)-1]
			if last.Stage != ledgerv1.Stage_STAGE_POINTS || last.After != int64(c.points) || (last.Carried > 0) != (c.points > 1500) {
				t.Errorf("%s: %+v", c.name, last)
			}
		}
	}
	provisional := b.opened(b.Document(900), false)
	b.one(b.learned(provisional, apitest.Calligraphy, 1, 90))
	if p, _ := b.portfolio(provisional); !p.Points.WaitsForVerification || p.Points.Points != 1800 {
		t.Errorf("before the document was checked: %+v", p.Points)
	}
}

// A platform must not learn how old its learners are: neither when it posts, nor when it asks.
func TestPlatformsAreNotToldPoints(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	s := b.learned(account, apitest.Calligraphy, 1, 90)
	submission := b.Submission(apitest.Platform, s)
	told := []*api.Decision{b.postRaw(submission)[0].Decision, b.postRaw(submission)[0].Decision}
	for _, reasons := range []bool{true, false} {
		p, err := b.GetCompletion(ctx(), b.Platform(apitest.Platform), unit.StatementID(s.GetId()), reasons)
		must(t, err)
		told = append(told, p.Decision)
	}
	listed, _, _, err := b.ListCompletions(ctx(), b.Platform(apitest.Platform), 0, api.Page{})
	must(t, err)
	told = append(told, listed[0].Decision)
	for i, d := range told {
		if d.Outcome != awarded || d.Points != 0 || strings.Contains(strings.Join(stagesOf(d), " "), "POINTS") {
			t.Errorf("answer %d: %+v", i, d)
		}
	}
	if len(told[0].Reasons) != 3 || len(told[1].Reasons) != 3 || len(told[2].Reasons) != 3 {
		t.Errorf("the other reasons are missing: %v, %v, %v", told[0].Reasons, told[1].Reasons, told[2].Reasons)
	}
	if p, _ := b.portfolio(account); p.Points.Points != 1800 {
		t.Errorf("the holder has %+v", p.Points)
	}
}

func stagesOf(d *api.Decision) []string {
	var stages []string
	for _, r := range d.Reasons {
		stages = append(stages, r.Stage.String())
	}
	return stages
}

// Points come and go with the hours that give them. Everybody here was born in 1950: an hour gives 1.2.
func TestPointsFollowTheHours(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	has := func(what string, points unit.Points) {
		t.Helper()
		if p, _ := b.portfolio(account); p.Points.Points+p.Points.Lapsed != points {
			t.Errorf("%s: %+v, not %v", what, p.Points, points)
		}
	}
	s := b.learned(account, apitest.Calligraphy, 1, 90)
	b.one(s)
	has("a class", 1800)
	b.one(b.Void(s.GetId()))
	has("taken back", 0)
	if row := b.row(account); len(row.GetPoints()) != 0 {
		t.Errorf("points of nothing are kept: %v", row.GetPoints())
	}

	b.one(withScore(b.learned(account, apitest.FirstAid, 2, 90), 70))
	has("first aid", 1800)
	became(t, b.one(withScore(b.learned(account, apitest.FirstAidOnline, 3, 60), 60)).Decision, duplicate, 0, 0, 0)
	has("a duplicate", 1800)
	became(t, b.one(withScore(b.learned(account, apitest.FirstAid, 4, 120), 90)).Decision, awarded, 120, 100, 0)
	has("a better score", 2400) // 2 hours instead of 1.5

	became(t, b.one(withScore(b.learned(account, apitest.Smartphone, 5, 60), 10)).Decision, noCredit, 60, 0, 0)
	has("failed, but the hour counts", 3600)

	late := b.one(b.learned(account, apitest.Welding, 100, 600))
	has("in review", 3600)
	became(t, b.decide(late.Index, api.VerdictHoursOnly), noCredit, 600, 0, 0)
	has("hours only", 15_600)
	another := b.one(b.learned(account, apitest.Welding, 101, 600))
	b.decide(another.Index, api.VerdictApprove)
	has("approved", 27_600)
	refused := b.one(b.learned(account, apitest.Welding, 102, 600))
	b.decide(refused.Index, api.VerdictReject)
	has("refused", 27_600)

	// Of what a stolen key signed, an officer leaves the hours, and with them the points; or nothing.
	doubted := b.one(b.learned(account, apitest.Welding, 6, 60))
	has("signed by a key", 28_800)
	_, _, err := b.RevokeKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Revocation{
		Key: b.SignKey(apitest.Platform).Public().ID(), CompromisedSince: b.Clock.Now().UnixMicro(),
	})
	must(t, err)
	for _, c := range b.cases() {
		if c.Completion == doubted.Index {
			became(t, b.decide(c.ID, api.VerdictHoursOnly), noCredit, 60, 0, 0)
		}
	}
	has("that others had", 28_800)
}

// Nothing is written when points lapse: their day says it.
func TestPointsLapseWithTheYear(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 1, 90))
	b.one(b.learned(account, apitest.Calligraphy, 200, 60)) // November 2025: an officer decides
	b.decide(b.cases()[0].ID, api.VerdictApprove)
	at := func(now time.Time, want api.PointTotals) {
		t.Helper()
		b.Clock.Advance(now.Sub(b.Clock.Now()))
		p, _ := b.portfolio(account)
		if p.Points.Points != want.Points || p.Points.Lapsed != want.Lapsed || !slices.Equal(p.Points.Lapses, want.Lapses) {
			t.Errorf("%v: %+v, not %+v", now, p.Points, want)
		}
	}
	hangzhou := time.FixedZone("", 8*3600)
	at(time.Date(2026, 12, 31, 23, 59, 59, 0, hangzhou), api.PointTotals{
		Points: 1800, Lapsed: 1200, Lapses: []api.PointLapse{{LastDate: "2026-12-31", Points: 1800}},
	})
	size := b.size()
	at(time.Date(2027, 1, 1, 0, 0, 0, 0, hangzhou), api.PointTotals{Lapsed: 3000})
	_, err := b.Sweep(ctx())
	must(t, err)
	if b.size() != size {
		t.Error("something was written")
	}
	// The sums of the ledger go on counting what lapsed, so that a void can take it back.
	if row := b.row(account); len(row.GetPoints()) != 2 {
		t.Errorf("the row has %v", row.GetPoints())
	}
}
