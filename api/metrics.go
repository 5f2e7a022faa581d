package api

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// metrics are what an operator watches the bank by. Their labels are outcomes and reasons, never people.
type metrics struct {
	statements *prometheus.CounterVec
	rejected   *prometheus.CounterVec
}

// maxCasesCounted ends the counting of open cases: from here on the number says "very many".
const maxCasesCounted = 100_000

func newMetrics(registerer prometheus.Registerer, b *Bank) *metrics {
	factory := promauto.With(registerer)
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "creditbank_review_open_cases", Help: "Cases that wait for an officer, counted up to 100,000.",
	}, b.openCases)
	return &metrics{
		statements: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "creditbank_api_statements_total", Help: "Statements answered, by what was done with them and, where they were judged, by outcome.",
		}, []string{"status", "outcome"}),
		rejected: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "creditbank_api_rejected_total", Help: "Statements rejected, by reason.",
		}, []string{"reason"}),
	}
}

func (m *metrics) recorded(r StatementResult) {
	switch {
	case r.Status == Rejected:
		m.statements.WithLabelValues("rejected", "").Inc()
		m.rejected.WithLabelValues(string(r.Fault.Reason)).Inc()
	case r.Status == Replayed:
		m.statements.WithLabelValues("replayed", "").Inc()
	case r.Decision == nil:
		m.statements.WithLabelValues("recorded", "void").Inc()
	default:
		m.statements.WithLabelValues("recorded", outcomeWord(r.Decision.Outcome)).Inc()
	}
}

func outcomeWord(o ledgerv1.Outcome) string {
	switch o {
	case ledgerv1.Outcome_OUTCOME_AWARDED:
		return "awarded"
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		return "in_review"
	case ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		return "no_credit"
	case ledgerv1.Outcome_OUTCOME_DUPLICATE:
		return "duplicate"
	case ledgerv1.Outcome_OUTCOME_VOIDED:
		return "voided"
	case ledgerv1.Outcome_OUTCOME_REFUSED:
		return "refused"
	case ledgerv1.Outcome_OUTCOME_WITHDRAWN:
		return "withdrawn"
	default:
		return "unknown"
	}
}

// openCases counts the cases that wait.
func (b *Bank) openCases() float64 {
	view, err := b.ledger.View()
	if err != nil {
		return 0
	}
	defer view.Close()
	count := 0
	for _, status := range waitingStates() {
		for _, err := range view.Scan(context.Background(), store.Prefix(book.QueuePrefix(uint8(status)))) {
			if count++; err != nil || count >= maxCasesCounted {
				return float64(count)
			}
		}
	}
	return float64(count)
}
