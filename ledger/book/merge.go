package book

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// An account that became part of another one keeps its rows as they were then: nothing of them counts any more, and undoing the
// merge gives back exactly that. What counts is what its items brought to the account that goes on, an entry for each.

// mergeChanged applies what happens to a merge of two accounts.
func (s *State) mergeChanged(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AccountMergeProposed:
		return s.mergeProposed(e, fact.AccountMergeProposed)
	case *ledgerv1.Entry_AccountMergeStepTaken:
		return s.mergeStepTaken(e, fact.AccountMergeStepTaken)
	case *ledgerv1.Entry_AccountsMerged:
		return s.accountsMerged(e, fact.AccountsMerged)
	case *ledgerv1.Entry_ItemMoved:
		return s.itemMoved(e, fact.ItemMoved)
	case *ledgerv1.Entry_AccountsUnmerged:
		return s.accountsUnmerged(e, fact.AccountsUnmerged)
	case *ledgerv1.Entry_ItemReturned:
		return s.itemReturned(e, fact.ItemReturned)
	default:
		return fmt.Errorf("%w: this is no merge", ErrInconsistent)
	}
}

func (s *State) mergeProposed(e *ledgerv1.Entry, fact *ledgerv1.AccountMergeProposed) error {
	_, from, err := s.account(fact.GetFrom())
	if err != nil {
		return err
	}
	_, into, err := s.account(fact.GetInto())
	if err != nil {
		return err
	}
	if bytes.Equal(fact.GetFrom(), fact.GetInto()) {
		return fmt.Errorf("%w: an account is not merged with itself", ErrInconsistent)
	}
	row, err := create[ledgerv1.MergeRow](s, MergeKey(e.GetIndex()), "the merge")
	if err != nil {
		return err
	}
	row.Time, row.Status, row.ChangedIndex = e.GetTime(), ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED, e.GetIndex()
	row.ReasonCode = fact.GetReasonCode()
	row.Fact = &ledgerv1.AccountMergeProposed{
		Actor: fact.GetActor(), From: fact.GetFrom(), Into: fact.GetInto(), ReasonCode: fact.GetReasonCode(),
	}
	from.MergePlusOne, into.MergePlusOne = e.GetIndex()+1, e.GetIndex()+1
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// merge answers a merge that stands in one of these states, to be changed.
func (s *State) merge(index uint64, in ...ledgerv1.MergeStatus) (*ledgerv1.MergeRow, error) {
	row, err := must[ledgerv1.MergeRow](s, MergeKey(index), "such merge")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(in, row.GetStatus()) {
		return nil, fmt.Errorf("%w: merge %d stands at %d, from where this does not lead on", ErrInconsistent, index, row.GetStatus())
	}
	return row, nil
}

func (s *State) mergeStepTaken(e *ledgerv1.Entry, fact *ledgerv1.AccountMergeStepTaken) error {
	const (
		proposed = ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED
		reviewed = ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED
		merged   = ledgerv1.MergeStatus_MERGE_STATUS_MERGED
		undoing  = ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED
	)
	var row *ledgerv1.MergeRow
	var err error
	officer := fact.GetActor().GetOfficer()
	switch fact.GetStep() {
	case ledgerv1.MergeStep_MERGE_STEP_REVIEWED:
		if row, err = s.merge(fact.GetMerge(), proposed); err == nil {
			row.Status, row.ReviewedBy = reviewed, officer
		}
	case ledgerv1.MergeStep_MERGE_STEP_REFUSED:
		if row, err = s.merge(fact.GetMerge(), proposed, reviewed); err == nil {
			row.Status, row.RefusedBy = ledgerv1.MergeStatus_MERGE_STATUS_REFUSED, officer
		}
	case ledgerv1.MergeStep_MERGE_STEP_UNDO_PROPOSED:
		if row, err = s.merge(fact.GetMerge(), merged); err == nil {
			row.Status, row.UndoProposedBy = undoing, officer
		}
	case ledgerv1.MergeStep_MERGE_STEP_UNDO_REFUSED:
		if row, err = s.merge(fact.GetMerge(), undoing); err == nil {
			row.Status, row.UndoProposedBy = merged, ""
		}
	default:
		return fmt.Errorf("%w: step %d of a merge is not known", ErrInconsistent, fact.GetStep())
	}
	if err != nil {
		return err
	}
	row.ChangedIndex, row.ReasonCode = e.GetIndex(), fact.GetReasonCode()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// meeting is a merge with its two accounts, to be changed.
type meeting struct {
	row            *ledgerv1.MergeRow
	fromID, intoID unit.AccountID
	from, into     *ledgerv1.AccountRow
}

// meet answers the two accounts of a merge, which are those that an entry names.
func (s *State) meet(row *ledgerv1.MergeRow, from, into []byte) (m meeting, err error) {
	if !bytes.Equal(row.GetFact().GetFrom(), from) || !bytes.Equal(row.GetFact().GetInto(), into) {
		return m, fmt.Errorf("%w: the merge is of other accounts", ErrInconsistent)
	}
	m.row = row
	if m.fromID, m.from, err = s.account(from); err != nil {
		return m, err
	}
	m.intoID, m.into, err = s.account(into)
	return m, err
}

func (s *State) accountsMerged(e *ledgerv1.Entry, fact *ledgerv1.AccountsMerged) error {
	row, err := s.merge(fact.GetMerge(), ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED)
	if err != nil {
		return err
	}
	m, err := s.meet(row, fact.GetFrom(), fact.GetInto())
	if err != nil {
		return err
	}
	const merged = ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED
	items := m.from.GetCompletions() + m.from.GetOpeningBalances() + m.from.GetClaims()
	switch {
	case m.from.GetStatus() == merged || m.into.GetStatus() == merged || m.from.GetMoving() || m.into.GetMoving():
		return fmt.Errorf("%w: one of the accounts is part of another, or on its way", ErrInconsistent)
	case len(m.from.GetHolds()) > 0:
		return fmt.Errorf("%w: %d holds of the account have not ended", ErrInconsistent, len(m.from.GetHolds()))
	case fact.GetItems() != items:
		return fmt.Errorf("%w: the account has %d items, not %d", ErrInconsistent, items, fact.GetItems())
	}
	row.StatusBefore, row.MergedBy, row.MergedPlusOne = m.from.GetStatus(), fact.GetActor().GetOfficer(), e.GetIndex()+1
	row.Items, row.Left, row.ThroughPlusOne, row.ChangedIndex = items, items, 0, e.GetIndex()
	row.Status = ledgerv1.MergeStatus_MERGE_STATUS_MOVING
	m.from.Status, m.from.MergedInto = merged, fact.GetInto()
	if err := s.bringTransfers(m); err != nil {
		return err
	}
	m.arrive()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) accountsUnmerged(e *ledgerv1.Entry, fact *ledgerv1.AccountsUnmerged) error {
	row, err := s.merge(fact.GetMerge(), ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED)
	if err != nil {
		return err
	}
	m, err := s.meet(row, fact.GetFrom(), fact.GetInto())
	if err != nil {
		return err
	}
	if !bytes.Equal(m.from.GetMergedInto(), fact.GetInto()) || m.into.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED || m.into.GetMoving() {
		return fmt.Errorf("%w: the account is no part of the other one, or that one has gone on", ErrInconsistent)
	}
	row.UndoneBy, row.Left, row.ChangedIndex = fact.GetActor().GetOfficer(), row.GetItems(), e.GetIndex()
	row.Status = ledgerv1.MergeStatus_MERGE_STATUS_RETURNING
	m.from.Status, m.from.MergedInto = row.GetStatusBefore(), nil
	if err := s.takeTransfers(m); err != nil {
		return err
	}
	m.arrive()
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// arrive says whether items are still on their way.
func (m meeting) arrive() {
	moving := m.row.GetLeft() > 0
	m.into.Moving = moving
	if m.row.GetStatus() == ledgerv1.MergeStatus_MERGE_STATUS_MOVING {
		if !moving {
			m.row.Status = ledgerv1.MergeStatus_MERGE_STATUS_MERGED
		}
		return
	}
	m.from.Moving = moving // its cases are not all its own yet
	if !moving {
		m.row.Status = ledgerv1.MergeStatus_MERGE_STATUS_UNDONE
	}
}

func (s *State) itemMoved(e *ledgerv1.Entry, fact *ledgerv1.ItemMoved) error {
	row, err := s.merge(fact.GetMerge(), ledgerv1.MergeStatus_MERGE_STATUS_MOVING)
	if err != nil {
		return err
	}
	m, err := s.meet(row, fact.GetFrom(), fact.GetInto())
	if err != nil {
		return err
	}
	old, err := s.Completion(m.fromID, fact.GetItem())
	if err != nil {
		return err
	}
	if old == nil || old.GetIndex() < row.GetThroughPlusOne() {
		return fmt.Errorf("%w: item %d is none of the account, or has come over", ErrInconsistent, fact.GetItem().GetIndex())
	}
	if old.GetHeldPlusOne() != 0 {
		return fmt.Errorf("%w: clawback %d holds item %d", ErrInconsistent, old.GetHeldPlusOne()-1, old.GetIndex())
	}
	item := &ledgerv1.CompletionItem{
		Index: old.GetIndex(), Time: old.GetTime(), Organization: old.GetOrganization(), Course: old.GetCourse(), Category: old.GetCategory(),
		EndDay: old.GetEndDay(), Kind: old.GetKind(), Source: old.GetSource(), CasePlusOne: old.GetCasePlusOne(),
		LastCasePlusOne: old.GetLastCasePlusOne(), DecidedPlusOne: old.GetDecidedPlusOne(), EffectsIn: slices.Clone(old.GetEffectsIn()),
		MovedPlusOne: e.GetIndex() + 1, MergePlusOne: fact.GetMerge() + 1, ClawbackPlusOne: old.GetClawbackPlusOne(),
	}
	if err := s.putItem(m.intoID, m.into, item); err != nil {
		return err
	}
	if item.GetLastCasePlusOne() != 0 {
		if err := s.handCase(item.GetLastCasePlusOne()-1, m.from, m.into, fact.GetInto()); err != nil {
			return err
		}
	}
	if len(fact.GetCauses()) > 0 {
		if item.GetCasePlusOne() != 0 || item.GetKind() != ledgerv1.ItemKind_ITEM_KIND_UNSPECIFIED {
			return fmt.Errorf("%w: item %d has an open case, or is no completion", ErrInconsistent, item.GetIndex())
		}
		err := s.openCase(e, item, fact.GetInto(), fact.GetItem(), opened{causes: fact.GetCauses(), risk: fact.GetRisk(), due: fact.GetDue()})
		if err != nil {
			return err
		}
	}
	row.Left--
	row.ThroughPlusOne, row.ChangedIndex = item.GetIndex()+1, e.GetIndex()
	m.arrive()
	if err := s.changeCompletion(e, m.intoID, m.into, item, fact.GetOutcome(), fact.GetEffects()); err != nil {
		return err
	}
	return bringUses(old, item)
}

// putItem puts an item that was recorded elsewhere among those of an account.
func (s *State) putItem(id unit.AccountID, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem) error {
	number := WeekOf(item.GetEndDay())
	week, err := edit[ledgerv1.WeekRow](s, WeekKey(id, number))
	if err != nil {
		return err
	}
	SpanWeek(account, number)
	i, found := slices.BinarySearchFunc(week.GetItems(), item.GetIndex(), func(x *ledgerv1.CompletionItem, index uint64) int {
		return compare(x.GetIndex(), index)
	})
	if found {
		return fmt.Errorf("%w: item %d is there already", ErrInconsistent, item.GetIndex())
	}
	week.Items = slices.Insert(week.Items, i, item)
	countItem(account, item, 1)
	return nil
}

func countItem(account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem, n int64) {
	switch item.GetKind() {
	case ledgerv1.ItemKind_ITEM_KIND_OPENING_BALANCE:
		account.OpeningBalances += n
	case ledgerv1.ItemKind_ITEM_KIND_CLAIM:
		account.Claims += n
	default:
		account.Completions += n
	}
}

// handCase has a case go from one account to another with its item.
func (s *State) handCase(index uint64, from, to *ledgerv1.AccountRow, account []byte) error {
	row, err := must[ledgerv1.CaseRow](s, CaseKey(index), "such case")
	if err != nil {
		return err
	}
	row.Account = account
	listed := func(d *ledgerv1.CaseDeadline) bool { return d.GetCase() == index }
	if i := slices.IndexFunc(from.GetDeadlines(), listed); i >= 0 {
		to.Deadlines = append(to.Deadlines, from.Deadlines[i])
		slices.SortFunc(to.Deadlines, func(a, b *ledgerv1.CaseDeadline) int { return compare(a.GetCase(), b.GetCase()) })
		from.Deadlines = slices.Delete(from.Deadlines, i, i+1)
	}
	return nil
}

func (s *State) itemReturned(e *ledgerv1.Entry, fact *ledgerv1.ItemReturned) error {
	row, err := s.merge(fact.GetMerge(), ledgerv1.MergeStatus_MERGE_STATUS_RETURNING)
	if err != nil {
		return err
	}
	m, err := s.meet(row, fact.GetFrom(), fact.GetInto())
	if err != nil {
		return err
	}
	item, err := s.completion(m.intoID, fact.GetItem())
	if err != nil {
		return err
	}
	old, err := s.completion(m.fromID, fact.GetItem())
	if err != nil {
		return err
	}
	if item.GetMergePlusOne() != fact.GetMerge()+1 || len(fact.GetEffects().GetLots()) > 0 {
		return fmt.Errorf("%w: item %d did not come by this merge, or would leave credits", ErrInconsistent, item.GetIndex())
	}
	if hold, since := usedElsewhere(old, item); since {
		return fmt.Errorf("%w: hold %d has something of item %d", ErrInconsistent, hold, item.GetIndex())
	}
	if err := s.addEffects(e, m.intoID, m.into, item, fact.GetEffects()); err != nil {
		return err
	}
	if err := s.replace(e, m.intoID, m.into, fact.GetRestores(), ledgerv1.Outcome_OUTCOME_AWARDED); err != nil {
		return err
	}
	if err := takeLots(m.into, item, fact.GetLots()); err != nil {
		return err
	}
	if item.GetMinutes() != 0 || item.GetMilliPoints() != 0 {
		return fmt.Errorf("%w: item %d would leave minutes or points behind", ErrInconsistent, item.GetIndex())
	}
	if item.GetCasePlusOne() != 0 && item.GetCasePlusOne() == item.GetMovedPlusOne() {
		// It was opened since the two were one.
		if err := s.withdrawCase(e, m.into, item); err != nil {
			return err
		}
	}
	// The case that it came with goes back, too, where another one was opened since.
	for i, last := range []uint64{old.GetLastCasePlusOne(), item.GetLastCasePlusOne()} {
		if last == 0 || i > 0 && last == old.GetLastCasePlusOne() {
			continue
		}
		if err := s.handCase(last-1, m.into, m.from, fact.GetFrom()); err != nil {
			return err
		}
	}
	week, err := edit[ledgerv1.WeekRow](s, WeekKey(m.intoID, WeekOf(item.GetEndDay())))
	if err != nil {
		return err
	}
	week.Items = slices.DeleteFunc(week.Items, func(x *ledgerv1.CompletionItem) bool { return x == item })
	countItem(m.into, item, -1)
	row.Left--
	row.ChangedIndex = e.GetIndex()
	m.arrive()
	old.ChangedIndex = e.GetIndex()
	return s.markItem(old, e.GetIndex())
}

// takeLots takes all lots of an item off the account: they are said to hold exactly what they do.
func takeLots(account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem, lots []*ledgerv1.LotChange) error {
	if len(lots) != len(item.GetLots()) {
		return fmt.Errorf("%w: item %d has %d lots, not %d", ErrInconsistent, item.GetIndex(), len(item.GetLots()), len(lots))
	}
	sum := categorySum(account, item.GetCategory())
	for i, lot := range item.GetLots() {
		held := &ledgerv1.LotState{
			Entry: lots[i].GetEntry(), Position: lots[i].GetPosition(), ExpiresDay: lot.GetExpiresDay(),
			Pending: -lots[i].GetPending(), Available: -lots[i].GetAvailable(), Reserved: -lots[i].GetReserved(),
			Transferred: -lots[i].GetTransferred(), Expired: -lots[i].GetExpired(), Reversed: -lots[i].GetReversed(), Uses: lot.GetUses(),
		}
		if !proto.Equal(held, lot) {
			return fmt.Errorf("%w: lot %d/%d holds something else", ErrInconsistent, lot.GetEntry(), lot.GetPosition())
		}
		sum.Pending -= lot.GetPending()
		sum.Available -= lot.GetAvailable()
		sum.Reserved -= lot.GetReserved()
		sum.Transferred -= lot.GetTransferred()
		sum.Expired -= lot.GetExpired()
		sum.Reversed -= lot.GetReversed()
		sum.Issued -= lot.GetPending() + lot.GetAvailable() + lot.GetReserved() + lot.GetTransferred() + lot.GetExpired() + lot.GetReversed()
		track(account, item, &ledgerv1.LotState{Entry: lot.GetEntry(), Position: lot.GetPosition(), ExpiresDay: lot.GetExpiresDay()})
	}
	return nil
}
