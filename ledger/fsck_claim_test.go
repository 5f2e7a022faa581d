package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Who has had a claim decided elsewhere than at home, or under rules that nobody published, is found out.
func TestFsckOfClaims(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *ledgerv1.ClaimFiled)
		want   string // empty: it is sound
	}{
		"sound":        {func(*ledgerv1.ClaimFiled) {}, ""},
		"elsewhere":    {func(f *ledgerv1.ClaimFiled) { f.Organization = "school" }, "entry 6: organization"},
		"under none":   {func(f *ledgerv1.ClaimFiled) { f.PolicyHash = nil }, "entry 6: policy_hash"},
		"under a wish": {func(f *ledgerv1.ClaimFiled) { f.PolicyHash = []byte(strings.Repeat("p", 32)) }, "entry 6: policy_hash"},
		"of no call":   {func(f *ledgerv1.ClaimFiled) { f.Request = nil }, "entry 6: request.request_id"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open(t)
			account, hash, wish := unit.AccountID{1}, []byte(strings.Repeat("h", 32)), []byte(strings.Repeat("p", 32))
			proposed := func(hash []byte) *ledgerv1.Entry {
				return &ledgerv1.Entry{Fact: &ledgerv1.Entry_PolicyProposed{PolicyProposed: &ledgerv1.PolicyProposed{PolicyHash: hash, Organization: "college"}}}
			}
			filed := &ledgerv1.ClaimFiled{
				Actor: &ledgerv1.Actor{Resident: true}, Account: account[:], Organization: "college", Category: "arts", EndDay: 18_020, PolicyHash: hash,
				Causes: []string{"certificate"}, Risk: 2,
				Request: &ledgerv1.Request{Method: "SubmitClaim", RequestId: make([]byte, 16), Hash: make([]byte, 32)},
			}
			c.change(filed)
			school := organization("school")
			for _, e := range []*ledgerv1.Entry{
				organization("college"), school,
				{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: account[:], Home: "college"}}},
				proposed(hash),
				{Fact: &ledgerv1.Entry_PolicyPublished{PolicyPublished: &ledgerv1.PolicyPublished{PolicyHash: hash, ProposedIndex: 4}}},
				{Fact: &ledgerv1.Entry_ClaimFiled{ClaimFiled: filed}},
				proposed(wish),
			} {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{Engine: w.engine, BankID: bankID, Origin: origin})
			must(t, err)
			switch found := fmt.Sprint(report.Faults); {
			case c.want == "" && len(report.Faults) > 0:
				t.Errorf("found %v", found)
			case !strings.Contains(found, c.want):
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}
