package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// ExportTime is how long an export may take. Whoever hands it on does not wait longer for a reader.
const ExportTime = 5 * time.Minute

// Limits of exports.
const (
	// maxExports is how many are written at once; of an account it is one.
	maxExports = 16
	// exportBatch is how many entries are read together.
	exportBatch = 256
	// maxExportCategories is how many categories can be named.
	maxExportCategories = 32
	// shownDigits is how much of a document is shown where it is masked.
	shownDigits = 4
)

// Export asks for a file of a record.
type Export struct {
	Account unit.AccountID
	Format  export.Format
	// Choice is what is in it. Formats that have only what was earned, by course, choose that by themselves.
	Choice export.Choice
	// Deposit is what only the learner's school knows; the Shanghai profile asks for it.
	Deposit export.Deposit
	// Converted is what only the school that took credits over knows, Institution the one whose transfers are asked for, empty: all.
	// Both are for the conversion profile, and the first goes with the second.
	Converted   export.Converted
	Institution string
	// Identity has the name and the number of the document in it as they are, with the account number and the birth date. They are
	// masked otherwise.
	Identity bool
	// Purpose is what for, at the holder's wish: a code. Officers say it, and the holder sees it.
	Purpose string
}

// ExportedFile is what a file of a record is called. It names nobody.
type ExportedFile struct {
	Name, MediaType string
	// LogSize is the size of the log that it is read from.
	LogSize uint64
}

// ExportPortfolio writes a record as a file: for its holder, or for an officer who has them at the counter, which is
// journalled. Begin is called once nothing but the reading itself can go wrong; what it answers is written to. A file is whole
// only when ExportPortfolio answers nil.
func (b *Bank) ExportPortfolio(
	ctx context.Context, caller access.Caller, e Export, begin func(ExportedFile) (io.Writer, error),
) error {
	first, last, fault := e.check()
	if fault != nil {
		return fault
	}
	if err := b.lookForExport(ctx, caller, e); err != nil {
		return err
	}
	leave, err := b.exporting.enter(e.Account)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, ExportTime)
	defer cancel()
	view, d, err := b.newestView(ctx)
	if err != nil {
		return err
	}
	defer view.Close()
	if fault := e.checkConversions(d); fault != nil {
		return fault
	}
	account, err := view.State(ctx).Account(e.Account)
	if err != nil {
		return err
	}
	person, err := b.vault.Person(ctx, e.Account)
	if err != nil {
		return err
	}
	record := export.Record{
		Bank: d.exportingBank(account.GetHome()), Learner: learner(e, person),
		Generated: b.config.Now().UTC().Truncate(time.Second), LogSize: view.Size(), Choice: e.Choice, Deposit: e.Deposit,
	}
	record.Bank.ID, record.Bank.Origin = b.ID(), b.ledger.Origin()
	reader := exportReader{
		entryReader: entryReader{bank: b, view: view, directory: d, imports: make(map[uint64]*ledgerv1.ImportRow)},
		export:      e, first: first, last: last, usual: d.policyFor(account.GetHome(), b.config.Now()),
	}
	results := reader.results(ctx)
	if e.Choice.BestPerCourse && !e.Format.OfConversions() {
		best, err := export.PerCourse(results)
		if err != nil {
			return err
		}
		results = func(yield func(export.Result, error) bool) {
			for _, result := range best {
				if !yield(result, nil) {
					return
				}
			}
		}
	}
	w, err := begin(ExportedFile{Name: e.Format.FileName(reader.today()), MediaType: e.Format.MediaType(), LogSize: view.Size()})
	if err != nil {
		return err
	}
	if e.Format.OfConversions() {
		return export.WriteConversions(w, e.Format, record, reader.conversions(ctx))
	}
	return export.Write(w, e.Format, record, results)
}

