package book

import (
	"bytes"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// statements are the rows of statements that were used lately, and what follows from there being no others: an organization whose ids
// are in order, as those of UUID version 7 are, sends new statements beyond all that it sent long ago. They need not be looked for,
// which would cost the writer more than anything else about them.
type statements struct {
	generations
	// last reads the last key with a prefix, nil when there is none; nil: every statement is looked for.
	last func(prefix []byte) (key []byte, err error)
	// upTo is, for each organization that was asked for, a key beyond which there is no statement of it but in the generations.
	upTo map[organizationPrefix][]byte
}

// organizationPrefix is how the keys of an organization's statements begin.
type organizationPrefix [1 + 8]byte

// statementKeyLength is that of all their keys.
const statementKeyLength = len(organizationPrefix{}) + len(unit.StatementID{})

// InOrder has the state find out by itself that most statements are new, if organizations number them in order. Last answers the last
// key with a prefix among the rows below, nil when there is none; only this state makes more of them.
func (s *State) InOrder(last func(prefix []byte) (key []byte, err error)) {
	s.statements.last, s.statements.upTo = last, make(map[organizationPrefix][]byte)
}

// lacks says that there is no such statement. It need not know.
func (s *statements) lacks(key []byte) bool {
	if s.last == nil || len(key) != statementKeyLength {
		return false
	}
	organization := organizationPrefix(key)
	upTo, known := s.upTo[organization]
	if !known {
		var err error
		if upTo, err = s.last(organization[:]); err != nil {
			return false // and whoever looks for the statement is told why
		}
		s.upTo[organization] = upTo
	}
	return bytes.Compare(key, upTo) > 0
}

// turn forgets the old rows, but for how far they went.
func (s *statements) turn() {
	for _, r := range s.old {
		if r.kept == nil || len(r.key) != statementKeyLength {
			continue
		}
		organization := organizationPrefix(r.key)
		if upTo, known := s.upTo[organization]; known && bytes.Compare(r.key, upTo) > 0 {
			s.upTo[organization] = r.key
		}
	}
	s.generations.turn()
}
