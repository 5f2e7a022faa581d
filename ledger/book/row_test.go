package book_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

func TestRowName(t *testing.T) {
	account := unit.AccountID{0xab, 15: 1}
	statement := unit.StatementID{1, 15: 2}
	hash := make([]byte, 32)
	for want, key := range map[string][]byte{
		"format":            book.MetaKey("format"),
		"tree":              book.MetaKey("tree"),
		"directory":         book.DirectoryKey(),
		"origins":           book.OriginsKey(),
		"rebuild":           book.MetaKey("rebuild"),
		"entry 7":           book.EntryKey(7),
		"tile 7 of level 1": book.TileKey(1, 7),
		"statement 01000000-0000-0000-0000-000000000002 of organization 3": book.StatementKey(3, statement),
		"account ab000000000000000000000000000001":                         book.AccountKey(account),
		"week of 2026-06-15 of account ab000000000000000000000000000001":   book.WeekKey(account, book.WeekOf(20_620)),
		"organization sanfu":                         book.OrganizationKey("sanfu"),
		"key " + strings.Repeat("00", 32):            book.SigningKeyKey(hash),
		"officer anna":                               book.OfficerKey("anna"),
		"course 7":                                   book.CourseKey(7),
		"course named sanfu/tea/1":                   book.CourseNameKey("sanfu", "tea", "1"),
		"policy " + strings.Repeat("00", 32):         book.PolicyKey(hash),
		"case 7":                                     book.CaseKey(7),
		"case 7 in the queue of status 1 and risk 5": book.QueueKey(1, 5, 7),
		"feed of organization 3 from entry 512 on":   book.FeedKey(3, 2),
		"request 01000000-0000-0000-0000-000000000002 of officer:anna for DecideCase": book.RequestKey("officer:anna", "DecideCase", statement[:]),
		"number of rejects of organization 3":                                         book.RejectCountKey(3),
		"agreement " + strings.Repeat("00", 32):                                       book.AgreementKey(hash),
		"consent 7 of account ab000000000000000000000000000001":                       book.ConsentKey(account, 7),
		"hold 7": book.TransferKey(7),
		"hold 7 of account ab000000000000000000000000000001": book.AccountTransferKey(account, 7),
		"hold 7 for organization 3":                          book.OrganizationTransferKey(3, 7),
		"time 1970-01-01T00:00:01Z of hold 7":                book.HoldTimeKey(1_000_000, 7),
		"clawback 7":                                         book.ClawbackKey(7),
		"reject 7 of organization 3":                         book.RejectKey(3, 7),
	} {
		if got, ok := book.RowName(key); got != want || !ok {
			t.Errorf("row %x is %q, %t, want %q", key, got, ok, want)
		}
	}
	for want, key := range map[string][]byte{
		"row without a key":           {},
		"key of 7 bytes in table 01":  book.MetaKey("secret"),
		"key of 10 bytes in table 02": append(book.EntryKey(7), 0),
		"key of 18 bytes in table 05": append(book.AccountKey(account), 0),
		"key of 3 bytes in table 07":  {book.TableOrganizations, 0xff, 0xfe},
		"key of 1 bytes in table 09":  {book.TableOfficers},
		"key of 4 bytes in table 10":  {book.TableRequests, 'a', 0, 'b'},
		"key of 2 bytes in table 12":  {0x12, 1},
	} {
		if got, ok := book.RowName(key); got != want || ok {
			t.Errorf("row %x is %q, %t, want %q", key, got, ok, want)
		}
	}
}

