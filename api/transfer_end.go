package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const transferHashPurpose = "transfer"

// DeclineReasons are the codes with which an institution declines.
func DeclineReasons() []string {
	return []string{"PROGRAMME_FULL", "NOT_ENROLLED", "ALREADY_RECOGNISED", "EVIDENCE_INSUFFICIENT", otherReasonCode}
}

// TransferTake is how much an institution takes of one item of a transfer.
type TransferTake struct {
	// Item is its place in the transfer, from 0.
	Item int
	// Credits are those of the lot, 1 to what is held.
	Credits unit.Credits
}

// Acceptance asks to accept a transfer.
type Acceptance struct {
	RequestID string
	Hold      uint64
	// Take is what is taken, of as many items as a transfer can have; empty: all. What is not named is not taken.
	Take []TransferTake
	// Note is for the resident.
	Note string
}

// TransferDone is what a change of a transfer led to.
type TransferDone struct {
	Transfer Transfer
	// Index is the entry that says so.
	Index uint64
	// Programme is what the institution has taken over for the account towards the programme so far, in its credits, with this.
	Programme unit.Credits
	// Totals is how the account stands then; nil: the caller is not its holder.
	Totals  *Totals
	Receipt ledger.Receipt
	// LeafHash is that of the entry.
	LeafHash merkle.Hash
	// Proof proves the entry; nil: it was not asked for.
	Proof *Proof
}

// AcceptTransfer takes credits over, for good: all that was asked, or some of it.
func (b *Bank) AcceptTransfer(ctx context.Context, caller access.Caller, a Acceptance, proof bool) (TransferDone, error) {
	if len(a.Take) > maxHoldItems {
		return TransferDone{}, invalid(ReasonField, "take", "there are %d items, at most %d are taken", len(a.Take), maxHoldItems)
	}
	if fault := checkText("note", a.Note, 0, maxNoteLength); fault != nil {
		return TransferDone{}, fault
	}
	said := &ledgerv1.SealedDecision{Note: a.Note}
	return b.endTransfer(ctx, caller, access.AcceptTransfer, a.RequestID, a.Hold, a.Take, said, proof)
}

// DeclineTransfer declines a transfer: what was held is free again.
func (b *Bank) DeclineTransfer(
	ctx context.Context, caller access.Caller, requestID string, hold uint64, reasonCode, note string, proof bool,
) (TransferDone, error) {
	if !slices.Contains(DeclineReasons(), reasonCode) {
		return TransferDone{}, invalid(ReasonDecisionReason, "reason_code", "the reason code is none of %v", DeclineReasons())
	}
	if reasonCode == otherReasonCode && note == "" {
		return TransferDone{}, invalid(ReasonNoteMissing, "note", "say why: with the reason %s words are needed", otherReasonCode)
	}
	if fault := checkText("note", note, 0, maxNoteLength); fault != nil {
		return TransferDone{}, fault
	}
	said := &ledgerv1.SealedDecision{ReasonCode: reasonCode, Note: note}
	return b.endTransfer(ctx, caller, access.DeclineTransfer, requestID, hold, nil, said, proof)
}

// WithdrawTransfer has a resident take back what they asked, before the institution has answered.
func (b *Bank) WithdrawTransfer(ctx context.Context, caller access.Caller, requestID string, hold uint64, proof bool) (TransferDone, error) {
	return b.endTransfer(ctx, caller, access.WithdrawTransfer, requestID, hold, nil, new(ledgerv1.SealedDecision), proof)
}

