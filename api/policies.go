package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// MaxPolicyBytes is the size of the largest policy: with everything around it, it has to fit into an entry.
const MaxPolicyBytes = 60_000

// Policy is one version of a policy.
type Policy struct {
	Hash          []byte
	ID, Version   string
	Organization  string
	Title         Text
	EffectiveFrom string
	// EffectiveUntil is empty when it is in force until the next version.
	EffectiveUntil string
	Published      bool
	ProposedTime   time.Time
	PublishedTime  time.Time
	// Warnings are days on which no version would be in force once this one is; only where it was just proposed or published.
	Warnings []*policy.Error
}

func policyOf(p *published) Policy {
	f := p.row.GetFact()
	return Policy{
		Hash: f.GetPolicyHash(), ID: f.GetPolicy(), Version: f.GetVersion(), Organization: f.GetOrganization(),
		Title:         p.Title(),
		EffectiveFrom: dayString(f.GetEffectiveFromDay()), EffectiveUntil: dayString(f.GetEffectiveUntilDay()),
		Published: p.inForce(), ProposedTime: timeOf(p.row.GetTime()),
		PublishedTime: optionalTime(p.row.GetPublishedTime()),
	}
}

// ProposePolicy checks a policy and writes it down as proposed. A policy that could not be published is refused with all its
// faults, each a [policy.Error] with its place in the YAML: see [policy.Faults].
func (b *Bank) ProposePolicy(ctx context.Context, caller access.Caller, requestID string, yaml []byte) (Policy, error) {
	if err := caller.Holds(access.ProposePolicy); err != nil {
		return Policy{}, err
	}
	p, err := compilePolicy(yaml)
	if err != nil {
		return Policy{}, err
	}
	hash := p.Hash()
	fact := &ledgerv1.PolicyProposed{
		Actor: caller.Actor(), PolicyHash: hash[:], Yaml: yaml, Organization: p.Organization(), Policy: p.ID(), Version: p.Version(),
		EffectiveFromDay: int32(p.EffectiveFrom()), EffectiveUntilDay: int32(p.EffectiveUntil()),
	}
	_, err = b.once(ctx, change{
		caller: caller, method: access.ProposePolicy, requestID: requestID, asked: hex.EncodeToString(hash[:]),
		reads: [][]byte{book.PolicyKey(hash[:])},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if _, ok := d.organizations[p.Organization()]; !ok {
				return 0, invalid(ReasonUnknownOrganization, "yaml", "%w", p.Fault("organization", "there is no organization %q", p.Organization()))
			}
			if err := caller.Check(access.ProposePolicy, access.Subject{Organization: p.Organization()}, d); err != nil {
				return 0, err
			}
			if known := d.versionOf(p.ID(), p.Version()); known != nil {
				return 0, faultf(Conflict, ReasonPolicyKnown, "yaml", "%w", p.Fault("version",
					"entry %d proposed version %q of policy %q; give this one another", known.row.GetIndex(), p.Version(), p.ID()))
			}
			if fault := d.checkEffect(p, tx.Now(), "yaml"); fault != nil {
				return 0, fault
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyProposed{PolicyProposed: fact}})
		},
	})
	if err != nil {
		return Policy{}, err
	}
	return b.withWarnings(ctx, hash[:])
}

func (d *directory) versionOf(id, version string) *published {
	for _, p := range d.policies {
		if p.ID() == id && p.Version() == version {
			return p
		}
	}
	return nil
}

// PublishPolicy puts a proposed policy into force. It takes another officer than the one who proposed it.
func (b *Bank) PublishPolicy(ctx context.Context, caller access.Caller, requestID string, hash []byte) (Policy, error) {
	if err := caller.Holds(access.PublishPolicy); err != nil {
		return Policy{}, err
	}
	_, err := b.once(ctx, change{
		caller: caller, method: access.PublishPolicy, requestID: requestID, asked: hex.EncodeToString(hash),
		reads: [][]byte{book.PolicyKey(hash)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			p := d.policyOf(hash)
			if p == nil {
				return 0, unknownPolicy()
			}
			if err := caller.Check(access.PublishPolicy, access.Subject{Organization: p.Organization()}, d); err != nil {
				return 0, err
			}
			if fault := d.checkPublish(p, caller); fault != nil {
				return 0, fault
			}
			if fault := d.checkEffect(p.Policy, tx.Now(), "policy_hash"); fault != nil {
				return 0, fault
			}
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyPublished{PolicyPublished: &ledgerv1.PolicyPublished{
				Actor: caller.Actor(), Request: request, PolicyHash: hash, ProposedIndex: p.row.GetIndex(),
			}}})
		},
	})
	if err != nil {
		return Policy{}, err
	}
	return b.withWarnings(ctx, hash)
}

