package witness_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/api/witness"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// settle lets everything happen that happens now.
func settle(after time.Duration) {
	time.Sleep(after) // in a bubble: its clock goes on when everybody waits
	synctest.Wait()
}

// inBubble runs a test under a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

func TestEachCheckpointIsCosigned(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a, b := newLog(t, 1), newFake(t, "a.test", 2), newFake(t, "b.test", 3)
		r := run(t, l, 2, a, b)
		synctest.Wait()
		r.shows(1, a, b)
		if c := r.Published(); !c.Witnessed() || c.Quorum != 2 || !c.Cosignatures[1].Time.Equal(time.Now()) {
			t.Errorf("it says %+v", c)
		}
		for i := range int64(300) {
			l.grow(fmt.Sprint(i))
			if i%100 == 7 {
				settle(witness.DefaultInterval)
				r.shows(i+2, a, b)
			}
		}
		settle(witness.DefaultInterval)
		r.shows(301, a, b)
		for series, want := range map[string]float64{
			`creditbank_witness_rounds_total{result="witnessed"}`: 4,
			`creditbank_witness_rounds_total{result="short"}`:     0,
			`creditbank_witness_cosignatures`:                     2,
			`creditbank_witness_quorum`:                           2,
			`creditbank_witness_lag_seconds`:                      0,
			`creditbank_witness_cosigned{witness="a.test"}`:       1,
		} {
			if got := r.metric(series); got != want {
				t.Errorf("%s is %v, want %v", series, got, want)
			}
		}
		if a, b := r.outcome(a, "cosigned"), r.outcome(b, "cosigned"); a != 5 || b != 5 {
			t.Errorf("they cosigned %v and %v times", a, b)
		}
		if r.log.Len() > 0 {
			t.Errorf("the log has\n%s", r.log)
		}
	})
}

// Without an answer from anybody the log is shown all the same, after one timeout at most, and not even that while nobody can
// be asked.
func TestUnreachableWitnessesHoldNothingUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a := newLog(t, 1), newFake(t, "a.test", 2)
		a.Become(time.Hour, nil)
		r := run(t, l, 1, a)
		synctest.Wait()
		r.shows(1)
		for size := int64(2); size < 500; size++ {
			began := time.Now()
			l.grow("entry")
			for int64(len(r.Published().Signed)) == 0 || !bytes.Contains(r.Published().Signed, fmt.Appendf(nil, "\n%d\n", size)) {
				settle(100 * time.Millisecond)
				if lag := time.Since(began); lag > witness.DefaultInterval+witness.DefaultTimeout+100*time.Millisecond {
					t.Fatalf("entry %d is not shown after %s", size-1, lag)
				}
			}
			r.shows(size)
		}
		if r.Published().Witnessed() {
			t.Error("it says that it is witnessed")
		}
		if words := r.log.String(); strings.Count(words, "\n") != 1 || !strings.Contains(words, "did not answer in time") ||
			!strings.Contains(words, "witness=a.test") {
			t.Errorf("the log has\n%s", words)
		}
		// It is left alone for longer and longer, up to a minute.
		asked := a.Asked()
		if n := len(asked); n < 10 || n > 30 {
			t.Errorf("it was asked %d times in %s", n, time.Since(asked[0]))
		}
		a.Become(0, nil)
		settle(time.Minute + witness.DefaultInterval)
		r.shows(499, a)
		if words := r.log.String(); !strings.Contains(words, "cosigns again") {
			t.Errorf("the log has\n%s", words)
		}
	})
}

// The witness that is slow costs its own signature and nobody else's time.
func TestSlowWitness(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, fast, slow := newLog(t, 1), newFake(t, "fast.test", 2), newFake(t, "slow.test", 3)
		slow.Become(2500*time.Millisecond, nil)
		r := run(t, l, 1, slow, fast)
		synctest.Wait()
		r.shows(1, fast)
		for size := int64(2); size < 50; size++ {
			l.grow("entry")
			settle(witness.DefaultInterval)
			r.shows(size, fast)
			if lag := r.metric("creditbank_witness_lag_seconds"); lag != 0 {
				t.Fatalf("it lags by %v s", lag)
			}
		}
		// Once the log stands still, its signature is added to what is shown already.
		settle(4 * time.Second)
		r.shows(49, slow, fast)
		if slow := r.outcome(slow, "cosigned"); slow < 15 {
			t.Errorf("it cosigned %v times", slow)
		}
	})
}

