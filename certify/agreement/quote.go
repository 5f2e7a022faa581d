package agreement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// MaxItems is the most lots of one quote.
const MaxItems = 5_000

// An Outcome is what becomes of a lot.
type Outcome uint8

const (
	// Refused: nothing of the lot is taken over.
	Refused Outcome = iota
	// Partial: some of it is, and the rest stays.
	Partial
	// Accepted: all of it is.
	Accepted
)

// String is the name of the outcome.
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "ACCEPTED"
	case Partial:
		return "PARTIAL"
	case Refused:
		return "REFUSED"
	default:
		return fmt.Sprintf("OUTCOME(%d)", uint8(o))
	}
}

// Reasons that are no rules of the agreement.
const (
	NothingAvailable     = "NOTHING_AVAILABLE"      // the lot has nothing available
	Expired              = "EXPIRED"                // its awarder does not let it be used any more
	RecognisedAlready    = "RECOGNISED_ALREADY"     // this institution has recognised it before
	NoSource             = "NO_SOURCE"              // no source of the agreement fits
	CategoryNotTaken     = "CATEGORY_NOT_TAKEN"     // the agreement does not take the category
	NotTransferable      = "NOT_TRANSFERABLE"       // its awarder does not let the category count towards a degree
	LevelNotTaken        = "LEVEL_NOT_TAKEN"        // the level is below or above what is taken of the category
	CourseCountedAlready = "COURSE_COUNTED_ALREADY" // the course of the institution counts already
	NoRatio              = "NO_RATIO"               // it stands for no course, and no ratio fits
	ConditionFailed      = "CONDITION_FAILED"       // a condition could not be worked out
)

// A Reason says what a rule did. Its numbers are milli-credits unless its stage says otherwise.
type Reason struct {
	Stage ledgerv1.TransferStage
	// Rule is the agreement's, or one of the names above.
	Rule string
	// Before and After are milli-credits: of the lot up to the stages course and ratio, which turn them into those of the
	// institution.
	Before, After int64
	// Limit is what the rule allows: a level, a score, months, a step or a cap; 0 where it has no such number.
	Limit int64
	// Carried is the number that was compared with it: the level, the score, or what counts towards the cap already.
	Carried int64
}

// A Count is what counts towards a cap, or as a course, of an account.
type Count struct {
	Key     string
	Credits unit.Credits // of the institution
}

// Taken is what an institution took over of an account before, be it accepted or still held.
type Taken struct {
	// Counts are the sums of the [Count]s of all quotes, by key.
	Counts map[string]unit.Credits
	// Recognised is what the institution recognised of lots without spending it.
	Recognised map[Lot]unit.Credits
}

// A Decision is what becomes of one lot.
type Decision struct {
	Item    *Item
	Outcome Outcome
	// Takes is what is taken of the lot, at most what it has available; Gives is what that is at the institution. Both are 0 of a
	// refused lot, and neither is of any other.
	Takes, Gives unit.Credits
	// Course is the institution's course that it stands for; empty: none.
	Course string
	// Until is the last day on which it can be taken over; 0: it has no end, or was refused before the agreement said.
	Until   Day
	Reasons []Reason
	Counts  []Count // in the order of the caps, the course last
}

// A Quote is what an institution makes of a record.
type Quote struct {
	Agreement *Agreement
	Programme Programme
	Day       Day // on which it was made
	Until     Day // last day on which it is honoured
	// Decisions are in the order in which the lots were served: see the package comment.
	Decisions []Decision
	// Available is the sum of all lots, Takes of what is taken of them, and Gives of what that is at the institution.
	Available, Takes, Gives unit.Credits
}

// Counts are the sums of all decisions by key, sorted.
func (q *Quote) Counts() []Count {
	sums := make(map[string]unit.Credits)
	for i := range q.Decisions {
		for _, c := range q.Decisions[i].Counts {
			sums[c.Key] += c.Credits
		}
	}
	counts := make([]Count, 0, len(sums))
	for key, credits := range sums {
		counts = append(counts, Count{key, credits})
	}
	slices.SortFunc(counts, func(a, b Count) int { return cmp.Compare(a.Key, b.Key) })
	return counts
}

