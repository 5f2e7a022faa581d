package api_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// usage is what counts towards each cap.
func (b *bank) usage(account api.Account) map[string]int64 {
	b.t.Helper()
	usage := make(map[string]int64)
	for _, u := range b.row(account).GetUsage() {
		usage[u.GetKey()] = u.GetMilliCredits()
	}
	return usage
}

// remainder is what is left of the minutes of all courses.
func (b *bank) remainder(account api.Account) (minutes int64) {
	b.t.Helper()
	for _, r := range b.row(account).GetRemainders() {
		minutes += r.GetMinutes()
	}
	return minutes
}

// A void gives back hours, credits, usage, the remainder and the sessions.
func TestVoid(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	s := b.learned(account, apitest.Calligraphy, 1, 90)
	b.one(s)
	b.has(account, 90, 100, 0, 0)
	if usage, left := b.usage(account), b.remainder(account); usage["half-year/2026-H1"] != 100 || usage["year/2026"] != 100 ||
		usage["provider-lifetime/beishan-school"] != 100 || left != 18 {
		t.Errorf("usage %v, remainder %d", usage, left)
	}
	r := b.one(b.Void(s.GetId()))
	entries := b.has(account, 0, 0, 0, 100)
	if usage, left := b.usage(account), b.remainder(account); len(usage) != 0 || left != 0 {
		t.Errorf("usage %v, remainder %d", usage, left)
	}
	for _, e := range entries {
		became(t, e.Decision, voided, 0, 0, 0)
	}
	// The time is free again: another platform's completion overlaps with nothing.
	other := b.learned(account, apitest.Smartphone, 1, 90)
	became(t, b.post(apitest.OtherPlatform, other)[0].Decision, awarded, 90, 100, 0)

	// No void of a void, of what is unknown, of what is voided, and of another's.
	for id, reason := range map[string]api.Reason{
		string(s.GetId()): api.ReasonAlreadyVoided, b.statementOf(r.Index): api.ReasonUnknownStatement,
		strings.Repeat("\x7f", 6) + "\x7f\x7f\x9f" + strings.Repeat("\x7f", 7): api.ReasonUnknownStatement, string(other.GetId()): api.ReasonUnknownStatement,
	} {
		result := b.post(apitest.Platform, b.Void([]byte(id)))[0]
		if result.Fault == nil || result.Fault.Reason != reason || result.Fault.Field != "completion_void.statement_id" {
			t.Errorf("void of %x: %v, not %s", id, result.Fault, reason)
		}
	}
}

// statementOf is the id of the statement that an entry records.
func (b *bank) statementOf(index uint64) string {
	b.t.Helper()
	_, raw := b.entry(index)
	if v := raw.GetCompletionVoided(); v != nil {
		return string(v.GetOrigin().GetStatementId())
	}
	return string(raw.GetCompletionRecorded().GetOrigin().GetStatementId())
}

// The remainder is carried from class to class of one course, and a void takes it back as far as it is there; a completion
// that was credited with minutes that are gone becomes a case.
func TestRemainder(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	var statements []*statementv1.Statement
	var last api.StatementResult
	for i, want := range []struct {
		available unit.Credits
		left      int64
	}{{100, 18}, {100, 36}, {100, 54}, {200, 0}} {
		s := b.learned(account, apitest.Calligraphy, 9-i, 90)
		last = b.one(s)
		became(t, last.Decision, awarded, 90, want.available, 0)
		if left := b.remainder(account); left != want.left {
			t.Errorf("after class %d %d minutes are left, not %d", i, left, want.left)
		}
		statements = append(statements, s)
	}
	// Another course has a remainder of its own.
	became(t, b.one(b.learned(account, apitest.Smartphone, 12, 90)).Decision, awarded, 90, 100, 0)
	b.one(b.Void(statements[0].GetId()))
	b.has(account, 360, 500, 0, 100)
	c := b.theCase(api.CauseRemainderVoided, last.Index)
	became(t, b.decide(c.ID, api.VerdictApprove), awarded, 90, 200, 0)
	b.has(account, 360, 500, 0, 100)
	// What the last class spent comes back less what the first one had left to it: 180 minutes are 0.2 credits and 36.
	b.one(b.Void(statements[3].GetId()))
	b.has(account, 270, 300, 0, 300)
	if left := b.remainder(account); left != 36+18 {
		t.Errorf("%d minutes are left, not 36 of calligraphy and 18 of the other course", left)
	}
	// Voids of the others leave nothing.
	b.one(b.Void(statements[1].GetId()))
	b.one(b.Void(statements[2].GetId()))
	if left := b.remainder(account); left != 18 {
		t.Errorf("%d minutes are left, not 18", left)
	}
}

