package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asCommand is an environment variable with which this binary is the command itself, in a process of its own.
const asCommand = "CREDITBANKD_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main() // which exits
	}
	goleak.VerifyTestMain(m)
}

// buffer is a bytes.Buffer that several goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// command is a run of the command in this process.
type command struct {
	t              *testing.T
	stdout, stderr buffer
	code           int
	limit          int64 // of the heap, once it serves

	started chan addresses
	stop    context.CancelFunc
	ended   chan struct{}
}

// start runs the command until it ends, or is stopped.
func start(t *testing.T, now func() time.Time, args ...string) *command {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &command{t: t, started: make(chan addresses, 1), stop: stop, ended: make(chan struct{})}
	p := &process{
		stdin: strings.NewReader(""), stdout: &c.stdout, stderr: &c.stderr, now: now, random: rand.Reader,
		serving: func(limit int64) { c.limit = limit },
		started: func(at addresses) { c.started <- at },
	}
	go func() {
		defer close(c.ended)
		c.code = run(ctx, args, p)
	}()
	t.Cleanup(func() {
		stop()
		<-c.ended
	})
	return c
}

// ready waits until the command serves.
func (c *command) ready() addresses {
	c.t.Helper()
	select {
	case at := <-c.started:
		return at
	case <-c.ended:
		c.t.Fatalf("it ended with %d\n%s%s", c.code, c.stdout.String(), c.stderr.String())
		return addresses{}
	}
}

// finish stops the command as a signal does, and answers its exit code.
func (c *command) finish() int {
	c.stop()
	<-c.ended
	return c.code
}

// once runs a command that ends by itself.
func once(t *testing.T, args ...string) *command {
	t.Helper()
	c := start(t, time.Now, args...)
	<-c.ended
	return c
}

// must fails the test unless the command ended well.
func (c *command) must() *command {
	c.t.Helper()
	if c.code != exitOK {
		c.t.Fatalf("it ended with %d\n%s%s", c.code, c.stdout.String(), c.stderr.String())
	}
	return c
}

// refused fails the test unless the command ended with a code and said each of words.
func (c *command) refused(code int, words ...string) {
	c.t.Helper()
	if c.code != code {
		c.t.Fatalf("it ended with %d, not %d\n%s%s", c.code, code, c.stdout.String(), c.stderr.String())
	}
	for _, w := range words {
		if !strings.Contains(c.stderr.String(), w) {
			c.t.Errorf("it does not say %q, but\n%s", w, c.stderr.String())
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{"--help"},
		{"serve", "--help"},
		{"init", "--help"},
		{"demo", "--help"},
		{"backup", "--help"},
		{"restore", "--help"},
		{"recover", "--help"},
		{"fsck", "--help"},
		{"compact", "--help"},
		{"vault", "rotate", "--help"},
		{"vault", "retire", "--help"},
		{"token", "--help"},
		{"version"},
	} {
		if c := once(t, args...).must(); c.stdout.String() == "" {
			t.Errorf("%v says nothing", args)
		}
	}
	once(t).refused(exitUsage, "expected one of")
	once(t, "serve", "--bank.idd", "x").refused(exitUsage, "unknown flag")
	once(t, "serve").refused(exitUsage, "the configuration has 7 faults")
	once(t, "serve", "--config", t.TempDir()+"/none").refused(exitFailed, "there is no file")
}
