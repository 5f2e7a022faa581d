package main_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

const (
	bankID  = "xihu.creditbank.test"
	logName = "xihu.creditbank.test/log/1"
	// unknownAccount is well formed, and nobody's.
	unknownAccount = "9771638143226350"
	officerID      = "officer-1"
	residentID     = "00112233445566778899aabbccddeeff"
	issuer         = access.LocalIssuer
)

// fakeBank is a bank of a few hundred lines: real keys, signatures, tokens, tree and tiles over a list of entries, and
// canned answers where a bank would judge.
type fakeBank struct {
	creditbankv1.UnimplementedCompletionServiceServer
	creditbankv1.UnimplementedLedgerServiceServer

	auth              *access.Authenticator
	policies          *fakePolicies
	signKey, authKey  *keyring.PrivateKey // of the platform xihu-cc
	issuerKey         *keyring.PrivateKey
	logSigner         note.Signer
	VKey              string
	GRPC, HTTP        string
	server            *grpc.Server
	web               *httptest.Server
	accountsToAnybody bool
	now               func() time.Time // of the one who checks tokens

	mu      sync.Mutex
	entries [][]byte
	leaves  []merkle.Hash
	signed  string              // checkpoint of these leaves, once it is made
	known   map[string]recorded // by statement id
	busy    int                 // calls to turn away
	late    int                 // statements to turn away
	calls   int
	claim   fakeClaim
	tamper  map[string][]byte // tiles served in place of the true ones
	// witnesses cosign what everyone is shown: as many of them as cosigned says, from the reading on that readings counts down to.
	// forged: the first one's line is of another log.
	witnesses []*torchwood.CosignatureSigner
	cosigned  int
	forged    bool
	readings  int
	// hidden is how many of the newest entries everyone is not shown yet, while readings is not 0.
	hidden int
	opened int
}

type recorded struct {
	hash  merkle.Hash
	index uint64
}

// newFakeBank starts a bank on loopback; options are for its gRPC server.
func newFakeBank(options ...grpc.ServerOption) (*fakeBank, error) {
	return newFakeBankAt("127.0.0.1:0", options...)
}

func newFakeBankAt(address string, options ...grpc.ServerOption) (*fakeBank, error) {
	b := &fakeBank{now: time.Now, known: make(map[string]recorded), tamper: make(map[string][]byte)}
	for _, key := range []**keyring.PrivateKey{&b.signKey, &b.authKey, &b.issuerKey} {
		var err error
		if *key, err = keyring.Generate(keyring.Ed25519, rand.Reader); err != nil {
			return nil, err
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if b.logSigner, err = note.NewSigner(merkle.SignerKey(logName, private)); err != nil {
		return nil, err
	}
	b.VKey = merkle.VerifierKey(logName, public)
	for i := range 3 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		witness, err := torchwood.NewCosignatureSigner(fmt.Sprintf("w%d.test", i), key)
		if err != nil {
			return nil, err
		}
		b.witnesses = append(b.witnesses, witness)
	}
	b.auth, err = access.NewAuthenticator(bankID, []access.Issuer{{Name: issuer, Key: b.issuerKey.Public(), Officers: true, Residents: true}},
		func() time.Time { return b.now() })
	if err != nil {
		return nil, err
	}
	b.append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_BankFounded{BankFounded: &ledgerv1.BankFounded{BankId: bankID, Origin: logName}}})

	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	b.GRPC = listener.Addr().String()
	b.server = grpc.NewServer(options...)
	creditbankv1.RegisterCompletionServiceServer(b.server, b)
	creditbankv1.RegisterLedgerServiceServer(b.server, b)
	creditbankv1.RegisterAccountServiceServer(b.server, fakeAccounts{bank: b})
	creditbankv1.RegisterPortfolioServiceServer(b.server, fakePortfolio{bank: b})
	creditbankv1.RegisterReviewServiceServer(b.server, &fakeReview{bank: b})
	creditbankv1.RegisterAccreditationServiceServer(b.server, fakeCourses{})
	transfers := &fakeTransfers{bank: b}
	creditbankv1.RegisterAgreementServiceServer(b.server, transfers)
	creditbankv1.RegisterConsentServiceServer(b.server, transfers)
	creditbankv1.RegisterTransferServiceServer(b.server, transfers)
	creditbankv1.RegisterApplicationServiceServer(b.server, fakeApplications{bank: b})
	creditbankv1.RegisterClawbackServiceServer(b.server, &fakeClawbacks{bank: b})
	b.policies = &fakePolicies{bank: b}
	creditbankv1.RegisterMergeServiceServer(b.server, &fakeMerges{bank: b})
	creditbankv1.RegisterPolicyServiceServer(b.server, b.policies)
	healthpb.RegisterHealthServer(b.server, health.NewServer())
	go func() { _ = b.server.Serve(listener) }()
	b.web = httptest.NewServer(http.HandlerFunc(b.serveHTTP))
	b.HTTP = b.web.URL
	return b, nil
}