// check refuses what can't be asked for, and completes what the format chooses by itself.
func (e *Export) check() (first, last int32, fault *Error) {
	fail := func(fault *Error) (int32, int32, *Error) { return 0, 0, fault }
	if !slices.Contains(export.Formats(), e.Format) {
		return fail(invalid(ReasonExportFormat, "format", "there is no such format"))
	}
	if e.Format.OnlyEarned() {
		e.Choice.EarnedOnly, e.Choice.BestPerCourse = true, true
	}
	if first, fault = parseDay("from_date", e.Choice.From, true); fault != nil {
		return fail(fault)
	}
	if last, fault = parseDay("to_date", e.Choice.To, true); fault != nil {
		return fail(fault)
	}
	if e.Choice.From != "" && e.Choice.To != "" && last < first {
		return fail(invalid(ReasonField, "to_date", "the period ends before it begins"))
	}
	if n := len(e.Choice.Categories); n > maxExportCategories {
		return fail(invalid(ReasonField, "categories", "there are %d categories, at most %d are taken", n, maxExportCategories))
	}
	for i, category := range e.Choice.Categories {
		if !isCode(category, maxNameBytes) {
			return fail(invalid(ReasonField, indexed("categories", i), "a category is named as the policy names it"))
		}
	}
	if e.Purpose != "" && !isCode(e.Purpose, maxPurposeBytes) {
		return fail(wrongPurpose())
	}
	if err := cmp.Or(e.Deposit.Check(), e.Converted.Check()); err != nil {
		fault := AsError(err)
		if code, ok := errors.AsType[*export.CodeError](err); ok {
			fault.Field, fault.Message = "shanghai."+code.Field, "it is "+code.Want+", or left out"
		}
		return fail(fault)
	}
	return first, last, nil
}

func wrongPurpose() *Error {
	return invalid(ReasonField, "purpose",
		"an officer says what the holder wants it for: a code of 1 to %d letters, digits and \"-_.\"", maxPurposeBytes)
}

// lookForExport answers nil when the caller may have this export, and journals it unless it is the holder's own.
func (b *Bank) lookForExport(ctx context.Context, caller access.Caller, e Export) error {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return err
	}
	account, err := b.openedAccount(ctx, e.Account)
	if err != nil {
		return err
	}
	holder, goesOn, err := b.livingRow(ctx, e.Account)
	if err != nil {
		return err
	}
	subject := access.Subject{Organization: account.GetHome(), Account: holder}
	if err := caller.Check(access.ExportPortfolio, subject, d); err != nil {
		return err
	}
	if e.Identity {
		if err := caller.Check(access.ExportIdentity, subject, d); err != nil {
			return err
		}
	}
	if account == nil {
		return faultf(NotFound, ReasonUnknownAccount, "account_id", "there is no such account")
	}
	if caller.Kind != access.Resident && e.Purpose == "" {
		return wrongPurpose()
	}
	if goesOn.GetMoving() {
		return arriving("account_id")
	}
	if holder != e.Account {
		return goneOn(holder)
	}
	if caller.Kind == access.Resident {
		return nil
	}
	action := access.ExportPortfolio
	if e.Identity {
		action = access.ExportIdentity
	}
	return b.journal(ctx, caller, e.Account, action, strings.Trim(string(e.Format)+":"+e.Purpose, ":"))
}

// exporting are the accounts of which exports are being written. Its zero value is empty.
type exporting struct {
	mu       sync.Mutex
	accounts map[unit.AccountID]bool
}

// enter gives an export of an account its place, until leave.
func (x *exporting) enter(id unit.AccountID) (leave func(), err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.accounts[id]:
		return nil, faultf(Busy, ReasonExports, "", "an export of this account is being written; wait for its end")
	case len(x.accounts) >= maxExports:
		return nil, faultf(Busy, ReasonExports, "", "%d exports are being written, as many as may be; try again", maxExports)
	case x.accounts == nil:
		x.accounts = make(map[unit.AccountID]bool, maxExports)
	}
	x.accounts[id] = true
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.accounts, id)
	}, nil
}

