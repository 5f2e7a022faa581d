package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
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

// waitingStates are those in which a case waits for an officer.
func waitingStates() []ledgerv1.CaseStatus {
	return []ledgerv1.CaseStatus{
		ledgerv1.CaseStatus_CASE_STATUS_SUBMITTED, ledgerv1.CaseStatus_CASE_STATUS_FIRST_REVIEW,
		ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW, ledgerv1.CaseStatus_CASE_STATUS_OBJECTED,
		ledgerv1.CaseStatus_CASE_STATUS_APPEALED,
	}
}

// CaseOrder is an order of cases.
type CaseOrder uint8

// The orders.
const (
	// ByRisk has the riskiest, and of those the oldest, first.
	ByRisk CaseOrder = iota
	// ByDue has the case first that an officer should act on first; those that nobody said a time for are left out.
	ByDue
)

// CaseFilter says which cases are listed. What is zero filters nothing.
type CaseFilter struct {
	// States are where they stand; none: where they wait for an officer.
	States []ledgerv1.CaseStatus
	// MinRisk and MaxRisk bound their risk.
	MinRisk, MaxRisk int
	// OpenedFrom and OpenedBefore bound when they were opened: their age.
	OpenedFrom, OpenedBefore time.Time
	// Within is the organization in whose subtree their providers lie, such as a town's school; Provider is the provider itself.
	Within, Provider string
	// Category is that of their courses.
	Category string
	// Holder is the officer who has taken them.
	Holder string
	// DueBefore leaves out what nobody need act on before then.
	DueBefore time.Time
	Order     CaseOrder
}

func (f CaseFilter) check(d *directory) *Error {
	for _, state := range f.States {
		if fault := checkEnum("state", state, ledgerv1.CaseStatus_name); fault != nil {
			return fault
		}
	}
	if f.MinRisk < 0 || f.MaxRisk < 0 || f.MinRisk > 255 || f.MaxRisk > 255 {
		return invalid(ReasonField, "min_risk", "a risk is 1 to 5")
	}
	if f.Order > ByDue {
		return invalid(ReasonUnknownEnum, "order", "the value %d has no meaning", f.Order)
	}
	for _, named := range []struct{ field, organization string }{{"within", f.Within}, {"provider", f.Provider}} {
		if _, ok := d.organizations[named.organization]; !ok && named.organization != "" {
			return faultf(NotFound, ReasonUnknownOrganization, named.field, "there is no organization %q", named.organization)
		}
	}
	return nil
}

// states are those that are listed.
func (f CaseFilter) states() []ledgerv1.CaseStatus {
	if len(f.States) == 0 {
		return waitingStates()
	}
	states := slices.Clone(f.States)
	slices.Sort(states)
	return slices.Compact(states)
}

// queued is a case in a list, before its row is read.
type queued struct {
	id     uint64
	status ledgerv1.CaseStatus
	risk   int
	course uint64
	opened int64
	// organization has jurisdiction; category is that of what it is about.
	organization, category string
	// place is where it is in its list.
	place []byte
}

// find says in whose jurisdiction a case lies, and its category. The list says it of a course; a claim is read.
func (q *queued) find(state *book.State, d *directory) error {
	if c := d.byIndex[q.course]; c != nil {
		q.organization, q.category = c.fact.GetProvider(), c.fact.GetCategory()
		return nil
	}
	row, err := state.Case(q.id)
	if err != nil || row.GetOrganization() == 0 {
		return err
	}
	item, err := state.Completion(unit.AccountID(row.GetAccount()), row.GetCompletion())
	q.organization, q.category = d.jurisdiction(row), item.GetCategory()
	return err
}

// fits says whether a case is one of those that are asked for, and in the caller's subtree.
func (f CaseFilter) fits(q queued, caller access.Caller, d *directory) bool {
	provider := q.organization
	switch {
	case provider == "",
		f.MinRisk != 0 && q.risk < f.MinRisk, f.MaxRisk != 0 && q.risk > f.MaxRisk,
		!f.OpenedFrom.IsZero() && q.opened < f.OpenedFrom.UnixMicro(),
		!f.OpenedBefore.IsZero() && q.opened >= f.OpenedBefore.UnixMicro(),
		f.Provider != "" && f.Provider != provider,
		f.Within != "" && !d.Within(provider, f.Within),
		f.Category != "" && f.Category != q.category,
		!slices.Contains(f.states(), q.status):
		return false
	default:
		return caller.Check(access.ReadCases, access.Subject{Organization: provider}, d) == nil
	}
}

// ListCases answers a page of cases. No more than 10,000 are looked at for a page: where few fit, one may be short or
// empty and still not be the last.
func (b *Bank) ListCases(
	ctx context.Context, caller access.Caller, filter CaseFilter, page Page,
) (cases []Case, next string, err error) {
	if err := caller.Holds(access.ReadCases); err != nil {
		return nil, "", err
	}
	size, fault := page.size(usualCasePage, maxCasePage)
	if fault != nil {
		return nil, "", fault
	}
	asked := []any{"ListCases", filter, caller.String()}
	var after []byte
	if err := parsePageToken(page.Token, asked, &after); err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	if fault := filter.check(d); fault != nil {
		return nil, "", fault
	}
	// Whoever made a token up must not be led out of the list by it.
	if after != nil && len(after) != filter.placeLength() {
		return nil, "", wrongPageToken()
	}
	looked, state := 0, view.State(ctx)
	for q, err := range filter.list(ctx, view, after) {
		if err != nil {
			return nil, "", err
		}
		if len(cases) == size || looked == maxCasesLooked {
			next, err = pageToken(asked, after)
			return cases, next, err
		}
		looked++
		after = q.place
		if err := q.find(state, d); err != nil {
			return nil, "", err
		}
		if !filter.fits(q, caller, d) {
			continue
		}
		c, err := readCase(ctx, view, d, q.id)
		if err != nil {
			return nil, "", err
		}
		cases = append(cases, c)
	}
	return cases, "", nil
}

