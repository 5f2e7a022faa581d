package rules

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

const (
	// MaxConditionCost is the most that one condition may cost in the worst case, in the units of CEL's cost model: a
	// comparison is about 3, a list of ten prefixes tried on a course code about 100.
	MaxConditionCost = 1000
	// MaxCost is the most that all conditions of a text may cost together, in the same units: the default policy has
	// about 50.
	MaxCost = 10_000
	// MaxConditionLength is the most characters of one condition.
	MaxConditionLength = 2000

	// Up to this worst case a condition runs without a meter, which would cost four times as much as the condition. Beyond
	// it the meter guards against a string longer than the worst case was worked out for.
	unmetered = 50
)

// A Variable is what conditions can ask for.
type Variable struct {
	Name string
	Kind *cel.Type
	// Most characters of a string, from which costs are worked out before publishing.
	Most uint64
}

// A Condition is a CEL expression that yields a bool.
type Condition struct {
	Program cel.Program
	Checked *cel.Ast
}

// A ConditionFault is a fault at a place in an expression: line from 1, column from 0, in characters, as CEL counts.
type ConditionFault struct {
	Line, Column int
	Message      string
}

// A Report says what is wrong with a part of an expression.
type Report func(e ast.Expr, format string, args ...any)

// Conditions compiles the conditions of one text.
type Conditions struct {
	kind      Kind
	env       *cel.Env
	variables []Variable
	unknown   cel.PartialActivation // of which nothing is known
	cost      uint64                // of the conditions so far, in the worst case
}

// NewConditions compiles conditions over these variables.
func NewConditions(kind Kind, variables []Variable) (*Conditions, error) {
	options := []cel.EnvOption{
		cel.StdLib(),
		cel.DefaultUTCTimeZone(false), // times carry the text's zone
		cel.ParserExpressionSizeLimit(MaxConditionLength),
		cel.ParserRecursionLimit(64),
		cel.EnableMacroCallTracking(), // conditions are written down again to be compared
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
	}
	var patterns []*cel.AttributePatternType
	for _, v := range variables {
		options, patterns = append(options, cel.Variable(v.Name, v.Kind)), append(patterns, cel.AttributePattern(v.Name))
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("cel environment: %v", err)
	}
	unknown, err := cel.PartialVars(cel.NoVars(), patterns...)
	if err != nil {
		return nil, fmt.Errorf("cel environment: %v", err)
	}
	return &Conditions{kind: kind, env: env, variables: variables, unknown: unknown}, nil
}

// Compile answers the condition of an expression, or what is wrong with it. Fresh says whether it has not been published yet. Look
// sees every part of the expression whose type is permitted, from the inside out.
func (c *Conditions) Compile(expression string, fresh bool, look func(tree *ast.AST, e ast.Expr, report Report)) (Condition, []ConditionFault) {
	checked, issues := c.env.Compile(expression)
	if issues.Err() != nil {
		var faults []ConditionFault
		for _, e := range issues.Errors() {
			faults = append(faults, ConditionFault{e.Location.Line(), e.Location.Column(), e.Message})
		}
		return Condition{}, faults
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return Condition{}, []ConditionFault{{1, 0, fmt.Sprintf("yields %s, not bool", checked.OutputType())}}
	}
	if faults := c.inspect(checked.NativeRep(), look); len(faults) > 0 {
		return Condition{}, faults
	}
	estimate, err := c.env.EstimateCost(checked, sizes(c.variables))
	if err != nil {
		return Condition{}, []ConditionFault{{1, 0, fmt.Sprintf("its cost cannot be worked out: %v", err)}}
	}
	if estimate.Max > MaxConditionCost {
		return Condition{}, []ConditionFault{{1, 0, fmt.Sprintf("may cost %s in the worst case, more than %d", costWords(estimate.Max), MaxConditionCost)}}
	}
	if c.cost += estimate.Max; fresh && c.cost > MaxCost && c.cost-estimate.Max <= MaxCost {
		return Condition{}, []ConditionFault{{1, 0, fmt.Sprintf("brings the conditions of the %s to %d in the worst case, more than %d", c.kind.Of, c.cost, MaxCost)}}
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if estimate.Max > unmetered {
		options = append(options, cel.CostLimit(MaxConditionCost))
	}
	program, err := c.env.Program(checked, options...)
	if err != nil {
		return Condition{}, []ConditionFault{{1, 0, err.Error()}}
	}
	return Condition{Program: program, Checked: checked}, nil
}

// Constant is what a condition yields whatever the variables are, or why it always fails; known is false where neither can be
// said.
func (c *Conditions) Constant(condition Condition) (value, known bool, failure error) {
	// Nothing is known of any variable: what yields true or false all the same does so always.
	program, err := c.env.Program(condition.Checked, cel.EvalOptions(cel.OptPartialEval))
	if err != nil {
		return false, false, nil //nolint:nilerr // it runs all the same, and nothing can be said beforehand
	}
	switch value, _, err := program.Eval(c.unknown); {
	case err != nil:
		return false, true, err
	case value == types.True:
		return true, true, nil
	case value == types.False:
		return false, true, nil
	}
	return false, false, nil
}

func costWords(cost uint64) string {
	if cost > 1_000_000_000 {
		return "more than can be said"
	}
	return fmt.Sprint(cost)
}

// inspect finds what the type checker lets through and no text must say: doubles and other types, and functions that look time
// zones up.
func (c *Conditions) inspect(tree *ast.AST, look func(tree *ast.AST, e ast.Expr, report Report)) []ConditionFault {
	var faults []ConditionFault
	report := func(e ast.Expr, format string, args ...any) {
		at := tree.SourceInfo().GetStartLocation(e.ID())
		faults = append(faults, ConditionFault{at.Line(), at.Column(), fmt.Sprintf(format, args...)})
	}
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if kind := tree.GetType(e.ID()); !permitted(kind) {
			if kind.Kind() == types.DoubleKind {
				report(e, "a number with a decimal point is refused: amounts are whole numbers")
			} else {
				report(e, "the type %s is refused: conditions know bool, int, string, timestamp and duration, and lists of them", kind)
			}
			return
		}
		if e.Kind() == ast.CallKind &&
			slices.ContainsFunc(tree.GetOverloadIDs(e.ID()), func(id string) bool { return strings.HasSuffix(id, "_with_tz") }) {
			report(e, "%s takes no time zone: times are in the %s's own", e.AsCall().FunctionName(), c.kind.Of)
		}
		look(tree, e, report)
	}))
	return faults
}

// Compared calls with each constant that a variable is compared with.
func Compared(e ast.Expr, with func(variable string, constant ast.Expr, name string)) {
	if e.Kind() != ast.CallKind {
		return
	}
	call := e.AsCall()
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
			if name, ok := constant.AsLiteral().Value().(string); ok {
				with(arg.AsIdent(), constant, name)
			}
		}
	}
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
type sizes []Variable

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	if path := element.Path(); len(path) == 1 {
		for _, v := range s {
			if v.Name == path[0] && v.Most > 0 {
				return &cost.SizeEstimate{Max: v.Most}
			}
		}
	}
	return nil
}

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
