package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// BenchmarkReopen opens Pebble, the ledger and the bank on 50,000 entries.
func BenchmarkReopen(b *testing.B) {
	dir, clock, anchor := b.TempDir(), apitest.NewClock(apitest.Start()), new(apitest.Anchor)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := note.NewSigner(merkle.SignerKey(apitest.Origin, key))
	must(b, err)
	verifier, err := note.NewVerifier(merkle.VerifierKey(apitest.Origin, key.Public().(ed25519.PublicKey)))
	must(b, err)
	open := func() (*ledger.Ledger, func()) {
		engine, err := pebble.Open(dir, pebble.Options{})
		must(b, err)
		l, err := ledger.Open(ctx(), ledger.Config{
			Engine: engine, Anchor: anchor, BankID: apitest.BankID, Origin: apitest.Origin, Signer: signer, Verifier: verifier,
			Now: clock.Now, Rand: zeros{}, Log: slog.New(slog.DiscardHandler),
		})
		must(b, err)
		return l, func() { must(b, errors.Join(l.Close(), engine.Close())) }
	}
	l, done := open()
	for block := range 50 {
		_, _, err := l.ProposeEach(ctx(), nil, 1000, func(tx *ledger.Tx, i int) error {
			var id unit.AccountID
			binary.BigEndian.PutUint64(id[:], uint64(block*1000+i+1))
			_, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: id[:]}}})
			return err
		})
		must(b, err)
	}
	done()
	b.ResetTimer()
	for range b.N {
		l, done := open()
		bank, err := api.New(api.Config{Ledger: l, Now: clock.Now, Rand: zeros{}})
		must(b, err)
		must(b, bank.Ready(ctx()))
		b.StopTimer()
		done()
		b.StartTimer()
	}
}

// engines are what benchmarks run on; the directory is Pebble's.
func engines(b *testing.B, run func(b *testing.B, engine store.Engine)) {
	b.Helper()
	b.Run("memory", func(b *testing.B) {
		engine := store.NewMemory()
		b.Cleanup(func() { _ = engine.Close() })
		run(b, engine)
	})
	b.Run("pebble", func(b *testing.B) {
		engine, err := pebble.Open(b.TempDir(), pebble.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = engine.Close() })
		run(b, engine)
	})
}

// stream makes completions of many accounts, one class after the other.
type stream struct {
	*apitest.Bank
	accounts []api.Account
	n        int
}

func newStream(b *testing.B, engine store.Engine, accounts int) *stream {
	b.Helper()
	s := &stream{Bank: apitest.NewBankWith(b, apitest.Options{Engine: engine})}
	for range accounts {
		s.accounts = append(s.accounts, s.Open())
	}
	return s
}

func (s *stream) submission(size int) api.Submission {
	statements := make([]*statementv1.Statement, size)
	for i := range statements {
		statement := s.Completion(s.accounts[s.n%len(s.accounts)].Number)
		end := s.Clock.Now().Add(-time.Duration(24+s.n/len(s.accounts)*3%2000) * time.Hour)
		session := statement.GetCompletion().GetSessions()[0]
		session.StartTime, session.EndTime = timestamppb.New(end.Add(-90*time.Minute)), timestamppb.New(end)
		statements[i] = statement
		s.n++
	}
	return s.Submission(apitest.Platform, statements...)
}

// BenchmarkRecord records submissions through the bank, on 2,000 accounts; the signing is not measured.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			engines(b, func(b *testing.B, engine store.Engine) {
				b.Helper()
				s := newStream(b, engine, 2000)
				caller := s.Platform(apitest.Platform)
				submissions := make([]api.Submission, b.N)
				for i := range submissions {
					submissions[i] = s.submission(size)
				}
				b.ResetTimer()
				for _, submission := range submissions {
					results, _, err := s.RecordCompletions(ctx(), caller, submission, false)
					if err != nil || results[0].Status != api.Recorded {
						b.Fatal(err, results)
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
			})
		})
	}
}

