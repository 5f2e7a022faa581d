package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// maxOpenHolds is how many transfers of an account wait for an institution at most: each of them is looked at whenever the account
// is used.
const maxOpenHolds = 20

const (
	// maxHoldItems is how many lots a transfer has at most.
	maxHoldItems = 400
	// maxHoldBytes is how large what a transfer writes down is at most: with the rest of its entry it fits a leaf of the ledger, and
	// so does what ends it, which has less to say of each lot.
	maxHoldBytes = ledger.MaxEntryBytes - 1_024
)

// TransferRequest asks an institution to take over what a quote says.
type TransferRequest struct {
	RequestID string
	// Number is the account number; a resident may leave it empty.
	Number string
	// Institution is asked, for one of its programmes; it may leave itself empty.
	Institution, Programme string
	// Agreement is the hash of the one that the quote was made under.
	Agreement []byte
	// QuoteDate is the day on which the quote was made, YYYY-MM-DD; QuoteDigest is the quote's.
	QuoteDate   string
	QuoteDigest []byte
	// Lots are those that the quote was asked for, or all that are in it; empty: all that have something available.
	Lots []agreement.Lot
}

// RequestTransfer asks an institution to take over what a quote says, and reserves it until the institution has answered. The quote is
// made again on how things stand now: one that does not come out the same is refused, with the numbers of today.
func (b *Bank) RequestTransfer(ctx context.Context, caller access.Caller, r TransferRequest, proof bool) (TransferDone, error) {
	if err := caller.Holds(access.RequestTransfer); err != nil {
		return TransferDone{}, err
	}
	if err := b.allowLook(caller, "transfers"); err != nil {
		return TransferDone{}, err
	}
	if r.Institution == "" && caller.Kind == access.Organization {
		r.Institution = caller.Organization
	}
	day, fault := r.check()
	if fault != nil {
		return TransferDone{}, fault
	}
	named, err := b.namedAccount(ctx, caller, r.Number)
	if err != nil {
		return TransferDone{}, err
	}
	var asked quoting
	var consents []uint64
	asking := change{
		caller: caller, method: access.RequestTransfer, requestID: r.RequestID,
		asked: []any{
			caller.AskedOf(named).String(), r.Institution, r.Programme, hex.EncodeToString(r.Agreement), r.QuoteDate, hex.EncodeToString(r.QuoteDigest), r.Lots,
		},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if caller.Kind != access.Resident {
				if err := stillConsented(tx, asked.account, consents); err != nil {
					return 0, err
				}
			}
			return b.placeHold(ctx, tx, d, caller, r, asked, request)
		},
	}
	again, err := b.answered(ctx, asking)
	if err != nil {
		return TransferDone{}, err
	}
	if !again {
		if asked, consents, err = b.askedTransfer(ctx, caller, r, named); err != nil {
			return TransferDone{}, err
		}
		asked.day = day
		asking.reads = [][]byte{book.AccountKey(asked.account)}
	}
	done, err := b.once(ctx, asking)
	if err != nil {
		return TransferDone{}, err
	}
	return b.transferDone(ctx, caller, done.Index, done, proof)
}

// check refuses what is wrong with a request whatever the record says, and answers the day of its quote.
func (r TransferRequest) check() (agreement.Day, *Error) {
	if len(r.QuoteDigest) != sha256.Size {
		return 0, invalid(ReasonField, "quote_digest", "the digest of a quote has 64 hexadecimal digits")
	}
	if len(r.Agreement) != sha256.Size {
		return 0, invalid(ReasonField, "agreement_hash", "an agreement hash has 64 hexadecimal digits")
	}
	if len(r.Lots) > MaxQuoteLots {
		return 0, invalid(ReasonField, "lots", "there are %d lots, at most %d are taken", len(r.Lots), MaxQuoteLots)
	}
	day, fault := parseDay("quote_date", r.QuoteDate, false)
	return agreement.Day(day), fault
}