func (b *fakeBank) close() {
	b.server.Stop()
	b.web.Close()
}

// Version implements access.Directory.
func (b *fakeBank) Version() uint64 { return 1 }

// Within implements access.Network.
func (b *fakeBank) Within(organization, ancestor string) bool { return organization == ancestor }

// Key implements access.Directory.
func (b *fakeBank) Key(id keyring.KeyID) (keyring.Key, bool) {
	key := keyring.Key{Organization: "xihu-cc", ValidFrom: time.Unix(0, 0)}
	switch id {
	case b.signKey.Public().ID():
		key.Public, key.Purpose = b.signKey.Public(), keyring.Sign
	case b.authKey.Public().ID():
		key.Public, key.Purpose = b.authKey.Public(), keyring.Authenticate
	default:
		return key, false
	}
	return key, true
}

// Roles implements access.Directory.
func (b *fakeBank) Roles(string) ([]ledgerv1.Role, bool) {
	return []ledgerv1.Role{ledgerv1.Role_ROLE_PLATFORM}, true
}

// Officer implements access.Directory.
func (b *fakeBank) Officer(id string) (string, []ledgerv1.OfficerRole, bool) {
	return "xihu-college", []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION}, id == officerID
}

// caller answers who calls, or a status.
func (b *fakeBank) caller(ctx context.Context, kinds ...access.Kind) error {
	md, _ := metadata.FromIncomingContext(ctx)
	token, ok := strings.CutPrefix(strings.Join(md.Get("authorization"), ""), "Bearer ")
	if !ok {
		return refuse(codes.Unauthenticated, "UNAUTHENTICATED", "", "the call brings no token")
	}
	caller, err := b.auth.Caller(token, b)
	if err != nil {
		return refuse(codes.Unauthenticated, "UNAUTHENTICATED", "", err.Error())
	}
	if !slices.Contains(kinds, caller.Kind) {
		return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "", "this caller may not do this")
	}
	return nil
}

// refuse makes a rich error as the bank does.
func refuse(code codes.Code, reason, field, message string, more ...protoadapt.MessageV1) error {
	details := append([]protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: "creditbank"}}, more...)
	if field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: message}}})
	}
	s, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		return err
	}
	return s.Err()
}

// append writes an entry; the caller holds the lock or is alone.
func (b *fakeBank) append(entry *ledgerv1.Entry) uint64 {
	entry.Index, entry.Time, entry.Salt = uint64(len(b.entries)), time.Now().UnixMicro(), make([]byte, 16)
	content, err := proto.Marshal(entry)
	if err != nil {
		panic(err)
	}
	b.entries, b.leaves = append(b.entries, content), append(b.leaves, merkle.LeafHash(content))
	b.signed = ""
	return entry.GetIndex()
}

func (b *fakeBank) checkpoint() string {
	if b.signed != "" {
		return b.signed
	}
	b.signed = b.sign(b.leaves)
	return b.signed
}

// published is the checkpoint that everyone is shown, with its cosignatures.
func (b *fakeBank) published() string {
	cosigned, leaves := b.cosigned, b.leaves
	if b.readings > 0 {
		b.readings--
		cosigned, leaves = 0, leaves[:len(leaves)-b.hidden]
	}
	signed := b.sign(leaves)
	for i, witness := range b.witnesses[:cosigned] {
		of := signed
		if b.forged && i == 0 {
			of = b.sign(leaves[:1])
		}
		text, _, _ := strings.Cut(of, "\n\n")
		cosigned, err := note.Sign(&note.Note{Text: text + "\n"}, witness)
		if err != nil {
			panic(err)
		}
		_, line, _ := strings.Cut(string(cosigned), "\n\n")
		signed += line
	}
	return signed
}

func (b *fakeBank) sign(leaves []merkle.Hash) string {
	signed, err := merkle.Sign(merkle.Checkpoint{Origin: logName, Size: uint64(len(leaves)), Root: merkle.RootOf(leaves)}, b.logSigner)
	if err != nil {
		panic(err)
	}
	return string(signed)
}

