package api_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// A transfer that would be too large for one entry is refused with what to do about it, and half of it is not.
func TestTransferTooLarge(t *testing.T) {
	a := newAcceptors(t)
	// Every lot counts towards 30 more limits, each of a long name.
	var caps strings.Builder
	for i := range 30 {
		fmt.Fprintf(&caps, "  - {id: %s-%d, milli_credits: 100000}\n", strings.Repeat("limit", 6), i)
	}
	yaml := bytes.Replace(agreements.OpenUniversity2026(), []byte("caps:\n"), []byte("caps:\n"+caps.String()), 1)
	a.publishes(university, yaml)
	l := a.Open()
	var learned []*statementv1.Statement
	for i := range 60 {
		learned = append(learned, a.learnedUntil(l, apitest.Calligraphy, a.Clock.Now().Add(-time.Duration(i+2)*24*time.Hour), 72))
	}
	a.Record(learned...)
	q := a.quoted(l, university, socialWork)
	_, err := a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(q), false)
	wants(t, err, api.Precondition, api.ReasonTransferSize, "lots")

	var some []agreement.Lot
	for _, d := range q.Decisions {
		if d.Takes > 0 && len(some) < 30 {
			some = append(some, d.Item.Lot)
		}
	}
	q, err = a.QuoteTransfer(ctx(), a.Resident(l.ID), api.QuoteRequest{Institution: university, Programme: socialWork, Lots: some})
	must(t, err)
	asked := a.asked(q)
	asked.Lots = some
	done, err := a.RequestTransfer(ctx(), a.Resident(l.ID), asked, false)
	must(t, err)
	entry, _, err := a.GetEntry(ctx(), a.Resident(l.ID), done.Index, false)
	if must(t, err); len(done.Transfer.Items) != len(some) || len(entry.Bytes) < ledger.MaxEntryBytes/2 {
		t.Errorf("%d items in %d bytes: the others were not refused for their size", len(done.Transfer.Items), len(entry.Bytes))
	}
}

// An institution that asks for lots which are not there, or not for its eyes, is told so, and has looked: its refusal is in the journal.
func TestRefusedLookIsJournalled(t *testing.T) {
	a := newTransfers(t)
	l := a.Open()
	a.learns(l)
	items := a.items(l)
	a.grants(l, func(n *api.NewConsent) { n.Categories = []string{"science"} })
	said := make(map[string]bool)
	for _, lot := range []uint64{items["arts"], 1 << 40} {
		_, err := a.QuoteTransfer(ctx(), a.institution(university), api.QuoteRequest{
			Number: string(l.Number), Programme: socialWork, Lots: []agreement.Lot{{Entry: lot}},
		})
		wants(t, err, api.NotFound, api.ReasonUnknownLot, "lots[0]")
		said[strings.ReplaceAll(err.Error(), fmt.Sprint(lot), "N")] = true
	}
	if len(said) != 1 {
		t.Errorf("what is not for its eyes is told from what is not there: %v", said)
	}
	accesses, _, err := a.ListAccesses(ctx(), a.Resident(l.ID), l.ID, api.Page{})
	if must(t, err); len(accesses) != 2 || accesses[0].Organization != university {
		t.Errorf("it looked twice: %+v", accesses)
	}
}

// Each quote reads a whole record: its holder is limited, too, and nobody else by it.
func TestQuotesAreLimited(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l, other := a.learner(), a.learner()
	ask := func(l api.Account) error {
		_, err := a.QuoteTransfer(ctx(), a.Resident(l.ID), api.QuoteRequest{Institution: university, Programme: socialWork})
		return err
	}
	for range 60 {
		must(t, ask(l))
	}
	wants(t, ask(l), api.Busy, api.ReasonRate, "")
	must(t, ask(other))
	a.Clock.Advance(time.Second)
	must(t, ask(l))
}

// An institution can not fill the journal of a record with looks at a transfer, whichever way it looks; the holder is not limited by it.
func TestLooksAreLimited(t *testing.T) {
	a := newTransfers(t)
	l := a.learner()
	transfer := a.requests(l, university, socialWork)
	caller := a.institution(university)
	looks := 0
	for ; looks < 1000; looks++ {
		if _, err := a.GetTransfer(ctx(), caller, transfer.Hold); err != nil {
			wants(t, err, api.Busy, api.ReasonRate, "")
			break
		}
	}
	if looks != 600 {
		t.Errorf("%d looks in a minute", looks)
	}
	_, err := a.TransferBundle(ctx(), caller, transfer.Hold)
	wants(t, err, api.Busy, api.ReasonRate, "")
	_, err = a.RequestTransfer(ctx(), caller, a.asked(a.quoted(l, university, socialWork)), false)
	wants(t, err, api.Busy, api.ReasonRate, "")
	a.stands(l, transfer.Hold, held)
	// What it owes an answer to is answered all the same.
	_, err = a.AcceptTransfer(ctx(), caller, api.Acceptance{RequestID: a.RequestID(), Hold: transfer.Hold}, false)
	must(t, err)
	a.Clock.Advance(time.Minute)
	_, err = a.TransferBundle(ctx(), caller, transfer.Hold)
	must(t, err)
}

// A grant that is asked for again is answered as it was, though the account has as many as it may by then.
func TestConsentsAreLimited(t *testing.T) {
	a := newTransfers(t)
	l := a.learner()
	n := api.NewConsent{Account: l.ID, Institution: university, Purpose: api.PurposeTransfer, Expires: a.Clock.Now().AddDate(0, 1, 0)}
	for range 100 {
		n.RequestID = a.RequestID()
		_, err := a.GrantConsent(ctx(), a.Resident(l.ID), n)
		must(t, err)
	}
	last, err := a.GrantConsent(ctx(), a.Resident(l.ID), n)
	if must(t, err); last.Index == 0 {
		t.Errorf("answered %+v", last)
	}
	n.RequestID = a.RequestID()
	_, err = a.GrantConsent(ctx(), a.Resident(l.ID), n)
	wants(t, err, api.Precondition, api.ReasonConsentLimit, "")
	_, err = a.WithdrawConsent(ctx(), a.Resident(l.ID), a.RequestID(), l.ID, last.Index)
	must(t, err)
	// An entry that is none of the record is named by its place in what was asked.
	n.Items = []uint64{a.items(l)["arts"], 1}
	_, err = a.GrantConsent(ctx(), a.Resident(l.ID), n)
	wants(t, err, api.NotFound, api.ReasonUnknownEntry, "entry_indexes[1]")
	n.Items = nil
	_, err = a.GrantConsent(ctx(), a.Resident(l.ID), n)
	must(t, err)
}
