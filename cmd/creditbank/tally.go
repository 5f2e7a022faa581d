package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// shownProblems is how many rows are shown of each reason; --rejects writes them all.
const shownProblems = 5

// tally counts what became of the rows of a run: Rows is the sum of all counts below it.
type tally struct {
	Rows int `json:"rows"`
	// Good are right, and were not posted since only a check was asked for.
	Good     int `json:"good,omitempty"`
	Recorded int `json:"recorded"`
	Replayed int `json:"replayed"`
	// Before were posted by an earlier run, as the state file says.
	Before int `json:"posted_before"`
	// Repeated stand in another file of this run too.
	Repeated int `json:"repeated"`
	Rejected int `json:"rejected"`
	// Wrong could not be read.
	Wrong int `json:"wrong"`
	// Unanswered were on their way when the run ended.
	Unanswered int            `json:"unanswered"`
	Outcomes   map[string]int `json:"outcomes"`
	Reasons    []*reasonTally `json:"reasons"`

	outcomes map[ledgerv1.Outcome]int
	reasons  map[string]*reasonTally
}

// reasonTally counts the problems of one reason.
type reasonTally struct {
	Reason string    `json:"reason"`
	Count  int       `json:"count"`
	First  []problem `json:"first"`
}

// problem is one thing that is wrong with a row. It quotes nothing of the row.
type problem struct {
	File        string `json:"file"`
	Line        int    `json:"line"`
	Column      string `json:"column,omitempty"`
	Reason      string `json:"reason"`
	Message     string `json:"message"`
	StatementID string `json:"statement_id,omitempty"`
}

func newTally() *tally {
	return &tally{outcomes: make(map[ledgerv1.Outcome]int), reasons: make(map[string]*reasonTally)}
}

// take counts a statement that is on the ledger.
func (t *tally) take(result *creditbankv1.StatementResult) {
	if result.GetStatus() == creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED {
		t.Replayed++
	} else {
		t.Recorded++
	}
	if a := result.GetAssessment(); a != nil {
		t.outcomes[a.GetOutcome()]++
	}
}

func (t *tally) problem(one problem) {
	r := t.reasons[one.Reason]
	if r == nil {
		r = &reasonTally{Reason: one.Reason}
		t.reasons[one.Reason] = r
	}
	r.Count++
	if len(r.First) < shownProblems {
		r.First = append(r.First, one)
	}
}

// finish works out what follows from the counts, for programs.
func (t *tally) finish() {
	t.Reasons = slices.SortedFunc(maps.Values(t.reasons), func(a, b *reasonTally) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	if t.Reasons == nil {
		t.Reasons = []*reasonTally{} // a list, if an empty one
	}
	t.Unanswered = t.Rows - t.Good - t.Recorded - t.Replayed - t.Before - t.Repeated - t.Rejected - t.Wrong
	t.Outcomes = make(map[string]int)
	for outcome, count := range t.outcomes {
		t.Outcomes[strings.TrimPrefix(outcome.String(), "OUTCOME_")] = count
	}
}

// print writes the summary.
func (t *tally) print(g *globals, p *process, check bool) error {
	t.finish()
	if g.JSON {
		return writeJSON(p.stdout, t)
	}
	l := g.language(p)
	counts := &table{right: []int{1}}
	line := func(name string, count int, always bool, notes ...string) {
		if count > 0 || always {
			counts.row(append([]string{name, itoa(int64(count))}, notes...)...)
		}
	}
	line(l.say("行", "rows"), t.Rows, true)
	line(l.say("可提交", "good"), t.Good, check)
	line(l.say("已入账", "recorded"), t.Recorded, !check, t.outcomeWords(l))
	line(l.say("早已入账", "replayed"), t.Replayed, !check)
	line(l.say("以前已提交", "posted before"), t.Before, false)
	line(l.say("文件间重复", "repeated"), t.Repeated, false)
	line(l.say("被拒绝", "rejected"), t.Rejected, !check)
	line(l.say("有错的行", "wrong rows"), t.Wrong, true)
	line(l.say("未答复", "unanswered"), t.Unanswered, false)
	counts.write(p.stdout)

	for _, reason := range t.Reasons {
		fmt.Fprintf(p.stdout, "\n%s × %d\n", reason.Reason, reason.Count)
		for _, one := range reason.First {
			fmt.Fprintf(p.stdout, "  %s\n", one.words())
		}
		if more := reason.Count - len(reason.First); more > 0 {
			fmt.Fprintf(p.stdout, l.say("  还有 %d 处；--rejects 文件 可全部写出\n", "  and %d more; --rejects FILE writes them all\n"), more)
		}
	}
	return nil
}

// outcomeWords says what the statements that are on the ledger led to.
func (t *tally) outcomeWords(l language) string {
	var words []string
	for _, outcome := range slices.Sorted(maps.Keys(t.outcomes)) {
		words = append(words, fmt.Sprintf("%s %d", l.outcome(outcome), t.outcomes[outcome]))
	}
	return strings.Join(words, l.say("，", ", "))
}

func (p problem) words() string {
	place := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Column != "" {
		place += ":" + p.Column
	}
	return place + ": " + clean(p.Message)
}
