package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Two accounts of one person become one in three officers' hands: one proposes, two agree. The account that is merged stays on the
// ledger as it was, and nothing of it counts any more; each item of its record comes over to the other account by an entry of its
// own, judged once more on the standing that it finds there (merge_move.go). So undoing a merge gives back exactly what there was:
// nothing has to be worked out backwards on the account that is given back.

// Limits of lists of merges.
const (
	maxMergePage   = 500
	usualMergePage = 50
)

// Merge is a merge of two accounts. It names nobody.
type Merge struct {
	// ID is the entry that proposed it.
	ID         uint64
	From, Into unit.AccountID
	ReasonCode string
	Status     ledgerv1.MergeStatus
	// Changed is the entry that took the newest step: what a caller names who has seen it as it stands.
	Changed                         uint64
	ProposedBy                      string
	Proposed                        time.Time
	ReviewedBy, MergedBy, RefusedBy string
	UndoProposedBy, UndoneBy        string
	// Items came over, or are going to.
	Items int64
}

// MergeStep asks to take a step of a merge.
type MergeStep struct {
	RequestID string
	Merge     uint64
	// Approve agrees, or proposes to undo it; otherwise it is refused.
	Approve    bool
	ReasonCode string
	// Seen is the entry that took the newest step which the caller has seen, as in Merge.Changed; 0: the caller does not say.
	Seen uint64
}

func mergeOf(id uint64, row *ledgerv1.MergeRow) Merge {
	fact := row.GetFact()
	return Merge{
		ID: id, From: unit.AccountID(fact.GetFrom()), Into: unit.AccountID(fact.GetInto()), ReasonCode: fact.GetReasonCode(),
		Status: row.GetStatus(), Changed: row.GetChangedIndex(), ProposedBy: fact.GetActor().GetOfficer(), Proposed: timeOf(row.GetTime()),
		ReviewedBy: row.GetReviewedBy(), MergedBy: row.GetMergedBy(), RefusedBy: row.GetRefusedBy(),
		UndoProposedBy: row.GetUndoProposedBy(), UndoneBy: row.GetUndoneBy(), Items: row.GetItems(),
	}
}

// mergeReasons are the codes with which a merge is proposed, mergeStepReasons those with which it is decided.
func mergeReasons() []string {
	return []string{"SAME_PERSON", "NAME_MISMATCH", "DOCUMENT_CHANGED", "DOUBLE_ENROLMENT", otherReasonCode}
}

func mergeStepReasons() []string {
	return []string{"IDENTITY_CHECKED", "DIFFERENT_PERSONS", "EVIDENCE_MISSING", "DECIDED_BY_MISTAKE", otherReasonCode}
}

func checkMergeReason(code string, codes []string) *Error {
	if !slices.Contains(codes, code) {
		return invalid(ReasonDecisionReason, "reason_code", "the reason code is none of %v", codes)
	}
	return nil
}

// ProposeMerge proposes that an account becomes part of another one.
func (b *Bank) ProposeMerge(
	ctx context.Context, caller access.Caller, requestID string, from, into unit.AccountID, reasonCode string,
) (Merge, error) {
	if err := caller.Holds(access.ProposeMerge); err != nil {
		return Merge{}, err
	}
	if fault := checkMergeReason(reasonCode, mergeReasons()); fault != nil {
		return Merge{}, fault
	}
	if from == into {
		return Merge{}, invalid(ReasonMergeSame, "into_account_id", "an account is not merged with itself")
	}
	done, err := b.once(ctx, change{
		caller: caller, method: access.ProposeMerge, requestID: requestID, asked: []string{from.String(), into.String(), reasonCode},
		reads: [][]byte{book.AccountKey(from), book.AccountKey(into)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := permitMerge(tx, d, caller, access.ProposeMerge, from, into); err != nil {
				return 0, err
			}
			if err := mergeable(tx, "from_account_id", from); err != nil {
				return 0, err
			}
			if err := mergeable(tx, "into_account_id", into); err != nil {
				return 0, err
			}
			if err := checkDirection(tx, from, into, "into_account_id"); err != nil {
				return 0, err
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeProposed{AccountMergeProposed: &ledgerv1.AccountMergeProposed{
				Actor: caller.Actor(), Request: request, From: from[:], Into: into[:], ReasonCode: reasonCode,
			}}})
		},
	})
	if err != nil {
		return Merge{}, err
	}
	return b.readMerge(ctx, done.Index)
}