// askedTransfer finds the account that a transfer is about, and what of it the caller may see, by which consents.
func (b *Bank) askedTransfer(
	ctx context.Context, caller access.Caller, r TransferRequest, named unit.AccountID,
) (quoting, []uint64, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return quoting{}, nil, err
	}
	defer view.Close()
	now := b.config.Now()
	if newest := view.Time(); newest.After(now) {
		now = newest
	}
	id, scope, err := b.quotedAccount(ctx, view, d, caller, named, r.Institution, now)
	if err != nil {
		return quoting{}, nil, err
	}
	asked := quoting{account: id, programme: r.Programme, lots: r.Lots, scope: scope, institution: r.Institution}
	if caller.Kind == access.Resident {
		return asked, nil, nil
	}
	all, err := consentsOf(ctx, view, id)
	if err != nil {
		return asked, nil, err
	}
	var consents []uint64
	for _, c := range all {
		if f := c.GetFact(); f.GetInstitution() == r.Institution && f.GetPurpose() == PurposeTransfer && consentHolds(c.ConsentRow, now) {
			consents = append(consents, c.index)
		}
	}
	return asked, consents, b.journal(ctx, caller, id, access.RequestTransfer, PurposeTransfer)
}

// stillConsented refuses a transfer when a consent by which an institution sees a record was withdrawn or ended meanwhile.
func stillConsented(tx *ledger.Tx, id unit.AccountID, consents []uint64) error {
	for _, index := range consents {
		row, err := tx.Consent(id, index)
		if err != nil {
			return err
		}
		if !consentHolds(row, tx.Now()) {
			return noConsent()
		}
	}
	return nil
}

// placeHold is the writer's step for a request: it makes the quote again, and reserves what it says.
func (b *Bank) placeHold(
	ctx context.Context, tx *ledger.Tx, d *directory, caller access.Caller, r TransferRequest, asked quoting, request *ledgerv1.Request,
) (uint64, error) {
	account, err := tx.Account(asked.account)
	if err != nil {
		return 0, err
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field = "account_number"
		return 0, fault
	}
	sealer, err := b.accountSealer(ctx, asked.account)
	if err != nil {
		return 0, err
	}
	if sealer == nil {
		return 0, faultf(Precondition, ReasonAccountErased, "account_number", "the account was erased")
	}
	if asked.agreed = d.agreementNamed(r.Agreement); asked.agreed == nil || asked.agreed.Institution() != r.Institution {
		return 0, faultf(NotFound, ReasonNotFound, "agreement_hash", "%q has no agreement with this hash; see ListAgreements", r.Institution)
	}
	if fault := d.checkAcceptor(r.Institution, asked.agreed.Day(tx.Now())); fault != nil {
		return 0, fault
	}
	// What is overdue comes first: credits that have expired are not there to be taken over, those of holds that lapsed are.
	if err := b.settle(ctx, tx, d, asked.account); err != nil {
		return 0, err
	}
	if len(account.GetHolds()) >= maxOpenHolds {
		return 0, faultf(Precondition, ReasonTransferLimit, "account_number", "%d transfers of the account wait for an answer, as many as may be", len(account.GetHolds()))
	}
	if asked.taken, err = takenBefore(tx, d, r.Institution, asked.account); err != nil {
		return 0, err
	}
	quote, refs, err := b.quoteAgain(ctx, tx, d, asked, sealer)
	if err != nil {
		return 0, err
	}
	today := asked.agreed.Day(tx.Now())
	if today < asked.day || today > quote.Until {
		return 0, b.newQuote(ctx, tx, d, asked, sealer, today, quote.Until)
	}
	if !d.quotableOn(asked.agreed, asked.day) {
		return 0, faultf(Precondition, ReasonAgreementNotInForce, "quote_date", "on %s the agreement was not in force, or not published yet: nothing was quoted under it",
			asked.day)
	}
	if !bytes.Equal(quote.Digest[:], r.QuoteDigest) {
		return 0, b.newQuote(ctx, tx, d, asked, sealer, today, 0)
	}
	h := &holding{
		request: request, actor: caller.Actor(), account: asked.account, agreement: asked.agreed.row.GetIndex(), digest: quote.Digest,
		quote: quote.Quote, refs: refs,
	}
	return h.place(tx, sealer)
}

