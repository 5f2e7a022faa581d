package ledger

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what an operator watches the ledger by.
type metrics struct {
	entries    prometheus.Counter
	commits    prometheus.Histogram
	halted     prometheus.Gauge
	size       prometheus.Gauge
	checkpoint prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer, l *Ledger) *metrics {
	factory := promauto.With(registerer)
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "creditbank_ledger_queue_length", Help: "Proposals that wait for the writer.",
	}, func() float64 { return float64(len(l.queue)) })
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "creditbank_ledger_queue_capacity", Help: "Proposals that may wait for the writer.",
	}, func() float64 { return float64(cap(l.queue)) })
	if l.cache.isThere() {
		factory.NewCounterFunc(prometheus.CounterOpts{
			Name: "creditbank_ledger_cache_hits_total", Help: "Rows of accounts that the writer found in its cache.",
		}, func() float64 { hits, _ := l.cache.lookups(); return float64(hits) })
		factory.NewCounterFunc(prometheus.CounterOpts{
			Name: "creditbank_ledger_cache_misses_total", Help: "Rows of accounts that the writer had to look for in the store.",
		}, func() float64 { _, misses := l.cache.lookups(); return float64(misses) })
	}
	return &metrics{
		entries: factory.NewCounter(prometheus.CounterOpts{
			Name: "creditbank_ledger_entries_total", Help: "Entries written since the start.",
		}),
		commits: factory.NewHistogram(prometheus.HistogramOpts{
			Name:    "creditbank_ledger_commit_seconds",
			Help:    "Time from the end of a batch's steps until it was durable, signed, anchored and published.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 14),
		}),
		halted: factory.NewGauge(prometheus.GaugeOpts{
			Name: "creditbank_ledger_halted", Help: "1 when the ledger stopped writing and must be reopened.",
		}),
		size: factory.NewGauge(prometheus.GaugeOpts{
			Name: "creditbank_ledger_size_entries", Help: "Entries of the published log.",
		}),
		checkpoint: factory.NewGauge(prometheus.GaugeOpts{
			Name: "creditbank_ledger_checkpoint_time_seconds", Help: "Time of the newest published entry, in Unix seconds.",
		}),
	}
}

func (m *metrics) committed(entries int, took time.Duration) {
	m.entries.Add(float64(entries))
	m.commits.Observe(took.Seconds())
}

func (m *metrics) published(t tip) {
	m.size.Set(float64(t.size))
	m.checkpoint.Set(float64(t.time) / 1e6)
}
