// Package book is the state machine of the ledger: what each fact does to accounts, credit lots, cases, courses,
// organizations, keys, officers and policies.
//
// [State.Apply] adds one entry's recorded deltas to the state; it never judges, reads no clock and knows no policy, so
// that appending, replaying and checking the same entries give the same rows, whatever version of the rules runs. The
// rows and their keys are listed in ledger/FORMAT.md.
//
// Its one invariant, checked with every change to a lot: what was issued is what is pending, available, reserved,
// transferred, expired and reversed, and none of these is negative.
package book

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// ErrInconsistent says that an entry and the state do not fit: a fault of whoever made the entry, or a damaged row.
// Nothing of the entry may be committed.
var ErrInconsistent = errors.New("book: entry and state do not fit")

// Rows reads the rows that a State or a Reader stands on. Row answers nil when there is no such row; what it answers
// must not change afterwards.
type Rows interface {
	Row(key []byte) ([]byte, error)
}

// State is a set of changes on top of rows that are committed already: it reads through to them and remembers what
// became different. It is used by one goroutine.
//
// The changes of one entry, or of several, are kept or undone as a whole: [State.Keep] makes them part of the state,
// [State.Undo] drops everything since the last Keep. Whoever makes [State.Changes] durable below says so with
// [State.HandedOver], goes on with the same state, and says [State.Committed] when they are: rows that are needed again soon
// are not read and decoded again, and what comes next need not wait for the disk.
type State struct {
	below Rows
	// rows are those that were used lately: what is not used for a generation is forgotten. Statements are looked for once, and would
	// push out the others.
	rows       generations
	statements statements
	// newest are the rows that were used last, one of each table: an entry asks for the same ones again and again.
	newest  [1 << 8]*row
	touched []*row // since the last Keep or Undo
	changed []*row // kept since the last HandedOver, in order
	flying  []*row // handed over, and not known to be committed
	limit   int    // how many rows one generation holds
}

// defaultRows is how many rows one generation holds, unless Limit says otherwise: enough for the accounts of a busy hour, and some
// 100 MB at most.
const defaultRows = 1 << 16

// row is one row as the state sees it. At most one of kept and message is newer than the other: between Keep and Undo a
// touched row's message is ahead of its bytes.
type row struct {
	key     []byte
	kept    []byte  // value as of the last Keep; nil: no row
	message message // decoded value, nil if not decoded
	tail    message // what message has more than kept has, unless it was edited
	edited  bool    // message has changed elsewhere than at the end of its lists
	value   []byte  // value since the last Keep, for rows that are no message
	isValue bool
	touched bool
	changed bool
}

// NewState starts with no changes.
func NewState(below Rows) *State {
	return &State{below: below, rows: newGenerations(), statements: statements{generations: newGenerations()}, limit: defaultRows}
}

// Limit says how many rows one generation holds, and how many statements: few, where reading below is cheap. What is not committed is
// never forgotten.
func (s *State) Limit(rows int) { s.limit = rows }

// Prefetched hands the state a row that was read in advance: nil when there is none. A row the state knows already
// keeps what the state knows.
func (s *State) Prefetched(key, value []byte) {
	if !s.Knows(key) {
		s.learn(&row{key: key, kept: value})
	}
}

// Prefetch has the state know rows that are going to be read: those that it does not know are asked for together. Weeks come after all
// others, since the row of an account says between which of them all its weeks lie: for a learner who goes on learning, a new week is
// not looked for, nor is a new statement of an organization that numbers them in order. The rows below are of format 2, whose accounts
// say so.
func (s *State) Prefetch(keys iter.Seq[[]byte], get func(keys [][]byte) ([][]byte, error)) error {
	for _, weeks := range []bool{false, true} {
		var unknown [][]byte
		for key := range keys {
			switch {
			case (key[0] == TableWeeks) != weeks || s.Knows(key):
			case s.lacks(key):
				s.learn(&row{key: key})
			default:
				unknown = append(unknown, key)
			}
		}
		values, err := get(unknown)
		if err != nil {
			return err
		}
		for i, key := range unknown {
			s.Prefetched(key, values[i])
		}
	}
	return nil
}