// quoteAgain makes a quote in the writer, and answers what its lots are of.
func (b *Bank) quoteAgain(
	ctx context.Context, tx *ledger.Tx, d *directory, asked quoting, sealer *vault.Sealer,
) (*TransferQuote, map[agreement.Lot]*ledgerv1.CompletionRef, error) {
	record, err := collect(itemsIn(tx, asked.account))
	if err != nil {
		return nil, nil, err
	}
	chosen, fault := asked.choose(record)
	if fault != nil {
		return nil, nil, fault
	}
	said, refs := make(map[uint64]saidOf), make(map[agreement.Lot]*ledgerv1.CompletionRef, len(chosen))
	for _, c := range chosen {
		refs[agreement.Lot{Entry: c.lot.GetEntry(), Position: c.lot.GetPosition()}] = refOf(c.item)
		index := c.item.GetIndex()
		if _, known := said[index]; known || !asked.agreed.AsksSealed() || c.item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED {
			continue
		}
		e, err := tx.Entry(index)
		if err != nil {
			return nil, nil, err
		}
		recorded := e.GetCompletionRecorded()
		unsealer, err := b.unsealerOf(ctx, recorded.GetAccount(), asked.account, sealer)
		if err != nil {
			return nil, nil, err
		}
		if unsealer == nil {
			continue
		}
		stated, _, err := statedCompletion(unsealer, recorded)
		if err != nil {
			return nil, nil, err
		}
		said[index] = saidOf{stated.GetMode(), stated.Score}
	}
	quote, err := b.quoteOf(d, asked, chosen, said)
	return quote, refs, err
}

// newQuote refuses a quote that does not hold any more, with what it would be today.
func (b *Bank) newQuote(
	ctx context.Context, tx *ledger.Tx, d *directory, asked quoting, sealer *vault.Sealer, today, until agreement.Day,
) error {
	e := faultf(Changed, ReasonQuoteChanged, "quote_digest", "the record, or what the institution has of it, is not what the quote was made of any more")
	if until != 0 {
		e = faultf(Precondition, ReasonQuoteExpired, "quote_date", "the quote was honoured from its day until %s, and today is %s", until, today)
	}
	if d.agreementInForce(asked.agreed.Institution(), asked.agreed.ID(), today) != asked.agreed {
		e.Message += "; the agreement that it was made under is not in force any more: ask for a quote again"
		return e
	}
	asked.day = today
	now, _, err := b.quoteAgain(ctx, tx, d, asked, sealer)
	if err != nil {
		e.Message += fmt.Sprintf("; today there would be none: %s", AsError(err).Message)
		return e
	}
	e.Message += fmt.Sprintf("; today %s of %s credits would be taken, and give %s: ask for a quote again", now.Takes, now.Available, now.Gives)
	e.Metadata = map[string]string{
		"quote_date": now.Day.String(), "quote_digest": hex.EncodeToString(now.Digest[:]), "valid_until": now.Until.String(),
		"available_milli_credits": fmt.Sprint(int64(now.Available)), "taken_milli_credits": fmt.Sprint(int64(now.Takes)),
		"given_milli_credits": fmt.Sprint(int64(now.Gives)),
	}
	return e
}

// holding is a quote on its way to become a hold.
type holding struct {
	request *ledgerv1.Request
	actor   *ledgerv1.Actor
	account unit.AccountID
	// agreement is the entry that published it.
	agreement uint64
	digest    [sha256.Size]byte
	quote     *agreement.Quote
	// refs are the completions of the lots.
	refs map[agreement.Lot]*ledgerv1.CompletionRef
}

