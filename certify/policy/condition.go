package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

const (
	// MaxConditionCost is the most that one condition may cost in the worst case, in the units of CEL's cost model: a
	// comparison is about 3, a list of ten prefixes tried on a course code about 100.
	MaxConditionCost = 1000
	// MaxCost is the most that all conditions of a policy may cost together, in the same units: the default policy has
	// about 50.
	MaxCost = 10_000
	// MaxConditionLength is the most characters of one condition.
	MaxConditionLength = 2000

	// Up to this worst case a condition runs without a meter, which would cost four times as much as the condition. Beyond
	// it the meter guards against a string longer than the worst case was worked out for.
	unmetered = 50
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
	env        *cel.Env
	categories []*policyv1.Category
	unknown    cel.PartialActivation // of which nothing is known
	cost       uint64                // of the conditions so far, in the worst case
}

func newConditionCompiler(categories []*policyv1.Category) (*conditionCompiler, error) {
	options := []cel.EnvOption{
		cel.StdLib(),
		cel.DefaultUTCTimeZone(false), // times carry the policy's zone
		cel.ParserExpressionSizeLimit(MaxConditionLength),
		cel.ParserRecursionLimit(64),
		cel.EnableMacroCallTracking(), // conditions are written down again to be compared
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	}
	var patterns []*cel.AttributePatternType
	for _, v := range variables() {
		options, patterns = append(options, cel.Variable(v.name, v.kind)), append(patterns, cel.AttributePattern(v.name))
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("cel environment: %v", err)
	}
	unknown, err := cel.PartialVars(cel.NoVars(), patterns...)
	if err != nil {
		return nil, fmt.Errorf("cel environment: %v", err)
	}
	return &conditionCompiler{env: env, categories: categories, unknown: unknown}, nil
}

// A celFault is a fault at a place in an expression: line from 1, column from 0, in characters, as CEL counts.
type celFault struct {
	line, column int
	message      string
}

// compile answers the condition of an expression, or what is wrong with it. Ages says whether it may ask for the learner's age,
// fresh whether it has not been published yet.
func (c *conditionCompiler) compile(expression string, ages, fresh bool) (condition, []celFault) {
	checked, issues := c.env.Compile(expression)
	if issues.Err() != nil {
		var faults []celFault
		for _, e := range issues.Errors() {
			faults = append(faults, celFault{e.Location.Line(), e.Location.Column(), e.Message})
		}
		return condition{}, faults
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return condition{}, []celFault{{1, 0, fmt.Sprintf("yields %s, not bool", checked.OutputType())}}
	}
	tree := checked.NativeRep()
	asked, faults := c.inspect(tree, ages)
	if len(faults) > 0 {
		return condition{}, faults
	}
	estimate, err := c.env.EstimateCost(checked, sizes{})
	if err != nil {
		return condition{}, []celFault{{1, 0, fmt.Sprintf("its cost cannot be worked out: %v", err)}}
	}
	if estimate.Max > MaxConditionCost {
		return condition{}, []celFault{{1, 0, fmt.Sprintf("may cost %s in the worst case, more than %d", costWords(estimate.Max), MaxConditionCost)}}
	}
	if c.cost += estimate.Max; fresh && c.cost > MaxCost && c.cost-estimate.Max <= MaxCost {
		return condition{}, []celFault{{1, 0, fmt.Sprintf("brings the conditions of the policy to %d in the worst case, more than %d", c.cost, MaxCost)}}
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if estimate.Max > unmetered {
		options = append(options, cel.CostLimit(MaxConditionCost))
	}
	program, err := c.env.Program(checked, options...)
	if err != nil {
		return condition{}, []celFault{{1, 0, err.Error()}}
	}
	compiled := condition{program: program, asksAge: asked.age}
	if asked.few {
		compiled.answers = compiled.tabulate()
	}
	if fresh {
		compiled.meaning = c.meaningOf(checked, compiled)
	}
	return compiled, nil
}

func costWords(cost uint64) string {
	if cost > 1_000_000_000 {
		return "more than can be said"
	}
	return fmt.Sprint(cost)
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

// inspect finds what the type checker lets through and a policy must not say: doubles and other types, categories and modes
// that do not exist, and functions that look time zones up.
func (c *conditionCompiler) inspect(tree *ast.AST, ages bool) (whatIsAsked, []celFault) {
	var faults []celFault
	asked := whatIsAsked{few: true}
	report := func(e ast.Expr, format string, args ...any) {
		at := tree.SourceInfo().GetStartLocation(e.ID())
		faults = append(faults, celFault{at.Line(), at.Column(), fmt.Sprintf(format, args...)})
	}
	declared := variables()
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if kind := tree.GetType(e.ID()); !permitted(kind) {
			if kind.Kind() == types.DoubleKind {
				report(e, "a number with a decimal point is refused: amounts are whole numbers")
			} else {
				report(e, "the type %s is refused: conditions know bool, int, string, timestamp and duration, and lists of them", kind)
			}
			return
		}
		switch e.Kind() {
		case ast.IdentKind:
			name := e.AsIdent()
			if slices.ContainsFunc(declared, func(v variable) bool { return v.name == name }) {
				asked.few = asked.few && (name == "mode" || name == "has_score" || name == "has_passed" || name == "passed")
			}
			if name == ageVariable || name == ageKnownVariable {
				asked.age = true
				if !ages {
					report(e, "only the rules on points may ask for %s: what this condition decides would show it in the log", name)
				}
			}
		case ast.CallKind:
			if slices.ContainsFunc(tree.GetOverloadIDs(e.ID()), func(id string) bool { return strings.HasSuffix(id, "_with_tz") }) {
				report(e, "%s takes no time zone: times are in the policy's own", e.AsCall().FunctionName())
			}
			c.inspectNames(e.AsCall(), report)
		default:
		}
	}))
	return asked, faults
}

