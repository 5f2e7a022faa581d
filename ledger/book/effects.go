package book

import (
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

const (
	// maxCredits bounds what is issued in a category of an account, in milli-credits, so that no sum leaves 64 bits.
	maxCredits = 1 << 60
	// maxPoints bounds the points of an account that lapse on one day, and their changes, in milli-points.
	maxPoints = 1 << 60
)

// addEffects adds all deltas of an entry. New lots become lots of item.
func (s *State) addEffects(
	e *ledgerv1.Entry, id unit.AccountID, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem,
	effects *ledgerv1.Effects,
) error {
	for _, hours := range effects.GetHours() {
		if err := addHours(account, hours); err != nil {
			return err
		}
		if item != nil {
			item.Minutes += hours.GetMinutes()
		}
	}
	if item != nil && item.GetMinutes() < 0 {
		return fmt.Errorf("%w: completion %d would count less than no minutes", ErrInconsistent, item.GetIndex())
	}
	for position, lot := range effects.GetLots() {
		if err := issueLot(account, item, e.GetIndex(), position, lot); err != nil {
			return err
		}
	}
	for _, change := range effects.GetLotChanges() {
		if err := s.changeLot(e, id, account, change); err != nil {
			return err
		}
	}
	for _, usage := range effects.GetUsage() {
		if err := addUsage(account, usage); err != nil {
			return err
		}
	}
	if effects.GetRemainder() != 0 {
		if item == nil {
			return fmt.Errorf("%w: a remainder belongs to a completion", ErrInconsistent)
		}
		if err := addRemainder(account, item.GetCourse(), effects.GetRemainder()); err != nil {
			return err
		}
	}
	if err := addPoints(account, item, effects.GetPoints()); err != nil {
		return err
	}
	if group := effects.GetGroup(); group != nil {
		setGroup(account, group)
	}
	if err := s.replace(e, id, account, effects.GetReplaces(), ledgerv1.Outcome_OUTCOME_DUPLICATE); err != nil {
		return err
	}
	return s.addDays(id, account, item, effects)
}

// replace takes what a completion contributes from the account, since a better one has come, or gives it back, since that one has
// gone.
func (s *State) replace(
	e *ledgerv1.Entry, id unit.AccountID, account *ledgerv1.AccountRow, reversal *ledgerv1.Reversal, outcome ledgerv1.Outcome,
) error {
	if reversal == nil {
		return nil
	}
	item, err := s.completion(id, reversal.GetCompletion())
	if err != nil {
		return err
	}
	item.Outcome = outcome
	if outcome != ledgerv1.Outcome_OUTCOME_AWARDED {
		if err := s.clawBack(e, item); err != nil {
			return err
		}
	}
	for _, hours := range reversal.GetHours() {
		if err := addHours(account, hours); err != nil {
			return err
		}
		item.Minutes += hours.GetMinutes()
	}
	if item.GetMinutes() < 0 {
		return fmt.Errorf("%w: completion %d would count less than no minutes", ErrInconsistent, item.GetIndex())
	}
	for _, usage := range reversal.GetUsage() {
		if err := addUsage(account, usage); err != nil {
			return err
		}
	}
	for _, minutes := range reversal.GetDays() {
		if err := s.addDayMinutes(id, account, minutes); err != nil {
			return err
		}
	}
	if reversal.GetRemainder() != 0 {
		if err := addRemainder(account, item.GetCourse(), reversal.GetRemainder()); err != nil {
			return err
		}
	}
	if err := addPoints(account, item, reversal.GetPoints()); err != nil {
		return err
	}
	return s.noteChange(e, item)
}

// noteChange notes that an entry changed a completion that it is not about in the first place.
func (s *State) noteChange(e *ledgerv1.Entry, item *ledgerv1.CompletionItem) error {
	if item.GetChangedIndex() == e.GetIndex() {
		return nil
	}
	item.ChangedIndex = e.GetIndex()
	item.EffectsIn = append(item.EffectsIn, e.GetIndex())
	return s.markItem(item, e.GetIndex())
}

func addHours(account *ledgerv1.AccountRow, delta *ledgerv1.YearMinutes) error {
	sum := categorySum(account, delta.GetCategory())
	sum.Minutes += delta.GetMinutes()
	i := slices.IndexFunc(account.GetHours(), func(y *ledgerv1.YearMinutes) bool {
		return y.GetYear() == delta.GetYear() && y.GetCategory() == delta.GetCategory()
	})
	if i < 0 {
		i = len(account.GetHours())
		account.Hours = append(account.Hours, &ledgerv1.YearMinutes{Year: delta.GetYear(), Category: delta.GetCategory()})
	}
	account.Hours[i].Minutes += delta.GetMinutes()
	if sum.GetMinutes() < 0 || account.Hours[i].GetMinutes() < 0 {
		return fmt.Errorf("%w: less than no hours in category %q", ErrInconsistent, delta.GetCategory())
	}
	return nil
}

func categorySum(account *ledgerv1.AccountRow, category string) *ledgerv1.CategorySum {
	for _, sum := range account.GetSums() {
		if sum.GetCategory() == category {
			return sum
		}
	}
	sum := &ledgerv1.CategorySum{Category: category}
	account.Sums = append(account.Sums, sum)
	return sum
}

func issueLot(
	account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem, entry uint64, position int, lot *ledgerv1.Lot,
) error {
	if item == nil {
		return fmt.Errorf("%w: a lot belongs to a completion", ErrInconsistent)
	}
	if lot.GetCategory() != item.GetCategory() {
		return fmt.Errorf("%w: a lot of category %q on a completion of %q", ErrInconsistent, lot.GetCategory(), item.GetCategory())
	}
	if least, most := min(lot.GetAvailable(), lot.GetPending()), max(lot.GetAvailable(), lot.GetPending()); least < 0 || most == 0 || most > maxCredits {
		return fmt.Errorf("%w: a lot of no credits, or of more than there can be", ErrInconsistent)
	}
	state := &ledgerv1.LotState{
		Entry: entry, Position: uint32(position),
		Pending: lot.GetPending(), Available: lot.GetAvailable(),
		ExpiresDay: lot.GetExpiresDay(),
	}
	item.Lots = append(item.Lots, state)
	sum := categorySum(account, lot.GetCategory())
	if sum.Issued += lot.GetAvailable() + lot.GetPending(); sum.GetIssued() > maxCredits {
		return fmt.Errorf("%w: more credits in category %q than there can be", ErrInconsistent, lot.GetCategory())
	}
	sum.Available += lot.GetAvailable()
	sum.Pending += lot.GetPending()
	track(account, item, state)
	return nil
}

// changeLot moves credits of a lot from state to state. What is reserved or transferred is moved by the facts of holds alone.
func (s *State) changeLot(
	e *ledgerv1.Entry, id unit.AccountID, account *ledgerv1.AccountRow, change *ledgerv1.LotChange,
) error {
	// What an item brings that comes over by a merge was transferred before.
	brought := e.GetItemMoved() != nil && change.GetEntry() == e.GetIndex()
	if change.GetReserved() != 0 || change.GetTransferred() != 0 && !brought {
		return fmt.Errorf("%w: what is reserved or transferred of lot %d/%d changes without a hold",
			ErrInconsistent, change.GetEntry(), change.GetPosition())
	}
	item, err := s.moveLot(id, account, change)
	if err != nil {
		return err
	}
	return s.noteChange(e, item)
}

// lotOf answers a lot of a completion, nil where it has none such.
func lotOf(item *ledgerv1.CompletionItem, entry uint64, position uint32) *ledgerv1.LotState {
	i := slices.IndexFunc(item.GetLots(), func(l *ledgerv1.LotState) bool {
		return l.GetEntry() == entry && l.GetPosition() == position
	})
	if i < 0 {
		return nil
	}
	return item.GetLots()[i]
}

// moveLot moves credits of a lot from state to state, and answers the completion that it is of.
func (s *State) moveLot(
	id unit.AccountID, account *ledgerv1.AccountRow, change *ledgerv1.LotChange,
) (*ledgerv1.CompletionItem, error) {
	item, err := s.completion(id, change.GetCompletion())
	if err != nil {
		return nil, err
	}
	lot := lotOf(item, change.GetEntry(), change.GetPosition())
	if lot == nil {
		return nil, fmt.Errorf("%w: there is no lot %d/%d", ErrInconsistent, change.GetEntry(), change.GetPosition())
	}
	if change.GetPending()+change.GetAvailable()+change.GetReserved()+
		change.GetTransferred()+change.GetExpired()+change.GetReversed() != 0 {
		return nil, fmt.Errorf("%w: a change of lot %d/%d makes or loses credits",
			ErrInconsistent, change.GetEntry(), change.GetPosition())
	}
	issued := lot.GetPending() + lot.GetAvailable() + lot.GetReserved() + lot.GetTransferred() + lot.GetExpired() + lot.GetReversed()
	lot.Pending += change.GetPending()
	lot.Available += change.GetAvailable()
	lot.Reserved += change.GetReserved()
	lot.Transferred += change.GetTransferred()
	lot.Expired += change.GetExpired()
	lot.Reversed += change.GetReversed()
	// None above what was issued either: changes that add up to 0 only by overflow are noticed by it.
	amounts := [...]int64{
		lot.GetPending(), lot.GetAvailable(), lot.GetReserved(), lot.GetTransferred(), lot.GetExpired(), lot.GetReversed(),
	}
	if slices.Min(amounts[:]) < 0 || slices.Max(amounts[:]) > issued {
		return nil, fmt.Errorf("%w: lot %d/%d would be overdrawn", ErrInconsistent, change.GetEntry(), change.GetPosition())
	}
	sum := categorySum(account, item.GetCategory())
	sum.Pending += change.GetPending()
	sum.Available += change.GetAvailable()
	sum.Reserved += change.GetReserved()
	sum.Transferred += change.GetTransferred()
	sum.Expired += change.GetExpired()
	sum.Reversed += change.GetReversed()
	track(account, item, lot)
	return item, nil
}

// track keeps the account's lists of lots that wait and of lots that expire.
func track(account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem, lot *ledgerv1.LotState) {
	unused := lot.GetPending()+lot.GetAvailable() > 0
	account.Pending = listed(account.Pending, item, lot, lot.GetPending() > 0)
	account.Expiring = listed(account.Expiring, item, lot, lot.GetExpiresDay() != 0 && unused)
}

// listed answers refs with a lot in it or not, in the order in which the lots were made.
func listed(refs []*ledgerv1.LotRef, item *ledgerv1.CompletionItem, lot *ledgerv1.LotState, wanted bool) []*ledgerv1.LotRef {
	i, found := slices.BinarySearchFunc(refs, lot, func(a *ledgerv1.LotRef, b *ledgerv1.LotState) int {
		if c := compare(a.GetEntry(), b.GetEntry()); c != 0 {
			return c
		}
		return compare(uint64(a.GetPosition()), uint64(b.GetPosition()))
	})
	switch {
	case wanted && !found:
		return slices.Insert(refs, i, &ledgerv1.LotRef{
			Entry: lot.GetEntry(), Position: lot.GetPosition(), ExpiresDay: lot.GetExpiresDay(),
			Completion: &ledgerv1.CompletionRef{Index: item.GetIndex(), EndDay: item.GetEndDay()},
		})
	case !wanted && found:
		return slices.Delete(refs, i, i+1)
	default:
		return refs
	}
}

func addUsage(account *ledgerv1.AccountRow, delta *ledgerv1.CapUsage) error {
	i := slices.IndexFunc(account.GetUsage(), func(u *ledgerv1.CapUsage) bool { return u.GetKey() == delta.GetKey() })
	if i < 0 {
		i = len(account.GetUsage())
		account.Usage = append(account.Usage, &ledgerv1.CapUsage{Key: delta.GetKey()})
	}
	account.Usage[i].MilliCredits += delta.GetMilliCredits()
	switch used := account.Usage[i].GetMilliCredits(); {
	case used < 0:
		return fmt.Errorf("%w: less than nothing counts towards cap %q", ErrInconsistent, delta.GetKey())
	case used == 0:
		account.Usage = slices.Delete(account.Usage, i, i+1)
	}
	return nil
}

func addRemainder(account *ledgerv1.AccountRow, course uint64, delta int64) error {
	i := slices.IndexFunc(account.GetRemainders(), func(r *ledgerv1.CourseRemainder) bool { return r.GetCourse() == course })
	if i < 0 {
		i = len(account.GetRemainders())
		account.Remainders = append(account.Remainders, &ledgerv1.CourseRemainder{Course: course})
	}
	account.Remainders[i].Minutes += delta
	switch left := account.Remainders[i].GetMinutes(); {
	case left < 0:
		return fmt.Errorf("%w: less than no minutes of course %d are left", ErrInconsistent, course)
	case left == 0:
		account.Remainders = slices.Delete(account.Remainders, i, i+1)
	}
	return nil
}

// addPoints adds reward points, which are a completion's, to those that lapse on the same day.
func addPoints(account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem, deltas []*ledgerv1.Points) error {
	if len(deltas) > 0 && item == nil {
		return fmt.Errorf("%w: points belong to a completion", ErrInconsistent)
	}
	for _, delta := range deltas {
		n := delta.GetMilliPoints()
		if n > maxPoints || n < -maxPoints {
			return fmt.Errorf("%w: more points than there can be", ErrInconsistent)
		}
		i := slices.IndexFunc(account.GetPoints(), func(p *ledgerv1.Points) bool { return p.GetLapsesDay() == delta.GetLapsesDay() })
		if i < 0 {
			i = len(account.GetPoints())
			account.Points = append(account.Points, &ledgerv1.Points{LapsesDay: delta.GetLapsesDay()})
		}
		account.Points[i].MilliPoints += n
		item.MilliPoints += n
		switch sum := account.Points[i].GetMilliPoints(); {
		case sum < 0 || sum > maxPoints || item.GetMilliPoints() < 0:
			return fmt.Errorf("%w: less than no points, or more than there can be, lapse on day %d", ErrInconsistent, delta.GetLapsesDay())
		case sum == 0:
			account.Points = slices.Delete(account.Points, i, i+1)
		}
	}
	return nil
}

func setGroup(account *ledgerv1.AccountRow, change *ledgerv1.GroupChange) {
	account.Groups = slices.DeleteFunc(account.Groups, func(g *ledgerv1.GroupChange) bool {
		return g.GetGroup() == change.GetGroup()
	})
	if change.GetCompletion() != nil {
		account.Groups = append(account.Groups, change)
	}
}

// addDays adds what an entry says about single days: sessions, and minutes under daily limits.
func (s *State) addDays(id unit.AccountID, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem, effects *ledgerv1.Effects) error {
	if item == nil && len(effects.GetSessions())+len(effects.GetSessionsRemoved())+len(effects.GetDays()) > 0 {
		return fmt.Errorf("%w: sessions belong to a completion", ErrInconsistent)
	}
	for _, session := range effects.GetSessions() {
		day, err := s.day(id, account, session.GetDay())
		if err != nil {
			return err
		}
		day.Sessions = append(day.Sessions, &ledgerv1.DaySession{
			Completion: item.GetIndex(), Organization: item.GetOrganization(),
			Start: session.GetStart(), Length: session.GetLength(),
		})
	}
	for _, session := range effects.GetSessionsRemoved() {
		day, err := s.day(id, account, session.GetDay())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(day.GetSessions(), func(d *ledgerv1.DaySession) bool {
			return d.GetCompletion() == item.GetIndex() && d.GetStart() == session.GetStart()
		})
		if i < 0 {
			return fmt.Errorf("%w: completion %d has no such session", ErrInconsistent, item.GetIndex())
		}
		day.Sessions = slices.Delete(day.Sessions, i, i+1)
	}
	for _, minutes := range effects.GetDays() {
		if err := s.addDayMinutes(id, account, minutes); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) addDayMinutes(id unit.AccountID, account *ledgerv1.AccountRow, delta *ledgerv1.DayMinutes) error {
	day, err := s.day(id, account, delta.GetDay())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(day.GetMinutes(), func(m *ledgerv1.DayMinutes) bool { return m.GetRule() == delta.GetRule() })
	if i < 0 {
		i = len(day.GetMinutes())
		day.Minutes = append(day.Minutes, &ledgerv1.DayMinutes{Day: delta.GetDay(), Rule: delta.GetRule()})
	}
	day.Minutes[i].Minutes += delta.GetMinutes()
	if day.Minutes[i].GetMinutes() < 0 {
		return fmt.Errorf("%w: less than no minutes count on a day under rule %q", ErrInconsistent, delta.GetRule())
	}
	return nil
}

// day answers a day of an account to be changed.
func (s *State) day(id unit.AccountID, account *ledgerv1.AccountRow, day int32) (*ledgerv1.DayItem, error) {
	week, tail, err := s.extendWeek(id, account, day)
	if err != nil {
		return nil, err
	}
	is := func(item *ledgerv1.DayItem) bool { return item.GetDay() == day }
	if i := slices.IndexFunc(tail.GetDays(), is); i >= 0 {
		return tail.GetDays()[i], nil
	}
	if i := slices.IndexFunc(week.GetDays(), is); i >= 0 {
		_, err := edit[ledgerv1.WeekRow](s, WeekKey(id, WeekOf(day)))
		return week.GetDays()[i], err
	}
	item := &ledgerv1.DayItem{Day: day}
	week.Days, tail.Days = append(week.Days, item), append(tail.Days, item)
	return item, nil
}
