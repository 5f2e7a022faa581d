package rpc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

func TestAccountService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBankWith(t, apitest.Options{ResolvePerMinute: 3}))
	ctx := t.Context()
	person := s.Document(500)
	document := &creditbankv1.Document{Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: person.Number}
	registrar := creditbankv1.NewAccountServiceClient(s.officer(apitest.Registrar))
	platform := creditbankv1.NewAccountServiceClient(s.platform(apitest.Platform))

	resolve := &creditbankv1.ResolveAccountRequest{Document: document, Purpose: "posting"}
	_, err := platform.ResolveAccount(ctx, resolve)
	refused(t, err, codes.NotFound, api.ReasonUnknownAccount, "document")

	request := &creditbankv1.OpenAccountRequest{
		RequestId: s.RequestID(), Name: "李明", Document: document, Home: apitest.Beishan, Contact: "0571-00000000", DocumentChecked: true,
	}
	opened := ok[*creditbankv1.OpenAccountResponse](t)(registrar.OpenAccount(ctx, request))
	account := opened.GetAccount()
	if _, err := unit.ParseAccountNumber(account.GetAccountNumber()); err != nil || opened.GetExisted() ||
		account.GetStatus() != ledgerv1.AccountStatus_ACCOUNT_STATUS_VERIFIED || account.GetHome() != apitest.Beishan ||
		!account.GetOpenTime().AsTime().Equal(s.Clock.Now()) {
		t.Errorf("opened %v, %v", opened, err)
	}
	again := ok[*creditbankv1.OpenAccountResponse](t)(registrar.OpenAccount(ctx, request))
	if !proto.Equal(again.GetAccount(), account) {
		t.Errorf("again %v", again)
	}
	if found := ok[*creditbankv1.ResolveAccountResponse](t)(platform.ResolveAccount(ctx, resolve)); found.GetAccountNumber() != account.GetAccountNumber() {
		t.Errorf("resolved %v", found)
	}
	ok[*creditbankv1.ResolveAccountResponse](t)(platform.ResolveAccount(ctx, resolve))
	_, err = platform.ResolveAccount(ctx, resolve)
	refused(t, err, codes.ResourceExhausted, api.ReasonRate, "")

	// The holder sees the number, officers only its ends.
	id := ok[unit.AccountID](t)(unit.ParseAccountID(account.GetAccountId()))
	get := &creditbankv1.GetAccountRequest{AccountId: account.GetAccountId()}
	holder := creditbankv1.NewAccountServiceClient(s.resident(api.Account{ID: id}))
	if own := ok[*creditbankv1.GetAccountResponse](t)(holder.GetAccount(ctx, get)).GetAccount(); !proto.Equal(own, account) {
		t.Errorf("the holder sees %v", own)
	}
	masked := unit.AccountNumber(account.GetAccountNumber()).Masked()
	if seen := ok[*creditbankv1.GetAccountResponse](t)(registrar.GetAccount(ctx, get)).GetAccount(); seen.GetAccountNumber() != masked {
		t.Errorf("the registrar sees %v", seen)
	}
	_, err = platform.GetAccount(ctx, get)
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")

	for name, c := range map[string]struct {
		change func(r *creditbankv1.OpenAccountRequest)
		code   codes.Code
		reason api.Reason
		field  string
	}{
		"no request id": {func(r *creditbankv1.OpenAccountRequest) { r.RequestId = "1" }, codes.InvalidArgument, api.ReasonRequestID, "request_id"},
		"no name":       {func(r *creditbankv1.OpenAccountRequest) { r.Name = "" }, codes.InvalidArgument, api.ReasonField, "name"},
		"long contact": {
			func(r *creditbankv1.OpenAccountRequest) { r.Contact = strings.Repeat("1", 129) },
			codes.InvalidArgument, api.ReasonField, "contact",
		},
		"wrong number": {
			func(r *creditbankv1.OpenAccountRequest) { r.Document.Number = "330106195005150000" },
			codes.InvalidArgument, api.ReasonDocument, "document",
		},
		"unknown home": {
			func(r *creditbankv1.OpenAccountRequest) { r.Home = "nowhere" },
			codes.InvalidArgument, api.ReasonUnknownOrganization, "home",
		},
		"same id, other request": {
			func(r *creditbankv1.OpenAccountRequest) { r.RequestId, r.Home = request.GetRequestId(), apitest.Sandun },
			codes.AlreadyExists, api.ReasonRequestReused, "request_id",
		},
	} {
		changed := proto.CloneOf(request)
		changed.RequestId = s.RequestID()
		c.change(changed)
		_, err := registrar.OpenAccount(ctx, changed)
		t.Log(name)
		refused(t, err, c.code, c.reason, c.field)
	}
	checked := proto.CloneOf(request)
	checked.RequestId = s.RequestID()
	_, err = platform.OpenAccount(ctx, checked)
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
}

