package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"iter"
	"slices"
	"sort"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// ClawbackPreview is what a clawback would reverse.
type ClawbackPreview struct {
	Selection    ClawbackSelection
	Organization string
	Totals       ClawbackTotals
	// NotCounting were taken back, refused or given up; Unreachable are of people who were forgotten.
	NotCounting, Unreachable int64
	// TransfersEnded wait for an institution and would end; of TransfersTold, which were accepted, the institution would be told.
	TransfersEnded, TransfersTold int64
	// Accounts are those that would lose most credits.
	Accounts []ClawbackAccount
	// Digest stands for the selection and its totals, in hex.
	Digest string
}

// ClawbackAccount is what a clawback would take from an account.
type ClawbackAccount struct {
	// Number is masked; empty where the person was forgotten meanwhile.
	Number      string
	Completions int64
	Minutes     unit.Minutes
	// Credits would be taken back, also those that are held for a transfer, which ends; Unrecovered are used.
	Credits, Unrecovered unit.Credits
}

// ClawbackProgress is how far a preview is, in entries.
type ClawbackProgress struct {
	Done, Total uint64
	Completions int64
}

// PreviewClawback answers what a clawback would reverse, and reverses nothing: of a selection, or where clawback is not 0, of one
// that was proposed. It tells how far it is now and again; an error of progress ends it.
func (b *Bank) PreviewClawback(
	ctx context.Context, caller access.Caller, s ClawbackSelection, clawback uint64, progress func(ClawbackProgress) error,
) (ClawbackPreview, error) {
	if err := caller.Holds(access.PreviewClawback); err != nil {
		return ClawbackPreview{}, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return ClawbackPreview{}, err
	}
	defer view.Close()
	if clawback == 0 {
		selection, organization, err := b.permitSelection(ctx, caller, access.PreviewClawback, view, d, s)
		if err != nil {
			return ClawbackPreview{}, err
		}
		return b.preview(ctx, view, d, selection, organization, progress)
	}
	if s != (ClawbackSelection{}) {
		return ClawbackPreview{}, invalid(ReasonClawbackSelection, "selection", "give a selection or a clawback, not both")
	}
	row, err := view.State(ctx).Clawback(clawback)
	if err != nil {
		return ClawbackPreview{}, err
	}
	if err := d.permitClawback(caller, access.PreviewClawback, clawback, row); err != nil {
		return ClawbackPreview{}, err
	}
	return b.preview(ctx, view, d, row.GetFact().GetSelection(), row.GetFact().GetOrganization(), progress)
}

