package review_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/review"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const drawingFile = "WORKFLOW.md"

// The drawing is made of the table: UPDATE_DRAWING=1 go test ./certify/review makes it anew.
func TestDrawing(t *testing.T) {
	t.Parallel()
	want := drawing()
	if os.Getenv("UPDATE_DRAWING") != "" {
		if err := os.WriteFile(drawingFile, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(drawingFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says: UPDATE_DRAWING=1 go test ./certify/review makes it anew", drawingFile)
	}
}

func word(s review.State) string { return strings.TrimPrefix(s.String(), "CASE_STATUS_") }

// drawing is the table as Markdown: a picture that many viewers draw, and the table itself.
func drawing() string {
	var b strings.Builder
	b.WriteString(`# The officers' workflow

Made of the table in table.go by its test; do not edit. The picture leaves out taking and giving back a case, which an officer can
do wherever it waits for one, and withdrawing it. A clawback takes completions back without a step of a case: it ends the case that is
open, and opens one that stands at REVOKED, so that the learner can appeal; its two officers count as having judged that case.

` + "```mermaid\nstateDiagram-v2\n    [*] --> SUBMITTED\n    [*] --> REVOKED: clawback\n")
	for _, t := range review.Table() {
		if t.Act == review.Take || t.Act == review.Release || t.Act == review.Withdraw {
			continue
		}
		label := t.Act.String()
		if w := t.When.String(); w != "" {
			label += " (" + w + ")"
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", word(t.From), word(t.To), label)
	}
	b.WriteString("```\n\nOf the lines with the same state and act, the first counts whose condition holds. An officer is one in whose subtree the provider\n" +
		"is, who has judged the case at no other stage, and whom nobody came before in taking it; officers of the provider itself give\n" +
		"a recommendation or a refusal in the first review, and nothing else, unless the policy is their organization's own.\n\n" +
		"| state | act | who | when | then | written down |\n|---|---|---|---|---|---|\n")
	for _, t := range review.Table() {
		written := "CaseStepTaken " + strings.TrimPrefix(t.Step.String(), "CASE_STEP_")
		if t.Step == ledgerv1.CaseStep_CASE_STEP_UNSPECIFIED {
			written = "CreditsAwarded"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", word(t.From), t.Act, t.By, t.When, word(t.To), written)
	}
	b.WriteString("\n## Applications\n\nProviders and platforms that apply, and courses that are proposed, have a workflow of their own. It concerns no account, and its steps are\n" +
		"public. An officer is one in whose subtree the organization is, who did not bring the application and has not decided on it, and not one\n" +
		"of the organization itself, unless it published the policy.\n\n" +
		"| state | act | who | then |\n|---|---|---|---|\n")
	stage := func(s review.ApplicationState) string {
		if s == ledgerv1.ApplicationState_APPLICATION_STATE_UNSPECIFIED {
			return "SUBMITTED"
		}
		return strings.TrimPrefix(s.String(), "APPLICATION_STATE_")
	}
	for _, t := range review.ApplicationTable() {
		who := "officer"
		if t.Role == review.Source {
			who = "whoever applied"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", stage(t.From), t.Act, who, stage(t.To))
	}
	return b.String()
}
