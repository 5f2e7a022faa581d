package policy

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
)

// MaxYAML is the most bytes of a policy: with its entry it must fit a leaf of the ledger.
const MaxYAML = rules.MaxYAML

// Limits of conditions, in the units of CEL's cost model.
const (
	MaxConditionCost   = rules.MaxConditionCost   // of one condition, in the worst case
	MaxCost            = rules.MaxCost            // of all conditions of a policy together
	MaxConditionLength = rules.MaxConditionLength // in characters
)

// A condition is a CEL expression that yields a bool. Its zero value always holds.
type condition struct {
	program cel.Program
	answers *answers
	meaning *meaning // of one that is checked before it is published
	asksAge bool
}

// answers are what a condition yields for every case there is, where it asks only for what has few cases: most ask for the mode.
// They are worked out by the condition itself on compiling.
type answers [48]answer

type answer uint8

const (
	no answer = iota
	yes
	fault
)

// caseOf numbers the cases of mode, has_score, has_passed and passed.
func caseOf(f *Fact) int {
	n := int(f.Mode) << 3
	if f.Score != nil {
		n |= 1
	}
	if f.Passed != nil {
		n |= 2
		if *f.Passed {
			n |= 4
		}
	}
	return n
}

// ask runs the condition. The fact's mode is a known one.
func (c *condition) ask(a *activation) answer {
	if c.answers != nil {
		return c.answers[caseOf(&a.fact)]
	}
	return c.run(a)
}

func (c *condition) run(a *activation) answer {
	if c.program == nil {
		return yes
	}
	value, _, err := c.program.Eval(a)
	if err != nil {
		return fault
	}
	switch value {
	case types.True:
		return yes
	case types.False:
		return no
	default:
		return fault
	}
}

// A conditionCompiler checks conditions against what a policy knows.
type conditionCompiler struct {
	*rules.Conditions
	categories []*policyv1.Category
}

func newConditionCompiler(categories []*policyv1.Category) (*conditionCompiler, error) {
	conditions, err := rules.NewConditions(kind(), variables())
	return &conditionCompiler{conditions, categories}, err
}

// compile answers the condition of an expression, or what is wrong with it. Ages says whether it may ask for the learner's age,
// fresh whether it has not been published yet.
func (c *conditionCompiler) compile(expression string, ages, fresh bool) (condition, []rules.ConditionFault) {
	asked := whatIsAsked{few: true}
	declared := variables()
	checked, faults := c.Compile(expression, fresh, func(_ *ast.AST, e ast.Expr, report rules.Report) {
		if e.Kind() == ast.IdentKind {
			name := e.AsIdent()
			if slices.ContainsFunc(declared, func(v rules.Variable) bool { return v.Name == name }) {
				asked.few = asked.few && (name == "mode" || name == "has_score" || name == "has_passed" || name == "passed")
			}
			if name == ageVariable || name == ageKnownVariable {
				asked.age = true
				if !ages {
					report(e, "only the rules on points may ask for %s: what this condition decides would show it in the log", name)
				}
			}
		}
		c.inspectNames(e, report)
	})
	if len(faults) > 0 {
		return condition{}, faults
	}
	compiled := condition{program: checked.Program, asksAge: asked.age}
	if asked.few {
		compiled.answers = compiled.tabulate()
	}
	if fresh {
		compiled.meaning = c.meaningOf(checked, compiled)
	}
	return compiled, nil
}

// tabulate runs the condition on every case of caseOf.
func (c *condition) tabulate() *answers {
	table := new(answers)
	score := int32(0)
	for n := range table {
		a := &activation{fact: Fact{Mode: statementv1.Mode(n >> 3)}}
		if n&1 != 0 {
			a.fact.Score = &score
		}
		if n&2 != 0 {
			passed := n&4 != 0
			a.fact.Passed = &passed
		}
		table[n] = c.run(a)
	}
	return table
}

// whatIsAsked says something of the variables of a condition.
type whatIsAsked struct {
	few bool // nothing but what has few cases
	age bool
}

// inspectNames looks at comparisons of category and mode with constants.
func (c *conditionCompiler) inspectNames(e ast.Expr, report rules.Report) {
	rules.Compared(e, func(variable string, constant ast.Expr, name string) {
		switch {
		case variable == "category" && !c.hasCategory(name):
			report(constant, "unknown category %q", name)
		case variable == "mode" && !rules.IsMode(name):
			report(constant, "unknown mode %q", name)
		}
	})
}

func (c *conditionCompiler) hasCategory(id string) bool {
	return slices.ContainsFunc(c.categories, func(c *policyv1.Category) bool { return c.GetId() == id })
}
