package api

import (
	"context"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// imaginedAtOnce is how many merges are previewed at once; others wait.
const imaginedAtOnce = 2

// MergePreview is what a merge would do now.
type MergePreview struct {
	FromBefore, IntoBefore, IntoAfter Totals
	PointsBefore, PointsAfter         unit.Points
	// Items would come over, OpenCases with them; Cases would be opened.
	Items, OpenCases, Cases int64
	// Duplicates are completions on either account that count now and would not.
	Duplicates int64
	// SameName and SameBirthDate compare the two in the vault.
	SameName, SameBirthDate bool
}

// imagined is a rehearsal on a view: it sees all that is there, and keeps nothing.
type imagined struct {
	*rehearsal
	ctx  context.Context
	view ledger.View
}

// Weeks implements scribe.
func (i imagined) Weeks(id unit.AccountID) ([]int32, error) {
	var keys [][]byte
	for row, err := range i.view.Scan(i.ctx, store.Prefix(book.WeeksPrefix(id))) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, append([]byte(nil), row.Key...))
	}
	return i.State.Weeks(id, keys), nil
}

// previewMerge merges two accounts in the mind, outside the writer.
func (b *Bank) previewMerge(ctx context.Context, view ledger.View, d *directory, m Merge) (*MergePreview, error) {
	select { // usually it takes a moment; of accounts with very long records it takes memory and time
	case b.imagining <- struct{}{}:
		defer func() { <-b.imagining }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	mind := imagined{&rehearsal{
		State: view.State(ctx), now: b.config.Now().UnixMicro(), next: view.Size(), entries: make(map[uint64]*ledgerv1.Entry),
		below: func(index uint64) (*ledgerv1.Entry, error) { return entryOf(ctx, view, index) },
	}, ctx, view}
	p := new(MergePreview)
	if err := b.compare(ctx, m, p); err != nil {
		return nil, err
	}
	for _, id := range []unit.AccountID{m.From, m.Into} {
		account, err := mind.Account(id)
		if err != nil {
			return nil, err
		}
		if fault := checkOpen(account); fault != nil {
			return nil, fault
		}
		if err := b.settle(ctx, mind, d, id); err != nil {
			return nil, err
		}
	}
	if err := nothingWaits(mind, m.From, m.Into); err != nil {
		return nil, err
	}
	before, err := outcomes(mind, m.From, m.Into)
	if err != nil {
		return nil, err
	}
	from, err := mind.Account(m.From)
	if err != nil {
		return nil, err
	}
	p.FromBefore, p.PointsBefore = totalsOf(from), pointsOf(from)
	p.Items = from.GetCompletions() + from.GetOpeningBalances() + from.GetClaims()
	into, err := mind.Account(m.Into)
	if err != nil {
		return nil, err
	}
	p.IntoBefore, p.PointsBefore = totalsOf(into), p.PointsBefore+pointsOf(into)
	open, err := itemsOf(mind, m.From, func(item *ledgerv1.CompletionItem) bool { return item.GetCasePlusOne() != 0 })
	if err != nil {
		return nil, err
	}
	p.OpenCases = int64(len(open))
	if err := b.imagine(ctx, mind, d, m, p.Items); err != nil {
		return nil, err
	}
	if into, err = mind.Account(m.Into); err != nil {
		return nil, err
	}
	p.IntoAfter, p.PointsAfter = totalsOf(into), pointsOf(into)
	after, err := outcomes(mind, m.Into)
	if err != nil {
		return nil, err
	}
	for index, outcome := range after {
		if outcome == ledgerv1.Outcome_OUTCOME_DUPLICATE && before[index] != outcome {
			p.Duplicates++
		}
	}
	for _, e := range mind.entries {
		if len(e.GetItemMoved().GetCauses()) > 0 {
			p.Cases++
		}
	}
	return p, nil
}

// imagine takes the steps that are missing, and all that follow.
func (b *Bank) imagine(ctx context.Context, mind imagined, d *directory, m Merge, items int64) error {
	if m.Status == ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED {
		if _, err := mind.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeStepTaken{AccountMergeStepTaken: &ledgerv1.AccountMergeStepTaken{
			Merge: m.ID, Step: ledgerv1.MergeStep_MERGE_STEP_REVIEWED,
		}}}); err != nil {
			return err
		}
	}
	if _, err := mind.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsMerged{AccountsMerged: &ledgerv1.AccountsMerged{
		Merge: m.ID, From: m.From[:], Into: m.Into[:], Items: items,
	}}}); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := b.goOn(ctx, mind, d, m.ID)
		if err != nil || done {
			return err
		}
	}
}

// compare says in which of the two the vault has the same.
func (b *Bank) compare(ctx context.Context, m Merge, p *MergePreview) error {
	from, err := b.vault.Person(ctx, m.From)
	if err != nil {
		return err
	}
	into, err := b.vault.Person(ctx, m.Into)
	if err != nil {
		return err
	}
	p.SameName = from.Name == into.Name
	p.SameBirthDate = !from.BirthDate.IsZero() && from.BirthDate.Equal(into.BirthDate)
	return nil
}

func totalsOf(account *ledgerv1.AccountRow) (t Totals) {
	for _, sum := range account.GetSums() {
		t.add(sum)
	}
	return t
}

func pointsOf(account *ledgerv1.AccountRow) (points unit.Points) {
	for _, p := range account.GetPoints() {
		points += unit.Points(p.GetMilliPoints())
	}
	return points
}

// outcomes are those of all items of accounts, by index.
func outcomes(tx scribe, ids ...unit.AccountID) (map[uint64]ledgerv1.Outcome, error) {
	all := make(map[uint64]ledgerv1.Outcome)
	for _, id := range ids {
		items, err := itemsOf(tx, id, func(*ledgerv1.CompletionItem) bool { return true })
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			all[item.GetIndex()] = item.GetOutcome()
		}
	}
	return all, nil
}