// previewAgain previews a clawback that was proposed.
func (b *Bank) previewAgain(ctx context.Context, caller access.Caller, action access.Action, index uint64) (ClawbackPreview, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return ClawbackPreview{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Clawback(index)
	if err != nil {
		return ClawbackPreview{}, err
	}
	if err := d.permitClawback(caller, action, index, row); err != nil {
		return ClawbackPreview{}, err
	}
	if !book.Undecided(row.GetState()) {
		return ClawbackPreview{}, nil // the writer answers what was decided
	}
	return b.preview(ctx, view, d, row.GetFact().GetSelection(), row.GetFact().GetOrganization(), nil)
}

// preview adds up what is selected. It holds no more in memory than a few words for each account.
func (b *Bank) preview(
	ctx context.Context, view ledger.View, d *directory, s *ledgerv1.ClawbackSelection, organization string,
	progress func(ClawbackProgress) error,
) (ClawbackPreview, error) {
	select {
	case b.previews <- struct{}{}:
		defer func() { <-b.previews }()
	default:
		return ClawbackPreview{}, faultf(Busy, ReasonBusy, "", "%d previews are under way, as many as may be; try again when one has ended", previewsAtOnce)
	}
	p := ClawbackPreview{Selection: d.selectionFrom(s), Organization: organization}
	accounts, transfers := make(map[unit.AccountID]*ClawbackAccount), make(map[uint64]bool)
	for found, err := range chosen(ctx, view, s, func(done, total uint64) error {
		if progress == nil {
			return nil
		}
		return progress(ClawbackProgress{Done: done, Total: total, Completions: p.Totals.Completions})
	}) {
		if err != nil {
			return ClawbackPreview{}, err
		}
		if err := b.tallySelected(ctx, found, &p, accounts, transfers); err != nil {
			return ClawbackPreview{}, err
		}
		if p.Totals.Completions > MaxClawback {
			return ClawbackPreview{}, faultf(Precondition, ReasonClawbackSize, "selection",
				"more than %d completions are selected, as many as one clawback takes: choose a shorter period, or a course", MaxClawback)
		}
	}
	p.Totals.Accounts = int64(len(accounts))
	for hold := range transfers {
		row, err := view.State(ctx).Transfer(hold)
		if err != nil {
			return ClawbackPreview{}, err
		}
		if row.GetStatus() == ledgerv1.HoldStatus_HOLD_STATUS_HELD {
			p.TransfersEnded++
		} else {
			p.TransfersTold++
		}
	}
	if err := b.worst(ctx, accounts, &p); err != nil {
		return ClawbackPreview{}, err
	}
	digest := book.ClawbackDigest(s, totalsProto(p.Totals))
	p.Digest = hex.EncodeToString(digest[:])
	return p, nil
}

// tallySelected counts some of the completions, and notes the transfers that stand on them.
func (b *Bank) tallySelected(
	ctx context.Context, found []chosenOne, p *ClawbackPreview, accounts map[unit.AccountID]*ClawbackAccount, transfers map[uint64]bool,
) error {
	ids := make([]unit.AccountID, len(found))
	for i, one := range found {
		ids[i] = one.account
	}
	sealers, err := b.vault.SealersInPassing(ctx, ids)
	if err != nil {
		return err
	}
	t := &p.Totals
	for i, one := range found {
		switch {
		case !book.Reversible(one.item):
			p.NotCounting++
			continue
		case sealers[i] == nil:
			p.Unreachable++
			continue
		}
		a := accounts[one.account]
		if a == nil {
			a = new(ClawbackAccount)
			accounts[one.account] = a
		}
		a.Completions++
		a.Minutes += unit.Minutes(one.item.GetMinutes())
		t.Completions++
		t.Minutes += unit.Minutes(one.item.GetMinutes())
		t.Points += unit.Points(one.item.GetMilliPoints())
		if one.item.GetCasePlusOne() != 0 {
			t.Cases++
		}
		for _, lot := range one.item.GetLots() {
			t.Pending += unit.Credits(lot.GetPending())
			t.Available += unit.Credits(lot.GetAvailable())
			t.Reserved += unit.Credits(lot.GetReserved())
			t.Transferred += unit.Credits(lot.GetTransferred())
			t.Expired += unit.Credits(lot.GetExpired())
			a.Credits += unit.Credits(lot.GetPending() + lot.GetAvailable() + lot.GetReserved())
			a.Unrecovered += unit.Credits(lot.GetTransferred())
			for _, use := range lot.GetUses() {
				transfers[use.GetHold()] = true
			}
		}
	}
	return nil
}

// worst names the accounts that would lose most, masked.
func (b *Bank) worst(ctx context.Context, accounts map[unit.AccountID]*ClawbackAccount, p *ClawbackPreview) error {
	var ids []unit.AccountID
	more := func(x, y unit.AccountID) int {
		a, b := accounts[x], accounts[y]
		return cmp.Or(cmp.Compare(b.Credits, a.Credits), cmp.Compare(b.Unrecovered, a.Unrecovered), cmp.Compare(b.Minutes, a.Minutes), bytes.Compare(x[:], y[:]))
	}
	for id := range accounts {
		i, _ := slices.BinarySearchFunc(ids, id, more)
		if i < clawbackAccounts {
			ids = slices.Insert(ids, i, id)
			ids = ids[:min(len(ids), clawbackAccounts)]
		}
	}
	sealers, err := b.vault.SealersInPassing(ctx, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		a := *accounts[id]
		if sealers[i] != nil {
			person, err := b.vault.Person(ctx, id)
			if err != nil {
				return err
			}
			a.Number = person.Number.Masked()
		}
		p.Accounts = append(p.Accounts, a)
	}
	return nil
}

// chosenOne is a completion of a selection as it stands.
type chosenOne struct {
	account unit.AccountID
	item    *ledgerv1.CompletionItem
}

const (
	// chosenAtOnce is how many completions are handed on at once, and read together.
	chosenAtOnce = 256
	// toldEvery is after how many entries it is told how far the search is.
	toldEvery = 1 << 14
)

// chosen finds the completions of a selection in the order in which they were recorded, some at a time.
func chosen(
	ctx context.Context, view ledger.View, s *ledgerv1.ClawbackSelection, progress func(done, total uint64) error,
) iter.Seq2[[]chosenOne, error] {
	return func(yield func([]chosenOne, error) bool) {
		first, end, err := bounds(ctx, view, s)
		if err != nil {
			yield(nil, err)
			return
		}
		var some []recordedOne
		hand := func() (bool, error) {
			found, err := asTheyStand(ctx, view, s, some)
			some = some[:0]
			if err != nil || len(found) == 0 {
				return true, err
			}
			return yield(found, nil), nil
		}
		told := first
		for one, err := range recordedIn(ctx, view, s, first, end) {
			if err != nil {
				yield(nil, err)
				return
			}
			if one.recorded != nil {
				some = append(some, one)
			}
			more := true
			if len(some) == chosenAtOnce {
				if more, err = hand(); err != nil {
					yield(nil, err)
					return
				}
			}
			if !more {
				return
			}
			if one.index >= told+toldEvery {
				told = one.index
				if err := progress(one.index-first, end-first); err != nil {
					yield(nil, err)
					return
				}
			}
		}
		if _, err := hand(); err != nil {
			yield(nil, err)
		}
	}
}

// recordedOne is an entry of a search: a completion that may be selected, or none.
type recordedOne struct {
	index    uint64
	recorded *ledgerv1.CompletionRecorded
}

// recordedIn goes through the entries among which the completions of a selection are: the feed of the platform where one is said,
// and otherwise all entries since the course was proposed.
func recordedIn(
	ctx context.Context, view ledger.View, s *ledgerv1.ClawbackSelection, first, end uint64,
) iter.Seq2[recordedOne, error] {
	fits := func(index uint64, value []byte) (recordedOne, error) {
		e, err := decodedEntry(index, value)
		if err != nil {
			return recordedOne{}, err
		}
		r := e.GetCompletionRecorded()
		if r == nil || s.GetCourse() != 0 && r.GetCourse() != s.GetCourse() || s.GetFromDay() != 0 && r.GetEndDay() < s.GetFromDay() ||
			s.GetToDay() != 0 && r.GetEndDay() > s.GetToDay() {
			r = nil
		}
		return recordedOne{index, r}, nil
	}
	return func(yield func(recordedOne, error) bool) {
		if s.GetCompletion() != 0 || s.GetOrganization() == 0 {
			for row, err := range view.Scan(ctx, store.Range{Start: book.EntryKey(first), End: book.EntryKey(end)}) {
				if err != nil {
					yield(recordedOne{}, err)
					return
				}
				index, _ := book.ParseUint(row.Key[1:])
				if one, err := fits(index, row.Value); !yield(one, err) || err != nil {
					return
				}
			}
			return
		}
		var indexes []uint64
		read := func() bool {
			values, err := view.Entries(ctx, indexes...)
			if err != nil {
				return yield(recordedOne{}, err)
			}
			for i, value := range values {
				if one, err := fits(indexes[i], value); !yield(one, err) || err != nil {
					return false
				}
			}
			indexes = indexes[:0]
			return true
		}
		for index, err := range feed(ctx, view, s.GetOrganization(), first) {
			if err != nil {
				yield(recordedOne{}, err)
				return
			}
			if index >= end {
				break
			}
			if indexes = append(indexes, index); len(indexes) == chosenAtOnce && !read() {
				return
			}
		}
		if len(indexes) > 0 {
			read()
		}
	}
}

// bounds are the first entry that a completion of a selection can be recorded by, and the entry after the last one.
func bounds(ctx context.Context, view ledger.View, s *ledgerv1.ClawbackSelection) (first, end uint64, err error) {
	end = min(s.GetBefore(), view.Size())
	if s.GetCompletion() != 0 {
		return min(s.GetCompletion(), end), min(s.GetCompletion()+1, end), nil
	}
	// A completion is recorded after its course was proposed, and its learning had ended then, wherever on Earth that was.
	first = max(s.GetCourse(), s.GetOrganization())
	from := s.GetRecordedFrom()
	if day := s.GetFromDay(); day != 0 {
		from = max(from, (int64(day)*secondsPerDay-secondsPerDay)*1_000_000)
	}
	if from > 0 {
		at, err := firstSince(ctx, view, from)
		if err != nil {
			return 0, 0, err
		}
		first = max(first, at)
	}
	if until := s.GetRecordedUntil(); until != 0 {
		at, err := firstSince(ctx, view, until)
		if err != nil {
			return 0, 0, err
		}
		end = min(end, at)
	}
	return min(first, end), end, nil
}

// firstSince is the first entry that was written at a time or later.
func firstSince(ctx context.Context, view ledger.View, micros int64) (index uint64, err error) {
	index = uint64(sort.Search(int(view.Size()), func(i int) bool {
		if err != nil {
			return true
		}
		var e *ledgerv1.Entry
		e, err = entryOf(ctx, view, uint64(i))
		return e.GetTime() >= micros
	}))
	return index, err
}

// asTheyStand reads the completions of some entries, those of them that are selected.
func asTheyStand(ctx context.Context, view ledger.View, s *ledgerv1.ClawbackSelection, some []recordedOne) ([]chosenOne, error) {
	if len(some) == 0 {
		return nil, nil
	}
	keys := make([][]byte, len(some))
	for i, one := range some {
		keys[i] = book.WeekKey(unit.AccountID(one.recorded.GetAccount()), book.WeekOf(one.recorded.GetEndDay()))
	}
	state := view.State(ctx)
	err := state.Prefetch(slices.Values(keys), func(keys [][]byte) ([][]byte, error) { return view.Get(ctx, keys...) })
	if err != nil {
		return nil, err
	}
	found := make([]chosenOne, 0, len(some))
	for _, one := range some {
		ref := &ledgerv1.CompletionRef{Index: one.index, EndDay: one.recorded.GetEndDay()}
		id, item, err := located(state, one.recorded.GetAccount(), ref)
		if err != nil {
			return nil, err
		}
		if book.Selected(s, item) {
			found = append(found, chosenOne{id, item})
		}
	}
	return found, nil
}
