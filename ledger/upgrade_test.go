package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// older is a school whose store can be made one of format 1.
type older struct {
	*school
	// format is what makes it one; lists and spans are what it then lacks, or may lack: keys with the values that they have then.
	format, lists, spans map[string][]byte
	whole                map[string][]byte
}

// newOlder founds one of more accounts than are looked at in one go.
func newOlder(t *testing.T) *older {
	t.Helper()
	o := &older{school: newSchoolIn(t, store.NewMemory(), 1100), lists: make(map[string][]byte), spans: make(map[string][]byte)}
	o.teach(t, 3000, 1000)
	idle := unit.AccountID{1} // learns nothing, and has no weeks
	o.append(t, func(*ledger.Tx) []*ledgerv1.Entry {
		entries := []*ledgerv1.Entry{organization("university"), {Fact: &ledgerv1.Entry_AccountOpened{
			AccountOpened: &ledgerv1.AccountOpened{Account: idle[:], Home: platform},
		}}}
		for _, id := range append(o.accounts[:100:100], idle) {
			for _, institution := range []string{platform, "university"} {
				entries = append(entries, &ledgerv1.Entry{Fact: &ledgerv1.Entry_ConsentGranted{ConsentGranted: &ledgerv1.ConsentGranted{
					Actor: &ledgerv1.Actor{Resident: true}, Account: id[:], Institution: institution, Purpose: "transfer", Expires: 1 << 60,
				}}})
			}
		}
		return entries
	})
	o.whole = o.rows(t)
	o.format = map[string][]byte{string(book.MetaKey("format")): book.Uint(1)}
	if got := o.whole[string(book.MetaKey("format"))]; !bytes.Equal(got, book.Uint(2)) {
		t.Fatalf("it has the format %x", got)
	}
	for key, value := range o.whole {
		switch key[0] {
		case book.TableConsentLists:
			o.lists[key] = nil
		case book.TableAccounts:
			o.spans[key] = changed(t, value, func(row *ledgerv1.AccountRow) { row.FirstWeek, row.EndWeek = 0, 0 })
		}
	}
	delete(o.spans, string(book.AccountKey(idle)))
	if len(o.lists) != 202 || len(o.spans) != len(o.accounts) {
		t.Fatalf("%d consents and %d accounts with weeks", len(o.lists), len(o.spans))
	}
	return o
}

// changed is the row of an account with something else in it.
func changed(t *testing.T, value []byte, change func(row *ledgerv1.AccountRow)) []byte {
	t.Helper()
	row := new(ledgerv1.AccountRow)
	must(t, row.UnmarshalVT(value))
	change(row)
	value, err := row.MarshalVT()
	must(t, err)
	return value
}

func (o *older) rows(t *testing.T) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for row, err := range o.engine.Scan(t.Context(), store.Range{}) {
		must(t, err)
		all[string(row.Key)] = bytes.Clone(row.Value)
	}
	return all
}

// set changes rows of an engine; nil removes one.
func (o *older) set(t *testing.T, changes ...map[string][]byte) {
	t.Helper()
	var batch store.Batch
	for _, some := range changes {
		for key, value := range some {
			if value == nil {
				batch.Delete([]byte(key))
			} else {
				batch.Set([]byte(key), value)
			}
		}
	}
	must(t, o.engine.Commit(t.Context(), &batch, o.engine.Head()))
}

// isWhole says that it is what the entries add up to, in format 2.
func (o *older) isWhole(t *testing.T, after string) {
	t.Helper()
	if got := o.rows(t); !maps.EqualFunc(got, o.whole, bytes.Equal) {
		t.Errorf("after %s, it is not what the entries add up to", after)
	}
}

func one(of map[string][]byte) map[string][]byte {
	for key, value := range of {
		return map[string][]byte{key: value}
	}
	return nil
}

