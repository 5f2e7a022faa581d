package api

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// A clawback takes completions back that had come to count, or might: one, those of a course, or those of a platform. One officer is
// shown what that would reverse and proposes it; another one is shown the numbers of their own moment and confirms them. Then
// [Bank.RunClawbacks] takes back each by an entry. What is selected never changes: completions that were recorded before an entry,
// and what is asked of them was fixed with them.
//
// A hold is a clawback whose completions are held until it is decided. It takes one officer, for it protects.

// Limits of clawbacks.
const (
	// MaxClawback is how many completions one clawback takes back at most.
	MaxClawback = 100_000
	// maxClawbacksOpen is how many may wait for a second officer at once, of all organizations.
	maxClawbacksOpen = 256

	previewsAtOnce    = 2
	clawbackAccounts  = 10
	maxClawbackReason = 500
	usualClawbackPage = 100
	maxClawbackPage   = 500
)

// CauseClawedBack is why there is a case on a completion that a clawback took back.
const CauseClawedBack = "CLAWED_BACK"

// clawbackRisk is that of the case: its learner may appeal, and an officer who hears that looks closely.
const clawbackRisk = 4

// ClawbackSelection says which completions: those that everything fits which is said.
type ClawbackSelection struct {
	// Completion is one, by its entry; then nothing else is said.
	Completion uint64
	// Provider, Course and Version name a course; Platform who posted.
	Provider, Course, Version string
	Platform                  string
	// From and To are the days on which the learning ended, inclusive; empty: any.
	From, To string
	// RecordedFrom and RecordedUntil are when they were recorded, the latter exclusive; zero: any time.
	RecordedFrom, RecordedUntil time.Time
	// Before is the entry before which they were recorded; 0 in a preview: all of now.
	Before uint64
}

// ClawbackTotals are what a clawback would take back, or holds.
type ClawbackTotals struct {
	Completions, Accounts int64
	Minutes               unit.Minutes
	Points                unit.Points
	// Reserved is held for transfers, which end, so that it is taken back, too. Transferred and Expired cannot be taken back.
	Pending, Available, Reserved, Transferred, Expired unit.Credits
	// Cases are open, and would end.
	Cases int64
}

// Clawback is a clawback as it stands.
type Clawback struct {
	// Index is the entry that proposed it.
	Index uint64
	// Organization is whose officers, and those above it, decide.
	Organization string
	Selection    ClawbackSelection
	State        ledgerv1.ClawbackState
	// Totals are those of its confirmation, or as long as it was not confirmed, of its proposal.
	Totals             ClawbackTotals
	ReasonCode, Reason string
	ProposedBy         string
	Proposed           time.Time
	DecidedBy          string
	Since              time.Time
	// Done are completions that were taken back, Left those that are going to be.
	Done, Left int64
	Minutes    unit.Minutes
	Points     unit.Points
	// Reversed was taken back; Unrecovered had been used.
	Reversed, Unrecovered unit.Credits
	// Unreached could not be taken back; that is known in the end.
	Unreached int64
	// Hold says that its completions are held until it is decided, HoldFuture that so is what is recorded from then on; Held is how
	// many it holds.
	Hold, HoldFuture bool
	Held             int64
}

// ClawbackProposal proposes a clawback.
type ClawbackProposal struct {
	RequestID string
	Selection ClawbackSelection
	// Digest is that of the preview, in hex. A hold can do without.
	Digest string
	// ReasonCode and Reason are why. The reason lies in the clear for ever and names nobody.
	ReasonCode, Reason string
	Hold, HoldFuture   bool
}

func totalsProto(t ClawbackTotals) *ledgerv1.ClawbackTotals {
	return &ledgerv1.ClawbackTotals{
		Completions: t.Completions, Accounts: t.Accounts, Minutes: int64(t.Minutes), MilliPoints: int64(t.Points),
		Pending: int64(t.Pending), Available: int64(t.Available), Reserved: int64(t.Reserved), Transferred: int64(t.Transferred),
		Expired: int64(t.Expired), Cases: t.Cases,
	}
}

