package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

type benchCommand struct {
	Entries      int           `default:"200000" help:"Completions to post before anything is measured, at least 500 (${default}). A bank is measured at a size."`
	Duration     time.Duration `default:"5s" help:"Longest time for each measurement (${default})."`
	Callers      int           `default:"128" help:"Calls at the same time with submissions of one, and in the mix (${default}); at most 64 for each platform."`
	BatchCallers int           `default:"8" help:"Calls at the same time with submissions of --batch (${default})."`
	Batch        int           `default:"1000" help:"Statements in a large submission (${default})."`
	Rate         float64       `placeholder:"N" help:"Submissions of one a second for record_single_half_load; left out: half of what record_single found."`
	Home         string        `placeholder:"ID" help:"Organization at home of the accounts that are opened; left out: the provider of the first course."`
	TokenKey     string        `placeholder:"FILE" help:"Private key with which \"creditbankd token\" signs people in: records are read as their holders read them. Left out: no record is read."`
	ReadyFile    string        `xor:"bank" placeholder:"FILE" help:"Take addresses, names and keys from this file, as \"creditbankd demo\" writes it."`
	Start        bool          `xor:"bank" help:"Start a bank with \"creditbankd demo\" in a temporary directory, and remove it afterwards. So it is too when no bank is named."`
	Creditbankd  string        `placeholder:"PATH" help:"Program that serves such a bank; left out: creditbankd beside this program, or in PATH, or built from the source around the working directory."`
}

// callersOfOne is how many calls a bank takes from one caller at the same time, unless it is configured otherwise.
const callersOfOne = 64

// Help says what is measured.
func (c *benchCommand) Help() string {
	return `Opens accounts of its own for people who do not exist, posts --entries classes for them that the policy awards, and then measures
through gRPC, one after the other:

    preload                  what posting the --entries took, the making of them included
    record_batch             submissions of --batch statements, --batch-callers at the same time
    record_single            submissions of one statement, --callers at the same time
    record_single_half_load  the same at half of that rate, whether the bank keeps up or not
    portfolio_500            a record of 500 entries, read whole by its holder
    portfolio_page           50 entries of it with all reasons in words, as its page shows them
    inclusion_proof          the proof of any entry
    mix_…                    all of it at the same time: of 20 calls 16 record one statement, 3 read the record of
                             somebody, and 1 asks for a proof; --callers at the same time
    reopen_killed            from starting the program to its first answer, after it was killed while it recorded
    reopen                   the same after SIGTERM
    bytes_per_entry          what the ledger takes of the disk once it is compacted, by entries of the log

A count is of statements that were recorded, or of answers; a latency is that of a whole call, and counts from the moment at
which the call was due. What is posted while it measures is made and signed beforehand. Records of 500 entries are those of
people who attend six classes of half an hour on each of the last 84 days; all others attend one of 90 minutes every second
day. Only a bank of its own is stopped, so reopen and bytes_per_entry are left out elsewhere.

Nothing that is posted can be taken back: measure banks that are there for it. The temporary directory is below TMPDIR, and
takes about a gigabyte for each million entries.`
}

// benchmark is what was measured.
type benchmark struct {
	Cores   int           `json:"cores"`
	Results []benchResult `json:"results"`

	// statementBytes is the length of a statement, on the average.
	statementBytes float64
}

// benchResult is one line of it: of PerSecond and Value it has one.
type benchResult struct {
	Name      string   `json:"name"`
	PerSecond *float64 `json:"per_second,omitempty"`
	Value     *float64 `json:"value,omitempty"`
	P50       float64  `json:"p50_ms"`
	P99       float64  `json:"p99_ms"`
	Count     int      `json:"count"`
}

