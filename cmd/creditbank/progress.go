package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far the reading of files has come, to people: where standard error is no terminal it shows nothing.
type progress struct {
	read atomic.Int64
	bar  *progressbar.ProgressBar // nil: nobody is looking
}

// newProgress measures by the bytes of the files; what comes from standard input has no known end.
func newProgress(p *process, files []string) *progress {
	terminal, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return &progress{}
	}
	var size int64
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			size = -1
			break
		}
		size += info.Size()
	}
	return &progress{bar: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(p.stderr), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
		progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(size > 0),
	)}
}

// reader counts what is read.
func (p *progress) reader(r io.Reader) io.Reader { return countingReader{r, &p.read} }

type countingReader struct {
	r    io.Reader
	read *atomic.Int64
}

// Read implements io.Reader.
func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.read.Add(int64(n))
	return n, err
}

// advance shows what has been answered so far. Drawing is no reason to fail.
func (p *progress) advance(rows int) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d", rows))
		_ = p.bar.Set64(p.read.Load())
	}
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// counter shows how many of a known number are done: a bar to people, and elsewhere a line after each tenth, with how fast
// the last tenth was.
type counter struct {
	p     *process
	what  string
	total int
	bar   *progressbar.ProgressBar // nil: standard error is no terminal

	mu         sync.Mutex
	done, told int
	since      time.Time
}

func newCounter(p *process, what string, total int) *counter {
	c := &counter{p: p, what: what, total: total, since: p.now()}
	if terminal, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(terminal.Fd())) {
		c.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return c
}

// add says that so many more are done. Several goroutines may call it.
func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	if c.bar != nil {
		_ = c.bar.Set(c.done)
		return
	}
	if c.done*10/c.total == c.told*10/c.total {
		return
	}
	now := c.p.now()
	fmt.Fprintf(c.p.stderr, "%s: %d of %d, %.0f a second\n", c.what, c.done, c.total,
		float64(c.done-c.told)/max(now.Sub(c.since), time.Millisecond).Seconds())
	c.told, c.since = c.done, now
}

func (c *counter) finish() {
	if c.bar != nil {
		_ = c.bar.Clear()
	}
}

// estimate shows how far something is of which nobody knows yet how much it is: a bar to people, nothing elsewhere.
type estimate struct{ bar *progressbar.ProgressBar }

func newEstimate(p *process, what string) estimate {
	terminal, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return estimate{}
	}
	return estimate{progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
	)}
}

// at says how much is done, and how much that is by now expected to be in all.
func (e estimate) at(done, total int64) {
	if e.bar != nil && done < total { // a full bar is finished for good
		e.bar.ChangeMax64(total)
		_ = e.bar.Set64(done)
	}
}

func (e estimate) finish() {
	if e.bar != nil {
		_ = e.bar.Clear()
	}
}
