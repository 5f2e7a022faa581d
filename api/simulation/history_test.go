package simulation_test

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// history is what the entries of a log add up to, by plain addition as ledger/FORMAT.md tells it. It takes nothing from
// ledger/book or ledger/merkle but their types and where rows lie.
type history struct {
	size   uint64
	root   merkle.Hash
	roots  map[uint64]merkle.Hash // at the sizes that were asked for
	leaves []merkle.Hash
	// statements are the entries that record statements, by id.
	statements map[unit.StatementID]uint64
	// records are the entries of records of another system, imports who proposed them, confirmed those that were.
	records   map[unit.StatementID]uint64
	imports   map[uint64]string
	confirmed map[uint64]bool
	accounts  map[unit.AccountID]*holding
	// holds are by the entries that placed them; unlisted are those that nobody was shown.
	holds    map[uint64]*held
	unlisted map[uint64]bool
	// consents are by the entries that granted them.
	consents map[uint64]*consented
}

// holding is what an account has.
type holding struct {
	// completions are its items: those of other systems, too.
	completions int64
	categories  map[string]*amounts
	lots        map[lotName]*amounts
	of          map[uint64]string // the category of a completion
	course      map[uint64]uint64
	usage       map[string]int64     // of caps
	limited     map[lotName]*limited // the lots under caps
	remainders  map[uint64]int64     // of courses
	points      map[int32]int64      // by the day on which they lapse
	gives       map[uint64]int64     // points of a completion
}

type lotName struct {
	entry    uint64
	position uint32
}

// amounts are minutes and milli-credits.
type amounts struct {
	minutes, issued, pending, available, reserved, transferred, expired, reversed int64
}

func (a *amounts) move(c *ledgerv1.LotChange) {
	a.pending += c.GetPending()
	a.available += c.GetAvailable()
	a.reserved += c.GetReserved()
	a.transferred += c.GetTransferred()
	a.expired += c.GetExpired()
	a.reversed += c.GetReversed()
}

// sound says whether nothing is negative, and what was issued is somewhere.
func (a *amounts) sound() bool {
	for _, n := range []int64{a.minutes, a.issued, a.pending, a.available, a.reserved, a.transferred, a.expired, a.reversed} {
		if n < 0 {
			return false
		}
	}
	return a.issued == a.pending+a.available+a.reserved+a.transferred+a.expired+a.reversed
}

