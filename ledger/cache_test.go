package ledger_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// firstWeek is the number of a week, and a day of it.
const firstWeek, dayOfFirstWeek int32 = 105_657, 20_440

// learners are accounts whose completions are counted beside the ledgers that record them.
type learners struct {
	*world
	accounts []unit.AccountID
	all      map[unit.AccountID]int           // completions
	weeks    map[unit.AccountID]map[int32]int // completions of each week
	posted   uint32
}

// newLearners opens so many accounts.
func newLearners(tb testing.TB, count int) *learners {
	tb.Helper()
	p := &learners{world: newWorld(tb), all: make(map[unit.AccountID]int), weeks: make(map[unit.AccountID]map[int32]int)}
	l := p.start(tb)
	defer func() { must(tb, l.Close()) }()
	for i := range count {
		id := unit.AccountID{0: 1, 15: byte(i)}
		p.accounts, p.weeks[id] = append(p.accounts, id), make(map[int32]int)
	}
	_, errs, err := l.ProposeEach(tb.Context(), nil, 1+count, func(tx *ledger.Tx, i int) error {
		if i == 0 {
			_, err := tx.Append(organization(platform))
			return err
		}
		_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{
			Account: p.accounts[i-1][:], Home: platform, Status: ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED,
		}}})
		return err
	})
	must(tb, errors.Join(append(errs, err)...))
	return p
}

// start opens a ledger, which has a cache.
func (p *learners) start(tb testing.TB) *ledger.Ledger {
	tb.Helper()
	l, err := ledger.Open(tb.Context(), p.config())
	must(tb, err)
	return l
}

// class is a completion of an account in a week.
type class struct {
	account unit.AccountID
	week    int32
}

// record records classes in one proposal that names the rows it reads, or does not. Each step holds what it reads against what is
// counted here; that counts for nothing when somebody else has moved the head, and is done again.
func (p *learners) record(ctx context.Context, l *ledger.Ledger, named bool, classes []class) error {
	var reads [][]byte
	if named {
		for _, c := range classes {
			reads = append(reads, book.AccountKey(c.account), book.WeekKey(c.account, c.week))
		}
	}
	var seen []error
	_, errs, err := l.ProposeEach(ctx, reads, len(classes), func(tx *ledger.Tx, i int) error {
		tx.Limit(0) // the state forgets with every commit
		seen = append(seen, p.compare(tx, classes[i], classes[:i]))
		_, err := tx.Append(p.completion(classes[i]))
		return err
	})
	if errors.Is(err, store.ErrHeadMoved) {
		return p.record(ctx, l, named, classes)
	}
	for _, c := range classes {
		p.all[c.account]++
		p.weeks[c.account][c.week]++
	}
	return errors.Join(err, errors.Join(errs...), errors.Join(seen...))
}

// compare holds what a step reads against what is counted, and what the steps before it in the proposal add to that.
func (p *learners) compare(tx *ledger.Tx, c class, earlier []class) error {
	account, err := tx.Account(c.account)
	if err != nil {
		return err
	}
	week, err := tx.Week(c.account, c.week)
	if err != nil {
		return err
	}
	all, weekly := p.all[c.account], p.weeks[c.account][c.week]
	for _, e := range earlier {
		if e.account == c.account {
			all++
		}
		if e == c {
			weekly++
		}
	}
	if account.GetCompletions() != int64(all) || len(week.GetItems()) != weekly {
		return fmt.Errorf("the account has %d completions, %d in the week; the writer sees %d and %d",
			all, weekly, account.GetCompletions(), len(week.GetItems()))
	}
	return nil
}

func (p *learners) completion(c class) *ledgerv1.Entry {
	p.posted++
	id := uuid.UUID{6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], p.posted)
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
		Account: c.account[:], Origin: &ledgerv1.Origin{Organization: platform, StatementId: id[:]},
		EndDay: dayOfFirstWeek + 7*(c.week-firstWeek), Outcome: ledgerv1.Outcome_OUTCOME_NO_CREDIT,
	}}}
}

// What the writer reads is the newest there is, whatever was read, written and forgotten before, and whoever wrote it: two ledgers
// write to one store in turn, and each finds out when its commit is refused.
func TestWriterReadsTheNewest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newLearners(t, 4)
		ledgers := []*ledger.Ledger{p.start(t), p.start(t)}
		defer func() {
			for _, l := range ledgers {
				must(t, l.Close())
			}
		}()
		for range rapid.IntRange(1, 30).Draw(r, "proposals") {
			classes := make([]class, rapid.IntRange(1, 5).Draw(r, "classes"))
			for i := range classes {
				classes[i] = class{
					account: rapid.SampledFrom(p.accounts).Draw(r, "account"),
					week:    firstWeek + rapid.Int32Range(0, 2).Draw(r, "week"),
				}
			}
			l, named := ledgers[rapid.IntRange(0, 1).Draw(r, "ledger")], rapid.Bool().Draw(r, "named")
			if err := p.record(t.Context(), l, named, classes); err != nil {
				r.Fatal(err)
			}
		}
	})
}

// A row that has become too long for the cache is not read from it as it was before.
func TestWriterReadsLongRows(t *testing.T) {
	p := newLearners(t, 2)
	l := p.start(t)
	defer func() { must(t, l.Close()) }()
	keen, other := class{p.accounts[0], firstWeek}, class{p.accounts[1], firstWeek}
	for range 6 {
		must(t, p.record(t.Context(), l, true, slices.Repeat([]class{keen}, 1000)))
		for range 3 { // until the state has forgotten the row
			must(t, p.record(t.Context(), l, true, []class{other}))
		}
	}
	rows, err := p.engine.Get(t.Context(), book.WeekKey(keen.account, keen.week))
	must(t, err)
	if len(rows[0]) < 1<<16 {
		t.Errorf("the longest row has %d bytes", len(rows[0]))
	}
}
