package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/api/bundle"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	socialWork = "social-work-ba"
	elderCare  = "elder-care-cert"

	held        = ledgerv1.HoldStatus_HOLD_STATUS_HELD
	posted      = ledgerv1.HoldStatus_HOLD_STATUS_POSTED
	declined    = ledgerv1.HoldStatus_HOLD_STATUS_DECLINED
	withdrawn   = ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN
	takenBack   = ledgerv1.HoldStatus_HOLD_STATUS_REVERSED
	lapsed      = ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED
	decline     = "PROGRAMME_FULL"
	holdDays    = 30
	wholeCourse = 7200 // minutes of welding, which give enough for any transfer
)

// newTransfers is a bank with two institutions that have published what they take.
func newTransfers(tb testing.TB) *acceptors {
	tb.Helper()
	a := newAcceptors(tb)
	a.publishes(university, agreements.OpenUniversity2026())
	a.publishes(college, agreements.VocationalCollege2026())
	return a
}

// quoted asks for a quote as the holder.
func (a *acceptors) quoted(l api.Account, institution, programme string) *api.TransferQuote {
	a.t.Helper()
	q, err := a.QuoteTransfer(ctx(), a.Resident(l.ID), api.QuoteRequest{Institution: institution, Programme: programme})
	must(a.t, err)
	return q
}

func (a *acceptors) asked(q *api.TransferQuote) api.TransferRequest {
	return api.TransferRequest{
		RequestID: a.RequestID(), Institution: q.Agreement.Institution, Programme: q.Programme.Code, Agreement: q.Agreement.Hash,
		QuoteDate: q.Day.String(), QuoteDigest: q.Digest[:],
	}
}

// requests asks for what is quoted now.
func (a *acceptors) requests(l api.Account, institution, programme string) api.Transfer {
	a.t.Helper()
	done, err := a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(a.quoted(l, institution, programme)), false)
	must(a.t, err)
	return done.Transfer
}

func (a *acceptors) stands(l api.Account, hold uint64, status ledgerv1.HoldStatus) api.Transfer {
	a.t.Helper()
	t, err := a.GetTransfer(ctx(), a.Resident(l.ID), hold)
	must(a.t, err)
	if t.Status != status {
		a.t.Errorf("transfer %d is %s, not %s", hold, t.Status, status)
	}
	return t
}

// totals are available, reserved and transferred, by the checks of the portfolio.
func (a *acceptors) totals(l api.Account) [3]unit.Credits {
	a.t.Helper()
	p, _ := a.portfolio(l)
	return [3]unit.Credits{p.Totals.Available, p.Totals.Reserved, p.Totals.Transferred}
}

func (a *acceptors) learner() api.Account {
	a.t.Helper()
	l := a.Open()
	a.learns(l)
	a.one(a.learned(l, apitest.Welding, 20, wholeCourse))
	return l
}

