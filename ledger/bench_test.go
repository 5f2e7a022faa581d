package ledger_test

import (
	"fmt"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
)

// BenchmarkAppend appends entries in proposals of 1 and of 1,000 steps on the memory engine: the writer alone, without a
// disk and without anything to decide.
func BenchmarkAppend(b *testing.B) {
	for _, steps := range []int{1, 1000} {
		b.Run(fmt.Sprint(steps), func(b *testing.B) {
			l, err := ledger.Open(b.Context(), newWorld(b).config())
			must(b, err)
			defer func() { must(b, l.Close()) }()
			n := 0
			for b.Loop() {
				_, errs, err := l.ProposeEach(b.Context(), nil, steps, func(tx *ledger.Tx, _ int) error {
					n++
					_, err := tx.Append(organization(fmt.Sprintf("org-%d", n)))
					return err
				})
				must(b, err)
				must(b, errs[0])
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
