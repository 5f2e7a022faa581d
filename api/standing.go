package api

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// standing is how an account stands in the writer at the moment of a decision: what certify/policy asks for, read from
// the state. Reading can fail; certify cannot hear of it, so the first error is kept in err, and whoever asked for an
// assessment looks there before using it.
type standing struct {
	bank      *Bank
	tx        scribe
	directory *directory
	sealer    *vault.Sealer
	id        unit.AccountID
	account   *ledgerv1.AccountRow
	course    *course
	group     string
	// without is a completion whose part in daily limits, sessions and groups is left out: the one that is being decided.
	without uint64
	// alone says that no crowds are asked for: what is being decided was counted in them before.
	alone bool
	// gone is what of the completion that is being decided was given before and cannot be taken back; counts is what it counts towards
	// caps, still.
	gone   unit.Credits
	counts map[string]int64
	err    error

	prior *ledgerv1.CompletionItem
}

// standingKeys names the rows that a decision reads, each once.
func standingKeys(account unit.AccountID, judged *policy.Prepared) [][]byte {
	last := book.WeekOf(int32(judged.EndDay()))
	keys := [][]byte{book.AccountKey(account), book.WeekKey(account, last)}
	named := last
	for _, day := range judged.Days() { // in order, and none is after the last
		if week := book.WeekOf(int32(day)); week != named && week != last {
			keys, named = append(keys, book.WeekKey(account, week)), week
		}
	}
	for _, crowd := range judged.Crowds() {
		keys = append(keys, book.CrowdKey(crowd.Key))
	}
	return keys
}

// Remainder implements policy.Standing.
func (s *standing) Remainder() unit.Minutes {
	for _, r := range s.account.GetRemainders() {
		if r.GetCourse() == s.course.GetIndex() {
			return unit.Minutes(r.GetMinutes())
		}
	}
	return 0
}

// DayMinutes implements policy.Standing.
func (s *standing) DayMinutes(rule string, day policy.Day) unit.Minutes {
	for _, m := range s.day(day).GetMinutes() {
		if m.GetRule() == rule {
			return unit.Minutes(m.GetMinutes())
		}
	}
	return 0
}

// Usage implements policy.Standing.
func (s *standing) Usage(key string) unit.Credits {
	return usageOf(s.account, key) - unit.Credits(s.counts[key])
}

func usageOf(account *ledgerv1.AccountRow, key string) unit.Credits {
	for _, u := range account.GetUsage() {
		if u.GetKey() == key {
			return unit.Credits(u.GetMilliCredits())
		}
	}
	return 0
}

// Busy implements policy.Standing.
func (s *standing) Busy(day policy.Day) []policy.Busy {
	sessions := s.day(day).GetSessions()
	busy := make([]policy.Busy, 0, len(sessions))
	for _, session := range sessions {
		if session.GetCompletion() == s.without {
			continue
		}
		busy = append(busy, policy.Busy{
			Platform: unit.OrganizationID(s.directory.numbers[session.GetOrganization()]), Start: session.GetStart(), Length: session.GetLength(),
		})
	}
	return busy
}

func (s *standing) day(day policy.Day) *ledgerv1.DayItem {
	week, err := s.tx.Week(s.id, book.WeekOf(int32(day)))
	if err != nil {
		s.fail(err)
		return nil
	}
	for _, item := range week.GetDays() {
		if item.GetDay() == int32(day) {
			return item
		}
	}
	return nil
}

// Crowd implements policy.Standing.
func (s *standing) Crowd(key uint64) int {
	if s.alone {
		return 0
	}
	crowd, err := s.tx.Crowd(key)
	if err != nil {
		s.fail(err)
	}
	return len(crowd.GetCompletions())
}

// Prior implements policy.Standing.
func (s *standing) Prior() (policy.Prior, bool) {
	for _, group := range s.account.GetGroups() {
		if group.GetGroup() != s.group || group.GetCompletion().GetIndex() == s.without {
			continue
		}
		prior, err := s.readPrior(group.GetCompletion())
		if err != nil {
			s.fail(err)
			return policy.Prior{}, false
		}
		return prior, true
	}
	return policy.Prior{}, false
}