// permitMerge refuses officers who may not do something about two accounts. Who may not is not told whether they are there.
func permitMerge(rows accounts, d *directory, caller access.Caller, action access.Action, ids ...unit.AccountID) error {
	for _, id := range ids {
		row, err := rows.Account(id)
		if err != nil {
			return err
		}
		if row == nil || caller.Check(action, access.Subject{Organization: row.GetHome(), Account: id}, d) != nil {
			return faultf(NotFound, ReasonUnknownAccount, "", "the organization of the officer and those below it have not both of these accounts")
		}
		// The sign-in of an officer does not say which account is theirs, if any: it is noticed only where it does.
		if !caller.Account.IsZero() && caller.Account == id {
			return faultf(Denied, ReasonOwnCase, "", "one of the accounts is your own")
		}
	}
	return nil
}

// mergeable refuses an account on which a merge is waiting, or which is not open.
func mergeable(tx *ledger.Tx, field string, id unit.AccountID) error {
	row, err := tx.Account(id)
	if err != nil {
		return err
	}
	if fault := checkOpen(row); fault != nil {
		fault.Field = field
		return fault
	}
	newest := row.GetMergePlusOne()
	if newest == 0 {
		return nil
	}
	merge, err := tx.Merge(newest - 1)
	if err != nil {
		return err
	}
	if waits(merge.GetStatus()) {
		return faultf(Precondition, ReasonMergeOpen, field, "merge %d of the account waits for an officer: decide it first", newest-1)
	}
	return nil
}

// checkDirection refuses that the account of a person whose document was checked becomes part of one where none was.
func checkDirection(rows accounts, from, into unit.AccountID, field string) error {
	a, err := rows.Account(from)
	if err != nil {
		return err
	}
	b, err := rows.Account(into)
	if err != nil {
		return err
	}
	if a.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED && b.GetStatus() == ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL {
		return faultf(Precondition, ReasonMergeDirection, field,
			"the holder's document was checked for the other account and not for this one: merge this one into the other")
	}
	return nil
}

// waits says whether a merge waits for an officer.
func waits(status ledgerv1.MergeStatus) bool {
	return status == ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED || status == ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED ||
		status == ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED
}

// DecideMerge agrees to a merge or refuses it, and answers how it stands then and the entry that says so. The second agreement
// merges.
func (b *Bank) DecideMerge(ctx context.Context, caller access.Caller, s MergeStep) (Merge, uint64, error) {
	return b.stepMerge(ctx, caller, access.DecideMerge, s, b.decideMerge)
}

// UndoMerge proposes to undo a merge, or answers another officer who did.
func (b *Bank) UndoMerge(ctx context.Context, caller access.Caller, s MergeStep) (Merge, uint64, error) {
	return b.stepMerge(ctx, caller, access.UndoMerge, s, b.undoMerge)
}

// mergeStep is a step in the writer.
type mergeStep struct {
	MergeStep
	tx        *ledger.Tx
	directory *directory
	caller    access.Caller
	request   *ledgerv1.Request
	row       *ledgerv1.MergeRow
}

func (b *Bank) stepMerge(
	ctx context.Context, caller access.Caller, action access.Action, s MergeStep,
	step func(ctx context.Context, s mergeStep) (uint64, error),
) (Merge, uint64, error) {
	index, err := b.takeMergeStep(ctx, caller, action, s, step)
	if err != nil {
		return Merge{}, 0, err
	}
	// Whoever stops waiting here finds it done: the bank goes on with it by itself.
	if err := b.finishMerge(ctx, s.Merge); err != nil {
		return Merge{}, 0, err
	}
	merge, err := b.readMerge(ctx, s.Merge)
	return merge, index, err
}

