package api_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// catalogueSize is how many courses a catalogue has that everything is measured on.
const catalogueSize = 10_000

// newCatalogue is a bank with that many accredited courses beside its own, written many in a commit.
func newCatalogue(b *testing.B) *apitest.Bank {
	b.Helper()
	bank := apitest.NewBank(b)
	titles := []string{"书法入门", "合唱与声乐", "家庭急救", "智能手机应用", "茶艺", "太极拳", "隔代教育", "民法典与生活"}
	categories := []string{"arts", "science", "health", "family", "safety", "civic", "vocational"}
	providers := []string{apitest.Beishan, apitest.Cuiyuan, apitest.Sandun, apitest.Root}
	for first := 0; first < catalogueSize; first += 1000 {
		_, errs, err := bank.Ledger.ProposeEach(ctx(), nil, 1000, func(tx *ledger.Tx, i int) error {
			n := first + i
			index, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: &ledgerv1.CourseProposed{
				Actor: &ledgerv1.Actor{Organization: apitest.Root, Officer: apitest.Officer}, Provider: providers[n%4], Code: fmt.Sprintf("c-%05d", n), Version: "1",
				Title: fmt.Sprintf("%s（第 %d 期）", titles[n%8], n), Category: categories[n%7], Level: uint32(n % 11), NominalMinutes: 720,
				ValidFromDay: 20_000, Capacity: uint32(n % 50),
			}}})
			if err != nil {
				return err
			}
			_, err = tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: &ledgerv1.CourseDecided{
				Actor:  &ledgerv1.Actor{Organization: apitest.Root, Officer: apitest.SecondOfficer},
				Course: index, Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
			}}})
			return err
		})
		must(b, errors.Join(append(errs, err)...))
	}
	_, err := bank.ListCourses(ctx(), api.CourseFilter{}, api.Page{}) // the directory is read
	must(b, err)
	return bank
}

// BenchmarkListCourses searches a catalogue of 10,000 courses: 10 ms is the limit.
func BenchmarkListCourses(b *testing.B) {
	bank := newCatalogue(b)
	level := 3
	for name, filter := range map[string]api.CourseFilter{
		"all": {}, "word": {Search: "急救"}, "nothing": {Search: "没有 这样的课"},
		"filters": {Search: "第 期", Category: "health", Level: &level, Within: apitest.Root, ValidOn: "2026-06-15", HasCapacity: true, Status: api.CourseAccredited},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := bank.ListCourses(ctx(), filter, api.Page{Size: 100})
				must(b, err)
			}
		})
	}
}

// BenchmarkQueryAccreditation asks about each of 10,000 courses in turn: alone, and a thousand at a time.
func BenchmarkQueryAccreditation(b *testing.B) {
	bank := newCatalogue(b)
	queries := make([]api.Query, catalogueSize)
	for i := range queries {
		queries[i] = api.Query{
			Provider: []string{apitest.Beishan, apitest.Cuiyuan, apitest.Sandun, apitest.Root}[i%4], Code: fmt.Sprintf("c-%05d", i), Date: "2026-06-15",
		}
	}
	asked := func(b *testing.B, n int) {
		b.Helper()
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "queries/s")
	}
	b.Run("one", func(b *testing.B) {
		n := 0
		for b.Loop() {
			a, err := bank.QueryAccreditation(ctx(), queries[n%catalogueSize])
			if must(b, err); !a.Accredited || a.Earning == nil {
				b.Fatalf("%+v", a)
			}
			n++
		}
		asked(b, n)
	})
	b.Run("thousand", func(b *testing.B) {
		n := 0
		for b.Loop() {
			first := n % catalogueSize
			answers, err := bank.QueryAccreditations(ctx(), queries[first:first+api.MaxQueries])
			if must(b, err); answers[999].Fault != nil || !answers[999].Accredited {
				b.Fatalf("%+v", answers[999])
			}
			n += api.MaxQueries
		}
		asked(b, n)
	})
	b.Run("new days", func(b *testing.B) { // nothing is remembered of them
		n := 0
		for b.Loop() {
			q := queries[n%catalogueSize]
			q.Date = fmt.Sprintf("%d-06-15", 2026+n/catalogueSize%1000)
			_, err := bank.QueryAccreditation(ctx(), q)
			must(b, err)
			n++
		}
		asked(b, n)
	})
}

// BenchmarkQueryCertificate asks about each of 10,000 certificates in turn, by code and by title, a thousand at a time, where the
// agreements of two institutions say what they stand for.
func BenchmarkQueryCertificate(b *testing.B) {
	a := acceptorsOf(b, &bank{Bank: newCatalogue(b), t: b})
	a.publishes(university, agreements.OpenUniversity2026())
	a.publishes(college, agreements.VocationalCollege2026())
	found, err := a.ListCourses(ctx(), api.CourseFilter{Search: "第 期"}, api.Page{Size: 1000})
	queries := make([]api.Query, 0, catalogueSize)
	for {
		must(b, err)
		for i, c := range found.Courses {
			queries = append(queries, api.Query{
				Certificate: &api.CertificateName{Issuer: c.Provider, Name: []string{c.Code, c.Title}[i%2]}, Date: "2026-06-15",
			})
		}
		if found.Next == "" {
			break
		}
		found, err = a.ListCourses(ctx(), api.CourseFilter{Search: "第 期"}, api.Page{Size: 1000, Token: found.Next})
	}
	for name, days := range map[string]int{"thousand": 1, "new days": 1000} { // of new days nothing is remembered
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				some := queries[n%len(queries):][:api.MaxQueries]
				for i := range some {
					some[i].Date = time.Date(2026, 1, 1+n/api.MaxQueries%days, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
				}
				answers, err := a.QueryAccreditations(ctx(), some)
				if must(b, err); answers[999].Fault != nil || !answers[999].Accredited || answers[999].Earning == nil || !answers[999].Claim.Possible {
					b.Fatalf("%+v", answers[999])
				}
				n += api.MaxQueries
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "queries/s")
		})
	}
}

// BenchmarkDirectory reads the directory with 10,000 courses anew, as the first caller after any change of it does.
func BenchmarkDirectory(b *testing.B) {
	bank := newCatalogue(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		_, err := bank.ChangeOrganization(ctx(), bank.Officer(apitest.Administrator), api.OrganizationChange{
			RequestID: bank.RequestID(), Organization: apitest.Beishan, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST,
			TrustTier: 1 + n%5, ReasonCode: "QUALITY",
		})
		must(b, err)
		b.StartTimer()
		_, err = bank.ListCourses(ctx(), api.CourseFilter{Provider: "nobody"}, api.Page{})
		must(b, err)
	}
}
