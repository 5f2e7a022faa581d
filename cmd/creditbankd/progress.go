package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
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