// placeLength is that of the places in the filter's list.
func (f CaseFilter) placeLength() int {
	switch {
	case f.Holder != "":
		return 8
	case f.byTime():
		return 16
	default:
		return 9
	}
}

func (f CaseFilter) byTime() bool { return f.Order == ByDue || !f.DueBefore.IsZero() }

// list yields the cases of the shortest list that has all that are asked for, after a place in it.
func (f CaseFilter) list(ctx context.Context, view ledger.View, after []byte) iter.Seq2[queued, error] {
	switch {
	case f.Holder != "":
		return byRow(ctx, view, book.HeldPrefix(f.Holder), after, nil)
	case f.byTime():
		var until []byte
		if !f.DueBefore.IsZero() {
			until = book.CaseTimesUntil(book.CaseDue, f.DueBefore.UnixMicro())
		}
		return byRow(ctx, view, book.CaseTimesPrefix(book.CaseDue), after, until)
	default:
		return f.queue(ctx, view, after)
	}
}

// byRow yields cases of a list that says nothing of them but their numbers.
func byRow(ctx context.Context, view ledger.View, prefix, after, until []byte) iter.Seq2[queued, error] {
	return func(yield func(queued, error) bool) {
		r := store.Prefix(prefix)
		if after != nil {
			r.Start = append(slices.Concat(prefix, after), 0)
		}
		if until != nil {
			r.End = until
		}
		state := view.State(ctx)
		for row, err := range view.Scan(ctx, r) {
			var q queued
			if err == nil {
				q = queued{id: binary.BigEndian.Uint64(row.Key[len(row.Key)-8:]), place: bytes.Clone(row.Key[len(prefix):])}
				var c *ledgerv1.CaseRow
				if c, err = state.Case(q.id); err == nil {
					q.status, q.risk, q.course, q.opened = c.GetStatus(), int(c.GetRisk()), c.GetCourse(), c.GetTime()
				}
			}
			if !yield(q, err) || err != nil {
				return
			}
		}
	}
}

// queue yields the cases of several states, the riskiest and then the oldest first: the queues of the states, merged.
func (f CaseFilter) queue(ctx context.Context, view ledger.View, after []byte) iter.Seq2[queued, error] {
	return func(yield func(queued, error) bool) {
		var heads []*queueHead
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for _, status := range f.states() {
			prefix := book.QueuePrefix(uint8(status))
			r := store.Prefix(prefix)
			if after != nil {
				r.Start = append(slices.Concat(prefix, after), 0)
			}
			h := &queueHead{status: status}
			h.next, h.stop = iter.Pull2(view.Scan(ctx, r))
			heads = append(heads, h)
			h.advance()
		}
		for {
			var first *queueHead
			for _, h := range heads {
				if h.err != nil {
					yield(queued{}, h.err)
					return
				}
				if h.ok && (first == nil || bytes.Compare(h.q.place, first.q.place) < 0) {
					first = h
				}
			}
			if first == nil || !yield(first.q, nil) {
				return
			}
			first.advance()
		}
	}
}

// queueHead is the queue of one state.
type queueHead struct {
	status ledgerv1.CaseStatus
	next   func() (store.Row, error, bool)
	stop   func()
	q      queued
	err    error
	ok     bool
}

func (h *queueHead) advance() {
	row, err, ok := h.next()
	if h.err, h.ok = err, ok; err != nil || !ok {
		return
	}
	place := bytes.Clone(row.Key[2:])
	h.q = queued{id: binary.BigEndian.Uint64(place[1:]), status: h.status, risk: 0xff - int(place[0]), place: place}
	if h.q.course, h.q.opened, ok = book.ParseQueueValue(row.Value); !ok {
		h.err = fmt.Errorf("%w: queue %x", ledger.ErrDamaged, row.Key)
	}
}

// CaseCount is how many cases are in a state and of a risk.
type CaseCount struct {
	Status ledgerv1.CaseStatus
	Risk   int
	Count  int
}

// CountCases counts the cases that are asked for by state and risk, and says whether that is all: no more than 100,000 are
// looked at. The filter's order, and who has them, count for nothing here.
func (b *Bank) CountCases(ctx context.Context, caller access.Caller, filter CaseFilter) (counts []CaseCount, all bool, err error) {
	if err := caller.Holds(access.ReadCases); err != nil {
		return nil, false, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	if fault := filter.check(d); fault != nil {
		return nil, false, fault
	}
	if len(filter.States) == 0 {
		filter.States = append(waitingStates(), ledgerv1.CaseStatus_CASE_STATUS_RETURNED, ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE)
	}
	looked, found, state := 0, make(map[CaseCount]int), view.State(ctx)
	for q, err := range filter.queue(ctx, view, nil) {
		if err != nil {
			return nil, false, err
		}
		if looked == maxCasesCounted {
			return countsOf(found), false, nil
		}
		looked++
		if err := q.find(state, d); err != nil {
			return nil, false, err
		}
		if filter.fits(q, caller, d) {
			found[CaseCount{Status: q.status, Risk: q.risk}]++
		}
	}
	return countsOf(found), true, nil
}

func countsOf(found map[CaseCount]int) []CaseCount {
	counts := make([]CaseCount, 0, len(found))
	for c, n := range found {
		c.Count = n
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b CaseCount) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(b.Risk, a.Risk))
	})
	return counts
}
