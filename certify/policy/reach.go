package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// A meaning is what can be said of a condition before anything is posted. It never errs; it may not notice.
type meaning struct {
	constant bool
	value    answer // where it is constant
	// parts are the conditions that it joins by "and", written in one way and sorted. Nil where they are not known.
	parts   []string
	answers *answers // nil where it asks for more than has few cases
}

// meaningOf looks at a condition that compiled.
func (c *conditionCompiler) meaningOf(checked rules.Condition, compiled condition) *meaning {
	m := &meaning{answers: compiled.answers}
	tree := checked.Checked.NativeRep()
	m.parts = slices.Compact(slices.Sorted(slices.Values(conjuncts(tree.Expr(), tree.SourceInfo()))))
	if m.answers != nil {
		m.value, m.constant = m.answers.constant()
		return m
	}
	value, known, failure := c.Constant(checked)
	switch m.constant = known; {
	case failure != nil:
		m.value = fault
	case known && value:
		m.value = yes
	}
	return m
}

// constant is the answer of all cases that can be posted, where they have one.
func (a *answers) constant() (answer, bool) {
	value := a[firstCase]
	for _, other := range a[firstCase:endOfCases] {
		if other != value {
			return no, false
		}
	}
	return value, true
}

// The cases of the modes that there are: those of no mode, and of more than there are, are never asked.
const (
	firstCase  = int(statementv1.Mode_MODE_CLASSROOM) << 3
	endOfCases = (int(statementv1.Mode_MODE_ACHIEVEMENT) + 1) << 3
)

// conjuncts are the conditions that an expression joins by "and". One that cannot be written down is like no other.
func conjuncts(e ast.Expr, info *ast.SourceInfo) []string {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		var all []string
		for _, arg := range e.AsCall().Args() {
			all = append(all, conjuncts(arg, info)...)
		}
		return all
	}
	write := func(e ast.Expr) string {
		text, err := cel.ExprToString(e, info)
		if err != nil {
			return fmt.Sprintf("%p", e)
		}
		return text
	}
	if e.Kind() == ast.CallKind {
		switch call := e.AsCall(); call.FunctionName() {
		case operators.Equals, operators.NotEquals:
			sides := []string{write(call.Args()[0]), write(call.Args()[1])}
			slices.Sort(sides)
			return []string{strings.Join(sides, " "+call.FunctionName()+" ")}
		}
	}
	return []string{write(e)}
}

// always says that the condition holds whatever is posted.
func (c *condition) always() bool {
	if c.meaning == nil {
		return c.program == nil
	}
	return c.meaning.constant && c.meaning.value == yes
}

// same says that two conditions are written alike.
func (c *condition) same(other *condition) bool {
	if c.meaning == nil || other.meaning == nil {
		return c.meaning == other.meaning && c.program == nil && other.program == nil
	}
	return c.meaning.parts != nil && slices.Equal(c.meaning.parts, other.meaning.parts)
}

// within says that the condition holds only where the other does too.
func (c *condition) within(other *condition) bool {
	if other.always() {
		return true
	}
	if c.meaning == nil || other.meaning == nil || other.meaning.parts == nil {
		return false
	}
	for _, part := range other.meaning.parts {
		if _, found := slices.BinarySearch(c.meaning.parts, part); !found {
			return false
		}
	}
	return true
}

// firstOf refuses rules that are never reached in a stage that takes the first that holds.
func (c *compiler) firstOf(stage string, conditions []condition) {
	if !c.fresh {
		return
	}
	var taken answers // cases in which an earlier rule holds, or ends the search
	for i := range conditions {
		later := &conditions[i]
		before := slices.IndexFunc(conditions[:i], func(earlier condition) bool { return later.within(&earlier) })
		switch {
		case before >= 0 && conditions[before].always():
			c.Fault(fmt.Sprintf("is never reached: %s[%d] comes first and always holds; give that one a condition, or put it last", stage, before), stage, i)
		case before >= 0:
			c.Fault(fmt.Sprintf("is never reached: %s[%d] comes first and holds whenever this one does; put the narrower one first", stage, before), stage, i)
		case later.meaning != nil && later.meaning.answers != nil && !later.meaning.constant && later.meaning.answers.allIn(&taken):
			c.Fault("is never reached: one of the rules before it holds whenever this one does; put the narrower ones first", stage, i)
		}
		if later.meaning != nil && later.meaning.answers != nil {
			for n, a := range later.meaning.answers {
				taken[n] = max(taken[n], a)
			}
		}
	}
}

// allIn says that every case that can be posted and holds is taken.
func (a *answers) allIn(taken *answers) bool {
	for n := firstCase; n < endOfCases; n++ {
		if a[n] != no && taken[n] == no {
			return false
		}
	}
	return true
}

// eachOnce refuses a rule that says what one before it says, in a stage in which every rule counts.
func (c *compiler) eachOnce(stage string, n int, same func(i, j int) bool) {
	if !c.fresh {
		return
	}
	for j := range n {
		for i := range j {
			if same(i, j) {
				c.Fault(fmt.Sprintf("says the same as %s[%d]; leave one of them out", stage, i), stage, j)
				break
			}
		}
	}
}

// decided refuses conditions of which the answer is known before anything is posted.
func (c *compiler) decided(m *meaning, path ...any) {
	if !m.constant {
		return
	}
	at := func(message string) {
		c.InCondition(rules.ConditionFault{Line: 1, Column: 0, Message: message}, path...)
	}
	switch required := path[len(path)-1] == "require"; {
	case m.value == fault:
		at("can never be worked out: every completion would go to an officer")
	case m.value == no && !required:
		at("never holds, whatever is posted: the rule does nothing; mend the condition, or leave the rule out")
	case m.value == yes && required:
		at("always holds, so the rule refuses nobody; mend the condition, or leave the rule out")
	}
}
