package api

import (
	"cmp"
	"context"
	"slices"

	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Causes of cases that the bank opens by itself.
const (
	// CausePriorVoided: the completion that stood for its equivalence group is gone; this one was its duplicate.
	CausePriorVoided = "PRIOR_VOIDED"
	// CauseRemainderVoided: minutes that this completion was credited with came from one that is gone.
	CauseRemainderVoided = "REMAINDER_VOIDED"
	// CauseKeyCompromised: it was signed when the key may have been in other hands.
	CauseKeyCompromised = "KEY_COMPROMISED"
	// CauseVoidCompromised: the void that took it back was. It counts nothing until an officer says so.
	CauseVoidCompromised = "VOID_KEY_COMPROMISED"
)

// Risks of those cases.
const (
	voidRisk       = 2
	compromiseRisk = 5
)

// recordVoid is the writer's step for a completion that its platform takes back.
func (r *recording) recordVoid(tx *ledger.Tx, i int) error {
	p := &r.statements[i]
	const field = "completion_void.statement_id"
	index, known, err := tx.Statement(r.number, p.voided)
	if err != nil {
		return err
	}
	if !known {
		return r.reject(tx, i, faultf(NotFound, ReasonUnknownStatement, field, "the organization has no statement by this id on the ledger"))
	}
	e, err := tx.Entry(index)
	if err != nil {
		return err
	}
	recorded := e.GetCompletionRecorded()
	if recorded == nil {
		return r.reject(tx, i, faultf(Precondition, ReasonUnknownStatement, field, "the statement is a void; only completions can be taken back"))
	}
	ref := &ledgerv1.CompletionRef{Index: index, EndDay: recorded.GetEndDay()}
	id, item, err := located(tx, recorded.GetAccount(), ref)
	if err != nil {
		return err
	}
	account, err := tx.Account(id)
	if err != nil {
		return err
	}
	if account.GetMoving() || isMerged(account) {
		return r.reject(tx, i, arriving(field))
	}
	if item.GetOutcome() == ledgerv1.Outcome_OUTCOME_VOIDED {
		return r.reject(tx, i, faultf(Precondition, ReasonAlreadyVoided, field, "the completion was taken back already"))
	}
	sealer, err := r.bank.accountSealer(context.Background(), id)
	if err != nil {
		return err
	}
	if sealer == nil {
		return r.reject(tx, i, faultf(Precondition, ReasonAccountErased, field, "the account was erased"))
	}
	gone, err := r.bank.withdraw(context.Background(), tx, r.directory, sealer, id, account, item, nil)
	if err != nil {
		return err
	}
	origin := new(ledgerv1.Origin)
	if err := r.origin(tx, i, origin); err != nil {
		return err
	}
	voided := &ledgerv1.CompletionVoided{
		Origin: origin, Account: id[:], Completion: ref, Effects: gone.effects, Unrecovered: gone.unrecovered,
	}
	if voided.Sealed, err = seal(sealer, "CompletionVoided", p.id, &ledgerv1.SealedVoid{Statement: p.bytes}); err != nil {
		return err
	}
	result := StatementResult{Status: Recorded, Index: tx.Next()}
	if err := gone.write(context.Background(), tx, &ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionVoided{CompletionVoided: voided}}); err != nil {
		return err
	}
	r.results[i] = result
	return nil
}

// withdrawal is a completion on its way off an account.
type withdrawal struct {
	bank      *Bank
	directory *directory
	id        unit.AccountID
	// effects take back what it contributes, but for what was transferred.
	effects     *ledgerv1.Effects
	unrecovered int64
	shaken      []doubt
}

// withdraw works out what it changes that a completion is taken back. Going says of other completions that they are going to be
// taken back as well, so that nobody has to look at them again; nil: none is.
func (b *Bank) withdraw(
	ctx context.Context, tx scribe, d *directory, sealer *vault.Sealer, id unit.AccountID, account *ledgerv1.AccountRow,
	item *ledgerv1.CompletionItem, going func(item *ledgerv1.CompletionItem) bool,
) (w withdrawal, err error) {
	// What is overdue on the account comes first: credits that have expired are not there to be taken back.
	if err := b.settle(ctx, tx, d, id); err != nil {
		return w, err
	}
	w = withdrawal{bank: b, directory: d, id: id}
	if w.effects, w.unrecovered, err = reversal(tx, d, id, account, item); err != nil {
		return w, err
	}
	w.shaken, err = b.shakenBy(ctx, tx, d, sealer, id, item, w.effects, going)
	return w, err
}