func TestPortfolioService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	s.Record(s.Completion(account.Number))
	firstAid := s.Completion(account.Number)
	firstAid.GetCompletion().Course = apitest.FirstAid
	firstAid.GetCompletion().Sessions[0].StartTime.Seconds -= 86400
	firstAid.GetCompletion().Sessions[0].EndTime.Seconds -= 86400
	s.Record(firstAid)

	holder := creditbankv1.NewPortfolioServiceClient(s.resident(account))
	p := ok[*creditbankv1.GetPortfolioResponse](t)(holder.GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{EntryLimit: 1})).GetPortfolio()
	totals := p.GetTotals()
	// Calligraphy 90 of 720 and first aid 90 of 720: a tenth of a credit each.
	if p.GetAccountId() != account.ID.String() || totals.GetMinutes() != 180 || totals.GetIssuedMilliCredits() != 200 ||
		totals.GetAvailableMilliCredits() != 200 || p.GetEntryCount() != 2 || len(p.GetEntries()) != 1 || p.GetLogSize() == 0 {
		t.Errorf("portfolio %v", p)
	}
	// An hour and a half each, times 1.2: everybody here was born in 1950.
	if l := p.GetPoints().GetLapses(); p.GetPoints().GetMilliPoints() != 3600 || len(l) != 1 || l[0].GetLastDate() != "2026-12-31" ||
		l[0].GetMilliPoints() != 3600 || p.GetPoints().GetLapsedMilliPoints() != 0 || p.GetPoints().GetWaitsForVerification() ||
		p.GetEntries()[0].GetAssessment().GetMilliPoints() != 1800 {
		t.Errorf("points %v", p.GetPoints())
	}
	if c := p.GetCategories(); len(c) != 2 || c[0].GetCategory() != "arts" || c[0].GetName().GetZh() != "人文艺术" || c[1].GetTotals().GetMinutes() != 90 {
		t.Errorf("categories %v", c)
	}
	if r := p.GetRequirements(); len(r) != 1 || r[0].GetYear() != 2026 || r[0].GetMinutes() != 180 || r[0].GetRequiredMinutes() != 4050 || r[0].GetMet() ||
		r[0].GetWords().GetEn() == "" {
		t.Errorf("requirements %v", r)
	}

	list := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(holder.ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
		PageSize: 1, View: creditbankv1.View_VIEW_FULL,
	}))
	if e := list.GetEntries(); len(e) != 1 || e[0].GetCourse() != apitest.Calligraphy || e[0].GetCourseTitle() != "书法入门" || e[0].GetProvider() != apitest.Beishan ||
		e[0].GetProviderName() != "北山街道社区学校" || e[0].GetPlatform() != apitest.Platform || e[0].GetEndDate() != "2026-06-14" || len(e[0].GetAssessment().GetReasons()) == 0 {
		t.Errorf("first page %v", list)
	}
	next := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(holder.ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
		PageSize: 1, PageToken: list.GetNextPageToken(), AccountId: account.ID.String(),
	}))
	if e := next.GetEntries(); len(e) != 1 || e[0].GetCourse() != apitest.FirstAid || len(e[0].GetAssessment().GetReasons()) != 0 || next.GetNextPageToken() != "" {
		t.Errorf("second page %v", next)
	}
	none := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(holder.ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{Category: "safety"}))
	if len(none.GetEntries()) != 0 {
		t.Errorf("of another category %v", none)
	}

	// Officers see it where the account is at home, and have to say whose.
	street := creditbankv1.NewPortfolioServiceClient(s.officer(apitest.StreetOfficer))
	ok[*creditbankv1.GetPortfolioResponse](t)(street.GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{AccountId: account.ID.String()}))
	_, err := street.GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "account_id")
	_, err = holder.GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{EntryLimit: 1001})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "entry_limit")
	_, err = creditbankv1.NewPortfolioServiceClient(s.resident(s.Open())).GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{AccountId: account.ID.String()})
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	_, err = creditbankv1.NewPortfolioServiceClient(s.platform(apitest.Platform)).ListPortfolioEntries(ctx, &creditbankv1.ListPortfolioEntriesRequest{
		AccountId: account.ID.String(),
	})
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
}