// Short of the quorum a round waits for the slow one, up to the timeout.
func TestQuorumIsWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, fast, slow := newLog(t, 1), newFake(t, "fast.test", 2), newFake(t, "slow.test", 3)
		r := run(t, l, 2, fast, slow)
		synctest.Wait()
		slow.Become(2500*time.Millisecond, nil)
		l.grow("entry")
		settle(witness.DefaultInterval + 2*time.Second)
		r.shows(1, fast, slow)
		if lag := r.metric("creditbank_witness_lag_seconds"); lag != 3 {
			t.Errorf("it lags by %v s, want 3", lag)
		}
		settle(500 * time.Millisecond)
		r.shows(2, fast, slow)
		slow.Become(time.Hour, nil)
		l.grow("entry")
		settle(witness.DefaultInterval + witness.DefaultTimeout)
		r.shows(3, fast)
		if r.Published().Witnessed() {
			t.Error("one of two is said to be enough")
		}
		if short := r.metric(`creditbank_witness_rounds_total{result="short"}`); short != 1 {
			t.Errorf("%v rounds were short", short)
		}
	})
}

// A bank that was started again knows nothing of what the witnesses have signed, and is told.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a := newLog(t, 1), newFake(t, "a.test", 2)
		r := run(t, l, 1, a)
		synctest.Wait()
		for range 10 {
			l.grow("one", "two", "three")
			settle(witness.DefaultInterval)
		}
		r.shows(31, a)
		r.end()
		l.grow("in between")
		r = run(t, l, 1, a)
		r.shows(32)
		synctest.Wait()
		r.shows(32, a)
		l.grow("more")
		settle(witness.DefaultInterval)
		r.shows(33, a)
		if n := len(a.Asked()); n != 14 {
			t.Errorf("it was asked %d times, want 11, 2 for the restart, and 1", n)
		}
		// The same size again: the witness signs what it has signed.
		r.end()
		r = run(t, l, 1, a)
		synctest.Wait()
		r.shows(33, a)
	})
}

// A log that stands still is signed anew now and then, so that readers see that it does.
func TestRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a := newLog(t, 1), newFake(t, "a.test", 2)
		r := run(t, l, 1, a)
		settle(time.Hour)
		r.shows(1, a)
		if n := len(a.Asked()); n < 6 || n > 7 {
			t.Errorf("it was asked %d times in an hour", n)
		}
		if age := time.Since(r.Published().Cosignatures[0].Time); age > 10*time.Minute {
			t.Errorf("its signature is %s old", age)
		}
		// While the witness is away, its last signature of this log stays.
		a.Become(0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		settle(time.Hour)
		r.shows(1, a)
	})
}

