package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/district"
	"github.com/learning-credit-bank/creditbank/ledger/book"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/store"
	"github.com/learning-credit-bank/creditbank/ledger/store/pebble"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

var killRounds = flag.Int("kill.rounds", 0, "how often the server is killed under load; 0: a few times, and never with -short")

// Rounds of a run that is asked for nothing, and how much of what is known is asked for after each.
const (
	usualRounds  = 4
	askedAgain   = 300
	provedAgain  = 20
	mostAnswered = 60 // calls of a round, before the server is killed
)

// The real server is killed under load, again and again, and every receipt that its clients hold is checked. The system
// goes on, so that what was written stays written: a loss of power is simulated in api/simulation.
func TestKilledUnderLoadLosesNothing(t *testing.T) {
	rounds := *killRounds
	switch {
	case rounds > 0:
	case testing.Short():
		t.Skip("the server is killed in the long run: -kill.rounds asks for it")
	default:
		rounds = usualRounds
	}
	c := newClients(t)
	for round := range rounds {
		server := c.serve()
		c.checkAll(server, askedAgain, provedAgain)
		c.load(server)
		if t.Failed() {
			t.Fatalf("in round %d", round+1)
		}
	}
	server := c.serve()
	c.checkAll(server, len(c.receipts), len(c.receipts))
	server.stop()
	once(t, "fsck", "--config", c.configuration).must()
	c.checkNothingDoubled()
	t.Logf("%d rounds: %d receipts, %d calls without an answer (%d of them had been recorded), %d accounts, %d checkpoints of up to %d entries",
		rounds, len(c.receipts), c.unanswered, c.recorded, len(c.accounts), len(c.checkpoints), c.newest.Size)
}

// clients are four platforms and a registrar, and all that they were answered.
type clients struct {
	t                   *testing.T
	configuration, data string
	verifier            note.Verifier
	random              *rand.Rand
	platforms           []platform
	courses             []district.Course
	numbers             []string
	registrar           string // a token
	people              int

	mu          sync.Mutex // guards what follows while there is load
	receipts    []receipt
	checkpoints map[uint64]merkle.Hash
	newest      merkle.Checkpoint
	accounts    []opened
	doubts      []func(*victim)
	answered    int
	// unanswered calls were sent before the server was killed; recorded are those of them that had been.
	unanswered, recorded int
}

// receipt is what a platform holds of a statement.
type receipt struct {
	platform int
	raw      []byte
	index    uint64
}

// opened is an account and how it was asked for.
type opened struct {
	request *creditbankv1.OpenAccountRequest
	account *creditbankv1.Account
}

func newClients(t *testing.T) *clients {
	t.Helper()
	work := t.TempDir()
	c := &clients{
		t: t, configuration: filepath.Join(work, "creditbank.yaml"),
		random: rand.New(rand.NewPCG(1, 2)), checkpoints: make(map[uint64]merkle.Hash),
	}
	c.settle(filepath.Join(work, "bank"))
	return c
}

// settle has a demo make a district, and writes the configuration with which its bank is served.
func (c *clients) settle(directory string) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "ready.json")
	demo := start(c.t, time.Now, append([]string{
		"demo", "--data", directory, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", file,
	}, small()...)...)
	demo.ready()
	content, err := os.ReadFile(file)
	if code := demo.finish(); err != nil || code != exitOK {
		c.t.Fatalf("the demo ended with %d, %v", code, err)
	}
	var r ready
	if err := json.Unmarshal(content, &r); err != nil {
		c.t.Fatal(err)
	}
	if c.verifier, err = note.NewVerifier(r.LogVerifierKey); err != nil {
		c.t.Fatal(err)
	}
	for _, p := range r.Platforms {
		one := platform{Platform: district.Platform{Organization: district.Organization{ID: p.ID}}}
		for _, key := range []struct {
			file string
			to   *keyFile
		}{{p.KeyFile, &one.sign}, {p.AuthKeyFile, &one.authenticate}} {
			if key.to.PrivateKey, err = readPrivateKey(key.file); err != nil {
				c.t.Fatal(err)
			}
		}
		c.platforms = append(c.platforms, one)
	}
	for _, one := range r.Residents {
		c.numbers = append(c.numbers, one.AccountNumber)
	}
	for _, one := range r.Officers {
		if one.ID == "registrar-1" {
			c.registrar = tokenIn(c.t, one.TokenFile)
		}
	}
	for _, course := range (&district.District{Seed: 1, Day: district.DayOf(time.Now())}).Courses() {
		if course.Decision == ledgerv1.CourseDecision_COURSE_DECISION_ACCREDITED && course.Until == "" {
			c.courses = append(c.courses, course)
		}
	}
	c.data = filepath.Join(directory, "data")
	c.configure(directory)
}

