package book

import (
	"encoding/binary"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Tables: the first byte of every key. 0x00 is the engine's own. The list is part of the format (ledger/FORMAT.md).
const (
	TableMeta          byte = 0x01
	TableEntries       byte = 0x02
	TableTiles         byte = 0x03
	TableStatements    byte = 0x04
	TableAccounts      byte = 0x05
	TableWeeks         byte = 0x06
	TableOrganizations byte = 0x07
	TableKeys          byte = 0x08
	TableOfficers      byte = 0x09
	TableCourses       byte = 0x0a
	TableCourseNames   byte = 0x0b
	TablePolicies      byte = 0x0c
	TableCases         byte = 0x0d
	TableQueue         byte = 0x0e
	TableFeeds         byte = 0x0f
	TableRequests      byte = 0x10
	TableRejects       byte = 0x11
	TableCaseTimes     byte = 0x12
	TableHeld          byte = 0x13
	TableCrowds        byte = 0x14
	TableImports       byte = 0x15
	TableMerges        byte = 0x16
	TableClawbacks     byte = 0x17
	TableApplications  byte = 0x18
	TableConsentLists  byte = 0x19
	TableAgreements    byte = 0x1a
	TableConsents      byte = 0x1b
	TableTransfers     byte = 0x1d
	TableTransferLists byte = 0x1e
	TableHoldTimes     byte = 0x1f
)

// Derived says whether a table is made from the entries alone.
func Derived(table byte) bool {
	return table >= TableStatements && table <= TableRequests || table >= TableCaseTimes && table <= TableConsents ||
		table >= TableTransfers && table <= TableHoldTimes
}

// MetaKey names a row of the meta table.
func MetaKey(name string) []byte { return append(append(make([]byte, 0, 16), TableMeta), name...) }

// DirectoryKey is the row that holds the index of the newest entry about organizations, keys, officers, courses or
// policies, plus one.
func DirectoryKey() []byte { return MetaKey("directory") }

// OriginsKey is the row that holds the indexes of the entries by which the log got another origin, in their order.
func OriginsKey() []byte { return MetaKey("origins") }

// EntryKey is where an entry lies.
func EntryKey(index uint64) []byte { return uintKey(TableEntries, index) }

// TileKey is where a full tile lies.
func TileKey(level uint8, index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{TableTiles, level}, index)
}

// StatementKey finds the entry of a statement. The organization is named by the index of its registration; records of
// other systems lie under [SourceRecords].
func StatementKey(organization uint64, id unit.StatementID) []byte {
	return append(uintKey(TableStatements, organization), id[:]...)
}

// AccountKey is where the standing of an account lies.
func AccountKey(id unit.AccountID) []byte {
	return append(append(make([]byte, 0, 1+len(id)), TableAccounts), id[:]...)
}

// WeekKey is where a week of an account lies, by its number.
func WeekKey(id unit.AccountID, week int32) []byte {
	key := append(make([]byte, 0, 1+len(id)+4), TableWeeks)
	key = append(key, id[:]...)
	return binary.BigEndian.AppendUint32(key, uint32(week))
}

// WeeksPrefix is the range of all weeks of an account.
func WeeksPrefix(id unit.AccountID) []byte { return append([]byte{TableWeeks}, id[:]...) }

// WeekOf is the number of the week, from Monday to Sunday, in which a day lies: weeks are counted from the first of January
// of the year 1, which was a Monday.
func WeekOf(day int32) int32 {
	const first = 719_162 // days from then to 1970-01-01
	n := int64(day) + first
	week := n / 7
	if n%7 < 0 {
		week--
	}
	return int32(week)
}

// OrganizationKey is where an organization lies.
func OrganizationKey(id string) []byte {
	return append(append(make([]byte, 0, 64), TableOrganizations), id...)
}

// SigningKeyKey is where a key of an organization lies.
func SigningKeyKey(id []byte) []byte { return append([]byte{TableKeys}, id...) }

// OfficerKey is where an officer lies.
func OfficerKey(id string) []byte { return append([]byte{TableOfficers}, id...) }

// CourseKey is where a course lies; index is the entry that proposed it.
func CourseKey(index uint64) []byte { return uintKey(TableCourses, index) }

// CourseNameKey finds the index of a course.
func CourseNameKey(provider, code, version string) []byte {
	return joined(TableCourseNames, provider, code, version)
}

// CourseVersionsPrefix is the range of the versions of a course.
func CourseVersionsPrefix(provider, code string) []byte {
	return append(joined(TableCourseNames, provider, code), 0)
}

// PolicyKey is where a policy lies.
func PolicyKey(hash []byte) []byte { return append([]byte{TablePolicies}, hash...) }

// CaseKey is where a case lies; index is the entry that opened it.
func CaseKey(index uint64) []byte { return uintKey(TableCases, index) }

// QueueKey sorts cases by status, the riskiest and then the oldest first.
func QueueKey(status, risk uint8, index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{TableQueue, status, 0xff - risk}, index)
}

// QueuePrefix is the range of the cases in a status.
func QueuePrefix(status uint8) []byte { return []byte{TableQueue, status} }

// The kinds of times at which cases are listed.
const (
	// CaseEnds is when the state of a case ends by itself.
	CaseEnds uint8 = 1
	// CaseDue is by when an officer should take a step.
	CaseDue uint8 = 2
)

// CaseTimeKey sorts cases by a time, in microseconds since 1970.
func CaseTimeKey(kind uint8, time int64, index uint64) []byte {
	return binary.BigEndian.AppendUint64(CaseTimesUntil(kind, time), index)
}