// exportingBank is the organization at the top, which answers for the credits of those who are at home below it.
func (d *directory) exportingBank(home string) export.Bank {
	top := home
	for parent := d.parent(top); parent != ""; parent = d.parent(top) {
		top = parent
	}
	fact := d.organizations[top].GetFact()
	return export.Bank{Organization: fact.GetName(), Code: fact.GetCode()}
}

// learner is what of a person goes out.
func learner(e Export, person vault.Person) export.Learner {
	if !e.Identity {
		return export.Learner{Masked: true, Name: MaskedName(person.Name), Document: maskedDocument(person.Document.Number)}
	}
	l := export.Learner{
		Name: person.Name, Document: person.Document.Number, DocumentKind: string(person.Document.Kind),
		Number: string(person.Number), Account: e.Account.String(),
	}
	if !person.BirthDate.IsZero() {
		l.BirthDate = person.BirthDate.Format(time.DateOnly)
	}
	return l
}

// maskedDocument shows the last characters of a number, by which its holder knows it, where that is the smaller part of it.
func maskedDocument(number string) string {
	if len(number) < 3*shownDigits {
		return strings.Repeat("*", len(number))
	}
	return strings.Repeat("*", len(number)-shownDigits) + number[len(number)-shownDigits:]
}

// exportReader reads the results of an export.
type exportReader struct {
	entryReader
	export Export
	// first and last are the days within which learning ended; 0: no limit.
	first, last int32
	// usual is the policy of today at the learner's home, nil if there is none: it names categories, and says how long a learning
	// hour is where no policy decided.
	usual *published
}

// today is the day in the zone of the bank.
func (r exportReader) today() time.Time {
	now := r.bank.config.Now()
	if r.usual != nil {
		return now.In(r.usual.Zone())
	}
	return now.UTC()
}

// results yields what was asked for of the record, read in batches.
func (r exportReader) results(ctx context.Context) export.Results {
	return func(yield func(export.Result, error) bool) {
		batch := make([]*ledgerv1.CompletionItem, 0, exportBatch)
		flush := func() bool {
			results, err := r.read(ctx, batch)
			batch = batch[:0]
			if err != nil {
				yield(export.Result{}, err)
				return false
			}
			for _, result := range results {
				if !yield(result, nil) {
					return false
				}
			}
			return true
		}
		var after entryPlace
		if r.last != 0 {
			after = entryPlace{Day: r.last + 1, Index: 1} // no item is entry 0
		}
		for item, err := range r.newest(ctx, r.export.Account, after) {
			if err != nil {
				yield(export.Result{}, err)
				return
			}
			if r.first != 0 && item.GetEndDay() < r.first {
				break
			}
			if !r.wanted(item) {
				continue
			}
			if batch = append(batch, item); len(batch) == exportBatch && !flush() {
				return
			}
		}
		if len(batch) > 0 {
			flush()
		}
	}
}

func (r exportReader) wanted(item *ledgerv1.CompletionItem) bool {
	c := r.export.Choice
	return (len(c.Categories) == 0 || slices.Contains(c.Categories, item.GetCategory())) &&
		(!c.EarnedOnly || item.GetOutcome() == ledgerv1.Outcome_OUTCOME_AWARDED)
}

