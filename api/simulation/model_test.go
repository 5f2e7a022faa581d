package simulation_test

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// model is what clients of the bank hold: what it has acknowledged, and what they asked without hearing an answer. It
// knows nothing of how the bank works; a client could keep it.
type model struct {
	// records are the statements that the bank has acknowledged; order are their ids, oldest first.
	records map[unit.StatementID]record
	order   []unit.StatementID
	// accounts that the bank has acknowledged, by the name of their holder; holders are how they were asked for.
	accounts map[string]api.Account
	holders  []opening
	// gone are the holders of accounts that are part of others now.
	gone map[string]bool
	// transfers are the holds that the bank has acknowledged, as it has said that they stand.
	transfers map[uint64]ledgerv1.HoldStatus
	// withdrawn are the consents whose withdrawal the bank has acknowledged.
	withdrawn map[uint64]bool
	// answers are what other changes were answered; done are those changes.
	answers map[string]string
	done    []change
	// checkpoints are the roots that were published, by size; newest is the greatest size.
	checkpoints map[uint64]merkle.Hash
	newest      uint64
	// doubts are commands that nobody knows the outcome of, in their order.
	doubts []command
}

// record is the receipt of a statement.
type record struct {
	platform string
	raw      []byte
	index    uint64
	// leaf is the hash of the entry.
	leaf merkle.Hash
	// target is what a void took back.
	void   bool
	target unit.StatementID
	// voided says that it was taken back.
	voided bool
}

func newModel() *model {
	return &model{
		records: make(map[unit.StatementID]record), checkpoints: make(map[uint64]merkle.Hash),
		accounts: make(map[string]api.Account), answers: make(map[string]string), gone: make(map[string]bool),
		transfers: make(map[uint64]ledgerv1.HoldStatus), withdrawn: make(map[uint64]bool),
	}
}

// clone is a model that goes its own way.
func (m *model) clone() *model {
	c := *m
	c.records, c.checkpoints, c.accounts, c.answers = maps.Clone(m.records), maps.Clone(m.checkpoints), maps.Clone(m.accounts), maps.Clone(m.answers)
	c.gone, c.transfers, c.withdrawn = maps.Clone(m.gone), maps.Clone(m.transfers), maps.Clone(m.withdrawn)
	c.order, c.holders, c.done, c.doubts = slices.Clone(m.order), slices.Clone(m.holders), slices.Clone(m.done), slices.Clone(m.doubts)
	return &c
}

// saw notes a checkpoint that was published. Two of one size have one root.
func (m *model) saw(c merkle.Checkpoint) error {
	if root, known := m.checkpoints[c.Size]; known && root != c.Root {
		return wrongf("checkpoints of size %d with roots %v and %v", c.Size, root, c.Root)
	}
	m.checkpoints[c.Size] = c.Root
	m.newest = max(m.newest, c.Size)
	return nil
}

// wrong is an answer of the bank that breaks its promises.
type wrong struct{ problem string }

func (w *wrong) Error() string { return w.problem }

func wrongf(format string, args ...any) error { return &wrong{fmt.Sprintf(format, args...)} }

// expectation is what a statement is going to be answered.
type expectation struct {
	// reason is why it is rejected; empty: it is not.
	reason api.Reason
	// replayed is the entry that has it already, if known.
	known bool
	index uint64
}

// expect says what becomes of a statement.
func (m *model) expect(s statement) expectation {
	r, known := m.records[s.id]
	switch {
	case known && string(r.raw) == string(s.raw):
		return expectation{known: true, index: r.index}
	case known:
		return expectation{reason: api.ReasonStatementConflict}
	case s.bad != "":
		return expectation{reason: s.bad}
	case s.void && m.records[s.target].voided:
		return expectation{reason: api.ReasonAlreadyVoided}
	default:
		return expectation{}
	}
}

// acknowledge notes the receipt of a statement, after comparing the entry with it.
func (m *model) acknowledge(view ledger.View, platform string, s statement, result api.StatementResult) error {
	raw, err := view.Entry(ctx(), result.Index)
	if err != nil {
		return wrongf("statement %v was acknowledged as entry %d: %v", s.id, result.Index, err)
	}
	e := new(ledgerv1.Entry)
	if err := proto.Unmarshal(raw, e); err != nil {
		return wrongf("entry %d: %v", result.Index, err)
	}
	origin := e.GetCompletionRecorded().GetOrigin()
	if s.void {
		origin = e.GetCompletionVoided().GetOrigin()
	}
	hash := merkle.LeafHash(s.raw)
	if origin.GetOrganization() != platform || string(origin.GetStatementId()) != string(s.id[:]) || string(origin.GetStatementHash()) != string(hash[:]) {
		return wrongf("statement %v was acknowledged as entry %d, which records another one", s.id, result.Index)
	}
	if !s.void {
		if err := sameDecision(e.GetCompletionRecorded(), result.Decision); err != nil {
			return err
		}
	}
	m.records[s.id] = record{
		platform: platform, raw: s.raw, index: result.Index, leaf: merkle.LeafHash(raw), void: s.void, target: s.target,
	}
	m.order = append(m.order, s.id)
	if s.void {
		target := m.records[s.target]
		target.voided = true
		m.records[s.target] = target
	}
	return nil
}

// sameDecision compares what was answered with what was written down.
func sameDecision(recorded *ledgerv1.CompletionRecorded, answered *api.Decision) error {
	var minutes, available, pending int64
	for _, h := range recorded.GetEffects().GetHours() {
		minutes += h.GetMinutes()
	}
	for _, lot := range recorded.GetEffects().GetLots() {
		available += lot.GetAvailable()
		pending += lot.GetPending()
	}
	if answered == nil || answered.Outcome != recorded.GetOutcome() || int64(answered.Minutes) != minutes ||
		int64(answered.Available) != available || int64(answered.Pending) != pending {
		return wrongf("answered %+v, wrote %v, %d minutes, %d and %d milli-credits", answered, recorded.GetOutcome(), minutes, available, pending)
	}
	return nil
}
