// Command creditbank is the client of a learning credit bank: it posts completions, shows records, decides cases and checks
// that the bank's history was not rewritten.
//
// It keeps nothing but the files that its flags name, believes nothing that it can check itself (audit and proof verify
// before they print), and never sends a token over a connection that others can read: without TLS only loopback addresses
// are called.
//
// Its one invariant: whatever was started may be started again. A command that was interrupted and is repeated changes
// nothing twice.
//
// Exit codes: 0 all went well; 1 something failed, or rows were refused; 2 the command line is wrong; 3 what the bank showed
// does not hold (audit, proof, verify-bundle).
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // --zone works on machines without a time zone database

	"github.com/alecthomas/kong"
)

// Exit codes of the command.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		now: time.Now, sleep: sleep, random: rand.Reader, getenv: os.Getenv,
	})
	stop()
	os.Exit(code)
}

// process is what a command takes from the world around it. Flags may also stand in the process's own environment.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	// sleep waits, or answers the context's error when it ends first.
	sleep func(context.Context, time.Duration) error
	// random must be cryptographically secure.
	random io.Reader
	getenv func(string) string
}

// sleep waits by the clock of the machine.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// commands is the command line.
type commands struct {
	globals

	Portfolio portfolioCommand `cmd:"" group:"resident" help:"Show a learning record with its reasons."`
	Export    exportCommand    `cmd:"" group:"resident" help:"Write a learning record into a file that others read."`
	Claim     claimCommand     `cmd:"" group:"resident" help:"Claim what was learned before or elsewhere."`
	Consent   consentCommand   `cmd:"" group:"resident" help:"Let institutions ask about a record, and take it back."`
	Transfer  transferCommand  `cmd:"" group:"resident" help:"Ask what an institution would take over, and have it do so; institutions answer."`

	Keys        keysCommand        `cmd:"" group:"organization" help:"Make and show the keys of an organization."`
	Post        postCommand        `cmd:"" group:"organization" help:"Post completions from files; posting them again changes nothing."`
	Application applicationCommand `cmd:"" group:"organization" help:"Apply for the accreditation of an organization; officers decide."`
	Agreement   agreementCommand   `cmd:"" group:"organization" help:"Check, publish and show what institutions take over."`

	Review       reviewCommand       `cmd:"" group:"officer" help:"See and decide the cases that wait for an officer; learners answer and appeal."`
	Organization organizationCommand `cmd:"" group:"officer" help:"Change what an organization may do."`
	Clawback     clawbackCommand     `cmd:"" group:"officer" help:"Take back what should not have counted, with two officers."`
	Hold         holdCommand         `cmd:"" group:"officer" help:"Hold completions until two officers know more."`
	Account      accountCommand      `cmd:"" group:"officer" help:"Merge two accounts of one person, with three officers."`
	Balances     balancesCommand     `cmd:"" group:"officer" help:"Take over what residents earned under another system, with two officers."`
	Policy       policyCommand       `cmd:"" group:"officer" help:"Check, try, propose and publish the rules of credit."`

	Course       courseCommand       `cmd:"" group:"anyone" help:"Look courses up; providers propose them, officers accredit and change them."`
	Audit        auditCommand        `cmd:"" group:"anyone" help:"Check that the history of the bank was not rewritten."`
	Proof        proofCommand        `cmd:"" group:"anyone" help:"Fetch and verify the proof that an entry is in the log."`
	VerifyBundle verifyBundleCommand `cmd:"" group:"anyone" help:"Check the file of a transfer with the log's public key alone, without asking anybody."`
	Bench        benchCommand        `cmd:"" group:"anyone" help:"Measure a bank through gRPC."`
}

const description = `Client of a learning credit bank.

Exit codes: 0 all went well, 1 something failed or rows were refused, 2 wrong command line, 3 what the bank showed does not
hold (audit, proof, verify-bundle).`

// groups are the headings of the help: commands by who mostly runs them, then flags.
func groups() []kong.Group {
	return []kong.Group{
		{Key: "resident", Title: "Residents, and officers for them at the counter:"},
		{Key: "organization", Title: "Platforms, providers and institutions:"},
		{Key: "officer", Title: "Officers:"},
		{Key: "anyone", Title: "Anyone:"},
		{Key: "bank", Title: "The bank:"},
		{Key: "caller", Title: "The caller:"},
		{Key: "shanghai", Title: "What only the learner's school knows, for the Shanghai profiles:"},
	}
}

// run is the command with everything that it touches handed in. It answers the exit code.
func run(ctx context.Context, args []string, p *process) int {
	var (
		line   commands
		exited bool // after printing help
	)
	parser, err := kong.New(&line,
		kong.Name("creditbank"), kong.Description(description),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.ExplicitGroups(groups()),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&line.globals, p),
	)
	if err != nil {
		fmt.Fprintf(p.stderr, "creditbank: %v\n", err)
		return exitFailed
	}
	for _, command := range parser.Model.Children {
		for _, below := range command.Children {
			below.Group = &kong.Group{Key: "commands", Title: "Commands:"} // not the heading of the command above it
		}
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited:
		return exitOK
	case err != nil:
		fmt.Fprintf(p.stderr, "creditbank: %v\nTry \"creditbank --help\".\n", err)
		return exitUsage
	}
	return line.exitCode(p, parsed.Run())
}

// exitCode says what went wrong, and how a program learns of it.
func (g *globals) exitCode(p *process, err error) int {
	switch refused, usage := (*refusedError)(nil), (*usageError)(nil); {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &refused):
		fmt.Fprintf(p.stderr, "creditbank: REFUSED: %s\n", refused)
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "creditbank: %s\n", usage)
		return exitUsage
	default:
		for _, line := range explain(err) {
			fmt.Fprintf(p.stderr, "creditbank: %s\n", line)
		}
		return exitFailed
	}
}
