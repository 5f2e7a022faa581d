package book

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// RowName says in words which row a key names, such as "week of 2026-06-15 of account 00c7…". Ok is false when no row of the
// tables has such a key. It names accounts by their opaque ids and nobody by anything else.
func RowName(key []byte) (name string, ok bool) {
	if len(key) == 0 {
		return "row without a key", false
	}
	if name := rowName(key[0], key[1:]); name != "" {
		return name, true
	}
	// What stands in an unknown key is not known either, so no more than its table and length is told.
	return fmt.Sprintf("key of %d bytes in table %02x", len(key), key[0]), false
}

func rowName(table byte, key []byte) string {
	number := func(at int) uint64 { return binary.BigEndian.Uint64(key[at:]) }
	switch {
	case table == TableMeta:
		return map[string]string{
			"format": "format", "tree": "tree", "directory": "directory", "origins": "origins", "rebuild": "rebuild",
		}[string(key)]
	case table == TableEntries && len(key) == 8:
		return fmt.Sprintf("entry %d", number(0))
	case table == TableTiles && len(key) == 9:
		return fmt.Sprintf("tile %d of level %d", number(1), key[0])
	case table == TableStatements && len(key) == 24 && number(0) == SourceRecords:
		return fmt.Sprintf("record %s of another system", uuid.UUID(key[8:]))
	case table == TableStatements && len(key) == 24:
		return fmt.Sprintf("statement %s of organization %d", uuid.UUID(key[8:]), number(0))
	case table == TableAccounts && len(key) == 16:
		return "account " + hex.EncodeToString(key)
	case table == TableWeeks && len(key) == 20:
		return fmt.Sprintf("week of %s of account %x", monday(int32(binary.BigEndian.Uint32(key[16:]))), key[:16])
	case table == TableOrganizations && isName(key):
		return "organization " + string(key)
	case table == TableKeys && len(key) == 32:
		return "key " + hex.EncodeToString(key)
	case table == TableOfficers && isName(key):
		return "officer " + string(key)
	case table == TableCourses && len(key) == 8:
		return fmt.Sprintf("course %d", number(0))
	case table == TableCourseNames && bytes.Count(key, []byte{0}) == 2 && isName(bytes.ReplaceAll(key, []byte{0}, nil)):
		return "course named " + strings.ReplaceAll(string(key), "\x00", "/")
	case table == TablePolicies && len(key) == 32:
		return "policy " + hex.EncodeToString(key)
	case table == TableCases && len(key) == 8:
		return fmt.Sprintf("case %d", number(0))
	case table == TableQueue && len(key) == 10:
		return fmt.Sprintf("case %d in the queue of status %d and risk %d", number(2), key[0], 0xff-key[1])
	case table == TableFeeds && len(key) == 16:
		return fmt.Sprintf("feed of organization %d from entry %d on", number(0), number(8)<<8)
	case table == TableRequests:
		return requestName(key)
	case table == TableRejects && len(key) == 8:
		return fmt.Sprintf("number of rejects of organization %d", number(0))
	case table == TableRejects && len(key) == 12:
		return fmt.Sprintf("reject %d of organization %d", binary.BigEndian.Uint32(key[8:]), number(0))
	case table == TableCaseTimes && len(key) == 17 && (key[0] == CaseEnds || key[0] == CaseDue):
		return fmt.Sprintf("time %s of case %d", time.UnixMicro(int64(number(1))).UTC().Format(time.RFC3339), number(9))
	case table == TableHeld && len(key) > 9 && key[len(key)-9] == 0 && isName(key[:len(key)-9]):
		return fmt.Sprintf("case %d, which %s has", number(len(key)-8), key[:len(key)-9])
	case table == TableCrowds && len(key) == 8:
		return fmt.Sprintf("crowd %x", key)
	case table == TableImports && len(key) == 8:
		return fmt.Sprintf("import %d", number(0))
	case table == TableAgreements && len(key) == 32:
		return "agreement " + hex.EncodeToString(key)
	case table == TableConsents && len(key) == 24:
		return fmt.Sprintf("consent %d of account %x", number(16), key[:16])
	case table == TableConsentLists && len(key) == 16:
		return fmt.Sprintf("consent %d to organization %d", number(8), number(0))
	case table == TableTransfers && len(key) == 8:
		return fmt.Sprintf("hold %d", number(0))
	case table == TableTransferLists && len(key) == 25 && key[0] == ofAccount:
		return fmt.Sprintf("hold %d of account %x", number(17), key[1:17])
	case table == TableTransferLists && len(key) == 17 && key[0] == ofOrganization:
		return fmt.Sprintf("hold %d for organization %d", number(9), number(1))
	case table == TableHoldTimes && len(key) == 16:
		return fmt.Sprintf("time %s of hold %d", time.UnixMicro(int64(number(0))).UTC().Format(time.RFC3339), number(8))
	case table == TableMerges && len(key) == 8:
		return fmt.Sprintf("merge %d", number(0))
	case table == TableApplications && len(key) == 8:
		return fmt.Sprintf("application %d", number(0))
	case table == TableClawbacks && len(key) == 8:
		return fmt.Sprintf("clawback %d", number(0))
	default:
		return ""
	}
}

