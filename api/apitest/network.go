package apitest

import (
	"fmt"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// The network: a district with three schools below it and two platforms.
const (
	// Root is the district's community college, a provider and certifier.
	Root = "xihu-cc"
	// Beishan is the community school of a street: a provider below the root.
	Beishan = "beishan-school"
	// Cuiyuan is another one.
	Cuiyuan = "cuiyuan-school"
	// Sandun is that of a town.
	Sandun = "sandun-school"
	// Platform posts; it has a key for signing and one for calling.
	Platform = "hangxue"
	// OtherPlatform does so too.
	OtherPlatform = "zhihui"
)

// The officers.
const (
	// Administrator is one of the two with whom the bank began.
	Administrator = "admin-li"
	// SecondAdministrator is the other.
	SecondAdministrator = "admin-wang"
	// Officer certifies for the whole district and proposed policy and courses.
	Officer = "officer-chen"
	// SecondOfficer certifies for the whole district and decided on them.
	SecondOfficer = "officer-zhou"
	// ThirdOfficer certifies for the whole district too, and has decided on nothing.
	ThirdOfficer = "officer-qian"
	// StreetOfficer certifies for Beishan only.
	StreetOfficer = "officer-sun"
	// Registrar opens accounts for the whole district.
	Registrar = "registrar-lin"
)

// The courses, all in CourseVersion and accredited from 2025-01-01 on, but for Proposed.
const (
	CourseVersion = "1"
	// Calligraphy (Beishan, arts, 720 minutes) can be taken again and again.
	Calligraphy = "calligraphy"
	// FirstAid (Beishan, health, 90 minutes) is in the equivalence group "first-aid".
	FirstAid = "first-aid"
	// FirstAidOnline (Cuiyuan, health, 90 minutes) is in the same.
	FirstAidOnline = "first-aid-online"
	// Smartphone is of Cuiyuan (science, 900 minutes).
	Smartphone = "smartphone"
	// Welding is of the root (vocational, 7200 minutes).
	Welding = "welding"
	// Proposed (Beishan, arts, 720 minutes) waits for an officer.
	Proposed = "tea"
)

func root(tb testing.TB) api.Organization {
	tb.Helper()
	return api.Organization{
		ID: Root, Name: "西湖区社区学院", Code: code(tb, 0), Level: ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_DISTRICT, TrustTier: 5,
		Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_PROVIDER, ledgerv1.Role_ROLE_CERTIFIER},
	}
}

// code is a made-up unified social credit code.
func code(tb testing.TB, n int) string {
	tb.Helper()
	c, err := unit.OrganizationCodeFor(fmt.Sprintf("52330106%09d", n))
	if err != nil {
		tb.Fatal(err)
	}
	return string(c)
}

// Settle registers everything but the root and its administrators: what [NewBank] does unless it was told not to.
func (b *Bank) Settle() {
	b.tb.Helper()
	const (
		town     = ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_TOWN
		provider = ledgerv1.Role_ROLE_PROVIDER
		platform = ledgerv1.Role_ROLE_PLATFORM
	)
	for i, o := range []api.Organization{
		{ID: Beishan, Name: "北山街道社区学校", Level: town, Roles: []ledgerv1.Role{provider}, TrustTier: 4},
		{ID: Cuiyuan, Name: "翠苑街道社区学校", Level: town, Roles: []ledgerv1.Role{provider}, TrustTier: 4},
		{ID: Sandun, Name: "三墩镇社区学校", Level: town, Roles: []ledgerv1.Role{provider}, TrustTier: 4},
		{ID: Platform, Name: "杭学通", Roles: []ledgerv1.Role{platform}, TrustTier: 3},
		{ID: OtherPlatform, Name: "智汇云课堂", Roles: []ledgerv1.Role{platform}, TrustTier: 2},
	} {
		o.Parent, o.Code = Root, code(b.tb, i+1)
		_, err := b.RegisterOrganization(b.ctx(), b.Officer(Administrator), b.RequestID(), o)
		b.must(err)
	}
	b.appoint(Officer, Root, ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION)
	b.appoint(SecondOfficer, Root, ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION)
	b.appoint(ThirdOfficer, Root, ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION)
	b.appoint(StreetOfficer, Beishan, ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION)
	b.appoint(Registrar, Root, ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR)
	for _, p := range []string{Platform, OtherPlatform} {
		b.platforms[p] = platformKeys{b.AddedKey(p, keyring.Sign), b.AddedKey(p, keyring.Authenticate)}
	}
	b.publish()
	b.accredit()
}

func (b *Bank) appoint(officer, organization string, role ledgerv1.OfficerRole) {
	b.tb.Helper()
	_, err := b.AppointOfficer(b.ctx(), b.Officer(Administrator), b.RequestID(), api.Appointment{
		Officer: officer, Organization: organization, Roles: []ledgerv1.OfficerRole{role},
	})
	b.must(err)
}

