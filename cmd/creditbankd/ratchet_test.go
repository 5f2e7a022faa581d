package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/learning-credit-bank/creditbank/api/apitest"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// The ratchet: testdata/formats has a small bank of each released format – ledger, vault, anchor, keys, configuration – which every
// later version has to open, find sound, answer from, and go on with. A bank is made by
//
//	go test ./cmd/creditbankd -run Ratchet -formats.update=NAME
//
// and never made again once NAME is released.
var formatsUpdate = flag.String("formats.update", "", "name of a bank that is made for testdata/formats; empty: none")

const (
	formats = "testdata/formats"
	// memoir is the file of an archive that says what its bank has to answer.
	memoir = "ratchet.json"
	// elsewhere stands in its texts for the directory in which it was made.
	elsewhere = "@DIRECTORY@"
	// maxArchive is how large an archive may be: it is in every clone for ever.
	maxArchive = 1 << 20
)

// remembered is what a bank of a format has to answer.
type remembered struct {
	// Now is the clock at its end.
	Now time.Time `json:"now"`
	// Facts is how many entries there are of each.
	Facts map[string]int `json:"facts"`
	// Records are the portfolios by account, and their entries, in the JSON of protobuf.
	Records map[string]rememberedRecord `json:"records"`
	// Posted has been posted, and Fresh has not: requests of platforms, in the JSON of protobuf.
	Posted json.RawMessage `json:"posted"`
	Fresh  json.RawMessage `json:"fresh"`
	// Transfers are by the entries that asked for them.
	Transfers map[uint64]keptTransfer `json:"transfers"`
	// Merged are accounts that became part of others, and of which.
	Merged map[string]string `json:"merged"`
	// VerifierKey is the public key of the log.
	VerifierKey string `json:"verifier_key"`
}

type rememberedRecord struct {
	Portfolio json.RawMessage   `json:"portfolio"`
	Entries   []json.RawMessage `json:"entries"`
}

func TestRatchet(t *testing.T) {
	if *formatsUpdate != "" {
		keepFormat(t, filepath.Join(formats, *formatsUpdate+".tar.gz"))
	}
	archives, err := filepath.Glob(filepath.Join(formats, "*.tar.gz"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("%d banks to open, %v", len(archives), err)
	}
	opened, kept := 0, make(map[string]int)
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			for name, count := range openFormat(t, archive) {
				kept[name] += count
			}
			opened++
		})
	}
	if opened == len(archives) { // not only those that -run chose, and none failed early
		checkKept(t, kept)
	}
}

// openFormat goes on with a bank of a released format, and answers how many entries it had of each fact.
func openFormat(t *testing.T, archive string) map[string]int {
	t.Helper()
	directory := t.TempDir()
	unpack(t, archive, directory)
	var m remembered
	text, err := os.ReadFile(filepath.Join(directory, memoir))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	configuration := filepath.Join(directory, "creditbank.yaml")
	once(t, "fsck", "--config", configuration).must()
	if got := factsOf(t, filepath.Join(directory, "data")); !maps.Equal(got, m.Facts) {
		t.Errorf("it has the facts %v, and had %v", got, m.Facts)
	}

	issuer, err := readPrivateKey(filepath.Join(directory, "keys", "token-signer"))
	if err != nil {
		t.Fatal(err)
	}
	d := &day{t: t, configuration: configuration, now: m.Now, vkey: m.VerifierKey}
	d.show = &show{process: &process{stderr: io.Discard, now: d.clock}, directory: directory, issuer: issuer}
	if err := d.serve(); err != nil {
		t.Fatal(err)
	}
	if len(m.Records) == 0 {
		t.Error("there are no records")
	}
	for account, want := range m.Records {
		id, err := unit.ParseAccountID(account)
		if err != nil {
			t.Fatal(err)
		}
		portfolio, entries := d.recordOf(id)
		differences(t, account, want.Portfolio, portfolio)
		if len(entries) != len(want.Entries) {
			t.Errorf("account %s has %d entries, and had %d", account, len(entries), len(want.Entries))
			continue
		}
		for i := range entries {
			differences(t, account, want.Entries[i], entries[i])
		}
	}
	d.checkTransfers(m.Transfers)
	if len(m.Transfers) == 0 || len(m.Merged) == 0 {
		t.Error("there are no transfers, or no merged accounts")
	}
	for account, into := range m.Merged {
		id, err := unit.ParseAccountID(account)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.mergedInto(id); got != into {
			t.Errorf("account %s leads to %q, and led to %q", account, got, into)
		}
	}
	d.checkConsents(m.Transfers)
	size := d.posts(m.Posted, creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED)
	if grown := d.posts(m.Fresh, creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED); grown <= size {
		t.Errorf("the log has %d entries, and had %d", grown, size)
	}
	d.posts(m.Fresh, creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED)
	d.acceptWaiting(m.Transfers)
	if code := d.server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, d.server.stderr.String())
	}
	once(t, "fsck", "--config", configuration).must()
	return m.Facts
}

