package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	// MaxQuoteLots is how many lots a quote can be narrowed to.
	MaxQuoteLots = 500
	// looksPerMinute is how many quotes an institution may ask for in a minute, how many pages of consents, and how many times it may
	// ask for, read and fetch transfers: each writes lines into a journal, which the holders of the accounts read.
	looksPerMinute = 600
	// quotesPerMinute is how many quotes a resident may ask for in a minute: each reads the whole record.
	quotesPerMinute = 60
)

// QuoteRequest asks what an institution would take over.
type QuoteRequest struct {
	// Number is the account number, with or without spaces; a resident may leave it empty.
	Number string
	// Institution accepts; it may leave it empty itself.
	Institution string
	// Programme, as the agreement names it, and the agreement's name where several have it.
	Programme, Agreement string
	// Lots are all that is looked at; none: all that have something available.
	Lots []agreement.Lot
}

// TransferQuote is what an institution would take over.
type TransferQuote struct {
	// Digest is over all that the quote says but LogSize: its name.
	Digest    [sha256.Size]byte
	Agreement Agreement
	*agreement.Quote
	// ValidUntil is when the last day ends on which it is honoured.
	ValidUntil time.Time
	LogSize    uint64
	// titles are those of courses, by the entry of the item.
	titles map[agreement.Lot]quotedItem
}

type quotedItem struct {
	entry uint64
	title string
}

// Entry is the item of the record that a lot is of, by its entry, and Title that of its course.
func (q *TransferQuote) Entry(lot agreement.Lot) (entry uint64, title string) {
	item := q.titles[lot]
	return item.entry, item.title
}

// CourseName is what the institution calls a course of the agreement.
func (q *TransferQuote) CourseName(code string) Text { return q.Quote.Agreement.CourseName(code) }

// Words says a reason of a decision in a language.
func (q *TransferQuote) Words(d *agreement.Decision, r agreement.Reason, lang string) string {
	return q.Quote.Agreement.Explain(d, r, lang)
}

