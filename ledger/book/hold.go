package book

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A hold reserves credits for an institution until it ends: posted, voided or lapsed, exactly once. Credits are reserved and
// transferred by the facts of holds alone, and each of their lots says which holds they are. A lot that is only recognised
// stays as it is; that the institution took it is noted with the lot all the same, so that it takes each of its credits once.

func (s *State) holdPlaced(e *ledgerv1.Entry, fact *ledgerv1.HoldPlaced) error {
	id, account, err := s.account(fact.GetAccount())
	if err != nil {
		return err
	}
	organization, err := s.organizationNumber(fact.GetInstitution())
	if err != nil {
		return err
	}
	switch {
	case len(fact.GetItems()) == 0:
		return fmt.Errorf("%w: nothing is held", ErrInconsistent)
	case fact.GetDeadline() <= e.GetTime():
		return fmt.Errorf("%w: the hold has lapsed when it is placed", ErrInconsistent)
	}
	row, err := create[ledgerv1.TransferRow](s, TransferKey(e.GetIndex()), "the hold")
	if err != nil {
		return err
	}
	row.Status, row.Account, row.Organization, row.Programme = ledgerv1.HoldStatus_HOLD_STATUS_HELD, fact.GetAccount(), organization, fact.GetProgramme()
	row.Agreement, row.Time, row.Deadline = fact.GetAgreement(), e.GetTime(), fact.GetDeadline()
	row.Items, row.ChangedIndex = fact.GetItems(), e.GetIndex()
	for i, item := range row.GetItems() {
		if err := s.use(id, e.GetIndex(), organization, i, item); err != nil {
			return err
		}
	}
	if err := s.moveHeld(id, account, row, fact.GetEffects(), placed); err != nil {
		return err
	}
	account.Holds = append(account.Holds, &ledgerv1.AccountHold{Hold: e.GetIndex(), Deadline: fact.GetDeadline()})
	if err := s.listHold(row, e.GetIndex()); err != nil {
		return err
	}
	if err := s.mark(organization, e.GetIndex()); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

// use notes with a lot that a hold stands on it.
func (s *State) use(id unit.AccountID, hold, organization uint64, number int, item *ledgerv1.HoldItem) error {
	lot, category, err := s.heldLot(id, item)
	if err != nil {
		return err
	}
	switch {
	case item.GetMilliCredits() <= 0 || item.GetGranted() < 0 || item.GetGranted() > maxCredits:
		return fmt.Errorf("%w: item of lot %d/%d holds nothing, or gives less than that", ErrInconsistent, lot.GetEntry(), lot.GetPosition())
	case item.GetCategory() != category:
		return fmt.Errorf("%w: lot %d/%d is of category %q", ErrInconsistent, lot.GetEntry(), lot.GetPosition(), category)
	case item.GetRecognised() && item.GetMilliCredits() > lot.GetAvailable():
		return fmt.Errorf("%w: lot %d/%d has less than is recognised of it", ErrInconsistent, lot.GetEntry(), lot.GetPosition())
	}
	// However an institution takes of a lot, it never has more than the lot was given.
	room := lot.GetPending() + lot.GetAvailable() + lot.GetReserved() + lot.GetTransferred() + lot.GetExpired() + lot.GetReversed()
	for _, other := range lot.GetUses() {
		if other.GetHold() == hold {
			return fmt.Errorf("%w: lot %d/%d is held twice by one hold", ErrInconsistent, lot.GetEntry(), lot.GetPosition())
		}
		if other.GetOrganization() == organization {
			room -= other.GetMilliCredits()
		}
	}
	if item.GetMilliCredits() > room {
		return fmt.Errorf("%w: the institution would have more of lot %d/%d than there is", ErrInconsistent, lot.GetEntry(), lot.GetPosition())
	}
	lot.Uses = append(lot.Uses, &ledgerv1.LotUse{
		Hold: hold, Organization: organization, MilliCredits: item.GetMilliCredits(), Recognised: item.GetRecognised(), Item: uint32(number),
	})
	return nil
}

// heldLot answers the lot of an item of a hold, to be changed, with its category.
func (s *State) heldLot(id unit.AccountID, item *ledgerv1.HoldItem) (*ledgerv1.LotState, string, error) {
	completion, err := s.completion(id, item.GetCompletion())
	if err != nil {
		return nil, "", err
	}
	lot := lotOf(completion, item.GetEntry(), item.GetPosition())
	if lot == nil {
		return nil, "", fmt.Errorf("%w: there is no lot %d/%d", ErrInconsistent, item.GetEntry(), item.GetPosition())
	}
	return lot, completion.GetCategory(), nil
}

func (s *State) holdPosted(e *ledgerv1.Entry, fact *ledgerv1.HoldPosted) error {
	id, account, row, err := s.hold(fact.GetHold(), fact.GetAccount())
	if err != nil {
		return err
	}
	if e.GetTime() >= row.GetDeadline() {
		return fmt.Errorf("%w: hold %d has lapsed", ErrInconsistent, fact.GetHold())
	}
	if len(fact.GetTaken()) != len(row.GetItems()) {
		return fmt.Errorf("%w: %d items are taken of a hold of %d", ErrInconsistent, len(fact.GetTaken()), len(row.GetItems()))
	}
	something := false
	for i, taken := range fact.GetTaken() {
		item, n, granted := row.GetItems()[i], taken.GetMilliCredits(), taken.GetGranted()
		if n < 0 || n > item.GetMilliCredits() || granted < 0 || granted > item.GetGranted() || n == 0 && granted > 0 {
			return fmt.Errorf("%w: more is taken of item %d than was held, or less than nothing", ErrInconsistent, i)
		}
		something = something || n > 0
	}
	if !something {
		return fmt.Errorf("%w: nothing is taken", ErrInconsistent)
	}
	row.Taken = fact.GetTaken()
	account.Transfers = append(account.Transfers, fact.GetHold())
	if err := s.endHold(e, id, account, fact.GetHold(), row, ledgerv1.HoldStatus_HOLD_STATUS_POSTED, fact.GetEffects()); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) holdVoided(e *ledgerv1.Entry, fact *ledgerv1.HoldVoided) error {
	id, account, row, err := s.hold(fact.GetHold(), fact.GetAccount())
	if err != nil {
		return err
	}
	var status ledgerv1.HoldStatus
	switch fact.GetCause() {
	case ledgerv1.HoldVoid_HOLD_VOID_DECLINED:
		status = ledgerv1.HoldStatus_HOLD_STATUS_DECLINED
	case ledgerv1.HoldVoid_HOLD_VOID_WITHDRAWN:
		status = ledgerv1.HoldStatus_HOLD_STATUS_WITHDRAWN
	case ledgerv1.HoldVoid_HOLD_VOID_REVERSED:
		status = ledgerv1.HoldStatus_HOLD_STATUS_REVERSED
	default:
		return fmt.Errorf("%w: cause %d is not known", ErrInconsistent, fact.GetCause())
	}
	on := slices.ContainsFunc(row.GetItems(), func(item *ledgerv1.HoldItem) bool {
		return item.GetCompletion().GetIndex() == fact.GetCompletion().GetIndex()
	})
	if on != (status == ledgerv1.HoldStatus_HOLD_STATUS_REVERSED) {
		return fmt.Errorf("%w: hold %d is voided for a completion that it does not stand on, or for none", ErrInconsistent, fact.GetHold())
	}
	if err := s.endHold(e, id, account, fact.GetHold(), row, status, fact.GetEffects()); err != nil {
		return err
	}
	return s.requested(e, fact.GetActor(), fact.GetRequest())
}

func (s *State) holdExpired(e *ledgerv1.Entry, fact *ledgerv1.HoldExpired) error {
	id, account, row, err := s.hold(fact.GetHold(), fact.GetAccount())
	if err != nil {
		return err
	}
	if e.GetTime() < row.GetDeadline() {
		return fmt.Errorf("%w: hold %d has not lapsed", ErrInconsistent, fact.GetHold())
	}
	return s.endHold(e, id, account, fact.GetHold(), row, ledgerv1.HoldStatus_HOLD_STATUS_EXPIRED, fact.GetEffects())
}

// hold answers a hold of an account that has not ended, to be changed.
func (s *State) hold(index uint64, of []byte) (unit.AccountID, *ledgerv1.AccountRow, *ledgerv1.TransferRow, error) {
	id, account, err := s.account(of)
	if err != nil {
		return id, nil, nil, err
	}
	row, err := must[ledgerv1.TransferRow](s, TransferKey(index), "such hold")
	switch {
	case err != nil:
		return id, nil, nil, err
	case !bytes.Equal(row.GetAccount(), of):
		return id, nil, nil, fmt.Errorf("%w: hold %d is of another account", ErrInconsistent, index)
	case row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD:
		return id, nil, nil, fmt.Errorf("%w: hold %d has ended", ErrInconsistent, index)
	}
	return id, account, row, nil
}

// endHold frees what was held and not taken.
func (s *State) endHold(
	e *ledgerv1.Entry, id unit.AccountID, account *ledgerv1.AccountRow, index uint64, row *ledgerv1.TransferRow,
	status ledgerv1.HoldStatus, effects *ledgerv1.Effects,
) error {
	for i, item := range row.GetItems() {
		lot, _, err := s.heldLot(id, item)
		if err != nil {
			return err
		}
		lot.Uses = slices.DeleteFunc(lot.GetUses(), func(use *ledgerv1.LotUse) bool {
			if use.GetHold() != index {
				return false
			}
			use.MilliCredits = takenOf(row, i)
			return use.GetMilliCredits() == 0
		})
	}
	if err := s.moveHeld(id, account, row, effects, freed); err != nil {
		return err
	}
	account.Holds = slices.DeleteFunc(account.GetHolds(), func(h *ledgerv1.AccountHold) bool { return h.GetHold() == index })
	row.Status, row.EndedPlusOne, row.EndedTime, row.ChangedIndex = status, e.GetIndex()+1, e.GetTime(), e.GetIndex()
	if err := s.listHold(row, index); err != nil {
		return err
	}
	return s.mark(row.GetOrganization(), e.GetIndex())
}

// takenOf is how much was taken of an item.
func takenOf(row *ledgerv1.TransferRow, item int) int64 {
	if len(row.GetTaken()) == 0 {
		return 0
	}
	return row.GetTaken()[item].GetMilliCredits()
}

// moveHeld moves the credits of a hold: there is one change for each item that is not only recognised, in their order, and
// nothing else.
func (s *State) moveHeld(
	id unit.AccountID, account *ledgerv1.AccountRow, row *ledgerv1.TransferRow, effects *ledgerv1.Effects,
	fits func(item *ledgerv1.HoldItem, taken int64, change *ledgerv1.LotChange) bool,
) error {
	changes := effects.GetLotChanges()
	if effects.SizeVT() != (&ledgerv1.Effects{LotChanges: changes}).SizeVT() {
		return fmt.Errorf("%w: a hold changes more than lots", ErrInconsistent)
	}
	for i, item := range row.GetItems() {
		if item.GetRecognised() {
			continue
		}
		if len(changes) == 0 {
			return fmt.Errorf("%w: item %d of the hold moves nothing", ErrInconsistent, i)
		}
		change := changes[0]
		changes = changes[1:]
		same := change.GetEntry() == item.GetEntry() && change.GetPosition() == item.GetPosition() &&
			change.GetCompletion().GetIndex() == item.GetCompletion().GetIndex()
		if !same || !fits(item, takenOf(row, i), change) {
			return fmt.Errorf("%w: the change of lot %d/%d is not that of item %d of the hold",
				ErrInconsistent, change.GetEntry(), change.GetPosition(), i)
		}
		if _, err := s.moveLot(id, account, change); err != nil {
			return err
		}
	}
	if len(changes) > 0 {
		return fmt.Errorf("%w: a hold changes a lot that is none of its items", ErrInconsistent)
	}
	return nil
}

// placed says whether a change reserves an item.
func placed(item *ledgerv1.HoldItem, _ int64, change *ledgerv1.LotChange) bool {
	return change.GetReserved() == item.GetMilliCredits() && change.GetAvailable() == -item.GetMilliCredits() &&
		change.GetTransferred() == 0 && change.GetPending() == 0 && change.GetExpired() == 0 && change.GetReversed() == 0
}

// freed says whether a change moves what is taken of an item, and frees the rest: all of it in one way.
func freed(item *ledgerv1.HoldItem, taken int64, change *ledgerv1.LotChange) bool {
	rest := item.GetMilliCredits() - taken
	return change.GetReserved() == -item.GetMilliCredits() && change.GetTransferred() == taken &&
		(change.GetAvailable() == rest && change.GetExpired() == 0 || change.GetExpired() == rest && change.GetAvailable() == 0) &&
		change.GetPending() == 0 && change.GetReversed() == 0
}

// bringTransfers has the account that goes on know what institutions took over from the one that becomes part of it.
func (s *State) bringTransfers(m meeting) error {
	m.into.Transfers = append(m.into.Transfers, m.from.GetTransfers()...)
	for _, hold := range m.from.GetTransfers() {
		if err := s.set(AccountTransferKey(m.intoID, hold), []byte{byte(ledgerv1.HoldStatus_HOLD_STATUS_POSTED)}); err != nil {
			return err
		}
	}
	return nil
}

// takeTransfers is the inverse of bringTransfers.
func (s *State) takeTransfers(m meeting) error {
	m.into.Transfers = slices.DeleteFunc(m.into.GetTransfers(), func(hold uint64) bool { return slices.Contains(m.from.GetTransfers(), hold) })
	for _, hold := range m.from.GetTransfers() {
		if err := s.set(AccountTransferKey(m.intoID, hold), nil); err != nil {
			return err
		}
	}
	return nil
}

// bringUses has the lots of an item that came over be those that institutions took of where it came from. All that they took comes
// with them, lot by lot, and nothing else.
func bringUses(old, item *ledgerv1.CompletionItem) error {
	used := slices.ContainsFunc(old.GetLots(), func(lot *ledgerv1.LotState) bool { return len(lot.GetUses()) > 0 })
	if used && len(item.GetLots()) != len(old.GetLots()) {
		return fmt.Errorf("%w: item %d has %d lots, and brings %d", ErrInconsistent, item.GetIndex(), len(old.GetLots()), len(item.GetLots()))
	}
	for i, lot := range item.GetLots() {
		transferred := int64(0)
		if used {
			transferred = old.GetLots()[i].GetTransferred()
			for _, use := range old.GetLots()[i].GetUses() {
				lot.Uses = append(lot.Uses, proto.CloneOf(use))
			}
		}
		if lot.GetTransferred() != transferred {
			return fmt.Errorf("%w: %d of lot %d of item %d were transferred, not %d", ErrInconsistent, transferred, i, item.GetIndex(), lot.GetTransferred())
		}
	}
	return nil
}

// usedElsewhere answers a hold that has something of an item which came over, and had nothing of it before; whether there is one.
func usedElsewhere(old, item *ledgerv1.CompletionItem) (hold uint64, since bool) {
	before := make(map[uint64]bool)
	for _, lot := range old.GetLots() {
		for _, use := range lot.GetUses() {
			before[use.GetHold()] = true
		}
	}
	for _, lot := range item.GetLots() {
		for _, use := range lot.GetUses() {
			if !before[use.GetHold()] {
				return use.GetHold(), true
			}
		}
	}
	return 0, false
}

// listHold writes the rows by which a hold is found.
func (s *State) listHold(row *ledgerv1.TransferRow, index uint64) error {
	status := []byte{byte(row.GetStatus())}
	if err := s.set(AccountTransferKey(unit.AccountID(row.GetAccount()), index), status); err != nil {
		return err
	}
	if err := s.set(OrganizationTransferKey(row.GetOrganization(), index), status); err != nil {
		return err
	}
	lapses := []byte{}
	if row.GetStatus() != ledgerv1.HoldStatus_HOLD_STATUS_HELD {
		lapses = nil
	}
	return s.set(HoldTimeKey(row.GetDeadline(), index), lapses)
}

// clawBack tells the institutions that have something of a completion that it no longer gives credits. What is only held must
// have been freed before.
func (s *State) clawBack(e *ledgerv1.Entry, item *ledgerv1.CompletionItem) error {
	for _, lot := range item.GetLots() {
		for _, use := range lot.GetUses() {
			row, err := must[ledgerv1.TransferRow](s, TransferKey(use.GetHold()), "such hold")
			if err != nil {
				return err
			}
			if row.GetStatus() == ledgerv1.HoldStatus_HOLD_STATUS_HELD {
				return fmt.Errorf("%w: hold %d stands on completion %d", ErrInconsistent, use.GetHold(), item.GetIndex())
			}
			known := slices.ContainsFunc(row.GetClawbacks(), func(c *ledgerv1.TransferClawback) bool { return c.GetItem() == use.GetItem() })
			if known {
				continue
			}
			row.Clawbacks = append(row.Clawbacks, &ledgerv1.TransferClawback{Entry: e.GetIndex(), Item: use.GetItem()})
			row.ChangedIndex = e.GetIndex()
			if err := s.mark(row.GetOrganization(), e.GetIndex()); err != nil {
				return err
			}
		}
	}
	return nil
}
