// Package export writes a learning record in the formats that others read: the deposit and the conversion profile of the
// Shanghai credit bank as CSV and XLSX, ELMO XML (EMREX), and JSON. FORMATS.md beside this file describes each of them.
//
// It is handed everything that it writes: it reads no clock, no ledger and no vault, and decides neither who may see a record
// nor what of a person is in it. What the bank does not know stays empty. It never holds a whole record but where a format
// cannot be written otherwise, which its limits say.
//
// Its one invariant: the same record gives the same bytes, and whatever its texts hold, each file is well formed, has its
// columns and elements in their places, and starts no formula in the program that opens it.
package export

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// Errors that callers branch on.
var (
	// ErrFormat says that there is no such format.
	ErrFormat = errors.New("export: no such format")
	// ErrSize says that a workbook would have more than [MaxSheetRows] rows or [MaxSheetBytes] bytes of cells. The other formats
	// have no such limit, and a shorter period has less in it.
	ErrSize = errors.New("export: too much for one workbook")
	// ErrCode says that a code is none of the profile's, or a text does not fit its field.
	ErrCode = errors.New("export: not a value of the profile")
)

// Format is a form of a file.
type Format string

// The formats.
const (
	ShanghaiCSV    Format = "shanghai-csv"
	ShanghaiXLSX   Format = "shanghai-xlsx"
	ConversionCSV  Format = "shanghai-conversion-csv"
	ConversionXLSX Format = "shanghai-conversion-xlsx"
	ELMO           Format = "elmo"
	JSON           Format = "json"
)

// Formats are all of them.
func Formats() []Format {
	return []Format{ShanghaiCSV, ShanghaiXLSX, ConversionCSV, ConversionXLSX, ELMO, JSON}
}

// form is the table of what a file of each format is called.
func (f Format) form() (mediaType, extension string) {
	switch f {
	case ShanghaiCSV, ConversionCSV:
		return "text/csv; charset=utf-8; header=present", "csv"
	case ShanghaiXLSX, ConversionXLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"
	case ELMO:
		return "application/xml", "xml"
	case JSON:
		return "application/json", "json"
	default:
		return "", ""
	}
}

// MediaType is the media type of a file of the format; empty if there is no such format.
func (f Format) MediaType() string {
	mediaType, _ := f.form()
	return mediaType
}

// FileName is what a file of the format is called that was made on a day. It names nobody.
func (f Format) FileName(made time.Time) string {
	_, extension := f.form()
	profile := ""
	switch f {
	case ShanghaiCSV, ShanghaiXLSX:
		profile = "shanghai-"
	case ConversionCSV, ConversionXLSX:
		profile = "shanghai-conversion-"
	case ELMO:
		profile = "elmo-"
	default:
	}
	return "learning-record-" + profile + made.Format(time.DateOnly) + "." + extension
}

// OnlyEarned says whether the format has only what was passed, one row for each course: so does the deposit profile of the
// Shanghai credit bank.
func (f Format) OnlyEarned() bool { return f == ShanghaiCSV || f == ShanghaiXLSX }

// OfConversions says whether the format has what was taken over by institutions: [WriteConversions] writes it, and not [Write].
func (f Format) OfConversions() bool { return f == ConversionCSV || f == ConversionXLSX }

// Text is said in the languages of the bank; either may be empty.
type Text struct {
	ZH string `json:"zh,omitempty"`
	EN string `json:"en,omitempty"`
}

// Record is everything about an export but its results.
type Record struct {
	Bank    Bank
	Learner Learner
	// Generated is when the record was read, LogSize the size of the log that it was read from.
	Generated time.Time
	LogSize   uint64
	// Choice is what was asked for, as JSON repeats it.
	Choice Choice
	// Deposit is what only the learner's school knows.
	Deposit Deposit
}

// Bank is who answers for a record.
type Bank struct {
	// ID is the stable name of the bank, Origin that of its log.
	ID, Origin string
	// Organization is the name of the organization at the top of the bank, Code its unified social credit code (GB 32100).
	Organization, Code string
}

