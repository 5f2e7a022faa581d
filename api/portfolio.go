package api

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of a portfolio.
const (
	// MaxPortfolioEntries is how many entries are answered with the totals at most.
	MaxPortfolioEntries = 1000
	maxEntryPage        = 500
	usualEntryPage      = 50
)

// Totals are amounts in every state: what was issued is the sum of those after it.
type Totals struct {
	Minutes                                                              unit.Minutes
	Issued, Pending, Available, Reserved, Transferred, Expired, Reversed unit.Credits
}

func (t *Totals) add(sum *ledgerv1.CategorySum) {
	t.Minutes += unit.Minutes(sum.GetMinutes())
	t.Issued += unit.Credits(sum.GetIssued())
	t.Pending += unit.Credits(sum.GetPending())
	t.Available += unit.Credits(sum.GetAvailable())
	t.Reserved += unit.Credits(sum.GetReserved())
	t.Transferred += unit.Credits(sum.GetTransferred())
	t.Expired += unit.Credits(sum.GetExpired())
	t.Reversed += unit.Credits(sum.GetReversed())
}

// CategoryTotals are the totals of a category.
type CategoryTotals struct {
	Category string
	Name     Text
	Totals   Totals
}

// Text is said in the languages of the pages.
type Text = policy.Text

// Requirement compares a year with what it should contain.
type Requirement struct {
	policy.RequirementStatus
	Words Text
}

// Portfolio is the sum of an account.
type Portfolio struct {
	Account      unit.AccountID
	Totals       Totals
	Categories   []CategoryTotals
	Requirements []Requirement
	Points       PointTotals
	Entries      []PortfolioEntry
	EntryCount   int64
	LogSize      uint64
}

// PointTotals are the reward points of an account. They are no credits.
type PointTotals struct {
	// Points have not lapsed yet; Lapses are the same by the day on which they do, the earliest first.
	Points unit.Points
	Lapses []PointLapse
	// Lapsed are those of which the day has passed.
	Lapsed unit.Points
	// WaitsForVerification: they can be spent only once the account is verified, and it is not.
	WaitsForVerification bool
}

// PointLapse are points that lapse together.
type PointLapse struct {
	// LastDate is the last day on which they can be used, YYYY-MM-DD; empty: they do not lapse.
	LastDate string
	Points   unit.Points
}

// PortfolioEntry is one item of the record: a completion, an opening balance, or a claim.
type PortfolioEntry struct {
	Index         uint64
	Course, Title string
	Provider      string
	ProviderName  string
	Platform      string
	EndDate       string
	Recorded      time.Time
	Decision      *Decision
	// Reserved and Transferred are credits of it that an institution was asked to take over, and has taken over.
	Reserved, Transferred unit.Credits
	// ReasonCode and Note are an officer's, where one decided.
	ReasonCode, Note string
	// Case is the newest case on it, as its learner sees it; nil where there was none, and where no reasons were asked for.
	Case *CaseProgress
	// Opening is where it comes from, where it is an opening balance; nil: it is a completion. It has no course and no
	// platform then, and EndDate is the day on which it was earned.
	Opening *OpeningBalance
	// Merged says that it came over from another account of the same person.
	Merged bool
	// Claim is what is claimed, where it is a claim; nil: it is none. It has no course and no platform then, and Provider is the
	// learner's home.
	Claim *Claim
}

// OpeningBalance is what was earned under another system.
type OpeningBalance struct {
	// Source is the system.
	Source string
	// Record is the name of its record there, Title what it was for. These and what follows are there only where reasons are.
	Record, Title string
	// Import is the entry that proposed it, and who answers for it.
	Import                  uint64
	ProposedBy, ConfirmedBy string
}