// A quote becomes a hold, and the hold a transfer, in part: what was not taken is free again, and the bundle proves the rest.
func TestTransferInPart(t *testing.T) {
	a := newTransfers(t)
	l := a.learner()
	before := a.totals(l)
	q := a.quoted(l, university, socialWork)
	if q.Takes == 0 || before[1] != 0 {
		t.Fatalf("nothing to take: %+v", q.Quote)
	}
	asked := a.asked(q)
	done, err := a.RequestTransfer(ctx(), a.Resident(l.ID), asked, true)
	must(t, err)
	transfer := done.Transfer
	if transfer.Status != held || transfer.Held != q.Takes || transfer.Granted != q.Gives || done.Proof == nil || done.Totals.Reserved != q.Takes ||
		transfer.Institution != university || !transfer.Deadline.After(a.Clock.Now().AddDate(0, 0, holdDays)) {
		t.Errorf("asked for %+v, %+v", transfer, done)
	}
	if got := a.totals(l); got != [3]unit.Credits{before[0] - q.Takes, q.Takes, 0} {
		t.Errorf("after the request %v, before %v", got, before)
	}
	again, err := a.RequestTransfer(ctx(), a.Resident(l.ID), asked, false)
	if must(t, err); again.Index != done.Index || again.Transfer.Hold != transfer.Hold {
		t.Errorf("asked again: %+v", again)
	}
	_, err = a.TransferBundle(ctx(), a.Resident(l.ID), transfer.Hold)
	wants(t, err, api.Precondition, api.ReasonTransferNotAccepted, "transfer_id")

	first := transfer.Items[0]
	accept := api.Acceptance{RequestID: a.RequestID(), Hold: transfer.Hold, Note: "欢迎", Take: []api.TransferTake{{Item: 0, Credits: first.Credits}}}
	accepted, err := a.AcceptTransfer(ctx(), a.institution(university), accept, true)
	must(t, err)
	took := accepted.Transfer
	if took.Status != posted || took.Taken != first.Credits || took.TakenGranted != first.Granted || accepted.Programme != first.Granted ||
		accepted.Totals != nil || took.Note != "欢迎" || took.Items[1].Taken != 0 {
		t.Errorf("accepted %+v", accepted)
	}
	if got := a.totals(l); got != [3]unit.Credits{before[0] - first.Credits, 0, first.Credits} {
		t.Errorf("after the acceptance %v, before %v", got, before)
	}
	// Accepted once, it answers the first acceptance for ever, and no other one.
	replayed, err := a.AcceptTransfer(ctx(), a.institution(university), accept, false)
	if must(t, err); replayed.Index != accepted.Index {
		t.Errorf("replayed: entry %d, not %d", replayed.Index, accepted.Index)
	}
	accept.RequestID = a.RequestID()
	_, err = a.AcceptTransfer(ctx(), a.institution(university), accept, false)
	wants(t, err, api.Precondition, api.ReasonTransferEnded, "transfer_id")
	if e := api.AsError(err); e.Metadata["status"] != "POSTED" || e.Metadata["ended_index"] != fmt.Sprint(accepted.Index) {
		t.Errorf("how it ended: %v", e.Metadata)
	}
	_, err = a.WithdrawTransfer(ctx(), a.Resident(l.ID), a.RequestID(), transfer.Hold, false)
	wants(t, err, api.Precondition, api.ReasonTransferEnded, "transfer_id")

	for name, caller := range map[string]access.Caller{"institution": a.institution(university), "resident": a.Resident(l.ID)} {
		file, err := a.TransferBundle(ctx(), caller, transfer.Hold)
		must(t, err)
		shown, err := bundle.Verify(file, a.Verifier, apitest.Origin)
		if err != nil || len(shown.Items) != 1 || shown.Credits != first.Credits || shown.Granted != first.Granted ||
			shown.Institution != university || shown.Account != l.ID || shown.AccountNumber != string(l.Number) || shown.Items[0].Platform != apitest.Platform {
			t.Errorf("bundle for the %s: %+v, %v", name, shown, err)
		}
	}
	// What was taken counts towards what the institution takes from now on.
	next := a.quoted(l, university, socialWork)
	if next.Available != q.Available-first.Credits {
		t.Errorf("the next quote has %s available, the first had %s", next.Available, q.Available)
	}
}

// claimed has two officers grant a claim, and its notice end.
func (a *acceptors) claimed(l api.Account) uint64 {
	a.t.Helper()
	resident := a.Resident(l.ID)
	id := a.files(resident, a.certificate(resident, l.ID))
	for _, officer := range []string{apitest.Officer, apitest.SecondOfficer} {
		_, err := a.TakeStep(ctx(), a.Officer(officer), api.Step{
			RequestID: a.RequestID(), Case: id, Act: review.Approve, ReasonCode: "EVIDENCE_SUFFICIENT", Grant: &api.Grant{Minutes: 720, Credits: 1000},
		})
		must(a.t, err)
	}
	a.Clock.Advance(30 * 24 * time.Hour)
	_, err := a.EndDue(ctx())
	must(a.t, err)
	return id
}

// Prior learning that an officer granted is taken over like a completion; nobody but the bank says what it was.
func TestTransferOfAClaim(t *testing.T) {
	a := newTransfers(t)
	l := a.Open()
	id := a.claimed(l)
	request := a.requests(l, university, socialWork)
	if len(request.Items) != 1 || request.Items[0].Completion != id || request.Items[0].Entry == id {
		t.Errorf("asked for %+v", request.Items)
	}
	_, err := a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{RequestID: a.RequestID(), Hold: request.Hold}, false)
	must(t, err)
	file, err := a.TransferBundle(ctx(), a.institution(university), request.Hold)
	must(t, err)
	shown, err := bundle.Verify(file, a.Verifier, apitest.Origin)
	if err != nil || shown.Items[0].KindName != "claim" || shown.Items[0].Platform != "" || shown.AccountNumber != "" || shown.Items[0].Lot != request.Items[0].Entry {
		t.Errorf("%+v, %v", shown, err)
	}
}