// Learner is whose record it is.
type Learner struct {
	// Masked says that Name and Document are masked, and that nothing else is known.
	Masked bool
	Name   string
	// Document is the number of an identity document, DocumentKind what it is.
	Document, DocumentKind string
	// Number is the account number, Account the opaque id of the account.
	Number, Account string
	// BirthDate is YYYY-MM-DD; empty: it is not known.
	BirthDate string
}

// Choice is what a record was restricted to.
type Choice struct {
	// From and To are the first and the last day on which learning ended; empty: no limit.
	From, To   string
	Categories []string
	// EarnedOnly leaves out what does not count, BestPerCourse adds up what was learned in one course.
	EarnedOnly, BestPerCourse bool
}

// Kind is what a result is.
type Kind string

// The kinds of results.
const (
	Completion     Kind = "COMPLETION"
	OpeningBalance Kind = "OPENING_BALANCE"
	Claim          Kind = "CLAIM"
)

// Result is one item of a record.
type Result struct {
	// Index is the entry of the log that recorded it.
	Index uint64
	Kind  Kind
	// Title is that of the course, of the claim or of the opening balance.
	Title string
	// Course and Version are empty where it is no completion.
	Course, Version string
	// Provider is the organization that taught, ProviderName its name. Of a claim that is who issued the certificate, of an
	// opening balance the other system: they have no Provider, only its name.
	Provider, ProviderName string
	Category               string
	CategoryName           Text
	// Level is 0 where it has none.
	Level int
	// From and To are the first and the last day of the learning, YYYY-MM-DD; From may be empty.
	From, To string
	Recorded time.Time
	Mode     statementv1.Mode
	Outcome  ledgerv1.Outcome
	// Minutes count, Hour is how many of them make a learning hour (学时) here.
	Minutes, Hour unit.Minutes
	Credits       Credits
	// Points are reward points, which are no credits.
	Points unit.Points
	// Score is 0 to 100, Passed what the platform said; nil where it said nothing.
	Score  *int32
	Passed *bool
	// PolicyHash is the policy that decided; empty where none did.
	PolicyHash []byte
	Reasons    []Reason
	// OfficerReason and Note are an officer's, where one decided.
	OfficerReason, Note string
	// SourceRecord is the name of an opening balance in the other system.
	SourceRecord string
	// Merged are the entries of the results that were added to this one.
	Merged []uint64
}

// Credits are the credits of a result by what can be done with them.
type Credits struct{ Pending, Available, Reserved, Transferred, Expired, Reversed unit.Credits }

// Earned is what was issued and not taken back, whatever became of it since.
func (c Credits) Earned() unit.Credits {
	return c.Pending + c.Available + c.Reserved + c.Transferred + c.Expired
}

// Add adds credits up.
func (c Credits) Add(o Credits) Credits {
	return Credits{
		Pending: c.Pending + o.Pending, Available: c.Available + o.Available, Reserved: c.Reserved + o.Reserved,
		Transferred: c.Transferred + o.Transferred, Expired: c.Expired + o.Expired, Reversed: c.Reversed + o.Reversed,
	}
}

// Reason is one step of a decision.
type Reason struct {
	Stage         ledgerv1.Stage
	Rule          string
	Before, After int64
}

// Earned says whether a result was passed and counts.
func (r Result) Earned() bool { return r.Outcome == ledgerv1.Outcome_OUTCOME_AWARDED }

// Results are the items of a record in the order in which they are written. They end at the first error.
type Results = iter.Seq2[Result, error]

// Write writes a record, in a format that has its results. What has been written when it answers an error is no file.
func Write(w io.Writer, f Format, r Record, results Results) error {
	switch f {
	case ShanghaiCSV:
		return writeCSV(w, depositColumns(), r.deposits(results))
	case ShanghaiXLSX:
		return writeXLSX(w, sheet{"学分存入", r.Bank.Organization, r.Generated}, depositColumns(), r.deposits(results))
	case ELMO:
		return writeELMO(w, r, results)
	case JSON:
		return writeJSON(w, r, results)
	default:
		return fmt.Errorf("%w: %q", ErrFormat, string(f))
	}
}
