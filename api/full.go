package api

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// full are the accounts whose pending credits had no room when they were last settled. Somebody who learns far beyond the caps has
// hundreds of lots that wait, each under the caps that an entry says: they are not read once more for each completion that is posted.
// What else happens to an account settles all of it, and so do a new day and a new version of the directory.
type full struct {
	accounts *lru.Cache[unit.AccountID, fullAccount]
}

// fullAccount is how an account was that was settled.
type fullAccount struct {
	directory uint64
	// quarter is in which quarter of an hour: in no zone a day begins within one.
	quarter int64
	// next is the entry that came next: credits of those before have no room.
	next uint64
	// usage is what counted towards all caps: when less does, there may be room.
	usage int64
}

const (
	// fullKept is for how many accounts it is remembered.
	fullKept    = 16 << 10
	quarterHour = int64(15 * time.Minute / time.Second)
)

func newFull() (full, error) {
	accounts, err := lru.New[unit.AccountID, fullAccount](fullKept)
	return full{accounts}, err
}

// settled remembers that an account was settled in the writer.
func (f full) settled(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow) {
	if _, written := tx.(*ledger.Tx); written && len(account.GetPending()) > 0 {
		f.accounts.Add(id, f.now(tx, d, account))
	}
}

func (f full) now(tx scribe, d *directory, account *ledgerv1.AccountRow) fullAccount {
	now := fullAccount{directory: d.version, quarter: tx.Now().Unix() / quarterHour, next: tx.Next()}
	for _, u := range account.GetUsage() {
		now.usage += u.GetMilliCredits()
	}
	return now
}

// since is the entry before which no pending credits of an account have room, when nothing but completions was recorded since it was
// settled; 0: all may have.
func (f full) since(tx scribe, d *directory, id unit.AccountID, account *ledgerv1.AccountRow) uint64 {
	if _, written := tx.(*ledger.Tx); !written || len(account.GetPending()) == 0 {
		return 0
	}
	was, known := f.accounts.Get(id)
	now := f.now(tx, d, account)
	if !known || was.directory != now.directory || was.quarter != now.quarter || was.usage > now.usage || was.next > now.next {
		return 0
	}
	return was.next
}
