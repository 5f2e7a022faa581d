package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Opening balances are what residents had earned under another system. Two officers answer for an import of them: one
// proposes it, by its hashes, and another one who has the same file confirms exactly that; then its rows may be recorded. The
// file stays with the officers: between the two the bank keeps nothing that could be about a person, and there is nothing
// to erase. Whoever sends rows afterwards, the hashes say that they are those that both had before them.

// Limits of an import.
const (
	// MaxImportRows is how many rows one import has at most.
	MaxImportRows = 1_000_000
	// ImportPartRows is how many rows each part of an import has, but for the last one.
	ImportPartRows = 1000

	maxImportCategories = 64
	usualImportPage     = 100
	maxImportPage       = 500
)

// CategoryAmount is an amount of a category.
type CategoryAmount struct {
	Category     string
	Minutes      int64
	MilliCredits int64
}

// OpeningImport describes an import of opening balances. It names nobody.
type OpeningImport struct {
	// Index is the entry that proposed it.
	Index uint64
	// Organization is in whose subtree all accounts are at home; Source the name of the system, for ever.
	Organization, Source string
	// FileHash is the SHA-256 of the file as the officers have it.
	FileHash []byte
	// Rows are all, Reversals those among them that take an earlier opening balance back.
	Rows, Reversals int
	// PartRoots are the RFC 6962 roots over the bytes of the rows of each part. Lists leave them out.
	PartRoots [][]byte
	// Totals are what the rows add up to, in the order of the categories' names.
	Totals []CategoryAmount

	ProposedBy  string
	Proposed    time.Time
	ConfirmedBy string
	Confirmed   time.Time
}

// fact is the import as the ledger says it.
func (i OpeningImport) fact() *ledgerv1.OpeningBalancesProposed {
	fact := &ledgerv1.OpeningBalancesProposed{
		Organization: i.Organization, Source: i.Source, FileHash: i.FileHash,
		Rows: uint32(i.Rows), Reversals: uint32(i.Reversals), PartRoots: slices.Concat(i.PartRoots...),
	}
	for _, t := range i.Totals {
		fact.Totals = append(fact.Totals, &ledgerv1.CategoryAmount{Category: t.Category, Minutes: t.Minutes, MilliCredits: t.MilliCredits})
	}
	return fact
}

func importOf(index uint64, row *ledgerv1.ImportRow) OpeningImport {
	fact := row.GetFact()
	i := OpeningImport{
		Index: index, Organization: fact.GetOrganization(), Source: fact.GetSource(), FileHash: fact.GetFileHash(),
		Rows: int(fact.GetRows()), Reversals: int(fact.GetReversals()),
		ProposedBy: fact.GetActor().GetOfficer(), Proposed: timeOf(row.GetTime()),
		ConfirmedBy: row.GetConfirmedBy(), Confirmed: optionalTime(row.GetConfirmedTime()),
	}
	for _, t := range fact.GetTotals() {
		i.Totals = append(i.Totals, CategoryAmount{t.GetCategory(), t.GetMinutes(), t.GetMilliCredits()})
	}
	return i
}

func (i OpeningImport) check() *Error {
	const field = "import."
	if !isCode(i.Source, maxNameBytes) {
		return invalid(ReasonField, field+"source", "a source has 1 to %d letters, digits and \"-_.\", such as xihu-2019", maxNameBytes)
	}
	if len(i.FileHash) != sha256.Size {
		return invalid(ReasonField, field+"file_hash", "the SHA-256 of a file has 64 hexadecimal digits")
	}
	if i.Rows < 1 || i.Rows > MaxImportRows {
		return invalid(ReasonField, field+"rows", "there are %d rows, 1 to %d are taken", i.Rows, MaxImportRows)
	}
	if i.Reversals < 0 || i.Reversals > i.Rows {
		return invalid(ReasonField, field+"reversals", "%d of %d rows take something back", i.Reversals, i.Rows)
	}
	if parts := (i.Rows + ImportPartRows - 1) / ImportPartRows; len(i.PartRoots) != parts {
		return invalid(ReasonField, field+"part_roots", "there are %d roots, and %d parts of %d rows", len(i.PartRoots), parts, ImportPartRows)
	}
	for n, root := range i.PartRoots {
		if len(root) != merkle.HashSize {
			return invalid(ReasonField, indexed(field+"part_roots", n), "a root has %d bytes", merkle.HashSize)
		}
	}
	return i.checkTotals(field + "totals")
}

func (i OpeningImport) checkTotals(field string) *Error {
	if len(i.Totals) > maxImportCategories {
		return invalid(ReasonField, field, "there are %d categories, at most %d are taken", len(i.Totals), maxImportCategories)
	}
	for n, t := range i.Totals {
		records := int64(i.Rows - i.Reversals)
		switch {
		case !isCode(t.Category, maxNameBytes) || n > 0 && t.Category <= i.Totals[n-1].Category:
			return invalid(ReasonField, indexed(field, n), "the categories are not names in alphabetical order, each once")
		case t.Minutes < 0 || t.Minutes > records*maxOpeningMinutes || t.MilliCredits < 0 || t.MilliCredits > records*maxOpeningCredits:
			return invalid(ReasonField, indexed(field, n), "so many rows cannot add up to that")
		}
	}
	return nil
}

