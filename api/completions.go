package api

import (
	"cmp"
	"context"
	"encoding/binary"
	"iter"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of the lists of a platform.
const (
	maxPostedPage   = 1000
	usualPostedPage = 100
	// maxPostedLooked is how many entries are looked at for one page: most may have been overtaken by later ones.
	maxPostedLooked = 10_000
	// rejectsKeptFor is for how long they are shown.
	rejectsKeptFor = 90 * 24 * time.Hour
)

// Posted is a statement of a platform and what became of it.
type Posted struct {
	Statement unit.StatementID
	Index     uint64
	// Changed is the last entry that changed what became of it.
	Changed  uint64
	Recorded time.Time
	Decision *Decision
	// Case is the id of the case that an officer decides on it; HasCase says whether there is one.
	Case    uint64
	HasCase bool
}

// GetCompletion answers what became of a statement of the calling platform.
func (b *Bank) GetCompletion(ctx context.Context, caller access.Caller, id unit.StatementID, reasons bool) (Posted, error) {
	if err := caller.Holds(access.ReadCompletions); err != nil {
		return Posted{}, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return Posted{}, err
	}
	defer view.Close()
	index, ok, err := view.State(ctx).Statement(d.organizations[caller.Organization].GetIndex(), id)
	if err != nil {
		return Posted{}, err
	}
	var recorded *ledgerv1.Entry
	if ok {
		if recorded, err = entryOf(ctx, view, index); err != nil {
			return Posted{}, err
		}
	}
	if recorded.GetCompletionRecorded() == nil {
		return Posted{}, faultf(NotFound, ReasonUnknownStatement, "statement_id", "the organization has no completion by this id on the ledger")
	}
	return b.posted(ctx, view, d, recorded, reasons)
}

// posted answers a completion as it stands, from the entry that recorded it.
func (b *Bank) posted(ctx context.Context, view ledger.View, d *directory, e *ledgerv1.Entry, reasons bool) (Posted, error) {
	recorded := e.GetCompletionRecorded()
	ref := &ledgerv1.CompletionRef{Index: e.GetIndex(), EndDay: recorded.GetEndDay()}
	_, item, err := located(view.State(ctx), recorded.GetAccount(), ref)
	if err != nil {
		return Posted{}, err
	}
	p := Posted{
		Statement: unit.StatementID(recorded.GetOrigin().GetStatementId()), Index: e.GetIndex(), Changed: item.GetChangedIndex(),
		Recorded: timeOf(e.GetTime()), Decision: standingDecision(item, recorded),
		Case: max(item.GetCasePlusOne(), 1) - 1, HasCase: item.GetCasePlusOne() != 0,
	}
	// Whom a learner lets credits be taken over by is not the platform's business.
	held := moved(item)
	p.Decision.Available += held.Reserved + held.Transferred
	if !reasons {
		p.Decision.withoutPoints()
		return p, nil
	}
	entry := PortfolioEntry{}
	reader := entryReader{bank: b, view: view, directory: d}
	if err := reader.explain(ctx, item, e, &entry); err != nil {
		return Posted{}, err
	}
	p.Decision = entry.Decision
	p.Decision.Available += held.Reserved + held.Transferred
	p.Decision.withoutPoints()
	return p, nil
}

// feed yields the indexes of the entries that concern an organization, from an index on.
func feed(ctx context.Context, view ledger.View, organization, since uint64) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		r := store.Prefix(book.FeedKey(organization, 0)[:9])
		r.Start = book.FeedKey(organization, since>>8)
		for row, err := range view.Scan(ctx, r) {
			if err != nil {
				yield(0, err)
				return
			}
			first := binary.BigEndian.Uint64(row.Key[len(row.Key)-8:]) << 8
			for bit := range uint64(len(row.Value) * 8) {
				index := first + bit
				if row.Value[bit>>3]&(1<<(bit&7)) != 0 && index >= since && !yield(index, nil) {
					return
				}
			}
		}
	}
}

// ListCompletions answers a page of what the calling platform posted, in the order in which it was recorded or last
// changed, from the entry since on. The last answer is what to ask for next time, to hear what happens afterwards.
func (b *Bank) ListCompletions(
	ctx context.Context, caller access.Caller, since uint64, page Page,
) (completions []Posted, next string, nextSince uint64, err error) {
	fail := func(err error) ([]Posted, string, uint64, error) { return nil, "", 0, err }
	if err := caller.Holds(access.ReadCompletions); err != nil {
		return fail(err)
	}
	size, fault := page.size(usualPostedPage, maxPostedPage)
	if fault != nil {
		return fail(fault)
	}
	asked := []any{"ListCompletions", caller.Organization, since}
	from := postedPlace{Index: since}
	if err := parsePageToken(page.Token, asked, &from); err != nil {
		return fail(err)
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return fail(err)
	}
	defer view.Close()
	looked := 0
	for index, err := range feed(ctx, view, d.organizations[caller.Organization].GetIndex(), from.Index) {
		if err != nil {
			return fail(err)
		}
		if len(completions) == size || looked == maxPostedLooked {
			next, err = pageToken(asked, postedPlace{Index: index})
			return completions, next, index, err
		}
		looked++
		changed, err := b.changedBy(ctx, view, d, caller.Organization, index)
		if err != nil {
			return fail(err)
		}
		for _, p := range changed {
			if index == from.Index && p.Index <= from.After {
				continue
			}
			if len(completions) == size {
				next, err = pageToken(asked, postedPlace{Index: index, After: completions[size-1].Index})
				return completions, next, index, err
			}
			completions = append(completions, p)
		}
	}
	return completions, "", view.Size(), nil
}

