package agreement

import (
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/rules"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// A Lot names a credit lot: the entry that created it, and its position there.
type Lot struct {
	Entry    uint64
	Position uint32
}

// Kinds of what a lot is of.
const (
	Completion     = policyv1.Agreement_KIND_COMPLETION
	OpeningBalance = policyv1.Agreement_KIND_OPENING_BALANCE
	Claim          = policyv1.Agreement_KIND_CLAIM
)

// An Item is one lot of an account, and what it is of.
type Item struct {
	Lot  Lot
	Kind policyv1.Agreement_Kind
	// Platform posted it.
	Platform string
	// Provider is the one of the course; of an opening balance, the organization of the import; of a claim, the one at home.
	Provider string
	// Above are the provider and all organizations above it.
	Above []string
	// Course and CourseVersion are empty where there is no course.
	Course, CourseVersion string
	Category              string
	Level                 int32 // 0: none
	// Mode and Score are needed only where the agreement asks for them: see [Agreement.AsksSealed].
	Mode    statementv1.Mode
	Score   *int32 // 0 to 100; nil: none
	Minutes unit.Minutes
	Learned Day // last day of the learning
	Expires Day // first day on which the lot can no longer be used, by its awarder; 0: never
	// Available is what can be used of the lot.
	Available unit.Credits
	// Transferable says whether the awarder's policy lets the category count towards a degree.
	Transferable bool
}

// variables are what conditions can ask of an item.
func variables() []rules.Variable {
	return []rules.Variable{
		{Name: "kind", Kind: cel.StringType, Most: 16},
		{Name: "platform", Kind: cel.StringType, Most: 64},
		{Name: "provider", Kind: cel.StringType, Most: 64},
		{Name: "course", Kind: cel.StringType, Most: 64},
		{Name: "course_version", Kind: cel.StringType, Most: 64},
		{Name: "category", Kind: cel.StringType, Most: 64},
		{Name: "level", Kind: cel.IntType},
		{Name: "mode", Kind: cel.StringType, Most: 16},
		{Name: "minutes", Kind: cel.IntType},
		{Name: "has_score", Kind: cel.BoolType},
		{Name: "score", Kind: cel.IntType},
		{Name: "learned", Kind: cel.TimestampType},
		{Name: "age_months", Kind: cel.IntType},
		{Name: "milli_credits", Kind: cel.IntType},
		{Name: "transferable", Kind: cel.BoolType},
		{Name: "programme", Kind: cel.StringType, Most: 64},
	}
}

// An activation is an item as conditions see it.
type activation struct {
	*Item
	agreement *Agreement
	programme string
	today     Day
}

// Parent implements cel.Activation.
func (*activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation. Times are in the agreement's zone.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "kind":
		return types.String(kindName(a.Kind)), true
	case "platform":
		return types.String(a.Platform), true
	case "provider":
		return types.String(a.Provider), true
	case "course":
		return types.String(a.Course), true
	case "course_version":
		return types.String(a.CourseVersion), true
	case "category":
		return types.String(a.Category), true
	case "level":
		return types.Int(a.Level), true
	case "mode":
		return types.String(rules.ModeName(a.Mode)), true
	case "minutes":
		return types.Int(a.Minutes), true
	case "has_score":
		return types.Bool(a.Score != nil), true
	case "score":
		return types.Int(a.score()), true
	case "learned":
		return types.Timestamp{Time: a.Learned.Start(a.agreement.zone)}, true
	case "age_months":
		return types.Int(monthsBetween(a.Learned, a.today)), true
	case "milli_credits":
		return types.Int(a.Available), true
	case "transferable":
		return types.Bool(a.Transferable), true
	case "programme":
		return types.String(a.programme), true
	}
	return nil, false
}

func (i *Item) score() int32 {
	if i.Score == nil {
		return 0
	}
	return *i.Score
}

func kindName(kind policyv1.Agreement_Kind) string {
	switch kind {
	case Completion:
		return "completion"
	case OpeningBalance:
		return "opening"
	case Claim:
		return "claim"
	case policyv1.Agreement_KIND_UNSPECIFIED:
		return ""
	default:
		return ""
	}
}

// monthsBetween are the whole months from one day to another; 0 where it lies before.
func monthsBetween(from, to Day) int {
	begin, end := from.Time(), to.Time()
	months := (end.Year()-begin.Year())*12 + int(end.Month()-begin.Month())
	for months > 0 && from.AddMonths(months) > to {
		months--
	}
	return max(months, 0)
}

// A condition is a CEL expression that yields a bool. Its zero value always holds.
type condition struct{ program cel.Program }

// holds runs the condition; false for the second result where it cannot be worked out.
func (c *condition) holds(a *activation) (holds, worked bool) {
	if c.program == nil {
		return true, true
	}
	value, _, err := c.program.Eval(a)
	if err != nil {
		return false, false
	}
	switch value {
	case types.True:
		return true, true
	case types.False:
		return false, true
	default:
		return false, false
	}
}

// look finds names in a condition that there are not, and notes what it asks for.
func (c *compiler) look(a *Agreement) func(tree *ast.AST, e ast.Expr, report rules.Report) {
	return func(_ *ast.AST, e ast.Expr, report rules.Report) {
		if e.Kind() == ast.IdentKind {
			switch e.AsIdent() {
			case "score", "has_score", "mode":
				a.asked.sealed = true
			}
		}
		rules.Compared(e, func(variable string, constant ast.Expr, name string) {
			known := true
			switch variable {
			case "category":
				known = len(a.categories) == 0 || a.categories[name] != nil
			case "programme":
				known = a.programmes[name] != nil
			case "kind":
				known = name == "completion" || name == "opening" || name == "claim"
			case "mode":
				known = rules.IsMode(name)
			}
			if !known {
				report(constant, "unknown %s %q", variable, name)
			}
		})
	}
}

// zoneOf finds a time zone: "Local" is another one on every machine, and "" would be UTC by accident.
func zoneOf(name string) (*time.Location, bool) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return time.UTC, false
	}
	return zone, true
}
