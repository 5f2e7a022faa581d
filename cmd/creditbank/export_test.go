package main

import (
	"context"
	"io"
	"os"
	"strconv"
	"time"

	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
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

// Drive makes so many calls on lanes of which each has its share, and answers their latencies.
func Drive(
	ctx context.Context, duration time.Duration, callers int, rate float64, lanes, calls int, attempt func(context.Context) error,
) ([]time.Duration, error) {
	work := make([][]call, lanes)
	for i := range calls {
		work[i%lanes] = append(work[i%lanes], call{kind: proving})
	}
	d, err := driver{
		now: time.Now, sleep: sleep, duration: duration,
		attempt: func(ctx context.Context, _ call) ([]byte, error) { return nil, attempt(ctx) },
	}.drive(ctx, callers, rate, work)
	if err != nil {
		return nil, err
	}
	latencies := make([]time.Duration, len(d.samples))
	for i, one := range d.samples {
		latencies[i] = one.latency
	}
	return latencies, nil
}

// Class is a class of a benchmark.
type Class struct {
	Person  string
	Keen    bool
	Course  string
	Start   time.Time
	Minutes int64
}

// Classes are the first classes of a benchmark with so many people, of which the first ones are keen.
func Classes(keen, learners, preload, count int, today time.Time, courses []*creditbankv1.Course) []Class {
	c := &classes{courses: courses, today: today, preload: preload}
	for i := range keen + learners {
		c.learners = append(c.learners, learner{number: strconv.Itoa(i)})
	}
	c.keen, c.learners = c.learners[:keen], c.learners[keen:]
	all := make([]Class, count)
	for i := range all {
		one := c.at(i)
		person, _ := strconv.Atoi(one.who.number)
		all[i] = Class{one.who.number, person < keen, one.course.GetCode(), one.start, one.minutes}
	}
	return all
}
