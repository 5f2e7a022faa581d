package api

import (
	"context"
	"fmt"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of lists of entries.
const (
	maxLogPage   = 1000
	usualLogPage = 100
)

// LogEntry is an entry as it lies on the ledger. Fact and Bytes are empty where the caller may not read it, or not in a list.
type LogEntry struct {
	Index    uint64
	Time     time.Time
	Fact     string
	Bytes    []byte
	LeafHash merkle.Hash
}

// Proof is a proof with the checkpoint that was newest when it was made.
type Proof struct {
	LeafHash   merkle.Hash
	Hashes     []merkle.Hash
	Size       uint64
	Checkpoint []byte
}

// Checkpoint answers the signed checkpoint that everyone is shown: the newest, or, where the log has witnesses, the newest
// that they were asked to cosign, with the cosignatures that it got. Receipts and proofs carry the newest. It is only read.
func (b *Bank) Checkpoint() (*cosignature.Checkpoint, error) {
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if b.config.Published != nil {
		return b.config.Published(), nil
	}
	return &cosignature.Checkpoint{Signed: view.Checkpoint()}, nil
}

// Tile answers the bytes of a tile of hashes. Tiles are anyone's.
func (b *Bank) Tile(ctx context.Context, tile merkle.Tile) ([]byte, error) {
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return view.Tile(ctx, tile)
}

// FormerLogs answers the logs that ended before this one, the oldest first. They are anyone's.
func (b *Bank) FormerLogs(ctx context.Context) ([]ledger.FormerLog, error) {
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return view.FormerLogs(ctx)
}

// GetEntry answers an entry to those who may read it and, if asked, its proof. An officer's look at an entry about an account is
// journalled on it, before anything is answered; about a merge on both.
func (b *Bank) GetEntry(ctx context.Context, caller access.Caller, index uint64, withProof bool) (LogEntry, *Proof, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return LogEntry{}, nil, err
	}
	defer view.Close()
	raw, err := view.Entry(ctx, index)
	if err != nil {
		return LogEntry{}, nil, err
	}
	entry, subject, err := b.shown(ctx, caller, view, d, index, raw)
	if err != nil {
		return LogEntry{}, nil, err
	}
	if entry.Bytes == nil {
		// Say why, as the table of access says it.
		if err := caller.Check(access.ReadEntry, access.Subject{}, d); err != nil {
			return LogEntry{}, nil, err
		}
	}
	var proof *Proof
	if withProof {
		hashes, err := view.InclusionProof(ctx, index, view.Size())
		if err != nil {
			return LogEntry{}, nil, err
		}
		proof = &Proof{LeafHash: entry.LeafHash, Hashes: hashes, Size: view.Size(), Checkpoint: view.Checkpoint()}
	}
	if caller.Kind == access.Officer {
		if err := b.journalEntry(ctx, caller, view, subject); err != nil {
			return LogEntry{}, nil, err
		}
	}
	return entry, proof, nil
}

// ListEntries answers a page of the log from an index on. Entries that the caller may not read keep their place, time
// and leaf hash; so do, for an officer, those about an account, which GetEntry answers one by one.
func (b *Bank) ListEntries(
	ctx context.Context, caller access.Caller, start uint64, page Page,
) (entries []LogEntry, next string, err error) {
	size, fault := page.size(usualLogPage, maxLogPage)
	if fault != nil {
		return nil, "", fault
	}
	asked := []any{"ListEntries", start}
	from := start
	if err := parsePageToken(page.Token, asked, &from); err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	r := store.Prefix([]byte{book.TableEntries})
	r.Start = book.EntryKey(from)
	index := from
	for row, err := range view.Scan(ctx, r) {
		if err != nil {
			return nil, "", err
		}
		if len(entries) == size {
			next, err = pageToken(asked, index)
			return entries, next, err
		}
		entry, subject, err := b.shown(ctx, caller, view, d, index, append([]byte(nil), row.Value...))
		if err != nil {
			return nil, "", err
		}
		if caller.Kind == access.Officer && !subject.account.IsZero() {
			entry.Fact, entry.Bytes = "", nil
		}
		entries = append(entries, entry)
		index++
	}
	return entries, "", nil
}

// shown is an entry as the caller may see it, and whom it concerns.
func (b *Bank) shown(
	ctx context.Context, caller access.Caller, view ledger.View, d *directory, index uint64, raw []byte,
) (LogEntry, entrySubject, error) {
	e := new(ledgerv1.Entry)
	if err := e.UnmarshalVT(raw); err != nil {
		return LogEntry{}, entrySubject{}, fmt.Errorf("%w: entry %d: %v", ledger.ErrDamaged, index, err)
	}
	entry := LogEntry{Index: index, Time: timeOf(e.GetTime()), LeafHash: merkle.LeafHash(raw)}
	subject, personal, err := subjectOf(ctx, view, e)
	if err != nil {
		return LogEntry{}, entrySubject{}, err
	}
	if !personal || b.mayRead(caller, subject, d) {
		entry.Fact, entry.Bytes = book.Fact(e), raw
	}
	return entry, subject, nil
}