func TestReviewService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	late := s.Completion(account.Number) // posted more than 90 days after the class
	session := late.GetCompletion().GetSessions()[0]
	session.StartTime.Seconds -= 100 * 86400
	session.EndTime.Seconds -= 100 * 86400
	late.GetCompletion().Score, late.GetCompletion().Passed, late.GetCompletion().Site = proto.Int32(88), new(true), "room:1"
	result := s.Record(late)[0]

	officer := creditbankv1.NewReviewServiceClient(s.officer(apitest.Officer))
	cases := ok[*creditbankv1.ListCasesResponse](t)(officer.ListCases(ctx, &creditbankv1.ListCasesRequest{})).GetCases()
	if len(cases) != 1 {
		t.Fatalf("cases %v", cases)
	}
	c := cases[0]
	if c.GetState() != creditbankv1.CaseState_CASE_STATE_SUBMITTED || c.GetCompletionIndex() != result.Index || c.GetAccountId() != account.ID.String() ||
		c.GetCourse() != apitest.Calligraphy || c.GetMinutes() != 90 || len(c.GetCauses()) != 1 || c.GetCauses()[0] != "posted-late" || c.GetRisk() != 2 || c.DecideTime != nil {
		t.Errorf("case %v", c)
	}
	got := ok[*creditbankv1.GetCaseResponse](t)(officer.GetCase(ctx, &creditbankv1.GetCaseRequest{CaseId: c.GetCaseId()}))
	e := got.GetEvidence()
	if !proto.Equal(got.GetCase(), c) || len(e.GetSessions()) != 1 || e.GetSessions()[0].GetMinutes() != 90 || e.GetScore() != 88 || !e.GetPassed() || e.GetSite() != "room:1" ||
		!e.GetPostTime().AsTime().Equal(s.Clock.Now()) || len(got.GetAssessment().GetReasons()) == 0 {
		t.Errorf("case %v", got)
	}
	if strings.Contains(fmt.Sprint(got), string(account.Number)) {
		t.Error("the evidence shows the account number")
	}

	feed := ok[*creditbankv1.ListCompletionsResponse](t)(creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform)).ListCompletions(ctx,
		&creditbankv1.ListCompletionsRequest{})).GetCompletions()
	if len(feed) != 1 || feed[0].Case == nil || feed[0].GetCase() != c.GetCaseId() || feed[0].GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_IN_REVIEW {
		t.Errorf("feed %v", feed)
	}

	decide := &creditbankv1.DecideCaseRequest{
		RequestId: s.RequestID(), CaseId: c.GetCaseId(), Decision: creditbankv1.Decision_DECISION_APPROVE, ReasonCode: "EVIDENCE_SUFFICIENT", Note: "签到表齐全",
	}
	for name, x := range map[string]struct {
		change func(r *creditbankv1.DecideCaseRequest)
		code   codes.Code
		reason api.Reason
		field  string
	}{
		"no decision":  {func(r *creditbankv1.DecideCaseRequest) { r.Decision = 0 }, codes.InvalidArgument, api.ReasonUnknownEnum, "decision"},
		"no reason":    {func(r *creditbankv1.DecideCaseRequest) { r.ReasonCode = "BECAUSE" }, codes.InvalidArgument, api.ReasonDecisionReason, "reason_code"},
		"OTHER, why?":  {func(r *creditbankv1.DecideCaseRequest) { r.ReasonCode, r.Note = "OTHER", "" }, codes.InvalidArgument, api.ReasonNoteMissing, "note"},
		"no such case": {func(r *creditbankv1.DecideCaseRequest) { r.CaseId = 1 << 40 }, codes.NotFound, api.ReasonNotFound, "case_id"},
	} {
		changed := proto.CloneOf(decide)
		changed.RequestId = s.RequestID()
		x.change(changed)
		_, err := officer.DecideCase(ctx, changed)
		t.Log(name)
		refused(t, err, x.code, x.reason, x.field)
	}
	_, err := creditbankv1.NewReviewServiceClient(s.platform(apitest.Platform)).ListCases(ctx, &creditbankv1.ListCasesRequest{})
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")

	done := ok[*creditbankv1.DecideCaseResponse](t)(officer.DecideCase(ctx, decide))
	if done.GetCase().GetState() != creditbankv1.CaseState_CASE_STATE_APPROVED || done.GetCase().GetDecidedBy() != apitest.Officer || done.GetCase().GetDecideTime() == nil ||
		done.GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_AWARDED || done.GetAssessment().GetAvailableMilliCredits() != 100 || done.GetEntryIndex() <= result.Index {
		t.Errorf("decided %v", done)
	}
	if checkpoint, err := merkle.OpenCheckpoint([]byte(done.GetCheckpoint()), apitest.Origin, s.Verifier); err != nil || checkpoint.Size <= done.GetEntryIndex() {
		t.Errorf("checkpoint %v, %v", checkpoint, err)
	}
	if again := ok[*creditbankv1.DecideCaseResponse](t)(officer.DecideCase(ctx, decide)); again.GetEntryIndex() != done.GetEntryIndex() {
		t.Errorf("again %v", again)
	}
	// Somebody else was faster.
	second := proto.CloneOf(decide)
	second.RequestId, second.Decision, second.ReasonCode = s.RequestID(), creditbankv1.Decision_DECISION_REJECT, "NOT_ATTENDED"
	_, err = creditbankv1.NewReviewServiceClient(s.officer(apitest.SecondOfficer)).DecideCase(ctx, second)
	refused(t, err, codes.Aborted, api.ReasonCaseClosed, "case_id")

	approved := ok[*creditbankv1.ListCasesResponse](t)(officer.ListCases(ctx, &creditbankv1.ListCasesRequest{State: creditbankv1.CaseState_CASE_STATE_APPROVED})).GetCases()
	if open := ok[*creditbankv1.ListCasesResponse](t)(officer.ListCases(ctx, &creditbankv1.ListCasesRequest{})).GetCases(); len(open) != 0 || len(approved) != 1 {
		t.Errorf("open %v, approved %v", open, approved)
	}
	// The resident reads why.
	entries := ok[*creditbankv1.ListPortfolioEntriesResponse](t)(creditbankv1.NewPortfolioServiceClient(s.resident(account)).ListPortfolioEntries(ctx,
		&creditbankv1.ListPortfolioEntriesRequest{View: creditbankv1.View_VIEW_FULL})).GetEntries()
	if len(entries) != 1 || entries[0].GetDecisionReasonCode() != "EVIDENCE_SUFFICIENT" || entries[0].GetDecisionNote() != "签到表齐全" {
		t.Errorf("entries %v", entries)
	}
	steps := entries[0].GetCase().GetSteps()
	for _, words := range []*creditbankv1.Text{entries[0].GetDecisionReasonWords(), steps[len(steps)-1].GetReasonWords()} {
		if words.GetZh() != "材料充分" || words.GetEn() != "The evidence is sufficient" {
			t.Errorf("the reason in words: %v", words)
		}
	}
	// The platform hears of it in its feed.
	feed = ok[*creditbankv1.ListCompletionsResponse](t)(creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform)).ListCompletions(ctx,
		&creditbankv1.ListCompletionsRequest{ChangedSinceIndex: result.Index + 1})).GetCompletions()
	if len(feed) != 1 || feed[0].GetEntryIndex() != result.Index || feed[0].GetChangedIndex() != done.GetEntryIndex() || feed[0].GetAssessment().GetOutcome() != ledgerv1.Outcome_OUTCOME_AWARDED {
		t.Errorf("feed %v", feed)
	}
}