// Gone implements policy.Standing.
func (s *standing) Gone() unit.Credits { return s.gone }

func (s *standing) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// readPrior answers the completion that stands for the group. Its score lies under the seal.
func (s *standing) readPrior(ref *ledgerv1.CompletionRef) (policy.Prior, error) {
	item, err := completionItem(s.tx, s.id, ref)
	if err != nil {
		return policy.Prior{}, err
	}
	e, err := s.tx.Entry(ref.GetIndex())
	if err != nil {
		return policy.Prior{}, err
	}
	recorded := e.GetCompletionRecorded()
	sealer := s.sealer
	if !bytes.Equal(recorded.GetAccount(), s.id[:]) && s.bank != nil { // it came over from an account that was merged
		if sealer, err = s.bank.unsealerOf(context.Background(), recorded.GetAccount(), s.id, s.sealer); err != nil {
			return policy.Prior{}, err
		}
	}
	prior := policy.Prior{Completion: ref.GetIndex(), Replaceable: sealer != nil && whole(item) && !usedIn(s.tx, item)}
	if sealer != nil {
		completion, _, err := statedCompletion(sealer, recorded)
		if err != nil {
			return policy.Prior{}, err
		}
		prior.HasScore, prior.Score = completion.Score != nil, completion.GetScore()
	}
	s.prior = item
	part, err := contribution(s.tx, item)
	if err != nil {
		return policy.Prior{}, err
	}
	for key, credits := range part.usage {
		prior.Usage = append(prior.Usage, policy.Usage{Key: key, Credits: unit.Credits(credits)})
	}
	for key, minutes := range part.days {
		prior.Days = append(prior.Days, policy.DayMinutes{Rule: key.rule, Day: policy.Day(key.day), Minutes: unit.Minutes(minutes)})
	}
	for _, lot := range item.GetLots() {
		prior.ExpiresDay = policy.Day(lot.GetExpiresDay())
	}
	return prior, nil
}

// statedCompletion opens the completion as its platform stated it, and when its statement reached the bank.
func statedCompletion(
	sealer *vault.Sealer, recorded *ledgerv1.CompletionRecorded,
) (completion *statementv1.Completion, posted time.Time, err error) {
	completion, opened, err := openStated(sealer, recorded)
	return completion, timeOf(opened.GetPostedAt()), err
}

// openStated opens what a completion has under its seal, and in it the completion as its platform stated it.
func openStated(
	sealer *vault.Sealer, recorded *ledgerv1.CompletionRecorded,
) (*statementv1.Completion, *ledgerv1.SealedCompletion, error) {
	opened := new(ledgerv1.SealedCompletion)
	if err := unseal(sealer, "CompletionRecorded", recorded.GetOrigin().GetStatementId(), recorded.GetSealed(), opened); err != nil {
		return nil, nil, err
	}
	stated := new(statementv1.Statement)
	if err := stated.UnmarshalVT(opened.GetStatement()); err != nil {
		return nil, nil, fmt.Errorf("%w: a recorded statement: %v", ledger.ErrDamaged, err)
	}
	return stated.GetCompletion(), opened, nil
}

// usedIn says whether institutions had something of a completion, where the history that is rehearsed knows of it and the rehearsal
// does not.
func usedIn(tx scribe, item *ledgerv1.CompletionItem) bool {
	r, ok := tx.(*rehearsal)
	return ok && r.used != nil && r.used(item.GetIndex())
}

// takenIn is what institutions had taken over of a completion, where the history that is rehearsed knows of it and the rehearsal does
// not.
func takenIn(tx scribe, item *ledgerv1.CompletionItem) int64 {
	if r, ok := tx.(*rehearsal); ok && r.taken != nil {
		return r.taken(item.GetIndex())
	}
	return 0
}

// whole says whether all that a completion was issued is still available, and no institution has recognised it.
func whole(item *ledgerv1.CompletionItem) bool {
	for _, lot := range item.GetLots() {
		if lot.GetPending()+lot.GetReserved()+lot.GetTransferred()+lot.GetExpired() != 0 || len(lot.GetUses()) > 0 {
			return false
		}
	}
	return len(item.GetLots()) > 0
}

