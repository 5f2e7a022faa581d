package rpc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func TestRecordCompletions(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account, ctx := s.Open(), t.Context()
	client := creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform))
	completion := s.Completion(account.Number)
	submission := s.Submission(apitest.Platform, completion)

	basic := ok[*creditbankv1.RecordCompletionsResponse](t)(client.RecordCompletions(ctx, postProto(submission, creditbankv1.View_VIEW_BASIC)))
	r := basic.GetResults()[0]
	if len(basic.GetResults()) != 1 || r.GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED {
		t.Fatalf("results %v", basic.GetResults())
	}
	// 90 minutes of 720 a credit make 0.125; a tenth is given, the rest is carried.
	a := r.GetAssessment()
	if a.GetOutcome() != ledgerv1.Outcome_OUTCOME_AWARDED || a.GetMinutes() != 90 || a.GetAvailableMilliCredits() != 100 ||
		a.GetCategory() != "arts" || len(a.GetPolicyHash()) != 64 || len(a.GetReasons()) != 0 {
		t.Errorf("assessment %v", a)
	}
	checkpoint, err := merkle.OpenCheckpoint([]byte(basic.GetCheckpoint()), apitest.Origin, s.Verifier)
	if err != nil || checkpoint.Size <= r.GetEntryIndex() {
		t.Errorf("checkpoint %+v of entry %d: %v", checkpoint, r.GetEntryIndex(), err)
	}

	// Posting it again changes nothing; in the full view there are the reasons, in both languages.
	again := ok[*creditbankv1.RecordCompletionsResponse](t)(client.RecordCompletions(ctx, postProto(submission, creditbankv1.View_VIEW_FULL)))
	replayed := again.GetResults()[0]
	if replayed.GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED || replayed.GetEntryIndex() != r.GetEntryIndex() {
		t.Errorf("again %v", replayed)
	}
	reasons := replayed.GetAssessment().GetReasons()
	if len(reasons) == 0 {
		t.Fatal("no reasons")
	}
	for _, reason := range reasons {
		if reason.GetStage() == 0 || reason.GetRule() == "" || reason.GetWords().GetZh() == "" || reason.GetWords().GetEn() == "" {
			t.Errorf("reason %v", reason)
		}
	}
	if last := reasons[len(reasons)-1]; last.GetAfter() != 100 || last.GetCarried() != 18 {
		t.Errorf("the last reason is %v", last)
	}

	// It can be read again, by the platform that posted it, and taken back.
	id := uuid.UUID(completion.GetId()).String()
	got := ok[*creditbankv1.GetCompletionResponse](t)(client.GetCompletion(ctx, &creditbankv1.GetCompletionRequest{StatementId: id, View: creditbankv1.View_VIEW_FULL}))
	if c := got.GetCompletion(); c.GetStatementId() != id || c.GetEntryIndex() != r.GetEntryIndex() || c.Case != nil ||
		!c.GetRecordTime().AsTime().Equal(s.Clock.Now()) || len(c.GetAssessment().GetReasons()) != len(reasons) {
		t.Errorf("completion %v", c)
	}
	other := creditbankv1.NewCompletionServiceClient(s.platform(apitest.OtherPlatform))
	_, err = other.GetCompletion(ctx, &creditbankv1.GetCompletionRequest{StatementId: id})
	refused(t, err, codes.NotFound, api.ReasonUnknownStatement, "statement_id")
	void := s.Submission(apitest.Platform, s.Void(completion.GetId()))
	taken := ok[*creditbankv1.RecordCompletionsResponse](t)(client.RecordCompletions(ctx, postProto(void, 0)))
	if v := taken.GetResults()[0]; v.GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED || v.GetAssessment() != nil {
		t.Errorf("void %v", v)
	}
	list := ok[*creditbankv1.ListCompletionsResponse](t)(client.ListCompletions(ctx, &creditbankv1.ListCompletionsRequest{}))
	if len(list.GetCompletions()) != 1 || list.GetCompletions()[0].GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_VOIDED {
		t.Errorf("list %v", list)
	}
	since := ok[*creditbankv1.ListCompletionsResponse](t)(client.ListCompletions(ctx, &creditbankv1.ListCompletionsRequest{
		ChangedSinceIndex: list.GetNextChangedSinceIndex(),
	}))
	if len(since.GetCompletions()) != 0 || since.GetNextChangedSinceIndex() != list.GetNextChangedSinceIndex() {
		t.Errorf("afterwards %v", since)
	}
}

