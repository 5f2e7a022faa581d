package web_test

import (
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
)

// Who signs in by an account that was merged sees the one that goes on, and which entries came over.
func TestMergedEntriesAreShown(t *testing.T) {
	t.Parallel()
	b := apitest.NewBank(t)
	from, into := b.Open(), b.Open()
	b.Record(b.Completion(from.Number))
	merge, err := b.ProposeMerge(t.Context(), b.Officer(apitest.Registrar), b.RequestID(), from.ID, into.ID, "SAME_PERSON")
	for _, officer := range []string{apitest.Officer, apitest.SecondOfficer} {
		if err == nil {
			_, _, err = b.DecideMerge(t.Context(), b.Officer(officer), api.MergeStep{
				RequestID: b.RequestID(), Merge: merge.ID, Approve: true, ReasonCode: "IDENTITY_CHECKED",
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	v := newSite(t, b, nil).signedIn(b.ResidentToken(from.ID))
	for lang, want := range map[string][]string{
		"zh": {"书法入门", "并入", "本条原在您的另一个账户中", "0.1 学分"},
		"en": {"书法入门", "From your other account", "Three officers made one of the two", "0.1 credits"},
	} {
		root := parse(t, v.page("/portfolio?lang="+lang))
		checkLanguage(t, root)
		page := text(root)
		for _, words := range want {
			if !strings.Contains(page, words) {
				t.Errorf("%s: the page does not say %q: %s", lang, words, page)
			}
		}
	}
}
