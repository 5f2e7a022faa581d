package sheet

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Names of the columns of opening balances that completions do not have.
const (
	ColumnAction         = "action"
	ColumnDocumentType   = "document_type"
	ColumnDocumentNumber = "document_number"
	ColumnSourceRecord   = "source_record"
	ColumnCategory       = "category"
	ColumnHours          = "hours"
	ColumnCredits        = "credits"
	ColumnEarnedOn       = "earned_on"
	ColumnExpiresOn      = "expires_on"
	ColumnTitle          = "title"
)

// Reasons of flaws of opening balances that only a file can have.
const (
	ReasonFormula  = "FORMULA"
	ReasonRepeated = "SOURCE_RECORD_REPEATED"
)

// Limits of an opening balance; the bank holds the same ones (proto/creditbank/ledger/v1).
const (
	maxOpeningMinutes   = 1_000_000
	maxOpeningCredits   = 10_000_000
	maxRecordCharacters = 128
	maxTitleCharacters  = 200
	maxCategoryBytes    = 64
)

// BalanceColumns lists all columns of a file of opening balances in the order of the example.
func BalanceColumns() []Column {
	return []Column{
		{ColumnAction, false, "record 登记, or reverse 冲回 to take an earlier one back; left out: record"},
		{ColumnSourceRecord, true, "number of the record in the other system; unique there, for ever"},
		{ColumnAccountNumber, false, "16 digits, spaces and hyphens permitted; or:"},
		{ColumnDocumentType, false, "resident_identity 居民身份证, hongkong_macao_permit, taiwan_permit, residence_permit, permanent_residence or passport 护照; left out: resident_identity"},
		{ColumnDocumentNumber, false, "number of the identity document, where the account number is not known"},
		{ColumnCategory, false, "category, as the bank's policy names it, such as arts"},
		{ColumnMinutes, false, "minutes learned; or:"},
		{ColumnHours, false, "learning hours (学时) of --hour minutes, with at most three decimals"},
		{ColumnCredits, false, "credits (学分), with at most three decimals"},
		{ColumnEarnedOn, false, "day on which it was earned: 2019-05-04"},
		{ColumnExpiresOn, false, "first day on which the credits can no longer be used; left out: never"},
		{ColumnTitle, false, "what it was for, for the learner"},
	}
}

// BalanceOptions say how cells are to be understood.
type BalanceOptions struct {
	// HourMinutes are the minutes of a learning hour of the other system.
	HourMinutes int
	// Now is held against birth dates in identity numbers alone: whether a day has come is for the bank to say, so that two
	// officers read the same rows on different days.
	Now time.Time
}

// Balance is one opening balance.
type Balance struct {
	// Line in the file, from 1, on which the row begins.
	Line int
	// Row is well formed; whether account and category exist is for the bank to say.
	Row *ledgerv1.OpeningBalanceRow
	// Bytes are the row as it is confirmed and sent: the same for the same row, always.
	Bytes []byte
}

// Balances reads a CSV file of opening balances row by row. A *RowError concerns one row, and those after it follow; any
// other error ends the sequence: the file as a whole cannot be read.
func Balances(r io.Reader, options BalanceOptions) iter.Seq2[Balance, error] {
	return func(yield func(Balance, error) bool) {
		type name struct {
			record string
			action ledgerv1.RowAction
		}
		seen := make(map[name]int)
		for record, err := range readCSV(r, BalanceColumns()) {
			if err != nil {
				yield(Balance{}, err)
				return
			}
			row := record.balance(options)
			if row != nil && len(record.flaws) == 0 {
				key := name{row.GetSourceRecord(), row.GetAction()}
				if line := seen[key]; line != 0 {
					record.flaw(ColumnSourceRecord, ReasonRepeated, "line %d has the same record: each is taken once", line)
				} else {
					seen[key] = record.line
				}
			}
			if len(record.flaws) > 0 {
				if !yield(Balance{}, &RowError{Line: record.line, Flaws: record.flaws}) {
					return
				}
				continue
			}
			bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
			if err != nil {
				yield(Balance{}, fmt.Errorf("line %d: %v", record.line, err))
				return
			}
			if !yield(Balance{record.line, row, bytes}, nil) {
				return
			}
		}
	}
}

