package book

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// The readers of a State answer its rows with everything that has been applied, kept or not. What they answer is the
// state's own: callers must not change it, and must not keep it beyond the step in which they asked. A missing row is
// nil.

// Account answers the standing of an account.
func (s *State) Account(id unit.AccountID) (*ledgerv1.AccountRow, error) {
	return view[ledgerv1.AccountRow](s, AccountKey(id))
}

// Week answers a week of an account.
func (s *State) Week(id unit.AccountID, week int32) (*ledgerv1.WeekRow, error) {
	return view[ledgerv1.WeekRow](s, WeekKey(id, week))
}

// Completion answers a completion as it stands, nil when the account has none by this index.
func (s *State) Completion(id unit.AccountID, ref *ledgerv1.CompletionRef) (*ledgerv1.CompletionItem, error) {
	week, err := s.Week(id, WeekOf(ref.GetEndDay()))
	if err != nil {
		return nil, err
	}
	return find(week, ref.GetIndex()), nil
}

// Statement answers the entry of a statement.
func (s *State) Statement(organization uint64, id unit.StatementID) (index uint64, ok bool, err error) {
	return s.number(StatementKey(organization, id))
}

// Organization answers an organization.
func (s *State) Organization(id string) (*ledgerv1.OrganizationRow, error) {
	return view[ledgerv1.OrganizationRow](s, OrganizationKey(id))
}

// Key answers a key of an organization.
func (s *State) Key(id []byte) (*ledgerv1.KeyRow, error) {
	return view[ledgerv1.KeyRow](s, SigningKeyKey(id))
}

// Officer answers an officer, removed or not.
func (s *State) Officer(id string) (*ledgerv1.OfficerRow, error) {
	return view[ledgerv1.OfficerRow](s, OfficerKey(id))
}

// Course answers a course.
func (s *State) Course(index uint64) (*ledgerv1.CourseRow, error) {
	return view[ledgerv1.CourseRow](s, CourseKey(index))
}

// Application answers an application of an organization.
func (s *State) Application(index uint64) (*ledgerv1.ApplicationRow, error) {
	return view[ledgerv1.ApplicationRow](s, ApplicationKey(index))
}

// CourseNamed answers the index of a course.
func (s *State) CourseNamed(provider, code, version string) (index uint64, ok bool, err error) {
	return s.number(CourseNameKey(provider, code, version))
}

// Policy answers a policy.
func (s *State) Policy(hash []byte) (*ledgerv1.PolicyRow, error) {
	return view[ledgerv1.PolicyRow](s, PolicyKey(hash))
}

// Case answers a case.
func (s *State) Case(index uint64) (*ledgerv1.CaseRow, error) {
	return view[ledgerv1.CaseRow](s, CaseKey(index))
}

// Crowd answers who was counted in a crowd.
func (s *State) Crowd(key uint64) (*ledgerv1.CrowdRow, error) {
	return view[ledgerv1.CrowdRow](s, CrowdKey(key))
}

// Import answers an import of opening balances.
func (s *State) Import(index uint64) (*ledgerv1.ImportRow, error) {
	return view[ledgerv1.ImportRow](s, ImportKey(index))
}

// Transfer answers a hold, ended or not.
func (s *State) Transfer(index uint64) (*ledgerv1.TransferRow, error) {
	return view[ledgerv1.TransferRow](s, TransferKey(index))
}

// Merge answers a merge of two accounts.
func (s *State) Merge(index uint64) (*ledgerv1.MergeRow, error) {
	return view[ledgerv1.MergeRow](s, MergeKey(index))
}

// Clawback answers a clawback.
func (s *State) Clawback(index uint64) (*ledgerv1.ClawbackRow, error) {
	return view[ledgerv1.ClawbackRow](s, ClawbackKey(index))
}

// Request answers what a call led to, if it was made before.
func (s *State) Request(caller, method string, requestID []byte) (*ledgerv1.RequestRow, error) {
	return view[ledgerv1.RequestRow](s, RequestKey(caller, method, requestID))
}

// Directory answers how new the state is in what concerns organizations, keys, officers, courses and policies: the
// index of the newest such entry, plus one.
func (s *State) Directory() (uint64, error) {
	version, _, err := s.number(DirectoryKey())
	return version, err
}

// Origins answers the indexes of the entries by which the log got another origin, in their order.
func (s *State) Origins() ([]uint64, error) {
	value, err := s.Row(OriginsKey())
	if err != nil {
		return nil, err
	}
	if len(value)%8 != 0 {
		return nil, fmt.Errorf("%w: row %x is damaged", ErrInconsistent, OriginsKey())
	}
	indexes := make([]uint64, len(value)/8)
	for i := range indexes {
		indexes[i] = binary.BigEndian.Uint64(value[8*i:])
	}
	return indexes, nil
}

func (s *State) number(key []byte) (uint64, bool, error) {
	value, err := s.Row(key)
	if err != nil || value == nil {
		return 0, false, err
	}
	n, ok := ParseUint(value)
	if !ok {
		return 0, false, fmt.Errorf("%w: row %x is damaged", ErrInconsistent, bytes.Clone(key))
	}
	return n, true, nil
}

// RejectSlots is how many rejects of an organization are kept: the newest.
const RejectSlots = 100_000

// Reject notes a statement that is not recorded, in the ring of its organization. It is no part of the state: it is kept
// beside it.
func (s *State) Reject(organization uint64, row *ledgerv1.RejectRow) error {
	count, _, err := s.number(RejectCountKey(organization))
	if err != nil {
		return err
	}
	value, err := row.MarshalVT()
	if err != nil {
		return fmt.Errorf("book: reject: %v", err)
	}
	if err := s.set(RejectKey(organization, uint32(count%RejectSlots)), value); err != nil {
		return err
	}
	return s.set(RejectCountKey(organization), Uint(count+1))
}

// Weeks answers the numbers of all weeks of an account in their order. Below are the keys of those that the state
// stands on, as a scan of WeeksPrefix finds them.
func (s *State) Weeks(id unit.AccountID, below [][]byte) []int32 {
	prefix := WeeksPrefix(id)
	var weeks []int32
	for _, key := range below {
		weeks = append(weeks, weekOfKey(key))
	}
	for _, rows := range [][]*row{s.flying, s.changed, s.touched} { // all others are below
		for _, r := range rows {
			if bytes.HasPrefix(r.key, prefix) {
				weeks = append(weeks, weekOfKey(r.key))
			}
		}
	}
	slices.Sort(weeks)
	return slices.Compact(weeks)
}

func weekOfKey(key []byte) int32 {
	return int32(binary.BigEndian.Uint32(key[len(key)-4:]))
}
