package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// How much happens on the day: so many people, completions that platforms post, and claims to prior learning. One of the
// claims is filed by the script.
const (
	dayAccounts    = 150
	dayCompletions = 2000
	dayClaims      = 50
)

// A day of a district: what its platforms post and its people claim, and how two officers and one who decides appeals and
// objections clear the queue, with the commands that they would use. The bank is served by this process, since its clock is
// moved; the client is a process of its own.
func TestDay(t *testing.T) {
	if testing.Short() {
		t.Skip("a day is long")
	}
	d := newDay(t, &district.District{Seed: 3, Day: district.DayOf(noon()), Accounts: dayAccounts, Completions: dayCompletions})
	d.buildClient()
	d.postAll()
	d.claimAll()
	// In a test of its own, which ends when its script does.
	t.Run("script", d.script)
	if t.Failed() {
		return
	}
	records := d.checkAccounts()
	d.checkCases()
	if code := d.server.finish(); code != exitOK {
		t.Fatalf("it ended with %d\n%s", code, d.server.stderr.String())
	}
	once(t, "fsck", "--config", d.configuration).must()
	d.checkEntries(records)
}

// day is a district, its bank, and who can be signed in.
type day struct {
	*show
	t                           *testing.T
	configuration, vkey, client string
	server                      *command
	at                          addresses
	accounts                    []unit.AccountID

	mu  sync.Mutex // guards now, which the server reads
	now time.Time
}

// buildClient builds the program that the script calls.
func (d *day) buildClient() {
	d.t.Helper()
	d.client = filepath.Join(d.t.TempDir(), "creditbank")
	build := exec.CommandContext(d.t.Context(), "go", "build", "-o", d.client, modulePath+"cmd/creditbank")
	if output, err := build.CombinedOutput(); err != nil {
		d.t.Fatalf("%v\n%s", err, output)
	}
}

