package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// sealable is what sealed payloads hold.
type sealable interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT(b []byte) error
}

// seal closes a message under the key of an account.
func seal(sealer *vault.Sealer, fact string, statement unit.StatementID, m sealable) ([]byte, error) {
	plain, err := m.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("api: seal: %v", err)
	}
	return sealer.Seal(fact, statement, plain)
}

// unseal opens what seal closed.
func unseal(sealer *vault.Sealer, fact string, statement, sealed []byte, m sealable) error {
	var id unit.StatementID
	copy(id[:], statement)
	plain, err := sealer.Unseal(fact, id, sealed)
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrDamaged, err)
	}
	if err := m.UnmarshalVT(plain); err != nil {
		return fmt.Errorf("%w: a sealed %s: %v", ledger.ErrDamaged, fact, err)
	}
	return nil
}

// openCompletion unseals what concerns a person of a recorded completion. It is empty when the person was forgotten.
func (b *Bank) openCompletion(ctx context.Context, recorded *ledgerv1.CompletionRecorded) (*ledgerv1.SealedCompletion, error) {
	opened := new(ledgerv1.SealedCompletion)
	id, err := unit.AccountIDFromBytes(recorded.GetAccount())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrDamaged, err)
	}
	sealer, err := b.accountSealer(ctx, id)
	if err != nil || sealer == nil {
		return opened, err
	}
	return opened, unseal(sealer, "CompletionRecorded", recorded.GetOrigin().GetStatementId(), recorded.GetSealed(), opened)
}

// accountSealer answers the sealer of an account for the rare step that could not fetch it in advance; nil when the
// person was forgotten.
func (b *Bank) accountSealer(ctx context.Context, id unit.AccountID) (*vault.Sealer, error) {
	sealer, err := b.vault.Sealer(ctx, id)
	if errors.Is(err, vault.ErrKeyGone) || errors.Is(err, vault.ErrErased) {
		return nil, nil
	}
	return sealer, err
}