func TestAccreditationService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx := t.Context()
	anyone := creditbankv1.NewAccreditationServiceClient(s.nobody())
	officer := creditbankv1.NewAccreditationServiceClient(s.officer(apitest.Officer))
	second := creditbankv1.NewAccreditationServiceClient(s.officer(apitest.SecondOfficer))

	course := &creditbankv1.Course{
		Provider: apitest.Sandun, Code: "go", Version: "2", Title: "围棋", Category: "arts", Level: 1, NominalMinutes: 450,
		EquivalenceGroup: "go", ValidFrom: "2026-01-01", ValidUntil: "2027-12-31", Capacity: 30,
	}
	proposed := ok[*creditbankv1.ProposeCourseResponse](t)(officer.ProposeCourse(ctx, &creditbankv1.ProposeCourseRequest{RequestId: s.RequestID(), Course: course})).GetCourse()
	want := proto.CloneOf(course)
	want.Status, want.EntryIndex = creditbankv1.CourseStatus_COURSE_STATUS_PROPOSED, proposed.GetEntryIndex()
	want.LevelName = &creditbankv1.Text{Zh: "一级（入门）", En: "Level 1 (entry)"}
	if !proto.Equal(proposed, want) || proposed.GetEntryIndex() == 0 {
		t.Errorf("proposed %v", proposed)
	}
	decide := &creditbankv1.DecideCourseRequest{
		RequestId: s.RequestID(), Provider: apitest.Sandun, Code: "go", Version: "2", Decision: ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED,
	}
	_, err := officer.DecideCourse(ctx, decide)
	refused(t, err, codes.PermissionDenied, api.ReasonFourEyes, "decision")
	decided := ok[*creditbankv1.DecideCourseResponse](t)(second.DecideCourse(ctx, decide)).GetCourse()
	if want.Status = creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED; !proto.Equal(decided, want) {
		t.Errorf("decided %v", decided)
	}
	query := &creditbankv1.QueryAccreditationRequest{
		Subject: &creditbankv1.QueryAccreditationRequest_Course{Course: &creditbankv1.CourseName{Provider: apitest.Sandun, Code: "go"}}, Date: "2026-07-01",
	}
	// 450 minutes of 720 make 0.625 credits; 0.6 are given.
	if a := ok[*creditbankv1.QueryAccreditationResponse](t)(anyone.QueryAccreditation(ctx, query)); !a.GetAccredited() || !proto.Equal(a.GetCourse(), want) ||
		a.GetNominalMilliCredits() != 600 || a.GetPolicyHash() != hex.EncodeToString(s.Policy) || a.GetReasons()[0].GetCode() != "COURSE_ACCREDITED" || a.GetReasons()[0].GetWords().GetZh() == "" {
		t.Errorf("accreditation %v", a)
	}
	retire := proto.CloneOf(decide)
	retire.RequestId, retire.Decision, retire.LastDay = s.RequestID(), ledgerv1.CourseDecision_COURSE_DECISION_RETIRED, "2026-06-30"
	if retired := ok[*creditbankv1.DecideCourseResponse](t)(second.DecideCourse(ctx, retire)).GetCourse(); retired.GetStatus() != creditbankv1.CourseStatus_COURSE_STATUS_RETIRED || retired.GetValidUntil() != "2026-06-30" {
		t.Errorf("retired %v", retired)
	}
	query.GetCourse().Version = "2"
	if a := ok[*creditbankv1.QueryAccreditationResponse](t)(anyone.QueryAccreditation(ctx, query)); a.GetAccredited() || a.GetReasons()[0].GetCode() != "COURSE_RETIRED" {
		t.Errorf("after retiring %v", a)
	}
	provider := &creditbankv1.QueryAccreditationRequest{Subject: &creditbankv1.QueryAccreditationRequest_Provider{Provider: apitest.Beishan}}
	if a := ok[*creditbankv1.QueryAccreditationResponse](t)(anyone.QueryAccreditation(ctx, provider)); !a.GetAccredited() || a.GetAccreditedCourses() != 2 || a.GetCourse() != nil {
		t.Errorf("provider %v", a)
	}
	_, err = anyone.QueryAccreditation(ctx, &creditbankv1.QueryAccreditationRequest{})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "subject")
	_, err = anyone.QueryAccreditation(ctx, &creditbankv1.QueryAccreditationRequest{Subject: provider.GetSubject(), Date: "1.7.2026"})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "date")

	batch := ok[*creditbankv1.BatchQueryAccreditationResponse](t)(anyone.BatchQueryAccreditation(ctx, &creditbankv1.BatchQueryAccreditationRequest{
		Queries: []*creditbankv1.QueryAccreditationRequest{
			query, {}, provider, {Subject: &creditbankv1.QueryAccreditationRequest_Platform{Platform: apitest.Platform}, Date: "2026-07-01"},
		},
	})).GetAnswers()
	for i, status := range []creditbankv1.AccreditationStatus{
		creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ENDED, 0, creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED,
		creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED,
	} {
		if batch[i].GetAnswer().GetStatus() != status || (status == 0) != (batch[i].GetFaultReason() == string(api.ReasonField) && batch[i].GetFaultField() == "subject") {
			t.Errorf("answer %d: %v", i, batch[i])
		}
	}
	calligraphy := &creditbankv1.QueryAccreditationRequest{
		Subject: &creditbankv1.QueryAccreditationRequest_Course{Course: &creditbankv1.CourseName{Provider: apitest.Beishan, Code: apitest.Calligraphy}},
		Mode:    creditbankv1.LearningMode_LEARNING_MODE_ONLINE,
	}
	for _, without := range []bool{false, true} {
		answer := ok[*creditbankv1.BatchQueryAccreditationResponse](t)(anyone.BatchQueryAccreditation(ctx, &creditbankv1.BatchQueryAccreditationRequest{
			Queries: []*creditbankv1.QueryAccreditationRequest{calligraphy}, WithoutWords: without,
		})).GetAnswers()[0].GetAnswer()
		if answer.GetClaim() != nil {
			t.Errorf("of a course nothing is claimed: %v", answer.GetClaim())
		}
		// 720 minutes of 900 on the net make 0.8 credits.
		if e := answer.GetEarning(); e.GetMilliCredits() != 800 || e.GetMinutes() != 720 || e.GetOutcome() != ledgerv1.Outcome_OUTCOME_AWARDED ||
			e.GetMilliPoints() != 12_000 || (len(e.GetReasons()) == 0) != without || (answer.GetReasons()[0].GetWords() == nil) != without {
			t.Errorf("without words %t: %v", without, answer)
		}
	}
	level := int32(1)
	certificate := &creditbankv1.QueryAccreditationRequest{Subject: &creditbankv1.QueryAccreditationRequest_Certificate{Certificate: &creditbankv1.CertificateName{
		Issuer: apitest.Beishan, Name: apitest.Calligraphy, Level: &level, Category: "vocational", Home: apitest.Beishan,
	}}}
	for _, without := range []bool{false, true} {
		answer := ok[*creditbankv1.BatchQueryAccreditationResponse](t)(anyone.BatchQueryAccreditation(ctx, &creditbankv1.BatchQueryAccreditationRequest{
			Queries: []*creditbankv1.QueryAccreditationRequest{certificate}, WithoutWords: without,
		})).GetAnswers()[0].GetAnswer()
		if c := answer.GetClaim(); answer.GetStatus() != creditbankv1.AccreditationStatus_ACCREDITATION_STATUS_ACCREDITED || answer.GetEarning().GetMilliCredits() != 1000 ||
			answer.GetReasons()[0].GetCode() != "CERTIFICATE_ACCREDITED" || !c.GetPossible() || c.GetReason().GetCode() != "CLAIM_POSSIBLE" ||
			c.GetRule() != "claimed-certificate" || c.GetCategory() != "vocational" || c.GetMinutes() != 720 || c.GetMilliCredits() != 1000 ||
			c.GetPolicyHash() != hex.EncodeToString(s.Policy) || (c.GetName() == nil) != without || (c.GetWords() == nil) != without || (c.GetReason().GetWords() == nil) != without {
			t.Errorf("without words %t: %v", without, answer)
		}
	}
	level = 21
	_, err = anyone.QueryAccreditation(ctx, certificate)
	refused(t, err, codes.InvalidArgument, api.ReasonField, "certificate.level")
	_, err = anyone.BatchQueryAccreditation(ctx, &creditbankv1.BatchQueryAccreditationRequest{})
	refused(t, err, codes.InvalidArgument, api.ReasonBatchSize, "queries")
	change := &creditbankv1.ChangeCourseRequest{
		RequestId: s.RequestID(), Provider: apitest.Beishan, Code: apitest.Calligraphy, Version: apitest.CourseVersion,
		Change: ledgerv1.CourseChange_COURSE_CHANGE_SUSPENDED, From: "2026-07-01", Until: "2026-07-31", ReasonCode: "QUALITY",
	}
	_, err = anyone.ChangeCourse(ctx, change)
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	changed := ok[*creditbankv1.ChangeCourseResponse](t)(second.ChangeCourse(ctx, change)).GetCourse()
	if len(changed.GetSuspended()) != 1 || changed.GetSuspended()[0].GetUntil() != "2026-07-31" || changed.GetStatus() != creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED {
		t.Errorf("suspended %v", changed)
	}
	level = 3
	for _, found := range []*creditbankv1.ListCoursesResponse{
		ok[*creditbankv1.ListCoursesResponse](t)(anyone.ListCourses(ctx, &creditbankv1.ListCoursesRequest{Level: &level})),
		ok[*creditbankv1.ListCoursesResponse](t)(anyone.ListCourses(ctx, &creditbankv1.ListCoursesRequest{Search: "焊工 WELD", Within: apitest.Root, ValidOn: "2026-07-01"})),
	} {
		if len(found.GetCourses()) != 1 || found.GetTotalSize() != 1 || found.GetCourses()[0].GetCode() != apitest.Welding {
			t.Errorf("found %v", found)
		}
	}

	for status, count := range map[creditbankv1.CourseStatus]int{
		creditbankv1.CourseStatus_COURSE_STATUS_UNSPECIFIED: 7, creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED: 5,
		creditbankv1.CourseStatus_COURSE_STATUS_PROPOSED: 1, creditbankv1.CourseStatus_COURSE_STATUS_RETIRED: 1, creditbankv1.CourseStatus_COURSE_STATUS_REFUSED: 0,
	} {
		courses := ok[*creditbankv1.ListCoursesResponse](t)(anyone.ListCourses(ctx, &creditbankv1.ListCoursesRequest{Status: status})).GetCourses()
		if len(courses) != count {
			t.Errorf("%s: %d courses", status, len(courses))
		}
		for _, c := range courses {
			if status != 0 && c.GetStatus() != status {
				t.Errorf("%s: %v", status, c)
			}
		}
	}
	page := ok[*creditbankv1.ListCoursesResponse](t)(anyone.ListCourses(ctx, &creditbankv1.ListCoursesRequest{PageSize: 2, Provider: apitest.Beishan}))
	rest := ok[*creditbankv1.ListCoursesResponse](t)(anyone.ListCourses(ctx, &creditbankv1.ListCoursesRequest{PageSize: 2, Provider: apitest.Beishan, PageToken: page.GetNextPageToken()}))
	if len(page.GetCourses()) != 2 || len(rest.GetCourses()) != 1 || rest.GetNextPageToken() != "" {
		t.Errorf("pages %v, %v", page, rest)
	}
	for name, x := range map[string]struct {
		change func(c *creditbankv1.Course)
		code   codes.Code
		reason api.Reason
		field  string
	}{
		"code":     {func(c *creditbankv1.Course) { c.Code = "a b" }, codes.InvalidArgument, api.ReasonField, "course.code"},
		"version":  {func(c *creditbankv1.Course) { c.Version = "" }, codes.InvalidArgument, api.ReasonField, "course.version"},
		"minutes":  {func(c *creditbankv1.Course) { c.NominalMinutes = -1 }, codes.InvalidArgument, api.ReasonMinutes, "course.nominal_minutes"},
		"level":    {func(c *creditbankv1.Course) { c.Level = 11 }, codes.InvalidArgument, api.ReasonUnknownLevel, "course.level"},
		"category": {func(c *creditbankv1.Course) { c.Category = "magic" }, codes.InvalidArgument, api.ReasonUnknownCategory, "course.category"},
		"from":     {func(c *creditbankv1.Course) { c.ValidFrom = "" }, codes.InvalidArgument, api.ReasonField, "course.valid_from"},
		"known":    {func(*creditbankv1.Course) {}, codes.AlreadyExists, api.ReasonCourseKnown, "course.version"},
		"provider": {func(c *creditbankv1.Course) { c.Provider = apitest.Platform }, codes.FailedPrecondition, api.ReasonNotAProvider, "course.provider"},
	} {
		changed := proto.CloneOf(course)
		x.change(changed)
		_, err := officer.ProposeCourse(ctx, &creditbankv1.ProposeCourseRequest{RequestId: s.RequestID(), Course: changed})
		t.Log(name)
		refused(t, err, x.code, x.reason, x.field)
	}
	_, err = officer.ProposeCourse(ctx, &creditbankv1.ProposeCourseRequest{RequestId: s.RequestID()})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "course.code")
}

