package api

import (
	"context"
	"slices"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// OrganizationChange changes the trust in an organization or its roles, suspends, reinstates or ends it.
type OrganizationChange struct {
	RequestID, Organization string
	Change                  ledgerv1.OrganizationChange
	// TrustTier and Roles go with the change of these.
	TrustTier int
	Roles     []ledgerv1.Role
	// From and Until are YYYY-MM-DD: of a suspension both, the last one may be empty; of a reinstatement the first day; of an end the last.
	From, Until string
	// ReasonCode is needed, see AccreditationReason; Reason says it in words.
	ReasonCode, Reason string
}

// ChangeOrganization changes what an organization may do, and answers the entry. What was recorded stays as it is, and so does what was
// learned in good time and is posted later.
func (b *Bank) ChangeOrganization(ctx context.Context, caller access.Caller, c OrganizationChange) (uint64, error) {
	fact, fault := c.check()
	if fault != nil {
		return 0, fault
	}
	fact.Actor = caller.Actor()
	done, err := b.once(ctx, change{
		caller: caller, method: access.ChangeOrganization, requestID: c.RequestID, asked: c,
		reads: [][]byte{book.OrganizationKey(c.Organization)},
		step: func(tx *ledger.Tx, d *directory, request *ledgerv1.Request) (uint64, error) {
			if err := d.permit(caller, access.ChangeOrganization, "organization", c.Organization); err != nil {
				return 0, err
			}
			if caller.Organization == c.Organization {
				return 0, faultf(Denied, ReasonOwnInstitution, "organization", "it is your own institution; an administrator above it changes it")
			}
			if fault := c.checkOrganization(d, fact, d.today(c.Organization, tx.Now())); fault != nil {
				return 0, fault
			}
			fact.Request = request
			return tx.Append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OrganizationChanged{OrganizationChanged: fact}})
		},
	})
	return done.Index, err
}

func (c OrganizationChange) check() (*ledgerv1.OrganizationChanged, *Error) {
	const trust, roles, suspended, reinstated, ended = ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_TRUST,
		ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ROLES, ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED,
		ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_REINSTATED, ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED
	if fault := checkEnum("change", c.Change, ledgerv1.OrganizationChange_name); fault != nil {
		return nil, fault
	}
	if fault := checkAccreditationReason(c.ReasonCode, c.Reason, changeReasons(), "reason"); fault != nil {
		return nil, fault
	}
	fact := &ledgerv1.OrganizationChanged{
		Organization: c.Organization, Change: c.Change, TrustTier: uint32(max(c.TrustTier, 0)), Roles: c.Roles, ReasonCode: c.ReasonCode, Reason: c.Reason,
	}
	switch is := func(all ...ledgerv1.OrganizationChange) bool { return slices.Contains(all, c.Change) }; {
	case is(trust) && (c.TrustTier < 1 || c.TrustTier > maxTrustTier):
		return nil, invalid(ReasonField, "trust_tier", "the trust tier is %d, tiers are 1 to %d", c.TrustTier, maxTrustTier)
	case !is(trust) && c.TrustTier != 0:
		return nil, invalid(ReasonField, "trust_tier", "a trust tier goes with a change of trust only")
	case !is(roles) && len(c.Roles) > 0:
		return nil, invalid(ReasonField, "roles", "roles go with a change of roles only")
	case !is(suspended, reinstated) && c.From != "":
		return nil, invalid(ReasonField, "from", "a first day goes with a suspension or a reinstatement only")
	case !is(suspended, ended) && c.Until != "":
		return nil, invalid(ReasonField, "until", "a last day goes with a suspension or an end only")
	case is(suspended, reinstated):
		from, until, fault := checkDays(c.From, c.Until, true)
		fact.FromDay, fact.UntilDay = from, until
		return fact, fault
	case is(ended):
		until, fault := parseDay("until", c.Until, false)
		fact.UntilDay = until
		return fact, fault
	}
	for i, role := range c.Roles {
		if fault := checkEnum(indexed("roles", i), role, ledgerv1.Role_name); fault != nil {
			return nil, fault
		}
		if slices.Contains(c.Roles[:i], role) {
			return nil, invalid(ReasonField, indexed("roles", i), "the role is said twice")
		}
	}
	return fact, nil
}

func (c OrganizationChange) checkOrganization(d *directory, fact *ledgerv1.OrganizationChanged, today int32) *Error {
	suspensions := d.organizations[c.Organization].GetSuspended()
	switch c.Change {
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED:
		return checkSuspension(suspensions, fact.GetFromDay(), today)
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_REINSTATED:
		return checkReinstatement(suspensions, fact.GetFromDay())
	case ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_ENDED:
		if fact.GetUntilDay() < today-1 {
			return invalid(ReasonField, "until", "the last day is yesterday, %s, or later: what was earned in good time stays", dayString(today-1))
		}
	default:
	}
	return nil
}
