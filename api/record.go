package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Submission is what a platform sends: statements under one signature.
type Submission struct {
	Organization string
	// KeyID is hex.
	KeyID      string
	Signature  []byte
	Statements [][]byte
	// BankID and Root are what the signed text names; empty: not said.
	BankID string
	Root   []byte
}

// Status is what was done with a statement.
type Status uint8

// The statuses of a statement.
const (
	Recorded Status = iota + 1
	Replayed
	Rejected
	// Valid is what could be recorded, where only that was asked.
	Valid
)

// StatementResult answers one statement.
type StatementResult struct {
	Status Status
	// Index of its entry, unless it was rejected.
	Index uint64
	// Decision on it, where it is a completion on the ledger.
	Decision *Decision
	// Fault is why it was rejected.
	Fault *Error
}

// maxPrepare is how often a call is prepared again since the directory changed meanwhile. Of several changes of the
// directory that are proposed at the same time one succeeds in each commit.
const maxPrepare = 256

// errStale says that the directory on which something was prepared is no longer the newest.
var errStale = errors.New("api: prepared on an old directory")

// RecordCompletions records the statements of one submission. Each is answered on its own. With reasons, replayed
// statements are answered with the reasons of their decision too, which costs opening their seals.
func (b *Bank) RecordCompletions(
	ctx context.Context, caller access.Caller, submission Submission, reasons bool,
) ([]StatementResult, ledger.Receipt, error) {
	b.posting.Add(1)
	defer b.posting.Add(-1)
	for range maxPrepare {
		r, err := b.prepare(ctx, caller, submission)
		if err != nil {
			return nil, ledger.Receipt{}, err
		}
		receipt, errs, err := b.ledger.ProposeEach(ctx, r.reads(), len(r.statements), r.record)
		if err != nil {
			return nil, ledger.Receipt{}, err
		}
		if errors.Is(errors.Join(errs...), errStale) {
			continue
		}
		return b.answer(ctx, r, errs, reasons, receipt)
	}
	return nil, ledger.Receipt{}, faultf(Busy, ReasonBusy, "", "the bank's directory changes too fast; try again")
}

// recording is a submission on its way to the ledger.
type recording struct {
	bank       *Bank
	directory  *directory
	number     uint64 // of the organization
	submission Submission
	key        keyring.KeyID
	hashes     []merkle.Hash
	statements []preparedStatement
	results    []StatementResult
	draft      draft
	// posted is when it reached the bank.
	posted time.Time
	// received is the entry of the submission once there is one, plus one.
	received uint64
}

// preparedStatement is a statement with everything that could be found out outside the writer.
type preparedStatement struct {
	statement
	account unit.AccountID
	sealer  *vault.Sealer
	course  *course
	policy  *published
	judged  *policy.Prepared
	// held: officers hold what its course or platform brings.
	held bool
}

// prepare verifies a submission and does for each statement what needs no newest state, spread over the cores.
func (b *Bank) prepare(ctx context.Context, caller access.Caller, submission Submission) (*recording, error) {
	if n := len(submission.Statements); n < 1 || n > MaxStatements {
		return nil, invalid(ReasonSubmissionSize, "statements", "the submission has %d statements, 1 to %d are taken", n, MaxStatements)
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, err
	}
	if err := caller.Check(access.RecordCompletions, access.Subject{Organization: submission.Organization}, d); err != nil {
		return nil, err
	}
	r := &recording{
		bank: b, directory: d, submission: submission, posted: b.config.Now(),
		number:     d.organizations[submission.Organization].GetIndex(),
		hashes:     make([]merkle.Hash, len(submission.Statements)),
		statements: make([]preparedStatement, len(submission.Statements)),
		results:    make([]StatementResult, len(submission.Statements)),
	}
	for i, s := range submission.Statements {
		r.hashes[i] = merkle.LeafHash(s)
	}
	if err := r.verify(); err != nil {
		return nil, err
	}
	workers := min(runtime.GOMAXPROCS(0), (len(r.statements)+63)/64)
	if workers == 1 {
		return r, r.prepareRange(ctx, 0, len(r.statements))
	}
	group, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		group.Go(func() error {
			from, to := w*len(r.statements)/workers, (w+1)*len(r.statements)/workers
			return r.prepareRange(ctx, from, to)
		})
	}
	return r, group.Wait()
}

