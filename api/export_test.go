package api

import (
	"context"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"

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
