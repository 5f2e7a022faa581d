package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// startWait is how long a bank may take until it is ready.
	startWait = 3 * time.Minute
	// startPoll is how often its ready file is looked for, and reopenPoll how often its port is when it is started again.
	startPoll  = 100 * time.Millisecond
	reopenPoll = time.Millisecond
	// endWait is how long it may take to end before it is killed.
	endWait = 30 * time.Second
	// logTail is how much of its log is shown when it fails.
	logTail = 2 << 10
	// serverPackage is the source of the program that serves a bank.
	serverPackage = "github.com/learning-credit-bank/creditbank/cmd/creditbankd"
	// anyPort is an address with a port that is free.
	anyPort = "127.0.0.1:0"
	// killedAfter is how many submissions the bank records right before it is killed, and reopenings how often it is
	// stopped and started after that.
	killedAfter = 50
	reopenings  = 3
)

// ownBank is a bank that this command has started, and everything that it has is below one directory.
type ownBank struct {
	dir, program string
	serving      *serving // nil: it does not serve
}

// serving is the process that serves a bank.
type serving struct {
	command *exec.Cmd
	stop    context.CancelFunc // SIGTERM, and the end by force if that does not help
	ended   chan error
}

// startBank starts a bank with hardly anything in it, on free ports, and waits until it is ready.
func startBank(ctx context.Context, p *process, program string) (*ownBank, error) {
	dir, err := os.MkdirTemp("", "creditbank-bench-")
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	b := &ownBank{dir: dir, program: program}
	if program == "" {
		b.program, err = findServer(ctx, p, dir)
	}
	if err == nil {
		err = b.serve(ctx, anyPort)
	}
	if err == nil {
		err = b.wait(ctx, p)
	}
	if err != nil {
		b.remove(p)
		return nil, err
	}
	return b, nil
}

// findServer finds the program that serves a bank: beside this program, in PATH, or built into a directory from the source
// that the command is run in.
func findServer(ctx context.Context, p *process, dir string) (string, error) {
	const name = "creditbankd"
	if self, err := os.Executable(); err == nil {
		if neighbour := filepath.Join(filepath.Dir(self), name); isFile(neighbour) {
			return neighbour, nil
		}
	}
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	fmt.Fprintln(p.stderr, "building", name)
	built := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", built, serverPackage) //nolint:gosec // both are ours
	if said, err := build.CombinedOutput(); err != nil {
		return "", usagef("--creditbankd: it is neither beside this program nor in PATH, and cannot be built here (%v: %s): say where it is",
			err, clean(string(said)))
	}
	return built, nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (b *ownBank) ready() string { return filepath.Join(b.dir, "ready.json") }
func (b *ownBank) data() string  { return filepath.Join(b.dir, "data") }
func (b *ownBank) log() string   { return filepath.Join(b.dir, "log") }

// serve starts the process. It does not wait for it.
func (b *ownBank) serve(ctx context.Context, address string) error {
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer hangUp(log) // the child has its own
	ctx, stop := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, b.program, "demo", //nolint:gosec // the caller says which program
		"--grpc", address, "--http", anyPort, "--admin", anyPort, "--data", b.data(),
		"--accounts", "20", "--completions", "100", "--ready-file", b.ready())
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = endWait
	if err := command.Start(); err != nil {
		stop()
		return usagef("--creditbankd: %v", err)
	}
	b.serving = &serving{command: command, stop: stop, ended: make(chan error, 1)}
	go func(s *serving) { s.ended <- s.command.Wait() }(b.serving)
	return nil
}

// wait waits for the ready file.
func (b *ownBank) wait(ctx context.Context, p *process) error {
	for began := p.now(); p.now().Sub(began) < startWait; {
		if content, err := os.ReadFile(b.ready()); err == nil && json.Valid(content) {
			return nil
		}
		if err := b.alive(); err != nil {
			return err
		}
		if err := p.sleep(ctx, startPoll); err != nil {
			return err
		}
	}
	return fmt.Errorf("the bank was not ready after %s: %s", startWait, b.tail())
}

// alive answers an error when the process has ended.
func (b *ownBank) alive() error {
	select {
	case err := <-b.serving.ended:
		b.serving.ended <- err
		return fmt.Errorf("the bank ended before it was ready (%v): %s", err, b.tail())
	default:
		return nil
	}
}

func (b *ownBank) tail() string {
	content, err := os.ReadFile(b.log())
	if err != nil {
		return err.Error()
	}
	return clean(string(content[max(0, len(content)-logTail):]))
}

