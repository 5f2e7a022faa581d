package ledgertest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

func TestFaultyIsAnEngine(t *testing.T) {
	ledgertest.TestEngine(t, func(*testing.T) store.Engine { return ledgertest.NewFaulty(store.NewMemory()) }, nil)
}

func TestFaulty(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name    string
		outcome ledgertest.Outcome
		want    string
		head    store.Head
	}{
		{"lost", ledgertest.Lost, "2", 2},
		{"persisted", ledgertest.Persisted, "3", 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			engine := ledgertest.NewFaulty(store.NewMemory())
			write := func(value string) error {
				var b store.Batch
				b.Set([]byte("k"), []byte(value))
				return engine.Commit(ctx, &b, engine.Head())
			}
			read := func() string {
				t.Helper()
				values, err := engine.Get(ctx, []byte("k"))
				if err != nil {
					t.Fatal(err)
				}
				scanned := ""
				for row, err := range engine.Scan(ctx, store.Range{}) {
					if err != nil {
						t.Fatal(err)
					}
					scanned += string(row.Value)
				}
				if scanned != string(values[0]) {
					t.Fatalf("Scan says %q, Get %q", scanned, values[0])
				}
				return scanned
			}
			if err := write("1"); err != nil {
				t.Fatal(err)
			}
			engine.Fail(1, test.outcome)
			if err := write("2"); err != nil {
				t.Fatal(err)
			}
			if err := engine.Commit(ctx, new(store.Batch), 7); !errors.Is(err, store.ErrHeadMoved) {
				t.Errorf("Commit at a wrong head = %v", err)
			}
			if err := write("3"); !errors.Is(err, ledgertest.ErrFault) {
				t.Fatalf("Commit = %v, want the fault", err)
			}
			if err := write("4"); !errors.Is(err, store.ErrHalted) {
				t.Errorf("Commit after the fault = %v, want ErrHalted", err)
			}
			if got := read(); got != "2" || engine.Head() != 2 || engine.Halted() == nil {
				t.Errorf("halted: %q at head %d, want the last acknowledged row", got, engine.Head())
			}
			s, err := engine.Snapshot()
			if err != nil || s.Head() != 2 {
				t.Errorf("Snapshot = %v, %v", s, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := engine.Recover(); err != nil {
				t.Fatal(err)
			}
			if got := read(); got != test.want || engine.Head() != test.head || engine.Halted() != nil {
				t.Errorf("recovered: %q at head %d, want %q at %d", got, engine.Head(), test.want, test.head)
			}
			if err := write("5"); err != nil || read() != "5" {
				t.Errorf("Commit after recovery = %v", err)
			}
		})
	}
}