// verify checks the key and the one signature over the submission.
func (r *recording) verify() error {
	id, err := keyring.ParseKeyID(r.submission.KeyID)
	if err != nil {
		return invalid(ReasonUnknownKey, "key_id", "%w", err)
	}
	key, ok := r.directory.Key(id)
	if !ok {
		return faultf(Unauthenticated, ReasonUnknownKey, "key_id", "the key is not registered")
	}
	organization := unit.OrganizationID(r.submission.Organization)
	if err := key.Check(organization, keyring.Sign, r.posted); err != nil {
		fault := AsError(err)
		fault.Field = "key_id"
		return fault
	}
	root := merkle.RootOf(r.hashes)
	if said := r.submission.BankID; said != "" && said != r.bank.ID() {
		return invalid(ReasonWrongBank, "bank_id", "the submission is for another bank; this one is %q", r.bank.ID())
	}
	if said := r.submission.Root; len(said) > 0 && !bytes.Equal(said, root[:]) {
		return invalid(ReasonRootMismatch, "root", "the statements do not lead to the root: they were changed or reordered on their way")
	}
	text := keyring.SubmissionText(r.bank.ID(), organization, id, len(r.hashes), root)
	if err := key.Public.Verify(text, r.submission.Signature); err != nil {
		return faultf(Unauthenticated, ReasonWrongSignature, "signature",
			"%w: it must be over the submission text of bank %q, this key, these statements and their root", err, r.bank.ID())
	}
	r.key = id
	return nil
}

