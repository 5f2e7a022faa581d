package api_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	university = "open-university"
	college    = "vocational-college"
)

// acceptors are two institutions that accept, with their keys.
type acceptors struct {
	*bank
	sign, call map[string]*keyring.PrivateKey
}

func newAcceptors(tb testing.TB) *acceptors {
	tb.Helper()
	return acceptorsOf(tb, newBank(tb))
}

func acceptorsOf(tb testing.TB, b *bank) *acceptors {
	tb.Helper()
	a := &acceptors{bank: b, sign: make(map[string]*keyring.PrivateKey), call: make(map[string]*keyring.PrivateKey)}
	for i, id := range []string{university, college} {
		code, err := unit.OrganizationCodeFor(fmt.Sprintf("12330000%09d", i))
		must(tb, err)
		_, err = b.RegisterOrganization(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Organization{
			ID: id, Name: id, Code: string(code), Parent: apitest.Root, TrustTier: 3, Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_ACCEPTOR},
		})
		must(tb, err)
		a.sign[id], a.call[id] = b.AddedKey(id, keyring.Sign), b.AddedKey(id, keyring.Authenticate)
	}
	return a
}

// institution is one that calls.
func (a *acceptors) institution(id string) access.Caller {
	token, err := access.OrganizationToken(apitest.BankID, unit.OrganizationID(id), a.call[id], a.Clock.Now())
	must(a.t, err)
	return a.As(token)
}

// signed asks to publish an agreement under a key.
func (a *acceptors) signed(institution string, key *keyring.PrivateKey, yaml []byte) api.NewAgreement {
	signature, err := key.Sign(keyring.AgreementText(apitest.BankID, unit.OrganizationID(institution), key.Public().ID(), sha256.Sum256(yaml)))
	must(a.t, err)
	return api.NewAgreement{RequestID: a.RequestID(), YAML: yaml, Key: key.Public().ID(), Signature: signature}
}

func (a *acceptors) publishes(institution string, yaml []byte) api.Agreement {
	a.t.Helper()
	published, err := a.PublishAgreement(ctx(), a.institution(institution), a.signed(institution, a.sign[institution], yaml))
	must(a.t, err)
	return published
}

func (a *acceptors) grants(l api.Account, change ...func(*api.NewConsent)) api.Consent {
	a.t.Helper()
	n := api.NewConsent{
		RequestID: a.RequestID(), Account: l.ID, Institution: university, Purpose: api.PurposeTransfer, Expires: a.Clock.Now().AddDate(0, 1, 0),
	}
	for _, c := range change {
		c(&n)
	}
	consent, err := a.GrantConsent(ctx(), a.Resident(l.ID), n)
	must(a.t, err)
	return consent
}

// next is a version of the university's agreement that begins on a day.
func next(version, from string) []byte {
	yaml := bytes.Replace(agreements.OpenUniversity2026(), []byte(`version: "2026.1"`), []byte(`version: "`+version+`"`), 1)
	return bytes.Replace(yaml, []byte(`"2026-01-01"`), []byte(`"`+from+`"`), 1)
}