// What a witness can answer instead of its cosignature: none of it is shown, the log goes on, and the operator learns what to
// mend.
func TestAnswersThatAreNoCosignature(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	body := func(content string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) }
	}
	conflict := func(contentType, content string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(content))
		}
	}
	const size = "text/x.tlog.size"
	impostor := newFake(t, "a.test", 9)
	for name, test := range map[string]struct {
		instead        http.HandlerFunc
		outcome, words string
	}{
		"404": {status(404), "unknown_log", "give its operator origin and verifier key"},
		"403": {status(403), "refused_key", "is not this log's"},
		"422": {status(422), "disagrees", "another history"},
		"400": {status(400), "failed", "400"},
		"500": {status(500), "failed", "500"},
		"429": {status(429), "failed", "429"},
		"a connection that breaks": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(cutShort, "1")
			_, _ = w.Write([]byte("— a.t"))
		}, "unreachable", "cannot be reached"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://b.test/", http.StatusTemporaryRedirect)
		}, "failed", "307"},
		"nothing":                     {body(""), "malformed", "holds no cosignature"},
		"a page":                      {body("<!DOCTYPE html><title>Welcome</title>\n"), "malformed", "holds no cosignature"},
		"an endless page":             {body(strings.Repeat("x", 1<<20)), "malformed", "longer than 16384 bytes"},
		"somebody else's signature":   {impostor.AddCheckpoint, "malformed", "under the configured key a.test+"},
		"a signature of something":    {body("— a.test " + strings.Repeat("A", 100) + "\n"), "malformed", "holds no cosignature"},
		"another text":                {body("— x AAAAAAAA\n\nlog.test/2026\n1\nAAAA\n\n— y AAAAAAAA\n"), "malformed", "holds no cosignature"},
		"409 without a size":          {conflict("text/plain", "1\n"), "malformed", "and not where"},
		"409 with words":              {conflict(size, "many\n"), "malformed", "and not where"},
		"409 with a zero in front":    {conflict(size, "01\n"), "malformed", "and not where"},
		"409 with more lines":         {conflict(size, "1\n1\n"), "malformed", "and not where"},
		"409 with what was sent":      {conflict(size, "0\n"), "malformed", "says that it is right"},
		"409 with more than there is": {conflict(size, "4\n"), "disagrees", "another bank signs with the log's key"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l, a, b := newLog(t, 1), newFake(t, "a.test", 2), newFake(t, "b.test", 3)
				l.grow("second", "third")
				a.Become(0, test.instead)
				r := run(t, l, 1, a, b)
				settle(5 * witness.DefaultInterval)
				r.shows(3, b)
				l.grow("fourth")
				settle(witness.DefaultInterval)
				r.shows(4, b)
				if n := r.outcome(a, test.outcome); n < 2 {
					t.Errorf("%v answers counted as %s", n, test.outcome)
				}
				if n := strings.Count(r.log.String(), "\n"); n != 1 || !strings.Contains(r.log.String(), test.words) {
					t.Errorf("the log has %d lines:\n%s", n, r.log)
				}
				if has := r.metric(`creditbank_witness_cosigned{witness="a.test"}`); has != 0 {
					t.Errorf("its cosignature is counted")
				}
				a.Become(0, nil)
				settle(2 * time.Minute)
				r.shows(4, a, b)
			})
		})
	}
}

// What the log itself does not answer is no fault of the witness, and is said too.
func TestLogWithoutProof(t *testing.T) {
	for name, test := range map[string]struct {
		proof []merkle.Hash
		err   error
		words string
	}{
		"none":                     {nil, errors.New("out of order"), "proof from 1 to 2 entries: out of order"},
		"longer than witness take": {make([]merkle.Hash, 64), nil, "proof of 64 hashes"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l, a := newLog(t, 1), newFake(t, "a.test", 2)
				r := run(t, l, 1, a)
				synctest.Wait()
				r.shows(1, a)
				l.prove(test.proof, test.err)
				l.grow("entry")
				settle(witness.DefaultInterval)
				r.shows(2)
				if n := r.outcome(a, "failed"); n != 1 || !strings.Contains(r.log.String(), test.words) {
					t.Errorf("%v failed, the log has\n%s", n, r.log)
				}
				l.prove(nil, nil)
				settle(time.Minute)
				r.shows(2, a)
			})
		})
	}
}

// A host that nobody listens at.
func TestNobodyThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a, away := newLog(t, 1), newFake(t, "a.test", 2), newFake(t, "away.test", 3)
		w, err := witness.New(witness.Config{
			Log: l, Quorum: 1, Transport: network{a}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Witnesses: []witness.Witness{away.witness(t), a.witness(t)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Run(ctx)
		settle(time.Minute)
		if c := w.Published(); !c.Witnessed() || len(c.Cosignatures) != 1 || c.Cosignatures[0].Witness != "a.test" {
			t.Errorf("it shows %+v", c)
		}
	})
}

