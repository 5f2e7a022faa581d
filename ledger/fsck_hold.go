package ledger

import (
	"crypto/sha256"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkHold checks that a hold was asked for, under an id by which what is said of it can be sealed, and for a quote.
func checkHold(checked *chunk, e *ledgerv1.Entry) error {
	placed := e.GetHoldPlaced()
	if placed == nil {
		return nil
	}
	switch {
	case len(placed.GetRequest().GetRequestId()) != len(unit.StatementID{}):
		checked.at(e.GetIndex(), "request.request_id", "it has %d bytes", len(placed.GetRequest().GetRequestId()))
	case len(placed.GetQuoteDigest()) != sha256.Size:
		checked.at(e.GetIndex(), "quote_digest", "it has %d bytes", len(placed.GetQuoteDigest()))
	}
	return nil
}
