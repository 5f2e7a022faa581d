package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/learning-credit-bank/creditbank/cmd/creditbank/internal/sheet"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// partRows is how many rows a part of an import has (proto/creditbank/v1/opening.proto).
const partRows = 1000

type balancesCommand struct {
	Check   balancesCheckCommand   `cmd:"" help:"Read a file and report wrong rows; with --source and --scope ask the bank, too. Nothing is written."`
	Propose balancesProposeCommand `cmd:"" help:"As the first officer: propose a file."`
	Confirm balancesConfirmCommand `cmd:"" help:"As the second officer: confirm the same file, and record its rows. Doing it again goes on, and doubles nothing."`
	List    balancesListCommand    `cmd:"" help:"List what was proposed, newest first."`
}

// Help documents the files.
func (c *balancesCommand) Help() string {
	var b strings.Builder
	b.WriteString("What residents earned under another system (期初余额) is taken over from CSV with a header row. It takes two officers " +
		"with the same file: one proposes, the other confirms. The columns (* needed):\n\n")
	for _, column := range sheet.BalanceColumns() {
		mark := " "
		if column.Required {
			mark = "*"
		}
		fmt.Fprintf(&b, "    %s %-15s %s\n", mark, column.Name, column.Help)
	}
	b.WriteString("\nA wrong row is reported with its line and column and skipped; the others go in. A record of the source is taken " +
		"once, for ever, from whichever file. To correct one, take it back (action reverse) and give it a record of its own.\n\n" +
		"Exit code 1 says that some row was not taken. Sample: deploy/examples.\n")
	return b.String()
}

// balancesFile is a file of opening balances and how to read it.
type balancesFile struct {
	File    string `arg:"" help:"CSV file of opening balances."`
	Hour    int    `default:"45" help:"Minutes of a learning hour of the other system, for the column hours (${default})."`
	Rejects string `placeholder:"FILE" help:"Write a JSON line for each row that was not taken."`
}

// balancesImport is what a file is imported as.
type balancesImport struct {
	Source string `required:"" placeholder:"NAME" help:"Name of the other system, for ever, such as xihu-2019."`
	Scope  string `required:"" placeholder:"ID" help:"Organization at which, or below which, all accounts are at home."`
}

type balancesCheckCommand struct {
	balancesFile

	Source string `placeholder:"NAME" help:"Name of the other system: ask the bank what would become of the rows."`
	Scope  string `placeholder:"ID" help:"Organization at which, or below which, all accounts are at home."`
}

// Run checks the file.
func (c *balancesCheckCommand) Run(ctx context.Context, g *globals, p *process) error {
	if (c.Source == "") != (c.Scope == "") {
		return usagef("--source and --scope: give both, or none")
	}
	t := &taking{g: g, p: p, file: c.balancesFile, as: balancesImport{c.Source, c.Scope}, tally: newTally()}
	return t.run(true, func() error {
		if c.Source == "" {
			t.tally.Good = len(t.rows)
			return nil
		}
		return t.check(ctx)
	})
}

type balancesProposeCommand struct {
	balancesFile
	balancesImport
}

// Run proposes the file.
func (c *balancesProposeCommand) Run(ctx context.Context, g *globals, p *process) error {
	t := &taking{g: g, p: p, file: c.balancesFile, as: c.balancesImport, tally: newTally()}
	return t.run(true, func() error {
		if err := t.check(ctx); err != nil {
			return err
		}
		if t.tally.Good == 0 {
			return fmt.Errorf("%s: no row of it could be taken, so nothing was proposed", c.File)
		}
		id, err := uuid.NewRandomFromReader(p.random)
		if err != nil {
			return fmt.Errorf("request id: %v", err)
		}
		return t.ask(ctx, func(ctx context.Context) error {
			answer, err := t.client.ProposeOpeningBalances(ctx, &creditbankv1.ProposeOpeningBalancesRequest{RequestId: id.String(), Import: t.described()})
			t.imported = answer.GetImport()
			return err
		})
	})
}

type balancesConfirmCommand struct {
	balancesFile
	balancesImport

	Import uint64 `placeholder:"ID" help:"The import; left out: the newest one of this file."`
}