func (c *clients) configure(directory string) {
	c.t.Helper()
	in := func(name string) string { return filepath.Join(directory, name) }
	content := fmt.Sprintf(`bank: {id: %q, origin: %q}
data: {dir: %q, vault_dir: %q, anchor_file: %q}
keys: {log_signer_file: %q, vault_keyset_file: %q}
sign_in: {local: {public_key_file: %q}}
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0"}
`, demoBankID, demoOrigin, in("data"), in("vault"), in("anchor/checkpoint"), in("keys/log-signer"), in("keys/vault-keyset"), in("keys/token-signer.pub"))
	if err := os.WriteFile(c.configuration, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// victim is a server in a process of its own.
type victim struct {
	t       *testing.T
	process *exec.Cmd
	log     bytes.Buffer  // readable once ended is closed
	ended   chan struct{} // closed when the server has closed its log
	conn    *grpc.ClientConn
}

// serve starts the server and waits until it says where it listens.
func (c *clients) serve() *victim {
	c.t.Helper()
	s := &victim{t: c.t, process: exec.Command(os.Args[0], "serve", "--config", c.configuration), ended: make(chan struct{})}
	s.process.Env = append(os.Environ(), asCommand+"=1")
	log, err := s.process.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(s.kill)
	listening := make(chan string, 1)
	go s.read(log, listening)
	address, ok := <-listening
	if !ok {
		<-s.ended
		c.t.Fatalf("the server ended:\n%s", &s.log)
	}
	s.conn, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// read reads the log of the server until it ends, and says where it listens.
func (s *victim) read(log io.Reader, listening chan<- string) {
	defer close(s.ended)
	defer close(listening)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		s.log.Write(append(lines.Bytes(), '\n'))
		var line struct{ Msg, GRPC string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			listening <- line.GRPC
		}
	}
}

// kill ends the server as nothing else does: it cannot do a thing about it. Its clients get to know it by their connections.
func (s *victim) kill() {
	if s.process.ProcessState != nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.ended
	_ = s.process.Wait() // it says that it was killed
}

// stop ends the server as an operator does.
func (s *victim) stop() {
	s.t.Helper()
	if err := s.conn.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	<-s.ended
	if err := s.process.Wait(); err != nil {
		s.t.Fatalf("the server ended with %v\n%s", err, &s.log)
	}
}

// load posts and opens accounts from several sides, and kills the server when so many calls were answered.
func (c *clients) load(server *victim) {
	c.t.Helper()
	var group sync.WaitGroup
	enough := make(chan struct{})
	c.answered = 0
	after := 1 + c.random.IntN(mostAnswered)
	again := func(call func(random *rand.Rand) bool) {
		random := rand.New(rand.NewPCG(c.random.Uint64(), 0))
		group.Go(func() {
			for call(random) {
				c.mu.Lock()
				if c.answered++; c.answered == after {
					close(enough)
				}
				c.mu.Unlock()
			}
		})
	}
	for p := range c.platforms {
		for range 2 {
			again(func(random *rand.Rand) bool { return c.post(server, p, c.statements(random)) })
		}
	}
	again(func(random *rand.Rand) bool { return c.open(server, c.person()) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		group.Wait()
	}()
	select {
	case <-enough:
	case <-ended: // every caller met an error, and said so
	}
	server.kill()
	<-ended
	if err := server.conn.Close(); err != nil {
		c.t.Error(err)
	}
}

// statements makes up a submission: of one, of a few or of many.
func (c *clients) statements(random *rand.Rand) [][]byte {
	c.mu.Lock()
	numbers := c.numbers
	c.mu.Unlock()
	statements := make([][]byte, []int{1, 1, 1, 5, 60}[random.IntN(5)])
	for i := range statements {
		course := c.courses[random.IntN(len(c.courses))]
		end := time.Now().Truncate(time.Hour).Add(-time.Duration(24+random.IntN(24*30)) * time.Hour)
		id, salt := uuid.Must(uuid.NewV7()), make([]byte, 16)
		for k := range salt {
			salt[k] = byte(random.Uint32())
		}
		raw, err := proto.Marshal(&statementv1.Statement{
			Id: id[:], Salt: salt,
			Assertion: &statementv1.Statement_Completion{Completion: &statementv1.Completion{
				AccountNumber: numbers[random.IntN(len(numbers))], Provider: course.Provider, Course: course.Code,
				CourseVersion: course.Version, Mode: statementv1.Mode_MODE_CLASSROOM,
				Sessions: []*statementv1.Session{{StartTime: timestamppb.New(end.Add(-time.Hour)), EndTime: timestamppb.New(end), Minutes: 60}},
			}},
		})
		if err != nil {
			panic(err) // it was made here
		}
		statements[i] = raw
	}
	return statements
}

// record posts statements.
func (c *clients) record(server *victim, p int, statements [][]byte) (*creditbankv1.RecordCompletionsResponse, error) {
	request, err := c.platforms[p].submission(statements)
	if err != nil {
		return nil, err
	}
	return creditbankv1.NewCompletionServiceClient(server.conn).RecordCompletions(context.Background(), request, c.asPlatform(p))
}

func (c *clients) asPlatform(p int) grpc.CallOption {
	one := c.platforms[p]
	token, err := access.OrganizationToken(demoBankID, unit.OrganizationID(one.ID), one.authenticate.PrivateKey, time.Now())
	if err != nil {
		token = "" // the bank says what is wrong with it
	}
	return grpc.PerRPCCredentials(bearer(token))
}

// post posts new statements, and says whether it was answered.
func (c *clients) post(server *victim, p int, statements [][]byte) bool {
	answer, err := c.record(server, p, statements)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.unheard(err)
		c.doubts = append(c.doubts, func(server *victim) { c.postAgain(server, p, statements) })
		return false
	}
	c.received(p, statements, answer, creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED)
	return true
}

// unheard notes a call without an answer. Only the end of the server is a reason for that.
func (c *clients) unheard(err error) {
	c.unanswered++
	if status.Code(err) != codes.Unavailable {
		c.t.Errorf("a call under load: %v", err)
	}
}

// postAgain posts what was not answered: all of it had been recorded, or nothing.
func (c *clients) postAgain(server *victim, p int, statements [][]byte) {
	c.t.Helper()
	answer, err := c.record(server, p, statements)
	if err != nil {
		c.t.Fatalf("posted once more: %v", err)
	}
	first := answer.GetResults()[0].GetStatus()
	if first == creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED {
		c.recorded++
	}
	c.received(p, statements, answer, first)
}

// received keeps receipts of statements that all were answered the same.
func (c *clients) received(p int, statements [][]byte, answer *creditbankv1.RecordCompletionsResponse, want creditbankv1.StatementStatus) {
	checkpoint := c.saw(answer.GetCheckpoint())
	for i, result := range answer.GetResults() {
		if result.GetStatus() != want || want == creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED {
			c.t.Errorf("statement %d of %d is answered %v, want %v: %v", i, len(statements), result.GetStatus(), want, result.GetError())
		}
		if result.GetEntryIndex() >= checkpoint.Size {
			c.t.Errorf("entry %d is not covered by a checkpoint of size %d", result.GetEntryIndex(), checkpoint.Size)
		}
		c.receipts = append(c.receipts, receipt{p, statements[i], result.GetEntryIndex()})
	}
}

// saw keeps a checkpoint.
func (c *clients) saw(signed string) merkle.Checkpoint {
	checkpoint, err := merkle.OpenCheckpoint([]byte(signed), demoOrigin, c.verifier)
	if err != nil {
		c.t.Errorf("a checkpoint: %v", err)
		return checkpoint
	}
	if root, known := c.checkpoints[checkpoint.Size]; known && root != checkpoint.Root {
		c.t.Errorf("two checkpoints of size %d with different roots", checkpoint.Size)
	}
	c.checkpoints[checkpoint.Size] = checkpoint.Root
	if checkpoint.Size > c.newest.Size {
		c.newest = checkpoint
	}
	return checkpoint
}

// person is somebody new who asks for an account.
func (c *clients) person() *creditbankv1.OpenAccountRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people++
	born := time.Date(1930, time.January, 1+c.people, 0, 0, 0, 0, time.UTC)
	identity, err := unit.IdentityNumberFor(fmt.Sprintf("330106%s%03d", born.Format("20060102"), c.people%1000))
	if err != nil {
		panic(err) // the text above is wrong
	}
	return &creditbankv1.OpenAccountRequest{
		RequestId: uuid.NewString(), Name: fmt.Sprint("person ", c.people), Home: district.Root, DocumentChecked: true,
		Document: &creditbankv1.Document{Kind: creditbankv1.DocumentKind_DOCUMENT_KIND_RESIDENT_IDENTITY, Number: string(identity)},
	}
}

func (c *clients) account(server *victim, request *creditbankv1.OpenAccountRequest) (*creditbankv1.Account, error) {
	answer, err := creditbankv1.NewAccountServiceClient(server.conn).OpenAccount(context.Background(), request, grpc.PerRPCCredentials(bearer(c.registrar)))
	return answer.GetAccount(), err
}

// open opens an account, and says whether it was answered.
func (c *clients) open(server *victim, request *creditbankv1.OpenAccountRequest) bool {
	account, err := c.account(server, request)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.unheard(err)
		c.doubts = append(c.doubts, func(server *victim) {
			account, err := c.account(server, request)
			if err != nil {
				c.t.Fatalf("an account, asked for once more: %v", err)
			}
			c.accounts = append(c.accounts, opened{request, account})
		})
		return false
	}
	c.accounts = append(c.accounts, opened{request, account})
	c.numbers = append(slices.Clone(c.numbers), account.GetAccountNumber())
	return true
}