// BalanceColumnOf answers the column from which a field of a row was made, as the bank names fields in its errors; empty for
// fields that come from no column.
func BalanceColumnOf(field string) string {
	switch field {
	case "milli_credits":
		return ColumnCredits
	case "document_kind":
		return ColumnDocumentType
	}
	for _, column := range BalanceColumns() {
		if column.Name == field {
			return field
		}
	}
	return ""
}

// balance understands the values. Every flaw of the row is found at once. It is nil where nothing could be read.
func (r *record) balance(options BalanceOptions) *ledgerv1.OpeningBalanceRow {
	if len(r.values) == 0 {
		return nil
	}
	r.formulas()
	row := &ledgerv1.OpeningBalanceRow{Action: r.action(), SourceRecord: r.words(ColumnSourceRecord, maxRecordCharacters, true)}
	r.person(row, options)
	if row.GetAction() == ledgerv1.RowAction_ROW_ACTION_REVERSE {
		for _, column := range []string{ColumnCategory, ColumnMinutes, ColumnHours, ColumnCredits, ColumnEarnedOn, ColumnExpiresOn, ColumnTitle} {
			if r.has(column) {
				r.flaw(column, "FIELD_INVALID", "a row that takes an opening balance back takes all of it: leave this empty")
			}
		}
		return row
	}
	row.Category = r.code(ColumnCategory, maxCategoryBytes)
	row.Minutes = r.learned(options.HourMinutes)
	row.MilliCredits = r.credits()
	if row.GetMinutes()+row.GetMilliCredits() == 0 && !r.flawed(ColumnMinutes) && !r.flawed(ColumnHours) && !r.flawed(ColumnCredits) {
		r.flaw(ColumnCredits, "CREDITS_INVALID", "there are neither minutes, nor hours, nor credits: nothing was earned")
	}
	row.EarnedOn = r.date(ColumnEarnedOn, true)
	row.ExpiresOn = r.date(ColumnExpiresOn, false)
	if row.GetExpiresOn() != "" && (row.GetExpiresOn() <= row.GetEarnedOn() || row.GetMilliCredits() == 0) {
		r.flaw(ColumnExpiresOn, "TIME_INVALID", "credits expire after the day on which they were earned, and only credits do")
	}
	row.Title = r.words(ColumnTitle, maxTitleCharacters, false)
	return row
}

// formulas refuses cells that a spreadsheet would run.
func (r *record) formulas() {
	for _, column := range BalanceColumns() {
		if value := r.values[column.Name]; value != "" && strings.ContainsRune("=+-@", rune(value[0])) {
			r.flaw(column.Name, ReasonFormula, "it begins with %q, as a formula or a negative number does: enter the plain value", value[:1])
			delete(r.values, column.Name)
		}
	}
}

func (r *record) action() ledgerv1.RowAction {
	switch strings.ToLower(r.values[ColumnAction]) {
	case "", "record", "登记":
		return ledgerv1.RowAction_ROW_ACTION_RECORD
	case "reverse", "冲回":
		return ledgerv1.RowAction_ROW_ACTION_REVERSE
	default:
		r.flaw(ColumnAction, "UNKNOWN_ENUM", "it is none of record 登记, reverse 冲回")
		return ledgerv1.RowAction_ROW_ACTION_UNSPECIFIED
	}
}

// person understands whose row it is.
func (r *record) person(row *ledgerv1.OpeningBalanceRow, options BalanceOptions) {
	if r.flawed(ColumnAccountNumber) || r.flawed(ColumnDocumentNumber) {
		return
	}
	number, byDocument := r.values[ColumnDocumentNumber]
	switch {
	case r.has(ColumnAccountNumber) && byDocument:
		r.flaw(ColumnDocumentNumber, "DOCUMENT_INVALID", "the row has an account number, too: leave one of them empty")
	case byDocument:
		if r.rounded(ColumnDocumentNumber, number) {
			return
		}
		kind, ok := documentKind(r.values[ColumnDocumentType])
		if !ok {
			r.flaw(ColumnDocumentType, "UNKNOWN_ENUM", "it is none of resident_identity 居民身份证, hongkong_macao_permit 港澳居民来往内地通行证, "+
				"taiwan_permit 台湾居民来往大陆通行证, residence_permit 港澳台居民居住证, permanent_residence 外国人永久居留身份证, passport 护照")
			return
		}
		document, err := unit.ParseDocument(kind, number, options.Now)
		if err != nil {
			r.flaw(ColumnDocumentNumber, "DOCUMENT_INVALID", "%v; compare it with the document", err)
			return
		}
		row.DocumentKind, row.DocumentNumber = string(document.Kind), document.Number
	case r.has(ColumnDocumentType):
		r.need(ColumnDocumentNumber)
	default:
		row.AccountNumber = r.accountNumber()
	}
}

