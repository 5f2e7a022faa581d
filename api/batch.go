package api

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// MaxBatch is how many cases are decided at once.
const MaxBatch = 500

// BatchDecision asks to decide many cases alike.
type BatchDecision struct {
	RequestID  string
	Verdict    Verdict
	ReasonCode string
	Note       string
	Items      []BatchItem
}

// BatchItem is one of the cases.
type BatchItem struct {
	Case uint64
	// Seen is as in Step.
	Seen uint64
}

// BatchResult is what became of one of the cases: a fault, or how it stands then and the entry that says so.
type BatchResult struct {
	Case   uint64
	Fault  *Error
	Index  uint64
	Status ledgerv1.CaseStatus
}

// DecideCases decides up to MaxBatch cases, each on its own: one that cannot be decided does not keep the others from it. Only
// cases whose policy has them decided among many are. Asked again, each is answered again.
func (b *Bank) DecideCases(ctx context.Context, caller access.Caller, batch BatchDecision) ([]BatchResult, ledger.Receipt, error) {
	fail := func(err error) ([]BatchResult, ledger.Receipt, error) { return nil, ledger.Receipt{}, err }
	if err := caller.Holds(access.DecideCase); err != nil {
		return fail(err)
	}
	if n := len(batch.Items); n < 1 || n > MaxBatch {
		return fail(invalid(ReasonField, "items", "there are %d cases, 1 to %d are decided at once", n, MaxBatch))
	}
	id, fault := parseRequestID(batch.RequestID)
	if fault != nil {
		return fail(fault)
	}
	results := make([]BatchResult, len(batch.Items))
	var changes []change
	var places []int // of the changes, in the results
	twice := make(map[uint64]bool)
	for i, item := range batch.Items {
		results[i].Case = item.Case
		if twice[item.Case] {
			return fail(invalid(ReasonField, indexed("items", i)+".case_id", "case %d is there twice", item.Case))
		}
		twice[item.Case] = true
		step, ok := CaseDecision{
			RequestID: batchRequestID(id, item.Case), Case: item.Case, Verdict: batch.Verdict, ReasonCode: batch.ReasonCode, Note: batch.Note,
			Seen: item.Seen,
		}.step()
		if !ok {
			return fail(noVerdict())
		}
		if step.batch = true; i == 0 {
			if _, fault := step.check(); fault != nil {
				return fail(fault)
			}
		}
		c, err := b.stepChange(ctx, caller, access.DecideCase, &step)
		if err != nil {
			return fail(err)
		}
		again, err := b.answered(ctx, c)
		if err != nil {
			return fail(err)
		}
		if !again {
			_, err = b.mayStep(ctx, caller, access.DecideCase, step)
		}
		if err != nil {
			if results[i].Fault = AsError(err); results[i].Fault.Kind == Internal {
				return fail(err)
			}
			continue
		}
		changes, places = append(changes, c), append(places, i)
	}
	if len(changes) == 0 {
		return results, ledger.Receipt{}, nil
	}
	done, errs, receipt, err := b.onceEach(ctx, changes)
	if err != nil {
		return fail(err)
	}
	view, err := b.ledger.View()
	if err != nil {
		return fail(err)
	}
	defer view.Close()
	state := view.State(ctx)
	for i, place := range places {
		r := &results[place]
		if r.Fault = AsError(errs[i]); r.Fault != nil {
			continue
		}
		row, err := state.Case(r.Case)
		if err != nil {
			return fail(err)
		}
		r.Index, r.Status = done[i], row.GetStatus()
	}
	return results, receipt, nil
}

// batchRequestID makes the request id of one case of a batch (a UUID of version 8, RFC 9562), so that a batch that is sent again
// decides each case once.
func batchRequestID(batch uuid.UUID, id uint64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(batch[:], id))
	made := uuid.UUID(sum[:16])
	made[6], made[8] = made[6]&0x0f|0x80, made[8]&0x3f|0x80
	return made.String()
}
