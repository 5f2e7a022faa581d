package api

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// CertificateName names a certificate (证书). One that the bank has accredited is a course of its issuer, which is taken as an
// achievement; any other one can be claimed where the policy foresees it.
type CertificateName struct {
	// Issuer is the id or the name of the organization that issues it.
	Issuer string
	// Name is its code with the issuer, or its title.
	Name string
	// Level is the one in the framework of levels that is asked about; nil: whichever it has.
	Level *int
	// Category is the one in which it would be claimed; empty: the one in which it was accredited or proposed.
	Category string
	// Home is the organization where the learner is at home, whose policy a claim is under. It may be empty where the bank has the
	// policy of one organization alone.
	Home string
}

// ClaimOutlook is what a claim to a certificate gives that is filed on the day of the query, or when the certificate is there. An
// officer always decides, and may grant less.
type ClaimOutlook struct {
	// Reason is a code, see AccreditationWords: CLAIM_POSSIBLE, or why it is not.
	Reason string
	// Possible has the rest set: the rule and what the policy calls such claims, the most minutes of one, and the credits that they give.
	Possible bool
	Rule     string
	Name     Text
	Category string
	Minutes  unit.Minutes
	Credits  unit.Credits
	// Words are those of the policy.
	Words Text
	// PolicyHash is that of the policy at home; nil: there is none, or it is not known which.
	PolicyHash []byte
}

// Equivalent is a course of an institution's programme that a certificate stands for by an agreement.
type Equivalent struct {
	Institution, InstitutionName string
	// AgreementHash is that of the agreement in force.
	AgreementHash []byte
	Programme     string
	ProgrammeName Text
	Course        string
	CourseName    Text
	// Takes is what it costs of the credits that the certificate gives, Gives what the course gives at the institution.
	Takes, Gives unit.Credits
	// Until is the last day on which it can be taken over, YYYY-MM-DD; empty: it has no end.
	Until string
}

func (n *CertificateName) check(d *directory) *Error {
	for _, text := range []struct{ field, value string }{{"certificate.issuer", n.Issuer}, {"certificate.name", n.Name}} {
		if fault := checkText(text.field, text.value, 1, maxClaimText); fault != nil {
			return fault
		}
	}
	switch {
	case n.Level != nil && (*n.Level < 0 || *n.Level > policy.MaxLevels):
		return invalid(ReasonField, "certificate.level", "the level is %d, levels are 0 to %d", *n.Level, policy.MaxLevels)
	case n.Category != "" && !d.hasCategory(n.Category):
		return invalid(ReasonUnknownCategory, "certificate.category", "no policy of the bank has this category; see GetPolicy")
	case n.Home != "" && d.organizations[n.Home] == nil:
		return faultf(NotFound, ReasonUnknownOrganization, "certificate.home", "there is no such organization")
	default:
		return nil
	}
}

// queryCertificate answers how a certificate stands, what it gives, and what a claim to it would give.
func (d *directory) queryCertificate(q Query, now time.Time) (*Accreditation, *Error) {
	n := q.Certificate
	if fault := n.check(d); fault != nil {
		return nil, fault
	}
	if q.Mode != statementv1.Mode_MODE_UNSPECIFIED && q.Mode != statementv1.Mode_MODE_ACHIEVEMENT {
		return nil, invalid(ReasonField, "mode", "a certificate is an achievement; leave the mode out")
	}
	day, fault := parseDay("date", q.Date, true)
	if fault != nil {
		return nil, fault
	}
	home := n.Home
	if home == "" {
		home = d.onlyScope(now)
	}
	today := d.today(home, now)
	if day == 0 {
		day = today
	}
	on := max(day, today)
	c, reason := d.certificate(n, day)
	a := &Accreditation{Standing: StandingUnknown, Reasons: []string{reason}}
	switch {
	case c == nil:
	case reason != "":
		shown := d.courseOf(c, d.policyFor(c.fact.GetProvider(), now))
		a.Standing, a.Course, c = StandingNone, &shown, nil // what is claimed is another one
	default:
		a = d.accreditation(c, statementv1.Mode_MODE_ACHIEVEMENT, day, on, now)
		for i, code := range a.Reasons {
			if kind, rest, _ := strings.Cut(code, "_"); kind == "COURSE" {
				a.Reasons[i] = "CERTIFICATE_" + rest
			}
		}
	}
	a.Claim = d.claimOutlook(n, c, home, policy.Day(day), policy.Day(on))
	return a, nil
}

// onlyScope is the organization that alone has a policy in force; empty where it is not one.
func (d *directory) onlyScope(now time.Time) string {
	only := ""
	for id := range d.scopes {
		if p := d.policyFor(id, now); p == nil || p.Organization() != id {
			continue
		}
		if only != "" {
			return ""
		}
		only = id
	}
	return only
}

