package pebble

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// metrics describes what the engine tells Prometheus, and counts what Pebble doesn't.
type metrics struct {
	stalls, failures atomic.Uint64

	head, halted                                 *prometheus.Desc
	disk, memory                                 *prometheus.Desc
	walWritten, walLive, walSync                 *prometheus.Desc
	flushes, compactions, debt, reads            *prometheus.Desc
	cacheBytes, cacheHits, cacheMisses           *prometheus.Desc
	snapshots, stallsDesc, failuresDesc, written *prometheus.Desc
}

func newMetrics() *metrics {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("creditbank_store_"+name, help, nil, nil)
	}
	return &metrics{
		head:         describe("head", "Commits since the store was created."),
		halted:       describe("halted", "1 when the store refuses commits because it is unknown what is durable."),
		disk:         describe("disk_bytes", "Disk space in use."),
		memory:       describe("memtable_bytes", "Memory held by rows that are not yet flushed."),
		walWritten:   describe("wal_written_bytes_total", "Bytes written to the write-ahead log."),
		walLive:      describe("wal_live_bytes", "Bytes of the write-ahead log that a restart would replay."),
		walSync:      describe("wal_sync_seconds", "How long syncs of the write-ahead log took."),
		flushes:      describe("flushes_total", "Flushes of memory tables."),
		compactions:  describe("compactions_total", "Compactions."),
		debt:         describe("compaction_debt_bytes", "Estimated bytes to compact until the tree is in shape."),
		reads:        describe("read_amplification", "Places that a look-up may have to search."),
		written:      describe("table_written_bytes_total", "Bytes that flushes and compactions wrote."),
		cacheBytes:   describe("cache_bytes", "Bytes in the block cache."),
		cacheHits:    describe("cache_hits_total", "Blocks found in the cache."),
		cacheMisses:  describe("cache_misses_total", "Blocks that had to be read."),
		snapshots:    describe("snapshots", "Open snapshots, the engine's own included."),
		stallsDesc:   describe("write_stalls_total", "Times that commits were held up by flushes or compactions."),
		failuresDesc: describe("background_failures_total", "Flushes and compactions that failed."),
	}
}

// collector reads Pebble's metrics when Prometheus asks.
type collector struct{ engine *Engine }

// Describe implements [prometheus.Collector].
func (c collector) Describe(descriptions chan<- *prometheus.Desc) {
	m := c.engine.metrics
	for _, d := range []*prometheus.Desc{
		m.head, m.halted, m.disk, m.memory, m.walWritten, m.walLive, m.walSync, m.flushes, m.compactions, m.debt, m.reads,
		m.written, m.cacheBytes, m.cacheHits, m.cacheMisses, m.snapshots, m.stallsDesc, m.failuresDesc,
	} {
		descriptions <- d
	}
}

// Collect implements [prometheus.Collector]. A closed engine has nothing to say.
func (c collector) Collect(samples chan<- prometheus.Metric) {
	if c.engine.enter() != nil {
		return
	}
	defer c.engine.calls.Done()
	m, p := c.engine.metrics, c.engine.db.Metrics()
	gauge := func(d *prometheus.Desc, value float64) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	counter := func(d *prometheus.Desc, value float64) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value)
	}
	halted := 0.0
	if c.engine.watch.failure() != nil {
		halted = 1
	}
	total := p.Total()
	gauge(m.head, float64(c.engine.Head()))
	gauge(m.halted, halted)
	gauge(m.disk, float64(p.DiskSpaceUsage()))
	gauge(m.memory, float64(p.MemTable.Size))
	counter(m.walWritten, float64(p.WAL.BytesWritten))
	gauge(m.walLive, float64(p.WAL.Size))
	counter(m.flushes, float64(p.Flush.Count))
	counter(m.compactions, float64(p.Compact.Count))
	gauge(m.debt, float64(p.Compact.EstimatedDebt))
	gauge(m.reads, float64(p.ReadAmp()))
	counter(m.written, float64(total.TableBytesFlushed+total.TableBytesCompacted))
	gauge(m.cacheBytes, float64(p.BlockCache.Size))
	counter(m.cacheHits, float64(p.BlockCache.Hits))
	counter(m.cacheMisses, float64(p.BlockCache.Misses))
	gauge(m.snapshots, float64(p.Snapshots.Count))
	counter(m.stallsDesc, float64(m.stalls.Load()))
	counter(m.failuresDesc, float64(m.failures.Load()))
	if h := syncHistogram(m.walSync, p.LogWriter.FsyncLatency); h != nil {
		samples <- h
	}
}

// syncHistogram turns Pebble's histogram of a hundred buckets in nanoseconds into one of twenty in seconds. It is nil
// before the first sync.
func syncHistogram(d *prometheus.Desc, source prometheus.Histogram) prometheus.Metric {
	if source == nil {
		return nil
	}
	var sample dto.Metric
	if err := source.Write(&sample); err != nil {
		return nil
	}
	second := float64(time.Second)
	buckets := make(map[float64]uint64)
	for i, bucket := range sample.GetHistogram().GetBucket() {
		if i%5 == 1 { // the first bound is zero
			buckets[bucket.GetUpperBound()/second] = bucket.GetCumulativeCount()
		}
	}
	return prometheus.MustNewConstHistogram(d, sample.GetHistogram().GetSampleCount(),
		sample.GetHistogram().GetSampleSum()/second, buckets)
}
