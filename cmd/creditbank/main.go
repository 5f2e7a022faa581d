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

	Keys         keysCommand         `cmd:"" help:"Make and show the keys of an organization."`
	Post         postCommand         `cmd:"" help:"Post completions from files; posting them again changes nothing."`
	Portfolio    portfolioCommand    `cmd:"" help:"Show a learning record with its reasons."`
	Export       exportCommand       `cmd:"" help:"Write a learning record into a file that others read."`
	Account      accountCommand      `cmd:"" help:"Merge two accounts of one person, with three officers."`
	Claim        claimCommand        `cmd:"" help:"Claim what was learned before or elsewhere."`
	Transfer     transferCommand     `cmd:"" help:"Ask what institutions would take over, and have them do so."`
	Review       reviewCommand       `cmd:"" help:"See and decide the cases that wait for an officer."`
	Clawback     clawbackCommand     `cmd:"" help:"Take back what should not have counted, with two officers."`
	Hold         holdCommand         `cmd:"" help:"Hold completions until two officers know more."`
	Balances     balancesCommand     `cmd:"" help:"Take over what residents earned under another system, with two officers."`
	Course       courseCommand       `cmd:"" help:"Look courses up, propose, accredit and change them."`
	Organization organizationCommand `cmd:"" help:"Change what an organization may do."`
	Application  applicationCommand  `cmd:"" help:"Apply for the accreditation of an organization, and decide on it."`
	Policy       policyCommand       `cmd:"" help:"Check, try, propose and publish the rules of credit."`
	Agreement    agreementCommand    `cmd:"" help:"Check, publish and show what institutions take over."`
	Consent      consentCommand      `cmd:"" help:"Let institutions ask about a record, and take it back."`
	Audit        auditCommand        `cmd:"" help:"Check that the history of the bank was not rewritten."`
	Proof        proofCommand        `cmd:"" help:"Fetch and verify the proof that an entry is in the log."`

	VerifyBundle verifyBundleCommand `cmd:"" help:"Check the file of a transfer with the log's public key alone, without asking anybody."`

	Bench benchCommand `cmd:"" help:"Measure a bank through gRPC."`
}

const description = `Client of a learning credit bank.

Exit codes: 0 all went well, 1 something failed or rows were refused, 2 wrong command line, 3 what the bank showed does not
hold (audit, proof, verify-bundle).`

// run is the command with everything that it touches handed in. It answers the exit code.
func run(ctx context.Context, args []string, p *process) int {
	var (
		line   commands
		exited bool // after printing help
	)
	parser, err := kong.New(&line,
		kong.Name("creditbank"), kong.Description(description),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.ExplicitGroups([]kong.Group{{Key: "bank", Title: "The bank:"}, {Key: "caller", Title: "The caller:"}, {Key: "shanghai", Title: "What only schools know, for the Shanghai profiles:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&line.globals, p),
	)
	if err != nil {
		fmt.Fprintf(p.stderr, "creditbank: %v\n", err)
		return exitFailed
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