func totalsFrom(t *ledgerv1.ClawbackTotals) ClawbackTotals {
	return ClawbackTotals{
		Completions: t.GetCompletions(), Accounts: t.GetAccounts(), Minutes: unit.Minutes(t.GetMinutes()), Points: unit.Points(t.GetMilliPoints()),
		Pending: unit.Credits(t.GetPending()), Available: unit.Credits(t.GetAvailable()), Reserved: unit.Credits(t.GetReserved()),
		Transferred: unit.Credits(t.GetTransferred()), Expired: unit.Credits(t.GetExpired()), Cases: t.GetCases(),
	}
}

// resolve answers the selection as the ledger says it, and the organization whose officers, and those above it, decide on it.
func (s ClawbackSelection) resolve(ctx context.Context, view ledger.View, d *directory) (*ledgerv1.ClawbackSelection, string, error) {
	if s.Before > view.Size() {
		return nil, "", invalid(ReasonClawbackSelection, "selection.before", "the log has %d entries", view.Size())
	}
	p := &ledgerv1.ClawbackSelection{
		Completion: s.Completion, RecordedFrom: micros(s.RecordedFrom), RecordedUntil: micros(s.RecordedUntil), Before: s.Before,
	}
	if p.Before == 0 {
		p.Before = view.Size()
	}
	if s.Completion != 0 {
		only := ClawbackSelection{Completion: s.Completion, Before: s.Before}
		if s != only {
			return nil, "", invalid(ReasonClawbackSelection, "selection", "with one completion nothing else is said")
		}
		return p, resolveCompletion(ctx, view, d, s.Completion), nil
	}
	var fault *Error
	if p.FromDay, fault = parseDay("selection.from_date", s.From, true); fault != nil {
		return nil, "", fault
	}
	if p.ToDay, fault = parseDay("selection.to_date", s.To, true); fault != nil {
		return nil, "", fault
	}
	organization := s.Platform
	if s.Platform != "" {
		row := d.organizations[s.Platform]
		if row == nil {
			return nil, "", faultf(NotFound, ReasonUnknownOrganization, "selection.platform", "there is no organization %q", s.Platform)
		}
		p.Organization = row.GetIndex()
	}
	if s.Provider != "" || s.Course != "" || s.Version != "" {
		c := d.byName[courseName{s.Provider, s.Course, s.Version}]
		if c == nil {
			return nil, "", faultf(NotFound, ReasonUnknownCourse, "selection.course",
				"there is no course %q in version %q of provider %q; see ListCourses", s.Course, s.Version, s.Provider)
		}
		p.Course = c.GetIndex()
		if organization == "" {
			organization = s.Provider
		}
	}
	switch {
	case organization == "":
		return nil, "", invalid(ReasonClawbackSelection, "selection", "say a completion, a course or a platform")
	case p.GetToDay() != 0 && p.GetToDay() < p.GetFromDay():
		return nil, "", invalid(ReasonClawbackSelection, "selection.to_date", "the period ends on %s, before it begins on %s", s.To, s.From)
	case p.GetRecordedUntil() != 0 && p.GetRecordedUntil() <= p.GetRecordedFrom():
		return nil, "", invalid(ReasonClawbackSelection, "selection.recorded_until_time", "the period ends before it begins")
	}
	return p, organization, nil
}

// resolveCompletion answers whose officers decide on a completion: those of its course's provider. Empty: there is no such
// completion.
func resolveCompletion(ctx context.Context, view ledger.View, d *directory, index uint64) string {
	e, err := entryOf(ctx, view, index)
	if err != nil || e.GetCompletionRecorded() == nil {
		return ""
	}
	if c := d.byIndex[e.GetCompletionRecorded().GetCourse()]; c != nil {
		return c.fact.GetProvider()
	}
	return ""
}