func TestPolicyService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx := t.Context()
	anyone := creditbankv1.NewPolicyServiceClient(s.nobody())
	officer := creditbankv1.NewPolicyServiceClient(s.officer(apitest.Officer))
	second := creditbankv1.NewPolicyServiceClient(s.officer(apitest.SecondOfficer))
	first := apitest.PolicyYAML(t)

	got := ok[*creditbankv1.GetPolicyResponse](t)(anyone.GetPolicy(ctx, &creditbankv1.GetPolicyRequest{PolicyHash: hex.EncodeToString(s.Policy)}))
	if p := got.GetPolicy(); !bytes.Equal(got.GetYaml(), first) || p.GetPolicyId() != "xihu" || p.GetOrganization() != apitest.Root || p.GetEffectiveFrom() != "2024-03-30" ||
		p.GetEffectiveUntil() != "" || p.GetStatus() != creditbankv1.PolicyStatus_POLICY_STATUS_PUBLISHED || p.GetTitle().GetEn() == "" || p.GetProposeTime() == nil || p.GetPublishTime() == nil {
		t.Errorf("policy %v", got.GetPolicy())
	}
	yaml := bytes.Replace(first, []byte(`version: "2026.1"`), []byte(`version: "2027.1"`), 1)
	yaml = bytes.Replace(yaml, []byte(`effective_from: "2024-03-30"`), []byte(`effective_from: "2027-01-01"`), 1)
	proposed := ok[*creditbankv1.ProposePolicyResponse](t)(officer.ProposePolicy(ctx, &creditbankv1.ProposePolicyRequest{RequestId: s.RequestID(), Yaml: yaml})).GetPolicy()
	hash := sha256.Sum256(yaml)
	if proposed.GetPolicyHash() != hex.EncodeToString(hash[:]) || proposed.GetStatus() != creditbankv1.PolicyStatus_POLICY_STATUS_PROPOSED || proposed.PublishTime != nil {
		t.Errorf("proposed %v", proposed)
	}
	publish := &creditbankv1.PublishPolicyRequest{RequestId: s.RequestID(), PolicyHash: proposed.GetPolicyHash()}
	_, err := officer.PublishPolicy(ctx, publish)
	refused(t, err, codes.PermissionDenied, api.ReasonFourEyes, "policy_hash")
	if p := ok[*creditbankv1.PublishPolicyResponse](t)(second.PublishPolicy(ctx, publish)).GetPolicy(); p.GetStatus() != creditbankv1.PolicyStatus_POLICY_STATUS_PUBLISHED {
		t.Errorf("published %v", p)
	}
	list := ok[*creditbankv1.ListPoliciesResponse](t)(anyone.ListPolicies(ctx, &creditbankv1.ListPoliciesRequest{PageSize: 1}))
	rest := ok[*creditbankv1.ListPoliciesResponse](t)(anyone.ListPolicies(ctx, &creditbankv1.ListPoliciesRequest{PageSize: 1, PageToken: list.GetNextPageToken()}))
	if len(list.GetPolicies()) != 1 || list.GetPolicies()[0].GetVersion() != "2027.1" || len(rest.GetPolicies()) != 1 || rest.GetPolicies()[0].GetVersion() != "2026.1" || rest.GetNextPageToken() != "" {
		t.Errorf("pages %v, %v", list, rest)
	}
	for _, bad := range []string{"", "xyz", strings.Repeat("0", 62)} {
		_, err := anyone.GetPolicy(ctx, &creditbankv1.GetPolicyRequest{PolicyHash: bad})
		refused(t, err, codes.InvalidArgument, api.ReasonField, "policy_hash")
		_, err = second.PublishPolicy(ctx, &creditbankv1.PublishPolicyRequest{RequestId: s.RequestID(), PolicyHash: bad})
		refused(t, err, codes.InvalidArgument, api.ReasonField, "policy_hash")
	}
	_, err = anyone.GetPolicy(ctx, &creditbankv1.GetPolicyRequest{PolicyHash: strings.Repeat("0", 64)})
	refused(t, err, codes.NotFound, api.ReasonNotFound, "policy_hash")
	_, err = officer.ProposePolicy(ctx, &creditbankv1.ProposePolicyRequest{RequestId: s.RequestID(), Yaml: []byte("id: [")})
	refused(t, err, codes.InvalidArgument, api.ReasonPolicyInvalid, "yaml")
	_, err = officer.ProposePolicy(ctx, &creditbankv1.ProposePolicyRequest{RequestId: s.RequestID(), Yaml: make([]byte, api.MaxPolicyBytes+1)})
	refused(t, err, codes.InvalidArgument, api.ReasonPolicyInvalid, "yaml")
	_, err = anyone.ProposePolicy(ctx, &creditbankv1.ProposePolicyRequest{RequestId: s.RequestID(), Yaml: yaml})
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
}