// BenchmarkRecordBeyondCaps records one completion after the other of somebody of whom 800 wait for room under the caps.
func BenchmarkRecordBeyondCaps(b *testing.B) {
	engines(b, func(b *testing.B, engine store.Engine) {
		b.Helper()
		s := newStream(b, engine, 1)
		s.postOne(b, 1000)
		for b.Loop() {
			b.StopTimer()
			submission := s.submission(1)
			b.StartTimer()
			if _, _, err := s.RecordCompletions(ctx(), s.Platform(apitest.Platform), submission, false); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPortfolio reads a portfolio of 500 entries with its totals.
func BenchmarkPortfolio(b *testing.B) {
	engines(b, func(b *testing.B, engine store.Engine) {
		b.Helper()
		s := newStream(b, engine, 1)
		s.postOne(b, 500)
		resident := s.Resident(s.accounts[0].ID)
		b.ResetTimer()
		for range b.N {
			p, err := s.GetPortfolio(ctx(), resident, s.accounts[0].ID, 500)
			if err != nil || len(p.Entries) != 500 {
				b.Fatal(err, len(p.Entries))
			}
		}
	})
}

// BenchmarkPortfolioPage reads 50 of the entries with all reasons.
func BenchmarkPortfolioPage(b *testing.B) {
	engines(b, func(b *testing.B, engine store.Engine) {
		b.Helper()
		s := newStream(b, engine, 1)
		s.postOne(b, 500)
		resident := s.Resident(s.accounts[0].ID)
		b.ResetTimer()
		for range b.N {
			entries, _, err := s.ListPortfolioEntries(ctx(), resident, s.accounts[0].ID, "", true, api.Page{Size: 50})
			if err != nil || len(entries) != 50 {
				b.Fatal(err, len(entries))
			}
		}
	})
}

// BenchmarkQuoteTransfer quotes a record of 500 lots, of which the agreement asks the sealed scores: for the institution under a
// consent, with the look in the journal, and for the holder.
func BenchmarkQuoteTransfer(b *testing.B) {
	engines(b, func(b *testing.B, engine store.Engine) {
		b.Helper()
		s := newStream(b, engine, 1)
		s.lots(b, 500)
		a := acceptorsOf(b, &bank{Bank: s.Bank, t: b, engine: engine})
		a.publishes(university, agreements.OpenUniversity2026())
		a.grants(s.accounts[0])
		for name, caller := range map[string]access.Caller{"institution": a.institution(university), "holder": s.Resident(s.accounts[0].ID)} {
			b.Run(name, func(b *testing.B) {
				r := api.QuoteRequest{Institution: university, Number: string(s.accounts[0].Number), Programme: "social-work-ba"}
				for b.Loop() {
					s.Clock.Advance(time.Second) // institutions may ask ten times a second
					quote, err := s.QuoteTransfer(ctx(), caller, r)
					if err != nil || len(quote.Decisions) != 500 {
						b.Fatal(err, len(quote.Decisions))
					}
				}
			})
		}
	})
}

// BenchmarkInclusionProof proves entries from all over a log of 100,000.
func BenchmarkInclusionProof(b *testing.B) {
	engines(b, func(b *testing.B, engine store.Engine) {
		b.Helper()
		s := newStream(b, engine, 2000)
		for range 100 {
			s.postOne(b, 1000)
		}
		index := uint64(0)
		b.ResetTimer()
		for range b.N {
			index = (index + 61_953) % 100_000
			if _, err := s.InclusionProof(ctx(), index, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// lots posts classes day by day and at two schools, so that no limit keeps their credits waiting.
func (s *stream) lots(b *testing.B, n int) {
	b.Helper()
	for i := range n {
		s.Clock.Advance(25 * time.Hour)
		statement := s.Completion(s.accounts[0].Number)
		c, end := statement.GetCompletion(), s.Clock.Now().Add(-3*time.Hour).Truncate(time.Minute)
		c.Sessions = []*statementv1.Session{apitest.Session(end.Add(-90*time.Minute), 90)}
		if i%2 == 0 {
			c.Provider, c.Course = apitest.Cuiyuan, apitest.Smartphone
		}
		if _, _, err := s.RecordCompletions(ctx(), s.Platform(apitest.Platform), s.Submission(apitest.Platform, statement), false); err != nil {
			b.Fatal(err)
		}
	}
}

func (s *stream) postOne(b *testing.B, size int) {
	b.Helper()
	if _, _, err := s.RecordCompletions(ctx(), s.Platform(apitest.Platform), s.submission(size), false); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSimulate simulates another ratio on 20,000 completions of 500 accounts.
func BenchmarkSimulate(b *testing.B) {
	engines(b, func(b *testing.B, engine store.Engine) {
		b.Helper()
		const completions = 20_000
		s := newStream(b, engine, 500)
		for range completions / 1000 {
			s.postOne(b, 1000)
		}
		officer, simulation := s.Officer(apitest.Officer), api.Simulation{YAML: doubled(b)}
		b.ResetTimer()
		for range b.N {
			r, err := s.SimulatePolicy(ctx(), officer, simulation, ignore)
			if err != nil || r.ByDraft != completions || r.After == r.Before {
				b.Fatal(err, r)
			}
		}
		b.ReportMetric(float64(b.N*completions)/b.Elapsed().Seconds(), "completions/s")
	})
}

// BenchmarkRecordBesideSimulation records submissions of 1,000, alone and while one simulation after the other runs.
func BenchmarkRecordBesideSimulation(b *testing.B) {
	for _, simulating := range []bool{false, true} {
		b.Run(fmt.Sprintf("simulating=%t", simulating), func(b *testing.B) {
			engine, err := pebble.Open(b.TempDir(), pebble.Options{})
			must(b, err)
			b.Cleanup(func() { _ = engine.Close() })
			s := newStream(b, engine, 500)
			for range 20 {
				s.postOne(b, 1000)
			}
			caller, officer, simulation := s.Platform(apitest.Platform), s.Officer(apitest.Officer), api.Simulation{YAML: doubled(b)}
			running, stop := context.WithCancel(ctx())
			var group sync.WaitGroup
			if simulating {
				group.Go(func() {
					for running.Err() == nil {
						_, _ = s.SimulatePolicy(running, officer, simulation, ignore) // until it is broken off
					}
				})
			}
			submissions := make([]api.Submission, b.N)
			for i := range submissions {
				submissions[i] = s.submission(1000)
			}
			b.ResetTimer()
			for _, submission := range submissions {
				if results, _, err := s.RecordCompletions(ctx(), caller, submission, false); err != nil || results[0].Status != api.Recorded {
					b.Fatal(err, results)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "records/s")
			stop()
			group.Wait()
		})
	}
}
