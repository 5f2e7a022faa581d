package agreement_test

import (
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
)

// What a text makes of itself stays small: aliases are not followed, not even to say what is wrong behind them, and of thousands of faults
// the first are said.
func TestTextsThatGrow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		faults int
		want   string
	}{
		"aliases of aliases": {
			"sources: &a\n  - {id: x}\nratios: &b [" + strings.Repeat("*a,", 9000) + "]\ncaps: [" + strings.Repeat("*b,", 9000) + "]\n",
			1, "3:13: anchors and aliases are refused",
		},
		"an alias of itself":          {"programmes: &a\n  - *a\n", 1, "2:5: anchors and aliases are refused"},
		"an alias as a key":           {"id: &a title\n*a : {zh: x}\n", 1, "2:1: anchors and aliases are refused"},
		"an alias in what is unknown": {"x: &x {id: a}\ny: *x\n", 1, "2:4: anchors and aliases are refused"},
		"empty rules":                 {"courses:\n" + strings.Repeat("- {}\n", 11_000), 201, "more faults: mend these first"},
		"too deep":                    {strings.Repeat("[", 50_000), 1, "exceeded max depth"},
	} {
		_, err := agreement.Compile([]byte(c.text))
		if got := agreement.Faults(err); len(got) != c.faults || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1<<17 {
			t.Errorf("%s: %d faults in %d bytes: %.200v", name, len(got), len(err.Error()), err)
		}
	}
}
