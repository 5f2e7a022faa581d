package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of a row.
const (
	// MaxImportRowBytes is the size of the largest row.
	MaxImportRowBytes = 4 << 10

	maxOpeningMinutes   = 1_000_000
	maxOpeningCredits   = 10_000_000
	maxRecordCharacters = 128
)

// Purposes of the vault's keyed hashes.
const (
	sourceRecordPurpose = "source-record"
	sourceRowPurpose    = "source-row"
)

// openingRow is a row of an import as it was sent, and what could be found out about it outside the writer.
type openingRow struct {
	bytes []byte
	*ledgerv1.OpeningBalanceRow
	earned, expires int32
	account         unit.AccountID
	sealer          *vault.Sealer
	// id names record and action of the source, for ever; record the record alone, as an opening balance.
	id, record unit.StatementID
	// digest is of what the row says.
	digest [32]byte
	fault  *Error
}

// readOpeningRow decodes and checks everything about a row that can be checked without asking anybody.
func readOpeningRow(b []byte, now time.Time) *openingRow {
	r := &openingRow{bytes: b, OpeningBalanceRow: new(ledgerv1.OpeningBalanceRow)}
	r.fault = r.read(now)
	return r
}

func (r *openingRow) read(now time.Time) *Error {
	if len(r.bytes) > MaxImportRowBytes {
		return invalid(ReasonRowMalformed, "", "the row has %d bytes, at most %d are taken", len(r.bytes), MaxImportRowBytes)
	}
	if err := proto.Unmarshal(r.bytes, r.OpeningBalanceRow); err != nil {
		return invalid(ReasonRowMalformed, "", "the bytes are no creditbank.ledger.v1.OpeningBalanceRow")
	}
	if unknown(r.OpeningBalanceRow) {
		return invalid(ReasonUnknownField, "", "there is a field that is not known here; rows are confirmed, so nothing in them is overlooked")
	}
	if fault := checkEnum("action", r.GetAction(), ledgerv1.RowAction_name); fault != nil {
		return fault
	}
	if fault := r.readPerson(now); fault != nil {
		return fault
	}
	if fault := checkText("source_record", r.GetSourceRecord(), 1, maxRecordCharacters); fault != nil {
		return fault
	}
	if r.GetAction() == ledgerv1.RowAction_ROW_ACTION_REVERSE {
		return r.readNothing()
	}
	if !isCode(r.GetCategory(), maxNameBytes) {
		return invalid(ReasonUnknownCategory, "category", "a category is a name of the policy, such as arts")
	}
	return r.readAmounts()
}

// readPerson checks by what a row names its learner: an account number or a document, and not both.
func (r *openingRow) readPerson(now time.Time) *Error {
	byNumber, byDocument := r.GetAccountNumber() != "", r.GetDocumentKind() != "" || r.GetDocumentNumber() != ""
	switch {
	case byNumber && byDocument:
		return invalid(ReasonDocument, "document_number", "the row has an account number, too: one of them says whose it is")
	case byNumber:
		if _, err := unit.ParseAccountNumber(r.GetAccountNumber()); err != nil {
			return invalid(ReasonAccountNumber, "account_number", "%w", err)
		}
	case byDocument:
		document, err := unit.ParseDocument(unit.DocumentKind(r.GetDocumentKind()), r.GetDocumentNumber(), now)
		if err != nil {
			return invalid(ReasonDocument, "document_number", "%w", err)
		}
		if document.Number != r.GetDocumentNumber() {
			return invalid(ReasonDocument, "document_number", "the number is not in the form in which documents are kept: upper case, without renewals")
		}
	default:
		return invalid(ReasonAccountNumber, "account_number", "nothing says whose it is: an account number or an identity document is needed")
	}
	return nil
}

// readNothing refuses amounts in a row that takes back: it takes back the whole.
func (r *openingRow) readNothing() *Error {
	for _, c := range []struct {
		field string
		empty bool
	}{
		{"category", r.GetCategory() == ""},
		{"minutes", r.GetMinutes() == 0},
		{"milli_credits", r.GetMilliCredits() == 0},
		{"earned_on", r.GetEarnedOn() == ""},
		{"expires_on", r.GetExpiresOn() == ""},
		{"title", r.GetTitle() == ""},
	} {
		if !c.empty {
			return invalid(ReasonField, c.field, "a row that takes an opening balance back takes all of it; leave this empty")
		}
	}
	return nil
}

func (r *openingRow) readAmounts() *Error {
	if n := r.GetMinutes(); n < 0 || n > maxOpeningMinutes {
		return invalid(ReasonMinutes, "minutes", "there are %d minutes, 0 to %d are taken", n, maxOpeningMinutes)
	}
	if n := r.GetMilliCredits(); n < 0 || n > maxOpeningCredits {
		return invalid(ReasonCredits, "milli_credits", "there are %s credits, 0 to %s are taken", unit.Credits(n), unit.Credits(maxOpeningCredits))
	}
	if r.GetMinutes()+r.GetMilliCredits() == 0 {
		return invalid(ReasonCredits, "milli_credits", "there are neither minutes nor credits: nothing was earned")
	}
	var fault *Error
	if r.earned, fault = parseDay("earned_on", r.GetEarnedOn(), false); fault != nil {
		return fault
	}
	if r.expires, fault = parseDay("expires_on", r.GetExpiresOn(), true); fault != nil {
		return fault
	}
	if r.expires != 0 && (r.expires <= r.earned || r.GetMilliCredits() == 0) {
		return invalid(ReasonTime, "expires_on", "credits expire after the day on which they were earned, and only credits do")
	}
	return checkText("title", r.GetTitle(), 0, maxTitleCharacters)
}

