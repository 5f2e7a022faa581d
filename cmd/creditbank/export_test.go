package main

import (
	"context"
	"io"
	"os"
	"time"
)

// World is what a test hands to the command.
type World struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Sleep          func(context.Context, time.Duration) error
	Random         io.Reader
}

// Run is the command in this process.
func Run(ctx context.Context, w World, args ...string) int {
	return run(ctx, args, &process{
		stdin: w.Stdin, stdout: w.Stdout, stderr: w.Stderr, now: w.Now, sleep: w.Sleep, random: w.Random, getenv: os.Getenv,
	})
}

// Main is the command as a process of its own.
func Main() { main() }

// Clean is what makes the text of others safe for a terminal.
func Clean(s string) string { return clean(s) }

// WriteTable prints rows as the commands do.
func WriteTable(w io.Writer, right []int, rows ...[]string) {
	t := &table{right: right}
	for _, row := range rows {
		t.row(row...)
	}
	t.write(w)
}

// IsLoopback says where plaintext is permitted.
func IsLoopback(address string) bool { return isLoopback(address) }

// Percentile is of sorted values.
func Percentile(sorted []time.Duration, p int) time.Duration { return percentile(sorted, p) }
