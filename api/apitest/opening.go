package apitest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// OpeningSource is the system that opening balances come from.
const OpeningSource = "xihu-2019"

// OpeningRow is what somebody earned on 2019-05-04 under another system: 90 minutes of arts, and 1.500 credits for them.
func OpeningRow(account unit.AccountNumber, record string) *ledgerv1.OpeningBalanceRow {
	return &ledgerv1.OpeningBalanceRow{
		Action: ledgerv1.RowAction_ROW_ACTION_RECORD, AccountNumber: string(account), SourceRecord: record,
		Category: "arts", Minutes: 90, MilliCredits: 1500, EarnedOn: "2019-05-04", Title: "书法班",
	}
}

// OpeningReversal takes back what was recorded under a record.
func OpeningReversal(account unit.AccountNumber, record string) *ledgerv1.OpeningBalanceRow {
	return &ledgerv1.OpeningBalanceRow{
		Action: ledgerv1.RowAction_ROW_ACTION_REVERSE, AccountNumber: string(account), SourceRecord: record,
	}
}

// Opening describes an import of rows for the whole district, and answers the rows as they are sent.
func Opening(rows ...*ledgerv1.OpeningBalanceRow) (i api.OpeningImport, sent [][]byte, err error) {
	i = api.OpeningImport{Organization: Root, Source: OpeningSource, Rows: len(rows)}
	totals := make(map[string]api.CategoryAmount)
	for _, row := range rows {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
		if err != nil {
			return i, nil, fmt.Errorf("apitest: row: %v", err)
		}
		sent = append(sent, raw)
		switch {
		case row.GetAction() == ledgerv1.RowAction_ROW_ACTION_REVERSE:
			i.Reversals++
		case row.GetCategory() != "": // others are wrong
			t := totals[row.GetCategory()]
			totals[row.GetCategory()] = api.CategoryAmount{
				Category: row.GetCategory(), Minutes: t.Minutes + row.GetMinutes(), MilliCredits: t.MilliCredits + row.GetMilliCredits(),
			}
		}
	}
	for _, category := range slices.Sorted(maps.Keys(totals)) {
		i.Totals = append(i.Totals, totals[category])
	}
	for part := range slices.Chunk(sent, api.ImportPartRows) {
		hashes := make([]merkle.Hash, len(part))
		for n, row := range part {
			hashes[n] = merkle.LeafHash(row)
		}
		root := merkle.RootOf(hashes)
		i.PartRoots = append(i.PartRoots, root[:])
	}
	hash := sha256.Sum256(fmt.Append(nil, i.PartRoots))
	i.FileHash = hash[:]
	return i, sent, nil
}

// RowBytes are rows as they are sent.
func (b *Bank) RowBytes(rows ...*ledgerv1.OpeningBalanceRow) [][]byte {
	b.tb.Helper()
	_, sent, err := Opening(rows...)
	b.must(err)
	return sent
}

// OpeningImport describes an import of rows for the whole district.
func (b *Bank) OpeningImport(rows ...*ledgerv1.OpeningBalanceRow) api.OpeningImport {
	b.tb.Helper()
	i, _, err := Opening(rows...)
	b.must(err)
	return i
}

// Confirmed is an import that one officer has proposed and another one confirmed.
func (b *Bank) Confirmed(i api.OpeningImport) api.OpeningImport {
	b.tb.Helper()
	proposed, err := b.ProposeOpeningBalances(b.ctx(), b.Officer(Officer), b.RequestID(), i)
	b.must(err)
	i.Index = proposed.Index
	confirmed, _, err := b.ConfirmOpeningBalances(b.ctx(), b.Officer(SecondOfficer), b.RequestID(), i)
	b.must(err)
	return confirmed
}

// TakeOver has two officers take rows over: at most one part of them.
func (b *Bank) TakeOver(rows ...*ledgerv1.OpeningBalanceRow) []api.OpeningResult {
	b.tb.Helper()
	results, _, err := b.RecordOpeningBalances(b.ctx(), b.Officer(SecondOfficer), api.OpeningPart{
		Import: b.Confirmed(b.OpeningImport(rows...)).Index, Rows: b.RowBytes(rows...),
	})
	b.must(err)
	return results
}
