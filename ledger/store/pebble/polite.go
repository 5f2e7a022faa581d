package pebble

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What Pebble says that tables are for which a compaction, or a flush, writes.
const (
	compacting vfs.DiskWriteCategory = "pebble-compaction"
	flushing   vfs.DiskWriteCategory = "pebble-memtable-flush"
)

// flushedFile is a table that a flush writes. Nobody waits for it, but it takes a core for a second at a time, and Go's
// scheduler leaves it the core for 10 ms before it lets somebody else run. So it steps back after every block, some 0.1 ms of work,
// and lets those go first who answer calls. It stops doing so when the next table in memory is full before it has ended:
// under full load it would never end, and writes would stop.
type flushedFile struct {
	vfs.File
	hurry *atomic.Bool
}

func (f flushedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if !f.hurry.Load() {
		runtime.Gosched()
	}
	return n, err
}

// compactedFile is a table that a compaction writes. It steps back after every block, too, and a server's pauses besides: when much was
// posted at once, compactions are behind for a minute, in which they would take a core from those who answer calls. The deeper L0 is,
// the less they give way: every row that is read is looked for in all of it.
type compactedFile struct {
	vfs.File
	pace  *pace
	began time.Time // the work since the last pause
}

func newCompactedFile(file vfs.File, p *pace) *compactedFile {
	return &compactedFile{File: file, pace: p, began: p.now()}
}

func (f *compactedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.pace.step()
	if now := f.pace.now(); now.Sub(f.began) >= leastWork {
		f.pace.pause(now, now.Sub(f.began))
		f.began = f.pace.now()
	}
	return n, err
}

// The pace of compactions: after at least a millisecond of work they pause three times as long as it took, so that they take a quarter
// of a core. Where the cores are busy, the work takes longer, and so does the pause.
const (
	leastWork = time.Millisecond
	pauses    = 3
	longest   = 20 * time.Millisecond
	// hurriedDepth is how deep L0 is when compactions pause no more. They begin at 8, see tune.
	hurriedDepth = 32
	// urgentDepth is how deep it is when they step back no more. Where much is posted without end those who answer calls would else leave
	// them so little that L0 became hundreds deep.
	urgentDepth = 48
	// lookEvery is how often it is asked how deep it is.
	lookEvery = time.Second
)

// pace says how much compactions give way.
type pace struct {
	now   func() time.Time
	sleep func(time.Duration)
	yield func()
	// waiting is how many wait for compactions to end.
	waiting atomic.Int32
	// deep is how deep L0 was when that was last asked; hurriedDepth while the database is being opened.
	deep atomic.Int64

	mu     sync.Mutex // guards what follows
	depth  func() int // of L0; nil: the database is being opened
	looked time.Time
}

// watches has the pace follow the depth of L0.
func (p *pace) watches(depth func() int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.depth = depth
}

// step steps back after a block.
func (p *pace) step() {
	if p.deep.Load() < urgentDepth {
		p.yield()
	}
}

// pause pauses after some work, as long as L0 is not deep, and nobody waits for compactions to end.
func (p *pace) pause(now time.Time, worked time.Duration) {
	p.look(now)
	if p.waiting.Load() == 0 && p.deep.Load() < hurriedDepth {
		p.sleep(min(pauses*worked, longest))
	}
}

// look asks how deep L0 is, now and again. While the database is being opened somebody waits.
func (p *pace) look(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.depth == nil:
		p.deep.Store(hurriedDepth)
	case p.looked.IsZero() || now.Sub(p.looked) >= lookEvery:
		p.looked = now
		p.deep.Store(int64(p.depth()))
	}
}
