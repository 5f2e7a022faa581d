package book_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A week begins on Monday, also before 1970, and the first is that of 0001-01-01.
func TestWeekOf(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"1950-01-01", "1969-12-31", "1970-01-01", "1999-12-31", "2000-02-29", "2026-06-30", "2026-07-01"} {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		day := at.Unix() / 86_400
		if at.Unix()%86_400 != 0 {
			t.Fatalf("%s is no day", date)
		}
		want := int32((day - time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()/86_400) / 7)
		if week := book.WeekOf(int32(day)); week != want {
			t.Errorf("%s: week %d, not %d", date, week, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		day := rapid.Int32Range(-30_000, 60_000).Draw(t, "day")
		want := int32(0)
		if time.Unix(int64(day)*86_400, 0).UTC().Weekday() == time.Sunday {
			want = 1
		}
		if step := book.WeekOf(day+1) - book.WeekOf(day); step != want {
			t.Fatalf("from day %d to the next the week steps by %d, not %d", day, step, want)
		}
	})
}

// Weeks, entries and blocks of feeds lie in their order, each under its prefix.
func TestKeyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := unit.AccountID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "account"))
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		weeks := [2]int32{rapid.Int32Range(0, 50_000).Draw(t, "week"), rapid.Int32Range(0, 50_000).Draw(t, "other week")}
		for _, c := range []struct {
			name   string
			x, y   []byte
			order  int
			prefix []byte
		}{
			{"entry", book.EntryKey(a), book.EntryKey(b), compare(a, b), []byte{book.TableEntries}},
			{"course", book.CourseKey(a), book.CourseKey(b), compare(a, b), []byte{book.TableCourses}},
			{"case", book.CaseKey(a), book.CaseKey(b), compare(a, b), []byte{book.TableCases}},
			{"feed", book.FeedKey(7, a), book.FeedKey(7, b), compare(a, b), book.FeedKey(7, 0)[:9]},
			{"tile", book.TileKey(2, a), book.TileKey(2, b), compare(a, b), []byte{book.TableTiles, 2}},
			{"case time", book.CaseTimeKey(book.CaseDue, int64(a>>1), 3), book.CaseTimeKey(book.CaseDue, int64(b>>1), 3), compare(a>>1, b>>1), book.CaseTimesPrefix(book.CaseDue)},
			{"transfer", book.TransferKey(a), book.TransferKey(b), compare(a, b), []byte{book.TableTransfers}},
			{"transfer of an account", book.AccountTransferKey(id, a), book.AccountTransferKey(id, b), compare(a, b), book.AccountTransfersPrefix(id)},
			{"transfer of an institution", book.OrganizationTransferKey(7, a), book.OrganizationTransferKey(7, b), compare(a, b), book.OrganizationTransfersPrefix(7)},
			{"hold time", book.HoldTimeKey(int64(a>>1), 3), book.HoldTimeKey(int64(b>>1), 3), compare(a>>1, b>>1), []byte{book.TableHoldTimes}},
			{"clawback", book.ClawbackKey(a), book.ClawbackKey(b), compare(a, b), []byte{book.TableClawbacks}},
			{"held", book.HeldKey("chen", a), book.HeldKey("chen", b), compare(a, b), book.HeldPrefix("chen")},
			{"week", book.WeekKey(id, weeks[0]), book.WeekKey(id, weeks[1]), int(weeks[0]) - int(weeks[1]), book.WeeksPrefix(id)},
		} {
			if order := bytes.Compare(c.x, c.y); sign(order) != sign(c.order) {
				t.Fatalf("%s: keys compare %d, what they name %d", c.name, order, c.order)
			}
			if !bytes.HasPrefix(c.x, c.prefix) || !bytes.HasPrefix(c.y, c.prefix) {
				t.Fatalf("%s: not under its prefix", c.name)
			}
		}
	})
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func sign(n int) int { return compare(uint64(n+1<<40), 1<<40) }

