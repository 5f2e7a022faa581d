package book_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// directory applies facts that concern nobody's account, one after the other.
type directory struct {
	t     *testing.T
	state *book.State
	next  uint64
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	d := &directory{t: t, state: book.NewState(make(rows))}
	d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_BankFounded{BankFounded: &ledgerv1.BankFounded{BankId: "b"}}})
	d.fits(organization("root", ""))
	return d
}

func (d *directory) apply(e *ledgerv1.Entry) error {
	e.Index, e.Time = d.next, int64(d.next)*10
	return d.state.Apply(e)
}

// fits applies and keeps an entry, and answers its index.
func (d *directory) fits(e *ledgerv1.Entry) uint64 {
	d.t.Helper()
	if err := errors.Join(d.apply(e), d.state.Keep()); err != nil {
		d.t.Fatal(err)
	}
	d.next++
	return d.next - 1
}

// misfits has an entry noticed that does not fit.
func (d *directory) misfits(e *ledgerv1.Entry) {
	d.t.Helper()
	if err := d.apply(e); !errors.Is(err, book.ErrInconsistent) {
		d.t.Errorf("%s: %v", book.Fact(e), err)
	}
	d.state.Undo()
}

func organization(id, parent string) *ledgerv1.Entry {
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationRegistered{
		OrganizationRegistered: &ledgerv1.OrganizationRegistered{Organization: id, Parent: parent},
	}}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	d, id := newDirectory(t), []byte("key")
	added := &ledgerv1.Entry{Fact: &ledgerv1.Entry_KeyAdded{KeyAdded: &ledgerv1.KeyAdded{Organization: "root", KeyId: id}}}
	d.fits(proto.CloneOf(added))
	d.misfits(added)
	revoke := func(since int64) uint64 {
		return d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_KeyRevoked{KeyRevoked: &ledgerv1.KeyRevoked{KeyId: id, CompromisedSince: since}}})
	}
	// The first revocation counts, and the earliest doubt.
	first := revoke(0)
	for _, c := range []struct{ since, want int64 }{{0, 0}, {25, 25}, {30, 25}, {12, 12}, {0, 12}} {
		revoke(c.since)
		key, err := d.state.Key(id)
		if err != nil || key.GetRevokedTime() != int64(first)*10 || key.GetCompromisedSince() != c.want {
			t.Errorf("since %d: %v, %v", c.since, key, err)
		}
	}
	if version, err := d.state.Directory(); err != nil || version != d.next {
		t.Errorf("directory %d, %v, not %d", version, err, d.next)
	}
}

func TestOfficers(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	appoint := func(organization string) uint64 {
		return d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OfficerAppointed{
			OfficerAppointed: &ledgerv1.OfficerAppointed{Officer: "li", Organization: organization},
		}})
	}
	appoint("root")
	removed := d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OfficerRemoved{OfficerRemoved: &ledgerv1.OfficerRemoved{Officer: "li"}}})
	if o, err := d.state.Officer("li"); err != nil || o.GetRemovedPlusOne() != removed+1 {
		t.Errorf("removed: %v, %v", o, err)
	}
	again := appoint("elsewhere")
	if o, err := d.state.Officer("li"); err != nil || o.GetRemovedPlusOne() != 0 || o.GetIndex() != again || o.GetFact().GetOrganization() != "elsewhere" {
		t.Errorf("appointed again: %v, %v", o, err)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	d, hash := newDirectory(t), []byte("hash")
	proposed := &ledgerv1.PolicyProposed{PolicyHash: hash, Yaml: []byte("yaml"), Organization: "root", Request: &ledgerv1.Request{RequestId: []byte("r")}}
	index := d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyProposed{PolicyProposed: proposed}})
	d.misfits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyProposed{PolicyProposed: &ledgerv1.PolicyProposed{PolicyHash: hash}}})
	publish := &ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyPublished{PolicyPublished: &ledgerv1.PolicyPublished{PolicyHash: hash, ProposedIndex: index}}}
	published := d.fits(proto.CloneOf(publish))
	d.misfits(publish)
	p, err := d.state.Policy(hash)
	if err != nil || p.GetIndex() != index || p.GetPublishedPlusOne() != published+1 || p.GetFact().GetYaml() != nil || p.GetFact().GetRequest() != nil {
		t.Errorf("policy %v, %v", p, err)
	}
}

func TestCourses(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	propose := func(version string) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseProposed{
			CourseProposed: &ledgerv1.CourseProposed{Provider: "root", Code: "tea", Version: version},
		}}
	}
	one := d.fits(propose("1"))
	d.misfits(propose("1"))
	two := d.fits(propose("2"))
	d.fits(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: &ledgerv1.CourseDecided{
		Course: two, Decision: ledgerv1.CourseDecision_COURSE_DECISION_RETIRED, LastDay: 9,
	}}})
	for version, want := range map[string]uint64{"1": one, "2": two} {
		if index, ok, err := d.state.CourseNamed("root", "tea", version); err != nil || !ok || index != want {
			t.Errorf("version %s: %d, %t, %v, not %d", version, index, ok, err, want)
		}
	}
	if _, ok, err := d.state.CourseNamed("root", "tea", "3"); ok || err != nil {
		t.Errorf("version 3: %t, %v", ok, err)
	}
	if c, err := d.state.Course(two); err != nil || c.GetLastDay() != 9 || c.GetDecision() != ledgerv1.CourseDecision_COURSE_DECISION_RETIRED {
		t.Errorf("course %v, %v", c, err)
	}
	if c, err := d.state.Course(one); err != nil || c.GetDecision() != ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED {
		t.Errorf("course %v, %v", c, err)
	}
}