// certificate finds a certificate in the version that counts on a day, else the newest that was accredited, else the newest. With a
// reason it is not the one that was asked for: another level of it, or none.
func (d *directory) certificate(n *CertificateName, day int32) (c *course, reason string) {
	issuers := []string{n.Issuer}
	if d.organizations[n.Issuer] == nil {
		if issuers = d.spoken.of(d).issuers[folded(n.Issuer)]; len(issuers) == 0 {
			return nil, "ISSUER_UNKNOWN"
		}
	}
	var found, others []*course
	for _, issuer := range issuers {
		codes := []string{n.Name}
		if d.versions[courseCode{issuer, n.Name}] == nil {
			codes = d.spoken.of(d).titles[title{issuer, folded(n.Name)}]
		}
		for _, code := range codes {
			all := d.versions[courseCode{issuer, code}]
			at := all
			if n.Level != nil {
				at = slices.DeleteFunc(slices.Clone(all), func(c *course) bool { return int(c.fact.GetLevel()) != *n.Level })
			}
			if len(at) == 0 {
				others = append(others, d.bestOf(all, day))
				continue
			}
			found = append(found, d.bestOf(at, day))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], ""
	case len(found) > 1:
		return nil, "CERTIFICATE_AMBIGUOUS"
	case len(others) == 1:
		return others[0], "CERTIFICATE_OTHER_LEVEL"
	case len(others) > 1:
		return nil, "CERTIFICATE_OTHER_LEVEL"
	default:
		return nil, "CERTIFICATE_UNKNOWN"
	}
}

// bestOf is newestOf, or the newest of all where none was accredited.
func (*directory) bestOf(versions []*course, day int32) *course {
	if c := newestOf(versions, day); c != nil {
		return c
	}
	return versions[len(versions)-1]
}

// claimOutlook is what a claim gives at most that is filed on a day, by the rule at a learner's home. The certificate is the one that
// was found, nil: none was.
func (d *directory) claimOutlook(n *CertificateName, c *course, home string, issued, filed policy.Day) *ClaimOutlook {
	outlook := &ClaimOutlook{Category: n.Category}
	if outlook.Category == "" && c != nil {
		outlook.Category = c.fact.GetCategory()
	}
	p := d.policyFor(home, timeOfDay(int32(filed)))
	if p != nil {
		hash := p.Hash()
		outlook.PolicyHash = hash[:]
	}
	switch {
	case home == "":
		outlook.Reason = "CLAIM_HOME_UNSAID"
		return outlook
	case p == nil:
		outlook.Reason = "NO_POLICY"
		return outlook
	case outlook.Category == "":
		outlook.Reason = "CLAIM_CATEGORY_UNSAID"
		return outlook
	}
	rule, ok := p.ClaimRule(ledgerv1.ClaimKind_CLAIM_KIND_CERTIFICATE, outlook.Category)
	if !ok {
		outlook.Reason = "CLAIM_NOT_FORESEEN"
		return outlook
	}
	outlook.Rule, outlook.Name = rule.ID(), rule.Title()
	if _, old := rule.TooOld(issued, filed); old {
		outlook.Reason = "CLAIM_TOO_OLD"
		return outlook
	}
	outlook.Possible, outlook.Reason = true, "CLAIM_POSSIBLE"
	outlook.Minutes = min(rule.MaxMinutes(), maxClaimMinutes)
	if c != nil {
		outlook.Minutes = min(outlook.Minutes, unit.Minutes(c.fact.GetNominalMinutes()))
	}
	outlook.Credits = rule.Credits(outlook.Minutes)
	said := rule.Reason(outlook.Minutes, outlook.Credits)
	outlook.Words = Text{ZH: p.Explain(said, "zh"), EN: p.Explain(said, "en")}
	return outlook
}

// equivalents asks all agreements in force on a day for which of their courses a certificate stands, of somebody of whom nothing was
// taken over before: what it gives, earned on an earlier day and posted by its issuer.
func (d *directory) equivalents(c *course, earned *Earning, learned, on int32) []Equivalent {
	if earned.available == 0 {
		return nil
	}
	score, provider := int32(maxScore), c.fact.GetProvider()
	item := agreement.Item{
		Kind: agreement.Completion, Platform: provider, Provider: provider, Course: c.fact.GetCode(), CourseVersion: c.fact.GetVersion(),
		Category: c.fact.GetCategory(), Level: int32(c.fact.GetLevel()), Mode: statementv1.Mode_MODE_ACHIEVEMENT, Score: &score,
		Minutes: earned.Minutes, Learned: agreement.Day(learned), Expires: earned.expires, Available: earned.available,
		Above: d.above(provider), Transferable: d.transferableOf()(provider, learned, c.fact.GetCategory()),
	}
	var all []Equivalent
	for _, institution := range slices.Sorted(maps.Keys(d.agreements)) {
		if d.checkAcceptor(institution, agreement.Day(on)) != nil {
			continue
		}
		for _, a := range d.agreements[institution] {
			if d.agreementInForce(institution, a.ID(), agreement.Day(on)) != a {
				continue
			}
			for _, programme := range a.Programmes() {
				quote, err := a.Quote(programme.Code, []agreement.Item{item}, agreement.Taken{}, agreement.Day(on))
				if err != nil || quote.Decisions[0].Course == "" {
					continue
				}
				decision, hash := quote.Decisions[0], a.Hash()
				all = append(all, Equivalent{
					Institution: institution, InstitutionName: d.organizations[institution].GetFact().GetName(), AgreementHash: hash[:],
					Programme: programme.Code, ProgrammeName: programme.Name, Course: decision.Course, CourseName: a.CourseName(decision.Course),
					Takes: decision.Takes, Gives: decision.Gives, Until: dayString(int32(decision.Until)),
				})
			}
		}
	}
	return all
}

