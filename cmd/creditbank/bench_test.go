package main_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	creditbank "github.com/learning-credit-bank/creditbank/cmd/creditbank"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// Nobody is in two classes at once, none lies so far back that an officer decides, and whose record is read whole has 500
// entries when the preload ends, posted all the time until then.
func TestClasses(t *testing.T) {
	const keen, learners, preload, count = 3, 40, 3000, 40*252 + 1500
	today := time.Date(2026, time.September, 15, 0, 0, 0, 0, time.UTC)
	classes := creditbank.Classes(keen, learners, preload, count, today, []*creditbankv1.Course{
		{Code: "a", NominalMinutes: 720}, {Code: "b", NominalMinutes: 60}, {Code: "c", NominalMinutes: 90},
	})
	entries := make(map[string]int)
	for i, c := range classes {
		if c.Keen {
			entries[c.Person]++
		}
		if i == preload/2 && (entries["0"] < 240 || entries["0"] > 260) {
			t.Errorf("half of the preload has %d classes of a keen person", entries["0"])
		}
		if i >= preload && c.Keen {
			t.Errorf("class %d, after the preload, is a keen person's", i)
		}
		if ago := today.Sub(c.Start); ago <= 0 || ago > 86*24*time.Hour || c.Minutes < 1 || (c.Course == "b" && c.Minutes > 60) {
			t.Errorf("class %d: %+v", i, c)
		}
	}
	for person, n := range entries {
		if n != 500 {
			t.Errorf("person %s has %d entries, not 500", person, n)
		}
	}
	if len(entries) != keen {
		t.Errorf("%d people are keen", len(entries))
	}
	slices.SortFunc(classes, func(a, b creditbank.Class) int {
		if a.Person != b.Person {
			return len(a.Person) - len(b.Person) + 2*slices.Compare([]byte(a.Person), []byte(b.Person))
		}
		return a.Start.Compare(b.Start)
	})
	for i, c := range classes[1:] {
		before := classes[i]
		if before.Person == c.Person && before.Start.Add(time.Duration(before.Minutes)*time.Minute).After(c.Start) {
			t.Errorf("person %s learns until %s and from %s on", c.Person, before.Start.Add(time.Duration(before.Minutes)*time.Minute), c.Start)
		}
	}
}

// A bank that stands still for a while makes all those wait who would have called meanwhile: at a rate, their waiting counts.
func TestLatencyCountsFromWhenACallIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, standstill = 100, time.Second
		began := time.Now()
		latencies, err := creditbank.Drive(t.Context(), 10*time.Second, 4, rate, 2, 1000, func(ctx context.Context) error {
			if since := time.Since(began); since >= 2*time.Second && since < 2*time.Second+standstill {
				time.Sleep(2*time.Second + standstill - since)
			}
			return nil
		})
		if err != nil || len(latencies) != 1000 {
			t.Fatalf("%d calls, %v", len(latencies), err)
		}
		waited := 0
		for _, latency := range latencies {
			if latency > standstill {
				t.Errorf("one waited %s", latency)
			}
			if latency > 0 {
				waited++
			}
		}
		if waited < rate-1 || waited > rate+1 {
			t.Errorf("%d calls waited, want the %d that were due while the bank stood still", waited, rate)
		}
	})
}

func TestDriveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }
		for name, test := range map[string]struct {
			duration time.Duration
			rate     float64
			calls    int
			want     int
		}{
			"no calls left":           {time.Hour, 0, 25, 25},
			"the time is over":        {time.Second, 0, 1000, 4 * 11},
			"no calls left, paced":    {time.Hour, 20, 25, 25},
			"the time is over, paced": {time.Second, 20, 1000, 21},
		} {
			latencies, err := creditbank.Drive(t.Context(), test.duration, 4, test.rate, 2, test.calls, slow)
			if err != nil || len(latencies) != test.want {
				t.Errorf("%s: %d calls (%v), want %d", name, len(latencies), err, test.want)
			}
		}
	})
}

func TestDriveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		broken := errors.New("the line is cut")
		_, err := creditbank.Drive(t.Context(), time.Hour, 8, 0, 4, 1000, func(context.Context) error {
			time.Sleep(time.Millisecond)
			if calls.Add(1) == 20 {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("%v, want what broke the call", err)
		}
	})
}

// A call that is turned away is made again when the bank says, and its latency is that of all attempts.
func TestBusyBankIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		latencies, err := creditbank.Drive(t.Context(), time.Hour, 1, 0, 1, 1, func(context.Context) error {
			if calls.Add(1) <= 2 {
				return refuse(codes.ResourceExhausted, "BUSY", "", "the bank is busy", &errdetails.RetryInfo{RetryDelay: durationpb.New(300 * time.Millisecond)})
			}
			return nil
		})
		if err != nil || len(latencies) != 1 || latencies[0] != 600*time.Millisecond {
			t.Errorf("%v (%v), want one of 600ms", latencies, err)
		}
	})
}
