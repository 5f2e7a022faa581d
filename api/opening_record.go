package api

import (
	"bytes"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// OpeningPart is one part of an import.
type OpeningPart struct {
	// Import is the entry that proposed it; 0 where rows are only checked before there is an import.
	Import uint64
	Part   int
	// Rows are the bytes that were confirmed.
	Rows [][]byte
	// ValidateOnly says what would become of the rows and records nothing.
	ValidateOnly bool
	// Organization and Source are those of the import that is going to be proposed; empty where there is one.
	Organization, Source string
}

// OpeningResult answers one row.
type OpeningResult struct {
	// Status is Recorded, Replayed, Rejected, or Valid where rows are only checked.
	Status Status
	// Index of its entry, where there is one.
	Index uint64
	// Fault is why it was rejected.
	Fault *Error
}

// findersAtOnce is how many rows of a part are looked up at the same time: those that name documents wait for the journal.
const findersAtOnce = 64

// RecordOpeningBalances records one part of a confirmed import, or says what would become of its rows. Each row is answered
// on its own.
func (b *Bank) RecordOpeningBalances(
	ctx context.Context, caller access.Caller, part OpeningPart,
) ([]OpeningResult, ledger.Receipt, error) {
	if err := caller.Holds(access.RecordOpeningBalances); err != nil {
		return nil, ledger.Receipt{}, err
	}
	if n := len(part.Rows); n < 1 || n > ImportPartRows {
		return nil, ledger.Receipt{}, invalid(ReasonSubmissionSize, "rows", "the part has %d rows, 1 to %d are taken", n, ImportPartRows)
	}
	var rows []*openingRow
	for range maxPrepare {
		r, err := b.prepareOpening(ctx, caller, part)
		if err != nil {
			return nil, ledger.Receipt{}, err
		}
		if rows == nil { // people do not change with the directory, and each look at them is written down
			if err := r.findAll(ctx); err != nil {
				return nil, ledger.Receipt{}, err
			}
			rows = r.rows
		}
		r.rows = rows
		if part.ValidateOnly {
			results, err := r.validate(ctx)
			return results, ledger.Receipt{}, err
		}
		receipt, errs, err := b.ledger.ProposeEach(ctx, r.reads(), len(r.rows), r.record)
		if err != nil {
			return nil, ledger.Receipt{}, err
		}
		if errors.Is(errors.Join(errs...), errStale) {
			continue
		}
		for i, err := range errs {
			if err != nil {
				r.results[i] = OpeningResult{Status: Rejected, Fault: AsError(err)}
			}
		}
		return r.results, receipt, nil
	}
	return nil, ledger.Receipt{}, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}

// openingRecording is a part on its way to the ledger.
type openingRecording struct {
	bank         *Bank
	caller       access.Caller
	directory    *directory
	part         OpeningPart
	organization string
	source       string
	rows         []*openingRow
	results      []OpeningResult
}

// prepareOpening checks that the caller may record the part, and that it is the part that was confirmed.
func (b *Bank) prepareOpening(ctx context.Context, caller access.Caller, part OpeningPart) (*openingRecording, error) {
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	r := &openingRecording{
		bank: b, caller: caller, part: part, organization: part.Organization, source: part.Source,
		results: make([]OpeningResult, len(part.Rows)),
	}
	if r.directory, err = b.directoryOf(ctx, view); err != nil {
		return nil, err
	}
	if part.Import == 0 && part.ValidateOnly {
		if !isCode(part.Source, maxNameBytes) {
			return nil, invalid(ReasonField, "source", "a source has 1 to %d letters, digits and \"-_.\", such as xihu-2019", maxNameBytes)
		}
		return r, r.directory.permit(caller, access.RecordOpeningBalances, "organization", part.Organization)
	}
	if part.Organization != "" || part.Source != "" {
		return nil, invalid(ReasonField, "organization", "organization and source are those of the import; leave them empty")
	}
	row, err := view.State(ctx).Import(part.Import)
	if err != nil {
		return nil, err
	}
	if err := r.directory.permitImport(caller, access.RecordOpeningBalances, row); err != nil {
		return nil, err
	}
	if row.GetConfirmedPlusOne() == 0 && !part.ValidateOnly {
		return nil, faultf(Precondition, ReasonImportNotConfirmed, "import", "the import waits for another officer than %q to confirm it",
			row.GetFact().GetActor().GetOfficer())
	}
	r.organization, r.source = row.GetFact().GetOrganization(), row.GetFact().GetSource()
	e, err := entryOf(ctx, view, part.Import)
	if err != nil {
		return nil, err
	}
	return r, checkPart(e.GetOpeningBalancesProposed(), part)
}

// checkPart holds the rows against what both officers had before them.
func checkPart(proposed *ledgerv1.OpeningBalancesProposed, part OpeningPart) error {
	roots := proposed.GetPartRoots()
	if part.Part < 0 || part.Part >= len(roots)/merkle.HashSize {
		return invalid(ReasonField, "part", "the import has %d parts, counted from 0", len(roots)/merkle.HashSize)
	}
	count := min(ImportPartRows, int(proposed.GetRows())-part.Part*ImportPartRows)
	hashes := make([]merkle.Hash, len(part.Rows))
	for i, row := range part.Rows {
		hashes[i] = merkle.LeafHash(row)
	}
	root := merkle.RootOf(hashes)
	if len(hashes) != count || !bytes.Equal(root[:], roots[part.Part*merkle.HashSize:(part.Part+1)*merkle.HashSize]) {
		return faultf(Precondition, ReasonImportMismatch, "rows", "these are not the rows of part %d of the import", part.Part)
	}
	return nil
}

// findAll reads the rows and finds their accounts.
func (r *openingRecording) findAll(ctx context.Context) error {
	r.rows = make([]*openingRow, len(r.part.Rows))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(findersAtOnce)
	for i, b := range r.part.Rows {
		row := readOpeningRow(b, r.bank.config.Now())
		if r.rows[i] = row; row.fault == nil {
			group.Go(func() error { return row.find(ctx, r.bank, r.caller, r.source) })
		}
	}
	return group.Wait()
}

// reads names the rows that the writer is going to read.
func (r *openingRecording) reads() [][]byte {
	keys := make([][]byte, 0, 3*len(r.rows)+2)
	keys = append(keys, book.DirectoryKey(), book.ImportKey(r.part.Import))
	for _, row := range r.rows {
		if row.fault == nil {
			keys = append(keys, book.StatementKey(book.SourceRecords, row.id), book.AccountKey(row.account), book.WeekKey(row.account, book.WeekOf(row.earned)))
		}
	}
	return keys
}

// openingState is what the answer to a row follows from: the writer's state, or that of a view.
type openingState struct {
	*book.State
	now   time.Time
	entry func(index uint64) (*ledgerv1.Entry, error)
}

// look says what becomes of a row; a zero result is one that is to be recorded. Target is the opening balance that the row
// takes back, if it does.
func (r *openingRecording) look(
	s openingState, row *openingRow,
) (result OpeningResult, account *ledgerv1.AccountRow, target *ledgerv1.CompletionItem, err error) {
	rejected := func(fault *Error) (OpeningResult, *ledgerv1.AccountRow, *ledgerv1.CompletionItem, error) {
		return OpeningResult{Status: Rejected, Fault: fault}, nil, nil, nil
	}
	if row.fault != nil {
		return rejected(row.fault)
	}
	if account, err = s.Account(row.account); err != nil {
		return result, nil, nil, err
	}
	if account == nil || !r.directory.Within(account.GetHome(), r.organization) {
		return rejected(unknownHolder(row.whose()))
	}
	index, known, err := s.Statement(book.SourceRecords, row.id)
	if err != nil {
		return result, nil, nil, err
	}
	if known {
		result, err = r.replayed(s, row, index)
		return result, nil, nil, err
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field = row.whose()
		return rejected(fault)
	}
	if row.GetAction() == ledgerv1.RowAction_ROW_ACTION_RECORD {
		if fault := row.judge(r.directory.policyFor(account.GetHome(), s.now), s.now); fault != nil {
			return rejected(fault)
		}
		return result, account, nil, nil
	}
	index, known, err = s.Statement(book.SourceRecords, row.record)
	if err != nil {
		return result, nil, nil, err
	}
	if !known {
		return rejected(faultf(NotFound, ReasonUnknownRecord, "source_record", "the source has no opening balance of this record on the ledger"))
	}
	e, err := s.entry(index)
	if err != nil {
		return result, nil, nil, err
	}
	recorded := e.GetOpeningBalanceRecorded()
	on, target, err := located(s, recorded.GetAccount(), &ledgerv1.CompletionRef{Index: index, EndDay: recorded.GetEarnedDay()})
	if err != nil {
		return result, nil, nil, err
	}
	if on != row.account {
		return rejected(faultf(Precondition, ReasonRecordConflict, row.whose(), "the opening balance of this record is on another account"))
	}
	return result, account, target, nil
}

// replayed answers a row whose record is on the ledger. It was recorded of the account as it was then, which may have become part
// of the one where the row leads now.
func (r *openingRecording) replayed(s openingState, row *openingRow, index uint64) (OpeningResult, error) {
	e, err := s.entry(index)
	if err != nil {
		return OpeningResult{}, err
	}
	digest, on := row.digest, openingAccountOf(e)
	if on != row.account {
		lives, _, err := living(s, on)
		if err != nil {
			return OpeningResult{}, err
		}
		if lives == row.account {
			if digest, err = row.says(r.bank.vault, on); err != nil {
				return OpeningResult{}, err
			}
		}
	}
	if !bytes.Equal(importOriginOf(e).GetRowDigest(), digest[:]) {
		return OpeningResult{Status: Rejected, Fault: faultf(Conflict, ReasonRecordConflict, "source_record",
			"entry %d has another row under this record; to correct it, take it back and record it anew under a record of its own, such as with -2 at its end", index)}, nil
	}
	return OpeningResult{Status: Replayed, Index: index}, nil
}

// importOriginOf says which row of which import an entry comes of, nil where of none.
func importOriginOf(e *ledgerv1.Entry) *ledgerv1.ImportOrigin {
	if reversed := e.GetOpeningBalanceReversed(); reversed != nil {
		return reversed.GetOrigin()
	}
	return e.GetOpeningBalanceRecorded().GetOrigin()
}

// openingAccountOf is the account of which a row was recorded.
func openingAccountOf(e *ledgerv1.Entry) unit.AccountID {
	if reversed := e.GetOpeningBalanceReversed(); reversed != nil {
		return unit.AccountID(reversed.GetAccount())
	}
	return unit.AccountID(e.GetOpeningBalanceRecorded().GetAccount())
}

// record is the writer's step for one row.
func (r *openingRecording) record(tx *ledger.Tx, i int) error {
	version, err := tx.Directory()
	if err != nil {
		return err
	}
	if version != r.directory.version {
		return errStale
	}
	if err := r.directory.stands(r.caller); err != nil {
		return err
	}
	row := r.rows[i]
	result, account, target, err := r.look(openingState{tx.State, tx.Now(), tx.Entry}, row)
	if err != nil || result.Status != 0 {
		r.results[i] = result
		return err
	}
	// What is overdue on the account comes first.
	if err := r.bank.settle(context.Background(), tx, r.directory, row.account); err != nil {
		return err
	}
	origin := &ledgerv1.ImportOrigin{
		Import: r.part.Import, Part: uint32(r.part.Part), Position: uint32(i), SourceId: row.id[:], RowDigest: row.digest[:],
	}
	e, err := r.entry(tx, row, origin, account, target)
	if err != nil {
		return err
	}
	index, err := tx.Append(e)
	r.results[i] = OpeningResult{Status: Recorded, Index: index}
	return err
}

func (r *openingRecording) entry(
	tx *ledger.Tx, row *openingRow, origin *ledgerv1.ImportOrigin, account *ledgerv1.AccountRow, target *ledgerv1.CompletionItem,
) (*ledgerv1.Entry, error) {
	if target == nil {
		return row.recordedOpening(r.caller.Actor(), origin, r.source)
	}
	effects, unrecovered, err := reversal(tx, r.directory, row.account, account, target)
	if err != nil {
		return nil, err
	}
	sealed, err := row.seal("OpeningBalanceReversed")
	return &ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalanceReversed{OpeningBalanceReversed: &ledgerv1.OpeningBalanceReversed{
		Actor: r.caller.Actor(), Origin: origin, Account: row.account[:], Balance: refOf(target), Effects: effects,
		Unrecovered: unrecovered, Sealed: sealed,
	}}}, err
}

// validate says what would become of the rows.
func (r *openingRecording) validate(ctx context.Context) ([]OpeningResult, error) {
	view, err := r.bank.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	state := openingState{view.State(ctx), r.bank.config.Now(), func(index uint64) (*ledgerv1.Entry, error) { return entryOf(ctx, view, index) }}
	for i, row := range r.rows {
		result, _, _, err := r.look(state, row)
		if err != nil {
			return nil, err
		}
		if result.Status == 0 {
			result.Status = Valid
		}
		r.results[i] = result
	}
	return r.results, nil
}
