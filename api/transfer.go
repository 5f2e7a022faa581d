package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of lists of transfers.
const (
	maxTransferPage   = 200
	usualTransferPage = 50
)

// Transfer is a request that an institution take credits over (转换申请): a hold, and what became of it.
type Transfer struct {
	// Hold is the entry that placed it: its id.
	Hold    uint64
	Account unit.AccountID
	// Institution is asked, for one of its programmes, under the agreement that an entry published.
	Institution, InstitutionName string
	Programme                    string
	// ProgrammeName is what the agreement calls it.
	ProgrammeName Text
	Agreement     uint64
	Status        ledgerv1.HoldStatus
	// Placed is when it was asked, Deadline when it lapses or would have, Ended when it ended; zero: it has not.
	Placed, Deadline, Ended time.Time
	// EndedIndex is the entry that ended it, HasEnded whether there is one.
	EndedIndex uint64
	HasEnded   bool
	Items      []TransferItem
	// Held and Granted are the sums of what is asked, Taken and TakenGranted of what was taken.
	Held, Granted, Taken, TakenGranted unit.Credits
	// ReasonCode and Note are what the institution said when it ended it.
	ReasonCode, Note string
	// Changed is the newest entry that changed it.
	Changed uint64
}

// TransferItem is what a transfer has of one lot.
type TransferItem struct {
	// Entry and Position name the lot, Completion what it is of.
	Entry      uint64
	Position   uint32
	Completion uint64
	Category   string
	// Title is that of the course, or of what stands in its place; empty where nobody may know.
	Title string
	// Credits are held, and give Granted at the institution.
	Credits, Granted unit.Credits
	// Recognised: the lot stays as it is.
	Recognised bool
	// Course is the institution's own that it stands for; empty: none.
	Course string
	// Taken was taken, and gave TakenGranted.
	Taken, TakenGranted unit.Credits
	// ClawedBack is the entry that took the completion back later, IsClawedBack whether there is one.
	ClawedBack   uint64
	IsClawedBack bool
}

// moved is what of an item is held for institutions, and what they have taken over.
func moved(item *ledgerv1.CompletionItem) (t Totals) {
	for _, lot := range item.GetLots() {
		t.Reserved += unit.Credits(lot.GetReserved())
		t.Transferred += unit.Credits(lot.GetTransferred())
	}
	return t
}

// describeTransfer is a transfer as its row says. What was said with it is opened by [Bank.openTransfer].
func describeTransfer(hold uint64, row *ledgerv1.TransferRow, d *directory) Transfer {
	name := d.numbers[row.GetOrganization()]
	t := Transfer{
		Hold: hold, Account: unit.AccountID(row.GetAccount()), Institution: name, InstitutionName: d.organizations[name].GetFact().GetName(),
		Programme: row.GetProgramme(), Agreement: row.GetAgreement(), Status: row.GetStatus(), Placed: timeOf(row.GetTime()),
		Deadline: timeOf(row.GetDeadline()), Ended: optionalTime(row.GetEndedTime()), Changed: row.GetChangedIndex(),
		EndedIndex: max(row.GetEndedPlusOne(), 1) - 1, HasEnded: row.GetEndedPlusOne() != 0, Items: make([]TransferItem, len(row.GetItems())),
	}
	for _, a := range d.agreements[name] {
		if a.row.GetIndex() == row.GetAgreement() {
			if programme, err := a.Programme(row.GetProgramme()); err == nil {
				t.ProgrammeName = programme.Name
			}
		}
	}
	for i, item := range row.GetItems() {
		t.Items[i] = TransferItem{
			Entry: item.GetEntry(), Position: item.GetPosition(), Completion: item.GetCompletion().GetIndex(), Category: item.GetCategory(),
			Credits: unit.Credits(item.GetMilliCredits()), Granted: unit.Credits(item.GetGranted()), Recognised: item.GetRecognised(),
			Course: item.GetCourse(),
		}
		t.Held += t.Items[i].Credits
		t.Granted += t.Items[i].Granted
		if len(row.GetTaken()) > 0 {
			taken := row.GetTaken()[i]
			t.Items[i].Taken, t.Items[i].TakenGranted = unit.Credits(taken.GetMilliCredits()), unit.Credits(taken.GetGranted())
			t.Taken += t.Items[i].Taken
			t.TakenGranted += t.Items[i].TakenGranted
		}
	}
	for _, back := range row.GetClawbacks() {
		t.Items[back.GetItem()].ClawedBack, t.Items[back.GetItem()].IsClawedBack = back.GetEntry(), true
	}
	return t
}

