package export

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	elmoNamespace = "https://github.com/emrex-eu/elmo-schemas/tree/v1"
	scale         = "0-100"
	hour          = unit.Minutes(60)
)

// The parts of an ELMO file that are written at once, in the order of the schema.
type (
	elmoIdentifier struct {
		Type  string `xml:"type,attr"`
		Value string `xml:",chardata"`
	}
	elmoText struct {
		Language string `xml:"xml:lang,attr,omitempty"`
		Value    string `xml:",chardata"`
	}
	elmoLearner struct {
		Identifiers []elmoIdentifier `xml:"identifier"`
		GivenNames  string           `xml:"givenNames"`
		FamilyName  string           `xml:"familyName"`
		BirthDay    string           `xml:"bday,omitempty"`
	}
	elmoIssuer struct {
		Country     string           `xml:"country"`
		Identifiers []elmoIdentifier `xml:"identifier"`
		Titles      []elmoText       `xml:"title"`
		URL         string           `xml:"url"`
	}
	elmoSpecification struct {
		Identifiers  []elmoIdentifier `xml:"identifier"`
		Titles       []elmoText       `xml:"title"`
		Type         string           `xml:"type,omitempty"`
		Descriptions []elmoText       `xml:"description"`
		Instance     elmoInstance     `xml:"specifies>learningOpportunityInstance"`
	}
	elmoInstance struct {
		Identifiers []elmoIdentifier `xml:"identifier"`
		Start       string           `xml:"start,omitempty"`
		Date        string           `xml:"date,omitempty"`
		Status      string           `xml:"status,omitempty"`
		Scheme      string           `xml:"gradingSchemeLocalId,omitempty"`
		Result      string           `xml:"resultLabel,omitempty"`
		Credit      *elmoCredit      `xml:"credit"`
		Level       *elmoLevel       `xml:"level"`
		Hours       string           `xml:"engagementHours,omitempty"`
	}
	elmoCredit struct {
		Scheme string `xml:"scheme"`
		Value  string `xml:"value"`
	}
	elmoLevel struct {
		Type  string `xml:"type"`
		Value string `xml:"value"`
	}
	elmoGrading struct {
		ID           string     `xml:"localId,attr"`
		Descriptions []elmoText `xml:"description"`
	}
)

// writeELMO writes a record as one report of the organization at the top of the bank, which answers for the credits.
func writeELMO(w io.Writer, r Record, results Results) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	to := elmoWriter{Encoder: xml.NewEncoder(w)}
	to.Indent("", " ")
	elmo := xml.StartElement{Name: xml.Name{Local: "elmo"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: elmoNamespace}}}
	report := element("report")
	made := r.Generated.UTC().Format(time.RFC3339)
	to.token(elmo)
	to.element("generatedDate", made)
	to.element("learner", elmoLearnerOf(r.Learner))
	to.token(report)
	to.element("issuer", elmoIssuer{
		Country:     "CN",
		Identifiers: identifiers("USCC", r.Bank.Code, "creditbank", r.Bank.ID, "log", r.Bank.Origin),
		Titles:      []elmoText{inLanguage(r.Bank.Organization)},
	})
	for result, err := range results {
		if err != nil {
			return err
		}
		if specification, ok := r.specification(result); ok {
			to.element("learningOpportunitySpecification", specification)
		}
		if to.err != nil {
			break
		}
	}
	to.element("issueDate", made)
	to.element("gradingScheme", elmoGrading{scale, []elmoText{{"zh", "百分制，0 至 100 分"}, {"en", "Points, 0 to 100"}}})
	to.token(report.End())
	to.token(elmo.End())
	if to.err == nil {
		to.err = to.Flush()
	}
	if to.err == nil {
		_, to.err = io.WriteString(w, "\n")
	}
	if to.err != nil {
		return fmt.Errorf("export: %w", to.err)
	}
	return nil
}

// elmoWriter writes until something fails.
type elmoWriter struct {
	*xml.Encoder
	err error
}

func (w *elmoWriter) token(t xml.Token) {
	if w.err == nil {
		w.err = w.EncodeToken(t)
	}
}

func (w *elmoWriter) element(name string, content any) {
	if w.err == nil {
		w.err = w.EncodeElement(content, element(name))
	}
}

func element(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }

// identifiers are pairs of types and values; empty values are left out.
func identifiers(pairs ...string) []elmoIdentifier {
	var all []elmoIdentifier
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := clean(pairs[i+1]); value != "" {
			all = append(all, elmoIdentifier{pairs[i], value})
		}
	}
	return all
}