// selectionFrom is the inverse of resolve.
func (d *directory) selectionFrom(p *ledgerv1.ClawbackSelection) ClawbackSelection {
	s := ClawbackSelection{
		Completion: p.GetCompletion(), Platform: d.numbers[p.GetOrganization()], From: dayString(p.GetFromDay()), To: dayString(p.GetToDay()),
		RecordedFrom: optionalTime(p.GetRecordedFrom()), RecordedUntil: optionalTime(p.GetRecordedUntil()), Before: p.GetBefore(),
	}
	if c := d.byIndex[p.GetCourse()]; c != nil && p.GetCourse() != 0 {
		s.Provider, s.Course, s.Version = c.fact.GetProvider(), c.fact.GetCode(), c.fact.GetVersion()
	}
	return s
}

func (d *directory) clawbackOf(index uint64, row *ledgerv1.ClawbackRow) Clawback {
	fact := row.GetFact()
	c := Clawback{
		Index: index, Organization: fact.GetOrganization(), Selection: d.selectionFrom(fact.GetSelection()), State: row.GetState(),
		Totals: totalsFrom(fact.GetTotals()), ReasonCode: fact.GetReasonCode(), Reason: fact.GetReason(),
		ProposedBy: fact.GetActor().GetOfficer(), Proposed: timeOf(row.GetTime()), DecidedBy: row.GetDecidedBy(), Since: timeOf(row.GetStateTime()),
		Done: row.GetCompletions(), Minutes: unit.Minutes(row.GetMinutes()), Points: unit.Points(row.GetMilliPoints()),
		Reversed: unit.Credits(row.GetReversed()), Unrecovered: unit.Credits(row.GetUnrecovered()), Unreached: row.GetUnreached(), Hold: fact.GetHold(), HoldFuture: fact.GetHoldFuture(), Held: row.GetHeld(),
	}
	if row.GetConfirmed() != nil {
		c.Totals = totalsFrom(row.GetConfirmed())
	}
	switch c.State {
	case ledgerv1.ClawbackState_CLAWBACK_STATE_PROPOSED, ledgerv1.ClawbackState_CLAWBACK_STATE_HELD, ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED:
		c.Left = max(0, c.Totals.Completions-c.Done)
	default:
	}
	return c
}

// check refuses what is wrong with the words of a proposal.
func (p ClawbackProposal) check() *Error {
	switch p.ReasonCode {
	case "EVIDENCE_MISSING", "NOT_ATTENDED", "IMPLAUSIBLE", "DECIDED_BY_MISTAKE", otherReasonCode:
	default:
		return invalid(ReasonDecisionReason, "reason_code",
			"the reason code is none of EVIDENCE_MISSING, NOT_ATTENDED, IMPLAUSIBLE, DECIDED_BY_MISTAKE and OTHER")
	}
	if p.Reason == "" {
		return invalid(ReasonNoteMissing, "reason", "say why in words: those whose completions are taken back read them")
	}
	if fault := checkText("reason", p.Reason, 1, maxClawbackReason); fault != nil {
		return fault
	}
	switch {
	case p.HoldFuture && !p.Hold:
		return invalid(ReasonClawbackSelection, "hold_future", "only a hold holds what is still to come")
	case p.HoldFuture && (p.Selection.Completion != 0 || !p.Selection.RecordedUntil.IsZero()):
		return invalid(ReasonClawbackSelection, "hold_future", "nothing is to come of one completion, or of a time that has an end")
	case p.Digest == "" && !p.Hold:
		return invalid(ReasonField, "digest", "preview the clawback first, and give the digest of what you saw")
	case p.Digest != "" && p.Selection.Before == 0:
		return invalid(ReasonField, "selection.before", "give the selection as the preview answered it")
	}
	_, fault := parseDigest(p.Digest, p.Hold)
	return fault
}

func parseDigest(s string, optional bool) ([]byte, *Error) {
	digest, err := hex.DecodeString(s)
	if err != nil || len(digest) != 32 && (s != "" || !optional) {
		return nil, invalid(ReasonField, "digest", "the digest of a preview has 64 hexadecimal digits")
	}
	return digest, nil
}

