package api_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// A submission of one keeps its signature in its entry; a larger one is an entry of its own.
func TestRecord(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	before := b.size()
	r := b.one(b.Completion(account.Number))
	if became(t, r.Decision, awarded, 90, 100, 0); r.Index != before || b.size() != before+1 {
		t.Errorf("entry %d of %d, before there were %d", r.Index, b.size(), before)
	}
	rs := b.Record(b.Completion(account.Number), b.Completion(account.Number), b.Completion(account.Number))
	if b.size() != before+5 || rs[0].Index != before+2 || rs[2].Index != before+4 {
		t.Errorf("entries %d and %d of %d", rs[0].Index, rs[2].Index, b.size())
	}
	// 90 minutes four times: 360 minutes are 0.5 credits to the minute.
	b.has(account, 360, 500, 0, 0)
	if n := len(b.row(account).GetRemainders()); n != 0 {
		t.Errorf("%d remainders", n)
	}
}

// Statements are recorded together as they are one by one, whatever those before them were.
func TestRecordTogether(t *testing.T) {
	t.Parallel()
	together, alone := newBank(t), newBank(t)
	statements := func(b *bank) []*statementv1.Statement {
		var all []*statementv1.Statement
		accounts := []api.Account{b.Open(), b.Open()}
		for i, sessions := range [][]int64{{90}, {45, 45, 60}, {5}, {90, 90}, {}, {30, 30, 30, 30}, {1}, {100}} {
			s := b.Completion(accounts[i%2].Number)
			begin := b.Clock.Now().Truncate(time.Hour).AddDate(0, 0, -10*i-9)
			s.GetCompletion().Sessions = nil
			for day, minutes := range sessions {
				s.GetCompletion().Sessions = append(s.GetCompletion().GetSessions(), apitest.Session(begin.AddDate(0, 0, day), minutes))
			}
			all = append(all, s)
		}
		return all
	}
	results, lots := together.post(apitest.Platform, statements(together)...), 0
	for i, s := range statements(alone) {
		got, want := results[i], alone.post(apitest.Platform, s)[0]
		if got.Status != want.Status {
			t.Fatalf("statement %d is %v, %v alone", i, got.Status, want.Status)
		}
		if got.Status != api.Recorded {
			continue
		}
		_, a := together.entry(got.Index)
		_, b := alone.entry(want.Index)
		effects := b.GetCompletionRecorded().GetEffects()
		if !proto.Equal(a.GetCompletionRecorded().GetEffects(), effects) {
			t.Errorf("statement %d has the effects %v, %v alone", i, a.GetCompletionRecorded().GetEffects(), effects)
		}
		lots += len(effects.GetLots())
	}
	if lots < 3 || results[4].Status != api.Rejected {
		t.Errorf("%d lots, and a statement without sessions is %v", lots, results[4].Status)
	}
}

// The same bytes are answered with what was decided then, and nothing is written.
func TestReplay(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	one, two := b.Completion(account.Number), b.Completion(account.Number)
	first := b.Record(one, two)
	void := b.Void(two.GetId())
	b.one(void)
	size := b.size()
	for name, again := range map[string][]*statementv1.Statement{
		"the same submission": {one, two}, "in another order": {two, one}, "alone": {one}, "twice": {one, one},
	} {
		for i, r := range b.post(apitest.Platform, again...) {
			want := first[0]
			if proto.Equal(again[i], two) {
				want = first[1]
			}
			if r.Status != api.Replayed || r.Index != want.Index || r.Decision.Outcome != want.Decision.Outcome ||
				r.Decision.Available != want.Decision.Available || len(r.Decision.Reasons) != len(want.Decision.Reasons) {
				t.Errorf("%s: %+v, not %+v", name, r, want)
			}
		}
	}
	if r := b.post(apitest.Platform, void)[0]; r.Status != api.Replayed || r.Decision != nil {
		t.Errorf("void: %+v", r)
	}
	if b.size() != size {
		t.Errorf("%d entries were written", b.size()-size)
	}
	// Other bytes under the same id conflict, also as a void; another platform has ids of its own.
	other := b.Completion(account.Number)
	other.Id = one.GetId()
	took := b.Void(two.GetId())
	took.Id = one.GetId()
	for _, s := range []*statementv1.Statement{other, took} {
		r := b.post(apitest.Platform, s)[0]
		wants(t, r.Fault, api.Conflict, api.ReasonStatementConflict, "id")
	}
	if r := b.post(apitest.OtherPlatform, other)[0]; r.Status != api.Recorded {
		t.Errorf("another platform's statement of the same id: %+v", r.Fault)
	}
}

