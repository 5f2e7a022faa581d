package agreement_test

import (
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
)

// BenchmarkQuote quotes 500 lots: DESIGN.md wants them in 5 ms with all that is read for them.
func BenchmarkQuote(b *testing.B) {
	a := compiled(b, agreements.OpenUniversity2026())
	categories := []string{"civic", "arts", "science", "vocational", "family", "health", "safety"}
	items := make([]agreement.Item, 500)
	for i := range items {
		items[i] = lot(b, uint64(i), categories[i%len(categories)], 1250, level(int32(i%6)), scored(int32(50+i%50)))
	}
	on := day(b, today)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Quote("social-work-ba", items, agreement.Taken{}, on); err != nil {
			b.Fatal(err)
		}
	}
}