// checkAll asks once more for what was not answered, and then for what was: so many of the newest receipts, as many others,
// and so many proofs.
func (c *clients) checkAll(server *victim, receipts, proofs int) {
	c.t.Helper()
	doubts := c.doubts
	c.doubts = nil
	for _, ask := range doubts {
		ask(server)
	}
	c.checkReceipts(server, receipts)
	for _, one := range c.accounts {
		account, err := c.account(server, one.request)
		if err != nil || account.GetAccountId() != one.account.GetAccountId() || account.GetAccountNumber() != one.account.GetAccountNumber() {
			c.t.Fatalf("account %s is now %s, %v", one.account.GetAccountId(), account.GetAccountId(), err)
		}
	}
	for n := range min(proofs, len(c.receipts)) {
		c.checkEntry(server, c.receipts[c.pick(n, proofs)])
	}
	c.checkHistory(server, proofs)
}

// pick is the n-th receipt to look at: each of them if all are to be, and otherwise the newest and some others.
func (c *clients) pick(n, of int) int {
	if of >= len(c.receipts) || n < of/2 {
		return len(c.receipts) - 1 - n
	}
	return c.random.IntN(len(c.receipts))
}

// checkReceipts posts statements once more: each is replayed with the entry of its receipt.
func (c *clients) checkReceipts(server *victim, count int) {
	c.t.Helper()
	of := make([][]receipt, len(c.platforms))
	for n := range min(count, len(c.receipts)) {
		r := c.receipts[c.pick(n, count)]
		of[r.platform] = append(of[r.platform], r)
	}
	for p, receipts := range of {
		for some := range slices.Chunk(receipts, 500) {
			statements := make([][]byte, len(some))
			for i, r := range some {
				statements[i] = r.raw
			}
			answer, err := c.record(server, p, statements)
			if err != nil {
				c.t.Fatalf("posted once more: %v", err)
			}
			c.saw(answer.GetCheckpoint())
			for i, result := range answer.GetResults() {
				if result.GetStatus() != creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED || result.GetEntryIndex() != some[i].index {
					c.t.Fatalf("the receipt says entry %d, the bank %v, entry %d", some[i].index, result.GetStatus(), result.GetEntryIndex())
				}
			}
		}
	}
}

