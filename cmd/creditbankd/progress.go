package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/learning-credit-bank/creditbank/ledger"
)

// progress shows people how far something is; where nobody is looking, since the writer is no terminal, it shows nothing.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(w io.Writer, what string) progress {
	terminal, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return progress{}
	}
	return progress{progressbar.NewOptions64(1,
		progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
	)}
}

// at says that done of total are done. Drawing is no reason to fail.
func (p progress) at(done, total uint64) {
	if p.bar == nil {
		return
	}
	if p.bar.GetMax64() != int64(total) {
		p.bar.ChangeMax64(int64(total))
	}
	_ = p.bar.Set64(int64(done))
}

func (p progress) finish() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// saidEvery is how often a check says how far it is where no terminal shows it.
const saidEvery = 30 * time.Second

// checkProgress shows people how far a check is, and about how long the rest of its stage takes: a bar on a terminal, elsewhere,
// such as in a journal, a line now and then.
type checkProgress struct {
	process     *process
	what, stage string
	bar         progress
	began, said time.Time
}

func (p *process) newCheckProgress(what string) *checkProgress {
	return &checkProgress{process: p, what: what}
}

// at hears how far the check is.
func (c *checkProgress) at(p ledger.Progress) {
	now := c.process.now()
	if p.Stage != c.stage {
		c.bar.finish()
		c.stage, c.began, c.said = p.Stage, now, now
		c.bar = newProgress(c.process.stderr, c.what+" "+p.Stage)
	}
	c.bar.at(p.Done, p.Total)
	if c.bar.bar != nil || now.Sub(c.said) < saidEvery || p.Done == 0 {
		return
	}
	c.said = now
	passed := now.Sub(c.began)
	left := time.Duration(float64(passed) * (float64(p.Total)/float64(p.Done) - 1)).Round(time.Second)
	fmt.Fprintf(c.process.stderr, "%s %s: %d of %d, about %s left\n", c.what, p.Stage, p.Done, p.Total, left)
}

func (c *checkProgress) finish() { c.bar.finish() }