// lacks says that there is no such row, where that follows from what the state knows.
func (s *State) lacks(key []byte) bool {
	switch key[0] {
	case TableStatements:
		return s.statements.lacks(key)
	case TableWeeks:
		return s.lacksWeek(key)
	default:
		return false
	}
}

// Knows says whether the state can answer a row without asking below.
func (s *State) Knows(key []byte) bool {
	_, ok := s.known(key)
	return ok
}

func (s *State) known(key []byte) (*row, bool) {
	table := key[0]
	if r := s.newest[table]; r != nil && string(r.key) == string(key) {
		return r, true
	}
	r, ok := s.generations(table).find(key)
	if ok {
		s.newest[table] = r
	}
	return r, ok
}

// learn takes a row in that was not known.
func (s *State) learn(r *row) {
	table := r.key[0]
	s.generations(table).young[string(r.key)] = r
	s.newest[table] = r
}

func (s *State) generations(table byte) *generations {
	if table == TableStatements {
		return &s.statements.generations
	}
	return &s.rows
}

// generations are rows that were used since the newest turn, and those that were used since the one before.
type generations struct{ young, old map[string]*row }

func newGenerations() generations {
	return generations{young: make(map[string]*row), old: make(map[string]*row)}
}

func (g *generations) find(key []byte) (*row, bool) {
	if r, ok := g.young[string(key)]; ok {
		return r, true
	}
	r, ok := g.old[string(key)]
	if ok {
		g.young[string(r.key)] = r
	}
	return r, ok
}

// turn forgets the old rows; those of now have to be used again until the next turn.
func (g *generations) turn() {
	g.young, g.old = g.old, g.young
	clear(g.young)
}

// Keep makes everything since the last Keep or Undo part of the state.
func (s *State) Keep() error {
	for _, r := range s.touched {
		if r.isValue {
			r.kept, r.value, r.isValue = r.value, nil, false
		} else {
			value, err := r.encode()
			if err != nil {
				return fmt.Errorf("book: row %x: %v", r.key, err)
			}
			r.kept, r.tail, r.edited = value, nil, false
		}
		r.touched = false
		if !r.changed {
			r.changed = true
			s.changed = append(s.changed, r)
		}
	}
	s.touched = s.touched[:0]
	return nil
}

// encode answers the bytes of a row's message. In protobuf, lists are joined by joining bytes: a row that only grew is not
// marshalled anew.
func (r *row) encode() ([]byte, error) {
	if r.edited || r.tail == nil {
		return r.message.MarshalVT()
	}
	tail, err := r.tail.MarshalVT()
	return append(slices.Clip(r.kept), tail...), err
}

// Undo drops everything since the last Keep or Undo.
func (s *State) Undo() {
	for _, r := range s.touched {
		r.message, r.tail, r.edited = nil, nil, false
		r.value, r.isValue, r.touched = nil, false, false
	}
	s.touched = s.touched[:0]
}

// Changed is how many rows Changes yields.
func (s *State) Changed() int { return len(s.changed) }

// Changes yields the rows that became different since the last HandedOver, each once; a nil value is a row that is gone. What
// was not kept is not among them. They come table by table, since an engine finds the place of a row fastest beside the one
// before it.
func (s *State) Changes(yield func(key, value []byte) bool) {
	slices.SortStableFunc(s.changed, func(a, b *row) int { return int(a.key[0]) - int(b.key[0]) })
	s.ChangesAsMade(yield)
}

// ChangesAsMade yields what Changes does, in the order in which the rows first changed.
func (s *State) ChangesAsMade(yield func(key, value []byte) bool) {
	for _, r := range s.changed {
		if !yield(r.key, r.kept) {
			return
		}
	}
}

// HandedOver says that somebody is making all changes durable below. They are no changes any more, but the state holds on to
// them until it hears of Committed, of which there must be one before the next HandedOver.
func (s *State) HandedOver() {
	for _, r := range s.changed {
		r.changed = false
	}
	s.changed, s.flying = s.flying[:0], s.changed
}