// The versions of an agreement follow each other, and each is its institution's own.
func TestAgreements(t *testing.T) {
	a := newAcceptors(t)
	today := a.Clock.Now()
	in := func(days int) string { return today.AddDate(0, 0, days).Format(time.DateOnly) }
	first := a.publishes(university, agreements.OpenUniversity2026())
	if first.ID != university || first.Version != "2026.1" || !first.Consumes || first.QuoteDays != 14 || len(first.Programmes) != 2 ||
		first.InstitutionName != university || first.EffectiveUntil != "" || first.Index == 0 {
		t.Errorf("published %+v", first)
	}
	a.publishes(college, agreements.VocationalCollege2026())
	second := a.publishes(university, next("2", in(10)))

	read, err := a.GetAgreement(ctx(), first.Hash)
	must(t, err)
	key := a.sign[university].Public()
	if !bytes.Equal(read.YAML, agreements.OpenUniversity2026()) || !bytes.Equal(read.Key, idOf(key)) ||
		key.Verify(keyring.AgreementText(apitest.BankID, university, key.ID(), [32]byte(first.Hash)), read.Signature) != nil {
		t.Errorf("what was signed is %+v", read)
	}
	for _, c := range []struct {
		institution, on string
		want            []string
	}{
		{"", "", []string{"2", "2026.1", "2026.1"}},
		{university, "", []string{"2", "2026.1"}},
		{university, in(9), []string{"2026.1"}},
		{university, in(10), []string{"2"}},
		{college, "2028-01-01", nil},
	} {
		listed, _, err := a.ListAgreements(ctx(), c.institution, c.on, api.Page{})
		must(t, err)
		var got []string
		for _, l := range listed {
			got = append(got, l.Version)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s on %q: %q, want %q", c.institution, c.on, got, c.want)
		}
	}
	page, token, err := a.ListAgreements(ctx(), "", "", api.Page{Size: 2})
	must(t, err)
	rest, end, err := a.ListAgreements(ctx(), "", "", api.Page{Size: 2, Token: token})
	if must(t, err); len(page) != 2 || len(rest) != 1 || end != "" {
		t.Errorf("pages of %d and %d", len(page), len(rest))
	}

	asks := func(institution string, n api.NewAgreement) error {
		_, err := a.PublishAgreement(ctx(), a.institution(institution), n)
		return err
	}
	with := func(old, other string) []byte { return bytes.Replace(next("3", in(20)), []byte(old), []byte(other), 1) }
	sign := a.sign[university]
	for name, c := range map[string]struct {
		err  error
		kind api.Kind
		want api.Reason
	}{
		"faults":             {asks(university, a.signed(university, sign, with("quote_days: 14", "quote_days: 999"))), api.Invalid, api.ReasonAgreementInvalid},
		"foreign category":   {asks(university, a.signed(university, sign, with("- id: civic", "- id: cooking"))), api.Invalid, api.ReasonUnknownCategory},
		"unknown source":     {asks(university, a.signed(university, sign, with("within: [xihu-cc]", "within: [nobody]"))), api.Invalid, api.ReasonUnknownOrganization},
		"same version":       {asks(university, a.signed(university, sign, next("2", in(30)))), api.Conflict, api.ReasonAgreementKnown},
		"reaches back":       {asks(university, a.signed(university, sign, next("3", in(-1)))), api.Precondition, api.ReasonAgreementRetroactive},
		"not after the last": {asks(university, a.signed(university, sign, next("3", in(10)))), api.Precondition, api.ReasonAgreementOverlap},
		"of somebody else":   {asks(college, a.signed(university, sign, next("3", in(20)))), api.Denied, api.ReasonDenied},
		"another's key":      {asks(university, a.signed(university, a.sign[college], next("3", in(20)))), api.Denied, api.ReasonKeyOrganization},
		"key for tokens":     {asks(university, a.signed(university, a.call[university], next("3", in(20)))), api.Denied, api.ReasonKeyPurpose},
		"key of nobody":      {asks(university, a.signed(university, a.NewKey(), next("3", in(20)))), api.Denied, api.ReasonUnknownKey},
		"other bytes": {asks(university, func() api.NewAgreement {
			n := a.signed(university, sign, next("3", in(20)))
			n.YAML = append(n.YAML, '\n')
			return n
		}()), api.Unauthenticated, api.ReasonWrongSignature},
		"no acceptor": {func() error {
			_, err := a.PublishAgreement(ctx(), a.Platform(apitest.Platform), a.signed(university, sign, next("3", in(20))))
			return err
		}(), api.Denied, api.ReasonDenied},
	} {
		if e := api.AsError(c.err); e == nil || e.Kind != c.kind || e.Reason != c.want {
			t.Errorf("%s: %v", name, c.err)
		}
	}

	ends := func(institution string, hash []byte, last string) error {
		_, err := a.EndAgreement(ctx(), a.institution(institution), a.RequestID(), hash, last)
		return err
	}
	wantReason(t, ends(college, second.Hash, in(15)), api.ReasonDenied)
	wantReason(t, ends(university, second.Hash, in(-1)), api.ReasonTime)
	wantReason(t, ends(university, second.Hash, "soon"), api.ReasonField)
	wantReason(t, ends(university, make([]byte, 32), in(15)), api.ReasonNotFound)
	must(t, ends(university, second.Hash, in(15)))
	wantReason(t, ends(university, second.Hash, in(16)), api.ReasonAgreementEnded)
	// One that has ended leaves a gap, and what it had superseded does not come back.
	for day, want := range map[int]int{9: 1, 15: 1, 16: 0} {
		if listed, _, err := a.ListAgreements(ctx(), university, in(day), api.Page{}); err != nil || len(listed) != want {
			t.Errorf("on day %d: %d, %v", day, len(listed), err)
		}
	}
	wantReason(t, asks(university, a.signed(university, sign, next("3", in(15)))), api.ReasonAgreementOverlap)
	must(t, asks(university, a.signed(university, sign, next("3", in(16)))))
}