// find finds the account, its key, and the names under which the record is known. Faults of the row are its own.
func (r *openingRow) find(ctx context.Context, b *Bank, caller access.Caller, source string) error {
	var err error
	field := "account_number"
	if r.GetAccountNumber() != "" {
		r.account, err = b.vault.Lookup(ctx, unit.AccountNumber(r.GetAccountNumber()))
	} else {
		field = "document_number"
		r.account, err = b.vault.FindByDocument(ctx, unit.Document{Kind: unit.DocumentKind(r.GetDocumentKind()), Number: r.GetDocumentNumber()})
		// Every document that is asked for is written down, also one that leads to nobody.
		if err == nil || errors.Is(err, vault.ErrUnknownAccount) {
			if err := b.journal(ctx, caller, r.account, access.RecordOpeningBalances, source); err != nil {
				return err
			}
		}
	}
	if err == nil {
		r.account, err = b.livingAccount(ctx, r.account)
	}
	if err == nil {
		r.sealer, err = b.vault.Sealer(ctx, r.account)
	}
	switch {
	case errors.Is(err, vault.ErrErased), errors.Is(err, vault.ErrKeyGone):
		r.fault = faultf(Precondition, ReasonAccountErased, field, "the account was erased")
		return nil
	case errors.Is(err, vault.ErrUnknownAccount):
		r.fault = unknownHolder(field)
		return nil
	case err != nil:
		return err
	}
	return r.name(b.vault, source)
}

func unknownHolder(field string) *Error {
	return faultf(NotFound, ReasonUnknownAccount, field, "nobody who is at home in the organization of the import, or below it, has this; open the account first")
}

// whose is the field that says whose the row is.
func (r *openingRow) whose() string {
	if r.GetAccountNumber() != "" {
		return "account_number"
	}
	return "document_number"
}

// name makes the names under which record and row are known. They are keyed: a record of another system can be an
// identity number, and what is in the clear for ever must not let anybody test guesses.
func (r *openingRow) name(v *vault.Vault, source string) error {
	id := func(action ledgerv1.RowAction) (unit.StatementID, error) {
		hash, err := v.KeyedHash(sourceRecordPurpose, []byte(source+"\n"+strconv.Itoa(int(action))+"\n"+r.GetSourceRecord()+"\n"))
		id := unit.StatementID(hash[:16])
		id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: the rest is our own (RFC 9562, 5.8)
		return id, err
	}
	var err error
	if r.id, err = id(r.GetAction()); err != nil {
		return err
	}
	if r.record, err = id(ledgerv1.RowAction_ROW_ACTION_RECORD); err != nil {
		return err
	}
	r.digest, err = r.says(v, r.account)
	return err
}

// says is the digest of what the row says of an account. It is by the account and not by how the row names it: the same row of
// another file may say it in another way.
func (r *openingRow) says(v *vault.Vault, account unit.AccountID) ([32]byte, error) {
	return v.KeyedHash(sourceRowPurpose, []byte(strings.Join([]string{
		hex.EncodeToString(account[:]), r.GetCategory(), strconv.FormatInt(r.GetMinutes(), 10), strconv.FormatInt(r.GetMilliCredits(), 10),
		r.GetEarnedOn(), r.GetExpiresOn(), r.GetTitle(), "",
	}, "\n")))
}

// judge says what else is wrong with a row that is new, by the policy of today at the account's home.
func (r *openingRow) judge(p *published, now time.Time) *Error {
	if p == nil {
		return faultf(Precondition, ReasonNoPolicy, r.whose(), "no policy is in force where the account is at home")
	}
	if _, ok := p.Category(r.GetCategory()); !ok {
		names := make([]string, 0, len(p.Categories()))
		for _, c := range p.Categories() {
			names = append(names, c.ID)
		}
		return invalid(ReasonUnknownCategory, "category", "the policy has no category %q, but %s", r.GetCategory(), strings.Join(names, ", "))
	}
	today := p.Day(now)
	switch {
	case policy.Day(r.earned) > today:
		return invalid(ReasonFuture, "earned_on", "the day is in the future")
	case r.expires != 0 && policy.Day(r.expires) <= today:
		return invalid(ReasonTime, "expires_on", "the credits have expired already: give the row without credits to keep its hours")
	default:
		return nil
	}
}

// recordedOpening is the entry of a row that is to be recorded.
func (r *openingRow) recordedOpening(actor *ledgerv1.Actor, origin *ledgerv1.ImportOrigin, source string) (*ledgerv1.Entry, error) {
	effects := new(ledgerv1.Effects)
	if r.GetMinutes() > 0 {
		effects.Hours = []*ledgerv1.YearMinutes{{Year: int32(policy.Day(r.earned).Year()), Category: r.GetCategory(), Minutes: r.GetMinutes()}}
	}
	if r.GetMilliCredits() > 0 {
		effects.Lots = []*ledgerv1.Lot{{Category: r.GetCategory(), Available: r.GetMilliCredits(), ExpiresDay: r.expires}}
	}
	sealed, err := r.seal("OpeningBalanceRecorded")
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalanceRecorded{OpeningBalanceRecorded: &ledgerv1.OpeningBalanceRecorded{
		Actor: actor, Origin: origin, Account: r.account[:], Source: source, Category: r.GetCategory(), EarnedDay: r.earned,
		Effects: effects, Sealed: sealed,
	}}}, err
}

func (r *openingRow) seal(fact string) ([]byte, error) {
	return seal(r.sealer, fact, r.id, &ledgerv1.SealedOpeningBalance{Row: r.bytes})
}

// damagedRow says that a row of the store cannot be read.
func damagedRow(key []byte, err error) error {
	return fmt.Errorf("%w: row %x: %v", ledger.ErrDamaged, key, err)
}
