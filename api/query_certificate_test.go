package api_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	carerTitle = "养老护理员职业技能等级证书 (A)"
	carer      = "VOC-C4"
	carerBasic = "VOC-C3"
)

// proposesCarer proposes the certificate of a carer by the root, of a level.
func (b *bank) proposesCarer(code string, level int) {
	b.t.Helper()
	_, err := b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), api.Course{
		Provider: apitest.Root, Code: code, Version: "1", Title: carerTitle, Category: "vocational", Level: level, NominalMinutes: 2880,
		ValidFrom: "2020-01-01", ValidUntil: "2027-12-31",
	})
	must(b.t, err)
}

func (b *bank) decidesCarer(code string, decision ledgerv1.CourseDecision) {
	b.t.Helper()
	v := api.CourseVerdict{RequestID: b.RequestID(), Provider: apitest.Root, Code: code, Version: "1", Decision: decision}
	if decision == ledgerv1.CourseDecision_COURSE_DECISION_RETIRED {
		v.LastDay = "2026-12-31"
	}
	_, err := b.DecideCourse(ctx(), b.Officer(apitest.SecondOfficer), v)
	must(b.t, err)
}

// A certificate is found by its issuer and code or title, gives what its completion as an achievement gives, and stands for the courses
// that agreements name. What is not accredited is never guessed at; what a claim gives is said beside it.
func TestQueryCertificate(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	level := func(n int) *int { return &n }
	asked := func(change ...func(*api.CertificateName)) api.Query {
		n := &api.CertificateName{Issuer: apitest.Root, Name: carer}
		for _, c := range change {
			c(n)
		}
		return api.Query{Certificate: n}
	}
	claim := func(a *api.Accreditation, reason string) *api.ClaimOutlook {
		t.Helper()
		if a.Claim == nil || a.Claim.Reason != reason || a.Claim.Possible != (reason == "CLAIM_POSSIBLE") {
			t.Fatalf("the claim is %+v, not %s", a.Claim, reason)
		}
		if words := api.AccreditationWords(reason); words.ZH == "" || words.EN == "" {
			t.Errorf("no words for %s", reason)
		}
		return a.Claim
	}
	unknown := a.bank.stands(asked(), api.StandingUnknown, "CERTIFICATE_UNKNOWN")
	if claim(unknown, "CLAIM_CATEGORY_UNSAID"); unknown.Course != nil || unknown.Earning != nil || unknown.PolicyHash != nil {
		t.Errorf("of an unknown one there is %+v", unknown)
	}
	vocational := func(n *api.CertificateName) { n.Category = "vocational" }
	most := claim(a.bank.stands(asked(vocational), api.StandingUnknown, "CERTIFICATE_UNKNOWN"), "CLAIM_POSSIBLE")
	if most.Rule != "claimed-certificate" || most.Minutes != 2880 || most.Credits != 4000 || most.Name.ZH == "" || most.Words.EN == "" || len(most.PolicyHash) != 32 {
		t.Errorf("a claim is %+v", most)
	}
	a.proposesCarer(carer, 4)
	pending := a.bank.stands(asked(), api.StandingPending, "CERTIFICATE_NOT_DECIDED")
	if claim(pending, "CLAIM_POSSIBLE"); pending.Course == nil || pending.Earning != nil {
		t.Errorf("of a proposed one there is %+v", pending)
	}
	a.decidesCarer(carer, ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED)

	for name, q := range map[string]api.Query{
		"code":          asked(),
		"wide letters":  asked(func(n *api.CertificateName) { n.Name = "养老护理员职业技能等级证书　（ａ）" }),
		"title":         asked(func(n *api.CertificateName) { n.Name = carerTitle }),
		"issuer's name": asked(func(n *api.CertificateName) { n.Issuer = "西湖区社区学院"; n.Name = carerTitle }),
		"level":         asked(func(n *api.CertificateName) { n.Level = level(4) }),
		"home":          asked(func(n *api.CertificateName) { n.Home = apitest.Beishan }),
		"achievement":   {Certificate: asked().Certificate, Mode: statementv1.Mode_MODE_ACHIEVEMENT},
		"its issue":     {Certificate: asked().Certificate, Date: "2025-01-31"},
	} {
		for range 2 { // worked out, and remembered
			got := a.bank.stands(q, api.StandingAccredited, "CERTIFICATE_ACCREDITED")
			if c := got.Course; c == nil {
				t.Fatalf("%s: %+v", name, got)
			} else if c.Code != carer || c.Level != 4 || c.Category != "vocational" || c.NominalMinutes != 2880 {
				t.Errorf("%s: course %+v", name, c)
			}
			e := got.Earning
			if e == nil {
				t.Fatalf("%s: %+v", name, got)
			}
			if e.Outcome != awarded || e.Minutes != 2880 || e.Credits != 4000 || e.Points != 0 || len(e.Reasons) == 0 || len(e.Equivalents) != 1 {
				t.Fatalf("%s: it earns %+v", name, e)
			}
			until := map[bool]string{false: "2031-06-15", true: "2030-01-31"}[q.Date != ""] // five years
			if s := e.Equivalents[0]; s.Institution != university || s.InstitutionName != university || s.Programme != socialWork || s.Course != "SW-204" ||
				s.CourseName.EN == "" || s.ProgrammeName.ZH == "" || s.Takes != 2000 || s.Gives != 3000 || s.Until != until || len(s.AgreementHash) != 32 {
				t.Errorf("%s: it stands for %+v", name, s)
			}
			if c := claim(got, "CLAIM_POSSIBLE"); c.Category != "vocational" || c.Credits != 4000 {
				t.Errorf("%s: a claim is %+v", name, c)
			}
		}
	}
	early := a.bank.stands(api.Query{Certificate: asked().Certificate, Date: "2020-06-15"}, api.StandingAccredited, "CERTIFICATE_ACCREDITED")
	if c := claim(early, "CLAIM_TOO_OLD"); early.Accredited || early.Reasons[1] != "NO_POLICY" || early.Earning != nil || c.Credits != 0 || c.Rule == "" {
		t.Errorf("before any policy: %+v, %+v", early, c)
	}
	a.bank.stands(api.Query{Certificate: asked().Certificate, Date: "2019-12-31"}, api.StandingNotYet, "BEFORE_VALIDITY")
	a.bank.stands(api.Query{Certificate: asked().Certificate, Date: "2028-01-01"}, api.StandingEnded, "AFTER_VALIDITY")
	other := a.bank.stands(asked(func(n *api.CertificateName) { n.Level = level(3) }), api.StandingNone, "CERTIFICATE_OTHER_LEVEL")
	if claim(other, "CLAIM_CATEGORY_UNSAID"); other.Course == nil || other.Course.Level != 4 || other.Earning != nil || other.Accredited {
		t.Errorf("another level: %+v", other)
	}
	a.bank.stands(asked(func(n *api.CertificateName) { n.Issuer = "省职业技能鉴定中心" }), api.StandingUnknown, "ISSUER_UNKNOWN")

	// Two of one title are told apart by code or level.
	a.proposesCarer(carerBasic, 3)
	a.decidesCarer(carerBasic, ledgerv1.CourseDecision_COURSE_DECISION_REFUSED)
	titled := func(n *api.CertificateName) { n.Name = carerTitle }
	a.bank.stands(asked(titled), api.StandingUnknown, "CERTIFICATE_AMBIGUOUS")
	a.bank.stands(asked(titled, func(n *api.CertificateName) { n.Level = level(4) }), api.StandingAccredited, "CERTIFICATE_ACCREDITED")
	a.bank.stands(asked(titled, func(n *api.CertificateName) { n.Level = level(3) }), api.StandingNone, "CERTIFICATE_REFUSED")
	a.bank.stands(asked(titled, func(n *api.CertificateName) { n.Level = level(2) }), api.StandingUnknown, "CERTIFICATE_OTHER_LEVEL")

	// An agreement that has ended is asked no more; a retired certificate gives nothing.
	_, err := a.ChangeOrganization(ctx(), a.Officer(apitest.Administrator), api.OrganizationChange{
		RequestID: a.RequestID(), Organization: university, Change: ledgerv1.OrganizationChange_ORGANIZATION_CHANGE_SUSPENDED, From: today, ReasonCode: "QUALITY",
	})
	must(t, err)
	if e := a.bank.stands(asked(), api.StandingAccredited, "CERTIFICATE_ACCREDITED").Earning; len(e.Equivalents) != 0 {
		t.Errorf("a suspended institution takes %+v", e.Equivalents)
	}
	a.decidesCarer(carer, ledgerv1.CourseDecision_COURSE_DECISION_RETIRED)
	a.bank.stands(api.Query{Certificate: asked().Certificate, Date: "2027-01-01"}, api.StandingEnded, "CERTIFICATE_RETIRED")

	faults := map[string]api.Query{
		"certificate.issuer":   asked(func(n *api.CertificateName) { n.Issuer = "" }),
		"certificate.name":     asked(func(n *api.CertificateName) { n.Name = "a\nb" }),
		"certificate.level":    asked(func(n *api.CertificateName) { n.Level = level(policy.MaxLevels + 1) }),
		"certificate.category": asked(func(n *api.CertificateName) { n.Category = "nothing" }),
		"certificate.home":     asked(func(n *api.CertificateName) { n.Home = "nobody" }),
		"mode":                 {Certificate: asked().Certificate, Mode: statementv1.Mode_MODE_ONLINE},
		"date":                 {Certificate: asked().Certificate, Date: "1.1.2026"},
	}
	for field, q := range faults {
		answers, err := a.QueryAccreditations(ctx(), []api.Query{q, asked()})
		if must(t, err); answers[0].Fault == nil || answers[0].Fault.Field != field || answers[1].Fault != nil {
			t.Errorf("%s: %+v", field, answers[0])
		}
	}
}