// requestName reads caller 00 method 00 request id.
func requestName(key []byte) string {
	caller, rest, _ := bytes.Cut(key, []byte{0})
	method, id, found := bytes.Cut(rest, []byte{0})
	if !found || !isName(caller) || !isName(method) || len(id) != 16 {
		return ""
	}
	return fmt.Sprintf("request %s of %s for %s", uuid.UUID(id), caller, method)
}

// isName says whether a part of a key is one that can be shown: printable ASCII, and not long.
func isName(b []byte) bool {
	return len(b) > 0 && len(b) < 256 && !slices.ContainsFunc(b, func(c byte) bool { return c <= ' ' || c > '~' })
}

// monday is the day on which a week begins.
func monday(week int32) string {
	return time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 7*int(week)).Format(time.DateOnly)
}

// newRow answers a message of the kind that a table's rows hold; nil where they hold none.
func newRow(table byte) message {
	switch table {
	case TableAccounts:
		return new(ledgerv1.AccountRow)
	case TableWeeks:
		return new(ledgerv1.WeekRow)
	case TableOrganizations:
		return new(ledgerv1.OrganizationRow)
	case TableKeys:
		return new(ledgerv1.KeyRow)
	case TableOfficers:
		return new(ledgerv1.OfficerRow)
	case TableCourses:
		return new(ledgerv1.CourseRow)
	case TablePolicies:
		return new(ledgerv1.PolicyRow)
	case TableCases:
		return new(ledgerv1.CaseRow)
	case TableRequests:
		return new(ledgerv1.RequestRow)
	case TableCrowds:
		return new(ledgerv1.CrowdRow)
	case TableImports:
		return new(ledgerv1.ImportRow)
	case TableAgreements:
		return new(ledgerv1.AgreementRow)
	case TableConsents:
		return new(ledgerv1.ConsentRow)
	case TableTransfers:
		return new(ledgerv1.TransferRow)
	case TableMerges:
		return new(ledgerv1.MergeRow)
	case TableApplications:
		return new(ledgerv1.ApplicationRow)
	case TableClawbacks:
		return new(ledgerv1.ClawbackRow)
	case TableRejects:
		return new(ledgerv1.RejectRow)
	default:
		return nil
	}
}

// SameRow says whether two values of a table mean the same. Rows that hold a message may differ in its encoding.
func SameRow(table byte, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, y := newRow(table), newRow(table)
	switch {
	case x == nil:
		return false
	case sameFields(a, b): // as are nearly all rows that were added to in other steps, and nothing has to be decoded
		return true
	case x.UnmarshalVT(a) != nil || y.UnmarshalVT(b) != nil:
		return false
	}
	// Those whose lists of numbers were added to are the same once they are encoded anew, which costs less than comparing messages.
	if a, err := x.MarshalVT(); err == nil {
		if b, err := y.MarshalVT(); err == nil && bytes.Equal(a, b) {
			return true
		}
	}
	return proto.Equal(x, y)
}

// mixedFields is how large the numbers of fields may be that sameFields looks at.
const mixedFields = 32

// sameFields says whether two messages hold the same fields, those of each number in the same order, however those of different
// numbers are mixed. They then mean the same, since no row has a oneof. False says nothing.
func sameFields(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	var rest [mixedFields][]byte // of b, for each number, from behind the last field of that number
	for i := range rest {
		rest[i] = b
	}
	for len(a) > 0 {
		number, _, size := protowire.ConsumeField(a)
		if size < 0 || number >= mixedFields {
			return false
		}
		at := &rest[number] //nolint:gosec // G602: the number has just been compared
		other, found := *at, false
		for len(other) > 0 && !found {
			n, _, otherSize := protowire.ConsumeField(other)
			if otherSize < 0 {
				return false
			}
			if found = n == number; found && !bytes.Equal(a[:size], other[:otherSize]) {
				return false
			}
			other = other[otherSize:]
		}
		if !found {
			return false
		}
		a, *at = a[size:], other
	}
	return true
}