// GetTransfer answers a transfer to its resident, to the institution that was asked, and to officers of the resident's home. To
// all others it is not there.
func (b *Bank) GetTransfer(ctx context.Context, caller access.Caller, hold uint64) (Transfer, error) {
	if err := caller.Holds(access.ReadTransfers); err != nil {
		return Transfer{}, err
	}
	if err := b.allowLook(caller, "transfers"); err != nil {
		return Transfer{}, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return Transfer{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Transfer(hold)
	if err != nil {
		return Transfer{}, err
	}
	if err := b.maySeeTransfer(ctx, caller, view, d, hold, row); err != nil {
		return Transfer{}, err
	}
	return b.openTransfer(ctx, view, d, hold, row)
}

// maySeeTransfer answers nil when the caller may see a transfer, and journals the look unless it is the holder's own.
func (b *Bank) maySeeTransfer(
	ctx context.Context, caller access.Caller, view ledger.View, d *directory, hold uint64, row *ledgerv1.TransferRow,
) error {
	if row == nil {
		return unknownTransfer(hold)
	}
	id, account, err := living(view.State(ctx), learnerOf(row))
	if err != nil {
		return err
	}
	subject := access.Subject{Account: id, Organization: d.numbers[row.GetOrganization()]}
	if caller.Kind == access.Officer {
		subject.Organization = account.GetHome()
	}
	if caller.Check(access.ReadTransfers, subject, d) != nil {
		return unknownTransfer(hold)
	}
	if caller.Kind == access.Resident {
		return nil
	}
	return b.journal(ctx, caller, id, access.ReadTransfers, "")
}

// learnerOf is the account that a transfer is of.
func learnerOf(row *ledgerv1.TransferRow) unit.AccountID { return unit.AccountID(row.GetAccount()) }

func unknownTransfer(hold uint64) *Error {
	return faultf(NotFound, ReasonUnknownTransfer, "transfer_id", "there is no transfer %d", hold)
}

// openTransfer answers a transfer with what it is of, and what was said when it ended.
func (b *Bank) openTransfer(ctx context.Context, view ledger.View, d *directory, hold uint64, row *ledgerv1.TransferRow) (Transfer, error) {
	t := describeTransfer(hold, row, d)
	for i := range t.Items {
		e, err := entryOf(ctx, view, t.Items[i].Completion)
		if err != nil {
			return Transfer{}, err
		}
		if recorded := e.GetCompletionRecorded(); recorded != nil {
			t.Items[i].Title = d.byIndex[recorded.GetCourse()].fact.GetTitle()
		}
	}
	if !t.HasEnded {
		return t, nil
	}
	ended, err := entryOf(ctx, view, t.EndedIndex)
	if err != nil {
		return Transfer{}, err
	}
	fact, sealed := "HoldPosted", ended.GetHoldPosted().GetSealed()
	if voided := ended.GetHoldVoided(); voided != nil {
		fact, sealed = "HoldVoided", voided.GetSealed()
	}
	if len(sealed) == 0 {
		return t, nil
	}
	sealer, err := b.accountSealer(ctx, t.Account)
	if err != nil || sealer == nil {
		return t, err // the person was forgotten, and what was said with them
	}
	placed, err := entryOf(ctx, view, hold)
	if err != nil {
		return Transfer{}, err
	}
	said := new(ledgerv1.SealedDecision)
	err = unseal(sealer, fact, placed.GetHoldPlaced().GetRequest().GetRequestId(), sealed, said)
	t.ReasonCode, t.Note = said.GetReasonCode(), said.GetNote()
	return t, err
}

// TransferFilter says which transfers are listed.
type TransferFilter struct {
	// Account lists those of an account; zero: those of the calling institution.
	Account unit.AccountID
	// Status lists those that stand so; unspecified: all.
	Status ledgerv1.HoldStatus
}

// ListTransfers answers a page of the transfers of an account, to its resident and to officers of its home, or of the calling
// institution, the newest first. A page may be short, or empty, and still have another one after it.
func (b *Bank) ListTransfers(
	ctx context.Context, caller access.Caller, filter TransferFilter, page Page,
) (transfers []Transfer, next string, err error) {
	if err := caller.Holds(access.ReadTransfers); err != nil {
		return nil, "", err
	}
	if _, ok := ledgerv1.HoldStatus_name[int32(filter.Status)]; !ok {
		return nil, "", invalid(ReasonUnknownEnum, "status", "status %d is not known", filter.Status)
	}
	list, err := page.newestFirst(usualTransferPage, maxTransferPage, []any{"ListTransfers", caller.String(), filter})
	if err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	prefix := book.AccountTransfersPrefix(filter.Account)
	if caller.Kind == access.Organization {
		if !filter.Account.IsZero() {
			return nil, "", invalid(ReasonField, "account_id", "an institution lists its own transfers; leave the account out")
		}
		prefix = book.OrganizationTransfersPrefix(d.organizations[caller.Organization].GetIndex())
	} else if err := b.look(ctx, caller, access.ReadTransfers, filter.Account); err != nil {
		return nil, "", err
	}
	state := view.State(ctx)
	return pageOfRows(ctx, view, list, prefix, maxFollowedLooked, func(index uint64, row store.Row) (Transfer, bool, error) {
		if filter.Status != ledgerv1.HoldStatus_HOLD_STATUS_UNSPECIFIED && (len(row.Value) != 1 || row.Value[0] != byte(filter.Status)) {
			return Transfer{}, false, nil
		}
		hold, err := listedTransfer(state, index)
		if err != nil {
			return Transfer{}, false, err
		}
		return describeTransfer(index, hold, d), true, nil
	})
}

// listedTransfer answers a transfer that something else in the store says is there.
func listedTransfer(state *book.State, hold uint64) (*ledgerv1.TransferRow, error) {
	row, err := state.Transfer(hold)
	if err == nil && row == nil {
		err = fmt.Errorf("%w: transfer %d is missing", ledger.ErrDamaged, hold)
	}
	return row, err
}

// ListChangedTransfers answers a page of the calling institution's transfers in the order in which they were last changed, from the
// entry since on: what was asked of it, what lapsed or was withdrawn, and what of it was taken back later. The last answer is what
// to ask for next time.
func (b *Bank) ListChangedTransfers(
	ctx context.Context, caller access.Caller, since uint64, page Page,
) (transfers []Transfer, next string, nextSince uint64, err error) {
	fail := func(err error) ([]Transfer, string, uint64, error) { return nil, "", 0, err }
	if err := caller.Holds(access.ReadTransfers); err != nil {
		return fail(err)
	}
	if caller.Kind != access.Organization {
		return fail(invalid(ReasonField, "changed_since_index", "institutions alone ask for what has changed"))
	}
	size, fault := page.size(usualTransferPage, maxTransferPage)
	if fault != nil {
		return fail(fault)
	}
	asked := []any{"ListChangedTransfers", caller.Organization, since}
	from := postedPlace{Index: since}
	if err := parsePageToken(page.Token, asked, &from); err != nil {
		return fail(err)
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return fail(err)
	}
	defer view.Close()
	number, looked := d.organizations[caller.Organization].GetIndex(), 0
	for index, err := range feed(ctx, view, number, from.Index) {
		if err != nil {
			return fail(err)
		}
		if len(transfers) == size || looked == maxFollowedLooked {
			next, err = pageToken(asked, postedPlace{Index: index})
			return transfers, next, index, err
		}
		looked++
		changed, err := transfersChangedBy(ctx, view, d, number, index)
		if err != nil {
			return fail(err)
		}
		for _, t := range changed {
			if index == from.Index && t.Hold <= from.After {
				continue
			}
			if len(transfers) == size {
				next, err = pageToken(asked, postedPlace{Index: index, After: transfers[size-1].Hold})
				return transfers, next, index, err
			}
			transfers = append(transfers, t)
		}
	}
	return transfers, "", view.Size(), nil
}

// transfersChangedBy answers the transfers of an institution that an entry changed last, in the order in which they were asked for.
func transfersChangedBy(ctx context.Context, view ledger.View, d *directory, institution, index uint64) ([]Transfer, error) {
	e, err := entryOf(ctx, view, index)
	if err != nil {
		return nil, err
	}
	var holds []uint64
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_HoldPlaced:
		holds = []uint64{index}
	case *ledgerv1.Entry_HoldPosted:
		holds = []uint64{fact.HoldPosted.GetHold()}
	case *ledgerv1.Entry_HoldVoided:
		holds = []uint64{fact.HoldVoided.GetHold()}
	case *ledgerv1.Entry_HoldExpired:
		holds = []uint64{fact.HoldExpired.GetHold()}
	default:
		if holds, err = holdsOn(ctx, view, e); err != nil {
			return nil, err
		}
	}
	slices.Sort(holds)
	var changed []Transfer
	for _, hold := range slices.Compact(holds) {
		row, err := view.State(ctx).Transfer(hold)
		if err != nil {
			return nil, err
		}
		if row.GetOrganization() == institution && row.GetChangedIndex() == index {
			changed = append(changed, describeTransfer(hold, row, d))
		}
	}
	slices.SortFunc(changed, func(a, b Transfer) int { return cmp.Compare(a.Hold, b.Hold) })
	return changed, nil
}

// holdsOn answers the holds that have something of what an entry has changed: it may have taken that back.
func holdsOn(ctx context.Context, view ledger.View, e *ledgerv1.Entry) ([]uint64, error) {
	subject, personal, err := subjectOf(ctx, view, e)
	if err != nil || !personal || subject.account.IsZero() {
		return nil, err
	}
	account, err := view.State(ctx).Account(subject.account)
	if err != nil {
		return nil, err
	}
	var holds []uint64
	for _, hold := range account.GetTransfers() {
		row, err := view.State(ctx).Transfer(hold)
		if err != nil {
			return nil, err
		}
		if row.GetChangedIndex() == e.GetIndex() {
			holds = append(holds, hold)
		}
	}
	return holds, nil
}