// replay reads a log from its beginning.
func replay(view ledger.View, sizes map[uint64]merkle.Hash) (*history, error) {
	h := &history{
		size: view.Size(), roots: make(map[uint64]merkle.Hash),
		statements: make(map[unit.StatementID]uint64), accounts: make(map[unit.AccountID]*holding),
		records: make(map[unit.StatementID]uint64), imports: make(map[uint64]string), confirmed: make(map[uint64]bool),
		holds: make(map[uint64]*held), unlisted: make(map[uint64]bool), consents: make(map[uint64]*consented),
	}
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	var submission *submitted
	var index uint64
	for row, err := range view.Scan(ctx(), store.Prefix([]byte{book.TableEntries})) {
		if err != nil {
			return nil, err
		}
		raw := row.Value
		if !bytes.Equal(row.Key, book.EntryKey(index)) {
			return nil, wrongf("entry %d is not where it should be", index)
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(raw)
		h.leaves = append(h.leaves, merkle.Hash(leaf))
		if err := tree.Append(leaf, nil); err != nil {
			return nil, err
		}
		if _, asked := sizes[index+1]; asked || index+1 == h.size {
			root, err := tree.GetRootHash(nil)
			if err != nil {
				return nil, err
			}
			h.root, h.roots[index+1] = merkle.Hash(root), merkle.Hash(root)
		}
		e := new(ledgerv1.Entry)
		if err := proto.Unmarshal(raw, e); err != nil {
			return nil, err
		}
		if submission, err = submission.follow(e); err != nil {
			return nil, err
		}
		if err := h.add(e); err != nil {
			return nil, fmt.Errorf("entry %d (%s): %w", index, book.Fact(e), err)
		}
		index++
	}
	if index != view.Size() {
		return nil, wrongf("there are %d entries of %d", index, view.Size())
	}
	if submission.empty() {
		return nil, wrongf("entry %d received a submission, and none of its statements is there", submission.index)
	}
	return h, nil
}

// submitted is a SubmissionReceived: at least one of its statements has to follow.
type submitted struct {
	index   uint64
	members int
}

func (s *submitted) empty() bool { return s != nil && s.members == 0 }

// follow answers the submission that the entries after e are of.
func (s *submitted) follow(e *ledgerv1.Entry) (*submitted, error) {
	origin := e.GetCompletionRecorded().GetOrigin()
	if origin == nil {
		origin = e.GetCompletionVoided().GetOrigin()
	}
	switch {
	case e.GetSubmissionReceived() != nil && s.empty():
		return nil, wrongf("entry %d received a submission, and none of its statements is there", s.index)
	case e.GetSubmissionReceived() != nil:
		return &submitted{index: e.GetIndex()}, nil
	case origin != nil && len(origin.GetSignature()) == 0:
		if s == nil || origin.GetSubmission() != s.index {
			return nil, wrongf("entry %d is of submission %d, which is not the one before it", e.GetIndex(), origin.GetSubmission())
		}
		s.members++
	}
	return s, nil
}

func (h *history) add(e *ledgerv1.Entry) error {
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AccountOpened:
		id := unit.AccountID(fact.AccountOpened.GetAccount())
		if h.accounts[id] != nil {
			return wrongf("the account was opened before")
		}
		h.accounts[id] = &holding{
			categories: make(map[string]*amounts), lots: make(map[lotName]*amounts), of: make(map[uint64]string),
			course: make(map[uint64]uint64), usage: make(map[string]int64), remainders: make(map[uint64]int64),
			limited: make(map[lotName]*limited),
			points:  make(map[int32]int64), gives: make(map[uint64]int64),
		}
	case *ledgerv1.Entry_CompletionRecorded:
		f := fact.CompletionRecorded
		if err := h.state(e, f.GetOrigin()); err != nil {
			return err
		}
		a, err := h.account(f.GetAccount())
		if err != nil {
			return err
		}
		a.completions++
		a.of[e.GetIndex()], a.course[e.GetIndex()] = f.GetCategory(), f.GetCourse()
		return a.take(e, f.GetEffects(), e.GetIndex())
	case *ledgerv1.Entry_CompletionVoided:
		f := fact.CompletionVoided
		if err := h.state(e, f.GetOrigin()); err != nil {
			return err
		}
		return h.take(e, f.GetAccount(), f.GetEffects(), f.GetCompletion())
	case *ledgerv1.Entry_ClaimFiled:
		a, err := h.account(fact.ClaimFiled.GetAccount())
		if err != nil {
			return err
		}
		a.completions++
		a.of[e.GetIndex()] = fact.ClaimFiled.GetCategory()
	case *ledgerv1.Entry_CreditsAwarded:
		return h.take(e, fact.CreditsAwarded.GetAccount(), fact.CreditsAwarded.GetEffects(), fact.CreditsAwarded.GetCompletion())
	case *ledgerv1.Entry_CaseStepTaken:
		return h.take(e, fact.CaseStepTaken.GetAccount(), fact.CaseStepTaken.GetEffects(), fact.CaseStepTaken.GetCompletion())
	case *ledgerv1.Entry_CreditsReleased:
		return h.take(e, fact.CreditsReleased.GetAccount(), fact.CreditsReleased.GetEffects(), nil)
	case *ledgerv1.Entry_CreditsReversed:
		return h.take(e, fact.CreditsReversed.GetAccount(), fact.CreditsReversed.GetEffects(), fact.CreditsReversed.GetCompletion())
	case *ledgerv1.Entry_CompletionHeld:
		return h.take(e, fact.CompletionHeld.GetAccount(), fact.CompletionHeld.GetEffects(), fact.CompletionHeld.GetCompletion())
	case *ledgerv1.Entry_CreditsExpired:
		return h.take(e, fact.CreditsExpired.GetAccount(), fact.CreditsExpired.GetEffects(), nil)
	case *ledgerv1.Entry_ItemMoved, *ledgerv1.Entry_ItemReturned:
		return h.bring(e)
	case *ledgerv1.Entry_HoldPlaced, *ledgerv1.Entry_HoldPosted, *ledgerv1.Entry_HoldVoided, *ledgerv1.Entry_HoldExpired:
		if err := h.consent(e); err != nil {
			return err
		}
		return h.hold(e)
	case *ledgerv1.Entry_ConsentGranted, *ledgerv1.Entry_ConsentWithdrawn:
		return h.consent(e)
	default:
		return h.takeOver(e)
	}
	return nil
}