// A submission that holds one id twice records the first and refuses other bytes.
func TestRepeatedWithin(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	one, other := b.Completion(account.Number), b.Completion(account.Number)
	other.Id = one.GetId()
	rs := b.post(apitest.Platform, one, one, other)
	if rs[0].Status != api.Recorded || rs[1].Status != api.Replayed || rs[1].Index != rs[0].Index {
		t.Errorf("%+v, %+v", rs[0], rs[1])
	}
	wants(t, rs[2].Fault, api.Conflict, api.ReasonStatementConflict, "id")
}

// A void in the submission of its completion, and a void before its completion, which is unknown.
func TestVoidWithin(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	s := b.Completion(account.Number)
	rs := b.post(apitest.Platform, b.Void(s.GetId()), s, b.Void(s.GetId()), b.Void(s.GetId()))
	wants(t, rs[0].Fault, api.NotFound, api.ReasonUnknownStatement, "completion_void.statement_id")
	if rs[1].Status != api.Recorded || rs[2].Status != api.Recorded {
		t.Errorf("%+v, %+v", rs[1], rs[2])
	}
	wants(t, rs[3].Fault, api.Precondition, api.ReasonAlreadyVoided, "completion_void.statement_id")
	b.has(account, 0, 0, 0, 100)
}

// Every statement that is refused says why and where; those beside it are recorded.
func TestRejects(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	unknownField := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1)
	type change = func(s *statementv1.Statement, c *statementv1.Completion)
	cases := []struct {
		name   string
		kind   api.Kind
		reason api.Reason
		field  string
		change change
	}{
		{"no id", api.Invalid, api.ReasonStatementID, "id", func(s *statementv1.Statement, _ *statementv1.Completion) { s.Id = nil }},
		{"nil uuid", api.Invalid, api.ReasonStatementID, "id", func(s *statementv1.Statement, _ *statementv1.Completion) { s.Id = make([]byte, 16) }},
		{"short id", api.Invalid, api.ReasonStatementID, "id", func(s *statementv1.Statement, _ *statementv1.Completion) { s.Id = s.Id[:15] }},
		{"no salt", api.Invalid, api.ReasonSalt, "salt", func(s *statementv1.Statement, _ *statementv1.Completion) { s.Salt = nil }},
		{"long salt", api.Invalid, api.ReasonSalt, "salt", func(s *statementv1.Statement, _ *statementv1.Completion) { s.Salt = make([]byte, 17) }},
		{"no assertion", api.Invalid, api.ReasonNoAssertion, "assertion", func(s *statementv1.Statement, _ *statementv1.Completion) { s.Assertion = nil }},
		{"unknown field", api.Invalid, api.ReasonUnknownField, "", func(s *statementv1.Statement, _ *statementv1.Completion) { s.ProtoReflect().SetUnknown(unknownField) }},
		{"unknown field in completion", api.Invalid, api.ReasonUnknownField, "completion", func(_ *statementv1.Statement, c *statementv1.Completion) { c.ProtoReflect().SetUnknown(unknownField) }},
		{"unknown field in session", api.Invalid, api.ReasonUnknownField, "completion.sessions[0]", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0].ProtoReflect().SetUnknown(unknownField)
		}},
		{"unknown field in begin", api.Invalid, api.ReasonUnknownField, "completion.sessions[0].start_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0].StartTime.ProtoReflect().SetUnknown(unknownField)
		}},
		{"unknown field in end", api.Invalid, api.ReasonUnknownField, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0].EndTime.ProtoReflect().SetUnknown(unknownField)
		}},
		{"unknown field in attendance", api.Invalid, api.ReasonUnknownField, "completion.attendance", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Attendance = &statementv1.Attendance{Held: 1}
			c.Attendance.ProtoReflect().SetUnknown(unknownField)
		}},
		{"unknown field in void", api.Invalid, api.ReasonUnknownField, "completion_void", func(s *statementv1.Statement, _ *statementv1.Completion) {
			v := &statementv1.CompletionVoid{StatementId: s.Id, Reason: 1}
			v.ProtoReflect().SetUnknown(unknownField)
			s.Assertion = &statementv1.Statement_CompletionVoid{CompletionVoid: v}
		}},
		{"void of no id", api.Invalid, api.ReasonStatementID, "completion_void.statement_id", func(s *statementv1.Statement, _ *statementv1.Completion) {
			s.Assertion = &statementv1.Statement_CompletionVoid{CompletionVoid: &statementv1.CompletionVoid{Reason: 1}}
		}},
		{"void for no reason", api.Invalid, api.ReasonUnknownEnum, "completion_void.reason", func(s *statementv1.Statement, _ *statementv1.Completion) {
			s.Assertion = &statementv1.Statement_CompletionVoid{CompletionVoid: &statementv1.CompletionVoid{StatementId: s.Id}}
		}},
		{"void of itself", api.NotFound, api.ReasonUnknownStatement, "completion_void.statement_id", func(s *statementv1.Statement, _ *statementv1.Completion) {
			s.Assertion = &statementv1.Statement_CompletionVoid{CompletionVoid: &statementv1.CompletionVoid{StatementId: s.Id, Reason: 1}}
		}},
		{"luhn", api.Invalid, api.ReasonAccountNumber, "completion.account_number", func(_ *statementv1.Statement, c *statementv1.Completion) {
			last := c.AccountNumber[15]
			c.AccountNumber = c.AccountNumber[:15] + string('0'+(last-'0'+1)%10)
		}},
		{"spaced account number", api.Invalid, api.ReasonAccountNumber, "completion.account_number", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.AccountNumber = c.AccountNumber[:4] + " " + c.AccountNumber[4:]
		}},
		{"no account number", api.Invalid, api.ReasonAccountNumber, "completion.account_number", func(_ *statementv1.Statement, c *statementv1.Completion) { c.AccountNumber = "" }},
		{"unknown account", api.NotFound, api.ReasonUnknownAccount, "completion.account_number", func(_ *statementv1.Statement, c *statementv1.Completion) { c.AccountNumber = string(nobody(t)) }},
		{"unknown provider", api.NotFound, api.ReasonUnknownCourse, "completion.course", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Provider = "nobody" }},
		{"provider of spaces", api.Invalid, api.ReasonUnknownCourse, "completion.provider", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Provider = "no body" }},
		{"unknown course", api.NotFound, api.ReasonUnknownCourse, "completion.course", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Course = "nothing" }},
		{"no course", api.Invalid, api.ReasonUnknownCourse, "completion.course", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Course = "" }},
		{"unknown version", api.NotFound, api.ReasonUnknownCourse, "completion.course", func(_ *statementv1.Statement, c *statementv1.Completion) { c.CourseVersion = "2" }},
		{"no version", api.Invalid, api.ReasonUnknownCourse, "completion.course_version", func(_ *statementv1.Statement, c *statementv1.Completion) { c.CourseVersion = "" }},
		{"proposed course", api.Precondition, api.ReasonCourseNotAccredited, "completion.course", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Course = apitest.Proposed }},
		{"before all policies", api.Precondition, api.ReasonNoPolicy, "completion.sessions", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions = []*statementv1.Session{apitest.Session(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), 60)}
		}},
		{"no mode", api.Invalid, api.ReasonUnknownEnum, "completion.mode", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Mode = 0 }},
		{"unknown mode", api.Invalid, api.ReasonUnknownEnum, "completion.mode", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Mode = 77 }},
		{"no session", api.Invalid, api.ReasonSessions, "completion.sessions", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions = nil }},
		{"65 sessions", api.Invalid, api.ReasonSessions, "completion.sessions", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions = nil
			for i := range 65 {
				c.Sessions = append(c.Sessions, apitest.Session(b.Clock.Now().Add(-time.Duration(100-i)*time.Hour), 30))
			}
		}},
		{"sessions overlap", api.Invalid, api.ReasonSessions, "completion.sessions[1].start_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions = append(c.Sessions, proto.CloneOf(c.Sessions[0]))
		}},
		{"no begin", api.Invalid, api.ReasonTime, "completion.sessions[0].start_time", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].StartTime = nil }},
		{"no end", api.Invalid, api.ReasonTime, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].EndTime = nil }},
		{"nanoseconds", api.Invalid, api.ReasonTime, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].EndTime.Nanos = 1 }},
		{"impossible time", api.Invalid, api.ReasonTime, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].EndTime.Seconds = 1 << 60 }},
		{"before 1950", api.Invalid, api.ReasonTime, "completion.sessions[0].start_time", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].StartTime.Seconds = -1 << 31 }},
		{"ends before it begins", api.Invalid, api.ReasonTime, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0].EndTime = c.Sessions[0].StartTime
		}},
		{"longer than a day", api.Invalid, api.ReasonTime, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0].StartTime.Seconds = c.Sessions[0].EndTime.Seconds - 86_401
		}},
		{"six minutes in the future", api.Invalid, api.ReasonFuture, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0] = apitest.Session(b.Clock.Now().Add(-84*time.Minute), 90)
		}},
		{"a second too far in the future", api.Invalid, api.ReasonFuture, "completion.sessions[0].end_time", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Sessions[0].EndTime = timestamppb.New(b.Clock.Now().Add(5*time.Minute + time.Second))
			c.Sessions[0].StartTime = timestamppb.New(b.Clock.Now().Add(-90 * time.Minute))
		}},
		{"negative minutes", api.Invalid, api.ReasonMinutes, "completion.sessions[0].minutes", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].Minutes = -90 }},
		{"no minutes", api.Invalid, api.ReasonMinutes, "completion.sessions[0].minutes", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].Minutes = 0 }},
		{"more minutes than time", api.Invalid, api.ReasonMinutes, "completion.sessions[0].minutes", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].Minutes = 91 }},
		{"absurd minutes", api.Invalid, api.ReasonMinutes, "completion.sessions[0].minutes", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Sessions[0].Minutes = 1 << 62 }},
		{"absurd achievement", api.Invalid, api.ReasonMinutes, "completion.sessions[0].minutes", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Mode, c.Sessions[0].Minutes = statementv1.Mode_MODE_ACHIEVEMENT, 100_001
		}},
		{"nothing held", api.Invalid, api.ReasonAttendance, "completion.attendance.held", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Attendance = &statementv1.Attendance{} }},
		{"more attended than held", api.Invalid, api.ReasonAttendance, "completion.attendance.attended", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Attendance = &statementv1.Attendance{Held: 5, Attended: 6}
		}},
		{"late beyond held", api.Invalid, api.ReasonAttendance, "completion.attendance.late", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Attendance = &statementv1.Attendance{Held: 5, Attended: 4, Late: 2}
		}},
		{"late overflows", api.Invalid, api.ReasonAttendance, "completion.attendance.late", func(_ *statementv1.Statement, c *statementv1.Completion) {
			c.Attendance = &statementv1.Attendance{Held: 5, Attended: 4, Late: 1<<31 - 1}
		}},
		{"score of 101", api.Invalid, api.ReasonScore, "completion.score", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Score = proto.Int32(101) }},
		{"score below zero", api.Invalid, api.ReasonScore, "completion.score", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Score = proto.Int32(-1) }},
		{"site of spaces", api.Invalid, api.ReasonSite, "completion.site", func(_ *statementv1.Statement, c *statementv1.Completion) { c.Site = "no. 3" }},
		{"16 KiB and more", api.Invalid, api.ReasonStatementSize, "", func(s *statementv1.Statement, _ *statementv1.Completion) {
			s.Salt = make([]byte, 16<<10)
		}},
	}
	statements := []*statementv1.Statement{b.Completion(account.Number)}
	for _, c := range cases {
		s := b.Completion(account.Number)
		c.change(s, s.GetCompletion())
		statements = append(statements, s)
	}
	raw := make([][]byte, 0, len(statements)+3)
	for _, s := range statements {
		raw = append(raw, b.Marshal(s))
	}
	raw = append(raw, []byte("\xff\xff\xff"), nil, b.Marshal(b.Completion(account.Number)))
	results := b.postRaw(b.Sign(apitest.Platform, b.SignKey(apitest.Platform), raw...))
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if results[i+1].Status != api.Rejected {
				t.Fatalf("%+v", results[i+1])
			}
			wants(t, results[i+1].Fault, c.kind, c.reason, c.field)
		})
	}
	last := len(results) - 1
	if results[0].Status != api.Recorded || results[last].Status != api.Recorded {
		t.Errorf("the rest of the batch: %+v, %+v", results[0].Fault, results[last].Fault)
	}
	wants(t, results[last-2].Fault, api.Invalid, api.ReasonStatementMalformed, "")
	wants(t, results[last-1].Fault, api.Invalid, api.ReasonStatementID, "id")
	b.has(account, 180, 200, 0, 0)

	// The journal has them all, newest first, and may be paged.
	var journal []api.Reject
	for page := (api.Page{Size: 10}); ; {
		list, next, err := b.ListRejects(ctx(), b.Platform(apitest.Platform), "", page)
		must(t, err)
		journal = append(journal, list...)
		if page.Token = next; next == "" {
			break
		}
	}
	if len(journal) != len(results)-2 {
		t.Fatalf("%d rejects in the journal, not %d", len(journal), len(results)-2)
	}
	for i, r := range journal {
		result := results[last-1-i]
		if r.Reason != result.Fault.Reason || r.Field != result.Fault.Field || r.Message != result.Fault.Message || !r.Time.Equal(b.Clock.Now()) {
			t.Errorf("reject %d: %+v, not %v", i, r, result.Fault)
		}
	}
	// A reject may be posted again when it was mended.
	mended := b.Completion(account.Number)
	mended.Id = statements[len(cases)-5].GetId()
	b.one(mended)
	b.Clock.Advance(91 * 24 * time.Hour)
	if list, _, err := b.ListRejects(ctx(), b.Platform(apitest.Platform), "", api.Page{}); err != nil || len(list) != 0 {
		t.Errorf("after 90 days %d rejects are listed, %v", len(list), err)
	}
}

