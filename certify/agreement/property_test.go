package agreement_test

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

	"github.com/learning-credit-bank/creditbank/certify/agreement"
	"github.com/learning-credit-bank/creditbank/deploy/agreements"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

func policyStages() iter.Seq[ledgerv1.TransferStage] {
	return func(yield func(ledgerv1.TransferStage) bool) {
		for n := range ledgerv1.TransferStage_name {
			if n > 0 && !yield(ledgerv1.TransferStage(n)) {
				return
			}
		}
	}
}

func anyItem(rt *rapid.T, entry uint64, base agreement.Day) agreement.Item {
	item := agreement.Item{
		Lot:      agreement.Lot{Entry: entry, Position: rapid.Uint32Range(0, 1).Draw(rt, "position")},
		Kind:     rapid.SampledFrom([]ledgerKind{agreement.Completion, agreement.Completion, agreement.OpeningBalance, agreement.Claim}).Draw(rt, "kind"),
		Platform: "p", Provider: rapid.SampledFrom([]string{"xihu-cc", "sandun"}).Draw(rt, "provider"), Above: []string{"xihu-cc"},
		Course: rapid.SampledFrom([]string{"VOC-1", "CIV-1"}).Draw(rt, "course"), CourseVersion: "1",
		Category: rapid.SampledFrom([]string{"civic", "arts", "health", "vocational", "family", "other"}).Draw(rt, "category"),
		Level:    rapid.Int32Range(0, 6).Draw(rt, "level"), Mode: statementv1.Mode(rapid.Int32Range(0, 5).Draw(rt, "mode")),
		Minutes: 60, Learned: base - agreement.Day(rapid.Int32Range(-10, 2500).Draw(rt, "age")),
		Available:    unit.Credits(rapid.OneOf(rapid.Int64Range(0, 9000), rapid.Just(int64(1_000_000_000_000))).Draw(rt, "available")),
		Transferable: rapid.Bool().Draw(rt, "transferable"),
	}
	if rapid.Bool().Draw(rt, "has expiry") {
		item.Expires = base + agreement.Day(rapid.Int32Range(-5, 900).Draw(rt, "expires"))
	}
	if rapid.Bool().Draw(rt, "has score") {
		item.Score = new(rapid.Int32Range(0, 100).Draw(rt, "score"))
	}
	return item
}

// Whatever is quoted: never more than there is, no cap exceeded, no course twice, every number explained, and always the same.
func TestWhateverIsQuoted(t *testing.T) {
	all := []*agreement.Agreement{compiled(t, agreements.OpenUniversity2026()), compiled(t, agreements.VocationalCollege2026())}
	base := day(t, today)
	rapid.Check(t, func(rt *rapid.T) {
		a := rapid.SampledFrom(all).Draw(rt, "agreement")
		programme := rapid.SampledFrom(a.Programmes()).Draw(rt, "programme")
		limits := make(map[string]unit.Credits)
		for _, c := range a.Message().GetCaps() {
			limits[programme.Code+"/"+c.GetId()] = unit.Credits(c.GetMilliCredits()) + programme.Credits*unit.Credits(c.GetPerMille())/1000
		}
		taken := agreement.Taken{Counts: make(map[string]unit.Credits), Recognised: make(map[agreement.Lot]unit.Credits)}
		for key := range limits {
			if rapid.Bool().Draw(rt, "used") {
				taken.Counts[key] = unit.Credits(rapid.Int64Range(0, 50_000).Draw(rt, "counts"))
			}
		}
		items := make([]agreement.Item, rapid.IntRange(0, 12).Draw(rt, "items"))
		for i := range items {
			items[i] = anyItem(rt, uint64(i), base)
			if rapid.IntRange(0, 3).Draw(rt, "recognised") == 0 {
				taken.Recognised[items[i].Lot] = unit.Credits(rapid.Int64Range(0, 9000).Draw(rt, "so much"))
			}
		}
		before := maps.Clone(taken.Counts)
		quote, err := a.Quote(programme.Code, items, taken, base)
		if err != nil {
			rt.Fatal(err)
		}
		if !maps.Equal(before, taken.Counts) {
			rt.Fatal("it changed what was taken before")
		}
		checkQuote(rt, quote, taken, limits, len(items))
		shuffled := rapid.Permutation(items).Draw(rt, "order")
		again, err := a.Quote(programme.Code, shuffled, taken, base)
		if err != nil || !reflect.DeepEqual(again.Decisions, quote.Decisions) || !reflect.DeepEqual(again.Counts(), quote.Counts()) {
			rt.Fatalf("in another order: %v\n%s\n%s", err, said(again), said(quote))
		}
		// What was quoted once, and taken over, leaves nothing but what a second quote says: both together keep the caps.
		for _, c := range quote.Counts() {
			taken.Counts[c.Key] += c.Credits
		}
		for _, d := range quote.Decisions {
			i := slices.IndexFunc(items, func(i agreement.Item) bool { return i.Lot == d.Item.Lot })
			items[i].Available -= d.Takes
		}
		second, err := a.Quote(programme.Code, items, taken, base)
		if err != nil {
			rt.Fatal(err)
		}
		checkQuote(rt, second, taken, limits, len(items))
	})
}