// read reads items together.
func (r exportReader) read(ctx context.Context, items []*ledgerv1.CompletionItem) ([]export.Result, error) {
	indexes := make([]uint64, len(items))
	for i, item := range items {
		indexes[i] = item.GetIndex()
	}
	raw, err := r.view.Entries(ctx, indexes...)
	if err != nil {
		return nil, err
	}
	results := make([]export.Result, len(items))
	for i, item := range items {
		e, err := decodedEntry(item.GetIndex(), raw[i])
		if err != nil {
			return nil, err
		}
		if results[i], err = r.result(ctx, item, e); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// result is an item as it stands now. Reasons are only for the formats that have them.
func (r exportReader) result(ctx context.Context, item *ledgerv1.CompletionItem, e *ledgerv1.Entry) (export.Result, error) {
	entry := r.entry(item)
	result := export.Result{
		Index: item.GetIndex(), Kind: export.Completion, Title: entry.Title, Course: entry.Course, Provider: entry.Provider,
		ProviderName: cmp.Or(entry.ProviderName, entry.Provider), Category: item.GetCategory(), CategoryName: r.categoryName(item.GetCategory()),
		To: entry.EndDate, Recorded: entry.Recorded, Outcome: item.GetOutcome(), Minutes: unit.Minutes(item.GetMinutes()),
		Points: unit.Points(item.GetMilliPoints()),
	}
	if c := r.directory.byIndex[item.GetCourse()]; c != nil {
		result.Version, result.Level = c.fact.GetVersion(), int(c.fact.GetLevel())
	}
	for _, lot := range item.GetLots() {
		result.Credits = result.Credits.Add(export.Credits{
			Pending: unit.Credits(lot.GetPending()), Available: unit.Credits(lot.GetAvailable()), Reserved: unit.Credits(lot.GetReserved()),
			Transferred: unit.Credits(lot.GetTransferred()), Expired: unit.Credits(lot.GetExpired()), Reversed: unit.Credits(lot.GetReversed()),
		})
	}
	policy := r.directory.policyOf(policyHashOf(e))
	if policy != nil {
		result.PolicyHash = policyHashOf(e)
	} else {
		policy = r.usual
	}
	if policy != nil {
		result.Hour = unit.Minutes(policy.LearningHour())
	}
	if opening := e.GetOpeningBalanceRecorded(); opening != nil {
		if err := r.explainOpening(ctx, opening, entry.Opening); err != nil {
			return result, err
		}
		result.Kind, result.Title, result.ProviderName = export.OpeningBalance, cmp.Or(entry.Opening.Title, "期初余额"), entry.Opening.Source
		result.SourceRecord = entry.Opening.Record
		return result, nil
	}
	if r.export.Format == export.JSON {
		if err := r.explain(ctx, item, e, &entry); err != nil {
			return result, err
		}
		result.OfficerReason, result.Note = entry.ReasonCode, entry.Note
		for _, reason := range entry.Decision.Reasons {
			result.Reasons = append(result.Reasons, export.Reason{
				Stage: reason.Stage, Rule: reason.Rule, Before: reason.Before, After: reason.After,
			})
		}
	}
	if filed := e.GetClaimFiled(); filed != nil {
		claim, err := r.openClaim(ctx, filed, nil)
		if err != nil {
			return result, err
		}
		result.Kind, result.Title = export.Claim, cmp.Or(claim.Title, claim.Name.ZH, "先前学习认定")
		result.Provider, result.ProviderName, result.From = "", claim.Issuer, claim.From
		return result, nil
	}
	return result, r.said(ctx, e, policy, &result)
}

// said adds what the platform said of a completion. It is sealed: of a person who was forgotten nothing is left of it.
func (r exportReader) said(ctx context.Context, e *ledgerv1.Entry, policy *published, result *export.Result) error {
	opened, err := r.bank.openCompletion(ctx, e.GetCompletionRecorded())
	if err != nil || len(opened.GetStatement()) == 0 {
		return err
	}
	statement, err := decodeStatement(opened.GetStatement())
	if err != nil {
		return fmt.Errorf("api: statement of entry %d: %w", e.GetIndex(), err)
	}
	c := statement.GetCompletion()
	result.Mode, result.Score, result.Passed = c.GetMode(), c.Score, c.Passed
	if sessions := c.GetSessions(); len(sessions) > 0 && policy != nil {
		result.From = sessions[0].GetStartTime().AsTime().In(policy.Zone()).Format(time.DateOnly)
	}
	return nil
}

// categoryName is what people call a category.
func (r exportReader) categoryName(id string) export.Text {
	if r.usual != nil {
		if c, ok := r.usual.Category(id); ok {
			return export.Text{ZH: c.Name.ZH, EN: c.Name.EN}
		}
	}
	return export.Text{ZH: id, EN: id}
}
