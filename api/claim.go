package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/certify/review"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	"github.com/learning-credit-bank/creditbank/ledger/vault"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of a claim.
const (
	// MaxClaimFiles is how many files a claim, or an answer, brings at most, and MaxClaimBytes how many bytes they have.
	MaxClaimFiles = 10
	MaxClaimBytes = 20 << 20

	// maxOpenClaims is how many claims of an account wait for a decision at most, maxClaims how many it has in its life.
	maxOpenClaims = 10
	maxClaims     = 200

	maxClaimText     = 200
	maxDescription   = 2_000
	maxClaimMinutes  = 1_000_000
	claimHashPurpose = "claim"
)

// NewClaim asks to claim prior learning.
type NewClaim struct {
	RequestID string
	// Account is the learner's.
	Account unit.AccountID
	Kind    ledgerv1.ClaimKind
	// Category is the one that is claimed.
	Category string
	// Title says what was learned, Issuer who says so or where it was done.
	Title, Issuer string
	// From and To are the first and the last day, YYYY-MM-DD; From is empty where it was one day.
	From, To string
	// Description is the learner's own words.
	Description string
	// Minutes and Credits are claimed; without Credits it is as many as the policy's rule gives for the minutes.
	Minutes unit.Minutes
	Credits unit.Credits
	// Evidence are files that were uploaded for the account.
	Evidence []ClaimFile
}

// ClaimFile is a file by the id under which it was uploaded, and the name that the learner gives it.
type ClaimFile struct {
	ID   vault.EvidenceID
	Name string
}

// EvidenceFile is what is known of a file.
type EvidenceFile struct {
	ClaimFile
	// Size is in bytes.
	Size      int
	MediaType string
	// Inbound is what another bank's bundle shows: when it is brought, when it is read, and to officers in the case. Nil otherwise.
	Inbound *Inbound
}

// Grant is what an officer grants of a claim.
type Grant struct {
	Minutes unit.Minutes
	// Credits are, where an officer leaves them out, as many as the minutes give; VerdictHoursOnly grants none.
	Credits unit.Credits
}

// Claim is a claim as its learner and its officers see it. What is sealed is empty where it was not asked for, and when the person
// was forgotten.
type Claim struct {
	// Rule is the policy's, and what it calls such claims.
	Rule string
	Name Text
	Kind ledgerv1.ClaimKind
	// Title, Issuer, From, Description, Claimed and Evidence are as in NewClaim; Evidence has what answers brought, too.
	Title, Issuer     string
	From, Description string
	Claimed           Grant
	Evidence          []EvidenceFile
	// FiledBy is the officer who filed it for the learner; empty: they did so themselves.
	FiledBy string
}

// ClaimFiled is what SubmitClaim led to.
type ClaimFiled struct {
	// Index is the entry that records the claim: the id of its case, too.
	Index   uint64
	Receipt ledger.Receipt
}

// SubmitClaim claims prior learning, for the caller's own account or, by an officer, for somebody's in their subtree. It waits for
// officers then: the one who filed it is none of them.
func (b *Bank) SubmitClaim(ctx context.Context, caller access.Caller, c NewClaim) (ClaimFiled, error) {
	if err := caller.Holds(access.SubmitClaim); err != nil {
		return ClaimFiled{}, err
	}
	sealed, fault := c.check()
	if fault != nil {
		return ClaimFiled{}, fault
	}
	asked, err := b.claimHash(caller.AskedOf(c.Account), c)
	if err != nil {
		return ClaimFiled{}, err
	}
	filing := change{
		caller: caller, method: access.SubmitClaim, requestID: c.RequestID, asked: asked,
		reads: [][]byte{book.AccountKey(c.Account)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			return b.fileClaim(ctx, tx, d, caller, c, sealed, request)
		},
	}
	again, err := b.answered(ctx, filing)
	if err != nil {
		return ClaimFiled{}, err
	}
	if !again {
		if err := b.look(ctx, caller, access.SubmitClaim, c.Account); err != nil {
			return ClaimFiled{}, err
		}
		if sealed.Evidence, err = b.named(ctx, c.Account, c.Evidence, 1); err != nil {
			return ClaimFiled{}, err
		}
	}
	done, err := b.once(ctx, filing)
	if err != nil {
		return ClaimFiled{}, err
	}
	// Should this not be done, the sweep finds that the claim names them.
	return ClaimFiled(done), b.keepEvidence(ctx, done.Index, c.Account, idsOf(c.Evidence))
}