func idOf(key *keyring.PublicKey) []byte { id := key.ID(); return id[:] }

func wantReason(t *testing.T, err error, want api.Reason) {
	t.Helper()
	if e := api.AsError(err); e == nil || e.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Nothing is answered without a consent, or beyond it; what does not exist is answered as what nobody consented to.
func TestConsent(t *testing.T) {
	a := newAcceptors(t)
	a.publishes(university, agreements.OpenUniversity2026())
	l, other := a.Open(), a.Open()
	a.learns(l)
	quote := func(number string) (*api.TransferQuote, error) {
		return a.QuoteTransfer(ctx(), a.institution(university), api.QuoteRequest{Number: number, Programme: "social-work-ba"})
	}
	refusals := make(map[string]bool)
	for _, number := range []string{string(l.Number), string(other.Number), string(nobody(t))} {
		_, err := quote(number)
		wantReason(t, err, api.ReasonNoConsent)
		refusals[err.Error()] = true
	}
	if len(refusals) != 1 {
		t.Errorf("who is not here is told from who is: %v", refusals)
	}
	wantReason(t, func() error { _, err := quote("1234"); return err }(), api.ReasonAccountNumber)

	consent := a.grants(l)
	if consent.Institution != university || !consent.Active || consent.GrantedBy != "" || consent.Purpose != "transfer" {
		t.Errorf("granted %+v", consent)
	}
	q, err := quote(string(l.Number))
	must(t, err)
	if len(q.Decisions) != 3 {
		t.Errorf("%d lots are answered", len(q.Decisions))
	}
	if _, err := a.QuoteTransfer(ctx(), a.institution(college), api.QuoteRequest{Number: string(l.Number), Programme: "x"}); err == nil {
		t.Error("another institution asks under it")
	} else {
		wantReason(t, err, api.ReasonNoConsent)
	}
	// Withdrawn, it holds no more, at once; once it has ended by itself, its institution is told so.
	if _, err := a.WithdrawConsent(ctx(), a.Resident(other.ID), a.RequestID(), l.ID, consent.Index); api.AsError(err).Kind != api.Denied {
		t.Errorf("somebody else withdraws it: %v", err)
	}
	withdrawn, err := a.WithdrawConsent(ctx(), a.Resident(l.ID), a.RequestID(), l.ID, consent.Index)
	if must(t, err); withdrawn.Active || withdrawn.Withdrawn.IsZero() {
		t.Errorf("withdrawn %+v", withdrawn)
	}
	_, err = quote(string(l.Number))
	wantReason(t, err, api.ReasonNoConsent)
	_, err = a.WithdrawConsent(ctx(), a.Resident(l.ID), a.RequestID(), l.ID, consent.Index)
	wantReason(t, err, api.ReasonConsentWithdrawn)
	a.grants(l, func(n *api.NewConsent) { n.Expires = a.Clock.Now().Add(time.Hour) })
	_, err = quote(string(l.Number))
	must(t, err)
	a.Clock.Advance(time.Hour)
	_, err = quote(string(l.Number))
	wantReason(t, err, api.ReasonConsentExpired)

	// Categories and items are seen, and nothing else.
	a.grants(l, func(n *api.NewConsent) { n.Categories = []string{"science"} })
	q, err = quote(string(l.Number))
	must(t, err)
	if len(q.Decisions) != 1 || q.Decisions[0].Item.Category != "science" {
		t.Errorf("under a consent on science: %+v", q.Decisions)
	}
	items := a.items(l)
	a.grants(l, func(n *api.NewConsent) { n.Items = []uint64{items["vocational"]} })
	q, err = quote(string(l.Number))
	if must(t, err); len(q.Decisions) != 2 {
		t.Errorf("under two consents: %+v", q.Decisions)
	}
	_, err = a.QuoteTransfer(ctx(), a.institution(university), api.QuoteRequest{
		Number: string(l.Number), Programme: "social-work-ba", Lots: []agreement.Lot{{Entry: items["arts"]}},
	})
	wantReason(t, err, api.ReasonUnknownLot)

	// At the counter an officer grants for the resident, and is named.
	granted, err := a.GrantConsent(ctx(), a.Officer(apitest.Registrar), api.NewConsent{
		RequestID: a.RequestID(), Account: l.ID, Institution: college, Purpose: "transfer", Expires: a.Clock.Now().AddDate(1, 0, 0),
	})
	must(t, err)
	if granted.GrantedBy != apitest.Registrar {
		t.Errorf("granted by %q", granted.GrantedBy)
	}
	listed, token, err := a.ListConsents(ctx(), a.Resident(l.ID), l.ID, api.Page{Size: 3})
	must(t, err)
	rest, end, err := a.ListConsents(ctx(), a.Resident(l.ID), l.ID, api.Page{Size: 3, Token: token})
	if must(t, err); len(listed) != 3 || len(rest) != 2 || end != "" || listed[0].Index != granted.Index || rest[1].Index != consent.Index {
		t.Errorf("listed %+v, %+v", listed, rest)
	}
	for name, c := range map[string]struct {
		change func(*api.NewConsent)
		want   api.Reason
	}{
		"nobody":           {func(n *api.NewConsent) { n.Institution = "nobody" }, api.ReasonUnknownOrganization},
		"no acceptor":      {func(n *api.NewConsent) { n.Institution = apitest.Platform }, api.ReasonNotAnAcceptor},
		"foreign category": {func(n *api.NewConsent) { n.Categories = []string{"cooking"} }, api.ReasonUnknownCategory},
		"foreign entry":    {func(n *api.NewConsent) { n.Items = []uint64{1} }, api.ReasonUnknownEntry},
		"over":             {func(n *api.NewConsent) { n.Expires = a.Clock.Now() }, api.ReasonTime},
		"never over":       {func(n *api.NewConsent) { n.Expires = a.Clock.Now().AddDate(4, 0, 0) }, api.ReasonTime},
		"without an end":   {func(n *api.NewConsent) { n.Expires = time.Time{} }, api.ReasonTime},
		"purpose":          {func(n *api.NewConsent) { n.Purpose = "for fun" }, api.ReasonField},
	} {
		n := api.NewConsent{RequestID: a.RequestID(), Account: l.ID, Institution: university, Purpose: "transfer", Expires: a.Clock.Now().AddDate(0, 1, 0)}
		c.change(&n)
		if _, err := a.GrantConsent(ctx(), a.Resident(l.ID), n); api.AsError(err) == nil || api.AsError(err).Reason != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.GrantConsent(ctx(), a.institution(university), api.NewConsent{RequestID: a.RequestID(), Account: l.ID}); api.AsError(err).Kind != api.Denied {
		t.Errorf("an institution grants itself: %v", err)
	}
}

// Every look is in the journal of whom it concerns, before anything is shown, and the holder's own are not.
func TestAccesses(t *testing.T) {
	a := newAcceptors(t)
	a.publishes(university, agreements.OpenUniversity2026())
	l, other := a.Open(), a.Open()
	a.learns(l)
	a.grants(l)
	r := api.QuoteRequest{Number: string(l.Number), Programme: "social-work-ba"}
	_, err := a.QuoteTransfer(ctx(), a.institution(university), r)
	must(t, err)
	a.Clock.Advance(time.Minute)
	_, err = a.GetPortfolio(ctx(), a.Officer(apitest.Officer), l.ID, 0)
	must(t, err)
	_, err = a.QuoteTransfer(ctx(), a.Resident(l.ID), api.QuoteRequest{Institution: university, Programme: "social-work-ba"})
	must(t, err)
	all, next, err := a.ListAccesses(ctx(), a.Resident(l.ID), l.ID, api.Page{})
	must(t, err)
	if next != "" || len(all) != 2 || all[0].Officer != apitest.Officer || all[0].Organization != apitest.Root || all[0].OrganizationName != "西湖区社区学院" ||
		all[1].Action != "QuoteTransfer" || all[1].Purpose != "transfer" || all[1].Organization != university || all[1].Officer != "" ||
		!all[1].Time.Equal(all[0].Time.Add(-time.Minute)) {
		t.Errorf("%+v", all)
	}
	page, token, err := a.ListAccesses(ctx(), a.Resident(l.ID), l.ID, api.Page{Size: 1})
	must(t, err)
	rest, end, err := a.ListAccesses(ctx(), a.Resident(l.ID), l.ID, api.Page{Size: 1, Token: token})
	if must(t, err); len(page) != 1 || len(rest) != 1 || end != "" || rest[0] != all[1] {
		t.Errorf("pages %+v, %+v, %q", page, rest, end)
	}
	for name, caller := range map[string]access.Caller{
		"somebody else": a.Resident(other.ID), "the institution": a.institution(university), "an officer": a.Officer(apitest.Officer), "anybody": {},
	} {
		if _, _, err := a.ListAccesses(ctx(), caller, l.ID, api.Page{}); err == nil {
			t.Errorf("%s sees who looked", name)
		}
	}
	if _, _, err := a.ListAccesses(ctx(), a.Officer(apitest.Registrar), l.ID, api.Page{}); err != nil {
		t.Error(err)
	}
}

// learns has a learner earn credits in three categories.
func (a *acceptors) learns(l api.Account) {
	a.t.Helper()
	for i, course := range []string{apitest.Calligraphy, apitest.Smartphone, apitest.Welding} {
		a.one(withScore(a.learned(l, course, 3+i, 240), int32(77+i)))
	}
}

// items are the entries of a record by category.
func (a *acceptors) items(l api.Account) map[string]uint64 {
	p, err := a.GetPortfolio(ctx(), a.Resident(l.ID), l.ID, 1000)
	must(a.t, err)
	items := make(map[string]uint64)
	for _, e := range p.Entries {
		items[e.Decision.Category] = e.Index
	}
	return items
}

// A quote says the same of the same record, whenever on that day it is asked for, and another thing once something has changed.
func TestQuoteTransfer(t *testing.T) {
	a := newAcceptors(t)
	a.publishes(university, agreements.OpenUniversity2026())
	l := a.Open()
	a.learns(l)
	asks := func(change ...func(*api.QuoteRequest)) (*api.TransferQuote, error) {
		r := api.QuoteRequest{Institution: university, Programme: "social-work-ba"}
		for _, c := range change {
			c(&r)
		}
		return a.QuoteTransfer(ctx(), a.Resident(l.ID), r)
	}
	q, err := asks()
	must(t, err)
	var said []string
	for _, d := range q.Decisions {
		said = append(said, fmt.Sprintf("%s %s %d->%d", d.Item.Category, d.Outcome, d.Takes, d.Gives))
	}
	if q.Takes == 0 || q.Gives*2 != q.Takes || len(q.Decisions) != 3 {
		t.Errorf("%s", strings.Join(said, "\n"))
	}
	for _, d := range q.Decisions {
		entry, title := q.Entry(d.Item.Lot)
		if title == "" || entry != d.Item.Lot.Entry || q.Words(&d, d.Reasons[0], "zh") == "" || !d.Item.Transferable || d.Item.Mode == 0 ||
			*d.Item.Score != map[string]int32{"arts": 77, "science": 78, "vocational": 79}[d.Item.Category] {
			t.Errorf("%+v: %d, %q", d.Item, entry, title)
		}
	}
	if q.Until != q.Day+14 || !q.ValidUntil.After(a.Clock.Now().AddDate(0, 0, 14)) || q.LogSize == 0 {
		t.Errorf("valid until %s, %s", q.Until, q.ValidUntil)
	}
	// An entry about somebody else changes nothing; the institution, under a consent on all, gets the same.
	other := a.Open()
	a.learns(other)
	again, err := asks()
	must(t, err)
	a.grants(l)
	theirs, err := a.QuoteTransfer(ctx(), a.institution(university), api.QuoteRequest{Number: string(l.Number), Programme: "social-work-ba"})
	must(t, err)
	if again.Digest != q.Digest || theirs.Digest != q.Digest || theirs.LogSize <= q.LogSize {
		t.Error("the same record has another quote")
	}
	one, err := asks(func(r *api.QuoteRequest) { r.Lots = []agreement.Lot{q.Decisions[0].Item.Lot} })
	if must(t, err); len(one.Decisions) != 1 || one.Digest == q.Digest {
		t.Errorf("of one lot: %+v", one)
	}
	a.Clock.Advance(24 * time.Hour)
	later, err := asks()
	if must(t, err); later.Digest == q.Digest || later.Gives != q.Gives {
		t.Error("a quote of another day has the same name")
	}
	for name, c := range map[string]struct {
		change func(*api.QuoteRequest)
		want   api.Reason
	}{
		"no institution":   {func(r *api.QuoteRequest) { r.Institution = "nobody" }, api.ReasonUnknownOrganization},
		"no programme":     {func(r *api.QuoteRequest) { r.Programme = "law" }, api.ReasonUnknownProgramme},
		"no agreement":     {func(r *api.QuoteRequest) { r.Agreement = "other" }, api.ReasonNotFound},
		"no agreements":    {func(r *api.QuoteRequest) { r.Institution = college }, api.ReasonUnknownProgramme},
		"no such lot":      {func(r *api.QuoteRequest) { r.Lots = []agreement.Lot{{Entry: 1}} }, api.ReasonUnknownLot},
		"too many lots":    {func(r *api.QuoteRequest) { r.Lots = make([]agreement.Lot, 501) }, api.ReasonField},
		"somebody else":    {func(r *api.QuoteRequest) { r.Number = string(other.Number) }, api.ReasonDenied},
		"a number in part": {func(r *api.QuoteRequest) { r.Number = "12" }, api.ReasonAccountNumber},
	} {
		if _, err := asks(c.change); api.AsError(err) == nil || api.AsError(err).Reason != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := a.QuoteTransfer(ctx(), a.Officer(apitest.Officer), api.QuoteRequest{Institution: university}); api.AsError(err).Kind != api.Denied {
		t.Errorf("an officer quotes: %v", err)
	}
	// Once its agreement is over, nobody is quoted; another agreement with the same programme has to be named.
	twin := bytes.Replace(agreements.OpenUniversity2026(), []byte("id: open-university\n"), []byte("id: twin\n"), 1)
	published := a.publishes(university, twin)
	_, err = asks()
	wantReason(t, err, api.ReasonAgreementAmbiguous)
	_, err = asks(func(r *api.QuoteRequest) { r.Agreement = "twin" })
	must(t, err)
	_, err = a.EndAgreement(ctx(), a.institution(university), a.RequestID(), published.Hash, a.Clock.Now().AddDate(0, 0, 1).Format(time.DateOnly))
	must(t, err)
	a.Clock.Advance(72 * time.Hour)
	_, err = asks(func(r *api.QuoteRequest) { r.Agreement = "twin" })
	wantReason(t, err, api.ReasonAgreementNotInForce)
	_, err = asks()
	must(t, err)
}