// Quote says what the agreement makes of the lots of an account, towards a programme, on a day in its zone. It keeps the items, and
// changes nothing of them. Its errors are [ErrProgramme], [ErrNotInForce] and [ErrItems].
func (a *Agreement) Quote(programme string, items []Item, taken Taken, day Day) (*Quote, error) {
	p, err := a.Programme(programme)
	if err != nil {
		return nil, err
	}
	if !a.InForce(day) {
		return nil, fmt.Errorf("%w: on %s", ErrNotInForce, day)
	}
	if err := checkItems(items); err != nil {
		return nil, err
	}
	r := &run{
		agreement: a, programme: p, day: day, counts: make(map[string]unit.Credits, len(taken.Counts)), recognised: taken.Recognised,
	}
	maps.Copy(r.counts, taken.Counts)
	quote := &Quote{Agreement: a, Programme: p, Day: day, Until: day + Day(a.QuoteDays())}
	bids := make([]bid, len(items))
	for i := range items {
		bids[i] = r.bid(&items[i])
		quote.Available += items[i].Available
	}
	slices.SortFunc(bids, compareBids)
	quote.Decisions = make([]Decision, len(bids))
	for i := range bids {
		r.serve(&bids[i])
		d := bids[i].decision
		quote.Decisions[i] = d
		quote.Takes += d.Takes
		quote.Gives += d.Gives
	}
	return quote, nil
}

func checkItems(items []Item) error {
	if len(items) > MaxItems {
		return fmt.Errorf("%w: %d lots, more than %d", ErrItems, len(items), MaxItems)
	}
	seen := make(map[Lot]bool, len(items))
	for i := range items {
		lot, available := items[i].Lot, items[i].Available
		if seen[lot] {
			return fmt.Errorf("%w: lot %d/%d is there twice", ErrItems, lot.Entry, lot.Position)
		}
		if seen[lot] = true; available < 0 || available > maxAmount {
			return fmt.Errorf("%w: lot %d/%d has an amount out of bounds", ErrItems, lot.Entry, lot.Position)
		}
	}
	return nil
}

// A run is one quote in the making.
type run struct {
	agreement  *Agreement
	programme  Programme
	day        Day
	counts     map[string]unit.Credits
	recognised map[Lot]unit.Credits
}

// A bid is what a lot would be taken over as, if there were room.
type bid struct {
	decision Decision
	refused  bool
	course   *policyv1.Agreement_Course // it stands for a course
	ratio    *policyv1.Agreement_Ratio  // otherwise
	amount   int64                      // of the lot that can be taken
	gives    int64                      // at the institution, in whole steps
	caps     []*policyv1.Agreement_Cap  // that count it
}

// compareBids is the order in which lots are served.
func compareBids(a, b bid) int {
	rank := func(b *bid) int {
		switch {
		case b.refused:
			return 2
		case b.course == nil:
			return 1
		default:
			return 0
		}
	}
	until := func(d Day) int64 {
		if d == 0 {
			return 1 << 40
		}
		return int64(d)
	}
	x, y := a.decision.Item, b.decision.Item
	return cmp.Or(
		cmp.Compare(rank(&a), rank(&b)),
		cmp.Compare(until(a.decision.Until), until(b.decision.Until)),
		cmp.Compare(x.Learned, y.Learned),
		cmp.Compare(x.Lot.Entry, y.Lot.Entry),
		cmp.Compare(x.Lot.Position, y.Lot.Position),
	)
}

// bid runs the stages that look at one lot alone.
func (r *run) bid(item *Item) bid {
	b := bid{decision: Decision{Item: item}, amount: int64(item.Available)}
	a := &activation{Item: item, agreement: r.agreement, programme: r.programme.Code, today: r.day}
	for _, stage := range []func(*bid, *activation){
		r.available, r.source, r.category, r.requirements, r.score, r.age, r.course, r.ratio, r.capsThatCount,
	} {
		if stage(&b, a); b.refused {
			break
		}
	}
	return b
}

// refuse ends the chain of a lot with a reason.
func (b *bid) refuse(stage ledgerv1.TransferStage, rule string, limit, carried int64) {
	b.refused = true
	b.reason(stage, rule, b.now(), 0, limit, carried)
}

// now is the number at the end of the chain.
func (b *bid) now() int64 {
	if n := len(b.decision.Reasons); n > 0 {
		return b.decision.Reasons[n-1].After
	}
	return int64(b.decision.Item.Available)
}

func (b *bid) reason(stage ledgerv1.TransferStage, rule string, before, after, limit, carried int64) {
	b.decision.Reasons = append(b.decision.Reasons, Reason{stage, rule, before, after, limit, carried})
}

// asks runs a condition; a lot of which it cannot be worked out is refused.
func (b *bid) asks(c *condition, a *activation, stage ledgerv1.TransferStage) bool {
	holds, worked := c.holds(a)
	if !worked {
		b.refuse(stage, ConditionFailed, 0, 0)
	}
	return holds && worked
}