// Each end of a hold frees what it held, once; to those who are not concerned it is not there.
func TestTransferEnds(t *testing.T) {
	a := newTransfers(t)
	l, other := a.learner(), a.Open()
	before := a.totals(l)
	resident, asks := a.Resident(l.ID), a.institution(university)

	one := a.requests(l, university, socialWork)
	for name, err := range map[string]error{
		"another institution": func() error {
			_, err := a.AcceptTransfer(ctx(), a.institution(college), api.Acceptance{RequestID: a.RequestID(), Hold: one.Hold}, false)
			return err
		}(),
		"another resident": func() error {
			_, err := a.WithdrawTransfer(ctx(), a.Resident(other.ID), a.RequestID(), one.Hold, false)
			return err
		}(),
		"a look of another": func() error { _, err := a.GetTransfer(ctx(), a.Resident(other.ID), one.Hold); return err }(),
		"a bundle of another": func() error {
			_, err := a.TransferBundle(ctx(), a.institution(college), one.Hold)
			return err
		}(),
		"no such transfer": func() error { _, err := a.GetTransfer(ctx(), resident, 1); return err }(),
		"none to accept": func() error {
			_, err := a.AcceptTransfer(ctx(), asks, api.Acceptance{RequestID: a.RequestID(), Hold: 1}, false)
			return err
		}(),
	} {
		if e := api.AsError(err); e == nil || e.Reason != api.ReasonUnknownTransfer || e.Kind != api.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := a.AcceptTransfer(ctx(), resident, api.Acceptance{RequestID: a.RequestID(), Hold: one.Hold}, false)
	wants(t, err, api.Denied, api.ReasonDenied, "")

	for name, c := range map[string]struct {
		take   []api.TransferTake
		reason api.Reason
		field  string
	}{
		"over-asked":             {[]api.TransferTake{{Item: 0, Credits: one.Items[0].Credits + 1}}, api.ReasonTransferAmount, "take[0].milli_credits"},
		"nothing":                {[]api.TransferTake{{Item: 0}}, api.ReasonTransferAmount, "take[0].milli_credits"},
		"below zero":             {[]api.TransferTake{{Item: 0, Credits: -1}}, api.ReasonTransferAmount, "take[0].milli_credits"},
		"too little":             {[]api.TransferTake{{Item: 0, Credits: 1}}, api.ReasonTransferAmount, "take[0].milli_credits"},
		"more than there can be": {make([]api.TransferTake, 401), api.ReasonField, "take"},
		"as many as can be":      {make([]api.TransferTake, 400), api.ReasonTransferAmount, "take[0].milli_credits"},
		"no such item":           {[]api.TransferTake{{Item: len(one.Items), Credits: 1}}, api.ReasonTransferItem, "take[0].item"},
		"an item twice":          {[]api.TransferTake{{Item: 0, Credits: one.Items[0].Credits}, {Item: 0, Credits: one.Items[0].Credits}}, api.ReasonTransferItem, "take[1].item"},
	} {
		_, err := a.AcceptTransfer(ctx(), asks, api.Acceptance{RequestID: a.RequestID(), Hold: one.Hold, Take: c.take}, false)
		if e := api.AsError(err); e == nil || e.Kind != api.Invalid || e.Reason != c.reason || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = a.DeclineTransfer(ctx(), asks, a.RequestID(), one.Hold, "NO", "", false)
	wants(t, err, api.Invalid, api.ReasonDecisionReason, "reason_code")
	_, err = a.DeclineTransfer(ctx(), asks, a.RequestID(), one.Hold, "OTHER", "", false)
	wants(t, err, api.Invalid, api.ReasonNoteMissing, "note")

	_, err = a.DeclineTransfer(ctx(), asks, a.RequestID(), one.Hold, decline, "名额已满", false)
	must(t, err)
	if got := a.stands(l, one.Hold, declined); got.ReasonCode != decline || got.Note != "名额已满" || a.totals(l) != before {
		t.Errorf("declined: %+v", got)
	}
	two := a.requests(l, university, socialWork)
	_, err = a.WithdrawTransfer(ctx(), resident, a.RequestID(), two.Hold, false)
	must(t, err)
	if a.stands(l, two.Hold, withdrawn); a.totals(l) != before {
		t.Errorf("withdrawn: %v", a.totals(l))
	}
	three := a.requests(l, university, socialWork)
	if n, err := a.EndHolds(ctx()); err != nil || n != 0 {
		t.Errorf("it lapses early: %d, %v", n, err)
	}
	a.Clock.Advance(three.Deadline.Sub(a.Clock.Now()))
	_, err = a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{RequestID: a.RequestID(), Hold: three.Hold}, false)
	wants(t, err, api.Precondition, api.ReasonTransferEnded, "transfer_id")
	if e := api.AsError(err); e.Metadata["status"] != "EXPIRED" {
		t.Errorf("how it ended: %v", e)
	}
	a.stands(l, three.Hold, held) // it has lapsed when its entry says so
	if n, err := a.EndHolds(ctx()); err != nil || n != 1 {
		t.Errorf("lapsed: %d entries, %v", n, err)
	}
	if a.stands(l, three.Hold, lapsed); a.totals(l) != before {
		t.Errorf("lapsed: %v, not %v", a.totals(l), before)
	}
	// Newest first for each side, page by page, and by state.
	list := func(caller access.Caller, filter api.TransferFilter) (holds []uint64) {
		for page := (api.Page{Size: 2}); ; {
			all, next, err := a.ListTransfers(ctx(), caller, filter, page)
			must(t, err)
			for _, one := range all {
				holds = append(holds, one.Hold)
			}
			if page.Token = next; next == "" {
				return holds
			}
		}
	}
	want := []uint64{three.Hold, two.Hold, one.Hold}
	if got := list(a.Resident(l.ID), api.TransferFilter{Account: l.ID}); !slices.Equal(got, want) {
		t.Errorf("the resident lists %v, not %v", got, want)
	}
	if got := list(a.institution(university), api.TransferFilter{}); !slices.Equal(got, want) {
		t.Errorf("the institution lists %v, not %v", got, want)
	}
	if got := list(a.institution(university), api.TransferFilter{Status: withdrawn}); !slices.Equal(got, want[1:2]) {
		t.Errorf("withdrawn are %v", got)
	}
	if got := list(a.institution(college), api.TransferFilter{}); len(got) != 0 {
		t.Errorf("another institution lists %v", got)
	}
	if got := list(a.Officer(apitest.Officer), api.TransferFilter{Account: l.ID}); !slices.Equal(got, want) {
		t.Errorf("an officer lists %v", got)
	}
	if _, _, err := a.ListTransfers(ctx(), a.Resident(other.ID), api.TransferFilter{Account: l.ID}, api.Page{}); api.AsError(err).Kind != api.Denied {
		t.Errorf("another resident: %v", err)
	}
}

// A quote is honoured for its days as long as it comes out the same; else the answer has what it would be today.
func TestQuoteIsHonoured(t *testing.T) {
	a := newTransfers(t)
	l := a.learner()
	q := a.quoted(l, university, socialWork)
	asked := a.asked(q)
	request := func(change func(*api.TransferRequest)) error {
		r := asked
		r.RequestID = a.RequestID()
		change(&r)
		_, err := a.RequestTransfer(ctx(), a.Resident(l.ID), r, false)
		return err
	}
	for name, c := range map[string]struct {
		change func(*api.TransferRequest)
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"another digest": {func(r *api.TransferRequest) { r.QuoteDigest = make([]byte, 32) }, api.Changed, api.ReasonQuoteChanged, "quote_digest"},
		"half a digest":  {func(r *api.TransferRequest) { r.QuoteDigest = r.QuoteDigest[1:] }, api.Invalid, api.ReasonField, "quote_digest"},
		"no date":        {func(r *api.TransferRequest) { r.QuoteDate = "yesterday" }, api.Invalid, api.ReasonField, "quote_date"},
		"tomorrow":       {func(r *api.TransferRequest) { r.QuoteDate = (q.Day + 1).String() }, api.Precondition, api.ReasonQuoteExpired, "quote_date"},
		"long ago":       {func(r *api.TransferRequest) { r.QuoteDate = (q.Day - 15).String() }, api.Precondition, api.ReasonQuoteExpired, "quote_date"},
		"no programme":   {func(r *api.TransferRequest) { r.Programme = "alchemy" }, api.NotFound, api.ReasonUnknownProgramme, ""},
		"no agreement":   {func(r *api.TransferRequest) { r.Agreement = make([]byte, 32) }, api.NotFound, api.ReasonNotFound, "agreement_hash"},
		"another's":      {func(r *api.TransferRequest) { r.Institution = college }, api.NotFound, api.ReasonNotFound, "agreement_hash"},
		"before its days": {
			func(r *api.TransferRequest) { r.QuoteDate = "2025-12-31" }, api.Precondition, api.ReasonAgreementNotInForce, "",
		},
		"a lot of nobody": {func(r *api.TransferRequest) { r.Lots = []agreement.Lot{{Entry: 1}} }, api.NotFound, api.ReasonUnknownLot, "lots[0]"},
	} {
		if e := api.AsError(request(c.change)); e == nil || e.Kind != c.kind || e.Reason != c.reason || e.Field != c.field {
			t.Errorf("%s: %v", name, e)
		}
	}
	a.Clock.Advance(14 * 24 * time.Hour)
	// What was learned since makes it another record, unless the quote's lots are named.
	a.one(a.learnedUntil(l, apitest.Smartphone, a.Clock.Now().Add(-24*time.Hour), 900))
	err := request(func(*api.TransferRequest) {})
	wants(t, err, api.Changed, api.ReasonQuoteChanged, "quote_digest")
	if e := api.AsError(err); e.Metadata["quote_digest"] == "" || e.Metadata["taken_milli_credits"] == fmt.Sprint(int64(q.Takes)) {
		t.Errorf("what it would be today: %v", e.Metadata)
	}
	lots := func(r *api.TransferRequest) {
		for _, d := range q.Decisions {
			r.Lots = append(r.Lots, d.Item.Lot)
		}
	}
	must(t, request(lots))
	// The lots are held now: nobody gets them twice.
	wants(t, request(lots), api.Changed, api.ReasonQuoteChanged, "quote_digest")
	a.Clock.Advance(24 * time.Hour)
	wants(t, request(lots), api.Precondition, api.ReasonQuoteExpired, "quote_date")
}

// What an institution holds or took of somebody counts towards its caps; what it let go does not.
func TestCapsCountWhatWasTaken(t *testing.T) {
	a := newAcceptors(t)
	a.publishes(university, bytes.Replace(agreements.OpenUniversity2026(), []byte("milli_credits: 6000"), []byte("milli_credits: 100"), 1))
	l := a.Open()
	a.one(a.learned(l, apitest.Calligraphy, 3, 720))
	arts := func() (gives unit.Credits) {
		t.Helper()
		for _, d := range a.quoted(l, university, socialWork).Decisions {
			if d.Item.Category == "arts" {
				gives += d.Gives
			}
		}
		return gives
	}
	if got := arts(); got != 100 {
		t.Fatalf("the cap gives %s", got)
	}
	open := a.requests(l, university, socialWork)
	if got := arts(); got != 0 {
		t.Errorf("with as much held, %s more are given", got)
	}
	_, err := a.DeclineTransfer(ctx(), a.institution(university), a.RequestID(), open.Hold, decline, "", false)
	must(t, err)
	if got := arts(); got != 100 {
		t.Errorf("declined, %s are given", got)
	}
	open = a.requests(l, university, socialWork)
	half := api.Acceptance{RequestID: a.RequestID(), Hold: open.Hold, Take: []api.TransferTake{{Item: 0, Credits: open.Items[0].Credits / 2}}}
	done, err := a.AcceptTransfer(ctx(), a.institution(university), half, false)
	must(t, err)
	if got := arts(); done.Programme != 50 || got != 50 {
		t.Errorf("half of it taken, %s more are given; so far %s", got, done.Programme)
	}
}

// An institution asks under a consent alone, and of what it may see.
func TestTransferUnderConsent(t *testing.T) {
	a := newTransfers(t)
	l := a.learner()
	consent := a.grants(l)
	q, err := a.QuoteTransfer(ctx(), a.institution(university), api.QuoteRequest{Number: string(l.Number), Programme: socialWork})
	must(t, err)
	asked := a.asked(q)
	asked.Number = string(l.Number)
	_, err = a.WithdrawConsent(ctx(), a.Resident(l.ID), a.RequestID(), l.ID, consent.Index)
	must(t, err)
	_, err = a.RequestTransfer(ctx(), a.institution(university), asked, false)
	wants(t, err, api.Denied, api.ReasonNoConsent, "account_number")
	again := a.grants(l)
	done, err := a.RequestTransfer(ctx(), a.institution(university), asked, false)
	must(t, err)
	if done.Transfer.Held != q.Takes || done.Totals != nil {
		t.Errorf("asked for %+v", done)
	}
	// Once the resident has withdrawn the consent, the institution takes nothing of what it asked for itself; another consent lets it.
	accept := func() error {
		_, err := a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{
			RequestID: a.RequestID(), Hold: done.Transfer.Hold, Take: []api.TransferTake{{Item: 99, Credits: 1}},
		}, false)
		return err
	}
	wants(t, accept(), api.Invalid, api.ReasonTransferItem, "take[0].item")
	a.Clock.Advance(time.Hour)
	_, err = a.WithdrawConsent(ctx(), a.Resident(l.ID), a.RequestID(), l.ID, again.Index)
	must(t, err)
	wants(t, accept(), api.Denied, api.ReasonNoConsent, "transfer_id")
	// Nor does it ask for more; what became of its request it is told without a consent.
	same, err := a.RequestTransfer(ctx(), a.institution(university), asked, false)
	if must(t, err); same.Index != done.Index || same.Transfer.Hold != done.Transfer.Hold {
		t.Errorf("asked again: %+v, not %+v", same, done)
	}
	other := asked
	other.Programme = "another"
	_, err = a.RequestTransfer(ctx(), a.institution(university), other, false)
	wants(t, err, api.Denied, api.ReasonNoConsent, "account_number")
	other.RequestID = a.RequestID()
	_, err = a.RequestTransfer(ctx(), a.institution(university), other, false)
	wants(t, err, api.Denied, api.ReasonNoConsent, "account_number")
	soon := a.grants(l, func(n *api.NewConsent) { n.Expires = a.Clock.Now().Add(time.Hour) })
	wants(t, accept(), api.Invalid, api.ReasonTransferItem, "take[0].item")
	a.Clock.Advance(2 * time.Hour) // one that has only ended was good when it asked
	wants(t, accept(), api.Invalid, api.ReasonTransferItem, "take[0].item")
	_, err = a.WithdrawConsent(ctx(), a.Resident(l.ID), a.RequestID(), l.ID, soon.Index)
	must(t, err)
	wants(t, accept(), api.Denied, api.ReasonNoConsent, "transfer_id")
	// The resident can take it back all the same.
	_, err = a.WithdrawTransfer(ctx(), a.Resident(l.ID), a.RequestID(), done.Transfer.Hold, false)
	must(t, err)
}

