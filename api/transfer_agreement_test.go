package api_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
)

// Nobody asks under terms that were not in force on the day of the quote: not by guessing, and not by what a refusal says.
func TestRequestOutsideTheDaysOfAnAgreement(t *testing.T) {
	a := newAcceptors(t)
	first := a.publishes(university, agreements.OpenUniversity2026())
	l := a.learner()
	today := a.Clock.Now()
	day := func(n int) string { return today.AddDate(0, 0, n).Format(time.DateOnly) }
	quoted := a.quoted(l, university, socialWork)
	// request tries a quote of a day under the first version, with the digest that the refusal gives where it gives one.
	request := func(date string) error {
		r := a.asked(quoted)
		r.QuoteDate, r.QuoteDigest = date, make([]byte, 32)
		_, err := a.RequestTransfer(ctx(), a.Resident(l.ID), r, false)
		if e := api.AsError(err); e != nil && e.Metadata["quote_digest"] != "" {
			r.RequestID, r.QuoteDate = a.RequestID(), e.Metadata["quote_date"]
			r.QuoteDigest, _ = hex.DecodeString(e.Metadata["quote_digest"])
			_, err = a.RequestTransfer(ctx(), a.Resident(l.ID), r, false)
		}
		return err
	}
	wantReason(t, request(day(-1)), api.ReasonAgreementNotInForce) // nobody had published it by then

	a.publishes(university, next("2", day(3)))
	a.Clock.Advance(4 * 24 * time.Hour)
	wantReason(t, request(day(4)), api.ReasonAgreementNotInForce) // the next one has taken its place
	wantReason(t, request(day(3)), api.ReasonAgreementNotInForce)
	if e := api.AsError(request(day(2))); e.Reason != api.ReasonQuoteChanged || len(e.Metadata) != 0 {
		t.Errorf("a wrong digest of a good day: %v %v", e, e.Metadata)
	}
	// What was quoted in time is honoured.
	done, err := a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(quoted), false)
	must(t, err)
	_, err = a.WithdrawTransfer(ctx(), a.Resident(l.ID), a.RequestID(), done.Transfer.Hold, false)
	must(t, err)

	// One that begins on the day on which it is published leaves what was quoted that morning as it is.
	second := a.quoted(l, university, socialWork)
	a.Clock.Advance(time.Hour)
	a.publishes(university, bytes.Replace(next("3", day(4)), []byte("denominator: 2"), []byte("denominator: 4"), 1))
	done, err = a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(second), false)
	must(t, err)
	_, err = a.WithdrawTransfer(ctx(), a.Resident(l.ID), a.RequestID(), done.Transfer.Hold, false)
	must(t, err)

	third := a.quoted(l, university, socialWork)
	if bytes.Equal(third.Agreement.Hash, first.Hash) || bytes.Equal(third.Agreement.Hash, second.Agreement.Hash) {
		t.Errorf("quoted under %s", third.Agreement.Version)
	}
	_, err = a.EndAgreement(ctx(), a.institution(university), a.RequestID(), third.Agreement.Hash, day(4))
	must(t, err)
	a.Clock.Advance(24 * time.Hour)
	quoted = third
	wantReason(t, request(day(5)), api.ReasonAgreementNotInForce) // it has ended
	_, err = a.RequestTransfer(ctx(), a.Resident(l.ID), a.asked(third), false)
	must(t, err)
}
