package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/ledgertest"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	awarded   = ledgerv1.Outcome_OUTCOME_AWARDED
	inReview  = ledgerv1.Outcome_OUTCOME_IN_REVIEW
	noCredit  = ledgerv1.Outcome_OUTCOME_NO_CREDIT
	duplicate = ledgerv1.Outcome_OUTCOME_DUPLICATE
	voided    = ledgerv1.Outcome_OUTCOME_VOIDED
	refused   = ledgerv1.Outcome_OUTCOME_REFUSED
)

// bank is a fixture whose ledger is checked from its entries up when the test ends.
type bank struct {
	*apitest.Bank
	t      testing.TB
	engine store.Engine
}

func newBank(tb testing.TB) *bank {
	tb.Helper()
	return newBankWith(tb, apitest.Options{})
}

func newBankWith(tb testing.TB, options apitest.Options) *bank {
	tb.Helper()
	b := &bank{t: tb, engine: store.NewMemory()}
	tb.Cleanup(func() { must(tb, b.engine.Close()) })
	options.Engine = b.engine
	b.Bank = apitest.NewBankWith(tb, options)
	tb.Cleanup(func() { b.fsck() })
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ctx() context.Context { return context.Background() }

// fsck replays everything: the root, the derived rows, the authorship and what is sealed.
func (b *bank) fsck() ledger.FsckReport {
	b.t.Helper()
	report, err := ledger.Fsck(ctx(), ledger.FsckConfig{
		Engine: b.engine, Anchor: b.Anchor, Verifier: b.Verifier, BankID: apitest.BankID, Origin: b.Ledger.Origin(),
		Author: author, Unseal: b.unseal,
	})
	must(b.t, err)
	for i, fault := range report.Faults {
		if b.t.Errorf("fsck: %s", fault); i == 5 {
			break
		}
	}
	return report
}

func author(s ledger.Signed, row *ledgerv1.KeyRow) error {
	id, err := keyring.KeyIDFromBytes(s.KeyID)
	if err != nil {
		return err
	}
	public, err := keyring.ParsePublicKey(keyring.Algorithm(row.GetFact().GetAlgorithm()), row.GetFact().GetPublicKey())
	if err != nil {
		return err
	}
	key := keyring.Key{
		Public: public, Organization: unit.OrganizationID(row.GetFact().GetOrganization()), Purpose: keyring.Purpose(row.GetFact().GetPurpose()),
		ValidFrom: time.UnixMicro(row.GetTime()),
	}
	if row.GetRevokedTime() != 0 {
		key.RevokedAt = time.UnixMicro(row.GetRevokedTime())
	}
	if err := key.Check(unit.OrganizationID(s.Organization), keyring.Sign, time.UnixMicro(s.At)); err != nil {
		return err
	}
	if s.Statements == 0 {
		return public.Verify(keyring.AgreementText(s.BankID, unit.OrganizationID(s.Organization), id, s.Root), s.Signature)
	}
	return public.Verify(keyring.SubmissionText(s.BankID, unit.OrganizationID(s.Organization), id, s.Statements, s.Root), s.Signature)
}

func (b *bank) unseal(account unit.AccountID, fact string, statement, sealed []byte) ([]byte, bool, error) {
	sealer, err := b.Vault.Sealer(ctx(), account)
	if errors.Is(err, vault.ErrKeyGone) || errors.Is(err, vault.ErrErased) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	content, err := sealer.Unseal(fact, [16]byte(statement), sealed)
	return content, err == nil, err
}

// size is the number of entries.
func (b *bank) size() uint64 {
	b.t.Helper()
	view, err := b.Ledger.View()
	must(b.t, err)
	defer view.Close()
	return view.Size()
}

// nobody is an account number that nobody has.
func nobody(t testing.TB) unit.AccountNumber {
	t.Helper()
	number, err := unit.NewAccountNumber(zeros{})
	must(t, err)
	return number
}

// wants checks an error by its kind, reason and field.
func wants(t testing.TB, err error, kind api.Kind, reason api.Reason, field string) {
	t.Helper()
	e := api.AsError(err)
	if e == nil {
		t.Errorf("no error, not %s (%s)", reason, field)
		return
	}
	if e.Kind != kind || e.Reason != reason || e.Field != field {
		t.Errorf("kind %d, %v; not %d, %s (%s)", e.Kind, e, kind, reason, field)
	}
}

// learned is one stretch of learning that ended some days ago. Each course has its provider.
func (b *bank) learned(account api.Account, course string, daysAgo int, minutes int64) *statementv1.Statement {
	end := apitest.Start().Truncate(24 * time.Hour).Add(-time.Duration(daysAgo) * 24 * time.Hour).Add(4 * time.Hour)
	return b.learnedUntil(account, course, end, minutes)
}

func (b *bank) learnedUntil(account api.Account, course string, end time.Time, minutes int64) *statementv1.Statement {
	s := b.Completion(account.Number)
	c := s.GetCompletion()
	c.Course, c.Provider = course, map[string]string{
		apitest.Calligraphy: apitest.Beishan, apitest.FirstAid: apitest.Beishan, apitest.Proposed: apitest.Beishan,
		apitest.FirstAidOnline: apitest.Cuiyuan, apitest.Smartphone: apitest.Cuiyuan, apitest.Welding: apitest.Root,
	}[course]
	c.Sessions = nil
	for ; minutes > 0; minutes -= 1440 {
		n := min(minutes, 1440)
		c.Sessions = append([]*statementv1.Session{apitest.Session(end.Add(-time.Duration(n)*time.Minute), n)}, c.Sessions...)
		end = end.Add(-time.Duration(n) * time.Minute)
	}
	return s
}

// withScore gives a completion a score.
func withScore(s *statementv1.Statement, score int32) *statementv1.Statement {
	s.GetCompletion().Score = &score
	return s
}

// post posts statements in the name of a platform, whatever becomes of them.
func (b *bank) post(platform string, statements ...*statementv1.Statement) []api.StatementResult {
	b.t.Helper()
	return b.postRaw(b.Submission(platform, statements...))
}

func (b *bank) postRaw(s api.Submission) []api.StatementResult {
	b.t.Helper()
	results, receipt, err := b.RecordCompletions(ctx(), b.Platform(s.Organization), s, true)
	must(b.t, err)
	if len(receipt.Checkpoint) == 0 || len(results) != len(s.Statements) {
		b.t.Fatalf("receipt %+v, %d results", receipt, len(results))
	}
	return results
}

// one posts one statement that is recorded.
func (b *bank) one(s *statementv1.Statement) api.StatementResult {
	b.t.Helper()
	r := b.Record(s)[0]
	if r.Decision != nil {
		checkChain(b.t, r.Decision)
	}
	return r
}

// became checks outcome, minutes, available and pending milli-credits of a decision.
func became(t testing.TB, d *api.Decision, outcome ledgerv1.Outcome, minutes unit.Minutes, available, pending unit.Credits) {
	t.Helper()
	if d == nil || d.Outcome != outcome || d.Minutes != minutes || d.Available != available || d.Pending != pending {
		t.Errorf("decision %+v, not %s, %d minutes, %d available, %d pending", d, outcome, minutes, available, pending)
	}
}

// checkChain follows the reasons of a decision: each begins where the one before ended, and what they come to, with what
// waits, is what the decision gave.
func checkChain(t testing.TB, d *api.Decision) {
	t.Helper()
	if len(d.Reasons) == 0 {
		t.Errorf("no reasons: %+v", d)
		return
	}
	var credits, waits, points int64
	// The reason for points stands beside the chain of the others.
	chain := slices.DeleteFunc(slices.Clone(d.Reasons), func(r policy.Reason) bool {
		points += r.After * int64(r.Stage/ledgerv1.Stage_STAGE_POINTS)
		return r.Stage == ledgerv1.Stage_STAGE_POINTS
	})
	if d.Points != 0 && int64(d.Points) != points {
		t.Errorf("the reasons come to %d milli-points, the decision to %d: %+v", points, d.Points, d.Reasons)
	}
	for i, r := range chain {
		converted := i > 0 && chain[i-1].Stage >= ledgerv1.Stage_STAGE_CONVERSION
		switch {
		case i == 0:
		case (r.Stage <= ledgerv1.Stage_STAGE_CONVERSION) == converted: // another unit: no credits so far
			if r.Before != 0 {
				t.Errorf("reason %d begins with %d in another unit: %+v", i, r.Before, d.Reasons)
			}
		case r.Before != chain[i-1].After:
			t.Errorf("reason %d begins with %d, the one before ends with %d: %+v", i, r.Before, chain[i-1].After, d.Reasons)
		}
		if r.Stage >= ledgerv1.Stage_STAGE_CONVERSION {
			credits = r.After
		}
		switch {
		case r.Stage == ledgerv1.Stage_STAGE_CAPS:
			waits += r.Carried
		case r.Stage == ledgerv1.Stage_STAGE_REVIEW, r.Stage == ledgerv1.Stage_STAGE_DECISION && !slices.Contains([]string{policy.Approved, policy.Held, policy.Gone}, r.Rule):
			waits = 0
		}
		if zh, en := d.Words(r, "zh"), d.Words(r, "en"); zh == "" || en == "" {
			t.Errorf("no words for %+v", r)
		}
	}
	if credits+waits != int64(d.Available+d.Pending) {
		t.Errorf("the reasons come to %d and %d that wait, the decision to %d and %d: %+v", credits, waits, d.Available, d.Pending, d.Reasons)
	}
}

// portfolio answers all of an account, after checking that its totals are what its entries add up to, and every chain of
// reasons.
func (b *bank) portfolio(account api.Account) (*api.Portfolio, map[uint64]api.PortfolioEntry) {
	b.t.Helper()
	resident := b.Resident(account.ID)
	p, err := b.GetPortfolio(ctx(), resident, account.ID, 0)
	must(b.t, err)
	entries := make(map[uint64]api.PortfolioEntry)
	var sum api.Totals
	var points unit.Points
	for page := (api.Page{Size: 7}); ; {
		list, next, err := b.ListPortfolioEntries(ctx(), resident, account.ID, "", true, page)
		must(b.t, err)
		for _, e := range list {
			if _, twice := entries[e.Index]; twice {
				b.t.Errorf("entry %d is listed twice", e.Index)
			}
			entries[e.Index] = e
			sum.Minutes += e.Decision.Minutes
			sum.Available += e.Decision.Available
			sum.Pending += e.Decision.Pending
			points += e.Decision.Points
			if e.Opening == nil { // no policy judged it
				checkChain(b.t, given(e))
			}
		}
		if page.Token = next; next == "" {
			break
		}
	}
	t := p.Totals
	if int64(len(entries)) != p.EntryCount || t.Minutes != sum.Minutes || t.Available != sum.Available || t.Pending != sum.Pending {
		b.t.Errorf("%d entries add up to %+v, the totals of %d are %+v", len(entries), sum, p.EntryCount, t)
	}
	if p.Points.Points+p.Points.Lapsed != points {
		b.t.Errorf("the entries have %v points, the account %+v", points, p.Points)
	}
	if t.Issued != t.Pending+t.Available+t.Reserved+t.Transferred+t.Expired+t.Reversed {
		b.t.Errorf("credits are made or lost: %+v", t)
	}
	var categories api.Totals
	for _, c := range p.Categories {
		categories.Minutes += c.Totals.Minutes
		categories.Issued += c.Totals.Issued
	}
	if categories.Minutes != t.Minutes || categories.Issued != t.Issued {
		b.t.Errorf("the categories add up to %+v, the totals are %+v", categories, t)
	}
	return p, entries
}

// given is what an entry was given, with what institutions hold or took of it.
func given(e api.PortfolioEntry) *api.Decision {
	d := *e.Decision
	if d.Outcome == awarded {
		d.Available += e.Reserved + e.Transferred
		for _, r := range d.Reasons {
			if r.Rule == policy.Gone { // that an earlier decision gave
				d.Available -= unit.Credits(r.Carried)
			}
		}
	}
	return &d
}

// has checks an account's minutes, available, pending and reversed milli-credits.
func (b *bank) has(account api.Account, minutes unit.Minutes, available, pending, reversed unit.Credits) map[uint64]api.PortfolioEntry {
	b.t.Helper()
	p, entries := b.portfolio(account)
	if t := p.Totals; t.Minutes != minutes || t.Available != available || t.Pending != pending || t.Reversed != reversed {
		b.t.Errorf("the account has %+v, not %d minutes, %d available, %d pending, %d reversed", t, minutes, available, pending, reversed)
	}
	return entries
}

// sweepsAfter lets days pass, and a night.
func (b *bank) sweepsAfter(days int) {
	b.t.Helper()
	b.Clock.Advance(time.Duration(days) * 24 * time.Hour)
	_, err := b.Sweep(ctx())
	must(b.t, err)
}

// row is the account's row: what counts towards caps, what is left over, what stands for groups.
func (b *bank) row(account api.Account) *ledgerv1.AccountRow {
	b.t.Helper()
	view, err := b.Ledger.View()
	must(b.t, err)
	defer view.Close()
	row, err := view.State(ctx()).Account(account.ID)
	must(b.t, err)
	return row
}

// cases answers the open cases.
func (b *bank) cases() []api.Case {
	b.t.Helper()
	cases, _, err := b.ListCases(ctx(), b.Officer(apitest.Officer), api.CaseFilter{}, api.Page{Size: 500})
	must(b.t, err)
	return cases
}

// theCase answers the one open case, for a cause.
func (b *bank) theCase(cause string, completion uint64) api.Case {
	b.t.Helper()
	cases := b.cases()
	if len(cases) != 1 || len(cases[0].Causes) != 1 || cases[0].Causes[0] != cause || cases[0].Completion != completion {
		b.t.Fatalf("cases %+v, not one on %d for %s", cases, completion, cause)
	}
	return cases[0]
}

// decide decides a case as the officers who may, and waits for the end of the public notice where there is one.
func (b *bank) decide(id uint64, verdict api.Verdict) *api.Decision {
	b.t.Helper()
	c, d := b.judge(apitest.Officer, id, verdict)
	if c.Status == ledgerv1.CaseStatus_CASE_STATUS_SECOND_REVIEW {
		c, d = b.judge(apitest.SecondOfficer, id, verdict)
	}
	if c.Status == ledgerv1.CaseStatus_CASE_STATUS_PUBLIC_NOTICE {
		b.Clock.Advance(c.Deadline.Sub(b.Clock.Now()))
		_, err := b.EndCases(ctx())
		must(b.t, err)
		c, _, d, err = b.GetCase(ctx(), b.Officer(apitest.Officer), id)
		must(b.t, err)
	}
	if c.Decided.IsZero() || len(c.Reviewers) == 0 {
		b.t.Errorf("case %+v", c)
	}
	_, entries := b.portfolio(api.Account{ID: c.Account})
	e := entries[c.Completion]
	e.Decision = d
	checkChain(b.t, given(e))
	return d
}

// judge is one officer's word on a case.
func (b *bank) judge(officer string, id uint64, verdict api.Verdict) (api.Case, *api.Decision) {
	b.t.Helper()
	c, d, _, _, err := b.DecideCase(ctx(), b.Officer(officer), api.CaseDecision{
		RequestID: b.RequestID(), Case: id, Verdict: verdict, ReasonCode: "EVIDENCE_SUFFICIENT",
	})
	must(b.t, err)
	return c, d
}

// forged are tokens that begin like a genuine one and lead to places that no list has: page tokens are no secret.
func forged(t testing.TB, token string) []string {
	t.Helper()
	genuine, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	var all []string
	for _, place := range []string{`"BQ=="`, `"AA=="`, `"Dg=="`, `"/////////////////////w=="`, `{`, ``, `"x`} {
		all = append(all, base64.RawURLEncoding.EncodeToString(append(genuine[:8:8], place...)))
	}
	return all
}

// Where the vault has stopped writing, nobody can be noted down who looks, and nobody enrolled: the bank is not ready, and says so.
func TestVaultThatHalted(t *testing.T) {
	t.Parallel()
	engine := ledgertest.NewFaulty(store.NewMemory())
	t.Cleanup(func() { must(t, engine.Close()) })
	b := newBankWith(t, apitest.Options{VaultEngine: engine})
	must(t, b.Ready(ctx()))
	open := func() *api.Error {
		_, _, err := b.OpenAccount(ctx(), b.Officer(apitest.Registrar), api.Opening{
			RequestID: b.RequestID(), Name: "王芳", Document: b.Document(3), Home: apitest.Beishan, Checked: true,
		})
		return api.AsError(err)
	}
	engine.Fail(0, ledgertest.Lost)
	if err := open(); err == nil || err.Kind != api.Internal {
		t.Errorf("of the commit that failed it says %v", err)
	}
	if err := b.Ready(ctx()); !errors.Is(err, store.ErrHalted) {
		t.Errorf("it is ready: %v", err)
	}
	if err := open(); err == nil || err.Kind != api.Unavailable || err.Reason != api.ReasonHalted {
		t.Errorf("once it has halted it says %v", err)
	}
	must(t, engine.Recover())
	must(t, b.Ready(ctx()))
}