// inspectNames looks at comparisons of category and mode with constants.
func (c *conditionCompiler) inspectNames(call ast.CallExpr, report func(e ast.Expr, format string, args ...any)) {
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals, operators.In:
	default:
		return
	}
	for i, arg := range call.Args() {
		if arg.Kind() != ast.IdentKind || len(call.Args()) != 2 {
			continue
		}
		other := call.Args()[1-i]
		constants := []ast.Expr{other}
		if other.Kind() == ast.ListKind {
			constants = other.AsList().Elements()
		}
		for _, constant := range constants {
			if constant.Kind() != ast.LiteralKind {
				continue
			}
			name, ok := constant.AsLiteral().Value().(string)
			switch {
			case !ok:
			case arg.AsIdent() == "category" && !c.hasCategory(name):
				report(constant, "unknown category %q", name)
			case arg.AsIdent() == "mode" && !isMode(name):
				report(constant, "unknown mode %q", name)
			}
		}
	}
}

func (c *conditionCompiler) hasCategory(id string) bool {
	return slices.ContainsFunc(c.categories, func(c *policyv1.Category) bool { return c.GetId() == id })
}

func isMode(name string) bool {
	for number := range statementv1.Mode_name {
		if name != "" && modeName(statementv1.Mode(number)) == name {
			return true
		}
	}
	return false
}

// permitted says whether a value of the type may appear in a condition.
func permitted(kind *types.Type) bool {
	switch kind.Kind() {
	case types.BoolKind, types.IntKind, types.StringKind, types.TimestampKind, types.DurationKind:
		return true
	case types.ListKind:
		return len(kind.Parameters()) == 1 && permitted(kind.Parameters()[0])
	default:
		return false
	}
}

// sizes tells the cost model how long strings get.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	if path := element.Path(); len(path) == 1 {
		for _, v := range variables() {
			if v.name == path[0] && v.most > 0 {
				return &cost.SizeEstimate{Max: v.most}
			}
		}
	}
	return nil
}

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
