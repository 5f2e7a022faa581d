package api

import (
	"context"
	"slices"
	"sort"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A crowd is what an account alone does not know of: it is taken as it was counted on the ledger. A draft that counts what
// nobody has counted so far therefore finds nobody there.

// crowd is who was counted in a crowd before an entry.
func (a *tried) crowd(ctx context.Context, key, before uint64) (*ledgerv1.CrowdRow, error) {
	all, err := a.crowdOnLedger(ctx, key)
	if err != nil {
		return nil, err
	}
	n, _ := slices.BinarySearch(all, before)
	return &ledgerv1.CrowdRow{Completions: all[:n]}, nil
}

func (a *tried) crowdOnLedger(ctx context.Context, key uint64) ([]uint64, error) {
	if known, ok := a.crowds[key]; ok {
		return known, nil
	}
	row, err := a.view.State(ctx).Crowd(key)
	if err != nil {
		return nil, err
	}
	if a.crowds == nil {
		a.crowds = make(map[uint64][]uint64)
	}
	a.crowds[key] = row.GetCompletions()
	return row.GetCompletions(), nil
}

// suspected is a completion of a crowd that is reported when a later one comes.
type suspected struct {
	doubt
	// reported is the entry of the one that comes.
	reported uint64
}

// suspect notes that a completion becomes a case when one comes that is too many for its crowd, if one ever did. One that is
// too many itself is held by the draft, or something else becomes of it.
func (a *tried) suspect(ctx context.Context, index uint64) error {
	for _, crowd := range a.statement.judged.Crowds() {
		all, err := a.crowdOnLedger(ctx, crowd.Key)
		if err != nil {
			return err
		}
		if place, _ := slices.BinarySearch(all, index); place >= crowd.Limit {
			continue
		}
		reporters, err := a.reporters(ctx, crowd, all)
		if err != nil {
			return err
		}
		if i := sort.Search(len(reporters), func(i int) bool { return reporters[i] > index }); i < len(reporters) {
			a.suspects = append(a.suspects, suspected{doubt{a.refs[index], crowd.Rule, uint32(crowd.Risk)}, reporters[i]})
		}
	}
	return nil
}

// reporters are those of a crowd, in their order, that are too many: each reports all that came before it.
func (t *trial) reporters(ctx context.Context, crowd policy.Crowd, all []uint64) ([]uint64, error) {
	if crowd.Fixed() {
		return all[min(crowd.Limit, len(all)):], nil
	}
	t.reporting.Lock()
	known, ok := t.reported[crowd.Key]
	t.reporting.Unlock()
	if ok {
		return known, nil
	}
	var found []uint64
	for place, index := range all {
		e, err := entryOf(ctx, t.view, index)
		if err != nil {
			return nil, err
		}
		limit, ok := crowd.LimitAt(int(t.directory.byIndex[e.GetCompletionRecorded().GetCourse()].fact.GetCapacity()))
		if ok && place >= limit {
			found = append(found, index)
		}
	}
	t.reporting.Lock()
	defer t.reporting.Unlock()
	t.reported[crowd.Key] = found
	return found, nil
}

// reportUntil opens the cases of crowds that were reported before an entry: of what still counts by then.
func (a *tried) reportUntil(entry uint64) error {
	var later []suspected
	for _, s := range a.suspects {
		if s.reported >= entry {
			later = append(later, s)
			continue
		}
		item, err := a.item(s.item)
		if err != nil {
			return err
		}
		if !counted(item) || item.GetCasePlusOne() != 0 {
			continue
		}
		if err := openCases(a.book, a.directory, a.id, []doubt{s.doubt}); err != nil {
			return err
		}
	}
	a.suspects = later
	return nil
}