func TestDifference(t *testing.T) {
	encode := func(m interface{ MarshalVT() ([]byte, error) }) []byte {
		b, err := m.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	account := func(change func(*ledgerv1.AccountRow)) []byte {
		row := &ledgerv1.AccountRow{
			OpenedIndex: 7, Home: "beishan", Completions: 2,
			Sums:    []*ledgerv1.CategorySum{{Category: "arts", Minutes: 90, Available: 1000, Issued: 1000}, {Category: "health"}},
			Pending: []*ledgerv1.LotRef{{Entry: 9, Completion: &ledgerv1.CompletionRef{Index: 9}}},
		}
		change(row)
		return encode(row)
	}
	same := account(func(*ledgerv1.AccountRow) {})
	for name, test := range map[string]struct {
		key, stored, replayed []byte
		want                  string
	}{
		"nothing": {book.AccountKey(unit.AccountID{1}), same, same, ""},
		"a number": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Completions = 3 }), same,
			"completions is 3, the entries add up to 2",
		},
		"a text": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Home = "xixi" }), same,
			"home is not what the entries add up to",
		},
		"an enumeration": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Status = 2 }), same,
			"status is 2, the entries add up to 0",
		},
		"an amount in a list": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Sums[0].Available = 1500 }), same,
			"sums[0].available is 1500, the entries add up to 1000",
		},
		"an item more": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Sums = r.Sums[:1] }), same,
			"sums has 1 items, the entries add up to 2",
		},
		"a message deep down": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Pending[0].Completion.EndDay = 4 }), same,
			"pending[0].completion.end_day is 4, the entries add up to 0",
		},
		"a message too few": {
			book.AccountKey(unit.AccountID{1}), account(func(r *ledgerv1.AccountRow) { r.Pending[0].Completion = nil }), same,
			"pending[0].completion is missing",
		},
		"a message too many": {
			book.AccountKey(unit.AccountID{1}), same, account(func(r *ledgerv1.AccountRow) { r.Pending[0].Completion = nil }),
			"pending[0].completion is there, by the entries it is not",
		},
		"an unknown field": {
			book.AccountKey(unit.AccountID{1}), protowire.AppendVarint(protowire.AppendTag(same, 99, protowire.VarintType), 1), same,
			"a field that is not known is there",
		},
		"no message": {book.AccountKey(unit.AccountID{1}), []byte{0xff}, same, "it cannot be read"},
		"an item of a list of numbers": {
			book.WeekKey(unit.AccountID{1}, 2),
			encode(&ledgerv1.WeekRow{Items: []*ledgerv1.CompletionItem{{EffectsIn: []uint64{1, 2}}}}),
			encode(&ledgerv1.WeekRow{Items: []*ledgerv1.CompletionItem{{EffectsIn: []uint64{1, 3}}}}),
			"items[0].effects_in[1] is 2, the entries add up to 3",
		},
		"an index":      {book.StatementKey(3, unit.StatementID{1}), book.Uint(7), book.Uint(8), "it is 7, the entries say 8"},
		"half an index": {book.StatementKey(3, unit.StatementID{1}), []byte{7}, book.Uint(8), "it has 1 bytes, the entries make 8"},
		"a mark":        {book.FeedKey(3, 2), []byte{0, 6}, []byte{0, 2}, "entry 522 is marked: true, by the entries: false"},
		"a queue":       {book.QueueKey(1, 5, 7), []byte{1}, []byte{}, "it has 1 bytes, the entries make 0"},
	} {
		if got := book.Difference(test.key, test.stored, test.replayed); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestRejectFault(t *testing.T) {
	row, err := (&ledgerv1.RejectRow{Time: 1, StatementId: make([]byte, 16), StatementHash: make([]byte, 32)}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key, value []byte
		want       string
	}{
		"a reject":         {book.RejectKey(3, 7), row, ""},
		"a number":         {book.RejectCountKey(3), book.Uint(8), ""},
		"half a number":    {book.RejectCountKey(3), []byte{8}, "it is no number"},
		"half a reject":    {book.RejectKey(3, 7), row[:len(row)-1], "it cannot be read"},
		"an unknown field": {book.RejectKey(3, 7), protowire.AppendVarint(protowire.AppendTag(row, 99, protowire.VarintType), 1), "a field that is not known is there"},
		"a short hash":     {book.RejectKey(3, 7), protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), []byte{1}), "statement_hash has 1 bytes"},
		"a short id":       {book.RejectKey(3, 7), protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte{1}), "statement_id has 1 bytes"},
	} {
		if got := book.RejectFault(test.key, test.value); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