func (r *run) available(b *bid, _ *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_AVAILABLE
	item := b.decision.Item
	switch {
	case item.Available == 0:
		b.refuse(stage, NothingAvailable, 0, 0)
		return
	case item.Expires != 0 && r.day >= item.Expires:
		b.refuse(stage, Expired, 0, 0)
		return
	case item.Expires != 0:
		b.decision.Until = item.Expires - 1
	}
	if recognised := int64(r.recognised[item.Lot]); recognised > 0 {
		before := b.amount
		b.amount = max(before-recognised, 0)
		if b.amount == 0 {
			b.refuse(stage, RecognisedAlready, 0, recognised)
			return
		}
		b.reason(stage, RecognisedAlready, before, b.amount, 0, recognised)
	}
}

func (r *run) source(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_SOURCE
	for i := range r.agreement.sources {
		rule := &r.agreement.sources[i]
		kinds := rule.GetKinds()
		if !slices.Contains(kinds, a.Kind) && (len(kinds) > 0 || a.Kind != Completion) ||
			!listed(rule.GetProviders(), a.Provider) || !listed(rule.GetPlatforms(), a.Platform) {
			continue
		}
		if within := rule.GetWithin(); len(within) > 0 && !slices.ContainsFunc(within, func(id string) bool { return slices.Contains(a.Above, id) }) {
			continue
		}
		if fits := b.asks(&rule.when, a, stage); fits || b.refused {
			return
		}
	}
	b.refuse(stage, NoSource, 0, 0)
}