// journalEntry journals that an entry was read, if it concerns an account: where its holder looks today, and for a merge on both
// accounts, as GetMerge does.
func (b *Bank) journalEntry(ctx context.Context, caller access.Caller, view ledger.View, s entrySubject) error {
	if s.account.IsZero() {
		return nil
	}
	accounts := []unit.AccountID{s.account, s.other}
	if s.other.IsZero() {
		id, _, err := living(view.State(ctx), s.account)
		if err != nil {
			return err
		}
		accounts = []unit.AccountID{id}
	}
	for _, id := range accounts {
		if err := b.journal(ctx, caller, id, access.ReadEntry, ""); err != nil {
			return err
		}
	}
	return nil
}

// entrySubject is whom a personal entry concerns.
type entrySubject struct {
	account unit.AccountID
	home    string
	// other is the other account of a merge.
	other unit.AccountID
	// withheld: from the account's holder, too, so that officers alone read it.
	withheld bool
	// platform posted it, or is the institution of a transfer.
	platform string
}

// mayRead says whether the caller may read an entry about an account or a submission.
func (b *Bank) mayRead(caller access.Caller, s entrySubject, d *directory) bool {
	organization := s.platform
	if caller.Kind == access.Officer {
		organization = s.home
	}
	subject := access.Subject{Organization: organization, Account: s.account}
	if s.withheld {
		subject.Account = unit.AccountID{}
	}
	return caller.Check(access.ReadEntry, subject, d) == nil
}

// subjectOf says whom an entry concerns; entries about organizations, keys, officers, policies, courses and agreements
// concern nobody.
func subjectOf(ctx context.Context, view ledger.View, e *ledgerv1.Entry) (s entrySubject, personal bool, err error) {
	var account, other []byte
	var held *uint64
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_CompletionRecorded:
		account, s.platform = fact.CompletionRecorded.GetAccount(), fact.CompletionRecorded.GetOrigin().GetOrganization()
	case *ledgerv1.Entry_CompletionVoided:
		account, s.platform = fact.CompletionVoided.GetAccount(), fact.CompletionVoided.GetOrigin().GetOrganization()
	case *ledgerv1.Entry_SubmissionReceived:
		// It holds hashes of statements about many people.
		s.platform = fact.SubmissionReceived.GetOrganization()
		return s, true, nil
	case *ledgerv1.Entry_CreditsAwarded:
		account = fact.CreditsAwarded.GetAccount()
	case *ledgerv1.Entry_CaseStepTaken:
		account = fact.CaseStepTaken.GetAccount()
		// The learner is not told who objected: see entryReader.progress.
		s.withheld = fact.CaseStepTaken.GetStep() == ledgerv1.CaseStep_CASE_STEP_OBJECTED
	case *ledgerv1.Entry_CaseOpened:
		account = fact.CaseOpened.GetAccount()
	case *ledgerv1.Entry_ClaimFiled:
		account = fact.ClaimFiled.GetAccount()
	case *ledgerv1.Entry_HoldPlaced:
		account, s.platform = fact.HoldPlaced.GetAccount(), fact.HoldPlaced.GetInstitution()
	case *ledgerv1.Entry_HoldPosted:
		account, held = fact.HoldPosted.GetAccount(), &fact.HoldPosted.Hold
	case *ledgerv1.Entry_HoldVoided:
		account, held = fact.HoldVoided.GetAccount(), &fact.HoldVoided.Hold
	case *ledgerv1.Entry_HoldExpired:
		account, held = fact.HoldExpired.GetAccount(), &fact.HoldExpired.Hold
	case *ledgerv1.Entry_CreditsReleased:
		account = fact.CreditsReleased.GetAccount()
	case *ledgerv1.Entry_CreditsExpired:
		account = fact.CreditsExpired.GetAccount()
	case *ledgerv1.Entry_AccountOpened:
		account = fact.AccountOpened.GetAccount()
	case *ledgerv1.Entry_OpeningBalanceRecorded:
		account = fact.OpeningBalanceRecorded.GetAccount()
	case *ledgerv1.Entry_OpeningBalanceReversed:
		account = fact.OpeningBalanceReversed.GetAccount()
	case *ledgerv1.Entry_ConsentGranted:
		account = fact.ConsentGranted.GetAccount()
	case *ledgerv1.Entry_ConsentWithdrawn:
		account = fact.ConsentWithdrawn.GetAccount()
	case *ledgerv1.Entry_AccountMergeProposed, *ledgerv1.Entry_AccountMergeStepTaken, *ledgerv1.Entry_AccountsMerged,
		*ledgerv1.Entry_ItemMoved, *ledgerv1.Entry_AccountsUnmerged, *ledgerv1.Entry_ItemReturned:
		if account, other, err = mergeSubject(ctx, view, e); err != nil {
			return s, true, err
		}
	case *ledgerv1.Entry_CompletionHeld:
		account = fact.CompletionHeld.GetAccount()
	case *ledgerv1.Entry_CreditsReversed:
		account = fact.CreditsReversed.GetAccount()
	case *ledgerv1.Entry_OpeningBalancesProposed:
		// They hold hashes of what concerns many people: for the officers of the organization.
		s.home = fact.OpeningBalancesProposed.GetOrganization()
		return s, true, nil
	case *ledgerv1.Entry_OpeningBalancesConfirmed:
		row, err := view.State(ctx).Import(fact.OpeningBalancesConfirmed.GetImport())
		s.home = row.GetFact().GetOrganization()
		return s, true, err
	case *ledgerv1.Entry_ClawbackProposed:
		// They say what officers think of a platform or of a school: for those of the organization.
		s.home = fact.ClawbackProposed.GetOrganization()
		return s, true, nil
	case *ledgerv1.Entry_ClawbackDecided:
		row, err := view.State(ctx).Clawback(fact.ClawbackDecided.GetClawback())
		s.home = row.GetFact().GetOrganization()
		return s, true, err
	default:
		return s, false, nil
	}
	if s.account, err = unit.AccountIDFromBytes(account); err != nil {
		return s, true, fmt.Errorf("%w: entry %d: %w", ledger.ErrDamaged, e.GetIndex(), err)
	}
	if other != nil {
		if s.other, err = unit.AccountIDFromBytes(other); err != nil {
			return s, true, fmt.Errorf("%w: entry %d: %w", ledger.ErrDamaged, e.GetIndex(), err)
		}
	}
	if held != nil {
		placed, err := entryOf(ctx, view, *held)
		if err != nil {
			return s, true, err
		}
		s.platform = placed.GetHoldPlaced().GetInstitution()
	}
	row, err := view.State(ctx).Account(s.account)
	s.home = row.GetHome()
	return s, true, err
}