func completionItem(tx accounts, id unit.AccountID, ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error) {
	item, err := tx.Completion(id, ref)
	if err == nil && item == nil {
		err = fmt.Errorf("%w: completion %d is missing", ledger.ErrDamaged, ref.GetIndex())
	}
	return item, err
}

// effects writes an assessment as what it changes. Index is the completion's.
func (s *standing) effects(a policy.Assessment, judged *policy.Prepared, index uint64, effects *ledgerv1.Effects) error {
	effects.Remainder = int64(a.Remainder)
	category := s.course.fact.GetCategory()
	for _, h := range a.Hours {
		*more(&effects.Hours) = ledgerv1.YearMinutes{Year: int32(h.Year), Category: category, Minutes: int64(h.Minutes)}
	}
	for _, d := range a.Days {
		*more(&effects.Days) = ledgerv1.DayMinutes{Day: int32(d.Day), Rule: d.Rule, Minutes: int64(d.Minutes)}
	}
	for _, u := range a.Usage {
		if count := int64(u.Credits) - s.countsTowards(u.Key); count > 0 {
			*more(&effects.Usage) = ledgerv1.CapUsage{Key: u.Key, MilliCredits: count}
		}
	}
	if a.Available+a.Pending > 0 {
		*more(&effects.Lots) = ledgerv1.Lot{
			Category: category, Level: s.course.fact.GetLevel(),
			Available: int64(a.Available), Pending: int64(a.Pending),
			ExpiresDay: int32(a.ExpiresDay), Caps: a.Caps,
		}
	}
	if a.Points > 0 {
		*more(&effects.Points) = ledgerv1.Points{LapsesDay: int32(a.PointsLapseDay), MilliPoints: int64(a.Points)}
	}
	if a.GroupStands {
		effects.Group = &ledgerv1.GroupChange{
			Group: s.group, Completion: &ledgerv1.CompletionRef{Index: index, EndDay: int32(judged.EndDay())},
		}
	}
	if a.Replaces {
		return s.replace(effects)
	}
	return nil
}

// countsTowards is what the completion that is being decided counts towards a cap, still, in whichever period.
func (s *standing) countsTowards(key string) (credits int64) {
	for counted, n := range s.counts {
		if capOf(counted) == capOf(key) {
			credits += n
		}
	}
	return credits
}

// capOf is the cap of a key, which may name a period and a scope after it.
func capOf(key string) string {
	rule, _, _ := strings.Cut(key, "/")
	return rule
}

// replace takes everything that the prior completion contributes from the account.
func (s *standing) replace(effects *ledgerv1.Effects) error {
	part, err := contribution(s.tx, s.prior)
	if err != nil {
		return err
	}
	reversed := part.negated(s.prior, s.account)
	effects.Replaces = &ledgerv1.Reversal{
		Completion: refOf(s.prior),
		Hours:      reversed.GetHours(), Usage: reversed.GetUsage(), Days: reversed.GetDays(), Remainder: reversed.GetRemainder(),
		Points: reversed.GetPoints(),
	}
	changes, _ := reverseLots(s.prior)
	effects.LotChanges = append(effects.LotChanges, changes...)
	return nil
}

func refOf(item *ledgerv1.CompletionItem) *ledgerv1.CompletionRef {
	return &ledgerv1.CompletionRef{Index: item.GetIndex(), EndDay: item.GetEndDay()}
}

// part is what one completion contributes to its account: the sum of the effects of all entries that concern it, but for
// the lots, which know themselves.
type part struct {
	hours     map[hoursKey]int64
	usage     map[string]int64
	days      map[dayKey]int64
	points    map[int32]int64 // by the day on which they lapse
	sessions  []*ledgerv1.SessionTime
	remainder int64
}

type (
	hoursKey struct {
		year     int32
		category string
	}
	dayKey struct {
		day  int32
		rule string
	}
)