// newDay founds a bank for a district, whose accounts are open.
func newDay(t *testing.T, people *district.District) *day {
	t.Helper()
	directory := t.TempDir()
	d := &day{t: t, configuration: filepath.Join(directory, "creditbank.yaml"), now: noon()}
	founded := start(t, d.clock, replaceFlags(founding(d.configuration), []string{
		"--bank.id", demoBankID, "--bank.origin", demoOrigin, "--administrators", "administrator-1,administrator-2", "--shutdown.grace", "5s",
		"--listen.grpc", "127.0.0.1:0", "--listen.http", "127.0.0.1:0", "--listen.admin", "127.0.0.1:0",
	})...)
	<-founded.ended
	d.vkey = regexp.MustCompile(`verifier key +(\S+)`).FindStringSubmatch(founded.must().stdout.String())[1]

	issuer, err := readPrivateKey(filepath.Join(directory, "keys", "token-signer"))
	if err != nil {
		t.Fatal(err)
	}
	d.show = &show{
		process: &process{stderr: io.Discard, now: d.clock}, directory: directory, issuer: issuer,
		district: people,
	}
	if d.residents, err = d.district.People(); err != nil {
		t.Fatal(err)
	}
	if err := d.platformKeys(); err != nil {
		t.Fatal(err)
	}
	if err := d.serve(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{d.register, d.publish, d.accredit, d.openAll} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *day) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// serve starts the bank.
func (d *day) serve() (err error) {
	d.server = start(d.t, d.clock, "serve", "--config", d.configuration)
	select {
	case d.at = <-d.server.started:
	case <-d.server.ended:
		return fmt.Errorf("the bank ended with %d\n%s", d.server.code, d.server.stderr.String())
	}
	conn, err := grpc.NewClient(d.at.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	d.conn = conn
	d.t.Cleanup(func() { _ = conn.Close() })
	return nil
}

// openAll opens the accounts.
func (d *day) openAll(ctx context.Context) error {
	client, registrar := creditbankv1.NewAccountServiceClient(d.conn), d.as("registrar-1")
	d.numbers, d.accounts = make([]unit.AccountNumber, len(d.residents)), make([]unit.AccountID, len(d.residents))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(openedAtOnce)
	for i, r := range d.residents {
		group.Go(func() error {
			opened, err := client.OpenAccount(ctx, &creditbankv1.OpenAccountRequest{
				RequestId: d.district.RequestID("account", i), Name: r.Name, Home: r.Home, Contact: r.Contact, DocumentChecked: true,
				Document: &creditbankv1.Document{Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: r.Identity},
			}, registrar)
			if err != nil {
				return err
			}
			d.numbers[i] = unit.AccountNumber(opened.GetAccount().GetAccountNumber())
			d.accounts[i], err = unit.ParseAccountID(opened.GetAccount().GetAccountId())
			return err
		})
	}
	return group.Wait()
}

// resident is a token of somebody who has an account.
func (d *day) resident(id unit.AccountID) (string, error) {
	return access.ResidentToken(demoBankID, access.LocalIssuer, id, d.issuer, d.clock(), access.MaxPersonToken)
}

// asResident makes a call a resident's.
func (d *day) asResident(id unit.AccountID) grpc.CallOption {
	d.t.Helper()
	token, err := d.resident(id)
	if err != nil {
		d.t.Fatal(err)
	}
	return grpc.PerRPCCredentials(bearer(token))
}

// postAll posts what the platforms have to say, which is of every kind.
func (d *day) postAll() {
	d.t.Helper()
	if err := d.post(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	tally := d.tally
	if tally.statements < dayCompletions || tally.voids == 0 || tally.replayed == 0 || len(tally.rejected) == 0 {
		d.t.Errorf("too little was posted: %+v", tally)
	}
	for _, outcome := range []ledgerv1.Outcome{
		ledgerv1.Outcome_OUTCOME_AWARDED, ledgerv1.Outcome_OUTCOME_IN_REVIEW, ledgerv1.Outcome_OUTCOME_NO_CREDIT, ledgerv1.Outcome_OUTCOME_DUPLICATE,
	} {
		if tally.recorded[outcome.String()] == 0 {
			d.t.Errorf("nothing is %s: %v", outcome, tally.recorded)
		}
	}
}

const certificatePDF = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\nxref\n0 1\ntrailer << /Size 1 /Root 1 0 R >>\nstartxref\n45\n%%EOF\n"

func certificatePNG(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// claimAll files all claims but one: certificates, work, teaching and volunteering in turn.
func (d *day) claimAll() {
	d.t.Helper()
	client, picture := creditbankv1.NewReviewServiceClient(d.conn), certificatePNG(d.t)
	claims := []*creditbankv1.SubmitClaimRequest{
		{Kind: ledgerv1.ClaimKind_CLAIM_KIND_CERTIFICATE, Category: "science", Title: "计算机等级证书", Issuer: "教育部", Minutes: 2160},
		{Kind: ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, Category: "civic", Title: "社区志愿服务", Issuer: "翠苑街道", Minutes: 600},
		{Kind: ledgerv1.ClaimKind_CLAIM_KIND_WORK, Category: "vocational", Title: "茶艺师", Issuer: "龙井茶社", Minutes: 5400},
		{Kind: ledgerv1.ClaimKind_CLAIM_KIND_VOLUNTEERING, Category: "safety", Title: "平安巡防", Issuer: "文新街道", Minutes: 480},
		{Kind: ledgerv1.ClaimKind_CLAIM_KIND_TEACHING, Category: "arts", Title: "书法授课", Issuer: "北山街道社区学校", Minutes: 900},
	}
	for i := range dayClaims - 1 {
		by, claim := d.asResident(d.accounts[i]), claims[i%len(claims)]
		file := &creditbankv1.UploadEvidenceRequest{Name: "证明.png", MediaType: "image/png", Content: picture}
		if i%2 == 0 {
			file = &creditbankv1.UploadEvidenceRequest{Name: "证明.pdf", MediaType: "application/pdf", Content: []byte(certificatePDF)}
		}
		uploaded, err := client.UploadEvidence(d.t.Context(), file, by)
		if err != nil {
			d.t.Fatal(err)
		}
		claim.RequestId, claim.BeginDate, claim.EndDate = d.district.RequestID("claim", i), "2026-01-05", "2026-03-20"
		claim.Files = []*creditbankv1.EvidenceRef{{EvidenceId: uploaded.GetFile().GetEvidenceId(), Name: file.GetName()}}
		if _, err := client.SubmitClaim(d.t.Context(), claim, by); err != nil {
			d.t.Fatal(err)
		}
	}
}

// script runs what the officers and residents do.
func (d *day) script(t *testing.T) {
	picture := certificatePNG(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/day", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(d.client))
			env.Setenv("CREDITBANK_LANG", "en")
			env.Setenv("CREDITBANK_VKEY", d.vkey)
			env.Setenv("CREDITBANK_TOKEN_FILE", filepath.Join(env.WorkDir, "token"))
			env.Setenv("CREDITBANK_GRPC", d.at.grpc)
			env.Setenv("CREDITBANK_HTTP", "http://"+d.at.http)
			return errors.Join(
				os.WriteFile(filepath.Join(env.WorkDir, "certificate.png"), picture, 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "certificate.pdf"), []byte(certificatePDF), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"as": d.signIn, "queue": queue, "pick": pick, "each": d.each, "together": together, "days": d.days, "none": d.none,
		},
	})
}

// signIn signs somebody in: as OFFICER, as learner CASE, as neighbour CASE, who is another resident, as resident N.
func (d *day) signIn(ts *testscript.TestScript, _ bool, args []string) {
	var (
		token string
		err   error
	)
	switch args[0] {
	case "learner", "neighbour", "resident":
		n, wrong := strconv.ParseUint(args[1], 10, 64)
		ts.Check(wrong)
		id := d.accounts[n%uint64(len(d.accounts))]
		if args[0] != "resident" {
			learner, wrong := d.learner(n)
			ts.Check(wrong)
			if id = learner; args[0] == "neighbour" {
				id = d.accounts[(slices.Index(d.accounts, learner)+1)%len(d.accounts)]
			}
		}
		token, err = d.resident(id)
	default:
		token, err = access.OfficerToken(demoBankID, access.LocalIssuer, args[0], d.issuer, d.clock(), access.MaxPersonToken)
	}
	ts.Check(err)
	ts.Check(os.WriteFile(ts.Getenv("CREDITBANK_TOKEN_FILE"), []byte(token), 0o600))
}

// learner is whose case it is.
func (d *day) learner(id uint64) (unit.AccountID, error) {
	answer, err := creditbankv1.NewReviewServiceClient(d.conn).GetCase(context.Background(), &creditbankv1.GetCaseRequest{CaseId: id}, d.as("certifier-3"))
	if err != nil {
		return unit.AccountID{}, err
	}
	return unit.ParseAccountID(answer.GetCase().GetAccountId())
}

// queue notes the ids of cases: queue VAR claims|completions FLAG…, with flags of `creditbank review list`.
func queue(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("creditbank", append([]string{"review", "list", "--json", "--limit", "0"}, args[2:]...)...))
	var cases []struct {
		ID    string `json:"caseId"`
		Claim bool   `json:"claim"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &cases))
	var list []string
	for _, one := range cases {
		if one.Claim == (args[1] == "claims") {
			list = append(list, one.ID)
		}
	}
	ts.Setenv(args[0], strings.Join(list, " "))
	ts.Logf("%d cases", len(ids(ts, args[0])))
}

// pick takes the first cases out of a list: pick N VAR LIST.
func pick(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	list := ids(ts, args[2])
	if len(list) < n {
		ts.Fatalf("%s has %d cases", args[2], len(list))
	}
	ts.Setenv(args[1], strings.Join(list[:n], " "))
	ts.Setenv(args[2], strings.Join(list[n:], " "))
}

// ids are the cases of a list, of which there has to be one.
func ids(ts *testscript.TestScript, list string) []string {
	all := strings.Fields(ts.Getenv(list))
	if len(all) == 0 {
		ts.Fatalf("%s has no cases", list)
	}
	return all
}

// each runs a command for each case of a list, in the place of CASE; with learner after the list, as the learner of each:
// each LIST [learner] COMMAND…
func (d *day) each(ts *testscript.TestScript, _ bool, args []string) {
	for _, id := range ids(ts, args[0]) {
		command := slices.Clone(args[1:])
		if command[0] == "learner" {
			d.signIn(ts, false, []string{"learner", id})
			command = command[1:]
		}
		for i := range command {
			if command[i] == "CASE" {
				command[i] = id
			}
		}
		ts.Check(ts.Exec(command[0], command[1:]...))
	}
}

// together runs a command for all cases of a list at once, in the place of CASE: together LIST COMMAND…
func together(ts *testscript.TestScript, _ bool, args []string) {
	var command []string
	for _, arg := range args[1:] {
		if arg == "CASE" {
			command = append(command, ids(ts, args[0])...)
			continue
		}
		command = append(command, arg)
	}
	ts.Check(ts.Exec(command[0], command[1:]...))
}

// days lets days pass: the bank is stopped, and started when they have.
func (d *day) days(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	if code := d.server.finish(); code != exitOK {
		ts.Fatalf("the bank ended with %d\n%s", code, d.server.stderr.String())
	}
	d.mu.Lock()
	d.now = d.now.AddDate(0, 0, n)
	d.mu.Unlock()
	ts.Check(d.serve())
	ts.Setenv("CREDITBANK_GRPC", d.at.grpc)
	ts.Setenv("CREDITBANK_HTTP", "http://"+d.at.http)
}

// none waits until no case is in a state: none STATE. A bank that was started settles what is overdue beside its other work.
func (d *day) none(ts *testscript.TestScript, _ bool, args []string) {
	state := creditbankv1.CaseState(creditbankv1.CaseState_value["CASE_STATE_"+args[0]])
	if state == creditbankv1.CaseState_CASE_STATE_UNSPECIFIED {
		ts.Fatalf("there is no state %s", args[0])
	}
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		answer, err := creditbankv1.NewReviewServiceClient(d.conn).CountCases(ctx, &creditbankv1.CountCasesRequest{State: state}, d.as("certifier-3"))
		ts.Check(err)
		if len(answer.GetCounts()) == 0 {
			return
		}
		<-ticker.C
	}
}