// mergeSubject is the account that an entry about a merge concerns: the one that goes on. While nobody agreed, and since it was
// undone, the two may be two people's: then it is the one that would have come over, or was given back. It concerns no platform,
// which may know one of the two alone. The other account is answered with it.
func mergeSubject(ctx context.Context, view ledger.View, e *ledgerv1.Entry) (account, other []byte, err error) {
	merge := e.GetIndex()
	switch fact := e.GetFact().(type) {
	case *ledgerv1.Entry_AccountMergeStepTaken:
		merge = fact.AccountMergeStepTaken.GetMerge()
	case *ledgerv1.Entry_AccountsMerged:
		merge = fact.AccountsMerged.GetMerge()
	case *ledgerv1.Entry_ItemMoved:
		merge = fact.ItemMoved.GetMerge()
	case *ledgerv1.Entry_AccountsUnmerged:
		merge = fact.AccountsUnmerged.GetMerge()
	case *ledgerv1.Entry_ItemReturned:
		merge = fact.ItemReturned.GetMerge()
	default:
	}
	row, err := view.State(ctx).Merge(merge)
	if err != nil {
		return nil, nil, err
	}
	from, into := row.GetFact().GetFrom(), row.GetFact().GetInto()
	switch row.GetStatus() {
	case ledgerv1.MergeStatus_MERGE_STATUS_MOVING, ledgerv1.MergeStatus_MERGE_STATUS_MERGED, ledgerv1.MergeStatus_MERGE_STATUS_UNDO_PROPOSED:
		return into, from, nil
	default:
		return from, into, nil
	}
}

// InclusionProof proves that an entry is in the log of a size; 0 is that of the newest checkpoint. Proofs are anyone's.
func (b *Bank) InclusionProof(ctx context.Context, index, size uint64) (*Proof, error) {
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if size == 0 {
		size = view.Size()
	}
	hashes, err := view.InclusionProof(ctx, index, size)
	if err != nil {
		return nil, err
	}
	leaf, err := view.LeafHash(ctx, index)
	if err != nil {
		return nil, err
	}
	return &Proof{LeafHash: leaf, Hashes: hashes, Size: size, Checkpoint: view.Checkpoint()}, nil
}

// ConsistencyProof proves that the log of one size is the beginning of the log of another; 0 as the newer one is that of
// the newest checkpoint. Proofs are anyone's.
func (b *Bank) ConsistencyProof(ctx context.Context, older, newer uint64) (*Proof, error) {
	view, err := b.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if newer == 0 {
		newer = view.Size()
	}
	hashes, err := view.ConsistencyProof(ctx, older, newer)
	if err != nil {
		return nil, err
	}
	return &Proof{Hashes: hashes, Size: newer, Checkpoint: view.Checkpoint()}, nil
}