// check refuses what is wrong with a claim whatever the policy says, and answers it as it is going to be sealed.
func (c NewClaim) check() (*ledgerv1.SealedClaim, *Error) {
	if fault := checkEnum("kind", c.Kind, ledgerv1.ClaimKind_name); fault != nil {
		return nil, fault
	}
	for _, text := range []struct {
		field, value string
		least, most  int
	}{
		{"title", c.Title, 1, maxClaimText}, {"issuer", c.Issuer, 1, maxClaimText}, {"description", c.Description, 0, maxDescription},
	} {
		if fault := checkText(text.field, text.value, text.least, text.most); fault != nil {
			return nil, fault
		}
	}
	if c.Minutes < 1 || c.Minutes > maxClaimMinutes {
		return nil, invalid(ReasonMinutes, "minutes", "a claim is for 1 to %d minutes", maxClaimMinutes)
	}
	if c.Credits < 0 {
		return nil, invalid(ReasonCredits, "milli_credits", "the credits are below zero")
	}
	from, fault := parseDay("begin_date", c.From, true)
	if fault != nil {
		return nil, fault
	}
	to, fault := parseDay("end_date", c.To, false)
	if fault != nil {
		return nil, fault
	}
	if from != 0 && from > to {
		return nil, invalid(ReasonTime, "begin_date", "it lies after end_date")
	}
	return &ledgerv1.SealedClaim{
		Kind: c.Kind, Title: c.Title, Issuer: c.Issuer, BeginDay: from, Description: c.Description,
		Claimed: &ledgerv1.ClaimGrant{Minutes: int64(c.Minutes), MilliCredits: int64(c.Credits)},
	}, nil
}

// claimHash stands for a claim in the hash of its request, which lies in the clear for ever: nobody without the key can test
// what they guess of it.
func (b *Bank) claimHash(of unit.AccountID, c NewClaim) (string, error) {
	parts := []string{
		hex.EncodeToString(of[:]), c.Kind.String(), c.Category, c.Title, c.Issuer, c.From, c.To,
		fmt.Sprint(int64(c.Minutes)), fmt.Sprint(int64(c.Credits)),
	}
	for _, file := range c.Evidence {
		parts = append(parts, hex.EncodeToString(file.ID[:]), file.Name)
	}
	// None of them has a line feed, and the description is the last.
	hash, err := b.vault.KeyedHash(claimHashPurpose, []byte(strings.Join(append(parts, c.Description), "\n")))
	return hex.EncodeToString(hash[:]), err
}

// fileClaim is the writer's step for a claim.
func (b *Bank) fileClaim(
	ctx context.Context, tx *ledger.Tx, d *directory, caller access.Caller, c NewClaim, said *ledgerv1.SealedClaim, request *ledgerv1.Request,
) (uint64, error) {
	account, err := tx.Account(c.Account)
	if err != nil {
		return 0, err
	}
	if fault := checkOpen(account); fault != nil {
		fault.Field = "account_id"
		return 0, fault
	}
	sealer, err := b.accountSealer(ctx, c.Account)
	if err != nil {
		return 0, err
	}
	if sealer == nil {
		return 0, faultf(Precondition, ReasonAccountErased, "account_id", "the account was erased")
	}
	if err := claimLimit(tx, c.Account, account); err != nil {
		return 0, err
	}
	p := d.policyFor(account.GetHome(), tx.Now())
	rule, fault := c.judge(p, p.today(tx))
	if fault != nil {
		return 0, fault
	}
	if c.Credits == 0 { // of the newest policy, should the step be taken again
		said.Claimed.MilliCredits = int64(rule.Credits(c.Minutes))
	}
	if err := b.settle(ctx, tx, d, c.Account); err != nil {
		return 0, err
	}
	to, _ := parseDay("end_date", c.To, false)
	causes := []string{rule.ID()}
	fact := &ledgerv1.ClaimFiled{
		Actor: caller.Actor(), Request: request, Account: c.Account[:], Organization: account.GetHome(), Category: c.Category,
		EndDay: to, PolicyHash: p.row.GetFact().GetPolicyHash(), Causes: causes, Risk: uint32(rule.Risk()),
		Due: micros(review.Opened(d.workflow(p.row.GetFact().GetPolicyHash(), rule.Risk(), causes), tx.Now())),
	}
	if fact.Sealed, err = seal(sealer, "ClaimFiled", unit.StatementID(request.GetRequestId()), said); err != nil {
		return 0, err
	}
	return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_ClaimFiled{ClaimFiled: fact}})
}

