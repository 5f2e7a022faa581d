package vault_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
)

// A journal keeps what is younger than a year and a month, and of what is older less with every access; other accounts' stay.
func TestJournalForgets(t *testing.T) {
	ctx := context.Background()
	now := started
	v, err := vault.Open(ctx, vault.Config{
		Engine: store.NewMemory(), BankID: bank, Keys: newKeyset(t), Rand: rand.Reader, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func(id byte, caller string) {
		t.Helper()
		if err := v.Journal(ctx, vault.Access{Caller: caller, Account: account(int(id)), Action: "QuoteTransfer"}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(id byte) int {
		t.Helper()
		accesses, _, err := v.Accesses(ctx, account(int(id)), vault.Page{Size: vault.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		return len(accesses)
	}
	for i := range 20 {
		look(1, fmt.Sprint("early-", i))
	}
	look(2, "early")
	now = started.Add(vault.AccessesKept)
	look(1, "in-time")
	if n := count(1); n != 21 {
		t.Errorf("%d accesses on the last day, want all 21", n)
	}
	now = now.Add(time.Microsecond)
	for i, want := range []int{14, 7, 4, 5} { // 8 go with each until those of the beginning are gone, and one comes
		look(1, "late")
		if n := count(1); n != want {
			t.Errorf("%d accesses after %d more, want %d", n, i+1, want)
		}
	}
	if n := count(2); n != 1 {
		t.Errorf("another account has %d accesses", n)
	}
}