// Run confirms the import, unless that is done, and records its rows.
func (c *balancesConfirmCommand) Run(ctx context.Context, g *globals, p *process) error {
	t := &taking{g: g, p: p, file: c.balancesFile, as: c.balancesImport, tally: newTally()}
	return t.run(false, func() error {
		if err := t.find(ctx, c.Import); err != nil {
			return err
		}
		if t.imported.GetConfirmedBy() == "" {
			id, err := uuid.NewRandomFromReader(p.random)
			if err != nil {
				return fmt.Errorf("request id: %v", err)
			}
			request := &creditbankv1.ConfirmOpeningBalancesRequest{RequestId: id.String(), Import: t.described()}
			request.Import.Import = t.imported.GetImport()
			err = t.ask(ctx, func(ctx context.Context) error {
				answer, err := t.client.ConfirmOpeningBalances(ctx, request)
				if err == nil {
					t.imported = answer.GetImport()
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return t.record(ctx)
	})
}

// taking is one run of a command on a file.
type taking struct {
	g    *globals
	p    *process
	file balancesFile
	as   balancesImport

	client   creditbankv1.OpeningBalanceServiceClient
	hash     []byte // of the file
	rows     []sheet.Balance
	rejects  *lines
	tally    *tally
	imported *creditbankv1.OpeningBalanceImport
}

// run reads the file, does what is to be done with its rows, and says what became of them.
func (t *taking) run(check bool, do func() error) (err error) {
	if t.file.Hour < 1 || t.file.Hour > 24*60 {
		return usagef("--hour: it is 1 to %d minutes", 24*60)
	}
	if t.as.Source != "" {
		conn, err := t.g.dial(t.p)
		if err != nil {
			return err
		}
		defer hangUp(conn)
		t.client = creditbankv1.NewOpeningBalanceServiceClient(conn)
	}
	if t.file.Rejects != "" {
		if t.rejects, err = createLines(t.file.Rejects); err != nil {
			return err
		}
	}
	done := t.read()
	switch {
	case done != nil:
	case len(t.rows) > 0:
		done = do()
	case t.as.Source != "":
		done = fmt.Errorf("%s: there is no row in it that could be taken", t.file.File)
	}
	done = errors.Join(done, t.rejects.close())
	if t.hash != nil {
		if err := t.print(check); err != nil {
			return err
		}
	}
	if done != nil {
		return done
	}
	if t.tally.Rejected+t.tally.Wrong > 0 {
		return errReported
	}
	return nil
}

// read reads the whole file: its hash is of every byte.
func (t *taking) read() error {
	file, err := os.Open(t.file.File)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer hangUp(file)
	hash := sha256.New()
	for row, err := range sheet.Balances(io.TeeReader(file, hash), sheet.BalanceOptions{HourMinutes: t.file.Hour, Now: t.p.now()}) {
		if wrong, ok := errors.AsType[*sheet.RowError](err); ok {
			t.tally.Rows++
			t.tally.Wrong++
			for _, flaw := range wrong.Flaws {
				t.problem(wrong.Line, flaw.Column, flaw.Reason, flaw.Message)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.file.File, err)
		}
		t.tally.Rows++
		t.rows = append(t.rows, row)
	}
	t.hash = hash.Sum(nil)
	return nil
}

func (t *taking) problem(line int, column, reason, message string) {
	one := problem{File: filepath.Base(t.file.File), Line: line, Column: column, Reason: reason, Message: message}
	t.tally.problem(one)
	t.rejects.json(one)
}

// described is the import as this file gives it.
func (t *taking) described() *creditbankv1.OpeningBalanceImport {
	i := &creditbankv1.OpeningBalanceImport{
		Organization: t.as.Scope, Source: t.as.Source, FileHash: hex.EncodeToString(t.hash), Rows: int32(len(t.rows)),
	}
	totals := make(map[string]*creditbankv1.CategoryAmount)
	for _, row := range t.rows {
		if row.Row.GetAction() == ledgerv1.RowAction_ROW_ACTION_REVERSE {
			i.Reversals++
			continue
		}
		total := totals[row.Row.GetCategory()]
		if total == nil {
			total = &creditbankv1.CategoryAmount{Category: row.Row.GetCategory()}
			totals[total.GetCategory()] = total
		}
		total.Minutes += row.Row.GetMinutes()
		total.MilliCredits += row.Row.GetMilliCredits()
	}
	i.Totals = slices.SortedFunc(maps.Values(totals), func(a, b *creditbankv1.CategoryAmount) int { return cmp.Compare(a.GetCategory(), b.GetCategory()) })
	for part := range slices.Chunk(t.rows, partRows) {
		hashes := make([]merkle.Hash, len(part))
		for n, row := range part {
			hashes[n] = merkle.LeafHash(row.Bytes)
		}
		root := merkle.RootOf(hashes)
		i.PartRoots = append(i.PartRoots, root[:])
	}
	return i
}

// ask calls the bank until it answers.
func (t *taking) ask(ctx context.Context, call func(ctx context.Context) error) error {
	tell := func(f fault, wait time.Duration) {
		fmt.Fprintf(t.p.stderr, "creditbank: %s [%s]; again in %s\n", f.message, f.reason, wait.Round(100*time.Millisecond))
	}
	return retry{p: t.p, limit: t.g.Timeout, tell: tell}.do(ctx, func() error {
		ctx, done := t.g.call(ctx)
		defer done()
		return call(ctx)
	})
}

// check asks the bank what would become of the rows.
func (t *taking) check(ctx context.Context) error {
	return t.parts(ctx, "checked", &creditbankv1.RecordOpeningBalancesRequest{
		ValidateOnly: true, Organization: t.as.Scope, Source: t.as.Source,
	})
}

// record records the rows.
func (t *taking) record(ctx context.Context) error {
	return t.parts(ctx, "recorded", &creditbankv1.RecordOpeningBalancesRequest{Import: t.imported.GetImport()})
}

// parts sends all rows, part by part, and counts what became of them.
func (t *taking) parts(ctx context.Context, what string, request *creditbankv1.RecordOpeningBalancesRequest) error {
	progress := newCounter(t.p, what, len(t.rows))
	defer progress.finish()
	for part := range slices.Chunk(t.rows, partRows) {
		request.Rows = request.GetRows()[:0]
		for _, row := range part {
			request.Rows = append(request.Rows, row.Bytes)
		}
		var results []*creditbankv1.OpeningBalanceResult
		err := t.ask(ctx, func(ctx context.Context) error {
			answer, err := t.client.RecordOpeningBalances(ctx, request)
			if err != nil {
				return err
			}
			if results = answer.GetResults(); len(results) != len(part) {
				return fmt.Errorf("the bank answered %d of %d rows", len(results), len(part))
			}
			for _, result := range results { // what can be taken later is sent again, with the rest, which is then replayed
				if rejected := status.FromProto(result.GetError()); faultOf(rejected).passing() {
					return rejected.Err()
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, result := range results {
			if err := t.take(part[i], result); err != nil {
				return err
			}
		}
		progress.add(len(part))
		request.Part++
	}
	return nil
}

func (t *taking) take(row sheet.Balance, result *creditbankv1.OpeningBalanceResult) error {
	switch result.GetStatus() {
	case creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_VALID:
		t.tally.Good++
	case creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_RECORDED:
		t.tally.Recorded++
	case creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_REPLAYED:
		t.tally.Replayed++
	case creditbankv1.OpeningBalanceStatus_OPENING_BALANCE_STATUS_REJECTED:
		t.tally.Rejected++
		f := faultOf(status.FromProto(result.GetError()))
		t.problem(row.Line, sheet.BalanceColumnOf(f.field()), f.reason, f.message)
	default:
		return fmt.Errorf("the bank answered a row with status %s", result.GetStatus())
	}
	return nil
}

// find finds the import that the file was proposed as.
func (t *taking) find(ctx context.Context, id uint64) error {
	imports, err := listImports(ctx, t.g, t.client, t.as.Scope)
	if err != nil {
		return err
	}
	hash := hex.EncodeToString(t.hash)
	for _, i := range imports {
		switch {
		case id != 0 && i.GetImport() == id, id == 0 && i.GetFileHash() == hash && i.GetSource() == t.as.Source && i.GetOrganization() == t.as.Scope:
			t.imported = i
			return nil
		}
	}
	if id != 0 {
		return fmt.Errorf("%s and those below it have no import %d", t.as.Scope, id)
	}
	return fmt.Errorf("nobody has proposed this file for %s, as of %s (SHA-256 %s): compare it with the other officer's, byte by byte", t.as.Scope, t.as.Source, hash)
}

func (t *taking) print(check bool) error {
	if t.g.JSON {
		answer := struct {
			FileSHA256 string          `json:"file_sha256"`
			Import     json.RawMessage `json:"import,omitempty"`
			Rows       *tally          `json:"rows"`
		}{FileSHA256: hex.EncodeToString(t.hash), Rows: t.tally}
		t.tally.finish()
		if t.imported != nil {
			raw, err := messageJSON(t.imported)
			if err != nil {
				return err
			}
			answer.Import = raw
		}
		return writeJSON(t.p.stdout, answer)
	}
	if err := t.tally.print(t.g, t.p, check); err != nil {
		return err
	}
	l := t.g.language(t.p)
	fmt.Fprintf(t.p.stdout, "\nSHA-256  %x\n", t.hash)
	if t.imported == nil {
		return nil
	}
	printImports(t.p, l, t.imported)
	totals := &table{right: []int{1, 2}}
	totals.row(l.say("类别", "category"), l.say("时长", "learned"), l.say("学分", "credits"))
	for _, total := range t.imported.GetTotals() {
		totals.row(clean(total.GetCategory()), l.minutes(total.GetMinutes()), l.credits(total.GetMilliCredits()))
	}
	totals.write(t.p.stdout)
	if t.imported.GetConfirmedBy() == "" {
		fmt.Fprintf(t.p.stdout, l.say("\n请另一位认证员用同一个文件复核：creditbank balances confirm 文件 --source %s --scope %s\n",
			"\nAnother officer confirms it with the same file: creditbank balances confirm FILE --source %s --scope %s\n"), t.as.Source, t.as.Scope)
	}
	return nil
}

type balancesListCommand struct {
	Scope string `required:"" placeholder:"ID" help:"Organization whose imports are listed, with those of all below it."`
	Limit int    `default:"50" help:"Most imports; 0: all (${default})."`
}

// Run lists the imports.
func (c *balancesListCommand) Run(ctx context.Context, g *globals, p *process) error {
	return list(ctx, g, p, c.Limit, func(ctx context.Context, conn *grpc.ClientConn, token string) ([]*creditbankv1.OpeningBalanceImport, string, error) {
		return importsPage(ctx, creditbankv1.NewOpeningBalanceServiceClient(conn), c.Scope, token)
	}, func(l language, imports []*creditbankv1.OpeningBalanceImport) { printImports(p, l, imports...) })
}

// listImports reads all pages.
func listImports(
	ctx context.Context, g *globals, client creditbankv1.OpeningBalanceServiceClient, scope string,
) ([]*creditbankv1.OpeningBalanceImport, error) {
	return pages(func(token string) ([]*creditbankv1.OpeningBalanceImport, string, error) {
		ctx, done := g.call(ctx)
		defer done()
		return importsPage(ctx, client, scope, token)
	}, 0)
}

func importsPage(
	ctx context.Context, client creditbankv1.OpeningBalanceServiceClient, scope, token string,
) ([]*creditbankv1.OpeningBalanceImport, string, error) {
	page, err := client.ListOpeningBalanceImports(ctx, &creditbankv1.ListOpeningBalanceImportsRequest{
		Organization: scope, PageSize: 500, PageToken: token,
	})
	return page.GetImports(), page.GetNextPageToken(), err
}

func printImports(p *process, l language, imports ...*creditbankv1.OpeningBalanceImport) {
	t := &table{right: []int{0, 3, 4}}
	t.row(l.say("批次", "import"), l.say("来源", "source"), l.say("机构", "organization"), l.say("行", "rows"), l.say("冲回", "reversals"),
		l.say("提出", "proposed"), l.say("复核", "confirmed"))
	for _, i := range imports {
		t.row(fmt.Sprint(i.GetImport()), clean(i.GetSource()), clean(i.GetOrganization()), itoa(int64(i.GetRows())), itoa(int64(i.GetReversals())),
			strings.TrimSpace(clean(i.GetProposedBy())+" "+when(i.GetProposeTime())), strings.TrimSpace(clean(i.GetConfirmedBy())+" "+when(i.GetConfirmTime())))
	}
	t.write(p.stdout)
}