// elmoLearnerOf says who it is. A Chinese name is not taken apart: nobody wrote down where the family name ends.
func elmoLearnerOf(l Learner) elmoLearner {
	said := elmoLearner{FamilyName: clean(l.Name), BirthDay: l.BirthDate}
	if l.Masked {
		said.BirthDay = ""
		return said
	}
	kind := "nationalIdentifier"
	if l.DocumentKind != string(unit.ResidentIdentity) {
		kind = clean(l.DocumentKind)
	}
	said.Identifiers = identifiers(kind, l.Document, "learningAccountNumber", l.Number)
	return said
}

// specification is a result; ok is false where nothing was achieved, and nothing is under way.
func (r Record) specification(result Result) (_ elmoSpecification, ok bool) {
	status := ""
	switch result.Outcome {
	case ledgerv1.Outcome_OUTCOME_AWARDED:
		status = "passed"
	case ledgerv1.Outcome_OUTCOME_IN_REVIEW:
		status = "in-progress"
	case ledgerv1.Outcome_OUTCOME_NO_CREDIT:
		if result.Passed != nil && !*result.Passed {
			status = "failed"
		}
	default:
		return elmoSpecification{}, false
	}
	s := elmoSpecification{Titles: []elmoText{inLanguage(result.Title)}, Descriptions: result.descriptions()}
	if result.Kind == Completion {
		s.Type = "Course"
		s.Identifiers = identifiers("local", result.Provider+"/"+result.Course+"/"+result.Version)
	}
	s.Instance = elmoInstance{
		Identifiers: identifiers("logEntry", strconv.FormatUint(result.Index, 10)), Start: result.From, Date: result.To, Status: status,
	}
	for _, index := range result.Merged {
		s.Instance.Identifiers = append(s.Instance.Identifiers, identifiers("logEntry", strconv.FormatUint(index, 10))...)
	}
	if result.Score != nil {
		s.Instance.Scheme, s.Instance.Result = scale, strconv.Itoa(int(*result.Score))
	}
	if earned := result.Credits.Earned(); earned > 0 {
		s.Instance.Credit = &elmoCredit{clean(r.Bank.ID), credits(earned)}
	}
	if result.Level > 0 {
		s.Instance.Level = &elmoLevel{clean(r.Bank.ID), strconv.Itoa(result.Level)}
	}
	if result.Minutes > 0 {
		s.Instance.Hours = hours(result.Minutes, hour)
	}
	return s, true
}

// descriptions say in both languages what the schema has no element for: who taught, the category, and which credits are not to
// be used any more, or not yet.
func (r Result) descriptions() []elmoText {
	var zh, en []string
	line := func(chinese, english, value string) {
		if value = clean(value); value != "" {
			zh, en = append(zh, chinese+"："+value), append(en, english+": "+value)
		}
	}
	switch r.Kind {
	case OpeningBalance:
		line("期初余额，来源", "Opening balance from", r.ProviderName)
	case Claim:
		line("先前学习认定，出具单位", "Claim to prior learning, shown by", r.ProviderName)
	default:
		line("办学机构", "Provider", r.ProviderName)
	}
	if category := clean(r.CategoryName.ZH); category != "" {
		zh = append(zh, "类别："+category)
	}
	if category := clean(r.CategoryName.EN); category != "" {
		en = append(en, "Category: "+category)
	}
	for _, part := range []struct {
		zh, en string
		amount unit.Credits
	}{
		{"其中待计入学分", "Credits of these that wait", r.Credits.Pending},
		{"其中已预留学分", "Credits of these that are reserved", r.Credits.Reserved},
		{"其中已转换学分", "Credits of these that were transferred", r.Credits.Transferred},
		{"其中已过期学分", "Credits of these that have expired", r.Credits.Expired},
	} {
		if part.amount > 0 {
			line(part.zh, part.en, credits(part.amount))
		}
	}
	var all []elmoText
	if len(zh) > 0 {
		all = append(all, elmoText{"zh", strings.Join(zh, "\n")})
	}
	if len(en) > 0 {
		all = append(all, elmoText{"en", strings.Join(en, "\n")})
	}
	return all
}

// inLanguage is a text that may be Chinese.
func inLanguage(s string) elmoText {
	s = clean(s)
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return elmoText{"zh", s}
	}
	return elmoText{"", s}
}
