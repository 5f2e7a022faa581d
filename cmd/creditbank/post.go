package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/cmd/creditbank/internal/sheet"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

const (
	// maxBatchBytes leaves room in the 4 MiB of a request.
	maxBatchBytes = 3 << 20
	// maxSecretBytes is the largest file that --id-secret reads.
	maxSecretBytes = 4096
	// standardInput is the name of a file that is read from standard input.
	standardInput = "-"
)

type postCommand struct {
	Files    []string      `arg:"" name:"file" help:"Files of completions; \"-\" is standard input."`
	Format   string        `enum:"auto,csv,jsonl" default:"auto" help:"csv, jsonl, or auto: by the name of the file (${default})."`
	Zone     string        `default:"Asia/Shanghai" help:"Time zone of times that name none (${default})."`
	Batch    int           `default:"1000" help:"Most statements under one signature, 1 to 1000 (${default})."`
	State    string        `placeholder:"FILE" help:"Remember what was posted, and do not send it again."`
	Receipts string        `placeholder:"FILE" help:"Append a JSON line for each statement on the ledger, for \"audit --receipts\"."`
	Rejects  string        `placeholder:"FILE" help:"Write a JSON line for each row that was not recorded."`
	IDSecret string        `name:"id-secret" placeholder:"FILE" help:"Derive ids from this file of at least 32 secret bytes instead of the signing key, so that they outlive the key."`
	RetryFor time.Duration `default:"2m" help:"How long to wait for a bank that is busy or away (${default})."`
	Check    bool          `help:"Read the files and report wrong rows; post nothing."`
}

// Help documents the files.
func (c *postCommand) Help() string {
	var b strings.Builder
	b.WriteString("Reads CSV with a header row, or JSON lines with the same names as keys. The columns (* needed):\n\n")
	for _, column := range sheet.Columns() {
		mark := " "
		if column.Required {
			mark = "*"
		}
		fmt.Fprintf(&b, "    %s %-15s %s\n", mark, column.Name, column.Help)
	}
	b.WriteString("\nJSON lines may hold sessions: [{\"start\", \"end\", \"minutes\"}, …] instead of start, end and minutes.\n\n" +
		"A wrong row is reported with its line and columns and skipped; the others are posted, in the order of the files. " +
		"A row without an id gets one that is derived from its content and the signing key: posting it again, from this " +
		"or another file, answers that it is recorded already. Two equal rows in one file are two completions.\n\n" +
		"Exit code 1 says that some row was not recorded. Samples: deploy/examples.\n")
	return b.String()
}

// Run posts the files.
func (c *postCommand) Run(ctx context.Context, g *globals, p *process) (err error) {
	s, err := c.prepare(g, p)
	if err != nil {
		return err
	}
	if !c.Check {
		conn, err := g.dial(p)
		if err != nil {
			return err
		}
		defer hangUp(conn)
		s.client = creditbankv1.NewCompletionServiceClient(conn)
		if err := s.open(); err != nil {
			return err
		}
	}
	if c.Rejects != "" {
		if s.rejects, err = createLines(c.Rejects); err != nil {
			return err
		}
	}
	s.bar = newProgress(p, c.Files)
	posted := s.files(ctx)
	s.bar.finish()
	posted = errors.Join(posted, s.close())
	if err := s.tally.print(g, p, c.Check); err != nil {
		return err
	}
	switch {
	case posted != nil:
		return posted
	case s.tally.Rejected+s.tally.Wrong > 0:
		return errReported
	default:
		return nil
	}
}