// Committed says that what was handed over are rows below now. The state forgets what has not been used for long. What is
// changed, or handed over next, has been used since the last time.
func (s *State) Committed() {
	s.flying = s.flying[:0]
	if len(s.rows.young) > s.limit {
		s.rows.turn()
		clear(s.newest[:])
	}
	if len(s.statements.young) > s.limit {
		s.statements.turn()
		s.newest[TableStatements] = nil
	}
}

// Row answers the row as the state sees it, with everything that was kept, so that a State can stand on a State.
func (s *State) Row(key []byte) ([]byte, error) {
	r, err := s.row(key)
	if err != nil {
		return nil, err
	}
	if r.isValue {
		return r.value, nil
	}
	return r.kept, nil
}

func (s *State) row(key []byte) (*row, error) {
	if r, ok := s.known(key); ok {
		return r, nil
	}
	own := bytes.Clone(key) // here alone: most rows are known, and their keys need not leave the stack
	value, err := s.below.Row(own)
	if err != nil {
		return nil, err
	}
	r := &row{key: own, kept: value}
	s.learn(r)
	return r, nil
}

func (s *State) touch(r *row) {
	if !r.touched {
		r.touched = true
		s.touched = append(s.touched, r)
	}
}

// set writes a row that is no message; nil removes it.
func (s *State) set(key, value []byte) error {
	r, err := s.row(key)
	if err != nil {
		return err
	}
	s.touch(r)
	r.value, r.isValue = value, true
	return nil
}

// message is what rows hold: generated messages, marshalled by generated code.
type message interface {
	proto.Message
	MarshalVT() ([]byte, error)
	UnmarshalVT(b []byte) error
}

// messageOf is what generated messages of type T are.
type messageOf[T any] interface {
	*T
	message
}

// view answers a decoded row for reading, or nil when there is none.
func view[T any, M messageOf[T]](s *State, key []byte) (M, error) {
	r, err := s.row(key)
	if err != nil {
		return nil, err
	}
	if r.message == nil {
		if r.kept == nil {
			return nil, nil
		}
		decoded := M(new(T))
		if err := decoded.UnmarshalVT(r.kept); err != nil {
			return nil, fmt.Errorf("%w: row %x is damaged: %v", ErrInconsistent, r.key, err)
		}
		r.message = decoded
	}
	return r.message.(M), nil
}

// edit answers a decoded row to be changed in place, a new one when there is none.
func edit[T any, M messageOf[T]](s *State, key []byte) (M, error) {
	decoded, err := view[T, M](s, key)
	if err != nil {
		return nil, err
	}
	r, _ := s.known(key)
	if decoded == nil {
		decoded = M(new(T))
		r.message = decoded
	}
	s.touch(r)
	r.edited = true
	return decoded, nil
}

// extend answers a decoded row, a new one when there is none, to be changed at the end of its lists alone: whatever is appended
// to it is appended to tail too. Only what tail holds may still be changed.
func extend[T any, M messageOf[T]](s *State, key []byte) (whole, tail M, err error) {
	whole, err = view[T, M](s, key)
	if err != nil {
		return nil, nil, err
	}
	r, _ := s.known(key)
	if whole == nil {
		whole = M(new(T))
		r.message = whole
	}
	if r.tail == nil {
		r.tail = M(new(T))
	}
	s.touch(r)
	return whole, r.tail.(M), nil
}

// create answers a new row, which must not be there yet.
func create[T any, M messageOf[T]](s *State, key []byte, what string) (M, error) {
	known, err := view[T, M](s, key)
	if err != nil {
		return nil, err
	}
	if known != nil {
		return nil, fmt.Errorf("%w: %s is there already", ErrInconsistent, what)
	}
	return edit[T, M](s, key)
}

// must answers a row to be changed in place, which must be there.
func must[T any, M messageOf[T]](s *State, key []byte, what string) (M, error) {
	known, err := view[T, M](s, key)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return nil, fmt.Errorf("%w: there is no %s", ErrInconsistent, what)
	}
	return edit[T, M](s, key)
}

// Fact is the name of what happened in an entry, such as "CompletionRecorded"; empty when the entry has no fact.
func Fact(e *ledgerv1.Entry) string {
	fact := e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().ByName("fact"))
	if fact == nil {
		return ""
	}
	return string(fact.Message().Name())
}
