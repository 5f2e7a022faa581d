package ledger

import (
	"context"
	"crypto/sha256"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkHold checks that a hold was asked for, under an id by which what is said of it can be sealed, for a quote, and under an
// agreement that its institution had published.
func (f *fsck) checkHold(ctx context.Context, checked *chunk, e *ledgerv1.Entry) error {
	placed := e.GetHoldPlaced()
	if placed == nil {
		return nil
	}
	if n := len(placed.GetRequest().GetRequestId()); n != len(unit.StatementID{}) {
		checked.at(e.GetIndex(), "request.request_id", "it has %d bytes", n)
	}
	if n := len(placed.GetQuoteDigest()); n != sha256.Size {
		checked.at(e.GetIndex(), "quote_digest", "it has %d bytes", n)
	}
	var agreed *ledgerv1.AgreementPublished
	if index := placed.GetAgreement(); index < e.GetIndex() {
		values, err := f.Engine.Get(ctx, book.EntryKey(index))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil { // one that cannot be read has a fault of its own
			if published, err := decodeEntry(index, values[0]); err == nil {
				agreed = published.GetAgreementPublished()
			}
		}
	}
	if agreed.GetInstitution() != placed.GetInstitution() || agreed == nil {
		checked.at(e.GetIndex(), "agreement", "entry %d publishes no agreement of %q", placed.GetAgreement(), placed.GetInstitution())
	}
	return nil
}