// ProposeClawback proposes to take completions back, or holds them.
func (b *Bank) ProposeClawback(ctx context.Context, caller access.Caller, p ClawbackProposal) (Clawback, error) {
	if err := caller.Holds(access.ProposeClawback); err != nil {
		return Clawback{}, err
	}
	if fault := p.check(); fault != nil {
		return Clawback{}, fault
	}
	var (
		previewed ClawbackPreview
		selection *ledgerv1.ClawbackSelection
	)
	proposing := change{
		caller: caller, method: access.ProposeClawback, requestID: p.RequestID, asked: p,
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.ProposeClawback, "selection", previewed.Organization); err != nil {
				return 0, err
			}
			if p.Digest != "" && p.Digest != previewed.Digest {
				return 0, clawbackChanged()
			}
			if !p.HoldFuture && previewed.Totals.Completions == 0 {
				return 0, faultf(Precondition, ReasonClawbackEmpty, "selection", "nothing that is selected counts, or could come to count")
			}
			if p.HoldFuture { // nothing is recorded between what is held and what is to come
				selection.Before = tx.Next()
			}
			totals := totalsProto(previewed.Totals)
			digest := book.ClawbackDigest(selection, totals)
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackProposed{ClawbackProposed: &ledgerv1.ClawbackProposed{
				Actor: caller.Actor(), Request: request, Organization: previewed.Organization, Selection: selection,
				Totals: totals, Digest: digest[:], ReasonCode: p.ReasonCode, Reason: p.Reason, Hold: p.Hold, HoldFuture: p.HoldFuture,
			}}})
		},
	}
	again, err := b.answered(ctx, proposing)
	if err != nil {
		return Clawback{}, err
	}
	if !again {
		if previewed, selection, err = b.previewOf(ctx, caller, access.ProposeClawback, p.Selection); err != nil {
			return Clawback{}, err
		}
	}
	done, err := b.once(ctx, proposing)
	if err != nil {
		return Clawback{}, err
	}
	b.wakeClawbacks()
	return b.readClawback(ctx, done.Index)
}

// previewOf answers what a proposal is about as it stands now.
func (b *Bank) previewOf(
	ctx context.Context, caller access.Caller, action access.Action, s ClawbackSelection,
) (ClawbackPreview, *ledgerv1.ClawbackSelection, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return ClawbackPreview{}, nil, err
	}
	defer view.Close()
	selection, organization, err := b.permitSelection(ctx, caller, action, view, d, s)
	if err != nil {
		return ClawbackPreview{}, nil, err
	}
	if open, err := openClawbacks(ctx, view); err != nil {
		return ClawbackPreview{}, nil, err
	} else if open >= maxClawbacksOpen {
		return ClawbackPreview{}, nil, faultf(Precondition, ReasonClawbackLimit, "", "%d clawbacks wait for a second officer; decide on some of them first", open)
	}
	previewed, err := b.preview(ctx, view, d, selection, organization, nil)
	return previewed, selection, err
}

// openClawbacks counts those that nobody has decided on.
func openClawbacks(ctx context.Context, view ledger.View) (open int, err error) {
	err = eachClawback(ctx, view, func(_ uint64, row *ledgerv1.ClawbackRow) error {
		if book.Undecided(row.GetState()) {
			open++
		}
		return nil
	})
	return open, err
}

// eachClawback reads all clawbacks in their order.
func eachClawback(ctx context.Context, view ledger.View, each func(index uint64, row *ledgerv1.ClawbackRow) error) error {
	for scanned, err := range view.Scan(ctx, store.Prefix([]byte{book.TableClawbacks})) {
		if err != nil {
			return err
		}
		row := new(ledgerv1.ClawbackRow)
		if err := row.UnmarshalVT(scanned.Value); err != nil {
			return damagedRow(scanned.Key, err)
		}
		index, _ := book.ParseUint(scanned.Key[1:])
		if err := each(index, row); err != nil {
			return err
		}
	}
	return nil
}