// write writes the withdrawal down, and what follows from it.
func (w *withdrawal) write(ctx context.Context, tx scribe, e *ledgerv1.Entry) error {
	if _, err := tx.Append(e); err != nil {
		return err
	}
	if err := openCases(tx, w.directory, w.id, w.shaken); err != nil {
		return err
	}
	return w.bank.settle(ctx, tx, w.directory, w.id)
}

// doubt is a completion that an officer has to look at again.
type doubt struct {
	item  *ledgerv1.CompletionRef
	cause string
	risk  uint32
}

// shakenBy answers the completions whose decision a reversal takes the ground from. Nobody decides them anew in silence:
// they become cases. Of the duplicates of what stood for an equivalence group it is the one that would have stood. Those that are
// going too are passed over.
func (b *Bank) shakenBy(
	ctx context.Context, tx scribe, d *directory, sealer *vault.Sealer, id unit.AccountID, gone *ledgerv1.CompletionItem,
	effects *ledgerv1.Effects, going func(item *ledgerv1.CompletionItem) bool,
) ([]doubt, error) {
	part, err := contribution(tx, gone)
	if err != nil {
		return nil, err
	}
	spent := part.remainder > -effects.GetRemainder()
	stood := effects.GetGroup() != nil && effects.GetGroup().GetCompletion() == nil
	if !spent && !stood {
		return nil, nil
	}
	var duplicates []*ledgerv1.CompletionItem
	var later *ledgerv1.CompletionItem
	for item, err := range itemsIn(tx, id) {
		if err != nil {
			return nil, err
		}
		if item.GetIndex() == gone.GetIndex() || item.GetCasePlusOne() != 0 || going != nil && going(item) {
			continue
		}
		if stood && item.GetOutcome() == ledgerv1.Outcome_OUTCOME_DUPLICATE {
			same, err := sameGroup(tx, item, effects.GetGroup().GetGroup())
			if err != nil {
				return nil, err
			}
			if same {
				duplicates = append(duplicates, item)
			}
		}
		if spent && item.GetOutcome() == ledgerv1.Outcome_OUTCOME_AWARDED && item.GetCourse() == gone.GetCourse() && newer(item, later) {
			later = item
		}
	}
	// The weeks are in the order of the learning.
	slices.SortFunc(duplicates, func(a, b *ledgerv1.CompletionItem) int { return cmp.Compare(a.GetIndex(), b.GetIndex()) })
	heir := succession{bank: b, directory: d, id: id, sealer: sealer}
	for _, item := range duplicates {
		if err := heir.add(ctx, tx, item); err != nil {
			return nil, err
		}
	}
	var shaken []doubt
	if heir.chosen != nil {
		shaken = append(shaken, doubt{refOf(heir.chosen), CausePriorVoided, voidRisk})
	}
	if later != nil {
		shaken = append(shaken, doubt{refOf(later), CauseRemainderVoided, voidRisk})
	}
	return shaken, nil
}

func newer(item, than *ledgerv1.CompletionItem) bool {
	return than == nil || item.GetIndex() > than.GetIndex()
}

func sameGroup(tx scribe, item *ledgerv1.CompletionItem, group string) (bool, error) {
	c, err := tx.Course(item.GetCourse())
	return c.GetFact().GetEquivalenceGroup() == group, err
}

// openCases asks officers to look at completions again.
func openCases(tx scribe, d *directory, id unit.AccountID, doubts []doubt) error {
	for _, doubt := range doubts {
		e, err := tx.Entry(doubt.item.GetIndex())
		if err != nil {
			return err
		}
		causes := []string{doubt.cause}
		rule := d.workflow(e.GetCompletionRecorded().GetPolicyHash(), int(doubt.risk), causes)
		fact := &ledgerv1.CaseOpened{
			Account: id[:], Completion: doubt.item, Causes: causes, Risk: doubt.risk, Due: micros(review.Opened(rule, tx.Now())),
		}
		if _, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CaseOpened{CaseOpened: fact}}); err != nil {
			return err
		}
	}
	return nil
}