// A void of what nobody has built on opens no case.
func TestVoidOfTheNewest(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	b.one(b.learned(account, apitest.Calligraphy, 9, 90))
	s := b.learned(account, apitest.Calligraphy, 8, 90)
	b.one(s)
	b.one(b.Void(s.GetId()))
	b.has(account, 90, 100, 0, 100)
	if cases, left := b.cases(), b.remainder(account); len(cases) != 0 || left != 18 {
		t.Errorf("cases %+v, %d minutes left", cases, left)
	}
}

// What exceeds a cap waits, and is released in the next period.
func TestCapsReleaseByPeriod(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	for i := range 2 {
		became(t, b.one(b.learned(account, apitest.Welding, 10+10*i, 7200)).Decision, awarded, 7200, 10_000, 0)
	}
	became(t, b.one(b.learned(account, apitest.Welding, 30, 7200)).Decision, awarded, 7200, 4000, 6000)
	became(t, b.one(b.learned(account, apitest.Welding, 40, 7200)).Decision, awarded, 7200, 0, 10_000)
	b.has(account, 28_800, 24_000, 16_000, 0)
	if n, err := b.Sweep(ctx()); err != nil || n != 0 {
		t.Errorf("swept %d entries, %v", n, err)
	}
	b.Clock.Advance(20 * 24 * time.Hour) // the 5th of July
	// Time alone changes nothing: effects happen by entry.
	b.has(account, 28_800, 24_000, 16_000, 0)
	if n, err := b.Sweep(ctx()); err != nil || n != 2 {
		t.Errorf("swept %d entries, %v", n, err)
	}
	b.has(account, 28_800, 40_000, 0, 0)
	want := map[string]int64{"half-year/2026-H1": 24_000, "half-year/2026-H2": 16_000, "year/2026": 40_000, "provider-lifetime/xihu-cc": 40_000}
	if usage := b.usage(account); !maps.Equal(usage, want) {
		t.Errorf("usage %v, not %v", usage, want)
	}
	// The year has room for 2 more: 10 are posted.
	now := b.Clock.Now().Truncate(time.Hour)
	became(t, b.one(b.learnedUntil(account, apitest.Welding, now, 7200-2880)).Decision, awarded, 4320, 2000, 4000)
	b.Clock.Advance(200 * 24 * time.Hour) // January
	// Whoever uses the account has what is overdue written first.
	b.one(b.learnedUntil(account, apitest.Calligraphy, b.Clock.Now().Truncate(time.Hour), 90))
	b.has(account, 28_800+4320+90, 46_100, 0, 0)
}

// Room that a void makes is for those who wait longest.
func TestCapsReleaseByVoid(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	var statements []*statementv1.Statement
	var indexes []uint64
	for i := range 4 {
		s := b.learned(account, apitest.Welding, 10+10*i, 7200)
		statements, indexes = append(statements, s), append(indexes, b.one(s).Index)
	}
	b.has(account, 28_800, 24_000, 16_000, 0)
	b.one(b.Void(statements[0].GetId()))
	entries := b.has(account, 21_600, 24_000, 6000, 10_000)
	became(t, entries[indexes[2]].Decision, awarded, 7200, 10_000, 0)
	became(t, entries[indexes[3]].Decision, awarded, 7200, 4000, 6000)
	// What was released is taken back with its completion.
	b.one(b.Void(statements[2].GetId()))
	b.has(account, 14_400, 20_000, 0, 20_000)
	if usage := b.usage(account); usage["half-year/2026-H1"] != 20_000 || usage["provider-lifetime/xihu-cc"] != 20_000 {
		t.Errorf("usage %v", usage)
	}
	// What waits may be taken back too.
	b.one(b.Void(statements[3].GetId()))
	b.one(b.Void(statements[1].GetId()))
	b.has(account, 0, 0, 0, 40_000)
	if usage := b.usage(account); len(usage) != 0 {
		t.Errorf("usage %v", usage)
	}
}