// The riskiest case comes first, and of those the oldest.
func TestQueueOrder(t *testing.T) {
	t.Parallel()
	type waiting struct {
		risk  uint8
		index uint64
	}
	cases := []waiting{{1, 5}, {5, 900}, {0, 1}, {5, 20}, {3, 1 << 40}, {255, 7}, {3, 2}}
	slices.SortFunc(cases, func(a, b waiting) int {
		return bytes.Compare(book.QueueKey(1, a.risk, a.index), book.QueueKey(1, b.risk, b.index))
	})
	want := []waiting{{255, 7}, {5, 20}, {5, 900}, {3, 2}, {3, 1 << 40}, {1, 5}, {0, 1}}
	if !slices.Equal(cases, want) {
		t.Errorf("queue %v, not %v", cases, want)
	}
	if bytes.HasPrefix(book.QueueKey(1, 5, 0), book.QueuePrefix(2)) || !bytes.HasPrefix(book.QueueKey(2, 0, 0), book.QueuePrefix(2)) {
		t.Error("statuses share a prefix")
	}
}

// A request's key is that of one caller, method and id alone; so is the name of a course.
func TestJoinedKeysAreUnambiguous(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-z0-9:-]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		type request struct{ caller, method, id string }
		draw := func() request {
			return request{word.Draw(t, "caller"), word.Draw(t, "method"), string(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
		}
		a, b := draw(), draw()
		same := bytes.Equal(book.RequestKey(a.caller, a.method, []byte(a.id)), book.RequestKey(b.caller, b.method, []byte(b.id)))
		if same != (a == b) {
			t.Fatalf("%q and %q: the same key %t", a, b, same)
		}
		x, y := [3]string{a.caller, a.method, word.Draw(t, "version")}, [3]string{b.caller, b.method, word.Draw(t, "other version")}
		if same := bytes.Equal(book.CourseNameKey(x[0], x[1], x[2]), book.CourseNameKey(y[0], y[1], y[2])); same != (x == y) {
			t.Fatalf("%q and %q: the same key %t", x, y, same)
		}
		below := bytes.HasPrefix(book.CourseNameKey(x[0], x[1], x[2]), book.CourseVersionsPrefix(y[0], y[1]))
		if below != (x[0] == y[0] && x[1] == y[1]) {
			t.Fatalf("%q is a version of %q: %t", x, y[:2], below)
		}
	})
	if bytes.Equal(book.RequestKey("a", "bc", nil), book.RequestKey("ab", "c", nil)) {
		t.Error("what belongs to the caller and what to the method is not clear")
	}
}

// No table is a prefix of another one's keys, and only what is made of entries alone is derived.
func TestTables(t *testing.T) {
	t.Parallel()
	derived := 0
	for table := range 256 {
		if book.Derived(byte(table)) {
			derived++
		}
	}
	if derived != 26 || !book.Derived(book.TableImports) || !book.Derived(book.TableHoldTimes) || !book.Derived(book.TableMerges) || !book.Derived(book.TableClawbacks) || !book.Derived(book.TableApplications) || !book.Derived(book.TableAgreements) || !book.Derived(book.TableConsents) || !book.Derived(book.TableConsentLists) || book.Derived(book.TableRejects) || book.Derived(book.TableEntries) || book.Derived(book.TableMeta) {
		t.Errorf("%d tables are derived", derived)
	}
	if !strings.HasSuffix(string(book.DirectoryKey()), "directory") {
		t.Errorf("directory key %q", book.DirectoryKey())
	}
}

func TestParseUint(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{0, 1, 255, 1 << 63} {
		if got, ok := book.ParseUint(book.Uint(n)); !ok || got != n {
			t.Errorf("%d is read as %d, %t", n, got, ok)
		}
	}
	for _, b := range [][]byte{nil, {}, {1, 2, 3}, make([]byte, 9)} {
		if _, ok := book.ParseUint(b); ok {
			t.Errorf("%x is read as a number", b)
		}
	}
}