// postedPlace is where a page of the feed begins: at an entry or, where that changed several completions, after one of
// them.
type postedPlace struct{ Index, After uint64 }

// changedBy answers the completions of an organization that an entry changed last, in the order of their entries.
func (b *Bank) changedBy(
	ctx context.Context, view ledger.View, d *directory, organization string, index uint64,
) ([]Posted, error) {
	e, err := entryOf(ctx, view, index)
	if err != nil {
		return nil, err
	}
	var posted []Posted
	for _, completion := range completionsOf(e) {
		recorded, err := entryOf(ctx, view, completion)
		if err != nil {
			return nil, err
		}
		if recorded.GetCompletionRecorded().GetOrigin().GetOrganization() != organization {
			continue
		}
		p, err := b.posted(ctx, view, d, recorded, false)
		if err != nil {
			return nil, err
		}
		if p.Changed == index {
			posted = append(posted, p)
		}
	}
	slices.SortFunc(posted, func(a, b Posted) int { return cmp.Compare(a.Index, b.Index) })
	return posted, nil
}

// completionsOf answers the entries of the completions that an entry is about.
func completionsOf(e *ledgerv1.Entry) []uint64 {
	var all []uint64
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		all = append(all, e.GetIndex())
	case *ledgerv1.Entry_CompletionVoided:
		all = append(all, fact.CompletionVoided.GetCompletion().GetIndex())
	case *ledgerv1.Entry_CreditsAwarded:
		all = append(all, fact.CreditsAwarded.GetCompletion().GetIndex())
	case *ledgerv1.Entry_CaseStepTaken:
		all = append(all, fact.CaseStepTaken.GetCompletion().GetIndex())
	case *ledgerv1.Entry_CaseOpened:
		all = append(all, fact.CaseOpened.GetCompletion().GetIndex())
	case *ledgerv1.Entry_ItemMoved:
		all = append(all, fact.ItemMoved.GetItem().GetIndex())
	case *ledgerv1.Entry_ItemReturned:
		all = append(all, fact.ItemReturned.GetItem().GetIndex())
	case *ledgerv1.Entry_CreditsReversed:
		all = append(all, fact.CreditsReversed.GetCompletion().GetIndex())
	case *ledgerv1.Entry_CompletionHeld:
		all = append(all, fact.CompletionHeld.GetCompletion().GetIndex())
	}
	for _, change := range effectsOf(e).GetLotChanges() {
		if index := change.GetCompletion().GetIndex(); len(all) == 0 || all[len(all)-1] != index {
			all = append(all, index)
		}
	}
	return all
}

// Reject is a statement that was not recorded.
type Reject struct {
	Time time.Time
	// Statement is the zero id where it had none.
	Statement unit.StatementID
	Hash      []byte
	Reason    Reason
	Field     string
	Message   string
}

// ListRejects answers a page of the statements of an organization that were rejected in the last 90 days, newest first.
// An empty organization is the caller's.
func (b *Bank) ListRejects(
	ctx context.Context, caller access.Caller, organization string, page Page,
) (rejects []Reject, next string, err error) {
	if organization == "" {
		organization = caller.Organization
	}
	list, err := page.newestFirst(usualPostedPage, maxPostedPage, []string{"ListRejects", organization})
	if err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	if err := caller.Check(access.ReadRejects, access.Subject{Organization: organization}, d); err != nil {
		return nil, "", err
	}
	number := d.organizations[organization].GetIndex()
	newest, oldest, err := rejectBounds(ctx, view, number)
	if err != nil {
		return nil, "", err
	}
	before := newest
	if list.before != 0 {
		before = min(before, list.before)
	}
	horizon := b.config.Now().Add(-rejectsKeptFor).UnixMicro()
	for n := before; n > oldest; n-- {
		row, err := readReject(ctx, view, number, n-1)
		if err != nil {
			return nil, "", err
		}
		if row.GetTime() < horizon {
			break
		}
		if len(rejects) == list.size {
			next, err = list.next(n)
			return rejects, next, err
		}
		reject := Reject{
			Time: timeOf(row.GetTime()), Hash: row.GetStatementHash(),
			Reason: Reason(row.GetReason()), Field: row.GetField(), Message: row.GetMessage(),
		}
		copy(reject.Statement[:], row.GetStatementId())
		rejects = append(rejects, reject)
	}
	return rejects, "", nil
}

// rejectBounds answers which rejects of an organization are in its ring: [oldest, newest).
func rejectBounds(ctx context.Context, view ledger.View, organization uint64) (newest, oldest uint64, err error) {
	values, err := view.Get(ctx, book.RejectCountKey(organization))
	if err != nil {
		return 0, 0, err
	}
	newest, _ = book.ParseUint(values[0])
	if newest > book.RejectSlots {
		oldest = newest - book.RejectSlots
	}
	return newest, oldest, nil
}

func readReject(ctx context.Context, view ledger.View, organization, n uint64) (*ledgerv1.RejectRow, error) {
	values, err := view.Get(ctx, book.RejectKey(organization, uint32(n%book.RejectSlots)))
	if err != nil {
		return nil, err
	}
	row := new(ledgerv1.RejectRow)
	return row, row.UnmarshalVT(values[0])
}