// A store of format 1 is sound, whether it has consent lists or not, and becomes one of format 2 when it is opened, or made again.
// One of format 2 that lacks what makes the difference is not sound.
func TestStoreOfFormat1(t *testing.T) {
	t.Parallel()
	o := newOlder(t)
	for name, without := range map[string]map[string][]byte{
		"consents": o.lists, "a consent": one(o.lists), "weeks": o.spans, "the weeks of one": one(o.spans),
	} {
		o.set(t, without)
		if report := o.fsck(t); len(report.Faults) != min(len(without), ledger.MaxFaults) || !report.Faults[0].Rebuilt() {
			t.Errorf("format 2 without %s: fsck says %v", name, report.Faults)
		}
		o.set(t, o.format)
		if report := o.fsck(t); len(report.Faults) != 0 {
			t.Errorf("format 1 without %s: fsck says %v", name, report.Faults)
		}
		must(t, o.open(t).Close())
		o.isWhole(t, "it was opened without "+name)
		o.set(t, o.format, without)
		_, err := ledger.Rebuild(t.Context(), o.engine, o.fsckConfig())
		must(t, err)
		o.isWhole(t, "it was made again without "+name)
	}

	// A version that knows no weeks of accounts leaves them as they are when it goes on: they mean nothing then.
	key := string(book.AccountKey(o.accounts[0]))
	o.set(t, o.format, map[string][]byte{key: changed(t, o.whole[key], func(row *ledgerv1.AccountRow) { row.FirstWeek, row.EndWeek = 1, 1<<20 })})
	if report := o.fsck(t); len(report.Faults) != 0 {
		t.Errorf("before it is opened, fsck says %v", report.Faults)
	}
	must(t, o.open(t).Close())
	o.isWhole(t, "it was opened with other weeks")

	// What else is wrong is found all the same.
	list := make(map[string][]byte)
	list[string(book.ConsentListKey(1, 2))] = o.accounts[0][:]
	for name, wrong := range map[string]map[string][]byte{
		"a sum":              {key: changed(t, o.spans[key], func(row *ledgerv1.AccountRow) { row.Completions++ })},
		"a missing account":  {key: nil},
		"an account of none": {string(book.AccountKey(unit.AccountID{2})): o.spans[key]},
		"a list of none":     list,
	} {
		o.set(t, o.spans, o.lists, o.format, wrong)
		if report := o.fsck(t); len(report.Faults) != 1 || !report.Faults[0].Rebuilt() {
			t.Errorf("%s: fsck says %v", name, report.Faults)
		}
		_, err := ledger.Rebuild(t.Context(), o.engine, o.fsckConfig())
		must(t, err)
		o.isWhole(t, "it was made again with "+name)
	}
}

// Wherever an upgrade is interrupted, or a rebuild of a store of format 1, the store is sound, or says that it is being made again; and
// it becomes one of format 2 the next time.
func TestUpgradeInterrupted(t *testing.T) {
	t.Parallel()
	o := newOlder(t)
	memory := o.engine
	for name, run := range map[string]func(engine store.Engine) error{
		"upgrade": func(engine store.Engine) error { return ledger.Upgrade(t.Context(), engine, engine.Head(), 1<<12) },
		"rebuild": func(engine store.Engine) error {
			check := o.fsckConfig()
			check.Engine = engine
			_, err := ledger.Rebuild(t.Context(), engine, check)
			return err
		},
	} {
		commits := 0
		for _, mode := range []ledgertest.Outcome{ledgertest.Lost, ledgertest.Persisted} {
			for at := 0; ; at++ {
				o.set(t, o.spans, o.lists, o.format)
				faulty := ledgertest.NewFaulty(memory)
				faulty.Fail(at, mode)
				if run(faulty) == nil {
					commits = at
					break
				}
				must(t, faulty.Recover())
				if report := o.fsck(t); len(report.Faults) > 0 && (name == "upgrade" || report.Faults[0].Field != "rebuild") {
					t.Errorf("%s, commit %d %v: fsck says %v", name, at, mode, report.Faults)
				}
				if err := run(faulty); err != nil {
					t.Errorf("%s, commit %d %v, and once more: %v", name, at, mode, err)
				}
				o.isWhole(t, fmt.Sprintf("%s, commit %d %v", name, at, mode))
			}
		}
		if least := map[string]int{"upgrade": 3, "rebuild": 2}[name]; commits < least {
			t.Errorf("%s has %d commits, not %d", name, commits, least)
		}
	}

	// Somebody else who writes is noticed, before anything of theirs is lost.
	o.set(t, o.spans, o.lists, o.format)
	head := o.engine.Head()
	o.set(t, one(o.spans))
	if err := ledger.Upgrade(t.Context(), o.engine, head, 1<<12); !errors.Is(err, store.ErrHeadMoved) {
		t.Errorf("somebody else writes: %v", err)
	}
}