// takeMergeStep writes a step down, and what fits in one commit of what follows from it.
func (b *Bank) takeMergeStep(
	ctx context.Context, caller access.Caller, action access.Action, s MergeStep,
	step func(ctx context.Context, s mergeStep) (uint64, error),
) (uint64, error) {
	if err := caller.Holds(action); err != nil {
		return 0, err
	}
	if fault := checkMergeReason(s.ReasonCode, mergeStepReasons()); fault != nil {
		return 0, fault
	}
	asked := struct {
		Merge   uint64
		Approve bool
		Reason  string
	}{s.Merge, s.Approve, s.ReasonCode}
	done, err := b.once(ctx, change{
		caller: caller, method: action, requestID: s.RequestID, asked: asked, reads: [][]byte{book.MergeKey(s.Merge)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			row, err := tx.Merge(s.Merge)
			if err != nil {
				return 0, err
			}
			if err := permitMergeRow(tx, d, caller, action, s.Merge, row); err != nil {
				return 0, err
			}
			if s.Seen != 0 && s.Seen != row.GetChangedIndex() {
				return 0, mergeFault(faultf(Changed, ReasonMergeChanged, "etag", "entry %d has changed the merge since; read it again", row.GetChangedIndex()), row)
			}
			return step(ctx, mergeStep{MergeStep: s, tx: tx, directory: d, caller: caller, request: request, row: row})
		},
	})
	return done.Index, err
}

func permitMergeRow(rows accounts, d *directory, caller access.Caller, action access.Action, id uint64, row *ledgerv1.MergeRow) error {
	unknown := faultf(NotFound, ReasonNotFound, "merge", "there is no merge %d of accounts of the organization and those below it; see ListMerges", id)
	if row == nil {
		return unknown
	}
	err := permitMerge(rows, d, caller, action, unit.AccountID(row.GetFact().GetFrom()), unit.AccountID(row.GetFact().GetInto()))
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == NotFound {
		return unknown
	}
	return err
}

// mergeFault says how the merge stands, for programs too.
func mergeFault(e *Error, row *ledgerv1.MergeRow) *Error {
	e.Metadata = map[string]string{
		"status": row.GetStatus().String()[len("MERGE_STATUS_"):], "etag": strconv.FormatUint(row.GetChangedIndex(), 10),
	}
	return e
}

func (s mergeStep) outOfTurn() *Error {
	return mergeFault(faultf(Changed, ReasonStepOutOfTurn, "merge", "the merge is %s, from where this step does not lead on; read it again",
		mergeWord(s.row.GetStatus())), s.row)
}

func mergeWord(status ledgerv1.MergeStatus) string {
	switch status {
	case ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED:
		return "waiting for the first review"
	case ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED:
		return "waiting for the second review"
	case ledgerv1.MergeStatus_MERGE_STATUS_REFUSED:
		return "refused"
	case ledgerv1.MergeStatus_MERGE_STATUS_MOVING, ledgerv1.MergeStatus_MERGE_STATUS_RETURNING:
		return "on its way"
	case ledgerv1.MergeStatus_MERGE_STATUS_MERGED:
		return "done"
	case ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED:
		return "done, and another officer is asked whether to undo it"
	case ledgerv1.MergeStatus_MERGE_STATUS_UNDONE:
		return "undone"
	default:
		return "not known"
	}
}

// take writes a step down that moves nothing.
func (s mergeStep) take(step ledgerv1.MergeStep) (uint64, error) {
	return s.tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountMergeStepTaken{AccountMergeStepTaken: &ledgerv1.AccountMergeStepTaken{
		Actor: s.caller.Actor(), Request: s.request, Merge: s.Merge, Step: step, ReasonCode: s.ReasonCode,
	}}})
}

func (b *Bank) decideMerge(ctx context.Context, s mergeStep) (uint64, error) {
	status, fact := s.row.GetStatus(), s.row.GetFact()
	first, second := status == ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED, status == ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED
	if !first && !second {
		return 0, s.outOfTurn()
	}
	if !s.Approve {
		return s.take(ledgerv1.MergeStep_MERGE_STEP_REFUSED)
	}
	if s.caller.Officer == fact.GetActor().GetOfficer() || s.caller.Officer == s.row.GetReviewedBy() {
		return 0, mergeFault(faultf(Denied, ReasonFourEyes, "merge", "proposing, the first and the second review are three officers'; you have had your say"), s.row)
	}
	if first {
		return s.take(ledgerv1.MergeStep_MERGE_STEP_REVIEWED)
	}
	return b.merge(ctx, s)
}