// claimLimit refuses a claim of an account that has as many as it may.
func claimLimit(tx *ledger.Tx, id unit.AccountID, account *ledgerv1.AccountRow) error {
	if account.GetClaims() >= maxClaims {
		return faultf(Precondition, ReasonClaimLimit, "account_id", "the account has %d claims, as many as may be", account.GetClaims())
	}
	if account.GetClaims() < maxOpenClaims {
		return nil
	}
	open := 0
	for item, err := range itemsIn(tx, id) {
		if err != nil {
			return err
		}
		if item.GetKind() == ledgerv1.ItemKind_ITEM_KIND_CLAIM && item.GetCasePlusOne() != 0 {
			open++
		}
	}
	if open >= maxOpenClaims {
		return faultf(Precondition, ReasonClaimLimit, "account_id", "%d claims of the account wait for a decision, as many as may be", open)
	}
	return nil
}

// today is the day in the policy's zone; 0 where there is no policy.
func (p *published) today(tx *ledger.Tx) policy.Day {
	if p == nil {
		return 0
	}
	return p.Day(tx.Now())
}

// judge says whether the policy foresees such a claim, and by which rule.
func (c NewClaim) judge(p *published, today policy.Day) (policy.ClaimRule, *Error) {
	if p == nil {
		return policy.ClaimRule{}, faultf(Precondition, ReasonNoPolicy, "account_id", "no policy is in force where the account is at home")
	}
	if _, ok := p.Category(c.Category); !ok {
		return policy.ClaimRule{}, invalid(ReasonUnknownCategory, "category", "the policy has no category %q; see GetPolicy", c.Category)
	}
	rule, ok := p.ClaimRule(c.Kind, c.Category)
	if !ok {
		return rule, faultf(Precondition, ReasonClaimNotForeseen, "kind",
			"the policy foresees no claims of this kind in category %q; GetPolicy says what it does foresee", c.Category)
	}
	if most := min(rule.MaxMinutes(), maxClaimMinutes); c.Minutes > most {
		return rule, faultf(Precondition, ReasonClaimAmount, "minutes", "the policy takes at most %d minutes in one such claim", most)
	}
	if most := rule.Credits(c.Minutes); c.Credits > most {
		return rule, faultf(Precondition, ReasonClaimAmount, "milli_credits", "so many minutes give at most %s credits; leave it out to claim them", most)
	}
	to, _ := parseDay("end_date", c.To, false)
	if policy.Day(to) > today {
		return rule, invalid(ReasonFuture, "end_date", "the day is in the future: claim what is done")
	}
	if months, old := rule.TooOld(policy.Day(to), today); old {
		return rule, faultf(Precondition, ReasonClaimTooOld, "end_date", "the policy takes such claims for %d months after the learning", months)
	}
	return rule, nil
}

func idsOf(files []ClaimFile) []vault.EvidenceID {
	ids := make([]vault.EvidenceID, len(files))
	for i, file := range files {
		ids[i] = file.ID
	}
	return ids
}

// grantOf works out what an officer's step grants of a claim: what they say, else what an officer before them said who would
// approve too, else what is claimed. Nobody grants more than is claimed, and than the policy's rule gives for the minutes.
func (j *judgement) grantOf(ctx context.Context, row *ledgerv1.CaseRow, asked *Grant) error {
	if j.claim == nil {
		if asked != nil {
			return invalid(ReasonGrant, "grant", "the policy says what a completion gives; only of a claim something is granted")
		}
		return nil
	}
	said := new(ledgerv1.SealedClaim)
	sealer, err := j.bank.unsealerOf(ctx, j.claim.GetAccount(), j.id, j.sealer)
	if err != nil {
		return err
	}
	if sealer == nil {
		return faultf(Precondition, ReasonAccountErased, "case_id", "the account on which it was claimed was erased")
	}
	if err := unseal(sealer, "ClaimFiled", j.statement[:], j.claim.GetSealed(), said); err != nil {
		return err
	}
	p := j.directory.policyOf(j.claim.GetPolicyHash())
	if p == nil || len(j.claim.GetCauses()) != 1 {
		return fmt.Errorf("%w: claim %d has no policy or rule", ledger.ErrDamaged, j.ref.GetIndex())
	}
	rule, ok := p.ClaimRuleNamed(j.claim.GetCauses()[0])
	if !ok {
		return fmt.Errorf("%w: claim %d is under no rule of its policy", ledger.ErrDamaged, j.ref.GetIndex())
	}
	j.rule = rule
	claimed := grantFrom(said.GetClaimed())
	if asked == nil {
		before, err := j.grantedBefore(ctx, row)
		if err != nil {
			return err
		}
		if j.grant = before; before == nil {
			j.grant = &claimed
		}
		return nil
	}
	if asked.Minutes < 1 || asked.Minutes > claimed.Minutes {
		return invalid(ReasonGrant, "grant.minutes", "1 to %d minutes can be granted: no more than is claimed", claimed.Minutes)
	}
	most := min(claimed.Credits, rule.Credits(asked.Minutes))
	if asked.Credits < 0 || asked.Credits > most {
		return invalid(ReasonGrant, "grant.milli_credits", "0 to %d milli-credits can be granted: no more than is claimed, and than so many minutes give", most)
	}
	j.grant = &Grant{Minutes: asked.Minutes, Credits: asked.Credits}
	if asked.Credits == 0 {
		j.grant.Credits = most
	}
	return nil
}