// state notes a statement. No statement is there twice.
func (h *history) state(e *ledgerv1.Entry, origin *ledgerv1.Origin) error {
	id := unit.StatementID(origin.GetStatementId())
	if first, known := h.statements[id]; known {
		return wrongf("statement %v is entry %d already: it was doubled", id, first)
	}
	h.statements[id] = e.GetIndex()
	return nil
}

func (h *history) account(id []byte) (*holding, error) {
	a := h.accounts[unit.AccountID(id)]
	if a == nil {
		return nil, wrongf("the account was never opened")
	}
	return a, nil
}

func (h *history) take(e *ledgerv1.Entry, account []byte, effects *ledgerv1.Effects, completion *ledgerv1.CompletionRef) error {
	a, err := h.account(account)
	if err != nil {
		return err
	}
	return a.take(e, effects, completion.GetIndex())
}

func (a *holding) category(name string) *amounts {
	if a.categories[name] == nil {
		a.categories[name] = new(amounts)
	}
	return a.categories[name]
}

// take adds what an entry changes. Minutes and credits are conserved with each of them.
func (a *holding) take(e *ledgerv1.Entry, effects *ledgerv1.Effects, completion uint64) error {
	var touched []*amounts
	for _, h := range slices.Concat(effects.GetHours(), effects.GetReplaces().GetHours()) {
		a.category(h.GetCategory()).minutes += h.GetMinutes()
		touched = append(touched, a.category(h.GetCategory()))
	}
	for position, lot := range effects.GetLots() {
		made := &amounts{issued: lot.GetPending() + lot.GetAvailable(), pending: lot.GetPending(), available: lot.GetAvailable()}
		a.lots[lotName{e.GetIndex(), uint32(position)}] = made
		total := a.category(a.of[completion])
		total.issued += made.issued
		total.pending += made.pending
		total.available += made.available
		touched = append(touched, made, total)
	}
	for _, c := range effects.GetLotChanges() {
		lot := a.lots[lotName{c.GetEntry(), c.GetPosition()}]
		if lot == nil {
			return wrongf("it changes lot %d/%d, which is not there", c.GetEntry(), c.GetPosition())
		}
		total := a.category(a.of[c.GetCompletion().GetIndex()])
		lot.move(c)
		total.move(c)
		touched = append(touched, lot, total)
	}
	for _, t := range touched {
		if !t.sound() {
			return wrongf("minutes or credits are made or lost: %+v", *t)
		}
	}
	if err := a.reward(effects, completion); err != nil {
		return err
	}
	return a.limit(e, effects, completion)
}

// reward adds points to what lapses with them and to what a completion gives.
func (a *holding) reward(effects *ledgerv1.Effects, completion uint64) error {
	replaces := effects.GetReplaces()
	for of, points := range map[uint64][]*ledgerv1.Points{
		completion: effects.GetPoints(), replaces.GetCompletion().GetIndex(): replaces.GetPoints(),
	} {
		for _, p := range points {
			a.points[p.GetLapsesDay()] += p.GetMilliPoints()
			a.gives[of] += p.GetMilliPoints()
			if a.points[p.GetLapsesDay()] < 0 || a.gives[of] < 0 || p.GetMilliPoints()%100 != 0 {
				return wrongf("completion %d gives %d milli-points, %d lapse on day %d", of, a.gives[of], a.points[p.GetLapsesDay()], p.GetLapsesDay())
			}
		}
	}
	return nil
}

// contains compares a leaf with what a client knows of it.
func (h *history) contains(index uint64, leaf merkle.Hash) bool {
	return index < h.size && bytes.Equal(h.leaves[index][:], leaf[:])
}