// RecordCompletions implements creditbankv1.CompletionServiceServer.
func (b *fakeBank) RecordCompletions(ctx context.Context, r *creditbankv1.RecordCompletionsRequest) (*creditbankv1.RecordCompletionsResponse, error) {
	if err := b.caller(ctx, access.Organization); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.busy > 0 {
		b.busy--
		return nil, refuse(codes.ResourceExhausted, "BUSY", "", "the bank is busy",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(300 * time.Millisecond)})
	}
	hashes := make([]merkle.Hash, len(r.GetStatements()))
	for i, s := range r.GetStatements() {
		hashes[i] = merkle.LeafHash(s)
	}
	text := keyring.SubmissionText(bankID, unit.OrganizationID(r.GetOrganization()), b.signKey.Public().ID(), len(hashes), merkle.RootOf(hashes))
	if err := b.signKey.Public().Verify(text, r.GetSignature()); err != nil || r.GetKeyId() != b.signKey.Public().ID().String() {
		return nil, refuse(codes.Unauthenticated, "WRONG_SIGNATURE", "signature", "the signature does not fit")
	}
	answer := &creditbankv1.RecordCompletionsResponse{}
	for i, s := range r.GetStatements() {
		answer.Results = append(answer.Results, b.record(s, hashes[i]))
	}
	answer.Checkpoint = b.checkpoint()
	return answer, nil
}

func (b *fakeBank) record(content []byte, hash merkle.Hash) *creditbankv1.StatementResult {
	var s statementv1.Statement
	if err := proto.Unmarshal(content, &s); err != nil {
		return rejected(codes.InvalidArgument, "STATEMENT_MALFORMED", "", "the bytes are no statement")
	}
	id := string(s.GetId())
	c := s.GetCompletion()
	switch known, ok := b.known[id]; {
	case ok && known.hash == hash:
		return &creditbankv1.StatementResult{
			Status: creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED, EntryIndex: known.index, Assessment: awarded(c),
		}
	case ok:
		return rejected(codes.AlreadyExists, "STATEMENT_CONFLICT", "id", "another statement has this id")
	case b.late > 0:
		b.late--
		return rejected(codes.Unavailable, "WRITES_HALTED", "", "the bank does not write at the moment")
	case c.GetAccountNumber() == unknownAccount && !b.accountsToAnybody:
		return rejected(codes.NotFound, "UNKNOWN_ACCOUNT", "completion.account_number", "no account has this number; ask for it with ResolveAccount")
	}
	index := b.append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_CompletionRecorded{CompletionRecorded: &ledgerv1.CompletionRecorded{
		Origin: &ledgerv1.Origin{Organization: "xihu-cc", StatementId: s.GetId(), StatementHash: hash[:]},
	}}})
	b.known[id] = recorded{hash: hash, index: index}
	return &creditbankv1.StatementResult{
		Status: creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED, EntryIndex: index, Assessment: awarded(c),
	}
}

func rejected(code codes.Code, reason, field, message string) *creditbankv1.StatementResult {
	return &creditbankv1.StatementResult{
		Status: creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED,
		Error:  status.Convert(refuse(code, reason, field, message)).Proto(),
	}
}

func awarded(c *statementv1.Completion) *creditbankv1.Assessment {
	if c.Passed != nil && !c.GetPassed() {
		return &creditbankv1.Assessment{Outcome: ledgerv1.Outcome_OUTCOME_NO_CREDIT, Minutes: 90}
	}
	return &creditbankv1.Assessment{Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Minutes: 90, AvailableMilliCredits: 100}
}

// GetEntry implements creditbankv1.LedgerServiceServer: platforms read what they posted.
func (b *fakeBank) GetEntry(ctx context.Context, r *creditbankv1.GetEntryRequest) (*creditbankv1.GetEntryResponse, error) {
	if err := b.caller(ctx, access.Organization); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.GetIndex() >= uint64(len(b.entries)) {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "index", "there is no such entry")
	}
	return &creditbankv1.GetEntryResponse{Entry: &creditbankv1.LedgerEntry{
		Index: r.GetIndex(), Entry: b.entries[r.GetIndex()], LeafHash: b.leaves[r.GetIndex()][:],
	}}, nil
}

// GetInclusionProof implements creditbankv1.LedgerServiceServer.
func (b *fakeBank) GetInclusionProof(_ context.Context, r *creditbankv1.GetInclusionProofRequest) (*creditbankv1.GetInclusionProofResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := r.GetSize()
	if size == 0 {
		size = uint64(len(b.leaves))
	}
	if r.GetIndex() >= size || size > uint64(len(b.leaves)) {
		return nil, refuse(codes.NotFound, "NOT_FOUND", "index", "there is no such entry")
	}
	answer := &creditbankv1.GetInclusionProofResponse{LeafHash: b.leaves[r.GetIndex()][:], Size: size, Checkpoint: b.checkpoint()}
	for _, hash := range merkle.LeafPath(b.leaves[:size], int(r.GetIndex())) {
		answer.Hashes = append(answer.Hashes, hash[:])
	}
	return answer, nil
}