// posts sends what a platform sent, whose statements all become one thing or are rejected as they were, and answers the size of
// the log.
func (d *day) posts(sent json.RawMessage, want creditbankv1.StatementStatus) int64 {
	d.t.Helper()
	request := new(creditbankv1.RecordCompletionsRequest)
	if err := protojson.Unmarshal(sent, request); err != nil {
		d.t.Fatal(err)
	}
	key, err := readPrivateKey(filepath.Join(d.directory, "platforms", request.GetOrganization()+".authenticate.pem"))
	if err != nil {
		d.t.Fatal(err)
	}
	by := platform{authenticate: keyFile{PrivateKey: key}}
	by.ID = request.GetOrganization()
	answer, err := creditbankv1.NewCompletionServiceClient(d.conn).RecordCompletions(d.t.Context(), request, d.asPlatform(by))
	if err != nil {
		d.t.Fatal(err)
	}
	count := 0
	for _, result := range answer.GetResults() {
		switch result.GetStatus() {
		case want:
			count++
		case creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED:
		default:
			d.t.Errorf("a statement is %v, not %v", result.GetStatus(), want)
		}
	}
	if count == 0 {
		d.t.Errorf("no statement is %v: %v", want, answer.GetResults())
	}
	size := regexp.MustCompile(`(?m)^\d+$`).FindString(answer.GetCheckpoint())
	var n int64
	if err := json.Unmarshal([]byte(size), &n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// recordOf is the record of an account as its holder reads it, without what changes with every entry of the log.
func (d *day) recordOf(id unit.AccountID) (*creditbankv1.Portfolio, []*creditbankv1.PortfolioEntry) {
	d.t.Helper()
	answer, err := creditbankv1.NewPortfolioServiceClient(d.conn).GetPortfolio(d.t.Context(), new(creditbankv1.GetPortfolioRequest), d.asResident(id))
	if err != nil {
		d.t.Fatal(err)
	}
	portfolio := answer.GetPortfolio()
	portfolio.LogSize = 0
	return portfolio, d.entries(id)
}

// differences reports what was said and is said no more, or otherwise. A later version may say more.
func differences(t *testing.T, of string, was json.RawMessage, now proto.Message) {
	t.Helper()
	before := now.ProtoReflect().New()
	if err := protojson.Unmarshal(was, before.Interface()); err != nil {
		t.Errorf("%s: it said what is not known any more: %v", of, err)
		return
	}
	if path := missing(before, now.ProtoReflect()); path != "" {
		t.Errorf("%s: %s was\n%v\nand is\n%v", of, path, before.Interface(), now)
	}
}

// missing is the first field of a message that another one does not have, or has otherwise; empty if there is none.
func missing(before, now protoreflect.Message) (path string) {
	before.Range(func(field protoreflect.FieldDescriptor, was protoreflect.Value) bool {
		is := now.Get(field)
		switch {
		case !now.Has(field):
			path = string(field.Name())
		case field.IsList():
			if was.List().Len() != is.List().Len() {
				path = string(field.Name())
				return false
			}
			for i := 0; i < was.List().Len() && path == ""; i++ {
				path = missingIn(field, was.List().Get(i), is.List().Get(i))
			}
		case field.IsMap():
			if !was.Equal(is) {
				path = string(field.Name())
			}
		default:
			path = missingIn(field, was, is)
		}
		return path == ""
	})
	return path
}

func missingIn(field protoreflect.FieldDescriptor, was, is protoreflect.Value) string {
	if field.Message() != nil {
		if path := missing(was.Message(), is.Message()); path != "" {
			return string(field.Name()) + "." + path
		}
		return ""
	}
	if !was.Equal(is) {
		return string(field.Name())
	}
	return ""
}

// factsOf counts the entries of a ledger by fact.
func factsOf(t *testing.T, directory string) map[string]int {
	t.Helper()
	engine, err := pebble.Open(directory, pebble.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer shutStore(t, engine)
	facts := make(map[string]int)
	for row, err := range engine.Scan(t.Context(), store.Prefix([]byte{book.TableEntries})) {
		if err != nil {
			t.Fatal(err)
		}
		e := new(ledgerv1.Entry)
		if err := proto.Unmarshal(row.Value, e); err != nil {
			t.Fatal(err)
		}
		facts[book.Fact(e)]++
	}
	return facts
}

// keepFormat makes a bank through its own API, has everything happen in it that can happen in a day, and packs it.
func keepFormat(t *testing.T, archive string) {
	t.Helper()
	d := newDay(t, &district.District{Seed: 20, Day: district.DayOf(noon()), Accounts: 24, Completions: 260})
	m := remembered{Records: make(map[string]rememberedRecord)}
	d.postAllButOne(&m)
	d.claimTwo()
	d.takeOver()
	if err := d.decide(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.removeOfficer()
	if err := d.admit(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.consentAndAgree()
	d.trust(d.institutions[0].ID)
	account, waiting := d.transferSome()
	d.claw()
	merged, into := d.mergeAll()
	d.exceed()
	d.lapses(account, waiting)
	d.endAgreement(d.institutions[1])
	d.asks(len(d.accounts), transferPlan{institution: 0, programme: "social-work-ba", end: waits})
	m.VerifierKey, m.Transfers = d.vkey, d.keepTransfers()
	m.Merged = map[string]string{merged.String(): into.String()}
	m.Now = d.clock()
	for _, id := range d.accounts {
		portfolio, entries := d.recordOf(id)
		if len(entries) == 0 {
			continue
		}
		r := rememberedRecord{Portfolio: asJSON(t, portfolio)}
		for _, entry := range entries {
			r.Entries = append(r.Entries, asJSON(t, entry))
		}
		m.Records[id.String()] = r
	}
	if code := d.server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, d.server.stderr.String())
	}
	once(t, "compact", "--config", d.configuration).must()
	m.Facts = factsOf(t, filepath.Join(d.directory, "data"))
	t.Logf("it has the facts %v", m.Facts)
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.directory, memoir), text, 0o600); err != nil {
		t.Fatal(err)
	}
	pack(t, d.directory, archive)
}

// factNames are all facts that an entry can have.
func factNames() (names []string) {
	fields := new(ledgerv1.Entry).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Message().Name()))
	}
	return names
}