// Difference says in which field a row that is stored is not what the entries add up to, with both numbers where they are
// numbers: empty when the two mean the same. The key is that of both.
func Difference(key, stored, replayed []byte) string {
	table := key[0]
	if SameRow(table, stored, replayed) {
		return ""
	}
	x, y := newRow(table), newRow(table)
	switch {
	case x != nil && y.UnmarshalVT(replayed) == nil:
		if x.UnmarshalVT(stored) != nil {
			return "it cannot be read"
		}
		return messageDifference("", x.ProtoReflect(), y.ProtoReflect())
	case table == TableFeeds && len(stored) == len(replayed) && len(key) == len(FeedKey(0, 0)):
		return markDifference(key, stored, replayed)
	}
	n, ok := ParseUint(stored)
	m, numbers := ParseUint(replayed)
	switch {
	case ok && numbers:
		return fmt.Sprintf("it is %d, the entries say %d", n, m)
	case len(stored) != len(replayed):
		return fmt.Sprintf("it has %d bytes, the entries make %d", len(stored), len(replayed))
	default:
		return "it is not what the entries add up to"
	}
}

// markDifference finds the first entry whose mark is wrong.
func markDifference(key, stored, replayed []byte) string {
	first := binary.BigEndian.Uint64(key[len(key)-8:]) << 8
	for i := range stored {
		for bit := range 8 {
			if is, should := stored[i]>>bit&1, replayed[i]>>bit&1; is != should {
				return fmt.Sprintf("entry %d is marked: %t, by the entries: %t", first+uint64(8*i+bit), is == 1, should == 1)
			}
		}
	}
	return ""
}

// messageDifference finds the first field in which two messages of one kind differ. Path is where they lie in the row.
func messageDifference(path string, stored, replayed protoreflect.Message) string {
	fields := stored.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		a, b := stored.Get(field), replayed.Get(field)
		if a.Equal(b) && stored.Has(field) == replayed.Has(field) {
			continue
		}
		name := path + string(field.Name())
		switch {
		case field.IsList():
			return listDifference(name, field, a.List(), b.List())
		case field.Message() == nil:
			return valueDifference(name, field, a, b)
		case stored.Has(field) && replayed.Has(field):
			return messageDifference(name+".", a.Message(), b.Message())
		case stored.Has(field):
			return name + " is there, by the entries it is not"
		default:
			return name + " is missing"
		}
	}
	if !bytes.Equal(stored.GetUnknown(), replayed.GetUnknown()) {
		return path + "a field that is not known is there"
	}
	return path + "it is not what the entries add up to"
}

func listDifference(name string, field protoreflect.FieldDescriptor, stored, replayed protoreflect.List) string {
	if stored.Len() != replayed.Len() {
		return fmt.Sprintf("%s has %d items, the entries add up to %d", name, stored.Len(), replayed.Len())
	}
	for i := range stored.Len() {
		a, b := stored.Get(i), replayed.Get(i)
		switch at := fmt.Sprintf("%s[%d]", name, i); {
		case a.Equal(b):
		case field.Message() != nil:
			return messageDifference(at+".", a.Message(), b.Message())
		default:
			return valueDifference(at, field, a, b)
		}
	}
	return name + " is not what the entries add up to"
}

// valueDifference shows numbers: texts and bytes say no more than that they differ.
func valueDifference(name string, field protoreflect.FieldDescriptor, stored, replayed protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return name + " is not what the entries add up to"
	default:
		return fmt.Sprintf("%s is %v, the entries add up to %v", name, stored, replayed)
	}
}

// RejectFault says what is wrong with a row of the journal of rejects, as far as a row can say it; empty: nothing.
func RejectFault(key, value []byte) string {
	if len(key) == len(RejectCountKey(0)) {
		if _, ok := ParseUint(value); !ok {
			return "it is no number"
		}
		return ""
	}
	row := new(ledgerv1.RejectRow)
	switch err := proto.Unmarshal(value, row); {
	case err != nil:
		return "it cannot be read"
	case len(row.ProtoReflect().GetUnknown()) > 0:
		return "a field that is not known is there"
	case len(row.GetStatementHash()) != 32 && len(row.GetStatementHash()) != 0:
		return fmt.Sprintf("statement_hash has %d bytes", len(row.GetStatementHash()))
	case len(row.GetStatementId()) != 16 && len(row.GetStatementId()) != 0:
		return fmt.Sprintf("statement_id has %d bytes", len(row.GetStatementId()))
	case row.GetTime() < 0:
		return "time is before 1970"
	default:
		return ""
	}
}
