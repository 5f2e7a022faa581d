package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// startWait is how long a demo may take until it is ready.
	startWait = 3 * time.Minute
	// startPoll is how often its ready file is looked for.
	startPoll = 100 * time.Millisecond
	// endWait is how long it may take to end before it is killed.
	endWait = 15 * time.Second
	// logTail is how much of its log is shown when it fails.
	logTail = 2 << 10
)

// readyFile is what "creditbankd demo" writes when it is ready; other members are not needed here.
type readyFile struct {
	GRPC      string `json:"grpc"`
	HTTP      string `json:"http"`
	BankID    string `json:"bank_id"`
	Platforms []struct {
		ID          string `json:"id"`
		KeyFile     string `json:"key_file"`
		AuthKeyFile string `json:"auth_key_file"`
	} `json:"platforms"`
}

// useReadyFile takes addresses, names and keys from a ready file: those of the platform that --organization names, or of
// the first.
func (g *globals) useReadyFile(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return usagef("--ready-file: %v", err)
	}
	var ready readyFile
	if err := json.Unmarshal(content, &ready); err != nil {
		return usagef("--ready-file: %s: %v", name, err)
	}
	for _, platform := range ready.Platforms {
		if g.Organization != "" && g.Organization != platform.ID {
			continue
		}
		g.GRPC, g.HTTP, g.Bank, g.Organization = ready.GRPC, "http://"+ready.HTTP, ready.BankID, platform.ID
		g.SignKey, g.AuthKey = beside(name, platform.KeyFile), beside(name, platform.AuthKeyFile)
		return nil
	}
	return usagef("--ready-file: %s names no platform %s", name, g.Organization)
}

// beside resolves a file name that stands in another file.
func beside(file, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// demo is a bank that this command has started.
type demo struct {
	dir, ready string
	command    *exec.Cmd
	stop       context.CancelFunc
	ended      chan error
}

// startDemo starts a bank of its own without completions, on free ports, and waits until it is ready.
func startDemo(ctx context.Context, p *process, program string) (*demo, error) {
	dir, err := os.MkdirTemp("", "creditbank-bench-")
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	ctx, stop := context.WithCancel(ctx)
	d := &demo{dir: dir, ready: filepath.Join(dir, "ready.json"), stop: stop, ended: make(chan error, 1)}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("%v", err), os.RemoveAll(dir))
	}
	defer hangUp(log)                                     // the child has its own
	d.command = exec.CommandContext(ctx, program, "demo", //nolint:gosec // the caller says which program
		"--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", filepath.Join(dir, "data"),
		"--accounts", "20", "--completions", "100", "--ready-file", d.ready)
	d.command.Stdout, d.command.Stderr = log, log
	d.command.Cancel = func() error { return d.command.Process.Signal(syscall.SIGTERM) }
	d.command.WaitDelay = endWait
	if err := d.command.Start(); err != nil {
		stop()
		_ = os.RemoveAll(dir)
		return nil, usagef("--creditbankd: %v", err)
	}
	go func() { d.ended <- d.command.Wait() }()
	if err := d.wait(ctx, p); err != nil {
		d.end(p)
		return nil, err
	}
	return d, nil
}

// wait waits for the ready file.
func (d *demo) wait(ctx context.Context, p *process) error {
	for began := p.now(); p.now().Sub(began) < startWait; {
		if content, err := os.ReadFile(d.ready); err == nil && json.Valid(content) {
			return nil
		}
		select {
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("the demo ended before it was ready (%v): %s", err, d.tail())
		default:
		}
		if err := p.sleep(ctx, startPoll); err != nil {
			return err
		}
	}
	return fmt.Errorf("the demo was not ready after %s: %s", startWait, d.tail())
}

func (d *demo) tail() string {
	content, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return clean(string(content[max(0, len(content)-logTail):]))
}

// end ends the process, this one and no other, and removes what it left.
func (d *demo) end(p *process) {
	d.stop()
	if err := <-d.ended; errors.Is(err, exec.ErrWaitDelay) {
		fmt.Fprintf(p.stderr, "creditbank: ending the demo: %v\n", err)
	}
	if err := os.RemoveAll(d.dir); err != nil {
		fmt.Fprintf(p.stderr, "creditbank: %v\n", err)
	}
}