// QuoteTransfer says what an institution would take over of a record, lot by lot, and why. The institution asks under a consent, which
// says what it may see; the holder of the account needs none. Nothing is written but the access journal.
func (b *Bank) QuoteTransfer(ctx context.Context, caller access.Caller, r QuoteRequest) (*TransferQuote, error) {
	if err := caller.Holds(access.QuoteTransfer); err != nil {
		return nil, err
	}
	if r.Institution == "" && caller.Kind == access.Organization {
		r.Institution = caller.Organization
	}
	if len(r.Lots) > MaxQuoteLots {
		return nil, invalid(ReasonField, "lots", "there are %d lots, at most %d are taken", len(r.Lots), MaxQuoteLots)
	}
	if err := b.allowLook(caller, "quotes"); err != nil {
		return nil, err
	}
	if caller.Kind == access.Resident {
		if err := b.allow(caller.Account.String(), "quotes", quotesPerMinute); err != nil {
			return nil, err
		}
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	now := b.config.Now()
	if newest := view.Time(); newest.After(now) {
		now = newest
	}
	named, err := b.namedAccount(ctx, caller, r.Number)
	if err != nil {
		return nil, err
	}
	id, scope, err := b.quotedAccount(ctx, view, d, caller, named, r.Institution, now)
	if err != nil {
		return nil, err
	}
	a, err := d.agreementFor(r.Institution, r.Agreement, r.Programme, now)
	if err != nil {
		return nil, err
	}
	if fault := d.checkAcceptor(r.Institution, a.Day(now)); fault != nil {
		return nil, fault
	}
	asked := quoting{
		account: id, agreed: a, programme: r.Programme, day: a.Day(now), lots: r.Lots, scope: scope, institution: r.Institution,
	}
	if asked.taken, err = takenBefore(view.State(ctx), d, r.Institution, id); err != nil {
		return nil, err
	}
	// Who looks is written down, durably, before they see anything: a refusal can say what is there, too. The holder's own looks are
	// nobody's business.
	if caller.Kind != access.Resident {
		if err := b.journal(ctx, caller, id, access.QuoteTransfer, PurposeTransfer); err != nil {
			return nil, err
		}
	}
	quote, err := b.quote(ctx, view, d, asked)
	if err != nil {
		return nil, err
	}
	quote.LogSize = view.Size()
	return quote, nil
}

// allowLook counts one look of an institution at an account.
func (b *Bank) allowLook(caller access.Caller, what string) error {
	if caller.Kind != access.Organization {
		return nil
	}
	return b.allow(caller.String(), what, looksPerMinute)
}

// checkAcceptor refuses an institution that accepts nothing on a day: it was suspended or ended, or is no acceptor any more. What waits
// for it then can be declined and withdrawn, or lapses.
func (d *directory) checkAcceptor(institution string, day agreement.Day) *Error {
	if d.admissions[institution].admits(ledgerv1.Role_ROLE_ACCEPTOR, int32(day)) {
		return nil
	}
	return faultf(Precondition, ReasonNotAnAcceptor, "institution", "%q is suspended or has ended, or is no accepting institution any more", institution)
}

// namedAccount finds the account that a number names, or that of a resident who names none; the zero id is nobody's.
func (b *Bank) namedAccount(ctx context.Context, caller access.Caller, number string) (unit.AccountID, error) {
	if number == "" && caller.Kind == access.Resident {
		return caller.Account, nil
	}
	parsed, err := unit.ParseAccountNumber(strings.ReplaceAll(number, " ", ""))
	if err != nil {
		return unit.AccountID{}, invalid(ReasonAccountNumber, "account_number", "%w", err)
	}
	id, err := b.vault.Lookup(ctx, parsed)
	if err != nil && AsError(err).Reason == ReasonUnknownAccount { // nobody's: no consent is found for it, and no holder
		return unit.AccountID{}, nil
	}
	return id, err
}

// quotedAccount finds the account that a quote about a named one is about, and what of it the caller may see; a nil scope is all.
func (b *Bank) quotedAccount(
	ctx context.Context, view ledger.View, d *directory, caller access.Caller, named unit.AccountID, institution string, now time.Time,
) (unit.AccountID, *consentScope, error) {
	if _, ok := d.organizations[institution]; !ok {
		return unit.AccountID{}, nil, faultf(NotFound, ReasonUnknownOrganization, "institution", "there is no organization %q", institution)
	}
	// The number of an account that became part of another one leads on to that, whose holder has to consent themselves.
	id, account, err := living(view.State(ctx), named)
	if err != nil {
		return id, nil, err
	}
	if err := caller.Check(access.QuoteTransfer, access.Subject{Organization: institution, Account: id}, d); err != nil {
		return id, nil, err
	}
	var scope *consentScope
	if caller.Kind != access.Resident {
		if scope, err = consentedTo(ctx, view, id, institution, PurposeTransfer, now); err != nil {
			return id, nil, err
		}
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field = "account_number"
		return id, nil, fault
	}
	return id, scope, nil
}

// quoting is what a quote is made of. All of it, and the record, decides what it says: the same gives the same.
type quoting struct {
	account   unit.AccountID
	agreed    *agreed
	programme string
	// day is the one on which the quote is made: whoever honours a quote asks again with its day.
	day agreement.Day
	// lots are all that is looked at; none: all that have something available.
	lots []agreement.Lot
	// scope is what may be seen; nil: all.
	scope *consentScope
	// institution is asked; taken is what it took over before, but for what it recognised of lots, which they say themselves.
	institution string
	taken       agreement.Taken
}

// quote reads a record and asks the agreement on it.
func (b *Bank) quote(ctx context.Context, view ledger.View, d *directory, q quoting) (*TransferQuote, error) {
	record, err := collect(itemsShown(ctx, view, q.account))
	if err != nil {
		return nil, err
	}
	chosen, fault := q.choose(record)
	if fault != nil {
		return nil, fault
	}
	var said map[uint64]saidOf
	if q.agreed.AsksSealed() {
		if said, err = b.openSaid(ctx, view, q.account, chosen); err != nil {
			return nil, err
		}
	}
	return b.quoteOf(d, q, chosen, said)
}

// recognisedBy is what an institution recognised of a lot, and before of those of the same learning that were taken back since.
func (c chosenLot) recognisedBy(organization uint64) (credits unit.Credits) {
	for _, lot := range c.item.GetLots() {
		if lot != c.lot && lot.GetReversed() == 0 {
			continue
		}
		for _, use := range lot.GetUses() {
			if use.GetRecognised() && use.GetOrganization() == organization {
				credits += unit.Credits(use.GetMilliCredits())
			}
		}
	}
	return credits
}

// quoteOf asks the agreement on lots that were chosen. It reads nothing more: it can run in the writer.
func (b *Bank) quoteOf(d *directory, q quoting, chosen []chosenLot, said map[uint64]saidOf) (*TransferQuote, error) {
	q.taken.Recognised = make(map[agreement.Lot]unit.Credits)
	items := make([]agreement.Item, len(chosen))
	answer := &TransferQuote{Agreement: d.agreementOf(q.agreed), titles: make(map[agreement.Lot]quotedItem, len(chosen))}
	transferable := d.transferableOf()
	for i, c := range chosen {
		var title string
		items[i], title = d.quoteItem(c, said[c.item.GetIndex()], transferable)
		q.taken.Recognised[items[i].Lot] = c.recognisedBy(d.organizations[q.institution].GetIndex())
		answer.titles[items[i].Lot] = quotedItem{c.item.GetIndex(), title}
	}
	var err error
	if answer.Quote, err = q.agreed.Quote(q.programme, items, q.taken, q.day); err != nil {
		return nil, err
	}
	zone := q.agreed.Zone()
	answer.ValidUntil = (answer.Until + 1).Start(zone).UTC()
	answer.Digest = answer.digest(b.ID(), q.account)
	return answer, nil
}

// chosenLot is a lot that is looked at, and what it is of.
type chosenLot struct {
	item *ledgerv1.CompletionItem
	lot  *ledgerv1.LotState
}

// choose answers the lots of a record that may be seen and were asked for.
func (q *quoting) choose(record []*ledgerv1.CompletionItem) ([]chosenLot, *Error) {
	wanted := make(map[agreement.Lot]bool, len(q.lots))
	for _, lot := range q.lots {
		wanted[lot] = true
	}
	var chosen []chosenLot
	for _, item := range record {
		if q.scope != nil && !q.scope.permits(item) {
			continue
		}
		for _, lot := range item.GetLots() {
			name := agreement.Lot{Entry: lot.GetEntry(), Position: lot.GetPosition()}
			if len(q.lots) > 0 && !wanted[name] || len(q.lots) == 0 && lot.GetAvailable() == 0 {
				continue
			}
			delete(wanted, name)
			chosen = append(chosen, chosenLot{item, lot})
		}
	}
	// Before anything is opened: of more nothing is quoted.
	if len(chosen) > agreement.MaxItems {
		return nil, invalid(ReasonQuoteSize, "lots", "the record has %d lots that could be quoted, more than %d: name up to %d of them",
			len(chosen), agreement.MaxItems, MaxQuoteLots)
	}
	for i, lot := range q.lots {
		if wanted[lot] {
			return nil, faultf(NotFound, ReasonUnknownLot, indexed("lots", i), "the record has no lot %d of entry %d that may be seen", lot.Position, lot.Entry)
		}
	}
	return chosen, nil
}

// saidOf is what only the sealed statement of a completion says.
type saidOf struct {
	mode  statementv1.Mode
	score *int32
}

// openSaid opens the statements of completions, which never change. What was forgotten is not there.
func (b *Bank) openSaid(ctx context.Context, view ledger.View, id unit.AccountID, chosen []chosenLot) (map[uint64]saidOf, error) {
	said := make(map[uint64]saidOf, len(chosen))
	sealer, err := b.accountSealer(ctx, id)
	if err != nil || sealer == nil {
		return said, err
	}
	var indexes []uint64
	for _, c := range chosen {
		if _, known := said[c.item.GetIndex()]; c.item.GetKind() == ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED && !known {
			said[c.item.GetIndex()] = saidOf{}
			indexes = append(indexes, c.item.GetIndex())
		}
	}
	raw, err := view.Entries(ctx, indexes...)
	if err != nil {
		return nil, err
	}
	for i, index := range indexes {
		if said[index], err = b.openStatement(ctx, id, sealer, index, raw[i]); err != nil {
			return nil, err
		}
	}
	return said, nil
}

// openStatement opens the statement of a CompletionRecorded. Of the entry and of what is sealed, which the bank wrote itself, it reads
// no more than it needs: decoding all of them would take half the time of a quote.
func (b *Bank) openStatement(ctx context.Context, id unit.AccountID, sealer *vault.Sealer, index uint64, raw []byte) (saidOf, error) {
	const (
		entryCompletion protowire.Number = 4 // Entry.completion_recorded
		recordedOrigin  protowire.Number = 1
		recordedAccount protowire.Number = 2
		recordedSealed  protowire.Number = 12
		originStatement protowire.Number = 2 // Origin.statement_id
		sealedStatement protowire.Number = 1
	)
	recorded := contentOf(raw, entryCompletion)
	var statement unit.StatementID
	copy(statement[:], contentOf(contentOf(recorded, recordedOrigin), originStatement))
	if account := contentOf(recorded, recordedAccount); len(account) == len(id) { // it may have come over from another account
		var err error
		if sealer, err = b.unsealerOf(ctx, account, id, sealer); err != nil || sealer == nil {
			return saidOf{}, err
		}
	}
	opened, err := sealer.Unseal("CompletionRecorded", statement, contentOf(recorded, recordedSealed))
	if err != nil {
		return saidOf{}, fmt.Errorf("%w: entry %d: %w", ledger.ErrDamaged, index, err)
	}
	said := new(statementv1.Statement)
	if err := said.UnmarshalVT(contentOf(opened, sealedStatement)); err != nil {
		return saidOf{}, fmt.Errorf("%w: the statement of entry %d: %v", ledger.ErrDamaged, index, err)
	}
	return saidOf{said.GetCompletion().GetMode(), said.GetCompletion().Score}, nil
}

// contentOf answers the content of a field of bytes, or of a message, in bytes that the bank wrote; nil where it is not there.
func contentOf(b []byte, field protowire.Number) []byte {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if number == field && wire == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(b)
			return content
		}
		if n = protowire.ConsumeFieldValue(number, wire, b); n < 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}