// The operator of the witness has another key for this origin.
func TestWitnessKnowsAnotherKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a := newLog(t, 9), newFake(t, "a.test", 2)
		r := run(t, l, 1, a)
		settle(time.Minute)
		if n := r.outcome(a, "refused_key"); n < 2 || r.outcome(a, "cosigned") != 0 || r.Published().Witnessed() {
			t.Errorf("it was refused %v times, and shows %q", n, r.Published().Signed)
		}
		if words := r.log.String(); strings.Count(words, "\n") != 1 || !strings.Contains(words, "is not this log's") {
			t.Errorf("the log has\n%s", words)
		}
	})
}

// A witness that has seen another history never signs this one.
func TestSplitView(t *testing.T) {
	other := tlog.Hash{1}
	for name, at := range map[string]struct {
		size  int64
		words string
	}{
		"shorter": {2, "does not take the proof from 2 to 3"},
		"as long": {3, "signed another log of 3 entries"},
		"longer":  {5, "it signed 5 entries of this log, which has 3"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l, a := newLog(t, 1), newFake(t, "a.test", 2)
				l.grow("second", "third")
				a.SignedLast(at.size, other)
				r := run(t, l, 1, a)
				settle(time.Minute)
				r.shows(3)
				if n := r.outcome(a, "disagrees"); n < 2 {
					t.Errorf("%v answers counted", n)
				}
				if words := r.log.String(); strings.Count(words, "level=ERROR") != 1 || !strings.Contains(words, at.words) {
					t.Errorf("the log has\n%s", words)
				}
			})
		})
	}
}

// Somebody else gives the same witness newer checkpoints all the time.
func TestWitnessKeepsMovingOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a := newLog(t, 1), newFake(t, "a.test", 2)
		l.grow("2", "3", "4", "5", "6", "7", "8", "9")
		moves := 0
		a.Become(0, func(w http.ResponseWriter, _ *http.Request) {
			moves++
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, "%d\n", 2+moves%2)
		})
		r := run(t, l, 1, a)
		synctest.Wait()
		if n := r.outcome(a, "conflict"); n != 1 || moves != 2 {
			t.Errorf("%v conflicts after %d questions", n, moves)
		}
		r.shows(9)
	})
}

// Stopping waits for nobody who does not answer, and a log that is closed ends nothing.
func TestStop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l, a := newLog(t, 1), newFake(t, "a.test", 2)
		a.Become(time.Hour, nil)
		r := run(t, l, 1, a)
		synctest.Wait()
		began := time.Now()
		r.end()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
		if r.log.Len() > 0 {
			t.Errorf("the log has\n%s", r.log)
		}
		r = run(t, l, 1, a)
		l.fail(errors.New("closed"))
		settle(time.Minute)
		r.shows(1)
		if lag := r.metric("creditbank_witness_lag_seconds"); lag != 0 {
			t.Errorf("it lags by %v", lag)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	l, a := newLog(t, 1), newFake(t, "a.test", 2)
	good := a.witness(t)
	at := func(address string) witness.Witness { return witness.Witness{URL: address, Key: good.Key} }
	for name, cfg := range map[string]witness.Config{
		"no witness":   {},
		"no quorum":    {Witnesses: []witness.Witness{good}},
		"large quorum": {Witnesses: []witness.Witness{good}, Quorum: 2},
		"one twice":    {Witnesses: []witness.Witness{good, good}, Quorum: 1},
	} {
		cfg.Log, cfg.Now = l, time.Now
		if _, err := witness.New(cfg); !errors.Is(err, cosignature.ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, address := range []string{"", "a.test", "ftp://a.test", "https://", "https://a.test/?x", "https://a.test/#x", "https://u:p@a.test/", "https://a test"} {
		if _, err := witness.New(witness.Config{Log: l, Now: time.Now, Witnesses: []witness.Witness{at(address)}, Quorum: 1}); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
	l.fail(errors.New("closed"))
	if _, err := witness.New(witness.Config{Log: l, Now: time.Now, Witnesses: []witness.Witness{good}, Quorum: 1}); err == nil {
		t.Error("a log that is closed is taken")
	}
}