// endTransfer ends a hold, by the institution or by the resident.
func (b *Bank) endTransfer(
	ctx context.Context, caller access.Caller, action access.Action, requestID string, hold uint64, take []TransferTake,
	said *ledgerv1.SealedDecision, proof bool,
) (TransferDone, error) {
	if err := b.mayEnd(ctx, caller, action, hold); err != nil {
		return TransferDone{}, err
	}
	// What is said lies under a seal; nobody without the key can test what they guess of it by the hash of the request.
	hash, err := b.vault.KeyedHash(transferHashPurpose, []byte(strings.Join([]string{fmt.Sprint(hold), said.GetReasonCode(), said.GetNote()}, "\n")))
	if err != nil {
		return TransferDone{}, err
	}
	asked := struct {
		Hold uint64
		Take []TransferTake
		Said string
	}{hold, take, hex.EncodeToString(hash[:])}
	consents, err := b.consentsUnder(ctx, action, hold)
	if err != nil {
		return TransferDone{}, err
	}
	done, err := b.once(ctx, change{
		caller: caller, method: action, requestID: requestID, asked: asked, reads: [][]byte{book.TransferKey(hold)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if action == access.AcceptTransfer {
				if err := notWithdrawn(tx, hold, consents); err != nil {
					return 0, err
				}
			}
			return b.appendEnd(ctx, tx, d, caller, action, hold, take, said, request)
		},
	})
	if err != nil {
		return TransferDone{}, err
	}
	return b.transferDone(ctx, caller, hold, done, proof)
}

// mayEnd refuses callers who may not end a transfer before anything is proposed. To those who may not know of it, it is not there.
func (b *Bank) mayEnd(ctx context.Context, caller access.Caller, action access.Action, hold uint64) error {
	if err := caller.Holds(action); err != nil {
		return err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return err
	}
	defer view.Close()
	row, err := view.State(ctx).Transfer(hold)
	if err != nil {
		return err
	}
	subject := access.Subject{Account: unit.AccountID{}, Organization: d.numbers[row.GetOrganization()]}
	if row != nil {
		if subject.Account, _, err = living(view.State(ctx), learnerOf(row)); err != nil {
			return err
		}
	}
	if row == nil || caller.Check(action, subject, d) != nil {
		return unknownTransfer(hold)
	}
	return nil
}

