package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/deploy/policies"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

const (
	administrator = ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR
	dayLayout     = time.DateOnly
)

func (p parameters) district(file string) (*district.District, error) {
	day, err := time.ParseInLocation(dayLayout, p.Day, district.Zone())
	if err != nil || p.Accounts < district.MinAccounts || p.Completions < district.MinCompletions {
		return nil, fmt.Errorf("--data: %s can't be read: choose another directory", file)
	}
	return &district.District{Seed: p.Seed, Day: day, Accounts: p.Accounts, Completions: p.Completions}, nil
}

// show fills the bank of a demo, through gRPC, as those would who use a bank. Everything that it asks has an id that follows
// from the seed: started again, it goes on where it was.
type show struct {
	draws     *draws
	process   *process
	district  *district.District
	directory string
	readyFile string
	temporary bool
	vkey      string
	// issuer signs the tokens of people; issuerFile has it.
	issuer     *keyring.PrivateKey
	issuerFile string

	residents []district.Person
	platforms []platform
	// institutions accept credits.
	institutions []institution
	// persons are those who can be signed in, residents first. Their accounts are known when peopled is closed, by known.
	persons []person
	peopled chan struct{}
	known   sync.Once

	conn *grpc.ClientConn
	// numbers are the account numbers of the residents, in their order.
	numbers []unit.AccountNumber
	tally   tally
}

type platform struct {
	district.Platform
	sign, authenticate keyFile
}

// tally is what became of what was posted.
type tally struct {
	started                        time.Time
	took                           time.Duration
	submissions, statements        int
	recorded                       map[string]int
	voids, replayed                int
	rejected                       map[string]int
	cases, approved, refused, kept int
	public                         int // cases
	logSize                        uint64
}

// run fills the bank, says what happened, and where to go on.
func (s *show) run(ctx context.Context, at addresses) error {
	err := s.steps(ctx, at, append(s.opening(),
		step{"letting a transfer lapse", s.lapse},
		step{"posting completions", s.post},
		step{"deciding cases", s.decide},
		step{"deciding applications", s.admit},
		step{"having credits taken over", s.transfer},
		step{"checking the listed residents", s.checkListed},
	))
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if err := s.writeReady(at); err != nil {
		return err
	}
	s.tell(at)
	if s.process.started != nil {
		s.process.started(at)
	}
	return nil
}

// step is a part of what a demo does.
type step struct {
	what string
	do   func(context.Context) error
}

// opening are the steps with which a bank begins: taken again, they change nothing.
func (s *show) opening() []step {
	return []step{
		{"registering schools, platforms and officers", s.register},
		{"publishing the policy", s.publish},
		{"accrediting the courses", s.accredit},
		{"opening the accounts", s.open},
		{"agreeing with the institutions that take credits over", s.agree},
	}
}

// steps takes steps, one after the other, at a bank that is served.
func (s *show) steps(ctx context.Context, at addresses, steps []step) (err error) {
	s.conn, err = grpc.NewClient(at.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer func() { err = errors.Join(err, s.conn.Close()) }()
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("the demo stopped while %s: %w", step.what, err)
		}
	}
	return nil
}

// bearer is a token for one call.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: a demo is on loopback.
func (bearer) RequireTransportSecurity() bool { return false }

// as makes a call an officer's.
func (s *show) as(officer string) grpc.CallOption {
	token, err := access.OfficerToken(demoBankID, access.LocalIssuer, officer, s.issuer, s.process.now(), access.MaxPersonToken)
	if err != nil {
		token = "" // the bank says what is wrong with it
	}
	return grpc.PerRPCCredentials(bearer(token))
}

// asPlatform makes a call a platform's.
func (s *show) asPlatform(p platform) grpc.CallOption { return s.asOrganization(p.ID, p.authenticate) }

// asOrganization makes a call an organization's.
func (s *show) asOrganization(id string, authenticate keyFile) grpc.CallOption {
	token, err := access.OrganizationToken(demoBankID, unit.OrganizationID(id), authenticate.PrivateKey, s.process.now())
	if err != nil {
		token = ""
	}
	return grpc.PerRPCCredentials(bearer(token))
}

