package policy_test

import (
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const claims = `
claims:
  - id: certificate
    title: {zh: 证书, en: Certificate}
    kinds: [KIND_CERTIFICATE]
    max_minutes: 4320
    minutes_per_credit: 720
    risk: 2
    max_age_months: 60
    valid_months: 12
  - id: deeds
    title: {zh: 志愿服务, en: Deeds}
    kinds: [KIND_VOLUNTEERING, KIND_TEACHING]
    max_minutes: 900
    fixed_milli_credits: 500
    risk: 1
    words: {zh: "认可 {before}，得 {after}，每次最多 {limit}。", en: "{before} give {after}; at most {limit}."}
  - id: teaching
    title: {zh: 工作, en: Work}
    kinds: [KIND_TEACHING, KIND_WORK]
    max_minutes: 100
    no_credit: true
    risk: 3
`

func TestClaimRules(t *testing.T) {
	p, err := policy.Compile([]byte(minimal + claims))
	if err != nil {
		t.Fatal(err)
	}
	category := p.Categories()[0].ID
	for _, c := range []struct {
		kind    ledgerv1.ClaimKind
		want    string
		minutes unit.Minutes
		credits unit.Credits
	}{
		{ledgerv1.ClaimKind_CLAIM_KIND_CERTIFICATE, "certificate", 1439, 1998},
		{ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, "deeds", 10, 500},
		{ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, "deeds", 0, 0},
		{ledgerv1.ClaimKind_CLAIM_KIND_TEACHING, "deeds", 900, 500},
		{ledgerv1.ClaimKind_CLAIM_KIND_WORK, "teaching", 100, 0},
		{ledgerv1.ClaimKind_CLAIM_KIND_UNSPECIFIED, "", 0, 0},
	} {
		rule, ok := p.ClaimRule(c.kind, category)
		if ok != (c.want != "") || ok && (rule.ID() != c.want || rule.Credits(c.minutes) != c.credits) {
			t.Errorf("%v: %v, %t; not %s and %d", c.kind, rule, ok, c.want, c.credits)
		}
	}
	certificate, _ := p.ClaimRuleNamed("certificate")
	ended := day(t, "2021-03-31")
	if months, old := certificate.TooOld(ended, day(t, "2026-03-31")); old || months != 60 {
		t.Error("five years to the day are too old")
	}
	if _, old := certificate.TooOld(ended, day(t, "2026-04-01")); !old {
		t.Error("five years and a day are not too old")
	}
	deeds, _ := p.ClaimRuleNamed("deeds")
	if _, old := deeds.TooOld(day(t, "1950-01-01"), day(t, "2026-04-01")); old || deeds.Expires(ended) != 0 {
		t.Error("a limit that the rule does not have")
	}
	if got, want := certificate.Expires(ended), ended.AddMonths(12); got != want {
		t.Errorf("expires %v, not %v", got, want)
	}
	if got, want := p.Explain(deeds.Reason(90, 500), "en"), "2 learning hours (90 minutes) give 0.5 credits; at most 20 learning hours (900 minutes)."; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if _, ok := p.ClaimRuleNamed("class"); ok {
		t.Error("a rule of another kind is one for claims")
	}
}