// One bad statement never sinks the others: each is refused for its own reason, at its own field.
func TestStatementRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	completion := func(change func(c *statementv1.Completion)) []byte {
		statement := s.Completion(account.Number)
		change(statement.GetCompletion())
		return s.Marshal(statement)
	}
	statement := func(change func(s *statementv1.Statement)) []byte {
		m := s.Completion(account.Number)
		change(m)
		return s.Marshal(m)
	}
	used := s.Completion(account.Number)
	s.Record(used)
	now := s.Clock.Now()
	cases := []struct {
		name   string
		bytes  []byte
		code   codes.Code
		reason api.Reason
		field  string
	}{
		{"no protobuf", []byte{0xff}, codes.InvalidArgument, api.ReasonStatementMalformed, ""},
		{"too large", make([]byte, api.MaxStatementBytes+1), codes.InvalidArgument, api.ReasonStatementSize, ""},
		{"no id", statement(func(m *statementv1.Statement) { m.Id = nil }), codes.InvalidArgument, api.ReasonStatementID, "id"},
		{"id of 15 bytes", statement(func(m *statementv1.Statement) { m.Id = m.GetId()[:15] }), codes.InvalidArgument, api.ReasonStatementID, "id"},
		{"id used", statement(func(m *statementv1.Statement) { m.Id = used.GetId() }), codes.AlreadyExists, api.ReasonStatementConflict, "id"},
		{"no salt", statement(func(m *statementv1.Statement) { m.Salt = nil }), codes.InvalidArgument, api.ReasonSalt, "salt"},
		{"nothing asserted", statement(func(m *statementv1.Statement) { m.Assertion = nil }), codes.InvalidArgument, api.ReasonNoAssertion, "assertion"},
		{"unknown field", statement(func(m *statementv1.Statement) { with(m, 9) }), codes.InvalidArgument, api.ReasonUnknownField, ""},
		{
			"unknown field further in", completion(func(c *statementv1.Completion) { with(c.GetSessions()[0], 9) }),
			codes.InvalidArgument, api.ReasonUnknownField, "completion.sessions[0]",
		},
		{"unknown enum", completion(func(c *statementv1.Completion) { c.Mode = 42 }), codes.InvalidArgument, api.ReasonUnknownEnum, "completion.mode"},
		{
			"Luhn", completion(func(c *statementv1.Completion) { c.AccountNumber = "1000000000000000" }),
			codes.InvalidArgument, api.ReasonAccountNumber, "completion.account_number",
		},
		{
			"unknown account", completion(func(c *statementv1.Completion) { c.AccountNumber = "1000000000000008" }),
			codes.NotFound, api.ReasonUnknownAccount, "completion.account_number",
		},
		{
			"unknown course", completion(func(c *statementv1.Completion) { c.Course = "alchemy" }),
			codes.NotFound, api.ReasonUnknownCourse, "completion.course",
		},
		{
			"course not accredited", completion(func(c *statementv1.Completion) { c.Course = apitest.Proposed }),
			codes.FailedPrecondition, api.ReasonCourseNotAccredited, "completion.course",
		},
		{
			"future", completion(func(c *statementv1.Completion) {
				c.Sessions = []*statementv1.Session{apitest.Session(now.Add(-time.Hour), 90)}
			}),
			codes.InvalidArgument, api.ReasonFuture, "completion.sessions[0].end_time",
		},
		{
			"negative minutes", completion(func(c *statementv1.Completion) { c.Sessions[0].Minutes = -1 }),
			codes.InvalidArgument, api.ReasonMinutes, "completion.sessions[0].minutes",
		},
		{
			"absurd minutes", completion(func(c *statementv1.Completion) { c.Sessions[0].Minutes = 91 }),
			codes.InvalidArgument, api.ReasonMinutes, "completion.sessions[0].minutes",
		},
		{
			"no time", completion(func(c *statementv1.Completion) { c.Sessions[0].StartTime = nil }),
			codes.InvalidArgument, api.ReasonTime, "completion.sessions[0].start_time",
		},
		{
			"before any policy", completion(func(c *statementv1.Completion) {
				c.Sessions[0].StartTime = timestamppb.New(now.AddDate(-10, 0, 0))
				c.Sessions[0].EndTime = timestamppb.New(now.AddDate(-10, 0, 0).Add(90 * time.Minute))
			}),
			codes.FailedPrecondition, api.ReasonNoPolicy, "completion.sessions",
		},
		{"score", completion(func(c *statementv1.Completion) { c.Score = proto.Int32(101) }), codes.InvalidArgument, api.ReasonScore, "completion.score"},
		{"site", completion(func(c *statementv1.Completion) { c.Site = "a b" }), codes.InvalidArgument, api.ReasonSite, "completion.site"},
		{
			"attendance", completion(func(c *statementv1.Completion) { c.Attendance = &statementv1.Attendance{Held: 1, Attended: 2} }),
			codes.InvalidArgument, api.ReasonAttendance, "completion.attendance.attended",
		},
		{
			"void of nothing", s.Marshal(s.Void(make16(7))),
			codes.NotFound, api.ReasonUnknownStatement, "completion_void.statement_id",
		},
	}
	raw := [][]byte{s.Marshal(s.Completion(account.Number))}
	for _, c := range cases {
		raw = append(raw, c.bytes)
	}
	client := creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform))
	submission := s.Sign(apitest.Platform, s.SignKey(apitest.Platform), raw...)
	answer := ok[*creditbankv1.RecordCompletionsResponse](t)(client.RecordCompletions(t.Context(), postProto(submission, 0)))
	if good := answer.GetResults()[0]; good.GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED {
		t.Errorf("the good one: %v", good)
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := answer.GetResults()[i+1]
			if r.GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED || r.GetAssessment() != nil || r.GetEntryIndex() != 0 {
				t.Errorf("result %v", r)
			}
			refusedStatus(t, status.FromProto(r.GetError()), c.code, c.reason, c.field)
		})
	}

	// The journal has the same, newest first, for the platform and for an officer.
	for name, list := range map[string]func() (*creditbankv1.ListRejectsResponse, error){
		"platform": func() (*creditbankv1.ListRejectsResponse, error) {
			return client.ListRejects(t.Context(), &creditbankv1.ListRejectsRequest{})
		},
		"officer": func() (*creditbankv1.ListRejectsResponse, error) {
			request := &creditbankv1.ListRejectsRequest{Organization: apitest.Platform}
			return creditbankv1.NewCompletionServiceClient(s.officer(apitest.Officer)).ListRejects(t.Context(), request)
		},
	} {
		rejects := ok[*creditbankv1.ListRejectsResponse](t)(list()).GetRejects()
		if len(rejects) != len(cases) {
			t.Fatalf("%s: %d rejects of %d", name, len(rejects), len(cases))
		}
		for i, r := range rejects {
			c := cases[len(cases)-1-i]
			hash := merkle.LeafHash(c.bytes)
			if r.GetReason() != string(c.reason) || r.GetField() != c.field || r.GetMessage() == "" || string(r.GetStatementHash()) != string(hash[:]) ||
				!r.GetRejectTime().AsTime().Equal(now) {
				t.Errorf("%s: %s: %v", name, c.name, r)
			}
			if noID := c.reason == api.ReasonStatementMalformed || c.reason == api.ReasonStatementSize || c.reason == api.ReasonStatementID; noID != (r.GetStatementId() == "") {
				t.Errorf("%s: %s: statement id %q", name, c.name, r.GetStatementId())
			}
		}
	}
}