func TestLedgerService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx, account := t.Context(), s.Open()
	anyone := creditbankv1.NewLedgerServiceClient(s.nobody())
	old := ok[*creditbankv1.GetCheckpointResponse](t)(anyone.GetCheckpoint(ctx, &creditbankv1.GetCheckpointRequest{}))
	index := s.Record(s.Completion(account.Number))[0].Index
	platform := creditbankv1.NewLedgerServiceClient(s.platform(apitest.Platform))

	open := func(checkpoint string) merkle.Checkpoint {
		t.Helper()
		return ok[merkle.Checkpoint](t)(merkle.OpenCheckpoint([]byte(checkpoint), apitest.Origin, s.Verifier))
	}
	got := ok[*creditbankv1.GetEntryResponse](t)(platform.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: index, WithProof: true}))
	leaf := merkle.LeafHash(got.GetEntry().GetEntry())
	if !bytes.Equal(leaf[:], got.GetEntry().GetLeafHash()) || got.GetEntry().GetFact() != "CompletionRecorded" || got.GetEntry().GetIndex() != index ||
		!got.GetEntry().GetEntryTime().AsTime().Equal(s.Clock.Now()) {
		t.Errorf("entry %v", got.GetEntry())
	}
	newest := open(got.GetCheckpoint())
	if err := merkle.VerifyInclusion(leaf, index, newest.Size, hashes(t, got.GetInclusionProof()), newest.Root); err != nil {
		t.Error(err)
	}
	if plain := ok[*creditbankv1.GetEntryResponse](t)(platform.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: index})); len(plain.GetInclusionProof()) != 0 || plain.GetCheckpoint() != "" {
		t.Errorf("a proof that nobody asked for: %v", plain)
	}
	proof := ok[*creditbankv1.GetInclusionProofResponse](t)(anyone.GetInclusionProof(ctx, &creditbankv1.GetInclusionProofRequest{Index: index}))
	if err := merkle.VerifyInclusion(merkle.Hash(proof.GetLeafHash()), index, proof.GetSize(), hashes(t, proof.GetHashes()), open(proof.GetCheckpoint()).Root); err != nil || proof.GetSize() != newest.Size {
		t.Errorf("proof %v: %v", proof, err)
	}
	before := open(old.GetCheckpoint())
	consistent := ok[*creditbankv1.GetConsistencyProofResponse](t)(anyone.GetConsistencyProof(ctx, &creditbankv1.GetConsistencyProofRequest{OldSize: before.Size}))
	if err := merkle.VerifyConsistency(before.Size, consistent.GetNewSize(), hashes(t, consistent.GetHashes()), before.Root, open(consistent.GetCheckpoint()).Root); err != nil {
		t.Error(err)
	}

	// Entries about people keep their place for those who may not read them.
	list := ok[*creditbankv1.ListEntriesResponse](t)(anyone.ListEntries(ctx, &creditbankv1.ListEntriesRequest{StartIndex: 1, PageSize: 1000}))
	if len(list.GetEntries()) != int(newest.Size)-1 || list.GetNextPageToken() != "" {
		t.Fatalf("%d entries of %d", len(list.GetEntries()), newest.Size)
	}
	if first, last := list.GetEntries()[0], list.GetEntries()[index-1]; first.GetFact() != "OrganizationRegistered" || len(first.GetEntry()) == 0 ||
		last.GetFact() != "" || last.GetEntry() != nil || !bytes.Equal(last.GetLeafHash(), leaf[:]) || last.GetIndex() != index {
		t.Errorf("first %v, last %v", first, last)
	}
	page := ok[*creditbankv1.ListEntriesResponse](t)(anyone.ListEntries(ctx, &creditbankv1.ListEntriesRequest{PageSize: 3}))
	next := ok[*creditbankv1.ListEntriesResponse](t)(anyone.ListEntries(ctx, &creditbankv1.ListEntriesRequest{PageSize: 3, PageToken: page.GetNextPageToken()}))
	if len(page.GetEntries()) != 3 || next.GetEntries()[0].GetIndex() != 3 {
		t.Errorf("pages %v, %v", page, next)
	}
	_, err := anyone.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: index})
	refused(t, err, codes.Unauthenticated, api.ReasonUnauthenticated, "")
	other := creditbankv1.NewLedgerServiceClient(s.platform(apitest.OtherPlatform))
	_, err = other.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: index})
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
	ok[*creditbankv1.GetEntryResponse](t)(creditbankv1.NewLedgerServiceClient(s.resident(account)).GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: index}))
	officer := creditbankv1.NewLedgerServiceClient(s.officer(apitest.StreetOfficer))
	ok[*creditbankv1.GetEntryResponse](t)(officer.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: index}))
	// Its holder is told of the officer's look, and lists of entries are not one.
	listed := ok[*creditbankv1.ListEntriesResponse](t)(officer.ListEntries(ctx, &creditbankv1.ListEntriesRequest{StartIndex: index, PageSize: 1})).GetEntries()[0]
	if listed.GetFact() != "" || listed.GetEntry() != nil || !bytes.Equal(listed.GetLeafHash(), leaf[:]) {
		t.Errorf("the officer lists %v", listed)
	}
	looks := ok[*creditbankv1.ListAccessesResponse](t)(creditbankv1.NewPortfolioServiceClient(s.resident(account)).ListAccesses(
		ctx, &creditbankv1.ListAccessesRequest{})).GetAccesses()
	if len(looks) != 1 || looks[0].GetAction() != "ReadEntry" || looks[0].GetOfficer() != apitest.StreetOfficer {
		t.Errorf("looks %v", looks)
	}
	_, err = anyone.GetEntry(ctx, &creditbankv1.GetEntryRequest{Index: newest.Size})
	refused(t, err, codes.NotFound, api.ReasonNotFound, "")
	_, err = anyone.GetInclusionProof(ctx, &creditbankv1.GetInclusionProofRequest{Index: 1, Size: newest.Size + 1})
	refused(t, err, codes.NotFound, api.ReasonNotFound, "")
	_, err = anyone.GetConsistencyProof(ctx, &creditbankv1.GetConsistencyProofRequest{OldSize: 2, NewSize: 1})
	refused(t, err, codes.NotFound, api.ReasonNotFound, "")
}

