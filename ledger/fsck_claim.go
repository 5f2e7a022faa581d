package ledger

import (
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// checkClaim checks that a claim is decided where its account is at home, under a policy that was published, and that it is sealed
// under an id of its own.
func (f *fsck) checkClaim(checked *chunk, index uint64, c *ledgerv1.ClaimFiled) error {
	if c == nil {
		return nil
	}
	id, err := unit.AccountIDFromBytes(c.GetAccount())
	if err != nil {
		return nil //nolint:nilerr // applying it says so
	}
	account, err := f.order.state.Account(id)
	if err != nil || account == nil {
		return err // applying it says that there is none
	}
	policy, err := f.order.state.Policy(c.GetPolicyHash())
	switch {
	case err != nil:
		return err
	case c.GetOrganization() != account.GetHome():
		checked.at(index, "organization", "the account is at home elsewhere")
	case policy.GetPublishedPlusOne() == 0:
		checked.at(index, "policy_hash", "no such policy was published by then")
	case len(c.GetRequest().GetRequestId()) != len(unit.StatementID{}):
		checked.at(index, "request.request_id", "it has %d bytes", len(c.GetRequest().GetRequestId()))
	}
	return nil
}