// Of an equivalence group the best score counts.
func TestBestScore(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	first := b.one(withScore(b.learned(account, apitest.FirstAid, 9, 90), 70))
	became(t, first.Decision, awarded, 90, 100, 0)
	for _, worse := range []*statementv1.Statement{
		withScore(b.learned(account, apitest.FirstAid, 8, 90), 70), withScore(b.learned(account, apitest.FirstAidOnline, 7, 90), 69),
		b.learned(account, apitest.FirstAidOnline, 6, 90),
	} {
		became(t, b.one(worse).Decision, duplicate, 0, 0, 0)
	}
	better := withScore(b.learned(account, apitest.FirstAidOnline, 5, 90), 71)
	second := b.one(better)
	became(t, second.Decision, awarded, 90, 100, 0)
	entries := b.has(account, 90, 100, 0, 100)
	became(t, entries[first.Index].Decision, duplicate, 0, 0, 0)
	if usage := b.usage(account); usage["half-year/2026-H1"] != 100 || usage["provider-lifetime/cuiyuan-school"] != 100 || usage["provider-lifetime/beishan-school"] != 0 {
		t.Errorf("usage %v", usage)
	}
	// When the one that stands is gone, an officer looks at the one that would have stood: the first of the best score.
	b.one(b.Void(better.GetId()))
	b.has(account, 0, 0, 0, 200)
	cases := b.cases()
	if len(cases) != 1 || !slices.Equal(cases[0].Causes, []string{api.CausePriorVoided}) {
		t.Fatalf("cases %+v", cases)
	}
	if cases[0].Completion != first.Index {
		t.Errorf("case of completion %d, not %d", cases[0].Completion, first.Index)
	}
	became(t, b.decide(cases[0].ID, api.VerdictApprove), awarded, 90, 100, 0)
	b.has(account, 90, 100, 0, 200)
	// It stands now: the same again is a duplicate.
	became(t, b.one(withScore(b.learned(account, apitest.FirstAid, 4, 90), 10)).Decision, duplicate, 0, 0, 0)
}

// What stands in the place of a completion that is gone: the best score, where the policy asks for that, else the first; never one
// that failed the rules before one that did not.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	type class struct {
		score int32 // -1: none
		fails bool
	}
	for name, c := range map[string]struct {
		first bool // the policy keeps the first
		of    []class
		want  int
	}{
		"the best":              {false, []class{{70, false}, {75, false}, {72, false}}, 1},
		"of two best the first": {false, []class{{75, false}, {75, false}}, 0},
		"a score before none":   {false, []class{{-1, false}, {61, false}, {-1, false}}, 1},
		"none has a score":      {false, []class{{-1, false}, {-1, false}}, 0},
		"who was not there":     {false, []class{{70, false}, {80, true}}, 0},
		"nor the first":         {false, []class{{79, true}, {61, false}}, 1},
		"all failed":            {false, []class{{61, true}, {62, true}}, 0},
		"the first":             {true, []class{{70, false}, {75, false}}, 0},
		"the first that passed": {true, []class{{79, true}, {61, false}, {75, false}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			if c.first {
				yaml := bytes.Replace(beishanPolicy(t, "1", "2024-03-30", ""), []byte("KEEP_BEST_SCORE"), []byte("KEEP_FIRST"), 1)
				b.publish(yaml)
			}
			account := b.Open()
			stands := withScore(b.learned(account, apitest.FirstAid, 40, 90), 90)
			b.one(stands)
			var want uint64
			for i, of := range c.of {
				// The days go back while the entries go on: it is their order that counts.
				s := b.learned(account, apitest.FirstAid, 41+i, 90)
				if of.score >= 0 {
					withScore(s, of.score)
				}
				if of.fails {
					s.GetCompletion().Attendance = &statementv1.Attendance{Held: 10, Attended: 1}
				}
				r := b.one(s)
				became(t, r.Decision, duplicate, 0, 0, 0)
				if i == c.want {
					want = r.Index
				}
			}
			b.one(b.Void(stands.GetId()))
			b.theCase(api.CausePriorVoided, want)
		})
	}
}

