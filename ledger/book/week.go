package book

import (
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// extendWeek answers the week of an account in which a day lies, a new one when there is none, to be changed as extend says.
func (s *State) extendWeek(id unit.AccountID, account *ledgerv1.AccountRow, day int32) (whole, tail *ledgerv1.WeekRow, err error) {
	number := WeekOf(day)
	if whole, tail, err = extend[ledgerv1.WeekRow](s, WeekKey(id, number)); err == nil {
		SpanWeek(account, number)
	}
	return whole, tail, err
}

// SpanWeek makes a week lie between the first and the last one of its account.
func SpanWeek(account *ledgerv1.AccountRow, number int32) {
	if account.GetFirstWeek() == account.GetEndWeek() {
		account.FirstWeek, account.EndWeek = number, number+1
		return
	}
	account.FirstWeek, account.EndWeek = min(account.GetFirstWeek(), number), max(account.GetEndWeek(), number+1)
}

// ParseWeekKey reads of which account a week is, and its number.
func ParseWeekKey(key []byte) (id unit.AccountID, number int32, ok bool) {
	if len(key) != 1+len(id)+4 || key[0] != TableWeeks {
		return id, 0, false
	}
	return unit.AccountID(key[1 : 1+len(id)]), weekOfKey(key), true
}

// SameButWeeks says whether two rows of an account mean the same, but for the weeks between which its weeks lie. Rows of format 1 do not
// say these.
func SameButWeeks(a, b []byte) bool {
	x, y := new(ledgerv1.AccountRow), new(ledgerv1.AccountRow)
	if x.UnmarshalVT(a) != nil || y.UnmarshalVT(b) != nil {
		return false
	}
	x.FirstWeek, x.EndWeek = y.GetFirstWeek(), y.GetEndWeek()
	return proto.Equal(x, y)
}

// lacksWeek says that there is no such week, where the state knows it of the account. Of one whose row is damaged it knows nothing.
func (s *State) lacksWeek(key []byte) bool {
	id, number, ok := ParseWeekKey(key)
	if !ok || !s.Knows(AccountKey(id)) {
		return false
	}
	account, err := s.Account(id)
	return err == nil && (number < account.GetFirstWeek() || number >= account.GetEndWeek())
}
