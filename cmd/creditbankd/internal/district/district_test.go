package district_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func today() time.Time {
	return district.DayOf(time.Date(2026, time.September, 14, 17, 0, 0, 0, time.UTC))
}

func xihu(seed uint64) *district.District {
	return &district.District{Seed: seed, Day: today(), Accounts: 60, Completions: 3000}
}

// numbers are account numbers for as many people as there are.
func numbers(t *testing.T, n int) []unit.AccountNumber {
	t.Helper()
	all := make([]unit.AccountNumber, n)
	for i := range all {
		sum := sha256.Sum256(fmt.Append(nil, i))
		number, err := unit.NewAccountNumber(bytes.NewReader(append(sum[:], sum[:]...)))
		if err != nil {
			t.Fatal(err)
		}
		all[i] = number
	}
	return all
}

func TestDayIsThatOfTheDistrict(t *testing.T) {
	if got := today().Format(time.DateOnly); got != "2026-09-15" {
		t.Errorf("17:00 in UTC on the 14th is the %s", got)
	}
}

func TestNetwork(t *testing.T) {
	known := map[string]bool{district.Root: true}
	codes := map[string]bool{}
	towns, villages := 0, 0
	all := append([]district.Organization{district.RootOrganization()}, district.Organizations()...)
	states := map[district.Verdict]int{}
	for _, a := range district.Applicants() {
		all = append(all, a.Organization)
		states[a.Decision]++
		if len(a.Roles) > 0 || (a.Decision != district.Refused && a.Appeal != "") || (a.Decision == "" && a.ReasonCode != "") {
			t.Errorf("%+v", a)
		}
	}
	if len(states) != 4 {
		t.Errorf("applicants %v", states)
	}
	for _, o := range all {
		if _, err := unit.ParseOrganizationID(o.ID); err != nil {
			t.Errorf("%s: %v", o.ID, err)
		}
		if _, err := unit.ParseOrganizationCode(o.Code); err != nil || codes[o.Code] {
			t.Errorf("%s: code %s: %v, twice %t", o.ID, o.Code, err, codes[o.Code])
		}
		if o.ID != district.Root && !known[o.Parent] {
			t.Errorf("%s comes before its parent %q", o.ID, o.Parent)
		}
		known[o.ID], codes[o.Code] = true, true
		switch o.Level {
		case ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_TOWN:
			towns++
		case ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_VILLAGE:
			villages++
		}
	}
	if towns != 11 || villages != 12 {
		t.Errorf("there are %d streets and towns and %d villages", towns, villages)
	}
	for _, c := range xihu(1).Courses() {
		if !known[c.Provider] {
			t.Errorf("course %s is provided by %q", c.Code, c.Provider)
		}
	}
	for _, change := range district.Changes() {
		if !slices.ContainsFunc(xihu(1).Courses(), func(c district.Course) bool { return c.Provider == change.Provider && c.Title == change.Title }) {
			t.Errorf("nothing is %+v", change)
		}
	}
	algorithms := map[keyring.Algorithm]int{}
	for _, p := range district.Platforms() {
		algorithms[p.Algorithm]++
	}
	if len(district.Platforms()) != 4 || algorithms[keyring.ECDSAP256SHA256] != 1 {
		t.Errorf("the platforms sign with %v", algorithms)
	}
}

func TestCourses(t *testing.T) {
	categories, codes, groups := map[string]int{}, map[string]bool{}, map[string]int{}
	proposed, retired := 0, 0
	for _, c := range xihu(1).Courses() {
		categories[c.Category]++
		if codes[c.Code] {
			t.Errorf("%s is there twice", c.Code)
		}
		codes[c.Code] = true
		if c.Group != "" {
			groups[c.Group]++
		}
		switch c.Decision {
		case ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED:
			proposed++
		case ledgerv1.CourseDecision_COURSE_DECISION_RETIRED:
			retired++
		}
	}
	if len(codes) != 60 || len(categories) != 7 || proposed != 2 || retired != 1 || groups["smartphone-1"] != 2 {
		t.Errorf("there are %d courses in %v, %d proposed, %d retired, groups %v", len(codes), categories, proposed, retired, groups)
	}
}

func TestPeople(t *testing.T) {
	d := xihu(3)
	d.Accounts = 2000
	people, err := d.People()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range people {
		if _, err := unit.ParseDocument(unit.ResidentIdentity, p.Identity, d.Day); err != nil || seen[p.Identity] {
			t.Errorf("identity number: %v, twice %t", err, seen[p.Identity])
		}
		seen[p.Identity] = true
	}
	if len(people) != d.Accounts {
		t.Errorf("there are %d people", len(people))
	}
	again, err := d.People()
	if err != nil || again[1999] != people[1999] {
		t.Errorf("the second time they are others (%v)", err)
	}
}

// posted is everything that the platforms of a district post.
func posted(t *testing.T, d *district.District) []district.Submission {
	t.Helper()
	var all []district.Submission
	for s, err := range d.Submissions(numbers(t, d.Accounts)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestSubmissions(t *testing.T) {
	d := xihu(1)
	first := make(map[string][]byte)
	completions, voids, doubled, largest, smallest := 0, 0, 0, 0, 1000
	for _, s := range posted(t, d) {
		completions += s.New
		largest, smallest = max(largest, len(s.Statements)), min(smallest, len(s.Statements))
		for _, b := range s.Statements {
			m := new(statementv1.Statement)
			if err := proto.Unmarshal(b, m); err != nil {
				t.Fatal(err)
			}
			id, err := unit.ParseStatementID(m.GetId())
			if err != nil || id.Version() != 7 || len(m.GetSalt()) != 16 {
				t.Fatalf("id %s of version %d (%v), salt of %d bytes", id, id.Version(), err, len(m.GetSalt()))
			}
			known, ok := first[id.String()]
			switch {
			case ok && !bytes.Equal(known, b):
				t.Fatalf("%s is there with other bytes", id)
			case ok:
				doubled++
			case m.GetCompletionVoid() != nil:
				voided, err := unit.ParseStatementID(m.GetCompletionVoid().GetStatementId())
				if err != nil || first[voided.String()] == nil {
					t.Fatalf("%s is voided before it was posted", voided)
				}
				voids++
			}
			first[id.String()] = b
		}
	}
	if completions != d.Completions || largest > 1000 || largest < 500 || smallest != 1 || voids == 0 || doubled == 0 {
		t.Errorf("%d completions in submissions of %d to %d, %d voids, %d doubled", completions, smallest, largest, voids, doubled)
	}
}

func TestSubmissionsFollowFromSeedAndDay(t *testing.T) {
	sum := func(d *district.District) string {
		h := sha256.New()
		for _, s := range posted(t, d) {
			for _, b := range s.Statements {
				h.Write(b)
			}
		}
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	other := xihu(1)
	other.Day = other.Day.AddDate(0, 0, 1)
	first, again := sum(xihu(1)), sum(xihu(1))
	if first != again || first == sum(xihu(2)) || first == sum(other) {
		t.Error("the same seed and day must give the same statements, another one others")
	}
}