// checkPublish holds the rules of publishing: once, and by another than who proposed it.
func (d *directory) checkPublish(p *published, caller access.Caller) *Error {
	if p.inForce() {
		return faultf(Precondition, ReasonPolicyPublished, "policy_hash", "the policy is published already")
	}
	if p.row.GetFact().GetActor().GetOfficer() == caller.Officer {
		return faultf(Denied, ReasonFourEyes, "policy_hash", "the officer who proposed a policy does not publish it")
	}
	return nil
}

// checkEffect refuses a version that reaches back or overlaps another one of its organization. Reaching back is the reason of
// both: what begins in time can still overlap, and says so then.
func (d *directory) checkEffect(p *policy.Policy, now time.Time, field string) *Error {
	faults, _ := p.CheckEffect(d.effects(p), p.Day(now))
	if len(faults) == 0 {
		return nil
	}
	reason := ReasonPolicyOverlap
	if len(d.effects(p)) > 0 && p.EffectiveFrom() < p.Day(now) {
		reason = ReasonPolicyRetroactive
	}
	errs := make([]error, len(faults))
	for i, fault := range faults {
		errs[i] = fault
	}
	return faultf(Precondition, reason, field, "%w", errors.Join(errs...))
}

// effects are when the other versions of a policy's organization are in force.
func (d *directory) effects(p *policy.Policy) []policy.Effect {
	var effects []policy.Effect
	for _, other := range d.scopes[p.Organization()] {
		if other.Hash() != p.Hash() {
			effects = append(effects, policy.Effect{Version: other.Version(), From: other.EffectiveFrom(), Until: other.EffectiveUntil()})
		}
	}
	return effects
}

// withWarnings answers a policy that was just proposed or published, with what should be looked at.
func (b *Bank) withWarnings(ctx context.Context, hash []byte) (Policy, error) {
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Policy{}, err
	}
	p := d.policyOf(hash)
	if p == nil {
		return Policy{}, unknownPolicy()
	}
	answer := policyOf(p)
	_, answer.Warnings = p.CheckEffect(d.effects(p.Policy), p.Day(b.config.Now()))
	return answer, nil
}

func unknownPolicy() *Error {
	return faultf(NotFound, ReasonNotFound, "policy_hash", "there is no policy with this hash; see ListPolicies")
}

// GetPolicy answers a policy with its exact bytes.
func (b *Bank) GetPolicy(ctx context.Context, hash []byte) (Policy, []byte, error) {
	if len(hash) != sha256.Size {
		return Policy{}, nil, invalid(ReasonField, "policy_hash", "a policy hash has 64 hexadecimal digits")
	}
	view, d, err := b.newestView(ctx)
	if err != nil {
		return Policy{}, nil, err
	}
	defer view.Close()
	p := d.policyOf(hash)
	if p == nil {
		return Policy{}, nil, unknownPolicy()
	}
	yaml, err := policyYAML(ctx, view, p.row)
	return policyOf(p), yaml, err
}

// ListPolicies answers a page of the policies, newest first.
func (b *Bank) ListPolicies(ctx context.Context, page Page) (policies []Policy, next string, err error) {
	list, err := page.newestFirst(usualDirectoryPage, maxDirectoryPage, "ListPolicies")
	if err != nil {
		return nil, "", err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, "", err
	}
	all, next, err := pageOfItems(list, slices.Collect(maps.Values(d.policies)), func(p *published) uint64 { return p.row.GetIndex() })
	for _, p := range all {
		policies = append(policies, policyOf(p))
	}
	return policies, next, err
}
