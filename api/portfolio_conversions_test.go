package api_test

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/export"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// The conversion profile has what an institution took over of a transfer, and nothing else; what nobody said stays empty.
func TestExportConversions(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	l := a.learner()
	holder := a.Resident(l.ID)
	rows := func(e api.Export) [][]string {
		t.Helper()
		e.Account, e.Format = l.ID, export.ConversionCSV
		content, file, err := a.exports(holder, e)
		must(t, err)
		if file.Name != "learning-record-shanghai-conversion-2026-06-15.csv" || file.MediaType != export.ShanghaiCSV.MediaType() {
			t.Errorf("the file is %+v", file)
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(content, "\uFEFF"))).ReadAll()
		must(t, err)
		if len(rows[0]) != 19 {
			t.Errorf("the head is %q", rows[0])
		}
		return rows[1:]
	}
	transfer := a.requests(l, university, socialWork)
	if got := rows(api.Export{}); len(got) != 0 {
		t.Errorf("before anything was taken over there is %q", got)
	}
	half := transfer.Items[0].Credits / 2
	_, err := a.AcceptTransfer(ctx(), a.institution(university), api.Acceptance{
		RequestID: a.RequestID(), Hold: transfer.Hold, Take: []api.TransferTake{{Item: 0, Credits: half}},
	}, false)
	must(t, err)
	took := a.stands(l, transfer.Hold, posted)
	got := rows(api.Export{})
	if len(got) != 1 {
		t.Fatalf("%d rows: %q", len(got), got)
	}
	item := took.Items[0]
	name := slices.IndexFunc(took.Items, func(i api.TransferItem) bool { return i.Taken != 0 })
	decimal := func(c unit.Credits) string { return strings.TrimRight(strings.TrimRight(c.String(), "0"), ".") }
	if r := got[0]; name != 0 || r[2] != "" || r[3] != "01" || r[4] != "" || r[5] != item.Title || r[6] == "" || r[7] != "" || r[8] != "" ||
		r[9] != decimal(half) || r[10] == "" || r[12] != "202605" || r[13] != "" || r[14] != item.Course || r[16] != decimal(item.TakenGranted) ||
		r[17] != "202606" || r[18] != took.ProgrammeName.ZH || r[18] == "" {
		t.Errorf("%q of %+v", r, item)
	}
	r := rows(api.Export{
		Institution: university, Converted: export.Converted{School: "10250", Level: export.LevelBachelor},
		Deposit: export.Deposit{Level: export.LevelJunior, Category: export.CategoryAdult, Major: "社会工作"}, Identity: true,
	})[0]
	person, err := a.Vault.Person(ctx(), l.ID)
	must(t, err)
	if r[0] != person.Name || r[1] != person.Document.Number || r[2] != "10250" || r[4] != "社会工作" || r[7] != "21" || r[8] != "30" || r[13] != "20" {
		t.Errorf("what is said is %q", r)
	}
	for name, e := range map[string]api.Export{
		"another institution": {Institution: college},
		"another category":    {Choice: export.Choice{Categories: []string{"health"}}},
		"later":               {Choice: export.Choice{From: "2026-06-01"}},
		"earlier":             {Choice: export.Choice{To: "2026-01-01"}},
	} {
		if got := rows(e); len(got) != 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, test := range map[string]struct {
		by     access.Caller
		e      api.Export
		kind   api.Kind
		reason api.Reason
		field  string
	}{
		"school of nobody": {holder, api.Export{Converted: export.Converted{School: "10250"}}, api.Invalid, api.ReasonField, "institution"},
		"nobody":           {holder, api.Export{Institution: "nobody"}, api.NotFound, api.ReasonUnknownOrganization, "institution"},
		"other format":     {holder, api.Export{Institution: university, Format: export.JSON}, api.Invalid, api.ReasonField, "institution"},
		"wrong level": {
			holder, api.Export{Institution: university, Converted: export.Converted{Level: "9"}}, api.Invalid, api.ReasonExportCode, "shanghai.converted_level",
		},
		"the institution": {a.institution(university), api.Export{}, api.Denied, api.ReasonDenied, ""},
	} {
		if test.e.Account = l.ID; test.e.Format == "" {
			test.e.Format = export.ConversionXLSX
		}
		_, _, err := a.exports(test.by, test.e)
		t.Log(name)
		wants(t, err, test.kind, test.reason, test.field)
	}
}

// What institutions took over from an account goes on with the one that it became part of: in the file, and in the list. Where the
// merge is undone, it comes home.
func TestConversionsOfAMergedAccount(t *testing.T) {
	t.Parallel()
	a := newTransfers(t)
	from, into := a.learner(), a.learner()
	a.claimed(from)
	takes := func(l api.Account, institution, programme string) {
		t.Helper()
		transfer := a.requests(l, institution, programme)
		_, err := a.AcceptTransfer(ctx(), a.institution(institution), api.Acceptance{RequestID: a.RequestID(), Hold: transfer.Hold}, false)
		must(t, err)
		a.stands(l, transfer.Hold, posted)
	}
	rows := func(l api.Account) []string {
		t.Helper()
		content, _, err := a.exports(a.Resident(l.ID), api.Export{Account: l.ID, Format: export.ConversionCSV})
		must(t, err)
		all := strings.Split(strings.TrimSpace(content), "\r\n")[1:]
		for i, row := range all { // but for the name and the document
			all[i] = strings.SplitN(row, ",", 3)[2]
		}
		slices.Sort(all)
		return all
	}
	holds := func(l api.Account) (all []uint64) {
		t.Helper()
		transfers, _, err := a.ListTransfers(ctx(), a.Resident(l.ID), api.TransferFilter{Account: l.ID}, api.Page{})
		must(t, err)
		for _, transfer := range transfers {
			all = append(all, transfer.Hold)
		}
		slices.Sort(all)
		return all
	}
	takes(from, college, elderCare)
	takes(from, university, socialWork)
	takes(into, university, socialWork)
	before := [2][]string{rows(from), rows(into)}
	listed := [2][]uint64{holds(from), holds(into)}
	if len(before[0]) < 3 || len(before[1]) == 0 || len(listed[0]) != 2 || len(listed[1]) != 1 {
		t.Fatalf("before the merge %q, %v", before, listed)
	}
	m := a.merges(from, into)
	together := slices.Sorted(slices.Values(slices.Concat(before[0], before[1])))
	if got := rows(into); !slices.Equal(got, together) {
		t.Errorf("after the merge\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(together, "\n"))
	}
	if got, want := holds(into), slices.Sorted(slices.Values(slices.Concat(listed[0], listed[1]))); !slices.Equal(got, want) {
		t.Errorf("after the merge the list has %v, not %v", got, want)
	}
	a.undoes(m)
	if got := [2][]string{rows(from), rows(into)}; !slices.Equal(got[0], before[0]) || !slices.Equal(got[1], before[1]) {
		t.Errorf("undone\n%q\nnot\n%q", got, before)
	}
	if got := [2][]uint64{holds(from), holds(into)}; !slices.Equal(got[0], listed[0]) || !slices.Equal(got[1], listed[1]) {
		t.Errorf("undone, the lists have %v, not %v", got, listed)
	}
}
