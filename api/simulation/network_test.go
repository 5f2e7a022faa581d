package simulation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/deploy/policies"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// requestID is the id of the n-th request.
func requestID(n int) string { return fmt.Sprintf("0198f3c2-7c1e-7a52-9d0f-%012x", n) }

// asked is what somebody asks of the bank.
type asked func(w *world, by access.Caller, request string) (answer string, err error)

// by makes a change that an officer asks for.
func by(officer, name, request string, ask asked) change {
	return change{name: name, ask: func(w *world) (string, error) {
		caller, err := w.officer(officer)
		if err != nil {
			return "", err
		}
		return ask(w, caller, request)
	}}
}

// certifiers are the officers who decide cases: as many as it takes to hear an appeal after two have granted a claim and one has
// revoked it.
func certifiers() []string {
	return []string{apitest.Officer, apitest.SecondOfficer, apitest.ThirdOfficer, "officer-wei"}
}

// founding are the steps by which the network of package apitest comes to be. Each can be asked again.
func founding(k *keys) []change {
	steps := []change{{name: "found the bank", ask: func(w *world) (string, error) {
		err := w.Found(ctx(), api.Founding{
			Organization: organization(apitest.Root, 0), Administrators: []string{apitest.Administrator, apitest.SecondAdministrator},
		})
		if fault, ok := errors.AsType[*api.Error](err); ok && fault.Reason == api.ReasonOrganizationKnown {
			err = nil // it was founded before
		}
		return "founded", err
	}}}
	add := func(officer, name string, ask asked) {
		steps = append(steps, by(officer, name, requestID(len(steps)), ask))
	}
	for i, id := range []string{apitest.Beishan, apitest.Cuiyuan, apitest.Platform, apitest.OtherPlatform} {
		add(apitest.Administrator, "register "+id, func(w *world, by access.Caller, request string) (string, error) {
			o, err := w.RegisterOrganization(ctx(), by, request, organization(id, i+1))
			return entry(o.Index, err)
		})
	}
	for _, id := range append(certifiers(), apitest.Registrar) {
		role := ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION
		if id == apitest.Registrar {
			role = ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR
		}
		add(apitest.Administrator, "appoint "+id, func(w *world, by access.Caller, request string) (string, error) {
			return entry(w.AppointOfficer(ctx(), by, request, api.Appointment{
				Officer: id, Organization: apitest.Root, Roles: []ledgerv1.OfficerRole{role},
			}))
		})
	}
	for _, p := range platforms() {
		add(apitest.Administrator, "sign key of "+p, addKey(p, k.callers[p].sign, keyring.Sign))
		add(apitest.Administrator, "authenticate key of "+p, addKey(p, k.callers[p].authenticate, keyring.Authenticate))
	}
	published := acceptors(k, add)
	add(apitest.Officer, "propose the policy", func(w *world, by access.Caller, request string) (string, error) {
		p, err := w.ProposePolicy(ctx(), by, request, policies.Xihu2026())
		return hex.EncodeToString(p.Hash), err
	})
	add(apitest.SecondOfficer, "publish the policy", func(w *world, by access.Caller, request string) (string, error) {
		hash := sha256.Sum256(policies.Xihu2026())
		p, err := w.PublishPolicy(ctx(), by, request, hash[:])
		return fmt.Sprint(p.PublishedTime.UnixMicro()), err
	})
	for _, c := range courses() {
		add(apitest.Officer, "propose course "+c.Code, proposal(c))
		if c.Code == apitest.Proposed {
			continue
		}
		add(apitest.SecondOfficer, "accredit course "+c.Code, func(w *world, by access.Caller, request string) (string, error) {
			answer, err := w.DecideCourse(ctx(), by, api.CourseVerdict{
				RequestID: request, Provider: c.Provider, Code: c.Code, Version: c.Version,
				Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
			})
			return entry(answer.Index, err)
		})
	}
	return append(steps, published...)
}

func entry(index uint64, err error) (string, error) { return fmt.Sprint("entry ", index), err }

func proposal(c api.Course) asked {
	return func(w *world, by access.Caller, request string) (string, error) {
		answer, err := w.ProposeCourse(ctx(), by, request, c)
		return entry(answer.Index, err)
	}
}

func addKey(organization string, key *keyring.PrivateKey, purpose keyring.Purpose) asked {
	return func(w *world, by access.Caller, request string) (string, error) {
		proof, err := key.Sign(keyring.RegistrationText(apitest.BankID, unit.OrganizationID(organization), key.Public().ID(), purpose))
		if err != nil {
			return "", err
		}
		_, index, err := w.AddKey(ctx(), by, request, api.NewKey{
			Organization: organization, PublicKey: key.Public().SPKI(), Proof: proof,
			Algorithm: ledgerv1.KeyAlgorithm(key.Public().Algorithm()), Purpose: ledgerv1.KeyPurpose(purpose),
		})
		return entry(index, err)
	}
}

// organization is one of those of package apitest.
func organization(id string, n int) api.Organization {
	const (
		town     = ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_TOWN
		provider = ledgerv1.Role_ROLE_PROVIDER
	)
	code, err := unit.OrganizationCodeFor(fmt.Sprintf("52330106%09d", n))
	if err != nil {
		panic(err) // the text above is wrong
	}
	o := api.Organization{ID: id, Name: id, Code: string(code), Parent: apitest.Root, Level: town, TrustTier: 4, Roles: []ledgerv1.Role{provider}}
	switch id {
	case apitest.Root:
		o.Parent, o.Level, o.TrustTier = "", ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_DISTRICT, 5
		o.Roles = append(o.Roles, ledgerv1.Role_ROLE_CERTIFIER)
	case apitest.Platform, apitest.OtherPlatform:
		o.Level, o.TrustTier, o.Roles = 0, 3, []ledgerv1.Role{ledgerv1.Role_ROLE_PLATFORM}
	}
	return o
}

// courses are those of package apitest.
func courses() []api.Course {
	all := []api.Course{
		{Provider: apitest.Beishan, Code: apitest.Calligraphy, Category: "arts", Level: 1, NominalMinutes: 720},
		{Provider: apitest.Beishan, Code: apitest.FirstAid, Category: "health", Level: 1, NominalMinutes: 90, EquivalenceGroup: "first-aid"},
		{Provider: apitest.Cuiyuan, Code: apitest.FirstAidOnline, Category: "health", Level: 1, NominalMinutes: 90, EquivalenceGroup: "first-aid"},
		{Provider: apitest.Cuiyuan, Code: apitest.Smartphone, Category: "science", Level: 1, NominalMinutes: 900},
		{Provider: apitest.Root, Code: apitest.Welding, Category: "vocational", Level: 3, NominalMinutes: 7200},
		{Provider: apitest.Beishan, Code: apitest.Proposed, Category: "arts", Level: 1, NominalMinutes: 720},
	}
	for i := range all {
		all[i].Version, all[i].ValidFrom, all[i].Title = apitest.CourseVersion, "2025-01-01", all[i].Code
	}
	return all
}