// A lot that is only recognised stays where it is, for others too, and its institution takes each of its credits once.
func TestRecognised(t *testing.T) {
	a := newTransfers(t)
	l := a.learner()
	before := a.totals(l)
	first := a.requests(l, college, elderCare)
	if a.totals(l) != before || !first.Items[0].Recognised {
		t.Errorf("recognised: %v, %+v", a.totals(l), first.Items)
	}
	_, err := a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(a.quoted(l, college, elderCare)), false)
	wants(t, err, api.Precondition, api.ReasonNothingToTransfer, "lots")
	// The university takes the same lots, for good; the college still recognises what it was asked to.
	spent := a.requests(l, university, socialWork)
	_, err = a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{RequestID: a.RequestID(), Hold: spent.Hold}, false)
	must(t, err)
	_, err = a.AcceptTransfer(ctx(), a.institution(college), api.Acceptance{RequestID: a.RequestID(), Hold: first.Hold}, false)
	must(t, err)
	if got := a.totals(l); got != [3]unit.Credits{before[0] - spent.Held, 0, spent.Held} {
		t.Errorf("both have it: %v", got)
	}
	file, err := a.TransferBundle(ctx(), a.institution(college), first.Hold)
	must(t, err)
	if shown, err := bundle.Verify(file, a.Verifier, apitest.Origin); err != nil || !shown.Items[0].Recognised {
		t.Errorf("%+v, %v", shown, err)
	}
}