// quoteItem is a lot as agreements see it, and the title of its course.
func (d *directory) quoteItem(c chosenLot, said saidOf, transferable func(provider string, day int32, category string) bool) (agreement.Item, string) {
	item := agreement.Item{
		Lot: agreement.Lot{Entry: c.lot.GetEntry(), Position: c.lot.GetPosition()}, Kind: agreement.Completion,
		Platform: d.numbers[c.item.GetOrganization()], Category: c.item.GetCategory(), Mode: said.mode, Score: said.score,
		Minutes: unit.Minutes(c.item.GetMinutes()), Learned: agreement.Day(c.item.GetEndDay()), Expires: agreement.Day(c.lot.GetExpiresDay()),
		Available: unit.Credits(c.lot.GetAvailable()),
	}
	item.Provider = item.Platform
	var title string
	switch c.item.GetKind() {
	case ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE:
		item.Kind = agreement.OpeningBalance
	case ledgerv1.ItemKind_ITEM_KIND_CLAIM:
		item.Kind = agreement.Claim
	case ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED:
		if course := d.byIndex[c.item.GetCourse()]; course != nil {
			item.Provider, item.Course, item.CourseVersion = course.fact.GetProvider(), course.fact.GetCode(), course.fact.GetVersion()
			item.Level, title = int32(course.fact.GetLevel()), course.fact.GetTitle()
		}
	default:
	}
	item.Above = d.above(item.Provider)
	item.Transferable = transferable(item.Provider, c.item.GetEndDay(), item.Category)
	return item, title
}

