package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/learning-credit-bank/creditbank/api/access"
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

// ProposePolicy checks a policy and writes it down as proposed.
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
				return 0, invalid(ReasonUnknownOrganization, "yaml", "organization: there is no organization %q", p.Organization())
			}
			if err := caller.Check(access.ProposePolicy, access.Subject{Organization: p.Organization()}, d); err != nil {
				return 0, err
			}
			if known := d.versionOf(p.ID(), p.Version()); known != nil {
				return 0, faultf(Conflict, ReasonPolicyKnown, "yaml", "version: entry %d proposed version %q of policy %q; give this one another",
					known.row.GetIndex(), p.Version(), p.ID())
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyProposed{PolicyProposed: fact}})
		},
	})
	if err != nil {
		return Policy{}, err
	}
	known, _, err := b.GetPolicy(ctx, hash[:])
	return known, err
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
			if fault := d.checkPublish(p, caller, tx.Now()); fault != nil {
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
	known, _, err := b.GetPolicy(ctx, hash)
	return known, err
}

// checkPublish holds the rules of publishing: four eyes, nothing retroactive but the first, no two of one scope in force
// from the same day on.
func (d *directory) checkPublish(p *published, caller access.Caller, now time.Time) *Error {
	if p.inForce() {
		return faultf(Precondition, ReasonPolicyPublished, "policy_hash", "the policy is published already")
	}
	if p.row.GetFact().GetActor().GetOfficer() == caller.Officer {
		return faultf(Denied, ReasonFourEyes, "policy_hash", "the officer who proposed a policy does not publish it")
	}
	for _, other := range d.scopes[p.Organization()] {
		if other.EffectiveFrom() == p.EffectiveFrom() {
			return faultf(Precondition, ReasonPolicyOverlap, "policy_hash", "version %q is in force from the same day %s on",
				other.Version(), dayString(int32(p.EffectiveFrom())))
		}
	}
	if today := p.Day(now); len(d.scopes[p.Organization()]) > 0 && p.EffectiveFrom() < today {
		return faultf(Precondition, ReasonPolicyRetroactive, "policy_hash",
			"only the first policy of an organization reaches back; this one can begin on %s at the earliest", dayString(int32(today)))
	}
	return nil
}

func unknownPolicy() *Error {
	return faultf(NotFound, ReasonNotFound, "policy_hash", "there is no policy with this hash; see ListPolicies")
}

// GetPolicy answers a policy with its exact bytes.
func (b *Bank) GetPolicy(ctx context.Context, hash []byte) (Policy, []byte, error) {
	if len(hash) != sha256.Size {
		return Policy{}, nil, invalid(ReasonField, "policy_hash", "a policy hash has 64 hexadecimal digits")
	}
	view, err := b.ledger.View()
	if err != nil {
		return Policy{}, nil, err
	}
	defer view.Close()
	d, err := b.directoryOf(ctx, view)
	if err != nil {
		return Policy{}, nil, err
	}
	p := d.policyOf(hash)
	if p == nil {
		return Policy{}, nil, unknownPolicy()
	}
	yaml, err := policyYAML(ctx, view, p.row)
	return policyOf(p), yaml, err
}

// ListPolicies answers a page of the policies, newest first.
func (b *Bank) ListPolicies(ctx context.Context, page Page) (policies []Policy, next string, err error) {
	size, fault := page.size(usualDirectoryPage, maxDirectoryPage)
	if fault != nil {
		return nil, "", fault
	}
	const asked = "ListPolicies"
	var before uint64
	if err := parsePageToken(page.Token, asked, &before); err != nil {
		return nil, "", err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return nil, "", err
	}
	all := make([]*published, 0, len(d.policies))
	for _, p := range d.policies {
		if before == 0 || p.row.GetIndex() < before {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *published) int { return cmp.Compare(b.row.GetIndex(), a.row.GetIndex()) })
	if len(all) > size {
		if next, err = pageToken(asked, all[size-1].row.GetIndex()); err != nil {
			return nil, "", err
		}
		all = all[:size]
	}
	for _, p := range all {
		policies = append(policies, policyOf(p))
	}
	return policies, next, nil
}
