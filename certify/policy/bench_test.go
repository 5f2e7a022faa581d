package policy_test

import (
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func nobody(string) unit.Minutes { return 0 }

func benchmarkFact(b *testing.B, mode statementv1.Mode) policy.Fact {
	b.Helper()
	f := minutes(b, mode, 90)
	f.Attendance = &policy.Attendance{Held: 10, Attended: 9, Late: 1}
	f.Score = new(int32(85))
	f.CourseFrom, f.CourseUntil = day(b, "2026-01-01"), day(b, "2026-12-31")
	return f
}

// still is a standing that costs nothing, so that Decide is what is measured.
type still struct{ account }

func (*still) DayMinutes(string, policy.Day) unit.Minutes { return 60 }
func (*still) Usage(string) unit.Credits                  { return 1000 }
func (*still) Busy(policy.Day) []policy.Busy              { return nil }

func BenchmarkPrepare(b *testing.B) {
	p := defaultPolicy(b)
	for name, mode := range map[string]statementv1.Mode{"classroom": classroom, "online": online} {
		f := benchmarkFact(b, mode)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Prepare(f)
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	p := defaultPolicy(b)
	for name, mode := range map[string]statementv1.Mode{"classroom": classroom, "online": online} {
		pr := p.Prepare(benchmarkFact(b, mode))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if pr.Decide(&still{}).Outcome != awarded {
					b.Fatal("not awarded")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	text := minimal
	for b.Loop() {
		compile(b, text)
	}
}