// Rejects alone are seen, without waiting for somebody to write an entry.
func TestRejectsAlone(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	size := b.size()
	r := b.post(apitest.Platform, b.Completion(nobody(t)))[0]
	wants(t, r.Fault, api.NotFound, api.ReasonUnknownAccount, "completion.account_number")
	list, _, err := b.ListRejects(ctx(), b.Platform(apitest.Platform), "", api.Page{})
	if must(t, err); len(list) != 1 || list[0].Reason != api.ReasonUnknownAccount || b.size() != size {
		t.Errorf("rejects %+v, %d new entries", list, b.size()-size)
	}
	// An officer of the subtree sees them too, another one does not.
	if list, _, err := b.ListRejects(ctx(), b.Officer(apitest.Officer), apitest.Platform, api.Page{}); err != nil || len(list) != 1 {
		t.Errorf("officer: %+v, %v", list, err)
	}
	_, _, err = b.ListRejects(ctx(), b.Officer(apitest.StreetOfficer), apitest.Platform, api.Page{})
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, _, err = b.ListRejects(ctx(), b.Platform(apitest.OtherPlatform), apitest.Platform, api.Page{})
	wants(t, err, api.Denied, api.ReasonDenied, "")
}

// What is within the limits is taken.
func TestLimitsAreInclusive(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	ahead := b.Completion(account.Number)
	ahead.GetCompletion().Sessions[0] = apitest.Session(b.Clock.Now().Add(-85*time.Minute), 90) // ends in 5 minutes
	many := b.Completion(account.Number)
	many.GetCompletion().Sessions = nil
	for i := range 64 {
		many.GetCompletion().Sessions = append(many.GetCompletion().Sessions, apitest.Session(b.Clock.Now().Add(-time.Duration(1000-i)*time.Hour), 1))
	}
	long := b.Completion(account.Number)
	long.GetCompletion().Sessions[0] = apitest.Session(b.Clock.Now().Add(-2000*time.Hour), 1440)
	v4 := b.Completion(account.Number)
	id := uuid.New()
	v4.Id = id[:]
	degree := b.Completion(account.Number)
	degree.GetCompletion().Mode = statementv1.Mode_MODE_ACHIEVEMENT
	degree.GetCompletion().Sessions[0].Minutes = 0
	b.Record(ahead, many, long, v4, degree)
	var thousand []*statementv1.Statement
	for range 1000 {
		thousand = append(thousand, b.Completion(account.Number))
	}
	b.Record(thousand...)
}