func hashes(t *testing.T, raw [][]byte) []merkle.Hash {
	t.Helper()
	all := make([]merkle.Hash, len(raw))
	for i, h := range raw {
		if len(h) != merkle.HashSize {
			t.Fatalf("a hash has %d bytes", len(h))
		}
		all[i] = merkle.Hash(h)
	}
	return all
}

func TestAdminService(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	ctx := t.Context()
	admin := creditbankv1.NewAdminServiceClient(s.officer(apitest.Administrator))

	organization := &creditbankv1.Organization{
		OrganizationId: "zhuantang-school", Name: "转塘街道社区学校", Code: string(ok[unit.OrganizationCode](t)(unit.OrganizationCodeFor("52330106000000099"))),
		Level: ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_TOWN, Parent: apitest.Root, Roles: []ledgerv1.Role{ledgerv1.Role_ROLE_PROVIDER}, TrustTier: 3,
	}
	registered := ok[*creditbankv1.RegisterOrganizationResponse](t)(admin.RegisterOrganization(ctx, &creditbankv1.RegisterOrganizationRequest{
		RequestId: s.RequestID(), Organization: organization,
	})).GetOrganization()
	want := proto.CloneOf(organization)
	if want.EntryIndex = registered.GetEntryIndex(); !proto.Equal(registered, want) || want.GetEntryIndex() == 0 {
		t.Errorf("registered %v", registered)
	}
	key := s.NewKey()
	add := s.KeyRequest(key, "zhuantang-school", keyring.Sign)
	request := &creditbankv1.AddKeyRequest{
		RequestId: s.RequestID(), Organization: add.Organization, PublicKey: add.PublicKey, Algorithm: add.Algorithm, Purpose: add.Purpose, Proof: add.Proof,
	}
	added := ok[*creditbankv1.AddKeyResponse](t)(admin.AddKey(ctx, request))
	if added.GetKeyId() != key.Public().ID().String() || added.GetEntryIndex() == 0 {
		t.Errorf("added %v", added)
	}
	appointed := ok[*creditbankv1.AppointOfficerResponse](t)(admin.AppointOfficer(ctx, &creditbankv1.AppointOfficerRequest{
		RequestId: s.RequestID(), Officer: "officer-wu", Organization: "zhuantang-school", Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR},
	}))
	removed := ok[*creditbankv1.RemoveOfficerResponse](t)(admin.RemoveOfficer(ctx, &creditbankv1.RemoveOfficerRequest{RequestId: s.RequestID(), Officer: "officer-wu", Reason: "moved"}))
	if appointed.GetEntryIndex() == 0 || removed.GetEntryIndex() <= appointed.GetEntryIndex() {
		t.Errorf("appointed %v, removed %v", appointed, removed)
	}

	// A key that was compromised sends what it signed to officers.
	account := s.Open()
	s.Record(s.Completion(account.Number))
	s.Record(s.Completion(account.Number), s.Completion(account.Number))
	revoke := &creditbankv1.RevokeKeyRequest{
		RequestId: s.RequestID(), KeyId: s.SignKey(apitest.Platform).Public().ID().String(), CompromisedSince: s.Clock.Now().UnixMicro(), Reason: "lost",
	}
	revoked := ok[*creditbankv1.RevokeKeyResponse](t)(admin.RevokeKey(ctx, revoke))
	if revoked.GetCasesOpened() != 3 || revoked.GetEntryIndex() == 0 {
		t.Errorf("revoked %v", revoked)
	}
	_, err := creditbankv1.NewCompletionServiceClient(s.platform(apitest.Platform)).RecordCompletions(ctx, postProto(s.Submission(apitest.Platform, s.Completion(account.Number)), 0))
	refused(t, err, codes.PermissionDenied, api.ReasonKeyRevoked, "key_id")

	proofless := proto.CloneOf(request)
	proofless.RequestId, proofless.Proof = s.RequestID(), make([]byte, 64)
	_, err = admin.AddKey(ctx, proofless)
	refused(t, err, codes.InvalidArgument, api.ReasonKeyProof, "proof")
	again := proto.CloneOf(request)
	again.RequestId = s.RequestID()
	_, err = admin.AddKey(ctx, again)
	refused(t, err, codes.AlreadyExists, api.ReasonKeyKnown, "public_key")
	again.Algorithm = ledgerv1.KeyAlgorithm_KEY_ALGORITHM_UNSPECIFIED
	_, err = admin.AddKey(ctx, again)
	refused(t, err, codes.InvalidArgument, api.ReasonUnknownEnum, "algorithm")
	_, err = admin.RevokeKey(ctx, &creditbankv1.RevokeKeyRequest{RequestId: s.RequestID(), KeyId: "abc"})
	refused(t, err, codes.InvalidArgument, api.ReasonUnknownKey, "key_id")
	_, err = admin.RevokeKey(ctx, &creditbankv1.RevokeKeyRequest{RequestId: s.RequestID(), KeyId: strings.Repeat("ab", 32)})
	refused(t, err, codes.NotFound, api.ReasonUnknownKey, "key_id")
	_, err = admin.RemoveOfficer(ctx, &creditbankv1.RemoveOfficerRequest{RequestId: s.RequestID(), Officer: apitest.Administrator})
	refused(t, err, codes.PermissionDenied, api.ReasonOwnOffice, "officer")
	_, err = admin.RemoveOfficer(ctx, &creditbankv1.RemoveOfficerRequest{RequestId: s.RequestID(), Officer: "officer-wu"})
	refused(t, err, codes.NotFound, api.ReasonUnknownOfficer, "officer")
	_, err = admin.RegisterOrganization(ctx, &creditbankv1.RegisterOrganizationRequest{RequestId: s.RequestID()})
	refused(t, err, codes.InvalidArgument, api.ReasonField, "organization.organization_id")
	_, err = creditbankv1.NewAdminServiceClient(s.officer(apitest.Officer)).AppointOfficer(ctx, &creditbankv1.AppointOfficerRequest{
		RequestId: s.RequestID(), Officer: "officer-wu", Organization: apitest.Root, Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR},
	})
	refused(t, err, codes.PermissionDenied, api.ReasonDenied, "")
}