// consentsUnder are the consents under which a transfer that is to be accepted was asked for, or could be now.
func (b *Bank) consentsUnder(ctx context.Context, action access.Action, hold uint64) (indexes []uint64, err error) {
	if action != access.AcceptTransfer {
		return nil, nil
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	row, err := view.State(ctx).Transfer(hold)
	if err != nil {
		return nil, err
	}
	consents, err := consentsOf(ctx, view, learnerOf(row))
	for _, c := range consents {
		f := c.GetFact()
		if f.GetInstitution() == d.numbers[row.GetOrganization()] && f.GetPurpose() == PurposeTransfer && f.GetExpires() > row.GetTime() {
			indexes = append(indexes, c.index)
		}
	}
	return indexes, err
}

// notWithdrawn refuses what an institution asked for itself once all the consents under which it could were withdrawn. One that has ended by
// its time alone was good when it asked. What the account's holder asked for, they withdraw by [Bank.WithdrawTransfer].
func notWithdrawn(tx *ledger.Tx, hold uint64, consents []uint64) error {
	placed, err := tx.Entry(hold)
	if err != nil || placed.GetHoldPlaced().GetActor().GetOrganization() == "" {
		return err
	}
	row, err := tx.Transfer(hold)
	if err != nil || row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD {
		return err // it has ended: that is said of it
	}
	for _, index := range consents {
		consent, err := tx.Consent(learnerOf(row), index)
		if err != nil || consent.GetWithdrawnPlusOne() == 0 {
			return err
		}
	}
	return faultf(Denied, ReasonNoConsent, "transfer_id",
		"the account's holder has withdrawn the consent under which the institution asked for transfer %d; it can be declined, or lapses", hold)
}

// appendEnd is the writer's step for the end of a hold.
func (b *Bank) appendEnd(
	ctx context.Context, tx *ledger.Tx, d *directory, caller access.Caller, action access.Action, hold uint64, take []TransferTake,
	said *ledgerv1.SealedDecision, request *ledgerv1.Request,
) (uint64, error) {
	row, err := tx.Transfer(hold)
	if err != nil {
		return 0, err
	}
	if row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD {
		return 0, transferEnded(hold, row)
	}
	id := learnerOf(row)
	account, err := tx.Account(id)
	if err != nil {
		return 0, err
	}
	sealer, err := b.accountSealer(ctx, id)
	if err != nil {
		return 0, err
	}
	if account.GetMoving() {
		return 0, arriving("transfer_id")
	}
	if sealer == nil || checkOpen(account) != nil {
		return 0, faultf(Precondition, ReasonAccountNotOpen, "transfer_id", "the account is frozen, merged, closed or erased")
	}
	// What is overdue comes first: a hold that has lapsed is not there any more to be accepted.
	if err := b.settle(ctx, tx, d, id); err != nil {
		return 0, err
	}
	if row, err = tx.Transfer(hold); err != nil {
		return 0, err
	}
	if row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD {
		return 0, transferEnded(hold, row)
	}
	placed, err := tx.Entry(hold)
	if err != nil {
		return 0, err
	}
	statement := unit.StatementID(placed.GetHoldPlaced().GetRequest().GetRequestId())
	e := &ledgerv1.Entry{}
	if action == access.AcceptTransfer {
		if fault := d.mayAccept(row, tx.Now()); fault != nil {
			return 0, fault
		}
		fact := &ledgerv1.HoldPosted{Actor: caller.Actor(), Request: request, Hold: hold, Account: id[:]}
		if fact.Taken, err = takenOf(row, take); err != nil {
			return 0, err
		}
		if fact.Effects, err = freed(tx, d, id, account, row, fact.GetTaken()); err != nil {
			return 0, err
		}
		if said.SizeVT() > 0 {
			fact.Sealed, err = seal(sealer, "HoldPosted", statement, said)
		}
		e.Fact = &ledgerv1.Entry_HoldPosted{HoldPosted: fact}
	} else {
		fact := &ledgerv1.HoldVoided{
			Actor: caller.Actor(), Request: request, Hold: hold, Account: id[:], Cause: ledgerv1.HoldVoid_HOLD_VOID_WITHDRAWN,
		}
		if action == access.DeclineTransfer {
			fact.Cause = ledgerv1.HoldVoid_HOLD_VOID_DECLINED
		}
		if fact.Effects, err = freed(tx, d, id, account, row, nil); err != nil {
			return 0, err
		}
		if said.SizeVT() > 0 {
			fact.Sealed, err = seal(sealer, "HoldVoided", statement, said)
		}
		e.Fact = &ledgerv1.Entry_HoldVoided{HoldVoided: fact}
	}
	if err != nil {
		return 0, err
	}
	return tx.Append(e)
}

// mayAccept refuses what an institution would accept that accepts nothing today.
func (d *directory) mayAccept(row *ledgerv1.TransferRow, now time.Time) *Error {
	institution := d.numbers[row.GetOrganization()]
	for _, a := range d.agreements[institution] {
		if a.row.GetIndex() == row.GetAgreement() {
			return d.checkAcceptor(institution, a.Day(now))
		}
	}
	return nil // fsck finds that the agreement is missing
}

// takenOf is what is taken of each item of a hold.
func takenOf(row *ledgerv1.TransferRow, take []TransferTake) ([]*ledgerv1.HoldTaken, error) {
	taken := make([]*ledgerv1.HoldTaken, len(row.GetItems()))
	for i, item := range row.GetItems() {
		taken[i] = new(ledgerv1.HoldTaken)
		if len(take) == 0 {
			taken[i].MilliCredits, taken[i].Granted = item.GetMilliCredits(), item.GetGranted()
		}
	}
	for n, t := range take {
		field := fmt.Sprintf("take[%d]", n)
		if t.Item < 0 || t.Item >= len(taken) {
			return nil, invalid(ReasonTransferItem, field+".item", "the transfer has %d items, counted from 0", len(taken))
		}
		item, of := row.GetItems()[t.Item], taken[t.Item]
		switch {
		case of.GetMilliCredits() != 0:
			return nil, invalid(ReasonTransferItem, field+".item", "item %d is named twice", t.Item)
		case t.Credits < 1 || int64(t.Credits) > item.GetMilliCredits():
			return nil, invalid(ReasonTransferAmount, field+".milli_credits", "of item %d %d milli-credits are held; 1 to %d can be taken",
				t.Item, item.GetMilliCredits(), item.GetMilliCredits())
		case item.GetCourse() != "" && int64(t.Credits) != item.GetMilliCredits():
			return nil, invalid(ReasonTransferAmount, field+".milli_credits", "item %d stands for a course of yours, and is taken whole or not at all", t.Item)
		}
		of.MilliCredits, of.Granted = int64(t.Credits), shareOf(item.GetGranted(), int64(t.Credits), item.GetMilliCredits())
		if of.GetGranted() == 0 && item.GetGranted() > 0 {
			return nil, invalid(ReasonTransferAmount, field+".milli_credits", "so little of item %d gives nothing at your institution", t.Item)
		}
	}
	return taken, nil
}

// shareOf is granted × part ÷ whole, rounded down. Part is at most whole, and none is below zero.
func shareOf(granted, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(granted), uint64(part))
	share, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(share)
}

