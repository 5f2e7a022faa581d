package witness

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
)

// metrics are what an operator watches the witnesses by. A witness is known by the name in its configured key.
type metrics struct {
	rounds       *prometheus.CounterVec
	seconds      prometheus.Histogram
	requests     *prometheus.CounterVec
	answers      *prometheus.HistogramVec
	cosignatures prometheus.Gauge
	cosigned     *prometheus.GaugeVec
}

func newMetrics(registerer prometheus.Registerer, w *Witnesses) *metrics {
	factory := promauto.With(registerer)
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "creditbank_witness_quorum", Help: "Cosignatures that make a checkpoint witnessed.",
	}, func() float64 { return float64(w.policy.Quorum()) })
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "creditbank_witness_lag_seconds",
		Help: "Time since the checkpoint that everyone is shown was the newest; 0 while it is.",
	}, func() float64 { return w.lag().Seconds() })
	m := &metrics{
		rounds: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "creditbank_witness_rounds_total",
			Help: "Checkpoints that were shown to everyone, by whether they were witnessed at that moment or short of cosignatures.",
		}, []string{"result"}),
		seconds: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "creditbank_witness_round_seconds", Help: "Time from taking a checkpoint until it was shown to everyone.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "creditbank_witness_requests_total", Help: "Questions to witnesses, by how they ended.",
		}, []string{"witness", "outcome"}),
		answers: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "creditbank_witness_request_seconds", Help: "Time that a witness took for its cosignature.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, []string{"witness"}),
		cosignatures: factory.NewGauge(prometheus.GaugeOpts{
			Name: "creditbank_witness_cosignatures", Help: "Cosignatures under the checkpoint that everyone is shown.",
		}),
		cosigned: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "creditbank_witness_cosigned", Help: "1 when the checkpoint that everyone is shown has the cosignature of the witness.",
		}, []string{"witness"}),
	}
	for _, result := range []string{"witnessed", "short"} {
		m.rounds.WithLabelValues(result)
	}
	for _, witness := range w.witnesses {
		for _, o := range outcomes() {
			m.requests.WithLabelValues(witness.Key.Name(), string(o))
		}
	}
	return m
}

func (m *metrics) answered(witness string, o outcome, took time.Duration) {
	m.requests.WithLabelValues(witness, string(o)).Inc()
	if o == cosigned {
		m.answers.WithLabelValues(witness).Observe(took.Seconds())
	}
}

func (m *metrics) ended(r *round, witnessed bool, now time.Time) {
	result := "short"
	if witnessed {
		result = "witnessed"
	}
	m.rounds.WithLabelValues(result).Inc()
	m.seconds.Observe(now.Sub(r.began).Seconds())
}

func (m *metrics) stored(witnesses []*member, r *round, c *cosignature.Checkpoint) {
	m.cosignatures.Set(float64(len(c.Cosignatures)))
	for i, witness := range witnesses {
		has := 0.0
		if !r.came[i].IsZero() {
			has = 1
		}
		m.cosigned.WithLabelValues(witness.Key.Name()).Set(has)
	}
}