func clawbackChanged() *Error {
	return faultf(Changed, ReasonClawbackChanged, "digest",
		"what it would reverse is not what your preview said any more: preview it again, and give that digest")
}

func unknownClawback(index uint64) *Error {
	return faultf(NotFound, ReasonNotFound, "clawback", "there is no clawback %d; see ListClawbacks", index)
}

// permitClawback refuses callers who may not do something about a clawback. Whoever may not see it is not told whether it is there.
func (d *directory) permitClawback(caller access.Caller, action access.Action, index uint64, row *ledgerv1.ClawbackRow) error {
	if err := caller.Check(action, access.Subject{Organization: row.GetFact().GetOrganization()}, d); row == nil || err != nil {
		return unknownClawback(index)
	}
	return nil
}

// permitSelection resolves a selection of which the caller may do something.
func (b *Bank) permitSelection(
	ctx context.Context, caller access.Caller, action access.Action, view ledger.View, d *directory, s ClawbackSelection,
) (*ledgerv1.ClawbackSelection, string, error) {
	if err := caller.Holds(action); err != nil {
		return nil, "", err
	}
	selection, organization, err := s.resolve(ctx, view, d)
	if err != nil {
		return nil, "", err
	}
	if s.Completion != 0 && caller.Check(action, access.Subject{Organization: organization}, d) != nil {
		return nil, "", faultf(NotFound, ReasonNotFound, "selection.completion", "there is no completion %d", s.Completion)
	}
	return selection, organization, d.permit(caller, action, "selection", organization)
}

// ConfirmClawback is the consent of a second officer, who has previewed the clawback. RunClawbacks does it.
func (b *Bank) ConfirmClawback(ctx context.Context, caller access.Caller, requestID string, index uint64, digest string) (Clawback, error) {
	if err := caller.Holds(access.ConfirmClawback); err != nil {
		return Clawback{}, err
	}
	said, fault := parseDigest(digest, false)
	if fault != nil {
		return Clawback{}, fault
	}
	previewed, err := b.previewAgain(ctx, caller, access.ConfirmClawback, index)
	if err != nil {
		return Clawback{}, err
	}
	return b.decideClawback(ctx, caller, access.ConfirmClawback, requestID, index, []any{index, digest}, func(row *ledgerv1.ClawbackRow, d *directory, now time.Time) (*ledgerv1.ClawbackDecided, *Error) {
		officer, organization := row.GetFact().GetActor().GetOfficer(), row.GetFact().GetOrganization()
		switch {
		case caller.Officer == officer:
			return nil, faultf(Denied, ReasonFourEyes, "clawback", "the officer who proposed a clawback does not confirm it")
		case d.ownInstitution(caller, organization, now):
			return nil, faultf(Denied, ReasonOwnInstitution, "clawback", "it is about your own institution; the last word is another one's")
		case digest != previewed.Digest:
			return nil, clawbackChanged()
		}
		return &ledgerv1.ClawbackDecided{
			State: ledgerv1.ClawbackState_CLAWBACK_STATE_CONFIRMED, Totals: totalsProto(previewed.Totals), Digest: said,
		}, nil
	})
}

// ownInstitution says whether the last word on an organization is not this officer's: they are of it, and it did not publish the
// policy that it is under.
func (d *directory) ownInstitution(caller access.Caller, organization string, now time.Time) bool {
	if caller.Organization != organization {
		return false
	}
	p := d.policyFor(organization, now)
	return p == nil || p.Organization() != organization
}