// place writes a hold down: what the quote takes is reserved, or recognised.
func (h *holding) place(tx *ledger.Tx, sealer *vault.Sealer) (uint64, error) {
	a := h.quote.Agreement
	zone := a.Zone()
	fact := &ledgerv1.HoldPlaced{
		Actor: h.actor, Request: h.request, Account: h.account[:], Institution: a.Institution(), Programme: h.quote.Programme.Code,
		Agreement: h.agreement, QuoteDigest: h.digest[:], Effects: new(ledgerv1.Effects),
		// The day in which it lapses is the institution's; it ends with it.
		Deadline: (a.Day(tx.Now()) + agreement.Day(a.HoldDays()) + 1).Start(zone).UnixMicro(),
	}
	why := new(ledgerv1.SealedTransfer)
	for i := range h.quote.Decisions {
		decision := &h.quote.Decisions[i]
		if decision.Takes == 0 {
			continue
		}
		item := &ledgerv1.HoldItem{
			Entry: decision.Item.Lot.Entry, Position: decision.Item.Lot.Position, Completion: h.refs[decision.Item.Lot],
			MilliCredits: int64(decision.Takes), Granted: int64(decision.Gives), Recognised: !a.Consumes(),
			Category: decision.Item.Category, Course: decision.Course,
		}
		for _, count := range decision.Counts {
			item.Counts = append(item.Counts, &ledgerv1.CapUsage{Key: count.Key, MilliCredits: int64(count.Credits)})
		}
		reasons := new(ledgerv1.SealedTransferItem)
		for _, reason := range decision.Reasons {
			reasons.Reasons = append(reasons.Reasons, reason.Written())
		}
		fact.Items, why.Items = append(fact.Items, item), append(why.Items, reasons)
		if !item.GetRecognised() {
			fact.Effects.LotChanges = append(fact.Effects.LotChanges, &ledgerv1.LotChange{
				Entry: item.GetEntry(), Position: item.GetPosition(), Completion: item.GetCompletion(),
				Available: -item.GetMilliCredits(), Reserved: item.GetMilliCredits(),
			})
		}
	}
	switch {
	case len(fact.GetItems()) == 0:
		return 0, faultf(Precondition, ReasonNothingToTransfer, "lots", "the institution takes nothing of this; the quote says why")
	case len(fact.GetItems()) > maxHoldItems:
		return 0, faultf(Precondition, ReasonTransferSize, "lots", "a transfer has at most %d lots, and this one %d: ask for some of them, and for the others afterwards",
			maxHoldItems, len(fact.GetItems()))
	}
	var err error
	if fact.Sealed, err = seal(sealer, "HoldPlaced", unit.StatementID(h.request.GetRequestId()), why); err != nil {
		return 0, err
	}
	if fact.SizeVT() > maxHoldBytes {
		return 0, faultf(Precondition, ReasonTransferSize, "lots", "with its reasons and what counts towards limits, a transfer of these %d lots is too large: ask for some of "+
			"them, and for the others afterwards", len(fact.GetItems()))
	}
	return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_HoldPlaced{HoldPlaced: fact}})
}

// transferReader reads transfers: a proposal, or the state of a view.
type transferReader interface {
	Account(id unit.AccountID) (*ledgerv1.AccountRow, error)
	Transfer(index uint64) (*ledgerv1.TransferRow, error)
}

// takenBefore is what counts towards the caps of an institution for an account already, be it accepted or still held.
func takenBefore(r transferReader, d *directory, institution string, id unit.AccountID) (agreement.Taken, error) {
	taken := agreement.Taken{Counts: make(map[string]unit.Credits)}
	account, err := r.Account(id)
	if err != nil {
		return taken, err
	}
	holds := slices.Clone(account.GetTransfers())
	for _, h := range account.GetHolds() {
		holds = append(holds, h.GetHold())
	}
	number := d.organizations[institution].GetIndex()
	for _, hold := range holds {
		row, err := r.Transfer(hold)
		if err != nil {
			return taken, err
		}
		if row.GetOrganization() != number {
			continue
		}
		for i, item := range row.GetItems() {
			had := item.GetMilliCredits()
			if len(row.GetTaken()) > 0 {
				had = row.GetTaken()[i].GetMilliCredits()
			}
			if had == 0 {
				continue
			}
			for _, count := range item.GetCounts() {
				taken.Counts[count.GetKey()] += unit.Credits(shareOf(count.GetMilliCredits(), had, item.GetMilliCredits()))
			}
		}
	}
	return taken, nil
}

var (
	_ transferReader = (*ledger.Tx)(nil)
	_ transferReader = (*book.State)(nil)
)