// serveHTTP serves checkpoint and tiles, partial ones only of today's width.
func (b *fakeBank) serveHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/log/")
	if path == "checkpoint" {
		fmt.Fprint(w, b.published())
		return
	}
	if content, ok := b.tamper[path]; ok {
		_, _ = w.Write(content)
		return
	}
	tile, err := merkle.ParseTilePath(path)
	if err != nil || (!tile.Full() && !slices.Contains(merkle.TilesFor(uint64(len(b.leaves))), tile)) {
		http.NotFound(w, r)
		return
	}
	content, ok := b.tile(tile)
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

// tile computes a tile by the definition: each hash is the root of its own 256^level leaves.
func (b *fakeBank) tile(tile merkle.Tile) ([]byte, bool) {
	span := uint64(1) << (8 * uint(tile.Level))
	var content []byte
	for i := range uint64(tile.Width) {
		begin := (tile.Index*256 + i) * span
		if begin+span > uint64(len(b.leaves)) {
			return nil, false
		}
		root := merkle.RootOf(b.leaves[begin : begin+span])
		content = append(content, root[:]...)
	}
	return content, true
}

// grow adds entries about nobody.
func (b *fakeBank) grow(entries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range entries {
		b.append(&ledgerv1.Entry{Fact: &ledgerv1.Entry_OfficerRemoved{OfficerRemoved: &ledgerv1.OfficerRemoved{Officer: "nobody"}}})
	}
}

// rewrite replaces an entry, and the history after it, as a bank that cheats would.
func (b *fakeBank) rewrite(index int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[index] = append(bytes.Clone(b.entries[index]), 0x10, 0x01)
	b.leaves[index] = merkle.LeafHash(b.entries[index])
	b.signed = ""
}

type fakeAccounts struct {
	creditbankv1.UnimplementedAccountServiceServer
	bank *fakeBank
}

// OpenAccount implements creditbankv1.AccountServiceServer. Every fiftieth person has an account already.
func (a fakeAccounts) OpenAccount(ctx context.Context, r *creditbankv1.OpenAccountRequest) (*creditbankv1.OpenAccountResponse, error) {
	if err := a.bank.caller(ctx, access.Organization); err != nil {
		return nil, err
	}
	if kind := r.GetDocument().GetKind(); kind != creditbankv1.DocumentKind_DOCUMENT_KIND_PASSPORT {
		return nil, refuse(codes.InvalidArgument, "DOCUMENT_INVALID", "document.kind", kind.String())
	}
	if _, err := unit.ParseDocument(unit.Passport, r.GetDocument().GetNumber(), time.Now()); err != nil {
		return nil, refuse(codes.InvalidArgument, "DOCUMENT_INVALID", "document.number", err.Error())
	}
	if r.GetHome() == "" || r.GetName() == "" || len(r.GetRequestId()) != 36 {
		return nil, refuse(codes.InvalidArgument, "FIELD_INVALID", "home", "something is missing")
	}
	number, err := unit.NewAccountNumber(rand.Reader)
	if err != nil {
		return nil, err
	}
	a.bank.mu.Lock()
	defer a.bank.mu.Unlock()
	a.bank.opened++
	return &creditbankv1.OpenAccountResponse{
		Account: &creditbankv1.Account{AccountNumber: string(number), AccountId: residentID}, Existed: a.bank.opened%50 == 0,
	}, nil
}

type fakePortfolio struct {
	creditbankv1.UnimplementedPortfolioServiceServer
	bank *fakeBank
}