// checkEntry reads the entry of a receipt and verifies that it is in the log.
func (c *clients) checkEntry(server *victim, r receipt) {
	c.t.Helper()
	answer, err := creditbankv1.NewLedgerServiceClient(server.conn).GetEntry(
		context.Background(), &creditbankv1.GetEntryRequest{Index: r.index, WithProof: true}, c.asPlatform(r.platform))
	if err != nil {
		c.t.Fatalf("entry %d: %v", r.index, err)
	}
	raw, checkpoint := answer.GetEntry().GetEntry(), c.saw(answer.GetCheckpoint())
	if err := merkle.VerifyInclusion(merkle.LeafHash(raw), r.index, checkpoint.Size, hashes(answer.GetInclusionProof()), checkpoint.Root); err != nil {
		c.t.Fatalf("entry %d: %v", r.index, err)
	}
	e, hash := new(ledgerv1.Entry), merkle.LeafHash(r.raw)
	if err := proto.Unmarshal(raw, e); err != nil || !bytes.Equal(e.GetCompletionRecorded().GetOrigin().GetStatementHash(), hash[:]) {
		c.t.Fatalf("entry %d records another statement than its receipt says (%v)", r.index, err)
	}
}

func hashes(of [][]byte) []merkle.Hash {
	all := make([]merkle.Hash, len(of))
	for i, h := range of {
		copy(all[i][:], h)
	}
	return all
}

