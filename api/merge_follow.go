package api

import (
	"bytes"
	"context"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// The vault goes on knowing a merged account by its own number and document: the ledger says where it went, so that there is one
// truth on it, which is durable with the merge itself and needs nothing to be put right when a merge is undone.

// accounts reads accounts and what lies on them.
type accounts interface {
	Account(id unit.AccountID) (*ledgerv1.AccountRow, error)
	Completion(id unit.AccountID, ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error)
}

// living answers the account that goes on where one became part of another, and the account itself otherwise. No account becomes
// part of one that became part of it, so that this has an end.
func living(from accounts, id unit.AccountID) (unit.AccountID, *ledgerv1.AccountRow, error) {
	for {
		row, err := from.Account(id)
		if err != nil || !isMerged(row) {
			return id, row, err
		}
		id = unit.AccountID(row.GetMergedInto())
	}
}

func isMerged(row *ledgerv1.AccountRow) bool {
	return row.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_MERGED && len(row.GetMergedInto()) == len(unit.AccountID{})
}

// located answers on which account an item counts that was recorded on one: where it has come to, or where it waits to leave.
func located(from accounts, recorded []byte, ref *ledgerv1.CompletionRef) (unit.AccountID, *ledgerv1.CompletionItem, error) {
	id := unit.AccountID(recorded)
	item, err := completionItem(from, id, ref)
	for err == nil {
		row, err := from.Account(id)
		if err != nil || !isMerged(row) {
			return id, item, err
		}
		next := unit.AccountID(row.GetMergedInto())
		moved, err := from.Completion(next, ref)
		if err != nil || moved == nil {
			return id, item, err
		}
		id, item = next, moved
	}
	return id, nil, err
}

// arriving is the fault of what comes while items are on their way from one account to another: it can come a moment later.
func arriving(field string) *Error {
	return faultf(Unavailable, ReasonAccountMoving, field, "the account is being merged, or was a moment ago; try again")
}

// livingAccount answers where an account lives on, by the newest state.
func (b *Bank) livingAccount(ctx context.Context, id unit.AccountID) (unit.AccountID, error) {
	id, _, err := b.livingRow(ctx, id)
	return id, err
}

func (b *Bank) livingRow(ctx context.Context, id unit.AccountID) (unit.AccountID, *ledgerv1.AccountRow, error) {
	view, err := b.ledger.View()
	if err != nil {
		return id, nil, err
	}
	defer view.Close()
	return living(view.State(ctx), id)
}

// follow has a completion go to the account that goes on, where its number is that of one which became part of another.
func (r *recording) follow(tx *ledger.Tx, p *preparedStatement) (*ledgerv1.AccountRow, error) {
	ctx := context.Background() // whoever posted may have gone; the step is the writer's
	id, account, err := living(tx, p.account)
	if err != nil {
		return nil, err
	}
	if p.sealer, err = r.bank.accountSealer(ctx, id); err != nil {
		return nil, err
	}
	if p.account = id; p.sealer == nil || !p.policy.AsksAge() {
		return account, nil
	}
	born, err := born(ctx, p.policy, p.sealer)
	if err != nil {
		return nil, err
	}
	p.ask(r.directory, r.submission.Organization, r.posted, born)
	return account, nil
}

// unsealerOf answers the sealer of what was written about an account: usually the one that is being decided on, and another one
// where an item was recorded on an account that became part of it. It is nil when the person was forgotten.
func (b *Bank) unsealerOf(ctx context.Context, account []byte, id unit.AccountID, sealer *vault.Sealer) (*vault.Sealer, error) {
	if sealer != nil && bytes.Equal(account, id[:]) {
		return sealer, nil
	}
	return b.accountSealer(ctx, unit.AccountID(account))
}
