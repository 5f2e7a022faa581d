package ledger_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/ledger"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Versions of an agreement that overlap or run backwards, bytes under another hash, and consents of nobody are found out.
func TestFsckOfAgreements(t *testing.T) {
	t.Parallel()
	published := func(version string, from, until int32) *ledgerv1.AgreementPublished {
		hash := sha256.Sum256([]byte(version))
		return &ledgerv1.AgreementPublished{
			Actor: &ledgerv1.Actor{Organization: "college"}, AgreementHash: hash[:], Yaml: []byte(version), Institution: "college", Agreement: "a",
			Version: version, EffectiveFromDay: from, EffectiveUntilDay: until,
		}
	}
	account := unit.AccountID{1}
	for name, c := range map[string]struct {
		second *ledgerv1.AgreementPublished
		change func(a *ledgerv1.AgreementPublished, consent *ledgerv1.ConsentGranted, ended *ledgerv1.AgreementEnded)
		want   string // empty: it is sound
	}{
		"sound":              {published("2", 121, 0), nil, ""},
		"begins before":      {published("2", 90, 0), nil, "entry 4: effective_from_day"},
		"begins with it":     {published("2", 100, 0), nil, "entry 4: effective_from_day"},
		"begins during it":   {published("2", 120, 0), nil, "entry 4: effective_from_day"},
		"ends before itself": {published("2", 130, 129), nil, "entry 4: effective_until_day"},
		"another agreement": {published("2", 90, 0), func(a *ledgerv1.AgreementPublished, _ *ledgerv1.ConsentGranted, _ *ledgerv1.AgreementEnded) {
			a.Agreement = "b"
		}, ""},
		"published by another": {published("2", 121, 0), func(a *ledgerv1.AgreementPublished, _ *ledgerv1.ConsentGranted, _ *ledgerv1.AgreementEnded) {
			a.Actor.Organization = "school"
		}, "entry 4: actor"},
		"other bytes": {published("2", 121, 0), func(a *ledgerv1.AgreementPublished, _ *ledgerv1.ConsentGranted, _ *ledgerv1.AgreementEnded) {
			a.Yaml = []byte("3")
		}, "entry 4: agreement_hash"},
		"granted by nobody": {published("2", 121, 0), func(_ *ledgerv1.AgreementPublished, consent *ledgerv1.ConsentGranted, _ *ledgerv1.AgreementEnded) {
			consent.Actor = &ledgerv1.Actor{Organization: "college"}
		}, "entry 6: actor"},
		"ended by another": {published("2", 121, 0), func(_ *ledgerv1.AgreementPublished, _ *ledgerv1.ConsentGranted, ended *ledgerv1.AgreementEnded) {
			ended.Actor.Organization = "school"
		}, "entry 5: actor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open(t)
			first, second := published("1", 100, 120), c.second
			consent := &ledgerv1.ConsentGranted{
				Actor: &ledgerv1.Actor{Resident: true}, Account: account[:], Institution: "college", Purpose: "transfer", Expires: 1 << 60,
			}
			ended := &ledgerv1.AgreementEnded{Actor: &ledgerv1.Actor{Organization: "college"}, AgreementHash: second.GetAgreementHash(), LastDay: 200}
			if c.change != nil {
				c.change(second, consent, ended)
			}
			for _, e := range []*ledgerv1.Entry{
				organization("college"),
				{Fact: &ledgerv1.Entry_AccountOpened{AccountOpened: &ledgerv1.AccountOpened{Account: account[:], Home: "college"}}},
				{Fact: &ledgerv1.Entry_AgreementPublished{AgreementPublished: first}},
				{Fact: &ledgerv1.Entry_AgreementPublished{AgreementPublished: second}},
				{Fact: &ledgerv1.Entry_AgreementEnded{AgreementEnded: ended}},
				{Fact: &ledgerv1.Entry_ConsentGranted{ConsentGranted: consent}},
			} {
				_, err := l.Propose(t.Context(), nil, func(tx *ledger.Tx) error {
					_, err := tx.Append(e)
					return err
				})
				must(t, err)
			}
			report, err := ledger.Fsck(t.Context(), ledger.FsckConfig{Engine: w.engine, BankID: bankID, Origin: origin})
			must(t, err)
			var found []string
			for _, f := range report.Faults {
				if f.Field != "key_id" { // there are no keys here
					found = append(found, f.String())
				}
			}
			switch all := fmt.Sprint(found); {
			case c.want == "" && len(found) > 0:
				t.Errorf("found %v", all)
			case !strings.Contains(all, c.want):
				t.Errorf("found %v, want %q", all, c.want)
			}
		})
	}
}