// Taking a completion back undoes the holds that stand on it, and tells the institutions that took of it.
func TestClawbackOfTransfers(t *testing.T) {
	a := newTransfers(t)
	l := a.Open()
	s := a.learned(l, apitest.Welding, 3, wholeCourse)
	a.one(s)
	kept := a.learned(l, apitest.Smartphone, 5, 900)
	a.one(kept)
	recognised := a.requests(l, college, elderCare)
	_, err := a.AcceptTransfer(ctx(), a.institution(college), api.Acceptance{RequestID: a.RequestID(), Hold: recognised.Hold}, false)
	must(t, err)
	open := a.requests(l, university, socialWork)
	since := a.size()
	before := a.totals(l)
	if before[1] == 0 {
		t.Fatalf("nothing is held: %+v", open)
	}
	a.one(a.Void(s.GetId()))
	if got := a.stands(l, open.Hold, takenBack); !got.HasEnded {
		t.Errorf("takenBack: %+v", got)
	}
	told := a.stands(l, recognised.Hold, posted)
	back := 0
	for _, item := range told.Items {
		if item.IsClawedBack {
			back++
		}
	}
	if got := a.totals(l); got[1] != 0 || back == 0 {
		t.Errorf("after the void %v; told %+v", got, told)
	}
	changed, _, _, err := a.ListChangedTransfers(ctx(), a.institution(college), since, api.Page{})
	if err != nil || len(changed) != 1 || changed[0].Hold != recognised.Hold {
		t.Errorf("the college hears of %+v, %v", changed, err)
	}
	changed, _, nextSince, err := a.ListChangedTransfers(ctx(), a.institution(university), since, api.Page{})
	if err != nil || len(changed) != 1 || changed[0].Status != takenBack {
		t.Errorf("the university hears of %+v, %v", changed, err)
	}
	if changed, _, _, err := a.ListChangedTransfers(ctx(), a.institution(university), nextSince, api.Page{}); err != nil || len(changed) != 0 {
		t.Errorf("and once more of %+v, %v", changed, err)
	}
	// What was transferred is not recovered, and said so.
	spent := a.requests(l, university, socialWork)
	_, err = a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{RequestID: a.RequestID(), Hold: spent.Hold}, false)
	must(t, err)
	r := a.one(a.Void(kept.GetId()))
	_, raw := a.entry(r.Index)
	if unrecovered := raw.GetCompletionVoided().GetUnrecovered(); unrecovered != int64(spent.Held) {
		t.Errorf("unrecovered %d, not %d", unrecovered, spent.Held)
	}
	if got := a.stands(l, spent.Hold, posted); !got.Items[0].IsClawedBack || got.Items[0].ClawedBack != r.Index {
		t.Errorf("told %+v", got)
	}
}