func make16(b byte) []byte { return append(make([]byte, 8, 16), 0x80, b, 0, 0, 0, 0, 0, 0) }

// What is wrong with the submission as a whole refuses all of it.
func TestSubmissionRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	good := func() *creditbankv1.RecordCompletionsRequest {
		return postProto(s.Submission(apitest.Platform, s.Completion(account.Number), s.Completion(account.Number)), 0)
	}
	platform, other := s.platform(apitest.Platform), s.platform(apitest.OtherPlatform)
	before := ok[*creditbankv1.GetCheckpointResponse](t)(creditbankv1.NewLedgerServiceClient(platform).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{}))
	for name, c := range map[string]struct {
		change func(r *creditbankv1.RecordCompletionsRequest)
		code   codes.Code
		reason api.Reason
		field  string
	}{
		"signature": {func(r *creditbankv1.RecordCompletionsRequest) { r.Signature[0] ^= 1 }, codes.Unauthenticated, api.ReasonWrongSignature, "signature"},
		"no signature": {
			func(r *creditbankv1.RecordCompletionsRequest) { r.Signature = nil },
			codes.Unauthenticated, api.ReasonWrongSignature, "signature",
		},
		"root: another order": {
			func(r *creditbankv1.RecordCompletionsRequest) {
				r.Statements[0], r.Statements[1] = r.GetStatements()[1], r.GetStatements()[0]
			},
			codes.Unauthenticated, api.ReasonWrongSignature, "signature",
		},
		"root: one left out": {
			func(r *creditbankv1.RecordCompletionsRequest) { r.Statements = r.GetStatements()[:1] },
			codes.Unauthenticated, api.ReasonWrongSignature, "signature",
		},
		"another bank": {
			func(r *creditbankv1.RecordCompletionsRequest) {
				leaves := make([]merkle.Hash, len(r.GetStatements()))
				for i, statement := range r.GetStatements() {
					leaves[i] = merkle.LeafHash(statement)
				}
				key := s.SignKey(apitest.Platform)
				text := keyring.SubmissionText("another.test", apitest.Platform, key.Public().ID(), len(leaves), merkle.RootOf(leaves))
				r.Signature = ok[[]byte](t)(key.Sign(text))
			},
			codes.Unauthenticated, api.ReasonWrongSignature, "signature",
		},
		"unknown key": {
			func(r *creditbankv1.RecordCompletionsRequest) { r.KeyId = strings.Repeat("ab", 32) },
			codes.Unauthenticated, api.ReasonUnknownKey, "key_id",
		},
		"malformed key id": {
			func(r *creditbankv1.RecordCompletionsRequest) { r.KeyId = "my-key" },
			codes.InvalidArgument, api.ReasonUnknownKey, "key_id",
		},
		"key of the wrong purpose": {
			func(r *creditbankv1.RecordCompletionsRequest) {
				proto.Merge(r, postProto(s.Sign(apitest.Platform, s.AuthKey(apitest.Platform)), 0))
			},
			codes.PermissionDenied, api.ReasonKeyPurpose, "key_id",
		},
		"key of another": {
			func(r *creditbankv1.RecordCompletionsRequest) {
				r.KeyId = s.SignKey(apitest.OtherPlatform).Public().ID().String()
			},
			codes.PermissionDenied, api.ReasonKeyOrganization, "key_id",
		},
		"another organization": {
			func(r *creditbankv1.RecordCompletionsRequest) { r.Organization = apitest.OtherPlatform },
			codes.PermissionDenied, api.ReasonDenied, "",
		},
	} {
		request := good()
		c.change(request)
		_, err := creditbankv1.NewCompletionServiceClient(platform).RecordCompletions(t.Context(), request)
		t.Log(name)
		refused(t, err, c.code, c.reason, c.field)
	}
	_, err := creditbankv1.NewCompletionServiceClient(other).RecordCompletions(t.Context(), good())
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	_, err = creditbankv1.NewCompletionServiceClient(s.nobody()).RecordCompletions(t.Context(), good())
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	after := ok[*creditbankv1.GetCheckpointResponse](t)(creditbankv1.NewLedgerServiceClient(platform).GetCheckpoint(t.Context(), &creditbankv1.GetCheckpointRequest{}))
	if before.GetCheckpoint() != after.GetCheckpoint() {
		t.Error("something was written")
	}
}

func TestCompletionRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	client := creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform))
	for _, id := range []string{"", "hello", "{0198f3c2-7c1e-7a52-9d0f-3a5b1c2d4e6f}", "0198f3c27c1e7a529d0f3a5b1c2d4e6f"} {
		_, err := client.GetCompletion(t.Context(), &creditbankv1.GetCompletionRequest{StatementId: id})
		refused(t, err, codes.InvalidArgument, api.ReasonStatementID, "statement_id")
	}
	_, err := client.ListCompletions(t.Context(), &creditbankv1.ListCompletionsRequest{PageSize: 1001})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "page_size")
	_, err = client.ListCompletions(t.Context(), &creditbankv1.ListCompletionsRequest{PageSize: -1})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "page_size")
	_, err = client.ListRejects(t.Context(), &creditbankv1.ListRejectsRequest{PageToken: "nonsense"})
	refused(t, err, codes.InvalidArgument, api.ReasonPageToken, "page_token")
	_, err = client.ListRejects(t.Context(), &creditbankv1.ListRejectsRequest{Organization: apitest.OtherPlatform})
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")

	// Pages: of three completions, one at a time.
	account := s.Open()
	s.Record(s.Completion(account.Number))
	s.Record(s.Completion(account.Number))
	s.Record(s.Completion(account.Number))
	request, seen := &creditbankv1.ListCompletionsRequest{PageSize: 1}, map[string]bool{}
	for {
		page := ok[*creditbankv1.ListCompletionsResponse](t)(client.ListCompletions(t.Context(), request))
		for _, c := range page.GetCompletions() {
			seen[c.GetStatementId()] = true
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("pages showed %d completions", len(seen))
	}
}