// register registers organizations, keys and officers, as an administrator does.
func (s *show) register(ctx context.Context) error {
	client, by := creditbankv1.NewAdminServiceClient(s.conn), s.as("administrator-1")
	for i, o := range district.Organizations() {
		_, err := client.RegisterOrganization(ctx, &creditbankv1.RegisterOrganizationRequest{
			RequestId: s.district.RequestID("organization", i),
			Organization: &creditbankv1.Organization{
				OrganizationId: o.ID, Name: o.Name, Code: o.Code, Level: o.Level, Parent: o.Parent, Roles: o.Roles,
				TrustTier: int32(o.TrustTier),
			},
		}, by)
		if err != nil {
			return err
		}
	}
	for i, p := range s.platforms {
		for k, key := range []struct {
			keyFile
			purpose keyring.Purpose
		}{{p.sign, keyring.Sign}, {p.authenticate, keyring.Authenticate}} {
			if err := s.addKey(ctx, s.district.RequestID("key", 2*i+k), p.ID, key.keyFile, key.purpose); err != nil {
				return err
			}
		}
	}
	for i, o := range district.Officers() {
		if o.Role == administrator {
			continue // the bank began with them
		}
		_, err := client.AppointOfficer(ctx, &creditbankv1.AppointOfficerRequest{
			RequestId: s.district.RequestID("officer", i), Officer: o.ID, Organization: district.Root, Roles: []ledgerv1.OfficerRole{o.Role},
		}, by)
		if err != nil {
			return err
		}
	}
	return nil
}

// addKey registers a key of an organization, with its proof of possession.
func (s *show) addKey(ctx context.Context, requestID, organization string, key keyFile, purpose keyring.Purpose) error {
	proof, err := key.Sign(keyring.RegistrationText(demoBankID, unit.OrganizationID(organization), key.Public().ID(), purpose))
	if err != nil {
		return err
	}
	_, err = creditbankv1.NewAdminServiceClient(s.conn).AddKey(ctx, &creditbankv1.AddKeyRequest{
		RequestId: requestID, Organization: organization, PublicKey: key.Public().SPKI(), Proof: proof,
		Algorithm: ledgerv1.KeyAlgorithm(key.Public().Algorithm()), Purpose: ledgerv1.KeyPurpose(purpose),
	}, s.as("administrator-1"))
	return err
}

// publish puts the policy into force: one officer proposes it, another publishes it.
func (s *show) publish(ctx context.Context) error {
	client := creditbankv1.NewPolicyServiceClient(s.conn)
	proposed, err := client.ProposePolicy(ctx, &creditbankv1.ProposePolicyRequest{
		RequestId: s.district.RequestID("policy", 0), Yaml: policies.Xihu2026(),
	}, s.as("certifier-1"))
	if err != nil {
		return err
	}
	_, err = client.PublishPolicy(ctx, &creditbankv1.PublishPolicyRequest{
		RequestId: s.district.RequestID("policy", 1), PolicyHash: proposed.GetPolicy().GetPolicyHash(),
	}, s.as("certifier-2"))
	return err
}