// Run measures.
func (c *benchCommand) Run(ctx context.Context, g *globals, p *process) error {
	if err := c.check(); err != nil {
		return err
	}
	b := &bench{command: c, g: g, p: p}
	defer b.close()
	if c.Start || (c.ReadyFile == "" && g.nobody()) {
		own, err := startBank(ctx, p, c.Creditbankd)
		if err != nil {
			return err
		}
		defer own.remove(p)
		b.own, c.ReadyFile = own, own.ready()
	}
	if err := b.connect(); err != nil {
		return err
	}
	done, err := b.run(ctx)
	if err != nil {
		return err
	}
	return done.print(g, p)
}

func (c *benchCommand) check() error {
	for _, n := range []int{c.Entries, c.Callers, c.BatchCallers, c.Batch} {
		if n < 1 {
			return usagef("every number is 1 or more")
		}
	}
	if c.Batch > keyring.MaxStatements {
		return usagef("--batch: it is at most %d", keyring.MaxStatements)
	}
	if c.Duration <= 0 || c.Rate < 0 {
		return usagef("--duration and --rate are more than 0")
	}
	return nil
}

// nobody says that the flags name neither a bank nor a caller.
func (g *globals) nobody() bool {
	return g.Bank == "" && g.Organization == "" && g.SignKey == "" && g.AuthKey == "" && g.TokenFile == ""
}

// bench is one run of the command.
type bench struct {
	command *benchCommand
	g       *globals // addresses and the id of the bank
	p       *process
	own     *ownBank // nil: somebody else's bank is measured
	senders []*sender
	reader  *grpc.ClientConn
	// issuer signs holders of accounts in; nil: nobody can be.
	issuer  *keyring.PrivateKey
	classes *classes
}

// sender is a platform that posts.
type sender struct {
	organization unit.OrganizationID
	key          *keyring.PrivateKey
	conn         *grpc.ClientConn
}

// connect connects with every platform's name, and once with nobody's.
func (b *bench) connect() error {
	callers := []globals{*b.g}
	if b.command.ReadyFile != "" {
		ready, err := readReady(b.command.ReadyFile)
		if err != nil {
			return err
		}
		if callers, err = ready.callers(b.g); err != nil {
			return err
		}
		if b.command.TokenKey == "" {
			b.command.TokenKey = ready.TokenKeyFile
		}
		b.g = &callers[0]
	}
	for i := range callers {
		s, err := callers[i].sender(b.p)
		if err != nil {
			return err
		}
		b.senders = append(b.senders, s)
	}
	if most := callersOfOne * len(b.senders); b.command.Callers > most {
		fmt.Fprintf(b.p.stderr, "%d platforms post: --callers is %d instead of %d\n", len(b.senders), most, b.command.Callers)
		b.command.Callers = most
	}
	if b.command.TokenKey != "" {
		var err error
		if b.issuer, err = readKey("--token-key", b.command.TokenKey); err != nil {
			return err
		}
	}
	nobody := *b.g
	nobody.AuthKey, nobody.TokenFile = "", ""
	var err error
	b.reader, err = nobody.dial(b.p)
	return err
}

func (g *globals) sender(p *process) (*sender, error) {
	organization, err := g.names()
	if err != nil {
		return nil, err
	}
	if g.AuthKey == "" {
		return nil, usagef("--auth-key is missing")
	}
	key, err := readKey("--sign-key", g.SignKey)
	if err != nil {
		return nil, err
	}
	conn, err := g.dial(p)
	return &sender{organization: organization, key: key, conn: conn}, err
}

func (b *bench) close() {
	for _, s := range b.senders {
		hangUp(s.conn)
	}
	if b.reader != nil {
		hangUp(b.reader)
	}
}

// holder signs the holder of an account in.
func (b *bench) holder(id unit.AccountID) (*bearer, error) {
	token, err := access.ResidentToken(b.g.Bank, access.LocalIssuer, id, b.issuer, b.p.now(), access.MaxPersonToken)
	if err != nil {
		return nil, err
	}
	return &bearer{token: token, now: b.p.now, secure: b.g.TLSCA != ""}, nil
}