// end ends the process, this one and no other: with SIGTERM, or as a loss of power would.
func (b *ownBank) end(p *process, kill bool) {
	s := b.serving
	if s == nil {
		return
	}
	b.serving = nil
	if kill {
		_ = s.command.Process.Kill() // it may have ended
	} else {
		s.stop()
	}
	if err := <-s.ended; errors.Is(err, exec.ErrWaitDelay) {
		fmt.Fprintf(p.stderr, "creditbank: ending the bank: %v\n", err)
	}
	s.stop()
}

// remove ends the process and removes what it left.
func (b *ownBank) remove(p *process) {
	b.end(p, false)
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintf(p.stderr, "creditbank: %v\n", err)
	}
}

// reopen starts the process again, and answers how long it took until it served.
func (b *ownBank) reopen(ctx context.Context, p *process, address string) (time.Duration, error) {
	began := p.now()
	if err := b.serve(ctx, address); err != nil {
		return 0, err
	}
	for p.now().Sub(began) < startWait {
		if serves(ctx, address) {
			return p.now().Sub(began), nil
		}
		if err := b.alive(); err != nil {
			return 0, err
		}
		if err := p.sleep(ctx, reopenPoll); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("the bank did not serve again after %s: %s", startWait, b.tail())
}

// serves asks whether a bank is healthy. The port is tried first: gRPC waits long after a failure.
func serves(ctx context.Context, address string) bool {
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	hangUp(plain)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false
	}
	defer hangUp(conn)
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, new(healthpb.HealthCheckRequest), grpc.WaitForReady(true))
	return err == nil && answer.GetStatus() == healthpb.HealthCheckResponse_SERVING
}

// compact makes the stores as small as they can be, and answers how many bytes the ledger takes.
func (b *ownBank) compact(ctx context.Context) (int64, error) {
	var stores []struct {
		Store string `json:"store"`
		After int64  `json:"bytes_after"`
	}
	command := exec.CommandContext(ctx, b.program, "compact", "--data", b.data(), "--json") //nolint:gosec // the caller says which program
	out, err := command.Output()
	if err != nil {
		said := ""
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			said = clean(string(failed.Stderr))
		}
		return 0, fmt.Errorf("compacting: %v: %s", err, said)
	}
	if err := json.Unmarshal(out, &stores); err != nil {
		return 0, fmt.Errorf("compacting: %v", err)
	}
	for _, one := range stores {
		if one.Store == "ledger" {
			return one.After, nil
		}
	}
	return 0, errors.New("compacting: nothing was said of the ledger")
}

// reopen ends the bank in two ways and starts it again, and compacts it in the end.
func (b *bench) reopen(ctx context.Context) ([]benchResult, error) {
	if b.own == nil {
		fmt.Fprintln(b.p.stderr, "the bank is not this command's to stop: reopen, reopen_killed and bytes_per_entry are left out")
		return nil, nil
	}
	lanes, err := b.submissions(ctx, killedAfter*b.command.Batch, b.command.Batch)
	if err != nil {
		return nil, err
	}
	if _, err := b.drive(ctx, max(b.command.BatchCallers, len(lanes)), 0, lanes); err != nil {
		return nil, err
	}
	size, err := b.size(ctx)
	if err != nil {
		return nil, err
	}
	killed, err := b.reopened(ctx, true, 1)
	if err != nil {
		return nil, err
	}
	stopped, err := b.reopened(ctx, false, reopenings)
	if err != nil {
		return nil, err
	}
	b.own.end(b.p, false)
	fmt.Fprintln(b.p.stderr, "compacting the bank")
	bytes, err := b.own.compact(ctx)
	if err != nil {
		return nil, err
	}
	return []benchResult{
		killed, stopped,
		{Name: "bytes_per_entry", Value: new(float64(bytes) / float64(size)), Count: int(size)},
	}, nil
}

// reopened ends the bank and starts it again, so often.
func (b *bench) reopened(ctx context.Context, kill bool, times int) (benchResult, error) {
	name := "reopen"
	if kill {
		name = "reopen_killed"
	}
	var all []time.Duration
	var sum time.Duration
	for range times {
		b.own.end(b.p, kill)
		took, err := b.own.reopen(ctx, b.p, b.g.GRPC)
		if err != nil {
			return benchResult{}, err
		}
		all, sum = append(all, took), sum+took
	}
	return resultOf(name, all, sum), nil
}