// A submission as a whole is refused before anything of it is looked at.
func TestSubmissionsRefused(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	platform, sign := b.Platform(apitest.Platform), b.SignKey(apitest.Platform)
	one, two := b.Marshal(b.Completion(account.Number)), b.Marshal(b.Completion(account.Number))
	good := b.Sign(apitest.Platform, sign, one, two)
	revokedKey, expiredKey := b.AddedKey(apitest.Platform, keyring.Sign), b.NewKey()
	later := b.NewKey()
	_, _, err := b.RevokeKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), api.Revocation{Key: revokedKey.Public().ID()})
	must(t, err)
	for key, validity := range map[*keyring.PrivateKey][2]time.Duration{expiredKey: {-time.Hour, -time.Minute}, later: {time.Minute, time.Hour}} {
		k := b.KeyRequest(key, apitest.Platform, keyring.Sign)
		k.ValidFrom, k.ValidUntil = b.Clock.Now().Add(validity[0]).UnixMicro(), b.Clock.Now().Add(validity[1]).UnixMicro()
		_, _, err := b.AddKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), k)
		must(t, err)
	}
	size := b.size()
	change := func(f func(s *api.Submission)) api.Submission {
		s := good
		f(&s)
		return s
	}
	tooMany := make([][]byte, 1001)
	for i := range tooMany {
		tooMany[i] = one
	}
	for name, c := range map[string]struct {
		submission api.Submission
		kind       api.Kind
		reason     api.Reason
		field      string
	}{
		"no statement":      {change(func(s *api.Submission) { s.Statements = nil }), api.Invalid, api.ReasonSubmissionSize, "statements"},
		"1001 statements":   {b.Sign(apitest.Platform, sign, tooMany...), api.Invalid, api.ReasonSubmissionSize, "statements"},
		"no signature":      {change(func(s *api.Submission) { s.Signature = nil }), api.Unauthenticated, api.ReasonWrongSignature, "signature"},
		"a bit flipped":     {change(func(s *api.Submission) { s.Signature = append([]byte{s.Signature[0] ^ 1}, s.Signature[1:]...) }), api.Unauthenticated, api.ReasonWrongSignature, "signature"},
		"swapped order":     {change(func(s *api.Submission) { s.Statements = [][]byte{two, one} }), api.Unauthenticated, api.ReasonWrongSignature, "signature"},
		"one left out":      {change(func(s *api.Submission) { s.Statements = [][]byte{one} }), api.Unauthenticated, api.ReasonWrongSignature, "signature"},
		"one repeated":      {change(func(s *api.Submission) { s.Statements = [][]byte{one, two, two} }), api.Unauthenticated, api.ReasonWrongSignature, "signature"},
		"another key's id":  {change(func(s *api.Submission) { s.KeyID = b.SignKey(apitest.OtherPlatform).Public().ID().String() }), api.Denied, api.ReasonKeyOrganization, "key_id"},
		"malformed key id":  {change(func(s *api.Submission) { s.KeyID = "xyz" }), api.Invalid, api.ReasonUnknownKey, "key_id"},
		"unknown key":       {b.Sign(apitest.Platform, b.NewKey(), one), api.Unauthenticated, api.ReasonUnknownKey, "key_id"},
		"authenticate key":  {b.Sign(apitest.Platform, b.AuthKey(apitest.Platform), one), api.Denied, api.ReasonKeyPurpose, "key_id"},
		"revoked key":       {b.Sign(apitest.Platform, revokedKey, one), api.Denied, api.ReasonKeyRevoked, "key_id"},
		"expired key":       {b.Sign(apitest.Platform, expiredKey, one), api.Denied, api.ReasonKeyExpired, "key_id"},
		"key of tomorrow":   {b.Sign(apitest.Platform, later, one), api.Denied, api.ReasonKeyNotYetValid, "key_id"},
		"another's name":    {b.Sign(apitest.OtherPlatform, b.SignKey(apitest.OtherPlatform), one), api.Denied, api.ReasonDenied, ""},
		"nobody's name":     {b.Sign("nobody", sign, one), api.Denied, api.ReasonDenied, ""},
		"another bank's id": {change(func(s *api.Submission) { s.BankID = "another.bank" }), api.Invalid, api.ReasonWrongBank, "bank_id"},
		"order against root": {change(func(s *api.Submission) {
			root := merkle.RootOf([]merkle.Hash{merkle.LeafHash(s.Statements[0]), merkle.LeafHash(s.Statements[1])})
			s.Statements, s.Root = [][]byte{two, one}, root[:]
		}), api.Invalid, api.ReasonRootMismatch, "root"},
		"another bank's text": {b.signFor("another.bank", one), api.Unauthenticated, api.ReasonWrongSignature, "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			results, _, err := b.RecordCompletions(ctx(), platform, c.submission, false)
			if wants(t, err, c.kind, c.reason, c.field); results != nil {
				t.Errorf("results %+v", results)
			}
		})
	}
	if b.size() != size {
		t.Errorf("%d entries were written", b.size()-size)
	}
	if list, _, err := b.ListRejects(ctx(), platform, "", api.Page{}); err != nil || len(list) != 0 {
		t.Errorf("rejects %+v, %v", list, err)
	}
}