// grantedBefore is what the last officer would grant who would approve; nil where there is none.
func (j *judgement) grantedBefore(ctx context.Context, row *ledgerv1.CaseRow) (*Grant, error) {
	for _, index := range slices.Backward(row.GetSteps()) {
		e, err := j.tx.Entry(index)
		if err != nil {
			return nil, err
		}
		switch step := e.GetCaseStepTaken(); step.GetStep() {
		case ledgerv1.CaseStep_CASE_STEP_RECOMMENDED, ledgerv1.CaseStep_CASE_STEP_PUBLISHED, ledgerv1.CaseStep_CASE_STEP_OBJECTION_DISMISSED:
			opened := new(ledgerv1.SealedDecision)
			sealer, err := j.bank.unsealerOf(ctx, step.GetAccount(), j.id, j.sealer)
			if err != nil || sealer == nil {
				return nil, err
			}
			if err := unseal(sealer, "CaseStepTaken", j.statement[:], step.GetSealed(), opened); err != nil {
				return nil, err
			}
			if opened.GetGrant() != nil {
				grant := grantFrom(opened.GetGrant())
				return &grant, nil
			}
		case ledgerv1.CaseStep_CASE_STEP_APPEALED:
			return nil, nil // another officer begins anew
		default:
		}
	}
	return nil, nil
}

// judgeClaim works out what a claim gives that is granted.
func (j *judgement) judgeClaim(verdict Verdict) error {
	grant := *j.grant
	if verdict == VerdictHoursOnly {
		grant.Credits = 0
	}
	day := policy.Day(j.claim.GetEndDay())
	j.effects = &ledgerv1.Effects{Hours: []*ledgerv1.YearMinutes{{
		Year: int32(day.Year()), Category: j.claim.GetCategory(), Minutes: int64(grant.Minutes),
	}}}
	j.reasons = []policy.Reason{j.rule.Reason(grant.Minutes, j.grant.Credits)}
	last := policy.Reason{Stage: ledgerv1.Stage_STAGE_DECISION, Rule: policy.Approved, Before: int64(j.grant.Credits), After: int64(grant.Credits)}
	if verdict == VerdictHoursOnly {
		last.Rule = policy.HoursOnly
	}
	j.reasons = append(j.reasons, last)
	j.outcome = ledgerv1.Outcome_OUTCOME_NO_CREDIT
	if grant.Credits == 0 {
		return nil
	}
	j.outcome = ledgerv1.Outcome_OUTCOME_AWARDED
	gone := min(j.gone(), grant.Credits)
	if gone > 0 {
		j.reasons = append(j.reasons, policy.GoneReason(grant.Credits, gone))
	}
	if gone < grant.Credits {
		j.effects.Lots = []*ledgerv1.Lot{{
			Category: j.claim.GetCategory(), Available: int64(grant.Credits - gone), ExpiresDay: int32(j.rule.Expires(day)),
		}}
	}
	return nil
}

func grantFrom(g *ledgerv1.ClaimGrant) Grant {
	return Grant{Minutes: unit.Minutes(g.GetMinutes()), Credits: unit.Credits(g.GetMilliCredits())}
}

func (g *Grant) proto() *ledgerv1.ClaimGrant {
	if g == nil {
		return nil
	}
	return &ledgerv1.ClaimGrant{Minutes: int64(g.Minutes), MilliCredits: int64(g.Credits)}
}