// merge makes the first account part of the second.
func (b *Bank) merge(ctx context.Context, s mergeStep) (uint64, error) {
	from, into := unit.AccountID(s.row.GetFact().GetFrom()), unit.AccountID(s.row.GetFact().GetInto())
	for _, id := range []unit.AccountID{from, into} {
		if err := b.readyToMerge(ctx, s, id); err != nil {
			return 0, err
		}
	}
	if err := checkDirection(s.tx, from, into, "merge"); err != nil {
		return 0, err
	}
	if err := nothingWaits(s.tx, from, into); err != nil {
		return 0, err
	}
	account, err := s.tx.Account(from)
	if err != nil {
		return 0, err
	}
	index, err := s.tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsMerged{AccountsMerged: &ledgerv1.AccountsMerged{
		Actor: s.caller.Actor(), Request: s.request, Merge: s.Merge, From: from[:], Into: into[:],
		Items: account.GetCompletions() + account.GetOpeningBalances() + account.GetClaims(),
	}}})
	if err != nil {
		return 0, err
	}
	_, err = b.goOn(ctx, s.tx, s.directory, s.Merge)
	return index, err
}

// nothingWaits refuses to merge while an institution, or officers, are about to decide on what would come over.
func nothingWaits(tx scribe, from, into unit.AccountID) error {
	account, err := tx.Account(from)
	if err != nil {
		return err
	}
	if n := len(account.GetHolds()); n > 0 {
		return faultf(Precondition, ReasonMergeReserved, "merge", "%d transfers of the account wait for an institution: wait until they have ended", n)
	}
	for _, id := range []unit.AccountID{from, into} {
		if err := nothingHeld(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// nothingHeld refuses an account of which a clawback holds something: what is held must not be judged anew, and come free by it.
func nothingHeld(tx scribe, id unit.AccountID) error {
	held, err := itemsOf(tx, id, func(item *ledgerv1.CompletionItem) bool { return item.GetHeldPlusOne() != 0 })
	if err != nil || len(held) == 0 {
		return err
	}
	return faultf(Precondition, ReasonMergeHeld, "merge", "clawback %d holds completion %d of account %s: have it decided first",
		held[0].GetHeldPlusOne()-1, held[0].GetIndex(), id)
}

// readyToMerge refuses an account that is not open any more, and writes down what is overdue on it.
func (b *Bank) readyToMerge(ctx context.Context, s mergeStep, id unit.AccountID) error {
	account, err := s.tx.Account(id)
	if err != nil {
		return err
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field, fault.Message = "merge", "account "+id.String()+" is not open any more"
		return fault
	}
	sealer, err := b.accountSealer(ctx, id)
	if err != nil {
		return err
	}
	if sealer == nil {
		return faultf(Precondition, ReasonAccountErased, "merge", "account %s was erased", id)
	}
	return b.settle(ctx, s.tx, s.directory, id)
}

func (b *Bank) undoMerge(ctx context.Context, s mergeStep) (uint64, error) {
	switch s.row.GetStatus() {
	case ledgerv1.MergeStatus_MERGE_STATUS_MERGED:
		if !s.Approve {
			return 0, s.outOfTurn()
		}
		if err := b.reversible(ctx, s.tx, s.Merge, s.row); err != nil {
			return 0, err
		}
		return s.take(ledgerv1.MergeStep_MERGE_STEP_UNDO_PROPOSED)
	case ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED:
		if !s.Approve {
			return s.take(ledgerv1.MergeStep_MERGE_STEP_UNDO_REFUSED)
		}
		if s.caller.Officer == s.row.GetUndoProposedBy() {
			return 0, mergeFault(faultf(Denied, ReasonFourEyes, "merge", "the officer who proposed to undo a merge does not agree to that"), s.row)
		}
		into := unit.AccountID(s.row.GetFact().GetInto())
		if err := b.settle(ctx, s.tx, s.directory, into); err != nil {
			return 0, err
		}
		if err := b.reversible(ctx, s.tx, s.Merge, s.row); err != nil {
			return 0, err
		}
		index, err := s.tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_AccountsUnmerged{AccountsUnmerged: &ledgerv1.AccountsUnmerged{
			Actor: s.caller.Actor(), Request: s.request, Merge: s.Merge, From: s.row.GetFact().GetFrom(), Into: s.row.GetFact().GetInto(),
		}}})
		if err != nil {
			return 0, err
		}
		_, err = b.goOn(ctx, s.tx, s.directory, s.Merge)
		return index, err
	default:
		return 0, s.outOfTurn()
	}
}

func (b *Bank) readMerge(ctx context.Context, id uint64) (Merge, error) {
	view, err := b.ledger.View()
	if err != nil {
		return Merge{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Merge(id)
	return mergeOf(id, row), err
}

// GetMerge answers a merge and, where it waits to be done, what it would do. The look is journalled on both accounts.
func (b *Bank) GetMerge(ctx context.Context, caller access.Caller, id uint64) (Merge, *MergePreview, error) {
	fail := func(err error) (Merge, *MergePreview, error) { return Merge{}, nil, err }
	if err := caller.Holds(access.ReadMerges); err != nil {
		return fail(err)
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return fail(err)
	}
	defer view.Close()
	state := view.State(ctx)
	row, err := state.Merge(id)
	if err != nil {
		return fail(err)
	}
	if err := permitMergeRow(state, d, caller, access.ReadMerges, id, row); err != nil {
		return fail(err)
	}
	merge := mergeOf(id, row)
	for _, account := range []unit.AccountID{merge.From, merge.Into} {
		if err := b.journal(ctx, caller, account, access.ReadMerges, ""); err != nil {
			return fail(err)
		}
	}
	if s := merge.Status; s != ledgerv1.MergeStatus_MERGE_STATUS_PROPOSED && s != ledgerv1.MergeStatus_MERGE_STATUS_REVIEWED {
		return merge, nil, nil
	}
	preview, err := b.previewMerge(ctx, view, d, merge)
	if fault, ok := errors.AsType[*Error](err); ok && (fault.Kind == Precondition || fault.Kind == Unavailable) {
		return merge, nil, nil // it could not be done now, since one of the accounts is not open
	}
	return merge, preview, err
}

// ListMerges answers a page of the merges of accounts that are at home in an organization and those below it, newest first. A page may
// have fewer than asked for though another one follows.
func (b *Bank) ListMerges(
	ctx context.Context, caller access.Caller, organization string, openOnly bool, page Page,
) (merges []Merge, next string, err error) {
	list, err := page.newestFirst(usualMergePage, maxMergePage, []any{"ListMerges", organization, openOnly})
	if err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	if err := d.permit(caller, access.ReadMerges, "organization", organization); err != nil {
		return nil, "", err
	}
	state := view.State(ctx)
	return pageOfRows(ctx, view, list, []byte{book.TableMerges}, maxRowsLooked, func(index uint64, scanned store.Row) (Merge, bool, error) {
		row := new(ledgerv1.MergeRow)
		if err := row.UnmarshalVT(scanned.Value); err != nil {
			return Merge{}, false, damagedRow(scanned.Key, err)
		}
		merge := mergeOf(index, row)
		if openOnly && !waits(merge.Status) {
			return Merge{}, false, nil
		}
		within, err := bothWithin(state, d, organization, merge)
		return merge, within, err
	})
}

func bothWithin(rows accounts, d *directory, organization string, merge Merge) (bool, error) {
	for _, id := range []unit.AccountID{merge.From, merge.Into} {
		row, err := rows.Account(id)
		if err != nil {
			return false, fmt.Errorf("merge %d: %w", merge.ID, err)
		}
		if !d.Within(row.GetHome(), organization) {
			return false, nil
		}
	}
	return true, nil
}