// run measures everything that can be.
func (b *bench) run(ctx context.Context) (done benchmark, err error) {
	done.Cores = runtime.NumCPU()
	if err := b.prepare(ctx); err != nil {
		return done, err
	}
	if b.issuer == nil {
		fmt.Fprintln(b.p.stderr, "without --token-key no record is read: portfolio_500, portfolio_page and mix_portfolio are left out")
	}
	var single float64
	for _, step := range []func() ([]benchResult, error){
		func() ([]benchResult, error) { return b.preload(ctx) },
		func() ([]benchResult, error) { return b.recordBatch(ctx) },
		func() ([]benchResult, error) {
			results, err := b.recordSingle(ctx)
			if err == nil {
				single = *results[0].PerSecond
			}
			return results, err
		},
		func() ([]benchResult, error) { return b.recordHalf(ctx, single) },
		func() ([]benchResult, error) { return b.readRecords(ctx) },
		func() ([]benchResult, error) { return b.readProofs(ctx) },
		func() ([]benchResult, error) { return b.mix(ctx) },
		func() ([]benchResult, error) { return b.reopen(ctx) },
	} {
		results, err := step()
		if err != nil {
			return done, err
		}
		done.Results = append(done.Results, results...)
	}
	done.statementBytes = b.classes.meanBytes()
	return done, nil
}

// aim is what two cores are to reach, the caller included.
func (d benchmark) aim(name string) string {
	switch name {
	case "record_batch":
		return "80,000 a second or more"
	case "record_single":
		return "15,000 a second or more"
	case "record_single_half_load":
		return "p99 below 5 ms"
	case "portfolio_500":
		return "below 2 ms at the bank"
	case "inclusion_proof":
		return "below 0.1 ms at the bank"
	case "reopen", "reopen_killed":
		return "below 1000 ms"
	case "bytes_per_entry":
		return fmt.Sprintf("%.0f or less: a statement of %.0f, and 400", d.statementBytes+400, d.statementBytes)
	default:
		return ""
	}
}

func (d benchmark) print(g *globals, p *process) error {
	if g.JSON {
		return writeJSON(p.stdout, d)
	}
	t := &table{right: []int{1, 2, 3, 4}}
	t.row(fmt.Sprintf("%d cores", d.Cores), "per second", "p50 ms", "p99 ms", "count", "aim on 2 cores")
	for _, r := range d.Results {
		if r.Value != nil {
			t.row(r.Name, fmt.Sprintf("%.0f bytes", *r.Value), "", "", itoa(int64(r.Count)), d.aim(r.Name))
			continue
		}
		t.row(r.Name, rateWords(*r.PerSecond), fmt.Sprintf("%.2f", r.P50), fmt.Sprintf("%.2f", r.P99), itoa(int64(r.Count)), d.aim(r.Name))
	}
	t.write(p.stdout)
	return nil
}

// rateWords writes a rate with as many digits as mean something.
func rateWords(perSecond float64) string {
	if perSecond < 100 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

// courses are those that can be taken on every day of the benchmark, any number of times.
func (b *bench) courses(ctx context.Context) ([]*creditbankv1.Course, error) {
	all, err := listCourses(ctx, b.g, creditbankv1.NewAccreditationServiceClient(b.reader), &creditbankv1.ListCoursesRequest{
		Status: creditbankv1.CourseStatus_COURSE_STATUS_ACCREDITED,
	})
	if err != nil {
		return nil, err
	}
	today := b.p.now().UTC()
	first, last := today.AddDate(0, 0, -classDays-1).Format(time.DateOnly), today.Format(time.DateOnly)
	var open []*creditbankv1.Course
	for _, course := range all {
		if course.GetValidFrom() <= first && (course.GetValidUntil() == "" || course.GetValidUntil() >= last) && course.GetEquivalenceGroup() == "" {
			open = append(open, course)
		}
	}
	if len(open) == 0 {
		return nil, fmt.Errorf("none of the bank's %d accredited courses was open in the last %d days and may be taken more than once", len(all), classDays)
	}
	return open, nil
}