// A request is one caller's: an officer and an organization of the same name do not answer for each other.
func TestRequests(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	propose := func(code string, actor *ledgerv1.Actor) *ledgerv1.Entry {
		return &ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: &ledgerv1.CourseProposed{
			Actor: actor, Provider: "root", Code: code, Request: &ledgerv1.Request{Method: "ProposeCourse", RequestId: []byte("0123456789abcdef")},
		}}}
	}
	d.fits(propose("a", &ledgerv1.Actor{Organization: "li"}))
	d.fits(propose("b", &ledgerv1.Actor{Officer: "li", Organization: "root"}))
	d.misfits(propose("c", &ledgerv1.Actor{Organization: "li", KeyId: []byte("another")}))
	d.misfits(propose("c", &ledgerv1.Actor{Officer: "li", Organization: "elsewhere"}))
	d.fits(propose("c", &ledgerv1.Actor{Officer: "wang"}))
}

// Rejects lie in a ring beside the state.
func TestRejects(t *testing.T) {
	t.Parallel()
	const before = book.RejectSlots - 2
	s := book.NewState(rows{string(book.RejectCountKey(1)): book.Uint(before)})
	for n := range int64(4) {
		if err := s.Reject(1, &ledgerv1.RejectRow{Time: n + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Keep(); err != nil {
		t.Fatal(err)
	}
	for slot, want := range map[uint32]int64{before: 1, before + 1: 2, 0: 3, 1: 4} {
		value, err := s.Row(book.RejectKey(1, slot))
		row := new(ledgerv1.RejectRow)
		if err := errors.Join(err, proto.Unmarshal(value, row)); err != nil || row.GetTime() != want {
			t.Errorf("slot %d: reject %d, %v, not %d", slot, row.GetTime(), err, want)
		}
	}
	if value, err := s.Row(book.RejectCountKey(1)); err != nil || string(value) != string(book.Uint(before+4)) {
		t.Errorf("count %x, %v", value, err)
	}
}

// A row that cannot be read is noticed, whatever asks for it.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	below := rows{
		string(book.OrganizationKey("root")): {0xff}, string(book.CourseNameKey("a", "b", "c")): {1},
	}
	s := book.NewState(below)
	if _, err := s.Organization("root"); !errors.Is(err, book.ErrInconsistent) {
		t.Errorf("message: %v", err)
	}
	if _, _, err := s.CourseNamed("a", "b", "c"); !errors.Is(err, book.ErrInconsistent) {
		t.Errorf("number: %v", err)
	}
}

// Rows are compared as messages, and tables that hold none byte by byte.
func TestSameRow(t *testing.T) {
	t.Parallel()
	a, b := []byte{0x08, 0x01, 0x18, 0x02}, []byte{0x18, 0x02, 0x08, 0x01} // AccountRow{opened_index: 1, status: 2}
	if !book.SameRow(book.TableAccounts, a, b) || book.SameRow(book.TableFeeds, a, b) || book.SameRow(book.TableAccounts, a, a[:2]) {
		t.Error("rows are not compared as what they are")
	}
	if book.SameRow(book.TableAccounts, a, []byte{0xff}) || !book.SameRow(book.TableFeeds, a, a) {
		t.Error("a damaged row is the same as a sound one")
	}
}

// A list is the same however it came about, and another one in another order.
func TestSameRowOfLists(t *testing.T) {
	t.Parallel()
	row := func(parts ...*ledgerv1.WeekRow) (whole []byte) {
		for _, part := range parts {
			b, err := part.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			whole = append(whole, b...)
		}
		return whole
	}
	item := func(index ...uint64) (items []*ledgerv1.CompletionItem) {
		for _, i := range index {
			items = append(items, &ledgerv1.CompletionItem{Index: i})
		}
		return items
	}
	day := func(day ...int32) (days []*ledgerv1.DayItem) {
		for _, d := range day {
			days = append(days, &ledgerv1.DayItem{Day: d})
		}
		return days
	}
	whole := row(&ledgerv1.WeekRow{Items: item(7, 8, 9), Days: day(1, 2)})
	for name, test := range map[string]struct {
		other []byte
		same  bool
	}{
		"in steps": {row(&ledgerv1.WeekRow{Items: item(7), Days: day(1)}, &ledgerv1.WeekRow{Items: item(8, 9), Days: day(2)}), true},
		"days first": {
			row(&ledgerv1.WeekRow{Days: day(1)}, &ledgerv1.WeekRow{Items: item(7, 8)}, &ledgerv1.WeekRow{Items: item(9), Days: day(2)}), true,
		},
		"other order": {row(&ledgerv1.WeekRow{Items: item(8, 7, 9), Days: day(1, 2)}), false},
		"other days":  {row(&ledgerv1.WeekRow{Items: item(7), Days: day(2)}, &ledgerv1.WeekRow{Items: item(8, 9), Days: day(1)}), false},
		"one twice":   {row(&ledgerv1.WeekRow{Items: item(7, 8, 8), Days: day(1, 2)}), false},
		"one more":    {row(&ledgerv1.WeekRow{Items: item(7, 8, 9, 10), Days: day(1, 2)}), false},
		"one fewer":   {row(&ledgerv1.WeekRow{Items: item(7, 8), Days: day(1, 2)}), false},
		"a day less":  {row(&ledgerv1.WeekRow{Items: item(7, 8, 9, 9), Days: day(1)}), false},
	} {
		if book.SameRow(book.TableWeeks, whole, test.other) != test.same || book.SameRow(book.TableWeeks, test.other, whole) != test.same {
			t.Errorf("%s: it is not %t", name, test.same)
		}
	}
}