// transferEnded says how a transfer ended, for programs too.
func transferEnded(hold uint64, row *ledgerv1.TransferRow) *Error {
	status := row.GetStatus().String()[len("HOLD_STATUS_"):]
	ended := timeOf(row.GetEndedTime()).Format(time.RFC3339)
	e := faultf(Precondition, ReasonTransferEnded, "transfer_id", "transfer %d %s at %s, by entry %d",
		hold, transferWord(row.GetStatus()), ended, row.GetEndedPlusOne()-1)
	e.Metadata = map[string]string{"status": status, "ended_time": ended, "ended_index": fmt.Sprint(row.GetEndedPlusOne() - 1)}
	return e
}

func transferWord(status ledgerv1.HoldStatus) string {
	switch status {
	case ledgerv1.HoldStatus_HOLD_STATUS_POSTED:
		return "was accepted"
	case ledgerv1.HoldStatus_HOLD_STATUS_DECLINED:
		return "was declined"
	case ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN:
		return "was withdrawn"
	case ledgerv1.HoldStatus_HOLD_STATUS_REVERSED:
		return "was undone, since what it stood on was taken back,"
	case ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED:
		return "lapsed"
	default:
		return "waits"
	}
}

// transferDone answers a transfer after a change.
func (b *Bank) transferDone(ctx context.Context, caller access.Caller, hold uint64, done changed, proof bool) (TransferDone, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return TransferDone{}, err
	}
	defer view.Close()
	row, err := listedTransfer(view.State(ctx), hold)
	if err != nil {
		return TransferDone{}, err
	}
	answer := TransferDone{Index: done.Index, Receipt: done.Receipt}
	if answer.Transfer, err = b.openTransfer(ctx, view, d, hold, row); err != nil {
		return TransferDone{}, err
	}
	_, account, err := living(view.State(ctx), answer.Transfer.Account)
	if err != nil {
		return TransferDone{}, err
	}
	for _, index := range account.GetTransfers() {
		posted, err := view.State(ctx).Transfer(index)
		if err != nil {
			return TransferDone{}, err
		}
		if posted.GetOrganization() != row.GetOrganization() || posted.GetProgramme() != row.GetProgramme() {
			continue
		}
		for _, taken := range posted.GetTaken() {
			answer.Programme += unit.Credits(taken.GetGranted())
		}
	}
	if caller.Kind == access.Resident {
		answer.Totals = new(Totals)
		for _, sum := range account.GetSums() {
			answer.Totals.add(sum)
		}
	}
	if answer.LeafHash, err = view.LeafHash(ctx, done.Index); err != nil || !proof {
		return answer, err
	}
	answer.Proof = &Proof{LeafHash: answer.LeafHash, Size: view.Size(), Checkpoint: view.Checkpoint()}
	answer.Proof.Hashes, err = view.InclusionProof(ctx, done.Index, view.Size())
	return answer, err
}