func checkQuote(rt *rapid.T, quote *agreement.Quote, taken agreement.Taken, limits map[string]unit.Credits, n int) {
	rt.Helper()
	var available, takes, gives unit.Credits
	courses := make(map[string]bool)
	for _, d := range quote.Decisions {
		available, takes, gives = available+d.Item.Available, takes+d.Takes, gives+d.Gives
		left := max(d.Item.Available-taken.Recognised[d.Item.Lot], 0)
		switch {
		case d.Takes < 0 || d.Takes > left || (d.Takes == 0) != (d.Gives == 0),
			(d.Outcome == agreement.Refused) != (d.Takes == 0), (d.Outcome == agreement.Accepted) != (d.Takes > 0 && d.Takes == d.Item.Available),
			d.Outcome != agreement.Refused && d.Until != 0 && d.Until < quote.Day:
			rt.Fatalf("%+v", d)
		case d.Course != "" && (courses[d.Course] || taken.Counts[quote.Programme.Code+"/course:"+d.Course] > 0):
			rt.Fatalf("%s counts twice", d.Course)
		case len(d.Reasons) == 0 || d.Reasons[len(d.Reasons)-1].After != int64(d.Gives):
			rt.Fatalf("the reasons end elsewhere: %+v", d)
		}
		courses[d.Course] = d.Course != ""
		for i := 1; i < len(d.Reasons); i++ {
			if r := d.Reasons[i]; r.Stage < d.Reasons[i-1].Stage && r.Rule != agreement.CourseCountedAlready || r.Before != d.Reasons[i-1].After && d.Course == "" &&
				r.Stage != ledgerv1.TransferStage_TRANSFER_STAGE_COURSE {
				rt.Fatalf("the chain is broken: %+v", d.Reasons)
			}
		}
	}
	if len(quote.Decisions) != n || available != quote.Available || takes != quote.Takes || gives != quote.Gives {
		rt.Fatalf("the sums are others: %s", said(quote))
	}
	for _, c := range quote.Counts() {
		parts := strings.SplitN(c.Key, "/", 3)
		limit, isCap := limits[parts[0]+"/"+parts[1]]
		if isCap && taken.Counts[c.Key] <= limit && taken.Counts[c.Key]+c.Credits > limit || !isCap && !strings.HasPrefix(parts[1], "course:") {
			rt.Fatalf("%s: %d on top of %d, limit %d", c.Key, c.Credits, taken.Counts[c.Key], limit)
		}
		if isCap && taken.Counts[c.Key] > limit {
			rt.Fatalf("%s is exceeded already, and more is taken", c.Key)
		}
	}
}