// signFor signs a submission of one for a bank.
func (b *bank) signFor(bankID string, statement []byte) api.Submission {
	b.t.Helper()
	s := b.Sign(apitest.Platform, b.SignKey(apitest.Platform), statement)
	key := b.SignKey(apitest.Platform)
	signature, err := key.Sign(keyring.SubmissionText(bankID, apitest.Platform, key.Public().ID(), 1, merkle.LeafHash(statement)))
	must(b.t, err)
	s.Signature = signature
	return s
}

// ECDSA keys sign as well as Ed25519 ones.
func TestECDSA(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	key, err := keyring.Generate(keyring.ECDSAP256SHA256, zeros{})
	must(t, err)
	_, _, err = b.AddKey(ctx(), b.Officer(apitest.Administrator), b.RequestID(), b.KeyRequest(key, apitest.Platform, keyring.Sign))
	must(t, err)
	if r := b.postRaw(b.Sign(apitest.Platform, key, b.Marshal(b.Completion(account.Number))))[0]; r.Status != api.Recorded {
		t.Errorf("%+v", r.Fault)
	}
}

// zeros is no random source: tests need none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

// Only platforms record.
func TestWhoRecords(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	s := b.Submission(apitest.Platform, b.Completion(account.Number))
	_, _, err := b.RecordCompletions(ctx(), b.As(""), s, false)
	wants(t, err, api.Unauthenticated, api.ReasonUnauthenticated, "")
	_, _, err = b.RecordCompletions(ctx(), b.Officer(apitest.Administrator), s, false)
	wants(t, err, api.Denied, api.ReasonDenied, "")
	_, _, err = b.RecordCompletions(ctx(), b.Resident(account.ID), s, false)
	wants(t, err, api.Denied, api.ReasonDenied, "")
}

// Decoders keep the last of two assertions, and merge two of a kind: nobody is to sign what means one thing here and another there.
func TestAssertionsRepeated(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	account := b.Open()
	recorded := b.Completion(account.Number)
	b.one(recorded)
	completion, void := b.Marshal(b.Completion(account.Number)), b.Void(recorded.GetId())
	id := bytes.Clone(void.GetId())
	only := func(s *statementv1.Statement) []byte { s.Id, s.Salt = nil, nil; return b.Marshal(s) }
	assertion := only(void)
	head := b.Marshal(&statementv1.Statement{Id: id, Salt: make([]byte, 16)})
	again := only(b.Completion(account.Number))
	results := b.postRaw(b.Sign(apitest.Platform, b.SignKey(apitest.Platform),
		slices.Concat(completion, assertion), slices.Concat(head, assertion, again), slices.Concat(completion, again)))
	for i, r := range results {
		if r.Status != api.Rejected {
			t.Fatalf("%d: %+v", i, r)
		}
		wants(t, r.Fault, api.Invalid, api.ReasonAssertions, "assertion")
	}
}
