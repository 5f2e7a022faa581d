package ledger

import (
	"context"
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
)

// Holding is what a store holds: whose log, and how much of it.
type Holding struct {
	BankID, Origin string
	Format         uint64
	Size           uint64
	Root           merkle.Hash
}

// Survey learns what a store holds without writing to it and without any key: for a copy of it. That the tiles add up to
// the root is checked, the entries are not (see Fsck). It answers ErrBehindAnchor when the tree lacks what known covers, a
// checkpoint of size 0 covering nothing; ErrEmpty, ErrFormat, ErrDamaged and ErrRebuilding.
func Survey(ctx context.Context, reader store.Reader, known merkle.Checkpoint) (h Holding, err error) {
	values, err := reader.Get(ctx, formatKey(), treeKey(), rebuildKey())
	if err != nil {
		return h, fmt.Errorf("ledger: read: %w", err)
	}
	if values[2] != nil {
		return h, ErrRebuilding
	}
	if values[1] == nil {
		return h, ErrEmpty
	}
	if h.Format, err = parseFormat(values[0]); err != nil {
		return h, err
	}
	t, err := loadTip(ctx, reader, values[1])
	if err != nil {
		return h, err
	}
	id, err := identify(ctx, reader)
	if err != nil {
		return h, err
	}
	h.BankID, h.Origin, h.Size, h.Root = id.founded.GetBankId(), id.origin(), t.size, t.edge.Root()
	return h, checkAnchor(ctx, reader, t, known)
}