// spokenNames finds organizations and courses by what people call them. They are made when somebody first asks: few do.
type spokenNames struct {
	once sync.Once
	// issuers are organizations by their name.
	issuers map[string][]string
	// titles are codes of courses, each once.
	titles map[title][]string
}

// title is what an organization calls a course, as all spellings of it are folded.
type title struct{ provider, words string }

func (s *spokenNames) of(d *directory) *spokenNames {
	s.once.Do(func() {
		s.issuers, s.titles = make(map[string][]string), make(map[title][]string)
		for _, id := range slices.Sorted(maps.Keys(d.organizations)) {
			name := folded(d.organizations[id].GetFact().GetName())
			s.issuers[name] = append(s.issuers[name], id)
		}
		for _, c := range d.courses {
			name := title{c.fact.GetProvider(), folded(c.fact.GetTitle())}
			if !slices.Contains(s.titles[name], c.fact.GetCode()) {
				s.titles[name] = append(s.titles[name], c.fact.GetCode())
			}
		}
	})
	return s
}

// certificateWords says the reasons that are of certificates alone.
func certificateWords(code string) Text {
	switch code {
	case "CERTIFICATE_ACCREDITED":
		return Text{ZH: "证书已认证，在该日期取得的计入学分。", EN: "The certificate is accredited and counts when it is issued on this date."}
	case "CERTIFICATE_NOT_DECIDED":
		return Text{ZH: "证书已申报，尚待认证员审定。", EN: "The certificate was proposed and waits for an officer."}
	case "CERTIFICATE_RETURNED":
		return Text{ZH: "证书申报已退回，等待补充材料。", EN: "More was asked of who proposed the certificate."}
	case "CERTIFICATE_REFUSED":
		return Text{ZH: "证书未通过认证。", EN: "The certificate was refused."}
	case "CERTIFICATE_APPEALED":
		return Text{ZH: "证书未通过认证，申诉由另一位认证员审理中。", EN: "The certificate was refused, and another officer hears the appeal."}
	case "CERTIFICATE_WITHDRAWN":
		return Text{ZH: "证书申报已撤回。", EN: "The proposal of the certificate was given up."}
	case "CERTIFICATE_SUSPENDED":
		return Text{ZH: "该日期证书认证暂停，不计入学分。", EN: "The certificate was suspended on this date."}
	case "CERTIFICATE_RETIRED":
		return Text{ZH: "证书已停止认证，该日期之后取得的不再计入。", EN: "The certificate was retired before this date."}
	case "CERTIFICATE_UNKNOWN":
		return Text{ZH: "发证机构没有这种已申报或已认证的证书。", EN: "The issuer has no such certificate that was proposed or accredited."}
	case "CERTIFICATE_AMBIGUOUS":
		return Text{ZH: "有多种证书符合这个名称，请写明证书代码或等级。", EN: "Several certificates have this name: say the code or the level."}
	case "CERTIFICATE_OTHER_LEVEL":
		return Text{ZH: "这种证书认证的是其他等级。", EN: "The certificate was proposed or accredited at another level."}
	case "ISSUER_UNKNOWN":
		return Text{ZH: "本行没有登记这个发证机构。", EN: "The bank knows no such issuer."}
	case "CLAIM_POSSIBLE":
		return Text{ZH: "持证人可以申请先前学习认定，由认证员审定。", EN: "Its holder can claim it as prior learning, and an officer decides."}
	case "CLAIM_TOO_OLD":
		return Text{ZH: "取得时间过早，不能再申请先前学习认定。", EN: "It is too old to be claimed as prior learning."}
	case "CLAIM_NOT_FORESEEN":
		return Text{ZH: "认定办法没有规定此类证书可以申请先前学习认定。", EN: "The policy foresees no claims to certificates in this category."}
	case "CLAIM_CATEGORY_UNSAID":
		return Text{ZH: "能否申请先前学习认定取决于学习类别，请写明类别。", EN: "Whether it can be claimed depends on the category: say it."}
	case "CLAIM_HOME_UNSAID":
		return Text{ZH: "能否申请先前学习认定取决于学习者所属机构，请写明机构。", EN: "Whether it can be claimed depends on where the learner is at home: say it."}
	default:
		return Text{}
	}
}
