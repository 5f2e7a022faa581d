package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Whoever decides on what they brought themselves, or twice, is found out.
func TestFsckOfAccreditations(t *testing.T) {
	t.Parallel()
	const refused, appealed, accredited = ledgerv1.ApplicationState_APPLICATION_STATE_REFUSED,
		ledgerv1.ApplicationState_APPLICATION_STATE_APPEALED, ledgerv1.ApplicationState_APPLICATION_STATE_ACCREDITED
	for name, c := range map[string]struct {
		// who applies, refuses and accredits the organization, and proposes and accredits the course
		applies, refuses, accredits, proposes, decides string
		role                                           ledgerv1.Role
		want                                           string // empty: it is sound
	}{
		"sound":                {"a", "b", "c", "a", "b", ledgerv1.Role_ROLE_PROVIDER, ""},
		"by itself":            {"", "b", "c", "", "b", ledgerv1.Role_ROLE_PROVIDER, ""},
		"own application":      {"a", "a", "c", "a", "b", ledgerv1.Role_ROLE_PROVIDER, "entry 3: actor"},
		"own refusal":          {"a", "b", "b", "a", "b", ledgerv1.Role_ROLE_PROVIDER, "entry 5: actor"},
		"no officer":           {"a", "b", "", "a", "b", ledgerv1.Role_ROLE_PROVIDER, "entry 5: actor"},
		"own course":           {"a", "b", "c", "a", "a", ledgerv1.Role_ROLE_PROVIDER, "entry 7: actor"},
		"role of no applicant": {"a", "b", "c", "a", "b", ledgerv1.Role_ROLE_AUDITOR, "entry 2: role"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			by := func(officer string) *ledgerv1.Actor {
				return &ledgerv1.Actor{Organization: "college", Officer: officer}
			}
			step := func(state ledgerv1.ApplicationState, officer string) *ledgerv1.Entry {
				return &ledgerv1.Entry{Fact: &ledgerv1.Entry_ApplicationStepTaken{ApplicationStepTaken: &ledgerv1.ApplicationStepTaken{
					Actor: by(officer), Application: 2, State: state, ValidFromDay: 20_000,
				}}}
			}
			for _, e := range []*ledgerv1.Entry{
				organization("college"),
				{Fact: &ledgerv1.Entry_AccreditationApplied{AccreditationApplied: &ledgerv1.AccreditationApplied{
					Actor: by(c.applies), Organization: "college", Role: c.role, ValidFromDay: 20_000,
				}}},
				step(refused, c.refuses), step(appealed, c.applies), step(accredited, c.accredits),
				{Fact: &ledgerv1.Entry_CourseProposed{CourseProposed: &ledgerv1.CourseProposed{Actor: by(c.proposes), Provider: "college", Code: "tea"}}},
				{Fact: &ledgerv1.Entry_CourseDecided{CourseDecided: &ledgerv1.CourseDecided{
					Actor: by(c.decides), Course: 6, Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
				}}},
			} {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{Engine: w.engine, BankID: bankID, Origin: origin})
			must(t, err)
			switch found := fmt.Sprint(report.Faults); {
			case c.want == "" && len(report.Faults) > 0:
				t.Errorf("found %v", found)
			case !strings.Contains(found, c.want):
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}
