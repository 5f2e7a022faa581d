package api_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// village registers a village school below Beishan with a course of its own, which is accredited.
func (b *bank) village() {
	b.t.Helper()
	code, err := unit.OrganizationCodeFor("52330106000000778")
	must(b.t, err)
	_, err = b.RegisterOrganization(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Organization{
		ID: "beishan-village", Name: "北山村教学点", Code: string(code), Parent: apitest.Beishan, TrustTier: 3,
		Level: ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_VILLAGE, Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_PROVIDER},
	})
	must(b.t, err)
	_, err = b.ProposeCourse(ctx(), b.Officer(apitest.Officer), b.RequestID(), api.Course{
		Provider: "beishan-village", Code: "paper-cutting", Version: "1", Title: "剪纸", Category: "arts", NominalMinutes: 720, ValidFrom: "2025-01-01",
	})
	must(b.t, err)
	_, err = b.DecideCourse(ctx(), b.Officer(apitest.SecondOfficer), api.CourseVerdict{
		RequestID: b.RequestID(), Provider: "beishan-village", Code: "paper-cutting", Version: "1",
		Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
	})
	must(b.t, err)
}

// The policy of the organization that is nearest to the course's provider judges, however far up it is, and of nobody beside.
func TestNearestPolicy(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.village()
	account := b.Open()
	judges := func(what, course, provider string, daysAgo int, want []byte) {
		t.Helper()
		s := b.learned(account, course, daysAgo, 30)
		s.GetCompletion().Provider = provider
		if d := b.one(s).Decision; !bytes.Equal(d.PolicyHash, want) {
			t.Errorf("%s: judged by %x, not %x", what, d.PolicyHash, want)
		}
	}
	judges("two levels below the district", "paper-cutting", "beishan-village", 1, b.Policy)
	street := b.publish(beishanPolicy(t, "1", "2024-03-30", ""))
	judges("the street has its own", "paper-cutting", "beishan-village", 2, street.Hash)
	judges("the street's own course", apitest.Calligraphy, apitest.Beishan, 2, street.Hash)
	village := b.publish(bytes.Replace(bytes.Replace(beishanPolicy(t, "1", "2026-06-10", ""),
		[]byte("id: beishan\n"), []byte("id: village\n"), 1), []byte("organization: beishan-school"), []byte("organization: beishan-village"), 1))
	judges("so has the village", "paper-cutting", "beishan-village", 3, village.Hash)
	judges("but not for what ended before", "paper-cutting", "beishan-village", 10, street.Hash)
	judges("nor for the street", apitest.Calligraphy, apitest.Beishan, 3, street.Hash)
	judges("nor for another street", apitest.Smartphone, apitest.Cuiyuan, 3, b.Policy)
}

// Learning is judged by the policy of the day on which it ended, whenever it is posted or decided on.
func TestPolicyOfTheLearningDate(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	// From 2027 on a credit takes twice as long.
	next := bytes.Replace(beishanPolicy(t, "2027", "2027-01-01", ""), []byte("minutes_per_credit: 720"), []byte("minutes_per_credit: 1440"), 1)
	old, future := b.publish(beishanPolicy(t, "2026", "2024-03-30", "")), b.publish(next)
	b.Clock.Advance(time.Date(2027, 1, 10, 1, 0, 0, 0, time.UTC).Sub(b.Clock.Now()))
	for _, c := range []struct {
		end       string // in Hangzhou
		policy    []byte
		available unit.Credits
	}{
		{"2026-12-31 23:59", old.Hash, 1000},
		{"2027-01-01 00:00", future.Hash, 500},
		{"2026-12-20 12:00", old.Hash, 1000},
	} {
		end, err := time.Parse("2006-01-02 15:04 -0700", c.end+" +0800")
		must(t, err)
		d := b.one(b.learnedUntil(account, apitest.Calligraphy, end.UTC(), 720)).Decision
		if !bytes.Equal(d.PolicyHash, c.policy) || d.Available != c.available {
			t.Errorf("%s: %v by %x, not %v by %x", c.end, d.Available, d.PolicyHash, c.available, c.policy)
		}
	}
	// So it is when an officer decides much later.
	b.Clock.Advance(100 * 24 * time.Hour)
	end := time.Date(2026, 12, 30, 4, 0, 0, 0, time.UTC)
	b.one(b.learnedUntil(account, apitest.Calligraphy, end, 720))
	if d := b.decide(b.cases()[0].ID, api.VerdictApprove); !bytes.Equal(d.PolicyHash, old.Hash) || d.Available != 1000 {
		t.Errorf("decided: %+v", d)
	}
}