// accredit proposes the courses and decides most of them.
func (s *show) accredit(ctx context.Context) error {
	client, first, second := creditbankv1.NewAccreditationServiceClient(s.conn), s.as("certifier-1"), s.as("certifier-2")
	const accredited = ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED
	for i, c := range s.district.Courses() {
		_, err := client.ProposeCourse(ctx, &creditbankv1.ProposeCourseRequest{
			RequestId: s.district.RequestID("course", i),
			Course: &creditbankv1.Course{
				Provider: c.Provider, Code: c.Code, Version: c.Version, Title: c.Title, Category: c.Category,
				Level: int32(c.Level), NominalMinutes: int64(c.Minutes), EquivalenceGroup: c.Group,
				ValidFrom: c.From, ValidUntil: c.Until, Capacity: int32(c.Capacity),
			},
		}, first)
		if err != nil {
			return err
		}
		decide := func(n int, decision ledgerv1.CourseDecision, lastDay string) error {
			_, err := client.DecideCourse(ctx, &creditbankv1.DecideCourseRequest{
				RequestId: s.district.RequestID("course decision", 2*i+n), Provider: c.Provider, Code: c.Code, Version: c.Version,
				Decision: decision, LastDay: lastDay,
			}, second)
			return err
		}
		if c.Decision != ledgerv1.CourseDecision_COURSE_DECISION_UNSPECIFIED {
			err = decide(0, accredited, "")
		}
		if err == nil && c.LastDay != "" {
			err = decide(1, c.Decision, c.LastDay)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openedAtOnce is how many accounts are being opened at the same time.
const openedAtOnce = 16

// open opens the accounts: a registrar for most people, platforms for the others.
func (s *show) open(ctx context.Context) error {
	client, registrar := creditbankv1.NewAccountServiceClient(s.conn), s.as("registrar-1")
	s.numbers = make([]unit.AccountNumber, len(s.residents))
	bar := newProgress(s.process.stderr, "accounts")
	defer bar.finish()
	var (
		done  uint64
		mu    sync.Mutex
		group errgroup.Group
	)
	group.SetLimit(openedAtOnce)
	for i, r := range s.residents {
		open := func() error {
			by := registrar
			if !r.Checked {
				by = s.asPlatform(s.platforms[r.Platform])
			}
			opened, err := client.OpenAccount(ctx, &creditbankv1.OpenAccountRequest{
				RequestId: s.district.RequestID("account", i), Name: r.Name, Home: r.Home, Contact: r.Contact, DocumentChecked: r.Checked,
				Document: &creditbankv1.Document{
					Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: r.Identity,
				},
			}, by)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			bar.at(done, uint64(len(s.residents)))
			return s.know(i, opened.GetAccount())
		}
		if i >= numbered {
			group.Go(open)
			continue
		}
		s.draws.person(i)
		err := open()
		s.draws.anybody()
		if err != nil {
			return err
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.known.Do(func() { close(s.peopled) })
	return nil
}

// know notes the account of a resident.
func (s *show) know(i int, account *creditbankv1.Account) (err error) {
	s.numbers[i] = unit.AccountNumber(account.GetAccountNumber())
	if i < s.district.Listed() {
		s.persons[i].number = s.numbers[i]
		s.persons[i].account, err = unit.ParseAccountID(account.GetAccountId())
	}
	return err
}

// post posts what the platforms have to say, one submission after the other.
func (s *show) post(ctx context.Context) error {
	client := creditbankv1.NewCompletionServiceClient(s.conn)
	bar := newProgress(s.process.stderr, "completions")
	defer bar.finish()
	s.tally = tally{started: s.process.now(), recorded: make(map[string]int), rejected: make(map[string]int)}
	begun := time.Now()
	posted := 0
	for submission, err := range s.district.Submissions(s.numbers) {
		if err != nil {
			return err
		}
		p := s.platforms[submission.Platform]
		request, err := p.submission(submission.Statements)
		if err != nil {
			return err
		}
		response, err := client.RecordCompletions(ctx, request, s.asPlatform(p))
		if err != nil {
			return err
		}
		s.tally.count(response)
		posted += submission.New
		bar.at(uint64(posted), uint64(s.district.Completions))
	}
	s.tally.took = time.Since(begun)
	return nil
}

// submission signs statements in the name of the platform.
func (p platform) submission(statements [][]byte) (*creditbankv1.RecordCompletionsRequest, error) {
	hashes := make([]merkle.Hash, len(statements))
	for i, s := range statements {
		hashes[i] = merkle.LeafHash(s)
	}
	id := p.sign.Public().ID()
	signature, err := p.sign.Sign(keyring.SubmissionText(demoBankID, unit.OrganizationID(p.ID), id, len(hashes), merkle.RootOf(hashes)))
	if err != nil {
		return nil, err
	}
	return &creditbankv1.RecordCompletionsRequest{
		Organization: p.ID, KeyId: hex.EncodeToString(id[:]), Signature: signature, Statements: statements,
	}, nil
}

// decideEvery says which cases are decided: those whose hash is below so many of ten; the others are left to whoever tries
// the demo.
const decideEvery = 6

// decide decides some of the cases, as officers do: where the policy asks for a second one, they take the first one's advice, and
// what they approve is under public notice then.
func (s *show) decide(ctx context.Context) error {
	client, by, second := creditbankv1.NewReviewServiceClient(s.conn), s.as("certifier-3"), s.as("certifier-2")
	var open []*creditbankv1.Case
	for page := ""; ; {
		list, err := client.ListCases(ctx, &creditbankv1.ListCasesRequest{PageSize: 500, PageToken: page}, by)
		if err != nil {
			return err
		}
		open = append(open, list.GetCases()...)
		if page = list.GetNextPageToken(); page == "" {
			break
		}
	}
	bar := newProgress(s.process.stderr, "cases")
	defer bar.finish()
	for i, c := range open {
		s.tally.cases++
		request, ok := s.verdict(c)
		if !ok {
			continue
		}
		answer, err := client.DecideCase(ctx, request, by)
		if err != nil {
			return err
		}
		if answer.GetCase().GetState() == creditbankv1.CaseState_CASE_STATE_SECOND_REVIEW {
			request.RequestId = s.district.RequestID("second review", int(c.GetCaseId()))
			if answer, err = client.DecideCase(ctx, request, second); err != nil {
				return err
			}
		}
		switch {
		case answer.GetCase().GetState() == creditbankv1.CaseState_CASE_STATE_PUBLIC_NOTICE:
			s.tally.public++
		case request.GetDecision() == creditbankv1.Decision_DECISION_APPROVE:
			s.tally.approved++
		case request.GetDecision() == creditbankv1.Decision_DECISION_REJECT:
			s.tally.refused++
		default:
			s.tally.kept++
		}
		bar.at(uint64(i+1), uint64(len(open)))
	}
	return nil
}

// verdict is what the officer decides on a case; ok is false where it is left open. It depends on what was learned alone,
// so that it is the same whenever the demo goes on.
func (s *show) verdict(c *creditbankv1.Case) (_ *creditbankv1.DecideCaseRequest, ok bool) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %s %s %d", s.district.Seed, c.GetPlatform(), c.GetProvider(), c.GetCourse(), c.GetEndDate(), c.GetMinutes())
	chance := h.Sum64() % 10
	if chance >= decideEvery {
		return nil, false
	}
	overlap := slices.Contains(c.GetCauses(), "two-places")
	r := &creditbankv1.DecideCaseRequest{
		RequestId: s.district.RequestID("case", int(c.GetCaseId())), CaseId: c.GetCaseId(),
	}
	switch {
	case chance == 0 && overlap:
		r.Decision, r.ReasonCode = creditbankv1.Decision_DECISION_REJECT, "OVERLAP_UNEXPLAINED"
	case chance == 0:
		r.Decision, r.ReasonCode = creditbankv1.Decision_DECISION_REJECT, "EVIDENCE_MISSING"
	case chance == 1:
		r.Decision, r.ReasonCode = creditbankv1.Decision_DECISION_HOURS_ONLY, "POSTED_TOO_LATE"
	case overlap:
		r.Decision, r.ReasonCode = creditbankv1.Decision_DECISION_APPROVE, "OVERLAP_EXPLAINED"
	default:
		r.Decision, r.ReasonCode = creditbankv1.Decision_DECISION_APPROVE, "EVIDENCE_SUFFICIENT"
	}
	return r, true
}

// checkListed makes sure that those who are shown by name have credits in everything they studied, by their own eyes.
func (s *show) checkListed(ctx context.Context) error {
	client := creditbankv1.NewPortfolioServiceClient(s.conn)
	for i := range s.persons {
		one := &s.persons[i]
		token, err := s.token(one)
		if err != nil {
			return err
		}
		if one.officer != "" {
			continue
		}
		answer, err := client.GetPortfolio(ctx, &creditbankv1.GetPortfolioRequest{AccountId: one.account.String()}, grpc.PerRPCCredentials(bearer(token)))
		if err != nil {
			return err
		}
		s.tally.logSize = answer.GetPortfolio().GetLogSize()
		for _, c := range answer.GetPortfolio().GetCategories() {
			totals := c.GetTotals()
			credits := totals.GetAvailableMilliCredits() + totals.GetReservedMilliCredits() + totals.GetTransferredMilliCredits()
			if totals.GetMinutes() > 0 && credits == 0 {
				return fmt.Errorf("resident %d has no credits in %s, which the seed should give", i+1, c.GetCategory())
			}
		}
	}
	return nil
}

func (t *tally) count(r *creditbankv1.RecordCompletionsResponse) {
	t.submissions++
	for _, result := range r.GetResults() {
		t.statements++
		switch result.GetStatus() {
		case creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED:
			if a := result.GetAssessment(); a != nil {
				t.recorded[a.GetOutcome().String()]++
			} else {
				t.voids++
			}
		case creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED:
			t.replayed++
		default:
			t.rejected[reasonOf(result.GetError())]++
		}
	}
}

// total is how many statements are on the ledger since this start.
func (t *tally) total() int {
	total := t.voids
	for n := range maps.Values(t.recorded) {
		total += n
	}
	return total
}
