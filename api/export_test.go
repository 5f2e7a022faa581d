package api

import (
	"context"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// DecodeStatement is decodeStatement, for tests.
func DecodeStatement(b []byte) (*statementv1.Statement, error) { return decodeStatement(b) }

// CheckOpeningRow answers what is wrong with the bytes of a row of an import, nil if nothing, and what they say.
func CheckOpeningRow(b []byte, now time.Time) (*ledgerv1.OpeningBalanceRow, *Error) {
	r := readOpeningRow(b, now)
	return r.OpeningBalanceRow, r.fault
}

// Heard is heard of an account that stands so, for tests.
func Heard(status ledgerv1.AccountStatus) bool {
	return heard(&ledgerv1.AccountRow{Status: status})
}

// DecideMergeAndStop is DecideMerge of a bank that stops when the step is durable, and brings nothing to an end.
func DecideMergeAndStop(ctx context.Context, b *Bank, caller access.Caller, s MergeStep) error {
	_, err := b.takeMergeStep(ctx, caller, access.DecideMerge, s, b.decideMerge)
	return err
}

// UndoMergeAndStop is the same for UndoMerge.
func UndoMergeAndStop(ctx context.Context, b *Bank, caller access.Caller, s MergeStep) error {
	_, err := b.takeMergeStep(ctx, caller, access.UndoMerge, s, b.undoMerge)
	return err
}

// DayRange is dayRange, for tests.
type DayRange = dayRange

// NewDayRange makes a run of days; 0 as the last one is for ever.
func NewDayRange(from, until int32) DayRange { return rangeOf(from, until) }

// Ends answers both ends of a run of days.
func (r dayRange) Ends() (from, until int32) { return r.from, r.until }

// Union, Without, Common and Contains are the arithmetic of runs of days.
func Union(ranges []DayRange) []DayRange { return union(ranges) }

// Without takes the days of others from ranges.
func Without(ranges, others []DayRange) []DayRange { return without(ranges, others) }

// Common are the days of both.
func Common(a, b []DayRange) []DayRange { return common(a, b) }

// Contains says whether a day is among them.
func Contains(ranges []DayRange, day int32) bool { return contains(ranges, day) }

// CourseWindow answers the window that a policy sees of a course for learning that ends on a day, and whether the course counts then.
func CourseWindow(row *ledgerv1.CourseRow, provider []DayRange, day int32) (from, until policy.Day, counts bool) {
	c := &course{CourseRow: row, fact: row.GetFact()}
	c.open = c.days(provider)
	from, until = c.window(policy.Day(day))
	return from, until, contains(c.open, day)
}

// PublicKey is what verifies signatures of a key, as the newest directory has it.
func PublicKey(ctx context.Context, b *Bank, id keyring.KeyID) (*keyring.PublicKey, error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, err
	}
	return d.keys[id].Public, nil
}

// StandingKeys is standingKeys, for tests.
func StandingKeys(account unit.AccountID, judged *policy.Prepared) [][]byte {
	return standingKeys(account, judged)
}

// BusyKeys is of how many keys something is kept that makes them verify faster.
func BusyKeys(b *Bank) int { return b.busy.Kept() }