func asJSON(t *testing.T, m proto.Message) json.RawMessage {
	t.Helper()
	raw, err := messageJSON(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// messageJSON is a message as JSON without the white space that protojson varies.
func messageJSON(m proto.Message) (json.RawMessage, error) {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, raw)
	return compact.Bytes(), err
}

// postAllButOne posts what the platforms have to say but the last submission, and revokes the key of a platform that is heard of no
// more, of whose statements some then wait for an officer.
func (d *day) postAllButOne(m *remembered) {
	d.t.Helper()
	var all []district.Submission
	for submission, err := range d.district.Submissions(d.numbers) {
		if err != nil {
			d.t.Fatal(err)
		}
		all = append(all, submission)
	}
	last := len(all) - 1
	for all[last].New == 0 {
		last--
	}
	client := creditbankv1.NewCompletionServiceClient(d.conn)
	for i, submission := range all[:last+1] {
		p := d.platforms[submission.Platform]
		request, err := p.submission(submission.Statements)
		if err != nil {
			d.t.Fatal(err)
		}
		if i == last {
			m.Fresh = asJSON(d.t, request)
			break
		}
		if i == 0 {
			m.Posted = asJSON(d.t, request)
		}
		if _, err := client.RecordCompletions(d.t.Context(), request, d.asPlatform(p)); err != nil {
			d.t.Fatal(err)
		}
	}
	for place, p := range d.platforms {
		if place == all[0].Platform || place == all[last].Platform {
			continue
		}
		id := p.sign.Public().ID()
		revoked, err := creditbankv1.NewAdminServiceClient(d.conn).RevokeKey(d.t.Context(), &creditbankv1.RevokeKeyRequest{
			RequestId: d.district.RequestID("revoke", place), KeyId: hex.EncodeToString(id[:]), Reason: "lost",
			CompromisedSince: d.clock().Add(-time.Hour).UnixMicro(),
		}, d.as("administrator-1"))
		if err != nil {
			d.t.Fatal(err)
		}
		if revoked.GetCasesOpened() > 0 {
			return
		}
	}
	d.t.Error("no key was revoked that opens cases")
}

// claimTwo files two claims, of which officers may decide one.
func (d *day) claimTwo() {
	d.t.Helper()
	client := creditbankv1.NewReviewServiceClient(d.conn)
	for i := range 2 {
		by := d.asResident(d.accounts[i])
		uploaded, err := client.UploadEvidence(d.t.Context(), &creditbankv1.UploadEvidenceRequest{
			Name: "证明.pdf", MediaType: "application/pdf", Content: []byte(certificatePDF),
		}, by)
		if err != nil {
			d.t.Fatal(err)
		}
		_, err = client.SubmitClaim(d.t.Context(), &creditbankv1.SubmitClaimRequest{
			RequestId: d.district.RequestID("claim", i), Kind: ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, Category: "civic", Title: "社区志愿服务",
			Issuer: "翠苑街道", Minutes: 600, BeginDate: "2026-01-05", EndDate: "2026-03-20",
			Files: []*creditbankv1.EvidenceRef{{EvidenceId: uploaded.GetFile().GetEvidenceId(), Name: "证明.pdf"}},
		}, by)
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// takeOver has two officers take two opening balances over, and one of them back.
func (d *day) takeOver() {
	d.t.Helper()
	for n, rows := range [][]*ledgerv1.OpeningBalanceRow{
		{apitest.OpeningRow(d.numbers[0], "A-1"), apitest.OpeningRow(d.numbers[1], "A-2")}, {apitest.OpeningReversal(d.numbers[1], "A-2")},
	} {
		i, sent, err := apitest.Opening(rows...)
		if err != nil {
			d.t.Fatal(err)
		}
		about := &creditbankv1.OpeningBalanceImport{
			Organization: i.Organization, Source: i.Source, FileHash: hex.EncodeToString(i.FileHash), Rows: int32(i.Rows),
			Reversals: int32(i.Reversals), PartRoots: i.PartRoots,
		}
		for _, total := range i.Totals {
			about.Totals = append(about.Totals, &creditbankv1.CategoryAmount{
				Category: total.Category, Minutes: total.Minutes, MilliCredits: total.MilliCredits,
			})
		}
		client := creditbankv1.NewOpeningBalanceServiceClient(d.conn)
		proposed, err := client.ProposeOpeningBalances(d.t.Context(), &creditbankv1.ProposeOpeningBalancesRequest{
			RequestId: d.district.RequestID("propose", n), Import: about,
		}, d.as("certifier-1"))
		if err != nil {
			d.t.Fatal(err)
		}
		about.Import = proposed.GetImport().GetImport()
		_, err = client.ConfirmOpeningBalances(d.t.Context(), &creditbankv1.ConfirmOpeningBalancesRequest{
			RequestId: d.district.RequestID("confirm", n), Import: about,
		}, d.as("certifier-2"))
		if err != nil {
			d.t.Fatal(err)
		}
		_, err = client.RecordOpeningBalances(d.t.Context(), &creditbankv1.RecordOpeningBalancesRequest{
			Import: about.GetImport(), Rows: sent,
		}, d.as("certifier-2"))
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// exceed posts more than counts in a half-year, so that credits wait, and what takes one completion back; in the next half-year they
// are released. What is learned from then on can be used for a month, and is not.
func (d *day) exceed() {
	d.t.Helper()
	i := slices.IndexFunc(d.district.Courses(), func(c district.Course) bool {
		return c.Category == "vocational" && c.Group == "" && c.Decision == ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED
	})
	course, p := d.district.Courses()[i], d.platforms[0]
	post := func(n, sessions int, void bool) {
		id := func(n int) []byte { id := uuid.MustParse(d.district.RequestID("exceed", n)); return id[:] }
		s := &statementv1.Statement{Id: id(n), Salt: make([]byte, 16)}
		if void {
			s.Assertion = &statementv1.Statement_CompletionVoid{CompletionVoid: &statementv1.CompletionVoid{
				StatementId: id(n - 1), Reason: statementv1.VoidReason_VOID_REASON_POSTED_IN_ERROR,
			}}
		} else {
			completion := &statementv1.Completion{
				AccountNumber: string(d.numbers[0]), Provider: course.Provider, Course: course.Code, CourseVersion: course.Version,
				Mode: statementv1.Mode_MODE_CLASSROOM, Score: new(int32(90)),
			}
			const minutes = 360
			for i := range sessions {
				start := d.clock().AddDate(0, 0, i-sessions).Add(-10 * time.Hour).Truncate(time.Second)
				completion.Sessions = append(completion.Sessions, apitest.Session(start, minutes))
			}
			s.Assertion = &statementv1.Statement_Completion{Completion: completion}
		}
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
		if err != nil {
			d.t.Fatal(err)
		}
		request, err := p.submission([][]byte{raw})
		if err != nil {
			d.t.Fatal(err)
		}
		answer, err := creditbankv1.NewCompletionServiceClient(d.conn).RecordCompletions(d.t.Context(), request, d.asPlatform(p))
		if err != nil || answer.GetResults()[0].GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED {
			d.t.Fatalf("%v, %v", answer, err)
		}
	}
	post(0, 60, false)
	post(1, 1, false)
	post(2, 0, true)
	d.limit()
	d.pass(120)
	post(3, 1, false)
	d.pass(40)
	post(4, 1, false)
}

// removeOfficer appoints an officer, and removes them.
func (d *day) removeOfficer() {
	d.t.Helper()
	client, by := creditbankv1.NewAdminServiceClient(d.conn), d.as("administrator-2")
	_, err := client.AppointOfficer(d.t.Context(), &creditbankv1.AppointOfficerRequest{
		RequestId: d.district.RequestID("appoint", 0), Officer: "certifier-9", Organization: district.Root,
		Roles: []ledgerv1.OfficerRole{ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION},
	}, by)
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = client.RemoveOfficer(d.t.Context(), &creditbankv1.RemoveOfficerRequest{
		RequestId: d.district.RequestID("remove", 0), Officer: "certifier-9", Reason: "left",
	}, by)
	if err != nil {
		d.t.Fatal(err)
	}
}

// pack writes a directory into an archive. Its texts say elsewhere instead of where it lies.
func pack(t *testing.T, directory, archive string) {
	t.Helper()
	var b bytes.Buffer
	packed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	to := tar.NewWriter(packed)
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		if isText(name) {
			content = bytes.ReplaceAll(content, []byte(directory), []byte(elsewhere))
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(content))}
		if err := to.WriteHeader(header); err != nil {
			return err
		}
		_, err = to.Write(content)
		return err
	})
	if err = errors.Join(err, to.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	if b.Len() > maxArchive {
		t.Fatalf("the archive has %d bytes", b.Len())
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(archive), 0o750), os.WriteFile(archive, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s has %d bytes", archive, b.Len())
}

func isText(name string) bool {
	return slices.Contains([]string{".yaml", ".json", ".service", ""}, filepath.Ext(name)) && !strings.HasPrefix(name, "data") && !strings.HasPrefix(name, "vault")
}

// unpack is the inverse of pack.
func unpack(t *testing.T, archive, directory string) {
	t.Helper()
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for from := tar.NewReader(packed); ; {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !filepath.IsLocal(header.Name) {
			t.Fatalf("%s is outside of its directory", header.Name)
		}
		content, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		if isText(header.Name) {
			content = bytes.ReplaceAll(content, []byte(elsewhere), []byte(directory))
		}
		path := filepath.Join(directory, header.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// What differs is found wherever it lies, and what was added is no difference.
func TestMissing(t *testing.T) {
	was := func() *creditbankv1.Portfolio {
		return &creditbankv1.Portfolio{
			AccountId: "a", Totals: &creditbankv1.Totals{Minutes: 90},
			Entries: []*creditbankv1.PortfolioEntry{{EntryIndex: 7, Assessment: &creditbankv1.Assessment{Causes: []string{"x"}}}},
		}
	}
	for want, change := range map[string]func(p *creditbankv1.Portfolio){
		"":                          func(p *creditbankv1.Portfolio) { p.EntryCount, p.Totals.IssuedMilliCredits = 1, 2 },
		"account_id":                func(p *creditbankv1.Portfolio) { p.AccountId = "b" },
		"totals":                    func(p *creditbankv1.Portfolio) { p.Totals = nil },
		"totals.minutes":            func(p *creditbankv1.Portfolio) { p.Totals.Minutes = 91 },
		"entries":                   func(p *creditbankv1.Portfolio) { p.Entries = append(p.Entries, p.GetEntries()[0]) },
		"entries.assessment.causes": func(p *creditbankv1.Portfolio) { p.Entries[0].Assessment.Causes[0] = "y" },
	} {
		now := was()
		change(now)
		if path := missing(was().ProtoReflect(), now.ProtoReflect()); path != want {
			t.Errorf("%q is missing, want %q", path, want)
		}
	}
}