// CaseTimesUntil is the key before which the cases of earlier times lie.
func CaseTimesUntil(kind uint8, time int64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 18), TableCaseTimes, kind), uint64(time))
}

// CaseTimesPrefix is the range of all cases of a kind of time.
func CaseTimesPrefix(kind uint8) []byte { return []byte{TableCaseTimes, kind} }

// HeldKey lists a case that an officer has taken.
func HeldKey(officer string, index uint64) []byte {
	return binary.BigEndian.AppendUint64(HeldPrefix(officer), index)
}

// HeldPrefix is the range of the cases that an officer has taken. Officers' ids are without zero bytes.
func HeldPrefix(officer string) []byte { return append(joined(TableHeld, officer), 0) }

// FeedKey is where 256 entries are marked that concern an organization: a bit for each, the first entry's being the
// lowest bit of the first byte.
func FeedKey(organization, block uint64) []byte {
	return binary.BigEndian.AppendUint64(uintKey(TableFeeds, organization), block)
}

// RequestKey finds the answer to a call. The caller is an organization or an officer; both are without zero bytes.
func RequestKey(caller, method string, requestID []byte) []byte {
	return append(append(joined(TableRequests, caller, method), 0), requestID...)
}

// CrowdKey is where a crowd lies.
func CrowdKey(crowd uint64) []byte { return uintKey(TableCrowds, crowd) }

// RejectKey is a slot of the ring of an organization's rejects.
func RejectKey(organization uint64, slot uint32) []byte {
	return binary.BigEndian.AppendUint32(uintKey(TableRejects, organization), slot)
}

// RejectCountKey is where the number of an organization's rejects so far lies.
func RejectCountKey(organization uint64) []byte { return uintKey(TableRejects, organization) }

// ApplicationKey is where the application of an organization lies; index is the entry that applied.
func ApplicationKey(index uint64) []byte { return uintKey(TableApplications, index) }

// ImportKey is where an import of opening balances lies; index is the entry that proposed it.
func ImportKey(index uint64) []byte { return uintKey(TableImports, index) }

// AgreementKey is where a version of an agreement lies.
func AgreementKey(hash []byte) []byte { return append([]byte{TableAgreements}, hash...) }

// ConsentKey is where a consent lies; index is the entry that granted it.
func ConsentKey(id unit.AccountID, index uint64) []byte {
	return binary.BigEndian.AppendUint64(ConsentsPrefix(id), index)
}

// ConsentsPrefix is the range of all consents of an account.
func ConsentsPrefix(id unit.AccountID) []byte {
	return append(append(make([]byte, 0, 1+len(id)+8), TableConsents), id[:]...)
}

// ConsentListKey lists a consent that an account grants to an institution, which is named by the index of its registration.
func ConsentListKey(institution, index uint64) []byte {
	return binary.BigEndian.AppendUint64(ConsentListPrefix(institution), index)
}

// ConsentListPrefix is the range of all consents that are granted to an institution.
func ConsentListPrefix(institution uint64) []byte { return uintKey(TableConsentLists, institution) }

// TransferKey is where a hold lies; index is the entry that placed it.
func TransferKey(index uint64) []byte { return uintKey(TableTransfers, index) }

// Whose holds a list is of.
const (
	ofAccount      byte = 1
	ofOrganization byte = 2
)

// AccountTransferKey lists a hold of an account.
func AccountTransferKey(id unit.AccountID, index uint64) []byte {
	return binary.BigEndian.AppendUint64(AccountTransfersPrefix(id), index)
}

// AccountTransfersPrefix is the range of all holds of an account.
func AccountTransfersPrefix(id unit.AccountID) []byte {
	return append(append(make([]byte, 0, 32), TableTransferLists, ofAccount), id[:]...)
}

// OrganizationTransferKey lists a hold for an institution, which is named by the index of its registration.
func OrganizationTransferKey(organization, index uint64) []byte {
	return binary.BigEndian.AppendUint64(OrganizationTransfersPrefix(organization), index)
}

// OrganizationTransfersPrefix is the range of all holds for an institution.
func OrganizationTransfersPrefix(organization uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 32), TableTransferLists, ofOrganization), organization)
}

// HoldTimeKey sorts holds by when they lapse, in microseconds since 1970.
func HoldTimeKey(time int64, index uint64) []byte {
	return binary.BigEndian.AppendUint64(HoldTimesUntil(time), index)
}

// HoldTimesUntil is the key before which the holds lie that lapse earlier.
func HoldTimesUntil(time int64) []byte { return uintKey(TableHoldTimes, uint64(time)) }

// MergeKey is where a merge of two accounts lies; index is the entry that proposed it.
func MergeKey(index uint64) []byte { return uintKey(TableMerges, index) }

// ClawbackKey is where a clawback lies; index is the entry that proposed it.
func ClawbackKey(index uint64) []byte { return uintKey(TableClawbacks, index) }

func uintKey(table byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 32), table), n)
}

func joined(table byte, parts ...string) []byte {
	key := []byte{table}
	for i, part := range parts {
		if i > 0 {
			key = append(key, 0)
		}
		key = append(key, part...)
	}
	return key
}

// Uint is how a row holds one number.
func Uint(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// ParseUint reads what Uint wrote; a missing row is not ok.
func ParseUint(value []byte) (n uint64, ok bool) {
	if len(value) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), true
}
