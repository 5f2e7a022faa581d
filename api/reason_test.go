package api_test

import (
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
)

// Whoever reads a decision reads why in their own language.
func TestDecisionReasonWords(t *testing.T) {
	t.Parallel()
	said := make(map[api.Text]bool)
	for _, code := range api.DecisionReasonCodes() {
		words := api.DecisionReasonWords(code)
		if words.ZH == "" || words.EN == "" || said[words] {
			t.Errorf("%s: %+v", code, words)
		}
		said[words] = true
	}
	if words := api.DecisionReasonWords("NO_SUCH_CODE"); words != (api.Text{}) {
		t.Errorf("no code: %+v", words)
	}
}
