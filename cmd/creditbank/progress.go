package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

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