// listed says that a list is empty or has a name.
func listed(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

func (r *run) category(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_CATEGORY
	if len(r.agreement.categories) > 0 {
		category := r.agreement.categories[a.Category]
		level := int64(a.Level)
		switch least, most := int64(category.GetMinLevel()), int64(category.GetMaxLevel()); {
		case category == nil:
			b.refuse(stage, CategoryNotTaken, 0, 0)
			return
		case level < least:
			b.refuse(stage, LevelNotTaken, least, level)
			return
		case most != 0 && level > most:
			b.refuse(stage, LevelNotTaken, most, level)
			return
		}
	}
	if r.programme.Degree && !a.Transferable {
		b.refuse(stage, NotTransferable, 0, 0)
	}
}

func (r *run) requirements(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_REQUIREMENT
	for i := range r.agreement.requirements {
		rule := &r.agreement.requirements[i]
		asked := b.asks(&rule.when, a, stage)
		if !b.refused && asked && !b.asks(&rule.require, a, stage) && !b.refused {
			b.refuse(stage, rule.GetId(), 0, 0)
		}
		if b.refused {
			return
		}
	}
}

func (r *run) score(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_SCORE
	for i := range r.agreement.scores {
		rule := &r.agreement.scores[i]
		fits := b.asks(&rule.when, a, stage)
		if b.refused {
			return
		}
		if !fits {
			continue
		}
		if a.Score == nil && !rule.GetUnscored() || a.Score != nil && *a.Score < rule.GetMinimum() {
			b.refuse(stage, rule.GetId(), int64(rule.GetMinimum()), int64(a.score()))
		}
		return
	}
}

func (r *run) age(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_AGE
	for i := range r.agreement.ages {
		rule := &r.agreement.ages[i]
		fits := b.asks(&rule.when, a, stage)
		if b.refused {
			return
		}
		if !fits {
			continue
		}
		if rule.months == 0 {
			return
		}
		last := a.Learned.AddMonths(rule.months)
		if last < r.day {
			b.refuse(stage, rule.GetId(), int64(rule.months), int64(monthsBetween(a.Learned, r.day)))
			return
		}
		if b.decision.Until == 0 || last < b.decision.Until {
			b.decision.Until = last
		}
		return
	}
}

func (r *run) course(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_COURSE
	for i := range r.agreement.courses {
		rule := &r.agreement.courses[i]
		if !listed(rule.GetProgrammes(), r.programme.Code) || !same(rule.GetProvider(), a.Provider) || !same(rule.GetCourse(), a.Course) ||
			!same(rule.GetCategory(), a.Category) || a.Level < rule.GetMinLevel() || rule.GetMaxLevel() != 0 && a.Level > rule.GetMaxLevel() ||
			b.amount < rule.GetLeastMilliCredits() {
			continue
		}
		fits := b.asks(&rule.when, a, stage)
		if b.refused {
			return
		}
		if fits {
			b.course, b.gives = rule.Agreement_Course, rule.GetMilliCredits()
			if least := rule.GetLeastMilliCredits(); least > 0 {
				b.amount = least
			}
			b.reason(stage, rule.GetId(), b.amount, b.gives, 0, 0)
			return
		}
	}
}

// same says that nothing was asked for, or this.
func same(asked, name string) bool { return asked == "" || asked == name }

func (r *run) ratio(b *bid, a *activation) {
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_RATIO
	if b.course != nil {
		return
	}
	for i := range r.agreement.ratios {
		rule := &r.agreement.ratios[i]
		if !listed(rule.GetProgrammes(), r.programme.Code) || !listed(rule.GetCategories(), a.Category) {
			continue
		}
		fits := b.asks(&rule.when, a, stage)
		if b.refused {
			return
		}
		if fits {
			b.ratio = rule.Agreement_Ratio
			b.gives = b.amount * int64(rule.GetNumerator()) / int64(rule.GetDenominator())
			b.reason(stage, rule.GetId(), b.amount, b.gives, 0, 0)
			b.refused = b.gives == 0
			if !b.refused {
				r.round(b)
			}
			return
		}
	}
	b.refuse(stage, NoRatio, 0, 0)
}

func (r *run) round(b *bid) {
	rounding := r.agreement.message.GetRounding()
	step := rounding.GetStepMilliCredits()
	if rest := b.gives % step; rest != 0 {
		before := b.gives
		b.gives -= rest
		b.refused = b.gives == 0
		b.reason(ledgerv1.TransferStage_TRANSFER_STAGE_ROUNDING, rounding.GetId(), before, b.gives, step, 0)
	}
}

// capsThatCount finds the caps that count the lot, whether they leave room or not.
func (r *run) capsThatCount(b *bid, a *activation) {
	for i := range r.agreement.caps {
		rule := &r.agreement.caps[i]
		if !listed(rule.GetProgrammes(), r.programme.Code) || !listed(rule.GetCategories(), a.Category) {
			continue
		}
		fits := b.asks(&rule.when, a, ledgerv1.TransferStage_TRANSFER_STAGE_CAPS)
		if b.refused {
			return
		}
		if fits {
			b.caps = append(b.caps, rule.Agreement_Cap)
		}
	}
}

// serve takes what caps leave room for, and counts it.
func (r *run) serve(b *bid) {
	if b.refused {
		return
	}
	const stage = ledgerv1.TransferStage_TRANSFER_STAGE_CAPS
	if b.course != nil && r.counts[r.courseKey(b.course.GetCountsAs())] > 0 {
		b.refuse(ledgerv1.TransferStage_TRANSFER_STAGE_COURSE, CourseCountedAlready, 0, 0)
		return
	}
	full := b.gives
	for _, rule := range b.caps {
		limit := r.limit(rule)
		counted := int64(r.counts[r.capKey(rule, b.decision.Item)])
		room := max(limit-counted, 0)
		if room >= b.gives {
			continue
		}
		before := b.gives
		if b.course != nil {
			b.gives = 0
		} else {
			b.gives = room - room%r.agreement.message.GetRounding().GetStepMilliCredits()
		}
		b.reason(stage, rule.GetId(), before, b.gives, limit, counted)
		if b.gives == 0 {
			b.refused = true
			return
		}
	}
	d := &b.decision
	takes := b.amount
	if keeps := r.agreement.message.GetRounding().GetRemainder() == policyv1.Agreement_Rounding_REMAINDER_KEEP; b.ratio != nil && (keeps || b.gives < full) {
		numerator, denominator := int64(b.ratio.GetNumerator()), int64(b.ratio.GetDenominator())
		takes = (b.gives*denominator + numerator - 1) / numerator
	}
	d.Takes, d.Gives, d.Outcome = unit.Credits(takes), unit.Credits(b.gives), Partial
	if d.Takes == d.Item.Available {
		d.Outcome = Accepted
	}
	for _, rule := range b.caps {
		r.count(d, r.capKey(rule, d.Item))
	}
	if b.course != nil {
		d.Course = b.course.GetCountsAs()
		r.count(d, r.courseKey(d.Course))
	}
}

func (r *run) count(d *Decision, key string) {
	r.counts[key] += d.Gives
	d.Counts = append(d.Counts, Count{key, d.Gives})
}

func (r *run) limit(rule *policyv1.Agreement_Cap) int64 {
	if share := int64(rule.GetPerMille()); share != 0 {
		return int64(r.programme.Credits)/1000*share + int64(r.programme.Credits)%1000*share/1000
	}
	return rule.GetMilliCredits()
}

func (r *run) capKey(rule *policyv1.Agreement_Cap, item *Item) string {
	key := r.programme.Code + "/" + rule.GetId()
	switch rule.GetScope() {
	case policyv1.Agreement_Cap_SCOPE_CATEGORY:
		return key + "/" + item.Category
	case policyv1.Agreement_Cap_SCOPE_PROVIDER:
		return key + "/" + item.Provider
	case policyv1.Agreement_Cap_SCOPE_PLATFORM:
		return key + "/" + item.Platform
	case policyv1.Agreement_Cap_SCOPE_UNSPECIFIED:
		return key
	default:
		return key
	}
}

// courseKey is no key of a cap: names of caps have no colon.
func (r *run) courseKey(code string) string { return r.programme.Code + "/course:" + code }