// contribution adds up the entries of a completion.
func contribution(tx scribe, item *ledgerv1.CompletionItem) (*part, error) {
	p := &part{
		hours: make(map[hoursKey]int64), usage: make(map[string]int64), days: make(map[dayKey]int64), points: make(map[int32]int64),
	}
	for _, index := range append([]uint64{item.GetIndex()}, item.GetEffectsIn()...) {
		if index+1 < item.GetMovedPlusOne() {
			continue // that was on another account
		}
		e, err := tx.Entry(index)
		if err != nil {
			return nil, err
		}
		effects, reversal := effectsOf(e), e.GetItemReturned().GetRestores()
		if reversal == nil {
			reversal = effects.GetReplaces()
		}
		if reversal != nil && reversal.GetCompletion().GetIndex() == item.GetIndex() {
			effects = &ledgerv1.Effects{
				Hours: reversal.GetHours(), Usage: reversal.GetUsage(), Days: reversal.GetDays(), Remainder: reversal.GetRemainder(),
				Points: reversal.GetPoints(),
			}
		}
		p.add(effects)
	}
	return p, nil
}

func (p *part) add(effects *ledgerv1.Effects) {
	for _, h := range effects.GetHours() {
		p.hours[hoursKey{h.GetYear(), h.GetCategory()}] += h.GetMinutes()
	}
	for _, u := range effects.GetUsage() {
		p.usage[u.GetKey()] += u.GetMilliCredits()
	}
	for _, d := range effects.GetDays() {
		p.days[dayKey{d.GetDay(), d.GetRule()}] += d.GetMinutes()
	}
	for _, points := range effects.GetPoints() {
		p.points[points.GetLapsesDay()] += points.GetMilliPoints()
	}
	p.sessions = append(p.sessions, effects.GetSessions()...)
	for _, removed := range effects.GetSessionsRemoved() {
		p.sessions = slices.DeleteFunc(p.sessions, func(s *ledgerv1.SessionTime) bool { return proto.Equal(s, removed) })
	}
	p.remainder += effects.GetRemainder()
}

