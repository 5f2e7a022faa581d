package ledger

import (
	"bytes"
	"crypto/sha256"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// partRows is how many rows a part of an import has, but for the last one (FORMAT.md, "Imports").
const partRows = 1000

// checkOpening checks that an import is confirmed by a second officer as it was proposed, and that what is sealed of its
// rows is what their entries say.
func (f *fsck) checkOpening(c *chunk, e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_OpeningBalancesProposed:
		p := fact.OpeningBalancesProposed
		parts := (int(p.GetRows()) + partRows - 1) / partRows
		if parts == 0 || len(p.GetPartRoots()) != parts*merkle.HashSize || len(p.GetFileHash()) != sha256.Size {
			c.at(e.GetIndex(), "part_roots", "they are not those of %d rows", p.GetRows())
		}
	case *ledgerv1.Entry_OpeningBalancesConfirmed:
		confirmed := fact.OpeningBalancesConfirmed
		proposed, err := f.order.state.Import(confirmed.GetImport())
		if err != nil || proposed == nil {
			return err // applying it says that there is none
		}
		switch {
		case !bytes.Equal(confirmed.GetFileHash(), proposed.GetFact().GetFileHash()):
			c.at(e.GetIndex(), "file_hash", "it is not that of import %d", confirmed.GetImport())
		case confirmed.GetActor().GetOfficer() == proposed.GetFact().GetActor().GetOfficer():
			c.at(e.GetIndex(), "actor", "the officer who proposed import %d confirms it", confirmed.GetImport())
		}
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		r := fact.OpeningBalanceRecorded
		return f.checkRow(c, e, r.GetOrigin(), r.GetAccount(), r.GetSealed(), recordedRow(r))
	case *ledgerv1.Entry_OpeningBalanceReversed:
		r := fact.OpeningBalanceReversed
		return f.checkRow(c, e, r.GetOrigin(), r.GetAccount(), r.GetSealed(), &ledgerv1.OpeningBalanceRow{Action: ledgerv1.RowAction_ROW_ACTION_REVERSE})
	}
	return nil
}

// recordedRow is what an entry says of its row in the clear.
func recordedRow(r *ledgerv1.OpeningBalanceRecorded) *ledgerv1.OpeningBalanceRow {
	row := &ledgerv1.OpeningBalanceRow{
		Action: ledgerv1.RowAction_ROW_ACTION_RECORD, Category: r.GetCategory(), EarnedOn: dateOf(r.GetEarnedDay()),
	}
	for _, h := range r.GetEffects().GetHours() {
		row.Minutes += h.GetMinutes()
	}
	for _, lot := range r.GetEffects().GetLots() {
		row.MilliCredits += lot.GetAvailable()
		if lot.GetExpiresDay() != 0 {
			row.ExpiresOn = dateOf(lot.GetExpiresDay())
		}
	}
	return row
}

func dateOf(day int32) string { return time.Unix(int64(day)*86_400, 0).UTC().Format(time.DateOnly) }

// checkRow checks that a row lies within its import, and what is sealed of it.
func (f *fsck) checkRow(c *chunk, e *ledgerv1.Entry, origin *ledgerv1.ImportOrigin, account, sealed []byte, shown *ledgerv1.OpeningBalanceRow) error {
	proposed, err := f.order.state.Import(origin.GetImport())
	if err != nil || proposed == nil {
		return err // applying it says that there is none
	}
	if row := uint64(origin.GetPart())*partRows + uint64(origin.GetPosition()); origin.GetPosition() >= partRows || row >= uint64(proposed.GetFact().GetRows()) {
		c.at(e.GetIndex(), "origin", "import %d has no row %d in part %d", origin.GetImport(), origin.GetPosition(), origin.GetPart())
		return nil
	}
	if f.Unseal != nil {
		f.checkSealedRow(c, e, origin, account, sealed, shown)
	}
	return nil
}

// checkSealedRow checks that what is sealed is the row that the entry shows.
func (f *fsck) checkSealedRow(c *chunk, e *ledgerv1.Entry, origin *ledgerv1.ImportOrigin, account, sealed []byte, shown *ledgerv1.OpeningBalanceRow) {
	id, err := unit.AccountIDFromBytes(account)
	if err != nil {
		c.at(e.GetIndex(), "account", "%v", err)
		return
	}
	content, ok, err := f.Unseal(id, book.Fact(e), origin.GetSourceId(), sealed)
	if err != nil {
		c.at(e.GetIndex(), "sealed", "%v", err)
		return
	}
	if !ok {
		return // the person was forgotten
	}
	opened, row := new(ledgerv1.SealedOpeningBalance), new(ledgerv1.OpeningBalanceRow)
	if proto.Unmarshal(content, opened) != nil || proto.Unmarshal(opened.GetRow(), row) != nil {
		c.at(e.GetIndex(), "sealed", "it holds no row")
		return
	}
	// Only the person and the names of the record are sealed and nowhere else.
	said := &ledgerv1.OpeningBalanceRow{
		Action: row.GetAction(), Category: row.GetCategory(), Minutes: row.GetMinutes(), MilliCredits: row.GetMilliCredits(),
		EarnedOn: row.GetEarnedOn(), ExpiresOn: row.GetExpiresOn(),
	}
	if !proto.Equal(said, shown) {
		c.at(e.GetIndex(), "sealed", "it is another row than the entry says")
	}
}