// prepare checks the flags and reads the secrets.
func (c *postCommand) prepare(g *globals, p *process) (*posting, error) {
	if c.Batch < 1 || c.Batch > keyring.MaxStatements {
		return nil, usagef("--batch: it is 1 to %d", keyring.MaxStatements)
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil || c.Zone == "" || c.Zone == "Local" {
		return nil, usagef("--zone: %q is no time zone such as Asia/Shanghai", c.Zone)
	}
	s := &posting{
		g: g, p: p, command: c, options: sheet.Options{Zone: zone, Now: p.now()},
		seen: make(map[unit.StatementID]merkle.Hash), tally: newTally(),
	}
	if c.Check && g.SignKey == "" && c.IDSecret == "" {
		// Reading the files needs no secret: ids that nobody will see may come from anything.
		s.secret, err = sheet.NewSecret(make([]byte, sheet.MinSecretBytes))
		return s, err
	}
	if s.organization, err = g.names(); err != nil {
		return nil, err
	}
	if s.key, err = readKey("--sign-key", g.SignKey); err != nil {
		return nil, err
	}
	if c.IDSecret == "" {
		s.secret, err = sheet.SecretOfKey(s.key)
		return s, err
	}
	material, err := os.ReadFile(c.IDSecret)
	if err == nil && len(material) > maxSecretBytes {
		err = fmt.Errorf("it has more than %d bytes", maxSecretBytes)
	}
	if err == nil {
		s.secret, err = sheet.NewSecret(material)
	}
	if err != nil {
		return nil, usagef("--id-secret: %v", err)
	}
	return s, nil
}

// posting is one run of the command.
type posting struct {
	g       *globals
	p       *process
	command *postCommand
	options sheet.Options

	client       creditbankv1.CompletionServiceClient
	organization unit.OrganizationID
	key          *keyring.PrivateKey
	secret       sheet.Secret

	posted   map[unit.StatementID]merkle.Hash // by earlier runs, as the state file says
	seen     map[unit.StatementID]merkle.Hash // in this run
	batch    []item
	bytes    int // of the batch
	state    *lines
	receipts *lines
	rejects  *lines
	tally    *tally
	bar      *progress
}

// item is a statement on its way.
type item struct {
	file  string
	line  int
	id    unit.StatementID
	bytes []byte
	hash  merkle.Hash
}

// open opens the files that remember.
func (s *posting) open() (err error) {
	if name := s.command.State; name != "" {
		if s.state, s.posted, err = openState(name, s.g.Bank, s.organization); err != nil {
			return err
		}
	}
	if name := s.command.Receipts; name != "" {
		if s.receipts, err = appendLines(name); err != nil {
			return err
		}
	}
	return nil
}

// close closes them.
func (s *posting) close() error {
	return errors.Join(s.receipts.close(), s.state.close(), s.rejects.close())
}

// files posts all files in their order.
func (s *posting) files(ctx context.Context) error {
	for _, name := range s.command.Files {
		if err := s.file(ctx, name); err != nil {
			return err
		}
	}
	return s.send(ctx)
}

// file posts one file. Errors of a row are counted; other ones end the run.
func (s *posting) file(ctx context.Context, name string) error {
	format, err := s.command.format(name)
	if err != nil {
		return err
	}
	input := s.p.stdin
	if name != standardInput {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("%v", err)
		}
		defer hangUp(file)
		input = file
	}
	occurrences := make(map[unit.StatementID]uint64) // of equal rows in this file, by the id of the first
	for row, err := range sheet.Rows(s.bar.reader(input), format, s.options) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if wrong, ok := errors.AsType[*sheet.RowError](err); ok {
			s.tally.Rows++
			s.wrong(filepath.Base(name), wrong)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.tally.Rows++
		next, err := s.item(filepath.Base(name), row, occurrences)
		if err != nil {
			return err
		}
		if err := s.add(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

func (c *postCommand) format(name string) (sheet.Format, error) {
	if c.Format != "auto" {
		return sheet.Format(c.Format), nil
	}
	format, ok := sheet.FormatOf(name)
	if !ok {
		return "", usagef("%s: the name does not say how the file is written: give --format csv or --format jsonl", name)
	}
	return format, nil
}

// item makes the statement of a row.
func (s *posting) item(file string, row sheet.Row, occurrences map[unit.StatementID]uint64) (item, error) {
	id := row.ID
	if id == (unit.StatementID{}) {
		first, err := s.secret.ID(row.Completion, 0)
		if err != nil {
			return item{}, err
		}
		id = first
		if before := occurrences[first]; before > 0 {
			if id, err = s.secret.ID(row.Completion, before); err != nil {
				return item{}, err
			}
		}
		occurrences[first]++
	}
	bytes, err := s.secret.Statement(id, row.Completion)
	if err != nil {
		return item{}, err
	}
	return item{file: file, line: row.Line, id: id, bytes: bytes, hash: merkle.LeafHash(bytes)}, nil
}

// add takes a statement into the batch, unless there is nothing to do for it.
func (s *posting) add(ctx context.Context, next item) error {
	if hash, ok := s.seen[next.id]; ok {
		if hash == next.hash {
			s.tally.Repeated++
			return nil
		}
		s.wrong(next.file, &sheet.RowError{Line: next.line, Flaws: []sheet.Flaw{{
			Column: sheet.ColumnID, Reason: "STATEMENT_REPEATED", Message: "another row with other content has this id: an id names one statement",
		}}})
		return nil
	}
	s.seen[next.id] = next.hash
	if hash, ok := s.posted[next.id]; ok && hash == next.hash {
		s.tally.Before++
		return nil
	}
	if len(s.batch) == s.command.Batch || s.bytes+len(next.bytes) > maxBatchBytes {
		if err := s.send(ctx); err != nil {
			return err
		}
	}
	s.batch, s.bytes = append(s.batch, next), s.bytes+len(next.bytes)
	return nil
}

// send posts the batch, and what the bank could not take yet once more, until everything in it has an answer.
func (s *posting) send(ctx context.Context) error {
	pending := s.batch
	s.batch, s.bytes = nil, 0
	if s.command.Check {
		s.tally.Good += len(pending)
		return nil
	}
	if len(pending) == 0 {
		return nil
	}
	patience := retry{p: s.p, limit: s.command.RetryFor, tell: s.waiting}
	err := patience.do(ctx, func() error {
		request, err := s.submission(pending)
		if err != nil {
			return err
		}
		ctx, done := s.g.call(ctx)
		defer done()
		answer, err := s.client.RecordCompletions(ctx, request)
		if err != nil {
			return err
		}
		var later *status.Status
		if pending, later, err = s.take(pending, answer); err != nil {
			return err
		}
		return later.Err()
	})
	s.bar.advance(s.tally.Rows)
	return err
}

// submission signs statements.
func (s *posting) submission(items []item) (*creditbankv1.RecordCompletionsRequest, error) {
	request := &creditbankv1.RecordCompletionsRequest{
		Organization: string(s.organization), KeyId: s.key.Public().ID().String(), View: creditbankv1.View_VIEW_BASIC,
	}
	hashes := make([]merkle.Hash, len(items))
	for i, item := range items {
		request.Statements = append(request.Statements, item.bytes)
		hashes[i] = item.hash
	}
	root := merkle.RootOf(hashes)
	request.BankId, request.Root = s.g.Bank, root[:]
	var err error
	request.Signature, err = s.key.Sign(keyring.SubmissionText(s.g.Bank, s.organization, s.key.Public().ID(), len(items), root))
	return request, err
}

// take counts the answers. What may be taken later comes back, with the reason of one.
func (s *posting) take(items []item, answer *creditbankv1.RecordCompletionsResponse) (later []item, why *status.Status, err error) {
	if len(answer.GetResults()) != len(items) {
		return items, nil, fmt.Errorf("the bank answered %d of %d statements", len(answer.GetResults()), len(items))
	}
	for i, result := range answer.GetResults() {
		switch result.GetStatus() {
		case creditbankv1.StatementStatus_STATEMENT_STATUS_RECORDED, creditbankv1.StatementStatus_STATEMENT_STATUS_REPLAYED:
			s.tally.take(result)
			s.remember(items[i], result.GetEntryIndex(), answer.GetCheckpoint())
		case creditbankv1.StatementStatus_STATEMENT_STATUS_REJECTED:
			rejected := status.FromProto(result.GetError())
			if f := faultOf(rejected); f.passing() {
				later, why = append(later, items[i]), rejected
			} else {
				s.rejected(items[i], f)
			}
		default:
			return items, nil, fmt.Errorf("the bank answered a statement with status %s", result.GetStatus())
		}
	}
	// Receipts last before the state says that they need not be fetched again.
	if err := errors.Join(s.receipts.sync(), s.state.sync(), s.rejects.sync()); err != nil {
		return items, nil, err
	}
	return later, why, nil
}

func (s *posting) remember(it item, entry uint64, checkpoint string) {
	s.receipts.json(receipt{StatementID: it.id.String(), StatementHash: it.hash[:], EntryIndex: entry, Checkpoint: checkpoint})
	s.state.text(stateLine(it))
}

func (s *posting) rejected(it item, f fault) {
	s.tally.Rejected++
	s.problem(problem{
		File: it.file, Line: it.line, Column: sheet.ColumnOf(f.field()), Reason: f.reason, Message: f.message, StatementID: it.id.String(),
	})
}

func (s *posting) wrong(file string, e *sheet.RowError) {
	s.tally.Wrong++
	for _, flaw := range e.Flaws {
		s.problem(problem{File: file, Line: e.Line, Column: flaw.Column, Reason: flaw.Reason, Message: flaw.Message})
	}
}

func (s *posting) problem(one problem) {
	s.tally.problem(one)
	s.rejects.json(one)
}

// waiting tells people why nothing moves.
func (s *posting) waiting(f fault, wait time.Duration) {
	s.bar.clear()
	fmt.Fprintf(s.p.stderr, "creditbank: %s [%s]; again in %s\n", f.message, f.reason, wait.Round(100*time.Millisecond))
}