// above are an organization and all above it, the nearest first.
func (d *directory) above(organization string) (all []string) {
	for id := organization; id != ""; id = d.parent(id) {
		all = append(all, id)
	}
	return all
}

// transferableOf answers whether the policy for learning of a provider that ended on a day lets a category count towards a degree. It
// remembers what it was asked.
func (d *directory) transferableOf() func(provider string, day int32, category string) bool {
	type place struct {
		provider string
		day      int32
	}
	policies := make(map[place]*published)
	return func(provider string, day int32, category string) bool {
		at := place{provider, day}
		p, known := policies[at]
		if !known {
			// Noon lies on the day in nearly every zone.
			p = d.policyFor(provider, policy.Day(day).Time().Add(12*time.Hour))
			policies[at] = p
		}
		if p == nil {
			return false
		}
		c, ok := p.Category(category)
		return ok && c.Transferable
	}
}

// digest names a quote by everything that it says and is made of.
func (q *TransferQuote) digest(bank string, account unit.AccountID) (sum [sha256.Size]byte) {
	h := sha256.New()
	agreed := q.Quote.Agreement.Hash()
	line(h, "creditbank/v1 transfer quote", bank, account, fmt.Sprintf("%x", agreed), q.Programme.Code, q.Day, q.Until,
		int64(q.Available), int64(q.Takes), int64(q.Gives))
	for _, d := range q.Decisions {
		i := d.Item
		line(h, i.Lot.Entry, i.Lot.Position, int64(i.Available), d.Outcome, int64(d.Takes), int64(d.Gives), d.Course, int32(d.Until))
		for _, r := range d.Reasons {
			line(h, int32(r.Stage), r.Rule, r.Before, r.After, r.Limit, r.Carried)
		}
		for _, c := range d.Counts {
			line(h, c.Key, int64(c.Credits))
		}
	}
	h.Sum(sum[:0])
	return sum
}

// line writes words that have no spaces, one beside the other.
func line(h hash.Hash, words ...any) {
	_, _ = h.Write([]byte(strings.TrimSuffix(fmt.Sprintln(words...), "\n") + "\n")) // a hash takes everything
}