// beishanPolicy is a policy of Beishan's own, with credits that expire.
func beishanPolicy(t testing.TB, version, from, validity string) []byte {
	t.Helper()
	yaml := string(apitest.PolicyYAML(t))
	for _, change := range [][2]string{
		{"id: xihu\n", "id: beishan\n"},
		{"version: \"2026.1\"", "version: \"" + version + "\""},
		{"organization: xihu-cc", "organization: " + apitest.Beishan},
		{"effective_from: \"2024-03-30\"", "effective_from: \"" + from + "\""},
	} {
		if !strings.Contains(yaml, change[0]) {
			t.Fatalf("the policy has no %q", change[0])
		}
		yaml = strings.Replace(yaml, change[0], change[1], 1)
	}
	return []byte(yaml + validity)
}

const twoMonths = "\nvalidity:\n  - id: two-months\n    months: 2\n    words: { zh: 两个月有效, en: Valid for two months }\n"

func (b *bank) publish(yaml []byte) api.Policy {
	b.t.Helper()
	p, err := b.ProposePolicy(ctx(), b.Officer(apitest.Officer), b.RequestID(), yaml)
	must(b.t, err)
	p, err = b.PublishPolicy(ctx(), b.Officer(apitest.SecondOfficer), b.RequestID(), p.Hash)
	must(b.t, err)
	return p
}

// The nearest ancestor's policy judges; what it lets expire does so by entry, and a better score keeps the old expiry.
func TestExpiry(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.publish(beishanPolicy(t, "1", "2024-03-30", twoMonths))
	account, other := b.Open(), b.Open()
	taught := b.learned(account, apitest.Calligraphy, 10, 90) // ended on the 5th of June
	b.one(taught)
	lasting := b.one(b.learned(account, apitest.Smartphone, 10, 90)) // Cuiyuan's: the district's policy
	b.one(withScore(b.learned(other, apitest.FirstAid, 10, 90), 70))
	b.one(withScore(b.learned(other, apitest.FirstAidOnline, 1, 90), 80))
	b.has(account, 180, 200, 0, 0)
	b.has(other, 90, 100, 0, 100)
	if row := b.row(other); len(row.GetExpiring()) != 1 {
		t.Errorf("expiring %v", row.GetExpiring())
	}
	b.Clock.Advance(50 * 24 * time.Hour) // the 4th of August: the last day
	if n, err := b.Sweep(ctx()); err != nil || n != 0 {
		t.Errorf("swept %d entries, %v", n, err)
	}
	b.Clock.Advance(24 * time.Hour)
	// A void comes after what is overdue: the credits had expired by then.
	b.one(b.Void(taught.GetId()))
	p, err := b.GetPortfolio(ctx(), b.Resident(account.ID), account.ID, 0)
	must(t, err)
	if p.Totals.Expired != 100 || p.Totals.Reversed != 0 || p.Totals.Available != lasting.Decision.Available {
		t.Errorf("totals %+v", p.Totals)
	}
	if n, err := b.Sweep(ctx()); err != nil || n != 1 {
		t.Errorf("swept %d entries, %v", n, err)
	}
	p, err = b.GetPortfolio(ctx(), b.Resident(other.ID), other.ID, 0)
	must(t, err)
	if p.Totals.Expired != 100 || p.Totals.Available != 0 || p.Totals.Minutes != 90 {
		t.Errorf("totals %+v", p.Totals)
	}
}

// entry reads an entry as it lies on the ledger.
func (b *bank) entry(index uint64) ([]byte, *ledgerv1.Entry) {
	b.t.Helper()
	view, err := b.Ledger.View()
	must(b.t, err)
	defer view.Close()
	raw, err := view.Entry(ctx(), index)
	must(b.t, err)
	return raw, decoded(b.t, raw)
}