// negated is what takes the contribution back. The remainder is taken as far as it is still there.
func (p *part) negated(item *ledgerv1.CompletionItem, account *ledgerv1.AccountRow) *ledgerv1.Effects {
	effects := &ledgerv1.Effects{SessionsRemoved: p.sessions}
	for key, minutes := range p.hours {
		if minutes != 0 {
			effects.Hours = append(effects.Hours, &ledgerv1.YearMinutes{Year: key.year, Category: key.category, Minutes: -minutes})
		}
	}
	for key, credits := range p.usage {
		if credits != 0 {
			effects.Usage = append(effects.Usage, &ledgerv1.CapUsage{Key: key, MilliCredits: -credits})
		}
	}
	for key, minutes := range p.days {
		if minutes != 0 {
			effects.Days = append(effects.Days, &ledgerv1.DayMinutes{Day: key.day, Rule: key.rule, Minutes: -minutes})
		}
	}
	for day, points := range p.points {
		if points != 0 {
			effects.Points = append(effects.Points, &ledgerv1.Points{LapsesDay: day, MilliPoints: -points})
		}
	}
	slices.SortFunc(effects.Points, func(a, b *ledgerv1.Points) int { return int(a.GetLapsesDay() - b.GetLapsesDay()) })
	slices.SortFunc(effects.Hours, func(a, b *ledgerv1.YearMinutes) int { return int(a.GetYear() - b.GetYear()) })
	slices.SortFunc(effects.Usage, func(a, b *ledgerv1.CapUsage) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	slices.SortFunc(effects.Days, func(a, b *ledgerv1.DayMinutes) int { return int(a.GetDay() - b.GetDay()) })
	if p.remainder != 0 {
		left := int64(0)
		for _, r := range account.GetRemainders() {
			if r.GetCourse() == item.GetCourse() {
				left = r.GetMinutes()
			}
		}
		effects.Remainder = max(-p.remainder, -left)
	}
	return effects
}

// caps are the keys of the caps towards which the completion counts, for each cap the oldest period first.
func (p *part) caps() []string { return slices.Sorted(maps.Keys(p.usage)) }

// uncount leaves out so many of the credits that the completion counts towards each cap: those of the first of the keys.
func (p *part) uncount(credits int64, keys []string) {
	left := make(map[string]int64)
	for _, key := range keys {
		rule := capOf(key)
		if _, ok := left[rule]; !ok {
			left[rule] = credits
		}
		n := min(left[rule], p.usage[key])
		left[rule] -= n
		p.usage[key] -= n
	}
}

// reverseLots takes back what of a completion's lots is not used, and says how much is.
func reverseLots(item *ledgerv1.CompletionItem) (changes []*ledgerv1.LotChange, unrecovered int64) {
	for _, lot := range item.GetLots() {
		unrecovered += lot.GetTransferred()
		if lot.GetPending()+lot.GetAvailable() == 0 {
			continue
		}
		changes = append(changes, &ledgerv1.LotChange{
			Entry: lot.GetEntry(), Position: lot.GetPosition(), Completion: refOf(item),
			Pending: -lot.GetPending(), Available: -lot.GetAvailable(), Reversed: lot.GetPending() + lot.GetAvailable(),
		})
	}
	return changes, unrecovered
}

// remainderOwed is how many minutes of a course were spent by later completions before the ones that left them were taken
// back: whoever gives minutes back now gives those back that there still were.
func remainderOwed(tx scribe, id unit.AccountID, but *ledgerv1.CompletionItem) (owed int64, err error) {
	for item, err := range itemsIn(tx, id) {
		if err != nil {
			return 0, err
		}
		counts := item.GetOutcome() == ledgerv1.Outcome_OUTCOME_AWARDED || len(item.GetEffectsIn()) == 0
		if counts || item.GetCourse() != but.GetCourse() || item.GetIndex() == but.GetIndex() {
			continue
		}
		part, err := contribution(tx, item)
		if err != nil {
			return 0, err
		}
		owed += part.remainder
	}
	return max(0, owed), nil
}

// reversal takes back everything that a completion contributes, and what it stands for, but for what a transfer has taken: that goes
// on counting towards the caps. Holds that stand on it are voided first.
func reversal(
	tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow, item *ledgerv1.CompletionItem,
) (effects *ledgerv1.Effects, unrecovered int64, err error) {
	if err := undoHolds(tx, d, id, account, item); err != nil {
		return nil, 0, err
	}
	part, err := contribution(tx, item)
	if err != nil {
		return nil, 0, err
	}
	lots, unrecovered := reverseLots(item)
	part.uncount(unrecovered+takenIn(tx, item), part.caps())
	effects = part.negated(item, account)
	effects.LotChanges = lots
	if effects.GetRemainder() > 0 {
		owed, err := remainderOwed(tx, id, item)
		if err != nil {
			return nil, 0, err
		}
		effects.Remainder = max(0, effects.GetRemainder()-owed)
	}
	for _, group := range account.GetGroups() {
		if group.GetCompletion().GetIndex() == item.GetIndex() {
			effects.Group = &ledgerv1.GroupChange{Group: group.GetGroup()}
		}
	}
	return effects, unrecovered, nil
}

// effectsOf answers the effects of an entry, nil where it has none.
func effectsOf(e *ledgerv1.Entry) *ledgerv1.Effects {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		return fact.CompletionRecorded.GetEffects()
	case *ledgerv1.Entry_CompletionVoided:
		return fact.CompletionVoided.GetEffects()
	case *ledgerv1.Entry_CreditsAwarded:
		return fact.CreditsAwarded.GetEffects()
	case *ledgerv1.Entry_CaseStepTaken:
		return fact.CaseStepTaken.GetEffects()
	case *ledgerv1.Entry_CreditsReleased:
		return fact.CreditsReleased.GetEffects()
	case *ledgerv1.Entry_CreditsExpired:
		return fact.CreditsExpired.GetEffects()
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		return fact.OpeningBalanceRecorded.GetEffects()
	case *ledgerv1.Entry_OpeningBalanceReversed:
		return fact.OpeningBalanceReversed.GetEffects()
	case *ledgerv1.Entry_ItemMoved:
		return fact.ItemMoved.GetEffects()
	case *ledgerv1.Entry_ItemReturned:
		return fact.ItemReturned.GetEffects()
	case *ledgerv1.Entry_CompletionHeld:
		return fact.CompletionHeld.GetEffects()
	case *ledgerv1.Entry_CreditsReversed:
		return fact.CreditsReversed.GetEffects()
	default:
		return nil
	}
}