// checkHistory verifies that checkpoints that were seen are beginnings of the log: the newest, and others.
func (c *clients) checkHistory(server *victim, count int) {
	c.t.Helper()
	client := creditbankv1.NewLedgerServiceClient(server.conn)
	sizes := slices.Sorted(maps.Keys(c.checkpoints))
	for n := range min(count, len(sizes)) {
		size := sizes[len(sizes)-1-n]
		if n > count/2 && count < len(sizes) {
			size = sizes[c.random.IntN(len(sizes))]
		}
		answer, err := client.GetConsistencyProof(context.Background(), &creditbankv1.GetConsistencyProofRequest{OldSize: size})
		if err != nil {
			c.t.Fatalf("a proof that %d entries are a beginning: %v", size, err)
		}
		now := c.saw(answer.GetCheckpoint())
		if err := merkle.VerifyConsistency(size, now.Size, hashes(answer.GetHashes()), c.checkpoints[size], now.Root); err != nil {
			c.t.Fatalf("%d entries are no beginning of %d: %v", size, now.Size, err)
		}
	}
}

// checkNothingDoubled reads the store: every statement with a receipt is there once.
func (c *clients) checkNothingDoubled() {
	c.t.Helper()
	engine, err := pebble.Open(c.data, pebble.Options{ReadOnly: true})
	if err != nil {
		c.t.Fatal(err)
	}
	defer shutStore(c.t, engine)
	count := make(map[string]int)
	for row, err := range engine.Scan(context.Background(), store.Prefix([]byte{book.TableEntries})) {
		if err != nil {
			c.t.Fatal(err)
		}
		e := new(ledgerv1.Entry)
		if err := proto.Unmarshal(row.Value, e); err != nil {
			c.t.Fatal(err)
		}
		if origin := e.GetCompletionRecorded().GetOrigin(); origin != nil {
			count[string(origin.GetStatementHash())]++
		}
	}
	for _, r := range c.receipts {
		hash := merkle.LeafHash(r.raw)
		if n := count[string(hash[:])]; n != 1 {
			c.t.Errorf("the statement of entry %d is in the log %d times", r.index, n)
		}
	}
}

func shutStore(t *testing.T, engine io.Closer) {
	t.Helper()
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
}