// A revocation by officers undoes holds as a void does, and its preview undoes nothing.
func TestRevocationUndoesHolds(t *testing.T) {
	a := newTransfers(t)
	l := a.Open()
	id := a.theCase("posted-late", a.one(a.learned(l, apitest.Welding, 100, wholeCourse)).Index).ID
	_, err := a.step(a.Officer(apitest.ThirdOfficer), id, review.Approve)
	must(t, err)
	if a.totals(l)[0] == 0 {
		t.Skip("the policy wants more officers")
	}
	open := a.requests(l, university, socialWork)
	preview, err := a.PreviewRevocation(ctx(), a.Officer(apitest.SecondOfficer), id)
	must(t, err)
	if a.stands(l, open.Hold, held); preview.Reversed == 0 || preview.Unrecovered != 0 {
		t.Errorf("preview %+v", preview)
	}
	_, err = a.step(a.Officer(apitest.SecondOfficer), id, review.Revoke)
	must(t, err)
	if a.stands(l, open.Hold, takenBack); a.totals(l) != [3]unit.Credits{} {
		t.Errorf("after the revocation %v", a.totals(l))
	}
}

// A thousand transfers race for the same lots, of two institutions and the learner who withdraws: nothing is spent twice, each
// hold ends once, and nothing is stuck.
func TestTransfersRace(t *testing.T) {
	a := newTransfers(t)
	learners := make([]api.Account, 8)
	issued := make([]unit.Credits, len(learners))
	for i := range learners {
		learners[i] = a.learner()
		issued[i] = a.totals(learners[i])[0]
	}
	asks := []struct{ institution, programme string }{{university, socialWork}, {university, "early-childhood-dip"}, {college, elderCare}}
	callers := map[string]access.Caller{university: a.institution(university), college: a.institution(college)}
	residents := make([]access.Caller, len(learners))
	for i, l := range learners {
		residents[i] = a.Resident(l.ID)
	}
	ids := make([]string, 4*1000)
	for i := range ids {
		ids[i] = a.RequestID()
	}
	var racing sync.WaitGroup
	var mu sync.Mutex
	outcomes := make(map[string]int)
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		outcomes[what]++
	}
	for i := range 1000 {
		racing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			who, ask := r.IntN(len(learners)), asks[r.IntN(len(asks))]
			// One in twelve may be accepted, the others set free what they held: there is something to race for until the end.
			steps := r.Perm(3)
			if r.IntN(12) > 0 {
				steps = slices.DeleteFunc(steps, func(step int) bool { return step == 0 })
			}
			var done api.TransferDone
			for tries := 0; ; tries++ {
				q, err := a.QuoteTransfer(ctx(), residents[who], api.QuoteRequest{Institution: ask.institution, Programme: ask.programme})
				if e := api.AsError(err); e != nil && e.Reason == api.ReasonRate {
					a.Clock.Advance(time.Second) // a holder may ask once a second
					tries--
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				done, err = a.RequestTransfer(ctx(), residents[who], api.TransferRequest{
					RequestID: a.RequestID(), Institution: ask.institution, Programme: ask.programme, Agreement: q.Agreement.Hash,
					QuoteDate: q.Day.String(), QuoteDigest: q.Digest[:],
				}, false)
				if err == nil {
					break
				}
				switch e := api.AsError(err); e.Reason {
				case api.ReasonQuoteChanged, api.ReasonNothingToTransfer, api.ReasonTransferLimit, api.ReasonBusy:
					if count(string(e.Reason)); tries == 20 {
						return // others were faster, every time
					}
				default:
					t.Error(err)
					return
				}
			}
			count("asked")
			hold, ended := done.Transfer.Hold, 0
			end := func(err error) {
				switch e := api.AsError(err); {
				case e == nil:
					ended++
				case e.Reason != api.ReasonTransferEnded:
					t.Error(err)
				}
			}
			// They all try to end it, in some order; one does.
			for _, step := range steps {
				switch step {
				case 0:
					// Of one item, so that something is left for the others.
					taken := []api.TransferTake{{Item: 0, Credits: done.Transfer.Items[0].Credits}}
					_, err := a.AcceptTransfer(ctx(), callers[ask.institution], api.Acceptance{RequestID: ids[4*i+1], Hold: hold, Take: taken}, false)
					if end(err); err == nil {
						count("accepted")
					}
				case 1:
					_, err := a.DeclineTransfer(ctx(), callers[ask.institution], ids[4*i+2], hold, decline, "", false)
					end(err)
				default:
					_, err := a.WithdrawTransfer(ctx(), residents[who], ids[4*i+3], hold, false)
					end(err)
				}
			}
			if ended != 1 {
				t.Errorf("transfer %d ended %d times", hold, ended)
			}
		})
	}
	racing.Wait()
	if outcomes["asked"] < 10*len(learners) || outcomes["accepted"] == 0 {
		t.Errorf("too little was raced for: %v", outcomes)
	}
	for i, l := range learners {
		p, _ := a.portfolio(l)
		row := a.row(l)
		if len(row.GetHolds()) != 0 || p.Totals.Reserved != 0 || p.Totals.Available+p.Totals.Transferred != issued[i] {
			t.Errorf("stuck, or made or lost: %+v of %s; %v", p.Totals, issued[i], row.GetHolds())
		}
		var taken unit.Credits
		for _, hold := range row.GetTransfers() {
			one, err := a.GetTransfer(ctx(), a.Resident(l.ID), hold)
			must(t, err)
			if !one.Items[0].Recognised {
				taken += one.Taken
			}
			// The bundle of every posted transfer holds.
			file, err := a.TransferBundle(ctx(), callers[one.Institution], hold)
			must(t, err)
			if shown, err := bundle.Verify(file, a.Verifier, apitest.Origin); err != nil || shown.Credits != one.Taken {
				t.Errorf("transfer %d: %+v, %v", hold, shown, err)
			}
		}
		if taken != p.Totals.Transferred {
			t.Errorf("%s were transferred, and the transfers took %s", p.Totals.Transferred, taken)
		}
	}
	if _, err := a.EndDue(ctx()); err != nil && !errors.Is(err, ctx().Err()) {
		t.Error(err)
	}
}