// publish puts the policy into force, as two officers do.
func (b *Bank) publish() {
	b.tb.Helper()
	p, err := b.ProposePolicy(b.ctx(), b.Officer(Officer), b.RequestID(), b.yaml)
	b.must(err)
	_, err = b.PublishPolicy(b.ctx(), b.Officer(SecondOfficer), b.RequestID(), p.Hash)
	b.must(err)
	b.Policy = p.Hash
}

func (b *Bank) accredit() {
	b.tb.Helper()
	for _, c := range []api.Course{
		{Provider: Beishan, Code: Calligraphy, Title: "书法入门", Category: "arts", Level: 1, NominalMinutes: 720},
		{Provider: Beishan, Code: FirstAid, Title: "家庭急救", Category: "health", Level: 1, NominalMinutes: 90, EquivalenceGroup: "first-aid"},
		{Provider: Cuiyuan, Code: FirstAidOnline, Title: "家庭急救（线上）", Category: "health", Level: 1, NominalMinutes: 90, EquivalenceGroup: "first-aid"},
		{Provider: Cuiyuan, Code: Smartphone, Title: "智能手机应用", Category: "science", Level: 1, NominalMinutes: 900},
		{Provider: Root, Code: Welding, Title: "焊工技能", Category: "vocational", Level: 3, NominalMinutes: 7200},
		{Provider: Beishan, Code: Proposed, Title: "茶艺", Category: "arts", Level: 1, NominalMinutes: 720},
	} {
		c.Version, c.ValidFrom = CourseVersion, "2025-01-01"
		_, err := b.ProposeCourse(b.ctx(), b.Officer(Officer), b.RequestID(), c)
		b.must(err)
		if c.Code == Proposed {
			continue
		}
		_, err = b.DecideCourse(b.ctx(), b.Officer(SecondOfficer), api.CourseVerdict{
			RequestID: b.RequestID(), Provider: c.Provider, Code: c.Code, Version: c.Version,
			Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
		})
		b.must(err)
	}
}

// NewKey draws an Ed25519 key that is registered nowhere.
func (b *Bank) NewKey() *keyring.PrivateKey {
	b.tb.Helper()
	key, err := keyring.Generate(keyring.Ed25519, b.random)
	b.must(err)
	return key
}

// AddedKey draws a key and registers it for an organization.
func (b *Bank) AddedKey(organization string, purpose keyring.Purpose) *keyring.PrivateKey {
	b.tb.Helper()
	key := b.NewKey()
	_, _, err := b.AddKey(b.ctx(), b.Officer(Administrator), b.RequestID(), b.KeyRequest(key, organization, purpose))
	b.must(err)
	return key
}

// KeyRequest asks for a key to be registered, with its proof of possession.
func (b *Bank) KeyRequest(key *keyring.PrivateKey, organization string, purpose keyring.Purpose) api.NewKey {
	b.tb.Helper()
	proof, err := key.Sign(keyring.RegistrationText(BankID, unit.OrganizationID(organization), key.Public().ID(), purpose))
	b.must(err)
	return api.NewKey{
		Organization: organization, PublicKey: key.Public().SPKI(), Proof: proof,
		Algorithm: ledgerv1.KeyAlgorithm(key.Public().Algorithm()), Purpose: ledgerv1.KeyPurpose(purpose),
	}
}

// SignKey and AuthKey are the keys of a platform.
func (b *Bank) SignKey(platform string) *keyring.PrivateKey { return b.platforms[platform].sign }

// AuthKey is the key with which a platform calls.
func (b *Bank) AuthKey(platform string) *keyring.PrivateKey {
	return b.platforms[platform].authenticate
}

// PlatformToken is a token with which a platform calls now.
func (b *Bank) PlatformToken(platform string) string {
	b.tb.Helper()
	token, err := access.OrganizationToken(BankID, unit.OrganizationID(platform), b.AuthKey(platform), b.Clock.Now())
	b.must(err)
	return token
}

// OfficerToken is a token with which an officer calls now.
func (b *Bank) OfficerToken(officer string) string {
	b.tb.Helper()
	token, err := access.OfficerToken(BankID, Issuer, officer, b.IssuerKey, b.Clock.Now(), access.MaxPersonToken)
	b.must(err)
	return token
}

// ResidentToken is a token with which the holder of an account calls now.
func (b *Bank) ResidentToken(account unit.AccountID) string {
	b.tb.Helper()
	token, err := access.ResidentToken(BankID, Issuer, account, b.IssuerKey, b.Clock.Now(), access.MaxPersonToken)
	b.must(err)
	return token
}

// As answers whom a token is of.
func (b *Bank) As(token string) access.Caller {
	b.tb.Helper()
	caller, err := b.Authenticate(b.ctx(), token)
	b.must(err)
	return caller
}

// Platform is a platform that calls.
func (b *Bank) Platform(id string) access.Caller { return b.As(b.PlatformToken(id)) }

// Officer is an officer who calls.
func (b *Bank) Officer(id string) access.Caller { return b.As(b.OfficerToken(id)) }

// Resident is the holder of an account who calls.
func (b *Bank) Resident(account unit.AccountID) access.Caller { return b.As(b.ResidentToken(account)) }