// GetPortfolio answers the totals of an account and its newest entries, up to limit.
func (b *Bank) GetPortfolio(ctx context.Context, caller access.Caller, id unit.AccountID, limit int) (*Portfolio, error) {
	if limit < 0 || limit > MaxPortfolioEntries {
		return nil, invalid(ReasonField, "entry_limit", "the limit is %d, 0 to %d are answered", limit, MaxPortfolioEntries)
	}
	if err := b.look(ctx, caller, access.ReadPortfolio, id); err != nil {
		return nil, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	account, err := view.State(ctx).Account(id)
	if err != nil {
		return nil, err
	}
	p := &Portfolio{Account: id, EntryCount: account.GetCompletions() + account.GetOpeningBalances() + account.GetClaims(), LogSize: view.Size()}
	current := d.policyFor(account.GetHome(), b.config.Now())
	p.categories(account, current)
	p.requirements(account, current)
	p.points(account, current, b.config.Now())
	if limit == 0 {
		return p, nil
	}
	reader := entryReader{bank: b, view: view, directory: d, imports: make(map[uint64]*ledgerv1.ImportRow)}
	p.Entries, _, err = reader.page(ctx, id, entryPlace{}, limit, "", false)
	return p, err
}

// categories adds the totals of each category that was studied, in the order of the policy.
func (p *Portfolio) categories(account *ledgerv1.AccountRow, current *published) {
	order := make(map[string]int)
	names := make(map[string]Text)
	if current != nil {
		for i, c := range current.Categories() {
			order[c.ID], names[c.ID] = i+1, c.Name
		}
	}
	for _, sum := range account.GetSums() {
		if sum.GetMinutes() == 0 && sum.GetIssued() == 0 {
			continue // nothing was ever credited in it, or what was went back to another account
		}
		p.Totals.add(sum)
		totals := CategoryTotals{Category: sum.GetCategory(), Name: names[sum.GetCategory()]}
		if totals.Name == (Text{}) {
			totals.Name = Text{ZH: sum.GetCategory(), EN: sum.GetCategory()}
		}
		totals.Totals.add(sum)
		p.Categories = append(p.Categories, totals)
	}
	slices.SortFunc(p.Categories, func(a, b CategoryTotals) int {
		return cmp.Or(cmp.Compare(order[a.Category], order[b.Category]), cmp.Compare(a.Category, b.Category))
	})
}

// requirements compares the years with what the policy of today asks of a year.
func (p *Portfolio) requirements(account *ledgerv1.AccountRow, current *published) {
	if current == nil {
		return
	}
	var years []int
	for _, hours := range account.GetHours() {
		if year := int(hours.GetYear()); !slices.Contains(years, year) {
			years = append(years, year)
		}
	}
	slices.Sort(years)
	for _, year := range slices.Backward(years) {
		minutes := func(category string) unit.Minutes {
			for _, hours := range account.GetHours() {
				if int(hours.GetYear()) == year && hours.GetCategory() == category {
					return unit.Minutes(hours.GetMinutes())
				}
			}
			return 0
		}
		for _, status := range current.Requirements(year, minutes) {
			words := Text{ZH: current.ExplainRequirement(status, "zh"), EN: current.ExplainRequirement(status, "en")}
			p.Requirements = append(p.Requirements, Requirement{RequirementStatus: status, Words: words})
		}
	}
}

// points adds up the reward points, by what the day is in the zone of the policy of today.
func (p *Portfolio) points(account *ledgerv1.AccountRow, current *published, now time.Time) {
	today := int32(now.Unix() / secondsPerDay)
	if current != nil {
		today = int32(current.Day(now))
		p.Points.WaitsForVerification = current.VerifiedToSpend() && account.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL
	}
	for _, sum := range account.GetPoints() {
		day, points := sum.GetLapsesDay(), unit.Points(sum.GetMilliPoints())
		if day != 0 && day <= today {
			p.Points.Lapsed += points
			continue
		}
		lapse := PointLapse{Points: points}
		if day != 0 {
			lapse.LastDate = dayString(day - 1)
		}
		p.Points.Points += points
		p.Points.Lapses = append(p.Points.Lapses, lapse)
	}
	slices.SortFunc(p.Points.Lapses, func(a, b PointLapse) int {
		if (a.LastDate == "") != (b.LastDate == "") { // what never lapses comes last
			return cmp.Compare(len(b.LastDate), len(a.LastDate))
		}
		return cmp.Compare(a.LastDate, b.LastDate)
	})
}

// ListPortfolioEntries answers a page of an account's entries, those that ended last first.
func (b *Bank) ListPortfolioEntries(
	ctx context.Context, caller access.Caller, id unit.AccountID, category string, reasons bool, page Page,
) (entries []PortfolioEntry, next string, err error) {
	size, fault := page.size(usualEntryPage, maxEntryPage)
	if fault != nil {
		return nil, "", fault
	}
	asked := []string{"ListPortfolioEntries", id.String(), category}
	var place entryPlace
	if err := parsePageToken(page.Token, asked, &place); err != nil {
		return nil, "", err
	}
	if err := b.look(ctx, caller, access.ReadPortfolio, id); err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	reader := entryReader{bank: b, view: view, directory: d, imports: make(map[uint64]*ledgerv1.ImportRow)}
	entries, more, err := reader.page(ctx, id, place, size, category, reasons)
	if err != nil || more == nil {
		return entries, "", err
	}
	next, err = pageToken(asked, more)
	return entries, next, err
}

// entryPlace is an entry in the order of a portfolio: by last day, then by index, both downwards. The zero place is the
// beginning.
type entryPlace struct {
	Day   int32
	Index uint64
}

func (p entryPlace) before(item *ledgerv1.CompletionItem) bool {
	return p == entryPlace{} || item.GetEndDay() < p.Day || (item.GetEndDay() == p.Day && item.GetIndex() < p.Index)
}

// entryReader reads portfolio entries of one view.
type entryReader struct {
	bank      *Bank
	view      ledger.View
	directory *directory
	// imports are those that were read.
	imports map[uint64]*ledgerv1.ImportRow
}

// page answers up to size entries after a place, and the place of the last one where there are more.
func (r entryReader) page(
	ctx context.Context, id unit.AccountID, after entryPlace, size int, category string, reasons bool,
) (entries []PortfolioEntry, more *entryPlace, err error) {
	items, full, err := r.items(ctx, id, after, size, category)
	if err != nil || len(items) == 0 {
		return nil, nil, err
	}
	entries = make([]PortfolioEntry, len(items))
	for i, item := range items {
		entries[i] = r.entry(item)
	}
	if reasons {
		if err := r.explainAll(ctx, items, entries); err != nil {
			return nil, nil, err
		}
	}
	if full {
		last := items[len(items)-1]
		more = &entryPlace{last.GetEndDay(), last.GetIndex()}
	}
	return entries, more, nil
}

// items reads up to size items after a place, and whether there are more.
func (r entryReader) items(
	ctx context.Context, id unit.AccountID, after entryPlace, size int, category string,
) (items []*ledgerv1.CompletionItem, more bool, err error) {
	for item, err := range r.newest(ctx, id, after) {
		if err != nil {
			return nil, false, err
		}
		if category != "" && item.GetCategory() != category {
			continue
		}
		if len(items) == size {
			return items, true, nil
		}
		items = append(items, item)
	}
	return items, false, nil
}

// newest yields the items of an account after a place.
func (r entryReader) newest(ctx context.Context, id unit.AccountID, after entryPlace) iter.Seq2[*ledgerv1.CompletionItem, error] {
	weeks := store.Prefix(book.WeeksPrefix(id))
	weeks.Reverse = true
	if after != (entryPlace{}) {
		weeks.End = book.WeekKey(id, book.WeekOf(after.Day)+1)
	}
	return func(yield func(*ledgerv1.CompletionItem, error) bool) {
		for week, err := range weeksShown(ctx, r.view, weeks) {
			if err != nil {
				yield(nil, err)
				return
			}
			slices.SortFunc(week.Items, func(a, b *ledgerv1.CompletionItem) int {
				return cmp.Or(cmp.Compare(b.GetEndDay(), a.GetEndDay()), cmp.Compare(b.GetIndex(), a.GetIndex()))
			})
			for _, item := range week.GetItems() {
				if after.before(item) && !yield(item, nil) {
					return
				}
			}
		}
	}
}

// entry answers an item, out of nothing but the item.
func (r entryReader) entry(item *ledgerv1.CompletionItem) PortfolioEntry {
	entry := PortfolioEntry{
		Index: item.GetIndex(), Platform: r.directory.numbers[item.GetOrganization()], EndDate: dayString(item.GetEndDay()),
		Recorded: timeOf(item.GetTime()), Decision: standingDecision(item, nil), Merged: item.GetMergePlusOne() != 0,
	}
	held := moved(item)
	entry.Reserved, entry.Transferred = held.Reserved, held.Transferred
	if item.GetKind() == ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE {
		entry.Platform, entry.Opening = "", &OpeningBalance{Source: item.GetSource()}
		return entry
	}
	if item.GetKind() == ledgerv1.ItemKind_ITEM_KIND_CLAIM {
		entry.Platform, entry.Provider, entry.Claim = "", entry.Platform, new(Claim)
		entry.ProviderName = r.directory.organizations[entry.Provider].GetFact().GetName()
		return entry
	}
	if c := r.directory.byIndex[item.GetCourse()]; c != nil {
		entry.Course, entry.Title, entry.Provider = c.fact.GetCode(), c.fact.GetTitle(), c.fact.GetProvider()
		entry.ProviderName = r.directory.organizations[entry.Provider].GetFact().GetName()
	}
	return entry
}

// explainAll adds what lies in the entries of the items, which are read together.
func (r entryReader) explainAll(ctx context.Context, items []*ledgerv1.CompletionItem, entries []PortfolioEntry) error {
	indexes := make([]uint64, len(items))
	for i, item := range items {
		indexes[i] = item.GetIndex()
	}
	raw, err := r.view.Entries(ctx, indexes...)
	if err != nil {
		return err
	}
	for i, item := range items {
		e, err := decodedEntry(item.GetIndex(), raw[i])
		if err != nil {
			return err
		}
		if opening := e.GetOpeningBalanceRecorded(); opening != nil {
			err = r.explainOpening(ctx, opening, entries[i].Opening)
		} else {
			err = r.explain(ctx, item, e, &entries[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// explainOpening adds what lies in the entry of an opening balance: who answers for it, and under the seal of the account its
// record.
func (r entryReader) explainOpening(ctx context.Context, recorded *ledgerv1.OpeningBalanceRecorded, opening *OpeningBalance) error {
	opening.Import = recorded.GetOrigin().GetImport()
	row, known := r.imports[opening.Import]
	if !known {
		var err error
		if row, err = r.view.State(ctx).Import(opening.Import); err != nil {
			return err
		}
		r.imports[opening.Import] = row
	}
	opening.ProposedBy, opening.ConfirmedBy = row.GetFact().GetActor().GetOfficer(), row.GetConfirmedBy()
	sealer, err := r.bank.accountSealer(ctx, unit.AccountID(recorded.GetAccount()))
	if err != nil || sealer == nil {
		return err
	}
	said, err := statedOpening(sealer, recorded)
	if err != nil {
		return err
	}
	opening.Record, opening.Title = said.GetSourceRecord(), said.GetTitle()
	return nil
}

// statedOpening opens the row of an opening balance as it was confirmed.
func statedOpening(sealer *vault.Sealer, recorded *ledgerv1.OpeningBalanceRecorded) (*ledgerv1.OpeningBalanceRow, error) {
	sealed, said := new(ledgerv1.SealedOpeningBalance), new(ledgerv1.OpeningBalanceRow)
	if err := unseal(sealer, "OpeningBalanceRecorded", recorded.GetOrigin().GetSourceId(), recorded.GetSealed(), sealed); err != nil {
		return nil, err
	}
	if err := said.UnmarshalVT(sealed.GetRow()); err != nil {
		return nil, fmt.Errorf("%w: the row of an opening balance: %v", ledger.ErrDamaged, err)
	}
	return said, nil
}

// explain adds what lies in the entry of an item: causes, policy, and under the seal of the account the reasons.
func (r entryReader) explain(
	ctx context.Context, item *ledgerv1.CompletionItem, e *ledgerv1.Entry, entry *PortfolioEntry,
) error {
	entry.Decision = standingDecision(item, e.GetCompletionRecorded())
	if claim := e.GetClaimFiled(); claim != nil {
		row, err := r.view.State(ctx).Case(item.GetIndex())
		if err != nil {
			return err
		}
		if entry.Claim, err = r.openClaim(ctx, claim, row); err != nil {
			return err
		}
		entry.Decision.Causes, entry.Decision.PolicyHash = claim.GetCauses(), claim.GetPolicyHash()
	} else {
		opened, err := r.bank.openCompletion(ctx, e.GetCompletionRecorded())
		if err != nil {
			return err
		}
		entry.Decision.Reasons = reasonsFrom(opened.GetReasons())
	}
	entry.Decision.policy = r.directory.policyOf(policyHashOf(e))
	// The newest decision has the officer's words, and the newest that worked numbers out anew has the reasons.
	worked := false
	for _, index := range slices.Backward(item.GetEffectsIn()) {
		if worked && index+1 < item.GetDecidedPlusOne() {
			break
		}
		decided, err := r.openDecision(ctx, index, item, e)
		if err != nil {
			return err
		}
		if index+1 == item.GetDecidedPlusOne() {
			entry.ReasonCode, entry.Note = decided.GetReasonCode(), decided.GetNote()
		}
		if !worked && len(decided.GetReasons()) > 0 {
			entry.Decision.Reasons, worked = reasonsFrom(decided.GetReasons()), true
		}
	}
	entry.Decision.end(entry.Claim != nil)
	if item.GetLastCasePlusOne() == 0 {
		return nil
	}
	var err error
	if entry.Case, err = r.progress(ctx, item.GetLastCasePlusOne()-1); err != nil || entry.Decision.policy == nil || entry.Case == nil {
		return err
	}
	rule := r.directory.workflow(policyHashOf(e), entry.Case.risk, entry.Case.Causes)
	entry.Case.Words = entry.Decision.policy.WorkflowWords(rule.ID)
	return nil
}

// openDecision unseals an officer's decision on an item. It is empty when the entry is none, or the person was forgotten.
func (r entryReader) openDecision(
	ctx context.Context, index uint64, item *ledgerv1.CompletionItem, recorded *ledgerv1.Entry,
) (*ledgerv1.SealedDecision, error) {
	opened := new(ledgerv1.SealedDecision)
	e, err := entryOf(ctx, r.view, index)
	if err != nil {
		return nil, err
	}
	if reversed := e.GetCreditsReversed(); reversed != nil {
		clawback, err := r.view.State(ctx).Clawback(reversed.GetClawback())
		opened.ReasonCode, opened.Note = clawback.GetFact().GetReasonCode(), clawback.GetFact().GetReason()
		return opened, err
	}
	sealed, about, account := e.GetCreditsAwarded().GetSealed(), e.GetCreditsAwarded().GetCompletion(), e.GetCreditsAwarded().GetAccount()
	if step := e.GetCaseStepTaken(); step != nil {
		sealed, about, account = step.GetSealed(), step.GetCompletion(), step.GetAccount()
	}
	if moved := e.GetItemMoved(); moved != nil {
		sealed, about, account = moved.GetSealed(), moved.GetItem(), moved.GetInto()
	}
	if about.GetIndex() != item.GetIndex() || len(sealed) == 0 {
		return opened, nil
	}
	sealer, err := r.bank.accountSealer(ctx, unit.AccountID(account))
	if err != nil || sealer == nil {
		return opened, err
	}
	statement := statementOf(recorded)
	return opened, unseal(sealer, book.Fact(e), statement[:], sealed, opened)
}