// prepareRange prepares some statements: decoded, checked, with account, course and policy, and every condition run.
func (r *recording) prepareRange(ctx context.Context, from, to int) error {
	for i := from; i < to; i++ {
		p := &r.statements[i]
		p.statement = readStatement(r.submission.Statements[i], r.hashes[i], r.posted)
		if p.fault != nil || p.completion == nil {
			continue
		}
		if err := r.findAccount(ctx, p); err != nil {
			return err
		}
		if p.fault == nil {
			p.fault = r.findCourse(p)
		}
		if p.fault == nil {
			if err := r.ask(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask runs the conditions of the policy on a statement. The learner's age is looked up where a rule asks for it alone.
func (r *recording) ask(ctx context.Context, p *preparedStatement) error {
	born, err := born(ctx, p.policy, p.sealer)
	if err != nil {
		p.fault, err = accountFault(err)
		return err
	}
	p.held = r.holds(p)
	p.ask(r.directory, r.submission.Organization, r.posted, born)
	return nil
}

// holds says whether officers hold what this course or platform brings.
func (r *recording) holds(p *preparedStatement) bool {
	if len(r.directory.holds) == 0 {
		return false
	}
	item := &ledgerv1.CompletionItem{
		Time: r.posted.UnixMicro(), Organization: r.number, Course: p.course.GetIndex(), EndDay: int32(p.policy.Day(p.ended())),
	}
	return slices.ContainsFunc(r.directory.holds, func(s *ledgerv1.ClawbackSelection) bool { return book.Fits(s, item) })
}

func (r *recording) findAccount(ctx context.Context, p *preparedStatement) error {
	sealer, err := r.bank.vault.SealerOf(ctx, unit.AccountNumber(p.completion.GetAccountNumber()))
	if err == nil {
		p.account, p.sealer = sealer.Account(), sealer
	}
	p.fault, err = accountFault(err)
	return err
}

// accountFault is what a statement is rejected with where the vault has no such account. It hands any other error back.
func accountFault(err error) (*Error, error) {
	const field = "completion.account_number"
	switch {
	case errors.Is(err, vault.ErrUnknownAccount):
		return faultf(NotFound, ReasonUnknownAccount, field, "no account has this number; ask ResolveAccount, or open one"), nil
	case errors.Is(err, vault.ErrErased), errors.Is(err, vault.ErrKeyGone):
		return faultf(Precondition, ReasonAccountErased, field, "the account was erased"), nil
	default:
		return nil, err
	}
}

func (r *recording) findCourse(p *preparedStatement) *Error {
	c := p.completion
	p.course = r.directory.byName[courseName{c.GetProvider(), c.GetCourse(), c.GetCourseVersion()}]
	if p.course == nil {
		return faultf(NotFound, ReasonUnknownCourse, "completion.course",
			"there is no course %q in version %q of provider %q; see ListCourses", c.GetCourse(), c.GetCourseVersion(), c.GetProvider())
	}
	if !p.course.counts() {
		return faultf(Precondition, ReasonCourseNotAccredited, "completion.course",
			"the course is not accredited; it can be posted when an officer has decided so")
	}
	p.policy = r.directory.policyFor(c.GetProvider(), p.ended())
	if p.policy == nil {
		return faultf(Precondition, ReasonNoPolicy, "completion.sessions",
			"no policy is in force for provider %q and learning that ended then", c.GetProvider())
	}
	if !r.directory.admissions[r.submission.Organization].admits(ledgerv1.Role_ROLE_PLATFORM, int32(p.policy.Day(p.ended()))) {
		return faultf(Precondition, ReasonPlatformNotAccredited, "completion.sessions",
			"platform %q was not accredited on the day on which the learning ended; what ended on other days can be posted", r.submission.Organization)
	}
	return nil
}

// reads names the rows that the writer is going to read.
func (r *recording) reads() [][]byte {
	keys := make([][]byte, 0, 3*len(r.statements)+4)
	keys = append(keys, book.DirectoryKey(), book.OrganizationKey(r.submission.Organization), book.RejectCountKey(r.number))
	for i := range r.statements {
		p := &r.statements[i]
		if p.hasID {
			keys = append(keys, book.StatementKey(r.number, p.id))
		}
		if p.judged != nil {
			keys = append(keys, standingKeys(p.account, p.judged)...)
		}
	}
	return keys
}

// record is the writer's step for one statement.
func (r *recording) record(tx *ledger.Tx, i int) error {
	received, kept := r.received, false
	defer func() {
		if !kept {
			r.received = received // what this step wrote down is undone
		}
	}()
	err := r.recordStatement(tx, i)
	kept = err == nil
	return err
}

func (r *recording) recordStatement(tx *ledger.Tx, i int) error {
	version, err := tx.Directory()
	if err != nil {
		return err
	}
	if version != r.directory.version {
		return errStale
	}
	// The entry's time is what an auditor compares the key with.
	if err := r.directory.keys[r.key].Check(unit.OrganizationID(r.submission.Organization), keyring.Sign, tx.Now()); err != nil {
		return err
	}
	p := &r.statements[i]
	if p.hasID {
		index, known, err := tx.Statement(r.number, p.id)
		if err != nil {
			return err
		}
		if known {
			return r.replay(tx, i, index)
		}
	}
	switch {
	case p.fault != nil:
		return r.reject(tx, i, p.fault)
	case p.void != nil:
		return r.recordVoid(tx, i)
	default:
		return r.recordCompletion(tx, i)
	}
}

// reject notes a statement that is not recorded. It is no error of the step: the note is kept.
func (r *recording) reject(tx *ledger.Tx, i int, fault *Error) error {
	p := &r.statements[i]
	r.results[i] = StatementResult{Status: Rejected, Fault: fault}
	row := &ledgerv1.RejectRow{
		Time: tx.Now().UnixMicro(), StatementHash: p.hash[:],
		Reason: string(fault.Reason), Field: fault.Field, Message: fault.Message,
	}
	if p.hasID {
		row.StatementId = p.id[:]
	}
	return tx.Reject(r.number, row)
}

// replay answers a statement that is on the ledger.
func (r *recording) replay(tx *ledger.Tx, i int, index uint64) error {
	e, err := tx.Entry(index)
	if err != nil {
		return err
	}
	recorded := e.GetCompletionRecorded()
	origin := recorded.GetOrigin()
	if recorded == nil {
		origin = e.GetCompletionVoided().GetOrigin()
	}
	if string(origin.GetStatementHash()) != string(r.hashes[i][:]) {
		return r.reject(tx, i, faultf(Conflict, ReasonStatementConflict, "id",
			"entry %d records another statement under this id; a correction is a void and a new statement with an id of its own", index))
	}
	r.results[i] = StatementResult{Status: Replayed, Index: index}
	if recorded != nil {
		r.results[i].Decision = recordedDecision(recorded)
	}
	return nil
}

func (r *recording) recordCompletion(tx *ledger.Tx, i int) error {
	p := &r.statements[i]
	account, err := tx.Account(p.account)
	if err != nil {
		return err
	}
	if isMerged(account) {
		if account, err = r.follow(tx, p); err != nil {
			return err
		}
	}
	if fault := checkOpen(account); fault != nil {
		return r.reject(tx, i, fault)
	}
	if p.sealer == nil {
		return r.reject(tx, i, faultf(Precondition, ReasonAccountErased, "completion.account_number", "the account was erased"))
	}
	standing, assessment, err := r.bank.judge(context.Background(), tx, r.directory, p, account)
	if err != nil {
		return err
	}
	made := r.draft.blank()
	if err := r.origin(tx, i, &made.origin); err != nil {
		return err
	}
	index, recorded := tx.Next(), &made.recorded
	recorded.Origin, recorded.Effects = &made.origin, &made.effects
	if err := p.describe(standing, assessment, index, recorded); err != nil {
		return err
	}
	made.sealed.Statement, made.sealed.Reasons, made.sealed.PostedAt = p.bytes, made.say(assessment.Reasons), r.posted.UnixMicro()
	if recorded.Sealed, err = made.seal(p.sealer, p.id); err != nil {
		return err
	}
	suspicions, err := suspects(tx, r.directory, p.judged.Crowds())
	if err != nil {
		return err
	}
	made.fact.CompletionRecorded, made.entry.Fact = recorded, &made.fact
	if _, err := tx.Append(&made.entry); err != nil {
		return err
	}
	for _, s := range suspicions {
		if err := s.open(tx, r.directory); err != nil {
			return err
		}
	}
	decision := recordedDecision(recorded)
	decision.Reasons = assessment.Reasons
	r.results[i] = StatementResult{Status: Recorded, Index: index, Decision: decision}
	return nil
}

// draft is the entry of a completion on its way. The statements of a submission have it one after the other, since fresh memory
// for every one is an eighth of what a completion costs: of the entry, ledger.Tx keeps the bytes and ledger/book what it needs.
type draft struct {
	entry    ledgerv1.Entry
	fact     ledgerv1.Entry_CompletionRecorded
	recorded ledgerv1.CompletionRecorded
	origin   ledgerv1.Origin
	effects  ledgerv1.Effects
	sealed   ledgerv1.SealedCompletion

	buffers draftBuffers
}

// draftBuffers are what a draft has room in for more than one.
type draftBuffers struct {
	reasons []ledgerv1.Reason
	said    []*ledgerv1.Reason
	plain   []byte // of what is sealed
	// What an assessment adds, in the lists of the effects.
	hours    []*ledgerv1.YearMinutes
	days     []*ledgerv1.DayMinutes
	usage    []*ledgerv1.CapUsage
	lots     []*ledgerv1.Lot
	points   []*ledgerv1.Points
	sessions []*ledgerv1.SessionTime
}

// blank answers the draft with nothing in it.
func (d *draft) blank() *draft {
	b, e := &d.buffers, &d.effects
	b.hours, b.days, b.usage, b.lots, b.points, b.sessions = e.Hours, e.Days, e.Usage, e.Lots, e.Points, e.Sessions
	*d = draft{buffers: d.buffers}
	e.Hours, e.Days, e.Usage, e.Lots, e.Points, e.Sessions = b.hours[:0], b.days[:0], b.usage[:0], b.lots[:0], b.points[:0], b.sessions[:0]
	return d
}

// more answers a new element of a list. It is one that was in the list before it was emptied, if there is one, and is to be
// overwritten as a whole.
func more[T any](list *[]*T) *T {
	n := len(*list)
	if n < cap(*list) && (*list)[:n+1][n] != nil {
		*list = (*list)[:n+1]
	} else {
		*list = append(*list, new(T))
	}
	return (*list)[n]
}

// say answers reasons as they are sealed.
func (d *draft) say(reasons []policy.Reason) []*ledgerv1.Reason {
	b := &d.buffers
	if len(b.reasons) < len(reasons) {
		b.reasons, b.said = make([]ledgerv1.Reason, 2*len(reasons)), make([]*ledgerv1.Reason, 2*len(reasons))
	}
	for i, reason := range reasons {
		b.said[i] = &b.reasons[i]
		writeReason(b.said[i], reason)
	}
	return b.said[:len(reasons)]
}

// seal closes what is sealed of the completion.
func (d *draft) seal(sealer *vault.Sealer, statement unit.StatementID) ([]byte, error) {
	size := d.sealed.SizeVT()
	d.buffers.plain = slices.Grow(d.buffers.plain[:0], size)[:size]
	if _, err := d.sealed.MarshalToSizedBufferVT(d.buffers.plain); err != nil {
		return nil, fmt.Errorf("api: seal: %v", err)
	}
	return sealer.Seal("CompletionRecorded", statement, d.buffers.plain)
}

// origin says where a statement came from. The first recorded statement of a larger submission writes the submission
// down before itself.
func (r *recording) origin(tx *ledger.Tx, i int, origin *ledgerv1.Origin) error {
	p := &r.statements[i]
	origin.Organization, origin.StatementId, origin.StatementHash = r.submission.Organization, p.id[:], p.hash[:]
	if len(r.statements) == 1 {
		origin.KeyId, origin.Signature = r.key[:], r.submission.Signature
		return nil
	}
	if r.received == 0 {
		hashes := make([]byte, 0, len(r.hashes)*merkle.HashSize)
		for _, h := range r.hashes {
			hashes = append(hashes, h[:]...)
		}
		index, err := tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_SubmissionReceived{SubmissionReceived: &ledgerv1.SubmissionReceived{
			Organization: r.submission.Organization, KeyId: r.key[:], Signature: r.submission.Signature, StatementHashes: hashes,
		}}})
		if err != nil {
			return err
		}
		r.received = index + 1
	}
	origin.Submission, origin.Position = r.received-1, uint32(i)
	return nil
}

// setSessions makes sessions those of effects.
func setSessions(effects *ledgerv1.Effects, sessions []policy.SessionTime) {
	effects.Sessions = effects.Sessions[:0]
	for _, s := range sessions {
		*more(&effects.Sessions) = ledgerv1.SessionTime{Day: int32(s.Day), Start: s.Start, Length: s.Length}
	}
}

// answer completes the results when everything is durable.
func (b *Bank) answer(
	ctx context.Context, r *recording, errs []error, reasons bool, receipt ledger.Receipt,
) ([]StatementResult, ledger.Receipt, error) {
	for i, err := range errs {
		if err != nil {
			// The step failed and left nothing: a fault of the bank for this statement alone.
			r.results[i] = StatementResult{Status: Rejected, Fault: AsError(err)}
		}
		b.metrics.recorded(r.results[i])
		if reasons && r.results[i].Status == Replayed && r.results[i].Decision != nil {
			if err := b.openReasons(ctx, r, i); err != nil {
				return nil, ledger.Receipt{}, err
			}
		}
		if d := r.results[i].Decision; d != nil {
			d.withoutPoints()
			d.policy = r.directory.policyOf(d.PolicyHash)
		}
	}
	return r.results, receipt, nil
}

// openReasons adds the reasons of a replayed decision.
func (b *Bank) openReasons(ctx context.Context, r *recording, i int) error {
	view, err := b.ledger.View()
	if err != nil {
		return err
	}
	defer view.Close()
	e, err := entryOf(ctx, view, r.results[i].Index)
	if err != nil {
		return err
	}
	opened, err := b.openCompletion(ctx, e.GetCompletionRecorded())
	if err != nil {
		return err
	}
	r.results[i].Decision.Reasons = reasonsFrom(opened.GetReasons())
	return nil
}

// checkOpen refuses an account on which nothing may happen.
func checkOpen(account *ledgerv1.AccountRow) *Error {
	if account.GetMoving() {
		return arriving("completion.account_number")
	}
	switch account.GetStatus() {
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_PROVISIONAL, ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED:
		return nil
	case ledgerv1.AccountStatus_ACCOUNT_STATUS_UNSPECIFIED:
		return faultf(NotFound, ReasonUnknownAccount, "completion.account_number", "the account is not open yet")
	default:
		return faultf(Precondition, ReasonAccountNotOpen, "completion.account_number", "the account is frozen, merged or closed")
	}
}