// DeclineClawback turns a clawback down, or has what a hold holds come free.
func (b *Bank) DeclineClawback(ctx context.Context, caller access.Caller, requestID string, index uint64) (Clawback, error) {
	if err := caller.Holds(access.DeclineClawback); err != nil {
		return Clawback{}, err
	}
	return b.decideClawback(ctx, caller, access.DeclineClawback, requestID, index, index, func(row *ledgerv1.ClawbackRow, d *directory, now time.Time) (*ledgerv1.ClawbackDecided, *Error) {
		proposer := caller.Officer == row.GetFact().GetActor().GetOfficer()
		switch {
		case row.GetFact().GetHold() && proposer:
			return nil, faultf(Denied, ReasonFourEyes, "clawback", "the officer who placed a hold does not release it")
		case !proposer && d.ownInstitution(caller, row.GetFact().GetOrganization(), now): // whoever proposed it may give it up
			return nil, faultf(Denied, ReasonOwnInstitution, "clawback", "it is about your own institution; the last word is another one's")
		}
		return &ledgerv1.ClawbackDecided{State: ledgerv1.ClawbackState_CLAWBACK_STATE_DECLINED}, nil
	})
}

// decideClawback writes an officer's decision on a clawback down.
func (b *Bank) decideClawback(
	ctx context.Context, caller access.Caller, action access.Action, requestID string, index uint64, asked any,
	decide func(row *ledgerv1.ClawbackRow, d *directory, now time.Time) (*ledgerv1.ClawbackDecided, *Error),
) (Clawback, error) {
	_, err := b.once(ctx, change{
		caller: caller, method: action, requestID: requestID, asked: asked, reads: [][]byte{book.ClawbackKey(index)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			row, err := tx.Clawback(index)
			if err != nil {
				return 0, err
			}
			if err := d.permitClawback(caller, action, index, row); err != nil {
				return 0, err
			}
			if !book.Undecided(row.GetState()) {
				return 0, faultf(Changed, ReasonClawbackDecided, "clawback", "%s has decided on the clawback; read it again", row.GetDecidedBy())
			}
			decided, fault := decide(row, d, tx.Now())
			if fault != nil {
				return 0, fault
			}
			decided.Actor, decided.Request, decided.Clawback = caller.Actor(), request, index
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ClawbackDecided{ClawbackDecided: decided}})
		},
	})
	if err != nil {
		return Clawback{}, err
	}
	b.wakeClawbacks()
	return b.readClawback(ctx, index)
}

func (b *Bank) readClawback(ctx context.Context, index uint64) (Clawback, error) {
	view, d, err := b.newestView(ctx)
	if err != nil {
		return Clawback{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Clawback(index)
	return d.clawbackOf(index, row), err
}

// GetClawback answers a clawback and how far it is.
func (b *Bank) GetClawback(ctx context.Context, caller access.Caller, index uint64) (Clawback, error) {
	if err := caller.Holds(access.ReadClawbacks); err != nil {
		return Clawback{}, err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return Clawback{}, err
	}
	defer view.Close()
	row, err := view.State(ctx).Clawback(index)
	if err != nil {
		return Clawback{}, err
	}
	if err := d.permitClawback(caller, access.ReadClawbacks, index, row); err != nil {
		return Clawback{}, err
	}
	return d.clawbackOf(index, row), nil
}

// ListClawbacks answers a page of the clawbacks of an organization and of those below it, newest first. A page may have fewer than asked
// for though another one follows.
func (b *Bank) ListClawbacks(
	ctx context.Context, caller access.Caller, organization string, page Page,
) (clawbacks []Clawback, next string, err error) {
	list, err := page.newestFirst(usualClawbackPage, maxClawbackPage, []string{"ListClawbacks", organization})
	if err != nil {
		return nil, "", err
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return nil, "", err
	}
	defer view.Close()
	if err := d.permit(caller, access.ReadClawbacks, "organization", organization); err != nil {
		return nil, "", err
	}
	return pageOfRows(ctx, view, list, []byte{book.TableClawbacks}, maxRowsLooked, func(index uint64, scanned store.Row) (Clawback, bool, error) {
		row := new(ledgerv1.ClawbackRow)
		if err := row.UnmarshalVT(scanned.Value); err != nil {
			return Clawback{}, false, damagedRow(scanned.Key, err)
		}
		return d.clawbackOf(index, row), d.Within(row.GetFact().GetOrganization(), organization), nil
	})
}