// What was accredited in good time goes on counting, but what institutions and claims make of it ends with its age.
func TestOldCertificate(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	a.proposesCarer(carer, 4)
	a.decidesCarer(carer, ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED)
	q := api.Query{Certificate: &api.CertificateName{Issuer: apitest.Root, Name: carer}, Date: "2026-06-01"}
	for years, equivalents := range []int{1, 1, 1, 1, 1, 0} {
		got := a.bank.stands(q, api.StandingAccredited, "CERTIFICATE_ACCREDITED")
		if got.Earning.Credits != 4000 || len(got.Earning.Equivalents) != equivalents || got.Claim.Possible != (equivalents == 1) {
			t.Errorf("after %d years: %+v, %+v", years, got.Earning, got.Claim)
		}
		a.Clock.Advance(365 * 24 * time.Hour)
	}
}

// Where several organizations have policies, a claim is under that of the learner's home, which has to be said.
func TestClaimToACertificateAtHome(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	yaml := beishanPolicy(t, "1", "2024-03-30", "")
	b.publish(bytes.Replace(yaml, []byte("kinds: [KIND_CERTIFICATE]"), []byte("kinds: [KIND_CERTIFICATE]\n    categories: [arts]"), 1))
	q := api.Query{Certificate: &api.CertificateName{Issuer: apitest.Root, Name: carer, Category: "vocational"}}
	for home, reason := range map[string]string{"": "CLAIM_HOME_UNSAID", apitest.Beishan: "CLAIM_NOT_FORESEEN", apitest.Cuiyuan: "CLAIM_POSSIBLE"} {
		q.Certificate.Home = home
		c := b.stands(q, api.StandingUnknown, "CERTIFICATE_UNKNOWN").Claim
		if words := api.AccreditationWords(c.Reason); c.Reason != reason || words.ZH == "" || words.EN == "" || (c.PolicyHash == nil) != (home == "") {
			t.Errorf("at home in %q: %+v", home, c)
		}
	}
}

// Every reason of a certificate has words, as its courses' have.
func TestCertificateWords(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{
		"ACCREDITED", "NOT_DECIDED", "RETURNED", "REFUSED", "APPEALED", "WITHDRAWN", "SUSPENDED", "RETIRED", "UNKNOWN",
	} {
		for _, code := range []string{"COURSE_" + rest, "CERTIFICATE_" + rest} {
			if words := api.AccreditationWords(code); words.ZH == "" || words.EN == "" {
				t.Errorf("no words for %s", code)
			}
		}
	}
}