func documentKind(name string) (unit.DocumentKind, bool) {
	switch name {
	case "", "居民身份证", "身份证":
		return unit.ResidentIdentity, true
	case "港澳居民来往内地通行证":
		return unit.HongKongMacaoPermit, true
	case "台湾居民来往大陆通行证":
		return unit.TaiwanPermit, true
	case "港澳台居民居住证":
		return unit.ResidencePermit, true
	case "外国人永久居留身份证":
		return unit.PermanentResidence, true
	case "护照":
		return unit.Passport, true
	}
	kind, err := unit.ParseDocumentKind(strings.ToLower(name))
	return kind, err == nil
}

// words reads text for people.
func (r *record) words(column string, most int, needed bool) string {
	value, ok := r.values[column]
	switch {
	case !ok && needed:
		r.need(column)
	case needed && r.rounded(column, value):
	case utf8.RuneCountInString(value) > most || strings.ContainsFunc(value, unicode.IsControl):
		r.flaw(column, "FIELD_INVALID", "it has at most %d characters, on one line", most)
	default:
		return value
	}
	return ""
}

// learned reads minutes, or hours as minutes.
func (r *record) learned(hour int) int64 {
	minutes, byMinutes := r.values[ColumnMinutes]
	hours, byHours := r.values[ColumnHours]
	switch {
	case byMinutes && byHours:
		r.flaw(ColumnHours, "MINUTES_INVALID", "the row has minutes, too: leave one of them empty")
	case byMinutes:
		n, _ := r.number(ColumnMinutes, "MINUTES_INVALID", minutes, 0, maxOpeningMinutes)
		return n
	case byHours:
		thousandths, ok := r.thousandths(ColumnHours, "MINUTES_INVALID", hours, maxOpeningMinutes)
		product := thousandths * int64(hour)
		switch {
		case !ok:
		case product%1000 != 0:
			r.flaw(ColumnHours, "MINUTES_INVALID", "hours of %d minutes do not come to whole minutes here; give minutes", hour)
		case product/1000 > maxOpeningMinutes:
			r.flaw(ColumnHours, "MINUTES_INVALID", "it comes to more than %d minutes", maxOpeningMinutes)
		default:
			return product / 1000
		}
	}
	return 0
}

func (r *record) credits() int64 {
	value, ok := r.values[ColumnCredits]
	if !ok {
		return 0
	}
	n, _ := r.thousandths(ColumnCredits, "CREDITS_INVALID", value, maxOpeningCredits/1000)
	return n
}

// thousandths reads a decimal number of at most so many wholes.
func (r *record) thousandths(column, reason, value string, most int64) (int64, bool) {
	if r.rounded(column, value) {
		return 0, false
	}
	n, err := unit.ParseCredits(value)
	if err != nil || n < 0 || int64(n) > most*1000 {
		r.flaw(column, reason, "it is a number from 0 to %d with at most three decimals, such as 1.5", most)
		return 0, false
	}
	return int64(n), true
}

// date reads a day, year first: 04/05/2019 could be two days.
func (r *record) date(column string, needed bool) string {
	value, ok := r.values[column]
	if !ok {
		if needed {
			r.need(column)
		}
		return ""
	}
	for _, layout := range [...]string{time.DateOnly, "2006/1/2"} { // the second is what a Chinese spreadsheet makes of the first
		if t, err := time.Parse(layout, value); err == nil && t.Year() >= firstYear {
			return t.Format(time.DateOnly)
		}
	}
	r.flaw(column, "TIME_INVALID", "write a day since %d as 2019-05-04", firstYear)
	return ""
}