// GetPortfolio implements creditbankv1.PortfolioServiceServer.
func (f fakePortfolio) GetPortfolio(ctx context.Context, r *creditbankv1.GetPortfolioRequest) (*creditbankv1.GetPortfolioResponse, error) {
	if err := f.bank.caller(ctx, access.Resident, access.Officer); err != nil {
		return nil, err
	}
	if r.GetAccountId() != "" && r.GetAccountId() != residentID {
		return nil, refuse(codes.NotFound, "UNKNOWN_ACCOUNT", "account_id", "there is no such account")
	}
	totals := &creditbankv1.Totals{Minutes: 270, IssuedMilliCredits: 300, AvailableMilliCredits: 200, PendingMilliCredits: 100}
	return &creditbankv1.GetPortfolioResponse{Portfolio: &creditbankv1.Portfolio{
		Entries: make([]*creditbankv1.PortfolioEntry, r.GetEntryLimit()), AccountId: residentID, Totals: totals, EntryCount: 3, LogSize: 9,
		Categories: []*creditbankv1.CategoryTotals{
			{Category: "arts", Name: &creditbankv1.Text{Zh: "人文艺术", En: "humanities and arts"}, Totals: totals},
		},
		Points: &creditbankv1.PointTotals{
			MilliPoints: 5400, LapsedMilliPoints: 600, WaitsForVerification: true, Lapses: []*creditbankv1.PointLapse{
				{LastDate: "2026-12-31", MilliPoints: 3600}, {MilliPoints: 1800},
			},
		},
		Requirements: []*creditbankv1.RequirementProgress{{
			Year: 2026, Rule: "year", Minutes: 270, RequiredMinutes: 4050, ProfessionalMinutes: 0, RequiredProfessionalMinutes: 2700,
			Words: &creditbankv1.Text{Zh: "每年至少 90 学时", En: "at least 90 hours a year"},
		}},
	}}, nil
}

// ListPortfolioEntries implements creditbankv1.PortfolioServiceServer: one entry a page.
func (f fakePortfolio) ListPortfolioEntries(
	ctx context.Context, r *creditbankv1.ListPortfolioEntriesRequest,
) (*creditbankv1.ListPortfolioEntriesResponse, error) {
	if err := f.bank.caller(ctx, access.Resident, access.Officer); err != nil {
		return nil, err
	}
	assessment := &creditbankv1.Assessment{Outcome: ledgerv1.Outcome_OUTCOME_AWARDED, Minutes: 90, AvailableMilliCredits: 100}
	if r.GetView() == creditbankv1.View_VIEW_FULL {
		assessment.Reasons = []*creditbankv1.Reason{
			{
				Stage: ledgerv1.Stage_STAGE_CONVERSION, Rule: "offline", Before: 90, After: 125,
				Words: &creditbankv1.Text{Zh: "面授 16 学时计 1 学分", En: "16 classroom hours make 1 credit"},
			},
			{Stage: ledgerv1.Stage_STAGE_ROUNDING, Rule: "tenth", Before: 125, After: 100},
			{Stage: ledgerv1.Stage_STAGE_POINTS, Rule: "hour", Before: 90, After: 1800, Limit: 60},
		}
	}
	page := len(r.GetPageToken())
	answer := &creditbankv1.ListPortfolioEntriesResponse{Entries: []*creditbankv1.PortfolioEntry{{
		EntryIndex: uint64(7 + page), Course: "calligraphy-1", CourseTitle: "书法入门\x1b[2J", Provider: "school-cuiyuan",
		ProviderName: "翠苑街道社区学校", EndDate: "2026-03-01", Assessment: assessment,
	}}}
	f.bank.mu.Lock()
	if claim := f.bank.claim.entry; claim != nil && page == 0 {
		answer.Entries = append(answer.Entries, claim)
	}
	f.bank.mu.Unlock()
	if page < 2 {
		answer.NextPageToken = r.GetPageToken() + "x"
	}
	return answer, nil
}

// files writes what callers of the bank need, and answers their environment.
func (b *fakeBank) files(write func(name string, content []byte) error) ([]string, error) {
	account, err := hex.DecodeString(residentID)
	if err != nil {
		return nil, err
	}
	officer, err := access.OfficerToken(bankID, issuer, officerID, b.issuerKey, time.Now(), time.Hour)
	if err != nil {
		return nil, err
	}
	resident, err := access.ResidentToken(bankID, issuer, unit.AccountID(account), b.issuerKey, time.Now(), time.Hour)
	if err != nil {
		return nil, err
	}
	signKey, err := b.signKey.MarshalPEM()
	if err != nil {
		return nil, err
	}
	authKey, err := b.authKey.MarshalPEM()
	if err != nil {
		return nil, err
	}
	issuerKey, err := b.issuerKey.MarshalPEM()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		"officer.token": []byte(officer + "\n"), "resident.token": []byte(resident), "sign.pem": signKey, "auth.pem": authKey, "token.pem": issuerKey,
		"log.vkey": []byte(b.VKey + "\n"),
	} {
		if err := write(name, content); err != nil {
			return nil, err
		}
	}
	return []string{
		"CREDITBANK_GRPC=" + b.GRPC, "CREDITBANK_HTTP=" + b.HTTP, "CREDITBANK_BANK=" + bankID, "CREDITBANK_LANG=en",
	}, nil
}
