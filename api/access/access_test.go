package access_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// network is a root with two towns below it, one of which has a village.
type network struct{}

func parents() map[string]string {
	return map[string]string{"village": "town", "town": "root", "other-town": "root"}
}

func (network) Within(organization, ancestor string) bool {
	for id := organization; id != ""; id = parents()[id] {
		if id == ancestor {
			return true
		}
	}
	return false
}

const (
	platform      = ledgerv1.Role_ROLE_PLATFORM
	provider      = ledgerv1.Role_ROLE_PROVIDER
	administrator = ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR
	certification = ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION
	registrar     = ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR
)

func actions() []access.Action {
	return []access.Action{
		access.RecordCompletions, access.ReadCompletions, access.ReadRejects, access.OpenAccount, access.CheckDocument,
		access.ResolveAccount, access.ReadAccount, access.ReadPortfolio, access.ReadCases, access.DecideCase, access.ProposeCourse,
		access.DecideCourse, access.ProposePolicy, access.PublishPolicy, access.ReadEntry, access.RegisterOrganization,
		access.AddKey, access.RevokeKey, access.AppointOfficer, access.RemoveOfficer, access.ExportPortfolio, access.ExportIdentity,
		access.RequestTransfer, access.AcceptTransfer, access.DeclineTransfer, access.WithdrawTransfer, access.ReadTransfers,
		access.GetTransferBundle, access.Apply, access.PursueApplication, access.DecideApplication, access.ChangeCourse,
		access.ChangeOrganization, "Unheard",
	}
}

// Who may do what, said once more by hand: each kind of caller about what is theirs, and about what is not.
func TestTable(t *testing.T) {
	t.Parallel()
	mine, other := unit.AccountID{1}, unit.AccountID{2}
	officer := func(office ledgerv1.OfficerRole) access.Caller {
		return access.Caller{Kind: access.Officer, Officer: "li", Organization: "town", Offices: []ledgerv1.OfficerRole{office}}
	}
	organization := func(role ledgerv1.Role) access.Caller {
		return access.Caller{Kind: access.Organization, Organization: "town", Roles: []ledgerv1.Role{role}}
	}
	for name, c := range map[string]struct {
		caller access.Caller
		may    []access.Action
	}{
		"anonymous": {access.Caller{}, nil},
		"platform": {organization(platform), []access.Action{
			access.RecordCompletions, access.ReadCompletions, access.ReadRejects, access.OpenAccount, access.ResolveAccount, access.ReadEntry,
			access.Apply, access.PursueApplication,
		}},
		"provider":  {organization(provider), []access.Action{access.ProposeCourse, access.Apply, access.PursueApplication}},
		"certifier": {organization(ledgerv1.Role_ROLE_CERTIFIER), []access.Action{access.Apply, access.PursueApplication}},
		"acceptor": {organization(ledgerv1.Role_ROLE_ACCEPTOR), []access.Action{
			access.ReadEntry, access.RequestTransfer, access.AcceptTransfer, access.DeclineTransfer, access.ReadTransfers,
			access.GetTransferBundle, access.Apply, access.PursueApplication,
		}},
		"no role": {
			access.Caller{Kind: access.Organization, Organization: "town"}, []access.Action{access.Apply, access.PursueApplication},
		},
		"administrator": {officer(administrator), []access.Action{
			access.RegisterOrganization, access.AddKey, access.RevokeKey, access.AppointOfficer, access.RemoveOfficer,
			access.ChangeOrganization,
		}},
		"certification": {officer(certification), []access.Action{
			access.ReadRejects, access.ReadAccount, access.ReadPortfolio, access.ReadCases, access.DecideCase, access.DecideCourse,
			access.ProposePolicy, access.PublishPolicy, access.ProposeCourse, access.ReadEntry, access.ReadTransfers,
			access.ExportPortfolio, access.Apply, access.PursueApplication, access.DecideApplication, access.ChangeCourse,
		}},
		"registrar": {officer(registrar), []access.Action{
			access.OpenAccount, access.CheckDocument, access.ReadAccount, access.ExportPortfolio, access.ExportIdentity,
		}},
		"no office": {access.Caller{Kind: access.Officer, Officer: "li", Organization: "town"}, nil},
		"resident": {access.Caller{Kind: access.Resident, Account: mine}, []access.Action{
			access.ReadAccount, access.ReadPortfolio, access.ReadEntry, access.ExportPortfolio, access.ExportIdentity,
			access.RequestTransfer, access.WithdrawTransfer, access.ReadTransfers, access.GetTransferBundle,
		}},
		"of no kind": {access.Caller{
			Kind: 9, Organization: "town", Roles: []ledgerv1.Role{platform}, Offices: []ledgerv1.OfficerRole{administrator}, Account: mine,
		}, nil},
	} {
		for _, action := range actions() {
			may := slices.Contains(c.may, action)
			if err := c.caller.Holds(action); (err == nil) != may {
				t.Errorf("%s holds %s: %v", name, action, err)
			}
			for subject, about := range map[string]struct {
				access.Subject
				ours map[access.Kind]bool
			}{
				"the own":      {access.Subject{Organization: "town", Account: mine}, map[access.Kind]bool{access.Organization: true, access.Officer: true, access.Resident: true}},
				"below":        {access.Subject{Organization: "village", Account: other}, map[access.Kind]bool{access.Officer: true}},
				"above":        {access.Subject{Organization: "root", Account: other}, nil},
				"beside":       {access.Subject{Organization: "other-town", Account: other}, nil},
				"nowhere":      {access.Subject{Organization: "nowhere"}, nil},
				"nothing":      {access.Subject{}, nil},
				"mine, beside": {access.Subject{Organization: "other-town", Account: mine}, map[access.Kind]bool{access.Resident: true}},
			} {
				want := may && about.ours[c.caller.Kind]
				err := c.caller.Check(action, about.Subject, network{})
				if (err == nil) != want {
					t.Errorf("%s, %s about %s: %v", name, action, subject, err)
				}
				if err == nil {
					continue
				}
				sentinel := access.ErrDenied
				if c.caller.Kind != access.Organization && c.caller.Kind != access.Officer && c.caller.Kind != access.Resident {
					sentinel = access.ErrUnauthenticated
				}
				if !errors.Is(err, sentinel) {
					t.Errorf("%s, %s about %s: %v, not %v", name, action, subject, err, sentinel)
				}
			}
		}
	}
}

// A resident without an account, and one about no account, read nothing.
func TestNoAccount(t *testing.T) {
	t.Parallel()
	nobody := access.Caller{Kind: access.Resident}
	if err := nobody.Check(access.ReadPortfolio, access.Subject{}, network{}); !errors.Is(err, access.ErrDenied) {
		t.Errorf("%v", err)
	}
}

// Callers are named in journals by what they are; a resident is not.
func TestString(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]access.Caller{
		"anonymous": {}, "organization:a": {Kind: access.Organization, Organization: "a"},
		"officer:li": {Kind: access.Officer, Officer: "li", Organization: "a"}, "resident": {Kind: access.Resident, Account: unit.AccountID{1}},
	} {
		if c.String() != want {
			t.Errorf("%q, not %q", c.String(), want)
		}
	}
}