// What only shows when a condition runs awards nothing and goes to an officer.
func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{
		"division by zero":       "100 * attended / held < 80",
		"overflow":               "minutes * 200000000000000000 > 1",
		"a place that is absent": "[1, 2][sessions + 1] == 7",
		"a number that is none":  `int(site) > 1`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			rule := "review:\n  - id: broken\n    risk: 1\n    when: " + strconv.Quote(when) + "\n"
			p := b.publish(bytes.Replace(beishanPolicy(t, "1", "2024-03-30", ""), []byte("review:\n"), []byte(rule), 1))
			account := b.Open()
			s := b.learned(account, apitest.Calligraphy, 1, 90)
			s.GetCompletion().Attendance = nil
			s.GetCompletion().Site = "hall-2"
			r := b.one(s)
			became(t, r.Decision, inReview, 0, 0, 0)
			if len(r.Decision.Causes) != 1 || r.Decision.Causes[0] != policy.PolicyError || !bytes.Equal(r.Decision.PolicyHash, p.Hash) {
				t.Errorf("%+v", r.Decision)
			}
			c := b.theCase(policy.PolicyError, r.Index)
			b.has(account, 0, 0, 0, 0)
			became(t, b.decide(c.ID, api.VerdictApprove), awarded, 90, 100, 0)
		})
	}
}

// A policy that could not be published is refused when it is proposed, with every place at once; days without a policy are
// said, and refuse nothing.
func TestPolicyEffect(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	officer := b.Officer(apitest.Officer)
	propose := func(version, from, until string) (api.Policy, error) {
		yaml := beishanPolicy(t, version, from, "")
		if until != "" {
			yaml = bytes.Replace(yaml, []byte("time_zone:"), []byte("effective_until: \""+until+"\"\ntime_zone:"), 1)
		}
		return b.ProposePolicy(ctx(), officer, b.RequestID(), yaml)
	}
	overlapping, err := propose("overlapping", "2026-09-01", "")
	must(t, err)
	late, err := propose("late", "2026-06-14", "")
	must(t, err)
	first, err := propose("first", "2024-03-30", "2026-12-31")
	must(t, err)
	if w := first.Warnings; len(w) != 1 || w[0].Field != "effective_until" || !strings.Contains(w[0].Message, "from 2027-01-01 on") || w[0].Line == 0 {
		t.Errorf("warnings %v", w)
	}
	publish := func(p api.Policy) (api.Policy, error) {
		return b.PublishPolicy(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), p.Hash)
	}
	first, err = publish(first)
	must(t, err)
	if len(first.Warnings) != 1 {
		t.Errorf("warnings on publishing %v", first.Warnings)
	}
	// What could be proposed before can no longer be published.
	_, err = publish(overlapping)
	wants(t, err, api.Precondition, api.ReasonPolicyOverlap, "policy_hash")
	_, err = publish(late)
	wants(t, err, api.Precondition, api.ReasonPolicyRetroactive, "policy_hash")

	_, err = propose("3", "2026-01-01", "")
	wants(t, err, api.Precondition, api.ReasonPolicyRetroactive, "yaml")
	if faults := policy.Faults(err); len(faults) != 2 || faults[0].Field != "effective_from" || faults[0].Line == 0 || !errors.Is(err, policy.ErrPolicy) {
		t.Errorf("faults %v", faults)
	}
	_, err = propose("4", "2026-12-31", "")
	wants(t, err, api.Precondition, api.ReasonPolicyOverlap, "yaml")
	size := b.size()
	gap, err := propose("5", "2027-02-01", "")
	must(t, err)
	if w := gap.Warnings; len(w) != 1 || !strings.Contains(w[0].Message, "from 2027-01-01, after version \"first\", to 2027-01-31") {
		t.Errorf("warnings %v", w)
	}
	if b.size() != size+1 {
		t.Errorf("%d entries", b.size()-size)
	}
	unknown := bytes.Replace(beishanPolicy(t, "6", "2027-02-01", ""), []byte("organization: beishan-school"), []byte("organization: nobody"), 1)
	_, err = b.ProposePolicy(ctx(), officer, b.RequestID(), unknown)
	wants(t, err, api.Invalid, api.ReasonUnknownOrganization, "yaml")
	if faults := policy.Faults(err); len(faults) != 1 || faults[0].Field != "organization" || faults[0].Line == 0 {
		t.Errorf("faults %v", faults)
	}
}