// ProposeOpeningBalances writes an import down as proposed.
func (b *Bank) ProposeOpeningBalances(
	ctx context.Context, caller access.Caller, requestID string, i OpeningImport,
) (OpeningImport, error) {
	if err := caller.Holds(access.ProposeOpeningBalances); err != nil {
		return OpeningImport{}, err
	}
	if fault := i.check(); fault != nil {
		return OpeningImport{}, fault
	}
	done, err := b.once(ctx, change{
		caller: caller, method: access.ProposeOpeningBalances, requestID: requestID, asked: i,
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.ProposeOpeningBalances, "import.organization", i.Organization); err != nil {
				return 0, err
			}
			fact := i.fact()
			fact.Actor, fact.Request = caller.Actor(), request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalancesProposed{OpeningBalancesProposed: fact}})
		},
	})
	if err != nil {
		return OpeningImport{}, err
	}
	return b.readImport(ctx, done.Index)
}

// ConfirmOpeningBalances is the consent of a second officer, who says of the import everything that the first one said. It
// answers the entry, too.
func (b *Bank) ConfirmOpeningBalances(
	ctx context.Context, caller access.Caller, requestID string, i OpeningImport,
) (OpeningImport, uint64, error) {
	if err := caller.Holds(access.ConfirmOpeningBalances); err != nil {
		return OpeningImport{}, 0, err
	}
	if fault := i.check(); fault != nil {
		return OpeningImport{}, 0, fault
	}
	done, err := b.once(ctx, change{
		caller: caller, method: access.ConfirmOpeningBalances, requestID: requestID, asked: i,
		reads: [][]byte{book.ImportKey(i.Index), book.EntryKey(i.Index)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			row, err := tx.Import(i.Index)
			if err != nil {
				return 0, err
			}
			if err := d.permitImport(caller, access.ConfirmOpeningBalances, row); err != nil {
				return 0, err
			}
			e, err := tx.Entry(i.Index)
			if err != nil {
				return 0, err
			}
			if fault := checkConfirm(row, e.GetOpeningBalancesProposed(), i, caller); fault != nil {
				return 0, fault
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OpeningBalancesConfirmed{OpeningBalancesConfirmed: &ledgerv1.OpeningBalancesConfirmed{
				Actor: caller.Actor(), Request: request, Import: i.Index, FileHash: i.FileHash,
			}}})
		},
	})
	if err != nil {
		return OpeningImport{}, 0, err
	}
	confirmed, err := b.readImport(ctx, i.Index)
	return confirmed, done.Index, err
}

// checkConfirm holds the rule of four eyes on the same thing.
func checkConfirm(
	row *ledgerv1.ImportRow, proposed *ledgerv1.OpeningBalancesProposed, i OpeningImport, caller access.Caller,
) *Error {
	said := i.fact()
	said.Actor, said.Request = proposed.GetActor(), proposed.GetRequest()
	switch {
	case row.GetConfirmedPlusOne() != 0:
		return faultf(Precondition, ReasonImportConfirmed, "import.import", "entry %d confirmed the import; its rows can be recorded", row.GetConfirmedPlusOne()-1)
	case proposed.GetActor().GetOfficer() == caller.Officer:
		return faultf(Denied, ReasonFourEyes, "import.import", "the officer who proposed an import does not confirm it")
	case !bytes.Equal(said.GetFileHash(), proposed.GetFileHash()):
		return faultf(Precondition, ReasonImportMismatch, "import.file_hash", "import %d was proposed of another file", i.Index)
	case !proto.Equal(said, proposed):
		return faultf(Precondition, ReasonImportMismatch, "import",
			"import %d was proposed of the same file, but read in another way: compare organization, source, minutes of an hour and the version of the program", i.Index)
	default:
		return nil
	}
}

// permitImport refuses callers who may not do something about an import. Whoever may not see it is not told whether it is
// there.
func (d *directory) permitImport(caller access.Caller, action access.Action, row *ledgerv1.ImportRow) error {
	if err := caller.Check(action, access.Subject{Organization: row.GetFact().GetOrganization()}, d); row == nil || err != nil {
		return faultf(NotFound, ReasonNotFound, "import", "the organization and those below it have no such import; see ListOpeningBalanceImports")
	}
	return nil
}

func (b *Bank) readImport(ctx context.Context, index uint64) (OpeningImport, error) {
	view, err := b.ledger.View()
	if err != nil {
		return OpeningImport{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Import(index)
	return importOf(index, row), err
}

// ListOpeningBalanceImports answers a page of the imports of an organization and of those below it, newest first. A page may have
// fewer than asked for though another one follows.
func (b *Bank) ListOpeningBalanceImports(
	ctx context.Context, caller access.Caller, organization string, page Page,
) (imports []OpeningImport, next string, err error) {
	list, err := page.newestFirst(usualImportPage, maxImportPage, []string{"ListOpeningBalanceImports", organization})
	if err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	if err := d.permit(caller, access.ReadImports, "organization", organization); err != nil {
		return nil, "", err
	}
	return pageOfRows(ctx, view, list, []byte{book.TableImports}, maxRowsLooked, func(index uint64, scanned store.Row) (OpeningImport, bool, error) {
		row := new(ledgerv1.ImportRow)
		if err := row.UnmarshalVT(scanned.Value); err != nil {
			return OpeningImport{}, false, damagedRow(scanned.Key, err)
		}
		return importOf(index, row), d.Within(row.GetFact().GetOrganization(), organization), nil
	})
}
